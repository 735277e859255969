# What isolation tests cannot show of the feed: notifications, prepared
# transactions, restarts, standbys; and that a dump brings the log along.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('feed');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
HierarchyTest::extension_conf($node);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION hierarchy CASCADE');
$node->backup('base');

my $s = session($node);
my $listener = session($node);
$listener->query('LISTEN hierarchy_change');

# The notifications since the last call: their payloads, in order.
sub notified
{
	my ($out, $err) = $listener->try('SELECT 1');

	return $out =~ /Asynchronous notification "hierarchy_change" with payload "(.*)" received/g;
}

# The payload without what differs from run to run, if it is right about that.
sub summary
{
	my ($payload, $first, $last) = @_;

	return $payload
	  unless $payload =~ /^\{"txid": \d+, "changes": (\d+), "first": (\d+), "last": (\d+), (.*)\}$/;
	return "$1 at " . ($2 - $first) . " to " . ($3 - $first) . ": $4";
}

sub last_id { return $s->query('SELECT last_value FROM hierarchy.change_log_change_id_seq'); }

# transaction(sql, expected, name): one notification, and that.
sub transaction
{
	my ($sql, $expected, $name) = @_;
	my $first = last_id();

	$s->query($sql);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join("\n", map { summary($_, $first) } notified()), $expected, $name);
	return;
}

$s->query(<<'SQL');
INSERT INTO hierarchy.entity_type VALUES ('node', NULL);
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) SELECT i, 'node', i, 'node ' || i FROM generate_series(1, 100) i;
SELECT hierarchy.create_hierarchy('sales'), hierarchy.create_hierarchy('owner "x"');
SQL
notified();

my $sales = $s->query("SELECT hierarchy_id FROM hierarchy.hierarchy WHERE name = 'sales'");
my $owner = $s->query("SELECT hierarchy_id FROM hierarchy.hierarchy WHERE name <> 'sales'");
my $add = 'INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id) VALUES';

transaction("$add ($sales, 1, 2), ($sales, 1, 3);", '2 at 1 to 2: "hierarchies": ["sales"]', 'a statement');
transaction("UPDATE hierarchy.entity SET name = 'x' WHERE entity_id = 1", '1 at 1 to 1: "hierarchies": []',
	'no hierarchy');
transaction("UPDATE hierarchy.entity SET name = name WHERE entity_id = 1", '', 'nothing changed, nothing sent');
transaction("BEGIN; $add ($sales, 2, 4); $add ($owner, 1, 2); $add ($sales, 2, 5); COMMIT",
	'3 at 1 to 3: "hierarchies": ["sales", "owner \"x\""]', 'one for a transaction');
transaction("BEGIN; $add ($sales, 2, 6); ROLLBACK", '', 'none for one that rolls back');
transaction(
	"BEGIN; $add ($sales, 2, 7); SAVEPOINT a; $add ($owner, 2, 7); ROLLBACK TO a; "
	  . "SAVEPOINT b; SAVEPOINT c; $add ($sales, 2, 8); RELEASE c; $add ($sales, 2, 9); RELEASE b; COMMIT",
	'3 at 1 to 4: "hierarchies": ["sales"]', 'what was rolled back does not count');
transaction(
	"BEGIN; SAVEPOINT a; $add ($sales, 2, 10); SAVEPOINT b; $add ($owner, 2, 10); SAVEPOINT c; ROLLBACK TO c; RELEASE b; "
	  . "RELEASE a; COMMIT",
	'2 at 1 to 2: "hierarchies": ["sales", "owner \"x\""]', 'subtransactions that end well');
transaction("DO \$\$ BEGIN FOR i IN 1 .. 200 LOOP BEGIN "
	  . "UPDATE hierarchy.entity SET name = name || i WHERE entity_id = 2; IF i % 2 = 0 THEN RAISE division_by_zero; END IF; "
	  . "EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END \$\$",
	'100 at 1 to 199: "hierarchies": []', 'many subtransactions');
transaction("SELECT hierarchy.rename_hierarchy('sales', 'sold')", '1 at 1 to 1: "hierarchies": ["sold"]',
	'the new name');
transaction("BEGIN; $add ($sales, 2, 11); SELECT hierarchy.rename_hierarchy('sold', 'sales'); COMMIT",
	'2 at 1 to 2: "hierarchies": ["sales"]', 'one name for it');
transaction("DELETE FROM hierarchy.relationship WHERE hierarchy_id = $owner",
	'2 at 1 to 2: "hierarchies": ["owner \"x\""]', 'rows removed');
transaction("SELECT hierarchy.drop_hierarchy('owner \"x\"')", '1 at 1 to 1: "hierarchies": ["owner \"x\""]',
	'the name of one that is gone');

