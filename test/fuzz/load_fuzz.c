/*-------------------------------------------------------------------------
 *
 * load_fuzz.c
 *	  Fuzzing of what a load asks of its rows: which of them would close a cycle
 *	  (load_cycle.c), and which belong together (load_group.c).  An input is the
 *	  rows of the query; what comes out is compared with what is found by trying:
 *	  day by day who is above whom, and pair by pair who is with whom.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "directory/days.h"
#include "directory/load.h"
#include "fmgr.h"
#include "funcapi.h"
#include "fuzz.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/rangetypes.h"
#include "utils/tuplestore.h"

extern Datum hgraph_load_cycles(PG_FUNCTION_ARGS);
extern Datum hgraph_load_groups(PG_FUNCTION_ARGS);

#define NODES		12
#define DAYS		300
#define MAX_EDGES	2600
#define MAX_LINES	1500

/* What came out */
typedef struct Told
{
	int64		line;
	int64		value;
} Told;

static Told told[2 * MAX_EDGES];
static int	ntold;

/* ---- the server ---- */

void
InitMaterializedSRF(FunctionCallInfo fcinfo, bits32 flags)
{
	ntold = 0;
}

fuzz_aside void
tuplestore_putvalues(Tuplestorestate *state, TupleDesc tdesc, Datum *values, bool *isnull)
{
	fuzz_check(ntold < (int) lengthof(told) && !isnull[0] && !isnull[1]);
	told[ntold].line = DatumGetInt64(values[0]);
	told[ntold++].value = DatumGetInt64(values[1]);
}

/* Calls a function that returns rows. */
static void
call(void *arg)
{
	LOCAL_FCINFO(fcinfo, 1);
	ReturnSetInfo result = {0};

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, (Node *) &result);
	fcinfo->args[0].value = PointerGetDatum(cstring_to_text("of rows"));
	fcinfo->args[0].isnull = false;
	((PGFunction) arg) (fcinfo);
}

/* ---- edges ---- */

typedef struct Edge
{
	uint32		child;
	uint32		parent;
	int			from;			/* 0: always */
	int			to;				/* DAYS: forever */
	int64		line;			/* 0: there already */
	bool		yields;
} Edge;

static Edge edges[MAX_EDGES];
static int	nedges;
static bool of_edges;

/* By day and node: who is its parent */
static uint16 above[DAYS][NODES];

/* Does somebody have somebody else above, or is he it? */
static fuzz_aside bool
is_above(const uint16 *parents, uint32 node, uint32 other)
{
	uint32		seen = 1u << node;
	uint32		fresh = seen;

	while (fresh != 0)
	{
		uint32		next = 0;

		for (uint32 i = 0; i < NODES; i++)
			if (fresh >> i & 1)
				next |= parents[i];
		fresh = next & ~seen;
		seen |= next;
	}
	return seen >> other & 1;
}

/* Would an edge close a cycle on any day, with those above? */
static fuzz_aside bool
closes_cycle(const Edge *e)
{
	for (int day = e->from; day < e->to; day++)
	{
		if (day > e->from && memcmp(above[day], above[day - 1], sizeof(above[day])) == 0)
			continue;
		if (is_above(above[day], e->parent, e->child))
			return true;
	}
	return false;
}

/* Takes an edge. */
static fuzz_aside void
put_above(const Edge *e)
{
	for (int day = e->from; day < e->to; day++)
		above[day][e->child] |= 1u << e->parent;
}

/* Adds an edge.  What is there already has no cycle. */
static fuzz_aside void
add_edge(const Edge *e)
{
	if (nedges == MAX_EDGES || (e->line == 0 && closes_cycle(e)))
		return;
	if (e->line == 0)
		put_above(e);
	edges[nedges++] = *e;
}

/* Reads edges, some of them many times over. */
static void
make_edges(void)
{
	int64		line = 0;

	nedges = 0;
	memset(above, 0, sizeof(above));
	while (fuzz_left() >= 4)
	{
		uint8		kind = fuzz_byte();
		uint8		ends = fuzz_byte();
		Edge		e = {0};
		int			day = fuzz_byte();
		int			length = fuzz_byte();

		e.child = (ends & 15) % NODES;
		e.parent = (ends >> 4) % NODES;
		e.line = (kind & 3) == 0 ? 0 : ++line;
		e.yields = kind & 4;
		e.from = (kind & 8) ? day : 0;
		e.to = (kind & 16) ? Min(day + length, DAYS) : DAYS;
		if ((kind & 0xe0) != 0xe0)
			add_edge(&e);
		else
		{
			/* every other day, or the same again and again */
			for (int i = 0; i < 2 * length; i++)
			{
				if (i > 0 && e.line != 0)
					e.line = ++line;
				if (kind & 8)
				{
					e.from = day % 8 + 2 * i;
					e.to = e.from + 1;
				}
				if (e.to <= DAYS)
					add_edge(&e);
			}
		}
	}
}

/* A range of days as it is stored */
static Datum
stored_range(const Edge *e)
{
	char		data[sizeof(Oid) + 2 * sizeof(DateADT) + 1];
	int			len = sizeof(Oid);
	char		flags = RANGE_LB_INC;

	memset(data, 0x55, sizeof(Oid));
	if (e->from >= e->to)
		flags = RANGE_EMPTY;
	else
	{
		if (e->from == 0)
			flags = RANGE_LB_INF;
		else
		{
			memcpy(data + len, &e->from, sizeof(DateADT));
			len += sizeof(DateADT);
		}
		if (e->to == DAYS)
			flags |= RANGE_UB_INF;
		else
		{
			memcpy(data + len, &e->to, sizeof(DateADT));
			len += sizeof(DateADT);
		}
	}
	data[len++] = flags;
	return PointerGetDatum(cstring_to_text_with_len(data, len));
}

