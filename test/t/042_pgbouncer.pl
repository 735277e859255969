# Through pgbouncer in transaction mode, where one server connection serves one
# client after the other: settings made with SET LOCAL stay with their
# transaction, graphs in memory serve everyone and everyone only as he may,
# prepared statements of the server side go on, and changes are announced to
# whoever listens on a connection of his own.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $program = (grep { -x $_ } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin')[0];

plan skip_all => 'pgbouncer is not installed' if !defined $program;

my $seed = seed();
my $node = start_node('pooled', "fsync = off\nmax_connections = 30\n");
my $direct = session($node);
my $folder = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $superuser = $direct->query('SELECT current_user');

$direct->query(<<'SQL');
ALTER DATABASE postgres SET search_path = public, hierarchy;
CREATE ROLE reader LOGIN;
CREATE ROLE stranger LOGIN;
SET search_path = public, hierarchy;
SELECT create_hierarchy('sales') \g /dev/null
INSERT INTO entity_type VALUES ('unit');
SELECT add_entity('unit', 'u' || i, 'Unit ' || i) FROM generate_series(1, 200) i \g /dev/null
SELECT assign('sales', entity_id('unit', 'u' || i), entity_id('unit', 'u' || i / 5)) FROM generate_series(5, 200) i \g /dev/null
CREATE TABLE secret (parent int, child int, owner text);
CREATE INDEX secret_graph ON secret USING hgraph (parent, child);
INSERT INTO secret SELECT 1, i, CASE i % 2 WHEN 0 THEN 'reader' ELSE 'nobody' END FROM generate_series(2, 101) i;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secret USING (owner = current_user OR owner = current_setting('app.who', true));
GRANT SELECT ON secret TO reader;
GRANT USAGE ON SCHEMA hierarchy TO reader, stranger;
SQL

# One server connection for each user: every client gets it after the other.
append_to_file("$folder/users", join '', map { qq("$_" ""\n) } $superuser, 'reader', 'stranger');
append_to_file("$folder/pgbouncer.ini", <<"INI");
[databases]
postgres = host=@{[ $node->host ]} port=@{[ $node->port ]} dbname=postgres
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $folder
auth_type = any
auth_file = $folder/users
pool_mode = transaction
default_pool_size = 1
ignore_startup_parameters = extra_float_digits
logfile = $folder/log
INI
# With this kind of authentication the pooler logs in as itself, unless the
# database names a user: so a database for each.
my $ini = slurp_file("$folder/pgbouncer.ini");
$ini =~ s/^postgres = (.*)$/join "\n", "postgres = $1 user=$superuser", "reader = $1 user=reader", "stranger = $1 user=stranger"/me;
unlink "$folder/pgbouncer.ini";
append_to_file("$folder/pgbouncer.ini", $ini);
my $pooler = IPC::Run::start([ $program, "$folder/pgbouncer.ini" ], '<', '/dev/null', '>', "$folder/out", '2>&1');

# It goes even if this test dies.
END
{
	local $?;

	eval { $pooler->kill_kill } if defined $pooler;
}

# pooled(database): a session through the pooler.
sub pooled { my ($db) = @_; return HierarchyTest::Session->new("host=$folder port=$port dbname=$db user=$superuser"); }

my $up = 0;
foreach (1 .. 100)
{
	$pooler->pump_nb;
	last if $up = system("psql -XAtq -h $folder -p $port -U $superuser -c 'SELECT 1' postgres >/dev/null 2>&1") == 0;
	select undef, undef, undef, 0.1;
}
ok($up, 'pgbouncer is up') or diag(slurp_file("$folder/out"));

my ($a, $b) = (pooled('postgres'), pooled('postgres'));
is($a->query('SELECT pg_backend_pid()'), $b->query('SELECT pg_backend_pid()'), 'two clients share one server connection');

# settings
$a->query(<<'SQL');
BEGIN;
SET LOCAL hierarchy.reason = 'because';
SET LOCAL hierarchy.request = 'T-1';
SET LOCAL hierarchy.image_memory = '2MB';
SELECT unassign('sales', entity_id('unit', 'u7'), entity_id('unit', 'u1')) \g /dev/null
COMMIT
SQL
is($b->query("SELECT current_setting('hierarchy.reason') || current_setting('hierarchy.request') || current_setting('hierarchy.image_memory')"),
	'512MB', 'SET LOCAL ends with its transaction');
