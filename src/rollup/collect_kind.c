/*-------------------------------------------------------------------------
 *
 * collect_kind.c
 *	  Wider accumulators, and more decimal places, when values require it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "rollup/collect_state.h"

/* How often a long loop looks for interrupts. */
#define INTERRUPT_MASK	0xfff

/*
 * hg_collect_fixed_sum is the sum of a COMPACT, NARROW or MEDIUM accumulator.
 */
hg_int128
hg_collect_fixed_sum(const HgCollect *c, uint32 number)
{
	const void *acc = hg_collect_acc(c, number);
	const HgNarrow *a = acc;

	if (c->kind == HG_ACC_COMPACT)
		return hg_packed_sum(((const HgCompact *) acc)->packed);
	if (c->kind == HG_ACC_MEDIUM)
		return ((const HgMedium *) acc)->sum;
	if (c->high == NULL)
		return a->sum;
	return (hg_int128) (((unsigned __int128) c->high[number]) << 64) + a->sum;
}

/*
 * read_medium is an accumulator that is not WIDE as a MEDIUM one.
 */
static void
read_medium(const HgCollect *c, uint32 number, HgMedium *out)
{
	if (c->kind == HG_ACC_MEDIUM)
		*out = *(HgMedium *) hg_collect_acc(c, number);
	else if (c->kind == HG_ACC_COMPACT)
	{
		const HgCompact *a = hg_collect_acc(c, number);

		out->sum = hg_packed_sum(a->packed);
		out->least = a->least;
		out->greatest = a->greatest;
		out->count = hg_packed_count(a->packed);
	}
	else
	{
		const HgNarrow *a = hg_collect_acc(c, number);

		out->sum = hg_collect_fixed_sum(c, number);
		out->least = hg_extreme_medium(a->least);
		out->greatest = hg_extreme_medium(a->greatest);
		out->count = a->count;
	}
}

/*
 * hg_narrow_from makes a NARROW accumulator of a COMPACT one.
 */
void
hg_narrow_from(const HgCompact *from, HgNarrow *out)
{
	out->sum = hg_packed_sum(from->packed);
	out->least = from->least;
	out->greatest = from->greatest;
	out->count = hg_packed_count(from->packed);
}

/*
 * wide_from makes a WIDE accumulator of a MEDIUM one.
 */
static void
wide_from(const HgCollect *c, const HgMedium *from, HgWide *out)
{
	MemoryContext old = MemoryContextSwitchTo(c->mcxt);

	out->sum = hg_fixed_numeric(from->sum, c->scale);
	out->least = hg_decimal_numeric(from->least, c->scale);
	out->greatest = hg_decimal_numeric(from->greatest, c->scale);
	out->count = from->count;
	MemoryContextSwitchTo(old);
}

/*
 * hg_collect_adopt sets kind and scale of a collector without facts.  What it
 * needs a table for comes next: hg_collect_reserve.
 */
void
hg_collect_adopt(HgCollect *c, HgAccKind kind, int scale)
{
	Assert(hg_collect_empty(c));
	c->kind = kind;
	c->scale = scale;
}

/*
 * hg_collect_raise changes the kind of accumulators to a wider one.
 */
void
hg_collect_raise(HgCollect *c, HgAccKind kind)
{
	HgCollect	old = *c;

	Assert(c->kind >= HG_ACC_COMPACT && c->kind <= HG_ACC_WIDE);
	if (kind <= c->kind)
		return;

	c->stride = hg_acc_stride(kind);
	hg_collect_alloc_acc(c, c->size, &c->acc, &c->acc_chunk);
	for (uint32 i = 0; i < c->n; i++)
	{
		HgMedium	medium;

		if ((i & INTERRUPT_MASK) == 0)
			CHECK_FOR_INTERRUPTS();
		if (hg_collect_facts(&old, i) == 0)
			continue;
		if (kind == HG_ACC_NARROW)
		{
			hg_narrow_from(hg_collect_acc(&old, i), hg_collect_acc(c, i));
			continue;
		}
		read_medium(&old, i, &medium);
		if (kind == HG_ACC_MEDIUM)
			*(HgMedium *) hg_collect_acc(c, i) = medium;
		else
			wide_from(c, &medium, hg_collect_acc(c, i));
	}
	c->kind = kind;
	c->high = NULL;
	hg_chunk_free(c, &old.acc_chunk);
	if (old.high)
		pfree(old.high);
}

