# Random transactions, by verbs and by plain statements.  What the log says was
# known at each moment is what snapshots of the tables held then; undo in
# reverse order walks back through all of them; a replay ends where they ended.
#
# HIERARCHY_HISTORY_STEPS is the number of transactions.

use strict;
use warnings;

use HierarchyTest;
use Test::More;

my $steps = $ENV{HIERARCHY_HISTORY_STEPS} || 120;
my $seed = seed();
my $node = start_node('history');
my $s = session($node);

$s->query(<<'SQL');
SET search_path = public, hierarchy;
SELECT create_hierarchy('free', share_mode => 'full'),
	create_hierarchy('tree', max_parents => 1),
	create_hierarchy('parts', share_mode => 'split', max_parents => 3, require_primary => true) \g /dev/null
INSERT INTO entity_type VALUES ('a'), ('b');
INSERT INTO relationship_type (relationship_type) VALUES ('owns'), ('leases');
INSERT INTO identifier_scheme (scheme) VALUES ('X');
INSERT INTO entity (entity_type, code, name) SELECT CASE WHEN i % 3 = 0 THEN 'b' ELSE 'a' END, 'E' || i, 'Entity ' || i
FROM generate_series(1, 40) i;

-- The rows of all tables, as they were after each step
CREATE TABLE step (n int PRIMARY KEY, at timestamptz, txid xid8, what text);
CREATE TABLE held (n int, tab text, r jsonb);
CREATE VIEW everything AS
SELECT 'entity' AS tab, to_jsonb(t) AS r FROM entity t
UNION ALL SELECT 'identifier', to_jsonb(t) FROM identifier t
UNION ALL SELECT 'hierarchy', to_jsonb(t) - 'graph' FROM hierarchy t
UNION ALL SELECT 'relationship_rule', to_jsonb(t) FROM relationship_rule t
UNION ALL SELECT 'relationship', to_jsonb(t) FROM relationship t;

CREATE FUNCTION any_entity() RETURNS bigint LANGUAGE sql VOLATILE AS
'SELECT entity_id FROM entity WHERE status = ''active'' ORDER BY random() LIMIT 1';
CREATE FUNCTION any_day() RETURNS date LANGUAGE sql VOLATILE AS
'SELECT date ''2020-01-01'' + (random() * 20)::int * 30';
CREATE FUNCTION any_days() RETURNS daterange LANGUAGE plpgsql VOLATILE AS $$
DECLARE a date := any_day(); b date := any_day();
BEGIN
	RETURN CASE WHEN random() < 0.3 THEN '(,)'::daterange WHEN random() < 0.4 THEN daterange(a, NULL)
		WHEN random() < 0.3 THEN daterange(NULL, a) ELSE daterange(least(a, b), greatest(a, b) + 1) END;
END $$;

-- One thing done; what it is comes back.
CREATE FUNCTION act() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	h text := (ARRAY['free', 'free', 'tree', 'parts'])[1 + floor(random() * 4)::int];
	c bigint := any_entity();
	p bigint := any_entity();
	r relationship%ROWTYPE;
	k int := floor(random() * 20)::int;
	n bigint;
