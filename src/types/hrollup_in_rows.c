/*-------------------------------------------------------------------------
 *
 * hrollup_in_rows.c
 *	  Type hrollup: rows of the text form, and the numbers in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "types/hrollup_json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

/*
 * hg_parse_fail reports what is wrong with the document.
 */
void
hg_parse_fail(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type hrollup"),
			 errdetail_internal("%s", detail)));
	pg_unreachable();
}

/*
 * hg_parse_fail_cell reports a wrong value of the column in which the parser is.
 */
void
hg_parse_fail_cell(const HgRollupParser *p, const char *expected)
{
	hg_parse_fail(psprintf("Column \"%s\" of element %u of \"nodes\" must be %s.",
				  hg_rollup_column_name(p->columns[p->column]),
				  p->head.n + 1, expected));
}

/* ---- numbers ---- */

/*
 * read_fixed reads digits as an integer at a scale.  False: too large.
 */
static bool
read_fixed(const char *digits, int scale, hg_int128 *value)
{
	bool		negative = *digits == '-';
	hg_int128	v = 0;
	int			places = -1;	/* before the point */

	for (digits += negative; *digits != '\0'; digits++)
	{
		if (*digits == '.')
		{
			places = 0;
			continue;
		}
		if (__builtin_mul_overflow(v, (hg_int128) 10, &v) ||
			__builtin_sub_overflow(v, (hg_int128) (*digits - '0'), &v))
			return false;
		if (places >= 0)
			places++;
	}
	/* Negative so far, which reaches one further. */
	if (!hg_fixed_rescale(&v, scale - Max(places, 0)))
		return false;
	if (!negative && __builtin_sub_overflow((hg_int128) 0, v, &v))
		return false;
	*value = v;
	return true;
}

/*
 * hg_parse_exact reads an exact amount.  Returns what it should be when it is not
 * one.
 */
const char *
hg_parse_exact(const char *text, JsonTokenType token, int scale, HgAmount *amount)
{
	const char *point;

	memset(amount, 0, sizeof(HgAmount));
	if (token == JSON_TOKEN_STRING)
	{
		if (strcmp(text, "NaN") == 0)
			amount->flags = HG_AMOUNT_NAN;
		else if (strcmp(text, "Infinity") == 0)
			amount->flags = HG_AMOUNT_PLUS_INF;
		else if (strcmp(text, "-Infinity") == 0)
			amount->flags = HG_AMOUNT_MINUS_INF;
		else
			return "a number";
		return NULL;
	}
	if (token != JSON_TOKEN_NUMBER)
		return "a number";
	if (strpbrk(text, "eE") != NULL)
		return "a number without an exponent";
	point = strchr(text, '.');
	if (point && (int) strlen(point + 1) > scale)
		return "a number of no more decimal places than its scale";
	if (!read_fixed(text, scale, &amount->fixed))
		amount->wide = DatumGetNumeric(DirectFunctionCall3(numeric_in,
														   CStringGetDatum(text),
														   ObjectIdGetDatum(InvalidOid),
														   Int32GetDatum(-1)));
	return NULL;
}

/*
 * hg_parse_real reads a double.
 */
const char *
hg_parse_real(const char *text, JsonTokenType token, HgAmount *amount)
{
	if (token == JSON_TOKEN_STRING)
		return hg_parse_exact(text, token, 0, amount);
	if (token != JSON_TOKEN_NUMBER)
		return "a number";
	memset(amount, 0, sizeof(HgAmount));
	amount->real.sum = DatumGetFloat8(DirectFunctionCall1(float8in,
														  CStringGetDatum(text)));
	return NULL;
}

/*
 * hg_parse_int reads an integer of 64 bits.
 */
int64
hg_parse_int(const char *text)
{
	return DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(text)));
}

/* ---- rows ---- */

/*
 * cells_of: does a column need cells?
 */
static bool
cells_of(const HgRollupParser *p, HgRollupColumn col)
{
	switch (col)
	{
		case HG_COL_TOTAL_COUNT:
			return true;
		case HG_COL_OWN:
		case HG_COL_TOTAL:
			return p->head.value == HG_VALUE_EXACT;
		case HG_COL_OWN_MIN:
		case HG_COL_OWN_MAX:
		case HG_COL_TOTAL_MIN:
		case HG_COL_TOTAL_MAX:
			return p->head.value != HG_VALUE_COUNT;
		default:
			return false;
	}
}

