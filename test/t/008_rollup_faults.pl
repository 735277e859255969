# Rollups of what cannot be rolled up, and rollups that do not get to the end:
# wrong arguments, damaged values, cancelled statements, too little memory.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my $seed = seed();
my $node = start_node('rollupfaults', <<'CONF');
search_path = 'public, hierarchy'
parallel_setup_cost = 0
parallel_tuple_cost = 0
min_parallel_table_scan_size = 0
max_parallel_workers_per_gather = 0
CONF
my $s = session($node);

sub answer { return $s->query($_[0]); }

# lives(name): the connection is there and right.
sub lives
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(answer("SELECT rollup('org', 2, 5) -> 1"), 5, "$name: and all is well after that");
	return;
}

$s->query(<<'SQL');

CREATE TABLE org (parent int, child int);
CREATE INDEX org_graph ON org USING hgraph (parent, child);
INSERT INTO org VALUES (1, 2), (1, 3);
CREATE TABLE split (parent bigint, child bigint, share numeric, is_primary boolean, valid daterange);
CREATE INDEX split_graph ON split USING hgraph (parent, child) INCLUDE (share, is_primary, valid)
	WITH (weight = 'share', is_primary = 'is_primary', validity = 'valid');
INSERT INTO split VALUES (1, 2, 0.5, true), (4, 2, 0.5, false), (2, 3, 1, true);
CREATE TABLE named (parent text, child text);
CREATE INDEX named_graph ON named USING hgraph (parent, child);
INSERT INTO named VALUES ('a', 'b');
CREATE TABLE ids (parent uuid, child uuid);
CREATE INDEX ids_graph ON ids USING hgraph (parent, child);
INSERT INTO ids VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002');
CREATE TABLE ring (parent int, child int, share numeric);
CREATE INDEX ring_graph ON ring USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share', acyclic = off);
INSERT INTO ring VALUES (1, 2, 1), (2, 1, 1), (2, 3, 1), (8, 9, 1);
SQL

#
# Arguments
#
foreach my $mode ('sum', 'Distinct', '', 'weighted ', 'primary_only')
{
	foreach my $call ("rollup('split', 2, 5, '$mode')", "rollup('split', 2, '$mode')",
		"rollup_table('split', 'org', 'child', mode => '$mode')", "explain_rollup('split', 1, 2, '$mode')",
		"drilldown('split', 1, 'org', 'child', mode => '$mode')")
	{
		fails($s, "SELECT $call", '22023', "mode $mode: $call", qr/HINT:  Valid modes are distinct, weighted, primary, paths\./);
	}
}
is(answer("SELECT rollup('split', 3, 5, NULL) -> 4"), 5, 'no mode is distinct');
fails($s, "SELECT rollup('org', 2, 5, 'weighted')", '55000', 'weighted without a weight', qr/HINT/);
fails($s, "SELECT rollup('org', 2, 'weighted')", '55000', 'counted weighted without a weight', qr/HINT/);
fails($s, "SELECT rollup('org', 2, 5, 'primary')", '55000', 'primary without is_primary', qr/HINT/);
fails($s, "SELECT rollup('org', 2, 5, 'distinct', '2020-01-01'::date)", '55000', 'a day without validity', qr/HINT/);
fails($s, "SELECT rollup('ring', 3, 5, 'weighted')", '55000', 'weighted above a cycle', qr/needs a graph without cycles/);
fails($s, "SELECT rollup('ring', 3, 5, 'paths')", '55000', 'paths above a cycle', qr/needs a graph without cycles/);
fails($s, "SELECT rollup('ring', 1, 'paths')", '55000', 'paths on a cycle', qr/needs a graph without cycles/);
is(answer("SELECT rollup('ring', 3, 5) -> 1"), 5, 'distinct does with cycles');
fails($s, "SELECT rollup(NULL::hgraph, 2, 5)", '22004', 'no graph');
fails($s, "SELECT rollup('nothing', 2, 5)", '42P01', 'unknown graph', qr/nothing/);
fails($s, "SELECT rollup('pg_class', 2, 5)", '55000', 'a table without a graph');
fails($s, "SELECT rollup('pg_class_oid_index'::regclass::oid::hgraph, 2, 5)", '42809', 'another index');
fails($s, "SELECT rollup(4294967295::oid::hgraph, 2, 5)", '42P01', 'no such index');
fails($s, "SELECT rollup(0::oid::hgraph, 2, 5) FROM org", '42P01', 'no index');

