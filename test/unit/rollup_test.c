/*-------------------------------------------------------------------------
 *
 * rollup_test.c
 *	  Rollups against a model that adds facts up the obvious way, on random
 *	  small graphs with everything in them; then properties that must hold, and
 *	  shapes that hurt.
 *
 *	  Prints TAP.  The seed is the first argument, or 1.  With "bench" as first
 *	  argument it prints milliseconds instead, of all graphs or the one named.
 *
 *-------------------------------------------------------------------------
 */
#include "rollup_bench.h"
#include "rollup_model.h"
#include "rollup_shares.h"

#define ROUNDS	2000

/* ---- the host's amounts: pointers to integers ---- */

static long cells;

static void *
cell_add(void *arg, void *a, const void *b)
{
	hg_int128  *to = a;

	(void) arg;
	if (to == NULL)
	{
		to = malloc(sizeof(hg_int128));
		*to = 0;
		cells++;
	}
	*to += *(const hg_int128 *) b;
	return to;
}

static void *
cell_subtract(void *arg, void *a, const void *b)
{
	hg_int128	minus = -*(const hg_int128 *) b;

	return cell_add(arg, a, &minus);
}

static void *
cell_share(void *arg, const void *a, int64_t weight, int digits)
{
	hg_int128	part = round_share(*(const hg_int128 *) a, weight);

	check(digits == 15, "digits of shares", -1);
	return (part == 0) ? NULL : cell_add(arg, NULL, &part);
}

static void
cell_free(void *arg, void *a)
{
	(void) arg;
	free(a);
	cells--;
}

static const HgOpaqueOps cell_ops = {NULL, cell_add, cell_subtract, cell_share, cell_free};

static int
cell_compare(void *arg, const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	(void) arg;
	return (x > y) - (x < y);
}

/* Are two doubles the same but for rounding? */
static bool
close_to(long double a, long double b, double size)
{
	return fabsl(a - b) <= size * 1e-15L;
}

/* ---- comparing ---- */

static uint32_t graph_node[NODES];	/* HG_NONE: does not exist */

/* Compares the members of the dag, its edges and what it says of weights. */
static void
compare_dag(const Model *m, const HgDag *dag, long round)
{
	uint32_t	nmembers = 0;

	for (uint32_t a = 0; a < NODES; a++)
	{
		uint32_t	local;

		nmembers += m->member[a];
		if (graph_node[a] == HG_NONE)
			continue;
		local = hg_dag_local(dag, graph_node[a]);
		check((local != HG_NONE) == m->member[a], "membership", round);
		if (local == HG_NONE || !m->member[a])
			continue;
		for (uint32_t b = 0; b < NODES; b++)
		{
			if (m->member[b] && graph_node[b] != HG_NONE)
				check((hg_dag_local(dag, graph_node[b]) == local) ==
					  (m->below[a][b] && m->below[b][a]), "component", round);
		}
		for (uint32_t e = dag->up_start[local]; e < dag->up_start[local + 1]; e++)
			check(dag->up[e] < local, "order", round);
		if (!m->cyclic)
		{
			uint32_t	e = dag->up_start[local];
			bool		root = true;

			for (uint32_t p = 0; p < NODES; p++)
				root &= !m->edge[p][a];
			check(dag->is_root[local] == root, "root", round);
			for (uint32_t k = e; k + 1 < dag->up_start[local + 1]; k++)
			{
				HgKey		x,
							y;

				x.num = y.num = 0;
				for (uint32_t p = 0; p < NODES; p++)
				{
					if (graph_node[p] == dag->member[dag->up[k]])
						x.num = key_of(p);
					if (graph_node[p] == dag->member[dag->up[k + 1]])
						y.num = key_of(p);
				}
				check(x.num < y.num, "order of parents", round);
			}
		}
		else
		{
			bool		outside = false;

			for (uint32_t p = 0; p < NODES; p++)
				outside |= m->below[p][a] && !m->below[a][p];
			check(dag->is_root[local] == !outside, "root component", round);
		}
	}
	check(dag->nmembers == nmembers, "number of members", round);
	for (uint32_t i = 0; i < dag->nmembers; i++)
	{
		for (uint32_t a = 0; a < NODES; a++)
		{
			if (graph_node[a] == dag->member[i])
				check(dag->depth[i] == m->depth[a], "depth", round);
		}
	}
	if (m->mode == HG_WEIGHTED)
	{
		check(dag->nunstated == m->nunstated, "unstated rows", round);
		check(dag->out_of_range == m->out_of_range, "weight out of range", round);
	}
}

