# Rollups in parallel plans: the same bytes as without workers, whichever way
# partial rollups reach the leader, and nothing left behind by those that fail.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = seed();
my $node = start_node('parallel', <<'CONF');
search_path = 'public, hierarchy'
max_worker_processes = 16
max_parallel_workers = 8
parallel_setup_cost = 0
parallel_tuple_cost = 0
min_parallel_table_scan_size = 0
work_mem = 64MB
CONF
my $s = session($node);
my $serial = 'SET max_parallel_workers_per_gather = 0';
my $parallel = 'SET max_parallel_workers_per_gather = 2';
my $n = 40000;
my $facts = long(50000, 150000);

sub answer { return $s->query($_[0]); }

# Every node but the first ten has one to three parents with a lower number.
# Facts name most nodes, or few, some that are none, or nothing at all.
answer(<<"SQL");
SELECT setseed(@{[ $seed % 1000 / 1000 ]});
CREATE TABLE edge (parent int, child int, share numeric, is_primary boolean);
INSERT INTO edge SELECT DISTINCT ON (1, 2) greatest(1, child - 1 - floor(random() * least(child - 1, 500))::int), child, NULL::numeric, k = 1
	FROM generate_series(11, $n) child, generate_series(1, 3) k WHERE k <= 1 + child % 20 / 18 ORDER BY 1, 2, k;
UPDATE edge SET share = CASE WHEN is_primary THEN 0.625 ELSE 0.375 END;
CREATE INDEX org ON edge USING hgraph (parent, child) INCLUDE (share, is_primary) WITH (weight = 'share', is_primary = 'is_primary');
-- the same with shares that are not stated, with knots, with a ladder, and with names
CREATE TABLE edge_blank AS SELECT parent, child, CASE WHEN child % 50 <> 0 THEN share END AS share FROM edge;
CREATE INDEX blank ON edge_blank USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
CREATE TABLE edge_knot AS SELECT parent, child FROM edge;
INSERT INTO edge_knot SELECT 20000 + i, 15000 + i FROM generate_series(1, 30) i;
CREATE INDEX knot ON edge_knot USING hgraph (parent, child) WITH (acyclic = off);
-- with more paths than 128 bits count
CREATE TABLE edge_ladder AS SELECT parent, child FROM edge UNION SELECT child - k, child FROM generate_series(30001, 30300) child, generate_series(1, 2) k;
CREATE INDEX ladder ON edge_ladder USING hgraph (parent, child);
CREATE TABLE edge_name AS SELECT 'n' || parent AS parent, 'n' || child AS child FROM edge;
CREATE INDEX names ON edge_name USING hgraph (parent, child);
CREATE TABLE fact (key int, i bigint, n numeric, r float8, part int) WITH (parallel_workers = 2);
INSERT INTO fact SELECT CASE WHEN random() < 0.01 THEN NULL WHEN random() < 0.02 THEN $n + (random() * 300)::int ELSE 1 + (random() * ($n - 1))::int END,
	CASE WHEN random() < 0.01 THEN NULL ELSE random() * 1000 - 300 END, (random() * 1000)::numeric(12,2), random() * 1000, i % 3
	FROM generate_series(1, $facts) i;
CREATE TABLE fact_parted (LIKE fact) PARTITION BY LIST (part);
CREATE TABLE fact_parted_0 PARTITION OF fact_parted FOR VALUES IN (0);
CREATE TABLE fact_parted_1 PARTITION OF fact_parted FOR VALUES IN (1);
CREATE TABLE fact_parted_2 PARTITION OF fact_parted FOR VALUES IN (2);
INSERT INTO fact_parted SELECT * FROM fact;
VACUUM ANALYZE;
SQL

# bytes(aggregate, rest): what identifies a rollup.
sub bytes
{
	my ($aggregate, $rest) = @_;

	return "SELECT md5(hrollup_send(x)) FROM (SELECT $aggregate AS x FROM $rest) y";
}

# Ways to run the same
my @ways = (
	[ 'two workers', $parallel ],
	[ 'workers only', "$parallel; SET parallel_leader_participation = off" ],
	[ 'no worker to be had', "$parallel; SET max_parallel_workers = 0" ],
	[ 'one worker of four', 'SET max_parallel_workers_per_gather = 4; SET max_parallel_workers = 1' ]);

