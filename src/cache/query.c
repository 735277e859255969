/*-------------------------------------------------------------------------
 *
 * query.c
 *	  Opening a graph under a snapshot.
 *
 * A "sight" is a graph as one snapshot sees it: the graph, how many of its
 * entries count, a copy of the table's visibility map, and a memo of rows
 * fetched.  All queries of a statement share one; sights live at most until
 * the end of the transaction.
 *
 * Why a sight shows exactly what the snapshot sees
 *
 * It is made in this order, while locks on table and index are held:
 *	 1. the snapshot exists;
 *	 2. the image catches up with the index;
 *	 3. the visibility map is copied;
 *	 4. the index's prune counter is read again; if it moved since 2, back to 2.
 * Afterwards an entry counts as visible if the copy says that its heap page is
 * all-visible, and otherwise if the row fetched under the snapshot is.
 *
 * Nothing is missed: a row visible to the snapshot was inserted by a
 * transaction that finished before 1 (or by an earlier command of ours), its
 * index entry before that, so 2 has found it.
 *
 * Nothing is shown that should not be.  Take an entry E of the image whose
 * heap page is marked in the copy, made at time 3.
 *	 - E arrived before the copy was made.  Its inserter cleared the page's mark
 *	   before it inserted E, and we read E's page, under its lock, before we
 *	   read the map.  So a mark that we see was set again later, by a vacuum
 *	   that found the row visible to all; or the row was gone by then.
 *	 - The row was gone: its line pointer had been recycled before 3.  Heap
 *	   line pointers are recycled only after the index was vacuumed, which
 *	   moves the counter before it returns; 4 would have noticed, and 2 would
 *	   have dropped E.
 *	 - Entries appended after 2 are beyond the sight's limits.
 *	 - A row visible to all at 3 can be deleted later, but not by a
 *	   transaction that our snapshot, which is older, sees.
 * A fetch of a row whose line pointer is recycled after 4 finds a newer row,
 * inserted by a transaction that the snapshot does not see; and the old row
 * was dead to all snapshots, ours included.
 *
 * A sight may serve another snapshot if both agree in xmin, xmax, the numbers
 * of transactions in progress, the command counter, and no subtransaction of
 * ours was rolled back in between: transactions in progress below a given xmax
 * can only become fewer, so equal numbers mean equal sets.  No transaction can
 * have finished between two such snapshots, hence no row has become dead in
 * between that the older one saw, and what is said above holds for both.
 *
 * Locks: AccessShareLock on table and index, taken at the first open in a
 * transaction and held to its end, as for any query.  They keep TRUNCATE,
 * REINDEX, DROP and the truncation of the table by vacuum away.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "cache/auth.h"
#include "cache/cache.h"
#include "cache/private.h"
#include "cache/query.h"
#include "catalog/index.h"
#include "compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/predicate.h"
#include "storage/proc.h"
#include "types/hgraph.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "visibility/visibility.h"

/* Sights kept per graph although no query uses them. */
#define IDLE_SIGHTS 4

/* What two snapshots must agree in to see the same. */
typedef struct SnapshotKey
{
	LocalTransactionId lxid;
	TransactionId xmin;
	TransactionId xmax;
	CommandId	curcid;
	uint32		xcnt;
	int32		subxcnt;
	uint32		abort_epoch;
	bool		suboverflowed;
	bool		in_recovery;
} SnapshotKey;

typedef struct HgSight
{
	dlist_node	node;			/* in HgCached.sights, latest first */
	MemoryContext mcxt;			/* holds everything here */
	SnapshotKey key;
	bool		is_private;		/* graph made by a real query ... */
	HgPrivateKey private_key;	/* ... for this user and these settings */
	HgGraphRef *ref;
	Oid			filenumber;		/* index file that the graph came from */
	uint32		nnodes;			/* limits */
	uint32		nentries;
	HgVmCopy	vm;
	HgRowMemo  *rows;
	uint64		serial;
	int			pins;
} HgSight;

