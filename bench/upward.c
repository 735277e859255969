/*-------------------------------------------------------------------------
 *
 * upward.c
 *	  How long the upward pass of a rollup takes, without a server: reads edges
 *	  (parent, child, share, is_primary; tab-separated, \N for no parent), gives
 *	  every node an amount, and prints for each mode the microseconds of every
 *	  run: for cutting out what lies above ("dag"), for one sum ("sum"), for all
 *	  that the aggregate rolls up, sum, count, least and greatest ("all"), and
 *	  for dag and all together ("whole").
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "graph/rollup.h"

#define PAGE 256				/* items handed over at a time */

/* Memory from the C library, or none and out. */
static void *
host_alloc(void *arena, size_t size)
{
	void	   *p = malloc(size > 0 ? size : 1);

	(void) arena;
	if (p == NULL)
		abort();
	return p;
}

/* As host_alloc, of what is there. */
static void *
host_realloc(void *p, size_t size)
{
	p = realloc(p, size);
	if (p == NULL)
		abort();
	return p;
}

/* Nobody interrupts this program. */
static void
host_check(void)
{
}

/* Nobody else is at work. */
static const void *
host_owner(void)
{
	return NULL;
}

/* Microseconds of a clock that only goes forward. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* The graph that stdin describes, folded. */
static HgGraph *
read_graph(void)
{
	HgGraph    *g = hg_graph_create(NULL, HG_KEY_INT,
									HG_HAS_WEIGHT | HG_HAS_PRIMARY);
	static HgItem items[PAGE];
	char		line[200];
	uint32_t	block = 0;
	int			n = 0;

	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		char	   *field[4] = {strtok(line, "\t\n")};
		HgItem	   *item = &items[n];

		for (int i = 1; i < 4; i++)
			field[i] = strtok(NULL, "\t\n");
		if (field[3] == NULL)
		{
			fprintf(stderr, "upward: a line with less than four fields\n");
			exit(1);
		}
		memset(item, 0, sizeof(*item));
		item->has_parent = strcmp(field[0], "\\N") != 0;
		item->parent.num = item->has_parent ? atoll(field[0]) : 0;
		item->child.num = atoll(field[1]);
		item->weight = atof(field[2]);
		if (strcmp(field[2], "\\N") == 0)
			item->flags |= HG_ENTRY_WEIGHT_NULL;
		if (field[3][0] == 't')
			item->flags |= HG_ENTRY_PRIMARY;
		item->tid_block = block;
		item->tid_off = (uint16_t) (n + 1);
		if (++n == PAGE)
		{
			hg_graph_load(g, block++, items, n);
			n = 0;
		}
	}
	if (n > 0)
		hg_graph_load(g, block, items, n);
	return hg_graph_fold(g, NULL);
}

/* One run of one mode; prints its lines. */
static void
run(HgView *view, const uint32_t *node, uint32_t n, HgMode mode,
	const char *name)
{
	uint32_t	cycle_node;
	double		t0 = now(),
				took,
				whole;
	HgDag	   *dag = hg_dag_build(view, node, n, mode, NULL, &cycle_node);
	HgMeasure	measure[2];
	int64_t    *least,
			   *greatest;

	if (dag == NULL)
	{
		fprintf(stderr, "upward: there is a cycle\n");
		exit(1);
	}
	whole = now() - t0;
	printf("%s\tdag\t%.1f\n", name, whole);

	memset(measure, 0, sizeof(measure));
	for (int m = 0; m < 2; m++)
	{
		measure[m].kind = HG_FIXED;
		measure[m].fixed = host_alloc(NULL, dag->n * sizeof(hg_int128));
	}
	least = host_alloc(NULL, dag->n * sizeof(int64_t));
	greatest = host_alloc(NULL, dag->n * sizeof(int64_t));
	for (int round = 0; round < 2; round++)
	{
		for (uint32_t i = 0; i < dag->n; i++)
		{
			measure[0].fixed[i] = (hg_int128) (i % 1000 + 1) *
				(mode == HG_WEIGHTED ? 10000000000 : 1);
			measure[1].fixed[i] = mode == HG_WEIGHTED ? 10000000000 : 1;
			least[i] = greatest[i] = i % 1000 + 1;
		}
		t0 = now();
		hg_rollup(dag, mode, measure, round == 0 ? 1 : 2, NULL);
		if (round == 1)
			hg_rollup_extremes64(dag, mode, least, greatest);
		took = now() - t0;
		printf("%s\t%s\t%.1f\n", name, round == 0 ? "sum" : "all", took);
		if (round == 1)
			printf("%s\twhole\t%.1f\n", name, whole + took);
	}
	for (int m = 0; m < 2; m++)
		free(measure[m].fixed);
	free(least);
	free(greatest);
	hg_dag_free(dag);
}

/* Usage: upward RUNS < edges */
int
main(int argc, char **argv)
{
	static const char *const name[] = {
		[HG_DISTINCT] = "distinct", [HG_WEIGHTED] = "weighted",
		[HG_PRIMARY] = "primary", [HG_PATHS] = "paths"
	};
	int			runs = argc > 1 ? atoi(argv[1]) : 5;
	HgGraph    *g;
	HgView		view;
	uint32_t    n;
	uint32_t   *node;

	hg_host.alloc = host_alloc;
	hg_host.realloc = host_realloc;
	hg_host.free = free;
	hg_host.check_interrupts = host_check;
	hg_host.too_large = abort;
	hg_host.owner = host_owner;

	g = read_graph();
	hg_view_init(&view, g, NULL, NULL, 0, true, NULL, NULL);
	n = hg_graph_nodes(g);
	node = host_alloc(NULL, n * sizeof(uint32_t));
	for (uint32_t i = 0; i < n; i++)
		node[i] = i;
	for (int i = 0; i < runs; i++)
		for (int mode = 0; mode < 4; mode++)
			run(&view, node, n, mode, name[mode]);
	return 0;
}
