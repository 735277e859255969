/*-------------------------------------------------------------------------
 *
 * columns_plan.c
 *	  Writing many columns of integers together.
 *
 * First all ranges are found, then heads are written, which settles where
 * everything stands, then all values are written.  The first and the last step
 * are jobs that do not need each other's results (beside.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "rollup/columns_write.h"
#include "utils/memutils.h"

struct HgPlan
{
	bool		beside;
	int			n;
	HgInts	   *ints[HG_PLAN_COLUMNS];	/* those that take long first */
	MemoryContext mcxt;

	/* filling */
	char	   *data;
	char	   *scratch[HG_RUNNERS];
};

/*
 * measure_job finds ranges.
 */
static void
measure_job(void *arg, int job, const HgRunner *runner)
{
	HgPlan	   *plan = arg;

	hg_ints_measure(plan->ints[job], runner);
}

/*
 * fill_job writes values.
 */
static void
fill_job(void *arg, int job, const HgRunner *runner)
{
	HgPlan	   *plan = arg;

	hg_ints_fill(plan->ints[job], plan->data, plan->scratch[runner->number], runner);
}

/*
 * is_beside: do the values of a source lie beside those of another one?
 */
static bool
is_beside(const HgSource *source, const HgSource *other)
{
	return source->index == other->index && source->stride == other->stride;
}

/*
 * add_ints plans a column, or the first of some.
 */
static HgInts *
add_ints(HgPlan *plan, HgIntsWay way, const uint32_t *order, uint32_t rows)
{
	HgInts	   *ints = MemoryContextAllocZero(plan->mcxt, sizeof(HgInts));

	ints->way = way;
	ints->order = order;
	ints->rows = ints->nvalues = rows;
	plan->ints[plan->n++] = ints;
	return ints;
}

/*
 * add_column takes one more column into a group.
 */
static void
add_column(HgInts *ints, HgSource *source)
{
	ints->source[ints->n] = *source;
	source->range = &ints->range[ints->n++];
}

/*
 * plan_together plans columns side by side, the first that there are.
 */
static void
plan_together(HgPlan *plan, HgSource *sources, int n, const uint32_t *order,
			  uint32_t rows)
{
	HgInts	   *ints = NULL;

	for (int i = 0; i < n; i++)
	{
		HgSource   *source = &sources[i];

		if (source->index == NULL || source->type == HG_SOURCE_NONE ||
			source->type >= HG_SOURCE_INT128)
			continue;
		if (ints == NULL)
		{
			ints = add_ints(plan, HG_INTS_TOGETHER, order, rows);
			ints->at = MemoryContextAllocHuge(plan->mcxt, (Size) rows * sizeof(uint32_t));
		}
		else if (ints->n == HG_TOGETHER || !is_beside(source, &ints->source[0]))
			continue;
		add_column(ints, source);
	}
}

/*
 * plan_in_place plans the columns of a type whose values can be read as they
 * stand.
 */
static void
plan_in_place(HgPlan *plan, HgSource *sources, int n, HgSourceType type,
			  const uint32_t *order, uint32_t rows, uint32_t reach)
{
	for (int i = 0; i < n; i++)
	{
		HgSource   *source = &sources[i];
		const uint32_t *own = source->in_order ? NULL : order;
		HgInts	   *ints;

		if (source->type != type || source->range ||
			!hg_ints_in_place(source, rows, own ? reach : rows))
			continue;
		ints = add_ints(plan, HG_INTS_IN_PLACE, own, rows);
		ints->nvalues = own ? rows + source->spare : rows;
		add_column(ints, source);
	}
}

/*
 * hg_plan_make plans columns and finds their ranges.
 */
HgPlan *
hg_plan_make(HgSource *sources, int n, const uint32_t *order, uint32_t rows,
			 bool beside)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "hierarchy columns",
											   ALLOCSET_DEFAULT_SIZES);
	HgPlan	   *plan = MemoryContextAllocZero(mcxt, sizeof(HgPlan));

	Assert(n <= HG_PLAN_COLUMNS);
	plan->mcxt = mcxt;
	plan->beside = beside && rows >= HG_WORTH_A_THREAD;
	if (rows > 0)
	{
		uint32_t	reach = hg_ints_reach(order, rows);

		plan_together(plan, sources, n, order, rows);
		for (HgSourceType type = HG_SOURCE_INT128; type > HG_SOURCE_NONE; type--)
			plan_in_place(plan, sources, n, type, order, rows, reach);
	}
	hg_run_jobs(measure_job, plan, plan->n, plan->beside);
	return plan;
}

/*
 * hg_plan_fill writes the values and frees the plan.
 */
void
hg_plan_fill(HgPlan *plan, HgBuffer *buf)
{
	size_t		size = 0;

	for (int i = 0; i < plan->n; i++)
		size = Max(size, hg_ints_scratch(plan->ints[i]));
	for (int i = 0; i < HG_RUNNERS; i++)
		plan->scratch[i] = (i == 0 || plan->beside) ?
			MemoryContextAllocHuge(plan->mcxt, size) : NULL;
	plan->data = buf->data;
	hg_run_jobs(fill_job, plan, plan->n, plan->beside);
	MemoryContextDelete(plan->mcxt);
}
