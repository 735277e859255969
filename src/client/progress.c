/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  A line on the terminal that says how far we are.
 *
 * It is drawn a few times a second at most, and gives way to messages.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "message.h"
#include "progress.h"
#include "table.h"
#include "term.h"

#define PAUSE 0.2				/* seconds between two drawings */
#define BAR 20

static struct
{
	bool		shown;			/* is there a terminal to draw on? */
	bool		drawn;			/* is something on it? */
	Buffer		label;
	char		phase[64];
	double		began;			/* of the phase */
	double		last;			/* drawing */
	double		rate_at;		/* when the rate was taken */
	long long	rate_rows;
	double		rate;			/* rows a second, lately */
} bar;

/*
 * seconds_now is a clock that nobody sets.
 */
double
seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/*
 * clear_line makes room for something else.
 */
static void
clear_line(void)
{
	if (bar.drawn)
		fputs("\r\033[K", stderr);
	bar.drawn = false;
}

/*
 * progress_begin begins to show progress of something.
 */
void
progress_begin(const char *label, bool quiet)
{
	const char *term = getenv("TERM");

	bar.shown = !quiet && isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
	buffer_free(&bar.label);
	add_clean(&bar.label, label);
	before_message = clear_line;
}

/*
 * progress_is_shown tells whether it is worth finding out about progress.
 */
bool
progress_is_shown(void)
{
	return bar.shown;
}

/*
 * progress_phase begins the next part.
 */
void
progress_phase(const char *phase)
{
	snprintf(bar.phase, sizeof(bar.phase), "%s", phase);
	bar.began = bar.rate_at = seconds_now();
	bar.last = bar.began - PAUSE / 2;
	bar.rate_rows = 0;
	bar.rate = 0;
}

/*
 * add_time appends seconds as a person reads them.
 */
static void
add_time(Buffer *b, double seconds)
{
	long		s = (long) (seconds + 0.5);

	if (s >= 3600)
		buffer_printf(b, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
	else
		buffer_printf(b, "%ld:%02ld", s / 60, s % 60);
}

/*
 * progress_step draws the line, if it is time to.
 */
void
progress_step(long long done, long long total, long long rows)
{
	Buffer		b = {0};
	double		now;
	double		part;
	int			width;

	if (!bar.shown)
		return;
	now = seconds_now();
	if (now - bar.last < PAUSE)
		return;
	bar.last = now;
	if (rows > 0 && now - bar.rate_at >= 1)
	{
		double		rate = (rows - bar.rate_rows) / (now - bar.rate_at);

		bar.rate = bar.rate > 0 ? 0.7 * bar.rate + 0.3 * rate : rate;
		bar.rate_at = now;
		bar.rate_rows = rows;
	}

	buffer_printf(&b, "%s: %s", bar.label.data, bar.phase);
	part = total > 0 ? (double) done / (double) total : 0;
	if (part > 1)
		part = 1;
	if (total > 0)
	{
		int			filled = (int) (part * BAR);
		int			i;

		buffer_printf(&b, " %3d%% [", (int) (part * 100));
		for (i = 0; i < BAR; i++)
			buffer_char(&b, i < filled ? '#' : '.');
		buffer_char(&b, ']');
	}
	if (rows > 0)
		buffer_printf(&b, " %s rows", grouped(rows));
	if (bar.rate > 0)
		buffer_printf(&b, " %s/s", grouped((long long) bar.rate));
	buffer_char(&b, ' ');
	if (total > 0 && part > 0.01 && now - bar.began > 1)
	{
		add_time(&b, (now - bar.began) * (1 - part) / part);
		buffer_text(&b, " left");
	}
	else
		add_time(&b, now - bar.began);

	/* Cut, lest the terminal wrap it and it could not be drawn over. */
	width = terminal_width(STDERR_FILENO);
	width = width > 0 ? width - 1 : 79;
	while (b.length > 0 && text_width(b.data) > width)
	{
		b.length--;
		while (b.length > 0 && ((unsigned char) b.data[b.length] & 0xc0) == 0x80)
			b.length--;
		b.data[b.length] = '\0';
	}
	fprintf(stderr, "\r%s\033[K", b.data);
	fflush(stderr);
	bar.drawn = true;
	buffer_free(&b);
}

/*
 * progress_end takes the line away.
 */
void
progress_end(void)
{
	clear_line();
	fflush(stderr);
	bar.shown = false;
}
