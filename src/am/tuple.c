/*-------------------------------------------------------------------------
 *
 * tuple.c
 *	  Index tuples and the items that the graph core takes.
 *
 * A reader decodes every entry of an index on first use, so this is where
 * that time goes: graphs of integers without roles take a short cut, and
 * weights and ranges are read from their stored form where that is simple.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rangetypes.h"
#include "utils/uuid.h"

/*
 * hg_form_entry makes the tuple for a row.
 */
IndexTuple
hg_form_entry(Relation index, Datum *values, bool *isnull, ItemPointer tid)
{
	IndexTuple	itup = index_form_tuple(RelationGetDescr(index), values, isnull);

	itup->t_tid = *tid;
	if (IndexTupleSize(itup) > HG_MAX_ENTRY_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index row size %zu exceeds hgraph maximum %zu for index \"%s\"",
						IndexTupleSize(itup), (Size) HG_MAX_ENTRY_SIZE,
						RelationGetRelationName(index)),
				 errdetail("The row's keys and INCLUDE columns do not fit on one page.")));
	return itup;
}

/*
 * corrupted_entry reports an entry whose insides contradict each other.
 */
static void
corrupted_entry(const HgLayout *layout)
{
	char	   *name = get_rel_name(layout->index_oid);

	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" contains a corrupted entry",
					name ? name : "?"),
			 errhint("Please REINDEX it.")));
}

/*
 * corrupted_value_callback adds the hint to what decompression complains of.
 */
static void
corrupted_value_callback(void *arg)
{
	if (geterrcode() == ERRCODE_DATA_CORRUPTED)
	{
		errcode(ERRCODE_INDEX_CORRUPTED);
		errhint("Please REINDEX index \"%s\".",
				get_rel_name(((const HgLayout *) arg)->index_oid));
	}
}

/*
 * plain_varlena makes a value readable with the _ANY macros.
 */
static struct varlena *
plain_varlena(const HgLayout *layout, Datum value)
{
	struct varlena *v = (struct varlena *) DatumGetPointer(value);
	ErrorContextCallback callback;

	Assert(v != NULL);
	if (!VARATT_IS_COMPRESSED(v) && !VARATT_IS_EXTERNAL(v))
		return v;

	callback.callback = corrupted_value_callback;
	callback.arg = unconstify(HgLayout *, layout);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	v = pg_detoast_datum_packed(v);
	error_context_stack = callback.previous;
	return v;
}

/*
 * read_key takes over a key.
 */
static void
read_key(const HgLayout *layout, Datum value, HgKey *key)
{
	switch (layout->key_type)
	{
		case INT4OID:
			key->num = DatumGetInt32(value);
			break;
		case INT8OID:
			key->num = DatumGetInt64(value);
			break;
		case UUIDOID:
			key->bytes = DatumGetUUIDP(value)->data;
			key->len = UUID_LEN;
			break;
		default:
			{
				struct varlena *v = plain_varlena(layout, value);

				key->bytes = (const unsigned char *) VARDATA_ANY(v);
				key->len = VARSIZE_ANY_EXHDR(v);
				break;
			}
	}
}

/*
 * read_numeric converts a numeric to double precision, as a cast would.
 *
 * Shares are short numbers, so it first tries the stored form: a two-byte
 * header (sign, display scale, weight) and digits to the base 10000.  Up to
 * 15 decimal digits and a power of ten up to 10^22 are exact as doubles, so
 * one division rounds as correctly as parsing the text does.
 */
static double
read_numeric(const HgLayout *layout, Datum value)
{
	static const double power[] = {1, 1e4, 1e8, 1e12};
	struct varlena *v = plain_varlena(layout, value);
	const char *data = VARDATA_ANY(v);
	Size		len = VARSIZE_ANY_EXHDR(v);
	uint16		header;
	int			ndigits,
				weight;
	int16		digit;
	double		result = 0;

	if (len < sizeof(uint16) || len % sizeof(uint16) != 0)
		corrupted_entry(layout);
	memcpy(&header, data, sizeof(header));
	ndigits = len / sizeof(uint16) - 1;
	if ((header & 0xC000) == 0x8000 && ndigits <= 3)
	{
		weight = header & 0x003F;
		if (header & 0x0040)
			weight -= 0x0040;
		/* The last digit counts 10000 to the power of weight - ndigits + 1. */
		weight -= ndigits - 1;
		if (ndigits == 0 || (weight <= 0 && weight >= -3))
		{
			for (int i = 0; i < ndigits; i++)
			{
				memcpy(&digit, data + (i + 1) * sizeof(digit), sizeof(digit));
				if (digit < 0 || digit >= 10000)
					corrupted_entry(layout);
				result = result * 10000 + digit;
			}
			if (ndigits > 0)
				result /= power[-weight];
			return (header & 0x2000) ? -result : result;
		}
	}

	if ((header & 0x8000) == 0 && len < 2 * sizeof(uint16))
		corrupted_entry(layout);	/* long form: the weight is missing */

	/* numeric's own code believes its digits */
	for (Size off = (header & 0x8000) ? sizeof(header) : 2 * sizeof(header);
		 off < len; off += sizeof(digit))
	{
		memcpy(&digit, data + off, sizeof(digit));
		if (digit < 0 || digit >= 10000)
			corrupted_entry(layout);
	}

	/* Not strict about overflow: a share that large is as good as infinite. */
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  PointerGetDatum(v)));
}

