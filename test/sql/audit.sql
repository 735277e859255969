-- Audit: what change_log says, and that nothing gets around it

SET timezone = 'UTC';
SET application_name = 'audit test';
SELECT coalesce(max(change_id), 0) AS start FROM hierarchy.change_log \gset
CREATE FUNCTION audit_mark() RETURNS void LANGUAGE sql AS
$$ SELECT set_config('audit_test.mark', coalesce(max(change_id), 0)::text, false) FROM hierarchy.change_log $$;
-- what was logged since the mark, which it moves
CREATE FUNCTION audit_log(OUT table_name text, OUT operation text, OUT entity bigint, OUT parent bigint,
	OUT old_row jsonb, OUT new_row jsonb) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT l.table_name, l.operation, l.entity_id, l.parent_id, l.old_row, l.new_row FROM hierarchy.change_log l
		WHERE change_id > current_setting('audit_test.mark')::bigint ORDER BY change_id;
	PERFORM public.audit_mark();
END $$;
SELECT audit_mark();

-- one row for each row changed
INSERT INTO hierarchy.entity_type VALUES ('audit clinic', 'for the test of the audit'), ('audit network', NULL);
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name, attributes) VALUES
(9100001, 'audit clinic', 'C-1', 'Clinic one', '{"beds": 12.50, "tags": ["a", {"b": null}], "x": {}}'),
(9100002, 'audit clinic', 'C-2', 'Clinic "two"', '{}'),
(9100003, 'audit network', 'N-1', 'Netz für Ärzte', '{}'),
(9100004, 'audit network', 'N-2', E'a\tb\\c', '{}');
SELECT * FROM audit_log();
UPDATE hierarchy.entity SET name = 'Clinic 1' WHERE code = 'C-1';
SELECT * FROM audit_log();
INSERT INTO hierarchy.identifier (scheme, value, entity_id) VALUES ('NPI', '1234567893', 9100001);
UPDATE hierarchy.identifier SET entity_id = 9100002 WHERE value = '1234567893';
DELETE FROM hierarchy.identifier WHERE value = '1234567893';
SELECT * FROM audit_log();
-- nothing changed, nothing logged
UPDATE hierarchy.entity SET name = name, attributes = attributes || '{}' WHERE entity_id BETWEEN 9100001 AND 9100004;
UPDATE hierarchy.entity SET name = 'x' WHERE entity_id = 9199999;
DELETE FROM hierarchy.entity WHERE entity_id = 9199999;
SELECT * FROM audit_log();

-- who, when, why
BEGIN;
SET LOCAL hierarchy.reason = 'because';
SET LOCAL hierarchy.request = 'CR-17';
UPDATE hierarchy.entity SET name = 'Clinic One' WHERE code = 'C-1';
SELECT operation, txid = pg_current_xact_id() AS mine, changed_at BETWEEN now() AND clock_timestamp() AS now,
	reason, request, login_role = session_user AS login, effective_role = current_user AS effective, application,
	client_address = inet_client_addr() IS NOT FALSE AS client
FROM hierarchy.change_log WHERE change_id > current_setting('audit_test.mark')::bigint;
COMMIT;
CREATE ROLE regress_audit_editor;
CREATE ROLE regress_audit_helper;
GRANT SELECT, INSERT, UPDATE ON hierarchy.entity TO regress_audit_editor, regress_audit_helper;
GRANT SELECT ON hierarchy.entity_type TO regress_audit_editor, regress_audit_helper;
CREATE FUNCTION audit_rename(code text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = hierarchy AS
$$ UPDATE entity SET name = 'by the helper' WHERE entity.code = audit_rename.code $$;
ALTER FUNCTION audit_rename(text) OWNER TO regress_audit_helper;
SET ROLE regress_audit_editor;
UPDATE hierarchy.entity SET name = 'by the editor' WHERE code = 'C-2';
SELECT audit_rename('C-2');
RESET ROLE;
SELECT effective_role, login_role = session_user AS login, new_row -> 'name' AS name, reason
FROM hierarchy.change_log WHERE change_id > current_setting('audit_test.mark')::bigint ORDER BY change_id OFFSET 1;
SELECT audit_mark();
-- a row that its writer may not see
ALTER TABLE hierarchy.entity ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_add ON hierarchy.entity FOR INSERT TO regress_audit_editor WITH CHECK (true);
SET ROLE regress_audit_editor;
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100005, 'audit clinic', 'C-5', 'hidden');
SELECT count(*) FROM hierarchy.entity;
RESET ROLE;
DROP POLICY audit_add ON hierarchy.entity;
ALTER TABLE hierarchy.entity DISABLE ROW LEVEL SECURITY;
SELECT * FROM audit_log();