# same(name, query): every way gives what a serial plan gives.
sub same
{
	my ($name, $query, @more) = @_;
	my $want = answer("$serial; $query");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $way (@ways, @more)
	{
		my ($label, $set) = @$way;
		my $plan = answer("$set; EXPLAIN $query");

		like($plan, qr/Gather/, "$name, $label: a parallel plan") if $plan !~ /Gather/;
		is(answer($query), $want, "$name, $label");
		answer('RESET ALL');
	}
	return;
}

my @values = (
	[ 'bigint', ', i' ],
	[ 'count', '' ],
	[ 'numeric', ', n' ],
	[ 'sums beyond 64 bits', ', 6000000000000000000 + i' ],
	[ 'beyond 64 bits', ', n * 1e25' ],
	[ 'numerics', ', n * 1e40' ],
	[ 'scales that grow', ', n / (1 + part)' ],
	[ 'special values', ", CASE WHEN i = 77 THEN 'NaN' WHEN i = 78 THEN 'Infinity' ELSE n END" ]);
foreach my $mode (qw(distinct weighted primary paths))
{
	foreach my $value ($mode eq 'distinct' ? @values : @values[ 0, 1 + int(rand(@values - 1)) ])
	{
		same("$mode, $value->[0]", bytes("rollup('org', key$value->[1], '$mode')", 'fact'));
	}
}

# Facts at half of the nodes, at one in ten, at a few, in a part of the range
foreach my $where ('key % 2 = 0', 'key % 10 = 3', 'key IN (17, 20000)', 'key BETWEEN 1000 AND 30000', 'key > 1000000', 'i IS NULL')
{
	foreach my $mode (qw(distinct weighted))
	{
		same("$mode, $where", bytes("rollup('org', key, i, '$mode')", "fact WHERE $where"));
	}
}
same('with a FILTER', bytes("rollup('org', key, i) FILTER (WHERE part <> 1)", 'fact'));
same('nothing passes the FILTER', "SELECT rollup('org', key, i) FILTER (WHERE part > 5) IS NULL FROM fact");
same('several', "SELECT md5(hrollup_send(a)) || md5(hrollup_send(b)) FROM (SELECT rollup('org', key, i) AS a, rollup('org', key, n, 'weighted') AS b FROM fact) x");

# Groups, whose memory the next one takes over when they are sorted
my $groups = "SELECT string_agg(md5(hrollup_send(x)), ' ' ORDER BY part) FROM (SELECT part, rollup('org', key, i) AS x FROM fact GROUP BY part OFFSET 0) y";
same('groups', $groups, map { [ "$_->[0], sorted", "$_->[1]; SET enable_hashagg = off" ] } @ways);

# Totals that have to be made again from what was matched
same('totals beyond 128 bits', bytes("rollup('ladder', key, i, 'paths')", 'fact'));
same('totals beyond 128 bits, some nodes', bytes("rollup('ladder', key, i, 'paths')", 'fact WHERE key % 3 <> 0'));
like(answer("SELECT max(total) FROM each((SELECT rollup('ladder', key, abs(i), 'paths') FROM fact))"), qr/^\d{39,}/, 'they are');

# Graphs of which not all can be made ahead
same('shares not stated', bytes("rollup('blank', key, i, 'weighted')", 'fact'));
same('shares not stated, some nodes', bytes("rollup('blank', key, i, 'weighted')", 'fact WHERE key % 3 <> 0'));
same('knots', bytes("rollup('knot', key, i)", 'fact'));
same('names', bytes("rollup('names', 'n' || key, i)", 'fact'));
same('numbers as text', bytes("rollup('org', key::text, i)", 'fact'));
answer('BEGIN; INSERT INTO edge VALUES (3, 39999, 0, false), (7, 123456, 0.5, true)');
same('rows of this transaction', bytes("rollup('org', key, i)", 'fact'));
answer('ROLLBACK');

