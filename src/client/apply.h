/*-------------------------------------------------------------------------
 *
 * apply.h
 *	  From the staging table into the directory: load() on the server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_APPLY_H
#define PG_HIERARCHY_APPLY_H

#include <stdbool.h>

#include "rejects.h"
#include "report.h"
#include "staging.h"

/* Arguments of load(); NULL where its default is to hold. */
typedef struct LoadCall
{
	const char *mapping;
	const char *hierarchy;
	const char *mode;
	const char *max_errors;
	const char *effective;
	const char *reason;
	bool		match;
	bool		dry_run;
} LoadCall;

/*
 * Has the server look at everything but the rows, while there are none yet; ends
 * the program if it does not like it.
 */
extern void apply_check(Staging *s, const LoadCall *call);

/*
 * Loads, all or nothing. Returns EXIT_OK, or EXIT_FOUND if too many rows were
 * rejected; other errors end the program. In either case the report is complete
 * and the rejected rows are written.
 */
extern int	apply(Staging *s, const LoadCall *call, Rejects *rejects, const char *name, Report *report);

#endif							/* PG_HIERARCHY_APPLY_H */
