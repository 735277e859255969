/*-------------------------------------------------------------------------
 *
 * input.h
 *	  Bytes of a file or of stdin, unpacked if they are gzip.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_INPUT_H
#define PG_HIERARCHY_INPUT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Input Input;

/* "-" is stdin. Ends the program with EXIT_FILE if it cannot be read. */
extern Input *input_open(const char *path);

/* Up to so many bytes; 0 at the end. Ends the program on an error. */
extern size_t input_read(void *context, char *to, size_t room);

/* The first bytes (1 MB at most), without taking them away. */
extern const char *input_peek(Input *input, size_t *length);

/* Can it be opened a second time, to look through it beforehand? */
extern bool input_is_file(const Input *input);

/* Size as it lies on the disk, and how far it has been read; -1: unknown. */
extern long long input_size(const Input *input);
extern long long input_position(const Input *input);

/* When it was changed last, in seconds; 0: unknown. */
extern long long input_modified(const Input *input);
extern bool input_is_packed(Input *input);

extern void input_close(Input *input);

#endif							/* PG_HIERARCHY_INPUT_H */
