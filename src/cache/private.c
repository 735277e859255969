/*-------------------------------------------------------------------------
 *
 * private.c
 *	  Graphs made by a real query.
 *
 * Two kinds of caller cannot use the index's image: one to whom row-level
 * security applies, since an image knows nothing of policies, and one whose
 * snapshot is older than the index can vouch for (indcheckxmin; on a standby
 * any that is older than the index).  They get a graph of their own, built from
 * a query over the table as themselves, at the price of that query.
 *
 * Policies may depend on settings, so such a graph is reused only while no
 * setting has changed; and if they are volatile, by the same statement only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cache/private.h"
#include "common/hashfn.h"
#include "compat.h"
#include "catalog/pg_index.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc_tables.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* Rows fetched at a time. */
#define FETCH_ROWS 1000

/* Indexes whose private graph is being built, to notice recursion. */
static List *under_way = NIL;

/*
 * hash_setting adds one setting to a hash.
 */
static uint64
hash_setting(uint64 hash, struct config_generic *setting)
{
	switch (setting->vartype)
	{
		case PGC_BOOL:
			return hash_combine64(hash, *((struct config_bool *) setting)->variable);
		case PGC_INT:
			return hash_combine64(hash, hash_bytes_uint32_extended(*((struct config_int *) setting)->variable, 0));
		case PGC_REAL:
			return hash_combine64(hash, hash_bytes_extended((unsigned char *) ((struct config_real *) setting)->variable,
															sizeof(double), 0));
		case PGC_ENUM:
			return hash_combine64(hash, hash_bytes_uint32_extended(*((struct config_enum *) setting)->variable, 0));
		case PGC_STRING:
			{
				char	   *value = *((struct config_string *) setting)->variable;

				if (value == NULL)
					return hash_combine64(hash, 0);
				return hash_combine64(hash, hash_bytes_extended((unsigned char *) value,
																strlen(value), 1));
			}
	}
	return hash;
}

/*
 * hg_private_key describes the caller.
 */
void
hg_private_key(HgPrivateKey *key, uint32 roles)
{
	int			n;
	struct config_generic **settings = hg_guc_variables(&n);

	memset(key, 0, sizeof(HgPrivateKey));
	key->user = GetUserId();
	key->roles = roles;
	for (int i = 0; i < n; i++)
		key->settings = hash_setting(key->settings, settings[i]);
}

/*
 * wants_column: has the query to ask for a column of the index?  Not for one
 * that plays no role, or one that the caller may do without and must not read.
 * Without the days a graph would be another one; so be it an error.
 */
static bool
wants_column(const HgLayout *layout, uint32 roles, AttrNumber attno)
{
	return attno <= 2 || attno == layout->validity_attno ||
		(attno == layout->weight_attno && (roles & HG_HAS_WEIGHT)) ||
		(attno == layout->primary_attno && (roles & HG_HAS_PRIMARY)) ||
		(attno == layout->label_attno && (roles & HG_HAS_LABEL));
}

/*
 * make_query returns the query for the columns of the index, in its order.
 */
static char *
make_query(Relation heap, Relation index, const HgLayout *layout, uint32 roles)
{
	StringInfoData sql;
	Oid			index_oid = RelationGetRelid(index);
	HeapTuple	tuple;
	Datum		predicate;
	bool		isnull;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 1; i <= IndexRelationGetNumberOfAttributes(index); i++)
	{
		Datum		column;

		if (i > 1)
			appendStringInfoString(&sql, ", ");
		if (!wants_column(layout, roles, i))
		{
			appendStringInfoString(&sql, "NULL");
			continue;
		}
		column = DirectFunctionCall3(pg_get_indexdef_ext,
									 ObjectIdGetDatum(index_oid),
									 Int32GetDatum(i), BoolGetDatum(false));
		appendStringInfoString(&sql, TextDatumGetCString(column));
	}
	appendStringInfo(&sql, " FROM ONLY %s",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(heap)),
												RelationGetRelationName(heap)));
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index_oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", index_oid);
	predicate = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indpred, &isnull);
	if (!isnull)
	{
		Datum		expr = DirectFunctionCall2(pg_get_expr, predicate,
											   ObjectIdGetDatum(RelationGetRelid(heap)));

		appendStringInfo(&sql, " WHERE %s", TextDatumGetCString(expr));
	}
	ReleaseSysCache(tuple);
	return sql.data;
}

/*
 * add_rows adds the rows just fetched to a graph.
 */
static void
add_rows(HgGraph *graph, const HgLayout *layout, HgItem *items)
{
	int			natts = SPI_tuptable->tupdesc->natts;
	Datum	   *values = palloc(natts * sizeof(Datum));
	bool	   *nulls = palloc(natts * sizeof(bool));
	ItemPointerData tid;
	int			n = 0;

	ItemPointerSet(&tid, 0, FirstOffsetNumber);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
						  values, nulls);
		if (hg_item_from_values(layout, values, nulls, &tid, &items[n]))
			n++;
	}
	hg_graph_append(graph, 0, items, n);
}

/*
 * run_query fills a graph with what the query returns.
 */
static void
run_query(HgGraph *graph, const HgLayout *layout, const char *sql)
{
	HgItem	   *items;
	Portal		portal;
	MemoryContext batch;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	items = palloc(sizeof(HgItem) * FETCH_ROWS);
	batch = AllocSetContextCreate(CurrentMemoryContext, "hierarchy batch",
								  ALLOCSET_DEFAULT_SIZES);
	portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	for (;;)
	{
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		old = MemoryContextSwitchTo(batch);
		add_rows(graph, layout, items);
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
}

/*
 * hg_private_graph builds the graph of the rows that the caller sees.
 */
HgGraphRef *
hg_private_graph(Relation heap, Relation index, const HgLayout *layout,
				 uint32 roles)
{
	Oid			index_oid = RelationGetRelid(index);
	List	   *outer = under_way;
	HgGraphRef *volatile ref = NULL;
	MemoryContext work;
	MemoryContext old;
	HgGraph    *graph;

	if (list_member_oid(under_way, index_oid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("infinite recursion detected in policy for relation \"%s\"",
						RelationGetRelationName(heap)),
				 errdetail("The policy uses a graph over the table that it protects.")));

	work = AllocSetContextCreate(CurrentMemoryContext, "hierarchy private graph",
								 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(TopMemoryContext);
	under_way = lappend_oid(list_copy(outer), index_oid);
	MemoryContextSwitchTo(work);
	PG_TRY();
	{
		graph = hg_graph_create(work, layout->key_kind, layout->roles);
		run_query(graph, layout, make_query(heap, index, layout, roles));
		ref = hg_graph_ref_fold(graph);
	}
	PG_FINALLY();
	{
		list_free(under_way);
		under_way = outer;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return ref;
}