/*
 * grow_array makes room for rows.
 */
static void *
grow_array(void *array, uint32 size, Size width)
{
	if (array == NULL)
		return palloc_extended((Size) size * width, MCXT_ALLOC_HUGE);
	return repalloc_huge(array, (Size) size * width);
}

/*
 * hg_parse_grow makes room for more rows.
 */
void
hg_parse_grow(HgRollupParser *p)
{
	bool		first = p->size == 0;
	uint32		size;

	if (p->size > PG_UINT32_MAX / 2)
		hg_parse_fail("There are too many nodes.");
	size = first ? 64 : p->size * 2;
	if (p->head.key_type == INT4OID || p->head.key_type == INT8OID)
		p->num = grow_array(p->num, size, sizeof(int64));
	else
		p->key = grow_array(p->key, size, sizeof(HgKey));
	p->depth = grow_array(p->depth, size, sizeof(int32));
	p->own_count = grow_array(p->own_count, size, sizeof(int64));
	if (p->head.value != HG_VALUE_COUNT)
	{
		p->own_flags = grow_array(p->own_flags, size, sizeof(uint8));
		p->total_flags = grow_array(p->total_flags, size, sizeof(uint8));
	}
	if (p->head.value == HG_VALUE_REAL)
	{
		p->own_real = grow_array(p->own_real, size, sizeof(HgReal));
		p->total_real = grow_array(p->total_real, size, sizeof(HgReal));
	}
	for (HgRollupColumn col = 0; col < HG_ROLLUP_COLUMNS; col++)
	{
		int			scale = col == HG_COL_TOTAL_COUNT ? p->head.count_scale :
			col == HG_COL_TOTAL ? p->head.total_scale : p->head.own_scale;

		if (!cells_of(p, col))
			continue;
		if (first)
			hg_cells_init(&p->cells[col], scale,
						  col >= HG_COL_OWN_MIN && col <= HG_COL_TOTAL_MAX, size);
		else
			hg_cells_grow(&p->cells[col], size);
	}
	p->size = size;
}

/*
 * read_key reads the key of a row.  Takes over the text.
 */
static void
read_key(HgRollupParser *p, char *text, JsonTokenType token)
{
	uint32		i = p->head.n;

	if (p->num)
	{
		if (token != JSON_TOKEN_NUMBER)
			hg_parse_fail_cell(p, "a number");
		p->num[i] = p->head.key_type == INT4OID ?
			DatumGetInt32(DirectFunctionCall1(int4in, CStringGetDatum(text))) :
			hg_parse_int(text);
		pfree(text);
		return;
	}
	if (token != JSON_TOKEN_STRING)
		hg_parse_fail_cell(p, "a string");
	if (p->head.key_type == UUIDOID)
	{
		p->key[i].bytes = DatumGetUUIDP(DirectFunctionCall1(uuid_in,
															CStringGetDatum(text)))->data;
		p->key[i].len = UUID_LEN;
		pfree(text);
	}
	else
	{
		p->key[i].bytes = (unsigned char *) text;
		p->key[i].len = strlen(text);
	}
}

/*
 * set_cell stores an exact amount.
 */
static void
set_cell(HgRollupParser *p, HgRollupColumn col, const HgAmount *amount)
{
	HgCells    *cells = &p->cells[col];
	uint32		i = p->head.n;

	if (amount->wide)
		hg_cells_set_wide(cells, i, amount->wide);
	else if (cells->extremes &&
			 (amount->fixed >= HG_EXTREME_PLUS_INF ||
			  amount->fixed <= HG_EXTREME_MINUS_INF))
		hg_cells_set_wide(cells, i, hg_fixed_numeric(amount->fixed, cells->scale));
	else
		cells->fixed[i] = amount->fixed;
}

/*
 * read_sum reads an amount of a row.
 */
