/*-------------------------------------------------------------------------
 *
 * collect_add.c
 *	  Adding to accumulators: values, or other accumulators.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "rollup/collect_state.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

/*
 * flags_of returns the array of flags.
 */
static uint8 *
flags_of(HgCollect *c)
{
	if (c->flags == NULL)
		c->flags = hg_collect_alloc(c, c->size, true);
	return c->flags;
}

/*
 * carry notes that a sum left 64 bits, by how many times 2^64.
 */
static void
carry(HgCollect *c, uint32 number, int64 times)
{
	if (c->high == NULL)
		c->high = hg_collect_alloc(c, c->size * sizeof(int64), true);
	c->high[number] += times;
}

/*
 * add_counts counts facts.
 */
static void
add_counts(HgCollect *c, const uint32 *number, uint32 n)
{
	int64	   *acc = (int64 *) c->acc;
	uint32		fresh = 0;

	for (uint32 i = 0; i < n; i++)
		fresh += acc[number[i]]++ == 0;
	c->nused += fresh;
}

/*
 * add_compact adds values of 64 bits to COMPACT accumulators.  Returns how many
 * it did: the next one does not fit, or the sum, or the count.
 */
static uint32
add_compact(HgCollect *c, const uint32 *number, const int64 *value, uint32 n)
{
	HgCompact  *acc = (HgCompact *) c->acc;
	uint32		fresh = 0;
	uint32		i;

	for (i = 0; i < n; i++)
	{
		HgCompact  *a = &acc[number[i]];
		int32		v = (int32) value[i];
		bool		first = a->packed == 0;
		int64		packed;

		if (unlikely(v != value[i] ||
					 __builtin_add_overflow(a->packed, v * HG_PACKED_ONE + 1, &packed) ||
					 hg_packed_count(packed) == 0))
			break;
		fresh += first;
		a->packed = packed;
		a->least = first ? v : Min(a->least, v);
		a->greatest = first ? v : Max(a->greatest, v);
	}
	c->nused += fresh;
	return i;
}

/*
 * extend_narrow extends the range of an accumulator to a value.
 */
static inline void
extend_narrow(HgNarrow *a, int64 value, bool fresh)
{
	if (fresh)
		a->least = a->greatest = value;
	else
	{
		a->least = Min(a->least, value);
		a->greatest = Max(a->greatest, value);
	}
}

/*
 * add_narrow_special notes a NaN or an infinity.
 */
static void
add_narrow_special(HgCollect *c, uint32 number, int64 value)
{
	flags_of(c)[number] |=
		value == HG_NARROW_NAN ? HG_AMOUNT_NAN :
		value == HG_NARROW_PLUS_INF ? HG_AMOUNT_PLUS_INF : HG_AMOUNT_MINUS_INF;
}

/*
 * add_narrow adds values of 64 bits.
 */
static void
add_narrow(HgCollect *c, const uint32 *number, const int64 *value, uint32 n)
{
	HgNarrow   *acc = (HgNarrow *) c->acc;
	uint32		fresh = 0;

	for (uint32 i = 0; i < n; i++)
	{
		HgNarrow   *a = &acc[number[i]];
		bool		first = a->count++ == 0;

		fresh += first;
		extend_narrow(a, value[i], first);
		if (unlikely(!HG_NARROW_FINITE(value[i])))
			add_narrow_special(c, number[i], value[i]);
		else if (unlikely(__builtin_add_overflow(a->sum, value[i], &a->sum)))
			carry(c, number[i], value[i] > 0 ? 1 : -1);
	}
	c->nused += fresh;
}

/*
 * add_medium adds values of 128 bits.  Returns how many it did: the next one
 * would overflow.
 */
