/*-------------------------------------------------------------------------
 *
 * page.c
 *	  Pages of an hgraph index: initialising, reading, and not believing them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"

/*
 * hg_page_init sets up an empty page.
 */
void
hg_page_init(Page page, uint16 flags, uint64 stamp)
{
	HgPageOpaqueData *opaque;

	PageInit(page, BLCKSZ, sizeof(HgPageOpaqueData));
	opaque = HgPageOpaque(page);
	opaque->stamp = stamp;
	opaque->prev_stamp = stamp;
	opaque->survivors = 0;
	opaque->unused16 = 0;
	opaque->unused32 = 0;
	opaque->next = InvalidBlockNumber;
	opaque->flags = flags;
	opaque->page_id = HG_PAGE_ID;
}

/*
 * hg_page_stamp gives a page a new stamp.
 */
void
hg_page_stamp(Page page, uint64 stamp)
{
	HgPageOpaqueData *opaque = HgPageOpaque(page);

	Assert(stamp > opaque->stamp);
	opaque->prev_stamp = opaque->stamp;
	opaque->stamp = stamp;
	opaque->survivors = PageGetMaxOffsetNumber(page);
}

/*
 * hg_meta_init sets up the metapage of an index with one empty data page,
 * which the caller provides.
 */
void
hg_meta_init(Page page)
{
	HgMetaPageData *meta;

	hg_page_init(page, HG_PAGE_META, 0);
	meta = HgMetaPageGet(page);
	memset(meta, 0, sizeof(HgMetaPageData));
	meta->magic = HG_MAGIC;
	meta->version = HG_FORMAT_VERSION;
	meta->tail = HG_FIRST_DATA_BLKNO;
	meta->data_pages = 1;
	if (!pg_strong_random(&meta->build_id, sizeof(meta->build_id)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));

	/* Generic WAL and page images leave out what is not below pd_lower. */
	((PageHeader) page)->pd_lower =
		((char *) meta + sizeof(HgMetaPageData)) - (char *) page;
}

/*
 * hg_report_corruption raises the error for a page that cannot be right.
 */
void
hg_report_corruption(Relation index, BlockNumber blkno, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is corrupted at block %u",
					RelationGetRelationName(index), blkno),
			 errdetail_internal("%s", detail),
			 errhint("Please REINDEX it.")));
}

/*
 * damaged_page_callback turns the storage manager's complaint about an invalid
 * or missing page into one that says what to do.
 */
static void
damaged_page_callback(void *arg)
{
	if (geterrcode() == ERRCODE_DATA_CORRUPTED ||
		geterrcode() == ERRCODE_UNDEFINED_FILE)
	{
		errcode(ERRCODE_INDEX_CORRUPTED);
		errcontext("reading index \"%s\"",
				   RelationGetRelationName((Relation) arg));
		errhint("Please REINDEX it.");
	}
}

/*
 * hg_read_buffer pins a block of the index.
 */
Buffer
hg_read_buffer(Relation index, BlockNumber blkno,
			   BufferAccessStrategy strategy)
{
	ErrorContextCallback callback;
	Buffer		buffer;

	/* Of blocks so far off the storage manager speaks in other terms. */
	if (blkno >= RELSEG_SIZE && blkno != P_NEW &&
		blkno >= RelationGetNumberOfBlocks(index))
		hg_report_corruption(index, blkno,
							 "Another page refers to this block, which is beyond the end of the file.");

	callback.callback = damaged_page_callback;
	callback.arg = index;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	buffer = ReadBufferExtended(index, MAIN_FORKNUM, blkno, RBM_NORMAL,
								strategy);
	error_context_stack = callback.previous;

	return buffer;
}

/*
 * hg_page_check makes sure that a locked page is what the caller takes it for.
 */
void
hg_page_check(Relation index, Buffer buffer, uint16 expected_flags)
{
	Page		page = BufferGetPage(buffer);
	PageHeader	header = (PageHeader) page;
	HgPageOpaqueData *opaque;

	if (PageIsNew(page))
		hg_report_corruption(index, BufferGetBlockNumber(buffer),
							 "The page is zeroed.");

	if (header->pd_special != BLCKSZ - MAXALIGN(sizeof(HgPageOpaqueData)) ||
		header->pd_lower < SizeOfPageHeaderData ||
		header->pd_lower > header->pd_upper ||
		header->pd_upper > header->pd_special)
		hg_report_corruption(index, BufferGetBlockNumber(buffer),
							 "The page header makes no sense.");

	opaque = HgPageOpaque(page);
	if (opaque->page_id != HG_PAGE_ID)
		hg_report_corruption(index, BufferGetBlockNumber(buffer),
							 psprintf("The page identifier is 0x%04x instead of 0x%04x.",
									  opaque->page_id, HG_PAGE_ID));
	if ((opaque->flags & expected_flags) != expected_flags)
		hg_report_corruption(index, BufferGetBlockNumber(buffer),
							 psprintf("The page flags 0x%04x lack 0x%04x.",
									  opaque->flags,
									  expected_flags & ~opaque->flags));

	/* Whoever loops over the entries reserves memory for so many. */
	if ((opaque->flags & HG_PAGE_DATA) &&
		PageGetMaxOffsetNumber(page) > MaxIndexTuplesPerPage)
		hg_report_corruption(index, BufferGetBlockNumber(buffer),
							 "The page holds more entries than fit.");
}

