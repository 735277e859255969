/*-------------------------------------------------------------------------
 *
 * source.c
 *	  A list to be loaded: which encoding, which delimiter, which columns.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "memory.h"
#include "message.h"
#include "source.h"

/* How much of the text is looked at for the delimiter. */
#define SNIFF_BYTES ((size_t) 64 * 1024)

/* As long as the name of a column can be. */
#define NAME_BYTES 63

/*
 * file_name is the part of a path behind the last slash.
 */
static const char *
file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * ends_in tells whether a name ends so.
 */
static bool
ends_in(const char *name, const char *end)
{
	size_t		n = strlen(name);
	size_t		m = strlen(end);

	return n > m && strcasecmp(name + n - m, end) == 0;
}

/*
 * source_name makes the name of a source from that of a file.
 */
char *
source_name(const char *path)
{
	char	   *name = x_strdup(file_name(path));
	char	   *dot;

	if (ends_in(name, ".gz"))
		name[strlen(name) - 3] = '\0';
	dot = strrchr(name, '.');
	if (dot && dot != name)
		*dot = '\0';
	return name;
}

/*
 * open_decoder finds the encoding.
 */
static void
open_decoder(Source *source, const SourceOptions *options)
{
	const char *encoding = options->encoding;

	/* A file can be looked through as a whole; of a pipe, only so far. */
	if (!encoding && input_is_file(source->input))
	{
		Input	   *again = input_open(source->path);

		encoding = guess_encoding(input_read, again);
		input_close(again);
		if (encoding && strcmp(encoding, "windows-1252") == 0 && !options->quiet)
		{
			note_message("%s is not UTF-8: reading it as windows-1252", source->base_name);
			error_hint("--encoding says otherwise");
		}
		if (!encoding)
			encoding = "UTF-8";
	}
	source->decoder = decoder_open(encoding, input_read, source->input);
	if (!source->decoder)
	{
		error_message("encoding \"%s\" is not known here", encoding);
		error_hint("\"iconv -l\" lists those that are");
		exit(EXIT_USAGE);
	}
}

/*
 * set_fingerprint makes what a file is known again by: its name, its size,
 * when it was changed last, the CRC-32 of its first megabyte (unpacked), and
 * how it is read.
 */
static void
set_fingerprint(Source *source, const SourceOptions *options)
{
	size_t		length;
	const char *first = input_peek(source->input, &length);
	unsigned long crc = crc32(crc32(0, NULL, 0), (const unsigned char *) first, (unsigned) length);

	source->fingerprint = x_sprintf("%s %lld %lld %08lx %s%s%s", source->base_name,
									input_size(source->input), input_modified(source->input), crc,
									options->encoding ? options->encoding : "auto",
									options->no_header ? " no header" : "",
									options->no_quotes ? " no quotes" : "");
}

/*
 * find_delimiter looks which one the first line has most of.
 */
static char
find_delimiter(const char *text, size_t length, char quote)
{
	static const char candidates[] = ",\t;|";
	int			counts[sizeof(candidates)] = {0};
	int			best = 0;
	bool		quoted = false;
	size_t		i;
	int			c;

	/* Empty lines are no records. */
	while (length > 0 && (*text == '\n' || *text == '\r'))
	{
		text++;
		length--;
	}
	for (i = 0; i < length; i++)
	{
		const char *found;

		if (quote && text[i] == quote)
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (text[i] == '\n' || text[i] == '\r')
			break;
		else if (text[i] && (found = strchr(candidates, text[i])) != NULL)
			counts[found - candidates]++;
	}
	for (c = 1; candidates[c]; c++)
		if (counts[c] > counts[best])
			best = c;
	return candidates[best];
}

/*
 * add_column notes the name of a column, without blanks around it.
 */
static void
add_column(Source *source, const char *name, size_t length)
{
	char	   *copy;

	while (length > 0 && strchr(" \t", *name))
	{
		name++;
		length--;
	}
	while (length > 0 && strchr(" \t", name[length - 1]))
		length--;
	copy = memcpy(x_malloc(length + 1), name, length);
	copy[length] = '\0';
	source->columns = x_realloc(source->columns, (source->n_columns + 1) * sizeof(char *));
	source->columns[source->n_columns++] = copy;
}

/*
 * read_header takes the names of the columns from the first record.
 */
