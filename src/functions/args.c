/*-------------------------------------------------------------------------
 *
 * args.c
 *	  The set-returning functions as SQL sees them: symbol, arguments in
 *	  order, number of result columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "functions/rowsource.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/syscache.h"

/*
 * What a function takes, in the order of its declaration: g graph, n node,
 * o other node, k key_type, d max_depth, s include_self, a as_of, p
 * primary_only, l labels, m mode, v amount.  A second form comes without
 * key_type, for bigint.
 */
typedef struct Signature
{
	const char *symbol;
	const char *args;
	int			columns;
	const char *bigint_args;
} Signature;

static const Signature signature[HG_ROWS_NKINDS] = {
	[HG_ROWS_PARENTS] = {"hgraph_parents", "gndsapl", 2},
	[HG_ROWS_CHILDREN] = {"hgraph_children", "gndsapl", 2},
	[HG_ROWS_ANCESTORS] = {"hgraph_ancestors", "gndsapl", 3},
	[HG_ROWS_DESCENDANTS] = {"hgraph_descendants", "gndsapl", 3},
	[HG_ROWS_ROOTS] = {"hgraph_roots", "gkapl", 1},
	[HG_ROWS_LEAVES] = {"hgraph_leaves", "gndsapl", 1},
	[HG_ROWS_TOPS] = {"hgraph_tops", "gndsapl", 1},
	[HG_ROWS_PATHS] = {"hgraph_paths", "gnodapl", 2},
	[HG_ROWS_COMMON_ANCESTORS] = {"hgraph_common_ancestors", "gnodsapl", 3},
	[HG_ROWS_PREORDER] = {"hgraph_preorder", "gndapl", 6},
	[HG_ROWS_CLOSURE] = {"hgraph_closure", "gkdapl", 5, "gadpl"},
	[HG_ROWS_EXPLAIN] = {"hgraph_explain_rollup", "gonmva", 4},
	[HG_ROWS_TREE] = {"hgraph_tree", "gal", 6},
};

/*
 * args_of is what a function takes when it has so many arguments; NULL if it
 * never has.
 */
static const char *
args_of(HgRowsKind kind, int nargs)
{
	const Signature *s = &signature[kind];

	if (nargs == (int) strlen(s->args))
		return s->args;
	if (s->bigint_args && nargs == (int) strlen(s->bigint_args))
		return s->bigint_args;
	return NULL;
}

/*
 * hg_rows_columns is the number of result columns of a row source.
 */
int
hg_rows_columns(HgRowsKind kind)
{
	return signature[kind].columns;
}

/*
 * hg_rows_has_keys tells whether a row source finds rows by this column.
 */
bool
hg_rows_has_keys(HgRowsKind kind, int column)
{
	/* ancestor and descendant; node and parent */
	return (kind == HG_ROWS_CLOSURE || kind == HG_ROWS_TREE) &&
		(column == 0 || column == 1);
}

/*
 * is_this_library tells whether pg_proc.probin names this library, wherever
 * it is installed.
 */
static bool
is_this_library(const char *probin)
{
	static const char name[] = "hierarchy";
	const char *base = strrchr(probin, '/');

	base = base ? base + 1 : probin;
	return strncmp(base, name, sizeof(name) - 1) == 0 &&
		(base[sizeof(name) - 1] == '\0' || base[sizeof(name) - 1] == '.');
}

/*
 * hg_rows_kind tells which row source a function is; HG_ROWS_NKINDS when it
 * is none.
 */
HgRowsKind
hg_rows_kind(Oid funcid)
{
	HgRowsKind	kind = HG_ROWS_NKINDS;
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc proc;
	Datum		value;
	bool		isnull;
	char	   *symbol;

	if (!HeapTupleIsValid(tuple))
		return kind;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (proc->prolang != ClanguageId || !proc->proretset)
	{
		ReleaseSysCache(tuple);
		return kind;
	}

	value = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	symbol = isnull ? NULL : TextDatumGetCString(value);
	for (int i = 0; symbol != NULL && i < HG_ROWS_NKINDS; i++)
	{
		if (strcmp(symbol, signature[i].symbol) == 0)
			kind = (HgRowsKind) i;
	}
	if (kind != HG_ROWS_NKINDS)
	{
		value = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &isnull);
		if (isnull || !is_this_library(TextDatumGetCString(value)) ||
			args_of(kind, proc->pronargs) == NULL)
			kind = HG_ROWS_NKINDS;
	}
	ReleaseSysCache(tuple);
	return kind;
}

/*
 * hg_max_depth is the argument max_depth as the graph core wants it.
 */
uint32
hg_max_depth(bool isnull, int32 max_depth)
{
	if (isnull)
		return HG_UNLIMITED;
	if (max_depth < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_depth must not be negative"),
				 errdetail("max_depth is %d.", max_depth)));
	return max_depth;
}

/*
 * hg_rows_args decodes the arguments of a call.
 */
void
hg_rows_args(HgRowsKind kind, int nargs, const Datum *values,
			 const bool *nulls, const Oid *types, HgRowsArgs *args)
{
	const char *what = args_of(kind, nargs);

	if (what == NULL)
		elog(ERROR, "%s called with %d arguments", signature[kind].symbol, nargs);

	memset(args, 0, sizeof(HgRowsArgs));
	args->kind = kind;
	args->key_type = INT8OID;
	args->node_null = true;
	args->max_depth = HG_UNLIMITED;
	args->other_null = true;
	args->filter.as_of_null = true;
	args->mode_null = true;
	args->amount_null = true;
	args->key_column = -1;

	for (int i = 0; i < nargs; i++)
	{
		switch (what[i])
		{
			case 'g':
				args->graph = nulls[i] ? InvalidOid : DatumGetObjectId(values[i]);
				args->is_null |= nulls[i];
				break;
			case 'n':
				args->key_type = types[i];
				args->node_null = nulls[i];
				args->node = values[i];
				/* The NULL root of preorder is the whole graph. */
				if (kind != HG_ROWS_PREORDER)
					args->is_null |= nulls[i];
				break;
			case 'o':
				args->other_null = nulls[i];
				args->other = values[i];
				if (kind == HG_ROWS_COMMON_ANCESTORS || kind == HG_ROWS_EXPLAIN)
					args->is_null |= nulls[i];
				break;
			case 'k':
				/* A varchar is a text; the key columns may well be declared so. */
				args->key_type = types[i] == VARCHAROID ? TEXTOID : types[i];
				break;
			case 'd':
				args->max_depth = hg_max_depth(nulls[i],
											   nulls[i] ? 0 : DatumGetInt32(values[i]));
				break;
			case 's':
				args->include_self = !nulls[i] && DatumGetBool(values[i]);
				break;
			case 'a':
				args->filter.as_of_null = nulls[i];
				args->filter.as_of = nulls[i] ? 0 : DatumGetDateADT(values[i]);
				break;
			case 'p':
				args->filter.primary_only = !nulls[i] && DatumGetBool(values[i]);
				break;
			case 'm':
				args->mode_null = nulls[i];
				args->mode = values[i];
				break;
			case 'v':
				args->amount_null = nulls[i];
				args->amount = values[i];
				break;
			case 'l':
				args->filter.labels = nulls[i] ? NULL : DatumGetArrayTypeP(values[i]);
				break;
		}
	}
}
