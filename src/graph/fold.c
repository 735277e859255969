/*-------------------------------------------------------------------------
 *
 * fold.c
 *	  Making a base image out of a graph: base and overlay merged, entries
 *	  that are gone left out.
 *
 * Nodes are numbered anew, breadth-first from the roots.  The children of a
 * node, the grandchildren, and so on down a subtree, so become neighbours in
 * every array, and a walk reads memory in order where it would otherwise miss
 * the cache several times a node.  Three steps:
 *
 *   collect   surviving entries in page order, sorted by parent (a counting
 *             sort over the old numbers);
 *   number    breadth-first over what was collected;
 *   write     keys and entries into one block of memory, in the new order
 *             (image.c).
 *
 *-------------------------------------------------------------------------
 */
#include "graph/fold.h"

/*
 * Walk over all surviving entries in block order.
 */
typedef struct Survivors
{
	const HgGraph *g;
	uint32_t	block;			/* current */
	uint32_t	pos,
				end;			/* in base.block_entry */
	uint32_t	over;			/* next overlay entry of the block */
	uint32_t	nblocks;
	bool		started;
} Survivors;

/*
 * survivors_begin starts the walk.
 */
static void
survivors_begin(Survivors *s, const HgGraph *g, uint32_t nblocks)
{
	s->g = g;
	s->block = 0;
	s->pos = s->end = 0;
	s->over = HG_NONE;
	s->nblocks = nblocks;
	s->started = false;
}

/*
 * survivors_next returns the next entry, or HG_NONE; s->block is its block.
 */
static uint32_t
survivors_next(Survivors *s)
{
	const HgGraph *g = s->g;

	for (;;)
	{
		while (s->pos < s->end)
		{
			uint32_t	entry = g->base.block_entry[s->pos++];

			if (g->gone == NULL || !hg_bit(g->gone, entry))
				return entry;
		}
		while (s->over != HG_NONE)
		{
			uint32_t	i = s->over;

			s->over = g->over[i].next_block;
			if (!(g->over[i].e.flags & HG_ENTRY_GONE))
				return g->base.nentries + i;
		}
		if (s->started)
			s->block++;
		s->started = true;
		if (s->block >= s->nblocks)
			return HG_NONE;
		if (s->block < g->base.nblocks)
		{
			s->pos = g->base.block_start[s->block];
			s->end = g->base.block_start[s->block + 1];
		}
		if (s->block < g->block_size)
			s->over = g->block_first[s->block];
	}
}

/*
 * entry_ends returns only parent and child of an entry.
 */
static inline void
entry_ends(const HgGraph *g, uint32_t entry, uint32_t *parent, uint32_t *child)
{
	if (entry >= g->base.nentries)
	{
		const HgOverlayEntry *o = hg_over(g, entry);

		*parent = o->e.parent;
		*child = o->e.child;
	}
	else
	{
		*parent = g->base.parent[entry];
		*child = g->base.child[entry];
	}
}

/*
 * count_blocks is the number of index blocks that any entry comes from.
 */
static uint32_t
count_blocks(const HgGraph *g)
{
	uint32_t	nblocks = g->base.nblocks;

	for (uint32_t b = nblocks; b < g->block_size; b++)
	{
		if (g->block_first[b] != HG_NONE)
			nblocks = b + 1;
	}
	return nblocks;
}

/*
 * list_survivors finds the surviving entries and both their ends.
 */