BEGIN
	SELECT * INTO r FROM relationship WHERE random() < 0.5 ORDER BY random() LIMIT 1;
	IF r.hierarchy_id IS NOT NULL THEN
		SELECT name INTO h FROM hierarchy WHERE hierarchy_id = r.hierarchy_id;
	END IF;
	CASE
	WHEN k <= 5 THEN
		h := (ARRAY['free', 'free', 'tree', 'parts'])[1 + floor(random() * 4)::int];
		PERFORM assign(h, c, p, CASE WHEN h = 'free' AND random() < 0.7 THEN round(random()::numeric, 2) END,
			valid => any_days(), relationship_type => (ARRAY['owns', 'leases', NULL])[1 + floor(random() * 3)::int],
			reason => 'step');
		RETURN 'assign';
	WHEN k = 6 THEN
		PERFORM unassign(h, r.child_id, r.parent_id, any_day());
		RETURN 'unassign';
	WHEN k IN (7, 8, 9) THEN
		PERFORM reassign(h, r.child_id, r.parent_id, p, any_day());
		RETURN 'reassign';
	WHEN k = 10 THEN
		PERFORM set_shares(h, r.child_id, jsonb_build_object(r.parent_id, 1), any_day());
		RETURN 'set_shares';
	WHEN k = 11 THEN
		PERFORM set_primary(h, r.child_id, r.parent_id, any_day());
		RETURN 'set_primary';
	WHEN k = 12 THEN
		PERFORM reassign_children(h, r.parent_id, p, any_day());
		RETURN 'reassign_children';
	WHEN k = 13 AND random() < 0.5 THEN
		PERFORM merge_entity(c, p);
		RETURN 'merge';
	WHEN k = 14 THEN
		UPDATE relationship SET influence_level = round(random()::numeric * 10), attributes = jsonb_build_object('n', k)
			WHERE random() < 0.2;
		RETURN 'update of many';
	WHEN k = 15 THEN
		DELETE FROM relationship WHERE hierarchy_id = r.hierarchy_id AND child_id = r.child_id;
		RETURN 'delete';
	WHEN k = 16 THEN
		UPDATE entity SET name = name || '!', attributes = attributes || jsonb_build_object('k' || k, round(random()::numeric, 3))
			WHERE entity_id IN (c, p);
		RETURN 'update of entities';
	WHEN k = 17 THEN
		INSERT INTO identifier VALUES ('X', 'v' || round(random() * 40), c)
			ON CONFLICT (scheme, value) DO UPDATE SET entity_id = excluded.entity_id;
		RETURN 'identifier';
	WHEN k = 18 THEN
		n := add_entity('a', 'N' || nextval('entity_entity_id_seq'), 'New one', identifiers => jsonb_build_object('X', 'n' || random()));
		PERFORM assign('free', n, p);
		RETURN 'new entity';
	WHEN k = 19 AND random() < 0.7 THEN
		n := floor(random() * 3);
		UPDATE relationship SET parent_id = CASE WHEN n <> 1 THEN p ELSE parent_id END,
			child_id = CASE WHEN n <> 0 THEN c ELSE child_id END
			WHERE hierarchy_id = r.hierarchy_id AND child_id = r.child_id AND parent_id = r.parent_id AND valid = r.valid;
		RETURN 'update of ends';
	ELSE
		UPDATE relationship SET valid = any_days() WHERE hierarchy_id = r.hierarchy_id AND child_id = r.child_id
			AND parent_id = r.parent_id AND valid = r.valid;
		RETURN 'update of days';
	END CASE;
END $$;

CREATE PROCEDURE run(steps int) LANGUAGE plpgsql AS $$
DECLARE
	done int := 0;
	what text;
	before bigint;
BEGIN
	INSERT INTO held SELECT 0, * FROM everything;
	INSERT INTO step VALUES (0, clock_timestamp(), NULL, 'start');
	COMMIT;
	WHILE done < steps LOOP
		before := (SELECT max(change_id) FROM change_log);
		what := '';
		-- some transactions do several things
		FOR i IN 1 .. CASE WHEN random() < 0.7 THEN 1 ELSE 4 END LOOP
			BEGIN
				what := what || ' ' || act();
				SET CONSTRAINTS ALL IMMEDIATE;
				SET CONSTRAINTS ALL DEFERRED;
			EXCEPTION
				WHEN integrity_constraint_violation OR no_data_found OR invalid_parameter_value OR raise_exception
					OR null_value_not_allowed OR object_not_in_prerequisite_state OR data_exception THEN NULL;
			END;
		END LOOP;
		IF EXISTS (SELECT FROM change_log WHERE change_id > before) THEN
			done := done + 1;
			INSERT INTO held SELECT done, * FROM everything;
			INSERT INTO step VALUES (done, clock_timestamp(), pg_current_xact_id(), what);
		END IF;
		COMMIT;
	END LOOP;
END $$;

