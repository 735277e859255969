/*-------------------------------------------------------------------------
 *
 * columns_write.h
 *	  What columns.c and columns_int.c have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_COLUMNS_WRITE_H
#define HGRAPH_COLUMNS_WRITE_H

#include "beside.h"
#include "rollup/columns.h"

#define CHUNK		1024		/* values held in 64 bits at a time */
#define CHECK_EVERY	(64 * CHUNK)

/* Little enough that the caches still have the values for the next column. */
#define CHUNK_TOGETHER	(CHUNK / 4)

typedef unsigned __int128 Unsigned128;

/* Makes a buffer longer and returns where the new bytes go. */
extern char *hg_buffer_extend(HgBuffer *buf, size_t len);

/*
 * Memory to work in until the next call.  It is kept from one column to the
 * next: fresh memory costs more than what is done with it.
 */
extern void *hg_buffer_scratch(HgBuffer *buf, size_t size);

/* Appends type and width. */
extern void hg_put_head(HgBuffer *buf, HgColumnType type, uint32_t width);

/* The bytes that numbers up to this one need. */
extern uint32_t hg_width_of(Unsigned128 greatest);

/* ---- integers ---- */

/* At most so many columns are written together. */
#define HG_TOGETHER	8
/* And so many in one go. */
#define HG_PLAN_COLUMNS	24

typedef enum HgIntsWay
{
	HG_INTS_IN_PLACE,			/* all values as they stand, and then in order */
	HG_INTS_FETCHED,			/* those of the rows, kept */
	HG_INTS_TOGETHER			/* several columns side by side, twice */
} HgIntsWay;

/* A column of integers on its way, or several side by side. */
typedef struct HgInts
{
	HgIntsWay	way;
	int			n;				/* columns; one unless TOGETHER */
	HgSource	source[HG_TOGETHER];
	HgRange		range[HG_TOGETHER];
	const uint32_t *order;		/* NULL: values stand in the rows' order */
	uint32_t	rows;
	uint32_t	nvalues;		/* to look at */
	uint32_t   *at;				/* TOGETHER: filled by hg_ints_measure */
	int64_t    *fetched;		/* FETCHED: the same */
	bool		wide;			/* not all fit 64 bits; the same */
} HgInts;

static const HgRange hg_no_range = {.least = HG_INT128_MAX,.greatest = HG_INT128_MIN};

/* How many values does an order reach over? */
extern uint32_t hg_ints_reach(const uint32_t *order, uint32_t rows);

/*
 * hg_ints_in_place: may these be read as they stand?
 */
static inline bool
hg_ints_in_place(const HgSource *source, uint32_t rows, uint32_t reach)
{
	return source->index == NULL && reach <= rows + source->spare;
}

/* The steps: ranges, heads with room behind them, values. */
extern void hg_ints_measure(HgInts *ints, const HgRunner *runner);
extern void hg_ints_room(HgBuffer *buf, HgRange *range, uint32_t rows);
extern size_t hg_ints_scratch(const HgInts *ints);
extern void hg_ints_fill(const HgInts *ints, char *data, char *scratch,
						 const HgRunner *runner);

/* Appends a column of integers. */
extern void hg_write_ints(HgBuffer *buf, const HgSource *source,
						  const uint32_t *order, uint32_t n);

/*
 * hg_put_int stores the low bytes of a number, as many as width says.
 */
static inline void
hg_put_int(char *to, Unsigned128 value, uint32_t width)
{
#ifndef WORDS_BIGENDIAN
	if (width == sizeof(value))
	{
		memcpy(to, &value, sizeof(value));
		return;
	}
#endif
	for (uint32_t i = 0; i < width; i++, value >>= 8)
		to[i] = (char) (unsigned char) value;
}

/*
 * position is where a row stands in the source, HG_NONE when it is missing.
 */
static inline size_t
position(const HgSource *source, const uint32_t *order, uint32_t row)
{
	size_t		i = order ? order[row] : row;

	if (source->index == NULL)
		return i;
	return source->index[i];
}

/*
 * address is where the value at a position stands.
 */
static inline const void *
address(const HgSource *source, size_t pos)
{
	return (const char *) source->base + source->stride * pos;
}

#endif							/* HGRAPH_COLUMNS_WRITE_H */
