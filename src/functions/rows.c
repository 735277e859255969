/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Opening, reading and closing a row source, whichever it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/*
 * no_rows is the source of calls that have no answer: NULL arguments, unknown
 * nodes.
 */
static bool
no_rows(HgRows *rows, Datum *values, bool *nulls)
{
	return false;
}

/*
 * find_node is the node that an argument names, HG_NONE when the graph does
 * not have it.
 */
static uint32
find_node(HgRows *rows, Datum value)
{
	HgKey		key;

	hg_key_from_datum(rows->q.layout, rows->args.key_type, value, &key);
	return hg_view_lookup(&rows->q.view, &key);
}

/*
 * begin_source starts the source that args ask for, unless a node that it
 * needs does not exist.
 */
static void
begin_source(HgRows *rows, const HgRowsArgs *args)
{
	if (args->kind == HG_ROWS_EXPLAIN)
		hg_rows_explain_prepare(rows, args);
	if (!args->node_null)
		rows->node = find_node(rows, args->node);
	if (!args->other_null)
		rows->other = find_node(rows, args->other);
	if ((!args->node_null && rows->node == HG_NONE) ||
		(!args->other_null && rows->other == HG_NONE))
		return;

	switch (args->kind)
	{
		case HG_ROWS_PARENTS:
		case HG_ROWS_CHILDREN:
			hg_rows_neighbours_begin(rows);
			break;
		case HG_ROWS_ANCESTORS:
		case HG_ROWS_DESCENDANTS:
		case HG_ROWS_LEAVES:
		case HG_ROWS_TOPS:
			hg_rows_reach_begin(rows);
			break;
		case HG_ROWS_ROOTS:
			hg_rows_roots_begin(rows);
			break;
		case HG_ROWS_PATHS:
			hg_rows_paths_begin(rows);
			break;
		case HG_ROWS_COMMON_ANCESTORS:
			hg_rows_common_begin(rows);
			break;
		case HG_ROWS_PREORDER:
			hg_rows_preorder_begin(rows);
			break;
		case HG_ROWS_CLOSURE:
			if (args->key_column == 1)
				hg_rows_closure_up_begin(rows);
			else
				hg_rows_closure_begin(rows);
			break;
		case HG_ROWS_TREE:
			hg_rows_tree_begin(rows);
			break;
		case HG_ROWS_EXPLAIN:
			hg_rows_explain_begin(rows);
			break;
		case HG_ROWS_NKINDS:
			break;
	}
}

/*
 * hg_rows_begin opens a row source.
 */
HgRows *
hg_rows_begin(const HgRowsArgs *args, uint32 wanted, MemoryContext mcxt)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	HgRows	   *rows = palloc(sizeof(HgRows));

	rows->next = no_rows;
	rows->batch = NULL;
	rows->count = NULL;
	rows->end = NULL;
	rows->state = NULL;
	rows->node = HG_NONE;
	rows->other = HG_NONE;
	rows->wanted = wanted;
	rows->ncolumns = hg_rows_columns(args->kind);
	rows->open = false;
	rows->reset = false;
	rows->args = *args;
	rows->mcxt = mcxt;
	rows->row_mcxt = NULL;

	if (!args->is_null)
	{
		hg_query_open(&rows->q, args->graph, &args->filter);
		rows->open = true;
		hg_query_hold(&rows->q);
		rows->row_mcxt = AllocSetContextCreate(mcxt, "hierarchy row",
											   ALLOCSET_SMALL_SIZES);
		hg_key_out_init(&rows->out, &rows->q, args->key_type, rows->row_mcxt);
		rows->reset = rows->out.allocates;
		hg_share_out_init(&rows->share, mcxt);
		begin_source(rows, args);
	}
	MemoryContextSwitchTo(old);
	return rows;
}

/*
 * hg_rows_next fetches the next row.
 */
bool
hg_rows_next(HgRows *rows, Datum *values, bool *nulls)
{
	memset(nulls, true, rows->ncolumns * sizeof(bool));
	if (rows->reset)
		MemoryContextReset(rows->row_mcxt);
	return rows->next(rows, values, nulls);
}

/*
 * hg_rows_has_batches: may hg_rows_next_batch be called?
 */
bool
hg_rows_has_batches(const HgRows *rows)
{
	return rows->batch != NULL;
}

/*
 * hg_rows_next_batch fetches the next rows.
 */
void
hg_rows_next_batch(HgRows *rows, HgRowBatch *batch)
{
	rows->batch(rows, batch);
}

/*
 * hg_rows_count counts the rows that are left.
 */
uint64
hg_rows_count(HgRows *rows)
{
	Datum		values[HG_ROWS_MAX_COLUMNS];
	bool		nulls[HG_ROWS_MAX_COLUMNS];
	uint64		n = 0;

	if (rows->count != NULL)
		return rows->count(rows);
	while (hg_rows_next(rows, values, nulls))
	{
		CHECK_FOR_INTERRUPTS();
		n++;
	}
	return n;
}

/*
 * hg_rows_end closes a row source; its memory goes with its context.
 */
void
hg_rows_end(HgRows *rows)
{
	if (rows->end)
		rows->end(rows);
	rows->end = NULL;
	rows->next = no_rows;
	if (rows->open)
		hg_query_close(&rows->q);
	rows->open = false;
}
