-- The verbs on relationships: assign, unassign, shares and primary parents,
-- moves one by one and many at once, merges, previews.
SET search_path = public, hierarchy;
SET datestyle = iso;
\set SHOW_CONTEXT never
INSERT INTO entity_type VALUES ('vb'), ('vb top');
INSERT INTO entity (entity_type, code, name) SELECT 'vb', c, upper(c) FROM unnest(string_to_array('a b c d e f g h i j k l m n', ' ')) c;
INSERT INTO entity (entity_type, code, name) SELECT 'vb top', c, upper(c) FROM unnest(ARRAY['x', 'y']) c;
CREATE FUNCTION vb(code text) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT e.entity_id FROM hierarchy.entity e WHERE e.entity_type LIKE 'vb%' AND e.code = $1 $$;
-- one relationship, and all those of a hierarchy, in short
CREATE FUNCTION vb(r hierarchy.relationship) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT concat_ws(' ', c.code || ' under ' || p.code, r.valid, 'share ' || r.share, CASE WHEN r.is_primary THEN 'primary' END,
	r.relationship_type, 'influence ' || r.influence_level, nullif(r.attributes, '{}'))
FROM hierarchy.entity c, hierarchy.entity p WHERE c.entity_id = r.child_id AND p.entity_id = r.parent_id $$;
CREATE FUNCTION vb_all(hierarchy text) RETURNS TABLE (relationship text) LANGUAGE sql STABLE AS
$$ SELECT vb(r) FROM hierarchy.relationship r JOIN hierarchy.hierarchy h USING (hierarchy_id) WHERE h.name = $1 ORDER BY vb(r) COLLATE "C" $$;
SELECT create_hierarchy('vb plain') > 0 AS plain, create_hierarchy('vb split', share_mode => 'split', require_primary => true) > 0 AS split,
	create_hierarchy('vb one', max_parents => 1, relationship_types => ARRAY['vb is'], validity => '[2020-01-01,2030-01-01)') > 0 AS one,
	create_hierarchy('vb full', share_mode => 'full', type_rules => '{"vb": ["vb", "vb top"]}') > 0 AS "full",
	create_hierarchy('vb rule', type_rules => '[{"child": "vb", "parent": "vb top", "max_parents": 1}, {"child": "vb", "parent": "vb"}]') > 0 AS rule;

