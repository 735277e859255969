/*-------------------------------------------------------------------------
 *
 * query.h
 *	  Opening a graph for one query: permission, image in step with the index,
 *	  visibility of the active snapshot.  This is all that the layers above
 *	  (functions, rollup, planner) know of cache and visibility.
 *
 * Use:
 *		HgQuery q;
 *		hg_query_open(&q, index_oid, &filter);
 *		... walks over &q.view ...
 *		hg_query_close(&q);
 *
 * Opening again under the same snapshot costs well under a microsecond, so a
 * scalar function opens and closes in every call.  A set-returning function
 * keeps its query open from its first row to its last; the graph that it
 * looks at stays as it is meanwhile, whatever else this backend does.  After
 * an error nothing needs closing: what is still open at the end of the
 * transaction is released then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_QUERY_H
#define HGRAPH_QUERY_H

#include "am/am.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/snapshot.h"

/* The common optional arguments of the SQL functions, as given. */
typedef struct HgFilterArgs
{
	bool		as_of_null;
	DateADT		as_of;
	bool		primary_only;
	ArrayType  *labels;			/* int4[], NULL when not given */
} HgFilterArgs;

typedef struct HgQuery
{
	HgView		view;			/* what the graph core walks over */
	const HgLayout *layout;		/* key type and so on; roles whose columns the
								 * caller may not read are masked out */
	HgLayout	own_layout;		/* behind layout */
	struct HgPin *pin;			/* private to query.c: what is held open, */
	uint64		pin_id;			/* and that it is still ours */
	Snapshot	snapshot;
	int32	   *labels;			/* palloc'd, view.filter points to it */
} HgQuery;

/*
 * Opens index_oid (already known to be an hgraph index, or not: everything is
 * checked again here) for the active snapshot and the current user.  args may
 * be NULL: no filter but today's date.  *q must stay where it is while open.
 * Errors: 42501 no permission, 55000 invalid index or role that the graph
 * lacks, XX002 corrupted index.
 */
extern void hg_query_open(HgQuery *q, Oid index_oid, const HgFilterArgs *args);
extern void hg_query_close(HgQuery *q);

/*
 * Raises an error unless the graph has a role (HG_HAS_*), which the option of
 * that name gives, and the user may read its column: 55000 "graph cannot be
 * <purpose>", 42501.
 */
extern void hg_query_require_role(const HgQuery *q, uint32 role,
								  const char *option, const char *purpose);

/*
 * For a query that stays open from call to call: keeps statements that would
 * move or remove the table's rows (TRUNCATE, CLUSTER, DROP ...) from being run
 * meanwhile by this very transaction, whose locks do not stop itself.
 */
extern void hg_query_hold(HgQuery *q);

/*
 * A number that is the same for two opens only if they see the same graph in
 * the same state under the same snapshot and user; to key memos kept in
 * fn_extra (with the filter as part of the key).
 */
extern uint64 hg_query_serial(const HgQuery *q);

/* May the current user see the graph's size? (for planner estimates; no
 * error) */
extern bool hg_query_permitted(Oid index_oid);

/* Raw facts for graph_stats. */
extern void hg_query_counts(const HgQuery *q, int64 *entries, int64 *overlay,
							int64 *image_bytes);

#endif							/* HGRAPH_QUERY_H */
