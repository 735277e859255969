/*-------------------------------------------------------------------------
 *
 * rules_identifier.c
 *	  The triggers that hold identifiers against the pattern of their scheme.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "commands/trigger.h"
#include "compat.h"
#include "directory/locks.h"
#include "directory/restore.h"
#include "directory/rules.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "library.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/tuplestore.h"

HG_FUNCTION_INFO_V1(hgraph_identifier_rules);
HG_FUNCTION_INFO_V1(hgraph_scheme_rules);

/* A scheme and its pattern. */
typedef struct Scheme
{
	char	   *name;
	char	   *pattern;		/* as written, NULL: any value */
	text	   *whole;			/* to match whole values */
} Scheme;

/*
 * whole_pattern makes a pattern match values from beginning to end.  Options
 * such as (?i) only count at the very beginning.
 */
static text *
whole_pattern(const char *pattern)
{
	int			options = 0;

	if (pattern[0] == '(' && pattern[1] == '?')
	{
		int			i = 2;

		while (pattern[i] >= 'a' && pattern[i] <= 'z')
			i++;
		if (i > 2 && pattern[i] == ')')
			options = i + 1;
	}
	return cstring_to_text(psprintf("%.*s^(?:%s)$", options, pattern, pattern + options));
}

/*
 * read_scheme reads the pattern of a scheme, if it is there.
 */
static void
read_scheme(HgDirectory *dir, Scheme *scheme, const char *name)
{
	scheme->name = pstrdup(name);
	hg_name_exists(dir, HG_SCHEME, name, strlen(name), &scheme->pattern);
	scheme->whole = scheme->pattern != NULL ? whole_pattern(scheme->pattern) : NULL;
}

/*
 * matches: does a value match the whole pattern?
 */
static bool
matches(const Scheme *scheme, Datum value)
{
	return DatumGetBool(DirectFunctionCall2Coll(textregexeq, DEFAULT_COLLATION_OID,
												value, PointerGetDatum(scheme->whole)));
}

/*
 * check_value raises an error for a value that does not match.
 */
static void
check_value(Relation rel, const Scheme *scheme, Datum value, bool own)
{
	if (scheme->whole == NULL || matches(scheme, value))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 own ? errmsg("identifier \"%s\" does not match the pattern of scheme \"%s\"",
						  TextDatumGetCString(value), scheme->name) :
			 errmsg("an identifier does not match the pattern of scheme \"%s\"",
					scheme->name),
			 errdetail("The pattern is \"%s\".", scheme->pattern),
			 errtableconstraint(rel, "identifier_pattern_check")));
}

/*
 * hgraph_identifier_rules is the trigger of identifier.
 */
Datum
hgraph_identifier_rules(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = hg_rules_called(fcinfo, false);
	Relation	rel = trigdata->tg_relation;
	AttrNumber	scheme_attno;
	AttrNumber	value_attno;
	TupleTableSlot *slot;
	List	   *schemes = NIL;
	ListCell   *lc;
	HgDirectory dir;
	MemoryContext work;

	if (trigdata->tg_newtable == NULL ||
		(TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && hg_restoring(rel)))
		return PointerGetDatum(NULL);
	hg_directory_begin(&dir, RelationGetNamespace(rel));
	work = AllocSetContextCreate(dir.mcxt, "hierarchy identifiers", ALLOCSET_DEFAULT_SIZES);
	scheme_attno = hg_column(rel, "scheme");
	value_attno = hg_column(rel, "value");
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	hg_rewind(trigdata->tg_newtable);
	while (tuplestore_gettupleslot(trigdata->tg_newtable, true, false, slot))
	{
		Scheme	   *scheme = NULL;
		MemoryContext old;
		char	   *name;

		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(work);
		name = TextDatumGetCString(hg_value(slot, scheme_attno));
		foreach(lc, schemes)
		{
			scheme = lfirst(lc);
			if (strcmp(scheme->name, name) == 0)
				break;
			scheme = NULL;
		}
		if (scheme == NULL)
		{
			MemoryContextSwitchTo(dir.mcxt);
			hg_lock_name(HG_LOCK_SCHEME, name, strlen(name), false);
			hg_directory_look(&dir);
			scheme = palloc(sizeof(Scheme));
			read_scheme(&dir, scheme, name);
			schemes = lappend(schemes, scheme);
			MemoryContextSwitchTo(work);
		}
		check_value(rel, scheme, hg_value(slot, value_attno), true);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	ExecDropSingleTupleTableSlot(slot);
	hg_directory_end(&dir);
	return PointerGetDatum(NULL);
}

/*
 * check_scheme holds all identifiers of a scheme against its pattern.
 */
static void
check_scheme(HgDirectory *dir, const char *name)
{
	Relation	rel = hg_directory_table(dir, HG_IDENTIFIER);
	AttrNumber	value_attno = hg_column(rel, "value");
	HgScan		scan;
	Scheme		scheme;

	hg_lock_name(HG_LOCK_SCHEME, name, strlen(name), true);
	hg_directory_look(dir);
	read_scheme(dir, &scheme, name);
	if (scheme.whole == NULL)
		return;
	(void) matches(&scheme, PointerGetDatum(cstring_to_text("")));	/* is it one? */
	hg_scan_begin(&scan, dir, rel, hg_primary_key(rel, hg_column(rel, "scheme")), 1);
	hg_scan_text(&scan, name, strlen(name));
	while (hg_scan_next(&scan))
	{
		CHECK_FOR_INTERRUPTS();
		check_value(rel, &scheme, hg_value(scan.slot, value_attno),
					hg_may_show(dir));
	}
	hg_scan_end(&scan);
}

/*
 * hgraph_scheme_rules is the trigger of identifier_scheme.
 */
Datum
hgraph_scheme_rules(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = hg_rules_called(fcinfo, false);
	Relation	rel = trigdata->tg_relation;
	AttrNumber	scheme_attno;
	TupleTableSlot *slot;
	HgDirectory dir;

	if (trigdata->tg_newtable == NULL ||
		(TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && hg_restoring(rel)))
		return PointerGetDatum(NULL);
	hg_directory_begin(&dir, RelationGetNamespace(rel));
	scheme_attno = hg_column(rel, "scheme");
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	hg_rewind(trigdata->tg_newtable);
	while (tuplestore_gettupleslot(trigdata->tg_newtable, true, false, slot))
		check_scheme(&dir, TextDatumGetCString(hg_value(slot, scheme_attno)));
	ExecDropSingleTupleTableSlot(slot);
	hg_directory_end(&dir);
	return PointerGetDatum(NULL);
}
