/*-------------------------------------------------------------------------
 *
 * link.c
 *	  Writes the edges of a dag: parallel rows become one edge, parents stand
 *	  in the order of their keys, weights are checked and added.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "graph/gather.h"

/* Rows to parents that are sorted by insertion. */
#define FEW_PARENTS		12

/*
 * num_of returns the integer key of a node.
 */
static inline int64_t
num_of(const HgGraph *g, uint32_t node)
{
	return (node < g->base.nnodes) ? g->base.key_num[node] :
		g->new_num[node - g->base.nnodes];
}

/*
 * key_before: does the key of a come before that of b?  Bytewise for what is
 * not a number.
 */
static inline bool
key_before(const HgGraph *g, uint32_t a, uint32_t b)
{
	HgKey		x,
				y;
	uint32_t	len;
	int			cmp;

	if (g->kind == HG_KEY_INT)
		return num_of(g, a) < num_of(g, b);
	x = hg_graph_key(g, a);
	y = hg_graph_key(g, b);
	len = (x.len < y.len) ? x.len : y.len;
	cmp = memcmp(x.bytes, y.bytes, len);
	return cmp != 0 ? cmp < 0 : x.len < y.len;
}

/*
 * insert_sorted sorts a few rows by their parent's key; rows of the same
 * parent keep their order.
 */
static void
insert_sorted(const HgGraph *g, HgNear *near, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
	{
		HgNear		it = near[i];
		uint32_t	j = i;

		while (j > 0 && it.node != near[j - 1].node &&
			   key_before(g, it.node, near[j - 1].node))
		{
			near[j] = near[j - 1];
			j--;
		}
		near[j] = it;
	}
}

/*
 * sort_near sorts the gathered rows by their parent's key.
 */
static void
sort_near(HgCut *c, uint32_t n)
{
	const HgGraph *g = c->g;

	for (uint32_t i = 0; i < n; i += FEW_PARENTS)
		insert_sorted(g, c->near + i, (n - i < FEW_PARENTS) ? n - i : FEW_PARENTS);
	if (n <= FEW_PARENTS)
		return;

	/* merge runs of twice the length each time */
	if (c->spare_size < c->near_size)
	{
		if (c->spare != NULL)
			hg_host.free(c->spare);
		c->spare = NULL;
		c->spare = hg_host.alloc(c->arena, (size_t) c->near_size * sizeof(HgNear));
		c->spare_size = c->near_size;
	}
	for (uint64_t run = FEW_PARENTS; run < n; run *= 2)
	{
		HgNear	   *from = c->near;
		HgNear	   *to = c->spare;
		uint32_t	swap = c->near_size;

		hg_host.check_interrupts();
		for (uint64_t start = 0; start < n; start += 2 * run)
		{
			uint64_t	a = start;
			uint64_t	a_end = (start + run < n) ? start + run : n;
			uint64_t	b = a_end;
			uint64_t	b_end = (a_end + run < n) ? a_end + run : n;

			for (uint64_t at = start; at < b_end; at++)
			{
				if (b == b_end ||
					(a < a_end && !key_before(g, from[b].node, from[a].node)))
					to[at] = from[a++];
				else
					to[at] = from[b++];
			}
		}
		c->near = to;
		c->near_size = c->spare_size;
		c->spare = from;
		c->spare_size = swap;
	}
}

/*
 * note_weight notes the first weight that is out of range, and whether it can
 * be calculated with at all.
 */
static void
note_weight(HgDag *dag, double weight, uint32_t parent, uint32_t child)
{
	bool		unusable = !(weight >= -HG_MAX_WEIGHT && weight <= HG_MAX_WEIGHT);

	if (dag->out_of_range && !(unusable && !dag->unusable))
		return;
	dag->out_of_range = true;
	dag->unusable = unusable;
	dag->bad_parent = parent;
	dag->bad_child = child;
	dag->bad_weight = weight;
}

/*
 * add_weight adds what a row states to its edge's weight.  Compensated, so that
 * the order of parallel rows makes no difference.
 */
static inline void
add_weight(HgDag *dag, const HgGraph *g, const HgNear *row, uint32_t child,
		   uint32_t at, HgReal *sum)
{
	double		weight;

	if (!hg_entry_weight(g, row->entry, &weight))
	{
		dag->nunstated++;
		return;
	}
	if (!(weight >= 0 && weight <= 1))
		note_weight(dag, weight, row->node, child);
	hg_real_add(sum, weight);
	dag->weight[at] = sum->sum + sum->rest;
	dag->stated[at] = true;
}

/*
 * note_shares keeps the greatest shares in view: they decide how many decimal
 * places shares have.
 */
