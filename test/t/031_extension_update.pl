# An upgrade of the extension, from 1.0 to a version 1.1 that is made here: an
# updated database has the very objects of a fresh one, with definitions, rights
# and comments, and its data.  A library of another version than the SQL says so,
# whichever is the newer one, and what is needed to get out of that goes on.

use strict;
use warnings;

use File::Copy;
use File::Path;
use FindBin;
use lib $FindBin::RealBin;
use HierarchyDump;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $objects = slurp_file("$FindBin::RealBin/extension_objects.sql");
my $files = "$PostgreSQL::Test::Utils::tmp_check/extension_files";
my ($share, $lib) = map { chomp(my $folder = `$ENV{PG_CONFIG} $_`); $folder } ('--sharedir', '--pkglibdir');
my ($origin, $setting) = slurp_file($ENV{TEMP_CONFIG} // '/dev/null') =~ /^extension_(?:destdir|control_path) = '([^:']*?)(?:\Q$share\E:.*)?'$/m
  ? ($1, $&)
  : ();

plan skip_all => 'the server cannot be told where extensions are' if !defined $origin;
my $control = slurp_file("$origin$share/extension/hierarchy.control");
my ($version) = $control =~ /^default_version = '([0-9.]+)'$/m;
my $script = slurp_file("$origin$share/extension/hierarchy--$version.sql");
my $newer = '1.' . ('9' x (length($version) - 2));

# What the next version adds, changes and takes away.  @ALTERED is what a fresh
# install has elsewhere in its script.
my $altered = <<'SQL';
CREATE OR REPLACE FUNCTION @extschema@.is_npi(value text) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 7
AS 'MODULE_PATHNAME', 'hgraph_is_npi';
COMMENT ON FUNCTION @extschema@.is_npi(text) IS 'another comment';
ALTER TABLE @extschema@.entity ADD COLUMN size integer CONSTRAINT entity_size_check CHECK (size > 0);
REVOKE EXECUTE ON FUNCTION @extschema@.verify(@extschema@.hgraph) FROM PUBLIC;
DROP FUNCTION @extschema@.is_lei(text) CASCADE;
SQL
my $added = <<'SQL';
CREATE FUNCTION @extschema@.added(graph @extschema@.hgraph) RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT count(*) FROM @extschema@.roots(graph, NULL::bigint);
END;
COMMENT ON FUNCTION @extschema@.added(@extschema@.hgraph) IS 'how many roots';
CREATE VIEW @extschema@.added_view AS SELECT entity_id, size FROM @extschema@.entity WHERE size IS NOT NULL;
GRANT SELECT (size) ON @extschema@.added_view TO PUBLIC;
SQL

# write_file(name, text): into the folder of the server's extensions
sub write_file
{
	my ($name, $text) = @_;

	open(my $file, '>', "$files$share/extension/$name") or die "$name: $!";
	print $file $text;
	close($file) or die "$name: $!";
	return;
}

# install_library(version): as of that version.  The file changes by a rename:
# older sessions keep what they have loaded.
sub install_library
{
	my ($as) = @_;
	my $text = slurp_file("$origin$lib/hierarchy.so");
	my $found = $text =~ s/(hierarchy, library of version )\Q$version\E\0/$1$as\0/g;

	die "the version is $found times in the library" if $found != 1;
	open(my $file, '>:raw', "$files$lib/hierarchy.new") or die $!;
	print $file $text;
	close($file) or die $!;
	chmod(0755, "$files$lib/hierarchy.new");
	rename("$files$lib/hierarchy.new", "$files$lib/hierarchy.so") or die $!;
	return;
}

mkpath([ "$files$share/extension", "$files$lib" ]);
write_file('hierarchy.control', $control);
write_file("hierarchy--$version.sql", $script);
write_file("hierarchy--$version--$newer.sql", "$altered$added");
write_file("hierarchy--$newer.sql", "$script$altered$added");
install_library($version);

my $conf = $setting;
$conf =~ s/\Q$origin\E/$files/;
$conf .= "\ndynamic_library_path = '$files$lib:\$libdir'" if $setting =~ /^extension_control_path/;
my $node = start_node('extension_update', "$conf\n");

# objects(db): a description of all that the extension has brought
sub objects
{
	my ($db) = @_;

	return $node->safe_psql($db, $objects);
}

# update(db, version): ALTER EXTENSION UPDATE, in a session of its own
sub update
{
	my ($db, $to) = @_;

	$node->safe_psql($db, "ALTER EXTENSION hierarchy UPDATE TO '$to'");
	return;
}

# ---- the same objects ----

$node->safe_psql('postgres', <<"SQL");
INSERT INTO hierarchy.entity_type (entity_type) VALUES ('account');
SELECT hierarchy.create_hierarchy('sales');
SELECT hierarchy.add_entity('account', 'c' || i, 'N' || i) FROM generate_series(1, 50) i;
SELECT hierarchy.assign('sales', i, i / 3 + 1) FROM generate_series(2, 50) i;
CREATE TABLE edge (parent int, child int);
INSERT INTO edge SELECT i / 2, i FROM generate_series(1, 100) i;
CREATE INDEX edge_graph ON edge USING hgraph (parent, child);
SQL
my $content = q{SELECT count(*), md5(string_agg(r::text, '|' ORDER BY r::text COLLATE "C")), (SELECT count(*) FROM hierarchy.change_log),
	(SELECT count(*) FROM hierarchy.closure('sales', NULL::bigint)), (SELECT count(*) FROM hierarchy.closure('edge', NULL::int)),
	(SELECT count(*) FROM hierarchy.hierarchy h, hierarchy.verify(h.graph)) FROM hierarchy.relationship r};
my $before = $node->safe_psql('postgres', $content);
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('plain', 'CREATE EXTENSION hierarchy');

# A session of the old version, which has used some functions.  One that does not
# end while files change.
my $old = session($node, 'postgres');
is($old->query(q{SELECT hierarchy.library_version(), hierarchy.is_npi('1234567893'), count(*) FROM hierarchy.children('edge', 1)}),
	"$version|t|2", 'before');

install_library($newer);
$node->safe_psql('postgres', "CREATE DATABASE fresh");
$node->safe_psql('fresh', "CREATE EXTENSION hierarchy VERSION '$newer'");
$node->safe_psql('postgres', 'CREATE DATABASE updated TEMPLATE plain');
update('updated', $newer);
my $fresh = objects('fresh');
cmp_ok(($fresh =~ tr/\n//), '>', 1000, 'the comparison sees much');
same_text(objects('updated'), $fresh, 'an updated database has the objects of a fresh one');

# The comparison finds what an update script forgets.
my %forgotten = (
	'a comment' => "COMMENT ON FUNCTION hierarchy.added(hierarchy.hgraph) IS NULL",
	'a right' => 'GRANT EXECUTE ON FUNCTION hierarchy.verify(hierarchy.hgraph) TO PUBLIC',
	'a property of a function' => 'ALTER FUNCTION hierarchy.is_npi(text) COST 8',
	'a body' => 'CREATE OR REPLACE VIEW hierarchy.added_view AS SELECT entity_id, size FROM hierarchy.entity WHERE size > 0',
	'a constraint' => 'ALTER TABLE hierarchy.entity DROP CONSTRAINT entity_size_check',
	'a right on a column' => 'REVOKE SELECT (size) ON hierarchy.added_view FROM PUBLIC',
	'a trigger that fires always' => 'ALTER TABLE hierarchy.entity ENABLE TRIGGER _audit_update',
	'a table that dumps keep' => q{UPDATE pg_extension SET extconfig[1] = extconfig[2] WHERE extname = 'hierarchy'},
	'an object that is no member' => 'ALTER EXTENSION hierarchy DROP VIEW hierarchy.added_view');
foreach my $what (sort keys %forgotten)
{
	my $session = session($node, 'updated');

	isnt($session->query("BEGIN; $forgotten{$what};\n$objects"), $fresh, "the comparison finds $what");
	$session->query('ROLLBACK');
	$session->quit;
}

# ---- the new library, the old SQL ----

my $message = qr/extension "hierarchy" is of version \Q$version\E in this database, but the loaded library is of version \Q$newer\E/;
my $session = session($node, 'postgres');
foreach my $statement (
	q{SELECT * FROM hierarchy.children('edge', 1)},
	q{SELECT * FROM hierarchy.verify('edge')},
	q{SELECT hierarchy.is_npi('1234567893')},
	q{SELECT hierarchy.rollup('edge'::hierarchy.hgraph, child, child) FROM edge},
	q{SELECT hierarchy.assign('sales', 50, 1)},
	q{INSERT INTO hierarchy.entity (entity_type, name) VALUES ('account', 'new')},
	q{DELETE FROM hierarchy.relationship})
{
	fails($session, $statement, '55000', "new library: $statement", qr/$message.*HINT:  Run ALTER EXTENSION hierarchy UPDATE/s);
}
is($session->query('SELECT hierarchy.library_version()'), $newer, 'new library: its version');
is($session->query('SELECT count(*) FROM hierarchy.hierarchy WHERE graph::text IS NOT NULL'), 1, 'new library: tables can be read');
is($session->query('INSERT INTO edge VALUES (1000, 1001) RETURNING child; SELECT count(*) FROM edge; DELETE FROM edge WHERE child = 1001'),
	"1001\n101", 'new library: tables with graphs can be read and written');
$session->query('BEGIN; DROP TABLE edge; DROP EXTENSION hierarchy CASCADE; ROLLBACK');
$session->query('BEGIN; CREATE TABLE other (a int, b int); CREATE INDEX ON other USING hgraph (a, b); ROLLBACK');
$node->command_ok([ 'pg_dump', '--file', '/dev/null', 'postgres' ], 'new library: a dump can be made');

# Every function in C: its symbol is looked up as the first call would.
my %exempt = map { $_ => 1 }
  qw(hgraph_in hgraph_out hgraph_hrollup_in hgraph_hrollup_out hgraph_hrollup_recv hgraph_hrollup_send hgraph_handler hgraph_fill_graphs hgraph_library_version);
my %free = map { $_ => 1 } split /\n/, $session->query(<<'SQL');
CREATE FUNCTION pg_temp.looked_up(library text, symbol text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE OR REPLACE FUNCTION pg_temp.probe() RETURNS int LANGUAGE C AS %L, %L', library, symbol);
	RETURN true;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RETURN false;
END
$$;
SELECT p.prosrc
FROM (SELECT DISTINCT p.probin, p.prosrc FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	WHERE l.lanname = 'c' AND p.pronamespace = 'hierarchy'::regnamespace) p
WHERE pg_temp.looked_up(p.probin, p.prosrc);
SQL
is(join(' ', sort keys %free), join(' ', sort keys %exempt), 'new library: every other function looks at the version');

SKIP:
{
	my ($out, $err);

	skip('the client is not installed', 2) if !grep { -x "$_/pg_hierarchy" } split /:/, $ENV{PATH};
	$node->run_log([ 'pg_hierarchy', 'check', '-d', $node->connstr('postgres') ], '>', \$out, '2>', \$err);
	is($? >> 8, 1, 'new library: pg_hierarchy check has found something');
	like($out, qr/PROBLEM +library +\Q$newer\E, the extension is \Q$version\E.*\n +-> ALTER EXTENSION hierarchy UPDATE/, 'new library: it says what');
}

$session->query("ALTER EXTENSION hierarchy UPDATE TO '$newer'");
is($session->query($content), $before, 'after the update: the data, in the same session');
is($session->query(q{SELECT hierarchy.added('sales')}), 1, 'after the update: the new function');
fails($session, q{SELECT hierarchy.assign('sales', 1, 50)}, '23514', 'after the update: a cycle is refused');
$session->quit;

# ---- a session that is older than the files ----

is($old->query(q{SELECT hierarchy.library_version(), count(*) FROM hierarchy.children('edge', 1)}), "$version|2",
	'an old session: what has not changed');
fails($old, q{SELECT hierarchy.is_npi('1234567893')}, '55000', 'an old session: what has changed',
	qr/is of version \Q$newer\E in this database, but the loaded library is of version \Q$version\E.*HINT:  Connect anew/s);
$old->quit;

# ---- the old library, the new SQL ----

install_library($version);
$session = session($node, 'postgres');
fails($session, q{SELECT * FROM hierarchy.children('edge', 1)}, '55000', 'old library',
	qr/is of version \Q$newer\E in this database, but the loaded library is of version \Q$version\E.*HINT:  Connect anew.*install the files of version \Q$newer\E/s);
$session->quit;

# A script whose functions the library does not have changes nothing.
write_file("hierarchy--$newer--2.0.sql", <<'SQL');
CREATE FUNCTION @extschema@.of_the_future() RETURNS integer LANGUAGE C AS 'MODULE_PATHNAME', 'hgraph_of_the_future';
SQL
install_library($newer);
$session = session($node, 'postgres');
fails($session, q{ALTER EXTENSION hierarchy UPDATE TO '2.0'}, '42883', 'a function that the library does not have',
	qr/could not find function "hgraph_of_the_future" in file ".*hierarchy\.so"/);
is($session->query($content), $before, 'all is as before');
$session->quit;
is(server_died($node), '', 'no process crashed');

done_testing();
