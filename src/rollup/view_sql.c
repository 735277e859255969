/*-------------------------------------------------------------------------
 *
 * view_sql.c
 *	  The query of a rollup view, and what its columns are called.
 *
 * The query has three parts:
 *
 *	f	the source, grouped by the dimensions, with an array of rollups for each
 *		group: for every measure one of all facts and, if there is a date, one
 *		for each period;
 *	e	the rollups of a group side by side, a row for every node;
 *	p	where a node stands when the hierarchy is printed: parent, level, path.
 *
 * A condition on a dimension is one on a grouping column of f, so the planner
 * moves it into the scan of the source.  What is the same for all rows - the
 * graph, the bounds of periods - stands in uncorrelated sub-selects, which are
 * evaluated once.  The graph is there by name, and as text, so that the view
 * can be restored from a dump before the graph's index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "rollup/view.h"
#include "utils/builtins.h"

/* Ends of periods, as days. */
typedef enum Bound
{
	QUARTER,					/* first day of the quarter */
	YEAR,						/* first day of the year */
	YEAR_AGO,					/* first of the last 12 months */
	TOMORROW,					/* first day after today */
	LAST_QUARTER,				/* the same a year before */
	LAST_YEAR,
	TWO_YEARS_AGO
} Bound;

typedef struct Period
{
	const char *suffix;
	Bound		from;			/* first day */
	Bound		to;				/* first day no longer */
	const char *comment;
} Period;

static const Period period[] = {
	{"qtd", QUARTER, TOMORROW, "quarter to date"},
	{"ytd", YEAR, TOMORROW, "year to date"},
	{"mat", YEAR_AGO, TOMORROW, "the last 12 months"},
	{"qtd_prior", LAST_QUARTER, YEAR_AGO, "quarter to date, a year before"},
	{"ytd_prior", LAST_YEAR, YEAR_AGO, "year to date, a year before"},
	{"mat_prior", TWO_YEARS_AGO, YEAR_AGO, "the 12 months before the last 12"},
};

/* What a mode makes of a node's total. */
static const char *const total_of[] = {
	[HG_DISTINCT] = "each fact at or below the node once",
	[HG_WEIGHTED] = "facts at or below the node by their shares",
	[HG_PRIMARY] = "facts at or below the node by primary relationships",
	[HG_PATHS] = "facts at or below the node, once for each path",
};

/*
 * add_column adds a column to a list.
 */
static List *
add_column(List *columns, char *name, char *comment)
{
	HgViewColumn *column = palloc(sizeof(HgViewColumn));

	column->name = name;
	column->comment = comment;
	return lappend(columns, column);
}

/*
 * hg_rollup_view_columns lists the columns of the view.
 */
List *
hg_rollup_view_columns(const HgRollupViewSpec *spec)
{
	const char *total = total_of[spec->mode];
	List	   *columns = NIL;
	ListCell   *lc;

	columns = add_column(columns, "node",
						 psprintf("node of graph %s", spec->graph_name));
	columns = add_column(columns, "parent",
						 "the parent under which the node is listed first; NULL at the top");
	columns = add_column(columns, "level",
						 "how deep the node is listed; 0 at the top");
	columns = add_column(columns, "path",
						 "the nodes from the top down to this one");
	foreach(lc, spec->dimensions)
		columns = add_column(columns, lfirst(lc),
							 psprintf("%s of the facts", (char *) lfirst(lc)));
	foreach(lc, spec->measures)
	{
		const char *m = lfirst(lc);

		columns = add_column(columns, psprintf("%s_own", m),
							 psprintf("%s of the node itself", m));
		columns = add_column(columns, psprintf("%s_total", m),
							 psprintf("%s: %s", m, total));
		columns = add_column(columns, psprintf("%s_count", m),
							 psprintf("number of facts in %s_total", m));
		for (int i = 0; spec->date_column && i < (int) lengthof(period); i++)
			columns = add_column(columns, psprintf("%s_%s", m, period[i].suffix),
								 psprintf("%s, %s: %s", m, period[i].comment, total));
	}
	return columns;
}

/*
 * add_bound writes one end of a period.
 */
static void
add_bound(StringInfo sql, const char *day, Bound bound)
{
	const char *unit = bound == QUARTER || bound == LAST_QUARTER ? "quarter" : "year";

	switch (bound)
	{
		case TOMORROW:
			appendStringInfo(sql, "(SELECT %s OPERATOR(pg_catalog.+) 1)", day);
			break;
		case YEAR_AGO:
		case TWO_YEARS_AGO:
			appendStringInfo(sql, "(SELECT (%s OPERATOR(pg_catalog.-) '%s'::pg_catalog.interval)"
							 "::pg_catalog.date OPERATOR(pg_catalog.+) 1)",
							 day, bound == YEAR_AGO ? "1 year" : "2 years");
			break;
		case QUARTER:
		case YEAR:
			appendStringInfo(sql, "(SELECT pg_catalog.date_trunc('%s', %s::pg_catalog.timestamp)"
							 "::pg_catalog.date)", unit, day);
			break;
		case LAST_QUARTER:
		case LAST_YEAR:
			appendStringInfo(sql, "(SELECT (pg_catalog.date_trunc('%s', %s::pg_catalog.timestamp)"
							 " OPERATOR(pg_catalog.-) '1 year'::pg_catalog.interval)"
							 "::pg_catalog.date)", unit, day);
			break;
	}
}

