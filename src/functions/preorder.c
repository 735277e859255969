/*-------------------------------------------------------------------------
 *
 * preorder.c
 *	  Rows of preorder.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"

enum
{
	COL_ORDINAL, COL_NODE, COL_PARENT, COL_DEPTH, COL_PATH, COL_IS_REPEAT
};

typedef struct PreorderState
{
	HgPreorder *walk;
	int64		ordinal;
} PreorderState;

/*
 * preorder_next returns one line of the display.
 */
static bool
preorder_next(HgRows *rows, Datum *values, bool *nulls)
{
	PreorderState *state = rows->state;
	HgPreorderRow row;

	if (!hg_preorder_next(state->walk, &row))
		return false;

	state->ordinal++;
	if (HG_WANTED(rows, COL_ORDINAL))
	{
		values[COL_ORDINAL] = Int64GetDatum(state->ordinal);
		nulls[COL_ORDINAL] = false;
	}
	if (HG_WANTED(rows, COL_NODE))
		hg_rows_put_node(rows, COL_NODE, row.node, values, nulls);
	if (HG_WANTED(rows, COL_PARENT) && row.parent != HG_NONE)
		hg_rows_put_node(rows, COL_PARENT, row.parent, values, nulls);
	if (HG_WANTED(rows, COL_DEPTH))
	{
		values[COL_DEPTH] = Int32GetDatum(row.depth);
		nulls[COL_DEPTH] = false;
	}
	if (HG_WANTED(rows, COL_PATH))
	{
		values[COL_PATH] = hg_key_array(&rows->out, row.path, row.depth + 1);
		nulls[COL_PATH] = false;
	}
	if (HG_WANTED(rows, COL_IS_REPEAT))
	{
		values[COL_IS_REPEAT] = BoolGetDatum(row.is_repeat);
		nulls[COL_IS_REPEAT] = false;
	}
	return true;
}

/*
 * preorder_end gives back the walk.
 */
static void
preorder_end(HgRows *rows)
{
	PreorderState *state = rows->state;

	hg_preorder_end(state->walk);
}

/*
 * hg_rows_preorder_begin starts preorder.
 */
void
hg_rows_preorder_begin(HgRows *rows)
{
	PreorderState *state = palloc0(sizeof(PreorderState));

	state->walk = hg_preorder_begin(&rows->q.view, rows->node,
									rows->args.max_depth, hg_key_compare,
									&rows->out, rows->mcxt);
	rows->state = state;
	rows->next = preorder_next;
	rows->end = preorder_end;
	rows->reset |= HG_WANTED(rows, COL_PATH);
}
