/*-------------------------------------------------------------------------
 *
 * months.c
 *	  Partitions of change_log, one for each month.
 *
 * They are made ahead by prepare_change_log().  Who writes makes what is
 * missing: this month's if he must, waiting for others who do; next month's if
 * nobody is in the way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "compat.h"
#include "directory/months.h"
#include "executor/spi.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/*
 * find_partition finds the partition for a time; InvalidOid: there is none.
 */
static Oid
find_partition(Relation root, TimestampTz at)
{
	Datum		value = TimestampTzGetDatum(at);
	PartitionKey key = RelationGetPartitionKey(root);
	PartitionDesc desc = RelationGetPartitionDesc(root, true);
	PartitionBoundInfo bounds = desc->boundinfo;
	int			index = -1;
	bool		equal;

	if (desc->nparts == 0)
		return InvalidOid;
	if (key->strategy != PARTITION_STRATEGY_RANGE || key->partnatts != 1 ||
		key->parttypid[0] != TIMESTAMPTZOID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not partitioned by time",
						RelationGetRelationName(root))));
	index = bounds->indexes[partition_range_datum_bsearch(key->partsupfunc,
														  key->partcollation,
														  bounds, 1, &value,
														  &equal) + 1];
	if (index < 0)
		index = bounds->default_index;
	return index < 0 ? InvalidOid : desc->oids[index];
}

/*
 * make_partition makes the partition for a time.  The log is locked against
 * others who would, and not open.
 */
static void
make_partition(Oid schema, TimestampTz at)
{
	Oid			types[1] = {TIMESTAMPTZOID};
	Datum		args[1] = {TimestampTzGetDatum(at)};
	char	   *name = get_namespace_name(schema);
	char	   *command = psprintf("SELECT %s($1)",
								   quote_qualified_identifier(name, "add_change_log_partition"));

	bool		creating = creating_extension;

	/* it is not a part of an extension whose script happens to run now */
	creating_extension = false;
	PG_TRY();
	{
		SPI_connect();
		if (SPI_execute_with_args(command, 1, types, args, NULL, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not make a partition of change_log");
		SPI_finish();
	}
	PG_FINALLY();
	{
		creating_extension = creating;
	}
	PG_END_TRY();
}

/*
 * next_month is the middle of the month after.
 */
static TimestampTz
next_month(TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	TimestampTz result;

	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	tm.tm_mday = 15;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	if (++tm.tm_mon > MONTHS_PER_YEAR)
	{
		tm.tm_mon = 1;
		tm.tm_year++;
	}
	if (tm2timestamp(&tm, 0, NULL, &result) != 0)
		elog(ERROR, "timestamp out of range");
	return result;
}

/*
 * require_partition makes the partition for the time of the statement, if
 * nobody else has meanwhile.
 */
static Oid
require_partition(Relation *log, Oid schema, TimestampTz at)
{
	Oid			root = RelationGetRelid(*log);
	Oid			partition;

	LockRelationOid(root, ShareUpdateExclusiveLock);
	partition = find_partition(*log, at);
	if (OidIsValid(partition))
		return partition;
	table_close(*log, NoLock);
	make_partition(schema, at);
	*log = table_open(root, NoLock);
	partition = find_partition(*log, at);
	if (!OidIsValid(partition))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("change_log has no partition for this month"),
				 errdetail("None could be made now, as while a query of the same session reads change_log."),
				 errhint("Make it first: SELECT %s().",
						 quote_qualified_identifier(get_namespace_name(schema), "prepare_change_log"))));
	return partition;
}

/*
 * prepare_partition makes the partition for next month, if that can be done
 * without waiting.  So whoever is the first of a month need not make it while
 * all others wait for him.
 */
static void
prepare_partition(Relation *log, Oid schema, TimestampTz at)
{
	static TimestampTz in_vain = 0;
	Oid			root = RelationGetRelid(*log);

	/* used by a query of this session as well: another time */
	if (in_vain == at || (*log)->rd_refcnt > 1)
		return;
	if (!ConditionalLockRelationOid(root, ShareUpdateExclusiveLock))
		return;
	if (OidIsValid(find_partition(*log, at)))
		return;
	table_close(*log, NoLock);
	make_partition(schema, at);
	*log = table_open(root, NoLock);
	if (!OidIsValid(find_partition(*log, at)))
		in_vain = at;			/* not once more with every statement */
}

/*
 * hg_log_partition returns the partition of the log for a time.  The log may be
 * closed and opened in between.
 */
Oid
hg_log_partition(Relation *log, Oid schema, TimestampTz at)
{
	TimestampTz next = next_month(at);
	Oid			partition = find_partition(*log, at);

	if (!OidIsValid(partition))
		partition = require_partition(log, schema, at);
	if (!OidIsValid(find_partition(*log, next)))
		prepare_partition(log, schema, next);
	return partition;
}
