/*-------------------------------------------------------------------------
 *
 * rules_check.c
 *	  Checking relationships against the rules of their hierarchy.
 *
 * The callers hold the locks and took the snapshot (see locks.c), and have
 * loaded the entities that the rows mention.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "directory/locks.h"
#include "directory/rules.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* What the sweep over one child's days needs to report. */
typedef struct ChildCheck
{
	HgCheck    *check;
	int64		child;
	HgStay	   *stays;
	int			n;
	const HgDayRules *rules;
	uint32		late;			/* found, and left to the end */
} ChildCheck;

/* Checking many children one after the other. */
typedef struct Sweeper
{
	HgCheck    *check;
	HgDayRules	rules;
	int		   *max_kind;		/* by type of child and of parent, or NULL */
	HgStay	   *stays;			/* room for nstays */
	int			nstays;
} Sweeper;

/*
 * hg_rules_hierarchy returns a hierarchy that rows belong to.
 */
HgHierarchy *
hg_rules_hierarchy(HgDirectory *dir, int32 id, Relation partition)
{
	HgHierarchy *hierarchy = hg_hierarchy(dir, id, partition);

	if (hierarchy == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("hierarchy %d does not exist", id),
				 errtableconstraint(hg_directory_table(dir, HG_RELATIONSHIP),
									"relationship_hierarchy_id_fkey")));
	if (hierarchy->partition == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("hierarchy \"%s\" has no partition \"relationship_%d\"",
						hierarchy->name, id),
				 errhint("Make hierarchies with create_hierarchy().")));
	return hierarchy;
}

/*
 * allowed: may an entity of this type stand under one of that?
 */
static bool
allowed(const HgHierarchy *hierarchy, int child, int parent)
{
	for (int i = 0; i < hierarchy->nrules; i++)
		if (hierarchy->rules[i].child == child && hierarchy->rules[i].parent == parent)
			return true;
	return hierarchy->nrules == 0;
}

/*
 * check_type checks the type of a relationship.
 */
static void
check_type(HgCheck *check, const HgRow *row)
{
	HgHierarchy *hierarchy = check->hierarchy;
	const char *type = check->dir->relationship_types.name[row->type];
	bool		listed = hierarchy->ntypes < 0;

	for (int i = 0; i < hierarchy->ntypes && !listed; i++)
		listed = strcmp(hierarchy->types[i], type) == 0;
	if (!hg_name_exists(check->dir, HG_RELATIONSHIP_TYPE, type, strlen(type), NULL))
		hg_report_type(check, row, true);
	else if (!listed)
		hg_report_type(check, row, false);
	else
		hierarchy->types_known = bms_add_member(hierarchy->types_known, row->type);
}

/*
 * hg_check_types checks that the child may stand under the parent.
 */
void
hg_check_types(HgCheck *check, const HgRow *row)
{
	int			child = hg_entity(check->dir, row->child)->type;
	int			parent = hg_entity(check->dir, row->parent)->type;

	if (child >= 0 && parent >= 0 && !allowed(check->hierarchy, child, parent))
		hg_report_type_rule(check, row);
}

/*
 * hg_check_row checks what a row says by itself, and its ends.
 */
void
hg_check_row(HgCheck *check, const HgRow *row)
{
	HgDirectory *dir = check->dir;
	HgHierarchy *hierarchy = check->hierarchy;
	HgEntity	child = *hg_entity(dir, row->child);
	HgEntity	parent = *hg_entity(dir, row->parent);

	if (child.state == HG_ENTITY_MISSING)
		hg_report_missing(check, row, false);
	if (parent.state == HG_ENTITY_MISSING)
		hg_report_missing(check, row, true);
	if (row->to > dir->today)
	{
		if (child.state == HG_ENTITY_INACTIVE)
			hg_report_inactive(check, row, row->child);
		if (parent.state == HG_ENTITY_INACTIVE)
			hg_report_inactive(check, row, row->parent);
	}
	hg_check_types(check, row);
	if (row->type >= 0 && !bms_is_member(row->type, hierarchy->types_known))
		check_type(check, row);
	if (row->from < hierarchy->from || row->to > hierarchy->to)
		hg_report_validity(check, row);
	if (hierarchy->share_mode == HG_SHARES_NONE && row->share != HG_SHARE_UNSTATED)
		hg_report_share_mode(check, row);
}

