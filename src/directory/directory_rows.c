/*-------------------------------------------------------------------------
 *
 * directory_rows.c
 *	  Reading relationships.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "am/am.h"
#include "cache/cache.h"
#include "catalog/pg_inherits.h"
#include "compat.h"
#include "directory/directory.h"
#include "directory/locks.h"
#include "directory/range.h"
#include "miscadmin.h"
#include "rollup/collect_state.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

/* Where among the children an id is. */
typedef struct ChildPlace
{
	int64		id;				/* hash key */
	int32		place;
	char		status;			/* for simplehash */
} ChildPlace;

#define SH_PREFIX		places
#define SH_ELEMENT_TYPE ChildPlace
#define SH_KEY_TYPE		int64
#define SH_KEY			id
#define SH_HASH_KEY(tb, key) ((uint32) hg_mix_id(key))
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*
 * hg_columns_find finds the columns of a relationship.
 */
void
hg_columns_find(Relation rel, HgColumns *columns)
{
	columns->hierarchy = hg_column(rel, "hierarchy_id");
	columns->parent = hg_column(rel, "parent_id");
	columns->child = hg_column(rel, "child_id");
	columns->type = hg_column(rel, "relationship_type");
	columns->primary = hg_column(rel, "is_primary");
	columns->share = hg_column(rel, "share");
	columns->valid = hg_column(rel, "valid");
	columns->last = Max(columns->hierarchy, columns->parent);
	columns->last = Max(columns->last, columns->child);
	columns->last = Max(columns->last, columns->type);
	columns->last = Max(columns->last, columns->primary);
	columns->last = Max(columns->last, columns->share);
	columns->last = Max(columns->last, columns->valid);
}

/*
 * read_share reads a share; one with more places is rounded.
 */
static int64
read_share(Datum value)
{
	struct varlena *num = PG_DETOAST_DATUM_PACKED(value);
	int64		share;

	if (hg_decimal_parse64(num, HG_SHARE_PLACES, &share))
		return share;
	value = DirectFunctionCall2(numeric_mul, NumericGetDatum((Numeric) PG_DETOAST_DATUM(value)),
								NumericGetDatum(int64_to_numeric(HG_SHARE_ONE)));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, value));
}

/*
 * hg_row_read reads a relationship from a slot.
 */
void
hg_row_read(HgDirectory *dir, const HgColumns *columns, TupleTableSlot *slot,
			HgRow *row)
{
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;

	slot_getsomeattrs(slot, columns->last);
	if (nulls[columns->parent - 1] || nulls[columns->child - 1] ||
		nulls[columns->hierarchy - 1] || nulls[columns->primary - 1] ||
		nulls[columns->valid - 1])
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("relationship lacks a value that the directory needs")));
	row->parent = DatumGetInt64(values[columns->parent - 1]);
	row->child = DatumGetInt64(values[columns->child - 1]);
	row->hierarchy = DatumGetInt32(values[columns->hierarchy - 1]);
	row->primary = DatumGetBool(values[columns->primary - 1]);
	row->share = nulls[columns->share - 1] ? HG_SHARE_UNSTATED :
		read_share(values[columns->share - 1]);
	hg_range_days(values[columns->valid - 1], &row->from, &row->to);
	row->next = -1;
	row->type = -1;
	if (!nulls[columns->type - 1])
	{
		text	   *type = DatumGetTextPP(values[columns->type - 1]);

		row->type = hg_name_number(dir, &dir->relationship_types,
								   VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type));
	}
}

/*
 * hg_rows_add makes room for one more row.
 */
HgRow *
hg_rows_add(HgDirectory *dir, HgRows *rows)
{
	if (rows->n == rows->size)
	{
		if (rows->n >= PG_INT32_MAX / 2)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many relationships to check at once")));
		rows->size = Max(rows->size * 2, 16);
		if (rows->row == NULL)
			rows->row = MemoryContextAlloc(dir->mcxt, sizeof(HgRow) * rows->size);
		else
			rows->row = repalloc_huge(rows->row, sizeof(HgRow) * rows->size);
	}
	return &rows->row[rows->n++];
}

/*
 * chain adds a row to those of a child.
 */
