/*-------------------------------------------------------------------------
 *
 * rules.c
 *	  The trigger that watches what is written to relationships.
 *
 * It runs once after each statement, over the rows that the statement wrote:
 *	 - lock what they mention, and the children that they are about (locks.c);
 *	 - take a new snapshot;
 *	 - look at each new row by itself and at its ends;
 *	 - read all relationships of those children, and sweep over their days.
 * Taking a relationship away can only break the rules that may wait, so of old
 * rows nothing else is asked.  Statements of many rows are worked off in
 * batches; the snapshot sees the whole statement, so each batch is right by
 * itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "compat.h"
#include "directory/locks.h"
#include "directory/restore.h"
#include "directory/rules.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

HG_FUNCTION_INFO_V1(hgraph_relationship_rules);

/* Rows of one hierarchy in a batch. */
typedef struct RowGroup
{
	int32		id;
	const HgRow *row;			/* new ones */
	int64		nrows;
	int64	   *fresh;			/* children of new rows */
	int64		nfresh;
	int64	   *left;			/* children of old rows only */
	int64		nleft;
} RowGroup;

/*
 * hg_batch_rows tells how many rows are checked at once.
 */
int64
hg_batch_rows(void)
{
	/* per row: itself, its child's place, its entities, and what is read */
	return Max((int64) maintenance_work_mem * 1024 / 128, 1000);
}

/*
 * hg_rules_called makes sure that a function was called as a trigger.
 */
TriggerData *
hg_rules_called(FunctionCallInfo fcinfo, bool row)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by trigger manager")));
	if (!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		(TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) != 0) != row)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be fired after each %s",
						trigdata->tg_trigger->tgname, row ? "row" : "statement")));
	/* anybody can put the trigger on a table of his own */
	if (RelationGetNamespace(trigdata->tg_relation) !=
		get_func_namespace(fcinfo->flinfo->fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" is not one of the directory",
						RelationGetRelationName(trigdata->tg_relation))));
	return trigdata;
}

/*
 * hg_rewind sets a transition table to its beginning.  Others may have read it
 * with other pointers.
 */
void
hg_rewind(Tuplestorestate *store)
{
	if (store != NULL)
	{
		tuplestore_select_read_pointer(store, 0);
		tuplestore_rescan(store);
	}
}

/*
 * same_row: is nothing different that a rule asks for?
 */
static bool
same_row(const HgRow *a, const HgRow *b)
{
	return a->parent == b->parent && a->child == b->child &&
		a->hierarchy == b->hierarchy && a->from == b->from && a->to == b->to &&
		a->share == b->share && a->type == b->type && a->primary == b->primary;
}

/*
 * compare_hierarchies is for sorting rows by hierarchy.
 */
static int
compare_hierarchies(const void *a, const void *b)
{
	int32		x = ((const HgRow *) a)->hierarchy;
	int32		y = ((const HgRow *) b)->hierarchy;

	return (x > y) - (x < y);
}

/*
 * by_hierarchy sorts rows if they need it.
 */
static void
by_hierarchy(HgRows *rows)
{
	Assert(rows->n == 0 || rows->row != NULL);
	for (int64 i = 1; i < rows->n; i++)
		if (rows->row[i].hierarchy < rows->row[i - 1].hierarchy)
		{
			qsort(rows->row, rows->n, sizeof(HgRow), compare_hierarchies);
			return;
		}
}

/*
 * children_of collects the children of rows, sorted and distinct.
 */
static int64 *
children_of(HgDirectory *dir, const HgRow *row, int64 n, int64 *nchildren)
{
	int64	   *ids = MemoryContextAllocHuge(dir->mcxt, sizeof(int64) * Max(n, 1));
	int64		nids = 0;

	for (int64 i = 0; i < n; i++)
		if (nids == 0 || ids[nids - 1] != row[i].child)
			ids[nids++] = row[i].child;
	*nchildren = hg_sort_ids(ids, nids);
	return ids;
}

/*
 * subtract takes ids out of others, both sorted; returns how many are left.
 */
static int64
subtract(int64 *ids, int64 n, const int64 *out, int64 nout)
{
	int64		kept = 0;
	int64		j = 0;

	for (int64 i = 0; i < n; i++)
	{
		while (j < nout && out[j] < ids[i])
			j++;
		if (j == nout || out[j] != ids[i])
			ids[kept++] = ids[i];
	}
	return kept;
}

/*
 * rows_of returns how many rows from the first on are of the same hierarchy,
 * which is id.
 */
static int64
rows_of(const HgRow *row, int64 n, int32 id)
{
	int64		i = 0;

	while (i < n && row[i].hierarchy == id)
		i++;
	return i;
}

/*
 * group makes groups of sorted rows.
 */
static RowGroup *
group(HgDirectory *dir, const HgRows *fresh, const HgRows *old, int *ngroups)
{
	int			size = 4;
	RowGroup	   *groups = palloc(sizeof(RowGroup) * size);
	int64		i = 0;
	int64		j = 0;

	Assert(fresh->n == 0 || fresh->row != NULL);
	Assert(old->n == 0 || old->row != NULL);
	*ngroups = 0;
	while (i < fresh->n || j < old->n)
	{
		RowGroup	   *g;
		int64		n;

		if (*ngroups == size)
		{
			size *= 2;
			groups = repalloc(groups, sizeof(RowGroup) * size);
		}
		g = &groups[(*ngroups)++];
		if (i == fresh->n)
			g->id = old->row[j].hierarchy;
		else if (j == old->n)
			g->id = fresh->row[i].hierarchy;
		else
			g->id = Min(fresh->row[i].hierarchy, old->row[j].hierarchy);

		n = rows_of(fresh->row + i, fresh->n - i, g->id);
		Assert(n >= 0 && n <= fresh->n - i);
		g->row = fresh->row + i;
		g->nrows = n;
		g->fresh = children_of(dir, g->row, n, &g->nfresh);
		i += n;

		n = rows_of(old->row + j, old->n - j, g->id);
		g->left = children_of(dir, old->row + j, n, &g->nleft);
		g->nleft = subtract(g->left, g->nleft, g->fresh, g->nfresh);
		j += n;
	}
	return groups;
}

