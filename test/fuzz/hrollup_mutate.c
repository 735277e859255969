/*-------------------------------------------------------------------------
 *
 * hrollup_mutate.c
 *	  Changes inputs of hrollup_fuzz.c by what their bytes mean: where a string
 *	  ends, how wide a column is, what a number on the wire says of itself.
 *	  Bytes changed at random hardly ever give another sound value, and checks
 *	  of what stands behind the first thing that is wrong are never reached.
 *
 *-------------------------------------------------------------------------
 */
#include "hrollup_form.h"

#include <string.h>

extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* An input in the making; what does not fit is left out. */
static uint8_t out[4096];
static size_t out_len;
static uint64_t state;

/* A random number below n. */
static uint32_t
below(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return n > 0 ? (uint32_t) (state >> 33) % n : 0;
}

/* Appends bytes. */
static void
put(const void *bytes, size_t len)
{
	if (len > sizeof(out) - out_len)
		return;
	memcpy(out + out_len, bytes, len);
	out_len += len;
}

/* Writes a number, its last byte first. */
static void
store(uint8_t *to, unsigned __int128 value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++, value >>= 8)
		to[i] = (uint8_t) value;
}

/* Appends a number. */
static void
put_number(unsigned __int128 value, size_t bytes)
{
	uint8_t		room[16];

	store(room, value, bytes);
	put(room, bytes);
}

/* A number that is the edge of something. */
static unsigned __int128
edge(void)
{
	static const int64_t edges[] = {0, 1, -1, 2, 7, 15, 16, 17, 127, 128, 255, 256, 65535, 9999, 10000,
	INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, INT64_C(0x7ff0000000000000), INT64_C(0x7ff8000000000000),
	INT64_C(0xffffffff), INT64_C(0x100000000), INT64_C(0xffffffffff)};
	unsigned __int128 value = (unsigned __int128) edges[below(sizeof(edges) / sizeof(edges[0]))];

	value += below(3);
	value -= below(3);
	switch (below(8))
	{
		case 0:
			return value << 62;
		case 1:
			return -(value << 62);
		case 2:
			return value << 64;
		case 3:
			return -value;
		default:
			return value;
	}
}

/* ---- sound values ---- */

/* A number as it is on the wire; returns its length. */
static size_t
make_numeric(uint8_t *cell, int scale, bool special)
{
	static const int signs[] = {0, 0x4000, 0, 0, 0xC000, 0xD000, 0xF000};
	int			sign = signs[below(special ? 7 : 4)];
	int			digits = sign >= 0xC000 ? 0 : (int) below(4);
	int			head[4] = {digits, digits, sign, sign >= 0xC000 ? 0 : (int) below((uint32_t) scale + 1)};

	for (int i = 0; i < 4 + digits; i++)
	{
		int			v = i < 4 ? head[i] : 1 + (int) below(9999);

		cell[2 * i] = (uint8_t) (v >> 8);
		cell[2 * i + 1] = (uint8_t) v;
	}
	return (size_t) (8 + 2 * digits);
}

/* Appends an amount of the head. */
static void
put_amount(int value, int scale)
{
	uint8_t		cell[32];
	uint32_t	form = value == FORM_DOUBLES ? FORM_AMOUNT_REAL : value == FORM_COUNTS ? FORM_AMOUNT_ZERO : below(3);
	size_t		len;

	put_number(0, 1);
	put_number(form, 1);
	if (form == FORM_AMOUNT_FIXED || form == FORM_AMOUNT_REAL)
	{
		put_number(below(1000), 8);
		put_number(0, 8);
	}
	else if (form == FORM_AMOUNT_WIDE)
	{
		len = make_numeric(cell, scale, false);
		put_number(len, 4);
		put(cell, len);
	}
}

