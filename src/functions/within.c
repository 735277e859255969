/*-------------------------------------------------------------------------
 *
 * within.c
 *	  within(graph, node, ancestor): is node the ancestor or below it?
 *
 * One question is answered by a walk upward from the node.  As a filter the
 * function is called once a row, nearly always with the same ancestor (or,
 * turned around, with the same node).  After some calls with one side fixed
 * we start to flood the graph from that side: everything reachable gets a
 * bit.  The flood advances in each call by about as much as walks upward have
 * cost, so that the effort at most doubles, whatever the size of the subtree;
 * once it is complete a call is a lookup and the test of a bit.
 *
 * What is remembered holds for one state of the graph under one snapshot
 * (hg_query_serial) and one set of optional arguments.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "functions/keys.h"
#include "functions/rowsource.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Equal arguments in a row before a flood starts. */
#define FLOOD_AFTER_CALLS	32
/* Edges that a flood follows in one call, at least. */
#define FLOOD_STEP			64

/* One of the two nodes, as it was in the previous call. */
typedef struct Side
{
	HgDir		dir;			/* of the flood */
	bool		known;
	HgKey		key;			/* bytes in space */
	unsigned char *space;
	uint32		space_size;
	uint32		node;			/* HG_NONE: does not exist */
	uint32		calls;			/* with this key */

	/* The flood, once flooding. */
	bool		flooding;
	bool		complete;
	bool		in_edges;		/* stopped amid the edges of a node */
	HgEdges		edges;
	uint64	   *reached;		/* bit a node */
	uint32		reached_words;
	uint32	   *queue;			/* nodes in the order of their discovery */
	uint32		queue_size;
	uint32		head;			/* next to expand */
	uint32		tail;
	uint32		depth;			/* of the head */
	uint32		level_end;		/* where the next depth starts */
} Side;

typedef struct WithinMemo
{
	MemoryContext mcxt;
	Oid			type;			/* of the node arguments */

	/*
	 * For which graph and which optional arguments.  Not valid while a call
	 * is under way: an error may leave a flood half a step on, and the call
	 * site may live on (in a PL/pgSQL exception block).
	 */
	bool		valid;
	uint64		serial;
	HgGraph    *graph;
	uint32		nnodes;
	uint32		max_depth;
	bool		as_of_null;
	DateADT		as_of;
	bool		primary_only;
	bytea	   *labels;			/* a copy of the array, NULL without */

	Side		ancestor;
	Side		node;
	uint32		walked;			/* nodes expanded by the last walk upward */
} WithinMemo;

HG_FUNCTION_INFO_V1(hgraph_within);

/*
 * make_memo sets up an empty memo for this call site.
 */
static WithinMemo *
make_memo(FunctionCallInfo fcinfo)
{
	MemoryContext mcxt = fcinfo->flinfo->fn_mcxt;
	WithinMemo *memo = MemoryContextAllocZero(mcxt, sizeof(WithinMemo));

	memo->mcxt = mcxt;
	memo->type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	if (!OidIsValid(memo->type))
	{
		Oid		   *declared;
		int			nargs;

		(void) get_func_signature(fcinfo->flinfo->fn_oid, &declared, &nargs);
		memo->type = declared[1];
	}
	memo->ancestor.dir = HG_DOWN;
	memo->node.dir = HG_UP;
	fcinfo->flinfo->fn_extra = memo;
	return memo;
}

/*
 * side_forget makes a side unknown, but keeps its memory.
 */
static void
side_forget(Side *side)
{
	side->known = false;
	side->calls = 0;
	side->flooding = false;
	side->complete = false;
}

/*
 * same_labels compares the argument "labels" with the remembered one.
 */
static bool
same_labels(const WithinMemo *memo, const ArrayType *labels)
{
	if (labels == NULL || memo->labels == NULL)
		return labels == NULL && memo->labels == NULL;
	return VARSIZE(labels) == VARSIZE(memo->labels) &&
		memcmp(labels, memo->labels, VARSIZE(labels)) == 0;
}

/*
 * memo_check empties the memo unless it is about the same graph in the same
 * state, looked at in the same way.
 */
