/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Reloptions of an hgraph index, and what they make of its columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "access/reloptions.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

static relopt_kind hg_relopt_kind;

/* A role: its option, and the types that its column may have. */
typedef struct HgRole
{
	const char *option;
	Oid			types[2];
	const char *type_names;
} HgRole;

static const HgRole weight_role = {
	"weight", {NUMERICOID, FLOAT8OID}, "numeric or double precision"
};
static const HgRole validity_role = {
	"validity", {DATERANGEOID, InvalidOid}, "daterange"
};
static const HgRole primary_role = {
	"is_primary", {BOOLOID, InvalidOid}, "boolean"
};
static const HgRole label_role = {
	"label", {INT2OID, INT4OID}, "smallint or integer"
};

/*
 * hg_options_init registers the reloptions.
 */
void
hg_options_init(void)
{
	hg_relopt_kind = add_reloption_kind();

	add_bool_reloption(hg_relopt_kind, "acyclic",
					   "Refuses rows that would close a cycle.",
					   true, AccessExclusiveLock);
	add_bool_reloption(hg_relopt_kind, "any_weight",
					   "Rollups accept shares below 0 and above 1.",
					   false, AccessExclusiveLock);
	add_string_reloption(hg_relopt_kind, "weight",
						 "INCLUDE column with the share of an edge.",
						 NULL, NULL, AccessExclusiveLock);
	add_string_reloption(hg_relopt_kind, "validity",
						 "INCLUDE column with the days on which an edge is valid.",
						 NULL, NULL, AccessExclusiveLock);
	add_string_reloption(hg_relopt_kind, "is_primary",
						 "INCLUDE column that marks a child's primary edge.",
						 NULL, NULL, AccessExclusiveLock);
	add_string_reloption(hg_relopt_kind, "label",
						 "INCLUDE column with the kind of an edge.",
						 NULL, NULL, AccessExclusiveLock);
}

/*
 * hgraph_options parses reloptions.
 */
bytea *
hgraph_options(Datum reloptions, bool validate)
{
	static const relopt_parse_elt tab[] = {
		{"acyclic", RELOPT_TYPE_BOOL, .offset = offsetof(HgOptions, acyclic)},
		{"any_weight", RELOPT_TYPE_BOOL, .offset = offsetof(HgOptions, any_weight)},
		{"weight", RELOPT_TYPE_STRING, .offset = offsetof(HgOptions, weight)},
		{"validity", RELOPT_TYPE_STRING, .offset = offsetof(HgOptions, validity)},
		{"is_primary", RELOPT_TYPE_STRING, .offset = offsetof(HgOptions, is_primary)},
		{"label", RELOPT_TYPE_STRING, .offset = offsetof(HgOptions, label)}
	};

	return (bytea *) build_reloptions(reloptions, validate, hg_relopt_kind,
									  sizeof(HgOptions), tab, lengthof(tab));
}

/*
 * table_column_name is the current name of the table's column behind an index
 * column; NULL for an expression.
 */
static char *
table_column_name(Relation index, AttrNumber attno)
{
	AttrNumber	heap_attno = index->rd_index->indkey.values[attno - 1];

	if (heap_attno == 0)
		return NULL;
	return get_attname(index->rd_index->indrelid, heap_attno, true);
}

/*
 * include_columns lists what a role could have named.
 */
static char *
include_columns(Relation index)
{
	StringInfoData buf;
	int			nkeys = IndexRelationGetNumberOfKeyAttributes(index);
	int			natts = IndexRelationGetNumberOfAttributes(index);

	initStringInfo(&buf);
	for (int attno = nkeys + 1; attno <= natts; attno++)
	{
		char	   *name = table_column_name(index, attno);

		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 name ? name :
						 NameStr(TupleDescAttr(index->rd_att, attno - 1)->attname));
	}
	return buf.data;
}

