/*-------------------------------------------------------------------------
 *
 * report.h
 *	  What a load did, for people.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_REPORT_H
#define PG_HIERARCHY_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "connect.h"

#define MAX_FIGURES 32

typedef struct Figure
{
	char	   *name;			/* as load() calls it */
	long long	value;
} Figure;

typedef struct Report
{
	Figure		figures[MAX_FIGURES];
	int			n;
	char	   *stopped;		/* why nothing was loaded; NULL: it was */
	char	   *detail;
	char	   *reasons;		/* tables, as text */
	char	   *examples;
} Report;

/* Takes the figures from what load() returned, or from the batch's own: keys, values. */
extern void report_take(Report *report, const PGresult *result);
extern void report_take_json(Report *report, const PGresult *result);
extern long long report_figure(const Report *report, const char *name);

/* Reads why rows were rejected, and the first of them; false on an error. */
extern bool report_read_rejects(Report *report, PGconn *conn, const char *batch);

/* Prints everything to stdout or stderr, under a heading. */
extern void report_print(const Report *report, const char *heading, FILE *file);

extern void report_free(Report *report);

#endif							/* PG_HIERARCHY_REPORT_H */
