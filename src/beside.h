/*-------------------------------------------------------------------------
 *
 * beside.h
 *	  Jobs over plain memory, by the backend and a thread beside it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_BESIDE_H
#define HGRAPH_BESIDE_H

#include "miscadmin.h"

/* Who runs a job: 0 is the backend itself. */
#define HG_RUNNERS	2

/* To start a thread takes as long as some work on so many nodes. */
#ifndef HG_WORTH_A_THREAD
#define HG_WORTH_A_THREAD	65536
#endif

typedef struct HgRunner
{
	int			number;
	const bool *stop;			/* has the backend given up? */
} HgRunner;

/*
 * A job calls nothing of PostgreSQL's but, now and then, hg_runner_go_on; when
 * that says no, it returns.
 */
typedef void (*HgJob) (void *arg, int job, const HgRunner *runner);

/*
 * hg_runner_go_on looks for interrupts where they can be dealt with, and tells
 * the others whether to go on.
 */
static inline bool
hg_runner_go_on(const HgRunner *runner)
{
	if (runner->number == 0)
	{
		CHECK_FOR_INTERRUPTS();
		return true;
	}
	return !__atomic_load_n(runner->stop, __ATOMIC_RELAXED);
}

/*
 * Runs jobs 0 .. njobs - 1, which do not need each other's results, those that
 * take long first.  All are done when it returns.  beside: with a thread.
 */
extern void hg_run_jobs(HgJob job, void *arg, int njobs, bool beside);
/* The same, and "own", which the backend does first, and which may do anything. */
extern void hg_run_with(void (*own) (void *arg), HgJob job, void *arg,
						int njobs, bool beside);
/* Is this the backend's own thread? */
extern bool hg_is_backend(void);

#endif							/* HGRAPH_BESIDE_H */
