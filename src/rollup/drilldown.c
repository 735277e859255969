/*-------------------------------------------------------------------------
 *
 * drilldown.c
 *	  drilldown: the children of a node with their totals, from the facts of
 *	  the node's subtree alone.
 *
 * The subtree comes from the graph, as an array of keys; an ordinary query
 * rolls up the facts that have one of them, so that an index on their key
 * column is used where it pays.  The restriction only ever saves work: with
 * more facts than those of the subtree the children's totals are the same.
 * So it is left out where it would save little, and where facts spell keys in
 * another type than the graph, in which one node may have several spellings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "functions/keys.h"
#include "lib/stringinfo.h"
#include "library.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "rollup/facts.h"
#include "types/hrollup.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

/*
 * The array is a constant of the query: the planner looks at each of its
 * elements, and the executor hashes them where it does not go by an index.
 * Not worth it for more elements, or more than this part of the graph unless
 * they are few.
 */
#define MAX_KEYS		500000
#define MAX_PART		0.5
#define FEW_KEYS		1000

HG_FUNCTION_INFO_V1(hgraph_drilldown);

/* What the graph tells. */
typedef struct Drilldown
{
	bool		found;			/* is there such a node? */
	HgMode		mode;
	Oid			type;			/* of nodes in the result */
	uint32		nchildren;
	Datum	   *child;			/* in the order of their keys */
	Datum	   *share;			/* numeric: of each child, what goes on */
	Datum	   *child_count;
	Datum		keys;			/* array of the subtree's keys; 0: read all */
	Oid			key_array;		/* its type */
	const char *cast;			/* what it has to be cast to; NULL: nothing */
} Drilldown;

typedef struct Child
{
	uint32		node;
	double		share;
} Child;

/*
 * compare_children is the order of children in the result.
 */
static int
compare_children(const void *a, const void *b, void *arg)
{
	CHECK_FOR_INTERRUPTS();
	return hg_key_compare(arg, ((const Child *) a)->node,
						  ((const Child *) b)->node);
}

/*
 * list_children fills in the children: their keys, what part of their totals
 * the node gets, and how many children they have themselves.
 */