/*
 * add_graph writes the graph.
 */
static void
add_graph(StringInfo sql, const HgRollupViewSpec *spec)
{
	appendStringInfo(sql, "(SELECT %s::pg_catalog.text::%s.hgraph)",
					 spec->graph, spec->facts.schema);
}

/*
 * add_day writes the day whose edges count; the graph's default is today.
 */
static void
add_day(StringInfo sql, const HgRollupViewSpec *spec)
{
	if (spec->by_day)
		appendStringInfoString(sql, spec->day);
	else
		appendStringInfoString(sql, "NULL::pg_catalog.date");
}

/*
 * add_rollup writes the rollup of a measure, over a period or (NULL) all.
 */
static void
add_rollup(StringInfo sql, const HgRollupViewSpec *spec, const char *measure,
		   const Period *p)
{
	appendStringInfo(sql, "\n    %s.rollup(", spec->facts.schema);
	add_graph(sql, spec);
	appendStringInfo(sql, ", %s, %s, '%s'::pg_catalog.text, ",
					 spec->facts.key, quote_identifier(measure),
					 hg_mode_name(spec->mode));
	add_day(sql, spec);
	appendStringInfoChar(sql, ')');
	if (p == NULL)
		return;

	appendStringInfo(sql, " FILTER (WHERE %s OPERATOR(pg_catalog.>=) ",
					 quote_identifier(spec->date_column));
	add_bound(sql, spec->day, p->from);
	appendStringInfo(sql, " AND %s OPERATOR(pg_catalog.<) ",
					 quote_identifier(spec->date_column));
	add_bound(sql, spec->day, p->to);
	appendStringInfoChar(sql, ')');
}

/*
 * add_facts writes part f.
 */
static void
add_facts(StringInfo sql, const HgRollupViewSpec *spec)
{
	const char *comma = "";
	ListCell   *lc;
	int			n = 0;

	appendStringInfoString(sql, "(SELECT ");
	foreach(lc, spec->dimensions)
		appendStringInfo(sql, "%s AS d%d, ", quote_identifier(lfirst(lc)), ++n);
	appendStringInfoString(sql, "ARRAY[");
	foreach(lc, spec->measures)
	{
		appendStringInfoString(sql, comma);
		comma = ",";
		add_rollup(sql, spec, lfirst(lc), NULL);
		for (int i = 0; spec->date_column && i < (int) lengthof(period); i++)
		{
			appendStringInfoString(sql, comma);
			add_rollup(sql, spec, lfirst(lc), &period[i]);
		}
	}
	appendStringInfo(sql, "] AS rollups\n FROM %s", spec->facts.relation);
	if (spec->facts.filter != NULL)
		appendStringInfo(sql, "\n WHERE (%s\n)", spec->facts.filter);
	foreach(lc, spec->dimensions)
		appendStringInfo(sql, "%s%s", lc == list_head(spec->dimensions) ? "\n GROUP BY " : ", ",
						 quote_identifier(lfirst(lc)));
	appendStringInfoString(sql, ") AS f");
}

/*
 * add_outputs writes the select list, in the order of the view's columns.
 */
static void
add_outputs(StringInfo sql, const HgRollupViewSpec *spec)
{
	int			n = 0;

	appendStringInfoString(sql,
						   "SELECT e.node, p.parent, COALESCE(p.depth, e.depth),"
						   " COALESCE(pg_catalog.array_to_string(p.path, ' / '), e.node::pg_catalog.text)");
	for (int i = 1; i <= list_length(spec->dimensions); i++)
		appendStringInfo(sql, ", f.d%d", i);
	for (int m = 0; m < list_length(spec->measures); m++)
	{
		n++;
		appendStringInfo(sql, ",\n COALESCE(e.own[%d], 0), COALESCE(e.total[%d], 0),"
						 " COALESCE(e.total_count[%d], 0)", n, n, n);
		for (int i = 0; spec->date_column && i < (int) lengthof(period); i++)
			appendStringInfo(sql, ", COALESCE(e.total[%d], 0)", ++n);
	}
}

/*
 * hg_rollup_view_query writes the view's query.
 */
char *
hg_rollup_view_query(const HgRollupViewSpec *spec)
{
	StringInfoData sql;

	initStringInfo(&sql);
	add_outputs(&sql, spec);
	appendStringInfoString(&sql, "\nFROM ");
	add_facts(&sql, spec);
	appendStringInfo(&sql, "\nCROSS JOIN LATERAL %s.each_of(f.rollups, NULL::%s) AS e",
					 spec->facts.schema, spec->node_type);
	appendStringInfo(&sql, "\nLEFT JOIN %s.preorder(", spec->facts.schema);
	add_graph(&sql, spec);
	appendStringInfo(&sql, ", NULL::%s, as_of => ", spec->node_type);
	add_day(&sql, spec);
	if (spec->mode == HG_PRIMARY)
		appendStringInfoString(&sql, ", primary_only => true");
	appendStringInfoString(&sql, ") AS p\n"
						   " ON p.node OPERATOR(pg_catalog.=) e.node AND NOT p.is_repeat");
	return sql.data;
}
