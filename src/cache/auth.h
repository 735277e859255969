/*-------------------------------------------------------------------------
 *
 * auth.h
 *	  May the current user read a graph, and how?
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_AUTH_H
#define HGRAPH_AUTH_H

#include "cache/cache.h"

/* Is the answer known for the current user, transaction and settings? */
extern bool hg_auth_known(const HgCached *c);
/* Finds it out; ereports when the user may not read the graph. */
extern void hg_auth_check(HgCached *c, Relation heap, Relation index);
/* On a standby: was the index built by who is not yet seen by the snapshot? */
extern bool hg_auth_built_later(Relation index, Snapshot snapshot);
/* May the current user SELECT the index's keys? */
extern bool hg_auth_reads_keys(const HgLayout *layout, Relation index);

#endif							/* HGRAPH_AUTH_H */
