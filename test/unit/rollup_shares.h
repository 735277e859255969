/*-------------------------------------------------------------------------
 *
 * rollup_shares.h
 *	  Weighted rollups: what parents get, to the last unit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_ROLLUP_SHARES_H
#define TEST_ROLLUP_SHARES_H

#include "rollup_shapes.h"

/* Shares of 1/k each, or in other proportions: roots add up to everything,
 * and every node is its own amount and what its children hand on. */
static void
test_even_shares(void)
{
	Rows		r = {NULL, 0, 0, 0};

	for (int round = 0; round < 60; round++)
	{
		uint32_t	n = 200 + below(400);
		hg_int128  *own;
		hg_int128	all = 0,
					roots = 0;
		Job			job;

		r.n = r.nnodes = 0;
		for (uint32_t i = 0; i < n; i++)
		{
			uint32_t	k = 1 + below(9);
			uint32_t	at = below(7);
			uint32_t	sum = 0;
			uint32_t	part[9];

			if (i < 30)
			{
				add_row(&r, HG_NONE, i, 1);
				continue;
			}
			for (uint32_t j = 0; j < k; j++)
				sum += part[j] = (round % 2) ? 1 : 1 + below(20);
			for (uint32_t j = 0; j < k; j++)
				add_row(&r, (at + j * (i / k)) % i, i, (double) part[j] / sum);
		}
		own = random_amounts(n, (round % 3) ? 1 : INT64_C(1000000000000000003));
		for (uint32_t i = 0; i < n; i++)
			all += own[i];
		open_rows(&job, &r, r.n);
		roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);
		for (uint32_t i = 0; i < job.dag->n; i++)
			roots += job.dag->is_root[i] ? job.total[i] : 0;
		check(roots == all && !job.overflow, "sum over roots", round);
		end_rollup(&job);
		close_rows(&job);
		free(own);
	}
	free(r.row);
}

/* One child, several parents: what they get, worked out by hand. */
static void
test_rounding(void)
{
	const hg_int128 large = (hg_int128) INT64_C(1000000000000000) * 100000;
	const struct
	{
		int			n;
		double		share[4];
		hg_int128	amount;
		hg_int128	expected[4];
	}			cases[] = {
		{3, {1.0 / 3, 1.0 / 3, 1.0 / 3}, 100, {33, 34, 33}},
		{3, {1.0 / 3, 1.0 / 3, 1.0 / 3}, -100, {-33, -34, -33}},
		{2, {0.5, 0.5}, 1, {1, 0}},
		{2, {0.5, 0.5}, -1, {-1, 0}},
		{2, {0.5, 0.5}, -3, {-2, -1}},
		{4, {0.25, 0.25, 0.25, 0.25}, 1, {0, 1, 0, 0}},
		/* 15 places are taken at their word */
		{3, {0.333333333333333, 0.333333333333333, 0.333333333333333},
		INT64_C(1000000000000000), {333333333333333, 333333333333333, 333333333333333}},
		{3, {1.0 / 3, 1.0 / 3, 1.0 / 3},
		INT64_C(1000000000000000), {333333333333333, 333333333333333, 333333333333334}},
		{2, {0.5, 0.499999999999999}, INT64_C(1000000000000000),
		{500000000000000, 499999999999999}},
		{2, {0.07, 0.93}, 100, {7, 93}},
		{2, {0.5, 0.25}, 100, {50, 25}},
		{2, {1, 1}, 7, {7, 7}},
		{1, {0}, 7, {0}},
		{3, {-1, NAN, 2}, 7, {-7, 0, 14}},	/* NAN: unstated */
		{2, {12, 0.001}, 1000, {12000, 1}},
		{2, {1e9, 0.5}, 10, {INT64_C(10000000000), 5}},
		{2, {12, 0.123456789012346}, INT64_C(1000000000000000),
		{INT64_C(12000000000000000), INT64_C(123456789012350)}},
		/* products beyond 128 bits */
		{2, {0.5, 0.5}, large + 1, {large / 2 + 1, large / 2}},
		{2, {0.5, 0.5}, -large - 1, {-large / 2 - 1, -large / 2}},
		{2, {0.7, 0.3}, large * 1000000000000000,
		{large * 700000000000000, large * 300000000000000}},
		{2, {0.7, 0.3}, large * 10000000000000003 + 5,
		{large * 7000000000000002 + large / 10 + 4, large * 3000000000000001 - large / 10 + 1}},
	};
	Rows		r = {NULL, 0, 0, 0};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
	{
		hg_int128	own[5] = {0};
		uint32_t	order[4] = {0, 1, 2, 3};
		Job			job;

		/* the parents in the order of their keys */
		for (int a = 0; a < 4; a++)
		{
			for (int b = 0; b < 3; b++)
			{
				if (key_of(order[b]) > key_of(order[b + 1]))
				{
					uint32_t	swap = order[b];

					order[b] = order[b + 1];
					order[b + 1] = swap;
				}
			}
		}
		r.n = r.nnodes = 0;
		for (uint32_t p = 0; p < 4; p++)
			add_row(&r, HG_NONE, p, 1);
		for (int k = cases[c].n; k-- > 0;)
		{
			add_row(&r, order[k], 4, cases[c].share[k]);
			if (isnan(cases[c].share[k]))
				r.row[r.n - 1].unstated = true;
		}
		own[4] = cases[c].amount;
		open_rows(&job, &r, below(2) ? r.n : 2);
		roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);
		for (int k = 0; k < 4; k++)
			check(total_of(&job, order[k]) == (k < cases[c].n ? cases[c].expected[k] : 0),
				  "part of a parent", (long) c);
		end_rollup(&job);
		close_rows(&job);
	}
	free(r.row);
}

