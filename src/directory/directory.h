/*-------------------------------------------------------------------------
 *
 * directory.h
 *	  Reading the tables of the directory from C.
 *
 * Everything is read through the tables' own indexes with one snapshot that
 * the reader takes itself, so neither row-level security nor permissions nor
 * search_path play a part.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_DIRECTORY_H
#define HIERARCHY_DIRECTORY_H

#include "access/genam.h"
#include "access/skey.h"
#include "directory/days.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* Looking up so many rows takes as long as reading one page of a table. */
#define HG_LOOKUPS_PER_PAGE		6

typedef enum HgTable
{
	HG_ENTITY,
	HG_HIERARCHY,
	HG_RULE,
	HG_RELATIONSHIP_TYPE,
	HG_RELATIONSHIP,			/* the root */
	HG_IDENTIFIER,
	HG_SCHEME,
	HG_NTABLES
} HgTable;

/* Names, numbered as they come. */
typedef struct HgNames
{
	int			n;
	int			size;
	int			last;			/* the one asked for last */
	char	  **name;
	int		   *len;
} HgNames;

/* A rule: who may stand under whom. */
typedef struct HgTypeRule
{
	int			child;			/* HgDirectory.types */
	int			parent;
	int			max_parents;	/* 0: any number */
} HgTypeRule;

typedef enum HgShareMode
{
	HG_SHARES_NONE,
	HG_SHARES_SPLIT,
	HG_SHARES_FULL
} HgShareMode;

/* Where a table has the columns of a relationship. */
typedef struct HgColumns
{
	AttrNumber	hierarchy;
	AttrNumber	parent;
	AttrNumber	child;
	AttrNumber	type;
	AttrNumber	primary;
	AttrNumber	share;
	AttrNumber	valid;
	int			last;			/* greatest of them */
} HgColumns;

/* A hierarchy with its settings. */
typedef struct HgHierarchy
{
	int32		id;
	char	   *name;
	Oid			graph;			/* what its row says */
	HgShareMode share_mode;
	int			max_parents;	/* 0: any number */
	bool		require_primary;
	int			ntypes;			/* of relationships; -1: any */
	char	  **types;
	Bitmapset  *types_known;	/* of HgDirectory.relationship_types: may be
								 * used here */
	int32		from;			/* validity */
	int32		to;
	int			nrules;			/* 0: any child under any parent */
	HgTypeRule *rules;
	bool		kind_limits;	/* has a rule max_parents? */
	Relation	partition;		/* or NULL */
	HgColumns	columns;		/* of partition */
} HgHierarchy;

typedef enum HgEntityState
{
	HG_ENTITY_UNKNOWN,			/* not looked up yet */
	HG_ENTITY_MISSING,
	HG_ENTITY_ACTIVE,
	HG_ENTITY_INACTIVE			/* or merged */
} HgEntityState;

/* What is known of an entity; 16 bytes, there may be a million of them. */
typedef struct HgEntity
{
	int64		id;				/* hash key */
	int16		type;			/* HgDirectory.types */
	uint8		state;			/* HgEntityState */
	char		status;			/* for simplehash */
} HgEntity;

/* A relationship. */
typedef struct HgRow
{
	int64		parent;
	int64		child;
	int64		share;			/* HG_SHARE_UNSTATED: NULL */
	int32		from;
	int32		to;
	int32		hierarchy;
	int32		next;			/* of the same child, -1 ends */
	int16		type;			/* HgDirectory.relationship_types, -1: NULL */
	bool		primary;
} HgRow;

typedef struct HgRows
{
	HgRow	   *row;
	int64		n;
	int64		size;
} HgRows;

typedef struct HgDirectory
{
	Oid			schema;
	MemoryContext mcxt;			/* of all that is found out */
	MemoryContext caller;
	Snapshot	snapshot;		/* registered, or NULL */
	Relation	table[HG_NTABLES];	/* open, or NULL */
	HgNames		types;			/* of entities */
	HgNames		relationship_types;
	struct hgentity_hash *entities;
	int64	   *wanted;			/* entities yet to be looked up */
	int64		nwanted;
	int64		wanted_size;
	List	   *hierarchies;	/* of HgHierarchy, read so far */
	int			show;			/* may messages name entities? -1: to find out */
	int32		today;
} HgDirectory;

