/*-------------------------------------------------------------------------
 *
 * fold.c
 *	  Making a base image out of a graph: base and overlay merged, entries
 *	  that are gone left out.
 *
 * Two counting sorts, by parent and by child, over arrays of known size; the
 * result is one block of memory.  Entries enter in block order, so the
 * entries of a page find each other's neighbourhood in the cache as far as the
 * table's own order allows.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

/* Interrupts are checked once per this many entries. */
#define CHECK_EVERY 65536

typedef struct Fold
{
	const HgGraph *old;
	HgGraph    *new;
	void	   *arena;			/* working memory */
	uint32_t	nentries;		/* surviving */
	uint32_t	nnodes;
	uint32_t	nblocks;
	uint32_t   *node_map;		/* old node -> new node, HG_NONE dropped */
} Fold;

/*
 * hg_base_attach fills in where the arrays of an image are.
 */
void
hg_base_attach(HgBase *base, HgImage *image)
{
	char	   *start = (char *) image;

#define AT(field, type) \
	((image->field == 0) ? NULL : (type *) (start + image->field))

	base->image = image;
	base->nnodes = image->nnodes;
	base->nentries = image->nentries;
	base->nblocks = image->nblocks;
	base->hash_mask = image->hash_mask;
	base->key_num = image->kind == HG_KEY_INT ? AT(keys, int64_t) : NULL;
	base->key_uuid = image->kind == HG_KEY_UUID ? AT(keys, unsigned char) : NULL;
	base->key_off = image->kind == HG_KEY_BYTES ? AT(keys, uint64_t) : NULL;
	base->blob = AT(blob, unsigned char);
	base->hash = AT(hash, uint32_t);
	base->out_start = AT(out_start, uint32_t);
	base->in_start = AT(in_start, uint32_t);
	base->in_entry = AT(in_entry, uint32_t);
	base->block_start = AT(block_start, uint32_t);
	base->block_entry = AT(block_entry, uint32_t);
	base->parent = AT(parent, uint32_t);
	base->child = AT(child, uint32_t);
	base->tid_block = AT(tid_block, uint32_t);
	base->tid_off = AT(tid_off, uint16_t);
	base->flags = AT(flags, uint8_t);
	base->label = AT(label, int32_t);
	base->valid = AT(valid, int32_t);
	base->weight = AT(weight, double);
#undef AT
}

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
 * count_survivors finds sizes, and which nodes are still mentioned.
 */
static void
count_survivors(Fold *f)
{
	const HgGraph *g = f->old;
	uint32_t	nold = hg_graph_nodes(g);
	uint32_t	nblocks = g->base.nblocks;
	uint32_t	entry;
	Survivors	s;

	for (uint32_t b = nblocks; b < g->block_size; b++)
	{
		if (g->block_first[b] != HG_NONE)
			nblocks = b + 1;
	}
	f->nblocks = nblocks;
	f->node_map = hg_host.alloc(f->arena, ((size_t) nold + 1) * sizeof(uint32_t));
	f->nentries = 0;

	/* no entry gone: every node stays, no need to look */
	if (g->ngone == 0)
	{
		for (uint32_t i = 0; i < nold; i++)
			f->node_map[i] = i;
		f->nnodes = nold;
		f->nentries = hg_graph_entries(g);
		return;
	}
	memset(f->node_map, 0xff, (size_t) nold * sizeof(uint32_t));
	survivors_begin(&s, g, nblocks);
	while ((entry = survivors_next(&s)) != HG_NONE)
	{
		uint32_t	parent,
					child;

		entry_ends(g, entry, &parent, &child);
		if (parent != HG_NONE)
			f->node_map[parent] = 0;
		f->node_map[child] = 0;
		if (f->nentries++ % CHECK_EVERY == 0)
			hg_host.check_interrupts();
	}
	f->nnodes = 0;
	for (uint32_t i = 0; i < nold; i++)
	{
		if (f->node_map[i] != HG_NONE)
			f->node_map[i] = f->nnodes++;
	}
}

