--
-- No cycle, by whichever route a row arrives.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS hierarchy;
RESET client_min_messages;

CREATE TABLE staff (id bigint PRIMARY KEY, boss bigint, note text);
CREATE INDEX staff_graph ON staff USING hgraph (boss, id);
INSERT INTO staff VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, 1);

-- What the error tells.
UPDATE staff SET boss = 4 WHERE id = 1;
DO $$
DECLARE
	c text;
	t text;
	s text;
	state text;
BEGIN
	UPDATE staff SET boss = 4 WHERE id = 1;
EXCEPTION WHEN check_violation THEN
	GET STACKED DIAGNOSTICS c = CONSTRAINT_NAME, t = TABLE_NAME, s = SCHEMA_NAME, state = RETURNED_SQLSTATE;
	RAISE NOTICE '% % % %', state, s, t, c;
END $$;

-- Self loops and cycles of two, in one statement or several.
INSERT INTO staff VALUES (6, 6);
INSERT INTO staff VALUES (6, 7), (7, 6);
INSERT INTO staff VALUES (6, 1), (7, 6);
UPDATE staff SET boss = 7 WHERE id = 6;
UPDATE staff SET boss = id WHERE id = 7;
DELETE FROM staff WHERE id > 5;

-- INSERT ... SELECT, RETURNING, DEFAULT VALUES on the way.
ALTER TABLE staff ALTER boss SET DEFAULT 4;
INSERT INTO staff (id) SELECT 2 WHERE false;
BEGIN;
DELETE FROM staff WHERE id = 1;
INSERT INTO staff (id) VALUES (1) RETURNING id;
ROLLBACK;
ALTER TABLE staff ALTER boss DROP DEFAULT;

-- Renaming a key can close a cycle as well.
BEGIN;
INSERT INTO staff VALUES (10, 4);
UPDATE staff SET id = 1 WHERE id = 10;
ROLLBACK;
BEGIN;
DELETE FROM staff WHERE id = 1;
INSERT INTO staff VALUES (10, 4);
UPDATE staff SET id = 1 WHERE id = 10;
ROLLBACK;

-- Rows of one UPDATE come one by one, as for every constraint that is checked
-- at once: a swap in one statement is refused if its first half is.
BEGIN;
UPDATE staff SET boss = CASE id WHEN 2 THEN 3 ELSE 1 END WHERE id IN (2, 3);
ROLLBACK;
BEGIN;
UPDATE staff SET boss = 1 WHERE id = 3;
UPDATE staff SET boss = 3 WHERE id = 2;
SELECT node, depth FROM hierarchy.descendants('staff', 1::bigint) ORDER BY node;
ROLLBACK;

-- COPY
COPY staff (id, boss) FROM STDIN;
20	21
21	22
22	20
\.
SELECT count(*) FROM staff;

-- ON CONFLICT, MERGE, data-modifying WITH
INSERT INTO staff VALUES (1, 4) ON CONFLICT (id) DO UPDATE SET boss = excluded.boss;
INSERT INTO staff VALUES (1, 4) ON CONFLICT (id) DO NOTHING;
INSERT INTO staff VALUES (1, 4) ON CONFLICT DO NOTHING;
MERGE INTO staff USING (VALUES (1, 4)) v (id, boss) ON staff.id = v.id
	WHEN MATCHED THEN UPDATE SET boss = v.boss;
MERGE INTO staff USING (VALUES (30, 31), (31, 30)) v (id, boss) ON staff.id = v.id
	WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.boss);
WITH a AS (INSERT INTO staff VALUES (30, 31) RETURNING id)
	INSERT INTO staff SELECT 31, id FROM a;

-- Triggers that change rows, functions, cursors, prepared statements, rules,
-- views
CREATE FUNCTION boss_four() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN NEW.boss := 4; RETURN NEW; END$$;
CREATE TRIGGER boss_four BEFORE UPDATE ON staff FOR EACH ROW EXECUTE FUNCTION boss_four();
UPDATE staff SET note = 'x' WHERE id = 1;
DROP TRIGGER boss_four ON staff;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM staff WHERE id = 1 FOR UPDATE;
MOVE 1 FROM c;
UPDATE staff SET boss = 4 WHERE CURRENT OF c;
ROLLBACK;
PREPARE move (bigint, bigint) AS UPDATE staff SET boss = $2 WHERE id = $1;
EXECUTE move (5, 4);
EXECUTE move (1, 4);
EXECUTE move (5, 1);
DEALLOCATE move;
CREATE VIEW chart AS SELECT id AS who, boss AS under FROM staff;
UPDATE chart SET under = 4 WHERE who = 1;
DROP VIEW chart;

-- Whoever switches triggers and rules off does not switch this off.
ALTER TABLE staff DISABLE TRIGGER ALL;
UPDATE staff SET boss = 4 WHERE id = 1;
ALTER TABLE staff ENABLE TRIGGER ALL;
SET session_replication_role = replica;
UPDATE staff SET boss = 4 WHERE id = 1;
RESET session_replication_role;
SET constraint_exclusion = off;
SET CONSTRAINTS ALL DEFERRED;
UPDATE staff SET boss = 4 WHERE id = 1;
RESET constraint_exclusion;

