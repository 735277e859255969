/*-------------------------------------------------------------------------
 *
 * collect.c
 *	  Facts by key: life of a collector, its batch, and what it holds.
 *
 * Rows are taken into a batch, which costs next to nothing, and added when it
 * is full: the code that looks keys up (collect_table.c) and adds
 * (collect_add.c) then runs over arrays, and cache misses overlap.  The batch
 * is small at first and grows with the table, so that thousands of small groups
 * take little memory.
 *
 * Exact values are integers of 64 bits at the scale of the first one, added in
 * few bytes at first: a million accumulators should fit the processor's caches,
 * those of several workers side by side, too.  A greater scale multiplies
 * everything; what does not fit goes to more bits, and then to numerics
 * (collect_kind.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "rollup/collect_state.h"

#define FIRST_BATCH		64
#define LARGEST_BATCH	2048
/* Bytes of text keys that are kept in a batch, unless one needs more. */
#define TEXT_PER_ROW	32

/*
 * value_size is the size of a value in the batch.
 */
static Size
value_size(HgAccKind kind)
{
	switch (kind)
	{
		case HG_ACC_COUNT:
			return 0;
		case HG_ACC_COMPACT:
		case HG_ACC_NARROW:
			return sizeof(int64);
		case HG_ACC_MEDIUM:
			return sizeof(hg_int128);
		case HG_ACC_WIDE:
			return sizeof(Numeric);
		case HG_ACC_REAL:
			return sizeof(double);
	}
	return 0;					/* keep compiler quiet */
}

/*
 * replace allocates an array in the place of another one.
 */
static void *
replace(HgCollect *c, void *old, Size size)
{
	if (old != NULL)
		pfree(old);
	return size > 0 ? hg_collect_alloc(c, size, false) : NULL;
}

/*
 * hg_collect_batch_values makes the batch, which is empty, hold values for the
 * kind of accumulators.
 */
void
hg_collect_batch_values(HgCollect *c)
{
	Assert(c->nbatch == 0);
	if (c->kind == HG_ACC_WIDE)
		c->batch_size = 1;
	c->value = replace(c, c->value, value_size(c->kind) * c->batch_size);
	c->held = hg_collect_values(c->kind);
}

/*
 * set_batch_size gives the batch, which is empty, room for so many rows.
 */
static void
set_batch_size(HgCollect *c, uint32 size)
{
	HgKeys	   *keys = &c->batch;

	c->batch_size = size;
	hg_collect_batch_values(c);
	switch (c->key_kind)
	{
		case HG_KEY_INT:
			keys->num = replace(c, keys->num, size * sizeof(int64));
			break;
		case HG_KEY_UUID:
			keys->uuid = replace(c, keys->uuid, size * sizeof(pg_uuid_t));
			break;
		case HG_KEY_BYTES:
			keys->span = replace(c, keys->span, size * sizeof(HgSpan));
			keys->text_size = (Size) size * TEXT_PER_ROW;
			keys->text = replace(c, keys->text, keys->text_size);
			break;
	}
}

/*
 * hg_collect_batch_text makes room for the bytes of another text key.
 */
void
hg_collect_batch_text(HgCollect *c, uint32 len)
{
	HgKeys	   *keys = &c->batch;

	if (keys->text_len + len <= keys->text_size)
		return;
	keys->text_size = Max(keys->text_size * 2, keys->text_len + len);
	keys->text = repalloc_huge(keys->text, keys->text_size);
}

/*
 * hg_collect_create makes a collector without facts.
 */
HgCollect *
hg_collect_create(const HgCollectArgs *args, MemoryContext mcxt)
{
	HgCollect  *c = MemoryContextAllocZero(mcxt, sizeof(HgCollect));

	c->magic = HG_COLLECT_MAGIC;
	c->args = *args;
	c->mcxt = mcxt;
	c->key_kind = args->node_type == INT8OID ? HG_KEY_INT :
		args->node_type == UUIDOID ? HG_KEY_UUID : HG_KEY_BYTES;
	c->kind = args->value == HG_VALUE_COUNT ? HG_ACC_COUNT :
		args->value == HG_VALUE_REAL ? HG_ACC_REAL : HG_ACC_COMPACT;
	hg_collect_reserve(c, 0, false, 0, 0);
	return c;
}

/*
 * hg_collect_args is what the aggregate was called with.
 */
const HgCollectArgs *
hg_collect_args(const HgCollect *c)
{
	return &c->args;
}

/*
 * hg_collect_from_workers tells whether workers brought facts.
 */
bool
hg_collect_from_workers(const HgCollect *c)
{
	return c->from_workers;
}

/*
 * hg_collect_start makes the batch.
 */
void
hg_collect_start(HgCollect *c)
{
	set_batch_size(c, FIRST_BATCH);
}

/*
 * hg_collect_flush adds what is in the batch.
 */
