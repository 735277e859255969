/*-------------------------------------------------------------------------
 *
 * bi.c
 *	  What the views for BI need besides traversals: the names on a path, a
 *	  text that paths sort by, and whether a node is at the top.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cache/private.h"
#include "cache/query.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

/* No more names are fetched ahead when they take more memory than this. */
#define NAMES_MEMORY	((Size) 64 * 1024 * 1024)
/* After so many names looked up one by one, those of all parents are. */
#define NAMES_ALL		256
/* Names looked up at once then. */
#define NAMES_BATCH		10000

/* A name that was looked up. */
typedef struct NameEntry
{
	uint32		node;
	char	   *name;			/* NULL: no such entity, or hidden */
	char		status;			/* used by simplehash */
} NameEntry;

#define SH_PREFIX		names
#define SH_ELEMENT_TYPE	NameEntry
#define SH_KEY_TYPE		uint32
#define SH_KEY			node
#define SH_HASH_KEY(tb, key)	((uint32) (key) * UINT32_C(0x9E3779B1))
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*
 * Names that a call site has looked up.  They hold for one sight of the graph,
 * which is that of one snapshot, and for one user.
 */
typedef struct NamesMemo
{
	MemoryContext mcxt;			/* of the table and the names */
	names_hash *table;			/* NULL: nothing that holds */
	uint64		serial;
	Oid			user;
	uint64		settings;		/* that policies may look at */
	bool		row_security;
	uint32		looked_up;
	bool		all;			/* have all been looked up that we care for? */
	uint32	   *path;			/* of the call at hand, from below */
	uint32		path_size;
} NamesMemo;

/* The last answer of is_root at a call site. */
typedef struct RootMemo
{
	uint64		serial;
	int64		node;
	bool		known;
	bool		exists;
	bool		is_root;
} RootMemo;

static SPIPlanPtr name_plan = NULL;
static Oid	name_plan_schema = InvalidOid;

HG_FUNCTION_INFO_V1(hgraph_tree_path);
HG_FUNCTION_INFO_V1(hgraph_tree_sort_key);
HG_FUNCTION_INFO_V1(hgraph_is_root);

/*
 * settings_of is what the caller's settings are, if entities are hidden from
 * him by policies, which may look at settings.
 */
static uint64
settings_of(FunctionCallInfo fcinfo)
{
	Oid			entity = get_relname_relid("entity",
										   get_func_namespace(fcinfo->flinfo->fn_oid));
	HgPrivateKey key;

	if (!OidIsValid(entity) ||
		check_enable_rls(entity, InvalidOid, true) != RLS_ENABLED)
		return 0;
	hg_private_key(&key, 0);
	return key.settings;
}

/*
 * names_memo is the memo of a call site, empty unless it still holds.
 */
static NamesMemo *
names_memo(FunctionCallInfo fcinfo, const HgQuery *q)
{
	NamesMemo  *memo = fcinfo->flinfo->fn_extra;
	uint64		settings = settings_of(fcinfo);

	if (memo == NULL)
	{
		memo = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(NamesMemo));
		memo->mcxt = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt,
										   "hierarchy names",
										   ALLOCSET_DEFAULT_SIZES);
		memo->path_size = 16;
		memo->path = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt,
										memo->path_size * sizeof(uint32));
		fcinfo->flinfo->fn_extra = memo;
	}
	if (memo->table == NULL || memo->serial != hg_query_serial(q) ||
		memo->user != GetUserId() || memo->settings != settings ||
		memo->row_security != row_security)
	{
		MemoryContextReset(memo->mcxt);
		memo->table = names_create(memo->mcxt, 64, NULL);
		memo->serial = hg_query_serial(q);
		memo->user = GetUserId();
		memo->settings = settings;
		memo->row_security = row_security;
		memo->looked_up = 0;
		memo->all = false;
	}
	return memo;
}

/*
 * prepare_names is the query of names, which a session keeps.
 */
