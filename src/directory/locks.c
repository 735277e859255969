/*-------------------------------------------------------------------------
 *
 * locks.c
 *	  Locks by which writers of the directory keep out of each other's way.
 *
 * A rule looks at more than the row that is being written: at the entities
 * that it mentions, at the other relationships of the child, at the settings
 * of the hierarchy.  What it looks at must not change before its transaction
 * ends.  Row locks do not give that (there is no row to lock where another
 * session is about to add one), so these locks stand for "entity 17" and "the
 * relationships of child 17 in hierarchy 3".
 *
 * Two granularities with intention modes, for entities and for children:
 *
 *						all of them				one of them
 *	 writes mentions	RowShareLock			ShareLock
 *	   many of them		ShareLock
 *	 changes entities	RowExclusiveLock		ExclusiveLock
 *	   many of them		ExclusiveLock
 *
 *						the hierarchy			one child
 *	 writes children	RowExclusiveLock		ExclusiveLock
 *	   many of them		ExclusiveLock
 *	 changes settings	ExclusiveLock
 *
 * "Many" is more than HG_LOCKS_MAX in a transaction; beyond that one lock on
 * everything replaces one for each, so the shared lock table cannot overflow.
 * Any two of these conflict exactly when they should: RowShare and
 * RowExclusive get along, Share stops RowExclusive, Exclusive stops them all.
 *
 * Why the rules hold.  Every trigger does three things in this order:
 *	 1. its rows are written;
 *	 2. it takes the locks, and keeps them until the transaction ends;
 *	 3. it takes a new snapshot and looks at everything its rules are about.
 * Take two transactions whose rows break a rule together.  Both need a lock in
 * modes that conflict, so one got it when the other had ended (1 of both may
 * have come in any order).  The later one's snapshot comes after its lock, so
 * it sees the rows of the first if those were committed, and its own; it finds
 * the rule broken and fails.  That the snapshot of 3 is a new one even under
 * REPEATABLE READ is essential; foreign keys do the same.  A check put off to
 * the end of the transaction still has the lock of 2, so it needs no other.
 *
 * The tags are those of advisory locks with kinds of our own, so they never
 * meet those of pg_advisory_lock(), and pg_advisory_unlock_all() leaves them
 * alone.  Names and (hierarchy, child) are hashed: that two of them share a
 * lock costs a wait, nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "compat.h"
#include "directory/locks.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

/* Locks on single entities, and on single children, in one transaction. */
#define HG_LOCKS_MAX	64

/* Kinds of tags; pg_advisory_lock() has 1 and 2. */
#define HG_TAG_NAME			0x4831
#define HG_TAG_ENTITIES		0x4832
#define HG_TAG_ENTITY		0x4833
#define HG_TAG_HIERARCHY	0x4834
#define HG_TAG_CHILD		0x4835

HG_FUNCTION_INFO_V1(hgraph_lock_entities);
HG_FUNCTION_INFO_V1(hgraph_lock_children);

/* How many single locks this transaction took, about. */
static int64 entity_locks = 0;
static int64 child_locks = 0;

/*
 * take acquires one lock.  Returns how many locks that makes more.
 */
static int
take(uint16 kind, uint32 high, uint32 low, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, high, low, kind);
	return LockAcquire(&tag, mode, false, false) == LOCKACQUIRE_OK ? 1 : 0;
}

/*
 * held: has this transaction got the lock?
 */
static bool
held(uint16 kind, uint32 high, uint32 low, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, high, low, kind);
	return hg_lock_held(&tag, mode);
}

/*
 * hg_lock_name locks a name.
 */
void
hg_lock_name(HgLockName kind, const char *name, int len, bool for_change)
{
	take(HG_TAG_NAME, (uint32) kind,
		 DatumGetUInt32(hash_any((const unsigned char *) name, len)),
		 for_change ? ExclusiveLock : ShareLock);
}

/*
 * hg_lock_all_entities locks them all.
 */
void
hg_lock_all_entities(bool for_change)
{
	take(HG_TAG_ENTITIES, 0, 0, for_change ? ExclusiveLock : ShareLock);
}

/*
 * sorted copies a few ids in order, each once.
 */
static int64
sorted(const int64 *ids, int64 n, int64 *copy)
{
	memcpy(copy, ids, sizeof(int64) * n);
	return hg_sort_ids(copy, n);
}

/*
 * hg_lock_entities locks entities, or all of them if they are many.
 */
