/*-------------------------------------------------------------------------
 *
 * csv.h
 *	  Records out of CSV or TSV text (RFC 4180, and what else occurs).
 *
 * A field that begins with the quote character runs to the next single one, over
 * line ends and delimiters; two of them in it are one. Elsewhere the character
 * is a letter like any other, and so is what follows a closing quote. Lines end
 * in LF, CRLF or CR; empty lines are no records.
 *
 * A quote that is never closed would swallow the rest of the file. So where one
 * runs over a line end and what follows shows that it was none (something other
 * than a delimiter behind its end, no end before the file's, or a length beyond
 * sense), the first line alone is a malformed record, and reading goes on
 * with the next line.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_CSV_H
#define PG_HIERARCHY_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "memory.h"

/* Appends more text; false at the end (decoder_more is such a function). */
typedef bool (*MoreFunction) (void *context, Buffer *out);

typedef struct CsvReader CsvReader;

/* quote '\0': there are no quotes. */
extern CsvReader *csv_open(char delimiter, char quote, MoreFunction more, void *context);

/* Goes to the next record; false at the end. */
extern bool csv_next(CsvReader *reader);

/* The text not read yet, with at least so many bytes if there are as many. */
extern const char *csv_look_ahead(CsvReader *reader, size_t wanted, size_t *length);

/* Makes another delimiter count from the next record on. */
extern void csv_set_delimiter(CsvReader *reader, char delimiter);

/* Of the current record; pointers are good until the next. */
extern int	csv_fields(const CsvReader *reader);
extern const char *csv_field(const CsvReader *reader, int i, size_t *length);
extern bool csv_is_quoted(const CsvReader *reader, int i);
extern const char *csv_raw(const CsvReader *reader, size_t *length);	/* no line end */
extern long long csv_line(const CsvReader *reader); /* of its first line, from 1 */
extern bool csv_malformed(const CsvReader *reader); /* then it has no fields */

/*
 * Would its fields give the same text if they were written with commas, and with
 * quotes only where they are needed?
 */
extern bool csv_is_plain(const CsvReader *reader);

extern void csv_close(CsvReader *reader);

#endif							/* PG_HIERARCHY_CSV_H */
