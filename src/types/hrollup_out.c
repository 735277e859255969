/*-------------------------------------------------------------------------
 *
 * hrollup_out.c
 *	  Type hrollup: writing the text form.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "types/hrollup_private.h"
#include "types/hrollup_json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(hgraph_hrollup_out);

const char *const hg_rollup_field_names[HG_ROLLUP_FIELDS] = {
	[HG_FIELD_VERSION] = "hrollup",
	[HG_FIELD_GRAPH] = "graph",
	[HG_FIELD_MODE] = "mode",
	[HG_FIELD_VALUES] = "values",
	[HG_FIELD_KEY_TYPE] = "key_type",
	[HG_FIELD_SCALE] = "scale",
	[HG_FIELD_TOTAL_SCALE] = "total_scale",
	[HG_FIELD_COUNT_SCALE] = "count_scale",
	[HG_FIELD_FACTS] = "facts",
	[HG_FIELD_UNMATCHED_FACTS] = "unmatched_facts",
	[HG_FIELD_ROOTS_FACTS] = "roots_facts",
	[HG_FIELD_UNSTATED_SHARES] = "unstated_shares",
	[HG_FIELD_SUM] = "sum",
	[HG_FIELD_UNMATCHED_SUM] = "unmatched_sum",
	[HG_FIELD_ROOTS_SUM] = "roots_sum",
	[HG_FIELD_SUM_REST] = "sum_rest",
	[HG_FIELD_UNMATCHED_SUM_REST] = "unmatched_sum_rest",
	[HG_FIELD_ROOTS_SUM_REST] = "roots_sum_rest",
	[HG_FIELD_COLUMNS] = "columns",
	[HG_FIELD_NODES] = "nodes",
};

static const char *const column_names[HG_ROLLUP_COLUMNS] = {
	[HG_COL_KEY] = "node",
	[HG_COL_DEPTH] = "depth",
	[HG_COL_OWN_COUNT] = "own_count",
	[HG_COL_TOTAL_COUNT] = "total_count",
	[HG_COL_OWN] = "own",
	[HG_COL_TOTAL] = "total",
	[HG_COL_OWN_REST] = "own_rest",
	[HG_COL_TOTAL_REST] = "total_rest",
	[HG_COL_OWN_MIN] = "own_min",
	[HG_COL_OWN_MAX] = "own_max",
	[HG_COL_TOTAL_MIN] = "total_min",
	[HG_COL_TOTAL_MAX] = "total_max",
};

static const HgRollupColumn count_columns[] = {
	HG_COL_KEY, HG_COL_DEPTH, HG_COL_OWN_COUNT, HG_COL_TOTAL_COUNT,
	HG_ROLLUP_COLUMNS
};

static const HgRollupColumn exact_columns[] = {
	HG_COL_KEY, HG_COL_DEPTH, HG_COL_OWN_COUNT, HG_COL_TOTAL_COUNT,
	HG_COL_OWN, HG_COL_TOTAL,
	HG_COL_OWN_MIN, HG_COL_TOTAL_MIN, HG_COL_OWN_MAX, HG_COL_TOTAL_MAX,
	HG_ROLLUP_COLUMNS
};

static const HgRollupColumn real_columns[] = {
	HG_COL_KEY, HG_COL_DEPTH, HG_COL_OWN_COUNT, HG_COL_TOTAL_COUNT,
	HG_COL_OWN, HG_COL_OWN_REST, HG_COL_TOTAL, HG_COL_TOTAL_REST,
	HG_COL_OWN_MIN, HG_COL_TOTAL_MIN, HG_COL_OWN_MAX, HG_COL_TOTAL_MAX,
	HG_ROLLUP_COLUMNS
};

/*
 * hg_rollup_has_field: does a rollup of such values have the field?
 */
bool
hg_rollup_has_field(HgValueKind value, HgRollupField field)
{
	if (field == HG_FIELD_SCALE || field == HG_FIELD_TOTAL_SCALE)
		return value == HG_VALUE_EXACT;
	if (field >= HG_FIELD_SUM && field <= HG_FIELD_ROOTS_SUM)
		return value != HG_VALUE_COUNT;
	if (field >= HG_FIELD_SUM_REST && field <= HG_FIELD_ROOTS_SUM_REST)
		return value == HG_VALUE_REAL;
	return true;
}

/*
 * hg_rollup_json_columns lists the columns for a kind of values.
 */