# too many hierarchies, too long names
$s->query("SELECT count(hierarchy.create_hierarchy('many ' || i)) FROM generate_series(1, 60) i");
my ($payload) = notified();
my @names = $payload =~ /"many \d+"/g;
is(scalar @names, 50, 'fifty hierarchies are listed');
like($payload, qr/"changes": 60,.*\], "more": true\}$/, 'and said to be more');
$s->query("SELECT count(hierarchy.create_hierarchy(rpad(i || repeat(E'\\x01', 60), 63, E'\\x01'))) FROM generate_series(1, 45) i");
($payload) = notified();
@names = $payload =~ /"\d+(?:\\u0001)+"/g;
ok(@names > 15 && @names < 45 && length($payload) < 7500 && $payload =~ /"changes": 45,.*"more": true/,
	scalar(@names) . ' long names fit in ' . length($payload) . ' bytes');
is($s->query(qq{SELECT count(*) FROM jsonb_each('$payload'::jsonb)}), 6, 'the payload is JSON');

# prepared transactions: no notification, but nothing passes them
my $seen = last_id();
sub changes { return $s->query("SELECT string_agg(new_row ->> 'name', ' ' ORDER BY change_id) FROM hierarchy.changes_since($seen)"); }
sub rename_node { return "UPDATE hierarchy.entity SET name = '$_[1]' WHERE entity_id = $_[0]"; }

$s->query('BEGIN; ' . rename_node(20, 'prepared') . "; PREPARE TRANSACTION 'one'");
$s->query(rename_node(21, 'after'));
is(scalar(notified()), 1, 'the other transaction is announced');
is(changes(), '', 'a prepared transaction holds the horizon');
$s->quit;
$listener->quit;
$node->restart;
$s = session($node);
is(changes(), '', 'also after a restart');
$node->stop('immediate');
$node->start;
$s = session($node);
is(changes(), '', 'and after a crash');
$s->query(rename_node(22, 'later'));
$s->query("COMMIT PREPARED 'one'");
is(changes(), 'prepared after later', 'all of it comes when it is committed');
$s->query('BEGIN; ' . rename_node(20, 'never') . "; PREPARE TRANSACTION 'two'; ROLLBACK PREPARED 'two'");
$s->query(rename_node(20, 'next'));
is(changes(), 'prepared after later next', 'one that is rolled back is past');
# the summary of a session that prepared is a new one
$listener = session($node);
$listener->query('LISTEN hierarchy_change');
$s->query('BEGIN; ' . rename_node(20, 'p') . "; PREPARE TRANSACTION 'three'");
transaction("BEGIN; " . rename_node(23, 'q') . "; COMMIT; COMMIT PREPARED 'three'", '1 at 1 to 1: "hierarchies": []',
	'a session that has prepared a transaction');

$listener->quit;

# lots of writers, one follower: nothing is missed, nothing comes twice
$s->query("UPDATE hierarchy.entity SET name = '0'");
$s->query(<<'SQL');
CREATE TABLE follow (change_id bigint, read int);
INSERT INTO follow SELECT max(change_id), 0 FROM hierarchy.change_log;
CREATE SEQUENCE reads;
SQL
my $start = last_id();
my $dir = PostgreSQL::Test::Utils::tempdir;
PostgreSQL::Test::Utils::append_to_file("$dir/write.sql", <<'SQL');
\set a random(1, 100)
\set b random(1, 100)
BEGIN;
UPDATE hierarchy.entity SET name = name || '.' WHERE entity_id = least(:a, :b);
UPDATE hierarchy.entity SET name = name || '.' WHERE entity_id = greatest(:a, :b);
END;
SQL
PostgreSQL::Test::Utils::append_to_file("$dir/roll.sql", <<'SQL');
\set a random(1, 100)
BEGIN;
UPDATE hierarchy.entity SET name = name || '.' WHERE entity_id = :a;
ROLLBACK;
SQL
PostgreSQL::Test::Utils::append_to_file("$dir/read.sql", <<'SQL');
WITH c AS (SELECT f.change_id FROM hierarchy.changes_since((SELECT max(change_id) FROM follow), 50) f)
INSERT INTO follow SELECT change_id, nextval('reads') FROM c;
SQL
my ($out, $err);
my @pgbench = ($node->installed_command('pgbench'), '-n', '-h', $node->host, '-p', $node->port);
my $writers = IPC::Run::start([ @pgbench, '-c', '4', '-T', '3', '-f', "$dir/write.sql\@4", '-f', "$dir/roll.sql\@1", 'postgres' ],
	'>', \$out, '2>', \$err);
