/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  pg_hierarchy tree: a hierarchy as a person draws it.
 *
 * The rows of preorder() are drawn as they come, and forgotten. Whether a node is
 * the last of its siblings, which decides between a branch and a corner, is known
 * from the number of children that its parent has: what is kept is one number for
 * each level of the branch that is being drawn.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "cursor.h"
#include "lookup.h"
#include "memory.h"
#include "message.h"
#include "options.h"
#include "term.h"
#include "tree_measure.h"

/* Where totals end if nobody knows how wide the output is. */
#define DEFAULT_EDGE	80

/* Levels drawn with lines then; deeper ones begin with their number. */
#define DEFAULT_LEVELS	100

/* Between the pieces of a line. */
#define GAP				2

/* Bytes written at once. */
#define OUTPUT_SIZE		65536

enum
{
	OPT_DEPTH = OPT_OWN,
	OPT_AS_OF,
	OPT_MEASURE,
	OPT_MODE,
	OPT_TYPE,
	OPT_ASCII,
	OPT_WIDTH
};

/* Columns of the query. */
enum
{
	C_DEPTH, C_REPEAT, C_NODE, C_NAME, C_TYPE, C_CODE, C_STATUS, C_SHARE,
	C_OTHERS, C_CHILDREN, C_TOTAL, C_UNMATCHED_ROWS, C_UNMATCHED
};

typedef struct Tree
{
	int			depth;			/* levels to draw; -1: all */
	bool		ascii;
	int			width;			/* 0: unknown */
	bool		measured;
	bool		below_node;		/* not the whole hierarchy */
	const Colours *colours;

	/* for each level: siblings that are still to come, the last one drawn too */
	long	   *remaining;
	int			levels;			/* that there is room for */

	Buffer		out;
	long		rows;
	long		repeats;
	long		cut;			/* nodes with children below --depth */
	int			deepest;
} Tree;

/* A piece of a line. */
typedef struct Piece
{
	Buffer		text;
	const char *colour;
	int			width;			/* that the text needs */
	int			shown;			/* that it gets */
} Piece;

enum
{
	P_NAME, P_CODE, P_SHARE, P_STATUS, P_PARENTS, P_MORE, N_PIECES
};

static const char help[] =
"pg_hierarchy tree draws a hierarchy.\n"
"\n"
"Usage:\n"
"  pg_hierarchy tree [OPTIONS] HIERARCHY [NODE]\n"
"\n"
"NODE is where to begin: the number of an entity, a code, an outside identifier,\n"
"TYPE:CODE or SCHEME:IDENTIFIER.  Without it, the whole hierarchy is drawn.  An\n"
"entity with several parents is drawn under each of them, what is below it only the\n"
"first time (\"see above\" at the others).  Siblings are in the order of their\n"
"numbers, as preorder() has them.\n"
"\n"
"Options:\n"
"      --depth=N              draw N levels below the top ones\n"
"      --as-of=DATE           the relationships of that day (default: today)\n"
"      --measure=TABLE.KEY.VALUE\n"
"                             totals of a table's column VALUE; KEY is its column with\n"
"                             the entity.  TABLE may have a schema; * for VALUE counts\n"
"      --mode=MODE            distinct (default), weighted, primary or paths\n"
"      --type=TYPE            NODE is a code of that type, or identifier of that scheme,\n"
"                             exactly as it stands, colons included\n"
"      --ascii                lines of plain characters (default where the locale is\n"
"                             not UTF-8)\n"
"      --width=N              columns (default: COLUMNS, or those of the terminal; no\n"
"                             limit in a pipe)\n"
"\n"
"Example:\n"
"  pg_hierarchy tree sales account:A-1 --depth 2 --measure sale.entity_id.amount\n";

/*
 * tree_sql puts the query together. Entity and parents are looked up row by row,
 * as the rows come: OFFSET 0 keeps the planner from joining whole tables first.
 * preorder() mentions the rollup, needlessly, so that the one row with the rollup
 * is read before, once.
 */