/*
 * read_range takes the bounds of a daterange from its stored form: the type's
 * OID, the bounds that exist, flags.  Ranges of dates are canonical, [from,
 * to), unless a bound is one of the infinite dates, which mean no bound.
 */
static void
read_range(const HgLayout *layout, Datum value, HgItem *item)
{
	struct varlena *v = plain_varlena(layout, value);
	const char *data = VARDATA_ANY(v);
	Size		len = VARSIZE_ANY_EXHDR(v);
	Size		expected = sizeof(Oid) + 1;
	unsigned char flags;

	if (len < expected)
		corrupted_entry(layout);
	flags = (unsigned char) data[len - 1];
	if (RANGE_HAS_LBOUND(flags))
		expected += sizeof(DateADT);
	if (RANGE_HAS_UBOUND(flags))
		expected += sizeof(DateADT);
	if (len != expected)
		corrupted_entry(layout);

	data += sizeof(Oid);
	if (flags & RANGE_EMPTY)
	{
		item->valid_from = 0;
		item->valid_to = 0;
		return;
	}
	if (RANGE_HAS_LBOUND(flags))
	{
		memcpy(&item->valid_from, data, sizeof(DateADT));
		data += sizeof(DateADT);
	}
	if (RANGE_HAS_UBOUND(flags))
		memcpy(&item->valid_to, data, sizeof(DateADT));
}

/*
 * fill_item makes an item of index column values; the child is not NULL.
 */
static void
fill_item(const HgLayout *layout, const Datum *values, const bool *isnull,
		  ItemPointer tid, HgItem *item)
{
	item->tid_block = ItemPointerGetBlockNumberNoCheck(tid);
	item->tid_off = ItemPointerGetOffsetNumberNoCheck(tid);
	item->flags = 0;
	item->label = 0;
	item->weight = 0;
	item->valid_from = HG_DAY_MIN;
	item->valid_to = HG_DAY_MAX;

	item->has_parent = !isnull[0];
	if (item->has_parent)
		read_key(layout, values[0], &item->parent);
	read_key(layout, values[1], &item->child);

	if (layout->weight_attno == 0 || isnull[layout->weight_attno - 1])
		item->flags |= HG_ENTRY_WEIGHT_NULL;
	else if (layout->weight_type == NUMERICOID)
		item->weight = read_numeric(layout, values[layout->weight_attno - 1]);
	else
		item->weight = DatumGetFloat8(values[layout->weight_attno - 1]);

	if (layout->validity_attno != 0 && !isnull[layout->validity_attno - 1])
		read_range(layout, values[layout->validity_attno - 1], item);

	if (layout->primary_attno != 0 && !isnull[layout->primary_attno - 1] &&
		DatumGetBool(values[layout->primary_attno - 1]))
		item->flags |= HG_ENTRY_PRIMARY;

	if (layout->label_attno == 0 || isnull[layout->label_attno - 1])
		item->flags |= HG_ENTRY_LABEL_NULL;
	else if (layout->label_type == INT2OID)
		item->label = DatumGetInt16(values[layout->label_attno - 1]);
	else
		item->label = DatumGetInt32(values[layout->label_attno - 1]);
}

/*
 * hg_item_from_values makes an item of a row that is being inserted.
 */
bool
hg_item_from_values(const HgLayout *layout, const Datum *values,
					const bool *isnull, ItemPointer tid, HgItem *item)
{
	if (isnull[1])
		return false;
	fill_item(layout, values, isnull, tid, item);
	return true;
}

/*
 * varlena_size measures a value of unknown sanity that starts off bytes into
 * len bytes of data; 0 if it makes no sense.
 */
static Size
varlena_size(const char *data, Size off, Size len)
{
	const char *p = data + off;
	Size		size;

	if (VARATT_IS_1B_E(p))
		return 0;				/* an index never refers to a TOAST table */
	if (VARATT_IS_1B(p))
		size = VARSIZE_1B(p);
	else
	{
		/* Data begin at a boundary, and so do headers of four bytes. */
		if (len - off < VARHDRSZ || off != INTALIGN(off))
			return 0;
		size = VARSIZE_4B(p);
		if (size < (VARATT_IS_4B_C(p) ? VARHDRSZ_COMPRESSED : VARHDRSZ))
			return 0;
	}
	return size <= len - off ? size : 0;
}

/*
 * deform does what index_deform_tuple does for the first natts columns, but
 * stays within the tuple whatever that contains.
 */