/* directory.c */
extern void hg_directory_begin(HgDirectory *dir, Oid schema);
extern void hg_directory_end(HgDirectory *dir);
/* A new snapshot, to look at what is committed now and done by ourselves. */
extern void hg_directory_look(HgDirectory *dir);
extern Relation hg_directory_table(HgDirectory *dir, HgTable table);
/* The attribute number of a column that must be there. */
extern AttrNumber hg_column(Relation rel, const char *name);
/* The value of a column that must not be NULL. */
extern Datum hg_value(TupleTableSlot *slot, AttrNumber attno);
extern int	hg_name_number(HgDirectory *dir, HgNames *names,
						   const char *name, int len);
/* The settings of a hierarchy, NULL if there is none.  partition may be given. */
extern HgHierarchy *hg_hierarchy(HgDirectory *dir, int32 id, Relation partition);
extern int32 hg_hierarchy_id(HgDirectory *dir, const char *name);	/* 0: none */
/* A row of identifier_scheme or relationship_type: does it exist?  The pattern, if asked. */
extern bool hg_name_exists(HgDirectory *dir, HgTable table, const char *name,
						   int len, char **pattern);

/* A scan through an index of a table for keys that change. */
typedef struct HgScan
{
	Relation	heap;
	Relation	index;
	struct IndexScanDescData *scan;
	TupleTableSlot *slot;
	ScanKeyData key[2];
	int			nkeys;
} HgScan;

extern Oid	hg_primary_key(Relation rel, AttrNumber first);
extern void hg_scan_begin(HgScan *scan, HgDirectory *dir, Relation heap,
						  Oid index, int nkeys);
extern void hg_scan_int8(HgScan *scan, int64 key);
extern void hg_scan_int4(HgScan *scan, int32 key);
extern void hg_scan_text(HgScan *scan, const char *key, int len);
extern void hg_scan_all(HgScan *scan);
extern bool hg_scan_next(HgScan *scan);
extern void hg_scan_end(HgScan *scan);

/* directory_entities.c */
extern void hg_entity_want(HgDirectory *dir, int64 id);
/* The entities wanted since the last hg_entities_load. */
extern void hg_entities_lock_wanted(HgDirectory *dir);
extern void hg_entities_load(HgDirectory *dir);
/* Forgets all entities. */
extern void hg_entities_forget(HgDirectory *dir);
extern HgEntity *hg_entity(HgDirectory *dir, int64 id);
/* account "A-17"; or entity 17, where the caller must not be told more */
extern char *hg_entity_label(HgDirectory *dir, int64 id);
/* "is inactive" and the like, with a hint */
extern char *hg_entity_status(HgDirectory *dir, int64 id, char **hint);
/* May messages name what is in the tables? */
extern bool hg_may_show(HgDirectory *dir);

/* directory_rows.c */
extern void hg_columns_find(Relation rel, HgColumns *columns);
extern void hg_row_read(HgDirectory *dir, const HgColumns *columns,
						TupleTableSlot *slot, HgRow *row);
extern HgRow *hg_rows_add(HgDirectory *dir, HgRows *rows);
/* Is this a partition of relationship, by its name, and whose? */
extern bool hg_partition_id(Oid partition, int32 *id);

/* Children with their relationships; head[i] is the first row of ids[i]. */
typedef struct HgChildren
{
	const int64 *ids;			/* sorted, distinct */
	int64		n;
	int32	   *head;			/* -1: none */
	HgRows		rows;
} HgChildren;

extern void hg_children_read(HgDirectory *dir, const HgHierarchy *hierarchy,
							 const int64 *ids, int64 n, HgChildren *out);
extern void hg_children_free(HgChildren *children);

/*
 * Those of the children whose relationships mention one of the entities,
 * sorted, palloc'd: as child, or as parent.  May name a few more.
 */
extern int64 hg_children_of(HgDirectory *dir, const HgHierarchy *hierarchy,
							const int64 *entities, int64 n, int64 **children);
/* All hierarchies that have a partition. */
extern List *hg_hierarchies(HgDirectory *dir);
/* The numbers of all tables relationship_<number>. */
extern List *hg_partition_ids(HgDirectory *dir);
/* A row of a relationship type, -1: of any; false if there is none. */
extern bool hg_find_type(HgDirectory *dir, const HgHierarchy *hierarchy,
						 int type, HgRow *row);
/* Has the partition any row that the snapshot sees? */
extern bool hg_partition_empty(HgDirectory *dir, const HgHierarchy *hierarchy);

#endif							/* HIERARCHY_DIRECTORY_H */
