-- The worst case for distinct: 31 layers, every second node with three parents
-- on the layer above, so that nearly everything below is reached over very many
-- paths.  Ten facts a node.
-- Variables: nodes, seed.

SELECT least(:nodes, 100000) / 31 AS width \gset

CREATE TABLE bench.worst_edge (parent_id bigint, child_id bigint NOT NULL, share numeric);
INSERT INTO bench.worst_edge SELECT NULL, n, NULL FROM generate_series(1, :width) n;
INSERT INTO bench.worst_edge
SELECT (layer - 1) * :width + 1 + ((h & 1048575) + k * (1 + ((h >> 20) & 1023))) % :width,
	   layer * :width + i, CASE WHEN i % 2 = 0 THEN 1 ELSE (ARRAY[0.5, 0.3, 0.2])[k + 1] END
FROM (SELECT layer, i, hashint8extended(layer * :width + i, :seed) AS h
	  FROM generate_series(1, 30) layer, generate_series(1, :width) i) n,
	 generate_series(0, 2) k
WHERE k = 0 OR i % 2 = 1;
CREATE INDEX worst ON bench.worst_edge USING hgraph (parent_id, child_id)
	INCLUDE (share) WITH (weight = 'share');
VACUUM (FREEZE, ANALYZE) bench.worst_edge;

CREATE UNLOGGED TABLE bench.worst_fact AS
SELECT 1 + ((h >> 20) & 1099511627775) % (31 * :width) AS key, (h & 1048575) AS v
FROM (SELECT hashint8extended(n, :seed + 1) AS h FROM generate_series(1, 310 * :width) n) x;
VACUUM (FREEZE, ANALYZE) bench.worst_fact;

INSERT INTO bench.query
SELECT 'worst ' || mode,
	   format('SELECT hierarchy.rollup(''bench.worst'', key, v, %L) FROM bench.worst_fact OFFSET 1', mode)
FROM unnest(ARRAY['distinct', 'weighted', 'paths']) mode
UNION ALL VALUES ('worst group by', 'SELECT key, sum(v) FROM bench.worst_fact GROUP BY key OFFSET 1000000000');

-- Some nodes of the first layers, summed up one by one.
DO $$
DECLARE
	r hierarchy.hrollup := (SELECT hierarchy.rollup('bench.worst', key, v) FROM bench.worst_fact);
	n bigint;
	s numeric;
BEGIN
	FOR n IN SELECT 1 + i * 997 FROM generate_series(0, 19) i LOOP
		SELECT sum(f.v) INTO s FROM bench.worst_fact f
		WHERE f.key IN (SELECT d.node FROM hierarchy.descendants('bench.worst', n, include_self => true) d);
		IF (r OPERATOR(hierarchy.->) n) IS DISTINCT FROM s THEN
			RAISE EXCEPTION 'worst case, node %: % instead of %', n, r OPERATOR(hierarchy.->) n, s;
		END IF;
	END LOOP;
END
$$;

CALL bench.rounds(ARRAY['worst distinct', 'worst group by', 'worst weighted', 'worst paths'], least(:runs, 3));
