-- Reassignment: a leaf, and the subtree of about 100,000 nodes, each moved
-- back and forth between the same two accounts, ten times a transaction.  Rows
-- are found by their address so that nothing but the change itself counts.

CREATE PROCEDURE bench.reassign(rounds int)
LANGUAGE plpgsql AS $$
DECLARE
	subtree bigint := (SELECT node FROM bench.target WHERE wanted = 100000);
	leaf    bench.source;
	account bigint[];
	row_of  tid[];				-- leaf and subtree, graph_edge then btree_edge
	names   text[] := ARRAY['leaf', 'subtree', 'leaf', 'subtree'];
	k       int;
	at      tid;
	t       timestamptz;
	took    float8;
BEGIN
	-- Two accounts outside of the subtree, by their organisations' networks.
	SELECT array_agg(x.child_id) INTO account
	FROM (SELECT a.child_id
		  FROM bench.source a, bench.source o, bench.level l
		  WHERE a.child_id > l.first_account AND a.child_id <= l.first_prescriber
		  AND o.child_id = a.parent_id AND o.parent_id <> subtree AND a.parent_id <> subtree
		  AND a.child_id <> subtree
		  ORDER BY a.child_id LIMIT 2) x;
	SELECT s.* INTO leaf FROM bench.source s, bench.level l
	WHERE s.child_id > l.first_prescriber AND s.parent_id <> ALL (account)
	ORDER BY s.child_id LIMIT 1;
	row_of := ARRAY[
		(SELECT ctid FROM bench.graph_edge WHERE child_id = leaf.child_id AND parent_id = leaf.parent_id),
		(SELECT ctid FROM bench.graph_edge WHERE child_id = subtree),
		(SELECT ctid FROM bench.btree_edge WHERE child_id = leaf.child_id AND parent_id = leaf.parent_id),
		(SELECT ctid FROM bench.btree_edge WHERE child_id = subtree)];

	FOR r IN -4 .. rounds LOOP
		FOR i IN 0 .. 3 LOOP
			k := 1 + ((r + i) & 3);
			at := row_of[k];
			t := clock_timestamp();
			FOR m IN 1 .. 10 LOOP
				IF k <= 2 THEN
					UPDATE bench.graph_edge SET parent_id = account[1 + (m & 1)]
					WHERE ctid = at RETURNING ctid INTO STRICT at;
				ELSE
					UPDATE bench.btree_edge SET parent_id = account[1 + (m & 1)]
					WHERE ctid = at RETURNING ctid INTO STRICT at;
				END IF;
			END LOOP;
			took := bench.us_since(t) / 10;
			IF r > 0 THEN
				PERFORM bench.record(names[k], CASE WHEN k <= 2 THEN 'subject' ELSE 'peer' END,
									 took);
			END IF;
			row_of[k] := at;
		END LOOP;
		COMMIT;
	END LOOP;

	-- As they were.
	UPDATE bench.graph_edge SET parent_id = leaf.parent_id WHERE ctid = row_of[1];
	UPDATE bench.btree_edge SET parent_id = leaf.parent_id WHERE ctid = row_of[3];
	UPDATE bench.graph_edge g SET parent_id = s.parent_id FROM bench.source s
	WHERE g.ctid = row_of[2] AND s.child_id = subtree;
	UPDATE bench.btree_edge g SET parent_id = s.parent_id FROM bench.source s
	WHERE g.ctid = row_of[4] AND s.child_id = subtree;
END
$$;

CALL bench.reassign(:runs * 20);

INSERT INTO bench.result
SELECT 'flat', CASE test WHEN 'subtree' THEN 'subject' ELSE 'peer' END, us
FROM bench.result WHERE test IN ('leaf', 'subtree') AND side = 'subject';

INSERT INTO bench.line
SELECT v.* FROM bench.target t, LATERAL (VALUES
	(500, 'leaf', 'reassign a leaf, against two B-trees', 'ratio', NULL::float8),
	(510, 'subtree', format('reassign a subtree of %s nodes, against two B-trees', size), 'ratio', NULL),
	(520, 'flat', format('reassign a subtree of %s nodes, against a leaf', size), 'ratio', 1.5)) v
WHERE t.wanted = 100000;

VACUUM bench.graph_edge;
VACUUM bench.btree_edge;