static SPIPlanPtr
prepare_names(Oid schema)
{
	Oid			types[] = {INT8ARRAYOID};
	SPIPlanPtr	plan;

	if (name_plan != NULL && name_plan_schema == schema)
		return name_plan;
	plan = SPI_prepare(psprintf("SELECT e.entity_id, e.name FROM %s.entity AS e"
								" WHERE e.entity_id OPERATOR(pg_catalog.=) ANY ($1)",
								quote_identifier(get_namespace_name(schema))),
					   1, types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "query of names failed: %s",
			 SPI_result_code_string(SPI_result));
	if (name_plan != NULL)
		SPI_freeplan(name_plan);
	name_plan = plan;
	name_plan_schema = schema;
	return plan;
}

/*
 * look_up_names adds the names of nodes that are not there yet to the memo: as
 * the caller may read them.
 */
static void
look_up_names(FunctionCallInfo fcinfo, NamesMemo *memo, const HgQuery *q,
			  const uint32 *nodes, uint32 n)
{
	Datum	   *ids;
	Datum		value;
	bool		found;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	ids = palloc(n * sizeof(Datum));
	for (uint32 i = 0; i < n; i++)
	{
		NameEntry  *entry = names_insert(memo->table, nodes[i], &found);

		entry->name = NULL;
		ids[i] = Int64GetDatum(hg_graph_key(q->view.g, nodes[i]).num);
	}
	value = PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64),
											FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	if (SPI_execute_plan(prepare_names(get_func_namespace(fcinfo->flinfo->fn_oid)),
						 &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "query of names failed");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		bool		isnull;
		HgKey		key = {.num = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc,
															  1, &isnull))};
		char	   *name = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 2);

		names_lookup(memo->table, hg_graph_lookup(q->view.g, &key))->name =
			MemoryContextStrdup(memo->mcxt, name);
	}
	memo->looked_up += n;
	SPI_finish();
}

/*
 * look_up_all looks up the names of all parents, in a few queries: a listing
 * of the whole hierarchy needs them all.
 */
static void
look_up_all(FunctionCallInfo fcinfo, NamesMemo *memo, const HgQuery *q)
{
	uint32	   *nodes = palloc(NAMES_BATCH * sizeof(uint32));
	uint32		n = 0;

	memo->all = true;
	for (uint32 i = 0; i < q->view.nnodes; i++)
	{
		if ((i & 0x3ff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (hg_node_has_edge(&q->view, i, HG_DOWN) &&
			names_lookup(memo->table, i) == NULL)
			nodes[n++] = i;
		if (n < NAMES_BATCH && (n == 0 || i + 1 < q->view.nnodes))
			continue;
		if (MemoryContextMemAllocated(memo->mcxt, false) > NAMES_MEMORY)
			break;
		look_up_names(fcinfo, memo, q, nodes, n);
		n = 0;
	}
	pfree(nodes);
}

/*
 * path_of puts the way up from a node into memo->path and returns its length.
 */
static uint32
path_of(FunctionCallInfo fcinfo, NamesMemo *memo, const HgQuery *q, int64 id)
{
	HgKey		key = {.num = id};
	bool		primary = (q->layout->roles & HG_HAS_PRIMARY) != 0;
	uint32		n = 0;

	if (q->layout->key_kind != HG_KEY_INT)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("keys of the graph are not integers")));
	for (uint32 at = hg_view_lookup(&q->view, &key); at != HG_NONE;
		 at = hg_trunk(&q->view, primary, at))
	{
		if (n >= q->view.nnodes)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("graph \"%s\" has a cycle",
							get_rel_name(q->layout->index_oid))));
		if (n == memo->path_size)
		{
			CHECK_FOR_INTERRUPTS();
			memo->path = repalloc_huge(memo->path,
									   (Size) memo->path_size * 2 * sizeof(uint32));
			memo->path_size *= 2;
		}
		memo->path[n++] = at;
	}
	return n;
}

/*
 * append_name writes a name so that it is one step of a path.
 */
static void
append_name(StringInfo path, const char *name, int len)
{
	int			start = path->len;

	appendBinaryStringInfo(path, name, len);
	for (int i = start; i < path->len; i++)
	{
		/* no byte of a longer character looks like it in a server encoding */
		if (path->data[i] == '|')
			path->data[i] = '/';
	}
}

/*
 * need_names looks up the names of a path, but for the lowest.
 */
