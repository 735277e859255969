/*-------------------------------------------------------------------------
 *
 * memory.h
 *	  Large pieces of memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_MEMORY_H
#define HIERARCHY_MEMORY_H

/*
 * MemoryContextAllocExtended for any size, zeroed on demand.  Where the
 * operating system lets one ask, large pieces come in large pages: arrays by
 * node are read at random, and would need a page table entry each time.
 */
extern void *hg_memory_alloc(MemoryContext mcxt, Size size, bool zero);

#endif							/* HIERARCHY_MEMORY_H */
