-- The directory: hierarchies are made, renamed and dropped; entities and their
-- identifiers.
SET search_path = public, hierarchy;
SET datestyle = iso;
\set SHOW_CONTEXT never

-- Making a hierarchy: partition, key, graph, rules and types
SELECT create_hierarchy('dir sales', 'who sells to whom', share_mode => 'full', max_parents => 2, require_primary => true,
	type_rules => '[{"child": "dir rep", "parent": "dir region", "max_parents": 1}, {"child": "dir region", "parent": "dir land"}]',
	relationship_types => ARRAY['dir covers', 'dir helps'], validity => '[2020-01-01,)') > 0 AS made;
SELECT name, description, share_mode, max_parents, require_primary, relationship_types, validity, graph, graph = '"dir sales"' AS same
FROM hierarchy WHERE name LIKE 'dir %';
SELECT child_type, parent_type, r.max_parents
FROM relationship_rule r JOIN hierarchy h USING (hierarchy_id) WHERE h.name = 'dir sales' ORDER BY 1, 2;
SELECT entity_type FROM entity_type WHERE entity_type LIKE 'dir %' ORDER BY 1;
SELECT relationship_type, label = relationship_label(relationship_type) AS label FROM relationship_type
WHERE relationship_type LIKE 'dir %' ORDER BY 1;
SELECT 'relationship_' || hierarchy_id AS partition, hierarchy_id AS id FROM hierarchy WHERE name = 'dir sales' \gset
SELECT replace(pg_get_indexdef(indexrelid), :'partition', 'P') FROM pg_index WHERE indrelid = :'partition'::regclass ORDER BY 1;
SELECT replace(conname, :'partition', 'P') AS conname, replace(pg_get_constraintdef(oid), :'id', 'N') AS definition
FROM pg_constraint WHERE conrelid = :'partition'::regclass AND contype IN ('c', 'p') ORDER BY 1;
SELECT obj_description(:'partition'::regclass) AS partition, obj_description('"dir sales"'::regclass) AS graph;
SELECT relispartition, relowner = (SELECT extowner FROM pg_extension WHERE extname = 'hierarchy') AS same_owner
FROM pg_class WHERE oid = :'partition'::regclass;
-- the same triggers as the root, as far as partitions have them
SELECT count(*) > 0 AS has_triggers FROM pg_trigger WHERE tgrelid = :'partition'::regclass;
-- rules as an object
SELECT create_hierarchy('dir object', type_rules => '{"dir rep": ["dir region", "dir land"], "dir region": "dir land", "dir land": []}') > 0 AS made;
SELECT child_type, parent_type, r.max_parents
FROM relationship_rule r JOIN hierarchy h USING (hierarchy_id) WHERE h.name = 'dir object' ORDER BY 1, 2;

-- What cannot be
SELECT create_hierarchy('dir sales');
SELECT create_hierarchy(NULL);
SELECT create_hierarchy('');
SELECT create_hierarchy(' dir');
SELECT create_hierarchy(repeat('x', 64));
SELECT create_hierarchy('entity');
SELECT create_hierarchy('relationship_77');
SELECT create_hierarchy('change_log_2031_01');
SELECT create_hierarchy('dir no', share_mode => 'some');
SELECT create_hierarchy('dir no', share_mode => NULL);
SELECT create_hierarchy('dir no', max_parents => 0);
SELECT create_hierarchy('dir no', validity => 'empty');
SELECT create_hierarchy('dir no', relationship_types => ARRAY['a', NULL]);
SELECT create_hierarchy('dir no', type_rules => '3');
SELECT create_hierarchy('dir no', type_rules => '[3]');
SELECT create_hierarchy('dir no', type_rules => '{"a": 3}');
SELECT create_hierarchy('dir no', type_rules => '[{"child": "a"}]');
SELECT create_hierarchy('dir no', type_rules => '[{"child": "a", "parent": "b", "max": 1}]');
SELECT create_hierarchy('dir no', type_rules => '[{"child": "a", "parent": "b", "max_parents": "x"}]');
SELECT count(*) FROM hierarchy WHERE name LIKE 'dir %';

