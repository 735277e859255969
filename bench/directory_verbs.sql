-- Verbs, each in a transaction of its own whose end counts, in the directory
-- that directory.sql has filled.  What a verb has done is taken back by plain
-- statements, which do not count.

CREATE INDEX ON bench.directory_source (child_id);

-- Puts the relationships of some children back.
CREATE FUNCTION bench.as_loaded(VARIADIC children bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	h int := bench.hierarchy_id();
BEGIN
	DELETE FROM hierarchy.relationship WHERE hierarchy_id = h AND child_id = ANY (children);
	UPDATE hierarchy.entity SET status = 'active', merged_into = NULL WHERE entity_id = ANY (children) AND status <> 'active';
	INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share)
	SELECT h, parent_id, child_id, relationship_type, is_primary, share
	FROM bench.directory_source WHERE child_id = ANY (children);
END
$$;

-- $1 and $2 are entities with one parent, $3 and $4; $5 has two, $6 the primary
-- one and $7; $8 has none; $9 is the last change.
CREATE TABLE bench.verb (
	ord       int PRIMARY KEY,
	name      text NOT NULL UNIQUE,
	statement text NOT NULL
);
INSERT INTO bench.verb VALUES
(1, 'reassign', $$ SELECT hierarchy.reassign('bench', $1, $3, $4, reason => 'moved') $$),
(2, 'reassign a subtree', $$ SELECT hierarchy.reassign('bench', $1, $3, $4, reason => 'moved') $$),
(3, 'assign', $$ SELECT hierarchy.assign('bench', $8, $4, relationship_type => 'works at', reason => 'new') $$),
(4, 'unassign', $$ SELECT hierarchy.unassign('bench', $1, $3, reason => 'left') $$),
(5, 'set_shares', $$ SELECT hierarchy.set_shares('bench', $5, jsonb_build_object($6, 0.3, $7, 0.7)) $$),
(6, 'set_primary', $$ SELECT hierarchy.set_primary('bench', $5, $7) $$),
(7, 'add_entity', $$ SELECT hierarchy.add_entity('prescriber', 'N-' || clock_timestamp(), 'a new one', identifiers => '{"free": "1"}') $$),
(8, 'merge_entity', $$ SELECT hierarchy.merge_entity($1, $2, 'the same') $$),
(9, 'undo', $$ SELECT hierarchy.undo($9) $$),
(10, 'preview_reassign', $$ SELECT hierarchy.preview_reassign('bench', $1, $3, $4) $$);
INSERT INTO hierarchy.identifier_scheme (scheme) VALUES ('free');

-- Every verb once a round, on leaves that no other round has seen, in an order
-- that rotates.  Planned each time, as when an application sends them.
CREATE PROCEDURE bench.verbs(rounds int)
LANGUAGE plpgsql AS $$
DECLARE
	h     int := bench.hierarchy_id();
	verbs bench.verb[] := array(SELECT w FROM bench.verb w ORDER BY ord);
	v     bench.verb;
	one   bench.directory_source[];		-- leaves with one parent
	two   bench.directory_source[];		-- the primary rows of leaves with two
	other bigint[];						-- their other parents
	a     bench.directory_source;		-- the row to be moved
	b     bench.directory_source;
	alone bigint;
	last  bigint;
	r     int;
	t     timestamptz;
	took  float8;
BEGIN
	one := array(SELECT s FROM bench.directory_source s, bench.level
				 WHERE child_id > first_prescriber AND child_id % 997 = 1 AND share = 1 ORDER BY child_id LIMIT 2 * (rounds + 4));
	two := array(SELECT s FROM bench.directory_source s WHERE share = 0.6 ORDER BY child_id LIMIT rounds + 4);
	other := array(SELECT parent_id FROM bench.directory_source s WHERE share = 0.4 ORDER BY child_id LIMIT rounds + 4);
	INSERT INTO hierarchy.entity (entity_type, code, name) VALUES ('prescriber', 'X-1', 'somebody') RETURNING entity_id INTO alone;
	COMMIT;
	FOR r IN 1 .. rounds + 4 LOOP
		FOR i IN 1 .. cardinality(verbs) LOOP
			v := verbs[1 + (r + i) % cardinality(verbs)];
			a := one[r];
			b := one[cardinality(one) + 1 - r];
			IF v.name = 'reassign a subtree' THEN
				SELECT s.* INTO STRICT a FROM bench.directory_source s, bench.target
				WHERE wanted = 100000 AND s.child_id = node AND s.is_primary;
				b.parent_id := (SELECT parent_id FROM bench.directory_source s WHERE relationship_type = a.relationship_type
								AND parent_id > (SELECT nodes FROM bench.level) AND parent_id <> a.parent_id LIMIT 1);
			END IF;
			CONTINUE WHEN a.parent_id = b.parent_id;
			IF v.name = 'undo' THEN
				UPDATE hierarchy.relationship SET attributes = '{"a": 1}' WHERE hierarchy_id = h AND child_id = a.child_id;
				COMMIT;
				SELECT max(change_id) INTO last FROM hierarchy.change_log;
			END IF;
			t := clock_timestamp();
			EXECUTE v.statement USING a.child_id, b.child_id, a.parent_id, b.parent_id, two[r].child_id, two[r].parent_id, other[r],
				alone, last;
			COMMIT;
			took := bench.us_since(t);
			IF r > 4 THEN
				PERFORM bench.record(v.name, 'raw', took);
			END IF;
			DELETE FROM hierarchy.identifier;
			PERFORM bench.as_loaded(a.child_id, b.child_id, two[r].child_id, alone);
			COMMIT;
		END LOOP;
	END LOOP;
END
$$;

CALL bench.verbs(:runs * 10);

SELECT bench.line_of(710, format('verb: reassign an entity with %s below it, against a leaf', size), 'reassign a subtree', 'reassign', 'ratio', 1.5)
FROM bench.target WHERE wanted = 100000 \g /dev/null
SELECT bench.line_of(710 + ord, 'verb: ' || name, name, NULL, 'absolute', 2000)
FROM bench.verb WHERE name <> 'reassign a subtree' ORDER BY ord \g /dev/null

-- Nothing of it may have broken a rule.
DO $$
BEGIN
	IF EXISTS (SELECT FROM hierarchy.check_hierarchy('bench')) THEN
		RAISE EXCEPTION 'the directory is no longer right';
	END IF;
END
$$;
