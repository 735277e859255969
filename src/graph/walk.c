/*-------------------------------------------------------------------------
 *
 * walk.c
 *	  Breadth-first walks.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

/* Interrupts are checked once per this many nodes. */
#define CHECK_EVERY 4096

/*
 * reserve makes room for more nodes in a reach, and one to spare.  A reach
 * never has more than all nodes.
 */
static inline void
reserve(HgReach *r, const HgView *view, uint64_t more)
{
	uint64_t	need = r->n + more;

	if (need > view->nnodes)
		need = view->nnodes;
	if (need >= r->size)
	{
		uint64_t	size = need + need / 2 + 64;

		r->node = hg_host.realloc(r->node, size * sizeof(uint32_t));
		r->size = (uint32_t) size;
	}
}

/*
 * add puts a node behind n others unless it is there, and returns how many
 * there are now.
 */
static inline uint32_t
add(uint32_t *nodes, uint32_t n, uint8_t *bits, uint32_t node)
{
	uint8_t		bit = (uint8_t) (1 << (node & 7));

	/* no branch: whether a node is new is hard to predict */
	nodes[n] = node;
	n += !(bits[node >> 3] & bit);
	bits[node >> 3] |= bit;
	return n;
}

/*
 * expand_down adds the children of a node that has nothing in the overlay.
 */
static inline void
expand_down(HgReach *r, const HgView *view, uint32_t node)
{
	const HgBase *b = &view->g->base;
	const uint32_t *child = b->child;
	uint8_t    *bits = r->seen->bits;
	uint32_t	e = b->out_start[node];
	uint32_t	end = b->out_start[node + 1];
	uint32_t	n = r->n;

	reserve(r, view, end - e);
	if (view->plain)
	{
		for (; e < end; e++)
			n = add(r->node, n, bits, child[e]);
	}
	else
	{
		for (; e < end; e++)
		{
			if (hg_sees_base(view, e))
				n = add(r->node, n, bits, child[e]);
		}
	}
	r->n = n;
}

/*
 * begin_level notes that the nodes from here on are one edge further away.
 */
static void
begin_level(HgReach *r)
{
	/* one element more stays free for the end */
	if (r->nlevels + 1 == r->level_size)
	{
		r->level_size *= 2;
		r->level = hg_host.realloc(r->level,
								   (size_t) r->level_size * sizeof(uint32_t));
	}
	r->level[r->nlevels++] = r->n;
}

/*
 * walk does the breadth-first search.
 */
static void
walk(HgReach *r, const HgView *view, uint32_t start, HgDir dir,
	 uint32_t max_depth)
{
	const HgGraph *g = view->g;
	uint32_t	i = 0;

	r->n = 0;
	r->nlevels = 0;
	r->marked = false;
	begin_level(r);
	r->n = add(r->node, 0, r->seen->bits, start);
	while (i < r->n && r->nlevels - 1 < max_depth)
	{
		uint32_t	end = r->n;

		begin_level(r);
		for (; i < end; i++)
		{
			uint32_t	node = r->node[i];

			if (i % CHECK_EVERY == CHECK_EVERY - 1)
				hg_host.check_interrupts();
			if (dir == HG_DOWN && node < g->base.nnodes && !hg_touched(g, node))
			{
				if (!hg_bit(g->base.leaf, node))
					expand_down(r, view, node);
			}
			else
			{
				HgEdges		it;

				hg_edges_begin(&it, view, node, dir);
				while (hg_edges_next(&it))
				{
					reserve(r, view, 1);
					r->n = add(r->node, r->n, r->seen->bits, it.node);
				}
			}
		}
		/* nothing is that far away */
		if (r->n == end)
			r->nlevels--;
	}
	r->level[r->nlevels] = r->n;
}

/*
 * hg_reach finds everything reachable from start, start first.
 */
void
hg_reach(HgReach *r, HgView *view, uint32_t start, HgDir dir,
		 uint32_t max_depth, void *arena)
{
	r->arena = arena;
	r->size = 64;
	r->level_size = 8;
	r->node = hg_host.alloc(arena, r->size * sizeof(uint32_t));
	r->level = hg_host.alloc(arena, r->level_size * sizeof(uint32_t));
	r->seen = hg_seen_take(view);
	r->marks = NULL;
	walk(r, view, start, dir, max_depth);
}

/*
 * hg_reach_again does the same with the memory of an earlier reach.
 */
void
hg_reach_again(HgReach *r, HgView *view, uint32_t start, HgDir dir,
			   uint32_t max_depth)
{
	hg_seen_clear(r->seen, r->node, r->n);
	walk(r, view, start, dir, max_depth);
}

/*
 * hg_reach_free gives back what a reach holds.
 */
void
hg_reach_free(HgReach *r)
{
	hg_seen_give(r->seen, r->node, r->n);
	if (r->marks != NULL)
		hg_scratch_give(r->marks);
	hg_host.free(r->node);
	hg_host.free(r->level);
	r->seen = NULL;
	r->marks = NULL;
	r->node = r->level = NULL;
	r->n = r->size = 0;
}

/*
 * hg_reach_depth finds the distance of a node by its index.
 */
uint32_t
hg_reach_depth(const HgReach *r, uint32_t i)
{
	uint32_t	low = 0,
				high = r->nlevels - 1;

	/* the last level that begins at i or before */
	while (low < high)
	{
		uint32_t	mid = low + (high - low + 1) / 2;

		if (r->level[mid] <= i)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

/*
 * hg_reached: was the node reached?
 */
bool
hg_reached(const HgReach *r, uint32_t node)
{
	return hg_bit(r->seen->bits, node);
}

/*
 * hg_reach_mark notes at each node its index in the reach.
 */
void
hg_reach_mark(HgReach *r, HgView *view)
{
	HgScratch  *m = r->marks;

	if (r->marked)
		return;
	if (m == NULL)
		m = r->marks = hg_scratch_take(view);
	else
		hg_scratch_clear(m);
	for (uint32_t i = 0; i < r->n; i++)
	{
		m->stamp[r->node[i]] = m->epoch;
		m->pos[r->node[i]] = i;
	}
	r->marked = true;
}

/*
 * hg_reaches_up: is "to" reachable upward from "from", or the same, within
 * max_depth edges?  The queue lives in the scratch, so a call allocates
 * nothing.
 */
bool
hg_reaches_up(HgView *view, uint32_t from, uint32_t to, uint32_t max_depth,
			  uint32_t *expanded)
{
	HgScratch  *s;
	uint32_t	head = 0,
				tail = 0,
				level_end,
				depth = 0;
	bool		found = false;

	if (expanded != NULL)
		*expanded = 0;
	if (from == to)
		return true;
	s = hg_scratch_take(view);
	s->stamp[from] = s->epoch;
	s->pos[tail++] = from;
	level_end = tail;
	while (!found && head < tail && depth < max_depth)
	{
		HgEdges		it;

		if (head % CHECK_EVERY == CHECK_EVERY - 1)
			hg_host.check_interrupts();
		hg_edges_begin(&it, view, s->pos[head++], HG_UP);
		while (hg_edges_next(&it))
		{
			if (it.node == to)
			{
				found = true;
				break;
			}
			if (s->stamp[it.node] != s->epoch)
			{
				s->stamp[it.node] = s->epoch;
				s->pos[tail++] = it.node;
			}
		}
		if (head == level_end)
		{
			level_end = tail;
			depth++;
		}
	}
	hg_scratch_give(s);
	if (expanded != NULL)
		*expanded = head;
	return found;
}