static void
deform(const HgLayout *layout, TupleDesc tupdesc, IndexTuple itup, int natts,
	   Datum *values, bool *isnull)
{
	bool		hasnulls = IndexTupleHasNulls(itup);
	bits8	   *nulls = (bits8 *) ((char *) itup + sizeof(IndexTupleData));
	Size		start = IndexInfoFindDataOffset(itup->t_info);
	Size		len = IndexTupleSize(itup);
	Size		off = 0;
	const char *data = (const char *) itup + start;

	if (start > len)
		corrupted_entry(layout);
	len -= start;

	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		Size		size;

		isnull[i] = hasnulls && att_isnull(i, nulls);
		if (isnull[i])
		{
			values[i] = (Datum) 0;
			continue;
		}
		if (att->attlen == -1)
		{
			if (off >= len)
				corrupted_entry(layout);
			off = att_align_pointer(off, att->attalign, -1, data + off);
			if (off >= len)
				corrupted_entry(layout);
			size = varlena_size(data, off, len);
			if (size == 0)
				corrupted_entry(layout);
		}
		else
		{
			off = att_align_nominal(off, att->attalign);
			if (off > len)
				corrupted_entry(layout);
			if (att->attlen > 0)
				size = att->attlen;
			else
				size = strnlen(data + off, len - off) + 1;
			if (size > len - off)
				corrupted_entry(layout);
		}
		values[i] = fetchatt(att, data + off);
		off += size;
	}
}

/*
 * columns_needed tells how many index columns a graph of this layout reads.
 */
static int
columns_needed(const HgLayout *layout)
{
	int			natts = 2;

	natts = Max(natts, layout->weight_attno);
	natts = Max(natts, layout->validity_attno);
	natts = Max(natts, layout->primary_attno);
	natts = Max(natts, layout->label_attno);
	return natts;
}

/*
 * decode_ints is the short cut for integer keys without roles or nulls.
 * Returns false when the tuple is not of that kind.
 */
static inline bool
decode_ints(IndexTuple itup, Size width, HgItem *item)
{
	const char *data = (const char *) itup + MAXALIGN(sizeof(IndexTupleData));

	if (IndexTupleHasNulls(itup) ||
		IndexTupleSize(itup) < MAXALIGN(sizeof(IndexTupleData)) + 2 * width)
		return false;

	if (width == sizeof(int32))
	{
		item->parent.num = *(const int32 *) data;
		item->child.num = *(const int32 *) (data + sizeof(int32));
	}
	else
	{
		item->parent.num = *(const int64 *) data;
		item->child.num = *(const int64 *) (data + sizeof(int64));
	}
	item->has_parent = true;
	item->flags = HG_ENTRY_WEIGHT_NULL | HG_ENTRY_LABEL_NULL;
	item->tid_block = ItemPointerGetBlockNumberNoCheck(&itup->t_tid);
	item->tid_off = ItemPointerGetOffsetNumberNoCheck(&itup->t_tid);
	item->label = 0;
	item->weight = 0;
	item->valid_from = HG_DAY_MIN;
	item->valid_to = HG_DAY_MAX;
	return true;
}

/*
 * decode_any decodes any tuple.
 */
static void
decode_any(const HgLayout *layout, TupleDesc tupdesc, IndexTuple itup,
		   int natts, HgItem *item)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	Assert(natts >= 2);
	deform(layout, tupdesc, itup, natts, values, isnull);
	if (isnull[1])
		corrupted_entry(layout);
	fill_item(layout, values, isnull, &itup->t_tid, item);
}

/*
 * int_width is the size of the keys if decode_ints may be tried, else 0.
 */
static Size
int_width(const HgLayout *layout)
{
	if (layout->roles != 0 || layout->key_kind != HG_KEY_INT)
		return 0;
	return layout->key_type == INT4OID ? sizeof(int32) : sizeof(int64);
}

/*
 * hg_page_tids fills in the TIDs of the first items of a page.
 */
void
hg_page_tids(Relation index, Page page, BlockNumber blkno, int nitems,
			 HgItem *items)
{
	for (int i = 0; i < nitems; i++)
	{
		ItemPointer tid = &hg_page_entry(index, page, blkno,
										 i + FirstOffsetNumber)->t_tid;

		items[i].tid_block = ItemPointerGetBlockNumberNoCheck(tid);
		items[i].tid_off = ItemPointerGetOffsetNumberNoCheck(tid);
	}
}

/*
 * hg_page_decode decodes a page from an offset on.
 */
int
hg_page_decode(Relation index, const HgLayout *layout, Page page,
			   BlockNumber blkno, OffsetNumber from, HgItem *items)
{
	TupleDesc	tupdesc = RelationGetDescr(index);
	OffsetNumber maxoff = PageGetMaxOffsetNumber(page);
	int			natts = columns_needed(layout);
	Size		width = int_width(layout);
	int			n = 0;

	for (OffsetNumber off = from; off <= maxoff; off = OffsetNumberNext(off))
	{
		IndexTuple	itup = hg_page_entry(index, page, blkno, off);
		HgItem	   *item = &items[n++];

		if (width == 0 || !decode_ints(itup, width, item))
			decode_any(layout, tupdesc, itup, natts, item);
	}
	return n;
}
