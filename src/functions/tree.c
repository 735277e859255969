/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  Rows of tree: every node once, under one parent only.
 *
 * That is the primary parent, or without one the parent with the lowest key.
 * Taking one edge of each node leaves a forest, so a node's line follows from
 * the nodes above it alone: what is asked of a few nodes costs a walk up from
 * each.  A listing of all of them remembers parent and level of each node, and
 * so finds each once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

enum
{
	COL_NODE, COL_PARENT, COL_LEVEL, COL_PATH, COL_CHILDREN, COL_PARENTS
};

#define UNKNOWN		(UINT32_MAX - 1)	/* of a trunk or level; HG_NONE: none */

typedef struct TreeState
{
	uint32	   *nodes;			/* to list; NULL: all */
	uint32		nnodes;
	uint32		next;			/* place there, or the node itself */

	/* those of given parents: nodes holds the children of the one at hand */
	bool		by_parent;
	uint32	   *above;
	uint32		nabove;
	uint32		next_above;

	uint32	   *trunk;			/* by node, NULL unless all are listed */
	uint32	   *level;
	uint32	   *path;			/* a walk up */
	uint32		path_size;
	HgScratch  *seen;			/* to count different neighbours */
	bool		primary;		/* may we know which parent is primary? */
} TreeState;

/*
 * trunk_of is the parent under which a node is listed, HG_NONE at the top.
 */
static uint32
trunk_of(HgRows *rows, TreeState *state, uint32 node)
{
	uint32		trunk;

	if (state->trunk && state->trunk[node] != UNKNOWN)
		return state->trunk[node];
	trunk = hg_trunk(&rows->q.view, state->primary, node);
	if (state->trunk)
		state->trunk[node] = trunk;
	return trunk;
}

/*
 * add_step puts a node on the walk up.
 */
static void
add_step(HgRows *rows, TreeState *state, uint32 n, uint32 node)
{
	/* only a graph that may have cycles can get here */
	if (n >= rows->q.view.nnodes)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("graph \"%s\" has a cycle",
						get_rel_name(rows->q.layout->index_oid))));
	if (n == state->path_size)
	{
		CHECK_FOR_INTERRUPTS();
		state->path_size *= 2;
		state->path = repalloc_huge(state->path,
									(Size) state->path_size * sizeof(uint32));
	}
	state->path[n] = node;
}

/*
 * walk_up puts the way to the top into state->path, from the top down, and
 * returns the node's level.
 */
static uint32
walk_up(HgRows *rows, TreeState *state, uint32 node)
{
	uint32		n = 0;

	for (uint32 at = node; at != HG_NONE; at = trunk_of(rows, state, at))
		add_step(rows, state, n++, at);
	for (uint32 i = 0, j = n - 1; i < j; i++, j--)
	{
		uint32		swap = state->path[i];

		state->path[i] = state->path[j];
		state->path[j] = swap;
	}
	return n - 1;
}

/*
 * level_of is a node's level; what was found on the way is remembered.
 */
static uint32
level_of(HgRows *rows, TreeState *state, uint32 node)
{
	uint32		n = 0;
	uint32		at = node;
	uint32		level;

	if (state->level == NULL)
		return walk_up(rows, state, node);
	while (at != HG_NONE && state->level[at] == UNKNOWN)
	{
		add_step(rows, state, n++, at);
		at = trunk_of(rows, state, at);
	}
	level = at == HG_NONE ? 0 : state->level[at] + 1;
	while (n > 0)
		state->level[state->path[--n]] = level++;
	return state->level[node];
}

/*
 * count_neighbours counts the different nodes that a node's edges lead to:
 * all parents, or the children that are listed under it.
 */