/* One open query; survives the stack frame that opened it. */
typedef struct HgPin
{
	dlist_node	node;
	HgSight    *sight;
	uint64		id;				/* new each time; 0: closed */
	ResourceOwner owner;
	Relation	heap;			/* held open, or NULL */
} HgPin;

static uint64 next_serial = 1;
static uint64 next_pin_id = 1;
static dlist_head pins = DLIST_STATIC_INIT(pins);
static dlist_head free_pins = DLIST_STATIC_INIT(free_pins);

/*
 * snapshot_key fills in the key of a snapshot.
 */
static void
snapshot_key(Snapshot snapshot, SnapshotKey *key)
{
	memset(key, 0, sizeof(SnapshotKey));
	key->lxid = HG_MY_LXID;
	key->xmin = snapshot->xmin;
	key->xmax = snapshot->xmax;
	key->curcid = snapshot->curcid;
	key->xcnt = snapshot->xcnt;
	key->subxcnt = snapshot->subxcnt;
	key->abort_epoch = hg_abort_epoch;
	key->suboverflowed = snapshot->suboverflowed;
	key->in_recovery = snapshot->takenDuringRecovery;
}

/*
 * drop_sight frees a sight that nobody uses.
 */
static void
drop_sight(HgSight *sight)
{
	HgGraphRef *ref = sight->ref;

	dlist_delete(&sight->node);
	MemoryContextDelete(sight->mcxt);
	if (ref != NULL)
		hg_graph_ref_release(ref);
}

/*
 * hg_sights_drop_idle frees the sights of a graph that no query uses.
 */
void
hg_sights_drop_idle(HgCached *c)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &c->sights)
	{
		HgSight    *sight = dlist_container(HgSight, node, iter.cur);

		if (sight->pins == 0)
			drop_sight(sight);
	}
}

/*
 * hg_sights_drop_all frees all sights of a graph, at the end of a transaction.
 */
void
hg_sights_drop_all(HgCached *c)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &c->sights)
		drop_sight(dlist_container(HgSight, node, iter.cur));
}

/*
 * trim_sights keeps a few idle sights only, the latest.
 */
static void
trim_sights(HgCached *c)
{
	dlist_mutable_iter iter;
	int			idle = 0;

	dlist_foreach_modify(iter, &c->sights)
	{
		HgSight    *sight = dlist_container(HgSight, node, iter.cur);

		if (sight->pins == 0 && ++idle > IDLE_SIGHTS)
			drop_sight(sight);
	}
}

/*
 * release_pin closes one query.  The pin itself stays allocated for ever, so
 * that a late hg_query_close can look at it.
 */
static void
release_pin(HgPin *pin)
{
	pin->sight->pins--;
	pin->sight = NULL;
	pin->id = 0;
	dlist_delete(&pin->node);
	dlist_push_head(&free_pins, &pin->node);
}

/*
 * hg_pins_release closes the queries that an owner left open, or all of them
 * for NULL.
 */
void
hg_pins_release(ResourceOwner owner)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pins)
	{
		HgPin	   *pin = dlist_container(HgPin, node, iter.cur);

		if (owner == NULL || pin->owner == owner)
			release_pin(pin);
	}
}

/*
 * new_pin notes that a sight is in use.
 */
static HgPin *
new_pin(HgSight *sight)
{
	HgPin	   *pin;

	if (dlist_is_empty(&free_pins))
		pin = MemoryContextAlloc(CacheMemoryContext, sizeof(HgPin));
	else
		pin = dlist_container(HgPin, node, dlist_pop_head_node(&free_pins));
	pin->sight = sight;
	pin->id = next_pin_id++;
	pin->owner = CurrentResourceOwner;
	pin->heap = NULL;
	sight->pins++;
	dlist_push_head(&pins, &pin->node);
	return pin;
}

/*
 * find_sight looks for a sight that shows what the snapshot sees.
 */
