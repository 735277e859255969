/*-------------------------------------------------------------------------
 *
 * deferred.c
 *	  Rules that a transaction may break on its way: shares that sum to 1, and
 *	  a primary parent where one is required.
 *
 * The check after a statement looks at these, too, and notes the children that
 * break them (hg_deferred_note).  A child that keeps them needs no second look:
 * we hold its lock, and a later statement of our own will check again.  So most
 * transactions have nothing noted.
 *
 * What is noted is looked at again when PostgreSQL says so: by two constraint
 * triggers of each partition, one a rule, so that SET CONSTRAINTS knows them.
 * (The table hierarchy has them, too: new settings can break these rules.)
 * Their WHEN condition (hgraph_rules_wanted) is true for the first row of a
 * statement only, so one event stands for the statement.
 *	- Deferred: it fires when the transaction ends, or when SET CONSTRAINTS makes
 *	  it immediate.  All that is noted is checked.
 *	- Immediate: it fires at the end of its statement, before the triggers that
 *	  will note the statement's children (one of them, or three for MERGE).  So it
 *	  leaves word that these should check what they noted, which stands until the
 *	  next statement begins.
 * Whatever the events were, what is still noted is checked right before the
 * transaction commits, or is prepared.
 *
 * Subtransactions: what is noted, and what has been checked since, carries the
 * subtransaction that did it.  If that is rolled back, notes of its own go, and
 * checks of its own count no longer; PostgreSQL does the same with events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "compat.h"
#include "directory/locks.h"
#include "directory/restore.h"
#include "directory/rules.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/memutils.h"

HG_FUNCTION_INFO_V1(hgraph_rules_wanted);
HG_FUNCTION_INFO_V1(hgraph_relationship_late);

#define NRULES	2				/* HG_BREACHES_LATE */

static const uint32 rule_breach[NRULES] = {
	HG_BREACH_BIT(HG_BREACH_SHARES),
	HG_BREACH_BIT(HG_BREACH_NO_PRIMARY),
};

/* A child that may break a rule. */
typedef struct Note
{
	Oid			schema;
	int32		hierarchy;
	int64		child;
	SubTransactionId added;		/* by */
	SubTransactionId checked[NRULES];	/* by; invalid: not yet */
} Note;

/* In the order in which they came, so those of a subtransaction are last. */
static Note *notes = NULL;
static int64 nnotes = 0;
static int64 size_notes = 0;
static bool checked_within = false; /* has a subtransaction checked any? */

/* Breaches whose event the statement under way has, and those of which an event
 * said that they are immediate. */
static uint32 queued = 0;
static uint32 immediate = 0;
static SubTransactionId queued_by = InvalidSubTransactionId;

/*
 * hg_deferred_note remembers a child.
 */
void
hg_deferred_note(Oid schema, int32 hierarchy, int64 child, uint32 breaches)
{
	Note	   *note;

	if (nnotes == size_notes)
	{
		size_notes = Max(size_notes * 2, 64);
		if (notes == NULL)
			notes = MemoryContextAlloc(TopTransactionContext, sizeof(Note) * size_notes);
		else
			notes = repalloc_huge(notes, sizeof(Note) * size_notes);
	}
	note = &notes[nnotes++];
	note->schema = schema;
	note->hierarchy = hierarchy;
	note->child = child;
	note->added = GetCurrentSubTransactionId();
	for (int i = 0; i < NRULES; i++)
		note->checked[i] = (breaches & rule_breach[i]) != 0 ?
			InvalidSubTransactionId : note->added;
}

/*
 * compare_notes orders by schema, hierarchy and child.
 */
static int
compare_notes(const void *a, const void *b)
{
	const Note *x = a;
	const Note *y = b;

	if (x->schema != y->schema)
		return x->schema < y->schema ? -1 : 1;
	if (x->hierarchy != y->hierarchy)
		return x->hierarchy < y->hierarchy ? -1 : 1;
	return (x->child > y->child) - (x->child < y->child);
}

/*
 * check_group checks notes of one hierarchy.
 */
static void
check_group(const Note *group, int64 n, uint32 breaches)
{
	HgDirectory dir;
	HgCheck		check = {0};
	int64	   *ids;
	int64		limit = hg_batch_rows();

	hg_directory_begin(&dir, group->schema);
	hg_directory_look(&dir);
	check.dir = &dir;
	check.hierarchy = hg_hierarchy(&dir, group->hierarchy, NULL);
	/* without its partition it has no relationships */
	if (check.hierarchy != NULL && check.hierarchy->partition != NULL)
	{
		ids = MemoryContextAllocHuge(dir.mcxt, sizeof(int64) * n);
		for (int64 i = 0; i < n; i++)
			ids[i] = group[i].child;
		n = hg_sort_ids(ids, n);
		for (int64 i = 0; i < n; i += limit)
			hg_check_children(&check, ids + i, Min(limit, n - i), breaches);
	}
	hg_directory_end(&dir);
}

/*
 * forget_settled drops notes that nothing can bring back: all checks were made
 * by the subtransaction that noted them.
 */
static void
forget_settled(void)
{
	int64		kept = 0;

	for (int64 i = 0; i < nnotes; i++)
	{
		bool		settled = true;

		for (int r = 0; r < NRULES; r++)
			if (notes[i].checked[r] != notes[i].added)
				settled = false;
		if (!settled)
			notes[kept++] = notes[i];
	}
	nnotes = kept;
}

