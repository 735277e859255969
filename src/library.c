/*-------------------------------------------------------------------------
 *
 * library.c
 *	  Does this library belong to the version of the extension that the
 *	  database has?
 *
 * An upgrade has two steps: new files on the server, which new sessions load,
 * and ALTER EXTENSION UPDATE in every database.  In between, and in sessions
 * that are older than the first step, functions would run with the SQL of
 * another version: their arguments, tables and triggers may differ.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(hgraph_library_version);

/*
 * library_version is the version of the SQL that this library serves.
 */
static const char *
library_version(void)
{
	return hg_library_text + strlen(LIBRARY_PREFIX);
}

/*
 * sql_version is the version of the extension in this database, NULL if there
 * is none.
 */
static char *
sql_version(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("hierarchy"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);

		if (!isnull)
			version = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}

/*
 * is_newer compares versions number by number: is a newer than b?
 */
static bool
is_newer(const char *a, const char *b)
{
	for (;;)
	{
		char	   *end_a;
		char	   *end_b;
		unsigned long number_a = strtoul(a, &end_a, 10);
		unsigned long number_b = strtoul(b, &end_b, 10);

		if (number_a != number_b)
			return number_a > number_b;
		if (*end_a != '.' || *end_b != '.')
			return *end_a == '.';
		a = end_a + 1;
		b = end_b + 1;
	}
}

/*
 * hg_library_check stops a function of this library that another version of the
 * SQL declares.  While a script of the extension runs, its version is on the
 * way; and pg_upgrade takes the old SQL along, which is updated afterwards.
 */
void
hg_library_check(void)
{
	char	   *version;

	if (!IsTransactionState() || !OidIsValid(MyDatabaseId) || creating_extension || IsBinaryUpgrade)
		return;
	version = sql_version();
	if (version == NULL || strcmp(version, library_version()) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"hierarchy\" is of version %s in this database, but the loaded library is of version %s",
					version, library_version()),
			 is_newer(library_version(), version) ?
			 errhint("Run ALTER EXTENSION hierarchy UPDATE in this database.") :
			 errhint("Connect anew.  If that does not help, install the files of version %s on the server, and restart it if shared_preload_libraries names the library.",
					 version)));
}

/*
 * hgraph_library_version is library_version(): of the library in use, whatever
 * version the database has.
 */
Datum
hgraph_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(library_version()));
}
