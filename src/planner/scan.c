/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Custom scan "Hierarchy Scan": a set-returning function in FROM, row by
 *	  row.
 *
 * A function scan calls its function once, stores the whole result and then
 * reads it back.  For a call that is exactly one of our row sources, this
 * scan takes its place: rows are produced when they are asked for, so LIMIT
 * stops the walk, nothing is stored, and columns that nobody reads (share is
 * the expensive one) are never computed.
 *
 * The plan has scanrelid 0, because only tables may have another one there.
 * What the scan returns is described by custom_scan_tlist instead: all
 * columns of the function, and behind them the row as a whole when something
 * refers to it.  custom_exprs holds the call itself, so that parameters of
 * its arguments, the plan's dependency on the function, and EXPLAIN are all
 * taken care of by the core.
 *
 * Whatever could make a difference to the function scan that a user might
 * notice leaves the call to the function scan: see call_to_scan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "functions/rows.h"
#include "planner/planner.h"

#define SCAN_NAME "Hierarchy Scan"

/*
 * Opening a graph that is in memory, and reaching one node, in units of
 * cpu_operator_cost.
 */
#define OPEN_COST	200
#define REACH_COST	1

typedef struct HierarchyScanState
{
	CustomScanState css;		/* must be first */
	FuncExpr   *call;
	HgRowsKind	kind;
	int			ncolumns;		/* of the function */
	uint32		wanted;			/* bitmap of columns to compute */
	Index		rti;			/* of the function in the range table */
	TupleDesc	row_desc;		/* of the row as a whole, NULL: not wanted */

	int			nargs;
	ExprState **arg_exprs;
	Oid		   *arg_types;
	HgRowsArgs	args;
	bool		args_valid;		/* args holds for the current parameters */
	MemoryContext args_cxt;		/* what args points to */

	HgRows	   *rows;			/* NULL: not open */
	bool		done;			/* all rows were returned */
	MemoryContext rows_cxt;		/* rows and everything below */
} HierarchyScanState;

static void add_scan_paths(PlannerInfo *root, RelOptInfo *rel, Index rti,
						   RangeTblEntry *rte);
static FuncExpr *call_to_scan(RangeTblEntry *rte, HgRowsKind *kind);
static bool function_is_plain(Oid funcid);
static Path *find_function_scan(RelOptInfo *rel);
static List *rows_pathkeys(PlannerInfo *root, RelOptInfo *rel,
						   HgRowsKind kind);
static bool whole_row_used(RelOptInfo *rel, List *tlist, List *clauses);
static Plan *plan_scan(PlannerInfo *root, RelOptInfo *rel,
					   CustomPath *best_path, List *tlist, List *clauses,
					   List *custom_plans);
static Node *create_scan_state(CustomScan *cscan);
static void begin_scan(CustomScanState *node, EState *estate, int eflags);
static TupleDesc make_row_desc(HierarchyScanState *state, EState *estate);
static TupleTableSlot *exec_scan(CustomScanState *node);
static void end_scan(CustomScanState *node);
static void rescan_scan(CustomScanState *node);
static TupleTableSlot *next_row(ScanState *ss);
static bool recheck_row(ScanState *ss, TupleTableSlot *slot);
static void eval_args(HierarchyScanState *state);
static void open_rows(HierarchyScanState *state);
static void close_rows(HierarchyScanState *state);
static void fill_whole_row(HierarchyScanState *state, TupleTableSlot *slot);
static void explain_scan(CustomScanState *node, List *ancestors,
						 ExplainState *es);

static const CustomPathMethods path_methods = {
	.CustomName = SCAN_NAME,
	.PlanCustomPath = plan_scan,
};

static const CustomScanMethods scan_methods = {
	.CustomName = SCAN_NAME,
	.CreateCustomScanState = create_scan_state,
};

static const CustomExecMethods exec_methods = {
	.CustomName = SCAN_NAME,
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan_scan,
	.ExplainCustomScan = explain_scan,
};

static set_rel_pathlist_hook_type prev_set_rel_pathlist_hook = NULL;

/*
 * hg_planner_init registers the custom scan, so that parallel workers can
 * read plans with it, and puts its paths into the planner.
 */
