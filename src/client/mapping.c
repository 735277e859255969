/*-------------------------------------------------------------------------
 *
 * mapping.c
 *	  What the columns of a file mean: --map and --set as JSON.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mapping.h"
#include "memory.h"
#include "message.h"
#include "options.h"

/*
 * add_json_string appends a string as JSON writes it.
 */
static void
add_json_string(Buffer *b, const char *text, size_t length)
{
	size_t		i;

	buffer_char(b, '"');
	for (i = 0; i < length; i++)
	{
		unsigned char c = text[i];

		if (c == '"' || c == '\\')
		{
			buffer_char(b, '\\');
			buffer_char(b, c);
		}
		else if (c < 0x20)
			buffer_printf(b, "\\u%04x", c);
		else
			buffer_char(b, c);
	}
	buffer_char(b, '"');
}

/*
 * add_object appends one JSON object.
 */
static void
add_object(Mapping *m, char *object, char *name)
{
	m->objects = x_realloc(m->objects, (m->n + 1) * sizeof(char *));
	m->names = x_realloc(m->names, (m->n + 1) * sizeof(char *));
	m->objects[m->n] = object;
	m->names[m->n] = name;
	m->n++;
}

/*
 * read_file reads a file of JSON as a whole.
 */
static char *
read_file(const char *path)
{
	FILE	   *file = fopen(path, "r");
	Buffer		b = {0};
	char		bytes[8192];
	size_t		n;

	if (!file)
		die(EXIT_FILE, "could not open mapping \"%s\": %s", path, strerror(errno));
	buffer_reserve(&b, 0);
	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0 && b.length < (size_t) 16 * 1024 * 1024)
		buffer_add(&b, bytes, n);
	if (ferror(file))
		die(EXIT_FILE, "could not read mapping \"%s\": %s", path, strerror(errno));
	fclose(file);
	if (strlen(b.data) != b.length)
		die(EXIT_USAGE, "mapping \"%s\" is no JSON", path);
	return b.data;
}

/*
 * add_columns turns Column=field[,field...] into JSON.
 */
static void
add_columns(Mapping *m, const char *argument)
{
	const char *equals = strrchr(argument, '=');
	Buffer		b = {0};
	const char *field;

	if (!equals)
	{
		error_message("mapping \"%s\" is neither a file nor Column=field nor JSON", argument);
		exit(EXIT_USAGE);
	}
	if (equals == argument || equals[1] == '\0')
		usage_error("mapping \"%s\" lacks a column or a field", argument);
	buffer_char(&b, '{');
	for (field = equals + 1; *field;)
	{
		size_t		length = strcspn(field, ",");

		if (b.length > 1)
			buffer_char(&b, ',');
		add_json_string(&b, field, length);
		buffer_char(&b, ':');
		add_json_string(&b, argument, equals - argument);
		field += length + (field[length] == ',');
	}
	buffer_char(&b, '}');
	add_object(m, b.data, NULL);
}

/*
 * mapping_add takes an argument of --map.
 */
void
mapping_add(Mapping *m, const char *argument)
{
	if (argument[strspn(argument, " \t\r\n")] == '{')
		add_object(m, x_strdup(argument), NULL);
	else if (access(argument, F_OK) == 0)
		add_object(m, read_file(argument), x_strdup(argument));
	else
		add_columns(m, argument);
}

/*
 * mapping_set takes an argument of --set.
 */
void
mapping_set(Mapping *m, const char *argument)
{
	const char *equals = strchr(argument, '=');
	Buffer		b = {0};
	size_t		length;

	if (!equals || equals == argument)
		usage_error("\"--set %s\" is not field=constant", argument);
	length = equals - argument;
	buffer_char(&b, '{');
	add_json_string(&b, argument, length);
	buffer_char(&b, ':');
	/* Some keys are settings, not fields that a value could be given to. */
	if ((length == 7 && strncmp(argument, "parents", length) == 0) ||
		(length == 10 && strncmp(argument, "duplicates", length) == 0) ||
		(length == 10 && strncmp(argument, "attributes", length) == 0))
		add_json_string(&b, equals + 1, strlen(equals + 1));
	else
	{
		buffer_text(&b, "{\"value\":");
		add_json_string(&b, equals + 1, strlen(equals + 1));
		buffer_char(&b, '}');
	}
	buffer_char(&b, '}');
	add_object(m, b.data, NULL);
}

/*
 * mapping_has_parent: does the mapping, as JSON, say who the parents are?
 */
bool
mapping_has_parent(const char *mapping, PGconn *conn)
{
	PGresult   *result = run(conn,
							 "SELECT 1 FROM pg_catalog.jsonb_each($1::pg_catalog.jsonb) f"
							 " WHERE f.key OPERATOR(pg_catalog.~~) 'parent.%'"
							 " AND f.key OPERATOR(pg_catalog.<>) ALL ('{parent.type,parent.name}')"
							 " AND f.value OPERATOR(pg_catalog.<>) 'null' LIMIT 1", 1, &mapping);
	bool		found = PQntuples(result) > 0;

	PQclear(result);
	return found;
}

/*
 * mapping_merge makes one object of all.
 */
char *
mapping_merge(const Mapping *m, PGconn *conn)
{
	char	   *merged = x_strdup("{}");
	int			i;

	for (i = 0; i < m->n; i++)
	{
		const char *params[2];
		PGresult   *result;

		params[0] = merged;
		params[1] = m->objects[i];
		result = try_run(conn,
						 "SELECT $1::pg_catalog.jsonb OPERATOR(pg_catalog.||) $2::pg_catalog.jsonb,"
						 " pg_catalog.jsonb_typeof($2::pg_catalog.jsonb)", 2, params);
		if (!succeeded(result))
		{
			const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
			const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

			if (!state || strncmp(state, "22", 2) != 0)
				die_server(conn, result);
			error_message("mapping \"%s\" is no JSON", m->names[i] ? m->names[i] : m->objects[i]);
			if (detail)
				error_detail("%s", detail);
			exit(EXIT_USAGE);
		}
		if (strcmp(PQgetvalue(result, 0, 1), "object") != 0)
			die(EXIT_USAGE, "mapping \"%s\" is no JSON object",
				m->names[i] ? m->names[i] : m->objects[i]);
		free(merged);
		merged = x_strdup(PQgetvalue(result, 0, 0));
		PQclear(result);
	}
	return merged;
}
