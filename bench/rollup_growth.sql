-- Growth: data sets of four sizes made as the main one is, with two facts a
-- node; what each takes, and the exponent of the time by least squares on
-- logarithms.
-- Variables: nodes, seed, runs.

CREATE PROCEDURE bench.grow(size bigint, seed bigint)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE UNLOGGED TABLE bench.edge_%s (parent_id bigint, child_id bigint)', size);
	PERFORM bench.make_edges(format('bench.edge_%s', size)::regclass, size, (seed % 1000000) / 1000000.0);
	EXECUTE format('CREATE INDEX graph_%1$s ON bench.edge_%1$s USING hgraph (parent_id, child_id)', size);
	EXECUTE format($f$
		CREATE UNLOGGED TABLE bench.fact_%1$s AS
		SELECT 1 + ((h >> 24) & 1099511627775) %% %1$s AS key, (h & 1048575) AS v
		FROM (SELECT hashint8extended(a * 1000::bigint + b, %2$s) AS h
			  FROM generate_series(1, %1$s / 500) a, generate_series(1, 1000) b OFFSET 0) x
		$f$, size, seed);
	EXECUTE format('INSERT INTO bench.query VALUES (%L, %L)', 'growth ' || size,
		format('SELECT hierarchy.rollup(''bench.graph_%1$s'', key, v) FROM bench.fact_%1$s OFFSET 1', size));
END
$$;

SELECT :nodes / 100 AS size1, :nodes / 10 AS size2, :nodes AS size3, :nodes * 5 AS size4 \gset
CALL bench.grow(:size1, :seed);
CALL bench.grow(:size2, :seed);
CALL bench.grow(:size3, :seed);
CALL bench.grow(:size4, :seed);
VACUUM (FREEZE, ANALYZE) bench.edge_:size1, bench.fact_:size1, bench.edge_:size2, bench.fact_:size2,
	bench.edge_:size3, bench.fact_:size3, bench.edge_:size4, bench.fact_:size4;

-- What is small is measured more often.
CALL bench.rounds(ARRAY['growth ' || :size1, 'growth ' || :size2], 3 * :runs);
CALL bench.rounds(ARRAY['growth ' || :size3, 'growth ' || :size4], least(:runs, 3) + 1);
