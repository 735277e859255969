/*-------------------------------------------------------------------------
 *
 * build.c
 *	  Building an hgraph index: the log that insertion would have written,
 *	  page by page in heap order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "access/generic_xlog.h"
#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "miscadmin.h"
#include "utils/memutils.h"

HgBuildCheck hgraph_build_check = NULL;

typedef struct HgBuildState
{
	Relation	index;
	int64		ntuples;		/* entries so far */
	BlockNumber blkno;			/* where the page at hand will go */
	PGAlignedBlock page;		/* page at hand */
	MemoryContext row_context;	/* reset after each row */
} HgBuildState;

/*
 * new_block appends a block to a fork that nobody else knows of yet.
 */
static Buffer
new_block(Relation index, ForkNumber fork, BlockNumber expected)
{
	Buffer		buffer = ReadBufferExtended(index, fork, P_NEW, RBM_NORMAL,
											NULL);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (BufferGetBlockNumber(buffer) != expected)
		elog(ERROR, "unexpected block %u in index \"%s\"",
			 BufferGetBlockNumber(buffer), RelationGetRelationName(index));
	return buffer;
}

/*
 * write_page writes the page at hand to its block.
 */
static void
write_page(HgBuildState *state)
{
	Buffer		buffer;
	GenericXLogState *xlog;
	Page		page;

	CHECK_FOR_INTERRUPTS();
	buffer = new_block(state->index, MAIN_FORKNUM, state->blkno);
	xlog = GenericXLogStart(state->index);
	page = GenericXLogRegisterBuffer(xlog, buffer, GENERIC_XLOG_FULL_IMAGE);
	memcpy(page, state->page.data, BLCKSZ);
	GenericXLogFinish(xlog);
	UnlockReleaseBuffer(buffer);
}

/*
 * write_meta writes the metapage: first to have block 0, then, with the last
 * block, to say where the index ends.
 */
static void
write_meta(Relation index, BlockNumber last)
{
	Buffer		buffer;
	GenericXLogState *xlog;
	Page		page;

	if (last == InvalidBlockNumber)
		buffer = new_block(index, MAIN_FORKNUM, HG_METAPAGE_BLKNO);
	else
		buffer = hg_meta_lock_exclusive(index);

	xlog = GenericXLogStart(index);
	page = GenericXLogRegisterBuffer(xlog, buffer, GENERIC_XLOG_FULL_IMAGE);
	hg_meta_init(page);
	if (last != InvalidBlockNumber)
	{
		HgMetaPageGet(page)->tail = last;
		HgMetaPageGet(page)->data_pages = last - HG_FIRST_DATA_BLKNO + 1;
	}
	GenericXLogFinish(xlog);
	UnlockReleaseBuffer(buffer);
}

/*
 * add_row is called for every row of the table.
 */
static void
add_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		bool tupleIsAlive, void *arg)
{
	HgBuildState *state = (HgBuildState *) arg;
	MemoryContext old_context;
	IndexTuple	itup;
	Page		page = (Page) state->page.data;

	if (isnull[1])
		return;

	old_context = MemoryContextSwitchTo(state->row_context);
	itup = hg_form_entry(index, values, isnull, tid);

	if (PageGetFreeSpace(page) < IndexTupleSize(itup))
	{
		HgPageOpaque(page)->next = state->blkno + 1;
		write_page(state);
		state->blkno++;
		hg_page_init(page, HG_PAGE_DATA, 0);
	}
	hg_page_add(page, itup);
	state->ntuples++;

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(state->row_context);
}

/*
 * hgraph_build is ambuild.
 */
IndexBuildResult *
hgraph_build(Relation heap, Relation index, struct IndexInfo *indexInfo)
{
	HgBuildState state;
	HgLayout	layout;
	IndexBuildResult *result;
	double		heap_tuples;

	if (RelationGetNumberOfBlocks(index) != 0)
		elog(ERROR, "index \"%s\" already contains data",
			 RelationGetRelationName(index));

	hg_layout_resolve(index, &layout);

	state.index = index;
	state.ntuples = 0;
	state.blkno = HG_FIRST_DATA_BLKNO;
	hg_page_init((Page) state.page.data, HG_PAGE_DATA, 0);
	state.row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "hgraph build",
											  ALLOCSET_DEFAULT_SIZES);

	write_meta(index, InvalidBlockNumber);
	heap_tuples = table_index_build_scan(heap, index, indexInfo, false, true,
										 add_row, &state, NULL);
	HgPageOpaque((Page) state.page.data)->flags |= HG_PAGE_TAIL;
	write_page(&state);
	write_meta(index, state.blkno);
	MemoryContextDelete(state.row_context);

	if (layout.acyclic && hgraph_build_check != NULL)
		hgraph_build_check(index, heap, &layout, indexInfo);

	result = (IndexBuildResult *) palloc(sizeof(IndexBuildResult));
	result->heap_tuples = heap_tuples;
	result->index_tuples = state.ntuples;
	return result;
}

/*
 * hgraph_buildempty is ambuildempty: the init fork of an unlogged index.
 */
void
hgraph_buildempty(Relation index)
{
	Buffer		meta_buffer = new_block(index, INIT_FORKNUM,
										HG_METAPAGE_BLKNO);
	Buffer		data_buffer = new_block(index, INIT_FORKNUM,
										HG_FIRST_DATA_BLKNO);

	START_CRIT_SECTION();
	hg_meta_init(BufferGetPage(meta_buffer));
	MarkBufferDirty(meta_buffer);
	log_newpage_buffer(meta_buffer, true);
	hg_page_init(BufferGetPage(data_buffer), HG_PAGE_DATA | HG_PAGE_TAIL, 0);
	MarkBufferDirty(data_buffer);
	log_newpage_buffer(data_buffer, true);
	END_CRIT_SECTION();

	UnlockReleaseBuffer(data_buffer);
	UnlockReleaseBuffer(meta_buffer);
}
