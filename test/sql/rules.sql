-- What relationships must keep, by whatever statement they are written
SET search_path = hierarchy, public;
SET client_min_messages = warning;
SET datestyle = iso;
\set VERBOSITY terse
\set SHOW_CONTEXT never

SELECT create_hierarchy('rules plain') AS plain \gset
SELECT create_hierarchy('rules split', share_mode => 'split', max_parents => 3, require_primary => true,
	type_rules => '[{"child": "rules person", "parent": "rules firm"}, {"child": "rules firm", "parent": "rules firm", "max_parents": 1},
		{"child": "rules firm", "parent": "rules group"}]',
	relationship_types => '{rules owns, rules works}', validity => '[2000-01-01,)') AS split \gset
SELECT create_hierarchy('rules full', share_mode => 'full') AS full \gset
SELECT format('relationship_%s', :split) AS part \gset
INSERT INTO relationship_type VALUES ('rules other');
INSERT INTO entity_type VALUES ('rules many');
INSERT INTO entity (entity_id, entity_type, code, name) VALUES
	(870001, 'rules firm', 'F-1', 'one'), (870002, 'rules firm', 'F-2', 'two'), (870003, 'rules firm', 'F-3', 'three'),
	(870004, 'rules firm', 'F-4', 'four'), (870005, 'rules group', 'G-5', 'five'), (870006, 'rules group', 'G-6', 'six'),
	(870011, 'rules person', 'P-11', 'eleven'), (870012, 'rules person', 'P-12', 'twelve');
INSERT INTO entity (entity_id, entity_type, code, name, status, merged_into) VALUES
	(870021, 'rules firm', 'F-21', 'closed', 'inactive', NULL), (870022, 'rules firm', 'F-22', 'merged', 'merged', 870001);

