# pg_upgrade from an older PostgreSQL: tables, graphs and rollups are taken along
# as they are, by a copy and by links.  Every function answers the same before and
# after, the graphs agree with their tables, rules and log are alive.

use strict;
use warnings;

use File::Copy;
use FindBin;
use lib $FindBin::RealBin;
use HierarchyDump;
use HierarchyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old_bindir = $ENV{HIERARCHY_OLD_BINDIR};

plan skip_all => 'make test-upgrade' if !$old_bindir;
$ENV{LD_LIBRARY_PATH} = $ENV{HIERARCHY_OLD_LIBRARIES};
delete $ENV{INITDB_TEMPLATE};

# new_node(name, old): a cluster that is not running yet
sub new_node
{
	my ($name, $old) = @_;
	my $node = $old ? PostgreSQL::Test::Cluster->new($name, install_path => ($old_bindir =~ s/\/bin$//r)) : PostgreSQL::Test::Cluster->new($name);
	my @options = ('--encoding=UTF8', '--locale=C');
	my ($output) = run_command([ ($old ? "$old_bindir/" : '') . 'initdb', '--version' ]);
	my ($version) = $output =~ /(\d+)/;

	# Before 18 it was the default; both must be the same.
	push @options, '--no-data-checksums' if $version >= 18;
	local $ENV{TEMP_CONFIG} = $ENV{TEMP_CONFIG};
	delete $ENV{TEMP_CONFIG} if $old;
	$node->init(extra => \@options);
	extension_conf($node);
	return ($node, $version);
}

# pg_upgrade does not look along dynamic_library_path.
if (slurp_file($ENV{TEMP_CONFIG}) =~ /^dynamic_library_path = '([^:]+):/m)
{
	copy("$1/hierarchy.so", $ENV{HIERARCHY_NEW_LIBRARY}) or die "$ENV{HIERARCHY_NEW_LIBRARY}: $!";
}

# run_path(program): where the newer version has it
sub run_path
{
	my ($program) = @_;
	my ($bindir) = run_command([ 'pg_config', '--bindir' ]);

	return "$bindir/$program";
}

my ($old, $from) = new_node('old', 1);

# Some minor releases keep a number with the columns of views, pg_attver, that an
# older minor release of the next version refuses when it restores it.
my $forget = slurp_file(run_path('postgres')) =~ /pg_attver/ ? '' : <<'SQL';
SET allow_system_table_mods = on;
UPDATE pg_attribute SET attoptions = (SELECT array_agg(o) FROM unnest(attoptions) o WHERE o !~ '^pg_attver=')
WHERE attoptions::text ~ 'pg_attver=';
SQL
my ($share) = run_command([ "$old_bindir/pg_config", '--sharedir' ]);
my ($lib) = run_command([ "$old_bindir/pg_config", '--pkglibdir' ]);
my ($settings) = run_command([ "$old_bindir/postgres", '--describe-config' ]);
$old->append_conf('postgresql.conf',
	$settings =~ /^extension_destdir\t/m
	? "extension_destdir = '$ENV{HIERARCHY_OLD_DEST}'"
	: "extension_control_path = '$ENV{HIERARCHY_OLD_DEST}$share:\$system'\ndynamic_library_path = '$ENV{HIERARCHY_OLD_DEST}$lib:\$libdir'");
$old->start;
my $user = $old->safe_psql('postgres', 'SELECT current_user');
$old->safe_psql('postgres', <<'SQL');
CREATE ROLE regress_owner LOGIN;
CREATE ROLE regress_reader;
CREATE ROLE regress_editor;
CREATE DATABASE owned OWNER regress_owner;
CREATE EXTENSION hierarchy;
SQL
$old->safe_psql('owned', 'CREATE EXTENSION hierarchy', extra_params => [ '-U', 'regress_owner' ]);
my %owner = (postgres => $user, owned => 'regress_owner');
my %before;

foreach my $db (sort keys %owner)
{
	fill_directory($old, $db, $owner{$db});
	fill_tables($old, $db, $owner{$db});
	# dead entries and an overlay are taken along, too
	$old->safe_psql($db, 'DELETE FROM int_edge WHERE child % 11 = 0; INSERT INTO uuid_edge SELECT md5(i::text)::uuid, md5((i + 1)::text)::uuid FROM generate_series(500, 600) i;
		VACUUM int_edge; DELETE FROM int_edge WHERE child % 13 = 0');
	$old->safe_psql($db, $forget) if $forget;
	$before{$db} = directory_text($old, $db) . "\n" . tables_text($old, $db);
	like($before{$db}, qr/^rollup weighted\|/m, "$db: there is something to compare");
}
$old->stop;
chdir($PostgreSQL::Test::Utils::tmp_check) or die $!;

foreach my $mode ('--copy', '--link')
{
	my ($new, $to) = new_node('new' . ($mode =~ s/-//gr));
	my $what = "$from to $to $mode";

	command_ok(
		[
			'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old_bindir,
			'-B', $new->config_data('--bindir'), '-s', $new->host, '-p', $old->port, '-P', $new->port, $mode
		],
		"$what: pg_upgrade");
	$new->start;
	foreach my $db (sort keys %owner)
	{
		same_text(directory_text($new, $db) . "\n" . tables_text($new, $db), $before{$db}, "$what: $db is as before");

		my $session = session($new, $db);
		is($session->query(q{SELECT h.extversion = hierarchy.library_version() FROM pg_extension h WHERE extname = 'hierarchy'}), 't', "$what: $db: the library");
		fails($session, q{INSERT INTO int_edge VALUES (290, 1, 1, '[2026-01-01,)', true, 0)}, '23514', "$what: $db: a cycle is refused");
		fails($session, q{INSERT INTO part VALUES (2, 63, 1)}, '23514', "$what: $db: also below a partitioned table");
		is($session->query(q{INSERT INTO cyclic_edge VALUES (50, 51); SELECT count(*) FROM hierarchy.descendants('cyclic_graph', 1)}), 50,
			"$what: $db: writes go on");
		$session->query('DELETE FROM int_edge WHERE child % 17 = 0');
		$session->query('VACUUM ANALYZE');
		is($session->query(<<'SQL'), '', "$what: $db: verify() after VACUUM");
SELECT c.oid::regclass, v.* FROM pg_class c JOIN pg_am a ON a.oid = c.relam, hierarchy.verify(c.oid::hierarchy.hgraph) v WHERE a.amname = 'hgraph' AND c.relkind = 'i';
SQL
		my $closure = q{SELECT count(*), md5(string_agg(c::text, '|' ORDER BY c::text COLLATE "C")) FROM hierarchy.closure('int_graph', NULL::text, as_of => '2026-01-01') c};
		my $kept = $session->query($closure);
		$session->query('REINDEX TABLE int_edge');
		is($session->query($closure), $kept, "$what: $db: REINDEX makes the same graph");
		$session->quit;
		alive($new, $db, $owner{$db}, "$what: $db");
	}
	is(server_died($new), '', "$what: no process crashed");
	$new->stop;
}

done_testing();