/*
 * blob_size adds up the bytes of all surviving keys.
 */
static uint64_t
blob_size(const Fold *f)
{
	uint64_t	size = 0;

	if (f->old->kind != HG_KEY_BYTES)
		return 0;
	for (uint32_t i = 0; i < hg_graph_nodes(f->old); i++)
	{
		if (f->node_map[i] != HG_NONE)
			size += hg_graph_key(f->old, i).len;
	}
	return size;
}

/*
 * place reserves an array in the block and returns its offset.
 */
static uint64_t
place(uint64_t *size, uint64_t bytes)
{
	uint64_t	at = *size;

	*size += (bytes + 7) & ~UINT64_C(7);
	return at;
}

/*
 * make_image allocates the block and lays out its arrays.
 */
static HgImage *
make_image(const Fold *f)
{
	HgImage		head;
	HgImage    *image;
	uint64_t	size = sizeof(HgImage);
	uint64_t	n = f->nnodes;
	uint64_t	m = f->nentries;
	uint32_t	roles = f->old->roles;
	uint32_t	slots = hg_dict_size(f->nnodes);

	memset(&head, 0, sizeof(head));
	head.magic = HG_IMAGE_MAGIC;
	head.version = HG_IMAGE_VERSION;
	head.kind = f->old->kind;
	head.roles = roles;
	head.nnodes = f->nnodes;
	head.nentries = f->nentries;
	head.nblocks = f->nblocks;
	head.hash_mask = slots - 1;
	switch (f->old->kind)
	{
		case HG_KEY_INT:
			head.keys = place(&size, n * 8);
			break;
		case HG_KEY_UUID:
			head.keys = place(&size, n * 16);
			break;
		case HG_KEY_BYTES:
			head.keys = place(&size, (n + 1) * 8);
			head.blob = place(&size, blob_size(f));
			break;
	}
	head.hash = place(&size, (uint64_t) slots * 4);
	head.out_start = place(&size, (n + 2) * 4);
	head.in_start = place(&size, (n + 1) * 4);
	head.in_entry = place(&size, m * 4);
	head.block_start = place(&size, ((uint64_t) f->nblocks + 1) * 4);
	head.block_entry = place(&size, m * 4);
	head.parent = place(&size, m * 4);
	head.child = place(&size, m * 4);
	head.tid_block = place(&size, m * 4);
	head.tid_off = place(&size, m * 2);
	if (roles != 0)
		head.flags = place(&size, m);
	if (roles & HG_HAS_LABEL)
		head.label = place(&size, m * 4);
	if (roles & HG_HAS_VALIDITY)
		head.valid = place(&size, m * 8);
	if (roles & HG_HAS_WEIGHT)
		head.weight = place(&size, m * 8);
	head.size = size;

	image = hg_alloc(f->new, size);
	*image = head;
	return image;
}

/*
 * copy_keys writes the dictionary.
 */
