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
 * push adds a node to a reach unless it is there.
 */
static inline void
push(HgReach *r, uint32_t node, uint32_t depth)
{
	HgScratch  *m = r->marks;

	if (m->stamp[node] == m->epoch)
		return;
	if (r->n == r->size)
	{
		uint32_t	size = r->size * 2;

		r->node = hg_host.realloc(r->node, (size_t) size * sizeof(uint32_t));
		r->depth = hg_host.realloc(r->depth, (size_t) size * sizeof(uint32_t));
		r->size = size;
	}
	m->stamp[node] = m->epoch;
	m->pos[node] = r->n;
	r->node[r->n] = node;
	r->depth[r->n++] = depth;
}

/*
 * walk does the breadth-first search from the start that is in r already.
 */
static void
walk(HgReach *r, const HgView *view, HgDir dir, uint32_t max_depth)
{
	const HgGraph *g = view->g;
	const HgBase *b = &g->base;

	for (uint32_t i = 0; i < r->n; i++)
	{
		uint32_t	node = r->node[i];
		uint32_t	depth = r->depth[i];

		if (depth >= max_depth)
			break;
		if (i % CHECK_EVERY == CHECK_EVERY - 1)
			hg_host.check_interrupts();
		/* the common case without a call per edge */
		if (view->plain && dir == HG_DOWN && node < b->nnodes &&
			!hg_touched(g, node))
		{
			uint32_t	end = b->out_start[node + 1];

			for (uint32_t e = b->out_start[node]; e < end; e++)
				push(r, b->child[e], depth + 1);
		}
		else
		{
			HgEdges		it;

			hg_edges_begin(&it, view, node, dir);
			while (hg_edges_next(&it))
				push(r, it.node, depth + 1);
		}
	}
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
	r->node = hg_host.alloc(arena, r->size * sizeof(uint32_t));
	r->depth = hg_host.alloc(arena, r->size * sizeof(uint32_t));
	r->marks = hg_scratch_take(view);
	r->n = 0;
	push(r, start, 0);
	walk(r, view, dir, max_depth);
}

/*
 * hg_reach_again does the same with the memory of an earlier reach.
 */
void
hg_reach_again(HgReach *r, HgView *view, uint32_t start, HgDir dir,
			   uint32_t max_depth)
{
	hg_scratch_clear(r->marks);
	r->n = 0;
	push(r, start, 0);
	walk(r, view, dir, max_depth);
}

/*
 * hg_reach_free gives back what a reach holds.
 */
void
hg_reach_free(HgReach *r)
{
	hg_scratch_give(r->marks);
	hg_host.free(r->node);
	hg_host.free(r->depth);
	r->marks = NULL;
	r->node = r->depth = NULL;
	r->n = r->size = 0;
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
