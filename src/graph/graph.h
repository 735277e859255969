/*-------------------------------------------------------------------------
 *
 * graph.h
 *	  The graph core: the in-memory image of an index and what can be asked of
 *	  it.  Plain C; knows nothing of PostgreSQL.
 *
 * An HgGraph holds index entries, dead ones included, so it has no opinion on
 * visibility and serves every snapshot.  It consists of
 *
 *   base     immutable, one position-independent block (HgImage, image.h):
 *            dictionary key -> node, entries sorted by parent (so they are
 *            the outgoing CSR adjacency themselves), incoming CSR adjacency;
 *   overlay  entries and nodes that arrived since, as linked lists;
 *   gone     a bit per entry that the index no longer holds.
 *
 * An HgView is one query's way to look at it: a filter, and which entries its
 * snapshot sees.  A view remembers how many entries existed when it was made
 * and never looks beyond.
 *
 * Numbers: nodes and entries are dense uint32, base first, overlay behind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HG_GRAPH_H
#define HG_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the core needs from its host; set once, before anything else. */
typedef struct HgHost
{
	/* Memory from "arena" (a MemoryContext, say); any size; never NULL. */
	void	   *(*alloc) (void *arena, size_t size);
	void	   *(*realloc) (void *p, size_t size);	/* p not NULL */
	void		(*free) (void *p);
	/* Called in every long loop; need not return. */
	void		(*check_interrupts) (void);
	/* Reports that a graph grew beyond 2^31 entries; does not return. */
	void		(*too_large) (void);

	/*
	 * Who is at work (a ResourceOwner, say): what it leaves behind when it
	 * fails is taken back by hg_scratch_reclaim.
	 */
	const void *(*owner) (void);
} HgHost;

extern HgHost hg_host;

#define HG_NONE		UINT32_MAX		/* no node, no entry */

typedef enum HgKeyKind
{
	HG_KEY_INT,					/* num */
	HG_KEY_UUID,				/* bytes, 16 of them */
	HG_KEY_BYTES				/* bytes, len of them */
} HgKeyKind;

typedef struct HgKey
{
	int64_t		num;
	const unsigned char *bytes;
	uint32_t	len;
} HgKey;

/* Roles that a graph has. */
#define HG_HAS_WEIGHT	0x01
#define HG_HAS_VALIDITY	0x02
#define HG_HAS_PRIMARY	0x04
#define HG_HAS_LABEL	0x08

/* Flags of an entry. */
#define HG_ENTRY_PRIMARY		0x01
#define HG_ENTRY_WEIGHT_NULL	0x02
#define HG_ENTRY_LABEL_NULL		0x04
#define HG_ENTRY_GONE			0x80	/* overlay entries only */

/* Days are PostgreSQL dates; these two stand for no bound. */
#define HG_DAY_MIN	INT32_MIN
#define HG_DAY_MAX	INT32_MAX

/* One index entry, decoded. */
typedef struct HgItem
{
	HgKey		parent;			/* meaningless unless has_parent */
	HgKey		child;
	bool		has_parent;		/* false: registers child as a node */
	uint8_t		flags;			/* HG_ENTRY_* */
	uint16_t	tid_off;
	uint32_t	tid_block;
	int32_t		label;
	int32_t		valid_from;		/* first day */
	int32_t		valid_to;		/* first day no longer; empty if <= from */
	double		weight;
} HgItem;

typedef struct HgGraph HgGraph;

/* ---- graph.c: life and contents of a graph ---- */

/* A new, empty graph.  Everything it allocates comes from arena. */
extern HgGraph *hg_graph_create(void *arena, HgKeyKind kind, uint32_t roles);

/*
 * Page sync: tells the graph what one index page holds now.  items[] in page
 * order.  Entries that it held for this block and that are not in items[] are
 * marked gone; new ones are added.  (Relies on am.h's rule 2.)
 *
 * survivors >= 0: among so many items at the start an equal TID means the same
 * entry, and none of the others is known.  HG_COMPARE_ALL: nothing is certain,
 * compare every part.
 */