static void
copy_keys(Fold *f)
{
	const HgGraph *old = f->old;
	HgBase	   *b = &f->new->base;
	uint64_t	off = 0;

	memset(b->hash, 0xff, ((size_t) b->hash_mask + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < hg_graph_nodes(old); i++)
	{
		uint32_t	node = f->node_map[i];
		HgKey		key;
		uint32_t	slot;

		if (i % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (node == HG_NONE)
			continue;
		key = hg_graph_key(old, i);
		switch (old->kind)
		{
			case HG_KEY_INT:
				b->key_num[node] = key.num;
				break;
			case HG_KEY_UUID:
				memcpy(b->key_uuid + (size_t) node * 16, key.bytes, 16);
				break;
			case HG_KEY_BYTES:
				b->key_off[node] = off;
				memcpy(b->blob + off, key.bytes, key.len);
				off += key.len;
				break;
		}
		slot = hg_hash_key(old->kind, &key) & b->hash_mask;
		while (b->hash[slot] != HG_NONE)
			slot = (slot + 1) & b->hash_mask;
		b->hash[slot] = node;
	}
	if (old->kind == HG_KEY_BYTES)
		b->key_off[f->nnodes] = off;
}

/*
 * count_to_start turns counts, kept one element ahead, into start positions.
 */
static void
count_to_start(uint32_t *start, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		start[i + 1] += start[i];
}

/*
 * copy_entries writes all entries, sorted by parent, and the block lists.
 */
static void
copy_entries(Fold *f)
{
	const HgGraph *old = f->old;
	HgBase	   *b = &f->new->base;
	size_t		nstart = (size_t) f->nnodes + 2;
	uint32_t   *cursor;
	uint32_t	entry;
	uint32_t	seq = 0;
	uint32_t	block = 0;
	Survivors	s;

	memset(b->out_start, 0, nstart * sizeof(uint32_t));
	survivors_begin(&s, old, f->nblocks);
	while ((entry = survivors_next(&s)) != HG_NONE)
	{
		uint32_t	parent,
					child;

		entry_ends(old, entry, &parent, &child);
		parent = (parent == HG_NONE) ? f->nnodes : f->node_map[parent];
		b->out_start[parent + 1]++;
		if (seq++ % CHECK_EVERY == 0)
			hg_host.check_interrupts();
	}
	count_to_start(b->out_start, f->nnodes + 1);

	cursor = hg_host.alloc(f->arena, nstart * sizeof(uint32_t));
	memcpy(cursor, b->out_start, nstart * sizeof(uint32_t));
	b->block_start[0] = 0;
	seq = 0;
	survivors_begin(&s, old, f->nblocks);
	while ((entry = survivors_next(&s)) != HG_NONE)
	{
		HgEntry		e;
		uint32_t	at;

		if (seq % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		while (block < s.block)
			b->block_start[++block] = seq;
		hg_graph_entry(old, entry, &e);
		at = cursor[e.parent == HG_NONE ? f->nnodes : f->node_map[e.parent]]++;
		b->block_entry[seq++] = at;
		b->parent[at] = (e.parent == HG_NONE) ? HG_NONE : f->node_map[e.parent];
		b->child[at] = f->node_map[e.child];
		b->tid_block[at] = e.tid_block;
		b->tid_off[at] = e.tid_off;
		if (b->flags)
			b->flags[at] = e.flags;
		if (b->label)
			b->label[at] = e.label;
		if (b->valid)
		{
			b->valid[2 * (size_t) at] = e.valid_from;
			b->valid[2 * (size_t) at + 1] = e.valid_to;
		}
		if (b->weight)
			b->weight[at] = e.weight;
	}
	while (block < f->nblocks)
		b->block_start[++block] = seq;
	hg_host.free(cursor);
}

/*
 * link_children writes the incoming adjacency.
 */
static void
link_children(Fold *f)
{
	HgBase	   *b = &f->new->base;
	size_t		nstart = (size_t) f->nnodes + 1;
	uint32_t   *cursor;

	memset(b->in_start, 0, nstart * sizeof(uint32_t));
	for (uint32_t e = 0; e < f->nentries; e++)
		b->in_start[b->child[e] + 1]++;
	count_to_start(b->in_start, f->nnodes);
	cursor = hg_host.alloc(f->arena, nstart * sizeof(uint32_t));
	memcpy(cursor, b->in_start, nstart * sizeof(uint32_t));
	for (uint32_t e = 0; e < f->nentries; e++)
	{
		if (e % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		b->in_entry[cursor[b->child[e]]++] = e;
	}
	hg_host.free(cursor);
}

/*
 * hg_graph_fold returns a graph in arena with the content of g, all of it in
 * the base.
 */
HgGraph *
hg_graph_fold(const HgGraph *g, void *arena)
{
	Fold		f;

	memset(&f, 0, sizeof(f));
	f.old = g;
	f.arena = arena;
	f.new = hg_graph_create(arena, g->kind, g->roles);
	count_survivors(&f);
	hg_base_attach(&f.new->base, make_image(&f));
	copy_keys(&f);
	copy_entries(&f);
	link_children(&f);
	hg_host.free(f.node_map);
	return f.new;
}
