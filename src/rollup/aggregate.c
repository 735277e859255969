/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *	  The aggregates rollup(graph, node, value [, mode [, as_of]]) and
 *	  rollup(graph, node [, mode [, as_of]]).
 *
 * The transition function runs once a row, over millions of rows, so it does
 * next to nothing: it puts key and value into the collector's batch.  What can
 * be known before is found out with the first row: how keys and values look,
 * and whether graph, mode and as_of can change from row to row at all.
 *
 * The graph itself is opened by the final function only.  So partial rollups
 * can be made in any process, and are merged key by key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "library.h"
#include "nodes/primnodes.h"
#include "parser/parse_coerce.h"
#include "rollup/collect_share.h"
#include "rollup/finish.h"
#include "types/hgraph.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Arguments of the transition functions. */
#define ARG_STATE	0
#define ARG_GRAPH	1
#define ARG_NODE	2
#define ARG_VALUE	3			/* forms that add values up */

/* What the first row of a group need not find out again; in fn_extra. */
typedef struct Site
{
	HgNodeInput node_input;
	Oid			node_type;		/* HgCollectArgs.node_type */
	Oid			node_type_given;	/* for messages: the argument's own */
	HgValueInput value_input;
	HgValueKind value;
	bool		check_args;
	bool		checked;		/* any graph */
	Oid			graph;			/* the last one that was checked */
} Site;

/* Deserialized, to be merged at once: the bytes of a collector. */
typedef struct Partial
{
	uint32		magic;			/* PARTIAL_MAGIC, where a collector has its own */
	const char *data;
	Size		len;
} Partial;

#define PARTIAL_MAGIC	0x48475032

/* Nodes that the leader has seen before it looks at the graph. */
#define AHEAD_FROM		10000

HG_FUNCTION_INFO_V1(hgraph_rollup_transition);
HG_FUNCTION_INFO_V1(hgraph_rollup_count_transition);
HG_FUNCTION_INFO_V1(hgraph_rollup_combine);
HG_FUNCTION_INFO_V1(hgraph_rollup_serialize);
HG_FUNCTION_INFO_V1(hgraph_rollup_deserialize);
HG_FUNCTION_INFO_V1(hgraph_rollup_final);

/* ---- the first row ---- */

/*
 * find_node_input decides how nodes of a type are read.
 */
static void
find_node_input(Oid type, Site *site)
{
	site->node_type = TEXTOID;
	switch (getBaseType(type))
	{
		case INT2OID:
			site->node_input = HG_NODE_INT2;
			site->node_type = INT8OID;
			break;
		case INT4OID:
			site->node_input = HG_NODE_INT4;
			site->node_type = INT8OID;
			site->node_type_given = INT4OID;
			break;
		case INT8OID:
			site->node_input = HG_NODE_INT8;
			site->node_type = INT8OID;
			break;
		case UUIDOID:
			site->node_input = HG_NODE_UUID;
			site->node_type = UUIDOID;
			break;
		case BPCHAROID:
			site->node_input = HG_NODE_BPCHAR;
			break;
		case NAMEOID:
			site->node_input = HG_NODE_NAME;
			break;
		default:
			/* what no graph has, check_graph will report */
			if (!OidIsValid(type) || !IsBinaryCoercible(type, TEXTOID))
				site->node_type = type;
			site->node_input = HG_NODE_TEXT;
			break;
	}
}

/*
 * find_value_input decides how values of a type are read.
 */
static void
find_value_input(Oid type, Site *site)
{
	site->value = HG_VALUE_EXACT;
	switch (getBaseType(type))
	{
		case INT2OID:
			site->value_input = HG_INPUT_INT2;
			break;
		case INT4OID:
			site->value_input = HG_INPUT_INT4;
			break;
		case INT8OID:
			site->value_input = HG_INPUT_INT8;
			break;
		case NUMERICOID:
			site->value_input = HG_INPUT_NUMERIC;
			break;
		case FLOAT4OID:
			site->value = HG_VALUE_REAL;
			site->value_input = HG_INPUT_FLOAT4;
			break;
		case FLOAT8OID:
			site->value = HG_VALUE_REAL;
			site->value_input = HG_INPUT_FLOAT8;
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("argument \"value\" of rollup cannot be of type %s",
							format_type_be(type)),
					 errhint("Pass it as an integer type, numeric, real or double precision.")));
	}
}

/*
 * is_fixed tells whether an argument is the same for all rows of a group by
 * its very nature.
 */
static bool
is_fixed(Aggref *aggref, int arg)
{
	Node	   *expr = (Node *) ((TargetEntry *) list_nth(aggref->args, arg - 1))->expr;

	while (expr != NULL && IsA(expr, RelabelType))
		expr = (Node *) ((RelabelType *) expr)->arg;
	return expr != NULL && (IsA(expr, Const) || IsA(expr, Param));
}

