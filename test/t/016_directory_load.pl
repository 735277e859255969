# The directory under load: clients that assign, unassign, reassign, merge, undo
# and write the tables at random, most of it wrong.  Afterwards plain SQL looks
# for anything that must not be, and the log must add up to what is there.
#
# HIERARCHY_LOAD_SECONDS (8), HIERARCHY_LOAD_CLIENTS (2), HIERARCHY_SEED

use strict;
use warnings;

use HierarchyTest;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

plan skip_all => 'no pgbench here' if !grep { -x "$_/pgbench" } split /:/, $ENV{PATH};

my $seconds = $ENV{HIERARCHY_LOAD_SECONDS} || 8;
my $clients = $ENV{HIERARCHY_LOAD_CLIENTS} || 2;
my $seed = seed();
my $node = start_node('load', "deadlock_timeout = 100ms\nfsync = off\nmax_connections = 30\n");
my $s = session($node);

sub q1 { return $s->query($_[0]); }

# no_rows(sql, name): a query that shows what is wrong.
sub no_rows
{
	my ($sql, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(q1("SELECT * FROM ($sql) x LIMIT 5"), '', $name);
	return;
}

# differ(a, b): rows of one query that the other does not give, both ways.
sub differ
{
	my ($x, $y) = @_;

	return "(($x) EXCEPT ALL ($y)) UNION ALL (($y) EXCEPT ALL ($x))";
}

$s->query(<<'SQL');
CREATE SCHEMA load;
SET search_path = load, hierarchy;
SELECT create_hierarchy('load_split', share_mode => 'split', max_parents => 4, require_primary => true,
	type_rules => '{"low": ["mid", "top"], "mid": ["mid", "top"]}');
SELECT create_hierarchy('load_plain', max_parents => 2, relationship_types => '{sells,serves}',
	validity => daterange(current_date - 1000, current_date + 1000), type_rules =>
	'[{"child": "low", "parent": "mid"}, {"child": "low", "parent": "top", "max_parents": 1}, {"child": "mid", "parent": "mid"},
	  {"child": "mid", "parent": "top"}]');
SELECT create_hierarchy('load_free', share_mode => 'full');
INSERT INTO identifier_scheme VALUES ('load', 'any number', '[0-9]+');
INSERT INTO entity (entity_type, code, name)
	SELECT type, type || '-' || n, type || ' number ' || n
	FROM (VALUES ('top', 15), ('mid', 40), ('low', 100)) t(type, many), generate_series(1, many) n;

-- What the clients did, and how it ended: an SQLSTATE, or nothing
CREATE TABLE outcome (kind text, sqlstate text, constraint_name text, message text, detail text, hint text, context text);

CREATE FUNCTION some_entity(type text DEFAULT NULL, state text DEFAULT 'active') RETURNS bigint LANGUAGE sql AS $$
	SELECT entity_id FROM hierarchy.entity WHERE entity_type = coalesce(type, entity_type)
	AND (status = state OR random() < 0.02) ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION some_row(h int) RETURNS hierarchy.relationship LANGUAGE sql AS $$
	SELECT * FROM hierarchy.relationship WHERE hierarchy_id = h ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION some_day() RETURNS date LANGUAGE sql AS $$
	SELECT current_date + 90 * (floor(random() * 16)::int - 8) $$;
CREATE FUNCTION some_range() RETURNS daterange LANGUAGE sql AS $$
	SELECT CASE WHEN random() < 0.4 THEN NULL
		ELSE daterange(d, CASE WHEN random() < 0.5 THEN d + 90 * (1 + floor(random() * 8)::int) END) END
	FROM load.some_day() d $$;

-- One action; what rules refuse is caught and kept.  Rules of the end of a
-- transaction are asked for at once.
CREATE FUNCTION act(k int, r int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	o     load.outcome;
	h     hierarchy.hierarchy;
	row   hierarchy.relationship;
	type  text;
	child bigint;
	other bigint;
	state text;
	x     bigint;
BEGIN
	PERFORM setseed((r % 1000000) / 1000000.0);
	SELECT * INTO h FROM hierarchy.hierarchy WHERE name LIKE 'load\_%' ORDER BY name NOT IN ('load_split', 'load_plain', 'load_free'), random() LIMIT 1;
	row := load.some_row(h.hierarchy_id);
	type := CASE WHEN random() < 0.3 THEN 'mid' ELSE 'low' END;
	child := load.some_entity(type);
	other := load.some_entity(CASE WHEN random() < 0.5 THEN 'mid' WHEN random() < 0.9 THEN 'top' ELSE 'low' END);
	o.kind := CASE WHEN k <= 18 THEN 'assign' WHEN k <= 28 THEN 'unassign' WHEN k <= 46 THEN 'reassign' WHEN k <= 50 THEN 'merge_entity'
		WHEN k <= 54 THEN 'set_shares' WHEN k <= 58 THEN 'set_primary' WHEN k <= 62 THEN 'reassign_many' WHEN k <= 64 THEN 'reassign_children'
		WHEN k <= 69 THEN 'add_entity' WHEN k <= 72 THEN 'set_entity_status' WHEN k <= 75 THEN 'undo' WHEN k <= 76 THEN 'undo_transaction'
		WHEN k <= 82 THEN 'insert' WHEN k <= 89 THEN 'update' WHEN k <= 93 THEN 'delete' WHEN k <= 95 THEN 'entity' WHEN k <= 97 THEN 'identifier'
		WHEN k <= 98 THEN 'hierarchy' WHEN k <= 99 THEN 'rule' ELSE 'preview' END;
	BEGIN
		CASE o.kind
		WHEN 'assign' THEN
			IF h.share_mode <> 'split' OR random() < 0.3 THEN
				PERFORM hierarchy.assign(h.name, child, other, share => CASE WHEN h.share_mode = 'full' THEN round(random()::numeric, 2) END,
					relationship_type => CASE WHEN h.name = 'load_plain' THEN (ARRAY['sells', 'serves'])[1 + floor(random() * 2)::int] END,
					valid => load.some_range(), reason => 'load');
			ELSE
				-- a second parent takes part of the first one's share
				SELECT * INTO row FROM hierarchy.relationship r WHERE r.hierarchy_id = h.hierarchy_id AND r.share > 0 ORDER BY random() LIMIT 1;
				UPDATE hierarchy.relationship r SET share = r.share - round(row.share / 2, 3)
				WHERE r.hierarchy_id = row.hierarchy_id AND r.child_id = row.child_id AND r.parent_id = row.parent_id AND r.valid = row.valid;
				PERFORM hierarchy.assign(h.name, row.child_id, other, share => round(row.share / 2, 3), valid => row.valid);
			END IF;
		WHEN 'unassign' THEN
			IF h.share_mode = 'split' THEN
				SELECT r.parent_id INTO other FROM hierarchy.relationship r WHERE r.hierarchy_id = row.hierarchy_id AND r.child_id = row.child_id
					AND r.parent_id <> row.parent_id ORDER BY r.is_primary DESC LIMIT 1;
				PERFORM hierarchy.unassign(h.name, row.child_id, row.parent_id, current_date);
				IF other IS NOT NULL THEN
					PERFORM hierarchy.set_shares(h.name, row.child_id, jsonb_build_object(other, 1), current_date);
				END IF;
			ELSE
				PERFORM hierarchy.unassign(h.name, row.child_id, row.parent_id, CASE WHEN random() < 0.5 THEN load.some_day() END, 'load');
			END IF;
		WHEN 'reassign' THEN
			PERFORM hierarchy.reassign(h.name, row.child_id, CASE WHEN random() < 0.9 THEN row.parent_id END, other,
				CASE WHEN random() < 0.6 THEN load.some_day() END, 'load');
		WHEN 'merge_entity' THEN
			PERFORM hierarchy.merge_entity(child, load.some_entity(type), 'load');
		WHEN 'set_shares' THEN
			PERFORM hierarchy.set_shares(h.name, row.child_id,
				(SELECT jsonb_object_agg(parent_id, CASE WHEN i = 1 THEN 1 - 0.1 * (n - 1) ELSE 0.1 END) FROM
					(SELECT parent_id, row_number() OVER () AS i, count(*) OVER () AS n FROM hierarchy.relationship r
					 WHERE r.hierarchy_id = row.hierarchy_id AND r.child_id = row.child_id AND r.valid @> current_date) p), current_date);
		WHEN 'set_primary' THEN
			PERFORM hierarchy.set_primary(h.name, row.child_id, row.parent_id, greatest(lower(row.valid), current_date));
		WHEN 'reassign_many' THEN
			PERFORM hierarchy.reassign_many(h.name, (SELECT jsonb_agg(jsonb_build_object('child', child_id, 'from', parent_id, 'to', other))
				FROM (SELECT child_id, parent_id FROM hierarchy.relationship r WHERE r.hierarchy_id = h.hierarchy_id AND r.valid @> current_date
					  AND r.parent_id <> other ORDER BY random() LIMIT 2) r), current_date, 'load');
		WHEN 'reassign_children' THEN
			PERFORM hierarchy.reassign_children(h.name, row.parent_id, other, current_date, 'load');
		WHEN 'add_entity' THEN
			x := hierarchy.add_entity(type, 'new-' || gen_random_uuid(), 'a new one', reason => 'load');
			PERFORM hierarchy.assign(h.name, x, other, is_primary => true, share => CASE h.share_mode WHEN 'none' THEN NULL ELSE 1 END,
				relationship_type => CASE WHEN h.name = 'load_plain' THEN 'sells' END);
		WHEN 'set_entity_status' THEN
			state := CASE WHEN random() < 0.3 THEN 'inactive' ELSE 'active' END;
			IF state = 'inactive' THEN
				-- mostly one that nothing hangs on
				SELECT coalesce((SELECT entity_id FROM hierarchy.entity WHERE status = 'active' AND random() < 0.8 AND entity_id NOT IN
					(SELECT unnest(ARRAY[child_id, parent_id]) FROM hierarchy.relationship) ORDER BY random() LIMIT 1), child) INTO child;
			END IF;
			PERFORM hierarchy.set_entity_status(CASE state WHEN 'active' THEN coalesce(load.some_entity(NULL, 'inactive'), child) ELSE child END, state, 'load');
		WHEN 'undo' THEN
			PERFORM hierarchy.undo(change_id, 'load') FROM (SELECT change_id FROM hierarchy.change_log ORDER BY change_id DESC LIMIT 20) c ORDER BY random() LIMIT 1;
		WHEN 'undo_transaction' THEN
			PERFORM hierarchy.undo_transaction(txid, 'load') FROM (SELECT DISTINCT txid FROM (SELECT txid FROM hierarchy.change_log ORDER BY change_id DESC LIMIT 20) c) t
				ORDER BY random() LIMIT 1;
		WHEN 'insert' THEN
			INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, share, valid, is_primary)
			SELECT h.hierarchy_id, other, e, CASE h.share_mode WHEN 'split' THEN 1 WHEN 'full' THEN 0.3 END,
				CASE WHEN h.name = 'load_plain' THEN h.validity * coalesce(load.some_range(), '(,)') ELSE coalesce(load.some_range(), '(,)') END,
				h.share_mode = 'split' OR random() < 0.3
			FROM (SELECT load.some_entity(type) AS e FROM generate_series(1, 1 + floor(random() * 2)::int)) x;
		WHEN 'update' THEN
			UPDATE hierarchy.relationship r SET
				parent_id = CASE WHEN k = 83 THEN other ELSE r.parent_id END,
				child_id = CASE WHEN k = 84 THEN child ELSE r.child_id END,
				valid = CASE WHEN k IN (85, 86) THEN coalesce(load.some_range(), r.valid) ELSE r.valid END,
				share = CASE WHEN k = 87 THEN round(random()::numeric, 1) ELSE r.share END,
				is_primary = CASE WHEN k = 88 THEN NOT r.is_primary ELSE r.is_primary END,
				attributes = CASE WHEN k = 89 THEN jsonb_build_object('k', random()) ELSE r.attributes END
			WHERE random() < CASE WHEN k = 89 THEN 0.03 ELSE 0.005 END;
		WHEN 'delete' THEN
			DELETE FROM hierarchy.relationship r WHERE r.hierarchy_id = row.hierarchy_id AND r.child_id = row.child_id
				AND (h.share_mode = 'split' OR r.parent_id = row.parent_id);
		WHEN 'entity' THEN
			UPDATE hierarchy.entity SET name = name || '!', entity_type = CASE WHEN random() < 0.2 THEN 'mid' ELSE entity_type END,
				attributes = attributes || jsonb_build_object('a', random()) WHERE entity_id = child;
			DELETE FROM hierarchy.entity e WHERE entity_id = load.some_entity() AND (random() < 0.1 OR NOT exists
				(SELECT FROM hierarchy.relationship r WHERE e.entity_id IN (r.child_id, r.parent_id)));
		WHEN 'identifier' THEN
			INSERT INTO hierarchy.identifier VALUES ('load', floor(random() * 300)::text, child)
				ON CONFLICT (scheme, value) DO UPDATE SET entity_id = excluded.entity_id;
			DELETE FROM hierarchy.identifier WHERE scheme = 'load' AND random() < 0.02;
		WHEN 'hierarchy' THEN
			UPDATE hierarchy.hierarchy SET max_parents = 1 + floor(random() * 4)::int, require_primary = random() < 0.5, description = 'now ' || random()
				WHERE hierarchy_id = h.hierarchy_id;
		WHEN 'rule' THEN
			IF random() < 0.5 THEN
				INSERT INTO hierarchy.relationship_rule VALUES (h.hierarchy_id, 'low', 'low', 1) ON CONFLICT DO NOTHING;
			ELSE
				DELETE FROM hierarchy.relationship_rule WHERE hierarchy_id = h.hierarchy_id AND child_type = 'low' AND random() < 0.5;
			END IF;
		WHEN 'preview' THEN
			PERFORM hierarchy.preview_reassign(h.name, row.child_id, row.parent_id, other, current_date);
		END CASE;
		SET CONSTRAINTS ALL IMMEDIATE;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS o.sqlstate = RETURNED_SQLSTATE, o.constraint_name = CONSTRAINT_NAME, o.message = MESSAGE_TEXT,
			o.detail = PG_EXCEPTION_DETAIL, o.hint = PG_EXCEPTION_HINT, o.context = PG_EXCEPTION_CONTEXT;
	END;
	SET CONSTRAINTS ALL DEFERRED;
	INSERT INTO load.outcome SELECT o.*;
END $$;
SQL

# Something to begin with: a tree in each hierarchy
$s->query(<<'SQL');
INSERT INTO relationship (hierarchy_id, parent_id, child_id, relationship_type, share, valid, is_primary)
	SELECT hierarchy_id, p.entity_id, c.entity_id, CASE h.name WHEN 'load_plain' THEN 'sells' END,
		CASE share_mode WHEN 'none' THEN NULL ELSE 1 END, validity, true
	FROM hierarchy h, entity c JOIN entity p ON p.entity_type = CASE c.entity_type WHEN 'low' THEN 'mid' ELSE 'top' END
		AND p.code = p.entity_type || '-' || 1 + (7 * split_part(c.code, '-', 2)::int) % 15
	WHERE c.entity_type <> 'top';
SELECT setval(pg_get_serial_sequence('entity', 'entity_id'), 1000);
ANALYZE entity, relationship;
SQL

# ---- the load ----

my $ear = session($node);
my $feed = session($node);
my $raw = session($node);
my %ids = map { split /\|/, $_, 2 } split /\n/, q1('SELECT name, hierarchy_id FROM hierarchy');

$ear->query('LISTEN hierarchy_change');
$feed->query(<<'SQL');
CREATE TABLE load.seen (change_id bigint, poll bigint);
CREATE SEQUENCE load.poll;
INSERT INTO load.seen SELECT change_id, 0 FROM hierarchy.change_log;
PREPARE poll AS INSERT INTO load.seen SELECT change_id, (SELECT nextval('load.poll'))
	FROM hierarchy.changes_since((SELECT coalesce(max(change_id), 0) FROM load.seen));
SQL
my $begun = q1('SELECT max(change_id) FROM change_log');

my $scripts = $node->basedir;
append_to_file("$scripts/one.sql", "\\set k random(1, 100)\n\\set r random(1, 1000000000)\nSELECT load.act(:k, :r);\n");
append_to_file("$scripts/three.sql", "BEGIN;\n"
	  . "\\set k random(1, 100)\n\\set r random(1, 1000000000)\nSELECT load.act(:k, :r);\n" x 3 . "COMMIT;\n");
append_to_file("$scripts/repeatable.sql", "BEGIN ISOLATION LEVEL REPEATABLE READ;\n"
	  . "\\set k random(1, 100)\n\\set r random(1, 1000000000)\nSELECT load.act(:k, :r);\n" x 2 . "COMMIT;\n");
append_to_file("$scripts/savepoint.sql", "BEGIN;\n\\set k random(1, 100)\n\\set r random(1, 1000000000)\n"
	  . "SAVEPOINT a;\nSELECT load.act(:k, :r);\nROLLBACK TO a;\nSELECT load.act(:k, :r + 1);\nROLLBACK;\n");

my ($bench_out, $bench_err) = ('', '');
my $bench = IPC::Run::start(
	[
		'pgbench', '-n', '-c', $clients, '-j', $clients, '-T', $seconds, "--random-seed=$seed",
		'-f', "$scripts/one.sql\@7", '-f', "$scripts/three.sql\@2", '-f', "$scripts/repeatable.sql\@2",
		'-f', "$scripts/savepoint.sql\@1", $node->connstr('postgres') ],
	'<', \undef, '>', \$bench_out, '2>', \$bench_err);

# plain(): a statement as an application may send it, nothing caught.
sub plain
{
	my $h = $ids{ (qw(load_split load_plain load_free))[ int rand 3 ] };
	my $which = int rand 10;
	my $row = "(child_id, parent_id, valid) = (SELECT child_id, parent_id, valid FROM load.some_row($h))";

	return "INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, share, is_primary, valid)
		SELECT $h, load.some_entity(), load.some_entity(), CASE WHEN random() < 0.7 THEN round(random()::numeric, 1) END,
			random() < 0.5, coalesce(load.some_range(), '(,)') FROM generate_series(1, 2)"
	  if $which == 0;
	return "UPDATE hierarchy.relationship SET share = share / 2 WHERE hierarchy_id = $h AND $row" if $which == 1;
	return "UPDATE hierarchy.relationship_$h SET parent_id = load.some_entity('mid') WHERE $row" if $which == 2;
	return "UPDATE hierarchy.relationship SET is_primary = NOT is_primary WHERE hierarchy_id = $h AND $row" if $which == 3;
	return "DELETE FROM hierarchy.relationship_$h WHERE $row" if $which == 4;
	return "SELECT hierarchy.assign('load_split', load.some_entity('low'), load.some_entity('mid'), 0.5)" if $which == 5;
	return "SELECT hierarchy.reassign('load_split', child_id, parent_id, load.some_entity('mid')) FROM load.some_row($ids{load_split})" if $which == 6;
	return "SELECT hierarchy.merge_entity(load.some_entity('low'), load.some_entity('low'))" if $which == 7;
	return "TRUNCATE hierarchy.relationship_$ids{load_free}" if $which == 8 && rand() < 0.1;
	return "UPDATE hierarchy.relationship SET valid = coalesce(load.some_range(), valid), attributes = '{\"x\": 1}' WHERE hierarchy_id = $h AND $row";
}

my (%raw, $chunks);
my $end = time() + $seconds;
my $heard = '';
my $temporary = 0;
while (time() < $end - 0.5)
{
	my @script;

	foreach (1 .. 4)
	{
		push @script, 'BEGIN' . (rand() < 0.2 ? ' ISOLATION LEVEL SERIALIZABLE' : rand() < 0.2 ? ' ISOLATION LEVEL REPEATABLE READ' : '');
		push @script, 'SAVEPOINT a', plain(), rand() < 0.5 ? 'ROLLBACK TO a' : 'RELEASE a' if rand() < 0.2;
		push @script, plain() foreach 1 .. 1 + int rand 2;
		push @script, rand() < 0.9 ? 'COMMIT' : 'ROLLBACK';
	}
	push @script, "COPY hierarchy.relationship (hierarchy_id, parent_id, child_id, share, is_primary) FROM STDIN;\n"
	  . join("\t", $ids{load_split}, 16 + int rand 40, 60 + int rand 90, 1, 't') . "\n\\.\nSELECT 1"
	  if rand() < 0.5;
	if (++$chunks % 10 == 0)
	{
		my $name = 'passing_' . ++$temporary;

		push @script, "SELECT hierarchy.create_hierarchy('$name')",
		  "SELECT hierarchy.assign('$name', load.some_entity('low'), load.some_entity('top')) FROM generate_series(1, 3)",
		  "SELECT hierarchy.rename_hierarchy('$name', '${name}_by')",
		  "SELECT hierarchy.drop_hierarchy('${name}_by', true)" . (rand() < 0.5 ? '' : " WHERE false");
	}
	my (undef, $err) = $raw->try(join ";\n", @script);
	# (A client may just have undone that one was made.)
	$err =~ s/ERROR:  42704: hierarchy "passing_//g;
	$raw{$_}++ foreach $err =~ /^psql:.*?ERROR:  (\w{5}):/mg;
	note($err) if $err =~ /ERROR:  (XX|22P|42|0A|P0001|P0004)/;
	$feed->query('EXECUTE poll');
	$heard .= $ear->query('SELECT 1') . "\n" if $chunks % 5 == 0;
	last if !$bench->pumpable;
	$bench->pump_nb;
}
$bench->finish;
$raw->query('ROLLBACK');
is(join("\n", grep { /error|aborted|FATAL|PANIC/ } split /\n/, $bench_err), '', 'no client gave up');
my ($done) = $bench_out =~ /transactions actually processed: (\d+)/;
$feed->query('EXECUTE poll');
$heard .= $ear->query('SELECT 1');

diag("$done transactions of $clients clients in $seconds s, $chunks rounds of plain statements, "
	  . q1("SELECT count(*) FROM change_log WHERE change_id > $begun") . ' changes, '
	  . q1('SELECT count(*) FROM relationship') . ' relationships in the end');
note(q1("SELECT kind, count(*), count(*) FILTER (WHERE sqlstate IS NULL) AS good FROM outcome GROUP BY 1 ORDER BY 1"));
note(q1("SELECT sqlstate, nullif(constraint_name, ''), count(*), min(message), max(detail) FROM outcome WHERE sqlstate IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC"));
note('plain statements: ' . join ' ', map { "$_ $raw{$_}" } sort keys %raw);

# ---- how it ended ----

no_rows(q{SELECT kind, sqlstate, constraint_name, count(*), min(message), min(detail), min(context) FROM outcome
	WHERE sqlstate NOT IN ('23514', '23P01', '23503', '23505', 'P0002', '22004', '22023', '55000', '40001', '40P01') GROUP BY 1, 2, 3},
	'nothing is refused but by rules, and by other transactions');
no_rows(q{SELECT kind, sqlstate, constraint_name, count(*), min(message), min(detail) FROM outcome WHERE sqlstate IN ('23514', '23P01', '23503', '23505')
	AND constraint_name !~ '^(relationship_(parent_id|child_id|relationship_type)_fkey|relationship_(active|rule|type|validity|share_mode|max_parents|primary|require_primary|share_sum|share|self|valid)_check|relationship_valid_excl|entity_active_check|entity_pkey|entity_(merged_into_fkey|merged_into_check|entity_type_code_key)|identifier_(pkey|entity_id_fkey)|relationship_\d+_pkey|relationship_rule_pkey|load_\w+)$'
	GROUP BY 1, 2, 3}, 'each by a rule with a known name');
no_rows(q{SELECT kind, sqlstate, constraint_name, min(message) FROM outcome WHERE sqlstate IN ('23514', '23P01') AND coalesce(detail, '') = ''
	AND constraint_name !~ '^(|relationship_self_check)$' GROUP BY 1, 2, 3}, 'with a detail');
is(join(' ', grep { !/^(?:23|P0002|22004|22023|25P02|40001|40P01|55000|55006)/ } keys %raw), '', 'plain statements likewise');
no_rows("SELECT kind FROM outcome GROUP BY 1 HAVING count(*) > 100 AND count(*) FILTER (WHERE sqlstate IS NULL) = 0", 'all of them succeed at times');
cmp_ok(q1("SELECT count(DISTINCT constraint_name) FROM outcome"), '>=', 9, 'many rules had to refuse');

# ---- what must hold, by plain SQL ----

# Between two of these days nothing begins or ends.
$s->query(<<'SQL');
CREATE TABLE day AS SELECT DISTINCT hierarchy_id, day FROM (
	SELECT hierarchy_id, lower(valid) AS day FROM relationship UNION ALL
	SELECT hierarchy_id, upper(valid) FROM relationship UNION ALL
	SELECT hierarchy_id, '0001-01-01' FROM hierarchy UNION ALL
	SELECT hierarchy_id, '4000-01-01' FROM hierarchy) d WHERE day IS NOT NULL;
CREATE TABLE on_day AS SELECT day, r.* FROM relationship r JOIN day ON day.hierarchy_id = r.hierarchy_id AND day.day <@ r.valid;
CREATE INDEX ON on_day (hierarchy_id, day, child_id);
ANALYZE on_day;
SQL
cmp_ok(q1('SELECT count(*) FROM on_day'), '>', 500, 'enough is left to look at');
no_rows(q{WITH RECURSIVE up(h, day, a, z) AS (SELECT hierarchy_id, day, child_id, parent_id FROM on_day
	UNION SELECT h, up.day, a, parent_id FROM up JOIN on_day ON hierarchy_id = h AND on_day.day = up.day AND child_id = z)
	SELECT * FROM up WHERE a = z}, 'no cycle on any day');
no_rows(q{SELECT * FROM relationship a JOIN relationship b ON a.hierarchy_id = b.hierarchy_id AND a.child_id = b.child_id
	AND a.parent_id = b.parent_id AND a.valid && b.valid AND (a.valid, a.tableoid, a.ctid) <> (b.valid, b.tableoid, b.ctid)},
	'no pair twice on one day');
no_rows(q{SELECT * FROM relationship r WHERE NOT exists(SELECT FROM entity WHERE entity_id = child_id)
	OR NOT exists(SELECT FROM entity WHERE entity_id = parent_id)}, 'all entities exist');
no_rows(q{SELECT * FROM relationship r JOIN entity e ON e.entity_id IN (child_id, parent_id)
	WHERE status <> 'active' AND coalesce(upper(valid) > current_date, true)}, 'and are active');
no_rows(q{SELECT * FROM relationship r JOIN hierarchy h USING (hierarchy_id) JOIN entity c ON c.entity_id = child_id JOIN entity p ON p.entity_id = parent_id
	WHERE exists(SELECT FROM relationship_rule u WHERE u.hierarchy_id = h.hierarchy_id) AND NOT exists(SELECT FROM relationship_rule u
		WHERE u.hierarchy_id = h.hierarchy_id AND u.child_type = c.entity_type AND u.parent_type = p.entity_type)}, 'type under type');
no_rows(q{SELECT * FROM relationship r JOIN hierarchy h USING (hierarchy_id) WHERE relationship_type <> ALL (relationship_types)
	OR NOT r.valid <@ h.validity OR isempty(r.valid) OR share_mode = 'none' AND share IS NOT NULL OR share NOT BETWEEN 0 AND 1},
	'relationship types, validity and shares as the hierarchy wants');
no_rows(q{SELECT hierarchy_id, day, child_id, count(*) FROM on_day JOIN hierarchy USING (hierarchy_id)
	GROUP BY 1, 2, 3, max_parents HAVING count(*) > max_parents}, 'no more parents than allowed');
no_rows(q{SELECT d.hierarchy_id, day, child_id, p.entity_type FROM on_day d JOIN entity c ON c.entity_id = child_id JOIN entity p ON p.entity_id = parent_id
	JOIN relationship_rule u ON u.hierarchy_id = d.hierarchy_id AND child_type = c.entity_type AND parent_type = p.entity_type
	GROUP BY 1, 2, 3, 4, u.max_parents HAVING count(*) > u.max_parents}, 'nor of one type');
no_rows(q{SELECT hierarchy_id, day, child_id FROM on_day GROUP BY 1, 2, 3 HAVING count(*) FILTER (WHERE is_primary) > 1}, 'one primary parent');
no_rows(q{SELECT hierarchy_id, day, child_id FROM on_day JOIN hierarchy USING (hierarchy_id) WHERE require_primary
	GROUP BY 1, 2, 3 HAVING NOT bool_or(is_primary)}, 'and one where it must be');
no_rows(q{SELECT hierarchy_id, day, child_id, sum(share) FROM on_day JOIN hierarchy USING (hierarchy_id) WHERE share_mode = 'split'
	GROUP BY 1, 2, 3 HAVING abs(sum(share) - 1) > 0.000001 OR count(*) <> count(share)}, 'shares sum to 1');
no_rows(q{SELECT * FROM entity e WHERE status = 'merged' AND NOT exists(SELECT FROM entity i WHERE i.entity_id = e.merged_into)}, 'what is merged is merged into something');
no_rows("SELECT name, c.* FROM hierarchy, check_hierarchy(name) c", 'check_hierarchy agrees');
no_rows("SELECT name, v.* FROM hierarchy, verify(graph) v", 'and verify');
no_rows(differ('SELECT hierarchy_id, day, parent_id, child_id FROM on_day',
		'SELECT hierarchy_id, day, ancestor, descendant FROM hierarchy h JOIN day USING (hierarchy_id),
			LATERAL closure(h.graph, NULL::bigint, as_of => day, max_depth => 1) WHERE depth = 1'),
	'the graphs say what the rows say');

# ---- the log ----

my @tables = qw(entity_type entity identifier_scheme identifier relationship_type hierarchy relationship_rule relationship);

# An image of a row; the graph is written by its name, which may change, and the
# label follows from the type.
sub images
{
	return join ' UNION ALL ', map { "SELECT '$_'::text AS table_name, to_jsonb(t) - 'label' - 'graph' AS image FROM $_ t" } @tables;
}

# The schemes that come with the extension were never changes.
my $built_in = q{SELECT 'identifier_scheme', to_jsonb(i) FROM identifier_scheme i WHERE scheme IN ('DUNS', 'NPI', 'LEI')};
$s->query(<<'SQL');
CREATE TABLE step AS
	SELECT change_id, table_name, old_row - 'label' - 'graph' AS image, -1 AS n FROM change_log WHERE old_row IS NOT NULL
	UNION ALL SELECT change_id, table_name, new_row - 'label' - 'graph', 1 FROM change_log WHERE new_row IS NOT NULL;
SQL
no_rows(differ(images(), "SELECT table_name, image FROM step GROUP BY 1, 2 HAVING sum(n) > 0 UNION ALL $built_in"),
	'new rows less old rows are the rows that are there');
no_rows('SELECT table_name, image, sum(n) FROM step GROUP BY 1, 2 HAVING sum(n) NOT IN (0, 1)', 'each of them once');
no_rows('SELECT * FROM (SELECT *, sum(n) OVER (PARTITION BY table_name, image ORDER BY change_id, n DESC) AS rows FROM step) x WHERE rows < 0',
	'at every change the old row was there');
no_rows(q{SELECT change_id, operation FROM change_log WHERE (operation IN ('INSERT', 'UPDATE')) <> (new_row IS NOT NULL)
	OR (operation = 'INSERT') <> (old_row IS NULL) OR old_row::text = new_row::text}, 'operations have the images that they should');
no_rows("SELECT * FROM change_log WHERE table_name = 'relationship' AND (entity_id, parent_id, hierarchy_id) IS DISTINCT FROM
	((coalesce(new_row, old_row) ->> 'child_id')::bigint, (coalesce(new_row, old_row) ->> 'parent_id')::bigint,
	 (coalesce(new_row, old_row) ->> 'hierarchy_id')::int)", 'and the columns to find them by');
no_rows("SELECT name FROM hierarchy WHERE array(SELECT to_jsonb(r) FROM relationships_known_at(name, clock_timestamp()) r ORDER BY 1)
		<> array(SELECT to_jsonb(r) FROM relationship r WHERE r.hierarchy_id = hierarchy.hierarchy_id ORDER BY 1)",
	'what is known now is what is there');
fails($s, 'DELETE FROM change_log', '55000', 'the log is there to stay');

# The feed missed nothing, and came in order.
no_rows(differ('SELECT change_id FROM seen', 'SELECT change_id FROM change_log'), 'the feed: every change once');
no_rows('SELECT * FROM (SELECT poll, min(change_id) AS first, lag(max(change_id)) OVER (ORDER BY poll) AS last FROM seen GROUP BY poll) x
		WHERE first <= last', 'the feed: in order');
cmp_ok(q1('SELECT count(DISTINCT poll) FROM seen'), '>', 3, 'the feed: as it went');

my %told;
foreach my $payload ($heard =~ /^Asynchronous notification "hierarchy_change" with payload "(.*)" received/mg)
{
	my $x = JSON::PP->new->decode($payload);

	$told{ $x->{txid} }{$_} += $x->{$_} foreach qw(changes first last);
	$told{ $x->{txid} }{n}++;
}
my %logged;
foreach my $line (split /\n/, q1("SELECT txid, count(*), min(change_id), max(change_id) FROM change_log WHERE change_id > $begun GROUP BY 1"))
{
	my ($txid, $n, $first, $last) = split /\|/, $line;

	$logged{$txid} = { changes => $n, first => $first, last => $last, n => 1 };
}
my @wrong = grep { join(',', map { $_ // '' } @{ $told{$_} // {} }{qw(changes first last n)})
	  ne join(',', map { $_ // '' } @{ $logged{$_} // {} }{qw(changes first last n)}) } sort keys %{ { %told, %logged } };
is(scalar(@wrong), 0, 'one notification a transaction, with its changes (' . keys(%logged) . ' of them)')
  or diag(explain({ map { ($_ => [ $told{$_}, $logged{$_} ]) } @wrong[ 0 .. ($#wrong > 2 ? 2 : $#wrong) ] }));

# Replayed into an empty directory
$s->query("\\copy (SELECT * FROM hierarchy.change_log) TO '$scripts/log.copy'");
my $all = 'SELECT x FROM (' . images() . ') x ORDER BY x::text';

# rows_of(session): all of it, numbers without the zeros at their end.
sub rows_of { return map { (s/(: \d+)\.(\d*?)0+(?=[,}])/$2 eq '' ? $1 : "$1.$2"/ger => 1) } split /\n/, $_[0]->query($all); }

my %expected = rows_of($s);
$node->safe_psql('postgres', 'CREATE DATABASE replayed');
$node->safe_psql('replayed', 'CREATE EXTENSION hierarchy CASCADE');
my $r = session($node, 'replayed');
$r->query("SET search_path = hierarchy; CREATE TABLE public.log (LIKE change_log); \\copy public.log FROM '$scripts/log.copy'");
my ($out, $err) = $r->try("SELECT replay_changes('public.log')");
is($err, '', 'replay_changes');
my %replayed = rows_of($r);
my @lost = sort grep { !$replayed{$_} } keys %expected;
my @extra = sort grep { !$expected{$_} } keys %replayed;
is(@lost + @extra, 0, 'gives the same rows')
  or diag(join "\n", 'lost: ' . @lost, @lost[ 0 .. ($#lost > 3 ? 3 : $#lost) ], 'extra: ' . @extra, @extra[ 0 .. ($#extra > 3 ? 3 : $#extra) ]);
is($r->query('SELECT string_agg(name, \' \' ORDER BY name) FROM hierarchy, verify(graph)'), '', 'and graphs that are right');
is($r->query('SELECT string_agg(name || c.message, \' \' ORDER BY name) FROM hierarchy, check_hierarchy(name) c'), '', 'and follow the rules');

is(server_died($node), '', 'no process crashed');
$_->quit foreach $s, $feed, $ear, $raw, $r;
$node->stop;
done_testing();
