-- rollup_table, explain_rollup, drilldown and rollup views, on a graph small
-- enough to check by hand
CREATE SCHEMA rollup_views;
SET search_path = rollup_views, hierarchy;

-- 1 and 2 are roots, 7 stands alone, 8 has no facts; 4 and 5 have two parents
--
--         1       2     7
--      1 / \ .75 / .25
--       /   \   /
--      3     \ /
--    .4 \     4
--        \ .6/|\
--         \ / | \
--          5  6  8
CREATE TABLE edge (parent int, child int, share numeric, is_primary boolean);
INSERT INTO edge VALUES
    (1, 3, 1, true), (1, 4, 0.75, true), (2, 4, 0.25, false),
    (3, 5, 0.4, false), (4, 5, 0.6, true), (4, 6, 1, true), (4, 8, 1, true),
    (NULL, 7, NULL, NULL);
CREATE INDEX g ON edge USING hgraph (parent, child)
    INCLUDE (share, is_primary) WITH (weight = 'share', is_primary = 'is_primary');

CREATE TABLE fact (
    node int,
    region text,
    "Product line" text,
    day date,
    at timestamp,
    amount numeric(10,2),
    qty int);
INSERT INTO fact
SELECT node, region, product, day, day + time '12:00', amount, qty
FROM (VALUES
    (3, 'north', 'tea', '2025-06-30'::date, 10.00, 1),
    (4, 'north', 'rice', '2025-05-15', 20.50, 2),
    (5, 'south', 'tea', '2025-04-01', 40.00, 3),
    (5, 'south', 'rice', '2025-03-31', 80.25, 4),
    (6, 'north', 'tea', '2024-07-01', 160.00, 5),
    (6, NULL, 'tea', '2024-06-30', 320.00, 6),
    (7, 'north', 'rice', '2024-04-01', 640.00, NULL),
    (99, 'south', 'tea', '2025-06-30', 1280.00, 7),
    (NULL, 'south', 'tea', '2025-06-30', 2560.00, 8),
    (2, 'west', 'tea', '2023-07-01', NULL, 9)) f (node, region, product, day, amount, qty);
ANALYZE fact;

CREATE VIEW modes AS
SELECT * FROM unnest(ARRAY['distinct', 'weighted', 'primary', 'paths']) mode;

---- rollup_table

SELECT mode, e.* FROM modes, each(rollup_table('g', 'fact', 'node', 'amount', mode)) e
WHERE node IN (1, 2, 4) ORDER BY 1, 2;
-- the same as the aggregate; default mode; a mode of NULL
SELECT rollup_table('g', 'fact', 'node', 'amount', 'weighted')::text =
    (SELECT rollup('g', node, amount, 'weighted') FROM fact)::text AS weighted,
    rollup_table('g', 'fact', 'node', 'amount')::text =
    (SELECT rollup('g', node, amount) FROM fact)::text AS by_default,
    rollup_table('g', 'fact', 'node', 'amount', NULL)::text =
    rollup_table('g', 'fact', 'node', 'amount', 'distinct')::text AS null_mode;
-- rows are counted, NULL amounts too
SELECT node, own, total FROM each(rollup_table('g', 'fact', 'node')) ORDER BY 1;
SELECT * FROM unmatched(rollup_table('g', 'fact', 'node', 'amount'));
-- no facts: NULL
SELECT rollup_table('g', 'fact', 'node', 'amount', filter => 'false') IS NULL AS none;

-- filters
SELECT rollup_table('g', 'fact', 'node', 'amount', filter => 'region = ''north''') -> 1 AS north,
    rollup_table('g', 'fact', 'node', 'amount', filter => 'fact."Product line" = ''tea'' -- all of it') -> 1 AS tea,
    rollup_table('g', 'fact', 'node', 'amount',
        filter => 'EXISTS (SELECT FROM rollup_views.edge WHERE child = node AND is_primary)') -> 1 AS primary,
    rollup_table('g', 'fact', 'node', 'amount', filter => 'NOT region = ''north'' OR region IS NULL') -> 1 AS rest;

