/*-------------------------------------------------------------------------
 *
 * collect_hash.h
 *	  Hash functions of a collector: a few multiplications each, since there
 *	  is one call a fact.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_COLLECT_HASH_H
#define HGRAPH_COLLECT_HASH_H

#include "utils/uuid.h"

#define HG_HASH_FACTOR_1	UINT64CONST(0xd6e8feb86659fd93)
#define HG_HASH_FACTOR_2	UINT64CONST(0xa0761d6478bd642f)
#define HG_HASH_FACTOR_3	UINT64CONST(0xe7037ed1a0b428db)

/*
 * hg_hash_num hashes an integer.
 */
static inline uint32
hg_hash_num(int64 num)
{
	uint64		h = (uint64) num;

	h ^= h >> 32;
	h *= HG_HASH_FACTOR_1;
	h ^= h >> 32;
	h *= HG_HASH_FACTOR_1;
	return (uint32) (h >> 32);
}

/*
 * hg_fold_product multiplies and keeps something of every bit.
 */
static inline uint64
hg_fold_product(uint64 a, uint64 b)
{
	unsigned __int128 product = (unsigned __int128) a * b;

	return (uint64) product ^ (uint64) (product >> 64);
}

/*
 * hg_hash_text hashes a string of bytes, eight at a time.
 */
static inline uint32
hg_hash_text(const char *text, uint32 len)
{
	uint64		h = HG_HASH_FACTOR_2 ^ len;
	uint64		word = 0;

	for (; len > 8; len -= 8, text += 8)
	{
		memcpy(&word, text, 8);
		h = hg_fold_product(h ^ word, HG_HASH_FACTOR_3);
	}
	word = 0;
	if (len >= 4)
	{
		uint32		first;
		uint32		last;

		memcpy(&first, text, 4);
		memcpy(&last, text + len - 4, 4);
		word = (uint64) first << 32 | last;
	}
	else
	{
		for (uint32 i = 0; i < len; i++)
			word = word << 8 | (unsigned char) text[i];
	}
	h = hg_fold_product(h ^ word, HG_HASH_FACTOR_1);
	return (uint32) (h ^ h >> 32);
}

/*
 * hg_hash_uuid hashes a uuid.
 */
static inline uint32
hg_hash_uuid(const pg_uuid_t *uuid)
{
	uint64		half[2];
	uint64		h;

	memcpy(half, uuid->data, sizeof(half));
	h = hg_fold_product(half[0] ^ HG_HASH_FACTOR_2, half[1] ^ HG_HASH_FACTOR_3);
	return (uint32) (h ^ h >> 32);
}

#endif							/* HGRAPH_COLLECT_HASH_H */
