/*-------------------------------------------------------------------------
 *
 * hrollup_in.c
 *	  Type hrollup: reading the text form.
 *
 * PostgreSQL's JSON parser calls back for each piece.  Fields before "nodes"
 * are kept as they are written; when "nodes" begins, they must all be there,
 * and become the head.  Rows then go into arrays by column.
 *
 * The graph need not exist: a dump restores data before indexes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "types/hrollup_json.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(hgraph_hrollup_in);

/* Where the parser is: how many objects and arrays are open. */
#define LEVEL_DOCUMENT	1
#define LEVEL_LIST		2		/* "columns" or "nodes" */
#define LEVEL_NODE		3

/*
 * fail_field reports a field with a wrong value.
 */
static hg_noreturn void
fail_field(HgRollupField field, const char *expected)
{
	hg_parse_fail(psprintf("Field \"%s\" must be %s.",
				  hg_rollup_field_names[field], expected));
}

/* ---- head ---- */

/*
 * string_field is the value of a field that is a string.
 */
static const char *
string_field(const HgRollupParser *p, HgRollupField field)
{
	if (p->token[field] != JSON_TOKEN_STRING)
		fail_field(field, "a string");
	return p->text[field];
}

/*
 * int_field is the value of a field that is an integer from 0 to a greatest.
 */
static int64
int_field(const HgRollupParser *p, HgRollupField field, int64 greatest)
{
	int64		value;

	if (p->token[field] != JSON_TOKEN_NUMBER)
		fail_field(field, "a number");
	value = hg_parse_int(p->text[field]);
	if (value < 0 || value > greatest)
		fail_field(field, psprintf("between 0 and " INT64_FORMAT, greatest));
	return value;
}

/*
 * amount_field reads a field that is an amount.
 */
static void
amount_field(const HgRollupParser *p, HgRollupField field, bool real, int scale,
			 HgAmount *amount)
{
	const char *expected = real ?
		hg_parse_real(p->text[field], p->token[field], amount) :
		hg_parse_exact(p->text[field], p->token[field], scale, amount);

	if (expected)
		fail_field(field, expected);
}

/*
 * rest_field reads what rounding took of a sum.
 */
static void
rest_field(const HgRollupParser *p, HgRollupField field, HgAmount *sum)
{
	HgAmount	rest;

	if (p->token[field] != JSON_TOKEN_NUMBER)
		fail_field(field, "a number");
	(void) hg_parse_real(p->text[field], p->token[field], &rest);
	sum->real.rest = rest.real.sum;
}

/*
 * check_columns makes sure that columns are those that we know.
 */
static void
check_columns(HgRollupParser *p)
{
	int			n = 0;

	while (p->columns[n] != HG_ROLLUP_COLUMNS &&
		   n < p->nnames &&
		   strcmp(p->names[n], hg_rollup_column_name(p->columns[n])) == 0)
		n++;
	if (p->columns[n] != HG_ROLLUP_COLUMNS)
		hg_parse_fail(psprintf("Element %d of \"columns\" must be \"%s\".", n + 1,
					  hg_rollup_column_name(p->columns[n])));
	if (n < p->nnames)
		hg_parse_fail(psprintf("Field \"columns\" has more than %d elements.", n));
}

/*
 * check_fields makes sure that all fields are there, and none too many.
 */
static void
check_fields(const HgRollupParser *p)
{
	for (HgRollupField field = 0; field < HG_FIELD_NODES; field++)
	{
		bool		wanted = hg_rollup_has_field(p->head.value, field);

		if (wanted && !p->seen[field])
			hg_parse_fail(psprintf("Field \"%s\" is missing before \"nodes\".",
						  hg_rollup_field_names[field]));
		if (!wanted && p->seen[field])
			hg_parse_fail(psprintf("A rollup of values \"%s\" has no field \"%s\".",
						  hg_value_kind_name(p->head.value),
						  hg_rollup_field_names[field]));
	}
}

/*
 * read_head makes the head of the fields.
 */
