/*-------------------------------------------------------------------------
 *
 * weighted.c
 *	  Totals shared out among several parents, with a rounding rule that loses
 *	  nothing (see hg_rollup).
 *
 * Shares become integers of 10^-digits.  What the parents of a node get are
 * differences of rounded cumulative amounts, so they add up to the last one,
 * which is the total itself where the shares add up to 1.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "graph/dag.h"

/* Decimal places of shares, when none is large. */
#define SHARE_DIGITS	15

/* What a share may come to: doubles hold integers up to here. */
#define MAX_SHARE		9e15
/* What the shares of one node may come to together: an int64 holds it. */
#define MAX_SHARES		9e18

typedef struct Scale
{
	int			digits;
	int64_t		one;			/* 10^digits */
} Scale;

/*
 * choose_scale finds how many decimal places the dag's shares can have.
 */
static Scale
choose_scale(const HgDag *dag)
{
	Scale		s = {SHARE_DIGITS, INT64_C(1000000000000000)};

	while (s.digits > 0 &&
		   (dag->work->max_share * (double) s.one > MAX_SHARE ||
			dag->work->max_shares * (double) s.one > MAX_SHARES))
	{
		s.digits--;
		s.one /= 10;
	}
	return s;
}

/*
 * sum_to_one: do shares that come to "sum" after rounding, having lost "lost"
 * by it, come to 1 but for that?  A double is off by up to 2^-53 of its value,
 * and once more when it is the sum of parallel rows.
 */
static bool
sum_to_one(const Scale *s, int64_t sum, double lost, double magnitude)
{
	double		missing = (double) (sum - s->one) + lost;

	return fabs(missing) <= magnitude * 0x1p-52 * (double) s->one * 1.125;
}

/*
 * scale_share makes a share an integer; *lost is what rounding cost.
 */
static inline int64_t
scale_share(const Scale *s, double share, double *lost)
{
	double		product = share * (double) s->one;
	int64_t		scaled = llround(product);

	/* the product itself is rounded, maybe to a half */
	*lost = (product - (double) scaled) + fma(share, (double) s->one, -product);
	if (*lost > 0.5 || *lost < -0.5)
	{
		int			step = (*lost > 0) ? 1 : -1;

		scaled += step;
		*lost -= step;
	}
	return scaled;
}

/*
 * cumulate writes the sums of a node's first 1, 2, ... shares, unstated ones
 * counting as zero.
 */
static void
cumulate(const HgDag *dag, const Scale *s, uint32_t i, int64_t *sums)
{
	uint32_t	start = dag->up_start[i];
	uint32_t	n = dag->up_start[i + 1] - start;
	uint32_t	last = n;
	int64_t		sum = 0;
	double		lost = 0;
	double		magnitude = 0;

	for (uint32_t k = 0; k < n; k++)
	{
		if (dag->stated[start + k])
		{
			double		share = dag->weight[start + k];
			double		rest;

			sum += scale_share(s, share, &rest);
			lost += rest;
			magnitude += fabs(share);
			last = k;
		}
		sums[k] = sum;
	}
	if (last < n && sum != s->one && sum_to_one(s, sum, lost, magnitude))
	{
		for (uint32_t k = last; k < n; k++)
			sums[k] = s->one;
	}
}

/*
 * multiply_wide returns a * weight / by, rounded half up, for a product
 * that does not fit 128 bits.  False: nor does the quotient.
 */
static bool
multiply_wide(unsigned __int128 a, uint64_t weight, uint64_t by,
			  unsigned __int128 *result)
{
	unsigned __int128 low = (unsigned __int128) (uint64_t) a * weight;
	unsigned __int128 high = (unsigned __int128) (uint64_t) (a >> 64) * weight;
	unsigned __int128 rest;
	uint64_t	part[3];

	/* the product, and half of the divisor to round */
	rest = (unsigned __int128) (uint64_t) low + by / 2;
	part[0] = (uint64_t) rest;
	rest = (rest >> 64) + (uint64_t) (low >> 64) + (uint64_t) high;
	part[1] = (uint64_t) rest;
	part[2] = (uint64_t) (rest >> 64) + (uint64_t) (high >> 64);

	/* digit by digit, each 64 bits */
	if (part[2] >= by)
		return false;
	rest = (unsigned __int128) part[2] << 64 | part[1];
	*result = (rest / by) << 64;
	rest = (rest % by) << 64 | part[0];
	*result |= rest / by;
	return true;
}

/*
 * take_share returns amount * weight / 10^digits, rounded half away from zero.
 * False: does not fit.
 */
