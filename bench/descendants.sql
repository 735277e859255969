-- Descendants of subtrees of four sizes against a recursive CTE that walks
-- index-only scans and removes duplicates as it goes: once counted, once with
-- every row produced (OFFSET makes the executor fetch and drop them all, the
-- cheapest consumer there is), then with the shortest distance, as
-- descendants() returns it.

SELECT bench.define('counted_subject', $$
	SELECT count(*) INTO answer FROM hierarchy.descendants('bench.graph', a)
$$), bench.define('counted_peer', $$
	WITH RECURSIVE below(id) AS (
		SELECT child_id FROM bench.btree_edge WHERE parent_id = a
		UNION
		SELECT e.child_id FROM below JOIN bench.btree_edge e ON e.parent_id = below.id)
	SELECT count(*) INTO answer FROM below
$$), bench.define('rows_subject', $$
	PERFORM node, depth FROM hierarchy.descendants('bench.graph', a) OFFSET 1000000000
$$), bench.define('rows_peer', $$
	PERFORM * FROM (
		WITH RECURSIVE below(id, depth) AS (
			SELECT child_id, 1 FROM bench.btree_edge WHERE parent_id = a
			UNION
			SELECT e.child_id, below.depth + 1
			FROM below JOIN bench.btree_edge e ON e.parent_id = below.id)
		SELECT id, min(depth) FROM below GROUP BY id) b OFFSET 1000000000
$$) \g /dev/null

INSERT INTO bench.line
SELECT v.ord + row_number() OVER (ORDER BY wanted), v.test || wanted,
	   format('descendants, %s nodes, %s, against a recursive CTE', size, v.what),
	   'faster', CASE wanted WHEN 15000 THEN 100 END
FROM bench.target,
	 (VALUES (100, 'counted ', 'counted'),
			 (110, 'rows ', 'every row with its depth')) v(ord, test, what)
WHERE size BETWEEN wanted / 2 AND wanted * 2;

-- One pair of functions serves all sizes, as one prepared statement would.
-- Small data sets lack the large subtrees.  A turn is some calls in a row: the
-- first of them finds the processor's caches full of what the other side left.
SELECT bench.compare(test, test || ' ' || wanted, node, CASE WHEN size < 5000 THEN 10 ELSE 3 END,
					 :runs * CASE WHEN size < 5000 THEN 20 WHEN size < 50000 THEN 6 ELSE 2 END, 6)
FROM unnest(ARRAY['counted', 'rows']) test, bench.target
WHERE size BETWEEN wanted / 2 AND wanted * 2
ORDER BY test, wanted
\g /dev/null
