/*-------------------------------------------------------------------------
 *
 * memory.h
 *	  Memory that is there or ends the program, and strings that grow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_MEMORY_H
#define PG_HIERARCHY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

extern void *x_malloc(size_t size);
extern void *x_realloc(void *p, size_t size);
extern char *x_strdup(const char *text);
extern char *x_sprintf(const char *format,...) __attribute__((format(printf, 1, 2)));

/* Bytes that grow; data is always followed by a NUL. Starts as {0}. */
typedef struct Buffer
{
	char	   *data;			/* NULL until the first byte */
	size_t		length;
	size_t		room;
} Buffer;

/* Makes room for so many more bytes (and the NUL). */
extern void buffer_reserve(Buffer *b, size_t more);
extern void buffer_add(Buffer *b, const char *bytes, size_t length);
extern void buffer_text(Buffer *b, const char *text);
extern void buffer_printf(Buffer *b, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void buffer_clear(Buffer *b);	/* keeps the memory */
extern void buffer_free(Buffer *b);

/*
 * buffer_char appends one byte.
 */
static inline void
buffer_char(Buffer *b, char c)
{
	if (b->length + 1 >= b->room)
		buffer_reserve(b, 1);
	b->data[b->length++] = c;
	b->data[b->length] = '\0';
}

#endif							/* PG_HIERARCHY_MEMORY_H */
