/*-------------------------------------------------------------------------
 *
 * between.c
 *	  Shares of one node for each of its ancestors, to the last bit those that
 *	  a walk down from the ancestor finds.
 *
 * A walk up from the node multiplies and adds the same weights in another
 * order, and so rounds in other places.  Here every ancestor is the start of
 * a walk down, but one that stays above the node: nothing else contributes to
 * the share.  Nodes come in the same order as in hg_shares, since that depends
 * only on nodes above them.
 *
 * The edges between all ancestors are found from below, since an ancestor may
 * have many children that are none.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

#include <stdlib.h>

#define CHECK_EVERY 4096

/* An edge between two nodes of the reach, in the list of its upper end. */
typedef struct Edge
{
	uint32_t	from;			/* position in the reach */
	uint32_t	to;
	uint32_t	rank;			/* order of edges from the same node */
	uint32_t	entry;
} Edge;

typedef struct Sum
{
	double		value;
	bool		stated;
} Sum;

struct HgBetween
{
	const HgGraph *g;
	uint32_t	n;				/* nodes of the reach */
	uint32_t	nedges;
	Edge	   *edge;
	uint32_t   *first;			/* n + 1: where a node's edges begin */

	/* of the walk at hand, by position in the reach */
	uint32_t	walk;			/* its number, */
	uint32_t   *seen;			/* which marks its nodes */
	uint32_t   *degree;
	uint32_t   *node;			/* its nodes, breadth first */
	uint32_t   *order;			/* topological */
	Sum		   *sum;

	/* with a depth limit */
	bool	   *ordered;
	uint32_t   *touched;
	uint32_t   *front;
	uint32_t   *coming;
	Sum		   *at;
	Sum		   *next;
};

/*
 * edge_compare sorts edges by node, and then as hg_edges_next lists them going
 * down: base entries by number, the overlay's youngest first.
 */
