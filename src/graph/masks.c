/*-------------------------------------------------------------------------
 *
 * masks.c
 *	  Amounts of many tops to all their ancestors at once, as bit masks.
 *
 * One pass from the bottom to the top tells for 512 tops which of them lie
 * below each node: a node's mask is the union of those of its children.  What
 * a node then gets is the sum of the amounts that its mask selects.  Sums of
 * the 256 subsets of eight tops come from tables, so a mask costs 64 additions
 * at most, whatever its bits (the "four Russians", Arlazarov, Dinic, Kronrod,
 * Faradzev 1970).
 *
 *-------------------------------------------------------------------------
 */
#include "graph/dag.h"

#define WORDS		8			/* of 64 tops each */
#define BATCH		(WORDS * 64)
#define SUBSETS		256			/* of eight tops */
#define TABLES		(BATCH / 8)

/* Nodes treated together, so that masks and the tables of a word stay near. */
#define BLOCK		1024

typedef struct Mask
{
	uint64_t	word[WORDS];
} Mask;

typedef struct Batch
{
	const HgSkeleton *s;
	uint32_t	first;			/* tops first .. first + n - 1 */
	uint32_t	n;
	uint32_t	nrows;			/* skeleton nodes that may have a mask */
	Mask	   *mask;
	void	   *table;			/* cell of a subset: table * SUBSETS + subset */
} Batch;

/*
 * join adds a mask to those of a node's parents.
 */
static inline void
join(Batch *b, uint32_t k, const Mask *mine)
{
	const HgSkeleton *s = b->s;

	for (uint32_t e = s->up_start[k]; e < s->up_start[k + 1]; e++)
	{
		Mask	   *up = &b->mask[s->up[e]];

		for (int w = 0; w < WORDS; w++)
			up->word[w] |= mine->word[w];
	}
}

/*
 * spread finds the masks of all nodes above the batch's tops.
 */