static void
list_survivors(HgFold *f, uint32_t *parent, uint32_t *child)
{
	const HgGraph *g = f->old;
	uint32_t	block = 0;
	uint32_t	n = 0;
	uint32_t	entry;
	Survivors	s;

	f->block_start[0] = 0;
	survivors_begin(&s, g, f->nblocks);
	while ((entry = survivors_next(&s)) != HG_NONE)
	{
		if (n % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		while (block < s.block)
			f->block_start[++block] = n;
		f->entry[n] = entry;
		entry_ends(g, entry, &parent[n], &child[n]);
		n++;
	}
	while (block < f->nblocks)
		f->block_start[++block] = n;
	f->nentries = n;
}

/*
 * sort_by_parent is a counting sort of the surviving entries.  It leaves 0 in
 * the node_map of every node that is a child, 1 of those that are parents
 * only.
 */
static void
sort_by_parent(HgFold *f, const uint32_t *parent, const uint32_t *child)
{
	size_t		nstart = (size_t) f->nold + 2;
	uint32_t   *cursor;

	f->start = hg_fold_words(f, nstart);
	f->node_map = hg_fold_words(f, (size_t) f->nold + 1);
	memset(f->start, 0, nstart * sizeof(uint32_t));
	memset(f->node_map, 0xff, ((size_t) f->nold + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < f->nentries; i++)
	{
		if (i % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (parent[i] == HG_NONE)
		{
			if (f->node_map[child[i]] == HG_NONE)
				f->node_map[child[i]] = 1;
			f->start[f->nold + 1]++;
		}
		else
		{
			if (f->node_map[parent[i]] == HG_NONE)
				f->node_map[parent[i]] = 1;
			f->node_map[child[i]] = 0;
			f->start[parent[i] + 1]++;
		}
	}
	hg_count_to_start(f->start, f->nold + 1);

	f->sorted = hg_fold_words(f, (size_t) f->nentries + 1);
	f->child = hg_fold_words(f, (size_t) f->nentries + 1);
	cursor = hg_fold_words(f, nstart);
	memcpy(cursor, f->start, nstart * sizeof(uint32_t));
	for (uint32_t i = 0; i < f->nentries; i++)
	{
		uint32_t	at = cursor[parent[i] == HG_NONE ? f->nold : parent[i]]++;

		if (i % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		f->sorted[at] = i;
		f->child[at] = child[i];
	}
	hg_host.free(cursor);
}

/*
 * collect finds the surviving entries and sorts them by parent.
 */
static void
collect(HgFold *f)
{
	const HgGraph *g = f->old;
	size_t		nmax = (size_t) hg_graph_entries(g) - g->ngone + 1;
	uint32_t   *parent;
	uint32_t   *child;

	if (g->stage != NULL)
	{
		f->nblocks = g->stage->nblocks;
		f->nentries = g->stage->n;
		f->block_start = hg_fold_words(f, (size_t) f->nblocks + 1);
		memcpy(f->block_start, g->stage->block_start,
			   (size_t) f->nblocks * sizeof(uint32_t));
		f->block_start[f->nblocks] = f->nentries;
		sort_by_parent(f, g->stage->parent, g->stage->child);
		return;
	}

	f->nblocks = count_blocks(g);
	f->block_start = hg_fold_words(f, (size_t) f->nblocks + 1);
	f->entry = hg_fold_words(f, nmax);
	parent = hg_fold_words(f, nmax);
	child = hg_fold_words(f, nmax);
	list_survivors(f, parent, child);
	sort_by_parent(f, parent, child);
	hg_host.free(child);
	hg_host.free(parent);
}

/*
 * number_from numbers what is reachable from the nodes that are numbered but
 * not yet looked at, and has their children's new numbers in f->child.
 */
static uint32_t
number_from(HgFold *f, uint32_t done)
{
	for (; done < f->nnodes; done++)
	{
		uint32_t	node = f->order[done];
		uint32_t	end = f->start[node + 1];

		if (done % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t i = f->start[node]; i < end; i++)
		{
			uint32_t   *number = &f->node_map[f->child[i]];

			if (*number == HG_NONE)
			{
				f->order[f->nnodes] = f->child[i];
				*number = f->nnodes++;
			}
			f->child[i] = *number;
		}
	}
	return done;
}

/*
 * number_nodes gives every node that is still mentioned its new number.
 */
static void
number_nodes(HgFold *f)
{
	uint8_t    *below;			/* a bit per node that has a parent */
	uint32_t	done = 0;

	f->order = hg_fold_words(f, (size_t) f->nold + 1);
	below = hg_host.alloc(f->arena, (size_t) f->nold / 8 + 1);
	memset(below, 0, (size_t) f->nold / 8 + 1);
	f->nnodes = 0;

	/* first the roots, then whatever only a cycle leads to */
	for (uint32_t i = 0; i < f->nold; i++)
	{
		if (f->node_map[i] == 0)
		{
			hg_bit_set(below, i);
			f->node_map[i] = HG_NONE;
		}
		else if (f->node_map[i] == 1)
		{
			f->node_map[i] = f->nnodes;
			f->order[f->nnodes++] = i;
		}
	}
	done = number_from(f, done);
	for (uint32_t i = 0; i < f->nold; i++)
	{
		if (f->node_map[i] == HG_NONE && hg_bit(below, i))
		{
			f->node_map[i] = f->nnodes;
			f->order[f->nnodes++] = i;
			done = number_from(f, done);
		}
	}
	/* the children of registrations */
	for (uint32_t i = f->start[f->nold]; i < f->nentries; i++)
		f->child[i] = f->node_map[f->child[i]];
	hg_host.free(below);
}

/*
 * hg_graph_fold returns a graph in arena with the content of g, all of it in
 * the base.
 */
HgGraph *
hg_graph_fold(const HgGraph *g, void *arena)
{
	HgFold		f;

	memset(&f, 0, sizeof(f));
	f.old = g;
	f.arena = arena;
	f.nold = hg_graph_nodes(g);
	collect(&f);
	number_nodes(&f);
	f.new = hg_graph_create(arena, g->kind, g->roles);
	hg_image_write(&f);

	if (f.entry != NULL)
		hg_host.free(f.entry);
	hg_host.free(f.block_start);
	hg_host.free(f.start);
	hg_host.free(f.sorted);
	hg_host.free(f.child);
	hg_host.free(f.node_map);
	hg_host.free(f.order);
	return f.new;
}
