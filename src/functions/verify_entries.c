/*-------------------------------------------------------------------------
 *
 * verify_entries.c
 *	  verify(): the pages of an index, its entries against the table's rows,
 *	  and rows against entries.
 *
 * First every page is read.  Each entry whose row the snapshot sees must say
 * what the row says; rows met that way are marked.  Then the table is read:
 * each visible row that belongs into the index must be marked.
 *
 * Rows that the snapshot sees stay, and their entries stay on their pages, so
 * writers may go on meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "functions/verify.h"
#include "visibility/acyclic.h"

/* Bytes that hold a bit for each row of a heap page. */
#define BLOCK_BYTES		((MaxHeapTuplesPerPage + 7) / 8)

/* What it takes to tell the entry that a row should have. */
typedef struct RowReader
{
	IndexInfo  *info;
	EState	   *estate;
	ExprState  *predicate;
	TupleTableSlot *slot;
	Buffer		vm_buffer;		/* last page of the visibility map used */
	uint8	   *met;			/* a bit for each row met by an entry */
	BlockNumber met_blocks;
} RowReader;

/* One page, read under lock and looked at without. */
typedef struct PageRead
{
	BlockNumber blkno;
	bool		is_new;			/* zeroed */
	HgMetaState before;			/* metapage before and after */
	HgMetaState after;
	int			nitems;
	HgItem	   *items;
	int			nunseen;
	HgItem	   *unseen;			/* items that no snapshot should fail to see */
	PGAlignedBlock copy;
} PageRead;

/*
 * reader_open prepares for rows.
 */
