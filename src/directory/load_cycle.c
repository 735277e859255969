/*-------------------------------------------------------------------------
 *
 * load_cycle.c
 *	  Which rows of a load would close a cycle.
 *
 * The edges that there are, and those that the rows of a file would add, form
 * a graph.  Only edges within its strongly connected components can be part of
 * a cycle: mostly there are none, and that is known after one pass (Tarjan).
 *
 * Those edges are then added one by one, what there is first, then the rows in
 * the order of the file; a row that would close a cycle with those before it is
 * left out.  So a ring loses one row, its last, and not all.  (A row without
 * which its entity would not come to be goes before those of other entities:
 * leaving it out would take more rows along.)  To find out, a
 * topological order is kept up to date (Pearce and Kelly): an edge that agrees
 * with it costs nothing, another one a search among the nodes between its ends.
 *
 * A cycle is one only if some day is in all its ranges.  If the edges in
 * question have no day in common, an edge that would close a cycle whatever the
 * days is looked at once more: the search takes along the days that all edges on
 * its way have in common.  Once such an edge stays, there is no order of the
 * nodes any more, and all edges after it are looked at so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "directory/load.h"
#include "directory/locks.h"
#include "directory/range.h"
#include "fmgr.h"
#include "funcapi.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

HG_FUNCTION_INFO_V1(hgraph_load_cycles);

#define NONE			PG_UINT32_MAX
#define CHECK_EVERY		4096

typedef struct CycleNode
{
	int64		id;				/* hash key */
	uint32		number;
	char		status;			/* for simplehash */
} CycleNode;

#define SH_PREFIX		cyclenodes
#define SH_ELEMENT_TYPE CycleNode
#define SH_KEY_TYPE		int64
#define SH_KEY			id
#define SH_HASH_KEY(tb, key) ((uint32) hg_mix_id(key))
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct CycleEdge
{
	uint32		child;
	uint32		parent;
	int32		from;
	int32		to;
	int64		line;			/* 0: there already */
	bool		yields;			/* to rows that do not, whatever the line */
	uint32		next_up;		/* accepted edge of the same child */
	uint32		next_down;		/* accepted edge of the same parent */
} CycleEdge;

/* days on which a search comes to a node */
typedef struct CycleStay
{
	uint32		node;
	int32		from;
	int32		to;
	uint32		next;			/* of the same node */
} CycleStay;

typedef struct CycleGraph
{
	cyclenodes_hash *nodes;
	uint32		nnodes;
	CycleEdge  *edge;
	uint32		nedges;
	uint32		size;
	uint32	   *start;			/* by node: its edges upward, in up */
	uint32	   *up;
	uint32	   *component;
	uint32	   *finished;		/* nodes as the search is done with them */
	/* accepted edges, and the order */
	uint32	   *first_up;
	uint32	   *first_down;
	uint32	   *place;
	uint32	   *mark;
	uint32		marks;
	uint32	   *stack;
	uint32	   *above;
	uint32	   *below;
	uint32	   *slots;
	/* a search with days */
	uint32	   *first_stay;		/* by node, if it is marked */
	CycleStay  *stay;
	uint32		nstays;
	uint32		stays;
} CycleGraph;

/*
 * words allocates an array.
 */
static uint32 *
words(uint64 n, int fill)
{
	uint32	   *array = palloc_extended(sizeof(uint32) * (n + 1), MCXT_ALLOC_HUGE);

	memset(array, fill, sizeof(uint32) * (n + 1));
	return array;
}

/*
 * number numbers the nodes as they come.
 */
static uint32
number(CycleGraph *g, int64 id)
{
	bool		found;
	CycleNode  *node = cyclenodes_insert(g->nodes, id, &found);

	if (!found)
		node->number = g->nnodes++;
	return node->number;
}

/*
 * add_edge takes a row of the query: child, parent, valid, line, yields.
 */
static void
add_edge(void *arg, TupleTableSlot *slot)
{
	CycleGraph *g = arg;
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;
	CycleEdge  *e;

	if (nulls[0] || nulls[1] || nulls[2])
		return;
	if (g->nedges == g->size)
	{
		if (g->size > PG_UINT32_MAX / 4)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many relationships to load at once")));
		g->size *= 2;
		g->edge = repalloc_huge(g->edge, sizeof(CycleEdge) * g->size);
	}
	e = &g->edge[g->nedges];
	hg_range_days(values[2], &e->from, &e->to);
	if (e->from >= e->to)
		return;
	e->child = number(g, DatumGetInt64(values[0]));
	e->parent = number(g, DatumGetInt64(values[1]));
	e->line = nulls[3] ? 0 : DatumGetInt64(values[3]);
	e->yields = !nulls[4] && DatumGetBool(values[4]);
	g->nedges++;
}

