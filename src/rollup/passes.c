/*-------------------------------------------------------------------------
 *
 * passes.c
 *	  The passes of a rollup: own values into arrays by local node, then up.
 *
 * Exact amounts are 128-bit integers.  Where a total does not fit, or facts
 * brought numerics along, that measure is done with numerics.
 *
 * Accumulators are visited once, in the order in which they lie, since with a
 * million of them the time goes into waiting for memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "beside.h"
#include "miscadmin.h"
#include "rollup/finish.h"
#include "utils/float.h"

/*
 * use_numerics sets a measure up with numerics instead of 128-bit integers.
 */
static void
use_numerics(HgFinish *f, HgMeasure *m, int scale)
{
	HgOpaqueOps *ops = MemoryContextAlloc(f->mcxt, sizeof(HgOpaqueOps));

	hg_wide_ops(ops, scale, f->mcxt);
	if (m->fixed != NULL)
		pfree(m->fixed);
	m->kind = HG_OPAQUE;
	m->fixed = NULL;
	m->opaque = hg_finish_alloc(f, f->dag->n, sizeof(void *), true);
	m->ops = ops;
	m->overflow = false;
}

/*
 * power_of_ten returns 10^n, n being small.
 */
static hg_int128
power_of_ten(int n)
{
	hg_int128	power = 1;

	while (n-- > 0)
		power *= 10;
	return power;
}

/*
 * put_fixed adds amount * factor to a node of a fixed measure.
 */
static inline void
put_fixed(HgMeasure *m, uint32 local, hg_int128 amount, hg_int128 factor)
{
	hg_int128	scaled;

	m->overflow |= __builtin_mul_overflow(amount, factor, &scaled);
	m->overflow |= __builtin_add_overflow(m->fixed[local], scaled, &m->fixed[local]);
}

/*
 * alloc_totals allocates what totals of amounts need, unless that was done
 * ahead.  Cells of plain accumulators are not zeroed: all are written.
 */
static void
alloc_totals(HgFinish *f)
{
	uint32		n = f->dag->n;

	f->count.kind = HG_FIXED;
	if (f->count.fixed == NULL)
		f->count.fixed = hg_finish_alloc(f, n, sizeof(hg_int128), !hg_is_plain(&f->plain));
	if (f->head.value == HG_VALUE_REAL)
	{
		f->sum.kind = HG_REAL;
		f->sum.real = hg_finish_alloc(f, n, sizeof(HgReal), true);
	}
	else if (f->head.value == HG_VALUE_EXACT)
	{
		f->sum.kind = HG_FIXED;
		if (hg_finish_wide(f))
			use_numerics(f, &f->sum, f->head.total_scale);
		else if (f->sum.fixed == NULL)
			f->sum.fixed = hg_finish_alloc(f, n, sizeof(hg_int128), !hg_is_plain(&f->plain));
	}

	/* Without shares everything here that counts facts has some. */
	if (f->special || f->args->mode == HG_WEIGHTED)
		f->flags = hg_finish_alloc(f, n, sizeof(uint8), true);
}

/*
 * alloc_extremes allocates extremes, empty ones where not all are written.
 */
static void
alloc_extremes(HgFinish *f)
{
	uint32		n = f->dag->n;

	if (f->head.value == HG_VALUE_COUNT)
		return;
	f->narrow = f->head.value == HG_VALUE_REAL ||
		(hg_collect_kind(f->c) <= HG_ACC_NARROW && !f->special);
	if (hg_finish_wide(f))
	{
		f->least = hg_finish_alloc(f, n, sizeof(void *), true);
		f->greatest = hg_finish_alloc(f, n, sizeof(void *), true);
		return;
	}
	if (f->least == NULL || !f->narrow)
	{
		Size		size = f->narrow ? sizeof(int64) : sizeof(hg_int128);

		f->least = hg_finish_alloc(f, n, size, false);
		f->greatest = hg_finish_alloc(f, n, size, false);
	}
	for (uint32 i = 0; !hg_is_plain(&f->plain) && i < n; i++)
	{
		if (f->narrow)
		{
			((int64 *) f->least)[i] = PG_INT64_MAX;
			((int64 *) f->greatest)[i] = PG_INT64_MIN;
		}
		else
		{
			((hg_int128 *) f->least)[i] = HG_NO_MIN;
			((hg_int128 *) f->greatest)[i] = HG_NO_MAX;
		}
	}
}

