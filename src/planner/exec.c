/*-------------------------------------------------------------------------
 *
 * exec.c
 *	  Runs the custom scans that scan.c and count.c plan, and explains them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "planner/planner.h"

typedef struct HierarchyScanState
{
	CustomScanState css;		/* must be first */
	FuncExpr   *call;
	HgRowsKind	kind;
	int			ncolumns;		/* of the function */
	Index		rti;			/* of the function in the range table */
	bool		count;			/* return the number of rows instead */
	bool		simple;			/* rows need no filter and no projection */
	uint32		wanted;			/* bitmap of columns to compute */
	int			nscan;			/* columns of the scan: which one of the */
	int			column[HG_ROWS_MAX_COLUMNS];	/* function each of them is */
	TupleDesc	row_desc;		/* of the row as a whole, NULL: not wanted */

	int			nargs;
	ExprState **arg_exprs;
	Oid		   *arg_types;
	HgRowsArgs	args;
	bool		args_valid;		/* args holds for the current parameters */
	Expr	   *key_clause;		/* that gives the nodes to go from, or NULL */
	ExprState  *key;			/* those nodes */
	Oid			key_type;		/* their type, as the clause has it */
	bool		key_array;
	ExprState  *key_qual;		/* the clause as a filter, once needed */
	MemoryContext args_cxt;		/* what args points to */

	HgRows	   *rows;			/* NULL: not open */
	HgRowBatch *batch;			/* of rows ahead; NULL: one by one */
	int			batch_next;		/* position in it */
	HgRowBatch *batch_space;	/* memory for it, once needed */
	bool		done;			/* all rows were returned */
	MemoryContext rows_cxt;		/* rows and everything below */
} HierarchyScanState;

static Node *create_scan_state(CustomScan *cscan);
static void begin_scan(CustomScanState *node, EState *estate, int eflags);
static TupleDesc make_row_desc(HierarchyScanState *state, EState *estate);
static TupleTableSlot *exec_scan(CustomScanState *node);
static void end_scan(CustomScanState *node);
static void rescan_scan(CustomScanState *node);
static TupleTableSlot *next_row(ScanState *ss);
static TupleTableSlot *next_of_batch(HierarchyScanState *state,
									 TupleTableSlot *slot);
static TupleTableSlot *next_count(ScanState *ss);
static bool start_rows(HierarchyScanState *state);
static bool recheck_row(ScanState *ss, TupleTableSlot *slot);
static bool recheck_key(ScanState *ss);
static void eval_args(HierarchyScanState *state);
static void init_key(HierarchyScanState *state, CustomScan *cscan);
static void eval_key(HierarchyScanState *state);
static void open_rows(HierarchyScanState *state);
static void close_rows(HierarchyScanState *state);
static void fill_whole_row(HierarchyScanState *state, TupleTableSlot *slot);
static void explain_scan(CustomScanState *node, List *ancestors,
						 ExplainState *es);

const CustomScanMethods hg_scan_methods = {
	.CustomName = HG_SCAN_NAME,
	.CreateCustomScanState = create_scan_state,
};

const CustomScanMethods hg_count_methods = {
	.CustomName = HG_COUNT_NAME,
	.CreateCustomScanState = create_scan_state,
};

static const CustomExecMethods exec_methods = {
	.CustomName = HG_SCAN_NAME,
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan_scan,
	.ExplainCustomScan = explain_scan,
};

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
	state->count = (cscan->methods == &hg_count_methods);
	state->rti = state->count ?
		(Index) castNode(Var, llast_node(TargetEntry, cscan->custom_scan_tlist)->expr)->varno :
		(Index) bms_singleton_member(cscan->custom_relids);

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
	ListCell   *lc;
	int			i;

	aclresult = hg_proc_aclcheck(funcid, GetUserId(), ACL_EXECUTE);
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FUNCTION, get_func_name(funcid));
	InvokeFunctionExecuteHook(funcid);

	foreach(lc, state->count ? NIL : cscan->custom_scan_tlist)
	{
		Var		   *var = castNode(Var, lfirst_node(TargetEntry, lc)->expr);

		if (var->varattno == 0)
		{
			state->row_desc = make_row_desc(state, estate);
			break;
		}
		state->column[state->nscan++] = var->varattno - 1;
		state->wanted |= (uint32) 1 << (var->varattno - 1);
	}

	state->simple = (node->ss.ps.qual == NULL &&
					 node->ss.ps.ps_ProjInfo == NULL && state->row_desc == NULL);

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
	init_key(state, cscan);

	state->args_cxt = AllocSetContextCreate(estate->es_query_cxt,
											HG_SCAN_NAME " arguments",
											ALLOCSET_SMALL_SIZES);
	state->rows_cxt = AllocSetContextCreate(estate->es_query_cxt,
											HG_SCAN_NAME " rows",
											ALLOCSET_DEFAULT_SIZES);
}