/*
 * make_site finds out what does not depend on the row.
 */
static Site *
make_site(FunctionCallInfo fcinfo, bool counts)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	Site	   *site = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Site));
	Aggref	   *aggref = AggGetAggref(fcinfo);

	find_node_input(get_fn_expr_argtype(flinfo, ARG_NODE), site);
	if (!OidIsValid(site->node_type_given))
		site->node_type_given = site->node_type;
	if (counts)
	{
		site->value = HG_VALUE_COUNT;
		site->value_input = HG_INPUT_NONE;
	}
	else
		find_value_input(get_fn_expr_argtype(flinfo, ARG_VALUE), site);

	/* A window function has no Aggref. */
	site->check_args = aggref == NULL || !is_fixed(aggref, ARG_GRAPH);
	for (int arg = counts ? ARG_VALUE : ARG_VALUE + 1;
		 arg < PG_NARGS() && !site->check_args; arg++)
		site->check_args = !is_fixed(aggref, arg);
	flinfo->fn_extra = site;
	return site;
}

/*
 * check_graph reports a graph that is none, or whose nodes are of another
 * kind, before time is spent on all the rows.  Locks the table before the
 * index, as everybody does.
 */
static void
check_graph(Oid graph, Oid node_type)
{
	HgLayout	layout;
	Relation	heap;
	Relation	index;

	hg_check_graph(graph);
	heap = table_open(IndexGetRelation(graph, false), AccessShareLock);
	index = index_open(graph, AccessShareLock);
	hg_layout_resolve(index, &layout);
	hg_key_check_type(&layout, node_type);
	index_close(index, NoLock);
	table_close(heap, NoLock);
}

/*
 * third_is_mode says which form of rollup was called.
 */
static void
third_is_mode(void *arg)
{
	errdetail("In rollup(graph, node, text) the third argument is the mode; values are numbers.");
}

/*
 * parse_mode reads the mode.  Who passes a value as text has called the form
 * that counts.
 */
static HgMode
parse_mode(text *name, bool counts)
{
	ErrorContextCallback context = {error_context_stack, third_is_mode, NULL};
	HgMode		mode;

	if (counts)
		error_context_stack = &context;
	mode = hg_mode_parse(name);
	error_context_stack = context.previous;
	return mode;
}

/*
 * read_args reads the arguments that are the same for a whole group.
 */
static void
read_args(FunctionCallInfo fcinfo, bool counts, const Site *site,
		  HgCollectArgs *args)
{
	int			arg_mode = counts ? ARG_VALUE : ARG_VALUE + 1;
	int			arg_as_of = arg_mode + 1;

	if (PG_ARGISNULL(ARG_GRAPH))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"graph\" of rollup must not be null")));

	memset(args, 0, sizeof(HgCollectArgs));
	args->graph = PG_GETARG_OID(ARG_GRAPH);
	args->mode = HG_DISTINCT;
	if (PG_NARGS() > arg_mode && !PG_ARGISNULL(arg_mode))
		args->mode = parse_mode(PG_GETARG_TEXT_PP(arg_mode), counts);
	args->as_of_null = PG_NARGS() <= arg_as_of || PG_ARGISNULL(arg_as_of);
	if (!args->as_of_null)
		args->as_of = PG_GETARG_DATEADT(arg_as_of);
	args->node_type = site->node_type;
	args->value = site->value;
}

/*
 * begin makes the collector of a group.
 */
static HgCollect *
begin(FunctionCallInfo fcinfo, bool counts)
{
	Site	   *site = fcinfo->flinfo->fn_extra;
	MemoryContext aggcontext;
	HgCollectArgs args;
	HgCollect  *c;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "transition function of rollup called outside an aggregate");
	if (site == NULL)
		site = make_site(fcinfo, counts);
	read_args(fcinfo, counts, site, &args);
	if (!site->checked || args.graph != site->graph)
	{
		check_graph(args.graph, site->node_type_given);
		site->checked = true;
		site->graph = args.graph;
	}

	c = hg_collect_create(&args, aggcontext);
	c->node_input = site->node_input;
	c->value_input = site->value_input;
	c->check_args = site->check_args;
	if (IsA(fcinfo->context, AggState))
	{
		AggState   *aggstate = (AggState *) fcinfo->context;

		c->area = hg_share_area(aggstate);
		/* several would hold memory for each of them all the while */
		if (hg_share_has_workers(aggstate) && aggstate->numtrans == 1)
			c->ahead_from = AHEAD_FROM;
	}
	hg_collect_start(c);
	return c;
}

/*
 * check_row compares the arguments of a row with those of the rows before.
 */
