# Views for BI, and the scan that goes from the nodes a filter names: in a
# session that has called nothing yet, with real hospitals and numbers worked
# out elsewhere, on a big graph, under rechecks, cancelled, in dumps.

use strict;
use warnings;

use HierarchyTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('bi_views', "work_mem = 64MB\nfsync = off\n");
my $s = session($node);

sub q1 { return $s->query($_[0]); }

# fresh(sql ...): output of a session of its own.
sub fresh
{
	my $new = session($node);
	my $out = join "\n", map { $new->query($_) } @_;

	$new->quit;
	return $out;
}

# --- a big graph ---------------------------------------------------------

my $nodes = 200000;

q1(<<"SQL");
SET search_path = public, hierarchy;
CREATE TABLE big AS SELECT nullif(i / 10, 0)::bigint AS parent, i::bigint AS child, 0.7::numeric AS share FROM generate_series(1, $nodes) i;
INSERT INTO big SELECT i / 10 - 3, i, 0.3 FROM generate_series(100, $nodes, 7) i;
CREATE INDEX big_graph ON big USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
CREATE TABLE dim AS SELECT i::bigint AS id, 'n' || i AS name FROM generate_series(1, $nodes) i;
CREATE UNIQUE INDEX ON dim (name);
CREATE TABLE fact AS SELECT 1 + i % $nodes AS place, 1 AS n FROM generate_series(1, 2 * $nodes) i;
VACUUM ANALYZE;
SQL

# The planner hook is there when the first query of a session is planned.
my $plan = 'EXPLAIN (COSTS OFF) SELECT * FROM hierarchy.closure(';
like(fresh("${plan}'big_graph') WHERE ancestor = 777"), qr/Hierarchy Scan.*Key: \(ancestor = 777\)/s,
	'the first query of a session goes from the key');
like(fresh('SET plan_cache_mode = force_generic_plan',
		"PREPARE p(bigint) AS SELECT * FROM hierarchy.closure('big_graph') WHERE descendant = \$1", 'EXPLAIN (COSTS OFF) EXECUTE p(1)'),
	qr/Key: \(descendant = \$1\)/, 'so does a generic plan');
like(fresh("EXPLAIN (COSTS OFF) SELECT c.* FROM dim JOIN hierarchy.closure('big_graph') c ON c.ancestor = id WHERE name = 'n777'"),
	qr/Nested Loop.*Index Scan.*Key: \(c\.ancestor = dim\.id\)/s, 'and the inner side of a nested loop');
unlike(fresh('SET hierarchy.enable_closure_scan = off', "${plan}'big_graph') WHERE ancestor = 777"), qr/Key:/,
	'unless it is switched off');
like(fresh("EXPLAIN (COSTS OFF) SELECT sum(n) FROM fact JOIN hierarchy.closure('big_graph') c ON c.descendant = place"),
	qr/Hash Join/, 'a join with all nodes hashes');
