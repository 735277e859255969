/*-------------------------------------------------------------------------
 *
 * connect.c
 *	  The connection to the server, statements on it, and Ctrl-C.
 *
 * A password is nowhere but in the memory of libpq: it is refused on the command
 * line, where others would see it, and no message of ours repeats a connection
 * string.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "connect.h"
#include "memory.h"
#include "message.h"

volatile sig_atomic_t interrupted = 0;

/* What the signal handler cancels; NULL: nothing. */
static PGcancel *volatile cancel_target = NULL;
static volatile sig_atomic_t may_cancel = 1;

static char *schema = NULL;

/*
 * on_signal notes the wish to stop and passes it on to the server.
 */
static void
on_signal(int number)
{
	static const char text[] = "pg_hierarchy: ended at once\n";
	int			saved = errno;
	char		error[256];

	(void) number;
	if (interrupted < 3 && ++interrupted == 3)
	{
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(EXIT_INTERRUPTED);
		_exit(EXIT_INTERRUPTED);
	}
	if (cancel_target && may_cancel)
		(void) PQcancel(cancel_target, error, sizeof(error));
	errno = saved;
}

/*
 * cancel_statements says whether Ctrl-C stops the running statement.
 */
void
cancel_statements(bool on)
{
	may_cancel = on;
}

/*
 * watch_signals aims the signal handler at this connection.
 */
