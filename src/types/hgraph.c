/*-------------------------------------------------------------------------
 *
 * hgraph.c
 *	  Type hgraph: the OID of an hgraph index, written as a name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "types/hgraph.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "am/am.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "compat.h"
#include "directory/restore.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

/* Where graphs are looked for after search_path. */
#define HG_SCHEMA	"hierarchy"

/* A hint lists at most so many graphs. */
#define HG_LISTED	5

PG_FUNCTION_INFO_V1(hgraph_in);
PG_FUNCTION_INFO_V1(hgraph_out);
HG_FUNCTION_INFO_V1(hgraph_from_relation);

/*
 * relation_name is a relation's name as SQL text, qualified where it must be.
 */
static char *
relation_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return psprintf("%u", relid);
	if (RelationIsVisible(relid))
		return pstrdup(quote_identifier(name));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  name);
}

/*
 * list_names joins the names of relations, at most max of them, sorted.
 */
static char *
list_names(List *relids, int max)
{
	StringInfoData buf;
	int			n = list_length(relids);
	char	  **names = palloc(sizeof(char *) * Max(n, 1));
	int			i = 0;
	ListCell   *lc;

	foreach(lc, relids)
		names[i++] = relation_name(lfirst_oid(lc));
	qsort(names, n, sizeof(char *), pg_qsort_strcmp);

	initStringInfo(&buf);
	for (i = 0; i < Min(n, max); i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", names[i]);
	if (n > max)
		appendStringInfo(&buf, " and %d more", n - max);
	return buf.data;
}

/*
 * may_use_schema: may the user know what is in this schema?
 */
static bool
may_use_schema(Oid namespace)
{
	return !isOtherTempNamespace(namespace) &&
		hg_namespace_aclcheck(namespace, GetUserId(), ACL_USAGE) == ACLCHECK_OK;
}

/*
 * existing_graphs finds the hgraph indexes of the database.
 */
static List *
existing_graphs(void)
{
	Oid			am = hgraph_am_oid();
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *result = NIL;

	scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relkind == RELKIND_INDEX && form->relam == am &&
			may_use_schema(form->relnamespace))
			result = lappend_oid(result, form->oid);
	}
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return result;
}

/*
 * hint_existing adds the hint that tells which graphs there are.
 */
static int
hint_existing(void)
{
	List	   *graphs = existing_graphs();

	if (graphs == NIL)
		return errhint("There is no hgraph index yet. Make one with CREATE INDEX ... USING hgraph (parent_column, child_column).");
	return errhint("Existing graphs: %s.", list_names(graphs, HG_LISTED));
}

/*
 * report_partitioned raises the error for a graph that exists on partitions.
 */
static void
report_partitioned(Oid indexoid)
{
	List	   *children = find_inheritance_children(indexoid, NoLock);

	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is partitioned and not a graph itself",
					get_rel_name(indexoid)),
			 errdetail("Each partition has a graph of its own."),
			 children == NIL ?
			 errhint("Name the index of a partition.") :
			 errhint("Name the index of a partition: %s.",
					 list_names(children, HG_LISTED))));
}

/*
 * hg_check_graph makes sure that an OID is that of a usable hgraph index.
 */
void
hg_check_graph(Oid indexoid)
{
	HeapTuple	tuple;
	char		relkind;
	Oid			am;
	bool		valid;

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexoid));
	if (!HeapTupleIsValid(tuple))
	{
		/*
		 * A cached plan may hold the OID where its text has a name, which now
		 * stands for another index, or for one yet to come.  Unlike regclass,
		 * our type does not make plans depend on the relation.  So let all
		 * plans be made from their texts again, the next time.
		 */
		ResetPlanCache();
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("graph with OID %u does not exist", indexoid),
				 OidIsValid(indexoid) ?
				 errdetail("Its index was dropped, or made anew by REINDEX CONCURRENTLY.") : 0,
				 hint_existing()));
	}
	relkind = ((Form_pg_class) GETSTRUCT(tuple))->relkind;
	am = ((Form_pg_class) GETSTRUCT(tuple))->relam;
	ReleaseSysCache(tuple);

	if ((relkind != RELKIND_INDEX && relkind != RELKIND_PARTITIONED_INDEX) ||
		am != hgraph_am_oid())
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an hgraph index",
						get_rel_name(indexoid)),
				 hint_existing()));
	if (relkind == RELKIND_PARTITIONED_INDEX)
		report_partitioned(indexoid);

	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexoid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", indexoid);
	valid = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	ReleaseSysCache(tuple);
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("graph \"%s\" is invalid", get_rel_name(indexoid)),
				 errdetail("Its index was not built to the end."),
				 errhint("Rebuild it with REINDEX INDEX %s.",
						 relation_name(indexoid))));
}

/*
 * hgraph_indexes finds the hgraph indexes of a table, valid and invalid ones
 * (a partitioned index counts as valid).
 */
