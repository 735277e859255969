/*-------------------------------------------------------------------------
 *
 * days.c
 *	  What the relationships of one child add up to, day by day.
 *
 * Nothing changes between the days on which a relationship begins or ends, so
 * these cut all time into spans, and a sweep over them adds what begins and
 * takes away what ends.  Most children have one relationship, or a few that
 * all last for the same time: one span.
 *
 * The ranges of one parent do not overlap (that is a finding of its own), so
 * the number of relationships on a day is the number of parents.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "directory/days.h"
#include "miscadmin.h"

/* A relationship begins or ends. */
typedef struct DayEvent
{
	int32		day;
	int			stay;			/* begins: its number; ends: -1 - that */
} DayEvent;

/* What holds in the span that is being looked at. */
typedef struct DaySums
{
	int			parents;
	int			primaries;
	int			unstated;
	int64		share;
	int		   *kinds;			/* how many of each kind */
} DaySums;

/* The findings of the last span, which may go on. */
typedef struct DayReport
{
	HgFindingFn report;
	void	   *arg;
	HgFinding  *open;
	int			nopen;
	bool		stopped;
} DayReport;

/*
 * compare_stays orders by parent, then by day.
 */
static int
compare_stays(const void *a, const void *b)
{
	const HgStay *x = a;
	const HgStay *y = b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return (x->to > y->to) - (x->to < y->to);
}

/*
 * compare_events orders by day.
 */
static int
compare_events(const void *a, const void *b)
{
	const DayEvent *x = a;
	const DayEvent *y = b;

	return (x->day > y->day) - (x->day < y->day);
}

/*
 * say passes a finding on.
 */
static void
say(DayReport *report, const HgFinding *finding)
{
	if (!report->stopped)
		report->stopped = !report->report(report->arg, finding);
}

/*
 * find_overlaps looks for the same parent twice on a day.  A long stay may
 * overlap several that follow; each is reported with the one that lasts longest
 * of those before it.
 */
static void
find_overlaps(const HgStay *stays, int n, DayReport *report)
{
	int			longest = 0;

	for (int i = 1; i < n && !report->stopped; i++)
	{
		if (stays[i].parent != stays[longest].parent)
			longest = i;
		else
		{
			if (stays[i].from < stays[longest].to)
			{
				HgFinding	finding = {HG_BREACH_OVERLAP};

				finding.from = stays[i].from;
				finding.to = Min(stays[i].to, stays[longest].to);
				finding.count = 2;
				finding.a = longest;
				finding.b = i;
				say(report, &finding);
			}
			if (stays[i].to > stays[longest].to)
				longest = i;
		}
	}
}

/*
 * same_figures: do two findings say the same of different days?
 */
static bool
same_figures(const HgFinding *a, const HgFinding *b)
{
	return a->breach == b->breach && a->kind == b->kind &&
		a->count == b->count && a->share == b->share &&
		a->unstated == b->unstated;
}

/*
 * note adds a finding.
 */
static HgFinding *
note(HgFinding *found, int *n, HgBreach breach, int count)
{
	HgFinding  *f = &found[(*n)++];

	memset(f, 0, sizeof(HgFinding));
	f->breach = breach;
	f->count = count;
	return f;
}

/*
 * judge notes what is wrong in a span; returns how many findings.
 */
static int
judge(const HgDayRules *rules, const DaySums *sums, HgFinding *found)
{
	int			n = 0;
	uint32		wanted = rules->wanted;

	if (sums->parents == 0)
		return 0;
	if ((wanted & HG_BREACH_BIT(HG_BREACH_MAX_PARENTS)) &&
		rules->max_parents > 0 && sums->parents > rules->max_parents)
		note(found, &n, HG_BREACH_MAX_PARENTS, sums->parents);
	if (wanted & HG_BREACH_BIT(HG_BREACH_MAX_KIND))
		for (int kind = 0; kind < rules->nkinds; kind++)
			if (rules->max_kind[kind] > 0 &&
				sums->kinds[kind] > rules->max_kind[kind])
				note(found, &n, HG_BREACH_MAX_KIND, sums->kinds[kind])->kind = kind;
	if ((wanted & HG_BREACH_BIT(HG_BREACH_TWO_PRIMARY)) && sums->primaries > 1)
		note(found, &n, HG_BREACH_TWO_PRIMARY, sums->primaries);
	if ((wanted & HG_BREACH_BIT(HG_BREACH_NO_PRIMARY)) && sums->primaries == 0)
		note(found, &n, HG_BREACH_NO_PRIMARY, sums->parents);
	if ((wanted & HG_BREACH_BIT(HG_BREACH_SHARES)) &&
		(sums->unstated > 0 ||
		 sums->share > HG_SHARE_ONE + HG_SHARE_SLACK ||
		 sums->share < HG_SHARE_ONE - HG_SHARE_SLACK))
	{
		HgFinding  *f = note(found, &n, HG_BREACH_SHARES, sums->parents);

		f->share = sums->share;
		f->unstated = sums->unstated;
	}
	return n;
}

