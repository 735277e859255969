/*-------------------------------------------------------------------------
 *
 * result.c
 *	  A finished rollup as columns of an hrollup.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "rollup/finish.h"

/*
 * source describes an array as a column.
 */
static HgSource
source(HgSourceType type, const void *base, Size stride, const uint32 *index)
{
	HgSource	s = {.type = type, .base = base, .stride = stride, .index = index};

	return s;
}

/*
 * numerics_source describes an array of numerics as a column of bytes.
 */
static HgSource
numerics_source(HgFinish *f, void *const *values, uint32 n, const uint32 *index)
{
	HgKey	   *bytes = hg_finish_alloc(f, n, sizeof(HgKey), true);

	for (uint32 i = 0; i < n; i++)
	{
		if (values[i] == NULL)
			continue;
		bytes[i].bytes = values[i];
		bytes[i].len = VARSIZE(values[i]);
	}
	return source(HG_SOURCE_BYTES, bytes, sizeof(HgKey), index);
}

/*
 * key_source makes the column of keys.
 */
static HgSource
key_source(HgFinish *f)
{
	const HgGraph *g = f->q.view.g;
	uint32		n = f->dag->nmembers;
	HgKey	   *keys;

	if (f->by_key != NULL)
	{
		HgSource	s = source(HG_SOURCE_INT64, f->keys, sizeof(int64), NULL);

		s.in_order = true;
		return s;
	}
	if (f->q.layout->key_kind == HG_KEY_INT)
	{
		int64	   *nums = hg_finish_alloc(f, n, sizeof(int64), false);

		hg_graph_nums(g, f->dag->member, n, nums);
		return source(HG_SOURCE_INT64, nums, sizeof(int64), NULL);
	}
	keys = hg_finish_alloc(f, n, sizeof(HgKey), false);
	for (uint32 i = 0; i < n; i++)
		keys[i] = hg_graph_key(g, f->dag->member[i]);
	return source(HG_SOURCE_BYTES, keys, sizeof(HgKey), NULL);
}

/*
 * depth_source makes the column of depths; -1 stands for none.
 */
static HgSource
depth_source(HgFinish *f)
{
	int32	   *depth = (int32 *) f->dag->depth;

	StaticAssertStmt(HG_NO_DEPTH == (uint32) -1, "HG_NO_DEPTH is no -1");
	return source(HG_SOURCE_INT32, depth, sizeof(int32), NULL);
}

/*
 * measure_source makes the column of a measure's totals.
 */
static HgSource
measure_source(HgFinish *f, HgMeasure *m)
{
	const uint32 *local = f->dag->member_local;

	if (m->kind == HG_FIXED)
		return source(HG_SOURCE_INT128, m->fixed, sizeof(hg_int128), local);
	if (m->kind == HG_REAL)
		return source(HG_SOURCE_DOUBLE, &m->real[0].sum, sizeof(HgReal), local);
	return numerics_source(f, m->opaque, f->dag->n, local);
}

/*
 * extremes_source makes a column of totals' extremes.
 */
static HgSource
extremes_source(HgFinish *f, void *extremes)
{
	const uint32 *local = f->dag->member_local;

	if (hg_finish_wide(f))
		return numerics_source(f, extremes, f->dag->n, local);
	if (f->narrow)
		return source(HG_SOURCE_INT64, extremes, sizeof(int64), local);
	return source(HG_SOURCE_INT128, extremes, sizeof(hg_int128), local);
}

/*
 * plain_columns makes the columns of own values of parts of the accumulators.
 */
static void
plain_columns(HgFinish *f, HgSource *columns)
{
	const uint32 *slot = f->own.slot;
	const HgCompact *compact = f->plain.compact;
	const HgNarrow *narrow = f->plain.narrow;
	Size		size = compact ? sizeof(HgCompact) : sizeof(HgNarrow);

	if (compact != NULL)
	{
		columns[HG_COL_OWN_COUNT] = source(HG_SOURCE_PACKED_COUNT, &compact->packed, size, slot);
		columns[HG_COL_OWN] = source(HG_SOURCE_PACKED_SUM, &compact->packed, size, slot);
		columns[HG_COL_OWN_MIN] = source(HG_SOURCE_INT32, &compact->least, size, slot);
		columns[HG_COL_OWN_MAX] = source(HG_SOURCE_INT32, &compact->greatest, size, slot);
		return;
	}
	columns[HG_COL_OWN_COUNT] = source(HG_SOURCE_INT64, &narrow->count, size, slot);
	columns[HG_COL_OWN] = source(HG_SOURCE_INT64, &narrow->sum, size, slot);
	columns[HG_COL_OWN_MIN] = source(HG_SOURCE_INT64, &narrow->least, size, slot);
	columns[HG_COL_OWN_MAX] = source(HG_SOURCE_INT64, &narrow->greatest, size, slot);
}

