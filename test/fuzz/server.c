/*-------------------------------------------------------------------------
 *
 * server.c
 *	  As much of a server as code needs that decodes what came from outside.
 *	  See server.h.
 *
 * Numerics are looked at in full, and compared more or less; sums and the like
 * are wrong.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "access/itup.h"
#include "beside.h"
#include "common/shortest_dec.h"
#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

#undef sprintf
#undef snprintf
#undef vsnprintf

/* ---- memory ---- */

typedef struct Piece
{
	struct Piece *next;
	struct Piece **prev;
} Piece;

static Piece *pieces;

MemoryContext CurrentMemoryContext = NULL;
MemoryContext TopMemoryContext = NULL;

static void *
piece_link(Piece *p)
{
	if (p == NULL)
		abort();
	p->next = pieces;
	p->prev = &pieces;
	if (p->next)
		p->next->prev = &p->next;
	pieces = p;
	return p + 1;
}

static Piece *
piece_unlink(void *memory)
{
	Piece	   *p = (Piece *) memory - 1;

	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	return p;
}

void *
palloc(Size size)
{
	void	   *p = piece_link(malloc(sizeof(Piece) + size));

	memset(p, 0x7e, size);
	return p;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
palloc_extended(Size size, int flags)
{
	return (flags & MCXT_ALLOC_ZERO) ? palloc0(size) : palloc(size);
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return palloc(size);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return palloc0(size);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return palloc(size);
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	return palloc_extended(size, flags);
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name,
							  Size minContextSize, Size initBlockSize,
							  Size maxBlockSize)
{
	return NULL;
}

void
MemoryContextReset(MemoryContext context)
{
}

void
MemoryContextDelete(MemoryContext context)
{
}

void *
repalloc(void *pointer, Size size)
{
	return piece_link(realloc(piece_unlink(pointer), sizeof(Piece) + size));
}

void *
repalloc_huge(void *pointer, Size size)
{
	return repalloc(pointer, size);
}

void
pfree(void *pointer)
{
	free(piece_unlink(pointer));
}

char *
pnstrdup(const char *in, Size len)
{
	char	   *copy = palloc(len + 1);

	len = strnlen(in, len);
	memcpy(copy, in, len);
	copy[len] = '\0';
	return copy;
}

char *
pstrdup(const char *in)
{
	return pnstrdup(in, strlen(in));
}

void
server_clean(void)
{
	while (pieces)
		pfree(pieces + 1);
}

/* ---- errors ---- */

ErrorContextCallback *error_context_stack = NULL;
volatile sig_atomic_t InterruptPending = false;

static sigjmp_buf *catcher;
static int	level;
static int	sqlstate;
static bool hinted;
static char message[1000];

void
ProcessInterrupts(void)
{
}

bool
errstart(int elevel, const char *domain)
{
	level = elevel;
	if (elevel >= ERROR)
	{
		sqlstate = ERRCODE_INTERNAL_ERROR;
		hinted = false;
	}
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	ErrorContextCallback *c;

	for (c = error_context_stack; c; c = c->previous)
		c->callback(c->arg);
	error_context_stack = NULL;
	if (catcher == NULL)
		abort();
	siglongjmp(*catcher, 1);
}

int
errcode(int code)
{
	sqlstate = code;
	return 0;
}

int
geterrcode(void)
{
	return sqlstate;
}

static int
say(const char *fmt, va_list args)
{
	vsnprintf(message, sizeof(message), fmt, args);
	return 0;
}

#define SAYS(name) \
int \
name(const char *fmt,...) \
{ \
	va_list		args; \
\
	va_start(args, fmt); \
	say(fmt, args); \
	va_end(args); \
	return 0; \
}

/* Formats arguments as well: a wrong one shall be noticed. */
#define SAYS_MORE(name) \
int \
name(const char *fmt,...) \
{ \
	char		room[1000]; \
	va_list		args; \
\
	va_start(args, fmt); \
	vsnprintf(room, sizeof(room), fmt, args); \
	va_end(args); \
	return 0; \
}

SAYS(errmsg)
SAYS(errmsg_internal)
SAYS_MORE(errdetail)
SAYS_MORE(errdetail_internal)
SAYS_MORE(errcontext_msg)

int
errhint(const char *fmt,...)
{
	hinted = true;
	return 0;
}

int
set_errcontext_domain(const char *domain)
{
	return 0;
}

int
server_try(void (*run) (void *arg), void *arg)
{
	sigjmp_buf	here;

	catcher = &here;
	error_context_stack = NULL;
	if (sigsetjmp(here, 0) == 0)
	{
		run(arg);
		catcher = NULL;
		return 0;
	}
	catcher = NULL;
	return sqlstate;
}

const char *
server_message(void)
{
	return message;
}

bool
server_hinted(void)
{
	return hinted;
}

void
ExceptionalCondition(hg_condition_args)
{
	abort();
}

/* ---- calls ---- */

Datum
DirectFunctionCall1Coll(PGFunction func, Oid collation, Datum arg1)
{
	LOCAL_FCINFO(fcinfo, 1);

	InitFunctionCallInfoData(*fcinfo, NULL, 1, collation, NULL, NULL);
	fcinfo->args[0].value = arg1;
	fcinfo->args[0].isnull = false;
	return func(fcinfo);
}

Datum
DirectFunctionCall2Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2)
{
	LOCAL_FCINFO(fcinfo, 2);

	InitFunctionCallInfoData(*fcinfo, NULL, 2, collation, NULL, NULL);
	fcinfo->args[0].value = arg1;
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = arg2;
	fcinfo->args[1].isnull = false;
	return func(fcinfo);
}

