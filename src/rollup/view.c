/*-------------------------------------------------------------------------
 *
 * view.c
 *	  create_rollup_view and drop_rollup_view: totals at every level as an
 *	  ordinary view, for tools that know tables and columns only.
 *
 * What is asked for is checked as far as the graph and the source can tell, so
 * that a view that exists also works; CREATE VIEW itself checks the rest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "compat.h"
#include "executor/spi.h"
#include "functions/keys.h"
#include "lib/stringinfo.h"
#include "library.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "rollup/view.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/varlena.h"

/* Positions of the arguments of create_rollup_view. */
enum
{
	ARG_NAME, ARG_GRAPH, ARG_SOURCE, ARG_KEY, ARG_MEASURES, ARG_DIMENSIONS,
	ARG_DATE, ARG_MODE, ARG_FILTER, ARG_AS_OF, ARG_COMMENT
};

HG_FUNCTION_INFO_V1(hgraph_create_rollup_view);
HG_FUNCTION_INFO_V1(hgraph_drop_rollup_view);

/*
 * names_arg is an argument of type text[] as a list of different column names
 * of the source; what tells what they are.
 */
static List *
names_arg(FunctionCallInfo fcinfo, int i, const HgFacts *f, const char *what)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	List	   *names = NIL;

	if (PG_ARGISNULL(i))
		return NIL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(i), TEXTOID, -1, false,
					  TYPALIGN_INT, &elems, &nulls, &n);
	for (int k = 0; k < n; k++)
	{
		char	   *name;
		ListCell   *lc;

		if (nulls[k])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a %s must not be null", what)));
		name = TextDatumGetCString(elems[k]);
		foreach(lc, names)
		{
			if (strcmp(lfirst(lc), name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("%s \"%s\" is named more than once", what, name)));
		}
		(void) hg_facts_column(f, name, NULL);
		names = lappend(names, name);
	}
	return names;
}

/*
 * check_columns raises an error unless the view's columns have names of their
 * own.
 */
static void
check_columns(const List *columns)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		const char *name = ((HgViewColumn *) lfirst(lc))->name;
		ListCell   *before;

		if (strlen(name) >= NAMEDATALEN)
			ereport(ERROR,
					(errcode(ERRCODE_NAME_TOO_LONG),
					 errmsg("column name \"%s\" is too long", name),
					 errdetail("Names have at most %d bytes.", NAMEDATALEN - 1),
					 errhint("Roll up a view over the source that gives the column a shorter name.")));
		foreach(before, columns)
		{
			if (before == lc)
				break;
			if (strcmp(((HgViewColumn *) lfirst(before))->name, name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("the rollup view would have two columns \"%s\"", name),
						 errdetail("It has columns node, parent, level and path, one for each dimension, and for each measure several that begin with its name."),
						 errhint("Roll up a view over the source that gives the column another name.")));
		}
	}
}

/*
 * check_date_column raises an error unless a column can tell days.
 */
static void
check_date_column(const HgFacts *f, const char *name)
{
	Oid			type;

	(void) hg_facts_column(f, name, &type);
	type = getBaseType(type);
	if (type != DATEOID && type != TIMESTAMPOID && type != TIMESTAMPTZOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("date column \"%s\" is of type %s", name,
						format_type_be(type)),
				 errhint("Use a column of type date, timestamp or timestamp with time zone.")));
}

/*
 * day_literal is a date as SQL.
 */