/* Appends a column of integers of at least so many. */
static void
put_ints(FormInt least, uint32_t most, uint32_t n, bool ascending)
{
	static const uint8_t widths[] = {1, 2, 4, 8, 16};
	uint32_t	width = widths[below(5)];
	uint32_t	value = 0;

	if (!ascending && below(4) == 0)
		width = 0;
	put_number(FORM_INT, 1);
	put_number(width, 1);
	put_number((unsigned __int128) least, 16);
	for (uint32_t i = 0; i < n; i++)
	{
		value = ascending ? value + 1 + below(10) : below(most);
		put_number(value, width);
	}
}

/* Appends a column of strings: numbers of a scale, or else keys. */
static void
put_strings(int key, int scale, bool special, bool all, uint32_t n)
{
	static const uint8_t widths[] = {2, 4, 8};
	uint32_t	width = widths[below(3)];
	uint8_t		bytes[1024];
	size_t		ends[16];
	size_t		len = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		if (key == FORM_UUID)
		{
			memset(bytes + len, (int) i, 15);
			bytes[len + 15] = (uint8_t) below(256);
			len += 16;
		}
		else if (key == FORM_TEXT)
		{
			bytes[len] = (uint8_t) ('b' + i);
			memset(bytes + len + 1, 'x', 4);
			len += i == 0 ? below(4) : 1 + below(4);
		}
		else if (all || below(4) > 0)
			len += make_numeric(bytes + len, scale, special);
		ends[i] = len;
	}
	if (len == 0 && below(2) == 0)
		width = 0;
	put_number(FORM_BYTES, 1);
	put_number(width, 1);
	put_number(len, 8);
	for (uint32_t i = 0; i < n; i++)
		put_number(ends[i], width);
	put(bytes, len);
}

/* Appends a column of zeros. */
static void
put_nothing(void)
{
	put_number(FORM_NONE, 1);
	put_number(0, 1);
}

/* Appends a column of doubles. */
static void
put_reals(uint32_t n)
{
	uint32_t	width = below(3) == 0 ? 0 : 8;

	put_number(FORM_REAL, 1);
	put_number(width, 1);
	for (uint32_t i = 0; i < n; i++)
		put_number((unsigned __int128) (0x3ff0 + below(64)) << 48, width);
}

/* Appends a column that may be there. */
static void
put_column(int col, int value, int key, const int *scale, uint32_t n)
{
	bool		extreme = col >= FORM_COL_OWN_MIN;

	if (col == FORM_COL_KEY)
	{
		if (key == FORM_UUID || key == FORM_TEXT)
			put_strings(key, 0, false, true, n);
		else
			put_ints(key == FORM_INT4 ? (FormInt) INT32_MIN + below(3) * (FormInt) INT32_MAX :
					 (FormInt) INT64_MIN + below(3) * (FormInt) INT64_MAX, 10, n, true);
	}
	else if (col == FORM_COL_DEPTH || col == FORM_COL_OWN_COUNT)
		put_ints(col == FORM_COL_DEPTH ? -1 : 0, 5, n, false);
	else if (col == FORM_COL_TOTAL_COUNT)
	{
		if (below(2) == 0)
			put_ints(0, 50, n, false);
		else
			put_strings(-1, scale[2], false, false, n);
	}
	else if (value == FORM_COUNTS || below(6) == 0)
		put_nothing();
	else if (col == FORM_COL_OWN_FLAGS || col == FORM_COL_TOTAL_FLAGS)
		put_ints(0, 16, n, false);
	else if (value == FORM_DOUBLES && !extreme)
		put_reals(n);
	else if (col == FORM_COL_OWN_REST || col == FORM_COL_TOTAL_REST)
		put_nothing();
	else if (value == FORM_EXACT && below(3) > 0)
		put_strings(-1, scale[col == FORM_COL_TOTAL], extreme, extreme, n);
	else
		put_ints((FormInt) below(100) - 50, 100, n, false);
}