like(fresh("EXPLAIN (COSTS OFF) SELECT c.ancestor, sum(n) FROM fact JOIN hierarchy.closure('big_graph') c ON c.descendant = place
		WHERE c.ancestor = 1777 GROUP BY 1"), qr/Key: \(c?\.?ancestor = 1777\)/, 'also where facts are joined to one node');

# One node does not cost what all of them do.  (The machine may be busy for a
# moment, which counts for the shorter of the two.)
q1("SELECT count(*) FROM closure('big_graph')");
foreach my $key ('ancestor = 1777', 'descendant = 177777')
{
	my $sql = "SELECT * FROM closure('big_graph') WHERE $key";
	my ($twenty) = sort { $a <=> $b } map { milliseconds($s, "SELECT count(*) FROM generate_series(1, 20) i, LATERAL ($sql AND i > 0) x") } 1 .. 3;
	my $all = milliseconds($s, "SET hierarchy.enable_closure_scan = off; $sql");

	q1('RESET hierarchy.enable_closure_scan');
	cmp_ok($twenty, '<', $all, "$key: at least 20 times as fast");
	note("$key: $twenty ms for twenty, $all ms for all");
}

# Memory does not grow with rescans.
my $memory = q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts};
q1("SELECT count(*) FROM (SELECT id FROM dim LIMIT 1000) d CROSS JOIN LATERAL (SELECT share FROM closure('big_graph') c WHERE c.descendant = d.id OFFSET 0) x");
my $before = q1($memory);
q1(<<"SQL");
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off;
CREATE TEMP TABLE counted AS SELECT count(*) AS n, sum(c.share) AS share
	FROM (SELECT id FROM dim LIMIT 100000) d JOIN closure('big_graph') c ON c.descendant = d.id;
CREATE FUNCTION peak() RETURNS bigint LANGUAGE sql VOLATILE AS \$\$ $memory \$\$;
SQL
like(q1("EXPLAIN (COSTS OFF) SELECT count(*) FROM (SELECT id FROM dim LIMIT 100000) d JOIN closure('big_graph') c ON c.descendant = d.id"),
	qr/Nested Loop.*Key/s, '(a plan of 100,000 rescans)');
# while the query runs: seen from its last row
my $growth = q1("SELECT max(m) - min(m) FROM (SELECT CASE WHEN d.id IN (1000, 99000) THEN peak() END AS m
	FROM (SELECT id FROM dim LIMIT 100000) d JOIN closure('big_graph') c ON c.descendant = d.id AND c.depth = 0) x");
cmp_ok($growth, '<', 1024 * 1024, 'memory stays flat over 100,000 rescans');
cmp_ok(q1($memory) - $before, '<', 4 * 1024 * 1024, 'and nothing is left behind');
q1('RESET ALL; SET search_path = public, hierarchy');

# A walk can be cancelled, and the session goes on.
fails($s, "SET statement_timeout = 50; SELECT count(*) FROM generate_series(1, 100000000) g
	JOIN closure('big_graph') c ON c.ancestor = g % 10 + 1", '57014', 'a scan is cancelled');
q1('RESET statement_timeout');
is(q1("SELECT count(*) FROM closure('big_graph') WHERE ancestor = 1"),
	q1("SET hierarchy.enable_closure_scan = off; SELECT count(*) FROM closure('big_graph') WHERE ancestor = 1; RESET hierarchy.enable_closure_scan"),
	'and the next one is right');

# --- rows that change under a statement ----------------------------------

q1(<<'SQL');
CREATE TABLE move (id int PRIMARY KEY, place bigint, depth int, note text);
INSERT INTO move VALUES (1, 1777, NULL, ''), (2, 17, NULL, '');
SQL
my $other = session($node);
foreach my $to (17, 18)
{
	q1("UPDATE move SET place = 177, depth = NULL WHERE id = 1");
	$other->query("BEGIN; UPDATE move SET place = $to, note = 'x' WHERE id = 1");
	my $waiting = session($node);
	$waiting->query('SET search_path = public, hierarchy');
	$waiting->send("UPDATE move m SET depth = c.depth FROM closure('big_graph') c
		WHERE c.descendant = m.place AND c.ancestor = 17 AND m.id = 1");
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
	$other->query('COMMIT');
	$waiting->wait;
	# the row of the scan was that of place 177: it does not join any more
	is(q1('SELECT depth FROM move WHERE id = 1'), '', "rechecked against place $to");
	$waiting->quit;
}
$other->quit;

# --- real hospitals ------------------------------------------------------

SKIP:
{
	my $folder = data_folder('us_hospitals');

	skip 'no hospital data here', 1 if !defined $folder;

	my $f = JSON::PP->new->decode(slurp_file("$folder/oracle.json"))->{facts};

	q1('CREATE TABLE nodes (id text, name text, type text, address text, city text, state text, zip text, rating text, beds text);
		CREATE TABLE edges (parent text, child text, type text, valid_from text, valid_to text)');
	foreach my $file (qw(nodes edges))
	{
		my ($out, $err) = $s->try("\\copy $file FROM '$folder/$file.csv' (FORMAT csv, HEADER)");
		die $err if $err ne '';
	}
	q1(<<'SQL');
INSERT INTO entity_type (entity_type) SELECT DISTINCT type FROM nodes;
INSERT INTO entity (entity_type, code, name, attributes)
	SELECT type, id, coalesce(name, ''), jsonb_strip_nulls(jsonb_build_object('beds', beds, 'rating', rating, 'zip', zip)) FROM nodes;
SELECT create_hierarchy('places'), create_hierarchy('owners');
INSERT INTO relationship (hierarchy_id, parent_id, child_id)
	SELECT h.hierarchy_id, p.entity_id, c.entity_id
	FROM edges e JOIN hierarchy h ON h.name = CASE e.type WHEN 'located_in' THEN 'places' WHEN 'ownership' THEN 'owners' END
	JOIN entity p ON p.code = e.parent JOIN entity c ON c.code = e.child;
VACUUM ANALYZE;
SELECT create_bi_views(h, attributes => '{beds bigint,rating integer}') FROM unnest('{places,owners}'::text[]) h \g /dev/null
SQL

	# beds and hospitals of regions, states, counties
	foreach my $place (sort keys %{ $f->{geo_rollup} })
	{
		my $x = $f->{geo_rollup}{$place};

		is(q1("SELECT count(*) FILTER (WHERE e.entity_type = 'hospital'), sum(e.beds), max(e.beds)
				FROM places_tree t JOIN places_bridge b ON b.ancestor = t.node JOIN places_entity e ON e.node = b.descendant
				WHERE t.code = '$x->{id}'"), "$x->{hospitals}|$x->{beds_known}|$x->{max_beds}", "beds in $place");
	}
	foreach my $code (sort keys %{ $f->{ownership_rollup} })
	{
		my $x = $f->{ownership_rollup}{$code};

		is(q1("SELECT count(*) FILTER (WHERE e.entity_type = 'hospital'), coalesce(sum(e.beds), 0)
				FROM owners_tree t JOIN owners_bridge b ON b.ancestor = t.node JOIN owners_entity e ON e.node = b.descendant
				WHERE t.code = '$code'"), "$x->{hospitals}|$x->{beds_known}", "beds of $x->{name}");
	}
	# two hierarchies at once: one bridge each
	my $both = $f->{intersections}{south_and_proprietary};
	my $two = "FROM places_entity e JOIN places_bridge p ON p.descendant = e.node JOIN owners_bridge o ON o.descendant = e.node
		JOIN places_tree pt ON pt.node = p.ancestor JOIN owners_tree ot ON ot.node = o.ancestor
		WHERE pt.entity_type = 'region' AND pt.code = 'geo:US-south' AND ot.entity_type = 'ownership_class'
			AND ot.code = 'own:proprietary' AND e.entity_type = 'hospital'";
	is(q1("SELECT count(*), sum(e.beds) $two"), "$both->{hospitals}|$both->{beds_known}", 'beds in the South of proprietary owners');

	foreach my $h (qw(places owners))
	{
		is(q1("SELECT count(*) = count(DISTINCT node), count(*) = (SELECT nodes FROM graph_stats('hierarchy.$h')), count(*) FILTER (WHERE path IS NULL) FROM ${h}_tree"),
			't|t|0', "$h: every node once");
		# depth first: each row comes directly below its parent's rows
		is(q1("SELECT count(*) FROM (SELECT *, lag(sort_key) OVER (ORDER BY sort_key) AS before,
				(SELECT p.sort_key FROM ${h}_tree p WHERE p.node = t.parent) AS above
				FROM ${h}_tree t WHERE t.level <= 2) x WHERE parent IS NOT NULL AND NOT starts_with(before, above)"),
			'0', "$h: sorted as a printed tree");
		is(q1("SELECT count(*) FROM ${h}_tree t JOIN ${h}_levels l USING (node) WHERE array_length(string_to_array(t.path, '|'), 1) <> t.level + 1
				OR l.level1_name IS DISTINCT FROM nullif(split_part(t.path, '|', 1), '') AND l.level1_name NOT LIKE '%|%'"),
			'0', "$h: paths and levels agree");
		is(q1("SELECT sum(entities), sum(without_parent) FROM ${h}_summary"),
			q1("SELECT nodes, roots FROM graph_stats('hierarchy.$h')"), "$h: the summary adds up");
		is(q1("SELECT count(*) FROM ${h}_changes"),
			q1("SELECT count(*) FROM relationship JOIN hierarchy USING (hierarchy_id) WHERE name = '$h'"), "$h: every change is there");
		is(q1("SELECT count(*) FROM ((SELECT ancestor, descendant, depth, is_top, is_bottom FROM ${h}_bridge) EXCEPT ALL
				(SELECT c.ancestor, c.descendant, c.depth, r.node IS NOT NULL, c.is_leaf
				FROM closure('hierarchy.$h') c LEFT JOIN roots('hierarchy.$h') r ON r.node = c.ancestor)) d"),
			'0', "$h: the bridge is the closure");
	}

	# A reader with no more than the recipe gives
	q1(<<'SQL');
CREATE ROLE bi_reader LOGIN;
GRANT USAGE ON SCHEMA hierarchy TO bi_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO bi_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO bi_reader;
SQL
	is($node->safe_psql('postgres', "SELECT count(*) FROM places_tree t JOIN places_bridge b ON b.ancestor = t.node WHERE t.code = 'geo:TX'",
			connstr => $node->connstr('postgres') . ' user=bi_reader'),
		q1("SELECT count(*) FROM places_bridge b JOIN places_tree t ON t.node = b.ancestor WHERE t.code = 'geo:TX'"), 'a reader reads');

	# Views survive a dump, and work in what is restored
	my $file = $node->basedir . '/dump.sql';

	$node->command_ok([ 'pg_dump', '-f', $file, '-d', $node->connstr('postgres') ], 'dumped');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-d', $node->connstr('restored') ], 'restored');
	is($node->safe_psql('restored', "SELECT count(*), sum(e.beds) $two"), "$both->{hospitals}|$both->{beds_known}", 'the views of the copy work');
	is($node->safe_psql('restored', "SELECT count(*) FROM hierarchy.drop_bi_views('places')"), '7', 'and can be dropped there');
}

is(server_died($node), '', 'no process died');
done_testing();
