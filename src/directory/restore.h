/*-------------------------------------------------------------------------
 *
 * restore.h
 *	  Do rows come from elsewhere, where rules were asked and changes logged?
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_RESTORE_H
#define HIERARCHY_RESTORE_H

#include "utils/rel.h"

/* Has the session the settings that a dump makes? */
extern bool hg_restoring_session(void);

/*
 * Would rows added to this table now be those of a dump, or of the first copy
 * of a subscription?
 */
extern bool hg_restoring(Relation rel);

#endif							/* HIERARCHY_RESTORE_H */
