/*-------------------------------------------------------------------------
 *
 * columns_int.c
 *	  Writing columns of integers.
 *
 * Writing a million values in some other order would be mostly waiting for
 * memory: so the source is read in its own order, made narrow, and only then
 * put into order, as what is narrow fits the caches.  Columns whose values lie
 * side by side are read together, once for their ranges and once to write them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "rollup/columns_write.h"
#include "rollup/little.h"

/* ---- reading ---- */

/*
 * value_of reads the integer of a row.
 */
static hg_int128
value_of(const HgSource *source, const uint32_t *order, uint32_t row)
{
	size_t		pos = position(source, order, row);

	if (source->index && pos == HG_NONE)
		return source->missing;
	switch (source->type)
	{
		case HG_SOURCE_UINT8:
			return *(const uint8_t *) address(source, pos);
		case HG_SOURCE_UINT32:
			return *(const uint32_t *) address(source, pos);
		case HG_SOURCE_INT32:
			return *(const int32_t *) address(source, pos);
		case HG_SOURCE_INT64:
			return *(const int64_t *) address(source, pos);
		default:
			return *(const hg_int128 *) address(source, pos);
	}
}

/* Rows ahead of the one at hand whose values are asked for. */
#define AHEAD		16

/*
 * ask_for asks for the value of a row to come.
 */
static inline void
ask_for(const HgSource *source, const uint32_t *order, uint32_t row,
		uint32_t n)
{
	if (row + AHEAD < n)
	{
		size_t		pos = position(source, order, row + AHEAD);

		if (source->index == NULL || pos != HG_NONE)
			__builtin_prefetch(address(source, pos));
	}
}

/* Reads rows that need no index, one after the other; "size" is the stride. */
#define LOAD_RUN(type, size) \
	for (uint32_t i = 0; i < n; i++) \
		to[i] = *(const type *) (base + (size) * i)

/* Reads rows at positions. */
#define LOAD_AT(type) \
	for (uint32_t i = 0; i < n; i++) \
		to[i] = at[i] == HG_NONE ? missing : \
			*(const type *) (base + stride * at[i])

#define LOAD(type) \
	do { \
		if (at) \
			LOAD_AT(type); \
		else if (stride == sizeof(type)) \
			LOAD_RUN(type, sizeof(type)); \
		else \
			LOAD_RUN(type, stride); \
	} while (0)

/*
 * load_long is "load" for integers of 128 bits.
 */
static bool
load_long(const HgSource *source, size_t first, const uint32_t *at,
		  uint32_t n, int64_t *to)
{
	const char *base = address(source, first);
	bool		lost = false;

	for (uint32_t i = 0; at == NULL && i < n; i++)
	{
		hg_int128	v = *(const hg_int128 *) (base + source->stride * i);

		to[i] = (int64_t) v;
		lost |= to[i] != v;
	}
	for (uint32_t i = 0; at != NULL && i < n; i++)
	{
		hg_int128	v = at[i] == HG_NONE ? source->missing :
			*(const hg_int128 *) (base + source->stride * at[i]);

		to[i] = (int64_t) v;
		lost |= to[i] != v;
	}
	return !lost;
}

/*
 * load reads n integers, from a position on or (at not NULL) at given ones.
 * False: they do not all fit 64 bits.
 */
static bool
load(const HgSource *source, size_t first, const uint32_t *at, uint32_t n,
	 int64_t *to)
{
	const char *base = address(source, first);
	size_t		stride = source->stride;
	int64_t		missing = (int64_t) source->missing;

	if (source->type == HG_SOURCE_INT128 || missing != source->missing)
		return load_long(source, first, at, n, to);
	switch (source->type)
	{
		case HG_SOURCE_UINT8:
			LOAD(uint8_t);
			break;
		case HG_SOURCE_UINT32:
			LOAD(uint32_t);
			break;
		case HG_SOURCE_INT32:
			LOAD(int32_t);
			break;
		default:
			LOAD(int64_t);
			break;
	}
	return true;
}

/*
 * widen_range takes more values into a range.
 */
static void
widen_range(HgRange *range, const int64_t *values, uint32_t n)
{
	int64_t		least = range->least;
	int64_t		greatest = range->greatest;

	for (uint32_t i = 0; i < n; i++)
	{
		least = Min(least, values[i]);
		greatest = Max(greatest, values[i]);
	}
	range->least = least;
	range->greatest = greatest;
}

#define NARROW(type, little) \
	for (uint32_t i = 0; i < n; i++) \
	{ \
		type		v = little((type) ((uint64_t) values[i] - (uint64_t) least)); \
		\
		memcpy(to + i * sizeof(type), &v, sizeof(type)); \
	}

#define AS_IS(x) (x)

/*
 * narrow stores what values are above the least one.
 */
