/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  verify(graph): do index, table and options agree, and is the graph free
 *	  of cycles?
 *
 * The readers of an index raise errors when they meet corruption.  Here these
 * errors are the result, so the steps that may raise them run in
 * subtransactions, which clean up after a reader that was stopped half way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "fmgr.h"
#include "funcapi.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "cache/auth.h"
#include "cache/query.h"
#include "functions/verify.h"
#include "visibility/acyclic.h"

/* Cycles reported at most. */
#define MAX_CYCLES		10

HG_FUNCTION_INFO_V1(hgraph_verify);

/*
 * hg_verify_report adds a problem to the result.
 */
void
hg_verify_report(HgVerify *v, const char *problem, const char *fmt,...)
{
	StringInfoData detail;
	Datum		values[2];
	bool		nulls[2] = {false};

	initStringInfo(&detail);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&detail, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&detail, needed);
	}
	values[0] = CStringGetTextDatum(problem);
	values[1] = CStringGetTextDatum(detail.data);
	tuplestore_putvalues(v->store, v->tupdesc, values, nulls);
	pfree(detail.data);
	v->problems++;
}

/*
 * is_finding tells whether an error is about the state of the index, and so
 * what the caller wants to hear.
 */
static bool
is_finding(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_INDEX_CORRUPTED ||
		error->sqlerrcode == ERRCODE_DATA_CORRUPTED ||
		error->sqlerrcode == ERRCODE_UNDEFINED_COLUMN;
}

/*
 * hg_verify_try runs a step in a subtransaction.
 */
char *
hg_verify_try(HgVerify *v, HgVerifyStep step, void *arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		step(v, arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(mcxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return NULL;
	if (!is_finding(error))
		ReThrowError(error);
	if (error->detail == NULL)
		return error->message;
	return psprintf("%s: %s", error->message, error->detail);
}

/*
 * hg_verify_passed reports the failure of a step, if it is one.
 */
bool
hg_verify_passed(HgVerify *v, const char *error)
{
	if (error == NULL)
		return true;
	hg_verify_report(v, "index is damaged", "%s", error);
	v->damaged = true;
	return false;
}

/*
 * open_graph is a step: opens the graph as any query does.
 */
static void
open_graph(HgVerify *v, void *arg)
{
	HgQuery		q;

	hg_query_open(&q, *(Oid *) arg, NULL);
	hg_query_close(&q);
}

/*
 * resolve_layout is a step: works out what the index's columns mean.
 */
static void
resolve_layout(HgVerify *v, void *arg)
{
	hg_layout_resolve(v->index, &v->layout);
}

/*
 * check_role reports a role whose column has got another name since.  The
 * graph goes on working, but a dump of the index could not be restored.
 */
static void
check_role(HgVerify *v, const char *role, int option, AttrNumber attno)
{
	const char *named;
	char	   *actual;

	if (attno == 0)
		return;
	named = (const char *) v->index->rd_options + option;
	actual = get_attname(RelationGetRelid(v->heap),
						 v->index->rd_index->indkey.values[attno - 1], true);
	if (actual == NULL || strcmp(named, actual) == 0)
		return;
	hg_verify_report(v, "role names a renamed column",
					 "Option %s of index \"%s\" says \"%s\", but the column is now called \"%s\": ALTER INDEX %s SET (%s = %s).",
					 role, RelationGetRelationName(v->index), named, actual,
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(v->index)),
												RelationGetRelationName(v->index)),
					 role, quote_literal_cstr(actual));
}

/*
 * check_roles looks at the options that name columns.
 */
static void
check_roles(HgVerify *v)
{
	HgOptions  *options = (HgOptions *) v->index->rd_options;

	if (options == NULL)
		return;
	check_role(v, "weight", options->weight, v->layout.weight_attno);
	check_role(v, "validity", options->validity, v->layout.validity_attno);
	check_role(v, "is_primary", options->is_primary, v->layout.primary_attno);
	check_role(v, "label", options->label, v->layout.label_attno);
}

/*
 * sees_edge is an HgEdgeProbe by plain visibility.
 */
static HgEdgeState
sees_edge(void *arg, uint32_t entry)
{
	return hg_view_sees(arg, entry) ? HG_EDGE_SETTLED : HG_EDGE_ABSENT;
}

/*
 * check_cycles is a step: reports cycles among the visible rows.  Only edges
 * that could lie on one at all are searched from.
 */
