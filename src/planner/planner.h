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

#include "functions/rows.h"
#include "nodes/extensible.h"

#define HG_SCAN_NAME "Hierarchy Scan"
#define HG_COUNT_NAME "Hierarchy Count"

/*
 * Opening a graph that is in memory, and reaching one node, in units of
 * cpu_operator_cost.
 */
#define HG_OPEN_COST	100
#define HG_REACH_COST	1

/*
 * The plan node: custom_exprs holds the call, a FuncExpr; custom_private its
 * HgRowsKind; custom_scan_tlist Vars of the function: of single columns, or
 * of all columns and then of the whole row.  A count has Aggrefs there, and
 * then a Var that only tells the function's place in the range table.
 *
 * A scan that goes from given nodes has in custom_exprs, behind the call, the
 * condition that gives them; in custom_private its column and the position of
 * the key among the condition's arguments.  (Of a path, custom_private is
 * column, position and RestrictInfo, or NIL.)
 */

/* scan.c: registers the custom scan and its hook; called by _PG_init */
extern void hg_planner_init(void);

/* count.c: the same for counts; called by hg_planner_init */
extern void hg_count_init(void);

/* scan.c: the call of a range table entry that can run as our scan, or NULL */
extern FuncExpr *hg_call_to_scan(RangeTblEntry *rte, HgRowsKind *kind);

/* keys.c */
extern void hg_keys_init(void);
extern void hg_add_key_paths(PlannerInfo *root, RelOptInfo *rel,
							 HgRowsKind kind, FuncExpr *call,
							 const CustomPathMethods *methods);
extern Expr *hg_key_clause(CustomPath *path, List *clauses, List **others);

/*
 * support.c: what is known of a call's arguments at plan time, and how many
 * nodes its graph has; false when the graph cannot be looked at.
 */
extern bool hg_known_call(PlannerInfo *root, FuncExpr *call, HgRowsArgs *args,
						  double *nodes);

/* exec.c */
extern const CustomScanMethods hg_scan_methods;
extern const CustomScanMethods hg_count_methods;

#endif							/* HGRAPH_PLANNER_H */
