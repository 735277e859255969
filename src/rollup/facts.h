/*-------------------------------------------------------------------------
 *
 * facts.h
 *	  Facts as a relation and columns named by the caller: what rollup_table,
 *	  drilldown and create_rollup_view have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_FACTS_H
#define HGRAPH_FACTS_H

#include "cache/query.h"
#include "fmgr.h"
#include "types/hrollup.h"

typedef struct HgFacts
{
	Oid			relid;
	const char *relation;		/* qualified and quoted */
	const char *filter;			/* NULL: all rows */
	Oid			namespace;		/* of the extension, */
	const char *schema;			/* its name, quoted */
	Oid			graph;
	const char *key;			/* column, quoted */
	Oid			key_type;
	const char *value;			/* column, quoted; NULL: rows are counted */
	Datum		mode;			/* text */
	bool		mode_null;
	DateADT		as_of;
	bool		as_of_null;
} HgFacts;

/*
 * Sets up everything but the columns, and locks the relation until the end of
 * the transaction, so that names mean the same from here on.  Errors: 42P01 no
 * such relation, 42809 one that has no rows to read, 42601 a filter that is
 * not one expression.
 */
extern void hg_facts_init(HgFacts *f, FunctionCallInfo fcinfo, Oid graph,
						  Oid relid, const char *filter);

/*
 * Opens the graph for the day and returns the mode; raises the errors that the
 * rollup would raise after it has read all facts: an unknown mode, or one that
 * the graph does not have.
 */
extern HgMode hg_facts_open_graph(const HgFacts *f, HgQuery *q);

/* A column's name, quoted, and its type.  42703 when there is none. */
extern const char *hg_facts_column(const HgFacts *f, const char *name,
								   Oid *type);

/* OID of a type of the extension. */
extern Oid	hg_facts_type(const HgFacts *f, const char *name);

/*
 * Rolls the facts up by a query, run as the caller under the active snapshot:
 * an hrollup, palloc'd in the current context, or *isnull.  keys, unless 0,
 * is an array of key_array (what the column compares with) to which keys are
 * restricted.
 */
extern Datum hg_facts_rollup(const HgFacts *f, Datum keys, Oid key_array,
							 const char *restriction, bool *isnull);

/* 22004 naming the argument when it is NULL. */
extern void hg_facts_not_null(FunctionCallInfo fcinfo, int i, const char *name);

/* The argument as a C string, NULL when it is NULL; of type name or text. */
extern const char *hg_facts_name_arg(FunctionCallInfo fcinfo, int i);
extern const char *hg_facts_text_arg(FunctionCallInfo fcinfo, int i);

#endif							/* HGRAPH_FACTS_H */