static void
check_cycles(HgVerify *v, void *arg)
{
	HgQuery		q;
	HgView		view;
	uint32	   *core;
	uint32		n;
	bool	   *reported;
	int			cycles = 0;

	hg_query_open(&q, RelationGetRelid(v->index), NULL);
	n = hg_cycle_core(q.view.g, CurrentMemoryContext, &core);
	if (n > 0)
	{
		/* A cycle of any day counts, not only one of today. */
		view = q.view;
		view.plain = false;
		memset(&view.filter, 0, sizeof(HgFilter));

		reported = MemoryContextAllocExtended(CurrentMemoryContext,
											  view.nentries * sizeof(bool),
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		for (uint32 i = 0; i < n && cycles < MAX_CYCLES; i++)
		{
			HgEntry		entry;
			HgCycle		cycle;

			CHECK_FOR_INTERRUPTS();
			if (core[i] >= view.nentries || reported[core[i]] ||
				!hg_view_sees(&view, core[i]))
				continue;
			hg_graph_entry(view.g, core[i], &entry);
			hg_cycle_search(view.g, entry.parent, entry.child,
							entry.valid_from, entry.valid_to, sees_edge, &view,
							CurrentMemoryContext, &cycle);
			if (cycle.result != HG_CYCLE_SETTLED)
				continue;
			for (uint32 j = 0; j < cycle.len; j++)
				reported[cycle.entries[j]] = true;
			cycles++;
			hg_verify_report(v, "graph has a cycle", "%s",
							 hg_cycle_text(q.layout, NULL, view.g, entry.child, &cycle));
		}
	}
	hg_query_close(&q);
}

/*
 * check_permission refuses callers from whom policies hide rows: what is
 * wrong with a row they must not see is not for them.
 */
static void
check_permission(HgVerify *v)
{
	if (check_enable_rls(RelationGetRelid(v->heap), InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s",
						RelationGetRelationName(v->heap)),
				 errdetail("verify looks at all rows, and row-level security applies to you.")));
}

/*
 * choose_snapshot: an old snapshot may see row versions from before the index
 * was built, which the index need not have.  Then the latest one is used, as
 * amcheck does; only a transaction that has to keep its snapshot cannot.
 */
static void
choose_snapshot(HgVerify *v)
{
	v->snapshot = GetActiveSnapshot();
	if ((v->index->rd_index->indcheckxmin &&
		 !TransactionIdPrecedes(HeapTupleHeaderGetXmin(v->index->rd_indextuple->t_data),
								TransactionXmin)) ||
		hg_auth_built_later(v->index, v->snapshot))
	{
		if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("index \"%s\" is too new to be checked in this transaction",
							RelationGetRelationName(v->index)),
					 errhint("Try again in a new transaction.")));
		v->snapshot = GetLatestSnapshot();
	}
	v->snapshot = RegisterSnapshot(v->snapshot);
}

/*
 * check_as_owner does what may call functions of the index's predicate: with
 * the rights of the table's owner, as any index maintenance, so that these
 * functions cannot abuse the caller's; and with a search_path that the caller
 * cannot use to abuse the owner's.
 */
static void
check_as_owner(HgVerify *v)
{
	Oid			user;
	int			sec_context;
	int			nest_level = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	GetUserIdAndSecContext(&user, &sec_context);
	SetUserIdAndSecContext(v->heap->rd_rel->relowner,
						   sec_context | SECURITY_RESTRICTED_OPERATION);
	hg_verify_entries(v);
	SetUserIdAndSecContext(user, sec_context);
	AtEOXact_GUC(false, nest_level);
}

/*
 * verify_graph runs all checks.
 */
static void
verify_graph(HgVerify *v, Oid index_oid)
{
	char	   *error;

	/* What keeps other queries off the graph, permission first. */
	error = hg_verify_try(v, open_graph, &index_oid);

	v->heap = table_open(IndexGetRelation(index_oid, false), AccessShareLock);
	v->index = index_open(index_oid, AccessShareLock);
	check_permission(v);
	choose_snapshot(v);
	if (hg_verify_passed(v, hg_verify_try(v, resolve_layout, NULL)))
	{
		check_roles(v);
		check_as_owner(v);
		if (v->layout.acyclic && error == NULL)
			(void) hg_verify_passed(v, hg_verify_try(v, check_cycles, NULL));
	}
	/* Most likely one of the checks has found out more about it. */
	if (v->problems == 0)
		(void) hg_verify_passed(v, error);
	UnregisterSnapshot(v->snapshot);
	index_close(v->index, AccessShareLock);
	table_close(v->heap, AccessShareLock);
}

/*
 * hgraph_verify: verify(graph) returns (problem, detail)
 */
Datum
hgraph_verify(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	HgVerify	v;

	InitMaterializedSRF(fcinfo, 0);
	memset(&v, 0, sizeof(HgVerify));
	v.store = rsinfo->setResult;
	v.tupdesc = rsinfo->setDesc;
	v.work_mcxt = AllocSetContextCreate(CurrentMemoryContext,
										"hierarchy verify",
										ALLOCSET_DEFAULT_SIZES);
	verify_graph(&v, PG_GETARG_OID(0));
	MemoryContextDelete(v.work_mcxt);
	return (Datum) 0;
}
