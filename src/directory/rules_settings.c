/*-------------------------------------------------------------------------
 *
 * rules_settings.c
 *	  The triggers that watch what rules depend on: settings of hierarchies,
 *	  type rules, relationship types; and identifiers and their schemes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "am/am.h"
#include "catalog/pg_collation.h"
#include "commands/trigger.h"
#include "compat.h"
#include "directory/locks.h"
#include "directory/restore.h"
#include "directory/rules.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "types/hgraph.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

HG_FUNCTION_INFO_V1(hgraph_hierarchy_rules);
HG_FUNCTION_INFO_V1(hgraph_rule_rules);
HG_FUNCTION_INFO_V1(hgraph_type_rules);

/* The settings that rules depend on. */
static const char *const settings[] = {
	"share_mode", "max_parents", "require_primary", "relationship_types", "validity",
};
static const char *const graph_column[] = {"graph"};

/*
 * has_partition: is there the table of a hierarchy?
 */
static bool
has_partition(HgDirectory *dir, int32 id)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "relationship_%d", id);
	return OidIsValid(get_relname_relid(name, dir->schema));
}

/*
 * text_value reads a text column, "" for NULL.
 */
static char *
text_value(TupleTableSlot *slot, AttrNumber attno)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attno, &isnull);

	return isnull ? "" : TextDatumGetCString(value);
}

/*
 * collect_ids adds the ids in a transition table to a list.
 */
static List *
collect_ids(Relation rel, Tuplestorestate *store, List *ids)
{
	TupleTableSlot *slot;
	AttrNumber	id = hg_column(rel, "hierarchy_id");

	if (store == NULL)
		return ids;
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	hg_rewind(store);
	while (tuplestore_gettupleslot(store, true, false, slot))
	{
		bool		isnull;

		ids = list_append_unique_int(ids, DatumGetInt32(slot_getattr(slot, id, &isnull)));
	}
	ExecDropSingleTupleTableSlot(slot);
	return ids;
}

/*
 * compare_int_cells is for list_sort.
 */
static int
compare_int_cells(const ListCell *a, const ListCell *b)
{
	return (lfirst_int(a) > lfirst_int(b)) - (lfirst_int(a) < lfirst_int(b));
}

/*
 * recheck locks hierarchies against writers and checks all they have.
 */
static void
recheck(HgDirectory *dir, List *ids)
{
	ListCell   *lc;

	list_sort(ids, compare_int_cells);
	foreach(lc, ids)
		hg_lock_hierarchy(lfirst_int(lc));
	hg_directory_look(dir);
	foreach(lc, ids)
	{
		HgCheck		check = {0};

		check.dir = dir;
		check.hierarchy = hg_hierarchy(dir, lfirst_int(lc), NULL);
		check.postpone = true;
		if (check.hierarchy != NULL && check.hierarchy->partition != NULL)
			hg_check_hierarchy(&check);
	}
}

/*
 * check_name makes sure that a hierarchy is called like its graph.
 */
static void
check_name(HgDirectory *dir, Relation rel, int32 id)
{
	HgHierarchy *hierarchy = hg_hierarchy(dir, id, NULL);
	List	   *indexes;
	ListCell   *lc;
	char	   *graph = NULL;

	if (hierarchy == NULL || hierarchy->partition == NULL)
		return;
	indexes = RelationGetIndexList(hierarchy->partition);
	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (hgraph_is_hgraph_index(index))
		{
			if (strcmp(RelationGetRelationName(index), hierarchy->name) == 0)
				graph = hierarchy->name;
			else if (graph == NULL)
				graph = pstrdup(RelationGetRelationName(index));
		}
		index_close(index, NoLock);
	}
	if (graph != NULL && strcmp(graph, hierarchy->name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("graph of hierarchy \"%s\" has another name", hierarchy->name),
				 errdetail("It is called \"%s\".", graph),
				 errhint("Use rename_hierarchy()."),
				 errtableconstraint(rel, "hierarchy_graph_check")));
}

/*
 * check_graph makes sure that a hierarchy's row names the graph of its partition,
 * which it follows by itself.
 */
