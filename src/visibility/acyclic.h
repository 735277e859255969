/*-------------------------------------------------------------------------
 *
 * acyclic.h
 *	  The constraint that a graph has no cycle.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_ACYCLIC_H
#define HGRAPH_ACYCLIC_H

/* Plugs the checks into the access method. */
extern void hg_acyclic_init(void);

#endif							/* HGRAPH_ACYCLIC_H */
