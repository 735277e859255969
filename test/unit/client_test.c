/*-------------------------------------------------------------------------
 *
 * client_test.c
 *	  The reader of lists in the client, against models that take their time:
 *	  CSV by a state machine that looks at one character after the other of
 *	  the whole text, encodings by conversion of the whole text.  The text comes
 *	  in pieces of random lengths.
 *
 *	  Prints TAP.  The seed is the first argument, or 1.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "decode.h"
#include "memory.h"

static uint64_t seed;
static int	number = 0;
static int	failed = 0;

/* A pseudo-random number below n (xorshift64*, Marsaglia and Vigna). */
static uint32_t
below(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t) ((seed * UINT64_C(2685821657736338717)) >> 33) % n;
}

/* Prints the result of one test. */
static void
ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++number, name);
	failed += !good;
}

/* A text that is given out in pieces. */
typedef struct Pieces
{
	const char *text;
	size_t		length;
	size_t		at;
	size_t		largest;		/* of a piece */
} Pieces;

/* As a MoreFunction */
static bool
more_text(void *context, Buffer *out)
{
	Pieces	   *p = context;
	size_t		n = p->length - p->at;

	if (n == 0)
		return false;
	if (n > p->largest)
		n = 1 + below((uint32_t) p->largest);
	buffer_add(out, p->text + p->at, n);
	p->at += n;
	return true;
}

/* As a ReadFunction, which gives less than asked for only at the end */
static size_t
read_text(void *context, char *to, size_t room)
{
	Pieces	   *p = context;
	size_t		n = p->length - p->at;

	if (n > room)
		n = room;
	memcpy(to, p->text + p->at, n);
	p->at += n;
	return n;
}

/* Writes down a field so that fields cannot be mistaken for each other. */
static void
note_field(Buffer *b, const char *text, size_t length, bool quoted)
{
	buffer_printf(b, "%s%zu:", quoted ? "q" : "", length);
	buffer_add(b, text, length);
	buffer_char(b, ';');
}

/* All records by the reader: line, raw text, fields. */
static void
by_reader(Buffer *b, const char *text, size_t length, char quote, size_t largest)
{
	Pieces		pieces = {text, length, 0, largest};
	CsvReader  *r = csv_open(',', quote, more_text, &pieces);
	Buffer		again = {0};

	while (csv_next(r))
	{
		size_t		n;
		const char *raw = csv_raw(r, &n);
		int			i;

		buffer_printf(b, "line %lld ", csv_line(r));
		note_field(b, raw, n, false);
		buffer_text(b, csv_malformed(r) ? "bad" : "fields ");
		buffer_clear(&again);
		for (i = 0; i < csv_fields(r); i++)
		{
			size_t		m;
			const char *field = csv_field(r, i, &m);
			size_t		j;
			bool		quotes = false;

			note_field(b, field, m, csv_is_quoted(r, i));
			for (j = 0; j < m; j++)
				quotes |= strchr(",\"\r\n", field[j]) != NULL;
			if (i > 0)
				buffer_char(&again, ',');
			if (quotes)
				buffer_char(&again, '"');
			for (j = 0; j < m; j++)
			{
				if (field[j] == '"')
					buffer_char(&again, '"');
				buffer_char(&again, field[j]);
			}
			if (quotes)
				buffer_char(&again, '"');
		}
		if (csv_is_plain(r) && (again.length != n || memcmp(again.data, raw, n) != 0))
			buffer_text(b, " NOT PLAIN");
		buffer_text(b, "\n");
	}
	buffer_free(&again);
	csv_close(r);
}

/* The end of a line at a place: its length. */
static size_t
newline(const char *text, size_t length, size_t at)
{
	if (at >= length || (text[at] != '\n' && text[at] != '\r'))
		return 0;
	return text[at] == '\r' && at + 1 < length && text[at + 1] == '\n' ? 2 : 1;
}

