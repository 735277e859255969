-- Views for BI tools: what they contain, and who can make, read and drop them.
-- That a filtered bridge goes from the nodes asked for is tested in
-- closure_scan.

\set VERBOSITY terse
CREATE SCHEMA bi_views;
SET search_path = bi_views, hierarchy, public;
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';

INSERT INTO entity_type VALUES ('bi region'), ('bi clinic'), ('bi doctor');
SELECT create_hierarchy('bi', share_mode => 'split') > 0 AS made;
INSERT INTO entity (entity_id, entity_type, code, name, attributes) VALUES
	(901, 'bi region', 'N', 'North', '{"beds": 120, "opened": "1999-12-31", "rate": "12.345"}'),
	(902, 'bi region', 'S', 'South | Coast', '{"beds": "many", "opened": "2023-02-29", "rate": "1e3"}'),
	(903, 'bi clinic', 'M', 'Mercy', '{"beds": 30.0, "public": true}'),
	(904, 'bi clinic', 'G', 'Grace', '{"beds": "9223372036854775808", "public": "No"}'),
	(905, 'bi clinic', 'H', 'Hope', '{}'),
	(906, 'bi doctor', 'L', 'Dr Lee', '{"opened": "2020-02-29T10:00:00Z"}'),
	(907, 'bi doctor', 'K', 'Dr Kim', '{"rate": "99999.99"}'),
	(-8, 'bi doctor', 'J', 'Dr Jo', '{"rate": "-0.005"}'),
	(909, 'bi doctor', 'U', 'Dr Unassigned', '{}');
INSERT INTO identifier VALUES ('BI-ID', 'b', 906), ('BI-ID', 'a', 906), ('bi other', 'x', 907);
INSERT INTO relationship (hierarchy_id, child_id, parent_id, share, is_primary, valid)
SELECT h.hierarchy_id, r.* FROM hierarchy h, (VALUES (903, 901, 1, false, '(,)'::daterange), (904, 901, 1, false, '(,)'),
	(905, 902, 1, false, '(,)'), (-8, 905, 1, false, '(,)'),
	-- listed under the primary parent, and without one under the first
	(906, 903, 0.2, false, '(,)'), (906, 904, 0.5, true, '(,)'), (906, 905, 0.3, false, '(,)'),
	(907, 905, 1, false, '(,2024-01-01)'), (907, 905, 0.6, false, '[2024-01-01,)'), (907, 903, 0.4, false, '[2024-01-01,)')) r
WHERE h.name = 'bi';
BEGIN;
UPDATE relationship SET valid = '(,2023-01-01)' WHERE child_id = 907 AND upper(valid) = '2024-01-01';
INSERT INTO relationship (hierarchy_id, child_id, parent_id, share, valid)
SELECT hierarchy_id, 907, 904, 1, '[2023-01-01,2024-01-01)' FROM hierarchy WHERE name = 'bi';
COMMIT;

SELECT * FROM create_bi_views('bi', 'bi_views',
	attributes => '{beds,"opened date",public boolean,"rate numeric(6,2)"}', identifiers => '{BI-ID}');

SELECT node, code, name, entity_type, parent, parent_code, parent_name, level FROM bi_tree ORDER BY sort_key;
SELECT node, path, sort_key, is_leaf, children, parents FROM bi_tree ORDER BY sort_key;
SELECT * FROM bi_bridge ORDER BY ancestor, depth, descendant;
SELECT * FROM bi_levels ORDER BY node;
SELECT node, level, level1_code, level2_code, level3_id, level3_code, level3_name, is_cut FROM bi_levels_filled ORDER BY node;
SELECT * FROM bi_entity WHERE entity_type LIKE 'bi %' ORDER BY node;
SELECT operation, child_code, parent_code, relationship_type, share, valid_from, valid_to, is_primary, former_parent, former_share,
	former_valid_from, former_valid_to, former_is_primary, changed_on = current_date AS today, login_role = session_user AS mine
