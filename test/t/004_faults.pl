# Crashes, standbys, logical replication, prepared transactions, and many
# writers at once.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = seed();
my $primary = PostgreSQL::Test::Cluster->new('primary');

$primary->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C' ]);
HierarchyTest::extension_conf($primary);
$primary->append_conf('postgresql.conf', "max_connections = 30\ndeadlock_timeout = 50ms\n");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION hierarchy CASCADE');

# What a graph holds, by the index and by the rows.
sub by_index { return "SELECT count(*), coalesce(sum(hashtext(ancestor || '>' || descendant)), 0) FROM hierarchy.closure('$_[0]', NULL::text) WHERE depth > 0"; }

sub by_rows
{
	return "WITH RECURSIVE c(a, d) AS (SELECT parent, child FROM $_[0] WHERE parent IS NOT NULL
		UNION SELECT c.a, e.child FROM c JOIN $_[0] e ON e.parent = c.d)
		SELECT count(*), coalesce(sum(hashtext(a || '>' || d)), 0) FROM c";
}

# sound(session, table, name): index and rows agree, and nothing is wrong.
sub sound
{
	my ($s, $table, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($s->query("SELECT * FROM hierarchy.verify('$table')"), '', "$name: verify");
	is($s->query(by_index($table)), $s->query(by_rows($table)), "$name: index and rows agree");
	is($s->query("SELECT count(*) FROM (WITH RECURSIVE c(a, d) AS (
			SELECT parent, child FROM $table WHERE parent IS NOT NULL
			UNION SELECT c.a, e.child FROM c JOIN $table e ON e.parent = c.d)
			SELECT FROM c WHERE a = d) x"), 0, "$name: no cycle");
	return;
}

#
# A standby, and a crash in the middle of everything
#
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

$primary->safe_psql('postgres', <<'SQL');
CREATE TABLE load (id int PRIMARY KEY, parent int, child int, note int DEFAULT 0);
CREATE INDEX load_graph ON load USING hgraph (parent, child);
CREATE UNLOGGED TABLE lost (parent int, child int);
CREATE INDEX lost_graph ON lost USING hgraph (parent, child);
INSERT INTO lost VALUES (1, 2), (2, 3);
CREATE SEQUENCE load_id;
CREATE TABLE outcome (state text);
-- What clients do: any change at all; refusals and deadlocks are fine.
CREATE PROCEDURE work(what int, a int, b int) LANGUAGE plpgsql AS $$
BEGIN
	IF what < 50 THEN
		INSERT INTO load VALUES (nextval('load_id'), a, b);
	ELSIF what < 70 THEN
		UPDATE load SET parent = b WHERE id = (SELECT id FROM load ORDER BY md5(id || 'x' || a) LIMIT 1);
	ELSIF what < 75 THEN
		UPDATE load SET note = note + 1 WHERE child = a;
	ELSE
		DELETE FROM load WHERE id IN (SELECT id FROM load ORDER BY md5(id || 'y' || b) LIMIT 2);
	END IF;
	PERFORM FROM hierarchy.descendants('load', a::bigint);
EXCEPTION WHEN check_violation OR deadlock_detected THEN
	INSERT INTO outcome VALUES (SQLSTATE);
END $$;
SQL
my $script = $primary->basedir . '/load.pgbench';
append_to_file($script, "\\set what random(0, 99)\n\\set a random(1, 60)\n\\set b random(1, 60)\n"
	  . "CALL work(:what, :a, :b);\n");

my $standby_session = session($standby);
$primary->wait_for_catchup($standby);
is($standby_session->query("SELECT count(*) FROM hierarchy.descendants('load', 1)"), 0,
	'a standby with the extension');

# pgbench(seconds, clients, scripts): some clients at once; none may fail.
sub pgbench
{
	my ($seconds, $clients, @scripts) = @_;
	my ($out, $err) = ('', '');
	my $result = IPC::Run::run(
		[
			'pgbench', '-n', '-c', $clients, '-j', 2, '-T', $seconds,
			'--random-seed', $seed, '--max-tries', 10, @scripts,
			$primary->connstr('postgres')
		],
		'>', \$out, '2>', \$err);

	ok($result, "$clients clients: " . ($out =~ /(actually processed: \d+)/)[0]) or diag($err);
	return;
}

pgbench(3, 6, '-f', $script);
my $s = session($primary);
sound($s, 'load', 'after concurrent work');
cmp_ok($s->query("SELECT count(*) FROM outcome WHERE state = '23514'"), '>', 0, 'some of it was refused');
note($s->query('SELECT state, count(*) FROM outcome GROUP BY 1'));

$primary->wait_for_catchup($standby);
is($standby_session->query(by_index('load')), $s->query(by_index('load')), 'standby equals primary');
sound($standby_session, 'load', 'standby');
# A snapshot here keeps the rows that the one on the standby needs.
my $hold = session($primary);
$hold->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT WHERE false');
is($standby_session->query("BEGIN ISOLATION LEVEL REPEATABLE READ; " . by_index('load')),
	$s->query(by_index('load')), 'an old snapshot on the standby');
my $then = $s->query(by_index('load'));
$s->query("DELETE FROM load WHERE id % 3 = 0; INSERT INTO load SELECT nextval('load_id'), 100 + i, 101 + i FROM generate_series(1, 500) i");
$primary->wait_for_catchup($standby);
is($standby_session->query(by_index('load')), $then, 'stays what it was');
$standby_session->query('COMMIT');
$hold->quit;
is($standby_session->query(by_index('load')), $s->query(by_index('load')), 'standby follows');
$s->query('VACUUM load');
$primary->wait_for_catchup($standby);
is($standby_session->query(by_index('load')), $s->query(by_index('load')), 'standby follows a vacuum');
fails($standby_session, q{SELECT count(*) FROM hierarchy.descendants('lost', 1)}, '55000',
	'an unlogged graph on a standby', qr/during recovery/);
$s->query("REINDEX INDEX load_graph; DELETE FROM load WHERE parent > 400");
$primary->wait_for_catchup($standby);
is($standby_session->query(by_index('load')), $s->query(by_index('load')), 'standby follows a reindex');

# Readers among movers and vacuums that recycle rows all the time: what a
# statement sees by the graph is what it sees in the table.
$s->query(<<'SQL');
CREATE TABLE moving (parent int, child int, note int DEFAULT 0) WITH (fillfactor = 70);
CREATE INDEX moving_graph ON moving USING hgraph (parent, child);
INSERT INTO moving SELECT NULL, i FROM generate_series(1, 20) i;
INSERT INTO moving SELECT 1 + i % 20, i FROM generate_series(21, 400) i;
CREATE INDEX ON moving (child);
CREATE PROCEDURE look() LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	SELECT count(*) INTO n FROM (
		(SELECT ancestor, descendant FROM hierarchy.closure('moving', NULL::int) WHERE depth = 1
		 EXCEPT SELECT parent, child FROM moving WHERE parent IS NOT NULL)
		UNION ALL
		(SELECT parent, child FROM moving WHERE parent IS NOT NULL
		 EXCEPT SELECT ancestor, descendant FROM hierarchy.closure('moving', NULL::int) WHERE depth = 1)) d;
	IF n > 0 THEN
		RAISE EXCEPTION 'graph and table differ in % edges', n;
	END IF;
END $$;
SQL
my %script = (
	move => "\\set a random(21, 400)\n\\set b random(1, 20)\n"
	  . "UPDATE moving SET parent = :b WHERE child = :a;\n",
	touch => "\\set a random(21, 400)\nUPDATE moving SET note = note + 1 WHERE child = :a;\n",
	replace => "\\set a random(21, 400)\n\\set b random(1, 20)\nBEGIN;\nDELETE FROM moving WHERE child = :a;\n"
	  . "SAVEPOINT x;\nINSERT INTO moving VALUES (:b, :a);\nROLLBACK TO x;\n"
	  . "INSERT INTO moving VALUES (:b, :a);\nCOMMIT;\n",
	look => "CALL look();\n",
	old => "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT WHERE false;\nSELECT pg_sleep(0.002);\nCALL look();\nCALL look();\nCOMMIT;\n",
	vacuum => "VACUUM (INDEX_CLEANUP on, TRUNCATE off) moving;\n");
my @mix = map {
	my $file = $primary->basedir . "/$_->[0].pgbench";
	append_to_file($file, $script{ $_->[0] });
	('-f', "$file\@$_->[1]")
} [ move => 40 ], [ touch => 10 ], [ replace => 10 ], [ look => 10 ], [ old => 6 ], [ vacuum => 3 ];
pgbench(3, 6, @mix);
sound($s, 'moving', 'movers, readers and vacuums');

# Crash with clients connected, three times.
foreach my $round (1 .. 3)
{
	my $pgbench = IPC::Run::start(
		[
			'pgbench', '-n', '-c', 6, '-j', 2, '-T', 60, '-M', 'prepared', '--max-tries', 10,
			'-f', $script, $primary->connstr('postgres')
		],
		'>', '/dev/null', '2>', '/dev/null');
	# after so many transactions, with a vacuum on the way
	my $mark = $s->query("SELECT last_value FROM load_id");
	$s->query("VACUUM load");
	$s->query("DO \$\$BEGIN WHILE (SELECT last_value FROM load_id) < $mark + 150 LOOP PERFORM FROM hierarchy.descendants('load', 1); END LOOP; END\$\$");
	$s->send('VACUUM load') if $round == 2;
	$s->quit if $round != 2;
	$primary->stop('immediate');
	eval { $s->quit } if $round == 2;
	eval { $pgbench->finish };
	$primary->start;
	$s = session($primary);
	sound($s, 'load', "after crash $round");
	is($s->query("SELECT count(*) FROM hierarchy.roots('lost')"), 0, 'an unlogged graph is empty');
	is($s->query("INSERT INTO lost VALUES (1, 2); SELECT node FROM hierarchy.children('lost', 1)"), 2,
		'and works');
	fails($s, 'INSERT INTO lost VALUES (2, 1)', '23514', 'and refuses cycles');
}
$primary->wait_for_catchup($standby);
$standby_session->quit;
$standby_session = session($standby);
is($standby_session->query(by_index('load')), $s->query(by_index('load')), 'standby equals primary after crashes');

#
# Prepared transactions
#
$s->query(<<'SQL');
CREATE TABLE edge (parent bigint, child bigint);
CREATE INDEX edge_graph ON edge USING hgraph (parent, child);
INSERT INTO edge VALUES (1, 2), (3, 4);
BEGIN; INSERT INTO edge VALUES (2, 3); PREPARE TRANSACTION 'add';
SQL
is($s->query("SELECT node FROM hierarchy.descendants('edge', 1)"), 2, 'a prepared edge is not seen');
fails($s, "SET lock_timeout = '100ms'; INSERT INTO edge VALUES (4, 1)", '55P03', 'but waited for');
$s->query('RESET lock_timeout');
$primary->stop('immediate');
$primary->start;
$s = session($primary);
fails($s, "SET lock_timeout = '100ms'; INSERT INTO edge VALUES (4, 1)", '55P03', 'after a crash as well');
my $waiter = session($primary);
$waiter->send('INSERT INTO edge VALUES (4, 1)');
$s->query("DO \$\$BEGIN WHILE NOT exists(SELECT FROM pg_locks WHERE NOT granted) LOOP END LOOP; END\$\$");
$s->query("RESET lock_timeout; COMMIT PREPARED 'add'");
like(($waiter->wait)[1], qr/ERROR:  23514:/, 'who waited is refused after COMMIT PREPARED');
$s->query("BEGIN; DELETE FROM edge WHERE parent = 2; PREPARE TRANSACTION 'remove'");
$waiter->send('INSERT INTO edge VALUES (4, 1)');
$s->query("DO \$\$BEGIN WHILE NOT exists(SELECT FROM pg_locks WHERE NOT granted) LOOP END LOOP; END\$\$");
$s->query("COMMIT PREPARED 'remove'");
is(($waiter->wait)[1], '', 'who waits for a prepared removal goes on');
sound($s, 'edge', 'prepared transactions');
$waiter->quit;

#
# Logical replication: the publisher has no index, the subscriber has
#
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C' ]);
HierarchyTest::extension_conf($subscriber);
$subscriber->start;
$primary->safe_psql('postgres', 'CREATE TABLE org (id int PRIMARY KEY, boss int); INSERT INTO org VALUES (1, NULL), (2, 1), (3, 2)');
$primary->safe_psql('postgres', 'CREATE PUBLICATION pub FOR TABLE org');
$subscriber->safe_psql('postgres', 'CREATE EXTENSION hierarchy CASCADE; CREATE TABLE org (id int PRIMARY KEY, boss int);
	CREATE INDEX org_graph ON org USING hgraph (boss, id)');
my $connstr = $primary->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub CONNECTION '$connstr' PUBLICATION pub WITH (disable_on_error = true)");
$subscriber->wait_for_subscription_sync($primary, 'sub');
my $sub = session($subscriber);
is($sub->query("SELECT string_agg(node::text, ' ' ORDER BY node) FROM hierarchy.descendants('org', 1)"), '2 3',
	'rows of the first copy');
$primary->safe_psql('postgres', 'INSERT INTO org VALUES (4, 3); UPDATE org SET boss = 1 WHERE id = 3');
$primary->wait_for_catchup('sub');
is($sub->query("SELECT string_agg(node || ':' || depth, ' ' ORDER BY node) FROM hierarchy.descendants('org', 1)"), '2:1 3:1 4:2',
	'rows that were replicated');
$primary->safe_psql('postgres', 'UPDATE org SET boss = 4 WHERE id = 1');
ok($subscriber->poll_query_until('postgres', 'SELECT NOT subenabled FROM pg_subscription'), 'a cycle stops the subscription');
like(slurp_file($subscriber->logfile), qr/cycle in graph "org_graph"/, 'and the log says why');
is($sub->query('SELECT boss IS NULL FROM org WHERE id = 1'), 't', 'the subscriber has no cycle');
is($sub->query("SELECT * FROM hierarchy.verify('org')"), '', 'and is well');

is(server_died($primary) . server_died($standby) . server_died($subscriber), '', 'no process crashed');
$_->quit foreach $sub, $s, $standby_session;
$subscriber->stop;
$standby->stop;
$primary->stop;
done_testing();
