/*-------------------------------------------------------------------------
 *
 * hrollup.c
 *	  Type hrollup: its bytes.
 *
 * After the varlena header, all numbers little-endian and unaligned:
 *	 1	version
 *	 1	mode; 1 kind of values; 1 type of keys
 *	 6	scales of own, totals, counts
 *	 4	rows
 *	24	facts, unmatched facts, rows without a share
 *		amounts: grand, unmatched, roots' count, roots
 *	 2	length of the graph's name, then the name
 *		columns, HG_ROLLUP_COLUMNS of them
 *
 * An amount is a byte of flags, a byte for its form and, by form, nothing
 * (zero), 16 bytes (fixed), a length of 4 bytes and a numeric, or two doubles.
 * Where facts were only counted, amounts but the roots' count are zero.
 * Numerics stand in the form in which they travel to clients, which is checked
 * whenever one is read.
 *
 * So the bytes mean the same on every machine, can be sent as they are, and
 * may lie at any address.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "types/hrollup_private.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#define VERSION		1

/* Bytes before the digits of a numeric on the wire. */
#define NUMERIC_HEAD	8

typedef enum AmountForm
{
	FORM_ZERO,
	FORM_FIXED,
	FORM_WIDE,
	FORM_REAL
} AmountForm;

/* Types of keys by their number. */
static const Oid key_types[] = {INT4OID, INT8OID, UUIDOID, TEXTOID};

/* ---- writing ---- */

/*
 * put_number appends the low bytes of a number.
 */
static void
put_number(HgBuffer *buf, unsigned __int128 value, int bytes)
{
	unsigned char b[sizeof(value)];

	for (int i = 0; i < bytes; i++, value >>= 8)
		b[i] = (unsigned char) value;
	hg_buffer_put(buf, b, bytes);
}

/*
 * put_double appends a double.
 */
static void
put_double(HgBuffer *buf, double value)
{
	uint64		bits;

	memcpy(&bits, &value, sizeof(bits));
	put_number(buf, bits, sizeof(bits));
}

/*
 * hg_numeric_cell is a numeric in the form in which it is stored.
 */
HgKey
hg_numeric_cell(Numeric num)
{
	bytea	   *bytes = DatumGetByteaPP(DirectFunctionCall1(numeric_send,
															NumericGetDatum(num)));
	HgKey		cell = {0};

	cell.bytes = (const unsigned char *) VARDATA_ANY(bytes);
	cell.len = VARSIZE_ANY_EXHDR(bytes);
	return cell;
}

/*
 * put_amount appends an amount.
 */
static void
put_amount(HgBuffer *buf, const HgAmount *amount, bool real)
{
	put_number(buf, amount->flags & HG_AMOUNT_SPECIAL, 1);
	if (real)
	{
		put_number(buf, FORM_REAL, 1);
		put_double(buf, amount->real.sum);
		put_double(buf, amount->real.rest);
	}
	else if (amount->wide)
	{
		HgKey		cell = hg_numeric_cell(amount->wide);

		put_number(buf, FORM_WIDE, 1);
		put_number(buf, cell.len, 4);
		hg_buffer_put(buf, cell.bytes, cell.len);
	}
	else if (amount->fixed == 0)
		put_number(buf, FORM_ZERO, 1);
	else
	{
		put_number(buf, FORM_FIXED, 1);
		put_number(buf, (unsigned __int128) amount->fixed, sizeof(amount->fixed));
	}
}

/*
 * key_type_number is a type of keys as stored.  Types of strings count as
 * text.
 */
static int
key_type_number(Oid type)
{
	for (int i = 0; i < (int) lengthof(key_types); i++)
		if (key_types[i] == type)
			return i;
	return lengthof(key_types) - 1;
}

/*
 * hg_hrollup_begin starts the bytes of a rollup; columns follow.
 */
