/*-------------------------------------------------------------------------
 *
 * columns_write.h
 *	  What columns.c and columns_int.c have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_COLUMNS_WRITE_H
#define HGRAPH_COLUMNS_WRITE_H

#include "rollup/columns.h"

#define CHUNK		1024		/* values held in 64 bits at a time */
#define CHECK_EVERY	(64 * CHUNK)

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
