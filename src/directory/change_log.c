/*-------------------------------------------------------------------------
 *
 * change_log.c
 *	  Writing change_log.
 *
 * Rows go straight into the partition of the month, many at a time, as COPY
 * does it.  There is no query, so no rule, policy, trigger or search_path has
 * a say in what is written.  What the owner of the log may have added to it,
 * an index on an expression for example, runs with his rights, in a restricted
 * environment.
 *
 * Everything of a statement has one time, so it goes into one partition.
 *
 * The rows of a load are as many as those of the table, and their indexes cost
 * more than they do themselves.  So an index is left out where it can be: what
 * its predicate says of columns that are the same in all rows of a statement, as
 * the operation is, is asked once.  Pages go through the shared buffers as those
 * of any INSERT do, not through the small ring of buffers of COPY, which has
 * them written out while we wait.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "directory/change_log.h"
#include "directory/horizon.h"
#include "directory/months.h"
#include "directory/notify.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "guc.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* Rows written at a time: as many as that, or as are that large together. */
#define BATCH_ROWS		4000
#define BATCH_BYTES		((Size) 2 * 1024 * 1024)

/* The columns of change_log. */
typedef enum LogColumn
{
	LOG_CHANGE_ID,
	LOG_CHANGED_AT,
	LOG_TXID,
	LOG_TABLE_NAME,
	LOG_OPERATION,
	LOG_HIERARCHY_ID,
	LOG_ENTITY_ID,
	LOG_PARENT_ID,
	LOG_OLD_ROW,
	LOG_NEW_ROW,
	LOG_REASON,
	LOG_REQUEST,
	LOG_LOGIN_ROLE,
	LOG_EFFECTIVE_ROLE,
	LOG_APPLICATION,
	LOG_CLIENT_ADDRESS
} LogColumn;

#define LOG_COLUMNS		(LOG_CLIENT_ADDRESS + 1)

static const struct
{
	const char *name;
	Oid			type;
}			log_columns[LOG_COLUMNS] = {
	[LOG_CHANGE_ID] = {"change_id", INT8OID},
	[LOG_CHANGED_AT] = {"changed_at", TIMESTAMPTZOID},
	[LOG_TXID] = {"txid", XID8OID},
	[LOG_TABLE_NAME] = {"table_name", TEXTOID},
	[LOG_OPERATION] = {"operation", TEXTOID},
	[LOG_HIERARCHY_ID] = {"hierarchy_id", INT4OID},
	[LOG_ENTITY_ID] = {"entity_id", INT8OID},
	[LOG_PARENT_ID] = {"parent_id", INT8OID},
	[LOG_OLD_ROW] = {"old_row", JSONBOID},
	[LOG_NEW_ROW] = {"new_row", JSONBOID},
	[LOG_REASON] = {"reason", TEXTOID},
	[LOG_REQUEST] = {"request", TEXTOID},
	[LOG_LOGIN_ROLE] = {"login_role", TEXTOID},
	[LOG_EFFECTIVE_ROLE] = {"effective_role", TEXTOID},
	[LOG_APPLICATION] = {"application", TEXTOID},
	[LOG_CLIENT_ADDRESS] = {"client_address", INETOID},
};

struct HgChangeLog
{
	MemoryContext memory;		/* everything here */
	MemoryContext batch_memory; /* images of the rows not written yet */
	Oid			schema;
	Oid			save_user;
	int			save_context;

	/* the values that all rows of the statement share, and where they go */
	Datum		values[LOG_COLUMNS];
	bool		isnull[LOG_COLUMNS];
	int			attno[LOG_COLUMNS]; /* from 0 */

	Relation	root;
	Relation	partition;
	Oid			sequence;
	EState	   *estate;
	ResultRelInfo *result;

	bool		plain_indexes;	/* all of them */
	bool	   *left_out;		/* which of them: no row of ours is in it */
	TupleTableSlot *slots[BATCH_ROWS];
	int			nslots;			/* made */
	int			nrows;			/* used */
	Size		nbytes;
};

