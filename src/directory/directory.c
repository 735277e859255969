/*-------------------------------------------------------------------------
 *
 * directory.c
 *	  Reading the tables of the directory from C: tables, scans, settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "directory/directory.h"
#include "directory/range.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static const char *const table_name[] = {
	"entity",
	"hierarchy",
	"relationship_rule",
	"relationship_type",
	"relationship",
	"identifier",
	"identifier_scheme",
};

/* The columns that are read, with their types. */
static const struct
{
	const char *name;
	Oid			type;
}			known_columns[] = {
	{"child_id", INT8OID},
	{"child_type", TEXTOID},
	{"code", TEXTOID},
	{"entity_id", INT8OID},
	{"entity_type", TEXTOID},
	{"hierarchy_id", INT4OID},
	{"is_primary", BOOLOID},
	{"max_parents", INT4OID},
	{"merged_into", INT8OID},
	{"name", TEXTOID},
	{"parent_id", INT8OID},
	{"parent_type", TEXTOID},
	{"pattern", TEXTOID},
	{"relationship_type", TEXTOID},
	{"relationship_types", TEXTARRAYOID},
	{"require_primary", BOOLOID},
	{"scheme", TEXTOID},
	{"share", NUMERICOID},
	{"share_mode", TEXTOID},
	{"status", TEXTOID},
	{"valid", DATERANGEOID},
	{"validity", DATERANGEOID},
	{"value", TEXTOID},
};

/*
 * hg_directory_begin starts to read the directory in a schema.
 */
void
hg_directory_begin(HgDirectory *dir, Oid schema)
{
	memset(dir, 0, sizeof(HgDirectory));
	dir->schema = schema;
	dir->mcxt = AllocSetContextCreate(CurrentMemoryContext,
									  "hierarchy directory",
									  ALLOCSET_DEFAULT_SIZES);
	dir->caller = MemoryContextSwitchTo(dir->mcxt);
	dir->show = -1;
	dir->today = GetSQLCurrentDate();
}

/*
 * hg_directory_end forgets all that was read.  Locks on tables stay until the
 * transaction ends.
 */
void
hg_directory_end(HgDirectory *dir)
{
	ListCell   *lc;

	foreach(lc, dir->hierarchies)
	{
		HgHierarchy *hierarchy = lfirst(lc);

		if (hierarchy->partition != NULL)
			table_close(hierarchy->partition, NoLock);
	}
	for (int i = 0; i < HG_NTABLES; i++)
		if (dir->table[i] != NULL)
			table_close(dir->table[i], NoLock);
	if (dir->snapshot != NULL)
		UnregisterSnapshot(dir->snapshot);
	MemoryContextSwitchTo(dir->caller);
	MemoryContextDelete(dir->mcxt);
}

/*
 * hg_directory_look takes a new snapshot, whatever the isolation level.  To be
 * called when all locks are held; see locks.c.
 */
void
hg_directory_look(HgDirectory *dir)
{
	if (dir->snapshot != NULL)
		UnregisterSnapshot(dir->snapshot);
	CommandCounterIncrement();
	dir->snapshot = RegisterSnapshot(GetLatestSnapshot());
}

/*
 * hg_directory_table opens a table.
 */
Relation
hg_directory_table(HgDirectory *dir, HgTable table)
{
	if (dir->table[table] == NULL)
	{
		Oid			relid = get_relname_relid(table_name[table], dir->schema);

		if (!OidIsValid(relid))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("schema \"%s\" has no table \"%s\"",
							get_namespace_name(dir->schema), table_name[table])));
		dir->table[table] = table_open(relid, AccessShareLock);
	}
	return dir->table[table];
}

/*
 * check_type makes sure that a column is what it was made: whoever owns a table
 * may have changed it, or put our triggers on another.
 */
static void
check_type(Relation rel, Form_pg_attribute att)
{
	for (int i = 0; i < (int) lengthof(known_columns); i++)
		if (strcmp(known_columns[i].name, NameStr(att->attname)) == 0)
		{
			if (known_columns[i].type == att->atttypid)
				return;
			break;
		}
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of table \"%s\" has not the type that the directory gave it",
					NameStr(att->attname), RelationGetRelationName(rel))));
}

/*
 * hg_value returns the value of a column that never is NULL, unless somebody
 * took its constraint away.
 */