static void
check_graph(HgDirectory *dir, Relation rel, int32 id)
{
	HgHierarchy *hierarchy = hg_hierarchy(dir, id, NULL);
	Oid			graph;

	if (hierarchy == NULL || hierarchy->partition == NULL)
		return;
	graph = hg_named_graph(RelationGetRelid(hierarchy->partition), hierarchy->name);
	if (hierarchy->graph != graph)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("graph of hierarchy \"%s\" cannot be changed", hierarchy->name),
				 OidIsValid(graph) ?
				 errdetail("It is index \"%s\" of table \"%s\".", get_rel_name(graph),
						   RelationGetRelationName(hierarchy->partition)) :
				 errdetail("Table \"%s\" has no graph.",
						   RelationGetRelationName(hierarchy->partition)),
				 OidIsValid(graph) ?
				 errhint("Leave column graph out of the UPDATE.") :
				 errhint("CREATE INDEX ... USING hgraph on that table sets the column."),
				 errtableconstraint(rel, "hierarchy_graph_check")));
}

/*
 * hg_check_own_graph looks for the graph of a hierarchy.
 */
void
hg_check_own_graph(HgCheck *check)
{
	HgHierarchy *hierarchy = check->hierarchy;
	const char *table = RelationGetRelationName(hierarchy->partition);
	Oid			graph = hg_named_graph(RelationGetRelid(hierarchy->partition),
									   hierarchy->name);
	HgProblem	problem = {0};

	if (OidIsValid(graph) && hierarchy->graph == graph)
		return;
	problem.constraint = "hierarchy_graph_check";
	problem.sqlstate = ERRCODE_CHECK_VIOLATION;
	problem.no_child = true;
	if (!OidIsValid(graph))
	{
		problem.message = psprintf("hierarchy \"%s\" has no graph", hierarchy->name);
		problem.detail = psprintf("Table \"%s\" has no valid index of access method hgraph.", table);
	}
	else
	{
		problem.message = psprintf("hierarchy \"%s\" names another graph than its own",
								   hierarchy->name);
		problem.detail = psprintf("Its graph is index \"%s\" of table \"%s\", column graph has %u.",
								  get_rel_name(graph), table, hierarchy->graph);
	}
	hg_report(check, &problem);
}

/*
 * check_gone makes sure that hierarchies that are gone have no partition.
 */
static void
check_gone(HgDirectory *dir, Relation rel, List *ids)
{
	ListCell   *lc;

	foreach(lc, ids)
	{
		HgHierarchy *hierarchy = hg_hierarchy(dir, lfirst_int(lc), NULL);

		if (hierarchy == NULL && has_partition(dir, lfirst_int(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("hierarchy %d still has its table \"relationship_%d\"",
							lfirst_int(lc), lfirst_int(lc)),
					 errhint("Use drop_hierarchy()."),
					 errtableconstraint(rel, "relationship_hierarchy_id_fkey")));
	}
}

/*
 * changed returns the hierarchies some column of which an UPDATE changed.
 */
static List *
changed(TriggerData *trigdata, const char *const *columns, int ncolumns)
{
	Relation	rel = trigdata->tg_relation;
	TupleDesc	tupdesc = RelationGetDescr(rel);
	TupleTableSlot *before = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	TupleTableSlot *after = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	AttrNumber	id = hg_column(rel, "hierarchy_id");
	List	   *ids = NIL;

	hg_rewind(trigdata->tg_oldtable);
	hg_rewind(trigdata->tg_newtable);
	while (tuplestore_gettupleslot(trigdata->tg_oldtable, true, false, before) &&
		   tuplestore_gettupleslot(trigdata->tg_newtable, true, false, after))
	{
		bool		same = true;
		bool		isnull;

		for (int i = 0; i < ncolumns && same; i++)
		{
			int			attno = SPI_fnumber(tupdesc, columns[i]);
			Form_pg_attribute att;
			bool		old_null;
			bool		new_null;
			Datum		old_value;
			Datum		new_value;

			if (attno <= 0)
				continue;
			att = TupleDescAttr(tupdesc, attno - 1);
			old_value = slot_getattr(before, attno, &old_null);
			new_value = slot_getattr(after, attno, &new_null);
			same = old_null == new_null &&
				(old_null || datum_image_eq(old_value, new_value, att->attbyval, att->attlen));
		}
		if (!same)
			ids = list_append_unique_int(ids, DatumGetInt32(slot_getattr(after, id, &isnull)));
	}
	ExecDropSingleTupleTableSlot(before);
	ExecDropSingleTupleTableSlot(after);
	return ids;
}

/*
 * hgraph_hierarchy_rules is the trigger of hierarchy.
 */
Datum
hgraph_hierarchy_rules(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = hg_rules_called(fcinfo, false);
	Relation	rel = trigdata->tg_relation;
	HgDirectory dir;
	List	   *ids;
	ListCell   *lc;

	hg_directory_begin(&dir, RelationGetNamespace(rel));
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
	{
		hg_directory_look(&dir);
		check_gone(&dir, rel, hg_partition_ids(&dir));
	}
	else
	{
		/* a hierarchy that goes must not be written to by others meanwhile */
		ids = collect_ids(rel, trigdata->tg_oldtable, NIL);
		list_sort(ids, compare_int_cells);
		if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
			recheck(&dir, changed(trigdata, settings, lengthof(settings)));
		else
		{
			foreach(lc, ids)
				hg_lock_hierarchy(lfirst_int(lc));
			hg_directory_look(&dir);
		}
		check_gone(&dir, rel, ids);
		foreach(lc, collect_ids(rel, trigdata->tg_newtable, NIL))
			check_name(&dir, rel, lfirst_int(lc));
		if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
			foreach(lc, changed(trigdata, graph_column, lengthof(graph_column)))
				check_graph(&dir, rel, lfirst_int(lc));
	}
	hg_directory_end(&dir);
	hg_deferred_statement_ends();
	return PointerGetDatum(NULL);
}

/*
 * hgraph_rule_rules is the trigger of relationship_rule.
 */
Datum
hgraph_rule_rules(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = hg_rules_called(fcinfo, false);
	Relation	rel = trigdata->tg_relation;
	HgDirectory dir;
	List	   *ids;

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && hg_restoring(rel))
		return PointerGetDatum(NULL);
	hg_directory_begin(&dir, RelationGetNamespace(rel));
	ids = collect_ids(rel, trigdata->tg_oldtable, NIL);
	ids = collect_ids(rel, trigdata->tg_newtable, ids);
	if (ids != NIL)
		recheck(&dir, ids);
	hg_directory_end(&dir);
	return PointerGetDatum(NULL);
}

