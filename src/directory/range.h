/*-------------------------------------------------------------------------
 *
 * range.h
 *	  Ranges of days.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_RANGE_H
#define HIERARCHY_RANGE_H

#include "compat.h"
#include "directory/days.h"
#include "utils/date.h"
#include "utils/rangetypes.h"

/*
 * hg_range_days reads a daterange: a type, the bounds that there are, and flags
 * at the end.  A stored range of days includes its lower bound, not its upper
 * one.  An empty one gives from = to.
 */
static inline void
hg_range_days(Datum value, int32 *from, int32 *to)
{
	struct varlena *range = PG_DETOAST_DATUM_PACKED(value);
	const char *data = VARDATA_ANY(range);
	char		flags = data[VARSIZE_ANY_EXHDR(range) - 1];

	*from = HG_DAY_FIRST;
	*to = HG_DAY_LAST;
	data += sizeof(Oid);
	if (flags & RANGE_EMPTY)
	{
		*from = *to = 0;
		return;
	}
	if (RANGE_HAS_LBOUND(flags))
	{
		memcpy(from, data, sizeof(DateADT));
		data += sizeof(DateADT);
	}
	if (RANGE_HAS_UBOUND(flags))
		memcpy(to, data, sizeof(DateADT));
}

#endif							/* HIERARCHY_RANGE_H */
