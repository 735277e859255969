/*-------------------------------------------------------------------------
 *
 * identifiers.c
 *	  Check digits of outside identifiers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "library.h"
#include "utils/builtins.h"

HG_FUNCTION_INFO_V1(hgraph_is_npi);
HG_FUNCTION_INFO_V1(hgraph_is_lei);
HG_FUNCTION_INFO_V1(hgraph_is_duns);

/*
 * all_digits: is this n digits and nothing else?
 */
static bool
all_digits(const char *s, int len, int n)
{
	if (len != n)
		return false;
	for (int i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

/*
 * hgraph_is_npi checks a National Provider Identifier: the Luhn digit (ISO/IEC
 * 7812-1) of the number with the prefix 80840, which adds 24 to the sum.
 */
Datum
hgraph_is_npi(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	const char *s = VARDATA_ANY(value);
	int			sum = 24;

	if (!all_digits(s, VARSIZE_ANY_EXHDR(value), 10))
		PG_RETURN_BOOL(false);
	for (int i = 0; i < 10; i++)
	{
		int			digit = s[i] - '0';

		/* from the right, every second digit counts twice */
		if (i % 2 == 0)
			digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	PG_RETURN_BOOL(sum % 10 == 0);
}

/*
 * hgraph_is_lei checks a Legal Entity Identifier (ISO 17442): 18 letters or
 * digits and two check digits by ISO/IEC 7064, MOD 97-10, where A counts as 10
 * and Z as 35.
 */
Datum
hgraph_is_lei(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	const char *s = VARDATA_ANY(value);
	int			remainder = 0;

	if (VARSIZE_ANY_EXHDR(value) != 20 || !all_digits(s + 18, 2, 2))
		PG_RETURN_BOOL(false);
	for (int i = 0; i < 20; i++)
	{
		if (s[i] >= '0' && s[i] <= '9')
			remainder = (remainder * 10 + (s[i] - '0')) % 97;
		else if (s[i] >= 'A' && s[i] <= 'Z')
			remainder = (remainder * 100 + (s[i] - 'A' + 10)) % 97;
		else
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(remainder == 1);
}

/*
 * hgraph_is_duns checks a D-U-N-S number: nine digits, which are not all 0.
 */
Datum
hgraph_is_duns(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	const char *s = VARDATA_ANY(value);

	PG_RETURN_BOOL(all_digits(s, VARSIZE_ANY_EXHDR(value), 9) &&
				   memcmp(s, "000000000", 9) != 0);
}
