/*-------------------------------------------------------------------------
 *
 * core.h
 *	  What the files of the graph core share among themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HG_CORE_H
#define HG_CORE_H

#if defined(POSTGRES_H) || defined(FMGR_H) || defined(REL_H) || defined(SPI_H)
#error "the graph core must not know PostgreSQL"
#endif

#include <string.h>

#include "graph/graph.h"

#define HG_IMAGE_MAGIC		0x4847494d
#define HG_IMAGE_VERSION	1

/* More would make entry numbers ambiguous with HG_NONE arithmetic. */
#define HG_MAX_ENTRIES		0x7fffffffU

/*
 * The base, one block of memory.  Everything is an offset from its start, so
 * a copy works wherever it is mapped.
 *
 * Entries are sorted by parent: those of node n are out_start[n] up to
 * out_start[n + 1].  Registrations (no parent) stand behind, in the bucket
 * "nnodes".  in_entry lists entries by child, registrations included;
 * block_entry lists them by index block, in page order.
 */
typedef struct HgImage
{
	uint32_t	magic;
	uint32_t	version;
	uint64_t	size;			/* of the whole block */
	uint32_t	kind;			/* HgKeyKind */
	uint32_t	roles;
	uint32_t	nnodes;
	uint32_t	nentries;
	uint32_t	nblocks;		/* index blocks covered by block_start */
	uint32_t	hash_mask;		/* slots - 1 */
	uint32_t	direct;			/* slot is key - first_key, not hash */
	uint32_t	unused;
	int64_t		first_key;
	/* offsets; arrays of roles that the graph lacks have offset 0 */
	uint64_t	keys;			/* int64, 16 bytes, or uint64 blob offset */
	uint64_t	blob;			/* bytes of HG_KEY_BYTES keys */
	uint64_t	hash;			/* uint32 node per slot, HG_NONE empty */
	uint64_t	out_start;		/* uint32[nnodes + 2] */
	uint64_t	in_start;		/* uint32[nnodes + 1] */
	uint64_t	in_entry;		/* uint32[nentries] */
	uint64_t	block_start;	/* uint32[nblocks + 1] */
	uint64_t	block_entry;	/* uint32[nentries] */
	uint64_t	parent;			/* uint32[nentries] */
	uint64_t	child;			/* uint32[nentries] */
	uint64_t	tid_block;		/* uint32[nentries] */
	uint64_t	tid_off;		/* uint16[nentries] */
	uint64_t	flags;			/* uint8[nentries] */
	uint64_t	label;			/* int32[nentries] */
	uint64_t	valid;			/* int32[2 * nentries]: from, to */
	uint64_t	weight;			/* double[nentries] */
	uint64_t	leaf;			/* bit[nnodes]: no outgoing entry */
} HgImage;

/* The arrays of a base where they are mapped now; NULL for lacking roles. */
typedef struct HgBase
{
	HgImage    *image;
	uint32_t	nnodes;
	uint32_t	nentries;
	uint32_t	nblocks;
	uint32_t	hash_mask;
	bool		direct;
	int64_t		first_key;
	int64_t    *key_num;		/* HG_KEY_INT */
	unsigned char *key_uuid;	/* HG_KEY_UUID */
	uint64_t   *key_off;		/* HG_KEY_BYTES: nnodes + 1 offsets */
	unsigned char *blob;
	uint32_t   *hash;
	uint32_t   *out_start;
	uint32_t   *in_start;
	uint32_t   *in_entry;
	uint32_t   *block_start;
	uint32_t   *block_entry;
	uint32_t   *parent;
	uint32_t   *child;
	uint32_t   *tid_block;
	uint16_t   *tid_off;
	uint8_t    *flags;
	int32_t    *label;
	int32_t    *valid;
	double	   *weight;
	uint8_t    *leaf;
} HgBase;

/* An entry that arrived after the base, with its places in three lists. */
typedef struct HgOverlayEntry
{
	HgEntry		e;
	uint32_t	next_out;		/* same parent; overlay indexes, HG_NONE ends */
	uint32_t	next_in;		/* same child */
	uint32_t	next_block;		/* same index block, page order */
} HgOverlayEntry;

/* Heads of a node's overlay lists. */
typedef struct HgOverlayHead
{
	uint32_t	node;			/* HG_NONE: empty slot */
	uint32_t	out;
	uint32_t	in;
} HgOverlayHead;

/* A slot of the overlay's dictionary; most misses end at the hash. */
typedef struct HgSlot
{
	uint32_t	i;				/* among new nodes, or HG_NONE */
	uint32_t	hash;
} HgSlot;

/* Entries of a load under way, in the order of their pages. */
typedef struct HgStage
{
	uint32_t	n;
	uint32_t	size;
	uint32_t   *parent;			/* HG_NONE: registration */
	uint32_t   *child;
	uint32_t   *tid_block;
	uint16_t   *tid_off;
	uint8_t    *flags;			/* these as in HgImage, NULL for lacking roles */
	int32_t    *label;
	int32_t    *valid;
	double	   *weight;
	uint32_t	nblocks;
	uint32_t	block_size;
	uint32_t   *block_start;	/* first entry of each index block */
} HgStage;