static uint32
add_medium(HgCollect *c, const uint32 *number, const hg_int128 *value,
		   uint32 n)
{
	HgMedium   *acc = (HgMedium *) c->acc;

	for (uint32 i = 0; i < n; i++)
	{
		HgMedium   *a = &acc[number[i]];
		hg_int128	v = value[i];
		hg_int128	sum;

		if (unlikely(!HG_MEDIUM_FINITE(v)))
			flags_of(c)[number[i]] |=
				v == HG_EXTREME_NAN ? HG_AMOUNT_NAN :
				v == HG_EXTREME_PLUS_INF ? HG_AMOUNT_PLUS_INF : HG_AMOUNT_MINUS_INF;
		else if (unlikely(__builtin_add_overflow(a->sum, v, &sum)))
			return i;
		else
			a->sum = sum;
		if (a->count++ == 0)
		{
			c->nused++;
			a->least = a->greatest = v;
		}
		a->least = Min(a->least, v);
		a->greatest = Max(a->greatest, v);
	}
	return n;
}

/*
 * copy_numeric copies a numeric into the collector.
 */
static Numeric
copy_numeric(HgCollect *c, Numeric value)
{
	return memcpy(hg_collect_alloc(c, VARSIZE(value), false), value,
				  VARSIZE(value));
}

/*
 * is_less compares numerics in their order.
 */
static bool
is_less(Numeric a, Numeric b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(a),
											NumericGetDatum(b)));
}

/*
 * replace_numeric puts a numeric of somebody else's into a place.
 */
static void
replace_numeric(HgCollect *c, Numeric *place, Numeric value)
{
	Numeric		old = *place;

	*place = copy_numeric(c, value);
	if (old != NULL)
		pfree(old);
}

/*
 * extend_wide extends the range of an accumulator to a value.
 */
static void
extend_wide(HgCollect *c, HgWide *a, Numeric value)
{
	if (a->least == NULL || is_less(value, a->least))
		replace_numeric(c, &a->least, value);
	if (a->greatest == NULL || is_less(a->greatest, value))
		replace_numeric(c, &a->greatest, value);
}

/*
 * add_to_sum adds a finite numeric to the sum of an accumulator.
 */
static void
add_to_sum(HgCollect *c, HgWide *a, Numeric value)
{
	MemoryContext old = MemoryContextSwitchTo(c->mcxt);
	Numeric		sum;

	sum = DatumGetNumeric(DirectFunctionCall2(numeric_add,
											  NumericGetDatum(a->sum),
											  NumericGetDatum(value)));
	MemoryContextSwitchTo(old);
	pfree(a->sum);
	a->sum = sum;
}

/*
 * add_numeric adds a numeric.
 */
static void
add_numeric(HgCollect *c, uint32 number, Numeric value)
{
	HgWide	   *a = hg_collect_acc(c, number);
	hg_int128	unused;
	int			scale;

	if (a->count++ == 0)
	{
		c->nused++;
		a->sum = copy_numeric(c, hg_fixed_numeric(0, c->scale));
	}
	extend_wide(c, a, value);
	switch (hg_decimal_parse((struct varlena *) value, 0, &unused, &scale))
	{
		case HG_DECIMAL_NAN:
			flags_of(c)[number] |= HG_AMOUNT_NAN;
			break;
		case HG_DECIMAL_PLUS_INF:
			flags_of(c)[number] |= HG_AMOUNT_PLUS_INF;
			break;
		case HG_DECIMAL_MINUS_INF:
			flags_of(c)[number] |= HG_AMOUNT_MINUS_INF;
			break;
		default:
			add_to_sum(c, a, value);
			break;
	}
}

/*
 * add_fixed adds a fixed-point number to a collector that has turned WIDE.
 */
static void
add_fixed(HgCollect *c, uint32 number, hg_int128 value)
{
	Numeric		num = hg_decimal_numeric(value, c->scale);

	add_numeric(c, number, num);
	pfree(num);
}

/*
 * extend_double extends the range of an accumulator to a value.  NaN is the
 * greatest of all; so every value is less than a least one that is NaN, and
 * none is greater than a greatest.
 */
static inline void
extend_double(HgDouble *a, double value)
{
	if (unlikely(isnan(value)))
		a->greatest = value;
	else
	{
		if (!(a->least <= value))
			a->least = value;
		if (value > a->greatest)
			a->greatest = value;
	}
}

/*
 * add_doubles adds double precision values.
 */