/* A sound value of some kind. */
static void
make_value(void)
{
	int			value = (int) below(3);
	int			key = (int) below(4);
	uint32_t	n = below(6);
	int			scale[3] = {0, 0, (int) below(4)};

	if (value == FORM_EXACT)
	{
		scale[0] = (int) below(4);
		scale[1] = scale[0] + (int) below(3);
	}
	out_len = 0;
	put_number(below(4) == 0, 1);	/* the encoding */
	put_number(1, 1);
	put_number(below(4), 1);
	put_number((unsigned) value, 1);
	put_number((unsigned) key, 1);
	for (int i = 0; i < 3; i++)
		put_number((unsigned) scale[i], 2);
	put_number(n, 4);
	put_number(5 + below(5), 8);
	put_number(below(5), 8);
	put_number(below(2), 8);
	put_amount(value, scale[0]);
	put_amount(value, scale[0]);
	put_amount(FORM_EXACT, scale[2]);
	put_amount(value, scale[1]);
	put_number(8, 2);
	put("public.g", 8);
	for (int col = 0; col < FORM_COLUMNS; col++)
		put_column(col, value, key, scale, n);
}

/* ---- changes ---- */

/* Replaces bytes of the input. */
static void
splice(size_t at, size_t removed, const void *bytes, size_t len)
{
	uint8_t		copy[1024];

	if (len > sizeof(copy) || out_len - removed + len > sizeof(out))
		return;
	memcpy(copy, bytes, len);
	memmove(out + at + len, out + at + removed, out_len - at - removed);
	memcpy(out + at, copy, len);
	out_len += len - removed;
}

/* Changes a cell: an edge of something, another cell's value, near what it is. */
static void
change_cell(const Form *f, const FormColumn *c)
{
	uint32_t	row = below(f->n);
	uint8_t    *cell = out + 1 + c->cells + (size_t) row * c->width;
	FormInt		near = form_int(f, c, below(f->n));
	FormInt		least = 0;

	if (c->type == FORM_INT)
		memcpy(&least, f->data + c->least, 16);
	switch (below(4))
	{
		case 0:
			store(cell, edge() - (unsigned __int128) least, c->width);
			break;
		case 1:
			store(cell, (unsigned __int128) (near - least), c->width);
			break;
		case 2:
			store(cell, (unsigned __int128) (form_int(f, c, row) - least) + below(5) - 2, c->width);
			break;
		default:
			store(cell, (unsigned __int128) c->nbytes + below(40) - 2, c->width);
			break;
	}
}

/* Changes a number on the wire: one of the words that it consists of. */
static void
change_numeric(uint8_t *cell, size_t len)
{
	static const int words[] = {0, 0x4000, 0xC000, 0xD000, 0xF000, 0x8000, 0x3FFF, 9999, 10000, 1, 2, 3, 4, 5, 6, 7};
	size_t		word = below(3) == 0 ? 3 : below((uint32_t) (len / 2));
	int			value = words[below(sizeof(words) / sizeof(words[0]))];

	if (len < 2 || 2 * word + 1 >= len)
		return;
	cell[2 * word] = (uint8_t) (value >> 8);
	cell[2 * word + 1] = (uint8_t) value;
}

/* Adds to where strings from a row on end, and to how many bytes there are. */
static void
move_ends(const Form *f, const FormColumn *c, uint32_t row, int64_t by)
{
	store(out + 1 + c->least, c->nbytes + (uint64_t) by, 8);
	for (uint32_t i = row; i < f->n; i++)
		store(out + 1 + c->cells + (size_t) i * c->width, (unsigned __int128) (form_int(f, c, i) + by), c->width);
}

