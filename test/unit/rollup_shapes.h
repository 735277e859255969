/*-------------------------------------------------------------------------
 *
 * rollup_shapes.h
 *	  Rollups of graphs that are larger, or built to hurt; and how long they
 *	  take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_ROLLUP_SHAPES_H
#define TEST_ROLLUP_SHAPES_H

#include <math.h>
#include <time.h>

#include "host.h"

/* Rows of a graph in the making. */
typedef struct Rows
{
	Row		   *row;
	uint32_t	n;
	uint32_t	size;
	uint32_t	nnodes;
} Rows;

static void
add_row(Rows *r, uint32_t parent, uint32_t child, double weight)
{
	Row			row;

	memset(&row, 0, sizeof(row));
	row.parent = parent;
	row.child = child;
	row.weight = weight;
	row.primary = row.visible = true;
	row.to = 1;
	if (r->n == r->size)
	{
		r->size = r->size * 2 + 64;
		r->row = realloc(r->row, r->size * sizeof(Row));
	}
	r->row[r->n++] = row;
	if (child >= r->nnodes)
		r->nnodes = child + 1;
}

/* A rollup of one amount a node. */
typedef struct Job
{
	HgGraph    *g;
	HgView		view;
	uint32_t   *node;			/* graph node, by number in the rows */
	HgDag	   *dag;
	hg_int128  *total;			/* by local node */
	bool		overflow;
} Job;

/* Opens the graph that the rows describe. */
static void
open_rows(Job *job, const Rows *r, uint32_t folded)
{
	memset(job, 0, sizeof(*job));
	job->g = make_graph(HG_KEY_INT, r->row, r->n, folded);
	hg_view_init(&job->view, job->g, NULL, NULL, 0, true, NULL, NULL);
	job->node = malloc((r->nnodes + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < r->nnodes; i++)
	{
		unsigned char room[16];
		HgKey		key = make_key(HG_KEY_INT, i, room);

		job->node[i] = hg_graph_lookup(job->g, &key);
	}
}

/* Rolls own amounts up, by number in the rows. */
static void
roll_up(Job *job, const Rows *r, HgMode mode, HgDistinctWay way,
		const hg_int128 *own)
{
	uint32_t	cycle;
	HgMeasure	m = {HG_FIXED, NULL, NULL, NULL, NULL, false};

	job->dag = hg_dag_build(&job->view, job->node, r->nnodes, mode, &job_arena,
							&cycle);
	job->dag->work->way = way;
	job->total = malloc(((size_t) job->dag->n + 1) * sizeof(hg_int128));
	memset(job->total, 0, job->dag->n * sizeof(hg_int128));
	for (uint32_t i = 0; i < r->nnodes; i++)
		job->total[hg_dag_local(job->dag, job->node[i])] += own[i];
	m.fixed = job->total;
	hg_rollup(job->dag, mode, &m, 1, &job_arena);
	job->overflow = m.overflow;
}

static hg_int128
total_of(const Job *job, uint32_t i)
{
	return job->total[hg_dag_local(job->dag, job->node[i])];
}

static void
end_rollup(Job *job)
{
	hg_dag_free(job->dag);
	free(job->total);
	check(job_arena.bytes == 0, "memory left behind", -1);
}

static void
close_rows(Job *job)
{
	free(job->node);
	arena_reset(&graph_arena);
	arena_reset(&job_arena);
}

/* A random graph in which a node's parents have smaller numbers and are not
 * far; one in "every" has several. */
static void
random_rows(Rows *r, uint32_t n, uint32_t far, uint32_t every, uint32_t most)
{
	r->n = r->nnodes = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t	from = (i < far) ? 0 : i - far;
		uint32_t	k = (below(every) == 0) ? 2 + below(most - 1) : 1;

		if (i < 3 || below(200) == 0)
		{
			add_row(r, HG_NONE, i, 1);
			continue;
		}
		while (k-- > 0)
			add_row(r, from + below(i - from), i, 1);
	}
}

static hg_int128 *
random_amounts(uint32_t n, int64_t factor)
{
	hg_int128  *own = malloc(n * sizeof(hg_int128));

	for (uint32_t i = 0; i < n; i++)
		own[i] = ((hg_int128) below(2000001) - 1000000) * factor;
	return own;
}