-- whatever reads like a table: views, partitions, materialized views
CREATE VIEW fact_view AS SELECT node AS "Node", amount * 2 AS "Double", region FROM fact;
SELECT rollup_table('g', 'fact_view', 'Node', 'Double') -> 1 AS doubled;
CREATE TABLE part (node int, amount int) PARTITION BY LIST (node);
CREATE TABLE part_5 PARTITION OF part FOR VALUES IN (5);
CREATE TABLE part_rest PARTITION OF part DEFAULT;
INSERT INTO part VALUES (5, 1), (6, 2);
SELECT rollup_table('g', 'part', 'node', 'amount') -> 1 AS partitioned;
CREATE MATERIALIZED VIEW fact_mat AS SELECT node::bigint AS node, qty FROM fact;
SELECT rollup_table('g', 'fact_mat', 'node', 'qty') -> 4 AS materialized;

-- it sees what its own transaction did
BEGIN;
UPDATE edge SET parent = 2 WHERE parent = 1 AND child = 3;
INSERT INTO fact (node, amount) VALUES (3, 1);
SELECT rollup_table('g', 'fact', 'node', 'amount') -> 2 AS future;
ROLLBACK;
SELECT rollup_table('g', 'fact', 'node', 'amount') -> 2 AS present;

-- no search_path, names to be quoted
CREATE SCHEMA "Odd ""schema";
CREATE TABLE "Odd ""schema"."fact; DROP TABLE edge" AS
    SELECT node AS "select", amount AS "a""b" FROM fact;
SET search_path = '';
SELECT hierarchy.each(hierarchy.rollup_table('rollup_views.g', '"Odd ""schema"."fact; DROP TABLE edge"',
    'select', 'a"b', filter => '"a""b" < 11'));
SELECT node, total FROM hierarchy.drilldown('rollup_views.g', 1, 'rollup_views.fact', 'node', 'amount');
SET search_path = rollup_views, hierarchy;

-- bad arguments
SELECT rollup_table(NULL, 'fact', 'node');
SELECT rollup_table('g', NULL, 'node');
SELECT rollup_table('g', 'fact', NULL);
SELECT rollup_table('g', 'no_such_table', 'node');
SELECT rollup_table('g', 999999999::oid::regclass, 'node');
SELECT rollup_table('g', 'g'::regclass, 'node');
SELECT rollup_table('g', 'fact', 'nod');
SELECT rollup_table('g', 'fact', 'node', 'amont');
SELECT rollup_table('g', 'fact', 'node', 'ctid');
SELECT rollup_table('g', 'fact', 'node', 'region');
SELECT rollup_table('g', 'fact', 'day', 'amount');
SELECT rollup_table('g', 'fact', 'node', 'amount', 'sideways');
SELECT rollup_table('g', 'fact', 'node', 'amount', as_of => '2025-01-01');
SELECT rollup_table('nowhere', 'fact', 'node');

