/*-------------------------------------------------------------------------
 *
 * planner.h
 *	  What the planner is told about the functions of this library, and the
 *	  custom scan that runs the set-returning ones in FROM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_PLANNER_H
#define HGRAPH_PLANNER_H

/* scan.c: registers the custom scan and its hook; called by _PG_init */
extern void hg_planner_init(void);

#endif							/* HGRAPH_PLANNER_H */