void
hg_collect_flush(HgCollect *c)
{
	uint32		number[HG_COLLECT_BLOCK];
	Size		size = value_size(c->held);
	uint32		done = 0;

	while (done < c->nbatch)
	{
		uint32		n = hg_collect_locate(c, &c->batch, done, c->nbatch - done, number);

		hg_collect_add(c, c->held, number, (char *) c->value + done * size, n);
		done += n;
	}
	c->nbatch = 0;
	c->batch.text_len = 0;
	if (c->held != hg_collect_values(c->kind) && c->batch_size > 0)
		hg_collect_batch_values(c);
}

/*
 * hg_collect_batch_full adds a full batch, and makes it larger if the table has
 * outgrown it.
 */
void
hg_collect_batch_full(HgCollect *c)
{
	hg_collect_flush(c);
	if (c->batch_size < LARGEST_BATCH && c->batch_size < c->nused &&
		c->kind != HG_ACC_WIDE)
		set_batch_size(c, c->batch_size * 4 <= LARGEST_BATCH ?
					   c->batch_size * 4 : LARGEST_BATCH);
	else if (c->batch.text_size > (Size) LARGEST_BATCH * TEXT_PER_ROW)
		set_batch_size(c, c->batch_size);
}

/*
 * become raises the kind of accumulators and values.
 */
static void
become(HgCollect *c, HgAccKind kind)
{
	hg_collect_flush(c);
	hg_collect_raise(c, kind);
	hg_collect_batch_values(c);
}

/*
 * hg_collect_put_fixed puts a number at the scale, or a special value, at the
 * end of the batch.
 */
void
hg_collect_put_fixed(HgCollect *c, hg_int128 value)
{
	switch (c->kind)
	{
		case HG_ACC_COMPACT:
		case HG_ACC_NARROW:
			if (HG_NARROW_FINITE(value) || !HG_MEDIUM_FINITE(value))
			{
				((int64 *) c->value)[c->nbatch] = hg_extreme_narrow(value);
				return;
			}
			become(c, HG_ACC_MEDIUM);
			/* FALLTHROUGH */
		case HG_ACC_MEDIUM:
			((hg_int128 *) c->value)[c->nbatch] = value;
			return;
		default:
			((Numeric *) c->value)[c->nbatch] = hg_decimal_numeric(value, c->scale);
			return;
	}
}

/*
 * hg_collect_put_numeric puts a numeric at the end of the batch.
 */
void
hg_collect_put_numeric(HgCollect *c, struct varlena *value)
{
	for (;;)
	{
		hg_int128	fixed = 0;
		int			scale;

		switch (hg_decimal_parse(value, c->scale, &fixed, &scale))
		{
			case HG_DECIMAL_NAN:
				fixed = HG_EXTREME_NAN;
				break;
			case HG_DECIMAL_PLUS_INF:
				fixed = HG_EXTREME_PLUS_INF;
				break;
			case HG_DECIMAL_MINUS_INF:
				fixed = HG_EXTREME_MINUS_INF;
				break;
			case HG_DECIMAL_NARROW:
				hg_collect_flush(c);
				hg_collect_rescale(c, scale);
				if (c->held != hg_collect_values(c->kind))
					hg_collect_batch_values(c);
				continue;
			case HG_DECIMAL_OK:
				if (c->kind != HG_ACC_WIDE && HG_MEDIUM_FINITE(fixed))
					break;
				/* FALLTHROUGH */
			case HG_DECIMAL_TOO_LARGE:
				if (c->kind != HG_ACC_WIDE)
					become(c, HG_ACC_WIDE);
				((Numeric *) c->value)[c->nbatch] =
					DatumGetNumeric(PointerGetDatum(value));
				return;
		}
		hg_collect_put_fixed(c, fixed);
		return;
	}
}

/*
 * hg_collect_put_keyless takes the value at the end of the batch as that of a
 * fact without a key.
 */
void
hg_collect_put_keyless(HgCollect *c)
{
	uint32		number = 0;

	hg_collect_add(c, c->held, &number,
				   (char *) c->value + c->nbatch * value_size(c->held), 1);
	/* An overflow may have changed the kind under the rest of the batch. */
	if (c->held != hg_collect_values(c->kind))
		hg_collect_flush(c);
}

/*
 * argument_differs raises the error for an argument that is not the same for
 * all rows of a group.
 */
hg_noreturn static void
argument_differs(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" of rollup must be the same for all rows of a group",
					name),
			 errhint("Use GROUP BY to make a rollup for each of its values.")));
}

/*
 * hg_collect_check_args raises an error unless two collectors, or rows, belong
 * to the same rollup.
 */
void
hg_collect_check_args(const HgCollectArgs *a, const HgCollectArgs *b)
{
	if (a->graph != b->graph)
		argument_differs("graph");
	if (a->mode != b->mode)
		argument_differs("mode");
	if (a->as_of_null != b->as_of_null ||
		(!a->as_of_null && a->as_of != b->as_of))
		argument_differs("as_of");
	if (a->node_type != b->node_type || a->value != b->value)
		elog(ERROR, "rollups of different types of nodes or values");
}