-- a filter is one expression, whatever it looks like
CREATE FUNCTION try_filter(filter text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN coalesce(rollup_table('g', 'fact', 'node', 'amount', filter => try_filter.filter) -> 1, 0);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT filter, try_filter(filter) FROM (VALUES
    ('true'), ('(true)'), ('true OR true'), ('node > 4 /* five and six */'), ('node = 3 -- three'),
    ('node IN (SELECT child FROM edge WHERE parent = 4)'), (NULL),
    (''), ('  '), ('-- nothing'), ('true -- )'), ('/* open'), ('''open'),
    ('true) OR (true'), ('true) OR (SELECT true'), ('true); DROP TABLE fact; --'), ('true;'), ('; true'),
    ('true FROM fact'), ('true UNION SELECT true'), ('true, true'), ('true AS x'), ('true x'), ('*'), ('fact.*'),
    ('true WHERE true'), ('true GROUP BY node'), ('true ORDER BY 1'), ('true LIMIT 1'), ('true FOR UPDATE'),
    ('true INTO x'), ('true HAVING true'), ('true WINDOW w AS ()'), ('DISTINCT true'), ('DISTINCT ON (node) true'),
    ('SELECT true'), ('WITH x AS (SELECT 1) SELECT true'), ('VALUES (true)'), ('DELETE FROM fact'),
    ('$1 IS NULL'), ('region = $2'), ('node'), ('1'), ('sum(amount) > 1'), ('row_number() OVER () = 1'),
    ('generate_series(1, 2) = 1'), ('nope = 1'), ('other.node = 1'), ('node = (DELETE FROM fact RETURNING 1)')) f (filter);
SELECT rollup_table('g', 'fact', 'node', filter => 'node = 1) OR (true');
SELECT rollup_table('g', 'fact', 'node', filter => 'node = 1 ORDER BY node');
SELECT rollup_table('g', 'fact', 'node', filter => 'nod = 1');

-- rights are the caller's, policies apply
CREATE ROLE rollup_views_reader;
GRANT USAGE ON SCHEMA rollup_views TO rollup_views_reader;
GRANT SELECT ON edge TO rollup_views_reader;
SET ROLE rollup_views_reader;
SELECT rollup_table('g', 'fact', 'node', 'amount');
SELECT * FROM drilldown('g', 1, 'fact', 'node', 'amount');
RESET ROLE;
GRANT SELECT ON fact TO rollup_views_reader;
ALTER TABLE fact ENABLE ROW LEVEL SECURITY;
CREATE POLICY north ON fact TO rollup_views_reader USING (region = 'north');
SET ROLE rollup_views_reader;
SELECT rollup_table('g', 'fact', 'node', 'amount') -> 1 AS north;
SELECT node, total FROM drilldown('g', 1, 'fact', 'node', 'amount');
RESET ROLE;
ALTER TABLE fact DISABLE ROW LEVEL SECURITY;

---- explain_rollup

SELECT * FROM explain_rollup('g', 1, 5);
SELECT mode, path, contribution FROM modes, explain_rollup('g', 1, 5, mode, 120.25);
-- the node itself; no path; unknown nodes; NULL
SELECT * FROM explain_rollup('g', 5, 5, amount => 7);
SELECT * FROM explain_rollup('g', 5, 1);
SELECT * FROM explain_rollup('g', 1, 1000);
SELECT * FROM explain_rollup('g', 1000, 1);
SELECT * FROM explain_rollup('g', 1, NULL::bigint);
SELECT * FROM explain_rollup(NULL, 1, 5);
SELECT path, contribution FROM explain_rollup('g', 1, 5, amount => NULL);
SELECT path, pg_typeof(path) FROM explain_rollup('g', '1', '5');
SELECT explain_rollup('g', 2, 5);

-- contributions of all descendants add up to the total, in every mode
SELECT mode, count(*) AS nodes, count(*) FILTER (WHERE total = explained) AS equal
FROM (SELECT mode, a.node, a.total, sum(contribution) AS explained
      FROM (SELECT mode, rollup('g', f.node, f.amount, mode) AS r FROM modes, fact f GROUP BY mode) m,
          each(r) a, each(r) d, explain_rollup('g', a.node, d.node, mode, d.own)
      GROUP BY 1, 2, 3) x
GROUP BY mode ORDER BY mode;

-- a share that is not stated, parallel rows
BEGIN;
UPDATE edge SET share = NULL WHERE child = 6;
INSERT INTO edge VALUES (3, 5, 0.1, true);
SELECT path, shares, share, contribution FROM explain_rollup('g', 1, 6);
SELECT path, shares, share, contribution FROM explain_rollup('g', 1, 5, amount => 10);
SELECT path, contribution FROM explain_rollup('g', 1, 5, 'primary', 10);
ROLLBACK;

-- a graph without shares and primaries; the mode must be one that it has
CREATE TABLE plain (parent text, child text);
INSERT INTO plain VALUES ('a', 'b'), ('a', 'c'), ('b', 'd'), ('c', 'd');
CREATE INDEX plain_graph ON plain USING hgraph (parent, child);
SELECT * FROM explain_rollup('plain_graph', 'a', 'd', amount => 5);
SELECT * FROM explain_rollup('plain_graph', 'a', 'd', 'weighted');
SELECT * FROM explain_rollup('plain_graph', 'a', 'd', 'primary');
SELECT * FROM explain_rollup('plain_graph', 'a', 'zz', 'sideways');
SELECT * FROM explain_rollup('plain_graph', 1, 2);
SELECT * FROM explain_rollup('plain_graph', 'a', 'd', as_of => '2025-01-01');

-- with cycles: one path counts, or none can be told
CREATE TABLE ring (parent uuid, child uuid);
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN ('00000000-0000-4000-8000-00000000000' || n)::uuid;
INSERT INTO ring VALUES (u(1), u(2)), (u(2), u(3)), (u(3), u(2)), (u(3), u(4)), (u(2), u(4)), (u(5), u(6));
CREATE INDEX ring_graph ON ring USING hgraph (parent, child) WITH (acyclic = off);
SELECT count(*) AS paths, sum(contribution) FROM explain_rollup('ring_graph', u(1), u(4), amount => 3);
\set VERBOSITY terse
SELECT * FROM explain_rollup('ring_graph', u(1), u(4), 'paths');
\set VERBOSITY default
SELECT count(*) FROM explain_rollup('ring_graph', u(5), u(6), 'paths');

-- 2^59 paths, of which a few are looked at
CREATE TABLE ladder AS
    SELECT 2 * i + p AS parent, 2 * i + c AS child, 0.5::float8 AS share
    FROM generate_series(0, 58) i, (VALUES (0, 1), (0, 2), (1, 2)) e (p, c);
CREATE INDEX ladder_graph ON ladder USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
SELECT array_length(path, 1) > 2 AS long, share > 0 AS stated, contribution > 0 AS contributes
FROM explain_rollup('ladder_graph', 0, 118) LIMIT 3;
EXPLAIN (COSTS OFF) SELECT * FROM explain_rollup('ladder_graph', 0, 118) LIMIT 3;

---- drilldown

SELECT mode, d.* FROM modes, drilldown('g', 1, 'fact', 'node', 'amount', mode) d;
SELECT mode, d.* FROM modes, drilldown('g', 4, 'fact', 'node', 'amount', mode) d;
-- parts of the total: all but the node's own
SELECT sum(share_of_total) FROM drilldown('g', 1, 'fact', 'node', 'amount', 'weighted');
-- counting; a filter; no facts at all; a total of zero
SELECT * FROM drilldown('g', 4, 'fact', 'node');
SELECT * FROM drilldown('g', 4, 'fact', 'node', 'amount', filter => 'region = ''south''');
SELECT * FROM drilldown('g', 4, 'fact', 'node', 'amount', filter => 'false');
SELECT * FROM drilldown('g', 4, 'fact', 'node', 'amount', filter => 'amount = 0');
-- a leaf; an unknown node; NULL; text
SELECT * FROM drilldown('g', 8, 'fact', 'node', 'amount');
SELECT * FROM drilldown('g', 1000, 'fact', 'node', 'amount');
SELECT * FROM drilldown('g', NULL::bigint, 'fact', 'node', 'amount');
SELECT *, pg_typeof(node) FROM drilldown('g', '2', 'fact', 'node', 'amount');
SELECT * FROM drilldown('g', 1, 'fact', 'node', 'amount', filter => 'true) OR (true');
SELECT * FROM drilldown('g', 1, 'fact', 'nod', 'amount');
SELECT * FROM drilldown('g', 1, NULL, 'node');
SELECT * FROM drilldown('g', 1, 'fact', 'node', 'amount', 'sideways');
SELECT * FROM drilldown('plain_graph', 'a', 'fact', 'node', 'amount', 'weighted');

-- keys of facts in other types than the graph's
CREATE TABLE named (k2 smallint, k8 bigint, kt text, kv varchar(20), kc char(10), kn name, ku uuid, v int);
INSERT INTO named VALUES (5, 5, '5', 'd', 'd', 'd', u(4), 1), (6, 6, '06', 'c', 'c', 'c', u(3), 2);
SELECT k, node, total FROM unnest(ARRAY['k2', 'k8', 'kt']) k, drilldown('g', 4, 'named', k::name, 'v');
SELECT k, node, total FROM unnest(ARRAY['kv', 'kc', 'kn']) k, drilldown('plain_graph', 'a', 'named', k::name, 'v');
SELECT node, total FROM drilldown('ring_graph', u(2), 'named', 'ku', 'v');
SELECT * FROM drilldown('g', 4, 'named', 'ku', 'v');

-- it reads the subtree's facts alone, through the index on the key
CREATE TABLE many (node int, v int);
INSERT INTO many SELECT 1000 + i % 1000, 1 FROM generate_series(1, 20000) i;
INSERT INTO many VALUES (5, 1), (6, 2), (3, 4);
CREATE INDEX ON many (node);
VACUUM ANALYZE many;
SELECT pg_stat_force_next_flush();
BEGIN;
SELECT node, total FROM drilldown('g', 4, 'many', 'node', 'v');
SELECT coalesce(seq_scan, 0) AS seq_scan, coalesce(seq_tup_read, 0) AS seq_tup_read, idx_scan > 0 AS idx_scan
FROM pg_stat_xact_user_tables WHERE relid = 'many'::regclass;
COMMIT;
-- where it would not save much, it reads them all
CREATE TABLE wide AS SELECT 1 AS parent, i AS child FROM generate_series(2, 3000) i;
CREATE INDEX wide_graph ON wide USING hgraph (parent, child);
SELECT count(*), sum(total), min(share_of_total) AS least, max(share_of_total) AS greatest
FROM drilldown('wide_graph', 1, 'many', 'node', 'v');

---- views

SELECT create_rollup_view('v', 'g', 'fact', 'node', ARRAY['amount']);
SELECT * FROM v ORDER BY node;
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'rollup_views' AND table_name = 'v' ORDER BY ordinal_position;
SELECT obj_description('v'::regclass);
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
WHERE attrelid = 'v'::regclass AND attnum > 0 ORDER BY attnum;

-- every mode agrees with the aggregate; where nodes stand is where the mode's
-- edges put them
SELECT create_rollup_view('v_' || mode, 'g', 'fact', 'node', ARRAY['amount', 'qty'], mode => mode) FROM modes;
SELECT node, parent, level, path, amount_total, amount_count, qty_own, qty_total, qty_count
FROM v_primary ORDER BY node;
SELECT mode, count(*) AS nodes,
    count(*) FILTER (WHERE e.total IS NOT DISTINCT FROM v.amount_total AND e.own = v.amount_own
        AND e.total_count = v.amount_count) AS equal
FROM (SELECT 'distinct' AS mode, * FROM v_distinct UNION ALL SELECT 'weighted', * FROM v_weighted
      UNION ALL SELECT 'primary', * FROM v_primary UNION ALL SELECT 'paths', * FROM v_paths) v
LEFT JOIN (SELECT mode, e.* FROM (SELECT mode, rollup('g', f.node, f.amount, mode) AS r
                                 FROM modes, fact f GROUP BY mode) m, each(r) e) e USING (mode, node)
WHERE e.node IS NOT NULL OR v.amount_count <> 0
GROUP BY mode ORDER BY mode;

-- dimensions: NULL is a value; a condition on one goes down to the scan
SELECT create_rollup_view('v_dim', 'g', 'fact', 'node', ARRAY['amount'], ARRAY['region', 'Product line']);
SELECT node, region, "Product line", amount_own, amount_total FROM v_dim ORDER BY node, region, "Product line";
SELECT node, amount_total FROM v_dim WHERE region IS NULL ORDER BY node;
CREATE FUNCTION scan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ 'Scan on fact|Filter: .*region' THEN
            RETURN NEXT btrim(line);
        END IF;
    END LOOP;
END $$;
SELECT scan_of($$SELECT node, amount_total FROM v_dim WHERE region = 'north' AND "Product line" = 'tea'$$);
SELECT scan_of($$SELECT region, sum(amount_own) FROM v_dim WHERE region IN ('north', 'south') GROUP BY region$$);

-- periods: the 30th of June 2025 is the reference
SELECT create_rollup_view('v_day', 'g', 'fact', 'node', ARRAY['amount'], date_column => 'day', as_of => '2025-06-30');
SELECT node, amount_total AS total, amount_qtd AS qtd, amount_ytd AS ytd, amount_mat AS mat,
    amount_qtd_prior AS qtd_prior, amount_ytd_prior AS ytd_prior, amount_mat_prior AS mat_prior
FROM v_day ORDER BY node;
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
WHERE attrelid = 'v_day'::regclass AND attnum > 7 ORDER BY attnum;
-- by the hour of a timestamp, and with a time zone
SELECT create_rollup_view('v_at', 'g', 'fact', 'node', ARRAY['amount'], date_column => 'at', as_of => '2025-06-30');
CREATE VIEW fact_tz AS SELECT node, amount, at AT TIME ZONE 'UTC' AS at FROM fact;
SELECT create_rollup_view('v_tz', 'g', 'fact_tz', 'node', ARRAY['amount'], date_column => 'at', as_of => '2025-06-30');
SET timezone = 'UTC';
TABLE v_day EXCEPT TABLE v_at;
TABLE v_day EXCEPT TABLE v_tz;
RESET timezone;
-- the edges of a period
CREATE TABLE edge_day AS
SELECT 3 AS node, d::date AS day, 1 AS one FROM generate_series('2022-12-31'::date, '2024-12-31', interval '1 day') d;
SELECT create_rollup_view('v_leap', 'g', 'edge_day', 'node', ARRAY['one'], date_column => 'day', as_of => '2024-02-29');
SELECT one_total, one_qtd, one_ytd, one_mat, one_qtd_prior, one_ytd_prior, one_mat_prior FROM v_leap WHERE node = 3;
SELECT count(*) FILTER (WHERE day BETWEEN '2024-01-01' AND '2024-02-29') AS qtd,
    count(*) FILTER (WHERE day > '2023-02-28' AND day <= '2024-02-29') AS mat,
    count(*) FILTER (WHERE day BETWEEN '2023-01-01' AND '2023-02-28') AS qtd_prior,
    count(*) FILTER (WHERE day > '2022-02-28' AND day <= '2023-02-28') AS mat_prior
FROM edge_day;
-- without as_of they end today
SELECT create_rollup_view('v_today', 'g', 'fact', 'node', ARRAY['qty'], date_column => 'day');
BEGIN;
INSERT INTO fact (node, qty, day) VALUES
    (8, 1, current_date), (8, 10, current_date + 1), (8, 100, current_date - interval '1 year'),
    (8, 1000, current_date - interval '1 year' + interval '1 day');
SELECT qty_total, qty_qtd % 100 AS qtd, qty_ytd % 100 AS ytd, qty_mat, qty_mat_prior FROM v_today WHERE node = 8;
ROLLBACK;

-- a filter; a comment; names to be quoted; schemas
SELECT create_rollup_view('"Odd ""schema"."My ''view"', 'g', 'fact', 'node', ARRAY['amount'], ARRAY['Product line'],
    filter => 'region = ''north'' -- only', comment => 'It''s \ mine');
SELECT node, "Product line", amount_total FROM "Odd ""schema"."My 'view" WHERE node = 1 ORDER BY 2;
SELECT obj_description('"Odd ""schema"."My ''view"'::regclass);
SET search_path = '';
SELECT count(*) FROM rollup_views.v_day;
SELECT hierarchy.create_rollup_view('rollup_views.v_nopath', 'rollup_views.g', 'rollup_views.fact', 'node',
    ARRAY['amount'], ARRAY['region'], 'day');
SELECT count(*) FROM rollup_views.v_nopath;
SET search_path = rollup_views, hierarchy;
SELECT create_rollup_view('v_text', 'plain_graph', 'named', 'kv', ARRAY['v']);
SELECT * FROM v_text ORDER BY node;
SELECT create_rollup_view('v_uuid', 'ring_graph', 'named', 'ku', ARRAY['v']);
SELECT right(node::text, 1) AS node, right(parent::text, 1) AS parent, level, length(path), v_own, v_total
FROM v_uuid ORDER BY 1;

-- what belongs to the session goes with it
CREATE TEMP TABLE temp_fact AS SELECT 5 AS node, 1 AS n;
SELECT create_rollup_view('v_temp', 'g', 'temp_fact', 'node', ARRAY['n']);
CREATE TEMP TABLE temp_edge AS SELECT 4 AS parent, 5 AS child;
CREATE INDEX temp_graph ON temp_edge USING hgraph (parent, child);
SELECT create_rollup_view('v_temp2', 'temp_graph', 'fact', 'node', ARRAY['qty']);
SELECT relname, relpersistence FROM pg_class WHERE relname LIKE 'v\_temp%' ORDER BY relname;
SELECT * FROM v_temp2 ORDER BY node;
\set SHOW_CONTEXT never
SELECT create_rollup_view('rollup_views.v_temp3', 'temp_graph', 'fact', 'node', ARRAY['qty']);

-- bad arguments
SELECT create_rollup_view(NULL, 'g', 'fact', 'node', ARRAY['amount']);
SELECT create_rollup_view('w', 'nowhere', 'fact', 'node', ARRAY['amount']);
SELECT create_rollup_view('w', 'g', 'fact', 'node', '{}');
SELECT create_rollup_view('w', 'g', 'fact', 'node', NULL);
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount', NULL]);
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount', 'amount']);
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amont']);
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['region']);
SELECT create_rollup_view('w', 'g', 'fact', 'day', ARRAY['amount']);
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], ARRAY['region', 'region']);
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], ARRAY['regio']);
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], ARRAY['node']);
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], date_column => 'region');
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], date_column => 'days');
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], date_column => 'day', as_of => 'infinity');
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], as_of => '2025-01-01');
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], mode => 'sideways');
SELECT create_rollup_view('w', 'plain_graph', 'named', 'kt', ARRAY['v'], mode => 'weighted');
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], filter => 'true) OR (true');
SELECT create_rollup_view('w', 'g', 'fact', 'node', ARRAY['amount'], filter => '$1 IS NULL');
SELECT create_rollup_view('v', 'g', 'fact', 'node', ARRAY['amount']);
SELECT create_rollup_view('nowhere.w', 'g', 'fact', 'node', ARRAY['amount']);
SELECT create_rollup_view('a..b', 'g', 'fact', 'node', ARRAY['amount']);
SELECT create_rollup_view('""', 'g', 'fact', 'node', ARRAY['amount']);
CREATE TABLE long (node int, a2345678901234567890123456789012345678901234567890123456789012 int, amount int, amount_own int);
SELECT create_rollup_view('w', 'g', 'long', 'node', ARRAY['a2345678901234567890123456789012345678901234567890123456789012']);
SELECT create_rollup_view('w', 'g', 'long', 'node', ARRAY['amount'], ARRAY['amount_own']);
SELECT to_regclass('w') AS nothing_left;

---- dropping them

SELECT drop_rollup_view('fact');
SELECT drop_rollup_view('fact_view');
SELECT drop_rollup_view('nowhere');
SELECT drop_rollup_view(NULL);
COMMENT ON VIEW v IS 'another comment';
CREATE VIEW above AS SELECT * FROM v;
SELECT drop_rollup_view('v');
DROP VIEW above;
SELECT drop_rollup_view('v');
SELECT drop_rollup_view('"Odd ""schema"."My ''view"');
SELECT to_regclass('v') AS v, to_regclass('"Odd ""schema"."My ''view"') AS mine;
SET ROLE rollup_views_reader;
SELECT drop_rollup_view('v_day');
SELECT count(*) FROM v_day;
RESET ROLE;

REVOKE ALL ON SCHEMA rollup_views FROM rollup_views_reader;
REVOKE ALL ON edge, fact FROM rollup_views_reader;
DROP POLICY north ON fact;
DROP ROLE rollup_views_reader;
SET client_min_messages = warning;
DROP SCHEMA rollup_views, "Odd ""schema" CASCADE;
