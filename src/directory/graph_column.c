/*-------------------------------------------------------------------------
 *
 * graph_column.c
 *	  The column hierarchy.graph follows the indexes.
 *
 * A dump loads the rows of hierarchy before it makes the indexes that they
 * name, and some commands make an index anew with another OID.  An event
 * trigger puts the column right after each of them.
 *
 * The column repeats what the catalogs say, so neither rules nor audit care
 * for this change: the row is replaced as logical replication replaces rows,
 * but without any trigger.  It happens with the rights of the owner of the
 * table, who may have put indexes with functions of his own on it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "commands/event_trigger.h"
#include "compat.h"
#include "directory/directory.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "types/hgraph.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define HG_SCHEMA		"hierarchy"

PG_FUNCTION_INFO_V1(hgraph_fill_graphs);
HG_FUNCTION_INFO_V1(hgraph_find_graph);

/* What is needed of table hierarchy. */
typedef struct GraphColumn
{
	Relation	rel;
	AttrNumber	id;
	AttrNumber	name;
	AttrNumber	graph;
	Oid			key;			/* its primary key */
} GraphColumn;

/*
 * partitions_touched lists the partitions whose graph a command may have made.
 * They are not locked: jobs that restore a dump side by side hold strong locks
 * on one partition each.
 */
static List *
partitions_touched(Node *parsetree, Oid root)
{
	RangeVar   *name = NULL;
	Oid			relid;

	if (IsA(parsetree, IndexStmt))
	{
		if (strcmp(castNode(IndexStmt, parsetree)->accessMethod, "hgraph") != 0)
			return NIL;
		name = castNode(IndexStmt, parsetree)->relation;
	}
	else if (IsA(parsetree, AlterTableStmt))
		name = castNode(AlterTableStmt, parsetree)->relation;
	else if (IsA(parsetree, RenameStmt) || IsA(parsetree, AlterObjectSchemaStmt))
		return NIL;				/* makes no index, whatever it is about */
	relid = name != NULL ? RangeVarGetRelid(name, NoLock, true) : root;
	if (relid == root)
		return find_inheritance_children(root, NoLock);
	if (OidIsValid(relid) && get_rel_relispartition(relid) &&
		get_partition_parent(relid, true) == root)
		return list_make1_oid(relid);
	return NIL;
}

/*
 * open_column opens table hierarchy, unless it is not what it was.
 */
static bool
open_column(Oid schema, GraphColumn *column)
{
	Oid			relid = get_relname_relid("hierarchy", schema);

	if (get_rel_relkind(relid) != RELKIND_RELATION)
		return false;
	column->rel = table_open(relid, RowExclusiveLock);
	column->id = get_attnum(relid, "hierarchy_id");
	column->name = get_attnum(relid, "name");
	column->graph = get_attnum(relid, "graph");
	list_free(RelationGetIndexList(column->rel));
	column->key = column->rel->rd_pkindex;
	if (column->id > 0 && column->name > 0 && column->graph > 0 &&
		OidIsValid(column->key))
		return true;
	table_close(column->rel, RowExclusiveLock);
	return false;
}

/*
 * replace_row writes one row anew, with its indexes, without triggers.
 */
static void
replace_row(Relation rel, TupleTableSlot *old, TupleTableSlot *new)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	EPQState	epq;

	/* range table index 0: there is no range table */
	InitResultRelInfo(result, rel, 0, NULL, 0);
	result->ri_TrigDesc = NULL;
	estate->es_output_cid = GetCurrentCommandId(true);
	estate->es_snapshot = GetActiveSnapshot();
	ExecOpenIndices(result, false);
	hg_evalplanqual_init(&epq, estate);
	ExecSimpleRelationUpdate(result, estate, &epq, old, new);
	EvalPlanQualEnd(&epq);
	ExecCloseIndices(result);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
}

/*
 * fill_graph puts the graph of one partition into the row of its hierarchy.
 */
