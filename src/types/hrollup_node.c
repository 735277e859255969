/*-------------------------------------------------------------------------
 *
 * hrollup_node.c
 *	  Type hrollup: one node's figures, and those of the whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "library.h"
#include "types/hrollup_private.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

HG_FUNCTION_INFO_V1(hgraph_hrollup_total_int8);
HG_FUNCTION_INFO_V1(hgraph_hrollup_total_uuid);
HG_FUNCTION_INFO_V1(hgraph_hrollup_total_text);
HG_FUNCTION_INFO_V1(hgraph_hrollup_stats_int8);
HG_FUNCTION_INFO_V1(hgraph_hrollup_stats_uuid);
HG_FUNCTION_INFO_V1(hgraph_hrollup_stats_text);
HG_FUNCTION_INFO_V1(hgraph_hrollup_unmatched);
HG_FUNCTION_INFO_V1(hgraph_hrollup_reconcile);

/*
 * average divides a sum by a count; NULL when there is nothing.
 */
static Datum
average(const HgRollupHead *head, const HgAmount *sum, Datum sum_datum,
		Datum count, bool *isnull)
{
	static const HgAmount zero = {0};

	*isnull = DatumGetBool(DirectFunctionCall2(numeric_eq, count,
											   hg_amount_numeric(&zero, HG_VALUE_EXACT, 0, 0)));
	if (*isnull)
		return (Datum) 0;
	if (head->value == HG_VALUE_REAL && !sum->flags)
		return hg_real_numeric((sum->real.sum + sum->real.rest) /
							   DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
																  count)));
	return DirectFunctionCall2(numeric_div, sum_datum, count);
}

/*
 * extreme is a least or greatest value as numeric.
 */
static Datum
extreme(const HgRollupView *view, HgRollupColumn col, uint32 i, bool *isnull)
{
	HgAmount	amount;

	*isnull = !hg_hrollup_extreme(view, col, i, &amount);
	if (*isnull)
		return (Datum) 0;
	return hg_amount_numeric(&amount, view->head.value, view->head.own_scale,
							 view->head.own_scale);
}

/*
 * hg_hrollup_stats fills in all figures of a row: depth, own, total, own_count,
 * total_count, own_min, total_min, own_max, total_max, own_avg, total_avg.
 */
void
hg_hrollup_stats(const HgRollupView *view, uint32 i, Datum *values, bool *nulls)
{
	const HgRollupHead *head = &view->head;
	int32		depth = hg_hrollup_depth(view, i);
	HgAmount	own;
	HgAmount	total;

	memset(nulls, false, HG_STATS_COLUMNS * sizeof(bool));
	values[0] = Int32GetDatum(depth);
	nulls[0] = depth < 0;
	values[1] = hg_hrollup_own(view, i);
	values[2] = hg_hrollup_total(view, i);
	values[3] = Int64GetDatum(hg_hrollup_own_count(view, i));
	values[4] = hg_hrollup_total_count_datum(view, i);
	values[5] = extreme(view, HG_COL_OWN_MIN, i, &nulls[5]);
	values[6] = extreme(view, HG_COL_TOTAL_MIN, i, &nulls[6]);
	values[7] = extreme(view, HG_COL_OWN_MAX, i, &nulls[7]);
	values[8] = extreme(view, HG_COL_TOTAL_MAX, i, &nulls[8]);
	if (head->value == HG_VALUE_COUNT)
	{
		nulls[9] = nulls[10] = true;
		return;
	}
	hg_hrollup_sum(view, HG_COL_OWN, i, &own);
	hg_hrollup_sum(view, HG_COL_TOTAL, i, &total);
	values[9] = average(head, &own, values[1],
						NumericGetDatum(hg_fixed_numeric(hg_hrollup_own_count(view, i), 0)),
						&nulls[9]);
	values[10] = average(head, &total, values[2], values[4], &nulls[10]);
}

/*
 * find_row finds the row of a node argument.
 */
static uint32
find_row(const HgRollupView *view, Oid type, Datum node)
{
	Oid			key_type = view->head.key_type;
	HgKey		key = {0};
	char	   *str;

	hg_hrollup_check_type(&view->head, type);
	if (type == TEXTOID && key_type == TEXTOID)
	{
		text	   *t = DatumGetTextPP(node);

		key.bytes = (const unsigned char *) VARDATA_ANY(t);
		key.len = VARSIZE_ANY_EXHDR(t);
		return hg_hrollup_find(view, &key);
	}
	if (type == TEXTOID)
	{
		str = TextDatumGetCString(node);
		if (key_type == UUIDOID)
			node = DirectFunctionCall1(uuid_in, CStringGetDatum(str));
		else if (key_type == INT4OID)
			node = Int64GetDatum(DatumGetInt32(DirectFunctionCall1(int4in,
																   CStringGetDatum(str))));
		else
			node = DirectFunctionCall1(int8in, CStringGetDatum(str));
	}
	if (key_type == UUIDOID)
	{
		key.bytes = DatumGetUUIDP(node)->data;
		key.len = UUID_LEN;
	}
	else
		key.num = type == INT2OID ? DatumGetInt16(node) :
			type == INT4OID ? DatumGetInt32(node) : DatumGetInt64(node);
	return hg_hrollup_find(view, &key);
}

