/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  Plans a Hierarchy Scan that goes from the nodes asked for, instead of
 *	  through all of them: closure(...) WHERE ancestor = x, or = ANY (array),
 *	  or = a column of a table that it is joined to; the same for descendant.
 *
 * As an index scan would, the path takes one condition as its key and leaves
 * the others to the filter.  A key from another table makes a path with
 * parameters for the inner side of a nested loop.  Unlike the scan of all
 * rows, these compete by cost: a join with most nodes is better off with a
 * hash table.
 *
 * The planner knows nothing of columns of functions, and guesses that there
 * are 200 nodes.  A hook tells it how many there are; where the key is known,
 * a look at the image says how many rows it has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/typcache.h"

#include "compat.h"
#include "functions/rows.h"
#include "guc.h"
#include "planner/planner.h"

/* Elements of an array of keys whose rows are counted, to estimate the rest. */
#define COUNTED_KEYS	16
/* Children that a node is taken to have. */
#define USUAL_CHILDREN	10

/* What is asked of an equivalence class. */
typedef struct ColumnOf
{
	Index		rti;
	AttrNumber	attno;
} ColumnOf;

static get_relation_stats_hook_type prev_get_relation_stats_hook = NULL;

/*
 * strip_relabel looks through changes of type that change nothing.
 */
static Node *
strip_relabel(Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

/*
 * key_column is the result column, from 0, that an expression is, if rows can
 * be found by it; else -1.
 */
static int
key_column(Node *node, Index rti, HgRowsKind kind)
{
	Var		   *var = (Var *) strip_relabel(node);

	if (var == NULL || !IsA(var, Var) || (Index) var->varno != rti ||
		var->varlevelsup != 0 || !hg_rows_has_keys(kind, var->varattno - 1))
		return -1;
	return var->varattno - 1;
}

/*
 * is_key_equality: does an operator compare a column with keys of this type
 * as the graph does?
 */
static bool
is_key_equality(Oid opno, Oid collation, Oid type)
{
	switch (getBaseType(type))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return get_op_opfamily_strategy(opno, INTEGER_BTREE_FAM_OID) == BTEqualStrategyNumber;
		case UUIDOID:
			return opno == lookup_type_cache(UUIDOID, TYPECACHE_EQ_OPR)->eq_opr;
		case TEXTOID:
		case VARCHAROID:
			return get_op_opfamily_strategy(opno, TEXT_BTREE_FAM_OID) == BTEqualStrategyNumber &&
				OidIsValid(collation) && get_collation_isdeterministic(collation);
		default:
			return false;
	}
}

/*
 * is_key: can an expression be computed before the rows are, and as often?
 */
static bool
is_key(PlannerInfo *root, Node *node, Index rti)
{
	return !bms_is_member(rti, pull_varnos(root, node)) &&
		!contain_volatile_functions(node) && !contain_subplans(node);
}

/*
 * match_clause tells whether a condition gives keys for a column: which column
 * that is, and which argument of the condition is the key.
 */
static bool
match_clause(PlannerInfo *root, RelOptInfo *rel, HgRowsKind kind,
			 RestrictInfo *rinfo, int *column, int *arg)
{
	if (rinfo->pseudoconstant || !restriction_is_securely_promotable(rinfo, rel))
		return false;

	if (IsA(rinfo->clause, OpExpr))
	{
		OpExpr	   *op = (OpExpr *) rinfo->clause;

		if (list_length(op->args) != 2)
			return false;
		for (*arg = 0; *arg < 2; (*arg)++)
		{
			Node	   *key = list_nth(op->args, *arg);

			*column = key_column(list_nth(op->args, 1 - *arg), rel->relid, kind);
			if (*column >= 0 && is_key(root, key, rel->relid) &&
				is_key_equality(op->opno, op->inputcollid, exprType(strip_relabel(key))))
				return true;
		}
	}
	else if (IsA(rinfo->clause, ScalarArrayOpExpr))
	{
		ScalarArrayOpExpr *op = (ScalarArrayOpExpr *) rinfo->clause;
		Node	   *key = lsecond(op->args);

		*arg = 1;
		*column = key_column(linitial(op->args), rel->relid, kind);
		return op->useOr && *column >= 0 && is_key(root, key, rel->relid) &&
			is_key_equality(op->opno, op->inputcollid,
							get_base_element_type(exprType(strip_relabel(key))));
	}
	return false;
}

