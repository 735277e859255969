/*-------------------------------------------------------------------------
 *
 * staging.c
 *	  A batch on the server: its rows on the way into the staging table.
 *
 * Whoever works on a batch holds an advisory lock of its number.  A lost session
 * lives on in the server until that notices; when the lock is free, it has
 * ended, and what it did is either committed or gone.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decode.h"
#include "message.h"
#include "staging.h"

#define CHUNK_BYTES ((size_t) 8 * 1024 * 1024)
#define BLOCK_BYTES ((size_t) 64 * 1024)
#define LOCK_WAIT 20			/* seconds */

/*
 * pause_for sleeps, unless the user has had enough.
 */
static void
pause_for(double seconds)
{
	struct timespec t;

	t.tv_sec = (time_t) seconds;
	t.tv_nsec = (long) ((seconds - (double) t.tv_sec) * 1e9);
	if (!interrupted)
		nanosleep(&t, NULL);
	if (interrupted)
		die(EXIT_INTERRUPTED, "interrupted");
}

/*
 * try_lock takes the lock of the batch: 1, or 0 if another session has it, or
 * -1 if that failed (*result says why).
 */
static int
try_lock(Staging *s, PGresult **result)
{
	const char *params[1];
	int			got = -1;

	params[0] = s->batch_text;
	*result = try_run(s->conn,
					  "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended("
					  "'hierarchy.load_batch ' || $1, 0))", 1, params);
	if (succeeded(*result))
	{
		got = PQgetvalue(*result, 0, 0)[0] == 't';
		PQclear(*result);
		*result = NULL;
	}
	return got;
}

/*
 * lock_batch waits for the lock; false if the connection was lost meanwhile.
 */
static bool
lock_batch(Staging *s)
{
	int			tries;

	for (tries = 0; tries < LOCK_WAIT * 5; tries++)
	{
		PGresult   *result;
		int			got = try_lock(s, &result);

		if (got > 0)
			return true;
		if (got < 0)
		{
			if (!connection_lost(s->conn, result))
				die_server(s->conn, result);
			PQclear(result);
			return false;
		}
		pause_for(0.2);
	}
	error_message("another session works on batch %lld", s->batch_id);
	error_hint("if it is one that lost its connection, wait until the server notices, then try --resume again");
	s->lost = true;
	exit(EXIT_SERVER);
}

/*
 * array_literal writes texts as a text[].
 */
static char *
array_literal(char **texts, int n)
{
	Buffer		b = {0};
	int			i;

	buffer_char(&b, '{');
	for (i = 0; i < n; i++)
	{
		const char *c;

		if (i > 0)
			buffer_char(&b, ',');
		buffer_char(&b, '"');
		for (c = texts[i]; *c; c++)
		{
			if (*c == '"' || *c == '\\')
				buffer_char(&b, '\\');
			buffer_char(&b, *c);
		}
		buffer_char(&b, '"');
	}
	buffer_char(&b, '}');
	return b.data;
}

/*
 * set_batch notes the number of the batch and what it takes to fill it.
 */
static void
set_batch(Staging *s, const char *number, const BatchInfo *info)
{
	Buffer		b = {0};
	int			i;

	s->batch_text = x_strdup(number);
	s->batch_id = strtoll(number, NULL, 10);
	s->n_columns = info->n_columns;
	buffer_printf(&b, "COPY @extschema@.load_stage_%s (_line, _raw, _fault", number);
	for (i = 0; i < info->n_columns; i++)
	{
		char	   *name = PQescapeIdentifier(s->conn, info->columns[i], strlen(info->columns[i]));

		if (!name)
			die(EXIT_FILE, "column name \"%s\": %s", info->columns[i], PQerrorMessage(s->conn));
		buffer_printf(&b, ", %s", name);
		PQfreemem(name);
	}
	buffer_text(&b, ") FROM STDIN");
	s->copy = expand_schema(s->conn, b.data);
	buffer_free(&b);
}

/*
 * last_line asks how far the staging table is filled; false if the connection is
 * lost.
 */