/*
 * sweep_found is called for what is wrong with a child.
 */
static bool
sweep_found(void *arg, const HgFinding *finding)
{
	ChildCheck *c = arg;
	uint32		bit = HG_BREACH_BIT(finding->breach);
	int			max = 0;

	if (c->check->postpone && (bit & HG_BREACHES_LATE))
	{
		c->late |= bit;
		return true;
	}
	if (finding->breach == HG_BREACH_MAX_PARENTS)
		max = c->rules->max_parents;
	else if (finding->breach == HG_BREACH_MAX_KIND)
		max = c->rules->max_kind[finding->kind];
	hg_report_finding(c->check, c->child, c->stays, c->n, finding, max);
	return true;
}

/*
 * sweeper_begin prepares to look at children; all entities are loaded that it
 * may have to know.
 */
static void
sweeper_begin(Sweeper *sweeper, HgCheck *check, uint32 wanted)
{
	HgHierarchy *hierarchy = check->hierarchy;
	int			ntypes = check->dir->types.n;

	if (!hierarchy->kind_limits)
		wanted &= ~HG_BREACH_BIT(HG_BREACH_MAX_KIND);
	if (hierarchy->max_parents == 0)
		wanted &= ~HG_BREACH_BIT(HG_BREACH_MAX_PARENTS);
	if (!hierarchy->require_primary)
		wanted &= ~HG_BREACH_BIT(HG_BREACH_NO_PRIMARY);
	if (hierarchy->share_mode != HG_SHARES_SPLIT)
		wanted &= ~HG_BREACH_BIT(HG_BREACH_SHARES);

	memset(sweeper, 0, sizeof(Sweeper));
	sweeper->check = check;
	sweeper->rules.wanted = wanted;
	sweeper->rules.max_parents = hierarchy->max_parents;
	sweeper->rules.nkinds = ntypes;
	sweeper->nstays = 16;
	sweeper->stays = palloc(sizeof(HgStay) * sweeper->nstays);
	if (wanted & HG_BREACH_BIT(HG_BREACH_MAX_KIND))
	{
		sweeper->max_kind = palloc0(sizeof(int) * ntypes * ntypes);
		for (int i = 0; i < hierarchy->nrules; i++)
		{
			HgTypeRule *rule = &hierarchy->rules[i];

			sweeper->max_kind[rule->child * ntypes + rule->parent] = rule->max_parents;
		}
	}
}

/*
 * sweeper_child looks at one child, whose rows are chained from a first one.
 */
static void
sweeper_child(Sweeper *sweeper, int64 child, const HgRow *rows, int32 first)
{
	HgCheck    *check = sweeper->check;
	bool		by_kind = sweeper->max_kind != NULL;
	HgDayRules	rules = sweeper->rules;
	ChildCheck	c = {check, child, NULL, 0, &rules, 0};
	int			n = 0;

	for (int32 i = first; i >= 0; i = rows[i].next)
	{
		const HgRow *row = &rows[i];
		HgStay	   *stay;

		if (n == sweeper->nstays)
		{
			sweeper->nstays *= 2;
			sweeper->stays = repalloc_huge(sweeper->stays,
										   sizeof(HgStay) * sweeper->nstays);
		}
		stay = &sweeper->stays[n++];
		stay->parent = row->parent;
		stay->share = row->share;
		stay->from = row->from;
		stay->to = row->to;
		stay->primary = row->primary;
		stay->kind = by_kind ? Max(hg_entity(check->dir, row->parent)->type, 0) : 0;
	}
	if (n == 0)
		return;
	if (by_kind)
	{
		int			type = hg_entity(check->dir, child)->type;

		if (type >= 0)
			rules.max_kind = &sweeper->max_kind[(Size) type * rules.nkinds];
		else
			rules.wanted &= ~HG_BREACH_BIT(HG_BREACH_MAX_KIND);
	}
	c.stays = sweeper->stays;
	c.n = n;
	hg_days_sweep(sweeper->stays, n, &rules, sweep_found, &c);
	if (c.late != 0)
		hg_deferred_note(check->dir->schema, check->hierarchy->id, child, c.late);
}

