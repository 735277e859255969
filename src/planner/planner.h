/*-------------------------------------------------------------------------
 *
 * planner.h
 *	  The custom scans that run the set-returning functions in FROM, and
 *	  those that only count their rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_PLANNER_H
#define HGRAPH_PLANNER_H

#include "nodes/extensible.h"

#define HG_SCAN_NAME "Hierarchy Scan"
#define HG_COUNT_NAME "Hierarchy Count"

/*
 * The plan node: custom_exprs holds the call, a FuncExpr; custom_private its
 * HgRowsKind; custom_scan_tlist Vars of the function: of single columns, or
 * of all columns and then of the whole row.  A count has Aggrefs there, and
 * then a Var that only tells the function's place in the range table.
 */

/* scan.c: registers the custom scan and its hook; called by _PG_init */
extern void hg_planner_init(void);

/* count.c: the same for counts; called by hg_planner_init */
extern void hg_count_init(void);

/* exec.c */
extern const CustomScanMethods hg_scan_methods;
extern const CustomScanMethods hg_count_methods;

#endif							/* HGRAPH_PLANNER_H */
