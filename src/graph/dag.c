/*-------------------------------------------------------------------------
 *
 * dag.c
 *	  Cuts what lies above some nodes out of a graph, as a small graph of its
 *	  own, for rollups.
 *
 * First every node above is marked and the rows to its parents counted: by a
 * breadth-first walk upward, or, for many start nodes, by one pass over all
 * nodes from the last to the first.  The latter does where every parent has a
 * smaller number than its children, as is often so (fold.c numbers
 * breadth-first from the roots), and then the nodes are in order already.
 * Otherwise they are peeled off from the bottom (Kahn 1962): only upward edges
 * are needed for that, and what cannot be peeled is a cycle or above one.
 *
 * The marks are a scratch of the graph's pool; the dag keeps it, as its map
 * from nodes to members.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/gather.h"

/* As many start nodes as the graph has nodes, divided by this, are many. */
#define FULL_FRACTION	16

/* Shares of a node up to 1 each, but with this sum, have all their decimals. */
#define EVEN_SHARES		1000.0

/* Nodes ahead of the one at hand whose marks are asked for. */
#define AHEAD			16

/*
 * hg_cut_counts: does a row count in this mode, if it has a parent?
 */
bool
hg_cut_counts(const HgCut *c, uint32_t entry)
{
	const HgBase *b = &c->g->base;

	if (c->mode == HG_PRIMARY)
	{
		uint8_t		flags;

		if (entry >= b->nentries)
			flags = hg_over(c->g, entry)->e.flags;
		else
			flags = b->flags ? b->flags[entry] : 0;
		if (!(flags & HG_ENTRY_PRIMARY))
			return false;
	}
	return hg_view_sees(c->view, entry);
}

/*
 * hg_cut_need makes room for this many rows.
 */
void
hg_cut_need(HgCut *c, uint32_t size)
{
	if (size <= c->near_size)
		return;
	size += size / 2;
	c->near = hg_host.realloc(c->near, (size_t) size * sizeof(HgNear));
	c->near_size = size;
}

/*
 * hg_gather_overlay adds the overlay's rows to the n there are.
 */
uint32_t
hg_gather_overlay(HgCut *c, uint32_t node, uint32_t n)
{
	const HgGraph *g = c->g;
	HgOverlayHead *head = hg_overlay_head(g, node);

	if (head == NULL)
		return n;
	for (uint32_t i = head->in; i != HG_NONE; i = g->over[i].next_in)
	{
		uint32_t	parent = g->over[i].e.parent;
		uint32_t	entry = g->base.nentries + i;

		if (parent == HG_NONE || !hg_cut_counts(c, entry))
			continue;
		hg_cut_need(c, n + 1);
		c->near[n].node = parent;
		c->near[n++].entry = entry;
	}
	return n;
}

/*
 * keep_entries decides on all base entries in the order in which they lie.
 */
static void
keep_entries(HgCut *c)
{
	const HgBase *b = &c->g->base;

	c->keep = hg_host.alloc(c->arena, (size_t) b->nentries / 8 + 1);
	memset(c->keep, 0, (size_t) b->nentries / 8 + 1);
	for (uint32_t e = 0; e < b->nentries; e++)
	{
		if (e % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (b->parent[e] == HG_NONE)
			continue;
		if (c->mode == HG_PRIMARY &&
			!(b->flags && (b->flags[e] & HG_ENTRY_PRIMARY)))
			continue;
		if (c->view->plain || hg_sees_base(c->view, e))
			hg_bit_set(c->keep, e);
	}
}

/*
 * add_member notes a node that was not marked yet.
 */
static inline void
add_member(HgCut *c, uint32_t node)
{
	if (c->n == c->size)
	{
		uint64_t	size = (uint64_t) c->size * 2 + 64;

		if (size > c->view->nnodes)
			size = (uint64_t) c->view->nnodes + 1;
		c->member = hg_host.realloc(c->member, size * sizeof(uint32_t));
		c->size = (uint32_t) size;
	}
	c->scratch->stamp[node] = c->scratch->epoch;
	c->scratch->pos[node] = 0;
	c->member[c->n++] = node;
}

/*
 * mark_upward adds everything above the members, and leaves in each one's pos
 * how many rows name it as a parent.
 */
static void
mark_upward(HgCut *c)
{
	const uint32_t *stamp = c->scratch->stamp;
	uint32_t	epoch = c->scratch->epoch;

	c->nedges = 0;
	for (uint32_t i = 0; i < c->n; i++)
	{
		uint32_t	k = hg_gather(c, c->member[i], false);

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t j = 0; j < k; j++)
		{
			uint32_t	parent = c->near[j].node;

			if (stamp[parent] != epoch)
				add_member(c, parent);
			c->scratch->pos[parent]++;
		}
		c->nedges += k;
	}
}

/*
 * mark_above_overlay does for the overlay's rows of one node what
 * mark_in_order does for those of the base.
 */
