/*-------------------------------------------------------------------------
 *
 * check_settings.c
 *	  pg_hierarchy check: the log of changes, triggers, settings of the server.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define MEGABYTE		(1024.0 * 1024.0)

/* From so many edges on, a graph is large. */
#define LARGE_GRAPH		100000

/* A transaction this old (seconds) holds the feed and VACUUM back. */
#define OLD_TRANSACTION	"3600"

/*
 * check_log looks at the partitions of change_log, and at what holds the feed
 * back.
 */
void
check_log(Check *k)
{
	PGresult   *result;
	int			months;

	heading(k, "Log of changes");
	result = run(k->conn,
				 "SELECT count(*) FILTER (WHERE c.relname > m.now), bool_or(c.relname = m.now), min(c.relname), count(*),"
				 " coalesce(sum(pg_total_relation_size(c.oid)), 0)"
				 " FROM (SELECT 'change_log_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') AS now) m,"
				 " pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
				 " WHERE i.inhparent = '@extschema@.change_log'::regclass", 0, NULL);
	months = atoi(PQgetvalue(result, 0, 0));
	if (*PQgetvalue(result, 0, 1) != 't')
		finding(k, NOTE, "partitions", "SELECT hierarchy.prepare_change_log();",
				"that of this month will be made by the first change");
	else if (months == 0)
		finding(k, NOTE, "partitions", "SELECT hierarchy.prepare_change_log(); once a month",
				"none ahead: the first change of the next month will make it");
	else
		finding(k, FINE, "partitions", NULL, "%d %s ahead", months, months == 1 ? "month" : "months");
	finding(k, FINE, "size", NULL, "%s in %s partitions%s%s", size_text(atof(PQgetvalue(result, 0, 4))),
			PQgetvalue(result, 0, 3), PQgetisnull(result, 0, 2) ? "" : ", the oldest is ", PQgetvalue(result, 0, 2));
	PQclear(result);

	result = run(k->conn,
				 "SELECT (SELECT count(*) FROM pg_prepared_xacts p WHERE p.database = current_database()"
				 "  AND p.prepared < now() - interval '" OLD_TRANSACTION " s'),"
				 " (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = current_database()"
				 "  AND a.backend_xid IS NOT NULL AND a.xact_start < now() - interval '" OLD_TRANSACTION " s')", 0, NULL);
	if (strcmp(PQgetvalue(result, 0, 0), "0") != 0)
		finding(k, NOTE, "prepared transactions", "COMMIT PREPARED or ROLLBACK PREPARED: see pg_prepared_xacts",
				"%s older than an hour: the feed of changes waits for them", PQgetvalue(result, 0, 0));
	if (strcmp(PQgetvalue(result, 0, 1), "0") != 0)
		finding(k, NOTE, "old transactions", "see pg_stat_activity",
				"%s that write are older than an hour: the feed of changes waits for them", PQgetvalue(result, 0, 1));
	PQclear(result);
}

/*
 * check_triggers looks for what was switched off, wholly or for replication:
 * triggers; and for indexes that are not valid.
 */