/*
 * alloc_own allocates own values by member; not where accumulators do.
 */
static void
alloc_own(HgFinish *f)
{
	uint32		n = f->dag->nmembers;
	HgOwn	   *own = &f->own;

	if (own->slot != NULL)
		return;
	if (hg_is_plain(&f->plain))
	{
		own->slot = hg_finish_alloc(f, n, sizeof(uint32), false);
		memset(own->slot, 0xff, (Size) n * sizeof(uint32));
		for (uint32 k = 0; k < f->nmatched; k++)
			own->slot[f->member[k]] = f->slot[k];
		return;
	}
	own->count = hg_finish_alloc(f, n, sizeof(int64), true);
	if (f->head.value == HG_VALUE_COUNT)
		return;
	if (f->special)
		own->flags = hg_finish_alloc(f, n, sizeof(uint8), true);
	if (f->head.value == HG_VALUE_REAL)
		own->real = hg_finish_alloc(f, n, sizeof(HgReal), true);
	else if (hg_finish_wide(f))
	{
		own->wide = hg_finish_alloc(f, n, sizeof(Numeric), true);
		own->least_wide = hg_finish_alloc(f, n, sizeof(Numeric), true);
		own->greatest_wide = hg_finish_alloc(f, n, sizeof(Numeric), true);
		return;
	}
	else
		own->fixed = hg_finish_alloc(f, n, sizeof(hg_int128), true);
	if (f->narrow)
	{
		own->least64 = hg_finish_alloc(f, n, sizeof(int64), true);
		own->greatest64 = hg_finish_alloc(f, n, sizeof(int64), true);
	}
	else
	{
		own->least = hg_finish_alloc(f, n, sizeof(hg_int128), true);
		own->greatest = hg_finish_alloc(f, n, sizeof(hg_int128), true);
	}
}

/*
 * check_real raises the error of sum(double precision) for sums of finite
 * numbers that are not finite.
 */
static inline void
check_real(const HgReal *real)
{
	if (unlikely(!isfinite(real->sum)))
		float_overflow_error();
}

/* Members ahead of the one at hand whose accumulators are asked for. */
#define AHEAD	16

/*
 * clear_cell makes a cell of a node without facts of its own.
 */
static inline void
clear_cell(HgFinish *f, uint32 local)
{
	f->sum.fixed[local] = f->count.fixed[local] = 0;
	((int64 *) f->least)[local] = PG_INT64_MAX;
	((int64 *) f->greatest)[local] = PG_INT64_MIN;
}

/* A job of load_plain does so many nodes. */
#define LOAD_NODES	HG_WORTH_A_THREAD

typedef struct LoadPlain
{
	HgFinish   *f;
	hg_int128	sum_factor;
	hg_int128	count_factor;
} LoadPlain;

/*
 * load_nodes loads some of the nodes.
 */
static void
load_nodes(void *arg, int job, const HgRunner *runner)
{
	const LoadPlain *load = arg;
	HgFinish   *f = load->f;
	bool		scaled = load->sum_factor != 1 || load->count_factor != 1;
	bool		sum_overflow = false;
	bool		count_overflow = false;
	const uint32 *slots = f->own.slot;
	uint32		n = f->dag->n;
	uint32		first = (uint32) job * LOAD_NODES;
	uint32		end = n - first < LOAD_NODES ? n : first + LOAD_NODES;

	for (uint32 i = first; i < end; i++)
	{
		HgNarrow	acc;

		if (i + AHEAD < n && slots[i + AHEAD] != HG_NONE)
			hg_plain_ask(&f->plain, slots[i + AHEAD]);
		if (slots[i] == HG_NONE)
		{
			clear_cell(f, i);
			continue;
		}
		acc = hg_plain_read(&f->plain, slots[i]);
		f->count.fixed[i] = acc.count;
		f->sum.fixed[i] = acc.sum;
		if (scaled)
		{
			count_overflow |= __builtin_mul_overflow(f->count.fixed[i], load->count_factor,
													 &f->count.fixed[i]);
			sum_overflow |= __builtin_mul_overflow(f->sum.fixed[i], load->sum_factor,
												   &f->sum.fixed[i]);
		}
		((int64 *) f->least)[i] = acc.least;
		((int64 *) f->greatest)[i] = acc.greatest;
		if (f->flags != NULL)
			f->flags[i] |= HG_AMOUNT_FACTS;
	}
	if (sum_overflow)
		__atomic_store_n(&f->sum.overflow, true, __ATOMIC_RELAXED);
	if (count_overflow)
		__atomic_store_n(&f->count.overflow, true, __ATOMIC_RELAXED);
}