void
hg_planner_init(void)
{
	RegisterCustomScanMethods(&scan_methods);

	prev_set_rel_pathlist_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = add_scan_paths;
}

/* ---- planning ---- */

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
	call = call_to_scan(rte, &kind);
	if (call == NULL)
		return;
	function_scan = find_function_scan(rel);
	if (function_scan == NULL)
		return;

	/* The walks that return each node once reach all of them at the start. */
	startup = OPEN_COST * cpu_operator_cost;
	if (kind != HG_ROWS_PATHS && kind != HG_ROWS_PREORDER &&
		kind != HG_ROWS_CLOSURE)
		startup += REACH_COST * cpu_operator_cost * rel->tuples;

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
}

/*
 * call_to_scan returns the call that a range table entry consists of if it
 * can run as our scan, and its kind; else NULL.
 */
static FuncExpr *
call_to_scan(RangeTblEntry *rte, HgRowsKind *kind)
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
	FuncExpr   *call = call_to_scan(rte, &kind);
	CustomScan *cscan = makeNode(CustomScan);
	List	   *columns;

	Assert(call != NULL && custom_plans == NIL);

	clauses = extract_actual_clauses(clauses, false);
	columns = build_physical_tlist(root, rel);
	Assert(list_length(columns) == hg_rows_columns(kind));
	if (whole_row_used(rel, tlist, clauses))
		columns = lappend(columns,
						  makeTargetEntry((Expr *) makeWholeRowVar(rte, rel->relid, 0, false),
										  list_length(columns) + 1,
										  NULL, false));

	cscan->scan.plan.targetlist = tlist;
	cscan->scan.plan.qual = clauses;
	cscan->scan.scanrelid = 0;
	cscan->flags = best_path->flags;
	cscan->custom_exprs = list_make1(call);
	cscan->custom_private = list_make1(makeInteger(kind));
	cscan->custom_scan_tlist = columns;
	cscan->methods = &scan_methods;

	return &cscan->scan.plan;
}

/*
 * whole_row_used tells whether something may refer to the row as a whole.
 * The target list alone would not do: the planner may replace it afterwards
 * by another one over the same columns.
 */
static bool
whole_row_used(RelOptInfo *rel, List *tlist, List *clauses)
{
	Bitmapset  *attnos = NULL;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &attnos);
	pull_varattnos((Node *) tlist, rel->relid, &attnos);
	pull_varattnos((Node *) clauses, rel->relid, &attnos);

	return bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber,
						 attnos);
}

/* ---- execution ---- */

/*
 * create_scan_state makes the node that the executor fills in further.
 */
static Node *
create_scan_state(CustomScan *cscan)
{
	HierarchyScanState *state = palloc0(sizeof(HierarchyScanState));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	state->call = linitial_node(FuncExpr, cscan->custom_exprs);
	state->kind = (HgRowsKind) intVal(linitial(cscan->custom_private));
	state->ncolumns = hg_rows_columns(state->kind);
	state->rti = bms_singleton_member(cscan->custom_relids);

	return (Node *) state;
}

/*
 * begin_scan checks the right to call the function, as the executor does for
 * every function, and prepares its arguments.  The graph is not touched yet.
 */
static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	HierarchyScanState *state = (HierarchyScanState *) node;
	CustomScan *cscan = (CustomScan *) node->ss.ps.plan;
	Oid			funcid = state->call->funcid;
	AclResult	aclresult;
	Bitmapset  *attnos = NULL;
	ListCell   *lc;
	int			i;

	aclresult = hg_proc_aclcheck(funcid, GetUserId(), ACL_EXECUTE);
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FUNCTION, get_func_name(funcid));
	InvokeFunctionExecuteHook(funcid);

	/* What the finished plan refers to is what has to be computed. */
	pull_varattnos((Node *) cscan->scan.plan.targetlist, INDEX_VAR, &attnos);
	pull_varattnos((Node *) cscan->scan.plan.qual, INDEX_VAR, &attnos);
	for (i = 0; i < state->ncolumns; i++)
		if (bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, attnos))
			state->wanted |= (uint32) 1 << i;
	if (bms_is_member(state->ncolumns + 1 - FirstLowInvalidHeapAttributeNumber,
					  attnos))
	{
		state->wanted = ((uint32) 1 << state->ncolumns) - 1;
		state->row_desc = make_row_desc(state, estate);
	}

	state->nargs = list_length(state->call->args);
	state->arg_exprs = palloc(state->nargs * sizeof(ExprState *));
	state->arg_types = palloc(state->nargs * sizeof(Oid));
	i = 0;
	foreach(lc, state->call->args)
	{
		Expr	   *arg = (Expr *) lfirst(lc);

		state->arg_exprs[i] = ExecInitExpr(arg, &node->ss.ps);
		state->arg_types[i] = exprType((Node *) arg);
		i++;
	}

	state->args_cxt = AllocSetContextCreate(estate->es_query_cxt,
											SCAN_NAME " arguments",
											ALLOCSET_SMALL_SIZES);
	state->rows_cxt = AllocSetContextCreate(estate->es_query_cxt,
											SCAN_NAME " rows",
											ALLOCSET_DEFAULT_SIZES);
}

