/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  Counts over a whole graph.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

#define CHECK_EVERY 4096

/*
 * count_parents counts a node's incoming rows, and whether they come from
 * more than one parent.
 */
static uint32_t
count_parents(const HgView *view, uint32_t node, bool *several)
{
	HgEdges		it;
	uint32_t	first = HG_NONE;
	uint32_t	rows = 0;

	*several = false;
	hg_edges_begin(&it, view, node, HG_UP);
	while (hg_edges_next(&it))
	{
		if (first == HG_NONE)
			first = it.node;
		else if (it.node != first)
			*several = true;
		rows++;
	}
	return rows;
}

/*
 * longest_path returns the edges of the longest path, HG_NONE if cyclic:
 * topological order (Kahn 1962), every node one level below its lowest
 * parent.  degree[] holds the incoming rows of every node and is used up.
 */
static uint32_t
longest_path(const HgView *view, uint32_t *degree, uint64_t nedges, void *arena)
{
	size_t		size = (size_t) view->nnodes * sizeof(uint32_t);
	uint32_t   *level = hg_host.alloc(arena, size + 1);
	uint32_t   *queue = hg_host.alloc(arena, size + 1);
	uint32_t	head = 0,
				tail = 0,
				longest = 0;
	uint64_t	used = 0;

	for (uint32_t i = 0; i < view->nnodes; i++)
	{
		level[i] = 0;
		if (degree[i] == 0)
			queue[tail++] = i;
	}
	while (head < tail)
	{
		uint32_t	node = queue[head++];
		HgEdges		it;

		if (head % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (level[node] > longest)
			longest = level[node];
		hg_edges_begin(&it, view, node, HG_DOWN);
		while (hg_edges_next(&it))
		{
			used++;
			if (level[it.node] < level[node] + 1)
				level[it.node] = level[node] + 1;
			if (--degree[it.node] == 0)
				queue[tail++] = it.node;
		}
	}
	hg_host.free(level);
	hg_host.free(queue);
	return used == nedges ? longest : HG_NONE;
}

/*
 * hg_stats counts.
 */
void
hg_stats(HgView *view, HgStats *stats, void *arena)
{
	uint32_t   *degree = hg_host.alloc(arena,
									   (size_t) view->nnodes * sizeof(uint32_t) + 1);
	HgView		unfiltered = *view;

	memset(stats, 0, sizeof(HgStats));
	memset(&unfiltered.filter, 0, sizeof(HgFilter));
	for (uint32_t e = 0; e < view->nentries; e++)
	{
		if (e % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (!hg_graph_entry_gone(view->g, e) && !hg_view_sees(&unfiltered, e))
			stats->invisible++;
	}
	for (uint32_t i = 0; i < view->nnodes; i++)
	{
		bool		several;

		if (i % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		degree[i] = count_parents(view, i, &several);
		if (degree[i] == 0 && !hg_node_exists(view, i))
			continue;
		stats->nodes++;
		stats->edges += degree[i];
		stats->multi_parent_nodes += several;
		stats->roots += (degree[i] == 0);
		stats->leaves += !hg_node_has_edge(view, i, HG_DOWN);
	}
	stats->max_depth = longest_path(view, degree, stats->edges, arena);
	hg_host.free(degree);
}
