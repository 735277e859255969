-- What the rollup lines add up: ten facts a node, in random order; nodes of all
-- levels have some.
-- Variables: nodes, seed.

CREATE UNLOGGED TABLE bench.fact (
	key     bigint NOT NULL,
	v       bigint,
	d       double precision,
	day     date,
	product smallint,
	n       numeric(12, 2)
) WITH (parallel_workers = 2);
INSERT INTO bench.fact
SELECT 1 + ((h >> 24) & 1099511627775) % :nodes, (h & 1048575) - 50000,
	   (h & 16777215) / 7.0::float8, '2024-01-01'::date + (h & 511)::int,
	   (h & 15)::smallint, (h & 16777215) * 0.01
FROM (SELECT hashint8extended(a * 1000::bigint + b, :seed) AS h
	  FROM generate_series(1, :nodes / 100) a, generate_series(1, 1000) b OFFSET 0) x;
VACUUM (FREEZE, ANALYZE) bench.fact;

-- The graph is read into memory when it is first used, which has a line of its
-- own (first use); it is not counted here.
SELECT node FROM hierarchy.children('bench.split', 1) \g /dev/null
