/*-------------------------------------------------------------------------
 *
 * match_name.c
 *	  Names and postcodes of customers in the form in which they are compared.
 *
 * Two lists write the same name in two ways: St. Mary's Hosp., Inc. and SAINT
 * MARYS HOSPITAL.  A name is first folded: capitals, accents off, & as AND,
 * all punctuation out.  Then words are dropped that only say what kind of
 * company it is, and usual abbreviations are written out.
 *
 * The result must be the same in every database, whatever its locale is, since
 * it is IMMUTABLE: so letters are folded by the tables here, in UTF-8, for the
 * Latin, Greek and Cyrillic scripts.  All other letters stay as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "library.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

HG_FUNCTION_INFO_V1(hgraph_normalise_name);
HG_FUNCTION_INFO_V1(hgraph_normalise_postcode);

#define ASCII_LETTER_OR_DIGIT(c) \
	(((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z') || ((c) >= '0' && (c) <= '9'))

typedef struct
{
	const char *from;
	const char *to;
} Replacement;

/* In the order of strcmp, for bsearch */
static const Replacement abbreviations[] = {
	{"ASSN", "ASSOCIATION"},
	{"ASSOC", "ASSOCIATION"},
	{"AUTH", "AUTHORITY"},
	{"AVE", "AVENUE"},
	{"BLDG", "BUILDING"},
	{"BLVD", "BOULEVARD"},
	{"BROS", "BROTHERS"},
	{"CENTERS", "CENTER"},
	{"CENTRE", "CENTER"},
	{"CENTRES", "CENTER"},
	{"CLINICS", "CLINIC"},
	{"CMNTY", "COMMUNITY"},
	{"CMTY", "COMMUNITY"},
	{"CNTR", "CENTER"},
	{"CNTY", "COUNTY"},
	{"COMM", "COMMUNITY"},
	{"CTR", "CENTER"},
	{"CTRS", "CENTER"},
	{"CTY", "COUNTY"},
	{"DEPT", "DEPARTMENT"},
	{"DIST", "DISTRICT"},
	{"DR", "DOCTOR"},
	{"FDN", "FOUNDATION"},
	{"FT", "FORT"},
	{"GEN", "GENERAL"},
	{"GENL", "GENERAL"},
	{"GOVT", "GOVERNMENT"},
	{"GRP", "GROUP"},
	{"HLTH", "HEALTH"},
	{"HLTHCARE", "HEALTHCARE"},
	{"HOSP", "HOSPITAL"},
	{"HOSPITALS", "HOSPITAL"},
	{"HSP", "HOSPITAL"},
	{"INDS", "INDUSTRIES"},
	{"INST", "INSTITUTE"},
	{"INTL", "INTERNATIONAL"},
	{"LAB", "LABORATORY"},
	{"LABS", "LABORATORY"},
	{"MED", "MEDICAL"},
	{"MEM", "MEMORIAL"},
	{"MEML", "MEMORIAL"},
	{"MFG", "MANUFACTURING"},
	{"MGMT", "MANAGEMENT"},
	{"MT", "MOUNT"},
	{"MTN", "MOUNTAIN"},
	{"NATL", "NATIONAL"},
	{"PHARM", "PHARMACY"},
	{"PSYCH", "PSYCHIATRIC"},
	{"REG", "REGIONAL"},
	{"REGL", "REGIONAL"},
	{"REHAB", "REHABILITATION"},
	{"RGNL", "REGIONAL"},
	{"SERVICES", "SERVICE"},
	{"SPEC", "SPECIALTY"},
	{"ST", "SAINT"},
	{"STE", "SAINTE"},
	{"SURG", "SURGICAL"},
	{"SVC", "SERVICE"},
	{"SVCS", "SERVICE"},
	{"SYS", "SYSTEM"},
	{"SYSTEMS", "SYSTEM"},
	{"TECH", "TECHNOLOGY"},
	{"UNIV", "UNIVERSITY"},
	{"VLY", "VALLEY"},
};

