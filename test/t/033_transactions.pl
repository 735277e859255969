# Transactions of every kind: edges of prepared transactions that others must
# wait for, a thousand nested savepoints, parallel workers, an old snapshot
# through a long churn, freezing, and write skew under SERIALIZABLE by every
# function that reads a graph.

use strict;
use warnings;

use HierarchyTest;
use Test::More;

my $seed = seed();
my $node = start_node('transactions', <<'CONF');
fsync = off
search_path = 'public, hierarchy'
max_prepared_transactions = 20
deadlock_timeout = 100ms
max_parallel_workers_per_gather = 2
CONF
my $s = session($node);
my $two = session($node);
my $three = session($node);

# by_rows(table), by_index(table): the edges of a graph, in a number.
sub by_rows { return "SELECT count(*), coalesce(sum(hashtext(parent || '>' || child)), 0) FROM $_[0] WHERE parent IS NOT NULL"; }

sub by_index
{
	return "SELECT count(*), coalesce(sum(hashtext(ancestor || '>' || descendant)), 0)
		FROM closure('$_[0]', NULL::text, max_depth => 1) WHERE depth = 1";
}

# sound(table, name): no cycle by plain SQL, index and rows agree.
sub sound
{
	my ($table, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($s->query(by_index($table)), $s->query(by_rows($table)), "$name: index and rows agree");
	is($s->query("SELECT * FROM verify('$table')") . $s->query("WITH RECURSIVE c(a, d) AS (
			SELECT parent, child FROM $table WHERE parent IS NOT NULL
			UNION SELECT c.a, e.child FROM c JOIN $table e ON e.parent = c.d)
			SELECT 'cycle of ' || a FROM c WHERE a = d LIMIT 1"), '', "$name: no cycle");
	return;
}

#
# Prepared transactions with edges pending, while others check for cycles
#
$s->query(<<'SQL');
CREATE TABLE pending (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int, child int, UNIQUE (parent, child));
CREATE INDEX pending_graph ON pending USING hgraph (parent, child);
SQL

# change(nodes): a random change of the graph.
sub change
{
	my ($nodes) = @_;
	my ($a, $b) = (1 + int(rand($nodes)), 1 + int(rand($nodes)));
	my $what = int(rand(10));

	return "DELETE FROM pending WHERE child = $a" if $what == 0;
	return "UPDATE pending SET parent = $b WHERE id = (SELECT min(id) FROM pending WHERE child = $a)" if $what < 3;
	return "INSERT INTO pending (parent, child) VALUES ($a, $b)";
}
my %outcome;
my $gid = 0;
foreach my $round (1 .. long(12, 400))
{
	my @open;

	foreach (1 .. 1 + int(rand(4)))
	{
		my (undef, $err) = $s->try("SET lock_timeout = '20ms'; BEGIN; " . change(12) . '; ' . change(12)
			  . "; PREPARE TRANSACTION 'p" . ++$gid . "'; ROLLBACK");

		$err =~ /ERROR:  (\w+)/ ? $outcome{$1}++ : push @open, $gid;
	}
	$outcome{prepared} += @open;
	if ($round % long(6, 40) == 0)
	{
		$_->quit foreach $s, $two, $three;
		$node->stop('immediate');
		$node->start;
		($s, $two, $three) = map { session($node) } 1 .. 3;
	}
	$_->query("SET lock_timeout = '60ms'") foreach $two, $three;
	$_->send(change(12)) foreach $two, $three;
	foreach my $p (@open)
	{
		$s->query((int(rand(3)) ? 'COMMIT' : 'ROLLBACK') . " PREPARED 'p$p'");
	}
	foreach ($two, $three)
	{
		my (undef, $err) = $_->wait;

		$outcome{ $err =~ /ERROR:  (\w+)/ ? $1 : 'done' }++;
	}
	if ($round % 4 == 0)
	{
		my $cycle = $s->query("WITH RECURSIVE c(a, d) AS (SELECT parent, child FROM pending
			UNION SELECT c.a, e.child FROM c JOIN pending e ON e.parent = c.d)
			SELECT count(*) FROM c WHERE a = d");

		fail("round $round: a cycle") if $cycle != 0;
	}
}
diag('prepared transactions: ' . join ', ', map { "$_ $outcome{$_}" } sort keys %outcome);
ok($outcome{'23514'} && $outcome{prepared} && $outcome{done}, 'some were refused, some not');
is(join(' ', grep { !/^(prepared|done|23514|55P03|23505|40P01)$/ } keys %outcome), '', 'by the errors there should be');
sound('pending', 'prepared transactions');
$s->query('RESET lock_timeout');
$_->query('RESET lock_timeout') foreach $two, $three;

# A move, prepared: both places count until it is decided.
$s->query(<<'SQL');
CREATE TABLE held (parent int, child int);
CREATE INDEX held_graph ON held USING hgraph (parent, child);
INSERT INTO held VALUES (1, 2), (2, 3), (10, 11);
BEGIN; UPDATE held SET parent = 11 WHERE child = 2; PREPARE TRANSACTION 'move';
SQL
fails($s, "SET lock_timeout = '30ms'; INSERT INTO held VALUES (3, 10)", '55P03', 'a prepared move: the new place is waited for');
fails($s, 'INSERT INTO held VALUES (3, 1)', '55P03', 'the former place as well');
$s->query("ROLLBACK PREPARED 'move'; RESET lock_timeout");
fails($s, 'INSERT INTO held VALUES (3, 1)', '23514', 'rolled back: the former place counts');
is($s->query('INSERT INTO held VALUES (3, 10) RETURNING child'), 10, 'and the new one does not');
sound('held', 'a prepared move');

# Verbs can be prepared, too.
$s->query(<<'SQL');
SELECT create_hierarchy('firm', share_mode => 'full') \g /dev/null
INSERT INTO entity_type VALUES ('unit');
SELECT add_entity('unit', 'u' || i, 'Unit ' || i) FROM generate_series(1, 60) i \g /dev/null
BEGIN; SELECT assign('firm', entity_id('unit', 'u2'), entity_id('unit', 'u1')) \g /dev/null
PREPARE TRANSACTION 'verb';
SQL
fails($s, "SET lock_timeout = '50ms'; SELECT assign('firm', entity_id('unit', 'u1'), entity_id('unit', 'u2'))", '55P03',
	'assign waits for a prepared assign');
$s->query("COMMIT PREPARED 'verb'; RESET lock_timeout");
fails($s, "SELECT assign('firm', entity_id('unit', 'u1'), entity_id('unit', 'u2'))", '23514', 'and is refused then');

#
# A thousand nested savepoints
#
my $deep = 1000;
$s->query('CREATE TABLE nested (parent int, child int); CREATE INDEX nested_graph ON nested USING hgraph (parent, child); BEGIN');
$s->query(join ';', map { "SAVEPOINT s$_; INSERT INTO nested VALUES ($_, $_ + 1)" } 1 .. $deep);
is($s->query("SELECT max(depth) FROM descendants('nested', 1)"), $deep, "$deep nested savepoints");
fails($s, "SAVEPOINT x; INSERT INTO nested VALUES ($deep + 1, 1)", '23514', 'the innermost refuses a cycle through all of them');
$s->query('ROLLBACK TO x');
is($two->query("SELECT count(*) FROM descendants('nested', 1)"), 0, 'nobody else sees them');
$two->send("INSERT INTO nested VALUES (700, 300)");
$three->send("INSERT INTO nested VALUES (300, 100)");
$s->query("DO \$\$BEGIN FOR i IN 1 .. 2000 LOOP
	EXIT WHEN (SELECT count(*) FROM pg_locks WHERE NOT granted) >= 2; PERFORM pg_sleep(0.01); END LOOP; END\$\$");
is($s->query('SELECT count(*) FROM pg_locks WHERE NOT granted'), 2, 'but who would close a cycle with them waits');
is($s->query("ROLLBACK TO s601; SELECT max(depth) FROM descendants('nested', 1)"), 600, 'rolled back to the 600th');
is($s->query(join(';', map { "RELEASE s$_" } reverse 401 .. 600) . "; SELECT max(depth) FROM descendants('nested', 1)"), 600,
	'200 released');
is($s->query("ROLLBACK TO s400; SELECT max(depth) FROM descendants('nested', 1)"), 399, 'what they held goes with those around them');
$s->query('COMMIT');
is(($two->wait)[1], '', 'whose edges are gone holds nobody up');
like(($three->wait)[1], qr/ERROR:  23514:/, 'whose edges are committed makes others fail');
sound('nested', 'savepoints');

#
# Parallel workers: within a transaction they see what it has done
#
my $debug = $node->safe_psql('postgres', "SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')");
$s->query(<<"SQL");
CREATE TABLE wide (parent int, child int);
CREATE INDEX wide_graph ON wide USING hgraph (parent, child);
INSERT INTO wide SELECT i / 8, i FROM generate_series(1, 20000) i;
ANALYZE wide;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SQL
foreach my $setting ('RESET max_parallel_workers_per_gather', 'SET max_parallel_workers_per_gather = 0', "RESET max_parallel_workers_per_gather; SET $debug = on")
{
	$s->query("$setting; BEGIN; SAVEPOINT a; UPDATE wide SET parent = 20001 WHERE child = 1; SAVEPOINT b; DELETE FROM wide WHERE child = 2; ROLLBACK TO b;
		INSERT INTO wide VALUES (NULL, 20001)");
	is($s->query("SELECT count(*) FROM wide WHERE within('wide', child, 20001)"),
		$s->query("SELECT count(*) + 1 FROM descendants('wide', 20001)"), "$setting: what the transaction did is seen");
	is($s->query("SELECT total FROM each((SELECT rollup('wide', child, 1) FROM wide)) WHERE node = 20001"),
		$s->query("SELECT count(*) + 1 FROM descendants('wide', 20001)"), 'in a rollup, too');
	$s->query('ROLLBACK');
	is($s->query("SELECT count(*) FROM wide WHERE within('wide', child, 1)"), $s->query("SELECT count(*) + 1 FROM descendants('wide', 1)"),
		'and not when it was rolled back');
}
like($s->query("RESET $debug; EXPLAIN SELECT rollup('wide', child, 1) FROM wide"), qr/Workers Planned/, 'rollups have workers');

#
# An old snapshot through a long churn
#
$s->query(<<'SQL');
CREATE TABLE churn (id int PRIMARY KEY, parent int, child int);
INSERT INTO churn SELECT i, i / 20, i FROM generate_series(1, 4000) i;
CREATE INDEX churn_graph ON churn USING hgraph (parent, child);
VACUUM (FREEZE, ANALYZE) churn;
SQL
my $old = session($node);
my $size = "SELECT pg_relation_size('churn_graph')";
my $start_size = $s->query($size);
my $then = $old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; ' . by_index('churn'));
my @differ;
foreach my $round (1 .. long(6, 200))
{
	$s->query("UPDATE churn SET parent = 1 + (random() * 100)::int WHERE id > 101 AND random() < 0.1");
	$s->query('VACUUM (INDEX_CLEANUP ON) churn') if $round % 2;
	push @differ, $round if $old->query(by_index('churn')) ne $then;
	push @differ, "now $round" if $two->query(by_index('churn')) ne $s->query(by_rows('churn'));
}
is("@differ", '', 'an old snapshot sees what it saw, others what there is');
is($old->query(by_rows('churn')), $then, 'which are its rows');
$old->query('COMMIT');
my $grown = $s->query($size);
$s->query('VACUUM (INDEX_CLEANUP ON) churn');
$s->query("UPDATE churn SET parent = 1 + (random() * 100)::int WHERE id > 101; VACUUM (INDEX_CLEANUP ON) churn") foreach 1 .. long(2, 20);
cmp_ok($s->query($size), '<=', $grown + 2 * $start_size, "what it held up is used again (index $start_size, $grown with the old snapshot)");
is($old->query(by_index('churn')), $s->query(by_rows('churn')), 'its session goes on with what there is');
sound('churn', 'after the churn');
$s->query('VACUUM (FREEZE) churn');
is($s->query("SELECT age(relfrozenxid) <= 5 FROM pg_class WHERE relname = 'churn'"), 't', 'frozen');
is($two->query(by_index('churn')), $s->query(by_rows('churn')), 'a warm session after freezing');
sound('churn', 'frozen');
$old->quit;

#
# SERIALIZABLE: each of two transactions reads what the other writes
#
$s->query(<<'SQL');
INSERT INTO entity (entity_type, code, name) SELECT 'unit', 'r' || i, 'R' FROM generate_series(1, 4) i;
CREATE TABLE skew (parent bigint, child bigint);
CREATE INDEX skew_graph ON skew USING hgraph (parent, child);
CREATE TABLE fact AS SELECT i AS key FROM generate_series(1, 30) i;
CREATE TABLE ids AS SELECT entity_id('unit', 'u' || i) AS id, i FROM generate_series(10, 40) i;
CREATE FUNCTION u(i int) RETURNS bigint LANGUAGE sql STABLE AS $$SELECT id FROM ids WHERE ids.i = u.i$$;
SQL
my $reset = 'TRUNCATE skew; INSERT INTO skew VALUES (1, 2), (2, 3), (11, 12), (12, 13), (1, 5), (11, 15), (20, 21)';

# ways to look below, or above, a node: of 1 and of 11, G is the graph
my %read = (
	'descendants' => "SELECT count(*) FROM descendants('G', R)",
	'children' => "SELECT count(*) FROM children('G', R)",
	'ancestors' => "SELECT count(*) FROM ancestors('G', R + 1)",
	'parents' => "SELECT count(*) FROM parents('G', R + 4)",
	'within' => "SELECT within('G', 21::bigint, R)",
	'closure' => "SELECT count(*) FROM closure('G')",
	'closure scan' => "SELECT count(*) FROM closure('G') WHERE ancestor = R",
	'leaves' => "SELECT count(*) FROM leaves('G', R)",
	'tops' => "SELECT count(*) FROM tops('G', R + 2)",
	'roots' => "SELECT count(*) FROM roots('G')",
	'paths' => "SELECT count(*) FROM paths('G', 21::bigint)",
	'preorder' => "SELECT count(*) FROM preorder('G', R)",
	'common_ancestors' => "SELECT count(*) FROM common_ancestors('G', 21, R + 1)",
	'graph_stats' => "SELECT edges FROM graph_stats('G')",
	'rollup' => "SELECT count(*) FROM each((SELECT rollup('G', key, 1) FROM fact))",
	'rollup_table' => "SELECT octet_length(rollup_table('G', 'fact', 'key')::text)",
	'drilldown' => "SELECT count(*) FROM drilldown('G', R, 'fact', 'key')",
	'tree' => "SELECT count(*) FROM tree('G')",
	'within as a filter' => "SELECT count(*) FROM fact WHERE within('G', key, R)");
my %write = (
	insert => 'INSERT INTO skew VALUES (W, W + 90)',
	move => 'UPDATE skew SET parent = W WHERE child = W + 2',
	graft => 'UPDATE skew SET parent = W WHERE child = 21',
	remove => 'DELETE FROM skew WHERE child = W + 4');

# skew(read, write, name): both transactions read one part and write another;
# that one of them fails is what there is to see.
sub skew
{
	my ($read, $write, $name) = @_;
	my $n = 0;
	my @errors;

	foreach my $pair ([ $two, 1, 11 ], [ $three, 11, 1 ])
	{
		my ($session, $r) = @$pair;
		$session->query('BEGIN ISOLATION LEVEL SERIALIZABLE; ' . $read =~ s/\bR\b/$r/gr);
	}
	$two->query($write =~ s/\bW\b/11/gr);
	$three->send($write =~ s/\bW\b/1/gr);
	my (undef, $first) = $two->try('COMMIT');
	my (undef, $second) = $three->wait;
	(undef, my $last) = $three->try('COMMIT');
	foreach my $err ($first, "$second$last")
	{
		next if $err !~ /ERROR/;
		$n++;
		push @errors, $err if $err !~ /ERROR:  40001:/;
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return if $n == 1 && !@errors;
	fail("write skew: $name");
	diag($n == 0 ? 'both were committed' : "@errors");
	return;
}
my $skews = 0;
foreach my $r (sort keys %read)
{
	foreach my $w (sort keys %write)
	{
		# Both graft the same row: PostgreSQL has that at any level.
		foreach my $plan ('SET max_parallel_workers_per_gather = 0', "RESET max_parallel_workers_per_gather; SET $debug = on")
		{
			next if $plan =~ /on$/ && ($w ne 'insert' && !long(0, 1));
			next if $w eq 'remove' && !long(0, 1);
			$s->query($reset);
			$_->query($plan) foreach $two, $three;
			skew($read{$r} =~ s/\bG\b/skew/gr, $write{$w}, "$r and $w, $plan");
			$skews++;
		}
	}
}
pass("of $skews pairs of transactions that read by a function what the other writes, only one each was committed");
$_->query("RESET $debug; RESET max_parallel_workers_per_gather") foreach $two, $three;

# The same in the directory, with verbs.
my %verb = (
	assign => "SELECT assign('firm', u(V + 3), u(V))",
	unassign => "SELECT unassign('firm', u(V + 2), u(V))",
	reassign => "SELECT reassign('firm', u(V + 2), u(V), u(V + 1))",
	set_primary => "SELECT set_share('firm', u(V + 2), u(V), 0.5)",
	relationship => "UPDATE relationship SET influence_level = 0.5 WHERE child_id = u(V + 2)");
my %look = (
	descendants => "SELECT count(*) FROM descendants('firm', u(V))",
	relationship => "SELECT count(*), sum(share) FROM relationship WHERE parent_id = u(V)",
	family_tree => "SELECT count(share) FROM family_tree('firm', u(V + 2))",
	ownership => "SELECT count(*) FROM ownership('firm', u(V + 2), u(V))",
	rollup => "SELECT count(*) FROM each((SELECT rollup('firm', id, 1) FROM ids))");
$s->query("INSERT INTO relationship (hierarchy_id, parent_id, child_id, share)
	SELECT hierarchy_id, u(v), u(v + k), 1 FROM hierarchy, (VALUES (10), (20)) x (v), generate_series(1, 2) k WHERE name = 'firm'");
foreach my $v (sort keys %verb)
{
	foreach my $l (sort keys %look)
	{
		next if !long(0, 1) && ($v ne 'reassign' && $l ne 'descendants');
		my $n = 0;
		foreach my $pair ([ $two, 10 ], [ $three, 20 ])
		{
			$pair->[0]->query('BEGIN ISOLATION LEVEL SERIALIZABLE; ' . $look{$l} =~ s/\bV\b/$pair->[1]/gr);
		}
		$two->send($verb{$v} =~ s/\bV\b/20/gr);
		my @err = ($two->wait)[1];
		$three->send($verb{$v} =~ s/\bV\b/10/gr);
		# put both back afterwards, so one is prepared and undone, not committed
		(undef, my $one) = $two->try("SAVEPOINT x; PREPARE TRANSACTION 'skew'");
		my (undef, $second) = $s->query("SELECT count(*) FROM pg_prepared_xacts WHERE gid = 'skew'") ? ('', '') : ('', $one);
		push @err, ($three->wait)[1];
		(undef, my $last) = $three->try("PREPARE TRANSACTION 'skew2'");
		my $both = $s->query('SELECT count(*) FROM pg_prepared_xacts');
		$s->query("ROLLBACK PREPARED 'skew'") if $s->query("SELECT count(*) FROM pg_prepared_xacts WHERE gid = 'skew'");
		$s->query("ROLLBACK PREPARED 'skew2'") if $s->query("SELECT count(*) FROM pg_prepared_xacts WHERE gid = 'skew2'");
		$_->try('ROLLBACK') foreach $two, $three;
		is($both, 1, "write skew in the directory: $l and $v") or diag("@err $one $last");
	}
}

is(server_died($node), '', 'no process crashed');
$_->quit foreach $s, $two, $three;
$node->stop;
done_testing();
