/*-------------------------------------------------------------------------
 *
 * hrollup_wire.c
 *	  Type hrollup: binary send and receive.
 *
 * What is sent are the stored bytes, which mean the same everywhere, except
 * that texts are in the encoding of the client.  Keys then are in the order of
 * their bytes in that encoding, so on either side rows may have to move.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "types/hrollup_private.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(hgraph_hrollup_send);
PG_FUNCTION_INFO_V1(hgraph_hrollup_recv);

/*
 * to_server converts to the server's encoding, and makes sure that it is text.
 */
static char *
to_server(const char *bytes, int len)
{
	return pg_client_to_server(bytes, len);
}

/*
 * to_client converts to the client's encoding.
 */
static char *
to_client(const char *bytes, int len)
{
	return pg_server_to_client(bytes, len);
}

typedef char *(*Convert) (const char *bytes, int len);

/*
 * convert_keys converts all keys; true when any is different now.
 */
static bool
convert_keys(const HgRollupView *view, Convert convert, HgKey *keys)
{
	bool		changed = false;

	for (uint32 i = 0; i < view->head.n; i++)
	{
		char	   *bytes;

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		keys[i] = hg_hrollup_key(view, i);
		bytes = convert((const char *) keys[i].bytes, keys[i].len);
		if (bytes != (const char *) keys[i].bytes)
		{
			keys[i].bytes = (unsigned char *) bytes;
			keys[i].len = strlen(bytes);
			changed = true;
		}
	}
	return changed;
}

/*
 * compare_rows orders rows by their keys.
 */
static int
compare_rows(const void *a, const void *b, void *arg)
{
	const HgKey *keys = arg;

	CHECK_FOR_INTERRUPTS();
	return hg_hrollup_compare(TEXTOID, &keys[*(const uint32 *) a],
							  &keys[*(const uint32 *) b]);
}

/*
 * move_column writes a column with its rows in another order.
 */
static void
move_column(HgBuffer *buf, HgRollupColumn col, const HgColumn *column,
			const uint32 *order)
{
	HgSource	source = {0};
	Size		n = Max(column->n, 1);
	union
	{
		hg_int128  *num;
		double	   *real;
		HgKey	   *string;
	}			values;

	values.num = NULL;
	switch (column->type)
	{
		case HG_COLUMN_NONE:
			break;
		case HG_COLUMN_INT:
			source.type = HG_SOURCE_INT128;
			source.stride = sizeof(hg_int128);
			values.num = palloc_extended(n * source.stride, MCXT_ALLOC_HUGE);
			for (uint32 i = 0; i < column->n; i++)
				values.num[i] = hg_column_int(column, i);
			break;
		case HG_COLUMN_REAL:
			source.type = HG_SOURCE_DOUBLE;
			source.stride = sizeof(double);
			values.real = palloc_extended(n * source.stride, MCXT_ALLOC_HUGE);
			for (uint32 i = 0; i < column->n; i++)
				values.real[i] = hg_column_real(column, i);
			break;
		case HG_COLUMN_BYTES:
			source.type = HG_SOURCE_BYTES;
			source.stride = sizeof(HgKey);
			values.string = palloc_extended(n * source.stride, MCXT_ALLOC_HUGE);
			for (uint32 i = 0; i < column->n; i++)
				values.string[i].bytes = hg_column_bytes(column, i,
														 &values.string[i].len);
			break;
	}
	source.base = values.num;
	hg_hrollup_put(buf, col, &source, order, column->n);
	if (values.num)
		pfree(values.num);
}

/*
 * convert_rollup makes a rollup with its texts in another encoding, or returns
 * NULL when that makes no difference.
 */
static struct varlena *
convert_rollup(const HgRollupView *view, Convert convert)
{
	HgRollupHead head = view->head;
	uint32		n = head.n;
	HgKey	   *keys = NULL;
	uint32	   *order = NULL;
	bool		changed;
	HgBuffer	buf;
	HgSource	key_source = {.type = HG_SOURCE_BYTES,.stride = sizeof(HgKey)};

	head.graph = convert(head.graph, strlen(head.graph));
	changed = head.graph != view->head.graph;
	if (head.key_type == TEXTOID)
	{
		bool		keys_changed;

		keys = palloc_extended((Size) Max(n, 1) * sizeof(HgKey), MCXT_ALLOC_HUGE);
		keys_changed = convert_keys(view, convert, keys);
		changed |= keys_changed;
		if (keys_changed)
		{
			order = palloc_extended((Size) n * sizeof(uint32), MCXT_ALLOC_HUGE);
			for (uint32 i = 0; i < n; i++)
				order[i] = i;
			qsort_arg(order, n, sizeof(uint32), compare_rows, keys);
		}
	}
	if (!changed)
		return NULL;

	hg_hrollup_begin(&buf, &head);
	for (HgRollupColumn i = 0; i < HG_ROLLUP_COLUMNS; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == HG_COL_KEY && keys)
		{
			key_source.base = keys;
			hg_hrollup_put(&buf, i, &key_source, order, n);
		}
		else
			move_column(&buf, i, &view->columns[i], order);
	}
	return hg_hrollup_end(&buf);
}

/*
 * hgraph_hrollup_send writes the binary form.
 */
Datum
hgraph_hrollup_send(PG_FUNCTION_ARGS)
{
	HgRollupView view;
	struct varlena *value;
	StringInfoData buf;

	hg_hrollup_open(&view, PG_GETARG_DATUM(0));
	value = convert_rollup(&view, to_client);
	if (value == NULL)
		value = view.value;
	pq_begintypsend(&buf);
	pq_sendbytes(&buf, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/*
 * report_invalid raises the error for bytes that are not a rollup.
 */
static void
report_invalid(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid value of type hrollup"),
			 errdetail_internal("%s", problem)));
}

/*
 * read_wire checks a rollup in bytes.
 */
static void
read_wire(HgRollupView *view, struct varlena *value)
{
	const char *problem;

	view->value = value;
	problem = hg_hrollup_parse(view, (const unsigned char *) VARDATA(value),
							   VARSIZE(value) - VARHDRSZ);
	if (problem == NULL)
		problem = hg_hrollup_check(view);
	if (problem)
		report_invalid(problem);
}

/*
 * hgraph_hrollup_recv reads the binary form.
 */
Datum
hgraph_hrollup_recv(PG_FUNCTION_ARGS)
{
	StringInfo	msg = (StringInfo) PG_GETARG_POINTER(0);
	int			len = msg->len - msg->cursor;
	struct varlena *value = palloc(VARHDRSZ + len);
	HgRollupView view;
	struct varlena *converted;

	pq_copymsgbytes(msg, VARDATA(value), len);
	SET_VARSIZE(value, VARHDRSZ + len);
	read_wire(&view, value);

	/* Converting also makes sure that texts are texts. */
	converted = convert_rollup(&view, to_server);
	if (converted)
	{
		value = converted;
		/* What is different in one encoding may be the same in another. */
		read_wire(&view, value);
	}
	PG_RETURN_POINTER(value);
}
