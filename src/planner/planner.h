/*-------------------------------------------------------------------------
 *
 * planner.h
 *	  The custom scan that runs the set-returning functions in FROM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_PLANNER_H
#define HGRAPH_PLANNER_H

#include "nodes/extensible.h"

#define HG_SCAN_NAME "Hierarchy Scan"

/*
 * The plan node: custom_exprs holds the call, a FuncExpr; custom_private its
 * HgRowsKind; custom_scan_tlist Vars of the function: of single columns, or
 * of all columns and then of the whole row.
 */

/* scan.c: registers the custom scan and its hook; called by _PG_init */
extern void hg_planner_init(void);

/* exec.c */
extern const CustomScanMethods hg_scan_methods;

#endif							/* HGRAPH_PLANNER_H */
