/*-------------------------------------------------------------------------
 *
 * table.c
 *	  rollup_table: the rollup of a whole table, or of some of its rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "library.h"
#include "rollup/facts.h"

HG_FUNCTION_INFO_V1(hgraph_rollup_table);

/*
 * hgraph_rollup_table: rollup_table(graph, source, key_column, value_column,
 * mode, filter, as_of) returns an hrollup
 */
Datum
hgraph_rollup_table(PG_FUNCTION_ARGS)
{
	HgFacts		f;
	HgQuery		q;
	const char *value = hg_facts_name_arg(fcinfo, 3);
	Datum		result;
	bool		isnull;

	hg_facts_not_null(fcinfo, 0, "graph");
	hg_facts_not_null(fcinfo, 1, "source");
	hg_facts_not_null(fcinfo, 2, "key_column");

	hg_facts_init(&f, fcinfo, PG_GETARG_OID(0), PG_GETARG_OID(1),
				  hg_facts_text_arg(fcinfo, 5));
	f.key = hg_facts_column(&f, hg_facts_name_arg(fcinfo, 2), &f.key_type);
	if (value != NULL)
		f.value = hg_facts_column(&f, value, NULL);
	f.mode_null = PG_ARGISNULL(4);
	f.mode = PG_GETARG_DATUM(4);
	f.as_of_null = PG_ARGISNULL(6);
	f.as_of = PG_ARGISNULL(6) ? 0 : PG_GETARG_DATEADT(6);

	(void) hg_facts_open_graph(&f, &q);
	hg_query_close(&q);
	result = hg_facts_rollup(&f, (Datum) 0, InvalidOid, NULL, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
