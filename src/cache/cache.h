/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  The images that this backend keeps, one per index.
 *
 * A cached image follows its index: hg_cache_catch_up brings it in step, at
 * the price of two buffer look-ups when nothing happened.  Graphs are
 * reference counted: folding makes a new one, and queries that are under way
 * keep the old one until they are done.
 *
 * Everything here belongs to one backend; nothing is shared, nothing locked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_CACHE_H
#define HGRAPH_CACHE_H

#include "am/am.h"
#include "lib/ilist.h"

/* A graph and its memory, shared by the cache and by sights. */
typedef struct HgGraphRef
{
	HgGraph    *graph;
	MemoryContext mcxt;			/* holds graph, and this struct */
	int			refs;
} HgGraphRef;

/* What permissions were found to be, and for whom. */
typedef struct HgAuth
{
	Oid			user;			/* InvalidOid: not looked up yet */
	bool		row_security;	/* setting and state it was found under */
	bool		no_force_rls;
	uint32		epoch;
	LocalTransactionId lxid;
	uint32		abort_epoch;
	bool		rls;			/* policies apply: a private graph is needed */
	bool		rls_volatile;	/* ... by which the same snapshot may show other
								 * rows later */
	bool		unusable;		/* index too new for this transaction: same */
	uint32		readable_roles;
} HgAuth;

typedef struct HgCached
{
	Oid			index_oid;		/* hash key */
	bool		stale;			/* relcache invalidation: look before use */
	bool		changing;		/* a change of the graph is under way; if seen
								 * from outside, it failed half way */
	Oid			filenumber;		/* of the index when the image was made */
	HgLayout	layout;
	HgAuth		auth;
	HgGraphRef *ref;			/* NULL: no image */
	/* how far the image has come */
	uint64		build_id;
	uint64		counter;
	BlockNumber tail;
	struct HgPageSeen *seen;	/* by block; load.c */
	BlockNumber nseen;
	dlist_head	sights;			/* cache/query.c */
	dlist_node	lru;			/* most recently used first */
} HgCached;

/* Bumped when roles or memberships change. */
extern uint32 hg_auth_epoch;
/* Bumped when a subtransaction aborts. */
extern uint32 hg_abort_epoch;

/* cache.c */
extern void hg_cache_init(void);
/* The entry of an index, made if need be; marks it as most recently used. */
extern HgCached *hg_cache_entry(Oid index_oid);
/* The entry if there is one, without further ado. */
extern HgCached *hg_cache_find(Oid index_oid);
/*
 * Makes sure that the entry's image, if any, belongs to the index as it is
 * now, and resolves the layout.  The caller holds a lock on the index.
 */
extern void hg_cache_revalidate(HgCached *c, Relation index);
extern void hg_cache_discard(HgCached *c);	/* forgets the image */
/* Frees least recently used images beyond hierarchy.image_memory. */
extern void hg_cache_trim(const HgCached *keep);
extern void hg_graph_ref_release(HgGraphRef *ref);

/* load.c */
/*
 * Brings the image in step with the index: everything that was on the index's
 * pages when this was called is in the graph when it returns.
 */
extern void hg_cache_catch_up(HgCached *c, Relation index, bool writing);
/* Has the index pruned anything since the image caught up? */
extern bool hg_cache_pruned(HgCached *c, Relation index);
/* Frees what was noted about pages. */
extern void hg_cache_forget_pages(HgCached *c);
/* A graph of what the index holds, outside of the cache. */
extern HgGraphRef *hg_load_graph(Relation index, const HgLayout *layout);
/* A folded copy of a graph, with one reference and a lifetime of its own. */
extern HgGraphRef *hg_graph_ref_fold(const HgGraph *graph);

/* query.c: hooks for cache.c */
extern void hg_sights_drop_idle(HgCached *c);
extern void hg_sights_drop_all(HgCached *c);
extern void hg_pins_release(ResourceOwner owner);

#endif							/* HGRAPH_CACHE_H */