-- Names that need care
SELECT create_hierarchy(n) > 0 AS made, n
FROM unnest(ARRAY['select', 'Dir "quoted"', 'dir.dot', 'dir ünï→', 'dir ''apos', 'dir' || repeat('y', 60), E'dir \\ %s $1', 'table', '7']) n;
SELECT h.name, h.graph, (SELECT count(*) FROM descendants(h.graph, 1)) AS nodes
FROM hierarchy h WHERE h.name LIKE 'dir%' OR h.name ILIKE 'dir "%' OR h.name IN ('select', 'table', '7') ORDER BY h.name COLLATE "C";
SELECT rename_hierarchy('dir.dot', 'dir "dot".');
SELECT name, graph FROM hierarchy WHERE name LIKE 'dir "dot%';
\set VERBOSITY terse
SELECT rename_hierarchy('dir.dot', 'dir x');
\set VERBOSITY default
SELECT rename_hierarchy('select', 'table');
SELECT rename_hierarchy('select', 'hierarchy');
SELECT drop_hierarchy(name) FROM hierarchy WHERE name IN ('select', 'table', '7', 'Dir "quoted"', 'dir "dot".', 'dir ''apos');
SELECT name FROM hierarchy WHERE name ILIKE 'dir%' ORDER BY name COLLATE "C";

-- Templates
SELECT template, share_mode, max_parents, require_primary, relationship_types, jsonb_array_length(type_rules) AS rules
FROM hierarchy_templates();
BEGIN;
SELECT create_hierarchy_from_template(template, 'dir ' || template) > 0 AS made FROM hierarchy_templates();
SELECT h.name, h.graph, t.description = h.description AS described, (SELECT count(*) FROM relationship_rule r WHERE r.hierarchy_id = h.hierarchy_id) AS rules
FROM hierarchy h JOIN hierarchy_templates() t ON h.name = 'dir ' || t.template ORDER BY 1;
SELECT create_hierarchy_from_template('healthcare') > 0 AS made, (SELECT graph FROM hierarchy WHERE name = 'healthcare');
ROLLBACK;
SELECT create_hierarchy_from_template('gardening');

-- Entities and identifiers
INSERT INTO identifier_scheme (scheme, pattern) VALUES ('DIR', '[A-Z]{3}[0-9]+');
SELECT add_entity('dir rep', 'R-1', 'Rep One', '{"country": "DE"}', '{"NPI": 1234567893, "DIR": ["AAA1", "AAA2"]}') > 0 AS added;
SELECT add_entity('dir region', 'R-1', 'Region One', NULL) > 0 AS added;
SELECT entity_type, code, name, status, merged_into, attributes FROM entity WHERE entity_type LIKE 'dir %' ORDER BY 1;
SELECT scheme, value, entity_label(entity_id) FROM identifier WHERE scheme IN ('NPI', 'DIR') ORDER BY 1, 2;
SELECT entity_label(entity_id('NPI', '1234567893')), entity_label(entity_id('dir rep', 'R-1')), entity_label(entity_id('dir region', 'R-1')),
	entity_label(-5), entity_label(NULL);
