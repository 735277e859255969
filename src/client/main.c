/*-------------------------------------------------------------------------
 *
 * main.c
 *	  pg_hierarchy: lists into a directory of hierarchies, and out of it.
 *
 *-------------------------------------------------------------------------
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "memory.h"
#include "message.h"
#include "options.h"
#include "term.h"

typedef struct Command
{
	const char *name;
	int			(*run) (int argc, char **argv);
	const char *summary;
} Command;

static const Command commands[] = {
	{"load", cmd_load, "load lists of entities and relationships from files"},
	{"tree", cmd_tree, "draw a hierarchy as a tree"},
	{"watch", cmd_watch, "show changes as they happen"},
	{"check", cmd_check, "look after the installation and its graphs"},
	{"export", cmd_export, "write a hierarchy as CSV, JSON, DOT, Mermaid or GraphML"},
};

#define N_COMMANDS ((int) (sizeof(commands) / sizeof(commands[0])))

/*
 * show_help lists the commands.
 */
static void
show_help(void)
{
	int			i;

	fputs("pg_hierarchy is the command line of the PostgreSQL extension hierarchy.\n"
		  "\n"
		  "Usage:\n"
		  "  pg_hierarchy COMMAND [OPTIONS]\n"
		  "\n"
		  "Commands:\n", stdout);
	for (i = 0; i < N_COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\n"
		  "\"pg_hierarchy COMMAND --help\" tells all about a command.  Options of the\n"
		  "connection are those of psql (-h, -p, -U, -d, -w, -W), and so is the environment.\n"
		  "\n"
		  "  --help       show this help\n"
		  "  --version    show the version\n", stdout);
}

/*
 * main finds the command and runs it.
 */
int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "--help";
	int			i;

	setlocale(LC_CTYPE, "");
	prepare_stdout();
	if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0)
	{
		show_help();
		finish(argc > 1 ? EXIT_OK : EXIT_USAGE);
	}
	if (strcmp(name, "--version") == 0)
	{
		puts("pg_hierarchy " HIERARCHY_VERSION);
		finish(EXIT_OK);
	}
	for (i = 0; i < N_COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
		{
			command_name = commands[i].name;
			argv[1] = x_sprintf("pg_hierarchy %s", name);
			finish(commands[i].run(argc - 1, argv + 1));
		}
	usage_error("there is no command \"%s\"", name);
}
