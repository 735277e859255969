/*-------------------------------------------------------------------------
 *
 * beside.c
 *	  Jobs over plain memory, by the backend and a thread beside it.
 *
 * The final step of a parallel rollup runs in the leader alone: its workers
 * have nothing left to do, and the processors that the query was given stand
 * idle.  To hand the step to another process would mean to have the graph and
 * all totals in shared memory.  So a thread helps for a moment.
 *
 * PostgreSQL's code is not made for threads, hence the rules:
 *
 *	- A job reads and writes memory that was allocated before, and no two jobs
 *	  of a run write the same.  It allocates nothing, raises no errors, and
 *	  calls no function of PostgreSQL's; where the backend would look for
 *	  interrupts, the thread looks whether the backend has given up.
 *	- The thread has all signals blocked, so that handlers run in the backend's
 *	  own thread as ever.
 *	- It does not outlive the call.  However that ends, with an error or the
 *	  end of the backend, the thread is waited for first: before memory goes,
 *	  shared memory included.
 *	- To start it orders the backend's writes before its reads, to wait for it
 *	  the other way round; who takes which job is settled by one counter.
 *
 * Only where workers took part in the query: the thread is the successor of
 * theirs, and max_parallel_workers_per_gather = 0 means none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifndef WIN32
#include <pthread.h>
#include <signal.h>
#endif

#include "beside.h"
#include "storage/ipc.h"

/* Jobs keep some thousands of values at a time in local variables. */
#define STACK_SIZE	((size_t) 1024 * 1024)

/* The backend's own thread, while there is another one. */
static bool threads = false;
#ifndef WIN32
static pthread_t backend;
#endif

typedef struct Run
{
	HgJob		job;
	void	   *arg;
	int			njobs;
	int			next;			/* job to be taken next */
	bool		stop;
	bool		started;		/* is there a thread to be waited for? */
#ifndef WIN32
	pthread_t	thread;
#endif
} Run;

/*
 * take_jobs runs jobs until none is left.
 */
static void
take_jobs(Run *run, int number)
{
	HgRunner	runner = {number, &run->stop};
	int			job;

	while ((job = __atomic_fetch_add(&run->next, 1, __ATOMIC_RELAXED)) < run->njobs)
	{
		if (!hg_runner_go_on(&runner))
			return;
		run->job(run->arg, job, &runner);
	}
}

#ifndef WIN32

/*
 * be_beside is what the thread runs.
 */
static void *
be_beside(void *arg)
{
	take_jobs(arg, 1);
	return NULL;
}

/*
 * start tries to start the thread.
 */
static void
start(Run *run)
{
	pthread_attr_t attr;
	sigset_t	all;
	sigset_t	old;

	if (pthread_attr_init(&attr) != 0)
		return;
	sigfillset(&all);
	if (pthread_attr_setstacksize(&attr, STACK_SIZE) == 0 &&
		pthread_sigmask(SIG_SETMASK, &all, &old) == 0)
	{
		backend = pthread_self();
		threads = true;
		run->started = pthread_create(&run->thread, &attr, be_beside, run) == 0;
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	pthread_attr_destroy(&attr);
}

/*
 * await waits for the thread.
 */
static void
await(Run *run)
{
	if (run->started)
		pthread_join(run->thread, NULL);
	run->started = false;
	threads = false;
}

/*
 * hg_is_backend tells who is asking.
 */
bool
hg_is_backend(void)
{
	return !threads || pthread_equal(pthread_self(), backend);
}

#else

/*
 * Where there are no such threads, the backend does all by itself.
 */
static void
start(Run *run)
{
}

static void
await(Run *run)
{
}

bool
hg_is_backend(void)
{
	return true;
}

#endif

/*
 * give_up ends a run early, for before_shmem_exit too.
 */
static void
give_up(int code, Datum arg)
{
	Run		   *run = (Run *) DatumGetPointer(arg);

	__atomic_store_n(&run->stop, true, __ATOMIC_RELAXED);
	await(run);
}

/*
 * hg_run_with runs jobs, and what the backend does itself.
 */
void
hg_run_with(void (*own) (void *arg), HgJob job, void *arg, int njobs,
			bool beside)
{
	Run			run = {.job = job,.arg = arg,.njobs = njobs};

	/* A run within another one's: the thread has something to do. */
	if (!beside || threads)
	{
		if (own != NULL)
			own(arg);
		take_jobs(&run, 0);
		return;
	}
	PG_ENSURE_ERROR_CLEANUP(give_up, PointerGetDatum(&run));
	{
		start(&run);
		if (own != NULL)
			own(arg);
		take_jobs(&run, 0);
		await(&run);
	}
	PG_END_ENSURE_ERROR_CLEANUP(give_up, PointerGetDatum(&run));
}

/*
 * hg_run_jobs runs jobs.
 */
void
hg_run_jobs(HgJob job, void *arg, int njobs, bool beside)
{
	hg_run_with(NULL, job, arg, njobs, beside && njobs > 1);
}