# Doubles may differ in the last digit
answer("$serial; CREATE TEMP TABLE one AS SELECT rollup('org', key, r) AS x FROM fact; RESET ALL");
foreach my $way (@ways)
{
	answer($way->[1]);
	is(answer("SELECT count(*), count(*) FILTER (WHERE abs(difference) > 1e-14 * before)
		FROM (SELECT rollup('org', key, r) AS x FROM fact OFFSET 0) many, one, compare_rollup(one.x, many.x)") =~ /^(\d{5})\|0$/ ? 1 : 0,
		1, "doubles, $way->[0]");
	answer('RESET ALL');
}

# Partial rollups of partitions, also where one process makes them all, be it a
# worker
my $whole = answer("$serial; " . bytes("rollup('org', key, i)", 'fact_parted'));
foreach my $set ("$parallel; SET enable_parallel_append = off", $parallel, $serial)
{
	answer("RESET ALL; SET enable_partitionwise_aggregate = on; $set");
	is(answer(bytes("rollup('org', key, i)", 'fact_parted')), $whole, "partitions, $set");
}
my $twice = bytes('x', "(SELECT rollup('org', key, i) AS x FROM fact_parted UNION ALL SELECT rollup('org', key, i) FROM fact_parted) z");
foreach my $set ('on', 'off')
{
	answer("RESET ALL; $parallel; SET enable_partitionwise_aggregate = on; SET parallel_leader_participation = $set");
	like(answer("EXPLAIN $twice"), qr/Gather.*Finalize Aggregate.*Partial Aggregate/s, 'partitions are rolled up below the workers');
	is(answer($twice), "$whole\n$whole", "partitions by one process, leader $set");
}
answer('RESET ALL');

# Again and again within one plan
answer("$parallel; SET enable_material = off; SET enable_memoize = off");
my $again = "SELECT count(DISTINCT md5(hrollup_send(r))) FROM generate_series(1, 4) k LEFT JOIN LATERAL
	(SELECT rollup('org', key, i) AS r FROM fact) x ON k > 0";
is(answer($again), 1, 'a plan that is run again');
answer("PREPARE p(int) AS SELECT md5(hrollup_send(rollup('org', key, i))) FROM fact WHERE part <= \$1; SET plan_cache_mode = force_generic_plan");
is(answer("EXECUTE p($_)"), answer("SELECT md5(hrollup_send(rollup('org', key, i))) FROM fact WHERE part <= $_"), "with a parameter, $_") for 0 .. 2;
answer('RESET ALL');

# Errors and cancellation, early and late, leave nothing behind
my $segments = "SELECT count(*) FROM regexp_split_to_table(pg_read_file('/proc/self/maps', 0, 10000000, true), E'\n') line
	WHERE line LIKE '%/PostgreSQL.%'";
my $before = answer($segments);
my $usage = 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts';
my ($ms) = sort { $a <=> $b } map { milliseconds($s, "$parallel; SELECT rollup('org', key, i) FROM fact") } 1 .. 3;
answer($usage);
my $held = answer($usage);
foreach my $i (1 .. 20)
{
	my $row = int(rand($facts));

	answer($parallel);
	fails($s, "SELECT rollup('org', key, 1 / (ctid <> (SELECT ctid FROM fact OFFSET $row LIMIT 1))::int::bigint) FROM fact",
		'22012', "an error at row $row") if $i % 2;
	# The time of the statement only: what comes after must not be cancelled
	my (undef, $err) = $s->try('BEGIN; SET LOCAL statement_timeout = ' . (5 + int($ms * $i / 20)) .
		"; SELECT rollup('org', key, i, 'weighted') FROM fact");
	$s->try('ROLLBACK');
	answer('ROLLBACK; RESET ALL');
	ok($err eq '' || $err =~ /57014/, "cancelled after part $i") or diag($err);
}
cmp_ok(answer($usage) - $held, '<', 200_000, 'no memory stays behind');
is(answer("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'"), 0, 'no worker stays behind');
is(answer($segments), $before, 'no shared memory stays behind');
same('after all that', bytes("rollup('org', key, i)", 'fact'));

# Not all kinds of shared memory will do
$s->quit;
$node->append_conf('postgresql.conf', "dynamic_shared_memory_type = mmap\n");
$node->restart;
$s = session($node);
same('another kind of shared memory', bytes("rollup('org', key, i)", 'fact'));

done_testing();
