/*-------------------------------------------------------------------------
 *
 * rules_text.c
 *	  Broken rules in words.
 *
 * Messages call entities by type and code, and details list the parents with
 * their figures.  Where the caller must not see all entities and relationships
 * (row-level security, or no right to read them), a message has nothing but the
 * numbers of the row that he wrote himself, and there is no detail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "directory/rules.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"

/* A detail lists at most so many parents. */
#define LISTED	10

/*
 * hg_report raises a problem, or tells of it.
 */
void
hg_report(HgCheck *check, const HgProblem *problem)
{
	Relation	rel = check->hierarchy != NULL ? check->hierarchy->partition : NULL;

	if (check->tell != NULL)
	{
		check->tell(check->arg, problem);
		return;
	}
	if (rel == NULL)
		rel = hg_directory_table(check->dir, HG_RELATIONSHIP);
	ereport(ERROR,
			(errcode(problem->sqlstate),
			 errmsg_internal("%s", problem->message),
			 problem->detail != NULL ? errdetail_internal("%s", problem->detail) : 0,
			 problem->hint != NULL ? errhint("%s", problem->hint) : 0,
			 errtableconstraint(rel, problem->constraint)));
}

/*
 * day_text writes a date.
 */
static char *
day_text(int32 day)
{
	struct pg_tm tm;
	char		buf[MAXDATELEN + 1];

	j2date(day + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	EncodeDateOnly(&tm, USE_ISO_DATES, buf);
	return pstrdup(buf);
}

/*
 * hg_days_text says when; the last day is the last on which it holds.
 */
char *
hg_days_text(int32 from, int32 to)
{
	if (from == HG_DAY_FIRST && to == HG_DAY_LAST)
		return pstrdup("On every day");
	if (to == HG_DAY_LAST)
		return psprintf("From %s on", day_text(from));
	if (from == HG_DAY_FIRST)
		return psprintf("Until %s", day_text(to - 1));
	if (to - 1 == from)
		return psprintf("On %s", day_text(from));
	return psprintf("From %s to %s", day_text(from), day_text(to - 1));
}

/*
 * range_text writes a range of days as daterange does.
 */
static char *
range_text(int32 from, int32 to)
{
	return psprintf("%s%s,%s)", from == HG_DAY_FIRST ? "(" : "[",
					from == HG_DAY_FIRST ? "" : day_text(from),
					to == HG_DAY_LAST ? "" : day_text(to));
}

/*
 * share_text writes a share.
 */
static char *
share_text(int64 share)
{
	char	   *text = psprintf("%lld.%012lld", (long long) (share / HG_SHARE_ONE),
								(long long) (share % HG_SHARE_ONE));
	int			len = strlen(text);

	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	text[len] = '\0';
	return text;
}

/*
 * lower_first makes a phrase fit into a sentence.
 */
static char *
lower_first(char *text)
{
	text[0] = pg_tolower((unsigned char) text[0]);
	return text;
}

/*
 * edge_text names the ends of a row, which the caller wrote.
 */
static char *
edge_text(HgCheck *check, const HgRow *row)
{
	return psprintf("%s under %s in hierarchy \"%s\"",
					hg_entity_label(check->dir, row->child),
					hg_entity_label(check->dir, row->parent),
					check->hierarchy->name);
}

/*
 * hg_report_missing: an end of the row does not exist.
 */
void
hg_report_missing(HgCheck *check, const HgRow *row, bool parent)
{
	HgProblem	problem = {0};

	problem.constraint = parent ? "relationship_parent_id_fkey" : "relationship_child_id_fkey";
	problem.sqlstate = ERRCODE_FOREIGN_KEY_VIOLATION;
	problem.child = row->child;
	problem.message = psprintf("entity " INT64_FORMAT " does not exist",
							   parent ? row->parent : row->child);
	problem.detail = psprintf("A relationship puts %s.", edge_text(check, row));
	problem.hint = "Add the entity first.";
	hg_report(check, &problem);
}

/*
 * hg_report_inactive: an end of the row is not active.
 */
void
hg_report_inactive(HgCheck *check, const HgRow *row, int64 id)
{
	HgProblem	problem = {0};

	problem.constraint = "relationship_active_check";
	problem.sqlstate = ERRCODE_CHECK_VIOLATION;
	problem.child = row->child;
	problem.message = psprintf("%s %s", hg_entity_label(check->dir, id),
							   hg_entity_status(check->dir, id, &problem.hint));
	problem.detail = psprintf("A relationship puts %s %s.", edge_text(check, row),
							  lower_first(hg_days_text(row->from, row->to)));
	hg_report(check, &problem);
}

/*
 * hg_report_type_rule: no rule lets the child stand under the parent.
 */
void
hg_report_type_rule(HgCheck *check, const HgRow *row)
{
	HgDirectory *dir = check->dir;
	HgHierarchy *hierarchy = check->hierarchy;
	HgProblem	problem = {0};

	problem.constraint = "relationship_rule_check";
	problem.sqlstate = ERRCODE_CHECK_VIOLATION;
	problem.child = row->child;
	problem.message = psprintf("%s must not stand under %s in hierarchy \"%s\"",
							   hg_entity_label(dir, row->child),
							   hg_entity_label(dir, row->parent), hierarchy->name);
	if (hg_may_show(dir))
	{
		int			type = hg_entity(dir, row->child)->type;
		StringInfoData list;

		initStringInfo(&list);
		for (int i = 0; i < hierarchy->nrules; i++)
			if (hierarchy->rules[i].child == type)
				appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "",
								 dir->types.name[hierarchy->rules[i].parent]);
		problem.detail = list.len > 0 ?
			psprintf("Its rules let entities of type %s stand under: %s.",
					 dir->types.name[type], list.data) :
			psprintf("Its rules let entities of type %s stand under none.",
					 dir->types.name[type]);
	}
	problem.hint = "Choose another parent, or add a row to relationship_rule.";
	hg_report(check, &problem);
}

