/*-------------------------------------------------------------------------
 *
 * closure.c
 *	  Rows of closure: the descendants of one node after the other, of all
 *	  nodes or of those asked for.  Only the walk of the node at hand is in
 *	  memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"
#include "miscadmin.h"

enum
{
	COL_ANCESTOR, COL_DESCENDANT, COL_DEPTH, COL_SHARE, COL_IS_LEAF
};

typedef struct ClosureState
{
	uint32	   *starts;			/* nodes to walk from; NULL: all */
	uint32		nstarts;
	uint32		start;			/* node to walk from next, or its place there */
	uint32		next;			/* position in reach */
	uint32		depth;			/* there */
	bool		walked;			/* is reach in use? */
	bool		share;			/* compute it? */
	uint32		size;			/* of the two arrays */
	double	   *shares;
	bool	   *stated;
	HgReach		reach;
} ClosureState;

/*
 * compute_shares fills in the shares of the walk at hand.
 */
static void
compute_shares(HgRows *rows, ClosureState *state)
{
	if (state->size < state->reach.n)
	{
		if (state->shares)
		{
			pfree(state->shares);
			pfree(state->stated);
		}
		/* Half as much again: walks come in all sizes. */
		state->size = state->reach.n + state->reach.n / 2;
		state->shares = MemoryContextAllocHuge(rows->mcxt,
											   (Size) state->size * sizeof(double));
		state->stated = MemoryContextAllocHuge(rows->mcxt,
											   (Size) state->size * sizeof(bool));
	}
	hg_shares(&rows->q.view, &state->reach, HG_DOWN, rows->args.max_depth,
			  state->shares, state->stated);
}

/*
 * next_walk walks down from the next node that exists; false when there is
 * none left.
 */
static bool
next_walk(HgRows *rows, ClosureState *state)
{
	HgView	   *view = &rows->q.view;
	uint32		node;

	while (state->starts == NULL && state->start < state->nstarts &&
		   !hg_node_exists(view, state->start))
	{
		if ((++state->start & 0x3ff) == 0)
			CHECK_FOR_INTERRUPTS();
	}
	if (state->start >= state->nstarts)
		return false;

	node = state->starts ? state->starts[state->start] : state->start;
	if (state->walked)
		hg_reach_again(&state->reach, view, node, HG_DOWN,
					   rows->args.max_depth);
	else
		hg_reach(&state->reach, view, node, HG_DOWN,
				 rows->args.max_depth, rows->mcxt);
	state->walked = true;
	if (state->share)
		compute_shares(rows, state);
	state->start++;
	state->next = 0;
	state->depth = 0;
	return true;
}

/*
 * closure_next returns one pair.
 */
static bool
closure_next(HgRows *rows, Datum *values, bool *nulls)
{
	ClosureState *state = rows->state;
	uint32		i;
	uint32		node;

	if ((!state->walked || state->next >= state->reach.n) &&
		!next_walk(rows, state))
		return false;

	i = state->next++;
	while (i >= state->reach.level[state->depth + 1])
		state->depth++;
	node = state->reach.node[i];
	if (HG_WANTED(rows, COL_ANCESTOR))
		hg_rows_put_node(rows, COL_ANCESTOR, state->reach.node[0],
						 values, nulls);
	if (HG_WANTED(rows, COL_DESCENDANT))
		hg_rows_put_node(rows, COL_DESCENDANT, node, values, nulls);
	if (HG_WANTED(rows, COL_DEPTH))
	{
		values[COL_DEPTH] = Int32GetDatum(state->depth);
		nulls[COL_DEPTH] = false;
	}
	if (state->share)
		hg_rows_put_share(rows, COL_SHARE, state->shares[i],
						  state->stated[i], values, nulls);
	if (HG_WANTED(rows, COL_IS_LEAF))
	{
		bool		inner = hg_node_has_edge(&rows->q.view, node, HG_DOWN);

		values[COL_IS_LEAF] = BoolGetDatum(!inner);
		nulls[COL_IS_LEAF] = false;
	}
	return true;
}

/*
 * closure_end gives back the walk.
 */
static void
closure_end(HgRows *rows)
{
	ClosureState *state = rows->state;

	if (state->walked)
		hg_reach_free(&state->reach);
}

/*
 * hg_rows_closure_begin starts closure, of all ancestors or of given ones.
 */
void
hg_rows_closure_begin(HgRows *rows)
{
	ClosureState *state = palloc0(sizeof(ClosureState));

	state->nstarts = rows->q.view.nnodes;
	if (rows->args.key_column == COL_ANCESTOR)
		state->nstarts = hg_rows_key_nodes(rows, &state->starts);
	state->share = HG_WANTS_SHARE(rows, COL_SHARE);
	rows->state = state;
	rows->next = closure_next;
	rows->end = closure_end;
}
