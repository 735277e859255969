-- Row estimates, selectivity, and the custom scan of calls in FROM
CREATE SCHEMA planner;
SET search_path = planner, hierarchy;

CREATE TABLE org (parent bigint, child bigint, share numeric, valid daterange);
INSERT INTO org SELECT nullif(i / 10, 0), i, 0.5, NULL
  FROM generate_series(1, 1999) i;
CREATE INDEX org_graph ON org USING hgraph (parent, child)
  INCLUDE (share) WITH (weight = 'share');
VACUUM ANALYZE org;

-- The planner's estimate and the truth
CREATE FUNCTION rows_of(query text, OUT estimated bigint, OUT actual bigint)
LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
  estimated := plan -> 0 -> 'Plan' ->> 'Plan Rows';
  EXECUTE 'SELECT count(*) FROM (' || query || ') q' INTO actual;
END
$$;

SELECT c.call, r.*
  FROM unnest(ARRAY[
    'descendants(''org'', 1)',
    'descendants(''org'', 5)',
    'descendants(''org'', 5, max_depth => 1)',
    'descendants(''org'', 5, include_self => true)',
    'descendants(''org'', 1500)',
    'descendants(''org'', -1)',
    'descendants(''org'', ''17'')',
    'descendants(''org'', 10 + 7)',
    'ancestors(''org'', 1500)',
    'parents(''org'', 1500)',
    'children(''org'', 1)',
    'roots(''org'')',
    'leaves(''org'', 5)',
    'tops(''org'', 1500)',
    'paths(''org'', 1500)',
    'closure(''org'')',
    'common_ancestors(''org'', 1500, 1501)',
    'preorder(''org'', 5)']) WITH ORDINALITY c (call, n),
    rows_of('SELECT * FROM ' || c.call) r
  ORDER BY c.n;

-- Bad arguments are no error before the call runs
EXPLAIN (COSTS OFF) SELECT * FROM descendants('org', 1, max_depth => -1);
EXPLAIN (COSTS OFF) SELECT * FROM descendants('org', 'no number');
SELECT * FROM descendants('org', 1, max_depth => -1);
SELECT * FROM descendants('org', 'no number');
SELECT * FROM descendants(NULL, 1);
SELECT * FROM descendants('org', NULL::bigint);

-- within() as a filter
SELECT ancestor, r.*
  FROM unnest(ARRAY['1', '5', '50', '1500', '-1']) ancestor,
    rows_of('SELECT * FROM org WHERE within(''org'', child, '
            || ancestor || ')') r;
SELECT r.*
  FROM rows_of('SELECT * FROM org WHERE within(''org'', 1500, child)') r;
SELECT r.*
  FROM rows_of('SELECT * FROM org WHERE within(''org'', child, NULL)') r;

-- What EXPLAIN shows
EXPLAIN (COSTS OFF) SELECT * FROM descendants('org', 1);
EXPLAIN (COSTS OFF, VERBOSE) SELECT d.node + 1 AS next FROM descendants('org', 1) d
  WHERE depth > 1;
EXPLAIN (COSTS OFF, VERBOSE) SELECT o.child, a.node
  FROM org o, LATERAL ancestors('org', o.child, include_self => true) a
  WHERE o.parent = 5;
DO $$
DECLARE
  plan json;
BEGIN
  EXECUTE $q$ EXPLAIN (ANALYZE, VERBOSE, FORMAT json)
    SELECT node FROM leaves('org', 1) "Low" WHERE node > 1900 $q$ INTO plan;
  plan := plan -> 0 -> 'Plan';
  RAISE NOTICE '%, % of %.% "%"', plan ->> 'Custom Plan Provider', plan ->> 'Graph',
    plan ->> 'Schema', plan ->> 'Function Name', plan ->> 'Alias';
  RAISE NOTICE '% rows, % removed', (plan ->> 'Actual Rows')::numeric::int,
    plan ->> 'Rows Removed by Filter';
END
$$;

-- Order is known: no sort
EXPLAIN (COSTS OFF) SELECT * FROM descendants('org', 1) ORDER BY depth;
EXPLAIN (COSTS OFF) SELECT * FROM preorder('org', 5) ORDER BY ordinal LIMIT 3;
EXPLAIN (COSTS OFF) SELECT * FROM descendants('org', 1) ORDER BY depth, node;
SELECT * FROM preorder('org', 5) ORDER BY ordinal LIMIT 3;

