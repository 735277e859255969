# Tables of anybody survive a dump: graphs of every kind, partitions, rollups as
# values, views and functions that name graphs, policies, grants, comments.  By
# every way that pg_dump and pg_restore have, and into databases whose settings
# change how values are written and read.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use HierarchyDump;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('dump');
my $dumps = "$PostgreSQL::Test::Utils::tmp_check/dump";
my $user = $node->safe_psql('postgres', 'SELECT current_user');

$node->safe_psql('postgres', 'CREATE ROLE regress_reader; CREATE ROLE regress_editor');
fill_tables($node, 'postgres', $user);
fill_directory($node, 'postgres', $user) if long(0, 1);

# text(db): all that is compared
sub text
{
	my ($db) = @_;
	my $text = tables_text($node, $db);

	$text .= "\n" . directory_text($node, $db) if long(0, 1);
	return $text;
}

my $before = text('postgres');
my $number = 0;

like($before, qr/^rollup weighted\|[0-9a-f]{32}\|\d\d/m, 'there is something to compare');

# target(settings, template): a database with such settings
sub target
{
	my ($settings, $options) = @_;
	my $db = 'target_' . ++$number;

	$node->safe_psql('postgres', "CREATE DATABASE $db " . ($options // ''));
	$node->safe_psql('postgres', "ALTER DATABASE $db SET $_") foreach @$settings;
	return $db;
}

# check(db, name): is all there, and at work?
sub check
{
	my ($db, $name) = @_;
	my $session;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# A database may be read-only by default.
	local $ENV{PGOPTIONS} = '-c default_transaction_read_only=off -c row_security=on';
	same_text(text($db), $before, "$name: everything is there");
	$session = session($node, $db);
	$session->query(q{SET search_path = public, hierarchy; SET datestyle = 'iso'});
	fails($session, q{INSERT INTO int_edge VALUES (290, 1, 1, '[2026-01-01,)', true, 0)}, '23514', "$name: a cycle is refused");
	fails($session, q{INSERT INTO part VALUES (2, 63, 1)}, '23514', "$name: also below a partitioned table");
	fails($session, q{DROP INDEX int_graph}, '2BP01', "$name: what depends on a graph is known");
	is($session->query(q{INSERT INTO uuid_edge VALUES (md5('200')::uuid, md5('x')::uuid);
		SELECT within('uuid_graph', md5('x')::uuid, md5('1')::uuid)}), 't', "$name: writes go on");
	$session->quit;
	return;
}

# run_sql(db, file): a dump as SQL, which must not fail anywhere
sub run_sql
{
	my ($db, $file, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $db, '-f', $file ], $name);
	return;
}

# dump(file, options): pg_dump of the source
sub dump_to
{
	my ($file, @options) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->command_ok([ 'pg_dump', '--file', $file, @options, 'postgres' ], "pg_dump @options");
	return;
}

# Settings that change how values look, how they are read, and what may be done
my @other = (
	q{datestyle = 'German, DMY'}, q{intervalstyle = 'sql_standard'}, 'extra_float_digits = -3', q{bytea_output = 'escape'},
	q{search_path = 'nowhere'}, q{timezone = 'Asia/Kathmandu'}, 'standard_conforming_strings = off', q{default_transaction_isolation = 'serializable'},
	'row_security = off', 'quote_all_identifiers = on', q{xmloption = 'document'}, 'transform_null_equals = on', 'array_nulls = off',
	q{session_replication_role = 'origin'}, q{hierarchy.image_memory = '1MB'}, 'hierarchy.enable_closure_scan = off', 'work_mem = 64', 'enable_indexscan = off');
my ($locale) = grep { /^(?:en_US|de_DE|C)\.(?:utf-?8)$/i } split /\n/, (run_command([ 'locale', '-a' ]))[0];
my $elsewhere = 'TEMPLATE template0' . (defined $locale ? " LOCALE '$locale'" : '');

dump_to("$dumps.custom", '--format', 'custom');

# An archive, by four jobs, where settings differ
my $db = target(\@other, $elsewhere);
$node->command_ok([ 'pg_restore', '--exit-on-error', '--jobs', 4, '-d', $db, "$dumps.custom" ], 'four jobs, other settings and locale');
check($db, 'four jobs, other settings and locale');

# The script of the archive, section after section
$db = target([]);
foreach my $section ('pre-data', 'data', 'post-data')
{
	$node->command_ok([ 'pg_restore', '--exit-on-error', '--section', $section, '-d', $db, "$dumps.custom" ], "section $section");
}
check($db, 'sections');

if (long(0, 1))
{
	foreach my $case (
		[ 'plain', [ [] ] ],
		[ 'inserts, other settings', [ ['--inserts'] ], \@other, $elsewhere ],
		[ 'inserts by column', [ [ '--column-inserts', '--rows-per-insert', 7, '--quote-all-identifiers' ] ] ],
		[ 'schema, then data, other settings', [ ['--schema-only'], ['--data-only'] ], \@other, $elsewhere ],
		[ 'schema, then data without triggers', [ ['--schema-only'], [ '--data-only', '--disable-triggers' ] ] ],
		[ 'without owners and rights of the source', [ [ '--no-owner', '--use-set-session-authorization' ] ] ],
		[ 'partitions through their root', [ ['--load-via-partition-root'] ] ],
		[ 'a database that only reads', [ [] ], ['default_transaction_read_only = on'] ],
		[ 'serializable and deferrable', [ ['--serializable-deferrable'] ] ])
	{
		my ($name, $parts, $settings, $options) = @$case;

		$db = target($settings // [], $options);
		foreach my $part (@$parts)
		{
			dump_to("$dumps.sql", @$part);
			local $ENV{PGOPTIONS} = $name =~ /only reads/ ? '-c default_transaction_read_only=off' : '';
			run_sql($db, "$dumps.sql", $name);
		}
		# What --disable-triggers does not give back, as the manual says
		$node->safe_psql($db, <<'SQL') if $name =~ /without triggers/;
SELECT format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.tgrelid::regclass, t.tgname)
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.pronamespace = 'hierarchy'::regnamespace AND t.tgenabled = 'O' \gexec
SQL
		# which is neither schema nor data
		$node->safe_psql($db, 'REFRESH MATERIALIZED VIEW public.kept_rows') if @$parts > 1;
		check($db, $name);
	}

	# Formats of pg_restore, one transaction, and over what is there already
	dump_to("$dumps.folder", '--format', 'directory', '--jobs', 3);
	dump_to("$dumps.tar", '--format', 'tar');
	foreach my $case (
		[ 'a folder, eight jobs', "$dumps.folder", '--jobs', 8 ],
		[ 'tar, one transaction', "$dumps.tar", '--single-transaction' ],
		[ 'custom, triggers off', "$dumps.custom", '--disable-triggers' ])
	{
		my ($name, $file, @options) = @$case;

		$db = target(\@other);
		$node->command_ok([ 'pg_restore', '--exit-on-error', @options, '-d', $db, $file ], $name);
		check($db, $name);
	}
	$node->command_ok([ 'pg_restore', '--exit-on-error', '--clean', '--if-exists', '-d', $db, "$dumps.custom" ], 'over what is there');
	check($db, 'over what is there');

	# A dump of what was restored, into the last of them
	$db = target(\@other);
	$node->command_ok([ 'pg_dump', '--format', 'custom', '--file', "$dumps.again", 'target_1' ], 'a dump of a restored database');
	local $ENV{PGOPTIONS} = '';
	$node->command_ok([ 'pg_restore', '--exit-on-error', '--jobs', 2, '-d', $db, "$dumps.again" ], 'a second time');
	like(tables_text($node, $db), qr/^rollup weighted\|/m, 'a second time: answers');
}
is(server_died($node), '', 'no process crashed');

done_testing();
