/*-------------------------------------------------------------------------
 *
 * hrollup_form.h
 *	  What the bytes of an hrollup are, put down once more: slowly, row by row,
 *	  and with nothing of the code that is fuzzed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_FUZZ_HROLLUP_FORM_H
#define TEST_FUZZ_HROLLUP_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORM_COLUMNS	14
#define FORM_AMOUNTS	4

typedef __int128 FormInt;

/* As they are numbered in the bytes */
enum
{
	FORM_NONE, FORM_INT, FORM_REAL, FORM_BYTES
};
enum
{
	FORM_COUNTS, FORM_EXACT, FORM_DOUBLES
};
enum
{
	FORM_INT4, FORM_INT8, FORM_UUID, FORM_TEXT
};
enum
{
	FORM_AMOUNT_ZERO, FORM_AMOUNT_FIXED, FORM_AMOUNT_WIDE, FORM_AMOUNT_REAL
};

/* Columns by their place */
enum
{
	FORM_COL_KEY, FORM_COL_DEPTH, FORM_COL_OWN_COUNT, FORM_COL_TOTAL_COUNT, FORM_COL_OWN_FLAGS,
	FORM_COL_TOTAL_FLAGS, FORM_COL_OWN, FORM_COL_TOTAL, FORM_COL_OWN_REST, FORM_COL_TOTAL_REST,
	FORM_COL_OWN_MIN, FORM_COL_OWN_MAX, FORM_COL_TOTAL_MIN, FORM_COL_TOTAL_MAX
};

/* Places are offsets from the first byte. */
typedef struct FormColumn
{
	int			type;
	uint32_t	width;
	size_t		start;			/* its type */
	size_t		least;			/* INT: 16 bytes; BYTES: their number, 8 bytes */
	size_t		cells;
	size_t		bytes;			/* BYTES: the bytes */
	uint64_t	nbytes;
	size_t		end;
} FormColumn;

typedef struct FormAmount
{
	size_t		start;			/* its flags */
	int			flags;
	int			form;
	size_t		at;
	size_t		end;
} FormAmount;

typedef struct Form
{
	const uint8_t *data;
	size_t		size;
	int			mode;
	int			value;
	int			key;
	int			scale[3];		/* own, total, counts */
	uint32_t	n;
	int64_t		counts[3];		/* facts, unmatched facts, rows without a share */
	FormAmount	amount[FORM_AMOUNTS];	/* grand, unmatched, roots' count, roots */
	size_t		name;
	uint32_t	name_len;
	FormColumn	column[FORM_COLUMNS];
} Form;

/* Finds head and columns; false: those are not there, or of the wrong type. */
extern bool form_read(Form *f, const uint8_t *data, size_t size);

/* Is every value one that may be there? */
extern bool form_sound(const Form *f);

/* Is every text a text, to test/fuzz/server.c? */
extern bool form_texts(const Form *f);

/* A value of a column; of BYTES where a string ends. */
extern FormInt form_int(const Form *f, const FormColumn *c, uint32_t row);

/* A string of a column of BYTES that is in order. */
extern const uint8_t *form_string(const Form *f, const FormColumn *c, uint32_t row, size_t *len);

#endif							/* TEST_FUZZ_HROLLUP_FORM_H */
