/*-------------------------------------------------------------------------
 *
 * check_graphs.c
 *	  pg_hierarchy check: every graph of the database.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "message.h"

/* Problems of one graph that are listed. */
#define MAX_PROBLEMS	5

/* Fewer dead entries are nothing to speak of. */
#define MANY_DEAD		1000

/*
 * may_read says whether the role may read a table of the extension.
 */
static bool
may_read(Check *k, const char *table)
{
	const char *params[2] = {table, extension_schema(k->conn)};
	PGresult   *result = run(k->conn,
							 "SELECT has_table_privilege(format('%s.%I', $2::text, $1::text), 'SELECT')", 2, params);
	bool		may = *PQgetvalue(result, 0, 0) == 't';

	PQclear(result);
	return may;
}

/*
 * failed tells that a question has no answer.
 */
static void
failed(Check *k, const char *what, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (PQstatus(k->conn) == CONNECTION_BAD || interrupted)
		die_server(k->conn, result);
	if (state && strcmp(state, "42501") == 0)
		finding(k, HIDDEN, what, NULL, "%s", text);
	else if (state && strcmp(state, "57014") == 0)
		finding(k, NOTE, what, "set statement_timeout higher for this role, or use --no-verify", "%s", text);
	else
		finding(k, PROBLEM, what, PQresultErrorField(result, PG_DIAG_MESSAGE_HINT), "%s", text ? text : "no answer");
}

/*
 * verify_graph compares a graph with its table.
 */
static void
verify_graph(Check *k, const char *what, const char *oid)
{
	const char *params[1] = {oid};
	PGresult   *result = try_run(k->conn,
								 "SELECT v.problem, v.detail, count(*) OVER ()"
								 " FROM @extschema@.verify($1::oid::@extschema@.hgraph) v LIMIT 5", 1, params);
	int			i;

	if (!succeeded(result))
		failed(k, what, result);
	else
	{
		for (i = 0; i < PQntuples(result); i++)
			finding(k, PROBLEM, what, i == 0 ? "REINDEX INDEX, or see what verify() says in doc/reference.md" : NULL,
					"%s: %s", PQgetvalue(result, i, 0), PQgetvalue(result, i, 1));
		if (PQntuples(result) > 0 && atol(PQgetvalue(result, 0, 2)) > MAX_PROBLEMS)
			finding(k, PROBLEM, what, NULL, "%s problems in all", PQgetvalue(result, 0, 2));
	}
	PQclear(result);
}

/*
 * check_rules looks for relationships that break a rule of their hierarchy.
 */
static void
check_rules(Check *k, const char *what, const char *hierarchy)
{
	const char *params[1] = {hierarchy};
	PGresult   *result = try_run(k->conn,
								 "SELECT c.message, count(*) OVER ()"
								 " FROM @extschema@.check_hierarchy($1) c LIMIT 5", 1, params);
	int			i;

	if (!succeeded(result))
		failed(k, what, result);
	else
	{
		for (i = 0; i < PQntuples(result); i++)
			finding(k, PROBLEM, what, i == 0 ? "SELECT * FROM hierarchy.check_hierarchy(...) lists all violations" : NULL,
					"%s", PQgetvalue(result, i, 0));
		if (PQntuples(result) > 0 && atol(PQgetvalue(result, 0, 1)) > MAX_PROBLEMS)
			finding(k, PROBLEM, what, NULL, "%s violations of rules in all", PQgetvalue(result, 0, 1));
	}
	PQclear(result);
}

/*
 * check_graph looks at one graph: a row of the query below.
 */
