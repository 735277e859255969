-- Lists that say different things of the same entity on several lines, and
-- parents that only the lines of their children name.
SET search_path = public, hierarchy;
SET datestyle = iso;
\set SHOW_CONTEXT never
INSERT INTO entity_type VALUES ('ld'), ('ld parent');
SELECT create_hierarchy('ld') > 0 AS made;
CREATE FUNCTION ld(source text, mapping jsonb, rows text[], mode text DEFAULT 'upsert') RETURNS TABLE (report text) LANGUAGE plpgsql AS $$
DECLARE
	id bigint := hierarchy.new_load_batch(source, '{code,id,name,beds,parent,pname,since}');
BEGIN
	EXECUTE format('INSERT INTO hierarchy.load_stage_%s (code, id, name, beds, parent, pname, since)
		SELECT r[1], r[2], r[3], r[4], r[5], r[6], r[7] FROM unnest($1) u (t), string_to_array(t, ''|'') r', id) USING rows;
	RETURN QUERY SELECT format('%s rows: %s inserted, %s updated, %s unchanged, %s rejected, %s matched; entities %s/%s, relationships %s/%s/%s',
		l.rows, l.inserted, l.updated, l.unchanged, l.rejected, l.matched, l.entities_added, l.entities_changed,
		l.relationships_added, l.relationships_changed, l.relationships_ended)
	FROM hierarchy.load(id, '{"entity_type": {"value": "ld"}, "code": "code", "identifier.LD": "id", "name": "name", "attribute.beds": "beds"}' || mapping,
		CASE WHEN mapping ? 'parent.code' THEN 'ld' END, mode) l;
	RETURN QUERY SELECT format('line %s %s: %s%s', r.line, r.result, e.code, ' ' || array_to_string(r.reasons, ', '))
		FROM hierarchy.load_rows(id) r LEFT JOIN hierarchy.entity e ON e.entity_id = r.entity_id ORDER BY r.line;
	PERFORM hierarchy.drop_load_batch(id, false);
END
$$;
CREATE FUNCTION ld_all() RETURNS TABLE (entity text) LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' ', e.entity_type, e.code, '"' || e.name || '"', nullif(e.attributes, '{}'),
		(SELECT string_agg(i.value, ',' ORDER BY i.value) FROM hierarchy.identifier i WHERE i.entity_id = e.entity_id),
		(SELECT string_agg('under ' || p.code || ' ' || r.valid, ', ' ORDER BY p.code) FROM hierarchy.relationship r
			JOIN hierarchy.entity p ON p.entity_id = r.parent_id WHERE r.child_id = e.entity_id))
	FROM hierarchy.entity e WHERE e.entity_type LIKE 'ld%' ORDER BY e.entity_type, e.code COLLATE "C" $$;

-- Without a rule all are rejected; with one, of each field the first or the
-- last that says something, and all identifiers
\set rows 'ARRAY[$$c1|i1|One|||$$, $$c2|i1|Uno|7||$$, $$c1|i2||8||$$, $$c3|i3|Three|||$$, $$c3|i3|Three|||$$, $$c4||Four|||$$]'
BEGIN;
SELECT * FROM ld('ld', '{}', :rows);
SELECT * FROM ld_all();
ROLLBACK;
BEGIN;
SELECT * FROM ld('ld', '{"duplicates": "first"}', :rows);
SELECT * FROM ld_all();
SELECT * FROM ld('ld', '{"duplicates": "first"}', :rows);
-- in another order, the code by which it is known stays
SELECT * FROM ld('ld', '{"duplicates": "first"}', ARRAY['c2|i1|Uno|7||', 'c1|i2|One|||']);
SELECT * FROM ld_all();
ROLLBACK;
SELECT * FROM ld('ld', '{"duplicates": "last"}', :rows);
SELECT * FROM ld_all();
-- another list finds it by one of the identifiers
SELECT * FROM ld('ld other', '{"duplicates": "last"}', ARRAY['x1|i2|X|9||', 'x2|i1|Y|||', 'x3|i3|Three|||']);
SELECT * FROM ld_all();
-- what leads to two entities is not made one
SELECT * FROM ld('ld third', '{"duplicates": "first"}', ARRAY['y1|i1|One|||', 'y1|i3|Three|||']);

-- Parents by the way
SELECT * FROM ld('ld', '{"parent.type": {"value": "ld parent"}, "parent.code": "parent"}', ARRAY['d1||D||p1|P|']);
SELECT * FROM ld('ld', '{"parent.type": {"value": "ld parent"}, "parent.code": "parent", "parent.name": "pname", "valid_from": "since"}',
	ARRAY['d1||D1||p1|First name|2024-01-01', 'd2||D2||p1|Second name|', 'd3||D3||p2||', 'd4||D4||||', 'd5||D5||p3|Three|never']);
SELECT * FROM ld_all() WHERE entity ~ '^ld (parent|d)';
-- there already: its name stays
SELECT * FROM ld('ld', '{"parent.type": {"value": "ld parent"}, "parent.code": "parent", "parent.name": "pname"}', ARRAY['d2||D2||p1|Third name|']);
-- the same pair twice, with several parents
SELECT * FROM ld('ld', '{"parent.type": {"value": "ld parent"}, "parent.code": "parent", "parent.name": "pname", "valid_from": "since", "duplicates": "last"}',
	ARRAY['e1||E1||p1|P|2024-01-01', 'e1||E1 too||p1|P|2025-01-01', 'e1||||p4|Four|', 'e1||||p4|Vier|']);
SELECT * FROM ld_all() WHERE entity ~ '^ld (parent|e)';

-- A parent that cannot be added: with its rows, what is wrong with it
ALTER TABLE entity ADD CONSTRAINT no_bad CHECK (name <> 'bad');
\set VERBOSITY terse
SELECT hierarchy.new_load_batch('ld bad', '{code,parent,pname}') AS bad \gset
INSERT INTO load_stage_:bad (code, parent, pname) VALUES ('f1', 'q1', 'bad'), ('f2', 'q1', 'bad'), ('f3', 'q2', 'good'), ('f4', 'f1', 'x');
SELECT inserted, rejected, entities_added FROM load(:bad, '{"entity_type": {"value": "ld"}, "code": "code", "parent.type": {"value": "ld parent"}, "parent.code": "parent", "parent.name": "pname"}', 'ld');
SELECT line, reasons, messages FROM load_reject WHERE batch_id = :bad ORDER BY line;
\set VERBOSITY default
SELECT drop_load_batch(:bad, false) \g /dev/null
ALTER TABLE entity DROP CONSTRAINT no_bad;

-- What it does not take
SELECT * FROM ld('ld', '{"duplicates": "any"}', :rows);
SELECT * FROM ld('ld', '{"parent.name": "pname"}', :rows);

SELECT drop_hierarchy('ld', true);