/*
 * load_ends looks up the entities that rows mention, without locking them.
 */
static void
load_ends(HgDirectory *dir, const HgRows *rows)
{
	for (int64 i = 0; i < rows->n; i++)
	{
		hg_entity_want(dir, rows->row[i].child);
		hg_entity_want(dir, rows->row[i].parent);
	}
	hg_entities_load(dir);
}

/*
 * hg_check_children checks children day by day.
 */
void
hg_check_children(HgCheck *check, const int64 *ids, int64 n, uint32 wanted)
{
	HgChildren	children;
	Sweeper		sweeper;

	sweeper_begin(&sweeper, check, wanted);
	if (sweeper.rules.wanted == 0 || n == 0)
		return;
	hg_children_read(check->dir, check->hierarchy, ids, n, &children);
	if (sweeper.max_kind != NULL)
	{
		load_ends(check->dir, &children.rows);
		sweeper_begin(&sweeper, check, wanted); /* there may be more types now */
	}
	for (int64 i = 0; i < n; i++)
		sweeper_child(&sweeper, ids[i], children.rows.row, children.head[i]);
	hg_children_free(&children);
}

/*
 * hg_check_all checks children with all their rows.
 */
void
hg_check_all(HgCheck *check, HgChildren *children)
{
	Sweeper		sweeper;

	load_ends(check->dir, &children->rows);
	for (int64 i = 0; i < children->rows.n; i++)
		hg_check_row(check, &children->rows.row[i]);
	sweeper_begin(&sweeper, check, HG_BREACHES_ALL);
	for (int64 i = 0; i < children->n; i++)
		sweeper_child(&sweeper, children->ids[i], children->rows.row, children->head[i]);
}

/*
 * hg_check_hierarchy checks all children, a batch after the other in the order
 * of the primary key.
 */
void
hg_check_hierarchy(HgCheck *check)
{
	HgDirectory *dir = check->dir;
	HgHierarchy *hierarchy = check->hierarchy;
	int64		limit = hg_batch_rows();
	int64	   *ids = MemoryContextAllocHuge(dir->mcxt, sizeof(int64) * limit);
	HgChildren	children = {0};
	HgScan		scan;
	bool		more;

	children.ids = ids;
	children.head = MemoryContextAllocHuge(dir->mcxt, sizeof(int32) * limit);
	hg_scan_begin(&scan, dir, hierarchy->partition,
				  hg_primary_key(hierarchy->partition, hierarchy->columns.child), 0);
	hg_scan_all(&scan);
	do
	{
		HgRow		row;

		CHECK_FOR_INTERRUPTS();
		more = hg_scan_next(&scan);
		if (more)
			hg_row_read(dir, &hierarchy->columns, scan.slot, &row);
		if (!more || (children.rows.n >= limit - 1 &&
					  row.child != ids[children.n - 1]))
		{
			hg_check_all(check, &children);
			hg_entities_forget(dir);
			children.n = 0;
			children.rows.n = 0;
		}
		if (!more)
			break;
		if (children.n == 0 || row.child != ids[children.n - 1])
		{
			children.head[children.n] = -1;
			ids[children.n++] = row.child;
		}
		row.next = children.head[children.n - 1];
		children.head[children.n - 1] = (int32) children.rows.n;
		*hg_rows_add(dir, &children.rows) = row;
	} while (more);
	hg_scan_end(&scan);
}
