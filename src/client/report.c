/*-------------------------------------------------------------------------
 *
 * report.c
 *	  What a load did, for people.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "message.h"
#include "report.h"
#include "table.h"
#include "term.h"

/* How load()'s figures are shown: in this order, the rest after them. */
static const struct
{
	const char *name;
	const char *text;
	bool		always;			/* even when it is 0 */
}			lines[] =

{
	{"rows", "rows", true},
	{"inserted", "  inserted", true},
	{"updated", "  updated", true},
	{"unchanged", "  unchanged", true},
	{"rejected", "  rejected", true},
	{"matched", "matched by identifier", false},
	{"proposed", "matches proposed for review", false},
	{"entities_added", "entities added", true},
	{"entities_changed", "entities changed", true},
	{"entities_deactivated", "entities made inactive", false},
	{"relationships_added", "relationships added", true},
	{"relationships_changed", "relationships changed", true},
	{"relationships_ended", "relationships ended", true},
};

#define N_LINES ((int) (sizeof(lines) / sizeof(lines[0])))

/*
 * add_figure notes one figure.
 */
static void
add_figure(Report *report, const char *name, const char *value)
{
	if (report->n == MAX_FIGURES)
		return;
	report->figures[report->n].name = x_strdup(name);
	report->figures[report->n].value = strtoll(value, NULL, 10);
	report->n++;
}

/*
 * report_take takes the figures from the row that load() returned.
 */
void
report_take(Report *report, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQnfields(result); i++)
		if (strcmp(PQfname(result, i), "error") != 0)
			add_figure(report, PQfname(result, i), PQgetvalue(result, 0, i));
		else if (!PQgetisnull(result, 0, i))
			report->stopped = x_strdup(PQgetvalue(result, 0, i));
}

/*
 * report_take_json takes them from rows of a key and a value.
 */
void
report_take_json(Report *report, const PGresult *result)
{
	int			i;

	for (i = 0; i < PQntuples(result); i++)
		if (strcmp(PQgetvalue(result, i, 0), "error") != 0)
			add_figure(report, PQgetvalue(result, i, 0), PQgetvalue(result, i, 1));
}

/*
 * report_figure is one of the figures; 0 if there is none of that name.
 */
long long
report_figure(const Report *report, const char *name)
{
	int			i;

	for (i = 0; i < report->n; i++)
		if (strcmp(report->figures[i].name, name) == 0)
			return report->figures[i].value;
	return 0;
}

/*
 * table_text prints a table into a string.
 */
static char *
table_text(Table *table)
{
	char	   *text = NULL;
	size_t		size = 0;
	FILE	   *out = open_memstream(&text, &size);

	if (!out)
		die(EXIT_FILE, "out of memory");
	table_print(table, out, 2);
	fclose(out);
	return text;
}

/*
 * report_read_rejects asks why rows were rejected.
 */
bool
report_read_rejects(Report *report, PGconn *conn, const char *batch)
{
	const char *params[1];
	PGresult   *result;
	Table	   *table;
	int			i;

	params[0] = batch;
	result = try_run(conn,
					 "SELECT u.reason, pg_catalog.count(*) FROM @extschema@.load_reject r, pg_catalog.unnest(r.reasons) u (reason)"
					 " WHERE r.batch_id = $1::pg_catalog.int8 GROUP BY 1 ORDER BY 2 DESC, 1", 1, params);
	if (!succeeded(result))
	{
		PQclear(result);
		return false;
	}
	if (PQntuples(result) > 0)
	{
		table = table_new("lr");
		table_row(table, "reason", "rows");
		for (i = 0; i < PQntuples(result); i++)
			table_row(table, PQgetvalue(result, i, 0), grouped(strtoll(PQgetvalue(result, i, 1), NULL, 10)));
		report->reasons = table_text(table);
	}
	PQclear(result);

	result = try_run(conn,
					 "SELECT r.line, pg_catalog.left(r.messages[1], 90), pg_catalog.left(r.raw, 60)"
					 " FROM @extschema@.load_reject r WHERE r.batch_id = $1::pg_catalog.int8 ORDER BY r.line LIMIT 5", 1, params);
	if (!succeeded(result))
	{
		PQclear(result);
		return false;
	}
	if (PQntuples(result) > 0)
	{
		table = table_new("rll");
		table_row(table, "line", "why", "text");
		for (i = 0; i < PQntuples(result); i++)
			table_row(table, PQgetvalue(result, i, 0), PQgetvalue(result, i, 1), PQgetvalue(result, i, 2));
		report->examples = table_text(table);
	}
	PQclear(result);
	return true;
}

/*
 * report_print prints everything.
 */
void
report_print(const Report *report, const char *heading, FILE *file)
{
	Table	   *table = table_new("lr");
	Buffer		b = {0};
	char	   *text;
	int			i;

	for (i = 0; i < N_LINES; i++)
	{
		long long	value = report_figure(report, lines[i].name);

		if (value != 0 || lines[i].always)
			table_row(table, lines[i].text, grouped(value));
	}
	text = table_text(table);
	add_clean(&b, heading);
	buffer_printf(&b, "\n\n%s", text);
	free(text);
	if (report->reasons)
		buffer_printf(&b, "\n%s", report->reasons);
	if (report->examples)
		buffer_printf(&b, "\n%s", report->examples);
	if (report->stopped)
		buffer_printf(&b, "\n  %s\n", report->stopped);
	if (report->detail)
		buffer_printf(&b, "  %s\n", report->detail);
	buffer_char(&b, '\n');
	write_text_to(file, &b);
	buffer_free(&b);
}

/*
 * report_free gives everything back.
 */
void
report_free(Report *report)
{
	int			i;

	for (i = 0; i < report->n; i++)
		free(report->figures[i].name);
	free(report->stopped);
	free(report->detail);
	free(report->reasons);
	free(report->examples);
	memset(report, 0, sizeof(*report));
}