static bool
last_line(Staging *s, long long *line)
{
	char	   *sql = x_sprintf("SELECT pg_catalog.max(_line) FROM @extschema@.load_stage_%s", s->batch_text);
	PGresult   *result = try_run(s->conn, sql, 0, NULL);
	bool		good = succeeded(result);

	if (good)
		*line = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	else if (!connection_lost(s->conn, result))
		die_server(s->conn, result);
	PQclear(result);
	free(sql);
	return good;
}

/*
 * find_batch looks for one that an earlier run left behind; NULL: there is none.
 */
static char *
find_batch(PGconn *conn, const BatchInfo *info, const char *columns)
{
	const char *params[3];
	PGresult   *result;
	char	   *number = NULL;

	params[0] = info->source;
	params[1] = info->fingerprint;
	params[2] = columns;
	result = run(conn,
				 "SELECT b.batch_id FROM @extschema@.load_batch b WHERE b.source = $1 AND b.fingerprint = $2"
				 " AND b.columns = $3::pg_catalog.text[] AND b.state = 'staging' AND b.created_by = current_user"
				 " AND pg_catalog.to_regclass('@extschema@.load_stage_' || b.batch_id) IS NOT NULL"
				 " ORDER BY b.batch_id DESC LIMIT 1", 3, params);
	if (PQntuples(result) > 0)
		number = x_strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return number;
}

/*
 * new_batch asks the server for one.
 */
static char *
new_batch(PGconn *conn, const BatchInfo *info, const char *columns)
{
	const char *params[5];
	char		size[32];
	PGresult   *result;
	char	   *number;

	snprintf(size, sizeof(size), "%lld", info->file_size);
	params[0] = info->source;
	params[1] = columns;
	params[2] = info->file_name;
	params[3] = info->file_size >= 0 ? size : NULL;
	params[4] = info->fingerprint;
	result = run(conn,
				 "SELECT @extschema@.new_load_batch(source => $1, columns => $2::pg_catalog.text[],"
				 " file_name => $3, file_size => $4::pg_catalog.int8, fingerprint => $5)", 5, params);
	number = x_strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return number;
}

/*
 * staging_begin makes or finds the batch.
 */
void
staging_begin(Staging *s, PGconn *conn, const BatchInfo *info, bool resume,
			  int retries, int chunk_size)
{
	char	   *columns = array_literal(info->columns, info->n_columns);
	char	   *left = find_batch(conn, info, columns);
	char	   *number = resume && left ? left : new_batch(conn, info, columns);

	memset(s, 0, sizeof(*s));
	s->conn = conn;
	s->retries = retries;
	s->chunk_size = chunk_size;
	set_batch(s, number, info);
	if (!lock_batch(s))
		die_server(conn, NULL);
	if (resume && left)
	{
		if (!last_line(s, &s->skip_to))
			die_server(conn, NULL);
		s->committed = s->skip_to;
		note_message("going on with batch %s: it has the rows up to line %lld", number, s->skip_to);
	}
	else if (resume)
		note_message("there is nothing to resume: beginning anew");
	else if (left)
	{
		note_message("an earlier run left batch %s of this file behind", left);
		error_hint("--resume goes on with it, SELECT %s.drop_load_batch(%s, false) removes it",
				   extension_schema(conn), left);
	}
	if (number != left)
		free(number);
	free(left);
	free(columns);
}

/*
 * staging_is_resumed tells whether there were rows before.
 */
bool
staging_is_resumed(const Staging *s)
{
	return s->skip_to > 0;
}

/*
 * end_copy reads the results of a COPY that has ended, one way or another: true
 * if it was good, false if the connection is lost; other errors end the program.
 */
static bool
end_copy(Staging *s)
{
	PGresult   *result;
	PGresult   *bad = NULL;
	bool		lost;

	s->copying = false;
	while ((result = PQgetResult(s->conn)) != NULL)
	{
		ExecStatusType status = PQresultStatus(result);

		if (status == PGRES_COPY_IN)
		{
			/* The server is still waiting: its end did not get through. */
			PQclear(result);
			break;
		}
		if (!succeeded(result) && !bad)
			bad = result;
		else
			PQclear(result);
	}
	lost = connection_lost(s->conn, bad);
	if (bad && !lost)
		die_server(s->conn, bad);
	PQclear(bad);
	return !lost && !bad;
}