/* All records by the model. */
static void
by_model(Buffer *b, const char *text, size_t length, char quote)
{
	size_t		at = 0;
	long long	line = 1;
	size_t		n;

	while (at < length)
	{
		enum {START, PLAIN, QUOTED, CLOSED} state = START;
		size_t		begin = at;
		size_t		first_end = 0;
		size_t		first_next = 0;
		long long	lines = 0;
		bool		bad = false;
		bool		quoted = false;
		Buffer		field = {0};
		Buffer		fields = {0};

		if ((n = newline(text, length, at)) > 0)
		{
			at += n;
			line++;
			continue;
		}
		buffer_clear(&field);
		buffer_clear(&fields);
		for (;;)
		{
			char		c = at < length ? text[at] : '\0';
			bool		end = at == length || newline(text, length, at) > 0;

			if (state == QUOTED)
			{
				if (at == length)
				{
					bad = true;
					break;
				}
				if (c == quote)
					state = CLOSED;
				else if ((n = newline(text, length, at)) > 0)
				{
					if (!first_next)
					{
						first_end = at;
						first_next = at + n;
					}
					lines++;
					buffer_add(&field, text + at, n);
					at += n - 1;
				}
				else
					buffer_char(&field, c);
				at++;
				continue;
			}
			if (state == CLOSED && at < length && c == quote)
			{
				buffer_char(&field, quote);
				state = QUOTED;
				at++;
				continue;
			}
			if (end || c == ',')
			{
				note_field(&fields, field.data, field.length, quoted);
				buffer_clear(&field);
				quoted = false;
				state = START;
				if (end)
					break;
				at++;
				continue;
			}
			if (state == CLOSED && first_next)
			{
				bad = true;
				break;
			}
			if (state == START && quote && c == quote)
			{
				state = QUOTED;
				quoted = true;
			}
			else
			{
				buffer_char(&field, c);
				state = PLAIN;
			}
			at++;
		}
		if (bad && first_next)
		{
			at = first_next;
			buffer_printf(b, "line %lld ", line);
			note_field(b, text + begin, first_end - begin, false);
			buffer_text(b, "bad\n");
			line++;
		}
		else
		{
			buffer_printf(b, "line %lld ", line);
			note_field(b, text + begin, at - begin, false);
			if (bad)
				buffer_text(b, "bad\n");
			else
				buffer_printf(b, "fields %s\n", fields.data);
			at += newline(text, length, at);
			line += lines + 1;
		}
		buffer_free(&field);
		buffer_free(&fields);
	}
}

/* Random texts of the characters that matter. */
static void
test_random_csv(char quote, const char *name)
{
	static const char letters[] = "ab,,\"\"\"\n\n\r ;";
	int			round;
	bool		good = true;

	for (round = 0; round < 60000 && good; round++)
	{
		char		text[80];
		size_t		length = below(sizeof(text));
		size_t		i;
		Buffer		a = {0};
		Buffer		b = {0};

		for (i = 0; i < length; i++)
			text[i] = letters[below(sizeof(letters) - 1)];
		buffer_clear(&a);
		buffer_clear(&b);
		by_reader(&a, text, length, quote, 1 + below(below(2) ? 3 : 80));
		by_model(&b, text, length, quote);
		good = a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
		if (!good)
			printf("# text: \"%.*s\"\n# reader: %s# model: %s", (int) length, text, a.data, b.data);
		buffer_free(&a);
		buffer_free(&b);
	}
	ok(good, name);
}

