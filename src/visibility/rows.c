/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Visibility of rows on heap pages that are not all-visible.
 *
 * An entry points to the root of a HOT chain; whether some member is visible
 * is for heap_hot_search_buffer() to say, which also does what SERIALIZABLE
 * needs.  Answers are remembered per heap page.  After a few single look-ups
 * on a page the rest of it is looked up at one go, since whoever walks over a
 * freshly loaded table asks for every row of every page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "common/hashfn.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "visibility/visibility.h"

/* Single look-ups on a page before all of it is looked up. */
#define SINGLE_LOOKUPS	2

#define BITMAP_BYTES	((MaxHeapTuplesPerPage + 8) / 8)

typedef struct PageMemo
{
	BlockNumber block;			/* hash key */
	char		status;			/* for simplehash */
	bool		complete;		/* known[] need not be looked at */
	uint8		lookups;
	uint8		known[BITMAP_BYTES];
	uint8		visible[BITMAP_BYTES];
} PageMemo;

#define SH_PREFIX		pagememo
#define SH_ELEMENT_TYPE PageMemo
#define SH_KEY_TYPE		BlockNumber
#define SH_KEY			block
#define SH_HASH_KEY(tb, key) murmurhash32(key)
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct HgRowMemo
{
	Oid			heap_oid;
	pagememo_hash *pages;
};

#define BIT(bits, i)		(((bits)[(i) >> 3] >> ((i) & 7)) & 1)
#define SET_BIT(bits, i)	((bits)[(i) >> 3] |= 1 << ((i) & 7))

/*
 * hg_row_memo_create returns an empty memo.
 */
HgRowMemo *
hg_row_memo_create(Oid heap_oid, MemoryContext mcxt)
{
	HgRowMemo  *memo = MemoryContextAlloc(mcxt, sizeof(HgRowMemo));

	memo->heap_oid = heap_oid;
	memo->pages = pagememo_create(mcxt, 16, NULL);
	return memo;
}

/*
 * fetch_row asks the table for one row, whatever its access method.
 */
static bool
fetch_row(Relation heap, Snapshot snapshot, BlockNumber block,
		  OffsetNumber offset)
{
	ItemPointerData tid;
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	IndexFetchTableData *fetch = table_index_fetch_begin(heap);
	bool		again = false;
	bool		found;

	ItemPointerSet(&tid, block, offset);
	found = table_index_fetch_tuple(fetch, &tid, snapshot, slot, &again, NULL);
	table_index_fetch_end(fetch);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

/*
 * search_chain asks about the HOT chain that starts at an offset of a locked
 * heap page.
 */
static bool
search_chain(Relation heap, Buffer buffer, Snapshot snapshot,
			 BlockNumber block, OffsetNumber offset)
{
	ItemPointerData tid;
	HeapTupleData tuple;

	ItemPointerSet(&tid, block, offset);
	return heap_hot_search_buffer(&tid, heap, buffer, snapshot, &tuple, NULL,
								  true);
}

/*
 * search_page asks about every chain on a locked heap page.
 */
static void
search_page(Relation heap, Buffer buffer, Snapshot snapshot, PageMemo *memo)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber max = PageGetMaxOffsetNumber(page);

	for (OffsetNumber off = FirstOffsetNumber; off <= max; off++)
	{
		ItemId		lp = PageGetItemId(page, off);

		if (BIT(memo->known, off) || !(ItemIdIsNormal(lp) || ItemIdIsRedirected(lp)))
			continue;
		if (ItemIdIsNormal(lp) &&
			HeapTupleHeaderIsHeapOnly((HeapTupleHeader) PageGetItem(page, lp)))
			continue;			/* no entry points here */
		if (search_chain(heap, buffer, snapshot, memo->block, off))
			SET_BIT(memo->visible, off);
	}
	memo->complete = true;
}

/*
 * hg_row_memo_visible: does the snapshot see the row (block, offset)?
 */
bool
hg_row_memo_visible(HgRowMemo *memo, Snapshot snapshot,
					BlockNumber block, OffsetNumber offset)
{
	PageMemo   *page;
	bool		found;
	Relation	heap;

	page = pagememo_insert(memo->pages, block, &found);
	if (!found)
	{
		page->complete = false;
		page->lookups = 0;
		memset(page->known, 0, sizeof(page->known));
		memset(page->visible, 0, sizeof(page->visible));
	}
	if (offset > MaxHeapTuplesPerPage)
		return false;			/* no such row; the index is damaged */
	if (page->complete || BIT(page->known, offset))
		return BIT(page->visible, offset);

	/* the lock taken when the query was opened is still there */
	heap = table_open(memo->heap_oid, NoLock);
	if (heap->rd_tableam != GetHeapamTableAmRoutine())
	{
		if (fetch_row(heap, snapshot, block, offset))
			SET_BIT(page->visible, offset);
		SET_BIT(page->known, offset);
	}
	else if (page->lookups == 0 && block >= RelationGetNumberOfBlocks(heap))
		page->complete = true;	/* beyond the end; the index is damaged */
	else
	{
		Buffer		buffer = ReadBuffer(heap, block);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (page->lookups++ < SINGLE_LOOKUPS)
		{
			if (search_chain(heap, buffer, snapshot, block, offset))
				SET_BIT(page->visible, offset);
			SET_BIT(page->known, offset);
		}
		else
			search_page(heap, buffer, snapshot, page);
		UnlockReleaseBuffer(buffer);
	}
	table_close(heap, NoLock);
	return BIT(page->visible, offset);
}
