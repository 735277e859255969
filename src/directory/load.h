/*-------------------------------------------------------------------------
 *
 * load.h
 *	  Checking the relationships that a load plans.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_LOAD_H
#define HIERARCHY_LOAD_H

#include "executor/tuptable.h"

/* Called for each row of a query; its columns are all in tts_values. */
typedef void (*HgLoadRowFn) (void *arg, TupleTableSlot *slot);

/*
 * load_scan.c: runs a query, and checks that its columns are of these types.
 * What the function allocates in the memory context of the caller stays.
 */
extern void hg_load_scan(const char *query, int ncolumns, const Oid *types,
						 HgLoadRowFn row, void *arg);

#endif							/* HIERARCHY_LOAD_H */
