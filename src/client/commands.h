/*-------------------------------------------------------------------------
 *
 * commands.h
 *	  What pg_hierarchy can do.
 *
 * A command gets its own name as argv[0] and what follows it; it returns the
 * exit code of the program.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_COMMANDS_H
#define PG_HIERARCHY_COMMANDS_H

extern int	cmd_load(int argc, char **argv);
extern int	cmd_tree(int argc, char **argv);
extern int	cmd_watch(int argc, char **argv);
extern int	cmd_check(int argc, char **argv);
extern int	cmd_export(int argc, char **argv);

#endif							/* PG_HIERARCHY_COMMANDS_H */
