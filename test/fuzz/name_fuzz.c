/*-------------------------------------------------------------------------
 *
 * name_fuzz.c
 *	  Fuzzing of the form in which names and postcodes are compared
 *	  (match_name.c): any bytes as a name.
 *
 * The form is words of capitals and digits with one blank between them, and not
 * much longer than the name.  Names that differ in what does not count have the
 * same one: in small letters or capitals, in what stands between words.  The
 * form of a form is itself, but for what its first and last words have become:
 * once they are gone, others stand there.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "fmgr.h"
#include "fuzz.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

extern Datum hgraph_normalise_name(PG_FUNCTION_ARGS);
extern Datum hgraph_normalise_postcode(PG_FUNCTION_ARGS);

typedef struct Text
{
	char		bytes[8192];
	size_t		len;
} Text;

/* ---- the server's UTF-8, as src/common/wchar.c has it ---- */

int
pg_utf_mblen(const unsigned char *s)
{
	return (*s & 0x80) == 0 ? 1 : (*s & 0xe0) == 0xc0 ? 2 : (*s & 0xf0) == 0xe0 ? 3 : (*s & 0xf8) == 0xf0 ? 4 : 1;
}

pg_wchar
utf8_to_unicode(const unsigned char *c)
{
	int			n = pg_utf_mblen(c);
	pg_wchar	code = n == 1 ? *c : *c & (0x7f >> n);

	if (n == 1 && *c >= 0x80)
		return 0xffffffff;
	for (int i = 1; i < n; i++)
		code = code << 6 | (c[i] & 0x3f);
	return code;
}

unsigned char *
unicode_to_utf8(pg_wchar c, unsigned char *utf8string)
{
	int			n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (int i = n - 1; i > 0; i--, c >>= 6)
		utf8string[i] = 0x80 | (c & 0x3f);
	utf8string[0] = n == 1 ? c : (0xf00 >> n & 0xff) | c;
	return utf8string;
}

bool
pg_utf8_islegal(const unsigned char *source, int length)
{
	pg_wchar	c;

	if (length != pg_utf_mblen(source) || (length == 1 && *source >= 0x80))
		return false;
	for (int i = 1; i < length; i++)
		if ((source[i] & 0xc0) != 0x80)
			return false;
	c = utf8_to_unicode(source);
	return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) &&
		length == (c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
}

/* Names are in UTF-8, or the database does not know in what. */
char *
pg_server_to_any(const char *s, int len, int encoding)
{
	return unconstify(char *, s);
}

char *
pg_any_to_server(const char *s, int len, int encoding)
{
	return unconstify(char *, s);
}

/* ---- calls ---- */

static PGFunction called;
static const Text *given;
static Text *got;

/* Calls the function; what is given lies alone in memory. */
static void
call(void *arg)
{
	text	   *result = DatumGetTextPP(DirectFunctionCall1(called,
															PointerGetDatum(cstring_to_text_with_len(given->bytes, (int) given->len))));

	got->len = VARSIZE_ANY_EXHDR(result);
	fuzz_check(got->len <= sizeof(got->bytes));
	memcpy(got->bytes, VARDATA_ANY(result), got->len);
}

/* Puts the form of a text into another. */
static void
form_of(PGFunction function, const Text *from, Text *to)
{
	called = function;
	given = from;
	got = to;
	fuzz_check(server_try(call, NULL) == 0);
}

