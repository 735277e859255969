/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  Appending an entry.
 *
 * The everyday case touches one page: the tail.  When it is full, whoever
 * notices takes the metapage's lock, which serialises all changes of the tail
 * and all growth of the file, and makes another page the tail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "access/generic_xlog.h"
#include "storage/freespace.h"
#include "utils/memutils.h"

HgInsertCheck hgraph_insert_check = NULL;

/* What a statement remembers from row to row, in IndexInfo.ii_AmCache. */
typedef struct HgInsertState
{
	HgLayout	layout;
	BlockNumber tail;			/* as last seen, or invalid */
	MemoryContext row_context;	/* reset after each row */
} HgInsertState;

/*
 * insert_state finds or makes the statement's state.
 */
static HgInsertState *
insert_state(Relation index, IndexInfo *indexInfo)
{
	HgInsertState *state = (HgInsertState *) indexInfo->ii_AmCache;

	if (state == NULL)
	{
		state = MemoryContextAlloc(indexInfo->ii_Context,
								   sizeof(HgInsertState));
		hg_layout_resolve(index, &state->layout);
		state->tail = InvalidBlockNumber;
		state->row_context = AllocSetContextCreate(indexInfo->ii_Context,
												   "hgraph insert",
												   ALLOCSET_DEFAULT_SIZES);
		indexInfo->ii_AmCache = state;
	}
	return state;
}

/*
 * append_to_page appends to a locked page if it is the tail and has room.
 */
static bool
append_to_page(Relation index, Buffer buffer, IndexTuple itup)
{
	Page		page;

	hg_page_check(index, buffer, HG_PAGE_DATA);
	page = BufferGetPage(buffer);
	if (!(HgPageOpaque(page)->flags & HG_PAGE_TAIL) ||
		PageGetFreeSpace(page) < IndexTupleSize(itup))
		return false;
	hg_append_entry(index, buffer, itup);
	return true;
}

/*
 * may_become_tail tells if a locked page offered by the free space map is
 * what the map says.  The map is a hint only, and not crash-safe.
 */
static bool
may_become_tail(Relation index, Buffer buffer, uint64 counter, Size needed)
{
	Page		page = BufferGetPage(buffer);

	if (PageIsNew(page))
		return true;
	hg_page_check(index, buffer, HG_PAGE_DATA);

	/*
	 * A page with a newer stamp was the tail since the counter last moved, or
	 * belongs to a vacuum under way: see rules 3 and 4 in am.h.
	 */
	return !(HgPageOpaque(page)->flags & HG_PAGE_TAIL) &&
		HgPageOpaque(page)->stamp <= counter &&
		PageGetFreeSpace(page) >= needed;
}

/*
 * choose_page finds or adds a page to become the tail and locks it.  The
 * caller holds the metapage, so nobody else does the same.
 */
static Buffer
choose_page(Relation index, uint64 counter, Size entry_size)
{
	Size		needed = Max(HG_REUSE_FREE_SPACE, entry_size);
	BlockNumber blkno = GetPageWithFreeSpace(index, needed);
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	Buffer		buffer;

	while (blkno != InvalidBlockNumber)
	{
		if (blkno >= HG_FIRST_DATA_BLKNO && blkno < nblocks)
		{
			buffer = hg_read_buffer(index, blkno, NULL);
			if (ConditionalLockBuffer(buffer))
			{
				if (may_become_tail(index, buffer, counter, needed))
				{
					RecordPageWithFreeSpace(index, blkno, 0);
					return buffer;
				}
				LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
			}
			ReleaseBuffer(buffer);
		}
		/* Every wrong offer is taken out of the map, so this ends. */
		blkno = RecordAndGetPageWithFreeSpace(index, blkno, 0, needed);
	}

	/* The metapage's lock serves as the lock on extending the relation. */
	buffer = hg_read_buffer(index, P_NEW, NULL);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return buffer;
}

/*
 * change_tail makes another page the tail, with the entry as the first that
 * it gets as such; metapage and old tail are locked.  Returns its number.
 */
