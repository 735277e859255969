/*-------------------------------------------------------------------------
 *
 * table.h
 *	  Small tables for people: columns aligned, nothing else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_TABLE_H
#define PG_HIERARCHY_TABLE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct Table Table;

/* One letter a column: 'l' or 'r', for the side its text stands on. */
extern Table *table_new(const char *columns);

/* As many texts as columns. Control characters are written out. */
extern void table_row(Table *table,...);

/* Prints it, each line indented, and frees it. */
extern void table_print(Table *table, FILE *out, int indent);

/* A number with its digits in groups of three; one of a few static places. */
extern const char *grouped(long long number);

#endif							/* PG_HIERARCHY_TABLE_H */
