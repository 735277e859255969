/*-------------------------------------------------------------------------
 *
 * rollup.h
 *	  Rolling amounts up: from the nodes that have facts to everything above
 *	  them.  Part of the graph core.
 *
 * Two steps.  hg_dag_build cuts what lies above the nodes with facts out of a
 * view, as a small graph of its own (HgDag) whose nodes are numbered so that
 * parents come before children.  The passes then run over arrays by those
 * numbers, once for each measure (an amount, or a count).
 *
 * What the mode means for a node's total:
 *	 distinct	facts of every node at or below it, each once
 *	 primary	the same over primary edges only
 *	 paths		once for each path
 *	 weighted	times the product of shares along each path, summed
 *
 *-------------------------------------------------------------------------
 */
#ifndef HG_ROLLUP_H
#define HG_ROLLUP_H

#include <math.h>

#include "graph/graph.h"

/* Memory of the host need not be aligned for more than eight bytes. */
typedef __int128 hg_int128 __attribute__((aligned(8)));

typedef enum HgMode
{
	HG_DISTINCT,
	HG_WEIGHTED,
	HG_PRIMARY,
	HG_PATHS
} HgMode;

/* ---- dag.c: what lies above some nodes ---- */

#define HG_NO_DEPTH		UINT32_MAX

/* Weights beyond this cannot be calculated with, whatever a graph allows. */
#define HG_MAX_WEIGHT	1e9

/*
 * Local nodes are numbered 0 .. n - 1, parents before children.  In a graph
 * with cycles (distinct and primary only) a local node stands for all nodes
 * of a strongly connected component; otherwise for one.
 *
 * Each local node's distinct parents stand in up[up_start[i]] up to
 * up[up_start[i + 1]], in ascending order of their graph nodes' keys, so that
 * results do not depend on how the graph happens to be numbered.  (In no
 * particular order where there are cycles; no mode that works there cares.)
 */
typedef struct HgDag
{
	uint32_t	n;				/* local nodes */
	uint32_t   *up_start;		/* n + 1 */
	uint32_t   *up;
	double	   *weight;			/* by position in up[]; weighted only:
								 * parallel rows added */
	uint8_t    *stated;			/* by position in up[]; weighted only: any of
								 * the rows states a weight */
	uint64_t	nunstated;		/* rows (not gone, seen) without a weight */

	/* The graph's nodes in it: those with facts and all above them. */
	uint32_t	nmembers;
	uint32_t   *member;			/* graph node; equals the local number's node
								 * where nothing is cyclic */
	uint32_t   *member_local;	/* its local node; NULL: member i is local i */
	uint32_t   *depth;			/* by member: shortest distance from a root of
								 * the edges used, HG_NO_DEPTH: no root above */
	uint8_t    *is_root;		/* by local node: no parent over edges of the
								 * mode (nor, for a component, from outside) */

	/*
	 * A weight outside 0 .. 1 (or NaN), for a message; if there is one beyond
	 * HG_MAX_WEIGHT (or NaN), then such a one, and the dag is unusable.
	 */
	bool		out_of_range;
	bool		unusable;
	uint32_t	bad_parent;		/* graph nodes */
	uint32_t	bad_child;
	double		bad_weight;

	struct HgDagWork *work;		/* private: graph node -> member */
	void	   *arena;
} HgDag;

/*
 * Cuts out what lies above (and includes) the given nodes, all of which exist
 * in the view.  The view has no primary filter, even for HG_PRIMARY: a node
 * whose edges are all non-primary is a root then.  Returns NULL when the mode
 * (weighted, paths) cannot do with a cycle and there is one; *cycle_node then
 * is a node on or above it.  Time is in proportion to what lies above when
 * that is little, and a few sequential passes over the graph when it is much.
 *
 * The dag holds memory of the view's graph: hg_dag_free before that goes.
 */
extern HgDag *hg_dag_build(HgView *view, const uint32_t *node, uint32_t n,
						   HgMode mode, void *arena, uint32_t *cycle_node);
/* Local node of a graph node that is in the dag, else HG_NONE. */
extern uint32_t hg_dag_local(const HgDag *dag, uint32_t node);
/* Turns graph nodes that are in the dag into their numbers in member[]. */
extern void hg_dag_members(const HgDag *dag, uint32_t *node, uint32_t n);
/* The same for any nodes, HG_NONE among them; returns how many are in it. */
extern uint32_t hg_dag_find(const HgDag *dag, const uint32_t *node, uint32_t n,
							uint32_t *member);
/* Would what lies above any of the members alone give these the same totals? */
extern bool hg_dag_is_even(const HgDag *dag);
extern void hg_dag_free(HgDag *dag);

/* ---- measures: arrays by local node that a pass rolls up in place ---- */

typedef enum HgMeasureKind
{
	HG_FIXED,					/* 128-bit integers */
	HG_REAL,					/* compensated doubles */
	HG_OPAQUE					/* whatever the host adds up, slower */
} HgMeasureKind;

