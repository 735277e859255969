/*-------------------------------------------------------------------------
 *
 * neighbours.c
 *	  Rows of parents and children.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"

enum
{
	COL_NODE, COL_SHARE
};

typedef struct NeighboursState
{
	bool		self;			/* the node itself is still to come, first */
	HgNeighbour *neighbour;
	uint32		n;
	uint32		next;
	bool		share;			/* compute it? */
} NeighboursState;

/*
 * neighbours_next returns one neighbour.
 */
static bool
neighbours_next(HgRows *rows, Datum *values, bool *nulls)
{
	NeighboursState *state = rows->state;
	HgNeighbour self = {rows->node, true, 1};
	HgNeighbour *neighbour = &self;

	if (state->self)
		state->self = false;
	else if (state->next < state->n)
		neighbour = &state->neighbour[state->next++];
	else
		return false;
	if (HG_WANTED(rows, COL_NODE))
		hg_rows_put_node(rows, COL_NODE, neighbour->node, values, nulls);
	if (state->share)
		hg_rows_put_share(rows, COL_SHARE, neighbour->weight,
						  neighbour->stated, values, nulls);
	return true;
}

/*
 * hg_rows_neighbours_begin starts parents or children.
 */
void
hg_rows_neighbours_begin(HgRows *rows)
{
	NeighboursState *state = palloc0(sizeof(NeighboursState));
	HgDir		dir = rows->args.kind == HG_ROWS_PARENTS ? HG_UP : HG_DOWN;

	state->share = HG_WANTS_SHARE(rows, COL_SHARE);
	state->self = rows->args.include_self;
	if (rows->args.max_depth > 0)
		state->n = hg_neighbours(&rows->q.view, rows->node, dir, rows->mcxt,
								 &state->neighbour);
	rows->state = state;
	rows->next = neighbours_next;
}
