/*-------------------------------------------------------------------------
 *
 * decode.h
 *	  Text of any encoding into UTF-8, a piece at a time.
 *
 * A byte that is no text in the encoding, and NUL, come out as a mark of three
 * bytes that no UTF-8 contains (BAD_MARK and the byte's halves, all above 0x7f), so
 * that whoever cuts the text into records does so as if it were a letter.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_DECODE_H
#define PG_HIERARCHY_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include "memory.h"

#define BAD_MARK 0xff

/* Gives up to so many bytes; 0 at the end. */
typedef size_t (*ReadFunction) (void *context, char *to, size_t room);

typedef struct Decoder Decoder;

/*
 * encoding NULL: that of a byte order mark, else UTF-8 or windows-1252, by what
 * the first bytes beyond ASCII look like. NULL if there is no such encoding.
 */
extern Decoder *decoder_open(const char *encoding, ReadFunction read, void *context);

/* Appends the next piece; false at the end. */
extern bool decoder_more(void *decoder, Buffer *out);

/* How much decoder_more() reads at a time; tests make it small. */
extern size_t decoder_piece;

/* What the text is read as; NULL while nothing beyond ASCII has come. */
extern const char *decoder_encoding(const Decoder *decoder);

/* Has there been any bad byte? */
extern bool decoder_met_bad_bytes(const Decoder *decoder);

extern void decoder_close(Decoder *decoder);

/*
 * Reads everything and says what it looks like: as decoder_open(), but by all of
 * it. NULL: nothing but ASCII.
 */
extern const char *guess_encoding(ReadFunction read, void *context);

/* The text with bad bytes as \xHH. */
extern void show_bad_bytes(Buffer *out, const char *text, size_t length);

/* Length of the UTF-8 character, 0 if it is none, -1 if it is cut off. */
extern int	utf8_length(const unsigned char *s, const unsigned char *end);

#endif							/* PG_HIERARCHY_DECODE_H */
