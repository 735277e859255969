/*-------------------------------------------------------------------------
 *
 * rollup_model.h
 *	  What a rollup must say, worked out from the rows the obvious way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_ROLLUP_MODEL_H
#define TEST_ROLLUP_MODEL_H

#include <math.h>

#include "host.h"

#define NODES	11
#define ROWS	26
#define DAYS	4
#define UNIT	INT64_C(1000000000000000)	/* 10^15 */

static Row	rows[ROWS];
static uint32_t nrows;

/* The model of one rollup. */
typedef struct Model
{
	HgMode		mode;
	HgFilter	filter;
	bool		edge[NODES][NODES]; /* parent, child */
	long double weight[NODES][NODES];	/* in the end, of a double */
	bool		stated[NODES][NODES];
	bool		fact[NODES];
	bool		member[NODES];
	bool		below[NODES][NODES];	/* second is first, or below it */
	bool		cyclic;
	uint64_t	nunstated;
	bool		out_of_range;
	hg_int128	own[NODES];
	double		own_real[NODES];
	int64_t		low[NODES],
				high[NODES];
	uint8_t		flags[NODES];
	hg_int128	total[NODES];
	long double total_real[NODES];
	int64_t		total_low[NODES],
				total_high[NODES];
	uint8_t		total_flags[NODES];
	uint32_t	depth[NODES];
} Model;

static const double weights[] = {1, 0.5, 0.25, 1.0 / 3, 1.0 / 7, 0, 0.1, 0.7};

/* A random row; parents have smaller numbers unless cycles are allowed. */
static Row
random_row(bool cyclic)
{
	Row			row;

	memset(&row, 0, sizeof(row));
	row.child = below(NODES);
	row.parent = below(NODES);
	if (!cyclic && row.parent > row.child)
	{
		uint32_t	swap = row.parent;

		row.parent = row.child;
		row.child = swap;
	}
	if ((row.parent == row.child && !cyclic) || below(15) == 0)
		row.parent = HG_NONE;
	row.weight = weights[below(8)];
	if (below(400) == 0)
		row.weight = below(2) ? 1.5 : -0.5;
	row.unstated = below(10) == 0;
	row.primary = below(3) != 0;
	row.visible = below(12) != 0;
	row.removed = below(12) == 0;
	row.from = below(2) ? 0 : (int32_t) below(DAYS);
	row.to = row.from + 1 + (int32_t) below(DAYS);
	return row;
}

static bool
row_visible(void *arg, uint32_t entry, uint32_t block, uint16_t off)
{
	(void) arg;
	(void) entry;
	return rows[block * 1000 + off - 1].visible;
}

/* Does the row pass the filter? */
static bool
passes(const Row *row, const HgFilter *f, bool all_visible)
{
	return !row->removed && (row->visible || all_visible) &&
		(!f->by_day || (f->day >= row->from && f->day < row->to));
}

/* The edges of the mode, and what lies above facts. */
static void
model_edges(Model *m, bool all_visible)
{
	memset(m->edge, 0, sizeof(m->edge));
	memset(m->weight, 0, sizeof(m->weight));
	memset(m->stated, 0, sizeof(m->stated));
	memset(m->below, 0, sizeof(m->below));
	for (uint32_t i = 0; i < nrows; i++)
	{
		const Row  *r = &rows[i];

		if (r->parent == HG_NONE || !passes(r, &m->filter, all_visible) ||
			(m->mode == HG_PRIMARY && !r->primary))
			continue;
		m->edge[r->parent][r->child] = true;
		if (!r->unstated)
		{
			m->stated[r->parent][r->child] = true;
			m->weight[r->parent][r->child] += r->weight;
		}
	}
	for (int a = 0; a < NODES; a++)
	{
		for (int b = 0; b < NODES; b++)
		{
			m->below[a][b] = m->edge[a][b];
			m->weight[a][b] = (double) m->weight[a][b];
		}
	}
	for (int k = 0; k < NODES; k++)
	{
		for (int a = 0; a < NODES; a++)
		{
			for (int b = 0; b < NODES; b++)
				m->below[a][b] |= m->below[a][k] && m->below[k][b];
		}
	}
	m->cyclic = false;
	memset(m->member, 0, sizeof(m->member));
	for (int a = 0; a < NODES; a++)
	{
		for (int b = 0; b < NODES; b++)
			m->member[a] |= m->fact[b] && (a == b || m->below[a][b]);
		m->cyclic |= m->member[a] && m->below[a][a];
	}
	for (int a = 0; a < NODES; a++)
		m->below[a][a] = true;
	m->nunstated = 0;
	m->out_of_range = false;
	for (uint32_t i = 0; i < nrows; i++)
	{
		const Row  *r = &rows[i];

		if (r->parent == HG_NONE || !m->member[r->child] ||
			!passes(r, &m->filter, all_visible))
			continue;
		if (r->unstated)
			m->nunstated++;
		else if (r->weight < 0 || r->weight > 1)
			m->out_of_range = true;
	}
}

