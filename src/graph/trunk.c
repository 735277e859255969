/*-------------------------------------------------------------------------
 *
 * trunk.c
 *	  One parent of each node: the one under which a tree lists it.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

/*
 * hg_trunk is the primary parent of a node, or without one (or if primary
 * is not to be known) the parent with the lowest key; HG_NONE at the top.
 */
uint32_t
hg_trunk(const HgView *view, bool primary, uint32_t node)
{
	uint32_t	best = HG_NONE;
	bool		best_primary = false;
	int64_t		best_key = 0;
	HgEdges		it;

	hg_edges_begin(&it, view, node, HG_UP);
	while (hg_edges_next(&it))
	{
		bool		is_primary = false;
		int64_t		key;

		if (primary)
		{
			HgEntry		entry;

			hg_graph_entry(view->g, it.entry, &entry);
			is_primary = (entry.flags & HG_ENTRY_PRIMARY) != 0;
		}
		if (best != HG_NONE && (it.node == best || is_primary < best_primary))
		{
			best_primary |= is_primary;
			continue;
		}
		key = hg_graph_key(view->g, it.node).num;
		if (best == HG_NONE || is_primary > best_primary || key < best_key)
		{
			best = it.node;
			best_key = key;
			best_primary = is_primary;
		}
	}
	return best;
}