static void
read_sum(HgRollupParser *p, HgRollupColumn col, const char *text, JsonTokenType token)
{
	uint32		i = p->head.n;
	bool		own = col == HG_COL_OWN || col == HG_COL_OWN_REST;
	bool		rest = col == HG_COL_OWN_REST || col == HG_COL_TOTAL_REST;
	const char *expected;
	HgAmount	amount;

	if (p->head.value == HG_VALUE_REAL)
	{
		HgReal	   *real = own ? &p->own_real[i] : &p->total_real[i];

		expected = rest && token == JSON_TOKEN_STRING ? "a number" :
			hg_parse_real(text, token, &amount);
		if (expected)
			hg_parse_fail_cell(p, expected);
		if (rest)
		{
			real->rest = amount.real.sum;
			return;
		}
		real->sum = amount.real.sum;
	}
	else
	{
		expected = hg_parse_exact(text, token,
							  own ? p->head.own_scale : p->head.total_scale, &amount);
		if (expected)
			hg_parse_fail_cell(p, expected);
		set_cell(p, col, &amount);
	}
	(own ? p->own_flags : p->total_flags)[i] = amount.flags;
}

/*
 * special_extreme is an extreme that is no number.
 */
static hg_int128
special_extreme(uint8 flags)
{
	if (flags & HG_AMOUNT_NAN)
		return HG_EXTREME_NAN;
	return flags & HG_AMOUNT_PLUS_INF ? HG_EXTREME_PLUS_INF : HG_EXTREME_MINUS_INF;
}

/*
 * read_extreme reads a least or greatest value of a row.
 */
static void
read_extreme(HgRollupParser *p, HgRollupColumn col, const char *text, JsonTokenType token)
{
	uint32		i = p->head.n;
	bool		own = col == HG_COL_OWN_MIN || col == HG_COL_OWN_MAX;
	const char *expected;
	HgAmount	amount;

	if (own && (token == JSON_TOKEN_NULL) != (p->own_count[i] == 0))
		hg_parse_fail_cell(p, p->own_count[i] == 0 ?
				  "null, as the node has no facts of its own" :
				  "a number, as the node has facts of its own");
	if (own && token == JSON_TOKEN_NULL)
		return;

	if (p->head.value == HG_VALUE_EXACT)
		expected = hg_parse_exact(text, token, p->head.own_scale, &amount);
	else
		expected = hg_parse_real(text, token, &amount);
	if (expected)
		hg_parse_fail_cell(p, expected);
	if (p->head.value == HG_VALUE_EXACT)
	{
		if (amount.flags)
			p->cells[col].fixed[i] = special_extreme(amount.flags);
		else
			set_cell(p, col, &amount);
		return;
	}
	if (amount.flags)
		amount.real.sum = DatumGetFloat8(DirectFunctionCall1(float8in,
															 CStringGetDatum(text)));
	p->cells[col].fixed[i] = hg_real_to_ordered(amount.real.sum);
}

/*
 * hg_parse_cell reads the value of a row's column.
 */
void
hg_parse_cell(HgRollupParser *p, char *text, JsonTokenType token)
{
	HgRollupColumn col = p->columns[p->column];
	uint32		i = p->head.n;
	HgAmount	amount;

	switch (col)
	{
		case HG_ROLLUP_COLUMNS:
			hg_parse_fail(psprintf("Element %u of \"nodes\" has too many columns.", i + 1));
			break;
		case HG_COL_KEY:
			read_key(p, text, token);
			p->column++;
			return;
		case HG_COL_DEPTH:
			if (token != JSON_TOKEN_NUMBER && token != JSON_TOKEN_NULL)
				hg_parse_fail_cell(p, "a number or null");
			p->depth[i] = token == JSON_TOKEN_NULL ? -1 :
				DatumGetInt32(DirectFunctionCall1(int4in, CStringGetDatum(text)));
			if (token == JSON_TOKEN_NUMBER && p->depth[i] < 0)
				hg_parse_fail_cell(p, "zero or more");
			break;
		case HG_COL_OWN_COUNT:
			if (token != JSON_TOKEN_NUMBER)
				hg_parse_fail_cell(p, "a number");
			p->own_count[i] = hg_parse_int(text);
			if (p->own_count[i] < 0)
				hg_parse_fail_cell(p, "zero or more");
			break;
		case HG_COL_TOTAL_COUNT:
			{
				const char *expected = token != JSON_TOKEN_NUMBER ? "a number" :
					hg_parse_exact(text, token, p->head.count_scale, &amount);

				if (expected)
					hg_parse_fail_cell(p, expected);
				set_cell(p, col, &amount);
				break;
			}
		case HG_COL_OWN:
		case HG_COL_OWN_REST:
		case HG_COL_TOTAL:
		case HG_COL_TOTAL_REST:
			read_sum(p, col, text, token);
			break;
		default:
			read_extreme(p, col, text, token);
			break;
	}
	p->column++;
	pfree(text);
}

