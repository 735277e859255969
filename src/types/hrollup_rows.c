/*-------------------------------------------------------------------------
 *
 * hrollup_rows.c
 *	  Type hrollup: its rows, and those of several side by side.
 *
 * Called in FROM, a function fills a tuplestore itself, which spares the
 * executor a copy of each row; in a select list it hands out one row a call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "library.h"
#include "miscadmin.h"
#include "types/hrollup_private.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

HG_FUNCTION_INFO_V1(hgraph_hrollup_each);
HG_FUNCTION_INFO_V1(hgraph_hrollup_each_stats);
HG_FUNCTION_INFO_V1(hgraph_hrollup_each_of);
HG_FUNCTION_INFO_V1(hgraph_hrollup_compare);

#define MAX_COLUMNS		12

/* Memory of rows is given back after so many. */
#define RESET_EVERY		64

typedef struct Rows Rows;

/* Fills in the columns behind the node. */
typedef void (*RowFunction) (Rows *rows, Datum *values, bool *nulls);

struct Rows
{
	int			n;				/* rollups */
	HgRollupView *view;			/* n; those without head.graph are NULL */
	uint32	   *pos;			/* n; next row of each */
	uint32	   *at;				/* n; row for the current node, or HG_NONE */
	Oid			key_type;		/* of the rollups */
	Oid			type;			/* of nodes returned */
	RowFunction row;
};

/*
 * each_row is a row of each.
 */
static void
each_row(Rows *rows, Datum *values, bool *nulls)
{
	const HgRollupView *view = rows->view;
	uint32		i = rows->at[0];
	int32		depth = hg_hrollup_depth(view, i);

	values[1] = Int32GetDatum(depth);
	nulls[1] = depth < 0;
	values[2] = hg_hrollup_own(view, i);
	values[3] = hg_hrollup_total(view, i);
	values[4] = Int64GetDatum(hg_hrollup_own_count(view, i));
	values[5] = hg_hrollup_total_count_datum(view, i);
}

/*
 * each_stats_row is a row of each_stats.
 */
static void
each_stats_row(Rows *rows, Datum *values, bool *nulls)
{
	hg_hrollup_stats(rows->view, rows->at[0], values + 1, nulls + 1);
}

/*
 * make_array makes an array, one element a rollup.
 */
