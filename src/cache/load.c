/*-------------------------------------------------------------------------
 *
 * load.c
 *	  From index pages to a graph: the first load, and catching up.
 *
 * What has to hold: when hg_cache_catch_up returns, the graph has every entry
 * that was on the index's pages when it was called, and nothing that a VACUUM
 * finished by then has removed.
 *
 * Let c be the counter that the image stands at.  As long as the metapage
 * says c, no vacuum has finished since, so no page that once was a tail has
 * got free space and become a tail again; the chain of "next" links from our
 * tail leads through every page that was appended to since, to the present
 * tail (am.h, 1 and 3).  When the counter has moved, we visit each page whose
 * stamp is greater than c, and our own tail, and start following the chain
 * from the tail named in the same reading of the metapage.  Either way the
 * counter is read again at the end, and if it moved meanwhile (the chain may
 * have been rearranged under us) there is another round.  A round that ends
 * with the counter it began with has missed nothing.
 *
 * Pages are copied out under a share lock and decoded afterwards; inserters
 * wait for the copy only.
 *
 * An error half way (out of memory, cancel) would leave the graph with part
 * of a page; "changing" is set meanwhile, and whoever finds it set starts from
 * scratch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cache/cache.h"
#include "compat.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Pages from which a load guesses how much is to come. */
#define SAMPLE_PAGES	16

/* A page as it was when we last looked at it. */
typedef struct HgPageSeen
{
	uint64		stamp;
	int			nitems;			/* 0 and stamp 0: never seen */
	bool		was_tail;		/* entries may have been added under stamp */
} HgPageSeen;

/* Where a load or catch-up puts things; reused from page to page. */
typedef struct Reader
{
	Relation	index;
	const HgLayout *layout;
	HgCached   *cached;			/* whose notes on pages to keep, or NULL */
	bool		loading;		/* a new graph */
	MemoryContext work;			/* reset per page */
	char	   *page;
	HgItem	   *items;
} Reader;

/*
 * reader_begin allocates a reader's work space in the current context.
 */
static void
reader_begin(Reader *r, Relation index, const HgLayout *layout, HgCached *c)
{
	r->index = index;
	r->layout = layout;
	r->cached = c;
	r->loading = false;
	r->work = AllocSetContextCreate(CurrentMemoryContext, "hierarchy page",
									ALLOCSET_DEFAULT_SIZES);
	r->page = palloc(BLCKSZ);
	r->items = palloc(sizeof(HgItem) * MaxIndexTuplesPerPage);
}

/*
 * reader_end frees it.
 */
static void
reader_end(Reader *r)
{
	MemoryContextDelete(r->work);
	pfree(r->page);
	pfree(r->items);
}

/*
 * fetch_page copies a data page if its stamp is greater than after, or always
 * when after is 0 and the page is not new.  Returns whether it did.
 */
static bool
fetch_page(Reader *r, BlockNumber block, uint64 after, bool may_be_new)
{
	Buffer		buffer = hg_read_buffer(r->index, block, NULL);
	Page		page = BufferGetPage(buffer);
	bool		wanted = false;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!may_be_new || !PageIsNew(page))
	{
		hg_page_check(r->index, buffer, HG_PAGE_DATA);
		wanted = (after == 0 || HgPageOpaque(page)->stamp > after);
	}
	if (wanted)
		memcpy(r->page, page, BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return wanted;
}

/*
 * page_seen returns the note about a page, made if need be.
 */
static HgPageSeen *
page_seen(HgCached *c, BlockNumber block)
{
	if (block >= c->nseen)
	{
		Size		size = (Size) block + block / 4 + 16;

		if (c->seen == NULL)
			c->seen = MemoryContextAllocHuge(CacheMemoryContext,
											 size * sizeof(HgPageSeen));
		else
			c->seen = repalloc_huge(c->seen, size * sizeof(HgPageSeen));
		memset(c->seen + c->nseen, 0, (size - c->nseen) * sizeof(HgPageSeen));
		c->nseen = size;
	}
	return &c->seen[block];
}

/*
 * hg_cache_forget_pages frees the notes about pages.
 */
void
hg_cache_forget_pages(HgCached *c)
{
	if (c->seen != NULL)
		pfree(c->seen);
	c->seen = NULL;
	c->nseen = 0;
}

/*
 * note_page notes what the fetched page looks like.
 */
static void
note_page(Reader *r, BlockNumber block)
{
	HgPageOpaqueData *opaque = HgPageOpaque((Page) r->page);
	HgPageSeen *seen;

	if (r->cached == NULL)
		return;
	seen = page_seen(r->cached, block);
	seen->stamp = opaque->stamp;
	seen->nitems = PageGetMaxOffsetNumber((Page) r->page);
	seen->was_tail = (opaque->flags & HG_PAGE_TAIL) != 0;
}

