# A session that answers many thousands of questions, while others write, keeps
# the memory it had after the first ones: nothing of a query, of a failed one,
# of an image that was thrown away, stays behind.
#
# HIERARCHY_LEAK_QUERIES is the number of queries.

use strict;
use warnings;

use HierarchyTest;
use List::Util qw(max);
use PostgreSQL::Test::Utils;
use Test::More;

my $queries = $ENV{HIERARCHY_LEAK_QUERIES} || long(5_000, 100_000);
my $rounds = 10;
my $seed = seed();
my $node = start_node('leaks', "search_path = 'public, hierarchy'\n");
my $s = session($node);
my $writer = session($node);

# A tree with text keys and a graph with weights, validity and several parents;
# facts to add up.
$s->query(<<"SQL");
SELECT setseed(@{[ $seed / 2**32 ]}) \\g /dev/null
CREATE TABLE tree (parent text, child text);
INSERT INTO tree SELECT CASE WHEN g > 1 THEN 'node ' || g / 4 END, 'node ' || g FROM generate_series(1, 1000) g;
CREATE INDEX tree_graph ON tree USING hgraph (parent, child);
CREATE TABLE dag (id int PRIMARY KEY, parent int, child int, share numeric, valid daterange);
INSERT INTO dag SELECT g, greatest(1, 1 + (g % 1000) / 3 - g / 1000), 2 + g % 1000, 0.5,
		CASE WHEN g % 7 = 0 THEN daterange('2020-01-01', '2030-01-01') END
	FROM generate_series(0, 1999) g;
CREATE INDEX dag_graph ON dag USING hgraph (parent, child) INCLUDE (share, valid)
	WITH (weight = 'share', validity = 'valid');
CREATE TABLE fact (node int, name text, amount numeric(12,2));
INSERT INTO fact SELECT n, 'node ' || n, n * 1.25 FROM generate_series(5, 1000, 9) n;
SELECT create_rollup_view('amounts', 'dag', 'fact', 'node', '{amount}') \\g /dev/null
VACUUM ANALYZE;
SQL

# What a session asks; %d is a random node.  Some fail, some are prepared, some
# look at several rows of the outer side.
my @kinds = (
	q(SELECT count(*) FROM descendants('dag', %d)),
	q(SELECT count(*) FROM descendants('dag', %d, as_of => '2025-01-01')),
	q(SELECT count(*) FROM ancestors('tree', 'node %d')),
	q(SELECT count(*) FROM children('dag', %d)),
	q(SELECT count(*) FROM parents('tree', 'node %d')),
	q(SELECT within('dag', %d, 3)),
	q(SELECT count(*) FROM tree WHERE within('tree', child, 'node %d')),
	q(SELECT count(*) FROM paths('dag', %d % 60)),
	q(SELECT count(*) FROM common_ancestors('tree', 'node %d', 'node 77')),
	q(SELECT count(*) FROM preorder('tree', 'node %d')),
	q(SELECT count(*) FROM closure('dag', NULL::int) WHERE descendant = %d),
	q(SELECT count(*) FROM closure('dag', NULL::int) WHERE ancestor = %d),
	q(SELECT * FROM descendants('tree', 'node %d') LIMIT 1),
	q(SELECT sum(d.depth) FROM generate_series(%d, %d + 3) n, LATERAL ancestors('dag', n) d),
	q(SELECT count(*) FROM leaves('dag', %d)),
	q(SELECT count(*) FROM tops('tree', 'node %d')),
	q(EXECUTE below(%d)),
	q(SELECT count(*) FROM descendants('nothing', %d)),
	q(SELECT count(*) FROM descendants('fact', %d)),
	q(SELECT count(*) FROM descendants('tree', %d)),
	q(SELECT count(*) FROM each((SELECT rollup('dag', node, amount, 'weighted') FROM fact WHERE node > %d), NULL::int)),
	q(SELECT rollup('tree', name, amount) -> 'node %d' FROM fact),
	q(SELECT node, total_avg FROM each_stats((SELECT rollup('dag', node, amount) FROM fact), NULL::int) WHERE node = %d),
	q(SELECT * FROM amounts WHERE node = %d),
	q(SELECT * FROM explain_rollup('dag', 1, %d, 'weighted', 100)),
	q(SELECT count(*) FROM drilldown('dag', %d, 'fact', 'node', 'amount')),
	q(INSERT INTO dag VALUES (-1, %d, 1)),
	q(SELECT * FROM graph_stats('dag') WHERE nodes = %d));

