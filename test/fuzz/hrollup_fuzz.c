/*-------------------------------------------------------------------------
 *
 * hrollup_fuzz.c
 *	  Fuzzing of type hrollup's binary receive: any bytes are refused with a
 *	  proper SQLSTATE, or are a value that can be sent, received again with the
 *	  same bytes, written, searched and added.
 *
 * Those that are taken are those that hrollup_form.c finds sound, and what is
 * read from them is what stands there.  Whatever the bytes, looking at them, as
 * at a value whose storage is damaged, reads nothing that lies beside them.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "fuzz.h"
#include "hrollup_form.h"
#include "lib/stringinfo.h"
#include "types/hrollup_private.h"
#include "utils/uuid.h"

extern Datum hgraph_hrollup_recv(PG_FUNCTION_ARGS);
extern Datum hgraph_hrollup_send(PG_FUNCTION_ARGS);
extern Datum hgraph_hrollup_out(PG_FUNCTION_ARGS);
extern Datum hgraph_hrollup_add(PG_FUNCTION_ARGS);

static StringInfoData input;
static Datum value;
static bytea *sent;
static HgRollupView view;
static uint32 row;
static int	what;
static volatile unsigned seen;	/* so that no reading is left out */

/* Receives the input into value. */
static void
receive(void *arg)
{
	value = DirectFunctionCall1(hgraph_hrollup_recv, PointerGetDatum(&input));
}

/* Sends value. */
static void
send(void *arg)
{
	sent = DatumGetByteaPP(DirectFunctionCall1(hgraph_hrollup_send, value));
}

/* Where is a key, if one looks at each? */
static uint32
search(const HgKey *key)
{
	for (uint32 i = 0; i < view.head.n; i++)
	{
		HgKey		other = hg_hrollup_key(&view, i);

		if (other.num == key->num && other.len == key->len &&
			(key->len == 0 || memcmp(other.bytes, key->bytes, key->len) == 0))
			return i;
	}
	return HG_NONE;
}

/* Writes value and looks for each key, and for others. */
static void
use(void *arg)
{
	DirectFunctionCall1(hgraph_hrollup_out, value);
	hg_hrollup_open(&view, value);
	for (uint32 i = 0; i < view.head.n; i++)
	{
		HgKey		key = hg_hrollup_key(&view, i);

		fuzz_check(hg_hrollup_find(&view, &key) == i);
		if (view.columns[HG_COL_KEY].type == HG_COLUMN_INT)
			key.num += (uint64) 1;
		else if (key.len > 0)
			key.len--;
		if (view.head.n < 100)
			fuzz_check(hg_hrollup_find(&view, &key) == search(&key));
	}
}

/* Opens value. */
static void
open_value(void *arg)
{
	hg_hrollup_open(&view, value);
}

/* Adds value to itself. */
static void
add(void *arg)
{
	value = DirectFunctionCall2(hgraph_hrollup_add, value, value);
}

/* ---- looking at rows ---- */

#define WHATS	15

/* Is a row's key the same as a value of a type? */
static void
look_at_key(Oid type)
{
	bool		is_int = view.columns[HG_COL_KEY].type == HG_COLUMN_INT;
	HgKey		key = hg_hrollup_key(&view, row);
	unsigned char uuid[UUID_LEN] = {0};
	Datum		datum;

	hg_hrollup_check_type(&view.head, type);
	datum = hg_hrollup_key_datum(&view, row, type);
	if (type == INT8OID)
		fuzz_check(is_int && DatumGetInt64(datum) == key.num);
	else if (type == INT4OID)
		fuzz_check(is_int && DatumGetInt32(datum) == key.num);
	else if (type == UUIDOID)
	{
		memcpy(uuid, key.bytes, Min(key.len, UUID_LEN));
		fuzz_check(memcmp(DatumGetUUIDP(datum)->data, uuid, UUID_LEN) == 0);
	}
	else if (view.head.key_type == TEXTOID)
		fuzz_check(VARSIZE_ANY_EXHDR(DatumGetTextPP(datum)) == key.len &&
				   memcmp(VARDATA_ANY(DatumGetTextPP(datum)), key.bytes, key.len) == 0);
}

/* Looks at one thing of a row. */
static void
look(void *arg)
{
	static const Oid types[] = {INT8OID, TEXTOID, UUIDOID, INT4OID};
	HgAmount	amount;
	HgKey		key;

	switch (what)
	{
		case 0:
			hg_hrollup_own(&view, row);
			break;
		case 1:
			hg_hrollup_total(&view, row);
			break;
		case 2:
			hg_hrollup_total_count_datum(&view, row);
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			if (!hg_hrollup_extreme(&view, HG_COL_OWN_MIN + (what - 3), row, &amount))
				break;

			/* No facts of its own, no least one. */
			fuzz_check(view.head.value != HG_VALUE_COUNT && (what > 4 || hg_hrollup_own_count(&view, row) != 0));
			break;
		case 7:
		case 8:
			if (view.head.value != HG_VALUE_COUNT)
				hg_hrollup_sum(&view, what == 7 ? HG_COL_OWN : HG_COL_TOTAL, row, &amount);
			break;
		case 9:
			key = hg_hrollup_key(&view, row);
			(void) hg_hrollup_find(&view, &key);
			break;
		case 10:
			seen += (unsigned) hg_hrollup_own_count(&view, row) + (unsigned) hg_hrollup_depth(&view, row);
			break;
		default:
			look_at_key(types[what - 11]);
			break;
	}
}

