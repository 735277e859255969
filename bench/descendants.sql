-- Descendants of subtrees of four sizes against a recursive CTE that walks
-- index-only scans and removes duplicates as it goes.

SELECT bench.define('descendants_subject', $$
	SELECT count(node) INTO answer FROM hierarchy.descendants('bench.graph', a)
$$), bench.define('descendants_peer', $$
	WITH RECURSIVE below(id) AS (
		SELECT child_id FROM bench.btree_edge WHERE parent_id = a
		UNION
		SELECT e.child_id FROM below JOIN bench.btree_edge e ON e.parent_id = below.id)
	SELECT count(id) INTO answer FROM below
$$) \g /dev/null

-- The same with what descendants() also returns, the shortest distance.
SELECT bench.define('depths_subject', $$
	SELECT count(node) + sum(depth) INTO answer FROM hierarchy.descendants('bench.graph', a)
$$), bench.define('depths_peer', $$
	WITH RECURSIVE below(id, depth) AS (
		SELECT child_id, 1 FROM bench.btree_edge WHERE parent_id = a
		UNION
		SELECT e.child_id, below.depth + 1
		FROM below JOIN bench.btree_edge e ON e.parent_id = below.id)
	SELECT count(id) + sum(depth) INTO answer
	FROM (SELECT id, min(depth) AS depth FROM below GROUP BY id) b
$$) \g /dev/null

INSERT INTO bench.line
SELECT v.ord + row_number() OVER (ORDER BY wanted), v.test || wanted,
	   format('%s, %s nodes, against a recursive CTE', v.label, size),
	   'faster', CASE wanted WHEN 15000 THEN 100 END
FROM bench.target,
	 (VALUES (100, 'descendants ', 'descendants'),
			 (110, 'depths ', 'descendants with depth')) v(ord, test, label)
WHERE size BETWEEN wanted / 2 AND wanted * 2;

-- One pair of functions serves all sizes, as one prepared statement would.
-- Small data sets lack the large subtrees.
SELECT bench.compare(test, test || ' ' || wanted, node, CASE WHEN size < 100 THEN 10 ELSE 1 END,
					 :runs * CASE WHEN size < 5000 THEN 20 WHEN size < 50000 THEN 6 ELSE 2 END, 6)
FROM unnest(ARRAY['descendants', 'depths']) test, bench.target
WHERE size BETWEEN wanted / 2 AND wanted * 2
ORDER BY test, wanted
\g /dev/null
