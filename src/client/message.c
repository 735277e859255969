/*-------------------------------------------------------------------------
 *
 * message.c
 *	  What the user is told on stderr, and how the program ends.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "message.h"
#include "term.h"

void		(*before_message) (void) = NULL;

/*
 * say writes one message of a kind.  What the server says may quote strangers, so
 * it is cleaned like any text for a terminal; newlines, which the messages of
 * libpq have, stay, but for those at the end.
 */
static void __attribute__((format(printf, 2, 0)))
say(const char *kind, const char *format, va_list args)
{
	char	   *text;
	char	   *line;
	char	   *rest;
	size_t		length;
	Buffer		b = {0};

	if (vasprintf(&text, format, args) < 0)
		text = strdup("out of memory");
	length = strlen(text);
	while (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	buffer_printf(&b, "pg_hierarchy: %s: ", kind);
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;)
	{
		add_clean(&b, line);
		if (rest)
			buffer_char(&b, '\n');
	}
	if (before_message)
		before_message();
	fflush(stdout);
	fprintf(stderr, "%s\n", b.data);
	buffer_free(&b);
	free(text);
}

/*
 * error_message says what went wrong.
 */
void
error_message(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	say("error", format, args);
	va_end(args);
}

/*
 * error_detail adds facts.
 */
void
error_detail(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	say("detail", format, args);
	va_end(args);
}

/*
 * error_hint adds what to do.
 */
void
error_hint(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	say("hint", format, args);
	va_end(args);
}

/*
 * warning_message says what may be wrong.
 */
void
warning_message(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	say("warning", format, args);
	va_end(args);
}

/*
 * note_message says what the user may want to know.
 */
void
note_message(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	say("note", format, args);
	va_end(args);
}

/*
 * die says what went wrong and ends the program.
 */
void
die(ExitCode code, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	say("error", format, args);
	va_end(args);
	exit(code);
}

/*
 * finish ends the program; what could not be written is an error of its own.
 */
void
finish(ExitCode code)
{
	if (output_error == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		output_error = errno ? errno : EIO;
	/* head has seen enough */
	if (output_error != 0 && output_error != EPIPE)
		die(EXIT_FILE, "could not write the output: %s", strerror(output_error));
	exit(code);
}
