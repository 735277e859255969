/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  Triggers that log changes of the directory.
 *
 * They are called once for a statement, with all rows that it changed, however
 * that came about: COPY, MERGE, ON CONFLICT, a foreign key that cascades, a row
 * that moves to another partition.  Row-level security and what triggers of
 * others did to the rows before are behind us by then.  TRUNCATE tells of no
 * rows, so they are read before it.
 *
 * The names of columns say what a row is about: hierarchy_id; entity_id, or
 * child_id and parent_id.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "compat.h"
#include "directory/change_log.h"
#include "directory/notify.h"
#include "directory/restore.h"
#include "directory/row_json.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

HG_FUNCTION_INFO_V1(hgraph_audit);
HG_FUNCTION_INFO_V1(hgraph_append_only);

/* A column of a key of change_log. */
typedef struct KeyColumn
{
	AttrNumber	attno;			/* 0: the table has none */
	Oid			type;
} KeyColumn;

/* One call of the trigger. */
typedef struct Audit
{
	Relation	rel;
	Oid			schema;			/* of the directory */
	HgChangeLog *log;
	HgRowJson  *json;
	KeyColumn	hierarchy;
	KeyColumn	entity;
	KeyColumn	parent;
	AttrNumber	name;			/* if the rows are hierarchies */
	bool		noted;			/* this one, last: */
	int32		noted_id;
	bool		is_identifier;
} Audit;

/*
 * find_key finds a column by which changes are found.
 */
static KeyColumn
find_key(Relation rel, const char *name)
{
	TupleDesc	desc = RelationGetDescr(rel);
	KeyColumn	key = {0, InvalidOid};
	int			attno = SPI_fnumber(desc, name);

	if (attno > 0)
	{
		key.attno = attno;
		key.type = TupleDescAttr(desc, attno - 1)->atttypid;
		if (key.type != INT4OID && key.type != INT8OID)
			key.attno = 0;
	}
	return key;
}

/*
 * get_key gets the value of such a column.
 */
static bool
get_key(TupleTableSlot *slot, KeyColumn key, int64 *value)
{
	bool		isnull;
	Datum		datum;

	if (key.attno == 0)
		return false;
	datum = slot_getattr(slot, key.attno, &isnull);
	if (isnull)
		return false;
	*value = key.type == INT4OID ? DatumGetInt32(datum) : DatumGetInt64(datum);
	return true;
}

/*
 * table_name is how change_log calls a table; a partition goes by the name of
 * what it is part of in the schema of the directory.
 */
static const char *
table_name(Relation rel, Oid schema)
{
	const char *name = RelationGetRelationName(rel);

	if (rel->rd_rel->relispartition)
	{
		List	   *ancestors = get_partition_ancestors(RelationGetRelid(rel));
		ListCell   *lc;

		foreach(lc, ancestors)
		{
			if (get_rel_namespace(lfirst_oid(lc)) == schema)
				name = get_rel_name(lfirst_oid(lc));
		}
	}
	return name;
}

/*
 * audit_begin prepares for the changes of one statement.
 */
static void
audit_begin(Audit *audit, Relation rel, Oid schema, const char *operation)
{
	const char *table = table_name(rel, schema);

	memset(audit, 0, sizeof(Audit));
	audit->rel = rel;
	audit->schema = schema;
	audit->hierarchy = find_key(rel, "hierarchy_id");
	audit->entity = find_key(rel, "child_id");
	if (audit->entity.attno == 0)
		audit->entity = find_key(rel, "entity_id");
	audit->parent = find_key(rel, "parent_id");
	audit->is_identifier = strcmp(table, "identifier") == 0;
	if (strcmp(table, "hierarchy") == 0)
		audit->name = Max(SPI_fnumber(RelationGetDescr(rel), "name"), 0);
	if (audit->name > 0 &&
		TupleDescAttr(RelationGetDescr(rel), audit->name - 1)->atttypid != TEXTOID)
		audit->name = 0;
	audit->log = hg_change_log_begin(schema, rel->rd_rel->relowner, table,
									 operation);
	audit->json = hg_row_json_begin(RelationGetDescr(rel));
}

/*
 * audit_end ends it.
 */
static void
audit_end(Audit *audit)
{
	hg_row_json_end(audit->json);
	hg_change_log_end(audit->log);
}

