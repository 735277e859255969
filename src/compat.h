/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Everything that depends on the version of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_COMPAT_H
#define HIERARCHY_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "hierarchy needs PostgreSQL 15 or later"
#endif

/* 16: what a varlena looks like moved out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18: "does not return" has a new name. */
#if PG_VERSION_NUM >= 180000
#define hg_noreturn		pg_noreturn
#else
#define hg_noreturn		pg_attribute_noreturn()
#endif

/* 18: vacuum_delay_point tells ANALYZE from VACUUM. */
#if PG_VERSION_NUM >= 180000
#define hg_vacuum_delay_point()	vacuum_delay_point(false)
#else
#define hg_vacuum_delay_point()	vacuum_delay_point()
#endif

/* 16: parsing functions can report errors softly. */
#if PG_VERSION_NUM >= 160000
#define hg_parse_qualified_name(string) \
	stringToQualifiedNameList((string), NULL)
#else
#define hg_parse_qualified_name(string) \
	stringToQualifiedNameList((string))
#endif

/* 16: one function for the ACL of every kind of object. */
#if PG_VERSION_NUM >= 160000
#define hg_namespace_aclcheck(oid, role, mode) \
	object_aclcheck(NamespaceRelationId, (oid), (role), (mode))
#define hg_proc_aclcheck(oid, role, mode) \
	object_aclcheck(ProcedureRelationId, (oid), (role), (mode))
#else
#define hg_namespace_aclcheck(oid, role, mode) \
	pg_namespace_aclcheck((oid), (role), (mode))
#define hg_proc_aclcheck(oid, role, mode) \
	pg_proc_aclcheck((oid), (role), (mode))
#endif

/* 16: one function for the owner of every kind of object. */
#if PG_VERSION_NUM >= 160000
#define hg_relation_ownercheck(oid, role) \
	object_ownercheck(RelationRelationId, (oid), (role))
#else
#define hg_relation_ownercheck(oid, role) \
	pg_class_ownercheck((oid), (role))
#endif

/* 16: entries may go into summarizing indexes alone. */
#if PG_VERSION_NUM >= 160000
#define hg_insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples((info), (slot), (estate), false, false, NULL, NIL, false)
#else
#define hg_insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples((info), (slot), (estate), false, false, NULL, NIL)
#endif

/* 16: rows to check anew know their result relations. */
#if PG_VERSION_NUM >= 160000
#define hg_evalplanqual_init(epq, estate) \
	EvalPlanQualInit((epq), (estate), NULL, NIL, -1, NIL)
#else
#define hg_evalplanqual_init(epq, estate) \
	EvalPlanQualInit((epq), (estate), NULL, NIL, -1)
#endif

/* 16: outer joins no longer need to be told apart here. */
#if PG_VERSION_NUM >= 160000
#define hg_build_expression_pathkey(root, expr, opno, rel) \
	build_expression_pathkey((root), (expr), (opno), (rel), false)
#else
#define hg_build_expression_pathkey(root, expr, opno, rel) \
	build_expression_pathkey((root), (expr), NULL, (opno), (rel), false)
#endif

/* 18: what EXPLAIN offers to others has headers of its own. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* 16: RelFileNode became RelFileLocator. */
#if PG_VERSION_NUM >= 160000
#define HG_REL_FILENUMBER(rel)	((rel)->rd_locator.relNumber)
#else
#define HG_REL_FILENUMBER(rel)	((rel)->rd_node.relNode)
#endif

/* 17: the local transaction id moved within PGPROC. */
#if PG_VERSION_NUM >= 170000
#define HG_MY_LXID	(MyProc->vxid.lxid)
#else
#define HG_MY_LXID	(MyProc->lxid)
#endif

/* 16: settings live in a hash table, and an array of them is made on demand. */
#if PG_VERSION_NUM >= 160000
#define hg_guc_variables(n)	get_guc_variables(n)
#else
#define hg_guc_variables(n)	(*(n) = GetNumConfigOptions(), get_guc_variables())
#endif

/* 16: what JSON calls back returns whether it is content. */
#if PG_VERSION_NUM >= 160000
#define HG_JSON_ACTION	static JsonParseErrorType
#define HG_JSON_DONE	return JSON_SUCCESS
#else
#define HG_JSON_ACTION	static void
#define HG_JSON_DONE	return
#endif

/* 17: the lexer of JSON can work in memory of the caller. */
#if PG_VERSION_NUM >= 170000
#define hg_json_lexer(json, len) \
	makeJsonLexContextCstringLen(NULL, (json), (len), GetDatabaseEncoding(), true)
#else
#define hg_json_lexer(json, len) \
	makeJsonLexContextCstringLen((json), (len), GetDatabaseEncoding(), true)
#endif

/* 17: the length of an array is estimated from statistics, too. */
#if PG_VERSION_NUM >= 170000
#define hg_estimate_array_length(root, array) \
	estimate_array_length((root), (array))
#else
#define hg_estimate_array_length(root, array) \
	estimate_array_length((array))
#endif

/* 17: asking for a lock can include stronger ones. */
#if PG_VERSION_NUM >= 170000
#define hg_lock_held(tag, mode)	LockHeldByMe((tag), (mode), false)
#else
#define hg_lock_held(tag, mode)	LockHeldByMe((tag), (mode))
#endif

/* 18: scans of indexes can count what they do. */
#if PG_VERSION_NUM >= 180000
#define hg_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#else
#define hg_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#endif

/* 16: signatures of functions that test/fuzz has its own of. */
#if PG_VERSION_NUM >= 160000
#define hg_condition_args \
	const char *conditionName, const char *fileName, int lineNumber
typedef const void *hg_bytes;
#else
#define hg_condition_args \
	const char *conditionName, const char *errorType, \
	const char *fileName, int lineNumber
typedef const char *hg_bytes;
#endif

#endif							/* HIERARCHY_COMPAT_H */
