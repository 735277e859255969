/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  Large pieces of memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

/* From here on malloc gets memory from the system for each piece alone. */
#define LARGE		((Size) 4 * 1024 * 1024)

/*
 * advise_large asks for large pages where a piece lies; it works as well
 * without.
 */
static void
advise_large(void *p, Size size)
{
#ifdef MADV_HUGEPAGE
	Size		page = (Size) sysconf(_SC_PAGESIZE);
	char	   *start = (char *) TYPEALIGN(page, p);
	char	   *end = (char *) TYPEALIGN_DOWN(page, (char *) p + size);

	(void) madvise(start, end - start, MADV_HUGEPAGE);
#endif
}

/*
 * hg_memory_alloc allocates a piece of memory.
 */
void *
hg_memory_alloc(MemoryContext mcxt, Size size, bool zero)
{
	void	   *p;

	if (size < LARGE)
		return MemoryContextAllocExtended(mcxt, Max(size, 1),
										  zero ? MCXT_ALLOC_ZERO : 0);
	p = MemoryContextAllocExtended(mcxt, size, MCXT_ALLOC_HUGE);
	advise_large(p, size);
	if (zero)
		memset(p, 0, size);
	return p;
}