-- every way to change rows
COPY hierarchy.entity (entity_id, entity_type, code, name) FROM stdin;
9100006	audit clinic	C-6	copied
\.
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES
(9100006, 'audit clinic', 'C-6', 'again'), (9100007, 'audit clinic', 'C-7', 'new')
ON CONFLICT (entity_id) DO UPDATE SET name = excluded.name;
SELECT table_name, operation, entity, old_row -> 'name' AS old, new_row -> 'name' AS new FROM audit_log();
MERGE INTO hierarchy.entity e USING (VALUES (9100006, 'merged'), (9100007, NULL), (9100008, 'added')) s (id, name)
ON e.entity_id = s.id
WHEN MATCHED AND s.name IS NULL THEN DELETE
WHEN MATCHED THEN UPDATE SET name = s.name
WHEN NOT MATCHED THEN INSERT (entity_id, entity_type, code, name) VALUES (s.id, 'audit clinic', 'C-8', s.name);
SELECT table_name, operation, entity, old_row -> 'name' AS old, new_row -> 'name' AS new FROM audit_log()
ORDER BY operation;
WITH renamed AS (UPDATE hierarchy.entity SET name = 'in a query' WHERE entity_id = 9100006 RETURNING entity_id)
INSERT INTO hierarchy.identifier (scheme, value, entity_id) SELECT 'NPI', '1245319599', entity_id FROM renamed;
SELECT table_name, operation, entity, old_row -> 'name' AS old, new_row -> 'name' AS new FROM audit_log()
ORDER BY table_name;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM hierarchy.entity WHERE entity_id = 9100008 FOR UPDATE;
MOVE c;
UPDATE hierarchy.entity SET name = 'by cursor' WHERE CURRENT OF c;
SAVEPOINT a;
UPDATE hierarchy.entity SET name = 'never' WHERE CURRENT OF c;
ROLLBACK TO a;
COMMIT;
SELECT table_name, operation, entity, old_row -> 'name' AS old, new_row -> 'name' AS new FROM audit_log();
-- foreign keys that cascade
UPDATE hierarchy.entity_type SET entity_type = 'audit group' WHERE entity_type = 'audit network';
SELECT table_name, operation, entity, old_row -> 'entity_type' AS old, new_row -> 'entity_type' AS new FROM audit_log();
-- triggers of others
CREATE FUNCTION audit_before() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;
CREATE TRIGGER audit_before BEFORE INSERT ON hierarchy.entity FOR EACH ROW EXECUTE FUNCTION audit_before();
CREATE FUNCTION audit_after() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN UPDATE hierarchy.entity e SET name = n.name || '!' FROM new_rows n WHERE e.entity_id = n.entity_id; RETURN NULL; END $$;
CREATE TRIGGER a_audit_after AFTER INSERT ON hierarchy.entity REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION audit_after();
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100009, 'audit clinic', 'C-9', 'loud');
SELECT table_name, operation, entity, old_row -> 'name' AS old, new_row -> 'name' AS new FROM audit_log();
DROP TRIGGER a_audit_after ON hierarchy.entity;
DROP TRIGGER audit_before ON hierarchy.entity;
-- replication role: triggers of others are silent, these are not
SET session_replication_role = replica;
DELETE FROM hierarchy.entity WHERE entity_id = 9100009;
RESET session_replication_role;
SELECT table_name, operation, entity FROM audit_log();

