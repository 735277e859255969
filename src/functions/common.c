/*-------------------------------------------------------------------------
 *
 * common.c
 *	  Rows of common_ancestors, nearest first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"
#include "miscadmin.h"

enum
{
	COL_NODE, COL_DEPTH_A, COL_DEPTH_B
};

typedef struct Common
{
	uint32		node;
	uint32		depth_a;
	uint32		depth_b;
} Common;

typedef struct CommonState
{
	Common	   *common;
	uint32		n;
	uint32		next;
} CommonState;

/*
 * common_next returns one common ancestor.
 */
static bool
common_next(HgRows *rows, Datum *values, bool *nulls)
{
	CommonState *state = rows->state;
	Common	   *common;

	if (state->next >= state->n)
		return false;
	common = &state->common[state->next++];
	if (HG_WANTED(rows, COL_NODE))
		hg_rows_put_node(rows, COL_NODE, common->node, values, nulls);
	values[COL_DEPTH_A] = Int32GetDatum(common->depth_a);
	nulls[COL_DEPTH_A] = false;
	values[COL_DEPTH_B] = Int32GetDatum(common->depth_b);
	nulls[COL_DEPTH_B] = false;
	return true;
}

/*
 * nearer orders common ancestors: by the sum of both distances, then by the
 * greater of the two, then by key.
 */
static int
nearer(const void *a, const void *b, void *arg)
{
	const Common *ca = a;
	const Common *cb = b;
	uint64		sum_a = (uint64) ca->depth_a + ca->depth_b;
	uint64		sum_b = (uint64) cb->depth_a + cb->depth_b;
	uint32		max_a = Max(ca->depth_a, ca->depth_b);
	uint32		max_b = Max(cb->depth_a, cb->depth_b);

	CHECK_FOR_INTERRUPTS();
	if (sum_a != sum_b)
		return sum_a < sum_b ? -1 : 1;
	if (max_a != max_b)
		return max_a < max_b ? -1 : 1;
	return hg_key_compare(arg, ca->node, cb->node);
}

/*
 * hg_rows_common_begin finds the nodes that two walks upward have in common.
 */
void
hg_rows_common_begin(HgRows *rows)
{
	CommonState *state = palloc0(sizeof(CommonState));
	HgView	   *view = &rows->q.view;
	HgReach		a;
	HgReach		b;

	hg_reach(&a, view, rows->node, HG_UP, rows->args.max_depth, rows->mcxt);
	hg_reach(&b, view, rows->other, HG_UP, rows->args.max_depth, rows->mcxt);
	hg_reach_mark(&b, view);

	state->common = MemoryContextAllocHuge(rows->mcxt,
										   (Size) Min(a.n, b.n) * sizeof(Common));
	for (uint32 i = 0; i < a.n; i++)
	{
		Common	   *common = &state->common[state->n];
		uint32		node = a.node[i];

		if ((i & 0x3ff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (!hg_reached(&b, node))
			continue;
		common->node = node;
		common->depth_a = hg_reach_depth(&a, i);
		common->depth_b = hg_reach_depth(&b, b.marks->pos[node]);
		if (rows->args.include_self ||
			(common->depth_a > 0 && common->depth_b > 0))
			state->n++;
	}
	hg_reach_free(&b);
	hg_reach_free(&a);

	qsort_arg(state->common, state->n, sizeof(Common), nearer, &rows->out);
	rows->state = state;
	rows->next = common_next;
}