/* Rolls everything up and compares. */
static void
compare_totals(const Model *m, HgDag *dag, HgDistinctWay way, long round)
{
	hg_int128	fixed[NODES] = {0},
				large[NODES] = {0},
				least[NODES],
				greatest[NODES];
	HgReal		real[NODES] = {{0, 0}};
	void	   *opaque[NODES] = {NULL};
	int64_t		low[NODES],
				high[NODES],
				own_low[NODES],
				own_high[NODES];
	const void *low_cell[NODES] = {NULL},
			   *high_cell[NODES] = {NULL};
	uint8_t		flags[NODES] = {0};
	double		size = 0;
	HgMeasure	measures[4] = {
		{HG_FIXED, fixed, NULL, NULL, NULL, false},
		{HG_REAL, NULL, real, NULL, NULL, false},
		{HG_OPAQUE, NULL, NULL, opaque, &cell_ops, false},
		{HG_FIXED, large, NULL, NULL, NULL, false}
	};

	for (int i = 0; i < NODES; i++)
	{
		low[i] = own_low[i] = INT64_MAX;
		high[i] = own_high[i] = INT64_MIN;
		least[i] = HG_NO_MIN;
		greatest[i] = HG_NO_MAX;
	}
	cells = 0;
	for (uint32_t a = 0; a < NODES; a++)
	{
		uint32_t	i;

		if (!m->fact[a])
			continue;
		i = hg_dag_local(dag, graph_node[a]);
		fixed[i] += m->own[a];
		large[i] += m->own[a] * UNIT;
		hg_real_add(&real[i], m->own_real[a]);
		size += fabs(m->own_real[a]) * ((m->mode == HG_PATHS) ? 100 : 1);
		opaque[i] = cell_add(NULL, opaque[i], &m->own[a]);
		flags[i] |= m->flags[a];
		if (m->low[a] < low[i])
			least[i] = low[i] = own_low[i] = m->low[a];
		if (m->high[a] > high[i])
			greatest[i] = high[i] = own_high[i] = m->high[a];
		low_cell[i] = &own_low[i];
		high_cell[i] = &own_high[i];
	}
	dag->work->way = way;
	hg_rollup(dag, m->mode, measures, 4, &job_arena);
	hg_rollup_extremes64(dag, m->mode, low, high);
	hg_rollup_extremes(dag, m->mode, least, greatest);
	hg_rollup_extremes_opaque(dag, m->mode, cell_compare, NULL, low_cell, high_cell);
	hg_rollup_flags(dag, m->mode, flags);
	check(!measures[0].overflow && !measures[3].overflow, "overflow", round);
	for (uint32_t a = 0; a < NODES; a++)
	{
		uint32_t	i;

		if (!m->member[a])
			continue;
		i = hg_dag_local(dag, graph_node[a]);
		check(fixed[i] == m->total[a], "fixed total", round);
		/* times a whole power of ten, weighted loses nothing to rounding */
		if (m->mode != HG_WEIGHTED)
			check(large[i] == m->total[a] * UNIT, "large total", round);
		else
			check(fabsl((long double) large[i] / UNIT - (long double) m->total[a]) < NODES,
				  "large total", round);
		check(close_to((long double) real[i].sum + real[i].rest,
					   m->total_real[a], size), "real total", round);
		check((opaque[i] ? *(hg_int128 *) opaque[i] : 0) == m->total[a],
			  "opaque total", round);
		check(low[i] == m->total_low[a] && high[i] == m->total_high[a],
			  "64-bit extremes", round);
		check(least[i] == ((low[i] == INT64_MAX) ? HG_NO_MIN : low[i]) &&
			  greatest[i] == ((high[i] == INT64_MIN) ? HG_NO_MAX : high[i]),
			  "extremes", round);
		check((low_cell[i] ? *(const int64_t *) low_cell[i] : INT64_MAX) == low[i] &&
			  (high_cell[i] ? *(const int64_t *) high_cell[i] : INT64_MIN) == high[i],
			  "opaque extremes", round);
		check(flags[i] == m->total_flags[a], "flags", round);
	}
	for (uint32_t i = 0; i < dag->n; i++)
	{
		if (opaque[i] != NULL)
			cell_free(NULL, opaque[i]);
	}
	check(cells == 0, "number of cells left", round);
}

/* Random facts on some of the nodes that exist. */
static uint32_t
random_facts(Model *m, uint32_t *start)
{
	uint32_t	n = 0;

	for (int a = 0; a < NODES; a++)
	{
		m->fact[a] = graph_node[a] != HG_NONE && below(3) != 0;
		m->own[a] = 0;
		m->own_real[a] = 0;
		m->low[a] = INT64_MAX;
		m->high[a] = INT64_MIN;
		m->flags[a] = 0;
		if (!m->fact[a])
			continue;
		start[n++] = graph_node[a];
		if (below(5) == 0)
			start[n++] = graph_node[a];
		m->own[a] = (hg_int128) below(2000000000) - 1000000000;
		if (below(3) == 0)
			m->own[a] *= below(100000);
		m->own_real[a] = (double) (int64_t) m->own[a] / 7;
		m->low[a] = (int64_t) below(1000) - 500;
		m->high[a] = m->low[a] + below(100);
		m->flags[a] = HG_AMOUNT_FACTS;
		if (below(6) == 0)
			m->flags[a] |= (uint8_t) (1 << (1 + below(3)));
	}
	return n;
}

