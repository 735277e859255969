/*-------------------------------------------------------------------------
 *
 * collect_state.h
 *	  Inside a collector; for collect*.c and the transition function only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_COLLECT_STATE_H
#define HGRAPH_COLLECT_STATE_H

#include "compat.h"
#include "rollup/collect.h"
#include "utils/dsa.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

/* ---- accumulators: zeroed when unused, count comes last in each ---- */

/* HgCompact, HgNarrow: see collect.h; the carry is high[], times 2^64 */

typedef struct HgMedium
{
	hg_int128	sum;
	hg_int128	least;
	hg_int128	greatest;
	int64		count;
} HgMedium;

/*
 * hg_compact_add adds a COMPACT accumulator to another one; false, and nothing
 * is changed: they do not fit together.
 */
static inline bool
hg_compact_add(HgCompact *a, const HgCompact *from)
{
	int64		packed;

	if (a->packed == 0)
	{
		*a = *from;
		return true;
	}
	if (hg_packed_count(a->packed) + hg_packed_count(from->packed) >= HG_PACKED_ONE ||
		__builtin_add_overflow(a->packed, from->packed, &packed))
		return false;
	a->packed = packed;
	a->least = Min(a->least, from->least);
	a->greatest = Max(a->greatest, from->greatest);
	return true;
}

/* Numerics of the collector's own, NULL while the count is 0. */
typedef struct HgWide
{
	Numeric		sum;			/* finite values */
	Numeric		least;
	Numeric		greatest;
	int64		count;
} HgWide;

typedef struct HgDouble
{
	HgReal		sum;			/* finite values */
	double		least;			/* in PostgreSQL's order */
	double		greatest;
	int64		count;
} HgDouble;

/*
 * NaN and infinities as values and extremes of 64 bits, in PostgreSQL's order.
 * Like HG_EXTREME_* of 128 bits they are no finite values: a finite value from
 * HG_NARROW_PLUS_INF on or down to HG_NARROW_MINUS_INF needs a wider kind.
 */
#define HG_NARROW_NAN			PG_INT64_MAX
#define HG_NARROW_PLUS_INF		(PG_INT64_MAX - 1)
#define HG_NARROW_MINUS_INF		PG_INT64_MIN
#define HG_NARROW_FINITE(v) \
	((v) < HG_NARROW_PLUS_INF && (v) > HG_NARROW_MINUS_INF)
#define HG_MEDIUM_FINITE(v) \
	((v) < HG_EXTREME_PLUS_INF && (v) > HG_EXTREME_MINUS_INF)

/*
 * hg_extreme_medium is a value of 64 bits, special or not, as one of 128.
 */
static inline hg_int128
hg_extreme_medium(int64 value)
{
	switch (value)
	{
		case HG_NARROW_NAN:
			return HG_EXTREME_NAN;
		case HG_NARROW_PLUS_INF:
			return HG_EXTREME_PLUS_INF;
		case HG_NARROW_MINUS_INF:
			return HG_EXTREME_MINUS_INF;
		default:
			return value;
	}
}

/*
 * hg_extreme_narrow is the inverse, for what fits.
 */
static inline int64
hg_extreme_narrow(hg_int128 value)
{
	if (value == HG_EXTREME_NAN)
		return HG_NARROW_NAN;
	if (value == HG_EXTREME_PLUS_INF)
		return HG_NARROW_PLUS_INF;
	if (value == HG_EXTREME_MINUS_INF)
		return HG_NARROW_MINUS_INF;
	return (int64) value;
}

/* ---- keys ---- */

/* A text key of a batch or of the collector, within a buffer. */
typedef struct HgSpan
{
	uint64		offset;
	uint32		len;
} HgSpan;

/* Keys side by side; what there is depends on the collector's kind of keys. */
typedef struct HgKeys
{
	int64	   *num;
	pg_uuid_t  *uuid;
	HgSpan	   *span;
	char	   *text;			/* what spans lie in */
	Size		text_len;
	Size		text_size;
} HgKeys;

typedef struct HgSlot
{
	uint32		acc;			/* 0: empty */
	uint32		hash;
} HgSlot;

/* Memory of accumulators: this process's, or shared with its leader. */
typedef struct HgChunk
{
	char	   *start;
	dsa_pointer shared;			/* InvalidDsaPointer: this process's */
} HgChunk;

/* ---- rows, as the transition function gets them ---- */

