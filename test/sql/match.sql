-- Matching: names and postcodes as they are compared, proposals, decisions.
SET search_path = public, hierarchy;
SET datestyle = iso;
\set SHOW_CONTEXT never

-- Names
SELECT name, normalise_name(name) FROM unnest(ARRAY[
	'St. Mary''s Hosp., Inc.', 'SAINT MARYS HOSPITAL', 'St Mary’s  Hospital',
	'The Børsen & Søn A/S', 'Société Générale S.A.', 'Müller GmbH & Co. KG', 'Straße', 'Łódź Æon Œuvre',
	'L.L.C. of J.F.K. Med. Ctr., L.L.C.', 'St.Joseph Mem''l Health Care', 'Cleveland Univ Hlthcare Sys',
	'ACME CO', 'Washington Co Hospital', 'Mercy PA', 'PA Medical', 'SE', 'The Company', 'THE', 'Hospital on Main St',
	'Holder Inc DBA Grace Clinic LLC', 'Holder, L.P. d/b/a Grace Clinic', 'DBA', 'D/B/A', 'A DBA',
	'больница № 1', 'ΝΟΣΟΚΟΜΕΊΟ Αθηνών', '病院　東京', E'tab\tnew\nline', 'e' || U&'\0301' || 'te', ' – — ', '', '''', 'District #1', 'A+B', '3.5']) name;
SELECT normalise_name(NULL), normalise_postcode(NULL);
SELECT postcode, normalise_postcode(postcode) FROM unnest(ARRAY['36301', '36301-1234', '363011234', ' 36301 ', 'sw1a 1aa', 'K1A-0B6',
	'D-80331', '00-950', '123456789', '12345678', '1234567890', '', ' ', '〒100']) postcode;
-- long ones, and what is no name at all
SELECT length(normalise_name(repeat('St. ', 100000))), normalise_name(repeat('.', 1000)), normalise_name(repeat('''', 1000)) = '' AS nothing;
-- the same whatever the case is, and once more the same
SELECT count(*) FROM (
	SELECT n, normalise_name(n) AS once FROM (SELECT string_agg(chr(1 + (i * 37 + j * 11) % 500), '') AS n
		FROM generate_series(1, 300) i, generate_series(1, 30) j GROUP BY i) x (n)) y
WHERE normalise_name(once) <> once AND once !~ '(^| )(ST|DBA|HEALTH|D)( |$)';

-- Two lists and no extension for similarity
INSERT INTO entity_type VALUES ('mt'), ('mt other');
CREATE FUNCTION mt(code text) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT e.entity_id FROM hierarchy.entity e WHERE e.entity_type LIKE 'mt%' AND e.code = $1 $$;
-- adds entities to a list
CREATE FUNCTION mt_list(list text, rows jsonb) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO hierarchy.load_source VALUES (list) ON CONFLICT DO NOTHING;
	INSERT INTO hierarchy.entity (entity_type, code, name, attributes)
	SELECT 'mt', r->>0, r->>1, CASE WHEN r->2 IS NULL THEN '{}' ELSE jsonb_build_object('postcode', r->2) END
	FROM jsonb_array_elements(rows) r ON CONFLICT DO NOTHING;
	INSERT INTO hierarchy.entity_source (source, entity_id) SELECT list, mt(r->>0) FROM jsonb_array_elements(rows) r;
	SELECT count(*) FROM hierarchy.entity_source s WHERE s.source = list;
$$;
-- what an error says, without numbers and times
CREATE FUNCTION mt_try(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE sql;
	RETURN 'done';
EXCEPTION
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
		RETURN regexp_replace(regexp_replace(regexp_replace(concat_ws(' / ', sqlstate, sqlerrm, nullif(detail, ''),
			nullif(hint, '')), '(match|batch) [0-9]+', '\1 N', 'g'),
			'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+', '(time)'), '(Types|Sources): .*|(By) \S+ on', '\1\2 ...');
END
$$;
-- all proposals, in short
CREATE FUNCTION mt_all() RETURNS TABLE (pair text, method text, score numeric, status text) LANGUAGE sql STABLE AS $$
	SELECT format('%s = %s', e.code, o.code), m.method, m.score, m.status
	FROM hierarchy.match_candidate m JOIN hierarchy.entity e ON e.entity_id = m.entity_id JOIN hierarchy.entity o ON o.entity_id = m.other_id
	ORDER BY e.code COLLATE "C", m.score DESC, o.code COLLATE "C" $$;
SELECT mt_list('mt A', '[["a1", "St Mary''s Hospital, Inc.", "36301"], ["a2", "Grace Clinic", "36302"], ["a3", "Hope", "36303"],
	["a4", "Mercy General", "10001"], ["a5", "No place"], ["a6", "...", "36301"], ["a7", "Number", 36301], ["a8", "Closed", "36301"]]');
SELECT mt_list('mt B', '[["b1", "SAINT MARYS HOSP", "36301-1234"], ["b2", "GRACE CLINIC LLC", "36399"], ["b3", "Hope", "50000"],
	["b4", "Mercy Generall", "10001"], ["b5", "No place"], ["b6", "...", "36301"], ["b7", "Number", "36301"], ["b8", "Closed", "36301"]]');
SELECT set_entity_status(mt('a8'), 'inactive');
SELECT mt_try($$SELECT * FROM find_matches('mt', 'mt B', 'mt A', 0.5)$$);
SELECT * FROM find_matches('mt', 'mt B', 'mt A', 1);
SELECT * FROM mt_all();
DELETE FROM match_candidate;
SELECT * FROM find_matches('mt', 'mt B');
SELECT * FROM mt_all();

-- With it, wherever it is
CREATE SCHEMA "mt ""trgm";
CREATE EXTENSION pg_trgm SCHEMA "mt ""trgm";
SELECT * FROM find_matches('mt', 'mt B', 'mt A', 0.9);
SELECT * FROM find_matches('mt', 'mt B', 'mt A');
SELECT * FROM find_matches('mt', 'mt B', 'mt A');
SELECT * FROM mt_all();
SELECT match_id > 0 AS id, score, method, entity_type, entity_id = mt(code) AS e, code, name, postcode, identifiers, sources,
	other_id = mt(other_code) AS o, other_code, other_name, other_postcode, other_identifiers, other_sources, batch_id, proposed_at <= now() AS at
FROM match_review ORDER BY code;

-- What it does not take
SELECT mt_try(format('SELECT find_matches(%s)', arguments)) FROM unnest(ARRAY[$$NULL$$, $$'mt nothing'$$, $$'mt', 'X'$$,
	$$'mt', 'mt A', '''; DROP TABLE hierarchy.entity; --'$$, $$'mt', threshold => 0$$, $$'mt', threshold => 1.01$$, $$'mt', threshold => 'NaN'$$,
	$$'mt', batch_id => -1$$, format('%L, %L, batch_id => %s', 'mt', 'mt A', new_load_batch('mt B', '{a}'))]) arguments;
SELECT * FROM find_matches('mt other');

-- Decisions
CREATE FUNCTION mt_id(code text, other text) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT m.match_id FROM hierarchy.match_candidate m WHERE m.entity_id = mt(code) AND m.other_id = mt(other) $$;
SELECT add_identifier(mt('b1'), 'MT', '77'), add_identifier(mt('a1'), 'MT', '78');
SELECT identifiers, other_identifiers FROM match_review WHERE code = 'b1';
SELECT create_hierarchy('mt') > 0 AS made;
SELECT (assign('mt', mt('b2'), mt('b1'))).is_primary;
INSERT INTO relationship_source (source, hierarchy_id, child_id, parent_id) SELECT 'mt B', hierarchy_id, mt('b2'), mt('b1') FROM hierarchy WHERE name = 'mt';
SELECT accept_match(mt_id('b1', 'a1'), 'the same house') = mt('a1') AS survivor;
SELECT code, status, merged_into = mt('a1') AS merged FROM entity WHERE code IN ('a1', 'b1') ORDER BY code;
SELECT status, decided_by = session_user AS me, decided_at IS NOT NULL AS at, reason FROM match_candidate WHERE match_id = mt_id('b1', 'a1');
SELECT DISTINCT reason FROM change_log WHERE txid = (SELECT txid FROM change_log WHERE table_name = 'entity' AND new_row ->> 'status' = 'merged' AND entity_id = mt('b1'));
SELECT source, e.code, record FROM entity_source s JOIN entity e ON e.entity_id = s.entity_id WHERE e.code IN ('a1', 'b1') ORDER BY source;
SELECT source, c.code, p.code FROM relationship_source JOIN entity c ON c.entity_id = child_id JOIN entity p ON p.entity_id = parent_id WHERE c.entity_type = 'mt';
SELECT entity_id('MT', '77') = mt('a1') AS found;
SELECT mt_try(format('SELECT accept_match(%s)', mt_id('b1', 'a1')));
SELECT mt_try(format('SELECT reject_match(%s)', mt_id('b1', 'a1')));
SELECT mt_try('SELECT accept_match(-1)'), mt_try('SELECT accept_match(NULL)'), mt_try('SELECT reject_match(-1)');
SELECT reject_match(mt_id('b2', 'a2'), 'two houses');
SELECT mt_try(format('SELECT reject_match(%s)', mt_id('b2', 'a2')));
SELECT code FROM match_review ORDER BY code;
-- neither the one nor the other is proposed again
SELECT * FROM find_matches('mt', 'mt B');
SELECT * FROM find_matches('mt', 'mt A', 'mt B', 0.5);
-- the merge is undone: not proposed again, but open to another decision
SELECT undo_transaction(txid) > 0 AS undone FROM change_log WHERE table_name = 'entity' AND new_row ->> 'status' = 'merged' AND entity_id = mt('b1');
SELECT * FROM find_matches('mt', 'mt B');
BEGIN;
SELECT accept_match(mt_id('b1', 'a1')) = mt('a1') AS survivor;
ROLLBACK;
SELECT reject_match(mt_id('b1', 'a1'));
SELECT source, e.code, record FROM entity_source s JOIN entity e ON e.entity_id = s.entity_id WHERE e.code IN ('a1', 'b1') ORDER BY source;
SELECT * FROM find_matches('mt', 'mt B');
SELECT mt_try(format('SELECT accept_match(%s)', mt_id('b1', 'a1')));
-- merged by hand meanwhile, the same two or with another
SELECT merge_entity(mt('b4'), mt('a4'));
SELECT accept_match(mt_id('b4', 'a4')) = mt('a4') AS survivor;
SELECT mt_list('mt C', '[["c1", "Number", "36301"]]');
SELECT merge_entity(mt('b7'), mt('c1'));
SELECT code FROM match_review ORDER BY code;
SELECT mt_try(format('SELECT accept_match(%s)', mt_id('b7', 'a7')));
SELECT status FROM match_candidate WHERE match_id = mt_id('b7', 'a7');
SELECT * FROM find_matches('mt', 'mt C', 'mt A');
SELECT * FROM mt_all();

-- What the survivor shows: of each field what the most trusted list says, and
-- what was set by hand
BEGIN;
INSERT INTO load_source VALUES ('mt low', NULL, 10), ('mt mid', NULL, 50), ('mt high', NULL, 90);
INSERT INTO entity (entity_type, code, name, attributes) VALUES
	('mt', 'l1', 'Low name', '{"postcode": "1", "beds": 5, "by hand": "kept", "of low": true, "edited": "by hand"}'),
	('mt', 'l2', 'High name', '{"postcode": "1", "beds": 7, "of high": [1]}');
INSERT INTO entity_source (source, entity_id, "values", since) VALUES
	('mt low', mt('l1'), '{"name": "Low name", "attributes.postcode": "1", "attributes.beds": 5, "attributes.of low": true, "attributes.edited": "low"}', '2026-01-01'),
	('mt mid', mt('l1'), '{"name": "Mid name", "attributes.beds": 6}', '2026-01-02'),
	('mt high', mt('l2'), '{"name": "High name", "attributes.postcode": "1", "attributes.beds": 7, "attributes.of high": [1], "attributes.edited": "high", "status": "active"}', '2026-01-03');
INSERT INTO match_candidate (entity_id, other_id, method, score) VALUES (mt('l2'), mt('l1'), 'similarity', 0.7);
SELECT accept_match(mt_id('l2', 'l1')) = mt('l1') AS survivor;
SELECT name, attributes FROM entity WHERE entity_id = mt('l1');
SELECT field, value, source FROM entity_values(mt('l1')) WHERE survives;
ROLLBACK;

-- Which pairs: those that a list has both of are two; the same list against
-- itself, and everything against everything, once for each pair
BEGIN;
DELETE FROM match_candidate;
DELETE FROM identifier WHERE entity_id IN (SELECT entity_id FROM entity WHERE entity_type LIKE 'mt%');
SELECT mt_list('mt D', '[["d1", "Twin", "70001"], ["d2", "Twin Ltd", "70001"], ["d3", "The Twin", "70099"]]');
SELECT mt_list('mt E', '[["e1", "Twin", "70001"], ["d1", "Twin", "70001"]]');
SELECT * FROM find_matches('mt', 'mt E');
SELECT * FROM mt_all();
DELETE FROM match_candidate;
SELECT * FROM find_matches('mt', 'mt D', 'mt D');
SELECT * FROM mt_all();
DELETE FROM match_candidate;
SELECT * FROM find_matches('mt');
SELECT * FROM mt_all() WHERE pair ~ '[de]\d';
-- three for each newcomer, the best; one rejected makes room for the next
DELETE FROM match_candidate;
SELECT mt_list('mt F', '[["f1", "Long Named Place", "80001"]]');
SELECT mt_list('mt G', '[["g1", "Long Named Places", "80001"], ["g2", "Long Named Placess", "80001"], ["g3", "Long Named Placesss", "80001"],
	["g4", "Long Named Placessss", "80001"], ["g5", "Long Named Places", "80022"]]');
SELECT * FROM find_matches('mt', 'mt F');
SELECT * FROM mt_all();
SELECT reject_match(mt_id('f1', 'g2'));
SELECT * FROM find_matches('mt', 'mt F');
SELECT * FROM mt_all();
ROLLBACK;
-- hundreds of namesakes
BEGIN;
SELECT mt_list('mt H', (SELECT jsonb_agg(jsonb_build_array('h' || i, 'Unknown', '90001')) FROM generate_series(1, 500) i));
SELECT * FROM find_matches('mt', 'mt H', 'mt H');
ROLLBACK;
-- an area full of names
BEGIN;
SELECT mt_list('mt I', (SELECT jsonb_agg(jsonb_build_array('i' || i, 'House number ' || i, '900-' || i / 2)) FROM generate_series(1, 2001) i));
SELECT * FROM find_matches('mt', 'mt I', 'mt I', 0.99);
ROLLBACK;
-- hostile names and places
BEGIN;
SELECT mt_list('mt J', '[["j1", "''; DROP TABLE hierarchy.entity; --", "1''1"], ["j2", "%s %I %L $1 $query$", "1%1"], ["j3", "\\\\x00 \\", "1\\1"],
	["j4", "{}", {"a": 1}], ["j5", "array", [1, 2]], ["j6", "null", null], ["j7", "🏥", "🏥🏥🏥"], ["j8", "drop table hierarchy entity", "11"]]');
SELECT * FROM find_matches('mt', 'mt J', 'mt J');
SELECT pair, score FROM mt_all() WHERE pair LIKE 'j%';
ROLLBACK;

-- Who does not see an entity does not see a proposal with it, nor make or
-- decide one
CREATE ROLE regress_mt;
GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO regress_mt;
GRANT INSERT, UPDATE ON match_candidate, entity, entity_source TO regress_mt;
GRANT INSERT, DELETE ON relationship_source TO regress_mt;
GRANT UPDATE ON identifier, relationship TO regress_mt;
SELECT mt_list('mt K', '[["k1", "Secret Place", "60001"], ["k2", "Secret Place", "60001"], ["k3", "Open Place", "60002"], ["k4", "Open Place", "60002"]]');
SELECT * FROM find_matches('mt', 'mt K', 'mt K');
SELECT mt_id('k2', 'k1') AS k21, mt_id('k4', 'k3') AS k43, mt('k1') AS k1, mt('k3') AS k3, mt('k4') AS k4 \gset
ALTER TABLE entity ENABLE ROW LEVEL SECURITY;
CREATE POLICY mt ON entity TO regress_mt USING (code <> 'k1');
SET ROLE regress_mt;
SELECT count(*) FROM match_candidate WHERE match_id = :k21;
SELECT code, other_code FROM match_review WHERE code LIKE 'k%' ORDER BY code;
SELECT mt_try('SELECT accept_match(' || :k21 || ')'), mt_try('SELECT reject_match(' || :k21 || ')');
SELECT mt_try(format('INSERT INTO match_candidate (entity_id, other_id, method, score) VALUES (%s, %s, ''similarity'', 1)', :k1, :k3));
UPDATE match_candidate SET reason = 'seen' WHERE match_id = :k21;
SELECT * FROM find_matches('mt', 'mt K', 'mt K');
RESET ROLE;
GRANT USAGE ON SCHEMA "mt ""trgm" TO regress_mt;
DELETE FROM match_candidate WHERE match_id = :k21;
SET ROLE regress_mt;
SELECT * FROM find_matches('mt', 'mt K', 'mt K');
SELECT accept_match(:k43) = :k3 AS survivor;
SELECT decided_by = 'regress_mt' AS he, decided_by LIKE '% as regress_mt' AS by_set_role FROM match_candidate WHERE match_id = :k43;
RESET ROLE;
SELECT pair FROM mt_all() WHERE pair LIKE 'k%';
-- rights
REVOKE UPDATE, INSERT ON match_candidate FROM regress_mt;
SET ROLE regress_mt;
\set VERBOSITY terse
SELECT accept_match(:k43);
SELECT find_matches('mt');
RESET ROLE;
\set VERBOSITY default
DROP POLICY mt ON entity;
ALTER TABLE entity DISABLE ROW LEVEL SECURITY;
DROP OWNED BY regress_mt;
DROP ROLE regress_mt;

-- What is deleted does not wait for a decision any more
SELECT * FROM find_matches('mt', 'mt K', 'mt K');
SELECT code, other_code FROM match_review WHERE code LIKE 'k%';
SELECT mt_id('k2', 'k1') AS k21, mt('k2') AS k2 \gset
DELETE FROM entity WHERE code = 'k2' AND entity_type = 'mt';
SELECT code, other_code FROM match_review WHERE code LIKE 'k%';
SELECT replace(mt_try(format('SELECT accept_match(%s)', :k21)), :'k2', 'N');
\set VERBOSITY terse
INSERT INTO match_candidate (entity_id, other_id, method, score) VALUES (mt('a1'), mt('a1'), 'similarity', 1);
INSERT INTO match_candidate (entity_id, other_id, method, score) VALUES (mt('a1'), mt('a2'), 'guess', 1);
INSERT INTO match_candidate (entity_id, other_id, method, score) VALUES (mt('a1'), mt('a2'), 'similarity', 1.5);
INSERT INTO match_candidate (entity_id, other_id, method, score, status) VALUES (mt('a1'), mt('a2'), 'similarity', 1, 'accepted');
INSERT INTO match_candidate (entity_id, other_id, method, score) VALUES (mt('a1'), mt('b1'), 'similarity', 1);
\set VERBOSITY default

DELETE FROM match_candidate;
SELECT drop_hierarchy('mt', true);
SELECT drop_load_batch(max(batch_id), false) FROM load_batch;
DROP EXTENSION pg_trgm;
DROP SCHEMA "mt ""trgm";
