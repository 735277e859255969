/*-------------------------------------------------------------------------
 *
 * tree_measure.h
 *	  Totals beside the tree: --measure [schema.]table.key.value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_TREE_MEASURE_H
#define PG_HIERARCHY_TREE_MEASURE_H

#include "connect.h"

/*
 * The rollup as an expression over an alias t, and the table it is over; to be
 * used as "SELECT <rollup> FROM <table> t". $1 is the OID of the graph, $3 the
 * day, $5 the mode.
 */
typedef struct Measure
{
	char	   *rollup;
	char	   *table;
} Measure;

extern void find_measure(PGconn *conn, const char *text, Measure *measure);

#endif							/* PG_HIERARCHY_TREE_MEASURE_H */
