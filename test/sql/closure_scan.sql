-- A scan of closure() that goes from the nodes asked for returns what a scan of
-- all rows filtered afterwards does, whatever is asked.

CREATE SCHEMA closure_scan;
SET search_path = closure_scan, hierarchy, public;
SET datestyle = 'ISO, YMD';

-- Random graphs: several parents, shares of many digits or none, ranges of
-- days, parallel rows, nodes without parents, rows younger than the image
SELECT setseed(0.25);
CREATE TABLE edges (parent bigint, child bigint NOT NULL, share numeric, valid daterange, is_primary boolean, label int)
	WITH (autovacuum_enabled = off);
INSERT INTO edges
SELECT CASE WHEN i > 3 AND random() < 0.97 THEN 1 + floor(random() ^ 2 * (i - 1))::bigint END, i,
	CASE WHEN random() < 0.95 THEN round(random()::numeric, 9) END,
	CASE WHEN random() < 0.2 THEN daterange('2020-01-01'::date + (random() * 1000)::int, '2023-01-01'::date + (random() * 1000)::int)
		WHEN random() < 0.1 THEN daterange(NULL, '2021-06-01') END,
	k = 1, (random() * 2)::int
FROM generate_series(1, 400) i, generate_series(1, 3) k
WHERE k = 1 OR random() < 0.3;

CREATE TABLE int8_edges AS SELECT * FROM edges;
CREATE INDEX int8_graph ON int8_edges USING hgraph (parent, child) INCLUDE (share, valid, is_primary, label)
	WITH (weight = 'share', validity = 'valid', is_primary = 'is_primary', label = 'label');
CREATE TABLE int4_edges AS SELECT parent::int, child::int, share FROM edges;
CREATE INDEX int4_graph ON int4_edges USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
CREATE FUNCTION as_uuid(bigint) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT md5($1::text)::uuid $$;
CREATE TABLE uuid_edges AS SELECT as_uuid(parent) AS parent, as_uuid(child) AS child, share FROM edges;
CREATE INDEX uuid_graph ON uuid_edges USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
CREATE TABLE text_edges AS SELECT 'n' || parent AS parent, 'n' || child AS child, share FROM edges;
CREATE INDEX text_graph ON text_edges USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
CREATE TABLE varchar_edges (parent varchar(20), child varchar(20));
INSERT INTO varchar_edges SELECT 'n' || parent, 'n' || child FROM edges;
CREATE INDEX varchar_graph ON varchar_edges USING hgraph (parent, child);
-- with cycles
CREATE TABLE cyclic_edges AS SELECT parent, child, share FROM edges;
INSERT INTO cyclic_edges VALUES (399, 5, 0.3), (200, 1, 0.5), (17, 17, 0.1);
CREATE INDEX cyclic_graph ON cyclic_edges USING hgraph (parent, child) INCLUDE (share)
	WITH (weight = 'share', acyclic = off);
-- some have an image, and rows come in afterwards
SELECT count(*) > 1000 AS loaded FROM closure('int8_graph');
INSERT INTO int8_edges SELECT 1 + (random() * (i - 2))::int, i, round(random()::numeric, 9), NULL, false, 1 FROM generate_series(300, 420) i;
DELETE FROM int8_edges WHERE child % 29 = 0;
UPDATE int8_edges SET share = 0.123456789 WHERE child % 31 = 0;

-- plan_of(query): does it go from a key?
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query
	LOOP
		RETURN NEXT line;
	END LOOP;
END
$$;
-- check_scan(query): the same rows with and without, and a key where it is on
CREATE FUNCTION check_scan(query text, with_key boolean DEFAULT true) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	wrapped text := format('SELECT coalesce(array_agg(q::text ORDER BY q::text), ''{}'') FROM (%s) q', query);
	without text[];
	rows text[];
