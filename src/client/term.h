/*-------------------------------------------------------------------------
 *
 * term.h
 *	  Text for a terminal: how wide it is, what may be shown, and writing it.
 *
 * Text is UTF-8 everywhere inside the program. Names come from strangers: what
 * reaches a terminal goes through add_clean() or add_fitting().
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_TERM_H
#define PG_HIERARCHY_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "memory.h"

/* What is put around text in colour; empty strings where there is none. */
typedef struct Colours
{
	const char *faint;
	const char *strong;
	const char *code;
	const char *mark;
	const char *good;
	const char *bad;
	const char *off;
} Colours;

/* Columns: COLUMNS, or what the terminal says; 0 if neither does. */
extern int	terminal_width(int fd);

/* Colours if fd is a terminal that has them, and NO_COLOR is not set. */
extern const Colours *terminal_colours(int fd);

/* Does the user's locale speak UTF-8? */
extern bool locale_is_utf8(void);

/* Columns that a text takes. */
extern int	text_width(const char *text);

/*
 * The character at *at, which moves on; a byte that is no UTF-8 is returned as
 * BAD_BYTE + the byte.
 */
#define BAD_BYTE	0x40000000u
extern unsigned int next_character(const char **at);

/* Would this character move the cursor, or the order of what follows? */
extern bool is_control(unsigned int character);

/* Appends a text with control characters written out: \n, \x1b, \u202e. */
extern void add_clean(Buffer *b, const char *text);

/*
 * The same, cut to so many columns with an ellipsis; returns the columns that
 * it took.
 */
extern int	add_fitting(Buffer *b, const char *text, int width, bool ascii);

/*
 * Appends a JSON text of the server's, with what is left of control characters
 * escaped, so that it can be shown.
 */
extern void add_json(Buffer *b, const char *json);

/* A decimal number with commas between thousands. */
extern void add_number(Buffer *b, const char *number);

/*
 * Writing stdout: a reader that has gone away ends the program quietly, any
 * other error ends it with EXIT_FILE. write_text() also turns UTF-8 into the
 * charset of the locale, if that is another one than ASCII.
 *
 * A command whose work must go on whatever becomes of its output sets
 * output_may_fail. Then an error is kept in output_error, and nothing more is
 * written.
 */
extern bool output_may_fail;
extern int	output_error;
extern void prepare_stdout(void);
extern void write_bytes(FILE *file, const char *name, const char *data, size_t length);
extern void write_text(const Buffer *b);
extern void write_text_to(FILE *file, const Buffer *b);
extern void flush_file(FILE *file, const char *name);

#endif							/* PG_HIERARCHY_TERM_H */
