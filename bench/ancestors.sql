-- Ancestors of 1,000 leaves, all in one statement.  The peer carries (leaf,
-- ancestor) pairs through one recursion, which beats a recursion a leaf.

CREATE TABLE bench.leaf AS
SELECT l.first_prescriber + 1 + floor((l.nodes - l.first_prescriber) * random())::bigint AS id
FROM bench.level l, generate_series(1, 1000);
ANALYZE bench.leaf;

SELECT bench.define('ancestors_subject', $$
	SELECT count(x.node) INTO answer
	FROM (SELECT DISTINCT id FROM bench.leaf) l, LATERAL hierarchy.ancestors('bench.graph', l.id) x
$$), bench.define('ancestors_peer', $$
	WITH RECURSIVE above(leaf, id) AS (
		SELECT e.child_id, e.parent_id
		FROM bench.leaf l JOIN bench.btree_edge e ON e.child_id = l.id
		WHERE e.parent_id IS NOT NULL
		UNION
		SELECT a.leaf, e.parent_id
		FROM above a JOIN bench.btree_edge e ON e.child_id = a.id
		WHERE e.parent_id IS NOT NULL)
	SELECT count(id) INTO answer FROM above
$$) \g /dev/null

INSERT INTO bench.line VALUES
(200, 'ancestors', 'ancestors of 1,000 leaves, against a recursive CTE', 'faster', NULL);

SELECT bench.compare('ancestors', 'ancestors', NULL, 1, :runs * 10, 6) \g /dev/null
