-- Loading lists: batches, mappings, a first load, moves, every fault
-- In a database of its own: numbers of batches and entities are shown.
\set database :DBNAME
CREATE DATABASE regress_load TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_load
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET datestyle = iso;
SET client_min_messages = warning;
CREATE EXTENSION hierarchy;
SET search_path = hierarchy, public;

INSERT INTO entity_type (entity_type) VALUES ('account'), ('org'), ('network');
INSERT INTO relationship_type (relationship_type) VALUES ('owns'), ('works at'), ('buys from');
SELECT create_hierarchy('sales', max_parents => 1, type_rules => '{"account": ["org"], "org": ["network"]}') \g /dev/null

-- stage(batch, rows): rows of a JSON array go to the staging table, in order
CREATE FUNCTION stage(batch bigint, "rows" jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('TRUNCATE hierarchy.load_stage_%s RESTART IDENTITY', batch);
	EXECUTE (SELECT format('INSERT INTO hierarchy.load_stage_%s (%s) SELECT %s FROM jsonb_array_elements($1) WITH ORDINALITY r (v, n) ORDER BY n',
			batch, string_agg(format('%I', c), ', ' ORDER BY o), string_agg(format('v->>%s', o - 1), ', ' ORDER BY o))
		FROM load_batch b, unnest(b.columns) WITH ORDINALITY u (c, o) WHERE b.batch_id = batch)
	USING "rows";
END
$$;
-- what there is, by code
CREATE VIEW parents AS
SELECT h.name AS hierarchy, c.code AS child, p.code AS parent, r.share, r.is_primary, r.relationship_type AS type, r.valid
FROM relationship r JOIN hierarchy h USING (hierarchy_id) JOIN entity c ON c.entity_id = r.child_id JOIN entity p ON p.entity_id = r.parent_id
ORDER BY 1, c.code COLLATE "C", r.valid, p.code COLLATE "C";
CREATE FUNCTION figures(OUT text) LANGUAGE sql AS $$
	SELECT concat_ws(' ', (SELECT count(*) FROM entity), (SELECT count(*) FROM relationship), (SELECT count(*) FROM change_log))
$$;

-- Batches

SELECT new_load_batch('crm', '{Code,"Full name",Type,Parent,"Parent, type"}', 'crm.csv', 1234, 'abc') AS b \gset
SELECT source, file_name, file_size, fingerprint, columns, state FROM load_batch;
SELECT source, trust FROM load_source;
\d load_stage_1
SELECT new_load_batch(NULL, '{a}');
SELECT new_load_batch('crm', '{}');
SELECT new_load_batch('crm', '{a,b,a}');
SELECT new_load_batch('crm', '{a,""}');
SELECT new_load_batch('crm', '{a,_b}');
SELECT new_load_batch('crm', '{a,ctid}');
SELECT new_load_batch('crm', ARRAY['a', repeat('é', 40)]);

-- Mappings: what is wrong with them is said before anything is read

SELECT load(99, '{}');
SELECT load(1, NULL);
SELECT load(1, '[]');
SELECT load(1, '{"cod": "Code"}');
SELECT load(1, '{"code": "Cod"}');
SELECT load(1, '{"code": 17}');
SELECT load(1, '{"code": {"column": "Code", "pads": 3}}');
SELECT load(1, '{"code": {"column": "Code", "pad": "x"}}');
SELECT load(1, '{"valid_from": {"column": "Code", "format": "Q-YYYY"}}');
SELECT load(1, '{"code": "Code"}');
SELECT load(1, '{"entity_type": "Type"}');
SELECT load(1, '{"entity_type": {"value": "acount"}, "code": "Code"}');
SELECT load(1, '{"entity_type": "Type", "code": "Code", "parent.code": "Parent"}');
SELECT load(1, '{"entity_type": "Type", "code": "Code", "share": "Parent"}', 'sales');
SELECT load(1, '{"entity_type": "Type", "code": "Code"}', 'sale');
SELECT load(1, '{"entity_type": "Type", "code": "Code"}', mode => 'merge');
SELECT load(1, '{"entity_type": "Type", "code": "Code"}', max_errors => 'few');

-- A first load; children before their parents

SELECT stage(1, '[["A1", " Acc 1 ", "account", "O1", "org"], ["O1", "Org \"one\"", "org", "N1", "network"], ["N1", "Net", "network", "", null],
	["0012", "Zwölf, 北京", "account", "O1", "org"]]') \g /dev/null
\set m '{"entity_type": "Type", "code": "Code", "name": "Full name", "parent.type": "Parent, type", "parent.code": "Parent"}'
SELECT figures();
\x
SELECT * FROM load(1, :'m', 'sales', dry_run => true);
\x
SELECT figures();
SELECT * FROM load_rows(1);
\x
SELECT * FROM load(1, :'m', 'sales', reason => 'monthly list');
\x
SELECT * FROM load_rows(1);
SELECT entity_type, code, name, status, attributes FROM entity ORDER BY code COLLATE "C";
SELECT * FROM parents;
SELECT table_name, operation, reason, count(*) FROM change_log WHERE table_name IN ('entity', 'relationship') GROUP BY 1, 2, 3 ORDER BY 1;
SELECT batch_id, hierarchy, mode, state, staged_rows, report->>'inserted' AS inserted, reason FROM load_batch;

-- The same again: nothing happens; then one change

SELECT figures();
SELECT rows, inserted, updated, unchanged, rejected FROM load(1, :'m', 'sales');
SELECT figures();
UPDATE load_stage_1 SET "Full name" = 'Account one' WHERE "Code" = 'A1';
SELECT rows, inserted, updated, unchanged, entities_changed FROM load(1, :'m', 'sales');
SELECT line, result FROM load_rows(1);
SELECT operation, old_row->>'name' AS old, new_row->>'name' AS new FROM change_log ORDER BY change_id DESC LIMIT 1;

-- A move, in a hierarchy with one parent: the old relationship ends on the day

SELECT new_load_batch('crm', '{Code,Parent}') AS b \gset
SELECT stage(2, '[["A1", "O2"], ["O2", "N1"]]') \g /dev/null
\set m2 '{"entity_type": {"value": "account"}, "code": "Code", "parent.type": {"value": "org"}, "parent.code": "Parent"}'
SELECT rows, rejected FROM load(2, :'m2', 'sales');
SELECT line, reasons, messages FROM load_reject WHERE batch_id = 2;
SELECT add_entity('org', 'O2', 'Org two') \g /dev/null
SELECT stage(2, '[["A1", "O2"]]') \g /dev/null
SELECT rows, inserted, updated, relationships_added, relationships_ended FROM load(2, :'m2', 'sales', effective => '2024-07-01');
SELECT * FROM parents WHERE child = 'A1';
SELECT rows, unchanged, relationships_added, relationships_ended FROM load(2, :'m2', 'sales', effective => '2024-07-01');
SELECT rows, unchanged, relationships_added, relationships_ended FROM load(2, :'m2', 'sales');
SELECT stage(2, '[["A1", "O1"]]') \g /dev/null
SELECT rows, updated FROM load(2, :'m2', 'sales', effective => '2024-07-01');
SELECT * FROM parents WHERE child = 'A1';

-- Every fault, beside good rows

SELECT create_hierarchy('care', share_mode => 'split', require_primary => true, relationship_types => '{owns,works at}',
	validity => '[2000-01-01,)', type_rules => '[{"child": "account", "parent": "org"}, {"child": "account", "parent": "network", "max_parents": 1},
		{"child": "org", "parent": "org"}, {"child": "org", "parent": "network"}]') \g /dev/null
INSERT INTO identifier_scheme (scheme, pattern) VALUES ('CCN', '[0-9]{6}');
SELECT add_entity('org', 'X1', 'Taken', identifiers => '{"CCN": "000001"}'), add_entity('org', 'X2', 'Asleep') \g /dev/null
SELECT set_entity_status(entity_id('org', 'X2'), 'inactive') \g /dev/null
SELECT new_load_batch('care list', '{type,code,name,status,ptype,pcode,share,prime,rel,from,to,npi,ccn,beds,open}') AS b \gset
SELECT stage(3, '[
	["network", "N", "Net", "", "", "", "", "", "", "", "", "", "", "", ""],
	["org", "P", "Parent", "active", "network", "N", "1", "yes", "owns", "2020-01-31", "", "1234567893", "000002", "10", "Y"],
	["account", "G1", "good, two parents", "", "org", "P", "0.25", "", "works at", "2020-01-31", "2030-01-01", "", "", "1.5e2", "false"],
	["account", "G1", "good, two parents", "", "org", "X1", "0.75", "", "works at", "2020-01-31", "2030-01-01", "", "", "1.5e2", "false"],
	["account", "", "no code", "", "org", "P", "1", "", "", "", "", "", "", "", ""],
	["account", "B1", "", "", "org", "P", "1", "", "", "", "", "", "", "", ""],
	["account", "B2", "bad date", "", "org", "P", "1", "", "", "2021-02-30", "", "", "", "", ""],
	["account", "B3", "bad number", "", "org", "P", "1,5", "", "", "", "", "", "", "many", ""],
	["account", "B4", "bad boolean", "", "org", "P", "1", "maybe", "", "", "", "", "", "", "?"],
	["account", "B5", "bad status", "asleep", "org", "P", "1", "", "", "", "", "", "", "", ""],
	["account", "B6", "share", "", "org", "P", "1.01", "", "", "", "", "", "", "", ""],
	["acount", "B7", "type", "", "org", "P", "1", "", "", "", "", "", "", "", ""],
	["account", "B8", "parent type", "", "orgs", "P", "1", "", "", "", "", "", "", "", ""],
	["account", "B9", "relationship type", "", "org", "P", "1", "", "eats", "", "", "", "", "", ""],
	["account", "B10", "type of another hierarchy", "", "org", "P", "1", "", "buys from", "", "", "", "", "", ""],
	["account", "D1", "good, then again", "", "org", "P", "", "", "", "", "", "", "", "", ""],
	["account", "D1", "good, then again", "", "org", "P", "", "", "", "", "", "", "", "", ""],
	["account", "D2", "one name", "", "org", "P", "", "", "", "", "", "", "", "", ""],
	["account", "D2", "another name", "", "org", "P", "", "", "", "", "", "", "", "", ""],
	["account", "D3", "one name", "", "org", "P", "0.5", "", "", "", "", "", "", "", ""],
	["account", "D3", "another name", "", "org", "X1", "0.5", "", "", "", "", "", "", "", ""],
	["account", "B11", "orphan", "", "org", "nobody", "1", "", "", "", "", "", "", "", ""],
	["org", "B12", "parent of the next", "", "org", "nobody", "1", "", "", "", "", "", "", "", ""],
	["account", "B13", "its parent is rejected", "", "org", "B12", "1", "", "", "", "", "", "", "", ""],
	["org", "C1", "good, entity alone", "", "", "", "", "", "", "", "", "", "", "", ""],
	["org", "C1", "good, entity alone", "", "org", "C2", "1", "", "", "", "", "", "", "", ""],
	["org", "C2", "good, the row before gives way", "", "org", "C1", "1", "", "", "", "", "", "", "", ""],
	["org", "C3", "its own parent", "", "org", "C3", "1", "", "", "", "", "", "", "", ""],
	["network", "B14", "type rule", "", "org", "P", "1", "", "", "", "", "", "", "", ""],
	["account", "B15", "taken on line 2", "", "org", "P", "1", "", "", "", "", "1234567893", "", "", ""],
	["account", "B16", "taken by an org", "", "org", "P", "1", "", "", "", "", "", "000001", "", ""],
	["account", "B17", "checksum", "", "org", "P", "1", "", "", "", "", "1234567890", "", "", ""],
	["account", "B18", "pattern", "", "org", "P", "1", "", "", "", "", "", "17", "", ""],
	["account", "B19", "inactive parent", "", "org", "X2", "1", "", "", "", "", "", "", "", ""],
	["account", "B20", "share sum", "", "org", "P", "0.5", "", "", "", "", "", "", "", ""],
	["account", "B20", "share sum", "", "org", "X1", "0.6", "", "", "", "", "", "", "", ""],
	["account", "G2", "good, one network", "", "network", "N", "", "", "", "", "", "", "", "", ""],
	["account", "B21", "two networks", "", "network", "N", "0.5", "", "", "", "", "", "", "", ""],
	["account", "B21", "two networks", "", "network", "N1", "0.5", "", "", "", "", "", "", "", ""],
	["account", "B22", "two primary", "", "org", "P", "0.5", "1", "", "", "", "", "", "", ""],
	["account", "B22", "two primary", "", "org", "X1", "0.5", "1", "", "", "", "", "", "", ""],
	["account", "B23", "no primary", "", "org", "P", "1", "no", "", "", "", "", "", "", ""],
	["account", "B24", "before the hierarchy", "", "org", "P", "1", "", "", "1999-12-31", "", "", "", "", ""],
	["account", "B25", "ends before it begins", "", "org", "P", "1", "", "", "2020-01-01", "2019-01-01", "", "", "", ""],
	["", "", "", "", "", "", "", "", "", "", "", "", "", "", ""]]') \g /dev/null
INSERT INTO load_stage_3 (_line, _raw, _fault) VALUES (1001, E'a,"b\nc', 'wrong_width'), (1002, 'caf\xe9', 'encoding');
\set m3 '{"entity_type": "type", "code": "code", "name": "name", "status": "status", "parent.type": "ptype", "parent.code": "pcode", "share": "share", "is_primary": "prime", "relationship_type": "rel", "valid_from": "from", "valid_to": "to", "identifier.NPI": "npi", "identifier.CCN": "ccn", "attribute.beds": {"column": "beds", "type": "number"}, "attribute.open": {"column": "open", "type": "boolean"}}'
SELECT rows, inserted, updated, unchanged, rejected, error FROM load(3, :'m3', 'care', dry_run => true, max_errors => '10%');
SELECT load(3, :'m3', 'care', max_errors => '10%');
\x
SELECT * FROM load(3, :'m3', 'care');
\x
SELECT line, result, reasons, raw FROM load_rows(3);
SELECT line, unnest(reasons) AS reason, unnest(messages) AS message FROM load_reject WHERE batch_id = 3 ORDER BY line, 2;
SELECT * FROM parents WHERE hierarchy = 'care';
SELECT entity_type, code, name, attributes FROM entity WHERE code IN ('P', 'G1');
SELECT * FROM check_hierarchy('care');
SELECT figures();
SELECT rows, inserted, updated, unchanged, rejected FROM load(3, :'m3', 'care');
SELECT figures();

\c :database
DROP DATABASE regress_load;
