/*-------------------------------------------------------------------------
 *
 * rollup.c
 *	  Passes over a dag from its last node to its first, children before
 *	  parents: amounts once for each path, extremes, flags.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/dag.h"

/*
 * add_fixed adds every node's total to all its parents.  False: overflow.
 */
static bool
add_fixed(const HgDag *dag, hg_int128 *total)
{
	bool		overflow = false;

	for (uint32_t i = dag->n; i-- > 0;)
	{
		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
			overflow |= __builtin_add_overflow(total[dag->up[e]], total[i],
											   &total[dag->up[e]]);
	}
	return !overflow;
}

/*
 * add_real does so for compensated doubles.
 */
static void
add_real(const HgDag *dag, HgReal *total)
{
	for (uint32_t i = dag->n; i-- > 0;)
	{
		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
			hg_real_merge(&total[dag->up[e]], &total[i]);
	}
}

/*
 * add_opaque does so for the host's amounts.
 */
static void
add_opaque(const HgDag *dag, void **total, const HgOpaqueOps *ops)
{
	for (uint32_t i = dag->n; i-- > 0;)
	{
		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (total[i] == NULL)
			continue;
		for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
			total[dag->up[e]] = ops->add(ops->arg, total[dag->up[e]], total[i]);
	}
}

/*
 * hg_rollup rolls measures up.
 */
void
hg_rollup(const HgDag *dag, HgMode mode, HgMeasure *measures, int nmeasures,
		  void *arena)
{
	if (mode == HG_WEIGHTED)
	{
		hg_rollup_weighted(dag, measures, nmeasures, arena);
		return;
	}
	if (mode != HG_PATHS && dag->work->nmulti > 0)
	{
		hg_rollup_distinct(dag, measures, nmeasures, arena);
		return;
	}
	/* in a forest there is one path only */
	for (int m = 0; m < nmeasures; m++)
	{
		switch (measures[m].kind)
		{
			case HG_FIXED:
				measures[m].overflow = !add_fixed(dag, measures[m].fixed);
				break;
			case HG_REAL:
				add_real(dag, measures[m].real);
				break;
			case HG_OPAQUE:
				add_opaque(dag, measures[m].opaque, measures[m].ops);
				break;
		}
	}
}

/*
 * passes_up: does anything go over this edge?
 */
static inline bool
passes_up(const HgDag *dag, HgMode mode, uint32_t e)
{
	return mode != HG_WEIGHTED || dag->stated[e];
}

/*
 * hg_rollup_extremes finds the least and greatest at or below every node; that
 * is the same whether a fact is looked at once or several times.
 */
void
hg_rollup_extremes(const HgDag *dag, HgMode mode,
				   hg_int128 *least, hg_int128 *greatest)
{
	for (uint32_t i = dag->n; i-- > 0;)
	{
		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
		{
			uint32_t	up = dag->up[e];

			if (!passes_up(dag, mode, e))
				continue;
			if (least[i] < least[up])
				least[up] = least[i];
			if (greatest[i] > greatest[up])
				greatest[up] = greatest[i];
		}
	}
}

/*
 * hg_rollup_extremes64 does so for 64-bit numbers.
 */
void
hg_rollup_extremes64(const HgDag *dag, HgMode mode,
					 int64_t *least, int64_t *greatest)
{
	for (uint32_t i = dag->n; i-- > 0;)
	{
		int64_t		low = least[i];
		int64_t		high = greatest[i];

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
		{
			uint32_t	up = dag->up[e];

			if (!passes_up(dag, mode, e))
				continue;
			/* no branch: who wins is hard to predict */
			least[up] = (low < least[up]) ? low : least[up];
			greatest[up] = (high > greatest[up]) ? high : greatest[up];
		}
	}
}

/*
 * hg_rollup_extremes_opaque does so for the host's amounts.
 */
void
hg_rollup_extremes_opaque(const HgDag *dag, HgMode mode,
						  HgOpaqueCompare compare, void *arg,
						  const void **least, const void **greatest)
{
	for (uint32_t i = dag->n; i-- > 0;)
	{
		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
		{
			uint32_t	up = dag->up[e];

			if (!passes_up(dag, mode, e))
				continue;
			if (least[i] != NULL &&
				(least[up] == NULL || compare(arg, least[i], least[up]) < 0))
				least[up] = least[i];
			if (greatest[i] != NULL &&
				(greatest[up] == NULL ||
				 compare(arg, greatest[i], greatest[up]) > 0))
				greatest[up] = greatest[i];
		}
	}
}

/*
 * weigh_flags says what a share makes of flags.
 */
static inline uint8_t
weigh_flags(uint8_t flags, double share)
{
	const uint8_t infinite = HG_AMOUNT_PLUS_INF | HG_AMOUNT_MINUS_INF;
	uint8_t		rest = flags & (uint8_t) ~infinite;

	if (share > 0 || !(flags & infinite))
		return flags;
	if (share == 0)
		return rest | HG_AMOUNT_NAN;
	if (flags & HG_AMOUNT_PLUS_INF)
		rest |= HG_AMOUNT_MINUS_INF;
	if (flags & HG_AMOUNT_MINUS_INF)
		rest |= HG_AMOUNT_PLUS_INF;
	return rest;
}

/*
 * hg_rollup_flags tells every node what there is at or below it.
 */
void
hg_rollup_flags(const HgDag *dag, HgMode mode, uint8_t *flags)
{
	for (uint32_t i = dag->n; i-- > 0;)
	{
		uint8_t		mine = flags[i];

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (mine == 0)
			continue;
		for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
		{
			if (mode != HG_WEIGHTED)
				flags[dag->up[e]] |= mine;
			else if (dag->stated[e])
				flags[dag->up[e]] |= weigh_flags(mine, dag->weight[e]);
		}
	}
}