-- Referential actions
CREATE TABLE dept (name text PRIMARY KEY, part_of text REFERENCES dept ON UPDATE CASCADE ON DELETE SET NULL);
CREATE INDEX ON dept USING hgraph (part_of, name);
INSERT INTO dept VALUES ('a', NULL), ('b', 'a'), ('c', 'b');
UPDATE dept SET part_of = 'c' WHERE name = 'a';
UPDATE dept SET name = 'z' WHERE name = 'b';
SELECT node FROM hierarchy.descendants('dept', 'a') ORDER BY 1;
UPDATE dept SET part_of = 'c' WHERE name = 'z';
DELETE FROM dept WHERE name = 'z';
SELECT node FROM hierarchy.roots('dept', NULL::text) ORDER BY 1;
DROP TABLE dept;

-- Savepoints and errors caught
BEGIN;
SAVEPOINT a;
DELETE FROM staff WHERE id = 3;
UPDATE staff SET boss = 4 WHERE id = 1;
ROLLBACK TO a;
UPDATE staff SET boss = 4 WHERE id = 1;
ROLLBACK;
BEGIN;
DELETE FROM staff WHERE id = 3;
SAVEPOINT a;
UPDATE staff SET boss = 4 WHERE id = 1;
SAVEPOINT b;
INSERT INTO staff VALUES (3, 2);
ROLLBACK TO b;
ROLLBACK TO a;
INSERT INTO staff VALUES (3, 2);
COMMIT;
SELECT * FROM hierarchy.verify('staff');

-- Building an index over a cycle, by every command that builds one
CREATE TABLE ring (parent int, child int, kind text);
INSERT INTO ring VALUES (1, 2, 'a'), (2, 3, 'a'), (3, 1, 'b'), (3, 4, 'a');
CREATE INDEX ring_graph ON ring USING hgraph (parent, child);
CREATE INDEX ring_graph ON ring USING hgraph (parent, child) WHERE kind = 'a';
-- a row that enters the index by its predicate
UPDATE ring SET kind = 'a' WHERE kind = 'b';
DROP INDEX ring_graph;
CREATE INDEX CONCURRENTLY ring_graph ON ring USING hgraph (parent, child);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'ring_graph'::regclass;
DELETE FROM ring WHERE kind = 'b';
REINDEX INDEX ring_graph;
INSERT INTO ring VALUES (3, 1, 'b');
ALTER TABLE ring ADD COLUMN more int DEFAULT random() * 10;
INSERT INTO ring VALUES (3, 1, 'b');
VACUUM FULL ring;
INSERT INTO ring VALUES (3, 1, 'b');
REINDEX TABLE CONCURRENTLY ring;
INSERT INTO ring VALUES (3, 1, 'b');
TRUNCATE ring;
INSERT INTO ring VALUES (3, 1, 'b'), (1, 3, 'b');
DROP TABLE ring;
-- a column of another type: rewritten, and checked with its new values
CREATE TABLE word (parent text, child text);
CREATE INDEX word_graph ON word USING hgraph (parent, child);
INSERT INTO word VALUES ('1', '02'), ('2', '01');
ALTER TABLE word ALTER parent TYPE int USING parent::int, ALTER child TYPE int USING child::int;
DELETE FROM word WHERE child = '01';
ALTER TABLE word ALTER parent TYPE int USING parent::int, ALTER child TYPE int USING child::int;
INSERT INTO word VALUES (2, 1);
DROP TABLE word;

-- Turning the check off and on again
CREATE TABLE net (parent uuid, child uuid);
CREATE INDEX net_graph ON net USING hgraph (parent, child) WITH (acyclic = off);
INSERT INTO net SELECT md5(p::text)::uuid, md5(c::text)::uuid FROM (VALUES (1, 2), (2, 1), (3, 3)) v (p, c);
SELECT count(*) FROM hierarchy.verify('net');
REINDEX INDEX net_graph;
ALTER INDEX net_graph SET (acyclic = on);
SELECT problem FROM hierarchy.verify('net') GROUP BY 1;
REINDEX INDEX net_graph;
INSERT INTO net SELECT md5('4')::uuid, md5('4')::uuid;
DELETE FROM net;
REINDEX INDEX net_graph;
INSERT INTO net SELECT md5('4')::uuid, md5('4')::uuid;
ALTER INDEX net_graph SET (acyclic = off);
INSERT INTO net SELECT md5('4')::uuid, md5('4')::uuid;
DROP TABLE net;