BEGIN
	SET LOCAL hierarchy.enable_closure_scan = off;
	IF EXISTS (SELECT FROM plan_of(wrapped) p WHERE ltrim(p) LIKE 'Key: %') THEN
		RETURN 'a key, although it is off: ' || query;
	END IF;
	EXECUTE wrapped INTO without;
	SET LOCAL hierarchy.enable_closure_scan = on;
	IF EXISTS (SELECT FROM plan_of(wrapped) p WHERE ltrim(p) LIKE 'Key: %') <> with_key THEN
		RETURN 'not the plan: ' || query;
	END IF;
	EXECUTE wrapped INTO rows;
	IF rows <> without THEN
		RETURN format('%s rows, not %s: %s', cardinality(rows), cardinality(without), query);
	END IF;
	RETURN CASE WHEN rows <> '{}' THEN 'same' ELSE 'same, none' END;
END
$$;

-- Every node, from above and from below
SELECT g.graph, c.col, count(*), string_agg(DISTINCT s.result, '; ') AS result
FROM (VALUES ('int8_graph', 'NULL::bigint', '%s'), ('int4_graph', 'NULL::bigint', '%s'), ('int4_graph', 'NULL::int', '%s'),
		('uuid_graph', 'NULL::uuid', 'as_uuid(%s)'), ('text_graph', 'NULL::text', '''n%s'''), ('cyclic_graph', 'NULL::bigint', '%s'),
		('int8_graph', 'NULL::text', '''%s''::text'), ('uuid_graph', 'NULL::text', 'as_uuid(%s)::text'),
		('varchar_graph', 'NULL::text', '''n%s'''), ('varchar_graph', 'NULL::varchar', '''n%s''')) g (graph, type, key),
	(VALUES ('ancestor'), ('descendant')) c (col),
	generate_series(-1, 425, 25) i,
	check_scan(format('SELECT * FROM closure(%L, %s) WHERE %s = ' || g.key, g.graph, g.type, c.col, i)) s (result)
GROUP BY 1, 2, g.type ORDER BY 1, 2, g.type;

-- Shares to the last digit: many paths, added up in the same order.  (A walk up
-- adds in another one, and does come to other digits.)
CREATE TABLE dense_edges AS
SELECT p AS parent, c AS child, random() / 3 AS share
FROM generate_series(2, 70) c,
	LATERAL (SELECT DISTINCT (1 + random() * (c - 2))::int FROM generate_series(1, 7) WHERE c > 0) AS parents (p);
CREATE INDEX dense_graph ON dense_edges USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
SELECT count(*) > 0 AS loaded FROM closure('dense_graph');
-- rows younger than the image, and parallel ones
INSERT INTO dense_edges SELECT p, c, random() / 3 FROM generate_series(60, 80) c, generate_series(40, 59, 4) p;
SELECT m.max_depth, count(*) AS pairs, count(*) FILTER (WHERE c.share IS DISTINCT FROM d.share) AS different,
	count(*) FILTER (WHERE a.share IS DISTINCT FROM d.share) > 0 AS otherwise_upward
FROM (VALUES (NULL), (4)) m (max_depth), generate_series(1, 80) n,
	LATERAL closure('dense_graph', NULL::bigint, max_depth => m.max_depth) c,
	LATERAL descendants('dense_graph', c.ancestor, max_depth => m.max_depth, include_self => true) d,
	LATERAL ancestors('dense_graph', n, max_depth => m.max_depth, include_self => true) a
WHERE c.descendant = n AND d.node = n AND a.node = c.ancestor
GROUP BY 1 ORDER BY 1;

-- Optional arguments
SELECT a.args, c.col, count(*), string_agg(DISTINCT s.result, '; ') AS result
FROM (VALUES ('max_depth => 0'), ('max_depth => 1'), ('max_depth => 3'), ('primary_only => true'), ('labels => ''{0,2}'''),
		('as_of => ''2021-03-01'''), ('as_of => ''2021-03-01'', max_depth => 2, labels => ''{1}'''), ('as_of => ''2030-01-01'', primary_only => true')) a (args),
	(VALUES ('ancestor'), ('descendant')) c (col),
	generate_series(1, 425, 37) i,
	check_scan(format('SELECT * FROM closure(%L, NULL::bigint, %s) WHERE %s = %s', 'int8_graph', a.args, c.col, i)) s (result)
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT c.col, string_agg(DISTINCT s.result, '; ') AS result
FROM (VALUES ('ancestor'), ('descendant')) c (col), generate_series(1, 400, 35) i, generate_series(1, 4, 3) d,
	check_scan(format('SELECT * FROM closure(%L, NULL::bigint, max_depth => %s) WHERE %s = %s', 'cyclic_graph', d, c.col, i)) s (result)
