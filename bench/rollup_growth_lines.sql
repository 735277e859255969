-- The first measurement of each size reads its graph into memory.
DELETE FROM bench.result r
WHERE test LIKE 'growth %' AND side = 'raw'
AND ctid = (SELECT min(ctid) FROM bench.result WHERE test = r.test AND side = 'raw');

SELECT bench.line_of(1600 + n::int, format('rollup over %s nodes, two facts a node', size),
					 'growth ' || size, NULL, 'absolute', NULL)
FROM (SELECT row_number() OVER (ORDER BY size) AS n, size
	  FROM (SELECT DISTINCT substring(test FROM 8)::bigint AS size
			FROM bench.result WHERE test LIKE 'growth %' AND side = 'raw') s) t
\g /dev/null

INSERT INTO bench.note
SELECT format('Time of a rollup grows with the number of nodes to the power of %s (least squares over %s sizes).',
			  round(regr_slope(ln(us), ln(size))::numeric, 2), count(*))
FROM (SELECT substring(test FROM 8)::float8 AS size, percentile_cont(0.5) WITHIN GROUP (ORDER BY us) AS us
	  FROM bench.result WHERE test LIKE 'growth %' AND side = 'raw' GROUP BY test) m;
