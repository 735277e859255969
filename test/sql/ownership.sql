-- Ultimates, family trees, ownership and control
CREATE SCHEMA ownership;
SET search_path = ownership, hierarchy;
SET client_min_messages = warning;
\set VERBOSITY terse

-- G (DE) owns .8 of D (US) and .3 of E (US); D owns .3 of E, .6 of A (US, from
-- 2020 on), .3 of C and .5 of T; E owns .51 of B (FR) and .3 of C; what A owns
-- of H is not stated.  X owns .6 of Y, Y .2 of X and .9 of Z.  S stands alone.
INSERT INTO entity_type VALUES ('ownership firm');
SELECT create_hierarchy('ownership', share_mode => 'full') IS NOT NULL AS made;
ALTER INDEX hierarchy.ownership SET (acyclic = off);
INSERT INTO entity (entity_type, code, name, attributes)
SELECT 'ownership firm', code, 'Firm ' || code, coalesce(jsonb_build_object('country', country), '{}')
FROM (VALUES ('G', 'DE'), ('D', 'US'), ('E', 'US'), ('A', 'US'), ('B', 'FR'), ('C', 'US'), ('T', 'US'), ('H', NULL),
    ('X', 'US'), ('Y', 'US'), ('Z', 'US'), ('S', 'CH')) AS v (code, country);
CREATE FUNCTION id(code text) RETURNS bigint LANGUAGE sql STABLE
RETURN (SELECT e.entity_id FROM entity e WHERE e.entity_type = 'ownership firm' AND e.code = id.code);
CREATE FUNCTION code(id bigint) RETURNS text LANGUAGE sql STABLE
RETURN (SELECT e.code FROM entity e WHERE e.entity_id = code.id);
INSERT INTO relationship (hierarchy_id, parent_id, child_id, share, is_primary, valid)
SELECT h.hierarchy_id, id(v.parent), id(v.child), v.share, v.is_primary, v.valid::daterange
FROM find_hierarchy('ownership') h, (VALUES
    ('G', 'D', 0.8, false, '(,)'), ('G', 'E', 0.3, false, '(,)'), ('D', 'E', 0.3, true, '(,)'), ('D', 'A', 0.6, false, '[2020-01-01,)'),
    ('D', 'C', 0.3, false, '(,)'), ('E', 'C', 0.3, false, '(,)'), ('D', 'T', 0.5, false, '(,)'), ('E', 'B', 0.51, false, '(,)'),
    ('A', 'H', NULL, false, '(,)'), ('X', 'Y', 0.6, false, '(,)'), ('Y', 'X', 0.2, false, '(,)'),
    ('Y', 'Z', 0.9, false, '(,)')) AS v (parent, child, share, is_primary, valid);

-- Ultimates: the primary parent, else the greatest share
SELECT code, code(global_ultimate('ownership', id(code))) AS global, code(domestic_ultimate('ownership', id(code))) AS domestic,
    code(global_ultimate('ownership', id(code), '2019-12-31')) AS global_2019
FROM unnest('{G,D,E,A,B,C,T,H,X,Y,Z,S}'::text[]) AS code;
SELECT global_ultimate('ownership', -1), global_ultimate('ownership', NULL), domestic_ultimate('ownership', id('A'), 'planet'),
    code(domestic_ultimate('ownership', id('A'), as_of => '2019-12-31'));
UPDATE entity SET attributes = attributes || '{"region": "EMEA"}' WHERE entity_id IN (id('G'), id('E'));
SELECT code(domestic_ultimate('ownership', id('E'), 'region'));

-- Family trees
SELECT ordinal, repeat('  ', depth) || code AS entity, name, share, is_primary, is_self, is_repeat
FROM family_tree('ownership', id('E'));
SELECT code, depth FROM family_tree('ownership', id('A'), '2019-12-31');
SELECT ordinal, code, depth, is_self FROM family_tree('ownership', id('S'));
SELECT code, depth, is_self, is_repeat FROM family_tree('ownership', id('Z'));
SELECT count(*) FROM family_tree('ownership', -1);
SELECT count(*) FROM family_tree('ownership', NULL);

-- Ownership: C is G's by way of D, of E, and of E through D
SELECT * FROM ownership('ownership', id('C'), id('G'));
SELECT 0.8 * 0.3 + 0.3 * 0.3 + 0.8 * 0.3 * 0.3;
SELECT * FROM ownership('ownership', id('H'), id('A'));
SELECT * FROM ownership('ownership', id('H'), id('G'));
SELECT * FROM ownership('ownership', id('G'), id('H'));
SELECT * FROM ownership('ownership', id('G'), id('G'));
SELECT * FROM ownership('ownership', id('A'), id('G'), '2019-12-31');
SELECT * FROM ownership('ownership', NULL, id('G'));
SELECT code(owner_id), owner, share, depth, paths, unstated_paths FROM owners('ownership', id('C'));
SELECT code(owner_id), share, depth, paths, unstated_paths FROM owners('ownership', id('H'));
SELECT count(*) FROM owners('ownership', id('G'));
-- who own each other: paths that meet nobody twice
SELECT code(owner_id), share, depth, paths FROM owners('ownership', id('Z'));
SELECT * FROM ownership('ownership', id('X'), id('X'));

