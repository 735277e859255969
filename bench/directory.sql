-- The directory: the data set as entities and relationships of one hierarchy,
-- with every rule that there is and with the log, against the same rows in a
-- table that has the same indexes and nothing else.  Networks stand under one
-- of two holdings, so that the largest of them can be reassigned.

-- Triggers of a table whose function is (not) one of those, off and on again as
-- they were.
CREATE TABLE bench.quiet (rel regclass, name name, state "char");

CREATE PROCEDURE bench.silence(target regclass, pattern text)
LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	FOR t IN
		SELECT g.tgrelid::regclass AS rel, g.tgname, g.tgenabled
		FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
		WHERE g.tgrelid = target AND g.tgenabled <> 'D' AND p.proname ~ pattern AND g.tgparentid = 0
	LOOP
		INSERT INTO bench.quiet VALUES (t.rel, t.tgname, t.tgenabled);
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', t.rel, t.tgname);
	END LOOP;
END
$$;

CREATE PROCEDURE bench.wake()
LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	FOR t IN DELETE FROM bench.quiet RETURNING * LOOP
		EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', t.rel,
					   CASE t.state WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, t.name);
	END LOOP;
END
$$;

SELECT hierarchy.create_hierarchy('bench', share_mode => 'split', max_parents => 3, require_primary => true,
	relationship_types => '{works at,part of}',
	type_rules => '{"network": ["holding"], "organisation": ["network"], "account": ["organisation"], "prescriber": ["account"]}')
	\g /dev/null
CREATE FUNCTION bench.hierarchy_id() RETURNS int
LANGUAGE sql STABLE AS $$
	SELECT hierarchy_id FROM hierarchy.hierarchy WHERE name = 'bench'
$$;

CREATE TABLE bench.directory_source AS
SELECT coalesce(parent_id, :nodes + 1 + (child_id & 1)) AS parent_id, child_id,
	   CASE WHEN child_id > first_prescriber THEN 'works at' ELSE 'part of' END AS relationship_type,
	   row_number() OVER one = 1 AS is_primary,
	   CASE WHEN count(*) OVER (PARTITION BY child_id) = 1 THEN 1 WHEN row_number() OVER one = 1 THEN 0.6 ELSE 0.4 END AS share
FROM bench.source, bench.level
WINDOW one AS (PARTITION BY child_id ORDER BY parent_id)
ORDER BY child_id;
VACUUM (FREEZE, ANALYZE) bench.directory_source;

-- How entities are loaded is not the question here.
CALL bench.silence('hierarchy.entity', '.');
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name)
SELECT n, CASE WHEN n > l.nodes THEN 'holding' WHEN n > first_prescriber THEN 'prescriber' WHEN n > first_account THEN 'account'
			WHEN n > first_organisation THEN 'organisation' ELSE 'network' END, 'E-' || n, 'entity ' || n
FROM bench.level l, generate_series(1, :nodes + 2) n;
CALL bench.wake();
SELECT setval(pg_get_serial_sequence('hierarchy.entity', 'entity_id'), :nodes + 1000000) \g /dev/null
VACUUM (FREEZE, ANALYZE) hierarchy.entity;

CREATE TABLE bench.bare (LIKE hierarchy.relationship);
ALTER TABLE bench.bare ADD PRIMARY KEY (child_id, parent_id, valid);
CREATE INDEX bare_graph ON bench.bare USING hgraph (parent_id, child_id) INCLUDE (share, valid, is_primary, label)
	WITH (weight = 'share', validity = 'valid', is_primary = 'is_primary', label = 'label');

-- Empties what was filled, leaving no trace in the log.
CREATE PROCEDURE bench.directory_empty()
LANGUAGE plpgsql AS $$
DECLARE
	part regclass := format('hierarchy.relationship_%s', bench.hierarchy_id());
	log  regclass;
BEGIN
	TRUNCATE bench.bare;
	CALL bench.silence(part, '.');
	EXECUTE format('TRUNCATE %s', part);
	FOR log IN SELECT relid FROM pg_partition_tree('hierarchy.change_log') WHERE isleaf LOOP
		CALL bench.silence(log, '.');
		EXECUTE format('TRUNCATE %s', log);
	END LOOP;
	CALL bench.wake();
END
$$;

-- Fills one of them: bare; log: relationship without its rules; rules:
-- relationship as it is.  The end of the transaction counts, rules are checked
-- there.
CREATE PROCEDURE bench.directory_load(side text, relationships bigint)
LANGUAGE plpgsql AS $$
DECLARE
	h    int := bench.hierarchy_id();
	part regclass := format('hierarchy.relationship_%s', h);
	t    timestamptz;
BEGIN
	CALL bench.directory_empty();
	IF side = 'log' THEN
		CALL bench.silence(part, '^(?!.*audit)');
		CALL bench.silence('hierarchy.relationship', '^(?!.*audit)');
	END IF;
	COMMIT;
	CHECKPOINT;
	t := clock_timestamp();
	IF side = 'bare' THEN
		INSERT INTO bench.bare (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, attributes, valid)
		SELECT h, parent_id, child_id, relationship_type, is_primary, share, '{}', '(,)'
		FROM bench.directory_source LIMIT relationships;
	ELSE
		INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share)
		SELECT h, parent_id, child_id, relationship_type, is_primary, share
		FROM bench.directory_source LIMIT relationships;
	END IF;
	COMMIT;
	PERFORM bench.record('load ' || side, 'raw', bench.us_since(t));
	CALL bench.wake();
	COMMIT;
END
$$;

CREATE PROCEDURE bench.directory_loads(rounds int)
LANGUAGE plpgsql AS $$
DECLARE
	sides text[] := ARRAY['bare', 'log', 'rules'];
BEGIN
	FOR r IN 1 .. rounds LOOP
		FOR i IN 0 .. 2 LOOP
			-- the last one fills the hierarchy for what comes next
			CALL bench.directory_load(sides[1 + (r + i + 3 - rounds) % 3], NULL);
		END LOOP;
	END LOOP;
END
$$;

CALL bench.directory_loads(least(:runs, 2));
SELECT bench.line_of(700, format('insert %s relationships with rules and log, against a bare table', count(*)), 'load rules', 'load bare', 'ratio', 3.0),
	   bench.line_of(701, 'the same with the log alone', 'load log', 'load bare', 'ratio', 2.0)
FROM bench.directory_source \g /dev/null
DROP TABLE bench.bare;
ANALYZE hierarchy.relationship;
