-- First use in a new connection: bench/run calls these two functions, each
-- time in a connection of its own.

SELECT bench.define('first_subject', $$
	SELECT count(node) INTO answer FROM hierarchy.descendants('bench.graph', a)
$$), bench.define('first_peer', $$
	WITH RECURSIVE below(id) AS (
		SELECT child_id FROM bench.btree_edge WHERE parent_id = a
		UNION
		SELECT e.child_id FROM below JOIN bench.btree_edge e ON e.parent_id = below.id)
	SELECT count(id) INTO answer FROM below
$$) \g /dev/null

INSERT INTO bench.line VALUES
(700, 'first', 'first use in a new connection, against a recursive CTE''s', 'absolute', 250000);
