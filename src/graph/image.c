/*-------------------------------------------------------------------------
 *
 * image.c
 *	  The base image: one block of memory, laid out and written.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/fold.h"

/* Keys hashed ahead, so that their slots are in the cache when needed. */
#define BATCH	64

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
	base->direct = image->direct != 0;
	base->first_key = image->first_key;
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
	base->leaf = AT(leaf, uint8_t);
#undef AT
}

/*
 * blob_size adds up the bytes of all surviving keys.
 */
static uint64_t
blob_size(const HgFold *f)
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
 * look_at_keys finds out whether integer keys are so dense that a table by key
 * takes no more room than the keys themselves.
 */
static void
look_at_keys(HgFold *f)
{
	int64_t		least = INT64_MAX;
	int64_t		greatest = INT64_MIN;

	f->direct = false;
	if (f->old->kind != HG_KEY_INT || f->nnodes == 0)
		return;
	for (uint32_t i = 0; i < f->nold; i++)
	{
		if (f->node_map[i] != HG_NONE)
		{
			int64_t		num = hg_graph_key(f->old, i).num;

			if (num < least)
				least = num;
			if (num > greatest)
				greatest = num;
		}
	}
	if ((uint64_t) greatest - (uint64_t) least < 2 * (uint64_t) f->nnodes)
	{
		f->direct = true;
		f->first_key = least;
		f->span = (uint32_t) ((uint64_t) greatest - (uint64_t) least) + 1;
	}
}

/*
 * keeps_table: can the overlay's hash table serve the new base, with other
 * node numbers in it?  So it is after a load, when there was no base and every
 * node stays.
 */
static bool
keeps_table(const HgFold *f)
{
	return f->old->base.nnodes == 0 && f->nnodes == f->nold &&
		f->old->new_hash != NULL;
}

/*
 * make_image allocates the block and lays out its arrays.
 */
static HgImage *
make_image(const HgFold *f)
{
	HgImage		head;
	HgImage    *image;
	uint64_t	size = sizeof(HgImage);
	uint64_t	n = f->nnodes;
	uint64_t	m = f->nentries;
	uint32_t	roles = f->old->roles;
	uint32_t	slots = f->direct ? f->span :
		keeps_table(f) ? f->old->new_hash_mask + 1 : hg_dict_size(f->nnodes);

	memset(&head, 0, sizeof(head));
	head.magic = HG_IMAGE_MAGIC;
	head.version = HG_IMAGE_VERSION;
	head.kind = f->old->kind;
	head.roles = roles;
	head.nnodes = f->nnodes;
	head.nentries = f->nentries;
	head.nblocks = f->nblocks;
	head.hash_mask = slots - 1;
	head.direct = f->direct;
	head.first_key = f->first_key;
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
	head.leaf = place(&size, n / 8 + 1);
	head.size = size;

	image = hg_alloc(f->new, size);
	*image = head;
	return image;
}

/*
 * copy_table writes the hash table from the overlay's.
 */
