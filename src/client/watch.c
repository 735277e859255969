/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  pg_hierarchy watch: changes as they happen.
 *
 * A notification is only a bell. What happened is read from the log, from the last
 * change that was shown, up to the horizon below which nothing can appear any
 * more. So nothing is missed and nothing comes twice, whatever becomes of the
 * connection, and of notifications. The log is also asked now and then without a
 * bell: transactions that were prepared ring none, and the horizon moves silently.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "lookup.h"
#include "memory.h"
#include "message.h"
#include "options.h"
#include "term.h"
#include "watch_sql.h"

#define BATCH			1000	/* changes read at once */
#define QUIET			5.0		/* seconds until the log is read without a bell */
#define FIRST_PAUSE		0.2		/* seconds, then twice as long each time ... */
#define LAST_PAUSE		2.0		/* ... while the horizon is behind the bell */
#define LAST_BACKOFF	30.0	/* ... while there is no connection */
#define CONNECT_TIME	10.0	/* seconds for one attempt to connect */

enum
{
	OPT_SINCE = OPT_OWN,
	OPT_ONCE,
	OPT_TIMEOUT,
	OPT_COUNT,
	OPT_JSON
};

typedef struct Watch
{
	PGconn	   *conn;
	char	   *hierarchy_id;	/* NULL: all */
	long long	last;			/* change that was read last */
	long long	announced;		/* greatest one that a bell told of */
	long long	shown;
	long long	count;			/* show so many; 0: no limit */
	double		deadline;		/* by clock(); 0: none */
	bool		once;
	bool		json;
	const Colours *colours;
	Buffer		out;
} Watch;

/* What became of reading. */
typedef enum Outcome
{
	READ_ALL,					/* up to the horizon */
	READ_ENOUGH,				/* --count is reached */
	READ_LOST					/* no connection, or not now */
} Outcome;

static const char help[] =
"pg_hierarchy watch shows changes as they happen, one line each.\n"
"\n"
"Usage:\n"
"  pg_hierarchy watch [OPTIONS] [HIERARCHY]\n"
"\n"
"With HIERARCHY: its relationships and rules, and the entities in it; else\n"
"everything.  It begins with the changes that come after the start and runs until\n"
"Ctrl-C.  A lost connection is made again, for as long as it takes, and nothing is\n"
"missed: what happened meanwhile is shown then.  It needs the right to read\n"
"change_log.\n"
"\n"
"Options:\n"
"      --since=ID        begin after that change (0: with the first one there is)\n"
"      --once            show what there is, and end; with --since\n"
"      --count=N         end after N changes\n"
"      --timeout=SECONDS end after that time\n"
"      --json            one JSON object a line\n"
"\n"
"A line is: number of the change, time, who, what, and why in brackets.  Give the\n"
"last number to --since to go on from there.\n"
"\n"
"Example:\n"
"  pg_hierarchy watch sales --since 4711 --json --once\n";

/*
 * now is a clock that nobody sets.
 */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/*
 * is_over says whether to stop: Ctrl-C, or the time is up.
 */
static bool
is_over(const Watch *w)
{
	return interrupted || (w->deadline > 0 && now() >= w->deadline);
}

/*
 * pause_for waits until fd can be read or written (if there is one), a signal
 * comes, or so many seconds have passed, or all of the time is up.
 */