/*
 * own_extremes makes the columns of own extremes.
 */
static void
own_extremes(HgFinish *f, HgSource *least, HgSource *greatest)
{
	const HgOwn *own = &f->own;
	uint32		n = f->dag->nmembers;

	if (own->least_wide != NULL)
	{
		*least = numerics_source(f, (void **) own->least_wide, n, NULL);
		*greatest = numerics_source(f, (void **) own->greatest_wide, n, NULL);
	}
	else if (own->least64 != NULL)
	{
		*least = source(HG_SOURCE_INT64, own->least64, sizeof(int64), NULL);
		*greatest = source(HG_SOURCE_INT64, own->greatest64, sizeof(int64), NULL);
	}
	else
	{
		*least = source(HG_SOURCE_INT128, own->least, sizeof(hg_int128), NULL);
		*greatest = source(HG_SOURCE_INT128, own->greatest, sizeof(hg_int128), NULL);
	}
}

/*
 * own_columns makes the columns of own values.
 */
static void
own_columns(HgFinish *f, HgSource *columns)
{
	const HgOwn *own = &f->own;

	if (hg_is_plain(&f->plain))
	{
		plain_columns(f, columns);
		return;
	}
	columns[HG_COL_OWN_COUNT] = source(HG_SOURCE_INT64, own->count, sizeof(int64), NULL);
	if (f->head.value == HG_VALUE_COUNT)
		return;
	if (own->flags != NULL)
		columns[HG_COL_OWN_FLAGS] = source(HG_SOURCE_UINT8, own->flags, 1, NULL);
	if (own->real != NULL)
	{
		columns[HG_COL_OWN] = source(HG_SOURCE_DOUBLE, &own->real->sum, sizeof(HgReal), NULL);
		columns[HG_COL_OWN_REST] = source(HG_SOURCE_DOUBLE, &own->real->rest, sizeof(HgReal), NULL);
	}
	else if (own->wide != NULL)
		columns[HG_COL_OWN] = numerics_source(f, (void **) own->wide, f->dag->nmembers, NULL);
	else
		columns[HG_COL_OWN] = source(HG_SOURCE_INT128, own->fixed, sizeof(hg_int128), NULL);
	own_extremes(f, &columns[HG_COL_OWN_MIN], &columns[HG_COL_OWN_MAX]);
}

/*
 * total_columns makes the columns of totals.
 */
static void
total_columns(HgFinish *f, HgSource *columns)
{
	const uint32 *local = f->dag->member_local;

	columns[HG_COL_TOTAL_COUNT] = measure_source(f, &f->count);
	if (f->head.value == HG_VALUE_COUNT)
		return;
	if (f->special)
	{
		for (uint32 i = 0; i < f->dag->n; i++)
			f->flags[i] &= ~HG_AMOUNT_FACTS;
		columns[HG_COL_TOTAL_FLAGS] = source(HG_SOURCE_UINT8, f->flags, 1, local);
	}
	columns[HG_COL_TOTAL] = measure_source(f, &f->sum);
	if (f->sum.kind == HG_REAL)
		columns[HG_COL_TOTAL_REST] = source(HG_SOURCE_DOUBLE, &f->sum.real->rest,
											sizeof(HgReal), local);
	columns[HG_COL_TOTAL_MIN] = extremes_source(f, f->least);
	columns[HG_COL_TOTAL_MAX] = extremes_source(f, f->greatest);
}

/*
 * hg_finish_result makes the hrollup.
 */
struct varlena *
hg_finish_result(HgFinish *f, MemoryContext mcxt)
{
	HgSource	columns[HG_ROLLUP_COLUMNS] = {0};
	uint32	   *order = f->order;
	struct varlena *result;

	if (f->by_key != NULL)
		f->head.n = hg_ahead_order(f);
	else
	{
		order = hg_finish_alloc(f, f->dag->nmembers, sizeof(uint32), false);
		f->head.n = hg_key_order(f->q.view.g, f->dag, f->flags, order);
	}
	columns[HG_COL_KEY] = key_source(f);
	columns[HG_COL_DEPTH] = depth_source(f);
	own_columns(f, columns);
	total_columns(f, columns);
	for (int i = 0; f->by_key != NULL && i < HG_ROLLUP_COLUMNS; i++)
		hg_ahead_fill(f, &columns[i]);

	MemoryContextSwitchTo(mcxt);
	result = hg_hrollup_make(&f->head, columns, order, f->beside);
	MemoryContextSwitchTo(f->mcxt);
	return result;
}
