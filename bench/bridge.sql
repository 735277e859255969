-- The bridge of one node: closure() with a filter, against a closure table
-- that somebody would have to maintain, with an index for either side.

CREATE TABLE bench.bridge AS SELECT ancestor, descendant, depth FROM hierarchy.closure('bench.graph');
CREATE INDEX ON bench.bridge (ancestor, descendant, depth);
CREATE INDEX ON bench.bridge (descendant, ancestor, depth);
VACUUM ANALYZE bench.bridge;
CREATE TABLE bench.bridge_leaf AS
SELECT DISTINCT l.first_prescriber + 1 + floor((l.nodes - l.first_prescriber) * random())::bigint AS id
FROM bench.level l, generate_series(1, 1000);
ANALYZE bench.bridge_leaf;

SELECT bench.define('bridge_below_subject', $$
	SELECT sum(c.depth) INTO answer FROM hierarchy.closure('bench.graph') c WHERE c.ancestor = a
$$), bench.define('bridge_below_peer', $$
	SELECT sum(b.depth) INTO answer FROM bench.bridge b WHERE b.ancestor = a
$$), bench.define('bridge_above_subject', $$
	SELECT sum(c.depth) INTO answer FROM hierarchy.closure('bench.graph') c WHERE c.descendant = a
$$), bench.define('bridge_above_peer', $$
	SELECT sum(b.depth) INTO answer FROM bench.bridge b WHERE b.descendant = a
$$), bench.define('bridge_join_subject', $$
	SELECT count(*) INTO answer FROM bench.bridge_leaf l JOIN hierarchy.closure('bench.graph') c ON c.descendant = l.id
$$), bench.define('bridge_join_peer', $$
	SELECT count(*) INTO answer FROM bench.bridge_leaf l JOIN bench.bridge b ON b.descendant = l.id
$$) \g /dev/null

INSERT INTO bench.line
SELECT CASE wanted WHEN 10 THEN 201 ELSE 202 END, 'bridge below ' || wanted,
	   format('bridge of one ancestor, %s nodes, against a closure table', size), 'ratio', NULL::float8
FROM bench.target WHERE wanted IN (10, 1000)
UNION ALL
SELECT 203, 'bridge above', 'bridge of one descendant, against a closure table', 'ratio', NULL::float8
UNION ALL
SELECT 204, 'bridge join', 'bridge of 1,000 leaves in a join, against a closure table', 'ratio', NULL::float8
UNION ALL
SELECT 205, 'bridge one', 'bridge of one node at most', 'absolute', 5000::float8;

SELECT bench.compare('bridge_below', 'bridge below ' || wanted, node, CASE wanted WHEN 10 THEN 100 ELSE 10 END,
					 :runs * 2, 1)
FROM bench.target WHERE wanted IN (10, 1000) \g /dev/null
SELECT bench.compare('bridge_above', 'bridge above', (SELECT min(id) FROM bench.bridge_leaf), 100, :runs * 2, 1) \g /dev/null
SELECT bench.compare('bridge_join', 'bridge join', NULL, 1, :runs * 2, 1) \g /dev/null
INSERT INTO bench.result
SELECT 'bridge one', 'subject', max(us) FROM bench.result
WHERE side = 'subject' AND test IN ('bridge below 10', 'bridge below 1000', 'bridge above');
DROP TABLE bench.bridge;