static void
spread(Batch *b)
{
	const HgSkeleton *s = b->s;
	const uint32_t *top = s->top + b->first;
	uint32_t	t = b->n;		/* tops not reached yet */

	b->nrows = (top[t - 1] < s->ninner) ? top[t - 1] + 1 : s->ninner;
	memset(b->mask, 0, (size_t) b->nrows * sizeof(Mask));

	/* tops without other tops below them have no row */
	while (t > 0 && top[t - 1] >= s->ninner)
	{
		Mask		mine = {{0}};

		t--;
		mine.word[t / 64] = UINT64_C(1) << (t % 64);
		join(b, top[t], &mine);
	}
	for (uint32_t k = b->nrows; k-- > 0;)
	{
		Mask		mine = b->mask[k];
		uint64_t	any = 0;

		if (k % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (t > 0 && top[t - 1] == k)
		{
			t--;
			mine.word[t / 64] |= UINT64_C(1) << (t % 64);
		}
		for (int w = 0; w < WORDS; w++)
			any |= mine.word[w];
		if (any != 0)
			join(b, k, &mine);
	}
}

/*
 * SELECT_SUMS is the loop over masks, for one type of cells: adds to every
 * node the sum that its mask selects.
 */
#define SELECT_SUMS(type, got, add) \
	for (uint32_t start = 0; start < b->nrows; start += BLOCK) \
	{ \
		uint32_t	end = (b->nrows - start < BLOCK) ? b->nrows : start + BLOCK; \
		hg_host.check_interrupts(); \
		for (int w = 0; w < WORDS; w++) \
		{ \
			type	   *table = (type *) b->table + \
				(size_t) w * 8 * SUBSETS; \
			for (uint32_t k = start; k < end; k++) \
			{ \
				uint64_t	bits = b->mask[k].word[w]; \
				type		sum; \
				if (bits == 0) \
					continue; \
				sum = (got)[k]; \
				for (int j = 0; j < 8; j++) \
					add(sum, table[(size_t) j * SUBSETS + ((bits >> (j * 8)) & 0xff)]); \
				(got)[k] = sum; \
			} \
		} \
	}

/*
 * FILL_TABLES writes the sums of all subsets of eight tops each: that of a
 * subset without its least member is there already.
 */
#define FILL_TABLES(type, own, zero, add) \
	for (uint32_t j = 0; j < TABLES; j++) \
	{ \
		type	   *table = (type *) b->table + (size_t) j * SUBSETS; \
		table[0] = zero; \
		for (uint32_t set = 1; set < SUBSETS; set++) \
		{ \
			uint32_t	t = j * 8 + (uint32_t) __builtin_ctz(set); \
			table[set] = table[set & (set - 1)]; \
			if (t < b->n) \
				add(table[set], (own)[b->first + t]); \
		} \
	}

#define ADD_PLAIN(a, b)		((a) += (b))
#define ADD_REAL(a, b)		hg_real_merge(&(a), &(b))

/*
 * apply_pairs serves two small measures.
 */
static void
apply_pairs(Batch *b, const HgLane *lane)
{
	HgPair		zero = {0, 0};

	FILL_TABLES(HgPair, lane->own.pair, zero, ADD_PLAIN);
	SELECT_SUMS(HgPair, lane->got.pair, ADD_PLAIN);
}

/*
 * apply_fixed serves a fixed measure.
 */
static void
apply_fixed(Batch *b, const HgLane *lane)
{
	FILL_TABLES(hg_int128, lane->own.fixed, 0, ADD_PLAIN);
	SELECT_SUMS(hg_int128, lane->got.fixed, ADD_PLAIN);
}

/*
 * apply_real serves a measure of compensated doubles.
 */
static void
apply_real(Batch *b, const HgLane *lane)
{
	HgReal		zero = {0, 0};

	FILL_TABLES(HgReal, lane->own.real, zero, ADD_REAL);
	SELECT_SUMS(HgReal, lane->got.real, ADD_REAL);
}

/*
 * apply_opaque serves a measure of the host.
 */
static void
apply_opaque(Batch *b, const HgLane *lane)
{
	const HgOpaqueOps *ops = lane->first->ops;
	void	  **cells = b->table;

#define COPY_ADD(a, b) \
	do { \
		void	   *sum = (a) ? ops->add(ops->arg, NULL, (a)) : NULL; \
		(a) = (b) ? ops->add(ops->arg, sum, (b)) : sum; \
	} while (0)
#define ADD_OPAQUE(a, b) \
	((a) = (b) ? ops->add(ops->arg, (a), (b)) : (a))

	/* cells of their own, even where nothing is added */
	for (uint32_t j = 0; j < TABLES; j++)
	{
		void	  **table = cells + (size_t) j * SUBSETS;

		hg_host.check_interrupts();
		table[0] = NULL;
		for (uint32_t set = 1; set < SUBSETS; set++)
		{
			uint32_t	t = j * 8 + (uint32_t) __builtin_ctz(set);
			void	   *own = (t < b->n) ? lane->own.opaque[b->first + t] : NULL;

			table[set] = table[set & (set - 1)];
			COPY_ADD(table[set], own);
		}
	}
	SELECT_SUMS(void *, lane->got.opaque, ADD_OPAQUE);
	for (uint32_t j = 0; j < TABLES * SUBSETS; j++)
	{
		if (cells[j] != NULL)
			ops->free(ops->arg, cells[j]);
	}
#undef COPY_ADD
#undef ADD_OPAQUE
}

/*
 * hg_masks_apply hands what tops have to all their ancestors.
 */
void
hg_masks_apply(const HgSkeleton *s, const HgLane *lanes, int nlanes,
			   void *arena)
{
	Batch		b;

	b.s = s;
	b.mask = hg_host.alloc(arena, ((size_t) s->ninner + 1) * sizeof(Mask));
	b.table = hg_host.alloc(arena, (size_t) TABLES * SUBSETS * 16);
	for (b.first = 0; b.first < s->ntops; b.first += b.n)
	{
		b.n = (s->ntops - b.first < BATCH) ? s->ntops - b.first : BATCH;
		spread(&b);
		for (int l = 0; l < nlanes; l++)
		{
			switch (lanes[l].kind)
			{
				case HG_LANE_PAIR:
					apply_pairs(&b, &lanes[l]);
					break;
				case HG_LANE_FIXED:
					apply_fixed(&b, &lanes[l]);
					break;
				case HG_LANE_REAL:
					apply_real(&b, &lanes[l]);
					break;
				case HG_LANE_OPAQUE:
					apply_opaque(&b, &lanes[l]);
					break;
			}
		}
	}
	hg_host.free(b.mask);
	hg_host.free(b.table);
}
