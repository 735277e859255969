/*-------------------------------------------------------------------------
 *
 * visibility.h
 *	  Which entries a snapshot sees, by the rule of an index-only scan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_VISIBILITY_H
#define HGRAPH_VISIBILITY_H

#include "storage/block.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* vm.c: a copy of a table's visibility map */
typedef struct HgVmCopy
{
	uint8	   *bits;			/* two a heap page, as on disk */
	uint32		pages;			/* heap pages covered */
	bool		all_visible;	/* every page of the table is */
} HgVmCopy;

/* Copies the map into mcxt. */
extern void hg_vm_copy(Relation heap, MemoryContext mcxt, HgVmCopy *copy);

/* rows.c: visibility of single rows, remembered */
typedef struct HgRowMemo HgRowMemo;

/* A memo for rows of one table under one snapshot, in mcxt. */
extern HgRowMemo *hg_row_memo_create(Oid heap_oid, MemoryContext mcxt);
extern bool hg_row_memo_visible(HgRowMemo *memo, Snapshot snapshot,
								BlockNumber block, OffsetNumber offset);

#endif							/* HGRAPH_VISIBILITY_H */