FROM bi_changes WHERE child = 907 ORDER BY change_id;
SELECT * FROM bi_summary ORDER BY level;
-- whoever has left and is inactive is counted, in a row without level: not Dr Unassigned, who never stood in it, nor somebody who moved
BEGIN;
UPDATE relationship SET valid = daterange(lower(valid), '2024-01-02') WHERE child_id = -8;
UPDATE entity SET status = 'inactive' WHERE entity_id IN (-8, 909);
SELECT level, entities, without_parent, inactive, changed_30_days FROM bi_summary ORDER BY level;
-- one that stood above others only
INSERT INTO entity (entity_id, entity_type, code, name) VALUES (910, 'bi region', 'W', 'West');
INSERT INTO relationship (hierarchy_id, child_id, parent_id, share, valid)
SELECT hierarchy_id, -8, 910, 1, '[2024-01-02,2024-01-03)' FROM hierarchy WHERE name = 'bi';
UPDATE entity SET status = 'inactive' WHERE entity_id = 910;
SELECT level, entities, inactive FROM bi_summary ORDER BY level;
SELECT sum(entities) = (SELECT nodes FROM graph_stats('bi')) AS all FROM bi_summary;
ROLLBACK;

-- one row for every node, whatever is asked of it
SELECT count(*) = count(DISTINCT node) AS once, count(*) = (SELECT nodes FROM graph_stats('bi')) AS all FROM bi_tree;
SELECT path FROM bi_tree WHERE node = 906;
SELECT code FROM bi_tree WHERE parent = 901 ORDER BY 1;
SELECT code FROM bi_tree WHERE parent IS NULL ORDER BY 1;
SELECT level1_name, level2_name FROM bi_levels WHERE node = 906;
SELECT count(*) FROM bi_bridge WHERE ancestor = 902;

-- Totals over the bridge: Kimball's joins
CREATE TABLE visit (doctor bigint, fee numeric);
INSERT INTO visit VALUES (906, 100), (906, 10), (907, 1000), (-8, 1), (909, 5);
SELECT t.code, sum(v.fee) AS total, sum(v.fee * b.share)::numeric(12,2) AS by_share
FROM bi_tree t JOIN bi_bridge b ON b.ancestor = t.node JOIN visit v ON v.doctor = b.descendant
GROUP BY t.code ORDER BY 1;
SELECT sum(v.fee * b.share)::numeric(12,2) AS grand_total FROM bi_bridge b JOIN visit v ON v.doctor = b.descendant WHERE b.is_top;
-- without shares a node still is all of itself: a sum by share is that of its own facts
SELECT create_hierarchy('bi plain') > 0 AS made;
SELECT assign('bi plain', 906, 903) \g /dev/null
SELECT count(*) FROM create_bi_views('bi plain', 'bi_views');
SELECT ancestor, descendant, share FROM "bi plain_bridge" ORDER BY 1, 2;
SELECT sum(v.fee * b.share) AS by_share FROM "bi plain_bridge" b JOIN visit v ON v.doctor = b.descendant;
SELECT count(*) FROM drop_bi_views('bi plain', 'bi_views');
SELECT drop_hierarchy('bi plain', force => true);

-- Standard types only, a comment on everything, rights of the reader
SELECT DISTINCT format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'bi_views'::regnamespace AND c.relkind = 'v' AND a.attnum > 0 ORDER BY 1;
SELECT c.relname, c.reloptions, regexp_replace(obj_description(c.oid, 'pg_class'), '[0-9]+\)$', 'N)') AS comment,
	(SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL) AS columns_without
FROM pg_class c WHERE c.relnamespace = 'bi_views'::regnamespace AND c.relkind = 'v' ORDER BY 1;
SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a
WHERE a.attrelid IN ('bi_entity'::regclass, 'bi_levels_filled'::regclass) AND a.attnum > 0 ORDER BY a.attrelid, a.attnum;

-- Deeper than when the views were made: nothing is missing, and the view says so
INSERT INTO entity (entity_id, entity_type, code, name) VALUES (910, 'bi doctor', 'D1', 'Deep'), (911, 'bi doctor', 'D2', 'Deeper');
SELECT assign('bi', 910, 906), assign('bi', 911, 910) \g /dev/null
SELECT node, level, level3_code, is_cut FROM bi_levels WHERE node >= 906 ORDER BY node;
SELECT path FROM bi_tree WHERE node = 911;

