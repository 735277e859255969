/*-------------------------------------------------------------------------
 *
 * hrollup_private.h
 *	  What the files of type hrollup share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_HROLLUP_PRIVATE_H
#define HGRAPH_HROLLUP_PRIVATE_H

#include "lib/stringinfo.h"
#include "types/hrollup.h"

/* Flags that say something about an amount. */
#define HG_AMOUNT_SPECIAL \
	(HG_AMOUNT_NAN | HG_AMOUNT_PLUS_INF | HG_AMOUNT_MINUS_INF)

/* ---- hrollup.c: bytes ---- */

/* Writing: head, then HG_ROLLUP_COLUMNS columns in order, then the end. */
extern void hg_hrollup_begin(HgBuffer *buf, const HgRollupHead *head);
extern void hg_hrollup_put(HgBuffer *buf, HgRollupColumn col,
						   const HgSource *source, const uint32 *order,
						   uint32 n);
extern struct varlena *hg_hrollup_end(HgBuffer *buf);
/* A numeric as a cell of a BYTES column. */
extern HgKey hg_numeric_cell(Numeric num);

/*
 * Reading without errors: NULL, or what is wrong with the bytes.  Sizes and
 * types are checked, not values.
 */
extern const char *hg_hrollup_parse(HgRollupView *view,
									const unsigned char *data, Size len);

/* ---- hrollup_check.c ---- */

/* Looks at every value: NULL, or what is wrong.  Numerics may raise 22P03. */
extern const char *hg_hrollup_check(const HgRollupView *view);

/* ---- hrollup_read.c: cells ---- */

/* HG_COL_OWN or HG_COL_TOTAL, flags included */
extern void hg_hrollup_sum(const HgRollupView *view, HgRollupColumn col,
						   uint32 i, HgAmount *amount);
extern void hg_hrollup_total_count(const HgRollupView *view, uint32 i,
								   HgAmount *amount);
/* HG_COL_OWN_MIN ...; false: there is none */
extern bool hg_hrollup_extreme(const HgRollupView *view, HgRollupColumn col,
							   uint32 i, HgAmount *amount);
/* A cell of a column of numerics; NULL when empty. */
extern Numeric hg_hrollup_numeric(const HgColumn *column, uint32 i);

static inline int64
hg_hrollup_own_count(const HgRollupView *view, uint32 i)
{
	return (int64) hg_column_int(&view->columns[HG_COL_OWN_COUNT], i);
}

/* -1: none */
static inline int32
hg_hrollup_depth(const HgRollupView *view, uint32 i)
{
	return (int32) hg_column_int(&view->columns[HG_COL_DEPTH], i);
}

extern HgKey hg_hrollup_key(const HgRollupView *view, uint32 i);
/* Order of keys of a rollup. */
extern int	hg_hrollup_compare(Oid key_type, const HgKey *a, const HgKey *b);
/* Row of a key, HG_NONE when there is none. */
extern uint32 hg_hrollup_find(const HgRollupView *view, const HgKey *key);

/* As SQL values, palloc'd */
extern Datum hg_hrollup_own(const HgRollupView *view, uint32 i);
extern Datum hg_hrollup_total(const HgRollupView *view, uint32 i);
extern Datum hg_hrollup_total_count_datum(const HgRollupView *view, uint32 i);
extern Datum hg_hrollup_key_datum(const HgRollupView *view, uint32 i, Oid type);
/* Raises 42804 unless nodes of this rollup can be of the type. */
extern void hg_hrollup_check_type(const HgRollupHead *head, Oid type);

/* ---- hrollup_node.c ---- */

/* Everything about a row but its node; see there for the columns. */
#define HG_STATS_COLUMNS	11
extern void hg_hrollup_stats(const HgRollupView *view, uint32 i, Datum *values,
							 bool *nulls);

/* ---- hrollup_cells.c: a column of exact amounts in the making ---- */

typedef struct HgCells
{
	int			scale;
	hg_int128  *fixed;
	Numeric    *wide;			/* NULL: none so far; cells: NULL none */
	bool		extremes;		/* fixed may be HG_EXTREME_* */
	uint32		size;
} HgCells;

extern void hg_cells_init(HgCells *cells, int scale, bool extremes, uint32 size);
extern void hg_cells_grow(HgCells *cells, uint32 size);
extern void hg_cells_set_wide(HgCells *cells, uint32 i, Numeric value);
/* Makes the source of a column; one of wide cells allocates. */
extern HgSource hg_cells_source(const HgCells *cells, uint32 n);

/* value * 10^places; false when that does not fit */
extern bool hg_fixed_rescale(hg_int128 *value, int places);
/* An amount at another, greater scale. */
extern void hg_amount_rescale(HgAmount *amount, int scale, int new_scale);

/* ---- hrollup_amount.c ---- */

extern Datum hg_real_numeric(double value);
/* A cell of extremes, which may be HG_EXTREME_*. */
extern Numeric hg_extreme_numeric(hg_int128 value, int scale);
/* Is an integer one of those, and which? */
extern uint8 hg_extreme_flags(hg_int128 value);
/* The same for a numeric. */
extern uint8 hg_numeric_flags(Numeric num);
extern int	hg_numeric_compare(Numeric a, Numeric b);

/* ---- hrollup_merge.c ---- */

/*
 * Makes sure that two rollups belong together.  Graph and type of keys always
 * must be the same; mode and kind of values where alike is true.
 */
extern void hg_hrollup_check_same(const HgRollupHead *a, const HgRollupHead *b,
								  bool alike);

/* ---- hrollup_names.c: words for what is in a head ---- */

extern const char *hg_value_kind_name(HgValueKind value);
extern bool hg_value_kind_parse(const char *name, HgValueKind *value);
extern bool hg_mode_find(const char *name, HgMode *mode);
extern const char *hg_key_type_name(Oid type);
extern bool hg_key_type_parse(const char *name, Oid *type);

#endif							/* HGRAPH_HROLLUP_PRIVATE_H */