/* Totals of the rows in distinct mode, the slow way. */
static void
plain_totals(const Rows *r, const hg_int128 *own, hg_int128 *total)
{
	uint32_t   *first = malloc(r->nnodes * sizeof(uint32_t));
	uint32_t   *next = malloc(r->n * sizeof(uint32_t));
	uint32_t   *seen = malloc(r->nnodes * sizeof(uint32_t));
	uint32_t   *queue = malloc(r->nnodes * sizeof(uint32_t));

	memset(first, 0xff, r->nnodes * sizeof(uint32_t));
	memset(seen, 0xff, r->nnodes * sizeof(uint32_t));
	memset(total, 0, r->nnodes * sizeof(hg_int128));
	for (uint32_t e = 0; e < r->n; e++)
	{
		next[e] = first[r->row[e].child];
		first[r->row[e].child] = e;
	}
	for (uint32_t i = 0; i < r->nnodes; i++)
	{
		uint32_t	tail = 0;

		queue[tail++] = i;
		seen[i] = i;
		for (uint32_t head = 0; head < tail; head++)
		{
			total[queue[head]] += own[i];
			for (uint32_t e = first[queue[head]]; e != HG_NONE; e = next[e])
			{
				uint32_t	p = r->row[e].parent;

				if (p != HG_NONE && seen[p] != i)
				{
					seen[p] = i;
					queue[tail++] = p;
				}
			}
		}
	}
	free(first);
	free(next);
	free(seen);
	free(queue);
}

/* Both ways of distinct on graphs with more tops than a batch of masks has;
 * amounts of 64 bits and beyond; the overlay too. */
static void
test_large(void)
{
	Rows		r = {NULL, 0, 0, 0};

	for (int round = 0; round < 24; round++)
	{
		Job			job;
		uint32_t	n = 600 + below(1500);
		hg_int128  *own,
				   *total;

		random_rows(&r, n, 1 + below(n), 1 + below(8), 5);
		own = random_amounts(n, (round % 2) ? 1 : INT64_C(4000000000000000000));
		total = malloc(n * sizeof(hg_int128));
		plain_totals(&r, own, total);
		open_rows(&job, &r, (round % 3) ? r.n : r.n / 2);
		for (HgDistinctWay way = HG_DISTINCT_AUTO; way <= HG_DISTINCT_MASKS; way++)
		{
			roll_up(&job, &r, HG_DISTINCT, way, own);
			check(!job.overflow, "overflow", round);
			for (uint32_t i = 0; i < n; i++)
				check(total_of(&job, i) == total[i], "total", round);
			end_rollup(&job);
		}
		close_rows(&job);
		free(own);
		free(total);
	}
	free(r.row);
}

/* An edge to somebody who is above already changes nothing. */
static void
test_redundant(void)
{
	Rows		r = {NULL, 0, 0, 0};

	for (int round = 0; round < 20; round++)
	{
		uint32_t	n = 300;
		hg_int128  *own;
		hg_int128  *before = malloc(n * sizeof(hg_int128));
		Job			job;

		random_rows(&r, n, 40, 3, 3);
		own = random_amounts(n, 1);
		open_rows(&job, &r, r.n);
		roll_up(&job, &r, HG_DISTINCT, HG_DISTINCT_AUTO, own);
		for (uint32_t i = 0; i < n; i++)
			before[i] = total_of(&job, i);
		end_rollup(&job);
		close_rows(&job);

		/* a few steps up from a node, and straight there */
		for (int k = 0; k < 50; k++)
		{
			uint32_t	start = below(n);
			uint32_t	at = start;

			for (uint32_t steps = 1 + below(4); steps > 0; steps--)
			{
				uint32_t	e = below(r.n);

				for (uint32_t tries = 0; tries < r.n && r.row[e].child != at; tries++)
					e = (e + 1) % r.n;
				if (r.row[e].child == at && r.row[e].parent != HG_NONE)
					at = r.row[e].parent;
			}
			if (at != start)
				add_row(&r, at, start, 1);
		}
		open_rows(&job, &r, r.n - 25);
		roll_up(&job, &r, HG_DISTINCT, HG_DISTINCT_AUTO, own);
		for (uint32_t i = 0; i < n; i++)
			check(total_of(&job, i) == before[i], "total", round);
		end_rollup(&job);
		close_rows(&job);
		free(own);
		free(before);
	}
	free(r.row);
}

