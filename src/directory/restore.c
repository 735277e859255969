/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  Do rows come from elsewhere, where rules were asked and changes logged?
 *
 * What a dump holds was checked and logged when it was made, and change_log
 * comes with it.  So rules and audit are silent while its rows are loaded.
 *
 * A dump, plain or not, with COPY or INSERT, sets three things in the session
 * that loads it: search_path to nothing, check_function_bodies to off and
 * row_security to off.  Nobody else does all of that, unless he means to; and
 * only the table's owner, who could as well drop the triggers, is believed.
 * That is who acts for himself: a function with the owner's rights may be
 * called by anybody, and anybody can make these settings before.
 *
 * Logical replication fires no statement triggers when it applies changes, so
 * neither rules nor audit see them.  The first copy of a table is a COPY, which
 * does fire them.  It is the same matter, and one table is copied before another
 * without regard to which refers to which: so they are silent there, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "compat.h"
#include "directory/restore.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rls.h"

/*
 * hg_restoring_session: has the session the settings that a dump makes?
 */
bool
hg_restoring_session(void)
{
	return !check_function_bodies && !row_security &&
		namespace_search_path != NULL && namespace_search_path[0] == '\0';
}

/*
 * in_first_copy: is a trigger running because a subscription copies a table?  Of
 * what a worker of logical replication does, only that fires a trigger after a
 * statement.  What functions of others write meanwhile, from triggers on rows,
 * is inside of a trigger already, and rules hold for it.
 */
static bool
in_first_copy(void)
{
	return IsLogicalWorker() &&
		DatumGetInt32(OidFunctionCall0(F_PG_TRIGGER_DEPTH)) == 1;
}

/*
 * hg_restoring: would rows added to this table now be those of a dump, or of the
 * first copy of a subscription?
 */
bool
hg_restoring(Relation rel)
{
	if (in_first_copy())
		return true;
	return hg_restoring_session() && !InLocalUserIdChange() &&
		hg_relation_ownercheck(RelationGetRelid(rel), GetUserId());
}
