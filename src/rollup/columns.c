/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  Columns of numbers in few bytes.
 *
 * A column begins with its type and its width, a byte each.  Then come
 *	 INT	the least value, 16 bytes; what each value is above it
 *	 REAL	the doubles
 *	 BYTES	the number of bytes, 8 bytes; where each string ends, in the
 *			given width; the bytes
 *	 NONE	nothing
 *
 * Integers are written by columns_int.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "rollup/columns_write.h"
#include "rollup/little.h"
#include "utils/memutils.h"

/* ---- buffers ---- */

/*
 * hg_buffer_init makes an empty buffer with room for so many bytes.
 */
void
hg_buffer_init(HgBuffer *buf, size_t size)
{
	buf->size = Max(size, 256);
	buf->len = 0;
	buf->scratch = NULL;
	buf->scratch_size = 0;
	buf->data = MemoryContextAllocHuge(CurrentMemoryContext, buf->size);
}

/*
 * hg_buffer_extend makes a buffer longer and returns where the new bytes go.
 */
char *
hg_buffer_extend(HgBuffer *buf, size_t len)
{
	char	   *end;

	if (len > buf->size - buf->len)
	{
		buf->size = Max(buf->len + len, buf->size * 2);
		buf->data = repalloc_huge(buf->data, buf->size);
	}
	end = buf->data + buf->len;
	buf->len += len;
	return end;
}

/*
 * hg_buffer_put appends bytes.
 */
void
hg_buffer_put(HgBuffer *buf, const void *data, size_t len)
{
	memcpy(hg_buffer_extend(buf, len), data, len);
}

/*
 * hg_buffer_done frees what writing needed besides the data.
 */
void
hg_buffer_done(HgBuffer *buf)
{
	if (buf->scratch)
		pfree(buf->scratch);
	buf->scratch = NULL;
	buf->scratch_size = 0;
}

/*
 * hg_buffer_scratch returns memory to work in until the next call.  It is kept from one
 * column to the next: fresh memory costs more than what is done with it.
 */
void *
hg_buffer_scratch(HgBuffer *buf, size_t size)
{
	if (size > buf->scratch_size)
	{
		hg_buffer_done(buf);
		buf->scratch = MemoryContextAllocHuge(GetMemoryChunkContext(buf->data), size);
		buf->scratch_size = size;
	}
	return buf->scratch;
}

/* ---- what columns begin with ---- */

/*
 * hg_width_of returns the bytes that numbers up to this one need.
 */
uint32_t
hg_width_of(Unsigned128 greatest)
{
	if (greatest == 0)
		return 0;
	if (greatest <= PG_UINT8_MAX)
		return 1;
	if (greatest <= PG_UINT16_MAX)
		return 2;
	if (greatest <= PG_UINT32_MAX)
		return 4;
	return greatest <= PG_UINT64_MAX ? 8 : 16;
}

/*
 * hg_put_head appends type and width.
 */
void
hg_put_head(HgBuffer *buf, HgColumnType type, uint32_t width)
{
	char	   *head = hg_buffer_extend(buf, 2);

	head[0] = (char) type;
	head[1] = (char) width;
}

/* ---- writing ---- */

/*
 * write_reals writes doubles.
 */
static void
write_reals(HgBuffer *buf, const HgSource *source, const uint32_t *order,
			uint32_t n)
{
	double		missing = (double) source->missing;
	uint64_t	any = 0;
	size_t		start = buf->len;
	char	   *to;

	hg_put_head(buf, HG_COLUMN_REAL, sizeof(double));
	to = hg_buffer_extend(buf, (size_t) n * sizeof(double));
	for (uint32_t i = 0; i < n; i++, to += sizeof(double))
	{
		size_t		pos = position(source, order, i);
		uint64_t	bits;

		if (i % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		memcpy(&bits,
			   source->index && pos == HG_NONE ? &missing : address(source, pos),
			   sizeof(bits));
		any |= bits;
		bits = little64(bits);
		memcpy(to, &bits, sizeof(bits));
	}
	if (any == 0)
	{
		buf->len = start;
		hg_put_head(buf, HG_COLUMN_REAL, 0);
	}
}

/*
 * string_of finds the string of a row.
 */
static inline HgKey
string_of(const HgSource *source, const uint32_t *order, uint32_t row)
{
	size_t		pos = position(source, order, row);
	HgKey		none = {0};

	if (source->index && pos == HG_NONE)
		return none;
	return *(const HgKey *) address(source, pos);
}

/*
 * write_strings writes strings of bytes.
 */
static void
write_strings(HgBuffer *buf, const HgSource *source, const uint32_t *order,
			  uint32_t n)
{
	uint64_t	nbytes = 0;
	uint64_t	end = 0;
	uint32_t	width;
	char	   *ends;
	char	   *to;

	for (uint32_t i = 0; i < n; i++)
	{
		if (i % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		nbytes += string_of(source, order, i).len;
	}
	width = hg_width_of(nbytes);
	hg_put_head(buf, HG_COLUMN_BYTES, width);
	hg_put_int(hg_buffer_extend(buf, sizeof(nbytes)), nbytes, sizeof(nbytes));
	ends = hg_buffer_extend(buf, (size_t) n * width + nbytes);
	to = ends + (size_t) n * width;
	for (uint32_t i = 0; i < n; i++)
	{
		HgKey		string = string_of(source, order, i);

		if (i % CHECK_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (string.len > 0)
			memcpy(to + end, string.bytes, string.len);
		end += string.len;
		hg_put_int(ends + (size_t) i * width, end, width);
	}
}

/*
 * hg_column_write appends a column.
 */
void
hg_column_write(HgBuffer *buf, const HgSource *source, const uint32_t *order,
				uint32_t n)
{
	switch (source->type)
	{
		case HG_SOURCE_NONE:
			hg_put_head(buf, HG_COLUMN_NONE, 0);
			break;
		case HG_SOURCE_UINT8:
		case HG_SOURCE_UINT32:
		case HG_SOURCE_INT32:
		case HG_SOURCE_INT64:
		case HG_SOURCE_PACKED_COUNT:
		case HG_SOURCE_PACKED_SUM:
		case HG_SOURCE_INT128:
			hg_write_ints(buf, source, order, n);
			break;
		case HG_SOURCE_DOUBLE:
			write_reals(buf, source, order, n);
			break;
		case HG_SOURCE_BYTES:
			write_strings(buf, source, order, n);
			break;
	}
}