static void
check_row(FunctionCallInfo fcinfo, bool counts, const HgCollect *c)
{
	Site	   *site = fcinfo->flinfo->fn_extra;
	HgCollectArgs args;

	if (site == NULL)
		site = make_site(fcinfo, counts);
	read_args(fcinfo, counts, site, &args);
	hg_collect_check_args(&c->args, &args);
}

/* ---- every row ---- */

/*
 * put_int puts an integer at the end of the batch.
 */
static inline void
put_int(HgCollect *c, int64 value)
{
	if (likely(c->held == HG_ACC_NARROW && HG_NARROW_FINITE(value)))
		((int64 *) c->value)[c->nbatch] = value;
	else
		hg_collect_put_fixed(c, value);
}

/*
 * put_numeric puts a numeric at the end of the batch.
 */
static inline void
put_numeric(HgCollect *c, Datum value)
{
	struct varlena *num = (struct varlena *) DatumGetPointer(value);

	if (unlikely(VARATT_IS_COMPRESSED(num) || VARATT_IS_EXTERNAL(num)))
		num = pg_detoast_datum_packed(num);
	if (likely(c->held == HG_ACC_NARROW &&
			   hg_decimal_parse64(num, c->scale,
								  (int64 *) c->value + c->nbatch)))
		return;
	hg_collect_put_numeric(c, num);
}

/*
 * put_value puts a value at the end of the batch.
 */
static inline void
put_value(HgCollect *c, Datum value)
{
	switch (c->value_input)
	{
		case HG_INPUT_NONE:
			break;
		case HG_INPUT_INT2:
			put_int(c, DatumGetInt16(value));
			break;
		case HG_INPUT_INT4:
			put_int(c, DatumGetInt32(value));
			break;
		case HG_INPUT_INT8:
			put_int(c, DatumGetInt64(value));
			break;
		case HG_INPUT_NUMERIC:
			put_numeric(c, value);
			break;
		case HG_INPUT_FLOAT4:
			((double *) c->value)[c->nbatch] = DatumGetFloat4(value);
			break;
		case HG_INPUT_FLOAT8:
			((double *) c->value)[c->nbatch] = DatumGetFloat8(value);
			break;
	}
}

/*
 * put_text puts a text key at the end of the batch.
 */
static inline void
put_text(HgCollect *c, const char *text, uint32 len)
{
	HgKeys	   *keys = &c->batch;

	if (unlikely(keys->text_len + len > keys->text_size))
		hg_collect_batch_text(c, len);
	memcpy(keys->text + keys->text_len, text, len);
	keys->span[c->nbatch].offset = keys->text_len;
	keys->span[c->nbatch].len = len;
	keys->text_len += len;
}

/*
 * put_key puts a key at the end of the batch.
 */