-- The error of a statement: SQLSTATE, constraint, table, message, detail, hint
CREATE FUNCTION public.fails(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	c text; t text; m text; d text; h text;
BEGIN
	BEGIN
		EXECUTE statement;
		SET CONSTRAINTS ALL IMMEDIATE;
		RETURN NEXT 'no error';
		RAISE EXCEPTION USING ERRCODE = 'ZZ999';
	EXCEPTION
		WHEN SQLSTATE 'ZZ999' THEN
			NULL;
		WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS c = CONSTRAINT_NAME, t = TABLE_NAME, m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
			RETURN NEXT concat(SQLSTATE, ' ', c, ' on ', regexp_replace(t, '[0-9]+', 'N'));
			RETURN NEXT m;
			RETURN NEXT '  ' || d;
			RETURN NEXT '  ' || h;
	END;
	SET CONSTRAINTS ALL DEFERRED;
END
$$;
-- Relationships of "rules split": parent, child, share, primary, rest
CREATE FUNCTION public.row_of(h int, parent int, child int, share numeric DEFAULT 1, is_primary boolean DEFAULT true,
	valid daterange DEFAULT '[2000-01-01,)', relationship_type text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$ SELECT format('INSERT INTO relationship (hierarchy_id, parent_id, child_id, share, is_primary, valid, relationship_type)
	VALUES (%s, %s, %s, %L, %L, %L, %L)', h, 870000 + parent, 870000 + child, share, is_primary, valid, relationship_type) $$;

CREATE FUNCTION public.put(h int, parent int, child int, share numeric DEFAULT 1, is_primary boolean DEFAULT true,
	valid daterange DEFAULT '[2000-01-01,)', relationship_type text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN EXECUTE row_of(h, parent, child, share, is_primary, valid, relationship_type); END $$;

-- One row by itself
SELECT fails(row_of(:split, 99, 11));
SELECT fails(row_of(:split, 1, 99));
SELECT fails(row_of(:split, 21, 11));
SELECT fails(row_of(:split, 22, 11, valid => '[2020-01-01,2999-01-01)'));
SELECT fails(row_of(:split, 21, 11, valid => '[2020-01-01,2021-01-01)'));
SELECT fails(row_of(:split, 5, 11));
SELECT fails(row_of(:split, 11, 12));
SELECT fails(row_of(:split, 1, 11, relationship_type => 'rules works'));
SELECT fails(row_of(:split, 1, 11, relationship_type => 'rules other'));
SELECT fails(row_of(:split, 1, 11, relationship_type => 'rules none'));
SELECT fails(row_of(:split, 1, 11, valid => '[1999-12-31,2010-01-01)'));
SELECT fails(row_of(:plain, 1, 11, share => 0.25));
SELECT fails(row_of(:plain, 5, 11, share => NULL, valid => '(,)', relationship_type => 'rules other'));
SELECT fails(row_of(:full, 5, 11, share => 0.123456789012345));
SELECT fails('INSERT INTO relationship (hierarchy_id, parent_id, child_id) VALUES (0, 1, 2)');

-- The days of a child
BEGIN;
SELECT put(:plain, 1, 11, NULL, valid => '[2001-01-01,2002-01-01)') \g /dev/null
SELECT fails(row_of(:plain, 1, 11, NULL, false, '[2001-12-31,)'));
SELECT fails(row_of(:plain, 1, 11, NULL, false, '(,2001-01-02)'));
SELECT fails(row_of(:plain, 1, 11, NULL, true, '[2002-01-01,)'));
SELECT fails(row_of(:plain, 2, 11, NULL, true, '[2001-12-31,)'));
SELECT fails(row_of(:plain, 2, 11, NULL, true, '(,2001-01-01)'));
UPDATE relationship SET is_primary = false WHERE hierarchy_id = :plain;
SELECT fails(row_of(:plain, 2, 11, NULL, true, '[2001-12-31,)'));
ROLLBACK;
SELECT fails(string_agg(row_of(:split, i, 11, 0.25, i = 1, daterange('2000-01-01', '2010-01-01') * daterange('2000-01-01'::date + i, NULL)), ';'))
	FROM generate_series(1, 4) i;
SELECT fails(row_of(:split, 1, 2, 0.5) || ';' || row_of(:split, 5, 2, 0.5, false));
SELECT fails(row_of(:split, 1, 2, 0.5) || ';' || row_of(:split, 3, 2, 0.5, false));

-- What may wait
SELECT fails(row_of(:split, 1, 11, 0.7) || ';' || row_of(:split, 2, 11, 0.5, false, '[2026-01-01,)'));
SELECT fails(row_of(:split, 1, 11, 0.7) || ';' || row_of(:split, 2, 11, 0.3, false, '[2026-01-01,2026-01-02)'));
SELECT fails(row_of(:split, 1, 11, NULL));
SELECT fails(row_of(:split, 1, 11, 0.7) || ';' || row_of(:split, 2, 11, NULL, false));
SELECT fails(row_of(:split, 1, 11, 0.999999) || ';' || row_of(:split, 2, 11, 0.000002, false));
SELECT fails(row_of(:split, 1, 11, 0.333333) || ';' || row_of(:split, 2, 11, 0.333333, false) || ';' || row_of(:split, 3, 11, 0.333333, false));
SELECT fails(row_of(:split, 1, 11, 1, false));
SELECT fails(row_of(:split, 1, 11, 1, true, '[2001-01-01,2002-01-01)') || ';' || row_of(:split, 2, 11, 1, false, '[2002-01-01,)'));
-- A wrong state on the way, savepoints, and which rule is asked for
BEGIN;
SELECT put(:split, 1, 11, 0.5) \g /dev/null
SAVEPOINT a;
DELETE FROM relationship WHERE hierarchy_id = :split;
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK TO a;
SET CONSTRAINTS relationship_require_primary_check IMMEDIATE;
SAVEPOINT b;
SET CONSTRAINTS relationship_share_sum_check IMMEDIATE;
ROLLBACK TO b;
SELECT put(:split, 2, 11, 0.5, false) \g /dev/null
SET CONSTRAINTS ALL IMMEDIATE;
-- now at the end of each statement, however many rows it has
SAVEPOINT c;
UPDATE relationship SET share = 0.6 WHERE parent_id = 870001 AND child_id = 870011;
ROLLBACK TO c;
UPDATE relationship SET share = CASE parent_id WHEN 870001 THEN 0.4 ELSE 0.6 END WHERE hierarchy_id = :split;
SAVEPOINT d;
MERGE INTO relationship r USING (VALUES (870002, 0.1), (870003, 0.1)) v (parent_id, share)
	ON r.hierarchy_id = :split AND r.parent_id = v.parent_id AND r.child_id = 870011
	WHEN MATCHED THEN UPDATE SET share = v.share
	WHEN NOT MATCHED THEN INSERT (hierarchy_id, parent_id, child_id, share, valid) VALUES (:split, v.parent_id, 870011, v.share, '[2000-01-01,)');
ROLLBACK TO d;
SET CONSTRAINTS ALL DEFERRED;
UPDATE relationship SET share = 0.6 WHERE parent_id = 870001 AND child_id = 870011;
COMMIT;
-- in a subtransaction that was rolled back
BEGIN;
SELECT put(:split, 1, 11) \g /dev/null
SAVEPOINT a;
UPDATE relationship SET share = 0.1 WHERE hierarchy_id = :split;
SAVEPOINT b;
UPDATE relationship SET share = 0.2 WHERE hierarchy_id = :split;
RELEASE b;
ROLLBACK TO a;
COMMIT;
-- and one that was not
BEGIN;
SAVEPOINT a;
UPDATE relationship SET share = 0.1 WHERE hierarchy_id = :split;
RELEASE a;
COMMIT;
SELECT parent_id, child_id, share FROM relationship WHERE hierarchy_id = :split;

-- Every way to write
BEGIN;
SET LOCAL session_replication_role = replica;
SELECT fails(row_of(:split, 21, 11));
SELECT fails(format('DELETE FROM relationship_%s', :split));
ROLLBACK;
ALTER TABLE :part ALTER hierarchy_id SET DEFAULT :split;
COPY :part (parent_id, child_id, valid, share) FROM stdin;
870002	870011	[2000-01-01,)	\N
\.
INSERT INTO :part (hierarchy_id, parent_id, child_id, valid, share) VALUES (:split, 870001, 870011, '[2000-01-01,)', 0.5)
	ON CONFLICT (child_id, parent_id, valid) DO UPDATE SET share = excluded.share;
UPDATE relationship SET child_id = 870099 WHERE hierarchy_id = :split;
-- moving to a hierarchy with other rules
UPDATE relationship SET hierarchy_id = :plain WHERE hierarchy_id = :split;
UPDATE relationship SET hierarchy_id = :plain, share = NULL WHERE hierarchy_id = :split;
UPDATE relationship SET hierarchy_id = :split WHERE hierarchy_id = :plain;
UPDATE relationship SET hierarchy_id = :split, share = 1 WHERE hierarchy_id = :plain;
SELECT hierarchy_id = :split AS split, parent_id, child_id, share FROM relationship WHERE hierarchy_id IN (:plain, :split);

-- Entities
SELECT fails('UPDATE entity SET status = ''inactive'' WHERE entity_id = 870001');
SELECT fails('UPDATE entity SET status = ''merged'', merged_into = 870002 WHERE entity_id = 870011');
SELECT fails('DELETE FROM entity WHERE entity_id = 870001');
SELECT fails('DELETE FROM entity WHERE entity_id = 870011');
SELECT fails('UPDATE entity SET entity_id = 870111 WHERE entity_id = 870011');
SELECT fails('UPDATE entity SET entity_type = ''rules group'' WHERE entity_id = 870001');
SELECT fails('UPDATE entity SET entity_type = ''rules group'' WHERE entity_id = 870002');
SELECT fails('DELETE FROM entity WHERE entity_id = 870012');
SELECT fails('UPDATE entity SET status = ''merged'', merged_into = 870098 WHERE entity_id = 870012');
SELECT fails('DELETE FROM entity WHERE entity_id IN (870012, 870021)');
SELECT fails(format('DELETE FROM relationship WHERE hierarchy_id = %s; DELETE FROM entity WHERE entity_id = 870011', :split));
SELECT fails('UPDATE entity SET status = ''inactive'' WHERE entity_id = 870012');
SELECT fails('TRUNCATE entity, identifier');
SELECT fails('TRUNCATE entity, identifier, relationship');
-- more parents of a kind than its rule allows, after the kind has changed
SELECT fails(row_of(:split, 1, 2, 0.5) || ';' || row_of(:split, 5, 2, 0.5, false)
	|| '; UPDATE entity SET entity_type = ''rules firm'' WHERE entity_id = 870005');
-- a relationship that is over does not mind
BEGIN;
UPDATE relationship SET valid = '[2000-01-01,2001-01-01)' WHERE hierarchy_id = :split;
UPDATE entity SET status = 'inactive' WHERE entity_id IN (870001, 870011);
SELECT fails('DELETE FROM entity WHERE entity_id = 870011');
SELECT fails('DELETE FROM entity WHERE entity_id IN (870001, 870022)');
SELECT * FROM check_hierarchy('rules split');
ROLLBACK;
-- a new name for a type
UPDATE entity_type SET entity_type = 'rules company' WHERE entity_type = 'rules firm';
SELECT child_type, parent_type FROM relationship_rule WHERE hierarchy_id = :split ORDER BY 1, 2;
SELECT count(*) FROM check_hierarchy('rules split');

-- Settings
SELECT fails('UPDATE hierarchy SET validity = ''[2001-01-01,)'' WHERE name = ''rules split''');
SELECT fails('UPDATE hierarchy SET share_mode = ''none'' WHERE name = ''rules split''');
SELECT fails('UPDATE hierarchy SET share_mode = ''full'', max_parents = 1, description = ''x'' WHERE name = ''rules split''');
SELECT fails('UPDATE hierarchy SET name = ''rules else'' WHERE name = ''rules split''');
SELECT regexp_replace(fails('UPDATE hierarchy SET hierarchy_id = 99999 WHERE name = ''rules full'''), '[0-9]+', 'N', 'g');
SELECT fails('DELETE FROM relationship_rule WHERE child_type = ''rules person''');
SELECT fails('DELETE FROM relationship_rule');
SELECT regexp_replace(fails('DELETE FROM hierarchy WHERE name = ''rules split'''), '[0-9]+', 'N', 'g');
SELECT regexp_replace(fails('TRUNCATE hierarchy, relationship_rule'), '[0-9]+', 'N', 'g');
BEGIN;
SELECT put(:plain, 1, 11, NULL, false, '(,)') \g /dev/null
SELECT put(:plain, 2, 11, NULL, false, '(,)') \g /dev/null
SELECT fails('UPDATE hierarchy SET max_parents = 1 WHERE name = ''rules plain''');
SELECT fails('UPDATE hierarchy SET require_primary = true WHERE name = ''rules plain''');
SELECT fails('UPDATE hierarchy SET relationship_types = ''{}'' WHERE name = ''rules plain''');
-- shares can come after the mode
UPDATE hierarchy SET share_mode = 'split' WHERE name = 'rules plain';
SELECT * FROM check_hierarchy('rules plain');
UPDATE relationship SET share = 0.5 WHERE hierarchy_id = :plain;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT fails(format('INSERT INTO relationship_rule VALUES (%s, ''rules person'', ''rules group'')', :plain));
UPDATE relationship SET relationship_type = 'rules other' WHERE hierarchy_id = :plain;
SELECT fails('DELETE FROM relationship_type WHERE relationship_type = ''rules other''');
SELECT fails('UPDATE relationship_type SET relationship_type = ''rules another'' WHERE relationship_type = ''rules other''');
SELECT fails('UPDATE relationship_type SET description = ''x'' WHERE relationship_type = ''rules other''');
SELECT fails('TRUNCATE relationship_type');
ROLLBACK;

-- nothing but the settings changes: seen when the transaction commits
SELECT put(:full, 1, 11, NULL, false) \g /dev/null
UPDATE hierarchy SET share_mode = 'split' WHERE name = 'rules full';
UPDATE hierarchy SET require_primary = true WHERE name = 'rules full';
BEGIN;
UPDATE hierarchy SET require_primary = true WHERE name = 'rules full';
SET CONSTRAINTS relationship_require_primary_check IMMEDIATE;
ROLLBACK;
SELECT share_mode, require_primary FROM hierarchy WHERE name = 'rules full';

-- The column graph follows the index of the partition, and nothing else
SELECT regexp_replace(fails('UPDATE hierarchy SET graph = ''"rules plain"'' WHERE name = ''rules split'''), '_[0-9]+', '_N');
SELECT regexp_replace(fails('UPDATE hierarchy SET graph = NULL WHERE name = ''rules split'''), '_[0-9]+', '_N');
UPDATE hierarchy SET graph = '"rules split"' WHERE name = 'rules split';
SELECT constraint_name, child_id, message FROM check_hierarchy('rules split') WHERE child_id IS NULL;
BEGIN;
ALTER TABLE hierarchy DISABLE TRIGGER USER;
UPDATE hierarchy SET graph = '"rules plain"' WHERE name = 'rules split';
SELECT constraint_name, child_id, message FROM check_hierarchy('rules split') WHERE child_id IS NULL;
-- back is allowed
ALTER TABLE hierarchy ENABLE ALWAYS TRIGGER rules_update;
UPDATE hierarchy SET graph = '"rules split"' WHERE name = 'rules split';
SELECT constraint_name, child_id, message FROM check_hierarchy('rules split') WHERE child_id IS NULL;
ROLLBACK;
BEGIN;
DROP INDEX "rules split";
SELECT constraint_name, child_id, message, regexp_replace(detail, '[0-9]+', 'N') AS detail FROM check_hierarchy('rules split') WHERE child_id IS NULL;
SELECT regexp_replace(fails('UPDATE hierarchy SET graph = ''"rules plain"'' WHERE name = ''rules split'''), '_[0-9]+', '_N');
UPDATE hierarchy SET description = 'has lost its graph' WHERE name = 'rules split';
UPDATE hierarchy SET graph = NULL WHERE name = 'rules split';
ROLLBACK;

-- Trigger functions called by hand
SELECT DISTINCT left(f.line, 5) AS state
FROM pg_proc p, fails('SELECT ' || p.proname || '()') WITH ORDINALITY AS f (line, n)
WHERE p.pronamespace = 'hierarchy'::regnamespace AND p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) AND f.n = 1
ORDER BY 1;

-- Identifiers
INSERT INTO identifier_scheme VALUES ('rules code', NULL, 'a|bc');
INSERT INTO identifier VALUES ('rules code', 'bc', 870001);
SELECT fails('INSERT INTO identifier VALUES (''rules code'', ''abc'', 870001)');
SELECT fails('UPDATE identifier SET value = ''b'' WHERE scheme = ''rules code''');
SELECT fails('UPDATE identifier_scheme SET pattern = ''[a-b]+'' WHERE scheme = ''rules code''');
SELECT fails('UPDATE identifier_scheme SET pattern = ''(?i)BC'' WHERE scheme = ''rules code''');
SELECT fails('UPDATE identifier_scheme SET pattern = ''('' WHERE scheme = ''rules code''');
SELECT fails('UPDATE identifier_scheme SET scheme = ''rules codes'' WHERE scheme = ''rules code''');

-- All that is wrong, once the rules did not watch
BEGIN;
ALTER TABLE :part DISABLE TRIGGER USER;
INSERT INTO :part (hierarchy_id, parent_id, child_id, share, is_primary, valid, relationship_type) VALUES
	(:split, 870001, 870012, 0.7, true, '[2001-01-01,2003-01-01)', 'rules other'), (:split, 870002, 870012, 0.5, true, '[2002-01-01,2004-01-01)', NULL),
	(:split, 870001, 870012, NULL, true, '[2002-07-01,2003-01-01)', NULL), (:split, 870098, 870012, 0, false, '[1999-01-01,)', NULL);
SELECT constraint_name, child_id, message, detail FROM check_hierarchy('rules split');
ROLLBACK;
SELECT * FROM check_hierarchy('rules nothing');

-- Who may not see everything learns nothing but his own numbers
CREATE ROLE rules_clerk;
GRANT USAGE ON SCHEMA hierarchy TO rules_clerk;
GRANT INSERT ON relationship TO rules_clerk;
SET ROLE rules_clerk;
SELECT fails(row_of(:split, 5, 11));
SELECT fails(row_of(:split, 21, 11));
SELECT fails(row_of(:split, 2, 11, 0.5, false));
SELECT fails(row_of(:split, 2, 11, 0.5));
-- of rows that he changes without reading them, not even those
RESET ROLE;
GRANT UPDATE ON relationship TO rules_clerk;
SET ROLE rules_clerk;
SELECT fails('UPDATE relationship SET parent_id = -3');
SELECT fails('UPDATE relationship SET share = 0.9');
SELECT lock_entities('{870001}', true);
SELECT lock_entities('{870001}', false);
SELECT lock_children(1, '{870001}');
SELECT * FROM check_hierarchy('rules split');
RESET ROLE;
REVOKE ALL ON relationship FROM rules_clerk;
SET ROLE rules_clerk;
SELECT lock_children(1, '{870001}');
RESET ROLE;
REVOKE USAGE ON SCHEMA hierarchy FROM rules_clerk;
DROP ROLE rules_clerk;

-- More rows than are looked up one by one, or kept in memory
SET work_mem = '64kB';
INSERT INTO entity (entity_id, entity_type, code, name) SELECT 880000 + i, 'rules many', i, 'number ' || i FROM generate_series(1, 1500) i;
INSERT INTO entity (entity_id, entity_type, code, name, status) VALUES (890000, 'rules many', 'idle', 'idle', 'inactive');
INSERT INTO relationship (hierarchy_id, parent_id, child_id, is_primary) SELECT CASE WHEN i % 10 = 0 THEN :plain ELSE :full END, 880000 + i / 10, 880000 + i, true
	FROM generate_series(10, 1500) i;
INSERT INTO relationship (hierarchy_id, parent_id, child_id, is_primary) SELECT :full, CASE i WHEN 1400 THEN 890000 ELSE 880002 END, 880000 + i, i = 1450
	FROM generate_series(200, 1500) i WHERE i > 1400 OR i % 10 <> 0;
INSERT INTO relationship (hierarchy_id, parent_id, child_id) SELECT :full, CASE i WHEN 1499 THEN 890000 ELSE 880003 END, 880000 + i
	FROM generate_series(200, 1499) i;
INSERT INTO relationship (hierarchy_id, parent_id, child_id) SELECT :full, CASE i WHEN 1400 THEN 890001 ELSE 880003 END, 880000 + i
	FROM generate_series(200, 1500) i;
UPDATE relationship SET share = 0.5 WHERE hierarchy_id = :full AND child_id > 880000;
BEGIN;
UPDATE hierarchy SET share_mode = 'split', require_primary = true WHERE name = 'rules full';
UPDATE relationship SET share = 1 WHERE hierarchy_id = :full AND child_id <> 880999;
COMMIT;
SELECT count(*) FROM check_hierarchy('rules full');
UPDATE entity SET status = 'inactive' WHERE entity_id > 880000 AND entity_id <= 880150;
UPDATE entity SET status = 'inactive' WHERE entity_id > 881400 AND entity_id <= 881500;
DELETE FROM entity WHERE entity_id BETWEEN 880151 AND 881500;
UPDATE relationship SET valid = '(,2020-01-01)' WHERE child_id > 880000;
UPDATE entity SET status = 'inactive' WHERE entity_id > 880000;
DELETE FROM relationship WHERE child_id > 880000;
DELETE FROM entity WHERE entity_id > 880000;
RESET work_mem;

-- A trigger is one only as such
SELECT relationship_rules();
CREATE TEMP TABLE other (a int);
SELECT add_rule_triggers('other');
CREATE TRIGGER rules AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION relationship_rules();
INSERT INTO other VALUES (1);
CREATE SCHEMA rules_own
	CREATE TABLE relationship (hierarchy_id int, parent_id bigint, child_id bigint, relationship_type text,
		is_primary boolean, share int, valid int);
CREATE TRIGGER rules AFTER INSERT ON rules_own.relationship REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION relationship_rules();
INSERT INTO rules_own.relationship VALUES (1, 1, 2, NULL, true, 99999, 99999);
DROP SCHEMA rules_own CASCADE;

-- Nobody restores a dump through a function of the owner
CREATE FUNCTION public.put_late(integer) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS
	'INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id) VALUES ($1, 898989, 898990)';
SET check_function_bodies = off;
SET row_security = off;
SELECT public.put_late(:plain);
RESET check_function_bodies;
RESET row_security;
DROP FUNCTION public.put_late;

DROP FUNCTION public.fails, public.row_of, public.put;
DELETE FROM identifier WHERE scheme = 'rules code';
DELETE FROM identifier_scheme WHERE scheme = 'rules code';
SELECT drop_hierarchy('rules plain', true), drop_hierarchy('rules split', true), drop_hierarchy('rules full', true);
UPDATE entity SET merged_into = NULL, status = 'inactive' WHERE entity_id = 870022;
DELETE FROM entity WHERE entity_id BETWEEN 870001 AND 870099;
DELETE FROM entity_type WHERE entity_type LIKE 'rules %';
DELETE FROM relationship_type WHERE relationship_type LIKE 'rules %';