static char *
tree_sql(const Hierarchy *h, const Measure *measure)
{
	Buffer		b = {0};

	buffer_text(&b,
				"SELECT p.depth, p.is_repeat, p.node, e.name, e.entity_type, e.code, e.status, \n"
				"	CASE WHEN r.share <> 1 OR r.parents > 1 THEN trim_scale(r.share * 100) END,\n"
				"	CASE WHEN r.others IS NOT NULL THEN (\n"
				"		SELECT string_agg(coalesce(o.name, 'entity ' || u.id), ', ' ORDER BY u.i)\n"
				"			|| CASE WHEN cardinality(r.others) > 3 THEN ', ...' ELSE '' END\n"
				"		FROM unnest(r.others[1:3]) WITH ORDINALITY u (id, i)\n"
				"			LEFT JOIN @extschema@.entity o ON o.entity_id = u.id) END,\n"
				"	CASE WHEN p.is_repeat THEN 0 ELSE (\n"
				"		SELECT count(*) FROM @extschema@.children($1::oid::@extschema@.hgraph, p.node, as_of => $3::date)) END,\n");
	if (measure)
		buffer_printf(&b,
					  "	coalesce(m.r OPERATOR(@extschema@.->) p.node, 0),\n"
					  "	CASE WHEN p.ordinal = 1 THEN (@extschema@.unmatched(m.r)).rows END,\n"
					  "	CASE WHEN p.ordinal = 1 THEN (@extschema@.unmatched(m.r)).value END\n"
					  "FROM (SELECT %s AS r FROM %s t OFFSET 0) m CROSS JOIN LATERAL\n"
					  "	@extschema@.preorder($1::oid::@extschema@.hgraph, $2::bigint, as_of => $3::date,\n"
					  "		max_depth => CASE WHEN m.r IS NULL THEN $4::int ELSE $4::int END) p\n",
					  measure->rollup, measure->table);
	else
		buffer_text(&b,
					"	NULL, NULL, NULL\n"
					"FROM @extschema@.preorder($1::oid::@extschema@.hgraph, $2::bigint, as_of => $3::date, max_depth => $4::int) p\n");
	buffer_printf(&b,
				  "	LEFT JOIN LATERAL (\n"
				  "		SELECT e.name, e.entity_type, e.code, e.status\n"
				  "		FROM @extschema@.entity e WHERE e.entity_id = p.node OFFSET 0) e ON true\n"
				  "	LEFT JOIN LATERAL (\n"
				  "		SELECT count(*) AS parents, max(r.share) FILTER (WHERE r.parent_id = p.parent) AS share,\n"
				  "			array_agg(r.parent_id) FILTER (WHERE r.parent_id IS DISTINCT FROM p.parent) AS others\n"
				  "		FROM %s r WHERE r.child_id = p.node AND r.valid @> $3::date) r ON true",
				  h->table);
	return b.data;
}

/*
 * enter_level keeps count of the siblings on the way down to a row.
 */
static void
enter_level(Tree *t, int depth, long children)
{
	if (depth + 2 > t->levels)
	{
		t->levels = (depth + 2) * 2;
		t->remaining = x_realloc(t->remaining, t->levels * sizeof(long));
	}
	if (depth > 0)
		t->remaining[depth]--;
	t->remaining[depth + 1] = children;
}

/*
 * add_lines draws what is left of a node; returns the columns.
 */
static int
add_lines(Tree *t, int depth)
{
	int			limit = t->width ? t->width / 8 : DEFAULT_LEVELS;
	int			first = 1;
	int			columns = 0;
	int			i;

	if (depth == 0)
		return 0;
	buffer_text(&t->out, t->colours->faint);
	if (depth > limit)
	{
		char		number[32];

		first = depth;
		columns = sprintf(number, "(%d) ", depth);
		buffer_text(&t->out, number);
	}
	for (i = first; i < depth; i++)
		buffer_text(&t->out, t->remaining[i] == 0 ? "    " : t->ascii ? "|   " : "\u2502   ");
	if (t->remaining[depth] > 0)
		buffer_text(&t->out, t->ascii ? "|-- " : "\u251c\u2500\u2500 ");
	else
		buffer_text(&t->out, t->ascii ? "`-- " : "\u2514\u2500\u2500 ");
	buffer_text(&t->out, t->colours->off);
	return columns + (depth - first + 1) * 4;
}

