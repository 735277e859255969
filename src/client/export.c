/*-------------------------------------------------------------------------
 *
 * export.c
 *	  pg_hierarchy export: a hierarchy in formats that others read.
 *
 * Rows come through cursors of one snapshot and go out as they come. A file gets
 * its name when all is in it.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "export.h"
#include "lookup.h"
#include "memory.h"
#include "message.h"
#include "options.h"
#include "term.h"

/* Bytes written at once. */
#define OUTPUT_SIZE		65536

/* Mermaid draws no more edges than that, unless it is told to (maxEdges). */
#define MERMAID_EDGES	500

enum
{
	OPT_FORMAT = OPT_OWN,
	OPT_AS_OF,
	OPT_ALL
};

typedef struct Output
{
	FILE	   *file;
	const char *name;			/* NULL: stdout */
	bool		terminal;
	Buffer		buffer;
	Buffer		shown;			/* of a terminal: buffer, fit to be shown */
} Output;

/* The file that is being written; removed if the program ends early. */
static char *partial_name = NULL;

static const char help[] =
"pg_hierarchy export writes a hierarchy: its entities, and who stands under whom.\n"
"\n"
"Usage:\n"
"  pg_hierarchy export [OPTIONS] HIERARCHY\n"
"\n"
"Options:\n"
"      --format=FORMAT   csv (default), json, dot (Graphviz), mermaid or graphml\n"
"      --as-of=DATE      the relationships of that day (default: today)\n"
"      --all             all relationships, whatever their days\n"
"  -o, --output=FILE     write to FILE, which appears when it is complete\n"
"\n"
"csv has one line for each relationship and for each entity without a parent, and\n"
"can be loaded again.  json has entities with attributes and identifiers, then\n"
"relationships.  In dot, mermaid and graphml, edges lead from parent to child.\n"
"\n"
"Examples:\n"
"  pg_hierarchy export sales --format=csv -o sales.csv\n"
"  pg_hierarchy export sales --format=dot | dot -Tsvg -o sales.svg\n";

/* Relationships of the hierarchy $1 on the day $2, or all. */
#define RELATIONSHIPS \
	"@extschema@.relationship r WHERE r.hierarchy_id = $1::int AND ($2::date IS NULL OR r.valid @> $2::date)"

#define NODES \
	"(SELECT r.child_id AS id FROM " RELATIONSHIPS " UNION SELECT r.parent_id FROM " RELATIONSHIPS ") n"

static const char csv_sql[] =
"SELECT n.id, e.entity_type, e.code, e.name, e.status, r.parent_id, p.entity_type, p.code, p.name,\n"
"	r.relationship_type, r.share, CASE r.is_primary WHEN true THEN 'true' WHEN false THEN 'false' END,\n"
"	r.influence_level, lower(r.valid), upper(r.valid)\n"
"FROM " NODES "\n"
"	LEFT JOIN (SELECT r.* FROM " RELATIONSHIPS ") r ON r.child_id = n.id\n"
"	LEFT JOIN @extschema@.entity e ON e.entity_id = n.id\n"
"	LEFT JOIN @extschema@.entity p ON p.entity_id = r.parent_id\n"
"ORDER BY n.id, r.parent_id, r.valid";

/* The JSON texts are made only where they are asked for. */
static const char nodes_sql[] =
"SELECT n.id, e.entity_type, e.code, e.name, e.status, CASE WHEN $3::boolean THEN (\n"
"	SELECT row_to_json(x)::text FROM (SELECT n.id, e.entity_type AS type, e.code, e.name, e.status, e.attributes, (\n"
"		SELECT coalesce(json_agg(json_build_object('scheme', i.scheme, 'value', i.value) ORDER BY i.scheme, i.value), '[]')\n"
"		FROM @extschema@.identifier i WHERE i.entity_id = n.id) AS identifiers) x) END\n"
"FROM " NODES " LEFT JOIN @extschema@.entity e ON e.entity_id = n.id\n"
"ORDER BY n.id";