/* Totals beyond 128 bits are noticed; those that just fit are right. */
static void
test_overflow(void)
{
	Rows		r = {NULL, 0, 0, 0};
	const hg_int128 half = HG_INT128_MAX / 2;

	for (HgMode mode = HG_DISTINCT; mode <= HG_PATHS; mode++)
	{
		for (int shape = 0; shape < 2; shape++)
		{
			for (HgDistinctWay way = HG_DISTINCT_WALK; way <= HG_DISTINCT_MASKS; way++)
			{
				hg_int128	own[5] = {0, 0, 0, half, half};
				Job			job;

				/* a tree; a diamond */
				r.n = r.nnodes = 0;
				add_row(&r, 0, 1, 1);
				add_row(&r, 0, 2, 1);
				add_row(&r, 1, 3, 1);
				add_row(&r, 2, 4, 1);
				if (shape == 1)
				{
					add_row(&r, 2, 3, 0.5);
					r.row[2].weight = 0.5;
				}
				open_rows(&job, &r, r.n);
				roll_up(&job, &r, mode, way, own);
				if (shape == 0 || mode == HG_WEIGHTED)
					check(!job.overflow && total_of(&job, 0) == half + half,
						  "total that just fits", shape);
				if (shape == 1 && mode == HG_PATHS)
					check(job.overflow, "overflow by paths", shape);
				end_rollup(&job);
				own[3] += 2;
				roll_up(&job, &r, mode, way, own);
				check(job.overflow, "overflow", shape);
				end_rollup(&job);
				own[3] = -own[3];
				own[4] = -own[4] - 2;
				roll_up(&job, &r, mode, way, own);
				check(job.overflow, "overflow downward", shape);
				end_rollup(&job);
				close_rows(&job);
			}
		}
	}
	/* a share beyond 1 of what barely fits */
	{
		hg_int128	own[2] = {0, HG_INT128_MAX};
		Job			job;

		r.n = r.nnodes = 0;
		add_row(&r, 0, 1, 1.5);
		open_rows(&job, &r, r.n);
		roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);
		check(job.overflow, "overflow by a share", 0);
		end_rollup(&job);
		own[1] = HG_INT128_MAX / 3 * 2 - 4;
		roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);
		check(!job.overflow && total_of(&job, 0) == own[1] / 2 * 3,
			  "large share", 0);
		end_rollup(&job);
		close_rows(&job);
		r.row[0].weight = 1e9;
		open_rows(&job, &r, r.n);
		own[1] = HG_INT128_MAX / 3;
		roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);
		check(job.overflow, "overflow by a large share", 0);
		end_rollup(&job);
		close_rows(&job);
	}
	free(r.row);
}

/* Doubles of very different size add up without loss. */
static void
test_reals(void)
{
	Rows		r = {NULL, 0, 0, 0};
	Job			job;
	uint32_t	cycle;

	random_rows(&r, 3000, 100, 4, 3);
	open_rows(&job, &r, r.n);
	for (HgDistinctWay way = HG_DISTINCT_WALK; way <= HG_DISTINCT_MASKS; way++)
	{
		HgReal	   *real = calloc(r.nnodes, sizeof(HgReal));
		hg_int128  *exact = malloc(r.nnodes * sizeof(hg_int128));
		HgMeasure	m[2] = {
			{HG_REAL, NULL, real, NULL, NULL, false},
			{HG_FIXED, exact, NULL, NULL, NULL, false}
		};

		job.dag = hg_dag_build(&job.view, job.node, r.nnodes, HG_DISTINCT,
							   &job_arena, &cycle);
		job.dag->work->way = way;
		for (uint32_t i = 0; i < job.dag->n; i++)
		{
			int64_t		v = (int64_t) below(2000001) - 1000000;

			/* what a plain sum of doubles would drop */
			exact[i] = (i % 3 == 0) ? (hg_int128) v * (INT64_C(1) << 60) : v;
			real[i].sum = (double) exact[i];
		}
		hg_rollup(job.dag, HG_DISTINCT, m, 2, &job_arena);
		for (uint32_t i = 0; i < job.dag->n; i++)
			check((hg_int128) real[i].sum + (hg_int128) real[i].rest == exact[i],
				  "sum of doubles", way);
		hg_dag_free(job.dag);
		free(real);
		free(exact);
	}
	close_rows(&job);

	/* what was lost is shared out too, and what the product loses */
	r.n = r.nnodes = 0;
	add_row(&r, 0, 1, 0.25);
	add_row(&r, 1, 2, 0.1);
	open_rows(&job, &r, r.n);
	job.dag = hg_dag_build(&job.view, job.node, r.nnodes, HG_WEIGHTED,
						   &job_arena, &cycle);
	{
		HgReal		real[3] = {{0, 0}, {0, 0}, {0x1p60, 1.0 / 64}};
		HgMeasure	m = {HG_REAL, NULL, real, NULL, NULL, false};

		hg_rollup(job.dag, HG_WEIGHTED, &m, 1, &job_arena);
		check((real[1].sum - 0x1p60 * 0.1) + real[1].rest ==
			  fma(0x1p60, 0.1, -(0x1p60 * 0.1)) + 0.1 / 64 &&
			  real[0].sum == real[1].sum / 4 && real[0].rest == real[1].rest / 4,
			  "share of a compensated sum", 0);
	}
	hg_dag_free(job.dag);
	close_rows(&job);
	free(r.row);
}