/* Say nothing of who it is, wherever they stand; in the order of strcmp */
static const char *const legal_forms[] = {
	"COMPANY", "CORP", "CORPORATION", "EIRL", "EURL", "GMBH", "INC", "INCORPORATED", "LIMITED", "LLC",
	"LLLP", "LLP", "LTD", "LTDA", "MBH", "OYJ", "PLC", "PLLC", "PTY", "SARL", "SRL", "THE",
};

/* The same, but only as the last word, since they can be something else */
static const char *const last_forms[] = {
	"AB", "AG", "APS", "AS", "ASA", "BV", "CO", "CV", "KG", "LC", "LP", "NV", "OHG", "OY", "PA", "PC", "SA",
	"SAS", "SE", "SL", "SPA",
};

/*
 * Letters from U+00C0 on without their accents; a character that is no letter
 * is a blank.
 */
static const char *const latin[] = {
	/* 00C0 */ "A", "A", "A", "A", "A", "A", "AE", "C", "E", "E", "E", "E", "I", "I", "I", "I",
	/* 00D0 */ "D", "N", "O", "O", "O", "O", "O", " ", "O", "U", "U", "U", "U", "Y", "TH", "SS",
	/* 00E0 */ "A", "A", "A", "A", "A", "A", "AE", "C", "E", "E", "E", "E", "I", "I", "I", "I",
	/* 00F0 */ "D", "N", "O", "O", "O", "O", "O", " ", "O", "U", "U", "U", "U", "Y", "TH", "Y",
	/* 0100 */ "A", "A", "A", "A", "A", "A", "C", "C", "C", "C", "C", "C", "C", "C", "D", "D",
	/* 0110 */ "D", "D", "E", "E", "E", "E", "E", "E", "E", "E", "E", "E", "G", "G", "G", "G",
	/* 0120 */ "G", "G", "G", "G", "H", "H", "H", "H", "I", "I", "I", "I", "I", "I", "I", "I",
	/* 0130 */ "I", "I", "IJ", "IJ", "J", "J", "K", "K", "K", "L", "L", "L", "L", "L", "L", "L",
	/* 0140 */ "L", "L", "L", "N", "N", "N", "N", "N", "N", "N", "N", "N", "O", "O", "O", "O",
	/* 0150 */ "O", "O", "OE", "OE", "R", "R", "R", "R", "R", "R", "S", "S", "S", "S", "S", "S",
	/* 0160 */ "S", "S", "T", "T", "T", "T", "T", "T", "U", "U", "U", "U", "U", "U", "U", "U",
	/* 0170 */ "U", "U", "U", "U", "W", "W", "Y", "Y", "Y", "Z", "Z", "Z", "Z", "Z", "Z", "S",
};

/* Greek letters from U+0386 on: capitals without accents; 0: as it is */
static const pg_wchar greek[] = {
	/* 0386 */ 0x391, 0, 0x395, 0x397, 0x399, 0, 0x39F, 0, 0x3A5, 0x3A9,
	/* 0390 */ 0x399, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	/* 03A0 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x399, 0x3A5, 0x391, 0x395, 0x397, 0x399,
	/* 03B0 */ 0x3A5, 0x391, 0x392, 0x393, 0x394, 0x395, 0x396, 0x397, 0x398, 0x399, 0x39A, 0x39B, 0x39C, 0x39D, 0x39E, 0x39F,
	/* 03C0 */ 0x3A0, 0x3A1, 0x3A3, 0x3A3, 0x3A4, 0x3A5, 0x3A6, 0x3A7, 0x3A8, 0x3A9, 0x399, 0x3A5, 0x39F, 0x3A5, 0x3A9,
};

/*
 * compare_word orders words for bsearch.
 */
static int
compare_word(const void *a, const void *b)
{
	return strcmp((const char *) a, *(const char *const *) b);
}