/*
 * begin_copy begins a COPY; false if the connection is lost.
 */
static bool
begin_copy(Staging *s)
{
	PGresult   *result = PQexec(s->conn, s->copy);
	bool		good = PQresultStatus(result) == PGRES_COPY_IN;

	if (!good && !connection_lost(s->conn, result))
		die_server(s->conn, result);
	PQclear(result);
	s->copying = good;
	s->sent = 0;
	return good;
}

/*
 * send_rows sends what has not been sent; false if the connection is lost.
 */
static bool
send_rows(Staging *s)
{
	if (!s->copying && !begin_copy(s))
		return false;
	while (s->sent < s->chunk.length)
	{
		size_t		n = s->chunk.length - s->sent;

		if (interrupted)
			die(EXIT_INTERRUPTED, "interrupted");
		if (n > BLOCK_BYTES)
			n = BLOCK_BYTES;
		if (PQputCopyData(s->conn, s->chunk.data + s->sent, (int) n) != 1)
			return end_copy(s) && false;
		s->sent += n;
	}
	return true;
}

/*
 * chunk_is_there begins the next chunk.
 */
static void
chunk_is_there(Staging *s)
{
	s->committed = s->chunk_line;
	buffer_clear(&s->chunk);
	s->sent = 0;
	s->chunk_rows = 0;
}

/*
 * finish_chunk commits the chunk; false if the connection is lost.
 */
static bool
finish_chunk(Staging *s)
{
	if (!send_rows(s))
		return false;
	if (PQputCopyEnd(s->conn, NULL) != 1)
		return end_copy(s) && false;
	if (!end_copy(s))
		return false;
	chunk_is_there(s);
	return true;
}

/*
 * staging_reconnect connects once more.
 */
void
staging_reconnect(Staging *s)
{
	const char *text;
	int			i;

	s->copying = false;
	for (i = 0; i < s->retries; i++)
	{
		warning_message("the connection was lost; connecting again (%d of %d)", i + 1, s->retries);
		pause_for(i == 0 ? 0.5 : 1 << i);
		if (reconnect(s->conn) && lock_batch(s))
			return;
	}
	s->lost = true;
	text = PQerrorMessage(s->conn);
	error_message("the connection was lost: %.*s", (int) strcspn(text, "\n"), text);
	if (s->in_doubt)
		error_hint("the server could not be asked whether the load was committed: "
				   "load the file again, which changes nothing if it was");
	else
		error_hint("nothing is loaded; the rows sent so far are kept as batch %s: "
				   "the same command with --resume goes on", s->batch_text);
	exit(EXIT_CONNECTION);
}

/*
 * recover connects once more and sees to it that the chunk is on its way again,
 * or found to be there.
 */
static void
recover(Staging *s)
{
	for (;;)
	{
		long long	there;

		staging_reconnect(s);
		if (!last_line(s, &there))
			continue;
		s->sent = 0;
		if (s->chunk_rows > 0 && there >= s->chunk_line)
			chunk_is_there(s);
		else if (there < s->committed)
		{
			/* A staging table is unlogged, so a crash empties it. */
			error_message("the server crashed and lost the rows that were sent");
			error_hint("run the command again");
			exit(EXIT_CONNECTION);
		}
		return;
	}
}

/*
 * add_text appends a value as COPY wants it.
 */