-- relationships: of the table and of its partitions
SELECT hierarchy.create_hierarchy('audit one') AS one \gset
SELECT hierarchy.create_hierarchy('audit two') AS two \gset
SELECT table_name, operation, new_row ->> 'name' AS name, new_row ->> 'graph' AS graph FROM audit_log();
INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, share, is_primary, attributes, valid) VALUES
(:one, 9100003, 9100001, NULL, true, '{"k": 1}', '[2020-01-01,)'),
(:two, 9100003, 9100001, NULL, false, '{}', '(,)');
INSERT INTO hierarchy.relationship_:one (hierarchy_id, parent_id, child_id) VALUES (:one, 9100003, 9100002);
SELECT table_name, operation, entity, parent, old_row, new_row - 'hierarchy_id' AS new_row,
	new_row -> 'hierarchy_id' = to_jsonb(:one) AS one FROM audit_log();
-- to another partition
UPDATE hierarchy.relationship SET hierarchy_id = :two WHERE child_id = 9100002;
SELECT table_name, operation, entity, parent, old_row -> 'hierarchy_id' = to_jsonb(:one) AS one,
	new_row -> 'hierarchy_id' = to_jsonb(:two) AS two FROM audit_log();
-- where a trigger of somebody else swallows it
CREATE FUNCTION audit_swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER audit_swallow BEFORE INSERT ON hierarchy.relationship_:one
FOR EACH ROW WHEN (NEW.child_id = 9100001) EXECUTE FUNCTION audit_swallow();
UPDATE hierarchy.relationship SET hierarchy_id = :one, valid = '[2026-01-01,2027-01-01)'
WHERE hierarchy_id = :two AND child_id IN (9100001, 9100002);
SELECT table_name, operation, entity, parent, old_row IS NOT NULL AS old, new_row IS NOT NULL AS new FROM audit_log()
ORDER BY entity, old;
DROP TRIGGER audit_swallow ON hierarchy.relationship_:one;
DELETE FROM hierarchy.relationship_:one WHERE child_id = 9100002;
SELECT table_name, operation, entity, parent, old_row - 'hierarchy_id' AS old_row, new_row FROM audit_log();
INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id) VALUES (:two, 9100003, 9100002);
SELECT audit_mark();
TRUNCATE hierarchy.relationship;
SELECT table_name, operation, entity, parent, old_row -> 'hierarchy_id' = to_jsonb(:one) AS one, new_row FROM audit_log()
ORDER BY entity;
BEGIN;
INSERT INTO hierarchy.relationship_rule VALUES (:one, 'audit clinic', 'audit group', 3);
TRUNCATE hierarchy.relationship_rule;
SELECT table_name, operation, entity, parent, old_row - 'hierarchy_id' AS old_row FROM audit_log();
ROLLBACK;
SELECT audit_mark();

-- the very same row comes back, whatever its columns and the settings
CREATE TABLE audit_types (
	entity_id bigint PRIMARY KEY, a2 smallint, a4 integer, a8 bigint, n numeric, n3 numeric(20, 3), f4 real, f8 double precision,
	b boolean, t text, v varchar(5), c character(4), d date, ts timestamp, tz timestamptz, i interval, by bytea, u uuid,
	j json, jb jsonb, dr daterange, nr numrange, tr tstzrange, ia int[], ta text[], r hierarchy.relationship, x xml, o oid,
	ip inet, g hierarchy.hgraph, gone text, half bigint GENERATED ALWAYS AS (a8 / 2) STORED);