GROUP BY 1 ORDER BY 1;

-- Columns that nobody reads are not computed; keys need not be among them
SELECT string_agg(DISTINCT check_scan(format('SELECT %s FROM closure(''int8_graph'') WHERE %s', l.list, c.cond)), '; ') AS result
FROM (VALUES ('1'), ('depth'), ('share'), ('is_leaf, descendant'), ('closure'), ('closure.*, closure::text'), ('descendant + ancestor, share * 2')) l (list),
	(VALUES ('ancestor = 7'), ('descendant = 333'), ('7 = ancestor AND depth > 1'), ('descendant = 333 AND NOT is_leaf')) c (cond);

-- Kinds of conditions
SELECT c.cond, check_scan('SELECT * FROM closure(''int8_graph'') WHERE ' || c.cond, c.key)
FROM (VALUES (1, 'ancestor = 7::smallint', true), (2, 'ancestor = 7::int', true), (3, 'descendant = 350::bigint', true),
	(4, 'ancestor = 7.0', false), (5, 'ancestor::int = 7', false), (6, 'ancestor = 7 AND descendant = 350', true),
	(7, 'ancestor = descendant', false), (8, 'ancestor = ANY (''{7,7,8,NULL,100000}'')', true), (9, 'ancestor IN (3, 7)', true),
	(10, 'descendant = ANY (''{300,NULL,310}''::int[])', true), (11, 'descendant = ANY (''{}''::bigint[])', true),
	(12, 'descendant = ANY (ARRAY(SELECT generate_series(300, 330, 3)))', true),
	(13, 'ancestor = ANY (NULL::bigint[])', true), (14, 'ancestor <> ALL (''{7}'')', false), (15, 'ancestor = NULL::bigint', false),
	(16, 'ancestor IS NOT DISTINCT FROM 7', false), (17, 'ancestor > 7 AND descendant = 333', true),
	(18, 'ancestor = 7 OR descendant = 333', false), (19, 'ancestor = (SELECT 7)', true), (20, 'ancestor = 7 AND ancestor = 8', current_setting('server_version_num')::int < 170000),
	(21, 'ancestor = 7 AND random() >= 0', true), (22, 'ancestor = 7 + (random() * 0)::int', false),
	(23, 'ancestor = 9223372036854775807', true), (24, 'depth = 2', false), (25, 'ancestor BETWEEN 7 AND 7', false),
	(26, 'ancestor = ANY (''{{7,8},{9,10}}''::bigint[])', true), (27, 'ancestor = 7 AND descendant IN (7, 50, 333, 351)', true)) c (n, cond, key)
ORDER BY c.n;
SELECT check_scan('SELECT * FROM closure(''text_graph'', NULL::text) WHERE ancestor = ''n7''::varchar'),
	check_scan('SELECT * FROM closure(''text_graph'', NULL::text) WHERE ancestor = ''n7'' COLLATE "C"'),
	check_scan('SELECT * FROM closure(''text_graph'', NULL::text) WHERE ancestor = ''n7''::name', false),
	check_scan('SELECT * FROM closure(''text_graph'', NULL::text) WHERE ancestor = ''n7''::char(5)'),
	check_scan('SELECT * FROM closure(''text_graph'', NULL::text) WHERE ancestor LIKE ''n7''', false);