/*
 * make_row_desc returns the type of the row as a whole: the function's
 * columns under the names that the query gave them.
 */
static TupleDesc
make_row_desc(HierarchyScanState *state, EState *estate)
{
	TupleDesc	scan_desc = state->css.ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	TupleDesc	desc = CreateTemplateTupleDesc(state->ncolumns);
	int			i;

	for (i = 1; i <= state->ncolumns; i++)
		TupleDescCopyEntry(desc, i, scan_desc, i);
	ExecTypeSetColNames(desc,
						exec_rt_fetch(state->rti, estate)->eref->colnames);
	return BlessTupleDesc(desc);
}

/*
 * exec_scan returns the next row that passes the plan's filter.
 */
static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, recheck_row);
}

/*
 * next_row puts the next row of the function into the scan slot.
 */
static TupleTableSlot *
next_row(ScanState *ss)
{
	HierarchyScanState *state = (HierarchyScanState *) ss;
	TupleTableSlot *slot = ss->ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (state->done)
		return slot;

	if (state->rows == NULL)
	{
		if (!state->args_valid)
			eval_args(state);
		if (state->args.is_null)
		{
			state->done = true;
			return slot;
		}
		open_rows(state);
	}

	if (!hg_rows_next(state->rows, slot->tts_values, slot->tts_isnull))
	{
		close_rows(state);
		state->done = true;
		return slot;
	}
	if (state->row_desc != NULL)
		fill_whole_row(state, slot);
	return ExecStoreVirtualTuple(slot);
}

/*
 * recheck_row puts the row under test into the scan slot while a statement
 * rechecks a join result whose other rows changed under it.
 *
 * ExecScan leaves that to its caller where scanrelid is 0; this does what it
 * does for a function scan.  The row travels as a whole in the join result.
 */
static bool
recheck_row(ScanState *ss, TupleTableSlot *slot)
{
	HierarchyScanState *state = (HierarchyScanState *) ss;
	EPQState   *epqstate = ss->ps.state->es_epq_active;
	Index		i = state->rti - 1;

	if (epqstate->relsubs_done[i])
		return false;
	if (epqstate->relsubs_rowmark[i] == NULL)
		return !TupIsNull(next_row(ss));

	epqstate->relsubs_done[i] = true;
	if (!EvalPlanQualFetchRowMark(epqstate, state->rti, slot) ||
		TupIsNull(slot))
		return false;
	if (state->row_desc != NULL)
		fill_whole_row(state, slot);
	return true;
}

/*
 * eval_args evaluates the function's arguments.
 */
static void
eval_args(HierarchyScanState *state)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	Datum	   *values;
	bool	   *nulls;
	MemoryContext oldcxt;
	int			i;

	MemoryContextReset(state->args_cxt);
	oldcxt = MemoryContextSwitchTo(state->args_cxt);

	values = palloc(state->nargs * sizeof(Datum));
	nulls = palloc(state->nargs * sizeof(bool));
	for (i = 0; i < state->nargs; i++)
		values[i] = ExecEvalExpr(state->arg_exprs[i], econtext, &nulls[i]);
	hg_rows_args(state->kind, state->nargs, values, nulls, state->arg_types,
				 &state->args);

	MemoryContextSwitchTo(oldcxt);
	state->args_valid = true;
}

