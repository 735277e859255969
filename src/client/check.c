/*-------------------------------------------------------------------------
 *
 * check.c
 *	  pg_hierarchy check: is all well with the installation and its graphs?
 *
 * It changes nothing, and every question is a statement of its own: what a role
 * may not see, or what fails, is told and the rest is looked at all the same.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "commands.h"
#include "message.h"
#include "options.h"

enum
{
	OPT_NO_VERIFY = OPT_OWN
};

static const char help[] =
"pg_hierarchy check looks at an installation: versions, every graph of the\n"
"database and whether it agrees with its table, the log of changes, and settings of\n"
"the server, with advice.  It changes nothing.\n"
"\n"
"Usage:\n"
"  pg_hierarchy check [OPTIONS]\n"
"\n"
"Options:\n"
"      --no-verify       do not read tables to compare graphs with them, and\n"
"                        relationships with the rules\n"
"\n"
"It ends with exit code 1 if there is a problem.  \"note\" is what could be better,\n"
"\"hidden\" what the role may not see: to see all, it needs SELECT on the tables of\n"
"the extension and on those that have graphs.\n";

/*
 * heading begins a part.
 */
void
heading(Check *k, const char *text)
{
	buffer_printf(&k->out, "%s%s%s%s\n", k->begun ? "\n" : "", k->colours->strong, text,
				  k->colours->off);
	k->begun = true;
}

/*
 * finding tells one thing. Its text may have names of others in it.
 */
void
finding(Check *k, Level level, const char *what, const char *advice,
		const char *format,...)
{
	static const char *const words[] = {"ok", "note", "PROBLEM", "hidden"};
	const char *const colours[] = {
		k->colours->good, k->colours->mark, k->colours->bad, k->colours->faint
	};
	Buffer		name = {0};
	char	   *text;
	va_list		args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		die(EXIT_FILE, "out of memory");
	va_end(args);
	k->found[level]++;
	buffer_reserve(&name, 0);
	add_clean(&name, what);
	buffer_printf(&k->out, "  %s%-8s%s %s%*s ", colours[level], words[level], k->colours->off, name.data,
				  text_width(name.data) < 22 ? 22 - text_width(name.data) : 0, "");
	add_clean(&k->out, text);
	buffer_char(&k->out, '\n');
	if (advice)
	{
		buffer_printf(&k->out, "  %8s %s", "", k->colours->faint);
		buffer_text(&k->out, "-> ");
		add_clean(&k->out, advice);
		buffer_printf(&k->out, "%s\n", k->colours->off);
	}
	buffer_free(&name);
	free(text);
}

/*
 * size_text writes a number of bytes.
 */
const char *
size_text(double bytes)
{
	static char texts[8][32];
	static int	next = 0;
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
	char	   *text = texts[next++ % 8];
	int			unit = 0;

	while (bytes >= 10240 && unit < 4)
	{
		bytes /= 1024;
		unit++;
	}
	snprintf(text, sizeof(texts[0]), "%.0f %s", bytes, units[unit]);
	return text;
}

/*
 * check_versions looks at server, client, extension and library; false: there is
 * no extension, or none that works.
 */