-- What assign fills in
SELECT vb(assign('vb plain', vb('a'), vb('b')));
SELECT vb(assign('vb plain', vb('a'), vb('c')));
SELECT vb(assign('vb one', vb('a'), vb('b')));
SELECT vb(assign('vb split', vb('a'), vb('b')));
SELECT vb(assign('vb full', vb('a'), vb('b'), share => 0.25, influence_level => 3, attributes => '{"n": 1}', is_primary => false));
SELECT vb(assign('vb full', vb('a'), vb('x'), share => NULL, valid => '[2026-01-01,2026-02-01)', attributes => NULL));
SELECT vb(assign('vb full', vb('a'), vb('x'), valid => '[2026-02-01,2026-03-01)', is_primary => true));
-- what it does not take
SELECT assign('vb plain', vb('a'), vb('b'));
SELECT assign('vb full', vb('a'), vb('x'), valid => '[2026-01-31,)');
SELECT assign('vb plain', vb('a'), vb('a'));
SELECT assign('vb plain', vb('a'), NULL);
SELECT assign('vb plain', vb('a'), vb('d'), valid => 'empty');
\set VERBOSITY sqlstate
SELECT assign('vb nothing', vb('a'), vb('b'));
SELECT assign('vb plain', vb('a'), -1);
SELECT assign('vb plain', vb('a'), vb('d'), share => 0.5);
SELECT assign('vb one', vb('b'), vb('c'), relationship_type => 'vb is not');
SELECT assign('vb full', vb('x'), vb('a'));
SELECT assign('vb full', vb('c'), vb('b'), share => 1.5);
\set VERBOSITY default
-- names in the message about a cycle
CREATE FUNCTION vb_try(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
	name text;
BEGIN
	EXECUTE sql;
	RETURN 'done';
EXCEPTION
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, name = CONSTRAINT_NAME;
		RETURN regexp_replace(concat_ws(' / ', sqlstate, nullif(name, ''), sqlerrm, nullif(detail, ''), nullif(hint, '')), 'relationship_[0-9]+', 'relationship_N');
END
$$;
SELECT vb_try($$SELECT assign('vb plain', vb('b'), vb('a'))$$);

-- unassign: ends, deletes what would never have begun, takes the next to begin
SELECT vb(unassign('vb plain', vb('a'), vb('c'), '2026-01-01', 'no longer'));
SELECT vb(unassign('vb plain', vb('a'), vb('c'), '2019-01-01', 'even earlier'));
SELECT unassign('vb plain', vb('a'), vb('c'), '2026-01-01');
SELECT vb(assign('vb plain', vb('a'), vb('c'), valid => '[2040-01-01,2041-01-01)'));
SELECT vb(unassign('vb plain', vb('a'), vb('c')));
SELECT vb(unassign('vb plain', vb('a'), vb('b'))) = format('a under b (,%s) primary', current_date) AS today;
SELECT unassign('vb plain', vb('a'), vb('d'), '2026-01-01');
SELECT unassign('vb plain', vb('a'), NULL);
SELECT unassign('vb plain', vb('a'), vb('b'), 'infinity');
SELECT relationship FROM vb_all('vb plain') WHERE relationship NOT LIKE 'a under b %';
SELECT vb(unassign('vb one', vb('a'), vb('b'), '2020-01-01'));

-- Shares: what begins that very day changes in place, other days keep theirs
BEGIN;
SELECT vb(assign('vb split', vb('a'), vb('c'), share => 0.4, valid => '[2026-01-01,)'));
SELECT vb(set_share('vb split', vb('a'), vb('b'), 0.6, '2026-01-01'));
COMMIT;
SELECT * FROM vb_all('vb split');
BEGIN;
SELECT vb(s) FROM set_shares('vb split', vb('a'), jsonb_build_object(vb('b'), 0.5, vb('c'), 0.5), '2026-01-01', 'even') s;
SELECT vb(s) FROM set_shares('vb split', vb('a'), jsonb_build_object(vb('b'), 0.1, vb('c'), 0.9), '2026-07-01') s;
COMMIT;
SELECT * FROM vb_all('vb split');
-- nothing changes, nothing is written
SELECT vb(set_share('vb split', vb('a'), vb('c'), 0.9, '2027-01-01'));
SELECT count(*) FROM vb_all('vb split');
SELECT set_share('vb split', vb('a'), vb('c'), 0.8, '2027-01-01');
SELECT set_share('vb split', vb('a'), vb('d'), 0.8, '2027-01-01');
SELECT set_share('vb split', vb('a'), NULL, 0.8, '2027-01-01');
SELECT set_shares('vb split', vb('a'), '{"x": 1}');
SELECT set_shares('vb split', vb('a'), '{}');
SELECT set_shares('vb split', vb('a'), jsonb_build_object(vb('b'), '0.5'));
SELECT vb(set_share('vb full', vb('a'), vb('b'), NULL, '2026-01-15'));

-- Primary parents
SELECT vb(set_primary('vb split', vb('a'), vb('c'), '2026-03-01'));
SELECT * FROM vb_all('vb split');
SELECT vb(set_primary('vb split', vb('a'), vb('c'), '2026-03-01'));
SELECT count(*) FROM vb_all('vb split');
SELECT set_primary('vb split', vb('a'), vb('d'), '2026-03-01');

-- Moves: from a day on, with everything the relationship says; the future stays
SELECT vb(assign('vb full', vb('d'), vb('e'), 0.5, true, influence_level => 2, attributes => '{"k": "v"}'));
SELECT vb(assign('vb full', vb('d'), vb('f'), 0.5, valid => '[2030-01-01,2031-01-01)'));
SELECT vb(reassign('vb full', vb('d'), vb('e'), vb('x'), '2026-05-01', 'reorganised'));
SELECT vb(reassign('vb full', vb('d'), NULL, vb('g'), '2026-05-01'));
SELECT vb(reassign('vb full', vb('d'), vb('e'), vb('h'), '2020-01-01'));
SELECT * FROM vb_all('vb full') WHERE relationship LIKE 'd %';
SELECT operation, old_row ->> 'valid' AS old, new_row ->> 'valid' AS new, reason FROM change_log
WHERE table_name = 'relationship' AND reason = 'reorganised' ORDER BY change_id;
-- what cannot be moved
SELECT reassign('vb full', vb('d'), vb('e'), vb('h'), '2026-05-02');
SELECT reassign('vb full', vb('d'), NULL, vb('h'), '2030-06-01');
SELECT reassign('vb full', vb('n'), NULL, vb('h'), '2026-05-02');
SELECT reassign('vb full', vb('d'), vb('g'), vb('g'), '2026-05-02');
SELECT reassign('vb full', vb('d'), NULL, vb('g'), '2026-05-02');
SELECT reassign('vb full', vb('d'), vb('g'), vb('d'), '2026-05-02');
SELECT reassign('vb full', vb('d'), vb('g'), vb('f'), '2026-05-02');
SELECT reassign('vb full', vb('d'), vb('g'), NULL, '2026-05-02');
SELECT reassign('vb full', vb('d'), vb('g'), vb('f'), '-infinity');
-- a subtree, across levels, and not below itself
SELECT count(*) FROM (SELECT assign('vb rule', vb(c), vb(p)) FROM (VALUES ('a', 'b'), ('b', 'c'), ('c', 'x'), ('d', 'a'), ('e', 'a')) v (c, p)) a;
SELECT vb(reassign('vb rule', vb('b'), vb('c'), vb('y'), '2026-01-01'));
SELECT entity_label(node), depth FROM descendants('"vb rule"', vb('y'), as_of => '2026-01-01') ORDER BY 2, 1;
SELECT count(*) FROM descendants('"vb rule"', vb('y'), as_of => '2025-12-31');
SELECT vb_try($$SELECT reassign('vb rule', vb('b'), vb('y'), vb('e'), '2026-02-01')$$);
SELECT vb_try($$SELECT reassign('vb rule', vb('b'), vb('c'), vb('e'), '2020-02-01')$$);

-- All children
SELECT reassign_children('vb rule', vb('a'), vb('c'), '2026-03-01', 'all');
SELECT reassign_children('vb rule', vb('a'), vb('c'), '2026-03-01');
SELECT reassign_children('vb rule', vb('c'), vb('x'), '2026-03-01');
SELECT * FROM vb_all('vb rule');
SELECT reassign_children('vb rule', vb('c'), vb('c'));
SELECT vb_try($$SELECT reassign_children('vb rule', vb('x'), vb('d'), '2026-03-01')$$);
SELECT drop_hierarchy('vb rule', force => true);

-- Many moves, all or none
CREATE FUNCTION vb_moves(VARIADIC moves text[]) RETURNS jsonb LANGUAGE sql STABLE AS $$
SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('child', vb(m[1]), 'from', vb(m[2]), 'to', vb(m[3]), 'effective', m[4])))
FROM (SELECT string_to_array(x, ' ', '-') AS m FROM unnest(moves) x) s
$$;
SELECT create_hierarchy('vb many') > 0 AS made;
SELECT count(*) FROM (SELECT assign('vb many', vb(c), vb(p), valid => '[2020-01-01,)')
	FROM (VALUES ('a', 'x'), ('b', 'a'), ('c', 'b'), ('d', 'x'), ('d', 'y'), ('e', 'y')) v (c, p)) a;
