/*-------------------------------------------------------------------------
 *
 * ahead.c
 *	  What the final step of a rollup can do before the facts are all there.
 *
 * In a parallel query the leader has the final step to itself while the other
 * processor waits.  But opening the graph, numbering its nodes, parents before
 * children, and putting them in the order of their keys needs no facts, if
 * most nodes are going to have some.  So the leader does that as soon as it has
 * seen half of all nodes; the workers meanwhile take rows off it.
 *
 * The dag then is that of all nodes, of which those without facts at or below
 * them are left out in the end.  That changes nothing else, or the dag is not
 * used (hg_dag_is_even); nor is it where keys are not dense or rows of the
 * graph's table need a closer look.
 *
 * All this is the leader's own memory; no other process sees it.
 *
 * Errors that may come up here (permission, mode, type of nodes) are those that
 * the final step would report.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "rollup/finish.h"

/* Nodes that must have been seen: all, divided by this. */
#define SEEN_FRACTION	2

/* Keys ahead of the one at hand whose members are asked for. */
#define AHEAD			16

/*
 * cut_out makes the dag of all nodes; false if it is none to be used.
 */
static bool
cut_out(HgFinish *f)
{
	uint32		n = f->q.view.nnodes;
	uint32	   *node = hg_finish_alloc(f, n, sizeof(uint32), false);
	uint32		cycle_node = HG_NONE;

	for (uint32 i = 0; i < n; i++)
		node[i] = i;
	f->dag = hg_dag_build(&f->q.view, node, n, f->args->mode, f->mcxt,
						  &cycle_node);
	pfree(node);
	if (f->dag == NULL)
		return false;
	if (hg_dag_is_even(f->dag))
		return true;
	hg_dag_free(f->dag);
	f->dag = NULL;
	return false;
}

/*
 * list_members makes the table from keys to members.
 */
static void
list_members(HgFinish *f, const uint32 *by_key)
{
	uint32		n = f->q.view.nnodes;
	uint32	   *local = hg_finish_alloc(f, n, sizeof(uint32), false);

	Assert(f->dag->nmembers == n);
	for (uint32 i = 0; i < f->dag->nmembers; i++)
		local[f->dag->member[i]] = i;
	f->by_key = hg_finish_alloc(f, f->span, sizeof(uint32), false);
	for (uint32 i = 0; i < f->span; i++)
	{
		if ((i & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (i + AHEAD < f->span && by_key[i + AHEAD] < n)
			__builtin_prefetch(&local[by_key[i + AHEAD]]);
		f->by_key[i] = by_key[i] < n ? local[by_key[i]] : HG_NONE;
	}
	pfree(local);
}

/*
 * alloc_totals allocates totals as they are usually needed.  Zeroing them has
 * the system provide the memory, which takes longer than filling it.
 */
static void
alloc_totals(HgFinish *f)
{
	uint32		n = f->dag->n;

	f->count.fixed = hg_finish_alloc(f, n, sizeof(hg_int128), true);
	if (f->args->value != HG_VALUE_EXACT || hg_finish_wide(f))
		return;
	f->sum.fixed = hg_finish_alloc(f, n, sizeof(hg_int128), true);
	f->least = hg_finish_alloc(f, n, sizeof(int64), true);
	f->greatest = hg_finish_alloc(f, n, sizeof(int64), true);
}

/*
 * alloc_rest allocates what is filled in by key or member in the end, provided
 * by the system as well.
 */
static void
alloc_rest(HgFinish *f)
{
	uint32		n = f->dag->nmembers;

	f->no_slot = hg_finish_alloc(f, n, sizeof(uint32), false);
	memset(f->no_slot, 0xff, (Size) n * sizeof(uint32));
	f->order = hg_finish_alloc(f, n, sizeof(uint32), true);
	f->keys = hg_finish_alloc(f, n, sizeof(int64), true);
}

/*
 * hg_rollup_ahead does what it can.
 */
HgFinish *
hg_rollup_ahead(HgCollect *c, uint32 nused, uint32 *next, MemoryContext mcxt)
{
	MemoryContext own = AllocSetContextCreate(mcxt, "hierarchy rollup",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(own);
	HgFinish   *f = hg_finish_begin(c, own);
	uint32		enough = f->q.view.nnodes / SEEN_FRACTION;
	const uint32 *by_key = hg_graph_by_key(f->q.view.g, &f->first_key, &f->span);

	*next = 0;
	if (by_key != NULL && f->q.view.plain &&
		f->args->node_type == INT8OID)
	{
		if (nused < enough)
			*next = enough;
		else if (cut_out(f))
		{
			list_members(f, by_key);
			alloc_totals(f);
			alloc_rest(f);
			MemoryContextSwitchTo(old);
			return f;
		}
	}
	MemoryContextSwitchTo(old);
	hg_ahead_drop(f);
	return NULL;
}

/*
 * hg_ahead_drop frees what has been made.
 */
void
hg_ahead_drop(HgFinish *f)
{
	if (f->dag != NULL)
		hg_dag_free(f->dag);
	hg_query_close(&f->q);
	MemoryContextDelete(f->mcxt);
}

/*
 * has_facts: does a member have facts at or below it?
 */
static inline bool
has_facts(const HgFinish *f, uint32 member)
{
	if (f->own.slot != NULL && f->own.slot[member] != HG_NONE)
		return true;
	if (f->flags != NULL)
		return (f->flags[member] & HG_AMOUNT_FACTS) != 0;
	if (f->count.kind == HG_FIXED)
		return f->count.fixed[member] != 0;
	return f->count.opaque[member] != NULL;
}

/*
 * hg_ahead_order lists the members that have facts in the order of their keys,
 * and those; the other members behind them, in no order.
 */
uint32
hg_ahead_order(HgFinish *f)
{
	uint32		n = 0;
	uint32		end = f->dag->nmembers;

	for (uint32 i = 0; i < f->span; i++)
	{
		uint32		member = f->by_key[i];

		if ((i & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (f->own.slot != NULL && i + AHEAD < f->span &&
			f->by_key[i + AHEAD] != HG_NONE)
			__builtin_prefetch(&f->own.slot[f->by_key[i + AHEAD]]);
		if (member == HG_NONE)
			continue;
		if (has_facts(f, member))
		{
			f->keys[n] = (int64) ((uint64) f->first_key + i);
			f->order[n++] = member;
		}
		else
			f->order[--end] = member;
	}
	Assert(n == end);
	return n;
}

/*
 * hg_ahead_fill makes a column of all members one that can be read as a whole:
 * members that are left out get the value of another one.
 */
void
hg_ahead_fill(const HgFinish *f, HgSource *column)
{
	uint32		n = f->head.n;
	uint32		left = f->dag->nmembers - n;
	char	   *values = unconstify(char *, (const char *) column->base);

	if (column->type == HG_SOURCE_NONE || column->type > HG_SOURCE_INT128 ||
		column->index != NULL || column->in_order || n == 0 || left > n)
		return;
	for (uint32 i = n; i < n + left; i++)
		memcpy(values + column->stride * f->order[i],
			   values + column->stride * f->order[0], column->stride);
	column->spare = left;
}