/* Amount times share, rounded half away from zero. */
static hg_int128
round_share(hg_int128 amount, int64_t share)
{
	hg_int128	product = amount * share;
	hg_int128	half = (product < 0) ? -(UNIT / 2) : UNIT / 2;

	return (product + half) / UNIT;
}

/* Hands a node's total on to its parents in the order of keys. */
static void
model_share(Model *m, uint32_t node)
{
	bool		done[NODES] = {false};
	uint32_t	order[NODES];
	int			n = 0;
	int64_t		sum = 0;
	long double exact = 0;
	hg_int128	before = 0;

	for (;;)
	{
		uint32_t	next = HG_NONE;

		for (uint32_t p = 0; p < NODES; p++)
		{
			if (m->edge[p][node] && !done[p] &&
				(next == HG_NONE || key_of(p) < key_of(next)))
				next = p;
		}
		if (next == HG_NONE)
			break;
		done[next] = true;
		if (m->stated[next][node])
		{
			order[n++] = next;
			exact += m->weight[next][node];
		}
	}
	for (int k = 0; k < n; k++)
	{
		uint32_t	p = order[k];
		hg_int128	upto;
		uint8_t		flags = m->total_flags[node];

		sum += llroundl(m->weight[p][node] * UNIT);
		if (k == n - 1 && fabsl(exact - 1) < 2e-16L)
			sum = UNIT;
		upto = round_share(m->total[node], sum);
		m->total[p] += upto - before;
		before = upto;
		m->total_real[p] += m->total_real[node] * m->weight[p][node];
		if (m->total_low[node] < m->total_low[p])
			m->total_low[p] = m->total_low[node];
		if (m->total_high[node] > m->total_high[p])
			m->total_high[p] = m->total_high[node];
		if (m->weight[p][node] <= 0)
		{
			flags &= HG_AMOUNT_FACTS | HG_AMOUNT_NAN;
			if (m->weight[p][node] == 0 &&
				(m->total_flags[node] & (HG_AMOUNT_PLUS_INF | HG_AMOUNT_MINUS_INF)))
				flags |= HG_AMOUNT_NAN;
			if (m->weight[p][node] < 0 &&
				(m->total_flags[node] & HG_AMOUNT_PLUS_INF))
				flags |= HG_AMOUNT_MINUS_INF;
			if (m->weight[p][node] < 0 &&
				(m->total_flags[node] & HG_AMOUNT_MINUS_INF))
				flags |= HG_AMOUNT_PLUS_INF;
		}
		m->total_flags[p] |= flags;
	}
}

/* Number of paths from a down to b; there may be cycles below all facts. */
static int
model_paths(const Model *m, int a, int b)
{
	int			n = (a == b);

	for (int c = 0; c < NODES; c++)
	{
		if (m->edge[a][c] && m->member[c])
			n += model_paths(m, c, b);
	}
	return n;
}

/* Totals of the model. */
static void
model_totals(Model *m)
{
	bool		done[NODES] = {false};

	for (int a = 0; a < NODES; a++)
	{
		m->total[a] = m->own[a];
		m->total_real[a] = m->own_real[a];
		m->total_low[a] = m->low[a];
		m->total_high[a] = m->high[a];
		m->total_flags[a] = m->flags[a];
		m->depth[a] = HG_NO_DEPTH;
	}
	/* a node's turn comes when all below it had theirs */
	for (int turn = 0; m->mode == HG_WEIGHTED && turn < NODES; turn++)
	{
		for (uint32_t a = 0; a < NODES; a++)
		{
			bool		ready = !done[a] && m->member[a];

			for (int b = 0; b < NODES; b++)
				ready &= !(m->member[b] && m->edge[a][b] && !done[b]);
			if (ready)
			{
				model_share(m, a);
				done[a] = true;
			}
		}
	}
	for (int a = 0; a < NODES; a++)
	{
		for (int b = 0; b < NODES; b++)
		{
			int			times = m->below[a][b];

			if (a == b || m->mode == HG_WEIGHTED || !m->fact[b])
				continue;
			if (m->mode == HG_PATHS)
				times = model_paths(m, a, b);
			if (times == 0)
				continue;
			m->total[a] += m->own[b] * times;
			m->total_real[a] += (long double) m->own_real[b] * times;
			if (m->low[b] < m->total_low[a])
				m->total_low[a] = m->low[b];
			if (m->high[b] > m->total_high[a])
				m->total_high[a] = m->high[b];
			m->total_flags[a] |= m->flags[b];
		}
	}
	for (uint32_t d = 0; d < NODES; d++)
	{
		for (int a = 0; a < NODES; a++)
		{
			bool		reached = (d == 0);

			for (int p = 0; p < NODES; p++)
				reached = (d == 0) ? reached && !m->edge[p][a] :
					reached || (m->edge[p][a] && m->depth[p] == d - 1);
			if (m->depth[a] == HG_NO_DEPTH && reached)
				m->depth[a] = d;
		}
	}
}

#endif							/* TEST_ROLLUP_MODEL_H */
