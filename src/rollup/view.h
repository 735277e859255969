/*-------------------------------------------------------------------------
 *
 * view.h
 *	  Rollup views: what create_rollup_view was asked for, and its query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_ROLLUP_VIEW_H
#define HGRAPH_ROLLUP_VIEW_H

#include "nodes/pg_list.h"
#include "rollup/facts.h"
#include "types/hrollup.h"

/* A column of the view. */
typedef struct HgViewColumn
{
	const char *name;			/* not quoted */
	const char *comment;
} HgViewColumn;

typedef struct HgRollupViewSpec
{
	HgFacts		facts;			/* key, filter, mode, as_of */
	HgMode		mode;
	const char *graph;			/* its name as an SQL literal that holds in
								 * every session */
	const char *graph_name;		/* for comments */
	const char *node_type;		/* bigint, uuid or text, as SQL */
	bool		by_day;			/* does as_of choose the graph's edges? */
	List	   *measures;		/* column names, char * */
	List	   *dimensions;
	const char *date_column;	/* NULL: no periods */
	const char *day;			/* the day that periods end with, as SQL */
} HgRollupViewSpec;

/* ---- view_sql.c ---- */

/* The view's columns, list of HgViewColumn. */
extern List *hg_rollup_view_columns(const HgRollupViewSpec *spec);
/* Its query. */
extern char *hg_rollup_view_query(const HgRollupViewSpec *spec);

#endif							/* HGRAPH_ROLLUP_VIEW_H */
