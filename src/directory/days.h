/*-------------------------------------------------------------------------
 *
 * days.h
 *	  What the relationships of one child add up to, day by day.
 *
 * Knows of no table and raises no error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_DAYS_H
#define HIERARCHY_DAYS_H

/* Days are dates; no bound is DATEVAL_NOBEGIN or DATEVAL_NOEND. */
#define HG_DAY_FIRST	PG_INT32_MIN
#define HG_DAY_LAST		PG_INT32_MAX

/* Shares are counted in millionths of a millionth. */
#define HG_SHARE_PLACES		12
#define HG_SHARE_ONE		INT64CONST(1000000000000)
#define HG_SHARE_SLACK		INT64CONST(1000000)
#define HG_SHARE_UNSTATED	INT64CONST(-1)

/* One relationship of the child. */
typedef struct HgStay
{
	int64		parent;
	int64		share;			/* or HG_SHARE_UNSTATED */
	int32		from;			/* first day */
	int32		to;				/* first day no longer; later than from */
	int16		kind;			/* of the parent, 0 .. nkinds - 1 */
	bool		primary;
} HgStay;

typedef enum HgBreach
{
	HG_BREACH_OVERLAP,			/* the same parent twice on a day */
	HG_BREACH_MAX_PARENTS,
	HG_BREACH_MAX_KIND,			/* too many parents of a kind */
	HG_BREACH_TWO_PRIMARY,
	HG_BREACH_NO_PRIMARY,
	HG_BREACH_SHARES			/* do not sum to 1, or one is unstated */
} HgBreach;

#define HG_BREACH_BIT(b)	(1 << (b))

/* What is asked. */
typedef struct HgDayRules
{
	uint32		wanted;			/* HG_BREACH_BIT()s */
	int			max_parents;	/* 0: any number */
	int			nkinds;
	const int  *max_kind;		/* by kind; 0: any number */
} HgDayRules;

/* What is wrong from one day to another. */
typedef struct HgFinding
{
	HgBreach	breach;
	int32		from;
	int32		to;
	int			count;			/* parents, of the kind or at all; primaries */
	int			kind;			/* HG_BREACH_MAX_KIND */
	int64		share;			/* HG_BREACH_SHARES: sum of what is stated */
	int			unstated;		/* HG_BREACH_SHARES: how many are not */
	int			a,
				b;				/* HG_BREACH_OVERLAP: the two stays */
} HgFinding;

/* Called for each finding; false ends the sweep. */
typedef bool (*HgFindingFn) (void *arg, const HgFinding *finding);

/*
 * Sorts the stays by parent and day, and sweeps over them.  Neighbouring
 * findings that differ in the days only are reported as one.
 */
extern void hg_days_sweep(HgStay *stays, int n, const HgDayRules *rules,
						  HgFindingFn report, void *arg);

#endif							/* HIERARCHY_DAYS_H */