const HgRollupColumn *
hg_rollup_json_columns(HgValueKind value)
{
	switch (value)
	{
		case HG_VALUE_COUNT:
			return count_columns;
		case HG_VALUE_EXACT:
			return exact_columns;
		case HG_VALUE_REAL:
			break;
	}
	return real_columns;
}

/*
 * hg_rollup_column_name is the name of a column.
 */
const char *
hg_rollup_column_name(HgRollupColumn column)
{
	return column_names[column];
}

/*
 * put_double writes a double with all its digits, whatever the setting
 * extra_float_digits.
 */
static void
put_double(StringInfo buf, double value)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (isnan(value))
		appendStringInfoString(buf, "\"NaN\"");
	else if (isinf(value))
		appendStringInfoString(buf, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		appendBinaryStringInfo(buf, digits,
							   double_to_shortest_decimal_bufn(value, digits));
}

/*
 * put_amount writes an amount.
 */
static void
put_amount(StringInfo buf, const HgAmount *amount, HgValueKind value,
		   int scale, int min_scale)
{
	Datum		num;
	bool		special = (amount->flags & HG_AMOUNT_SPECIAL) != 0;

	if (value == HG_VALUE_REAL && !special)
	{
		put_double(buf, amount->real.sum);
		return;
	}
	if (!special && amount->wide == NULL && scale == 0 &&
		amount->fixed == (int64) amount->fixed)
	{
		char		digits[MAXINT8LEN + 1];

		appendBinaryStringInfo(buf, digits,
							   pg_lltoa((int64) amount->fixed, digits));
		return;
	}
	num = hg_amount_numeric(amount, value, scale, min_scale);
	if (special)
		appendStringInfoChar(buf, '"');
	appendStringInfoString(buf, DatumGetCString(DirectFunctionCall1(numeric_out, num)));
	if (special)
		appendStringInfoChar(buf, '"');
}

/*
 * put_field writes a field of the head.
 */
static void
put_field(StringInfo buf, const HgRollupHead *head, HgRollupField field)
{
	HgValueKind value = head->value;

	switch (field)
	{
		case HG_FIELD_VERSION:
			appendStringInfo(buf, "%d", HG_ROLLUP_JSON_VERSION);
			break;
		case HG_FIELD_GRAPH:
			escape_json(buf, head->graph);
			break;
		case HG_FIELD_MODE:
			escape_json(buf, hg_mode_name(head->mode));
			break;
		case HG_FIELD_VALUES:
			escape_json(buf, hg_value_kind_name(value));
			break;
		case HG_FIELD_KEY_TYPE:
			escape_json(buf, hg_key_type_name(head->key_type));
			break;
		case HG_FIELD_SCALE:
			appendStringInfo(buf, "%d", head->own_scale);
			break;
		case HG_FIELD_TOTAL_SCALE:
			appendStringInfo(buf, "%d", head->total_scale);
			break;
		case HG_FIELD_COUNT_SCALE:
			appendStringInfo(buf, "%d", head->count_scale);
			break;
		case HG_FIELD_FACTS:
			appendStringInfo(buf, INT64_FORMAT, head->grand_count);
			break;
		case HG_FIELD_UNMATCHED_FACTS:
			appendStringInfo(buf, INT64_FORMAT, head->unmatched_count);
			break;
		case HG_FIELD_ROOTS_FACTS:
			put_amount(buf, &head->roots_count, HG_VALUE_COUNT, head->count_scale, 0);
			break;
		case HG_FIELD_UNSTATED_SHARES:
			appendStringInfo(buf, INT64_FORMAT, head->unstated);
			break;
		case HG_FIELD_SUM:
			put_amount(buf, &head->grand, value, head->own_scale, head->own_scale);
			break;
		case HG_FIELD_UNMATCHED_SUM:
			put_amount(buf, &head->unmatched, value, head->own_scale, head->own_scale);
			break;
		case HG_FIELD_ROOTS_SUM:
			put_amount(buf, &head->roots, value, head->total_scale, head->own_scale);
			break;
		case HG_FIELD_SUM_REST:
			put_double(buf, head->grand.real.rest);
			break;
		case HG_FIELD_UNMATCHED_SUM_REST:
			put_double(buf, head->unmatched.real.rest);
			break;
		case HG_FIELD_ROOTS_SUM_REST:
			put_double(buf, head->roots.real.rest);
			break;
		case HG_FIELD_COLUMNS:
			for (const HgRollupColumn *col = hg_rollup_json_columns(value);
				 *col != HG_ROLLUP_COLUMNS; col++)
			{
				appendStringInfoString(buf, *col == HG_COL_KEY ? "[" : ", ");
				escape_json(buf, column_names[*col]);
			}
			appendStringInfoChar(buf, ']');
			break;
		case HG_FIELD_NODES:
		case HG_ROLLUP_FIELDS:
			break;
	}
}

