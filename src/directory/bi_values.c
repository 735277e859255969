/*-------------------------------------------------------------------------
 *
 * bi_values.c
 *	  Texts as values of other types, for views with attributes as columns:
 *	  NULL where the text is none of the type, for one bad value must not make
 *	  a whole view unreadable.
 *
 * Stricter than the input functions, which know many ways to write a date:
 * what is taken means the same everywhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "library.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

HG_FUNCTION_INFO_V1(hgraph_as_bigint);
HG_FUNCTION_INFO_V1(hgraph_as_boolean);
HG_FUNCTION_INFO_V1(hgraph_as_date);
HG_FUNCTION_INFO_V1(hgraph_as_timestamptz);

/*
 * trimmed is the text without spaces around it.
 */
static char *
trimmed(text *value)
{
	char	   *p = text_to_cstring(value);
	char	   *end = p + strlen(p);

	while (end > p && isspace((unsigned char) end[-1]))
		*--end = '\0';
	while (isspace((unsigned char) *p))
		p++;
	return p;
}

/*
 * number reads so many digits; false if they are not there.
 */
static bool
number(const char **p, int digits, int *value)
{
	*value = 0;
	for (; digits > 0; digits--, (*p)++)
	{
		if (**p < '0' || **p > '9')
			return false;
		*value = *value * 10 + (**p - '0');
	}
	return true;
}

/*
 * hgraph_as_bigint: as_bigint(value), also of "12.0"
 */
Datum
hgraph_as_bigint(PG_FUNCTION_ARGS)
{
	const char *p = trimmed(PG_GETARG_TEXT_PP(0));
	bool		minus = *p == '-';
	uint64		limit = (uint64) PG_INT64_MAX + minus;
	uint64		value = 0;

	if (*p == '-' || *p == '+')
		p++;
	if (*p < '0' || *p > '9')
		PG_RETURN_NULL();
	for (; *p >= '0' && *p <= '9'; p++)
	{
		if (value > (limit - (*p - '0')) / 10)
			PG_RETURN_NULL();
		value = value * 10 + (*p - '0');
	}
	if (*p == '.')
	{
		while (*++p == '0')
			continue;
	}
	if (*p != '\0')
		PG_RETURN_NULL();
	PG_RETURN_INT64(minus ? (int64) (0 - value) : (int64) value);
}

/*
 * hgraph_as_boolean: as_boolean(value)
 */
Datum
hgraph_as_boolean(PG_FUNCTION_ARGS)
{
	static const char *const words[2][6] = {
		{"false", "f", "no", "n", "off", "0"}, {"true", "t", "yes", "y", "on", "1"}
	};
	const char *p = trimmed(PG_GETARG_TEXT_PP(0));

	for (int value = 0; value < 2; value++)
	{
		for (int i = 0; i < (int) lengthof(words[value]); i++)
		{
			if (pg_strcasecmp(p, words[value][i]) == 0)
				PG_RETURN_BOOL(value);
		}
	}
	PG_RETURN_NULL();
}

/*
 * read_date reads a date as ISO 8601 writes it.
 */
static bool
read_date(const char **p, DateADT *date)
{
	int			year,
				month,
				day;

	if (!number(p, 4, &year) || *(*p)++ != '-' || !number(p, 2, &month) ||
		*(*p)++ != '-' || !number(p, 2, &day) ||
		year < 1 || month < 1 || month > 12 || day < 1 ||
		day > day_tab[isleap(year)][month - 1])
		return false;
	*date = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	return true;
}

/*
 * read_time reads hours, minutes, maybe seconds, maybe a zone.
 */
static bool
read_time(const char *p)
{
	int			hour,
				minute,
				second;

	if (!number(&p, 2, &hour) || *p++ != ':' || !number(&p, 2, &minute) ||
		hour > 23 || minute > 59)
		return false;
	if (*p == ':')
	{
		p++;
		if (!number(&p, 2, &second) || second > 59)
			return false;
		if (*p == '.')
		{
			int			n = 0;

			while (*++p >= '0' && *p <= '9')
				n++;
			if (n < 1 || n > 9)
				return false;
		}
	}
	if (*p == ' ' && p[1] != '\0')
		p++;
	if (*p == 'Z')
		p++;
	else if (*p == '+' || *p == '-')
	{
		p++;
		if (!number(&p, 2, &hour) || hour > 14)
			return false;
		if (*p == ':')
			p++;
		else if (*p == '\0')
			return true;
		if (!number(&p, 2, &minute) || minute > 59)
			return false;
	}
	return *p == '\0';
}

/*
 * hgraph_as_date: as_date(value), also the date of a moment
 */
Datum
hgraph_as_date(PG_FUNCTION_ARGS)
{
	const char *p = trimmed(PG_GETARG_TEXT_PP(0));
	DateADT		date;

	if (!read_date(&p, &date) ||
		(*p != '\0' && ((*p != 'T' && *p != ' ') || !read_time(p + 1))))
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(date);
}

/*
 * hgraph_as_timestamptz: as_timestamptz(value); without a time zone, that of
 * the session
 */
Datum
hgraph_as_timestamptz(PG_FUNCTION_ARGS)
{
	char	   *value = trimmed(PG_GETARG_TEXT_PP(0));
	const char *p = value;
	DateADT		date;

	if (!read_date(&p, &date) ||
		(*p != '\0' && ((*p != 'T' && *p != ' ') || !read_time(p + 1))))
		PG_RETURN_NULL();
	return DirectFunctionCall3(timestamptz_in, CStringGetDatum(value),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}
