/*-------------------------------------------------------------------------
 *
 * term.c
 *	  Text for a terminal: how wide it is, what may be shown, and writing it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE				/* wcwidth */
#endif
#include <errno.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "message.h"
#include "term.h"

/* Widths above this are a mistake of somebody's. */
#define MAX_WIDTH	10000

/*
 * terminal_width asks the environment, then the terminal.
 */
int
terminal_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns)
	{
		char	   *end;
		long		n = strtol(columns, &end, 10);

		if (n > 0 && n <= MAX_WIDTH && *end == '\0')
			return (int) n;
	}
	if (isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 0;
}

/*
 * terminal_colours follows no-color.org.
 */
const Colours *
terminal_colours(int fd)
{
	static const Colours none = {"", "", "", "", "", "", ""};
	static const Colours ansi = {
		"\033[2m", "\033[1m", "\033[36m", "\033[33m", "\033[32m", "\033[31m",
	"\033[0m"};
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if ((no && *no) || !term || !*term || strcmp(term, "dumb") == 0 || !isatty(fd))
		return &none;
	return &ansi;
}

/*
 * locale_is_utf8 asks the locale that main() has set.
 */
bool
locale_is_utf8(void)
{
	const char *codeset = nl_langinfo(CODESET);

	return strcmp(codeset, "UTF-8") == 0 || strcmp(codeset, "utf8") == 0;
}

/*
 * next_character decodes one.
 */
unsigned int
next_character(const char **at)
{
	static const unsigned int least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *) *at;
	unsigned int c = s[0];
	int			length;
	int			i;

	(*at)++;
	if (c < 0x80)
		return c;
	length = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
	if (length == 0 || c >= 0xf8)
		return BAD_BYTE + s[0];
	c &= 0x7fu >> length;
	for (i = 1; i < length; i++)
	{
		if ((s[i] & 0xc0) != 0x80)
			return BAD_BYTE + s[0];
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return BAD_BYTE + s[0];
	*at += length - 1;
	return c;
}

/*
 * is_control knows C0 and C1, line separators, and what turns the direction of
 * all text that follows.
 */