static int
edge_compare(const void *a, const void *b)
{
	const Edge *x = a;
	const Edge *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

/*
 * collect_edges finds all edges between nodes of the reach.
 */
static void
collect_edges(HgBetween *b, HgView *view, HgReach *up)
{
	uint32_t	size = up->n + 16;
	uint32_t	nbase = view->g->base.nentries;
	uint32_t	from = 0;

	b->edge = hg_host.alloc(up->arena, (size_t) size * sizeof(Edge));
	for (uint32_t i = 0; i < up->n; i++)
	{
		HgEdges		it;

		if (i % CHECK_EVERY == CHECK_EVERY - 1)
			hg_host.check_interrupts();
		hg_edges_begin(&it, view, up->node[i], HG_UP);
		while (hg_edges_next(&it))
		{
			Edge	   *e;

			if (b->nedges == size)
			{
				size *= 2;
				b->edge = hg_host.realloc(b->edge, (size_t) size * sizeof(Edge));
			}
			e = &b->edge[b->nedges++];
			e->from = up->marks->pos[it.node];
			e->to = i;
			e->rank = it.entry < nbase ? it.entry : UINT32_MAX - (it.entry - nbase);
			e->entry = it.entry;
		}
	}
	qsort(b->edge, b->nedges, sizeof(Edge), edge_compare);
	for (uint32_t k = 0; k <= b->nedges; k++)
	{
		uint32_t	last = k < b->nedges ? b->edge[k].from : b->n;

		while (from <= last)
			b->first[from++] = k;
	}
}

/*
 * hg_between_begin prepares for a reach upward that nothing has cut short.
 */
HgBetween *
hg_between_begin(HgView *view, HgReach *up)
{
	HgBetween  *b = hg_host.alloc(up->arena, sizeof(HgBetween));
	size_t		size = (size_t) up->n * sizeof(uint32_t);

	memset(b, 0, sizeof(HgBetween));
	b->g = view->g;
	b->n = up->n;
	hg_reach_mark(up, view);
	b->first = hg_host.alloc(up->arena, size + sizeof(uint32_t));
	b->seen = hg_host.alloc(up->arena, size);
	b->degree = hg_host.alloc(up->arena, size);
	b->node = hg_host.alloc(up->arena, size);
	b->order = hg_host.alloc(up->arena, size);
	b->sum = hg_host.alloc(up->arena, b->n * sizeof(Sum));
	b->ordered = hg_host.alloc(up->arena, b->n * sizeof(bool));
	b->touched = hg_host.alloc(up->arena, size);
	b->front = hg_host.alloc(up->arena, size);
	b->coming = hg_host.alloc(up->arena, size);
	b->at = hg_host.alloc(up->arena, b->n * sizeof(Sum));
	b->next = hg_host.alloc(up->arena, b->n * sizeof(Sum));
	memset(b->seen, 0, size);
	collect_edges(b, view, up);
	return b;
}

/*
 * walk_down lists the nodes between an ancestor and the node within max_depth
 * edges, and how many edges lead to each.  Returns their number.
 */
static uint32_t
walk_down(HgBetween *b, uint32_t start, uint32_t max_depth)
{
	uint32_t	n = 1;
	uint32_t	i = 0;

	b->walk++;
	b->seen[start] = b->walk;
	b->node[0] = start;
	for (uint32_t depth = 0; i < n && depth < max_depth; depth++)
	{
		uint32_t	end = n;

		for (; i < end; i++)
		{
			uint32_t	from = b->node[i];

			if (i % CHECK_EVERY == CHECK_EVERY - 1)
				hg_host.check_interrupts();
			for (uint32_t k = b->first[from]; k < b->first[from + 1]; k++)
			{
				uint32_t	to = b->edge[k].to;

				if (b->seen[to] == b->walk)
					continue;
				b->seen[to] = b->walk;
				b->node[n++] = to;
			}
		}
	}
	for (i = 0; i < n; i++)
		b->degree[b->node[i]] = 0;
	for (i = 0; i < n; i++)
	{
		for (uint32_t k = b->first[b->node[i]]; k < b->first[b->node[i] + 1]; k++)
		{
			if (b->seen[b->edge[k].to] == b->walk)
				b->degree[b->edge[k].to]++;
		}
	}
	return n;
}

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
 * sum_levels is the sum over paths of at most max_depth edges.
 */
static void
sum_levels(HgBetween *b, uint32_t start, uint32_t max_depth, uint32_t n,
		   uint32_t norder)
{
	uint32_t	nfront = 1;

	for (uint32_t i = 0; i < n; i++)
	{
		b->ordered[b->node[i]] = false;
		b->touched[b->node[i]] = 0;
	}
	for (uint32_t k = 0; k < norder; k++)
		b->ordered[b->order[k]] = true;
	b->at[start] = b->sum[start];
	b->front[0] = start;
	for (uint32_t level = 1; level <= max_depth && nfront > 0; level++)
	{
		uint32_t	ncoming = 0;
		Sum		   *swap_sum;
		uint32_t   *swap;

		hg_host.check_interrupts();
		for (uint32_t i = 0; i < nfront; i++)
		{
			uint32_t	from = b->front[i];

			for (uint32_t k = b->first[from]; k < b->first[from + 1]; k++)
			{
				uint32_t	to = b->edge[k].to;

				if (b->seen[to] != b->walk || !b->ordered[to])
					continue;
				if (b->touched[to] != level)
				{
					b->touched[to] = level;
					b->coming[ncoming++] = to;
					b->next[to].value = 0;
					b->next[to].stated = false;
				}
				add_path(b->g, b->edge[k].entry, &b->at[from], &b->next[to]);
			}
		}
		for (uint32_t k = 0; k < ncoming; k++)
		{
			uint32_t	to = b->coming[k];

			if (b->next[to].stated)
			{
				b->sum[to].value += b->next[to].value;
				b->sum[to].stated = true;
			}
		}
		swap_sum = b->at, b->at = b->next, b->next = swap_sum;
		swap = b->front, b->front = b->coming, b->coming = swap;
		nfront = ncoming;
	}
}

/*
 * hg_between_share is the share of the reach's start for its node number
 * "above"; false when it is not stated.
 */
bool
hg_between_share(HgBetween *b, uint32_t above, uint32_t max_depth,
				 double *share)
{
	uint32_t	n = walk_down(b, above, max_depth);
	uint32_t	head = 0,
				tail = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		b->sum[b->node[i]].value = 0;
		b->sum[b->node[i]].stated = false;
	}
	/* nothing is stated of a node on a cycle, nor behind it */
	if (b->degree[above] == 0)
	{
		b->sum[above].value = 1;
		b->sum[above].stated = true;
		b->order[tail++] = above;
	}
	while (head < tail)
	{
		uint32_t	from = b->order[head++];

		if (head % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t k = b->first[from]; k < b->first[from + 1]; k++)
		{
			uint32_t	to = b->edge[k].to;

			if (b->seen[to] != b->walk)
				continue;
			if (max_depth == HG_UNLIMITED)
				add_path(b->g, b->edge[k].entry, &b->sum[from], &b->sum[to]);
			if (--b->degree[to] == 0)
				b->order[tail++] = to;
		}
	}
	/* what came over edges from outside of the order does not count */
	if (b->degree[0] != 0)
		return false;
	if (max_depth != HG_UNLIMITED)
		sum_levels(b, above, max_depth, n, tail);
	*share = b->sum[0].value;
	return b->sum[0].stated;
}

/*
 * hg_between_end frees everything.
 */
void
hg_between_end(HgBetween *b)
{
	hg_host.free(b->edge);
	hg_host.free(b->first);
	hg_host.free(b->seen);
	hg_host.free(b->degree);
	hg_host.free(b->node);
	hg_host.free(b->order);
	hg_host.free(b->sum);
	hg_host.free(b->ordered);
	hg_host.free(b->touched);
	hg_host.free(b->front);
	hg_host.free(b->coming);
	hg_host.free(b->at);
	hg_host.free(b->next);
	hg_host.free(b);
}
