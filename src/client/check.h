/*-------------------------------------------------------------------------
 *
 * check.h
 *	  What the parts of pg_hierarchy check share: findings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_CHECK_H
#define PG_HIERARCHY_CHECK_H

#include "connect.h"
#include "memory.h"
#include "term.h"

typedef enum Level
{
	FINE,
	NOTE,						/* could be better */
	PROBLEM,					/* must be seen to: exit code 1 */
	HIDDEN						/* this role may not see it */
} Level;

typedef struct Check
{
	PGconn	   *conn;
	bool		verify;
	bool		standby;
	bool		begun;			/* there was a heading */
	const Colours *colours;
	Buffer		out;
	int			found[HIDDEN + 1];

	/* of all graphs that could be read */
	double		image_bytes;
	double		largest_image;
	double		index_bytes;
	double		largest_edges;
} Check;

extern void heading(Check *k, const char *text);

/* One line, and what to do about it (NULL: nothing). */
extern void finding(Check *k, Level level, const char *what, const char *advice,
					const char *format,...) __attribute__((format(printf, 5, 6)));

/* A size for people; one of a few static places. */
extern const char *size_text(double bytes);

/* check_graphs.c */
extern void check_graphs(Check *k);

/* check_settings.c */
extern void check_log(Check *k);
extern void check_triggers(Check *k);
extern void check_settings(Check *k);

#endif							/* PG_HIERARCHY_CHECK_H */
