/*-------------------------------------------------------------------------
 *
 * columns_read.c
 *	  Reading columns of numbers; what they look like stands in columns.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "rollup/columns.h"
#include "rollup/little.h"

typedef unsigned __int128 Unsigned128;

/*
 * get_int reads what put_int stored.
 */
static inline Unsigned128
get_int(const unsigned char *from, uint32_t width)
{
	uint16		v16;
	uint32		v32;
	uint64		v64;
	uint64		high;

	switch (width)
	{
		case 0:
			return 0;
		case 1:
			return *from;
		case 2:
			memcpy(&v16, from, sizeof(v16));
			return little16(v16);
		case 4:
			memcpy(&v32, from, sizeof(v32));
			return little32(v32);
		case 8:
			memcpy(&v64, from, sizeof(v64));
			return little64(v64);
		default:
			memcpy(&v64, from, sizeof(v64));
			memcpy(&high, from + sizeof(v64), sizeof(high));
			return (Unsigned128) little64(high) << 64 | little64(v64);
	}
}

/*
 * take moves over len bytes, if there are so many.
 */
static const unsigned char *
take(const unsigned char **pos, const unsigned char *end, uint64_t len)
{
	const unsigned char *start = *pos;

	if (len > (uint64_t) (end - start))
		return NULL;
	*pos += len;
	return start;
}

/*
 * hg_column_read finds a column and checks that it is one.
 */
bool
hg_column_read(HgColumn *col, const unsigned char **pos,
			   const unsigned char *end, uint32_t n)
{
	const unsigned char *head = take(pos, end, 2);
	const unsigned char *start;

	if (head == NULL)
		return false;
	memset(col, 0, sizeof(HgColumn));
	col->n = n;
	col->data = col->bytes = head;	/* never NULL */
	col->width = head[1];
	if (col->width > 16 || (col->width & (col->width - 1)) != 0)
		return false;

	switch (head[0])
	{
		case HG_COLUMN_NONE:
			col->type = HG_COLUMN_NONE;
			return col->width == 0;
		case HG_COLUMN_INT:
			col->type = HG_COLUMN_INT;
			start = take(pos, end, sizeof(hg_int128));
			if (start == NULL)
				return false;
			col->least = (hg_int128) get_int(start, sizeof(hg_int128));
			break;
		case HG_COLUMN_REAL:
			col->type = HG_COLUMN_REAL;
			if (col->width != 0 && col->width != sizeof(double))
				return false;
			break;
		case HG_COLUMN_BYTES:
			col->type = HG_COLUMN_BYTES;
			start = take(pos, end, sizeof(uint64_t));
			if (start == NULL || col->width > sizeof(uint64_t))
				return false;
			col->nbytes = (uint64_t) get_int(start, sizeof(uint64_t));
			break;
		default:
			return false;
	}

	col->data = take(pos, end, (uint64_t) n * col->width);
	if (col->data == NULL)
		return false;
	if (col->type == HG_COLUMN_BYTES)
	{
		col->bytes = take(pos, end, col->nbytes);
		if (col->bytes == NULL)
			return false;
		/* The last string ends where the bytes do. */
		if (n == 0 || col->width == 0)
			return col->nbytes == 0;
		return get_int(col->data + (size_t) (n - 1) * col->width,
					   col->width) == col->nbytes;
	}
	return true;
}

/*
 * hg_column_is_zero tells whether a column that was written has zeros only, or
 * empty strings.
 */
bool
hg_column_is_zero(const unsigned char *column)
{
	if (column[1] != 0)
		return false;
	return column[0] != HG_COLUMN_INT ||
		get_int(column + 2, sizeof(hg_int128)) == 0;
}

/*
 * hg_column_int returns an integer.
 */
hg_int128
hg_column_int(const HgColumn *col, uint32_t i)
{
	return (hg_int128) ((Unsigned128) col->least +
						get_int(col->data + (size_t) i * col->width, col->width));
}

/*
 * hg_column_real returns a double.
 */
double
hg_column_real(const HgColumn *col, uint32_t i)
{
	uint64_t	bits = (uint64_t) get_int(col->data + (size_t) i * col->width,
										  col->width);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * hg_column_bytes returns a string.  Where the bytes are damaged it is some
 * other string of the column, or an empty one.
 */
const unsigned char *
hg_column_bytes(const HgColumn *col, uint32_t i, uint32_t *len)
{
	const unsigned char *data = col->data + (size_t) i * col->width;
	uint64_t	start = i == 0 ? 0 :
		(uint64_t) get_int(data - col->width, col->width);
	uint64_t	end = (uint64_t) get_int(data, col->width);

	if (start > end || end > col->nbytes || end - start > UINT32_MAX)
		start = end = 0;
	*len = (uint32_t) (end - start);
	return col->bytes + start;
}

/*
 * hg_column_check tells whether the strings of a column follow each other.
 */
bool
hg_column_check(const HgColumn *col)
{
	uint64_t	start = 0;

	if (col->type != HG_COLUMN_BYTES)
		return true;
	for (uint32_t i = 0; i < col->n; i++)
	{
		uint64_t	end = (uint64_t) get_int(col->data + (size_t) i * col->width,
											 col->width);

		if (end < start || end > col->nbytes || end - start > INT32_MAX)
			return false;
		start = end;
	}
	return true;
}
