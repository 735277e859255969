/*-------------------------------------------------------------------------
 *
 * load.c
 *	  The command "load": lists of entities and relationships from files.
 *
 * Each file is a batch: staged, loaded, reported, and removed from the staging
 * area.  However the program ends, clean_up() sees to it that nothing is left
 * behind but what can be resumed, and says so.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apply.h"
#include "commands.h"
#include "lookup.h"
#include "mapping.h"
#include "memory.h"
#include "message.h"
#include "options.h"
#include "progress.h"
#include "source.h"
#include "table.h"
#include "term.h"

static const char help[] =
"pg_hierarchy load reads lists of entities and of who belongs to whom, and loads\n"
"them into the directory: all good rows of a file, or nothing.\n"
"\n"
"Usage:\n"
"  pg_hierarchy load FILE... --map MAPPING... [--hierarchy NAME] [OPTIONS]\n"
"\n"
"FILE is CSV or TSV text, plain or gzip; \"-\" is stdin.  Its rows go to a staging\n"
"table, where the function load() checks them against each other and against the\n"
"directory, and makes entities and relationships of them in one transaction.  Rows\n"
"that are wrong are left out and reported, with line number and reason.  Loading\n"
"the same file again changes nothing.\n"
"\n"
"What columns mean:\n"
"  -m, --map=COLUMN=FIELD[,FIELD...]\n"
"                         this column is that field; repeat it for each column\n"
"  -m, --map=FILE.json    or a file of JSON (field: column), or JSON itself\n"
"      --set=FIELD=VALUE  the same value for all rows, as in entity_type=hospital\n"
"  Fields: entity_type, code, name, status, postcode, identifier.SCHEME,\n"
"  attribute.NAME, parent.type, parent.code, parent.name, parent.SCHEME, share,\n"
"  is_primary, relationship_type, influence_level, relationship.NAME, valid_from,\n"
"  valid_to.  JSON can do more: formats of dates, texts that mean no value, several\n"
"  columns as one field.  Later options win over earlier ones.\n"
"\n"
"What to do:\n"
"      --hierarchy=NAME   hierarchy of the relationships; needed if there are parents\n"
"      --source=NAME      where the list comes from; default: name of the file\n"
"      --mode=MODE        upsert (default), insert_only, or full_snapshot: what this\n"
"                         source listed before and does not list now ends\n"
"      --effective=DATE   day on which changes take effect; default: today\n"
"      --match            look for entities that may be the same, for review\n"
"      --reason=TEXT      why, for the log of changes\n"
"  -n, --dry-run          report what would happen, change nothing\n"
"      --max-errors=N|N%  load nothing if more rows than that are rejected\n"
"      --reject=FILE      write rejected rows there, as CSV: line, reasons, messages,\n"
"                         raw (with several input files: file first); \"-\": to\n"
"                         stdout, and the report to stderr\n"
"\n"
"How the file is written:\n"
"      --format=FORMAT    csv, tsv, or auto (default): by its first line\n"
"      --delimiter=CHAR   \"tab\", or what stands between columns\n"
"      --no-quotes        \" is a letter like any other\n"
"      --no-header        the first line is a row; needs --columns\n"
"      --columns=A,B,...  names of the columns, in place of those in the header\n"
"      --encoding=NAME    default: by byte order mark, else UTF-8 if it is that,\n"
"                         else windows-1252\n"
"\n"
"How to go about it:\n"
"      --resume           go on where an earlier run lost its connection or was\n"
"                         stopped; also keeps what is staged if this run is stopped\n"
"      --retries=N        after a lost connection, connect again so often (3)\n"
"      --chunk=N          send so many rows in one transaction (20000)\n"
"      --keep             keep the staging table afterwards, to look at\n"
"  -q, --quiet            no report, no progress: errors only\n"
"\n"
"Examples:\n"
"  pg_hierarchy load accounts.csv --hierarchy sales --set entity_type=account \\\n"
"      --map \"Account Id=code\" --map \"Account Name=name\" --map \"Parent Id=parent.code\"\n"
"  pg_hierarchy load hospitals.csv.gz --map hospitals.json --reject rejects.csv \\\n"
"      --max-errors 2% --dry-run\n"
"  zcat list.gz | pg_hierarchy load - --source crm --map crm.json --mode full_snapshot\n";

enum
{
	OPT_MAP = OPT_OWN, OPT_SET, OPT_HIERARCHY, OPT_SOURCE, OPT_MODE, OPT_EFFECTIVE, OPT_MATCH,
	OPT_REASON, OPT_MAX_ERRORS, OPT_REJECT, OPT_FORMAT, OPT_DELIMITER, OPT_NO_QUOTES,
	OPT_NO_HEADER, OPT_COLUMNS, OPT_ENCODING, OPT_RESUME, OPT_RETRIES, OPT_CHUNK, OPT_KEEP
};

static const struct option long_options[] = {
	{"map", required_argument, NULL, 'm'},
	{"set", required_argument, NULL, OPT_SET},
	{"hierarchy", required_argument, NULL, OPT_HIERARCHY},
	{"source", required_argument, NULL, OPT_SOURCE},
	{"mode", required_argument, NULL, OPT_MODE},
	{"effective", required_argument, NULL, OPT_EFFECTIVE},
	{"match", no_argument, NULL, OPT_MATCH},
	{"reason", required_argument, NULL, OPT_REASON},
	{"dry-run", no_argument, NULL, 'n'},
	{"max-errors", required_argument, NULL, OPT_MAX_ERRORS},
	{"reject", required_argument, NULL, OPT_REJECT},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"delimiter", required_argument, NULL, OPT_DELIMITER},
	{"no-quotes", no_argument, NULL, OPT_NO_QUOTES},
	{"no-header", no_argument, NULL, OPT_NO_HEADER},
	{"columns", required_argument, NULL, OPT_COLUMNS},
	{"encoding", required_argument, NULL, OPT_ENCODING},
	{"resume", no_argument, NULL, OPT_RESUME},
	{"retries", required_argument, NULL, OPT_RETRIES},
	{"chunk", required_argument, NULL, OPT_CHUNK},
	{"keep", no_argument, NULL, OPT_KEEP},
	{"quiet", no_argument, NULL, 'q'},
	CONNECT_LONG_OPTIONS,
	{NULL, 0, NULL, 0}
};

typedef struct LoadOptions
{
	ConnectOptions connection;
	SourceOptions source;
	LoadCall	call;
	Mapping		mapping;
	const char *source_name;
	const char *reject_path;
	int			retries;
	int			chunk;
	bool		resume;
	bool		keep;
	bool		quiet;
	char	  **files;
	int			n_files;
} LoadOptions;

/* What clean_up() has to see to; no batch_text: nothing. */
static Staging staging;
static bool keep_staging;