-- Calls that stay with the function scan
EXPLAIN (COSTS OFF) SELECT * FROM descendants('org', 1) WITH ORDINALITY;
EXPLAIN (COSTS OFF)
  SELECT * FROM ROWS FROM (descendants('org', 1), ancestors('org', 1500));
EXPLAIN (COSTS OFF)
  SELECT * FROM descendants('org', (random() * 10)::bigint);
EXPLAIN (COSTS OFF) SELECT descendants('org', 1);
EXPLAIN (COSTS OFF) SELECT * FROM generate_series(1, 3);

-- Columns, whole rows, aliases
SELECT count(*), count(node), count(depth), count(share)
  FROM descendants('org', 1);
SELECT count(*) FROM descendants('org', 1);
SELECT sum(share) FROM descendants('org', 1);
SELECT max(node) FROM descendants('org', 1) WHERE depth = 2 AND share < 1;
SELECT * FROM descendants('org', 1, max_depth => 1) AS d (n, level) ORDER BY n LIMIT 2;
SELECT d FROM ancestors('org', 1500) d;
SELECT d, d.node, (d).depth FROM ancestors('org', 1500) d;
SELECT row_to_json(d) FROM ancestors('org', 1500) AS d (who, far) WHERE d IS NOT NULL;
SELECT count(d) FROM descendants('org', 1) d;
SELECT d.* IS NULL FROM ancestors('org', 1500) d;
SELECT r, r.node FROM roots('org') r ORDER BY r LIMIT 2;
SELECT r FROM roots('org') AS r (top) WHERE top > 7 ORDER BY top;
SELECT depth, share, node, depth + 1 FROM ancestors('org', 1500) WHERE share < 0.5;
SELECT node, generate_series(1, depth) FROM ancestors('org', 1500) WHERE depth = 2;
SELECT DISTINCT depth FROM descendants('org', 1) ORDER BY 1;
SELECT depth, count(*), min(node) FILTER (WHERE share < 0.5)
  FROM descendants('org', 1) GROUP BY ROLLUP (depth) ORDER BY 1;
SELECT node, rank() OVER (ORDER BY share) FROM ancestors('org', 1500);
SELECT node FROM leaves('org', 50) ORDER BY node LIMIT 2;

-- Joins, lateral references, subqueries
SELECT o.child, a.node, a.depth
  FROM org o, ancestors('org', o.child) a WHERE o.child IN (155, 1234)
  ORDER BY 1, 3;
SELECT o.child, a.node
  FROM org o LEFT JOIN LATERAL ancestors('org', o.child) a ON a.depth = 2
  WHERE o.child IN (1, 155, 1234) ORDER BY 1;
SELECT count(*) FROM org o JOIN descendants('org', 1) d ON d.node = o.child;
SELECT x, (SELECT count(*) FROM descendants('org', x)) FROM generate_series(4, 6) x;
SELECT x, y, d.node
  FROM (VALUES (1500, 1), (1600, 2), (NULL, 1)) v (x, y)
  LEFT JOIN LATERAL ancestors('org', x, max_depth => y) d ON true
  ORDER BY 1, 3;
SELECT count(*) FROM descendants('org', (SELECT min(child) FROM org)) d;
SELECT count(*) FROM descendants('org', 1) a, LATERAL ancestors('org', a.node) b;
SELECT count(*) FROM org
  WHERE child IN (SELECT node FROM descendants('org', 1)) AND parent > 5;
SELECT count(*) FROM org o
  WHERE EXISTS (SELECT FROM descendants('org', o.child) WHERE depth = 3);
WITH d AS MATERIALIZED (SELECT * FROM descendants('org', 1))
  SELECT count(*), count(DISTINCT a.depth) FROM d a JOIN d b USING (node);
SELECT node FROM descendants('org', 1, max_depth => 1)
UNION ALL SELECT node FROM ancestors('org', 1500)
ORDER BY node LIMIT 3;
SELECT u.node, u.depth, u IS NOT NULL
  FROM (SELECT node, depth FROM descendants('org', 5, max_depth => 1)
        UNION ALL SELECT * FROM (VALUES (0::bigint, 0)) v) u
  ORDER BY node LIMIT 2;
