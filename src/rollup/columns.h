/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  Columns of numbers in few bytes: how rollups are stored and how partial
 *	  ones travel between processes.
 *
 * A column is written with the width that its values need (0, 1, 2, 4, 8 or 16
 * bytes, after subtracting the least), so a value is found by its position.
 * Written little-endian whatever the machine.  Plain C apart from the buffer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_COLUMNS_H
#define HGRAPH_COLUMNS_H

#include "graph/rollup.h"

typedef enum HgColumnType
{
	HG_COLUMN_NONE,				/* not there: every value is zero, or empty */
	HG_COLUMN_INT,				/* integers up to 128 bits */
	HG_COLUMN_REAL,				/* doubles, 8 bytes, or 0 when all are +0 */
	HG_COLUMN_BYTES				/* strings of bytes: offsets, then the bytes */
} HgColumnType;

/* ---- writing: values as they lie in somebody's arrays ---- */

/*
 * A sum of 40 bits and a count of 24 in one number.  Counts are below 2^24, so
 * that to shift it right rounds down to the sum.
 */
#define HG_PACKED_SHIFT	24
#define HG_PACKED_ONE	(INT64_C(1) << HG_PACKED_SHIFT)

static inline int64_t
hg_packed_sum(int64_t packed)
{
	return packed >> HG_PACKED_SHIFT;
}

static inline int64_t
hg_packed_count(int64_t packed)
{
	return packed & (HG_PACKED_ONE - 1);
}

typedef enum HgSourceType
{
	HG_SOURCE_NONE,
	HG_SOURCE_UINT8,
	HG_SOURCE_UINT32,
	HG_SOURCE_INT32,
	HG_SOURCE_INT64,
	HG_SOURCE_PACKED_COUNT,
	HG_SOURCE_PACKED_SUM,
	HG_SOURCE_INT128,
	HG_SOURCE_DOUBLE,
	HG_SOURCE_BYTES				/* HgKey: bytes, len */
} HgSourceType;

/*
 * Value i of a source is at base + stride * (index ? index[order(i)] : order(i))
 * where order is the writer's; an index of HG_NONE means "missing".
 */
typedef struct HgSource
{
	HgSourceType type;
	const void *base;
	size_t		stride;
	const uint32_t *index;		/* NULL: none */
	hg_int128	missing;		/* value of what is missing */
	struct HgRange *range;		/* see hg_plan_make */
	uint32_t	spare;			/* values beyond as many as there are rows: may
								 * be read, and lie in the others' range */
	bool		in_order;		/* value i is row i's, whatever the order */
} HgSource;

/* A buffer that may grow to any size; palloc'd in the current context. */
typedef struct HgBuffer
{
	char	   *data;
	size_t		len;
	size_t		size;
	void	   *scratch;		/* for columns that need to be put in order */
	size_t		scratch_size;
} HgBuffer;

extern void hg_buffer_init(HgBuffer *buf, size_t size);
extern void hg_buffer_put(HgBuffer *buf, const void *data, size_t len);
/* Frees what writing needed besides the data. */
extern void hg_buffer_done(HgBuffer *buf);

/*
 * Appends a column of n values: row i is the source's value order[i] (order
 * NULL: i).  Self-contained: what hg_column_read needs stands in front.
 */
extern void hg_column_write(HgBuffer *buf, const HgSource *source,
							const uint32_t *order, uint32_t n);

/* Does a column that was written there hold zeros or empty strings only? */
extern bool hg_column_is_zero(const unsigned char *column);

/* What values lie between, and where they are to stand in the buffer. */
typedef struct HgRange
{
	hg_int128	least;
	hg_int128	greatest;
	size_t		start;
	uint32_t	width;
} HgRange;

/*
 * Columns of integers that are written together are cheaper: hg_plan_make looks
 * at all of n columns that it can; hg_column_write then only makes room for
 * them, and hg_plan_fill writes their values.  beside: with a thread.
 */
typedef struct HgPlan HgPlan;

extern HgPlan *hg_plan_make(HgSource *sources, int n, const uint32_t *order,
							uint32_t rows, bool beside);
extern void hg_plan_fill(HgPlan *plan, HgBuffer *buf);

/* ---- reading ---- */

typedef struct HgColumn
{
	HgColumnType type;
	uint32_t	width;			/* 0, 1, 2, 4, 8, 16 */
	uint32_t	n;
	hg_int128	least;			/* added to what is stored */
	const unsigned char *data;
	const unsigned char *bytes; /* HG_COLUMN_BYTES */
	size_t		nbytes;
} HgColumn;

/*
 * Reads a column's head at *pos within [*pos, end), moves *pos behind the
 * column.  False when the bytes are not a column of n values.  Takes no time
 * in n; access is safe afterwards, whatever the bytes.
 */
extern bool hg_column_read(HgColumn *col, const unsigned char **pos,
						   const unsigned char *end, uint32_t n);
/* Looks at every value: do the strings of BYTES add up to what is there? */
extern bool hg_column_check(const HgColumn *col);
extern hg_int128 hg_column_int(const HgColumn *col, uint32_t i);	/* INT, NONE */
extern double hg_column_real(const HgColumn *col, uint32_t i);	/* REAL, NONE */
/* BYTES, NONE: len 0; they point into the column, not aligned */
extern const unsigned char *hg_column_bytes(const HgColumn *col, uint32_t i,
											uint32_t *len);

#endif							/* HGRAPH_COLUMNS_H */
