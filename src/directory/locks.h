/*-------------------------------------------------------------------------
 *
 * locks.h
 *	  Locks by which writers of the directory keep out of each other's way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_LOCKS_H
#define HIERARCHY_LOCKS_H

/*
 * All are held until the transaction ends.
 * Order: names, entities, children; each group sorted.
 */

/* A name of something that rows refer to: shared by whoever refers to it. */
typedef enum HgLockName
{
	HG_LOCK_SCHEME,				/* identifier_scheme.scheme */
	HG_LOCK_TYPE				/* relationship_type.relationship_type */
} HgLockName;

extern void hg_lock_name(HgLockName kind, const char *name, int len,
						 bool for_change);

/*
 * Entities: shared by writers of relationships that mention them, exclusive
 * for whoever makes them inactive, gives them another type or deletes them.
 */
extern void hg_lock_entities(const int64 *ids, int64 n, bool for_change);
extern void hg_lock_all_entities(bool for_change);

/* Children of a hierarchy whose relationships are being written. */
extern void hg_lock_children(int32 hierarchy, const int64 *ids, int64 n);

/* A hierarchy's settings, against all writers of its relationships. */
extern void hg_lock_hierarchy(int32 hierarchy);

/* Sorts, and leaves each once; returns how many are left. */
extern int64 hg_sort_ids(int64 *ids, int64 n);
extern int	hg_compare_ids(const void *a, const void *b);

extern void hg_locks_at_end(void);

/* Spreads an id over 64 bits. */
static inline uint64
hg_mix_id(int64 id)
{
	uint64		h = (uint64) id;

	h ^= h >> 33;
	h *= UINT64CONST(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64CONST(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h;
}

#endif							/* HIERARCHY_LOCKS_H */