/*
 * shrink takes columns from a piece, down to a least width.
 */
static int
shrink(Piece *piece, int excess, int least)
{
	int			less = piece->shown - least;

	if (excess <= 0 || less <= 0)
		return excess;
	if (less > excess)
		less = excess;
	piece->shown -= less;
	return excess - less;
}

/*
 * fill_pieces says what a line consists of.
 */
static void
fill_pieces(Tree *t, const Cursor *c, Piece *p, long children)
{
	const char *name = field(c, C_NAME);
	const char *share = field(c, C_SHARE);
	const char *status = field(c, C_STATUS);
	const char *others = field(c, C_OTHERS);
	int			depth = atoi(field(c, C_DEPTH));
	bool		repeat = *field(c, C_REPEAT) == 't';
	int			i;

	for (i = 0; i < N_PIECES; i++)
	{
		buffer_clear(&p[i].text);
		p[i].colour = t->colours->faint;
	}
	p[P_NAME].colour = status && strcmp(status, "active") != 0 ? t->colours->faint :
		depth == 0 ? t->colours->strong : "";
	if (name && *name)
		add_clean(&p[P_NAME].text, name);
	else if (name)
		buffer_text(&p[P_NAME].text, "(no name)");
	else
		buffer_printf(&p[P_NAME].text, "entity %s", field(c, C_NODE));	/* hidden */
	p[P_CODE].colour = t->colours->code;
	if (name)
	{
		add_clean(&p[P_CODE].text, field(c, C_TYPE));
		buffer_char(&p[P_CODE].text, ':');
		add_clean(&p[P_CODE].text, field(c, C_CODE));
	}
	if (share)
		buffer_printf(&p[P_SHARE].text, "%s%%", share);
	p[P_STATUS].colour = t->colours->bad;
	if (status && strcmp(status, "active") != 0)
		buffer_printf(&p[P_STATUS].text, "[%s]", status);
	p[P_PARENTS].colour = t->colours->mark;
	if (others)
	{
		/* What the tree begins with hangs somewhere, too. */
		buffer_text(&p[P_PARENTS].text, repeat ? "(see above, also under " :
					depth == 0 ? "(under " : "(also under ");
		add_clean(&p[P_PARENTS].text, others);
		buffer_char(&p[P_PARENTS].text, ')');
	}
	else if (repeat)
		buffer_text(&p[P_PARENTS].text, "(see above)");
	if (children > 0 && depth == t->depth)
		buffer_printf(&p[P_MORE].text, "[+%ld]", children);
}

/*
 * add_pieces appends a line's pieces, cut so that they fit; returns the columns.
 */
static int
add_pieces(Tree *t, Piece *p, int room)
{
	int			excess = -GAP;
	int			columns = 0;
	int			i;

	for (i = 0; i < N_PIECES; i++)
	{
		p[i].width = p[i].shown = text_width(p[i].text.data);
		if (p[i].width > 0)
			excess += p[i].width + GAP;
	}
	if (room > 0)
	{
		excess -= room;
		excess = shrink(&p[P_PARENTS], excess, 16);
		excess = shrink(&p[P_NAME], excess, 16);
		excess = shrink(&p[P_CODE], excess, 8);
		excess = shrink(&p[P_PARENTS], excess, 1);
		excess = shrink(&p[P_NAME], excess, 4);
		(void) shrink(&p[P_CODE], excess, 1);
	}
	for (i = 0; i < N_PIECES; i++)
	{
		if (p[i].width == 0)
			continue;
		if (columns > 0)
		{
			if (room > 0 && columns + GAP >= room)
				break;
			buffer_printf(&t->out, "%*s", GAP, "");
			columns += GAP;
		}
		if (room > 0 && p[i].shown > room - columns)
			p[i].shown = room - columns;
		buffer_text(&t->out, p[i].colour);
		columns += add_fitting(&t->out, p[i].text.data, p[i].shown, t->ascii);
		if (*p[i].colour)
			buffer_text(&t->out, t->colours->off);
	}
	return columns;
}