/*
 * hg_report_type: the type of the relationship is none, or not one of these.
 */
void
hg_report_type(HgCheck *check, const HgRow *row, bool unknown)
{
	const char *type = check->dir->relationship_types.name[row->type];
	HgHierarchy *hierarchy = check->hierarchy;
	HgProblem	problem = {0};

	problem.child = row->child;
	problem.detail = psprintf("A relationship of this type puts %s.", edge_text(check, row));
	if (unknown)
	{
		problem.constraint = "relationship_relationship_type_fkey";
		problem.sqlstate = ERRCODE_FOREIGN_KEY_VIOLATION;
		problem.message = psprintf("relationship type \"%s\" does not exist", type);
		problem.hint = "Add a row to relationship_type first.";
	}
	else
	{
		StringInfoData list;

		initStringInfo(&list);
		for (int i = 0; i < hierarchy->ntypes; i++)
			appendStringInfo(&list, "%s\"%s\"", i > 0 ? ", " : "", hierarchy->types[i]);
		problem.constraint = "relationship_type_check";
		problem.sqlstate = ERRCODE_CHECK_VIOLATION;
		problem.message = psprintf("hierarchy \"%s\" has no relationships of type \"%s\"",
								   hierarchy->name, type);
		problem.hint = list.len > 0 ? psprintf("It has these: %s.", list.data) : NULL;
	}
	hg_report(check, &problem);
}

/*
 * hg_report_validity: the row lasts longer than its hierarchy.
 */
void
hg_report_validity(HgCheck *check, const HgRow *row)
{
	HgProblem	problem = {0};

	problem.constraint = "relationship_validity_check";
	problem.sqlstate = ERRCODE_CHECK_VIOLATION;
	problem.child = row->child;
	problem.message = psprintf("relationship is not within the validity of hierarchy \"%s\"",
							   check->hierarchy->name);
	problem.detail = psprintf("%s: valid %s, hierarchy %s.", edge_text(check, row),
							  range_text(row->from, row->to),
							  range_text(check->hierarchy->from, check->hierarchy->to));
	problem.hint = "Shorten the relationship, or change the validity of the hierarchy.";
	hg_report(check, &problem);
}

/*
 * hg_report_share_mode: the row has a share, and should not.
 */
void
hg_report_share_mode(HgCheck *check, const HgRow *row)
{
	HgProblem	problem = {0};

	problem.constraint = "relationship_share_mode_check";
	problem.sqlstate = ERRCODE_CHECK_VIOLATION;
	problem.child = row->child;
	problem.message = psprintf("hierarchy \"%s\" has no shares", check->hierarchy->name);
	problem.detail = psprintf("%s: share %s.", edge_text(check, row), share_text(row->share));
	problem.hint = "Leave the share NULL, or give the hierarchy another share_mode.";
	hg_report(check, &problem);
}

/*
 * concerned: is a stay one of those that a finding is about?
 */
static bool
concerned(const HgStay *stay, const HgFinding *finding)
{
	if (finding->from < stay->from || finding->from >= stay->to)
		return false;
	if (finding->breach == HG_BREACH_TWO_PRIMARY)
		return stay->primary;
	if (finding->breach == HG_BREACH_MAX_KIND)
		return stay->kind == finding->kind;
	return true;
}

