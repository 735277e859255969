/*-------------------------------------------------------------------------
 *
 * hrollup.h
 *	  Type hrollup: the result of a rollup, by key.
 *
 * Self-contained: it names the graph as it was called and holds keys, so it
 * stays readable whatever becomes of the hierarchy.  It has a row for every
 * node that has facts at or below it, in ascending order of keys (integers by
 * value, others bytewise), written column by column (rollup/columns.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_HROLLUP_H
#define HGRAPH_HROLLUP_H

#include "rollup/columns.h"
#include "utils/numeric.h"

/* What was added up. */
typedef enum HgValueKind
{
	HG_VALUE_COUNT,				/* nothing: facts are counted */
	HG_VALUE_EXACT,				/* integers or numerics */
	HG_VALUE_REAL				/* real or double precision */
} HgValueKind;

/*
 * An exact amount is a 128-bit integer at some scale or, where that does not
 * do, a numeric; a real one a compensated double.  HG_AMOUNT_* flags of what
 * cannot be added up are kept apart from the finite part and win over it.
 */
typedef struct HgAmount
{
	uint8		flags;			/* HG_AMOUNT_NAN, ... */
	Numeric		wide;			/* exact and not NULL: this is the value */
	hg_int128	fixed;			/* exact: value * 10^scale */
	HgReal		real;
} HgAmount;

/* Columns, in the order in which they are written. */
typedef enum HgRollupColumn
{
	HG_COL_KEY,					/* INT or BYTES */
	HG_COL_DEPTH,				/* -1: no root above */
	HG_COL_OWN_COUNT,
	HG_COL_TOTAL_COUNT,			/* INT at count_scale, or BYTES: numerics */
	HG_COL_OWN_FLAGS,			/* HG_AMOUNT_* */
	HG_COL_TOTAL_FLAGS,
	/* EXACT: INT at own_scale or total_scale, or BYTES: numerics.
	 * REAL: REAL */
	HG_COL_OWN,
	HG_COL_TOTAL,
	HG_COL_OWN_REST,			/* REAL: HgReal.rest */
	HG_COL_TOTAL_REST,
	/* EXACT: INT at own_scale (specials: below), or BYTES: numerics.
	 * REAL: INT, doubles as ordered integers (below).  Meaningless where the
	 * count is 0 / there are no facts. */
	HG_COL_OWN_MIN,
	HG_COL_OWN_MAX,
	HG_COL_TOTAL_MIN,
	HG_COL_TOTAL_MAX,
	HG_ROLLUP_COLUMNS
} HgRollupColumn;

/* NaN and infinities as extremes of an INT column, in PostgreSQL's order. */
#define HG_EXTREME_NAN			((hg_int128) INT64_MAX << 62)
#define HG_EXTREME_PLUS_INF		(HG_EXTREME_NAN - 1)
#define HG_EXTREME_MINUS_INF	(-HG_EXTREME_NAN)

/* Doubles as integers of the same order (NaN above infinity), and back. */
extern int64 hg_real_to_ordered(double value);
extern double hg_real_from_ordered(int64 value);

/* As many decimal places as numeric can show. */
#define HG_MAX_SCALE			16383

/* Everything but the rows. */
typedef struct HgRollupHead
{
	HgMode		mode;
	HgValueKind value;
	Oid			key_type;		/* INT4OID, INT8OID, UUIDOID or TEXTOID */
	int			own_scale;		/* EXACT: scale of own, min, max, grand,
								 * unmatched */
	int			total_scale;	/* EXACT: scale of total, roots; >= own_scale */
	int			count_scale;	/* of total_count, roots_count */
	const char *graph;			/* qualified name of the index */
	uint32		n;				/* rows */
	int64		grand_count;	/* facts, unmatched ones included */
	HgAmount	grand;			/* their sum, at own_scale */
	int64		unmatched_count;
	HgAmount	unmatched;		/* at own_scale */
	HgAmount	roots_count;	/* fixed at count_scale, or wide */
	HgAmount	roots;			/* sum of totals over roots, at total_scale */
	int64		unstated;		/* relationships passed over for lack of a
								 * share */
} HgRollupHead;

/*
 * Makes an hrollup (palloc'd varlena).  columns[] as HG_COL_*; order: rows in
 * ascending order of keys, as for hg_column_write.  beside: with a thread
 * (beside.h).
 */
extern struct varlena *hg_hrollup_make(const HgRollupHead *head,
									   const HgSource *columns,
									   const uint32 *order, bool beside);

/*
 * Reads one.  Detoasts where needed; pointers lead into *value, which is
 * palloc'd or the datum itself.  Everything is checked: XX001 for damaged
 * bytes.
 */
typedef struct HgRollupView
{
	HgRollupHead head;
	HgColumn	columns[HG_ROLLUP_COLUMNS];
	struct varlena *value;
} HgRollupView;

extern void hg_hrollup_open(HgRollupView *view, Datum value);
/* An amount as numeric, at least at this scale; zeros behind it are dropped
 * down to min_scale. */
extern Datum hg_amount_numeric(const HgAmount *amount, HgValueKind value,
							   int scale, int min_scale);
/* 128-bit integer / 10^scale as numeric with exactly this display scale. */
extern Numeric hg_fixed_numeric(hg_int128 value, int scale);

/* "distinct" ...; hg_mode_parse raises 22023, valid ones in the hint */
extern const char *hg_mode_name(HgMode mode);
extern HgMode hg_mode_parse(text *name);

#endif							/* HGRAPH_HROLLUP_H */