static void
add_doubles(HgCollect *c, const uint32 *number, const double *value, uint32 n)
{
	HgDouble   *acc = (HgDouble *) c->acc;

	for (uint32 i = 0; i < n; i++)
	{
		HgDouble   *a = &acc[number[i]];
		double		v = value[i];

		if (a->count++ == 0)
		{
			c->nused++;
			a->least = a->greatest = v;
		}
		extend_double(a, v);
		if (likely(isfinite(v)))
		{
			hg_real_add(&a->sum, v);
			if (unlikely(!isfinite(a->sum.sum)))
				float_overflow_error();
		}
		else
			flags_of(c)[number[i]] |=
				isnan(v) ? HG_AMOUNT_NAN :
				v > 0 ? HG_AMOUNT_PLUS_INF : HG_AMOUNT_MINUS_INF;
	}
}

/*
 * hg_collect_add adds values.
 */
void
hg_collect_add(HgCollect *c, HgAccKind held, const uint32 *number,
			   const void *values, uint32 n)
{
	uint32		done = 0;

	switch (held)
	{
		case HG_ACC_COUNT:
			add_counts(c, number, n);
			return;
		case HG_ACC_COMPACT:
		case HG_ACC_NARROW:
			if (c->kind == HG_ACC_COMPACT)
				done = add_compact(c, number, values, n);
			if (done == n)
				return;
			hg_collect_raise(c, HG_ACC_NARROW);
			add_narrow(c, number + done, (const int64 *) values + done, n - done);
			return;
		case HG_ACC_REAL:
			add_doubles(c, number, values, n);
			return;
		case HG_ACC_MEDIUM:
			if (c->kind == HG_ACC_MEDIUM)
				done = add_medium(c, number, values, n);
			if (done < n)
				hg_collect_raise(c, HG_ACC_WIDE);
			for (; done < n; done++)
				add_fixed(c, number[done], ((const hg_int128 *) values)[done]);
			return;
		case HG_ACC_WIDE:
			for (; done < n; done++)
				add_numeric(c, number[done], ((const Numeric *) values)[done]);
			return;
	}
}

/* ---- other accumulators ---- */

/*
 * merge_compact adds COMPACT accumulators.  Returns how many it did: the next
 * one would overflow.
 */
static uint32
merge_compact(HgCollect *c, const uint32 *number, const HgCompact *from,
			  uint32 n)
{
	HgCompact  *acc = (HgCompact *) c->acc;

	for (uint32 i = 0; i < n; i++)
	{
		HgCompact  *a = &acc[number[i]];

		if (a->packed == 0)
			c->nused++;
		if (unlikely(!hg_compact_add(a, &from[i])))
			return i;
	}
	return n;
}

/*
 * merge_narrow adds NARROW accumulators.
 */
static void
merge_narrow(HgCollect *c, const uint32 *number, const HgNarrow *from,
			 const int64 *high, uint32 n)
{
	HgNarrow   *acc = (HgNarrow *) c->acc;

	for (uint32 i = 0; i < n; i++)
	{
		HgNarrow   *a = &acc[number[i]];

		if (a->count == 0)
		{
			c->nused++;
			*a = from[i];
		}
		else
		{
			a->count += from[i].count;
			a->least = Min(a->least, from[i].least);
			a->greatest = Max(a->greatest, from[i].greatest);
			if (unlikely(__builtin_add_overflow(a->sum, from[i].sum, &a->sum)))
				carry(c, number[i], from[i].sum > 0 ? 1 : -1);
		}
		if (high != NULL && high[i] != 0)
			carry(c, number[i], high[i]);
	}
}

/*
 * merge_medium adds MEDIUM accumulators.  Returns how many it did: the next
 * one would overflow.
 */
static uint32
merge_medium(HgCollect *c, const uint32 *number, const HgMedium *from,
			 uint32 n)
{
	HgMedium   *acc = (HgMedium *) c->acc;

	for (uint32 i = 0; i < n; i++)
	{
		HgMedium   *a = &acc[number[i]];
		hg_int128	sum;

		if (a->count == 0)
		{
			c->nused++;
			*a = from[i];
			continue;
		}
		if (unlikely(__builtin_add_overflow(a->sum, from[i].sum, &sum)))
			return i;
		a->sum = sum;
		a->count += from[i].count;
		a->least = Min(a->least, from[i].least);
		a->greatest = Max(a->greatest, from[i].greatest);
	}
	return n;
}