static void
memo_check(WithinMemo *memo, const HgQuery *q, const HgFilterArgs *filter,
		   uint32 max_depth)
{
	uint64		serial = hg_query_serial(q);

	if (memo->valid &&
		memo->serial == serial &&
		memo->graph == q->view.g &&
		memo->nnodes == q->view.nnodes &&
		memo->max_depth == max_depth &&
		memo->as_of_null == filter->as_of_null &&
		(filter->as_of_null || memo->as_of == filter->as_of) &&
		memo->primary_only == filter->primary_only &&
		same_labels(memo, filter->labels))
	{
		memo->valid = false;
		return;
	}

	memo->valid = false;
	memo->walked = 0;
	side_forget(&memo->ancestor);
	side_forget(&memo->node);
	if (memo->labels)
		pfree(memo->labels);
	memo->labels = NULL;
	if (filter->labels)
	{
		Size		size = VARSIZE(filter->labels);

		memo->labels = MemoryContextAlloc(memo->mcxt, size);
		memcpy(memo->labels, filter->labels, size);
	}
	memo->serial = serial;
	memo->graph = q->view.g;
	memo->nnodes = q->view.nnodes;
	memo->max_depth = max_depth;
	memo->as_of_null = filter->as_of_null;
	memo->as_of = filter->as_of;
	memo->primary_only = filter->primary_only;
}

/*
 * side_set notes the key of a side in this call.
 */
static void
side_set(WithinMemo *memo, Side *side, const HgKey *key, HgKeyKind kind)
{
	if (side->known &&
		(kind == HG_KEY_INT ? side->key.num == key->num :
		 side->key.len == key->len &&
		 memcmp(side->key.bytes, key->bytes, key->len) == 0))
	{
		if (side->calls < FLOOD_AFTER_CALLS)
			side->calls++;
		return;
	}

	side_forget(side);
	side->key = *key;
	if (kind != HG_KEY_INT)
	{
		if (side->space == NULL || side->space_size < key->len)
		{
			if (side->space)
				pfree(side->space);
			side->space_size = 0;
			side->space = MemoryContextAllocHuge(memo->mcxt, key->len);
			side->space_size = key->len;
		}
		memcpy(side->space, key->bytes, key->len);
		side->key.bytes = side->space;
	}
}

/*
 * side_find looks the node of a side up, unless that was done for this key.
 */
static uint32
side_find(Side *side, const HgView *view)
{
	if (!side->known)
	{
		side->node = hg_view_lookup(view, &side->key);
		side->known = true;
	}
	return side->node;
}

/*
 * has_bit and set_bit: the nodes that a flood has reached.
 */
static inline bool
has_bit(const Side *side, uint32 node)
{
	return (side->reached[node >> 6] >> (node & 63)) & 1;
}

static inline void
set_bit(Side *side, uint32 node)
{
	side->reached[node >> 6] |= UINT64CONST(1) << (node & 63);
}

/*
 * flood_start begins a flood at the node of a side.
 */
static void
flood_start(WithinMemo *memo, Side *side, uint32 nnodes)
{
	uint32		words = nnodes / 64 + 1;

	if (side->reached_words < words)
	{
		if (side->reached)
			pfree(side->reached);
		side->reached_words = 0;
		side->reached = NULL;
		side->reached = MemoryContextAllocHuge(memo->mcxt,
											   (Size) words * sizeof(uint64));
		side->reached_words = words;
	}
	memset(side->reached, 0, (Size) words * sizeof(uint64));
	if (side->queue == NULL)
	{
		side->queue_size = 1024;
		side->queue = MemoryContextAlloc(memo->mcxt,
										 side->queue_size * sizeof(uint32));
	}
	side->queue[0] = side->node;
	set_bit(side, side->node);
	side->head = 0;
	side->tail = 1;
	side->depth = 0;
	side->level_end = 1;
	side->in_edges = false;
	side->complete = false;
	side->flooding = true;
}

/*
 * flood_add puts a newly reached node at the end of the queue.
 */
static void
flood_add(Side *side, uint32 node)
{
	if (side->tail == side->queue_size)
	{
		side->queue = repalloc_huge(side->queue,
									(Size) side->queue_size * 2 * sizeof(uint32));
		side->queue_size *= 2;
	}
	side->queue[side->tail++] = node;
	set_bit(side, node);
}

