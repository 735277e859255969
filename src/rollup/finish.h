/*-------------------------------------------------------------------------
 *
 * finish.h
 *	  From facts by key to totals by node: the second half of a rollup.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_FINISH_H
#define HGRAPH_FINISH_H

#include "functions/keys.h"
#include "rollup/collect.h"
#include "utils/memutils.h"

typedef struct HgFinish HgFinish;

/*
 * The hrollup of a collector, palloc'd in the current context; the collector
 * stays as it is.  Opens the graph as the current user, under the active
 * snapshot.  "ahead" is what hg_rollup_ahead has made, or NULL.
 */
extern struct varlena *hg_rollup_finish(HgCollect *c, HgFinish *ahead);

/*
 * ahead.c: does what needs no facts, in a context below mcxt, for a rollup that
 * has seen so many nodes.  NULL: not worth it, at least up to *next nodes.
 */
extern HgFinish *hg_rollup_ahead(HgCollect *c, uint32 nused, uint32 *next,
								 MemoryContext mcxt);
/* Frees it unused. */
extern void hg_ahead_drop(HgFinish *f);

/* ---- what the files of this half share ---- */

/* Own values by member: where they are, or they themselves. */
typedef struct HgOwn
{
	uint32	   *slot;			/* "plain" is there: HG_NONE, or where */
	int64	   *count;
	uint8	   *flags;			/* NULL: nothing special */
	hg_int128  *fixed;			/* one of these three */
	HgReal	   *real;
	Numeric    *wide;
	int64	   *least64;		/* one pair of these three */
	int64	   *greatest64;
	hg_int128  *least;
	hg_int128  *greatest;
	Numeric    *least_wide;
	Numeric    *greatest_wide;
} HgOwn;

struct HgFinish
{
	HgCollect  *c;
	const HgCollectArgs *args;
	HgQuery		q;
	MemoryContext mcxt;			/* everything here lives in it */
	HgDag	   *dag;
	HgRollupHead head;

	/* facts whose node is known; listed, or in own.slot alone */
	uint32		nmatched;
	uint32	   *slot;			/* accumulator */
	uint32	   *member;			/* of the dag; before there is one: node */

	bool		beside;			/* workers have brought facts: a thread may help */
	bool		special;		/* is there NaN, or any infinity? */
	HgPlain		plain;			/* accumulators, if that is all there is */
	HgOwn		own;

	/* by local node */
	HgMeasure	sum;
	HgMeasure	count;
	uint8	   *flags;			/* NULL: facts everywhere, nothing special */
	bool		narrow;			/* extremes have 64 bits */
	void	   *least;			/* int64, hg_int128 or Numeric */
	void	   *greatest;

	/* made ahead: the dag is that of all nodes; else NULL */
	uint32	   *by_key;			/* member by key - first_key, or HG_NONE */
	int64		first_key;
	uint32		span;
	uint32	   *no_slot;		/* own.slot of members none of which has facts */
	uint32	   *order;			/* members in the order of keys ... */
	int64	   *keys;			/* ... and these; still to be filled */
};

/*
 * hg_finish_alloc allocates n elements, zeroed on demand.
 */
static inline void *
hg_finish_alloc(HgFinish *f, uint32 n, Size size, bool zero)
{
	return MemoryContextAllocExtended(f->mcxt, Max((Size) n, 1) * size,
									  MCXT_ALLOC_HUGE | (zero ? MCXT_ALLOC_ZERO : 0));
}

/*
 * hg_finish_wide: does the collector hold numerics?
 */
static inline bool
hg_finish_wide(const HgFinish *f)
{
	return hg_collect_kind(f->c) == HG_ACC_WIDE;
}

/*
 * hg_finish_local is a member's local node.
 */
static inline uint32
hg_finish_local(const HgFinish *f, uint32 member)
{
	return f->dag->member_local ? f->dag->member_local[member] : member;
}

/* finish.c: makes one, and opens the graph */
extern HgFinish *hg_finish_begin(HgCollect *c, MemoryContext mcxt);

/* passes.c: rolls up flags, counts, sums and extremes, then the roots' sums */
extern void hg_finish_roll_up(HgFinish *f);

/* result.c: the hrollup, in the given context */
extern struct varlena *hg_finish_result(HgFinish *f, MemoryContext mcxt);

/* wide.c: numeric arithmetic for the graph core; mcxt holds the cells.  scale
 * is that of what "share" returns. */
extern void hg_wide_ops(HgOpaqueOps *ops, int scale, MemoryContext mcxt);
extern int	hg_wide_compare(void *arg, const void *a, const void *b);

/* order.c: members of a dag that have facts (flags NULL: all), by key.
 * Returns their number. */
extern uint32 hg_key_order(const HgGraph *g, const HgDag *dag,
						   const uint8 *flags, uint32 *order);

/* ahead.c: the same where the dag was made ahead, into f->order and f->keys;
 * the rest of the members come behind them */
extern uint32 hg_ahead_order(HgFinish *f);
/* Readies a column for them.  Changes values of the rest, so that is the last
 * thing to be done. */
extern void hg_ahead_fill(const HgFinish *f, HgSource *column);

#endif							/* HGRAPH_FINISH_H */