static void
reader_open(HgVerify *v, RowReader *reader)
{
	reader->info = BuildIndexInfo(v->index);
	reader->estate = CreateExecutorState();
	reader->predicate = ExecPrepareQual(reader->info->ii_Predicate,
										reader->estate);
	reader->slot = table_slot_create(v->heap, NULL);
	reader->vm_buffer = InvalidBuffer;
	reader->met_blocks = RelationGetNumberOfBlocks(v->heap);
	reader->met = MemoryContextAllocExtended(CurrentMemoryContext,
											 (Size) reader->met_blocks * BLOCK_BYTES + 1,
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/*
 * reader_close is the end of it.
 */
static void
reader_close(RowReader *reader)
{
	if (BufferIsValid(reader->vm_buffer))
		ReleaseBuffer(reader->vm_buffer);
	ExecDropSingleTupleTableSlot(reader->slot);
	FreeExecutorState(reader->estate);
	pfree(reader->met);
}

/*
 * mark notes that an entry led to the row in the slot; true when none had
 * before.  Blocks added to the table later hold no row that we see.
 */
static bool
mark(RowReader *reader)
{
	BlockNumber block = ItemPointerGetBlockNumber(&reader->slot->tts_tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(&reader->slot->tts_tid) - 1;
	uint8	   *byte;
	uint8		bit = 1 << (offset % 8);

	if (block >= reader->met_blocks || offset >= MaxHeapTuplesPerPage)
		return true;
	byte = &reader->met[(Size) block * BLOCK_BYTES + offset / 8];
	if (*byte & bit)
		return false;
	*byte |= bit;
	return true;
}

/*
 * row_item makes the item of the row in the slot; false when the row belongs
 * not into the index.
 */
static bool
row_item(HgVerify *v, RowReader *reader, HgItem *item)
{
	ExprContext *econtext = GetPerTupleExprContext(reader->estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	ResetExprContext(econtext);
	econtext->ecxt_scantuple = reader->slot;
	if (reader->predicate && !ExecQual(reader->predicate, econtext))
		return false;
	FormIndexDatum(reader->info, reader->slot, reader->estate, values, isnull);
	return hg_item_from_values(&v->layout, values, isnull,
							   &reader->slot->tts_tid, item);
}

/*
 * same_key compares two keys.
 */
static bool
same_key(const HgLayout *layout, const HgKey *a, const HgKey *b)
{
	if (layout->key_kind == HG_KEY_INT)
		return a->num == b->num;
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/*
 * same_edge compares the keys of two items.
 */
static bool
same_edge(const HgLayout *layout, const HgItem *a, const HgItem *b)
{
	return a->has_parent == b->has_parent &&
		(!a->has_parent || same_key(layout, &a->parent, &b->parent)) &&
		same_key(layout, &a->child, &b->child);
}

/*
 * different_role names a role in which two items differ, NULL if in none.
 */
static const char *
different_role(const HgItem *a, const HgItem *b)
{
	uint8		diff = a->flags ^ b->flags;

	if ((diff & HG_ENTRY_WEIGHT_NULL) ||
		memcmp(&a->weight, &b->weight, sizeof(double)) != 0)
		return "weight";
	if (a->valid_from != b->valid_from || a->valid_to != b->valid_to)
		return "validity";
	if (diff & HG_ENTRY_PRIMARY)
		return "is_primary";
	if ((diff & HG_ENTRY_LABEL_NULL) || a->label != b->label)
		return "label";
	return NULL;
}

/*
 * edge_text writes the keys of an item.
 */
static char *
edge_text(const HgLayout *layout, const HgItem *item)
{
	return psprintf("parent %s, child %s",
					item->has_parent ? hg_key_text(layout, &item->parent) : "NULL",
					hg_key_text(layout, &item->child));
}

/*
 * compare reports in what an entry and the row in the slot differ.
 */
static void
compare(HgVerify *v, RowReader *reader, const HgItem *entry)
{
	BlockNumber block = ItemPointerGetBlockNumber(&reader->slot->tts_tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(&reader->slot->tts_tid);
	HgItem		row;
	const char *role;

	if (!row_item(v, reader, &row))
	{
		hg_verify_report(v, "entry for a row that does not belong into the index",
						 "The entry with %s points to row (%u,%u).",
						 edge_text(&v->layout, entry), block, offset);
		return;
	}
	if (!same_edge(&v->layout, entry, &row))
		hg_verify_report(v, "entry differs from its row",
						 "The entry has %s; row (%u,%u) has %s.",
						 edge_text(&v->layout, entry), block, offset,
						 edge_text(&v->layout, &row));
	else if ((role = different_role(entry, &row)) != NULL)
		hg_verify_report(v, "entry differs from its row",
						 "The entry with %s and row (%u,%u) differ in %s.",
						 edge_text(&v->layout, entry), block, offset, role);
	if (!mark(reader))
		hg_verify_report(v, "row has more than one entry",
						 "Row (%u,%u) with %s.", block, offset,
						 edge_text(&v->layout, &row));
}

/*
 * is_all_visible: does the visibility map say that every row of the block is
 * visible?  Readers then believe so of every entry that points there.
 */
static bool
is_all_visible(HgVerify *v, RowReader *reader, BlockNumber block)
{
	return v->heap->rd_tableam == GetHeapamTableAmRoutine() &&
		VM_ALL_VISIBLE(v->heap, block, &reader->vm_buffer);
}

/*
 * check_entry follows an entry to its row.  Returns false if there is none
 * although readers will believe there is.
 */
static bool
check_entry(HgVerify *v, RowReader *reader, IndexFetchTableData *fetch,
			const HgItem *entry)
{
	ItemPointerData tid;
	bool		call_again = false;
	bool		all_dead = false;

	if (entry->tid_off == InvalidOffsetNumber ||
		entry->tid_off > MaxHeapTuplesPerPage ||
		(entry->tid_block >= reader->met_blocks &&
		 entry->tid_block >= RelationGetNumberOfBlocks(v->heap)))
	{
		hg_verify_report(v, "entry points outside of the table",
						 "The entry with %s points to row (%u,%u).",
						 edge_text(&v->layout, entry), entry->tid_block,
						 entry->tid_off);
		return true;
	}
	ItemPointerSet(&tid, entry->tid_block, entry->tid_off);
	if (table_index_fetch_tuple(fetch, &tid, v->snapshot, reader->slot,
								&call_again, &all_dead))
		compare(v, reader, entry);
	else if (is_all_visible(v, reader, entry->tid_block))
		return false;
	ExecClearTuple(reader->slot);
	return true;
}

/*
 * read_meta is a step: reads the metapage.
 */
static void
read_meta(HgVerify *v, void *arg)
{
	hg_meta_read(v->index, arg);
}

/*
 * read_page is a step: reads one page, and the metapage before and after.
 */
static void
read_page(HgVerify *v, void *arg)
{
	PageRead   *read = arg;
	Buffer		buffer;

	hg_meta_read(v->index, &read->before);
	buffer = hg_read_buffer(v->index, read->blkno, NULL);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	read->is_new = PageIsNew(BufferGetPage(buffer));
	if (!read->is_new)
	{
		hg_page_check(v->index, buffer, HG_PAGE_DATA);
		memcpy(read->copy.data, BufferGetPage(buffer), BLCKSZ);
	}
	UnlockReleaseBuffer(buffer);
	hg_meta_read(v->index, &read->after);
	if (!read->is_new)
		read->nitems = hg_page_decode(v->index, &v->layout, read->copy.data,
									  read->blkno, FirstOffsetNumber,
									  read->items);
}

/*
 * check_page_links checks what readers rely on when they look for changes: the
 * chain of tails, and stamps that tell which pages have been pruned.
 */
static void
check_page_links(HgVerify *v, const PageRead *read)
{
	HgPageOpaqueData *opaque = HgPageOpaque((Page) read->copy.data);
	const HgMetaState *meta = &read->after;
	bool		is_tail = (opaque->flags & HG_PAGE_TAIL) != 0;

	/* A greater stamp is that of a vacuum still, or never, to be finished. */
	if (opaque->stamp <= meta->counter &&
		opaque->stamp > meta->group_stamp[HgStampGroup(read->blkno)])
		hg_verify_report(v, "page stamp is not announced",
						 "Block %u has stamp " UINT64_FORMAT ", its group " UINT64_FORMAT ".",
						 read->blkno, opaque->stamp,
						 meta->group_stamp[HgStampGroup(read->blkno)]);

	/* Between the two looks at the metapage nothing moved the tail. */
	if (read->before.tail == meta->tail &&
		is_tail != (meta->tail == read->blkno))
		hg_verify_report(v, "tail is not marked right",
						 "Block %u is the tail, block %u is %smarked as the tail.",
						 meta->tail, read->blkno, is_tail ? "" : "not ");

	if (opaque->next != InvalidBlockNumber &&
		(is_tail || opaque->next < HG_FIRST_DATA_BLKNO ||
		 opaque->next >= RelationGetNumberOfBlocks(v->index)))
		hg_verify_report(v, "page has a wrong successor",
						 "Block %u is followed by block %u.",
						 read->blkno, opaque->next);
}

/*
 * still_there: is there such an entry on the page?
 */
static bool
still_there(HgVerify *v, const PageRead *read, const HgItem *item)
{
	for (int i = 0; i < read->nitems; i++)
	{
		if (read->items[i].tid_block == item->tid_block &&
			read->items[i].tid_off == item->tid_off &&
			same_edge(&v->layout, &read->items[i], item))
			return true;
	}
	return false;
}

/*
 * check_unseen reports entries without a row on heap pages that are marked
 * all-visible.  VACUUM removes entries before it marks the page, so a second
 * look at the index page, and then at the mark, tells those that it removed
 * since the first.
 */
static void
check_unseen(HgVerify *v, RowReader *reader, PageRead *read)
{
	PageRead   *again;

	if (read->nunseen == 0)
		return;
	again = palloc0(sizeof(PageRead));
	again->blkno = read->blkno;
	again->items = palloc(MaxIndexTuplesPerPage * sizeof(HgItem));
	if (!hg_verify_passed(v, hg_verify_try(v, read_page, again)))
		return;
	for (int i = 0; i < read->nunseen; i++)
	{
		const HgItem *entry = &read->unseen[i];

		if (still_there(v, again, entry) &&
			is_all_visible(v, reader, entry->tid_block))
			hg_verify_report(v, "entry points to no row",
							 "The entry with %s points to row (%u,%u), where the visibility map promises one.",
							 edge_text(&v->layout, entry), entry->tid_block,
							 entry->tid_off);
	}
}

/*
 * check_page looks at one page and its entries.  Returns false when it could
 * not be read; a page that was never initialised does not count.
 */
static bool
check_page(HgVerify *v, RowReader *reader, IndexFetchTableData *fetch,
		   PageRead *read, uint32 *data_pages)
{
	read->nitems = 0;
	if (!hg_verify_passed(v, hg_verify_try(v, read_page, read)))
		return false;
	if (read->is_new)
		return true;

	(*data_pages)++;
	check_page_links(v, read);
	read->nunseen = 0;
	for (int i = 0; i < read->nitems; i++)
	{
		if (!check_entry(v, reader, fetch, &read->items[i]))
			read->unseen[read->nunseen++] = read->items[i];
	}
	check_unseen(v, reader, read);
	return true;
}

/*
 * check_pages reads the whole index.
 */
static void
check_pages(HgVerify *v, RowReader *reader)
{
	IndexFetchTableData *fetch;
	PageRead   *read = palloc0(sizeof(PageRead));
	HgMetaState meta;
	BlockNumber blocks;
	uint32		data_pages = 0;
	bool		readable = true;

	/* Without the metapage nothing else can be read. */
	if (!hg_verify_passed(v, hg_verify_try(v, read_meta, &meta)))
		return;

	blocks = RelationGetNumberOfBlocks(v->index);
	fetch = table_index_fetch_begin(v->heap);
	read->items = palloc(MaxIndexTuplesPerPage * sizeof(HgItem));
	read->unseen = palloc(MaxIndexTuplesPerPage * sizeof(HgItem));
	for (BlockNumber blkno = HG_FIRST_DATA_BLKNO; blkno < blocks; blkno++)
	{
		MemoryContext old = MemoryContextSwitchTo(v->work_mcxt);

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(v->work_mcxt);
		read->blkno = blkno;
		readable &= check_page(v, reader, fetch, read, &data_pages);
		MemoryContextSwitchTo(old);
	}
	table_index_fetch_end(fetch);
	pfree(read->items);
	pfree(read->unseen);
	pfree(read);

	if (readable && data_pages < meta.data_pages)
	{
		hg_verify_report(v, "index is damaged",
						 "%u of %u data pages are missing.",
						 meta.data_pages - data_pages, meta.data_pages);
		v->damaged = true;
	}
}

/*
 * check_rows reads the whole table.
 */
static void
check_rows(HgVerify *v, RowReader *reader)
{
	TableScanDesc scan = table_beginscan(v->heap, v->snapshot, 0, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, reader->slot))
	{
		MemoryContext old = MemoryContextSwitchTo(v->work_mcxt);
		HgItem		row;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(v->work_mcxt);
		if (row_item(v, reader, &row) && mark(reader))
			hg_verify_report(v, "row has no entry", "Row (%u,%u) with %s.",
							 ItemPointerGetBlockNumber(&reader->slot->tts_tid),
							 ItemPointerGetOffsetNumber(&reader->slot->tts_tid),
							 edge_text(&v->layout, &row));
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
}

/*
 * hg_verify_entries compares index and table.  Without all of the index there
 * is no point in listing the rows that are missing from the rest.
 */
void
hg_verify_entries(HgVerify *v)
{
	RowReader	reader;

	reader_open(v, &reader);
	check_pages(v, &reader);
	if (!v->damaged)
		check_rows(v, &reader);
	reader_close(&reader);
}