SELECT reassign_many('vb many', vb_moves('e y x', 'd y a 2026-06-01'), '2026-01-01', 'many');
SELECT * FROM vb_all('vb many');
-- a chain turned around, which no order of single moves does
SELECT reassign_many('vb many', vb_moves('c b x', 'b a c', 'a x b'), '2026-07-01');
-- two parents exchanged, and in place
SELECT reassign_many('vb many', vb_moves('d x a 2027-01-01', 'd a x 2027-01-01'));
SELECT reassign_many('vb many', vb_moves('d a x', 'd x a'), '2027-01-01');
SELECT reassign_many('vb many', vb_moves('a x y'), '2020-01-01');
SELECT * FROM vb_all('vb many');
CREATE TABLE vb_list AS SELECT vb('a') AS child, NULL::bigint AS from_parent, vb('y') AS to_parent, NULL::date AS effective
UNION ALL SELECT vb('c'), vb('x'), vb('y'), '2028-01-01';
SELECT reassign_many('vb many', 'vb_list'::regclass, '2027-02-01');
ALTER TABLE vb_list DROP effective;
SELECT reassign_many('vb many', 'vb_list'::regclass, '2027-02-01');
ALTER TABLE vb_list DROP from_parent;
SELECT reassign_many('vb many', 'vb_list');
SELECT * FROM vb_all('vb many');
SELECT reassign_many('vb many', '[]');
-- refused
SELECT reassign_many('vb many', vb_moves('a y x', 'e y x'), '2027-05-01');
SELECT reassign_many('vb many', vb_moves('a y x', 'a y b'), '2027-05-01');
SELECT reassign_many('vb many', vb_moves('a y x', 'a - b'), '2027-05-01');
SELECT reassign_many('vb many', vb_moves('d a y', 'd x y'), '2027-05-01');
SELECT reassign_many('vb many', vb_moves('d - y'), '2027-05-01');
SELECT reassign_many('vb many', vb_moves('d a x'), '2027-05-01');
SELECT reassign_many('vb many', vb_moves('a y a'), '2027-05-01');
SELECT reassign_many('vb many', vb_moves('a y y'), '2027-05-01');
SELECT vb_try($$SELECT reassign_many('vb many', vb_moves('c y b', 'a y d'), '2029-05-01')$$);
SELECT reassign_many('vb many', '{"child": 1}'::jsonb);
SELECT reassign_many('vb many', '[{"child": 1}]'::jsonb);
SELECT reassign_many('vb many', '[{"child": 1, "to": 2, "form": 3}]'::jsonb);
SELECT reassign_many('vb many', NULL::jsonb);
SELECT reassign_many('vb many', '[{"child": "x", "from_parent": 1, "to_parent": 2}]');
SELECT drop_hierarchy('vb many', force => true);
DROP TABLE vb_list;

