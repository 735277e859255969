-- Rollups of a graph small enough to check by hand
CREATE SCHEMA rollups;
SET search_path = rollups, hierarchy;

-- 4 belongs to 2 and 3; the share of 7 in 4 is not stated; 8 is registered
-- without a parent
--
--        1          8
--    1 /   \ 1
--     2     3
--   .6 \   / .4 \ 1
--        4       5
--      1 |  \ ?
--        6   7
CREATE TABLE member (parent int, child int, share numeric, is_primary boolean, valid daterange);
INSERT INTO member VALUES
    (1, 2, 1, true, NULL), (1, 3, 1, true, NULL),
    (2, 4, 0.6, false, NULL), (3, 4, 0.4, true, '[2024-01-01,)'), (3, 5, 1, true, NULL),
    (4, 6, 1, true, NULL), (4, 7, NULL, true, NULL), (NULL, 8, NULL, NULL, NULL);
CREATE INDEX org ON member USING hgraph (parent, child) INCLUDE (share, is_primary, valid)
    WITH (weight = 'share', is_primary = 'is_primary', validity = 'valid');

-- 10 at 4, 5 + 1 at 5, 100.50 at 6, 7 at 7; 99 is no node, one key is missing,
-- one value is
CREATE TABLE sale (id int, node int, amount numeric(10,2), units int, price float8, month int);
INSERT INTO sale VALUES
    (1, 4, 10.00, 2, 5, 1), (2, 5, 5.00, 1, 5, 1), (3, 5, 1.00, 1, 1, 2),
    (4, 6, 100.50, 3, 33.5, 2), (5, 7, 7.00, NULL, 7, 1),
    (6, 99, 3.00, 1, 3, 1), (7, NULL, 0.25, 1, 0.25, 2), (8, 6, NULL, 4, NULL, 2);

-- Each mode
SELECT e.* FROM (SELECT rollup('org', node, amount) AS r FROM sale) x, each(r) e;
SELECT e.* FROM (SELECT rollup('org', node, amount, 'weighted') AS r FROM sale) x, each(r) e;
SELECT e.* FROM (SELECT rollup('org', node, amount, 'primary') AS r FROM sale) x, each(r) e;
SELECT e.* FROM (SELECT rollup('org', node, amount, 'paths') AS r FROM sale) x, each(r) e;

-- Where it all went: matched facts, and what sharing adds or leaves out
SELECT m AS mode, c.* FROM (SELECT m, rollup('org', node, amount, m) AS r FROM sale,
        unnest('{distinct,weighted,primary,paths}'::text[]) m GROUP BY m) x, reconcile(r) c
    ORDER BY m;
SELECT u.* FROM (SELECT rollup('org', node, amount) AS r FROM sale) x, unmatched(r) u;

-- Counts: every row counts, with or without a value
SELECT e.* FROM (SELECT rollup('org', node) AS r FROM sale) x, each(r) e;
SELECT e.* FROM (SELECT rollup('org', node, 'weighted') AS r FROM sale) x, each(r) e WHERE node <= 3;
SELECT u.* FROM (SELECT rollup('org', node) AS r FROM sale) x, unmatched(r) u;

-- Least, greatest, average
SELECT node, own_min, total_min, own_max, total_max, own_avg, round(total_avg, 4) AS total_avg
    FROM (SELECT rollup('org', node, amount) AS r FROM sale) x, each_stats(r);
SELECT node, total_min, total_max, total_avg
    FROM (SELECT rollup('org', node, amount, 'weighted') AS r FROM sale) x, each_stats(r);
SELECT s.* FROM (SELECT rollup('org', node, units) AS r FROM sale) x, node_stats(r, 3) s;
SELECT s.* FROM (SELECT rollup('org', node, units) AS r FROM sale) x, node_stats(r, 99) s;

-- Types of values: sums are numeric, integers without places
SELECT pg_typeof(r -> 1) AS type, rollup('org', node, units::smallint) -> 1 AS int2, rollup('org', node, units) -> 1 AS int4,
    rollup('org', node, units::bigint) -> 1 AS int8, rollup('org', node, amount) -> 1 AS numeric,
    rollup('org', node, price::real) -> 1 AS real, rollup('org', node, price) -> 1 AS double
    FROM sale, (SELECT rollup('org', 2, 1) AS r) x GROUP BY 1;
SELECT rollup('org', 4, 9223372036854775807) -> 1 AS beyond_bigint,
    rollup('org', 4, 99999999999999999999999999999999999999.5) -> 1 AS beyond_128_bits FROM generate_series(1, 10);
