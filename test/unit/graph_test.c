/*-------------------------------------------------------------------------
 *
 * graph_test.c
 *	  The graph core against a model that keeps a plain list of rows and
 *	  answers every question the obvious way.  Random pages are written,
 *	  pruned and appended to; the graph follows by page syncs and folds.
 *
 *	  Prints TAP.  The seed is the first argument, or 1.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

#define NODES	14				/* keys 0 .. NODES - 1 */
#define BLOCKS	5
#define PER_BLOCK 12
#define DAYS	6
#define ROUNDS	4000

/* The model: what each page holds, in order. */
static HgItem page[BLOCKS][PER_BLOCK];
static int	page_items[BLOCKS];
static uint64_t seed;
static int	failures;
static int64_t key_step = 1;	/* 1: dense */
static unsigned char uuids[NODES][16];

static void *
host_alloc(void *arena, size_t size)
{
	void	   *p = malloc(size > 0 ? size : 1);

	(void) arena;
	if (p == NULL)
		abort();
	/* whoever relies on zeroed memory shall notice */
	memset(p, 0xa5, size);
	return p;
}

static void *
host_realloc(void *p, size_t size)
{
	p = realloc(p, size);
	if (p == NULL)
		abort();
	return p;
}

static void
host_check(void)
{
}

static const void *
host_owner(void)
{
	return NULL;
}

#ifndef TEST_HAS_BELOW			/* fuzzing, which draws from its input */
/* A pseudo-random number below n (xorshift64*, Marsaglia and Vigna). */
static uint32_t
below(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t) ((seed * UINT64_C(2685821657736338717)) >> 33) % n;
}
#endif

/* Reports one comparison; only failures make noise. */
static void
check(bool good, const char *what, int round)
{
	if (good)
		return;
	failures++;
	if (failures <= 20)
		printf("# round %d: %s differs\n", round, what);
}

/* The key of node number i of the model. */
static HgKey
model_key(HgKeyKind kind, uint32_t i)
{
	HgKey		key = {0, NULL, 0};

	if (kind == HG_KEY_INT)
		key.num = (int64_t) i * key_step - 7;
	else
	{
		key.bytes = uuids[i];
		key.len = (kind == HG_KEY_UUID) ? 16 : i % 16 + 1;
	}
	return key;
}

/* Model node of a graph node. */
static uint32_t
model_node(const HgGraph *g, uint32_t node)
{
	HgKeyKind	kind = hg_graph_kind(g);
	HgKey		key = hg_graph_key(g, node);

	for (uint32_t i = 0; i < NODES; i++)
	{
		HgKey		mine = model_key(kind, i);

		if (kind == HG_KEY_INT ? mine.num == key.num :
			mine.len == key.len && memcmp(mine.bytes, key.bytes, key.len) == 0)
			return i;
	}
	return HG_NONE;
}

/* What the model knows of each item on a page. */
typedef struct Row
{
	uint32_t	parent;			/* HG_NONE: registration */
	uint32_t	child;
	int32_t		from,
				to;
	double		weight;
	bool		weight_null;
	bool		primary;
} Row;

static Row	rows[BLOCKS][PER_BLOCK];

/* A random row; parents have smaller numbers unless cycles are allowed. */
static Row
random_row(bool cyclic)
{
	Row			row;

	row.child = below(NODES);
	row.parent = below(NODES);
	if (!cyclic && row.parent >= row.child)
	{
		uint32_t	swap = row.parent;

		row.parent = row.child;
		row.child = swap;
	}
	if (row.parent == row.child || below(12) == 0)
		row.parent = HG_NONE;
	row.from = (int32_t) below(DAYS);
	row.to = row.from + (int32_t) below(DAYS);	/* sometimes empty */
	row.weight_null = below(8) == 0;
	row.weight = row.weight_null ? 0 : (1 + below(4)) / 4.0;
	row.primary = below(2);
	return row;
}

