-- What the log tells, and taking changes back.  In a database of its own: the
-- numbers of changes are to be seen.
\set main :DBNAME
CREATE DATABASE hierarchy_history TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c hierarchy_history
SET client_min_messages = warning;
CREATE EXTENSION hierarchy;
SET search_path = public, hierarchy;
\set VERBOSITY terse

-- Moments, and what the table held then
CREATE TABLE moment (name text PRIMARY KEY, at timestamptz);
CREATE TABLE held (name text, r relationship);
CREATE FUNCTION moment(name text) RETURNS void LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO held SELECT moment.name, r FROM relationship r;
    INSERT INTO moment VALUES (moment.name, clock_timestamp());
END;
CREATE FUNCTION at(name text) RETURNS timestamptz LANGUAGE sql STABLE
RETURN (SELECT m.at FROM moment m WHERE m.name = at.name);
-- Moments of which something else is known than was there
CREATE FUNCTION wrong_moments(hierarchy text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE m record;
BEGIN
    FOR m IN SELECT * FROM moment ORDER BY at LOOP
        RETURN QUERY
        SELECT m.name
        FROM (SELECT k FROM relationships_known_at(hierarchy, m.at) k) k
            FULL JOIN (SELECT h.r FROM held h
                    WHERE h.name = m.name AND (h.r).hierarchy_id = (find_hierarchy(wrong_moments.hierarchy)).hierarchy_id) h
                ON (k.k).child_id = (h.r).child_id AND k.k = h.r
        WHERE k.k IS NULL OR h.r IS NULL
        LIMIT 1;
    END LOOP;
END $$;
CREATE FUNCTION id(code text) RETURNS bigint LANGUAGE sql STABLE
RETURN (SELECT e.entity_id FROM entity e WHERE e.code = id.code);
-- The error of a statement, without times
CREATE FUNCTION fails(statement text) RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    message := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    detail := regexp_replace(detail, ' by \S+ on [0-9-]+ [0-9:]+ [A-Z0-9+-]+', ' by me at that time', 'g');
    RETURN NEXT;
END $$;

SELECT create_hierarchy('sales', share_mode => 'full', type_rules => '{"person": ["shop"], "shop": ["firm"]}');
SELECT create_hierarchy('visits', share_mode => 'split', relationship_types => '{visits}');
SELECT count(*) FROM (VALUES
    (add_entity('firm', 'F', 'The firm')), (add_entity('shop', 'S1', 'Corner shop')), (add_entity('shop', 'S2', 'Big shop', identifiers => '{"DUNS": "123456789"}')),
    (add_entity('person', 'P1', 'Ann', '{"country": "US"}', '{"NPI": "1234567893"}', 'new')),
    (add_entity('person', 'P2', 'Bob')), (add_entity('person', 'P3', 'Bert'))) v;
SELECT count(*) FROM (VALUES
    (assign('sales', id('S1'), id('F'))), (assign('sales', id('S2'), id('F'), 0.5)),
    (assign('sales', id('P1'), id('S1'), 1, reason => 'first plan')), (assign('sales', id('P2'), id('S1'))),
    (assign('sales', id('P3'), id('S2'), valid => '[2016-01-01,2017-01-01)'))) v;
SELECT moment('a');

-- Each verb, and plain statements
SELECT (reassign('sales', id('P1'), id('S1'), id('S2'), '2016-03-01', 'territories')).valid;
SELECT (set_share('sales', id('P1'), id('S2'), 0.25, '2016-05-01', 'agreed')).share;
UPDATE relationship SET share = 0.3, influence_level = 2, attributes = '{"note": "x"}'
    WHERE child_id = id('P1') AND valid @> date '2016-06-01';
SELECT (unassign('sales', id('P2'), id('S1'), '2016-04-01', 'left')).valid;
SELECT moment('b');
UPDATE entity SET name = 'Ann B.', attributes = '{"country": "CA", "since": 2020}' WHERE code = 'P1';
UPDATE identifier SET value = '1679576722' WHERE scheme = 'NPI';
SELECT set_entity_status(id('P2'), 'inactive', 'retired');
SELECT (reassign('sales', id('P1'), id('S2'), id('S1'), '2016-05-01')).parent_id = id('S1') AS in_place;
DELETE FROM relationship WHERE child_id = id('P3');
BEGIN;
SELECT (assign('visits', id('P1'), id('S1'), 0.4, false)).share;
SELECT (assign('visits', id('P1'), id('S2'), 0.6, true)).share;
COMMIT;
SELECT set_shares('visits', id('P1'), jsonb_build_object(id('S1'), 0.5, id('S2'), 0.5), '2016-07-01', 'half each');
SELECT moment('before the merge');
SELECT merge_entity(id('S2'), id('S1'), 'the same shop');
SELECT moment('c');

SELECT event, reason FROM history(id('P1')) WHERE reason IS DISTINCT FROM 'the same shop';
SELECT event FROM history(id('P1')) WHERE reason = 'the same shop' ORDER BY event COLLATE "C";
SELECT event, reason FROM history(id('P2'));
SELECT change_id, event, reason FROM history(id('P3'));
SELECT event FROM history(id('S1')) WHERE reason IS DISTINCT FROM 'the same shop';
SELECT event FROM history(id('S1')) WHERE reason = 'the same shop' ORDER BY event COLLATE "C";
SELECT event FROM history(id('S2')) WHERE reason IS DISTINCT FROM 'the same shop';
SELECT event FROM history(id('S2')) WHERE reason = 'the same shop' ORDER BY event COLLATE "C";
SELECT count(*) FROM history(-1);
SELECT count(*) FROM history(NULL);
-- whoever it was
SELECT DISTINCT changed_by = session_user AS by_me, request IS NULL AS no_request FROM history(id('P1'));

-- What was known
SELECT * FROM wrong_moments('sales');
SELECT * FROM wrong_moments('visits');
SELECT count(*) FROM relationships_known_at('sales', now() - interval '1 day');
SELECT as_known_at('sales', at('a'));
SELECT e.code, d.depth, d.share FROM descendants('sales_as_known', id('F'), as_of => '2016-06-01') d JOIN entity e ON e.entity_id = d.node
ORDER BY d.depth, e.code;
-- in the same statement; it replaces the other one
SELECT e.code, d.depth, d.share
FROM descendants(as_known_at('sales', at('b')), id('F'), as_of => '2016-06-01') d JOIN entity e ON e.entity_id = d.node
ORDER BY d.depth, e.code;
SELECT e.code, r.total FROM each((SELECT rollup('sales_as_known', id('P1'), 100, 'weighted', '2016-06-01'))) r
    JOIN entity e ON e.entity_id = r.node
ORDER BY 1;
SELECT * FROM verify('sales_as_known');
-- a statement gets the same for every row, and another for another moment
BEGIN;
SELECT DISTINCT as_known_at('sales', at('a')), as_known_at('sales', at('b')) FROM generate_series(1, 3);
SELECT count(*) FROM each((SELECT rollup(as_known_at('sales', at('b')), entity_id, 1, 'weighted', '2016-06-01') FROM entity));
ROLLBACK;
-- long names, and letters of more than a byte
SELECT create_hierarchy(repeat('ä', 31));
SELECT as_known_at(repeat('ä', 31), now());
SELECT drop_hierarchy(repeat('ä', 31));
SELECT * FROM fails($$SELECT as_known_at('sales', NULL)$$);
SELECT state, message FROM fails($$SELECT as_known_at('nowhere', now())$$);
SELECT state, message FROM fails($$SELECT fill_known('moment', 'SELECT 1')$$);
-- what a column does not allow, readers need not expect: memory behind the row would be taken for the value
SELECT state, message FROM fails($fails$DO $do$
BEGIN
    CREATE TEMP TABLE strict (a integer NOT NULL, b text NOT NULL, c text);
    PERFORM fill_known('strict', 'SELECT 1, ''b''::text, NULL::text');
    PERFORM fill_known('strict', 'SELECT 1, NULL::text, ''c''::text FROM generate_series(1, 2)');
END
$do$$fails$);

-- What is different
SELECT change, child, old_parent, new_parent, old_row ->> 'valid' AS old_valid, new_row ->> 'valid' AS new_valid,
    new_row ->> 'share' AS new_share
FROM compare_hierarchy('sales', at('a'), at('b'));
SELECT change, child, old_parent, new_parent, old_row ->> 'valid' AS old_valid, new_row ->> 'valid' AS new_valid,
    new_row ->> 'share' AS new_share
FROM compare_hierarchy('sales', at('b'), at('a'));
SELECT change, child, old_parent, new_parent FROM compare_hierarchy('sales', at('b'), at('c'));
SELECT change, count(*) FROM compare_hierarchy('sales', at('a'), at('a')) GROUP BY 1;

-- Undo: of one change, the other way round
SELECT change_id AS wrong FROM change_log WHERE table_name = 'identifier' AND operation = 'UPDATE' AND entity_id = id('P1') \gset
SELECT undo(:wrong) AS undone \gset
SELECT max(change_id) = :undone AS number_of_new_change FROM change_log;
SELECT event, reason FROM history(id('P1')) ORDER BY change_id DESC LIMIT 1;
SELECT * FROM fails(format('SELECT undo(%s)', :wrong));
SELECT undo(:undone, 'wrong number after all') > 0 AS undone;
SELECT event, reason FROM history(id('P1')) ORDER BY change_id DESC LIMIT 1;
SELECT f.* FROM change_log c, fails('SELECT undo(' || change_id || ')') f WHERE c.table_name = 'identifier' AND operation = 'INSERT' AND c.entity_id = id('P1');
-- something was built on it
SELECT * FROM fails('SELECT undo(' || (SELECT change_id FROM change_log WHERE table_name = 'entity' AND operation = 'INSERT' AND entity_id = id('F')) || ')');
SELECT * FROM fails('SELECT undo(0)');
SELECT * FROM fails('SELECT undo(NULL)');
-- the log is not read from one end to the other for a transaction
BEGIN;
SET LOCAL enable_seqscan = off;
DISCARD PLANS;
SELECT coalesce(sum(s.seq_scan), 0) AS before FROM pg_stat_xact_user_tables s JOIN pg_partition_tree('hierarchy.change_log') p ON p.relid = s.relid \gset
SELECT * FROM fails($$SELECT undo_transaction('0')$$);
SELECT coalesce(sum(s.seq_scan), 0) - :before AS scans FROM pg_stat_xact_user_tables s JOIN pg_partition_tree('hierarchy.change_log') p ON p.relid = s.relid;
ROLLBACK;

-- Undo of a transaction: the merge
SELECT undo_transaction(txid, 'they are two') > 5 AS undone FROM change_log WHERE reason = 'the same shop' LIMIT 1;
SELECT count(*) FROM (SELECT r FROM relationship r) r
    FULL JOIN (SELECT h.r FROM held h WHERE h.name = 'before the merge') h ON (r.r).child_id = (h.r).child_id AND r.r = h.r
WHERE r.r IS NULL OR h.r IS NULL;
SELECT code, status, merged_into FROM entity WHERE code LIKE 'S%' ORDER BY 1;
SELECT event FROM history(id('S2')) WHERE reason = 'they are two' ORDER BY event COLLATE "C";
SELECT * FROM check_hierarchy('sales') UNION ALL SELECT * FROM check_hierarchy('visits');

-- Settings, rules, names, whole hierarchies
SELECT * FROM fails($$UPDATE hierarchy SET max_parents = 1 WHERE name = 'visits'$$);
UPDATE hierarchy SET description = 'who calls on whom', max_parents = 7 WHERE name = 'visits';
SELECT undo(max(change_id)) > 0 AS undone FROM change_log;
INSERT INTO relationship_rule VALUES (2, 'person', 'shop', 3);
UPDATE relationship_rule SET max_parents = 2 WHERE hierarchy_id = 2;
SELECT undo(max(change_id)) > 0 AS undone FROM change_log;
SELECT * FROM relationship_rule WHERE hierarchy_id = 2;
SELECT undo(max(change_id)) > 0 AS undone FROM change_log WHERE table_name = 'relationship_rule' AND operation = 'INSERT';
SELECT rename_hierarchy('visits', 'calls');
SELECT undo(max(change_id)) > 0 AS undone FROM change_log;
SELECT hierarchy_id, name, graph, description, max_parents FROM hierarchy ORDER BY 1;
SELECT drop_hierarchy('visits', force => true);
SELECT count(*) FROM relationships_known_at('visits', at('c'));
SELECT undo_transaction(txid) > 0 AS undone FROM change_log ORDER BY change_id DESC LIMIT 1;
SELECT hierarchy_id, name, graph, (SELECT count(*) FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id) FROM hierarchy h ORDER BY 1;
SELECT e.code, p.share FROM parents('visits', id('P1')) p JOIN entity e ON e.entity_id = p.node ORDER BY 1;
BEGIN;
SELECT create_hierarchy('short lived', type_rules => '{"pet": ["person"]}');
SELECT add_entity('pet', 'D', 'Dog') > 0 AS added;
SELECT (assign('short lived', id('D'), id('P1'))).is_primary;
COMMIT;
SELECT undo_transaction(txid) > 0 AS undone FROM change_log ORDER BY change_id DESC LIMIT 1;
SELECT name FROM hierarchy ORDER BY 1;
SELECT count(*) FROM entity_type WHERE entity_type = 'pet';
SELECT undo_transaction(txid) > 0 AS undone FROM change_log ORDER BY change_id DESC LIMIT 1;
SELECT e.code, p.node = id('P1') AS owned FROM entity e, parents('"short lived"', e.entity_id) p WHERE e.entity_type = 'pet';
SELECT undo_transaction(txid) > 0 AS undone FROM change_log ORDER BY change_id DESC LIMIT 1;
-- a transaction that nothing but all at once can undo: who was above is below
INSERT INTO entity_type VALUES ('node');
SELECT count(add_entity('node', 'N' || i, 'node')) FROM generate_series(1, 4) i;
SELECT create_hierarchy('chain', max_parents => 1);
INSERT INTO relationship (hierarchy_id, parent_id, child_id)
SELECT h.hierarchy_id, id('N' || i), id('N' || i + 1) FROM generate_series(1, 3) i, find_hierarchy('chain') h;
SELECT moment('chain');
WITH out AS (
    DELETE FROM relationship WHERE hierarchy_id = (find_hierarchy('chain')).hierarchy_id RETURNING *)
INSERT INTO relationship (hierarchy_id, parent_id, child_id) SELECT hierarchy_id, child_id, parent_id FROM out;
SELECT e.code, d.depth FROM descendants('chain', id('N4')) d JOIN entity e ON e.entity_id = d.node ORDER BY 2;
SELECT undo_transaction(txid) AS changes FROM change_log ORDER BY change_id DESC LIMIT 1;
SELECT e.code, d.depth FROM descendants('chain', id('N1')) d JOIN entity e ON e.entity_id = d.node ORDER BY 2;
SELECT undo_transaction(txid) AS changes FROM change_log ORDER BY change_id DESC LIMIT 1;
SELECT e.code, d.depth FROM descendants('chain', id('N4')) d JOIN entity e ON e.entity_id = d.node ORDER BY 2;
-- of one that did a thing and gave it up again there is nothing to undo
BEGIN;
UPDATE entity SET name = 'x' WHERE code = 'N1';
UPDATE entity SET name = 'node' WHERE code = 'N1';
COMMIT;
SELECT undo_transaction(txid) AS changes, max(change_id) AS last FROM change_log GROUP BY txid ORDER BY max(change_id) DESC LIMIT 1;

-- what else can happen to a table
UPDATE entity_type SET entity_type = 'knot' WHERE entity_type = 'node';
SELECT undo_transaction(txid) AS changes
FROM change_log ORDER BY change_id DESC LIMIT 1;
SELECT entity_type, count(*) FROM entity GROUP BY 1 ORDER BY 1;
SELECT moment('full');
TRUNCATE relationship;
SELECT operation, count(*) > 0 AS logged FROM change_log WHERE change_id > (SELECT max(change_id) FROM change_log WHERE operation <> 'TRUNCATE') GROUP BY 1;
SELECT count(*) FROM relationship;
SELECT undo_transaction(txid) > 5 AS undone FROM change_log ORDER BY change_id DESC LIMIT 1;
SELECT count(*) FROM (SELECT r FROM relationship r) r
    FULL JOIN (SELECT h.r FROM held h WHERE h.name = 'full') h ON (r.r).child_id = (h.r).child_id AND r.r = h.r
WHERE r.r IS NULL OR h.r IS NULL;

-- Everything that was done since the first moment, one by one, the last first
BEGIN;
SELECT count(undo(c.change_id)) > 20 AS undone
FROM (SELECT change_id FROM change_log WHERE changed_at > at('a') AND table_name IN ('entity', 'identifier', 'relationship')
        AND coalesce(hierarchy_id, 0) < 3 AND entity_id <= id('P3') ORDER BY change_id DESC OFFSET 0) c;
COMMIT;
SELECT count(*) FROM (SELECT r FROM relationship r WHERE hierarchy_id < 3) r
    FULL JOIN (SELECT h.r FROM held h WHERE h.name = 'a') h ON (r.r).child_id = (h.r).child_id AND r.r = h.r
WHERE r.r IS NULL OR h.r IS NULL;
SELECT code, name, status, attributes, value FROM entity LEFT JOIN identifier USING (entity_id) WHERE entity_type <> 'node' ORDER BY 1;
SELECT * FROM wrong_moments('sales') UNION ALL SELECT * FROM wrong_moments('visits') UNION ALL SELECT * FROM wrong_moments('chain');

-- Rights: the log and the relationships are enough for what was known
CREATE ROLE regress_history_reader;
GRANT SELECT ON change_log, relationship TO regress_history_reader;
GRANT SELECT ON moment TO regress_history_reader;
SET ROLE regress_history_reader;
SELECT count(*) FROM relationships_known_at('sales', at('b'));
SELECT as_known_at('sales', at('b'));
SELECT count(*) FROM descendants('sales_as_known_2', 1, as_of => '2016-03-15');
SELECT state, message FROM fails($$SELECT count(*) FROM descendants('sales_as_known', 1)$$);
SELECT state, message FROM fails('SELECT undo(20)');
RESET ROLE;

-- Replay: the same rows out of nothing but the log
CREATE DATABASE hierarchy_replay TEMPLATE hierarchy_history;
\c hierarchy_replay
SET client_min_messages = warning;
CREATE TABLE log AS TABLE hierarchy.change_log;
CREATE TABLE was AS
SELECT 'entity_type' AS name, to_jsonb(t) AS r FROM hierarchy.entity_type t
UNION ALL SELECT 'relationship_type', to_jsonb(t) FROM hierarchy.relationship_type t
UNION ALL SELECT 'identifier_scheme', to_jsonb(t) FROM hierarchy.identifier_scheme t
UNION ALL SELECT 'hierarchy', to_jsonb(t) FROM hierarchy.hierarchy t
UNION ALL SELECT 'entity', to_jsonb(t) FROM hierarchy.entity t
UNION ALL SELECT 'identifier', to_jsonb(t) FROM hierarchy.identifier t
UNION ALL SELECT 'relationship_rule', to_jsonb(t) FROM hierarchy.relationship_rule t
UNION ALL SELECT 'relationship', to_jsonb(t) FROM hierarchy.relationship t;
DROP EXTENSION hierarchy CASCADE;
CREATE EXTENSION hierarchy;
CREATE TABLE part_of_log AS SELECT * FROM log WHERE operation <> 'INSERT' OR table_name <> 'entity';
SELECT hierarchy.replay_changes('part_of_log');
SELECT hierarchy.replay_changes('log') + 3 = count(*) AS all_rows FROM was;
CREATE VIEW now AS
SELECT 'entity_type' AS name, to_jsonb(t) AS r FROM hierarchy.entity_type t
UNION ALL SELECT 'relationship_type', to_jsonb(t) FROM hierarchy.relationship_type t
UNION ALL SELECT 'identifier_scheme', to_jsonb(t) FROM hierarchy.identifier_scheme t
UNION ALL SELECT 'hierarchy', to_jsonb(t) FROM hierarchy.hierarchy t
UNION ALL SELECT 'entity', to_jsonb(t) FROM hierarchy.entity t
UNION ALL SELECT 'identifier', to_jsonb(t) FROM hierarchy.identifier t
UNION ALL SELECT 'relationship_rule', to_jsonb(t) FROM hierarchy.relationship_rule t
UNION ALL SELECT 'relationship', to_jsonb(t) FROM hierarchy.relationship t;
SELECT name, count(*) FROM was GROUP BY 1 ORDER BY 1;
(TABLE was EXCEPT ALL TABLE now) UNION ALL (TABLE now EXCEPT ALL TABLE was);
SELECT count(*) FROM hierarchy.descendants('sales', 1, as_of => '2016-03-15');
SELECT count(*) FROM log l WHERE l.table_name = 'entity' AND l.entity_id >= nextval('hierarchy.entity_entity_id_seq');
SELECT hierarchy.replay_changes('log');
-- its own log, restored from somewhere: silently
DROP EXTENSION hierarchy CASCADE;
CREATE EXTENSION hierarchy;
BEGIN;
SET LOCAL search_path = '';
SET LOCAL check_function_bodies = off;
SET LOCAL row_security = off;
INSERT INTO hierarchy.change_log SELECT * FROM public.log;
COMMIT;
SELECT hierarchy.replay_changes() + 3 = count(*) AS all_rows FROM was;
SELECT (SELECT count(*) FROM hierarchy.change_log) = (SELECT count(*) FROM log) AS nothing_logged;
SELECT count(*) FROM was WHERE name = 'relationship' AND NOT EXISTS (SELECT FROM hierarchy.relationship r WHERE to_jsonb(r) = was.r);
SHOW row_security;
SHOW check_function_bodies;

\c :main
SET client_min_messages = warning;
DROP DATABASE hierarchy_replay;
DROP DATABASE hierarchy_history;
DROP ROLE regress_history_reader;
