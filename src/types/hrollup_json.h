/*-------------------------------------------------------------------------
 *
 * hrollup_json.h
 *	  The text form of a rollup: one JSON document.
 *
 *	{"hrollup": 1, "graph": "public.sales", "mode": "distinct",
 *	 "values": "exact", "key_type": "bigint", "scale": 2, ...
 *	 "columns": ["node", "depth", ...],
 *	 "nodes": [[1, 0, ...], ...]}
 *
 * "nodes" comes last, as all else says how to read it.  Numbers stand for what
 * they say; NaN and infinities are strings; what does not exist is null.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_HROLLUP_JSON_H
#define HGRAPH_HROLLUP_JSON_H

#include "common/jsonapi.h"
#include "compat.h"
#include "types/hrollup_private.h"

#define HG_ROLLUP_JSON_VERSION	1

/* Fields of the document, in the order in which they are written. */
typedef enum HgRollupField
{
	HG_FIELD_VERSION,
	HG_FIELD_GRAPH,
	HG_FIELD_MODE,
	HG_FIELD_VALUES,
	HG_FIELD_KEY_TYPE,
	HG_FIELD_SCALE,				/* EXACT */
	HG_FIELD_TOTAL_SCALE,		/* EXACT */
	HG_FIELD_COUNT_SCALE,
	HG_FIELD_FACTS,
	HG_FIELD_UNMATCHED_FACTS,
	HG_FIELD_ROOTS_FACTS,
	HG_FIELD_UNSTATED_SHARES,
	HG_FIELD_SUM,				/* EXACT, REAL; the same to ROOTS_SUM */
	HG_FIELD_UNMATCHED_SUM,
	HG_FIELD_ROOTS_SUM,
	HG_FIELD_SUM_REST,			/* REAL; the same to ROOTS_SUM_REST */
	HG_FIELD_UNMATCHED_SUM_REST,
	HG_FIELD_ROOTS_SUM_REST,
	HG_FIELD_COLUMNS,
	HG_FIELD_NODES,
	HG_ROLLUP_FIELDS
} HgRollupField;

extern const char *const hg_rollup_field_names[HG_ROLLUP_FIELDS];
/* Does a rollup of such values have the field? */
extern bool hg_rollup_has_field(HgValueKind value, HgRollupField field);

/*
 * Columns of the nodes, in the order in which they are written: an array that
 * ends with HG_ROLLUP_COLUMNS.
 */
extern const HgRollupColumn *hg_rollup_json_columns(HgValueKind value);
extern const char *hg_rollup_column_name(HgRollupColumn column);

/* ---- reading ---- */

typedef struct HgRollupParser
{
	int			level;			/* how many objects and arrays are open */
	HgRollupField field;		/* in which we are */

	/* fields, as written */
	bool		seen[HG_ROLLUP_FIELDS];
	char	   *text[HG_ROLLUP_FIELDS];
	JsonTokenType token[HG_ROLLUP_FIELDS];
	int			nnames;
	char	   *names[HG_ROLLUP_COLUMNS];

	/* what they say */
	HgRollupHead head;
	const HgRollupColumn *columns;
	int			column;			/* of the node in which we are */

	/* rows */
	uint32		size;
	int64	   *num;
	HgKey	   *key;
	int32	   *depth;
	int64	   *own_count;
	uint8	   *own_flags;
	uint8	   *total_flags;
	HgReal	   *own_real;
	HgReal	   *total_real;
	HgCells		cells[HG_ROLLUP_COLUMNS];	/* EXACT, and extremes */
} HgRollupParser;

/* hrollup_in_rows.c */

/* 22P02 with this detail */
extern hg_noreturn void hg_parse_fail(const char *detail);
extern hg_noreturn void hg_parse_fail_cell(const HgRollupParser *p,
										   const char *expected);
/* Numbers.  They return what the text should be when it is something else. */
extern const char *hg_parse_exact(const char *text, JsonTokenType token,
								  int scale, HgAmount *amount);
extern const char *hg_parse_real(const char *text, JsonTokenType token,
								 HgAmount *amount);
extern int64 hg_parse_int(const char *text);
/* Makes room for more rows. */
extern void hg_parse_grow(HgRollupParser *p);
/* The next value of the row head.n; takes over the text. */
extern void hg_parse_cell(HgRollupParser *p, char *text, JsonTokenType token);
/* Makes the rollup of all that was read. */
extern struct varlena *hg_parse_rollup(HgRollupParser *p);

#endif							/* HGRAPH_HROLLUP_JSON_H */