/* Records that a writer has written come back as they were. */
static void
test_written_csv(void)
{
	static const char *const ends[] = {"\n", "\r\n", "\r"};
	static const char letters[] = "abcdefgh,\"\n\r \t\\;";
	int			round;
	bool		good = true;

	for (round = 0; round < 3000 && good; round++)
	{
		const char *end = ends[below(3)];
		int			n = (int) below(12);
		int			width = 1 + (int) below(5);
		Buffer		text = {0};
		Buffer		expected = {0};
		Buffer		found = {0};
		int			i;
		int			j;
		Pieces		pieces = {0};
		CsvReader  *r;

		buffer_clear(&text);
		buffer_clear(&expected);
		buffer_clear(&found);
		for (i = 0; i < n; i++)
		{
			for (j = 0; j < width; j++)
			{
				size_t		length = below(10);
				char		value[10];
				bool		quotes = below(3) == 0 || width == 1;
				size_t		k;

				for (k = 0; k < length; k++)
				{
					value[k] = letters[below(sizeof(letters) - 1)];
					quotes |= strchr(",\"\n\r", value[k]) != NULL;
				}
				if (j > 0)
					buffer_char(&text, ',');
				if (quotes)
					buffer_char(&text, '"');
				for (k = 0; k < length; k++)
				{
					if (value[k] == '"')
						buffer_char(&text, '"');
					buffer_char(&text, value[k]);
				}
				if (quotes)
					buffer_char(&text, '"');
				note_field(&expected, value, length, quotes);
			}
			buffer_text(&expected, "\n");
			if (i < n - 1 || below(2))
				buffer_text(&text, end);
		}
		pieces.text = text.data;
		pieces.length = text.length;
		pieces.largest = 1 + below(9);
		r = csv_open(',', '"', more_text, &pieces);
		while (csv_next(r))
		{
			for (i = 0; i < csv_fields(r); i++)
			{
				size_t		length;
				const char *value = csv_field(r, i, &length);

				note_field(&found, value, length, csv_is_quoted(r, i));
			}
			buffer_text(&found, "\n");
		}
		csv_close(r);
		good = expected.length == found.length && memcmp(expected.data, found.data, found.length) == 0;
		buffer_free(&text);
		buffer_free(&expected);
		buffer_free(&found);
	}
	ok(good, "records that were written come back");
}

/* A quote that is not closed costs one line, in a file of any length. */
static void
test_open_quote(void)
{
	Buffer		text = {0};
	Pieces		pieces = {0};
	CsvReader  *r;
	long long	good = 0;
	long long	bad = 0;
	int			i;

	buffer_text(&text, "1,\"never closed\n");
	for (i = 0; i < 1000000; i++)
		buffer_text(&text, "2,good and simple\n");
	buffer_text(&text, "3,\"open at the end");
	pieces.text = text.data;
	pieces.length = text.length;
	pieces.largest = 100000;
	r = csv_open(',', '"', more_text, &pieces);
	while (csv_next(r))
	{
		if (csv_malformed(r))
			bad++;
		else
			good += csv_fields(r) == 2;
	}
	csv_close(r);
	ok(good == 1000000 && bad == 2, "open quotes cost a line each");
	buffer_free(&text);
}

/* Decodes a text in pieces of so many bytes. */
static const char *
decode(Buffer *out, const char *encoding, const char *text, size_t length, size_t piece)
{
	Pieces		pieces = {text, length, 0, 0};
	size_t		before = decoder_piece;
	Decoder    *d = decoder_open(encoding, read_text, &pieces);
	const char *found;

	decoder_piece = piece;
	buffer_clear(out);
	while (decoder_more(d, out))
		;
	decoder_piece = before;
	found = decoder_encoding(d);
	found = found ? x_strdup(found) : NULL;
	decoder_close(d);
	return found;
}

/* Random bytes, cut anywhere, against one character after the other. */
static void
test_utf8(void)
{
	static const char *const parts[] = {"a", "bc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8f\xa5", "\xff", "\xc3", "\xe2\x82",
	"\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\x80"};
	int			round;
	bool		good = true;

	for (round = 0; round < 20000 && good; round++)
	{
		Buffer		text = {0};
		Buffer		expected = {0};
		Buffer		found = {0};
		const unsigned char *s;
		const unsigned char *end;
		int			i;

		buffer_clear(&text);
		buffer_clear(&expected);
		for (i = below(12); i > 0; i--)
		{
			uint32_t	which = below(14);

			if (which < 12)
				buffer_text(&text, parts[which]);
			else
				buffer_char(&text, (char) (which == 12 ? 0 : below(256)));
		}
		s = (unsigned char *) text.data;
		end = s + text.length;
		while (s < end)
		{
			int			n = *s ? utf8_length(s, end) : 0;

			if (n > 0)
				buffer_add(&expected, (const char *) s, n);
			else
				buffer_printf(&expected, "%c%c%c", BAD_MARK, 0x80 | (*s >> 4), 0x80 | (*s & 15));
			s += n > 0 ? n : 1;
		}
		if (expected.length >= 3 && memcmp(expected.data, "\xef\xbb\xbf", 3) == 0)
			memmove(expected.data, expected.data + 3, expected.length -= 3);
		free((char *) decode(&found, "UTF-8", text.data, text.length, 1 + below(below(2) ? 3 : 40)));
		good = found.length == expected.length && memcmp(found.data, expected.data, found.length) == 0;
		buffer_free(&text);
		buffer_free(&expected);
		buffer_free(&found);
	}
	ok(good, "UTF-8 and what is none, in pieces");
}