-- Renamed hierarchies, and views of another one
SELECT rename_hierarchy('bi', 'bi2');
SELECT count(*) FROM bi_tree;
SELECT create_hierarchy('bi') > 0 AS made;
SELECT count(*) FROM drop_bi_views('bi', 'bi_views');
SELECT * FROM drop_bi_views('bi2', 'bi_views');
SELECT * FROM drop_bi_views('bi2', 'bi_views');
SELECT * FROM create_bi_views('bi2', 'bi_views', levels => 1) WITH ORDINALITY o (name, n) ORDER BY n LIMIT 3;
SELECT * FROM bi2_levels WHERE node >= 906 ORDER BY node;
-- an empty hierarchy has views too
SELECT count(*) FROM create_bi_views('bi', 'bi_views');
SELECT count(*) FROM bi_tree;
SELECT count(*) FROM bi_levels;
SELECT count(*) FROM bi_summary;
SELECT drop_hierarchy('bi');
-- what is left of it is empty
SELECT count(*) FROM bi_bridge;
SELECT count(*) FROM bi_tree;
SELECT count(*) FROM drop_bi_views('bi', 'bi_views');
SELECT count(*) FROM drop_bi_views('bi', 'bi_views');

-- What cannot be
SELECT * FROM create_bi_views('bi2', 'bi_views');
SELECT * FROM create_bi_views('none');
SELECT * FROM create_bi_views(NULL);
SELECT * FROM create_bi_views('bi2', 'no such schema');
SELECT * FROM create_bi_views('bi2', levels => 0);
SELECT * FROM create_bi_views('bi2', attributes => '{beds,beds bigint}');
SELECT * FROM create_bi_views('bi2', attributes => '{name}');
SELECT * FROM create_bi_views('bi2', attributes => '{NULL}');
SELECT * FROM create_bi_views('bi2', attributes => '{"rate numeric(5,9)"}');
SELECT * FROM create_bi_views('bi2', attributes => '{rate numeric}');
INSERT INTO identifier_scheme VALUES ('bi-id', 'none yet');
SELECT * FROM create_bi_views('bi2', identifiers => '{BI-ID,bi-id}');
DELETE FROM identifier_scheme WHERE scheme = 'bi-id';
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT * FROM create_bi_views('bi2', identifiers => '{BI-ID,bi-id}');
-- a last word that is no type is a slip, not the name of an attribute
SELECT * FROM create_bi_views('bi2', attributes => '{beds,beds float}');
\set VERBOSITY terse
SELECT a, title, expression FROM unnest('{beds int,beds INT4,beds  int8,beds bool,"first seen timestamp with time zone","rate decimal(6,2)","rate numeric ( 6 , 2 )",date,"opened date text"}'::text[])
	WITH ORDINALITY u (a, n), bi_columns(ARRAY[a], NULL) ORDER BY n;