static void
read_header(Source *source)
{
	size_t		length;
	const char *raw = csv_raw(source->reader, &length);
	int			i;

	if (csv_malformed(source->reader) ||
		(decoder_met_bad_bytes(source->decoder) && memchr(raw, BAD_MARK, length)))
	{
		error_message("the header of \"%s\" cannot be read", source->path);
		error_hint("is it a CSV file, and is its encoding right (--encoding)?");
		exit(EXIT_FILE);
	}
	for (i = 0; i < csv_fields(source->reader); i++)
	{
		const char *name = csv_field(source->reader, i, &length);

		add_column(source, name, length);
	}
}

/*
 * is_taken: has one of the columns from first to last the name?
 */
static bool
is_taken(const Source *source, const char *name, int first, int last)
{
	int			i;

	for (i = first; i <= last; i++)
		if (strcmp(source->columns[i], name) == 0)
			return true;
	return false;
}

/*
 * usable_name makes a name of a header one that a column can have.
 */
static char *
usable_name(const Source *source, int column)
{
	const char *name = source->columns[column];
	char	   *base = name[0] == '\0' ? x_sprintf("column_%d", column + 1) :
		name[0] == '_' ? x_sprintf("column%s", name) : x_strdup(name);
	char	   *result;
	int			n;

	for (n = 1;; n++)
	{
		char	   *number = n > 1 ? x_sprintf("_%d", n) : x_strdup("");
		size_t		length = strlen(base);

		if (length > NAME_BYTES - strlen(number))
		{
			length = NAME_BYTES - strlen(number);
			while (length > 0 && ((unsigned char) base[length] & 0xc0) == 0x80)
				length--;
		}
		result = x_sprintf("%.*s%s", (int) length, base, number);
		free(number);
		/* a made-up name is not one of a column to come, either */
		if (!is_taken(source, result, 0, column - 1) &&
			(strcmp(result, name) == 0 || !is_taken(source, result, column + 1, source->n_columns - 1)))
			break;
		free(result);
	}
	free(base);
	return result;
}

/*
 * name_columns sees to it that each column of a header has a name of its own,
 * and says which names it made up.
 */
static void
name_columns(Source *source, bool quiet)
{
	int			i;

	for (i = 0; i < source->n_columns; i++)
	{
		char	   *name = usable_name(source, i);

		if (strcmp(name, source->columns[i]) != 0 && !quiet)
			note_message("column %d, \"%s\", is called \"%s\"", i + 1, source->columns[i], name);
		free(source->columns[i]);
		source->columns[i] = name;
	}
}

/*
 * source_open opens a file up to its first row.
 */
void
source_open(Source *source, const char *path, const SourceOptions *options)
{
	char		quote = options->no_quotes ? '\0' : '"';
	bool		any;

	memset(source, 0, sizeof(*source));
	source->path = path;
	source->base_name = x_strdup(strcmp(path, "-") == 0 ? "stdin" : file_name(path));
	source->input = input_open(path);
	set_fingerprint(source, options);
	open_decoder(source, options);
	source->reader = csv_open(',', quote, decoder_more, source->decoder);
	source->delimiter = options->delimiter;
	if (!source->delimiter)
	{
		size_t		length;
		const char *text = csv_look_ahead(source->reader, SNIFF_BYTES, &length);

		source->delimiter = find_delimiter(text, length, quote);
	}
	csv_set_delimiter(source->reader, source->delimiter);

	any = csv_next(source->reader);
	if (!any && !options->no_header)
		die(EXIT_FILE, "\"%s\" is empty", path);
	if (options->columns)
	{
		const char *name = options->columns;

		for (;;)
		{
			size_t		length = strcspn(name, ",");

			add_column(source, name, length);
			if (!name[length])
				break;
			name += length + 1;
		}
	}
	else
	{
		read_header(source);
		name_columns(source, options->quiet);
	}
	source->pending = any && options->no_header;
}

/*
 * source_next goes to the next row.
 */
bool
source_next(Source *source)
{
	if (source->pending)
	{
		source->pending = false;
		return true;
	}
	return csv_next(source->reader);
}

/*
 * source_close gives everything back.
 */
void
source_close(Source *source)
{
	int			i;

	for (i = 0; i < source->n_columns; i++)
		free(source->columns[i]);
	free(source->columns);
	csv_close(source->reader);
	decoder_close(source->decoder);
	input_close(source->input);
	free(source->fingerprint);
	free(source->base_name);
	memset(source, 0, sizeof(*source));
}
