/*-------------------------------------------------------------------------
 *
 * private.h
 *	  Graphs made by a real query, for callers who may not use the index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_PRIVATE_H
#define HGRAPH_PRIVATE_H

#include "cache/cache.h"
#include "datatype/timestamp.h"

/* What such a graph depends on beside the snapshot. */
typedef struct HgPrivateKey
{
	uint64		settings;		/* hash over all settings */
	Oid			user;
	uint32		roles;			/* whose columns he may read */
	TimestampTz statement;		/* of the client, where policies are volatile */
} HgPrivateKey;

extern void hg_private_key(HgPrivateKey *key, uint32 roles);
/*
 * The graph of the rows that the current user sees under the active snapshot,
 * with the columns of these roles.
 */
extern HgGraphRef *hg_private_graph(Relation heap, Relation index,
									const HgLayout *layout, uint32 roles);

#endif							/* HGRAPH_PRIVATE_H */
