/*-------------------------------------------------------------------------
 *
 * hrollup_amount.c
 *	  Amounts as numeric.
 *
 * A rollup has three numerics a row, a million rows are common, and numeric's
 * own functions take several times as long as all the rest.  So numerics are
 * put together here, in the form in which they are stored.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "compat.h"
#include "types/hrollup_private.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

/* How PostgreSQL stores numerics: groups of four digits behind a header. */
#define GROUP				10000
#define GROUP_PLACES		4
#define LONG_NEGATIVE		0x4000
#define SHORT_HEADER		0x8000
#define SHORT_NEGATIVE		0x2000
#define SHORT_SCALE_SHIFT	7
#define SHORT_SCALE_MAX		63
#define SHORT_WEIGHT_MIN	(-64)
#define SHORT_WEIGHT_MAX	63
#define SHORT_WEIGHT_MASK	0x7f

/* 128 bits have 39 digits; they may lie across one group more. */
#define MAX_GROUPS			11

static const uint32 powers[GROUP_PLACES] = {1, 10, 100, 1000};

/*
 * put_together makes a numeric of groups, the last one first.
 */
static Numeric
put_together(const uint16 *groups, int n, int weight, int scale, bool negative)
{
	int			skip = 0;
	bool		is_short;
	Size		size;
	struct varlena *result;
	uint16	   *to;

	while (n > 0 && groups[n - 1] == 0)
	{
		n--;
		weight--;
	}
	while (skip < n && groups[skip] == 0)
		skip++;
	if (n == 0)
	{
		weight = 0;
		negative = false;
	}
	is_short = scale <= SHORT_SCALE_MAX &&
		weight >= SHORT_WEIGHT_MIN && weight <= SHORT_WEIGHT_MAX;

	size = VARHDRSZ + sizeof(uint16) * ((is_short ? 1 : 2) + n - skip);
	result = palloc(size);
	SET_VARSIZE(result, size);
	to = (uint16 *) VARDATA(result);
	if (is_short)
		*to++ = SHORT_HEADER | (negative ? SHORT_NEGATIVE : 0) |
			(uint16) (scale << SHORT_SCALE_SHIFT) |
			((uint16) weight & SHORT_WEIGHT_MASK);
	else
	{
		*to++ = (negative ? LONG_NEGATIVE : 0) | (uint16) scale;
		*to++ = (uint16) (int16) weight;
	}
	while (n > skip)
		*to++ = groups[--n];
	return (Numeric) result;
}

/*
 * hg_fixed_numeric is value / 10^scale as numeric.
 */
Numeric
hg_fixed_numeric(hg_int128 value, int scale)
{
	bool		negative = value < 0;
	unsigned __int128 rest = negative ? -(unsigned __int128) value :
		(unsigned __int128) value;
	uint16		groups[MAX_GROUPS];
	int			n = 0;
	int			last = -((scale + GROUP_PLACES - 1) / GROUP_PLACES);
	int			odd = scale % GROUP_PLACES;
	uint64		low;

	if (odd > 0)
	{
		/* The last group has only some of its places. */
		if (rest <= PG_UINT64_MAX)
		{
			groups[n++] = ((uint64) rest % powers[odd]) * powers[GROUP_PLACES - odd];
			rest = (uint64) rest / powers[odd];
		}
		else
		{
			groups[n++] = (uint32) (rest % powers[odd]) * powers[GROUP_PLACES - odd];
			rest /= powers[odd];
		}
	}
	while (rest > PG_UINT64_MAX)
	{
		groups[n++] = (uint16) (rest % GROUP);
		rest /= GROUP;
	}
	for (low = (uint64) rest; low > 0; low /= GROUP)
		groups[n++] = low % GROUP;
	return put_together(groups, n, last + n - 1, scale, negative);
}

/*
 * numeric_from_text runs numeric's input function.
 */
static Numeric
numeric_from_text(const char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in,
											   CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/*
 * special_numeric is what flags stand for: NaN, or an infinity.
 */
static Numeric
special_numeric(uint8 flags)
{
	switch (flags & HG_AMOUNT_SPECIAL)
	{
		case HG_AMOUNT_PLUS_INF:
			return numeric_from_text("Infinity");
		case HG_AMOUNT_MINUS_INF:
			return numeric_from_text("-Infinity");
		default:
			return numeric_from_text("NaN");
	}
}

/*
 * hg_extreme_flags tells which of the special extremes an integer is, if any.
 */
uint8
hg_extreme_flags(hg_int128 value)
{
	if (value == HG_EXTREME_NAN)
		return HG_AMOUNT_NAN;
	if (value == HG_EXTREME_PLUS_INF)
		return HG_AMOUNT_PLUS_INF;
	if (value == HG_EXTREME_MINUS_INF)
		return HG_AMOUNT_MINUS_INF;
	return 0;
}

/*
 * hg_extreme_numeric is an extreme as numeric.
 */
Numeric
hg_extreme_numeric(hg_int128 value, int scale)
{
	uint8		flags = hg_extreme_flags(value);

	return flags ? special_numeric(flags) : hg_fixed_numeric(value, scale);
}

/*
 * hg_numeric_flags tells which flag a numeric that is no number stands for.
 */
uint8
hg_numeric_flags(Numeric num)
{
	if (numeric_is_nan(num))
		return HG_AMOUNT_NAN;
	if (!numeric_is_inf(num))
		return 0;
	return hg_numeric_compare(num, hg_fixed_numeric(0, 0)) > 0 ?
		HG_AMOUNT_PLUS_INF : HG_AMOUNT_MINUS_INF;
}

/*
 * hg_numeric_compare orders numerics.
 */
int
hg_numeric_compare(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a),
											 NumericGetDatum(b)));
}

