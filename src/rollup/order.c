/*-------------------------------------------------------------------------
 *
 * order.c
 *	  Nodes in the order of their keys: integers by value, others bytewise.
 *
 * A graph whose keys are dense integers knows that order.  Otherwise it is a
 * radix sort, least significant digit first, over what the keys have in
 * difference: a million dense integers take two passes.  Keys of bytes are
 * sorted that way by the first eight in which they differ, and what ties again,
 * until there is so little of it that comparing is quicker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "rollup/finish.h"

#define RADIX_BITS 11
#define RADIX_SIZE (1 << RADIX_BITS)

/* From so many keys of bytes on, digits are quicker than comparing. */
#define LONG_RUN 256

/* A member to be sorted. */
typedef struct Sortable
{
	uint64		prefix;
	uint32		member;
} Sortable;

/* Keys that have so many bytes in common, to be sorted. */
typedef struct Run
{
	uint32		start;
	uint32		end;
	uint32		common;
} Run;

/*
 * prefix_of returns eight bytes of a key as a number of that order.
 */
static uint64
prefix_of(const HgKey *key, uint32 from)
{
	uint64		prefix = 0;

	for (uint32 i = from; i < from + 8; i++)
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
 * key_of is the key of a member.
 */
static inline HgKey
key_of(const SortArg *arg, const Sortable *item)
{
	return hg_graph_key(arg->g, arg->dag->member[item->member]);
}

/*
 * common_bytes returns how many bytes the keys of a run have in common.
 */
static uint32
common_bytes(const SortArg *arg, const Sortable *items, const Run *run)
{
	HgKey		first = key_of(arg, &items[run->start]);
	uint32		common = first.len;

	for (uint32 i = run->start + 1; i < run->end && common > run->common; i++)
	{
		HgKey		key = key_of(arg, &items[i]);
		uint32		k = run->common;

		if ((i & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		common = Min(common, key.len);
		while (k < common && key.bytes[k] == first.bytes[k])
			k++;
		common = k;
	}
	return Max(common, run->common);
}

/*
 * sort_run sorts a run by the next eight bytes.
 */
static void
sort_run(const SortArg *arg, Sortable *items, Sortable *other, Run *run)
{
	uint32		n = run->end - run->start;
	Sortable   *sorted;

	run->common = common_bytes(arg, items, run);
	for (uint32 i = run->start; i < run->end; i++)
	{
		HgKey		key = key_of(arg, &items[i]);

		items[i].prefix = prefix_of(&key, run->common);
	}
	sorted = radix_sort(items + run->start, other + run->start, n);
	if (sorted != items + run->start)
		memcpy(items + run->start, sorted, (Size) n * sizeof(Sortable));
}

/*
 * sort_bytes sorts members by keys of bytes; "other" is as much room again.
 */
static void
sort_bytes(const HgGraph *g, const HgDag *dag, Sortable *items,
		   Sortable *other, uint32 n)
{
	SortArg		arg = {g, dag};
	uint32		size = n / LONG_RUN + 1;	/* long runs do not overlap */
	Run		   *pending;
	uint32		npending = 0;

	if (n < LONG_RUN)
	{
		qsort_arg(items, n, sizeof(Sortable), compare_keys, &arg);
		return;
	}
	pending = MemoryContextAllocHuge(CurrentMemoryContext, size * sizeof(Run));
	pending[npending++] = (Run) {0, n, 0};
	while (npending > 0)
	{
		Run			run = pending[--npending];

		sort_run(&arg, items, other, &run);
		for (uint32 i = run.start, end; i < run.end; i = end)
		{
			end = i + 1;
			while (end < run.end && items[end].prefix == items[i].prefix)
				end++;
			/* a prefix of zeros may be the end of keys */
			if (end - i >= LONG_RUN && items[i].prefix != 0)
				pending[npending++] = (Run) {i, end, run.common + 8};
			else if (end - i > 1)
				qsort_arg(items + i, end - i, sizeof(Sortable), compare_keys, &arg);
		}
	}
	pfree(pending);
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
	int64		first;
	uint32		span;
	const uint32 *by_key = hg_graph_by_key(g, &first, &span);

	if (by_key == NULL || dag->member_local != NULL || span / 8 > dag->nmembers)
		return false;
	*n = hg_dag_find(dag, by_key, span, order);
	if (flags != NULL)
	{
		uint32		found = *n;

		*n = 0;
		for (uint32 i = 0; i < found; i++)
		{
			if (flags[order[i]] & HG_AMOUNT_FACTS)
				order[(*n)++] = order[i];
		}
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
		items[n++].prefix = (uint64) key.num ^ (UINT64CONST(1) << 63);
	}
	sorted = items;
	if (is_int)
		sorted = radix_sort(items, other, n);
	else
		sort_bytes(g, dag, items, other, n);
	for (uint32 i = 0; i < n; i++)
		order[i] = sorted[i].member;
	pfree(items);
	pfree(other);
	return n;
}
