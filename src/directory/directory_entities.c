/*-------------------------------------------------------------------------
 *
 * directory_entities.c
 *	  What rules need to know of entities, and how messages call them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "compat.h"
#include "directory/directory.h"
#include "directory/locks.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#define SH_PREFIX		hgentity
#define SH_ELEMENT_TYPE HgEntity
#define SH_KEY_TYPE		int64
#define SH_KEY			id
#define SH_HASH_KEY(tb, key) ((uint32) hg_mix_id(key))
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Where the table entity has its columns. */
typedef struct EntityColumns
{
	AttrNumber	id;
	AttrNumber	type;
	AttrNumber	code;
	AttrNumber	status;
	AttrNumber	merged_into;
} EntityColumns;

/*
 * find_columns finds them.
 */
static void
find_columns(Relation rel, EntityColumns *columns)
{
	columns->id = hg_column(rel, "entity_id");
	columns->type = hg_column(rel, "entity_type");
	columns->code = hg_column(rel, "code");
	columns->status = hg_column(rel, "status");
	columns->merged_into = hg_column(rel, "merged_into");
}

/*
 * hg_entity_want notes that an entity will be needed.
 */
void
hg_entity_want(HgDirectory *dir, int64 id)
{
	HgEntity   *entity;
	bool		found;

	if (dir->entities == NULL)
		dir->entities = hgentity_create(dir->mcxt, 16, NULL);
	entity = hgentity_insert(dir->entities, id, &found);
	if (found)
		return;
	entity->state = HG_ENTITY_UNKNOWN;
	entity->type = -1;
	if (dir->nwanted == dir->wanted_size)
	{
		dir->wanted_size = Max(dir->wanted_size * 2, 64);
		if (dir->wanted == NULL)
			dir->wanted = MemoryContextAlloc(dir->mcxt, sizeof(int64) * dir->wanted_size);
		else
			dir->wanted = repalloc_huge(dir->wanted, sizeof(int64) * dir->wanted_size);
	}
	dir->wanted[dir->nwanted++] = id;
}

/*
 * hg_entities_lock_wanted locks the entities noted, for mentioning them.
 */
void
hg_entities_lock_wanted(HgDirectory *dir)
{
	hg_lock_entities(dir->wanted, dir->nwanted, false);
}

/*
 * learn takes from a row what is to be known of an entity.
 */
static void
learn(HgDirectory *dir, const EntityColumns *columns, TupleTableSlot *slot,
	  HgEntity *entity)
{
	text	   *type;
	text	   *status;

	type = DatumGetTextPP(hg_value(slot, columns->type));
	status = DatumGetTextPP(hg_value(slot, columns->status));
	entity->type = hg_name_number(dir, &dir->types, VARDATA_ANY(type),
								  VARSIZE_ANY_EXHDR(type));
	entity->state = VARSIZE_ANY_EXHDR(status) == 6 &&
		memcmp(VARDATA_ANY(status), "active", 6) == 0 ?
		HG_ENTITY_ACTIVE : HG_ENTITY_INACTIVE;
}

/*
 * load_by_scan reads the whole table.
 */
static void
load_by_scan(HgDirectory *dir, Relation rel, const EntityColumns *columns)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, dir->snapshot, 0, NULL);
	int64		left = dir->nwanted;

	while (left > 0 && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		int64		id = DatumGetInt64(slot_getattr(slot, columns->id, &isnull));
		HgEntity   *entity = hgentity_lookup(dir->entities, id);

		CHECK_FOR_INTERRUPTS();
		if (entity == NULL || entity->state != HG_ENTITY_UNKNOWN)
			continue;
		learn(dir, columns, slot, entity);
		left--;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	for (int64 i = 0; left > 0 && i < dir->nwanted; i++)
	{
		HgEntity   *entity = hgentity_lookup(dir->entities, dir->wanted[i]);

		if (entity->state == HG_ENTITY_UNKNOWN)
			entity->state = HG_ENTITY_MISSING;
	}
}

/*
 * hg_entities_load looks up what was noted: one by one in the order of the
 * index, or with one scan of the table if they are a good part of it.
 */
void
hg_entities_load(HgDirectory *dir)
{
	Relation	rel;
	EntityColumns columns;
	HgScan		scan;

	if (dir->nwanted == 0)
		return;
	rel = hg_directory_table(dir, HG_ENTITY);
	find_columns(rel, &columns);

	/* a look-up costs as much as reading this part of a page */
	if (dir->nwanted > 100 &&
		dir->nwanted / HG_LOOKUPS_PER_PAGE > RelationGetNumberOfBlocks(rel))
		load_by_scan(dir, rel, &columns);
	else
	{
		dir->nwanted = hg_sort_ids(dir->wanted, dir->nwanted);
		hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, columns.id), 1);
		for (int64 i = 0; i < dir->nwanted; i++)
		{
			HgEntity   *entity = hgentity_lookup(dir->entities, dir->wanted[i]);

			CHECK_FOR_INTERRUPTS();
			hg_scan_int8(&scan, dir->wanted[i]);
			if (hg_scan_next(&scan))
				learn(dir, &columns, scan.slot, entity);
			else
				entity->state = HG_ENTITY_MISSING;
		}
		hg_scan_end(&scan);
	}
	dir->nwanted = 0;
}