-- texts that are read as a node, but not written so
SELECT string_agg(DISTINCT check_scan(format('SELECT * FROM closure(''int8_graph'', NULL::text) WHERE ancestor = %L', t)), '; ') AS result
FROM unnest('{07,+7," 7","7 ",7.0,-0,seven,"",9223372036854775808,-9223372036854775808,7e0}'::text[]) t;
SELECT string_agg(DISTINCT check_scan(format('SELECT * FROM closure(''uuid_graph'', NULL::text) WHERE descendant = %L', t)), '; ') AS result
FROM unnest(ARRAY[upper(as_uuid(7)::text), '{' || as_uuid(7) || '}', replace(as_uuid(7)::text, '-', ''), 'x', '']) t;
INSERT INTO int8_edges (parent, child) VALUES (NULL, -9223372036854775808), (-9223372036854775808, 9223372036854775807);
SELECT string_agg(DISTINCT check_scan(format('SELECT * FROM closure(''int8_graph'', NULL::text) WHERE %s = %L', c, t)), '; ') AS result
FROM unnest('{9223372036854775807,-9223372036854775808}'::text[]) t, unnest('{ancestor,descendant}'::text[]) c;

-- Joins
CREATE TABLE dim (id bigint, small int, name text, code text, u uuid, ids bigint[]);
INSERT INTO dim SELECT i, i, 'x' || i, 'n' || i, as_uuid(i), ARRAY[i, i + 1, NULL] FROM generate_series(1, 400, 20) i;
INSERT INTO dim VALUES (NULL, NULL, 'null', NULL, NULL, NULL);
ANALYZE dim;
-- so few rows are better joined by nested loops
SELECT j.n, check_scan(j.query) FROM (VALUES
	(1, 'SELECT d.name, c.* FROM dim d JOIN closure(''int8_graph'') c ON c.ancestor = d.id'),
	(2, 'SELECT d.name, c.* FROM dim d JOIN closure(''int8_graph'') c ON c.descendant = d.small'),
	(3, 'SELECT d.name, c.* FROM dim d LEFT JOIN closure(''int8_graph'') c ON c.descendant = d.id AND c.depth > 0'),
	(4, 'SELECT d.name, c.* FROM dim d LEFT JOIN LATERAL (SELECT * FROM closure(''int8_graph'') c WHERE c.ancestor = d.id + 1) c ON true'),
	(5, 'SELECT d.name, c.* FROM dim d JOIN closure(''int8_graph'') c ON c.ancestor = ANY (d.ids)'),
	(6, 'SELECT d.name, c.* FROM dim d JOIN closure(''text_graph'', NULL::text) c ON c.descendant = d.code'),
	(7, 'SELECT d.name, c.* FROM dim d JOIN closure(''uuid_graph'', NULL::uuid) c ON c.descendant = d.u'),
	(8, 'SELECT d.name FROM dim d WHERE EXISTS (SELECT FROM closure(''int8_graph'') c WHERE c.ancestor = d.id AND c.descendant = d.id + 100)'),
	(9, 'SELECT d.name, (SELECT count(*) FROM closure(''int8_graph'') c WHERE c.ancestor = d.id) AS n FROM dim d'),
	(10, 'SELECT d.name, (SELECT sum(share) FROM closure(''int8_graph'') c WHERE c.descendant = d.id) AS n FROM dim d'),
	(11, 'SELECT d.name, c.* FROM dim d, closure(''int8_graph'', NULL::bigint, max_depth => (d.id % 3)::int) c WHERE c.ancestor = 7'),
	(12, 'SELECT d.name, c.* FROM dim d, closure(''int8_graph'', NULL::bigint, max_depth => (d.id % 3)::int) c WHERE c.descendant = d.id'),
	(13, 'SELECT d.name, c.* FROM dim d JOIN closure(''int8_graph'') c ON c.ancestor = d.id AND c.descendant = d.id'),
	(14, 'SELECT d.name, a.ancestor AS a, b.* FROM dim d JOIN closure(''int8_graph'') a ON a.descendant = d.id JOIN closure(''int8_graph'') b ON b.ancestor = a.ancestor AND b.descendant = d.small'),
	(15, 'SELECT * FROM closure(''int8_graph'') c WHERE c.descendant IN (SELECT id FROM dim)'),
	(16, 'SELECT * FROM (SELECT id FROM dim UNION ALL SELECT 5) d (id) JOIN closure(''int8_graph'') c ON c.ancestor = d.id')) j (n, query)
