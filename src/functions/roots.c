/*-------------------------------------------------------------------------
 *
 * roots.c
 *	  Rows of roots.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"
#include "miscadmin.h"

/*
 * roots_next returns the next node that has no parent.
 */
static bool
roots_next(HgRows *rows, Datum *values, bool *nulls)
{
	uint32	   *next = rows->state;
	HgView	   *view = &rows->q.view;

	while (*next < view->nnodes)
	{
		uint32		node = (*next)++;

		if ((*next & 0x3ff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (hg_node_has_edge(view, node, HG_UP) ||
			!hg_node_exists(view, node))
			continue;
		if (HG_WANTED(rows, 0))
			hg_rows_put_node(rows, 0, node, values, nulls);
		return true;
	}
	return false;
}

/*
 * hg_rows_roots_begin starts roots.
 */
void
hg_rows_roots_begin(HgRows *rows)
{
	rows->state = palloc0(sizeof(uint32));
	rows->next = roots_next;
}
