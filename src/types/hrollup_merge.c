/*-------------------------------------------------------------------------
 *
 * hrollup_merge.c
 *	  Type hrollup: adding up two rollups of the same graph.
 *
 * Rows of both are brought together by key first; then column after column is
 * added and written, so that only one is in memory in full width.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "compat.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "rollup/collect.h"
#include "types/hrollup_private.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

HG_FUNCTION_INFO_V1(hgraph_hrollup_add);

#define CHECK_EVERY	4096

typedef struct Merge
{
	HgRollupView view[2];
	HgRollupHead head;			/* of the result */
	uint32	   *at[2];			/* rows in each, HG_NONE: not there */
	int64	   *own_count[2];	/* by row of the result */
} Merge;

/*
 * hg_hrollup_check_same makes sure that two rollups belong together.
 */
void
hg_hrollup_check_same(const HgRollupHead *a, const HgRollupHead *b, bool alike)
{
	if (strcmp(a->graph, b->graph) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rollups are of different graphs"),
				 errdetail("One is of graph %s, the other of graph %s.",
						   a->graph, b->graph)));
	if (alike && a->mode != b->mode)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rollups are of different modes"),
				 errdetail("One is of mode %s, the other of mode %s.",
						   hg_mode_name(a->mode), hg_mode_name(b->mode))));
	if (a->key_type != b->key_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("rollups have nodes of different types"),
				 errdetail("Nodes of one are of type %s, of the other of type %s.",
						   hg_key_type_name(a->key_type),
						   hg_key_type_name(b->key_type))));
	if (alike && a->value != b->value)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("rollups have values of different kinds"),
				 errdetail("Values of one are of kind %s, of the other of kind %s.",
						   hg_value_kind_name(a->value),
						   hg_value_kind_name(b->value)),
				 errhint("Kinds are count (no values), exact (integers and numeric) and real (real and double precision).")));
}

/*
 * align brings rows of both together.
 */
static void
align(Merge *m)
{
	uint32		n[2] = {m->view[0].head.n, m->view[1].head.n};
	uint64		most = (uint64) n[0] + n[1];
	uint32		i = 0,
				j = 0,
				rows = 0;

	if (most > PG_UINT32_MAX - 1)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("rollups have too many nodes to be added up")));
	for (int side = 0; side < 2; side++)
		m->at[side] = palloc_extended(Max(most, 1) * sizeof(uint32),
									  MCXT_ALLOC_HUGE);
	while (i < n[0] || j < n[1])
	{
		int			cmp = i == n[0] ? 1 : -1;

		if (rows % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (i < n[0] && j < n[1])
		{
			HgKey		a = hg_hrollup_key(&m->view[0], i);
			HgKey		b = hg_hrollup_key(&m->view[1], j);

			cmp = hg_hrollup_compare(m->head.key_type, &a, &b);
		}
		m->at[0][rows] = cmp <= 0 ? i++ : HG_NONE;
		m->at[1][rows] = cmp >= 0 ? j++ : HG_NONE;
		rows++;
	}
	m->head.n = rows;
}

/*
 * array allocates a value for each row of the result.
 */