/*
 * clean_up leaves nothing behind on the server.
 */
static void
clean_up(void)
{
	PGresult   *result;

	progress_end();
	if (!staging.batch_text)
		return;
	cancel_statements(false);
	if (staging.lost || PQstatus(staging.conn) != CONNECTION_OK)
	{
		if (!staging.lost)
			error_hint("the rows sent so far are kept as batch %s: --resume goes on with it", staging.batch_text);
		return;
	}
	staging_abandon(&staging);
	while ((result = PQgetResult(staging.conn)) != NULL)
		PQclear(result);
	if (PQtransactionStatus(staging.conn) != PQTRANS_IDLE)
		PQclear(PQexec(staging.conn, "ROLLBACK"));
	if (keep_staging)
	{
		note_message("nothing was loaded");
		error_hint("the rows sent so far are kept as batch %s: --resume goes on with it", staging.batch_text);
	}
	else if (staging_discard(&staging))
		note_message("nothing was loaded, and nothing is left behind");
	else
	{
		warning_message("nothing was loaded, but batch %s could not be removed", staging.batch_text);
		error_detail("%s", PQerrorMessage(staging.conn));
	}
}

/*
 * one_character reads the argument of --delimiter.
 */
static char
one_character(const char *text)
{
	if (strcasecmp(text, "tab") == 0 || strcmp(text, "\\t") == 0)
		return '\t';
	if (strlen(text) != 1 || (unsigned char) text[0] >= 0x80 || strchr("\"\r\n", text[0]))
		usage_error("delimiter \"%s\" is not one character of ASCII", text);
	return text[0];
}

/*
 * number reads the argument of an option.
 */
static int
number(const char *option, const char *text, long from, long to)
{
	char	   *end;
	long		value = strtol(text, &end, 10);

	if (*end || end == text || value < from || value > to)
		usage_error("\"--%s %s\" is not a number from %ld to %ld", option, text, from, to);
	return (int) value;
}

/*
 * read_options reads the command line.
 */