/*
 * load_plain loads accumulators that are 64-bit numbers and nothing else.
 *
 * Members are local nodes, so each cell is written once, in the order in which
 * they lie, and accumulators are read from wherever they are: what is asked for
 * ahead is one cache line a node.
 */
static void
load_plain(HgFinish *f)
{
	LoadPlain	load;

	load.f = f;
	load.sum_factor = power_of_ten(f->head.total_scale - f->head.own_scale);
	load.count_factor = power_of_ten(f->head.count_scale);
	hg_run_jobs(load_nodes, &load, (int) (f->dag->n / LOAD_NODES + 1),
				f->beside);
}

/*
 * load_plain_shared is load_plain where members may share a local node.
 */
static void
load_plain_shared(HgFinish *f)
{
	hg_int128	sum_factor = power_of_ten(f->head.total_scale - f->head.own_scale);
	hg_int128	count_factor = power_of_ten(f->head.count_scale);

	for (uint32 i = 0; i < f->dag->n; i++)
		clear_cell(f, i);
	for (uint32 k = 0; k < f->nmatched; k++)
	{
		const HgNarrow acc = hg_plain_read(&f->plain, f->slot[k]);
		uint32		local = hg_finish_local(f, f->member[k]);
		int64	   *least = (int64 *) f->least + local;
		int64	   *greatest = (int64 *) f->greatest + local;

		if ((k & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		put_fixed(&f->count, local, acc.count, count_factor);
		put_fixed(&f->sum, local, acc.sum, sum_factor);
		*least = Min(*least, acc.least);
		*greatest = Max(*greatest, acc.greatest);
		if (f->flags != NULL)
			f->flags[local] |= HG_AMOUNT_FACTS;
	}
}

/*
 * load_extremes loads the extremes of one accumulator.
 */
static void
load_extremes(HgFinish *f, uint32 slot, uint32 member, uint32 local)
{
	HgOwn	   *own = &f->own;
	hg_int128	least;
	hg_int128	greatest;
	Numeric		least_wide;
	Numeric		greatest_wide;

	hg_collect_extremes(f->c, slot, &least, &greatest, &least_wide, &greatest_wide);
	if (hg_finish_wide(f))
	{
		void	  **lo = &((void **) f->least)[local];
		void	  **hi = &((void **) f->greatest)[local];

		own->least_wide[member] = least_wide;
		own->greatest_wide[member] = greatest_wide;
		if (*lo == NULL || hg_wide_compare(NULL, least_wide, *lo) < 0)
			*lo = least_wide;
		if (*hi == NULL || hg_wide_compare(NULL, greatest_wide, *hi) > 0)
			*hi = greatest_wide;
	}
	else if (f->narrow)
	{
		int64	   *lo = &((int64 *) f->least)[local];
		int64	   *hi = &((int64 *) f->greatest)[local];

		own->least64[member] = (int64) least;
		own->greatest64[member] = (int64) greatest;
		*lo = Min(*lo, (int64) least);
		*hi = Max(*hi, (int64) greatest);
	}
	else
	{
		hg_int128  *lo = &((hg_int128 *) f->least)[local];
		hg_int128  *hi = &((hg_int128 *) f->greatest)[local];

		own->least[member] = least;
		own->greatest[member] = greatest;
		*lo = Min(*lo, least);
		*hi = Max(*hi, greatest);
	}
}

/*
 * load_sum loads the sum of one accumulator.
 */
static void
load_sum(HgFinish *f, const HgAmount *sum, uint32 member, uint32 local,
		 hg_int128 factor)
{
	HgOwn	   *own = &f->own;
	HgMeasure  *m = &f->sum;

	if (own->flags != NULL)
		own->flags[member] = sum->flags;
	if (own->real != NULL)
	{
		check_real(&sum->real);
		own->real[member] = sum->real;
		hg_real_add(&m->real[local], sum->real.sum);
		m->real[local].rest += sum->real.rest;
	}
	else if (own->wide != NULL)
	{
		own->wide[member] = sum->wide;
		m->opaque[local] = m->ops->add(m->ops->arg, m->opaque[local], sum->wide);
	}
	else
	{
		own->fixed[member] = sum->fixed;
		put_fixed(m, local, sum->fixed, factor);
	}
}

/*
 * load_any loads accumulators of any kind.
 */
static void
load_any(HgFinish *f)
{
	hg_int128	sum_factor = power_of_ten(f->head.total_scale - f->head.own_scale);
	hg_int128	count_factor = power_of_ten(f->head.count_scale);

	for (uint32 k = 0; k < f->nmatched; k++)
	{
		uint32		slot = f->slot[k];
		uint32		member = f->member[k];
		uint32		local = hg_finish_local(f, member);
		int64		count = hg_collect_count(f->c, slot);
		HgAmount	sum;

		if ((k & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		f->own.count[member] = count;
		put_fixed(&f->count, local, count, count_factor);
		if (f->flags != NULL)
			f->flags[local] |= HG_AMOUNT_FACTS;
		if (f->head.value == HG_VALUE_COUNT)
			continue;
		hg_collect_sum(f->c, slot, &sum);
		if (f->flags != NULL)
			f->flags[local] |= sum.flags;
		load_sum(f, &sum, member, local, sum_factor);
		load_extremes(f, slot, member, local);
	}
}

/*
 * list_matched lists the facts whose node is known, if that was not needed so
 * far.
 */
static void
list_matched(HgFinish *f)
{
	uint32		n = f->dag->nmembers;

	if (f->member != NULL)
		return;
	f->member = hg_finish_alloc(f, n, sizeof(uint32), false);
	f->slot = hg_finish_alloc(f, n, sizeof(uint32), false);
	for (uint32 i = 0; i < n; i++)
	{
		if (f->own.slot[i] == HG_NONE)
			continue;
		f->member[f->nmatched] = i;
		f->slot[f->nmatched++] = f->own.slot[i];
	}
}

/*
 * reload_wide loads counts or sums again, as numerics.
 */
static void
reload_wide(HgFinish *f, HgMeasure *m, bool counts)
{
	use_numerics(f, m, counts ? f->head.count_scale : f->head.total_scale);
	list_matched(f);
	for (uint32 k = 0; k < f->nmatched; k++)
	{
		uint32		local = hg_finish_local(f, f->member[k]);
		HgAmount	own = {0};
		Numeric		value;

		if ((k & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (counts)
			own.fixed = hg_collect_count(f->c, f->slot[k]);
		else
			hg_collect_sum(f->c, f->slot[k], &own);
		value = own.wide ? own.wide :
			hg_fixed_numeric(own.fixed, counts ? 0 : f->head.own_scale);
		m->opaque[local] = m->ops->add(m->ops->arg, m->opaque[local], value);
		if (own.wide == NULL)
			pfree(value);
	}
}

/*
 * roll_exact rolls up counts or exact sums, in numerics if need be.
 */
static void
roll_exact(HgFinish *f, HgMeasure *m, bool counts)
{
	if (!m->overflow)
		hg_rollup(f->dag, f->args->mode, m, 1, f->mcxt);
	if (m->overflow)
	{
		reload_wide(f, m, counts);
		hg_rollup(f->dag, f->args->mode, m, 1, f->mcxt);
	}
}

/*
 * roll_sums rolls up counts and sums, at once where both are what they should
 * be.
 */
static void
roll_sums(void *arg)
{
	HgFinish   *f = arg;

	if (f->head.value == HG_VALUE_EXACT && !f->sum.overflow && !f->count.overflow)
	{
		HgMeasure	both[2] = {f->sum, f->count};

		hg_rollup(f->dag, f->args->mode, both, 2, f->mcxt);
		f->sum = both[0];
		f->count = both[1];
		if (f->sum.overflow)
			roll_exact(f, &f->sum, false);
		if (f->count.overflow)
			roll_exact(f, &f->count, true);
		return;
	}
	roll_exact(f, &f->count, true);
	if (f->head.value == HG_VALUE_EXACT)
		roll_exact(f, &f->sum, false);
	else if (f->head.value == HG_VALUE_REAL)
	{
		hg_rollup(f->dag, f->args->mode, &f->sum, 1, f->mcxt);
		for (uint32 i = 0; i < f->dag->n; i++)
			check_real(&f->sum.real[i]);
	}
}

/*
 * roll_rest is a job: least and greatest values, or flags.
 */
static void
roll_rest(void *arg, int job, const HgRunner *runner)
{
	HgFinish   *f = arg;

	if (job == 1)
	{
		if (f->flags != NULL)
			hg_rollup_flags(f->dag, f->args->mode, f->flags);
	}
	else if (f->head.value == HG_VALUE_COUNT)
		return;
	else if (hg_finish_wide(f))
		hg_rollup_extremes_opaque(f->dag, f->args->mode, hg_wide_compare, NULL,
								  f->least, f->greatest);
	else if (f->narrow)
		hg_rollup_extremes64(f->dag, f->args->mode, f->least, f->greatest);
	else
		hg_rollup_extremes(f->dag, f->args->mode, f->least, f->greatest);
}

/*
 * total_of is a measure's total of a local node.
 */
static void
total_of(const HgMeasure *m, uint32 local, const uint8 *flags, HgAmount *total)
{
	memset(total, 0, sizeof(HgAmount));
	if (flags != NULL)
		total->flags = flags[local] & ~HG_AMOUNT_FACTS;
	if (m->kind == HG_REAL)
		total->real = m->real[local];
	else if (m->kind == HG_FIXED)
		total->fixed = m->fixed[local];
	else
		total->wide = m->opaque[local];
}

/*
 * add_root adds the total of a root.  What roots share counts twice, so doubles
 * may overflow here although every total is in range: that makes an infinity,
 * no error.
 */
static void
add_root(HgFinish *f, const HgAmount *total)
{
	HgRollupHead *head = &f->head;
	HgReal	   *real = &head->roots.real;

	if (head->value != HG_VALUE_REAL)
	{
		hg_amount_add(&head->roots, total, head->value, head->total_scale);
		return;
	}
	head->roots.flags |= total->flags;
	hg_real_add(real, total->real.sum);
	real->rest += total->real.rest;
	if (!isfinite(real->sum))
	{
		head->roots.flags |= total->real.sum > 0 ? HG_AMOUNT_PLUS_INF : HG_AMOUNT_MINUS_INF;
		real->sum = 0;
		real->rest = 0;
	}
}

/*
 * add_roots adds up the totals of the roots.
 */
static void
add_roots(HgFinish *f)
{
	HgRollupHead *head = &f->head;

	for (uint32 i = 0; i < f->dag->n; i++)
	{
		HgAmount	total;

		if (!f->dag->is_root[i])
			continue;
		total_of(&f->count, i, NULL, &total);
		hg_amount_add(&head->roots_count, &total, HG_VALUE_EXACT, head->count_scale);
		if (head->value == HG_VALUE_COUNT)
			continue;
		total_of(&f->sum, i, f->flags, &total);
		add_root(f, &total);
	}
}

/*
 * hg_finish_roll_up computes all totals.
 */
void
hg_finish_roll_up(HgFinish *f)
{
	alloc_totals(f);
	alloc_extremes(f);
	alloc_own(f);
	if (!hg_is_plain(&f->plain))
		load_any(f);
	else if (f->dag->member_local == NULL)
		load_plain(f);
	else
		load_plain_shared(f);

	/* Numerics are PostgreSQL's to compare. */
	hg_run_with(roll_sums, roll_rest, f, 2,
				f->beside && !hg_finish_wide(f) && f->dag->n >= HG_WORTH_A_THREAD);
	add_roots(f);
}
