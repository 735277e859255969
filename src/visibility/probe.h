/*-------------------------------------------------------------------------
 *
 * probe.h
 *	  The present state of the row behind an entry, for constraint checks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_PROBE_H
#define HGRAPH_PROBE_H

#include "access/tableam.h"
#include "am/am.h"
#include "nodes/execnodes.h"

typedef struct HgProbe
{
	Relation	heap;
	Relation	index;
	const HgLayout *layout;
	HgGraph    *graph;			/* that entries are numbers of */
	IndexInfo  *info;
	EState	   *estate;
	ExprState  *predicate;
	TupleTableSlot *slot;
	IndexFetchTableData *fetch;
	/* of the last pending answer */
	TransactionId wait_xid;
	uint32		wait_token;		/* speculative insertion, or 0 */
	ItemPointerData wait_tid;
} HgProbe;

extern void hg_probe_begin(HgProbe *probe, Relation heap, Relation index,
						   const HgLayout *layout, HgGraph *graph);
extern void hg_probe_end(HgProbe *probe);
/* State of a row as a dirty snapshot sees it; has the graph core's type. */
extern HgEdgeState hg_probe_entry(void *arg, uint32_t entry);
/* The same for a row given by its TID, whatever its keys. */
extern HgEdgeState hg_probe_tid(HgProbe *probe, BlockNumber block,
								OffsetNumber offset);
/* Waits for the transaction that the last pending answer was about. */
extern void hg_probe_wait(HgProbe *probe);

#endif							/* HGRAPH_PROBE_H */