static HgSight *
find_sight(HgCached *c, const SnapshotKey *key, const HgPrivateKey *private_key)
{
	dlist_iter	iter;

	dlist_foreach(iter, &c->sights)
	{
		HgSight    *sight = dlist_container(HgSight, node, iter.cur);

		if (memcmp(&sight->key, key, sizeof(SnapshotKey)) != 0 ||
			sight->filenumber != c->filenumber ||
			sight->is_private != (private_key != NULL))
			continue;
		if (private_key != NULL &&
			memcmp(&sight->private_key, private_key, sizeof(HgPrivateKey)) != 0)
			continue;
		return sight;
	}
	return NULL;
}

/*
 * new_sight makes an empty sight.  It joins the list when it is complete.
 */
static HgSight *
new_sight(const SnapshotKey *key)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "hierarchy sight",
											   ALLOCSET_SMALL_SIZES);
	HgSight    *sight = MemoryContextAllocZero(mcxt, sizeof(HgSight));

	sight->mcxt = mcxt;
	sight->key = *key;
	return sight;
}

/*
 * keep_sight makes a complete sight outlive the current memory context.
 */
static void
keep_sight(HgCached *c, HgSight *sight)
{
	sight->nnodes = hg_graph_nodes(sight->ref->graph);
	sight->nentries = hg_graph_entries(sight->ref->graph);
	sight->filenumber = c->filenumber;
	sight->serial = next_serial++;
	MemoryContextSetParent(sight->mcxt, CacheMemoryContext);
	dlist_push_head(&c->sights, &sight->node);
}

/*
 * make_sight makes a sight of the index's image; see the top of the file.
 */
static HgSight *
make_sight(HgCached *c, Relation heap, Relation index, Snapshot snapshot,
		   const SnapshotKey *key)
{
	HgSight    *sight;

	PredicateLockRelation(heap, snapshot);
	PredicateLockRelation(index, snapshot);
	pgstat_count_index_scan(index);

	trim_sights(c);
	sight = new_sight(key);
	do
	{
		CHECK_FOR_INTERRUPTS();
		hg_cache_catch_up(c, index, false);
		if (sight->vm.bits != NULL)
			pfree(sight->vm.bits);
		hg_vm_copy(heap, sight->mcxt, &sight->vm);
	} while (hg_cache_pruned(c, index));
	sight->rows = hg_row_memo_create(RelationGetRelid(heap), sight->mcxt);
	sight->ref = c->ref;
	sight->ref->refs++;
	keep_sight(c, sight);
	return sight;
}

/*
 * make_private_sight makes a sight of a graph that a query under the caller's
 * policies returns.
 */
static HgSight *
make_private_sight(HgCached *c, Relation heap, Relation index,
				   const SnapshotKey *key, const HgPrivateKey *private_key)
{
	HgSight    *sight;
	HgGraphRef *ref;

	trim_sights(c);
	ref = hg_private_graph(heap, index, &c->layout, private_key->roles);
	sight = new_sight(key);
	sight->is_private = true;
	sight->private_key = *private_key;
	sight->ref = ref;
	keep_sight(c, sight);
	return sight;
}

/*
 * open_relations locks table and index, and checks that the index can be used.
 */
static void
open_relations(Oid index_oid, Relation *heap, Relation *index)
{
	Oid			heap_oid = IndexGetRelation(index_oid, true);

	if (IsParallelWorker() &&
		get_rel_persistence(index_oid) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot access temporary tables during a parallel operation"),
				 errdetail("Graph \"%s\" belongs to a temporary table.",
						   get_rel_name(index_oid)),
				 errhint("SET max_parallel_workers_per_gather = 0.")));

	/* the table first, as everybody does */
	*heap = OidIsValid(heap_oid) ? try_table_open(heap_oid, AccessShareLock) : NULL;
	hg_check_graph(index_oid);
	if (*heap == NULL || IndexGetRelation(index_oid, true) != heap_oid)
		elog(ERROR, "could not open table of index %u", index_oid);
	*index = index_open(index_oid, AccessShareLock);
	if (RELATION_IS_OTHER_TEMP(*heap))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary tables of other sessions")));
	if (RecoveryInProgress() && !RelationIsPermanent(*heap))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot access temporary or unlogged relations during recovery")));
}

