/*-------------------------------------------------------------------------
 *
 * decode.c
 *	  Text of any encoding into UTF-8, a piece at a time.
 *
 * UTF-8 is only checked, in the buffer into which it was read; everything else
 * goes through iconv.  A character that a piece ends in waits for the next.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "decode.h"
#include "message.h"

#define PIECE ((size_t) 256 * 1024)

size_t		decoder_piece = PIECE;

struct Decoder
{
	ReadFunction read;
	void	   *context;
	char	   *encoding;		/* NULL: not known yet */
	bool		is_utf8;
	int			unit;			/* bytes that belong together at least */
	iconv_t		converter;		/* unless is_utf8 */
	bool		started;		/* is the byte order mark behind us? */
	bool		ended;			/* is there nothing more to read? */
	bool		bad;
	char		rest[16];		/* the beginning of a character */
	size_t		rest_length;
	Buffer		raw;			/* input of iconv */
};

typedef struct Evidence
{
	long		good;			/* characters beyond ASCII that are UTF-8 */
	long		bad;			/* bytes that are not */
} Evidence;

/*
 * utf8_length checks one character, as strictly as the server does.
 */
int
utf8_length(const unsigned char *s, const unsigned char *end)
{
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	int			length;
	int			i;

	if (*s < 0x80)
		return 1;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	length = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	if (*s == 0xe0)
		low = 0xa0;
	else if (*s == 0xed)
		high = 0x9f;
	else if (*s == 0xf0)
		low = 0x90;
	else if (*s == 0xf4)
		high = 0x8f;
	for (i = 1; i < length; i++)
	{
		if (s + i >= end)
			return -1;
		if (s[i] < low || s[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

/*
 * skip_ascii finds the first byte that is not ASCII, or is NUL.
 */
static const unsigned char *
skip_ascii(const unsigned char *s, const unsigned char *end)
{
	while (end - s >= 8)
	{
		uint64_t	w;

		memcpy(&w, s, 8);
		/* A byte has its high bit set in itself, or gets it by borrowing. */
		if ((w | (w - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080))
			break;
		s += 8;
	}
	while (s < end && *s != 0 && *s < 0x80)
		s++;
	return s;
}

/*
 * weigh counts what speaks for UTF-8 and what against it, up to a character that
 * is cut off; returns where that begins.
 */
static const unsigned char *
weigh(Evidence *evidence, const unsigned char *s, const unsigned char *end)
{
	while ((s = skip_ascii(s, end)) < end)
	{
		int			length = *s == 0 ? 1 : utf8_length(s, end);

		if (length < 0)
			break;
		if (length == 0)
			evidence->bad++;
		else if (length > 1)
			evidence->good++;
		s += length ? length : 1;
	}
	return s;
}

/*
 * judge says which encoding it is; NULL: cannot be told.
 */
static const char *
judge(const Evidence *evidence)
{
	if (evidence->good == 0 && evidence->bad == 0)
		return NULL;
	return evidence->good > evidence->bad ? "UTF-8" : "windows-1252";
}

/*
 * by_mark looks for a byte order mark.
 */
static const char *
by_mark(const unsigned char *s, size_t length)
{
	if (length >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		return "UTF-8";
	if (length >= 4 && memcmp(s, "\xff\xfe\0\0", 4) == 0)
		return "UTF-32LE";
	if (length >= 4 && memcmp(s, "\0\0\xfe\xff", 4) == 0)
		return "UTF-32BE";
	if (length >= 2 && memcmp(s, "\xff\xfe", 2) == 0)
		return "UTF-16LE";
	if (length >= 2 && memcmp(s, "\xfe\xff", 2) == 0)
		return "UTF-16BE";
	return NULL;
}

/*
 * guess_encoding reads all there is to find out.
 */
const char *
guess_encoding(ReadFunction read, void *context)
{
	unsigned char *bytes = x_malloc(PIECE);
	Evidence	evidence = {0, 0};
	const char *encoding = NULL;
	size_t		rest = 0;
	size_t		n;
	bool		first = true;

	while (!encoding && (n = read(context, (char *) bytes + rest, PIECE - rest)) > 0)
	{
		const unsigned char *end = bytes + rest + n;
		const unsigned char *at;

		if (first)
			encoding = by_mark(bytes, end - bytes);
		first = false;
		at = weigh(&evidence, bytes, end);
		rest = end - at;
		memmove(bytes, at, rest);
	}
	evidence.bad += (long) rest;
	free(bytes);
	return encoding ? encoding : judge(&evidence);
}

/*
 * set_encoding begins with an encoding; false if there is none of that name.
 */
static bool
set_encoding(Decoder *d, const char *name)
{
	char		other[32];

	if (strcasecmp(name, "UTF-8") == 0 || strcasecmp(name, "UTF8") == 0)
	{
		d->is_utf8 = true;
		d->encoding = x_strdup("UTF-8");
		return true;
	}
	/* The server calls the encodings of Windows WIN1252 and the like. */
	if (strncasecmp(name, "WIN", 3) == 0 && strlen(name) == 7 && strspn(name + 3, "0123456789") == 4)
	{
		snprintf(other, sizeof(other), "CP%s", name + 3);
		d->converter = iconv_open("UTF-8", other);
	}
	else
		d->converter = iconv_open("UTF-8", name);
	if (d->converter == (iconv_t) -1)
		return false;
	d->encoding = x_strdup(name);
	if (strncasecmp(name, "UTF-16", 6) == 0 || strncasecmp(name, "UCS-2", 5) == 0)
		d->unit = 2;
	else if (strncasecmp(name, "UTF-32", 6) == 0 || strncasecmp(name, "UCS-4", 5) == 0)
		d->unit = 4;
	return true;
}

/*
 * decoder_open begins.
 */
Decoder *
decoder_open(const char *encoding, ReadFunction read, void *context)
{
	Decoder    *d = x_malloc(sizeof(Decoder));

	memset(d, 0, sizeof(*d));
	d->read = read;
	d->context = context;
	d->converter = (iconv_t) -1;
	d->unit = 1;
	if (encoding && !set_encoding(d, encoding))
	{
		free(d);
		return NULL;
	}
	return d;
}

/*
 * add_bad_byte marks a byte that is no text.
 */
static void
add_bad_byte(Decoder *d, Buffer *out, unsigned char byte)
{
	d->bad = true;
	buffer_char(out, (char) BAD_MARK);
	buffer_char(out, (char) (0x80 | (byte >> 4)));
	buffer_char(out, (char) (0x80 | (byte & 15)));
}

/*
 * show_bad_bytes makes the marks readable.
 */
void
show_bad_bytes(Buffer *out, const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end)
	{
		const char *bad = memchr(text, BAD_MARK, end - text);

		if (!bad)
			bad = end;
		buffer_add(out, text, bad - text);
		text = bad;
		if (end - text >= 3)
		{
			buffer_printf(out, "\\x%X%X", text[1] & 15, text[2] & 15);
			text += 3;
		}
		else
			break;
	}
}

/*
 * check_utf8 checks what is in the buffer from a place on, and marks what is bad.
 */
static void
check_utf8(Decoder *d, Buffer *out, size_t from)
{
	const unsigned char *start = (unsigned char *) out->data + from;
	const unsigned char *end = (unsigned char *) out->data + out->length;
	const unsigned char *s = start;
	char	   *tail;
	size_t		length;

	while ((s = skip_ascii(s, end)) < end)
	{
		int			n = *s == 0 ? 0 : utf8_length(s, end);

		if (n > 0)
			s += n;
		else if (n < 0 && !d->ended)
		{
			d->rest_length = end - s;
			memcpy(d->rest, s, d->rest_length);
			out->length -= d->rest_length;
			return;
		}
		else
			break;
	}
	if (s == end)
		return;

	/* The rest once more from a copy, since marks are longer. */
	length = end - s;
	tail = memcpy(x_malloc(length), s, length);
	out->length -= length;
	s = (unsigned char *) tail;
	end = s + length;
	while (s < end)
	{
		const unsigned char *next = skip_ascii(s, end);
		int			n;

		buffer_add(out, (const char *) s, next - s);
		s = next;
		if (s == end)
			break;
		n = *s == 0 ? 0 : utf8_length(s, end);
		if (n > 0)
			buffer_add(out, (const char *) s, n);
		else if (n < 0 && !d->ended)
		{
			d->rest_length = end - s;
			memcpy(d->rest, s, d->rest_length);
			break;
		}
		else
			add_bad_byte(d, out, *s);
		s += n > 0 ? n : 1;
	}
	free(tail);
}

/*
 * mark_nuls marks each NUL in the text from a place on: it is a character to
 * iconv, and none to the server.
 */
static void
mark_nuls(Decoder *d, Buffer *out, size_t from)
{
	const char *nul = memchr(out->data + from, 0, out->length - from);
	size_t		length = nul ? out->data + out->length - nul : 0;
	char	   *tail;
	const char *s;

	if (!nul)
		return;
	tail = memcpy(x_malloc(length), nul, length);
	out->length -= length;
	for (s = tail; s < tail + length;)
	{
		nul = memchr(s, 0, tail + length - s);
		buffer_add(out, s, (nul ? nul : tail + length) - s);
		if (!nul)
			break;
		add_bad_byte(d, out, 0);
		s = nul + 1;
	}
	free(tail);
}

/*
 * convert passes a piece of raw bytes through iconv.
 */
static void
convert(Decoder *d, Buffer *out)
{
	char	   *in = d->raw.data;
	size_t		left = d->raw.length;

	while (left > 0)
	{
		size_t		room;
		char	   *to;
		size_t		from = out->length;
		size_t		result;
		int			error;
		int			unit;

		buffer_reserve(out, left + left / 2 + 64);
		to = out->data + out->length;
		room = out->room - out->length - 1;
		result = iconv(d->converter, &in, &left, &to, &room);
		error = errno;
		out->length = to - out->data;

		mark_nuls(d, out, from);
		if (result != (size_t) -1)
			break;
		if (error == E2BIG)
			continue;
		if (error == EINVAL && !d->ended && left <= sizeof(d->rest))
		{
			memcpy(d->rest, in, left);
			d->rest_length = left;
			break;
		}
		/* Of a unit of several bytes none may be left, or the rest is out of step. */
		for (unit = d->unit; unit > 0 && left > 0; unit--, left--)
			add_bad_byte(d, out, (unsigned char) *in++);
	}
	out->data[out->length] = '\0';
}

/*
 * decide_encoding looks at a piece of text whose encoding is not known yet.
 */
static void
decide_encoding(Decoder *d, const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *) text;
	const char *encoding = d->started ? NULL : by_mark(s, length);

	if (!encoding)
	{
		Evidence	evidence = {0, 0};
		const unsigned char *at = weigh(&evidence, s, s + length);

		/* Half a character at the very end is a bad one. */
		if (d->ended && at < s + length)
			evidence.bad++;
		encoding = judge(&evidence);
	}
	if (encoding && !set_encoding(d, encoding))
		die(EXIT_FILE, "this system cannot convert from %s", encoding);
}

/*
 * decoder_more reads and decodes the next piece.
 */
bool
decoder_more(void *decoder, Buffer *out)
{
	Decoder    *d = decoder;
	size_t		from = out->length;
	size_t		old = d->rest_length;
	size_t		n;

	if (d->ended)
		return false;
	buffer_reserve(out, decoder_piece + sizeof(d->rest));
	memcpy(out->data + from, d->rest, old);
	n = d->read(d->context, out->data + from + old, decoder_piece);
	out->length = from + old + n;
	out->data[out->length] = '\0';
	d->rest_length = 0;
	d->ended = n == 0;

	if (!d->encoding)
		decide_encoding(d, out->data + from, old + n);
	if (d->is_utf8 || !d->encoding)
		check_utf8(d, out, from);
	else
	{
		buffer_clear(&d->raw);
		buffer_add(&d->raw, out->data + from, old + n);
		out->length = from;
		convert(d, out);
	}

	/* A byte order mark is no text; it never comes in parts. */
	if (!d->started && out->length > from)
	{
		d->started = true;
		if (out->length - from >= 3 && memcmp(out->data + from, "\xef\xbb\xbf", 3) == 0)
		{
			memmove(out->data + from, out->data + from + 3, out->length - from - 3);
			out->length -= 3;
		}
	}
	out->data[out->length] = '\0';
	return !d->ended || out->length > from;
}

/*
 * decoder_encoding names what the text is read as.
 */
const char *
decoder_encoding(const Decoder *d)
{
	return d->encoding;
}

/*
 * decoder_met_bad_bytes tells whether it is worth looking for marks.
 */
bool
decoder_met_bad_bytes(const Decoder *d)
{
	return d->bad;
}

/*
 * decoder_close gives everything back.
 */
void
decoder_close(Decoder *d)
{
	if (d->converter != (iconv_t) -1)
		iconv_close(d->converter);
	buffer_free(&d->raw);
	free(d->encoding);
	free(d);
}