typedef enum HgNodeInput
{
	HG_NODE_INT2,
	HG_NODE_INT4,
	HG_NODE_INT8,
	HG_NODE_UUID,
	HG_NODE_TEXT,
	HG_NODE_BPCHAR,
	HG_NODE_NAME
} HgNodeInput;

typedef enum HgValueInput
{
	HG_INPUT_NONE,				/* facts are counted */
	HG_INPUT_INT2,
	HG_INPUT_INT4,
	HG_INPUT_INT8,
	HG_INPUT_NUMERIC,
	HG_INPUT_FLOAT4,
	HG_INPUT_FLOAT8
} HgValueInput;

/* Rows looked at together. */
#define HG_COLLECT_BLOCK	256

#define HG_COLLECT_MAGIC	0x48474331

struct HgCollect
{
	uint32		magic;			/* HG_COLLECT_MAGIC */

	/*
	 * What each row needs comes first, in few cache lines: there can be
	 * thousands of groups.
	 */
	bool		check_args;		/* may differ from row to row */
	HgNodeInput node_input;
	HgValueInput value_input;

	/*
	 * The batch: rows taken, not yet added.  Values are int64, hg_int128,
	 * double or Numeric, as the kind of accumulators requires; numerics are
	 * not ours, so they are added at once.
	 */
	HgAccKind	held;			/* kind that "value" is for */
	int			scale;			/* of all exact values */
	uint32		nbatch;
	uint32		batch_size;
	void	   *value;
	HgKeys		batch;

	HgCollectArgs args;
	MemoryContext mcxt;

	/*
	 * Accumulators.  Number 0 is that of facts without a key.  The others are
	 * found through slots, in the order of arrival; or, while integer keys
	 * are dense, directly as number key - base + 1.
	 */
	HgAccKind	kind;
	uint32		n;				/* in use or, if direct, all of them */
	uint32		size;			/* room for so many */
	uint32		nused;			/* with facts */
	Size		stride;
	char	   *acc;			/* many begin a cache line */
	HgChunk		acc_chunk;		/* what was allocated for it */
	dsa_area   *area;			/* where to share accumulators, or NULL */

	/* Parallel rollups: have workers brought facts? */
	bool		from_workers;

	/* The leader's part of one; see rollup/ahead.c. */
	struct HgFinish *ahead;		/* or NULL */
	uint32		ahead_from;		/* try it with so many nodes; 0: never */
	int64	   *high;			/* NARROW: NULL until a sum leaves 64 bits */
	uint8	   *flags;			/* HG_AMOUNT_*; NULL until there is any */

	HgKeyKind	key_kind;
	bool		direct;
	int64		base;			/* direct: key of number 1 */
	HgKeys		keys;			/* not direct: by number */
	HgSlot	   *slot;
	uint32		slot_mask;		/* number of slots - 1 */
};

/*
 * hg_collect_acc is an accumulator.
 */
static inline void *
hg_collect_acc(const HgCollect *c, uint32 number)
{
	return c->acc + (Size) number * c->stride;
}

/*
 * hg_collect_facts is the count of an accumulator.
 */
static inline int64
hg_collect_facts(const HgCollect *c, uint32 number)
{
	int64		last = *(int64 *) (c->acc + (Size) (number + 1) * c->stride - sizeof(int64));

	return c->kind == HG_ACC_COMPACT ? hg_packed_count(last) : last;
}

/*
 * hg_collect_values is the kind of values that accumulators take.
 */
static inline HgAccKind
hg_collect_values(HgAccKind kind)
{
	return kind == HG_ACC_COMPACT ? HG_ACC_NARROW : kind;
}

/*
 * hg_collect_alloc allocates for a collector; any size.
 */
static inline void *
hg_collect_alloc(const HgCollect *c, Size size, bool zero)
{
	return MemoryContextAllocExtended(c->mcxt, size,
									  MCXT_ALLOC_HUGE | (zero ? MCXT_ALLOC_ZERO : 0));
}

/*
 * hg_collect_empty: are there no facts?
 */
static inline bool
hg_collect_empty(const HgCollect *c)
{
	return c->nused == 0 && c->nbatch == 0;
}

/* ---- collect.c: the batch ---- */

/* Makes the batch; for whoever adds rows. */
extern void hg_collect_start(HgCollect *c);
/* Adds a full batch, and may make it larger. */
extern void hg_collect_batch_full(HgCollect *c);
/* Makes the batch, which is empty, hold values for the kind of accumulators. */
extern void hg_collect_batch_values(HgCollect *c);
/* Makes room in the batch for a text key of so many bytes. */
extern void hg_collect_batch_text(HgCollect *c, uint32 len);
/*
 * Put a value at the end of the batch, without its key: a number at the scale
 * or special value (HG_EXTREME_*), or a numeric with a varlena header of any
 * size.  Before that the batch may be flushed, and everything change its kind
 * or scale.
 */