CREATE VIEW below_five AS SELECT node, depth AS level FROM descendants('org', 5);
SELECT level, count(*) FROM below_five GROUP BY level ORDER BY level;

-- Rescans, with and without other arguments
SET enable_material = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT count(*) FROM generate_series(1, 3) g LEFT JOIN descendants('org', 5) d ON d.node % 3 = g % 3;
SELECT count(*), sum(d.n) FROM generate_series(1, 9) g,
  LATERAL (SELECT count(*) FROM descendants('org', g)) d (n);
RESET enable_material;
RESET enable_hashjoin;
RESET enable_mergejoin;

-- Prepared statements, generic and custom
PREPARE below (hgraph, bigint, int) AS
  SELECT count(*), sum(depth) FROM descendants($1, $2, max_depth => $3);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF, VERBOSE) EXECUTE below('org', 1, 2);
EXECUTE below('org', 1, 2);
EXECUTE below('org', 5, NULL);
EXECUTE below(NULL, 5, NULL);
SET plan_cache_mode = force_custom_plan;
EXECUTE below('org', 5, 1);
RESET plan_cache_mode;

-- Cursors
BEGIN;
DECLARE c CURSOR FOR SELECT node, depth FROM descendants('org', 5);
FETCH 2 FROM c;
INSERT INTO org VALUES (5, 100001);
FETCH 1 FROM c;
MOVE FORWARD ALL IN c;
DECLARE s SCROLL CURSOR FOR SELECT node, depth FROM descendants('org', 5);
MOVE FORWARD ALL IN s;
FETCH BACKWARD 1 FROM s;
FETCH FIRST FROM s;
ROLLBACK;
-- opened before a savepoint, first read after it, still there without it
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM descendants('org', 5);
DECLARE p CURSOR FOR SELECT descendants('org', 5);
SAVEPOINT s;
FETCH 1 FROM c;
FETCH 1 FROM p;
ROLLBACK TO s;
INSERT INTO org VALUES (5, 100001);
SELECT count(*) FROM descendants('org', 5);
FETCH 1 FROM c;
MOVE FORWARD ALL IN c;
MOVE FORWARD ALL IN p;
ROLLBACK;
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT count(*) FROM descendants('org', 5);
COMMIT;
FETCH ALL FROM h;
CLOSE h;

-- Rows that somebody still walks over are not moved or removed
CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'done';
EXCEPTION WHEN object_in_use THEN
  RETURN SQLERRM;
END
$$;
BEGIN;
DECLARE c CURSOR FOR SELECT node, depth FROM descendants('org', 5);
FETCH 1 FROM c;
SELECT refused('TRUNCATE org');
SELECT refused('ALTER TABLE org ALTER child TYPE text');
SELECT refused('DROP TABLE org CASCADE');
MOVE FORWARD ALL IN c;
SELECT refused('TRUNCATE org');
DECLARE p CURSOR FOR SELECT descendants('org', 5);
ROLLBACK;
BEGIN;
DECLARE p CURSOR FOR SELECT descendants('org', 5);
FETCH 1 FROM p;
SELECT refused('TRUNCATE org');
CLOSE p;
SELECT refused('TRUNCATE org');
ROLLBACK;

-- A loop that changes what it walks over
DO $$
DECLARE
  r record;
  n int := 0;
BEGIN
  FOR r IN SELECT * FROM descendants('org', 5) LOOP
    n := n + 1;
    INSERT INTO org VALUES (r.node, 200000 + r.node);
    EXIT WHEN n = 50;
  END LOOP;
  RAISE NOTICE '% rows', n;
  n := 0;
  FOR r IN SELECT d FROM descendants('org', 5) d LOOP
    n := n + 1;
  END LOOP;
  RAISE NOTICE '% rows', n;
END
$$;
DELETE FROM org WHERE child > 100000;