/*
 * lock_children locks the children of a group in one order.
 */
static void
lock_children(const RowGroup *g)
{
	int64		n = g->nfresh + g->nleft;
	int64	   *ids;

	if (g->nfresh == 0 || g->nleft == 0)
	{
		hg_lock_children(g->id, g->nfresh > 0 ? g->fresh : g->left, n);
		return;
	}
	ids = palloc_extended(sizeof(int64) * n, MCXT_ALLOC_HUGE);
	memcpy(ids, g->fresh, sizeof(int64) * g->nfresh);
	memcpy(ids + g->nfresh, g->left, sizeof(int64) * g->nleft);
	hg_lock_children(g->id, ids, n);
	pfree(ids);
}

/*
 * check_group checks a group.
 */
static void
check_group(HgDirectory *dir, Relation partition, const RowGroup *g)
{
	HgCheck		check = {0};

	check.dir = dir;
	check.hierarchy = hg_rules_hierarchy(dir, g->id, partition);
	check.postpone = true;
	for (int64 i = 0; i < g->nrows; i++)
		hg_check_row(&check, &g->row[i]);
	hg_check_children(&check, g->fresh, g->nfresh, HG_BREACHES_ALL);
	hg_check_children(&check, g->left, g->nleft, HG_BREACHES_LATE);
}

/*
 * check_batch locks, looks and checks.
 */
static void
check_batch(HgDirectory *dir, Relation partition, HgRows *fresh, HgRows *old)
{
	RowGroup	   *groups;
	int			n;

	for (int i = 0; i < dir->relationship_types.n; i++)
		hg_lock_name(HG_LOCK_TYPE, dir->relationship_types.name[i],
					 dir->relationship_types.len[i], false);
	for (int64 i = 0; i < fresh->n; i++)
	{
		hg_entity_want(dir, fresh->row[i].child);
		hg_entity_want(dir, fresh->row[i].parent);
	}
	hg_entities_lock_wanted(dir);

	by_hierarchy(fresh);
	by_hierarchy(old);
	groups = group(dir, fresh, old, &n);
	for (int i = 0; i < n; i++)
		lock_children(&groups[i]);

	hg_directory_look(dir);
	hg_entities_load(dir);
	for (int i = 0; i < n; i++)
	{
		check_group(dir, partition, &groups[i]);
		pfree(groups[i].fresh);
		pfree(groups[i].left);
	}
	pfree(groups);
}

/*
 * check_statement checks the rows of a statement.
 */
static void
check_statement(TriggerData *trigdata)
{
	Relation	rel = trigdata->tg_relation;
	Relation	partition = rel->rd_rel->relkind == RELKIND_RELATION ? rel : NULL;
	Tuplestorestate *old_store = trigdata->tg_oldtable;
	Tuplestorestate *new_store = trigdata->tg_newtable;
	int64		limit = hg_batch_rows();
	HgRows		fresh = {0};
	HgRows		old = {0};
	HgColumns	columns;
	HgDirectory dir;
	TupleTableSlot *slot;
	bool		more = true;

	hg_directory_begin(&dir, RelationGetNamespace(rel));
	hg_columns_find(rel, &columns);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	hg_rewind(old_store);
	hg_rewind(new_store);
	while (more)
	{
		fresh.n = 0;
		old.n = 0;
		while (more && fresh.n < limit && old.n < limit)
		{
			bool		has_old;
			bool		has_new;

			CHECK_FOR_INTERRUPTS();
			has_old = old_store != NULL && tuplestore_gettupleslot(old_store, true, false, slot);
			if (has_old)
				hg_row_read(&dir, &columns, slot, hg_rows_add(&dir, &old));
			has_new = new_store != NULL && tuplestore_gettupleslot(new_store, true, false, slot);
			if (has_new)
				hg_row_read(&dir, &columns, slot, hg_rows_add(&dir, &fresh));
			more = has_old || has_new;
			if (has_old && has_new &&
				same_row(&old.row[old.n - 1], &fresh.row[fresh.n - 1]))
			{
				old.n--;
				fresh.n--;
			}
		}
		if (fresh.n > 0 || old.n > 0)
			check_batch(&dir, partition, &fresh, &old);
		if (more)
			hg_entities_forget(&dir);
	}
	ExecDropSingleTupleTableSlot(slot);
	hg_directory_end(&dir);
}

/*
 * hgraph_relationship_rules is the trigger.
 */
Datum
hgraph_relationship_rules(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = hg_rules_called(fcinfo, false);

	if (trigdata->tg_oldtable == NULL && trigdata->tg_newtable == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" needs transition tables",
						trigdata->tg_trigger->tgname)));
	if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ||
		!hg_restoring(trigdata->tg_relation))
		check_statement(trigdata);
	hg_deferred_statement_ends();
	return PointerGetDatum(NULL);
}
