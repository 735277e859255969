/*-------------------------------------------------------------------------
 *
 * overlay.c
 *	  Contents of a graph: how index pages become entries.
 *
 * New entries go into the overlay.  They are linked into the adjacency lists
 * of their nodes only when somebody is about to walk (hg_overlay_link), so
 * that a load, which is folded before anyone walks, never pays for it.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

HgHost		hg_host;

/*
 * hg_graph_create returns a new, empty graph.
 */
HgGraph *
hg_graph_create(void *arena, HgKeyKind kind, uint32_t roles)
{
	HgGraph    *g = hg_host.alloc(arena, sizeof(HgGraph));

	memset(g, 0, sizeof(HgGraph));
	g->arena = arena;
	g->kind = kind;
	g->roles = roles;
	g->bytes = sizeof(HgGraph);
	return g;
}

/*
 * grow_overlay makes room for this many overlay entries.
 */
static void
grow_overlay(HgGraph *g, uint32_t size)
{
	if (g->base.nentries + size > HG_MAX_ENTRIES)
		hg_host.too_large();
	if (g->over == NULL)
		g->over = hg_host.alloc(g->arena, size * sizeof(HgOverlayEntry));
	else
		g->over = hg_host.realloc(g->over, size * sizeof(HgOverlayEntry));
	g->bytes += (size - g->over_size) * sizeof(HgOverlayEntry);
	g->over_size = size;
}

/*
 * need_block makes the per-block lists long enough for a block.
 */
static void
need_block(HgGraph *g, uint32_t block)
{
	uint32_t	size;

	if (block < g->block_size)
		return;
	size = block + block / 2 + 16;
	if (g->block_first == NULL)
	{
		g->block_first = hg_host.alloc(g->arena, (size_t) size * sizeof(uint32_t));
		g->block_last = hg_host.alloc(g->arena, (size_t) size * sizeof(uint32_t));
	}
	else
	{
		g->block_first = hg_host.realloc(g->block_first,
										 (size_t) size * sizeof(uint32_t));
		g->block_last = hg_host.realloc(g->block_last,
										(size_t) size * sizeof(uint32_t));
	}
	for (uint32_t i = g->block_size; i < size; i++)
		g->block_first[i] = g->block_last[i] = HG_NONE;
	g->bytes += (size_t) (size - g->block_size) * 2 * sizeof(uint32_t);
	g->block_size = size;
}

/*
 * add_entry appends one entry to the overlay and to its block's list.
 */
static void
add_entry(HgGraph *g, uint32_t block, const HgItem *item,
		  uint32_t parent, uint32_t child)
{
	HgOverlayEntry *o;
	uint32_t	i = g->nover;

	if (i == g->over_size)
		grow_overlay(g, (i < 8) ? 16 : i + i / 2);
	o = &g->over[g->nover++];
	o->e.parent = parent;
	o->e.child = child;
	o->e.tid_block = item->tid_block;
	o->e.tid_off = item->tid_off;
	o->e.flags = item->flags & (uint8_t) ~HG_ENTRY_GONE;
	o->e.label = item->label;
	o->e.valid_from = item->valid_from;
	o->e.valid_to = item->valid_to;
	o->e.weight = item->weight;
	o->next_out = o->next_in = o->next_block = HG_NONE;

	if (g->block_first[block] == HG_NONE)
		g->block_first[block] = i;
	else
		g->over[g->block_last[block]].next_block = i;
	g->block_last[block] = i;
}

/*
 * hg_graph_append adds items that stand behind everything seen of the block.
 */
void
hg_graph_append(HgGraph *g, uint32_t block, const HgItem *items, int nitems)
{
	need_block(g, block);
	for (int start = 0; start < nitems; start += HG_DICT_BATCH)
	{
		int			n = (nitems - start < HG_DICT_BATCH) ? nitems - start : HG_DICT_BATCH;
		uint32_t	parent[HG_DICT_BATCH];
		uint32_t	child[HG_DICT_BATCH];

		hg_dict_nodes(g, items + start, n, parent, child);
		for (int i = 0; i < n; i++)
			add_entry(g, block, &items[start + i], parent[i], child[i]);
	}
}

/*
 * key_equal compares a node's key with a key.
 */