-- Control
SELECT code(entity_id), share, depth FROM controls('ownership', id('G'));
SELECT code(entity_id), share, depth FROM controls('ownership', id('G'), pooled => false);
SELECT code(entity_id), share, depth FROM controls('ownership', id('G'), 0.49);
SELECT code(entity_id), share, depth FROM controls('ownership', id('G'), 0.25, false, '2019-12-31');
SELECT code(entity_id), share, depth FROM controls('ownership', id('X'));
SELECT code(entity_id), share, depth FROM controls('ownership', id('Y'), 0.1);
SELECT count(*) FROM controls('ownership', id('S'));
SELECT count(*) FROM controls('ownership', -1);
SELECT count(*) FROM controls('ownership', id('G'), NULL);
SELECT count(*) FROM controls('no such ownership', id('G'));
SELECT child = entity_label(id('H')) AS child, parent = entity_label(id('A')) AS parent, valid FROM unstated_shares('ownership');

-- The same as a walk along every path, on a random graph
SELECT create_hierarchy('ownership_random') IS NOT NULL AS made;
UPDATE hierarchy SET share_mode = 'full' WHERE name = 'ownership_random';
INSERT INTO entity (entity_type, code, name) SELECT 'ownership firm', 'R' || i, 'Random ' || i FROM generate_series(1, 60) i;
SELECT setseed(0.4) \g /dev/null
SELECT hierarchy_id AS random FROM find_hierarchy('ownership_random') \gset
INSERT INTO relationship (hierarchy_id, parent_id, child_id, share)
SELECT h.hierarchy_id, id('R' || p), id('R' || c), CASE WHEN random() < 0.9 THEN round(random()::numeric, 2) END
FROM find_hierarchy('ownership_random') h, generate_series(1, 60) p, generate_series(p + 1, least(p + 12, 60)) c
WHERE random() < 0.16;
WITH RECURSIVE path AS (
    SELECT child_id AS entity, parent_id AS owner, share, 1 AS depth
    FROM relationship WHERE hierarchy_id = :random
    UNION ALL
    SELECT p.entity, r.parent_id, p.share * r.share, p.depth + 1
    FROM path p JOIN relationship r ON r.hierarchy_id = :random AND r.child_id = p.owner
), expected AS (
    SELECT entity, owner, sum(share) AS share, min(depth) AS depth, count(*) AS paths,
        count(*) FILTER (WHERE share IS NULL) AS unstated_paths
    FROM path GROUP BY 1, 2
), got AS (
    SELECT e.entity_id AS entity, o.owner_id AS owner, o.share, o.depth, o.paths, o.unstated_paths
    FROM entity e, owners('ownership_random', e.entity_id) o WHERE e.code LIKE 'R%' AND e.entity_type = 'ownership firm'
)
SELECT count(*) > 500 AS many, max(expected.paths) > 100 AS often,
    count(*) FILTER (WHERE expected IS DISTINCT FROM got) AS wrong
FROM expected FULL JOIN got USING (entity, owner);
-- control: the greatest set that no step adds to, found by adding one at a time
CREATE FUNCTION controlled(graph text, owner bigint, pooled boolean) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    id int := (find_hierarchy(graph)).hierarchy_id;
    found_ids bigint[] := ARRAY[owner];
    next bigint;
BEGIN
    LOOP
        SELECT r.child_id INTO next
        FROM relationship r
        WHERE r.hierarchy_id = id AND r.parent_id = ANY (found_ids) AND r.child_id <> ALL (found_ids)
        GROUP BY r.child_id
        HAVING CASE WHEN pooled THEN sum(r.share) ELSE max(r.share) END > 0.5
        LIMIT 1;
        EXIT WHEN NOT FOUND;
        found_ids := found_ids || next;
    END LOOP;
    RETURN (SELECT array_agg(i ORDER BY i) FROM unnest(found_ids) i WHERE i <> owner);
END $$;
SELECT pooled, count(*), count(*) FILTER (WHERE n > 3) AS large, count(*) FILTER (WHERE got IS DISTINCT FROM expected) AS wrong
FROM (
    SELECT pooled, controlled('ownership_random', e.entity_id, pooled) AS expected,
        (SELECT array_agg(c.entity_id ORDER BY c.entity_id) FROM controls('ownership_random', e.entity_id, pooled => p.pooled) c) AS got,
        (SELECT count(*) FROM controls('ownership_random', e.entity_id, pooled => p.pooled)) AS n
    FROM entity e, (VALUES (true), (false)) AS p (pooled)
    WHERE e.code LIKE 'R%' AND e.entity_type = 'ownership firm') v
GROUP BY pooled ORDER BY pooled;

SELECT drop_hierarchy('ownership', true);
SELECT drop_hierarchy('ownership_random', true);
DELETE FROM entity WHERE entity_type = 'ownership firm';
DELETE FROM entity_type WHERE entity_type = 'ownership firm';
DROP SCHEMA ownership CASCADE;
RESET client_min_messages;