SELECT entity_id('NPI', NULL) IS NULL AS nothing;
-- a type that is called like a scheme: the scheme comes first
INSERT INTO entity_type VALUES ('DIR');
SELECT add_entity('DIR', 'AAA1', 'Type') > 0 AS added, add_entity('DIR', 'BBB1', 'Type') > 0 AS added;
SELECT entity_label(entity_id('DIR', 'AAA1')), entity_label(entity_id('DIR', 'BBB1'));
SELECT entity_id('DIR', 'CCC');
SELECT entity_id('dir rep', 'R-2');
\set VERBOSITY sqlstate
SELECT entity_id('dir nothing', 'R-2');
SELECT add_entity('dir nothing', 'R-2', 'x');
\set VERBOSITY default
SELECT add_entity('dir rep', 'R-1', 'Again');
SELECT add_entity('dir rep', 'R-2', NULL);
\set VERBOSITY terse
SELECT add_entity('dir rep', ' R-2', 'Blank');
SELECT add_entity('dir rep', 'R-2', 'Rep Two', '[1]');
\set VERBOSITY default
SELECT add_entity('dir rep', 'R-2', 'Rep Two', identifiers => '{"NPI": 1234567893}');
SELECT add_entity('dir rep', 'R-2', 'Rep Two', identifiers => '{"NPI": 1234567890}');
SELECT add_entity('dir rep', 'R-2', 'Rep Two', identifiers => '{"LEI": "5493001KJTIIGC8Y1R13"}');
SELECT add_entity('dir rep', 'R-2', 'Rep Two', identifiers => '{"DUNS": "12345678"}');
SELECT add_entity('dir rep', 'R-2', 'Rep Two', identifiers => '{"DUNS": "00-000-0000"}');
SELECT add_entity('dir rep', 'R-2', 'Rep Two', identifiers => '{"DUNS": "1-2345-6789"}');
SELECT add_entity('dir rep', 'R-2', 'Rep Two', identifiers => '["NPI"]');
SELECT add_entity('dir rep', 'R-3', 'Rep Three', identifiers => '{"dir x": "1"}') > 0 AS added;
SELECT entity_label(entity_id('dir x', '1'));
SELECT entity_id('dir x', '2');
SELECT add_entity('dir rep', 'R-2', 'Rep Two', identifiers => '{"LEI": "5493001KJTIIGC8Y1R12", "DUNS": "123456789"}') > 0 AS added;
SELECT entity_label(entity_id('LEI', '5493001KJTIIGC8Y1R12')), entity_label(entity_id('DUNS', '123456789'));
-- as it is printed
SELECT entity_label(entity_id('DUNS', '12-345-6789'));
SELECT entity_label(drop_identifier('DUNS', '12 345 6789'));
SELECT add_identifier(entity_id('dir rep', 'R-2'), 'DUNS', '12-345-6789');
SELECT value FROM identifier WHERE scheme = 'DUNS';
SELECT is_duns('123456789'), is_duns('12-345-6789'), is_duns('000000000'), is_duns('000000001'), is_duns('');
SELECT normalise_identifier('DUNS', v), normalise_identifier('other', v) FROM unnest('{12-345-6789,123456789,12-3456789,1-2,NULL}'::text[]) v;
SELECT add_identifier(entity_id('dir rep', 'R-2'), 'DIR', 'BBB2');
SELECT add_identifier(entity_id('dir rep', 'R-2'), 'DIR', 'AAA2');
SELECT add_identifier(entity_id('dir rep', 'R-2'), 'DIR', NULL);
SELECT entity_label(drop_identifier('DIR', 'BBB2')), entity_label(entity_id('DIR', 'BBB1'));
SELECT drop_identifier('DIR', 'BBB2');
SELECT set_entity_status(entity_id('dir rep', 'R-2'), 'inactive');
SELECT set_entity_status(entity_id('dir rep', 'R-2'), 'inactive');
SELECT status FROM entity WHERE entity_type = 'dir rep' AND code = 'R-2';
SELECT set_entity_status(entity_id('dir rep', 'R-2'), 'active');
SELECT set_entity_status(entity_id('dir rep', 'R-2'), 'merged');
SELECT set_entity_status(entity_id('dir rep', 'R-2'), NULL);
SELECT set_entity_status(-5, 'active');
-- merges in a circle, which only plain statements can make
BEGIN;
UPDATE entity SET status = 'merged', merged_into = CASE code WHEN 'AAA1' THEN entity_id('DIR', 'BBB1') ELSE (SELECT x.entity_id FROM entity x
	WHERE x.entity_type = 'DIR' AND x.code = 'AAA1') END WHERE entity_type = 'DIR';
ROLLBACK;

-- Reasons: for the time of the verb, else what the transaction says
BEGIN;
SET LOCAL hierarchy.reason = 'spring cleaning';
SELECT set_entity_status(entity_id('dir rep', 'R-2'), 'inactive', 'retired');
SELECT set_entity_status(entity_id('dir rep', 'R-2'), 'active');
SELECT current_setting('hierarchy.reason');
SELECT operation, new_row ->> 'status' AS status, reason FROM change_log
WHERE table_name = 'entity' AND txid = pg_current_xact_id() ORDER BY change_id;
SAVEPOINT s;
SELECT add_entity('dir rep', 'R-1', 'Again', reason => 'lost');
ROLLBACK TO s;
SELECT current_setting('hierarchy.reason');
COMMIT;
SELECT current_setting('hierarchy.reason');