/*
 * set_text sets a value that all rows share; nothing, if it is empty.
 */
static void
set_text(HgChangeLog *log, LogColumn column, const char *text)
{
	log->isnull[column] = text == NULL || text[0] == '\0';
	if (!log->isnull[column])
		log->values[column] = CStringGetTextDatum(text);
}

/*
 * set_client sets where the session comes from.
 */
static void
set_client(HgChangeLog *log)
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	log->values[LOG_CLIENT_ADDRESS] = inet_client_addr(fcinfo);
	log->isnull[LOG_CLIENT_ADDRESS] = fcinfo->isnull;
}

/*
 * role_name is the name of a role, or its number if it was dropped meanwhile.
 */
static const char *
role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name != NULL ? name : psprintf("%u", role);
}

/*
 * set_shared_values sets what all rows of the statement have in common.  The
 * current user is still who runs the statement.
 */
static void
set_shared_values(HgChangeLog *log, const char *table_name,
				  const char *operation)
{
	log->values[LOG_CHANGED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	log->values[LOG_TXID] =
		FullTransactionIdGetDatum(GetTopFullTransactionId());
	set_text(log, LOG_TABLE_NAME, table_name);
	set_text(log, LOG_OPERATION, operation);
	set_text(log, LOG_REASON, hg_reason);
	set_text(log, LOG_REQUEST, hg_request);
	set_text(log, LOG_LOGIN_ROLE, role_name(GetSessionUserId()));
	set_text(log, LOG_EFFECTIVE_ROLE, role_name(GetUserId()));
	set_text(log, LOG_APPLICATION, application_name);
	set_client(log);
}

/*
 * open_partition opens the partition for the time of the statement.
 */
static void
open_partition(HgChangeLog *log)
{
	TimestampTz at = DatumGetTimestampTz(log->values[LOG_CHANGED_AT]);
	Oid			partition = hg_log_partition(&log->root, log->schema, at);

	log->partition = table_open(partition, RowExclusiveLock);
	if (log->partition->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("partition \"%s\" of change_log is not an ordinary table",
						RelationGetRelationName(log->partition))));
}

/*
 * map_columns finds where the partition has its columns.
 */
static void
map_columns(HgChangeLog *log)
{
	TupleDesc	desc = RelationGetDescr(log->partition);

	for (int i = 0; i < LOG_COLUMNS; i++)
	{
		AttrNumber	attno = SPI_fnumber(desc, log_columns[i].name);

		if (attno <= 0 ||
			TupleDescAttr(desc, attno - 1)->atttypid != log_columns[i].type)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("\"%s\" has no column \"%s\" of type %s",
							RelationGetRelationName(log->partition),
							log_columns[i].name,
							format_type_be(log_columns[i].type))));
		log->attno[i] = attno - 1;
	}
}

/*
 * find_relation finds a relation of the directory.
 */
static Oid
find_relation(Oid schema, const char *name)
{
	Oid			relid = get_relname_relid(name, schema);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist",
						get_namespace_name(schema), name)));
	return relid;
}

/*
 * are_plain: is there nothing more to an index than to enter rows in it?
 */
static bool
are_plain(ResultRelInfo *result)
{
	for (int i = 0; i < result->ri_NumIndices; i++)
	{
		IndexInfo  *info = result->ri_IndexRelationInfo[i];

		if (info->ii_ExclusionOps != NULL || !info->ii_ReadyForInserts ||
			!result->ri_IndexRelationDescs[i]->rd_index->indimmediate)
			return false;
	}
	return true;
}

/*
 * next_slot returns an empty slot with what all rows share.  It is not of the
 * kind that the table reads rows into: in those, what indexes need would have to
 * be taken out of the row again once it is written.
 */