static void
copy_table(HgFold *f)
{
	HgBase	   *b = &f->new->base;

	for (uint32_t slot = 0; slot <= b->hash_mask; slot++)
	{
		uint32_t	i = f->old->new_hash[slot].i;

		if (slot % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		b->hash[slot] = (i == HG_NONE) ? HG_NONE : f->node_map[i];
	}
}

/*
 * fill_direct writes the table by key.
 */
static void
fill_direct(HgFold *f)
{
	HgBase	   *b = &f->new->base;

	memset(b->hash, 0xff, ((size_t) b->hash_mask + 1) * sizeof(uint32_t));
	for (uint32_t node = 0; node < f->nnodes; node++)
		b->hash[(uint64_t) b->key_num[node] - (uint64_t) b->first_key] = node;
}

/*
 * fill_table writes the hash table from the keys.
 */
static void
fill_table(HgFold *f)
{
	HgBase	   *b = &f->new->base;

	memset(b->hash, 0xff, ((size_t) b->hash_mask + 1) * sizeof(uint32_t));
	for (uint32_t start = 0; start < f->nnodes; start += BATCH)
	{
		uint32_t	n = (f->nnodes - start < BATCH) ? f->nnodes - start : BATCH;
		uint32_t	slot[BATCH];

		if (start % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t i = 0; i < n; i++)
		{
			HgKey		key = hg_graph_key(f->new, start + i);

			slot[i] = hg_hash_key(f->old->kind, &key) & b->hash_mask;
			__builtin_prefetch(&b->hash[slot[i]], 1);
		}
		for (uint32_t i = 0; i < n; i++)
		{
			while (b->hash[slot[i]] != HG_NONE)
				slot[i] = (slot[i] + 1) & b->hash_mask;
			b->hash[slot[i]] = start + i;
		}
	}
}

/*
 * copy_keys writes the dictionary.
 */
static void
copy_keys(HgFold *f)
{
	const HgGraph *old = f->old;
	HgBase	   *b = &f->new->base;
	uint64_t	off = 0;

	for (uint32_t node = 0; node < f->nnodes; node++)
	{
		HgKey		key;

		if (node % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (node + BATCH < f->nnodes)
			hg_dict_prefetch_key(old, f->order[node + BATCH]);
		key = hg_graph_key(old, f->order[node]);
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
	}
	if (old->kind == HG_KEY_BYTES)
		b->key_off[f->nnodes] = off;

	if (f->direct)
		fill_direct(f);
	else if (keeps_table(f))
		copy_table(f);
	else
		fill_table(f);
}

/*
 * sort_entries writes both ends of all entries, sorted by parent, and where
 * each entry went.
 */
static void
sort_entries(HgFold *f)
{
	HgBase	   *b = &f->new->base;
	uint32_t	at = 0;

	memset(b->leaf, 0, (size_t) f->nnodes / 8 + 1);
	for (uint32_t node = 0; node <= f->nnodes; node++)
	{
		bool		last = (node == f->nnodes); /* registrations */
		uint32_t	old = last ? f->nold : f->order[node];
		uint32_t	end = f->start[old + 1];

		if (node % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		b->out_start[node] = at;
		if (!last && f->start[old] == end)
			hg_bit_set(b->leaf, node);
		for (uint32_t i = f->start[old]; i < end; i++, at++)
		{
			b->block_entry[f->sorted[i]] = at;
			b->parent[at] = last ? HG_NONE : node;
			b->child[at] = f->child[i];
		}
	}
	b->out_start[f->nnodes + 1] = at;
	memcpy(b->block_start, f->block_start,
		   ((size_t) f->nblocks + 1) * sizeof(uint32_t));
}

/*
 * survivor returns everything about a surviving entry but its ends.
 */
static inline void
survivor(const HgFold *f, uint32_t i, HgEntry *e)
{
	const HgStage *s = f->old->stage;

	if (s == NULL)
	{
		hg_graph_entry(f->old, f->entry[i], e);
		return;
	}
	e->tid_block = s->tid_block[i];
	e->tid_off = s->tid_off[i];
	if (s->flags)
		e->flags = s->flags[i];
	if (s->label)
		e->label = s->label[i];
	if (s->valid)
	{
		e->valid_from = s->valid[2 * (size_t) i];
		e->valid_to = s->valid[2 * (size_t) i + 1];
	}
	if (s->weight)
		e->weight = s->weight[i];
}

/*
 * copy_attributes writes everything else about entries.  It goes through the
 * old graph in order: scattered writes cost less than scattered reads.
 */
static void
copy_attributes(HgFold *f)
{
	HgBase	   *b = &f->new->base;

	for (uint32_t i = 0; i < f->nentries; i++)
	{
		uint32_t	at = b->block_entry[i];
		HgEntry		e = {0};

		if (i % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		survivor(f, i, &e);
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
}

/*
 * link_children writes the incoming adjacency.
 */
static void
link_children(HgFold *f)
{
	HgBase	   *b = &f->new->base;
	size_t		nstart = (size_t) f->nnodes + 1;
	uint32_t   *cursor;

	memset(b->in_start, 0, nstart * sizeof(uint32_t));
	for (uint32_t e = 0; e < f->nentries; e++)
		b->in_start[b->child[e] + 1]++;
	hg_count_to_start(b->in_start, f->nnodes);
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
 * hg_image_write writes the base of the new graph.
 */
void
hg_image_write(HgFold *f)
{
	look_at_keys(f);
	hg_base_attach(&f->new->base, make_image(f));
	copy_keys(f);
	sort_entries(f);
	copy_attributes(f);
	link_children(f);
}