static void
narrow(char *to, const int64_t *values, uint32_t n, int64_t least,
	   uint32_t width)
{
	switch (width)
	{
		case 1:
			NARROW(uint8_t, AS_IS);
			break;
		case 2:
			NARROW(uint16_t, little16);
			break;
		case 4:
			NARROW(uint32_t, little32);
			break;
		case 8:
			NARROW(uint64_t, little64);
			break;
	}
}

#define GATHER(size) \
	for (uint32_t i = 0; i < n; i++) \
		memcpy(to + (size_t) i * (size), from + (size_t) order[i] * (size), (size))

/*
 * gather puts narrow values into order.
 */
static void
gather(char *to, const char *from, const uint32_t *order, uint32_t n,
	   uint32_t width)
{
	switch (width)
	{
		case 1:
			GATHER(1);
			break;
		case 2:
			GATHER(2);
			break;
		case 4:
			GATHER(4);
			break;
		case 8:
			GATHER(8);
			break;
	}
}

/* ---- writing ---- */

/*
 * put_int_head appends the head of integers and returns where they go.
 */
static char *
put_int_head(HgBuffer *buf, hg_int128 least, uint32_t width, uint32_t n)
{
	hg_put_head(buf, HG_COLUMN_INT, width);
	hg_put_int(hg_buffer_extend(buf, sizeof(least)), (Unsigned128) least, sizeof(least));
	return hg_buffer_extend(buf, (size_t) n * width);
}

/* What values lie between, in full. */
typedef struct LongRange
{
	hg_int128	least;
	hg_int128	greatest;
} LongRange;

/*
 * take_long takes one more value into a range.
 */
static inline void
take_long(LongRange *range, hg_int128 v)
{
	range->least = Min(range->least, v);
	range->greatest = Max(range->greatest, v);
}

/*
 * long_range finds out what values lie between: of n rows, or (order NULL) of
 * as many values as they stand.
 */
static LongRange
long_range(const HgSource *source, const uint32_t *order, uint32_t n)
{
	LongRange	range = {HG_INT128_MAX, HG_INT128_MIN};

	for (uint32_t first = 0, end; first < n; first = end)
	{
		end = n - first < CHECK_EVERY ? n : first + CHECK_EVERY;
		CHECK_FOR_INTERRUPTS();
		if (order == NULL && source->index == NULL &&
			source->type == HG_SOURCE_INT128)
			for (uint32_t i = first; i < end; i++)
				take_long(&range, *(const hg_int128 *) address(source, i));
		else
			for (uint32_t i = first; i < end; i++)
			{
				ask_for(source, order, i, n);
				take_long(&range, value_of(source, order, i));
			}
	}
	return range;
}

/*
 * write_long_ints writes integers that do not all fit 64 bits.  in_place: the
 * first nvalues, in whatever order, have the rows' range.
 */
static void
write_long_ints(HgBuffer *buf, const HgSource *source, const uint32_t *order,
				uint32_t n, bool in_place, uint32_t nvalues)
{
	LongRange	range = in_place ? long_range(source, NULL, nvalues) :
		long_range(source, order, n);
	Unsigned128 least = (Unsigned128) range.least;
	uint32_t	width = hg_width_of((Unsigned128) range.greatest - least);
	char	   *to = put_int_head(buf, range.least, width, n);

	for (uint32_t first = 0, end; first < n; first = end)
	{
		end = n - first < CHECK_EVERY ? n : first + CHECK_EVERY;
		CHECK_FOR_INTERRUPTS();
		for (uint32_t i = first; i < end; i++, to += width)
		{
			ask_for(source, order, i, n);
			hg_put_int(to, (Unsigned128) value_of(source, order, i) - least, width);
		}
	}
}

/*
 * resolve lists the positions of a chunk of rows.
 */
static void
resolve(const HgSource *source, const uint32_t *order, uint32_t first,
		uint32_t n, uint32_t *at)
{
	for (uint32_t i = 0; i < n; i++)
		at[i] = position(source, order, first + i);
}

/*
 * is_within: does an order name values among the first so many only?
 */
static bool
is_within(const uint32_t *order, uint32_t n, uint32_t nvalues)
{
	uint32_t	greatest = 0;

	for (uint32_t i = 0; i < n; i++)
		greatest = Max(greatest, order[i]);
	return greatest < nvalues;
}

/*
 * make_room writes the head of integers whose values hg_columns_fill writes.
 */
static void
make_room(HgBuffer *buf, HgRange *range, uint32_t n)
{
	range->width = hg_width_of((uint64_t) range->greatest - (uint64_t) range->least);
	range->start = put_int_head(buf, range->least, range->width, n) - buf->data;
}

/*
 * hg_write_ints writes integers.
 *
 * Values that stand in the rows' order, or in another order of the same rows
 * and few to spare, are read twice, sequentially.  Others are fetched once and
 * kept.
 */