CREATE FUNCTION bi_refused(attribute text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM bi_columns(ARRAY[attribute], NULL);
	RETURN 'taken';
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS attribute = PG_EXCEPTION_DETAIL;
	RETURN attribute;
END
$$;
SELECT a, bi_refused(a) FROM unnest('{beds smallint,beds float8,beds double precision,beds DOUBLE  Precision,seen timestamp,seen timestamp without time zone,seen timestamptz(3),rate decimal,rate numeric(6),beds nosuch,beds char(3),first name,beds integer[]}'::text[]) a;
SELECT * FROM create_bi_views('bi2', attributes => ARRAY[repeat('x', 64)]);
SELECT rename_hierarchy('bi2', repeat('b', 55));
SELECT * FROM create_bi_views(repeat('b', 55));
SELECT rename_hierarchy(repeat('b', 55), 'Bi "quoted" % x');
SELECT * FROM create_bi_views('Bi "quoted" % x', attributes => ARRAY['a''b %s text', 'x"y date', 'number bigint text']);
SELECT count(*) FROM "Bi ""quoted"" % x_entity" WHERE entity_type LIKE 'bi %';
SELECT a.attname, a.atttypid::regtype FROM pg_attribute a
WHERE a.attrelid = '"Bi ""quoted"" % x_entity"'::regclass AND a.attnum > 6 ORDER BY a.attnum;
SELECT * FROM drop_bi_views('Bi "quoted" % x') o ORDER BY 1;
-- a view of somebody's own stays, and those of another hierarchy
CREATE VIEW bi_own AS SELECT 1 AS one;
SELECT * FROM drop_bi_views('Bi "quoted" % x', 'no such schema');
SELECT rename_hierarchy('Bi "quoted" % x', 'bi');
SELECT count(*) FROM drop_bi_views('bi', 'bi_views');
SELECT * FROM bi_own;

-- Values of attributes
SELECT v, as_bigint(v), as_integer(v), as_boolean(v), as_numeric(v, 5, 2)
FROM unnest('{7, -7,+7,007,7.0,7.,7.5,.5,1e2,1e-2,1e400,"",-,9223372036854775807,-9223372036854775808,9223372036854775808,2147483648,999.994,999.995,NaN,infinity,0x10,7a,yes,OFF,1,T,truth,1_000,−7}'::text[]) v;
SELECT v, as_date(v), as_timestamptz(v)
FROM unnest('{2024-02-29,2023-02-29,2024-2-9,0000-01-01,0001-01-01,9999-12-31,2024-13-01,2024-00-10,2024-01-32," 2024-01-31 ",20240131,2024-01-31T,
2024-01-31T23:59,2024-01-31 23:59:59.123456+02,2024-01-31T23:59:59Z,2024-01-31T24:00,2024-01-31T23:60,2024-01-31 10:00:60,2024-01-31 10:00+15,2024-01-31 10:00-05:30,2024-01-31 10:00 -0530,today,infinity,"","2024-01-31 x"}'::text[]) v;
SELECT as_date(NULL) IS NULL AND as_numeric(NULL, 5, 2) IS NULL AS null_stays_null;

-- Who reads: with his own rights, and what he may see
SELECT count(*) FROM create_bi_views('bi', 'bi_views');
CREATE ROLE bi_reader;
GRANT USAGE ON SCHEMA bi_views TO bi_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA bi_views TO bi_reader;
SET ROLE bi_reader;
SELECT count(*) FROM bi_tree;
\set VERBOSITY sqlstate
SELECT count(*) FROM bi_bridge WHERE ancestor = 901;
\set VERBOSITY terse
SELECT * FROM create_bi_views('bi', 'bi_views');
SELECT count(*) FROM drop_bi_views('bi', 'bi_views');
RESET ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO bi_reader;
SET ROLE bi_reader;
SELECT count(*) FROM bi_tree;
SELECT count(*) FROM bi_bridge WHERE ancestor = 901;
SELECT count(*) FROM bi_changes;
SELECT sum(entities) FROM bi_summary;
SELECT count(*) FROM drop_bi_views('bi', 'bi_views');
RESET ROLE;
-- names that a policy hides are not on paths either
CREATE POLICY bi_seen ON entity TO bi_reader USING (entity_id <> 904);
ALTER TABLE entity ENABLE ROW LEVEL SECURITY;
SET ROLE bi_reader;
SELECT node, code, name, parent_code, path FROM bi_tree WHERE node IN (904, 906) ORDER BY 1;
RESET ROLE;
SELECT node, path FROM bi_tree WHERE node IN (904, 906) ORDER BY 1;
ALTER TABLE entity DISABLE ROW LEVEL SECURITY;
DROP POLICY bi_seen ON entity;
-- names of one moment
BEGIN;
SELECT path FROM bi_tree WHERE node = 906;
UPDATE entity SET name = 'Graceland' WHERE entity_id = 904;
SELECT path FROM bi_tree WHERE node = 906;
ROLLBACK;
SELECT path FROM bi_tree WHERE node = 906;

DROP OWNED BY bi_reader;
DROP ROLE bi_reader;
SELECT count(*) FROM drop_bi_views('bi', 'bi_views');
SELECT drop_hierarchy('bi', force => true);
DELETE FROM identifier WHERE entity_id BETWEEN -8 AND 911;
DELETE FROM entity WHERE entity_type LIKE 'bi %';
DELETE FROM entity_type WHERE entity_type LIKE 'bi %';
SET client_min_messages = warning;
DROP SCHEMA bi_views CASCADE;