/*
 * hg_entities_forget makes room.
 */
void
hg_entities_forget(HgDirectory *dir)
{
	if (dir->entities != NULL)
		hgentity_reset(dir->entities);
	dir->nwanted = 0;
}

/*
 * hg_entity returns what is known of an entity that was wanted and loaded.
 */
HgEntity *
hg_entity(HgDirectory *dir, int64 id)
{
	HgEntity   *entity = hgentity_lookup(dir->entities, id);

	if (entity == NULL || entity->state == HG_ENTITY_UNKNOWN)
		elog(ERROR, "entity " INT64_FORMAT " was not looked up", id);
	return entity;
}

/*
 * readable: may the caller read all rows of a table, whatever they are?
 */
static bool
readable(Relation rel)
{
	return pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(RelationGetRelid(rel), InvalidOid, true) != RLS_ENABLED;
}

/*
 * hg_may_show: may messages name entities, and relationships other than the
 * caller's own?  Otherwise they only have the numbers that he gave.
 */
bool
hg_may_show(HgDirectory *dir)
{
	if (dir->show < 0)
		dir->show = readable(hg_directory_table(dir, HG_ENTITY)) &&
			readable(hg_directory_table(dir, HG_RELATIONSHIP));
	return dir->show;
}

/*
 * has_right: has the caller one of these rights on a table, on any of its columns
 * (NULL), or on the column of this name?
 */
static bool
has_right(Relation rel, const char *column, AclMode right)
{
	Oid			relid = RelationGetRelid(rel);

	return pg_class_aclcheck(relid, GetUserId(), right) == ACLCHECK_OK ||
		(column == NULL ?
		 pg_attribute_aclcheck_all(relid, GetUserId(), right, ACLMASK_ANY) :
		 pg_attribute_aclcheck(relid, get_attnum(relid, column), GetUserId(), right)) == ACLCHECK_OK;
}

/*
 * may_number: may messages tell numbers of entities?  Who may change rows, or
 * delete them, but read nothing of them, has not written what they say.
 */
static bool
may_number(HgDirectory *dir)
{
	Relation	entity = hg_directory_table(dir, HG_ENTITY);
	Relation	relationship = hg_directory_table(dir, HG_RELATIONSHIP);

	return has_right(entity, "entity_id", ACL_SELECT) ||
		(has_right(relationship, "child_id", ACL_SELECT) &&
		 has_right(relationship, "parent_id", ACL_SELECT)) ||
		!(has_right(entity, NULL, ACL_UPDATE | ACL_DELETE) ||
		  has_right(relationship, NULL, ACL_UPDATE | ACL_DELETE));
}

/*
 * hg_entity_label calls an entity by its type and code.
 */
char *
hg_entity_label(HgDirectory *dir, int64 id)
{
	char	   *label = NULL;

	if (hg_may_show(dir))
	{
		Relation	rel = hg_directory_table(dir, HG_ENTITY);
		EntityColumns columns;
		HgScan		scan;

		find_columns(rel, &columns);
		hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, columns.id), 1);
		hg_scan_int8(&scan, id);
		if (hg_scan_next(&scan))
			label = psprintf("%s \"%s\"",
							 TextDatumGetCString(hg_value(scan.slot, columns.type)),
							 TextDatumGetCString(hg_value(scan.slot, columns.code)));
		hg_scan_end(&scan);
	}
	if (label == NULL && !may_number(dir))
		return pstrdup("an entity");
	return label != NULL ? label : psprintf("entity " INT64_FORMAT, id);
}

/*
 * hg_entity_status says what an entity is that is not active.
 */
char *
hg_entity_status(HgDirectory *dir, int64 id, char **hint)
{
	Relation	rel = hg_directory_table(dir, HG_ENTITY);
	int64		into = 0;
	bool		isnull = true;
	EntityColumns columns;
	HgScan		scan;

	find_columns(rel, &columns);
	hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, columns.id), 1);
	hg_scan_int8(&scan, id);
	if (hg_scan_next(&scan))
		into = DatumGetInt64(slot_getattr(scan.slot, columns.merged_into, &isnull));
	hg_scan_end(&scan);
	if (isnull)
	{
		*hint = "Make the entity active, or let the relationship end by today.";
		return "is inactive";
	}
	*hint = "Use the entity that it was merged into.";
	return hg_may_show(dir) ?
		psprintf("is merged into %s", hg_entity_label(dir, into)) : "is merged";
}