#define IS_ONE_OF(word, list) \
	(bsearch((word), (list), lengthof(list), sizeof((list)[0]), compare_word) != NULL)

/*
 * fold_letter appends a character beyond ASCII in the form in which it is
 * compared.
 */
static void
fold_letter(StringInfo out, const unsigned char *s, int len)
{
	pg_wchar	c = utf8_to_unicode(s);
	unsigned char folded[5] = {0};

	if (c >= 0xC0 && c < 0xC0 + lengthof(latin))
		appendStringInfoString(out, latin[c - 0xC0]);
	else if (c == 0xAA || c == 0xBA)
		appendStringInfoChar(out, c == 0xAA ? 'A' : 'O');
	else if ((c >= 0x300 && c <= 0x36F) || (c >= 0x2018 && c <= 0x201B) || c == 0x2BC || c == 0xAD)
		;						/* accents on their own, apostrophes, soft hyphen */
	else if (c < 0xC0 || (c >= 0x2000 && c <= 0x206F) || (c >= 0x3000 && c <= 0x3003) || c == 0xFEFF)
		appendStringInfoChar(out, ' ');
	else
	{
		if (c >= 0x386 && c < 0x386 + lengthof(greek))
			c = greek[c - 0x386] != 0 ? greek[c - 0x386] : c;
		else if (c >= 0x430 && c <= 0x44F)
			c -= 0x20;
		else if (c >= 0x450 && c <= 0x45F)
			c -= 0x50;
		unicode_to_utf8(c, folded);
		appendBinaryStringInfo(out, (char *) folded, pg_utf_mblen(folded));
	}
}

/*
 * fold_name appends a name, in UTF-8, as words of capitals and digits.
 */
static void
fold_name(StringInfo out, const char *name, int len)
{
	const unsigned char *s = (const unsigned char *) name;

	for (int i = 0; i < len;)
	{
		unsigned char c = s[i];

		if (IS_HIGHBIT_SET(c))
		{
			int			n = pg_utf_mblen(s + i);

			/* in a database without an encoding anything may come */
			if (i + n > len || !pg_utf8_islegal(s + i, n))
			{
				appendStringInfoChar(out, (char) c);
				n = 1;
			}
			else
				fold_letter(out, s + i, n);
			i += n;
			continue;
		}
		if (c >= 'a' && c <= 'z')
			appendStringInfoChar(out, (char) (c - 'a' + 'A'));
		else if (ASCII_LETTER_OR_DIGIT(c))
			appendStringInfoChar(out, (char) c);
		else if (c == '&' || c == '+')
			appendStringInfoString(out, " AND ");
		/* apostrophes, the marks of L.L.C. and A/S, not that of St.Mary */
		else if (c == '\'' ||
				 ((c == '.' || c == '/') && i > 0 && ASCII_LETTER_OR_DIGIT(s[i - 1]) &&
				  (i == 1 || (!IS_HIGHBIT_SET(s[i - 2]) && !ASCII_LETTER_OR_DIGIT(s[i - 2]))) &&
				  i + 1 < len && ASCII_LETTER_OR_DIGIT(s[i + 1]) &&
				  (i + 2 == len || (!IS_HIGHBIT_SET(s[i + 2]) && !ASCII_LETTER_OR_DIGIT(s[i + 2])))))
			;
		else
			appendStringInfoChar(out, ' ');
		i++;
	}
}

/*
 * split_words cuts folded text into its words, in place; returns how many.
 */
static int
split_words(char *folded, int len, char **words)
{
	int			n = 0;
	bool		within = false;

	for (int i = 0; i < len; i++)
	{
		if (folded[i] == ' ')
		{
			folded[i] = '\0';
			within = false;
		}
		else if (!within)
		{
			words[n++] = folded + i;
			within = true;
		}
	}
	return n;
}

/*
 * trade_name tells where in "holder DBA name" the name begins, which is what a
 * business is known by.
 */
