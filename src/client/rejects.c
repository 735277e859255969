/*-------------------------------------------------------------------------
 *
 * rejects.c
 *	  The file of rejected rows.
 *
 * It is written before the load is committed, so that a full disk does not leave
 * a load whose rejected rows nobody has seen.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"
#include "options.h"
#include "rejects.h"

/*
 * fail ends the program since the file cannot be written.
 */
static void __attribute__((noreturn))
fail(Rejects *r)
{
	int			error = errno;

	rejects_undo(r);
	die(EXIT_FILE, "could not write rejected rows to \"%s\": %s", r->path, strerror(error));
}

/*
 * rejects_to_stdout: does this name stand for stdout?
 */
bool
rejects_to_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

/*
 * rejects_open creates the file.
 */
void
rejects_open(Rejects *r, const char *path, char **lists, int n_lists)
{
	struct stat st;
	struct stat list;
	int			i;

	memset(r, 0, sizeof(*r));
	r->path = path;
	r->with_names = n_lists > 1;
	if (!path)
		return;
	if (rejects_to_stdout(path))
		r->file = stdout;
	else if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		for (i = 0; i < n_lists; i++)
			if (stat(lists[i], &list) == 0 && list.st_dev == st.st_dev && list.st_ino == st.st_ino)
				usage_error("rejected rows would overwrite the list \"%s\"", lists[i]);
	if (!r->file)
	{
		r->file = fopen(path, "w");
		if (!r->file || fstat(fileno(r->file), &st) != 0)
			die(EXIT_FILE, "could not create \"%s\": %s", path, strerror(errno));
		r->is_regular = S_ISREG(st.st_mode);
	}
	if (fprintf(r->file, "%sline,reasons,messages,raw\n", r->with_names ? "file," : "") < 0 ||
		fflush(r->file) != 0)
		fail(r);
	rejects_keep(r);
}

/*
 * put_value writes one value of CSV.
 */
static void
put_value(FILE *file, const char *text, char before)
{
	size_t		length = strlen(text);

	if (before)
		putc(before, file);
	if (strpbrk(text, "\",\r\n") == NULL &&
		(length == 0 || (text[0] != ' ' && text[length - 1] != ' ')))
	{
		fputs(text, file);
		return;
	}
	putc('"', file);
	for (; *text; text++)
	{
		if (*text == '"')
			putc('"', file);
		putc(*text, file);
	}
	putc('"', file);
}

/*
 * rejects_write writes the rejected rows of a batch.
 */
bool
rejects_write(Rejects *r, PGconn *conn, const char *batch, const char *name, PGresult **error)
{
	const char *params[1];
	PGresult   *result;
	int			n;
	int			i;

	*error = NULL;
	if (!r->file)
		return true;
	params[0] = batch;
	result = try_run(conn,
					 "DECLARE rejected CURSOR FOR"
					 " SELECT line, pg_catalog.array_to_string(reasons, ';'), pg_catalog.array_to_string(messages, '; '), raw"
					 " FROM @extschema@.load_reject WHERE batch_id = $1::pg_catalog.int8 ORDER BY line", 1, params);
	while (succeeded(result))
	{
		PQclear(result);
		result = try_run(conn, "FETCH 5000 FROM rejected", 0, NULL);
		n = succeeded(result) ? PQntuples(result) : 0;
		for (i = 0; i < n; i++)
		{
			if (r->with_names)
				put_value(r->file, name, '\0');
			put_value(r->file, PQgetvalue(result, i, 0), r->with_names ? ',' : '\0');
			put_value(r->file, PQgetvalue(result, i, 1), ',');
			put_value(r->file, PQgetvalue(result, i, 2), ',');
			put_value(r->file, PQgetvalue(result, i, 3), ',');
			putc('\n', r->file);
			if (ferror(r->file))
				fail(r);
		}
		if (n == 0)
			break;
	}
	if (!succeeded(result))
	{
		*error = result;
		return false;
	}
	PQclear(result);
	PQclear(try_run(conn, "CLOSE rejected", 0, NULL));
	if (fflush(r->file) != 0 || (r->is_regular && fsync(fileno(r->file)) != 0))
		fail(r);
	return true;
}

/*
 * rejects_keep says that what was written so far is right.
 */
void
rejects_keep(Rejects *r)
{
	if (r->file && r->is_regular)
		r->good = ftello(r->file);
}

/*
 * rejects_undo takes back what was written since.
 */
void
rejects_undo(Rejects *r)
{
	if (!r->file || !r->is_regular)
		return;
	fflush(r->file);
	clearerr(r->file);
	if (ftruncate(fileno(r->file), r->good) == 0)
		fseeko(r->file, r->good, SEEK_SET);
}

/*
 * rejects_close closes the file.
 */
void
rejects_close(Rejects *r)
{
	if (r->file && (r->file == stdout ? fflush(r->file) : fclose(r->file)) != 0)
	{
		r->file = NULL;
		die(EXIT_FILE, "could not write rejected rows to \"%s\": %s", r->path, strerror(errno));
	}
	r->file = NULL;
}