-- A stay in pieces moves, and ends, as a whole; what comes after a gap stays
SELECT create_hierarchy('vb pieces') > 0 AS pieces;
INSERT INTO relationship (hierarchy_id, parent_id, child_id, valid, influence_level)
SELECT h.hierarchy_id, vb('x'), vb(c), valid::daterange, level
FROM hierarchy h, unnest(ARRAY['a', 'b', 'c']) c,
	(VALUES ('[2020-01-01,2024-01-01)', 1), ('[2024-01-01,2025-01-01)', 2), ('[2025-01-01,2026-01-01)', 3), ('[2027-01-01,)', 4)) v (valid, level)
WHERE h.name = 'vb pieces';
SELECT vb(reassign('vb pieces', vb('a'), vb('x'), vb('y'), '2023-01-01'));
SELECT vb(unassign('vb pieces', vb('b'), vb('x'), '2024-06-01'));
SELECT reassign_many('vb pieces', vb_moves('c x y 2020-01-01', 'c x k 2025-01-01'));
SELECT * FROM vb_all('vb pieces');
SELECT drop_hierarchy('vb pieces', force => true);

-- Merges
SELECT create_hierarchy('vb m', max_parents => 1) > 0 AS m;
INSERT INTO identifier_scheme (scheme) VALUES ('vb');
SELECT drop_hierarchy('vb full', force => true), create_hierarchy('vb full', share_mode => 'full') > 0 AS made;
DELETE FROM relationship r USING hierarchy h WHERE h.hierarchy_id = r.hierarchy_id AND h.name LIKE 'vb%';
SELECT add_identifier(vb('a'), 'vb', '1'), add_identifier(vb('b'), 'vb', '2');
BEGIN;
-- a child of both, on days that overlap in part; a child of one; one under the other
SELECT count(*) FROM (
	SELECT assign('vb full', vb('c'), vb('a'), 0.4, valid => '[2026-01-01,2026-06-01)', relationship_type => 'vb is')
	UNION ALL SELECT assign('vb full', vb('c'), vb('b'), 0.8, valid => '[2026-03-01,2026-09-01)', influence_level => 2)
	UNION ALL SELECT assign('vb full', vb('d'), vb('a'), 0.1, attributes => '{"k": 1}')
	UNION ALL SELECT assign('vb full', vb('a'), vb('b'), 0.3)) x;
-- other parents than the survivor has, where only one is allowed
SELECT count(*) FROM (
	SELECT assign('vb m', vb('a'), vb('e'), valid => '[2026-01-01,)')
	UNION ALL SELECT assign('vb m', vb('b'), vb('f'), valid => '[2026-05-01,2027-01-01)')
	UNION ALL SELECT assign('vb m', vb('g'), vb('a'))) x;