$b->query("SELECT assign('sales', entity_id('unit', 'u7'), entity_id('unit', 'u1'), valid => daterange(current_date, NULL))");
is($b->query("SELECT string_agg(coalesce(reason, '-') || ' ' || coalesce(request, '-'), ', ' ORDER BY change_id)
		FROM (SELECT * FROM change_log ORDER BY change_id DESC LIMIT 2) x"), 'because T-1, - -', 'so the log says the right thing of both');
$a->query("BEGIN; SELECT set_config('hierarchy.reason', 'gone', true) \\g /dev/null\nROLLBACK");
is($b->query("SELECT current_setting('hierarchy.reason')"), '', 'after a rollback, too');

# a transaction of one at a time, and what it sees
$a->query("BEGIN; SELECT assign('sales', entity_id('unit', 'u3'), entity_id('unit', 'u200')) \\g /dev/null");
is($a->query("SELECT within('sales', entity_id('unit', 'u3'), entity_id('unit', 'u1'))"), 't', 'a change is seen by its transaction');
$a->query('ROLLBACK');
is($b->query("SELECT within('sales', entity_id('unit', 'u3'), entity_id('unit', 'u1'))"), 'f', 'and by no other client of the same connection');
fails($b, "SELECT assign('sales', entity_id('unit', 'u1'), entity_id('unit', 'u200'))", '23514', 'a cycle is refused');

# prepared on the server, by PREPARE: seen by all clients of the connection
$a->query("PREPARE below (text) AS SELECT count(*) FROM descendants('sales', entity_id('unit', \$1))");
is($b->query("EXECUTE below('u1')"), $direct->query("SELECT count(*) FROM descendants('sales', entity_id('unit', 'u1'))"),
	'a prepared statement');
$direct->query("REINDEX INDEX hierarchy.sales");
$direct->query("SELECT unassign('sales', entity_id('unit', 'u8'), entity_id('unit', 'u1'))");
is($b->query("EXECUTE below('u1')"), $direct->query("SELECT count(*) FROM descendants('sales', entity_id('unit', 'u1'))"),
	'goes on after a reindex and a change by others');

# row-level security, with a warm image, by role and by a setting
my $reader = pooled('reader');
my $count = "SELECT count(*) FROM descendants('secret', 1)";
is($a->query($count), 100, 'the owner sees all');
is($reader->query($count), 50, 'a reader what is his');
is($a->query("BEGIN; SET LOCAL ROLE reader; $count; COMMIT"), 50, 'so does who becomes him for a transaction');
is($b->query($count), 100, 'and the next client of that connection sees all again');
is($reader->query("BEGIN; SET LOCAL app.who = 'nobody'; $count; COMMIT; $count"), "100\n50", 'a policy by a setting of the transaction');
fails(pooled('stranger'), $count, '42501', 'a stranger sees nothing');

# Many clients at once, over two connections in all
my ($out, $err) = ('', '');
my $script = "$folder/work.pgbench";
append_to_file($script, <<'SQL');
\set c random(30, 200)
\set p random(1, 29)
BEGIN;
SET LOCAL hierarchy.reason = 'bench';
SELECT count(set_share) FROM (SELECT count(*) FROM descendants('sales', entity_id('unit', 'u1'))) x (set_share);
UPDATE hierarchy.relationship SET parent_id = entity_id('unit', 'u' || :p) WHERE child_id = entity_id('unit', 'u' || :c);
COMMIT;
SQL
my $clients = long(8, 40);
IPC::Run::run(
	[
		'pgbench', '-n', '-c', $clients, '-j', 2, '-t', long(10, 500), '-M', 'simple', '--random-seed', $seed, '--max-tries', 5, '-f', $script,
		"host=$folder port=$port dbname=postgres user=$superuser" ],
	'>', \$out, '2>', \$err);
my $all = $clients * long(10, 500);
like($out, qr{actually processed: $all/$all}, "$clients clients at once") or diag($err);
is($direct->query("SELECT * FROM verify('sales')"), '', 'and the graph is right');
is($direct->query("SELECT count(*) FROM change_log WHERE reason = 'bench'") > 0, 1, 'the log has their reason');

# Who listens needs a connection of his own.
$direct->query('LISTEN hierarchy_change');
$a->query("SELECT assign('sales', entity_id('unit', 'u8'), entity_id('unit', 'u1'), valid => daterange(current_date, NULL))");
like($direct->query('SELECT 1'), qr/notification "hierarchy_change"/, 'what a pooled client changes is announced');

is(server_died($node), '', 'no process crashed');
$_->quit foreach $a, $b, $reader, $direct;
$node->stop;
done_testing();
