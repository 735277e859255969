/*-------------------------------------------------------------------------
 *
 * gather.h
 *	  The innermost step of cutting a dag out: the rows that lead from a node
 *	  to its parents.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HG_GATHER_H
#define HG_GATHER_H

#include "graph/dag.h"

/* Entries fetched ahead in sequential passes. */
#define HG_AHEAD		24U

/*
 * hg_gather lists the rows of the mode that lead to a node's parents; weights:
 * theirs will be asked for.
 */
static inline __attribute__((always_inline)) uint32_t
hg_gather(HgCut *c, uint32_t node, bool weights)
{
	const HgGraph *g = c->g;
	const HgBase *b = &g->base;
	uint32_t	n = 0;

	if (node < b->nnodes)
	{
		uint32_t	pos = b->in_start[node];
		uint32_t	end = b->in_start[node + 1];
		HgNear	   *near;

		if (end - pos > c->near_size)
			hg_cut_need(c, end - pos);
		near = c->near;
		for (; pos < end; pos++)
		{
			uint32_t	entry = b->in_entry[pos];
			uint32_t	parent = b->parent[entry];

			/* where several parents come in, entries are far apart */
			if (pos + c->ahead < c->ahead_end)
			{
				uint32_t	coming = b->in_entry[pos + c->ahead];

				__builtin_prefetch(&b->parent[coming]);
				if (weights && b->weight != NULL)
				{
					__builtin_prefetch(&b->weight[coming]);
					__builtin_prefetch(&b->flags[coming]);
				}
			}

			if (parent == HG_NONE)
				continue;
			if (!c->plain &&
				!(c->keep ? hg_bit(c->keep, entry) : hg_cut_counts(c, entry)))
				continue;
			near[n].node = parent;
			near[n++].entry = entry;
		}
	}
	if (c->overlay && hg_touched(g, node))
		n = hg_gather_overlay(c, node, n);
	return n;
}

#endif							/* HG_GATHER_H */