/*
 * init_key prepares the key of a scan that goes from given nodes.
 */
static void
init_key(HierarchyScanState *state, CustomScan *cscan)
{
	Node	   *key;

	if (list_length(cscan->custom_exprs) < 2)
		return;
	state->key_clause = lsecond(cscan->custom_exprs);
	state->key_array = IsA(state->key_clause, ScalarArrayOpExpr);
	key = list_nth(state->key_array ?
				   castNode(ScalarArrayOpExpr, state->key_clause)->args :
				   castNode(OpExpr, state->key_clause)->args,
				   intVal(lthird(cscan->custom_private)));
	while (IsA(key, RelabelType))
		key = (Node *) ((RelabelType *) key)->arg;
	state->key_type = getBaseType(state->key_array ?
								  get_base_element_type(exprType(key)) :
								  exprType(key));
	state->key = ExecInitExpr((Expr *) key, &state->css.ss.ps);
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
	HierarchyScanState *state = (HierarchyScanState *) node;
	ExecScanAccessMtd next = state->count ? next_count : next_row;

	/* the everyday case: ExecScan would do nothing but cost time */
	if (state->simple && node->ss.ps.state->es_epq_active == NULL)
		return next(&node->ss);
	return ExecScan(&node->ss, next, recheck_row);
}

/*
 * next_of_batch does the same out of the rows fetched ahead.
 */
static TupleTableSlot *
next_of_batch(HierarchyScanState *state, TupleTableSlot *slot)
{
	HgRowBatch *batch = state->batch;
	int			i;

	if (state->batch_next == batch->n)
	{
		hg_rows_next_batch(state->rows, batch);
		state->batch_next = 0;
		if (batch->n == 0)
		{
			close_rows(state);
			state->done = true;
			return ExecClearTuple(slot);
		}
	}
	/* a slot that still holds its last row, as it was, needs new values only */
	if (TTS_EMPTY(slot) || TTS_SHOULDFREE(slot))
	{
		ExecClearTuple(slot);
		memset(slot->tts_isnull, false, state->nscan * sizeof(bool));
		ExecStoreVirtualTuple(slot);
	}
	for (i = 0; i < state->nscan; i++)
		slot->tts_values[i] = batch->values[state->column[i]][state->batch_next];
	state->batch_next++;
	return slot;
}

/*
 * next_row puts the next row of the function into the scan slot.
 */
static TupleTableSlot *
next_row(ScanState *ss)
{
	HierarchyScanState *state = (HierarchyScanState *) ss;
	TupleTableSlot *slot = ss->ss_ScanTupleSlot;
	Datum		values[HG_ROWS_MAX_COLUMNS];
	bool		nulls[HG_ROWS_MAX_COLUMNS];
	int			i;

	if (state->rows == NULL && !start_rows(state))
		return ExecClearTuple(slot);
	if (state->batch != NULL)
		return next_of_batch(state, slot);

	if (!hg_rows_next(state->rows, values, nulls))
	{
		close_rows(state);
		state->done = true;
		return ExecClearTuple(slot);
	}
	ExecClearTuple(slot);
	for (i = 0; i < state->nscan; i++)
	{
		slot->tts_values[i] = values[state->column[i]];
		slot->tts_isnull[i] = nulls[state->column[i]];
	}
	if (state->row_desc != NULL)
		fill_whole_row(state, slot);
	return ExecStoreVirtualTuple(slot);
}

/*
 * next_count puts the number of rows into every column of the scan slot, once.
 */
static TupleTableSlot *
next_count(ScanState *ss)
{
	HierarchyScanState *state = (HierarchyScanState *) ss;
	TupleTableSlot *slot = ss->ss_ScanTupleSlot;
	uint64		count = 0;
	int			i;

	ExecClearTuple(slot);
	if (state->done)
		return slot;
	if (start_rows(state))
	{
		count = hg_rows_count(state->rows);
		close_rows(state);
	}
	state->done = true;
	for (i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		slot->tts_values[i] = Int64GetDatum((int64) count);
		slot->tts_isnull[i] = false;
	}
	return ExecStoreVirtualTuple(slot);
}

/*
 * start_rows opens the row source; false when there are no rows, or no more.
 */