# Not the same for all rows of a group
foreach my $x (
	[ 'graph', "rollup(g, child, 1) FROM org, (VALUES ('org'::hgraph), ('split')) v (g)" ],
	[ 'graph', "rollup(g, child) FROM org, (VALUES ('org'::hgraph), ('split')) v (g)" ],
	[ 'graph', "rollup(g, child, 1) OVER () FROM org, (VALUES ('org'::hgraph), ('split')) v (g)" ],
	[ 'mode', "rollup('split', child, 1, m) FROM org, (VALUES ('distinct'), ('paths')) v (m)" ],
	[ 'mode', "rollup('split', child, m) FROM org, (VALUES ('distinct'), (NULL), ('weighted')) v (m)" ],
	[ 'as_of', "rollup('split', child, 1, 'distinct', d) FROM org, (VALUES ('2020-01-01'::date), ('2020-01-02')) v (d)" ],
	[ 'as_of', "rollup('split', child, 'distinct', d) FROM org, (VALUES ('2020-01-01'::date), (NULL)) v (d)" ])
{
	fails($s, "SELECT $x->[1]", '22023', "$x->[0] not the same: $x->[1]", qr/argument "$x->[0]" of rollup must be the same for all rows of a group/);
}
is(answer("SELECT string_agg(trim_scale(r -> 4)::text, ' ' ORDER BY m) FROM (SELECT m, rollup('split', child, 1, m) AS r
		FROM split, (VALUES ('distinct'), ('paths'), ('weighted')) v (m) GROUP BY m) x"), '3 3 1.5', 'but from group to group');
is(answer("SELECT string_agg((r -> 1)::text, ' ' ORDER BY g::text) FROM (SELECT g, rollup(g, child, 1) AS r
		FROM org, (VALUES ('org'::hgraph), ('split')) v (g) GROUP BY g) x"), '2 2', 'a graph for each group');
# In a parallel plan no process may see both
answer('CREATE TABLE modes (node int, mode text, day date) WITH (fillfactor = 10);
	INSERT INTO modes SELECT 2, \'distinct\', \'2020-01-01\' FROM generate_series(1, 2000);
	INSERT INTO modes SELECT 2, \'paths\', \'2020-01-01\' FROM generate_series(1, 2000);
	SET max_parallel_workers_per_gather = 2');
fails($s, "SELECT rollup('split', node, 1, mode) FROM modes", '22023', 'mode not the same in a parallel plan');
answer("UPDATE modes SET mode = 'paths', day = CASE WHEN ctid > '(20,1)' THEN '2020-01-02' ELSE day END; RESET ALL; SET max_parallel_workers_per_gather = 2");
fails($s, "SELECT rollup('split', node, 1, mode, day) FROM modes", '22023', 'as_of not the same in a parallel plan');
answer('SET max_parallel_workers_per_gather = 0');

# Types: both are named
my %example = (
	org => [ 'integer', [ "gen_random_uuid()", 'uuid' ] ],
	split => [ 'bigint', [ "gen_random_uuid()", 'uuid' ] ],
	ids => [ 'uuid', [ '1', 'integer|bigint' ], [ '1::bigint', 'bigint' ], [ '1::smallint', 'smallint|bigint' ] ],
	named => [ 'text', [ '1', 'integer|bigint' ], [ 'gen_random_uuid()', 'uuid' ] ]);
foreach my $g (sort keys %example)
{
	my ($type, @wrong) = @{ $example{$g} };

	foreach my $x (@wrong)
	{
		foreach my $args ("$x->[0], 1", $x->[0], "$x->[0], 1.5, 'distinct'")
		{
			fails($s, "SELECT rollup('$g', $args)", '42804', "$g with nodes $args", qr/(?=.*\b(?:$x->[1])\b)(?=.*\b$type\b)/s);
		}
	}
}
foreach my $x ([ '1.5', 'numeric' ], [ 'true', 'boolean' ], [ 'now()', 'timestamp with time zone' ], [ "'{1}'::int[]", 'integer\[\]' ],
	[ "'1'::oid", 'oid' ], [ "'1'::money", 'money' ])
{
	fails($s, "SELECT rollup('org', $x->[0], 1)", '42804', "nodes of type $x->[1]", qr/$x->[1]/);
}
foreach my $x ([ 'true', 'boolean' ], [ "now()", 'timestamp' ], [ "'1 day'::interval", 'interval' ], [ "'1'::money", 'money' ],
	[ "'{1}'::int[]", 'integer\[\]' ], [ "'1'::oid", 'oid' ], [ "'x'::varchar", 'character varying', '42804|22023' ], [ "'1'::char(3)", 'character', '42804|22023' ])
{
	my (undef, $err) = $s->try("SELECT rollup('org', 2, $x->[0], 'distinct'::text)");

	like($err, qr/ERROR:  (?:42804|42883): .*$x->[1].*HINT:/s, "values of type $x->[1]");
}
fails($s, "SELECT rollup('org', 'two'::text, 1)", '22P02', 'a text that is no key', qr/two/);
is(answer("SELECT rollup('org', ' 02 '::text, 1) -> 1, rollup('org', 2::bigint, 1) -> '1'"), '1|1', 'texts that are');
is(answer("SELECT u.* FROM (SELECT rollup('org', n, 1) AS r FROM (VALUES (3000000000), (2), (NULL)) v (n)) x, unmatched(r) u"), '2|2', 'beyond the key type');

# Shares outside 0 to 1
foreach my $share ('1.5', '-0.25')
{
	answer("UPDATE split SET share = $share WHERE parent = 4");
	fails($s, "SELECT rollup('split', 3, 5, 'weighted')", '22003', "share $share", qr/share \Q$share\E in graph "split_graph".*\b4\b.*\b2\b.*HINT:.*any_weight/s);
	is(answer("SELECT rollup('split', 3, 5) -> 4, rollup('split', 3, 5, 'paths') -> 4"), '5|5', "share $share elsewhere");
	is(answer("ALTER INDEX split_graph SET (any_weight = on); SELECT trim_scale(rollup('split', 3, 5, 'weighted') -> 4)"), 5 * $share, "share $share allowed");
	answer('ALTER INDEX split_graph RESET (any_weight)');
	fails($s, "SELECT rollup('split', 3, 'weighted')", '22003', "share $share no longer allowed");
}
is(answer("INSERT INTO split VALUES (10, 11, 7, true); SELECT trim_scale(rollup('split', 10, 5, 'weighted') -> 10)"), 5, 'a share that is not used');
answer('DELETE FROM split WHERE parent = 10; UPDATE split SET share = 0.5 WHERE parent = 4');
answer("CREATE TABLE doubles (parent int, child int, share float8);
	CREATE INDEX doubles_graph ON doubles USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');");
foreach my $share ('NaN', 'Infinity', '-Infinity')
{
	answer("TRUNCATE doubles; INSERT INTO doubles VALUES (1, 2, '$share')");
	fails($s, "SELECT rollup('doubles', 2, 5, 'weighted')", '22003', "share $share", qr/\Q$share\E/);
	my (undef, $err) = $s->try("ALTER INDEX doubles_graph SET (any_weight = on); SELECT rollup('doubles', 2, 5, 'weighted') -> 1, rollup('doubles', 2, 5::float8, 'weighted') -> 1");
	like($err, qr/^$|ERROR:  22003/, "share $share where any is allowed");
	answer('ALTER INDEX doubles_graph RESET (any_weight)');
}

#
# Rollups that do not go together
#
answer(<<'SQL');
CREATE TABLE kept AS SELECT rollup('org', 2, 5) AS org, rollup('org', 2) AS counted, rollup('org', 2, 5::float8) AS real,
	rollup('org', 2, 5, 'paths') AS paths, rollup('split', 2, 5) AS split, rollup('named', 'b'::text, 5) AS named,
	rollup('ids', '00000000-0000-4000-8000-000000000002'::uuid, 5) AS ids, rollup('org', 2, 5.25) AS cents, rollup('org', 2, 1e40) AS large;
SQL
foreach my $x (
	[ 'split', 'org_graph.*split_graph', '22023' ], [ 'named', 'org_graph.*named_graph|integer.*text', '22023|42804' ], [ 'paths', 'distinct.*paths', '22023' ],
	[ 'counted', '', '22023|42804' ], [ 'real', '', '22023|42804' ])
{
	my ($other, $says, $state) = @$x;

	foreach my $sql ("SELECT org + $other FROM kept", "SELECT $other + org FROM kept",
		"SELECT sum(r) FROM kept, LATERAL (VALUES (org), ($other)) v (r)", "SELECT * FROM kept, compare_rollup(org, $other)")
	{
		my (undef, $err) = $s->try($sql);

		like($err, qr/ERROR:  (?:$state): /, $sql);
		like($err, qr/$says/s, "$sql says which") if $says ne '' && $sql =~ /^SELECT org|compare/;
	}
}
is(answer("SELECT (org + cents) -> 1, (cents + org) -> 1, (org + large) -> 1, (large + cents) -> 1 FROM kept"),
	'10.25|10.25|10000000000000000000000000000000000000005|10000000000000000000000000000000000000005.25', 'scales do');
is(answer("SELECT (org + NULL) IS NULL FROM kept"), 't', 'nothing does not count');
foreach my $x (
	[ "org -> gen_random_uuid()", 'uuid', 'integer' ], [ "named -> 5", 'bigint|integer', 'text' ], [ "ids -> 5", 'bigint|integer', 'uuid' ],
	[ "node_stats(named, 5)", 'bigint|integer', 'text' ], [ 'each(named)', 'bigint', 'text' ], [ 'each(ids)', 'bigint', 'uuid' ], [ 'each(org, NULL::uuid)', 'uuid', 'integer' ],
	[ 'each_stats(named, NULL::bigint)', 'bigint', 'text' ], [ 'each(org, NULL::numeric)', 'numeric', 'integer' ],
	[ 'compare_rollup(named, named)', 'bigint', 'text' ], [ 'each_of(ARRAY[named])', 'bigint', 'text' ])
{
	fails($s, "SELECT $x->[0] FROM kept", '42804', "$x->[0]", qr/(?=.*\b(?:$x->[1])\b)(?=.*\b$x->[2]\b)/s);
}
fails($s, "SELECT org -> 'two' FROM kept", '22P02', 'a node that is no key');
is(answer("SELECT split -> '2', named -> 'b', ids -> '00000000-0000-4000-8000-000000000002', named -> 'c' FROM kept"), '5|5|5|', 'nodes as text');

# A role without SELECT on the graph
answer('CREATE ROLE nobody_at_all; GRANT SELECT ON kept, modes TO nobody_at_all; SET ROLE nobody_at_all');
foreach my $mode (qw(distinct weighted primary paths))
{
	fails($s, "SELECT rollup('split', 2, 1, '$mode')", '42501', "no permission, $mode", qr/permission denied for table split/);
}
fails($s, "SELECT rollup('split', node, 1) FROM modes", '42501', 'no permission for the graph of facts');
is(answer('SELECT split -> 1 FROM kept'), 5, 'what was rolled up before may be read');
answer('RESET ROLE');

# Functions behind the aggregates, called by hand
foreach my $line (split /\n/, answer(<<'SQL'))
SELECT DISTINCT p.oid::regproc, (SELECT string_agg(CASE WHEN t = 'bytea'::regtype THEN $$'\x0102'::bytea$$
		WHEN t IN (2283, 5077) THEN 'NULL::int' WHEN t = 'internal'::regtype THEN 'NULL'
		ELSE format('NULL::%s', t::regtype) END, ', ' ORDER BY i) FROM unnest(proargtypes) WITH ORDINALITY u (t, i))
FROM pg_aggregate a JOIN pg_proc p ON p.oid IN (aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn)
WHERE aggfnoid::text LIKE '%rollup%' AND 'internal'::regtype = ANY (proargtypes)
SQL
{
	my ($function, $args) = split /\|/, $line;
	my (undef, $err) = eval { $s->try("SELECT $function($args)") };

	like($err // $@, qr/ERROR:|^$/, "$function by hand");
	$s = session($node) if $@;
}
lives('called by hand');

#
# Damaged values
#
my $tempdir = PostgreSQL::Test::Utils::tempdir();
answer(<<'SQL');
CREATE TABLE good AS
	SELECT 1 AS id, rollup('org', n, 5) AS r FROM generate_series(1, 4) n
	UNION ALL SELECT 2, rollup('split', n, n * 1.25, 'weighted') FROM generate_series(1, 5) n
	UNION ALL SELECT 3, rollup('named', n, 1e30) FROM (VALUES ('a'), ('b'), ('c')) v (n)
	UNION ALL SELECT 4, rollup('ids', child) FROM ids
	UNION ALL SELECT 5, rollup('org', n, v) FROM (VALUES (2, 1.5::float8), (3, 'NaN'), (2, -1e300)) v (n, v)
	UNION ALL SELECT 6, rollup('org', n, v) FROM (VALUES (2, 1e50), (3, 'NaN'), (2, 0.0001), (1, '-Infinity')) v (n, v);
CREATE TABLE read (id int, r hrollup);
SQL
$s->query("\\copy (SELECT r FROM good ORDER BY id) TO '$tempdir/good' (FORMAT binary)");
my $file = slurp_file("$tempdir/good");
my @values;
for (my $pos = 19; unpack('s>', substr($file, $pos, 2)) == 1;)
{
	my $len = unpack('l>', substr($file, $pos + 2, 4));

	push @values, substr($file, $pos + 6, $len);
	$pos += 6 + $len;
}
is(scalar @values, 6, 'binary values');

sub put_binary
{
	my ($value) = @_;

	open my $fh, '>:raw', "$tempdir/bad" or die;
	print $fh substr($file, 0, 19), pack('s>l>', 1, length $value), $value, pack('s>', -1);
	close $fh or die;
	return;
}

my @use = ('SELECT count(*), sum(own), sum(total), sum(total_count) FROM read, each_stats(r, NULL::text)',
	"SELECT to_jsonb(c), u.*, r -> '1', r -> 'a' FROM read, reconcile(r) c, unmatched(r) u", 'SELECT length(r::text) FROM read',
	'SELECT r + r FROM read', 'SELECT count(*) FROM read, compare_rollup(r, r, NULL::text)');
my ($refused, $taken, @wrong) = (0, 0);
foreach my $i (1 .. ($ENV{HIERARCHY_STEPS} || long(200, 10000)))
{
	my $value = $values[ rand @values ];
	my $way = int(rand(6));

	# where most of what says how long things are stands
	my $at = int(rand() < 0.5 ? rand(length($value)) : rand(60)) % length $value;
	if ($way == 0) { $value = substr($value, 0, $at); }
	elsif ($way == 1) { $value .= join '', map { chr(int(rand(256))) } 1 .. 1 + rand(20); }
	elsif ($way == 2) { $value = join '', map { chr(int(rand(256))) } 1 .. rand(200); }
	elsif ($way == 3) { substr($value, $at, 1) = chr((ord(substr($value, $at, 1)) + 1 + int(rand(255))) % 256); }
	elsif ($way == 4)
	{
		my $n = 1 + int(rand(8));
		substr($value, $at, $n) = join '', map { chr(int(rand(4)) ? 255 : int(rand(256))) } 1 .. $n;
	}
	else
	{
		my $from = int(rand(length $value));
		substr($value, $at, 4) = substr($value, $from, 4);
	}
	put_binary($value);
	my ($out, $err) = eval { $s->try("DELETE FROM read; \n\\copy read (r) FROM '$tempdir/bad' (FORMAT binary)") };
	if ($@)
	{
		push @wrong, "receive: $@" . unpack('H*', $value);
		$s = session($node);
		
		next;
	}
	if ($err =~ /ERROR:  (\S+?):/)
	{
		push @wrong, "$err " . unpack('H*', $value) if $1 !~ /^(22P03|XX001|22021|08P01)$/;
		$refused++;
		next;
	}
	push @wrong, $err if $err ne '';
	$taken++;
	foreach my $sql (@use)
	{
		($out, $err) = eval { $s->try($sql) };
		if ($@ || $err =~ /ERROR:  (?!XX001|22P02|22003|42804|22021|22P03|54000)/)
		{
			push @wrong, "$sql: " . ($@ || $err) . ' ' . unpack('H*', $value);
			if ($@) { $s = session($node);  }
			last;
		}
	}
}
is(join("\n", @wrong[ 0 .. ($#wrong > 3 ? 3 : $#wrong) ]), '', 'damaged binary values');
cmp_ok($refused, '>', 50, 'most of them were refused');
note("$refused refused, $taken taken");
foreach my $text ('', 'x', '{}', '\x', '\x00', '[1]', "\x{ff}", 'aGVsbG8=', '\x' . 'ff' x 100, answer("SELECT left(r::text, -3) FROM good WHERE id = 2"),
	answer("SELECT right(r::text, -1) FROM good WHERE id = 2"), answer("SELECT r::text || ' x' FROM good WHERE id = 2"))
{
	my $value = $text =~ s/'/''/gr;
	my (undef, $err) = $s->try("SELECT '$value'::hrollup");

	like($err, qr/ERROR:  (?:22P02|22P03|XX001|22021|22023)/, 'text ' . substr($value =~ s/[^ -~]/?/gr, 0, 20));
}
lives('damaged values');

#
# Not to the end.  In dense and wide half of the nodes have three parents.
#
my $n = 30_000;
my $wide = 130_000;
answer(<<"SQL");
CREATE TABLE dense (parent bigint, child bigint, share float8);
SELECT setseed(0.5);
INSERT INTO dense SELECT DISTINCT ON (1, 2) greatest(1, i - 1 - (random() * 1000)::int), i, CASE WHEN i % 2 = 0 THEN 0.25 ELSE 1 END
	FROM generate_series(2, $n) i, generate_series(1, 3) k WHERE k = 1 OR i % 2 = 0;
CREATE INDEX dense_graph ON dense USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
CREATE TABLE fact (node bigint, v bigint, n numeric);
CREATE TABLE wide (parent int, child int);
INSERT INTO wide SELECT greatest(1, i - 1 - (hashint8(i * 3 + k) & 4095)), i
	FROM generate_series(2, $wide) i, generate_series(0, 2) k WHERE k = 0 OR i % 2 = 0;
CREATE INDEX wide_graph ON wide USING hgraph (parent, child);
INSERT INTO fact SELECT 1 + random() * ($n - 1), i % 1000, i / 100.0 FROM generate_series(1, 300000) i;
ANALYZE;
SQL
my $usage = "SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name NOT IN ('ErrorContext', 'MessageContext')";

# cancelled(sql, timeout, slack, name): the statement must be cancelled by the
# timeout, and end soon after it.  The machine may be busy, or quick all of a
# sudden, so it gets some tries.
sub cancelled
{
	my ($sql, $timeout, $slack, $name) = @_;
	my @tries;

	foreach (1 .. 12)
	{
		my $t0 = Time::HiRes::time();
		my (undef, $err) = $s->try("SET statement_timeout = '${timeout}ms'; $sql");
		my $took = (Time::HiRes::time() - $t0) * 1000;

		$s->query('RESET statement_timeout');
		if ($err =~ /ERROR:  57014:/ && $took < $timeout + $slack)
		{
			pass($name);
			return;
		}
		push @tries, sprintf('%d ms: %.0f ms, %s', $timeout, $took, $err =~ /ERROR:  (.*)/ ? $1 : 'no error');
		$timeout = int($timeout * 0.6) + 1 if $err eq '';
	}
	fail($name);
	diag(map { "\n\t$_" } @tries);
	return;
}

my @jobs = (
	[ 'transition', "SELECT rollup('org', node, v) FROM fact, generate_series(1, 4)" ],
	[ 'transition, numeric', "SELECT rollup('org', node, n) FROM fact, generate_series(1, 3)" ],
	[ 'many groups', "SELECT rollup('dense', node, v) FROM fact WHERE node < 2000 GROUP BY node" ],
	[ 'upward pass', "SELECT rollup('wide', node) FROM generate_series(1, $wide) node" ],
	[ 'upward pass, weighted', "SELECT rollup('dense', node, v, 'weighted'), rollup('dense', node, n, 'weighted') FROM fact" ],
	[ 'paths in numerics', "SELECT rollup('dense', node, 1, 'paths') FROM generate_series(1, $n) node" ],
	[ 'parallel', "SET max_parallel_workers_per_gather = 2; SELECT rollup('dense', v.n, f.v) FROM fact f, LATERAL (VALUES (node), (node + 1000000 * f.v)) v (n)" ],
	[ 'each', "SELECT count(*) FROM (SELECT rollup('dense', node) AS r FROM generate_series(1, $n) node) x, generate_series(1, 20), each_stats(r)" ],
	[ 'rollup_table', "SELECT rollup_table('dense', 'fact', 'node', 'v')" ]);

answer("SELECT within('dense', 2, 1), within('wide', 2, 1)");
foreach my $job (@jobs)
{
	my ($name, $sql) = @$job;
	my ($ms) = sort { $a <=> $b } map { milliseconds($s, $sql =~ s/^SET [^;]*;//r) } 1, 2;

	note("$name: $ms ms");
	my $before = answer($usage);
	foreach my $part (0.25, 0.7)
	{
		my $timeout = int($ms * $part * ($name eq 'parallel' ? 0.6 : 1));

		next if $timeout < 2;
		cancelled($sql, $timeout, 0.35 * $ms + 100, "$name is cancelled after $part of its time");
		answer('SET max_parallel_workers_per_gather = 0');
	}
	cmp_ok(answer($usage) - $before, '<', 200_000, "$name: nothing stays behind");
	lives($name);
}
is(answer("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'"), 0, 'no worker stays behind');

# An error in the middle, again and again
my $before = answer($usage);
foreach my $i (1 .. 20)
{
	$s->try("SELECT rollup('dense', node, 1000 / (v - 500)) FROM fact");
	$s->try("SELECT rollup('dense', node, v) -> 1, 1 / 0 FROM fact");
	$s->try("BEGIN; SAVEPOINT a; SELECT rollup('dense', node, v, 'nothing') FROM fact; ROLLBACK TO a; ROLLBACK");
}
cmp_ok(answer($usage) - $before, '<', 200_000, 'errors leave no memory behind');
lives('errors');

# Many rollups in one statement take no more memory than one
my $peak = sub {
	return answer("SELECT max(x) FROM (SELECT (SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE i > 0) AS x,
		(SELECT rollup('dense', node + i * 0, i) FROM generate_series(1, 20000) node) AS r FROM generate_series(1, $_[0]) i) y");
};
my $few = $peak->(2);
cmp_ok($peak->(30) - $few, '<', 8_000_000, 'memory is given back from one group to the next');

# Too little memory: the backend's address space ends a little beyond what it
# has.
SKIP:
{
	my $pid = answer('SELECT pg_backend_pid()');
	my $size = sub { -r "/proc/$pid/status" && slurp_file("/proc/$pid/status") =~ /VmSize:\s+(\d+) kB/ ? $1 * 1024 : 0 };
	my ($ok, $oom) = (0, 0);

	skip 'prlimit cannot limit a backend here', 3
	  if !$size->() || system("prlimit --pid $pid --as=" . ($size->() + 2**30) . ": 2>/dev/null") != 0;
	my @unexpected;
	my $many = "SELECT rollup('org', %s) FROM fact";
	foreach my $job (
		[ 'many keys', sprintf($many, 'node * 1000 + v, v') ],
		[ 'many numerics', sprintf($many, 'node * 1000 + v, n * 1e30') ],
		[ 'many texts', sprintf($many, '(node * 1000 + v)::text, n') =~ s/org/named/r ],
		[ 'large result', "SELECT length(rollup('dense', node, n, 'weighted')::text) FROM fact" ],
		[ 'paths in numerics', "SELECT rollup('dense', node, n, 'paths') FROM fact" ],
		$jobs[7])
	{
		my ($name, $sql) = @$job;

		foreach my $mb (@{ long([ 0, 3, 12, 50 ], [ 0 .. 3, 6, 9, 12, 25, 50 ]) })
		{
			system("prlimit --pid $pid --as=" . ($size->() + $mb * 2**20) . ':');
			my (undef, $err) = eval { $s->try($sql) };

			if ($@)
			{
				push @unexpected, "$name, $mb MB: $@";
				last;
			}
			system("prlimit --pid $pid --as=unlimited:");
			if ($err =~ /ERROR:  53200:/) { $oom++; }
			elsif ($err eq '') { $ok++; }
			else { push @unexpected, "$name, $mb MB: $err"; }
		}
		last if @unexpected;
	}
	is(join("\n", @unexpected), '', 'out of memory is an error like any other');
	cmp_ok($oom, '>', 4, 'and was met');
	note("$oom times out of memory, $ok times not");
	lives('out of memory');
	cmp_ok(answer($usage) - $before, '<', 300_000, 'and nothing stays behind');
}

is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
