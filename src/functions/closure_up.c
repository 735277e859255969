/*-------------------------------------------------------------------------
 *
 * closure_up.c
 *	  Rows of closure for given descendants: walks up, of the same rows that
 *	  walks down from all nodes would have come to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"

enum
{
	COL_ANCESTOR, COL_DESCENDANT, COL_DEPTH, COL_SHARE, COL_IS_LEAF
};

typedef struct ClosureUpState
{
	uint32	   *starts;			/* nodes to walk from */
	uint32		nstarts;
	uint32		start;			/* next of them */
	uint32		next;			/* position in reach */
	uint32		n;				/* rows in it: those within max_depth */
	uint32		depth;			/* at next */
	bool		walked;			/* is reach in use? */
	bool		share;			/* compute it? */
	bool		leaf;			/* has the node at hand no children? */
	HgReach		reach;
	HgBetween  *between;		/* of reach, NULL without share */
} ClosureUpState;

/*
 * next_walk walks up from the next node; false when there is none left.
 */
static bool
next_walk(HgRows *rows, ClosureUpState *state)
{
	HgView	   *view = &rows->q.view;
	uint32		max_depth = rows->args.max_depth;
	uint32		node;

	if (state->start >= state->nstarts)
		return false;
	node = state->starts[state->start++];

	if (state->between)
		hg_between_end(state->between);
	state->between = NULL;
	/* shares need all that is above, rows may not */
	if (state->walked)
		hg_reach_again(&state->reach, view, node, HG_UP,
					   state->share ? HG_UNLIMITED : max_depth);
	else
		hg_reach(&state->reach, view, node, HG_UP,
				 state->share ? HG_UNLIMITED : max_depth, rows->mcxt);
	state->walked = true;
	state->n = max_depth < state->reach.nlevels ?
		state->reach.level[max_depth + 1] : state->reach.n;
	if (state->share)
		state->between = hg_between_begin(view, &state->reach);
	state->leaf = HG_WANTED(rows, COL_IS_LEAF) &&
		!hg_node_has_edge(view, node, HG_DOWN);
	state->next = 0;
	state->depth = 0;
	return true;
}

/*
 * closure_up_next returns one pair.
 */
static bool
closure_up_next(HgRows *rows, Datum *values, bool *nulls)
{
	ClosureUpState *state = rows->state;
	uint32		i;

	if ((!state->walked || state->next >= state->n) && !next_walk(rows, state))
		return false;

	i = state->next++;
	while (i >= state->reach.level[state->depth + 1])
		state->depth++;
	if (HG_WANTED(rows, COL_ANCESTOR))
		hg_rows_put_node(rows, COL_ANCESTOR, state->reach.node[i],
						 values, nulls);
	if (HG_WANTED(rows, COL_DESCENDANT))
		hg_rows_put_node(rows, COL_DESCENDANT, state->reach.node[0],
						 values, nulls);
	if (HG_WANTED(rows, COL_DEPTH))
	{
		values[COL_DEPTH] = Int32GetDatum(state->depth);
		nulls[COL_DEPTH] = false;
	}
	if (state->share)
	{
		double		share = 0;
		bool		stated = hg_between_share(state->between, i,
											  rows->args.max_depth, &share);

		hg_rows_put_share(rows, COL_SHARE, share, stated, values, nulls);
	}
	if (HG_WANTED(rows, COL_IS_LEAF))
	{
		values[COL_IS_LEAF] = BoolGetDatum(state->leaf);
		nulls[COL_IS_LEAF] = false;
	}
	return true;
}

/*
 * closure_up_end gives back the walk.
 */
static void
closure_up_end(HgRows *rows)
{
	ClosureUpState *state = rows->state;

	if (state->between)
		hg_between_end(state->between);
	if (state->walked)
		hg_reach_free(&state->reach);
}

/*
 * hg_rows_closure_up_begin starts closure of given descendants.
 */
void
hg_rows_closure_up_begin(HgRows *rows)
{
	ClosureUpState *state = palloc0(sizeof(ClosureUpState));

	state->nstarts = hg_rows_key_nodes(rows, &state->starts);
	state->share = HG_WANTS_SHARE(rows, COL_SHARE);
	rows->state = state;
	rows->next = closure_up_next;
	rows->end = closure_up_end;
}
