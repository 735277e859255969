/*-------------------------------------------------------------------------
 *
 * collect_table.c
 *	  From key to accumulator.
 *
 * Keys are looked up a block at a time: hash all and ask for the slots, then
 * read the slots and ask for keys and accumulators, then compare.  So the many
 * cache misses of a table that is larger than the caches overlap.
 *
 * A slot holds the number of an accumulator and the key's hash: other keys are
 * told apart, and the table grows, without a look at the keys.
 *
 * Integer keys that turn out dense need no hash.  When the table would grow
 * and they span at most DENSE_ENTER times their number, an accumulator is made
 * for each integer in that range; earlier, if so few keys have come again that
 * most of the range must be still to come.  The range grows with the keys that
 * come; should that take more than DENSE_STAY per key, it is back to the hash.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "rollup/collect_hash.h"
#include "rollup/collect_state.h"

/* Accumulators of a new collector. */
#define FIRST_SIZE		16
/* Room below which a block is not worth its while. */
#define LEAST_ROOM		8
#define CACHE_LINE		64
/* Bytes of accumulators from which on it matters where they begin. */
#define ALIGN_FROM		16384

/* Direct addressing: at least so many keys, at most so many numbers a key. */
#define DENSE_KEYS		256
#define DENSE_ENTER		4
#define DENSE_STAY		6
/* The same for keys that are going to fill their range, and so many keys that
 * came again as it takes to tell. */
#define DENSE_SOON		16
#define SOON_REPEATS	256
/* Part of the range that is kept free on either side. */
#define DENSE_SPARE		64

/* A hash has 32 bits, and half of the slots stay empty. */
#define MAX_SIZE		(UINT32_C(1) << 31)

/*
 * hg_acc_stride is the size of an accumulator.
 */
Size
hg_acc_stride(HgAccKind kind)
{
	switch (kind)
	{
		case HG_ACC_COUNT:
			return sizeof(int64);
		case HG_ACC_COMPACT:
			return sizeof(HgCompact);
		case HG_ACC_NARROW:
			return sizeof(HgNarrow);
		case HG_ACC_MEDIUM:
			return sizeof(HgMedium);
		case HG_ACC_WIDE:
			return sizeof(HgWide);
		case HG_ACC_REAL:
			return sizeof(HgDouble);
	}
	return 0;					/* keep compiler quiet */
}

/*
 * padded is the size to allocate for so many bytes of accumulators.  Many
 * begin a cache line, so that as few as possible lie across two.
 */
static Size
padded(Size bytes)
{
	return bytes < ALIGN_FROM ? bytes : bytes + CACHE_LINE;
}

/*
 * align is where accumulators begin in what was allocated for them.
 */
static char *
align(char *chunk, Size bytes)
{
	return bytes < ALIGN_FROM ? chunk : (char *) TYPEALIGN(CACHE_LINE, chunk);
}

/*
 * hg_collect_alloc_acc allocates accumulators.
 */
void
hg_collect_alloc_acc(HgCollect *c, uint32 size, char **acc, HgChunk *chunk)
{
	Size		bytes = size * c->stride;

	hg_chunk_alloc(c, padded(bytes), chunk);
	*acc = align(chunk->start, bytes);
}

/*
 * enlarge reallocates an array and clears what is new.
 */
static void *
enlarge(void *array, Size old_bytes, Size bytes)
{
	array = repalloc_huge(array, bytes);
	memset((char *) array + old_bytes, 0, bytes - old_bytes);
	return array;
}

/*
 * resize changes the number of accumulators there is room for, without moving
 * any.
 */
static void
resize(HgCollect *c, uint32 size)
{
	Size		old_bytes = c->size * c->stride;
	Size		bytes = size * c->stride;
	Size		shift = c->acc - c->acc_chunk.start;
	char	   *acc;

	Assert(size > c->size);
	hg_chunk_resize(c, padded(old_bytes), padded(bytes), &c->acc_chunk);
	acc = align(c->acc_chunk.start, bytes);
	if (acc != c->acc_chunk.start + shift)
		memmove(acc, c->acc_chunk.start + shift, old_bytes);
	memset(acc + old_bytes, 0, bytes - old_bytes);
	c->acc = acc;

	if (c->high != NULL)
		c->high = enlarge(c->high, c->size * sizeof(int64), size * sizeof(int64));
	if (c->flags != NULL)
		c->flags = enlarge(c->flags, c->size, size);
	c->size = size;
}