-- Is everything as it was after a step?
CREATE FUNCTION differs(step_n int) RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT count(*) FROM (
		((SELECT tab, r FROM held WHERE n = step_n) EXCEPT ALL TABLE everything)
		UNION ALL
		(TABLE everything EXCEPT ALL (SELECT tab, r FROM held WHERE n = step_n))) v $$;
SQL
$s->query("SELECT setseed(@{[ $seed / 2**32 ]}) \\g /dev/null\nCALL run($steps)");
note($s->query("SELECT what, count(*) FROM step GROUP BY 1 ORDER BY 2 DESC LIMIT 12"));
is($s->query('SELECT differs(' . $steps . ')'), '0', 'the last snapshot');
cmp_ok($s->query("SELECT count(*) FROM held WHERE n = $steps AND tab = 'relationship'"), '>', 10, 'there are relationships');

# Known at each moment, one hierarchy after the other
my $as_row = "to_jsonb(k)";
is($s->query(<<"SQL"), '0', 'known at every moment');
SELECT count(*) FROM (
	SELECT s.n, h.name, (SELECT jsonb_agg($as_row ORDER BY $as_row) FROM relationships_known_at(h.name, s.at) k) AS known,
		(SELECT jsonb_agg(r ORDER BY r) FROM held d
			WHERE d.n = s.n AND d.tab = 'relationship' AND d.r ->> 'hierarchy_id' = h.hierarchy_id::text) AS was
	FROM step s, hierarchy h) v
WHERE known IS DISTINCT FROM was
SQL

# The graphs of some
foreach my $n (map { int(rand($steps)) } 1 .. 5)
{
	is($s->query(<<"SQL"), '0', "graph as known after step $n");
WITH RECURSIVE edge AS (
	SELECT DISTINCT (r ->> 'parent_id')::bigint AS p, (r ->> 'child_id')::bigint AS c
	FROM held WHERE n = $n AND tab = 'relationship' AND r ->> 'hierarchy_id' = '1' AND (r ->> 'valid')::daterange \@> date '2020-08-01'
), expected AS (
	SELECT p AS a, c AS d FROM edge UNION SELECT x.a, e.c FROM expected x JOIN edge e ON e.p = x.d
), got AS (
	SELECT ancestor AS a, descendant AS d
	FROM closure(as_known_at('free', (SELECT at FROM step WHERE n = $n)), as_of => '2020-08-01') WHERE depth > 0
)
SELECT count(*) FROM expected FULL JOIN got USING (a, d) WHERE expected IS NULL OR got IS NULL
SQL
}

# Differences name the children that have any, and rows that were there
foreach my $i (1 .. 10)
{
	my ($n, $m) = (int(rand($steps)), int(rand($steps)));

	is($s->query(<<"SQL"), '0|0|0', "differences of steps $n and $m");
WITH a AS (SELECT r - 'label' AS r FROM held WHERE n = $n AND tab = 'relationship' AND r ->> 'hierarchy_id' = '1'),
b AS (SELECT r - 'label' AS r FROM held WHERE n = $m AND tab = 'relationship' AND r ->> 'hierarchy_id' = '1'),
gone AS (TABLE a EXCEPT TABLE b), come AS (TABLE b EXCEPT TABLE a),
got AS (SELECT * FROM compare_hierarchy('free', (SELECT at FROM step WHERE n = $n), (SELECT at FROM step WHERE n = $m)))
SELECT
	(SELECT count(*) FROM got WHERE old_row IS NOT NULL AND old_row NOT IN (TABLE gone)),
	(SELECT count(*) FROM got WHERE new_row IS NOT NULL AND new_row NOT IN (TABLE come)),
	(SELECT count(*) FROM (SELECT (r ->> 'child_id')::bigint AS c FROM (TABLE gone UNION ALL TABLE come) v) x
		WHERE c NOT IN (SELECT child_id FROM got))
SQL
}