static inline bool
take_share(const Scale *s, hg_int128 amount, int64_t weight, hg_int128 *result)
{
	bool		negative = (amount < 0) != (weight < 0);
	unsigned __int128 a = (amount < 0) ? -(unsigned __int128) amount :
		(unsigned __int128) amount;
	uint64_t	w = (weight < 0) ? -(uint64_t) weight : (uint64_t) weight;
	uint64_t	by = (uint64_t) s->one;
	unsigned __int128 r;

	if (weight == s->one)
	{
		*result = amount;
		return true;
	}
	if (a >> 64 == 0)
		r = (a * w + by / 2) / by;
	else if (!multiply_wide(a, w, by, &r))
		return false;
	if (r > (unsigned __int128) HG_INT128_MAX)
		return false;
	*result = negative ? -(hg_int128) r : (hg_int128) r;
	return true;
}

/*
 * share_fixed hands 128-bit totals on.  False: overflow.
 */
static bool
share_fixed(const HgDag *dag, const Scale *s, int64_t *sums, hg_int128 *total)
{
	bool		overflow = false;

	for (uint32_t i = dag->n; i-- > 0;)
	{
		uint32_t	start = dag->up_start[i];
		uint32_t	n = dag->up_start[i + 1] - start;
		hg_int128	before = 0;

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (n == 1 && dag->stated[start] && dag->weight[start] == 1)
		{
			uint32_t	up = dag->up[start];

			overflow |= __builtin_add_overflow(total[up], total[i], &total[up]);
			continue;
		}
		if (total[i] == 0 || n == 0)
			continue;
		cumulate(dag, s, i, sums);
		for (uint32_t k = 0; k < n; k++)
		{
			uint32_t	up = dag->up[start + k];
			hg_int128	upto = before;
			hg_int128	part;

			if (!dag->stated[start + k])
				continue;
			overflow |= !take_share(s, total[i], sums[k], &upto);
			overflow |= __builtin_sub_overflow(upto, before, &part);
			overflow |= __builtin_add_overflow(total[up], part, &total[up]);
			before = upto;
		}
	}
	return !overflow;
}

/*
 * share_real hands doubles on.
 */
static void
share_real(const HgDag *dag, HgReal *total)
{
	for (uint32_t i = dag->n; i-- > 0;)
	{
		const HgReal *mine = &total[i];

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
		{
			double		share = dag->weight[e];
			HgReal		part;

			if (!dag->stated[e])
				continue;
			if (share == 1)
				part = *mine;
			else
			{
				/* the product, and what rounding lost of it */
				part.sum = mine->sum * share;
				part.rest = fma(mine->sum, share, -part.sum) +
					mine->rest * share;
			}
			hg_real_merge(&total[dag->up[e]], &part);
		}
	}
}

/*
 * share_opaque hands the host's amounts on.
 */
static void
share_opaque(const HgDag *dag, const Scale *s, int64_t *sums, void **total,
			 const HgOpaqueOps *ops)
{
	for (uint32_t i = dag->n; i-- > 0;)
	{
		uint32_t	start = dag->up_start[i];
		uint32_t	n = dag->up_start[i + 1] - start;
		void	   *before = NULL;

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (total[i] == NULL || n == 0)
			continue;
		cumulate(dag, s, i, sums);
		for (uint32_t k = 0; k < n; k++)
		{
			void	  **up = &total[dag->up[start + k]];
			void	   *upto;

			if (!dag->stated[start + k])
				continue;
			upto = (sums[k] == s->one) ? total[i] :
				ops->share(ops->arg, total[i], sums[k], s->digits);
			if (upto != NULL)
				*up = ops->add(ops->arg, *up, upto);
			if (before != NULL)
				*up = ops->subtract(ops->arg, *up, before);
			if (before != NULL && before != total[i])
				ops->free(ops->arg, before);
			before = upto;
		}
		if (before != NULL && before != total[i])
			ops->free(ops->arg, before);
	}
}

/*
 * most_parents returns how many parents any node has at most.
 */
static uint32_t
most_parents(const HgDag *dag)
{
	uint32_t	most = 0;

	for (uint32_t i = 0; i < dag->n; i++)
	{
		uint32_t	n = dag->up_start[i + 1] - dag->up_start[i];

		if (n > most)
			most = n;
	}
	return most;
}

/*
 * hg_rollup_weighted rolls measures up by shares.  Where those are unusable, so
 * are totals.
 */
void
hg_rollup_weighted(const HgDag *dag, HgMeasure *measures, int nmeasures,
				   void *arena)
{
	Scale		scale = choose_scale(dag);
	int64_t    *sums = hg_host.alloc(arena,
									 ((size_t) most_parents(dag) + 1) * sizeof(int64_t));

	for (int m = 0; m < nmeasures; m++)
	{
		switch (measures[m].kind)
		{
			case HG_FIXED:
				measures[m].overflow = dag->unusable ||
					!share_fixed(dag, &scale, sums, measures[m].fixed);
				break;
			case HG_REAL:
				share_real(dag, measures[m].real);
				break;
			case HG_OPAQUE:
				if (!dag->unusable)
					share_opaque(dag, &scale, sums, measures[m].opaque,
								 measures[m].ops);
				break;
		}
	}
	hg_host.free(sums);
}