/*
 * resize_keys changes the number of keys there is room for.
 */
static void
resize_keys(HgCollect *c, uint32 size)
{
	HgKeys	   *keys = &c->keys;

	switch (c->key_kind)
	{
		case HG_KEY_INT:
			keys->num = repalloc_huge(keys->num, size * sizeof(int64));
			break;
		case HG_KEY_UUID:
			keys->uuid = repalloc_huge(keys->uuid, size * sizeof(pg_uuid_t));
			break;
		case HG_KEY_BYTES:
			keys->span = repalloc_huge(keys->span, size * sizeof(HgSpan));
			break;
	}
}

/*
 * check_size raises an error for a number of accumulators that is out of
 * reach.
 */
static void
check_size(uint64 size)
{
	if (size > MAX_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many different nodes in a rollup"),
				 errdetail("There can be %u.", MAX_SIZE)));
}

/*
 * make_slots allocates empty slots for the current size.
 */
static void
make_slots(HgCollect *c)
{
	uint64		nslots = pg_nextpower2_64((uint64) c->size * 2);

	c->slot = hg_collect_alloc(c, nslots * sizeof(HgSlot), true);
	c->slot_mask = (uint32) (nslots - 1);
}

/*
 * put_slot enters an accumulator whose key is known to be new.
 */
static inline void
put_slot(HgCollect *c, uint32 hash, uint32 number)
{
	uint32		at = hash & c->slot_mask;

	while (c->slot[at].acc != 0)
		at = (at + 1) & c->slot_mask;
	c->slot[at].acc = number;
	c->slot[at].hash = hash;
}

/*
 * hash_key hashes one of some keys.
 */
static pg_attribute_always_inline uint32
hash_key(HgKeyKind kind, const HgKeys *keys, uint32 i)
{
	if (kind == HG_KEY_INT)
		return hg_hash_num(keys->num[i]);
	if (kind == HG_KEY_UUID)
		return hg_hash_uuid(&keys->uuid[i]);
	return hg_hash_text(keys->text + keys->span[i].offset, keys->span[i].len);
}

/*
 * same_key compares two keys.
 */
static pg_attribute_always_inline bool
same_key(HgKeyKind kind, const HgKeys *a, uint32 i, const HgKeys *b, uint32 j)
{
	if (kind == HG_KEY_INT)
		return a->num[i] == b->num[j];
	if (kind == HG_KEY_UUID)
		return memcmp(&a->uuid[i], &b->uuid[j], sizeof(pg_uuid_t)) == 0;
	return a->span[i].len == b->span[j].len &&
		memcmp(a->text + a->span[i].offset, b->text + b->span[j].offset,
			   a->span[i].len) == 0;
}

/*
 * store_text copies a text key into the collector.
 */
static void
store_text(HgCollect *c, uint32 number, const char *text, uint32 len)
{
	HgKeys	   *keys = &c->keys;

	if (keys->text_len + len > keys->text_size)
	{
		keys->text_size = Max(keys->text_size * 2, keys->text_len + len);
		keys->text = repalloc_huge(keys->text, keys->text_size);
	}
	memcpy(keys->text + keys->text_len, text, len);
	keys->span[number].offset = keys->text_len;
	keys->span[number].len = len;
	keys->text_len += len;
}

/*
 * locate_hashed is hg_collect_locate through slots; there is room for n more
 * accumulators.
 */