/*
 * put_page hands the fetched page to the graph, and notes what it looked like.
 *
 * What the stamps say (am.h, 4): unchanged, and entries were only appended;
 * one step on, and what is left of the entries we know is among the survivors,
 * where TIDs are unique.  Otherwise the page may have been pruned and filled
 * again several times, TIDs may have been recycled in between, and only a full
 * comparison is safe.
 */
static void
put_page(Reader *r, HgGraph *graph, BlockNumber block)
{
	HgPageOpaqueData *opaque = HgPageOpaque((Page) r->page);
	int			nitems = PageGetMaxOffsetNumber((Page) r->page);
	HgPageSeen	before = {0, 0, false};
	bool		appended;
	bool		pruned;
	MemoryContext old;
	int			n;

	if (r->cached != NULL)
		before = *page_seen(r->cached, block);
	appended = (before.nitems > 0 && before.stamp == opaque->stamp);
	pruned = (before.nitems > 0 && before.stamp == opaque->prev_stamp);
	if (appended && nitems == before.nitems)
		return;

	/* the everyday result of a vacuum: nothing added, TIDs will do */
	if (pruned && !before.was_tail && opaque->survivors == nitems)
	{
		hg_page_tids(r->index, (Page) r->page, block, nitems, r->items);
		if (hg_graph_prune_page(graph, block, r->items, nitems))
		{
			note_page(r, block);
			return;
		}
		pruned = false;
	}

	old = MemoryContextSwitchTo(r->work);
	n = hg_page_decode(r->index, r->layout, (Page) r->page, block,
					   (appended ? before.nitems : 0) + FirstOffsetNumber,
					   r->items);
	if (r->loading)
		hg_graph_load(graph, block, r->items, n);
	else if (appended)
		hg_graph_append(graph, block, r->items, n);
	else
		hg_graph_sync_page(graph, block, r->items, n,
						   pruned ? Min(opaque->survivors, nitems) :
						   HG_COMPARE_ALL);
	MemoryContextSwitchTo(old);
	MemoryContextReset(r->work);
	note_page(r, block);
}

/*
 * new_ref makes an empty graph reference.
 */
static HgGraphRef *
new_ref(MemoryContext parent)
{
	MemoryContext mcxt = AllocSetContextCreate(parent, "hierarchy image",
											   ALLOCSET_START_SMALL_SIZES);
	HgGraphRef *ref = MemoryContextAllocZero(mcxt, sizeof(HgGraphRef));

	ref->mcxt = mcxt;
	ref->refs = 1;
	return ref;
}

/*
 * hg_graph_ref_fold makes a folded copy of a graph, with one reference.
 */
HgGraphRef *
hg_graph_ref_fold(const HgGraph *graph)
{
	/* owned by the caller's context until complete, so an error frees it */
	HgGraphRef *ref = new_ref(CurrentMemoryContext);

	ref->graph = hg_graph_fold(graph, ref->mcxt);
	MemoryContextSetParent(ref->mcxt, CacheMemoryContext);
	return ref;
}

/*
 * load reads a whole index into a new graph.  *meta says where a catch-up has
 * to begin.
 */
static HgGraphRef *
load(Relation index, const HgLayout *layout, HgCached *c, HgMetaState *meta)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "hierarchy load",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	Reader		r;
	HgGraph    *graph;
	HgGraphRef *ref;
	BlockNumber nblocks;
	uint32		data_pages = 0;

	reader_begin(&r, index, layout, c);
	r.loading = true;
	graph = hg_graph_create(work, layout->key_kind, layout->roles);

	/* tail and counter first: what changes from here on is caught up later */
	hg_meta_peek(index, meta);
	nblocks = RelationGetNumberOfBlocks(index);
	for (BlockNumber b = HG_FIRST_DATA_BLKNO; b < nblocks; b++)
	{
		CHECK_FOR_INTERRUPTS();
		if (fetch_page(&r, b, 0, true))
		{
			put_page(&r, graph, b);
			data_pages++;
		}
		if (b == SAMPLE_PAGES)
			hg_graph_reserve(graph, (double) nblocks / SAMPLE_PAGES);
	}
	hg_check_data_pages(index, meta, data_pages);
	MemoryContextSwitchTo(old);
	ref = hg_graph_ref_fold(graph);
	MemoryContextDelete(work);
	return ref;
}

/*
 * chain_too_long: have there been more steps than the chain can have?  A page
 * is on it once while the counter stands still; when it moved, another round
 * follows anyway.  *limit is the number of blocks as last seen, asked for again
 * only when it is reached.
 */
