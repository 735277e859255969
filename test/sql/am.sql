--
-- Access method hgraph: creation, and everything that PostgreSQL does to an
-- index in its life.
--
SELECT a.amname, c.opcname, c.opcintype::regtype, c.opcdefault, amvalidate(c.oid)
  FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
 WHERE c.opcnamespace = 'hierarchy'::regnamespace
 ORDER BY 1, 2;

SELECT p.prop, pg_indexam_has_property(a.oid, p.prop)
  FROM pg_am a,
       unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include']) WITH ORDINALITY p(prop, n)
 WHERE a.amname = 'hgraph'
 ORDER BY p.n;

CREATE SCHEMA am;
SET search_path = am, hierarchy;

-- What amvalidate complains of
CREATE OPERATOR CLASS bad_type DEFAULT FOR TYPE int2 USING hgraph AS OPERATOR 1 =;
CREATE OPERATOR CLASS no_operator FOR TYPE int4 USING hgraph AS STORAGE int4;
CREATE OPERATOR CLASS wrong_operator FOR TYPE int8 USING hgraph AS OPERATOR 1 = (int4, int4);
SELECT opcname, amvalidate(oid) FROM pg_opclass WHERE opcnamespace = 'am'::regnamespace ORDER BY 1;
CREATE TABLE small (parent int2, child int2);
CREATE INDEX ON small USING hgraph (parent, child);
DROP OPERATOR FAMILY bad_type USING hgraph;
CREATE INDEX ON small USING hgraph (parent, child);
DROP TABLE small;

--
-- Columns that are refused
--
CREATE COLLATION other (provider = libc, locale = 'C');
CREATE DOMAIN node AS bigint;
CREATE TABLE edge (
	parent bigint,
	child node,
	parent4 int,
	parent_uuid uuid,
	child_uuid uuid,
	parent_text text,
	parent_name name,
	child_text varchar(20),
	child_other text COLLATE other,
	parent_char char(5),
	share numeric,
	share8 float8,
	share4 float4,
	valid daterange,
	valid_at tstzrange,
	is_primary boolean,
	label int,
	label2 smallint,
	label8 bigint,
	note text
);
CREATE INDEX ON edge USING hgraph (parent);
CREATE INDEX ON edge USING hgraph (parent, child, label8);
CREATE INDEX ON edge USING hgraph (parent, parent);
CREATE INDEX ON edge USING hgraph (parent4, child);
CREATE INDEX ON edge USING hgraph (parent, child_text);
CREATE INDEX ON edge USING hgraph (parent_text, child_other);
CREATE INDEX ON edge USING hgraph (parent_name, child_text);
CREATE INDEX ON edge USING hgraph (parent_char, child_text);
CREATE INDEX ON edge USING hgraph ((parent + 1), child);
CREATE INDEX ON edge USING hgraph (parent, (child + 1));
CREATE INDEX ON edge USING hgraph (parent, child DESC);
CREATE UNIQUE INDEX ON edge USING hgraph (parent, child);
ALTER TABLE edge ADD EXCLUDE USING hgraph (parent WITH =, child WITH =);