/* A place for a row that none of the page's first n items has.  Few places, so
 * that removed rows come back with other contents. */
static uint16_t
free_place(uint32_t block, int n)
{
	uint16_t	place;
	int			i;

	do
	{
		place = (uint16_t) (below((uint32_t) n + 2) + 1);
		for (i = 0; i < n && page[block][i].tid_off != place; i++)
			;
	} while (i < n);
	return place;
}

/* The item of a row that becomes item n of a page. */
static HgItem
row_item(HgKeyKind kind, const Row *row, uint32_t block, int n)
{
	HgItem		item;

	memset(&item, 0, sizeof(item));
	item.has_parent = row->parent != HG_NONE;
	if (item.has_parent)
		item.parent = model_key(kind, row->parent);
	item.child = model_key(kind, row->child);
	item.flags = (row->weight_null ? HG_ENTRY_WEIGHT_NULL : 0) |
		(row->primary ? HG_ENTRY_PRIMARY : 0);
	item.tid_block = block;
	item.tid_off = free_place(block, n);
	item.valid_from = row->from;
	item.valid_to = row->to;
	item.weight = row->weight;
	return item;
}

/* Does the model's row pass? */
static bool
passes(const Row *row, const HgFilter *f)
{
	if (f->by_day && (f->day < row->from || f->day >= row->to))
		return false;
	return !f->primary_only || row->parent == HG_NONE || row->primary;
}

/* Changes random pages: removals, then rows at the end. */
static void
change_pages(HgGraph *g, HgKeyKind kind, bool cyclic)
{
	int			n = 1 + (int) below(3);

	while (n-- > 0)
	{
		uint32_t	b = below(BLOCKS);
		bool		pruned = false;
		int			kept = page_items[b];
		int			before;

		if (below(3) == 0)
		{
			kept = 0;
			for (int i = 0; i < page_items[b]; i++)
			{
				if (below(3) == 0)
				{
					pruned = true;
					continue;
				}
				rows[b][kept] = rows[b][i];
				page[b][kept++] = page[b][i];
			}
			page_items[b] = kept;
		}
		before = page_items[b];
		while (page_items[b] < PER_BLOCK && below(4) != 0)
		{
			int			i = page_items[b]++;

			rows[b][i] = random_row(cyclic);
			page[b][i] = row_item(kind, &rows[b][i], b, i);
		}
		if (!pruned && below(2))
			hg_graph_append(g, b, page[b] + before, page_items[b] - before);
		else if (page_items[b] == kept && below(2))
			check(hg_graph_prune_page(g, b, page[b], kept), "pruned page", -1);
		else
			hg_graph_sync_page(g, b, page[b], page_items[b],
							   below(2) ? kept : HG_COMPARE_ALL);
	}
}

/* Sum over paths from a to b, by plain recursion; NAN if none is stated. */
static double
model_share(const HgFilter *f, uint32_t a, uint32_t b, int limit)
{
	double		sum = NAN;

	if (a == b)
		return 1;
	if (limit == 0)
		return NAN;
	for (int p = 0; p < BLOCKS; p++)
	{
		for (int i = 0; i < page_items[p]; i++)
		{
			const Row  *row = &rows[p][i];
			double		rest;

			if (row->parent != a || row->weight_null || !passes(row, f))
				continue;
			rest = model_share(f, row->child, b, limit - 1);
			if (!isnan(rest))
				sum = (isnan(sum) ? 0 : sum) + row->weight * rest;
		}
	}
	return sum;
}

