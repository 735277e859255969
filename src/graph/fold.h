/*-------------------------------------------------------------------------
 *
 * fold.h
 *	  A fold under way: fold.c decides what goes where, image.c writes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HG_FOLD_H
#define HG_FOLD_H

#include "graph/core.h"

/* Interrupts are checked once per this many entries. */
#define CHECK_EVERY 65536

typedef struct HgFold
{
	const HgGraph *old;
	HgGraph    *new;
	void	   *arena;			/* working memory */
	uint32_t	nold;			/* node numbers of the old graph */
	uint32_t	nentries;		/* surviving */
	uint32_t	nnodes;
	uint32_t	nblocks;

	/* surviving entries, numbered in page order */
	uint32_t   *entry;			/* number in the old graph; NULL: a load, where
								 * the number in the stage is the same */
	uint32_t   *block_start;	/* first of each block */

	/* the same by parent, registrations in the bucket nold */
	uint32_t   *start;			/* old node -> first */
	uint32_t   *sorted;			/* number in page order */
	uint32_t   *child;			/* old node, from number_nodes on the new */

	uint32_t   *node_map;		/* old node -> new node, HG_NONE dropped */
	uint32_t   *order;			/* new node -> old node */

	bool		direct;			/* keys are dense integers ... */
	int64_t		first_key;		/* ... from here on, ... */
	uint32_t	span;			/* ... so many of them */
} HgFold;

/*
 * hg_fold_words allocates working memory for n numbers.
 */
static inline uint32_t *
hg_fold_words(const HgFold *f, size_t n)
{
	return hg_host.alloc(f->arena, n * sizeof(uint32_t));
}

/*
 * hg_count_to_start turns counts, kept one element ahead, into start positions.
 */
static inline void
hg_count_to_start(uint32_t *start, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		start[i + 1] += start[i];
}

/* image.c: writes f->new's base */
extern void hg_image_write(HgFold *f);

#endif							/* HG_FOLD_H */