/* Amounts whose product with a share has up to 180 bits: the part of their
 * quotient by 10^15 and that of the rest, each of which fits. */
static void
test_large_amounts(void)
{
	const int64_t unit = INT64_C(1000000000000000);
	Rows		r = {NULL, 0, 0, 0};

	for (int round = 0; round < 1000; round++)
	{
		uint32_t	first = key_of(0) > key_of(1);
		int64_t		share = ((int64_t) below(1000000000) * 1000000 + below(1000000)) % unit;
		hg_int128	whole = ((hg_int128) below(UINT32_MAX) << 32 | below(UINT32_MAX)) *
			(1 + below(8000));
		int64_t		rest = ((int64_t) below(1000000000) * 1000000 + below(1000000)) % unit;
		int			sign = below(2) ? 1 : -1;
		hg_int128	own[3] = {0, 0, (whole * unit + rest) * sign};
		hg_int128	expected = (whole * share +
								((hg_int128) rest * share + unit / 2) / unit) * sign;
		Job			job;

		r.n = r.nnodes = 0;
		add_row(&r, first, 2, (double) share / (double) unit);
		add_row(&r, 1 - first, 2, (double) (unit - share) / (double) unit);
		add_row(&r, HG_NONE, 0, 1);
		open_rows(&job, &r, r.n);
		roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);
		check(total_of(&job, first) == expected &&
			  total_of(&job, 1 - first) == own[2] - expected && !job.overflow,
			  "share of a large amount", round);
		end_rollup(&job);

		/* times a share that makes it far too large */
		if (round % 10 == 0)
		{
			close_rows(&job);
			r.row[0].weight = 1e9 - below(1000000);
			open_rows(&job, &r, r.n);
			own[2] = HG_INT128_MAX / (3 + below(1000));
			roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);
			check(job.overflow, "overflow by a share", round);
			end_rollup(&job);
		}
		close_rows(&job);
	}
	free(r.row);
}

/* Shares of 1 without end, of an amount that leaves room for them. */
static void
test_full_shares(void)
{
	Rows		r = {NULL, 0, 0, 0};
	hg_int128  *own = calloc(8001, sizeof(hg_int128));
	Job			job;

	for (uint32_t p = 0; p < 8000; p++)
	{
		add_row(&r, HG_NONE, p, 1);
		add_row(&r, p, 8000, 1);
	}
	own[8000] = HG_INT128_MAX / 12347;
	open_rows(&job, &r, r.n);
	roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);
	for (uint32_t p = 0; p < 8000; p++)
		check(total_of(&job, p) == own[8000], "full share", p);
	end_rollup(&job);
	close_rows(&job);
	free(own);
	free(r.row);
}