/*
 * hierarchy_name reads the name of a hierarchy from its table, the row as it
 * is at this moment.
 */
static char *
hierarchy_name(Oid schema, int32 hierarchy_id)
{
	Oid			relid = get_relname_relid("hierarchy", schema);
	Oid			index = get_relname_relid("hierarchy_pkey", schema);
	Relation	rel;
	AttrNumber	id_column;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *name = NULL;

	if (!OidIsValid(relid))
		return NULL;
	rel = table_open(relid, AccessShareLock);
	id_column = SPI_fnumber(RelationGetDescr(rel), "hierarchy_id");
	if (id_column > 0)
	{
		ScanKeyInit(&key, id_column, BTEqualStrategyNumber, F_INT4EQ,
					Int32GetDatum(hierarchy_id));
		scan = systable_beginscan(rel, index, OidIsValid(index), SnapshotSelf,
								  1, &key);
		tuple = systable_getnext(scan);
		if (HeapTupleIsValid(tuple))
			name = SPI_getvalue(tuple, RelationGetDescr(rel),
								SPI_fnumber(RelationGetDescr(rel), "name"));
		systable_endscan(scan);
	}
	table_close(rel, AccessShareLock);
	return name;
}

/*
 * note_hierarchy has the hierarchy of a row named in the notification.
 */
static void
note_hierarchy(Audit *audit, int32 hierarchy_id, TupleTableSlot *slot)
{
	char	   *name = NULL;

	if (audit->noted && audit->noted_id == hierarchy_id && audit->name == 0)
		return;
	audit->noted = true;
	audit->noted_id = hierarchy_id;
	if (audit->name > 0)
	{
		bool		isnull;
		Datum		datum = slot_getattr(slot, audit->name, &isnull);

		if (!isnull)
			name = TextDatumGetCString(datum);
	}
	else if (!hg_notify_knows(hierarchy_id))
		name = hierarchy_name(audit->schema, hierarchy_id);
	if (name != NULL)
		hg_notify_hierarchy(hierarchy_id, name);
}

/*
 * add_change logs a change of a row: from what to what, of which one may be
 * NULL.
 */
static void
add_change(Audit *audit, TupleTableSlot *old_slot, TupleTableSlot *new_slot)
{
	MemoryContext saved;
	TupleTableSlot *slot = new_slot != NULL ? new_slot : old_slot;
	HgChangeKeys keys;
	Jsonb	   *old_row = NULL;
	Jsonb	   *new_row = NULL;
	int64		hierarchy_id;
	int64		former;

	Assert(slot != NULL);
	saved = MemoryContextSwitchTo(hg_change_log_memory(audit->log));
	if (old_slot != NULL)
		old_row = hg_row_json(audit->json, old_slot);
	if (new_slot != NULL)
		new_row = hg_row_json(audit->json, new_slot);
	if (old_row != NULL && new_row != NULL &&
		VARSIZE(old_row) == VARSIZE(new_row) &&
		memcmp(old_row, new_row, VARSIZE(old_row)) == 0)
	{
		pfree(old_row);
		pfree(new_row);
		MemoryContextSwitchTo(saved);
		return;
	}

	keys.has_hierarchy = get_key(slot, audit->hierarchy, &hierarchy_id);
	keys.has_entity = get_key(slot, audit->entity, &keys.entity_id);
	keys.has_parent = get_key(slot, audit->parent, &keys.parent_id);
	if (keys.has_hierarchy)
	{
		keys.hierarchy_id = hierarchy_id;
		note_hierarchy(audit, hierarchy_id, slot);
	}
	/* an identifier that moves: from which entity */
	if (audit->is_identifier && old_slot != NULL && new_slot != NULL &&
		get_key(old_slot, audit->entity, &former) && former != keys.entity_id)
	{
		keys.has_parent = true;
		keys.parent_id = former;
	}
	MemoryContextSwitchTo(saved);
	hg_change_log_add(audit->log, &keys, old_row, new_row);
}

/*
 * open_rows starts reading a transition table, which other triggers may be
 * reading as well.
 */
static int
open_rows(Tuplestorestate *rows)
{
	int			pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);

	tuplestore_select_read_pointer(rows, pointer);
	tuplestore_rescan(rows);
	return pointer;
}

/*
 * audit_rows logs rows that were added or removed.
 */
