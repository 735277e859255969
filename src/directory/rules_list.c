/*-------------------------------------------------------------------------
 *
 * rules_list.c
 *	  check_hierarchy(): everything that breaks a rule.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "directory/rules.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* A hint lists at most so many hierarchies. */
#define LISTED	10

HG_FUNCTION_INFO_V1(hgraph_check_hierarchy);

/*
 * list_problem adds a row to the result.
 */
static void
list_problem(void *arg, const HgProblem *problem)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[4];
	bool		nulls[4] = {false, problem->no_child, false, problem->detail == NULL};

	values[0] = CStringGetTextDatum(problem->constraint);
	values[1] = Int64GetDatum(problem->child);
	values[2] = CStringGetTextDatum(problem->message);
	values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(problem->detail);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * compare_names is for list_sort.
 */
static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/*
 * names_hint lists hierarchies for one who asked for a wrong one.
 */
static char *
names_hint(HgDirectory *dir)
{
	Relation	rel = hg_directory_table(dir, HG_HIERARCHY);
	AttrNumber	column = hg_column(rel, "name");
	List	   *names = NIL;
	StringInfoData hint;
	ListCell   *lc;
	HgScan		scan;

	if (pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return "Its name is that of its graph.";
	hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, hg_column(rel, "hierarchy_id")), 0);
	hg_scan_all(&scan);
	while (hg_scan_next(&scan))
	{
		names = lappend(names, TextDatumGetCString(hg_value(scan.slot, column)));
	}
	hg_scan_end(&scan);
	if (names == NIL)
		return "There is none yet: make one with create_hierarchy.";
	list_sort(names, compare_names);
	initStringInfo(&hint);
	appendStringInfoString(&hint, "Hierarchies:");
	foreach(lc, names)
	{
		if (foreach_current_index(lc) == LISTED)
			break;
		appendStringInfo(&hint, "%s \"%s\"", foreach_current_index(lc) > 0 ? "," : "",
						 (char *) lfirst(lc));
	}
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

/*
 * hgraph_check_hierarchy lists what breaks the rules of a hierarchy.
 */
Datum
hgraph_check_hierarchy(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	HgDirectory dir;
	HgCheck		check = {0};
	int32		id;

	InitMaterializedSRF(fcinfo, 0);
	hg_directory_begin(&dir, get_func_namespace(fcinfo->flinfo->fn_oid));
	dir.snapshot = RegisterSnapshot(GetActiveSnapshot());
	if (!hg_may_show(&dir))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to check hierarchy \"%s\"", name),
				 errdetail("It needs the right to read all entities and relationships.")));
	id = hg_hierarchy_id(&dir, name);
	if (id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("hierarchy \"%s\" does not exist", name),
				 errhint("%s", names_hint(&dir))));
	check.dir = &dir;
	check.hierarchy = hg_rules_hierarchy(&dir, id, NULL);
	check.tell = list_problem;
	check.arg = fcinfo->resultinfo;
	hg_check_own_graph(&check);
	hg_check_hierarchy(&check);
	hg_directory_end(&dir);
	return (Datum) 0;
}