static void
chain(HgDirectory *dir, const HgColumns *columns, TupleTableSlot *slot,
	  HgChildren *children, int64 i)
{
	HgRow	   *row = hg_rows_add(dir, &children->rows);

	hg_row_read(dir, columns, slot, row);
	row->next = children->head[i];
	children->head[i] = (int32) (children->rows.n - 1);
}

/*
 * read_by_scan reads the whole partition.
 */
static void
read_by_scan(HgDirectory *dir, const HgHierarchy *hierarchy, HgChildren *children)
{
	Relation	rel = hierarchy->partition;
	const HgColumns *columns = &hierarchy->columns;
	places_hash *places = places_create(dir->mcxt, children->n, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan;
	bool		isnull;

	for (int64 i = 0; i < children->n; i++)
	{
		bool		found;

		places_insert(places, children->ids[i], &found)->place = (int32) i;
	}
	scan = table_beginscan(rel, dir->snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		ChildPlace *place;

		CHECK_FOR_INTERRUPTS();
		place = places_lookup(places,
							  DatumGetInt64(slot_getattr(slot, columns->child, &isnull)));
		if (place != NULL)
			chain(dir, columns, slot, children, place->place);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	places_destroy(places);
}

/*
 * hg_children_read reads all relationships of some children: through the
 * index, or with one scan if they are a good part of the partition.
 */
void
hg_children_read(HgDirectory *dir, const HgHierarchy *hierarchy,
				 const int64 *ids, int64 n, HgChildren *out)
{
	Relation	rel = hierarchy->partition;
	HgScan		scan;

	memset(out, 0, sizeof(HgChildren));
	out->ids = ids;
	out->n = n;
	out->head = MemoryContextAllocHuge(dir->mcxt, sizeof(int32) * Max(n, 1));
	memset(out->head, -1, sizeof(int32) * n);
	if (n > 100 && n / HG_LOOKUPS_PER_PAGE > RelationGetNumberOfBlocks(rel))
	{
		read_by_scan(dir, hierarchy, out);
		return;
	}
	hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, hierarchy->columns.child), 1);
	for (int64 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hg_scan_int8(&scan, ids[i]);
		while (hg_scan_next(&scan))
			chain(dir, &hierarchy->columns, scan.slot, out, i);
	}
	hg_scan_end(&scan);
}

/*
 * hg_children_free frees what hg_children_read returned.
 */
void
hg_children_free(HgChildren *children)
{
	pfree(children->head);
	if (children->rows.row != NULL)
		pfree(children->rows.row);
}

/*
 * open_graph opens the graph of a partition, NULL if there is none to use.
 */
static Relation
open_graph(Relation partition)
{
	List	   *indexes = RelationGetIndexList(partition);
	Relation	graph = NULL;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		HgLayout	layout;

		if (hgraph_is_hgraph_index(index) && index->rd_index->indisvalid &&
			index->rd_index->indisready &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
			index->rd_index->indkey.values[0] == hg_column(partition, "parent_id") &&
			index->rd_index->indkey.values[1] == hg_column(partition, "child_id"))
		{
			hg_layout_resolve(index, &layout);
			if (layout.key_kind == HG_KEY_INT)
			{
				graph = index;
				break;
			}
		}
		index_close(index, NoLock);
	}
	list_free(indexes);
	return graph;
}

/* Children found so far. */
typedef struct Found
{
	int64	   *ids;
	int64		n;
	int64		size;
} Found;

/*
 * found_add adds one.
 */
static void
found_add(HgDirectory *dir, Found *found, int64 id)
{
	if (found->n == found->size)
	{
		found->size = Max(found->size * 2, 64);
		if (found->ids == NULL)
			found->ids = MemoryContextAlloc(dir->mcxt, sizeof(int64) * found->size);
		else
			found->ids = repalloc_huge(found->ids, sizeof(int64) * found->size);
	}
	found->ids[found->n++] = id;
}

/*
 * find_in_graph adds the children of entities by the entries of the graph,
 * dead ones included.  The snapshot was taken before, so every row that it sees
 * has its entry by now.
 */