Datum
hg_value(TupleTableSlot *slot, AttrNumber attno)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attno, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\", which the directory needs",
						NameStr(TupleDescAttr(slot->tts_tupleDescriptor, attno - 1)->attname))));
	return value;
}

/*
 * hg_column returns the number of a column.
 */
AttrNumber
hg_column(Relation rel, const char *name)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
		{
			check_type(rel, att);
			return i + 1;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("table \"%s\" has no column \"%s\"",
					RelationGetRelationName(rel), name)));
	return InvalidAttrNumber;	/* not reached */
}

/*
 * hg_name_number returns the number of a name, a new one if need be.
 */
int
hg_name_number(HgDirectory *dir, HgNames *names, const char *name, int len)
{
	int			i = names->last;

	if (i < names->n && names->len[i] == len && memcmp(names->name[i], name, len) == 0)
		return i;
	for (i = 0; i < names->n; i++)
		if (names->len[i] == len && memcmp(names->name[i], name, len) == 0)
			break;
	names->last = i;
	if (i == names->n)
	{
		MemoryContext old = MemoryContextSwitchTo(dir->mcxt);

		if (i == PG_INT16_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many types in one statement")));
		if (names->n == names->size)
		{
			names->size = Max(names->size * 2, 8);
			names->name = names->name == NULL ?
				palloc(sizeof(char *) * names->size) :
				repalloc(names->name, sizeof(char *) * names->size);
			names->len = names->len == NULL ?
				palloc(sizeof(int) * names->size) :
				repalloc(names->len, sizeof(int) * names->size);
		}
		names->name[i] = pnstrdup(name, len);
		names->len[i] = len;
		names->n++;
		MemoryContextSwitchTo(old);
	}
	return i;
}

/*
 * hg_primary_key returns the primary key index of a table, whose first column
 * must be this one.
 */
Oid
hg_primary_key(Relation rel, AttrNumber first)
{
	Oid			pkey;

	list_free(RelationGetIndexList(rel));
	pkey = rel->rd_pkindex;
	if (OidIsValid(pkey))
	{
		Relation	index = index_open(pkey, AccessShareLock);

		if (index->rd_index->indkey.values[0] != first || !index->rd_index->indisvalid)
			pkey = InvalidOid;
		index_close(index, NoLock);
	}
	if (!OidIsValid(pkey))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" lacks the primary key that the directory gave it",
						RelationGetRelationName(rel)),
				 errhint("Add a primary key that begins with column \"%s\".",
						 NameStr(TupleDescAttr(RelationGetDescr(rel), first - 1)->attname))));
	return pkey;
}

/*
 * hg_scan_begin prepares to scan; nkeys 0 or 1.
 */
void
hg_scan_begin(HgScan *scan, HgDirectory *dir, Relation heap, Oid index, int nkeys)
{
	scan->heap = heap;
	scan->index = index_open(index, AccessShareLock);
	scan->nkeys = nkeys;
	scan->slot = table_slot_create(heap, NULL);
	scan->scan = hg_index_beginscan(heap, scan->index, dir->snapshot, nkeys);
}

/*
 * start positions the scan.
 */
static void
start(HgScan *scan, RegProcedure equal, Datum key)
{
	ScanKeyEntryInitialize(&scan->key[0], 0, 1, BTEqualStrategyNumber,
						   InvalidOid, scan->index->rd_indcollation[0],
						   equal, key);
	index_rescan(scan->scan, scan->key, 1, NULL, 0);
}

/*
 * hg_scan_int8 looks for a bigint.
 */
void
hg_scan_int8(HgScan *scan, int64 key)
{
	start(scan, F_INT8EQ, Int64GetDatum(key));
}

/*
 * hg_scan_int4 looks for an integer.
 */
void
hg_scan_int4(HgScan *scan, int32 key)
{
	start(scan, F_INT4EQ, Int32GetDatum(key));
}

/*
 * hg_scan_text looks for a text.
 */
void
hg_scan_text(HgScan *scan, const char *key, int len)
{
	start(scan, F_TEXTEQ, PointerGetDatum(cstring_to_text_with_len(key, len)));
}

/*
 * hg_scan_all looks at all rows in the order of the index.
 */
void
hg_scan_all(HgScan *scan)
{
	index_rescan(scan->scan, NULL, 0, NULL, 0);
}

/*
 * hg_scan_next puts the next row into the slot.
 */