/* Are they the same? */
static bool
same(const Text *a, const Text *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* Is it all in UTF-8? */
static bool
is_utf8(const Text *t)
{
	char		padded[sizeof(t->bytes) + 4] = {0};
	const unsigned char *s = (const unsigned char *) padded;

	memcpy(padded, t->bytes, t->len);
	for (size_t i = 0; i < t->len; i += pg_utf_mblen(s + i))
		if (!pg_utf8_islegal(s + i, pg_utf_mblen(s + i)))
			return false;
	return true;
}

/* Where does a word begin, and where does it end?  n from the first, or from the last. */
static bool
word_of(const Text *t, size_t n, bool last, const char **word, size_t *len)
{
	size_t		words = t->len > 0;
	size_t		at = 0;

	for (size_t i = 0; i < t->len; i++)
		words += t->bytes[i] == ' ';
	if (n >= words)
		return false;
	if (last)
		n = words - 1 - n;
	for (; n > 0; n--)
	{
		while (t->bytes[at] != ' ')
			at++;
		at++;
	}
	*word = t->bytes + at;
	for (*len = 0; at + *len < t->len && t->bytes[at + *len] != ' '; ++*len)
		;
	return true;
}

/* Does a word stand among these, each between blanks? */
static bool
is_among(const char *word, size_t len, const char *words)
{
	for (const char *w = words; *w; w += strcspn(w, " "), w += strspn(w, " "))
		if (strcspn(w, " ") == len && memcmp(w, word, len) == 0)
			return true;
	return false;
}

/* ---- what must be true ---- */

/* Is a form words with one blank between them? */
static void
check_words(const Text *name, const Text *form)
{
	fuzz_check(form->len <= 4 * name->len + 1);
	for (size_t i = 0; i < form->len; i++)
	{
		unsigned char c = (unsigned char) form->bytes[i];

		fuzz_check(c >= 0x80 || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ');
		fuzz_check(c != ' ' || (i > 0 && i + 1 < form->len && form->bytes[i - 1] != ' '));
	}
}

/* Does a name that differs in what does not count have the same form? */
static void
check_alike(const Text *name, const Text *form, uint32 how)
{
	static Text other;
	static Text other_form;

	other = *name;
	switch (how)
	{
		case 0:
		case 1:					/* capitals, small letters */
			for (size_t i = 0; i < other.len; i++)
			{
				char	   *c = &other.bytes[i];

				if (how == 0 ? *c >= 'a' && *c <= 'z' : *c >= 'A' && *c <= 'Z')
					*c ^= 0x20;
			}
			break;
		case 2:					/* what stands between words, but marks that may stand in one */
			for (size_t i = 0; i < other.len; i++)
			{
				unsigned char c = (unsigned char) other.bytes[i];

				if (c < 0x80 && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
					strchr("&+'./", c) == NULL)
					other.bytes[i] = ",-;:_ \t(#"[i % 9];
			}
			break;
		case 3:					/* blanks around it */
			if (other.len + 2 > sizeof(other.bytes))
				return;
			memmove(other.bytes + 1, other.bytes, other.len);
			other.bytes[0] = other.bytes[other.len + 1] = ' ';
			other.len += 2;
			break;
		case 4:					/* apostrophes, anywhere between letters */
			if (other.len < 3)
				return;
			for (size_t i = 1; i + 1 < other.len; i++)
				if (other.bytes[i] == '\'')
				{
					memmove(other.bytes + i, other.bytes + i + 1, other.len - i - 1);
					other.len--;
					break;
				}
			for (size_t i = 0; i < other.len; i++)
				if (strchr("./", other.bytes[i]) != NULL || (other.bytes[i] & 0x80))
					return;
			break;
		default:				/* and, in words */
			for (size_t i = 0; i < other.len; i++)
			{
				if (other.bytes[i] != '&' && other.bytes[i] != '+')
					continue;
				if (other.len + 4 > sizeof(other.bytes))
					return;
				memmove(other.bytes + i + 5, other.bytes + i + 1, other.len - i - 1);
				memcpy(other.bytes + i, " and ", 5);
				other.len += 4;
				break;
			}
			break;
	}
	form_of(hgraph_normalise_name, &other, &other_form);
	fuzz_check(same(form, &other_form));
}

/* Is the form of a form itself? */
static void
check_again(const Text *form)
{
	static const char *const ends = "AB AG APS AS ASA BV CO CV KG LC LP NV OHG OY PA PC SA SAS SE SL SPA AND";
	static Text again;
	const char *word;
	size_t		len;

	for (size_t n = 0; word_of(form, n, false, &word, &len); n++)
		if (is_among(word, len, "DBA"))
			return;
	if (word_of(form, 0, true, &word, &len) && is_among(word, len, ends))
		return;
	form_of(hgraph_normalise_name, form, &again);
	fuzz_check(same(form, &again));
}

/* A postcode is its letters and digits; of nine digits, five. */
static void
check_postcode(const Text *postcode)
{
	static Text expected;
	static Text form;
	static Text again;
	size_t		digits = 0;

	expected.len = 0;
	for (size_t i = 0; i < postcode->len; i++)
	{
		char		c = postcode->bytes[i];

		if (c >= 'a' && c <= 'z')
			c ^= 0x20;
		if ((c & 0x80) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			expected.bytes[expected.len++] = c;
		digits += c >= '0' && c <= '9';
	}
	if (digits == 9 && expected.len == 9)
		expected.len = 5;
	form_of(hgraph_normalise_postcode, postcode, &form);
	fuzz_check(same(&form, &expected));
	form_of(hgraph_normalise_postcode, &form, &again);
	fuzz_check(same(&form, &again));
}

/* Adds a piece of a name. */
static void
add_piece(Text *name, const char *piece, size_t len)
{
	if (len > sizeof(name->bytes) / 4 - name->len)
		return;
	memcpy(name->bytes + name->len, piece, len);
	name->len += len;
}

/* Encoding and a change that does not count; then bytes, some of them words of names */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const pieces[] = {" the ", " inc", " l.l.c.", "co", " dba ", "DBA", "st. ", "health", " care", " & ",
		"+", "'", "hosp", "Ctr", "AND ", "a/s", "s.a.", "GmbH & Co. KG", "stra\xc3\x9f\x65", "\xc3\x89", "\xce\xac", "\xd1\x91",
		"\xcc\x81", "\xe2\x80\x99", "\xc2\xa0", "\xef\xbb\xbf", "\xf0\x9f\x8f\xa5", "\xc5\xbf", "\xe1\xba\x9e", "univ", "hlth",
	"SERVICES"};
	static Text name;
	static Text form;
	uint8		mode;

	fuzz_begin(data, size);
	mode = fuzz_byte();
	server_encoding = (mode & 1) ? PG_SQL_ASCII : PG_UTF8;
	name.len = 0;
	while (fuzz_left() > 0)
	{
		uint8		byte = fuzz_byte();

		/* bytes that UTF-8 hardly ever has stand for words */
		if (byte < 0x20 && (mode & 2))
			add_piece(&name, pieces[byte], strlen(pieces[byte]));
		else if (byte != 0)
			add_piece(&name, (char *) &byte, 1);
	}
	check_postcode(&name);
	if (server_encoding == PG_SQL_ASCII || is_utf8(&name))
	{
		bool		utf8 = is_utf8(&name);

		form_of(hgraph_normalise_name, &name, &form);
		check_words(&name, &form);
		fuzz_check(!utf8 || is_utf8(&form));
		check_alike(&name, &form, (mode >> 2) % 6);
		if (utf8)
			check_again(&form);
	}
	server_encoding = PG_UTF8;
	server_clean();
	return 0;
}