/* A double sum and what rounding lost of it so far; the value is the sum of
 * both.  What overflows is no longer finite (infinite or NaN) in "sum". */
typedef struct HgReal
{
	double		sum;
	double		rest;
} HgReal;

/* a += b, without losing what rounding takes (Knuth's TwoSum). */
static inline void
hg_real_add(HgReal *a, double b)
{
	double		sum = a->sum + b;
	double		shifted = sum - a->sum;

	a->rest += (a->sum - (sum - shifted)) + (b - shifted);
	a->sum = sum;
}

/* Neither has overflowed. */
static inline bool
hg_real_finite(const HgReal *a)
{
	return isfinite(a->sum) && isfinite(a->rest);
}

/*
 * The host's arithmetic on cells, which are pointers; NULL is zero.  What they
 * return is new or, where said so, may be the first argument, changed.
 */
typedef struct HgOpaqueOps
{
	void	   *arg;
	/* a + b; consumes a */
	void	   *(*add) (void *arg, void *a, const void *b);	/* b not NULL */
	/* a - b; consumes a */
	void	   *(*subtract) (void *arg, void *a, const void *b);	/* b not NULL */
	/* a * weight / 10^digits, rounded half away from zero to the scale that
	 * amounts are kept at; a not NULL */
	void	   *(*share) (void *arg, const void *a, int64_t weight, int digits);
	void		(*free) (void *arg, void *a);	/* a not NULL */
} HgOpaqueOps;

typedef struct HgMeasure
{
	HgMeasureKind kind;
	/* In: own amounts; out: totals.  By local node. */
	hg_int128  *fixed;			/* HG_FIXED */
	HgReal	   *real;			/* HG_REAL */
	void	  **opaque;			/* HG_OPAQUE */
	const HgOpaqueOps *ops;		/* HG_OPAQUE */
	bool		overflow;		/* out, HG_FIXED: did not fit, or might not
								 * (distinct, primary: the absolute amounts
								 * together do not); totals are garbage then */
} HgMeasure;

/*
 * Rolls all measures up over the dag.
 *
 * Weighted: a node hands its total on to its parents in their order.  With
 * W(k) the sum of its first k stated shares, the k-th parent gets
 *		round(total * W(k)) - round(total * W(k - 1)),
 * rounding half away from zero to a unit of the measure (fixed and opaque; the
 * caller has scaled amounts so that a unit is small).  So what parents get
 * adds up to round(total * sum of shares): to the total itself where shares
 * sum to 1.  A share counts with at most 15 decimal places (fewer where one of
 * the dag's shares is above 9, or those of a node are above 9000 together);
 * where that rounding is all that keeps a node's shares from summing to 1, they
 * count as summing to 1.  Unstated shares hand nothing on.  Real measures:
 * total * share, compensated sums.
 *
 * distinct and primary: each tree fragment (cut at nodes with several parents)
 * is summed once; the sum of each fragment then goes to every distinct
 * ancestor of its top: by a stamped upward walk, or for many tops at a time as
 * bit masks, whichever is estimated to be cheaper; subset sums of eight tops
 * at a time come from tables (Arlazarov, Dinic, Kronrod, Faradzev 1970).
 */
extern void hg_rollup(const HgDag *dag, HgMode mode, HgMeasure *measures,
					  int nmeasures, void *arena);

/*
 * Least and greatest of what lies at or below, by local node, in place.  Empty
 * cells hold HG_NO_MIN and HG_NO_MAX.  Weighted: over edges with a share.
 */
#define HG_INT128_MAX	((hg_int128) (((unsigned __int128) -1) >> 1))
#define HG_INT128_MIN	(-HG_INT128_MAX - 1)
#define HG_NO_MIN		HG_INT128_MAX
#define HG_NO_MAX		HG_INT128_MIN
extern void hg_rollup_extremes(const HgDag *dag, HgMode mode,
							   hg_int128 *least, hg_int128 *greatest);
/* The same for 64-bit cells, INT64_MAX and INT64_MIN when empty. */
extern void hg_rollup_extremes64(const HgDag *dag, HgMode mode,
								 int64_t *least, int64_t *greatest);
/* The same for cells of the host; compare as strcmp does; nothing is copied
 * or freed, NULL is empty. */
typedef int (*HgOpaqueCompare) (void *arg, const void *a, const void *b);
extern void hg_rollup_extremes_opaque(const HgDag *dag, HgMode mode,
									  HgOpaqueCompare compare, void *arg,
									  const void **least, const void **greatest);

/*
 * What cannot be added up, by local node, in place: has facts at all, NaN,
 * infinities.  Weighted: a negative share swaps infinities, a share of zero
 * makes NaN of them.
 */
#define HG_AMOUNT_FACTS		0x01
#define HG_AMOUNT_NAN		0x02
#define HG_AMOUNT_PLUS_INF	0x04
#define HG_AMOUNT_MINUS_INF	0x08
extern void hg_rollup_flags(const HgDag *dag, HgMode mode, uint8_t *flags);

#endif							/* HG_ROLLUP_H */
