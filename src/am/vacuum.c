/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Removing dead entries, and making their space available.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "access/generic_xlog.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"

/*
 * prune_page removes dead entries from a locked page.  Survivors keep their
 * order.  Returns the number removed.
 */
static int
prune_page(Relation index, Buffer buffer, uint64 counter,
		   IndexBulkDeleteCallback callback, void *callback_state)
{
	Page		page = BufferGetPage(buffer);
	BlockNumber blkno = BufferGetBlockNumber(buffer);
	OffsetNumber maxoff = PageGetMaxOffsetNumber(page);
	OffsetNumber dead[MaxIndexTuplesPerPage];
	int			ndead = 0;
	GenericXLogState *xlog;

	for (OffsetNumber off = FirstOffsetNumber; off <= maxoff;
		 off = OffsetNumberNext(off))
	{
		IndexTuple	itup = hg_page_entry(index, page, blkno, off);

		if (callback(&itup->t_tid, callback_state))
			dead[ndead++] = off;
	}
	if (ndead == 0)
		return 0;

	xlog = GenericXLogStart(index);
	page = GenericXLogRegisterBuffer(xlog, buffer, 0);
	PageIndexMultiDelete(page, dead, ndead);
	/* Always a new stamp, even where this period has set one before. */
	hg_page_stamp(page, Max(HgPageOpaque(page)->stamp, counter) + 1);
	GenericXLogFinish(xlog);
	return ndead;
}

/*
 * raise_counter tells readers that pages of the given groups changed.
 */
static void
raise_counter(Relation index, uint64 counter, const bool *group_changed)
{
	Buffer		buffer = hg_meta_lock_exclusive(index);
	GenericXLogState *xlog = GenericXLogStart(index);
	HgMetaPageData *meta;

	meta = HgMetaPageGet(GenericXLogRegisterBuffer(xlog, buffer, 0));
	Assert(meta->counter < counter);
	for (int i = 0; i < HG_STAMP_GROUPS; i++)
	{
		if (group_changed[i])
			meta->group_stamp[i] = counter;
	}
	meta->counter = counter;
	GenericXLogFinish(xlog);
	UnlockReleaseBuffer(buffer);
}

/*
 * hgraph_bulkdelete is ambulkdelete.
 *
 * Nothing else raises the counter meanwhile: VACUUM and CREATE INDEX
 * CONCURRENTLY exclude each other by their lock on the table.  Pages added
 * after the start hold no entry that could be dead for this vacuum.
 *
 * The counter is raised before returning, because VACUUM then makes the TIDs
 * of the removed entries available for new rows.  A reader in step with the
 * old counter may still hold such an entry; it must learn of the removal
 * before it can meet the same TID with other keys.  WAL is replayed in this
 * order, too.  Should this vacuum be interrupted, the stamps remain; the next
 * one finds them newer than the counter and raises it.
 */
IndexBulkDeleteResult *
hgraph_bulkdelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				  IndexBulkDeleteCallback callback, void *callback_state)
{
	Relation	index = info->index;
	bool		group_changed[HG_STAMP_GROUPS] = {false};
	HgMetaState meta;
	BlockNumber nblocks;
	uint64		counter,
				greatest;

	if (stats == NULL)
		stats = (IndexBulkDeleteResult *) palloc0(sizeof(IndexBulkDeleteResult));

	hg_meta_peek(index, &meta);
	greatest = counter = meta.counter;
	nblocks = RelationGetNumberOfBlocks(index);
	for (BlockNumber blkno = HG_FIRST_DATA_BLKNO; blkno < nblocks; blkno++)
	{
		Buffer		buffer;
		Page		page;

		hg_vacuum_delay_point();
		buffer = hg_read_buffer(index, blkno, info->strategy);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		page = BufferGetPage(buffer);
		if (!PageIsNew(page))
		{
			hg_page_check(index, buffer, HG_PAGE_DATA);
			stats->tuples_removed += prune_page(index, buffer, counter,
												callback, callback_state);
			if (HgPageOpaque(page)->stamp > counter)
			{
				group_changed[HgStampGroup(blkno)] = true;
				greatest = Max(greatest, HgPageOpaque(page)->stamp);
			}
		}
		UnlockReleaseBuffer(buffer);
	}

	if (greatest > counter)
		raise_counter(index, greatest, group_changed);
	return stats;
}

/*
 * offer_page enters a page into the free space map, or takes it out, and
 * tells if it is there now.
 */
static bool
offer_page(Relation index, BlockNumber blkno, Size space)
{
	if (space >= HG_REUSE_FREE_SPACE)
	{
		RecordPageWithFreeSpace(index, blkno, space);
		return true;
	}

	/* Do not create a map only to say that there is nothing. */
	if (GetRecordedFreeSpace(index, blkno) > 0)
		RecordPageWithFreeSpace(index, blkno, 0);
	return false;
}

/*
 * hgraph_vacuumcleanup is amvacuumcleanup: counts, offers free space, and
 * notices pages that vanished.
 */
IndexBulkDeleteResult *
hgraph_vacuumcleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	Relation	index = info->index;
	HgMetaState meta;
	BlockNumber nblocks;
	uint32		data_pages = 0;

	if (info->analyze_only)
		return stats;
	if (stats == NULL)
		stats = (IndexBulkDeleteResult *) palloc0(sizeof(IndexBulkDeleteResult));

	hg_meta_read(index, &meta);
	nblocks = RelationGetNumberOfBlocks(index);
	stats->num_pages = nblocks;
	stats->num_index_tuples = 0;
	stats->estimated_count = false;
	stats->pages_free = 0;

	for (BlockNumber blkno = HG_FIRST_DATA_BLKNO; blkno < nblocks; blkno++)
	{
		Buffer		buffer;
		Page		page;
		Size		space;

		hg_vacuum_delay_point();
		buffer = hg_read_buffer(index, blkno, info->strategy);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (PageIsNew(page))
			space = HG_MAX_ENTRY_SIZE;
		else
		{
			hg_page_check(index, buffer, HG_PAGE_DATA);
			data_pages++;
			stats->num_index_tuples += PageGetMaxOffsetNumber(page);
			space = HgPageOpaque(page)->flags & HG_PAGE_TAIL ? 0 :
				PageGetFreeSpace(page);
		}
		UnlockReleaseBuffer(buffer);

		if (offer_page(index, blkno, space))
			stats->pages_free++;
	}
	IndexFreeSpaceMapVacuum(index);

	hg_check_data_pages(index, &meta, data_pages);
	return stats;
}