/*
 * find_column finds the INCLUDE column that a role names, 0 if there is none.
 *
 * The name given with CREATE INDEX becomes that of the index column and stays
 * so when the table's column is renamed.
 */
static AttrNumber
find_column(Relation index, const char *name)
{
	int			nkeys = IndexRelationGetNumberOfKeyAttributes(index);
	int			natts = IndexRelationGetNumberOfAttributes(index);

	for (int attno = nkeys + 1; attno <= natts; attno++)
	{
		if (strcmp(name, NameStr(TupleDescAttr(index->rd_att, attno - 1)->attname)) == 0)
			return attno;
	}
	for (int attno = nkeys + 1; attno <= natts; attno++)
	{
		char	   *table_name = table_column_name(index, attno);

		if (table_name != NULL && strcmp(name, table_name) == 0)
			return attno;
	}
	return 0;
}

/*
 * resolve_role finds and checks the column of one role; 0 when the option at
 * this offset of the options is not set.
 */
static AttrNumber
resolve_role(Relation index, int offset, const HgRole *role, Oid *type)
{
	HgOptions  *options = (HgOptions *) index->rd_options;
	const char *name;
	AttrNumber	attno;

	if (offset == 0)
		return 0;
	name = (const char *) options + offset;

	attno = find_column(index, name);
	if (attno == 0)
	{
		char	   *known = include_columns(index);

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" named by option \"%s\" is not an INCLUDE column of index \"%s\"",
						name, role->option, RelationGetRelationName(index)),
				 known[0] != '\0' ?
				 errdetail("INCLUDE columns are: %s.", known) :
				 errdetail("The index has no INCLUDE columns."),
				 errhint("List the column in INCLUDE (...), or change the option.")));
	}

	*type = getBaseType(TupleDescAttr(index->rd_att, attno - 1)->atttypid);
	if (*type != role->types[0] && *type != role->types[1])
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" named by option \"%s\" of index \"%s\" has the wrong type",
						name, role->option, RelationGetRelationName(index)),
				 errdetail("The column is of type %s; \"%s\" needs %s.",
						   format_type_be(TupleDescAttr(index->rd_att, attno - 1)->atttypid),
						   role->option, role->type_names)));
	return attno;
}

/*
 * check_key_types makes sure that parent and child mean the same by the same
 * bytes.
 */
static void
check_key_types(Relation index)
{
	Oid			key_type = index->rd_opcintype[0];

	if (index->rd_opcintype[1] != key_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("parent and child of index \"%s\" must have the same type",
						RelationGetRelationName(index)),
				 errdetail("The parent is of type %s, the child of type %s.",
						   format_type_be(TupleDescAttr(index->rd_att, 0)->atttypid),
						   format_type_be(TupleDescAttr(index->rd_att, 1)->atttypid))));

	for (int i = 0; i < 2; i++)
	{
		Oid			type = TupleDescAttr(index->rd_att, i)->atttypid;
		Oid			base = getBaseType(type);

		/*
		 * A type that is merely stored like its key type may have another
		 * idea of equality: citext, for one, is stored like text.
		 */
		if (base != key_type && !(base == VARCHAROID && key_type == TEXTOID))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("hgraph does not support keys of type %s",
							format_type_be(type)),
					 errhint("Use a key of type integer, bigint, uuid, text or varchar, or a domain over one.")));
	}

	if (index->rd_indcollation[0] != index->rd_indcollation[1])
		ereport(ERROR,
				(errcode(ERRCODE_COLLATION_MISMATCH),
				 errmsg("parent and child of index \"%s\" must have the same collation",
						RelationGetRelationName(index)),
				 errdetail("The parent has collation \"%s\", the child \"%s\".",
						   get_collation_name(index->rd_indcollation[0]),
						   get_collation_name(index->rd_indcollation[1]))));
	if (OidIsValid(index->rd_indcollation[0]) &&
		!get_collation_isdeterministic(index->rd_indcollation[0]))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("hgraph does not support nondeterministic collations"),
				 errdetail("The keys of index \"%s\" have collation \"%s\".",
						   RelationGetRelationName(index),
						   get_collation_name(index->rd_indcollation[0])),
				 errhint("Name a deterministic collation behind both key columns, such as COLLATE \"C\".")));
}

