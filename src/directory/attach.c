/*-------------------------------------------------------------------------
 *
 * attach.c
 *	  Making a table a partition of change_log while it is being read.
 *
 * ALTER TABLE ... ATTACH PARTITION does not mind what other sessions do with
 * the table, but refuses if a query of the same session uses it.  A function
 * that reads the log and changes the directory as it goes (an undo, say) must
 * not fail because a month begins.  What other sessions may do is as safe for
 * this one: its running queries have their partitions already.
 *
 * So this does what ATTACH PARTITION does, for a table just made after the
 * pattern of the log, and only where that is little: the log has no indexes,
 * row triggers, keys or default partition, and the new table has no rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(hgraph_attach_log);

/*
 * is_plain_log: has the log nothing that a partition would have to be given?
 */
static bool
is_plain_log(Relation log)
{
	TriggerDesc *triggers = log->trigdesc;
	PartitionKey key;

	if (log->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	key = RelationGetPartitionKey(log);
	return key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 &&
		key->parttypid[0] == TIMESTAMPTZOID &&
		!log->rd_rel->relispartition &&
		!OidIsValid(get_default_oid_from_partdesc(RelationGetPartitionDesc(log, false))) &&
		RelationGetIndexList(log) == NIL && RelationGetFKeyList(log) == NIL &&
		(triggers == NULL ||
		 !(triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
		   triggers->trig_update_before_row || triggers->trig_update_after_row ||
		   triggers->trig_delete_before_row || triggers->trig_delete_after_row));
}

/*
 * is_empty_copy: is this an empty table with the columns of the log?
 */
static bool
is_empty_copy(Relation log, Relation table)
{
	TupleDesc	desc = RelationGetDescr(log);
	TupleDesc	copy = RelationGetDescr(table);
	int			j = 0;

	if (table->rd_rel->relkind != RELKIND_RELATION ||
		table->rd_rel->relpersistence != log->rd_rel->relpersistence ||
		table->rd_rel->relispartition || table->rd_rel->relhassubclass ||
		RelationGetNumberOfBlocks(table) != 0)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute a = TupleDescAttr(desc, i);
		Form_pg_attribute b;

		if (a->attisdropped)
			continue;
		if (j == copy->natts)
			return false;
		b = TupleDescAttr(copy, j++);
		if (b->attisdropped || b->attinhcount != 0 ||
			strcmp(NameStr(a->attname), NameStr(b->attname)) != 0 ||
			a->atttypid != b->atttypid || a->atttypmod != b->atttypmod ||
			a->attcollation != b->attcollation || a->attnotnull != b->attnotnull)
			return false;
	}
	return j == copy->natts;
}

/*
 * inherit_columns marks the columns of a partition as those of its parent.
 */
static void
inherit_columns(Relation table)
{
	Relation	catalog = table_open(AttributeRelationId, RowExclusiveLock);

	for (int i = 1; i <= RelationGetNumberOfAttributes(table); i++)
	{
		HeapTuple	tuple = SearchSysCacheCopyAttNum(RelationGetRelid(table), i);
		Form_pg_attribute attr;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for attribute %d of relation %u",
				 i, RelationGetRelid(table));
		attr = (Form_pg_attribute) GETSTRUCT(tuple);
		attr->attinhcount = 1;
		attr->attislocal = false;
		CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
		heap_freetuple(tuple);
	}
	table_close(catalog, RowExclusiveLock);
}

/*
 * inherit_constraints marks its constraints as those of its parent; it was made
 * with them and has no others yet.
 */
static void
inherit_constraints(Relation table)
{
	Relation	catalog = table_open(ConstraintRelationId, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationGetRelid(table)));
	scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true,
							  NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		HeapTuple	copy = heap_copytuple(tuple);
		Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(copy);

		constraint->coninhcount = 1;
		constraint->conislocal = false;
		CatalogTupleUpdate(catalog, &copy->t_self, copy);
		heap_freetuple(copy);
	}
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
}

/*
 * bound_at is a bound of a partition.
 */
static List *
bound_at(Datum at)
{
	PartitionRangeDatum *datum = makeNode(PartitionRangeDatum);

	datum->kind = PARTITION_RANGE_DATUM_VALUE;
	datum->value = (Node *) makeConst(TIMESTAMPTZOID, -1, InvalidOid,
									  sizeof(TimestampTz), at, false,
									  FLOAT8PASSBYVAL);
	datum->location = -1;
	return list_make1(datum);
}

/*
 * hgraph_attach_log makes a table a partition of change_log.
 */
Datum
hgraph_attach_log(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	Oid			parent = get_relname_relid("change_log", schema);
	PartitionBoundSpec *bound = makeNode(PartitionBoundSpec);
	Relation	log;
	Relation	table;
	ObjectAddress log_address;
	ObjectAddress table_address;

	if (!OidIsValid(parent) ||
		!hg_relation_ownercheck(parent, GetUserId()) ||
		!hg_relation_ownercheck(relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of change_log and of its partitions")));
	log = table_open(parent, ShareUpdateExclusiveLock);
	table = table_open(relid, AccessExclusiveLock);
	if (!is_plain_log(log) || !is_empty_copy(log, table))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot add a partition to \"%s\" because it is being used by active queries in this session",
						RelationGetRelationName(log)),
				 errhint("Call prepare_change_log() before.")));

	bound->strategy = PARTITION_STRATEGY_RANGE;
	bound->lowerdatums = bound_at(PG_GETARG_DATUM(1));
	bound->upperdatums = bound_at(PG_GETARG_DATUM(2));
	bound->location = -1;
	check_new_partition_bound(RelationGetRelationName(table), log, bound,
							  make_parsestate(NULL));

	inherit_columns(table);
	inherit_constraints(table);
	StoreSingleInheritance(relid, parent, 1);
	ObjectAddressSet(log_address, RelationRelationId, parent);
	ObjectAddressSet(table_address, RelationRelationId, relid);
	recordDependencyOn(&table_address, &log_address, DEPENDENCY_AUTO);
	SetRelationHasSubclass(parent, true);
	CommandCounterIncrement();
	StorePartitionBound(table, log, bound);
	CacheInvalidateRelcache(table);
	table_close(table, NoLock);
	table_close(log, NoLock);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}
