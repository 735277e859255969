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

/* Adding accumulators that are all there is, by jobs that have parts of the
 * range. */
typedef struct MergePlain
{
	const HgCollect *from;
	HgCollect  *to;
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
 * add_compact adds COMPACT accumulators from i to last.  Returns where it had
 * to end; *made counts those that had no facts.
 */
static uint32
add_compact(const MergePlain *m, uint32 i, uint32 last, uint32 *made)
{
	const HgCompact *from = (const HgCompact *) m->from->acc;
	HgCompact  *to = (HgCompact *) m->to->acc;

	for (; i <= last; i++)
	{
		HgCompact  *a = &to[i + m->shift];

		if (from[i].packed == 0)
			continue;
		*made += a->packed == 0;
		if (unlikely(!hg_compact_add(a, &from[i])))
			break;
	}
	return i;
}

/*
 * add_narrow does so for NARROW ones.
 */
static uint32
add_narrow(const MergePlain *m, uint32 i, uint32 last, uint32 *made)
{
	const HgNarrow *from = (const HgNarrow *) m->from->acc;
	HgNarrow   *to = (HgNarrow *) m->to->acc;

	for (; i <= last; i++)
	{
		HgNarrow   *a = &to[i + m->shift];
		int64		sum;

		if (from[i].count == 0)
			continue;
		if (a->count == 0)
		{
			(*made)++;
			*a = from[i];
			continue;
		}
		if (unlikely(__builtin_add_overflow(a->sum, from[i].sum, &sum)))
			break;
		a->sum = sum;
		a->count += from[i].count;
		a->least = Min(a->least, from[i].least);
		a->greatest = Max(a->greatest, from[i].greatest);
	}
	return i;
}

/*
 * merge_job does a part.  It ends early at a sum that does not fit.
 */
static void
merge_job(void *arg, int job, const HgRunner *runner)
{
	const MergePlain *m = arg;
	uint32		first = m->first + (uint32) job * JOB_SIZE;
	uint32		last = job_last(m, first);
	uint32		made = 0;

	m->done[job].end = m->from->kind == HG_ACC_COMPACT ?
		add_compact(m, first, last, &made) : add_narrow(m, first, last, &made);
	m->done[job].made = made;
}

/*
 * merge_plain adds accumulators that are all there is.
 */
static void
merge_plain(HgCollect *c, const HgCollect *from, uint32 first, uint32 last)
{
	int			njobs = (int) ((last - first) / JOB_SIZE + 1);
	MergePlain	m = {.from = from,.to = c,.first = first,.last = last};

	m.shift = (int64) ((uint64) from->base - (uint64) c->base);
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
	if (covered && c->kind == from->kind && from->high == NULL && from->flags == NULL &&
		(from->kind == HG_ACC_COMPACT || from->kind == HG_ACC_NARROW))
		merge_plain(c, from, first, last);
	else
		merge_any(c, from, first, last, covered);
}
