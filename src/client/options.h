/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Options that all commands have: those of the connection, as psql's.
 *
 * A command puts CONNECT_LONG_OPTIONS into its table for getopt_long and
 * CONNECT_SHORT_OPTIONS into its short ones, gives its own long options codes
 * from OPT_OWN on, and hands what it does not know to common_option().
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_OPTIONS_H
#define PG_HIERARCHY_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

#include "connect.h"

enum
{
	OPT_HELP = 256,
	OPT_OWN = 1000
};

#define CONNECT_SHORT_OPTIONS "h:p:U:d:wW"
#define CONNECT_LONG_OPTIONS \
	{"host", required_argument, NULL, 'h'}, \
	{"port", required_argument, NULL, 'p'}, \
	{"username", required_argument, NULL, 'U'}, \
	{"dbname", required_argument, NULL, 'd'}, \
	{"no-password", no_argument, NULL, 'w'}, \
	{"password", no_argument, NULL, 'W'}, \
	{"help", no_argument, NULL, OPT_HELP}

/*
 * Takes an option of the connection. On --help prints the command's help,
 * followed by that on the connection, and ends the program; on anything else
 * it is a usage error (getopt_long has said which).
 */
extern void common_option(ConnectOptions *connection, int option,
						  const char *argument, const char *help);

/* "error: ..." if format is not NULL, how to get help, and the end. */
extern void usage_error(const char *format,...)
			__attribute__((format(printf, 1, 2), noreturn));

/* The command that runs, for usage_error(); set by main(). */
extern const char *command_name;

#endif							/* PG_HIERARCHY_OPTIONS_H */
