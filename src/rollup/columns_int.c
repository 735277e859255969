/*-------------------------------------------------------------------------
 *
 * columns_int.c
 *	  Writing columns of integers.
 *
 * Writing a million values in some other order would be mostly waiting for
 * memory: so the source is read in its own order, made narrow, and only then
 * put into order, as what is narrow fits the caches.  Columns whose values lie
 * side by side are read together.
 *
 * Integers are looked at for their range, which tells how much room the column
 * takes, and then written: two steps (HgInts) that may be jobs of beside.h, so
 * they call nothing of PostgreSQL's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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
		case HG_SOURCE_PACKED_COUNT:
			return hg_packed_count(*(const int64_t *) address(source, pos));
		case HG_SOURCE_PACKED_SUM:
			return hg_packed_sum(*(const int64_t *) address(source, pos));
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
#define LOAD_RUN(type, size, get) \
	for (uint32_t i = 0; i < n; i++) \
		to[i] = get(*(const type *) (base + (size) * i))

/* Reads rows at positions. */
#define LOAD_AT(type, get) \
	for (uint32_t i = 0; i < n; i++) \
		to[i] = at[i] == HG_NONE ? missing : \
			get(*(const type *) (base + stride * at[i]))

#define LOAD(type, get) \
	do { \
		if (at) \
			LOAD_AT(type, get); \
		else if (stride == sizeof(type)) \
			LOAD_RUN(type, sizeof(type), get); \
		else \
			LOAD_RUN(type, stride, get); \
	} while (0)

#define AS_IS(x) (x)

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
			LOAD(uint8_t, AS_IS);
			break;
		case HG_SOURCE_UINT32:
			LOAD(uint32_t, AS_IS);
			break;
		case HG_SOURCE_INT32:
			LOAD(int32_t, AS_IS);
			break;
		case HG_SOURCE_PACKED_COUNT:
			LOAD(int64_t, hg_packed_count);
			break;
		case HG_SOURCE_PACKED_SUM:
			LOAD(int64_t, hg_packed_sum);
			break;
		default:
			LOAD(int64_t, AS_IS);
			break;
	}
	return true;
}

/*
 * widen_range takes more values into a range, one at least.
 */
static void
widen_range(HgRange *range, const int64_t *values, uint32_t n)
{
	int64_t		least = values[0];
	int64_t		greatest = values[0];

	for (uint32_t i = 1; i < n; i++)
	{
		least = Min(least, values[i]);
		greatest = Max(greatest, values[i]);
	}
	range->least = Min(range->least, least);
	range->greatest = Max(range->greatest, greatest);
}

#define NARROW(type, little) \
	for (uint32_t i = 0; i < n; i++) \
	{ \
		type		v = little((type) ((uint64_t) values[i] - (uint64_t) least)); \
		\
		memcpy(to + i * sizeof(type), &v, sizeof(type)); \
	}


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

/* ---- the range ---- */

/*
 * take_long takes one more value into a range.
 */
static inline void
take_long(HgRange *range, hg_int128 v)
{
	range->least = Min(range->least, v);
	range->greatest = Max(range->greatest, v);
}

/*
 * measure_long finds out what values of 128 bits lie between: all that the
 * source has, as they stand, or those of the rows.
 */
