/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  The images that this backend keeps: table, invalidation, memory bound,
 *	  what happens at the end of (sub)transactions.
 *
 * Invalidation callbacks only flip flags.  A relcache invalidation does not
 * mean that the image is wrong (VACUUM and ANALYZE send them all the time), so
 * the image stays, and the next user checks whether the index still has the
 * same file and layout.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "beside.h"
#include "cache/cache.h"
#include "compat.h"
#include "guc.h"
#include "miscadmin.h"
#include "utils/catcache.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

uint32		hg_auth_epoch = 1;
uint32		hg_abort_epoch = 1;

static HTAB *cache_table = NULL;
static dlist_head cache_lru = DLIST_STATIC_INIT(cache_lru);

/*
 * host_alloc and its kin let the graph core allocate in memory contexts.
 */
static void *
host_alloc(void *arena, size_t size)
{
	return MemoryContextAllocHuge((MemoryContext) arena, Max(size, 1));
}

static void *
host_realloc(void *p, size_t size)
{
	return repalloc_huge(p, size);
}

static void
host_free(void *p)
{
	pfree(p);
}

/*
 * host_check_interrupts lets a cancel through.
 */
static void
host_check_interrupts(void)
{
	if (likely(hg_is_backend()))
		CHECK_FOR_INTERRUPTS();
}

/*
 * host_too_large reports a graph beyond what the image can number.
 */
static void
host_too_large(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("graph is too large"),
			 errdetail("A graph can have 2147483647 entries at most.")));
}

/*
 * host_owner says on whose behalf working memory is taken.
 */
static const void *
host_owner(void)
{
	return CurrentResourceOwner;
}

/*
 * relcache_callback notes that an index, or the table below it, changed in
 * some way.
 */
static void
relcache_callback(Datum arg, Oid relid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &cache_lru)
	{
		HgCached   *c = dlist_container(HgCached, lru, iter.cur);

		if (!OidIsValid(relid) || c->index_oid == relid ||
			c->layout.heap_oid == relid)
			c->stale = true;
	}
}

/*
 * role_callback notes that somebody's rights may have changed.
 */
static void
role_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	hg_auth_epoch++;
}

/*
 * reclaim_scratch takes back working memory of walks that failed.
 */
static void
reclaim_scratch(ResourceOwner owner)
{
	dlist_iter	iter;

	dlist_foreach(iter, &cache_lru)
	{
		HgCached   *c = dlist_container(HgCached, lru, iter.cur);

		if (c->ref != NULL)
			hg_scratch_reclaim(c->ref->graph, owner);
	}
}

/*
 * xact_callback ends all queries; no snapshot outlives its transaction, so no
 * sight can be used again.
 */
static void
xact_callback(XactEvent event, void *arg)
{
	dlist_iter	iter;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE &&
		event != XACT_EVENT_PARALLEL_COMMIT &&
		event != XACT_EVENT_PARALLEL_ABORT)
		return;
	hg_pins_release(NULL);
	reclaim_scratch(NULL);
	dlist_foreach(iter, &cache_lru)
		hg_sights_drop_all(dlist_container(HgCached, lru, iter.cur));
	hg_cache_trim(NULL);
}

/*
 * subxact_callback makes locks and sights be looked at anew: a failed
 * subtransaction's locks are gone, and so is what it wrote, although the
 * snapshot looks the same.
 */
static void
subxact_callback(SubXactEvent event, SubTransactionId mySubid,
				 SubTransactionId parentSubid, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	hg_abort_epoch++;
}

/*
 * owner_callback ends what a resource owner left open.  Not the
 * subtransaction decides: a cursor opened before a savepoint, and first read
 * after it, lives on when the savepoint is rolled back to.
 */
static void
owner_callback(ResourceReleasePhase phase, bool isCommit, bool isTopLevel,
			   void *arg)
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	hg_pins_release(CurrentResourceOwner);
	reclaim_scratch(CurrentResourceOwner);
}

/*
 * hg_cache_init sets up the host of the graph core and the callbacks.
 */
void
hg_cache_init(void)
{
	hg_host.alloc = host_alloc;
	hg_host.realloc = host_realloc;
	hg_host.free = host_free;
	hg_host.check_interrupts = host_check_interrupts;
	hg_host.too_large = host_too_large;
	hg_host.owner = host_owner;

	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, role_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_callback, (Datum) 0);
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
	RegisterResourceReleaseCallback(owner_callback, NULL);
}

