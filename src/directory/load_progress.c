/*-------------------------------------------------------------------------
 *
 * load_progress.c
 *	  What others see of a load that is running, its lock, and the numbers of
 *	  its new entities.
 *
 * A load reports as COPY does, on its staging table: so pg_stat_progress_copy
 * shows the rows.  Parameters that COPY has no use for say which batch it is,
 * how many rows there are, and what is being done; the view load_progress reads
 * these.  ANALYZE and the end of a subtransaction reset a backend's report, so
 * it is begun anew after each.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "commands/progress.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "compat.h"
#include "directory/locks.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Parameters that COPY leaves free. */
#define LOAD_MARK		10
#define LOAD_BATCH		11
#define LOAD_PHASE		12
#define LOAD_TOTAL		13

/* Value of LOAD_MARK: tells a load from COPY. */
#define LOAD_MARKED		0x4c4f4144

/* Rows between two reports. */
#define LOAD_EVERY		1024

/* Kind of the advisory lock of a source; locks.c has those below. */
#define LOAD_TAG_SOURCE	0x4836

HG_FUNCTION_INFO_V1(hgraph_load_step);
HG_FUNCTION_INFO_V1(hgraph_load_step_again);
HG_FUNCTION_INFO_V1(hgraph_load_tick);
HG_FUNCTION_INFO_V1(hgraph_load_end);
HG_FUNCTION_INFO_V1(hgraph_load_lock);
HG_FUNCTION_INFO_V1(hgraph_new_entity_id);

/* Rows of this step. */
static int64 rows_done = 0;

/* What the step is: arguments of load_step(). */
static int64 step_batch = 0;
static Oid	step_stage = InvalidOid;
static int32 step_phase = 0;
static int64 step_total = 0;

/*
 * report_step begins a report.
 */
static void
report_step(void)
{
	const int	index[] = {
		LOAD_MARK, LOAD_BATCH, LOAD_PHASE, LOAD_TOTAL,
		PROGRESS_COPY_COMMAND, PROGRESS_COPY_TYPE, PROGRESS_COPY_TUPLES_PROCESSED
	};
	int64		value[lengthof(index)];

	value[0] = LOAD_MARKED;
	value[1] = step_batch;
	value[2] = step_phase;
	value[3] = step_total;
	value[4] = PROGRESS_COPY_COMMAND_FROM;
	value[5] = PROGRESS_COPY_TYPE_CALLBACK;
	value[6] = rows_done;
	pgstat_progress_start_command(PROGRESS_COMMAND_COPY, step_stage);
	pgstat_progress_update_multi_param(lengthof(index), index, value);
}

/*
 * hgraph_load_step says which step of a load begins.
 */
Datum
hgraph_load_step(PG_FUNCTION_ARGS)
{
	step_batch = PG_GETARG_INT64(0);
	step_stage = PG_GETARG_OID(1);
	step_phase = PG_GETARG_INT32(2);
	step_total = PG_GETARG_INT64(3);
	rows_done = PG_GETARG_INT64(4);
	report_step();
	PG_RETURN_VOID();
}

/*
 * hgraph_load_step_again reports the step again, if there is one.
 */
Datum
hgraph_load_step_again(PG_FUNCTION_ARGS)
{
	if (OidIsValid(step_stage))
		report_step();
	PG_RETURN_VOID();
}

/*
 * hgraph_load_tick counts a row of the step, and returns it.  Where rows that
 * fail are searched for, some are done again: that is no more than all.
 */
Datum
hgraph_load_tick(PG_FUNCTION_ARGS)
{
	if (++rows_done % LOAD_EVERY == 0)
		pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, Min(rows_done, step_total));
	PG_RETURN_INT64(PG_GETARG_INT64(0));
}

/*
 * hgraph_load_end ends the report.
 */
Datum
hgraph_load_end(PG_FUNCTION_ARGS)
{
	step_stage = InvalidOid;
	pgstat_progress_end_command();
	PG_RETURN_VOID();
}

/*
 * may_insert makes sure that the caller may add rows to a table of the
 * directory.
 */
static Oid
may_insert(FunctionCallInfo fcinfo, const char *table)
{
	Oid			relid = get_relname_relid(table, get_func_namespace(fcinfo->flinfo->fn_oid));

	if (!OidIsValid(relid))
		elog(ERROR, "table \"%s\" is not there", table);
	if (pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table);
	return relid;
}

/*
 * hgraph_load_lock locks a source against other loads, and what a load is
 * going to write: the entities, and a hierarchy unless it is NULL.  A load is
 * planned before it writes, so what the plan is made of must stay.
 */
Datum
hgraph_load_lock(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag;

	if (!PG_ARGISNULL(0))
	{
		text	   *source = PG_GETARG_TEXT_PP(0);

		(void) may_insert(fcinfo, "load_batch");
		SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0,
							 DatumGetUInt32(hash_any((unsigned char *) VARDATA_ANY(source),
													 VARSIZE_ANY_EXHDR(source))),
							 LOAD_TAG_SOURCE);
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
	}
	if (!PG_ARGISNULL(1))
	{
		(void) may_insert(fcinfo, "relationship");
		hg_lock_all_entities(PG_GETARG_BOOL(2));
		hg_lock_hierarchy(PG_GETARG_INT32(1));
	}
	PG_RETURN_VOID();
}

/*
 * hgraph_new_entity_id takes the next number for an entity.  Whoever may add
 * entities gets it, without a right on the sequence, as by adding one.
 */
Datum
hgraph_new_entity_id(PG_FUNCTION_ARGS)
{
	Oid		   *sequence = fcinfo->flinfo->fn_extra;

	if (sequence == NULL)
	{
		List	   *sequences = getOwnedSequences(may_insert(fcinfo, "entity"));

		if (list_length(sequences) != 1)
			elog(ERROR, "table \"entity\" has %d sequences", list_length(sequences));
		sequence = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(Oid));
		*sequence = linitial_oid(sequences);
		fcinfo->flinfo->fn_extra = sequence;
	}
	PG_RETURN_INT64(nextval_internal(*sequence, false));
}
