/*-------------------------------------------------------------------------
 *
 * related.c
 *	  The children of a node on any day.
 *
 * Traversals look at a graph on one day.  Who merges two entities needs all
 * relationships of each, of the past and the future too, and no B-tree leads
 * from a parent to them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cache/query.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "types/hgraph.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(hgraph_all_children);

/*
 * hgraph_all_children returns the keys of all children, each once, of a graph
 * with integer keys.
 */
Datum
hgraph_all_children(PG_FUNCTION_ARGS)
{
	Oid			graph = PG_GETARG_OID(0);
	HgKey		key = {.num = PG_GETARG_INT64(1)};
	ArrayBuildState *result = initArrayResult(INT8OID, CurrentMemoryContext, false);
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
			result = accumArrayResult(result,
									  Int64GetDatum(hg_graph_key(q.view.g, list[i].node).num),
									  false, INT8OID, CurrentMemoryContext);
	}
	hg_query_close(&q);
	PG_RETURN_DATUM(makeArrayResult(result, CurrentMemoryContext));
}
