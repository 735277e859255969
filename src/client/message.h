/*-------------------------------------------------------------------------
 *
 * message.h
 *	  What the user is told on stderr, and how the program ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_MESSAGE_H
#define PG_HIERARCHY_MESSAGE_H

#include <stdbool.h>

/* Exit codes; doc/client.md lists them. */
typedef enum ExitCode
{
	EXIT_OK = 0,
	EXIT_FOUND = 1,				/* problems found, or too many rows rejected */
	EXIT_USAGE = 2,				/* the command line is wrong */
	EXIT_CONNECTION = 3,		/* no connection, or lost for good */
	EXIT_SERVER = 4,			/* the server refused something */
	EXIT_FILE = 5,				/* a file cannot be read or written */
	EXIT_INTERRUPTED = 130		/* Ctrl-C */
} ExitCode;

/*
 * Called before anything is written to stderr, to take a progress bar out of
 * the way; NULL: nobody.
 */
extern void (*before_message) (void);

/* "pg_hierarchy: error: ...", and likewise; no newline at the end. */
extern void error_message(const char *format,...) __attribute__((format(printf, 1, 2)));
extern void error_detail(const char *format,...) __attribute__((format(printf, 1, 2)));
extern void error_hint(const char *format,...) __attribute__((format(printf, 1, 2)));
extern void warning_message(const char *format,...) __attribute__((format(printf, 1, 2)));
extern void note_message(const char *format,...) __attribute__((format(printf, 1, 2)));

/* An error that ends the program. */
extern void die(ExitCode code, const char *format,...)
			__attribute__((format(printf, 2, 3), noreturn));

/* Ends the program, with an error if stdout could not be written. */
extern void finish(ExitCode code) __attribute__((noreturn));

#endif							/* PG_HIERARCHY_MESSAGE_H */
