/*-------------------------------------------------------------------------
 *
 * collect_merge.c
 *	  Merging partial rollups, as collectors or as bytes.
 *
 * Either way blocks of accumulators are looked up and added.  Both sides have
 * the same kind and scale by then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "rollup/collect_state.h"
#include "rollup/collect_wire.h"

typedef struct WireReader
{
	const unsigned char *pos;
	const unsigned char *end;
} WireReader;

/* Columns of accumulators, or the bytes of three numerics each. */
typedef struct WireAccs
{
	HgColumn	count;
	HgColumn	value[4];		/* sum, least, greatest; sum, rest, least,
								 * greatest */
	const unsigned char *bytes[3];	/* WIDE: where the next one is */
	HgColumn	flags;
} WireAccs;

typedef struct WireKeys
{
	HgColumn	num;			/* integers, or lengths of texts */
	const unsigned char *bytes; /* uuids or texts */
	uint64		offset;			/* of the next text */
} WireKeys;

/* A block of accumulators. */
typedef struct WireBlock
{
	uint32		n;
	union
	{
		int64		count[HG_COLLECT_BLOCK];
		HgNarrow	narrow[HG_COLLECT_BLOCK];
		HgMedium	medium[HG_COLLECT_BLOCK];
		HgWide		wide[HG_COLLECT_BLOCK];
		HgDouble	real[HG_COLLECT_BLOCK];
	}			acc;
	int64		high[HG_COLLECT_BLOCK];
	uint8		flags[HG_COLLECT_BLOCK];
	int64		num[HG_COLLECT_BLOCK];
	HgSpan		span[HG_COLLECT_BLOCK];
} WireBlock;

/*
 * damaged raises the error for bytes that make no sense.
 */
hg_noreturn static void
damaged(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("partial result of rollup is damaged")));
}

/*
 * read_bytes takes so many bytes.
 */
static const unsigned char *
read_bytes(WireReader *reader, uint64 len)
{
	const unsigned char *bytes = reader->pos;

	if (len > (uint64) (reader->end - reader->pos))
		damaged();
	reader->pos += len;
	return bytes;
}

/*
 * read_column reads the head of a column of a type.
 */
static void
read_column(WireReader *reader, HgColumn *col, HgColumnType type, uint32 n)
{
	if (!hg_column_read(col, &reader->pos, reader->end, n) ||
		(col->type != type && col->type != HG_COLUMN_NONE))
		damaged();
}

/*
 * read_head reads the head.
 */
static void
read_head(WireReader *reader, HgWireHead *head)
{
	memcpy(head, read_bytes(reader, sizeof(HgWireHead)), sizeof(HgWireHead));
	if (head->magic != HG_WIRE_MAGIC ||
		(unsigned) head->kind > HG_ACC_REAL || head->kind == HG_ACC_COMPACT ||
		head->scale < 0 ||
		(head->has_high && head->kind != HG_ACC_NARROW) ||
		(head->args.value == HG_VALUE_COUNT) != (head->kind == HG_ACC_COUNT) ||
		(head->args.value == HG_VALUE_REAL) != (head->kind == HG_ACC_REAL))
		damaged();
}

/*
 * sum_lengths adds up lengths, which must not be negative.
 */
static uint64
sum_lengths(const HgColumn *len)
{
	uint64		sum = 0;

	for (uint32 i = 0; i < len->n; i++)
	{
		hg_int128	one = hg_column_int(len, i);

		if (one < 0 || one > MaxAllocSize)
			damaged();
		sum += (uint64) one;
	}
	return sum;
}

/*
 * read_accs reads the heads of the columns of n accumulators.
 */
static void
read_accs(WireReader *reader, const HgWireHead *head, uint32 n, WireAccs *accs)
{
	int			ncolumns = head->kind == HG_ACC_COUNT ? 0 :
		head->kind == HG_ACC_REAL ? 4 : 3;

	memset(accs, 0, sizeof(WireAccs));
	read_column(reader, &accs->count, HG_COLUMN_INT, n);
	for (int i = 0; i < ncolumns; i++)
	{
		read_column(reader, &accs->value[i],
					head->kind == HG_ACC_REAL ? HG_COLUMN_REAL : HG_COLUMN_INT, n);
		if (head->kind == HG_ACC_WIDE)
			accs->bytes[i] = read_bytes(reader, sum_lengths(&accs->value[i]));
	}
	if (head->has_flags)
		read_column(reader, &accs->flags, HG_COLUMN_INT, n);
}

/*
 * put_ints reads n integers of a column into a field of accumulators.
 */