Datum
DirectFunctionCall3Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2, Datum arg3)
{
	LOCAL_FCINFO(fcinfo, 3);

	InitFunctionCallInfoData(*fcinfo, NULL, 3, collation, NULL, NULL);
	fcinfo->args[0].value = arg1;
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = arg2;
	fcinfo->args[1].isnull = false;
	fcinfo->args[2].value = arg3;
	fcinfo->args[2].isnull = false;
	return func(fcinfo);
}

/* Compressed values are damaged here. */
struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	if (VARATT_IS_COMPRESSED(datum) || VARATT_IS_EXTERNAL(datum))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("compressed data are corrupted")));
	return datum;
}

struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	struct varlena *copy;
	Size		len;

	datum = pg_detoast_datum_packed(datum);
	if (VARATT_IS_4B(datum))
		return datum;
	len = VARSIZE_ANY_EXHDR(datum);
	copy = palloc(VARHDRSZ + len);
	SET_VARSIZE(copy, VARHDRSZ + len);
	memcpy(VARDATA(copy), VARDATA_ANY(datum), len);
	return copy;
}

/* ---- strings ---- */

void
initStringInfo(StringInfo str)
{
	str->maxlen = 64;
	str->data = palloc(str->maxlen);
	str->data[0] = '\0';
	str->len = str->cursor = 0;
}

void
appendBinaryStringInfo(StringInfo str, hg_bytes data, int datalen)
{
	if (str->len + datalen >= str->maxlen)
	{
		str->maxlen = 2 * (str->len + datalen) + 1;
		str->data = repalloc(str->data, str->maxlen);
	}
	memcpy(str->data + str->len, data, datalen);
	str->len += datalen;
	str->data[str->len] = '\0';
}

void
appendStringInfoString(StringInfo str, const char *s)
{
	appendBinaryStringInfo(str, s, strlen(s));
}

#undef appendStringInfoChar
void
appendStringInfoChar(StringInfo str, char ch)
{
	appendBinaryStringInfo(str, &ch, 1);
}

void
appendStringInfo(StringInfo str, const char *fmt,...)
{
	char		room[1000];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(room, sizeof(room), fmt, args);
	va_end(args);
	appendStringInfoString(str, room);
}

char *
psprintf(const char *fmt,...)
{
	char		room[1000];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(room, sizeof(room), fmt, args);
	va_end(args);
	return pstrdup(room);
}

text *
cstring_to_text_with_len(const char *s, int len)
{
	text	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), s, len);
	return result;
}

text *
cstring_to_text(const char *s)
{
	return cstring_to_text_with_len(s, strlen(s));
}

