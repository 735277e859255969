/*-------------------------------------------------------------------------
 *
 * collect_range.c
 *	  Adding accumulators that lie in the order of their keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "beside.h"
#include "miscadmin.h"
#include "rollup/collect_state.h"

/* A job does so many. */
#define JOB_SIZE	HG_WORTH_A_THREAD

/*
 * used_range finds the first and the last accumulator in use.
 */
static void
used_range(const HgCollect *c, uint32 *first, uint32 *last)
{
	*first = 1;
	*last = c->n - 1;
	while (*first < *last && hg_collect_facts(c, *first) == 0)
		(*first)++;
	while (*last > *first && hg_collect_facts(c, *last) == 0)
		(*last)--;
}

/*
 * covers: can all keys from first to last be found directly?
 */
static bool
covers(const HgCollect *c, int64 first, int64 last)
{
	return c->direct && first >= c->base &&
		(uint64) last - (uint64) c->base < c->n - 1;
}

/*
 * merge_any adds accumulators number first to last, whatever they are.
 */
static void
merge_any(HgCollect *c, const HgCollect *from, uint32 first, uint32 last,
		  bool covered)
{
	int64		num[HG_COLLECT_BLOCK];
	uint32		number[HG_COLLECT_BLOCK];
	HgKeys		keys = {.num = num};
	uint64		key_of_0 = (uint64) from->base - 1;

	/* One after the other those in use, as long as they are neighbours. */
	for (uint32 i = first, n; i <= last; i += Max(n, 1))
	{
		const int64 *high = from->high ? from->high + i : NULL;
		const uint8 *flags = from->flags ? from->flags + i : NULL;

		CHECK_FOR_INTERRUPTS();
		for (n = 0; n < HG_COLLECT_BLOCK && i + n <= last &&
			 hg_collect_facts(from, i + n) != 0; n++)
		{
			num[n] = (int64) (key_of_0 + i + n);
			number[n] = (uint32) (key_of_0 + i + n - (uint64) c->base) + 1;
		}
		if (covered)
			hg_collect_add_acc(c, from->kind, number, hg_collect_acc(from, i),
							   high, flags, n);
		else
			hg_collect_add_block(c, from->kind, &keys, 0, hg_collect_acc(from, i),
								 high, flags, n);
	}
}

/* Adding plain accumulators, by jobs that have parts of the range. */
typedef struct MergePlain
{
	HgNarrow   *to;
	const HgNarrow *from;
	int64		shift;			/* from a number there to one here */
	uint32		first;
	uint32		last;
	struct
	{
		uint32		end;		/* what is before that has been added */
		uint32		made;		/* that had no facts before */
	}		   *done;
} MergePlain;

/*
 * job_last is the last accumulator of a job.
 */
static uint32
job_last(const MergePlain *m, uint32 first)
{
	return m->last - first < JOB_SIZE ? m->last : first + JOB_SIZE - 1;
}

/*
 * merge_job does a part.  It ends early at a sum that leaves 64 bits.
 */
static void
merge_job(void *arg, int job, const HgRunner *runner)
{
	const MergePlain *m = arg;
	uint32		i = m->first + (uint32) job * JOB_SIZE;
	uint32		last = job_last(m, i);
	uint32		made = 0;

	for (; i <= last; i++)
	{
		const HgNarrow *from = &m->from[i];
		HgNarrow   *to = &m->to[i + m->shift];
		int64		sum;

		if (from->count == 0)
			continue;
		if (to->count == 0)
		{
			made++;
			*to = *from;
			continue;
		}
		if (unlikely(__builtin_add_overflow(to->sum, from->sum, &sum)))
			break;
		to->sum = sum;
		to->count += from->count;
		to->least = Min(to->least, from->least);
		to->greatest = Max(to->greatest, from->greatest);
	}
	m->done[job].end = i;
	m->done[job].made = made;
}

/*
 * merge_plain adds 64-bit accumulators that are all there is.
 */
static void
merge_plain(HgCollect *c, const HgCollect *from, uint32 first, uint32 last)
{
	int			njobs = (int) ((last - first) / JOB_SIZE + 1);
	MergePlain	m;

	m.to = (HgNarrow *) c->acc;
	m.from = (const HgNarrow *) from->acc;
	m.shift = (int64) ((uint64) from->base - (uint64) c->base);
	m.first = first;
	m.last = last;
	m.done = palloc(njobs * sizeof(*m.done));
	hg_run_jobs(merge_job, &m, njobs, c->from_workers);
	for (int job = 0; job < njobs; job++)
	{
		uint32		job_first = first + (uint32) job * JOB_SIZE;

		c->nused += m.done[job].made;
		if (m.done[job].end <= job_last(&m, job_first))
			merge_any(c, from, m.done[job].end, job_last(&m, job_first), true);
	}
	pfree(m.done);
}

/*
 * hg_collect_merge_range adds accumulators that are found directly.
 */
void
hg_collect_merge_range(HgCollect *c, const HgCollect *from)
{
	uint64		key_of_0 = (uint64) from->base - 1;
	uint32		first;
	uint32		last;
	bool		covered;

	used_range(from, &first, &last);
	covered = covers(c, (int64) (key_of_0 + first), (int64) (key_of_0 + last));
	if (covered && c->kind == HG_ACC_NARROW && from->kind == HG_ACC_NARROW &&
		from->high == NULL && from->flags == NULL)
		merge_plain(c, from, first, last);
	else
		merge_any(c, from, first, last, covered);
}