bool
hg_scan_next(HgScan *scan)
{
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

/*
 * hg_scan_end ends it.
 */
void
hg_scan_end(HgScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
}

/*
 * hg_name_exists looks for a row whose key is a name.
 */
bool
hg_name_exists(HgDirectory *dir, HgTable table, const char *name, int len,
			   char **pattern)
{
	Relation	rel = hg_directory_table(dir, table);
	AttrNumber	key = hg_column(rel, table == HG_SCHEME ? "scheme" : "relationship_type");
	HgScan		scan;
	bool		found;

	hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, key), 1);
	hg_scan_text(&scan, name, len);
	found = hg_scan_next(&scan);
	if (pattern != NULL)
		*pattern = NULL;
	if (found && pattern != NULL)
	{
		bool		isnull;
		Datum		value = slot_getattr(scan.slot, hg_column(rel, "pattern"), &isnull);

		if (!isnull)
			*pattern = TextDatumGetCString(value);
	}
	hg_scan_end(&scan);
	return found;
}

/*
 * read_types reads the relationship types that a hierarchy lists.
 */
static void
read_types(HgHierarchy *hierarchy, ArrayType *array)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	hierarchy->ntypes = 0;
	hierarchy->types = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			hierarchy->types[hierarchy->ntypes++] = TextDatumGetCString(values[i]);
}

/*
 * read_graph reads which graph a hierarchy's row names; InvalidOid: none.
 */
static Oid
read_graph(Relation rel, TupleTableSlot *slot)
{
	int			attno = SPI_fnumber(RelationGetDescr(rel), "graph");
	bool		isnull = true;
	Datum		value = (Datum) 0;

	/* the type is that of the extension, which has no fixed number */
	if (attno > 0 && TupleDescAttr(RelationGetDescr(rel), attno - 1)->attlen == sizeof(Oid) &&
		TupleDescAttr(RelationGetDescr(rel), attno - 1)->attbyval)
		value = slot_getattr(slot, attno, &isnull);
	return isnull ? InvalidOid : DatumGetObjectId(value);
}

/*
 * read_settings reads a row of the table hierarchy.
 */
static void
read_settings(HgHierarchy *hierarchy, Relation rel, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value;
	char	   *mode;

	hierarchy->id = DatumGetInt32(hg_value(slot, hg_column(rel, "hierarchy_id")));
	hierarchy->name = TextDatumGetCString(hg_value(slot, hg_column(rel, "name")));
	hierarchy->graph = read_graph(rel, slot);
	mode = TextDatumGetCString(hg_value(slot, hg_column(rel, "share_mode")));
	hierarchy->share_mode = strcmp(mode, "split") == 0 ? HG_SHARES_SPLIT :
		strcmp(mode, "full") == 0 ? HG_SHARES_FULL : HG_SHARES_NONE;
	value = slot_getattr(slot, hg_column(rel, "max_parents"), &isnull);
	hierarchy->max_parents = isnull ? 0 : DatumGetInt32(value);
	hierarchy->require_primary =
		DatumGetBool(hg_value(slot, hg_column(rel, "require_primary")));
	value = slot_getattr(slot, hg_column(rel, "relationship_types"), &isnull);
	hierarchy->ntypes = -1;
	if (!isnull)
		read_types(hierarchy, DatumGetArrayTypeP(value));
	value = hg_value(slot, hg_column(rel, "validity"));
	hg_range_days(value, &hierarchy->from, &hierarchy->to);
}

/*
 * read_rules reads the type rules of a hierarchy.
 */
static void
read_rules(HgDirectory *dir, HgHierarchy *hierarchy)
{
	Relation	rel = hg_directory_table(dir, HG_RULE);
	AttrNumber	key = hg_column(rel, "hierarchy_id");
	AttrNumber	child = hg_column(rel, "child_type");
	AttrNumber	parent = hg_column(rel, "parent_type");
	AttrNumber	max = hg_column(rel, "max_parents");
	int			size = 8;
	HgScan		scan;

	hierarchy->rules = palloc(sizeof(HgTypeRule) * size);
	hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, key), 1);
	hg_scan_int4(&scan, hierarchy->id);
	while (hg_scan_next(&scan))
	{
		HgTypeRule *rule;
		bool		isnull;
		char	   *name;
		Datum		value;

		if (hierarchy->nrules == size)
		{
			size *= 2;
			hierarchy->rules = repalloc(hierarchy->rules, sizeof(HgTypeRule) * size);
		}
		rule = &hierarchy->rules[hierarchy->nrules++];
		name = TextDatumGetCString(hg_value(scan.slot, child));
		rule->child = hg_name_number(dir, &dir->types, name, strlen(name));
		name = TextDatumGetCString(hg_value(scan.slot, parent));
		rule->parent = hg_name_number(dir, &dir->types, name, strlen(name));
		value = slot_getattr(scan.slot, max, &isnull);
		rule->max_parents = isnull ? 0 : DatumGetInt32(value);
		if (!isnull)
			hierarchy->kind_limits = true;
	}
	hg_scan_end(&scan);
}

