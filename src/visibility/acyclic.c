/*-------------------------------------------------------------------------
 *
 * acyclic.c
 *	  The constraint that a graph has no cycle, enforced where no writer can
 *	  avoid it: in the insertion of index entries.
 *
 * The rule is that of exclusion constraints: append first, then look.
 *	 1. The entry is on its page.
 *	 2. The image catches up, so it has every entry appended before ours.
 *	 3. Search upward from the new edge's parent for its child.  Rows are
 *	    looked at under a dirty snapshot: committed by anyone at any time, or
 *	    pending.  Over settled rows: error.  Only over rows that another
 *	    transaction is adding or removing: wait for it, then again from 2.
 *
 * Why no cycle can be committed: take the edges of a cycle, by whatever
 * transactions, and the one whose entry was appended last.  Its check came
 * after 1, so the image of 2 had the entries of all the others.  At that time
 * each of them was committed, pending, or removed.  If one was removed for
 * good, the cycle does not exist.  Otherwise the check found the path, and
 * either failed, or waited until every edge of it was settled or one was gone,
 * and then failed or rightly passed.  A row being removed counts as pending,
 * so its removal may still roll back.  Snapshots and isolation levels do not
 * enter into it, nor does row-level security.
 *
 * If two checks wait for each other, the deadlock detector ends one, as it
 * does for exclusion constraints.
 *
 * Nearly every insertion ends sooner: a child without entries below it cannot
 * close anything, and hg_cycle_possible() asks the image alone, dead entries
 * included, whether there is any path at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "cache/auth.h"
#include "cache/cache.h"
#include "compat.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/uuid.h"
#include "visibility/acyclic.h"
#include "visibility/probe.h"

/* Longest path that is written out whole, and nodes shown of longer ones. */
#define SHOW_EDGES	10
#define SHOW_ENDS	3
/* Longest key that is written out whole. */
#define SHOW_BYTES	100

#define ARROW		" -> "
#define ARROW_UTF8	" \342\206\222 "
#define DOTS		"..."
#define DOTS_UTF8	"\342\200\246"

/* What a table's users call a node; NULL, or returns NULL: its key. */
hg_node_text_hook_type hg_node_text_hook = NULL;

/*
 * hg_key_text renders a key.
 */
char *
hg_key_text(const HgLayout *layout, const HgKey *key)
{
	switch (layout->key_kind)
	{
		case HG_KEY_INT:
			return psprintf(INT64_FORMAT, (int64) key->num);
		case HG_KEY_UUID:
			{
				pg_uuid_t	uuid;

				memcpy(uuid.data, key->bytes, UUID_LEN);
				return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&uuid)));
			}
		case HG_KEY_BYTES:
			break;
	}
	if (key->len > SHOW_BYTES)
	{
		const char *bytes = (const char *) key->bytes;
		int			shown = pg_mbcliplen(bytes, key->len, SHOW_BYTES);

		return psprintf("%.*s%s", shown, bytes,
						GetDatabaseEncoding() == PG_UTF8 ? DOTS_UTF8 : DOTS);
	}
	return pnstrdup((const char *) key->bytes, key->len);
}

/*
 * key_text renders the key of a node; or rather what the table's users call
 * it, where heap is given and a hook knows.
 */
static char *
key_text(const HgLayout *layout, Relation heap, const HgGraph *graph, uint32 node)
{
	HgKey		key = hg_graph_key(graph, node);
	char	   *text = NULL;

	if (heap != NULL && hg_node_text_hook != NULL)
		text = hg_node_text_hook(heap, &key);
	return text != NULL ? text : hg_key_text(layout, &key);
}

/*
 * hg_cycle_text writes a cycle out: child, the nodes below it down to parent, and
 * child again.  Of a long one only the ends, and how many edges it has.
 */
char *
hg_cycle_text(const HgLayout *layout, Relation heap, const HgGraph *graph,
			  uint32 child, const HgCycle *cycle)
{
	const char *arrow = GetDatabaseEncoding() == PG_UTF8 ? ARROW_UTF8 : ARROW;
	const char *dots = GetDatabaseEncoding() == PG_UTF8 ? DOTS_UTF8 : DOTS;
	uint32		edges = cycle->len + 1;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, key_text(layout, heap, graph, child));
	for (uint32 i = 0; i < cycle->len; i++)
	{
		HgEntry		e;

		if (edges > SHOW_EDGES && i == SHOW_ENDS - 1)
		{
			appendStringInfo(&text, "%s%s", arrow, dots);
			i = cycle->len - SHOW_ENDS;
		}
		hg_graph_entry(graph, cycle->entries[i], &e);
		appendStringInfo(&text, "%s%s", arrow, key_text(layout, heap, graph, e.child));
	}
	appendStringInfo(&text, "%s%s", arrow, key_text(layout, heap, graph, child));
	if (edges > SHOW_EDGES)
		appendStringInfo(&text, " (%u edges)", edges);
	return text.data;
}

