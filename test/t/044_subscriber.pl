# A directory at a subscriber of logical replication, made as doc/directory.md
# says: all tables in one publication, the first copy of each in whatever order
# the workers come to it, changes after that.  Neither is checked or logged again,
# as both were where they come from; what others write there is.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C' ]);
HierarchyTest::extension_conf($publisher);
$publisher->append_conf('postgresql.conf', <<'CONF');
wal_retrieve_retry_interval = 100ms
max_logical_replication_workers = 12
max_sync_workers_per_subscription = 8
max_worker_processes = 20
CONF
$publisher->start;
my $p = session($publisher);
$p->query('CREATE DATABASE sub; CREATE EXTENSION hierarchy CASCADE; SET search_path = hierarchy, public');
my $s = session($publisher, 'sub');
$s->query('CREATE EXTENSION hierarchy CASCADE; SET search_path = hierarchy, public');

$p->query(<<'SQL');
SELECT create_hierarchy('sales', share_mode => 'split', require_primary => true, type_rules => '{"account": ["organisation"]}') \g /dev/null
SELECT create_hierarchy('owners', share_mode => 'full') \g /dev/null
INSERT INTO entity (entity_type, code, name) SELECT 'organisation', 'O-' || i, 'Organisation ' || i FROM generate_series(1, 20) i;
INSERT INTO entity (entity_type, code, name) SELECT 'account', 'A-' || i, 'Account ' || i FROM generate_series(1, 200) i;
INSERT INTO identifier (scheme, value, entity_id) VALUES ('DUNS', '123456789', 1);
INSERT INTO relationship (hierarchy_id, parent_id, child_id, share, is_primary)
	SELECT 1, 1 + i % 20, 20 + i, 0.5, true FROM generate_series(1, 200) i
	UNION ALL SELECT 1, 1 + (i + 1) % 20, 20 + i, 0.5, false FROM generate_series(1, 200) i
	UNION ALL SELECT 2, i, i + 1, 0.5, false FROM generate_series(1, 19) i;
CREATE PUBLICATION directory FOR TABLE hierarchy.entity_type, hierarchy.entity, hierarchy.identifier, hierarchy.relationship_type,
	hierarchy.relationship_rule, hierarchy.relationship;
SQL
# The same hierarchies under the same numbers; types come with the copy.
$s->query("SELECT create_hierarchy('sales', share_mode => 'split', require_primary => true), create_hierarchy('owners', share_mode => 'full') \\g /dev/null");
my $logged = $s->query('SELECT count(*) FROM change_log');

# The worst order: relationships come first.  Their entities are locked out until
# the relationships are there.
my $lock = session($publisher, 'sub');
$lock->query('BEGIN; LOCK TABLE hierarchy.entity, hierarchy.entity_type IN SHARE MODE');
$p->query("SELECT pg_create_logical_replication_slot('directory', 'pgoutput') \\g /dev/null");
$s->query("CREATE SUBSCRIPTION directory CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION directory WITH (create_slot = false, slot_name = 'directory')");
my $copied = "SELECT srsubstate IN ('s', 'r') FROM pg_subscription_rel WHERE srrelid = 'hierarchy.relationship_1'::regclass";
ok($publisher->poll_query_until('sub', $copied), 'relationships are copied before their entities');
is($s->query('SELECT count(*) FROM relationship WHERE hierarchy_id = 1'), 400, '... all of them') or diag(slurp_file($publisher->logfile));
is($s->query('SELECT count(*) FROM entity'), 0, '... and no entity is there yet');
$lock->query('ROLLBACK');
$lock->quit;
$publisher->wait_for_subscription_sync($publisher, 'directory', 'sub');

# same(test): both have the same.
sub same
{
	my ($test) = @_;

	foreach my $query ((map { "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM hierarchy.$_ t" } 'entity_type', 'entity', 'identifier', 'relationship_rule', 'relationship'),
		(map { "SELECT count(*), md5(string_agg(c::text, ',' ORDER BY c::text)) FROM hierarchy.closure('$_', NULL::int8) c" } 'sales', 'owners'))
	{
		is($s->query($query), $p->query($query), "$test: $query");
	}
	is($s->query('SELECT count(*) FROM hierarchy.hierarchy h, hierarchy.verify(h.graph)'), 0, "$test: verify");
	return;
}

same('after the first copy');
is($s->query('SELECT count(*) FROM change_log'), $logged, 'nothing of it is logged at the subscriber');
is($s->query("SELECT * FROM check_hierarchy('sales') UNION ALL SELECT * FROM check_hierarchy('owners')"), '', 'no rule is broken');

# Changes after that, the ends of a relationship included
$p->query(<<'SQL');
SELECT reassign('owners', 20, 19, 5, effective => '2020-01-01') \g /dev/null
UPDATE relationship SET parent_id = 7 WHERE hierarchy_id = 2 AND child_id = 10;
UPDATE entity SET name = 'Renamed' WHERE entity_id = 30;
DELETE FROM relationship WHERE hierarchy_id = 2 AND child_id = 15;
SQL
$publisher->wait_for_catchup('directory');
same('after changes');
is($s->query('SELECT count(*) FROM change_log'), $logged, 'nor are changes logged');

# A hierarchy that comes later
$_->query("SELECT create_hierarchy('later') \\g /dev/null") foreach $p, $s;
$p->query('INSERT INTO relationship (hierarchy_id, parent_id, child_id) VALUES (3, 1, 2), (3, 2, 3)');
$s->query('ALTER SUBSCRIPTION directory REFRESH PUBLICATION');
$publisher->wait_for_subscription_sync($publisher, 'directory', 'sub');
is($s->query("SELECT node FROM hierarchy.descendants('later', 1) ORDER BY depth"), "2\n3", 'a hierarchy that is made later arrives as well');

# What others write at the subscriber is checked and logged, also what a trigger
# writes while a copy or a change arrives.
fails($s, 'INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id) VALUES (2, 1, 9999)', '23503', 'rules hold for others');
$p->query('CREATE TABLE public.feed (id bigint PRIMARY KEY); INSERT INTO public.feed VALUES (9999); CREATE PUBLICATION feeds FOR TABLE public.feed');
$s->query(<<'SQL');
CREATE TABLE public.feed (id bigint PRIMARY KEY);
CREATE TABLE public.told (message text);
CREATE FUNCTION public.enter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id) VALUES (2, 1, NEW.id);
	RETURN NEW;
EXCEPTION WHEN foreign_key_violation THEN
	INSERT INTO public.told VALUES (SQLERRM);
	RETURN NEW;
END
$$;
CREATE TRIGGER enter AFTER INSERT ON public.feed FOR EACH ROW EXECUTE FUNCTION public.enter();
ALTER TABLE public.feed ENABLE ALWAYS TRIGGER enter;
SQL
$p->query("SELECT pg_create_logical_replication_slot('feeds', 'pgoutput') \\g /dev/null");
$s->query("CREATE SUBSCRIPTION feeds CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION feeds WITH (create_slot = false, slot_name = 'feeds')");
$publisher->wait_for_subscription_sync($publisher, 'feeds', 'sub');
is($s->query('SELECT * FROM told'), 'entity 9999 does not exist', 'rules hold for what a trigger writes during a first copy');
$p->query('INSERT INTO public.feed VALUES (9998)');
$publisher->wait_for_catchup('feeds');
is($s->query('SELECT count(*) FROM told'), 2, '... and while changes arrive');

$s->query('DROP SUBSCRIPTION feeds; DROP SUBSCRIPTION directory');
$_->quit foreach $p, $s;
is(server_died($publisher), '', 'no process has died');
$publisher->stop;
done_testing();