/*
 * index_edges lists the edges of each node upward.
 */
static void
index_edges(CycleGraph *g)
{
	g->start = words((uint64) g->nnodes + 2, 0);
	g->up = words(g->nedges, 0);
	for (uint32 i = 0; i < g->nedges; i++)
		g->start[g->edge[i].child + 2]++;
	for (uint32 i = 2; i <= g->nnodes; i++)
		g->start[i] += g->start[i - 1];
	for (uint32 i = 0; i < g->nedges; i++)
		g->up[g->start[g->edge[i].child + 1]++] = g->edge[i].parent;
}

/*
 * find_components numbers the strongly connected components (Tarjan, without
 * recursion); returns how many there are.
 */
static uint32
find_components(CycleGraph *g)
{
	uint32	   *seen = words(g->nnodes, 0);	/* order of visits; 0: none */
	uint32	   *low = words(g->nnodes, 0);
	uint32	   *next = words(g->nnodes, 0);
	uint32	   *path = words(g->nnodes, 0);
	uint32	   *open = words(g->nnodes, 0);
	uint32		nopen = 0;
	uint32		visits = 0;
	uint32		nfinished = 0;
	uint32		n = 0;

	g->component = words(g->nnodes, 0xff);
	g->finished = words(g->nnodes, 0);
	for (uint32 root = 0; root < g->nnodes; root++)
	{
		uint32		npath = 0;

		if (seen[root] != 0)
			continue;
		path[npath++] = root;
		while (npath > 0)
		{
			uint32		at = path[npath - 1];

			if (seen[at] == 0)
			{
				if (visits % CHECK_EVERY == 0)
					CHECK_FOR_INTERRUPTS();
				seen[at] = low[at] = ++visits;
				next[at] = g->start[at];
				open[nopen++] = at;
			}
			if (next[at] < g->start[at + 1])
			{
				uint32		to = g->up[next[at]++];

				if (seen[to] == 0)
					path[npath++] = to;
				else if (g->component[to] == NONE)
					low[at] = Min(low[at], seen[to]);
				continue;
			}
			npath--;
			g->finished[nfinished++] = at;
			if (npath > 0)
				low[path[npath - 1]] = Min(low[path[npath - 1]], low[at]);
			if (low[at] == seen[at])
			{
				uint32		node;

				do
				{
					node = open[--nopen];
					g->component[node] = n;
				} while (node != at);
				n++;
			}
		}
	}
	pfree(seen);
	pfree(low);
	pfree(next);
	pfree(path);
	pfree(open);
	return n;
}

/*
 * keep_rings drops edges that are part of no cycle, and numbers anew the nodes
 * that are left.  Returns whether any edge is left.
 *
 * The first order is that in which the search was done with the nodes: those
 * above come first, but for the few edges that led it back.  With any other
 * order, adding the edges of one long ring would take the square of its length.
 */
static bool
keep_rings(CycleGraph *g)
{
	uint32	   *renumber = words(g->nnodes, 0xff);
	uint32		kept = 0;
	uint32		placed = 0;
	uint32		n = 0;

	for (uint32 i = 0; i < g->nedges; i++)
	{
		CycleEdge  *e = &g->edge[i];

		if (g->component[e->child] != g->component[e->parent])
			continue;
		if (renumber[e->child] == NONE)
			renumber[e->child] = n++;
		if (renumber[e->parent] == NONE)
			renumber[e->parent] = n++;
		g->edge[kept] = *e;
		g->edge[kept].child = renumber[e->child];
		g->edge[kept].parent = renumber[e->parent];
		kept++;
	}
	g->place = words(n, 0);
	for (uint32 i = 0; i < g->nnodes; i++)
	{
		uint32		node = renumber[g->finished[i]];

		if (node != NONE)
			g->place[node] = placed++;
	}
	g->nedges = kept;
	g->nnodes = n;
	pfree(renumber);
	return kept > 0;
}

/*
 * accept adds an edge to those that stay.
 */
static void
accept(CycleGraph *g, uint32 i)
{
	CycleEdge  *e = &g->edge[i];

	e->next_up = g->first_up[e->child];
	g->first_up[e->child] = i;
	e->next_down = g->first_down[e->parent];
	g->first_down[e->parent] = i;
}

