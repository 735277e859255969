/*-------------------------------------------------------------------------
 *
 * hrollup_form.c
 *	  What the bytes of an hrollup are.  See hrollup_form.h, and for the order
 *	  of things src/types/hrollup.c and src/rollup/columns.c.
 *
 *-------------------------------------------------------------------------
 */
#include "hrollup_form.h"

#include <math.h>
#include <string.h>

#define MAX_SCALE	16383

/* Integers of columns of extremes that are no numbers */
#define NOT_A_NUMBER	((FormInt) INT64_MAX << 62)

/* A number of so many bytes, the last one first. */
static unsigned __int128
number_at(const Form *f, size_t at, int bytes)
{
	unsigned __int128 value = 0;

	for (int i = 0; i < bytes; i++)
		value |= (unsigned __int128) f->data[at + i] << (8 * i);
	return value;
}

/* The double there. */
static double
real_at(const Form *f, size_t at)
{
	uint64_t	bits = (uint64_t) number_at(f, at, 8);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Are there so many bytes from there on? */
static bool
room(const Form *f, size_t at, unsigned __int128 bytes)
{
	return at <= f->size && bytes <= f->size - at;
}

/* A number on the wire, as test/fuzz/server.c takes it: what is its sign? */
static bool
is_numeric(const uint8_t *cell, size_t len, int *sign)
{
	if (len < 8 || len != 8 + 2 * (size_t) (cell[0] << 8 | cell[1]))
		return false;
	*sign = cell[4] << 8 | cell[5];
	if (*sign != 0 && *sign != 0x4000 && *sign != 0xC000 && *sign != 0xD000 && *sign != 0xF000)
		return false;
	for (size_t i = 8; i < len; i += 2)
		if ((cell[i] << 8 | cell[i + 1]) >= 10000)
			return false;
	return (cell[6] << 8 | cell[7]) <= MAX_SCALE;
}

/* Is it one that shows so many places at most? */
static bool
is_amount(const uint8_t *cell, size_t len, int scale, bool special)
{
	int			sign;

	if (!is_numeric(cell, len, &sign))
		return false;
	return sign >= 0xC000 ? special : (cell[6] << 8 | cell[7]) <= scale;
}

/* Reads an amount at a place, and moves behind it. */
static bool
read_amount(Form *f, FormAmount *a, size_t *at, bool real)
{
	size_t		len = 0;

	if (!room(f, *at, 2))
		return false;
	a->start = *at;
	a->flags = f->data[*at];
	a->form = f->data[*at + 1];
	a->at = *at + 2;
	if ((a->flags & ~0x0e) != 0 || a->form > FORM_AMOUNT_REAL || (a->form == FORM_AMOUNT_REAL) != real)
		return false;
	if (a->form == FORM_AMOUNT_FIXED || a->form == FORM_AMOUNT_REAL)
		len = 16;
	else if (a->form == FORM_AMOUNT_WIDE)
	{
		if (!room(f, a->at, 4))
			return false;
		len = (size_t) number_at(f, a->at, 4);
		a->at += 4;
	}
	if (!room(f, a->at, len))
		return false;
	*at = a->end = a->at + len;
	return true;
}

/* May a column have this type? */
static bool
fits(const Form *f, int col, int type)
{
	bool		integer = type == FORM_INT || type == FORM_NONE;

	if (col == FORM_COL_KEY)
		return type == (f->key == FORM_INT4 || f->key == FORM_INT8 ? FORM_INT : FORM_BYTES);
	if (col == FORM_COL_DEPTH || col == FORM_COL_OWN_COUNT)
		return integer;
	if (col == FORM_COL_TOTAL_COUNT)
		return integer || type == FORM_BYTES;
	if (f->value == FORM_COUNTS)
		return type == FORM_NONE;
	if (col == FORM_COL_OWN_FLAGS || col == FORM_COL_TOTAL_FLAGS)
		return integer;
	if (col == FORM_COL_OWN_REST || col == FORM_COL_TOTAL_REST)
		return type == FORM_NONE || (f->value == FORM_DOUBLES && type == FORM_REAL);
	if (f->value == FORM_EXACT)
		return integer || type == FORM_BYTES;
	if (col == FORM_COL_OWN || col == FORM_COL_TOTAL)
		return type == FORM_NONE || type == FORM_REAL;
	return integer;
}

/* Reads a column at a place, and moves behind it. */
static bool
read_column(Form *f, int col, size_t *at)
{
	FormColumn *c = &f->column[col];

	if (!room(f, *at, 2))
		return false;
	c->start = *at;
	c->type = f->data[*at];
	c->width = f->data[*at + 1];
	c->least = *at + 2;
	c->nbytes = 0;
	if (c->type > FORM_BYTES || !fits(f, col, c->type))
		return false;
	if (c->width != 0 && c->width != 1 && c->width != 2 && c->width != 4 && c->width != 8 && c->width != 16)
		return false;
	if ((c->type == FORM_NONE && c->width != 0) || (c->type == FORM_BYTES && c->width == 16) ||
		(c->type == FORM_REAL && c->width != 0 && c->width != 8))
		return false;
	c->cells = c->least + (c->type == FORM_INT ? 16 : c->type == FORM_BYTES ? 8 : 0);
	if (!room(f, c->least, c->cells - c->least) || !room(f, c->cells, (unsigned __int128) f->n * c->width))
		return false;
	c->bytes = c->cells + (size_t) f->n * c->width;
	if (c->type == FORM_BYTES)
		c->nbytes = (uint64_t) number_at(f, c->least, 8);
	if (!room(f, c->bytes, c->nbytes))
		return false;
	*at = c->end = c->bytes + c->nbytes;
	if (c->type == FORM_BYTES &&
		(f->n == 0 ? 0 : (uint64_t) number_at(f, c->cells + (size_t) (f->n - 1) * c->width, c->width)) != c->nbytes)
		return false;
	return col != FORM_COL_KEY || f->n < 2 || c->width > 0;
}

bool
form_read(Form *f, const uint8_t *data, size_t size)
{
	size_t		at = 38;

	memset(f, 0, sizeof(*f));
	f->data = data;
	f->size = size;
	if (!room(f, 0, at) || data[0] != 1)
		return false;
	f->mode = data[1];
	f->value = data[2];
	f->key = data[3];
	for (int i = 0; i < 3; i++)
	{
		f->scale[i] = (int) number_at(f, 4 + 2 * i, 2);
		f->counts[i] = (int64_t) number_at(f, 14 + 8 * i, 8);
	}
	f->n = (uint32_t) number_at(f, 10, 4);
	if (f->mode > 3 || f->value > FORM_DOUBLES || f->key > FORM_TEXT)
		return false;
	if (f->scale[0] > f->scale[1] || f->scale[1] > MAX_SCALE || f->scale[2] > MAX_SCALE)
		return false;
	for (int i = 0; i < FORM_AMOUNTS; i++)
		if (!read_amount(f, &f->amount[i], &at, i != 2 && f->value == FORM_DOUBLES))
			return false;
	if (!room(f, at, 2))
		return false;
	f->name_len = (uint32_t) number_at(f, at, 2);
	f->name = at += 2;
	if (!room(f, at, f->name_len))
		return false;
	at += f->name_len;
	for (int i = 0; i < FORM_COLUMNS; i++)
		if (!read_column(f, i, &at))
			return false;
	return at == size;
}

FormInt
form_int(const Form *f, const FormColumn *c, uint32_t row)
{
	unsigned __int128 value = number_at(f, c->cells + (size_t) row * c->width, c->width);

	if (c->type == FORM_INT)
		value += number_at(f, c->least, 16);
	return (FormInt) value;
}

const uint8_t *
form_string(const Form *f, const FormColumn *c, uint32_t row, size_t *len)
{
	size_t		start = row == 0 ? 0 : (size_t) form_int(f, c, row - 1);

	*len = (size_t) form_int(f, c, row) - start;
	return f->data + c->bytes + start;
}

/* Do strings follow each other? */
static bool
in_order(const Form *f, const FormColumn *c)
{
	FormInt		last = 0;

	for (uint32_t i = 0; c->type == FORM_BYTES && i < f->n; i++)
	{
		FormInt		end = form_int(f, c, i);

		if (end < last || end > (FormInt) c->nbytes)
			return false;
		last = end;
	}
	return true;
}

/* Are all integers of a column within bounds? */
static bool
within(const Form *f, const FormColumn *c, FormInt least, FormInt greatest)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (form_int(f, c, i) < least || form_int(f, c, i) > greatest)
			return false;
	return true;
}

