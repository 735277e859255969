/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  Node arguments to keys, nodes to results, weights to numeric.
 *
 * A node argument is bigint, uuid or text.  Text is the way in for every
 * graph: it goes through the input function of the graph's key type.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "functions/keys.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/uuid.h"
#include "utils/varlena.h"

/*
 * key_type_fits tells whether nodes of a graph with such keys can be given
 * and returned as the type.
 */
static bool
key_type_fits(HgKeyKind kind, Oid type)
{
	switch (type)
	{
		case INT8OID:
		case INT4OID:
			return kind == HG_KEY_INT;
		case UUIDOID:
			return kind == HG_KEY_UUID;
		case TEXTOID:
			return true;
		default:
			return false;
	}
}

/*
 * hg_key_check_type raises the error for a type of nodes that does not fit
 * the graph.
 */
void
hg_key_check_type(const HgLayout *layout, Oid type)
{
	Oid			usual;

	if (key_type_fits(layout->key_kind, type))
		return;

	usual = layout->key_kind == HG_KEY_INT ? INT8OID : layout->key_type;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("nodes of graph \"%s\" are of type %s, not %s",
					get_rel_name(layout->index_oid),
					format_type_be(layout->key_type),
					format_type_be(type)),
			 usual == TEXTOID ?
			 errhint("Pass the node, or the key_type argument, as text.") :
			 errhint("Pass the node, or the key_type argument, as %s or as text.",
					 format_type_be(usual))));
}

/*
 * key_from_text runs a text through the input function of the key type.
 */
static void
key_from_text(const HgLayout *layout, text *value, HgKey *key)
{
	char	   *str;

	if (layout->key_kind == HG_KEY_BYTES)
	{
		key->num = 0;
		key->bytes = (const unsigned char *) VARDATA_ANY(value);
		key->len = VARSIZE_ANY_EXHDR(value);
		return;
	}

	str = text_to_cstring(value);
	key->bytes = NULL;
	key->len = 0;
	if (layout->key_kind == HG_KEY_UUID)
	{
		Datum		uuid = DirectFunctionCall1(uuid_in, CStringGetDatum(str));

		key->num = 0;
		key->bytes = DatumGetUUIDP(uuid)->data;
		key->len = UUID_LEN;
	}
	else if (layout->key_type == INT4OID)
		key->num = DatumGetInt32(DirectFunctionCall1(int4in,
													 CStringGetDatum(str)));
	else
		key->num = DatumGetInt64(DirectFunctionCall1(int8in,
													 CStringGetDatum(str)));
	pfree(str);
}

/*
 * hg_key_from_datum turns a node argument into a key of the graph.
 */
void
hg_key_from_datum(const HgLayout *layout, Oid type, Datum value, HgKey *key)
{
	hg_key_check_type(layout, type);

	switch (type)
	{
		case INT8OID:
			key->num = DatumGetInt64(value);
			key->bytes = NULL;
			key->len = 0;
			break;
		case INT4OID:
			key->num = DatumGetInt32(value);
			key->bytes = NULL;
			key->len = 0;
			break;
		case UUIDOID:
			key->num = 0;
			key->bytes = DatumGetUUIDP(value)->data;
			key->len = UUID_LEN;
			break;
		default:
			key_from_text(layout, DatumGetTextPP(value), key);
			break;
	}
}

/*
 * text_is_key tells whether the input function of a key type would take the
 * text.  Stricter than that function in odd spellings of a uuid, which cost
 * an estimate and nothing more.
 */
static bool
text_is_key(const HgLayout *layout, text *value)
{
	const char *p = VARDATA_ANY(value);
	const char *end = p + VARSIZE_ANY_EXHDR(value);

	if (layout->key_kind == HG_KEY_UUID)
	{
		int			digits = 0;

		if (end - p != 32 && end - p != 36)
			return false;
		for (; p < end; p++)
		{
			if (*p == '-' && end - p > 1 && digits > 0 &&
				digits % 4 == 0 && p[-1] != '-')
				continue;
			if (!isxdigit((unsigned char) *p))
				return false;
			digits++;
		}
		return digits == 32;
	}
	if (layout->key_kind == HG_KEY_INT)
	{
		int64		num = 0;
		int			digits = 0;

		if (p < end && (*p == '-' || *p == '+'))
			p++;
		for (; p < end && digits < 18; p++, digits++)
		{
			if (!isdigit((unsigned char) *p))
				return false;
			num = num * 10 + (*p - '0');
		}
		return digits > 0 && p == end &&
			(layout->key_type != INT4OID || num <= PG_INT32_MAX);
	}
	return true;
}

/*
 * hg_key_try is hg_key_from_datum for callers that must not raise errors.
 */
bool
hg_key_try(const HgLayout *layout, Oid type, Datum value, HgKey *key)
{
	if (!key_type_fits(layout->key_kind, type))
		return false;
	if (type == TEXTOID && !text_is_key(layout, DatumGetTextPP(value)))
		return false;
	hg_key_from_datum(layout, type, value, key);
	return true;
}

/*
 * hg_key_out_init prepares the conversion of nodes of a graph to datums of a
 * type, whose memory will come from mcxt.  Raises 42804 for a wrong type.
 */