/*
 * may_show: may the current user read every row that the message would name?
 */
static bool
may_show(const HgLayout *layout, Relation heap, Relation index)
{
	return check_enable_rls(RelationGetRelid(heap), InvalidOid, true) != RLS_ENABLED &&
		hg_auth_reads_keys(layout, index);
}

/*
 * may_tell_row: did all of a new row come from the current user?  Not when it is
 * another version of one that was there, of which he may have named a column
 * only; when it may have been moved from another partition, which looks as if it
 * was inserted; or when CREATE INDEX CONCURRENTLY adds a row of somebody else.
 */
static bool
may_tell_row(Relation heap, const HgItem *item)
{
	HeapTupleData tuple;
	Buffer		buffer;
	bool		inserted;

	if (heap->rd_rel->relispartition)
		return false;
	ItemPointerSet(&tuple.t_self, item->tid_block, item->tid_off);
	if (!heap_fetch(heap, SnapshotAny, &tuple, &buffer, false))
		return false;
	inserted = (tuple.t_data->t_infomask & HEAP_UPDATED) == 0 &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple.t_data));
	ReleaseBuffer(buffer);
	return inserted;
}

/*
 * report_cycle raises the error for an edge parent -> child, a new one or, where
 * there is no item, one of those that an index is being built over.
 */
static void
report_cycle(const HgLayout *layout, Relation heap, Relation index,
			 const HgGraph *graph, uint32 parent, uint32 child,
			 const HgCycle *cycle, const HgItem *item)
{
	bool		show = may_show(layout, heap, index);
	bool		tell = item != NULL && !show && may_tell_row(heap, item);

	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("cycle in graph \"%s\" of table \"%s\"",
					RelationGetRelationName(index),
					RelationGetRelationName(heap)),
			 show ?
			 (item == NULL ?
			  errdetail("The rows form the cycle %s.",
						hg_cycle_text(layout, heap, graph, child, cycle)) :
			  errdetail("The row would close the cycle %s.",
						hg_cycle_text(layout, heap, graph, child, cycle))) :
			 tell ?
			 errdetail("The row makes \"%s\" the parent of \"%s\", which is the same node or above it.",
					   key_text(layout, NULL, graph, parent),
					   key_text(layout, NULL, graph, child)) : 0,
			 errtableconstraint(heap, RelationGetRelationName(index))));
}

/*
 * check_item does the search for one new edge.  Returns true when somebody has
 * to be waited for, and has been.
 */
static bool
check_item(HgProbe *probe, const HgItem *item, uint32 parent, uint32 child,
		   MemoryContext work)
{
	HgCycle		cycle;

	hg_cycle_search(probe->graph, parent, child, item->valid_from,
					item->valid_to, hg_probe_entry, probe, work, &cycle);
	switch (cycle.result)
	{
		case HG_CYCLE_NONE:
			return false;
		case HG_CYCLE_PENDING:
			/* asked again to learn whom it is about; things may have moved on */
			if (hg_probe_entry(probe, cycle.pending) == HG_EDGE_PENDING)
				hg_probe_wait(probe);
			return true;
		case HG_CYCLE_SETTLED:
			break;
	}

	/*
	 * CREATE INDEX CONCURRENTLY also adds rows that have been deleted by now;
	 * their deletion may be what made room for the rest of the cycle.
	 */
	switch (hg_probe_tid(probe, item->tid_block, item->tid_off))
	{
		case HG_EDGE_ABSENT:
			return false;
		case HG_EDGE_PENDING:
			hg_probe_wait(probe);
			return true;
		case HG_EDGE_SETTLED:
			break;
	}
	report_cycle(probe->layout, probe->heap, probe->index, probe->graph,
				 parent, child, &cycle, item);
	return false;				/* not reached */
}

/*
 * check_closely looks at rows, again and again while others are at work.
 */