/* Do keys fit their type, and ascend? */
static bool
keys_sound(const Form *f)
{
	const FormColumn *c = &f->column[FORM_COL_KEY];

	if (f->key == FORM_INT4 && !within(f, c, INT32_MIN, INT32_MAX))
		return false;
	if (f->key == FORM_INT8 && !within(f, c, INT64_MIN, INT64_MAX))
		return false;
	for (uint32_t i = 0; i < f->n; i++)
	{
		const uint8_t *a;
		const uint8_t *b;
		size_t		a_len;
		size_t		b_len;
		size_t		same = 0;

		if (c->type == FORM_INT)
		{
			if (i > 0 && form_int(f, c, i - 1) >= form_int(f, c, i))
				return false;
			continue;
		}
		b = form_string(f, c, i, &b_len);
		if (f->key == FORM_UUID && b_len != 16)
			return false;
		if (i == 0)
			continue;
		a = form_string(f, c, i - 1, &a_len);
		while (same < a_len && same < b_len && a[same] == b[same])
			same++;
		if (same == b_len || (same < a_len && a[same] > b[same]))
			return false;
	}
	return true;
}

/* Are the extremes ones that can be? */
static bool
extremes_sound(const Form *f, int col)
{
	const FormColumn *c = &f->column[col];
	bool		own = col == FORM_COL_OWN_MIN || col == FORM_COL_OWN_MAX;

	for (uint32_t i = 0; i < f->n; i++)
	{
		bool		needed = !own || form_int(f, &f->column[FORM_COL_OWN_COUNT], i) != 0;
		FormInt		v;
		size_t		len;

		if (c->type == FORM_BYTES)
		{
			const uint8_t *cell = form_string(f, c, i, &len);

			if (len == 0 ? needed : !is_amount(cell, len, f->scale[0], true))
				return false;
			continue;
		}
		if (!needed)
			continue;
		v = form_int(f, c, i);
		if (f->value == FORM_EXACT && (v < -NOT_A_NUMBER || v > NOT_A_NUMBER))
			return false;

		/* Of doubles that are none there is one only. */
		if (f->value == FORM_DOUBLES &&
			(v < -INT64_C(0x7ff0000000000000) - 1 || v > INT64_C(0x7ff8000000000000) ||
			 (v > INT64_C(0x7ff0000000000000) && v < INT64_C(0x7ff8000000000000))))
			return false;
	}
	return true;
}