static int64
count_neighbours(HgRows *rows, TreeState *state, uint32 node, HgDir dir)
{
	HgScratch  *seen = state->seen;
	int64		n = 0;
	uint32		work = 0;
	HgEdges		it;

	hg_scratch_clear(seen);
	hg_edges_begin(&it, &rows->q.view, node, dir);
	while (hg_edges_next(&it))
	{
		if ((++work & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (seen->stamp[it.node] == seen->epoch)
			continue;
		seen->stamp[it.node] = seen->epoch;
		n += dir == HG_UP || trunk_of(rows, state, it.node) == node;
	}
	return n;
}

/*
 * list_children makes the children that are listed under a node those to be
 * listed next.
 */
static void
list_children(HgRows *rows, TreeState *state, uint32 parent)
{
	HgNeighbour *child;
	uint32		n = hg_neighbours(&rows->q.view, parent, HG_DOWN, rows->mcxt,
								  &child);

	if (state->nodes)
		pfree(state->nodes);
	state->nodes = MemoryContextAllocHuge(rows->mcxt, (Size) (n + 1) * sizeof(uint32));
	state->nnodes = 0;
	state->next = 0;
	for (uint32 i = 0; i < n; i++)
	{
		if ((i & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (trunk_of(rows, state, child[i].node) == parent)
			state->nodes[state->nnodes++] = child[i].node;
	}
	hg_host.free(child);
}

/*
 * next_node is the next node to list, HG_NONE at the end.
 */
static uint32
next_node(HgRows *rows, TreeState *state)
{
	while (state->by_parent && state->next >= state->nnodes)
	{
		if (state->next_above >= state->nabove)
			return HG_NONE;
		list_children(rows, state, state->above[state->next_above++]);
	}
	while (state->next < state->nnodes)
	{
		uint32		i = state->next++;

		if (state->nodes)
			return state->nodes[i];
		if ((i & 0x3ff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (hg_node_exists(&rows->q.view, i))
			return i;
	}
	return HG_NONE;
}

/*
 * tree_next returns one node's line.
 */
static bool
tree_next(HgRows *rows, Datum *values, bool *nulls)
{
	TreeState  *state = rows->state;
	uint32		node = next_node(rows, state);
	uint32		level = 0;

	if (node == HG_NONE)
		return false;

	if (HG_WANTED(rows, COL_PATH))
	{
		level = walk_up(rows, state, node);
		values[COL_PATH] = hg_key_array(&rows->out, state->path, level + 1);
		nulls[COL_PATH] = false;
	}
	else if (HG_WANTED(rows, COL_LEVEL))
		level = level_of(rows, state, node);
	if (HG_WANTED(rows, COL_LEVEL))
	{
		values[COL_LEVEL] = Int32GetDatum(level);
		nulls[COL_LEVEL] = false;
	}
	if (HG_WANTED(rows, COL_NODE))
		hg_rows_put_node(rows, COL_NODE, node, values, nulls);
	if (HG_WANTED(rows, COL_PARENT))
	{
		uint32		parent = trunk_of(rows, state, node);

		if (parent != HG_NONE)
			hg_rows_put_node(rows, COL_PARENT, parent, values, nulls);
	}
	if (HG_WANTED(rows, COL_CHILDREN))
	{
		values[COL_CHILDREN] = Int64GetDatum(count_neighbours(rows, state, node, HG_DOWN));
		nulls[COL_CHILDREN] = false;
	}
	if (HG_WANTED(rows, COL_PARENTS))
	{
		values[COL_PARENTS] = Int64GetDatum(count_neighbours(rows, state, node, HG_UP));
		nulls[COL_PARENTS] = false;
	}
	return true;
}

/*
 * tree_end gives back what was lent.
 */
static void
tree_end(HgRows *rows)
{
	TreeState  *state = rows->state;

	if (state->seen)
		hg_scratch_give(state->seen);
}

/*
 * all_unknown returns an array that knows nothing of any node.
 */
static uint32 *
all_unknown(HgRows *rows)
{
	uint32		n = rows->q.view.nnodes;
	uint32	   *array = MemoryContextAllocHuge(rows->mcxt, (Size) n * sizeof(uint32) + 1);

	for (uint32 i = 0; i < n; i++)
		array[i] = UNKNOWN;
	return array;
}

/*
 * hg_rows_tree_begin starts tree, of all nodes or by node or parent.
 */
void
hg_rows_tree_begin(HgRows *rows)
{
	TreeState  *state = palloc0(sizeof(TreeState));

	switch (rows->args.key_column)
	{
		case COL_NODE:
			state->nnodes = hg_rows_key_nodes(rows, &state->nodes);
			break;
		case COL_PARENT:
			state->by_parent = true;
			state->nabove = hg_rows_key_nodes(rows, &state->above);
			break;
		default:
			state->nnodes = rows->q.view.nnodes;
			if (HG_WANTED(rows, COL_PARENT) || HG_WANTED(rows, COL_LEVEL) ||
				HG_WANTED(rows, COL_PATH) || HG_WANTED(rows, COL_CHILDREN))
				state->trunk = all_unknown(rows);
			if (HG_WANTED(rows, COL_LEVEL) && !HG_WANTED(rows, COL_PATH))
				state->level = all_unknown(rows);
			break;
	}
	state->primary = (rows->q.layout->roles & HG_HAS_PRIMARY) != 0;
	state->path_size = 16;
	state->path = palloc(state->path_size * sizeof(uint32));
	if (HG_WANTED(rows, COL_CHILDREN) || HG_WANTED(rows, COL_PARENTS))
		state->seen = hg_scratch_take(&rows->q.view);
	rows->state = state;
	rows->next = tree_next;
	rows->end = tree_end;
	rows->reset |= HG_WANTED(rows, COL_PATH);
}
