/*-------------------------------------------------------------------------
 *
 * horizon.c
 *	  Numbers of changes, and up to which of them nothing can still appear.
 *
 * Whoever follows change_log by change_id asks for what came after the last
 * change he has seen.  Numbers are given out in order, but transactions commit
 * in another: number 7 may become visible after 8 was read, and would never be
 * asked for.  So changes_since() stops at a horizon, below which everything
 * there will ever be is there already.
 *
 * A transaction that logs changes, before it takes its first number,
 *	 W1. reads the last number given out, L;
 *	 W2. takes a shared lock on a tag that spells L, and holds it until after
 *	     its end is visible to all (that is how transactions release locks);
 *	 W3. takes numbers, all of them above L.
 * A reader
 *	 R1. reads the last number given out, S;
 *	 R2. reads all such locks from the lock table; the horizon is the least of
 *	     S and the numbers that they spell;
 *	 R3. takes a snapshot and reads changes up to the horizon.
 *
 * Suppose a change with a number c at or below the horizon is committed at some
 * time, yet the snapshot of R3 does not see it.  Its number was given out
 * before R1, as c <= S; so its transaction had done W2 before R1, hence before
 * R2.  The snapshot does not see its end, so it had not released its lock at
 * R3, hence not at R2: R2 found the lock, and the horizon is at most L < c.
 * Contradiction.  The lock of a prepared transaction stays in the lock table
 * until it is finished, so the same holds there, through restarts too.
 *
 * The proof needs that numbers only grow.  nextval() of a session that caches
 * numbers breaks that, and moves lastval() under the application's feet; so
 * numbers are taken a batch at a time, with setval() under a lock of our own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/sequence.h"
#include "compat.h"
#include "directory/horizon.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/resowner.h"

HG_FUNCTION_INFO_V1(hgraph_changes_horizon);

/*
 * Tags of our locks: advisory ones, of classes that pg_advisory_lock() does not
 * use.  pg_locks shows them as such.
 */
#define LOCK_CLASS_HORIZON	0x4841
#define LOCK_CLASS_NUMBERS	0x4842

/* Does this transaction hold its lock? */
static bool entered = false;

/*
 * horizon_tag spells a number of a change.
 */
static void
horizon_tag(LOCKTAG *tag, int64 number)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) ((uint64) number >> 32),
						 (uint32) number, LOCK_CLASS_HORIZON);
}

/*
 * last_change_id is the last number given out.
 */
static int64
last_change_id(Oid sequence)
{
	Relation	rel = relation_open(sequence, AccessShareLock);
	Buffer		buffer;
	Page		page;
	HeapTupleData tuple;
	Form_pg_sequence_data data;
	int64		result;

	if (rel->rd_rel->relkind != RELKIND_SEQUENCE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a sequence", RelationGetRelationName(rel))));

	/* its only row, which is there for everybody at once */
	buffer = ReadBuffer(rel, 0);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	tuple.t_data = (HeapTupleHeader)
		PageGetItem(page, PageGetItemId(page, FirstOffsetNumber));
	data = (Form_pg_sequence_data) GETSTRUCT(&tuple);
	result = data->is_called ? data->last_value : data->last_value - 1;
	UnlockReleaseBuffer(buffer);
	relation_close(rel, AccessShareLock);
	return result;
}

/*
 * enter_horizon holds the horizon back until the transaction has ended.
 */
static void
enter_horizon(Oid sequence)
{
	ResourceOwner owner = CurrentResourceOwner;
	LOCKTAG		tag;

	if (entered)
		return;
	horizon_tag(&tag, last_change_id(sequence));

	/* not to be let go by a rollback to a savepoint */
	CurrentResourceOwner = TopTransactionResourceOwner;
	PG_TRY();
	{
		(void) LockAcquire(&tag, ShareLock, false, false);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	entered = true;
}

/*
 * hg_take_change_ids takes n numbers in a row and returns the first.  The
 * current user has to be the owner of the sequence.
 */
int64
hg_take_change_ids(Oid sequence, int64 n)
{
	LOCKTAG		tag;
	int64		last;

	enter_horizon(sequence);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, LOCK_CLASS_NUMBERS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	last = last_change_id(sequence);
	DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence),
						Int64GetDatum(last + n));
	LockRelease(&tag, ExclusiveLock, false);
	return last + 1;
}

/*
 * least_held is the least number that a lock of this database spells, or limit
 * if that is less.
 */
static int64
least_held(int64 limit)
{
	LockData   *locks = GetLockStatusData();

	for (int i = 0; i < locks->nelements; i++)
	{
		const LOCKTAG *tag = &locks->locks[i].locktag;

		if (tag->locktag_type == LOCKTAG_ADVISORY &&
			tag->locktag_field1 == MyDatabaseId &&
			tag->locktag_field4 == LOCK_CLASS_HORIZON &&
			locks->locks[i].holdMask != 0)
		{
			int64		number = (int64)
				((uint64) tag->locktag_field2 << 32 | tag->locktag_field3);

			limit = Min(limit, number);
		}
	}
	return limit;
}

/*
 * hgraph_changes_horizon is the number of a change up to which every later
 * snapshot sees all changes that will ever be.
 */
Datum
hgraph_changes_horizon(PG_FUNCTION_ARGS)
{
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	Oid			sequence;

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("changes cannot be followed on a standby server"),
				 errdetail("What is still to be committed is known to the primary only."),
				 errhint("Ask the primary server.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("changes cannot be followed in a transaction of isolation level REPEATABLE READ or SERIALIZABLE"),
				 errdetail("Its snapshot may be older than the horizon."),
				 errhint("Use READ COMMITTED.")));

	sequence = get_relname_relid("change_log_change_id_seq", schema);
	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no sequence \"%s.change_log_change_id_seq\"",
						get_namespace_name(schema))));
	PG_RETURN_INT64(least_held(last_change_id(sequence)));
}

/*
 * forget notes that the transaction has ended, and its locks with it.
 */
static void
forget(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			entered = false;
			break;
		default:
			break;
	}
}

/*
 * hg_horizon_init lets transactions tell of their end.
 */
void
hg_horizon_init(void)
{
	RegisterXactCallback(forget, NULL);
}
