/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  From the staging table into the directory: load() on the server.
 *
 * Everything happens in one transaction, which is committed when the rejected rows
 * are written.  If the connection is lost, it is found out whether that transaction
 * was committed, and if not, it is done once more.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "memory.h"
#include "message.h"
#include "progress.h"

/* Whatever the role's default is: load() has to see what is there by its turn. */
#define BEGIN_LOAD	"BEGIN ISOLATION LEVEL READ COMMITTED"

#define ASK_PAUSE 500			/* ms between two questions about progress */

/*
 * second_connection opens another one like the first, to ask about its progress.
 */
static PGconn *
second_connection(PGconn *conn)
{
	PQconninfoOption *options = PQconninfo(conn);
	const char *keywords[64];
	const char *values[64];
	PQconninfoOption *o;
	PGconn	   *second;
	int			n = 0;

	for (o = options; o && o->keyword && n < 63; o++)
		if (o->val && o->val[0])
		{
			keywords[n] = o->keyword;
			values[n++] = o->val;
		}
	keywords[n] = values[n] = NULL;
	second = PQconnectdbParams(keywords, values, 0);
	PQconninfoFree(options);
	return second;
}

/*
 * show_server_progress asks the server how far the load is.
 */
static void
show_server_progress(PGconn *asking, int pid)
{
	char		number[16];
	const char *params[1];
	PGresult   *result;
	static char phase[64];

	snprintf(number, sizeof(number), "%d", pid);
	params[0] = number;
	result = try_run(asking,
					 "SELECT phase, rows_done, rows_total FROM @extschema@.load_progress"
					 " WHERE pid OPERATOR(pg_catalog.=) $1::pg_catalog.int4", 1, params);
	if (succeeded(result) && PQntuples(result) > 0)
	{
		if (strcmp(phase, PQgetvalue(result, 0, 0)) != 0)
		{
			snprintf(phase, sizeof(phase), "%s", PQgetvalue(result, 0, 0));
			progress_phase(phase);
		}
		progress_step(strtoll(PQgetvalue(result, 0, 1), NULL, 10),
					  strtoll(PQgetvalue(result, 0, 2), NULL, 10),
					  strtoll(PQgetvalue(result, 0, 1), NULL, 10));
	}
	else
		progress_step(0, 0, 0);
	PQclear(result);
}

/*
 * wait_for_result waits for the statement that was sent, shows its progress, and
 * sees to it that Ctrl-C reaches it.
 */
static PGresult *
wait_for_result(PGconn *conn)
{
	PGconn	   *asking = progress_is_shown() ? second_connection(conn) : NULL;
	PGresult   *last = NULL;
	PGresult   *result;

	while (PQconsumeInput(conn) && PQisBusy(conn))
	{
		struct pollfd fd;
		int			n;

		fd.fd = PQsocket(conn);
		fd.events = POLLIN;
		fd.revents = 0;
		n = poll(&fd, 1, ASK_PAUSE);
		if (n < 0 && errno != EINTR)
			break;
		if (n == 0 && interrupted)
		{
			/* The signal may have come before the statement had begun. */
			PGcancel   *cancel = PQgetCancel(conn);
			char		error[256];

			if (cancel)
				PQcancel(cancel, error, sizeof(error));
			PQfreeCancel(cancel);
		}
		else if (n == 0 && asking)
			show_server_progress(asking, PQbackendPID(conn));
	}
	if (asking)
		PQfinish(asking);
	while ((result = PQgetResult(conn)) != NULL)
	{
		PQclear(last);
		last = result;
	}
	return last;
}

/*
 * call_load calls load().
 */
static PGresult *
call_load(Staging *s, const LoadCall *call)
{
	static const char statement[] =
	"SELECT l.* FROM @extschema@.load(batch_id => $1::pg_catalog.int8, mapping => $2::pg_catalog.jsonb,"
	" hierarchy => $3::pg_catalog.text, mode => $4::pg_catalog.text, dry_run => $5::pg_catalog.bool,"
	" max_errors => $6::pg_catalog.text, effective => $7::pg_catalog.date, match => $8::pg_catalog.bool,"
	" reason => $9::pg_catalog.text) l";
	char	   *sql = expand_schema(s->conn, statement);
	const char *params[9];
	PGresult   *result = NULL;

	params[0] = s->batch_text;
	params[1] = call->mapping;
	params[2] = call->hierarchy;
	params[3] = call->mode;
	params[4] = call->dry_run ? "true" : "false";
	params[5] = call->max_errors;
	params[6] = call->effective;
	params[7] = call->match ? "true" : "false";
	params[8] = call->reason;
	progress_phase("loading");
	if (PQsendQueryParams(s->conn, sql, 9, NULL, params, NULL, NULL, 0))
		result = wait_for_result(s->conn);
	free(sql);
	return result;
}

/*
 * apply_check tries load() on no rows, so that a wrong mapping is known before a
 * long file is sent.
 */
void
apply_check(Staging *s, const LoadCall *call)
{
	LoadCall	trial = *call;
	PGresult   *result;

	trial.dry_run = true;
	trial.match = false;
	/* A full snapshot of nothing would end everything, if only on trial. */
	if (strcmp(call->mode, "full_snapshot") == 0)
		trial.mode = "upsert";
	for (;;)
	{
		result = call_load(s, &trial);
		if (succeeded(result))
			break;
		if (!connection_lost(s->conn, result) || interrupted)
			die_server(s->conn, result);
		PQclear(result);
		staging_reconnect(s);
	}
	PQclear(result);
}

/*
 * give_up ends the program with an error of the server.
 */
static void __attribute__((noreturn))
give_up(Staging *s, Rejects *rejects, PGresult *result)
{
	rejects_undo(rejects);
	die_server(s->conn, result);
}