void
hg_lock_entities(const int64 *ids, int64 n, bool for_change)
{
	int64		few[HG_LOCKS_MAX];

	if (n == 0 || held(HG_TAG_ENTITIES, 0, 0, ExclusiveLock) ||
		(!for_change && held(HG_TAG_ENTITIES, 0, 0, ShareLock)))
		return;
	if (entity_locks + n > HG_LOCKS_MAX)
	{
		hg_lock_all_entities(for_change);
		return;
	}
	take(HG_TAG_ENTITIES, 0, 0, for_change ? RowExclusiveLock : RowShareLock);
	n = sorted(ids, n, few);
	for (int64 i = 0; i < n; i++)
		entity_locks += take(HG_TAG_ENTITY, (uint32) ((uint64) few[i] >> 32),
							 (uint32) few[i],
							 for_change ? ExclusiveLock : ShareLock);
}

/*
 * hg_lock_hierarchy locks all children of a hierarchy.
 */
void
hg_lock_hierarchy(int32 hierarchy)
{
	take(HG_TAG_HIERARCHY, 0, (uint32) hierarchy, ExclusiveLock);
}

/*
 * hg_lock_children locks children, or the hierarchy if they are many.
 */
void
hg_lock_children(int32 hierarchy, const int64 *ids, int64 n)
{
	int64		few[HG_LOCKS_MAX];

	if (n == 0 || held(HG_TAG_HIERARCHY, 0, (uint32) hierarchy, ExclusiveLock))
		return;
	if (child_locks + n > HG_LOCKS_MAX)
	{
		hg_lock_hierarchy(hierarchy);
		return;
	}
	take(HG_TAG_HIERARCHY, 0, (uint32) hierarchy, RowExclusiveLock);
	n = sorted(ids, n, few);
	for (int64 i = 0; i < n; i++)
	{
		uint64		tag = hash_combine64((uint64) hierarchy, hg_mix_id(few[i]));

		child_locks += take(HG_TAG_CHILD, (uint32) (tag >> 32), (uint32) tag,
							ExclusiveLock);
	}
}

/*
 * hg_locks_at_end forgets what a transaction has locked.  (A subtransaction
 * that failed leaves the counts too high, which only brings the lock on
 * everything earlier.)
 */
void
hg_locks_at_end(void)
{
	entity_locks = 0;
	child_locks = 0;
}

/*
 * hg_compare_ids is for qsort and bsearch.
 */
int
hg_compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/*
 * hg_sort_ids sorts, and leaves each once.
 */
int64
hg_sort_ids(int64 *ids, int64 n)
{
	int64		kept = 0;

	qsort(ids, n, sizeof(int64), hg_compare_ids);
	for (int64 i = 0; i < n; i++)
		if (kept == 0 || ids[kept - 1] != ids[i])
			ids[kept++] = ids[i];
	return kept;
}

/*
 * ids_from_array reads an array of bigint, sorted, without NULLs and doubles.
 */
static int64 *
ids_from_array(ArrayType *array, int64 *n)
{
	Datum	   *values;
	bool	   *nulls;
	int			nvalues;
	int64	   *ids;

	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &values, &nulls, &nvalues);
	ids = palloc(sizeof(int64) * Max(nvalues, 1));
	*n = 0;
	for (int i = 0; i < nvalues; i++)
		if (!nulls[i])
			ids[(*n)++] = DatumGetInt64(values[i]);
	*n = hg_sort_ids(ids, *n);
	return ids;
}

/*
 * may_lock makes sure that the caller may write what he asks a lock for.
 */
static void
may_lock(FunctionCallInfo fcinfo, const char *table)
{
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	Oid			relid = get_relname_relid(table, schema);

	if (!OidIsValid(relid) ||
		pg_class_aclcheck(relid, GetUserId(), ACL_INSERT | ACL_UPDATE | ACL_DELETE) == ACLCHECK_OK ||
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_INSERT | ACL_UPDATE, ACLMASK_ANY) == ACLCHECK_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for table %s", table),
			 errdetail("Whoever takes these locks must be allowed to write to the table.")));
}

/*
 * hgraph_lock_entities takes the locks ahead of a statement that will need
 * them, in the order that avoids deadlocks.
 */
Datum
hgraph_lock_entities(PG_FUNCTION_ARGS)
{
	int64		n;
	int64	   *ids = ids_from_array(PG_GETARG_ARRAYTYPE_P(0), &n);

	may_lock(fcinfo, PG_GETARG_BOOL(1) ? "entity" : "relationship");
	hg_lock_entities(ids, n, PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}

/*
 * hgraph_lock_children does the same for children of a hierarchy.
 */
Datum
hgraph_lock_children(PG_FUNCTION_ARGS)
{
	int64		n;
	int64	   *ids = ids_from_array(PG_GETARG_ARRAYTYPE_P(1), &n);

	may_lock(fcinfo, "relationship");
	hg_lock_children(PG_GETARG_INT32(0), ids, n);
	PG_RETURN_VOID();
}