static void
read_options(LoadOptions *o, int argc, char **argv)
{
	int			option;
	char	   *end;

	memset(o, 0, sizeof(*o));
	o->retries = 3;
	o->chunk = 20000;
	o->call.mode = "upsert";
	while ((option = getopt_long(argc, argv, "m:nq" CONNECT_SHORT_OPTIONS, long_options, NULL)) != -1)
		switch (option)
		{
			case 'm':
				mapping_add(&o->mapping, optarg);
				break;
			case OPT_SET:
				mapping_set(&o->mapping, optarg);
				break;
			case OPT_HIERARCHY:
				o->call.hierarchy = optarg;
				break;
			case OPT_SOURCE:
				o->source_name = optarg;
				break;
			case OPT_MODE:
				o->call.mode = optarg;
				if (strcmp(optarg, "upsert") != 0 && strcmp(optarg, "insert_only") != 0 &&
					strcmp(optarg, "full_snapshot") != 0)
					usage_error("mode \"%s\" is none of upsert, insert_only, full_snapshot", optarg);
				break;
			case OPT_EFFECTIVE:
				o->call.effective = optarg;
				break;
			case OPT_MATCH:
				o->call.match = true;
				break;
			case OPT_REASON:
				o->call.reason = optarg;
				break;
			case 'n':
				o->call.dry_run = true;
				break;
			case OPT_MAX_ERRORS:
				o->call.max_errors = optarg;
				if (strtod(optarg, &end) < 0 || end == optarg || strspn(optarg, "0123456789.") != (size_t) (end - optarg) ||
					(*end && strcmp(end, "%") != 0) || (!*end && strchr(optarg, '.')))
					usage_error("\"--max-errors %s\" is neither a whole number nor a percentage", optarg);
				break;
			case OPT_REJECT:
				o->reject_path = optarg;
				break;
			case OPT_FORMAT:
				if (strcmp(optarg, "csv") == 0)
					o->source.delimiter = ',';
				else if (strcmp(optarg, "tsv") == 0)
					o->source.delimiter = '\t';
				else if (strcmp(optarg, "auto") != 0)
					usage_error("format \"%s\" is none of csv, tsv, auto", optarg);
				break;
			case OPT_DELIMITER:
				o->source.delimiter = one_character(optarg);
				break;
			case OPT_NO_QUOTES:
				o->source.no_quotes = true;
				break;
			case OPT_NO_HEADER:
				o->source.no_header = true;
				break;
			case OPT_COLUMNS:
				o->source.columns = optarg;
				break;
			case OPT_ENCODING:
				o->source.encoding = optarg;
				break;
			case OPT_RESUME:
				o->resume = true;
				break;
			case OPT_RETRIES:
				o->retries = number("retries", optarg, 0, 20);
				break;
			case OPT_CHUNK:
				o->chunk = number("chunk", optarg, 1, 10000000);
				break;
			case OPT_KEEP:
				o->keep = true;
				break;
			case 'q':
				o->quiet = o->source.quiet = true;
				break;
			default:
				common_option(&o->connection, option, optarg, help);
		}
	o->files = argv + optind;
	o->n_files = argc - optind;
}

/*
 * check_options refuses what makes no sense together.
 */
static void
check_options(const LoadOptions *o)
{
	bool		snapshot = strcmp(o->call.mode, "full_snapshot") == 0;
	int			i;
	int			j;

	if (o->n_files == 0)
		usage_error("no file was named");
	if (o->mapping.n == 0)
		usage_error("nothing says what the columns mean (--map)");
	if (o->source.no_header && !o->source.columns)
		usage_error("without a header, the columns must be named (--columns)");
	if (snapshot && o->source_name && o->n_files > 1)
		usage_error("a full snapshot of a source is one file");
	for (i = 0; i < o->n_files; i++)
	{
		if (strcmp(o->files[i], "-") == 0 && !o->source_name)
			usage_error("stdin has no name: say where the list comes from (--source)");
		for (j = 0; j < i; j++)
		{
			char	   *a = source_name(o->files[i]);
			char	   *b = source_name(o->files[j]);

			if (snapshot && strcmp(a, b) == 0)
				usage_error("a full snapshot of a source is one file, and two are called \"%s\"", a);
			free(a);
			free(b);
		}
	}
}

/*
 * stage sends the rows of a file.
 */
static void
stage(Source *source)
{
	const bool	shown = progress_is_shown();
	long long	n = 0;

	progress_phase("staging");
	while (source_next(source))
	{
		staging_row(&staging, source->reader, decoder_met_bad_bytes(source->decoder));
		if (shown && (++n & 63) == 0)
			progress_step(input_position(source->input), input_size(source->input), staging.rows);
		if (interrupted)
			die(EXIT_INTERRUPTED, "interrupted");
	}
	staging_end(&staging);
}