/* Shortest distances from a node, -1 unreachable. */
static void
model_depths(const HgFilter *f, uint32_t start, HgDir dir, int *depth)
{
	bool		again = true;

	for (int i = 0; i < NODES; i++)
		depth[i] = -1;
	depth[start] = 0;
	for (int d = 0; again; d++)
	{
		again = false;
		for (int p = 0; p < BLOCKS; p++)
		{
			for (int i = 0; i < page_items[p]; i++)
			{
				const Row  *row = &rows[p][i];
				uint32_t	a = (dir == HG_DOWN) ? row->parent : row->child;
				uint32_t	b = (dir == HG_DOWN) ? row->child : row->parent;

				if (row->parent == HG_NONE || !passes(row, f) ||
					depth[a] != d || depth[b] >= 0)
					continue;
				depth[b] = d + 1;
				again = true;
			}
		}
	}
}

/* Compares walks and shares from every node. */
static void
check_walks(HgGraph *g, const HgFilter *f, bool cyclic, int round)
{
	HgView		view;
	uint32_t	limit = below(3) == 0 ? below(4) : HG_UNLIMITED;

	hg_view_init(&view, g, f, NULL, 0, true, NULL, NULL);
	for (uint32_t m = 0; m < NODES; m++)
	{
		HgKey		key = model_key(hg_graph_kind(g), m);
		uint32_t	node = hg_view_lookup(&view, &key);
		bool		exists = false;

		for (int p = 0; p < BLOCKS; p++)
		{
			for (int i = 0; i < page_items[p]; i++)
				exists |= passes(&rows[p][i], f) &&
					(rows[p][i].child == m || rows[p][i].parent == m);
		}
		check(exists == (node != HG_NONE), "existence", round);
		if (node == HG_NONE || !exists)
			continue;
		for (HgDir dir = HG_DOWN; dir <= HG_UP; dir++)
		{
			HgReach		r;
			int			depth[NODES];
			uint32_t	expected = 0;
			double		share[NODES];
			bool		stated[NODES];

			model_depths(f, m, dir, depth);
			for (int i = 0; i < NODES; i++)
				expected += depth[i] >= 0 && (uint32_t) depth[i] <= limit;
			hg_reach(&r, &view, node, dir, limit, NULL);
			check(r.n == expected, "reach size", round);
			for (uint32_t i = 0; i < r.n; i++)
				check(depth[model_node(g, r.node[i])] == (int) hg_reach_depth(&r, i),
					  "depth", round);
			if (!cyclic && r.n == expected)
			{
				hg_shares(&view, &r, dir, limit, share, stated);
				for (uint32_t i = 0; i < r.n; i++)
				{
					uint32_t	other = model_node(g, r.node[i]);
					int			edges = limit == HG_UNLIMITED ? -1 : (int) limit;
					double		model = (dir == HG_DOWN) ?
						model_share(f, m, other, edges) :
						model_share(f, other, m, edges);

					check(stated[i] == !isnan(model) &&
						  (!stated[i] || fabs(model - share[i]) < 1e-9),
						  "share", round);
				}
			}
			hg_reach_free(&r);
		}
	}
}

/* Number of paths from a down to b of at most limit edges. */
static uint32_t
model_paths(const HgFilter *f, uint32_t a, uint32_t b, int limit)
{
	uint32_t	n = 0;

	if (a == b)
		return 1;
	if (limit == 0)
		return 0;
	for (uint32_t c = 0; c < NODES; c++)
	{
		bool		edge = false;

		for (int p = 0; p < BLOCKS; p++)
		{
			for (int i = 0; i < page_items[p]; i++)
				edge |= rows[p][i].parent == a && rows[p][i].child == c &&
					passes(&rows[p][i], f);
		}
		if (edge)
			n += model_paths(f, c, b, limit - 1);
	}
	return n;
}

