/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Custom scan "Hierarchy Scan": a set-returning function in FROM, row by
 *	  row.  This file plans it, exec.c runs it.
 *
 * A function scan calls its function once, stores the whole result and then
 * reads it back.  For a call that is exactly one of our row sources, this
 * scan takes its place: rows are produced when they are asked for, so LIMIT
 * stops the walk, nothing is stored, and columns that nobody reads (share is
 * the expensive one) are never computed.
 *
 * The plan has scanrelid 0, because only tables may have another one there.
 * What the scan returns is described by custom_scan_tlist instead: the
 * columns that somebody reads, in the order of the plan's target list, so
 * that most plans need no projection.  If something refers to the row as a
 * whole, it is all columns in their own order, and then the row.
 * custom_exprs holds the call itself, so that parameters of its arguments,
 * the plan's dependency on the function, and EXPLAIN are all taken care of by
 * the core.
 *
 * Whatever could make a difference to the function scan that a user might
 * notice leaves the call to the function scan: see hg_call_to_scan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/syscache.h"

#include "compat.h"
#include "planner/planner.h"

static void add_scan_paths(PlannerInfo *root, RelOptInfo *rel, Index rti,
						   RangeTblEntry *rte);
static bool function_is_plain(Oid funcid);
static Path *find_function_scan(RelOptInfo *rel);
static List *rows_pathkeys(PlannerInfo *root, RelOptInfo *rel,
						   HgRowsKind kind);
static List *scan_columns(PlannerInfo *root, RelOptInfo *rel, List *tlist,
						  List *clauses);
static Plan *plan_scan(PlannerInfo *root, RelOptInfo *rel,
					   CustomPath *best_path, List *tlist, List *clauses,
					   List *custom_plans);

static const CustomPathMethods path_methods = {
	.CustomName = HG_SCAN_NAME,
	.PlanCustomPath = plan_scan,
};

static set_rel_pathlist_hook_type prev_set_rel_pathlist_hook = NULL;

/*
 * hg_planner_init registers the custom scan, so that parallel workers can
 * read plans with it, and puts its paths into the planner.
 */
void
hg_planner_init(void)
{
	RegisterCustomScanMethods(&hg_scan_methods);

	prev_set_rel_pathlist_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = add_scan_paths;
	hg_count_init();
	hg_keys_init();
}

/*
 * add_scan_paths is the set_rel_pathlist_hook: puts our scan in place of the
 * function scan of a call that it can run.
 *
 * In place of, not beside: a competition by estimated cost could only ever
 * pick the worse one.
 */
static void
add_scan_paths(PlannerInfo *root, RelOptInfo *rel, Index rti,
			   RangeTblEntry *rte)
{
	FuncExpr   *call;
	HgRowsKind	kind;
	Path	   *function_scan;
	CustomPath *path;
	Cost		startup;

	if (prev_set_rel_pathlist_hook)
		prev_set_rel_pathlist_hook(root, rel, rti, rte);

	if (rte->rtekind != RTE_FUNCTION || IS_DUMMY_REL(rel))
		return;
	call = hg_call_to_scan(rte, &kind);
	if (call == NULL)
		return;
	function_scan = find_function_scan(rel);
	if (function_scan == NULL)
		return;

	/* The walks that return each node once reach all of them at the start. */
	startup = HG_OPEN_COST * cpu_operator_cost;
	if (kind != HG_ROWS_PATHS && kind != HG_ROWS_PREORDER &&
		kind != HG_ROWS_CLOSURE && kind != HG_ROWS_EXPLAIN &&
		kind != HG_ROWS_TREE)
		startup += HG_REACH_COST * cpu_operator_cost * rel->tuples;

	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.param_info = function_scan->param_info;
	path->path.parallel_aware = false;
	path->path.parallel_safe = rel->consider_parallel;
	path->path.parallel_workers = 0;
	path->path.rows = function_scan->rows;
	path->path.startup_cost = function_scan->startup_cost + startup;
	path->path.total_cost = function_scan->total_cost + startup;
	path->path.pathkeys = rows_pathkeys(root, rel, kind);
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->methods = &path_methods;

	rel->pathlist = list_delete_ptr(rel->pathlist, function_scan);
	add_path(rel, (Path *) path);
	hg_add_key_paths(root, rel, kind, call, &path_methods);
}

/*
 * hg_call_to_scan returns the call that a range table entry consists of if it
 * can run as our scan, and its kind; else NULL.
 */
FuncExpr *
hg_call_to_scan(RangeTblEntry *rte, HgRowsKind *kind)
{
	RangeTblFunction *rtfunc;
	FuncExpr   *call;

	if (list_length(rte->functions) != 1 || rte->funcordinality)
		return NULL;
	rtfunc = linitial_node(RangeTblFunction, rte->functions);
	if (rtfunc->funccolnames != NIL ||
		rtfunc->funcexpr == NULL || !IsA(rtfunc->funcexpr, FuncExpr))
		return NULL;

	call = (FuncExpr *) rtfunc->funcexpr;
	*kind = hg_rows_kind(call->funcid);
	if (*kind == HG_ROWS_NKINDS ||
		rtfunc->funccolcount != hg_rows_columns(*kind) ||
		!call->funcretset || call->funcvariadic)
		return NULL;

	/*
	 * A function scan is not evaluated again by a rescan for other reasons
	 * than its arguments; with volatile arguments that would show.
	 */
	if (contain_volatile_functions((Node *) call->args) ||
		expression_returns_set((Node *) call->args))
		return NULL;

	return function_is_plain(call->funcid) ? call : NULL;
}

