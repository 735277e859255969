/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  graph_stats(graph): one row of counts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "library.h"
#include "storage/bufmgr.h"

#include "cache/query.h"

enum
{
	COL_NODES, COL_EDGES, COL_ROOTS, COL_LEAVES, COL_MULTI_PARENT_NODES,
	COL_MAX_DEPTH, COL_ENTRIES, COL_DEAD_ENTRIES, COL_OVERLAY_ENTRIES,
	COL_IMAGE_BYTES, COL_INDEX_BYTES, NCOLUMNS
};

HG_FUNCTION_INFO_V1(hgraph_graph_stats);

/*
 * index_bytes is the size of the index on disk.
 */
static int64
index_bytes(Oid index_oid)
{
	Relation	index = index_open(index_oid, AccessShareLock);
	int64		blocks = RelationGetNumberOfBlocks(index);

	index_close(index, AccessShareLock);
	return blocks * BLCKSZ;
}

/*
 * hgraph_graph_stats: graph_stats(graph) returns one row
 */
Datum
hgraph_graph_stats(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};
	HgQuery		q;
	HgStats		stats;
	int64		entries;
	int64		overlay;
	int64		bytes;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tupdesc = BlessTupleDesc(tupdesc);

	hg_query_open(&q, PG_GETARG_OID(0), NULL);
	hg_stats(&q.view, &stats, CurrentMemoryContext);
	hg_query_counts(&q, &entries, &overlay, &bytes);
	hg_query_close(&q);

	values[COL_NODES] = Int64GetDatum(stats.nodes);
	values[COL_EDGES] = Int64GetDatum(stats.edges);
	values[COL_ROOTS] = Int64GetDatum(stats.roots);
	values[COL_LEAVES] = Int64GetDatum(stats.leaves);
	values[COL_MULTI_PARENT_NODES] = Int64GetDatum(stats.multi_parent_nodes);
	nulls[COL_MAX_DEPTH] = stats.max_depth == HG_NONE;
	values[COL_MAX_DEPTH] = Int32GetDatum(stats.max_depth);
	values[COL_ENTRIES] = Int64GetDatum(entries);
	values[COL_DEAD_ENTRIES] = Int64GetDatum(stats.invisible);
	values[COL_OVERLAY_ENTRIES] = Int64GetDatum(overlay);
	values[COL_IMAGE_BYTES] = Int64GetDatum(bytes);
	values[COL_INDEX_BYTES] = Int64GetDatum(index_bytes(PG_GETARG_OID(0)));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}
