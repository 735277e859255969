/*-------------------------------------------------------------------------
 *
 * rollup_bench.h
 *	  How long rollups take: a customer hierarchy, and the worst case for
 *	  distinct.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_ROLLUP_BENCH_H
#define TEST_ROLLUP_BENCH_H

#include <time.h>

#include "rollup_shapes.h"

#define REPEAT 5

/* Steps that are timed. */
enum
{
	STEP_DAG,
	STEP_SUM,					/* sum and count */
	STEP_EXTREMES,
	STEP_FLAGS,
	STEPS
};

static double
milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* A pseudo-random number, small ones more often. */
static uint32_t
skewed(uint32_t n)
{
	double		x = below(1000000) / 1000000.0;

	return (uint32_t) (n * x * sqrt(x));
}

/*
 * Networks, organisations, accounts; one prescriber in ten has two accounts.
 * Uneven: some hang further up as well, and some accounts below others.
 */
static void
customer_rows(Rows *r, uint32_t n, bool uneven)
{
	uint32_t	organisations = n / 10000;
	uint32_t	accounts = organisations + n / 500;
	uint32_t	prescribers = accounts + n / 20;

	r->n = r->nnodes = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		if (i < organisations)
			add_row(r, HG_NONE, i, 1);
		else if (i < accounts)
			add_row(r, skewed(organisations), i, 1);
		else if (i < prescribers)
		{
			if (uneven && i % 10 == 0)
				add_row(r, i - 1, i, 1);
			add_row(r, organisations + skewed(accounts - organisations), i, 1);
		}
		else
		{
			uint32_t	account = skewed(prescribers - accounts);

			if (uneven && i % 10 == 0)
				add_row(r, below(accounts), i, 0.6);
			else
				add_row(r, accounts + account, i, (i % 10) ? 1 : 0.6);
			if (i % 10 == 0)
			{
				add_row(r, accounts + (account + 1 + below(1000)) %
						(prescribers - accounts), i, 0.4);
				r->row[r->n - 1].primary = false;
			}
		}
	}
}

/* Layers, every second node with three parents on the one above. */
static void
layered_rows(Rows *r, uint32_t n, uint32_t depth, uint32_t parents)
{
	uint32_t	width = n / (depth + 1);

	r->n = r->nnodes = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t	layer = i / width;

		if (layer == 0)
			add_row(r, HG_NONE, i, 1);
		for (uint32_t k = 0; layer > 0 && k < ((i % 2) ? 1 : parents); k++)
			add_row(r, (layer - 1) * width + below(width), i, (i % 2) ? 1 : 1.0 / parents);
	}
}

/* Times one rollup of amounts on all nodes, which come in no order. */
static void
time_steps(Job *job, const Rows *r, HgMode mode, HgDistinctWay way,
		   const uint32_t *start, HgMeasureKind kind, int64_t factor,
		   double *took)
{
	double		before = milliseconds();
	uint32_t	cycle;
	HgDag	   *dag = hg_dag_build(&job->view, start, r->nnodes, mode,
								   &job_arena, &cycle);
	size_t		n = dag->n;
	hg_int128  *sum = malloc(n * sizeof(hg_int128));
	hg_int128  *count = malloc(n * sizeof(hg_int128));
	HgReal	   *real = malloc(n * sizeof(HgReal));
	int64_t    *low = malloc(n * sizeof(int64_t));
	int64_t    *high = malloc(n * sizeof(int64_t));
	uint8_t    *flags = malloc(n);
	HgMeasure	m[2] = {
		{kind, sum, real, NULL, NULL, false},
		{HG_FIXED, count, NULL, NULL, NULL, false}
	};

	took[STEP_DAG] = milliseconds() - before;
	dag->work->way = way;
	for (size_t i = 0; i < n; i++)
	{
		low[i] = high[i] = (int64_t) (i * 7919 % 1000000);
		sum[i] = low[i] * (hg_int128) factor;
		real[i].sum = (double) sum[i];
		real[i].rest = 0;
		count[i] = 10;
		flags[i] = HG_AMOUNT_FACTS;
	}
	before = milliseconds();
	hg_rollup(dag, mode, m, 2, &job_arena);
	took[STEP_SUM] = milliseconds() - before;
	before = milliseconds();
	hg_rollup_extremes64(dag, mode, low, high);
	took[STEP_EXTREMES] = milliseconds() - before;
	before = milliseconds();
	hg_rollup_flags(dag, mode, flags);
	took[STEP_FLAGS] = milliseconds() - before;
	hg_dag_free(dag);
	free(sum);
	free(count);
	free(real);
	free(low);
	free(high);
	free(flags);
}

