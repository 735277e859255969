/*-------------------------------------------------------------------------
 *
 * related.c
 *	  The children of a node on any day.
 *
 * Traversals look at a graph on one day.  Who merges two entities needs all
 * relationships of each, of the past and the future too, and no B-tree leads
 * from a parent to them.  Nor does one lead to the rows of change_log by which
 * children came to it: its history asks the graphs of all hierarchies.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "cache/query.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

HG_FUNCTION_INFO_V1(hgraph_all_children);
HG_FUNCTION_INFO_V1(hgraph_children_everywhere);

/*
 * add_children adds the keys of all children of a node, each once, of a graph
 * with integer keys.
 */
static void
add_children(ArrayBuildState *result, Oid graph, int64 id)
{
	HgKey		key = {.num = id};
	HgQuery		q;
	uint32		node;

	hg_query_open(&q, graph, NULL);
	if (q.layout->key_kind != HG_KEY_INT)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("keys of the graph are not integers")));
	q.view.filter.by_day = false;
	node = hg_view_lookup(&q.view, &key);
	if (node != HG_NONE)
	{
		HgNeighbour *list;
		uint32		n = hg_neighbours(&q.view, node, HG_DOWN, CurrentMemoryContext,
									  &list);

		for (uint32 i = 0; i < n; i++)
			(void) accumArrayResult(result,
									Int64GetDatum(hg_graph_key(q.view.g, list[i].node).num),
									false, INT8OID, CurrentMemoryContext);
	}
	hg_query_close(&q);
}

/*
 * hgraph_all_children returns the keys of all children, each once, of a graph
 * with integer keys.
 */
Datum
hgraph_all_children(PG_FUNCTION_ARGS)
{
	ArrayBuildState *result = initArrayResult(INT8OID, CurrentMemoryContext, false);

	add_children(result, PG_GETARG_OID(0), PG_GETARG_INT64(1));
	PG_RETURN_DATUM(makeArrayResult(result, CurrentMemoryContext));
}

/*
 * is_column: is a column of an index the one of this name of its table?
 */
static bool
is_column(Relation rel, Relation index, int column, const char *name)
{
	AttrNumber	attno = index->rd_index->indkey.values[column];

	return attno > 0 &&
		strcmp(NameStr(TupleDescAttr(RelationGetDescr(rel), attno - 1)->attname), name) == 0;
}

/*
 * full_graph finds a graph that has all relationships of a partition;
 * InvalidOid: there is none.
 */
static Oid
full_graph(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			result = InvalidOid;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (hgraph_is_hgraph_index(index) && index->rd_index->indisvalid &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
			is_column(rel, index, 0, "parent_id") &&
			is_column(rel, index, 1, "child_id"))
			result = RelationGetRelid(index);
		index_close(index, NoLock);
	}
	list_free(indexes);
	return result;
}

/*
 * see_children adds the children of a node in one partition, unless the caller
 * may not see all of them, or there is no graph to ask.
 */
static bool
see_children(ArrayBuildState *result, Oid partition, int64 id)
{
	Relation	rel;
	Oid			graph;

	if (pg_class_aclcheck(partition, GetUserId(), ACL_SELECT) != ACLCHECK_OK ||
		check_enable_rls(partition, InvalidOid, true) == RLS_ENABLED)
		return false;
	rel = table_open(partition, NoLock);
	graph = full_graph(rel);
	table_close(rel, NoLock);
	if (!OidIsValid(graph))
		return false;
	add_children(result, graph, id);
	return true;
}

/*
 * hgraph_children_everywhere returns the keys of all children in all hierarchies,
 * or NULL if they cannot all be told.
 */
Datum
hgraph_children_everywhere(PG_FUNCTION_ARGS)
{
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	Oid			root = get_relname_relid("relationship", schema);
	ArrayBuildState *result = initArrayResult(INT8OID, CurrentMemoryContext, false);
	ListCell   *lc;

	if (!OidIsValid(root))
		PG_RETURN_NULL();
	foreach(lc, find_all_inheritors(root, AccessShareLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_PARTITIONED_TABLE &&
			!see_children(result, lfirst_oid(lc), PG_GETARG_INT64(0)))
			PG_RETURN_NULL();
	}
	PG_RETURN_DATUM(makeArrayResult(result, CurrentMemoryContext));
}