ORDER BY j.n;
SELECT check_scan('SELECT d.name, c.* FROM dim d RIGHT JOIN closure(''int8_graph'') c ON c.ancestor = d.id', false) AS outer_join,
	check_scan('SELECT c.* FROM edges e JOIN closure(''int8_graph'') c ON c.ancestor + 0 = e.child', false) AS expression;

-- A join with most nodes is no business of ours
SELECT plan_of('SELECT count(*) FROM edges e JOIN edges f USING (child) JOIN closure(''int8_graph'') c ON c.descendant = e.child');
-- How it looks
SELECT plan_of('SELECT * FROM closure(''int8_graph'') WHERE ancestor = 7 AND depth > 1');
SELECT plan_of('SELECT c.* FROM dim d JOIN closure(''int8_graph'') AS c ON c.descendant = d.id WHERE d.name = ''x21''');
SELECT plan_of('SELECT ordinality FROM closure(''int8_graph'') WITH ORDINALITY WHERE ancestor = 7');
SELECT plan_of('SELECT * FROM ROWS FROM (closure(''int8_graph''), generate_series(1, 2)) c WHERE c.ancestor = 7');
-- (18 adds a member to every node.)
CREATE FUNCTION plan_members(query text) RETURNS TABLE (name text, value jsonb) LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (COSTS OFF, FORMAT json) ' || query INTO plan;
	RETURN QUERY SELECT * FROM jsonb_each((plan -> 0 -> 'Plan') - 'Disabled');
END
$$;
SELECT * FROM plan_members('SELECT * FROM closure(''int8_graph'') WHERE ancestor = 7');

