/*-------------------------------------------------------------------------
 *
 * rowsource.h
 *	  What the row sources share among themselves.
 *
 * A row source is three functions: begin sets up rows->state, next fills the
 * wanted columns (everything else is already NULL), end gives back what the
 * graph core lent.  Memory comes from rows->mcxt and goes with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_ROWSOURCE_H
#define HGRAPH_ROWSOURCE_H

#include "functions/keys.h"
#include "functions/rows.h"

struct HgRows
{
	bool		(*next) (HgRows *rows, Datum *values, bool *nulls);
	void		(*batch) (HgRows *rows, HgRowBatch *batch); /* may be NULL */
	uint64		(*count) (HgRows *rows);	/* NULL: go through the rows */
	void		(*end) (HgRows *rows);	/* may be NULL */
	void	   *state;			/* private to the source */
	uint32		node;			/* the node argument, HG_NONE without one */
	uint32		other;			/* the second one */
	uint32		wanted;			/* result columns to compute */
	int			ncolumns;
	bool		open;			/* is q open? */
	bool		reset;			/* do rows take memory from row_mcxt? */
	HgRowsArgs	args;			/* node, other, keys and labels not to be used
								 * once it began: they live no longer */
	MemoryContext mcxt;			/* lives as long as the source */
	MemoryContext row_mcxt;		/* reset before each row */
	HgKeyOut	out;
	HgShareOut	share;
	HgQuery		q;
};

/* Is result column i to be computed? */
#define HG_WANTED(rows, i)	(((rows)->wanted & (1U << (i))) != 0)

/* Stores a share that may not be stated; values[i] is NULL already. */
static inline void
hg_rows_put_share(HgRows *rows, int i, double share, bool stated,
				  Datum *values, bool *nulls)
{
	if (stated)
	{
		values[i] = hg_share_datum(&rows->share, share);
		nulls[i] = false;
	}
}

/* Stores a node. */
static inline void
hg_rows_put_node(HgRows *rows, int i, uint32 node, Datum *values, bool *nulls)
{
	values[i] = hg_key_datum(&rows->out, node);
	nulls[i] = false;
}

/*
 * Does somebody want the share, and can the graph tell?  Column i is the
 * share's.
 */
#define HG_WANTS_SHARE(rows, i) \
	(HG_WANTED(rows, i) && ((rows)->q.layout->roles & HG_HAS_WEIGHT) != 0)

/* args.c */
extern uint32 hg_max_depth(bool isnull, int32 max_depth);

/* neighbours.c: parents, children */
extern void hg_rows_neighbours_begin(HgRows *rows);
/* reach.c: ancestors, descendants, leaves, tops */
extern void hg_rows_reach_begin(HgRows *rows);
/* roots.c */
extern void hg_rows_roots_begin(HgRows *rows);
/* paths.c */
extern void hg_rows_paths_begin(HgRows *rows);
/* common.c: common_ancestors */
extern void hg_rows_common_begin(HgRows *rows);
/* preorder.c */
extern void hg_rows_preorder_begin(HgRows *rows);
/* closure.c */
extern void hg_rows_closure_begin(HgRows *rows);
/* closure_up.c: the same for given descendants */
extern void hg_rows_closure_up_begin(HgRows *rows);
/* tree.c */
extern void hg_rows_tree_begin(HgRows *rows);
/* key_nodes.c: the nodes that args.keys name, each once, in rows->mcxt */
extern uint32 hg_rows_key_nodes(const HgRows *rows, uint32 **nodes);
/* rollup/explain.c */
extern void hg_rows_explain_prepare(HgRows *rows, const HgRowsArgs *args);
extern void hg_rows_explain_begin(HgRows *rows);

#endif							/* HGRAPH_ROWSOURCE_H */
