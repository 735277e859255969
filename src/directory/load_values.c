/*-------------------------------------------------------------------------
 *
 * load_values.c
 *	  Texts of a file as values: trimmed text, dates, numbers, yes and no.
 *
 * A file may have anything in any column, and a load reports what cannot be
 * read instead of failing.  So none of these raises an error for a value: what
 * is not a date, say, is NULL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "library.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

HG_FUNCTION_INFO_V1(hgraph_load_text);
HG_FUNCTION_INFO_V1(hgraph_load_date);
HG_FUNCTION_INFO_V1(hgraph_load_date_format);
HG_FUNCTION_INFO_V1(hgraph_load_number);
HG_FUNCTION_INFO_V1(hgraph_load_share);
HG_FUNCTION_INFO_V1(hgraph_load_boolean);

/* Digits that a number of a file may have, and decimal places an exponent. */
#define NUMBER_LENGTH	200
#define EXPONENT_MAX	100

/* Parts of the format of a date. */
typedef enum DatePart
{
	PART_YEAR,					/* YYYY */
	PART_SHORT_YEAR,			/* YY */
	PART_MONTH,					/* MM */
	PART_MONTH_NAME,			/* MON, MONTH */
	PART_DAY,					/* DD */
	PART_TIME,					/* HH24, HH12, HH, MI, SS, MS, US */
	PART_HALF,					/* AM, PM */
	PART_NONE
} DatePart;

static const struct
{
	const char *pattern;
	DatePart	part;
	int			digits;
}			date_patterns[] =
{
	{"YYYY", PART_YEAR, 4},
	{"YY", PART_SHORT_YEAR, 2},
	{"MONTH", PART_MONTH_NAME, 0},
	{"MON", PART_MONTH_NAME, 0},
	{"MM", PART_MONTH, 2},
	{"MI", PART_TIME, 2},
	{"MS", PART_TIME, 3},
	{"DD", PART_DAY, 2},
	{"HH24", PART_TIME, 2},
	{"HH12", PART_TIME, 2},
	{"HH", PART_TIME, 2},
	{"SS", PART_TIME, 2},
	{"US", PART_TIME, 6},
	{"AM", PART_HALF, 0},
	{"PM", PART_HALF, 0},
};

/*
 * space_at tells how many bytes of white space begin here; 0: none.
 */
static int
space_at(const char *s, const char *end, bool utf8)
{
	const unsigned char *p = (const unsigned char *) s;

	if (*p == ' ' || (*p >= '\t' && *p <= '\r'))
		return 1;
	if (!utf8 || *p < 0x80)
		return 0;
	if (end - s >= 2 && p[0] == 0xc2 && p[1] == 0xa0)	/* no-break space */
		return 2;
	if (end - s >= 3 && ((p[0] == 0xe2 && p[1] == 0x80 &&
						  (p[2] == 0x8b || p[2] == 0xaf)) ||	/* zero width, narrow */
						 (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80) ||	/* ideographic */
						 (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf)))	/* byte order mark */
		return 3;
	return 0;
}

/*
 * hgraph_load_text is a value without white space around it; NULL if there is
 * nothing else.
 */
Datum
hgraph_load_text(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	const char *s = VARDATA_ANY(value);
	const char *end = s + VARSIZE_ANY_EXHDR(value);
	const char *start;
	const char *stop;
	bool		utf8 = GetDatabaseEncoding() == PG_UTF8;
	int			n;

	while (s < end && (n = space_at(s, end, utf8)) > 0)
		s += n;
	start = stop = s;
	/* the last byte that is not white space; most values have none at the end */
	if (s < end && (unsigned char) end[-1] > ' ' && (unsigned char) end[-1] < 0x80)
		stop = end;
	else
		while (s < end)
		{
			n = space_at(s, end, utf8);
			s += n > 0 ? n : pg_mblen(s);
			if (n == 0)
				stop = s;
		}
	if (start == stop)
		PG_RETURN_NULL();
	if (start == VARDATA_ANY(value) && stop == end)
		PG_RETURN_TEXT_P(value);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(start, stop - start));
}

/*
 * next_part finds the part of a format that begins here, and its length.
 */
static DatePart
next_part(const char *format, const char *end, int *len, int *digits)
{
	for (int i = 0; i < (int) lengthof(date_patterns); i++)
	{
		*len = strlen(date_patterns[i].pattern);
		*digits = date_patterns[i].digits;
		if (end - format >= *len &&
			pg_strncasecmp(format, date_patterns[i].pattern, *len) == 0)
			return date_patterns[i].part;
	}
	*len = 1;
	*digits = 0;
	return PART_NONE;
}

