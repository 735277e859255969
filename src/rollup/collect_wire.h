/*-------------------------------------------------------------------------
 *
 * collect_wire.h
 *	  What a partial rollup looks like on its way to another process.
 *
 * This head; the accumulator of facts without a key, if there are such; the
 * keys, unless they are a range of integers; the accumulators.  The latter are
 * columns (rollup/columns.h): counts; sums, least and greatest values (double
 * precision: sums come in two columns); flags.  Numerics and text keys are a
 * column of lengths followed by their bytes, uuids are just bytes.
 *
 * In a range, accumulators without facts travel along.  From a range into
 * another one, merging is one pass over both.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_COLLECT_WIRE_H
#define HGRAPH_COLLECT_WIRE_H

#include "rollup/collect.h"
#include "utils/dsa.h"

#define HG_WIRE_MAGIC	0x48475701

typedef struct HgWireHead
{
	uint32		magic;			/* HG_WIRE_MAGIC */
	HgCollectArgs args;
	HgAccKind	kind;
	int			scale;
	bool		has_high;		/* NARROW: sums take more than 64 bits */
	bool		has_flags;
	bool		has_keyless;
	bool		dense;			/* keys are base, base + 1 ... */
	bool		from_worker;	/* not the leader's own part */
	uint32		n;				/* accumulators but that without a key */
	int64		base;
} HgWireHead;

/*
 * Within a query, a message may stand for the bytes (collect_share.c): where
 * the leader's collector is, or accumulators in shared memory, by position.
 */
#define HG_WIRE_LOCAL	0x48474c01
#define HG_WIRE_SHARED	0x48475301

typedef struct HgWireShared
{
	uint32		magic;
	HgCollectArgs args;
	HgCollect  *collector;		/* LOCAL: that is all */
	HgAccKind	kind;
	int			scale;
	uint32		n;
	uint32		nused;
	int64		base;
	dsm_handle	segment;		/* of the parallel query */
	dsa_pointer chunk;
	Size		offset;			/* of the first accumulator */
} HgWireShared;

#endif							/* HGRAPH_COLLECT_WIRE_H */