static bool
key_equal(const HgGraph *g, uint32_t node, const HgKey *key)
{
	HgKey		mine = hg_graph_key(g, node);

	if (g->kind == HG_KEY_INT)
		return mine.num == key->num;
	return mine.len == key->len &&
		memcmp(mine.bytes, key->bytes, key->len) == 0;
}

/*
 * hg_graph_matches: is this item the entry that the graph holds already?
 *
 * A removed entry and a new one can agree in every part (its row came back to
 * the same place).  Taking the one for the other is harmless then: an entry
 * has no identity beyond its parts.
 */
bool
hg_graph_matches(const HgGraph *g, uint32_t entry, const HgItem *item)
{
	HgEntry		e;

	hg_graph_entry(g, entry, &e);
	if (e.tid_off != item->tid_off || e.tid_block != item->tid_block)
		return false;
	if ((e.parent != HG_NONE) != item->has_parent)
		return false;
	if (item->has_parent && !key_equal(g, e.parent, &item->parent))
		return false;
	if (!key_equal(g, e.child, &item->child))
		return false;
	if (g->roles == 0)
		return true;
	if (e.flags != (item->flags & (uint8_t) ~HG_ENTRY_GONE))
		return false;
	if ((g->roles & HG_HAS_WEIGHT) &&
		memcmp(&e.weight, &item->weight, sizeof(double)) != 0)
		return false;
	if ((g->roles & HG_HAS_LABEL) && e.label != item->label)
		return false;
	if ((g->roles & HG_HAS_VALIDITY) &&
		(e.valid_from != item->valid_from || e.valid_to != item->valid_to))
		return false;
	return true;
}

/*
 * mark_gone notes that the index no longer holds an entry.
 */
static void
mark_gone(HgGraph *g, uint32_t entry)
{
	if (entry >= g->base.nentries)
		hg_over(g, entry)->e.flags |= HG_ENTRY_GONE;
	else
	{
		if (g->gone == NULL)
		{
			size_t		size = ((size_t) g->base.nentries + 7) / 8;

			g->gone = hg_alloc(g, size);
			memset(g->gone, 0, size);
		}
		hg_bit_set(g->gone, entry);
	}
	g->ngone++;
}

/*
 * known_entries lists the entries that the graph holds of a block, in page
 * order.  Returns their number; *known in arena.
 */
static int
known_entries(HgGraph *g, uint32_t block, uint32_t **known)
{
	const HgBase *b = &g->base;
	uint32_t	first = 0,
				end = 0;
	size_t		size;
	int			n = 0;

	if (block < b->nblocks)
	{
		first = b->block_start[block];
		end = b->block_start[block + 1];
	}
	size = end - first;
	if (block < g->block_size)
	{
		for (uint32_t i = g->block_first[block]; i != HG_NONE;
			 i = g->over[i].next_block)
			size++;
	}
	*known = hg_host.alloc(g->arena, (size + 1) * sizeof(uint32_t));
	for (uint32_t i = first; i < end; i++)
	{
		if (g->gone == NULL || !hg_bit(g->gone, b->block_entry[i]))
			(*known)[n++] = b->block_entry[i];
	}
	if (block < g->block_size)
	{
		for (uint32_t i = g->block_first[block]; i != HG_NONE;
			 i = g->over[i].next_block)
		{
			if (!(g->over[i].e.flags & HG_ENTRY_GONE))
				(*known)[n++] = b->nentries + i;
		}
	}
	return n;
}

/*
 * same_tid: do an entry and an item point to the same row?
 */
static inline bool
same_tid(const HgGraph *g, uint32_t entry, const HgItem *item)
{
	if (entry >= g->base.nentries)
		return hg_over(g, entry)->e.tid_off == item->tid_off &&
			hg_over(g, entry)->e.tid_block == item->tid_block;
	return g->base.tid_off[entry] == item->tid_off &&
		g->base.tid_block[entry] == item->tid_block;
}

/*
 * run_of_same returns how many entries agree with the items beside them by
 * TID, of n at most.  From the first that does not, none does: the lists are
 * the same but for what is missing in one of them.  So that first one is found
 * by bisection, which touches few of the entries, scattered as they are in
 * memory.
 */