static const char edges_sql[] =
"SELECT r.child_id, r.parent_id, r.relationship_type, r.share,\n"
"	CASE WHEN r.is_primary THEN 'true' ELSE 'false' END, r.influence_level, lower(r.valid), upper(r.valid),\n"
"	CASE WHEN $3::boolean THEN (\n"
"		SELECT row_to_json(x)::text FROM (SELECT r.child_id AS child, r.parent_id AS parent, r.relationship_type,\n"
"			r.share, r.is_primary, r.influence_level, lower(r.valid) AS valid_from, upper(r.valid) AS valid_to,\n"
"			r.attributes) x) END\n"
"FROM " RELATIONSHIPS "\n"
"ORDER BY r.child_id, r.parent_id, r.valid";

static const char about_sql[] =
"SELECT json_build_object('name', h.name, 'description', h.description, 'share_mode', h.share_mode,\n"
"	'max_parents', h.max_parents, 'require_primary', h.require_primary, 'as_of', $2::date)::text\n"
"FROM @extschema@.hierarchy h WHERE h.hierarchy_id = $1::int";

/*
 * remove_partial removes a file that is not complete.
 */
static void
remove_partial(void)
{
	if (partial_name)
		unlink(partial_name);
}

/*
 * open_output opens the file, under another name until it is complete. What is no
 * plain file (/dev/stdout, a pipe) is written as it is.
 */
static void
open_output(Output *o, const char *name)
{
	struct stat status;
	bool		plain;

	buffer_reserve(&o->buffer, (size_t) OUTPUT_SIZE * 2);
	if (!name || strcmp(name, "-") == 0)
	{
		o->file = stdout;
		o->terminal = isatty(STDOUT_FILENO);
		return;
	}
	plain = stat(name, &status) != 0 || S_ISREG(status.st_mode);
	o->name = name;
	if (plain)
	{
		char	   *target = realpath(name, NULL);
		bool		exists = target != NULL;
		int			fd;

		/* a link stays one, and the file keeps its mode */
		o->name = exists ? target : name;
		partial_name = x_sprintf("%s.XXXXXX", o->name);
		fd = mkstemp(partial_name);
		if (fd < 0)
		{
			int			error = errno;

			partial_name = NULL;
			die(EXIT_FILE, "could not open file \"%s\": %s", name, strerror(error));
		}
		atexit(remove_partial);
		if (!exists)
			umask(status.st_mode = umask(0));
		if (fchmod(fd, exists ? status.st_mode & 0777 : 0666 & ~status.st_mode) != 0)
			die(EXIT_FILE, "could not open file \"%s\": %s", name, strerror(errno));
		o->file = fdopen(fd, "w");
	}
	else
		o->file = fopen(name, "w");
	if (!o->file)
		die(EXIT_FILE, "could not open file \"%s\": %s", name, strerror(errno));
}

/*
 * send writes what has gathered. On a terminal, what may be in a name must not
 * move the cursor.
 */
static void
send(Output *o)
{
	const Buffer *b = &o->buffer;

	if (o->terminal && b->length > 0)
	{
		const char *at = b->data;

		buffer_clear(&o->shown);
		while (*at)
		{
			const char *start = at;
			unsigned int c = next_character(&at);
			char		one[8];

			memcpy(one, start, at - start);
			one[at - start] = '\0';
			if (c != '\n' && c != '\t' && is_control(c))
				add_clean(&o->shown, one);
			else
				buffer_text(&o->shown, one);
		}
		b = &o->shown;
	}
	write_bytes(o->file, o->name, b->data, b->length);
	buffer_clear(&o->buffer);
}

/*
 * close_output makes sure that all is written, and gives the file its name.
 */
static void
close_output(Output *o)
{
	send(o);
	flush_file(o->file, o->name);
	if (o->file == stdout)
		return;
	if ((partial_name && fsync(fileno(o->file)) != 0) || fclose(o->file) != 0)
		die(EXIT_FILE, "could not write file \"%s\": %s", o->name, strerror(errno));
	if (partial_name)
	{
		if (rename(partial_name, o->name) != 0)
			die(EXIT_FILE, "could not rename file \"%s\": %s", partial_name, strerror(errno));
		partial_name = NULL;
	}
}