static void
fill_graph(GraphColumn *column, Oid partition, int32 id)
{
	TupleTableSlot *search = table_slot_create(column->rel, NULL);
	TupleTableSlot *old = table_slot_create(column->rel, NULL);
	int			natts = RelationGetDescr(column->rel)->natts;

	ExecClearTuple(search);
	memset(search->tts_isnull, true, sizeof(bool) * natts);
	search->tts_values[column->id - 1] = Int32GetDatum(id);
	search->tts_isnull[column->id - 1] = false;
	ExecStoreVirtualTuple(search);
	if (RelationFindReplTupleByIndex(column->rel, column->key, LockTupleNoKeyExclusive,
									 search, old))
	{
		Oid			graph;

		slot_getallattrs(old);
		graph = hg_named_graph(partition,
							   TextDatumGetCString(old->tts_values[column->name - 1]));
		if (OidIsValid(graph) &&
			(old->tts_isnull[column->graph - 1] ||
			 DatumGetObjectId(old->tts_values[column->graph - 1]) != graph))
		{
			TupleTableSlot *new = table_slot_create(column->rel, NULL);

			ExecClearTuple(new);
			memcpy(new->tts_values, old->tts_values, sizeof(Datum) * natts);
			memcpy(new->tts_isnull, old->tts_isnull, sizeof(bool) * natts);
			new->tts_values[column->graph - 1] = ObjectIdGetDatum(graph);
			new->tts_isnull[column->graph - 1] = false;
			ExecStoreVirtualTuple(new);
			replace_row(column->rel, old, new);
			ExecDropSingleTupleTableSlot(new);
		}
	}
	ExecDropSingleTupleTableSlot(search);
	ExecDropSingleTupleTableSlot(old);
}

/*
 * fill_graphs looks at partitions.
 */
static void
fill_graphs(GraphColumn *column, List *partitions)
{
	ListCell   *lc;

	foreach(lc, partitions)
	{
		Oid			partition = lfirst_oid(lc);
		int32		id;

		if (hg_partition_id(partition, &id))
			fill_graph(column, partition, id);
	}
}

/*
 * hgraph_fill_graphs is the event trigger.
 */
Datum
hgraph_fill_graphs(PG_FUNCTION_ARGS)
{
	Oid			schema = get_namespace_oid(HG_SCHEMA, true);
	Oid			root = OidIsValid(schema) ?
		get_relname_relid("relationship", schema) : InvalidOid;
	GraphColumn column;
	List	   *partitions;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("fill_graphs must be called as an event trigger")));
	if (get_rel_relkind(root) != RELKIND_PARTITIONED_TABLE)
		PG_RETURN_NULL();
	partitions = partitions_touched(((EventTriggerData *) fcinfo->context)->parsetree, root);
	if (partitions != NIL && open_column(schema, &column))
	{
		Oid			user;
		int			context;

		PushActiveSnapshot(GetTransactionSnapshot());
		GetUserIdAndSecContext(&user, &context);
		SetUserIdAndSecContext(column.rel->rd_rel->relowner,
							   context | SECURITY_RESTRICTED_OPERATION);
		fill_graphs(&column, partitions);
		SetUserIdAndSecContext(user, context);
		PopActiveSnapshot();
		table_close(column.rel, NoLock);
	}
	PG_RETURN_NULL();
}

/*
 * hgraph_find_graph returns the graph of a hierarchy by its partition, so that
 * nothing depends on a name that may be changing, or on the column; NULL if
 * there is none.
 */
Datum
hgraph_find_graph(PG_FUNCTION_ARGS)
{
	Oid			schema = get_namespace_oid(HG_SCHEMA, true);
	char	   *partition = psprintf("relationship_%d", PG_GETARG_INT32(0));
	Oid			relid = OidIsValid(schema) ?
		get_relname_relid(partition, schema) : InvalidOid;
	Oid			graph = InvalidOid;

	if (OidIsValid(relid))
		graph = hg_named_graph(relid, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (!OidIsValid(graph))
		PG_RETURN_NULL();
	PG_RETURN_OID(graph);
}