/* Nodes and lines by larger numbers, which keep their order. */
static int64
large(int64 number)
{
	return number * INT64CONST(1000000007) - INT64CONST(3000000000);
}

/* Hands out the edges as the rows of a query. */
static fuzz_aside void
scan_edges(HgLoadRowFn row, void *arg)
{
	for (int i = 0; i < nedges; i++)
	{
		const Edge *e = &edges[i];
		Datum		values[5] = {Int64GetDatum(large(e->child)), Int64GetDatum(large(e->parent)), stored_range(e),
		Int64GetDatum(e->line), BoolGetDatum(e->yields)};
		bool		nulls[5] = {false, false, false, e->line == 0, e->line == 0 && e->yields};
		TupleTableSlot slot = {.tts_values = values,.tts_isnull = nulls};

		row(arg, &slot);
	}
}

/* A row within a ring of rows, whatever the days, is told, with the right answer. */
static fuzz_aside void
check_edge(const Edge *e, const uint16 *ever, int *at)
{
	bool		closing = closes_cycle(e);

	if (e->from < e->to && is_above(ever, e->parent, e->child))
	{
		fuzz_check(*at < ntold && told[*at].line == e->line && told[*at].value == closing);
		++*at;
	}
	if (!closing)
		put_above(e);
}

/* Rows come in the order of lines, those that yield behind the others. */
static fuzz_aside void
check_edges(void)
{
	uint16		ever[NODES] = {0};
	int			at = 0;

	for (int i = 0; i < nedges; i++)
		if (edges[i].from < edges[i].to)
			ever[edges[i].child] |= 1u << edges[i].parent;
	for (int yields = 0; yields < 2; yields++)
		for (int i = 0; i < nedges; i++)
			if (edges[i].line != 0 && edges[i].yields == yields)
				check_edge(&edges[i], ever, &at);
	fuzz_check(at == ntold);
}

/* ---- pairs ---- */

typedef struct Pair
{
	int			a;				/* -1: NULL */
	int			b;
} Pair;

static Pair pairs[MAX_EDGES];
static int	npairs;

/* Reads pairs, and chains of them. */
static void
make_pairs(void)
{
	npairs = 0;
	while (fuzz_left() > 3)
	{
		uint8		kind = fuzz_byte();
		Pair		p = {(int) fuzz_below(MAX_LINES), (int) fuzz_below(MAX_LINES)};
		int			n = kind >= 0xf0 ? 3 * fuzz_byte() : 1;
		int			step = kind % 4 - 1;

		if (kind >= 0xe0 && kind < 0xe8)
			p.a = -1;
		if (kind >= 0xe4 && kind < 0xec)
			p.b = -1;
		for (int i = 0; i < n && npairs < MAX_EDGES; i++)
		{
			pairs[npairs++] = p;
			p.a = (p.a + step + MAX_LINES) % MAX_LINES;
			p.b = (p.b + 1) % MAX_LINES;
		}
	}
}

/* Hands out the pairs as the rows of a query. */
static fuzz_aside void
scan_pairs(HgLoadRowFn row, void *arg)
{
	for (int i = 0; i < npairs; i++)
	{
		Datum		values[2] = {Int64GetDatum(large(pairs[i].a)), Int64GetDatum(large(pairs[i].b))};
		bool		nulls[2] = {pairs[i].a < 0, pairs[i].b < 0};
		TupleTableSlot slot = {.tts_values = values,.tts_isnull = nulls};

		row(arg, &slot);
	}
}

/* Each line of a pair is told once, with the smallest that pairs lead to. */
static fuzz_aside void
check_pairs(void)
{
	static int	group[MAX_LINES];	/* -1: in no pair */
	int			lines = 0;

	memset(group, 0xff, sizeof(group));
	for (int i = 0; i < npairs; i++)
	{
		int			a = pairs[i].a;
		int			b = pairs[i].b;
		int			old[2];

		if (a < 0 || b < 0)
			continue;
		old[0] = group[a] < 0 ? a : group[a];
		old[1] = group[b] < 0 ? b : group[b];
		group[a] = group[b] = Min(old[0], old[1]);
		for (int line = 0; old[0] != old[1] && line < MAX_LINES; line++)
			if (group[line] == old[0] || group[line] == old[1])
				group[line] = Min(old[0], old[1]);
	}
	for (int line = 0; line < MAX_LINES; line++)
		lines += group[line] >= 0;
	fuzz_check(ntold == lines);
	for (int i = 0; i < ntold; i++)
	{
		int			line = (int) ((told[i].line - large(0)) / (large(1) - large(0)));

		fuzz_check(line >= 0 && line < MAX_LINES && large(line) == told[i].line && group[line] >= 0);
		fuzz_check(told[i].value == large(group[line]));
		group[line] = -1;		/* not once more */
	}
}

/* ---- both ---- */

void
hg_load_scan(const char *query, int ncolumns, const Oid *types, HgLoadRowFn row, void *arg)
{
	fuzz_check(strcmp(query, "of rows") == 0 && ncolumns == (of_edges ? 5 : 2));
	(of_edges ? scan_edges : scan_pairs) (row, arg);
}

/* Which of the two, then its rows */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_begin(data, size);
	of_edges = fuzz_byte() & 1;
	if (of_edges)
		make_edges();
	else
		make_pairs();
	fuzz_check(server_try(call, of_edges ? hgraph_load_cycles : hgraph_load_groups) == 0);
	if (of_edges)
		check_edges();
	else
		check_pairs();
	server_clean();
	return 0;
}