static void *
array(const Merge *m, Size width)
{
	return palloc_extended((Size) Max(m->head.n, 1) * width,
						   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/*
 * make_source describes such an array as a column.
 */
static HgSource
make_source(HgSourceType type, const void *base, Size stride)
{
	HgSource	source = {.type = type,.base = base,.stride = stride};

	return source;
}

/*
 * merge_keys makes the column of keys.
 */
static HgSource
merge_keys(Merge *m)
{
	bool		is_int = m->view[0].columns[HG_COL_KEY].type == HG_COLUMN_INT;
	int64	   *num = is_int ? array(m, sizeof(int64)) : NULL;
	HgKey	   *key = is_int ? NULL : array(m, sizeof(HgKey));

	for (uint32 row = 0; row < m->head.n; row++)
	{
		int			side = m->at[0][row] == HG_NONE;
		HgKey		k = hg_hrollup_key(&m->view[side], m->at[side][row]);

		if (is_int)
			num[row] = k.num;
		else
			key[row] = k;
	}
	if (is_int)
		return make_source(HG_SOURCE_INT64, num, sizeof(int64));
	return make_source(HG_SOURCE_BYTES, key, sizeof(HgKey));
}

/*
 * merge_depths makes the column of depths: the lesser one.
 */
static HgSource
merge_depths(Merge *m)
{
	int32	   *depth = array(m, sizeof(int32));

	for (uint32 row = 0; row < m->head.n; row++)
	{
		depth[row] = -1;
		for (int side = 0; side < 2; side++)
		{
			int32		d = m->at[side][row] == HG_NONE ? -1 :
				hg_hrollup_depth(&m->view[side], m->at[side][row]);

			if (d >= 0 && (depth[row] < 0 || d < depth[row]))
				depth[row] = d;
		}
	}
	return make_source(HG_SOURCE_INT32, depth, sizeof(int32));
}

/*
 * add_counts adds two counts.
 */
static int64
add_counts(int64 a, int64 b)
{
	int64		sum;

	if (pg_add_s64_overflow(a, b, &sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("bigint out of range")));
	return sum;
}

/*
 * read_own_counts fetches the counts, which say where there are extremes.
 */
static void
read_own_counts(Merge *m)
{
	for (int side = 0; side < 2; side++)
	{
		m->own_count[side] = array(m, sizeof(int64));
		for (uint32 row = 0; row < m->head.n; row++)
			if (m->at[side][row] != HG_NONE)
				m->own_count[side][row] =
					hg_hrollup_own_count(&m->view[side], m->at[side][row]);
	}
}

/*
 * merge_own_counts makes the column of own counts.
 */
static HgSource
merge_own_counts(Merge *m)
{
	int64	   *count = array(m, sizeof(int64));

	for (uint32 row = 0; row < m->head.n; row++)
		count[row] = add_counts(m->own_count[0][row], m->own_count[1][row]);
	return make_source(HG_SOURCE_INT64, count, sizeof(int64));
}

/*
 * merge_flags makes a column of flags.
 */
static HgSource
merge_flags(Merge *m, HgRollupColumn col)
{
	uint8	   *flags = array(m, sizeof(uint8));

	for (int side = 0; side < 2; side++)
	{
		const HgColumn *column = &m->view[side].columns[col];

		for (uint32 row = 0; row < m->head.n; row++)
			if (m->at[side][row] != HG_NONE)
				flags[row] |= (uint8) hg_column_int(column, m->at[side][row]);
	}
	return make_source(HG_SOURCE_UINT8, flags, 1);
}

/*
 * scale_of is the scale of a column.
 */
static int
scale_of(const HgRollupHead *head, HgRollupColumn col)
{
	switch (col)
	{
		case HG_COL_TOTAL_COUNT:
			return head->count_scale;
		case HG_COL_TOTAL:
			return head->total_scale;
		default:
			return head->own_scale;
	}
}

/*
 * cell reads an exact cell at the scale of the result.
 */
static void
cell(const Merge *m, int side, HgRollupColumn col, uint32 row, HgAmount *amount)
{
	const HgColumn *column = &m->view[side].columns[col];
	uint32		at = m->at[side][row];

	memset(amount, 0, sizeof(HgAmount));
	if (at == HG_NONE)
		return;
	if (column->type == HG_COLUMN_BYTES)
		amount->wide = hg_hrollup_numeric(column, at);
	else
		amount->fixed = hg_column_int(column, at);
	hg_amount_rescale(amount, scale_of(&m->view[side].head, col),
					  scale_of(&m->head, col));
}

/*
 * merge_exact makes a column of exact sums, or of counts.
 */
static HgSource
merge_exact(Merge *m, HgRollupColumn col)
{
	const HgColumn *a = &m->view[0].columns[col];
	const HgColumn *b = &m->view[1].columns[col];
	int			scale = scale_of(&m->head, col);
	bool		simple = a->type != HG_COLUMN_BYTES && b->type != HG_COLUMN_BYTES &&
		scale_of(&m->view[0].head, col) == scale &&
		scale_of(&m->view[1].head, col) == scale;
	HgCells		cells;

	hg_cells_init(&cells, scale, false, m->head.n);
	for (uint32 row = 0; row < m->head.n; row++)
	{
		HgAmount	x;
		HgAmount	y;

		if (row % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (simple)
		{
			uint32		i = m->at[0][row];
			uint32		j = m->at[1][row];

			if (!__builtin_add_overflow(i == HG_NONE ? 0 : hg_column_int(a, i),
										j == HG_NONE ? 0 : hg_column_int(b, j),
										&cells.fixed[row]))
				continue;
		}
		cell(m, 0, col, row, &x);
		cell(m, 1, col, row, &y);
		hg_amount_add(&x, &y, HG_VALUE_EXACT, scale);
		cells.fixed[row] = x.fixed;
		if (x.wide)
			hg_cells_set_wide(&cells, row, x.wide);
	}
	return hg_cells_source(&cells, m->head.n);
}

/*
 * merge_reals makes the columns of a double sum: that and its rest.
 */
static HgReal *
merge_reals(Merge *m, HgRollupColumn col, HgRollupColumn rest)
{
	HgReal	   *sum = array(m, sizeof(HgReal));

	for (uint32 row = 0; row < m->head.n; row++)
	{
		if (row % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		for (int side = 0; side < 2; side++)
		{
			uint32		at = m->at[side][row];

			if (at == HG_NONE)
				continue;
			hg_real_add(&sum[row], hg_column_real(&m->view[side].columns[col], at));
			sum[row].rest += hg_column_real(&m->view[side].columns[rest], at);
		}
		if (unlikely(!hg_real_finite(&sum[row])))
			float_overflow_error();
	}
	return sum;
}

/*
 * extreme_less: does an extreme come before another one?
 */
static bool
extreme_less(const HgAmount *a, const HgAmount *b, int scale)
{
	if (a->wide == NULL && b->wide == NULL)
		return a->fixed < b->fixed;
	return hg_numeric_compare(a->wide ? a->wide : hg_extreme_numeric(a->fixed, scale),
							  b->wide ? b->wide : hg_extreme_numeric(b->fixed, scale)) < 0;
}

/*
 * extreme reads an extreme at the scale of the result; false: there is none.
 */
static bool
extreme(const Merge *m, int side, HgRollupColumn col, uint32 row,
		HgAmount *amount)
{
	bool		own = col == HG_COL_OWN_MIN || col == HG_COL_OWN_MAX;
	const HgColumn *column = &m->view[side].columns[col];
	int			scale = m->view[side].head.own_scale;
	uint32		at = m->at[side][row];

	if (at == HG_NONE || (own && m->own_count[side][row] == 0))
		return false;
	amount->wide = NULL;
	if (column->type == HG_COLUMN_BYTES)
	{
		amount->wide = hg_hrollup_numeric(column, at);
		return amount->wide != NULL;
	}
	amount->fixed = hg_column_int(column, at);
	if (scale == m->head.own_scale || hg_extreme_flags(amount->fixed))
		return true;
	hg_amount_rescale(amount, scale, m->head.own_scale);
	if (amount->wide == NULL &&
		(amount->fixed >= HG_EXTREME_PLUS_INF || amount->fixed <= HG_EXTREME_MINUS_INF))
		amount->wide = hg_fixed_numeric(amount->fixed, m->head.own_scale);
	return true;
}

/*
 * merge_extremes makes a column of least or greatest values.
 */
static HgSource
merge_extremes(Merge *m, HgRollupColumn col)
{
	bool		least = col == HG_COL_OWN_MIN || col == HG_COL_TOTAL_MIN;
	HgCells		cells;

	hg_cells_init(&cells, m->head.own_scale, true, m->head.n);
	for (uint32 row = 0; row < m->head.n; row++)
	{
		HgAmount	x;
		HgAmount	y;
		bool		has_x = extreme(m, 0, col, row, &x);
		bool		has_y = extreme(m, 1, col, row, &y);

		if (row % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (has_y && (!has_x ||
					  (least ? extreme_less(&y, &x, m->head.own_scale) :
					   extreme_less(&x, &y, m->head.own_scale))))
			x = y;
		else if (!has_x)
			continue;
		if (x.wide)
			hg_cells_set_wide(&cells, row, x.wide);
		else
			cells.fixed[row] = x.fixed;
	}
	return hg_cells_source(&cells, m->head.n);
}

/*
 * merge_amount adds amounts of the heads.
 */
static HgAmount
merge_amount(const Merge *m, const HgAmount *a, const HgAmount *b,
			 HgValueKind value, HgRollupColumn col)
{
	HgAmount	x = *a;
	HgAmount	y = *b;

	if (value != HG_VALUE_REAL)
	{
		hg_amount_rescale(&x, scale_of(&m->view[0].head, col), scale_of(&m->head, col));
		hg_amount_rescale(&y, scale_of(&m->view[1].head, col), scale_of(&m->head, col));
	}
	hg_amount_add(&x, &y, value, scale_of(&m->head, col));
	return x;
}

/*
 * merge_heads makes the head of the result, but for the number of rows.
 */
static void
merge_heads(Merge *m)
{
	const HgRollupHead *a = &m->view[0].head;
	const HgRollupHead *b = &m->view[1].head;
	HgRollupHead *head = &m->head;

	hg_hrollup_check_same(a, b, true);
	*head = *a;
	head->own_scale = Max(a->own_scale, b->own_scale);
	head->total_scale = Max(a->total_scale, b->total_scale);
	head->count_scale = Max(a->count_scale, b->count_scale);
	head->grand_count = add_counts(a->grand_count, b->grand_count);
	head->unmatched_count = add_counts(a->unmatched_count, b->unmatched_count);
	/* Both passed over the same relationships. */
	head->unstated = Max(a->unstated, b->unstated);
	head->grand = merge_amount(m, &a->grand, &b->grand, head->value, HG_COL_OWN);
	head->unmatched = merge_amount(m, &a->unmatched, &b->unmatched,
								   head->value, HG_COL_OWN);
	head->roots = merge_amount(m, &a->roots, &b->roots, head->value, HG_COL_TOTAL);
	head->roots_count = merge_amount(m, &a->roots_count, &b->roots_count,
									 HG_VALUE_EXACT, HG_COL_TOTAL_COUNT);
}

/*
 * merge_column makes a column, but for those of double sums.
 */
static HgSource
merge_column(Merge *m, HgRollupColumn col)
{
	HgSource	none = {0};

	switch (col)
	{
		case HG_COL_KEY:
			return merge_keys(m);
		case HG_COL_DEPTH:
			return merge_depths(m);
		case HG_COL_OWN_COUNT:
			return merge_own_counts(m);
		case HG_COL_TOTAL_COUNT:
			return merge_exact(m, col);
		default:
			break;
	}
	if (m->head.value == HG_VALUE_COUNT)
		return none;
	switch (col)
	{
		case HG_COL_OWN_FLAGS:
		case HG_COL_TOTAL_FLAGS:
			return merge_flags(m, col);
		case HG_COL_OWN:
		case HG_COL_TOTAL:
			return merge_exact(m, col);
		case HG_COL_OWN_MIN:
		case HG_COL_OWN_MAX:
		case HG_COL_TOTAL_MIN:
		case HG_COL_TOTAL_MAX:
			return merge_extremes(m, col);
		default:
			return none;
	}
}

/*
 * write_column appends a column; one of numerics in the form in which they
 * are stored.
 */
static void
write_column(HgBuffer *buf, const Merge *m, HgRollupColumn col, HgSource source)
{
	if (source.type == HG_SOURCE_BYTES && col != HG_COL_KEY)
	{
		HgKey	   *cells = unconstify(void *, source.base);

		for (uint32 row = 0; row < m->head.n; row++)
			if (cells[row].len > 0)
				cells[row] = hg_numeric_cell((Numeric) unconstify(unsigned char *,
																  cells[row].bytes));
	}
	hg_hrollup_put(buf, col, &source, NULL, m->head.n);
}

/*
 * hgraph_hrollup_add adds up two rollups.
 */
Datum
hgraph_hrollup_add(PG_FUNCTION_ARGS)
{
	Merge		m;
	HgReal	   *sums[2] = {NULL, NULL};
	MemoryContext temp;
	MemoryContext column_mcxt;
	MemoryContext old;
	HgBuffer	buf;

	temp = AllocSetContextCreate(CurrentMemoryContext, "hrollup_add",
								 ALLOCSET_DEFAULT_SIZES);
	column_mcxt = AllocSetContextCreate(temp, "hrollup_add column",
										ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(temp);
	hg_hrollup_open(&m.view[0], PG_GETARG_DATUM(0));
	hg_hrollup_open(&m.view[1], PG_GETARG_DATUM(1));
	merge_heads(&m);
	align(&m);
	read_own_counts(&m);
	if (m.head.value == HG_VALUE_REAL)
	{
		sums[0] = merge_reals(&m, HG_COL_OWN, HG_COL_OWN_REST);
		sums[1] = merge_reals(&m, HG_COL_TOTAL, HG_COL_TOTAL_REST);
	}

	MemoryContextSwitchTo(old);
	hg_hrollup_begin(&buf, &m.head);
	MemoryContextSwitchTo(column_mcxt);
	for (HgRollupColumn col = 0; col < HG_ROLLUP_COLUMNS; col++)
	{
		HgSource	source;

		CHECK_FOR_INTERRUPTS();
		if (sums[0] && (col == HG_COL_OWN || col == HG_COL_TOTAL))
			source = make_source(HG_SOURCE_DOUBLE, &sums[col == HG_COL_TOTAL]->sum,
								 sizeof(HgReal));
		else if (sums[0] && (col == HG_COL_OWN_REST || col == HG_COL_TOTAL_REST))
			source = make_source(HG_SOURCE_DOUBLE, &sums[col == HG_COL_TOTAL_REST]->rest,
								 sizeof(HgReal));
		else
			source = merge_column(&m, col);
		write_column(&buf, &m, col, source);
		MemoryContextReset(column_mcxt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(temp);
	PG_RETURN_POINTER(hg_hrollup_end(&buf));
}
