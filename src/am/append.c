/*-------------------------------------------------------------------------
 *
 * append.c
 *	  Adding one entry to a page that has room, and its WAL.
 *
 * This writes the record that GenericXLogFinish() would write, for the generic
 * resource manager to replay, but says itself what changed.  The facility
 * finds that out by copying the page twice and comparing it byte by byte,
 * which costs more than everything else in an insertion together.  We know:
 * the page header's bounds, one line pointer, one tuple.
 *
 * The record is a sequence of fragments {offset, length, bytes} to be copied
 * onto the page (core's generic_xlog.c, applyPageRedo()); replay zeroes the
 * hole, which is zero already on pages that were only appended to and is
 * zeroed by GenericXLogFinish() after every other change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xloginsert.h"
#include "am/am.h"
#include "miscadmin.h"

/* What replay expects before the bytes of a fragment. */
typedef struct Fragment
{
	OffsetNumber offset;
	OffsetNumber length;
} Fragment;

/* Flags, lower and upper bound: neighbours in the page header. */
#define BOUNDS_OFFSET	offsetof(PageHeaderData, pd_flags)
#define BOUNDS_LENGTH	(offsetof(PageHeaderData, pd_special) - BOUNDS_OFFSET)

/*
 * log_fragment registers one stretch of the page.
 */
static void
log_fragment(Page page, Fragment *fragment, Size offset, Size length)
{
	fragment->offset = (OffsetNumber) offset;
	fragment->length = (OffsetNumber) length;
	XLogRegisterBufData(0, (char *) fragment, sizeof(Fragment));
	XLogRegisterBufData(0, (char *) page + offset, length);
}

/*
 * hg_append_entry adds an entry behind all others of an exclusively locked
 * page.  The caller made sure that there is room.
 */
void
hg_append_entry(Relation index, Buffer buffer, IndexTuple itup)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber offset = OffsetNumberNext(PageGetMaxOffsetNumber(page));

	START_CRIT_SECTION();
	if (PageAddItem(page, (Item) itup, IndexTupleSize(itup), offset,
					false, false) != offset)
		elog(PANIC, "could not add entry to index \"%s\"",
			 RelationGetRelationName(index));
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(index))
	{
		Fragment	fragments[3];
		ItemId		lp = PageGetItemId(page, offset);
		XLogRecPtr	lsn;

		XLogBeginInsert();
		XLogRegisterBuffer(0, buffer, REGBUF_STANDARD);
		log_fragment(page, &fragments[0], BOUNDS_OFFSET, BOUNDS_LENGTH);
		log_fragment(page, &fragments[1], (char *) lp - (char *) page,
					 sizeof(ItemIdData));
		log_fragment(page, &fragments[2], ItemIdGetOffset(lp),
					 IndexTupleSize(itup));
		lsn = XLogInsert(RM_GENERIC_ID, 0);
		PageSetLSN(page, lsn);
	}
	END_CRIT_SECTION();
}