void
check_triggers(Check *k)
{
	PGresult   *result;
	int			problems = k->found[PROBLEM];
	int			i;

	heading(k, "Rules and audit");
	result = run(k->conn,
				 "SELECT format('%I.%I', n.nspname, c.relname), t.tgname"
				 " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
				 " JOIN pg_proc p ON p.oid = t.tgfoid"
				 " WHERE t.tgenabled = 'D' AND (quote_ident(n.nspname) = '@extschema@'"
				 "  OR p.pronamespace = '@extschema@'::regnamespace)"
				 " UNION ALL SELECT 'event trigger', e.evtname FROM pg_event_trigger e"
				 " WHERE e.evtenabled = 'D' AND e.evtname = 'hierarchy_graphs' ORDER BY 1, 2", 0, NULL);
	for (i = 0; i < PQntuples(result) && i < 10; i++)
		finding(k, PROBLEM, PQgetvalue(result, i, 0),
				i == 0 ? "ALTER TABLE ... ENABLE ALWAYS TRIGGER ...; then check_hierarchy() and verify()" : NULL,
				"trigger \"%s\" is disabled", PQgetvalue(result, i, 1));
	if (PQntuples(result) > 10)
		finding(k, PROBLEM, "triggers", NULL, "%d are disabled in all", PQntuples(result));
	PQclear(result);

	/* ALTER TABLE ... ENABLE TRIGGER ALL, which pg_restore --disable-triggers runs, takes ALWAYS away. */
	result = run(k->conn,
				 "SELECT count(*), min(format('%I.%I', n.nspname, c.relname))"
				 " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
				 " JOIN pg_proc p ON p.oid = t.tgfoid"
				 " WHERE t.tgenabled NOT IN ('A', 'D') AND NOT t.tgisinternal AND p.pronamespace = '@extschema@'::regnamespace", 0, NULL);
	if (strcmp(PQgetvalue(result, 0, 0), "0") != 0)
		finding(k, PROBLEM, "triggers", "ALTER TABLE ... ENABLE ALWAYS TRIGGER ...; for each",
				"%s do not fire for rows that replication applies, as on %s", PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
	PQclear(result);

	result = run(k->conn,
				 "SELECT format('%I.%I', n.nspname, c.relname)"
				 " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
				 " JOIN pg_am a ON a.oid = c.relam"
				 " WHERE NOT i.indisvalid AND a.amname <> 'hgraph' AND quote_ident(n.nspname) = '@extschema@'"
				 " ORDER BY 1", 0, NULL);
	for (i = 0; i < PQntuples(result); i++)
		finding(k, PROBLEM, PQgetvalue(result, i, 0), x_sprintf("REINDEX INDEX %s;", PQgetvalue(result, i, 0)),
				"the index is invalid");
	PQclear(result);
	if (k->found[PROBLEM] == problems)
		finding(k, FINE, "triggers", NULL, "all enabled");
}

/*
 * setting is the value of one, for people; NULL: there is none of that name. In
 * bytes: as a number, if it is a memory size.
 */
static char *
setting(Check *k, const char *name, double *bytes)
{
	const char *params[1] = {name};
	PGresult   *result = run(k->conn,
							 "SELECT current_setting($1), CASE WHEN s.unit ~ 'B$'"
							 " THEN s.setting::numeric * pg_size_bytes(CASE s.unit WHEN 'B' THEN '1' ELSE regexp_replace(s.unit, '^([^0-9])', '1\\1') END) END"
							 " FROM pg_settings s WHERE s.name = $1", 1, params);
	char	   *value = NULL;

	if (bytes)
		*bytes = 0;
	if (PQntuples(result) > 0)
	{
		value = x_strdup(PQgetvalue(result, 0, 0));
		if (bytes)
			*bytes = atof(PQgetvalue(result, 0, 1));
	}
	PQclear(result);
	return value;
}

/*
 * check_switch looks at a setting that is on or off.
 */
static void
check_switch(Check *k, const char *name, Level when_off, const char *why, const char *advice)
{
	char	   *value = setting(k, name, NULL);

	if (!value)
		return;
	if (strcmp(value, "off") == 0)
		finding(k, when_off, name, advice, "off: %s", why);
	else
		finding(k, FINE, name, NULL, "%s", value);
	free(value);
}

/*
 * check_memory looks at settings of memory.
 */
static void
check_memory(Check *k)
{
	double		bytes;
	char	   *value;
	PGresult   *result;

	value = setting(k, "hierarchy.image_memory", &bytes);
	if (value && k->largest_image > bytes)
		finding(k, NOTE, "hierarchy.image_memory", "ALTER DATABASE ... SET hierarchy.image_memory to more than the largest",
				"%s, but the largest image takes %s", value, size_text(k->largest_image));
	else if (value && k->image_bytes > bytes)
		finding(k, NOTE, "hierarchy.image_memory",
				"ALTER DATABASE ... SET hierarchy.image_memory, unless no session uses all graphs",
				"%s, but the images of all graphs take %s: those used longest ago are read again", value,
				size_text(k->image_bytes));
	else if (value)
		finding(k, FINE, "hierarchy.image_memory", NULL, "%s; images of all graphs: %s a session that uses them all",
				value, size_text(k->image_bytes));

	value = setting(k, "work_mem", &bytes);
	if (bytes < 16 * MEGABYTE && k->largest_edges > LARGE_GRAPH)
		finding(k, NOTE, "work_mem", "16MB or more, for roles that roll up or load",
				"%s: joins and sorts over %.0f relationships go to disk", value, k->largest_edges);
	else
		finding(k, FINE, "work_mem", NULL, "%s", value);
	value = setting(k, "maintenance_work_mem", &bytes);
	if (bytes < 64 * MEGABYTE)
		finding(k, NOTE, "maintenance_work_mem", "64MB or more", "%s: building indexes and VACUUM take longer", value);
	else
		finding(k, FINE, "maintenance_work_mem", NULL, "%s", value);

	value = setting(k, "shared_buffers", &bytes);
	result = run(k->conn,
				 "SELECT coalesce(sum(pg_table_size(t.oid) + pg_indexes_size(t.oid)), 0)"
				 " FROM pg_class t WHERE t.relkind = 'r' AND NOT pg_is_other_temp_schema(t.relnamespace)"
				 " AND (t.relnamespace = '@extschema@'::regnamespace AND t.relname !~ '^change_log'"
				 "  OR EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
				 "   WHERE i.indrelid = t.oid AND a.amname = 'hgraph'))", 0, NULL);
	if (bytes < atof(PQgetvalue(result, 0, 0)) / 2)
		finding(k, NOTE, "shared_buffers", "about a quarter of the machine's memory",
				"%s; tables with graphs and the directory take %s", value, size_text(atof(PQgetvalue(result, 0, 0))));
	else
		finding(k, FINE, "shared_buffers", NULL, "%s; tables with graphs and the directory take %s", value,
				size_text(atof(PQgetvalue(result, 0, 0))));
	PQclear(result);
}

/*
 * check_settings looks at settings that matter here.
 */
void
check_settings(Check *k)
{
	heading(k, "Settings");
	check_memory(k);
	check_switch(k, "autovacuum", NOTE,
				 "dead rows stay, and no page becomes all-visible, so that graphs look every row up in its table",
				 "autovacuum = on");
	check_switch(k, "track_counts", NOTE, "autovacuum does not know what to do", "track_counts = on");
	check_switch(k, "fsync", PROBLEM, "a crash of the machine can destroy the database", "fsync = on");
	check_switch(k, "full_page_writes", PROBLEM, "a crash of the machine can destroy pages",
				 "full_page_writes = on");
	if (k->standby)
		check_switch(k, "hot_standby_feedback", NOTE,
					 "long traversals and rollups here can be cancelled when the primary vacuums",
					 "hot_standby_feedback = on");
}
