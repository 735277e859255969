/*-------------------------------------------------------------------------
 *
 * change_log.h
 *	  Writing change_log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_CHANGE_LOG_H
#define HIERARCHY_CHANGE_LOG_H

#include "utils/jsonb.h"
#include "utils/memutils.h"

/* change_log, while one statement's changes are added to it. */
typedef struct HgChangeLog HgChangeLog;

/* What a change says of the row, beyond its images. */
typedef struct HgChangeKeys
{
	bool		has_hierarchy;
	bool		has_entity;
	bool		has_parent;
	int32		hierarchy_id;
	int64		entity_id;
	int64		parent_id;
} HgChangeKeys;

/*
 * The log of a schema, for changes of one table by one statement.  In between,
 * the current user is the owner of the log.  A table of another owner is
 * refused.
 */
extern HgChangeLog *hg_change_log_begin(Oid schema, Oid table_owner,
										const char *table_name,
										const char *operation);
extern void hg_change_log_end(HgChangeLog *log);

/*
 * Where the images of the next change have to be; they are the log's after
 * hg_change_log_add.  NULL: there is none.
 */
extern MemoryContext hg_change_log_memory(HgChangeLog *log);
extern void hg_change_log_add(HgChangeLog *log, const HgChangeKeys *keys,
							  Jsonb *old_row, Jsonb *new_row);

#endif							/* HIERARCHY_CHANGE_LOG_H */