static void
need_names(FunctionCallInfo fcinfo, NamesMemo *memo, const HgQuery *q, uint32 n)
{
	uint32	   *missing = palloc(n * sizeof(uint32));
	uint32		nmissing = 0;

	for (uint32 i = 1; i < n; i++)
	{
		if (names_lookup(memo->table, memo->path[i]) == NULL)
			missing[nmissing++] = memo->path[i];
	}
	if (nmissing > 0)
	{
		names_hash *table = memo->table;

		/* an error may leave it half done, and the call site may live on */
		memo->table = NULL;
		PG_TRY();
		{
			memo->table = table;
			look_up_names(fcinfo, memo, q, missing, nmissing);
			if (!memo->all && memo->looked_up > NAMES_ALL)
				look_up_all(fcinfo, memo, q);
		}
		PG_CATCH();
		{
			memo->table = NULL;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	pfree(missing);
}

/*
 * hgraph_tree_path: tree_path(graph, node, name) is the names of the entities
 * from the top down to a node, which has the name given.
 */
Datum
hgraph_tree_path(PG_FUNCTION_ARGS)
{
	NamesMemo  *memo;
	HgQuery		q;
	uint32		n;
	StringInfoData path;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	hg_query_open(&q, PG_GETARG_OID(0), NULL);
	memo = names_memo(fcinfo, &q);
	n = path_of(fcinfo, memo, &q, PG_GETARG_INT64(1));
	if (n > 1)
		need_names(fcinfo, memo, &q, n);
	hg_query_close(&q);
	if (n == 0)
		PG_RETURN_NULL();

	initStringInfo(&path);
	while (--n > 0)
	{
		const char *name = names_lookup(memo->table, memo->path[n])->name;

		if (name != NULL)
			append_name(&path, name, strlen(name));
		appendStringInfoChar(&path, '|');
	}
	if (!PG_ARGISNULL(2))
	{
		text	   *name = PG_GETARG_TEXT_PP(2);

		append_name(&path, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(path.data, path.len));
}

/*
 * hgraph_tree_sort_key: tree_sort_key(graph, node) is a text by which nodes
 * sort as a printed tree, siblings by number, whatever the collation.  Each
 * number of the path has its length as a letter before it; negative ones come
 * first.
 */
Datum
hgraph_tree_sort_key(PG_FUNCTION_ARGS)
{
	NamesMemo  *memo;
	HgQuery		q;
	uint32		n;
	StringInfoData key;

	hg_query_open(&q, PG_GETARG_OID(0), NULL);
	memo = names_memo(fcinfo, &q);
	n = path_of(fcinfo, memo, &q, PG_GETARG_INT64(1));
	initStringInfo(&key);
	for (uint32 i = n; i-- > 0;)
	{
		int64		id = hg_graph_key(q.view.g, memo->path[i]).num;
		uint64		value = (uint64) id;
		char		digits[MAXINT8LEN + 1];
		int			len;

		if (id < 0)
		{
			appendStringInfoChar(&key, '0');
			value ^= UINT64CONST(1) << 63;
		}
		len = pg_ulltoa_n(value, digits);
		appendStringInfoChar(&key, 'a' + len - 1);
		appendBinaryStringInfo(&key, digits, len);
	}
	hg_query_close(&q);
	if (n == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(key.data, key.len));
}

/*
 * hgraph_is_root: is_root(graph, node): has the node no parent?  NULL if there
 * is no such node.
 */
Datum
hgraph_is_root(PG_FUNCTION_ARGS)
{
	RootMemo   *memo = fcinfo->flinfo->fn_extra;
	int64		node = PG_GETARG_INT64(1);
	HgQuery		q;
	uint64		serial;

	if (memo == NULL)
		memo = fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(RootMemo));

	hg_query_open(&q, PG_GETARG_OID(0), NULL);
	serial = hg_query_serial(&q);
	/* rows of a closure come ancestor by ancestor */
	if (!memo->known || memo->serial != serial || memo->node != node)
	{
		HgKey		key = {.num = node};
		uint32		found;

		if (q.layout->key_kind != HG_KEY_INT)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("keys of the graph are not integers")));
		found = hg_view_lookup(&q.view, &key);
		memo->known = true;
		memo->serial = serial;
		memo->node = node;
		memo->exists = found != HG_NONE;
		memo->is_root = memo->exists && !hg_node_has_edge(&q.view, found, HG_UP);
	}
	hg_query_close(&q);
	if (!memo->exists)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(memo->is_root);
}