/*
 * hg_cache_find returns the entry of an index, NULL if there is none.
 */
HgCached *
hg_cache_find(Oid index_oid)
{
	if (cache_table == NULL)
		return NULL;
	return hash_search(cache_table, &index_oid, HASH_FIND, NULL);
}

/*
 * discard_dropped forgets indexes that are no more.  Nobody up the stack can
 * be using such an entry: he would hold a lock on its index, or have it open.
 */
static void
discard_dropped(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &cache_lru)
	{
		HgCached   *c = dlist_container(HgCached, lru, iter.cur);
		Oid			index_oid = c->index_oid;

		if (!c->stale ||
			SearchSysCacheExists1(RELOID, ObjectIdGetDatum(index_oid)))
			continue;
		hg_cache_discard(c);
		if (!dlist_is_empty(&c->sights))
			continue;			/* a cursor is still open */
		dlist_delete(&c->lru);
		hash_search(cache_table, &index_oid, HASH_REMOVE, NULL);
	}
}

/*
 * hg_cache_entry returns the entry of an index, made if need be.
 */
HgCached *
hg_cache_entry(Oid index_oid)
{
	HgCached   *c = hg_cache_find(index_oid);
	bool		found;

	if (c != NULL)
	{
		dlist_move_head(&cache_lru, &c->lru);
		return c;
	}
	discard_dropped();
	if (cache_table == NULL)
	{
		HASHCTL		ctl;

		if (CacheMemoryContext == NULL)
			CreateCacheMemoryContext();
		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(HgCached);
		ctl.hcxt = CacheMemoryContext;
		cache_table = hash_create("hierarchy images", 16, &ctl,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	c = hash_search(cache_table, &index_oid, HASH_ENTER, &found);
	memset((char *) c + sizeof(Oid), 0, sizeof(HgCached) - sizeof(Oid));
	c->stale = true;
	dlist_init(&c->sights);
	dlist_push_head(&cache_lru, &c->lru);
	return c;
}

/*
 * hg_graph_ref_release drops one reference to a graph.
 */
void
hg_graph_ref_release(HgGraphRef *ref)
{
	Assert(ref->refs > 0);
	if (--ref->refs == 0)
		MemoryContextDelete(ref->mcxt);
}

/*
 * hg_cache_discard forgets the image; queries under way keep theirs.
 */
void
hg_cache_discard(HgCached *c)
{
	HgGraphRef *ref = c->ref;

	c->ref = NULL;
	c->changing = false;
	hg_cache_forget_pages(c);
	if (ref != NULL)
		hg_graph_ref_release(ref);
	hg_sights_drop_idle(c);
}

/*
 * hg_cache_revalidate checks an entry against the index as it is now.
 */
void
hg_cache_revalidate(HgCached *c, Relation index)
{
	HgLayout	layout;

	memset(&layout, 0, sizeof(layout));
	hg_layout_resolve(index, &layout);

	/* opening relations may have brought further invalidations; they stay */
	c->stale = false;
	c->auth.user = InvalidOid;
	if (c->ref != NULL &&
		(c->filenumber != HG_REL_FILENUMBER(index) ||
		 memcmp(&layout, &c->layout, sizeof(HgLayout)) != 0))
		hg_cache_discard(c);
	c->layout = layout;
	c->filenumber = HG_REL_FILENUMBER(index);
}

/*
 * hg_cache_trim frees images, least recently used first, until the rest fits
 * into hierarchy.image_memory.  An image in use stays, so does "keep".
 */
void
hg_cache_trim(const HgCached *keep)
{
	Size		limit = (Size) hg_image_memory * 1024;
	Size		total = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &cache_lru)
	{
		HgCached   *c = dlist_container(HgCached, lru, iter.cur);

		if (c->ref != NULL)
			total += hg_graph_bytes(c->ref->graph);
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): lists are circular */
	dlist_reverse_foreach(iter, &cache_lru)
	{
		HgCached   *c = dlist_container(HgCached, lru, iter.cur);

		if (total <= limit)
			break;
		if (c == keep || c->ref == NULL)
			continue;
		hg_sights_drop_idle(c);
		if (c->ref->refs > 1)
			continue;
		total -= hg_graph_bytes(c->ref->graph);
		hg_cache_discard(c);
	}
}