/* Changes a column of strings that is in order. */
static void
change_strings(const Form *f, const FormColumn *c)
{
	uint32_t	row = below(f->n);
	size_t		len;
	const uint8_t *string = form_string(f, c, row, &len);
	size_t		at = (size_t) (string - f->data) + 1;
	size_t		part;
	size_t		other_len;
	const uint8_t *other;

	if (len > c->nbytes || at - 1 > c->end - len)
		return;
	switch (below(6))
	{
		case 0:					/* longer; perhaps the same as another one with something behind it */
			part = 1 + below(4);
			move_ends(f, c, row, (int64_t) part);
			splice(at + len, 0, "\0\0\0\0", part);
			break;
		case 1:					/* shorter, or gone */
			part = below(2) ? len : below((uint32_t) len + 1);
			move_ends(f, c, row, -(int64_t) part);
			splice(at + len - part, part, "", 0);
			break;
		case 2:					/* another one's */
			other = form_string(f, c, below(f->n), &other_len);
			if (other_len > 256 || (size_t) (other - f->data) + other_len > c->end)
				break;
			move_ends(f, c, row, (int64_t) other_len - (int64_t) len);
			splice(at, len, other, other_len);
			break;
		case 3:
			if (len > 0)
				out[at + below((uint32_t) len)] = (uint8_t) below(256);
			break;
		default:
			change_numeric(out + at, len);
			break;
	}
}

/* Changes how many bytes a column of strings has, or says that it has. */
static void
change_bytes(const Form *f, const FormColumn *c)
{
	size_t		more = 1 + below(16);

	switch (below(4))
	{
		case 0:					/* none of those that it says */
			splice(1 + c->bytes, c->nbytes, "", 0);
			break;
		case 1:					/* some that are no string's */
			store(out + 1 + c->least, c->nbytes + more, 8);
			splice(1 + c->end, 0, "0123456789abcdef", more);
			break;
		case 2:					/* the last string is longer than they are */
			more = below(2) ? more : (size_t) edge();
			store(out + 1 + c->least, c->nbytes + more, 8);
			if (f->n > 0)
				store(out + 1 + c->cells + (size_t) (f->n - 1) * c->width, c->nbytes + more, c->width);
			break;
		default:
			store(out + 1 + c->least, below(2) ? edge() : c->nbytes + below(5) - 2, 8);
			break;
	}
}

/* Changes a column. */
static void
change_column(const Form *f, int col)
{
	static const uint8_t widths[] = {0, 1, 2, 3, 4, 8, 16, 32};
	const FormColumn *c = &f->column[col];
	uint8_t		kept[4096];
	size_t		kept_len = out_len;
	size_t		before = 1 + c->start;
	size_t		made;
	int			scale[3] = {f->scale[0], f->scale[1], f->scale[2]};

	switch (below(8))
	{
		case 0:
			if (below(4) == 0)	/* values without bytes */
			{
				out[1 + c->start + 1] = 0;
				splice(1 + c->cells, (size_t) f->n * c->width, "", 0);
				break;
			}
			out[1 + c->start + below(2)] = widths[below(8)];
			break;
		case 1:
			if (c->type == FORM_INT)
				store(out + 1 + c->least, edge(), 16);
			else if (c->type == FORM_BYTES)
				change_bytes(f, c);
			break;
		case 2:					/* a new one, of a kind that fits, or does not */
			memcpy(kept, out, kept_len);
			out_len = 0;
			for (int i = 0; i < 3; i++)
				scale[i] = scale[i] < 50 ? scale[i] + (below(8) == 0) : 50;
			if (f->n < 16)
				put_column(below(8) ? col : (int) below(FORM_COLUMNS), below(8) ? f->value : (int) below(3),
						   below(8) ? f->key : (int) below(4), scale, f->n + (below(16) == 0));
			made = out_len;
			if (made == 0 || made > 1024 || kept_len > sizeof(out) - made)
			{
				memcpy(out, kept, kept_len);
				out_len = kept_len;
				break;
			}
			memcpy(kept + sizeof(kept) - made, out, made);
			memcpy(out, kept, kept_len);
			out_len = kept_len;
			splice(before, c->end - c->start, kept + sizeof(kept) - made, made);
			break;
		case 3:
		case 4:
			if (c->type == FORM_BYTES && f->n > 0 && c->width > 0)
			{
				change_strings(f, c);
				break;
			}
			/* FALLTHROUGH */
		default:
			if (f->n > 0 && c->width > 0)
				change_cell(f, c);
			break;
	}
}

