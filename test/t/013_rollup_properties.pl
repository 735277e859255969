# Rollups: what must hold whatever the data, from redundant paths to snapshots,
# and sizes at the ends.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = seed();
my $node = start_node('rollup', <<'CONF');
search_path = 'public, hierarchy'
max_worker_processes = 16
max_parallel_workers = 8
parallel_setup_cost = 0
parallel_tuple_cost = 0
min_parallel_table_scan_size = 0
CONF
my $s = session($node);
my $serial = 'SET max_parallel_workers_per_gather = 0';
my $parallel = 'SET max_parallel_workers_per_gather = 2';

sub answer { return $s->query($_[0]); }

answer('CREATE ROLE viewer');

# random_dag(table, nodes, parents): every node but the first some gets up to so
# many parents with a lower number.
sub random_dag
{
	my ($table, $n, $parents) = @_;

	answer(<<"SQL");
CREATE TABLE $table (parent int, child int, share numeric, is_primary boolean);
SELECT setseed(@{[ $seed % 1000 / 1000 ]});
INSERT INTO $table SELECT DISTINCT ON (1, 2) greatest(1, child - 1 - floor(power(random(), 2) * least(child - 1, 300))::int), child, NULL::numeric, false
	FROM generate_series(6, $n) child, generate_series(1, $parents) k WHERE k = 1 OR child % 2 = 0;
UPDATE $table e SET is_primary = true FROM (SELECT child, min(parent) AS parent FROM $table GROUP BY 1) p
	WHERE (e.parent, e.child) = (p.parent, p.child);
-- shares that sum to 1: the last parent takes what is left of thirds, sevenths, ...
UPDATE $table e SET share = CASE WHEN rank < n THEN round(1.0 / n, 6) ELSE 1 - (n - 1) * round(1.0 / n, 6) END
	FROM (SELECT parent, child, row_number() OVER (PARTITION BY child ORDER BY parent) AS rank,
			count(*) OVER (PARTITION BY child) AS n FROM $table) r
	WHERE (e.parent, e.child) = (r.parent, r.child);
-- a node without edges is one all the same
INSERT INTO $table SELECT NULL, n, NULL, NULL FROM generate_series(1, $n) n;
CREATE INDEX $table\_graph ON $table USING hgraph (parent, child) INCLUDE (share, is_primary)
	WITH (weight = 'share', is_primary = 'is_primary');
SQL
	return;
}