static int
run_of_same(const HgGraph *g, const uint32_t *known, const HgItem *items, int n)
{
	int			low = 0;

	while (low < n)
	{
		int			mid = low + (n - low) / 2;

		if (same_tid(g, known[mid], &items[mid]))
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

/*
 * match_page marks the entries gone that a page does not hold any more, and
 * returns how many items it knows.
 *
 * Survivors keep their order on the page, so a pass over both lists side by
 * side tells: an entry that is not the next item is gone, items left over at
 * the end are new.
 */
static int
match_page(HgGraph *g, uint32_t block, const HgItem *items, int nitems,
		   int survivors)
{
	uint32_t   *known;
	int			nknown = known_entries(g, block, &known);
	int			next = 0;

	for (int i = 0; i < nknown; i++)
	{
		if (survivors == HG_COMPARE_ALL)
		{
			if (next < nitems && hg_graph_matches(g, known[i], &items[next]))
			{
				next++;
				continue;
			}
		}
		else
		{
			int			left = (nknown - i < survivors - next) ?
				nknown - i : survivors - next;
			int			same = run_of_same(g, known + i, items + next, left);

			i += same;
			next += same;
			if (i == nknown)
				break;
		}
		mark_gone(g, known[i]);
	}
	hg_host.free(known);
	return next;
}

/*
 * hg_graph_sync_page makes the graph hold of a block what its page holds.
 */
void
hg_graph_sync_page(HgGraph *g, uint32_t block, const HgItem *items, int nitems,
				   int survivors)
{
	int			known = match_page(g, block, items, nitems, survivors);

	if (known < nitems)
		hg_graph_append(g, block, items + known, nitems - known);
}

/*
 * hg_graph_prune_page does so for a page that has only lost entries.
 */
bool
hg_graph_prune_page(HgGraph *g, uint32_t block, const HgItem *items, int nitems)
{
	return match_page(g, block, items, nitems, nitems) == nitems;
}

/*
 * find_head returns the slot of a node's list heads, or the empty slot where
 * it belongs.
 */
static HgOverlayHead *
find_head(const HgGraph *g, uint32_t node)
{
	uint32_t	slot = (node * UINT32_C(2654435769)) & g->heads_mask;

	while (g->heads[slot].node != node && g->heads[slot].node != HG_NONE)
		slot = (slot + 1) & g->heads_mask;
	return &g->heads[slot];
}

/*
 * hg_overlay_head returns a node's list heads, NULL if it has none.
 */
HgOverlayHead *
hg_overlay_head(const HgGraph *g, uint32_t node)
{
	HgOverlayHead *head;

	if (!hg_touched(g, node))
		return NULL;
	head = find_head(g, node);
	return head->node == HG_NONE ? NULL : head;
}

/*
 * grow_heads doubles the table of list heads.
 */
static void
grow_heads(HgGraph *g)
{
	HgOverlayHead *old = g->heads;
	uint32_t	old_size = (old == NULL) ? 0 : g->heads_mask + 1;
	uint32_t	size = (old == NULL) ? 64 : old_size * 2;

	g->heads = hg_alloc(g, size * sizeof(HgOverlayHead));
	memset(g->heads, 0xff, size * sizeof(HgOverlayHead));
	g->heads_mask = size - 1;
	for (uint32_t i = 0; i < old_size; i++)
	{
		if (old[i].node != HG_NONE)
			*find_head(g, old[i].node) = old[i];
	}
	if (old != NULL)
	{
		g->bytes -= old_size * sizeof(HgOverlayHead);
		hg_host.free(old);
	}
}

/*
 * head_for_update returns a node's list heads, made if need be.
 */
static HgOverlayHead *
head_for_update(HgGraph *g, uint32_t node)
{
	HgOverlayHead *head;

	if (g->heads == NULL || (g->nheads + 1) * 2 > g->heads_mask)
		grow_heads(g);
	head = find_head(g, node);
	if (head->node == HG_NONE)
	{
		head->node = node;
		g->nheads++;
		hg_bit_set(g->touched, node);
	}
	return head;
}

/*
 * hg_overlay_link puts the entries that came since the last call into the
 * adjacency lists of their nodes.
 */
void
hg_overlay_link(HgGraph *g)
{
	uint32_t	nnodes = g->base.nnodes + g->nnew;

	if (g->nlinked == g->nover)
		return;
	if (nnodes > g->touched_nodes)
	{
		uint32_t	bits = (nnodes + nnodes / 4 + 1024) & ~7U;
		size_t		old = g->touched_nodes / 8;

		if (g->touched == NULL)
			g->touched = hg_host.alloc(g->arena, bits / 8);
		else
			g->touched = hg_host.realloc(g->touched, bits / 8);
		memset(g->touched + old, 0, bits / 8 - old);
		g->bytes += bits / 8 - old;
		g->touched_nodes = bits;
	}
	while (g->nlinked < g->nover)
	{
		uint32_t	i = g->nlinked++;
		HgOverlayEntry *o = &g->over[i];
		HgOverlayHead *head;

		if (o->e.parent != HG_NONE)
		{
			head = head_for_update(g, o->e.parent);
			o->next_out = head->out;
			head->out = i;
		}
		head = head_for_update(g, o->e.child);
		o->next_in = head->in;
		head->in = i;
	}
}

/*
 * hg_graph_wants_fold: has the overlay become so large against the base that
 * merging pays?  Readers feel every overlay entry; a writer only looks up, so
 * it lets the overlay grow to half the base: the work of all folds of a bulk
 * load then adds up to a small multiple of its entries.
 */
bool
hg_graph_wants_fold(const HgGraph *g, bool writing)
{
	uint32_t	change = g->nover + g->ngone;

	if (writing)
		return g->nover > g->base.nentries / 2 + 65536;
	return change > g->base.nentries / 8 + 1024;
}

/*
 * Simple accessors.
 */
size_t
hg_graph_bytes(const HgGraph *g)
{
	return g->bytes;
}

uint32_t
hg_graph_nodes(const HgGraph *g)
{
	return g->base.nnodes + g->nnew;
}

uint32_t
hg_graph_entries(const HgGraph *g)
{
	return g->base.nentries + g->nover;
}

uint32_t
hg_graph_overlay(const HgGraph *g)
{
	return g->nover;
}

uint32_t
hg_graph_gone(const HgGraph *g)
{
	return g->ngone;
}

HgKeyKind
hg_graph_kind(const HgGraph *g)
{
	return g->kind;
}

uint32_t
hg_graph_roles(const HgGraph *g)
{
	return g->roles;
}

/*
 * hg_graph_entry copies an entry out, wherever it is.
 */
void
hg_graph_entry(const HgGraph *g, uint32_t entry, HgEntry *out)
{
	const HgBase *b = &g->base;

	if (entry >= b->nentries)
	{
		*out = hg_over(g, entry)->e;
		return;
	}
	out->parent = b->parent[entry];
	out->child = b->child[entry];
	out->tid_block = b->tid_block[entry];
	out->tid_off = b->tid_off[entry];
	out->flags = b->flags ? b->flags[entry] : 0;
	out->label = b->label ? b->label[entry] : 0;
	out->valid_from = b->valid ? b->valid[2 * (size_t) entry] : HG_DAY_MIN;
	out->valid_to = b->valid ? b->valid[2 * (size_t) entry + 1] : HG_DAY_MAX;
	out->weight = b->weight ? b->weight[entry] : 0;
}

/*
 * hg_graph_entry_gone: does the index no longer hold this entry?
 */
bool
hg_graph_entry_gone(const HgGraph *g, uint32_t entry)
{
	if (entry >= g->base.nentries)
		return (hg_over(g, entry)->e.flags & HG_ENTRY_GONE) != 0;
	return g->gone != NULL && hg_bit(g->gone, entry);
}

/*
 * hg_entry_weight returns the weight of an entry; false when not stated.
 */
bool
hg_entry_weight(const HgGraph *g, uint32_t entry, double *weight)
{
	if (!(g->roles & HG_HAS_WEIGHT))
		return false;
	if (entry >= g->base.nentries)
	{
		HgOverlayEntry *o = hg_over(g, entry);

		*weight = o->e.weight;
		return (o->e.flags & HG_ENTRY_WEIGHT_NULL) == 0;
	}
	*weight = g->base.weight[entry];
	return (g->base.flags[entry] & HG_ENTRY_WEIGHT_NULL) == 0;
}