/*
 * check_type_unused makes sure that no relationship has a type.
 */
static void
check_type_unused(HgDirectory *dir, const char *type)
{
	int			number = hg_name_number(dir, &dir->relationship_types, type, strlen(type));
	ListCell   *lc;

	foreach(lc, hg_hierarchies(dir))
	{
		HgHierarchy *hierarchy = lfirst(lc);
		HgRow		row;

		if (hg_find_type(dir, hierarchy, number, &row))
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("relationship type \"%s\" is in use", type),
					 hg_may_show(dir) ?
					 errdetail("%s stands under %s in hierarchy \"%s\".",
							   hg_entity_label(dir, row.child),
							   hg_entity_label(dir, row.parent), hierarchy->name) : 0,
					 errtableconstraint(hierarchy->partition,
										"relationship_relationship_type_fkey")));
	}
}

/*
 * hgraph_type_rules is the trigger of relationship_type: a type that goes must
 * not be in use.
 */
Datum
hgraph_type_rules(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = hg_rules_called(fcinfo, false);
	Relation	rel = trigdata->tg_relation;
	HgDirectory dir;

	hg_directory_begin(&dir, RelationGetNamespace(rel));
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
	{
		ListCell   *lc;

		/* whoever writes relationships reads the table, which is locked */
		hg_directory_look(&dir);
		foreach(lc, hg_hierarchies(&dir))
		{
			HgHierarchy *hierarchy = lfirst(lc);
			HgRow		row;

			if (hg_find_type(&dir, hierarchy, -1, &row))
				check_type_unused(&dir, dir.relationship_types.name[row.type]);
		}
	}
	else if (trigdata->tg_oldtable != NULL)
	{
		AttrNumber	column = hg_column(rel, "relationship_type");
		TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);

		hg_rewind(trigdata->tg_oldtable);
		while (tuplestore_gettupleslot(trigdata->tg_oldtable, true, false, slot))
		{
			char	   *type = text_value(slot, column);

			hg_directory_look(&dir);
			if (hg_name_exists(&dir, HG_RELATIONSHIP_TYPE, type, strlen(type), NULL))
				continue;
			hg_lock_name(HG_LOCK_TYPE, type, strlen(type), true);
			hg_directory_look(&dir);
			check_type_unused(&dir, type);
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	hg_directory_end(&dir);
	return PointerGetDatum(NULL);
}
