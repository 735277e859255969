/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  The access method's face to PostgreSQL: wiring only.
 *
 * An hgraph index answers no WHERE clause, so it has no scan; the functions of
 * this extension read it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>

#include "am/am.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/vacuum.h"
#include "fmgr.h"
#include "nodes/pathnodes.h"

/* Operators of an operator class: equality. */
#define HG_STRATEGIES	1

PG_FUNCTION_INFO_V1(hgraph_handler);

/*
 * hgraph_cost_estimate is amcostestimate.  Without amgettuple and amgetbitmap
 * the planner cannot use the paths that it costs; let them look that way.
 */
static void
hgraph_cost_estimate(struct PlannerInfo *root, struct IndexPath *path,
					 double loop_count, Cost *indexStartupCost,
					 Cost *indexTotalCost, Selectivity *indexSelectivity,
					 double *indexCorrelation, double *indexPages)
{
	*indexStartupCost = DBL_MAX;
	*indexTotalCost = DBL_MAX;
	*indexSelectivity = 1.0;
	*indexCorrelation = 0.0;
	*indexPages = path->indexinfo->pages;
}

/*
 * refuse_scan raises the error for a scan of an hgraph index.
 */
static void
refuse_scan(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("access method \"hgraph\" does not support scans")));
}

/*
 * hgraph_beginscan is ambeginscan.
 */
static IndexScanDesc
hgraph_beginscan(Relation index, int nkeys, int norderbys)
{
	refuse_scan();
	return NULL;
}

/*
 * hgraph_rescan is amrescan.
 */
static void
hgraph_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
			  ScanKey orderbys, int norderbys)
{
	refuse_scan();
}

/*
 * hgraph_endscan is amendscan.
 */
static void
hgraph_endscan(IndexScanDesc scan)
{
}

/*
 * hgraph_handler is the access method's handler function.
 */
Datum
hgraph_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *amroutine = makeNode(IndexAmRoutine);

	amroutine->amstrategies = HG_STRATEGIES;
	amroutine->amcanmulticol = true;
	amroutine->amoptionalkey = true;
	amroutine->amcaninclude = true;
	amroutine->amparallelvacuumoptions =
		VACUUM_OPTION_PARALLEL_BULKDEL | VACUUM_OPTION_PARALLEL_CLEANUP;
	amroutine->amkeytype = InvalidOid;

	amroutine->ambuild = hgraph_build;
	amroutine->ambuildempty = hgraph_buildempty;
	amroutine->aminsert = hgraph_insert;
	amroutine->ambulkdelete = hgraph_bulkdelete;
	amroutine->amvacuumcleanup = hgraph_vacuumcleanup;
	amroutine->amcostestimate = hgraph_cost_estimate;
	amroutine->amoptions = hgraph_options;
	amroutine->amvalidate = hgraph_validate;
	amroutine->ambeginscan = hgraph_beginscan;
	amroutine->amrescan = hgraph_rescan;
	amroutine->amendscan = hgraph_endscan;

	PG_RETURN_POINTER(amroutine);
}

/*
 * hgraph_is_hgraph_index tells if an open relation is an hgraph index with
 * storage of its own.
 */
bool
hgraph_is_hgraph_index(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_INDEX &&
		rel->rd_indam != NULL && rel->rd_indam->ambuild == hgraph_build;
}

/*
 * hgraph_am_oid is the OID of the access method, InvalidOid if it is gone.
 */
Oid
hgraph_am_oid(void)
{
	return get_index_am_oid("hgraph", true);
}
