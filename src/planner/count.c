/*-------------------------------------------------------------------------
 *
 * count.c
 *	  Custom scan "Hierarchy Count": how many rows a set-returning function
 *	  has, without making them.
 *
 * "How many are below this node" is asked as SELECT count(*) FROM
 * descendants(...).  Handing each row to an aggregate costs several times as
 * much as the walk that finds the nodes, so where a query consists of counts
 * over one Hierarchy Scan without a filter, this scan returns the number.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"

#include "planner/planner.h"

static void add_count_paths(PlannerInfo *root, UpperRelationKind stage,
							RelOptInfo *input_rel, RelOptInfo *output_rel,
							void *extra);
static CustomPath *scan_to_count(PlannerInfo *root, RelOptInfo *rel);
static bool only_counts(Node *target, Index rti);
static Plan *plan_count(PlannerInfo *root, RelOptInfo *rel,
						CustomPath *best_path, List *tlist, List *clauses,
						List *custom_plans);

static const CustomPathMethods path_methods = {
	.CustomName = HG_COUNT_NAME,
	.PlanCustomPath = plan_count,
};

static create_upper_paths_hook_type prev_create_upper_paths_hook = NULL;

/*
 * hg_count_init registers the custom scan and puts its paths into the planner.
 */
void
hg_count_init(void)
{
	RegisterCustomScanMethods(&hg_count_methods);

	prev_create_upper_paths_hook = create_upper_paths_hook;
	create_upper_paths_hook = add_count_paths;
}

/*
 * add_count_paths is the create_upper_paths_hook: adds our path for a query
 * that only counts.
 */
static void
add_count_paths(PlannerInfo *root, UpperRelationKind stage,
				RelOptInfo *input_rel, RelOptInfo *output_rel, void *extra)
{
	Query	   *parse = root->parse;
	CustomPath *scan;
	CustomPath *path;

	if (prev_create_upper_paths_hook)
		prev_create_upper_paths_hook(root, stage, input_rel, output_rel, extra);

	if (stage != UPPERREL_GROUP_AGG || !parse->hasAggs ||
		parse->groupClause != NIL || parse->groupingSets != NIL ||
		root->hasHavingQual || parse->hasTargetSRFs || parse->hasWindowFuncs)
		return;
	scan = scan_to_count(root, input_rel);
	if (scan == NULL ||
		!only_counts((Node *) output_rel->reltarget->exprs, input_rel->relid))
		return;

	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = output_rel;
	path->path.pathtarget = output_rel->reltarget;
	path->path.parallel_safe = output_rel->consider_parallel;
	path->path.rows = 1;
	path->path.startup_cost = scan->path.startup_cost;
	path->path.total_cost = scan->path.startup_cost + cpu_tuple_cost;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_private = list_make1_int(input_rel->relid);
	path->methods = &path_methods;
	add_path(output_rel, (Path *) path);
}

/*
 * scan_to_count returns the Hierarchy Scan that is all of the query's FROM,
 * and that no filter follows; NULL if there is none.
 */
static CustomPath *
scan_to_count(PlannerInfo *root, RelOptInfo *rel)
{
	CustomPath *path = (CustomPath *) rel->cheapest_total_path;

	if (rel->reloptkind != RELOPT_BASEREL || rel->rtekind != RTE_FUNCTION ||
		rel->baserestrictinfo != NIL || rel->joininfo != NIL)
		return NULL;
	/* a projection may stand on the scan; it has nothing to say here */
	if (IsA(path, ProjectionPath))
		path = (CustomPath *) ((ProjectionPath *) path)->subpath;
	if (!IsA(path, CustomPath) || path->path.param_info != NULL ||
		strcmp(path->methods->CustomName, HG_SCAN_NAME) != 0)
		return NULL;
	return path;
}

/*
 * only_counts tells whether a target list has the rows of the scan in counts
 * of all of them only: count(*), or count of the first column, which is never
 * null.
 */
static bool
only_counts(Node *target, Index rti)
{
	List	   *parts = pull_var_clause(target,
										PVC_INCLUDE_AGGREGATES |
										PVC_INCLUDE_PLACEHOLDERS);
	ListCell   *lc;

	foreach(lc, parts)
	{
		Aggref	   *agg = (Aggref *) lfirst(lc);

		if (!IsA(agg, Aggref) || agg->agglevelsup != 0 ||
			agg->aggfilter != NULL || agg->aggdistinct != NIL)
			return false;
		if (agg->aggfnoid == F_COUNT_ANY)
		{
			Var		   *var = (Var *) linitial_node(TargetEntry, agg->args)->expr;

			if (!IsA(var, Var) || (Index) var->varno != rti ||
				var->varattno != 1 || var->varlevelsup != 0)
				return false;
		}
		else if (agg->aggfnoid != F_COUNT_)
			return false;
	}
	return parts != NIL;
}

/*
 * plan_count turns the path into a plan.  Every count of its target list is a
 * column of the scan.
 */
static Plan *
plan_count(PlannerInfo *root, RelOptInfo *rel, CustomPath *best_path,
		   List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *cscan = makeNode(CustomScan);
	Index		rti = linitial_int(best_path->custom_private);
	RangeTblEntry *rte = planner_rt_fetch(rti, root);
	RangeTblFunction *rtfunc = linitial_node(RangeTblFunction, rte->functions);
	FuncExpr   *call = castNode(FuncExpr, rtfunc->funcexpr);

	Assert(clauses == NIL && custom_plans == NIL);

	cscan->scan.plan.targetlist = tlist;
	cscan->scan.scanrelid = 0;
	cscan->flags = best_path->flags;
	cscan->custom_exprs = list_make1(call);
	cscan->custom_private = list_make1(makeInteger(hg_rows_kind(call->funcid)));
	cscan->custom_scan_tlist =
		add_to_flat_tlist(NIL, pull_var_clause((Node *) tlist,
											   PVC_INCLUDE_AGGREGATES |
											   PVC_INCLUDE_PLACEHOLDERS));

	/* nobody reads this one; it says where the function is in the range table,
	 * also when all range tables have become one */
	cscan->custom_scan_tlist =
		lappend(cscan->custom_scan_tlist,
				makeTargetEntry((Expr *) makeVar(rti, 1, INT8OID, -1, InvalidOid, 0),
								list_length(cscan->custom_scan_tlist) + 1,
								NULL, false));
	cscan->methods = &hg_count_methods;

	return &cscan->scan.plan;
}
