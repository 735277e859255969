/*-------------------------------------------------------------------------
 *
 * collect_wire.c
 *	  A partial rollup as bytes, for another process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "rollup/collect_state.h"
#include "rollup/collect_wire.h"

/* What fits a value, with some room for what is sent along with it. */
#define WIRE_LIMIT		(MaxAllocSize - (Size) 1024 * 1024)

/* Accumulators to be written: first + order[i], order NULL: first + i. */
typedef struct WireRows
{
	const HgCollect *c;
	uint32		first;
	const uint32 *order;
	uint32		n;
} WireRows;

/*
 * check_length raises an error for what is too much for one value.
 */
static void
check_length(const HgBuffer *buf)
{
	if (buf->len > WIRE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("partial result of rollup is too large to be sent to another process"),
				 errhint("Set max_parallel_workers_per_gather to 0.")));
}

/*
 * write_column writes a field of accumulators; offset is within one.
 */
static void
write_column(HgBuffer *buf, const WireRows *rows, HgSourceType type,
			 Size offset)
{
	HgSource	source = {.type = type, .stride = rows->c->stride};

	source.base = (char *) hg_collect_acc(rows->c, rows->first) + offset;
	hg_column_write(buf, &source, rows->order, rows->n);
	check_length(buf);
}

/*
 * write_array writes an array that runs beside the accumulators.
 */
static void
write_array(HgBuffer *buf, const WireRows *rows, HgSourceType type,
			const void *array, Size size)
{
	HgSource	source = {.type = type, .stride = size};

	source.base = (const char *) array + rows->first * size;
	hg_column_write(buf, &source, rows->order, rows->n);
	check_length(buf);
}

/*
 * write_narrow_sums writes sums, of which some do not fit 64 bits.
 */
static void
write_narrow_sums(HgBuffer *buf, const WireRows *rows)
{
	hg_int128  *sum = MemoryContextAllocHuge(CurrentMemoryContext,
											 (Size) rows->n * sizeof(hg_int128));
	HgSource	source = {.type = HG_SOURCE_INT128, .base = sum, .stride = sizeof(hg_int128)};

	for (uint32 i = 0; i < rows->n; i++)
		sum[i] = hg_collect_fixed_sum(rows->c,
									  rows->first + (rows->order ? rows->order[i] : i));
	hg_column_write(buf, &source, NULL, rows->n);
	check_length(buf);
	pfree(sum);
}

/*
 * write_lengths writes a column of lengths.
 */
static void
write_lengths(HgBuffer *buf, const uint32 *len, uint32 n)
{
	HgSource	source = {.type = HG_SOURCE_UINT32, .base = len, .stride = sizeof(uint32)};

	hg_column_write(buf, &source, NULL, n);
	check_length(buf);
}

/*
 * write_numerics writes one of the numerics of accumulators, all in use.
 */
static void
write_numerics(HgBuffer *buf, const WireRows *rows, Size offset)
{
	uint32	   *len = MemoryContextAllocHuge(CurrentMemoryContext,
											 (Size) rows->n * sizeof(uint32));

	for (int pass = 0; pass < 2; pass++)
	{
		for (uint32 i = 0; i < rows->n; i++)
		{
			uint32		number = rows->first + (rows->order ? rows->order[i] : i);
			Numeric		num = *(Numeric *) ((char *) hg_collect_acc(rows->c, number) + offset);

			if (pass == 0)
				len[i] = VARSIZE(num);
			else
				hg_buffer_put(buf, num, len[i]);
			if ((i & 0xfff) == 0)
				check_length(buf);
		}
		if (pass == 0)
			write_lengths(buf, len, rows->n);
	}
	pfree(len);
}

/*
 * write_accs writes accumulators.
 */
static void
write_accs(HgBuffer *buf, const WireRows *rows)
{
	const HgCollect *c = rows->c;

	write_column(buf, rows, HG_SOURCE_INT64, c->stride - sizeof(int64));
	switch (c->kind)
	{
		case HG_ACC_COUNT:
		case HG_ACC_COMPACT:
			break;
		case HG_ACC_NARROW:
			if (c->high != NULL)
				write_narrow_sums(buf, rows);
			else
				write_column(buf, rows, HG_SOURCE_INT64, offsetof(HgNarrow, sum));
			write_column(buf, rows, HG_SOURCE_INT64, offsetof(HgNarrow, least));
			write_column(buf, rows, HG_SOURCE_INT64, offsetof(HgNarrow, greatest));
			break;
		case HG_ACC_MEDIUM:
			write_column(buf, rows, HG_SOURCE_INT128, offsetof(HgMedium, sum));
			write_column(buf, rows, HG_SOURCE_INT128, offsetof(HgMedium, least));
			write_column(buf, rows, HG_SOURCE_INT128, offsetof(HgMedium, greatest));
			break;
		case HG_ACC_WIDE:
			write_numerics(buf, rows, offsetof(HgWide, sum));
			write_numerics(buf, rows, offsetof(HgWide, least));
			write_numerics(buf, rows, offsetof(HgWide, greatest));
			break;
		case HG_ACC_REAL:
			write_column(buf, rows, HG_SOURCE_DOUBLE, offsetof(HgDouble, sum.sum));
			write_column(buf, rows, HG_SOURCE_DOUBLE, offsetof(HgDouble, sum.rest));
			write_column(buf, rows, HG_SOURCE_DOUBLE, offsetof(HgDouble, least));
			write_column(buf, rows, HG_SOURCE_DOUBLE, offsetof(HgDouble, greatest));
			break;
	}
	if (c->flags != NULL)
		write_array(buf, rows, HG_SOURCE_UINT8, c->flags, sizeof(uint8));
}