/*
 * read_digits reads a number of at most so many digits; -1: there is none.
 */
static int
read_digits(const char **s, const char *end, int digits)
{
	int			n = 0;
	int			value = 0;

	while (n < digits && *s < end && **s >= '0' && **s <= '9')
	{
		value = value * 10 + (**s - '0');
		(*s)++;
		n++;
	}
	return n == 0 ? -1 : value;
}

/*
 * read_month_name reads the English name of a month, or its first three
 * letters; 0: it is none.
 */
static int
read_month_name(const char **s, const char *end)
{
	static const char *const names[] = {
		"january", "february", "march", "april", "may", "june", "july",
		"august", "september", "october", "november", "december"
	};

	for (int i = 0; i < 12; i++)
	{
		int			len = strlen(names[i]);

		if (end - *s >= len && pg_strncasecmp(*s, names[i], len) == 0)
		{
			*s += len;
			return i + 1;
		}
	}
	for (int i = 0; i < 12; i++)
		if (end - *s >= 3 && pg_strncasecmp(*s, names[i], 3) == 0)
		{
			*s += 3;
			if (*s < end && **s == '.')
				(*s)++;
			return i + 1;
		}
	return 0;
}

/*
 * iso_time_follows: is the rest of an ISO date a time of day, which is left out?
 */
static bool
iso_time_follows(const char *s, const char *end)
{
	if (end - s < 6 || (*s != ' ' && *s != 'T' && *s != 't'))
		return false;
	for (int i = 1; s + i < end; i++)
		if (strchr("0123456789:.+-Zz ", s[i]) == NULL)
			return false;
	return s[1] >= '0' && s[1] <= '2' && s[3] == ':';
}

/*
 * hgraph_load_date reads a date by a format; NULL: it is none.
 */
Datum
hgraph_load_date(PG_FUNCTION_ARGS)
{
	bool		iso = PG_ARGISNULL(1);
	text	   *value;
	text	   *format;
	const char *s;
	const char *end;
	const char *f;
	const char *fend;
	int			year = -1;
	int			month = -1;
	int			day = -1;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	value = PG_GETARG_TEXT_PP(0);
	s = VARDATA_ANY(value);
	end = s + VARSIZE_ANY_EXHDR(value);
	format = iso ? NULL : PG_GETARG_TEXT_PP(1);
	f = iso ? "YYYY-MM-DD" : VARDATA_ANY(format);
	fend = iso ? f + 10 : f + VARSIZE_ANY_EXHDR(format);
	while (f < fend)
	{
		int			len;
		int			digits;
		int			n;

		switch (next_part(f, fend, &len, &digits))
		{
			case PART_YEAR:
				if (end - s < 4 || s[1] < '0' || s[1] > '9' || s[2] < '0' ||
					s[2] > '9' || s[3] < '0' || s[3] > '9')
					PG_RETURN_NULL();
				year = read_digits(&s, end, digits);
				break;
			case PART_SHORT_YEAR:
				n = read_digits(&s, end, s + 4 <= end && s[2] >= '0' && s[2] <= '9' &&
								fend - f == len ? 4 : 2);
				/* the year nearest to 2020, as to_date has it */
				year = n < 0 ? -1 : n < 70 ? 2000 + n : n < 100 ? 1900 + n : n;
				break;
			case PART_MONTH:
				month = read_digits(&s, end, digits);
				break;
			case PART_MONTH_NAME:
				month = read_month_name(&s, end);
				break;
			case PART_DAY:
				day = read_digits(&s, end, digits);
				break;
			case PART_TIME:
				if (read_digits(&s, end, digits) < 0)
					PG_RETURN_NULL();
				break;
			case PART_HALF:
				if (end - s < 2)
					PG_RETURN_NULL();
				s += 2;
				break;
			case PART_NONE:
				if (s == end || (*s != *f && !(*f == ' ' && strchr("T,", *s) != NULL)))
					PG_RETURN_NULL();
				s++;
				break;
		}
		f += len;
	}
	if (s != end && !(iso && iso_time_follows(s, end)))
		PG_RETURN_NULL();
	if (year < 1 || month < 1 || month > 12 || day < 1 ||
		day > day_tab[isleap(year)][month - 1])
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(date2j(year, month, day) - POSTGRES_EPOCH_JDATE);
}