/*
 * close_span compares what is wrong in a span with what was wrong in the one
 * before: what goes on goes on, what is over is reported.
 */
static void
close_span(DayReport *report, HgFinding *found, int n, int32 from, int32 to)
{
	for (int i = 0; i < n; i++)
	{
		found[i].from = from;
		found[i].to = to;
		for (int j = 0; j < report->nopen; j++)
		{
			if (report->open[j].to == from &&
				same_figures(&report->open[j], &found[i]))
			{
				found[i].from = report->open[j].from;
				report->open[j].count = -1; /* taken over */
				break;
			}
		}
	}
	for (int j = 0; j < report->nopen; j++)
		if (report->open[j].count >= 0)
			say(report, &report->open[j]);
	memcpy(report->open, found, sizeof(HgFinding) * n);
	report->nopen = n;
}

/*
 * add_stay adds a relationship to the sums, or takes it away.
 */
static void
add_stay(DaySums *sums, const HgStay *stay, int sign)
{
	sums->parents += sign;
	if (stay->primary)
		sums->primaries += sign;
	if (stay->share == HG_SHARE_UNSTATED)
		sums->unstated += sign;
	else
		sums->share += sign * stay->share;
	if (sums->kinds != NULL)
		sums->kinds[stay->kind] += sign;
}

/*
 * one_span: do all stays last for the same time?
 */
static bool
one_span(const HgStay *stays, int n)
{
	for (int i = 1; i < n; i++)
		if (stays[i].from != stays[0].from || stays[i].to != stays[0].to)
			return false;
	return true;
}

/*
 * sweep goes through the spans.
 */
static void
sweep(const HgStay *stays, int n, const HgDayRules *rules, DaySums *sums,
	  HgFinding *found, DayReport *report)
{
	Size		nevents = 0;
	DayEvent   *events = palloc_extended(sizeof(DayEvent) * 2 * n, MCXT_ALLOC_HUGE);

	for (int i = 0; i < n; i++)
	{
		events[nevents++] = (DayEvent) {stays[i].from, i};
		events[nevents++] = (DayEvent) {stays[i].to, -1 - i};
	}
	qsort(events, nevents, sizeof(DayEvent), compare_events);
	for (Size i = 0; i < nevents && !report->stopped;)
	{
		int32		day = events[i].day;

		for (; i < nevents && events[i].day == day; i++)
		{
			if (events[i].stay >= 0)
				add_stay(sums, &stays[events[i].stay], 1);
			else
				add_stay(sums, &stays[-1 - events[i].stay], -1);
		}
		if (i < nevents)
			close_span(report, found, judge(rules, sums, found),
					   day, events[i].day);
		CHECK_FOR_INTERRUPTS();
	}
	pfree(events);
}

/*
 * hg_days_sweep reports what is wrong.
 */
void
hg_days_sweep(HgStay *stays, int n, const HgDayRules *rules,
			  HgFindingFn report_fn, void *arg)
{
	bool		by_kind = (rules->wanted & HG_BREACH_BIT(HG_BREACH_MAX_KIND)) != 0;
	HgFinding	few_found[8];
	HgFinding	few_open[8];
	HgFinding  *found = few_found;
	DayReport	report = {report_fn, arg, few_open, 0, false};
	DaySums		sums = {0};

	if (n == 0)
		return;
	if (n > 1)
		qsort(stays, n, sizeof(HgStay), compare_stays);
	if (n > 1 && (rules->wanted & HG_BREACH_BIT(HG_BREACH_OVERLAP)))
		find_overlaps(stays, n, &report);

	if (by_kind)
	{
		sums.kinds = palloc0(sizeof(int) * rules->nkinds);
		found = palloc(sizeof(HgFinding) * (rules->nkinds + 8));
		report.open = palloc(sizeof(HgFinding) * (rules->nkinds + 8));
	}
	if (one_span(stays, n))
	{
		for (int i = 0; i < n; i++)
			add_stay(&sums, &stays[i], 1);
		close_span(&report, found, judge(rules, &sums, found),
				   stays[0].from, stays[0].to);
	}
	else
		sweep(stays, n, rules, &sums, found, &report);
	close_span(&report, found, 0, HG_DAY_LAST, HG_DAY_LAST);
	if (by_kind)
	{
		pfree(sums.kinds);
		pfree(found);
		pfree(report.open);
	}
}