-- A type that is stored like text but compares otherwise
CREATE TYPE folded;
CREATE FUNCTION folded_in(cstring) RETURNS folded LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION folded_out(folded) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE folded (INPUT = folded_in, OUTPUT = folded_out, LIKE = text, COLLATABLE = true);
CREATE CAST (folded AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE TABLE folded_edge (parent folded, child folded);
CREATE INDEX ON folded_edge USING hgraph (parent, child);
DROP TABLE folded_edge;
DROP TYPE folded CASCADE;

-- Nondeterministic collations; a server without ICU has none to test with
DO $$
DECLARE
	detail text;
BEGIN
	BEGIN
		CREATE COLLATION insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	EXCEPTION WHEN feature_not_supported THEN
		RAISE NOTICE 'hgraph does not support nondeterministic collations, The keys of index "i" have collation "insensitive".';
		RETURN;
	END;
	CREATE TABLE fuzzy (parent text COLLATE insensitive, child text COLLATE insensitive);
	BEGIN
		CREATE INDEX i ON fuzzy USING hgraph (parent, child);
	EXCEPTION WHEN feature_not_supported THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		RAISE NOTICE '%, %', SQLERRM, detail;
	END;
	CREATE INDEX i ON fuzzy USING hgraph (parent COLLATE "C", child COLLATE "C");
	DROP TABLE fuzzy;
END $$;

--
-- Options
--
CREATE INDEX ON edge USING hgraph (parent, child) WITH (fillfactor = 50);
CREATE INDEX ON edge USING hgraph (parent, child) WITH (acyclic = maybe);
CREATE INDEX ON edge USING hgraph (parent, child) WITH (weight = share);
CREATE INDEX ON edge USING hgraph (parent, child) INCLUDE (share, note) WITH (weight = shares);
CREATE INDEX ON edge USING hgraph (parent, child) INCLUDE (share) WITH (weight = child);
CREATE INDEX ON edge USING hgraph (parent, child) INCLUDE (share4) WITH (weight = share4);
CREATE INDEX ON edge USING hgraph (parent, child) INCLUDE (valid_at) WITH (validity = valid_at);
CREATE INDEX ON edge USING hgraph (parent, child) INCLUDE (label) WITH (is_primary = label);
CREATE INDEX ON edge USING hgraph (parent, child) INCLUDE (label8) WITH (label = label8);
CREATE INDEX ON edge USING hgraph (parent, child) INCLUDE (label8) WITH (label = '');
SELECT count(*) AS indexes FROM pg_index WHERE indrelid = 'edge'::regclass;

-- Everything that is right
CREATE INDEX edge_plain ON edge USING hgraph (parent, child);
CREATE INDEX edge_numeric ON edge USING hgraph (parent, child)
	INCLUDE (note, share, valid, is_primary, label)
	WITH (acyclic = on, weight = share, validity = 'valid', is_primary = is_primary, label = label);
CREATE INDEX edge_float ON edge USING hgraph (parent, child)
	INCLUDE (share8, label2) WITH (acyclic = off, weight = share8, label = label2);
CREATE INDEX edge_uuid ON edge USING hgraph (parent_uuid, child_uuid);
CREATE INDEX edge_text ON edge USING hgraph (parent_text, child_text);
CREATE INDEX edge_collate ON edge USING hgraph (parent_text COLLATE other, child_other);
CREATE INDEX edge_partial ON edge USING hgraph (parent, child) WHERE note IS NULL;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'edge'::regclass ORDER BY 1;
DROP TABLE edge;

-- A role follows the column, whatever it is called by now
CREATE TABLE stake (owner int, firm int, share numeric);
CREATE INDEX stake_graph ON stake USING hgraph (owner, firm) INCLUDE (share) WITH (weight = share);
INSERT INTO stake VALUES (1, 2, 0.5), (1, 3, 0.25);
ALTER TABLE stake RENAME share TO portion;
INSERT INTO stake VALUES (2, 3, 0.5);
SELECT * FROM descendants('stake', 1) ORDER BY node;
ALTER INDEX stake_graph SET (weight = portion);
SELECT * FROM descendants('stake', 1) ORDER BY node;
REINDEX INDEX stake_graph;
SELECT * FROM descendants('stake', 1) ORDER BY node;
ALTER INDEX stake_graph RESET (weight);
SELECT * FROM descendants('stake', 1) ORDER BY node;
ALTER INDEX stake_graph SET (weight = stake);
INSERT INTO stake VALUES (2, 4, 0.5);
SELECT * FROM descendants('stake', 1) ORDER BY node;
ALTER INDEX stake_graph SET (acyclic = off, weight = portion);
INSERT INTO stake VALUES (3, 1, 0.1);
ALTER INDEX stake_graph RESET (acyclic);
REINDEX INDEX stake_graph;
DROP TABLE stake;

--
-- NULLs and sizes
--
CREATE TABLE t (parent text, child text, note text);
INSERT INTO t VALUES (NULL, 'a'), ('a', 'b'), ('x', NULL), (NULL, NULL);
CREATE INDEX t_graph ON t USING hgraph (parent, child);
INSERT INTO t VALUES (NULL, 'c'), ('b', 'd'), ('y', NULL), (NULL, NULL);
SELECT nodes, edges, roots, entries FROM graph_stats('t');
SELECT * FROM roots('t', NULL::text) ORDER BY node COLLATE "C";

-- Long keys compress well or not at all, and fit or not
INSERT INTO t SELECT 'd', repeat('long', 5000);
INSERT INTO t SELECT 'd', string_agg(md5(i::text), '' ORDER BY i) FROM generate_series(1, 240) i;
SELECT length(node), left(node, 12) AS starts FROM children('t', 'd'::text) ORDER BY 1;
SELECT depth FROM ancestors('t', repeat('long', 5000)) ORDER BY depth;
INSERT INTO t SELECT 'd', string_agg(md5(i::text), '' ORDER BY i) FROM generate_series(1, 253) i;
INSERT INTO t SELECT 'd', string_agg(md5(i::text), '' ORDER BY i) FROM generate_series(1, 300) i;
\set VERBOSITY sqlstate
INSERT INTO t SELECT 'd', string_agg(md5(i::text), '' ORDER BY i) FROM generate_series(1, 253) i;
INSERT INTO t SELECT 'd', string_agg(md5(i::text), '' ORDER BY i) FROM generate_series(1, 300) i;
\set VERBOSITY default
SELECT count(*) FROM children('t', 'd'::text);
REINDEX TABLE t;
SELECT count(*) FROM children('t', 'd'::text);
SELECT * FROM verify('t');

--
-- Settings
--
SHOW hierarchy.image_memory;
\set VERBOSITY sqlstate
SET hierarchy.image_memory = '1kB';
\set VERBOSITY default
SET hierarchy.image_memory = '64MB';
SHOW hierarchy.image_memory;
RESET hierarchy.image_memory;
SET hierarchy.nonsense = 1;

--
-- The planner leaves it alone
--
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT * FROM t WHERE parent = 'a';
EXPLAIN (COSTS off) SELECT parent, child FROM t ORDER BY parent;
RESET enable_seqscan;
CLUSTER t USING t_graph;
DROP TABLE t;

--
-- VACUUM, and space that is used again
--
CREATE TABLE tree (parent int, child int, note text) WITH (autovacuum_enabled = off);
INSERT INTO tree SELECT nullif(i / 10, 0), i FROM generate_series(1, 5000) i;
CREATE INDEX tree_graph ON tree USING hgraph (parent, child);
SELECT nodes, edges, max_depth, entries, dead_entries FROM graph_stats('tree');
DELETE FROM tree WHERE child > 4000;
SELECT nodes, edges, max_depth, entries, dead_entries FROM graph_stats('tree');
VACUUM tree;
SELECT nodes, edges, max_depth, entries, dead_entries FROM graph_stats('tree');
SELECT reltuples FROM pg_class WHERE oid = 'tree_graph'::regclass;
SELECT pg_relation_size('tree_graph') AS before \gset
DO $$
BEGIN
	FOR i IN 1 .. 4 LOOP
		INSERT INTO tree SELECT 1, i * 10000 + n FROM generate_series(1, 500) n;
		DELETE FROM tree WHERE child BETWEEN i * 10000 AND i * 10000 + 9999;
	END LOOP;
END $$;
VACUUM tree;
INSERT INTO tree SELECT i / 10, i FROM generate_series(4001, 5000) i;
SELECT nodes, edges, max_depth, entries, dead_entries FROM graph_stats('tree');
SELECT pg_relation_size('tree_graph') <= 2 * :before AS space_is_reused;
VACUUM (PARALLEL 2) tree;
VACUUM (INDEX_CLEANUP off) tree;
VACUUM FULL tree;
SELECT nodes, edges, max_depth, entries, dead_entries FROM graph_stats('tree');
ANALYZE tree;

-- Rewrites and rebuilding
ALTER TABLE tree ALTER COLUMN parent TYPE bigint, ALTER COLUMN child TYPE bigint;
SELECT * FROM ancestors('tree', 4321::bigint);
REINDEX INDEX CONCURRENTLY tree_graph;
REINDEX TABLE tree;
INSERT INTO tree VALUES (4321, 1);
CREATE INDEX CONCURRENTLY tree_graph2 ON tree USING hgraph (parent, child);
DROP INDEX tree_graph;
INSERT INTO tree VALUES (4321, 1);
ALTER TABLE tree ALTER COLUMN parent TYPE int;
ALTER TABLE tree DROP COLUMN note;
SELECT * FROM ancestors('tree', 4321::bigint);
BEGIN;
TRUNCATE tree;
INSERT INTO tree VALUES (1, 2);
SELECT * FROM ancestors('tree', 2);
ROLLBACK;
SELECT * FROM ancestors('tree', 4321) ORDER BY depth;
TRUNCATE tree;
SELECT * FROM ancestors('tree', 4321);
INSERT INTO tree VALUES (2, 1);
SELECT * FROM ancestors('tree', 1);
ALTER TABLE tree DROP COLUMN parent;
SELECT count(*) AS indexes FROM pg_index WHERE indrelid = 'tree'::regclass;
DROP TABLE tree;

-- A table and its index in the transaction that made them
BEGIN;
CREATE TABLE fresh (parent bigint, child bigint);
INSERT INTO fresh VALUES (1, 2);
CREATE INDEX ON fresh USING hgraph (parent, child);
INSERT INTO fresh VALUES (2, 3);
TRUNCATE fresh;
INSERT INTO fresh VALUES (3, 4);
SELECT * FROM closure('fresh', NULL::bigint) ORDER BY 1, 2;
COMMIT;
DROP TABLE fresh;

--
-- Builds that fail
--
CREATE TABLE ring (parent int, child int);
INSERT INTO ring VALUES (1, 2), (2, 3), (3, 1);
CREATE INDEX ring_graph ON ring USING hgraph (parent, child);
CREATE INDEX CONCURRENTLY ring_graph ON ring USING hgraph (parent, child);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'ring_graph'::regclass;
DELETE FROM ring WHERE parent = 3;
VACUUM ring;
REINDEX INDEX ring_graph;
SELECT indisvalid FROM pg_index WHERE indexrelid = 'ring_graph'::regclass;
SELECT * FROM descendants('ring', 1);
DROP TABLE ring;

--
-- Kinds of tables
--
CREATE TEMP TABLE scratch (parent int, child int);
CREATE INDEX scratch_graph ON scratch USING hgraph (parent, child);
INSERT INTO scratch SELECT i, i + 1 FROM generate_series(1, 1000) i;
INSERT INTO scratch VALUES (1001, 1);
SELECT count(*), max(depth) FROM descendants('scratch', 1);
DELETE FROM scratch WHERE parent = 500;
VACUUM scratch;
SELECT count(*), max(depth) FROM descendants('scratch', 1);
DROP TABLE scratch;

CREATE TEMP TABLE brief (parent int, child int) ON COMMIT DELETE ROWS;
CREATE INDEX ON brief USING hgraph (parent, child);
BEGIN;
INSERT INTO brief VALUES (1, 2), (2, 3);
SELECT count(*) FROM descendants('brief', 1);
COMMIT;
SELECT count(*) FROM descendants('brief', 1);
DROP TABLE brief;

CREATE UNLOGGED TABLE volatile (parent int, child int);
CREATE INDEX volatile_graph ON volatile USING hgraph (parent, child);
INSERT INTO volatile SELECT i, i + 1 FROM generate_series(1, 1000) i;
SELECT count(*), max(depth) FROM descendants('volatile', 1);
SELECT pg_relation_size('volatile_graph', 'init') / current_setting('block_size')::int AS init_blocks;
ALTER TABLE volatile SET LOGGED;
INSERT INTO volatile VALUES (1001, 1);
SELECT count(*), max(depth) FROM descendants('volatile', 1);
DROP TABLE volatile;

CREATE MATERIALIZED VIEW chart AS SELECT i / 2 AS parent, i AS child FROM generate_series(2, 7) i;
CREATE INDEX ON chart USING hgraph (parent, child);
SELECT * FROM descendants('chart', 1) ORDER BY node;
REFRESH MATERIALIZED VIEW chart;
SELECT count(*) FROM descendants('chart', 1);
DROP MATERIALIZED VIEW chart;

-- A partial index sees its rows only; an update moves a row in and out
CREATE TABLE part (parent int, child int, live boolean);
CREATE INDEX part_graph ON part USING hgraph (parent, child) WHERE live;
INSERT INTO part VALUES (1, 2, true), (2, 3, false), (2, 1, false);
SELECT * FROM descendants('part', 1) ORDER BY node;
UPDATE part SET live = true WHERE child = 3;
SELECT * FROM descendants('part', 1) ORDER BY node;
UPDATE part SET live = true WHERE child = 1;
UPDATE part SET live = false WHERE child = 2;
UPDATE part SET live = true WHERE child = 1;
SELECT * FROM descendants('part', 2) ORDER BY node;
SELECT * FROM verify('part');
DROP TABLE part;

-- Each partition has a graph of its own, checked on its own
CREATE TABLE link (kind text, parent int, child int) PARTITION BY LIST (kind);
CREATE TABLE link_a PARTITION OF link FOR VALUES IN ('a');
CREATE INDEX link_graph ON link USING hgraph (parent, child);
CREATE TABLE link_b PARTITION OF link FOR VALUES IN ('b');
INSERT INTO link VALUES ('a', 1, 2), ('b', 2, 1), ('a', 2, 3);
INSERT INTO link VALUES ('b', 1, 2);
SELECT * FROM descendants('link_a', 1) ORDER BY node;
SELECT * FROM descendants('link_b', 2) ORDER BY node;
UPDATE link SET kind = 'a' WHERE kind = 'b';
ALTER TABLE link DETACH PARTITION link_b;
SELECT * FROM descendants('link_b_parent_child_idx', 2) ORDER BY node;
DROP TABLE link, link_b;
CREATE TABLE crooked (a int, b int, c int) PARTITION BY LIST (a);
CREATE INDEX ON crooked USING hgraph (b);
CREATE TABLE crooked_1 PARTITION OF crooked FOR VALUES IN (1);
DROP TABLE crooked;

SET client_min_messages = warning;
DROP SCHEMA am CASCADE;