/*
 * open_rows starts the walk.  The graph is opened for the active snapshot and
 * looked at until the scan ends: it has to be one that lives as long.
 */
static void
open_rows(HierarchyScanState *state)
{
	Snapshot	snapshot = state->css.ss.ps.state->es_snapshot;
	bool		push = !ActiveSnapshotSet() || GetActiveSnapshot() != snapshot;

	if (push)
		PushActiveSnapshot(snapshot);
	state->rows = hg_rows_begin(&state->args, state->wanted, state->rows_cxt);
	if (push)
		PopActiveSnapshot();
}

/*
 * close_rows ends the walk, if one is open.
 */
static void
close_rows(HierarchyScanState *state)
{
	if (state->rows != NULL)
	{
		hg_rows_end(state->rows);
		state->rows = NULL;
	}
	MemoryContextReset(state->rows_cxt);
}

/*
 * fill_whole_row adds the row as a whole behind the columns in the slot's
 * arrays.
 */
static void
fill_whole_row(HierarchyScanState *state, TupleTableSlot *slot)
{
	MemoryContext oldcxt;
	HeapTuple	tuple;

	oldcxt = MemoryContextSwitchTo(state->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	tuple = heap_form_tuple(state->row_desc, slot->tts_values,
							slot->tts_isnull);
	slot->tts_values[state->ncolumns] = HeapTupleGetDatum(tuple);
	slot->tts_isnull[state->ncolumns] = false;
	MemoryContextSwitchTo(oldcxt);
}

/*
 * rescan_scan starts over, with new arguments if parameters changed.
 */
static void
rescan_scan(CustomScanState *node)
{
	HierarchyScanState *state = (HierarchyScanState *) node;

	close_rows(state);
	state->done = false;
	if (node->ss.ps.chgParam != NULL)
		state->args_valid = false;
	ExecScanReScan(&node->ss);
}

/*
 * end_scan releases the graph.
 */
static void
end_scan(CustomScanState *node)
{
	HierarchyScanState *state = (HierarchyScanState *) node;

	close_rows(state);
	MemoryContextDelete(state->rows_cxt);
	MemoryContextDelete(state->args_cxt);
}

/*
 * explain_scan shows what is called, by the properties that EXPLAIN has for a
 * function scan, and the graph where the plan fixes it.
 */
static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	HierarchyScanState *state = (HierarchyScanState *) node;
	Oid			funcid = state->call->funcid;
	char	   *function = get_func_name(funcid);
	char	   *schema = get_namespace_name(get_func_namespace(funcid));
	char	   *alias = (char *) list_nth(es->rtable_names, state->rti - 1);
	Const	   *graph = (Const *) linitial(state->call->args);

	if (function == NULL || schema == NULL)
		return;
	if (alias == NULL)
		alias = exec_rt_fetch(state->rti, node->ss.ps.state)->eref->aliasname;

	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		StringInfoData buf;

		initStringInfo(&buf);
		if (es->verbose)
			appendStringInfo(&buf, "%s.", quote_identifier(schema));
		appendStringInfoString(&buf, quote_identifier(function));
		if (strcmp(alias, function) != 0)
			appendStringInfo(&buf, " %s", quote_identifier(alias));
		ExplainPropertyText("Function", buf.data, es);
		pfree(buf.data);
	}
	else
	{
		ExplainPropertyText("Function Name", function, es);
		if (es->verbose)
			ExplainPropertyText("Schema", schema, es);
		ExplainPropertyText("Alias", alias, es);
	}

	if (IsA(graph, Const) && !graph->constisnull)
	{
		Oid			index = DatumGetObjectId(graph->constvalue);
		char	   *name = get_rel_name(index);

		if (name != NULL)
			ExplainPropertyText("Graph",
								es->verbose ?
								quote_qualified_identifier(get_namespace_name(get_rel_namespace(index)),
														   name) : name,
								es);
	}

	if (es->verbose)
	{
		List	   *context = set_deparse_context_plan(es->deparse_cxt,
													   node->ss.ps.plan,
													   ancestors);

		ExplainPropertyText("Function Call",
							deparse_expression((Node *) state->call, context,
											   true, false),
							es);
	}
}
