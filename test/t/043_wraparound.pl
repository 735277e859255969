# Transaction ids wrap around: tables of graphs are frozen like any others, and
# afterwards, four billion transactions later, everything is as it was.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'long: make test-faults' if !long(0, 1);

my $node = start_node('wraparound', "fsync = off\nsearch_path = 'public, hierarchy'\nautovacuum = on\nautovacuum_naptime = 1s\n");
my $s = session($node);

my $by_index = "SELECT count(*), sum(hashtext(ancestor || '>' || descendant)) FROM closure('edge', NULL::text)";
my $by_rows = "SELECT count(*), sum(hashtext(a || '>' || d)) FROM (
	WITH RECURSIVE c(a, d) AS (SELECT parent, child FROM edge WHERE parent IS NOT NULL
		UNION SELECT c.a, e.child FROM c JOIN edge e ON e.parent = c.d) SELECT a, d FROM c
	UNION SELECT parent, parent FROM edge WHERE parent IS NOT NULL UNION SELECT child, child FROM edge) x";

$s->query(<<'SQL');
CREATE TABLE edge (parent int, child int);
CREATE INDEX edge_graph ON edge USING hgraph (parent, child);
INSERT INTO edge SELECT i / 3, i FROM generate_series(1, 2000) i;
SELECT create_hierarchy('sales') \g /dev/null
INSERT INTO entity_type VALUES ('unit');
SELECT add_entity('unit', 'u' || i, 'Unit ' || i) FROM generate_series(1, 30) i \g /dev/null
SELECT assign('sales', entity_id('unit', 'u' || i), entity_id('unit', 'u' || i / 2)) FROM generate_series(2, 30) i \g /dev/null
SQL
is($s->query($by_index), $s->query($by_rows), 'at first');

# Each jump goes as far as the server allows after freezing; five of them go
# round once and more.
my $xid = 0;
foreach my $jump (1 .. 5)
{
	# dead entries, and entries of all ages
	$s->query("UPDATE edge SET parent = parent WHERE child % 7 = $jump; DELETE FROM edge WHERE child = 2000 - $jump;
		INSERT INTO edge VALUES ($jump, 3000 + $jump)");
	my $answer = $s->query($by_index);
	my $sales = $s->query("SELECT count(*), sum(depth) FROM closure('sales')");

	is($answer, $s->query($by_rows), "before jump $jump");
	$s->query('VACUUM (FREEZE)');
	is($s->query($by_index), $answer, 'frozen');
	foreach my $db ('template1', 'template0')
	{
		$node->safe_psql('postgres', "UPDATE pg_database SET datallowconn = true WHERE datname = '$db'");
		$node->safe_psql($db, 'VACUUM (FREEZE)');
	}
	$s->query('VACUUM (FREEZE) pg_database; CHECKPOINT');
	my $from = $s->query('SELECT min(datfrozenxid::text::bigint) FROM pg_database');
	my $frozen = $s->query('SELECT relfrozenxid::text::bigint FROM pg_class WHERE relname = \'edge\'');
	$s->quit;
	$node->stop;

	# The next id, at the start of a file of commit states, which has to exist.
	$xid = ($from + 2**31 - 200_000_000) % 2**32;
	$xid -= $xid % 2**20;
	$xid = 2**20 if $xid < 3;
	my $file = sprintf '%s/pg_xact/%04X', $node->data_dir, $xid / 2**20;
	note("frozen up to $from");
	command_ok([ 'pg_resetwal', '-x', $xid, $node->data_dir ], "jump $jump: to transaction $xid");
	append_to_file($file, "\0" x 262144) if !-e $file;
	$node->start;
	$s = session($node);
	# (Autovacuum may be at it already.)
	cmp_ok(($xid - $frozen) % 2**32, '>', 1_500_000_000, 'the table is old');
	is($s->query($by_index), $answer, 'the graph is what it was');
	is($s->query($by_rows), $answer, 'and so are its rows');
	is($s->query("SELECT count(*), sum(depth) FROM closure('sales')"), $sales, 'the directory as well');
	is($s->query("SELECT * FROM verify('edge')") . $s->query("SELECT * FROM verify('sales')"), '', 'nothing is wrong');
	fails($s, 'INSERT INTO edge SELECT child, 1 FROM edge WHERE child = 729', '23514', 'a cycle with frozen rows is refused');
	is($s->query("SELECT count(*) > 0 FROM history(entity_id('unit', 'u2'))"), 't', 'history goes on');
	$s->query("SELECT reassign('sales', entity_id('unit', 'u30'), entity_id('unit', 'u15'), entity_id('unit', 'u14'));
		SELECT undo_transaction(txid) FROM change_log ORDER BY change_id DESC LIMIT 1");
	is($s->query("SELECT node = entity_id('unit', 'u15') FROM parents('sales', entity_id('unit', 'u30'))"), 't',
		'a change, and its undoing');
}
is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