void
hg_write_ints(HgBuffer *buf, const HgSource *source, const uint32_t *order,
		   uint32_t n)
{
	uint32_t	nvalues = order ? n + source->spare : n;
	bool		in_place = source->index == NULL &&
		(order == NULL || is_within(order, n, nvalues));
	int64_t		chunk[CHUNK];
	int64_t    *fetched = NULL;
	char	   *unordered = NULL;
	HgRange		range = {.least = INT64_MAX,.greatest = INT64_MIN};
	uint32_t	width;
	char	   *to;

	if (n == 0)
	{
		(void) put_int_head(buf, 0, 0, 0);
		return;
	}
	if (source->range)
	{
		make_room(buf, source->range, n);
		return;
	}
	if (!in_place)
	{
		nvalues = n;
		fetched = hg_buffer_scratch(buf, (size_t) n * sizeof(int64_t));
	}
	for (uint32_t first = 0; first < nvalues; first += CHUNK)
	{
		uint32_t	m = Min(nvalues - first, CHUNK);
		uint32_t	at[CHUNK];
		int64_t    *values = fetched ? fetched + first : chunk;

		if (first % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (!in_place)
			resolve(source, order, first, m, at);
		if (!load(source, in_place ? first : 0, in_place ? NULL : at, m, values))
		{
			write_long_ints(buf, source, order, n, in_place, nvalues);
			return;
		}
		widen_range(&range, values, m);
	}

	width = hg_width_of((uint64_t) range.greatest - (uint64_t) range.least);
	to = put_int_head(buf, range.least, width, n);
	if (width > 0 && in_place && order)
		unordered = hg_buffer_scratch(buf, (size_t) nvalues * sizeof(int64_t));
	for (uint32_t first = 0; first < nvalues && width > 0; first += CHUNK)
	{
		uint32_t	m = Min(nvalues - first, CHUNK);
		int64_t    *values = fetched ? fetched + first : chunk;

		if (first % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (in_place)
			(void) load(source, first, NULL, m, values);
		narrow((unordered ? unordered : to) + (size_t) first * width,
			   values, m, range.least, width);
	}
	if (unordered)
		gather(to, unordered, order, n, width);
}

/* ---- columns side by side ---- */

/* At most so many columns are fetched together. */
#define MAX_TOGETHER	8

/* Little enough that the caches still have the values for the next column. */
#define CHUNK_TOGETHER	(CHUNK / 4)

/*
 * is_beside: do the values of a source lie beside those of another one?
 */
static bool
is_beside(const HgSource *source, const HgSource *other)
{
	return source->type != HG_SOURCE_NONE && source->type <= HG_SOURCE_INT64 &&
		source->index == other->index && source->stride == other->stride;
}

/*
 * hg_columns_resolve looks at columns that lie side by side.
 */
uint32_t *
hg_columns_resolve(HgSource *sources, int n, const uint32_t *order,
				   uint32_t rows, HgRange *ranges, bool *resolved)
{
	HgSource   *together[MAX_TOGETHER];
	uint32_t   *at;
	int			ntogether = 0;

	for (int i = 0; i < n; i++)
	{
		resolved[i] = sources[i].in_order;
		if (resolved[i])
			continue;
		resolved[i] = sources[i].index != NULL && ntogether < MAX_TOGETHER &&
			is_beside(&sources[i], ntogether ? together[0] : &sources[i]);
		if (resolved[i])
			together[ntogether++] = &sources[i];
	}
	if (ntogether == 0)
		return NULL;
	at = MemoryContextAllocHuge(CurrentMemoryContext,
								((Size) rows + 1) * sizeof(uint32_t));
	for (int k = 0; k < ntogether; k++)
		ranges[k] = (HgRange) {.least = INT64_MAX,.greatest = INT64_MIN};

	for (uint32_t first = 0, m; first < rows; first += m)
	{
		int64_t		chunk[CHUNK_TOGETHER];

		m = Min(rows - first, CHUNK_TOGETHER);
		if (first % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		resolve(together[0], order, first, m, at + first);
		for (int k = 0; k < ntogether; k++)
		{
			(void) load(together[k], 0, at + first, m, chunk);
			widen_range(&ranges[k], chunk, m);
		}
	}
	for (int k = 0; k < ntogether; k++)
	{
		together[k]->index = at;
		together[k]->range = &ranges[k];
	}
	return at;
}

/*
 * hg_columns_fill writes the values that room has been made for.
 */
void
hg_columns_fill(HgBuffer *buf, const HgSource *sources, int n, uint32_t rows)
{
	for (uint32_t first = 0, m; first < rows; first += m)
	{
		int64_t		chunk[CHUNK_TOGETHER];

		m = Min(rows - first, CHUNK_TOGETHER);
		if (first % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
		{
			const HgSource *source = &sources[i];
			const HgRange *range = source->range;

			if (range == NULL || range->width == 0)
				continue;
			(void) load(source, 0, source->index + first, m, chunk);
			narrow(buf->data + range->start + (size_t) first * range->width,
				   chunk, m, range->least, range->width);
		}
	}
}
