/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  One notification for each transaction that changes the directory.
 *
 * What changed is added up as it is logged, in a summary for each level of
 * subtransactions: one that is rolled back takes its part with it, one that is
 * released adds it to the level above.  The notification is made just before
 * the commit.  A transaction that is prepared sends none, as PostgreSQL has
 * none to send then; who listens should look with changes_since() anyway when
 * he starts, and then and again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "commands/async.h"
#include "directory/notify.h"
#include "lib/stringinfo.h"
#include "utils/json.h"
#include "utils/memutils.h"

#define CHANNEL			"hierarchy_change"

/* What a notification lists at most; its limit is 8,000 bytes. */
#define MAX_LISTED		50
#define MAX_PAYLOAD		7000

typedef struct Listed
{
	int32		hierarchy_id;
	char		name[NAMEDATALEN];
} Listed;

/* What a subtransaction, or the transaction, has changed; in its memory. */
typedef struct Summary
{
	struct Summary *outer;
	int			level;
	int64		changes;
	int64		first;
	int64		last;
	bool		more;			/* than are listed */
	int			nlisted;
	Listed	   *listed;			/* by hierarchy_id; MAX_LISTED of them */
} Summary;

/* Of the current level, or one above if nothing has changed in this. */
static Summary *current = NULL;

/*
 * summary returns that of the current level.
 */
static Summary *
summary(void)
{
	int			level = GetCurrentTransactionNestLevel();

	if (current == NULL || current->level < level)
	{
		Summary    *s = MemoryContextAllocZero(TopTransactionContext,
											   sizeof(Summary));

		s->outer = current;
		s->level = level;
		current = s;
	}
	return current;
}

/*
 * find_listed finds where a hierarchy is, or would be.
 */
static int
find_listed(const Summary *s, int32 hierarchy_id)
{
	int			i = 0;

	while (i < s->nlisted && s->listed[i].hierarchy_id < hierarchy_id)
		i++;
	return i;
}

/*
 * is_listed: is this hierarchy at its place?
 */
static bool
is_listed(const Summary *s, int at, int32 hierarchy_id)
{
	return at < s->nlisted && s->listed[at].hierarchy_id == hierarchy_id;
}

/*
 * list adds a hierarchy to a summary, or gives it a new name.
 */
static void
list(Summary *s, int32 hierarchy_id, const char *name)
{
	int			at = find_listed(s, hierarchy_id);

	if (!is_listed(s, at, hierarchy_id))
	{
		if (s->nlisted == MAX_LISTED)
		{
			s->more = true;
			return;
		}
		if (s->listed == NULL)
			s->listed = MemoryContextAlloc(TopTransactionContext,
										   sizeof(Listed) * MAX_LISTED);
		memmove(&s->listed[at + 1], &s->listed[at],
				sizeof(Listed) * (s->nlisted - at));
		s->nlisted++;
		s->listed[at].hierarchy_id = hierarchy_id;
	}
	strlcpy(s->listed[at].name, name, NAMEDATALEN);
}

/*
 * add_changes adds to the numbers of a summary.
 */
static void
add_changes(Summary *s, int64 n, int64 first, int64 last)
{
	if (n == 0)
		return;
	s->first = s->changes == 0 ? first : Min(s->first, first);
	s->last = s->changes == 0 ? last : Max(s->last, last);
	s->changes += n;
}

/*
 * hg_notify_changes: changes first to last were logged, n of them.
 */
void
hg_notify_changes(int64 n, int64 first, int64 last)
{
	add_changes(summary(), n, first, last);
}

/*
 * hg_notify_knows: does the current level know of this hierarchy?
 */
bool
hg_notify_knows(int32 hierarchy_id)
{
	const Summary *s = summary();

	return is_listed(s, find_listed(s, hierarchy_id), hierarchy_id) ||
		(s->more && s->nlisted == MAX_LISTED);
}

/*
 * hg_notify_hierarchy: a hierarchy of this name was among what changed.
 */
void
hg_notify_hierarchy(int32 hierarchy_id, const char *name)
{
	list(summary(), hierarchy_id, name);
}

/*
 * drop takes the summary of the current level away.
 */
static void
drop(void)
{
	Summary    *s = current;

	current = s->outer;
	if (s->listed != NULL)
		pfree(s->listed);
	pfree(s);
}

/*
 * release adds a level that ends well to the one above.
 */
static void
release(void)
{
	Summary    *s = current;

	if (s->outer == NULL || s->outer->level < s->level - 1)
	{
		s->level--;				/* nothing above to add it to */
		return;
	}
	add_changes(s->outer, s->changes, s->first, s->last);
	for (int i = 0; i < s->nlisted; i++)
		list(s->outer, s->listed[i].hierarchy_id, s->listed[i].name);
	s->outer->more |= s->more;
	drop();
}

/*
 * send_summary makes the notification.
 */
static void
send_summary(const Summary *s)
{
	StringInfoData payload;
	StringInfoData name;
	bool		more = s->more;

	initStringInfo(&payload);
	initStringInfo(&name);
	appendStringInfo(&payload, "{\"txid\": " UINT64_FORMAT
					 ", \"changes\": " INT64_FORMAT ", \"first\": " INT64_FORMAT
					 ", \"last\": " INT64_FORMAT ", \"hierarchies\": [",
					 U64FromFullTransactionId(GetTopFullTransactionId()),
					 s->changes, s->first, s->last);
	for (int i = 0; i < s->nlisted; i++)
	{
		resetStringInfo(&name);
		escape_json(&name, s->listed[i].name);
		if (payload.len + name.len > MAX_PAYLOAD)
		{
			more = true;
			break;
		}
		appendStringInfo(&payload, "%s%s", i > 0 ? ", " : "", name.data);
	}
	appendStringInfo(&payload, "]%s}", more ? ", \"more\": true" : "");
	Async_Notify(CHANNEL, payload.data);
	pfree(payload.data);
	pfree(name.data);
}

/*
 * at_end is called as the transaction ends.
 */
static void
at_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (current != NULL && current->changes > 0)
				send_summary(current);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			current = NULL;		/* its memory goes with the transaction */
			break;
		default:
			break;
	}
}

/*
 * at_subend is called as a subtransaction ends.
 */
static void
at_subend(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
		  void *arg)
{
	if (current == NULL || current->level < GetCurrentTransactionNestLevel())
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		release();
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		drop();
}

/*
 * hg_notify_init lets transactions tell of their end.
 */
void
hg_notify_init(void)
{
	RegisterXactCallback(at_end, NULL);
	RegisterSubXactCallback(at_subend, NULL);
}