/*
 * flood_advance follows some more edges of a flood.
 */
static void
flood_advance(Side *side, const HgView *view, uint32 max_depth, uint32 budget)
{
	for (uint32 steps = 0; steps < budget;)
	{
		if (!side->in_edges)
		{
			if (side->head == side->level_end)
			{
				side->depth++;
				side->level_end = side->tail;
			}
			if (side->head == side->tail || side->depth >= max_depth)
			{
				side->complete = true;
				return;
			}
			if ((side->head & 0x3ff) == 0)
				CHECK_FOR_INTERRUPTS();
			hg_edges_begin(&side->edges, view, side->queue[side->head++],
						   side->dir);
			side->in_edges = true;
			steps++;
		}
		/* The iterator was begun with the view of an earlier call. */
		side->edges.view = view;
		while (steps < budget)
		{
			if (!hg_edges_next(&side->edges))
			{
				side->in_edges = false;
				break;
			}
			if (!has_bit(side, side->edges.node))
				flood_add(side, side->edges.node);
			steps++;
		}
	}
}

/*
 * side_flood keeps the flood from a side going when it seems worth while.
 * True when it is complete.
 */
static bool
side_flood(WithinMemo *memo, Side *side, const HgView *view)
{
	if (side->complete)
		return true;
	if (side->calls < FLOOD_AFTER_CALLS || side->node == HG_NONE)
		return false;
	if (!side->flooding)
		flood_start(memo, side, view->nnodes);
	flood_advance(side, view, memo->max_depth, Max(memo->walked, FLOOD_STEP));
	return side->complete;
}

/*
 * answer decides the question for the two keys now set in the memo.
 */
static bool
answer(WithinMemo *memo, HgView *view)
{
	Side	   *ancestor = &memo->ancestor;
	Side	   *node = &memo->node;

	/*
	 * A flood reaches nodes that exist only, so that the other side's node
	 * needs no test of its own.
	 */
	if (side_find(ancestor, view) == HG_NONE)
		return false;
	if (side_flood(memo, ancestor, view))
	{
		uint32		n = node->known ? node->node :
			hg_graph_lookup(view->g, &node->key);

		return n != HG_NONE && n < view->nnodes && has_bit(ancestor, n);
	}
	if (side_find(node, view) == HG_NONE)
		return false;
	if (side_flood(memo, node, view))
		return has_bit(node, ancestor->node);

	return hg_reaches_up(view, node->node, ancestor->node, memo->max_depth,
						 &memo->walked);
}

/*
 * hgraph_within: within(graph, node, ancestor, max_depth, as_of,
 * primary_only, labels) returns boolean
 */
Datum
hgraph_within(PG_FUNCTION_ARGS)
{
	WithinMemo *memo = fcinfo->flinfo->fn_extra;
	HgFilterArgs filter;
	uint32		max_depth;
	HgQuery		q;
	HgKey		node;
	HgKey		ancestor;
	bool		result;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	if (memo == NULL)
		memo = make_memo(fcinfo);

	max_depth = hg_max_depth(PG_ARGISNULL(3),
							 PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3));
	filter.as_of_null = PG_ARGISNULL(4);
	filter.as_of = filter.as_of_null ? 0 : PG_GETARG_DATEADT(4);
	filter.primary_only = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	filter.labels = PG_ARGISNULL(6) ? NULL : PG_GETARG_ARRAYTYPE_P(6);

	hg_query_open(&q, PG_GETARG_OID(0), &filter);
	memo_check(memo, &q, &filter, max_depth);
	hg_key_from_datum(q.layout, memo->type, PG_GETARG_DATUM(1), &node);
	hg_key_from_datum(q.layout, memo->type, PG_GETARG_DATUM(2), &ancestor);
	side_set(memo, &memo->node, &node, q.layout->key_kind);
	side_set(memo, &memo->ancestor, &ancestor, q.layout->key_kind);
	result = answer(memo, &q.view);
	hg_query_close(&q);
	memo->valid = true;

	PG_RETURN_BOOL(result);
}