/*
 * check_keys makes sure that there are two plain columns of one type.
 */
static void
check_keys(Relation index)
{
	int			nkeys = IndexRelationGetNumberOfKeyAttributes(index);

	if (nkeys != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("an hgraph index must have exactly two key columns: parent, child"),
				 errdetail_plural("Index \"%s\" has %d key column.",
								  "Index \"%s\" has %d key columns.",
								  nkeys,
								  RelationGetRelationName(index), nkeys),
				 errhint("Put further columns into INCLUDE (...).")));
	if (index->rd_index->indkey.values[0] != 0 &&
		index->rd_index->indkey.values[0] == index->rd_index->indkey.values[1])
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("parent and child must be different columns"),
				 errdetail("Every row of index \"%s\" would be its own parent.",
						   RelationGetRelationName(index))));

	for (int i = 0; i < nkeys; i++)
	{
		if (index->rd_index->indkey.values[i] == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("hgraph does not support expressions as keys"),
					 errhint("Use a generated column.")));
	}
	check_key_types(index);
}

/*
 * resolve_layout works out the layout of an index.
 */
static void
resolve_layout(Relation index, HgLayout *layout)
{
	HgOptions  *options = (HgOptions *) index->rd_options;
	Oid			type;

	check_keys(index);

	memset(layout, 0, sizeof(HgLayout));
	layout->index_oid = RelationGetRelid(index);
	layout->heap_oid = index->rd_index->indrelid;
	layout->key_type = index->rd_opcintype[0];
	layout->collation = index->rd_indcollation[0];
	layout->acyclic = options == NULL || options->acyclic;
	layout->any_weight = options != NULL && options->any_weight;

	switch (layout->key_type)
	{
		case INT4OID:
		case INT8OID:
			layout->key_kind = HG_KEY_INT;
			break;
		case UUIDOID:
			layout->key_kind = HG_KEY_UUID;
			break;
		case TEXTOID:
			layout->key_kind = HG_KEY_BYTES;
			break;
		default:
			/* an operator class that hgraph_validate would not have passed */
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("hgraph does not support keys of type %s",
							format_type_be(layout->key_type)),
					 errhint("Use a key of type integer, bigint, uuid, text or varchar, or a domain over one.")));
	}

	if (options == NULL)
		return;
	layout->weight_attno = resolve_role(index, options->weight, &weight_role,
										&layout->weight_type);
	layout->validity_attno = resolve_role(index, options->validity,
										  &validity_role, &type);
	layout->primary_attno = resolve_role(index, options->is_primary,
										 &primary_role, &type);
	layout->label_attno = resolve_role(index, options->label, &label_role,
									   &layout->label_type);
	if (layout->weight_attno != 0)
		layout->roles |= HG_HAS_WEIGHT;
	if (layout->validity_attno != 0)
		layout->roles |= HG_HAS_VALIDITY;
	if (layout->primary_attno != 0)
		layout->roles |= HG_HAS_PRIMARY;
	if (layout->label_attno != 0)
		layout->roles |= HG_HAS_LABEL;
}

/*
 * hg_layout_resolve gives the layout of an index, from the relation's cache
 * if it is there: whatever could change it makes PostgreSQL drop that.
 */
void
hg_layout_resolve(Relation index, HgLayout *layout)
{
	if (index->rd_amcache == NULL)
	{
		resolve_layout(index, layout);
		index->rd_amcache = MemoryContextAlloc(index->rd_indexcxt,
											   sizeof(HgLayout));
		memcpy(index->rd_amcache, layout, sizeof(HgLayout));
	}
	else
		memcpy(layout, index->rd_amcache, sizeof(HgLayout));
}