SELECT rollup('org', 4, v) -> 1 AS scales FROM (VALUES (1.5), (2.25), (3)) v (v);
SELECT rollup('org', 4, v) -> 1 AS cancelled FROM (VALUES (1e18::float8), (0.5), (-1e18)) v (v);
SELECT e.node, e.total FROM (SELECT rollup('org', n, v) AS r FROM (VALUES (4, 'Infinity'::numeric), (5, '-Infinity'), (6, 'NaN'), (2, 1)) v (n, v)) x, each(r) e;
CREATE DOMAIN euro AS numeric(10,2) CHECK (VALUE >= 0);
SELECT rollup('org', node, amount::euro) -> 1 AS domain FROM sale;

-- Types of keys
SELECT rollup('org', node::smallint, 1) -> 1 AS int2, rollup('org', node::bigint, 1) -> 1 AS int8,
    rollup('org', node::text, 1) -> 1 AS text, rollup('org', (' 0' || node)::varchar, 1) -> 1 AS varchar FROM sale;
CREATE TABLE place AS SELECT 'p' || parent AS parent, 'p' || child AS child FROM member;
CREATE INDEX places ON place USING hgraph (parent, child);
SELECT rollup('places', 'p' || node, 1) -> 'p1' AS text, rollup('places', ('p' || node)::varchar, 1) -> 'p1' AS varchar,
    rollup('places', ('p' || node)::char(9), 1) -> 'p1' AS char, rollup('places', ('p' || node)::name, 1) -> 'p1' AS name FROM sale;
-- Literals without a type
SELECT rollup('places', 'p1', 1) -> 'p1' AS text, rollup('org', '2', 1) -> 1 AS integer,
    rollup('places', 'p1', 'paths') -> 'p1' AS counted FROM sale;
SELECT node, total, pg_typeof(node) FROM each((SELECT rollup('places', 'p2', 3)), NULL::varchar);
SELECT e.* FROM (SELECT rollup('places', 'p' || node, amount) AS r FROM sale) x, each(r, NULL::text) e WHERE total > 10;
CREATE TABLE thing AS SELECT ('00000000-0000-4000-8000-00000000000' || parent)::uuid AS parent,
    ('00000000-0000-4000-8000-00000000000' || child)::uuid AS child FROM member;
CREATE INDEX things ON thing USING hgraph (parent, child);
SELECT rollup('things', ('00000000-0000-4000-8000-00000000000' || node)::uuid, amount)
    -> '00000000-0000-4000-8000-000000000001'::uuid AS uuid FROM sale WHERE node < 10;

-- Edges of a day
SELECT rollup('org', node, amount, 'distinct', '2023-12-31') -> 3 AS before, rollup('org', node, amount, 'distinct', '2024-01-01') -> 3 AS since FROM sale;

-- With groups, conditions, filters, windows
SELECT month, rollup('org', node, amount) -> 3 AS total FROM sale GROUP BY month ORDER BY month;
SELECT month, rollup('org', node, amount) -> 3 AS total FROM sale GROUP BY ROLLUP (month) ORDER BY month;
SELECT rollup('org', node, amount) FILTER (WHERE month = 1) -> 1 AS january, rollup('org', node, amount) FILTER (WHERE month = 2) -> 1 AS february,
    rollup('org', node, amount) FILTER (WHERE month = 3) -> 1 AS march FROM sale;
SELECT id, rollup('org', node, amount) OVER (ORDER BY id) -> 1 AS so_far FROM sale;
SELECT rollup_table('org', 'sale', 'node', 'amount', filter => 'month = 2') -> 1 AS february;

-- Nothing
SELECT rollup('org', node, amount) IS NULL AS null FROM sale WHERE false;
SELECT rollup('org', node, NULL::numeric) IS NULL AS null FROM sale;
SELECT count(*) FROM each(NULL::hrollup);
SELECT e.* FROM (SELECT rollup('org', NULL::int, 5) AS r) x LEFT JOIN each(r) e ON true;

-- Added up, kept, compared
CREATE TABLE kept AS SELECT month, rollup('org', node, amount) AS r FROM sale GROUP BY month;
SELECT e.* FROM (SELECT sum(r) AS r FROM kept) x, each(r) e;
SELECT e.* FROM kept a, kept b, each(a.r + b.r) e WHERE (a.month, b.month) = (1, 2) AND node = 1;
BEGIN;
UPDATE member SET parent = 2 WHERE child = 5;
SELECT c.* FROM kept, compare_rollup(r, (SELECT rollup('org', node, amount) FROM sale WHERE month = 1)) c
    WHERE month = 1 AND difference <> 0;
