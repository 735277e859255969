-- 100,000 within() checks: as a filter with one ancestor, and for pairs that
-- are different in every row.

CREATE TABLE bench.visit AS
SELECT l.first_prescriber + 1 + floor((l.nodes - l.first_prescriber) * random())::bigint AS node,
	   1 + floor(l.first_account * random())::bigint AS above
FROM bench.level l, generate_series(1, 100000);
VACUUM (FREEZE, ANALYZE) bench.visit;

-- A subtree of about 15,000 nodes; the peer collects it once and hashes it.
SELECT bench.define('within one_subject', $$
	SELECT count(*) INTO answer FROM bench.visit WHERE hierarchy.within('bench.graph', node, a)
$$), bench.define('within one_peer', $$
	WITH RECURSIVE below(id) AS (
		SELECT a
		UNION
		SELECT e.child_id FROM below JOIN bench.btree_edge e ON e.parent_id = below.id)
	SELECT count(*) INTO answer FROM bench.visit WHERE node IN (SELECT id FROM below)
$$) \g /dev/null

-- Pairs: the peer looks upward from each row and stops where it can.
SELECT bench.define('within pairs_subject', $$
	SELECT count(*) INTO answer FROM bench.visit WHERE hierarchy.within('bench.graph', node, above)
$$), bench.define('within pairs_peer', $$
	SELECT count(*) INTO answer
	FROM bench.visit f
	WHERE EXISTS (
		WITH RECURSIVE up(id) AS (
			SELECT f.node
			UNION
			SELECT e.parent_id FROM up JOIN bench.btree_edge e ON e.child_id = up.id
			WHERE e.parent_id IS NOT NULL)
		SELECT 1 FROM up WHERE id = f.above)
$$) \g /dev/null

INSERT INTO bench.line VALUES
(300, 'within one', '100,000 within checks, one ancestor, against IN (recursive CTE)', 'faster', NULL),
(310, 'within pairs', '100,000 within checks, all pairs different, against EXISTS (recursive CTE)', 'faster', NULL);

SELECT bench.compare('within one', 'within one', node, 1, :runs * 3, 3) FROM bench.target WHERE wanted = 15000 \g /dev/null
SELECT bench.compare('within pairs', 'within pairs', NULL, 1, :runs, 1) \g /dev/null