/* Looks at everything of value, which is open. */
static void
look_at_all(bool sound)
{
	for (int col = 0; col < HG_ROLLUP_COLUMNS; col++)
	{
		const HgColumn *c = &view.columns[col];

		for (row = 0; row < Min(view.head.n, 100); row++)
		{
			uint32		len = 0;
			const unsigned char *bytes;

			if (c->type == HG_COLUMN_REAL)
				seen += hg_column_real(c, row) > 0;
			else if (c->type != HG_COLUMN_BYTES)
				seen += (unsigned) hg_column_int(c, row);
			if (c->type != HG_COLUMN_BYTES && c->type != HG_COLUMN_NONE)
				continue;
			bytes = hg_column_bytes(c, row, &len);
			for (uint32 i = 0; i < len; i++)
				seen += bytes[i];
		}
	}
	for (row = 0; row < Min(view.head.n, 20); row++)
	{
		for (what = 0; what < WHATS; what++)
		{
			int			code = server_try(look, NULL);

			fuzz_check(code == 0 || (what >= 11 && (code == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE ||
													code == ERRCODE_DATATYPE_MISMATCH)) ||
					   (!sound && code == ERRCODE_INVALID_BINARY_REPRESENTATION));
		}
	}
}

/* Compares what is read with what stands there. */
static void
compare(const Form *f)
{
	fuzz_check(view.head.n == f->n && view.head.own_scale == f->scale[0] && view.head.total_scale == f->scale[1] &&
			   view.head.count_scale == f->scale[2] && strlen(view.head.graph) == f->name_len);
	for (int col = 0; col < HG_ROLLUP_COLUMNS; col++)
	{
		const FormColumn *c = &f->column[col];

		for (uint32 i = 0; i < Min(f->n, 100); i++)
		{
			if (c->type == FORM_INT || c->type == FORM_NONE)
				fuzz_check(hg_column_int(&view.columns[col], i) == form_int(f, c, i));
			else if (c->type == FORM_REAL)
			{
				double		real = hg_column_real(&view.columns[col], i);
				int64		bits = (int64) form_int(f, c, i);

				fuzz_check(memcmp(&real, &bits, sizeof(real)) == 0);
			}
			else
			{
				size_t		form_len;
				uint32		len;
				const uint8_t *form_bytes = form_string(f, c, i, &form_len);
				const unsigned char *bytes = hg_column_bytes(&view.columns[col], i, &len);

				fuzz_check(len == form_len && (len == 0 || memcmp(bytes, form_bytes, len) == 0));
				if (col == HG_COL_TOTAL_COUNT)
				{
					HgAmount	amount;

					hg_hrollup_total_count(&view, i, &amount);
					fuzz_check((amount.wide != NULL) == (len > 0) && amount.fixed == 0);
				}
			}
		}
	}
}

/* ---- inputs ---- */

/* Receives bytes; were they taken?  They lie alone in memory. */
static bool
take(const void *bytes, size_t size)
{
	int			code;

	input.data = palloc(size);
	memcpy(input.data, bytes, size);
	input.len = input.maxlen = (int) size;
	input.cursor = 0;
	code = server_try(receive, NULL);
	fuzz_check(code == 0 || code == ERRCODE_INVALID_BINARY_REPRESENTATION ||
			   code == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE ||
			   code == ERRCODE_CHARACTER_NOT_IN_REPERTOIRE);
	return code == 0;
}

/* Looks at bytes as they are, as if they were stored. */
static void
look_at_stored(const void *bytes, size_t size)
{
	struct varlena *stored = palloc(VARHDRSZ + size);
	int			code;

	SET_VARSIZE(stored, VARHDRSZ + size);
	memcpy(VARDATA(stored), bytes, size);
	value = PointerGetDatum(stored);
	code = server_try(open_value, NULL);
	fuzz_check(code == 0 || code == ERRCODE_DATA_CORRUPTED || code == ERRCODE_INVALID_BINARY_REPRESENTATION);
	if (code == 0)
	{
		/* Rows take bytes. */
		fuzz_check(view.head.n < 2 || view.columns[HG_COL_KEY].width > 0);
		look_at_all(false);
	}
}

/* A flag for the encoding, then the message */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Form		form;
	bool		sound;
	bool		taken;
	int			code;

	if (size == 0)
		return 0;
	look_at_stored(data + 1, size - 1);
	sound = form_read(&form, data + 1, size - 1) && form_sound(&form) && form_texts(&form);
	server_converts = data[0] & 1;
	taken = take(data + 1, size - 1);

	/* Keys that differ may become the same. */
	fuzz_check(sound || !taken);
	fuzz_check(taken || !sound || (server_converts && form.key == FORM_TEXT));
	if (taken)
	{
		bool		converts = server_converts;

		server_converts = false;
		fuzz_check(server_try(send, NULL) == 0);
		if (!converts)
			fuzz_check(VARSIZE_ANY_EXHDR(sent) == size - 1 &&
					   memcmp(VARDATA_ANY(sent), data + 1, size - 1) == 0);
		fuzz_check(take(VARDATA_ANY(sent), VARSIZE_ANY_EXHDR(sent)));
		fuzz_check(server_try(use, NULL) == 0);
		fuzz_check(form_read(&form, (const uint8_t *) VARDATA_ANY(sent), VARSIZE_ANY_EXHDR(sent)) &&
				   form_sound(&form));
		compare(&form);
		look_at_all(true);
		code = server_try(add, NULL);
		fuzz_check(code == 0 || code == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE);
		if (code == 0)
		{
			fuzz_check(server_try(use, NULL) == 0);
			look_at_all(true);
		}
	}
	server_clean();
	return 0;
}