static void
read_head(HgRollupParser *p)
{
	HgRollupHead *head = &p->head;
	bool		real;

	for (HgRollupField field = 0; field <= HG_FIELD_KEY_TYPE; field++)
		if (!p->seen[field])
			hg_parse_fail(psprintf("Field \"%s\" is missing before \"nodes\".",
						  hg_rollup_field_names[field]));
	if (int_field(p, HG_FIELD_VERSION, PG_INT32_MAX) != HG_ROLLUP_JSON_VERSION)
		fail_field(HG_FIELD_VERSION, psprintf("%d", HG_ROLLUP_JSON_VERSION));
	head->graph = string_field(p, HG_FIELD_GRAPH);
	if (strlen(head->graph) > PG_UINT16_MAX)
		fail_field(HG_FIELD_GRAPH, "the name of a graph");
	if (!hg_mode_find(string_field(p, HG_FIELD_MODE), &head->mode))
		fail_field(HG_FIELD_MODE, "distinct, weighted, primary or paths");
	if (!hg_value_kind_parse(string_field(p, HG_FIELD_VALUES), &head->value))
		fail_field(HG_FIELD_VALUES, "count, exact or real");
	if (!hg_key_type_parse(string_field(p, HG_FIELD_KEY_TYPE), &head->key_type))
		fail_field(HG_FIELD_KEY_TYPE, "integer, bigint, uuid or text");
	check_fields(p);

	real = head->value == HG_VALUE_REAL;
	head->count_scale = int_field(p, HG_FIELD_COUNT_SCALE, HG_MAX_SCALE);
	head->grand_count = int_field(p, HG_FIELD_FACTS, PG_INT64_MAX);
	head->unmatched_count = int_field(p, HG_FIELD_UNMATCHED_FACTS, PG_INT64_MAX);
	head->unstated = int_field(p, HG_FIELD_UNSTATED_SHARES, PG_INT64_MAX);
	amount_field(p, HG_FIELD_ROOTS_FACTS, false, head->count_scale, &head->roots_count);
	if (head->roots_count.flags)
		fail_field(HG_FIELD_ROOTS_FACTS, "a number");
	if (head->value == HG_VALUE_EXACT)
	{
		head->own_scale = int_field(p, HG_FIELD_SCALE, HG_MAX_SCALE);
		head->total_scale = int_field(p, HG_FIELD_TOTAL_SCALE, HG_MAX_SCALE);
	}
	if (head->value != HG_VALUE_COUNT)
	{
		amount_field(p, HG_FIELD_SUM, real, head->own_scale, &head->grand);
		amount_field(p, HG_FIELD_UNMATCHED_SUM, real, head->own_scale, &head->unmatched);
		amount_field(p, HG_FIELD_ROOTS_SUM, real, head->total_scale, &head->roots);
	}
	if (real)
	{
		rest_field(p, HG_FIELD_SUM_REST, &head->grand);
		rest_field(p, HG_FIELD_UNMATCHED_SUM_REST, &head->unmatched);
		rest_field(p, HG_FIELD_ROOTS_SUM_REST, &head->roots);
	}
	p->columns = hg_rollup_json_columns(head->value);
	check_columns(p);
}

/* ---- what the JSON parser calls ---- */

/*
 * start_object: there is just one object.
 */
HG_JSON_ACTION
start_object(void *state)
{
	HgRollupParser	   *p = state;

	if (p->level > 0)
		hg_parse_fail("There must be no object within the object.");
	p->level = LEVEL_DOCUMENT;
	HG_JSON_DONE;
}

/*
 * start_field notes the field that begins.
 */
HG_JSON_ACTION
start_field(void *state, char *name, bool isnull)
{
	HgRollupParser	   *p = state;
	int			field = 0;

	while (field < HG_ROLLUP_FIELDS &&
		   strcmp(name, hg_rollup_field_names[field]) != 0)
		field++;
	if (field == HG_ROLLUP_FIELDS)
		hg_parse_fail(psprintf("There is no field \"%s\".", name));
	if (p->seen[field])
		hg_parse_fail(psprintf("Field \"%s\" comes twice.", name));
	if (p->seen[HG_FIELD_NODES])
		hg_parse_fail(psprintf("Field \"%s\" comes after \"nodes\".", name));
	p->field = (HgRollupField) field;
	p->seen[field] = true;
	if (p->field == HG_FIELD_NODES)
		read_head(p);
	pfree(name);
	HG_JSON_DONE;
}