static inline void
note_shares(HgDag *dag, uint32_t start, uint32_t end)
{
	double		sum = 0;

	for (uint32_t at = start; at < end; at++)
	{
		double		share = fabs(dag->weight[at]);

		if (share > dag->work->max_share)
			dag->work->max_share = share;
		sum += share;
	}
	if (sum > dag->work->max_shares)
		dag->work->max_shares = sum;
}

/*
 * link_edge writes one edge, and returns the parent's depth.
 */
static inline uint32_t
link_edge(HgCut *c, uint32_t parent, uint32_t at)
{
	HgDag	   *dag = c->dag;
	uint32_t	up = c->scratch->pos[parent];

	dag->up[at] = up;
	if (up >= c->ninner)
		c->ninner = up + 1;
	if (c->mode == HG_WEIGHTED)
	{
		dag->weight[at] = 0;
		dag->stated[at] = false;
	}
	return dag->depth[up];
}

/*
 * link_rows writes the edges that k gathered rows make.  Returns where they
 * end.
 */
static uint32_t
link_rows(HgCut *c, uint32_t i, uint32_t node, uint32_t k, uint32_t at)
{
	HgDag	   *dag = c->dag;
	uint32_t	start = at;
	uint32_t	depth = HG_NO_DEPTH;
	HgReal		weight = {0, 0};

	sort_near(c, k);
	for (uint32_t j = 0; j < k; j++)
	{
		if (j == 0 || c->near[j].node != c->near[j - 1].node)
		{
			uint32_t	above = link_edge(c, c->near[j].node, at++);

			if (above < depth)
				depth = above;
			weight.sum = weight.rest = 0;
		}
		if (c->mode == HG_WEIGHTED)
			add_weight(dag, c->g, &c->near[j], node, at - 1, &weight);
	}
	dag->depth[i] = depth + 1;
	dag->work->nmulti += (at - start > 1);
	if (c->mode == HG_WEIGHTED)
		note_shares(dag, start, at);
	return at;
}

/*
 * link_member writes the edges of one member, whose parents have their numbers
 * already, from position "at" on.  Returns where they end.
 */
static inline uint32_t
link_member(HgCut *c, uint32_t i, uint32_t node, uint32_t at)
{
	HgDag	   *dag = c->dag;
	uint32_t	k = hg_gather(c, node, c->mode == HG_WEIGHTED);

	dag->is_root[i] = (k == 0);
	if (k == 0)
		dag->depth[i] = 0;
	else if (k == 1)
	{
		dag->depth[i] = link_edge(c, c->near[0].node, at) + 1;
		if (c->mode == HG_WEIGHTED)
		{
			HgReal		weight = {0, 0};

			add_weight(dag, c->g, &c->near[0], node, at, &weight);
			note_shares(dag, at, at + 1);
		}
		at++;
	}
	else
		at = link_rows(c, i, node, k, at);
	dag->up_start[i + 1] = at;
	return at;
}

/*
 * alloc_dag allocates the dag's arrays; member[] is there already, or not.
 */
static void
alloc_dag(HgCut *c)
{
	HgDag	   *dag = c->dag;

	dag->n = dag->nmembers = c->n;
	dag->up_start = hg_words(c->arena, c->n);
	dag->up = hg_words(c->arena, c->nedges);
	dag->depth = hg_words(c->arena, c->n);
	dag->is_root = hg_host.alloc(c->arena, (size_t) c->n + 1);
	dag->up_start[0] = 0;
	if (c->mode == HG_WEIGHTED)
	{
		dag->weight = hg_host.alloc(c->arena, (c->nedges + 1) * sizeof(double));
		dag->stated = hg_host.alloc(c->arena, c->nedges + 1);
	}
}

/*
 * hg_link_in_order numbers the marked nodes as they come and writes the edges.
 */
void
hg_link_in_order(HgCut *c)
{
	uint32_t	at = 0;
	uint32_t	i = 0;

	c->member = hg_words(c->arena, c->n);
	alloc_dag(c);
	for (uint32_t node = 0; node < c->view->nnodes; node++)
	{
		if (node % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (c->scratch->stamp[node] != c->scratch->epoch)
			continue;
		c->member[i] = node;
		c->scratch->pos[node] = i;
		at = link_member(c, i++, node, at);
	}
}

/*
 * hg_link_members writes the edges of members that are in order.
 */
void
hg_link_members(HgCut *c)
{
	uint32_t	at = 0;

	alloc_dag(c);
	for (uint32_t i = 0; i < c->n; i++)
	{
		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		at = link_member(c, i, c->member[i], at);
	}
}
