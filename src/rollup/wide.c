/*-------------------------------------------------------------------------
 *
 * wide.c
 *	  PostgreSQL's numeric as the arithmetic of a rollup whose amounts do not
 *	  fit 128 bits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "rollup/finish.h"
#include "utils/fmgrprotos.h"

/* What a cell's functions need to know. */
typedef struct Wide
{
	int			scale;			/* of shared amounts */
	MemoryContext mcxt;			/* of cells */
} Wide;

/*
 * combine applies a function to two cells and frees the first one.
 */
static void *
combine(const Wide *wide, PGFunction function, void *a, const void *b)
{
	MemoryContext old = MemoryContextSwitchTo(wide->mcxt);
	Datum		result;

	result = DirectFunctionCall2(function, NumericGetDatum((Numeric) a),
								 NumericGetDatum((Numeric) b));
	MemoryContextSwitchTo(old);
	pfree(a);
	return DatumGetPointer(result);
}

/*
 * wide_add returns a + b and consumes a.
 */
static void *
wide_add(void *arg, void *a, const void *b)
{
	const Wide *wide = arg;

	if (b == NULL)
		return a;
	if (a == NULL)
	{
		a = MemoryContextAlloc(wide->mcxt, VARSIZE_ANY(b));
		memcpy(a, b, VARSIZE_ANY(b));
		return a;
	}
	return combine(wide, numeric_add, a, b);
}

/*
 * wide_subtract returns a - b and consumes a.
 */
static void *
wide_subtract(void *arg, void *a, const void *b)
{
	const Wide *wide = arg;

	if (b == NULL)
		return a;
	if (a == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(wide->mcxt);

		a = DatumGetPointer(DirectFunctionCall1(numeric_uminus,
												NumericGetDatum((Numeric) b)));
		MemoryContextSwitchTo(old);
		return a;
	}
	return combine(wide, numeric_sub, a, b);
}

/*
 * wide_share returns a * weight / 10^digits, rounded half away from zero, which
 * is what numeric's round() does.  The product itself is exact.
 */
static void *
wide_share(void *arg, const void *a, int64_t weight, int digits)
{
	const Wide *wide = arg;
	Numeric		factor;
	Datum		product;
	MemoryContext old;

	if (a == NULL || weight == 0)
		return NULL;
	old = MemoryContextSwitchTo(wide->mcxt);
	factor = hg_fixed_numeric(weight, digits);
	product = DirectFunctionCall2(numeric_mul, NumericGetDatum((Numeric) a),
								  NumericGetDatum(factor));
	pfree(factor);
	factor = DatumGetNumeric(product);
	product = DirectFunctionCall2(numeric_round, product,
								  Int32GetDatum(wide->scale));
	pfree(factor);
	MemoryContextSwitchTo(old);
	return DatumGetPointer(product);
}

/*
 * wide_free frees a cell.
 */
static void
wide_free(void *arg, void *a)
{
	pfree(a);
}

/*
 * hg_wide_ops fills in the functions; their argument lives in mcxt.
 */
void
hg_wide_ops(HgOpaqueOps *ops, int scale, MemoryContext mcxt)
{
	Wide	   *wide = MemoryContextAlloc(mcxt, sizeof(Wide));

	wide->scale = scale;
	wide->mcxt = mcxt;
	ops->arg = wide;
	ops->add = wide_add;
	ops->subtract = wide_subtract;
	ops->share = wide_share;
	ops->free = wide_free;
}

/*
 * hg_wide_compare orders cells as numeric does.
 */
int
hg_wide_compare(void *arg, const void *a, const void *b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp,
											 NumericGetDatum((Numeric) a),
											 NumericGetDatum((Numeric) b)));
}
