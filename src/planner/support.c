/*-------------------------------------------------------------------------
 *
 * support.c
 *	  Planner support functions: how many rows the set-returning functions
 *	  return, how many rows within() lets pass.
 *
 * The answers come from the image, under the rules that hold for the query
 * itself: whoever may not read the table learns nothing about the size of
 * its graph.  Arguments that will raise an error when the query runs raise
 * none here; the planner may look at calls that never run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "library.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"

#include "planner/planner.h"

/* Positions of the arguments that every function has in the same place. */
#define ARG_GRAPH		0
#define ARG_NODE		1
#define ARG_OTHER		2

/* Cost of within(), in units of cpu_operator_cost. */
#define WITHIN_OPEN_COST	200
#define WITHIN_CALL_COST	20

/* A call's arguments, as far as they are known at plan time. */
typedef struct KnownArgs
{
	int			n;
	Datum	   *value;
	bool	   *isnull;			/* unknown arguments count as NULL */
	bool	   *known;
	Oid		   *type;
} KnownArgs;

static bool rows_estimate(PlannerInfo *root, Oid funcid, Node *node,
						  double *rows);
static bool within_selectivity(PlannerInfo *root, Oid funcid, List *args,
							   Selectivity *selectivity);
static bool known_args(PlannerInfo *root, Oid funcid, List *args,
					   KnownArgs *result);
static bool graph_size(Oid graph, double *nodes);

HG_FUNCTION_INFO_V1(hgraph_rows_support);
HG_FUNCTION_INFO_V1(hgraph_within_support);

/*
 * hgraph_rows_support is the support function of the set-returning functions.
 */
Datum
hgraph_rows_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestRows))
	{
		SupportRequestRows *req = (SupportRequestRows *) request;

		if (rows_estimate(req->root, req->funcid, req->node, &req->rows))
			PG_RETURN_POINTER(req);
	}
	PG_RETURN_POINTER(NULL);
}

/*
 * hgraph_within_support is the support function of within().
 */
Datum
hgraph_within_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *req = (SupportRequestSelectivity *) request;

		if (within_selectivity(req->root, req->funcid, req->args,
							   &req->selectivity))
			PG_RETURN_POINTER(req);
	}
	else if (IsA(request, SupportRequestCost))
	{
		SupportRequestCost *req = (SupportRequestCost *) request;

		req->startup = WITHIN_OPEN_COST * cpu_operator_cost;
		req->per_tuple = WITHIN_CALL_COST * cpu_operator_cost;
		PG_RETURN_POINTER(req);
	}
	PG_RETURN_POINTER(NULL);
}

/*
 * rows_estimate estimates the rows of one call; false when it cannot.
 */
static bool
rows_estimate(PlannerInfo *root, Oid funcid, Node *node, double *rows)
{
	HgRowsKind	kind = hg_rows_kind(funcid);
	KnownArgs	known;
	HgRowsArgs	args;
	bool		node_known = true;
	double		estimate;

	if (kind == HG_ROWS_NKINDS || node == NULL || !IsA(node, FuncExpr) ||
		!known_args(root, funcid, ((FuncExpr *) node)->args, &known))
		return false;

	hg_rows_args(kind, known.n, known.value, known.isnull, known.type, &args);
	args.is_null = false;
	if (kind != HG_ROWS_ROOTS && kind != HG_ROWS_CLOSURE &&
		kind != HG_ROWS_TREE)
	{
		node_known = known.known[ARG_NODE];
		args.is_null = node_known && known.isnull[ARG_NODE] &&
			kind != HG_ROWS_PREORDER;
	}
	if (kind == HG_ROWS_COMMON_ANCESTORS || kind == HG_ROWS_EXPLAIN)
		args.is_null |= known.known[ARG_OTHER] && known.isnull[ARG_OTHER];
	if (kind == HG_ROWS_COMMON_ANCESTORS)
		node_known &= known.known[ARG_OTHER];
	if (kind == HG_ROWS_EXPLAIN)
	{
		/* paths from the other node up to this one */
		node_known = known.known[ARG_OTHER];
		args.kind = HG_ROWS_PATHS;
	}
	if (args.is_null)
	{
		*rows = 0;
		return true;
	}

	estimate = hg_rows_estimate(&args, node_known);
	if (estimate < 0)
		return false;
	*rows = estimate;
	return true;
}

