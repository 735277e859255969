/*-------------------------------------------------------------------------
 *
 * hrollup_fuzz.c
 *	  Fuzzing of type hrollup's binary receive: any bytes are refused with a
 *	  proper SQLSTATE, or are a value that can be sent, received again with the
 *	  same bytes, written, searched and added.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "fuzz.h"
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

/* Writes value and looks for each key, and for others. */
static void
use(void *arg)
{
	HgRollupView view;

	DirectFunctionCall1(hgraph_hrollup_out, value);
	hg_hrollup_open(&view, value);
	for (uint32 i = 0; i < view.head.n; i++)
	{
		HgKey		key = hg_hrollup_key(&view, i);

		fuzz_check(hg_hrollup_find(&view, &key) == i);
	}
}

/* Adds value to itself. */
static void
add(void *arg)
{
	value = DirectFunctionCall2(hgraph_hrollup_add, value, value);
}

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

/* A flag for the encoding, then the message */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			code;

	if (size == 0)
		return 0;
	server_converts = data[0] & 1;
	if (take(data + 1, size - 1))
	{
		server_converts = false;
		fuzz_check(server_try(send, NULL) == 0);
		if ((data[0] & 1) == 0)
			fuzz_check(VARSIZE_ANY_EXHDR(sent) == size - 1 &&
					   memcmp(VARDATA_ANY(sent), data + 1, size - 1) == 0);
		fuzz_check(take(VARDATA_ANY(sent), VARSIZE_ANY_EXHDR(sent)));
		fuzz_check(server_try(use, NULL) == 0);
		code = server_try(add, NULL);
		fuzz_check(code == 0 || code == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE);
		if (code == 0)
			fuzz_check(server_try(use, NULL) == 0);
	}
	server_clean();
	return 0;
}
