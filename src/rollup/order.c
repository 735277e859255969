/*-------------------------------------------------------------------------
 *
 * order.c
 *	  Nodes in the order of their keys: integers by value, others bytewise.
 *
 * A graph whose keys are dense integers knows that order.  Otherwise it is a
 * radix sort, least significant digit first, over what the keys have in
 * difference: a million dense integers take two passes.  Keys of bytes are
 * sorted by their first eight that way, and what ties by comparing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "rollup/finish.h"

#define RADIX_BITS 11
#define RADIX_SIZE (1 << RADIX_BITS)

/* A member to be sorted. */
typedef struct Sortable
{
	uint64		prefix;
	uint32		member;
} Sortable;

/*
 * prefix_of returns the first eight bytes of a key as a number of that order.
 */
static uint64
prefix_of(const HgKey *key)
{
	uint64		prefix = 0;

	for (uint32 i = 0; i < 8; i++)
		prefix = prefix << 8 | (i < key->len ? key->bytes[i] : 0);
	return prefix;
}

/*
 * radix_sort sorts by prefix; "other" is as much room again.  Returns where
 * the result is.
 */
static Sortable *
radix_sort(Sortable *items, Sortable *other, uint32 n)
{
	uint64		least = PG_UINT64_MAX;
	uint64		greatest = 0;
	bool		ascending = true;
	int			bits;

	for (uint32 i = 0; i < n; i++)
	{
		ascending &= i == 0 || items[i - 1].prefix <= items[i].prefix;
		least = Min(least, items[i].prefix);
		greatest = Max(greatest, items[i].prefix);
	}
	if (ascending)
		return items;
	bits = pg_leftmost_one_pos64(greatest - least) + 1;

	for (int shift = 0; shift < bits; shift += RADIX_BITS)
	{
		uint32		start[RADIX_SIZE] = {0};
		uint32		sum = 0;
		Sortable   *swap;

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = 0; i < n; i++)
			start[((items[i].prefix - least) >> shift) & (RADIX_SIZE - 1)]++;
		for (int digit = 0; digit < RADIX_SIZE; digit++)
		{
			uint32		count = start[digit];

			start[digit] = sum;
			sum += count;
		}
		for (uint32 i = 0; i < n; i++)
			other[start[((items[i].prefix - least) >> shift) & (RADIX_SIZE - 1)]++] = items[i];
		swap = items, items = other, other = swap;
	}
	return items;
}

/* What compare_keys needs. */
typedef struct SortArg
{
	const HgGraph *g;
	const HgDag *dag;
} SortArg;

/*
 * compare_keys orders members by the bytes of their keys.
 */
static int
compare_keys(const void *a, const void *b, void *arg)
{
	const SortArg *sort = arg;
	HgKey		ka = hg_graph_key(sort->g, sort->dag->member[((const Sortable *) a)->member]);
	HgKey		kb = hg_graph_key(sort->g, sort->dag->member[((const Sortable *) b)->member]);
	int			cmp = memcmp(ka.bytes, kb.bytes, Min(ka.len, kb.len));

	CHECK_FOR_INTERRUPTS();
	if (cmp != 0)
		return cmp;
	return (ka.len > kb.len) - (ka.len < kb.len);
}

/*
 * sort_ties sorts each run of equal prefixes by what follows them.
 */
static void
sort_ties(const HgGraph *g, const HgDag *dag, Sortable *items, uint32 n)
{
	SortArg		arg = {g, dag};

	for (uint32 i = 0, end; i < n; i = end)
	{
		end = i + 1;
		while (end < n && items[end].prefix == items[i].prefix)
			end++;
		if (end - i > 1)
			qsort_arg(items + i, end - i, sizeof(Sortable), compare_keys, &arg);
	}
}

/*
 * order_dense is hg_key_order for graphs that know their nodes in this order.
 * False: this one does not, or looking through all its nodes takes longer than
 * sorting.
 */
static bool
order_dense(const HgGraph *g, const HgDag *dag, const uint8 *flags,
			uint32 *order, uint32 *n)
{
	uint32		span;
	const uint32 *by_key = hg_graph_by_key(g, &span);

	if (by_key == NULL || dag->member_local != NULL || span / 8 > dag->nmembers)
		return false;
	*n = 0;
	for (uint32 i = 0; i < span; i++)
	{
		uint32		member;

		if ((i & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (by_key[i] == HG_NONE)
			continue;
		member = hg_dag_local(dag, by_key[i]);
		if (member != HG_NONE &&
			(flags == NULL || (flags[member] & HG_AMOUNT_FACTS)))
			order[(*n)++] = member;
	}
	return true;
}

/*
 * hg_key_order lists the members that have facts in the order of their keys.
 */
uint32
hg_key_order(const HgGraph *g, const HgDag *dag, const uint8 *flags,
			 uint32 *order)
{
	bool		is_int = hg_graph_kind(g) == HG_KEY_INT;
	Size		size = Max((Size) dag->nmembers, 1) * sizeof(Sortable);
	Sortable   *items;
	Sortable   *other;
	Sortable   *sorted;
	uint32		n = 0;

	if (order_dense(g, dag, flags, order, &n))
		return n;
	items = MemoryContextAllocHuge(CurrentMemoryContext, size);
	other = MemoryContextAllocHuge(CurrentMemoryContext, size);
	for (uint32 i = 0; i < dag->nmembers; i++)
	{
		uint32		local = dag->member_local ? dag->member_local[i] : i;
		HgKey		key;

		if ((i & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (flags != NULL && !(flags[local] & HG_AMOUNT_FACTS))
			continue;
		key = hg_graph_key(g, dag->member[i]);
		items[n].member = i;
		/* the sign bit moved, so that negative numbers come first */
		items[n++].prefix = is_int ?
			(uint64) key.num ^ (UINT64CONST(1) << 63) : prefix_of(&key);
	}
	sorted = radix_sort(items, other, n);
	if (!is_int)
		sort_ties(g, dag, sorted, n);
	for (uint32 i = 0; i < n; i++)
		order[i] = sorted[i].member;
	pfree(items);
	pfree(other);
	return n;
}
