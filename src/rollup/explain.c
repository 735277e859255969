/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  Rows of explain_rollup: every path by which a node's facts reach one
 *	  above it, and what each path hands on.
 *
 * A row source like paths: each path is found when it is asked for.  The
 * shares of its steps are read from the graph again, because a path as the
 * graph core returns it has their product only.  Paths come in the order of a
 * search upward, so most steps of a path, counted from its lower end, are
 * those of the path before: their parents are kept level by level.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "functions/rowsource.h"
#include "rollup/mode.h"
#include "types/hrollup.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

enum
{
	COL_PATH, COL_SHARES, COL_SHARE, COL_CONTRIBUTION
};

/* A parent of a node on the path. */
typedef struct Parent
{
	uint32		node;
	bool		stated;
	bool		primary;		/* any of the rows is flagged so */
	double		weight;
	Datum		share;			/* weight as numeric, 0: not made yet */
} Parent;

/* A node on the path, with all its parents by number. */
typedef struct Level
{
	uint32		child;			/* HG_NONE: nothing here yet */
	uint32		n;
	Parent	   *parents;
} Level;

typedef struct ExplainRows
{
	HgPaths    *paths;
	HgMode		mode;
	Datum		amount;
	bool		amount_null;
	Datum		zero;
	bool		given;			/* the one path that counts was there */
	bool		steps;			/* are single steps looked at? */
	Level	   *levels;			/* from the lower end of the path */
	uint32		nlevels;
	uint32		levels_size;
	MemoryContext mcxt;			/* of levels and what hangs below */
} ExplainRows;

/*
 * compare_parents is the order in which a level keeps them.
 */
static int
compare_parents(const void *a, const void *b)
{
	uint32		na = ((const Parent *) a)->node;
	uint32		nb = ((const Parent *) b)->node;

	return (na > nb) - (na < nb);
}

/*
 * find_parent finds the parent of a level by its number.
 */
static Parent *
find_parent(const Level *level, uint32 node)
{
	Parent		key = {.node = node};

	if (level->n == 0)
		return NULL;
	return bsearch(&key, level->parents, level->n, sizeof(Parent),
				   compare_parents);
}

/*
 * fill_level reads a node's parents.
 */
static void
fill_level(HgRows *rows, ExplainRows *state, Level *level, uint32 child)
{
	HgView	   *view = &rows->q.view;
	HgNeighbour *up;
	HgEdges		it;

	for (uint32 i = 0; i < level->n; i++)
	{
		if (level->parents[i].share != (Datum) 0)
			pfree(DatumGetPointer(level->parents[i].share));
	}
	if (level->parents != NULL)
		pfree(level->parents);
	level->child = HG_NONE;
	level->parents = NULL;
	level->n = 0;

	level->n = hg_neighbours(view, child, HG_UP, state->mcxt, &up);
	level->parents = MemoryContextAllocExtended(state->mcxt,
												Max((Size) level->n, 1) * sizeof(Parent),
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < level->n; i++)
	{
		level->parents[i].node = up[i].node;
		level->parents[i].stated = up[i].stated;
		level->parents[i].weight = up[i].weight;
	}
	pfree(up);
	qsort(level->parents, level->n, sizeof(Parent), compare_parents);

	if (state->mode == HG_PRIMARY)
	{
		hg_edges_begin(&it, view, child, HG_UP);
		while (hg_edges_next(&it))
		{
			HgEntry		entry;

			hg_graph_entry(view->g, it.entry, &entry);
			if (entry.flags & HG_ENTRY_PRIMARY)
				find_parent(level, it.node)->primary = true;
		}
	}
	level->child = child;
}

/*
 * step returns the edge that leads up from a node of the path, the i-th from
 * its lower end.
 */
static Parent *
step(HgRows *rows, ExplainRows *state, uint32 i, uint32 child, uint32 parent)
{
	Level	   *level;
	Parent	   *result;

	if (i == state->levels_size)
	{
		Size		size = Max((Size) state->levels_size * 2, 16);

		state->levels = state->levels == NULL ?
			MemoryContextAllocHuge(state->mcxt, size * sizeof(Level)) :
			repalloc_huge(state->levels, size * sizeof(Level));
		state->levels_size = size;
	}
	level = &state->levels[i];
	if (i == state->nlevels)
	{
		level->child = HG_NONE;
		level->parents = NULL;
		level->n = 0;
		state->nlevels++;
	}
	if (level->child != child)
		fill_level(rows, state, level, child);
	result = find_parent(level, parent);
	if (result == NULL)
		elog(ERROR, "path leads over an edge that is not in the graph");
	return result;
}

/*
 * shares_of returns the shares of a path's steps, in the path's order.
 */
static Datum
shares_of(HgRows *rows, ExplainRows *state, const uint32 *path, uint32 len)
{
	uint32		n = len - 1;
	MemoryContext old = MemoryContextSwitchTo(rows->row_mcxt);
	Datum	   *values;
	bool	   *nulls;
	ArrayType  *result;
	int			dims[1];
	int			lbs[1] = {1};

	if (n == 0)
	{
		result = construct_empty_array(NUMERICOID);
		MemoryContextSwitchTo(old);
		return PointerGetDatum(result);
	}

	values = MemoryContextAllocHuge(rows->row_mcxt, (Size) n * sizeof(Datum));
	nulls = MemoryContextAllocHuge(rows->row_mcxt, (Size) n * sizeof(bool));
	for (uint32 i = 0; i < n; i++)
	{
		Parent	   *parent = step(rows, state, i, path[n - i], path[n - i - 1]);

		nulls[n - i - 1] = !parent->stated;
		values[n - i - 1] = (Datum) 0;
		if (!parent->stated)
			continue;
		if (parent->share == (Datum) 0)
		{
			MemoryContextSwitchTo(state->mcxt);
			parent->share = DirectFunctionCall1(float8_numeric,
												Float8GetDatum(parent->weight));
			MemoryContextSwitchTo(rows->row_mcxt);
		}
		values[n - i - 1] = parent->share;
	}
	dims[0] = n;
	result = construct_md_array(values, nulls, 1, dims, lbs, NUMERICOID, -1,
								false, TYPALIGN_INT);
	pfree(values);
	pfree(nulls);
	MemoryContextSwitchTo(old);
	return PointerGetDatum(result);
}