static void
pause_for(const Watch *w, int fd, bool writing, double seconds)
{
	struct timespec wait;
	sigset_t	blocked;
	sigset_t	before;
	fd_set		set;

	if (w->deadline > 0 && w->deadline - now() < seconds)
		seconds = w->deadline - now();
	if (seconds < 0)
		seconds = 0;
	wait.tv_sec = (time_t) seconds;
	wait.tv_nsec = (long) ((seconds - wait.tv_sec) * 1e9);
	FD_ZERO(&set);
	if (fd >= 0 && fd < FD_SETSIZE)
		FD_SET(fd, &set);
	else
		fd = -1;

	/* A signal between the test and the wait would go unnoticed. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	if (!interrupted)
		(void) pselect(fd + 1, writing ? NULL : &set, writing ? &set : NULL, NULL, &wait, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/*
 * notice_dead_network makes a connection whose other end has vanished fail within
 * about a minute, rather than within hours.
 */
static void
notice_dead_network(PGconn *conn)
{
	struct sockaddr_storage address = {0};
	socklen_t	length = sizeof(address);
	int			fd = PQsocket(conn);
	int			on = 1;

	if (fd < 0 || getsockname(fd, (struct sockaddr *) &address, &length) != 0 ||
		(address.ss_family != AF_INET && address.ss_family != AF_INET6))
		return;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#if defined(TCP_KEEPIDLE) && defined(TCP_KEEPINTVL)
	{
		int			idle = 30;
		int			interval = 10;

		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	}
#endif
#ifdef TCP_USER_TIMEOUT
	{
		int			patience = 60000;

		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(patience));
	}
#endif
}

/*
 * may_pass says whether an error is one of those that go away by themselves:
 * shutdown, crash, failover, too many connections, a cancelled statement.
 */
static bool
may_pass(PGconn *conn, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQstatus(conn) == CONNECTION_BAD || !state)
		return true;
	return strncmp(state, "08", 2) == 0 || strncmp(state, "25", 2) == 0 ||
		strncmp(state, "40", 2) == 0 || strncmp(state, "53", 2) == 0 ||
		strncmp(state, "57", 2) == 0 || strcmp(state, "0A000") == 0;
}

/*
 * start_listening begins to listen. On the first connection an error ends the program;
 * false: there is no listening at the moment.
 */