static Datum
make_array(const Rows *rows, Datum *values, bool *nulls, Oid type)
{
	int			lower = 1;
	int			n = rows->n;
	bool		is_int = type == INT8OID;

	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower, type,
											  is_int ? (int) sizeof(int64) : -1,
											  is_int ? FLOAT8PASSBYVAL : false,
											  is_int ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

/*
 * each_of_row is a row of each_of.
 */
static void
each_of_row(Rows *rows, Datum *values, bool *nulls)
{
	int			n = rows->n;
	Datum	   *own = palloc0(n * sizeof(Datum));
	Datum	   *total = palloc0(n * sizeof(Datum));
	Datum	   *own_count = palloc0(n * sizeof(Datum));
	Datum	   *total_count = palloc0(n * sizeof(Datum));
	bool	   *absent = palloc0(n * sizeof(bool));
	int32		depth = -1;

	for (int k = 0; k < n; k++)
	{
		const HgRollupView *view = &rows->view[k];
		uint32		i = rows->at[k];
		int32		d;

		absent[k] = i == HG_NONE;
		if (absent[k])
		{
			own_count[k] = Int64GetDatum(0);
			total_count[k] = NumericGetDatum(hg_fixed_numeric(0, 0));
			continue;
		}
		d = hg_hrollup_depth(view, i);
		if (d >= 0 && (depth < 0 || d < depth))
			depth = d;
		own[k] = hg_hrollup_own(view, i);
		total[k] = hg_hrollup_total(view, i);
		own_count[k] = Int64GetDatum(hg_hrollup_own_count(view, i));
		total_count[k] = hg_hrollup_total_count_datum(view, i);
	}
	values[1] = Int32GetDatum(depth);
	nulls[1] = depth < 0;
	values[2] = make_array(rows, own, absent, NUMERICOID);
	values[3] = make_array(rows, total, absent, NUMERICOID);
	values[4] = make_array(rows, own_count, NULL, INT8OID);
	values[5] = make_array(rows, total_count, NULL, NUMERICOID);
}

/*
 * compare_row is a row of compare_rollup.
 */
static void
compare_row(Rows *rows, Datum *values, bool *nulls)
{
	for (int k = 0; k < 2; k++)
	{
		nulls[1 + k] = rows->at[k] == HG_NONE;
		if (!nulls[1 + k])
			values[1 + k] = hg_hrollup_total(&rows->view[k], rows->at[k]);
	}
	if (nulls[1])
		values[3] = values[2];
	else if (nulls[2])
		values[3] = DirectFunctionCall1(numeric_uminus, values[1]);
	else
		values[3] = DirectFunctionCall2(numeric_sub, values[2], values[1]);
}

/*
 * next_row goes to the next node in the order of keys.  False: none is left.
 */
static bool
next_row(Rows *rows, Datum *values, bool *nulls)
{
	HgKey		least = {0};
	int			first = -1;

	for (int k = 0; k < rows->n; k++)
	{
		HgKey		key;
		int			cmp;

		rows->at[k] = HG_NONE;
		if (rows->pos[k] == rows->view[k].head.n)
			continue;
		if (rows->n == 1)
		{
			first = 0;
			rows->at[0] = rows->pos[0];
			break;
		}
		key = hg_hrollup_key(&rows->view[k], rows->pos[k]);
		cmp = first < 0 ? -1 : hg_hrollup_compare(rows->key_type, &key, &least);
		if (cmp > 0)
			continue;
		if (cmp < 0)
		{
			/* None of those before has this one. */
			for (int j = Max(first, 0); j < k; j++)
				rows->at[j] = HG_NONE;
			first = k;
			least = key;
		}
		rows->at[k] = rows->pos[k];
	}
	if (first < 0)
		return false;

	memset(nulls, false, MAX_COLUMNS * sizeof(bool));
	values[0] = hg_hrollup_key_datum(&rows->view[first], rows->at[first], rows->type);
	rows->row(rows, values, nulls);
	for (int k = first; k < rows->n; k++)
		if (rows->at[k] != HG_NONE)
			rows->pos[k]++;
	return true;
}

/*
 * add_rollup takes another rollup into the rows.
 */
static void
add_rollup(Rows *rows, int k, Datum value, bool alike)
{
	hg_hrollup_open(&rows->view[k], value);
	if (!OidIsValid(rows->key_type))
	{
		rows->key_type = rows->view[k].head.key_type;
		hg_hrollup_check_type(&rows->view[k].head, rows->type);
	}
	for (int j = 0; j < k; j++)
		if (rows->view[j].head.graph != NULL)
		{
			hg_hrollup_check_same(&rows->view[j].head, &rows->view[k].head, alike);
			break;
		}
}

/*
 * open_rows opens the arguments of a call: rollups, or an array of them, then
 * perhaps the type of nodes.
 */
static Rows *
open_rows(FunctionCallInfo fcinfo, int nrollups, RowFunction row)
{
	Rows	   *rows = palloc0(sizeof(Rows));
	bool		is_array = row == each_of_row;
	Datum	   *values;
	bool	   *nulls;

	rows->row = row;
	rows->n = nrollups;
	rows->type = INT8OID;
	if (PG_NARGS() > nrollups)
		rows->type = get_fn_expr_argtype(fcinfo->flinfo, nrollups);
	/* A varchar is a text; the key columns may well be declared so. */
	if (rows->type == VARCHAROID)
		rows->type = TEXTOID;
	if (!OidIsValid(rows->type))
		elog(ERROR, "could not determine type of nodes");

	if (!is_array)
	{
		values = palloc(nrollups * sizeof(Datum));
		nulls = palloc(nrollups * sizeof(bool));
		for (int k = 0; k < nrollups; k++)
		{
			values[k] = PG_GETARG_DATUM(k);
			nulls[k] = PG_ARGISNULL(k);
		}
	}
	else if (PG_ARGISNULL(0))
		rows->n = 0;
	else
	{
		ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);

		deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
						  &values, &nulls, &rows->n);
	}

	rows->view = palloc0(Max(rows->n, 1) * sizeof(HgRollupView));
	rows->pos = palloc0(Max(rows->n, 1) * sizeof(uint32));
	rows->at = palloc0(Max(rows->n, 1) * sizeof(uint32));
	for (int k = 0; k < rows->n; k++)
		if (!nulls[k])
			add_rollup(rows, k, values[k], !is_array);
	return rows;
}

