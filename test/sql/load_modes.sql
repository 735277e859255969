-- Loading lists again and again: modes, several sources, identifiers, rights
-- In a database of its own: numbers of batches and entities are shown.
\set database :DBNAME
CREATE DATABASE regress_load_modes TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_load_modes
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET datestyle = iso;
SET client_min_messages = warning;
CREATE EXTENSION hierarchy;
SET search_path = hierarchy, public;

INSERT INTO entity_type (entity_type) VALUES ('account'), ('org');
SELECT create_hierarchy('sales', max_parents => 1) \g /dev/null
SELECT create_hierarchy('many', share_mode => 'full') \g /dev/null

CREATE FUNCTION stage(batch bigint, "rows" jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('TRUNCATE hierarchy.load_stage_%s', batch);
	EXECUTE (SELECT format('INSERT INTO hierarchy.load_stage_%s (_line, %s) SELECT n + 1, %s FROM jsonb_array_elements($1) WITH ORDINALITY r (v, n) ORDER BY n',
			batch, string_agg(format('%I', c), ', ' ORDER BY o), string_agg(format('v->>%s', o - 1), ', ' ORDER BY o))
		FROM load_batch b, unnest(b.columns) WITH ORDINALITY u (c, o) WHERE b.batch_id = batch)
	USING "rows";
END
$$;
CREATE VIEW parents AS
SELECT h.name AS hierarchy, c.code AS child, p.code AS parent, r.share, r.is_primary, r.valid
FROM relationship r JOIN hierarchy h USING (hierarchy_id) JOIN entity c ON c.entity_id = r.child_id JOIN entity p ON p.entity_id = r.parent_id
ORDER BY 1, c.code COLLATE "C", r.valid, p.code COLLATE "C";
CREATE VIEW entities AS
SELECT code, name, status, attributes FROM entity ORDER BY code COLLATE "C";
CREATE FUNCTION figures(OUT text) LANGUAGE sql AS $$
	SELECT concat_ws(' ', (SELECT count(*) FROM entity), (SELECT count(*) FROM relationship), (SELECT count(*) FROM change_log))
$$;

-- Full snapshots: what the source no longer lists ends, and nothing else

SELECT new_load_batch('erp', '{code,name,parent}') AS erp, new_load_batch('crm', '{code,name,parent}') AS crm \gset
\set m '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "parent.code": "parent"}'
SELECT stage(:erp, '[["T", "Top", ""], ["A", "a", "T"], ["B", "b", "T"], ["C", "c", "A"], ["D", "d", "A"]]') \g /dev/null
SELECT stage(:crm, '[["B", "b", "T"], ["E", "e", "T"]]') \g /dev/null
SELECT rows, inserted, entities_added, relationships_added FROM load(:erp, :'m', 'sales', 'full_snapshot', effective => '2024-01-01');
SELECT rows, inserted, updated, unchanged, entities_added, relationships_added FROM load(:crm, :'m', 'sales', 'full_snapshot', effective => '2024-01-01');
SELECT add_entity('org', 'H', 'by hand') \g /dev/null
SELECT assign('sales', entity_id('org', 'H'), entity_id('org', 'D')) \g /dev/null
-- B, C and D are gone; crm still lists B; D has a child by hand
SELECT stage(:erp, '[["T", "Top", ""], ["A", "a", "T"]]') \g /dev/null
SELECT rows, unchanged, relationships_ended, entities_deactivated FROM load(:erp, :'m', 'sales', 'full_snapshot', dry_run => true, effective => '2024-07-01');
SELECT figures();
SET client_min_messages = notice;
\set VERBOSITY default
SELECT rows, unchanged, relationships_ended, entities_deactivated FROM load(:erp, :'m', 'sales', 'full_snapshot', effective => '2024-07-01');
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT * FROM parents;
SELECT * FROM entities;
SELECT figures();
SELECT rows, unchanged, relationships_ended, entities_deactivated FROM load(:erp, :'m', 'sales', 'upsert', effective => '2024-07-01');
SELECT figures();
-- it comes back
SELECT stage(:erp, '[["T", "Top", ""], ["A", "a", "T"], ["C", "c", "A"]]') \g /dev/null
SELECT rows, updated, unchanged, entities_changed, relationships_added FROM load(:erp, :'m', 'sales', 'full_snapshot', effective => '2024-08-01');
SELECT * FROM parents WHERE child = 'C';
SELECT * FROM entities WHERE code = 'C';
-- a row that cannot be read ends nothing that it mentions
SELECT stage(:erp, '[["T", "Top", ""], ["A", "a", "T"]]') \g /dev/null
INSERT INTO load_stage_:erp (_line, _raw, _fault) VALUES (4, 'C,"c,A', 'wrong_width');
SELECT rows, rejected, relationships_ended, entities_deactivated FROM load(:erp, :'m', 'sales', 'full_snapshot', effective => '2024-08-01');

-- insert_only leaves alone what there is

SELECT stage(:crm, '[["A", "another name", "E"], ["F", "f", "A"]]') \g /dev/null
SELECT rows, inserted, updated, unchanged FROM load(:crm, :'m', 'sales', 'insert_only');
SELECT line, result FROM load_rows(:crm);
SELECT name FROM entity WHERE code = 'A';

-- Several parents: added, or replaced where the mapping says so

SELECT new_load_batch('owners', '{child,parent,share,prime,from,to}') AS owners \gset
\set m2 '{"entity_type": {"value": "org"}, "code": "child", "parent.type": {"value": "org"}, "parent.code": "parent", "share": {"column": "share", "percent": true}, "is_primary": {"column": "prime", "map": {"P": "yes"}}, "valid_from": {"column": "from", "format": "DD.MM.YYYY", "null": ["-"]}, "valid_to": {"column": "to", "format": "DD.MM.YYYY", "inclusive": true}}'
SELECT stage(:owners, '[["A", "T", "60", "", "01.02.2020", ""], ["A", "E", "25%", "P", "", ""], ["B", "T", "12.5", "", "-", "31.12.2030"]]') \g /dev/null
SELECT rows, inserted, updated FROM load(:owners, :'m2', 'many');
SELECT * FROM parents WHERE hierarchy = 'many';
SELECT figures();
SELECT rows, unchanged FROM load(:owners, :'m2', 'many');
SELECT figures();
SELECT stage(:owners, '[["A", "F", "15", "", "", ""], ["B", "T", "50", "", "", ""]]') \g /dev/null
SELECT rows, inserted, updated, relationships_added, relationships_changed, relationships_ended FROM load(:owners, :'m2', 'many', dry_run => true);
SELECT rows, inserted, updated, relationships_added, relationships_changed, relationships_ended
FROM load(:owners, jsonb_set(:'m2', '{parents}', '"replace"'), 'many', effective => '2025-01-01');
SELECT * FROM parents WHERE hierarchy = 'many';

-- Survivorship: the most trusted source, among equals the last one that changed its mind

SELECT new_load_batch('low', '{code,name,city,zip}') AS low, new_load_batch('high', '{code,name,city,zip}') AS high \gset
UPDATE load_source SET trust = 80 WHERE source = 'high';
\set m3 '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "attribute.city": "city", "postcode": {"column": "zip", "pad": 5}}'
SELECT stage(:low, '[["S", "name of low", "Oslo", "0123"]]'), stage(:high, '[["S", "name of high", "", ""]]') \g /dev/null
SELECT inserted, updated FROM load(:low, :'m3');
SELECT inserted, updated FROM load(:high, :'m3');
SELECT * FROM entities WHERE code = 'S';
-- low changes: its name does not show, its city does; nothing is erased by what is empty
SELECT stage(:low, '[["S", "new name of low", "Bergen", ""]]') \g /dev/null
SELECT inserted, updated, unchanged FROM load(:low, :'m3');
SELECT * FROM entities WHERE code = 'S';
SELECT field, value, source, trust, survives FROM entity_values(entity_id('org', 'S'));
-- set by hand: stays until the source says something new
UPDATE entity SET name = 'by hand' WHERE code = 'S';
SELECT unchanged FROM load(:high, :'m3');
SELECT name FROM entity WHERE code = 'S';
UPDATE load_stage_:high SET name = 'newest name of high';
SELECT updated FROM load(:high, :'m3');
SELECT name FROM entity WHERE code = 'S';

-- Identifiers: found by them, added, taken; codes of the source are remembered

SELECT new_load_batch('npi list', '{id,npi,name,boss}') AS npi \gset
\set m4 '{"entity_type": {"value": "account"}, "code": "id", "identifier.NPI": "npi", "name": "name", "parent.NPI": "boss"}'
SELECT add_entity('account', 'K1', 'Known', identifiers => '{"NPI": "1234567893"}'), add_entity('account', 'K2', 'Known, too') \g /dev/null
SELECT stage(:npi, '[["X1", "1234567893", "Known by its number", ""], ["K2", "1003000126", "Known, too", ""], ["", "1003000126", "Known, too", "1234567893"],
	["X3", "", "Third", "1003000126"], ["", "1003000134", "no such number", ""], ["X4", "1003000142", "Fourth", "1003000134"]]') \g /dev/null
SELECT rows, inserted, updated, unchanged, rejected, matched, entities_changed FROM load(:npi, :'m4', 'many');
SELECT line, result, reasons, raw FROM load_rows(:npi);
SELECT e.code, e.name, i.value FROM entity e LEFT JOIN identifier i USING (entity_id) WHERE entity_type = 'account' ORDER BY e.code;
SELECT * FROM parents WHERE child IN ('K2', 'X3');
SELECT s.record, e.code FROM entity_source s JOIN entity e USING (entity_id) WHERE s.record IS NOT NULL;
SELECT figures();
SELECT rows, unchanged, rejected, matched FROM load(:npi, :'m4', 'many');
SELECT figures();
SELECT stage(:npi, '[["X1", "", "Known by its number", ""], ["X9", "1234567893", "the number of X1", ""]]') \g /dev/null
SELECT rows, unchanged, rejected, matched FROM load(:npi, :'m4', 'many');
-- merged: the survivor
SELECT merge_entity(entity_id('account', 'X3'), entity_id('account', 'K2'));
SELECT stage(:npi, '[["X3", "", "Third", ""], ["K2", "", "Known, too", ""]]') \g /dev/null
SELECT rows, unchanged, updated, rejected FROM load(:npi, :'m4', 'many');
SELECT line, result, entity_id = entity_id('account', 'K2') AS survivor FROM load_rows(:npi);

-- Rows that fail only when they are written are found, and the others loaded

CREATE FUNCTION no_x() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.name LIKE 'x%' THEN
		RAISE EXCEPTION 'no names with x';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER no_x BEFORE INSERT OR UPDATE ON entity FOR EACH ROW EXECUTE FUNCTION no_x();
ALTER TABLE relationship_1 ADD CONSTRAINT no_j CHECK (attributes->>'j' IS NULL);
SELECT new_load_batch('fails', '{code,name,parent,j}') AS fails \gset
\set m5 '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "parent.code": "parent", "relationship.j": "j"}'
SELECT stage(:fails, '[["J1", "one", "A", ""], ["J2", "xtwo", "A", ""], ["J3", "three", "J2", ""], ["J4", "four", "J1", "j"], ["J5", "five", "J4", ""], ["J6", "six", "J1", ""]]') \g /dev/null
SELECT rows, inserted, rejected FROM load(:fails, :'m5', 'sales');
SELECT line, result, reasons FROM load_rows(:fails);
SELECT line, messages FROM load_reject WHERE batch_id = :fails ORDER BY line;
DROP TRIGGER no_x ON entity;
ALTER TABLE relationship_1 DROP CONSTRAINT no_j;

-- Odd files

SELECT new_load_batch('odd', ARRAY['a "b"', 'select', 'ü;x', ' ', 'e%s|f']);
SELECT new_load_batch('odd', ARRAY['a "b"', 'select', 'ü;x', 'e%s|f']) AS odd \gset
SELECT rows, inserted, rejected FROM load(:odd, '{"entity_type": {"value": "org"}, "code": "select"}');
SELECT stage(:odd, '[["it''s", " 001 ", "ÅÄ\u00a0", "%s"], [null, "\u00a0", "x", "|"], ["", "002", "(\"quoted\", text)\nand a new line", "\\"]]') \g /dev/null
SELECT rows, inserted, rejected FROM load(:odd, '{"entity_type": {"value": "org"}, "code": "select", "name": {"columns": ["a \"b\"", "ü;x"], "separator": " / "}, "attributes": "*"}');
SELECT * FROM entities WHERE code ~ '^00';
SELECT line, raw, reasons FROM load_reject WHERE batch_id = :odd;
SELECT load_date(d, f) FROM (VALUES ('2024-02-29', NULL), ('2023-02-29', NULL), ('2024-1-5', NULL), ('2024-01-05T10:00:00Z', NULL), ('20240105', 'YYYYMMDD'), ('1/5/24', 'MM/DD/YY'),
	('5 January 2024', 'DD Month YYYY'), ('05-Jan-2024', 'DD-MON-YYYY'), ('31.12.99', 'DD.MM.YY'), ('2024-01-05 x', NULL), ('', NULL), ('00.00.0000', 'DD.MM.YYYY')) v (d, f);
SELECT n, load_number(n), load_share(n, false), load_share(n, true) FROM unnest('{1,-1.50,+.5,1e3,1e999,.,1.2.3,NaN,0x1,"1 000",50%}'::text[]) n;
SELECT b, load_boolean(b) FROM unnest('{Y,no,TRUE,0,on,2}'::text[]) b;

-- Rights of an ordinary role

CREATE ROLE regress_loader;
CREATE ROLE regress_other;
GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO regress_loader, regress_other;
GRANT SELECT ON parents, entities TO regress_loader;
SET ROLE regress_loader;
SELECT new_load_batch('mine', '{code}');
RESET ROLE;
GRANT INSERT, UPDATE ON load_source, load_batch, entity TO regress_loader;
GRANT INSERT, UPDATE, DELETE ON load_reject, entity_source, relationship_source, identifier, relationship TO regress_loader;
REVOKE INSERT, UPDATE ON entity FROM regress_loader;
SET ROLE regress_loader;
SELECT new_load_batch('mine', '{code,name,parent}') AS mine \gset
SELECT make_load_tables(:mine, '{code,name,parent}', 'postgres');
INSERT INTO load_stage_:mine (code, name, parent) VALUES ('R1', 'mine', 'A');
SELECT load(:mine, :'m', 'sales');
RESET ROLE;
GRANT INSERT, UPDATE ON entity TO regress_loader;
SET ROLE regress_loader;
SELECT rows, inserted, rejected FROM load(:mine, :'m', 'sales');
SELECT result FROM load_rows(:mine);
RESET ROLE;
SET ROLE regress_other;
SELECT load(:mine, :'m', 'sales');
SELECT drop_load_batch(:mine);
SELECT count(*) FROM load_stage_:mine;
RESET ROLE;
SET ROLE regress_loader;
SELECT drop_load_batch(:mine);
SELECT load(:mine, :'m', 'sales');
RESET ROLE;
SELECT drop_load_batch(:odd, keep_rejects => false);
SELECT count(*) FROM load_reject WHERE batch_id = :odd;
SELECT to_regclass('load_stage_' || :odd), to_regclass('load_result_' || :odd);

-- Row-level security: what is hidden is not told

ALTER TABLE entity ENABLE ROW LEVEL SECURITY;
ALTER TABLE relationship ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON entity TO regress_loader USING (code NOT LIKE 'H%') WITH CHECK (code NOT LIKE 'Z%');
CREATE POLICY seen ON relationship TO regress_loader USING (true);
SET ROLE regress_loader;
SELECT new_load_batch('mine', '{code,name,parent}') AS mine \gset
INSERT INTO load_stage_:mine (code, name, parent) VALUES ('R2', 'good', 'A'), ('H', 'hidden', 'A'), ('R3', 'under a hidden one', 'H'), ('Z1', 'not allowed', 'A'), ('R4', 'good', 'R2');
SELECT rows, inserted, rejected FROM load(:mine, :'m', 'sales');
SELECT line, result, reasons FROM load_rows(:mine);
SELECT line, messages FROM load_reject WHERE batch_id = :mine ORDER BY line;
RESET ROLE;
DROP POLICY seen ON entity;
DROP POLICY seen ON relationship;
ALTER TABLE entity DISABLE ROW LEVEL SECURITY;
ALTER TABLE relationship DISABLE ROW LEVEL SECURITY;
DROP OWNED BY regress_loader, regress_other;
DROP ROLE regress_loader, regress_other;
-- Changes of what is there take effect on the day: before it, everything stays as it was

INSERT INTO entity_type (entity_type) VALUES ('n');
SELECT create_hierarchy('split', share_mode => 'split', require_primary => true) \g /dev/null
SELECT new_load_batch('split', '{c,p,s,x}') AS split \gset
\set m6 '{"entity_type": {"value": "n"}, "code": "c", "parent.type": {"value": "n"}, "parent.code": "p", "share": {"column": "s", "percent": true}, "is_primary": "x"}'
SELECT stage(:split, '[["P", "", "", ""], ["Q", "", "", ""], ["R", "", "", ""], ["K", "P", "60", "y"], ["K", "Q", "40", ""]]') \g /dev/null
SELECT inserted, relationships_added FROM load(:split, :'m6', 'split');
-- members and shares at once
SELECT stage(:split, '[["K", "P", "30", ""], ["K", "Q", "40", ""], ["K", "R", "30", "y"]]') \g /dev/null
SELECT updated, inserted, rejected, relationships_added, relationships_changed FROM load(:split, :'m6', 'split', effective => '2025-01-01');
SELECT * FROM parents WHERE child = 'K';
SELECT figures();
SELECT unchanged FROM load(:split, :'m6', 'split', effective => '2025-01-01');
SELECT unchanged FROM load(:split, :'m6', 'split');
SELECT figures();
SELECT stage(:split, '[["K", "P", "50", ""], ["K", "R", "50", "y"]]') \g /dev/null
SELECT rejected FROM load(:split, :'m6', 'split', effective => '2025-06-01');
SELECT updated, rejected, relationships_changed, relationships_ended FROM load(:split, jsonb_set(:'m6', '{parents}', '"replace"'), 'split', effective => '2025-06-01');
SELECT * FROM parents WHERE child = 'K' AND (upper(valid) IS NULL OR upper(valid) = '2025-06-01');
-- what began on the day is changed in place
SELECT stage(:split, '[["K", "P", "51", ""], ["K", "R", "49", "y"]]') \g /dev/null
SELECT updated, relationships_changed FROM load(:split, :'m6', 'split', effective => '2025-06-01');
SELECT * FROM parents WHERE child = 'K' AND (upper(valid) IS NULL OR upper(valid) = '2025-06-01');
-- a snapshot leaves R out; Q comes back; days of the file's own
SELECT stage(:split, '[["P", "", "", ""], ["Q", "", "", ""], ["R", "", "", ""], ["K", "P", "20", "y"], ["K", "Q", "80", ""]]') \g /dev/null
SELECT inserted, updated, unchanged, rejected, relationships_added, relationships_changed, relationships_ended FROM load(:split, :'m6', 'split', 'full_snapshot', effective => '2025-07-01');
SELECT * FROM parents WHERE child = 'K' AND upper(valid) IS NULL;
SELECT figures();
SELECT unchanged, relationships_ended FROM load(:split, :'m6', 'split', 'full_snapshot', effective => '2025-07-01');
SELECT figures();
UPDATE load_stage_:split SET s = CASE s WHEN '20' THEN '35' ELSE '65' END, x = '2025-08-01' WHERE c = 'K';
SELECT updated, rejected, relationships_changed FROM load(:split, :'m6'::jsonb - 'is_primary' || '{"valid_from": "x"}', 'split');
SELECT * FROM parents WHERE child = 'K' AND (upper(valid) IS NULL OR upper(valid) = '2025-08-01');
SELECT unchanged FROM load(:split, :'m6'::jsonb - 'is_primary' || '{"valid_from": "x"}', 'split');
SELECT * FROM check_hierarchy('split');

-- Upside down: who is in the hierarchy already gets a parent from the day on

SELECT create_hierarchy('turn', max_parents => 1) \g /dev/null
SELECT new_load_batch('turn', '{c,p}') AS turn \gset
\set m7 '{"entity_type": {"value": "n"}, "code": "c", "parent.type": {"value": "n"}, "parent.code": "p"}'
SELECT stage(:turn, '[["t1", ""], ["t2", "t1"], ["t3", "t2"], ["t4", "t1"]]') \g /dev/null
SELECT inserted FROM load(:turn, :'m7', 'turn');
SELECT stage(:turn, '[["t2", ""], ["t1", "t2"], ["t3", "t4"], ["t4", ""]]') \g /dev/null
SELECT updated, rejected FROM load(:turn, :'m7', 'turn', effective => '2025-01-01');
SELECT line, messages FROM load_reject WHERE batch_id = :turn;
SELECT inserted, updated, unchanged, rejected, relationships_added, relationships_ended FROM load(:turn, :'m7', 'turn', 'full_snapshot', effective => '2025-02-01');
SELECT * FROM parents WHERE hierarchy = 'turn';
SELECT unchanged FROM load(:turn, :'m7', 'turn', 'full_snapshot', effective => '2025-02-01');
-- on a day before
SELECT stage(:turn, '[["t3", "t1"], ["t5", ""], ["t4", "t5"]]') \g /dev/null
SELECT inserted, updated FROM load(:turn, :'m7', 'turn', effective => '2024-06-01');
SELECT * FROM parents WHERE hierarchy = 'turn' AND child IN ('t3', 't4');
SELECT * FROM check_hierarchy('turn');

-- A snapshot with nothing in it ends nothing

\set VERBOSITY default
TRUNCATE load_stage_:turn;
SELECT load(:turn, :'m7', 'turn', 'full_snapshot');
SELECT rows, error FROM load(:turn, :'m7', 'turn', 'full_snapshot', dry_run => true);
SELECT stage(:turn, '[["", "t1"], ["t3", "t9"]]') \g /dev/null
SELECT load(:turn, :'m7', 'turn', 'full_snapshot');
SELECT rows, rejected, error FROM load(:turn, :'m7', 'turn', 'full_snapshot', dry_run => true);
-- what others load meanwhile would not be seen
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT load(:turn, :'m7', 'turn');
ROLLBACK;
\set VERBOSITY terse

-- Headers with dots, in a snapshot; days beyond those of the hierarchy

SELECT create_hierarchy('short', validity => '[2020-01-01,2030-01-01)') \g /dev/null
SELECT new_load_batch('dots', '{Customers.Code,"s.parent",from,to}') AS dots \gset
\set m8 '{"entity_type": {"value": "n"}, "code": "Customers.Code", "parent.type": {"value": "n"}, "parent.code": "s.parent", "valid_from": "from", "valid_to": "to"}'
SELECT stage(:dots, '[["d1", "", "", ""], ["d2", "d1", "", ""], ["d3", "d1", "", "2000-01-01"], ["d4", "d1", "2040-01-01", ""], ["d5", "d1", "2019-12-31", ""], ["d6", "d1", "", "2030-01-01"],
	["d7", "d1", "2029-12-31", "2030-01-02"], ["d8", "d1", "", "2020-01-01"], ["", "d1", "", ""]]') \g /dev/null
SELECT inserted, rejected FROM load(:dots, :'m8', 'short', 'full_snapshot');
SELECT line, reasons FROM load_reject WHERE batch_id = :dots ORDER BY line;
SELECT * FROM parents WHERE hierarchy = 'short';

-- An inactive parent that is a row itself, and one that stays inactive since a more trusted source says so

SELECT set_entity_status(add_entity('n', 'off', 'off'), 'inactive') \g /dev/null
SELECT stage(:split, '[["off", "", "", ""], ["K2", "off", "60", "y"], ["K2", "P", "40", ""]]') \g /dev/null
SELECT rejected FROM load(:split, :'m6', 'split');
SELECT line, reasons, messages FROM load_reject WHERE batch_id = :split ORDER BY line;
SELECT new_load_batch('says off', '{c,st}') AS off, new_load_batch('says on', '{c,st,p,s,x}') AS on \gset
UPDATE load_source SET trust = 90 WHERE source = 'says off';
SELECT stage(:off, '[["off", "inactive"]]'), stage(:on, '[["off", "active", "", "", ""], ["K2", "", "off", "60", "y"], ["K2", "", "P", "40", ""]]') \g /dev/null
SELECT rejected FROM load(:off, '{"entity_type": {"value": "n"}, "code": "c", "status": "st"}');
SELECT rejected FROM load(:on, :'m6'::jsonb || '{"status": "st"}', 'split');
SELECT line, reasons, messages FROM load_reject WHERE batch_id = :on ORDER BY line;

-- A row that only writing refuses, without a hierarchy

ALTER TABLE entity ADD CONSTRAINT no_bad CHECK (name <> 'bad');
SELECT new_load_batch('refused', '{code,name}') AS refused \gset
SELECT stage(:refused, '[["N1", "good"], ["N2", "bad"]]') \g /dev/null
SELECT inserted, rejected FROM load(:refused, '{"entity_type": {"value": "org"}, "code": "code", "name": "name"}');
SELECT line, reasons FROM load_reject WHERE batch_id = :refused;
ALTER TABLE entity DROP CONSTRAINT no_bad;

-- Rings whose edges begin on different days are found in time

SET statement_timeout = '10s';
SELECT count(*), count(*) FILTER (WHERE closes), max(line) FILTER (WHERE closes) FROM load_cycles($$
	SELECT i::bigint, (i + 1)::bigint, daterange('2015-01-01'::date + i % 4000, NULL), i::bigint, false FROM generate_series(1, 4000) i
	UNION ALL SELECT 4001, 1, daterange(NULL, '2014-01-01'), 4001, false
	UNION ALL SELECT 4001, 2, daterange('2015-01-01', NULL), 4002, false$$);
RESET statement_timeout;

-- Many rows, each sharing its code with the one and an identifier with the other neighbour, are one entity, in time

\set m7 '{"entity_type": {"value": "org"}, "code": "code", "identifier.LD": "id", "name": "name"}'
SELECT new_load_batch('chain', '{code,id,name}') AS chain \gset
SELECT stage(:chain, (SELECT jsonb_agg(jsonb_build_array('chain ' || (i + 1) / 2, 'link ' || i / 2, 'Name ' || i) ORDER BY md5(i::text))
	FROM generate_series(1, 2000) i)) \g /dev/null
SET statement_timeout = '60s';
SELECT rows, inserted, updated, unchanged, rejected, entities_added FROM load(:chain, :'m7'::jsonb || '{"duplicates": "last"}');
RESET statement_timeout;
SELECT count(*) FROM identifier WHERE scheme = 'LD' AND value LIKE 'link %';
SELECT line, grp FROM load_groups('VALUES (7::bigint, 5::bigint), (9, 7), (4, 2), (3, 3), (2, 9), (NULL, 1)') ORDER BY line;
SELECT count(*) FROM load_groups('SELECT i::bigint, (i + 1)::bigint FROM generate_series(1, 3000) i') WHERE grp = 1;
SELECT load_groups('SELECT 1, 2');

-- A code that the source lists no more in this file is another customer's all the same, whatever the identifier

SELECT new_load_batch('two codes', '{code,id,name}') AS two \gset
SELECT stage(:two, '[["Q1", "shared", "First"]]') \g /dev/null
SELECT inserted FROM load(:two, :'m7');
SELECT stage(:two, '[["Q2", "shared", "Second"]]') \g /dev/null
SELECT inserted, rejected, matched FROM load(:two, :'m7');
SELECT line, reasons, messages FROM load_reject WHERE batch_id = :two;
-- in a snapshot, the code has changed
SELECT updated, rejected, matched FROM load(:two, :'m7', mode => 'full_snapshot');
SELECT record, listed FROM entity_source WHERE source = 'two codes' AND entity_id = entity_id('org', 'Q1');

-- What a source said before is not written again, from whatever file

SELECT stage(:two, '[["Q1", "shared", "Second"]]') \g /dev/null
SELECT unchanged FROM load(:two, :'m7');
SELECT new_load_batch('two codes', '{code,id,name}') AS again \gset
SELECT stage(:again, '[["Q1", "shared", "Second"], ["Q3", "third", "Third"]]') \g /dev/null
SELECT inserted, unchanged FROM load(:again, :'m7');
SELECT e.code, s.batch_id = :two AS of_first, s.batch_id = :again AS of_second
FROM entity_source s JOIN entity e USING (entity_id) WHERE s.source = 'two codes' ORDER BY e.code;

-- A new source that says what the entity shows changes nothing, and is kept with it; one that says something else changes it,
-- unless it is trusted less

SELECT new_load_batch('says same', '{code,name,beds}') AS same, new_load_batch('says other', '{code,name,beds}') AS other,
	new_load_batch('says less', '{code,name,beds}') AS less \gset
\set m8 '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "attribute.beds": "beds"}'
UPDATE load_source SET trust = 10 WHERE source = 'says less';
SELECT figures() AS before \gset
SELECT stage(:same, '[["Q1", "Second", ""], ["Q3", "Third", ""]]') \g /dev/null
SELECT updated, unchanged, entities_changed FROM load(:same, :'m8');
SELECT figures() = :'before' AS logs_nothing;
SELECT stage(:other, '[["Q1", "Second", "9"], ["Q3", "Dritte", ""]]'), stage(:less, '[["Q1", "Zweite", "9"], ["Q3", "Troisième", "7"]]') \g /dev/null
SELECT updated, unchanged, entities_changed FROM load(:other, :'m8');
SELECT updated, unchanged, entities_changed FROM load(:less, :'m8');
SELECT * FROM entities WHERE code IN ('Q1', 'Q3');
SELECT e.code, s.source, s."values" FROM entity_source s JOIN entity e USING (entity_id) WHERE s.source LIKE 'says %' AND e.code LIKE 'Q_'
ORDER BY e.code, s.source;

-- A primary parent that the file names takes the place of the former one, which the file lists, too

\set m9 '{"entity_type": {"value": "org"}, "code": "code", "parent.code": "parent", "is_primary": "main", "valid_from": "since", "valid_to": "till"}'
SELECT create_hierarchy('main') \g /dev/null
SELECT new_load_batch('main', '{code,parent,main,since,till}') AS main \gset
SELECT stage(:main, '[["Q1", "", "", "", ""], ["Q3", "", "", "", ""], ["Q4", "Q1", "yes", "", ""], ["Q4", "Q3", "no", "", ""]]') \g /dev/null
SELECT inserted, unchanged, rejected FROM load(:main, :'m9', 'main', effective => '2024-01-01');
SELECT child, parent, is_primary, valid FROM parents WHERE hierarchy = 'main';
SELECT stage(:main, '[["Q4", "Q1", "", "", ""], ["Q4", "Q3", "yes", "", ""]]') \g /dev/null
SELECT updated, rejected FROM load(:main, :'m9', 'main', effective => '2024-01-01');
SELECT child, parent, is_primary, valid FROM parents WHERE hierarchy = 'main';

-- A stay that overlaps another one of the same parent, which the row does not mean

SELECT stage(:main, '[["Q5", "Q1", "", "2020-01-01", "2025-01-01"], ["Q5", "Q1", "", "2026-01-01", ""]]') \g /dev/null
SELECT inserted, rejected FROM load(:main, :'m9', 'main', effective => '2024-01-01');
SELECT stage(:main, '[["Q5", "Q1", "", "2020-01-01", "2026-06-01"]]') \g /dev/null
SELECT updated, rejected FROM load(:main, :'m9', 'main', effective => '2024-01-01');
SELECT line, reasons, messages FROM load_reject WHERE batch_id = :main;
SELECT child, parent, is_primary, valid FROM parents WHERE hierarchy = 'main' AND child = 'Q5';

-- A child that is in the hierarchy, if only above others, comes under its first parent on the day; one that is not there, from the first day on

SELECT stage(:main, '[["QT", "", "", "", ""], ["QN", "", "", "", ""]]') \g /dev/null
SELECT inserted FROM load(:main, :'m9', 'main');
SELECT stage(:main, '[["Q1", "QT", "", "", ""], ["QN", "QT", "", "", ""]]') \g /dev/null
SELECT inserted, rejected FROM load(:main, :'m9', 'main', effective => '2024-03-01');
SELECT child, parent, valid FROM parents WHERE hierarchy = 'main' AND parent = 'QT';

-- A source that only a dry run has used is gone with its batch; one that said something, or of which somebody did, stays

SELECT new_load_batch('trial', '{code,name}') AS trial, new_load_batch('described', '{code,name}') AS described \gset
UPDATE load_source SET description = 'a list' WHERE source = 'described';
SELECT stage(:trial, '[["Y1", "y"]]'), stage(:described, '[["Y1", "y"]]'), stage(:again, '[["Y1", "y"]]') \g /dev/null
\set m10 '{"entity_type": {"value": "org"}, "code": "code", "name": "name"}'
SELECT a.inserted, b.inserted FROM load(:trial, :'m10', dry_run => true) a, load(:described, :'m10', dry_run => true) b;
SELECT new_load_batch('trial', '{code}') AS second \gset
SELECT drop_load_batch(:trial, false), drop_load_batch(:described, false), drop_load_batch(:again, false), drop_load_batch(:two, false) \g /dev/null
SELECT source, description FROM load_source WHERE source IN ('trial', 'described', 'two codes') ORDER BY source;
SELECT drop_load_batch(:second, false) \g /dev/null
SELECT source, description FROM load_source WHERE source IN ('trial', 'described', 'two codes') ORDER BY source;

-- Whose own entity is inactive: a reason of its own.  What made it so decides what makes it active again: the list of that source, or a status

SELECT new_load_batch('snap', '{code,name,parent,duns,status}') AS snap, new_load_batch('second', '{code,name,parent,duns,status}') AS second \gset
\set m12 '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "parent.code": "parent"}'
\set m13 '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "parent.code": "parent", "status": "status"}'
SELECT stage(:snap, '[["S1", "one", "Q1"], ["S2", "two", "Q1"]]') \g /dev/null
SELECT inserted FROM load(:snap, :'m12', 'main', 'full_snapshot');
SELECT stage(:snap, '[["S1", "one", "Q1"]]') \g /dev/null
SELECT entities_deactivated FROM load(:snap, :'m12', 'main', 'full_snapshot');
SELECT stage(:second, '[["S2", "two", "Q1"], ["S3", "three", "S2"], ["S4", "four", "S1"]]') \g /dev/null
SELECT inserted, rejected FROM load(:second, :'m12', 'main');
SELECT line, reasons, messages FROM load_reject WHERE batch_id = :second ORDER BY line;
SELECT stage(:second, '[["S5", "five", "Q1", "", "inactive"], ["S1", "one", "Q1", "", "active"], ["S4", "four", "Q1", "", "inactive"], ["S2", "two", "Q1", "", "active"]]') \g /dev/null
SELECT inserted, updated, unchanged, rejected FROM load(:second, :'m13', 'main', dry_run => true);
SELECT line, reasons, messages FROM load_reject WHERE batch_id = :second ORDER BY line;
SELECT stage(:snap, '[["S1", "one", "Q1"], ["S2", "two", "Q1"]]') \g /dev/null
SELECT inserted, updated, unchanged, rejected FROM load(:snap, :'m12', 'main', 'full_snapshot');
SELECT status FROM entities WHERE code = 'S2';

-- D-U-N-S numbers as they are printed, of an entity and of its parent

\set m14 '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "identifier.DUNS": "duns"}'
\set m15 '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "parent.DUNS": "duns"}'
SELECT stage(:second, '[["U1", "u", "", "12-345-6789"], ["U2", "v", "", "000000000"], ["U3", "w", "", "98 765 4321"], ["U4", "x", "", "1-23456789"]]') \g /dev/null
SELECT inserted, rejected FROM load(:second, :'m14');
SELECT line, reasons, messages FROM load_reject WHERE batch_id = :second ORDER BY line;
SELECT value FROM identifier WHERE scheme = 'DUNS' ORDER BY 1;
SELECT unchanged, rejected FROM load(:second, :'m14');
SELECT stage(:second, '[["U5", "y", "", "123456789"], ["U6", "z", "", "98-765-4321"]]') \g /dev/null
SELECT inserted, rejected FROM load(:second, :'m15', 'main');
SELECT child, parent FROM parents WHERE child IN ('U5', 'U6');

-- A scheme that is another but for capitals is a slip; one that somebody uses, or that is listed, is not

\set VERBOSITY default
SELECT load(:second, '{"entity_type": {"value": "org"}, "code": "code", "identifier.Duns": "duns"}');
SELECT load(:second, '{"entity_type": {"value": "org"}, "code": "code", "parent.duns": "duns"}', 'main');
\set VERBOSITY terse
INSERT INTO identifier_scheme VALUES ('Duns', 'not checked');
SELECT inserted, rejected FROM load(:second, '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "identifier.Duns": "duns"}', dry_run => true);
DELETE FROM identifier_scheme WHERE scheme = 'Duns';
INSERT INTO identifier VALUES ('duns', 'free', entity_id('org', 'U1'));
SELECT unchanged, updated, rejected FROM load(:second, '{"entity_type": {"value": "org"}, "code": "code", "identifier.duns": "code"}', dry_run => true);

-- A deep list all of which falls with its top: no time for a pass over the list for each level

SELECT new_load_batch('deep', '{code,parent,status}') AS deep \gset
\set m16 '{"entity_type": {"value": "org"}, "code": "code", "name": "code", "parent.code": "parent", "status": "status"}'
SELECT format('load_stage_%s', :deep) AS deep_stage \gset
INSERT INTO :deep_stage (_line, code, parent, status)
SELECT 10002 - i, 'Z' || i, CASE WHEN i > 1 THEN 'Z' || i - 1 ELSE 'Q1' END, CASE i WHEN 1 THEN 'none' END FROM generate_series(1, 10000) i;
-- and what hangs on it with two parents
INSERT INTO :deep_stage (_line, code, parent) VALUES (10002, 'ZZ', 'Z10000'), (10003, 'ZZ', 'Z9999'), (10004, 'ZZ1', 'ZZ'), (10005, 'ZZ2', 'Q1');
SET statement_timeout = '20s';
SELECT rows, inserted, rejected FROM load(:deep, :'m16', 'main');
RESET statement_timeout;
SELECT reasons, count(*), min(line), max(line) FROM load_reject WHERE batch_id = :deep GROUP BY 1 ORDER BY 1;
SELECT line, messages FROM load_reject WHERE batch_id = :deep AND line IN (2, 10000, 10002, 10004) ORDER BY line;

-- Merged by hand, an entity stays what its lists say: they find the one that is left

SELECT new_load_batch('my list', '{code,name,beds,parent}') AS my, new_load_batch('their list', '{code,name,beds,parent}') AS their \gset
\set m11 '{"entity_type": {"value": "org"}, "code": "code", "name": "name", "attribute.beds": "beds", "parent.code": "parent"}'
UPDATE load_source SET trust = 70 WHERE source = 'their list';
SELECT stage(:my, '[["MM1", "Mine", "5", "Q1"]]'), stage(:their, '[["MM2", "Theirs", "", "Q1"], ["MM3", "Below", "", "MM2"]]') \g /dev/null
SELECT a.inserted, b.inserted FROM load(:my, :'m11', 'main') a, load(:their, :'m11', 'main') b;
SELECT merge_entity(entity_id('org', 'MM2'), entity_id('org', 'MM1'), 'the same') \g /dev/null
SELECT field, value, source, survives FROM entity_values(entity_id('org', 'MM1'));
SELECT * FROM entities WHERE code LIKE 'MM_';
SELECT s.source, c.code AS child, p.code AS parent
FROM relationship_source s JOIN entity c ON c.entity_id = s.child_id JOIN entity p ON p.entity_id = s.parent_id
WHERE s.source IN ('my list', 'their list') ORDER BY 1, 2, 3;
SELECT a.unchanged, b.unchanged, b.rejected FROM load(:my, :'m11', 'main', 'full_snapshot') a, load(:their, :'m11', 'main', 'full_snapshot') b;
SELECT line, reasons, messages FROM load_reject WHERE batch_id = :their;
-- whoever may not write what lists say can merge all the same
CREATE ROLE regress_merger;
GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO regress_merger;
GRANT INSERT, UPDATE, DELETE ON entity, identifier, relationship TO regress_merger;
SET ROLE regress_merger;
SELECT merge_entity(entity_id('org', 'MM3'), entity_id('org', 'Q3'), 'by hand') \g /dev/null
RESET ROLE;
SELECT e.code, e.status, s.source FROM entity e JOIN entity_source s USING (entity_id) WHERE e.code IN ('MM3', 'Q3') ORDER BY 1, 3;
REVOKE ALL ON ALL TABLES IN SCHEMA hierarchy FROM regress_merger;
DROP ROLE regress_merger;

SELECT * FROM check_hierarchy('sales');
SELECT * FROM check_hierarchy('many');
SELECT count(*) FROM pg_class WHERE relname ~ '^load_' AND relpersistence = 't';

\c :database
DROP DATABASE regress_load_modes;
