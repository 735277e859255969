/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  Memory that is there or ends the program, and strings that grow.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "message.h"

/*
 * x_malloc is malloc that does not fail.
 */
void *
x_malloc(size_t size)
{
	return x_realloc(NULL, size);
}

/*
 * x_realloc is realloc that does not fail.
 */
void *
x_realloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		die(EXIT_FILE, "out of memory");
	return p;
}

/*
 * x_strdup copies a string.
 */
char *
x_strdup(const char *text)
{
	size_t		size = strlen(text) + 1;

	return memcpy(x_malloc(size), text, size);
}

/*
 * x_sprintf formats into a string of its own.
 */
char *
x_sprintf(const char *format,...)
{
	char	   *text;
	va_list		args;
	int			length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		die(EXIT_FILE, "out of memory");
	return text;
}

/*
 * buffer_reserve makes room for so many more bytes.
 */
void
buffer_reserve(Buffer *b, size_t more)
{
	size_t		need = b->length + more + 1;

	if (need <= b->room)
		return;
	if (need < more || need > SIZE_MAX / 2)
		die(EXIT_FILE, "out of memory");
	b->room = b->room < 64 ? 64 : b->room;
	while (b->room < need)
		b->room *= 2;
	b->data = x_realloc(b->data, b->room);
	b->data[b->length] = '\0';
}

/*
 * buffer_add appends bytes.
 */
void
buffer_add(Buffer *b, const char *bytes, size_t length)
{
	buffer_reserve(b, length);
	if (length > 0)
		memcpy(b->data + b->length, bytes, length);
	b->length += length;
	b->data[b->length] = '\0';
}

/*
 * buffer_text appends a string.
 */
void
buffer_text(Buffer *b, const char *text)
{
	buffer_add(b, text, strlen(text));
}

/*
 * buffer_printf appends formatted text.
 */
void
buffer_printf(Buffer *b, const char *format,...)
{
	va_list		args;
	int			length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		die(EXIT_FILE, "could not format a text");
	buffer_reserve(b, length);
	va_start(args, format);
	vsnprintf(b->data + b->length, length + 1, format, args);
	va_end(args);
	b->length += length;
}

/*
 * buffer_clear empties it.
 */
void
buffer_clear(Buffer *b)
{
	buffer_reserve(b, 0);
	b->length = 0;
	b->data[0] = '\0';
}

/*
 * buffer_free gives its memory back; it can be used again.
 */
void
buffer_free(Buffer *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}