static void
check_closely(HgCached *c, Relation index, Relation heap,
			  const HgLayout *layout, const HgItem *item)
{
	volatile bool again = true;

	while (again)
	{
		MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
												   "hierarchy cycle check",
												   ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(work);
		HgGraphRef *ref = c->ref;
		HgProbe		probe;

		/* an index expression could run anything, so hold on to the graph */
		ref->refs++;
		PG_TRY();
		{
			hg_probe_begin(&probe, heap, index, layout, ref->graph);
			again = check_item(&probe, item,
							   hg_graph_lookup(ref->graph, &item->parent),
							   hg_graph_lookup(ref->graph, &item->child),
							   work);
			hg_probe_end(&probe);
		}
		PG_FINALLY();
		{
			hg_graph_ref_release(ref);
		}
		PG_END_TRY();
		MemoryContextSwitchTo(old);
		MemoryContextDelete(work);
		if (again)
			hg_cache_catch_up(c, index, true);
	}
}

/*
 * check_insert is called for every new entry, after it is on its page.
 */
static void
check_insert(Relation index, Relation heap, const HgLayout *layout,
			 const HgItem *item, IndexInfo *indexInfo)
{
	HgCached   *c;
	uint32		parent,
				child;

	if (!item->has_parent || item->valid_from >= item->valid_to)
		return;
	c = hg_cache_entry(RelationGetRelid(index));
	if (c->stale || c->filenumber != HG_REL_FILENUMBER(index))
		hg_cache_revalidate(c, index);
	hg_cache_catch_up(c, index, true);

	parent = hg_graph_lookup(c->ref->graph, &item->parent);
	child = hg_graph_lookup(c->ref->graph, &item->child);
	if (parent == HG_NONE || child == HG_NONE)
		elog(ERROR, "index \"%s\" lost an entry just added",
			 RelationGetRelationName(index));
	if (hg_cycle_possible(c->ref->graph, parent, child))
		check_closely(c, index, heap, layout, item);
}

/*
 * check_core looks for a cycle among entries that could be on one.
 *
 * CREATE INDEX CONCURRENTLY lets others write meanwhile: edges that somebody
 * is removing may stay after all, and nobody would look at them again.  So
 * they are waited for here as in an insertion.
 */
static void
check_core(HgProbe *probe, const uint32 *entries, uint32 n)
{
	for (uint32 i = 0; i < n;)
	{
		MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
												   "hierarchy cycle check",
												   ALLOCSET_DEFAULT_SIZES);
		HgEntry		e;
		HgCycle		cycle;
		HgEdgeState own = HG_EDGE_ABSENT;
		bool		again = false;

		hg_graph_entry(probe->graph, entries[i], &e);
		cycle.result = HG_CYCLE_NONE;
		if (e.valid_from < e.valid_to)
			own = hg_probe_entry(probe, entries[i]);
		if (own != HG_EDGE_ABSENT)
			hg_cycle_search(probe->graph, e.parent, e.child, e.valid_from,
							e.valid_to, hg_probe_entry, probe, work, &cycle);
		if (cycle.result == HG_CYCLE_PENDING ||
			(cycle.result == HG_CYCLE_SETTLED && own == HG_EDGE_PENDING))
		{
			uint32		entry = own == HG_EDGE_PENDING ? entries[i] : cycle.pending;

			/* asked again to learn whom it is about */
			if (hg_probe_entry(probe, entry) == HG_EDGE_PENDING)
				hg_probe_wait(probe);
			again = true;
		}
		else if (cycle.result == HG_CYCLE_SETTLED)
			report_cycle(probe->layout, probe->heap, probe->index,
						 probe->graph, e.parent, e.child, &cycle, NULL);
		MemoryContextDelete(work);
		if (!again)
			i++;
	}
}

/*
 * check_build is called when all pages of a new index are written.  Writers
 * are kept out meanwhile, or (CREATE INDEX CONCURRENTLY) will have their own
 * rows checked against all that we wrote, so what matters is cycles among the
 * rows that are there, those included that somebody is removing.
 */
static void
check_build(Relation index, Relation heap, const HgLayout *layout,
			IndexInfo *indexInfo)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "hierarchy build check",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	HgGraphRef *ref = hg_load_graph(index, layout);
	uint32	   *entries;
	uint32		n;

	MemoryContextSetParent(ref->mcxt, work);	/* gone with it, errors included */
	n = hg_cycle_core(ref->graph, work, &entries);
	if (n > 0)
	{
		HgProbe		probe;

		hg_probe_begin(&probe, heap, index, layout, ref->graph);
		check_core(&probe, entries, n);
		hg_probe_end(&probe);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

/*
 * hg_acyclic_init plugs the checks into the access method.
 */
void
hg_acyclic_init(void)
{
	hgraph_insert_check = check_insert;
	hgraph_build_check = check_build;
}
