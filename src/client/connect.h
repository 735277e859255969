/*-------------------------------------------------------------------------
 *
 * connect.h
 *	  The connection to the server, statements on it, and Ctrl-C.
 *
 * There is one connection at a time. Its search_path is pg_catalog, its
 * encoding UTF-8, its DateStyle ISO, and no timeout ends statements. In statements, "@extschema@" stands for the
 * (quoted) schema of the extension.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_CONNECT_H
#define PG_HIERARCHY_CONNECT_H

#include <libpq-fe.h>
#include <signal.h>
#include <stdbool.h>

typedef enum Prompt
{
	PROMPT_NEEDED = 0,			/* ask for a password if the server wants one */
	PROMPT_NEVER,
	PROMPT_FIRST
} Prompt;

/* From the command line; NULL: from the environment. */
typedef struct ConnectOptions
{
	char	   *dbname;			/* or a connection string, or a URI */
	char	   *host;
	char	   *port;
	char	   *user;
	Prompt		prompt;
} ConnectOptions;

/*
 * Connects, or ends the program with EXIT_CONNECTION. From then on Ctrl-C
 * (SIGINT, SIGTERM) sets interrupted and cancels the running statement; the
 * third ends the program at once.
 */
extern PGconn *connect_server(const ConnectOptions *options);

/* Once more as before; false: not now (PQerrorMessage says why). */
extern bool reconnect(PGconn *conn);

/* Set by Ctrl-C. */
extern volatile sig_atomic_t interrupted;

/*
 * While false, Ctrl-C does not cancel statements (for clearing up after one);
 * it always sets interrupted. True from connect_server() on.
 */
extern void cancel_statements(bool on);

/*
 * The schema of the extension, quoted. Ends the program with EXIT_SERVER when
 * the database has no extension hierarchy. Looked up once.
 */
extern const char *extension_schema(PGconn *conn);

/* The statement with "@extschema@" replaced; to be freed. */
extern char *expand_schema(PGconn *conn, const char *sql);

/*
 * Runs one statement with text parameters. On an error run() tells it and ends
 * the program; try_run() returns the failed result.
 */
extern PGresult *run(PGconn *conn, const char *sql, int nparams,
					 const char *const *params);
extern PGresult *try_run(PGconn *conn, const char *sql, int nparams,
						 const char *const *params);
extern bool succeeded(const PGresult *result);

/* Is the connection gone, or about to be (the server ends it)? */
extern bool connection_lost(PGconn *conn, const PGresult *result);

/*
 * Tells the error of a result (NULL: of the connection); returns the exit code
 * that fits: EXIT_INTERRUPTED, EXIT_CONNECTION or EXIT_SERVER.
 */
extern int	tell_error(PGconn *conn, const PGresult *result);

/* The same, and ends the program. */
extern void die_server(PGconn *conn, const PGresult *result) __attribute__((noreturn));

#endif							/* PG_HIERARCHY_CONNECT_H */