/*
 * stays_text lists the parents that a finding is about.
 */
static char *
stays_text(HgDirectory *dir, const HgStay *stays, int n, const HgFinding *finding)
{
	StringInfoData list;
	int			listed = 0;

	initStringInfo(&list);
	appendStringInfo(&list, "%s:", hg_days_text(finding->from, finding->to));
	for (int i = 0; i < n; i++)
	{
		if (!concerned(&stays[i], finding))
			continue;
		if (listed++ >= LISTED)
			continue;
		appendStringInfo(&list, "%s %s", listed > 1 ? "," : "",
						 hg_entity_label(dir, stays[i].parent));
		if (finding->breach == HG_BREACH_SHARES)
			appendStringInfo(&list, " %s", stays[i].share == HG_SHARE_UNSTATED ?
							 "not stated" : share_text(stays[i].share));
	}
	if (listed > LISTED)
		appendStringInfo(&list, " and %d more", listed - LISTED);
	appendStringInfoChar(&list, '.');
	return list.data;
}

/*
 * shares_message: the shares do not sum to 1.
 */
static char *
shares_message(HgCheck *check, const char *child, const HgFinding *finding, bool show)
{
	const char *name = check->hierarchy->name;

	if (!show)
		return psprintf("shares of %s in hierarchy \"%s\" do not sum to 1", child, name);
	if (finding->unstated == finding->count)
		return psprintf("shares of %s in hierarchy \"%s\" are not stated", child, name);
	if (finding->unstated > 0)
		return psprintf("shares of %s in hierarchy \"%s\" are not all stated", child, name);
	return psprintf("shares of %s in hierarchy \"%s\" sum to %s", child, name,
					share_text(finding->share));
}

/*
 * hg_report_finding: something is wrong with a child on some days.  max is the
 * number of parents that was exceeded.
 */
void
hg_report_finding(HgCheck *check, int64 child, const HgStay *stays, int n,
				  const HgFinding *finding, int max)
{
	HgDirectory *dir = check->dir;
	const char *name = check->hierarchy->name;
	char	   *label = hg_entity_label(dir, child);
	bool		show = hg_may_show(dir);
	char	   *kind;
	HgProblem	problem = {0};

	problem.sqlstate = ERRCODE_CHECK_VIOLATION;
	problem.child = child;
	if (show)
		problem.detail = stays_text(dir, stays, n, finding);
	switch (finding->breach)
	{
		case HG_BREACH_OVERLAP:
			problem.constraint = "relationship_valid_excl";
			problem.sqlstate = ERRCODE_EXCLUSION_VIOLATION;
			problem.message = psprintf("%s stands under %s twice on the same day in hierarchy \"%s\"",
									   label, show ? hg_entity_label(dir, stays[finding->a].parent) :
									   "an entity", name);
			if (show)
				problem.detail = psprintf("Valid %s and %s.",
										  range_text(stays[finding->a].from, stays[finding->a].to),
										  range_text(stays[finding->b].from, stays[finding->b].to));
			problem.hint = "Change the relationship that is there, or end it before the new one begins.";
			break;
		case HG_BREACH_MAX_PARENTS:
		case HG_BREACH_MAX_KIND:
			kind = finding->breach == HG_BREACH_MAX_KIND && show ?
				psprintf(" of type %s", dir->types.name[finding->kind]) : "";
			problem.constraint = "relationship_max_parents_check";
			problem.message = show ?
				psprintf("%s has %d parents%s in hierarchy \"%s\", more than %d",
						 label, finding->count, kind, name, max) :
				psprintf("%s has more than %d parents in hierarchy \"%s\"",
						 label, max, name);
			problem.hint = "End one of them first (unassign), or move the child (reassign).";
			break;
		case HG_BREACH_TWO_PRIMARY:
			problem.constraint = "relationship_primary_check";
			problem.message = show ?
				psprintf("%s has %d primary parents in hierarchy \"%s\"",
						 label, finding->count, name) :
				psprintf("%s has more than one primary parent in hierarchy \"%s\"",
						 label, name);
			problem.hint = "A child may have one primary parent on a day.";
			break;
		case HG_BREACH_NO_PRIMARY:
			problem.constraint = "relationship_require_primary_check";
			problem.message = psprintf("%s has no primary parent in hierarchy \"%s\"",
									   label, name);
			problem.hint = "One parent of a child must be its primary one on every day.";
			break;
		case HG_BREACH_SHARES:
			problem.constraint = "relationship_share_sum_check";
			problem.message = shares_message(check, label, finding, show);
			problem.hint = "The shares of a child must sum to 1 on every day.";
			break;
	}
	hg_report(check, &problem);
}
