/*-------------------------------------------------------------------------
 *
 * hrollup_names.c
 *	  Words for what is in the head of a rollup: modes, kinds of values, types
 *	  of keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "types/hrollup_private.h"
#include "utils/builtins.h"

static const char *const mode_names[] = {
	[HG_DISTINCT] = "distinct",
	[HG_WEIGHTED] = "weighted",
	[HG_PRIMARY] = "primary",
	[HG_PATHS] = "paths",
};

static const char *const value_names[] = {
	[HG_VALUE_COUNT] = "count",
	[HG_VALUE_EXACT] = "exact",
	[HG_VALUE_REAL] = "real",
};

/*
 * hg_mode_name is a mode as users write it.
 */
const char *
hg_mode_name(HgMode mode)
{
	return mode_names[mode];
}

/*
 * hg_mode_find finds a mode by its name.
 */
bool
hg_mode_find(const char *name, HgMode *mode)
{
	for (int i = 0; i < (int) lengthof(mode_names); i++)
		if (strcmp(name, mode_names[i]) == 0)
		{
			*mode = (HgMode) i;
			return true;
		}
	return false;
}

/*
 * hg_mode_parse reads a mode that a user wrote.
 */
HgMode
hg_mode_parse(text *name)
{
	char	   *str = text_to_cstring(name);
	HgMode		mode;

	if (!hg_mode_find(str, &mode))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown rollup mode \"%s\"", str),
				 errhint("Valid modes are distinct, weighted, primary, paths.")));
	pfree(str);
	return mode;
}

/*
 * hg_value_kind_name says what was added up.
 */
const char *
hg_value_kind_name(HgValueKind value)
{
	return value_names[value];
}

/*
 * hg_value_kind_parse reads what hg_value_kind_name wrote.
 */
bool
hg_value_kind_parse(const char *name, HgValueKind *value)
{
	for (int i = 0; i < (int) lengthof(value_names); i++)
		if (strcmp(name, value_names[i]) == 0)
		{
			*value = (HgValueKind) i;
			return true;
		}
	return false;
}

/* Types that keys have, in the order of their numbers in stored rollups. */
static const struct
{
	Oid			type;
	const char *name;
}			key_types[] = {
	{INT4OID, "integer"},
	{INT8OID, "bigint"},
	{UUIDOID, "uuid"},
	{TEXTOID, "text"},
};

/*
 * hg_key_type_name is the SQL name of a type of keys.
 */
const char *
hg_key_type_name(Oid type)
{
	for (int i = 0; i < (int) lengthof(key_types); i++)
		if (key_types[i].type == type)
			return key_types[i].name;
	return "text";
}

/*
 * hg_key_type_parse reads what hg_key_type_name wrote.
 */
bool
hg_key_type_parse(const char *name, Oid *type)
{
	for (int i = 0; i < (int) lengthof(key_types); i++)
		if (strcmp(name, key_types[i].name) == 0)
		{
			*type = key_types[i].type;
			return true;
		}
	return false;
}
