/*-------------------------------------------------------------------------
 *
 * rules_entity.c
 *	  The trigger that watches what happens to entities in relationships.
 *
 * An entity that goes, is no longer active, or gets another type is locked, and
 * its relationships are looked at in every hierarchy: those in which it is the
 * child through the primary key, those in which it is the parent through the
 * graph.
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
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

HG_FUNCTION_INFO_V1(hgraph_entity_rules);

/* What a statement did to entities. */
typedef struct Changed
{
	int64	   *gone;			/* deleted, or another id */
	int64		ngone;
	int64	   *idle;			/* no longer active */
	int64		nidle;
	int64	   *retyped;
	int64		nretyped;
	int64	   *target;			/* of new mergers */
	int64		ntarget;
	int64		size;			/* of each */
} Changed;

/* What the trigger reads of an entity. */
typedef struct EntityRow
{
	int64		id;
	char	   *type;
	char	   *code;
	bool		active;
	bool		merged;
	int64		into;			/* if merged */
} EntityRow;

/*
 * read_entity reads a row of a transition table; what it returns lasts until
 * the context is reset.
 */
static void
read_entity(Relation rel, TupleTableSlot *slot, EntityRow *row)
{
	bool		isnull;
	char	   *status;

	row->id = DatumGetInt64(hg_value(slot, hg_column(rel, "entity_id")));
	row->type = TextDatumGetCString(hg_value(slot, hg_column(rel, "entity_type")));
	row->code = TextDatumGetCString(hg_value(slot, hg_column(rel, "code")));
	status = TextDatumGetCString(hg_value(slot, hg_column(rel, "status")));
	row->active = strcmp(status, "active") == 0;
	row->into = DatumGetInt64(slot_getattr(slot, hg_column(rel, "merged_into"), &isnull));
	row->merged = !isnull;
}

/*
 * make_room makes room for one more of each.
 */
static void
make_room(HgDirectory *dir, Changed *changed)
{
	if (changed->ngone < changed->size && changed->nidle < changed->size &&
		changed->nretyped < changed->size && changed->ntarget < changed->size)
		return;
	if (changed->size == 0)
	{
		changed->size = 16;
		changed->gone = MemoryContextAlloc(dir->mcxt, sizeof(int64) * changed->size);
		changed->idle = MemoryContextAlloc(dir->mcxt, sizeof(int64) * changed->size);
		changed->retyped = MemoryContextAlloc(dir->mcxt, sizeof(int64) * changed->size);
		changed->target = MemoryContextAlloc(dir->mcxt, sizeof(int64) * changed->size);
		return;
	}
	changed->size *= 2;
	changed->gone = repalloc_huge(changed->gone, sizeof(int64) * changed->size);
	changed->idle = repalloc_huge(changed->idle, sizeof(int64) * changed->size);
	changed->retyped = repalloc_huge(changed->retyped, sizeof(int64) * changed->size);
	changed->target = repalloc_huge(changed->target, sizeof(int64) * changed->size);
}

/*
 * compare_rows notes what is different between an entity before and after;
 * either may be NULL.
 */
static void
compare_rows(Changed *changed, const EntityRow *before, const EntityRow *after)
{
	if (after != NULL && after->merged &&
		(before == NULL || !before->merged || before->into != after->into))
		changed->target[changed->ntarget++] = after->into;
	if (before == NULL)
		return;
	if (after == NULL || after->id != before->id)
		changed->gone[changed->ngone++] = before->id;
	if (after == NULL)
		return;
	if (before->active && !after->active)
		changed->idle[changed->nidle++] = after->id;
	if (strcmp(before->type, after->type) != 0)
		changed->retyped[changed->nretyped++] = after->id;
}

/*
 * next_entity reads the next row of a transition table, if there is one.  What
 * it is made of is palloc'd in work; the slot keeps the row itself.
 */