/*
 * key_rows counts the rows of one key; < 0 when that cannot be told.
 */
static double
key_rows(const HgRowsArgs *call, int column, Oid type, Datum value)
{
	HgRowsArgs	args = *call;

	if (call->kind == HG_ROWS_TREE)
		args.kind = HG_ROWS_CHILDREN;
	else
		args.kind = column == 0 ? HG_ROWS_DESCENDANTS : HG_ROWS_ANCESTORS;
	args.include_self = call->kind == HG_ROWS_CLOSURE;
	args.node = value;
	args.node_null = false;
	switch (getBaseType(type))
	{
		case INT2OID:
			args.key_type = INT8OID;
			args.node = Int64GetDatum(DatumGetInt16(value));
			break;
		case INT4OID:
			args.key_type = INT8OID;
			args.node = Int64GetDatum(DatumGetInt32(value));
			break;
		case INT8OID:
			args.key_type = INT8OID;
			break;
		case UUIDOID:
			args.key_type = UUIDOID;
			break;
		default:
			args.key_type = TEXTOID;
			break;
	}
	return hg_rows_estimate(&args, true);
}

/*
 * array_rows counts the rows of an array of keys; < 0 when that cannot be told.
 */
static double
array_rows(const HgRowsArgs *call, int column, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Oid			type = ARR_ELEMTYPE(array);
	int16		typlen;
	bool		typbyval;
	char		typalign;
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	int			counted = 0;
	double		rows = 0;

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	deconstruct_array(array, type, typlen, typbyval, typalign, &elems, &nulls, &n);
	for (int i = 0; i < n && counted < COUNTED_KEYS; i++)
	{
		double		more;

		if (nulls[i])
			continue;
		more = key_rows(call, column, type, elems[i]);
		if (more < 0)
			return more;
		rows += more;
		counted++;
	}
	return counted > 0 ? rows / counted * n : 0;
}

/*
 * estimate_keys estimates the number of keys and the rows that they find.
 */
static void
estimate_keys(PlannerInfo *root, RelOptInfo *rel, FuncExpr *call,
			  HgRowsKind kind, Expr *clause, int column, int arg,
			  double *keys, double *rows)
{
	bool		array = IsA(clause, ScalarArrayOpExpr);
	Node	   *key = list_nth(array ? ((ScalarArrayOpExpr *) clause)->args :
							   ((OpExpr *) clause)->args, arg);
	HgRowsArgs	args;
	double		nodes;

	*keys = array ? Max(hg_estimate_array_length(root, key), 1) : 1;
	*rows = -1;
	key = strip_relabel(estimate_expression_value(root, key));
	if (hg_known_call(root, call, &args, &nodes))
	{
		/* nodes are unique in a tree, and there is nothing to look up */
		if (kind == HG_ROWS_TREE && column == 0)
			*rows = *keys;
		else if (IsA(key, Const) && ((Const *) key)->constisnull)
			*rows = 0;
		else if (IsA(key, Const) && array)
			*rows = array_rows(&args, column, ((Const *) key)->constvalue);
		else if (IsA(key, Const))
			*rows = key_rows(&args, column, ((Const *) key)->consttype,
							 ((Const *) key)->constvalue);
		else if (kind == HG_ROWS_CLOSURE)
			*rows = *keys * rel->tuples / Max(nodes, 1);
	}
	if (*rows < 0)
		*rows = *keys * USUAL_CHILDREN;
	*rows = Min(*rows, rel->tuples);
}

/*
 * same_condition: do two clauses say the same?  Of one equivalence class the
 * planner may make both a = b and b = a.
 */
