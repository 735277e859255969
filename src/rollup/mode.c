/*-------------------------------------------------------------------------
 *
 * mode.c
 *	  What a mode asks of a graph.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "rollup/mode.h"
#include "types/hrollup.h"
#include "utils/lsyscache.h"
#include "visibility/acyclic.h"

/*
 * hg_mode_check makes sure that the graph has what a mode needs, and that the
 * user may read it.
 */
void
hg_mode_check(const HgQuery *q, HgMode mode)
{
	if (mode == HG_WEIGHTED)
		hg_query_require_role(q, HG_HAS_WEIGHT, "weight",
							  "rolled up in mode weighted");
	if (mode == HG_PRIMARY)
		hg_query_require_role(q, HG_HAS_PRIMARY, "is_primary",
							  "rolled up in mode primary");
}

/*
 * hg_mode_refuse_cycle: over a cycle there are paths without end.
 */
void
hg_mode_refuse_cycle(const HgQuery *q, HgMode mode, uint32 node)
{
	HgKey		key = hg_graph_key(q->view.g, node);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("mode %s needs a graph without cycles", hg_mode_name(mode)),
			 errdetail("In graph \"%s\" node %s is on or above a cycle.",
					   get_rel_name(q->layout->index_oid),
					   hg_key_text(q->layout, &key)),
			 errhint("Use mode distinct.")));
}