my ($rout, $rerr);
my $reader = IPC::Run::run([ @pgbench, '-c', '1', '-T', '3', '-f', "$dir/read.sql", 'postgres' ], '>', \$rout, '2>', \$rerr);
ok($writers->finish, 'writers') or diag($err);
ok($reader, 'reader') or diag($rerr);
$s->query("INSERT INTO follow SELECT change_id, 0 FROM hierarchy.changes_since((SELECT max(change_id) FROM follow))");
is($s->query(<<"SQL"), '0|0|t', 'a follower among writers misses nothing');
SELECT (SELECT count(*) FROM (SELECT change_id FROM hierarchy.change_log WHERE change_id > $start EXCEPT SELECT change_id FROM follow) x),
	(SELECT count(*) - count(DISTINCT change_id) FROM follow), (SELECT count(*) > 100 FROM follow);
SQL
diag($s->query('SELECT count(*), max(read) FROM follow') . ' changes, readings');

# a standby knows nothing of what is under way
my $standby = PostgreSQL::Test::Cluster->new('feed_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $ss = session($standby);
my $count = 'SELECT count(*), max(change_id) FROM hierarchy.change_log';
is($ss->query($count), $s->query($count), 'the log is on the standby');
fails($ss, 'SELECT * FROM hierarchy.changes_since(0)', '0A000', 'but nobody can follow it there', qr/standby/);
$ss->quit;
$standby->stop;

# a dump has the log, and loading it logs nothing
my $everything = <<'SQL';
SELECT count(*), md5(string_agg(l::text, E'\n' ORDER BY change_id)) FROM hierarchy.change_log l;
SELECT last_value, is_called FROM hierarchy.change_log_change_id_seq;
SELECT count(*), md5(string_agg(e::text, E'\n' ORDER BY entity_id)) FROM hierarchy.entity e;
SELECT count(*), md5(string_agg(r::text, E'\n' ORDER BY r::text)) FROM hierarchy.relationship r;
SQL
my $before = $s->query($everything);
my @ways = ([], ['--inserts'], ['-Fc']);
foreach my $how (@{ long([ $ways[ rand @ways ] ], \@ways) })
{
	my $name = join(' ', 'dump', @$how);

	$node->command_ok([ 'pg_dump', @$how, '-f', "$dir/dump", '-d', $node->connstr('postgres') ], $name);
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS copy');
	$node->safe_psql('postgres', 'CREATE DATABASE copy');
	if ("@$how" eq '-Fc')
	{
		$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), "$dir/dump" ], "$name: restored");
	}
	else
	{
		$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-o', "$dir/out", '-f', "$dir/dump" ],
			"$name: restored");
	}
	my $c = session($node, 'copy');
	is($c->query($everything), $before, "$name: the same");
	fails($c, 'DELETE FROM hierarchy.change_log', '55000', "$name: append-only");
	$c->query(rename_node(1, 'in the copy'));
	is($c->query('SELECT count(*) FROM hierarchy.change_log'), (split /\|/, $before)[0] + 1, "$name: and it goes on");
	$c->quit;
}
# data only, into a directory that is there already, triggers and all
$node->command_ok([ 'pg_dump', '-a', '-f', "$dir/data", '-d', $node->connstr('postgres') ], 'data only');
my $c = session($node, 'copy');
$c->query(<<'SQL');
DO $$ DECLARE t regclass; BEGIN
	FOR t IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'hierarchy.change_log'::regclass LOOP
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', t);
		EXECUTE format('TRUNCATE %s', t);
	END LOOP;
END $$;
ALTER TABLE hierarchy.relationship DISABLE TRIGGER USER;
SQL
$c->query("DELETE FROM $_ WHERE true")
  foreach map { "hierarchy.$_" } qw(relationship relationship_rule);
$c->query(<<'SQL');
DO $$ DECLARE t regclass; h text; BEGIN
	FOREACH t IN ARRAY '{hierarchy.entity, hierarchy.identifier, hierarchy.hierarchy, hierarchy.entity_type}'::regclass[] LOOP
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', t);
	END LOOP;
	DELETE FROM hierarchy.hierarchy; DELETE FROM hierarchy.identifier; DELETE FROM hierarchy.entity; DELETE FROM hierarchy.entity_type;
	FOR t IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'hierarchy.change_log'::regclass LOOP
		EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', t);
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER keep_log', t);
	END LOOP;
	FOREACH t IN ARRAY '{hierarchy.entity, hierarchy.identifier, hierarchy.hierarchy, hierarchy.entity_type, hierarchy.relationship}'::regclass[] LOOP
		EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', t);
	END LOOP;
END $$;
SQL
$c->quit;
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-o', "$dir/out", '-f', "$dir/data" ],
	'data only: restored');
$c = session($node, 'copy');
is($c->query($everything), $before, 'data only: the same');
$c->quit;
$s->quit;
is(server_died($node), '', 'no crash');

done_testing();
