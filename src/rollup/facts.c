/*-------------------------------------------------------------------------
 *
 * facts.c
 *	  Facts as a relation and columns named by the caller.
 *
 * The caller's names become part of a query that runs with his rights.  Names
 * are quoted, values are parameters, and everything else that the query
 * refers to is qualified, so that it means the same under any search_path.
 * The filter is the one piece of SQL that comes as text: it has to be an
 * expression when read alone, so it is the same expression, and no more, in
 * the parentheses where the query has it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "rollup/facts.h"
#include "rollup/mode.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * hg_facts_not_null raises an error when an argument is NULL.
 */
void
hg_facts_not_null(FunctionCallInfo fcinfo, int i, const char *name)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s must not be null", name,
						get_func_name(fcinfo->flinfo->fn_oid))));
}

/*
 * hg_facts_name_arg is an argument of type name.
 */
const char *
hg_facts_name_arg(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(i)));
}

/*
 * hg_facts_text_arg is an argument of type text.
 */
const char *
hg_facts_text_arg(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/*
 * in_filter makes the position of a syntax error one in the filter, not in
 * the statement that passed it.
 */
static void
in_filter(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
	errcontext("argument \"filter\"");
}

/*
 * refuse_params raises the error for $1 and its like, which would otherwise
 * mean the parameters of our query.
 */
static bool
refuse_params(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, ParamRef))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_PARAMETER),
				 errmsg("there is no parameter $%d",
						((ParamRef *) node)->number),
				 errhint("Put the value itself into the filter.")));
	return raw_expression_tree_walker(node, refuse_params, context);
}

/*
 * is_expression tells whether a statement, as the parser returns it for what
 * it takes for an expression, is just that: PL/pgSQL lets it be followed by
 * all that may follow a select list.
 */
static bool
is_expression(const SelectStmt *s)
{
	const ResTarget *target;

	if (list_length(s->targetList) != 1 || s->distinctClause != NIL ||
		s->intoClause != NULL || s->fromClause != NIL ||
		s->whereClause != NULL || s->groupClause != NIL ||
		s->havingClause != NULL || s->windowClause != NIL ||
		s->valuesLists != NIL || s->sortClause != NIL ||
		s->limitOffset != NULL || s->limitCount != NULL ||
		s->lockingClause != NIL || s->withClause != NULL ||
		s->op != SETOP_NONE)
		return false;

	target = linitial_node(ResTarget, s->targetList);
	if (target->name != NULL || target->indirection != NIL)
		return false;
	if (IsA(target->val, ColumnRef))
	{
		ColumnRef  *ref = (ColumnRef *) target->val;

		/* all columns are no value */
		return !IsA(llast(ref->fields), A_Star);
	}
	return true;
}

/*
 * check_filter raises an error unless a filter is one expression.
 */
static void
check_filter(const char *filter)
{
	ErrorContextCallback callback;
	List	   *parsed;
	Node	   *stmt;

	callback.callback = in_filter;
	callback.arg = unconstify(char *, filter);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	parsed = raw_parser(filter, RAW_PARSE_PLPGSQL_EXPR);
	stmt = list_length(parsed) == 1 ?
		linitial_node(RawStmt, parsed)->stmt : NULL;
	if (stmt == NULL || !IsA(stmt, SelectStmt) ||
		!is_expression((SelectStmt *) stmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("filter is not a single expression"),
				 errdetail("The filter is: %s", filter),
				 errhint("Write one condition, as it would follow WHERE.")));
	(void) refuse_params(stmt, NULL);

	error_context_stack = callback.previous;
}

/*
 * hg_facts_init sets up everything but the columns.
 */
void
hg_facts_init(HgFacts *f, FunctionCallInfo fcinfo, Oid graph, Oid relid,
			  const char *filter)
{
	char	   *name;
	char		relkind;

	memset(f, 0, sizeof(HgFacts));
	f->mode_null = true;
	f->as_of_null = true;
	f->graph = graph;
	f->relid = relid;
	f->filter = filter;
	f->namespace = get_func_namespace(fcinfo->flinfo->fn_oid);
	f->schema = quote_identifier(get_namespace_name(f->namespace));

	LockRelationOid(relid, AccessShareLock);
	name = get_rel_name(relid);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	relkind = get_rel_relkind(relid);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		relkind != RELKIND_VIEW && relkind != RELKIND_MATVIEW &&
		relkind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation \"%s\" has no facts to roll up", name),
				 errdetail("It is neither a table nor a view.")));
	f->relation = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
											 name);
	if (filter != NULL)
		check_filter(filter);
}

/*
 * hg_facts_column finds a column.
 */
const char *
hg_facts_column(const HgFacts *f, const char *name, Oid *type)
{
	AttrNumber	attno = get_attnum(f->relid, name);

	if (attno <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, get_rel_name(f->relid))));
	if (type != NULL)
		*type = get_atttype(f->relid, attno);
	return quote_identifier(name);
}

/*
 * hg_facts_open_graph opens the graph.
 */
HgMode
hg_facts_open_graph(const HgFacts *f, HgQuery *q)
{
	HgFilterArgs filter = {.as_of_null = f->as_of_null, .as_of = f->as_of};
	HgMode		mode = f->mode_null ? HG_DISTINCT : hg_mode_parse(DatumGetTextPP(f->mode));

	filter.primary_only = mode == HG_PRIMARY;
	hg_query_open(q, f->graph, &filter);
	hg_mode_check(q, mode);
	return mode;
}

/*
 * hg_facts_type is a type of the extension.
 */
Oid
hg_facts_type(const HgFacts *f, const char *name)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum(name),
						   ObjectIdGetDatum(f->namespace));
}

/*
 * hg_facts_rollup rolls the facts up.
 */
Datum
hg_facts_rollup(const HgFacts *f, Datum keys, Oid key_array,
				const char *restriction, bool *isnull)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			types[4] = {InvalidOid, TEXTOID, DATEOID, key_array};
	Datum		values[4] = {ObjectIdGetDatum(f->graph), f->mode,
	DateADTGetDatum(f->as_of), keys};
	char		nulls[4] = {' ', f->mode_null ? 'n' : ' ',
	f->as_of_null ? 'n' : ' ', ' '};
	StringInfoData sql;
	Datum		result;

	types[0] = hg_facts_type(f, "hgraph");
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s.rollup($1, %s", f->schema, f->key);
	if (f->value != NULL)
		appendStringInfo(&sql, ", %s", f->value);
	appendStringInfo(&sql, ", $2, $3) FROM %s", f->relation);
	if (restriction != NULL)
		appendStringInfo(&sql, " WHERE %s", restriction);
	/* The line break ends a comment that the filter may end with. */
	if (f->filter != NULL)
		appendStringInfo(&sql, " %s (%s\n)",
						 restriction != NULL ? "AND" : "WHERE", f->filter);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");

	/*
	 * Read-only means the active snapshot.  The values are constants for the
	 * planner, and no limit on rows leaves it the choice of a parallel plan.
	 */
	if (SPI_execute_with_args(sql.data, restriction != NULL ? 4 : 3, types,
							  values, nulls, true, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "query of facts returned no row");
	result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						   isnull);
	if (!*isnull)
	{
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		result = PointerGetDatum(PG_DETOAST_DATUM_COPY(result));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	pfree(sql.data);
	return result;
}