static char *
day_literal(DateADT day)
{
	struct pg_tm tm;
	char		buf[MAXDATELEN + 1];

	if (DATE_NOT_FINITE(day))
		return psprintf("'%sinfinity'::pg_catalog.date",
						DATE_IS_NOBEGIN(day) ? "-" : "");
	memset(&tm, 0, sizeof(tm));
	j2date(day + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	EncodeDateOnly(&tm, USE_ISO_DATES, buf);
	return psprintf("'%s'::pg_catalog.date", buf);
}

/*
 * look_at_graph sets what depends on the graph; *temporary tells whether only
 * this session has it.
 */
static void
look_at_graph(HgRollupViewSpec *spec, bool *temporary)
{
	Oid			index = spec->facts.graph;
	HgQuery		q;
	HgKeyKind	kind;
	const char *name;

	hg_query_open(&q, index, NULL);
	kind = q.layout->key_kind;
	*temporary = get_rel_persistence(index) == RELPERSISTENCE_TEMP;
	name = quote_qualified_identifier(*temporary ? "pg_temp" :
									  get_namespace_name(get_rel_namespace(index)),
									  get_rel_name(index));
	spec->graph = quote_literal_cstr(name);
	spec->graph_name = name;
	switch (kind)
	{
		case HG_KEY_INT:
			spec->node_type = "pg_catalog.int8";
			break;
		case HG_KEY_UUID:
			spec->node_type = "pg_catalog.uuid";
			break;
		default:
			spec->node_type = "pg_catalog.text";
			break;
	}

	/*
	 * Without validity, as_of is the day that periods end with, no more.
	 * Without periods it would be for nothing; the rollup says so.
	 */
	spec->by_day = !spec->facts.as_of_null &&
		(q.layout->validity_attno != 0 || spec->date_column == NULL);
	hg_query_close(&q);
}

/*
 * run_trial rolls up one made-up row by an expression that refers to graph,
 * mode and day as $1, $2 and $3.
 */
static void
run_trial(const HgRollupViewSpec *spec, const char *rollup)
{
	const HgFacts *f = &spec->facts;
	Oid			types[] = {hg_facts_type(f, "hgraph"), TEXTOID, DATEOID};
	Datum		values[] = {ObjectIdGetDatum(f->graph), f->mode, DateADTGetDatum(f->as_of)};
	char		nulls[] = {' ', f->mode_null ? 'n' : ' ', spec->by_day ? ' ' : 'n'};

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(psprintf("SELECT %s", rollup), 3, types, values,
							  nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "trial rollup failed");
	SPI_finish();
}

/*
 * type_name is a type's name as SQL, without a modifier of its own.
 */
static char *
type_name(Oid type)
{
	return format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN |
								FORMAT_TYPE_FORCE_QUALIFY);
}

/*
 * try_rollup raises the errors that the view would raise when it is read:
 * types that do not fit, a mode that the graph does not have.
 */
static void
try_rollup(const HgRollupViewSpec *spec)
{
	const HgFacts *f = &spec->facts;
	ListCell   *lc;

	foreach(lc, spec->measures)
	{
		Oid			type;

		(void) hg_facts_column(f, lfirst(lc), &type);
		run_trial(spec, psprintf("%s.rollup($1, NULL::%s, NULL::%s, $2, $3)",
								 f->schema, type_name(getBaseType(f->key_type)),
								 type_name(getBaseType(type))));
	}
	/* a fact without a value is none, so the graph was not opened yet */
	run_trial(spec, psprintf("%s.rollup($1, NULL::%s, $2, $3)", f->schema,
							 type_name(getBaseType(f->key_type))));
}

/*
 * parse_name is the view's name as a RangeVar.
 */
static RangeVar *
parse_name(const char *name)
{
	List	   *parts;
	ListCell   *lc;

	if (!SplitIdentifierString(pstrdup(name), '.', &parts) || parts == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a view: %s", name),
				 errhint("Double-quote what is no plain identifier, for instance '%s'.",
						 quote_identifier(name[0] ? name : "Sales by Region"))));
	foreach(lc, parts)
	{
		if (((char *) lfirst(lc))[0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("invalid name of a view: %s", name),
					 errdetail("A part of it is empty.")));
	}
	return makeRangeVarFromNameList(hg_parse_qualified_name(name));
}

/*
 * find_created finds the view just created: one over temporary tables is made
 * temporary whatever the name says.
 */