#define HG_COMPARE_ALL	(-1)
extern void hg_graph_sync_page(HgGraph *g, uint32_t block,
							   const HgItem *items, int nitems, int survivors);
/*
 * The same for a page of which we know each entry that is left; only the TIDs
 * of the items are looked at.  False: we do not know them all, after all.
 */
extern bool hg_graph_prune_page(HgGraph *g, uint32_t block,
								const HgItem *items, int nitems);
/* The same for items known to stand behind everything seen of the block. */
extern void hg_graph_append(HgGraph *g, uint32_t block,
							const HgItem *items, int nitems);

/*
 * stage.c: loading.  hg_graph_load adds the items of one page after the other,
 * blocks ascending, to a new graph, which then can only be folded.
 * hg_graph_reserve makes room for this multiple of what it holds now.
 */
extern void hg_graph_load(HgGraph *g, uint32_t block,
						  const HgItem *items, int nitems);
extern void hg_graph_reserve(HgGraph *g, double factor);

/*
 * fold.c: a new graph with the same content and an empty overlay, in arena.
 * Entries that are gone, and nodes that only they mentioned, are left out, so
 * numbers change.
 */
extern HgGraph *hg_graph_fold(const HgGraph *g, void *arena);
/* Is it time to fold?  For readers; writers pass writing = true. */
extern bool hg_graph_wants_fold(const HgGraph *g, bool writing);
/* Bytes held. */
extern size_t hg_graph_bytes(const HgGraph *g);

extern uint32_t hg_graph_nodes(const HgGraph *g);	/* node numbers in use */
extern uint32_t hg_graph_entries(const HgGraph *g); /* entry numbers in use */
extern uint32_t hg_graph_overlay(const HgGraph *g); /* overlay entries */
extern uint32_t hg_graph_gone(const HgGraph *g);	/* entries gone */
extern HgKeyKind hg_graph_kind(const HgGraph *g);
extern uint32_t hg_graph_roles(const HgGraph *g);

/* Node of a key, HG_NONE if the graph never heard of it. */
extern uint32_t hg_graph_lookup(const HgGraph *g, const HgKey *key);
/* Key of a node; bytes point into the graph. */
extern HgKey hg_graph_key(const HgGraph *g, uint32_t node);

/*
 * The nodes of n consecutive integer keys from *first on, HG_NONE in between:
 * all nodes there are; NULL where there is no such table.
 */
extern const uint32_t *hg_graph_by_key(const HgGraph *g, int64_t *first,
									   uint32_t *n);

/* Integer keys of n nodes at once. */
extern void hg_graph_nums(const HgGraph *g, const uint32_t *node, uint32_t n,
						  int64_t *num);

/* Parts of an entry. */
typedef struct HgEntry
{
	uint32_t	parent;			/* HG_NONE: registration */
	uint32_t	child;
	uint32_t	tid_block;
	uint16_t	tid_off;
	uint8_t		flags;
	int32_t		label;
	int32_t		valid_from;
	int32_t		valid_to;
	double		weight;			/* 0 without weight role */
} HgEntry;

extern void hg_graph_entry(const HgGraph *g, uint32_t entry, HgEntry *out);
extern bool hg_graph_entry_gone(const HgGraph *g, uint32_t entry);
/* Do entry and item agree in every part that the graph keeps? */
extern bool hg_graph_matches(const HgGraph *g, uint32_t entry,
							 const HgItem *item);

/* ---- view.c: one query's way to look at a graph ---- */

typedef struct HgFilter
{
	bool		by_day;
	bool		primary_only;
	bool		by_label;
	int32_t		day;
	int			nlabels;
	const int32_t *labels;		/* must outlive the view */
} HgFilter;

