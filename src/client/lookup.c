/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  What the user names: hierarchies, entities, days.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "memory.h"
#include "message.h"
#include "options.h"
#include "term.h"

/* Spellings listed of an entity that is not clear. */
#define MAX_LISTED	10

/*
 * clean is a text that can be part of a message.
 */
static const char *
clean(const char *text)
{
	Buffer		b = {0};

	buffer_reserve(&b, 0);
	add_clean(&b, text);
	return b.data;
}

/*
 * find_hierarchy looks up a hierarchy by its name.
 */
void
find_hierarchy(PGconn *conn, const char *name, Hierarchy *hierarchy)
{
	const char *params[1] = {name};
	PGresult   *result;

	result = run(conn,
				 "SELECT h.hierarchy_id, h.name, h.graph::oid, format('%I.%I', n.nspname, c.relname)"
				 " FROM @extschema@.hierarchy h"
				 " LEFT JOIN pg_index i ON i.indexrelid = h.graph::oid"
				 " LEFT JOIN pg_class c ON c.oid = i.indrelid"
				 " LEFT JOIN pg_namespace n ON n.oid = c.relnamespace"
				 " WHERE h.name = $1", 1, params);
	if (PQntuples(result) == 0)
	{
		PGresult   *names = run(conn,
								"SELECT string_agg(format('\"%s\"', n.name), ', ' ORDER BY n.name)"
								" FROM (SELECT h.name FROM @extschema@.hierarchy h ORDER BY h.name LIMIT 10) n",
								0, NULL);

		error_message("hierarchy \"%s\" does not exist", clean(name));
		if (PQgetisnull(names, 0, 0))
			error_hint("there is none yet: make one with create_hierarchy()");
		else
			error_hint("hierarchies: %s", clean(PQgetvalue(names, 0, 0)));
		exit(EXIT_SERVER);
	}
	if (PQgetisnull(result, 0, 2) || PQgetisnull(result, 0, 3))
		die(EXIT_SERVER, "hierarchy \"%s\" has no graph", clean(name));
	hierarchy->id = x_strdup(PQgetvalue(result, 0, 0));
	hierarchy->name = x_strdup(PQgetvalue(result, 0, 1));
	hierarchy->graph = x_strdup(PQgetvalue(result, 0, 2));
	hierarchy->table = x_strdup(PQgetvalue(result, 0, 3));
	PQclear(result);
}

/*
 * What NODE may mean: each row is a type or scheme (NULL: a number), a value, and
 * the entity. Codes and identifiers are looked up in each type and scheme, which
 * their indexes begin with; schemes are found by skipping through the index. A
 * text with colons is divided at each of them.
 */
static const char candidates_sql[] =
"WITH RECURSIVE scheme AS (\n"
"	(SELECT i.scheme FROM @extschema@.identifier i ORDER BY i.scheme LIMIT 1)\n"
"	UNION ALL\n"
"	SELECT (SELECT i.scheme FROM @extschema@.identifier i WHERE i.scheme > s.scheme ORDER BY i.scheme LIMIT 1)\n"
"	FROM scheme s WHERE s.scheme IS NOT NULL),\n"
"split AS (\n"
"	SELECT left($1, g.n - 1) AS kind, substr($1, g.n + 1) AS value\n"
"	FROM generate_series(2, length($1) - 1) g (n) WHERE substr($1, g.n, 1) = ':'),\n"
"found AS (\n"
"	SELECT NULL AS kind, e.entity_id::text AS value, e.entity_id\n"
"	FROM @extschema@.entity e\n"
"	WHERE e.entity_id = CASE WHEN $1 ~ '^(id:)?[1-9][0-9]{0,17}$' THEN ltrim($1, 'id:')::bigint END\n"
"	UNION ALL\n"
"	SELECT e.entity_type, e.code, e.entity_id\n"
"	FROM @extschema@.entity_type t JOIN @extschema@.entity e ON e.entity_type = t.entity_type AND e.code = $1\n"
"	UNION ALL\n"
"	SELECT i.scheme, i.value, i.entity_id\n"
"	FROM scheme s JOIN @extschema@.identifier i ON i.scheme = s.scheme AND i.value = $1\n"
"	UNION ALL\n"
"	SELECT e.entity_type, e.code, e.entity_id\n"
"	FROM split s JOIN @extschema@.entity e ON e.entity_type = s.kind AND e.code = s.value\n"
"	UNION ALL\n"
"	SELECT i.scheme, i.value, i.entity_id\n"
"	FROM split s JOIN @extschema@.identifier i ON i.scheme = s.kind AND i.value = s.value)\n"
"SELECT f.kind, f.value,\n"
"	CASE WHEN e.status <> 'merged' THEN f.entity_id\n"
"		WHEN f.kind IS NOT NULL THEN @extschema@.entity_id(f.kind, f.value)\n"
"		ELSE @extschema@.entity_id(e.entity_type, e.code) END\n"
"FROM found f LEFT JOIN @extschema@.entity e ON e.entity_id = f.entity_id\n"
"ORDER BY f.kind NULLS FIRST, f.value\n"
"LIMIT 1000";

/*
 * unclear_node ends the program: the node may be several entities.
 */
static void __attribute__((noreturn))
unclear_node(const char *node, const PGresult *result)
{
	int			i;

	error_message("\"%s\" may be several entities", clean(node));
	for (i = 0; i < PQntuples(result) && i < MAX_LISTED; i++)
		error_hint("--type '%s' '%s' is entity %s", clean(PQgetvalue(result, i, 0)),
				   clean(PQgetvalue(result, i, 1)), PQgetvalue(result, i, 2));
	exit(EXIT_SERVER);
}

/*
 * find_node finds the number of an entity.
 */
char *
find_node(PGconn *conn, const char *node, const char *type)
{
	const char *params[2] = {type, node};
	PGresult   *result;
	char	   *id;
	int			i;

	if (type)
		result = run(conn, "SELECT NULL, NULL, @extschema@.entity_id($1, $2)", 2, params);
	else
		result = run(conn, candidates_sql, 1, params + 1);
	if (PQntuples(result) == 0)
	{
		error_message("there is no entity \"%s\"", clean(node));
		error_hint("an entity is written as its number, its code, an identifier, TYPE:CODE or SCHEME:IDENTIFIER");
		exit(EXIT_SERVER);
	}
	for (i = 1; i < PQntuples(result); i++)
		if (strcmp(PQgetvalue(result, i, 2), PQgetvalue(result, 0, 2)) != 0)
		{
			if (!PQgetisnull(result, 0, 0))
				unclear_node(node, result);
			/* A number is what scripts write: it must not cease to work. */
			note_message("%s is the number of an entity, and a code or identifier of another: with --type '%s' it is entity %s",
						 clean(node), clean(PQgetvalue(result, i, 0)), PQgetvalue(result, i, 2));
			break;
		}
	id = x_strdup(PQgetvalue(result, 0, 2));
	PQclear(result);
	return id;
}

/*
 * find_day has the server read a day.
 */
char *
find_day(PGconn *conn, const char *day)
{
	const char *params[1] = {day};
	PGresult   *result = try_run(conn, "SELECT coalesce($1::date, current_date)", 1, params);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	char	   *found;

	if (!succeeded(result))
	{
		if (state && strncmp(state, "22", 2) == 0)
			usage_error("\"%s\" is not a day", clean(day));
		die_server(conn, result);
	}
	found = x_strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return found;
}