# same_rows(a, b, name): two queries return the same rows.
sub same_rows
{
	my ($x, $y, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(answer("SELECT count(*) FROM ((($x) EXCEPT ALL ($y)) UNION ALL (($y) EXCEPT ALL ($x))) d"), 0, $name);
	return;
}

random_dag('dag', 1000, 3);
answer(<<'SQL');
CREATE TABLE fact (key int, i bigint, n numeric, r float8, month int);
INSERT INTO fact SELECT 6 + random() * 994, random() * 1000 - 300, (random() * 1000)::numeric(12,2), round((random() * 1000)::numeric, 2), i % 12
	FROM generate_series(1, 20000) i;
CREATE TABLE fact_sum AS SELECT key, count(*) AS facts, sum(i) AS i, sum(n) AS n, min(i) AS least, max(i) AS greatest FROM fact GROUP BY 1;
CREATE TABLE closed AS WITH RECURSIVE c(a, d) AS (
	SELECT n, n FROM generate_series(1, 1000) n UNION SELECT parent, d FROM c JOIN dag ON child = a AND parent > 0) SELECT * FROM c;
CREATE TABLE closed_primary AS WITH RECURSIVE c(a, d) AS (
	SELECT n, n FROM generate_series(1, 1000) n UNION SELECT parent, d FROM c JOIN dag ON child = a AND is_primary) SELECT * FROM c;
ANALYZE;
SQL
foreach my $x ([ 'distinct', 'closed' ], [ 'primary', 'closed_primary' ])
{
	my ($mode, $closure) = @$x;

	foreach my $value ('i', 'n')
	{
		same_rows(
			"SELECT a, sum($value), sum(facts) FROM $closure JOIN fact_sum ON key = d GROUP BY 1",
			"SELECT node, total, total_count FROM (SELECT rollup('dag', key, $value, '$mode') AS r FROM fact) x, each(r, NULL::int)",
			"$mode over a dense graph, $value");
	}
	same_rows(
		"SELECT a, min(least)::numeric, max(greatest)::numeric, round(sum(n) / sum(facts), 6) FROM $closure JOIN fact_sum ON key = d GROUP BY 1",
		"SELECT i.node, i.total_min, i.total_max, round(n.total_avg, 6)
			FROM (SELECT rollup('dag', key, i, '$mode') AS ri, rollup('dag', key, n, '$mode') AS rn FROM fact) x,
				each_stats(ri, NULL::int) i, each_stats(rn, NULL::int) n WHERE i.node = n.node",
		"$mode over a dense graph, extremes");
}

# Few facts in a large graph
foreach my $mode ('distinct', 'primary')
{
	my $closure = $mode eq 'distinct' ? 'closed' : 'closed_primary';

	foreach my $some (map { int(rand(300)) } 1 .. 4)
	{
		same_rows(
			"SELECT a, sum(n), count(*) FROM $closure JOIN fact ON key = d WHERE key % 300 = $some GROUP BY 1",
			"SELECT node, total, total_count FROM (SELECT rollup('dag', key, n, '$mode') AS r FROM fact WHERE key % 300 = $some) x, each(r, NULL::int)",
			"$mode, few facts");
	}
}

# Knots: edges back up, of which some are in the index since it was built
answer(<<'SQL');
CREATE TABLE net AS SELECT parent, child, is_primary FROM dag WHERE child <= 250 AND parent > 0;
INSERT INTO net SELECT child, greatest(1, parent - (child * 7) % 40), child % 2 = 0 FROM net WHERE (parent * 13 + child) % 17 = 0;
CREATE INDEX net_graph ON net USING hgraph (parent, child) INCLUDE (is_primary) WITH (is_primary = 'is_primary', acyclic = off);
INSERT INTO net SELECT child, parent, true FROM net WHERE (parent + child) % 41 = 0;
SQL
foreach my $mode ('distinct', 'primary')
{
	my $which = $mode eq 'distinct' ? '' : 'AND is_primary';

	foreach my $some ('true', 'key % 50 = 7')
	{
		same_rows(
			"WITH RECURSIVE c(a, d) AS (SELECT n, n FROM generate_series(1, 250) n UNION SELECT parent, d FROM c JOIN net ON child = a $which)
				SELECT a, sum(n), count(*) FROM c JOIN fact ON key = d WHERE $some GROUP BY 1",
			"SELECT node, total, total_count FROM (SELECT rollup('net', key, n, '$mode') AS r FROM fact WHERE $some) x, each(r, NULL::int)",
			"$mode over knots, $some");
	}
}

# Parallel plans: what they look like, and that they agree
my $rollups = "SELECT rollup('dag', key, i) AS a, rollup('dag', key, n, 'weighted') AS b, rollup('dag', key, r, 'primary') AS c,
	rollup('dag', key) AS d, rollup('dag', key::text, n) AS e, rollup('dag', key, 6000000000000000000 + i) AS f,
	rollup('dag', key, n * 1e25) AS g, rollup('dag', key, n * 1e40) AS h FROM fact";
answer($parallel);
like(answer("EXPLAIN $rollups"), qr/Finalize Aggregate.*Gather.*Partial Aggregate.*Parallel Seq Scan/s, 'a parallel plan');
like(answer("EXPLAIN SELECT month, rollup('dag', key, i) FROM fact GROUP BY month"),
	qr/Finalize.*Aggregate.*Gather.*Partial.*Aggregate/s, 'a parallel plan with groups');
like(answer("EXPLAIN (ANALYZE, COSTS off, TIMING off) $rollups"), qr/Workers Launched: [1-9]/, 'workers take part');
answer("CREATE TABLE by_workers AS $rollups");
answer($serial);
unlike(answer("EXPLAIN $rollups"), qr/Gather/, 'a serial plan');
answer("CREATE TABLE by_one AS $rollups");
foreach my $x (qw(a b d e f g h))
{
	same_rows("SELECT e.* FROM by_workers, each_stats($x) e", "SELECT e.* FROM by_one, each_stats($x) e",
		"parallel equals serial, $x");
	is(answer("SELECT reconcile(x.$x) = reconcile(y.$x) FROM by_workers x, by_one y"), 't', "and so does what it is reconciled with, $x");
}
is(answer('SELECT sum(own) = (SELECT sum(6000000000000000000 + i) FROM fact) FROM by_workers, each(f)'), 't', 'sums beyond 64 bits merged');
is(answer("SELECT count(*) FROM by_workers x, by_one y, compare_rollup(x.c, y.c) WHERE abs(difference) > 1e-15 * before"), 0,
	'parallel equals serial, but for the last digit of a double');
$s->query('RESET ALL');

# Two halves make the whole
foreach my $mode (qw(distinct primary))
{
	foreach my $value ('', ', i', ', n')
	{
		my $of = sub { "(SELECT rollup('dag', key$value, '$mode') FROM fact WHERE $_[0])" };

		same_rows('SELECT e.* FROM each_stats(' . $of->('month < 7') . ' + ' . $of->('month >= 7') . ') e',
			'SELECT e.* FROM each_stats(' . $of->('true') . ') e', "two halves make the whole, $mode$value");
	}
}
same_rows("SELECT e.* FROM (SELECT sum(r) AS r FROM (SELECT rollup('dag', key, n) AS r FROM fact GROUP BY month) m) x, each_stats(r) e",
	"SELECT e.* FROM (SELECT rollup('dag', key, n) AS r FROM fact) x, each_stats(r) e", 'twelve months make the year');

# Shares that sum to 1: the roots have it all, exactly
foreach my $value ('i', 'n', 'n / 7', 'n * 1e25', '-i')
{
	is(answer("SELECT sharing = 0 AND root_total = grand_total AND unmatched = 0
			AND root_total = (SELECT sum(total) FROM each(r) WHERE node <= 5)
			AND root_total = (SELECT sum($value) FROM fact)
		FROM (SELECT rollup('dag', key, $value, 'weighted') AS r FROM fact) x, reconcile(r)"), 't',
		"shares that sum to 1, $value");
}
is(answer("SELECT total_count = 20000 FROM (SELECT sum(total_count) AS total_count
		FROM (SELECT rollup('dag', key, 'weighted') AS r FROM fact) x, each(r) WHERE node <= 5) y"), 't', 'and the counts');
answer(<<'SQL');
-- 1/n in double precision sums to 1 only by rounding
CREATE TABLE third AS SELECT parent, child, 1 / count(*) OVER (PARTITION BY child)::float8 AS share FROM dag WHERE parent > 0;
CREATE INDEX third_graph ON third USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
CREATE TABLE third18 AS SELECT parent, child, round(1 / count(*) OVER (PARTITION BY child)::numeric, 18) AS share FROM dag WHERE parent > 0;
CREATE INDEX third18_graph ON third18 USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
SQL
foreach my $x ('third', 'third18')
{
	is(answer("SELECT sharing, root_total = (SELECT sum(n) FROM fact)
		FROM (SELECT rollup('$x', key, n, 'weighted') AS r FROM fact) x, reconcile(r)") =~ s/0\.0+\|/0|/r, '0|t', "$x");
}
# Where half a unit would be: three equal parts of a cent
is(answer("CREATE TABLE three (parent int, child int, share numeric);
		INSERT INTO three SELECT p, 9, 0.333333333333333333 FROM generate_series(1, 3) p;
		CREATE INDEX three_graph ON three USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
		SELECT string_agg(total::text, ' ' ORDER BY node) FROM (SELECT rollup('three', 9, 0.01, 'weighted') AS r) x, each(r)"),
	'0.003333333333 0.003333333334 0.003333333333 0.01', 'three parts of a cent');

# A redundant path changes no distinct total; a removed edge only what is above
answer('CREATE TABLE before AS SELECT rollup(\'dag\', key, n) AS r, rollup(\'dag\', key, i, \'weighted\') AS w FROM fact');
my $compare = "SELECT count(*) FILTER (WHERE difference <> 0), count(*) FILTER (WHERE difference IS NULL), count(*) > 900
	FROM before, compare_rollup(before.r, (SELECT rollup('dag', key, n) FROM fact))";
is(answer($compare), '0|0|t', 'nothing has changed');
answer('BEGIN; INSERT INTO dag SELECT a, d, 0, false FROM closed WHERE a <> d AND (a + 7 * d) % 11 = 0
	AND NOT exists(SELECT FROM dag WHERE (parent, child) = (a, d))');
cmp_ok(answer('SELECT count(parent) FROM dag'), '>', 3000, 'many redundant edges');
is(answer($compare), '0|0|t', 'they change no distinct total');
is(answer("SELECT count(*) FILTER (WHERE after <> before) FROM before, compare_rollup(before.w, (SELECT rollup('dag', key, i, 'weighted') FROM fact))"), 0,
	'with a share of 0, no weighted one either');
is(answer('ROLLBACK; ' . $compare), '0|0|t', 'rolled back');
foreach my $i (1 .. 12)
{
	my $child = 6 + int(rand(994));

	is(answer("BEGIN; CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT * FROM dag WHERE child = $child AND parent > 0 ORDER BY md5(parent::text) LIMIT 1;
			DELETE FROM dag USING gone WHERE (dag.parent, dag.child) = (gone.parent, gone.child);
			SELECT count(*) FROM before, compare_rollup(before.r, (SELECT rollup('dag', key, n) FROM fact), NULL::int) c
				WHERE difference <> 0 AND node NOT IN (SELECT a FROM closed, gone WHERE d = gone.parent);
			ROLLBACK"), 0, "an edge to $child removed");
}

# What-if, and its end
my $roll = "SELECT string_agg(node || ':' || total, ' ' ORDER BY node) FROM (SELECT rollup('dag', key, n) AS r FROM fact) x, each(r)";
my $now = answer($roll);
answer('BEGIN; UPDATE dag SET parent = 5 WHERE child BETWEEN 40 AND 59 AND is_primary');
my $future = answer($roll);
isnt($future, $now, 'what-if: the future');
answer('ROLLBACK');
is(answer($roll), $now, 'what-if: the present');
my $old = session($node);
$old->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT WHERE false");
my $committed = session($node);
$committed->query("BEGIN; SELECT WHERE false");
answer('BEGIN; UPDATE dag SET parent = 5 WHERE child BETWEEN 40 AND 59 AND is_primary');
is($committed->query($roll), $now, 'not committed yet');
answer('COMMIT');
is(answer($roll), $future, 'what-if came true');
is($committed->query($roll), $future, 'READ COMMITTED sees it');
is($old->query($roll), $now, 'REPEATABLE READ does not');
$old->query('COMMIT');
is($old->query($roll), $future, 'but later does');
$_->quit foreach $old, $committed;

# Stored rollups stay what they are
is(answer("SELECT string_agg(node || ':' || total, ' ' ORDER BY node) FROM before, each(r)"), $now, 'a stored rollup');
my $tempfile = PostgreSQL::Test::Utils::tempdir() . '/before.data';
$s->query("CREATE TABLE copied (LIKE before);\n\\copy before TO '$tempfile' (FORMAT binary)\n\\copy copied FROM '$tempfile' (FORMAT binary)");
answer("CREATE TABLE reread AS SELECT r::text::hrollup, w::text::hrollup FROM before");
foreach my $x ('copied', 'reread')
{
	same_rows("SELECT e.* FROM before, each_stats(r) e", "SELECT e.* FROM $x, each_stats(r) e", "$x");
	same_rows("SELECT e.*, c.* FROM before, each_stats(w) e, reconcile(w) c", "SELECT e.*, c.* FROM $x, each_stats(w) e, reconcile(w) c", "$x, weighted");
}
answer('DROP TABLE dag');
is(answer("SELECT string_agg(node || ':' || total, ' ' ORDER BY node) FROM before, each(r)"), $now, 'its graph is gone');
is(answer("SELECT count(*) FROM before, each(r) WHERE r -> node IS DISTINCT FROM total"), 0, 'nodes one by one');
is(answer("SELECT (r -> 1000000) IS NULL FROM before"), 't', 'not there');
is(answer("SELECT e.total = 2 * (r -> 6::bigint) FROM before, each(r + r) e WHERE node = 6"), 't', 'and added up');

answer('CREATE TABLE step (parent int, child int); INSERT INTO step VALUES (1, 2), (2, 3); CREATE INDEX step_graph ON step USING hgraph (parent, child);
	CREATE TABLE deep AS SELECT rollup(\'step\', 3, 5) AS r; UPDATE step SET parent = 1 WHERE child = 3');
is(answer("SELECT string_agg(concat_ws(':', e.node, depth, total), ' ' ORDER BY e.node) FROM deep, each(r + (SELECT rollup('step', 3, 2))) e"), '1:0:7 2:1:5 3:1:7',
	'of before and after a move: the lesser depth');
is(answer("SELECT string_agg(concat_ws(':', e.node, depth, total), ' ' ORDER BY e.node) FROM deep, each((SELECT rollup('step', 3, 2)) + r) e"), '1:0:7 2:1:5 3:1:7',
	'the other way round');

#
# Sizes at the ends
#
answer(<<'SQL');
CREATE TABLE edge (parent bigint, child bigint, share numeric DEFAULT 1);
CREATE INDEX edge_graph ON edge USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
SQL
my @modes = qw(distinct weighted paths);
foreach my $mode (@modes)
{
	is(answer("SELECT rollup('edge', 1, 5, '$mode') IS NULL FROM generate_series(1, 0)"), 't', "no facts, no graph, $mode");
	is(answer("SELECT u.*, (SELECT count(*) FROM each(r)) FROM (SELECT rollup('edge', 1, 5, '$mode') AS r) x, unmatched(r) u"), '1|5|0',
		"no graph, $mode");
}
answer('INSERT INTO edge (child) VALUES (7)');
foreach my $mode (@modes)
{
	is(answer("SELECT e.* FROM (SELECT rollup('edge', 7, 5, '$mode') AS r) x, each_stats(r) e"), '7|0|5|5|1|1|5|5|5|5|5.0000000000000000|5.0000000000000000',
		"one node, $mode");
	is(answer("SELECT e.* FROM (SELECT rollup('edge', 7, '$mode') AS r) x, each(r) e"), '7|0|1|1|1|1', "one node counted, $mode");
	is(answer("SELECT count(*) FROM each(NULL::hrollup)") . answer("SELECT rollup('edge', 7, 5, '$mode') IS NULL FROM generate_series(1, 0)"), '0t',
		"one node, no facts, $mode");
}
answer('DELETE FROM edge; INSERT INTO edge SELECT 0, i FROM generate_series(1, 100000) i; ANALYZE edge');
foreach my $mode (@modes)
{
	is(answer("SELECT e.* FROM (SELECT rollup('edge', i, i, '$mode') AS r FROM generate_series(1, 100000) i) x, each_stats(r) e WHERE depth = 0") =~ s/(\.\d*?)0*$/$1/r,
		'0|0|0|5000050000|0|100000||1||100000||50000.5', "100,000 children, $mode");
	is(answer("SELECT count(*), count(*) FILTER (WHERE total = node AND own = node AND depth = 1)
			FROM (SELECT rollup('edge', i, i, '$mode') AS r FROM generate_series(1, 100000) i) x, each(r) e"), '100001|100000', "each of them, $mode");
}
answer('TRUNCATE edge; INSERT INTO edge SELECT i, i + 1 FROM generate_series(0, 99999) i');
foreach my $mode (@modes)
{
	is(answer("SET max_stack_depth = '100kB'; SELECT count(*), max(depth), max(total), sum(total) FROM (SELECT rollup('edge', i, 1, '$mode') AS r FROM generate_series(1, 100000) i) x, each(r) e"),
		'100001|100000|100000|5000150000', "a chain of 100,000, $mode");
}
answer('RESET max_stack_depth');
answer('TRUNCATE edge; INSERT INTO edge SELECT 1, 1 + i FROM generate_series(1, 5) i, generate_series(1, 4)');
is(answer("SELECT (rollup('edge', 2, 1, 'distinct')) -> 1, (rollup('edge', 2, 1, 'paths')) -> 1"), '1|1', 'duplicate rows are one edge');

# 2^n paths, each of which counts: n such that 64 bits, 128 bits and 15 digits do not do
foreach my $n (30, 62, 63, 64, 100, 126, 127, 128, 300)
{
	answer("TRUNCATE edge; INSERT INTO edge SELECT 3 * i + a, 3 * i + b FROM generate_series(0, $n - 1) i,
		(VALUES (0, 1), (0, 2), (1, 3), (2, 3)) v (a, b)");
	is(answer("SELECT total = 2::numeric ^ $n AND total_count = 2::numeric ^ $n AND c.root_total = total AND total_max = 1
			FROM (SELECT rollup('edge', 3 * $n, 1, 'paths') AS r) x, each_stats(r), reconcile(r) c WHERE node = 0"), 't', "2^$n paths");
	is(answer("SELECT r -> 0, unstated_shares FROM (SELECT rollup('edge', 3 * $n, -0.25) AS r) x, reconcile(r)"), '-0.25|0', 'distinct counts none twice');
}
# (shares: 1 each, so that weighted doubles as well; the sum is not 1)
is(answer("SELECT (r -> 0) = 2::numeric ^ 300 * 0.25 FROM (SELECT rollup('edge', 900, 0.25, 'weighted') AS r) x"), 't', 'weighted, far beyond 128 bits');

# 10^28 with ten places: leaves fit 128 bits, their sum does not
answer('TRUNCATE edge; INSERT INTO edge SELECT i / 3, i FROM generate_series(1, 60) i');
my $big = "SELECT i AS key, ((i % 7 - 2) || '000000000000000000000000000.' || lpad(i::text, 10, '0'))::numeric + i AS value FROM generate_series(1, 60) i";
foreach my $value ('value', 'value * 0.0001', 'value * 1000', 'value + CASE WHEN key = 60 THEN 0.000000000001 ELSE 0 END', 'CASE WHEN key % 2 = 0 THEN value ELSE round(value) END')
{
	foreach my $mode (@modes)
	{
		same_rows("WITH RECURSIVE c(a, d) AS (SELECT n::bigint, n::bigint FROM generate_series(0, 60) n UNION SELECT parent, d FROM c JOIN edge ON child = a AND parent <> child)
				SELECT a, sum($value) FROM c JOIN ($big) f ON key = d GROUP BY 1",
			"SELECT node, total FROM (SELECT rollup('edge', key, $value, '$mode') AS r FROM ($big) f) x, each(r)", "sums across 128 bits: $value, $mode");
	}
}

# Sums of finite numbers that are not, as in sum()
answer('TRUNCATE edge; INSERT INTO edge VALUES (1, 2), (1, 3)');
fails($s, "SELECT rollup('edge', k, 1e308::float8) FROM generate_series(2, 3) k", '22003', 'overflow above', qr/value out of range: overflow/);
fails($s, "SELECT rollup('edge', 2, 1e308::float8) FROM generate_series(1, 3) k", '22003', 'overflow at a node', qr/value out of range: overflow/);
is(answer("SELECT (rollup('edge', k, v)) -> 1 FROM (VALUES (2, 1e308), (3, -1e308::float8)) v (k, v)"), '0', 'no overflow in the end');
is(answer("SELECT string_agg(total::text, ' ' ORDER BY node) FROM (SELECT rollup('edge', k, v) AS r FROM (VALUES (2, 'Infinity'), (3, '-Infinity'::float8), (1, 1)) v (k, v)) x, each(r)"),
	'NaN Infinity -Infinity', 'infinities of both signs');

#
# Who may see what
#
answer(<<'SQL');
CREATE TABLE part (parent int, child int, share numeric, is_primary boolean);
CREATE INDEX part_graph ON part USING hgraph (parent, child) INCLUDE (share, is_primary) WITH (weight = 'share', is_primary = 'is_primary');
INSERT INTO part VALUES (1, 2, 0.5, true), (1, 3, 1, true), (4, 2, 0.5, false);
GRANT USAGE ON SCHEMA hierarchy TO viewer;
SET ROLE viewer;
SQL
my $seen = "SELECT string_agg(node || ':' || total, ' ' ORDER BY node) FROM (SELECT rollup('part', k, 8";
my $from = ") AS r FROM generate_series(2, 3) k) x, each(r)";
fails($s, "$seen$from", '42501', 'a role without any privilege', qr/permission denied/);
fails($s, "SELECT rollup_table('part', 'part', 'child')", '42501', 'the same by rollup_table');
answer('RESET ROLE; GRANT SELECT (parent, child) ON part TO viewer; SET ROLE viewer');
is(answer("$seen$from"), '1:16 2:8 3:8 4:8', 'the key columns are enough for distinct');
fails($s, "$seen, 'weighted'$from", '42501', 'but not for weighted');
fails($s, "$seen, 'primary'$from", '42501', 'nor for primary');
answer('RESET ROLE; GRANT SELECT (share) ON part TO viewer; SET ROLE viewer');
is(answer("$seen, 'weighted'$from"), '1:12 2:8 3:8 4:4', 'with the column of shares');
answer('RESET ROLE; GRANT SELECT ON part TO viewer; ALTER TABLE part ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON part TO viewer USING (parent <> 4)');
is(answer("$seen, 'weighted'$from"), '1:12 2:8 3:8 4:4', 'the owner sees all');
is(answer("SET ROLE viewer; $seen, 'weighted'$from"), '1:12 2:8 3:8', 'a policy hides an edge');
is(answer("$seen$from"), '1:16 2:8 3:8', 'in distinct as well');
answer('RESET ROLE; DROP POLICY p ON part; SET ROLE viewer');
is(answer("SELECT e.*, u.* FROM (SELECT rollup('part', 2, 8) AS r) x LEFT JOIN each(r) e ON true, unmatched(r) u"), '||||||1|8', 'a policy hides all');
answer('RESET ROLE');

is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