static inline void
put_key(HgCollect *c, Datum node)
{
	text	   *t;
	uint32		len;

	switch (c->node_input)
	{
		case HG_NODE_INT2:
			c->batch.num[c->nbatch] = DatumGetInt16(node);
			break;
		case HG_NODE_INT4:
			c->batch.num[c->nbatch] = DatumGetInt32(node);
			break;
		case HG_NODE_INT8:
			c->batch.num[c->nbatch] = DatumGetInt64(node);
			break;
		case HG_NODE_UUID:
			c->batch.uuid[c->nbatch] = *DatumGetUUIDP(node);
			break;
		case HG_NODE_TEXT:
			t = DatumGetTextPP(node);
			put_text(c, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
			break;
		case HG_NODE_BPCHAR:
			/* trailing blanks mean nothing, as when it is cast to text */
			t = DatumGetTextPP(node);
			len = bpchartruelen(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
			put_text(c, VARDATA_ANY(t), len);
			break;
		case HG_NODE_NAME:
			put_text(c, NameStr(*DatumGetName(node)),
					 strnlen(NameStr(*DatumGetName(node)), NAMEDATALEN));
			break;
	}
}

/*
 * transition takes a row.
 */
static pg_attribute_always_inline Datum
transition(FunctionCallInfo fcinfo, const bool counts)
{
	HgCollect  *c = (HgCollect *) PG_GETARG_POINTER(ARG_STATE);

	/* A row without a value is no fact. */
	if (unlikely(PG_ARGISNULL(ARG_STATE)))
	{
		if (!counts && PG_ARGISNULL(ARG_VALUE) && PG_ARGISNULL(ARG_GRAPH))
			PG_RETURN_NULL();
		c = begin(fcinfo, counts);
	}
	if (!counts && PG_ARGISNULL(ARG_VALUE))
		PG_RETURN_POINTER(c);
	if (unlikely(c->check_args))
		check_row(fcinfo, counts, c);

	if (!counts)
		put_value(c, PG_GETARG_DATUM(ARG_VALUE));
	if (unlikely(PG_ARGISNULL(ARG_NODE)))
	{
		hg_collect_put_keyless(c);
		PG_RETURN_POINTER(c);
	}
	put_key(c, PG_GETARG_DATUM(ARG_NODE));
	if (++c->nbatch == c->batch_size)
	{
		hg_collect_batch_full(c);
		if (unlikely(c->ahead_from != 0 && c->nused >= c->ahead_from))
			c->ahead = hg_rollup_ahead(c, c->nused, &c->ahead_from, c->mcxt);
	}
	PG_RETURN_POINTER(c);
}

/*
 * hgraph_rollup_transition takes a row with a value.
 */
Datum
hgraph_rollup_transition(PG_FUNCTION_ARGS)
{
	return transition(fcinfo, false);
}

/*
 * hgraph_rollup_count_transition takes a row that is counted.
 */
Datum
hgraph_rollup_count_transition(PG_FUNCTION_ARGS)
{
	return transition(fcinfo, true);
}

/* ---- partial rollups ---- */

/*
 * join merges a collector into one that goes on.
 */
static void
join(HgCollect *c, HgCollect *from)
{
	hg_collect_merge(c, from);
	c->from_workers |= from->from_workers;
	if (from->ahead != NULL && c->ahead != NULL)
		hg_ahead_drop(from->ahead);
	else if (from->ahead != NULL)
		c->ahead = from->ahead;
	from->ahead = NULL;
}

/*
 * hgraph_rollup_combine merges two partial rollups.  The second one may be
 * mere bytes, which do not live beyond this call.
 */
Datum
hgraph_rollup_combine(PG_FUNCTION_ARGS)
{
	HgCollect  *c = PG_ARGISNULL(0) ? NULL : (HgCollect *) PG_GETARG_POINTER(0);
	HgCollect  *other;
	Partial    *partial;
	HgCollectArgs args;
	MemoryContext aggcontext;
	bool		local = false;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "combine function of rollup called outside an aggregate");
	if (PG_ARGISNULL(1))
	{
		if (c == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(c);
	}

	other = (HgCollect *) PG_GETARG_POINTER(1);
	partial = other->magic == PARTIAL_MAGIC ? (Partial *) other : NULL;
	if (partial != NULL)
		other = hg_share_read(partial->data, partial->len,
							  castNode(AggState, fcinfo->context), &local);
	if (local)
	{
		/* it stays where it is, and what there is joins it */
		if (c != NULL)
			join(other, c);
		PG_RETURN_POINTER(other);
	}
	if (c == NULL)
	{
		if (other == NULL)
			hg_collect_wire_args(partial->data, partial->len, &args);
		else
			args = *hg_collect_args(other);
		c = hg_collect_create(&args, aggcontext);
	}
	if (partial != NULL && !IsParallelWorker())
		c->from_workers |= other != NULL ||
			hg_collect_wire_from_worker(partial->data, partial->len);
	if (other == NULL)
		hg_collect_merge_bytes(c, partial->data, partial->len);
	else
		hg_collect_merge(c, other);
	if (partial != NULL && other != NULL)
		hg_share_done(other);
	PG_RETURN_POINTER(c);
}

/*
 * hgraph_rollup_serialize makes bytes of a partial rollup.
 */
Datum
hgraph_rollup_serialize(PG_FUNCTION_ARGS)
{
	static const char header[VARHDRSZ];
	HgCollect  *c = (HgCollect *) PG_GETARG_POINTER(0);
	HgBuffer	buf;

	hg_buffer_init(&buf, 1024);
	hg_buffer_put(&buf, header, VARHDRSZ);
	if (!hg_share_write(c, castNode(AggState, fcinfo->context), &buf))
		hg_collect_serialize(c, &buf);
	hg_buffer_done(&buf);
	SET_VARSIZE(buf.data, buf.len);
	PG_RETURN_BYTEA_P(buf.data);
}

/*
 * hgraph_rollup_deserialize wraps the bytes: the combine function, which is
 * called next, merges straight from them.
 */
Datum
hgraph_rollup_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	Partial    *partial = palloc(sizeof(Partial));

	partial->magic = PARTIAL_MAGIC;
	partial->data = VARDATA_ANY(bytes);
	partial->len = VARSIZE_ANY_EXHDR(bytes);
	PG_RETURN_POINTER(partial);
}

/*
 * hgraph_rollup_final rolls up; NULL without facts.
 */
Datum
hgraph_rollup_final(PG_FUNCTION_ARGS)
{
	HgCollect  *c;
	HgFinish   *ahead;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	c = (HgCollect *) PG_GETARG_POINTER(0);
	if (hg_collect_empty(c))
		PG_RETURN_NULL();
	ahead = c->ahead;
	c->ahead = NULL;
	PG_RETURN_POINTER(hg_rollup_finish(c, ahead));
}
