/*-------------------------------------------------------------------------
 *
 * share.c
 *	  Shares: the product of weights along a path, summed over all paths.
 *
 * Without a depth limit one pass in topological order (Kahn 1962) over the
 * reached part does it, however many paths there are.  With a limit the sum
 * over paths of at most that many edges needs a pass per level.
 *
 * A sum leaves out paths with a weight that is not stated, as SQL's sum()
 * leaves out NULLs, and is itself not stated when nothing remains.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

#define CHECK_EVERY 4096

typedef struct Sum
{
	double		value;
	bool		stated;
} Sum;

/*
 * add_path adds what arrives over one edge to a node's sum.
 */
static inline void
add_path(const HgGraph *g, uint32_t entry, const Sum *from, Sum *to)
{
	double		weight;

	if (!from->stated || !hg_entry_weight(g, entry, &weight))
		return;
	to->value += from->value * weight;
	to->stated = true;
}

/*
 * topological finds an order of the reached nodes in which every edge leads
 * forward; nodes on or behind a cycle are not in it.  Returns how many are.
 */
static uint32_t
topological(HgView *view, const HgReach *r, HgDir dir, uint32_t *order)
{
	uint32_t   *degree = hg_host.alloc(r->arena, (size_t) r->n * sizeof(uint32_t));
	const uint32_t *pos = r->marks->pos;
	uint32_t	head = 0,
				tail = 0;
	HgEdges		it;

	memset(degree, 0, (size_t) r->n * sizeof(uint32_t));
	for (uint32_t i = 0; i < r->n; i++)
	{
		if (i % CHECK_EVERY == CHECK_EVERY - 1)
			hg_host.check_interrupts();
		hg_edges_begin(&it, view, r->node[i], dir);
		while (hg_edges_next(&it))
		{
			/* with a depth limit, edges may lead out of the reach */
			if (r->marks->stamp[it.node] == r->marks->epoch)
				degree[pos[it.node]]++;
		}
	}
	if (degree[0] == 0)
		order[tail++] = 0;
	while (head < tail)
	{
		if (head % CHECK_EVERY == CHECK_EVERY - 1)
			hg_host.check_interrupts();
		hg_edges_begin(&it, view, r->node[order[head++]], dir);
		while (hg_edges_next(&it))
		{
			if (r->marks->stamp[it.node] == r->marks->epoch &&
				--degree[pos[it.node]] == 0)
				order[tail++] = pos[it.node];
		}
	}
	hg_host.free(degree);
	return tail;
}

/*
 * sum_all propagates in topological order.
 */
static void
sum_all(HgView *view, const HgReach *r, HgDir dir, const uint32_t *order,
		uint32_t norder, Sum *sum)
{
	sum[0].value = 1;
	sum[0].stated = true;
	for (uint32_t k = 0; k < norder; k++)
	{
		HgEdges		it;

		hg_edges_begin(&it, view, r->node[order[k]], dir);
		while (hg_edges_next(&it))
			add_path(view->g, it.entry, &sum[order[k]],
					 &sum[r->marks->pos[it.node]]);
	}
}

/*
 * sum_levels propagates level by level, paths of max_depth edges at most.
 * Only nodes of the topological order take part, so levels come to an end.
 */
static void
sum_levels(HgView *view, const HgReach *r, HgDir dir, uint32_t max_depth,
		   const uint32_t *order, uint32_t norder, Sum *sum)
{
	size_t		size = (size_t) r->n * sizeof(uint32_t);
	Sum		   *at = hg_host.alloc(r->arena, r->n * sizeof(Sum));
	Sum		   *next = hg_host.alloc(r->arena, r->n * sizeof(Sum));
	uint32_t   *front = hg_host.alloc(r->arena, size);
	uint32_t   *coming = hg_host.alloc(r->arena, size);
	uint32_t   *seen = hg_host.alloc(r->arena, size);
	bool	   *ordered = hg_host.alloc(r->arena, r->n * sizeof(bool));
	uint32_t	nfront = 1;

	memset(seen, 0, size);
	memset(ordered, 0, r->n * sizeof(bool));
	for (uint32_t k = 0; k < norder; k++)
		ordered[order[k]] = true;
	sum[0].value = at[0].value = 1;
	sum[0].stated = at[0].stated = true;
	front[0] = 0;
	for (uint32_t level = 1; level <= max_depth && nfront > 0; level++)
	{
		uint32_t	ncoming = 0;
		Sum		   *swap_sum;
		uint32_t   *swap;

		hg_host.check_interrupts();
		for (uint32_t k = 0; k < nfront; k++)
		{
			HgEdges		it;

			hg_edges_begin(&it, view, r->node[front[k]], dir);
			while (hg_edges_next(&it))
			{
				uint32_t	to = r->marks->pos[it.node];

				if (!ordered[to])
					continue;
				if (seen[to] != level)
				{
					seen[to] = level;
					coming[ncoming++] = to;
					next[to].value = 0;
					next[to].stated = false;
				}
				add_path(view->g, it.entry, &at[front[k]], &next[to]);
			}
		}
		for (uint32_t k = 0; k < ncoming; k++)
		{
			uint32_t	to = coming[k];

			if (next[to].stated)
			{
				sum[to].value += next[to].value;
				sum[to].stated = true;
			}
		}
		swap_sum = at, at = next, next = swap_sum;
		swap = front, front = coming, coming = swap;
		nfront = ncoming;
	}
	hg_host.free(at);
	hg_host.free(next);
	hg_host.free(front);
	hg_host.free(coming);
	hg_host.free(seen);
	hg_host.free(ordered);
}

/*
 * hg_shares computes the share of every node of a reach.
 */
void
hg_shares(HgView *view, HgReach *r, HgDir dir, uint32_t max_depth,
		  double *share, bool *stated)
{
	Sum		   *sum;
	uint32_t   *order;
	uint32_t	norder;

	memset(stated, 0, r->n * sizeof(bool));
	memset(share, 0, r->n * sizeof(double));
	if (!(view->g->roles & HG_HAS_WEIGHT))
		return;

	hg_reach_mark(r, view);
	sum = hg_host.alloc(r->arena, r->n * sizeof(Sum));
	memset(sum, 0, r->n * sizeof(Sum));
	order = hg_host.alloc(r->arena, (size_t) r->n * sizeof(uint32_t));
	norder = topological(view, r, dir, order);
	if (max_depth == HG_UNLIMITED)
		sum_all(view, r, dir, order, norder, sum);
	else
		sum_levels(view, r, dir, max_depth, order, norder, sum);
	for (uint32_t k = 0; k < norder; k++)
	{
		share[order[k]] = sum[order[k]].value;
		stated[order[k]] = sum[order[k]].stated;
	}
	hg_host.free(order);
	hg_host.free(sum);
}
