/*-------------------------------------------------------------------------
 *
 * mapping.h
 *	  What the columns of a file mean: --map and --set as JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_MAPPING_H
#define PG_HIERARCHY_MAPPING_H

#include <stdbool.h>

#include "connect.h"

/* JSON objects in the order of the command line; the later win. */
typedef struct Mapping
{
	char	  **objects;
	char	  **names;			/* of the file, NULL: from the command line */
	int			n;
} Mapping;

/* --map: a file of JSON, JSON itself, or Column=field[,field...] */
extern void mapping_add(Mapping *mapping, const char *argument);

/* --set: field=constant */
extern void mapping_set(Mapping *mapping, const char *argument);

/* All of them as one; the server reads the JSON. To be freed. */
extern char *mapping_merge(const Mapping *mapping, PGconn *conn);

/* Does such a one say who the parents are? */
extern bool mapping_has_parent(const char *mapping, PGconn *conn);

#endif							/* PG_HIERARCHY_MAPPING_H */
