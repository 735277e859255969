# The directory survives a dump: rows, partitions, keys, triggers, graphs,
# grants and policies, comments, sequences.  Restoring writes no audit rows,
# and rules and audit are alive afterwards.  Whoever installed the extension.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use HierarchyDump;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('directory_dump');
my $dumps = "$PostgreSQL::Test::Utils::tmp_check/directory_dump";

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE regress_owner LOGIN;
CREATE ROLE regress_reader;
CREATE ROLE regress_editor;
CREATE DATABASE owned OWNER regress_owner;
SQL
$node->safe_psql('owned', 'CREATE EXTENSION hierarchy', extra_params => [ '-U', 'regress_owner' ]);

# restore(from, to, user, format, options): dumps and restores, an archive by
# several jobs at once, which load tables in any order.
sub restore
{
	my ($from, $to, $user, $format, @options) = @_;
	my $file = "$dumps.$to." . $format;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->command_ok([ 'pg_dump', '-U', $user, '--format', $format, '--file', $file, @options, $from ], "dump for $to: @options");
	$node->command_ok(
		  $format eq 'plain'
		? [ 'psql', '-X', '-q', '-U', $user, '-v', 'ON_ERROR_STOP=1', '-d', $to, '-f', $file ]
		: [ 'pg_restore', '-U', $user, '--exit-on-error', '--jobs', 4, '-d', $to, $file ],
		"restore into $to");
	return;
}

foreach my $source ('postgres', 'owned')
{
	my $user = $source eq 'owned' ? 'regress_owner' : $node->safe_psql('postgres', 'SELECT current_user');
	my $before;
	my %kinds = (
		plain => [ [ 'plain' ] ],
		inserts => [ [ 'plain', '--inserts' ] ],
		custom => [ [ 'custom' ] ],
		parts => [ [ 'plain', '--schema-only' ], [ 'plain', '--data-only' ] ],
		sections => [ [ 'custom', '--section', 'pre-data' ], [ 'custom', '--section', 'data' ], [ 'custom', '--section', 'post-data' ] ]);

	fill_directory($node, $source, $user);
	$before = directory_text($node, $source);
	like($before, qr/^graph\|plain\|hierarchy\.plain\|\d+\|t\|$/m, "$source: the graph is found");
	unlike($before, qr/^check/m, "$source: all rules hold");
	foreach my $kind ($source eq 'owned' ? ('plain', 'custom') : sort keys %kinds)
	{
		my $db = "${source}_$kind";

		$node->safe_psql('postgres', "CREATE DATABASE $db OWNER $user");
		restore($source, $db, $user, @$_) foreach @{ $kinds{$kind} };
		same_text(directory_text($node, $db), $before, "$db has everything");
		alive($node, $db, $user, $db);
	}
	same_text(directory_text($node, $source), $before, "$source has not changed");
}

# A dump of a restored database is the same again.
$node->safe_psql('postgres', 'CREATE DATABASE twice');
my $once = directory_text($node, 'owned_custom');
$node->safe_psql('postgres', 'ALTER DATABASE twice OWNER TO regress_owner');
restore('owned_custom', 'twice', 'regress_owner', 'custom');
same_text(directory_text($node, 'twice'), $once, 'a second dump');

# Someone else's table of graphs is not guessed at.
my $session = session($node);
$session->query(q{SELECT pg_catalog.set_config('search_path', '', false)});
$session->query('SET check_function_bodies = off; SET row_security = off');
is($session->query(q{SELECT 'hierarchy.nothing'::hierarchy.hgraph}), '-', 'while a dump is restored, a hierarchy may be yet to come');
fails($session, q{SELECT 'public.nothing'::hierarchy.hgraph}, '42P01', 'other graphs must be there');
$session->query('RESET check_function_bodies');
fails($session, q{SELECT 'hierarchy.nothing'::hierarchy.hgraph}, '42P01', 'at other times all must');
$session->quit;

# The column follows the index.
is($node->safe_psql('postgres', <<'SQL'), "f\nt", 'another OID');
SET search_path = public, hierarchy;
SELECT graph::oid AS before FROM hierarchy.hierarchy WHERE name = 'plain' \gset
REINDEX INDEX CONCURRENTLY hierarchy.plain;
ALTER TABLE hierarchy.relationship ALTER COLUMN is_primary SET DEFAULT false;
SELECT graph::oid = :before FROM hierarchy.hierarchy WHERE name = 'plain';
SELECT graph = 'plain' FROM hierarchy.hierarchy WHERE name = 'plain';
SQL
is(server_died($node), '', 'no process crashed');

done_testing();
