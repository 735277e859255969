# Standbys and subscribers.
#
# A standby replays while clients write to the primary, vacuum and rebuild
# indexes; the WAL carries the pages as the primary has them, and the standby
# compares each page of an index with what its replay made of it.  Meanwhile
# every function is asked there, and must say what plain SQL says in the same
# snapshot; when the load pauses, it must say what the primary says.  Then:
# queries in the way of replay, with and without hot_standby_feedback, a crash
# of the primary, and promotion.
#
# Then subscribers by logical replication with an index of their own: the first
# copy, row filters, transactions streamed before they end, two publishers that
# disagree.  None takes what would form a cycle; once the matter is settled they
# go on.
#
# HIERARCHY_LOAD_SECONDS is how long each load lasts.

use strict;
use warnings;

use File::Basename;
use HierarchyTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

plan skip_all => 'no pgbench here' if !grep { -x "$_/pgbench" } split /:/, $ENV{PATH};

my $seconds = $ENV{HIERARCHY_LOAD_SECONDS} || long(1, 12);
my $turns = long(2, 6);
my $seed = seed();
my $started = time;
my $nodes = 12;
my $checking = long('generic', 'all');
my $primary = PostgreSQL::Test::Cluster->new('primary');

$primary->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C' ]);
HierarchyTest::extension_conf($primary);
$primary->append_conf('postgresql.conf', <<"CONF");
fsync = off
max_connections = 30
max_worker_processes = 20
max_logical_replication_workers = 12
deadlock_timeout = 50ms
wal_consistency_checking = '$checking'
wal_retrieve_retry_interval = 100ms
wal_keep_size = 64GB
max_standby_streaming_delay = -1
hot_standby_feedback = off
wal_receiver_status_interval = 1s
search_path = 'public, hierarchy'
CONF
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION hierarchy CASCADE');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $s = session($primary);
my $begun = $s->query('SELECT pg_current_wal_lsn()');
my $here = dirname(__FILE__);