-- Partitions: each its own graph; rows that move, partitions that come.
CREATE TABLE part (h int, parent int, child int) PARTITION BY LIST (h);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2);
CREATE INDEX ON part USING hgraph (parent, child);
INSERT INTO part VALUES (1, 1, 2), (2, 2, 1);
INSERT INTO part VALUES (1, 2, 1);
UPDATE part SET h = 1 WHERE h = 2;
CREATE TABLE part_3 (h int, parent int, child int);
INSERT INTO part_3 VALUES (3, 1, 2), (3, 2, 1);
ALTER TABLE part ATTACH PARTITION part_3 FOR VALUES IN (3);
DELETE FROM part_3 WHERE parent = 2;
ALTER TABLE part ATTACH PARTITION part_3 FOR VALUES IN (3);
INSERT INTO part VALUES (3, 2, 1);
DROP TABLE part;

-- Temporary and unlogged tables, LIKE, inheritance
CREATE TEMP TABLE scratch (LIKE staff INCLUDING ALL);
INSERT INTO scratch VALUES (1, 2), (2, 1);
DROP TABLE scratch;
CREATE UNLOGGED TABLE scratch (LIKE staff INCLUDING ALL);
INSERT INTO scratch VALUES (1, 2), (2, 1);
DROP TABLE scratch;

-- With validity only edges of a common day make a cycle.
CREATE TABLE dated (parent bigint, child bigint, valid daterange);
CREATE INDEX dated_graph ON dated USING hgraph (parent, child) INCLUDE (valid) WITH (validity = 'valid');
INSERT INTO dated VALUES (1, 2, '[2020-01-01,2021-01-01)'), (2, 3, '[2020-06-01,)');
INSERT INTO dated VALUES (3, 1, '(,2020-06-01)');
INSERT INTO dated VALUES (3, 1, '[2021-01-01,)');
INSERT INTO dated VALUES (3, 1, 'empty');
INSERT INTO dated VALUES (4, 4, 'empty');
INSERT INTO dated VALUES (3, 1, NULL);
INSERT INTO dated VALUES (3, 1, '[2020-06-01,2020-06-02)');
INSERT INTO dated VALUES (4, 4, '[2020-06-01,2020-06-02)');
UPDATE dated SET valid = '(,2020-06-01]' WHERE child = 1 AND upper(valid) = '2020-06-01';
UPDATE dated SET valid = NULL WHERE parent = 1;
-- two ways up, one for each half of the year
INSERT INTO dated VALUES (10, 11, '[2020-01-01,2020-07-01)'), (11, 13, '[2020-01-01,2020-07-01)'),
	(10, 12, '[2020-07-01,2021-01-01)'), (12, 13, '[2020-07-01,2021-01-01)');
INSERT INTO dated VALUES (13, 10, '[2019-01-01,2020-01-01)');
INSERT INTO dated VALUES (13, 10, '[2020-12-31,2022-01-01)');
INSERT INTO dated VALUES (13, 10, '[2020-01-01,2020-01-02)');
-- each of the two ways breaks off on some day
DELETE FROM dated WHERE parent = 11;
INSERT INTO dated VALUES (11, 13, '[2020-07-01,2021-01-01)');
INSERT INTO dated VALUES (13, 10, '[2020-01-01,2020-07-01)');
SELECT * FROM hierarchy.verify('dated');
DROP TABLE dated;

-- Keys of every type in the message
CREATE TABLE words (parent text, child text);
CREATE INDEX words_graph ON words USING hgraph (parent, child);
INSERT INTO words VALUES ('north', 'a "b"'), ('a "b"', ''), ('', 'north');
INSERT INTO words VALUES (repeat('x', 500), 'y'), ('y', repeat('x', 500));
DROP TABLE words;
CREATE TABLE uuids (parent uuid, child uuid);
CREATE INDEX uuids_graph ON uuids USING hgraph (parent, child);
INSERT INTO uuids VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002'),
	('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001');
DROP TABLE uuids;

-- A long cycle gets a short message.
CREATE TABLE long (parent int, child int);
CREATE INDEX long_graph ON long USING hgraph (parent, child);
INSERT INTO long SELECT i, i + 1 FROM generate_series(1, 6) i;
INSERT INTO long VALUES (7, 1);
INSERT INTO long SELECT i, i + 1 FROM generate_series(7, 99) i;
INSERT INTO long VALUES (100, 1);
DROP TABLE long;

-- The keys of other rows are told only to those who may read them, and rows
-- that a policy hides count as well.
CREATE ROLE cycle_writer;
GRANT INSERT, UPDATE ON staff TO cycle_writer;
SET ROLE cycle_writer;
INSERT INTO staff VALUES (1000, 1000);
INSERT INTO staff VALUES (1001, 1002), (1002, 1001);
RESET ROLE;
GRANT SELECT ON staff TO cycle_writer;
SET ROLE cycle_writer;
UPDATE staff SET boss = 4 WHERE id = 1;
RESET ROLE;
ALTER TABLE staff ENABLE ROW LEVEL SECURITY;
CREATE POLICY some_rows ON staff TO cycle_writer USING (id = 1) WITH CHECK (true);
SET ROLE cycle_writer;
SELECT id FROM staff;
UPDATE staff SET boss = 4 WHERE id = 1;
RESET ROLE;
DROP TABLE staff;
DROP FUNCTION boss_four();
DROP ROLE cycle_writer;