/* A text in an encoding must become that one, whatever the pieces. */
static void
test_encoding(const char *given, const char *text, size_t length, const char *expected,
			  const char *encoding, const char *name)
{
	Buffer		out = {0};
	Buffer		shown = {0};
	size_t		piece;
	bool		good = true;

	for (piece = given ? 1 : 4; piece < 40 && good; piece++)
	{
		const char *found = decode(&out, given, text, length, piece);

		buffer_clear(&shown);
		show_bad_bytes(&shown, out.data, out.length);
		good = strcmp(shown.data, expected) == 0 && found && strcmp(found, encoding) == 0;
		if (!good)
			printf("# %zu: %s, as %s\n", piece, shown.data, found ? found : "nothing");
		free((char *) found);
	}
	ok(good, name);
	buffer_free(&out);
	buffer_free(&shown);
}

/* What a whole file looks like. */
static void
test_guess(const char *text, size_t length, const char *expected, const char *name)
{
	Pieces		pieces = {text, length, 0, 0};
	const char *found = guess_encoding(read_text, &pieces);

	ok(strcmp(found ? found : "ASCII", expected) == 0, name);
}

int
main(int argc, char **argv)
{
	seed = (argc > 1) ? strtoull(argv[1], NULL, 10) : 1;
	printf("# seed %llu\n", (unsigned long long) seed);
	seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;

	test_random_csv('"', "random text, with quotes");
	test_random_csv('\0', "random text, without quotes");
	test_written_csv();
	test_open_quote();
	test_utf8();

#define TEXT(s) s, sizeof(s) - 1
	test_encoding("windows-1252", TEXT("a\x80" "b\xe9\x81"), "a\xe2\x82\xac" "b\xc3\xa9\\x81", "windows-1252", "windows-1252");
	test_encoding("WIN1252", TEXT("a\x80"), "a\xe2\x82\xac", "WIN1252", "as the server calls it");
	test_encoding("ISO-8859-1", TEXT("\xe9\0x"), "\xc3\xa9\\x00x", "ISO-8859-1", "NUL in another encoding");
	test_encoding(NULL, TEXT("\xef\xbb\xbf" "a,\xc3\xa9"), "a,\xc3\xa9", "UTF-8", "UTF-8 with its mark");
	test_encoding(NULL, TEXT("\xff\xfe" "a\0,\0\xac\x20=\xd8\xe5\xdf"), "a,\xe2\x82\xac\xf0\x9f\x9f\xa5", "UTF-16LE", "UTF-16, low byte first");
	test_encoding(NULL, TEXT("\xfe\xff\0a\0,\x20\xac"), "a,\xe2\x82\xac", "UTF-16BE", "UTF-16, high byte first");
	test_encoding(NULL, TEXT("\xff\xfe" "a\0\0\xd8" "b\0"), "a\\x00\\xD8" "b", "UTF-16LE", "half a character of UTF-16");
	test_encoding("SHIFT_JIS", TEXT("\x83\x65\x83\x58\x83\x67"), "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "SHIFT_JIS", "two bytes a character");
	test_encoding(NULL, TEXT("abc\xe9xyz"), "abc\xc3\xa9xyz", "windows-1252", "windows-1252 as found out");
	test_encoding(NULL, TEXT("abcabcabc \xc3\xa9\xc3\xa9 abc"), "abcabcabc \xc3\xa9\xc3\xa9 abc", "UTF-8", "UTF-8 as found out");
	test_guess(TEXT("plain"), "ASCII", "ASCII");
	test_guess(TEXT("caf\xe9"), "windows-1252", "one letter that is no UTF-8");
	test_guess(TEXT("caf\xc3\xa9 caf\xc3\xa9 \xe9"), "UTF-8", "UTF-8 but for one byte");
	test_guess(TEXT("caf\xc3"), "windows-1252", "half a character at the end");

	printf("1..%d\n", number);
	return failed > 0;
}