static void
put_ints(const HgColumn *col, uint32 from, uint32 n, int64 *field, Size stride)
{
	char	   *out = (char *) field;
	const unsigned char *in = col->data + (Size) from * col->width;
	int64		least = (int64) col->least;

#define PUT_INTS(type) \
	for (uint32 i = 0; i < n; i++, out += stride, in += sizeof(type)) \
	{ \
		type		stored; \
		memcpy(&stored, in, sizeof(type)); \
		*(int64 *) out = (int64) ((uint64) least + stored); \
	}

#ifndef WORDS_BIGENDIAN
	if (col->type == HG_COLUMN_INT)
	{
		switch (col->width)
		{
			case 1:
				PUT_INTS(uint8);
				return;
			case 2:
				PUT_INTS(uint16);
				return;
			case 4:
				PUT_INTS(uint32);
				return;
			case 8:
				PUT_INTS(uint64);
				return;
		}
	}
#endif
	for (uint32 i = 0; i < n; i++, out += stride)
		*(int64 *) out = (int64) hg_column_int(col, from + i);
}

/*
 * put_int128s is put_ints for 128 bits.
 */
static void
put_int128s(const HgColumn *col, uint32 from, uint32 n, hg_int128 *field,
			Size stride)
{
	for (uint32 i = 0; i < n; i++)
		*(hg_int128 *) ((char *) field + i * stride) = hg_column_int(col, from + i);
}

/*
 * put_doubles is put_ints for double precision.
 */
static void
put_doubles(const HgColumn *col, uint32 from, uint32 n, double *field,
			Size stride)
{
	for (uint32 i = 0; i < n; i++)
		*(double *) ((char *) field + i * stride) = hg_column_real(col, from + i);
}

/*
 * put_numerics copies n numerics, palloc'd.
 */
static void
put_numerics(WireAccs *accs, int which, uint32 from, uint32 n, Numeric *field)
{
	for (uint32 i = 0; i < n; i++)
	{
		Size		len = (Size) hg_column_int(&accs->value[which], from + i);
		char	   *num = palloc(Max(len, VARHDRSZ));

		memcpy(num, accs->bytes[which], len);
		if (len < VARHDRSZ + sizeof(uint16) || VARATT_IS_1B(num) ||
			VARATT_IS_4B_C(num) || VARSIZE(num) != len)
			damaged();
		accs->bytes[which] += len;
		*(Numeric *) ((char *) field + i * sizeof(HgWide)) = (Numeric) num;
	}
}

/*
 * put_high_sums reads sums of NARROW accumulators beyond 64 bits.
 */
static void
put_high_sums(const HgColumn *col, uint32 from, WireBlock *block)
{
	for (uint32 i = 0; i < block->n; i++)
	{
		hg_int128	sum = hg_column_int(col, from + i);
		int64		low = (int64) sum;

		block->acc.narrow[i].sum = low;
		block->high[i] = (int64) ((sum - low) >> 64);
	}
}

/*
 * put_block reads a block of accumulators.
 */
static void
put_block(WireAccs *accs, const HgWireHead *head, uint32 from,
		  WireBlock *block)
{
	HgAccKind	kind = head->kind;
	uint32		n = block->n;
	Size		stride = hg_acc_stride(kind);

	put_ints(&accs->count, from, n,
			 (int64 *) ((char *) &block->acc + stride - sizeof(int64)), stride);
	switch (kind)
	{
		case HG_ACC_COUNT:
		case HG_ACC_COMPACT:
			break;
		case HG_ACC_NARROW:
			if (head->has_high)
				put_high_sums(&accs->value[0], from, block);
			else
				put_ints(&accs->value[0], from, n, &block->acc.narrow[0].sum, stride);
			put_ints(&accs->value[1], from, n, &block->acc.narrow[0].least, stride);
			put_ints(&accs->value[2], from, n, &block->acc.narrow[0].greatest, stride);
			break;
		case HG_ACC_MEDIUM:
			put_int128s(&accs->value[0], from, n, &block->acc.medium[0].sum, stride);
			put_int128s(&accs->value[1], from, n, &block->acc.medium[0].least, stride);
			put_int128s(&accs->value[2], from, n, &block->acc.medium[0].greatest, stride);
			break;
		case HG_ACC_WIDE:
			put_numerics(accs, 0, from, n, &block->acc.wide[0].sum);
			put_numerics(accs, 1, from, n, &block->acc.wide[0].least);
			put_numerics(accs, 2, from, n, &block->acc.wide[0].greatest);
			break;
		case HG_ACC_REAL:
			put_doubles(&accs->value[0], from, n, &block->acc.real[0].sum.sum, stride);
			put_doubles(&accs->value[1], from, n, &block->acc.real[0].sum.rest, stride);
			put_doubles(&accs->value[2], from, n, &block->acc.real[0].least, stride);
			put_doubles(&accs->value[3], from, n, &block->acc.real[0].greatest, stride);
			break;
	}
	for (uint32 i = 0; accs->flags.type != HG_COLUMN_NONE && i < n; i++)
		block->flags[i] = (uint8) hg_column_int(&accs->flags, from + i);
}