static bool
next_entity(Relation rel, Tuplestorestate *store, TupleTableSlot *slot,
			EntityRow *row, MemoryContext work)
{
	MemoryContext old;

	if (store == NULL || !tuplestore_gettupleslot(store, true, false, slot))
		return false;
	old = MemoryContextSwitchTo(work);
	read_entity(rel, slot, row);
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * collect reads the transition tables.
 */
static void
collect(HgDirectory *dir, TriggerData *trigdata, Changed *changed)
{
	Relation	rel = trigdata->tg_relation;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	MemoryContext work = AllocSetContextCreate(dir->mcxt, "hierarchy entity rows",
											   ALLOCSET_SMALL_SIZES);
	bool		more = true;

	hg_rewind(trigdata->tg_oldtable);
	hg_rewind(trigdata->tg_newtable);
	while (more)
	{
		EntityRow	before;
		EntityRow	after;
		bool		has_before;
		bool		has_after;

		CHECK_FOR_INTERRUPTS();
		has_before = next_entity(rel, trigdata->tg_oldtable, slot, &before, work);
		has_after = next_entity(rel, trigdata->tg_newtable, slot, &after, work);
		more = has_before || has_after;
		make_room(dir, changed);
		compare_rows(changed, has_before ? &before : NULL, has_after ? &after : NULL);
		MemoryContextReset(work);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * label_of calls an entity as it was called before the statement, which may
 * have deleted it.
 */
static char *
label_of(HgDirectory *dir, TriggerData *trigdata, int64 id)
{
	Relation	rel = trigdata->tg_relation;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	char	   *label = NULL;

	hg_rewind(trigdata->tg_oldtable);
	while (label == NULL && hg_may_show(dir) &&
		   tuplestore_gettupleslot(trigdata->tg_oldtable, true, false, slot))
	{
		EntityRow	row;

		read_entity(rel, slot, &row);
		if (row.id == id)
			label = psprintf("%s \"%s\"", row.type, row.code);
	}
	ExecDropSingleTupleTableSlot(slot);
	return label != NULL ? label : hg_entity_label(dir, id);
}

/*
 * report_used: an entity is mentioned by a relationship, and must not be.
 */
static void
report_used(HgDirectory *dir, TriggerData *trigdata, HgHierarchy *hierarchy,
			const HgRow *row, int64 id, bool gone)
{
	bool		as_parent = row->parent == id;
	char	   *label = label_of(dir, trigdata, id);
	char	   *other = NULL;

	if (hg_may_show(dir))
		other = psprintf("%s: %s %s in hierarchy \"%s\".",
						 hg_days_text(row->from, row->to),
						 as_parent ? "above" : "under",
						 hg_entity_label(dir, as_parent ? row->child : row->parent),
						 hierarchy->name);
	if (gone)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("%s still has relationships", label),
				 other != NULL ? errdetail_internal("%s", other) : 0,
				 errhint("Make it inactive instead, or delete its relationships first."),
				 errtableconstraint(hierarchy->partition, as_parent ?
									"relationship_parent_id_fkey" :
									"relationship_child_id_fkey")));
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("%s still has relationships that are not over", label),
			 other != NULL ? errdetail_internal("%s", other) : 0,
			 errhint("End them first, or merge the entity into another one."),
			 errtableconstraint(trigdata->tg_relation, "entity_active_check")));
}

/*
 * contains: is an id among others, which are sorted?
 */
static bool
contains(const int64 *ids, int64 n, int64 id)
{
	return bsearch(&id, ids, n, sizeof(int64), hg_compare_ids) != NULL;
}

/*
 * forbid makes sure that no relationship mentions any of the entities; if they
 * are not gone, none that is not over.
 */
static void
forbid(HgDirectory *dir, TriggerData *trigdata, HgHierarchy *hierarchy,
	   int64 *ids, int64 n, bool gone)
{
	HgChildren	children;
	int64	   *child;
	int64		nchildren;

	if (n == 0)
		return;
	nchildren = hg_children_of(dir, hierarchy, ids, n, &child);
	hg_children_read(dir, hierarchy, child, nchildren, &children);
	for (int64 i = 0; i < children.rows.n; i++)
	{
		const HgRow *row = &children.rows.row[i];

		for (int end = 0; end < 2; end++)
		{
			int64		id = end == 0 ? row->child : row->parent;
			HgEntityState state;

			if (!contains(ids, n, id))
				continue;
			/* the statement may have done several things to it */
			state = hg_entity(dir, id)->state;
			if (gone ? state == HG_ENTITY_MISSING :
				state == HG_ENTITY_INACTIVE && row->to > dir->today)
				report_used(dir, trigdata, hierarchy, row, id, gone);
		}
	}
	hg_children_free(&children);
	pfree(child);
}

/*
 * check_types checks the relationships of entities that have another type now.
 */