/* The same several times; prints the best of each step. */
static void
bench_line(const char *name, Job *job, const Rows *r, HgMode mode,
		   HgDistinctWay way, const uint32_t *start, HgMeasureKind kind,
		   int64_t factor)
{
	double		best[STEPS];
	double		sum = 0;

	job_arena.peak = 0;
	for (int i = 0; i < REPEAT; i++)
	{
		double		took[STEPS];

		time_steps(job, r, mode, way, start, kind, factor, took);
		for (int s = 0; s < STEPS; s++)
		{
			if (i == 0 || took[s] < best[s])
				best[s] = took[s];
		}
	}
	for (int s = 0; s < STEPS; s++)
		sum += best[s];
	printf("%-34s dag %6.1f  sum+count %7.1f  extremes %5.1f  flags %4.1f  all %7.1f ms, %4zu MB\n",
		   name, best[STEP_DAG], best[STEP_SUM], best[STEP_EXTREMES],
		   best[STEP_FLAGS], sum, job_arena.peak >> 20);
	fflush(stdout);
}

/* All start nodes of a graph, shuffled. */
static uint32_t *
shuffled(const Job *job, const Rows *r)
{
	uint32_t   *start = malloc(r->nnodes * sizeof(uint32_t));

	memcpy(start, job->node, r->nnodes * sizeof(uint32_t));
	for (uint32_t i = r->nnodes - 1; i > 0; i--)
	{
		uint32_t	k = below(i + 1);
		uint32_t	swap = start[i];

		start[i] = start[k];
		start[k] = swap;
	}
	return start;
}

/* Few facts in a large graph: the average of many small dags. */
static void
bench_sparse(Job *job, const uint32_t *start)
{
	double		before = milliseconds();
	uint32_t	cycle;
	uint32_t	n = 0;

	for (uint32_t i = 0; i < 1000; i++)
	{
		HgDag	   *dag = hg_dag_build(&job->view, start + i * 50, 50,
									   HG_DISTINCT, &job_arena, &cycle);

		n += dag->n;
		hg_dag_free(dag);
	}
	printf("%-34s dag %6.3f ms, %u nodes\n", "50 facts",
		   (milliseconds() - before) / 1000, n / 1000);
}

/* Some graphs of one kind. */
static void
bench_graph(const char *name, Rows *r, bool ways)
{
	const char *modes[] = {"distinct", "weighted", "primary", "paths"};
	char		label[80];
	uint32_t   *start;
	Job			job;

	open_rows(&job, r, r->n);
	start = shuffled(&job, r);
	printf("%s: %u nodes, %u rows\n", name, r->nnodes, r->n);
	for (HgMode mode = HG_DISTINCT; mode <= HG_PATHS; mode++)
		bench_line(modes[mode], &job, r, mode, HG_DISTINCT_AUTO, start, HG_FIXED, 1);
	bench_line("distinct, 128 bits", &job, r, HG_DISTINCT, HG_DISTINCT_AUTO,
			   start, HG_FIXED, INT64_C(1000000000000000));
	bench_line("distinct, double", &job, r, HG_DISTINCT, HG_DISTINCT_AUTO,
			   start, HG_REAL, 1);
	for (HgDistinctWay way = HG_DISTINCT_WALK; ways && way <= HG_DISTINCT_MASKS; way++)
	{
		snprintf(label, sizeof(label), "distinct by %s",
				 (way == HG_DISTINCT_WALK) ? "walk" : "masks");
		bench_line(label, &job, r, HG_DISTINCT, way, start, HG_FIXED, 1);
		strcat(label, ", double");
		bench_line(label, &job, r, HG_DISTINCT, way, start, HG_REAL, 1);
	}
	if (r->nnodes > 500000)
		bench_sparse(&job, start);
	free(start);
	close_rows(&job);
}

/* All of them, or the one called so. */
static void
bench(const char *only)
{
	Rows		r = {NULL, 0, 0, 0};

	if (only == NULL || strcmp(only, "customers") == 0)
	{
		customer_rows(&r, 1000000, false);
		bench_graph("customers", &r, true);
	}
	if (only == NULL || strcmp(only, "uneven") == 0)
	{
		customer_rows(&r, 1000000, true);
		bench_graph("uneven", &r, false);
	}
	if (only == NULL || strcmp(only, "worst") == 0)
	{
		layered_rows(&r, 100000, 30, 3);
		bench_graph("worst", &r, true);
	}
	if (only == NULL || strcmp(only, "flat") == 0)
	{
		layered_rows(&r, 100000, 6, 2);
		bench_graph("flat", &r, true);
	}
	if (only == NULL || strcmp(only, "small") == 0)
	{
		layered_rows(&r, 20000, 12, 3);
		bench_graph("small", &r, true);
	}
	if (only == NULL || strcmp(only, "random") == 0)
	{
		random_rows(&r, 1000000, 1000000, 4, 3);
		bench_graph("random", &r, true);
	}
	if (only == NULL || strcmp(only, "long") == 0)
	{
		random_rows(&r, 300000, 3000, 20, 2);
		bench_graph("long", &r, true);
	}
	free(r.row);
}

#endif							/* TEST_ROLLUP_BENCH_H */
