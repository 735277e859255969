/*-------------------------------------------------------------------------
 *
 * collect.h
 *	  Facts by key: the state of the rollup aggregates.
 *
 * Knows nothing of graphs: a hash table from key to accumulator, filled in
 * batches, so that partial ones can be made anywhere, sent and merged.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_COLLECT_H
#define HGRAPH_COLLECT_H

#include "rollup/columns.h"
#include "types/hrollup.h"
#include "utils/date.h"

/* How accumulators look.  A collector goes from COMPACT to NARROW to MEDIUM to
 * WIDE as its values require, and never back. */
typedef enum HgAccKind
{
	HG_ACC_COUNT,
	HG_ACC_COMPACT,				/* values fit 32 bits at the scale, sums 40 */
	HG_ACC_NARROW,				/* values fit 64 bits */
	HG_ACC_MEDIUM,				/* they fit 128 bits */
	HG_ACC_WIDE,				/* numerics */
	HG_ACC_REAL
} HgAccKind;

/* What the aggregate was called with; equal in all collectors of a group. */
typedef struct HgCollectArgs
{
	Oid			graph;
	HgMode		mode;
	bool		as_of_null;
	DateADT		as_of;
	Oid			node_type;		/* INT8OID, UUIDOID, TEXTOID: of keys held;
								 * int2 and int4 nodes become int8, strings
								 * text */
	HgValueKind value;
} HgCollectArgs;

typedef struct HgCollect HgCollect;

/* Everything lives in mcxt, which is deleted to free it. */
extern HgCollect *hg_collect_create(const HgCollectArgs *args,
									MemoryContext mcxt);
extern const HgCollectArgs *hg_collect_args(const HgCollect *c);
/* Has it facts that workers of a parallel query brought? */
extern bool hg_collect_from_workers(const HgCollect *c);
/* Processes what is still in the batch; before any reading. */
extern void hg_collect_flush(HgCollect *c);
/* Adds everything of another one, which has the same args. */
extern void hg_collect_merge(HgCollect *c, HgCollect *from);
extern void hg_collect_serialize(HgCollect *c, HgBuffer *buf);
/* Adds what hg_collect_serialize wrote.  XX001 when it is damaged. */
extern void hg_collect_merge_bytes(HgCollect *c, const char *data, Size len);
/*
 * A collector with the same facts under other keys: map turns a key into one
 * of the graph's kind (false: no key of the graph at all, then it goes to what
 * has no key).  For text keys of an integer or uuid graph.
 */
typedef bool (*HgKeyMap) (void *arg, const HgKey *key, HgKey *out);
extern HgCollect *hg_collect_rekey(HgCollect *c, Oid node_type, HgKeyMap map,
								   void *arg, MemoryContext mcxt);

/*
 * ---- reading, after hg_collect_flush ----
 *
 * Accumulators 0 .. n - 1, some of which may be unused (count 0).
 */
extern uint32 hg_collect_size(const HgCollect *c);
extern HgAccKind hg_collect_kind(const HgCollect *c);
extern int	hg_collect_scale(const HgCollect *c);	/* EXACT: of all its amounts */
extern int64 hg_collect_count(const HgCollect *c, uint32 i);
extern HgKey hg_collect_key(const HgCollect *c, uint32 i);
/* Sum; finite part and flags. */
extern void hg_collect_sum(const HgCollect *c, uint32 i, HgAmount *sum);
/*
 * Extremes.  COMPACT, NARROW, MEDIUM: 128-bit integers with HG_EXTREME_*; REAL: ordered
 * integers; WIDE: *least_wide and *greatest_wide instead.
 */
extern void hg_collect_extremes(const HgCollect *c, uint32 i,
								hg_int128 *least, hg_int128 *greatest,
								Numeric *least_wide, Numeric *greatest_wide);
/* Does any sum have flags (NaN, infinities)? */
extern bool hg_collect_special(const HgCollect *c);

/* A NARROW accumulator; the sum is this one plus a carry kept elsewhere. */
typedef struct HgNarrow
{
	int64		sum;
	int64		least;
	int64		greatest;
	int64		count;
} HgNarrow;

/*
 * A COMPACT accumulator.  Sum and count are packed as hg_packed_sum and
 * hg_packed_count have it, so that one addition does for both.
 */
typedef struct HgCompact
{
	int32		least;
	int32		greatest;
	int64		packed;
} HgCompact;

/*
 * Accumulators as they lie, for who reads many: one of these two, if they are
 * COMPACT, or NARROW, nothing special and no carry; else none.
 */
typedef struct HgPlain
{
	const HgCompact *compact;
	const HgNarrow *narrow;
} HgPlain;

extern HgPlain hg_collect_plain(const HgCollect *c);

/*
 * hg_is_plain: are there such accumulators?
 */
static inline bool
hg_is_plain(const HgPlain *plain)
{
	return plain->compact != NULL || plain->narrow != NULL;
}

/*
 * hg_plain_ask asks for one that is going to be read.
 */
static inline void
hg_plain_ask(const HgPlain *plain, uint32 i)
{
	if (plain->compact != NULL)
		__builtin_prefetch(&plain->compact[i]);
	else
		__builtin_prefetch(&plain->narrow[i]);
}

/*
 * hg_plain_read reads one.
 */
static inline HgNarrow
hg_plain_read(const HgPlain *plain, uint32 i)
{
	const HgCompact *a;

	if (plain->compact == NULL)
		return plain->narrow[i];
	a = &plain->compact[i];
	return (HgNarrow) {.sum = hg_packed_sum(a->packed),.least = a->least,
			.greatest = a->greatest,.count = hg_packed_count(a->packed)};
}

/* Are keys consecutive integers from *first on, in the order of accumulators? */
extern bool hg_collect_dense(const HgCollect *c, int64 *first);
/* Facts with a NULL key: their number and sum. */
extern int64 hg_collect_keyless(const HgCollect *c, HgAmount *sum);

/* ---- decimal.c: numerics and 128-bit integers at a scale ---- */

typedef enum HgDecimalResult
{
	HG_DECIMAL_OK,
	HG_DECIMAL_NARROW,			/* needs more decimal places: *scale_needed */
	HG_DECIMAL_TOO_LARGE,		/* does not fit 128 bits at the scale */
	HG_DECIMAL_NAN,
	HG_DECIMAL_PLUS_INF,
	HG_DECIMAL_MINUS_INF
} HgDecimalResult;

/*
 * A stored numeric, detoasted or with a short header, as integer at a scale,
 * without a copy and without numeric's own functions, which cost several times
 * as much.  *scale_needed: its display scale, or more if it has more digits.
 */
extern HgDecimalResult hg_decimal_parse(const struct varlena *num, int scale,
										hg_int128 *value, int *scale_needed);
/* Sum of two amounts of the same value kind and scale; exact ones that do not
 * fit become wide. */
extern void hg_amount_add(HgAmount *a, const HgAmount *b, HgValueKind value,
						  int scale);

#endif							/* HGRAPH_COLLECT_H */