-- shares of both sum to 1, and do so afterwards
SELECT count(*) FROM (
	SELECT assign('vb split', vb('a'), vb('e'))
	UNION ALL SELECT assign('vb split', vb('b'), vb('e'), 0.5, true, valid => '[2026-01-01,)')
	UNION ALL SELECT assign('vb split', vb('b'), vb('f'), 0.5, false, valid => '[2026-01-01,)')) x;
COMMIT;
SELECT merge_entity(vb('a'), vb('b'), 'twins');
SELECT * FROM vb_all('vb full');
SELECT * FROM vb_all('vb m');
SELECT * FROM vb_all('vb split');
SELECT code, status, entity_label(merged_into) AS merged_into FROM entity WHERE entity_type = 'vb' AND code IN ('a', 'b') ORDER BY 1;
SELECT value, entity_label(entity_id) FROM identifier WHERE scheme = 'vb' ORDER BY 1;
SELECT entity_label(entity_id('vb', 'a')), entity_label(entity_id('vb', '1'));
SELECT table_name, operation, count(*) FROM change_log WHERE reason = 'twins' GROUP BY 1, 2 ORDER BY 1, 2;
-- a chain of merges
SELECT merge_entity(vb('b'), vb('h'));
SELECT entity_label(entity_id('vb', 'a')), entity_label(entity_id('vb', '2'));
SELECT count(*) FROM relationship WHERE vb('b') IN (parent_id, child_id);
-- what cannot be merged
SELECT merge_entity(vb('a'), vb('c'));
SELECT merge_entity(vb('c'), vb('a'));
SELECT merge_entity(vb('c'), vb('c'));
SELECT merge_entity(vb('c'), NULL);
SELECT merge_entity(vb('c'), -7);
SELECT count(*) FROM (SELECT assign('vb plain', vb(c), vb(p)) FROM (VALUES ('k', 'l'), ('l', 'm')) v (c, p)) x;
SELECT vb_try($$SELECT merge_entity(vb('k'), vb('m'))$$);
SELECT merge_entity(vb('k'), vb('n'));
SELECT merge_entity(vb('l'), vb('n'));
SELECT * FROM vb_all('vb plain');

-- Merges of anything: afterwards each day is what it was, with two made one
CREATE TABLE vb_old AS SELECT h.name, r.* FROM relationship r JOIN hierarchy h USING (hierarchy_id) WHERE false;
CREATE FUNCTION vb_days(old bigint, new bigint) RETURNS TABLE (name text, day date, parent_id bigint, child_id bigint, share numeric, is_primary boolean)
LANGUAGE sql STABLE AS $$
WITH one AS (
	SELECT o.name, t::date AS day, CASE o.parent_id WHEN old THEN new ELSE o.parent_id END AS parent_id,
		CASE o.child_id WHEN old THEN new ELSE o.child_id END AS child_id, least(sum(o.share), 1) AS share, bool_or(o.is_primary) AS is_primary,
		bool_and(old IN (o.parent_id, o.child_id)) AS moved_only, bool_or(o.is_primary AND old NOT IN (o.parent_id, o.child_id)) AS kept_primary
	FROM vb_old o, generate_series('2026-01-01'::date, '2026-01-20', '1 day') t
	WHERE o.valid @> t::date AND NOT (old IN (o.parent_id, o.child_id) AND new IN (o.parent_id, o.child_id))
	GROUP BY 1, 2, 3, 4),
fit AS (
	SELECT *, bool_or(NOT moved_only) OVER w AND name = 'vb m' AND count(*) OVER w > 1 AS too_many
	FROM one WINDOW w AS (PARTITION BY name, day, child_id))
SELECT name, day, parent_id, child_id,
	CASE WHEN name = 'vb m' THEN NULL WHEN name = 'vb split' AND child_id = new THEN round(share / sum(share) OVER w, 8) ELSE round(share, 8) END,
	CASE WHEN child_id <> new THEN is_primary
		WHEN bool_or(kept_primary) OVER w THEN kept_primary
		WHEN name <> 'vb split' OR bool_or(is_primary) OVER w THEN is_primary
		ELSE row_number() OVER (PARTITION BY name, day, child_id ORDER BY moved_only, share DESC, parent_id) = 1 END
