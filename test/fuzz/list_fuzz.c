/*-------------------------------------------------------------------------
 *
 * list_fuzz.c
 *	  Fuzzing of the client's reader of lists: any bytes, in any encoding, as
 *	  CSV.  What it makes of them must not depend on how they come in pieces, and
 *	  must be all of them.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>

#include "csv.h"
#include "decode.h"
#include "fuzz.h"
#include "memory.h"

static const char *const encodings[] = {NULL, "utf-8", "windows-1252", "iso-8859-1", "iso-8859-15", "utf-16le", "utf-16be"};

/* A text that is given out in pieces. */
typedef struct Pieces
{
	const char *text;
	size_t		length;
	size_t		at;
	size_t		piece;			/* 0: all at once */
} Pieces;

/* As a ReadFunction */
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

/* As a MoreFunction */
static bool
more_text(void *context, Buffer *out)
{
	Pieces	   *p = context;
	size_t		n = p->length - p->at;

	if (n == 0)
		return false;
	if (p->piece > 0 && n > p->piece)
		n = p->piece;
	buffer_add(out, p->text + p->at, n);
	p->at += n;
	return true;
}

/* The whole text in UTF-8; false if there is no such encoding. */
static bool
decode(Buffer *out, const char *encoding, const uint8_t *data, size_t size, size_t piece)
{
	Pieces		p = {(const char *) data, size, 0, 0};
	Decoder    *d;

	decoder_piece = piece;
	d = decoder_open(encoding, read_text, &p);
	if (d == NULL)
		return false;
	while (decoder_more(d, out))
		;
	decoder_close(d);
	return true;
}

/* Everything that the reader says of a text. */
static void
read_all(Buffer *out, const Buffer *text, char delimiter, char quote, size_t piece)
{
	Pieces		p = {text->data, text->length, 0, piece};
	CsvReader  *r = csv_open(delimiter, quote, more_text, &p);
	size_t		covered = 0;
	size_t		n;
	long long	line = 0;

	while (csv_next(r))
	{
		const char *raw = csv_raw(r, &n);

		fuzz_check(n > 0 && csv_line(r) > line);
		line = csv_line(r);

		/* Between records is nothing but ends of lines. */
		while (covered < text->length && (text->data[covered] == '\n' || text->data[covered] == '\r') &&
			   (text->length - covered < n || memcmp(text->data + covered, raw, n) != 0))
			covered++;
		fuzz_check(text->length - covered >= n && memcmp(text->data + covered, raw, n) == 0);
		covered += n;

		buffer_printf(out, "%lld %d %d %zu:", line, csv_malformed(r), csv_is_plain(r), n);
		buffer_add(out, raw, n);
		fuzz_check(!csv_malformed(r) || csv_fields(r) == 0);
		for (int i = 0; i < csv_fields(r); i++)
		{
			const char *field = csv_field(r, i, &n);

			buffer_printf(out, ";%d %zu:", csv_is_quoted(r, i), n);
			buffer_add(out, field, n);
		}
		if (line % 3 == 0)
		{
			size_t		ahead;

			(void) csv_look_ahead(r, piece, &ahead);
		}
		buffer_char(out, '\n');
	}
	for (; covered < text->length; covered++)
		fuzz_check(text->data[covered] == '\n' || text->data[covered] == '\r');
	csv_close(r);
}

/* One list: encoding, delimiter, quote, sizes of pieces, then the text */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Buffer		text = {0};
	Buffer		again = {0};
	Buffer		records = {0};
	Buffer		records_again = {0};
	const char *encoding;
	char		delimiter;
	char		quote;
	size_t		piece;
	Pieces		p;

	fuzz_begin(data, size);
	encoding = encodings[fuzz_below(sizeof(encodings) / sizeof(encodings[0]))];
	delimiter = ",;\t|"[fuzz_below(4)];
	quote = "\"\"'\0"[fuzz_below(4)];
	piece = 1 + fuzz_below(40);
	data = fuzz_at;
	size = fuzz_left();

	if (decode(&text, encoding, data, size, 4096))
	{
		/* A guess depends on how much there is to guess by. */
		if (encoding)
		{
			fuzz_check(decode(&again, encoding, data, size, piece));
			fuzz_check(again.length == text.length &&
					   (text.length == 0 || memcmp(again.data, text.data, text.length) == 0));
		}
		for (size_t i = 0; i < text.length;)
		{
			int			n = (unsigned char) text.data[i] == BAD_MARK ? 3 :
				utf8_length((const unsigned char *) text.data + i, (const unsigned char *) text.data + text.length);

			fuzz_check(n > 0 && (size_t) n <= text.length - i);
			i += (size_t) n;
		}
		buffer_clear(&again);
		show_bad_bytes(&again, text.data, text.length);
		read_all(&records, &text, delimiter, quote, 0);
		read_all(&records_again, &text, delimiter, quote, piece);
		fuzz_check(records.length == records_again.length &&
				   (records.length == 0 || memcmp(records.data, records_again.data, records.length) == 0));
	}
	p = (Pieces) {(const char *) data, size, 0, 0};
	(void) guess_encoding(read_text, &p);

	buffer_free(&text);
	buffer_free(&again);
	buffer_free(&records);
	buffer_free(&records_again);
	return 0;
}