/*
 * visible is the graph core's question about a row.
 */
static bool
visible(void *arg, uint32_t entry, uint32_t block, uint16_t offset)
{
	HgQuery    *q = arg;

	return hg_row_memo_visible(q->pin->sight->rows, q->snapshot, block, offset);
}

/*
 * compare_int32 orders labels.
 */
static int
compare_int32(const void *a, const void *b)
{
	int32		x = *(const int32 *) a,
				y = *(const int32 *) b;

	return (x > y) - (x < y);
}

/*
 * role_attno is the index column behind a role, 0 if there is none.
 */
static AttrNumber
role_attno(const HgLayout *layout, uint32 role)
{
	switch (role)
	{
		case HG_HAS_WEIGHT:
			return layout->weight_attno;
		case HG_HAS_VALIDITY:
			return layout->validity_attno;
		case HG_HAS_PRIMARY:
			return layout->primary_attno;
		default:
			return layout->label_attno;
	}
}

/*
 * hg_query_require_role raises an error unless the graph has a role and the
 * user may read its column.
 */
void
hg_query_require_role(const HgQuery *q, uint32 role, const char *option,
					  const char *purpose)
{
	if (q->layout->roles & role)
		return;
	/* there, but masked out */
	if (role_attno(q->layout, role) != 0)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE,
					   get_rel_name(q->layout->heap_oid));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("graph \"%s\" cannot be %s",
					get_rel_name(q->layout->index_oid), purpose),
			 errdetail("Its index was created without the option \"%s\".",
					   option),
			 errhint("Create the index with INCLUDE (column) WITH (%s = 'column').",
					 option)));
}

/*
 * apply_labels fills in the filter by label.
 */
static void
apply_labels(HgQuery *q, HgFilter *filter, ArrayType *labels)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	hg_query_require_role(q, HG_HAS_LABEL, "label", "filtered by labels");
	deconstruct_array(labels, INT4OID, sizeof(int32), true, TYPALIGN_INT,
					  &elems, &nulls, &n);
	q->labels = palloc(sizeof(int32) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			q->labels[filter->nlabels++] = DatumGetInt32(elems[i]);
	}
	qsort(q->labels, filter->nlabels, sizeof(int32), compare_int32);
	filter->by_label = true;
	filter->labels = q->labels;
	pfree(elems);
	pfree(nulls);
}

/*
 * make_filter turns SQL arguments into a filter.
 */
static void
make_filter(HgQuery *q, const HgFilterArgs *args, HgFilter *filter)
{
	memset(filter, 0, sizeof(HgFilter));
	if (hg_graph_roles(q->view.g) & HG_HAS_VALIDITY)
	{
		filter->by_day = true;
		filter->day = (args == NULL || args->as_of_null) ?
			GetSQLCurrentDate() : args->as_of;
	}
	if (args == NULL)
		return;
	if (!args->as_of_null)
		hg_query_require_role(q, HG_HAS_VALIDITY, "validity",
							  "filtered by date");
	if (args->primary_only)
	{
		hg_query_require_role(q, HG_HAS_PRIMARY, "is_primary",
							  "filtered by primary relationships");
		filter->primary_only = true;
	}
	if (args->labels != NULL)
		apply_labels(q, filter, args->labels);
}

/*
 * describe_caller fills in what a graph of the caller's own depends on.
 */
static void
describe_caller(const HgCached *c, HgPrivateKey *key)
{
	hg_private_key(key, c->auth.readable_roles);
	if (c->auth.rls_volatile)
		key->statement = GetCurrentStatementStartTimestamp();
}

/*
 * open_sight finds or makes the sight for the active snapshot.
 */
