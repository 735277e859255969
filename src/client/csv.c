/*-------------------------------------------------------------------------
 *
 * csv.c
 *	  Records out of CSV or TSV text.
 *
 * The text of one record lies in one piece in the buffer, so fields are places
 * in it; only those with doubled quotes are written anew.  All places are
 * relative to the start of the record, since more text may move it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "message.h"

/* A quoted field beyond this is one that was not closed. */
#define MAX_QUOTED ((size_t) 8 * 1024 * 1024)
/* A record beyond this is not text in lines at all. */
#define MAX_RECORD ((size_t) 256 * 1024 * 1024)

typedef struct Field
{
	size_t		start;
	size_t		length;
	bool		is_quoted;
	bool		is_cooked;		/* in cooked, not in the text */
} Field;

struct CsvReader
{
	MoreFunction more;
	void	   *context;
	char		delimiter;
	char		quote;
	bool		ends_plain[256];	/* stops a run of a plain field */
	bool		ends_quoted[256];	/* the same between quotes */

	Buffer		text;
	size_t		start;			/* of the current record in it */
	size_t		next;			/* of the next one */
	bool		ended;

	long long	line;			/* of the current record */
	long long	next_line;
	size_t		raw_length;
	bool		malformed;
	bool		plain;

	Field	   *fields;
	int			n_fields;
	int			room;
	Buffer		cooked;
};

/*
 * classify fills the tables of characters that matter.
 */
static void
classify(CsvReader *r)
{
	memset(r->ends_plain, 0, sizeof(r->ends_plain));
	r->ends_plain[(unsigned char) r->delimiter] = true;
	r->ends_plain['\n'] = r->ends_plain['\r'] = true;
	memcpy(r->ends_quoted, r->ends_plain, sizeof(r->ends_plain));
	if (r->quote)
		r->ends_plain[(unsigned char) r->quote] = r->ends_quoted[(unsigned char) r->quote] = true;
}

/*
 * csv_open begins.
 */
CsvReader *
csv_open(char delimiter, char quote, MoreFunction more, void *context)
{
	CsvReader  *r = x_malloc(sizeof(CsvReader));

	memset(r, 0, sizeof(*r));
	r->more = more;
	r->context = context;
	r->delimiter = delimiter;
	r->quote = quote;
	r->next_line = 1;
	buffer_reserve(&r->text, 0);
	buffer_reserve(&r->cooked, 0);
	classify(r);
	return r;
}

/*
 * csv_set_delimiter changes the delimiter.
 */
void
csv_set_delimiter(CsvReader *r, char delimiter)
{
	r->delimiter = delimiter;
	classify(r);
}

/*
 * fill gets more text; what lies before the current record goes.
 */
static bool
fill(CsvReader *r)
{
	size_t		before = r->text.length;

	if (r->ended)
		return false;
	if (r->start > 0)
	{
		memmove(r->text.data, r->text.data + r->start, r->text.length - r->start);
		r->text.length -= r->start;
		before = r->text.length;
		r->next = r->next > r->start ? r->next - r->start : 0;
		r->start = 0;
	}
	if (r->text.length > MAX_RECORD)
		die(EXIT_FILE, "line %lld is longer than %d MB: this is no table of text",
			r->line, (int) (MAX_RECORD / 1024 / 1024));
	while (r->text.length == before)
		if (!r->more(r->context, &r->text))
		{
			r->ended = true;
			break;
		}
	return r->text.length > before;
}

/*
 * has tells whether there is a byte at a place of the record.
 */
static inline bool
has(CsvReader *r, size_t at)
{
	while (r->start + at >= r->text.length)
		if (!fill(r))
			return false;
	return true;
}

/*
 * byte is the one at a place that has() said to be there.
 */
static inline unsigned char
byte(const CsvReader *r, size_t at)
{
	return (unsigned char) r->text.data[r->start + at];
}

/*
 * run finds the end of a run of characters that do not matter.
 */
static inline size_t
run(CsvReader *r, size_t at, const bool *ends)
{
	do
	{
		const char *base = r->text.data + r->start;
		size_t		length = r->text.length - r->start;

		while (at < length && !ends[(unsigned char) base[at]])
			at++;
		if (at < length)
			return at;
	} while (fill(r));
	return at;
}

/*
 * line_end is the length of the line end at a place: 0 if there is none.
 */
static inline int
line_end(CsvReader *r, size_t at)
{
	if (byte(r, at) == '\n')
		return 1;
	if (byte(r, at) == '\r')
		return has(r, at + 1) && byte(r, at + 1) == '\n' ? 2 : 1;
	return 0;
}

/*
 * new_field begins a field at a place.
 */
static inline Field *
new_field(CsvReader *r, size_t at)
{
	Field	   *f;

	if (r->n_fields == r->room)
	{
		r->room = r->room ? r->room * 2 : 32;
		r->fields = x_realloc(r->fields, r->room * sizeof(Field));
	}
	f = &r->fields[r->n_fields++];
	f->start = at;
	f->length = 0;
	f->is_quoted = f->is_cooked = false;
	return f;
}

/*
 * plain_run goes to the end of a field that is not quoted (any more).
 */
static inline size_t
plain_run(CsvReader *r, size_t at)
{
	for (;;)
	{
		at = run(r, at, r->ends_plain);
		if (!r->quote || r->start + at >= r->text.length || byte(r, at) != (unsigned char) r->quote)
			return at;
		r->plain = false;
		at++;
	}
}

/*
 * The first line end inside quotes, to go back to.
 */
typedef struct FirstLine
{
	size_t		length;			/* of the line */
	size_t		next;			/* where the next one begins; 0: none yet */
	long long	lines;			/* line ends so far */
} FirstLine;