/*
 * send_rows writes all rows of a query.
 */
static void
send_rows(Output *o, Export *e, PGconn *conn, const char *sql, int nparams, const char *const *params,
		  void (*write) (Buffer *b, const Export *e, const Cursor *row), long *count)
{
	Cursor		c;

	open_cursor(&c, conn, "export", sql, nparams, params);
	while (next_row(&c))
	{
		write(&o->buffer, e, &c);
		(*count)++;
		if (o->buffer.length >= OUTPUT_SIZE)
			send(o);
	}
}

/*
 * export_hierarchy writes all of it.
 */
static void
export_hierarchy(Output *o, PGconn *conn, const Hierarchy *h, const Format *format, const char *as_of)
{
	const char *params[3] = {h->id, as_of, strcmp(format->name, "json") == 0 ? "t" : "f"};
	PGresult   *about = run(conn, about_sql, 2, params);
	Export		e = {h->name, PQgetvalue(about, 0, 0), 0, 0};

	format->begin(&o->buffer, &e);
	if (format->node)
	{
		send_rows(o, &e, conn, nodes_sql, 3, params, format->node, &e.nodes);
		if (format->between)
			format->between(&o->buffer, &e);
		send_rows(o, &e, conn, edges_sql, 3, params, format->edge, &e.edges);
	}
	else
		send_rows(o, &e, conn, csv_sql, 2, params, format->edge, &e.edges);
	if (format->end)
		format->end(&o->buffer, &e);
	close_output(o);
	PQclear(about);
	if (strcmp(format->name, "mermaid") == 0 && e.edges > MERMAID_EDGES)
		note_message("Mermaid draws up to %d relationships unless its maxEdges is raised; these are %ld",
					 MERMAID_EDGES, e.edges);
}

/*
 * find_format finds a format by its name.
 */
static const Format *
find_format(const char *name)
{
	const Format *f;

	for (f = formats; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	usage_error("there is no format \"%s\": csv, json, dot, mermaid, graphml", name);
}

/*
 * cmd_export is the command.
 */
int
cmd_export(int argc, char **argv)
{
	static const struct option options[] = {
		CONNECT_LONG_OPTIONS,
		{"format", required_argument, NULL, OPT_FORMAT},
		{"as-of", required_argument, NULL, OPT_AS_OF},
		{"all", no_argument, NULL, OPT_ALL},
		{"output", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0}
	};
	ConnectOptions connection = {0};
	const Format *format = formats;
	const char *as_of = NULL;
	const char *file = NULL;
	bool		all = false;
	Output		output = {0};
	Hierarchy	h;
	PGconn	   *conn;
	int			option;

	while ((option = getopt_long(argc, argv, CONNECT_SHORT_OPTIONS "o:", options, NULL)) != -1)
		switch (option)
		{
			case OPT_FORMAT:
				format = find_format(optarg);
				break;
			case OPT_AS_OF:
				as_of = optarg;
				break;
			case OPT_ALL:
				all = true;
				break;
			case 'o':
				file = optarg;
				break;
			default:
				common_option(&connection, option, optarg, help);
		}
	if (optind == argc)
		usage_error("which hierarchy?");
	if (argc - optind > 1)
		usage_error("there is too much on the command line: \"%s\"", argv[optind + 1]);
	if (all && as_of)
		usage_error("--all and --as-of exclude each other");

	prepare_stdout();
	conn = connect_server(&connection);
	begin_reading(conn);
	find_hierarchy(conn, argv[optind], &h);
	if (!all)
		as_of = find_day(conn, as_of);
	open_output(&output, file);
	export_hierarchy(&output, conn, &h, format, as_of);
	end_reading(conn);
	PQfinish(conn);
	return EXIT_OK;
}
