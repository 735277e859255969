/*-------------------------------------------------------------------------
 *
 * library.h
 *	  This library serves one version of the extension's SQL, and says so
 *	  where it meets another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_LIBRARY_H
#define HIERARCHY_LIBRARY_H

#include "fmgr.h"

/*
 * PG_FUNCTION_INFO_V1, with a look at the version.  The server asks for the
 * record when a session looks the function up for the first time, and again
 * after the function was replaced: calls cost nothing.
 *
 * What must work with any version does without: input and output of types, so
 * that a dump can be made; the handler of the access method, so that tables can
 * be read and dropped; what runs while the extension is altered.
 */
#define HG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_,funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_,funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = { 1 }; \
	hg_library_check(); \
	return &my_finfo; \
} \
extern int no_such_variable

/* hierarchy.c; the text begins with LIBRARY_PREFIX. */
#define LIBRARY_PREFIX		"hierarchy, library of version "
extern const char hg_library_text[];

/* library.c */
extern void hg_library_check(void);

#endif							/* HIERARCHY_LIBRARY_H */