static bool
same_condition(const RestrictInfo *a, const RestrictInfo *b)
{
	if (a == b || equal(a->clause, b->clause))
		return true;
	return a->parent_ec != NULL && a->parent_ec == b->parent_ec &&
		a->left_em != NULL && a->right_em != NULL &&
		((a->left_em == b->left_em && a->right_em == b->right_em) ||
		 (a->left_em == b->right_em && a->right_em == b->left_em));
}

/*
 * add_key_path adds the path that takes one condition as its key.
 * required_outer are the tables that the key comes from, if any.
 */
static void
add_key_path(PlannerInfo *root, RelOptInfo *rel, HgRowsKind kind,
			 FuncExpr *call, const CustomPathMethods *methods,
			 RestrictInfo *rinfo, int column, int arg, Relids required_outer)
{
	CustomPath *path = makeNode(CustomPath);
	ParamPathInfo *param = get_baserel_parampathinfo(root, rel, required_outer);
	List	   *others = NIL;
	QualCost	cost;
	double		keys;
	double		found;
	double		rows;
	ListCell   *lc;

	foreach(lc, rel->baserestrictinfo)
	{
		if (!same_condition(lfirst(lc), rinfo))
			others = lappend(others, lfirst(lc));
	}
	foreach(lc, param ? param->ppi_clauses : NIL)
	{
		if (!same_condition(lfirst(lc), rinfo))
			others = lappend(others, lfirst(lc));
	}
	estimate_keys(root, rel, call, kind, rinfo->clause, column, arg, &keys, &found);
	rows = clamp_row_est(found * clauselist_selectivity(root, others, rel->relid,
														JOIN_INNER, NULL));

	/* what this key finds is what there is, whatever was guessed before */
	if (param != NULL && bms_is_empty(rel->lateral_relids))
		param->ppi_rows = Min(param->ppi_rows, rows);
	else if (param == NULL)
		rel->rows = rows;

	cost_qual_eval(&cost, others, root);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.param_info = param;
	path->path.parallel_safe = rel->consider_parallel;
	path->path.rows = param ? param->ppi_rows : rows;
	path->path.startup_cost = HG_OPEN_COST * cpu_operator_cost + cost.startup +
		rel->reltarget->cost.startup;
	path->path.total_cost = path->path.startup_cost +
		keys * HG_OPEN_COST * cpu_operator_cost +
		found * (HG_REACH_COST * cpu_operator_cost + cpu_tuple_cost + cost.per_tuple) +
		path->path.rows * rel->reltarget->cost.per_tuple;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->methods = methods;
	path->custom_private = list_make3(makeInteger(column), makeInteger(arg), rinfo);
	add_path(rel, (Path *) path);
}

/*
 * matches_column: is a member of an equivalence class this column?
 */
static bool
matches_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
			   EquivalenceMember *em, void *arg)
{
	ColumnOf   *want = arg;
	Var		   *var = (Var *) strip_relabel((Node *) em->em_expr);

	return var != NULL && IsA(var, Var) && (Index) var->varno == want->rti &&
		var->varattno == want->attno && var->varlevelsup == 0;
}

/*
 * join_clauses lists the conditions that could give keys from other tables.
 */
static List *
join_clauses(PlannerInfo *root, RelOptInfo *rel, HgRowsKind kind)
{
	List	   *clauses = NIL;
	ListCell   *lc;

	foreach(lc, rel->joininfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (join_clause_is_movable_to(rinfo, rel))
			clauses = lappend(clauses, rinfo);
	}
	for (int column = 0; rel->has_eclass_joins && hg_rows_has_keys(kind, column); column++)
	{
		ColumnOf	want = {rel->relid, column + 1};

		clauses = list_concat(clauses,
							  generate_implied_equalities_for_column(root, rel,
																	 matches_column,
																	 &want,
																	 rel->lateral_referencers));
	}
	return clauses;
}

/*
 * hg_add_key_paths adds the paths that go from the nodes asked for.
 */