static void
measure_long(HgInts *ints, const HgRunner *runner)
{
	const HgSource *source = &ints->source[0];
	bool		in_place = ints->way == HG_INTS_IN_PLACE;
	HgRange		range = hg_no_range;

	for (uint32_t first = 0, end; first < ints->nvalues; first = end)
	{
		end = ints->nvalues - first < CHECK_EVERY ? ints->nvalues : first + CHECK_EVERY;
		if (!hg_runner_go_on(runner))
			return;
		for (uint32_t i = first; in_place && i < end; i++)
			take_long(&range, value_of(source, NULL, i));
		for (uint32_t i = first; !in_place && i < end; i++)
		{
			ask_for(source, ints->order, i, ints->nvalues);
			take_long(&range, value_of(source, ints->order, i));
		}
	}
	ints->range[0] = range;
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
 * measure_together finds the ranges of columns side by side, and notes where
 * their values are.
 */
static void
measure_together(HgInts *ints, const HgRunner *runner)
{
	for (uint32_t first = 0, m; first < ints->rows; first += m)
	{
		int64_t		chunk[CHUNK_TOGETHER];

		m = Min(ints->rows - first, CHUNK_TOGETHER);
		if (first % CHECK_EVERY == 0 && !hg_runner_go_on(runner))
			return;
		resolve(&ints->source[0], ints->order, first, m, ints->at + first);
		for (int k = 0; k < ints->n; k++)
		{
			(void) load(&ints->source[k], 0, ints->at + first, m, chunk);
			widen_range(&ints->range[k], chunk, m);
		}
	}
}

/*
 * hg_ints_measure finds the ranges of integers.
 */
void
hg_ints_measure(HgInts *ints, const HgRunner *runner)
{
	int64_t		chunk[CHUNK];
	uint32_t	at[CHUNK];

	for (int k = 0; k < ints->n; k++)
		ints->range[k] = hg_no_range;
	if (ints->way == HG_INTS_TOGETHER)
	{
		measure_together(ints, runner);
		return;
	}
	for (uint32_t first = 0; first < ints->nvalues; first += CHUNK)
	{
		uint32_t	m = Min(ints->nvalues - first, CHUNK);
		bool		in_place = ints->way == HG_INTS_IN_PLACE;
		int64_t    *values = in_place ? chunk : ints->fetched + first;

		if (first % CHECK_EVERY == 0 && !hg_runner_go_on(runner))
			return;
		if (!in_place)
			resolve(&ints->source[0], ints->order, first, m, at);
		if (!load(&ints->source[0], in_place ? first : 0, in_place ? NULL : at, m, values))
		{
			ints->wide = true;
			measure_long(ints, runner);
			return;
		}
		widen_range(&ints->range[0], values, m);
	}
}

/*
 * hg_ints_room writes the head of a column and makes room for its values.
 */
void
hg_ints_room(HgBuffer *buf, HgRange *range, uint32_t rows)
{
	char	   *values;

	range->width = hg_width_of((Unsigned128) range->greatest - (Unsigned128) range->least);
	hg_put_head(buf, HG_COLUMN_INT, range->width);
	hg_put_int(hg_buffer_extend(buf, sizeof(range->least)), (Unsigned128) range->least,
			   sizeof(range->least));
	values = hg_buffer_extend(buf, (size_t) rows * range->width);
	range->start = values - buf->data;
}

/* ---- the values ---- */

/*
 * hg_ints_scratch is how many bytes hg_ints_fill needs to work in.
 */
size_t
hg_ints_scratch(const HgInts *ints)
{
	if (ints->way != HG_INTS_IN_PLACE || ints->order == NULL || ints->wide)
		return 0;
	return (size_t) ints->nvalues * ints->range[0].width;
}

/*
 * fill_long writes integers that do not all fit 64 bits.
 */
static void
fill_long(const HgInts *ints, char *to, const HgRunner *runner)
{
	const HgSource *source = &ints->source[0];
	Unsigned128 least = (Unsigned128) ints->range[0].least;
	uint32_t	width = ints->range[0].width;
	uint32_t	n = ints->rows;

	for (uint32_t first = 0, end; first < n; first = end)
	{
		end = n - first < CHECK_EVERY ? n : first + CHECK_EVERY;
		if (!hg_runner_go_on(runner))
			return;
		for (uint32_t i = first; width == sizeof(least) && i < end; i++, to += sizeof(least))
		{
			ask_for(source, ints->order, i, n);
			hg_put_int(to, (Unsigned128) value_of(source, ints->order, i) - least,
					   sizeof(least));
		}
		for (uint32_t i = first; width < sizeof(least) && i < end; i++, to += width)
		{
			ask_for(source, ints->order, i, n);
			hg_put_int(to, (Unsigned128) value_of(source, ints->order, i) - least, width);
		}
	}
}

/*
 * fill_together writes columns side by side.
 */
static void
fill_together(const HgInts *ints, char *data, const HgRunner *runner)
{
	for (uint32_t first = 0, m; first < ints->rows; first += m)
	{
		int64_t		chunk[CHUNK_TOGETHER];

		m = Min(ints->rows - first, CHUNK_TOGETHER);
		if (first % CHECK_EVERY == 0 && !hg_runner_go_on(runner))
			return;
		for (int k = 0; k < ints->n; k++)
		{
			const HgRange *range = &ints->range[k];

			if (range->width == 0)
				continue;
			(void) load(&ints->source[k], 0, ints->at + first, m, chunk);
			narrow(data + range->start + (size_t) first * range->width,
				   chunk, m, (int64_t) range->least, range->width);
		}
	}
}

/*
 * hg_ints_fill writes the values, where room was made for them in data.
 */
void
hg_ints_fill(const HgInts *ints, char *data, char *scratch,
			 const HgRunner *runner)
{
	const HgRange *range = &ints->range[0];
	uint32_t	width = range->width;
	char	   *to = data + range->start;
	bool		in_place = ints->way == HG_INTS_IN_PLACE;
	char	   *unordered = in_place && ints->order ? scratch : to;
	int64_t		chunk[CHUNK];

	if (ints->way == HG_INTS_TOGETHER)
	{
		fill_together(ints, data, runner);
		return;
	}
	if (width == 0)
		return;
	if (ints->wide)
	{
		fill_long(ints, to, runner);
		return;
	}
	for (uint32_t first = 0; first < ints->nvalues; first += CHUNK)
	{
		uint32_t	m = Min(ints->nvalues - first, CHUNK);
		int64_t    *values = in_place ? chunk : ints->fetched + first;

		if (first % CHECK_EVERY == 0 && !hg_runner_go_on(runner))
			return;
		if (in_place)
			(void) load(&ints->source[0], first, NULL, m, values);
		narrow(unordered + (size_t) first * width, values, m, (int64_t) range->least, width);
	}
	if (unordered != to)
		gather(to, unordered, ints->order, ints->rows, width);
}

/* ---- a column by itself ---- */

/*
 * hg_ints_reach is how many values of a source an order reaches over.
 */
uint32_t
hg_ints_reach(const uint32_t *order, uint32_t rows)
{
	uint32_t	greatest = 0;

	if (order == NULL)
		return rows;
	for (uint32_t i = 0; i < rows; i++)
		greatest = Max(greatest, order[i]);
	return greatest + 1;
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
	const HgRunner alone = {0};
	HgInts		ints = {.n = 1,.order = order,.rows = n,.nvalues = n};
	HgRange		none = {0};

	if (n == 0 || source->range)
	{
		hg_ints_room(buf, n == 0 ? &none : source->range, n);
		return;
	}
	ints.source[0] = *source;
	if (hg_ints_in_place(source, n, hg_ints_reach(order, n)))
	{
		ints.way = HG_INTS_IN_PLACE;
		ints.nvalues = order ? n + source->spare : n;
	}
	else
	{
		ints.way = HG_INTS_FETCHED;
		ints.fetched = hg_buffer_scratch(buf, (size_t) n * sizeof(int64_t));
	}
	hg_ints_measure(&ints, &alone);
	hg_ints_room(buf, &ints.range[0], n);
	hg_ints_fill(&ints, buf->data, hg_buffer_scratch(buf, hg_ints_scratch(&ints)), &alone);
}