/*
 * open_partition opens the table that holds a hierarchy's relationships.
 */
static void
open_partition(HgDirectory *dir, HgHierarchy *hierarchy, Relation partition)
{
	char		name[NAMEDATALEN];
	Oid			relid;

	snprintf(name, sizeof(name), "relationship_%d", hierarchy->id);
	relid = partition != NULL ? RelationGetRelid(partition) :
		get_relname_relid(name, dir->schema);
	if (!OidIsValid(relid))
		return;
	hierarchy->partition = table_open(relid, AccessShareLock);
	if (hierarchy->partition->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table",
						RelationGetRelationName(hierarchy->partition))));
	hg_columns_find(hierarchy->partition, &hierarchy->columns);
}

/*
 * hg_hierarchy reads the settings of a hierarchy, once.
 */
HgHierarchy *
hg_hierarchy(HgDirectory *dir, int32 id, Relation partition)
{
	Relation	rel;
	HgHierarchy *hierarchy = NULL;
	MemoryContext old;
	ListCell   *lc;
	HgScan		scan;

	foreach(lc, dir->hierarchies)
	{
		hierarchy = lfirst(lc);
		if (hierarchy->id == id)
			return hierarchy;
	}

	old = MemoryContextSwitchTo(dir->mcxt);
	hierarchy = NULL;
	rel = hg_directory_table(dir, HG_HIERARCHY);
	hg_scan_begin(&scan, dir, rel,
				  hg_primary_key(rel, hg_column(rel, "hierarchy_id")), 1);
	hg_scan_int4(&scan, id);
	if (hg_scan_next(&scan))
	{
		hierarchy = palloc0(sizeof(HgHierarchy));
		read_settings(hierarchy, rel, scan.slot);
		read_rules(dir, hierarchy);
		open_partition(dir, hierarchy, partition);
		dir->hierarchies = lappend(dir->hierarchies, hierarchy);
	}
	hg_scan_end(&scan);
	MemoryContextSwitchTo(old);
	return hierarchy;
}

/*
 * hg_hierarchy_id finds a hierarchy by its name.
 */
int32
hg_hierarchy_id(HgDirectory *dir, const char *name)
{
	Relation	rel = hg_directory_table(dir, HG_HIERARCHY);
	AttrNumber	id = hg_column(rel, "hierarchy_id");
	AttrNumber	column = hg_column(rel, "name");
	int32		found = 0;
	HgScan		scan;

	hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, id), 0);
	hg_scan_all(&scan);
	while (found == 0 && hg_scan_next(&scan))
	{
		if (strcmp(TextDatumGetCString(hg_value(scan.slot, column)), name) == 0)
			found = DatumGetInt32(hg_value(scan.slot, id));
	}
	hg_scan_end(&scan);
	return found;
}

/*
 * hg_hierarchies returns all hierarchies that have a partition.
 */
List *
hg_hierarchies(HgDirectory *dir)
{
	Relation	rel = hg_directory_table(dir, HG_HIERARCHY);
	AttrNumber	id = hg_column(rel, "hierarchy_id");
	List	   *ids = NIL;
	List	   *result = NIL;
	ListCell   *lc;
	HgScan		scan;

	hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, id), 0);
	hg_scan_all(&scan);
	while (hg_scan_next(&scan))
	{
		bool		isnull;

		ids = lappend_int(ids, DatumGetInt32(slot_getattr(scan.slot, id, &isnull)));
	}
	hg_scan_end(&scan);
	foreach(lc, ids)
	{
		HgHierarchy *hierarchy = hg_hierarchy(dir, lfirst_int(lc), NULL);

		if (hierarchy != NULL && hierarchy->partition != NULL)
			result = lappend(result, hierarchy);
	}
	list_free(ids);
	return result;
}