ROLLBACK;
SELECT r -> 3 AS three, r -> 8 AS without_facts, r -> '3' AS text FROM kept ORDER BY month;
DELETE FROM member WHERE parent = 3;
SELECT r -> 3 AS three FROM kept ORDER BY month;
SELECT rollup('org', node, amount) -> 3 AS three FROM sale;

-- Safe in parallel plans, and partial
SELECT a.aggfnoid::regprocedure, p.proparallel, a.aggcombinefn <> 0 AS combine, a.aggserialfn <> 0 AS serialize, a.aggdeserialfn <> 0 AS deserialize
    FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
    WHERE pronamespace = 'hierarchy'::regnamespace ORDER BY a.aggfnoid::regprocedure::text COLLATE "C";
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS off) SELECT rollup('org', node, amount) FROM sale;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- What cannot be rolled up
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE 'SELECT count(q) FROM (' || query || ') q' INTO n;
    RETURN n || ' rows';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN state || ': ' || message
        || CASE WHEN detail <> '' THEN E'\n  DETAIL: ' || detail ELSE '' END
        || CASE WHEN hint <> '' THEN E'\n  HINT: ' || hint ELSE '' END;
END
$$;
\pset format unaligned
\pset tuples_only on
SELECT try($$ SELECT rollup('org', 4, 1, 'shared') $$);
SELECT try($$ SELECT rollup('places', 'p4'::text, 1, 'weighted') $$);
SELECT try($$ SELECT rollup('places', 'p4'::text, 1, 'primary') $$);
SELECT try($$ SELECT rollup('places', 'p4'::text, 1, 'distinct', '2024-01-01') $$);
SELECT try($$ SELECT rollup(NULL::hgraph, 4, 1) $$);
SELECT try($$ SELECT rollup('org', node, 1, m) FROM sale, (VALUES ('distinct'), ('paths')) v (m) $$);
SELECT try($$ SELECT rollup(g, 4, 1) FROM (VALUES ('org'::hgraph), ('places')) v (g) $$);
SELECT try($$ SELECT rollup('org', 4, 1, 'distinct', d) FROM (VALUES ('2024-01-01'::date), (NULL)) v (d) $$);
SELECT try($$ SELECT rollup('org', gen_random_uuid(), 1) $$);
SELECT try($$ SELECT rollup('places', 4, 1) $$);
SELECT try($$ SELECT rollup('org', 4.0, 1) $$);
SELECT try($$ SELECT rollup('org', 4, interval '1 day') $$);
SELECT try($$ SELECT rollup('org', 'four'::text, 1) $$);
UPDATE member SET share = 1.5 WHERE child = 6;
SELECT try($$ SELECT rollup('org', 6, 1, 'weighted') $$);
ALTER INDEX org SET (any_weight = on);
SELECT trim_scale(rollup('org', 6, 1, 'weighted') -> 4);
BEGIN;
UPDATE member SET share = 'NaN' WHERE child = 6;
SELECT try($$ SELECT rollup('org', 6, 1, 'weighted') $$);
UPDATE member SET share = -1e300 WHERE child = 6;
SELECT try($$ SELECT rollup('org', 6, 1, 'weighted') $$);
ROLLBACK;
SELECT try($$ SELECT r + (SELECT rollup('org', 4, 1, 'paths')) FROM kept $$);
SELECT try($$ SELECT r + (SELECT rollup('places', 'p4'::text, 1)) FROM kept $$);
SELECT try($$ SELECT r + (SELECT rollup('org', 4)) FROM kept $$);
SELECT try($$ SELECT r -> gen_random_uuid() FROM kept $$);
SELECT try($$ SELECT each(r, NULL::uuid) FROM kept $$);
SELECT node, pg_typeof(node), r -> node AS total FROM kept, each(r, NULL::smallint) LIMIT 1;
SELECT try($$ SELECT ''::hrollup $$);
CREATE ROLE regress_hierarchy_rollup;
GRANT USAGE ON SCHEMA rollups TO regress_hierarchy_rollup;
GRANT SELECT ON sale, kept TO regress_hierarchy_rollup;
SET ROLE regress_hierarchy_rollup;
SELECT try($$ SELECT rollup('org', node, amount) FROM sale $$);
SELECT r -> 3 FROM kept ORDER BY month;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA rollups CASCADE;
DROP ROLE regress_hierarchy_rollup;