/*
 * start_array: a list, or a node in the list of nodes.
 */
HG_JSON_ACTION
start_array(void *state)
{
	HgRollupParser	   *p = state;

	if (p->level == 0)
		hg_parse_fail("It must be a JSON object.");
	if (p->level == LEVEL_DOCUMENT &&
		p->field != HG_FIELD_COLUMNS && p->field != HG_FIELD_NODES)
		hg_parse_fail(psprintf("Field \"%s\" must not be an array.",
							   hg_rollup_field_names[p->field]));
	if (p->level == LEVEL_LIST && p->field == HG_FIELD_COLUMNS)
		fail_field(p->field, "an array of strings");
	if (p->level == LEVEL_NODE)
		hg_parse_fail_cell(p, "neither array nor object");
	p->level++;
	if (p->level == LEVEL_NODE)
	{
		if (p->head.n % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (p->head.n == p->size)
			hg_parse_grow(p);
		p->column = 0;
	}
	HG_JSON_DONE;
}

/*
 * end_array ends a list or a node.
 */
HG_JSON_ACTION
end_array(void *state)
{
	HgRollupParser	   *p = state;

	if (p->level == LEVEL_NODE)
	{
		if (p->columns[p->column] != HG_ROLLUP_COLUMNS)
			hg_parse_fail(psprintf("Element %u of \"nodes\" has too few columns.",
						  p->head.n + 1));
		p->head.n++;
	}
	p->level--;
	HG_JSON_DONE;
}

/*
 * take_scalar takes a value that is neither object nor array.
 */
HG_JSON_ACTION
take_scalar(void *state, char *text, JsonTokenType token)
{
	HgRollupParser	   *p = state;

	switch (p->level)
	{
		case 0:
			hg_parse_fail("It must be a JSON object.");
			break;
		case LEVEL_DOCUMENT:
			if (p->field == HG_FIELD_COLUMNS || p->field == HG_FIELD_NODES)
				fail_field(p->field, "an array");
			p->text[p->field] = text;
			p->token[p->field] = token;
			break;
		case LEVEL_LIST:
			if (p->field == HG_FIELD_NODES)
				hg_parse_fail(psprintf("Element %u of \"nodes\" must be an array.",
							  p->head.n + 1));
			if (token != JSON_TOKEN_STRING)
				fail_field(p->field, "an array of strings");
			if (p->nnames == HG_ROLLUP_COLUMNS)
				fail_field(p->field, "shorter");
			p->names[p->nnames++] = text;
			break;
		default:
			hg_parse_cell(p, text, token);
			break;
	}
	HG_JSON_DONE;
}

/*
 * hgraph_hrollup_in reads the text form.
 */
Datum
hgraph_hrollup_in(PG_FUNCTION_ARGS)
{
	char	   *str = PG_GETARG_CSTRING(0);
	HgRollupParser		p = {0};
	JsonSemAction actions = {0};
	JsonLexContext *lex = hg_json_lexer(str, strlen(str));
	JsonParseErrorType error;
	struct varlena *result;
	HgRollupView view;
	const char *problem;

	actions.semstate = &p;
	actions.object_start = start_object;
	actions.object_field_start = start_field;
	actions.array_start = start_array;
	actions.array_end = end_array;
	actions.scalar = take_scalar;
	error = pg_parse_json(lex, &actions);
	if (error != JSON_SUCCESS)
		hg_parse_fail(json_errdetail(error, lex));
	if (!p.seen[HG_FIELD_NODES])
		hg_parse_fail("Field \"nodes\" is missing.");

	result = hg_parse_rollup(&p);
	view.value = result;
	problem = hg_hrollup_parse(&view, (const unsigned char *) VARDATA(result),
							   VARSIZE(result) - VARHDRSZ);
	if (problem == NULL)
		problem = hg_hrollup_check(&view);
	if (problem)
		hg_parse_fail(problem);
	PG_RETURN_POINTER(result);
}