$s->query(slurp_file("$here/oracle.sql"));
# The other oracle lives in the same schema.
$s->query(slurp_file("$here/rollup_oracle.sql") =~ s/^CREATE SCHEMA oracle;$//mr);
$s->query(<<"SQL");
-- A small graph with everything that an index may include
CREATE TABLE g_flow (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int, child int, share numeric, valid daterange,
	is_primary boolean, label int) WITH (fillfactor = 50);
CREATE INDEX flow ON g_flow USING hgraph (parent, child) INCLUDE (share, valid, is_primary, label)
	WITH (weight = 'share', validity = 'valid', is_primary = 'is_primary', label = 'label');
CREATE VIEW s_flow AS TABLE g_flow;
INSERT INTO oracle.universe SELECT 'flow', n FROM generate_series(1, $nodes + 1) n;
SELECT oracle.install('flow', 'int4', true, true, true, true, true, 'true');
CREATE TABLE fact (node int, amount numeric(12,2), product text);
INSERT INTO fact SELECT 1 + i % $nodes, i, 'p' || i % 3 FROM generate_series(1, 40) i;

-- A flat one of some pages, with rows that move all the time
CREATE TABLE moving (parent int, child int, note int DEFAULT 0) WITH (fillfactor = 70);
CREATE INDEX moving_graph ON moving USING hgraph (parent, child);
INSERT INTO moving SELECT 1 + i % 20, i FROM generate_series(21, 400) i;
CREATE INDEX ON moving (child);
CREATE TABLE sparse (parent int, child int);
CREATE INDEX sparse_graph ON sparse USING hgraph (parent, child);
CREATE UNLOGGED TABLE lost (parent int, child int);
CREATE INDEX lost_graph ON lost USING hgraph (parent, child);

-- A directory
SELECT create_hierarchy('units', max_parents => 1), create_hierarchy('owners', share_mode => 'full') \\g /dev/null
INSERT INTO entity_type VALUES ('unit');
INSERT INTO entity (entity_type, code, name, attributes) SELECT 'unit', 'U' || i, 'Unit ' || i, '{"country": "SI"}' FROM generate_series(1, 40) i;
CREATE TABLE sold (unit bigint, amount numeric(12,2), region text);
INSERT INTO sold SELECT entity_id, entity_id * 1.5, 'r' || entity_id % 3 FROM entity;
SELECT create_rollup_view('units_sold', (SELECT graph FROM hierarchy WHERE name = 'units'), 'sold', 'unit', '{amount}', '{region}') \\g /dev/null
CREATE SCHEMA bi;
SELECT create_bi_views('units', 'bi'), create_bi_views('owners', 'bi') \\g /dev/null

CREATE FUNCTION pick() RETURNS bigint LANGUAGE sql VOLATILE AS
'SELECT entity_id FROM hierarchy.entity WHERE status = ''active'' ORDER BY random() LIMIT 1';

-- What clients do; refusals are fine.
CREATE PROCEDURE work(k int) LANGUAGE plpgsql AS \$\$
DECLARE
	h text := (ARRAY['units', 'owners'])[1 + k % 2];
	a int := 1 + floor(random() * $nodes);
	b int := 1 + floor(random() * $nodes);
	r relationship;
BEGIN
	IF k < 10 THEN
		IF (SELECT count(*) FROM g_flow) < 20 THEN
			INSERT INTO g_flow (parent, child, share, valid, is_primary, label) SELECT nullif(least(a, b), greatest(a, b)), greatest(a, b),
				(ARRAY[0.25, 0.5, 1])[1 + k % 3], CASE WHEN k % 4 = 0 THEN daterange(current_date - a, current_date + b) END, k % 2 = 0, k % 3;
		ELSE
			DELETE FROM g_flow WHERE id IN (SELECT id FROM g_flow ORDER BY random() LIMIT 3);
		END IF;
	ELSIF k < 25 THEN
		UPDATE g_flow SET parent = a WHERE id = (SELECT id FROM g_flow WHERE child > a OR k = 20 ORDER BY random() LIMIT 1);
	ELSIF k < 30 THEN
		UPDATE g_flow SET share = 0.5, label = (label + 1) % 3 WHERE child = a;
	ELSIF k < 35 THEN
		UPDATE fact SET amount = amount + 1 WHERE node = a;
		INSERT INTO fact VALUES (b, k, 'p1');
		DELETE FROM fact WHERE amount = k AND node <> b;
	ELSIF k < 60 THEN
		UPDATE moving SET parent = 1 + a WHERE child = 21 + floor(random() * 380);
	ELSIF k < 65 THEN
		UPDATE moving SET note = note + 1 WHERE child BETWEEN a * 20 AND a * 20 + 9;
	ELSIF k < 75 THEN
		a := 21 + floor(random() * 380);
		DELETE FROM moving WHERE child = a;
		BEGIN
			INSERT INTO moving VALUES (b, a);
			RAISE check_violation;
		EXCEPTION WHEN check_violation THEN
			INSERT INTO moving VALUES (b + 1, a);
		END;
	ELSE
		SELECT * INTO r FROM relationship WHERE hierarchy_id = (SELECT hierarchy_id FROM hierarchy WHERE name = h) AND valid \@> current_date
			ORDER BY random() LIMIT 1;
		IF k < 85 OR r.child_id IS NULL THEN
			PERFORM assign(h, pick(), pick(), CASE WHEN h = 'owners' THEN 0.25 END);
		ELSIF k < 92 THEN
			PERFORM reassign(h, r.child_id, r.parent_id, pick());
		ELSIF k < 94 THEN
			PERFORM reassign_children(h, r.parent_id, pick());
		ELSE
			DELETE FROM relationship WHERE hierarchy_id = r.hierarchy_id AND child_id = r.child_id;
		END IF;
	END IF;
EXCEPTION WHEN check_violation OR exclusion_violation OR unique_violation OR deadlock_detected OR invalid_parameter_value
	OR no_data_found OR object_not_in_prerequisite_state THEN NULL;
END \$\$;
SQL
my @mix = map {
	my ($name, $weight, $sql) = @$_;
	my $file = $primary->basedir . "/$name.pgbench";

	append_to_file($file, "$sql\n");
	('-f', "$file\@$weight")
} [ work => 200, "\\set k random(0, 99)\nCALL work(:k);" ], [ vacuum => 4, 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) moving;' ],
  [ vacuum_flow => 4, 'VACUUM (INDEX_CLEANUP on) g_flow;' ], [ vacuum_directory => 1, 'VACUUM hierarchy.relationship;' ],
  [ reindex => 1, 'REINDEX INDEX flow;' ], [ checkpoint => 1, 'CHECKPOINT;' ];

# load(): clients at work.
sub load
{
	return IPC::Run::start([ 'pgbench', '-n', '-c', 3, '-j', 1, '-T', $seconds, '--max-tries', 20, @mix, $primary->connstr('postgres') ],
		'<', '/dev/null', '>', '/dev/null', '2>', $primary->basedir . '/pgbench.err');
}

# All functions that read, in their forms; n is every node.
my $n = "generate_series(0, $nodes + 1) n";
my $r = "(SELECT rollup('flow', node, amount) AS r FROM fact)";
my $e = 'entity e';
my $h = 'hierarchy h';
my %question = (
	(map { my $f = $_; ($f => "SELECT n, f.* FROM $n, $f('flow', n, include_self => n % 2 = 0) f", "$f of text" => "SELECT n, f.* FROM $n, $f('flow', n::text) f") }
		  qw(parents children ancestors descendants leaves tops)),
	roots => "SELECT * FROM roots('flow')",
	within => "SELECT n, m, within('flow', n, m) FROM $n, generate_series(1, $nodes) m",
	paths => "SELECT n, f.* FROM $n, paths('flow', n) f",
	preorder => "SELECT n, f.* FROM $n, preorder('flow', n) f",
	common_ancestors => "SELECT n, m, f.* FROM $n, generate_series(1, $nodes) m, common_ancestors('flow', n, m) f",
	closure => "SELECT * FROM closure('flow')",
	'closure from a node' => "SELECT n, f.* FROM $n CROSS JOIN LATERAL (SELECT * FROM closure('flow', NULL::int) WHERE ancestor = n) f",
	'closure up from a node' => "SELECT n, f.* FROM $n CROSS JOIN LATERAL (SELECT * FROM closure('flow', as_of => current_date + 3) WHERE descendant = n) f",
	is_root => "SELECT n, is_root('flow', n) FROM $n",
	tree => "SELECT * FROM tree('flow')",
	tree_path => "SELECT e.entity_id, tree_path(h.graph, e.entity_id, e.name) FROM $e, $h",
	tree_sort_key => "SELECT e.entity_id, tree_sort_key(h.graph, e.entity_id) FROM $e, $h",
	graph_stats => "SELECT nodes, edges, roots, leaves, multi_parent_nodes, max_depth, entries, dead_entries, index_bytes FROM graph_stats('flow')",
	verify => "SELECT * FROM verify('flow') UNION ALL SELECT * FROM verify('moving') UNION ALL SELECT v.* FROM $h, verify(h.graph) v",
	(map { my $m = $_; ("rollup $m" => "SELECT f.* FROM (SELECT rollup('flow', node, amount, '$m') AS r FROM fact) x, each_stats(r) f") }
		  qw(distinct paths weighted primary)),
	'rollup by product' => "SELECT product, f.* FROM (SELECT product, rollup('flow', node, amount, 'distinct', current_date + 2) AS r FROM fact GROUP BY 1) x, each(r) f",
	'rollup that counts' => "SELECT f.* FROM (SELECT rollup('flow', node) AS r FROM fact) x, each(r) f",
	'an hrollup' => "SELECT r::text, hrollup_send(r), r -> 1, r -> '2'::text, r + r, unmatched(r), reconcile(r) FROM $r x",
	'sum of rollups' => "SELECT sum(r) FROM (SELECT rollup('flow', node, amount) AS r FROM fact GROUP BY product) x",
	node_stats => "SELECT n, node_stats(r, n) FROM $n, $r x",
	each_of => "SELECT f.* FROM $r x, each_of(ARRAY[r, r]) f",
	compare_rollup => "SELECT f.* FROM $r x, (SELECT rollup('flow', node, amount) AS s FROM fact WHERE product = 'p1') y, compare_rollup(r, s) f",
	rollup_table => "SELECT each(rollup_table('flow', 'fact', 'node', 'amount'))",
	drilldown => "SELECT n, f.* FROM $n, drilldown('flow', n, 'fact', 'node', 'amount') f WHERE n IN (SELECT child FROM g_flow WHERE valid IS NULL)",
	explain_rollup => "SELECT n, f.* FROM $n, explain_rollup('flow', 1, n) f",
	'a rollup view' => 'SELECT * FROM units_sold',
	'views for BI' => join(' UNION ALL ', map { "SELECT to_jsonb(t) FROM bi.$_ t" } split /\n/,
		$s->query("SELECT relname FROM pg_class WHERE relnamespace = 'bi'::regnamespace AND relkind = 'v' ORDER BY 1")),
	'rows of the directory' => 'SELECT to_jsonb(t) FROM relationship t UNION ALL SELECT to_jsonb(t) FROM entity t UNION ALL SELECT to_jsonb(t) FROM change_log t',
	history => "SELECT entity_id, f.* FROM $e, history(entity_id) f",
	entity_changes => "SELECT f.* FROM $e, entity_changes(entity_id) f",
	relationships_known_at => "SELECT f.* FROM $h, relationships_known_at(name, clock_timestamp()) f",
	compare_hierarchy => "SELECT f.* FROM $h, compare_hierarchy(name, (SELECT min(changed_at) FROM change_log), (SELECT max(changed_at) FROM change_log)) f",
	check_hierarchy => "SELECT f.* FROM $h, check_hierarchy(name) f",
	family_tree => "SELECT entity_id, f.* FROM $e, family_tree('units', entity_id) f (ordinal, node) ",
	controls => "SELECT e.entity_id, f.* FROM $e, controls('owners', e.entity_id, 0.2) f",
	owners => "SELECT e.entity_id, f.* FROM $e, owners('owners', e.entity_id) f",
	ownership => "SELECT e.entity_id, f.* FROM $e, ownership('owners', e.entity_id, 1) f",
	unstated_shares => "SELECT * FROM unstated_shares('owners')",
	responsible_chain => "SELECT e.entity_id, f.* FROM $e, responsible_chain('units', e.entity_id) f",
	ultimates => "SELECT entity_id, global_ultimate('units', entity_id), domestic_ultimate('units', entity_id, 'country') FROM $e",
	entity_values => "SELECT e.entity_id, f.* FROM $e, entity_values(e.entity_id) f");

# Is every function among them that takes a graph or a rollup?
my $asked = join ' ', values %question;
my @silent = grep { $asked !~ /\b$_\(/ } split /\n/, $s->query(<<'SQL');
SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'hierarchy'::regnamespace
	AND ('hgraph'::regtype = ANY (proargtypes) OR 'hrollup'::regtype = ANY (proargtypes) OR 'hrollup[]'::regtype = ANY (proargtypes))
	AND proname !~ '^(hgraph_|rollup_(count_)?transition$|hrollup_(add|out|total)$|create_rollup_view$)' ORDER BY 1
SQL
is("@silent", '', 'every function is asked');

# answers(session): digests of all the answers, by name.
sub answers
{
	my ($session) = @_;
	my %answer;

	foreach my $name (sort keys %question)
	{
		my ($out, $err) = $session->try("SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM ($question{$name}) t");
		$answer{$name} = $err =~ /(ERROR.*)/ ? $1 : $out;
	}
	return \%answer;
}

# same(session, session, name): both give the same answers to everything.
sub same
{
	my ($one, $two, $name) = @_;
	my ($x, $y) = (answers($one), answers($two));
	my @wrong = map { "$_: $x->{$_} and $y->{$_}" } grep { $x->{$_} ne $y->{$_} } sort keys %$x;
	my @failed = map { "$_: $x->{$_}" } grep { $x->{$_} =~ /ERROR/ } sort keys %$x;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join("\n", @wrong), '', "$name: all " . keys(%$x) . ' answers');
	is(join("\n", @failed), '', "$name: none is an error");
	return;
}

# sound(session, name): functions and plain SQL agree in one snapshot.
my ($checks, $late, $waited) = (0, 0, 0);
my $edge = 'SELECT parent::text, child::text, share, is_primary FROM g_flow WHERE child IS NOT NULL AND (valid IS NULL OR valid @> current_date)';
my $fact = "SELECT 'all' AS grp, node::text AS key, amount AS value FROM fact";

# reader(): a session on the standby, where replay may wait for a snapshot while
# it holds a lock for the primary (of a vacuum that cuts a table's end, say).  Who
# has the snapshot and wants the lock waits as long; PostgreSQL does not see that
# as a deadlock, and max_standby_streaming_delay says here that replay has time.
sub reader
{
	my $session = session($standby);

	$session->query("SET lock_timeout = '1s'");
	return $session;
}

sub wrong
{
	my ($session) = @_;
	my $mode = (qw(distinct paths weighted primary))[ rand 4 ];
	my ($depth, $self, $day, $only, $labels) = map { rand() < 0.5 ? $_->[0] : $_->[1] } [ 'NULL', 1 + int(rand(3)) ], [ 'false', 'true' ],
	  [ 'NULL', "'@{[ $session->query('SELECT current_date + 4') ]}'" ], [ 'false', 'true' ], [ 'NULL', "'{0,1}'" ];
	my $edition = (qw(from list text policy policy))[ rand 5 ];

	# READ COMMITTED at times, where each statement has a snapshot of its own
	my ($out, $err) = $session->try((rand() < 0.7 ? 'BEGIN ISOLATION LEVEL REPEATABLE READ;' : 'BEGIN;') . <<"SQL");
SELECT 'functions', * FROM oracle.check_flow_$edition($depth, $self, $day, $only, $labels, @{[ int(rand(100)) ]});
SELECT 'cycle' WHERE oracle.cyclic_flow();
SELECT 'rollup $mode', * FROM oracle.check(\$q\$ SELECT 'all' AS grp, rollup('flow', node, amount, '$mode') AS r FROM fact \$q\$,
	\$q\$ $fact \$q\$, \$q\$ $edge \$q\$, 'NULL::text', 'k::int8', '$mode', 'exact', false);
SELECT 'moving', count(*) FROM (SELECT DISTINCT parent, child FROM moving) m FULL JOIN
	(SELECT ancestor, descendant FROM closure('moving', NULL::int) WHERE depth = 1) c ON (parent, child) = (ancestor, descendant)
	WHERE m IS NULL OR c IS NULL HAVING count(*) > 0;
WITH RECURSIVE c(h, a, d) AS (SELECT hierarchy_id, parent_id, child_id FROM relationship WHERE valid \@> current_date
	UNION SELECT c.h, c.a, r.child_id FROM c JOIN relationship r ON r.hierarchy_id = c.h AND r.parent_id = c.d AND r.valid \@> current_date)
SELECT 'directory', count(*) FROM c FULL JOIN
	(SELECT hierarchy_id AS h, ancestor AS a, descendant AS d FROM hierarchy, closure(graph, as_of => current_date) WHERE depth > 0) i USING (h, a, d)
	WHERE c IS NULL OR i IS NULL HAVING count(*) > 0;
COMMIT;
SQL
	$checks++;
	# An index that was rebuilt after the snapshot can be asked (the edition
	# called policy does nothing else), but not verified.
	if ($err =~ /too new to be checked in this transaction/)
	{
		$session->query('ROLLBACK');
		$late++;
		return '';
	}
	if ($err =~ /55P03: canceling statement due to lock timeout/)
	{
		$session->query('ROLLBACK');
		$waited++;
		return '';
	}
	return join "\n", grep { $_ ne '' } $out, $err;
}

# replayed(): the standby is where the primary is.
sub replayed
{
	$primary->wait_for_catchup($standby);
	return;
}

#
# The load, and a standby that is asked all the time
#
replayed();
# One session that knows the graphs from long ago, and new ones
my $old = reader();
is(wrong($old), '', 'a standby with the extension');
my (%positions, @wrong);
my $crashed = 0;
for (my $turn = 1; $turn <= $turns; $turn++)
{
	my $load = load();

	while ($load->pumpable)
	{
		my $new = rand() < 0.2 ? reader() : undef;

		$positions{ $old->query('SELECT pg_last_wal_replay_lsn()') } = 1;
		push @wrong, grep { $_ ne '' } wrong($new // $old);
		$new->quit if $new;
		# The primary goes down once, in the middle of it all.
		if ($turn == $turns && keys %positions > 3)
		{
			$s->quit;
			$primary->stop('immediate');
			$load->finish;
			$primary->start;
			$s = session($primary);
			$crashed = 1;
			last;
		}
		eval { $load->pump_nb };
	}
	# A machine that is busy needs more time to have looked at some positions.
	$turns++ if $turn == $turns && !$crashed && $turns < 30;
	$load->finish if $turn < $turns;
	is(join("\n", grep { !/^$|AdminShutdown/ } $turn < $turns ? slurp_file($primary->basedir . '/pgbench.err') =~ /^(.*(?:ERROR|FATAL|PANIC).*)$/mg : ()), '',
		"load $turn: no client failed");
	replayed();
	same($s, $old, "load $turn");
}
is(join("\n", @wrong[ 0 .. ($#wrong > 3 ? 3 : $#wrong) ]), '', "functions and plain SQL agree on the standby, in $checks snapshots");
ok($crashed, keys(%positions) . ' positions of the log, and a crash of the primary');
fails($old, "SELECT count(*) FROM descendants('lost', 1)", '55000', 'an unlogged graph', qr/during recovery/);

#
# Queries in the way of replay
#
# obstruct(name): an old snapshot on the standby while the primary removes rows
# that it sees.  Returns what became of a statement under it.
sub obstruct
{
	my ($name, $sql) = @_;
	my $reader = session($standby);
	my $question = "SELECT count(*), sum(node) FROM descendants('moving_graph', 5)";
	my $rows = 'SELECT count(*), sum(child) FROM moving WHERE parent = 5';

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$s->query("UPDATE moving SET parent = 5 WHERE child < 100");
	replayed();
	my $before = $reader->query("BEGIN ISOLATION LEVEL REPEATABLE READ; $question");
	is($before, $reader->query($rows), "$name: before");
	until_true($s, q{SELECT backend_xmin IS NOT NULL FROM pg_stat_replication}) if $name =~ /feedback on/;
	my $pid = $reader->query('SELECT pg_backend_pid()');
	$reader->send("DO \$\$BEGIN FOR i IN 1 .. 100000 LOOP PERFORM FROM descendants('moving_graph', 5); PERFORM pg_sleep(0.01);
		EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'); END LOOP; END\$\$");
	# A session in the way that does nothing at the moment would be ended.
	until_true($old, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $pid");
	$s->query($sql);
	if ($name =~ /feedback on/)
	{
		my $stop = session($standby);

		replayed();
		$stop->query('SELECT pg_advisory_lock(1)');
		my (undef, $err) = $reader->wait;
		is($err, '', "$name: the query goes on");
		is($reader->query($question), $before, "$name: and sees what it saw");
		is($reader->query($rows), $before, "$name: as the rows do");
		$stop->quit;
		$reader->query('COMMIT');
	}
	else
	{
		my (undef, $err) = $reader->wait;

		like($err, qr/ERROR:  40001: canceling statement due to conflict with recovery/, "$name: the query is cancelled");
		$reader->query('ROLLBACK');
		replayed();
	}
	is($reader->query($question), $s->query($question), "$name: afterwards");
	is($reader->query($rows), $s->query($question), "$name: and by the rows");
	$reader->quit;
	return;
}

# until_true(session, sql): asks until it holds.
sub until_true
{
	my ($session, $sql) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	usleep(20_000) while $session->query($sql) ne 't' && time < $deadline;
	return;
}

# rebuilt(how): a snapshot of the standby that is older than an index, which
# has no entry for rows that only this snapshot sees.
sub rebuilt
{
	my ($how) = @_;
	my $question = "SELECT count(*), sum(node) FROM descendants('sparse_graph', 9)";
	my $rows = 'SELECT count(*), sum(child) FROM sparse WHERE parent = 9';
	my ($reader, $answer, $held, $err);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach (1 .. 10)
	{
		$reader = session($standby);
		# On a page with much room, which nobody cleans up in passing
		$s->query('TRUNCATE sparse; INSERT INTO sparse SELECT 9, i FROM generate_series(11, 40) i');
		replayed();
		# A snapshot, and no lock on the table
		$reader->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_am \g /dev/null');
		$s->query("UPDATE sparse SET parent = 10; $how");
		replayed();
		# Pages of the catalog are cleaned up in passing, by queries as well, which
		# is a conflict with any snapshot, and may come at any moment.
		($answer, $held, $err) = ();
		eval {
			($answer, $held) = map { $reader->query($_) } $question, $rows;
			$err = ($reader->try("SELECT * FROM verify('sparse_graph')"))[1];
		};
		last if defined $err && $err !~ /ERROR:  40001:/;
		$err //= $@;
		$reader->quit;
	}
	is($answer, $held, "$how, an older snapshot: by the graph and by the rows");
	like($err, qr/ERROR:  55000:.*too new/, "$how, an older snapshot: verify");
	$reader->query('ROLLBACK');
	isnt($answer, $s->query($question), "$how, an older snapshot: which no longer holds on the primary");
	is($reader->query("$question; SELECT * FROM verify('sparse_graph')"), $s->query($question), "$how: a newer snapshot");
	$reader->quit;
	return;
}

my $vacuum = 'UPDATE moving SET parent = 6 WHERE parent = 5; VACUUM (INDEX_CLEANUP on, TRUNCATE off) moving;
	UPDATE moving SET parent = 5 WHERE parent = 7; VACUUM (INDEX_CLEANUP on, TRUNCATE off) moving';
$old->query('ALTER SYSTEM SET max_standby_streaming_delay = 50; SELECT pg_reload_conf() \g /dev/null');
obstruct('feedback off, a vacuum', $vacuum);
obstruct('feedback off, a rebuilt index', 'REINDEX INDEX moving_graph');
rebuilt($_) foreach 'REINDEX INDEX sparse_graph', $ENV{HIERARCHY_LONG} ? ('REINDEX INDEX CONCURRENTLY sparse_graph',
	'DROP INDEX sparse_graph; CREATE INDEX CONCURRENTLY sparse_graph ON sparse USING hgraph (parent, child)') : ();
$old->query('ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf() \g /dev/null');
obstruct('feedback on, a vacuum', $vacuum);
same($s, $old, 'after conflicts');

# What a standby cannot do, it says.
fails($old, "SELECT assign('units', 1, 2)", '25006', 'no verb on a standby');
fails($old, 'INSERT INTO moving VALUES (1, 2)', '25006', 'no row');
fails($old, 'SELECT * FROM changes_since(0)', '0A000', 'no feed');
fails($old, "SELECT as_known_at('units', now())", '25006', 'no graph of the past');

# Were pages compared at all?
my $ended = $s->query('SELECT pg_switch_wal()');
my ($dump, $dump_err) = ('', '');
IPC::Run::run([ 'pg_waldump', '--rmgr=Generic', '-p', $primary->data_dir . '/pg_wal', '-s', $begun, '-e', $ended ], '>', \$dump, '2>', \$dump_err);
my $compared = () = $dump =~ /FPW for WAL verification/g;
cmp_ok($compared, '>', 50, "$compared pages of indexes were compared with the primary's") or diag(substr $dump_err, 0, 500);
unlike(slurp_file($standby->logfile), qr/inconsistent page/, 'and none differs');

#
# Promotion
#
replayed();
my $last = answers($s);
$standby->promote;
my $now = answers($old);
is(join(' ', grep { $last->{$_} ne $now->{$_} } sort keys %$now), '', 'after promotion: the same answers, in a session that went through it');
fails($old, 'INSERT INTO g_flow (parent, child) VALUES (100, 101), (101, 102), (102, 100)', '23514', 'after promotion: cycles are refused');
$old->query("INSERT INTO moving VALUES (1000, 1001); SELECT assign('units', add_entity('unit', 'New', 'New one'), 1) \\g /dev/null
	DELETE FROM moving WHERE child % 3 = 0; VACUUM (INDEX_CLEANUP on) moving; INSERT INTO moving SELECT 2000, i FROM generate_series(3000, 3200) i");
$old->query('CALL work(' . int(rand(100)) . ')') foreach 1 .. 50;
is(wrong($old), '', 'after promotion: all is well');
is($old->query($question{verify}), '', 'after promotion: verify');
$old->query('REINDEX TABLE moving');
is(wrong($old), '', 'after promotion: all is well with a new index');
$old->query('SELECT create_hierarchy(\'late\') \g /dev/null');
diag(sprintf '%d snapshots on the standby (%d older than an index, %d in the way of replay) at %d positions, %d questions each compared with the primary %d times, %d pages compared, %d s',
	$checks, $late, $waited, scalar keys %positions, scalar keys %question, $turns + 1, $compared, time - $started);

#
# Subscribers.  The one that was a standby has a database of its own for it.
#
my $subscriber = $standby;
$_->quit foreach $old;
# subscribe(name, publication, options): and wait for the first copy.
sub subscribe
{
	my ($sub, $name, $publication, %with) = @_;
	my $options = join ', ', 'disable_on_error = true', $with{options} // ();

	$sub->query("CREATE SUBSCRIPTION $name CONNECTION '" . $primary->connstr . ' dbname=' . ($with{from} // 'postgres') . "' PUBLICATION $publication WITH ($options)");
	$subscriber->wait_for_subscription_sync($primary, $name, 'sub') if !$with{nowait};
	return;
}

# arrived(name): the subscriber has all that the publisher has.
sub arrived
{
	my ($name) = @_;
	$primary->wait_for_catchup($name);
	return;
}

# refused(session, name, test, pattern): the subscription has stopped, and the
# log says why.  Returns where the transaction ends that it stopped at.
my $read = 0;
sub refused
{
	my ($sub, $name, $test, $pattern) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	until_true($sub, "SELECT NOT subenabled FROM pg_subscription WHERE subname = '$name'");
	is($sub->query("SELECT subenabled FROM pg_subscription WHERE subname = '$name'"), 'f', "$test: the subscription stops");
	my $log = substr slurp_file($subscriber->logfile), $read;
	$read += length $log;
	like($log, $pattern, "$test: the log says why");
	my ($lsn) = $log =~ /.*finished at ([0-9A-F]+\/[0-9A-F]+)/s;
	return $lsn;
}

# rows_agree(session, table, parent, child, test): index and rows.
sub rows_agree
{
	my ($session, $table, $parent, $child, $test) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($session->query("SELECT * FROM hierarchy.verify('$table')"), '', "$test: verify");
	is($session->query(<<"SQL"), '0|f', "$test: index and rows agree, no cycle");
WITH RECURSIVE c(a, d) AS (SELECT $parent, $child FROM $table WHERE $parent IS NOT NULL
	UNION SELECT c.a, e.$child FROM c JOIN $table e ON e.$parent = c.d)
SELECT (SELECT count(*) FROM c FULL JOIN (SELECT ancestor AS a, descendant AS d FROM hierarchy.closure('$table', NULL::int) WHERE depth > 0) i USING (a, d)
	WHERE c IS NULL OR i IS NULL), exists(SELECT FROM c WHERE a = d)
SQL
	return;
}

$s->query(<<'SQL');
CREATE DATABASE other;
CREATE TABLE link (parent int, child int);
ALTER TABLE link REPLICA IDENTITY FULL;
INSERT INTO link VALUES (3, 4), (2, 3), (1, 2);
CREATE PUBLICATION links FOR TABLE link;
CREATE TABLE org (id int PRIMARY KEY, boss int, area int);
ALTER TABLE org REPLICA IDENTITY FULL;
-- a cycle that the publisher does not mind, where subscribers do not look
INSERT INTO org VALUES (1, NULL, 1), (2, 1, 1), (3, 2, 1), (4, 3, 2), (5, 4, 2), (6, 5, 2);
UPDATE org SET boss = 6 WHERE id = 4;
CREATE PUBLICATION area FOR TABLE org WHERE (area = 1);
CREATE TABLE duo (parent int, child int);
CREATE PUBLICATION duos FOR TABLE duo;
ALTER SYSTEM SET logical_decoding_work_mem = '64kB';
SELECT pg_reload_conf() \g /dev/null
SQL
my $other = session($primary, 'other');
$other->query('CREATE TABLE duo (parent int, child int); CREATE PUBLICATION duos FOR TABLE duo');
$subscriber->safe_psql('postgres', 'CREATE DATABASE sub');
my $sub = session($subscriber, 'sub');
$sub->query(<<'SQL');
CREATE EXTENSION hierarchy CASCADE;
CREATE TABLE link (parent int, child int);
CREATE INDEX link_graph ON link USING hgraph (parent, child);
CREATE TABLE org (id int PRIMARY KEY, boss int, area int);
CREATE INDEX org_graph ON org USING hgraph (boss, id);
CREATE TABLE duo (parent int, child int);
CREATE INDEX duo_graph ON duo USING hgraph (parent, child);
-- of the subscriber alone
INSERT INTO link VALUES (4, 1);
SQL
$read = length slurp_file($subscriber->logfile);

# The first copy contradicts what the subscriber has.
subscribe($sub, 'links_sub', 'links', options => 'streaming = on', nowait => 1);
refused($sub, 'links_sub', 'first copy', qr/cycle in graph "link_graph"/);
is($sub->query('SELECT * FROM link'), '4|1', 'first copy: nothing of it is there');
$sub->query('DELETE FROM link; ALTER SUBSCRIPTION links_sub ENABLE');
$subscriber->wait_for_subscription_sync($primary, 'links_sub', 'sub');
is($sub->query('SELECT string_agg(node::text, \' \' ORDER BY depth) FROM hierarchy.descendants(\'link\', 1)'), '2 3 4', 'first copy: after the matter was settled');

# A change contradicts what the subscriber has.
$sub->query('INSERT INTO link VALUES (4, 5)');
$s->query('INSERT INTO link VALUES (4, 6); INSERT INTO link VALUES (5, 7), (5, 1); INSERT INTO link VALUES (6, 8)');
refused($sub, 'links_sub', 'a change', qr/cycle in graph "link_graph".*logical replication|logical replication.*cycle in graph "link_graph"/s);
is($sub->query('SELECT count(*) FROM link WHERE child IN (7, 1, 8)'), 0, 'a change: nothing of that transaction is there, nor what comes after');
$sub->query('DELETE FROM link WHERE child = 5; ALTER SUBSCRIPTION links_sub ENABLE');
arrived('links_sub');
is($sub->query('SELECT array_agg(t ORDER BY t) FROM link t'), $s->query('SELECT array_agg(t ORDER BY t) FROM link t'), 'a change: all is there after the matter was settled');
rows_agree($sub, 'link', 'parent', 'child', 'a change');

# The publisher's own transactions form a cycle; the subscriber leaves one out.
$s->query('INSERT INTO link VALUES (10, 11); INSERT INTO link VALUES (11, 10), (11, 12); INSERT INTO link VALUES (11, 13); DELETE FROM link WHERE child = 10');
my $lsn = refused($sub, 'links_sub', "the publisher's cycle", qr/cycle in graph "link_graph"/);
$sub->query("ALTER SUBSCRIPTION links_sub SKIP (lsn = '$lsn'); ALTER SUBSCRIPTION links_sub ENABLE");
arrived('links_sub');
is($sub->query('SELECT string_agg(node::text, \' \' ORDER BY node) FROM hierarchy.descendants(\'link\', 10)'), '11 13', "the publisher's cycle: left out");

# Transactions that are streamed before they end
$s->query('BEGIN; INSERT INTO link SELECT 100, i FROM generate_series(101, 3000) i; SAVEPOINT x; INSERT INTO link SELECT i, i + 1 FROM generate_series(3001, 5000) i;
	ROLLBACK TO x; INSERT INTO link SELECT 3000, i FROM generate_series(3001, 4000) i; COMMIT');
arrived('links_sub');
is($sub->query("SELECT count(*) FROM hierarchy.descendants('link', 100)"), 3900, 'streamed: all is there');
$s->query('BEGIN; INSERT INTO link SELECT 4000, i FROM generate_series(5001, 8000) i; INSERT INTO link VALUES (4000, 100); COMMIT');
$lsn = refused($sub, 'links_sub', 'streamed, with a cycle', qr/cycle in graph "link_graph"/);
is($sub->query('SELECT count(*) FROM link WHERE child > 5000'), 0, 'streamed, with a cycle: nothing of it is there');
$sub->query("ALTER SUBSCRIPTION links_sub SKIP (lsn = '$lsn'); ALTER SUBSCRIPTION links_sub ENABLE");
$s->query('TRUNCATE link; INSERT INTO link VALUES (4000, 100)');
arrived('links_sub');
is($sub->query('SELECT * FROM link'), '4000|100', 'streamed, with a cycle: goes on');
rows_agree($sub, 'link', 'parent', 'child', 'streamed');

# Rows that a filter lets through
subscribe($sub, 'area_sub', 'area');
is($sub->query("SELECT string_agg(node::text, ' ' ORDER BY node) FROM hierarchy.descendants('org', 1)"), '2 3', 'row filter: the first copy');
$s->query('UPDATE org SET area = 1 WHERE id = 5; UPDATE org SET area = 2 WHERE id = 3');
arrived('area_sub');
is($sub->query("SELECT ancestor, descendant FROM hierarchy.closure('org', NULL::int) WHERE depth = 1 ORDER BY 1, 2"), "1|2\n4|5", 'row filter: rows come and go');
$s->query('UPDATE org SET area = 1 WHERE id IN (4, 6)');
$lsn = refused($sub, 'area_sub', 'row filter', qr/cycle in graph "org_graph"/);
rows_agree($sub, 'org', 'boss', 'id', 'row filter, while it stands still');
$sub->query("ALTER SUBSCRIPTION area_sub SKIP (lsn = '$lsn'); ALTER SUBSCRIPTION area_sub ENABLE");
$s->query('UPDATE org SET area = 2 WHERE id IN (4, 6); UPDATE org SET boss = 1 WHERE id = 4; UPDATE org SET area = 1');
arrived('area_sub');
is($sub->query('SELECT array_agg(t ORDER BY t) FROM org t'), $s->query('SELECT array_agg(t ORDER BY t) FROM org t'), 'row filter: goes on');
rows_agree($sub, 'org', 'boss', 'id', 'row filter');

# Two publishers at once: each says the opposite of the other.
subscribe($sub, 'duo_one', 'duos');
subscribe($sub, 'duo_two', 'duos', from => 'other');
foreach my $round (1 .. long(1, 25))
{
	my ($a, $b) = (2 * $round, 2 * $round + 1);

	$s->send("INSERT INTO duo VALUES ($a, $b)");
	$other->query("INSERT INTO duo VALUES ($b, $a)");
	$s->wait;
	until_true($sub, "SELECT NOT bool_and(subenabled) FROM pg_subscription WHERE subname LIKE 'duo%'");
	my ($loser, @more) = split /\n/, $sub->query("SELECT subname FROM pg_subscription WHERE NOT subenabled");
	is(scalar(@more), 0, "two publishers, round $round: one of them has to stop");
	$lsn = refused($sub, $loser, "two publishers, round $round", qr/cycle in graph "duo_graph"|deadlock detected/);
	$sub->query("ALTER SUBSCRIPTION $loser SKIP (lsn = '$lsn'); ALTER SUBSCRIPTION $loser ENABLE");
	arrived($_) foreach 'duo_one', 'duo_two';
	is($sub->query("SELECT count(*) FROM duo WHERE least(parent, child) = $a"), 1, "two publishers, round $round: one edge is there");
}
rows_agree($sub, 'duo', 'parent', 'child', 'two publishers');

# A directory: rules are the publisher's, the graph is its own.
$s->query('CREATE PUBLICATION directory FOR TABLE hierarchy.entity');
$sub->query("INSERT INTO hierarchy.entity_type VALUES ('unit'); SELECT hierarchy.create_hierarchy('units', max_parents => 1), hierarchy.create_hierarchy('owners', share_mode => 'full') \\g /dev/null");
subscribe($sub, 'directory_sub', 'directory');
# The first copy fires statement triggers, so entities have to be there first.
$s->query('ALTER PUBLICATION directory ADD TABLE hierarchy.relationship');
$sub->query('ALTER SUBSCRIPTION directory_sub REFRESH PUBLICATION');
$subscriber->wait_for_subscription_sync($primary, 'directory_sub', 'sub');
$s->query('CALL work(' . (75 + int(rand(25))) . ')') foreach 1 .. 30;
arrived('directory_sub');
my $pairs = 'SELECT count(*), md5(string_agg(f::text, \' \' ORDER BY f::text)) FROM hierarchy.hierarchy h, hierarchy.closure(h.graph, as_of => current_date) f';
is($sub->query($pairs), $s->query($pairs), 'a directory: the same graphs');
my ($parent, $child) = split /\|/, $s->query('SELECT parent_id, child_id FROM relationship WHERE hierarchy_id = 1 AND valid @> current_date LIMIT 1');
$s->query("INSERT INTO entity (entity_id, entity_type, code, name) VALUES (9001, 'unit', 'X1', 'X1'), (9002, 'unit', 'X2', 'X2')");
arrived('directory_sub');
$sub->query("INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id) VALUES (2, 9001, 9002)");
$s->query("SELECT assign('owners', 9001, 9002, 0.5) \\g /dev/null");
refused($sub, 'directory_sub', 'a directory', qr/cycle in graph "/);
$sub->query("DELETE FROM hierarchy.relationship WHERE child_id = 9002; ALTER SUBSCRIPTION directory_sub ENABLE");
arrived('directory_sub');
is($sub->query($pairs), $s->query($pairs), 'a directory: goes on');
is($sub->query('SELECT v.* FROM hierarchy.hierarchy h, hierarchy.verify(h.graph) v'), '', 'a directory: verify');

is(server_died($primary) . server_died($standby), '', 'no process crashed');
diag(sprintf '%d s', time - $started);
$_->quit foreach $sub, $s, $other;
$standby->stop('immediate');
$primary->stop('immediate');
done_testing();
