/*-------------------------------------------------------------------------
 *
 * rejects.h
 *	  The file of rejected rows: CSV of line, reasons, messages, raw.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_REJECTS_H
#define PG_HIERARCHY_REJECTS_H

#include <stdbool.h>
#include <stdio.h>

#include "connect.h"

typedef struct Rejects
{
	const char *path;			/* NULL: nobody wants one; "-": stdout */
	FILE	   *file;
	bool		with_names;		/* a first column says which file */
	bool		is_regular;
	long long	good;			/* bytes that hold, whatever happens next */
} Rejects;

/*
 * Creates or empties the file, unless it is one of the lists to be read. Ends the
 * program with EXIT_FILE if it cannot. What went to stdout is not taken back.
 */
extern void rejects_open(Rejects *r, const char *path, char **lists, int n_lists);

/* Does this name stand for stdout? */
extern bool rejects_to_stdout(const char *path);

/*
 * Writes those of a batch, in the transaction of the caller. false: the server
 * said no; *error then holds its result. A file that cannot be written ends the
 * program with EXIT_FILE.
 */
extern bool rejects_write(Rejects *r, PGconn *conn, const char *batch, const char *name, PGresult **error);

/* What was written holds; or does not, and goes. */
extern void rejects_keep(Rejects *r);
extern void rejects_undo(Rejects *r);

extern void rejects_close(Rejects *r);

#endif							/* PG_HIERARCHY_REJECTS_H */