/*
 * function_is_plain tells whether calling a function means no more than to
 * run its C code: the owner may have altered it to do more.
 */
static bool
function_is_plain(Oid funcid)
{
	HeapTuple	tuple;
	Form_pg_proc proc;
	bool		plain;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tuple))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	plain = !proc->prosecdef && !proc->proisstrict &&
		heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
	ReleaseSysCache(tuple);

	return plain && !FmgrHookIsNeeded(funcid);
}

/*
 * find_function_scan returns the function scan among a relation's paths;
 * NULL if there is none, because somebody else took it away, say.
 */
static Path *
find_function_scan(RelOptInfo *rel)
{
	ListCell   *lc;

	foreach(lc, rel->pathlist)
	{
		Path	   *path = (Path *) lfirst(lc);

		if (path->pathtype == T_FunctionScan)
			return path;
	}
	return NULL;
}

/*
 * rows_pathkeys describes the order in which rows come, as far as the query
 * cares: walks by depth, display order by its ordinal.
 */
static List *
rows_pathkeys(PlannerInfo *root, RelOptInfo *rel, HgRowsKind kind)
{
	AttrNumber	attno;
	Oid			less;
	ListCell   *lc;

	switch (kind)
	{
		case HG_ROWS_ANCESTORS:
		case HG_ROWS_DESCENDANTS:
			attno = 2;
			less = Int4LessOperator;
			break;
		case HG_ROWS_PREORDER:
			attno = 1;
			less = Int8LessOperator;
			break;
		default:
			return NIL;
	}

	foreach(lc, rel->reltarget->exprs)
	{
		Var		   *var = (Var *) lfirst(lc);

		if (IsA(var, Var) && var->varattno == attno &&
			(Index) var->varno == rel->relid && var->varlevelsup == 0)
			return hg_build_expression_pathkey(root, (Expr *) var, less,
											   rel->relids);
	}
	return NIL;
}

/*
 * plan_scan turns the path into a plan.
 */
static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *best_path,
		  List *tlist, List *clauses, List *custom_plans)
{
	RangeTblEntry *rte = planner_rt_fetch(rel->relid, root);
	HgRowsKind	kind;
	FuncExpr   *call = hg_call_to_scan(rte, &kind);
	CustomScan *cscan = makeNode(CustomScan);
	List	   *filter;
	Expr	   *key = hg_key_clause(best_path, clauses, &filter);

	Assert(call != NULL && custom_plans == NIL);

	filter = extract_actual_clauses(filter, false);
	clauses = key ? lcons(key, list_copy(filter)) : filter;
	cscan->scan.plan.targetlist = tlist;
	cscan->scan.plan.qual = filter;
	cscan->scan.scanrelid = 0;
	cscan->flags = best_path->flags;
	cscan->custom_exprs = list_make1(call);
	cscan->custom_private = list_make1(makeInteger(kind));
	if (key)
	{
		cscan->custom_exprs = lappend(cscan->custom_exprs, key);
		cscan->custom_private = lappend(cscan->custom_private,
										linitial(best_path->custom_private));
		cscan->custom_private = lappend(cscan->custom_private,
										lsecond(best_path->custom_private));
	}
	cscan->custom_scan_tlist = scan_columns(root, rel, tlist, clauses);
	cscan->methods = &hg_scan_methods;

	return &cscan->scan.plan;
}

/*
 * scan_columns makes the custom_scan_tlist.  The target list alone would not
 * do: the planner may replace it afterwards by another one over the columns
 * of reltarget.
 */
static List *
scan_columns(PlannerInfo *root, RelOptInfo *rel, List *tlist, List *clauses)
{
	List	   *all = build_physical_tlist(root, rel);
	List	   *columns = NIL;
	Bitmapset  *attnos = NULL;
	int			attno;
	ListCell   *lc;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &attnos);
	pull_varattnos((Node *) tlist, rel->relid, &attnos);
	pull_varattnos((Node *) clauses, rel->relid, &attnos);

	if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attnos))
	{
		Var		   *row = makeWholeRowVar(planner_rt_fetch(rel->relid, root),
										  rel->relid, 0, false);

		return lappend(all, makeTargetEntry((Expr *) row,
											list_length(all) + 1, NULL, false));
	}

	/* first what the target list has, in its order */
	foreach(lc, tlist)
	{
		Var		   *var = (Var *) lfirst_node(TargetEntry, lc)->expr;

		if (!IsA(var, Var) || (Index) var->varno != rel->relid)
			continue;
		attno = var->varattno - FirstLowInvalidHeapAttributeNumber;
		if (!bms_is_member(attno, attnos))
			continue;			/* was there before */
		attnos = bms_del_member(attnos, attno);
		columns = lappend(columns, list_nth(all, var->varattno - 1));
	}
	attno = -1;
	while ((attno = bms_next_member(attnos, attno)) >= 0)
		columns = lappend(columns,
						  list_nth(all, attno + FirstLowInvalidHeapAttributeNumber - 1));

	attno = 0;
	foreach(lc, columns)
		lfirst_node(TargetEntry, lc)->resno = ++attno;
	return columns;
}
