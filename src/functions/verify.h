/*-------------------------------------------------------------------------
 *
 * verify.h
 *	  What the files behind verify() share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_VERIFY_H
#define HGRAPH_VERIFY_H

#include "am/am.h"
#include "nodes/execnodes.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"

typedef struct HgVerify
{
	Relation	heap;
	Relation	index;
	HgLayout	layout;
	Snapshot	snapshot;
	bool		damaged;		/* the index could not be read completely */
	int64		problems;		/* reported so far */
	MemoryContext work_mcxt;	/* of one page, or of one row */
	Tuplestorestate *store;		/* the result */
	TupleDesc	tupdesc;
} HgVerify;

typedef void (*HgVerifyStep) (HgVerify *v, void *arg);

/* verify.c */
extern void hg_verify_report(HgVerify *v, const char *problem,
							 const char *fmt,...) pg_attribute_printf(3, 4);
/*
 * Runs a step that may meet corruption.  NULL when all went well; an error
 * about the state of the index as text.  Other errors are raised.
 */
extern char *hg_verify_try(HgVerify *v, HgVerifyStep step, void *arg);
/* Reports what hg_verify_try returned; true if that was nothing. */
extern bool hg_verify_passed(HgVerify *v, const char *error);

/* verify_entries.c: pages, entries against rows, rows against entries */
extern void hg_verify_entries(HgVerify *v);

#endif							/* HGRAPH_VERIFY_H */