/*
 * is_stop tells the error of load() that means too many rejected rows.
 */
static bool
is_stop(const PGresult *result)
{
	const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	return text && state && strncmp(state, "22", 2) == 0 && strncmp(text, "load stopped", 12) == 0;
}

/*
 * is_loaded asks after a lost connection whether the batch was loaded after all,
 * and if so, takes the report from it.
 */
static bool
is_loaded(Staging *s, Report *report)
{
	const char *params[1];
	PGresult   *result;
	bool		loaded;

	params[0] = s->batch_text;
	result = run(s->conn,
				 "SELECT r.key, r.value FROM @extschema@.load_batch b,"
				 " pg_catalog.jsonb_each_text(b.report) r"
				 " WHERE b.batch_id = $1::pg_catalog.int8 AND b.state = 'loaded'", 1, params);
	loaded = PQntuples(result) > 0;
	if (loaded)
		report_take_json(report, result);
	PQclear(result);
	return loaded;
}

/*
 * read_rejects takes the rejected rows into the report and the file; false if the
 * connection is lost.
 */
static bool
read_rejects(Staging *s, Rejects *rejects, const char *name, Report *report)
{
	PGresult   *error;

	if (!rejects_write(rejects, s->conn, s->batch_text, name, &error))
	{
		if (!connection_lost(s->conn, error))
			give_up(s, rejects, error);
		PQclear(error);
		return false;
	}
	if (!report_read_rejects(report, s->conn, s->batch_text))
	{
		if (!connection_lost(s->conn, NULL))
			die(EXIT_SERVER, "could not read the rejected rows: %s", PQerrorMessage(s->conn));
		return false;
	}
	return true;
}

/*
 * check_rows compares the server's number of rows with ours.  A staging table is
 * unlogged, so a crash of the server may have emptied it unnoticed.
 */
static void
check_rows(Staging *s, Rejects *rejects, const Report *report)
{
	long long	rows = report_figure(report, "rows");

	if (rows == s->rows)
		return;
	rejects_undo(rejects);
	error_message("the staging table of batch %s has %lld rows, the file has %lld", s->batch_text, rows, s->rows);
	error_hint("nothing is loaded; run the command again");
	exit(EXIT_SERVER);
}

/*
 * command runs a statement of transactions; false if the connection is lost.
 */
static bool
command(Staging *s, Rejects *rejects, const char *sql)
{
	PGresult   *result = PQexec(s->conn, sql);
	bool		good = succeeded(result);

	if (!good && !connection_lost(s->conn, result))
		give_up(s, rejects, result);
	PQclear(result);
	return good;
}

/*
 * after_stop finds out by a dry run why load() stopped.
 */
static bool
after_stop(Staging *s, const LoadCall *call, Rejects *rejects, const char *name, Report *report)
{
	LoadCall	trial = *call;
	PGresult   *result;
	bool		good;

	trial.dry_run = true;
	trial.max_errors = NULL;
	if (!command(s, rejects, "ROLLBACK") || !command(s, rejects, BEGIN_LOAD))
		return false;
	result = call_load(s, &trial);
	good = succeeded(result);
	if (!good && !connection_lost(s->conn, result))
		give_up(s, rejects, result);
	if (good)
		report_take(report, result);
	PQclear(result);
	if (!good || !read_rejects(s, rejects, name, report))
		return false;
	check_rows(s, rejects, report);
	return command(s, rejects, "COMMIT");
}

/*
 * try_apply is one attempt: EXIT_OK, EXIT_FOUND, or -1 if the connection was lost.
 */
static int
try_apply(Staging *s, const LoadCall *call, Rejects *rejects, const char *name, Report *report)
{
	PGresult   *result;
	char	   *why;
	char	   *detail;

	if (!command(s, rejects, BEGIN_LOAD))
		return -1;
	result = call_load(s, call);
	if (succeeded(result))
	{
		report_take(report, result);
		PQclear(result);
		if (!read_rejects(s, rejects, name, report))
			return -1;
		check_rows(s, rejects, report);
		if (interrupted)
			die(EXIT_INTERRUPTED, "interrupted");
		s->in_doubt = true;
		if (!command(s, rejects, "COMMIT"))
			return -1;
		s->in_doubt = false;
		return report->stopped ? EXIT_FOUND : EXIT_OK;
	}
	if (connection_lost(s->conn, result) && !interrupted)
	{
		PQclear(result);
		return -1;
	}
	if (!is_stop(result))
		give_up(s, rejects, result);

	why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	why = x_strdup(why);
	detail = detail ? x_strdup(detail) : NULL;
	PQclear(result);
	if (!after_stop(s, call, rejects, name, report))
	{
		free(why);
		free(detail);
		return -1;
	}
	report->stopped = why;
	report->detail = detail;
	return EXIT_FOUND;
}

/*
 * apply loads.
 */
int
apply(Staging *s, const LoadCall *call, Rejects *rejects, const char *name, Report *report)
{
	for (;;)
	{
		int			code = try_apply(s, call, rejects, name, report);

		if (code >= 0)
		{
			rejects_keep(rejects);
			return code;
		}
		rejects_undo(rejects);
		report_free(report);
		staging_reconnect(s);
		s->in_doubt = false;
		if (!call->dry_run && is_loaded(s, report))
		{
			if (command(s, rejects, BEGIN_LOAD) && read_rejects(s, rejects, name, report) &&
				command(s, rejects, "COMMIT"))
			{
				rejects_keep(rejects);
				return EXIT_OK;
			}
			rejects_undo(rejects);
			report_free(report);
			staging_reconnect(s);
		}
	}
}