/*
 * hg_page_entry finds an entry on a checked page.
 */
IndexTuple
hg_page_entry(Relation index, Page page, BlockNumber blkno,
			  OffsetNumber offset)
{
	ItemId		lp = PageGetItemId(page, offset);
	Size		off = ItemIdGetOffset(lp);
	Size		len = ItemIdGetLength(lp);
	IndexTuple	itup;

	if (!ItemIdIsNormal(lp) ||
		off < ((PageHeader) page)->pd_upper ||
		off + len > ((PageHeader) page)->pd_special ||
		off != MAXALIGN(off) ||
		len < sizeof(IndexTupleData))
		hg_report_corruption(index, blkno,
							 psprintf("The line pointer of entry %u makes no sense.",
									  offset));

	itup = (IndexTuple) PageGetItem(page, lp);
	if (IndexTupleSize(itup) != len)
		hg_report_corruption(index, blkno,
							 psprintf("Entry %u is %zu bytes long, its line pointer says %zu.",
									  offset, (Size) IndexTupleSize(itup), len));
	if (!ItemPointerIsValid(&itup->t_tid))
		hg_report_corruption(index, blkno,
							 psprintf("Entry %u points to no row.", offset));
	return itup;
}

/*
 * hg_page_add puts an entry behind the last one of a page that has room.
 */
void
hg_page_add(Page page, IndexTuple itup)
{
	OffsetNumber offset = OffsetNumberNext(PageGetMaxOffsetNumber(page));

	if (PageAddItem(page, (Item) itup, IndexTupleSize(itup), offset,
					false, false) != offset)
		elog(ERROR, "could not add an entry to an hgraph page");
}

/*
 * lock_meta pins, locks and checks the metapage.
 */
static Buffer
lock_meta(Relation index)
{
	Buffer		buffer;
	HgMetaPageData *meta;

	buffer = hg_read_buffer(index, HG_METAPAGE_BLKNO, NULL);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	hg_page_check(index, buffer, HG_PAGE_META);

	meta = HgMetaPageGet(BufferGetPage(buffer));
	if (meta->magic != HG_MAGIC)
		hg_report_corruption(index, HG_METAPAGE_BLKNO,
							 psprintf("The magic number is 0x%08x instead of 0x%08x.",
									  meta->magic, HG_MAGIC));
	if (meta->version != HG_FORMAT_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" has a format that is not supported",
						RelationGetRelationName(index)),
				 errdetail("The index has format version %u, the installed hierarchy reads version %u.",
						   meta->version, HG_FORMAT_VERSION),
				 errhint("Please REINDEX it.")));
	if (meta->tail < HG_FIRST_DATA_BLKNO || meta->tail == InvalidBlockNumber)
		hg_report_corruption(index, HG_METAPAGE_BLKNO,
							 psprintf("Block %u cannot be open for insertion.",
									  meta->tail));
	return buffer;
}

/*
 * hg_meta_lock_exclusive pins and locks the metapage for a change.
 */
Buffer
hg_meta_lock_exclusive(Relation index)
{
	Buffer		buffer;

	/* What is checked stays true while the lock is exchanged. */
	buffer = lock_meta(index);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return buffer;
}

/*
 * copy_head copies everything but the stamps.
 */
static void
copy_head(const HgMetaPageData *meta, HgMetaState *state)
{
	state->tail = meta->tail;
	state->data_pages = meta->data_pages;
	state->counter = meta->counter;
	state->build_id = meta->build_id;
}

/*
 * hg_meta_read copies what the metapage says.
 */
void
hg_meta_read(Relation index, HgMetaState *state)
{
	Buffer		buffer = lock_meta(index);
	HgMetaPageData *meta = HgMetaPageGet(BufferGetPage(buffer));

	copy_head(meta, state);
	memcpy(state->group_stamp, meta->group_stamp, sizeof(meta->group_stamp));
	UnlockReleaseBuffer(buffer);
}

/*
 * hg_meta_peek copies what it says, but for the stamps.
 */
void
hg_meta_peek(Relation index, HgMetaState *state)
{
	Buffer		buffer = lock_meta(index);

	copy_head(HgMetaPageGet(BufferGetPage(buffer)), state);
	UnlockReleaseBuffer(buffer);
}

/*
 * hg_check_data_pages reports zeroed pages after a look at all of them.
 */
void
hg_check_data_pages(Relation index, const HgMetaState *meta,
					uint32 data_pages)
{
	if (data_pages < meta->data_pages)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" has lost pages",
						RelationGetRelationName(index)),
				 errdetail("Of %u data pages only %u are there, others are zeroed or missing.",
						   meta->data_pages, data_pages),
				 errhint("Please REINDEX it.")));
}