static bool
start_listening(Watch *w, bool first)
{
	static const char *const statements[] = {
		"SET search_path = pg_catalog",
		"SET datestyle = 'ISO'",
		/* changes_since() wants a snapshot for each statement */
		"SET default_transaction_isolation = 'read committed'",
		"LISTEN hierarchy_change"
	};
	size_t		i;

	notice_dead_network(w->conn);
	for (i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
	{
		PGresult   *result = try_run(w->conn, statements[i], 0, NULL);

		if (!succeeded(result))
		{
			const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

			if (first && state && strcmp(state, "25006") == 0)
			{
				int			code = tell_error(w->conn, result);

				error_hint("connect to the primary: nobody is notified on a standby");
				exit(code);
			}
			if (first || !may_pass(w->conn, result))
				die_server(w->conn, result);
			PQclear(result);
			return false;
		}
		PQclear(result);
	}
	return true;
}

/*
 * find_start finds out from where to read on.
 */
static void
find_start(Watch *w, const char *since)
{
	PGresult   *result = run(w->conn, "SELECT @extschema@.changes_horizon()", 0, NULL);
	long long	horizon = atoll(PQgetvalue(result, 0, 0));

	PQclear(result);
	w->last = since ? atoll(since) : horizon;
	if (w->last > horizon)
		note_message("the log ends at change %lld: those up to %lld will not be shown", horizon, w->last);
}

/*
 * check_log_goes_on warns if the log ends before what was read already: that is
 * another server, or one that has lost transactions.
 */
static void
check_log_goes_on(Watch *w)
{
	PGresult   *result = try_run(w->conn, "SELECT @extschema@.changes_horizon()", 0, NULL);

	if (succeeded(result) && atoll(PQgetvalue(result, 0, 0)) < w->last)
		warning_message("the log now ends at change %s, before change %lld that was read already: "
						"changes up to that one will not be shown",
						PQgetvalue(result, 0, 0), w->last);
	PQclear(result);
}

/*
 * add_change appends the line of a change.
 */
static void
add_change(Watch *w, const PGresult *result, int row)
{
	const Colours *k = w->colours;
	const char *text = PQgetvalue(result, row, 4);
	const char *why = PQgetvalue(result, row, 5);

	if (w->json)
	{
		add_json(&w->out, text);
		buffer_char(&w->out, '\n');
		return;
	}
	buffer_printf(&w->out, "%s%s  %s  ", k->faint, PQgetvalue(result, row, 0), PQgetvalue(result, row, 2));
	add_clean(&w->out, PQgetvalue(result, row, 3));
	buffer_printf(&w->out, "%s  ", k->off);
	add_clean(&w->out, text);
	if (*why)
	{
		buffer_printf(&w->out, "  %s[", k->mark);
		add_clean(&w->out, why);
		buffer_printf(&w->out, "]%s", k->off);
	}
	buffer_char(&w->out, '\n');
}

/*
 * read_changes shows all changes up to the horizon.
 */
static Outcome
read_changes(Watch *w)
{
	for (;;)
	{
		char		last[32];
		char		batch[16];
		const char *params[4] = {last, w->hierarchy_id, batch, w->json ? "t" : "f"};
		PGresult   *result;
		int			rows;
		int			i;

		snprintf(last, sizeof(last), "%lld", w->last);
		snprintf(batch, sizeof(batch), "%d", BATCH);
		result = try_run(w->conn, watch_sql, 4, params);
		if (!succeeded(result))
		{
			if (interrupted)
				return READ_ALL;
			if (!may_pass(w->conn, result))
				die_server(w->conn, result);
			PQclear(result);
			return READ_LOST;
		}
		rows = PQntuples(result);
		for (i = 0; i < rows && (w->count == 0 || w->shown < w->count); i++)
		{
			w->last = atoll(PQgetvalue(result, i, 0));
			if (*PQgetvalue(result, i, 1) == 't')
			{
				add_change(w, result, i);
				w->shown++;
			}
		}
		PQclear(result);
		if (w->json && w->out.length > 0)
			write_bytes(stdout, NULL, w->out.data, w->out.length);
		else
			write_text(&w->out);
		flush_file(stdout, NULL);
		buffer_clear(&w->out);
		if (w->count > 0 && w->shown >= w->count)
			return READ_ENOUGH;
		if (rows < BATCH || is_over(w))
			return READ_ALL;
	}
}

/*
 * hear_bells takes notifications in; false: the connection is gone.
 */
static bool
hear_bells(Watch *w)
{
	PGnotify   *bell;

	if (!PQconsumeInput(w->conn) || PQstatus(w->conn) == CONNECTION_BAD)
		return false;
	while ((bell = PQnotifies(w->conn)) != NULL)
	{
		const char *at = strstr(bell->extra, "\"last\": ");

		if (at && atoll(at + 8) > w->announced)
			w->announced = atoll(at + 8);
		PQfreemem(bell);
	}
	return true;
}

/*
 * connect_again tries once, in a way that Ctrl-C ends.
 */
static bool
connect_again(Watch *w)
{
	double		patience = now() + CONNECT_TIME;
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	if (!PQresetStart(w->conn))
		return false;
	while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED)
	{
		if (is_over(w) || now() > patience)
			return false;
		pause_for(w, PQsocket(w->conn), state == PGRES_POLLING_WRITING, patience - now());
		state = PQresetPoll(w->conn);
	}
	return state == PGRES_POLLING_OK && start_listening(w, false);
}

/*
 * make_connection waits for a connection; false: told to stop before there was
 * one.
 */
static bool
make_connection(Watch *w)
{
	double		backoff = FIRST_PAUSE;
	const char *why = PQerrorMessage(w->conn);

	if (!*why)
		why = "the server does not answer now";
	/* libpq goes on about what that may mean */
	note_message("connection lost, trying again: %.*s", (int) strcspn(why, "\n"), why);
	while (!is_over(w))
	{
		if (connect_again(w))
		{
			note_message("connected again");
			check_log_goes_on(w);
			w->announced = 0;
			return true;
		}
		pause_for(w, -1, false, backoff);
		backoff = backoff * 2 < LAST_BACKOFF ? backoff * 2 : LAST_BACKOFF;
	}
	return false;
}

