/*-------------------------------------------------------------------------
 *
 * vm.c
 *	  Copying a table's visibility map.
 *
 * The map is read without a lock, as visibilitymap_get_status() does; single
 * bytes are read atomically, and nothing more is asked of them.  Why a copy
 * that may be old as soon as it is made can be trusted is told in
 * cache/query.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/memutils.h"
#include "visibility/visibility.h"

/* Layout of a map page, see core's visibilitymap.c. */
#define MAP_BYTES	(BLCKSZ - MAXALIGN(SizeOfPageHeaderData))
#define PAGES_PER_BYTE	(BITS_PER_BYTE / BITS_PER_HEAPBLOCK)

/*
 * all_set: are the first "pages" pages marked all-visible?
 */
static bool
all_set(const uint8 *bits, uint32 pages)
{
	uint32		whole = pages / PAGES_PER_BYTE;
	uint8		mask = VISIBILITYMAP_ALL_VISIBLE;
	uint8		every = mask | mask << 2 | mask << 4 | mask << 6;

	for (uint32 i = 0; i < whole; i++)
	{
		if ((bits[i] & every) != every)
			return false;
	}
	for (uint32 i = 0; i < pages % PAGES_PER_BYTE; i++)
	{
		if (!((bits[whole] >> (i * BITS_PER_HEAPBLOCK)) & mask))
			return false;
	}
	return true;
}

/*
 * hg_vm_copy copies the visibility map.  Tables that are not heaps have none.
 */
void
hg_vm_copy(Relation heap, MemoryContext mcxt, HgVmCopy *copy)
{
	BlockNumber nblocks;
	uint32		bytes;
	Buffer		buffer = InvalidBuffer;

	copy->bits = NULL;
	copy->pages = 0;
	copy->all_visible = false;
	if (heap->rd_tableam != GetHeapamTableAmRoutine())
		return;

	nblocks = RelationGetNumberOfBlocks(heap);
	bytes = (nblocks + PAGES_PER_BYTE - 1) / PAGES_PER_BYTE;
	copy->bits = MemoryContextAllocZero(mcxt, bytes + 1);
	copy->pages = nblocks;
	for (uint32 start = 0; start < bytes; start += MAP_BYTES)
	{
		/* asking for one page's status pins the map page that has it */
		(void) visibilitymap_get_status(heap, start * PAGES_PER_BYTE, &buffer);
		if (BufferIsValid(buffer))
			memcpy(copy->bits + start, PageGetContents(BufferGetPage(buffer)),
				   Min(MAP_BYTES, bytes - start));
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	copy->all_visible = all_set(copy->bits, nblocks);
}