/*
 * search_down walks down from a node to those not after a place, and lists
 * them; false: it came to the node that it must not reach.
 */
static bool
search_down(CycleGraph *g, uint32 node, uint32 target, uint32 last, uint32 *list, uint32 *n)
{
	uint32		depth = 0;

	*n = 0;
	g->marks++;
	g->mark[node] = g->marks;
	g->stack[depth++] = node;
	while (depth > 0)
	{
		uint32		at = g->stack[--depth];

		if (*n % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (at == target)
			return false;
		list[(*n)++] = at;
		for (uint32 i = g->first_down[at]; i != NONE; i = g->edge[i].next_down)
		{
			uint32		to = g->edge[i].child;

			if (g->mark[to] != g->marks && g->place[to] <= last)
			{
				g->mark[to] = g->marks;
				g->stack[depth++] = to;
			}
		}
	}
	return true;
}

/*
 * search_up lists the node and those above it that are not before a place.
 */
static void
search_up(CycleGraph *g, uint32 node, uint32 first, uint32 *list, uint32 *n)
{
	uint32		depth = 0;

	*n = 0;
	g->marks++;
	g->mark[node] = g->marks;
	g->stack[depth++] = node;
	while (depth > 0)
	{
		uint32		at = g->stack[--depth];

		list[(*n)++] = at;
		for (uint32 i = g->first_up[at]; i != NONE; i = g->edge[i].next_up)
		{
			uint32		to = g->edge[i].parent;

			if (g->mark[to] != g->marks && g->place[to] >= first)
			{
				g->mark[to] = g->marks;
				g->stack[depth++] = to;
			}
		}
	}
}

/*
 * compare_words is for qsort.
 */
static int
compare_words(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return (x > y) - (x < y);
}

/*
 * compare_lines orders edges: what there is already, then rows that do not
 * yield, then by line.
 */
static int
compare_lines(const void *a, const void *b)
{
	const CycleEdge *x = a;
	const CycleEdge *y = b;

	if (x->line != 0 && y->line != 0 && x->yields != y->yields)
		return x->yields ? 1 : -1;
	return (x->line > y->line) - (x->line < y->line);
}

/*
 * compare_places orders nodes by their places.
 */
static int
compare_places(const void *a, const void *b, void *arg)
{
	const uint32 *place = arg;

	return compare_words(&place[*(const uint32 *) a], &place[*(const uint32 *) b]);
}

/*
 * reorder gives nodes above and below the places that they have together: those
 * above come first.
 */
static void
reorder(CycleGraph *g, uint32 nabove, uint32 nbelow)
{
	uint32		n = 0;

	qsort_arg(g->above, nabove, sizeof(uint32), compare_places, g->place);
	qsort_arg(g->below, nbelow, sizeof(uint32), compare_places, g->place);
	for (uint32 i = 0; i < nabove; i++)
		g->slots[n++] = g->place[g->above[i]];
	for (uint32 i = 0; i < nbelow; i++)
		g->slots[n++] = g->place[g->below[i]];
	qsort(g->slots, n, sizeof(uint32), compare_words);
	n = 0;
	for (uint32 i = 0; i < nabove; i++)
		g->place[g->above[i]] = g->slots[n++];
	for (uint32 i = 0; i < nbelow; i++)
		g->place[g->below[i]] = g->slots[n++];
}

/*
 * closes: would the edge close a cycle?  If not, the order agrees with it from
 * now on.
 */
static bool
closes(CycleGraph *g, const CycleEdge *e)
{
	uint32		nabove;
	uint32		nbelow;

	if (e->child == e->parent)
		return true;
	if (g->place[e->parent] < g->place[e->child])
		return false;
	if (!search_down(g, e->child, e->parent, g->place[e->parent], g->below, &nbelow))
		return true;
	search_up(g, e->parent, g->place[e->child], g->above, &nabove);
	reorder(g, nabove, nbelow);
	return false;
}

/*
 * reach notes that a node is reached on days, and that those of them are to be
 * followed from there on which it was not reached before.
 */
static void
reach(CycleGraph *g, uint32 node, int32 from, int32 to)
{
	if (g->mark[node] != g->marks)
	{
		g->mark[node] = g->marks;
		g->first_stay[node] = NONE;
	}
	while (from < to)
	{
		int32		end = to;
		bool		known = false;

		for (uint32 i = g->first_stay[node]; i != NONE && !known; i = g->stay[i].next)
		{
			const CycleStay *x = &g->stay[i];

			if (x->from <= from && from < x->to)
			{
				from = x->to;
				known = true;
			}
			else if (from < x->from)
				end = Min(end, x->from);
		}
		if (known)
			continue;
		if (g->nstays == g->stays)
		{
			g->stays *= 2;
			g->stay = repalloc_huge(g->stay, sizeof(CycleStay) * g->stays);
		}
		g->stay[g->nstays].node = node;
		g->stay[g->nstays].from = from;
		g->stay[g->nstays].to = end;
		g->stay[g->nstays].next = g->first_stay[node];
		g->first_stay[node] = g->nstays++;
		from = end;
	}
}

/*
 * closes_ever: would the edge close a cycle on any of its days?  Walks down with
 * the days that all edges on the way have in common.
 */
static bool
closes_ever(CycleGraph *g, const CycleEdge *e)
{
	if (e->child == e->parent)
		return true;
	if (g->first_down[e->child] == NONE || g->first_up[e->parent] == NONE)
		return false;
	g->marks++;
	g->nstays = 0;
	reach(g, e->child, e->from, e->to);
	for (uint32 n = 0; n < g->nstays; n++)
	{
		/* the array may move */
		CycleStay	at = g->stay[n];

		if (n % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (at.node == e->parent)
			return true;
		for (uint32 i = g->first_down[at.node]; i != NONE; i = g->edge[i].next_down)
		{
			const CycleEdge *x = &g->edge[i];

			reach(g, x->child, Max(at.from, x->from), Min(at.to, x->to));
		}
	}
	return false;
}

/*
 * tell returns a row: the line, and whether it closes a cycle or is only part
 * of one.
 */
static void
tell(ReturnSetInfo *result, int64 line, bool closing)
{
	Datum		values[2];
	bool		nulls[2] = {false};

	values[0] = Int64GetDatum(line);
	values[1] = BoolGetDatum(closing);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * add_in_order adds the edges one by one and tells which cannot be.
 */
static void
add_in_order(CycleGraph *g, ReturnSetInfo *result)
{
	int32		last_from = HG_DAY_FIRST;
	int32		first_to = HG_DAY_LAST;
	bool		ordered = true;

	g->first_up = words(g->nnodes, 0xff);
	g->first_down = words(g->nnodes, 0xff);
	g->mark = words(g->nnodes, 0);
	g->marks = 0;
	g->stack = words((uint64) g->nnodes, 0);
	g->above = words(g->nnodes, 0);
	g->below = words(g->nnodes, 0);
	g->slots = words((uint64) g->nnodes * 2, 0);
	g->first_stay = words(g->nnodes, 0);
	g->stays = 1024;
	g->stay = palloc(sizeof(CycleStay) * g->stays);
	for (uint32 i = 0; i < g->nedges; i++)
	{
		last_from = Max(last_from, g->edge[i].from);
		first_to = Min(first_to, g->edge[i].to);
	}

	qsort(g->edge, g->nedges, sizeof(CycleEdge), compare_lines);
	for (uint32 i = 0; i < g->nedges; i++)
	{
		CycleEdge  *e = &g->edge[i];
		bool		closing = !ordered || closes(g, e);

		if (closing && last_from >= first_to)
		{
			closing = e->line != 0 && closes_ever(g, e);
			ordered = ordered && closing;
		}
		if (e->line != 0)
			tell(result, e->line, closing);
		if (!closing)
			accept(g, i);
	}
}

/*
 * hgraph_load_cycles tells which rows are part of cycles, and which of them
 * must go.  The query has child, parent, valid, line (NULL: there already) and
 * whether the row yields to those that do not.
 */
Datum
hgraph_load_cycles(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {INT8OID, INT8OID, DATERANGEOID, INT8OID, BOOLOID};
	CycleGraph	g = {0};

	InitMaterializedSRF(fcinfo, 0);
	g.nodes = cyclenodes_create(CurrentMemoryContext, 1024, NULL);
	g.size = 1024;
	g.edge = palloc_extended(sizeof(CycleEdge) * g.size, MCXT_ALLOC_HUGE);
	hg_load_scan(text_to_cstring(PG_GETARG_TEXT_PP(0)), lengthof(types), types, add_edge, &g);
	if (g.nedges == 0)
		return (Datum) 0;
	index_edges(&g);
	(void) find_components(&g);
	if (keep_rings(&g))
		add_in_order(&g, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}