/*
 * free_numerics frees what put_numerics copied.
 */
static void
free_numerics(WireBlock *block)
{
	for (uint32 i = 0; i < block->n; i++)
	{
		pfree(block->acc.wide[i].sum);
		pfree(block->acc.wide[i].least);
		pfree(block->acc.wide[i].greatest);
	}
}

/*
 * read_keys reads the head of the keys.
 */
static void
read_keys(WireReader *reader, const HgWireHead *head, HgKeyKind kind,
		  WireKeys *keys)
{
	memset(keys, 0, sizeof(WireKeys));
	if (head->dense)
		return;
	if (kind == HG_KEY_UUID)
	{
		keys->bytes = read_bytes(reader, (uint64) head->n * UUID_LEN);
		return;
	}
	read_column(reader, &keys->num, HG_COLUMN_INT, head->n);
	if (kind == HG_KEY_BYTES)
		keys->bytes = read_bytes(reader, sum_lengths(&keys->num));
}

/*
 * put_keys reads a block of keys.
 */
static void
put_keys(WireKeys *wire, const HgWireHead *head, HgKeyKind kind, uint32 from,
		 WireBlock *block, HgKeys *keys)
{
	memset(keys, 0, sizeof(HgKeys));
	keys->num = block->num;
	keys->span = block->span;
	switch (kind)
	{
		case HG_KEY_INT:
			if (!head->dense)
				put_ints(&wire->num, from, block->n, block->num, sizeof(int64));
			for (uint32 i = 0; head->dense && i < block->n; i++)
				block->num[i] = (int64) ((uint64) head->base + from + i);
			break;
		case HG_KEY_UUID:
			keys->uuid = (pg_uuid_t *) (wire->bytes + (Size) from * UUID_LEN);
			break;
		case HG_KEY_BYTES:
			keys->text = unconstify(char *, (const char *) wire->bytes);
			for (uint32 i = 0; i < block->n; i++)
			{
				block->span[i].offset = wire->offset;
				block->span[i].len = (uint32) hg_column_int(&wire->num, from + i);
				wire->offset += block->span[i].len;
			}
			break;
	}
}

/*
 * squeeze drops accumulators without facts from a block, which only a range
 * may contain.
 */
static void
squeeze(WireBlock *block, const HgWireHead *head)
{
	Size		stride = hg_acc_stride(head->kind);
	char	   *acc = (char *) &block->acc;
	uint32		n = 0;

	for (uint32 i = 0; i < block->n; i++)
	{
		int64		count = *(int64 *) (acc + (i + 1) * stride - sizeof(int64));

		if (count < 0 || (count == 0 && !head->dense))
			damaged();
		if (count == 0)
			continue;
		if (n < i)
		{
			memcpy(acc + n * stride, acc + i * stride, stride);
			block->high[n] = block->high[i];
			block->flags[n] = block->flags[i];
			block->num[n] = block->num[i];
		}
		n++;
	}
	block->n = n;
}

/*
 * hg_collect_add_block adds n accumulators, all in use, whose keys begin at
 * "from".
 */
void
hg_collect_add_block(HgCollect *c, HgAccKind kind, const HgKeys *keys,
					 uint32 from, const void *acc, const int64 *high,
					 const uint8 *flags, uint32 n)
{
	Size		stride = hg_acc_stride(kind);
	uint32		number[HG_COLLECT_BLOCK];
	uint32		done = 0;

	while (done < n)
	{
		uint32		m = hg_collect_locate(c, keys, from + done, n - done, number);

		hg_collect_add_acc(c, kind, number, (const char *) acc + done * stride,
						   high ? high + done : NULL,
						   flags ? flags + done : NULL, m);
		done += m;
	}
}

/*
 * add_keyless adds an accumulator of facts without a key.
 */
static void
add_keyless(HgCollect *c, HgAccKind kind, const void *acc, const int64 *high,
			const uint8 *flags)
{
	uint32		number = 0;

	hg_collect_add_acc(c, kind, &number, acc, high, flags, 1);
}

/*
 * merge_wire adds what follows a head of the collector's own kind and scale.
 */