static bool
mark_above_overlay(HgCut *c, uint32_t node, bool *marked)
{
	const HgGraph *g = c->g;
	HgOverlayHead *head = hg_overlay_head(g, node);

	if (head == NULL)
		return true;
	for (uint32_t i = head->out; i != HG_NONE; i = g->over[i].next_out)
	{
		uint32_t	child = g->over[i].e.child;

		if (!hg_cut_counts(c, g->base.nentries + i))
			continue;
		if (child <= node)
			return false;
		if (c->scratch->stamp[child] == c->scratch->epoch)
		{
			*marked = true;
			c->nedges++;
		}
	}
	return true;
}

/*
 * mark_in_order marks what lies above the marked nodes in one pass, which
 * works as long as parents have smaller numbers.  Edges are looked at from
 * above, since so they lie in memory.  False: they have not; what is marked
 * then is above all the same.
 */
static bool
mark_in_order(HgCut *c)
{
	const HgBase *b = &c->g->base;
	uint32_t   *stamp = c->scratch->stamp;
	uint32_t	epoch = c->scratch->epoch;
	uint32_t	n = 0;

	c->nedges = 0;
	for (uint32_t node = c->view->nnodes; node-- > 0;)
	{
		bool		marked = false;

		if (node % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (node < b->nnodes && !hg_bit(b->leaf, node))
		{
			uint32_t	end = b->out_start[node + 1];
			uint32_t	n_marked = 0;
			bool		in_order = true;

			for (uint32_t e = b->out_start[node]; e < end; e++)
			{
				uint32_t	child = b->child[e];
				bool		kept = c->plain || hg_bit(c->keep, e);

				if (e + HG_AHEAD < end)
					__builtin_prefetch(&stamp[b->child[e + HG_AHEAD]]);
				/* no branch: what is marked is hard to predict */
				in_order &= !kept | (child > node);
				n_marked += kept & (stamp[child] == epoch);
			}
			if (!in_order)
				return false;
			c->nedges += n_marked;
			marked = n_marked > 0;
		}
		if (c->overlay && hg_touched(c->g, node) &&
			!mark_above_overlay(c, node, &marked))
			return false;
		if (marked)
			stamp[node] = epoch;
		n += (stamp[node] == epoch);
	}
	c->n = n;
	return true;
}

/*
 * list_marked makes members of all marked nodes.
 */
static void
list_marked(HgCut *c)
{
	uint32_t   *pos = c->scratch->pos;

	c->size = c->view->nnodes;
	c->member = hg_words(c->arena, c->size);
	c->n = 0;
	for (uint32_t node = 0; node < c->view->nnodes; node++)
	{
		c->member[c->n] = node;
		if (c->scratch->stamp[node] == c->scratch->epoch)
		{
			pos[node] = 0;
			c->n++;
		}
	}
}

/*
 * peel puts the members into an order with parents first.  False: there is a
 * cycle; *cycle_node is a node on or above it, and the members stay as they
 * were.
 */
static bool
peel(HgCut *c, uint32_t *cycle_node)
{
	uint32_t   *order = hg_words(c->arena, c->n);
	uint32_t   *pos = c->scratch->pos;
	uint32_t	head = 0,
				tail = 0;

	/* backwards, so that turning the order round restores that of nodes */
	for (uint32_t i = c->n; i-- > 0;)
	{
		if (pos[c->member[i]] == 0)
			order[tail++] = c->member[i];
	}
	c->ahead = -HG_AHEAD;
	while (head < tail)
	{
		uint32_t	k = hg_gather(c, order[head], false);

		if (head++ % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t j = 0; j < k; j++)
		{
			if (--pos[c->near[j].node] == 0)
				order[tail++] = c->near[j].node;
		}
	}
	if (tail < c->n)
	{
		for (uint32_t i = 0; i < c->n; i++)
		{
			if (pos[c->member[i]] > 0)
				*cycle_node = c->member[i];
		}
		hg_host.free(order);
		return false;
	}
	for (uint32_t i = 0; i < c->n; i++)
	{
		c->member[i] = order[c->n - 1 - i];
		pos[c->member[i]] = i;
	}
	c->ahead = HG_AHEAD;
	hg_host.free(order);
	return true;
}

/*
 * cut_out does all the work.  False: a cycle that the mode cannot do with.
 */
static bool
cut_out(HgCut *c, const uint32_t *node, uint32_t n, bool full,
		uint32_t *cycle_node)
{
	if (full)
	{
		uint32_t   *stamp = c->scratch->stamp;
		uint32_t	epoch = c->scratch->epoch;

		if (!c->plain)
			keep_entries(c);
		for (uint32_t i = 0; i < n; i++)
			stamp[node[i]] = epoch;
		if (mark_in_order(c))
		{
			hg_link_in_order(c);
			return true;
		}
		list_marked(c);
	}
	else
	{
		c->size = (n < c->view->nnodes) ? n : c->view->nnodes;
		c->member = hg_words(c->arena, c->size);
		for (uint32_t i = 0; i < n; i++)
		{
			if (c->scratch->stamp[node[i]] != c->scratch->epoch)
				add_member(c, node[i]);
		}
	}
	mark_upward(c);
	if (peel(c, cycle_node))
		hg_link_members(c);
	else if (c->mode == HG_DISTINCT || c->mode == HG_PRIMARY)
		hg_dag_condense(c);
	else
		return false;
	return true;
}

/*
 * hg_dag_cut is hg_dag_build, in a given way.
 */
HgDag *
hg_dag_cut(HgView *view, const uint32_t *node, uint32_t n, HgMode mode,
		   HgCutWay way, void *arena, uint32_t *cycle_node)
{
	HgDag	   *dag = hg_host.alloc(arena, sizeof(HgDag));
	HgCut		c;
	bool		full = (way == HG_CUT_FULL);
	bool		good;

	if (way == HG_CUT_AUTO)
		full = (n >= view->nnodes / FULL_FRACTION);
	memset(dag, 0, sizeof(HgDag));
	dag->arena = arena;
	dag->work = hg_host.alloc(arena, sizeof(struct HgDagWork));
	memset(dag->work, 0, sizeof(struct HgDagWork));
	dag->work->scratch = hg_scratch_take(view);

	memset(&c, 0, sizeof(c));
	c.dag = dag;
	c.view = view;
	c.g = view->g;
	c.mode = mode;
	c.arena = arena;
	c.scratch = dag->work->scratch;
	c.plain = view->plain && mode != HG_PRIMARY;
	c.ahead = HG_AHEAD;
	c.ahead_end = full ? c.g->base.nentries : 0;
	c.overlay = view->nentries > view->g->base.nentries;
	c.near_size = 64;
	c.near = hg_host.alloc(arena, c.near_size * sizeof(HgNear));

	good = cut_out(&c, node, n, full, cycle_node);
	dag->member = c.member;
	dag->work->ninner = c.ninner;
	if (c.keep != NULL)
		hg_host.free(c.keep);
	if (c.spare != NULL)
		hg_host.free(c.spare);
	hg_host.free(c.near);
	if (!good)
	{
		hg_dag_free(dag);
		return NULL;
	}
	return dag;
}

/*
 * hg_dag_build cuts what lies above the nodes out of the view.
 */
HgDag *
hg_dag_build(HgView *view, const uint32_t *node, uint32_t n, HgMode mode,
			 void *arena, uint32_t *cycle_node)
{
	return hg_dag_cut(view, node, n, mode, HG_CUT_AUTO, arena, cycle_node);
}

/*
 * hg_dag_local returns the local node that stands for a graph node.
 */
uint32_t
hg_dag_local(const HgDag *dag, uint32_t node)
{
	const HgScratch *s = dag->work->scratch;

	if (node >= s->size || s->stamp[node] != s->epoch)
		return HG_NONE;
	return dag->member_local ? dag->member_local[s->pos[node]] : s->pos[node];
}

/*
 * hg_dag_members turns graph nodes that are in the dag into its members.
 */
void
hg_dag_members(const HgDag *dag, uint32_t *node, uint32_t n)
{
	const uint32_t *pos = dag->work->scratch->pos;

	for (uint32_t i = 0; i < n; i++)
	{
		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (i + AHEAD < n)
			__builtin_prefetch(&pos[node[i + AHEAD]]);
		node[i] = pos[node[i]];
	}
}

/*
 * hg_dag_find turns graph nodes into members, and leaves out those that are
 * none.
 */
uint32_t
hg_dag_find(const HgDag *dag, const uint32_t *node, uint32_t n,
			uint32_t *member)
{
	const HgScratch *s = dag->work->scratch;
	uint32_t	found = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (i + AHEAD < n && node[i + AHEAD] < s->size)
		{
			__builtin_prefetch(&s->stamp[node[i + AHEAD]]);
			__builtin_prefetch(&s->pos[node[i + AHEAD]]);
		}
		if (node[i] < s->size && s->stamp[node[i]] == s->epoch)
			member[found++] = s->pos[node[i]];
	}
	return found;
}

/*
 * hg_dag_is_even: would what lies above any of its members give these the same
 * totals?  The number of unstated shares and the decimal places of shares are
 * matters of the whole dag, as are nodes on cycles, which are one.
 */
bool
hg_dag_is_even(const HgDag *dag)
{
	return dag->member_local == NULL && !dag->out_of_range &&
		dag->nunstated == 0 && dag->work->max_shares <= EVEN_SHARES;
}

/*
 * hg_dag_free gives back everything the dag holds.
 */
void
hg_dag_free(HgDag *dag)
{
	void	   *parts[] = {
		dag->up_start, dag->up, dag->weight, dag->stated, dag->member,
		dag->member_local, dag->depth, dag->is_root
	};

	hg_scratch_give(dag->work->scratch);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
	{
		if (parts[i] != NULL)
			hg_host.free(parts[i]);
	}
	hg_host.free(dag->work);
	hg_host.free(dag);
}
