/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  What the user names: hierarchies, entities, days.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_LOOKUP_H
#define PG_HIERARCHY_LOOKUP_H

#include "connect.h"

typedef struct Hierarchy
{
	char	   *id;
	char	   *name;
	char	   *graph;			/* its OID, as text */
	char	   *table;			/* its partition, qualified and quoted */
} Hierarchy;

/* Ends the program if there is no such hierarchy. */
extern void find_hierarchy(PGconn *conn, const char *name, Hierarchy *hierarchy);

/*
 * The number of an entity that a person has written: its number, a code, an
 * outside identifier, TYPE:CODE, SCHEME:IDENTIFIER or id:NUMBER; with type, its
 * code among that type or its identifier of that scheme, as it stands. Ends the
 * program if there is none, or more than one.
 */
extern char *find_node(PGconn *conn, const char *node, const char *type);

/* A day as the server writes it; NULL: today. Not a day: a usage error. */
extern char *find_day(PGconn *conn, const char *day);

#endif							/* PG_HIERARCHY_LOOKUP_H */