ALTER TABLE audit_types DROP COLUMN gone;
SELECT hierarchy.add_audit_triggers('audit_types');
SET datestyle = 'SQL, DMY';
SET extra_float_digits = -3;
SET intervalstyle = 'sql_standard';
SET bytea_output = escape;
INSERT INTO audit_types VALUES
(1, -32768, 2147483647, -9223372036854775808, 'NaN', 'NaN', 'NaN', '-Infinity', true, '', 'ä"\', 'a', '0044-03-15 BC',
	'infinity', '2026-03-29 01:30:00.123456+00', '-1 year 2 days 00:00:01', '\x00ff27', '00000000-0000-0000-0000-000000000001',
	'{"a": 2}', '17.0', '[0044-03-15 BC,)', '[1.50,)', '[2026-01-01 00:00+02,infinity)', '{1,NULL,3}',
	'{"a b",NULL,"NULL","{}"}', NULL, NULL, 4294967295, '::1/64', NULL, DEFAULT),
(2, 1, 1, 1, 0.00, 1.5, 0.1, 0.1, false, E'a\nb', 'abcde', 'abcd', 'infinity', '1999-12-31 24:00', '-infinity', '1 mon', '', NULL,
	'true', '"text"', 'empty', 'empty', NULL, '[0:1]={1,2}', '{}', (1, 2, 3, NULL, true, 0.5, NULL, '{"a": [1]}', '(,)', NULL), '<a/>', 1,
	'10.0.0.1', NULL, DEFAULT),
(3, NULL, NULL, NULL, 1e-20, NULL, 1e30, 1e-300, NULL, NULL, NULL, NULL, '-infinity', NULL, NULL, NULL, NULL, NULL,
	'[1, 2]', '1.10', '[2020-01-01,infinity]', '(,)', '(,)', '{{1,2},{3,4}}', '{{a},{NULL}}', NULL, NULL, NULL, NULL, NULL, DEFAULT),