extern void hg_collect_put_fixed(HgCollect *c, hg_int128 value);
extern void hg_collect_put_numeric(HgCollect *c, struct varlena *value);
/* The value put at the end is that of a fact without a key. */
extern void hg_collect_put_keyless(HgCollect *c);
/* Raises 22023 unless both belong to the same rollup. */
extern void hg_collect_check_args(const HgCollectArgs *a,
								  const HgCollectArgs *b);

/* ---- collect_table.c: from key to accumulator ---- */

extern Size hg_acc_stride(HgAccKind kind);
extern void hg_collect_alloc_acc(HgCollect *c, uint32 size, char **acc,
								 HgChunk *chunk);
/*
 * Finds the accumulators of some of the n keys, HG_COLLECT_BLOCK at most, and
 * makes those that are missing.  Returns how many keys it did.
 */
extern uint32 hg_collect_locate(HgCollect *c, const HgKeys *keys, uint32 from,
								uint32 n, uint32 *number);
/* Room for so many keys, integers from first to last if dense. */
extern void hg_collect_reserve(HgCollect *c, uint32 n, bool dense,
							   int64 first, int64 last);

/* ---- collect_add.c: what accumulators do ---- */

/* Adds values of the kind "held", which may be narrower than what the
 * collector has become meanwhile. */
extern void hg_collect_add(HgCollect *c, HgAccKind held, const uint32 *number,
						   const void *values, uint32 n);
/* Adds accumulators of the same kind and scale; high and flags may be NULL.
 * None has the count 0. */
extern void hg_collect_add_acc(HgCollect *c, HgAccKind held,
							   const uint32 *number, const void *accs,
							   const int64 *high, const uint8 *flags,
							   uint32 n);

/* ---- collect_merge.c, collect_range.c: what there is of others ---- */

/* Adds n accumulators, all in use, whose keys begin at "from". */
extern void hg_collect_add_block(HgCollect *c, HgAccKind kind,
								 const HgKeys *keys, uint32 from,
								 const void *acc, const int64 *high,
								 const uint8 *flags, uint32 n);
/* Adds accumulators that are found directly, of the same kind and scale. */
extern void hg_collect_merge_range(HgCollect *c, const HgCollect *from);

/* ---- collect_kind.c: kind and scale ---- */

/* Kind and scale of a collector without facts; hg_collect_reserve must follow. */
extern void hg_collect_adopt(HgCollect *c, HgAccKind kind, int scale);
extern void hg_narrow_from(const HgCompact *from, HgNarrow *out);
/* The sum of a COMPACT, NARROW or MEDIUM accumulator. */
extern hg_int128 hg_collect_fixed_sum(const HgCollect *c, uint32 number);
extern void hg_collect_raise(HgCollect *c, HgAccKind kind);
/* More decimal places; may make the collector MEDIUM or WIDE. */
extern void hg_collect_rescale(HgCollect *c, int scale);

/* ---- collect_wire.c ---- */

/* Did a worker write these bytes? */
extern bool hg_collect_wire_from_worker(const char *data, Size len);
/* What the collector behind these bytes was called with. */
extern void hg_collect_wire_args(const char *data, Size len,
								 HgCollectArgs *args);

/* ---- collect_share.c: memory that a leader can read as well ---- */

/* Allocates zeroed memory, shared where that is wanted and to be had. */
extern void hg_chunk_alloc(HgCollect *c, Size size, HgChunk *chunk);
/* Keeps what is in it; what is new is not zeroed. */
extern void hg_chunk_resize(HgCollect *c, Size old_size, Size size,
							HgChunk *chunk);
extern void hg_chunk_free(HgCollect *c, HgChunk *chunk);

/* ---- decimal.c ---- */

/* hg_decimal_parse of most everyday values; false: use that one. */
extern bool hg_decimal_parse64(const struct varlena *num, int scale,
							   int64 *value);
/* A fixed-point number or special value (HG_EXTREME_*) as numeric, palloc'd. */
extern Numeric hg_decimal_numeric(hg_int128 value, int scale);
/* 10^n; n at most HG_DECIMAL_PLACES */
#define HG_DECIMAL_PLACES	38
extern hg_int128 hg_decimal_power(int n);

#endif							/* HGRAPH_COLLECT_STATE_H */
