/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  A line on the terminal that says how far we are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_HIERARCHY_PROGRESS_H
#define PG_HIERARCHY_PROGRESS_H

#include <stdbool.h>

/* Shows anything only if stderr is a terminal, and not if quiet. */
extern void progress_begin(const char *label, bool quiet);
extern bool progress_is_shown(void);

/* Begins to measure a rate anew. */
extern void progress_phase(const char *phase);

/* done of total in any unit (total <= 0: not known), and how many rows. */
extern void progress_step(long long done, long long total, long long rows);

/* Takes the line away. */
extern void progress_end(void);

/* Seconds, for measuring. */
extern double seconds_now(void);

#endif							/* PG_HIERARCHY_PROGRESS_H */
