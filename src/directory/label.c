/*-------------------------------------------------------------------------
 *
 * label.c
 *	  Cycles of a hierarchy in words: entities by type and code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "directory/directory.h"
#include "directory/label.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "visibility/acyclic.h"

#define HG_SCHEMA		"hierarchy"

/*
 * entity_text names a node of a hierarchy; NULL if the table is none.  It is
 * hg_entity_label() that knows what the user must not be told.  Tables of the
 * same names elsewhere are whatever their owner made them.
 */
static char *
entity_text(Relation heap, const HgKey *key)
{
	Oid			schema = RelationGetNamespace(heap);
	MemoryContext caller = CurrentMemoryContext;
	HgDirectory dir;
	char	   *label;

	if (!heap->rd_rel->relispartition || key->bytes != NULL ||
		schema != get_namespace_oid(HG_SCHEMA, true) ||
		get_relname_relid("relationship", schema) !=
		get_partition_parent(RelationGetRelid(heap), true) ||
		!OidIsValid(get_relname_relid("entity", schema)))
		return NULL;

	hg_directory_begin(&dir, schema);
	dir.snapshot = RegisterSnapshot(GetLatestSnapshot());
	label = MemoryContextStrdup(caller, hg_entity_label(&dir, key->num));
	hg_directory_end(&dir);
	return label;
}

/*
 * hg_label_init lets messages about cycles name entities.
 */
void
hg_label_init(void)
{
	hg_node_text_hook = entity_text;
}