/*
 * scale_extreme multiplies an extreme by a power of ten; false if it does not
 * fit the kind.
 */
static bool
scale_extreme(HgAccKind kind, hg_int128 value, hg_int128 factor,
			  hg_int128 *out)
{
	*out = value;
	if (!HG_MEDIUM_FINITE(value))
		return true;
	if (__builtin_mul_overflow(value, factor, out))
		return false;
	return kind == HG_ACC_NARROW ? HG_NARROW_FINITE(*out) : HG_MEDIUM_FINITE(*out);
}

/*
 * scale_acc multiplies an accumulator by a power of ten; false if it does not
 * fit the kind.
 */
static bool
scale_acc(const HgCollect *c, uint32 number, hg_int128 factor, HgMedium *out)
{
	HgMedium	medium;

	read_medium(c, number, &medium);
	out->count = medium.count;
	return !__builtin_mul_overflow(medium.sum, factor, &out->sum) &&
		scale_extreme(c->kind, medium.least, factor, &out->least) &&
		scale_extreme(c->kind, medium.greatest, factor, &out->greatest);
}

/*
 * store_medium stores a MEDIUM accumulator that fits the kind, NARROW
 * or MEDIUM, in the place of another one.
 */
static void
store_medium(HgCollect *c, uint32 number, const HgMedium *from)
{
	HgNarrow   *a;

	if (c->kind == HG_ACC_MEDIUM)
	{
		*(HgMedium *) hg_collect_acc(c, number) = *from;
		return;
	}
	a = hg_collect_acc(c, number);
	a->sum = (int64) from->sum;
	a->least = hg_extreme_narrow(from->least);
	a->greatest = hg_extreme_narrow(from->greatest);
	a->count = from->count;
	if (c->high == NULL && from->sum == a->sum)
		return;
	if (c->high == NULL)
		c->high = hg_collect_alloc(c, c->size * sizeof(int64), true);
	c->high[number] = (int64) ((from->sum - a->sum) >> 64);
}

/*
 * fits_scaled tells whether all accumulators could be multiplied.
 */
static bool
fits_scaled(const HgCollect *c, hg_int128 factor)
{
	for (uint32 i = 0; i < c->n; i++)
	{
		HgMedium	scaled;

		if (hg_collect_facts(c, i) != 0 && !scale_acc(c, i, factor, &scaled))
			return false;
	}
	return true;
}

/*
 * multiply multiplies all accumulators, as wide ones as that takes.
 */
static void
multiply(HgCollect *c, hg_int128 factor)
{
	CHECK_FOR_INTERRUPTS();
	hg_collect_raise(c, HG_ACC_NARROW);
	if (c->kind == HG_ACC_NARROW && !fits_scaled(c, factor))
		hg_collect_raise(c, HG_ACC_MEDIUM);
	if (c->kind == HG_ACC_MEDIUM && !fits_scaled(c, factor))
		hg_collect_raise(c, HG_ACC_WIDE);
	if (c->kind == HG_ACC_WIDE)
		return;
	for (uint32 i = 0; i < c->n; i++)
	{
		HgMedium	scaled;

		if (hg_collect_facts(c, i) == 0)
			continue;
		(void) scale_acc(c, i, factor, &scaled);
		store_medium(c, i, &scaled);
	}
}

/*
 * hg_collect_rescale changes the number of decimal places to a greater one.
 */
void
hg_collect_rescale(HgCollect *c, int scale)
{
	if (scale <= c->scale)
		return;
	if (c->nused > 0 && c->kind != HG_ACC_WIDE)
	{
		if (scale - c->scale > HG_DECIMAL_PLACES)
			hg_collect_raise(c, HG_ACC_WIDE);
		else
			multiply(c, hg_decimal_power(scale - c->scale));
	}
	c->scale = scale;
}
