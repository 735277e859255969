/*-------------------------------------------------------------------------
 *
 * source.h
 *	  A list to be loaded: which encoding, which delimiter, which columns.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_SOURCE_H
#define PG_HIERARCHY_SOURCE_H

#include <stdbool.h>

#include "csv.h"
#include "decode.h"
#include "input.h"

/* From the command line. */
typedef struct SourceOptions
{
	const char *encoding;		/* NULL: found out */
	char		delimiter;		/* '\0': found out */
	bool		no_quotes;
	bool		no_header;
	const char *columns;		/* "a,b,c", in place of the header; or NULL */
	bool		quiet;
} SourceOptions;

typedef struct Source
{
	const char *path;
	char	   *base_name;
	Input	   *input;
	Decoder    *decoder;
	CsvReader  *reader;
	char		delimiter;
	char	  **columns;
	int			n_columns;
	char	   *fingerprint;
	bool		pending;		/* is the first record, read already, a row? */
} Source;

/* Opens it and reads the header. Ends the program with EXIT_FILE on errors. */
extern void source_open(Source *source, const char *path, const SourceOptions *options);

/* Goes to the next row of source->reader. */
extern bool source_next(Source *source);

/* The file's name without folder and what the name ends in: its default source. */
extern char *source_name(const char *path);

extern void source_close(Source *source);

#endif							/* PG_HIERARCHY_SOURCE_H */