/*
 * merge_wide adds a WIDE accumulator.
 */
static void
merge_wide(HgCollect *c, uint32 number, const HgWide *from)
{
	HgWide	   *a = hg_collect_acc(c, number);

	if (a->count == 0)
	{
		c->nused++;
		a->sum = copy_numeric(c, from->sum);
	}
	else
		add_to_sum(c, a, from->sum);
	a->count += from->count;
	extend_wide(c, a, from->least);
	extend_wide(c, a, from->greatest);
}

/*
 * merge_medium_wide adds a MEDIUM accumulator to a collector that has turned
 * WIDE.
 */
static void
merge_medium_wide(HgCollect *c, uint32 number, const HgMedium *from)
{
	HgWide		wide;

	/* a sum may look like a special value by chance */
	wide.sum = hg_fixed_numeric(from->sum, c->scale);
	wide.least = hg_decimal_numeric(from->least, c->scale);
	wide.greatest = hg_decimal_numeric(from->greatest, c->scale);
	wide.count = from->count;
	merge_wide(c, number, &wide);
	pfree(wide.sum);
	pfree(wide.least);
	pfree(wide.greatest);
}

/*
 * merge_doubles adds accumulators of double precision values.
 */
static void
merge_doubles(HgCollect *c, const uint32 *number, const HgDouble *from,
			  uint32 n)
{
	HgDouble   *acc = (HgDouble *) c->acc;

	for (uint32 i = 0; i < n; i++)
	{
		HgDouble   *a = &acc[number[i]];

		if (a->count == 0)
		{
			c->nused++;
			*a = from[i];
			continue;
		}
		a->count += from[i].count;
		extend_double(a, from[i].least);
		extend_double(a, from[i].greatest);
		hg_real_add(&a->sum, from[i].sum.sum);
		a->sum.rest += from[i].sum.rest;
		if (unlikely(!isfinite(a->sum.sum)))
			float_overflow_error();
	}
}

/*
 * merge_counts adds counts.
 */
static void
merge_counts(HgCollect *c, const uint32 *number, const int64 *from, uint32 n)
{
	int64	   *acc = (int64 *) c->acc;

	for (uint32 i = 0; i < n; i++)
	{
		c->nused += acc[number[i]] == 0;
		acc[number[i]] += from[i];
	}
}

/*
 * hg_collect_add_acc adds accumulators.
 */
void
hg_collect_add_acc(HgCollect *c, HgAccKind held, const uint32 *number,
				   const void *accs, const int64 *high, const uint8 *flags,
				   uint32 n)
{
	uint32		done = 0;

	switch (held)
	{
		case HG_ACC_COUNT:
			merge_counts(c, number, accs, n);
			break;
		case HG_ACC_COMPACT:
			if (c->kind == HG_ACC_COMPACT)
				done = merge_compact(c, number, accs, n);
			if (done < n)
				hg_collect_raise(c, HG_ACC_NARROW);
			for (; done < n; done++)
			{
				HgNarrow	one;

				hg_narrow_from((const HgCompact *) accs + done, &one);
				merge_narrow(c, &number[done], &one, NULL, 1);
			}
			break;
		case HG_ACC_NARROW:
			merge_narrow(c, number, accs, high, n);
			break;
		case HG_ACC_REAL:
			merge_doubles(c, number, accs, n);
			break;
		case HG_ACC_MEDIUM:
			if (c->kind == HG_ACC_MEDIUM)
				done = merge_medium(c, number, accs, n);
			if (done < n)
				hg_collect_raise(c, HG_ACC_WIDE);
			for (; done < n; done++)
				merge_medium_wide(c, number[done], (const HgMedium *) accs + done);
			break;
		case HG_ACC_WIDE:
			for (; done < n; done++)
				merge_wide(c, number[done], (const HgWide *) accs + done);
			break;
	}
	for (uint32 i = 0; flags != NULL && i < n; i++)
	{
		if (flags[i] != 0)
			flags_of(c)[number[i]] |= flags[i];
	}
}