-- Estimates come from the graph
CREATE FUNCTION estimate(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RETURN (plan -> 0 -> 'Plan' ->> 'Plan Rows')::bigint;
END
$$;
SELECT i, estimate(format('SELECT * FROM closure(''text_graph'', NULL::text) WHERE ancestor = ''n%s''', i))
		= greatest(1, (SELECT count(*) FROM closure('text_graph', NULL::text) WHERE ancestor = 'n' || i)) AS below,
	estimate(format('SELECT * FROM closure(''text_graph'', NULL::text) WHERE descendant = ''n%s''', i))
		= greatest(1, (SELECT count(*) FROM closure('text_graph', NULL::text) WHERE descendant = 'n' || i)) AS above
FROM unnest('{1,7,50,399,1000}'::int[]) i;
SELECT estimate('SELECT * FROM dim JOIN closure(''text_graph'', NULL::text) ON descendant = code')
	BETWEEN count(*) / 3 AND count(*) * 3 AS joined
FROM dim JOIN closure('text_graph', NULL::text) ON descendant = code;

-- Prepared: the key is a parameter
PREPARE by_key(bigint) AS SELECT count(*), sum(depth) FROM closure('int8_graph') WHERE ancestor = $1;
PREPARE by_keys(bigint[]) AS SELECT count(*), sum(depth) FROM closure('int8_graph') WHERE descendant = ANY ($1);
SET plan_cache_mode = force_generic_plan;
SELECT plan_of('EXECUTE by_key(7)');
EXECUTE by_key(7);
EXECUTE by_key(1);
EXECUTE by_key(NULL);
EXECUTE by_keys('{300,310,NULL,300}');
EXECUTE by_keys(NULL);
-- a plan follows its index and its table
REINDEX INDEX int8_graph;
EXECUTE by_key(7);
BEGIN;
INSERT INTO int8_edges (parent, child) VALUES (7, 100001), (100001, 100002);
EXECUTE by_key(7);
EXECUTE by_keys('{100002}');
SAVEPOINT s;
DELETE FROM int8_edges WHERE child = 100001;
EXECUTE by_key(7);
ROLLBACK TO s;
EXECUTE by_key(7);
ROLLBACK;
EXECUTE by_key(7);
PREPARE by_name(text) AS SELECT count(*) FROM closure('text_graph', NULL::text) WHERE descendant = $1;
EXECUTE by_name('n333');
DROP INDEX text_graph;
\set VERBOSITY sqlstate
EXECUTE by_name('n333');
\set VERBOSITY default
CREATE INDEX text_graph ON text_edges USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
DEALLOCATE by_name;
PREPARE by_name(text) AS SELECT count(*) FROM closure('text_graph', NULL::text) WHERE descendant = $1;
EXECUTE by_name('n333');
RESET plan_cache_mode;

-- Cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT ancestor, descendant, depth FROM closure('text_graph', NULL::text) WHERE descendant = 'n20' ORDER BY depth, ancestor;
DECLARE d SCROLL CURSOR FOR SELECT count(*) OVER () > 0, depth FROM closure('text_graph', NULL::text) WHERE descendant = 'n20';
FETCH 2 FROM c;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
FETCH FIRST FROM c;
FETCH FIRST FROM d;
FETCH BACKWARD 1 FROM d;
MOVE LAST IN d;
FETCH FIRST FROM d;
-- the graph stays as it was when the cursor was opened
DECLARE e CURSOR FOR SELECT count(*) FROM closure('text_graph', NULL::text) WHERE ancestor = 'n20';
INSERT INTO text_edges VALUES ('n20', 'new', 1);
SELECT count(*) - 1 AS before FROM closure('text_graph', NULL::text) WHERE ancestor = 'n20' \gset
FETCH FROM e \gset fetched_
SELECT :fetched_count = :before AS as_it_was;
ROLLBACK;

-- Rows that are rechecked, row marks and EvalPlanQual: see isolation tests;
-- here that such plans run
BEGIN;
SELECT d.id, c.descendant FROM dim d JOIN closure('int8_graph') c ON c.ancestor = d.id WHERE d.id = 381 ORDER BY 2 FOR UPDATE OF d;
UPDATE dim d SET name = c.depth::text FROM closure('int8_graph') c WHERE c.descendant = d.id AND c.ancestor = 1 AND d.id = 381;
ROLLBACK;

-- Other people's conditions see only rows that they may see
CREATE FUNCTION leak(bigint) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM closure('varchar_graph', NULL::varchar) WHERE descendant IN ('n1', 'n2') AND depth = 0;
CREATE VIEW numbers WITH (security_barrier) AS SELECT * FROM closure('int8_graph') WHERE ancestor IN (3, 17) AND depth <= 1;
SELECT count(*) > 0 AS some FROM numbers WHERE ancestor = 3 AND depth = 0 AND leak(descendant);
SELECT plan_of('SELECT * FROM numbers WHERE ancestor = 3 AND leak(descendant)');
SELECT * FROM barrier WHERE ancestor = 'n2';

-- Rights: as without a key
CREATE ROLE closure_scan_reader;
GRANT USAGE ON SCHEMA closure_scan TO closure_scan_reader;
SET ROLE closure_scan_reader;
SELECT count(*) FROM closure('int8_graph') WHERE ancestor = 7;
SELECT count(*) FROM closure('int8_graph') WHERE ancestor = NULL;
SELECT count(*) FROM closure('int8_graph') WHERE ancestor = ANY ('{}'::bigint[]);
RESET ROLE;
GRANT SELECT (parent, child) ON int8_edges TO closure_scan_reader;
SET ROLE closure_scan_reader;
SELECT count(*) > 0 AS some FROM closure('int8_graph') WHERE ancestor = 3;
SELECT count(share) AS shares FROM closure('int8_graph') WHERE ancestor = 3;
RESET ROLE;
GRANT SELECT ON int8_edges, dim TO closure_scan_reader;
ALTER TABLE int8_edges ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON int8_edges USING (child % 2 = 0);
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA closure_scan TO closure_scan_reader;
GRANT TEMP ON DATABASE :"DBNAME" TO closure_scan_reader;
SET ROLE closure_scan_reader;
SELECT c.col, string_agg(DISTINCT s.result, '; ') AS result
FROM (VALUES ('ancestor'), ('descendant')) c (col), generate_series(1, 425, 29) i,
	check_scan(format('SELECT * FROM closure(''int8_graph'') WHERE %s = %s', c.col, i)) s (result)
GROUP BY 1 ORDER BY 1;
RESET ROLE;
-- a function that its owner changed is called as it is
ALTER FUNCTION closure(hgraph, date, integer, boolean, integer[]) SECURITY DEFINER;
SELECT plan_of('SELECT * FROM closure(''int8_graph'') WHERE ancestor = 7');
ALTER FUNCTION closure(hgraph, date, integer, boolean, integer[]) SECURITY INVOKER;

-- Errors
SELECT * FROM closure('int8_graph', NULL::uuid) WHERE ancestor = as_uuid(1);
SELECT * FROM closure('int8_graph', NULL::bigint, max_depth => -1) WHERE ancestor = 1;
SELECT * FROM closure(NULL::hgraph) WHERE ancestor = 1;

-- Old snapshots
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 0 AS some FROM closure('int4_graph') WHERE ancestor = 3;
SELECT check_scan('SELECT * FROM closure(''int4_graph'') WHERE ancestor = 3');
INSERT INTO int4_edges VALUES (3, 5000, 0.5);
SELECT check_scan('SELECT * FROM closure(''int4_graph'') WHERE ancestor = 3'), check_scan('SELECT * FROM closure(''int4_graph'') WHERE descendant = 5000');
ROLLBACK;

-- tree(): the same for node and parent
SELECT c.col, string_agg(DISTINCT s.result, '; ') AS result
FROM (VALUES ('node'), ('parent')) c (col), generate_series(1, 430, 17) i,
	check_scan(format('SELECT * FROM tree(''int8_graph'') WHERE %s = %s', c.col, i)) s (result)
GROUP BY 1 ORDER BY 1;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT check_scan('SELECT t.* FROM dim JOIN tree(''int8_graph'') t ON node = id'),
	check_scan('SELECT t.* FROM dim JOIN tree(''int8_graph'', as_of => ''2021-01-01'') t ON parent = id'),
	check_scan('SELECT level, children FROM tree(''int8_graph'', labels => ''{1}'') t WHERE parent IN (1, 2, 3, 3)');
RESET enable_hashjoin;
RESET enable_mergejoin;
-- against its definition
WITH RECURSIVE e AS (
	SELECT parent, child, bool_or(is_primary) AS is_primary FROM int8_edges
	WHERE valid IS NULL OR valid @> current_date GROUP BY 1, 2
), trunk AS (
	SELECT DISTINCT ON (child) child, parent FROM e WHERE parent IS NOT NULL ORDER BY child, is_primary DESC, parent
), walk AS (
	SELECT n.node, NULL::bigint AS parent, 0 AS level, ARRAY[n.node] AS path
	FROM (SELECT child FROM e UNION SELECT parent FROM e WHERE parent IS NOT NULL) n (node)
	WHERE n.node NOT IN (SELECT child FROM trunk)
	UNION ALL
	SELECT t.child, t.parent, w.level + 1, w.path || t.child FROM walk w JOIN trunk t ON t.parent = w.node
), expected AS (
	SELECT w.*, (SELECT count(*) FROM trunk t WHERE t.parent = w.node) AS children,
		(SELECT count(*) FROM e WHERE e.child = w.node AND e.parent IS NOT NULL) AS parents
	FROM walk w
)
SELECT (SELECT count(*) FROM expected) = (SELECT count(*) FROM tree('int8_graph')) AS as_many,
	(SELECT count(*) FROM (TABLE expected EXCEPT SELECT * FROM tree('int8_graph')) d) AS different;
SELECT count(level) FROM tree('cyclic_graph');
SELECT path FROM tree('cyclic_graph') WHERE node = 17;

DROP OWNED BY closure_scan_reader;
DROP ROLE closure_scan_reader;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA closure_scan CASCADE;