void
hg_key_out_init(HgKeyOut *out, const HgQuery *q, Oid type, MemoryContext mcxt)
{
	hg_key_check_type(q->layout, type);
	out->g = q->view.g;
	out->kind = q->layout->key_kind;
	out->type = type;
	out->collation = q->layout->collation;
	out->mcxt = mcxt;
	get_typlenbyvalalign(type, &out->typlen, &out->typbyval, &out->typalign);
	/* A uuid stands in the graph as the datum points to it. */
	out->allocates = !out->typbyval && type != UUIDOID;
}

/*
 * text_datum makes a text in out->mcxt.
 */
static Datum
text_datum(const HgKeyOut *out, const void *bytes, size_t len)
{
	text	   *t = MemoryContextAlloc(out->mcxt, VARHDRSZ + len);

	SET_VARSIZE(t, VARHDRSZ + len);
	memcpy(VARDATA(t), bytes, len);
	return PointerGetDatum(t);
}

/*
 * hg_key_datum_slow is hg_key_datum for all types.
 */
Datum
hg_key_datum_slow(const HgKeyOut *out, uint32 node)
{
	HgKey		key = hg_graph_key(out->g, node);

	switch (out->type)
	{
		case INT8OID:
			{
				MemoryContext old = MemoryContextSwitchTo(out->mcxt);
				Datum		result = Int64GetDatum(key.num);

				MemoryContextSwitchTo(old);
				return result;
			}
		case INT4OID:
			if (key.num < PG_INT32_MIN || key.num > PG_INT32_MAX)
				ereport(ERROR,
						(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						 errmsg("node " INT64_FORMAT " is out of range for type integer",
								(int64) key.num),
						 errhint("Use NULL::bigint as key_type.")));
			return Int32GetDatum((int32) key.num);
		case UUIDOID:
			return PointerGetDatum(key.bytes);
		default:
			break;
	}

	if (out->kind == HG_KEY_INT)
	{
		char		buf[MAXINT8LEN + 1];
		int			len = pg_lltoa(key.num, buf);

		return text_datum(out, buf, len);
	}
	if (out->kind == HG_KEY_UUID)
	{
		static const char hex[] = "0123456789abcdef";
		char		buf[2 * UUID_LEN + 4];
		int			len = 0;

		for (int i = 0; i < UUID_LEN; i++)
		{
			if (i == 4 || i == 6 || i == 8 || i == 10)
				buf[len++] = '-';
			buf[len++] = hex[key.bytes[i] >> 4];
			buf[len++] = hex[key.bytes[i] & 0xf];
		}
		return text_datum(out, buf, len);
	}
	return text_datum(out, key.bytes, key.len);
}

/*
 * hg_key_array makes an array of nodes in out->mcxt.
 */
Datum
hg_key_array(const HgKeyOut *out, const uint32 *nodes, uint32 n)
{
	MemoryContext old = MemoryContextSwitchTo(out->mcxt);
	Datum	   *elems;
	ArrayType  *result;

	elems = MemoryContextAllocHuge(out->mcxt, (Size) n * sizeof(Datum));
	for (uint32 i = 0; i < n; i++)
		elems[i] = hg_key_datum(out, nodes[i]);
	result = construct_array(elems, n, out->type, out->typlen, out->typbyval,
							 out->typalign);
	pfree(elems);
	MemoryContextSwitchTo(old);
	return PointerGetDatum(result);
}

/*
 * hg_key_compare is the order of two nodes' keys: numbers by value, uuids by
 * their bytes, texts by the collation of the key column.
 */
int
hg_key_compare(void *arg, uint32_t a, uint32_t b)
{
	const HgKeyOut *out = arg;
	HgKey		ka = hg_graph_key(out->g, a);
	HgKey		kb = hg_graph_key(out->g, b);

	switch (out->kind)
	{
		case HG_KEY_INT:
			return (ka.num > kb.num) - (ka.num < kb.num);
		case HG_KEY_UUID:
			return memcmp(ka.bytes, kb.bytes, UUID_LEN);
		default:
			return varstr_cmp((const char *) ka.bytes, ka.len,
							  (const char *) kb.bytes, kb.len,
							  out->collation);
	}
}

/*
 * hg_share_out_init prepares the conversion of shares, in mcxt.
 */
void
hg_share_out_init(HgShareOut *out, MemoryContext mcxt)
{
	memset(out, 0, sizeof(HgShareOut));
	out->mcxt = mcxt;
}

/*
 * hg_share_datum is a share as numeric, converted as float8 to numeric is.
 */
Datum
hg_share_datum(HgShareOut *out, double value)
{
	uint64		bits;
	uint32		slot;
	MemoryContext old;

	memcpy(&bits, &value, sizeof(bits));
	slot = (uint32) ((bits * UINT64CONST(0x9E3779B97F4A7C15)) >> 58);
	StaticAssertStmt(HG_SHARE_SLOTS == 1 << (64 - 58), "slot takes six bits");

	if (out->datum[slot] != (Datum) 0)
	{
		if (memcmp(&out->value[slot], &value, sizeof(value)) == 0)
			return out->datum[slot];
		pfree(DatumGetPointer(out->datum[slot]));
		out->datum[slot] = (Datum) 0;
	}
	old = MemoryContextSwitchTo(out->mcxt);
	out->datum[slot] = DirectFunctionCall1(float8_numeric,
										   Float8GetDatumFast(value));
	out->value[slot] = value;
	MemoryContextSwitchTo(old);
	return out->datum[slot];
}