(4, NULL, NULL, NULL, 'Infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	'"a"', 'true', '(,2020-01-01)', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, DEFAULT),
(5, NULL, NULL, NULL, '-Infinity', 12345678901234567.125, NULL, NULL, NULL, repeat('long ', 2000), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	NULL, (SELECT jsonb_object_agg(k, repeat('v', 50)) FROM generate_series(1, 200) k), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, DEFAULT);
-- all but what is generated
SELECT a.entity_id, (SELECT array_agg(k) FROM (SELECT jsonb_object_keys(to_jsonb(a)) EXCEPT SELECT jsonb_object_keys(l.new_row)) m (k)) AS missing,
	a *= jsonb_populate_record(NULL::audit_types, l.new_row || jsonb_build_object('half', a.half)) AS same
FROM audit_types a JOIN hierarchy.change_log l ON l.entity_id = a.entity_id AND l.table_name = 'audit_types' ORDER BY 1;
RESET datestyle;
RESET extra_float_digits;
RESET intervalstyle;
RESET bytea_output;
SELECT new_row FROM audit_log() WHERE entity <= 2;
-- more keys than jsonb has between two offsets
SELECT format('CREATE TABLE audit_wide (%s)', string_agg(format('c%s int DEFAULT %s, %s numeric DEFAULT %s.50', i, i, repeat('n', i), i), ', '))
FROM generate_series(1, 40) i \gexec
SELECT hierarchy.add_audit_triggers('audit_wide');
INSERT INTO audit_wide DEFAULT VALUES;
INSERT INTO audit_wide (c1, c5, n, nnn) VALUES (NULL, NULL, NULL, NULL);
SELECT l.new_row = to_jsonb(w.*) AS same, l.new_row::text = to_jsonb(w.*)::text AS same_text,
	pg_column_size(l.new_row || '{}') = pg_column_size(to_jsonb(w.*) || '{}') AS same_size,
	(SELECT bool_and(l.new_row -> key IS NOT DISTINCT FROM value) FROM jsonb_each(to_jsonb(w.*))) AS found
FROM audit_log() l JOIN audit_wide w ON w.c1 IS NOT DISTINCT FROM (l.new_row ->> 'c1')::int;
-- none at all
CREATE TABLE audit_narrow ();
SELECT hierarchy.add_audit_triggers('audit_narrow');
INSERT INTO audit_narrow DEFAULT VALUES;
SELECT table_name, operation, old_row, new_row FROM audit_log();

-- the log stays as it is, for superusers too
SELECT format('hierarchy.change_log_%s', to_char(now(), 'YYYY_MM')) AS month \gset
UPDATE hierarchy.change_log SET reason = 'forged';
DELETE FROM hierarchy.change_log WHERE false;
TRUNCATE hierarchy.change_log;
\set VERBOSITY terse
DELETE FROM :month;
TRUNCATE :month;
SET session_replication_role = replica;
UPDATE :month SET reason = 'forged';
TRUNCATE hierarchy.change_log;
RESET session_replication_role;
INSERT INTO :month SELECT * FROM hierarchy.change_log LIMIT 1
ON CONFLICT (change_id) DO UPDATE SET reason = 'forged';
MERGE INTO :month l USING (VALUES (1)) v (x) ON true WHEN MATCHED THEN DELETE;
CREATE VIEW audit_view AS SELECT * FROM hierarchy.change_log;
DELETE FROM audit_view;
DROP VIEW audit_view;
BEGIN;
CREATE TABLE audit_above (LIKE hierarchy.change_log) PARTITION BY RANGE (changed_at);
ALTER TABLE audit_above ATTACH PARTITION hierarchy.change_log FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
DELETE FROM audit_above;
ROLLBACK;
TRUNCATE hierarchy.entity, hierarchy.change_log CASCADE;
\set VERBOSITY default

-- months that are not there are made, if the session is not reading the log
CREATE PROCEDURE audit_no_months() LANGUAGE plpgsql AS $$
DECLARE
	month regclass;
BEGIN
	FOR month IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'hierarchy.change_log'::regclass LOOP
		EXECUTE format('ALTER TABLE hierarchy.change_log DETACH PARTITION %s', month);
	END LOOP;
END $$;
CREATE VIEW audit_months AS
SELECT replace(replace(inhrelid::regclass::text, to_char(now(), 'YYYY_MM'), 'this month'),
		to_char(now() + interval '1 month', 'YYYY_MM'), 'next month') AS month,
	pg_get_expr(relpartbound, c.oid) = format('FOR VALUES FROM (%L) TO (%L)', date_trunc('month', now()), date_trunc('month', now()) + interval '1 month') AS this,
	(SELECT count(*) FROM pg_index x WHERE x.indrelid = c.oid) AS indexes,
	(SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled = 'A') AS triggers,
	c.relowner = (SELECT relowner FROM pg_class WHERE oid = inhparent) AS owner,
	(SELECT bool_and(attinhcount = 1 AND NOT attislocal) FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0) AND
	(SELECT bool_and(coninhcount = (contype IN ('c', 'n'))::int AND conislocal = (contype = 'p')) FROM pg_constraint k WHERE k.conrelid = c.oid) AS inherited
FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'hierarchy.change_log'::regclass;
SELECT count(*) >= 4 AS ahead, bool_and(indexes = 5 AND triggers = 2 AND owner AND inherited) AS complete FROM audit_months;
BEGIN;
CALL audit_no_months();
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100010, 'audit clinic', 'C-10', 'a');
SELECT * FROM audit_months ORDER BY month;
SELECT tableoid::regclass::text LIKE '%\_2' AS second, table_name, operation FROM hierarchy.change_log;
ROLLBACK;
BEGIN;
CALL audit_no_months();
CREATE TABLE audit_past PARTITION OF hierarchy.change_log FOR VALUES FROM ('2000-01-01') TO ('2000-02-01');
CREATE TABLE audit_more PARTITION OF hierarchy.change_log FOR VALUES FROM ('2000-02-01') TO ('2000-03-01');
DECLARE c CURSOR FOR SELECT table_name FROM hierarchy.change_log WHERE changed_at < now();
FETCH c;
SAVEPOINT reading;
\set VERBOSITY terse
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100010, 'audit clinic', 'C-10', 'a');
\set VERBOSITY default
ROLLBACK TO reading;
FETCH c;
CLOSE c;
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100011, 'audit clinic', 'C-11', 'b');
SELECT * FROM audit_months ORDER BY month;
ROLLBACK;
BEGIN;
CALL audit_no_months();
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name)
SELECT 9100010 + i, 'audit clinic', 'C-1' || i, 'a' FROM generate_series(0, 1) i LEFT JOIN hierarchy.change_log ON change_id = i;
SELECT count(*) FROM hierarchy.change_log;
SELECT hierarchy.prepare_change_log(2);
SELECT count(*) FROM audit_months;
SELECT hierarchy.prepare_change_log(2);
SELECT count(*) FROM audit_months;
ROLLBACK;
-- each takes locks
SELECT hierarchy.prepare_change_log(100000);
SELECT hierarchy.prepare_change_log(-1);
SELECT hierarchy.prepare_change_log(NULL);
-- somebody's own partitions will do
BEGIN;
CALL audit_no_months();
CREATE TABLE audit_years PARTITION OF hierarchy.change_log FOR VALUES FROM ('2020-01-01') TO ('2200-01-01');
ALTER TABLE hierarchy.change_log ADD COLUMN extra int DEFAULT 7;
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100010, 'audit clinic', 'C-10', 'a');
SELECT tableoid::regclass, table_name, extra FROM hierarchy.change_log;
ROLLBACK;
BEGIN;
CALL audit_no_months();
CREATE TABLE audit_rest PARTITION OF hierarchy.change_log DEFAULT;
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100010, 'audit clinic', 'C-10', 'a');
SELECT tableoid::regclass, table_name FROM hierarchy.change_log;
ROLLBACK;