void
hg_add_key_paths(PlannerInfo *root, RelOptInfo *rel, HgRowsKind kind,
				 FuncExpr *call, const CustomPathMethods *methods)
{
	double		least = -1;
	int			column;
	int			arg;
	ListCell   *lc;

	if (!hg_enable_closure_scan || !hg_rows_has_keys(kind, 0))
		return;

	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (!match_clause(root, rel, kind, rinfo, &column, &arg))
			continue;
		add_key_path(root, rel, kind, call, methods, rinfo, column, arg,
					 rel->lateral_relids);
		if (least < 0 || rel->rows < least)
			least = rel->rows;
	}
	/* all these paths return the same rows */
	if (least >= 0 && bms_is_empty(rel->lateral_relids))
	{
		rel->rows = least;
		foreach(lc, rel->pathlist)
			((Path *) lfirst(lc))->rows = least;
	}

	foreach(lc, join_clauses(root, rel, kind))
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		Relids		outer;

		if (!match_clause(root, rel, kind, rinfo, &column, &arg))
			continue;
		outer = bms_union(rinfo->clause_relids, rel->lateral_relids);
		outer = bms_del_member(outer, rel->relid);
		add_key_path(root, rel, kind, call, methods, rinfo, column, arg, outer);
	}
}

/*
 * hg_key_clause is the condition that a path takes as its key, and what else
 * of its clauses is left for the filter; NULL when the path has none.
 */
Expr *
hg_key_clause(CustomPath *path, List *clauses, List **others)
{
	RestrictInfo *key;
	ListCell   *lc;

	*others = clauses;
	if (path->custom_private == NIL)
		return NULL;
	key = lthird(path->custom_private);
	*others = NIL;
	foreach(lc, clauses)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (!same_condition(rinfo, key))
			*others = lappend(*others, rinfo);
	}
	return key->clause;
}

/*
 * node_statistics is the row of pg_statistic that a column of nodes would have.
 */
static HeapTuple
node_statistics(AttrNumber attno, double distinct)
{
	Relation	rel = table_open(StatisticRelationId, AccessShareLock);
	Datum		values[Natts_pg_statistic];
	bool		nulls[Natts_pg_statistic];
	HeapTuple	tuple;

	memset(values, 0, sizeof(values));
	memset(nulls, false, sizeof(nulls));
	values[Anum_pg_statistic_staattnum - 1] = Int16GetDatum(attno);
	values[Anum_pg_statistic_stadistinct - 1] = Float4GetDatum((float4) distinct);
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
	{
		nulls[Anum_pg_statistic_stanumbers1 - 1 + i] = true;
		nulls[Anum_pg_statistic_stavalues1 - 1 + i] = true;
	}
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	table_close(rel, AccessShareLock);
	return tuple;
}

/*
 * add_statistics is the get_relation_stats_hook: tells how many different
 * nodes a column has.
 */
static bool
add_statistics(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum,
			   VariableStatData *vardata)
{
	FuncExpr   *call;
	HgRowsKind	kind;
	HgRowsArgs	args;
	double		nodes;

	if (prev_get_relation_stats_hook &&
		prev_get_relation_stats_hook(root, rte, attnum, vardata))
		return true;
	if (rte->rtekind != RTE_FUNCTION || vardata->rel == NULL)
		return false;
	call = hg_call_to_scan(rte, &kind);
	if (call == NULL || !hg_rows_has_keys(kind, attnum - 1) ||
		!hg_known_call(root, call, &args, &nodes))
		return false;

	/* not every node is the parent of another one */
	if (kind == HG_ROWS_TREE && attnum == 2)
		nodes = nodes / USUAL_CHILDREN;
	vardata->statsTuple = node_statistics(attnum, Max(nodes, 1));
	vardata->freefunc = heap_freetuple;
	vardata->acl_ok = true;
	return true;
}

/*
 * hg_keys_init puts the statistics into the planner.
 */
void
hg_keys_init(void)
{
	prev_get_relation_stats_hook = get_relation_stats_hook;
	get_relation_stats_hook = add_statistics;
}