static HgSight *
open_sight(HgCached *c, Snapshot snapshot)
{
	SnapshotKey key;
	HgPrivateKey private_key;
	bool		is_private;
	HgSight    *sight = NULL;
	Relation	heap,
				index;

	snapshot_key(snapshot, &key);
	if (!c->stale && hg_auth_known(c))
	{
		is_private = c->auth.rls || c->auth.unusable;
		if (is_private)
			describe_caller(c, &private_key);
		sight = find_sight(c, &key, is_private ? &private_key : NULL);
		if (sight != NULL)
			return sight;
	}

	open_relations(c->index_oid, &heap, &index);
	if (c->stale || c->filenumber != HG_REL_FILENUMBER(index))
		hg_cache_revalidate(c, index);
	hg_auth_check(c, heap, index);
	is_private = c->auth.rls || c->auth.unusable ||
		hg_auth_built_later(index, snapshot);
	if (is_private)
		describe_caller(c, &private_key);
	sight = find_sight(c, &key, is_private ? &private_key : NULL);
	if (sight == NULL && is_private)
		sight = make_private_sight(c, heap, index, &key, &private_key);
	else if (sight == NULL)
		sight = make_sight(c, heap, index, snapshot, &key);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return sight;
}

/*
 * hg_query_open opens a graph for the active snapshot and the current user.
 */
void
hg_query_open(HgQuery *q, Oid index_oid, const HgFilterArgs *args)
{
	HgCached   *c;
	HgSight    *sight;
	HgFilter	filter;

	if (!ActiveSnapshotSet())
		elog(ERROR, "cannot read a graph without an active snapshot");
	q->snapshot = GetActiveSnapshot();
	q->labels = NULL;

	/* an index that is none must not leave an entry behind */
	c = hg_cache_find(index_oid);
	if (c == NULL)
	{
		Relation	heap,
					index;

		open_relations(index_oid, &heap, &index);
		index_close(index, NoLock);
		table_close(heap, NoLock);
	}
	c = hg_cache_entry(index_oid);
	sight = open_sight(c, q->snapshot);

	q->pin = new_pin(sight);
	q->pin_id = q->pin->id;
	q->own_layout = c->layout;
	q->own_layout.roles &= c->auth.readable_roles;
	q->layout = &q->own_layout;
	hg_view_init(&q->view, sight->ref->graph, NULL, sight->vm.bits,
				 sight->vm.pages, sight->vm.all_visible,
				 sight->is_private ? NULL : visible, q);
	make_filter(q, args, &filter);
	if (filter.by_day || filter.primary_only || filter.by_label)
	{
		q->view.filter = filter;
		q->view.plain = false;
	}
	q->view.nnodes = sight->nnodes;
	q->view.nentries = sight->nentries;
}

/*
 * hg_query_hold holds the table open, so that CheckTableNotInUse() sees it.
 * After an error that is for the resource owner to end.
 */
void
hg_query_hold(HgQuery *q)
{
	q->pin->heap = table_open(q->layout->heap_oid, NoLock);
}

/*
 * hg_query_close ends a query.
 */
void
hg_query_close(HgQuery *q)
{
	if (q->pin == NULL)
		return;
	if (q->pin->id == q->pin_id)	/* else the transaction ended first */
	{
		if (q->pin->heap != NULL)
		{
			ResourceOwner old = CurrentResourceOwner;

			CurrentResourceOwner = q->pin->owner;
			table_close(q->pin->heap, NoLock);
			CurrentResourceOwner = old;
		}
		release_pin(q->pin);
	}
	q->pin = NULL;
	if (q->labels != NULL)
		pfree(q->labels);
	q->labels = NULL;
}

/*
 * hg_query_serial tells sights apart.
 */
uint64
hg_query_serial(const HgQuery *q)
{
	return q->pin->sight->serial;
}

/*
 * hg_query_counts reports sizes for graph_stats().
 */
void
hg_query_counts(const HgQuery *q, int64 *entries, int64 *overlay,
				int64 *image_bytes)
{
	const HgGraph *g = q->view.g;

	*entries = (int64) hg_graph_entries(g) - hg_graph_gone(g);
	*overlay = hg_graph_overlay(g);
	*image_bytes = hg_graph_bytes(g);
}