/*
 * heading says what a report is about.
 */
static char *
heading(const LoadOptions *o, const Source *source, const char *name, int code,
		double staged, double loaded)
{
	const char *encoding = decoder_encoding(source->decoder);

	return x_sprintf("%s: %s, source \"%s\", %s%s%s; staged in %.1f s, %s in %.1f s",
					 source->base_name,
					 o->call.dry_run ? "dry run, nothing is changed" :
					 code == EXIT_FOUND ? "nothing is loaded" : "loaded", name,
					 o->call.mode, encoding && strcmp(encoding, "UTF-8") != 0 ? ", " : "",
					 encoding && strcmp(encoding, "UTF-8") != 0 ? encoding : "",
					 staged, o->call.dry_run || code == EXIT_FOUND ? "checked" : "loaded", loaded);
}

/*
 * load_file loads one file; returns the exit code.
 */
static int
load_file(PGconn *conn, const LoadOptions *o, const char *path, Rejects *rejects)
{
	Source		source;
	BatchInfo	info;
	Report		report = {0};
	char	   *default_name = source_name(path);
	const char *name = o->source_name ? o->source_name : default_name;
	double		t0;
	double		t1;
	int			code;

	source_open(&source, path, &o->source);
	info.source = name;
	info.columns = source.columns;
	info.n_columns = source.n_columns;
	info.file_name = source.base_name;
	info.file_size = input_size(source.input);
	info.fingerprint = source.fingerprint;

	progress_begin(source.base_name, o->quiet);
	t0 = seconds_now();
	staging_begin(&staging, conn, &info, o->resume, o->retries, o->chunk);
	if (!staging_is_resumed(&staging))
		apply_check(&staging, &o->call);
	stage(&source);
	if (!o->source.encoding && !input_is_file(source.input) && !o->quiet &&
		decoder_encoding(source.decoder) && strcmp(decoder_encoding(source.decoder), "windows-1252") == 0)
		note_message("%s was read as windows-1252", source.base_name);
	t1 = seconds_now();
	code = apply(&staging, &o->call, rejects, source.base_name, &report);
	progress_end();

	if (o->keep)
		note_message("the rows are kept as batch %s", staging.batch_text);
	else if (!(o->call.dry_run || code != EXIT_OK ? staging_discard(&staging) : staging_drop(&staging)))
		warning_message("batch %s could not be removed: %s", staging.batch_text, PQerrorMessage(conn));
	staging_free(&staging);

	if (!o->quiet)
	{
		char	   *text = heading(o, &source, name, code, t1 - t0, seconds_now() - t1);

		/* rows on stdout are for a program: the report must not get between them */
		report_print(&report, text, rejects_to_stdout(o->reject_path) ? stderr : stdout);
		free(text);
	}
	else if (report.stopped)
	{
		error_message("%s: %s", source.base_name, report.stopped);
		if (report.detail)
			error_detail("%s", report.detail);
	}
	report_free(&report);
	source_close(&source);
	free(default_name);
	return code;
}

/*
 * cmd_load is the command.
 */
int
cmd_load(int argc, char **argv)
{
	LoadOptions o;
	Rejects		rejects;
	PGconn	   *conn;
	int			code = EXIT_OK;
	int			i;

	read_options(&o, argc, argv);
	check_options(&o);
	/* a report that nobody reads must not keep the next file from being loaded */
	output_may_fail = true;
	rejects_open(&rejects, o.reject_path, o.files, o.n_files);
	conn = connect_server(&o.connection);
	keep_staging = o.keep || o.resume;
	atexit(clean_up);
	if (o.call.effective)
		o.call.effective = find_day(conn, o.call.effective);
	o.call.mapping = mapping_merge(&o.mapping, conn);
	if (!o.call.hierarchy && mapping_has_parent(o.call.mapping, conn))
		usage_error("a column is mapped to a parent, but no hierarchy is named (--hierarchy)");
	for (i = 0; i < o.n_files && code == EXIT_OK; i++)
	{
		if (interrupted)
			die(EXIT_INTERRUPTED, "interrupted");
		code = load_file(conn, &o, o.files[i], &rejects);
	}
	if (i < o.n_files)
		note_message("%d of %d files were not looked at", o.n_files - i, o.n_files);
	rejects_close(&rejects);
	PQfinish(conn);
	return code;
}