/*
 * Does the caller's snapshot see the heap row behind this entry?  Asked only
 * for entries whose heap page is not marked all-visible.
 */
typedef bool (*HgVisible) (void *arg, uint32_t entry, uint32_t tid_block,
						   uint16_t tid_off);

typedef struct HgView
{
	HgGraph    *g;				/* changed only in its scratch pool */
	uint32_t	nnodes;			/* limits as of the view's making */
	uint32_t	nentries;
	bool		plain;			/* no test needed for any base entry */
	HgFilter	filter;
	const uint8_t *vm;			/* visibility map, two bits a heap page */
	uint32_t	vm_pages;		/* heap pages that vm covers */
	HgVisible	visible;		/* NULL: every entry is visible */
	void	   *visible_arg;
	const void *owner;			/* of scratch taken */
} HgView;

/*
 * hg_view_init sets up a view; filter NULL lets everything pass.  vm may be
 * NULL with vm_pages 0 (nothing known to be visible) and visible NULL
 * (everything is).  all_visible: the caller vouches that each heap page that
 * any entry points to is marked in vm.  Costs nothing worth counting.
 */
extern void hg_view_init(HgView *view, HgGraph *g,
						 const HgFilter *filter, const uint8_t *vm,
						 uint32_t vm_pages, bool all_visible,
						 HgVisible visible, void *visible_arg);

/* Does this entry pass filter and visibility? */
extern bool hg_view_sees(const HgView *view, uint32_t entry);

typedef enum HgDir
{
	HG_DOWN,					/* towards children */
	HG_UP						/* towards parents */
} HgDir;

/* Edges of one node that the view sees; parallel rows come one by one. */
typedef struct HgEdges
{
	const HgView *view;
	HgDir		dir;
	uint32_t	pos,
				end;			/* in base adjacency */
	uint32_t	overlay;		/* next overlay entry, or HG_NONE */
	uint32_t	entry;			/* current: entry */
	uint32_t	node;			/* current: neighbour */
} HgEdges;

extern void hg_edges_begin(HgEdges *it, const HgView *view, uint32_t node,
						   HgDir dir);
extern bool hg_edges_next(HgEdges *it);
/* Weight of an entry; false when not stated. */
extern bool hg_entry_weight(const HgGraph *g, uint32_t entry, double *weight);

extern bool hg_node_exists(const HgView *view, uint32_t node);
extern bool hg_node_has_edge(const HgView *view, uint32_t node, HgDir dir);
/* Node of a key if it exists in the view, else HG_NONE. */
extern uint32_t hg_view_lookup(const HgView *view, const HgKey *key);

/*
 * Working memory a node: stamp[n] == epoch marks n, pos[n] is free for use.
 * Taken from the graph's pool and given back, so that walks that run side by
 * side do not collide.
 */
typedef struct HgScratch
{
	uint32_t	epoch;
	uint32_t	size;
	uint32_t   *stamp;
	uint32_t   *pos;
	const void *owner;
	bool		in_use;
	struct HgScratch *next;
} HgScratch;

extern HgScratch *hg_scratch_take(HgView *view);	/* all unmarked */
extern void hg_scratch_clear(HgScratch *s); /* unmarks all */
extern void hg_scratch_give(HgScratch *s);
/* Takes back what an owner still holds, or everybody (NULL). */
extern void hg_scratch_reclaim(HgGraph *g, const void *owner);

/*
 * Less of it: a bit a node.  All bits are clear when it is taken; the nodes
 * whose bits were set are named when it is given back.
 */
typedef struct HgSeen
{
	uint32_t	size;			/* in nodes */
	uint8_t    *bits;
	bool		in_use;
	bool		dirty;			/* not given back in order */
	const void *owner;
	struct HgSeen *next;
} HgSeen;

