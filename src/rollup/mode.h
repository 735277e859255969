/*-------------------------------------------------------------------------
 *
 * mode.h
 *	  What a mode asks of a graph.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_MODE_H
#define HGRAPH_MODE_H

#include "cache/query.h"
#include "compat.h"
#include "graph/rollup.h"

/* Raises 55000, or 42501, unless the graph can be rolled up in a mode. */
extern void hg_mode_check(const HgQuery *q, HgMode mode);
/* Raises the error for a node on or above a cycle. */
hg_noreturn extern void hg_mode_refuse_cycle(const HgQuery *q, HgMode mode,
											 uint32 node);

#endif							/* HGRAPH_MODE_H */
