-- Rollups of ten facts a node, over all nodes, against plain aggregates of the
-- same facts.  bench/run adds the memory, then calls rollup_lines.sql.

INSERT INTO bench.query VALUES
('group by', 'SELECT key, sum(v) FROM bench.fact GROUP BY key OFFSET 1000000000'),
('group by n', 'SELECT key, sum(n) FROM bench.fact GROUP BY key OFFSET 1000000000'),
('group by d', 'SELECT key, sum(d) FROM bench.fact GROUP BY key OFFSET 1000000000'),
('sum', 'SELECT sum(v) FROM bench.fact OFFSET 1'),
('distinct', 'SELECT hierarchy.rollup(''bench.split'', key, v) FROM bench.fact OFFSET 1'),
('rows', 'SELECT node, total FROM hierarchy.each((SELECT hierarchy.rollup(''bench.split'', key, v) FROM bench.fact)) OFFSET 1000000000'),
('weighted', 'SELECT hierarchy.rollup(''bench.split'', key, v, ''weighted'') FROM bench.fact OFFSET 1'),
('primary', 'SELECT hierarchy.rollup(''bench.split'', key, v, ''primary'') FROM bench.fact OFFSET 1'),
('paths', 'SELECT hierarchy.rollup(''bench.split'', key, v, ''paths'') FROM bench.fact OFFSET 1'),
('count', 'SELECT hierarchy.rollup(''bench.split'', key) FROM bench.fact OFFSET 1'),
('numeric', 'SELECT hierarchy.rollup(''bench.split'', key, n) FROM bench.fact OFFSET 1'),
('numeric weighted', 'SELECT hierarchy.rollup(''bench.split'', key, n, ''weighted'') FROM bench.fact OFFSET 1'),
('double', 'SELECT hierarchy.rollup(''bench.split'', key, d) FROM bench.fact OFFSET 1');

-- Is it right?  For one product and some months the totals are worked out in plain SQL, over
-- every path from a node with facts to everything above it.
CREATE TABLE bench.own AS
SELECT key, sum(v)::bigint AS v, sum(n) AS n, sum(d) AS d, count(*) AS facts
FROM bench.fact WHERE product = 1 AND day < '2024-06-01' GROUP BY key;
ANALYZE bench.own;

CREATE TABLE bench.pair AS
WITH RECURSIVE path(leaf, node, percent, is_primary) AS (
	SELECT key, key, 100, true FROM bench.own
	UNION ALL
	SELECT p.leaf, e.parent_id, p.percent * (e.share * 100)::int / 100, p.is_primary AND e.is_primary
	FROM path p JOIN bench.split_edge e ON e.child_id = p.node
	WHERE e.parent_id IS NOT NULL
)
SELECT node, leaf, count(*) AS paths, sum(percent) AS percent, bool_or(is_primary) AS is_primary
FROM path GROUP BY node, leaf;
ANALYZE bench.pair;

CREATE TABLE bench.expected AS
SELECT node, sum(v) AS "distinct", sum(v * percent) / 100 AS weighted,
	   sum(v) FILTER (WHERE is_primary) AS "primary", sum(v * paths) AS paths,
	   sum(n) AS n, sum(d) AS d, sum(facts) AS facts
FROM bench.pair JOIN bench.own ON key = leaf
GROUP BY node;

DO $$
DECLARE
	c     record;
	wrong bigint;
	an    bigint;
BEGIN
	FOR c IN SELECT * FROM (VALUES
			('distinct', 'v', 'e.total IS DISTINCT FROM x."distinct" OR e.total_count IS DISTINCT FROM x.facts'),
			('weighted', 'v', 'e.total IS DISTINCT FROM x.weighted'),
			('primary', 'v', 'e.total IS DISTINCT FROM x."primary"'),
			('paths', 'v', 'e.total IS DISTINCT FROM x.paths'),
			('distinct', 'n', 'e.total IS DISTINCT FROM x.n'),
			('distinct', 'd', '(abs(e.total - x.d) < 0.01) IS NOT TRUE')) t (mode, value, differs) LOOP
		EXECUTE format($f$
			SELECT count(*), min(coalesce(e.node, x.node))
			FROM hierarchy.each((SELECT hierarchy.rollup('bench.split', key, %I, %L)
								 FROM bench.fact WHERE product = 1 AND day < '2024-06-01')) e
			FULL JOIN (SELECT * FROM bench.expected WHERE %I IS NOT NULL) x ON x.node = e.node
			WHERE %s
			$f$, c.value, c.mode, CASE c.value WHEN 'v' THEN c.mode ELSE c.value END, c.differs)
			INTO wrong, an;
		IF wrong > 0 THEN
			RAISE EXCEPTION 'rollup of %, %: % nodes differ, % among them', c.value, c.mode, wrong, an;
		END IF;
	END LOOP;
END
$$;
DROP TABLE bench.expected, bench.pair, bench.own;

-- For all facts: what each node has of its own, and as shares sum to 1, the
-- weighted totals of the roots.
DO $$
DECLARE
	r     hierarchy.hrollup := (SELECT hierarchy.rollup('bench.split', key, v, 'weighted') FROM bench.fact);
	wrong bigint;
BEGIN
	SELECT count(*) INTO wrong
	FROM (SELECT node, own FROM hierarchy.each(r) WHERE own_count > 0) e
	FULL JOIN (SELECT key, sum(v) AS own FROM bench.fact GROUP BY key) f ON key = node
	WHERE e.own IS DISTINCT FROM f.own;
	IF wrong > 0 THEN
		RAISE EXCEPTION 'rollup of all facts: % nodes differ', wrong;
	END IF;
	IF (hierarchy.reconcile(r)).root_total IS DISTINCT FROM (SELECT sum(v) FROM bench.fact) THEN
		RAISE EXCEPTION 'rollup of all facts: % at the roots', (hierarchy.reconcile(r)).root_total;
	END IF;
END
$$;

-- GROUP BY takes long: two rounds of everything, another one of the rest.
CALL bench.rounds(ARRAY['distinct', 'group by', 'weighted', 'sum', 'primary', 'rows', 'paths', 'numeric',
						'group by n', 'double', 'sum', 'count', 'numeric weighted', 'group by d', 'distinct', 'weighted'],
				  least(:runs, 2));
CALL bench.rounds(ARRAY['distinct', 'weighted', 'sum', 'primary', 'rows', 'paths', 'numeric', 'double', 'count',
						'numeric weighted'], least(:runs - 1, 1));
