--
-- Type hgraph: names and what they mean
--
SELECT 'nothing'::hierarchy.hgraph;

CREATE SCHEMA one;
CREATE SCHEMA two;
CREATE TABLE one.org (boss int, id int);
CREATE TABLE one."Odd Name" (boss int, id int);
CREATE TABLE two.org (boss int, id int);
CREATE INDEX org_graph ON one.org USING hgraph (boss, id);
CREATE INDEX "Odd Graph" ON one."Odd Name" USING hgraph (boss, id);
CREATE INDEX org_graph ON two.org USING hgraph (boss, id);
INSERT INTO one.org VALUES (1, 2);
INSERT INTO two.org VALUES (1, 3);
SET search_path = one, hierarchy;

-- By index, by table, along search_path, qualified, quoted
SELECT 'org_graph'::hgraph, 'org'::hgraph, 'ORG'::hgraph;
SELECT '"Odd Name"'::hgraph, '"Odd Graph"'::hgraph;
SELECT 'two.org'::hgraph, 'two.org_graph'::hgraph, 'one.org'::hgraph;
SELECT node FROM children('org', 1);
SELECT node FROM children('two.org', 1);
SET search_path = two, one, hierarchy;
SELECT 'org'::hgraph, 'one.org'::hgraph, '"Odd Name"'::hgraph;
SELECT node FROM children('org', 1);
SET search_path = '';
SELECT 'one.org'::hierarchy.hgraph, 'one."Odd Name"'::hierarchy.hgraph;
SELECT node FROM hierarchy.children('one.org', 1);
SELECT 'org'::hierarchy.hgraph;
SET search_path = one, hierarchy;

-- Then in schema hierarchy, which an unrelated relation does not hide
CREATE TABLE hierarchy.sales (parent bigint, child bigint);
CREATE INDEX region ON hierarchy.sales USING hgraph (parent, child);
CREATE INDEX org_graph ON hierarchy.sales USING hgraph (parent, child);
CREATE TABLE one.region (amount numeric);
SET search_path = one;
SELECT 'region'::hierarchy.hgraph, 'org_graph'::hierarchy.hgraph, 'one.org'::hierarchy.hgraph;
SELECT 'one.region'::hierarchy.hgraph;
DROP TABLE hierarchy.sales;
SELECT 'region'::hierarchy.hgraph;
DROP TABLE one.region;
SET search_path = one, hierarchy;

-- What is refused, and what the error says
SELECT 'nowhere.org'::hgraph;
SELECT 'a.b.c.d'::hgraph;
SELECT ''::hgraph;
SELECT '"'::hgraph;
CREATE TABLE plain (boss int, id int PRIMARY KEY);
SELECT 'plain'::hgraph;
SELECT 'plain_pkey'::hgraph;
CREATE VIEW looks AS SELECT * FROM org;
SELECT 'looks'::hgraph;
CREATE SEQUENCE numbers;
SELECT 'numbers'::hgraph;
CREATE INDEX org_graph2 ON org USING hgraph (boss, id) WITH (acyclic = off);
SELECT 'org'::hgraph;
SELECT 'org_graph'::hgraph, 'org_graph2'::hgraph;
DROP INDEX org_graph2;

CREATE TABLE list (kind text, boss int, id int) PARTITION BY LIST (kind);
CREATE INDEX list_graph ON list USING hgraph (boss, id);
SELECT 'list'::hgraph;
CREATE TABLE list_a PARTITION OF list FOR VALUES IN ('a');
CREATE TABLE list_b PARTITION OF list FOR VALUES IN ('b');
SELECT 'list'::hgraph;
SELECT 'list_graph'::hgraph;
SELECT 'list_a'::hgraph, 'list_b_boss_id_idx'::hgraph;
\set VERBOSITY sqlstate
SELECT 'nobody'::hgraph;
SELECT 'plain'::hgraph;
SELECT 'plain_pkey'::hgraph;
SELECT 'list'::hgraph;
SELECT 'a.b.c.d'::hgraph;
\set VERBOSITY default
DROP TABLE list;

-- An invalid index is no graph, and does not make a table's graph ambiguous
CREATE TABLE ring (boss int, id int, live boolean);
INSERT INTO ring VALUES (1, 2, true), (2, 1, false);
CREATE INDEX CONCURRENTLY ring_bad ON ring USING hgraph (boss, id);
SELECT 'ring_bad'::hgraph;
SELECT 'ring'::hgraph;
\set VERBOSITY sqlstate
SELECT 'ring'::hgraph;
\set VERBOSITY default
CREATE INDEX ring_good ON ring USING hgraph (boss, id) WHERE live;
SELECT 'ring'::hgraph;
DROP TABLE ring;