/*
 * all_primary: does the path use primary edges only?
 */
static bool
all_primary(HgRows *rows, ExplainRows *state, const uint32 *path, uint32 len)
{
	for (uint32 i = 0; i + 1 < len; i++)
	{
		if (!step(rows, state, i, path[len - 1 - i], path[len - 2 - i])->primary)
			return false;
	}
	return true;
}

/*
 * counts: does the amount go over this path as a whole?
 */
static bool
counts(HgRows *rows, ExplainRows *state, const uint32 *path, uint32 len)
{
	if (state->mode == HG_PATHS)
		return true;
	if (state->given ||
		(state->mode == HG_PRIMARY && !all_primary(rows, state, path, len)))
		return false;
	state->given = true;
	return true;
}

/*
 * explain_next returns one path.
 */
static bool
explain_next(HgRows *rows, Datum *values, bool *nulls)
{
	ExplainRows *state = rows->state;
	const uint32 *path;
	uint32		len;
	double		share;
	bool		stated;

	if (!hg_paths_next(state->paths, &path, &len, &share, &stated))
		return false;
	if (HG_WANTED(rows, COL_PATH))
	{
		values[COL_PATH] = hg_key_array(&rows->out, path, len);
		nulls[COL_PATH] = false;
	}
	if (HG_WANTS_SHARE(rows, COL_SHARES))
	{
		values[COL_SHARES] = shares_of(rows, state, path, len);
		nulls[COL_SHARES] = false;
	}
	if (HG_WANTS_SHARE(rows, COL_SHARE))
		hg_rows_put_share(rows, COL_SHARE, share, stated, values, nulls);
	if (HG_WANTED(rows, COL_CONTRIBUTION) && !state->amount_null)
	{
		if (state->mode == HG_WEIGHTED)
		{
			MemoryContext old = MemoryContextSwitchTo(rows->row_mcxt);

			nulls[COL_CONTRIBUTION] = !stated;
			if (stated)
				values[COL_CONTRIBUTION] =
					DirectFunctionCall2(numeric_mul, state->amount,
										hg_share_datum(&rows->share, share));
			MemoryContextSwitchTo(old);
		}
		else
		{
			values[COL_CONTRIBUTION] = counts(rows, state, path, len) ?
				state->amount : state->zero;
			nulls[COL_CONTRIBUTION] = false;
		}
	}
	return true;
}

/*
 * explain_end gives back the search.
 */
static void
explain_end(HgRows *rows)
{
	ExplainRows *state = rows->state;

	hg_paths_end(state->paths);
}

/*
 * explain_mode is the mode that a call means, which the graph must allow.
 */
static HgMode
explain_mode(HgRows *rows, const HgRowsArgs *args)
{
	HgMode		mode;

	if (args->mode_null)
		return (rows->q.layout->roles & HG_HAS_WEIGHT) ? HG_WEIGHTED : HG_DISTINCT;

	mode = hg_mode_parse(DatumGetTextPP(args->mode));
	hg_mode_check(&rows->q, mode);
	return mode;
}

/*
 * check_cycles raises the error that a rollup raises: over a cycle there are
 * more paths than those that are listed, without end.
 */
static void
check_cycles(HgRows *rows, HgMode mode)
{
	uint32		cycle_node;
	HgDag	   *dag;

	if (rows->q.layout->acyclic || mode == HG_DISTINCT || mode == HG_PRIMARY)
		return;
	dag = hg_dag_build(&rows->q.view, &rows->node, 1, mode, rows->mcxt,
					   &cycle_node);
	if (dag != NULL)
	{
		hg_dag_free(dag);
		return;
	}
	hg_mode_refuse_cycle(&rows->q, mode, cycle_node);
}

/*
 * hg_rows_explain_prepare decodes the arguments that explain_rollup has
 * beside the nodes; the values of args live no longer than this call.
 */
void
hg_rows_explain_prepare(HgRows *rows, const HgRowsArgs *args)
{
	ExplainRows *state = palloc0(sizeof(ExplainRows));

	state->mode = explain_mode(rows, args);
	state->mcxt = rows->mcxt;
	state->amount_null = args->amount_null;
	if (!args->amount_null)
		state->amount = PointerGetDatum(DatumGetNumericCopy(args->amount));
	state->zero = DirectFunctionCall1(int8_numeric, Int64GetDatum(0));
	rows->state = state;
}

/*
 * hg_rows_explain_begin starts explain_rollup.
 */
void
hg_rows_explain_begin(HgRows *rows)
{
	ExplainRows *state = rows->state;

	check_cycles(rows, state->mode);
	state->paths = hg_paths_begin(&rows->q.view, rows->node, rows->other,
								  HG_UNLIMITED, rows->mcxt);
	rows->next = explain_next;
	rows->end = explain_end;
	rows->reset = true;
}
