/*-------------------------------------------------------------------------
 *
 * neighbours.c
 *	  The distinct neighbours of one node, weights of parallel rows added.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

/*
 * hg_neighbours collects the neighbours of a node in first-seen order.
 */
uint32_t
hg_neighbours(HgView *view, uint32_t node, HgDir dir, void *arena,
			  HgNeighbour **out)
{
	uint32_t	n = 0,
				size = 8;
	HgNeighbour *list = hg_host.alloc(arena, size * sizeof(HgNeighbour));
	HgScratch  *seen = hg_scratch_take(view);
	HgEdges		it;

	hg_edges_begin(&it, view, node, dir);
	while (hg_edges_next(&it))
	{
		HgNeighbour *to;
		double		weight;

		if (seen->stamp[it.node] != seen->epoch)
		{
			if (n == size)
			{
				size *= 2;
				list = hg_host.realloc(list, size * sizeof(HgNeighbour));
				hg_host.check_interrupts();
			}
			seen->stamp[it.node] = seen->epoch;
			seen->pos[it.node] = n;
			list[n].node = it.node;
			list[n].stated = false;
			list[n++].weight = 0;
		}
		to = &list[seen->pos[it.node]];
		if (hg_entry_weight(view->g, it.entry, &weight))
		{
			to->stated = true;
			to->weight += weight;
		}
	}
	hg_scratch_give(seen);
	*out = list;
	return n;
}
