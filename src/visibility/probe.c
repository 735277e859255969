/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  The present state of the row behind an entry, as core's
 *	  check_exclusion_constraint() looks at rows: under a dirty snapshot, which
 *	  tells committed from pending, and whom to wait for.
 *
 * No snapshot protects a row that is dead to everyone, so its line pointer may
 * have been recycled since the image was read.  Hence whatever is found must
 * still carry the entry's keys and satisfy the index's predicate.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "visibility/probe.h"

/*
 * hg_probe_begin prepares for probing rows of a table.
 */
void
hg_probe_begin(HgProbe *probe, Relation heap, Relation index,
			   const HgLayout *layout, HgGraph *graph)
{
	memset(probe, 0, sizeof(HgProbe));
	probe->heap = heap;
	probe->index = index;
	probe->layout = layout;
	probe->graph = graph;
	probe->info = BuildIndexInfo(index);
	probe->estate = CreateExecutorState();
	probe->predicate = ExecPrepareQual(probe->info->ii_Predicate, probe->estate);
	probe->slot = table_slot_create(heap, NULL);
	probe->fetch = table_index_fetch_begin(heap);
}

/*
 * hg_probe_end releases what hg_probe_begin took.
 */
void
hg_probe_end(HgProbe *probe)
{
	table_index_fetch_end(probe->fetch);
	ExecDropSingleTupleTableSlot(probe->slot);
	FreeExecutorState(probe->estate);
}

/*
 * row_matches: does the row in the slot belong to the entry?
 */
static bool
row_matches(HgProbe *probe, uint32 entry, ItemPointer tid)
{
	ExprContext *econtext = GetPerTupleExprContext(probe->estate);
	MemoryContext old;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	HgItem		item;
	bool		same;

	econtext->ecxt_scantuple = probe->slot;
	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	FormIndexDatum(probe->info, probe->slot, probe->estate, values, isnull);
	same = hg_item_from_values(probe->layout, values, isnull, tid, &item) &&
		hg_graph_matches(probe->graph, entry, &item) &&
		ExecQual(probe->predicate, econtext);
	MemoryContextSwitchTo(old);
	ResetPerTupleExprContext(probe->estate);
	return same;
}

/*
 * probe_row looks at a row; entry HG_NONE accepts it whatever its keys.
 */
static HgEdgeState
probe_row(HgProbe *probe, uint32 entry, BlockNumber block, OffsetNumber offset)
{
	SnapshotData dirty;
	ItemPointerData tid;
	bool		again = false;
	bool		found;

	InitDirtySnapshot(dirty);
	ItemPointerSet(&tid, block, offset);
	probe->wait_tid = tid;
	found = table_index_fetch_tuple(probe->fetch, &tid, &dirty, probe->slot,
									&again, NULL);
	if (found && entry != HG_NONE)
		found = row_matches(probe, entry, &probe->wait_tid);
	ExecClearTuple(probe->slot);
	table_index_fetch_reset(probe->fetch);	/* no pin while we may wait */
	if (!found)
		return HG_EDGE_ABSENT;
	if (!TransactionIdIsValid(dirty.xmin) && !TransactionIdIsValid(dirty.xmax))
		return HG_EDGE_SETTLED;
	probe->wait_xid = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
	probe->wait_token = TransactionIdIsValid(dirty.xmin) ? dirty.speculativeToken : 0;
	return HG_EDGE_PENDING;
}

/*
 * hg_probe_entry is the graph core's question about an entry.
 */
HgEdgeState
hg_probe_entry(void *arg, uint32_t entry)
{
	HgProbe    *probe = arg;
	HgEntry		e;

	CHECK_FOR_INTERRUPTS();
	hg_graph_entry(probe->graph, entry, &e);
	return probe_row(probe, entry, e.tid_block, e.tid_off);
}

/*
 * hg_probe_tid asks about a row by its place.
 */
HgEdgeState
hg_probe_tid(HgProbe *probe, BlockNumber block, OffsetNumber offset)
{
	return probe_row(probe, HG_NONE, block, offset);
}

/*
 * hg_probe_wait waits for whoever made the last answer pending.
 */
void
hg_probe_wait(HgProbe *probe)
{
	if (probe->wait_token != 0)
		SpeculativeInsertionWait(probe->wait_xid, probe->wait_token);
	else
		XactLockTableWait(probe->wait_xid, probe->heap, &probe->wait_tid,
						  XLTW_RecheckExclusionConstr);
}