/*
 * quoted_field reads a field whose opening quote is at a place; returns where it
 * ends.  Sets malformed if the quotes cannot be right.
 */
static size_t
quoted_field(CsvReader *r, size_t at, FirstLine *first)
{
	Field	   *f = new_field(r, at + 1);
	int			index = r->n_fields - 1;
	size_t		from = ++at;	/* what is not cooked yet */
	size_t		cooked = r->cooked.length;
	bool		needs_quotes = false;

	f->is_quoted = true;
	for (;;)
	{
		at = run(r, at, r->ends_quoted);
		if (!has(r, at) || at - r->fields[index].start > MAX_QUOTED)
		{
			r->malformed = true;
			return at;
		}
		if (byte(r, at) != (unsigned char) r->quote)
		{
			int			n = line_end(r, at);

			needs_quotes = true;
			if (n > 0)
			{
				if (first->next == 0)
				{
					first->length = at;
					first->next = at + n;
				}
				first->lines++;
			}
			at += n > 0 ? n : 1;
			continue;
		}
		if (has(r, at + 1) && byte(r, at + 1) == (unsigned char) r->quote)
		{
			needs_quotes = true;
			r->fields[index].is_cooked = true;
			buffer_add(&r->cooked, r->text.data + r->start + from, at + 1 - from);
			at += 2;
			from = at;
			continue;
		}
		break;
	}

	/* The closing quote is at this place. */
	f = &r->fields[index];
	f->length = at - from;
	if (has(r, at + 1) && byte(r, at + 1) != (unsigned char) r->delimiter &&
		byte(r, at + 1) != '\n' && byte(r, at + 1) != '\r')
	{
		size_t		end;

		r->plain = false;
		if (first->next)
		{
			r->malformed = true;
			return at;
		}
		buffer_add(&r->cooked, r->text.data + r->start + from, at - from);
		end = plain_run(r, at + 1);
		buffer_add(&r->cooked, r->text.data + r->start + at + 1, end - at - 1);
		f->is_cooked = true;
		at = end;
	}
	else
	{
		if (f->is_cooked)
			buffer_add(&r->cooked, r->text.data + r->start + from, at - from);
		at++;
	}
	if (!needs_quotes)
		r->plain = false;
	if (f->is_cooked)
	{
		f->start = cooked;
		f->length = r->cooked.length - cooked;
	}
	return at;
}

/*
 * csv_next reads a record.
 */
bool
csv_next(CsvReader *r)
{
	FirstLine	first = {0, 0, 0};
	size_t		at = 0;
	int			n;

	r->start = r->next;
	r->line = r->next_line;
	while (has(r, 0) && (n = line_end(r, 0)) > 0)
	{
		r->start += n;
		r->line++;
	}
	r->next = r->start;
	r->next_line = r->line;
	r->n_fields = 0;
	r->malformed = false;
	r->plain = true;
	r->cooked.length = 0;
	if (!has(r, 0))
		return false;

	for (;;)
	{
		if (r->quote && has(r, at) && byte(r, at) == (unsigned char) r->quote)
		{
			at = quoted_field(r, at, &first);
			if (r->malformed)
				break;
		}
		else
		{
			size_t		end = plain_run(r, at);

			new_field(r, at)->length = end - at;
			at = end;
		}
		if (!has(r, at) || byte(r, at) != (unsigned char) r->delimiter)
			break;
		at++;
	}

	if (r->malformed)
	{
		r->n_fields = 0;
		r->plain = false;
		if (first.next)
		{
			r->raw_length = first.length;
			r->next = r->start + first.next;
			r->next_line = r->line + 1;
			return true;
		}
		/* No line end since the quote: this is the last line, or a very long one. */
		while (has(r, at) && line_end(r, at) == 0)
			at++;
	}
	r->raw_length = at;
	n = has(r, at) ? line_end(r, at) : 0;
	r->next = r->start + at + n;
	r->next_line = r->line + first.lines + 1;
	return true;
}

/*
 * csv_look_ahead shows text that is still to be read.
 */
const char *
csv_look_ahead(CsvReader *r, size_t wanted, size_t *length)
{
	r->start = r->next;
	while (r->text.length - r->start < wanted && fill(r))
		;
	*length = r->text.length - r->start;
	return r->text.data + r->start;
}

/*
 * csv_fields is how many fields the record has.
 */
int
csv_fields(const CsvReader *r)
{
	return r->n_fields;
}

/*
 * csv_field is a field of the record.
 */
const char *
csv_field(const CsvReader *r, int i, size_t *length)
{
	const Field *f = &r->fields[i];

	*length = f->length;
	return f->is_cooked ? r->cooked.data + f->start : r->text.data + r->start + f->start;
}

/*
 * csv_is_quoted tells "" from nothing.
 */
bool
csv_is_quoted(const CsvReader *r, int i)
{
	return r->fields[i].is_quoted;
}

/*
 * csv_raw is the record as it was.
 */
const char *
csv_raw(const CsvReader *r, size_t *length)
{
	*length = r->raw_length;
	return r->text.data + r->start;
}

/*
 * csv_line is the number of the record's first line.
 */
long long
csv_line(const CsvReader *r)
{
	return r->line;
}

/*
 * csv_malformed tells whether its quotes made no sense.
 */
bool
csv_malformed(const CsvReader *r)
{
	return r->malformed;
}

/*
 * csv_is_plain tells whether the record can be written anew from its fields.
 */
bool
csv_is_plain(const CsvReader *r)
{
	return r->plain && r->delimiter == ',' && r->quote == '"';
}

/*
 * csv_close gives everything back.
 */
void
csv_close(CsvReader *r)
{
	buffer_free(&r->text);
	buffer_free(&r->cooked);
	free(r->fields);
	free(r);
}