FROM fit WHERE NOT (child_id = new AND moved_only AND too_many)
WINDOW w AS (PARTITION BY name, day, child_id)
$$;
CREATE FUNCTION vb_merge_any(round int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	ids bigint[];
	hier record;
	child int;
	cuts int[];
	parents bigint[];
	cut int;
	old bigint;
	new bigint;
	wrong record;
	days daterange;
BEGIN
	DELETE FROM hierarchy.relationship r USING hierarchy.hierarchy h WHERE h.hierarchy_id = r.hierarchy_id AND h.name LIKE 'vb%';
	INSERT INTO hierarchy.entity (entity_type, code, name) SELECT 'vb', format('r%s-%s', round, i), '' FROM generate_series(1, 6) i;
	SELECT array_agg(e.entity_id ORDER BY random()) INTO ids FROM hierarchy.entity e WHERE e.entity_type = 'vb' AND e.code LIKE format('r%s-%%', round);
	FOR hier IN SELECT h.* FROM hierarchy.hierarchy h WHERE h.name IN ('vb full', 'vb split', 'vb m') LOOP
		FOR child IN 1 .. 5 LOOP
			SELECT array_agg(DISTINCT 1 + floor(random() * 19)::int) INTO cuts FROM generate_series(1, 3);
			SELECT array_agg(c ORDER BY c) INTO cuts FROM unnest(cuts) c;
			FOR cut IN 0 .. cardinality(cuts) LOOP
				CONTINUE WHEN random() < 0.2;
				days := daterange('2026-01-01'::date + cuts[cut], '2026-01-01'::date + cuts[cut + 1]);
				SELECT array_agg(ids[i] ORDER BY random()) INTO parents FROM generate_series(child + 1, 6) i WHERE random() < 0.6;
				CONTINUE WHEN parents IS NULL;
				INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, share, is_primary, valid)
				SELECT hier.hierarchy_id, p, ids[child], CASE hier.name WHEN 'vb full' THEN round(random()::numeric, 2)
					WHEN 'vb split' THEN round(1.0 / cardinality(parents), 12) END, i = 1, days
				FROM unnest(parents) WITH ORDINALITY u (p, i) WHERE hier.name <> 'vb m' OR i = 1;
			END LOOP;
		END LOOP;
	END LOOP;
	TRUNCATE vb_old;
	INSERT INTO vb_old SELECT h.name, r.* FROM hierarchy.relationship r JOIN hierarchy.hierarchy h USING (hierarchy_id) WHERE h.name LIKE 'vb%';
	old := ids[1 + floor(random() * 6)];
	new := ids[1 + floor(random() * 6)];
	IF old = new THEN
		RETURN 'same';
	END IF;
	BEGIN
		PERFORM hierarchy.merge_entity(old, new);
		SET CONSTRAINTS ALL IMMEDIATE;
	EXCEPTION WHEN check_violation THEN
		RETURN CASE WHEN sqlerrm LIKE 'cycle%' THEN 'cycle' ELSE sqlerrm END;
	END;
	SET CONSTRAINTS ALL DEFERRED;
	FOR wrong IN
		WITH now AS (
			SELECT h.name, t::date AS day, r.parent_id, r.child_id, round(r.share, 8), r.is_primary
			FROM hierarchy.relationship r JOIN hierarchy.hierarchy h USING (hierarchy_id),
				generate_series('2026-01-01'::date, '2026-01-20', '1 day') t
			WHERE h.name LIKE 'vb%' AND r.valid @> t::date)
		SELECT 'expected' AS what, x.* FROM (SELECT * FROM vb_days(old, new) EXCEPT SELECT * FROM now) x
		UNION ALL
		SELECT 'got', x.* FROM (SELECT * FROM now EXCEPT SELECT * FROM vb_days(old, new)) x
	LOOP
		RETURN format('%s into %s: %s', old, new, wrong);
	END LOOP;
	RETURN 'merged';
END
$$;
SELECT setseed(0.5);
SELECT result, count(*) > 1 AS some FROM (SELECT vb_merge_any(i) AS result FROM generate_series(1, 20) i) x GROUP BY 1 ORDER BY 1;
SELECT * FROM check_hierarchy('vb split') UNION ALL SELECT * FROM check_hierarchy('vb full') UNION ALL SELECT * FROM check_hierarchy('vb m');

