/*-------------------------------------------------------------------------
 *
 * depend.c
 *	  Views, functions, policies and triggers depend on the graphs that they
 *	  name.
 *
 * PostgreSQL notes which relation a constant of type regclass in a view means,
 * and makes the view depend on it.  It knows nothing of constants of our type,
 * so we do it.  Then the index cannot be dropped under the view; and pg_dump,
 * which writes views before indexes, sees that this one has to come later.
 * The same holds for functions with parsed bodies (BEGIN ATOMIC), for the
 * defaults of arguments, for policies, and for the conditions of triggers: those
 * come after indexes in a dump, but in any order when several jobs restore it.
 *
 * A view is a rule.  Whoever makes such an object that names a graph has called
 * our input function, so the library is loaded by then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "types/depend.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

extern Datum hgraph_in(PG_FUNCTION_ARGS);

static object_access_hook_type prev_object_access_hook = NULL;

/*
 * is_hgraph_type: is this type ours?  The name of a type says little.
 */
static bool
is_hgraph_type(Oid type)
{
	Oid			input;
	Oid			param;
	FmgrInfo	finfo;

	if (type < FirstNormalObjectId || get_typtype(type) != TYPTYPE_BASE ||
		get_typlen(type) != sizeof(Oid))
		return false;
	getTypeInputInfo(type, &input, &param);
	fmgr_info(input, &finfo);
	return finfo.fn_addr == hgraph_in;
}

/*
 * note_graphs collects the indexes that constants mean.
 */
static bool
note_graphs(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Const))
	{
		const Const *c = (const Const *) node;
		Oid			index;
		ObjectAddress address;

		if (c->constisnull || !is_hgraph_type(c->consttype))
			return false;
		index = DatumGetObjectId(c->constvalue);
		/* It may have been dropped since the constant was made. */
		if (get_rel_relkind(index) != RELKIND_INDEX)
			return false;
		ObjectAddressSet(address, RelationRelationId, index);
		add_exact_object_address(&address, context);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, note_graphs, context, 0);
	return expression_tree_walker(node, note_graphs, context);
}

/* Where a catalog keeps expressions. */
typedef struct Place
{
	Oid			catalog;
	Oid			index;			/* by OID */
	AttrNumber	oid_column;
	AttrNumber	columns[2];		/* pg_node_tree; 0: none */
} Place;

static const Place places[] = {
	{RewriteRelationId, RewriteOidIndexId, Anum_pg_rewrite_oid,
	{Anum_pg_rewrite_ev_action, 0}},
	{ProcedureRelationId, ProcedureOidIndexId, Anum_pg_proc_oid,
	{Anum_pg_proc_prosqlbody, Anum_pg_proc_proargdefaults}},
	{PolicyRelationId, PolicyOidIndexId, Anum_pg_policy_oid,
	{Anum_pg_policy_polqual, Anum_pg_policy_polwithcheck}},
	{TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid,
	{Anum_pg_trigger_tgqual, 0}},
};

/*
 * depend_on_graphs makes an object depend on the graphs that it names.
 */
static void
depend_on_graphs(const Place *place, Oid object)
{
	Relation	catalog = table_open(place->catalog, AccessShareLock);
	ObjectAddresses *graphs = new_object_addresses();
	ObjectAddress address;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	/* The tuple is ours and too new for a snapshot. */
	ScanKeyInit(&key, place->oid_column, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(object));
	scan = systable_beginscan(catalog, place->index, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	for (int i = 0; HeapTupleIsValid(tuple) && i < 2 && place->columns[i] != 0; i++)
	{
		bool		isnull;
		Datum		tree = heap_getattr(tuple, place->columns[i],
										RelationGetDescr(catalog), &isnull);

		if (!isnull)
			(void) note_graphs(stringToNode(TextDatumGetCString(tree)), graphs);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);

	ObjectAddressSet(address, place->catalog, object);
	record_object_address_dependencies(&address, graphs, DEPENDENCY_NORMAL);
	free_object_addresses(graphs);
}

/*
 * object_access is the hook: looks at what has just been made, and at a policy
 * that has been altered, whose dependencies are made anew.
 */
static void
object_access(ObjectAccessType access, Oid class_id, Oid object_id,
			  int sub_id, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, class_id, object_id, sub_id, arg);
	if (access != OAT_POST_CREATE &&
		(access != OAT_POST_ALTER || class_id != PolicyRelationId))
		return;
	for (int i = 0; i < (int) lengthof(places); i++)
	{
		if (places[i].catalog == class_id)
			depend_on_graphs(&places[i], object_id);
	}
}

/*
 * hg_depend_init installs the hook.
 */
void
hg_depend_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = object_access;
}