-- A plan made for an index that is no more is made again, after one error
CREATE TABLE again (parent bigint, child bigint);
INSERT INTO again VALUES (1, 2), (2, 3);
CREATE INDEX again_graph ON again USING hgraph (parent, child);
PREPARE again AS SELECT node FROM descendants('again_graph', 1);
EXECUTE again;
DROP INDEX again_graph;
CREATE INDEX again_graph ON again USING hgraph (parent, child);
\set VERBOSITY sqlstate
EXECUTE again;
\set VERBOSITY default
EXECUTE again;

-- A count within a larger query tells which call it is
EXPLAIN (COSTS OFF) SELECT (SELECT count(*) FROM descendants('again_graph', a.child) d) FROM again a;
SELECT child, (SELECT count(*) + count(node) FROM descendants('again_graph', a.child) d) FROM again a;

-- Data changes that join with a call
BEGIN;
EXPLAIN (COSTS OFF) UPDATE org SET share = 1 FROM descendants('org', 5) d
  WHERE d.node = org.child AND d.depth = 1;
WITH u AS (UPDATE org SET share = 1 FROM descendants('org', 5) d
           WHERE d.node = org.child AND d.depth = 1 RETURNING d, org.child)
  SELECT * FROM u ORDER BY child LIMIT 2;
DELETE FROM org USING leaves('org', 5) d WHERE d.node = org.child;
SELECT count(*) FROM descendants('org', 5);
SELECT org.child, d.depth FROM org JOIN descendants('org', 5) d ON d.node = org.child
  ORDER BY 1 LIMIT 2 FOR UPDATE OF org;
ROLLBACK;

-- A parallel worker can read the plan, although calls are restricted
BEGIN;
ALTER FUNCTION descendants(hgraph, bigint, int, boolean, date, boolean, int[])
  PARALLEL SAFE;
SELECT set_config(name, 'on', true) <> '' AS forced FROM pg_settings
  WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
EXPLAIN (COSTS OFF) SELECT * FROM descendants('org', 1);
SELECT count(*), sum(depth) FROM descendants('org', 1);
SELECT count(d) FROM descendants('org', 1) d;
ROLLBACK;

-- Permissions: of the table for estimates, of the function for the call
CREATE ROLE regress_hierarchy_planner;
GRANT USAGE ON SCHEMA planner, hierarchy TO regress_hierarchy_planner;
CREATE FUNCTION estimate(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  plan json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
  RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END
$$;
CREATE TABLE fact AS SELECT child FROM org;
ANALYZE fact;
GRANT SELECT ON fact TO regress_hierarchy_planner;
SET ROLE regress_hierarchy_planner;
SELECT * FROM descendants('org', 1);
SELECT estimate('SELECT * FROM descendants(''org'', 1)') =
       estimate('SELECT * FROM descendants(''org'', 5)') AS no_leak;
SELECT estimate('SELECT * FROM fact WHERE within(''org'', child, 1)') =
       estimate('SELECT * FROM fact WHERE within(''org'', child, 5)') AS no_leak;
RESET ROLE;
GRANT SELECT (parent, child) ON org TO regress_hierarchy_planner;
SET ROLE regress_hierarchy_planner;
SELECT estimate('SELECT * FROM descendants(''org'', 1)');
SELECT estimate('SELECT * FROM fact WHERE within(''org'', child, 5)')
  BETWEEN 100 AND 120 AS near;
SELECT count(*) FROM descendants('org', 1);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION roots(hgraph, anyelement, date, boolean, int[]) FROM public;
SET ROLE regress_hierarchy_planner;
EXPLAIN SELECT * FROM roots('org');
SELECT count(*) FROM roots('org');
RESET ROLE;
GRANT EXECUTE ON FUNCTION roots(hgraph, anyelement, date, boolean, int[]) TO public;

-- An altered function is called as it was altered
PREPARE r AS SELECT count(*) FROM roots('org');
EXECUTE r;
ALTER FUNCTION roots(hgraph, anyelement, date, boolean, int[]) SECURITY DEFINER;
EXPLAIN (COSTS OFF) EXECUTE r;
ALTER FUNCTION roots(hgraph, anyelement, date, boolean, int[]) SECURITY INVOKER;
EXPLAIN (COSTS OFF) EXECUTE r;

SET client_min_messages = warning;
DROP SCHEMA planner CASCADE;
REVOKE USAGE ON SCHEMA hierarchy FROM regress_hierarchy_planner;
DROP ROLE regress_hierarchy_planner;
