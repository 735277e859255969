/*-------------------------------------------------------------------------
 *
 * hgraph.h
 *	  Type hgraph: the OID of an hgraph index, written as a name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_TYPE_H
#define HGRAPH_TYPE_H

/*
 * The graph that a name means: that of an hgraph index, or of a table with
 * exactly one valid hgraph index, found by search_path, then in schema
 * hierarchy.  Reports what is wrong otherwise, and what there is instead.
 */
extern Oid	hg_resolve_graph_name(const char *name);

/* The same for the OID of an index or a table. */
extern Oid	hg_resolve_graph_relation(Oid relid);

/*
 * The valid graph of a table that bears the name; if none does, the only one
 * that there is, or InvalidOid.
 */
extern Oid	hg_named_graph(Oid relid, const char *name);

/*
 * Makes sure that an OID is that of a usable hgraph index.  Errors: 42P01 it
 * does not exist, 42809 it is something else or partitioned, 55000 it is
 * invalid.
 */
extern void hg_check_graph(Oid indexoid);

#endif							/* HGRAPH_TYPE_H */