/*
 * draw_row draws one line.
 */
static void
draw_row(Tree *t, const Cursor *c, Piece *pieces)
{
	int			depth = atoi(field(c, C_DEPTH));
	long		children = atol(field(c, C_CHILDREN));
	Buffer		total = {0};
	int			edge = t->width ? t->width : DEFAULT_EDGE;
	int			room = 0;
	int			columns;

	enter_level(t, depth, children);
	t->rows++;
	t->repeats += *field(c, C_REPEAT) == 't';
	if (depth > t->deepest)
		t->deepest = depth;
	t->cut += children > 0 && depth == t->depth;

	columns = add_lines(t, depth);
	if (t->measured)
		add_number(&total, field(c, C_TOTAL));
	if (t->width)
	{
		room = t->width - columns - (t->measured ? (int) total.length + 2 : 0);
		if (room < 8)
			room = 8;
	}
	fill_pieces(t, c, pieces, children);
	columns += add_pieces(t, pieces, room);
	if (t->measured)
	{
		int			gap = edge - columns - (int) total.length;

		buffer_printf(&t->out, "%*s%s", gap < 2 ? 2 : gap, "", total.data);
		buffer_free(&total);
	}
	buffer_char(&t->out, '\n');
	if (t->out.length >= OUTPUT_SIZE || t->rows == 50)
	{
		write_text(&t->out);
		flush_file(stdout, NULL);
		buffer_clear(&t->out);
	}
}

/*
 * draw_end says how much there was.
 */
static void
draw_end(Tree *t, const char *unmatched_rows, const char *unmatched)
{
	long		entities = t->rows - t->repeats;

	buffer_printf(&t->out, "\n%s", t->colours->faint);
	buffer_printf(&t->out, "%ld %s, %d %s", entities, entities == 1 ? "entity" : "entities",
				  t->deepest + 1, t->deepest == 0 ? "level" : "levels");
	if (t->repeats > 0)
		buffer_printf(&t->out, "; %ld %s again under other parents", t->repeats,
					  t->repeats == 1 ? "line" : "lines");
	if (t->cut > 0)
		buffer_printf(&t->out, "; %ld with more below", t->cut);
	if (unmatched_rows && strcmp(unmatched_rows, "0") != 0)
	{
		buffer_printf(&t->out, "; %s %s of nobody in the hierarchy, ", unmatched_rows,
					  strcmp(unmatched_rows, "1") == 0 ? "fact" : "facts");
		add_number(&t->out, unmatched ? unmatched : "0");
	}
	buffer_printf(&t->out, "%s\n", t->colours->off);
	write_text(&t->out);
	flush_file(stdout, NULL);
}

/*
 * draw_tree runs the query and draws its rows.
 */
static int
draw_tree(Tree *t, PGconn *conn, const Hierarchy *h, const Measure *measure,
		  const char *const *params)
{
	Piece		pieces[N_PIECES];
	Cursor		c;
	char	   *sql = tree_sql(h, measure);
	char	   *unmatched_rows = NULL;
	char	   *unmatched = NULL;

	memset(pieces, 0, sizeof(pieces));
	open_cursor(&c, conn, "tree", sql, measure ? 5 : 4, params);
	while (next_row(&c))
	{
		if (t->rows == 0 && measure)
		{
			unmatched_rows = field(&c, C_UNMATCHED_ROWS) ? x_strdup(field(&c, C_UNMATCHED_ROWS)) : NULL;
			unmatched = field(&c, C_UNMATCHED) ? x_strdup(field(&c, C_UNMATCHED)) : NULL;
		}
		draw_row(t, &c, pieces);
	}
	free(sql);
	if (t->rows == 0)
	{
		if (t->below_node)
		{
			error_message("entity %s is not in this hierarchy on %s", params[1], params[2]);
			return EXIT_SERVER;
		}
		note_message("the hierarchy is empty on %s", params[2]);
		return EXIT_OK;
	}
	draw_end(t, unmatched_rows, unmatched);
	end_reading(conn);
	return EXIT_OK;
}

