/*-------------------------------------------------------------------------
 *
 * dag.h
 *	  What the files of the rollup share among themselves, and ways to force
 *	  what is otherwise chosen by cost, for tests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HG_DAG_H
#define HG_DAG_H

#include "graph/core.h"
#include "graph/rollup.h"

/* Interrupts are checked once per this many nodes. */
#define HG_CHECK_EVERY	16384

/* How to cut out: by walking upward, or by passes over the whole graph. */
typedef enum HgCutWay
{
	HG_CUT_AUTO,
	HG_CUT_SPARSE,
	HG_CUT_FULL
} HgCutWay;

/* How fragments' sums reach the ancestors of their tops. */
typedef enum HgDistinctWay
{
	HG_DISTINCT_AUTO,
	HG_DISTINCT_WALK,
	HG_DISTINCT_MASKS
} HgDistinctWay;

struct HgDagWork
{
	HgScratch  *scratch;		/* marked: in the dag; pos: which member */
	HgDistinctWay way;
	uint32_t	nmulti;			/* local nodes with several parents */
	uint32_t	ninner;			/* all parents are below this */
	double		max_share;		/* greatest absolute weight of an edge */
	double		max_shares;		/* greatest sum of them at one node */
};

/* An edge to a parent: its node, and the row that says so. */
typedef struct HgNear
{
	uint32_t	node;
	uint32_t	entry;
} HgNear;

/* A dag in the making. */
typedef struct HgCut
{
	HgDag	   *dag;
	HgView	   *view;
	const HgGraph *g;
	HgMode		mode;
	void	   *arena;
	HgScratch  *scratch;
	bool		plain;			/* base entries with a parent all count */
	bool		overlay;		/* there is an overlay to look at */
	uint32_t	ahead;			/* how far to fetch ahead, modulo 2^32 ... */
	uint32_t	ahead_end;		/* ... below here; 0: not worth it */
	uint8_t    *keep;			/* a bit per base entry that counts; or NULL */
	uint32_t   *member;
	uint32_t	n;
	uint32_t	size;			/* of member[] */
	uint64_t	nedges;			/* rows that count, of all members */
	uint32_t	ninner;			/* of the dag */
	HgNear	   *near;			/* see hg_gather */
	HgNear	   *spare;			/* to sort them */
	uint32_t	near_size;
	uint32_t	spare_size;
} HgCut;

/* dag.c */
extern HgDag *hg_dag_cut(HgView *view, const uint32_t *node, uint32_t n,
						 HgMode mode, HgCutWay way, void *arena,
						 uint32_t *cycle_node);
/* Does a row count in this mode, if it has a parent? */
extern bool hg_cut_counts(const HgCut *c, uint32_t entry);
/* Room for this many rows in c->near. */
extern void hg_cut_need(HgCut *c, uint32_t size);
/* hg_gather for the overlay: adds to the n there are. */
extern uint32_t hg_gather_overlay(HgCut *c, uint32_t node, uint32_t n);

/* link.c: writes the edges of the marked nodes, as they come, or of members
 * that are in order */
extern void hg_link_in_order(HgCut *c);
extern void hg_link_members(HgCut *c);

/* scc.c: fills the dag in where there are cycles; members are listed */
extern void hg_dag_condense(HgCut *cut);

/* distinct.c */
extern void hg_rollup_distinct(const HgDag *dag, HgMeasure *measures,
							   int nmeasures, void *arena);

/*
 * What of a dag matters to amounts that go from nodes with several parents
 * (tops) to their ancestors: the tops, and where ancestors of theirs join.  In
 * between are nodes with one parent which get what the one below them gets.
 * Numbered like the dag, parents before children.
 */
typedef struct HgSkeleton
{
	uint32_t	n;
	uint32_t	ninner;			/* all parents are below this */
	uint32_t   *node;			/* local node in the dag */
	uint32_t   *up_start;
	uint32_t   *up;				/* may name a parent twice */
	uint32_t	ntops;
	uint32_t   *top;			/* ascending */
	uint8_t    *through;		/* by local node: in between */
	uint32_t	nfeeds;
	uint32_t   *feed;			/* those with a parent in between */
} HgSkeleton;

/* Two 64-bit sums at once. */
typedef int64_t HgPair __attribute__((vector_size(16), aligned(8)));

typedef enum HgLaneKind
{
	HG_LANE_PAIR,				/* HgPair: two fixed measures that are small */
	HG_LANE_FIXED,
	HG_LANE_REAL,
	HG_LANE_OPAQUE
} HgLaneKind;

/* One or two measures on their way upward. */
typedef struct HgLane
{
	HgLaneKind	kind;
	HgMeasure  *first;
	HgMeasure  *second;			/* HG_LANE_PAIR; may be NULL */
	union
	{
		void	   *any;
		HgPair	   *pair;
		hg_int128  *fixed;
		HgReal	   *real;
		void	  **opaque;
	}			own,			/* by top: what it hands to all ancestors */
				got;			/* by skeleton node below "ninner": what it
								 * got from tops */
} HgLane;

/* masks.c */
extern void hg_masks_apply(const HgSkeleton *s, const HgLane *lanes,
						   int nlanes, void *arena);

/* weighted.c */
extern void hg_rollup_weighted(const HgDag *dag, HgMeasure *measures,
							   int nmeasures, void *arena);

/*
 * hg_words allocates room for n numbers, and one to spare.
 */
static inline uint32_t *
hg_words(void *arena, uint64_t n)
{
	return hg_host.alloc(arena, (n + 1) * sizeof(uint32_t));
}

/*
 * hg_real_merge adds one compensated sum to another.
 */
static inline void
hg_real_merge(HgReal *a, const HgReal *b)
{
	hg_real_add(a, b->sum);
	a->rest += b->rest;
}

#endif							/* HG_DAG_H */