/*
 * hg_known_call tells what is known of a call, and the size of its graph.
 */
bool
hg_known_call(PlannerInfo *root, FuncExpr *call, HgRowsArgs *args,
			  double *nodes)
{
	KnownArgs	known;

	if (!known_args(root, call->funcid, call->args, &known))
		return false;
	hg_rows_args(hg_rows_kind(call->funcid), known.n, known.value,
				 known.isnull, known.type, args);
	return graph_size(args->graph, nodes);
}

/*
 * within_selectivity estimates what fraction of rows is below an ancestor: as
 * if their nodes were spread evenly over the graph.
 */
static bool
within_selectivity(PlannerInfo *root, Oid funcid, List *args,
				   Selectivity *selectivity)
{
	KnownArgs	known;
	HgRowsArgs	walk;
	bool		from_ancestor;
	bool		start_known;
	double		reached;
	double		nodes;

	if (!known_args(root, funcid, args, &known))
		return false;
	if (known.known[ARG_NODE] && known.known[ARG_OTHER])
		return false;			/* true or false for all rows alike */

	/* Its arguments are those of paths(): graph, node, ancestor, … */
	hg_rows_args(HG_ROWS_PATHS, known.n, known.value, known.isnull,
				 known.type, &walk);

	/*
	 * A walk from the end that is known, or a typical one: on average over
	 * all nodes there are as many ancestors as descendants.
	 */
	from_ancestor = !known.known[ARG_NODE];
	start_known = known.known[from_ancestor ? ARG_OTHER : ARG_NODE];
	if (start_known && known.isnull[from_ancestor ? ARG_OTHER : ARG_NODE])
	{
		*selectivity = 0;
		return true;
	}
	if (from_ancestor)
	{
		walk.kind = HG_ROWS_DESCENDANTS;
		walk.node = walk.other;
		walk.node_null = walk.other_null;
	}
	else
		walk.kind = HG_ROWS_ANCESTORS;
	walk.is_null = false;
	walk.other_null = true;
	walk.include_self = true;

	reached = hg_rows_estimate(&walk, start_known);
	if (reached < 0 || !graph_size(walk.graph, &nodes))
		return false;

	*selectivity = reached / Max(nodes, 1);
	CLAMP_PROBABILITY(*selectivity);
	return true;
}

/*
 * known_args finds out what is known of a call's arguments; false when the
 * graph is not among it, or cannot be looked at.
 */
static bool
known_args(PlannerInfo *root, Oid funcid, List *args, KnownArgs *result)
{
	ListCell   *lc;
	int			i = 0;

	result->n = list_length(args);
	if (result->n != get_func_nargs(funcid) || result->n <= ARG_OTHER ||
		!ActiveSnapshotSet())
		return false;

	result->value = palloc0(result->n * sizeof(Datum));
	result->isnull = palloc(result->n * sizeof(bool));
	result->known = palloc(result->n * sizeof(bool));
	result->type = palloc(result->n * sizeof(Oid));

	foreach(lc, args)
	{
		Node	   *arg = (Node *) lfirst(lc);

		if (IsA(arg, NamedArgExpr))
			return false;		/* not in order yet */
		if (root != NULL && !IsA(arg, Const))
			arg = estimate_expression_value(root, arg);

		result->type[i] = exprType(arg);
		result->known[i] = IsA(arg, Const);
		result->isnull[i] = true;
		if (result->known[i] && !((Const *) arg)->constisnull)
		{
			result->value[i] = ((Const *) arg)->constvalue;
			result->isnull[i] = false;
		}

		/*
		 * The one integer behind the nodes is max_depth.  A negative one is
		 * an error, but not one to raise here.
		 */
		if (i >= ARG_OTHER && result->type[i] == INT4OID &&
			!result->isnull[i] && DatumGetInt32(result->value[i]) < 0)
			result->isnull[i] = true;
		i++;
	}
	return !result->isnull[ARG_GRAPH];
}

/*
 * graph_size counts the nodes of a graph; false when the current user may not
 * know.
 */
static bool
graph_size(Oid graph, double *nodes)
{
	HgQuery		q;

	if (!hg_query_permitted(graph))
		return false;

	hg_query_open(&q, graph, NULL);
	*nodes = hg_graph_nodes(q.view.g);
	hg_query_close(&q);
	return true;
}
