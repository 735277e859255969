/*-------------------------------------------------------------------------
 *
 * view.c
 *	  One query's way to look at a graph: which entries pass, the edges of a
 *	  node, and working memory for walks.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

/*
 * hg_view_init sets up a view.
 */
void
hg_view_init(HgView *view, HgGraph *g, const HgFilter *filter,
			 const uint8_t *vm, uint32_t vm_pages, bool all_visible,
			 HgVisible visible, void *visible_arg)
{
	hg_overlay_link(g);
	view->g = g;
	view->nnodes = hg_graph_nodes(g);
	view->nentries = hg_graph_entries(g);
	if (filter)
		view->filter = *filter;
	else
		memset(&view->filter, 0, sizeof(HgFilter));
	view->vm = vm;
	view->vm_pages = vm_pages;
	view->visible = visible;
	view->visible_arg = visible_arg;
	view->owner = hg_host.owner();
	view->plain = (all_visible || visible == NULL) && g->ngone == 0 &&
		!view->filter.by_day && !view->filter.primary_only &&
		!view->filter.by_label;
}

/*
 * has_label: is the label among those asked for?  They are sorted.
 */
static bool
has_label(const HgFilter *filter, int32_t label)
{
	int			low = 0,
				high = filter->nlabels;

	while (low < high)
	{
		int			mid = low + (high - low) / 2;

		if (filter->labels[mid] == label)
			return true;
		if (filter->labels[mid] < label)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/*
 * passes applies the filter to an entry.
 */
static bool
passes(const HgView *view, uint32_t entry)
{
	const HgFilter *filter = &view->filter;
	HgEntry		e;

	if (!filter->by_day && !filter->primary_only && !filter->by_label)
		return true;
	hg_graph_entry(view->g, entry, &e);
	if (filter->by_day &&
		!hg_day_within(filter->day, e.valid_from, e.valid_to))
		return false;
	if (filter->primary_only && e.parent != HG_NONE &&
		!(e.flags & HG_ENTRY_PRIMARY))
		return false;
	if (filter->by_label &&
		((e.flags & HG_ENTRY_LABEL_NULL) || !has_label(filter, e.label)))
		return false;
	return true;
}

/*
 * row_visible: is the row behind the entry visible to the snapshot?
 */
static bool
row_visible(const HgView *view, uint32_t entry)
{
	const HgGraph *g = view->g;
	uint32_t	block;
	uint16_t	off;

	if (view->visible == NULL)
		return true;
	if (entry >= g->base.nentries)
	{
		block = hg_over(g, entry)->e.tid_block;
		off = hg_over(g, entry)->e.tid_off;
	}
	else
	{
		block = g->base.tid_block[entry];
		off = g->base.tid_off[entry];
	}
	/* two bits a heap page, the lower one says all-visible */
	if (block < view->vm_pages &&
		(view->vm[block >> 2] >> ((block & 3) * 2)) & 1)
		return true;
	return view->visible(view->visible_arg, entry, block, off);
}

/*
 * hg_view_sees: does the view include this entry?
 */
bool
hg_view_sees(const HgView *view, uint32_t entry)
{
	if (entry >= view->nentries || hg_graph_entry_gone(view->g, entry))
		return false;
	if (view->plain)
		return true;
	if (entry < view->g->base.nentries)
		return hg_sees_base(view, entry);
	return passes(view, entry) && row_visible(view, entry);
}

/*
 * hg_sees_rest tests an entry in full.
 */
bool
hg_sees_rest(const HgView *view, uint32_t entry)
{
	return passes(view, entry) && row_visible(view, entry);
}

/*
 * hg_edges_begin starts a walk over the edges of a node.
 */
void
hg_edges_begin(HgEdges *it, const HgView *view, uint32_t node, HgDir dir)
{
	const HgGraph *g = view->g;
	const HgBase *b = &g->base;
	HgOverlayHead *head;

	it->view = view;
	it->dir = dir;
	it->pos = it->end = 0;
	if (node < b->nnodes)
	{
		const uint32_t *start = (dir == HG_DOWN) ? b->out_start : b->in_start;

		it->pos = start[node];
		it->end = start[node + 1];
	}
	head = hg_overlay_head(g, node);
	it->overlay = HG_NONE;
	if (head != NULL)
		it->overlay = (dir == HG_DOWN) ? head->out : head->in;
}

/*
 * hg_edges_next steps to the next edge; registrations are no edges.
 */
bool
hg_edges_next(HgEdges *it)
{
	const HgView *view = it->view;
	const HgGraph *g = view->g;
	const HgBase *b = &g->base;

	while (it->pos < it->end)
	{
		if (it->dir == HG_DOWN)
		{
			it->entry = it->pos++;
			it->node = b->child[it->entry];
		}
		else
		{
			it->entry = b->in_entry[it->pos++];
			it->node = b->parent[it->entry];
			if (it->node == HG_NONE)
				continue;
		}
		if (view->plain || hg_view_sees(view, it->entry))
			return true;
	}
	while (it->overlay != HG_NONE)
	{
		const HgOverlayEntry *o = &g->over[it->overlay];

		it->entry = b->nentries + it->overlay;
		if (it->dir == HG_DOWN)
		{
			it->overlay = o->next_out;
			it->node = o->e.child;
		}
		else
		{
			it->overlay = o->next_in;
			it->node = o->e.parent;
			if (it->node == HG_NONE)
				continue;
		}
		if (hg_view_sees(view, it->entry))
			return true;
	}
	return false;
}

/*
 * hg_node_has_edge: has the node any edge in this direction?
 */
bool
hg_node_has_edge(const HgView *view, uint32_t node, HgDir dir)
{
	HgEdges		it;

	if (dir == HG_DOWN && node < view->g->base.nnodes &&
		hg_is_leaf(view->g, node))
		return false;
	hg_edges_begin(&it, view, node, dir);
	return hg_edges_next(&it);
}

/*
 * registered: does a row without parent mention the node?
 */
static bool
registered(const HgView *view, uint32_t node)
{
	const HgGraph *g = view->g;
	const HgBase *b = &g->base;
	HgOverlayHead *head;

	if (node < b->nnodes)
	{
		for (uint32_t i = b->in_start[node]; i < b->in_start[node + 1]; i++)
		{
			if (b->parent[b->in_entry[i]] == HG_NONE &&
				hg_view_sees(view, b->in_entry[i]))
				return true;
		}
	}
	head = hg_overlay_head(g, node);
	if (head != NULL)
	{
		for (uint32_t i = head->in; i != HG_NONE; i = g->over[i].next_in)
		{
			if (g->over[i].e.parent == HG_NONE &&
				hg_view_sees(view, b->nentries + i))
				return true;
		}
	}
	return false;
}

/*
 * hg_node_exists: does any row of the view mention the node?
 */
bool
hg_node_exists(const HgView *view, uint32_t node)
{
	if (node >= view->nnodes)
		return false;
	/* the base has no node that no entry mentions */
	if (view->plain && node < view->g->base.nnodes)
		return true;
	return hg_node_has_edge(view, node, HG_UP) ||
		hg_node_has_edge(view, node, HG_DOWN) ||
		registered(view, node);
}

/*
 * hg_view_lookup finds the node of a key if it exists in the view.
 */
uint32_t
hg_view_lookup(const HgView *view, const HgKey *key)
{
	uint32_t	node = hg_graph_lookup(view->g, key);

	if (node == HG_NONE || !hg_node_exists(view, node))
		return HG_NONE;
	return node;
}

/*
 * hg_scratch_take returns working memory for all nodes of the view, all
 * unmarked.
 */
HgScratch *
hg_scratch_take(HgView *view)
{
	HgGraph    *g = view->g;
	HgScratch  *s = g->scratch;

	while (s != NULL && s->in_use)
		s = s->next;
	if (s == NULL)
	{
		s = hg_alloc(g, sizeof(HgScratch));
		memset(s, 0, sizeof(HgScratch));
		s->next = g->scratch;
		g->scratch = s;
	}
	if (s->size < view->nnodes)
	{
		uint32_t	size = view->nnodes + (view->nnodes - g->base.nnodes) / 2 + 64;

		/* a failing allocation must not leave dangling pointers behind */
		g->bytes -= (size_t) s->size * 2 * sizeof(uint32_t);
		s->size = 0;
		if (s->stamp != NULL)
			hg_host.free(s->stamp);
		s->stamp = NULL;
		if (s->pos != NULL)
			hg_host.free(s->pos);
		s->pos = NULL;
		s->stamp = hg_host.alloc(g->arena, (size_t) size * sizeof(uint32_t));
		s->pos = hg_host.alloc(g->arena, (size_t) size * sizeof(uint32_t));
		memset(s->stamp, 0, (size_t) size * sizeof(uint32_t));
		g->bytes += (size_t) size * 2 * sizeof(uint32_t);
		s->size = size;
		s->epoch = 0;
	}
	s->in_use = true;
	s->owner = view->owner;
	hg_scratch_clear(s);
	return s;
}

/*
 * hg_scratch_clear unmarks all nodes.
 */
void
hg_scratch_clear(HgScratch *s)
{
	if (++s->epoch == 0)
	{
		memset(s->stamp, 0, (size_t) s->size * sizeof(uint32_t));
		s->epoch = 1;
	}
}

/*
 * hg_scratch_give returns working memory to the pool.
 */
void
hg_scratch_give(HgScratch *s)
{
	s->in_use = false;
}

/*
 * hg_seen_take returns a set of bits, all clear.
 */
HgSeen *
hg_seen_take(HgView *view)
{
	HgGraph    *g = view->g;
	HgSeen	   *s = g->seen;

	while (s != NULL && s->in_use)
		s = s->next;
	if (s == NULL)
	{
		s = hg_alloc(g, sizeof(HgSeen));
		memset(s, 0, sizeof(HgSeen));
		s->next = g->seen;
		g->seen = s;
	}
	if (s->size < view->nnodes)
	{
		uint32_t	size = view->nnodes + (view->nnodes - g->base.nnodes) / 2 + 64;

		g->bytes -= s->size / 8;
		s->size = 0;
		if (s->bits != NULL)
			hg_host.free(s->bits);
		s->bits = NULL;
		s->bits = hg_host.alloc(g->arena, (size_t) size / 8 + 1);
		g->bytes += size / 8;
		s->size = size;
		s->dirty = true;
	}
	if (s->dirty)
		memset(s->bits, 0, (size_t) s->size / 8 + 1);
	s->dirty = true;
	s->in_use = true;
	s->owner = view->owner;
	return s;
}

/*
 * hg_seen_clear clears the bits of n nodes, which are all that are set.
 */
void
hg_seen_clear(HgSeen *seen, const uint32_t *node, uint32_t n)
{
	if (n > seen->size / 64)
		memset(seen->bits, 0, (size_t) seen->size / 8 + 1);
	else
	{
		for (uint32_t i = 0; i < n; i++)
			seen->bits[node[i] >> 3] = 0;
	}
}

/*
 * hg_seen_give returns them to the pool.
 */
void
hg_seen_give(HgSeen *seen, const uint32_t *node, uint32_t n)
{
	hg_seen_clear(seen, node, n);
	seen->dirty = false;
	seen->in_use = false;
}

/*
 * hg_scratch_reclaim frees for reuse what a failed owner still holds.
 */
void
hg_scratch_reclaim(HgGraph *g, const void *owner)
{
	for (HgScratch *s = g->scratch; s != NULL; s = s->next)
	{
		if (s->in_use && (owner == NULL || s->owner == owner))
			s->in_use = false;
	}
	for (HgSeen *s = g->seen; s != NULL; s = s->next)
	{
		if (s->in_use && (owner == NULL || s->owner == owner))
			s->in_use = false;
	}
}