struct HgGraph
{
	void	   *arena;
	HgKeyKind	kind;
	uint32_t	roles;
	HgBase		base;

	/* entries the index no longer holds: a bit per base entry, on demand */
	uint8_t    *gone;
	uint32_t	ngone;			/* in base and overlay */

	/* overlay entries; those below nlinked are in the out and in lists */
	HgOverlayEntry *over;
	uint32_t	nover;
	uint32_t	over_size;
	uint32_t	nlinked;

	/* overlay nodes: keys and a hash table of their own */
	uint32_t	nnew;
	uint32_t	new_size;
	int64_t    *new_num;		/* HG_KEY_INT */
	unsigned char *new_uuid;	/* HG_KEY_UUID */
	uint64_t   *new_off;		/* HG_KEY_BYTES: nnew + 1 offsets */
	unsigned char *new_blob;
	uint64_t	new_blob_size;
	HgSlot	   *new_hash;
	uint32_t	new_hash_mask;	/* 0: no table yet */

	/*
	 * During a load, while keys are dense integers, this stands in for the
	 * hash table: new nodes by key - by_key_first.
	 */
	uint32_t   *by_key;
	int64_t		by_key_first;
	uint64_t	by_key_span;	/* elements */
	uint64_t	by_key_limit;	/* most of them worth having; 0: never */

	HgStage    *stage;			/* NULL unless being loaded */

	/* heads of adjacency lists, hashed by node, and who has any */
	HgOverlayHead *heads;
	uint32_t	nheads;
	uint32_t	heads_mask;
	uint8_t    *touched;		/* a bit per node */
	uint32_t	touched_nodes;	/* bits allocated */

	/* overlay entries of each index block */
	uint32_t   *block_first;
	uint32_t   *block_last;
	uint32_t	block_size;

	HgScratch  *scratch;		/* pools */
	HgSeen	   *seen;
	size_t		bytes;			/* allocated, scratch included */
};

/* Small helpers. */
static inline void *
hg_alloc(HgGraph *g, size_t size)
{
	g->bytes += size;
	return hg_host.alloc(g->arena, size);
}

static inline bool
hg_bit(const uint8_t *bits, uint32_t i)
{
	return (bits[i >> 3] >> (i & 7)) & 1;
}

static inline void
hg_bit_set(uint8_t *bits, uint32_t i)
{
	bits[i >> 3] |= (uint8_t) (1 << (i & 7));
}

static inline bool
hg_touched(const HgGraph *g, uint32_t node)
{
	return node < g->touched_nodes && hg_bit(g->touched, node);
}

/* Has a base node no outgoing entry, not even in the overlay? */
static inline bool
hg_is_leaf(const HgGraph *g, uint32_t node)
{
	return hg_bit(g->base.leaf, node) && !hg_touched(g, node);
}

/* Is a day within an entry's range?  Without a bound, even infinity is. */
static inline bool
hg_day_within(int32_t day, int32_t from, int32_t to)
{
	return day >= from && (day < to || to == HG_DAY_MAX);
}

static inline HgOverlayEntry *
hg_over(const HgGraph *g, uint32_t entry)
{
	return &g->over[entry - g->base.nentries];
}

/* dict.c */
/* Items whose keys are fetched together. */
#define HG_DICT_BATCH	64
extern uint32_t hg_hash_key(HgKeyKind kind, const HgKey *key);
extern uint32_t hg_dict_size(uint32_t nnodes);
extern void hg_dict_reserve(HgGraph *g, uint32_t nnodes);
extern void hg_dict_nodes(HgGraph *g, const HgItem *items, int n,
						  uint32_t *parent, uint32_t *child);
extern void hg_dict_prefetch_key(const HgGraph *g, uint32_t node);

/* overlay.c */
extern void hg_overlay_link(HgGraph *g);
extern HgOverlayHead *hg_overlay_head(const HgGraph *g, uint32_t node);

/* view.c: what hg_view_sees has to ask beyond hg_sees_base */
extern bool hg_sees_rest(const HgView *view, uint32_t entry);

/* hg_view_sees for base entries; the everyday cases inline. */
static inline bool
hg_sees_base(const HgView *view, uint32_t entry)
{
	const HgGraph *g = view->g;
	const HgFilter *filter = &view->filter;
	uint32_t	block;

	if (g->gone != NULL && hg_bit(g->gone, entry))
		return false;
	if (filter->by_day && g->base.valid != NULL &&
		!hg_day_within(filter->day, g->base.valid[2 * (size_t) entry],
					   g->base.valid[2 * (size_t) entry + 1]))
		return false;
	if (filter->primary_only || filter->by_label)
		return hg_sees_rest(view, entry);
	if (view->visible == NULL)
		return true;

	/* two bits a heap page, the lower one says all-visible */
	block = g->base.tid_block[entry];
	if (block < view->vm_pages &&
		(view->vm[block >> 2] >> ((block & 3) * 2)) & 1)
		return true;
	return hg_sees_rest(view, entry);
}

/* image.c */
extern void hg_base_attach(HgBase *base, HgImage *image);

#endif							/* HG_CORE_H */