/*
 * total_of is a node's total.
 */
static Datum
total_of(FunctionCallInfo fcinfo, Oid type)
{
	HgRollupView view;
	uint32		i;

	hg_hrollup_open(&view, PG_GETARG_DATUM(0));
	i = find_row(&view, type, PG_GETARG_DATUM(1));
	if (i == HG_NONE)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(hg_hrollup_total(&view, i));
}

/*
 * hgraph_hrollup_total_int8: hrollup -> bigint
 */
Datum
hgraph_hrollup_total_int8(PG_FUNCTION_ARGS)
{
	return total_of(fcinfo, INT8OID);
}

/*
 * hgraph_hrollup_total_uuid: hrollup -> uuid
 */
Datum
hgraph_hrollup_total_uuid(PG_FUNCTION_ARGS)
{
	return total_of(fcinfo, UUIDOID);
}

/*
 * hgraph_hrollup_total_text: hrollup -> text
 */
Datum
hgraph_hrollup_total_text(PG_FUNCTION_ARGS)
{
	return total_of(fcinfo, TEXTOID);
}

/*
 * make_record makes the record that a function returns.
 */
static Datum
make_record(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/*
 * stats_of is the record of all figures of a node.
 */
static Datum
stats_of(FunctionCallInfo fcinfo, Oid type)
{
	HgRollupView view;
	uint32		i;
	Datum		values[HG_STATS_COLUMNS] = {0};
	bool		nulls[HG_STATS_COLUMNS];

	hg_hrollup_open(&view, PG_GETARG_DATUM(0));
	i = find_row(&view, type, PG_GETARG_DATUM(1));
	if (i == HG_NONE)
		PG_RETURN_NULL();
	hg_hrollup_stats(&view, i, values, nulls);
	return make_record(fcinfo, values, nulls);
}

/*
 * hgraph_hrollup_stats_int8: node_stats(hrollup, bigint)
 */
Datum
hgraph_hrollup_stats_int8(PG_FUNCTION_ARGS)
{
	return stats_of(fcinfo, INT8OID);
}

/*
 * hgraph_hrollup_stats_uuid: node_stats(hrollup, uuid)
 */
Datum
hgraph_hrollup_stats_uuid(PG_FUNCTION_ARGS)
{
	return stats_of(fcinfo, UUIDOID);
}

/*
 * hgraph_hrollup_stats_text: node_stats(hrollup, text)
 */
Datum
hgraph_hrollup_stats_text(PG_FUNCTION_ARGS)
{
	return stats_of(fcinfo, TEXTOID);
}

/*
 * head_amount is an amount of the head as numeric; a count where facts were
 * only counted.
 */
static Datum
head_amount(const HgRollupHead *head, const HgAmount *amount, int64 count)
{
	if (head->value == HG_VALUE_COUNT)
		return NumericGetDatum(hg_fixed_numeric(count, 0));
	return hg_amount_numeric(amount, head->value, head->own_scale, head->own_scale);
}

/*
 * hgraph_hrollup_unmatched: unmatched(hrollup) returns (rows, value)
 */
Datum
hgraph_hrollup_unmatched(PG_FUNCTION_ARGS)
{
	HgRollupView view;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	hg_hrollup_open(&view, PG_GETARG_DATUM(0));
	values[0] = Int64GetDatum(view.head.unmatched_count);
	values[1] = head_amount(&view.head, &view.head.unmatched,
							view.head.unmatched_count);
	return make_record(fcinfo, values, nulls);
}

/*
 * hgraph_hrollup_reconcile: reconcile(hrollup) returns (grand_total, root_total,
 * unmatched, sharing, unmatched_rows, unstated_shares), where
 * root_total = grand_total - unmatched + sharing
 */
Datum
hgraph_hrollup_reconcile(PG_FUNCTION_ARGS)
{
	HgRollupView view;
	const HgRollupHead *head = &view.head;
	Datum		values[6];
	bool		nulls[6] = {false};

	hg_hrollup_open(&view, PG_GETARG_DATUM(0));
	values[0] = head_amount(head, &head->grand, head->grand_count);
	if (head->value == HG_VALUE_COUNT)
		values[1] = hg_amount_numeric(&head->roots_count, HG_VALUE_EXACT,
									  head->count_scale, 0);
	else
		values[1] = hg_amount_numeric(&head->roots, head->value,
									  head->total_scale, head->own_scale);
	values[2] = head_amount(head, &head->unmatched, head->unmatched_count);
	values[3] = DirectFunctionCall2(numeric_sub, values[1],
									DirectFunctionCall2(numeric_sub, values[0],
														values[2]));
	values[4] = Int64GetDatum(head->unmatched_count);
	values[5] = Int64GetDatum(head->unstated);
	return make_record(fcinfo, values, nulls);
}