-- numbers of changes are not the application's
BEGIN;
CREATE SEQUENCE audit_seq START 55;
SELECT nextval('audit_seq');
UPDATE hierarchy.entity SET name = name || '.' WHERE entity_id = 9100001;
SELECT lastval();
ROLLBACK;

-- names in the way
BEGIN;
CREATE TEMP TABLE change_log (LIKE hierarchy.change_log);
CREATE TEMP TABLE pg_class (oid oid);
CREATE FUNCTION pg_temp.to_char(timestamptz, text) RETURNS text LANGUAGE sql AS $$ SELECT 1 / 0 || 'x' $$;
CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 1 / 0 || 'x' $$;
SET LOCAL search_path = pg_temp, public, pg_catalog;
CALL audit_no_months();
UPDATE hierarchy.entity SET name = name || '.' WHERE entity_id = 9100001;
SELECT count(*) FROM change_log;
SELECT table_name, operation, entity_id FROM hierarchy.change_log;
ROLLBACK;

-- a trigger on a table of somebody else logs nothing
GRANT CREATE ON SCHEMA public TO regress_audit_editor;
SET ROLE regress_audit_editor;
CREATE TABLE public.entity (entity_id bigint);
SELECT hierarchy.add_audit_triggers('public.entity');
INSERT INTO public.entity VALUES (9100001);
CREATE TRIGGER forged BEFORE UPDATE ON public.entity FOR EACH ROW EXECUTE FUNCTION hierarchy.audit_changes();
INSERT INTO hierarchy.change_log (changed_at, txid, table_name, operation, login_role, effective_role)
VALUES (now(), pg_current_xact_id(), 'entity', 'DELETE', 'x', 'y');
\set VERBOSITY terse
SELECT hierarchy.prepare_change_log();
\set VERBOSITY default
RESET ROLE;
SELECT hierarchy.audit_changes();
ALTER TABLE public.entity OWNER TO CURRENT_USER;
INSERT INTO public.entity VALUES (9100001);
UPDATE public.entity SET entity_id = 1;
DROP TABLE public.entity;
CREATE TABLE audit_twice (a int);
CREATE TRIGGER no_rows AFTER INSERT ON audit_twice FOR EACH STATEMENT EXECUTE FUNCTION hierarchy.audit_changes();
INSERT INTO audit_twice VALUES (1);
DROP TABLE audit_twice;

