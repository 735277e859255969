/*-------------------------------------------------------------------------
 *
 * paths.c
 *	  Rows of paths: each is found when it is asked for, none is kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "functions/rowsource.h"

enum
{
	COL_PATH, COL_SHARE
};

/*
 * paths_next returns one path.
 */
static bool
paths_next(HgRows *rows, Datum *values, bool *nulls)
{
	const uint32 *path;
	uint32		len;
	double		share;
	bool		stated;

	if (!hg_paths_next(rows->state, &path, &len, &share, &stated))
		return false;
	if (HG_WANTED(rows, COL_PATH))
	{
		values[COL_PATH] = hg_key_array(&rows->out, path, len);
		nulls[COL_PATH] = false;
	}
	if (HG_WANTS_SHARE(rows, COL_SHARE))
		hg_rows_put_share(rows, COL_SHARE, share, stated, values, nulls);
	return true;
}

/*
 * paths_end gives back the search.
 */
static void
paths_end(HgRows *rows)
{
	hg_paths_end(rows->state);
}

/*
 * hg_rows_paths_begin starts paths.
 */
void
hg_rows_paths_begin(HgRows *rows)
{
	rows->state = hg_paths_begin(&rows->q.view, rows->node, rows->other,
								 rows->args.max_depth, rows->mcxt);
	rows->next = paths_next;
	rows->end = paths_end;
	rows->reset = true;
}