static void
merge_wire(HgCollect *c, WireReader *reader, const HgWireHead *head)
{
	WireBlock  *block = palloc(sizeof(WireBlock));
	const int64 *high = head->has_high ? block->high : NULL;
	const uint8 *flags = head->has_flags ? block->flags : NULL;
	WireAccs	accs;
	WireKeys	wire;
	HgKeys		keys;

	if (head->has_keyless)
	{
		block->n = 1;
		read_accs(reader, head, 1, &accs);
		put_block(&accs, head, 0, block);
		squeeze(block, head);
		if (block->n == 1)
			add_keyless(c, head->kind, &block->acc, high, flags);
		if (head->kind == HG_ACC_WIDE)
			free_numerics(block);
	}
	if (head->n > 0)
	{
		read_keys(reader, head, c->key_kind, &wire);
		read_accs(reader, head, head->n, &accs);
	}
	for (uint32 from = 0; from < head->n; from += HG_COLLECT_BLOCK)
	{
		CHECK_FOR_INTERRUPTS();
		block->n = Min(head->n - from, HG_COLLECT_BLOCK);
		put_keys(&wire, head, c->key_kind, from, block, &keys);
		put_block(&accs, head, from, block);
		squeeze(block, head);
		hg_collect_add_block(c, head->kind, &keys, 0, &block->acc, high, flags, block->n);
		if (head->kind == HG_ACC_WIDE)
			free_numerics(block);
	}
	if (reader->pos != reader->end)
		damaged();
	pfree(block);
}

/*
 * hg_collect_wire_args tells what the collector behind some bytes was called
 * with.
 */
void
hg_collect_wire_args(const char *data, Size len, HgCollectArgs *args)
{
	WireReader	reader = {(const unsigned char *) data, (const unsigned char *) data + len};
	HgWireHead	head;

	read_head(&reader, &head);
	*args = head.args;
}

/*
 * hg_collect_wire_from_worker tells whether a worker wrote some bytes.
 */
bool
hg_collect_wire_from_worker(const char *data, Size len)
{
	WireReader	reader = {(const unsigned char *) data, (const unsigned char *) data + len};
	HgWireHead	head;

	read_head(&reader, &head);
	return head.from_worker;
}

/*
 * hg_collect_merge_bytes adds what hg_collect_serialize wrote.
 */
void
hg_collect_merge_bytes(HgCollect *c, const char *data, Size len)
{
	WireReader	reader = {(const unsigned char *) data, (const unsigned char *) data + len};
	HgWireHead	head;
	MemoryContext mcxt;
	HgCollect  *other;

	hg_collect_flush(c);
	read_head(&reader, &head);
	hg_collect_check_args(&c->args, &head.args);
	if (head.dense && (c->key_kind != HG_KEY_INT || head.n == 0))
		damaged();

	if (c->nused == 0)
	{
		hg_collect_adopt(c, head.kind, head.scale);
		hg_collect_reserve(c, head.n, head.dense, head.base,
						   (int64) ((uint64) head.base + head.n - 1));
	}
	if (c->kind == head.kind && c->scale == head.scale)
	{
		merge_wire(c, &reader, &head);
		return;
	}

	mcxt = AllocSetContextCreate(CurrentMemoryContext, "hierarchy partial rollup",
								 ALLOCSET_DEFAULT_SIZES);
	other = hg_collect_create(&head.args, mcxt);
	hg_collect_merge_bytes(other, data, len);
	hg_collect_merge(c, other);
	MemoryContextDelete(mcxt);
}

/*
 * agree brings two collectors to the same kind and scale.
 */
static void
agree(HgCollect *a, HgCollect *b)
{
	if (a->args.value != HG_VALUE_EXACT)
		return;
	hg_collect_rescale(a, b->scale);
	hg_collect_rescale(b, a->scale);
	hg_collect_raise(a, b->kind);
	hg_collect_raise(b, a->kind);
}

/*
 * hg_collect_merge adds everything of another collector.
 */
void
hg_collect_merge(HgCollect *c, HgCollect *from)
{
	hg_collect_flush(c);
	hg_collect_flush(from);
	hg_collect_check_args(&c->args, &from->args);
	if (from->nused == 0)
		return;
	if (c->nused == 0)
	{
		hg_collect_adopt(c, from->kind, from->scale);
		hg_collect_reserve(c, from->nused, from->direct, from->base,
						   (int64) ((uint64) from->base + from->n - 2));
	}
	agree(c, from);

	if (hg_collect_facts(from, 0) != 0)
		add_keyless(c, from->kind, hg_collect_acc(from, 0), from->high, from->flags);
	if (from->direct)
		hg_collect_merge_range(c, from);
	else
	{
		for (uint32 i = 1; i < from->n; i += HG_COLLECT_BLOCK)
		{
			CHECK_FOR_INTERRUPTS();
			hg_collect_add_block(c, from->kind, &from->keys, i, hg_collect_acc(from, i),
								 from->high ? from->high + i : NULL,
								 from->flags ? from->flags + i : NULL,
								 Min(from->n - i, HG_COLLECT_BLOCK));
		}
	}
	hg_collect_flush(c);
}