extern HgSeen *hg_seen_take(HgView *view);
extern void hg_seen_clear(HgSeen *seen, const uint32_t *node, uint32_t n);
extern void hg_seen_give(HgSeen *seen, const uint32_t *node, uint32_t n);

/* ---- walk.c: breadth-first reach ---- */

typedef struct HgReach
{
	uint32_t	n;				/* nodes reached, the start first */
	uint32_t	size;
	uint32_t   *node;			/* in breadth-first order */
	uint32_t	nlevels;		/* distances that occur: below this */
	uint32_t	level_size;
	uint32_t   *level;			/* where each distance begins in node[]; one
								 * more, n, at the end */
	HgSeen	   *seen;			/* bits of the nodes reached */
	HgScratch  *marks;			/* see hg_reach_mark; NULL before */
	bool		marked;
	void	   *arena;
} HgReach;

#define HG_UNLIMITED	UINT32_MAX

/*
 * Everything reachable from start within max_depth edges, start included.
 * The caller must hg_reach_free (gives back what is pooled, frees the arrays).
 * hg_reach_again reuses the memory for another start.
 */
extern void hg_reach(HgReach *r, HgView *view, uint32_t start, HgDir dir,
					 uint32_t max_depth, void *arena);
extern void hg_reach_again(HgReach *r, HgView *view, uint32_t start,
						   HgDir dir, uint32_t max_depth);
extern void hg_reach_free(HgReach *r);
/* Distance of node[i] from the start. */
extern uint32_t hg_reach_depth(const HgReach *r, uint32_t i);
/* Was the node reached? */
extern bool hg_reached(const HgReach *r, uint32_t node);
/* Takes and fills r->marks: marked = reached; pos = index in node[]. */
extern void hg_reach_mark(HgReach *r, HgView *view);

/*
 * Is "to" reachable upward from "from" (or the same) within max_depth?
 * *expanded, unless NULL, gets the number of nodes whose edges were followed.
 */
extern bool hg_reaches_up(HgView *view, uint32_t from, uint32_t to,
						  uint32_t max_depth, uint32_t *expanded);

/* ---- share.c: shares over a reach ---- */

/*
 * For every r->node[i]: sum over the paths between start and it, of at most
 * max_depth edges, of the product of weights.  share[] and stated[] have r->n
 * elements; stated[i] false means that no path has all its weights stated, or
 * that the node lies on or behind a cycle.
 */
extern void hg_shares(HgView *view, HgReach *r, HgDir dir,
					  uint32_t max_depth, double *share, bool *stated);

/* ---- between.c: shares of one node for its ancestors ---- */

typedef struct HgBetween HgBetween;

/*
 * For a reach upward from a node, without a depth limit: what hg_shares says
 * of the node going down from the reach's node number "above", to the last
 * bit.  Everything is allocated in the reach's arena.
 */
extern HgBetween *hg_between_begin(HgView *view, HgReach *up);
extern bool hg_between_share(HgBetween *b, uint32_t above, uint32_t max_depth,
							 double *share);
extern void hg_between_end(HgBetween *b);

/* ---- trunk.c: a tree, in a graph whose keys are integers ---- */

/*
 * The parent under which a node is listed once; HG_NONE at the top.  primary:
 * does the caller know about primary parents?
 */
extern uint32_t hg_trunk(const HgView *view, bool primary, uint32_t node);

/* ---- neighbours.c: the distinct neighbours of one node ---- */

typedef struct HgNeighbour
{
	uint32_t	node;
	bool		stated;			/* any parallel row states a weight */
	double		weight;			/* sum of the stated ones */
} HgNeighbour;

/* Distinct neighbours into *out (allocated in arena, free with hg_host.free);
 * first-seen order.  Returns their number. */
extern uint32_t hg_neighbours(HgView *view, uint32_t node, HgDir dir,
							  void *arena, HgNeighbour **out);

/* ---- paths.c: all paths, one at a time ---- */

typedef struct HgPaths HgPaths;