static Oid
find_created(const RangeVar *rv, Oid namespace)
{
	Oid			relid = InvalidOid;

	if (isTempNamespace(namespace))
		return RangeVarGetRelid(makeRangeVar("pg_temp", rv->relname, -1), NoLock, false);
	relid = get_relname_relid(rv->relname, namespace);
	if (!OidIsValid(relid))
		relid = RangeVarGetRelid(makeRangeVar("pg_temp", rv->relname, -1), NoLock, false);
	return relid;
}

/*
 * run_command runs a DDL command.
 */
static void
run_command(const char *sql)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "command failed: %s", sql);
	SPI_finish();
}

/*
 * make_view creates the view and returns its OID.
 */
static Oid
make_view(const HgRollupViewSpec *spec, const char *name, const List *columns,
		  bool temporary)
{
	RangeVar   *rv = parse_name(name);
	Oid			namespace;
	StringInfoData sql;
	ListCell   *lc;

	/* reports a schema that does not exist, or is not for this user */
	if (temporary)
		rv->relpersistence = RELPERSISTENCE_TEMP;
	namespace = RangeVarGetCreationNamespace(rv);
	if (OidIsValid(get_relname_relid(rv->relname, namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", rv->relname),
				 errhint("A rollup view can be dropped with drop_rollup_view.")));

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE %sVIEW %s (", temporary ? "TEMPORARY " : "",
					 rv->schemaname ? quote_qualified_identifier(rv->schemaname, rv->relname) :
					 quote_identifier(rv->relname));
	foreach(lc, columns)
		appendStringInfo(&sql, "%s%s", lc == list_head(columns) ? "" : ", ",
						 quote_identifier(((HgViewColumn *) lfirst(lc))->name));
	appendStringInfo(&sql, ") AS\n%s", hg_rollup_view_query(spec));
	run_command(sql.data);
	return find_created(rv, namespace);
}

/*
 * add_comments describes the view and its columns.
 */
static void
add_comments(const HgRollupViewSpec *spec, Oid view, const List *columns,
			 const char *comment)
{
	StringInfoData buf;
	ListCell   *lc;
	int			attno = 0;

	if (comment == NULL)
	{
		initStringInfo(&buf);
		appendStringInfo(&buf, "%s rolled up over graph %s, mode %s;"
						 " a row for every node with facts at or below it",
						 spec->facts.relation, spec->graph_name,
						 hg_mode_name(spec->mode));
		foreach(lc, spec->dimensions)
			appendStringInfo(&buf, "%s%s", lc == list_head(spec->dimensions) ? ", by " : ", ",
							 (char *) lfirst(lc));
		comment = buf.data;
	}
	CreateComments(view, RelationRelationId, 0, comment);
	foreach(lc, columns)
		CreateComments(view, RelationRelationId, ++attno,
					   ((HgViewColumn *) lfirst(lc))->comment);
}

/*
 * hgraph_create_rollup_view: create_rollup_view(name, graph, source,
 * key, measures, dimensions, date_column, mode, filter, as_of, comment)
 * returns the view's regclass
 */
Datum
hgraph_create_rollup_view(PG_FUNCTION_ARGS)
{
	HgRollupViewSpec spec;
	HgFacts    *f = &spec.facts;
	bool		temporary;
	List	   *columns;
	Oid			view;

	hg_facts_not_null(fcinfo, ARG_NAME, "name");
	hg_facts_not_null(fcinfo, ARG_GRAPH, "graph");
	hg_facts_not_null(fcinfo, ARG_SOURCE, "source");
	hg_facts_not_null(fcinfo, ARG_KEY, "key");

	memset(&spec, 0, sizeof(spec));
	hg_facts_init(f, fcinfo, PG_GETARG_OID(ARG_GRAPH),
				  PG_GETARG_OID(ARG_SOURCE), hg_facts_text_arg(fcinfo, ARG_FILTER));
	f->key = hg_facts_column(f, hg_facts_name_arg(fcinfo, ARG_KEY), &f->key_type);
	f->mode_null = PG_ARGISNULL(ARG_MODE);
	f->mode = PG_GETARG_DATUM(ARG_MODE);
	f->as_of_null = PG_ARGISNULL(ARG_AS_OF);
	f->as_of = PG_ARGISNULL(ARG_AS_OF) ? 0 : PG_GETARG_DATEADT(ARG_AS_OF);
	spec.mode = f->mode_null ? HG_DISTINCT : hg_mode_parse(DatumGetTextPP(f->mode));
	spec.measures = names_arg(fcinfo, ARG_MEASURES, f, "measure");
	spec.dimensions = names_arg(fcinfo, ARG_DIMENSIONS, f, "dimension");
	spec.date_column = hg_facts_name_arg(fcinfo, ARG_DATE);
	spec.day = f->as_of_null ? "CURRENT_DATE" : day_literal(f->as_of);

	if (spec.measures == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a rollup view needs at least one measure"),
				 errhint("List the columns of the source to add up, as in ARRAY['amount'].")));
	if (spec.date_column != NULL)
	{
		check_date_column(f, spec.date_column);
		if (!f->as_of_null && DATE_NOT_FINITE(f->as_of))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("as_of must be finite for a view with periods"),
					 errhint("Periods end with the day as_of.")));
	}
	look_at_graph(&spec, &temporary);
	columns = hg_rollup_view_columns(&spec);
	check_columns(columns);
	try_rollup(&spec);

	view = make_view(&spec, hg_facts_text_arg(fcinfo, ARG_NAME), columns, temporary);
	add_comments(&spec, view, columns, hg_facts_text_arg(fcinfo, ARG_COMMENT));
	PG_RETURN_OID(view);
}

