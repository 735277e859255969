/*-------------------------------------------------------------------------
 *
 * load_group.c
 *	  Rows of a load that belong together.
 *
 * Two rows of a file are about the same entity if they share a code or an
 * identifier, and so are two that each share one with a third.  Rows are put
 * together as pairs of them come in (union-find): the time goes by the number of
 * pairs, however long the chains are that they make.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "directory/load.h"
#include "directory/locks.h"
#include "fmgr.h"
#include "funcapi.h"
#include "library.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

HG_FUNCTION_INFO_V1(hgraph_load_groups);

typedef struct GroupRow
{
	int64		line;			/* hash key */
	uint32		number;
	char		status;			/* for simplehash */
} GroupRow;

#define SH_PREFIX		grouprows
#define SH_ELEMENT_TYPE GroupRow
#define SH_KEY_TYPE		int64
#define SH_KEY			line
#define SH_HASH_KEY(tb, key) ((uint32) hg_mix_id(key))
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct GroupLink
{
	int64		line;
	uint32		up;				/* row of the same group, itself if it is the first of them */
} GroupLink;

typedef struct Groups
{
	grouprows_hash *rows;
	GroupLink  *link;			/* by number */
	uint32		n;
	uint32		size;
} Groups;

/*
 * number_of numbers the rows as they come; each begins as a group of its own.
 */
static uint32
number_of(Groups *g, int64 line)
{
	bool		found;
	GroupRow   *row = grouprows_insert(g->rows, line, &found);

	if (found)
		return row->number;
	row->number = g->n++;
	if (row->number == g->size)
	{
		g->size *= 2;
		g->link = repalloc_huge(g->link, sizeof(GroupLink) * g->size);
	}
	g->link[row->number].line = line;
	g->link[row->number].up = row->number;
	return row->number;
}

/*
 * first_of finds the row that stands for a group, and shortens the way to it.
 */
static uint32
first_of(Groups *g, uint32 i)
{
	while (g->link[i].up != i)
	{
		g->link[i].up = g->link[g->link[i].up].up;
		i = g->link[i].up;
	}
	return i;
}

/*
 * add_pair takes a row of the query: two lines that belong together.  The group
 * is known by its smallest line.
 */
static void
add_pair(void *arg, TupleTableSlot *slot)
{
	Groups	   *g = arg;
	uint32		a;
	uint32		b;

	if (slot->tts_isnull[0] || slot->tts_isnull[1])
		return;
	a = first_of(g, number_of(g, DatumGetInt64(slot->tts_values[0])));
	b = first_of(g, number_of(g, DatumGetInt64(slot->tts_values[1])));
	if (g->link[a].line < g->link[b].line)
		g->link[b].up = a;
	else
		g->link[a].up = b;
}

/*
 * hgraph_load_groups tells which rows belong together, by pairs of them that a
 * query lists: each row of a pair, and the smallest of its group.
 */
Datum
hgraph_load_groups(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {INT8OID, INT8OID};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Groups		g = {0};

	InitMaterializedSRF(fcinfo, 0);
	g.rows = grouprows_create(CurrentMemoryContext, 1024, NULL);
	g.size = 1024;
	g.link = palloc(sizeof(GroupLink) * g.size);
	hg_load_scan(text_to_cstring(PG_GETARG_TEXT_PP(0)), lengthof(types), types, add_pair, &g);
	for (uint32 i = 0; i < g.n; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = Int64GetDatum(g.link[i].line);
		values[1] = Int64GetDatum(g.link[first_of(&g, i)].line);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
