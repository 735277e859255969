/*-------------------------------------------------------------------------
 *
 * auth.c
 *	  Permission to read a graph.
 *
 * Functions run as their caller.  He needs SELECT on the columns behind the
 * index's keys, or on the table.  Columns that play a role (share, validity
 * ...) are used where he may read them too.  Row-level security that applies
 * to him means that he gets a graph of his own (private.c).
 *
 * The answer is kept for the transaction.  Anything that could change it
 * (GRANT and REVOKE, policies, role membership, SET ROLE, row_security) either
 * invalidates the table's relcache entry, counts up hg_auth_epoch, or is part
 * of what is compared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "cache/auth.h"
#include "cache/query.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "compat.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rowsecurity.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/*
 * hg_auth_known: has hg_auth_check been done under the same conditions?
 */
bool
hg_auth_known(const HgCached *c)
{
	return c->auth.user == GetUserId() &&
		c->auth.lxid == HG_MY_LXID &&
		c->auth.epoch == hg_auth_epoch &&
		c->auth.abort_epoch == hg_abort_epoch &&
		c->auth.row_security == row_security &&
		c->auth.no_force_rls == InNoForceRLSOperation();
}

/*
 * may_read_column: has the user SELECT on a column of the index?  An
 * expression may use any column, so it takes the whole table.
 */
static bool
may_read_column(Relation index, Oid heap_oid, AttrNumber attno, Oid user)
{
	AttrNumber	column = index->rd_index->indkey.values[attno - 1];

	return column != 0 &&
		pg_attribute_aclcheck(heap_oid, column, user, ACL_SELECT) == ACLCHECK_OK;
}

/*
 * readable_roles returns the roles whose columns the user may read; *keys says
 * whether he may read the keys.
 */
static uint32
readable_roles(const HgLayout *layout, Relation index, Oid user, bool *keys)
{
	Oid			heap_oid = layout->heap_oid;
	uint32		roles = 0;

	if (pg_class_aclcheck(heap_oid, user, ACL_SELECT) == ACLCHECK_OK)
	{
		*keys = true;
		return layout->roles;
	}
	*keys = may_read_column(index, heap_oid, 1, user) &&
		may_read_column(index, heap_oid, 2, user);
	if (layout->weight_attno &&
		may_read_column(index, heap_oid, layout->weight_attno, user))
		roles |= HG_HAS_WEIGHT;
	if (layout->validity_attno &&
		may_read_column(index, heap_oid, layout->validity_attno, user))
		roles |= HG_HAS_VALIDITY;
	if (layout->primary_attno &&
		may_read_column(index, heap_oid, layout->primary_attno, user))
		roles |= HG_HAS_PRIMARY;
	if (layout->label_attno &&
		may_read_column(index, heap_oid, layout->label_attno, user))
		roles |= HG_HAS_LABEL;
	return roles;
}

/*
 * too_new: must the index not be used by this transaction?  After CREATE INDEX
 * over broken HOT chains, older snapshots could miss rows (see core's
 * get_relation_info()).
 */
static bool
too_new(Relation index)
{
	return index->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
							   TransactionXmin);
}

/*
 * volatile_policies: does a policy of the table ask what may change without a
 * new snapshot, such as the clock?
 */
static bool
volatile_policies(Relation heap)
{
	ListCell   *lc;

	if (heap->rd_rsdesc == NULL)
		return false;
	foreach(lc, heap->rd_rsdesc->policies)
	{
		RowSecurityPolicy *policy = lfirst(lc);

		if (contain_volatile_functions((Node *) policy->qual))
			return true;
	}
	return false;
}

/*
 * hg_auth_built_later: was the index built after the snapshot of a standby?
 *
 * A build leaves out rows that were dead to all snapshots of the primary.
 * Those of a standby are not among them (without hot_standby_feedback), and
 * replaying a build is no conflict with a snapshot that has no lock on the
 * table or index yet.  Such a snapshot may see rows that have no entry.  The
 * index's rows in the catalogs tell: CREATE INDEX, REINDEX, and the end of
 * either CONCURRENTLY write one of them anew.
 */
bool
hg_auth_built_later(Relation index, Snapshot snapshot)
{
	HeapTuple	tuple;
	bool		later;

	if (!snapshot->takenDuringRecovery)
		return false;
	if (XidInMVCCSnapshot(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
						  snapshot))
		return true;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(RelationGetRelid(index)));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u",
			 RelationGetRelid(index));
	later = XidInMVCCSnapshot(HeapTupleHeaderGetXmin(tuple->t_data), snapshot);
	ReleaseSysCache(tuple);
	return later;
}

/*
 * hg_auth_check finds out what the current user may see.
 */
void
hg_auth_check(HgCached *c, Relation heap, Relation index)
{
	Oid			user = GetUserId();
	HgAuth		auth;
	bool		keys;

	if (hg_auth_known(c))
		return;
	c->auth.user = InvalidOid;
	memset(&auth, 0, sizeof(auth));
	auth.row_security = row_security;
	auth.no_force_rls = InNoForceRLSOperation();
	auth.epoch = hg_auth_epoch;
	auth.abort_epoch = hg_abort_epoch;
	auth.lxid = HG_MY_LXID;
	auth.readable_roles = readable_roles(&c->layout, index, user, &keys);
	if (!keys)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE,
					   RelationGetRelationName(heap));
	auth.rls = check_enable_rls(RelationGetRelid(heap), InvalidOid, false) == RLS_ENABLED;
	auth.rls_volatile = auth.rls && volatile_policies(heap);
	auth.unusable = too_new(index);
	auth.user = user;
	c->auth = auth;
}

/*
 * hg_auth_reads_keys: may the current user SELECT the index's keys?
 */
bool
hg_auth_reads_keys(const HgLayout *layout, Relation index)
{
	bool		keys;

	(void) readable_roles(layout, index, GetUserId(), &keys);
	return keys;
}

/*
 * hg_query_permitted: may the current user see the size of a graph?
 */
bool
hg_query_permitted(Oid index_oid)
{
	Oid			heap_oid = IndexGetRelation(index_oid, true);
	Relation	index;
	HgLayout	layout;
	bool		permitted;

	if (!OidIsValid(heap_oid) ||
		get_rel_relkind(index_oid) != RELKIND_INDEX ||
		!get_index_isvalid(index_oid))
		return false;
	if (check_enable_rls(heap_oid, InvalidOid, true) == RLS_ENABLED)
		return false;
	if (pg_class_aclcheck(heap_oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return true;
	index = index_open(index_oid, AccessShareLock);
	memset(&layout, 0, sizeof(layout));
	layout.heap_oid = heap_oid;
	permitted = hg_auth_reads_keys(&layout, index);
	index_close(index, NoLock);
	return permitted;
}