/*
 * hg_real_numeric is a double as numeric, with the digits that float8 shows.
 */
Datum
hg_real_numeric(double value)
{
	char		buf[DOUBLE_SHORTEST_DECIMAL_LEN];
	const char *p = buf;
	hg_int128	digits = 0;
	int			scale = 0;
	int			len;

	if (isnan(value))
		return NumericGetDatum(special_numeric(HG_AMOUNT_NAN));
	if (isinf(value))
		return NumericGetDatum(special_numeric(value > 0 ? HG_AMOUNT_PLUS_INF :
												  HG_AMOUNT_MINUS_INF));
	if (fabs(value) < 1e15 && value == (double) (int64) value)
		return NumericGetDatum(hg_fixed_numeric((int64) value, 0));

	len = double_to_shortest_decimal_buf(value, buf);
	buf[len] = '\0';
	if (*p == '-')
		p++;
	for (; isdigit((unsigned char) *p); p++)
		digits = digits * 10 + (*p - '0');
	if (*p == '.')
		for (p++; isdigit((unsigned char) *p); p++, scale++)
			digits = digits * 10 + (*p - '0');
	if (*p == 'e')
		scale -= (int) strtol(p + 1, NULL, 10);
	/* 17 digits; so many zeros behind them still fit */
	if (scale < -20 || scale > HG_MAX_SCALE)
		return NumericGetDatum(numeric_from_text(buf));
	for (; scale < 0; scale++)
		digits *= 10;
	return NumericGetDatum(hg_fixed_numeric(buf[0] == '-' ? -digits : digits,
											scale));
}

/*
 * trim_fixed drops zeros behind the point.
 */
static void
trim_fixed(hg_int128 *value, int *scale, int min_scale)
{
	hg_int128	v = *value;
	int			s = *scale;

	if (v == 0)
		s = Min(s, min_scale);
	while (s > min_scale && v == (int64) v && (int64) v % 10 == 0)
	{
		v = (int64) v / 10;
		s--;
	}
	while (s > min_scale && v % 10 == 0)
	{
		v /= 10;
		s--;
	}
	*value = v;
	*scale = s;
}

/*
 * trim_numeric gives a numeric the display scale that trim_fixed would.
 */
static Datum
trim_numeric(Numeric num, int scale, int min_scale)
{
	int			needed;

	if (numeric_is_nan(num) || numeric_is_inf(num))
		return NumericGetDatum(num);
	if (scale > min_scale)
	{
		needed = DatumGetInt32(DirectFunctionCall1(numeric_min_scale,
												   NumericGetDatum(num)));
		scale = Max(needed, min_scale);
	}
	return DirectFunctionCall2(numeric_round, NumericGetDatum(num),
							   Int32GetDatum(scale));
}

/*
 * hg_amount_numeric is an amount as numeric.
 */
Datum
hg_amount_numeric(const HgAmount *amount, HgValueKind value, int scale,
				  int min_scale)
{
	hg_int128	fixed = amount->fixed;

	if (amount->flags & HG_AMOUNT_SPECIAL)
		return NumericGetDatum(special_numeric(amount->flags));
	if (value == HG_VALUE_REAL)
	{
		double		sum = amount->real.sum + amount->real.rest;

		return hg_real_numeric(isfinite(sum) ? sum : amount->real.sum);
	}
	if (amount->wide)
		return trim_numeric(amount->wide, scale, min_scale);
	if (scale > min_scale)
		trim_fixed(&fixed, &scale, min_scale);
	return NumericGetDatum(hg_fixed_numeric(fixed, scale));
}

/*
 * hg_real_to_ordered turns a double into an integer of the same order.
 */
int64
hg_real_to_ordered(double value)
{
	int64		bits;

	if (isnan(value))
		value = get_float8_nan();
	memcpy(&bits, &value, sizeof(bits));
	/* Of negative ones the greater bits mean the lesser value. */
	return bits < 0 ? PG_INT64_MIN - bits - 1 : bits;
}

/*
 * hg_real_from_ordered turns it back.
 */
double
hg_real_from_ordered(int64 value)
{
	int64		bits = value < 0 ? PG_INT64_MIN - (value + 1) : value;
	double		result;

	memcpy(&result, &bits, sizeof(result));
	return result;
}