static TupleTableSlot *
next_slot(HgChangeLog *log)
{
	TupleTableSlot *slot;

	if (log->nrows == log->nslots)
	{
		MemoryContext saved = MemoryContextSwitchTo(log->memory);

		log->slots[log->nslots++] =
			MakeSingleTupleTableSlot(RelationGetDescr(log->partition),
									 &TTSOpsVirtual);
		MemoryContextSwitchTo(saved);
	}
	slot = log->slots[log->nrows++];
	memset(slot->tts_isnull, true,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < LOG_COLUMNS; i++)
	{
		slot->tts_values[log->attno[i]] = log->values[i];
		slot->tts_isnull[log->attno[i]] = log->isnull[i];
	}
	return slot;
}

/*
 * is_shared: does a clause look only at columns that are the same in all rows of
 * the statement?
 */
static bool
is_shared(HgChangeLog *log, Node *clause)
{
	Bitmapset  *columns = NULL;
	Bitmapset  *shared = NULL;

	for (int i = 0; i < LOG_COLUMNS; i++)
	{
		if (i == LOG_CHANGE_ID || i == LOG_HIERARCHY_ID || i == LOG_ENTITY_ID ||
			i == LOG_PARENT_ID || i == LOG_OLD_ROW || i == LOG_NEW_ROW)
			continue;
		shared = bms_add_member(shared, log->attno[i] + 1 -
								FirstLowInvalidHeapAttributeNumber);
	}
	pull_varattnos(clause, 1, &columns);
	return bms_is_subset(columns, shared);
}

/*
 * leave_out finds the indexes that no row of the statement belongs in.
 */
static void
leave_out(HgChangeLog *log)
{
	ExprContext *econtext = GetPerTupleExprContext(log->estate);
	TupleTableSlot *slot = next_slot(log);

	log->left_out = palloc0(sizeof(bool) * Max(log->result->ri_NumIndices, 1));
	econtext->ecxt_scantuple = ExecStoreVirtualTuple(slot);
	for (int i = 0; i < log->result->ri_NumIndices; i++)
	{
		ListCell   *lc;

		foreach(lc, log->result->ri_IndexRelationInfo[i]->ii_Predicate)
		{
			if (is_shared(log, lfirst(lc)) &&
				!ExecQual(ExecPrepareQual(list_make1(lfirst(lc)), log->estate),
						  econtext))
			{
				log->left_out[i] = true;
				break;
			}
		}
	}
	ResetExprContext(econtext);
	ExecClearTuple(slot);
	log->nrows = 0;
}

/*
 * hg_change_log_begin opens the log for one statement.
 */
HgChangeLog *
hg_change_log_begin(Oid schema, Oid table_owner, const char *table_name,
					const char *operation)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext,
												 "change_log",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext saved = MemoryContextSwitchTo(memory);
	HgChangeLog *log = palloc0(sizeof(HgChangeLog));
	Oid			owner;

	log->memory = memory;
	log->batch_memory = AllocSetContextCreate(memory, "change_log batch",
											  ALLOCSET_DEFAULT_SIZES);
	log->schema = schema;
	set_shared_values(log, table_name, operation);

	log->root = table_open(find_relation(schema, "change_log"), RowExclusiveLock);
	owner = log->root->rd_rel->relowner;
	/* anybody can put the trigger on a table of his own */
	if (table_owner != owner)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("changes of table \"%s\" cannot be logged", table_name),
				 errdetail("It does not belong to the owner of change_log.")));
	log->sequence = find_relation(schema, "change_log_change_id_seq");

	GetUserIdAndSecContext(&log->save_user, &log->save_context);
	SetUserIdAndSecContext(owner,
						   log->save_context | SECURITY_RESTRICTED_OPERATION);
	open_partition(log);
	map_columns(log);

	log->estate = CreateExecutorState();
	log->result = makeNode(ResultRelInfo);
	InitResultRelInfo(log->result, log->partition, 0, NULL, 0);
	ExecOpenIndices(log->result, false);
	log->plain_indexes = are_plain(log->result);
	leave_out(log);
	MemoryContextSwitchTo(saved);
	return log;
}

