/*-------------------------------------------------------------------------
 *
 * watch_sql.h
 *	  The query of pg_hierarchy watch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_WATCH_SQL_H
#define PG_HIERARCHY_WATCH_SQL_H

/*
 * $1 the last change seen, $2 the hierarchy (its number) or NULL, $3 the number of
 * rows, $4 JSON or not. One row a change: number, wanted or not, time, who, what
 * happened (or the change as JSON), why.
 */
extern const char watch_sql[];

#endif							/* PG_HIERARCHY_WATCH_SQL_H */