-- Previews: what would move, what rules would say, which totals change; nothing is done
DELETE FROM relationship r USING hierarchy h WHERE h.hierarchy_id = r.hierarchy_id AND h.name LIKE 'vb%';
CREATE TABLE vb_fact (place bigint, amount numeric);
INSERT INTO vb_fact SELECT vb(c), n FROM (VALUES ('c', 10), ('d', 5), ('d', 2), ('e', 1)) v (c, n);
BEGIN;
SELECT count(*) FROM (SELECT assign('vb split', vb(c), vb(p), s, s >= 0.5, valid => '[2026-01-01,)')
	FROM (VALUES ('c', 'e', 0.75), ('c', 'f', 0.25), ('d', 'c', 1), ('e', 'g', 1), ('f', 'g', 1)) v (c, p, s)) x;
COMMIT;
SELECT last_value AS changes FROM change_log_change_id_seq \gset
SELECT aspect, entity, before, after, difference, message
FROM preview_reassign('vb split', vb('c'), vb('f'), vb('h'), '2026-06-01', 'vb_fact', 'place', 'amount', 'weighted');
SELECT aspect, entity, before, after, difference, message
FROM preview_reassign('vb split', vb('c'), vb('e'), vb('h'), '2026-06-01', 'vb_fact', 'place', 'amount');
SELECT aspect, entity, before, after, difference, message FROM preview_reassign('vb split', vb('c'), vb('e'), vb('h'), '2026-06-01', 'vb_fact', 'place');
SELECT aspect, entity, before, after, difference, regexp_replace(message, 'relationship_[0-9]+', 'relationship_N') AS message
FROM preview_reassign('vb split', vb('c'), vb('e'), vb('d'), '2026-06-01', 'vb_fact', 'place');
SELECT preview_reassign('vb split', vb('c'), vb('g'), vb('d'), '2026-06-01');
SELECT preview_reassign('vb split', vb('c'), vb('e'), vb('h'), '2026-06-01', 'vb_fact');
-- rules that are checked when the transaction ends, both of them
BEGIN;
UPDATE relationship SET share = 0.1, is_primary = false WHERE child_id = vb('c') AND parent_id = vb('e');
SELECT aspect, message FROM preview_reassign('vb split', vb('c'), vb('e'), vb('h'), '2026-06-01') WHERE aspect = 'rule';
UPDATE relationship SET share = 0.75, is_primary = true WHERE child_id = vb('c') AND parent_id = vb('e');
COMMIT;
SELECT * FROM vb_all('vb split');
SELECT count(*) FROM change_log WHERE change_id > :changes;

-- Thousands at once
SELECT create_hierarchy('vb bulk') AS bulk \gset
INSERT INTO entity (entity_type, code, name) SELECT 'vb', 'n' || i, i FROM generate_series(1, 500) i;
INSERT INTO relationship (hierarchy_id, parent_id, child_id)
SELECT :bulk, vb('x'), entity_id FROM entity WHERE entity_type = 'vb' AND code LIKE 'n_%';
SELECT reassign_many('vb bulk', (SELECT jsonb_agg(jsonb_build_object('child', entity_id, 'to', vb('y'))) FROM entity
	WHERE entity_type = 'vb' AND code LIKE 'n_%'), '2026-01-01');
SELECT reassign_children('vb bulk', vb('y'), vb('c'), '2026-01-01');
SELECT p.code, r.valid, count(*) FROM relationship r JOIN entity p ON p.entity_id = r.parent_id WHERE hierarchy_id = :bulk GROUP BY 1, 2 ORDER BY 2;
SELECT drop_hierarchy('vb bulk', force => true);

-- Clean up
SELECT drop_hierarchy(name, force => true) FROM hierarchy WHERE name LIKE 'vb%';
DELETE FROM identifier WHERE scheme = 'vb';
DELETE FROM identifier_scheme WHERE scheme = 'vb';
UPDATE entity SET status = 'inactive', merged_into = NULL WHERE entity_type LIKE 'vb%' AND status = 'merged';
DELETE FROM entity WHERE entity_type LIKE 'vb%';
DELETE FROM entity_type WHERE entity_type LIKE 'vb%';
DELETE FROM relationship_type WHERE relationship_type LIKE 'vb%';
DROP TABLE vb_old, vb_fact;
DROP FUNCTION vb(text), vb(relationship), vb_all(text), vb_try(text), vb_moves(text[]), vb_days(bigint, bigint), vb_merge_any(int);
