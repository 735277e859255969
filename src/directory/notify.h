/*-------------------------------------------------------------------------
 *
 * notify.h
 *	  One notification for each transaction that changes the directory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_NOTIFY_H
#define HIERARCHY_NOTIFY_H

extern void hg_notify_init(void);

/* Changes first to last were logged, n of them. */
extern void hg_notify_changes(int64 n, int64 first, int64 last);

/* A hierarchy was among what changed; is its name known yet? */
extern bool hg_notify_knows(int32 hierarchy_id);
extern void hg_notify_hierarchy(int32 hierarchy_id, const char *name);

#endif							/* HIERARCHY_NOTIFY_H */