$s->query(q(PREPARE below(int) AS SELECT count(*) FROM descendants('dag', $1)));
my $pid = $s->query('SELECT pg_backend_pid()');

# rss(): resident memory of the session's backend in kB, which its own share of
# shared buffers does not count towards.
sub rss
{
	my $status = -r "/proc/$pid/status" ? slurp_file("/proc/$pid/status") : '';

	return $status =~ /^RssAnon:\s+(\d+) kB/m ? $1 : 0;
}

# states(errors): the SQLSTATEs in them, each once.
sub states
{
	my %seen = map { $_ => 1 } $_[0] =~ /(?:ERROR|FATAL):  (\w{5}):/g;

	return join ' ', sort keys %seen;
}

# ask(n): so many queries, each a statement of its own; returns the errors.  A
# pipe takes only so much at a time.
sub ask
{
	my ($n) = @_;
	my ($sql, $errors) = ('', '');

	foreach my $i (1 .. $n)
	{
		my $node = 5 + int(rand(900));

		$sql .= $kinds[ $i % @kinds ] =~ s/%d/$node/gr . ";\n";
		next if $i < $n && $i % 400 != 0;
		$errors .= ($s->try("\\o /dev/null\n$sql\\o\n"))[1];
		$sql = '';
	}
	return $errors;
}

# Every kind is asked once, so that a mistake in this file is seen.
my $expected = '23514 42804 42P01 55000';
my $errors = join "\n", map { ($s->try(s/%d/42/gr))[1] } @kinds;
is(states($errors), $expected, 'what should fail fails, and nothing else') or diag($errors);

# memory(): bytes in use in the session's contexts, and kB of its process.
sub memory
{
	return (
		$s->query('SELECT sum(used_bytes) FROM pg_backend_memory_contexts'),
		rss());
}

# Between the rounds the graphs change in every way there is: rows come and go,
# entries are folded in and vacuumed away, an index is built anew, a graph is
# dropped.  Afterwards they are what they were.
my (@used, @rss, @unexpected);
foreach my $round (0 .. $rounds)
{
	# Round 0 is there to fill the caches of the server.
	my $states = states(ask($queries / $rounds));

	push @unexpected, "round $round: $states" if $states ne $expected;
	$writer->query(<<'SQL');
INSERT INTO dag SELECT 10000 + g, 5 + g % 900, 5000 + g, 1 FROM generate_series(1, 500) g;
DELETE FROM dag WHERE id >= 10000;
UPDATE tree SET parent = 'node 2' WHERE child = 'node 900';
UPDATE tree SET parent = 'node 225' WHERE child = 'node 900';
SQL
	ask(scalar @kinds);
	$s->query(<<'SQL');
BEGIN;
CREATE TABLE passing (a int, b int);
INSERT INTO passing SELECT g, g + 1 FROM generate_series(1, 300) g;
CREATE INDEX passing_graph ON passing USING hgraph (a, b);
SELECT count(*) FROM descendants('passing', 1) \g /dev/null
INSERT INTO passing VALUES (301, 302);
SELECT count(*) FROM ancestors('passing', 302) \g /dev/null
ROLLBACK;
SQL
	$writer->query('VACUUM dag; VACUUM tree');
	$writer->query('REINDEX INDEX tree_graph') if $round % 2;
	ask(2 * @kinds);
	my ($used, $rss) = memory();
	push @used, $used;
	push @rss, $rss;
	note("round $round: $used bytes used, $rss kB");
}

is("@unexpected", '', 'the same questions fail in each round');

# Catalog caches grow with what has been seen; an entry or two may be new late.
cmp_ok(max(@used[ 2 .. $#used ]) - $used[1],
	'<=', 131072, "bytes in memory contexts stay the same ($used[1], then at most " . max(@used[ 2 .. $#used ]) . ')');
SKIP:
{
	skip 'no /proc to tell how large a process is', 1 if $rss[0] == 0;
	cmp_ok(max(@rss[ 2 .. $#rss ]) - $rss[1],
		'<=', 2048, "and so does the process ($rss[1] kB, then at most " . max(@rss[ 2 .. $#rss ]) . ' kB)');
}
is($s->query("SELECT count(*) FROM verify('dag')") . $s->query("SELECT count(*) FROM verify('tree')"),
	'00', 'and the graphs are right');
is(server_died($node), '', 'no process of the server crashed');

$s->quit;
$writer->quit;
done_testing();
