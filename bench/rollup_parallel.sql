-- Rollups with two parallel workers against the same without.

INSERT INTO bench.query
SELECT format('%s, %s workers', q.name, w), q.statement, w
FROM (VALUES ('distinct', 'SELECT hierarchy.rollup(''bench.split'', key, v) FROM bench.fact OFFSET 1'),
			 ('weighted', 'SELECT hierarchy.rollup(''bench.split'', key, v, ''weighted'') FROM bench.fact OFFSET 1'),
			 ('sum', 'SELECT sum(v) FROM bench.fact OFFSET 1')) q(name, statement),
	 unnest(ARRAY[0, 2]) w;

-- The plan is parallel, or there is nothing to compare.
DO $$
DECLARE
	line text;
	plan text := '';
BEGIN
	SET LOCAL max_parallel_workers_per_gather = 2;
	FOR line IN EXECUTE 'EXPLAIN ' || (SELECT statement FROM bench.query WHERE name = 'distinct, 2 workers') LOOP
		plan := plan || line || E'\n';
	END LOOP;
	IF plan !~ 'Partial Aggregate' THEN
		RAISE EXCEPTION E'no parallel plan:\n%', plan;
	END IF;
END
$$;

-- Both give the same.
DO $$
DECLARE
	wrong bigint;
	one   hierarchy.hrollup;
	three hierarchy.hrollup;
BEGIN
	one := (SELECT hierarchy.rollup('bench.split', key, v, 'weighted') FROM bench.fact);
	SET LOCAL max_parallel_workers_per_gather = 2;
	three := (SELECT hierarchy.rollup('bench.split', key, v, 'weighted') FROM bench.fact);
	SELECT count(*) INTO wrong
	FROM hierarchy.each(one) a FULL JOIN hierarchy.each(three) b USING (node)
	WHERE (a.own, a.total, a.own_count, a.total_count) IS DISTINCT FROM (b.own, b.total, b.own_count, b.total_count);
	IF wrong > 0 THEN
		RAISE EXCEPTION 'parallel rollup: % nodes differ', wrong;
	END IF;
END
$$;

CALL bench.rounds(ARRAY['distinct, 0 workers', 'distinct, 2 workers', 'weighted, 0 workers', 'weighted, 2 workers', 'sum, 2 workers'],
				  least(:runs, 4));