/*
 * write_keys writes the keys of rows whose keys are no range.
 */
static void
write_keys(HgBuffer *buf, const WireRows *rows)
{
	const HgCollect *c = rows->c;
	int64	   *num;
	uint32	   *len;

	if (c->key_kind == HG_KEY_UUID)
	{
		hg_buffer_put(buf, c->keys.uuid + rows->first, (Size) rows->n * UUID_LEN);
		check_length(buf);
	}
	else if (c->key_kind == HG_KEY_BYTES)
	{
		len = MemoryContextAllocHuge(CurrentMemoryContext, (Size) rows->n * sizeof(uint32));
		for (uint32 i = 0; i < rows->n; i++)
			len[i] = c->keys.span[rows->first + i].len;
		write_lengths(buf, len, rows->n);
		pfree(len);
		/* In order, and nothing in between: see store_text. */
		hg_buffer_put(buf, c->keys.text, c->keys.text_len);
		check_length(buf);
	}
	else if (!c->direct)
		write_array(buf, rows, HG_SOURCE_INT64, c->keys.num, sizeof(int64));
	else
	{
		HgSource	source = {.type = HG_SOURCE_INT64, .stride = sizeof(int64)};

		num = MemoryContextAllocHuge(CurrentMemoryContext, (Size) rows->n * sizeof(int64));
		for (uint32 i = 0; i < rows->n; i++)
			num[i] = (int64) ((uint64) c->base + rows->order[i] + rows->first - 1);
		source.base = num;
		hg_column_write(buf, &source, NULL, rows->n);
		check_length(buf);
		pfree(num);
	}
}

/*
 * choose_rows decides what to write of a table of dense keys: all from the
 * first to the last one used, or only those in use if they are few, or where
 * others have nothing to write.
 */
static void
choose_rows(const HgCollect *c, WireRows *rows, HgWireHead *head)
{
	uint32		last = c->n - 1;
	uint32		used = c->nused - (head->has_keyless ? 1 : 0);
	uint32	   *order;

	while (rows->first < c->n && hg_collect_facts(c, rows->first) == 0)
		rows->first++;
	while (last > rows->first && hg_collect_facts(c, last) == 0)
		last--;
	rows->n = used == 0 ? 0 : last - rows->first + 1;
	if (used >= rows->n / 2 && c->kind != HG_ACC_WIDE)
	{
		head->dense = true;
		head->base = (int64) ((uint64) c->base + rows->first - 1);
		return;
	}

	order = MemoryContextAllocHuge(CurrentMemoryContext, Max((Size) used, 1) * sizeof(uint32));
	rows->n = 0;
	for (uint32 i = rows->first; i <= last; i++)
	{
		if (hg_collect_facts(c, i) != 0)
			order[rows->n++] = i - rows->first;
	}
	Assert(rows->n == used);
	rows->order = order;
}

/*
 * hg_collect_serialize writes a collector.
 */
void
hg_collect_serialize(HgCollect *c, HgBuffer *buf)
{
	HgWireHead	head;
	WireRows	rows = {.c = c, .first = 1};
	WireRows	keyless = {.c = c, .first = 0, .n = 1};

	hg_collect_flush(c);
	/* Columns are narrow enough. */
	if (c->kind == HG_ACC_COMPACT)
		hg_collect_raise(c, HG_ACC_NARROW);
	memset(&head, 0, sizeof(head));
	head.magic = HG_WIRE_MAGIC;
	head.args = c->args;
	head.kind = c->kind;
	head.scale = c->scale;
	head.from_worker = IsParallelWorker();
	head.has_high = c->high != NULL;
	head.has_flags = c->flags != NULL;
	head.has_keyless = hg_collect_facts(c, 0) != 0;
	rows.n = c->n - 1;
	if (c->direct)
		choose_rows(c, &rows, &head);
	head.n = rows.n;

	hg_buffer_put(buf, &head, sizeof(head));
	if (head.has_keyless)
		write_accs(buf, &keyless);
	if (rows.n > 0)
	{
		if (!head.dense)
			write_keys(buf, &rows);
		write_accs(buf, &rows);
	}
	if (rows.order != NULL)
		pfree(unconstify(uint32 *, rows.order));
}