static void
add_text(Buffer *b, const char *text, size_t length)
{
	static const char letters[256] = {['\\'] = '\\', ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r'};
	const char *end = text + length;

	buffer_reserve(b, length * 2);
	while (text < end)
	{
		const char *from = text;

		while (text < end && !letters[(unsigned char) *text])
			text++;
		memcpy(b->data + b->length, from, text - from);
		b->length += text - from;
		if (text < end)
		{
			b->data[b->length++] = '\\';
			b->data[b->length++] = letters[(unsigned char) *text++];
		}
	}
	b->data[b->length] = '\0';
}

/*
 * add_number appends a number.
 */
static void
add_number(Buffer *b, long long number)
{
	char		digits[24];
	int			at = sizeof(digits);

	do
		digits[--at] = (char) ('0' + number % 10);
	while ((number /= 10) > 0);
	buffer_add(b, digits + at, sizeof(digits) - at);
}

/*
 * staging_row adds a record.
 */
void
staging_row(Staging *s, const CsvReader *record, bool may_have_bad_bytes)
{
	Buffer	   *b = &s->chunk;
	const char *fault = NULL;
	size_t		raw_length;
	const char *raw = csv_raw(record, &raw_length);
	int			i;

	s->rows++;
	if (may_have_bad_bytes && memchr(raw, BAD_MARK, raw_length))
		fault = "encoding";
	else if (csv_malformed(record) || csv_fields(record) != s->n_columns)
		fault = "wrong_width";
	if (fault)
		s->faults++;
	if (csv_line(record) <= s->skip_to)
		return;

	s->chunk_line = csv_line(record);
	s->chunk_rows++;
	add_number(b, s->chunk_line);
	if (!fault && csv_is_plain(record))
		buffer_add(b, "\t\\N", 3);
	else
	{
		buffer_char(b, '\t');
		buffer_clear(&s->raw);
		if (may_have_bad_bytes)
		{
			show_bad_bytes(&s->raw, raw, raw_length);
			raw = s->raw.data;
			raw_length = s->raw.length;
		}
		add_text(b, raw, raw_length);
	}
	buffer_char(b, '\t');
	buffer_text(b, fault ? fault : "\\N");
	for (i = 0; i < s->n_columns; i++)
	{
		size_t		length = 0;
		const char *text = fault ? NULL : csv_field(record, i, &length);

		buffer_char(b, '\t');
		if (!text || (length == 0 && !csv_is_quoted(record, i)))
			buffer_add(b, "\\N", 2);
		else
			add_text(b, text, length);
	}
	buffer_char(b, '\n');

	if (s->chunk_rows >= s->chunk_size || b->length >= CHUNK_BYTES)
	{
		while (s->chunk_rows > 0 && !finish_chunk(s))
			recover(s);
	}
	else if (b->length - s->sent >= BLOCK_BYTES && !send_rows(s))
		recover(s);
}

/*
 * staging_end sends what is left.
 */
void
staging_end(Staging *s)
{
	while (s->chunk_rows > 0 && !finish_chunk(s))
		recover(s);
}

/*
 * staging_abandon stops a running COPY.
 */
void
staging_abandon(Staging *s)
{
	PGresult   *result;

	if (PQstatus(s->conn) == CONNECTION_OK && s->copying &&
		PQputCopyEnd(s->conn, "stopped by pg_hierarchy") == 1)
		while ((result = PQgetResult(s->conn)) != NULL)
			PQclear(result);
	s->copying = false;
}

/*
 * batch_statement runs a statement about the batch.
 */
static bool
batch_statement(Staging *s, const char *sql)
{
	const char *params[1];
	PGresult   *result;
	bool		good;

	params[0] = s->batch_text;
	result = try_run(s->conn, sql, 1, params);
	good = succeeded(result);
	PQclear(result);
	return good;
}

/*
 * staging_drop removes the staging table.
 */
bool
staging_drop(Staging *s)
{
	return batch_statement(s, "SELECT @extschema@.drop_load_batch(batch_id => $1::pg_catalog.int8)");
}

/*
 * staging_discard removes everything of the batch.
 */
bool
staging_discard(Staging *s)
{
	if (batch_statement(s, "SELECT @extschema@.drop_load_batch(batch_id => $1::pg_catalog.int8, keep_rejects => false)"))
		return true;
	if (!staging_drop(s))
		return false;
	batch_statement(s, "UPDATE @extschema@.load_batch SET state = 'failed' WHERE batch_id = $1::pg_catalog.int8 AND state = 'staging'");
	return true;
}

/*
 * staging_free gives everything back, the lock included.
 */
void
staging_free(Staging *s)
{
	batch_statement(s, "SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended('hierarchy.load_batch ' || $1, 0))");
	free(s->batch_text);
	free(s->copy);
	buffer_free(&s->chunk);
	buffer_free(&s->raw);
	memset(s, 0, sizeof(*s));
}