/* Are a column's values ones that can be there? */
static bool
column_sound(const Form *f, int col)
{
	const FormColumn *c = &f->column[col];

	switch (col)
	{
		case FORM_COL_KEY:
			return keys_sound(f);
		case FORM_COL_DEPTH:
			return within(f, c, -1, INT32_MAX);
		case FORM_COL_OWN_COUNT:
			return within(f, c, 0, INT64_MAX);
		case FORM_COL_OWN_FLAGS:
		case FORM_COL_TOTAL_FLAGS:
			return within(f, c, 0, 15);
		case FORM_COL_OWN_MIN:
		case FORM_COL_OWN_MAX:
		case FORM_COL_TOTAL_MIN:
		case FORM_COL_TOTAL_MAX:
			return f->value == FORM_COUNTS || extremes_sound(f, col);
		default:
			break;
	}
	for (uint32_t i = 0; i < f->n; i++)
	{
		if (c->type == FORM_REAL && c->width > 0 && !isfinite(real_at(f, c->cells + (size_t) i * 8)))
			return false;
		if (c->type == FORM_BYTES)
		{
			size_t		len;
			const uint8_t *cell = form_string(f, c, i, &len);

			if (len > 0 && !is_amount(cell, len, f->scale[col == FORM_COL_TOTAL_COUNT ? 2 : col == FORM_COL_TOTAL],
									  false))
				return false;
		}
	}
	return true;
}

/* Is an amount of the head one that can be there? */
static bool
amount_sound(const Form *f, int i)
{
	static const int scales[FORM_AMOUNTS] = {0, 0, 2, 1};
	const FormAmount *a = &f->amount[i];

	if (i == 2 ? a->flags != 0 :
		f->value == FORM_COUNTS &&
		(a->flags != 0 || a->form == FORM_AMOUNT_WIDE || (a->form == FORM_AMOUNT_FIXED && number_at(f, a->at, 16) != 0)))
		return false;
	if (a->form == FORM_AMOUNT_REAL)
		return isfinite(real_at(f, a->at)) && isfinite(real_at(f, a->at + 8));
	return a->form != FORM_AMOUNT_WIDE || is_amount(f->data + a->at, a->end - a->at, f->scale[scales[i]], false);
}

bool
form_sound(const Form *f)
{
	if (f->value != FORM_EXACT && f->scale[1] != 0)
		return false;
	if (f->counts[1] < 0 || f->counts[2] < 0 || f->counts[0] < f->counts[1])
		return false;
	if (memchr(f->data + f->name, '\0', f->name_len) != NULL)
		return false;
	for (int i = 0; i < FORM_AMOUNTS; i++)
		if (!amount_sound(f, i))
			return false;
	for (int i = 0; i < FORM_COLUMNS; i++)
		if (!in_order(f, &f->column[i]))
			return false;
	for (int i = 0; i < FORM_COLUMNS; i++)
		if (!column_sound(f, i))
			return false;
	return true;
}

bool
form_texts(const Form *f)
{
	const FormColumn *c = &f->column[FORM_COL_KEY];

	for (uint32_t i = 0; i < f->name_len; i++)
		if (f->data[f->name + i] >= 0xf8)
			return false;
	for (uint64_t i = 0; f->key == FORM_TEXT && i < c->nbytes; i++)
		if (f->data[c->bytes + i] >= 0xf8 || f->data[c->bytes + i] == 0)
			return false;
	return true;
}
