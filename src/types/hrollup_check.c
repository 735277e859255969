/*-------------------------------------------------------------------------
 *
 * hrollup_check.c
 *	  Looking at every value of a rollup that came from outside.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "types/hrollup_private.h"
#include "utils/uuid.h"

#define CHECK_EVERY	4096

/*
 * check_keys: do keys ascend, and fit their type?
 */
static const char *
check_keys(const HgRollupView *view)
{
	Oid			type = view->head.key_type;
	HgKey		last = {0};

	for (uint32 i = 0; i < view->head.n; i++)
	{
		HgKey		key = hg_hrollup_key(view, i);

		if (i % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (type == INT4OID && (key.num < PG_INT32_MIN || key.num > PG_INT32_MAX))
			return "A key is out of range.";
		if ((type == INT4OID || type == INT8OID) &&
			hg_column_int(&view->columns[HG_COL_KEY], i) != key.num)
			return "A key is out of range.";
		if (type == UUIDOID && key.len != UUID_LEN)
			return "A key is no uuid.";
		if (i > 0 && hg_hrollup_compare(type, &last, &key) >= 0)
			return "Keys do not ascend.";
		last = key;
	}
	return NULL;
}

/*
 * within_range: are all integers of a column within bounds?
 */
static bool
within_range(const HgColumn *column, hg_int128 least, hg_int128 greatest)
{
	for (uint32 i = 0; i < column->n; i++)
	{
		hg_int128	v = hg_column_int(column, i);

		if (i % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (v < least || v > greatest)
			return false;
		/* All are the same. */
		if (column->width == 0)
			break;
	}
	return true;
}

/*
 * check_reals: is every double a number?
 */
static bool
check_reals(const HgColumn *column)
{
	for (uint32 i = 0; i < column->n && column->width > 0; i++)
	{
		if (i % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (!isfinite(hg_column_real(column, i)))
			return false;
	}
	return true;
}

/*
 * shown_places is how many decimal places a stored numeric shows: the fourth
 * of its 16-bit numbers, in network order.
 */
static int
shown_places(const unsigned char *cell)
{
	return cell[6] << 8 | cell[7];
}

/*
 * check_numeric: is this a numeric of at most so many decimal places?
 */
static const char *
check_numeric(const HgColumn *column, uint32 i, int scale, bool special)
{
	Numeric		num = hg_hrollup_numeric(column, i);
	uint32		len;

	if (num == NULL)
		return NULL;
	if (numeric_is_nan(num) || numeric_is_inf(num))
	{
		if (!special)
			return "A sum is not a number.";
	}
	else if (shown_places(hg_column_bytes(column, i, &len)) > scale)
		return "A number has more decimal places than its scale.";
	pfree(num);
	return NULL;
}

/*
 * check_numerics checks the numerics of a column.
 */
static const char *
check_numerics(const HgColumn *column, int scale, bool special)
{
	for (uint32 i = 0; i < column->n; i++)
	{
		const char *problem;

		if (i % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		problem = check_numeric(column, i, scale, special);
		if (problem)
			return problem;
	}
	return NULL;
}

/*
 * check_extremes checks least or greatest values, where there are facts.
 */
static const char *
check_extremes(const HgRollupView *view, HgRollupColumn col)
{
	const HgColumn *column = &view->columns[col];
	bool		own = col == HG_COL_OWN_MIN || col == HG_COL_OWN_MAX;

	for (uint32 i = 0; i < column->n; i++)
	{
		hg_int128	v;
		int64		ordered;

		if (i % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (own && hg_hrollup_own_count(view, i) == 0)
			continue;
		if (column->type == HG_COLUMN_BYTES)
		{
			uint32		len;

			(void) hg_column_bytes(column, i, &len);
			if (len == 0)
				return "A least or greatest value is missing.";
			continue;
		}
		v = hg_column_int(column, i);
		if (view->head.value == HG_VALUE_EXACT)
		{
			if (v < HG_EXTREME_MINUS_INF || v > HG_EXTREME_NAN)
				return "A least or greatest value is out of range.";
			continue;
		}
		ordered = (int64) v;
		if (ordered != v ||
			hg_real_to_ordered(hg_real_from_ordered(ordered)) != ordered)
			return "A least or greatest value is no double.";
	}
	return NULL;
}

/*
 * check_column checks one column's values.
 */
static const char *
check_column(const HgRollupView *view, HgRollupColumn col)
{
	const HgColumn *column = &view->columns[col];
	const HgRollupHead *head = &view->head;

	if (!hg_column_check(column))
		return "A column is damaged.";
	switch (col)
	{
		case HG_COL_KEY:
			return check_keys(view);
		case HG_COL_DEPTH:
			if (!within_range(column, -1, PG_INT32_MAX))
				return "A depth is out of range.";
			return NULL;
		case HG_COL_OWN_COUNT:
			if (!within_range(column, 0, PG_INT64_MAX))
				return "A count is out of range.";
			return NULL;
		case HG_COL_OWN_FLAGS:
		case HG_COL_TOTAL_FLAGS:
			if (!within_range(column, 0, HG_AMOUNT_FACTS | HG_AMOUNT_SPECIAL))
				return "A flag is unknown.";
			return NULL;
		case HG_COL_OWN_MIN:
		case HG_COL_OWN_MAX:
		case HG_COL_TOTAL_MIN:
		case HG_COL_TOTAL_MAX:
			if (head->value == HG_VALUE_COUNT)
				return NULL;
			if (column->type == HG_COLUMN_BYTES)
			{
				const char *problem = check_numerics(column, head->own_scale, true);

				if (problem)
					return problem;
			}
			return check_extremes(view, col);
		default:
			break;
	}
	if (column->type == HG_COLUMN_REAL)
		return check_reals(column) ? NULL : "A sum is not a number.";
	if (column->type == HG_COLUMN_BYTES)
		return check_numerics(column,
							  col == HG_COL_TOTAL_COUNT ? head->count_scale :
							  col == HG_COL_OWN ? head->own_scale : head->total_scale,
							  false);
	return NULL;
}

/*
 * check_amount checks an amount of the head.
 */
static const char *
check_amount(const HgAmount *amount, int scale)
{
	if (amount->wide == NULL)
		return NULL;
	if (numeric_is_nan(amount->wide) || numeric_is_inf(amount->wide))
		return "A sum is not a number.";
	if (shown_places(hg_numeric_cell(amount->wide).bytes) > scale)
		return "A number has more decimal places than its scale.";
	return NULL;
}

/*
 * has_amount: is an exact amount anything but zero?
 */
static bool
has_amount(const HgAmount *amount)
{
	return amount->flags || amount->wide || amount->fixed != 0;
}

/*
 * hg_hrollup_check looks at everything that hg_hrollup_parse did not.
 */
const char *
hg_hrollup_check(const HgRollupView *view)
{
	const HgRollupHead *head = &view->head;
	const char *problem;

	if (head->value != HG_VALUE_EXACT &&
		(head->own_scale != 0 || head->total_scale != 0))
		return "Its scale is impossible.";
	if (head->value == HG_VALUE_COUNT &&
		(has_amount(&head->grand) || has_amount(&head->unmatched) ||
		 has_amount(&head->roots)))
		return "It has sums, although facts were only counted.";
	if (head->roots_count.flags)
		return "A sum is not a number.";
	if ((problem = check_amount(&head->grand, head->own_scale)) ||
		(problem = check_amount(&head->unmatched, head->own_scale)) ||
		(problem = check_amount(&head->roots, head->total_scale)) ||
		(problem = check_amount(&head->roots_count, head->count_scale)))
		return problem;
	for (int i = 0; i < HG_ROLLUP_COLUMNS; i++)
		if ((problem = check_column(view, i)))
			return problem;
	return NULL;
}