/*
 * watch is the loop; returns the exit code.
 */
static int
watch(Watch *w)
{
	double		pause = FIRST_PAUSE;

	while (!is_over(w))
	{
		Outcome		outcome = read_changes(w);

		if (outcome == READ_ENOUGH)
			return EXIT_OK;
		if (outcome == READ_LOST || !hear_bells(w))
		{
			if (!make_connection(w))
				return interrupted ? EXIT_INTERRUPTED : EXIT_CONNECTION;
			continue;
		}
		if (w->once)
			return interrupted ? EXIT_INTERRUPTED : EXIT_OK;
		if (is_over(w))
			break;
		if (w->announced > w->last)
		{
			pause_for(w, -1, false, pause);
			pause = pause * 2 < LAST_PAUSE ? pause * 2 : LAST_PAUSE;
		}
		else
		{
			pause_for(w, PQsocket(w->conn), false, QUIET);
			pause = FIRST_PAUSE;
		}
		hear_bells(w);
	}
	return interrupted ? EXIT_INTERRUPTED : EXIT_OK;
}

/*
 * read_amount reads a number on the command line.
 */
static double
read_amount(const char *option, const char *text, bool whole)
{
	char	   *end;
	double		n = strtod(text, &end);

	if (end == text || *end != '\0' || !(n >= 0 && n < 1e18) ||
		(whole && text[strspn(text, "0123456789")] != '\0'))
		usage_error("--%s is a number", option);
	return n;
}

/*
 * cmd_watch is the command.
 */
int
cmd_watch(int argc, char **argv)
{
	static const struct option options[] = {
		CONNECT_LONG_OPTIONS,
		{"since", required_argument, NULL, OPT_SINCE},
		{"once", no_argument, NULL, OPT_ONCE},
		{"timeout", required_argument, NULL, OPT_TIMEOUT},
		{"count", required_argument, NULL, OPT_COUNT},
		{"json", no_argument, NULL, OPT_JSON},
		{NULL, 0, NULL, 0}
	};
	ConnectOptions connection = {0};
	Watch		w = {0};
	const char *since = NULL;
	double		timeout = 0;
	int			option;
	int			code;

	while ((option = getopt_long(argc, argv, CONNECT_SHORT_OPTIONS, options, NULL)) != -1)
		switch (option)
		{
			case OPT_SINCE:
				read_amount("since", optarg, true);
				since = optarg;
				break;
			case OPT_ONCE:
				w.once = true;
				break;
			case OPT_TIMEOUT:
				timeout = read_amount("timeout", optarg, false);
				if (timeout <= 0)
					usage_error("--timeout is a number of seconds above 0");
				break;
			case OPT_COUNT:
				w.count = (long long) read_amount("count", optarg, true);
				if (w.count == 0)
					usage_error("--count is a number above 0");
				break;
			case OPT_JSON:
				w.json = true;
				break;
			default:
				common_option(&connection, option, optarg, help);
		}
	if (argc - optind > 1)
		usage_error("there is too much on the command line: \"%s\"", argv[optind + 1]);
	if (w.once && !since)
		usage_error("--once shows what came after a change: say with --since which");

	prepare_stdout();
	buffer_reserve(&w.out, 0);
	w.colours = terminal_colours(STDOUT_FILENO);
	w.deadline = timeout > 0 ? now() + timeout : 0;
	w.conn = connect_server(&connection);
	cancel_statements(false);
	if (optind < argc)
	{
		Hierarchy	h;

		find_hierarchy(w.conn, argv[optind], &h);
		w.hierarchy_id = h.id;
	}
	start_listening(&w, true);
	find_start(&w, since);
	if (isatty(STDERR_FILENO) && !w.once)
		note_message("watching from change %lld on; Ctrl-C ends it", w.last + 1);
	code = watch(&w);
	PQfinish(w.conn);
	return code;
}
