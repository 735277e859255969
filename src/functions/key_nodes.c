/*-------------------------------------------------------------------------
 *
 * key_nodes.c
 *	  From the keys that a filter asks for to nodes of the graph.
 *
 * A key stands for the node that is returned as an equal value, if there is
 * one.  Unlike a node argument it raises no error: a text that is no number
 * is equal to no node of a graph of numbers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "functions/rowsource.h"
#include "utils/uuid.h"

/*
 * text_to_int reads a number that is written as text output writes it.
 */
static bool
text_to_int(const char *p, int len, int64 *num)
{
	bool		minus = len > 1 && *p == '-';
	uint64		limit = minus ? (uint64) PG_INT64_MAX + 1 : PG_INT64_MAX;
	uint64		value = 0;

	if (minus)
		p++, len--;
	if (len < 1 || len > 19 || (*p == '0' && (len > 1 || minus)))
		return false;
	for (; len > 0; p++, len--)
	{
		if (*p < '0' || *p > '9')
			return false;
		value = value * 10 + (*p - '0');
	}
	if (value > limit)
		return false;
	*num = minus ? (int64) (0 - value) : (int64) value;
	return true;
}

/*
 * text_to_uuid reads a uuid that is written as text output writes it.
 */
static bool
text_to_uuid(const char *p, int len, unsigned char *bytes)
{
	static const char hex[] = "0123456789abcdef";
	int			n = 0;

	if (len != 2 * UUID_LEN + 4)
		return false;
	for (int i = 0; i < len; i++)
	{
		const char *digit;

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (p[i] != '-')
				return false;
			continue;
		}
		if (p[i] == '\0' || (digit = strchr(hex, p[i])) == NULL)
			return false;
		bytes[n / 2] = (unsigned char) (bytes[n / 2] << 4 | (digit - hex));
		n++;
	}
	return true;
}

/*
 * text_to_key turns a text into the key that is written so.
 */
static bool
text_to_key(const HgRows *rows, text *value, unsigned char *space, HgKey *key)
{
	const char *p = VARDATA_ANY(value);
	int			len = VARSIZE_ANY_EXHDR(value);

	switch (rows->q.layout->key_kind)
	{
		case HG_KEY_INT:
			return text_to_int(p, len, &key->num);
		case HG_KEY_UUID:
			key->bytes = space;
			key->len = UUID_LEN;
			return text_to_uuid(p, len, space);
		default:
			key->bytes = (const unsigned char *) p;
			key->len = len;
			return true;
	}
}

/*
 * compare_nodes sorts by number.
 */
static int
compare_nodes(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return (x > y) - (x < y);
}

/*
 * hg_rows_key_nodes finds the nodes that args.keys name.  Returns how many
 * there are.
 */
uint32
hg_rows_key_nodes(const HgRows *rows, uint32 **nodes)
{
	const HgRowsArgs *args = &rows->args;
	uint32	   *node = MemoryContextAllocHuge(rows->mcxt,
											  Max(args->nkeys, 1) * sizeof(uint32));
	uint32		n = 0;
	uint32		different = 0;

	for (int i = 0; i < args->nkeys; i++)
	{
		unsigned char space[UUID_LEN] = {0};
		HgKey		key = {0, NULL, 0};

		switch (args->key_type)
		{
			case INT8OID:
			case INT4OID:
				key.num = DatumGetInt64(args->keys[i]);
				break;
			case UUIDOID:
				key.bytes = DatumGetUUIDP(args->keys[i])->data;
				key.len = UUID_LEN;
				break;
			default:
				if (!text_to_key(rows, DatumGetTextPP(args->keys[i]), space, &key))
					continue;
				break;
		}
		node[n] = hg_view_lookup(&rows->q.view, &key);
		if (node[n] != HG_NONE)
			n++;
	}

	if (n > 1)
		qsort(node, n, sizeof(uint32), compare_nodes);
	for (uint32 i = 0; i < n; i++)
	{
		if (different == 0 || node[i] != node[different - 1])
			node[different++] = node[i];
	}
	*nodes = node;
	return different;
}
