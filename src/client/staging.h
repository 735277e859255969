/*-------------------------------------------------------------------------
 *
 * staging.h
 *	  A batch on the server: its rows on the way into the staging table.
 *
 * Rows go over in chunks, each a COPY and a transaction of its own. A chunk is
 * kept here until it is committed, so a lost connection costs nothing but time:
 * the chunk is sent once more unless the server has it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_STAGING_H
#define PG_HIERARCHY_STAGING_H

#include <stdbool.h>

#include "connect.h"
#include "csv.h"
#include "memory.h"

typedef struct Staging
{
	PGconn	   *conn;
	int			retries;		/* how often to connect once more */
	int			chunk_size;		/* rows */
	long long	batch_id;
	char	   *batch_text;		/* the same for parameters */
	int			n_columns;
	char	   *copy;			/* the statement */

	long long	skip_to;		/* lines up to this one are there already */
	long long	committed;		/* and now, up to this one */
	long long	rows;			/* seen in the file */
	long long	faults;			/* of them, with a fault found here */
	bool		lost;			/* is the connection gone for good? */
	bool		in_doubt;		/* was it lost while committing the load? */

	Buffer		chunk;			/* in COPY's text format */
	size_t		sent;			/* bytes of it */
	int			chunk_rows;
	long long	chunk_line;		/* of its last row */
	bool		copying;		/* has COPY begun? */
	Buffer		raw;			/* for one row */
} Staging;

/* Who wants what; see new_load_batch(). */
typedef struct BatchInfo
{
	const char *source;
	char	  **columns;
	int			n_columns;
	const char *file_name;
	long long	file_size;		/* -1: not known */
	const char *fingerprint;
} BatchInfo;

/*
 * Makes a batch, or takes the one that an earlier run left behind (resume).
 * Rows that are in it already are skipped by staging_row().
 */
extern void staging_begin(Staging *s, PGconn *conn, const BatchInfo *info, bool resume,
						  int retries, int chunk_size);

/* Adds the current record. */
extern void staging_row(Staging *s, const CsvReader *record, bool may_have_bad_bytes);

/* Sends what is left. */
extern void staging_end(Staging *s);

/* Was anything staged before? */
extern bool staging_is_resumed(const Staging *s);

/*
 * After a lost connection: connects once more and waits for the end of the former
 * session. Ends the program (EXIT_CONNECTION, s->lost) when it cannot be done.
 */
extern void staging_reconnect(Staging *s);

/* Stops a running COPY, if there is one. */
extern void staging_abandon(Staging *s);

/* Drops the staging table after a load; the batch and its rejects stay. */
extern bool staging_drop(Staging *s);

/*
 * Removes a batch that came to nothing. Where the role may not delete it, it
 * stays as a failed one, without its tables.
 */
extern bool staging_discard(Staging *s);

extern void staging_free(Staging *s);

#endif							/* PG_HIERARCHY_STAGING_H */
