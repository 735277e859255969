/*-------------------------------------------------------------------------
 *
 * collect_share.h
 *	  Handing a partial rollup over within a query without a copy.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_COLLECT_SHARE_H
#define HGRAPH_COLLECT_SHARE_H

#include "nodes/execnodes.h"
#include "rollup/collect_state.h"

/* Where a worker's accumulators can be shared; NULL: nowhere. */
extern dsa_area *hg_share_area(const AggState *aggstate);
/* Is this a part that goes on in the same process? */
extern bool hg_share_leads(const AggState *aggstate);
/* Is it one beside workers? */
extern bool hg_share_has_workers(const AggState *aggstate);

/* Writes a message that stands for the collector; false: it cannot be done. */
extern bool hg_share_write(HgCollect *c, const AggState *aggstate,
						   HgBuffer *buf);
/*
 * The collector behind a message; NULL: this is none.  Local: it is another
 * node's of this process and may be gone on with.  Else hg_share_done after
 * merging it.
 */
extern HgCollect *hg_share_read(const char *data, Size len,
								AggState *aggstate, bool *local);
extern void hg_share_done(HgCollect *c);

#endif							/* HGRAPH_COLLECT_SHARE_H */
