/*-------------------------------------------------------------------------
 *
 * tree_measure.c
 *	  Totals beside the tree: --measure [schema.]table.key.value.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "message.h"
#include "options.h"
#include "tree_measure.h"

/*
 * Names are read as in SQL: folded to lower case unless quoted. A table without a
 * schema is looked for where the user's own search_path says, which is no longer
 * that of this session. Columns are looked up here, to tell what is wrong.
 */
static const char table_sql[] =
"SELECT format('%I.%I', n.nspname, c.relname), quote_ident(k.attname), quote_ident(v.attname)\n"
"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n"
"	LEFT JOIN pg_attribute k ON k.attrelid = c.oid AND k.attname = $2 AND k.attnum > 0 AND NOT k.attisdropped\n"
"	LEFT JOIN pg_attribute v ON v.attrelid = c.oid AND v.attname = $3 AND v.attnum > 0 AND NOT v.attisdropped\n"
"WHERE c.oid = to_regclass($1)";

/*
 * use_own_search_path sets search_path to what the role has by default, until the
 * end of the transaction, or back to ours.
 */
static void
use_own_search_path(PGconn *conn, bool own)
{
	PQclear(run(conn, own ?
				"SELECT set_config('search_path', s.reset_val, true) FROM pg_settings s WHERE s.name = 'search_path'" :
				"SELECT set_config('search_path', 'pg_catalog', true)", 0, NULL));
}

/*
 * find_measure takes the text apart. A * instead of the value counts rows.
 */
void
find_measure(PGconn *conn, const char *text, Measure *measure)
{
	size_t		length = strlen(text);
	bool		count = length > 2 && strcmp(text + length - 2, ".*") == 0;
	char	   *names = x_strdup(text);
	const char *params[3] = {names};
	PGresult   *parts;
	PGresult   *result;
	int			n;

	if (count)
		names[length - 2] = '\0';
	parts = try_run(conn,
					"SELECT p.n[cardinality(p.n) - $2::int - 1], p.n[cardinality(p.n) - $2::int],"
					" (SELECT string_agg(quote_ident(u.name), '.' ORDER BY u.i)"
					"  FROM unnest(p.n) WITH ORDINALITY u (name, i) WHERE u.i < cardinality(p.n) - $2::int),"
					" p.n[cardinality(p.n)], cardinality(p.n) - $2::int"
					" FROM (SELECT parse_ident($1) AS n) p", 2,
					(const char *[]) {names, count ? "0" : "1"});
	if (!succeeded(parts))
	{
		const char *state = PQresultErrorField(parts, PG_DIAG_SQLSTATE);

		if (!state || strcmp(state, "22023") != 0)
			die_server(conn, parts);
		n = 0;
	}
	else
		n = atoi(PQgetvalue(parts, 0, 4));
	if (n < 2 || n > 3)
		usage_error("a measure is written table.key.value, schema.table.key.value, or table.key.* to count rows");

	params[0] = PQgetvalue(parts, 0, 2);
	params[1] = PQgetvalue(parts, 0, 1);
	params[2] = PQgetvalue(parts, 0, 3);
	use_own_search_path(conn, true);
	result = run(conn, table_sql, 3, params);
	use_own_search_path(conn, false);
	if (PQntuples(result) == 0)
		die(EXIT_SERVER, "table %s does not exist", params[0]);
	if (PQgetisnull(result, 0, 1) || PQgetisnull(result, 0, 2))
		die(EXIT_SERVER, "table %s has no column \"%s\"", PQgetvalue(result, 0, 0),
			params[PQgetisnull(result, 0, 1) ? 1 : 2]);

	measure->table = x_strdup(PQgetvalue(result, 0, 0));
	if (count)
		measure->rollup = x_sprintf("@extschema@.rollup($1::oid::@extschema@.hgraph, t.%s, $5::text, $3::date)",
									PQgetvalue(result, 0, 1));
	else
		measure->rollup = x_sprintf("@extschema@.rollup($1::oid::@extschema@.hgraph, t.%s, t.%s, $5::text, $3::date)",
									PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2));
	PQclear(parts);
	PQclear(result);
	free(names);
}