static void
watch_signals(PGconn *conn)
{
	struct sigaction action;
	PGcancel   *old = cancel_target;

	cancel_target = NULL;
	if (old)
		PQfreeCancel(old);
	cancel_target = PQgetCancel(conn);

	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_handler = on_signal;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/*
 * ask_password reads one from the terminal, which does not show it; NULL if
 * there is no terminal.
 */
static char *
ask_password(void)
{
	int			fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios before;
	struct termios silent;
	FILE	   *tty;
	char	   *line = NULL;
	size_t		room = 0;
	ssize_t		length;

	if (fd < 0)
		return NULL;
	tty = fdopen(fd, "r+");
	if (!tty || tcgetattr(fd, &before) != 0)
	{
		close(fd);
		return NULL;
	}
	silent = before;
	silent.c_lflag &= ~ECHO;
	tcsetattr(fd, TCSAFLUSH, &silent);
	fputs("Password: ", tty);
	fflush(tty);
	length = getline(&line, &room, tty);
	tcsetattr(fd, TCSAFLUSH, &before);
	fputc('\n', tty);
	fclose(tty);
	if (length < 0)
	{
		free(line);
		return NULL;
	}
	while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
		line[--length] = '\0';
	return line;
}

/*
 * forget overwrites a password and frees it.
 */
static void
forget(char *password)
{
	volatile char *p = password;

	while (p && *p)
		*p++ = '\0';
	free(password);
}

/*
 * check_dbname refuses a connection string that is none, or has a password in
 * it.  The message of libpq may quote from it, so that is kept to ourselves.
 */
static void
check_dbname(const char *dbname)
{
	PQconninfoOption *parts;
	PQconninfoOption *part;
	char	   *error = NULL;

	if (!dbname || (!strchr(dbname, '=') && strncmp(dbname, "postgres://", 11) != 0 &&
					strncmp(dbname, "postgresql://", 13) != 0))
		return;
	parts = PQconninfoParse(dbname, &error);
	if (!parts)
	{
		error_message("the connection string given with -d is not valid");
		error_hint("it is \"key=value key=value ...\" or \"postgresql://user@host:port/database\"");
		PQfreemem(error);
		exit(EXIT_USAGE);
	}
	for (part = parts; part->keyword; part++)
		if (part->val && (strcmp(part->keyword, "password") == 0 ||
						  strcmp(part->keyword, "sslpassword") == 0))
		{
			error_message("a password does not belong on the command line, where others see it");
			error_hint("use a password file (~/.pgpass, PGPASSFILE), PGPASSWORD, or -W");
			exit(EXIT_USAGE);
		}
	PQconninfoFree(parts);
}

/*
 * open_connection tries once.
 */
static PGconn *
open_connection(const ConnectOptions *options, const char *password)
{
	const char *keywords[9];
	const char *values[9];
	int			n = 0;

	/* What is named later wins, so -h and its like win over the string. */
#define ADD(keyword, value) \
	do { keywords[n] = (keyword); values[n] = (value); n++; } while (0)
	ADD("dbname", options->dbname);
	ADD("host", options->host);
	ADD("port", options->port);
	ADD("user", options->user);
	ADD("password", password);
	ADD("fallback_application_name", "pg_hierarchy");
	ADD("client_encoding", "UTF8");
	ADD(NULL, NULL);
#undef ADD
	return PQconnectdbParams(keywords, values, 1);
}

/*
 * prepare_session makes the settings of a new connection ours.
 */
static bool
prepare_session(PGconn *conn)
{
	PGresult   *result = PQexec(conn,
								"SELECT pg_catalog.set_config('search_path', 'pg_catalog', false),"
								" pg_catalog.set_config('datestyle', 'ISO', false),"
								" pg_catalog.set_config('statement_timeout', '0', false),"
								" pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false)");
	bool		good = PQresultStatus(result) == PGRES_TUPLES_OK;

	PQclear(result);
	if (good)
		watch_signals(conn);
	return good;
}

/*
 * show_notice prints what the server remarks.
 */
static void
show_notice(void *unused, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	(void) unused;
	if (!text)
		return;
	if (severity && (strcmp(severity, "WARNING") == 0 || strcmp(severity, "FATAL") == 0))
		warning_message("%s", text);
	else
		note_message("%s", text);
	if (detail)
		error_detail("%s", detail);
	if (hint)
		error_hint("%s", hint);
}

/*
 * connect_server connects or ends the program.
 */
PGconn *
connect_server(const ConnectOptions *options)
{
	char	   *password = NULL;
	PGconn	   *conn;

	check_dbname(options->dbname);
	if (options->prompt == PROMPT_FIRST)
	{
		password = ask_password();
		if (!password)
			die(EXIT_CONNECTION, "there is no terminal to ask for a password");
	}
	conn = open_connection(options, password);
	if (conn && PQstatus(conn) == CONNECTION_BAD && !password &&
		PQconnectionNeedsPassword(conn) && options->prompt == PROMPT_NEEDED)
	{
		password = ask_password();
		if (password)
		{
			PQfinish(conn);
			conn = open_connection(options, password);
		}
	}
	if (password)
		forget(password);
	if (!conn)
		die(EXIT_CONNECTION, "out of memory");
	PQsetNoticeReceiver(conn, show_notice, NULL);
	if (PQstatus(conn) != CONNECTION_OK || !prepare_session(conn))
		die(EXIT_CONNECTION, "%s", PQerrorMessage(conn));
	return conn;
}

/*
 * reconnect connects once more with the same parameters.
 */
bool
reconnect(PGconn *conn)
{
	PQreset(conn);
	return PQstatus(conn) == CONNECTION_OK && prepare_session(conn);
}

/*
 * extension_schema looks up where the extension lives.
 */
const char *
extension_schema(PGconn *conn)
{
	PGresult   *result;

	if (schema)
		return schema;
	result = PQexec(conn,
					"SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e"
					" JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace"
					" WHERE e.extname OPERATOR(pg_catalog.=) 'hierarchy'");
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		die_server(conn, result);
	if (PQntuples(result) == 0)
	{
		error_message("the extension \"hierarchy\" is not installed in database \"%s\"",
					  PQdb(conn));
		error_hint("CREATE EXTENSION hierarchy");
		exit(EXIT_SERVER);
	}
	schema = x_strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return schema;
}

/*
 * expand_schema puts the schema of the extension into a statement.
 */
char *
expand_schema(PGconn *conn, const char *sql)
{
	static const char mark[] = "@extschema@";
	Buffer		b = {0};
	const char *at;

	buffer_reserve(&b, strlen(sql));
	while ((at = strstr(sql, mark)) != NULL)
	{
		buffer_add(&b, sql, at - sql);
		buffer_text(&b, extension_schema(conn));
		sql = at + sizeof(mark) - 1;
	}
	buffer_text(&b, sql);
	return b.data;
}

/*
 * try_run runs a statement.
 */
PGresult *
try_run(PGconn *conn, const char *sql, int nparams, const char *const *params)
{
	char	   *text = expand_schema(conn, sql);
	PGresult   *result = PQexecParams(conn, text, nparams, NULL, params,
									  NULL, NULL, 0);

	free(text);
	return result;
}

/*
 * run runs a statement that must not fail.
 */
PGresult *
run(PGconn *conn, const char *sql, int nparams, const char *const *params)
{
	PGresult   *result = try_run(conn, sql, nparams, params);

	if (!succeeded(result))
		die_server(conn, result);
	return result;
}

/*
 * succeeded tells a good result from an error.
 */
bool
succeeded(const PGresult *result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_COMMAND_OK:
		case PGRES_TUPLES_OK:
		case PGRES_SINGLE_TUPLE:
		case PGRES_COPY_IN:
		case PGRES_COPY_OUT:
			return true;
		default:
			return false;
	}
}

/*
 * connection_lost tells an error of a statement from the end of the connection.
 */
bool
connection_lost(PGconn *conn, const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	/* 57P01 to 57P03: shutdown and the like, 08: connection exceptions */
	return PQstatus(conn) == CONNECTION_BAD ||
		(state && (strncmp(state, "57P0", 4) == 0 || strncmp(state, "08", 2) == 0));
}

/*
 * tell_error prints what the server says and returns the exit code.
 */
int
tell_error(PGconn *conn, const PGresult *result)
{
	const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
	const char *hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;

	if (interrupted)
	{
		error_message("interrupted");
		return EXIT_INTERRUPTED;
	}
	if (text)
		error_message("%s", text);
	else
		error_message("%s", PQerrorMessage(conn));
	if (detail)
		error_detail("%s", detail);
	if (hint)
		error_hint("%s", hint);
	return connection_lost(conn, result) ? EXIT_CONNECTION : EXIT_SERVER;
}

/*
 * die_server prints what the server says and ends the program.
 */
void
die_server(PGconn *conn, const PGresult *result)
{
	exit(tell_error(conn, result));
}
