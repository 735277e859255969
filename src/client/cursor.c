/*-------------------------------------------------------------------------
 *
 * cursor.c
 *	  Results of any length, some rows at a time.
 *
 * A cursor of the server, not libpq's single-row mode: when the reader of our
 * output is slow, or goes away, the server does nothing it was not asked for.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "cursor.h"
#include "memory.h"
#include "message.h"

/* The first rows shall come soon, the others quickly. */
#define FIRST_BATCH		64
#define LAST_BATCH		4096

/*
 * begin_reading begins a transaction.
 */
void
begin_reading(PGconn *conn)
{
	PQclear(run(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL));
}

/*
 * end_reading ends it.
 */
void
end_reading(PGconn *conn)
{
	PQclear(run(conn, "COMMIT", 0, NULL));
}

/*
 * open_cursor declares a cursor.
 */
void
open_cursor(Cursor *c, PGconn *conn, const char *name, const char *sql,
			int nparams, const char *const *params)
{
	char	   *declare = x_sprintf("DECLARE %s NO SCROLL CURSOR FOR %s", name, sql);

	PQclear(run(conn, declare, nparams, params));
	free(declare);
	c->conn = conn;
	c->fetch = x_sprintf("FROM %s", name);
	c->close = x_sprintf("CLOSE %s", name);
	c->batch = NULL;
	c->row = c->rows = 0;
	c->size = FIRST_BATCH;
}

/*
 * next_row goes to the next row.
 */
bool
next_row(Cursor *c)
{
	char	   *fetch;

	if (c->row + 1 < c->rows)
	{
		c->row++;
		return true;
	}
	if (c->batch)
		PQclear(c->batch);
	c->batch = NULL;
	if (interrupted)
	{
		error_message("interrupted");
		exit(EXIT_INTERRUPTED);
	}
	fetch = x_sprintf("FETCH %d %s", c->size, c->fetch);
	c->batch = run(c->conn, fetch, 0, NULL);
	free(fetch);
	c->row = 0;
	c->rows = PQntuples(c->batch);
	if (c->size < LAST_BATCH)
		c->size *= 4;
	if (c->rows > 0)
		return true;
	PQclear(c->batch);
	c->batch = NULL;
	PQclear(run(c->conn, c->close, 0, NULL));
	free(c->fetch);
	free(c->close);
	return false;
}

/*
 * field is a column of the row.
 */
const char *
field(const Cursor *c, int column)
{
	return PQgetisnull(c->batch, c->row, column) ? NULL : PQgetvalue(c->batch, c->row, column);
}
