/*-------------------------------------------------------------------------
 *
 * srf.c
 *	  The set-returning functions for the function manager: one row a call.
 *
 * State hangs at fn_extra.  What depends on the call site only (argument and
 * result types) stays there for all executions; an execution's row source
 * has a memory context of its own and is closed after its last row, or by a
 * callback of the expression context when the executor loses interest
 * earlier (LIMIT, a closed cursor, a rescan).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "functions/rows.h"
#include "library.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct SrfCall
{
	HgRowsKind	kind;
	Oid			argtypes[FUNC_MAX_ARGS];
	TupleDesc	tupdesc;		/* NULL: the one column is the result */
	int16		typlen;			/* of the result, when scalar */
	bool		typbyval;
	HgRows	   *rows;			/* of this execution, NULL between them */
	MemoryContext mcxt;			/* its memory */
} SrfCall;

HG_FUNCTION_INFO_V1(hgraph_parents);
HG_FUNCTION_INFO_V1(hgraph_children);
HG_FUNCTION_INFO_V1(hgraph_ancestors);
HG_FUNCTION_INFO_V1(hgraph_descendants);
HG_FUNCTION_INFO_V1(hgraph_roots);
HG_FUNCTION_INFO_V1(hgraph_leaves);
HG_FUNCTION_INFO_V1(hgraph_tops);
HG_FUNCTION_INFO_V1(hgraph_paths);
HG_FUNCTION_INFO_V1(hgraph_common_ancestors);
HG_FUNCTION_INFO_V1(hgraph_preorder);
HG_FUNCTION_INFO_V1(hgraph_closure);
HG_FUNCTION_INFO_V1(hgraph_explain_rollup);
HG_FUNCTION_INFO_V1(hgraph_tree);

/*
 * close_rows ends an execution.
 */
static void
close_rows(SrfCall *call)
{
	if (call->rows)
		hg_rows_end(call->rows);
	call->rows = NULL;
	if (call->mcxt)
		MemoryContextDelete(call->mcxt);
	call->mcxt = NULL;
}

/*
 * shutdown_rows is close_rows as a callback of the expression context.
 */
static void
shutdown_rows(Datum arg)
{
	close_rows((SrfCall *) DatumGetPointer(arg));
}

/*
 * prepare_call looks up what stays the same for all executions of a call.
 */
static SrfCall *
prepare_call(FunctionCallInfo fcinfo, HgRowsKind kind)
{
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	SrfCall    *call = palloc0(sizeof(SrfCall));
	Oid			result_type;

	call->kind = kind;
	for (int i = 0; i < PG_NARGS(); i++)
		call->argtypes[i] = get_fn_expr_argtype(fcinfo->flinfo, i);
	if (!OidIsValid(call->argtypes[0]))
	{
		Oid		   *declared;
		int			nargs;

		/* Called without an expression: what the catalog says must do. */
		(void) get_func_signature(fcinfo->flinfo->fn_oid, &declared, &nargs);
		memcpy(call->argtypes, declared, nargs * sizeof(Oid));
	}

	if (hg_rows_columns(kind) == 1)
	{
		(void) get_call_result_type(fcinfo, &result_type, NULL);
		get_typlenbyval(result_type, &call->typlen, &call->typbyval);
	}
	else
	{
		if (get_call_result_type(fcinfo, NULL, &call->tupdesc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call->tupdesc = BlessTupleDesc(call->tupdesc);
	}

	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = call;
	return call;
}

/*
 * open_rows starts an execution.
 */
static void
open_rows(FunctionCallInfo fcinfo, SrfCall *call)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[FUNC_MAX_ARGS];
	bool		nulls[FUNC_MAX_ARGS];
	HgRowsArgs	args;

	for (int i = 0; i < PG_NARGS(); i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i);
	}
	hg_rows_args(call->kind, PG_NARGS(), values, nulls, call->argtypes, &args);

	/* An execution that ended in an error left its context behind. */
	close_rows(call);
	call->mcxt = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt,
									   "hierarchy rows",
									   ALLOCSET_START_SMALL_SIZES);
	call->rows = hg_rows_begin(&args, ~(uint32) 0, call->mcxt);
	RegisterExprContextCallback(rsinfo->econtext, shutdown_rows,
								PointerGetDatum(call));
}