static void
check_types(HgDirectory *dir, HgHierarchy *hierarchy, int64 *ids, int64 n)
{
	HgCheck		check = {0};
	HgChildren	children;
	int64	   *child;
	int64		nchildren;

	nchildren = hg_children_of(dir, hierarchy, ids, n, &child);
	hg_lock_children(hierarchy->id, child, nchildren);
	hg_directory_look(dir);
	hg_children_read(dir, hierarchy, child, nchildren, &children);
	check.dir = dir;
	check.hierarchy = hierarchy;
	check.postpone = true;
	for (int64 i = 0; i < children.rows.n; i++)
	{
		const HgRow *row = &children.rows.row[i];

		if (contains(ids, n, row->child) || contains(ids, n, row->parent))
		{
			hg_entity_want(dir, row->child);
			hg_entity_want(dir, row->parent);
			hg_entities_load(dir);
			hg_check_types(&check, row);
		}
	}
	hg_children_free(&children);
	hg_check_children(&check, child, nchildren, HG_BREACH_BIT(HG_BREACH_MAX_KIND));
	pfree(child);
}

/*
 * check_targets makes sure that what entities are merged into exists.
 */
static void
check_targets(HgDirectory *dir, Relation rel, const int64 *ids, int64 n)
{
	for (int64 i = 0; i < n; i++)
		if (hg_entity(dir, ids[i])->state == HG_ENTITY_MISSING)
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("entity " INT64_FORMAT " does not exist", ids[i]),
					 errdetail("Another one would be merged into it."),
					 errtableconstraint(rel, "entity_merged_into_fkey")));
}

/*
 * merged_into is what an entity was merged into, 0 if it was not (no id is
 * looked up twice: 0 as an id would end the search early, nothing else).
 */
static int64
merged_into(HgScan *scan, AttrNumber attno, int64 id)
{
	int64		into = 0;

	hg_scan_int8(scan, id);
	while (hg_scan_next(scan))
	{
		bool		isnull;
		Datum		value = slot_getattr(scan->slot, attno, &isnull);

		if (!isnull)
			into = DatumGetInt64(value);
	}
	return into;
}

/*
 * check_chains makes sure that no entity is merged into itself, however many
 * others lie between (Brent's search for a cycle: the mark moves up to where we
 * are after 1, 2, 4 ... steps).  Two sessions that close a cycle together lock
 * the same entity, and the second sees what the first has done.
 */
static void
check_chains(HgDirectory *dir, TriggerData *trigdata, const int64 *ids, int64 n)
{
	Relation	rel = hg_directory_table(dir, HG_ENTITY);
	AttrNumber	into = hg_column(rel, "merged_into");
	HgScan		scan;

	if (n == 0)
		return;
	hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, hg_column(rel, "entity_id")), 1);
	for (int64 i = 0; i < n; i++)
	{
		int64		mark = ids[i];
		int64		id = merged_into(&scan, into, mark);
		int64		steps = 0;
		int64		limit = 1;

		while (id != 0 && id != mark)
		{
			CHECK_FOR_INTERRUPTS();
			if (++steps == limit)
			{
				mark = id;
				steps = 0;
				limit *= 2;
			}
			id = merged_into(&scan, into, id);
		}
		if (id != 0)
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("%s would be merged into itself", label_of(dir, trigdata, id)),
					 errdetail("What it is merged into is, in the end, merged into it."),
					 errhint("Merge into an entity that is active."),
					 errtableconstraint(rel, "entity_merged_into_check")));
	}
	hg_scan_end(&scan);
}

/*
 * check_not_target makes sure that nothing was merged into entities that are
 * gone.
 */
static void
check_not_target(HgDirectory *dir, TriggerData *trigdata, const int64 *ids, int64 n)
{
	Relation	rel = hg_directory_table(dir, HG_ENTITY);
	AttrNumber	id_attno = hg_column(rel, "entity_id");
	Oid			index = get_relname_relid("entity_merged_into_idx", dir->schema);
	HgScan		scan;

	if (n == 0)
		return;
	if (!OidIsValid(index))
		elog(ERROR, "index \"entity_merged_into_idx\" does not exist");
	hg_scan_begin(&scan, dir, rel, index, 1);
	if (scan.index->rd_index->indrelid != RelationGetRelid(rel) ||
		scan.index->rd_index->indkey.values[0] != hg_column(rel, "merged_into"))
		elog(ERROR, "index \"entity_merged_into_idx\" is not what it was");
	for (int64 i = 0; i < n; i++)
	{
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		if (hg_entity(dir, ids[i])->state != HG_ENTITY_MISSING)
			continue;
		hg_scan_int8(&scan, ids[i]);
		if (hg_scan_next(&scan))
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("%s has others merged into it", label_of(dir, trigdata, ids[i])),
					 hg_may_show(dir) ?
					 errdetail("One of them is %s.",
							   hg_entity_label(dir, DatumGetInt64(slot_getattr(scan.slot, id_attno, &isnull)))) : 0,
					 errtableconstraint(rel, "entity_merged_into_fkey")));
	}
	hg_scan_end(&scan);
}