/*
 * result_tupdesc is what rows look like.
 */
static TupleDesc
result_tupdesc(FunctionCallInfo fcinfo)
{
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return tupdesc;
}

/*
 * fill_tuplestore returns all rows at once.
 */
static void
fill_tuplestore(FunctionCallInfo fcinfo, int nrollups, RowFunction row)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext query = rsinfo->econtext->ecxt_per_query_memory;
	MemoryContext old = MemoryContextSwitchTo(query);
	Tuplestorestate *store;
	TupleDesc	tupdesc;
	MemoryContext mcxt;
	MemoryContext row_mcxt;
	Rows	   *rows;
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS];
	uint32		n = 0;

	tupdesc = CreateTupleDescCopy(result_tupdesc(fcinfo));
	store = tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0,
								  false, work_mem);
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = store;
	rsinfo->setDesc = tupdesc;

	mcxt = AllocSetContextCreate(query, "hrollup rows", ALLOCSET_DEFAULT_SIZES);
	row_mcxt = AllocSetContextCreate(mcxt, "hrollup row", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(mcxt);
	rows = open_rows(fcinfo, nrollups, row);
	MemoryContextSwitchTo(row_mcxt);
	while (next_row(rows, values, nulls))
	{
		tuplestore_putvalues(store, tupdesc, values, nulls);
		if (++n % RESET_EVERY == 0)
		{
			MemoryContextReset(row_mcxt);
			CHECK_FOR_INTERRUPTS();
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
}

/*
 * return_rows is the body of the functions here.
 */
static Datum
return_rows(FunctionCallInfo fcinfo, int nrollups, RowFunction row)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FuncCallContext *call;
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS];

	if (rsinfo != NULL && IsA(rsinfo, ReturnSetInfo) &&
		(rsinfo->allowedModes & SFRM_Materialize_Preferred) != 0)
	{
		fill_tuplestore(fcinfo, nrollups, row);
		PG_RETURN_NULL();
	}

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->tuple_desc = BlessTupleDesc(result_tupdesc(fcinfo));
		call->user_fctx = open_rows(fcinfo, nrollups, row);
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	if (!next_row(call->user_fctx, values, nulls))
		SRF_RETURN_DONE(call);
	SRF_RETURN_NEXT(call,
					HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls)));
}

/*
 * hgraph_hrollup_each: each(hrollup, key_type) returns (node, depth, own, total,
 * own_count, total_count)
 */
Datum
hgraph_hrollup_each(PG_FUNCTION_ARGS)
{
	return return_rows(fcinfo, 1, each_row);
}

/*
 * hgraph_hrollup_each_stats: each_stats(hrollup, key_type) returns the same and least,
 * greatest and average values
 */
Datum
hgraph_hrollup_each_stats(PG_FUNCTION_ARGS)
{
	return return_rows(fcinfo, 1, each_stats_row);
}

/*
 * hgraph_hrollup_each_of: each_of(hrollup[], key_type) returns (node, depth, own[],
 * total[], own_count[], total_count[])
 */
Datum
hgraph_hrollup_each_of(PG_FUNCTION_ARGS)
{
	return return_rows(fcinfo, 1, each_of_row);
}

/*
 * hgraph_hrollup_compare: compare_rollup(before, after, key_type) returns (node,
 * before, after, difference)
 */
Datum
hgraph_hrollup_compare(PG_FUNCTION_ARGS)
{
	return return_rows(fcinfo, 2, compare_row);
}
