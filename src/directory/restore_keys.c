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
 * So the trigger before a statement that restores rows switches the foreign
 * keys of this table off, for this statement: the executor works with a copy of
 * the table's triggers, in which tg_trigger points to the one that runs.
 * Only the owner of the table gets here, who could as well drop the keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "directory/restore.h"
#include "fmgr.h"
#include "library.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"

HG_FUNCTION_INFO_V1(hgraph_restore_keys);

/*
 * statement_triggers is the executor's copy of the table's triggers.  It has
 * them in the order of the original.
 */
static Trigger *
statement_triggers(const TriggerData *data)
{
	const TriggerDesc *original = data->tg_relation->trigdesc;

	for (int i = 0; i < original->numtriggers; i++)
		if (original->triggers[i].tgoid == data->tg_trigger->tgoid)
			return data->tg_trigger - i;
	elog(ERROR, "trigger %u is not one of table \"%s\"",
		 data->tg_trigger->tgoid, RelationGetRelationName(data->tg_relation));
}

/*
 * hgraph_restore_keys is the trigger before statements that add rows.
 */
Datum
hgraph_restore_keys(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Trigger    *triggers;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(data->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("restore_keys must be called by a trigger before each INSERT statement"),
				 errhint("It is there for the triggers of the extension's own tables.")));

	if (!hg_restoring(data->tg_relation))
		return PointerGetDatum(NULL);
	triggers = statement_triggers(data);
	for (int i = 0; i < data->tg_relation->trigdesc->numtriggers; i++)
		if (RI_FKey_trigger_type(triggers[i].tgfoid) == RI_TRIGGER_FK)
			triggers[i].tgenabled = TRIGGER_DISABLED;
	return PointerGetDatum(NULL);
}