static int
trade_name(char **words, int n)
{
	for (int i = 1; i + 1 < n; i++)
		if (strcmp(words[i], "DBA") == 0)
			return i + 1;
	return 0;
}

/*
 * drop_legal_forms removes words that only say what kind of company it is;
 * returns how many are left.  A name of nothing else stays.
 */
static int
drop_legal_forms(char **words, int n)
{
	int			kept = 0;
	int			last;

	for (int i = 0; i < n; i++)
		if (!IS_ONE_OF(words[i], legal_forms))
			kept++;
	if (kept == 0)
		return n;

	kept = 0;
	for (int i = 0; i < n; i++)
		if (!IS_ONE_OF(words[i], legal_forms))
			words[kept++] = words[i];
	last = kept;
	while (last > 1 && IS_ONE_OF(words[last - 1], last_forms))
		last--;
	/* MEYER AND CO */
	if (last > 1 && last < kept && strcmp(words[last - 1], "AND") == 0)
		last--;
	return last;
}

/*
 * append_words writes words with abbreviations replaced.
 */
static void
append_words(StringInfo out, char **words, int n)
{
	for (int i = 0; i < n; i++)
	{
		const Replacement *found = bsearch(words[i], abbreviations, lengthof(abbreviations),
										   sizeof(abbreviations[0]), compare_word);
		const char *word = found != NULL ? found->to : words[i];

		if (out->len > 0)
			appendStringInfoChar(out, ' ');
		if (strcmp(word, "HEALTH") == 0 && i + 1 < n && strcmp(words[i + 1], "CARE") == 0)
		{
			appendStringInfoString(out, "HEALTHCARE");
			i++;
		}
		else if (i > 0 && i == n - 1 && strcmp(words[i], "ST") == 0)
			appendStringInfoString(out, "STREET");
		else
			appendStringInfoString(out, word);
	}
}

/*
 * hgraph_normalise_name returns a name in the form in which names are compared.
 */
Datum
hgraph_normalise_name(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	char	   *utf8 = text_to_cstring(name);
	StringInfoData folded;
	StringInfoData result;
	char	  **words;
	int			n;
	int			first;

	/* where the database does not know what it has, it is taken for UTF-8 */
	if (GetDatabaseEncoding() != PG_SQL_ASCII)
		utf8 = pg_server_to_any(utf8, strlen(utf8), PG_UTF8);

	initStringInfo(&folded);
	fold_name(&folded, utf8, strlen(utf8));
	words = (char **) palloc(sizeof(char *) * (folded.len / 2 + 1));
	n = split_words(folded.data, folded.len, words);
	first = trade_name(words, n);
	n = drop_legal_forms(words + first, n - first);

	initStringInfo(&result);
	append_words(&result, words + first, n);
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		PG_RETURN_TEXT_P(cstring_to_text_with_len(result.data, result.len));
	PG_RETURN_TEXT_P(cstring_to_text(pg_any_to_server(result.data, result.len, PG_UTF8)));
}

/*
 * hgraph_normalise_postcode returns a postcode in the form in which postcodes
 * are compared: capitals and digits; of nine digits, which is a ZIP+4, five.
 */
Datum
hgraph_normalise_postcode(PG_FUNCTION_ARGS)
{
	text	   *postcode = PG_GETARG_TEXT_PP(0);
	const char *s = VARDATA_ANY(postcode);
	int			len = VARSIZE_ANY_EXHDR(postcode);
	char	   *out = palloc(len + 1);
	int			n = 0;
	int			digits = 0;

	for (int i = 0; i < len; i++)
	{
		unsigned char c = s[i];

		if (!IS_HIGHBIT_SET(c) && !ASCII_LETTER_OR_DIGIT(c))
			continue;
		if (c >= '0' && c <= '9')
			digits++;
		out[n++] = (char) (c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	if (n == 9 && digits == 9)
		n = 5;
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out, n));
}