/* Upward paths from node to ancestor (HG_NONE: to every topmost ancestor). */
extern HgPaths *hg_paths_begin(HgView *view, uint32_t node, uint32_t ancestor,
							   uint32_t max_depth, void *arena);
/* Next path: *path from the top down to node, *len nodes, valid until the
 * next call. */
extern bool hg_paths_next(HgPaths *p, const uint32_t **path, uint32_t *len,
						  double *share, bool *stated);
extern void hg_paths_end(HgPaths *p);

/* ---- preorder.c: display order ---- */

typedef struct HgPreorder HgPreorder;

/* Order of two nodes' keys, <0, 0, >0. */
typedef int (*HgCompare) (void *arg, uint32_t a, uint32_t b);

typedef struct HgPreorderRow
{
	uint32_t	node;
	uint32_t	parent;			/* HG_NONE at the start */
	uint32_t	depth;
	bool		is_repeat;
	const uint32_t *path;		/* depth + 1 nodes, valid until next call */
} HgPreorderRow;

/* root HG_NONE: from every root, in order. */
extern HgPreorder *hg_preorder_begin(HgView *view, uint32_t root,
									 uint32_t max_depth, HgCompare compare,
									 void *compare_arg, void *arena);
extern bool hg_preorder_next(HgPreorder *p, HgPreorderRow *row);
extern void hg_preorder_end(HgPreorder *p);

/* ---- stats.c ---- */

typedef struct HgStats
{
	uint64_t	nodes,
				edges,
				roots,
				leaves,
				multi_parent_nodes;
	uint32_t	max_depth;		/* longest path; HG_NONE when cyclic */
	uint64_t	invisible;		/* entries, not gone, whose row is not seen
								 * (filter not applied) */
} HgStats;

extern void hg_stats(HgView *view, HgStats *stats, void *arena);

/* ---- cycle.c: does a path upward close a cycle? ---- */

/* State of the row behind an entry, as the cycle check must see it. */
typedef enum HgEdgeState
{
	HG_EDGE_ABSENT,				/* no such row (any more) */
	HG_EDGE_SETTLED,			/* there, and nobody is changing it */
	HG_EDGE_PENDING				/* another transaction is adding or removing
								 * it */
} HgEdgeState;

typedef HgEdgeState (*HgEdgeProbe) (void *arg, uint32_t entry);

typedef enum HgCycleResult
{
	HG_CYCLE_NONE,
	HG_CYCLE_SETTLED,			/* a cycle of settled edges */
	HG_CYCLE_PENDING			/* only over at least one pending edge */
} HgCycleResult;

typedef struct HgCycle
{
	HgCycleResult result;
	uint32_t	pending;		/* HG_CYCLE_PENDING: an entry to wait for */
	uint32_t	len;			/* HG_CYCLE_SETTLED: entries on the path */
	uint32_t   *entries;		/* from the child down to the parent; in
								 * arena */
} HgCycle;

/* Quick test that ignores visibility and dates: could there be a path from
 * child down to parent at all? */
extern bool hg_cycle_possible(HgGraph *g, uint32_t parent, uint32_t child);

/*
 * Would an edge parent -> child valid in [from, to) close a cycle?  Searches
 * upward from parent for child over entries that probe lets pass, keeping
 * the days that all edges so far have in common; settled edges first.
 */
extern void hg_cycle_search(HgGraph *g, uint32_t parent, uint32_t child,
							int32_t from, int32_t to, HgEdgeProbe probe,
							void *probe_arg, void *arena, HgCycle *out);

/*
 * Entries that lie on some cycle of the whole graph, visibility and dates
 * ignored: what remains after peeling off roots and leaves.  Returns their
 * number; usually 0.  *entries in arena.
 */
extern uint32_t hg_cycle_core(HgGraph *g, void *arena, uint32_t **entries);

#endif							/* HG_GRAPH_H */