/*
 * next_row is the body of every function here.
 */
static Datum
next_row(FunctionCallInfo fcinfo, HgRowsKind kind)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SrfCall    *call = fcinfo->flinfo->fn_extra;
	Datum		values[HG_ROWS_MAX_COLUMNS];
	bool		nulls[HG_ROWS_MAX_COLUMNS];

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) ||
		(rsinfo->allowedModes & SFRM_ValuePerCall) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));

	if (call == NULL)
		call = prepare_call(fcinfo, kind);
	if (call->rows == NULL)
		open_rows(fcinfo, call);

	if (!hg_rows_next(call->rows, values, nulls))
	{
		UnregisterExprContextCallback(rsinfo->econtext, shutdown_rows,
									  PointerGetDatum(call));
		close_rows(call);
		rsinfo->isDone = ExprEndResult;
		PG_RETURN_NULL();
	}

	rsinfo->isDone = ExprMultipleResult;
	if (call->tupdesc)
		PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(call->tupdesc,
														  values, nulls)));
	if (nulls[0])
		PG_RETURN_NULL();
	/* The source may close before the caller is done with the value. */
	PG_RETURN_DATUM(datumCopy(values[0], call->typbyval, call->typlen));
}

/*
 * hgraph_parents: parents(graph, node, …) returns (node, share)
 */
Datum
hgraph_parents(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_PARENTS);
}

/*
 * hgraph_children: children(graph, node, …) returns (node, share)
 */
Datum
hgraph_children(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_CHILDREN);
}

/*
 * hgraph_ancestors: ancestors(graph, node, …) returns (node, depth, share)
 */
Datum
hgraph_ancestors(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_ANCESTORS);
}

/*
 * hgraph_descendants: descendants(graph, node, …) returns (node, depth, share)
 */
Datum
hgraph_descendants(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_DESCENDANTS);
}

/*
 * hgraph_roots: roots(graph, key_type, …) returns (node)
 */
Datum
hgraph_roots(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_ROOTS);
}

/*
 * hgraph_leaves: leaves(graph, node, …) returns (node)
 */
Datum
hgraph_leaves(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_LEAVES);
}

/*
 * hgraph_tops: tops(graph, node, …) returns (node)
 */
Datum
hgraph_tops(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_TOPS);
}

/*
 * hgraph_paths: paths(graph, node, ancestor, …) returns (path, share)
 */
Datum
hgraph_paths(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_PATHS);
}

/*
 * hgraph_common_ancestors: common_ancestors(graph, a, b, …) returns
 * (node, depth_a, depth_b)
 */
Datum
hgraph_common_ancestors(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_COMMON_ANCESTORS);
}

/*
 * hgraph_preorder: preorder(graph, root, …) returns
 * (ordinal, node, parent, depth, path, is_repeat)
 */
Datum
hgraph_preorder(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_PREORDER);
}

/*
 * hgraph_closure: closure(graph, key_type, …) returns
 * (ancestor, descendant, depth, share, is_leaf)
 */
Datum
hgraph_closure(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_CLOSURE);
}

/*
 * hgraph_explain_rollup: explain_rollup(graph, node, descendant, …) returns
 * (path, shares, share, contribution)
 */
Datum
hgraph_explain_rollup(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_EXPLAIN);
}

/*
 * hgraph_tree: tree(graph, as_of, labels) returns
 * (node, parent, level, path, children, parents)
 */
Datum
hgraph_tree(PG_FUNCTION_ARGS)
{
	return next_row(fcinfo, HG_ROWS_TREE);
}