/* A row of the batch, and its key in an index if that is a number. */
typedef struct IndexedRow
{
	int64		key;
	bool		has_key;
	TupleTableSlot *slot;
} IndexedRow;

#define ST_SORT			sort_indexed
#define ST_ELEMENT_TYPE IndexedRow
#define ST_COMPARE(a, b) (((a)->key > (b)->key) - ((a)->key < (b)->key))
#define ST_SCOPE		static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * read_keys puts the rows of the batch in the order of a column of numbers.
 */
static void
read_keys(HgChangeLog *log, AttrNumber column, IndexedRow *rows)
{
	for (int i = 0; i < log->nrows; i++)
	{
		bool		null;
		Datum		value = slot_getattr(log->slots[i], column, &null);

		rows[i].slot = log->slots[i];
		rows[i].has_key = !null;
		rows[i].key = null ? PG_INT64_MAX : DatumGetInt64(value);
	}
	sort_indexed(rows, log->nrows);
}

/*
 * belongs: is the row of a slot one that an index has?
 */
static bool
belongs(HgChangeLog *log, IndexInfo *info, TupleTableSlot *slot)
{
	ExprContext *econtext = GetPerTupleExprContext(log->estate);

	ResetExprContext(econtext);
	econtext->ecxt_scantuple = slot;
	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, log->estate);
	return ExecQual(info->ii_PredicateState, econtext);
}

/*
 * by_block: is it enough to enter the first row of each block in an index?  So it
 * is where a summary of blocks has columns only that are the same in all rows of
 * a statement.
 */
static bool
by_block(HgChangeLog *log, Relation index, IndexInfo *info)
{
	if (index->rd_rel->relam != BRIN_AM_OID)
		return false;
	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
	{
		int			column = info->ii_IndexAttrNumbers[i] - 1;

		if (column != log->attno[LOG_CHANGED_AT] && column != log->attno[LOG_TXID])
			return false;
	}
	return true;
}

/*
 * index_rows enters the rows of the batch in one index, in the order of its
 * keys where that is easy: then neighbours go to the same page.
 */
static void
index_rows(HgChangeLog *log, Relation index, IndexInfo *info, IndexedRow *rows)
{
	AttrNumber	column = info->ii_IndexAttrNumbers[0];
	bool		is_number = column > 0 && info->ii_NumIndexAttrs == 1 &&
		TupleDescAttr(RelationGetDescr(log->partition), column - 1)->atttypid == INT8OID;
	bool		first_rows = by_block(log, index, info);
	bool		asks = info->ii_Predicate != NIL || info->ii_Expressions != NIL;
	BlockNumber block = InvalidBlockNumber;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (is_number)
		read_keys(log, column, rows);
	for (int i = 0; i < log->nrows; i++)
	{
		TupleTableSlot *slot = is_number ? rows[i].slot : log->slots[i];

		if (asks && !belongs(log, info, slot))
			continue;
		if (first_rows)
		{
			BlockNumber here = ItemPointerGetBlockNumber(&slot->tts_tid);

			if (here == block)
				continue;
			block = here;
		}
		if (is_number)
		{
			values[0] = Int64GetDatum(rows[i].key);
			isnull[0] = !rows[i].has_key;
		}
		else
			FormIndexDatum(info, slot, log->estate, values, isnull);
		index_insert(index, values, isnull, &slot->tts_tid, log->partition,
					 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
					 false, info);
	}
}

/*
 * index_batch enters the rows of the batch in the indexes.
 */
