/*-------------------------------------------------------------------------
 *
 * months.h
 *	  Partitions of change_log, one for each month.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_MONTHS_H
#define HIERARCHY_MONTHS_H

#include "datatype/timestamp.h"
#include "utils/relcache.h"

/*
 * The partition of the log for a time; it is made if there is none.  The log
 * is open, and may have been closed and opened again afterwards.  The current
 * user has to be its owner.
 */
extern Oid	hg_log_partition(Relation *log, Oid schema, TimestampTz at);

#endif							/* HIERARCHY_MONTHS_H */