-- Dropping
SELECT (assign('dir object', entity_id('dir rep', 'R-1'), entity_id('dir region', 'R-1'))).child_id > 0 AS assigned;
SELECT drop_hierarchy('dir object');
SELECT drop_hierarchy('dir object', NULL);
SELECT drop_hierarchy('dir object', force => true);
SELECT count(*) FROM hierarchy WHERE name = 'dir object';
SELECT to_regclass('"dir object"') AS graph;
SELECT table_name, operation, count(*) FROM change_log
WHERE txid = (SELECT txid FROM change_log WHERE table_name = 'hierarchy' AND operation = 'DELETE' AND old_row ->> 'name' = 'dir object')
GROUP BY 1, 2 ORDER BY 1;
-- what was written in the same transaction, checks still to come
BEGIN;
SELECT create_hierarchy('dir short', share_mode => 'split', require_primary => true) > 0 AS made;
SELECT (assign('dir short', entity_id('dir rep', 'R-1'), entity_id('dir region', 'R-1'), share => 0.4)).child_id > 0 AS assigned;
SELECT drop_hierarchy('dir short', force => true);
COMMIT;
\set VERBOSITY sqlstate
SELECT drop_hierarchy('dir object');
SELECT drop_hierarchy(NULL);
\set VERBOSITY default
BEGIN;
SELECT drop_hierarchy('dir sales');
ROLLBACK;
SELECT drop_hierarchy('dir sales');
-- nothing is left of them
SELECT count(*) FROM pg_class WHERE relname = :'partition' OR relname LIKE 'dir sales%';

-- A new partition gets the grants and the policies of the root
CREATE ROLE regress_dir_reader;
CREATE ROLE regress_dir_editor;
BEGIN;
GRANT SELECT, INSERT (parent_id, child_id) ON relationship TO regress_dir_reader;
GRANT SELECT, UPDATE ON relationship TO regress_dir_editor WITH GRANT OPTION;
ALTER TABLE relationship ENABLE ROW LEVEL SECURITY;
CREATE POLICY "dir all" ON relationship FOR SELECT TO regress_dir_reader, regress_dir_editor USING (share > 0.1);
CREATE POLICY dir_narrow ON relationship AS RESTRICTIVE FOR UPDATE USING (true)
	WITH CHECK (child_id IN (SELECT e.entity_id FROM hierarchy.entity e));
CREATE POLICY dir_self ON relationship FOR INSERT
	WITH CHECK (EXISTS (SELECT FROM hierarchy.entity e WHERE e.entity_id = relationship.child_id AND e.name = current_user));
-- dir_self names the table itself, so it cannot be copied: a warning says so
SET LOCAL client_min_messages = error;
SELECT create_hierarchy('dir granted') AS granted \gset
RESET client_min_messages;
\set granted relationship_:granted
SELECT grantee::regrole, privilege_type, is_grantable FROM pg_class, aclexplode(relacl) WHERE oid = :'granted'::regclass AND grantee <> relowner ORDER BY 1, 2;
SELECT attname, grantee::regrole, privilege_type FROM pg_attribute, aclexplode(attacl) WHERE attrelid = :'granted'::regclass ORDER BY 1;
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = :'granted'::regclass;
SELECT policyname, permissive, roles, cmd, qual, with_check FROM pg_policies WHERE tablename = :'granted' ORDER BY 1;
ROLLBACK;
DROP ROLE regress_dir_reader, regress_dir_editor;

-- Clean up
SELECT drop_hierarchy(name) FROM hierarchy WHERE name ILIKE 'dir%';
-- nobody is merged into himself
UPDATE entity SET status = 'merged', merged_into = entity_id('dir rep', 'R-2') WHERE entity_type = 'dir rep' AND code = 'R-3';
UPDATE entity SET status = 'merged', merged_into = (SELECT entity_id FROM entity WHERE entity_type = 'dir rep' AND code = 'R-3')
WHERE entity_type = 'dir rep' AND code = 'R-2';
UPDATE entity SET status = 'active', merged_into = NULL WHERE entity_type = 'dir rep' AND code = 'R-3';
DELETE FROM identifier WHERE scheme IN ('DIR', 'NPI', 'DUNS', 'LEI', 'dir x') AND entity_id IN (SELECT entity_id FROM entity WHERE entity_type ILIKE 'dir%');
DELETE FROM identifier_scheme WHERE scheme = 'DIR';
DELETE FROM entity WHERE entity_type ILIKE 'dir%';
DELETE FROM entity_type WHERE entity_type ILIKE 'dir%';
DELETE FROM relationship_type WHERE relationship_type LIKE 'dir %';