static void
list_children(HgQuery *q, uint32 node, Drilldown *d)
{
	HgView	   *view = &q->view;
	HgNeighbour *down;
	HgNeighbour *below;
	Child	   *children;
	HgKeyOut	out;
	uint32		n = hg_neighbours(view, node, HG_DOWN, CurrentMemoryContext, &down);

	children = palloc_extended(Max((Size) n, 1) * sizeof(Child),
							   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < n; i++)
	{
		children[i].node = down[i].node;
		children[i].share = down[i].stated ? down[i].weight : 0;
	}
	pfree(down);

	hg_key_out_init(&out, q, d->type, CurrentMemoryContext);
	qsort_arg(children, n, sizeof(Child), compare_children, &out);

	d->nchildren = n;
	d->child = palloc_extended(Max((Size) n, 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	d->share = palloc_extended(Max((Size) n, 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	d->child_count = palloc_extended(Max((Size) n, 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < n; i++)
	{
		double		part = d->mode == HG_WEIGHTED ? children[i].share : 1;

		CHECK_FOR_INTERRUPTS();
		d->child[i] = hg_key_datum(&out, children[i].node);
		if (d->type == UUIDOID)
			d->child[i] = PointerGetDatum(memcpy(palloc(UUID_LEN),
												 DatumGetPointer(d->child[i]),
												 UUID_LEN));
		d->share[i] = DirectFunctionCall1(float8_numeric, Float8GetDatum(part));
		d->child_count[i] = Int64GetDatum(hg_neighbours(view, children[i].node,
														HG_DOWN, CurrentMemoryContext,
														&below));
		pfree(below);
	}
	pfree(children);
}

/*
 * choose_array sets the type of the array of keys for a column of facts;
 * false where keys are not compared as the graph compares them.
 */
static bool
choose_array(const HgLayout *layout, Oid column_type, Drilldown *d, Oid *elem)
{
	Oid			base = getBaseType(column_type);

	switch (layout->key_kind)
	{
		case HG_KEY_INT:
			*elem = base;
			if (base != INT2OID && base != INT4OID && base != INT8OID)
				return false;
			break;
		case HG_KEY_UUID:
			*elem = base;
			if (base != UUIDOID)
				return false;
			break;
		default:
			*elem = TEXTOID;
			if (base == BPCHAROID || base == NAMEOID ||
				(base != TEXTOID && IsBinaryCoercible(base, TEXTOID)))
				d->cast = format_type_extended(get_array_type(base), -1,
											   FORMAT_TYPE_TYPEMOD_GIVEN |
											   FORMAT_TYPE_FORCE_QUALIFY);
			else if (base != TEXTOID)
				return false;
			break;
	}
	d->key_array = get_array_type(*elem);
	return true;
}

/*
 * key_elem is a key as an element of the array; false when the column's type
 * has no such value.
 */
static bool
key_elem(const HgKey *key, Oid elem, Datum *value)
{
	switch (elem)
	{
		case INT2OID:
			*value = Int16GetDatum((int16) key->num);
			return key->num >= PG_INT16_MIN && key->num <= PG_INT16_MAX;
		case INT4OID:
			*value = Int32GetDatum((int32) key->num);
			return key->num >= PG_INT32_MIN && key->num <= PG_INT32_MAX;
		case INT8OID:
			*value = Int64GetDatum(key->num);
			return true;
		case UUIDOID:
			*value = PointerGetDatum(key->bytes);
			return true;
		default:
			*value = PointerGetDatum(cstring_to_text_with_len((const char *) key->bytes,
															  key->len));
			return true;
	}
}

/*
 * list_keys makes the array of the keys of a node and everything below it,
 * where that is of use.
 */
static void
list_keys(HgQuery *q, uint32 node, Oid column_type, Drilldown *d)
{
	HgReach		r;
	Oid			elem;
	int16		typlen;
	bool		typbyval;
	char		typalign;
	uint64		bytes = 0;
	int			n = 0;
	Datum	   *elems;

	if (!choose_array(q->layout, column_type, d, &elem))
		return;
	hg_reach(&r, &q->view, node, HG_DOWN, HG_UNLIMITED, CurrentMemoryContext);
	if (r.n > MAX_KEYS ||
		(r.n > FEW_KEYS && r.n > q->view.nnodes * MAX_PART))
	{
		hg_reach_free(&r);
		return;
	}

	elems = palloc_extended((Size) r.n * sizeof(Datum), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < r.n; i++)
	{
		HgKey		key = hg_graph_key(q->view.g, r.node[i]);

		if ((i & 0x3ff) == 0)
			CHECK_FOR_INTERRUPTS();
		bytes += VARHDRSZ + MAXIMUM_ALIGNOF + key.len;
		if (key_elem(&key, elem, &elems[n]))
			n++;
	}
	hg_reach_free(&r);
	if (bytes > MaxAllocSize / 2)
		return;
	get_typlenbyvalalign(elem, &typlen, &typbyval, &typalign);
	d->keys = PointerGetDatum(construct_array(elems, n, elem, typlen, typbyval,
											  typalign));
}

/*
 * look_at_graph finds out all that the graph tells.
 */
static void
look_at_graph(const HgFacts *f, Datum node_arg, Drilldown *d)
{
	HgQuery		q;
	HgKey		key;
	uint32		node;

	d->mode = hg_facts_open_graph(f, &q);
	hg_key_from_datum(q.layout, d->type, node_arg, &key);
	node = hg_view_lookup(&q.view, &key);
	if (node != HG_NONE)
	{
		d->found = true;
		list_children(&q, node, d);
		list_keys(&q, node, f->key_type, d);
	}
	hg_query_close(&q);
}

/*
 * restriction_of is the condition that a fact's key is in the array $4; NULL
 * for none.
 */
static char *
restriction_of(const HgFacts *f, const Drilldown *d)
{
	TypeCacheEntry *type;
	HeapTuple	tuple;
	Form_pg_operator equals;
	StringInfoData sql;

	if (d->keys == (Datum) 0)
		return NULL;
	type = lookup_type_cache(getBaseType(f->key_type), TYPECACHE_EQ_OPR);
	if (!OidIsValid(type->eq_opr))
		return NULL;
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(type->eq_opr));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", type->eq_opr);
	equals = (Form_pg_operator) GETSTRUCT(tuple);

	initStringInfo(&sql);
	appendStringInfo(&sql, "%s OPERATOR(%s.%s) ANY ($4", f->key,
					 quote_identifier(get_namespace_name(equals->oprnamespace)),
					 NameStr(equals->oprname));
	if (d->cast != NULL)
		appendStringInfo(&sql, "::%s", d->cast);
	appendStringInfoChar(&sql, ')');
	ReleaseSysCache(tuple);
	return sql.data;
}

/*
 * array_of makes an array of a result column.
 */
static Datum
array_of(Datum *values, uint32 n, Oid type)
{
	int16		typlen;
	bool		typbyval;
	char		typalign;

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	return PointerGetDatum(construct_array(values, n, type, typlen, typbyval,
										   typalign));
}

/*
 * return_children joins the children with the rollup.
 */
static void
return_children(const HgFacts *f, const Drilldown *d, Datum node,
				Datum rollup, bool no_facts, ReturnSetInfo *rsinfo)
{
	Oid			types[5];
	Datum		values[5];
	char		nulls[5] = {no_facts ? 'n' : ' ', ' ', ' ', ' ', ' '};
	StringInfoData sql;

	types[0] = hg_facts_type(f, "hrollup");
	types[1] = d->type;
	types[2] = get_array_type(d->type);
	types[3] = NUMERICARRAYOID;
	types[4] = INT8ARRAYOID;
	values[0] = rollup;
	values[1] = node;
	values[2] = array_of(d->child, d->nchildren, d->type);
	values[3] = array_of(d->share, d->nchildren, NUMERICOID);
	values[4] = array_of(d->child_count, d->nchildren, INT8OID);

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT c.node, COALESCE(e.own, 0), COALESCE(e.total, 0),"
					 " CASE WHEN t.total OPERATOR(pg_catalog.<>) 0"
					 " THEN c.share OPERATOR(pg_catalog.*) COALESCE(e.total, 0)"
					 " OPERATOR(pg_catalog./) t.total END,"
					 " c.child_count, COALESCE(e.own_count, 0), COALESCE(e.total_count, 0)"
					 " FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4),"
					 " pg_catalog.unnest($5)) WITH ORDINALITY"
					 " AS c (node, share, child_count, ordinal)"
					 " CROSS JOIN (SELECT $1 OPERATOR(%s.->) $2 AS total) AS t"
					 " LEFT JOIN %s.each($1, NULL::%s) AS e"
					 " ON e.node OPERATOR(pg_catalog.=) c.node"
					 " ORDER BY c.ordinal",
					 f->schema, f->schema, format_type_be_qualified(d->type));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(sql.data, 5, types, values, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "query of children failed");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
}

/*
 * hgraph_drilldown: drilldown(graph, node, source, key, value,
 * mode, filter, as_of) returns (node, own, total, share_of_total,
 * child_count, own_count, total_count)
 */
Datum
hgraph_drilldown(PG_FUNCTION_ARGS)
{
	HgFacts		f;
	Drilldown	d = {0};
	const char *value = hg_facts_name_arg(fcinfo, 4);
	Oid		   *types;
	int			ntypes;
	Datum		rollup;
	bool		no_facts;

	InitMaterializedSRF(fcinfo, 0);
	hg_facts_not_null(fcinfo, 2, "source");
	hg_facts_not_null(fcinfo, 3, "key");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;

	hg_facts_init(&f, fcinfo, PG_GETARG_OID(0), PG_GETARG_OID(2),
				  hg_facts_text_arg(fcinfo, 6));
	f.key = hg_facts_column(&f, hg_facts_name_arg(fcinfo, 3), &f.key_type);
	if (value != NULL)
		f.value = hg_facts_column(&f, value, NULL);
	f.mode_null = PG_ARGISNULL(5);
	f.mode = PG_GETARG_DATUM(5);
	f.as_of_null = PG_ARGISNULL(7);
	f.as_of = PG_ARGISNULL(7) ? 0 : PG_GETARG_DATEADT(7);

	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &ntypes);
	d.type = types[1];
	look_at_graph(&f, PG_GETARG_DATUM(1), &d);
	if (!d.found || d.nchildren == 0)
		return (Datum) 0;

	rollup = hg_facts_rollup(&f, d.keys, d.key_array, restriction_of(&f, &d),
							 &no_facts);
	return_children(&f, &d, PG_GETARG_DATUM(1), rollup, no_facts,
					(ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}