/*
 * put_key writes the key of a row.
 */
static void
put_key(StringInfo buf, const HgRollupView *view, uint32 i)
{
	char		digits[MAXINT8LEN + 1];

	if (view->columns[HG_COL_KEY].type == HG_COLUMN_INT)
		appendBinaryStringInfo(buf, digits,
							   pg_lltoa(hg_hrollup_key(view, i).num, digits));
	else
		escape_json(buf, TextDatumGetCString(hg_hrollup_key_datum(view, i, TEXTOID)));
}

/*
 * put_cell writes a cell.
 */
static void
put_cell(StringInfo buf, const HgRollupView *view, HgRollupColumn col, uint32 i)
{
	const HgRollupHead *head = &view->head;
	HgAmount	amount;

	switch (col)
	{
		case HG_COL_KEY:
			put_key(buf, view, i);
			break;
		case HG_COL_DEPTH:
			if (hg_hrollup_depth(view, i) < 0)
				appendStringInfoString(buf, "null");
			else
				appendStringInfo(buf, "%d", hg_hrollup_depth(view, i));
			break;
		case HG_COL_OWN_COUNT:
			appendStringInfo(buf, INT64_FORMAT, hg_hrollup_own_count(view, i));
			break;
		case HG_COL_TOTAL_COUNT:
			hg_hrollup_total_count(view, i, &amount);
			put_amount(buf, &amount, HG_VALUE_COUNT, head->count_scale, 0);
			break;
		case HG_COL_OWN:
		case HG_COL_TOTAL:
			hg_hrollup_sum(view, col, i, &amount);
			put_amount(buf, &amount, head->value,
					   col == HG_COL_OWN ? head->own_scale : head->total_scale,
					   head->own_scale);
			break;
		case HG_COL_OWN_REST:
		case HG_COL_TOTAL_REST:
			hg_hrollup_sum(view, col == HG_COL_OWN_REST ? HG_COL_OWN : HG_COL_TOTAL,
						   i, &amount);
			put_double(buf, amount.flags ? 0 : amount.real.rest);
			break;
		default:
			if (hg_hrollup_extreme(view, col, i, &amount))
				put_amount(buf, &amount, head->value, head->own_scale,
						   head->own_scale);
			else
				appendStringInfoString(buf, "null");
			break;
	}
}

/*
 * hgraph_hrollup_out writes the text form.
 */
Datum
hgraph_hrollup_out(PG_FUNCTION_ARGS)
{
	HgRollupView view;
	const HgRollupColumn *columns;
	StringInfoData buf;
	MemoryContext temp;
	MemoryContext old;

	hg_hrollup_open(&view, PG_GETARG_DATUM(0));
	columns = hg_rollup_json_columns(view.head.value);
	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (HgRollupField field = 0; field < HG_ROLLUP_FIELDS; field++)
		if (hg_rollup_has_field(view.head.value, field))
		{
			if (field > 0)
				appendStringInfoString(&buf, ", ");
			escape_json(&buf, hg_rollup_field_names[field]);
			appendStringInfoString(&buf, ": ");
			put_field(&buf, &view.head, field);
		}

	appendStringInfoChar(&buf, '[');
	temp = AllocSetContextCreate(CurrentMemoryContext, "hrollup_out",
								 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(temp);
	for (uint32 i = 0; i < view.head.n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			appendStringInfoString(&buf, ", ");
		for (const HgRollupColumn *col = columns; *col != HG_ROLLUP_COLUMNS; col++)
		{
			appendStringInfoString(&buf, col == columns ? "[" : ", ");
			put_cell(&buf, &view, *col, i);
		}
		appendStringInfoChar(&buf, ']');
		MemoryContextReset(temp);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(temp);
	appendStringInfoString(&buf, "]}");
	PG_RETURN_CSTRING(buf.data);
}
