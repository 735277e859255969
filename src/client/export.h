/*-------------------------------------------------------------------------
 *
 * export.h
 *	  The formats of pg_hierarchy export.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_EXPORT_H
#define PG_HIERARCHY_EXPORT_H

#include "cursor.h"
#include "memory.h"

/* What is exported, as far as a format writes about it. */
typedef struct Export
{
	const char *name;			/* of the hierarchy */
	const char *about;			/* the hierarchy and the day, as JSON */
	long		nodes;			/* so far */
	long		edges;
} Export;

/*
 * A format. Rows of nodes come first, then those of edges; each appends to b.
 * Where node is NULL, edges come as rows for CSV.
 */
typedef struct Format
{
	const char *name;
	void		(*begin) (Buffer *b, const Export *e);
	void		(*node) (Buffer *b, const Export *e, const Cursor *row);
	void		(*between) (Buffer *b, const Export *e);
	void		(*edge) (Buffer *b, const Export *e, const Cursor *row);
	void		(*end) (Buffer *b, const Export *e);
} Format;

/* Columns of nodes. */
enum
{
	N_ID, N_TYPE, N_CODE, N_NAME, N_STATUS, N_JSON
};

/* Columns of edges. */
enum
{
	E_CHILD, E_PARENT, E_TYPE, E_SHARE, E_PRIMARY, E_INFLUENCE, E_FROM, E_TO, E_JSON
};

extern const char csv_header[];	/* the columns of rows for CSV */
extern const Format formats[];	/* ends with one that has no name */

#endif							/* PG_HIERARCHY_EXPORT_H */
