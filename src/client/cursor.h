/*-------------------------------------------------------------------------
 *
 * cursor.h
 *	  Results of any length, some rows at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_CURSOR_H
#define PG_HIERARCHY_CURSOR_H

#include "connect.h"

typedef struct Cursor
{
	PGconn	   *conn;
	char	   *fetch;			/* FETCH %d FROM ... */
	PGresult   *batch;
	int			row;			/* in batch */
	int			rows;			/* of batch */
	int			size;			/* of the next batch */
	char	   *close;
} Cursor;

/* Begins a transaction that only reads, and whose statements all see the same. */
extern void begin_reading(PGconn *conn);
extern void end_reading(PGconn *conn);

/* The rows of a query, in such a transaction. "@extschema@" as in run(). */
extern void open_cursor(Cursor *c, PGconn *conn, const char *name, const char *sql,
						int nparams, const char *const *params);

/* Goes to the next row; false at the end, after which the cursor is closed. */
extern bool next_row(Cursor *c);

/* A column of the row, NULL for NULL. Good until the next next_row(). */
extern const char *field(const Cursor *c, int column);

#endif							/* PG_HIERARCHY_CURSOR_H */