void
hg_hrollup_begin(HgBuffer *buf, const HgRollupHead *head)
{
	static const HgAmount nothing = {0};
	bool		counts = head->value == HG_VALUE_COUNT;
	bool		real = head->value == HG_VALUE_REAL;
	Size		namelen = strlen(head->graph);

	/* Roughly what the columns take, to grow but seldom. */
	hg_buffer_init(buf, 1024 + (Size) head->n * 48);
	put_number(buf, 0, VARHDRSZ);
	put_number(buf, VERSION, 1);
	put_number(buf, head->mode, 1);
	put_number(buf, head->value, 1);
	put_number(buf, key_type_number(head->key_type), 1);
	put_number(buf, head->own_scale, 2);
	put_number(buf, head->total_scale, 2);
	put_number(buf, head->count_scale, 2);
	put_number(buf, head->n, 4);
	put_number(buf, head->grand_count, 8);
	put_number(buf, head->unmatched_count, 8);
	put_number(buf, head->unstated, 8);
	put_amount(buf, counts ? &nothing : &head->grand, real);
	put_amount(buf, counts ? &nothing : &head->unmatched, real);
	put_amount(buf, &head->roots_count, false);
	put_amount(buf, counts ? &nothing : &head->roots, real);
	put_number(buf, namelen, 2);
	hg_buffer_put(buf, head->graph, namelen);
}

/*
 * hg_hrollup_end makes a datum of the bytes.
 */
struct varlena *
hg_hrollup_end(HgBuffer *buf)
{
	hg_buffer_done(buf);
	if (!AllocSizeIsValid(buf->len))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("rollup is too large for a value of type hrollup"),
				 errdetail("It would take %zu bytes; a value has at most %zu.",
						   buf->len, (Size) MaxAllocSize),
				 errhint("Roll up in parts, with a WHERE or GROUP BY.")));
	SET_VARSIZE(buf->data, buf->len);
	return (struct varlena *) buf->data;
}

/*
 * hg_hrollup_put appends a column.  One of zeros is left out, so that equal
 * rollups have equal bytes, however they were made.
 */
void
hg_hrollup_put(HgBuffer *buf, HgRollupColumn col, const HgSource *source,
			   const uint32 *order, uint32 n)
{
	Size		start = buf->len;
	HgSource	none = {0};

	hg_column_write(buf, source, order, n);
	if (col != HG_COL_KEY && source->type != HG_SOURCE_NONE &&
		hg_column_is_zero((const unsigned char *) buf->data + start))
	{
		buf->len = start;
		hg_column_write(buf, &none, NULL, n);
	}
}

/*
 * write_numerics writes a column of numerics.
 */