/* Many parents: the rule again, written down once more, and parallel rows. */
static void
test_many_parents(void)
{
	Rows		r = {NULL, 0, 0, 0};

	for (int round = 0; round < 40; round++)
	{
		uint32_t	n = 2 + below(round < 35 ? 300 : 30000);
		uint32_t	each = 1 + below(900000000 / n);
		hg_int128  *own = calloc(n + 1, sizeof(hg_int128));
		hg_int128	sum = 0,
					before = 0;
		uint32_t   *order = malloc(n * sizeof(uint32_t));
		Job			job;

		/* shares in billionths, half of them on two rows; parents below a root
		 * of their own, children below node n */
		r.n = r.nnodes = 0;
		for (uint32_t p = 0; p < n; p++)
		{
			add_row(&r, HG_NONE, p, 1);
			order[p] = p;
		}
		for (uint32_t rows = 2; rows > 0; rows--)
		{
			for (uint32_t p = 0; p < n; p++)
			{
				if (rows == 1 || p % 2 == 0)
					add_row(&r, p, n, (each + p % 3) * ((p % 2) ? 1 : 0.5) / 1e9);
			}
		}
		own[n] = INT64_C(1000000007);
		open_rows(&job, &r, below(2) ? r.n : r.n / 2);
		roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);

		/* Shell's sort (1959) by key */
		for (uint32_t gap = n / 2; gap > 0; gap /= 2)
		{
			for (uint32_t i = gap; i < n; i++)
			{
				uint32_t	it = order[i];
				uint32_t	k = i;

				for (; k >= gap && key_of(order[k - gap]) > key_of(it); k -= gap)
					order[k] = order[k - gap];
				order[k] = it;
			}
		}
		for (uint32_t k = 0; k < n; k++)
		{
			hg_int128	upto;

			sum += each + order[k] % 3;
			upto = (own[n] * sum + 500000000) / 1000000000;
			check(total_of(&job, order[k]) == upto - before, "part of a parent", round);
			before = upto;
		}
		end_rollup(&job);
		close_rows(&job);
		free(own);
		free(order);
	}
	free(r.row);
}

/* What is said of weights that are no shares. */
static void
test_weights(void)
{
	static const struct
	{
		double		weight[3];
		bool		out;
		bool		unusable;
		int			bad;
	}			cases[] = {
		{{0, 1, 0.5}, false, false, 0},
		{{1, 1.5, 0.5}, true, false, 1},
		{{1, 1, -0.5}, true, false, 2},
		{{2, NAN, 1}, true, true, 1},
		{{2, 1, INFINITY}, true, true, 2},
		{{-INFINITY, 1, NAN}, true, true, 0},
		{{1e9, 1, 1}, true, false, 0},
		{{5, 1e10, 1}, true, true, 1},
	};
	Rows		r = {NULL, 0, 0, 0};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
	{
		hg_int128	own[4] = {1, 1, 1, 1};
		Job			job;
		HgDag	   *dag;
		uint32_t	bad = (uint32_t) cases[c].bad;

		r.n = r.nnodes = 0;
		for (uint32_t i = 0; i < 3; i++)
			add_row(&r, i, i + 1, cases[c].weight[i]);
		open_rows(&job, &r, r.n);
		roll_up(&job, &r, HG_WEIGHTED, HG_DISTINCT_AUTO, own);
		dag = job.dag;
		check(job.overflow == dag->unusable, "use of unusable weights", (long) c);
		check(dag->out_of_range == cases[c].out &&
			  dag->unusable == cases[c].unusable, "verdict", (long) c);
		if (dag->out_of_range)
			check(dag->bad_parent == job.node[bad] &&
				  dag->bad_child == job.node[bad + 1] &&
				  memcmp(&dag->bad_weight, &cases[c].weight[bad], 8) == 0,
				  "offender", (long) c);
		end_rollup(&job);
		close_rows(&job);
	}
	free(r.row);
}

#endif							/* TEST_ROLLUP_SHARES_H */