/* Compares the number of paths, and that each is one. */
static void
check_paths(HgGraph *g, const HgFilter *f, int round)
{
	HgView		view;
	HgKey		a = model_key(hg_graph_kind(g), below(NODES / 2));
	HgKey		b = model_key(hg_graph_kind(g), NODES / 2 + below(NODES / 2));
	uint32_t	top,
				node,
				n = 0;
	HgPaths    *paths;
	const uint32_t *path;
	uint32_t	len;
	double		share;
	bool		stated;
	int			limit = below(2) ? (int) below(4) : NODES;

	hg_view_init(&view, g, f, NULL, 0, true, NULL, NULL);
	top = hg_view_lookup(&view, &a);
	node = hg_view_lookup(&view, &b);
	if (top == HG_NONE || node == HG_NONE)
		return;
	paths = hg_paths_begin(&view, node, top, (uint32_t) limit, NULL);
	while (hg_paths_next(paths, &path, &len, &share, &stated))
	{
		check(path[0] == top && path[len - 1] == node, "ends of a path", round);
		n++;
	}
	hg_paths_end(paths);
	check(n == model_paths(f, model_node(g, top), model_node(g, node),
						   limit),
		  "number of paths", round);
}

/* Every entry is settled. */
static HgEdgeState
settled(void *arg, uint32_t entry)
{
	(void) arg;
	(void) entry;
	return HG_EDGE_SETTLED;
}

/* Some entries, by number, are pending or absent. */
static HgEdgeState
mixed(void *arg, uint32_t entry)
{
	(void) arg;
	switch (entry % 5)
	{
		case 0:
			return HG_EDGE_PENDING;
		case 1:
			return HG_EDGE_ABSENT;
		default:
			return HG_EDGE_SETTLED;
	}
}

/* Is there, by the graph's own edges, a path up from parent to child on one
 * day over entries whose state is at most "worst"? */
static bool
model_closes(HgGraph *g, uint32_t parent, uint32_t child, int32_t day,
			 HgEdgeProbe probe, HgEdgeState worst)
{
	bool		up[NODES * 4] = {false};
	bool		again = true;

	up[parent] = true;
	while (again)
	{
		again = false;
		for (uint32_t e = 0; e < hg_graph_entries(g); e++)
		{
			HgEntry		entry;
			HgEdgeState state = probe(NULL, e);

			if (hg_graph_entry_gone(g, e))
				continue;
			hg_graph_entry(g, e, &entry);
			if (entry.parent == HG_NONE || state == HG_EDGE_ABSENT ||
				(state == HG_EDGE_PENDING && worst == HG_EDGE_SETTLED) ||
				day < entry.valid_from || day >= entry.valid_to)
				continue;
			if (up[entry.child] && !up[entry.parent])
				up[entry.parent] = again = true;
		}
	}
	return up[child];
}

/* Compares the cycle search with the day-by-day answer. */
static void
check_cycles(HgGraph *g, HgEdgeProbe probe, int round)
{
	uint32_t	n = hg_graph_nodes(g);
	uint32_t	parent,
				child;
	int32_t		from = (int32_t) below(DAYS);
	int32_t		to = from + (int32_t) below(DAYS);
	HgCycle		cycle;
	HgCycleResult expected = HG_CYCLE_NONE;

	if (n == 0)
		return;
	parent = below(n);
	child = below(n);
	for (int32_t day = from; day < to; day++)
	{
		if (model_closes(g, parent, child, day, probe, HG_EDGE_SETTLED))
			expected = HG_CYCLE_SETTLED;
		else if (expected == HG_CYCLE_NONE &&
				 model_closes(g, parent, child, day, probe, HG_EDGE_PENDING))
			expected = HG_CYCLE_PENDING;
	}
	hg_cycle_search(g, parent, child, from, to, probe, NULL, NULL, &cycle);
	check(cycle.result == expected, "cycle", round);
	check(expected == HG_CYCLE_NONE || hg_cycle_possible(g, parent, child),
		  "possibility of a cycle", round);
	if (cycle.result == HG_CYCLE_PENDING)
		check(probe(NULL, cycle.pending) == HG_EDGE_PENDING, "pending entry",
			  round);
	if (cycle.result == HG_CYCLE_SETTLED)
	{
		uint32_t	at = child;

		for (uint32_t i = 0; i < cycle.len; i++)
		{
			HgEntry		e;

			hg_graph_entry(g, cycle.entries[i], &e);
			check(e.parent == at, "path of a cycle", round);
			at = e.child;
		}
		check(at == parent, "end of a cycle's path", round);
		if (cycle.entries)
			hg_host.free(cycle.entries);
	}
}

