/*-------------------------------------------------------------------------
 *
 * known.c
 *	  Fills the temporary copy of a hierarchy as it was known at some moment.
 *
 * The rows arrive frozen, as those of COPY ... FREEZE do.  So they are there
 * for the snapshot of the very statement that had the copy made, which is older
 * than they are: descendants(as_known_at('sales', t), 7) works.  Nobody else
 * sees a temporary table, and if this transaction fails, the table is gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "compat.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* So many rows are written at a time. */
#define HG_KNOWN_BATCH	1000

HG_FUNCTION_INFO_V1(hgraph_fill_known);

/* Writes what a query returns into a table. */
typedef struct HgKnownReceiver
{
	DestReceiver pub;
	Relation	rel;
	BulkInsertState bistate;
	TupleTableSlot **slots;		/* HG_KNOWN_BATCH, made when first needed */
	int			nslots;			/* made */
	int			nused;			/* waiting to be written */
	MemoryContext mcxt;			/* where slots live */
	MemoryContext batch;		/* what writing a batch takes */
} HgKnownReceiver;

/*
 * known_flush writes the rows that wait.
 */
static void
known_flush(HgKnownReceiver *self)
{
	MemoryContext old;

	if (self->nused == 0)
		return;
	old = MemoryContextSwitchTo(self->batch);
	table_multi_insert(self->rel, self->slots, self->nused,
					   GetCurrentCommandId(true),
					   TABLE_INSERT_SKIP_FSM | TABLE_INSERT_FROZEN,
					   self->bistate);
	MemoryContextSwitchTo(old);
	MemoryContextReset(self->batch);
	for (int i = 0; i < self->nused; i++)
		ExecClearTuple(self->slots[i]);
	self->nused = 0;
}

/*
 * check_not_null: programs that read rows rely on what is NOT NULL, compiled
 * ones (jit) without a look at the row.
 */
static void
check_not_null(Relation rel, TupleTableSlot *slot)
{
	TupleDesc	desc = RelationGetDescr(rel);

	slot_getallattrs(slot);
	for (int i = 0; i < desc->natts; i++)
		if (slot->tts_isnull[i] && TupleDescAttr(desc, i)->attnotnull)
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
							NameStr(TupleDescAttr(desc, i)->attname),
							RelationGetRelationName(rel)),
					 errtablecol(rel, i + 1)));
}

/*
 * known_receive takes a row.
 */
static bool
known_receive(TupleTableSlot *slot, DestReceiver *receiver)
{
	HgKnownReceiver *self = (HgKnownReceiver *) receiver;

	if (self->nused == self->nslots)
	{
		MemoryContext old = MemoryContextSwitchTo(self->mcxt);

		self->slots[self->nslots++] = table_slot_create(self->rel, NULL);
		MemoryContextSwitchTo(old);
	}
	check_not_null(self->rel, slot);
	ExecCopySlot(self->slots[self->nused++], slot);
	if (self->nused == HG_KNOWN_BATCH)
		known_flush(self);
	return true;
}

/*
 * known_startup checks that the query's rows are those of the table.
 */
static void
known_startup(DestReceiver *receiver, int operation, TupleDesc desc)
{
	HgKnownReceiver *self = (HgKnownReceiver *) receiver;
	TupleDesc	target = RelationGetDescr(self->rel);
	bool		fits = desc->natts == target->natts;

	for (int i = 0; fits && i < desc->natts; i++)
		fits = TupleDescAttr(desc, i)->atttypid == TupleDescAttr(target, i)->atttypid;
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("query does not return the columns of table \"%s\"",
						RelationGetRelationName(self->rel))));
}

/*
 * known_nothing is for what the receiver need not do.
 */
static void
known_nothing(DestReceiver *receiver)
{
}

/*
 * check_target: is this a temporary table of this session, made in this very
 * (sub)transaction, that nothing but its rows depends on?
 */
static void
check_target(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		rel->rd_rel->relpersistence != RELPERSISTENCE_TEMP ||
		RELATION_IS_OTHER_TEMP(rel) ||
		rel->rd_createSubid != GetCurrentSubTransactionId() ||
		rel->rd_rel->relhasindex || rel->trigdesc != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not a new temporary table",
						RelationGetRelationName(rel)),
				 errdetail("It must have been made by this transaction, without indexes and triggers.")));
	if (pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE,
					   RelationGetRelationName(rel));
}

/*
 * hgraph_fill_known fills a new temporary table with the rows of a query.
 */
Datum
hgraph_fill_known(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel;
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	HgKnownReceiver self = {0};
	SPIExecuteOptions options = {0};
	SPIPlanPtr	plan;
	uint64		rows;

	/* not to lock what somebody else may use */
	if (!isTempNamespace(get_rel_namespace(relid)))
	{
		const char *name = get_rel_name(relid);

		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not a new temporary table",
						name != NULL ? name : psprintf("%u", relid)),
				 errdetail("It must have been made by this transaction, without indexes and triggers.")));
	}
	rel = table_open(relid, AccessExclusiveLock);
	check_target(rel);
	self.pub.receiveSlot = known_receive;
	self.pub.rStartup = known_startup;
	self.pub.rShutdown = known_nothing;
	self.pub.rDestroy = known_nothing;
	self.pub.mydest = DestTransientRel;
	self.rel = rel;
	self.bistate = GetBulkInsertState();
	self.slots = palloc(sizeof(TupleTableSlot *) * HG_KNOWN_BATCH);
	self.mcxt = CurrentMemoryContext;
	self.batch = AllocSetContextCreate(CurrentMemoryContext, "hierarchy known rows",
									   ALLOCSET_DEFAULT_SIZES);

	SPI_connect();
	plan = SPI_prepare(query, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	options.read_only = false;
	options.dest = &self.pub;
	if (SPI_execute_plan_extended(plan, &options) != SPI_OK_SELECT)
		elog(ERROR, "query of known rows is not a SELECT");
	rows = SPI_processed;
	known_flush(&self);
	SPI_finish();

	table_finish_bulk_insert(rel, TABLE_INSERT_SKIP_FSM | TABLE_INSERT_FROZEN);
	FreeBulkInsertState(self.bistate);
	for (int i = 0; i < self.nslots; i++)
		ExecDropSingleTupleTableSlot(self.slots[i]);
	MemoryContextDelete(self.batch);
	table_close(rel, NoLock);
	PG_RETURN_INT64(rows);
}
