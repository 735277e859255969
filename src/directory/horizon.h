/*-------------------------------------------------------------------------
 *
 * horizon.h
 *	  Numbers of changes, and up to which of them nothing can still appear.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_HORIZON_H
#define HIERARCHY_HORIZON_H

extern void hg_horizon_init(void);

/* Takes n numbers in a row and returns the first. */
extern int64 hg_take_change_ids(Oid sequence, int64 n);

#endif							/* HIERARCHY_HORIZON_H */
