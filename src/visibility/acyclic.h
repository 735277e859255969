/*-------------------------------------------------------------------------
 *
 * acyclic.h
 *	  The constraint that a graph has no cycle.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_ACYCLIC_H
#define HGRAPH_ACYCLIC_H

#include "am/am.h"

/* Plugs the checks into the access method. */
extern void hg_acyclic_init(void);

/* For messages: a key, and a cycle through child as its nodes' keys. */
extern char *hg_key_text(const HgLayout *layout, const HgKey *key);
extern char *hg_cycle_text(const HgLayout *layout, const HgGraph *graph,
						   uint32 child, const HgCycle *cycle);

#endif							/* HGRAPH_ACYCLIC_H */