static void
hgraph_indexes(Oid relid, List **valid, List **invalid)
{
	Oid			am = hgraph_am_oid();
	Relation	pg_index = table_open(IndexRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	*valid = NIL;
	*invalid = NIL;
	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(pg_index, IndexIndrelidIndexId, true, NULL,
							  1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);
		HeapTuple	class_tuple;

		if (!form->indislive)
			continue;
		class_tuple = SearchSysCache1(RELOID,
									  ObjectIdGetDatum(form->indexrelid));
		if (!HeapTupleIsValid(class_tuple))
			continue;
		if (((Form_pg_class) GETSTRUCT(class_tuple))->relam == am)
		{
			List	  **list = form->indisvalid ||
				((Form_pg_class) GETSTRUCT(class_tuple))->relkind == RELKIND_PARTITIONED_INDEX ?
				valid : invalid;

			*list = lappend_oid(*list, form->indexrelid);
		}
		ReleaseSysCache(class_tuple);
	}
	systable_endscan(scan);
	table_close(pg_index, AccessShareLock);
}

/*
 * graph_of_table finds the one graph of a table.
 */
static Oid
graph_of_table(Oid relid)
{
	List	   *valid;
	List	   *invalid;

	hgraph_indexes(relid, &valid, &invalid);
	if (list_length(valid) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" has more than one graph",
						get_rel_name(relid)),
				 errdetail("Its hgraph indexes are: %s.",
						   list_names(valid, HG_LISTED)),
				 errhint("Name one of the indexes instead of the table.")));
	if (valid == NIL && invalid == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no hgraph index",
						get_rel_name(relid)),
				 errhint("Make one with CREATE INDEX ON %s USING hgraph (parent_column, child_column).",
						 relation_name(relid))));
	return linitial_oid(valid != NIL ? valid : invalid);
}

/*
 * hg_resolve_graph_relation finds the graph that an index is or a table has.
 */
Oid
hg_resolve_graph_relation(Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	if (relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW ||
		relkind == RELKIND_PARTITIONED_TABLE)
		relid = graph_of_table(relid);
	hg_check_graph(relid);
	return relid;
}

/*
 * hg_named_graph finds the graph of a table that bears a name; if none does, the
 * one that there is.
 */
Oid
hg_named_graph(Oid relid, const char *name)
{
	List	   *valid;
	List	   *invalid;
	ListCell   *lc;

	hgraph_indexes(relid, &valid, &invalid);
	foreach(lc, valid)
	{
		if (strcmp(get_rel_name(lfirst_oid(lc)), name) == 0)
			return lfirst_oid(lc);
	}
	return list_length(valid) == 1 ? linitial_oid(valid) : InvalidOid;
}

/*
 * has_graph: is this an hgraph index, or a table with at least one?
 */
static bool
has_graph(Oid relid)
{
	List	   *valid;
	List	   *invalid;
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_class) GETSTRUCT(tuple))->relam == hgraph_am_oid();
	ReleaseSysCache(tuple);
	if (result)
		return true;
	hgraph_indexes(relid, &valid, &invalid);
	return valid != NIL || invalid != NIL;
}

/*
 * hg_resolve_graph_name finds the graph that a name means.
 *
 * A relation on search_path that has nothing to do with graphs does not hide
 * one in schema hierarchy: a table of facts may bear the name of a hierarchy.
 *
 * A dump loads rows before it makes indexes.  So while one is restored, the
 * name of a hierarchy's graph that is yet to come stands for none; the event
 * trigger of graph_column.c puts it right.
 */
Oid
hg_resolve_graph_name(const char *name)
{
	RangeVar   *rv = makeRangeVarFromNameList(hg_parse_qualified_name(name));
	Oid			relid = RangeVarGetRelid(rv, NoLock, true);

	if (rv->schemaname == NULL && !(OidIsValid(relid) && has_graph(relid)))
	{
		Oid			namespace = get_namespace_oid(HG_SCHEMA, true);
		Oid			other = InvalidOid;

		if (OidIsValid(namespace) && may_use_schema(namespace))
			other = get_relname_relid(rv->relname, namespace);
		if (OidIsValid(other) && (!OidIsValid(relid) || has_graph(other)))
			relid = other;
	}

	if (!OidIsValid(relid) && rv->schemaname != NULL &&
		strcmp(rv->schemaname, HG_SCHEMA) == 0 && hg_restoring_session())
		return InvalidOid;
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("graph \"%s\" does not exist", name),
				 hint_existing()));
	return hg_resolve_graph_relation(relid);
}

/*
 * hgraph_in reads a name.  As with regclass, a number stands for an OID of
 * any fate, and "-" for none, so that every output can be read again.
 */
Datum
hgraph_in(PG_FUNCTION_ARGS)
{
	char	   *name = PG_GETARG_CSTRING(0);

	if (strcmp(name, "-") == 0)
		PG_RETURN_OID(InvalidOid);
	if (name[0] != '\0' && strspn(name, "0123456789") == strlen(name))
		PG_RETURN_DATUM(DirectFunctionCall1(oidin, CStringGetDatum(name)));
	PG_RETURN_OID(hg_resolve_graph_name(name));
}

/*
 * hgraph_out writes the name of the index.
 */
Datum
hgraph_out(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);

	if (!OidIsValid(relid))
		PG_RETURN_CSTRING(pstrdup("-"));
	PG_RETURN_CSTRING(relation_name(relid));
}

/*
 * hgraph_from_relation casts from oid and regclass.
 */
Datum
hgraph_from_relation(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(hg_resolve_graph_relation(PG_GETARG_OID(0)));
}
