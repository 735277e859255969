/*-------------------------------------------------------------------------
 *
 * restore_keys.c
 *	  Foreign keys do not stop a dump from being restored.
 *
 * The tables of an extension have their foreign keys before a dump brings
 * their rows.  pg_dump writes the rows in an order that suits the keys, but
 * it does not tell pg_restore --jobs about it, which loads several tables at
 * once: entities come before their types.
 *
 * So the trigger before a statement that restores rows switches foreign keys
 * off for that statement, as pg_restore --disable-triggers would have a
 * superuser do: by session_replication_role, which our own triggers, ENABLE
 * ALWAYS, do not mind.  The trigger after the statement switches them on
 * again.  The setting is a local one: where the statement fails, it goes with
 * the (sub)transaction.  Only the owner of the table gets here, who could as
 * well drop the key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "directory/restore.h"
#include "fmgr.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(hgraph_restore_keys);

/*
 * set_role sets session_replication_role until the end of the transaction.
 */
static void
set_role(const char *role)
{
	(void) set_config_option("session_replication_role", role, PGC_SUSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * hgraph_restore_keys is the trigger before and after statements that add
 * rows.
 */
Datum
hgraph_restore_keys(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		elog(ERROR, "hgraph_restore_keys was not called by an INSERT trigger for statements");

	if (!hg_restoring(trigger->tg_relation))
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BEFORE(trigger->tg_event))
	{
		if (SessionReplicationRole == SESSION_REPLICATION_ROLE_ORIGIN)
			set_role("replica");
	}
	else if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		set_role("origin");
	return PointerGetDatum(NULL);
}