/* The graph holds as many entries as the pages. */
static void
check_counts(HgGraph *g, int round)
{
	uint32_t	n = 0;
	uint32_t	live = 0;

	for (int b = 0; b < BLOCKS; b++)
		n += (uint32_t) page_items[b];
	for (uint32_t e = 0; e < hg_graph_entries(g); e++)
		live += !hg_graph_entry_gone(g, e);
	check(live == n, "number of entries", round);
	check(hg_graph_entries(g) - hg_graph_gone(g) == n, "count of entries", round);
}

/* A graph of what is on the pages, as a new connection loads it. */
static HgGraph *
load_pages(HgKeyKind kind)
{
	HgGraph    *g = hg_graph_create(NULL, kind,
									HG_HAS_WEIGHT | HG_HAS_VALIDITY | HG_HAS_PRIMARY);

	for (uint32_t b = 0; b < BLOCKS; b++)
	{
		hg_graph_load(g, b, page[b], page_items[b]);
		if (b == 1 && below(2))
			hg_graph_reserve(g, 1 + below(5));
	}
	return hg_graph_fold(g, NULL);
}


/* One key kind, cyclic or not. */
static void
run(HgKeyKind kind, bool cyclic, int number, const char *name)
{
	HgGraph    *g = hg_graph_create(NULL, kind,
									HG_HAS_WEIGHT | HG_HAS_VALIDITY | HG_HAS_PRIMARY);

	failures = 0;
	memset(page_items, 0, sizeof(page_items));
	for (int round = 0; round < ROUNDS; round++)
	{
		HgFilter	f;

		memset(&f, 0, sizeof(f));
		f.by_day = below(2);
		f.day = (int32_t) below(DAYS);
		f.primary_only = below(4) == 0;
		change_pages(g, kind, cyclic);
		if (below(10) == 0)
			g = hg_graph_fold(g, NULL);
		else if (below(10) == 0)
			g = load_pages(kind);
		check_counts(g, round);
		if (round % 8 == 0)
		{
			check_walks(g, &f, cyclic, round);
			if (!cyclic)
				check_paths(g, &f, round);
		}
		check_cycles(g, settled, round);
		check_cycles(g, mixed, round);
	}
	printf("%sok %d - %s, %s\n", failures ? "not " : "", number, name,
		   cyclic ? "with cycles" : "acyclic");
}

int
main(int argc, char **argv)
{
	int			failed = 0;
	int			number = 0;
	const char *names[] = {"integer keys", "uuid keys", "text keys"};

	seed = (argc > 1) ? strtoull(argv[1], NULL, 10) : 1;
	printf("# seed %llu\n1..7\n", (unsigned long long) seed);
	seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	hg_host.alloc = host_alloc;
	hg_host.realloc = host_realloc;
	hg_host.free = free;
	hg_host.check_interrupts = host_check;
	hg_host.too_large = abort;
	hg_host.owner = host_owner;
	for (int i = 0; i < NODES; i++)
	{
		for (int k = 0; k < 16; k++)
			uuids[i][k] = (unsigned char) below(256);
	}
	for (HgKeyKind kind = HG_KEY_INT; kind <= HG_KEY_BYTES; kind++)
	{
		for (int cyclic = 0; cyclic <= 1; cyclic++)
		{
			run(kind, cyclic, ++number, names[kind]);
			failed += failures > 0;
		}
	}
	key_step = 1000003;
	run(HG_KEY_INT, true, ++number, "integer keys far apart");
	failed += failures > 0;
	return failed > 0;
}
