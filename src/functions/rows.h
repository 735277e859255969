/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  The set-returning functions as row sources: one row at a time, only the
 *	  columns that somebody wants.
 *
 * Two callers: the fmgr entry points (srf.c), for calls in a select list, and
 * the custom scan of the planner layer, for calls in FROM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_ROWS_H
#define HGRAPH_ROWS_H

#include "cache/query.h"

typedef enum HgRowsKind
{
	HG_ROWS_PARENTS,
	HG_ROWS_CHILDREN,
	HG_ROWS_ANCESTORS,
	HG_ROWS_DESCENDANTS,
	HG_ROWS_ROOTS,
	HG_ROWS_LEAVES,
	HG_ROWS_TOPS,
	HG_ROWS_PATHS,
	HG_ROWS_COMMON_ANCESTORS,
	HG_ROWS_PREORDER,
	HG_ROWS_CLOSURE,
	HG_ROWS_EXPLAIN,
	HG_ROWS_TREE,
	HG_ROWS_NKINDS
} HgRowsKind;

#define HG_ROWS_MAX_COLUMNS 6

/* Arguments of a call, decoded from its SQL arguments. */
typedef struct HgRowsArgs
{
	HgRowsKind	kind;
	bool		is_null;		/* graph or node NULL: no rows */
	Oid			graph;
	Oid			key_type;		/* INT8OID, INT4OID, UUIDOID or TEXTOID: type
								 * of the node argument and of result nodes */
	Datum		node;			/* where it starts (explain_rollup: its
								 * descendant), by its type */
	bool		node_null;		/* preorder of everything, paths' ancestor */
	Datum		other;			/* common_ancestors' b, paths' ancestor,
								 * explain_rollup's node */
	bool		other_null;
	uint32		max_depth;		/* HG_UNLIMITED */
	bool		include_self;
	HgFilterArgs filter;
	Datum		mode;			/* explain_rollup's: a text, */
	bool		mode_null;
	Datum		amount;			/* and a numeric */
	bool		amount_null;
	int			key_column;		/* only rows with one of the keys in this
								 * result column; -1: all rows */
	int			nkeys;
	const Datum *keys;			/* int8 for either type of integers, else of
								 * key_type; must live until the rows begin */
} HgRowsArgs;

typedef struct HgRows HgRows;

/*
 * Which row source a function is, by its catalog entry (a C function of this
 * library with the right symbol); HG_ROWS_NKINDS when it is none of them.
 */
extern HgRowsKind hg_rows_kind(Oid funcid);

/* Number of result columns. */
extern int	hg_rows_columns(HgRowsKind kind);

/* Can the source be asked for the rows with certain keys in this column? */
extern bool hg_rows_has_keys(HgRowsKind kind, int column);

/*
 * Decodes the SQL arguments in the order of the function's declaration;
 * nargs of them, with their actual types.  Raises the errors that bad
 * arguments deserve.
 */
extern void hg_rows_args(HgRowsKind kind, int nargs, const Datum *values,
						 const bool *nulls, const Oid *types,
						 HgRowsArgs *args);

/*
 * Opens the source.  wanted: bit i set when result column i is needed; others
 * are returned as NULL at no cost.  Memory comes from mcxt, a context of its
 * own lifetime; rows' datums live until the next call.
 */
extern HgRows *hg_rows_begin(const HgRowsArgs *args, uint32 wanted,
							 MemoryContext mcxt);
extern bool hg_rows_next(HgRows *rows, Datum *values, bool *nulls);
/*
 * Many rows at once, column by column, from sources that offer it for the
 * columns wanted (none of which is then ever null); a scan through many rows
 * is mostly the calls for each of them otherwise.
 */
#define HG_BATCH_ROWS	128

typedef struct HgRowBatch
{
	int			n;				/* rows; 0 when there are no more */
	Datum		values[HG_ROWS_MAX_COLUMNS][HG_BATCH_ROWS];
} HgRowBatch;

extern bool hg_rows_has_batches(const HgRows *rows);
extern void hg_rows_next_batch(HgRows *rows, HgRowBatch *batch);

/* How many rows are left; there is no next one afterwards. */
extern uint64 hg_rows_count(HgRows *rows);
extern void hg_rows_end(HgRows *rows);

/*
 * Estimated number of rows for these arguments, from the image; < 0 when it
 * cannot be told (no permission, no such graph).  Never raises an error for
 * bad arguments.  node_known false: typical value over the graph's nodes.
 */
extern double hg_rows_estimate(const HgRowsArgs *args, bool node_known);

#endif							/* HGRAPH_ROWS_H */