/*
 * append adds ids to others.
 */
static int64
append(int64 *ids, int64 n, const int64 *more, int64 nmore)
{
	memcpy(ids + n, more, sizeof(int64) * nmore);
	return n + nmore;
}

/*
 * check_statement checks what a statement did to entities.
 */
static void
check_statement(HgDirectory *dir, TriggerData *trigdata)
{
	Changed		changed = {0};
	List	   *hierarchies;
	ListCell   *lc;
	int64	   *all;
	int64		n = 0;

	collect(dir, trigdata, &changed);
	if (changed.ngone + changed.nidle + changed.nretyped + changed.ntarget == 0)
		return;
	changed.ngone = hg_sort_ids(changed.gone, changed.ngone);
	changed.nidle = hg_sort_ids(changed.idle, changed.nidle);
	changed.nretyped = hg_sort_ids(changed.retyped, changed.nretyped);
	changed.ntarget = hg_sort_ids(changed.target, changed.ntarget);

	/* what changes, locked for that; what is merged into, for being mentioned */
	all = MemoryContextAllocHuge(dir->mcxt, sizeof(int64) * 4 * changed.size);
	n = append(all, n, changed.gone, changed.ngone);
	n = append(all, n, changed.idle, changed.nidle);
	n = append(all, n, changed.retyped, changed.nretyped);
	n = hg_sort_ids(all, n);
	hg_lock_entities(all, n, true);
	hg_lock_entities(changed.target, changed.ntarget, false);
	n = append(all, n, changed.target, changed.ntarget);

	hg_directory_look(dir);
	for (int64 i = 0; i < n; i++)
		hg_entity_want(dir, all[i]);
	hg_entities_load(dir);
	check_targets(dir, trigdata->tg_relation, changed.target, changed.ntarget);
	check_chains(dir, trigdata, changed.target, changed.ntarget);
	check_not_target(dir, trigdata, changed.gone, changed.ngone);
	if (changed.ngone + changed.nidle + changed.nretyped == 0)
		return;
	hierarchies = hg_hierarchies(dir);
	foreach(lc, hierarchies)
	{
		forbid(dir, trigdata, lfirst(lc), changed.gone, changed.ngone, true);
		forbid(dir, trigdata, lfirst(lc), changed.idle, changed.nidle, false);
	}
	if (changed.nretyped > 0)
		foreach(lc, hierarchies)
			check_types(dir, lfirst(lc), changed.retyped, changed.nretyped);
}

/*
 * check_truncated makes sure that no relationship is left without entities.
 */
static void
check_truncated(HgDirectory *dir, Relation rel)
{
	ListCell   *lc;

	hg_lock_all_entities(true);
	hg_directory_look(dir);
	foreach(lc, hg_hierarchies(dir))
	{
		HgHierarchy *hierarchy = lfirst(lc);

		if (!hg_partition_empty(dir, hierarchy))
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("cannot truncate table \"%s\": hierarchy \"%s\" has relationships",
							RelationGetRelationName(rel), hierarchy->name),
					 errhint("Truncate table \"relationship\" at the same time."),
					 errtableconstraint(hierarchy->partition, "relationship_child_id_fkey")));
	}
}

/*
 * hgraph_entity_rules is the trigger.
 */
Datum
hgraph_entity_rules(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = hg_rules_called(fcinfo, false);
	HgDirectory dir;

	hg_directory_begin(&dir, RelationGetNamespace(trigdata->tg_relation));
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		check_truncated(&dir, trigdata->tg_relation);
	else if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ||
			 !hg_restoring(trigdata->tg_relation))
		check_statement(&dir, trigdata);
	hg_directory_end(&dir);
	return PointerGetDatum(NULL);
}
