/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Is an operator class fit for hgraph?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "catalog/pg_am.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

/*
 * check_key_type: the type is one that the graph core has keys for.
 */
static bool
check_key_type(const char *opclass, Oid type)
{
	if (type == INT4OID || type == INT8OID || type == UUIDOID ||
		type == TEXTOID)
		return true;
	ereport(INFO,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("operator class \"%s\" of access method %s is for type %s, which is not supported",
					opclass, "hgraph", format_type_be(type))));
	return false;
}

/*
 * check_functions: hgraph has no support functions.
 */
static bool
check_functions(const char *opclass, Oid opfamily)
{
	CatCList   *list = SearchSysCacheList1(AMPROCNUM,
										   ObjectIdGetDatum(opfamily));
	bool		result = list->n_members == 0;

	if (!result)
		ereport(INFO,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("operator family of operator class \"%s\" of access method %s contains support functions",
						opclass, "hgraph")));
	ReleaseCatCacheList(list);
	return result;
}

/*
 * check_operator: an operator of the family is an equality of its types.
 */
static bool
check_operator(const char *opclass, Form_pg_amop op)
{
	bool		result = true;

	if (op->amopstrategy != 1 || op->amoppurpose != AMOP_SEARCH)
	{
		ereport(INFO,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("operator class \"%s\" of access method %s contains operator %s with invalid strategy number %d",
						opclass, "hgraph",
						format_operator(op->amopopr), op->amopstrategy)));
		result = false;
	}
	if (!check_amop_signature(op->amopopr, BOOLOID,
							  op->amoplefttype, op->amoprighttype))
	{
		ereport(INFO,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("operator class \"%s\" of access method %s contains operator %s with wrong signature",
						opclass, "hgraph", format_operator(op->amopopr))));
		result = false;
	}
	return result;
}

/*
 * check_operators: the family has an equality of the class's type, and
 * nothing that is wrong.
 */
static bool
check_operators(const char *opclass, Oid opfamily, Oid type)
{
	CatCList   *list = SearchSysCacheList1(AMOPSTRATEGY,
										   ObjectIdGetDatum(opfamily));
	bool		result = true;
	bool		found = false;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_amop op = (Form_pg_amop) GETSTRUCT(&list->members[i]->tuple);

		result = check_operator(opclass, op) && result;
		if (op->amoplefttype == type && op->amoprighttype == type)
			found = true;
	}
	ReleaseCatCacheList(list);

	if (!found)
	{
		ereport(INFO,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("operator class \"%s\" of access method %s is missing operator(s)",
						opclass, "hgraph")));
		result = false;
	}
	return result;
}

/*
 * hgraph_validate is amvalidate.
 */
bool
hgraph_validate(Oid opclassoid)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclassoid));
	Form_pg_opclass form;
	char	   *name;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclassoid);
	form = (Form_pg_opclass) GETSTRUCT(tuple);
	name = NameStr(form->opcname);

	result = check_key_type(name, form->opcintype);
	result = check_functions(name, form->opcfamily) && result;
	result = check_operators(name, form->opcfamily, form->opcintype) && result;

	ReleaseSysCache(tuple);
	return result;
}