static bool
chain_too_long(HgCached *c, Relation index, BlockNumber steps,
			   BlockNumber *limit)
{
	if (steps < *limit)
		return false;
	*limit = RelationGetNumberOfBlocks(index);
	if (steps < *limit)
		return false;
	if (!hg_cache_pruned(c, index))
		hg_report_corruption(index, c->tail,
							 "The chain of pages leads back to where it began.");
	return true;
}

/*
 * follow_chain appends what came behind our position in the chain of tails.
 */
static void
follow_chain(HgCached *c, Reader *r)
{
	BlockNumber limit = 0;

	for (BlockNumber steps = 0;; steps++)
	{
		BlockNumber next;

		CHECK_FOR_INTERRUPTS();
		fetch_page(r, c->tail, 0, false);
		put_page(r, c->ref->graph, c->tail);
		next = HgPageOpaque((Page) r->page)->next;
		if (next == InvalidBlockNumber ||
			chain_too_long(c, r->index, steps + 1, &limit))
			break;
		c->tail = next;
	}
}

/*
 * sweep visits the pages that changed otherwise since the image's counter.
 */
static void
sweep(HgCached *c, Reader *r)
{
	HgMetaState *meta = palloc(sizeof(HgMetaState));
	BlockNumber nblocks;

	hg_meta_read(r->index, meta);
	nblocks = RelationGetNumberOfBlocks(r->index);
	for (BlockNumber b = HG_FIRST_DATA_BLKNO; b < nblocks; b++)
	{
		uint64		after = (b == c->tail) ? 0 : c->counter;

		if (b != c->tail && meta->group_stamp[HgStampGroup(b)] <= c->counter)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (fetch_page(r, b, after, true))
			put_page(r, c->ref->graph, b);
	}
	c->counter = meta->counter;
	c->tail = meta->tail;
	pfree(meta);
}

/*
 * nothing_new: is the image in step already?  The everyday case; nothing is
 * touched but the two pages.
 */
static bool
nothing_new(HgCached *c, Relation index, const HgMetaState *meta)
{
	Buffer		buffer;
	Page		page;
	HgPageSeen *seen;
	bool		same;

	if (meta->counter != c->counter || meta->tail != c->tail)
		return false;
	buffer = hg_read_buffer(index, meta->tail, NULL);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	hg_page_check(index, buffer, HG_PAGE_DATA);
	page = BufferGetPage(buffer);
	seen = page_seen(c, meta->tail);
	same = (HgPageOpaque(page)->stamp == seen->stamp &&
			(int) PageGetMaxOffsetNumber(page) == seen->nitems &&
			HgPageOpaque(page)->next == InvalidBlockNumber);
	UnlockReleaseBuffer(buffer);
	return same;
}

/*
 * hg_cache_pruned: has a vacuum finished since the image caught up?
 */
bool
hg_cache_pruned(HgCached *c, Relation index)
{
	HgMetaState meta;

	hg_meta_peek(index, &meta);
	return meta.counter != c->counter;
}

/*
 * load_image loads the image from scratch.
 */
static void
load_image(HgCached *c, Relation index)
{
	HgMetaState meta;

	hg_cache_forget_pages(c);
	c->ref = load(index, &c->layout, c, &meta);
	c->build_id = meta.build_id;
	c->counter = meta.counter;
	c->tail = meta.tail;
	hg_cache_trim(c);
}

/*
 * hg_cache_catch_up brings the image in step with the index.
 */
void
hg_cache_catch_up(HgCached *c, Relation index, bool writing)
{
	HgMetaState meta;
	Reader		r;

	/* another build in the same file needs a lock that keeps us out */
	hg_meta_peek(index, &meta);
	if (c->changing || (c->ref != NULL && meta.build_id != c->build_id))
		hg_cache_discard(c);
	if (c->ref == NULL)
		load_image(c, index);
	else if (nothing_new(c, index, &meta))
		return;

	reader_begin(&r, index, &c->layout, c);
	c->changing = true;
	for (;;)
	{
		if (hg_cache_pruned(c, index))
			sweep(c, &r);
		follow_chain(c, &r);
		if (!hg_cache_pruned(c, index))
			break;
	}
	c->changing = false;
	reader_end(&r);

	if (hg_graph_wants_fold(c->ref->graph, writing))
	{
		HgGraphRef *ref;

		hg_sights_drop_idle(c);
		ref = hg_graph_ref_fold(c->ref->graph);
		hg_graph_ref_release(c->ref);
		c->ref = ref;
		hg_cache_trim(c);
	}
}

/*
 * hg_load_graph reads an index that nobody else writes to.
 */
HgGraphRef *
hg_load_graph(Relation index, const HgLayout *layout)
{
	HgMetaState meta;

	return load(index, layout, NULL, &meta);
}