static pg_attribute_always_inline void
locate_hashed(HgCollect *c, const HgKeys *keys, uint32 from, uint32 n,
			  uint32 *number, const HgKeyKind kind)
{
	HgSlot	   *slot = c->slot;
	uint32		mask = c->slot_mask;
	uint32		hash[HG_COLLECT_BLOCK];
	uint32		at[HG_COLLECT_BLOCK];

	for (uint32 i = 0; i < n; i++)
	{
		hash[i] = hash_key(kind, keys, from + i);
		__builtin_prefetch(&slot[hash[i] & mask]);
	}
	for (uint32 i = 0; i < n; i++)
	{
		uint32		s = hash[i] & mask;
		uint32		acc;

		while (slot[s].acc != 0 && slot[s].hash != hash[i])
			s = (s + 1) & mask;
		at[i] = s;
		acc = slot[s].acc;
		__builtin_prefetch(hg_collect_acc(c, acc), 1);
		if (kind == HG_KEY_INT)
			__builtin_prefetch(&c->keys.num[acc]);
		else if (kind == HG_KEY_UUID)
			__builtin_prefetch(&c->keys.uuid[acc]);
		else
			__builtin_prefetch(&c->keys.span[acc]);
	}
	if (kind == HG_KEY_BYTES)
	{
		for (uint32 i = 0; i < n; i++)
		{
			uint32		acc = slot[at[i]].acc;

			if (acc != 0)
				__builtin_prefetch(c->keys.text + c->keys.span[acc].offset);
		}
	}
	for (uint32 i = 0; i < n; i++)
	{
		uint32		s = at[i];

		/* What was empty above may have been taken since. */
		while (slot[s].acc != 0 &&
			   !(slot[s].hash == hash[i] &&
				 same_key(kind, &c->keys, slot[s].acc, keys, from + i)))
			s = (s + 1) & mask;
		if (slot[s].acc == 0)
		{
			slot[s].acc = c->n;
			slot[s].hash = hash[i];
			if (kind == HG_KEY_INT)
				c->keys.num[c->n] = keys->num[from + i];
			else if (kind == HG_KEY_UUID)
				c->keys.uuid[c->n] = keys->uuid[from + i];
			else
				store_text(c, c->n, keys->text + keys->span[from + i].offset,
						   keys->span[from + i].len);
			c->n++;
		}
		number[i] = slot[s].acc;
	}
}

/*
 * move_direct allocates accumulators for keys from first to last and moves
 * there what there is.
 */
static void
move_direct(HgCollect *c, int64 first, int64 last)
{
	uint32		size = (uint32) ((uint64) last - (uint64) first) + 2;
	uint32		shift = (uint32) ((uint64) c->base - (uint64) first);
	char	   *acc;
	HgChunk		chunk;

	if (shift == 0)
	{
		resize(c, size);
		c->n = size;
		return;
	}

	hg_collect_alloc_acc(c, size, &acc, &chunk);
	memcpy(acc, c->acc, c->stride);
	memcpy(acc + (shift + 1) * c->stride, c->acc + c->stride,
		   (c->size - 1) * c->stride);
	hg_chunk_free(c, &c->acc_chunk);
	c->acc = acc;
	c->acc_chunk = chunk;

	if (c->high != NULL)
	{
		int64	   *high = hg_collect_alloc(c, size * sizeof(int64), true);

		high[0] = c->high[0];
		memcpy(high + shift + 1, c->high + 1, (c->size - 1) * sizeof(int64));
		pfree(c->high);
		c->high = high;
	}
	if (c->flags != NULL)
	{
		uint8	   *flags = hg_collect_alloc(c, size, true);

		flags[0] = c->flags[0];
		memcpy(flags + shift + 1, c->flags + 1, c->size - 1);
		pfree(c->flags);
		c->flags = flags;
	}
	c->base = first;
	c->n = c->size = size;
}

/*
 * scatter moves accumulators 1 .. n - 1 of an older array to where the
 * collector, whose arrays are new, has them now.
 */
static void
scatter(HgCollect *c, const HgCollect *old, const uint32 *to, uint32 n)
{
	memcpy(c->acc, old->acc, c->stride);
	if (c->high)
		c->high[0] = old->high[0];
	if (c->flags)
		c->flags[0] = old->flags[0];
	for (uint32 i = 1; i < n; i++)
	{
		if (to[i] == 0)
			continue;
		memcpy(hg_collect_acc(c, to[i]), hg_collect_acc(old, i), c->stride);
		if (c->high)
			c->high[to[i]] = old->high[i];
		if (c->flags)
			c->flags[to[i]] = old->flags[i];
	}
}

/*
 * rearrange gives the collector arrays of a new size, with accumulator i of
 * the old ones at to[i]; 0: dropped.
 */
static void
rearrange(HgCollect *c, uint32 size, const uint32 *to)
{
	HgCollect	old = *c;

	CHECK_FOR_INTERRUPTS();
	c->size = size;
	hg_collect_alloc_acc(c, size, &c->acc, &c->acc_chunk);
	if (old.high)
		c->high = hg_collect_alloc(c, size * sizeof(int64), true);
	if (old.flags)
		c->flags = hg_collect_alloc(c, size, true);
	scatter(c, &old, to, old.n);
	hg_chunk_free(c, &old.acc_chunk);
	if (old.high)
		pfree(old.high);
	if (old.flags)
		pfree(old.flags);
}

