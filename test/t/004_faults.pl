# Many writers at once, readers among them, and prepared transactions.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = seed();
my $node = start_node('faults', "max_connections = 30\ndeadlock_timeout = 50ms\n");

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
# Many at once
#
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE load (id int PRIMARY KEY, parent int, child int, note int DEFAULT 0);
CREATE INDEX load_graph ON load USING hgraph (parent, child);
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
my $script = $node->basedir . '/load.pgbench';
append_to_file($script, "\\set what random(0, 99)\n\\set a random(1, 60)\n\\set b random(1, 60)\n"
	  . "CALL work(:what, :a, :b);\n");

# pgbench(seconds, clients, scripts): some clients at once; none may fail.
sub pgbench
{
	my ($seconds, $clients, @scripts) = @_;
	my ($out, $err) = ('', '');
	my $result = IPC::Run::run(
		[
			'pgbench', '-n', '-c', $clients, '-j', 2, '-T', $seconds,
			'--random-seed', $seed, '--max-tries', 10, @scripts,
			$node->connstr('postgres')
		],
		'>', \$out, '2>', \$err);

	ok($result, "$clients clients: " . ($out =~ /(actually processed: \d+)/)[0]) or diag($err);
	return;
}

pgbench(long(2, 20), 6, '-f', $script);
my $s = session($node);
sound($s, 'load', 'after concurrent work');
cmp_ok($s->query("SELECT count(*) FROM outcome WHERE state = '23514'"), '>', 0, 'some of it was refused');
note($s->query('SELECT state, count(*) FROM outcome GROUP BY 1'));

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
	my $file = $node->basedir . "/$_->[0].pgbench";
	append_to_file($file, $script{ $_->[0] });
	('-f', "$file\@$_->[1]")
} [ move => 40 ], [ touch => 10 ], [ replace => 10 ], [ look => 10 ], [ old => 6 ], [ vacuum => 3 ];
pgbench(long(2, 20), 6, @mix);
sound($s, 'moving', 'movers, readers and vacuums');

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
$node->stop('immediate');
$node->start;
$s = session($node);
fails($s, "SET lock_timeout = '100ms'; INSERT INTO edge VALUES (4, 1)", '55P03', 'after a crash as well');
my $waiter = session($node);
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

is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
