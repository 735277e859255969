/*-------------------------------------------------------------------------
 *
 * rules.h
 *	  The rules that relationships keep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_RULES_H
#define HIERARCHY_RULES_H

#include "directory/directory.h"
#include "utils/tuplestore.h"

/* A broken rule, in words. */
typedef struct HgProblem
{
	const char *constraint;
	int			sqlstate;
	int64		child;
	bool		no_child;		/* it is about no child */
	char	   *message;
	char	   *detail;			/* or NULL */
	char	   *hint;			/* or NULL */
} HgProblem;

typedef void (*HgProblemFn) (void *arg, const HgProblem *problem);

/* A check under way. */
typedef struct HgCheck
{
	HgDirectory *dir;
	HgHierarchy *hierarchy;
	bool		postpone;		/* leave what may wait to the end of the
								 * transaction */
	HgProblemFn tell;			/* NULL: the first problem is an error */
	void	   *arg;
} HgCheck;

/* Rules that may be broken until the end of the transaction. */
#define HG_BREACHES_LATE \
	(HG_BREACH_BIT(HG_BREACH_NO_PRIMARY) | HG_BREACH_BIT(HG_BREACH_SHARES))
#define HG_BREACHES_ALL \
	(HG_BREACH_BIT(HG_BREACH_OVERLAP) | HG_BREACH_BIT(HG_BREACH_MAX_PARENTS) | \
	 HG_BREACH_BIT(HG_BREACH_MAX_KIND) | HG_BREACH_BIT(HG_BREACH_TWO_PRIMARY) | \
	 HG_BREACHES_LATE)

/* rules_check.c */
/* The row by itself and its ends, which must have been loaded. */
extern void hg_check_row(HgCheck *check, const HgRow *row);
/* Only what its ends are. */
extern void hg_check_types(HgCheck *check, const HgRow *row);
/* Day by day, what some of the HG_BREACH_BIT()s say of children. */
extern void hg_check_children(HgCheck *check, const int64 *ids, int64 n,
							  uint32 wanted);
/* Children with their rows: both. */
extern void hg_check_all(HgCheck *check, HgChildren *children);
/* The partition from one end to the other. */
extern void hg_check_hierarchy(HgCheck *check);
/* The settings of a hierarchy, which must be there with its partition. */
extern HgHierarchy *hg_rules_hierarchy(HgDirectory *dir, int32 id, Relation partition);

/* rules_settings.c: is the graph there, and does the hierarchy name it? */
extern void hg_check_own_graph(HgCheck *check);

/* rules_text.c */
extern void hg_report_missing(HgCheck *check, const HgRow *row, bool parent);
extern void hg_report_inactive(HgCheck *check, const HgRow *row, int64 id);
extern void hg_report_type_rule(HgCheck *check, const HgRow *row);
extern void hg_report_type(HgCheck *check, const HgRow *row, bool unknown);
extern void hg_report_validity(HgCheck *check, const HgRow *row);
extern void hg_report_share_mode(HgCheck *check, const HgRow *row);
extern void hg_report_finding(HgCheck *check, int64 child, const HgStay *stays,
							  int n, const HgFinding *finding, int max);
/* One problem, told or raised. */
extern void hg_report(HgCheck *check, const HgProblem *problem);
/* "From 2026-01-01 on" and the like */
extern char *hg_days_text(int32 from, int32 to);

/* rules.c */
extern int64 hg_batch_rows(void);
/* A trigger function was called as it must be: after a statement, or after truncation. */
extern struct TriggerData *hg_rules_called(struct FunctionCallInfoBaseData *fcinfo,
										   bool row);
extern void hg_rewind(Tuplestorestate *store);

/* deferred.c */
extern void hg_deferred_init(void);
/* Remembers rules (HG_BREACHES_LATE) that a child breaks at this moment. */
extern void hg_deferred_note(Oid schema, int32 hierarchy, int64 child, uint32 breaches);
/* Every statement on relationships, or on hierarchies, ends with this. */
extern void hg_deferred_statement_ends(void);

#endif							/* HIERARCHY_RULES_H */