static bool
check_versions(Check *k)
{
	PGresult   *result;
	PGresult   *library;
	const char *installed;
	const char *available;
	bool		fits = true;
	const char *host = PQhost(k->conn);

	heading(k, "Versions");
	result = run(k->conn,
				 "SELECT current_setting('server_version'), current_database(), current_user, pg_is_in_recovery(),"
				 " (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'hierarchy'),"
				 " (SELECT a.default_version FROM pg_available_extensions a WHERE a.name = 'hierarchy')", 0, NULL);
	k->standby = *PQgetvalue(result, 0, 3) == 't';
	installed = PQgetvalue(result, 0, 4);
	available = PQgetvalue(result, 0, 5);
	finding(k, FINE, "server", NULL, "PostgreSQL %s%s at %s port %s, database \"%s\" as \"%s\"",
			PQgetvalue(result, 0, 0), k->standby ? " (standby)" : "", host ? host : "?",
			PQport(k->conn) ? PQport(k->conn) : "?", PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2));
	if (PQgetisnull(result, 0, 4))
	{
		finding(k, PROBLEM, "extension",
				PQgetisnull(result, 0, 5) ? "install it on the server, then CREATE EXTENSION hierarchy;" :
				"CREATE EXTENSION hierarchy;",
				PQgetisnull(result, 0, 5) ? "not in this database" :
				"not in this database; the server has version %s", available);
		PQclear(result);
		return false;
	}
	if (strcmp(installed, HIERARCHY_VERSION) == 0)
		finding(k, FINE, "client", NULL, "%s", HIERARCHY_VERSION);
	else
		finding(k, NOTE, "client", "use the client that comes with the extension",
				"%s, the extension is %s", HIERARCHY_VERSION, installed);
	if (PQgetisnull(result, 0, 5))
		/* Debian's extension_destdir is not looked at for that list. */
		finding(k, NOTE, "extension", "nothing, if the server finds them elsewhere, as the library",
				"%s; its files are not where pg_available_extensions looks", installed);
	else if (strcmp(installed, available) != 0)
		finding(k, PROBLEM, "extension", "ALTER EXTENSION hierarchy UPDATE;",
				"%s in the database, %s on the server", installed, available);
	else
		finding(k, FINE, "extension", NULL, "%s, as on the server", installed);

	/* What a new session loads. */
	library = try_run(k->conn, "SELECT @extschema@.library_version()", 0, NULL);
	if (!succeeded(library))
		finding(k, PROBLEM, "library", "install its files on the server again, and see the log of the server",
				"%s", PQresultErrorField(library, PG_DIAG_MESSAGE_PRIMARY));
	else if (strcmp(PQgetvalue(library, 0, 0), installed) != 0)
	{
		finding(k, PROBLEM, "library",
				"ALTER EXTENSION hierarchy UPDATE; or the files of the other version, and a restart if shared_preload_libraries names it",
				"%s, the extension is %s: functions and triggers refuse to work, and no more is looked at",
				PQgetvalue(library, 0, 0), installed);
		fits = false;
	}
	else
		finding(k, FINE, "library", NULL, "%s", PQgetvalue(library, 0, 0));
	PQclear(library);
	PQclear(result);
	return fits;
}

/*
 * show_sum says what was found in all, and returns the exit code.
 */
static int
show_sum(Check *k)
{
	buffer_printf(&k->out, "\n%s%d %s, %d %s", k->colours->strong, k->found[PROBLEM],
				  k->found[PROBLEM] == 1 ? "problem" : "problems", k->found[NOTE],
				  k->found[NOTE] == 1 ? "note" : "notes");
	if (k->found[HIDDEN] > 0)
		buffer_printf(&k->out, ", %d hidden from this role", k->found[HIDDEN]);
	buffer_printf(&k->out, "%s\n", k->colours->off);
	return k->found[PROBLEM] > 0 ? EXIT_FOUND : EXIT_OK;
}

/*
 * show writes what there is so far.
 */
static void
show(Check *k)
{
	write_text(&k->out);
	flush_file(stdout, NULL);
	buffer_clear(&k->out);
	if (interrupted)
	{
		error_message("interrupted");
		exit(EXIT_INTERRUPTED);
	}
}

/*
 * cmd_check is the command.
 */
int
cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		CONNECT_LONG_OPTIONS,
		{"no-verify", no_argument, NULL, OPT_NO_VERIFY},
		{NULL, 0, NULL, 0}
	};
	ConnectOptions connection = {0};
	Check		k = {0};
	int			option;
	int			code;

	k.verify = true;
	while ((option = getopt_long(argc, argv, CONNECT_SHORT_OPTIONS, options, NULL)) != -1)
		switch (option)
		{
			case OPT_NO_VERIFY:
				k.verify = false;
				break;
			default:
				common_option(&connection, option, optarg, help);
		}
	if (optind < argc)
		usage_error("there is too much on the command line: \"%s\"", argv[optind]);

	prepare_stdout();
	k.colours = terminal_colours(STDOUT_FILENO);
	buffer_reserve(&k.out, 0);
	k.conn = connect_server(&connection);
	if (check_versions(&k))
	{
		show(&k);
		check_graphs(&k);
		show(&k);
		check_log(&k);
		check_triggers(&k);
		show(&k);
		check_settings(&k);
	}
	code = show_sum(&k);
	show(&k);
	PQfinish(k.conn);
	return code;
}