/*
 * hgraph_load_date_format: can a format be read, and does it name a day?
 */
Datum
hgraph_load_date_format(PG_FUNCTION_ARGS)
{
	text	   *format = PG_GETARG_TEXT_PP(0);
	const char *f = VARDATA_ANY(format);
	const char *end = f + VARSIZE_ANY_EXHDR(format);
	int			years = 0;
	int			months = 0;
	int			days = 0;

	while (f < end)
	{
		int			len;
		int			digits;
		DatePart	part = next_part(f, end, &len, &digits);

		years += part == PART_YEAR || part == PART_SHORT_YEAR;
		months += part == PART_MONTH || part == PART_MONTH_NAME;
		days += part == PART_DAY;
		if (part == PART_NONE && *f != 'T' &&
			((*f >= 'A' && *f <= 'Z') || (*f >= 'a' && *f <= 'z')))
			PG_RETURN_BOOL(false);
		f += len;
	}
	PG_RETURN_BOOL(years == 1 && months == 1 && days == 1);
}

/*
 * read_number reads a decimal number; false: it is none.
 */
static bool
read_number(const char *s, int len, Datum *number)
{
	char		buf[NUMBER_LENGTH + 1];
	int			i = 0;
	int			digits = 0;
	int			exponent = 0;

	if (len == 0 || len > NUMBER_LENGTH)
		return false;
	if (s[i] == '+' || s[i] == '-')
		i++;
	for (; i < len && s[i] >= '0' && s[i] <= '9'; i++)
		digits++;
	if (i < len && s[i] == '.')
		for (i++; i < len && s[i] >= '0' && s[i] <= '9'; i++)
			digits++;
	if (digits == 0)
		return false;
	if (i < len && (s[i] == 'e' || s[i] == 'E'))
	{
		int			first;

		i++;
		if (i < len && (s[i] == '+' || s[i] == '-'))
			i++;
		for (first = i; i < len && s[i] >= '0' && s[i] <= '9' && exponent <= EXPONENT_MAX; i++)
			exponent = exponent * 10 + (s[i] - '0');
		if (i == first || exponent > EXPONENT_MAX)
			return false;
	}
	if (i < len)
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';
	*number = DirectFunctionCall3(numeric_in, CStringGetDatum(buf),
								  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	return true;
}

/*
 * hgraph_load_number reads a number; NULL: it is none.
 */
Datum
hgraph_load_number(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	Datum		number;

	if (!read_number(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &number))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(number);
}

/*
 * hgraph_load_share reads a share: 0.25, or 25 if it is in percent, or 25%.
 */
Datum
hgraph_load_share(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	const char *s = VARDATA_ANY(value);
	int			len = VARSIZE_ANY_EXHDR(value);
	bool		percent = PG_GETARG_BOOL(1);
	Datum		number;

	if (len > 0 && s[len - 1] == '%')
	{
		percent = true;
		for (len--; len > 0 && s[len - 1] == ' '; len--)
			;
	}
	if (!read_number(s, len, &number))
		PG_RETURN_NULL();
	if (percent)
		number = DirectFunctionCall1(numeric_trim_scale,
									 DirectFunctionCall2(numeric_mul, number,
														 DirectFunctionCall3(numeric_in, CStringGetDatum("0.01"),
																			 ObjectIdGetDatum(InvalidOid),
																			 Int32GetDatum(-1))));
	PG_RETURN_DATUM(number);
}

/*
 * hgraph_load_boolean reads yes or no; NULL: it is neither.
 */
Datum
hgraph_load_boolean(PG_FUNCTION_ARGS)
{
	static const struct
	{
		const char *word;
		bool		value;
	}			words[] = {
		{"true", true}, {"t", true}, {"yes", true}, {"y", true}, {"1", true}, {"on", true}, {"x", true},
		{"false", false}, {"f", false}, {"no", false}, {"n", false}, {"0", false}, {"off", false},
	};
	text	   *value = PG_GETARG_TEXT_PP(0);
	int			len = VARSIZE_ANY_EXHDR(value);

	for (int i = 0; i < (int) lengthof(words); i++)
		if ((int) strlen(words[i].word) == len &&
			pg_strncasecmp(VARDATA_ANY(value), words[i].word, len) == 0)
			PG_RETURN_BOOL(words[i].value);
	PG_RETURN_NULL();
}
