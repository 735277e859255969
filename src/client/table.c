/*-------------------------------------------------------------------------
 *
 * table.c
 *	  Small tables for people: columns aligned, nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "table.h"
#include "term.h"

struct Table
{
	const char *columns;
	int			n_columns;
	char	  **cells;
	int			n_cells;
};

/*
 * table_new begins a table.
 */
Table *
table_new(const char *columns)
{
	Table	   *t = x_malloc(sizeof(Table));

	t->columns = columns;
	t->n_columns = (int) strlen(columns);
	t->cells = NULL;
	t->n_cells = 0;
	return t;
}

/*
 * table_row appends a row.
 */
void
table_row(Table *t,...)
{
	va_list		args;
	int			i;

	t->cells = x_realloc(t->cells, (t->n_cells + t->n_columns) * sizeof(char *));
	va_start(args, t);
	for (i = 0; i < t->n_columns; i++)
	{
		Buffer		b = {0};

		/* A list from elsewhere must not command the terminal. */
		buffer_clear(&b);
		add_clean(&b, va_arg(args, const char *));
		t->cells[t->n_cells++] = b.data;
	}
	va_end(args);
}

/*
 * table_print prints the table and frees it.
 */
void
table_print(Table *t, FILE *out, int indent)
{
	int		   *widths = x_malloc(t->n_columns * sizeof(int));
	int			i;

	memset(widths, 0, t->n_columns * sizeof(int));
	for (i = 0; i < t->n_cells; i++)
	{
		int			width = text_width(t->cells[i]);

		if (width > widths[i % t->n_columns])
			widths[i % t->n_columns] = width;
	}
	for (i = 0; i < t->n_cells; i++)
	{
		int			column = i % t->n_columns;
		int			blanks = widths[column] - text_width(t->cells[i]);
		bool		last = column == t->n_columns - 1;

		fprintf(out, "%*s", column == 0 ? indent : 2, "");
		if (t->columns[column] == 'r')
			fprintf(out, "%*s", blanks, "");
		fputs(t->cells[i], out);
		if (last)
			fputc('\n', out);
		else if (t->columns[column] != 'r')
			fprintf(out, "%*s", blanks, "");
		free(t->cells[i]);
	}
	free(t->cells);
	free(widths);
	free(t);
}

/*
 * grouped writes a number with its digits in groups.
 */
const char *
grouped(long long number)
{
	static char places[8][32];
	static int	last = 0;
	char		digits[32];
	char	   *to;
	int			n;
	int			i;

	to = places[last = (last + 1) % 8];
	n = snprintf(digits, sizeof(digits), "%lld", number);
	for (i = 0; i < n; i++)
	{
		if (i > 0 && (n - i) % 3 == 0 && digits[i - 1] != '-')
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return places[last];
}
