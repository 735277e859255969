/*-------------------------------------------------------------------------
 *
 * reach.c
 *	  Rows of ancestors and descendants, and of those among them where the
 *	  graph ends: tops and leaves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"
#include "miscadmin.h"

enum
{
	COL_NODE, COL_DEPTH, COL_SHARE
};

typedef struct ReachState
{
	HgReach		reach;
	HgDir		dir;
	uint32		next;			/* position in reach */
	uint32		depth;			/* there */
	double	   *share;			/* by position, NULL when not wanted */
	bool	   *stated;
} ReachState;

/*
 * reach_next returns one node of the walk.
 */
static bool
reach_next(HgRows *rows, Datum *values, bool *nulls)
{
	ReachState *state = rows->state;
	uint32		i = state->next;

	if (i >= state->reach.n)
		return false;
	state->next++;

	if (HG_WANTED(rows, COL_NODE))
		hg_rows_put_node(rows, COL_NODE, state->reach.node[i], values, nulls);
	if (HG_WANTED(rows, COL_DEPTH))
	{
		while (i >= state->reach.level[state->depth + 1])
			state->depth++;
		values[COL_DEPTH] = Int32GetDatum(state->depth);
		nulls[COL_DEPTH] = false;
	}
	if (state->share)
		hg_rows_put_share(rows, COL_SHARE, state->share[i], state->stated[i],
						  values, nulls);
	return true;
}

/*
 * reach_batch returns the next nodes of the walk, integers in an int8 column,
 * and their depths.
 */
static void
reach_batch(HgRows *rows, HgRowBatch *batch)
{
	ReachState *state = rows->state;
	uint32		i = state->next;
	uint32		n = Min(state->reach.n - i, HG_BATCH_ROWS);

	state->next += n;
	batch->n = (int) n;
	if (HG_WANTED(rows, COL_NODE))
		hg_graph_nums(rows->q.view.g, state->reach.node + i, n,
					  (int64_t *) batch->values[COL_NODE]);
	if (HG_WANTED(rows, COL_DEPTH))
	{
		for (uint32 k = 0; k < n; k++)
		{
			while (i + k >= state->reach.level[state->depth + 1])
				state->depth++;
			batch->values[COL_DEPTH][k] = Int32GetDatum(state->depth);
		}
	}
}

/*
 * reach_count is the number of nodes of the walk that are left.
 */
static uint64
reach_count(HgRows *rows)
{
	ReachState *state = rows->state;
	uint64		left = state->reach.n - state->next;

	state->next = state->reach.n;
	return left;
}

/*
 * ends_next returns one node of the walk from which it leads no further.
 */
static bool
ends_next(HgRows *rows, Datum *values, bool *nulls)
{
	ReachState *state = rows->state;

	while (state->next < state->reach.n)
	{
		uint32		node = state->reach.node[state->next++];

		if ((state->next & 0x3ff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (hg_node_has_edge(&rows->q.view, node, state->dir))
			continue;
		if (HG_WANTED(rows, COL_NODE))
			hg_rows_put_node(rows, COL_NODE, node, values, nulls);
		return true;
	}
	return false;
}

/*
 * reach_end gives back the walk.
 */
static void
reach_end(HgRows *rows)
{
	ReachState *state = rows->state;

	hg_reach_free(&state->reach);
}

/*
 * hg_rows_reach_begin starts ancestors, descendants, tops or leaves.
 */
void
hg_rows_reach_begin(HgRows *rows)
{
	ReachState *state = palloc0(sizeof(ReachState));
	HgRowsKind	kind = rows->args.kind;
	bool		ends = kind == HG_ROWS_TOPS || kind == HG_ROWS_LEAVES;

	state->dir = kind == HG_ROWS_ANCESTORS || kind == HG_ROWS_TOPS ?
		HG_UP : HG_DOWN;
	hg_reach(&state->reach, &rows->q.view, rows->node, state->dir,
			 rows->args.max_depth, rows->mcxt);
	rows->state = state;
	rows->next = ends ? ends_next : reach_next;
	rows->count = ends ? NULL : reach_count;
	rows->end = reach_end;
	if (!rows->args.include_self)
		state->next = 1;

	if (!ends && HG_WANTS_SHARE(rows, COL_SHARE))
	{
		Size		n = state->reach.n;

		state->share = MemoryContextAllocHuge(rows->mcxt, n * sizeof(double));
		state->stated = MemoryContextAllocHuge(rows->mcxt, n * sizeof(bool));
		hg_shares(&rows->q.view, &state->reach, state->dir,
				  rows->args.max_depth, state->share, state->stated);
	}
#ifdef USE_FLOAT8_BYVAL
	if (!ends && !HG_WANTED(rows, COL_SHARE) && rows->out.type == INT8OID)
		rows->batch = reach_batch;
#endif
}
