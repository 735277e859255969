/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  Is a dump being restored?
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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "compat.h"
#include "directory/restore.h"
#include "miscadmin.h"
#include "utils/acl.h"
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
 * hg_restoring: would rows added to this table now be those of a dump?
 */
bool
hg_restoring(Relation rel)
{
	return hg_restoring_session() && !InLocalUserIdChange() &&
		hg_relation_ownercheck(RelationGetRelid(rel), GetUserId());
}