-- a dump that is being loaded was logged when it was made
BEGIN;
SELECT audit_mark();
SELECT set_config('search_path', '', true);
SET LOCAL check_function_bodies = off;
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100021, 'audit clinic', 'C-21', 'one setting is missing');
SET LOCAL row_security = off;
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100022, 'audit clinic', 'C-22', 'restored');
COPY hierarchy.entity (entity_id, entity_type, code, name) FROM stdin;
9100023	audit clinic	C-23	restored
\.
-- not what a dump does
UPDATE hierarchy.entity SET name = 'changed' WHERE entity_id = 9100022;
DELETE FROM hierarchy.entity WHERE entity_id = 9100023;
SET LOCAL ROLE regress_audit_editor;
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name) VALUES (9100024, 'audit clinic', 'C-24', 'not the owner');
RESET ROLE;
SELECT table_name, operation, entity FROM public.audit_log();
ROLLBACK;

-- changes_since is repeatable, in order and complete
SELECT change_id - :start > 0 AS after, count(*) = (SELECT count(*) FROM hierarchy.change_log WHERE change_id > :start) AS "all"
FROM hierarchy.changes_since(:start) GROUP BY 1;
SELECT array_agg(change_id) = (SELECT array_agg(change_id ORDER BY change_id) FROM (
	SELECT change_id FROM hierarchy.change_log WHERE change_id > :start ORDER BY change_id LIMIT 3) f) AS first_three
FROM hierarchy.changes_since(:start, 3);
SELECT hierarchy.changes_horizon() >= max(change_id) AS horizon FROM hierarchy.changes_since(NULL);
SELECT count(*) FROM hierarchy.changes_since(hierarchy.changes_horizon());
-- a transaction does not see its own
SELECT audit_mark();
BEGIN;
UPDATE hierarchy.entity SET name = name || '.' WHERE entity_id = 9100001;
SELECT count(*) FROM hierarchy.changes_since(current_setting('audit_test.mark')::bigint);
SAVEPOINT a;
UPDATE hierarchy.entity SET name = name || '.' WHERE entity_id = 9100001;
ROLLBACK TO a;
SELECT count(*) FROM hierarchy.changes_since(current_setting('audit_test.mark')::bigint);
COMMIT;
SELECT table_name, operation, entity_id FROM hierarchy.changes_since(current_setting('audit_test.mark')::bigint);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM hierarchy.changes_since(0);
ROLLBACK;

-- many rows
SELECT audit_mark();
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name)
SELECT 9200000 + i, 'audit clinic', 'M-' || i, 'many' FROM generate_series(1, 1200) i;
UPDATE hierarchy.entity SET name = 'much' WHERE entity_id BETWEEN 9200001 AND 9201200 AND entity_id % 2 = 0;
DELETE FROM hierarchy.entity WHERE entity_id BETWEEN 9200001 AND 9201200;
SELECT operation, count(*), count(DISTINCT change_id), min(entity_id), max(entity_id),
	bool_and(change_id - lag = 1 OR lag IS NULL) AS without_gaps, bool_and(entity_id = coalesce(new_row, old_row) ->> 'entity_id' ||'') AS own
FROM (SELECT operation, change_id, entity_id::text, old_row, new_row, lag(change_id) OVER (ORDER BY change_id) FROM hierarchy.change_log
	WHERE change_id > current_setting('audit_test.mark')::bigint) l GROUP BY operation ORDER BY min(change_id);

