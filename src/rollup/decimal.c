/*-------------------------------------------------------------------------
 *
 * decimal.c
 *	  Numerics and 128-bit integers at a scale.
 *
 * A stored numeric, behind its varlena header, is a header of one or two
 * 16-bit words and then digits of base 10000, each a 16-bit integer, the most
 * significant first.  Zeros at either end are not stored.  The first word:
 *
 *		10sd dddd dwww wwww		one word of header: sign, display scale and
 *								weight, a number of seven bits in two's
 *								complement
 *		0sdd dddd dddd dddd		sign and display scale; the weight is the second
 *								word
 *		1100 0000 0000 0000		NaN
 *		1101 ..., 1111 ...		infinity, minus infinity
 *
 * The first digit counts 10000^weight.  The display scale is a number of
 * decimal places, so the last digit may end in decimal zeros beyond it.
 *
 * Values in a table usually have a varlena header of one byte, after which
 * nothing is aligned.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "rollup/collect_state.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

#define DIGIT_PLACES		4
#define DIGIT_BASE			10000

#define SHORT_HEADER		0x8000
#define SPECIAL_HEADER		0xC000
#define SPECIAL_MASK		0xF000
#define HEADER_PLUS_INF		0xD000
#define HEADER_MINUS_INF	0xF000

/* A numeric taken apart. */
typedef struct Decimal
{
	bool		negative;
	int			dscale;
	int			weight;
	int			ndigits;
	const char *digits;			/* not aligned */
} Decimal;

/*
 * read_word reads 16 bits from anywhere.
 */