/*
 * will_be_dense: are there going to be about as many keys as there are integers
 * in the range?  Out of D keys, r rows repeat one about r^2 / 2D times, as
 * birthdays do.
 */
static bool
will_be_dense(const HgCollect *c, uint64 span)
{
	uint32		n = c->n - 1;
	int64		rows = 0;
	int64		repeats;

	if (span >= (uint64) n * DENSE_SOON)
		return false;
	for (uint32 i = 1; i < c->n; i++)
		rows += hg_collect_facts(c, i);
	repeats = rows - n;
	return repeats >= SOON_REPEATS &&
		(double) rows * rows / (2.0 * repeats) >= span / 2.0;
}

/*
 * enter_direct does away with the hash if integer keys are dense.
 */
static bool
enter_direct(HgCollect *c)
{
	int64		first = PG_INT64_MAX;
	int64		last = PG_INT64_MIN;
	uint64		span;
	uint64		spare;
	uint32	   *to;

	if (c->key_kind != HG_KEY_INT || c->n <= DENSE_KEYS)
		return false;
	for (uint32 i = 1; i < c->n; i++)
	{
		first = Min(first, c->keys.num[i]);
		last = Max(last, c->keys.num[i]);
	}
	span = (uint64) last - (uint64) first;
	if (span >= (uint64) (c->n - 1) * DENSE_ENTER && !will_be_dense(c, span))
		return false;
	spare = span / DENSE_SPARE;
	first -= Min(spare, (uint64) first - (uint64) PG_INT64_MIN);
	last += Min(spare, (uint64) PG_INT64_MAX - (uint64) last);
	span = (uint64) last - (uint64) first;
	if (span > MAX_SIZE - 2)
		return false;

	to = hg_collect_alloc(c, c->n * sizeof(uint32), false);
	to[0] = 0;
	for (uint32 i = 1; i < c->n; i++)
		to[i] = (uint32) ((uint64) c->keys.num[i] - (uint64) first) + 1;
	c->direct = true;
	rearrange(c, (uint32) span + 2, to);
	pfree(to);
	pfree(c->slot);
	pfree(c->keys.num);
	c->slot = NULL;
	c->keys.num = NULL;
	c->base = first;
	c->n = c->size;
	return true;
}

/*
 * leave_direct goes back to the hash.
 */
static void
leave_direct(HgCollect *c)
{
	uint32		size = Max(pg_nextpower2_32(c->nused + 1) * 2, FIRST_SIZE);
	uint32	   *to = hg_collect_alloc(c, c->n * sizeof(uint32), true);
	uint32		n = 1;

	check_size(size);
	c->keys.num = hg_collect_alloc(c, size * sizeof(int64), false);
	for (uint32 i = 1; i < c->n; i++)
	{
		if (hg_collect_facts(c, i) == 0)
			continue;
		to[i] = n;
		c->keys.num[n++] = (int64) ((uint64) c->base + i - 1);
	}
	c->direct = false;
	rearrange(c, size, to);
	pfree(to);
	c->n = n;
	make_slots(c);
	for (uint32 i = 1; i < n; i++)
		put_slot(c, hg_hash_num(c->keys.num[i]), i);
}

/*
 * grow_hashed doubles the table.
 */
static void
grow_hashed(HgCollect *c)
{
	HgSlot	   *old = c->slot;
	uint64		nold = (uint64) c->slot_mask + 1;

	CHECK_FOR_INTERRUPTS();
	check_size((uint64) c->size * 2);
	resize_keys(c, c->size * 2);
	resize(c, c->size * 2);
	make_slots(c);
	for (uint64 i = 0; i < nold; i++)
	{
		if (old[i].acc != 0)
			put_slot(c, old[i].hash, old[i].acc);
	}
	pfree(old);
}

/*
 * grow_direct makes room for keys from first to last; false if that would take
 * too much.
 */
static bool
grow_direct(HgCollect *c, int64 first, int64 last)
{
	int64		old_last = (int64) ((uint64) c->base + c->n - 2);
	bool		down = first < c->base;
	uint64		most = (uint64) c->nused * DENSE_STAY + (uint64) 2 * HG_COLLECT_BLOCK;
	uint64		span;
	uint64		spare;

	CHECK_FOR_INTERRUPTS();
	first = Min(first, c->base);
	last = Max(last, old_last);
	most = Min(most, MAX_SIZE - 2);
	span = (uint64) last - (uint64) first;
	if (span >= most)
		return false;

	/*
	 * More is likely to come on the same side.  Upwards the arrays just become
	 * longer, so little is enough; downwards everything moves.
	 */
	spare = Min(down ? span / 2 : span / 8, most - span);
	if (down)
		first -= Min(spare, (uint64) first - (uint64) PG_INT64_MIN);
	else
		last += Min(spare, (uint64) PG_INT64_MAX - (uint64) last);
	move_direct(c, first, last);
	return true;
}