static void
check_graph(Check *k, const PGresult *graphs, int row)
{
	const char *oid = PQgetvalue(graphs, row, 0);
	const char *name = PQgetvalue(graphs, row, 1);
	const char *table = PQgetvalue(graphs, row, 2);
	const char *params[1] = {oid};
	PGresult   *result;
	int			problems = k->found[PROBLEM];
	double		edges;
	double		entries;
	double		dead;
	double		image;
	double		bytes;

	if (*PQgetvalue(graphs, row, 3) != 't')
	{
		finding(k, PROBLEM, name, x_sprintf("REINDEX INDEX %s;", name),
				"the index is invalid: CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY did not finish");
		return;
	}
	if (*PQgetvalue(graphs, row, 4) != 't')
	{
		finding(k, HIDDEN, name, NULL, "no SELECT on %s", table);
		return;
	}
	result = try_run(k->conn,
					 "SELECT s.nodes, s.edges, s.max_depth, s.entries, s.dead_entries, s.image_bytes, s.index_bytes"
					 " FROM @extschema@.graph_stats($1::oid::@extschema@.hgraph) s", 1, params);
	if (!succeeded(result))
	{
		failed(k, name, result);
		PQclear(result);
		return;
	}
	edges = atof(PQgetvalue(result, 0, 1));
	entries = atof(PQgetvalue(result, 0, 3));
	dead = atof(PQgetvalue(result, 0, 4));
	image = atof(PQgetvalue(result, 0, 5));
	bytes = atof(PQgetvalue(result, 0, 6));
	k->image_bytes += image;
	k->index_bytes += bytes;
	if (image > k->largest_image)
		k->largest_image = image;
	if (edges > k->largest_edges)
		k->largest_edges = edges;

	if (*PQgetvalue(graphs, row, 5) == 't')
		finding(k, HIDDEN, name, NULL,
				"row security applies to this role on %s: only rows that it sees are counted, nothing is compared", table);
	else if (k->verify)
	{
		verify_graph(k, name, oid);
		if (!PQgetisnull(graphs, row, 6))
			check_rules(k, name, PQgetvalue(graphs, row, 6));
	}
	if (k->found[PROBLEM] == problems)
		finding(k, FINE, name, NULL, "%s nodes, %s edges, depth %s; image %s, index %s%s",
				PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1),
				PQgetisnull(result, 0, 2) ? "unlimited (cycles)" : PQgetvalue(result, 0, 2),
				size_text(image), size_text(bytes),
				k->verify && *PQgetvalue(graphs, row, 5) != 't' ? "; agrees with its table" : "");
	if (dead >= MANY_DEAD && dead > entries / 5)
		finding(k, NOTE, name, x_sprintf("VACUUM %s; if it does not help, an old transaction is in the way", table),
				"%.0f of %.0f entries are dead", dead, entries);
	PQclear(result);
}

/*
 * check_graphs looks at all of them.
 */
void
check_graphs(Check *k)
{
	bool		directory = may_read(k, "hierarchy");
	PGresult   *graphs;
	char	   *sql;
	int			i;

	heading(k, "Graphs");
	if (!directory)
		finding(k, HIDDEN, "hierarchies", NULL, "no SELECT on %s.hierarchy", extension_schema(k->conn));
	sql = x_sprintf("SELECT c.oid, format('%%I.%%I', n.nspname, c.relname), format('%%I.%%I', m.nspname, t.relname),"
					" i.indisvalid, has_column_privilege(t.oid, i.indkey[0], 'SELECT')"
					" AND has_column_privilege(t.oid, i.indkey[1], 'SELECT'), row_security_active(t.oid), %s"
					" FROM pg_class c JOIN pg_am a ON a.oid = c.relam AND a.amname = 'hgraph'"
					" JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid"
					" JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace m ON m.oid = t.relnamespace"
					" WHERE c.relkind = 'i' AND NOT pg_is_other_temp_schema(n.oid)"
					" ORDER BY n.nspname, c.relname",
					directory ? "(SELECT h.name FROM @extschema@.hierarchy h WHERE h.graph::oid = c.oid)" : "NULL");
	graphs = run(k->conn, sql, 0, NULL);
	free(sql);
	for (i = 0; i < PQntuples(graphs); i++)
		check_graph(k, graphs, i);
	if (PQntuples(graphs) == 0)
		finding(k, FINE, "graphs", NULL, "none yet");
	PQclear(graphs);

	if (directory)
	{
		PGresult   *lost = run(k->conn,
							   "SELECT h.name FROM @extschema@.hierarchy h"
							   " WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = h.graph::oid)", 0, NULL);

		for (i = 0; i < PQntuples(lost); i++)
			finding(k, PROBLEM, PQgetvalue(lost, i, 0), "CREATE INDEX ... USING hgraph on its partition, as the others have",
					"the hierarchy has no graph");
		PQclear(lost);
	}
}