-- No index leads from a parent to the relationships inserted under it.  They are
-- found all the same, whatever became of them: 52 is there still, 53 moved, 54
-- turned into 59, 55 did both, 56 went, 57 changed, moved and went, 58 was
-- truncated away.
SELECT count(*) FROM unnest(ARRAY['audit found', 'audit emptied']) n, hierarchy.create_hierarchy(n);
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name)
SELECT 9100050 + i, 'audit clinic', 'F-' || i, 'found' FROM generate_series(1, 11) i;
INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id)
SELECT h.hierarchy_id, 9100051, 9100050 + i FROM hierarchy.hierarchy h, generate_series(2, 8) i
WHERE h.name = CASE WHEN i < 8 THEN 'audit found' ELSE 'audit emptied' END ORDER BY i;
UPDATE hierarchy.relationship SET parent_id = 9100061 WHERE child_id = 9100053;
UPDATE hierarchy.relationship SET child_id = 9100059 WHERE child_id = 9100054;
UPDATE hierarchy.relationship SET parent_id = 9100061, child_id = 9100060 WHERE child_id = 9100055;
DELETE FROM hierarchy.relationship WHERE child_id = 9100056;
UPDATE hierarchy.relationship SET influence_level = 1 WHERE child_id = 9100057;
UPDATE hierarchy.relationship SET parent_id = 9100061 WHERE child_id = 9100057;
DELETE FROM hierarchy.relationship WHERE child_id = 9100057;
DO $$ BEGIN
	EXECUTE format('TRUNCATE hierarchy.relationship_%s', (hierarchy.find_hierarchy('audit emptied')).hierarchy_id);
END $$;
SELECT operation, entity_id, parent_id FROM hierarchy.entity_changes(9100051) WHERE table_name = 'relationship' ORDER BY change_id;
CREATE FUNCTION audit_missed() RETURNS bigint LANGUAGE sql AS
$$ SELECT count(*) FROM hierarchy.change_log c WHERE c.parent_id = 9100051
	AND NOT EXISTS (SELECT FROM hierarchy.entity_changes(9100051) e WHERE e.change_id = c.change_id) $$;
SELECT audit_missed();
-- also if the caller does not see the relationships: not at all, or not all of them
GRANT SELECT ON hierarchy.change_log, hierarchy.entity TO regress_audit_helper;
SET ROLE regress_audit_helper;
SELECT hierarchy.children_everywhere(9100051), audit_missed();
RESET ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO regress_audit_helper;
SET ROLE regress_audit_helper;
SELECT hierarchy.children_everywhere(9100051), audit_missed();
RESET ROLE;
DO $$ BEGIN
	EXECUTE format('ALTER TABLE hierarchy.relationship_%s ENABLE ROW LEVEL SECURITY',
		(hierarchy.find_hierarchy('audit found')).hierarchy_id);
END $$;
SET ROLE regress_audit_helper;
SELECT hierarchy.children_everywhere(9100051), audit_missed();
RESET ROLE;
-- and if there is no graph to ask
BEGIN;
DROP INDEX hierarchy."audit found";
SELECT hierarchy.children_everywhere(9100051), audit_missed();
ROLLBACK;
-- what the indexes of the log have
SET enable_seqscan = off;
SELECT operation, entity_id FROM hierarchy.change_log
WHERE parent_id = 9100051 AND (operation <> 'INSERT' OR table_name <> 'relationship') ORDER BY change_id;
SELECT operation, old_row -> 'child_id' AS child_id FROM hierarchy.change_log
WHERE old_row -> 'parent_id' = '9100051' AND operation = 'UPDATE' AND table_name = 'relationship'
	AND old_row -> 'parent_id' <> new_row -> 'parent_id' ORDER BY change_id;
RESET enable_seqscan;

-- clean up; the log stays
SELECT hierarchy.drop_hierarchy('audit found', true);
SELECT hierarchy.drop_hierarchy('audit emptied', true);
SELECT hierarchy.drop_hierarchy('audit one', true);
SELECT hierarchy.drop_hierarchy('audit two', true);
DELETE FROM hierarchy.identifier WHERE entity_id BETWEEN 9100001 AND 9100099;
DELETE FROM hierarchy.entity WHERE entity_id BETWEEN 9100001 AND 9100099;
DELETE FROM hierarchy.entity_type WHERE entity_type LIKE 'audit %';
DROP TABLE audit_types, audit_wide, audit_narrow;
DROP VIEW audit_months;
DROP PROCEDURE audit_no_months();
DROP FUNCTION audit_before(), audit_after(), audit_swallow(), audit_mark(), audit_log(), audit_rename(text), audit_missed();
DROP OWNED BY regress_audit_editor, regress_audit_helper;
DROP ROLE regress_audit_editor, regress_audit_helper;
