-- For scale: the same totals by other means, each once.

-- A closure table, ready made (not counted), joined to the facts.
CREATE UNLOGGED TABLE bench.closure AS
SELECT ancestor, descendant FROM hierarchy.closure('bench.split');
CREATE INDEX ON bench.closure (descendant);
VACUUM (FREEZE, ANALYZE) bench.closure;

-- Every fact knows all its ancestors.
CREATE UNLOGGED TABLE bench.above AS
SELECT descendant AS key, array_agg(ancestor) AS ancestors FROM bench.closure GROUP BY descendant;
VACUUM (FREEZE, ANALYZE) bench.above;

INSERT INTO bench.query VALUES
('peer rollup', 'SELECT node, total FROM hierarchy.each((SELECT hierarchy.rollup(''bench.split'', key, v) FROM bench.fact)) OFFSET 1000000000'),
('peer closure', 'SELECT c.ancestor, sum(f.v) FROM bench.fact f JOIN bench.closure c ON c.descendant = f.key GROUP BY c.ancestor OFFSET 1000000000'),
('peer closure of sums', 'SELECT c.ancestor, sum(f.v) FROM (SELECT key, sum(v) AS v FROM bench.fact GROUP BY key) f JOIN bench.closure c ON c.descendant = f.key GROUP BY c.ancestor OFFSET 1000000000'),
('peer array', 'SELECT x.ancestor, sum(f.v) FROM bench.fact f JOIN bench.above a ON a.key = f.key, unnest(a.ancestors) x(ancestor) GROUP BY x.ancestor OFFSET 1000000000'),
('peer recursive', 'WITH RECURSIVE up(leaf, node) AS (SELECT child_id, child_id FROM bench.source UNION SELECT u.leaf, e.parent_id FROM up u JOIN bench.btree_edge e ON e.child_id = u.node WHERE e.parent_id IS NOT NULL) SELECT u.node, sum(f.v) FROM bench.fact f JOIN up u ON u.leaf = f.key GROUP BY u.node OFFSET 1000000000');

CALL bench.rounds(ARRAY['peer rollup', 'peer closure', 'peer closure of sums', 'peer array', 'peer recursive'], least(:runs, 2));
SELECT bench.line_of(v.ord, v.label, 'peer rollup', v.peer, 'faster', NULL)
FROM (VALUES
	(1500, 'totals of all nodes, rollup and each(), against a closure table joined to the facts', 'peer closure'),
	(1510, 'the same, against a closure table joined to sums by key', 'peer closure of sums'),
	(1520, 'the same, against an array of ancestors for each node', 'peer array'),
	(1530, 'the same, against a recursive CTE', 'peer recursive')) v(ord, label, peer)
\g /dev/null
DROP TABLE bench.closure, bench.above;
