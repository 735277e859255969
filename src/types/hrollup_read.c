/*-------------------------------------------------------------------------
 *
 * hrollup_read.c
 *	  Rows of a rollup: keys, cells, and both as SQL values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "types/hrollup_private.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

/*
 * exact_cell reads a cell of an exact column.
 */
static void
exact_cell(const HgColumn *column, uint32 i, HgAmount *amount)
{
	amount->wide = NULL;
	amount->fixed = 0;
	if (column->type == HG_COLUMN_BYTES)
		amount->wide = hg_hrollup_numeric(column, i);
	else
		amount->fixed = hg_column_int(column, i);
}

/*
 * hg_hrollup_sum reads a sum.
 */
void
hg_hrollup_sum(const HgRollupView *view, HgRollupColumn col, uint32 i,
			   HgAmount *amount)
{
	bool		own = col == HG_COL_OWN;
	int			flags = own ? HG_COL_OWN_FLAGS : HG_COL_TOTAL_FLAGS;
	int			rest = own ? HG_COL_OWN_REST : HG_COL_TOTAL_REST;

	amount->flags = (uint8) hg_column_int(&view->columns[flags], i) & HG_AMOUNT_SPECIAL;
	if (view->head.value == HG_VALUE_REAL)
	{
		amount->real.sum = hg_column_real(&view->columns[col], i);
		amount->real.rest = hg_column_real(&view->columns[rest], i);
	}
	else
		exact_cell(&view->columns[col], i, amount);
}

/*
 * hg_hrollup_total_count reads the number of facts at or below a node.
 */
void
hg_hrollup_total_count(const HgRollupView *view, uint32 i, HgAmount *amount)
{
	amount->flags = 0;
	exact_cell(&view->columns[HG_COL_TOTAL_COUNT], i, amount);
}

/*
 * hg_hrollup_extreme reads a least or greatest value.
 */
bool
hg_hrollup_extreme(const HgRollupView *view, HgRollupColumn col, uint32 i,
				   HgAmount *amount)
{
	const HgColumn *column = &view->columns[col];

	if (view->head.value == HG_VALUE_COUNT ||
		((col == HG_COL_OWN_MIN || col == HG_COL_OWN_MAX) &&
		 hg_hrollup_own_count(view, i) == 0))
		return false;

	amount->flags = 0;
	if (view->head.value == HG_VALUE_REAL)
	{
		amount->real.sum = hg_real_from_ordered((int64) hg_column_int(column, i));
		amount->real.rest = 0;
		return true;
	}
	exact_cell(column, i, amount);
	if (column->type != HG_COLUMN_BYTES)
		amount->flags = hg_extreme_flags(amount->fixed);
	else if (amount->wide == NULL)
		return false;
	else
		amount->flags = hg_numeric_flags(amount->wide);
	return true;
}

/*
 * hg_hrollup_key is the key of a row.
 */
HgKey
hg_hrollup_key(const HgRollupView *view, uint32 i)
{
	const HgColumn *column = &view->columns[HG_COL_KEY];
	HgKey		key = {0};

	if (column->type == HG_COLUMN_INT)
		key.num = (int64) hg_column_int(column, i);
	else
		key.bytes = hg_column_bytes(column, i, &key.len);
	return key;
}

/*
 * hg_hrollup_compare orders keys.
 */
int
hg_hrollup_compare(Oid key_type, const HgKey *a, const HgKey *b)
{
	uint32		len = Min(a->len, b->len);
	int			cmp;

	if (key_type == INT4OID || key_type == INT8OID)
		return (a->num > b->num) - (a->num < b->num);
	cmp = len == 0 ? 0 : memcmp(a->bytes, b->bytes, len);
	if (cmp != 0)
		return cmp;
	return (a->len > b->len) - (a->len < b->len);
}

/*
 * hg_hrollup_find finds the row of a key.
 */