bool
is_control(unsigned int c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
		(c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
		c >= BAD_BYTE;
}

/*
 * write_out_control spells a character that must not be shown; returns the
 * columns.
 */
static int
write_out_control(char *to, unsigned int c)
{
	switch (c)
	{
		case '\n':
			return sprintf(to, "\\n");
		case '\r':
			return sprintf(to, "\\r");
		case '\t':
			return sprintf(to, "\\t");
		default:
			if (c >= BAD_BYTE)
				c -= BAD_BYTE;
			return sprintf(to, c < 0x80 ? "\\x%02x" : "\\u%04x", c);
	}
}

/*
 * character_width is wcwidth() in a UTF-8 locale, whatever the user's is.
 */
static int
character_width(unsigned int c)
{
	static locale_t utf8 = (locale_t) 0;
	static bool tried = false;
	locale_t	before;
	int			width;

	if (c < 0x80)
		return 1;
	if (!tried)
	{
		tried = true;
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
		if (!utf8)
			utf8 = newlocale(LC_CTYPE_MASK, "en_US.UTF-8", (locale_t) 0);
	}
	if (!utf8)
		return 1;
	before = uselocale(utf8);
	width = wcwidth((wchar_t) c);
	uselocale(before);
	return width < 0 ? 1 : width;
}

/*
 * text_width counts columns, control characters as they are written out.
 */
int
text_width(const char *text)
{
	int			width = 0;
	char		spelled[16];

	while (*text)
	{
		unsigned int c = next_character(&text);

		width += is_control(c) ? write_out_control(spelled, c) : character_width(c);
	}
	return width;
}

/*
 * add_fitting appends what fits.
 */
int
add_fitting(Buffer *b, const char *text, int width, bool ascii)
{
	const char *ellipsis = ascii ? "..." : "\xe2\x80\xa6";
	int			dots = ascii ? 3 : 1;
	int			used = 0;
	size_t		cut_at = b->length; /* where an ellipsis still fits */
	int			cut_used = 0;

	if (width <= 0)
		return 0;
	while (*text)
	{
		const char *start = text;
		unsigned int c = next_character(&text);
		char		spelled[16];
		int			w = is_control(c) ? write_out_control(spelled, c) : character_width(c);

		if (used + w > width)
		{
			b->length = cut_at;
			b->data[cut_at] = '\0';
			if (dots > width)
				dots = width;
			buffer_add(b, ellipsis, ascii ? (size_t) dots : strlen(ellipsis));
			return cut_used + dots;
		}
		if (is_control(c))
			buffer_text(b, spelled);
		else
			buffer_add(b, start, text - start);
		used += w;
		if (used <= width - dots)
		{
			cut_at = b->length;
			cut_used = used;
		}
	}
	return used;
}

/*
 * add_clean appends all of a text.
 */
void
add_clean(Buffer *b, const char *text)
{
	buffer_reserve(b, strlen(text));
	while (*text)
	{
		const char *start = text;
		unsigned int c = next_character(&text);
		char		spelled[16];

		if (is_control(c))
			buffer_add(b, spelled, write_out_control(spelled, c));
		else
			buffer_add(b, start, text - start);
	}
}

/*
 * add_json appends a JSON text. The server has escaped control characters below
 * the space; others can only be inside of strings.
 */
void
add_json(Buffer *b, const char *json)
{
	while (*json)
	{
		const char *start = json;
		unsigned int c = next_character(&json);

		if (is_control(c) && c < BAD_BYTE)
			buffer_printf(b, "\\u%04x", c);
		else
			buffer_add(b, start, json - start);
	}
}

/*
 * add_number groups the digits before the point; what is no plain decimal
 * number stays as it is.
 */
void
add_number(Buffer *b, const char *number)
{
	const char *digits = number + (*number == '-');
	size_t		whole = strspn(digits, "0123456789");
	size_t		i;

	if (digits[whole] == '.')
	{
		if (digits[whole + 1 + strspn(digits + whole + 1, "0123456789")] != '\0')
			whole = 0;
	}
	else if (digits[whole] != '\0')
		whole = 0;
	if (digits > number)
		buffer_char(b, '-');
	for (i = 0; i < whole; i++)
	{
		if (i > 0 && (whole - i) % 3 == 0)
			buffer_char(b, ',');
		buffer_char(b, digits[i]);
	}
	add_clean(b, digits + whole);
}

/*
 * prepare_stdout makes a closed pipe an error of write() instead of a signal.
 */
void
prepare_stdout(void)
{
	signal(SIGPIPE, SIG_IGN);
}

/* See term.h. */
bool		output_may_fail = false;
int			output_error = 0;

/*
 * output_failed ends the program, unless it has more to do than to tell.
 */
static void
output_failed(FILE *file, const char *name)
{
	int			error = errno;

	/* there is nobody left to tell */
	if (file == stderr)
		return;
	if (file == stdout && output_may_fail)
	{
		output_error = error;
		return;
	}
	/* head has seen enough */
	if (file == stdout && error == EPIPE)
		_exit(EXIT_OK);
	if (name)
		die(EXIT_FILE, "could not write file \"%s\": %s", name, strerror(error));
	die(EXIT_FILE, "could not write the output: %s", strerror(error));
}

/*
 * write_bytes writes them as they are. name is that of the file, NULL for
 * stdout.
 */
void
write_bytes(FILE *file, const char *name, const char *data, size_t length)
{
	if (file == stdout && output_error != 0)
		return;
	if (length > 0 && fwrite(data, 1, length, file) != length)
		output_failed(file, name);
}

/*
 * flush_file makes sure that all has gone out.
 */
void
flush_file(FILE *file, const char *name)
{
	if (file == stdout && output_error != 0)
		return;
	if (fflush(file) != 0 || ferror(file))
		output_failed(file, name);
}

/*
 * open_charset finds a converter to the locale's charset; (iconv_t) -1 if none
 * is needed. Where the locale is C, a terminal most likely is UTF-8.
 */
static iconv_t
open_charset(void)
{
	const char *codeset = nl_langinfo(CODESET);

	if (locale_is_utf8() || strstr(codeset, "ASCII") || strncmp(codeset, "ANSI_X3.4", 9) == 0 ||
		strcmp(codeset, "646") == 0)
		return (iconv_t) -1;
	return iconv_open(codeset, "UTF-8");
}

/*
 * write_text_to writes to stdout or stderr for people.
 */
void
write_text_to(FILE *file, const Buffer *b)
{
	static iconv_t charset = (iconv_t) -1;
	static bool tried = false;
	const char *at = b->data;

	if (!tried)
	{
		tried = true;
		charset = open_charset();
	}
	if (b->length == 0)
		return;
	if (charset == (iconv_t) -1)
	{
		write_bytes(file, NULL, b->data, b->length);
		return;
	}
	while (*at)
	{
		const char *start = at;
		char		out[16];
		char	   *in = (char *) start;
		char	   *to = out;
		size_t		left;
		size_t		room = sizeof(out);

		next_character(&at);
		left = at - start;
		if (left == 1)
			write_bytes(file, NULL, start, 1);
		else if (iconv(charset, &in, &left, &to, &room) == (size_t) -1)
		{
			iconv(charset, NULL, NULL, NULL, NULL);
			write_bytes(file, NULL, "?", 1);
		}
		else
			write_bytes(file, NULL, out, sizeof(out) - room);
	}
}

/*
 * write_text writes to stdout for people.
 */
void
write_text(const Buffer *b)
{
	write_text_to(stdout, b);
}