/* Changes what stands before the columns. */
static void
change_head(const Form *f)
{
	const FormAmount *a = &f->amount[below(FORM_AMOUNTS)];
	uint32_t	field = below(3);

	switch (below(8))
	{
		case 0:
			out[1 + below(4)] = (uint8_t) below(5);
			break;
		case 1:
			store(out + 1 + 4 + 2 * field, below(2) ? below(5) : 16382 + below(4), 2);
			break;
		case 2:
			store(out + 1 + 10, below(2) ? f->n + below(3) - 1 : (uint32_t) edge(), 4);
			break;
		case 3:
			store(out + 1 + 14 + 8 * field, below(2) ? below(10) : edge(), 8);
			break;
		case 4:
			out[1 + a->start + below(2)] = (uint8_t) below(20);
			break;
		case 5:
			if (a->form == FORM_AMOUNT_WIDE)
				change_numeric(out + 1 + a->at, a->end - a->at);
			else if (a->form == FORM_AMOUNT_REAL)
				store(out + 1 + a->at + 8 * below(2), (unsigned __int128) (0x7fef + below(3)) << 48, 8);
			break;
		case 6:
			if (f->name_len > 0)
				out[1 + f->name + below(f->name_len)] = (uint8_t) below(256);
			break;
		default:				/* an amount of another form */
			{
				uint8_t		kept[64];
				size_t		len = out_len;

				put_amount(f->value == FORM_DOUBLES && a != &f->amount[2] ? FORM_DOUBLES : FORM_EXACT, 1 + f->scale[0]);
				len = out_len - len;
				if (len <= sizeof(kept))
					memcpy(kept, out + out_len - len, len);
				out_len -= len;
				if (len <= sizeof(kept))
					splice(1 + a->start, a->end - a->start, kept, len);
			}
			break;
	}
}

/* One change by what bytes mean; false where they mean nothing. */
static bool
change(void)
{
	static uint8_t copy[sizeof(out)];
	Form		f;
	int			col = (int) below(FORM_COLUMNS);

	if (out_len == 0)
		return false;
	memcpy(copy, out, out_len);
	if (!form_read(&f, copy + 1, out_len - 1) || out_len > sizeof(out) - 1024)
		return false;

	/* There is most to be had in strings. */
	for (int i = 0; i < 4 && f.column[col].type != FORM_BYTES; i++)
		col = (int) below(FORM_COLUMNS);
	switch (below(16))
	{
		case 0:
			out[0] ^= 1;
			break;
		case 1:
			out_len -= 1 + below((uint32_t) out_len) % 4;
			break;
		case 2:
			put_number(edge(), 1 + below(2));
			break;
		case 3:
		case 4:
			change_head(&f);
			break;
		case 5:
			change_column(&f, FORM_COL_KEY);
			break;
		default:
			change_column(&f, col);
			break;
	}
	return true;
}

/* An input made of another */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	state = seed;
	below(2);
	if (below(16) == 0 || size > sizeof(out) / 2)
		make_value();
	else
	{
		memcpy(out, data, size);
		out_len = size;
		for (uint32_t i = 0, n = 1 + below(3); i < n; i++)
			if (!change())
				break;
		if (below(8) == 0 || (out_len == size && memcmp(out, data, size) == 0))
		{
			if (size > 0 && below(2) == 0)
				return LLVMFuzzerMutate(data, size, max_size);
			make_value();
		}
	}
	if (out_len > max_size)
		out_len = max_size;
	memcpy(data, out, out_len);
	return out_len;
}