static BlockNumber
change_tail(Relation index, Buffer meta_buffer, Buffer old_buffer,
			IndexTuple itup)
{
	HgMetaPageData *meta = HgMetaPageGet(BufferGetPage(meta_buffer));
	uint64		stamp = meta->counter + 1;
	Buffer		new_buffer;
	BlockNumber new_tail;
	bool		is_new;
	GenericXLogState *xlog;
	Page		page;

	new_buffer = choose_page(index, meta->counter, IndexTupleSize(itup));
	new_tail = BufferGetBlockNumber(new_buffer);
	is_new = PageIsNew(BufferGetPage(new_buffer));

	xlog = GenericXLogStart(index);

	page = GenericXLogRegisterBuffer(xlog, old_buffer, 0);
	HgPageOpaque(page)->next = new_tail;
	HgPageOpaque(page)->flags &= ~HG_PAGE_TAIL;

	page = GenericXLogRegisterBuffer(xlog, new_buffer,
									 is_new ? GENERIC_XLOG_FULL_IMAGE : 0);
	if (is_new)
		hg_page_init(page, HG_PAGE_DATA, 0);
	HgPageOpaque(page)->next = InvalidBlockNumber;
	HgPageOpaque(page)->flags |= HG_PAGE_TAIL;
	hg_page_stamp(page, stamp);
	hg_page_add(page, itup);

	page = GenericXLogRegisterBuffer(xlog, meta_buffer, 0);
	meta = HgMetaPageGet(page);
	meta->tail = new_tail;
	meta->group_stamp[HgStampGroup(new_tail)] = stamp;
	if (is_new)
		meta->data_pages++;

	GenericXLogFinish(xlog);
	UnlockReleaseBuffer(new_buffer);
	return new_tail;
}

/*
 * append_slowly appends wherever the tail may be now.  Returns its number.
 */
static BlockNumber
append_slowly(Relation index, IndexTuple itup)
{
	Buffer		meta_buffer = hg_meta_lock_exclusive(index);
	BlockNumber tail = HgMetaPageGet(BufferGetPage(meta_buffer))->tail;
	Buffer		buffer = hg_read_buffer(index, tail, NULL);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	hg_page_check(index, buffer, HG_PAGE_DATA | HG_PAGE_TAIL);
	if (!append_to_page(index, buffer, itup))
		tail = change_tail(index, meta_buffer, buffer, itup);
	UnlockReleaseBuffer(buffer);
	UnlockReleaseBuffer(meta_buffer);
	return tail;
}

/*
 * append_entry appends to the index; *tail is where the caller last found
 * room, and is kept up to date.
 */
static void
append_entry(Relation index, IndexTuple itup, BlockNumber *tail)
{
	Buffer		buffer;
	bool		done;

	if (!BlockNumberIsValid(*tail))
	{
		HgMetaState meta;

		hg_meta_peek(index, &meta);
		*tail = meta.tail;
	}

	buffer = hg_read_buffer(index, *tail, NULL);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	done = append_to_page(index, buffer, itup);
	UnlockReleaseBuffer(buffer);

	if (!done)
		*tail = append_slowly(index, itup);
}

/*
 * hgraph_insert is aminsert: append, then let the acyclicity check look at
 * what is there now.  In this order two writers cannot miss each other.
 */
bool
hgraph_insert(Relation index, Datum *values, bool *isnull,
			  ItemPointer ht_ctid, Relation heapRel,
			  IndexUniqueCheck checkUnique, bool indexUnchanged,
			  struct IndexInfo *indexInfo)
{
	HgInsertState *state;
	MemoryContext old_context;
	HgItem		item;

	/* A row without a child says nothing about the graph. */
	if (isnull[1])
		return false;

	state = insert_state(index, indexInfo);
	old_context = MemoryContextSwitchTo(state->row_context);

	append_entry(index, hg_form_entry(index, values, isnull, ht_ctid),
				 &state->tail);

	if (state->layout.acyclic && hgraph_insert_check != NULL && !isnull[0] &&
		hg_item_from_values(&state->layout, values, isnull, ht_ctid, &item))
		hgraph_insert_check(index, heapRel, &state->layout, &item, indexInfo);

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(state->row_context);
	return false;
}