/* ---- the whole ---- */

/*
 * key_at is the key of a row.
 */
static HgKey
key_at(const HgRollupParser *p, uint32 i)
{
	HgKey		key = {0};

	if (p->num)
		key.num = p->num[i];
	else
		key = p->key[i];
	return key;
}

/*
 * compare_rows orders rows by their keys.
 */
static int
compare_rows(const void *a, const void *b, void *arg)
{
	const HgRollupParser *p = arg;
	HgKey		ka = key_at(p, *(const uint32 *) a);
	HgKey		kb = key_at(p, *(const uint32 *) b);

	CHECK_FOR_INTERRUPTS();
	return hg_hrollup_compare(p->head.key_type, &ka, &kb);
}

/*
 * order_rows sorts rows by their keys; NULL when they are in order.  (They are
 * not where the document comes from a database of another encoding.)
 */
static uint32 *
order_rows(HgRollupParser *p)
{
	uint32		n = p->head.n;
	uint32	   *order = palloc_extended((Size) Max(n, 1) * sizeof(uint32),
										MCXT_ALLOC_HUGE);
	bool		ascending = true;

	for (uint32 i = 0; i < n; i++)
	{
		order[i] = i;
		if (i > 0 && compare_rows(&order[i - 1], &order[i], p) >= 0)
			ascending = false;
	}
	if (ascending)
	{
		pfree(order);
		return NULL;
	}
	qsort_arg(order, n, sizeof(uint32), compare_rows, p);
	for (uint32 i = 1; i < n; i++)
		if (compare_rows(&order[i - 1], &order[i], p) == 0)
			hg_parse_fail(psprintf("Elements %u and %u of \"nodes\" are the same node.",
						  Min(order[i - 1], order[i]) + 1,
						  Max(order[i - 1], order[i]) + 1));
	return order;
}

/*
 * array_source describes an array of rows as a column.
 */
static HgSource
array_source(HgSourceType type, const void *base, Size stride)
{
	HgSource	source = {.type = type,.base = base,.stride = stride};

	return source;
}

/*
 * hg_parse_rollup makes the rollup of what was read.
 */
struct varlena *
hg_parse_rollup(HgRollupParser *p)
{
	HgSource	columns[HG_ROLLUP_COLUMNS] = {0};
	uint32	   *order;

	if (p->size == 0)
		hg_parse_grow(p);
	order = order_rows(p);
	if (p->num)
		columns[HG_COL_KEY] = array_source(HG_SOURCE_INT64, p->num, sizeof(int64));
	else
		columns[HG_COL_KEY] = array_source(HG_SOURCE_BYTES, p->key, sizeof(HgKey));
	columns[HG_COL_DEPTH] = array_source(HG_SOURCE_INT32, p->depth, sizeof(int32));
	columns[HG_COL_OWN_COUNT] = array_source(HG_SOURCE_INT64, p->own_count, sizeof(int64));
	if (p->own_flags)
	{
		columns[HG_COL_OWN_FLAGS] = array_source(HG_SOURCE_UINT8, p->own_flags, 1);
		columns[HG_COL_TOTAL_FLAGS] = array_source(HG_SOURCE_UINT8, p->total_flags, 1);
	}
	if (p->own_real)
	{
		Size		stride = sizeof(HgReal);

		columns[HG_COL_OWN] = array_source(HG_SOURCE_DOUBLE, &p->own_real->sum, stride);
		columns[HG_COL_OWN_REST] = array_source(HG_SOURCE_DOUBLE, &p->own_real->rest, stride);
		columns[HG_COL_TOTAL] = array_source(HG_SOURCE_DOUBLE, &p->total_real->sum, stride);
		columns[HG_COL_TOTAL_REST] = array_source(HG_SOURCE_DOUBLE, &p->total_real->rest, stride);
	}
	for (HgRollupColumn col = 0; col < HG_ROLLUP_COLUMNS; col++)
		if (cells_of(p, col))
			columns[col] = hg_cells_source(&p->cells[col], p->head.n);
	return hg_hrollup_make(&p->head, columns, order, false);
}