/*
 * locate_direct is hg_collect_locate by subtraction; false if it is none any
 * more.
 */
static bool
locate_direct(HgCollect *c, const int64 *num, uint32 n, uint32 *number)
{
	int64		first = num[0];
	int64		last = num[0];

	for (uint32 i = 1; i < n; i++)
	{
		first = Min(first, num[i]);
		last = Max(last, num[i]);
	}
	if ((first < c->base ||
		 (uint64) last - (uint64) c->base >= c->n - 1) &&
		!grow_direct(c, first, last))
	{
		leave_direct(c);
		return false;
	}
	for (uint32 i = 0; i < n; i++)
	{
		number[i] = (uint32) ((uint64) num[i] - (uint64) c->base) + 1;
		__builtin_prefetch(hg_collect_acc(c, number[i]), 1);
	}
	return true;
}

/*
 * hg_collect_locate finds the accumulators of the next keys.
 */
uint32
hg_collect_locate(HgCollect *c, const HgKeys *keys, uint32 from, uint32 n,
				  uint32 *number)
{
	n = Min(n, HG_COLLECT_BLOCK);
	if (c->direct && locate_direct(c, keys->num + from, n, number))
		return n;

	if (c->size - c->n < Min(n, LEAST_ROOM))
	{
		if (enter_direct(c))
			return hg_collect_locate(c, keys, from, n, number);
		grow_hashed(c);
	}
	n = Min(n, c->size - c->n);
	switch (c->key_kind)
	{
		case HG_KEY_INT:
			locate_hashed(c, keys, from, n, number, HG_KEY_INT);
			break;
		case HG_KEY_UUID:
			locate_hashed(c, keys, from, n, number, HG_KEY_UUID);
			break;
		case HG_KEY_BYTES:
			locate_hashed(c, keys, from, n, number, HG_KEY_BYTES);
			break;
	}
	return n;
}

/*
 * drop_table frees the table of a collector without facts.
 */
static void
drop_table(HgCollect *c)
{
	void	   *parts[] = {c->high, c->flags, c->slot,
		c->keys.num, c->keys.uuid, c->keys.span, c->keys.text};

	if (c->acc_chunk.start != NULL)
		hg_chunk_free(c, &c->acc_chunk);
	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		if (parts[i] != NULL)
			pfree(parts[i]);
	}
	c->high = NULL;
	c->flags = NULL;
	c->slot = NULL;
	memset(&c->keys, 0, sizeof(c->keys));
}

/*
 * hg_collect_reserve makes the table of a collector that has no facts yet.
 */
void
hg_collect_reserve(HgCollect *c, uint32 n, bool dense, int64 first,
				   int64 last)
{
	uint32		size;

	Assert(c->nused == 0);
	drop_table(c);
	c->stride = hg_acc_stride(c->kind);
	c->direct = dense;
	c->n = 1;
	if (dense)
	{
		c->base = first;
		check_size((uint64) last - (uint64) first);
		c->n = c->size = (uint32) ((uint64) last - (uint64) first) + 2;
		hg_collect_alloc_acc(c, c->size, &c->acc, &c->acc_chunk);
		return;
	}

	size = Max(n + 1, FIRST_SIZE);
	check_size(size);
	c->size = size;
	hg_collect_alloc_acc(c, size, &c->acc, &c->acc_chunk);
	switch (c->key_kind)
	{
		case HG_KEY_INT:
			c->keys.num = hg_collect_alloc(c, size * sizeof(int64), false);
			break;
		case HG_KEY_UUID:
			c->keys.uuid = hg_collect_alloc(c, size * sizeof(pg_uuid_t), false);
			break;
		case HG_KEY_BYTES:
			c->keys.span = hg_collect_alloc(c, size * sizeof(HgSpan), false);
			c->keys.text_size = (Size) FIRST_SIZE * 8;
			c->keys.text = hg_collect_alloc(c, c->keys.text_size, false);
			break;
	}
	make_slots(c);
}