# History can be told of all, and each change of an entity of its own is in it
is($s->query(<<'SQL'), '0', 'stories are complete');
SELECT count(*) FROM change_log c
WHERE c.table_name IN ('entity', 'identifier') AND NOT EXISTS (SELECT FROM history(c.entity_id) h WHERE h.change_id = c.change_id)
SQL
my $missed = 'SELECT count(*) FROM entity e CROSS JOIN LATERAL (
	SELECT c.change_id FROM change_log c WHERE e.entity_id IN (c.entity_id, c.parent_id)
	EXCEPT SELECT x.change_id FROM entity_changes(e.entity_id) x) v';
is($s->query($missed), '0', 'changes of relationships are found from the parent');
is($s->query("SELECT count(*) FROM entity e, history(e.entity_id) h WHERE h.event IS NULL OR h.event = ''"), '0', 'every line says something');

# The log into another database
$s->query('CREATE DATABASE replay TEMPLATE template0');
my $log = $node->basedir . '/log.copy';
$s->query("COPY (SELECT * FROM change_log) TO '$log'");
my $r = session($node, 'replay');
$r->query(<<"SQL");
CREATE EXTENSION hierarchy;
SET search_path = public, hierarchy;
CREATE TABLE log (LIKE hierarchy.change_log);
COPY log FROM '$log';
SELECT replay_changes('log') \\g /dev/null
SQL
my $all = "SELECT count(*), md5(string_agg(r::text, ',' ORDER BY r::text COLLATE \"C\")) FROM (
	SELECT to_jsonb(t) - 'graph' AS r FROM hierarchy.hierarchy t UNION ALL SELECT to_jsonb(t) FROM hierarchy.entity t
	UNION ALL SELECT to_jsonb(t) FROM hierarchy.identifier t UNION ALL SELECT to_jsonb(t) FROM hierarchy.relationship t
	UNION ALL SELECT to_jsonb(t) FROM hierarchy.relationship_type t) v";
is($r->query($all), $s->query($all), 'replayed');
is($r->query("SELECT count(*) FROM hierarchy, LATERAL check_hierarchy(name)"), '0', 'and right');
$r->quit;

# Undo: the first half of the way back change by change where the rules let a
# transaction be undone so, the rest by transaction
my ($single, $whole) = (0, 0);
my $wrong = '';
for (my $n = $steps; $n > 0; $n--)
{
	my $ids = $s->query("SELECT string_agg(change_id::text, ' ' ORDER BY change_id DESC) FROM change_log
		WHERE txid = (SELECT txid FROM step WHERE n = $n)");
	my $err = 'not tried';

	if ($n > $steps / 2)
	{
		(undef, $err) = $s->try("DO \$\$ BEGIN "
			  . join(' ', map { "PERFORM hierarchy.undo($_);" } split / /, $ids) . " END \$\$");
		$single++ if $err eq '';
	}
	if ($err ne '')
	{
		$s->query("SELECT undo_transaction(txid) FROM step WHERE n = $n");
		$whole++;
	}
	if ($s->query('SELECT differs(' . ($n - 1) . ')') ne '0')
	{
		$wrong = "after step $n: " . $s->query("SELECT what FROM step WHERE n = $n");
		last;
	}
}
is($wrong, '', 'undone step by step');
cmp_ok($single, '>', $whole / 4, "$single transactions change by change, $whole at once");
is($s->query("SELECT count(*) FROM hierarchy, LATERAL check_hierarchy(name)"), '0', 'nothing wrong at the end');
is($s->query(<<"SQL"), '0', 'known at every moment, still');
SELECT count(*) FROM (
	SELECT s.n, h.name, (SELECT jsonb_agg($as_row ORDER BY $as_row) FROM relationships_known_at(h.name, s.at) k) AS known,
		(SELECT jsonb_agg(r ORDER BY r) FROM held d
			WHERE d.n = s.n AND d.tab = 'relationship' AND d.r ->> 'hierarchy_id' = h.hierarchy_id::text) AS was
	FROM step s, hierarchy h WHERE s.n % 10 = 0) v
WHERE known IS DISTINCT FROM was
SQL

is($s->query($missed), '0', 'found from the parent, still');

$s->quit;
is(server_died($node), '', 'the server lives');
$node->stop;
done_testing();