static inline uint16
read_word(const char *p)
{
	uint16		word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/*
 * take_apart reads the header.  False for what is no number; *header then
 * tells which.
 */
static inline bool
take_apart(const struct varlena *num, Decimal *d, uint16 *header)
{
	const char *p = VARDATA_ANY(num);
	int			len = VARSIZE_ANY_EXHDR(num);
	uint16		word = read_word(p);

	*header = word;
	p += sizeof(uint16);
	len -= sizeof(uint16);
	if (word & SHORT_HEADER)
	{
		if ((word & SPECIAL_HEADER) == SPECIAL_HEADER)
			return false;
		d->negative = (word & 0x2000) != 0;
		d->dscale = (word & 0x1F80) >> 7;
		d->weight = (word & 0x3F) - (word & 0x40);
	}
	else
	{
		d->negative = (word & 0x4000) != 0;
		d->dscale = word & 0x3FFF;
		d->weight = (int16) read_word(p);
		p += sizeof(uint16);
		len -= sizeof(uint16);
	}
	d->ndigits = len / (int) sizeof(uint16);
	d->digits = p;
	return true;
}

/*
 * digit_at returns a digit, 0 beyond the stored ones.
 */
static inline uint32
digit_at(const Decimal *d, int i)
{
	return i < d->ndigits ? read_word(d->digits + i * sizeof(uint16)) : 0;
}

/* Powers of ten that fit 64 bits. */
static const int64 power64[] = {
	INT64CONST(1),
	INT64CONST(10),
	INT64CONST(100),
	INT64CONST(1000),
	INT64CONST(10000),
	INT64CONST(100000),
	INT64CONST(1000000),
	INT64CONST(10000000),
	INT64CONST(100000000),
	INT64CONST(1000000000),
	INT64CONST(10000000000),
	INT64CONST(100000000000),
	INT64CONST(1000000000000),
	INT64CONST(10000000000000),
	INT64CONST(100000000000000),
	INT64CONST(1000000000000000),
	INT64CONST(10000000000000000),
	INT64CONST(100000000000000000),
	INT64CONST(1000000000000000000),
};

#define PLACES64	((int) lengthof(power64) - 1)

/*
 * hg_decimal_power returns 10^n.
 */
hg_int128
hg_decimal_power(int n)
{
	Assert(n >= 0 && n <= HG_DECIMAL_PLACES);
	if (n <= PLACES64)
		return power64[n];
	if (n <= 2 * PLACES64)
		return (hg_int128) power64[PLACES64] * power64[n - PLACES64];
	return (hg_int128) power64[PLACES64] * power64[PLACES64] *
		power64[n - 2 * PLACES64];
}

/*
 * cut_digit divides a digit by 10^places, 1 to 3, by way of a multiplication.
 */
static inline uint32
cut_digit(uint32 digit, int places)
{
	static const uint32 factor[] = {0, 6554, 5243, 8389};
	static const uint8 shift[] = {0, 16, 19, 23};

	return (digit * factor[places]) >> shift[places];
}

/*
 * hg_decimal_parse64 is hg_decimal_parse for values that have no more decimal
 * places than the scale and certainly fit 64 bits.
 */
bool
hg_decimal_parse64(const struct varlena *num, int scale, int64 *value)
{
	Decimal		d;
	uint16		header;
	int64		v = 0;
	int			whole;			/* digits that count as they are */
	int			places;			/* decimal places of one more */

	if (!take_apart(num, &d, &header) || d.dscale > scale ||
		(d.weight + 1) * DIGIT_PLACES + scale > PLACES64)
		return false;

	/* With a scale of at least 0, so many digits come before its end. */
	whole = d.weight + 1 + scale / DIGIT_PLACES;
	places = scale % DIGIT_PLACES;
	for (int i = 0; i < whole; i++)
		v = v * DIGIT_BASE + digit_at(&d, i);
	if (places > 0 && whole >= 0)
		v = v * power64[places] +
			cut_digit(digit_at(&d, whole), DIGIT_PLACES - places);
	*value = d.negative ? -v : v;
	return true;
}

/*
 * count_places returns how many decimal places the digits really have.
 */
static int
count_places(const Decimal *d)
{
	int			n = d->ndigits;
	int			places;
	uint32		digit;

	while (n > 0 && digit_at(d, n - 1) == 0)
		n--;
	if (n == 0)
		return 0;
	places = (n - 1 - d->weight) * DIGIT_PLACES;
	for (digit = digit_at(d, n - 1); digit % 10 == 0; digit /= 10)
		places--;
	return Max(places, 0);
}

/*
 * hg_decimal_parse turns a stored numeric into an integer at a scale.
 */
HgDecimalResult
hg_decimal_parse(const struct varlena *num, int scale, hg_int128 *value,
				 int *scale_needed)
{
	Decimal		d;
	uint16		header;
	hg_int128	v = 0;
	int			whole;
	int			places;

	if (!take_apart(num, &d, &header))
	{
		switch (header & SPECIAL_MASK)
		{
			case HEADER_PLUS_INF:
				return HG_DECIMAL_PLUS_INF;
			case HEADER_MINUS_INF:
				return HG_DECIMAL_MINUS_INF;
			default:
				return HG_DECIMAL_NAN;
		}
	}
	*scale_needed = Max(d.dscale, count_places(&d));
	if (*scale_needed > scale)
		return HG_DECIMAL_NARROW;

	/* All digits beyond these are zeros. */
	whole = d.weight + 1 + scale / DIGIT_PLACES;
	places = scale % DIGIT_PLACES;
	for (int i = 0; i < whole; i++)
	{
		if (__builtin_mul_overflow(v, (hg_int128) DIGIT_BASE, &v) ||
			__builtin_add_overflow(v, (hg_int128) digit_at(&d, i), &v))
			return HG_DECIMAL_TOO_LARGE;
		/* what is left of a zero are zeros only */
		if (v == 0 && i >= d.ndigits)
			break;
	}
	if (places > 0 && whole >= 0 &&
		(__builtin_mul_overflow(v, (hg_int128) power64[places], &v) ||
		 __builtin_add_overflow(v, (hg_int128) cut_digit(digit_at(&d, whole),
														 DIGIT_PLACES - places),
								&v)))
		return HG_DECIMAL_TOO_LARGE;
	*value = d.negative ? -v : v;
	return HG_DECIMAL_OK;
}

/*
 * special_numeric makes a NaN or infinity.
 */
static Numeric
special_numeric(const char *name)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(name),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/*
 * hg_decimal_numeric turns a fixed-point number or special value into a
 * numeric.
 */
Numeric
hg_decimal_numeric(hg_int128 value, int scale)
{
	if (value == HG_EXTREME_NAN)
		return special_numeric("NaN");
	if (value == HG_EXTREME_PLUS_INF)
		return special_numeric("Infinity");
	if (value == HG_EXTREME_MINUS_INF)
		return special_numeric("-Infinity");
	return hg_fixed_numeric(value, scale);
}

/*
 * wide_amount is an exact amount as numeric.
 */
static Datum
wide_amount(const HgAmount *a, int scale)
{
	return NumericGetDatum(a->wide != NULL ? a->wide :
						   hg_fixed_numeric(a->fixed, scale));
}

/*
 * hg_amount_add adds an amount to another one.
 */
void
hg_amount_add(HgAmount *a, const HgAmount *b, HgValueKind value, int scale)
{
	a->flags |= b->flags;
	if (value == HG_VALUE_REAL)
	{
		hg_real_add(&a->real, b->real.sum);
		a->real.rest += b->real.rest;
		if (unlikely(!hg_real_finite(&a->real)))
			float_overflow_error();
		return;
	}
	if (a->wide == NULL && b->wide == NULL)
	{
		hg_int128	sum;

		if (!__builtin_add_overflow(a->fixed, b->fixed, &sum))
		{
			a->fixed = sum;
			return;
		}
	}
	a->wide = DatumGetNumeric(DirectFunctionCall2(numeric_add,
												  wide_amount(a, scale),
												  wide_amount(b, scale)));
}
