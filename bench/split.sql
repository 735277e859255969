-- The edges of the data set with shares and primary flags: a prescriber with
-- two accounts is split between them, and one of the two is primary.
-- Variables: seed.

CREATE TABLE bench.split_edge (
	parent_id  bigint,
	child_id   bigint NOT NULL,
	share      numeric,
	is_primary boolean NOT NULL
);
INSERT INTO bench.split_edge
SELECT parent_id, child_id,
	   CASE WHEN parent_id IS NULL THEN NULL
			WHEN of = 1 THEN 1
			WHEN nth = 1 THEN percent / 100.0
			ELSE 1 - percent / 100.0 END::numeric(3, 2),
	   nth = 1
FROM (SELECT parent_id, child_id,
			 row_number() OVER (PARTITION BY child_id ORDER BY parent_id) AS nth,
			 count(*) OVER (PARTITION BY child_id) AS of,
			 1 + (hashint8extended(child_id, :seed) & 63) AS percent
	  FROM bench.source) e
ORDER BY child_id, nth;
CREATE INDEX split ON bench.split_edge USING hgraph (parent_id, child_id)
	INCLUDE (share, is_primary) WITH (weight = 'share', is_primary = 'is_primary');
VACUUM (FREEZE, ANALYZE) bench.split_edge;
