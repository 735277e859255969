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

/*
 * For messages: another layer may know better names for the nodes of a table
 * than their keys.  It is asked only when the user may read all rows named.
 */
typedef char *(*hg_node_text_hook_type) (Relation heap, const HgKey *key);
extern hg_node_text_hook_type hg_node_text_hook;

/* For messages: a key, and a cycle through child as its nodes' keys. */
extern char *hg_key_text(const HgLayout *layout, const HgKey *key);
extern char *hg_cycle_text(const HgLayout *layout, Relation heap,
						   const HgGraph *graph, uint32 child,
						   const HgCycle *cycle);

#endif							/* HGRAPH_ACYCLIC_H */