/* A thousand times what a test of all rows against all would stand. */
static void
test_shapes(void)
{
	enum
	{
		WIDE = 100000,
		DEEP = 1000000
	};
	Rows		r = {NULL, 0, 0, 0};
	Job			job;
	hg_int128  *own = malloc((DEEP + 10) * sizeof(hg_int128));

	for (uint32_t i = 0; i < DEEP + 10; i++)
		own[i] = 1;

	/* a node with many children, below a node with many parents */
	for (uint32_t i = 1; i <= WIDE; i++)
	{
		add_row(&r, i, 0, 1);
		add_row(&r, 0, WIDE + i, 1);
	}
	open_rows(&job, &r, r.n);
	for (HgMode mode = HG_DISTINCT; mode <= HG_PATHS; mode++)
	{
		hg_int128	sum = 0;

		roll_up(&job, &r, mode, HG_DISTINCT_AUTO, own);
		check(total_of(&job, 0) == WIDE + 1, "many children", mode);
		for (uint32_t i = 1; i <= WIDE; i++)
			sum += total_of(&job, i);
		check(sum == (hg_int128) WIDE * (WIDE + 2), "many parents", mode);
		end_rollup(&job);
	}
	close_rows(&job);

	/* a chain, at the bottom nodes with two parents */
	r.n = r.nnodes = 0;
	for (uint32_t i = 1; i < DEEP; i++)
		add_row(&r, i - 1, i, 1);
	for (uint32_t i = DEEP - 1000; i < DEEP; i++)
		add_row(&r, i - 500, i, 1);
	open_rows(&job, &r, r.n);
	for (HgDistinctWay way = HG_DISTINCT_AUTO; way <= HG_DISTINCT_MASKS; way++)
	{
		roll_up(&job, &r, HG_DISTINCT, way, own);
		for (uint32_t i = 0; i < DEEP; i += 997)
			check(total_of(&job, i) == DEEP - i, "long chain", way);
		check(job.dag->depth[job.dag->n - 1] == DEEP - 999, "depth", way);
		end_rollup(&job);
	}
	close_rows(&job);

	/* a ring, with a tail and a node that is its own parent */
	r.n = r.nnodes = 0;
	for (uint32_t i = 0; i < WIDE; i++)
		add_row(&r, i, (i + 1) % WIDE, 1);
	add_row(&r, WIDE - 1, WIDE, 1);
	add_row(&r, WIDE, WIDE, 1);
	add_row(&r, HG_NONE, WIDE + 1, 1);
	add_row(&r, WIDE + 1, 5, 1);
	open_rows(&job, &r, r.n / 2);
	roll_up(&job, &r, HG_DISTINCT, HG_DISTINCT_AUTO, own);
	check(job.dag->n == 3 && total_of(&job, 7) == WIDE + 1 &&
		  total_of(&job, WIDE) == 1 && total_of(&job, WIDE + 1) == WIDE + 2,
		  "ring", 0);
	end_rollup(&job);
	close_rows(&job);
	free(own);
	free(r.row);
}

/* Wherever it is interrupted, the next one works. */
static void
test_interrupts(void)
{
	Rows		r = {NULL, 0, 0, 0};
	Job			job;
	hg_int128  *own;
	hg_int128  *total;
	static volatile long calls;

	random_rows(&r, 3000, 60, 3, 4);
	own = random_amounts(r.nnodes, 1);
	total = malloc(r.nnodes * sizeof(hg_int128));
	plain_totals(&r, own, total);
	open_rows(&job, &r, r.n);
	for (HgDistinctWay way = HG_DISTINCT_WALK; way <= HG_DISTINCT_MASKS; way++)
	{
		for (calls = 1; calls < 60; calls++)
		{
			job.total = NULL;
			if (setjmp(interrupted) == 0)
			{
				calls_left = calls;
				roll_up(&job, &r, HG_DISTINCT, way, own);
				calls_left = -1;
				end_rollup(&job);
				continue;
			}
			arena_reset(&job_arena);
			hg_scratch_reclaim(job.g, host_owner());
			free(job.total);
			roll_up(&job, &r, HG_DISTINCT, way, own);
			for (uint32_t i = 0; i < r.nnodes; i++)
				check(total_of(&job, i) == total[i], "total", calls);
			end_rollup(&job);
		}
	}
	close_rows(&job);
	free(own);
	free(total);
	free(r.row);
}

#endif							/* TEST_ROLLUP_SHAPES_H */
