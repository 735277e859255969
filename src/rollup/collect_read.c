/*-------------------------------------------------------------------------
 *
 * collect_read.c
 *	  Reading a collector.  Outside, accumulators are numbered from 0; number
 *	  0 inside is that of facts without a key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "rollup/collect_state.h"

/*
 * hg_collect_size is the number of accumulators, unused ones included.
 */
uint32
hg_collect_size(const HgCollect *c)
{
	return c->n - 1;
}

/*
 * hg_collect_kind is what accumulators look like.
 */
HgAccKind
hg_collect_kind(const HgCollect *c)
{
	return c->kind;
}

/*
 * hg_collect_scale is the scale of all amounts.
 */
int
hg_collect_scale(const HgCollect *c)
{
	return c->scale;
}

/*
 * hg_collect_count is the number of facts of an accumulator.
 */
int64
hg_collect_count(const HgCollect *c, uint32 i)
{
	return hg_collect_facts(c, i + 1);
}

/*
 * hg_collect_key is the key of an accumulator; bytes point into the collector.
 */
HgKey
hg_collect_key(const HgCollect *c, uint32 i)
{
	HgKey		key = {0, NULL, 0};

	if (c->direct)
		key.num = (int64) ((uint64) c->base + i);
	else if (c->key_kind == HG_KEY_INT)
		key.num = c->keys.num[i + 1];
	else if (c->key_kind == HG_KEY_UUID)
	{
		key.bytes = c->keys.uuid[i + 1].data;
		key.len = UUID_LEN;
	}
	else
	{
		key.bytes = (const unsigned char *) c->keys.text + c->keys.span[i + 1].offset;
		key.len = c->keys.span[i + 1].len;
	}
	return key;
}

/*
 * sum_of is the sum of an accumulator by its inner number.
 */
static void
sum_of(const HgCollect *c, uint32 number, HgAmount *sum)
{
	memset(sum, 0, sizeof(HgAmount));
	if (hg_collect_facts(c, number) == 0)
		return;
	if (c->flags != NULL)
		sum->flags = c->flags[number];

	switch (c->kind)
	{
		case HG_ACC_COUNT:
			sum->fixed = hg_collect_facts(c, number);
			break;
		case HG_ACC_COMPACT:
		case HG_ACC_NARROW:
		case HG_ACC_MEDIUM:
			sum->fixed = hg_collect_fixed_sum(c, number);
			break;
		case HG_ACC_WIDE:
			sum->wide = ((HgWide *) hg_collect_acc(c, number))->sum;
			break;
		case HG_ACC_REAL:
			sum->real = ((HgDouble *) hg_collect_acc(c, number))->sum;
			break;
	}
}

/*
 * hg_collect_sum is the sum of an accumulator.
 */
void
hg_collect_sum(const HgCollect *c, uint32 i, HgAmount *sum)
{
	sum_of(c, i + 1, sum);
}

/*
 * hg_collect_keyless is the number of facts without a key, and their sum.
 */
int64
hg_collect_keyless(const HgCollect *c, HgAmount *sum)
{
	sum_of(c, 0, sum);
	return hg_collect_facts(c, 0);
}

/*
 * hg_collect_special: does any sum have flags?
 */
bool
hg_collect_special(const HgCollect *c)
{
	return c->flags != NULL;
}

/*
 * hg_collect_plain returns accumulators that are all there is to know.
 */
HgPlain
hg_collect_plain(const HgCollect *c)
{
	HgPlain		plain = {0};

	if (c->high != NULL || c->flags != NULL)
		return plain;
	if (c->kind == HG_ACC_COMPACT)
		plain.compact = hg_collect_acc(c, 1);
	else if (c->kind == HG_ACC_NARROW)
		plain.narrow = hg_collect_acc(c, 1);
	return plain;
}

/*
 * hg_collect_dense: are keys consecutive integers?
 */
bool
hg_collect_dense(const HgCollect *c, int64 *first)
{
	*first = c->base;
	return c->direct;
}

/*
 * hg_collect_extremes are the extremes of an accumulator in use.
 */
void
hg_collect_extremes(const HgCollect *c, uint32 i,
					hg_int128 *least, hg_int128 *greatest,
					Numeric *least_wide, Numeric *greatest_wide)
{
	const void *acc = hg_collect_acc(c, i + 1);

	switch (c->kind)
	{
		case HG_ACC_COUNT:
			*least = HG_NO_MIN;
			*greatest = HG_NO_MAX;
			break;
		case HG_ACC_COMPACT:
			*least = ((const HgCompact *) acc)->least;
			*greatest = ((const HgCompact *) acc)->greatest;
			break;
		case HG_ACC_NARROW:
			*least = hg_extreme_medium(((const HgNarrow *) acc)->least);
			*greatest = hg_extreme_medium(((const HgNarrow *) acc)->greatest);
			break;
		case HG_ACC_MEDIUM:
			*least = ((const HgMedium *) acc)->least;
			*greatest = ((const HgMedium *) acc)->greatest;
			break;
		case HG_ACC_WIDE:
			*least_wide = ((const HgWide *) acc)->least;
			*greatest_wide = ((const HgWide *) acc)->greatest;
			break;
		case HG_ACC_REAL:
			*least = hg_real_to_ordered(((const HgDouble *) acc)->least);
			*greatest = hg_real_to_ordered(((const HgDouble *) acc)->greatest);
			break;
	}
}

/*
 * put_key makes a block of one key.
 */
static void
put_key(const HgKey *key, HgKeyKind kind, HgKeys *keys)
{
	switch (kind)
	{
		case HG_KEY_INT:
			*keys->num = key->num;
			break;
		case HG_KEY_UUID:
			memcpy(keys->uuid->data, key->bytes, UUID_LEN);
			break;
		case HG_KEY_BYTES:
			keys->text = unconstify(char *, (const char *) key->bytes);
			keys->span->offset = 0;
			keys->span->len = key->len;
			break;
	}
}

/*
 * hg_collect_rekey makes a collector with the same facts under other keys.
 */
HgCollect *
hg_collect_rekey(HgCollect *c, Oid node_type, HgKeyMap map, void *arg,
				 MemoryContext mcxt)
{
	HgCollectArgs args = c->args;
	HgCollect  *result;
	int64		num;
	pg_uuid_t	uuid;
	HgSpan		span;
	HgKeys		keys = {.num = &num, .uuid = &uuid, .span = &span};

	hg_collect_flush(c);
	args.node_type = node_type;
	result = hg_collect_create(&args, mcxt);
	hg_collect_adopt(result, c->kind, c->scale);
	hg_collect_reserve(result, c->nused, false, 0, 0);

	for (uint32 i = 0; i < c->n; i++)
	{
		uint32		number = 0;
		HgKey		key;
		HgKey		mapped;

		if ((i & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (hg_collect_facts(c, i) == 0)
			continue;
		if (i > 0)
		{
			key = hg_collect_key(c, i - 1);
			if (map(arg, &key, &mapped))
			{
				put_key(&mapped, result->key_kind, &keys);
				(void) hg_collect_locate(result, &keys, 0, 1, &number);
			}
		}
		hg_collect_add_acc(result, c->kind, &number, hg_collect_acc(c, i),
						   c->high ? &c->high[i] : NULL,
						   c->flags ? &c->flags[i] : NULL, 1);
	}
	return result;
}