/*
 * check_notes checks what is noted and not yet checked for some rules.
 */
static void
check_notes(uint32 breaches)
{
	SubTransactionId me = GetCurrentSubTransactionId();
	MemoryContext work;
	MemoryContext old;

	for (int r = 0; r < NRULES && nnotes > 0; r++)
	{
		Note	   *unchecked;
		int64		n = 0;

		if ((breaches & rule_breach[r]) == 0)
			continue;
		work = AllocSetContextCreate(CurrentMemoryContext, "hierarchy late checks",
									 ALLOCSET_DEFAULT_SIZES);
		old = MemoryContextSwitchTo(work);
		unchecked = MemoryContextAllocHuge(work, sizeof(Note) * nnotes);
		for (int64 i = 0; i < nnotes; i++)
			if (notes[i].checked[r] == InvalidSubTransactionId)
				unchecked[n++] = notes[i];
		qsort(unchecked, n, sizeof(Note), compare_notes);
		for (int64 i = 0, end; i < n; i = end)
		{
			for (end = i + 1; end < n; end++)
				if (unchecked[end].schema != unchecked[i].schema ||
					unchecked[end].hierarchy != unchecked[i].hierarchy)
					break;
			check_group(&unchecked[i], end - i, rule_breach[r]);
		}
		MemoryContextSwitchTo(old);
		MemoryContextDelete(work);

		/* all is well, or we would not be here */
		for (int64 i = 0; i < nnotes; i++)
			if (notes[i].checked[r] == InvalidSubTransactionId)
			{
				notes[i].checked[r] = me;
				if (notes[i].added != me)
					checked_within = true;
			}
	}
	forget_settled();
}

/*
 * hgraph_rules_wanted is the condition of the constraint triggers: it lets the
 * first row of a statement through.
 */
Datum
hgraph_rules_wanted(PG_FUNCTION_ARGS)
{
	uint32		breach = rule_breach[PG_GETARG_INT32(0) == 0 ? 0 : 1];

	if (queued & breach)
		PG_RETURN_BOOL(false);
	queued |= breach;
	queued_by = GetCurrentSubTransactionId();
	immediate &= ~breach;		/* may have been set otherwise since */
	PG_RETURN_BOOL(true);
}

/*
 * hgraph_relationship_late is the constraint trigger.
 */
Datum
hgraph_relationship_late(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = hg_rules_called(fcinfo, true);
	uint32		breach;

	if (trigdata->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" needs one argument", trigdata->tg_trigger->tgname)));
	breach = rule_breach[strcmp(trigdata->tg_trigger->tgargs[0], "share_sum") == 0 ? 0 : 1];
	if (queued & breach)
		immediate |= breach;	/* the statement is not over */
	else
		check_notes(breach);
	return PointerGetDatum(NULL);
}

/*
 * hg_deferred_statement_ends is called when a statement's children are noted.
 */
void
hg_deferred_statement_ends(void)
{
	queued = 0;
	if (immediate != 0)
		check_notes(immediate);
}

/*
 * forget_all is for the end of a transaction, which frees the notes.
 */
static void
forget_all(void)
{
	notes = NULL;
	nnotes = 0;
	size_notes = 0;
	checked_within = false;
	queued = 0;
	immediate = 0;
}

/*
 * at_xact is called when transactions end.
 */
static void
at_xact(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			queued = 0;
			immediate = 0;
			if (nnotes > 0)
				check_notes(HG_BREACHES_LATE);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget_all();
			hg_locks_at_end();
			break;
		default:
			break;
	}
}

/*
 * sub_commits hands what a subtransaction did to its parent.
 */
static void
sub_commits(SubTransactionId sub, SubTransactionId parent)
{
	for (int64 i = nnotes - 1; i >= 0 && (notes[i].added == sub || checked_within); i--)
	{
		if (notes[i].added == sub)
			notes[i].added = parent;
		for (int r = 0; r < NRULES; r++)
			if (notes[i].checked[r] == sub)
				notes[i].checked[r] = parent;
	}
	if (queued_by == sub)
		queued_by = parent;
}

/*
 * sub_aborts undoes what a subtransaction did.
 */
static void
sub_aborts(SubTransactionId sub)
{
	while (nnotes > 0 && notes[nnotes - 1].added == sub)
		nnotes--;
	if (checked_within)
		for (int64 i = 0; i < nnotes; i++)
			for (int r = 0; r < NRULES; r++)
				if (notes[i].checked[r] == sub)
					notes[i].checked[r] = InvalidSubTransactionId;
	if (queued_by == sub)
	{
		queued = 0;
		immediate = 0;
	}
}

/*
 * at_subxact is called when subtransactions end.
 */
static void
at_subxact(SubXactEvent event, SubTransactionId sub, SubTransactionId parent,
		   void *arg)
{
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		sub_commits(sub, parent);
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		sub_aborts(sub);
}

/*
 * hg_deferred_init asks to be called when transactions end.
 */
void
hg_deferred_init(void)
{
	RegisterXactCallback(at_xact, NULL);
	RegisterSubXactCallback(at_subxact, NULL);
}