char *
text_to_cstring(const text *t)
{
	return pnstrdup(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

void
escape_json(StringInfo buf, const char *str)
{
	appendStringInfoChar(buf, '"');
	for (; *str; str++)
	{
		if (*str == '"' || *str == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *str);
	}
	appendStringInfoChar(buf, '"');
}

int
pg_lltoa(int64 ll, char *a)
{
	return sprintf(a, "%lld", (long long) ll);
}

int
double_to_shortest_decimal_bufn(double f, char *result)
{
	return sprintf(result, "%.17g", f);
}

int
double_to_shortest_decimal_buf(double f, char *result)
{
	return double_to_shortest_decimal_bufn(f, result);
}

Datum
uuid_out(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *uuid = PG_GETARG_UUID_P(0);
	char	   *out = palloc(2 * UUID_LEN + 1);

	for (int i = 0; i < UUID_LEN; i++)
		sprintf(out + 2 * i, "%02x", uuid->data[i]);
	PG_RETURN_CSTRING(out);
}

void
qsort_arg(void *base, size_t nel, size_t elsize, qsort_arg_comparator cmp, void *arg)
{
	char	   *a = base;
	char		room[256];

	/* Few rows come from an input. */
	if (elsize > sizeof(room))
		abort();
	for (size_t i = 1; i < nel; i++)
	{
		for (size_t k = i; k > 0 && cmp(a + (k - 1) * elsize, a + k * elsize, arg) > 0; k--)
		{
			memcpy(room, a + k * elsize, elsize);
			memcpy(a + k * elsize, a + (k - 1) * elsize, elsize);
			memcpy(a + (k - 1) * elsize, room, elsize);
		}
	}
}

#undef qsort
void
pg_qsort(void *base, size_t nel, size_t elsize, int (*cmp) (const void *, const void *))
{
	qsort(base, nel, elsize, cmp);
}

/* ---- encodings ---- */

bool		server_converts = false;
int			server_encoding = PG_UTF8;

int
GetDatabaseEncoding(void)
{
	return server_encoding;
}

static char *
convert(const char *s, int len)
{
	char	   *copy;

	if (memchr(s, '\0', len) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("NUL in a text")));
	for (int i = 0; i < len; i++)
	{
		if ((unsigned char) s[i] >= 0xf8)
			ereport(ERROR,
					(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
					 errmsg("not a character")));
	}
	if (!server_converts || len == 0)
		return unconstify(char *, s);
	copy = pnstrdup(s, len);
	for (int i = 0; i < len; i++)
	{
		if (copy[i] >= 'a' && copy[i] <= 'z')
			copy[i] = 'a' + 'z' - copy[i];
		else if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] += 'a' - 'A';
	}
	return copy;
}

char *
pg_client_to_server(const char *s, int len)
{
	return convert(s, len);
}

char *
pg_server_to_client(const char *s, int len)
{
	return convert(s, len);
}

/* ---- messages ---- */

void
pq_copymsgbytes(StringInfo msg, char *buf, int datalen)
{
	if (datalen < 0 || datalen > msg->len - msg->cursor)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("insufficient data left in message")));
	memcpy(buf, msg->data + msg->cursor, datalen);
	msg->cursor += datalen;
}

void
pq_begintypsend(StringInfo buf)
{
	initStringInfo(buf);
	appendBinaryStringInfo(buf, "\0\0\0\0", 4);
}

void
pq_sendbytes(StringInfo buf, hg_bytes data, int datalen)
{
	appendBinaryStringInfo(buf, data, datalen);
}

bytea *
pq_endtypsend(StringInfo buf)
{
	bytea	   *result = (bytea *) buf->data;

	SET_VARSIZE(result, buf->len);
	return result;
}

/* ---- numerics, as they are stored ---- */

#define SIGN_NEGATIVE	0x4000
#define SIGN_NAN		0xC000
#define SIGN_PINF		0xD000
#define SIGN_NINF		0xF000

typedef struct Parts
{
	int			sign;			/* 0 or SIGN_* */
	int			dscale;
	int			weight;
	int			ndigits;
	const char *digits;
} Parts;