-- Not more than a few are listed, and none that the user may not see
CREATE TABLE many (boss int, id int);
CREATE INDEX many_1 ON many USING hgraph (boss, id);
CREATE INDEX many_2 ON many USING hgraph (boss, id);
CREATE INDEX many_3 ON many USING hgraph (boss, id);
SELECT 'nobody'::hgraph;
CREATE ROLE regress_hgraph_guest;
GRANT USAGE ON SCHEMA two, hierarchy TO regress_hgraph_guest;
SET ROLE regress_hgraph_guest;
SELECT 'nobody'::hgraph;
SELECT 'one.org'::hgraph;
SELECT 'two.org'::hgraph;
RESET ROLE;
REVOKE USAGE ON SCHEMA two, hierarchy FROM regress_hgraph_guest;
DROP ROLE regress_hgraph_guest;
DROP TABLE many;

-- Casts
SELECT 'org'::hgraph::oid = 'org_graph'::regclass, 'org'::hgraph::regclass;
SELECT 'org'::regclass::hgraph, 'org_graph'::regclass::hgraph, 'org'::regclass::oid::hgraph;
SELECT 'org'::text::hgraph, 'two.org'::hgraph::text;
SELECT 'plain'::regclass::hgraph;
SELECT 1::oid::hgraph;
SELECT pg_relation_size('org'::hgraph) > 0 AS implicit_regclass;

-- OIDs of any fate, as of an index that was dropped
SELECT '-'::hgraph, '0'::hgraph, '4294967295'::hgraph;
SELECT '4294967296'::hgraph;
SELECT * FROM children('4294967295', 1);
SELECT * FROM children('-', 1);

-- Comparison
CREATE TABLE bag (g hgraph PRIMARY KEY, n int);
INSERT INTO bag VALUES ('one.org', 1), ('two.org', 2), ('"Odd Name"', 3);
INSERT INTO bag VALUES ('org_graph', 4);
SELECT n FROM bag WHERE g = 'two.org';
SELECT count(*) FROM bag WHERE g <> 'two.org';
SELECT count(*) FROM bag WHERE g = 'one.org_graph'::regclass;
SELECT n FROM bag ORDER BY g::oid = 0, g;
SELECT count(*) FROM bag a JOIN bag b USING (g) WHERE a.g >= b.g AND a.g <= b.g AND NOT a.g < b.g AND NOT a.g > b.g;
SELECT hgraph_send('org'::hgraph) = int4send('org'::hgraph::oid::int) AS binary_is_oid;
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT n FROM bag WHERE g = 'two.org';
RESET enable_seqscan;
CREATE INDEX ON bag USING hash (g);
COPY bag (g, n) TO STDOUT;
SELECT g, count(*) FROM (SELECT g FROM bag UNION ALL SELECT g FROM bag) u GROUP BY g HAVING g = 'two.org';
DROP TABLE bag;

-- A name that is resolved when the query runs
PREPARE who(text) AS SELECT node FROM children($1::hgraph, 1);
EXECUTE who('one.org');
EXECUTE who('two.org');

-- Views and functions depend on the graphs that they name
CREATE VIEW below AS SELECT node FROM descendants('two.org', 1);
CREATE OR REPLACE VIEW below AS SELECT node FROM descendants('one.org', 1);
CREATE FUNCTION above(n int) RETURNS SETOF bigint BEGIN ATOMIC
    SELECT node FROM ancestors('one.org', n);
END;
CREATE FUNCTION tops_of(n int, g hgraph DEFAULT 'one.org') RETURNS SETOF bigint LANGUAGE sql AS
    'SELECT node FROM hierarchy.tops(g, n)';
SELECT pg_describe_object(classid, objid, objsubid), pg_describe_object(refclassid, refobjid, refobjsubid), deptype
FROM pg_depend WHERE refobjid IN ('one.org'::hgraph::oid, 'two.org'::hgraph::oid) AND classid <> 'pg_class'::regclass
ORDER BY 1;
BEGIN;
SET LOCAL client_min_messages = warning;
DROP TABLE one.org CASCADE;
SELECT to_regclass('below'), to_regproc('above'), to_regproc('tops_of');
ROLLBACK;

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA one, two CASCADE;