static void
index_batch(HgChangeLog *log)
{
	ResultRelInfo *result = log->result;

	if (result->ri_NumIndices == 0)
		return;
	if (log->plain_indexes)
	{
		IndexedRow *rows = palloc(sizeof(IndexedRow) * log->nrows);

		for (int i = 0; i < result->ri_NumIndices; i++)
			if (!log->left_out[i])
				index_rows(log, result->ri_IndexRelationDescs[i],
						   result->ri_IndexRelationInfo[i], rows);
		return;
	}
	for (int i = 0; i < log->nrows; i++)
	{
		list_free(hg_insert_index_tuples(result, log->slots[i], log->estate));
		ResetPerTupleExprContext(log->estate);
	}
}

/*
 * write_batch writes the rows that are waiting.
 */
static void
write_batch(HgChangeLog *log)
{
	int64		id;
	MemoryContext saved;

	if (log->nrows == 0)
		return;
	saved = MemoryContextSwitchTo(log->batch_memory);
	id = hg_take_change_ids(log->sequence, log->nrows);
	for (int i = 0; i < log->nrows; i++)
	{
		TupleTableSlot *slot = log->slots[i];

		slot->tts_values[log->attno[LOG_CHANGE_ID]] = Int64GetDatum(id + i);
		ExecStoreVirtualTuple(slot);
	}
	table_multi_insert(log->partition, log->slots, log->nrows,
					   GetCurrentCommandId(true), 0, NULL);
	index_batch(log);
	for (int i = 0; i < log->nrows; i++)
		ExecClearTuple(log->slots[i]);
	hg_notify_changes(log->nrows, id, id + log->nrows - 1);
	log->nrows = 0;
	log->nbytes = 0;
	MemoryContextSwitchTo(saved);
	MemoryContextReset(log->batch_memory);
	CHECK_FOR_INTERRUPTS();
}

/*
 * hg_change_log_memory is where the images of the next change have to be.
 */
MemoryContext
hg_change_log_memory(HgChangeLog *log)
{
	return log->batch_memory;
}

/*
 * set_value sets a value of a row.
 */
static void
set_value(HgChangeLog *log, TupleTableSlot *slot, LogColumn column, bool has,
		  Datum value)
{
	slot->tts_values[log->attno[column]] = value;
	slot->tts_isnull[log->attno[column]] = !has;
}

/*
 * hg_change_log_add adds a change.
 */
void
hg_change_log_add(HgChangeLog *log, const HgChangeKeys *keys, Jsonb *old_row,
				  Jsonb *new_row)
{
	TupleTableSlot *slot = next_slot(log);

	set_value(log, slot, LOG_HIERARCHY_ID, keys->has_hierarchy,
			  Int32GetDatum(keys->hierarchy_id));
	set_value(log, slot, LOG_ENTITY_ID, keys->has_entity,
			  Int64GetDatum(keys->entity_id));
	set_value(log, slot, LOG_PARENT_ID, keys->has_parent,
			  Int64GetDatum(keys->parent_id));
	set_value(log, slot, LOG_OLD_ROW, old_row != NULL, PointerGetDatum(old_row));
	set_value(log, slot, LOG_NEW_ROW, new_row != NULL, PointerGetDatum(new_row));

	log->nbytes += (old_row != NULL ? VARSIZE(old_row) : 0) +
		(new_row != NULL ? VARSIZE(new_row) : 0);
	if (log->nrows == BATCH_ROWS || log->nbytes >= BATCH_BYTES)
		write_batch(log);
}

/*
 * hg_change_log_end writes what is left, and closes the log.
 */
void
hg_change_log_end(HgChangeLog *log)
{
	write_batch(log);
	table_finish_bulk_insert(log->partition, 0);
	for (int i = 0; i < log->nslots; i++)
		ExecDropSingleTupleTableSlot(log->slots[i]);
	ExecCloseIndices(log->result);
	FreeExecutorState(log->estate);
	table_close(log->partition, NoLock);
	table_close(log->root, NoLock);
	SetUserIdAndSecContext(log->save_user, log->save_context);
	MemoryContextDelete(log->memory);
}