static void
write_numerics(HgBuffer *buf, HgRollupColumn col, const HgSource *source,
			   const uint32 *order, uint32 n, MemoryContext temp)
{
	MemoryContext old = MemoryContextSwitchTo(temp);
	HgKey	   *cells = palloc_extended((Size) Max(n, 1) * sizeof(HgKey),
										MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	HgSource	in_order = {.type = HG_SOURCE_BYTES,.base = cells,.stride = sizeof(HgKey)};

	for (uint32 i = 0; i < n; i++)
	{
		uint32		pos = order ? order[i] : i;
		const HgKey *num;

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (source->index)
			pos = source->index[pos];
		if (pos == HG_NONE)
			continue;
		num = (const HgKey *) ((const char *) source->base + source->stride * pos);
		if (num->len > 0)
			cells[i] = hg_numeric_cell((Numeric) unconstify(unsigned char *, num->bytes));
	}
	MemoryContextSwitchTo(old);
	hg_hrollup_put(buf, col, &in_order, NULL, n);
	MemoryContextReset(temp);
}

/*
 * hg_hrollup_make makes a rollup of its columns.
 */
struct varlena *
hg_hrollup_make(const HgRollupHead *head, const HgSource *columns,
				const uint32 *order, bool beside)
{
	MemoryContext temp = AllocSetContextCreate(CurrentMemoryContext,
											   "hierarchy rollup columns",
											   ALLOCSET_DEFAULT_SIZES);
	HgSource	sources[HG_ROLLUP_COLUMNS];
	HgPlan	   *plan;
	HgBuffer	buf;

	hg_hrollup_begin(&buf, head);
	memcpy(sources, columns, sizeof(sources));
	plan = hg_plan_make(sources, HG_ROLLUP_COLUMNS, order, head->n, beside);
	for (HgRollupColumn i = 0; i < HG_ROLLUP_COLUMNS; i++)
	{
		HgSource	none = {0};

		CHECK_FOR_INTERRUPTS();
		if (head->value == HG_VALUE_COUNT && i > HG_COL_TOTAL_COUNT)
			hg_hrollup_put(&buf, i, &none, NULL, head->n);
		else if (sources[i].type == HG_SOURCE_BYTES && i != HG_COL_KEY)
			write_numerics(&buf, i, &sources[i], order, head->n, temp);
		else
			hg_hrollup_put(&buf, i, &sources[i], sources[i].in_order ? NULL : order,
						   head->n);
	}
	hg_plan_fill(plan, &buf);
	MemoryContextDelete(temp);
	return hg_hrollup_end(&buf);
}

/* ---- reading ---- */

/* Where reading is; past the end everything reads as zero. */
typedef struct Reader
{
	const unsigned char *pos;
	const unsigned char *end;
	bool		failed;
} Reader;

/*
 * get_bytes moves over len bytes; NULL when there are not so many.
 */
static const unsigned char *
get_bytes(Reader *r, Size len)
{
	const unsigned char *start = r->pos;

	if (r->failed || (Size) (r->end - r->pos) < len)
	{
		r->failed = true;
		return NULL;
	}
	r->pos += len;
	return start;
}

/*
 * get_number reads a number of so many bytes.
 */
static unsigned __int128
get_number(Reader *r, int bytes)
{
	const unsigned char *b = get_bytes(r, bytes);
	unsigned __int128 value = 0;

	if (b == NULL)
		return 0;
	for (int i = bytes - 1; i >= 0; i--)
		value = value << 8 | b[i];
	return value;
}

/*
 * get_double reads a double.
 */
static double
get_double(Reader *r)
{
	uint64		bits = (uint64) get_number(r, sizeof(bits));
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * numeric_from_cell reads a numeric; errors are those of numeric_recv.
 */
static Numeric
numeric_from_cell(const unsigned char *bytes, uint32 len)
{
	StringInfoData buf;

	/* Its first two bytes say how many groups of digits follow its head. */
	if (len < NUMERIC_HEAD ||
		len != NUMERIC_HEAD + 2 * ((uint32) bytes[0] << 8 | bytes[1]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid value of type hrollup"),
				 errdetail("A number is damaged.")));
	buf.data = (char *) unconstify(unsigned char *, bytes);
	buf.len = buf.maxlen = len;
	buf.cursor = 0;
	return DatumGetNumeric(DirectFunctionCall3(numeric_recv,
											   PointerGetDatum(&buf),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/*
 * hg_hrollup_numeric reads a cell of a column of numerics.
 */
Numeric
hg_hrollup_numeric(const HgColumn *column, uint32 i)
{
	uint32		len;
	const unsigned char *bytes = hg_column_bytes(column, i, &len);

	return len == 0 ? NULL : numeric_from_cell(bytes, len);
}

/*
 * get_amount reads an amount.
 */
static void
get_amount(Reader *r, HgAmount *amount, bool real)
{
	uint8		flags = (uint8) get_number(r, 1);
	uint8		form = (uint8) get_number(r, 1);

	memset(amount, 0, sizeof(HgAmount));
	amount->flags = flags;
	if (r->failed || (flags & ~HG_AMOUNT_SPECIAL) != 0 ||
		form > FORM_REAL || (form == FORM_REAL) != real)
	{
		r->failed = true;
		return;
	}
	if (form == FORM_FIXED)
		amount->fixed = (hg_int128) get_number(r, sizeof(amount->fixed));
	else if (form == FORM_WIDE)
	{
		uint32		len = (uint32) get_number(r, 4);
		const unsigned char *bytes = get_bytes(r, len);

		if (bytes)
			amount->wide = numeric_from_cell(bytes, len);
	}
	else if (form == FORM_REAL)
	{
		amount->real.sum = get_double(r);
		amount->real.rest = get_double(r);
		if (!isfinite(amount->real.sum) || !isfinite(amount->real.rest))
			r->failed = true;
	}
}

/*
 * parse_head reads everything before the columns.
 */
static const char *
parse_head(HgRollupHead *head, Reader *r)
{
	uint32		mode;
	uint32		value;
	uint32		key;
	uint32		namelen;
	const unsigned char *name;
	bool		real;

	if (get_number(r, 1) != VERSION)
		return "Its format version is unknown.";
	mode = (uint32) get_number(r, 1);
	value = (uint32) get_number(r, 1);
	key = (uint32) get_number(r, 1);
	if (mode > HG_PATHS)
		return "Its mode is unknown.";
	if (value > HG_VALUE_REAL)
		return "Its kind of values is unknown.";
	if (key >= lengthof(key_types))
		return "Its type of keys is unknown.";
	head->mode = (HgMode) mode;
	head->value = (HgValueKind) value;
	head->key_type = key_types[key];
	real = head->value == HG_VALUE_REAL;

	head->own_scale = (int) get_number(r, 2);
	head->total_scale = (int) get_number(r, 2);
	head->count_scale = (int) get_number(r, 2);
	if (head->total_scale > HG_MAX_SCALE || head->count_scale > HG_MAX_SCALE ||
		head->own_scale > head->total_scale)
		return "Its scale is impossible.";
	head->n = (uint32) get_number(r, 4);
	head->grand_count = (int64) get_number(r, 8);
	head->unmatched_count = (int64) get_number(r, 8);
	head->unstated = (int64) get_number(r, 8);
	get_amount(r, &head->grand, real);
	get_amount(r, &head->unmatched, real);
	get_amount(r, &head->roots_count, false);
	get_amount(r, &head->roots, real);
	namelen = (uint32) get_number(r, 2);
	name = get_bytes(r, namelen);
	if (r->failed)
		return "Its head is damaged.";
	if (head->unmatched_count < 0 || head->unstated < 0 ||
		head->grand_count < head->unmatched_count)
		return "Its number of facts is impossible.";
	if (memchr(name, '\0', namelen) != NULL)
		return "The name of its graph is impossible.";
	head->graph = pnstrdup((const char *) name, namelen);
	return NULL;
}

/*
 * type_fits: may a column have this type?
 */
static bool
type_fits(const HgRollupHead *head, int col, HgColumnType type)
{
	bool		is_int = type == HG_COLUMN_INT || type == HG_COLUMN_NONE;

	switch (col)
	{
		case HG_COL_KEY:
			if (head->key_type == INT4OID || head->key_type == INT8OID)
				return type == HG_COLUMN_INT;
			return type == HG_COLUMN_BYTES;
		case HG_COL_DEPTH:
		case HG_COL_OWN_COUNT:
			return is_int;
		case HG_COL_TOTAL_COUNT:
			return is_int || type == HG_COLUMN_BYTES;
		default:
			break;
	}
	if (head->value == HG_VALUE_COUNT)
		return type == HG_COLUMN_NONE;
	switch (col)
	{
		case HG_COL_OWN_FLAGS:
		case HG_COL_TOTAL_FLAGS:
			return is_int;
		case HG_COL_OWN:
		case HG_COL_TOTAL:
			if (head->value == HG_VALUE_REAL)
				return type == HG_COLUMN_REAL || type == HG_COLUMN_NONE;
			return is_int || type == HG_COLUMN_BYTES;
		case HG_COL_OWN_REST:
		case HG_COL_TOTAL_REST:
			if (head->value == HG_VALUE_REAL)
				return type == HG_COLUMN_REAL || type == HG_COLUMN_NONE;
			return type == HG_COLUMN_NONE;
		default:
			if (head->value == HG_VALUE_REAL)
				return is_int;
			return is_int || type == HG_COLUMN_BYTES;
	}
}

/*
 * hg_hrollup_parse finds head and columns in bytes.
 */
const char *
hg_hrollup_parse(HgRollupView *view, const unsigned char *data, Size len)
{
	Reader		r = {data, data + len, false};
	const char *problem;

	memset(&view->head, 0, sizeof(HgRollupHead));
	problem = parse_head(&view->head, &r);
	if (problem)
		return problem;
	for (int i = 0; i < HG_ROLLUP_COLUMNS; i++)
	{
		HgColumn   *col = &view->columns[i];

		if (!hg_column_read(col, &r.pos, r.end, view->head.n))
			return "A column is damaged.";
		if (!type_fits(&view->head, i, col->type))
			return "A column is of the wrong type.";
		/* Keys differ, so there cannot be many in no bytes. */
		if (i == HG_COL_KEY && view->head.n > 1 && col->width == 0)
			return "Its number of nodes is impossible.";
	}
	if (r.pos != r.end)
		return "Bytes follow its end.";
	return NULL;
}

/*
 * hg_hrollup_open reads a rollup.
 */
void
hg_hrollup_open(HgRollupView *view, Datum value)
{
	const char *problem;

	view->value = PG_DETOAST_DATUM_PACKED(value);
	problem = hg_hrollup_parse(view,
							   (const unsigned char *) VARDATA_ANY(view->value),
							   VARSIZE_ANY_EXHDR(view->value));
	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("damaged value of type hrollup"),
				 errdetail_internal("%s", problem)));
}