static bool
start_rows(HierarchyScanState *state)
{
	if (state->done)
		return false;
	if (!state->args_valid)
		eval_args(state);
	if (state->args.is_null)
		state->done = true;
	else
		open_rows(state);
	return !state->done;
}

/*
 * recheck_row puts the row under test into the scan slot while a statement
 * rechecks a join result whose other rows changed under it.
 *
 * ExecScan leaves that to its caller where scanrelid is 0; this does what it
 * does for a function scan.  The row travels as a whole in the join result,
 * so the scan is one of all columns and the row.
 */
static bool
recheck_row(ScanState *ss, TupleTableSlot *slot)
{
	HierarchyScanState *state = (HierarchyScanState *) ss;
	EPQState   *epqstate = ss->ps.state->es_epq_active;
	Index		i = state->rti - 1;

	/* a count is never part of the join itself */
	if (state->count)
		return !TupIsNull(next_count(ss));
	if (epqstate->relsubs_done[i])
		return false;
	if (epqstate->relsubs_rowmark[i] == NULL)
		return !TupIsNull(next_row(ss));

	if (state->row_desc == NULL)
		elog(ERROR, "row to recheck is not in the plan");
	epqstate->relsubs_done[i] = true;
	if (!EvalPlanQualFetchRowMark(epqstate, state->rti, slot) ||
		TupIsNull(slot))
		return false;
	fill_whole_row(state, slot);
	return recheck_key(ss);
}

/*
 * recheck_key tells whether the row in the scan slot is one of those that the
 * scan would go to.
 */
static bool
recheck_key(ScanState *ss)
{
	HierarchyScanState *state = (HierarchyScanState *) ss;
	ExprContext *econtext = ss->ps.ps_ExprContext;

	if (state->key_clause == NULL)
		return true;
	if (state->key_qual == NULL)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(ss->ps.state->es_query_cxt);

		state->key_qual = ExecInitQual(list_make1(state->key_clause), &ss->ps);
		MemoryContextSwitchTo(oldcxt);
	}
	econtext->ecxt_scantuple = ss->ss_ScanTupleSlot;
	return ExecQual(state->key_qual, econtext);
}

/*
 * eval_args evaluates the function's arguments, and the key.
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
	if (state->key_clause != NULL)
		eval_key(state);

	MemoryContextSwitchTo(oldcxt);
	state->args_valid = true;
}

/*
 * key_datum is a key as row sources take it.
 */
static Datum
key_datum(HierarchyScanState *state, Datum value)
{
	switch (state->key_type)
	{
		case INT2OID:
			return Int64GetDatum(DatumGetInt16(value));
		case INT4OID:
			return Int64GetDatum(DatumGetInt32(value));
		default:
			return value;
	}
}

/*
 * eval_key evaluates the key; nothing is equal to NULL.
 */
static void
eval_key(HierarchyScanState *state)
{
	CustomScan *cscan = (CustomScan *) state->css.ss.ps.plan;
	HgRowsArgs *args = &state->args;
	bool		isnull;
	Datum		value = ExecEvalExpr(state->key, state->css.ss.ps.ps_ExprContext,
									 &isnull);
	Datum	   *keys = &value;
	bool	   *nulls = &isnull;
	int			n = 1;
	int			nkeys = 0;
	Datum	   *result;

	if (state->key_array && isnull)
		n = 0;
	else if (state->key_array)
	{
		ArrayType  *array = DatumGetArrayTypeP(value);
		int16		typlen;
		bool		typbyval;
		char		typalign;

		get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &typbyval, &typalign);
		deconstruct_array(array, ARR_ELEMTYPE(array), typlen, typbyval, typalign,
						  &keys, &nulls, &n);
	}
	result = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			result[nkeys++] = key_datum(state, keys[i]);
	}
	args->key_column = intVal(lsecond(cscan->custom_private));
	args->nkeys = nkeys;
	args->keys = result;
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
	if (state->row_desc == NULL && hg_rows_has_batches(state->rows))
	{
		if (state->batch_space == NULL)
			state->batch_space = MemoryContextAlloc(state->css.ss.ps.state->es_query_cxt,
													sizeof(HgRowBatch));
		state->batch = state->batch_space;
		state->batch->n = 0;
		state->batch_next = 0;
	}
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
	state->batch = NULL;
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

	if (state->key_clause != NULL)
		ExplainPropertyText("Key",
							deparse_expression((Node *) state->key_clause,
											   set_deparse_context_plan(es->deparse_cxt,
																		node->ss.ps.plan,
																		ancestors),
											   list_length(es->rtable) > 1 || es->verbose,
											   false),
							es);

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
