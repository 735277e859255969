/*-------------------------------------------------------------------------
 *
 * hrollup_cells.c
 *	  A column of exact amounts in the making: integers at a scale until one
 *	  does not fit; then the column is one of numerics.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "types/hrollup_private.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* 10^38 is the greatest power of ten in 128 bits. */
#define MAX_POWER	38

/*
 * hg_cells_init makes size cells, all zero.
 */
void
hg_cells_init(HgCells *cells, int scale, bool extremes, uint32 size)
{
	cells->scale = scale;
	cells->extremes = extremes;
	cells->size = Max(size, 1);
	cells->wide = NULL;
	cells->fixed = palloc_extended((Size) cells->size * sizeof(hg_int128),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/*
 * hg_cells_grow makes room for more.
 */
void
hg_cells_grow(HgCells *cells, uint32 size)
{
	Size		more = size - cells->size;

	cells->fixed = repalloc_huge(cells->fixed, (Size) size * sizeof(hg_int128));
	memset(cells->fixed + cells->size, 0, more * sizeof(hg_int128));
	if (cells->wide)
	{
		cells->wide = repalloc_huge(cells->wide, (Size) size * sizeof(Numeric));
		memset(cells->wide + cells->size, 0, more * sizeof(Numeric));
	}
	cells->size = size;
}

/*
 * hg_cells_set_wide sets a cell that takes a numeric.
 */
void
hg_cells_set_wide(HgCells *cells, uint32 i, Numeric value)
{
	if (cells->wide == NULL)
		cells->wide = palloc_extended((Size) cells->size * sizeof(Numeric),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	cells->wide[i] = value;
}

/*
 * hg_cells_source describes the first n cells as a column.
 */
HgSource
hg_cells_source(const HgCells *cells, uint32 n)
{
	HgSource	source = {.type = HG_SOURCE_INT128,.base = cells->fixed,.stride = sizeof(hg_int128)};
	HgKey	   *bytes;

	if (cells->wide == NULL)
		return source;
	bytes = palloc_extended((Size) Max(n, 1) * sizeof(HgKey),
							MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < n; i++)
	{
		Numeric		num = cells->wide[i];

		if (num == NULL && cells->extremes)
			num = hg_extreme_numeric(cells->fixed[i], cells->scale);
		else if (num == NULL && cells->fixed[i] != 0)
			num = hg_fixed_numeric(cells->fixed[i], cells->scale);
		if (num != NULL)
		{
			bytes[i].bytes = (const unsigned char *) num;
			bytes[i].len = VARSIZE(num);
		}
	}
	source.type = HG_SOURCE_BYTES;
	source.base = bytes;
	source.stride = sizeof(HgKey);
	return source;
}

/*
 * hg_fixed_rescale multiplies by a power of ten.
 */
bool
hg_fixed_rescale(hg_int128 *value, int places)
{
	hg_int128	power = 1;

	if (*value == 0 || places == 0)
		return true;
	if (places > MAX_POWER)
		return false;
	for (int i = 0; i < places; i++)
		power *= 10;
	return !__builtin_mul_overflow(*value, power, value);
}

/*
 * hg_amount_rescale gives an exact amount a greater scale.
 */
void
hg_amount_rescale(HgAmount *amount, int scale, int new_scale)
{
	hg_int128	fixed = amount->fixed;

	if (amount->wide != NULL)
		return;
	if (hg_fixed_rescale(&fixed, new_scale - scale))
		amount->fixed = fixed;
	else
		amount->wide = DatumGetNumeric(DirectFunctionCall2(numeric_round,
														   NumericGetDatum(hg_fixed_numeric(amount->fixed, scale)),
														   Int32GetDatum(new_scale)));
}