/* A stored number that is shorter than it says shall be noticed. */
static Parts
take_apart(Numeric num)
{
	const char *data = VARDATA_ANY(num);
	int			len = VARSIZE_ANY_EXHDR(num);
	uint16		header;
	Parts		p = {0};

	memcpy(&header, data, 2);
	if ((header & 0xC000) == 0xC000)
		p.sign = header & 0xF000;
	else if (header & 0x8000)
	{
		p.sign = (header & 0x2000) ? SIGN_NEGATIVE : 0;
		p.dscale = (header & 0x1F80) >> 7;
		p.weight = (header & 0x003F) - ((header & 0x0040) ? 64 : 0);
		p.digits = data + 2;
		p.ndigits = (len - 2) / 2;
	}
	else
	{
		int16		weight;

		memcpy(&weight, data + 2, 2);
		p.sign = header & SIGN_NEGATIVE;
		p.dscale = header & 0x3FFF;
		p.weight = weight;
		p.digits = data + 4;
		p.ndigits = (len - 4) / 2;
	}
	if (len < 2 || p.ndigits < 0)
		abort();
	return p;
}

static int
digit_at(const Parts *p, int i)
{
	int16		digit;

	memcpy(&digit, p->digits + 2 * i, 2);
	if (digit < 0 || digit >= 10000)
		abort();
	return digit;
}

/* In the long form; digits in host order */
static Numeric
put_together(int sign, int dscale, int weight, const int16 *digits, int n)
{
	uint16		head[2] = {sign | dscale, (uint16) weight};
	int			len = sign >= SIGN_NAN ? 2 : 4 + 2 * n;
	char	   *num = palloc(VARHDRSZ + len);

	if (sign >= SIGN_NAN)
		head[0] = sign;
	SET_VARSIZE(num, VARHDRSZ + len);
	memcpy(VARDATA(num), head, Min(len, 4));
	if (len > 4)
		memcpy(VARDATA(num) + 4, digits, 2 * n);
	return (Numeric) num;
}

static double
numeric_value(Numeric num)
{
	Parts		p = take_apart(num);
	double		sum = 0;

	if (p.sign == SIGN_NAN || p.sign == SIGN_PINF)
		return 1e300;
	if (p.sign == SIGN_NINF)
		return -1e300;
	for (int i = 0; i < p.ndigits; i++)
		sum = sum * 10000 + digit_at(&p, i);
	if (sum > 0 && p.weight < 70)
		for (int i = p.weight; i < p.ndigits - 1; i++)
			sum /= 10000;
	return p.sign ? -sum : sum;
}

bool
numeric_is_nan(Numeric num)
{
	return take_apart(num).sign == SIGN_NAN;
}

bool
numeric_is_inf(Numeric num)
{
	int			sign = take_apart(num).sign;

	return sign == SIGN_PINF || sign == SIGN_NINF;
}

/* A number of 16 bits in network order */
static int
next16(StringInfo msg)
{
	unsigned char two[2];

	pq_copymsgbytes(msg, (char *) two, 2);
	return two[0] << 8 | two[1];
}

Datum
numeric_recv(PG_FUNCTION_ARGS)
{
	StringInfo	msg = (StringInfo) PG_GETARG_POINTER(0);
	int			n = next16(msg);
	int			weight = (int16) next16(msg);
	int			sign = next16(msg);
	int			dscale = next16(msg);
	int16	   *digits = palloc(2 * n + 2);
	int16	   *first = digits;

	if ((sign != 0 && sign != SIGN_NEGATIVE && sign < SIGN_NAN) ||
		(sign >= SIGN_NAN && sign != SIGN_NAN && sign != SIGN_PINF && sign != SIGN_NINF) ||
		dscale > 0x3FFF)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid sign or scale in external \"numeric\" value")));
	for (int i = 0; i < n; i++)
	{
		int			digit = next16(msg);

		if (digit >= 10000)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					 errmsg("invalid digit in external \"numeric\" value")));
		digits[i] = digit;
	}
	for (; n > 0 && first[0] == 0; n--, first++)
		weight--;
	while (n > 0 && first[n - 1] == 0)
		n--;
	if (n == 0 && sign < SIGN_NAN)
		sign = weight = 0;
	PG_RETURN_NUMERIC(put_together(sign, dscale, weight, first, n));
}