static void
find_in_graph(HgDirectory *dir, Relation index, const int64 *entities, int64 n,
			  Found *found)
{
	HgCached   *c = hg_cache_entry(RelationGetRelid(index));
	HgView		view;

	if (c->stale || c->filenumber != HG_REL_FILENUMBER(index))
		hg_cache_revalidate(c, index);
	hg_cache_catch_up(c, index, false);
	hg_view_init(&view, c->ref->graph, NULL, NULL, 0, false, NULL, NULL);
	for (int64 i = 0; i < n; i++)
	{
		HgKey		key = {entities[i], NULL, 0};
		uint32		node = hg_graph_lookup(c->ref->graph, &key);
		HgEdges		it;

		CHECK_FOR_INTERRUPTS();
		if (node == HG_NONE)
			continue;
		hg_edges_begin(&it, &view, node, HG_DOWN);
		while (hg_edges_next(&it))
			found_add(dir, found, hg_graph_key(c->ref->graph, it.node).num);
	}
}

/*
 * find_by_scan adds the children of entities by reading all rows.
 */
static void
find_by_scan(HgDirectory *dir, const HgHierarchy *hierarchy,
			 const int64 *entities, int64 n, Found *found)
{
	Relation	rel = hierarchy->partition;
	places_hash *places = places_create(dir->mcxt, n, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan;
	bool		isnull;

	for (int64 i = 0; i < n; i++)
	{
		bool		already;

		places_insert(places, entities[i], &already)->place = (int32) i;
	}
	scan = table_beginscan(rel, dir->snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (places_lookup(places, DatumGetInt64(slot_getattr(slot, hierarchy->columns.parent, &isnull))) != NULL)
			found_add(dir, found,
					  DatumGetInt64(slot_getattr(slot, hierarchy->columns.child, &isnull)));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	places_destroy(places);
}

/*
 * hg_children_of finds the children that have to do with entities.
 */
int64
hg_children_of(HgDirectory *dir, const HgHierarchy *hierarchy,
			   const int64 *entities, int64 n, int64 **children)
{
	Relation	graph = open_graph(hierarchy->partition);
	Found		found = {0};

	for (int64 i = 0; i < n; i++)
		found_add(dir, &found, entities[i]);
	if (graph != NULL)
	{
		find_in_graph(dir, graph, entities, n, &found);
		index_close(graph, NoLock);
	}
	else
		find_by_scan(dir, hierarchy, entities, n, &found);
	*children = found.ids;
	return hg_sort_ids(found.ids, found.n);
}

/*
 * hg_partition_empty: is there no row?
 */
bool
hg_partition_empty(HgDirectory *dir, const HgHierarchy *hierarchy)
{
	TupleTableSlot *slot = table_slot_create(hierarchy->partition, NULL);
	TableScanDesc scan = table_beginscan(hierarchy->partition, dir->snapshot, 0, NULL);
	bool		empty = !table_scan_getnextslot(scan, ForwardScanDirection, slot);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return empty;
}

/*
 * hg_find_type finds a row of a relationship type.
 */
bool
hg_find_type(HgDirectory *dir, const HgHierarchy *hierarchy, int type, HgRow *row)
{
	TupleTableSlot *slot = table_slot_create(hierarchy->partition, NULL);
	TableScanDesc scan = table_beginscan(hierarchy->partition, dir->snapshot, 0, NULL);
	bool		found = false;

	while (!found && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		hg_row_read(dir, &hierarchy->columns, slot, row);
		found = row->type >= 0 && (type < 0 || row->type == type);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

/*
 * hg_partition_id takes the hierarchy's number from the name that its partition
 * has got; a name that is only similar to one is somebody else's.
 */
bool
hg_partition_id(Oid partition, int32 *id)
{
	static const char prefix[] = "relationship_";
	const char *name = get_rel_name(partition);

	if (name == NULL || strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return false;
	*id = (int32) strtol(name + sizeof(prefix) - 1, NULL, 10);
	return strcmp(name, psprintf("%s%d", prefix, *id)) == 0;
}

/*
 * hg_partition_ids returns the numbers of the partitions that there are.
 */
List *
hg_partition_ids(HgDirectory *dir)
{
	Relation	root = hg_directory_table(dir, HG_RELATIONSHIP);
	List	   *children = find_inheritance_children(RelationGetRelid(root), AccessShareLock);
	List	   *ids = NIL;
	ListCell   *lc;

	foreach(lc, children)
	{
		int32		id;

		if (hg_partition_id(lfirst_oid(lc), &id))
			ids = lappend_int(ids, id);
	}
	return ids;
}