/*
 * read_number reads a number on the command line.
 */
static int
read_number(const char *option, const char *text, int least, int most)
{
	char	   *end;
	long		n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < least || n > most)
		usage_error("--%s is a number from %d to %d", option, least, most);
	return (int) n;
}

/*
 * cmd_tree is the command.
 */
int
cmd_tree(int argc, char **argv)
{
	static const struct option options[] = {
		CONNECT_LONG_OPTIONS,
		{"depth", required_argument, NULL, OPT_DEPTH},
		{"as-of", required_argument, NULL, OPT_AS_OF},
		{"measure", required_argument, NULL, OPT_MEASURE},
		{"mode", required_argument, NULL, OPT_MODE},
		{"type", required_argument, NULL, OPT_TYPE},
		{"ascii", no_argument, NULL, OPT_ASCII},
		{"width", required_argument, NULL, OPT_WIDTH},
		{NULL, 0, NULL, 0}
	};
	ConnectOptions connection = {0};
	const char *as_of = NULL;
	const char *measure_text = NULL;
	const char *mode = NULL;
	const char *type = NULL;
	const char *depth = NULL;
	const char *params[5];
	Tree		t = {0};
	Measure		measure;
	Hierarchy	h;
	PGconn	   *conn;
	int			option;
	int			code;

	t.depth = -1;
	t.ascii = !locale_is_utf8();
	t.width = terminal_width(STDOUT_FILENO);
	while ((option = getopt_long(argc, argv, CONNECT_SHORT_OPTIONS, options, NULL)) != -1)
		switch (option)
		{
			case OPT_DEPTH:
				t.depth = read_number("depth", optarg, 0, 1000000000);
				depth = optarg;
				break;
			case OPT_AS_OF:
				as_of = optarg;
				break;
			case OPT_MEASURE:
				measure_text = optarg;
				break;
			case OPT_MODE:
				mode = optarg;
				break;
			case OPT_TYPE:
				type = optarg;
				break;
			case OPT_ASCII:
				t.ascii = true;
				break;
			case OPT_WIDTH:
				t.width = read_number("width", optarg, 20, 10000);
				break;
			default:
				common_option(&connection, option, optarg, help);
		}
	if (optind == argc)
		usage_error("which hierarchy?");
	if (argc - optind > 2)
		usage_error("there is too much on the command line: \"%s\"", argv[optind + 2]);
	if (type && argc - optind < 2)
		usage_error("--type belongs to a node");
	if (mode && !measure_text)
		usage_error("--mode belongs to --measure");

	prepare_stdout();
	t.colours = terminal_colours(STDOUT_FILENO);
	t.measured = measure_text != NULL;
	t.below_node = argc - optind > 1;
	buffer_reserve(&t.out, OUTPUT_SIZE);
	conn = connect_server(&connection);
	begin_reading(conn);
	find_hierarchy(conn, argv[optind], &h);
	params[0] = h.graph;
	params[1] = t.below_node ? find_node(conn, argv[optind + 1], type) : NULL;
	params[2] = find_day(conn, as_of);
	params[3] = depth;
	params[4] = mode;
	if (measure_text)
		find_measure(conn, measure_text, &measure);
	code = draw_tree(&t, conn, &h, measure_text ? &measure : NULL, params);
	PQfinish(conn);
	return code;
}
