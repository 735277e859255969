/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Options that all commands have: those of the connection, as psql's.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "message.h"
#include "options.h"

const char *command_name = NULL;

static const char connection_help[] =
"\n"
"Connection options:\n"
"  -h, --host=HOST        server, or folder of its socket\n"
"  -p, --port=PORT        port of the server\n"
"  -U, --username=NAME    role to connect as\n"
"  -d, --dbname=DBNAME    database, connection string or URI (without password)\n"
"  -w, --no-password      never ask for a password\n"
"  -W, --password         ask for a password at once\n"
"      --help             show this help\n"
"\n"
"What is not given comes from the environment (PGHOST, PGPORT, PGUSER,\n"
"PGDATABASE, PGSERVICE, PGSSLMODE, ...), as with psql.  A password is never taken\n"
"from the command line: it comes from a password file (~/.pgpass, PGPASSFILE),\n"
"from PGPASSWORD, or is asked for.\n"
"\n"
"Exit codes: 0 done, 1 something was found or too many rows were rejected,\n"
"2 wrong usage, 3 no connection, 4 error of the server, 5 error of a file,\n"
"130 interrupted.\n";

/*
 * common_option takes what a command does not know itself.
 */
void
common_option(ConnectOptions *connection, int option, const char *argument,
			  const char *help)
{
	switch (option)
	{
		case 'h':
			connection->host = x_strdup(argument);
			break;
		case 'p':
			connection->port = x_strdup(argument);
			break;
		case 'U':
			connection->user = x_strdup(argument);
			break;
		case 'd':
			connection->dbname = x_strdup(argument);
			break;
		case 'w':
			connection->prompt = PROMPT_NEVER;
			break;
		case 'W':
			connection->prompt = PROMPT_FIRST;
			break;
		case OPT_HELP:
			fputs(help, stdout);
			fputs(connection_help, stdout);
			finish(EXIT_OK);
		default:
			usage_error(NULL);
	}
}

/*
 * usage_error ends the program since it was not called rightly.
 */
void
usage_error(const char *format,...)
{
	if (format)
	{
		va_list		args;
		char	   *text;

		va_start(args, format);
		if (vasprintf(&text, format, args) >= 0)
			error_message("%s", text);
		va_end(args);
	}
	error_hint("try \"pg_hierarchy %s%s--help\"",
			   command_name ? command_name : "", command_name ? " " : "");
	exit(EXIT_USAGE);
}