/* One random graph, every mode and way. */
static void
model_round(HgKeyKind kind, bool cyclic, long round)
{
	bool		all_visible = below(3) == 0;
	HgGraph    *g;
	HgView		view;
	Model		m;
	uint32_t	start[2 * NODES];
	uint32_t	n;
	size_t		pooled = 0;

	memset(&m, 0, sizeof(m));
	nrows = 1 + below(ROWS);
	for (uint32_t i = 0; i < nrows; i++)
		rows[i] = random_row(cyclic);
	g = make_graph(kind, rows, nrows, below(4) == 0 ? nrows : below(nrows + 1));
	m.filter.by_day = below(2);
	m.filter.day = (int32_t) below(DAYS);
	hg_view_init(&view, g, &m.filter, NULL, 0, all_visible,
				 all_visible ? NULL : row_visible, NULL);
	for (uint32_t a = 0; a < NODES; a++)
	{
		unsigned char room[16];
		HgKey		key = make_key(kind, a, room);

		graph_node[a] = hg_view_lookup(&view, &key);
	}
	n = random_facts(&m, start);
	for (m.mode = HG_DISTINCT; m.mode <= HG_PATHS; m.mode++)
	{
		model_edges(&m, all_visible);
		if (!m.cyclic || m.mode == HG_DISTINCT || m.mode == HG_PRIMARY)
			model_totals(&m);
		for (HgCutWay way = HG_CUT_AUTO; way <= HG_CUT_FULL; way++)
		{
			uint32_t	on_cycle = HG_NONE;
			HgDag	   *dag = hg_dag_cut(&view, start, n, m.mode, way,
										 &job_arena, &on_cycle);

			if (m.cyclic && m.mode != HG_DISTINCT && m.mode != HG_PRIMARY)
			{
				bool		good = false;

				for (int a = 0; a < NODES; a++)
				{
					for (int b = 0; b < NODES && graph_node[a] == on_cycle; b++)
						good |= m.below[a][b] && m.member[b] && m.edge[b][b];
					for (int b = 0; b < NODES && graph_node[a] == on_cycle; b++)
					{
						for (int c = 0; c < NODES; c++)
							good |= b != c && m.below[a][b] && m.member[b] &&
								m.below[b][c] && m.below[c][b];
					}
				}
				check(dag == NULL && good, "cycle", round);
				continue;
			}
			if (dag == NULL)
			{
				check(false, "dag", round);
				continue;
			}
			if (pooled == 0)
				pooled = hg_graph_bytes(g);
			compare_dag(&m, dag, round);
			compare_totals(&m, dag, HG_DISTINCT_WALK, round);
			compare_totals(&m, dag, HG_DISTINCT_MASKS, round);
			hg_dag_free(dag);
		}
	}
	check(job_arena.bytes == 0, "memory left behind", round);
	check(pooled == 0 || hg_graph_bytes(g) == pooled, "memory in the pool", round);
	arena_reset(&job_arena);
	arena_reset(&graph_arena);
}

/* Random small graphs with keys of one kind. */
static void
model_rounds(HgKeyKind kind, bool cyclic)
{
	for (long round = 0; round < ROUNDS; round++)
		model_round(kind, cyclic, round);
}

/* Prints the result of a test. */
static int
report(int number, const char *name)
{
	int			failed = failures > 0;

	printf("%sok %d - %s\n", failed ? "not " : "", number, name);
	failures = 0;
	return failed;
}

int
main(int argc, char **argv)
{
	const char *names[] = {"integer keys", "uuid keys", "text keys"};
	int			failed = 0;
	int			number = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	host_init();
	seed = UINT64_C(0x9e3779b97f4a7c15) | 1;
	if (argc > 1 && strcmp(argv[1], "bench") == 0)
	{
		bench(argc > 2 ? argv[2] : NULL);
		return 0;
	}
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10) * seed | 1;
	printf("# seed %s\n1..13\n", argc > 1 ? argv[1] : "1");
	for (HgKeyKind kind = HG_KEY_INT; kind <= HG_KEY_BYTES; kind++)
	{
		model_rounds(kind, false);
		failed += report(++number, names[kind]);
	}
	model_rounds(HG_KEY_INT, true);
	failed += report(++number, "cycles");
	test_large();
	failed += report(++number, "walks and masks agree on larger graphs");
	test_redundant();
	failed += report(++number, "a redundant path changes no distinct total");
	test_even_shares();
	failed += report(++number, "shares that sum to 1 lose nothing");
	test_rounding();
	test_large_amounts();
	test_full_shares();
	test_many_parents();
	failed += report(++number, "rounding of shares");
	test_overflow();
	failed += report(++number, "overflow");
	test_reals();
	failed += report(++number, "compensated sums");
	test_shapes();
	failed += report(++number, "wide and deep");
	test_interrupts();
	failed += report(++number, "interrupts");
	test_weights();
	failed += report(++number, "weights out of range");
	return failed > 0;
}