Datum
numeric_send(PG_FUNCTION_ARGS)
{
	Parts		p = take_apart(PG_GETARG_NUMERIC(0));
	int			head[4] = {p.ndigits, p.weight, p.sign, p.dscale};
	char	   *out = palloc(VARHDRSZ + 8 + 2 * p.ndigits);

	SET_VARSIZE(out, VARHDRSZ + 8 + 2 * p.ndigits);
	for (int i = 0; i < 4 + p.ndigits; i++)
	{
		int			v = i < 4 ? head[i] : digit_at(&p, i - 4);

		VARDATA(out)[2 * i] = (char) (v >> 8);
		VARDATA(out)[2 * i + 1] = (char) v;
	}
	PG_RETURN_BYTEA_P((bytea *) out);
}

/* Any text but those of specials is 0. */
Datum
numeric_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);

	PG_RETURN_NUMERIC(put_together(strcmp(text, "NaN") == 0 ? SIGN_NAN :
								   strcmp(text, "Infinity") == 0 ? SIGN_PINF :
								   strcmp(text, "-Infinity") == 0 ? SIGN_NINF : 0,
								   0, 0, NULL, 0));
}

Datum
numeric_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(psprintf("%.0f", numeric_value(PG_GETARG_NUMERIC(0))));
}

Datum
numeric_cmp(PG_FUNCTION_ARGS)
{
	double		a = numeric_value(PG_GETARG_NUMERIC(0));
	double		b = numeric_value(PG_GETARG_NUMERIC(1));

	PG_RETURN_INT32((a > b) - (a < b));
}

Datum
numeric_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(DatumGetInt32(numeric_cmp(fcinfo)) == 0);
}

Datum
numeric_min_scale(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(take_apart(PG_GETARG_NUMERIC(0)).dscale);
}

/* What changes a number gives the number. */
#define STAYS(name) \
Datum \
name(PG_FUNCTION_ARGS) \
{ \
	PG_RETURN_DATUM(PG_GETARG_DATUM(0)); \
}

STAYS(numeric_round)
STAYS(numeric_add)
STAYS(numeric_sub)
STAYS(numeric_div)
STAYS(numeric_uminus)

Datum
numeric_float8_no_overflow(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(numeric_value(PG_GETARG_NUMERIC(0)));
}

/* ---- what is of no interest ---- */

/* Is the library that of the SQL script? */
void
hg_library_check(void)
{
}

void
float_overflow_error(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value out of range: overflow")));
}

/* Jobs are done one after the other. */
void
hg_run_jobs(HgJob job, void *arg, int njobs, bool beside)
{
	HgRunner	runner = {0, NULL};

	for (int i = 0; i < njobs; i++)
		job(arg, i, &runner);
}

char *
format_type_be(Oid type_oid)
{
	return psprintf("%u", type_oid);
}

/* ---- relations: one page in memory ---- */

char	   *BufferBlocks = NULL;
Block	   *LocalBufferBlockPointers = NULL;

BlockNumber
BufferGetBlockNumber(Buffer buffer)
{
	return buffer;
}

void
PageInit(Page page, Size pageSize, Size specialSize)
{
	PageHeader	p = (PageHeader) page;

	memset(p, 0, pageSize);
	p->pd_lower = SizeOfPageHeaderData;
	p->pd_upper = p->pd_special = pageSize - MAXALIGN(specialSize);
	PageSetPageSizeAndVersion(page, pageSize, PG_PAGE_LAYOUT_VERSION);
}

char *
get_rel_name(Oid relid)
{
	return pstrdup("fuzzed");
}

Buffer
ReadBufferExtended(Relation reln, ForkNumber forkNum, BlockNumber blockNum,
				   ReadBufferMode mode, BufferAccessStrategy strategy)
{
	return 1;
}

void
LockBuffer(Buffer buffer, int mode)
{
}

void
UnlockReleaseBuffer(Buffer buffer)
{
}

BlockNumber
RelationGetNumberOfBlocksInFork(Relation relation, ForkNumber forkNum)
{
	return 2;
}

bool
pg_strong_random(void *buf, size_t len)
{
	memset(buf, 1, len);
	return true;
}

/* Nobody writes here. */
OffsetNumber
PageAddItemExtended(Page page, Item item, Size size, OffsetNumber offsetNumber,
					int flags)
{
	abort();
}

IndexTuple
index_form_tuple(TupleDesc tupleDescriptor, Datum *values, bool *isnull)
{
	abort();
}