uint32
hg_hrollup_find(const HgRollupView *view, const HgKey *key)
{
	uint32		low = 0;
	uint32		high = view->head.n;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;
		HgKey		other = hg_hrollup_key(view, middle);
		int			cmp = hg_hrollup_compare(view->head.key_type, key, &other);

		if (cmp == 0)
			return middle;
		if (cmp < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return HG_NONE;
}

/*
 * hg_hrollup_own is what a node has itself.
 */
Datum
hg_hrollup_own(const HgRollupView *view, uint32 i)
{
	const HgRollupHead *head = &view->head;
	HgAmount	amount;

	if (head->value == HG_VALUE_COUNT)
		return NumericGetDatum(hg_fixed_numeric(hg_hrollup_own_count(view, i), 0));
	hg_hrollup_sum(view, HG_COL_OWN, i, &amount);
	return hg_amount_numeric(&amount, head->value, head->own_scale,
							 head->own_scale);
}

/*
 * hg_hrollup_total is what a node and all below it have.
 */
Datum
hg_hrollup_total(const HgRollupView *view, uint32 i)
{
	const HgRollupHead *head = &view->head;
	HgAmount	amount;

	if (head->value == HG_VALUE_COUNT)
		return hg_hrollup_total_count_datum(view, i);
	hg_hrollup_sum(view, HG_COL_TOTAL, i, &amount);
	return hg_amount_numeric(&amount, head->value, head->total_scale,
							 head->own_scale);
}

/*
 * hg_hrollup_total_count_datum is the number of facts at or below a node.
 */
Datum
hg_hrollup_total_count_datum(const HgRollupView *view, uint32 i)
{
	HgAmount	amount;

	hg_hrollup_total_count(view, i, &amount);
	return hg_amount_numeric(&amount, HG_VALUE_EXACT, view->head.count_scale, 0);
}

/*
 * hg_hrollup_check_type makes sure that nodes can be of a type.
 */
void
hg_hrollup_check_type(const HgRollupHead *head, Oid type)
{
	bool		is_int = head->key_type == INT4OID || head->key_type == INT8OID;
	const char *usual = is_int ? "bigint" : hg_key_type_name(head->key_type);

	if (type == TEXTOID || type == head->key_type ||
		(is_int && (type == INT8OID || type == INT4OID || type == INT2OID)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("nodes of the rollup of graph %s are of type %s, not %s",
					head->graph, hg_key_type_name(head->key_type),
					format_type_be(type)),
			 head->key_type == TEXTOID ?
			 errhint("Pass the node, or the key_type argument, as text.") :
			 errhint("Pass the node, or the key_type argument, as %s or as text.",
					 usual)));
}

/*
 * hg_hrollup_key_datum is the key of a row as a type that
 * hg_hrollup_check_type accepts.
 */
Datum
hg_hrollup_key_datum(const HgRollupView *view, uint32 i, Oid type)
{
	HgKey		key = hg_hrollup_key(view, i);
	char		buf[MAXINT8LEN + 1];
	pg_uuid_t  *uuid;

	if (type == INT8OID)
		return Int64GetDatum(key.num);
	if (type == INT4OID || type == INT2OID)
	{
		if (type == INT4OID ? key.num != (int32) key.num : key.num != (int16) key.num)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("node " INT64_FORMAT " is out of range for type %s",
							key.num, format_type_be(type)),
					 errhint("Use NULL::bigint as key_type.")));
		return type == INT4OID ? Int32GetDatum((int32) key.num) :
			Int16GetDatum((int16) key.num);
	}
	if (view->columns[HG_COL_KEY].type == HG_COLUMN_INT)
		return PointerGetDatum(cstring_to_text_with_len(buf, pg_lltoa(key.num, buf)));
	if (view->head.key_type != UUIDOID)
		return PointerGetDatum(cstring_to_text_with_len((const char *) key.bytes,
														key.len));

	uuid = palloc0(sizeof(pg_uuid_t));
	memcpy(uuid->data, key.bytes, Min(key.len, UUID_LEN));
	if (type == UUIDOID)
		return UUIDPGetDatum(uuid);
	return PointerGetDatum(cstring_to_text(DatumGetCString(DirectFunctionCall1(uuid_out,
																			   UUIDPGetDatum(uuid)))));
}
