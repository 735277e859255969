/*-------------------------------------------------------------------------
 *
 * depend.h
 *	  Views and functions depend on the graphs that they name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_DEPEND_H
#define HGRAPH_DEPEND_H

extern void hg_depend_init(void);

#endif							/* HGRAPH_DEPEND_H */