/*
 * is_rollup_view tells whether a relation is a view as create_rollup_view
 * makes it: by what survives a dump, its first columns and that it refers to
 * each_of, in whatever schema the extension is.
 */
static bool
is_rollup_view(Oid relid, Oid namespace)
{
	static const char *const first[] = {"node", "parent", "level", "path"};
	Oid			types[] = {OIDOID, OIDOID};
	Datum		values[] = {ObjectIdGetDatum(relid), ObjectIdGetDatum(namespace)};
	bool		found;

	if (get_rel_relkind(relid) != RELKIND_VIEW)
		return false;
	for (int i = 0; i < (int) lengthof(first); i++)
	{
		char	   *name = get_attname(relid, i + 1, true);

		if (name == NULL || strcmp(name, first[i]) != 0)
			return false;
	}

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("SELECT FROM pg_catalog.pg_rewrite AS r"
							  " JOIN pg_catalog.pg_depend AS d"
							  " ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
							  " AND d.objid OPERATOR(pg_catalog.=) r.oid"
							  " JOIN pg_catalog.pg_proc AS p"
							  " ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass"
							  " AND d.refobjid OPERATOR(pg_catalog.=) p.oid"
							  " WHERE r.ev_class OPERATOR(pg_catalog.=) $1"
							  " AND p.pronamespace OPERATOR(pg_catalog.=) $2"
							  " AND p.proname OPERATOR(pg_catalog.=) 'each_of'",
							  2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "query of dependencies failed");
	found = SPI_processed > 0;
	SPI_finish();
	return found;
}

/*
 * hgraph_drop_rollup_view: drop_rollup_view(name)
 */
Datum
hgraph_drop_rollup_view(PG_FUNCTION_ARGS)
{
	RangeVar   *rv;
	Oid			relid;

	hg_facts_not_null(fcinfo, 0, "name");
	rv = parse_name(hg_facts_text_arg(fcinfo, 0));
	relid = RangeVarGetRelid(rv, NoLock, true);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("rollup view \"%s\" does not exist", rv->relname)));
	if (!is_rollup_view(relid, get_func_namespace(fcinfo->flinfo->fn_oid)))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a rollup view", rv->relname),
				 errhint("Only views made by create_rollup_view are dropped here.")));
	run_command(psprintf("DROP VIEW %s",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
													get_rel_name(relid))));
	PG_RETURN_VOID();
}