static void
audit_rows(Audit *audit, Tuplestorestate *rows, bool added)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(audit->rel),
													&TTSOpsMinimalTuple);

	(void) open_rows(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
		add_change(audit, added ? NULL : slot, added ? slot : NULL);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * audit_updates logs rows that were changed.  The old and the new ones come in
 * the same order.  Only when a trigger of somebody else kept a row from being
 * added to the partition that it was moving to, there is an old one too many;
 * then nobody knows which belong together.
 */
static void
audit_updates(Audit *audit, Tuplestorestate *old_rows,
			  Tuplestorestate *new_rows)
{
	TupleDesc	desc = RelationGetDescr(audit->rel);
	TupleTableSlot *old_slot;
	TupleTableSlot *new_slot;

	if (tuplestore_tuple_count(old_rows) != tuplestore_tuple_count(new_rows))
	{
		audit_rows(audit, old_rows, false);
		audit_rows(audit, new_rows, true);
		return;
	}
	old_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	new_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	(void) open_rows(old_rows);
	(void) open_rows(new_rows);
	while (tuplestore_gettupleslot(old_rows, true, false, old_slot) &&
		   tuplestore_gettupleslot(new_rows, true, false, new_slot))
		add_change(audit, old_slot, new_slot);
	ExecDropSingleTupleTableSlot(old_slot);
	ExecDropSingleTupleTableSlot(new_slot);
}

/*
 * audit_truncate logs all rows of a table that nobody else can change now.
 */
static void
audit_truncate(Audit *audit)
{
	TupleTableSlot *slot = table_slot_create(audit->rel, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(audit->rel, snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		add_change(audit, slot, NULL);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * check_call checks that it is a trigger as we make it.
 */
static TriggerData *
check_call(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool		ok;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by a trigger",
						get_func_name(fcinfo->flinfo->fn_oid))));
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		ok = TRIGGER_FIRED_BEFORE(trigger->tg_event);
	else
		ok = TRIGGER_FIRED_AFTER(trigger->tg_event) &&
			TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) &&
			(TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
			 trigger->tg_oldtable != NULL) &&
			(TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ||
			 trigger->tg_newtable != NULL);
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" cannot log changes",
						trigger->tg_trigger->tgname),
				 errhint("Use add_audit_triggers() to make such triggers.")));
	return trigger;
}

/*
 * hgraph_audit is the trigger function.
 */
Datum
hgraph_audit(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = check_call(fcinfo);
	TriggerEvent event = trigger->tg_event;
	Relation	rel = trigger->tg_relation;
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	Audit		audit;

	if (TRIGGER_FIRED_BY_INSERT(event))
	{
		if (tuplestore_tuple_count(trigger->tg_newtable) == 0 ||
			hg_restoring(rel))
			PG_RETURN_POINTER(NULL);
		audit_begin(&audit, rel, schema, "INSERT");
		audit_rows(&audit, trigger->tg_newtable, true);
	}
	else if (TRIGGER_FIRED_BY_UPDATE(event))
	{
		if (tuplestore_tuple_count(trigger->tg_oldtable) == 0)
			PG_RETURN_POINTER(NULL);
		audit_begin(&audit, rel, schema, "UPDATE");
		audit_updates(&audit, trigger->tg_oldtable, trigger->tg_newtable);
	}
	else if (TRIGGER_FIRED_BY_DELETE(event))
	{
		if (tuplestore_tuple_count(trigger->tg_oldtable) == 0)
			PG_RETURN_POINTER(NULL);
		audit_begin(&audit, rel, schema, "DELETE");
		audit_rows(&audit, trigger->tg_oldtable, false);
	}
	else
	{
		audit_begin(&audit, rel, schema, "TRUNCATE");
		audit_truncate(&audit);
	}
	audit_end(&audit);
	PG_RETURN_POINTER(NULL);
}

/*
 * hgraph_append_only is the trigger function that keeps what was logged.
 */
Datum
hgraph_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by a trigger",
						get_func_name(fcinfo->flinfo->fn_oid))));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s is append-only",
					table_name(trigger->tg_relation,
							   get_func_namespace(fcinfo->flinfo->fn_oid))),
			 errdetail("What was logged stays as it is: no UPDATE, DELETE or TRUNCATE."),
			 errtable(trigger->tg_relation)));
}
