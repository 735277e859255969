-- The data set: networks > organisations > accounts > prescribers.
-- Variables: nodes, seed.
--
-- Level n+1 picks its parents on level n by a power of a uniform random
-- number, so that sizes are skewed: at a million nodes the greatest network
-- holds about a tenth of everything, organisations range from some hundred to
-- some thousand nodes and accounts from about ten to a thousand.

SELECT greatest(:nodes / 10000, 1) AS networks,
	   greatest(:nodes / 500, 2) AS organisations,
	   greatest(:nodes / 20, 4) AS accounts \gset
SELECT :networks AS first_organisation,
	   :networks + :organisations AS first_account,
	   :networks + :organisations + :accounts AS first_prescriber \gset

-- Rows in the order of a natural load: parents first, level by level; both
-- rows of a prescriber with two parents stand together.  Networks have no
-- parent: their rows only make them known.
CREATE FUNCTION bench.make_edges(edges regclass, nodes bigint, seed float8) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	networks      bigint := greatest(nodes / 10000, 1);
	organisations bigint := greatest(nodes / 500, 2);
	accounts      bigint := greatest(nodes / 20, 4);
	first_organisation bigint := networks;
	first_account      bigint := networks + organisations;
	first_prescriber   bigint := networks + organisations + accounts;
BEGIN
	PERFORM setseed(seed);
	EXECUTE format($f$
		INSERT INTO %s
		SELECT NULL, n FROM generate_series(1, %s) n
		$f$, edges, networks);
	EXECUTE format($f$
		INSERT INTO %s
		SELECT 1 + floor(%s * random() ^ 2), %s + n FROM generate_series(1, %s) n
		$f$, edges, networks, first_organisation, organisations);
	EXECUTE format($f$
		INSERT INTO %s
		SELECT %s + 1 + floor(%s * random() ^ 1.5), %s + n FROM generate_series(1, %s) n
		$f$, edges, first_organisation, organisations, first_account, accounts);
	EXECUTE format($f$
		INSERT INTO %1$s
		WITH prescriber AS MATERIALIZED (
			SELECT %4$s + n AS id,
				   floor(%3$s * random() ^ 1.6)::bigint AS account,
				   floor(%3$s * random() ^ 1.6)::bigint AS other,
				   n %% 10 = 0 AS has_two
			FROM generate_series(1, %5$s) n)
		SELECT %2$s + 1 + p.account, p.id
		FROM (SELECT id, account, 1 AS nth FROM prescriber
			  UNION ALL
			  SELECT id, CASE other WHEN account THEN (account + 1) %% %3$s ELSE other END, 2
			  FROM prescriber WHERE has_two) p
		ORDER BY p.id, p.nth
		$f$, edges, first_account, accounts, first_prescriber, nodes - first_prescriber);
END
$$;

CREATE TABLE bench.source (parent_id bigint, child_id bigint NOT NULL);
SELECT bench.make_edges('bench.source', :nodes, (:seed % 1000000) / 1000000.0) \g /dev/null
VACUUM (FREEZE, ANALYZE) bench.source;

-- Where the levels begin, for the tests.
CREATE TABLE bench.level AS
SELECT :networks::bigint AS networks, :first_organisation::bigint AS first_organisation,
	   :first_account::bigint AS first_account, :first_prescriber::bigint AS first_prescriber,
	   :nodes::bigint AS nodes;

-- Size of everything that is not a leaf, itself not counted.
CREATE TEMPORARY TABLE size AS
WITH edge AS MATERIALIZED (
	SELECT * FROM bench.source WHERE parent_id IS NOT NULL
), affiliation AS (
	SELECT n.parent_id AS network, n.child_id AS organisation,
		   o.child_id AS account, p.child_id AS prescriber
	FROM edge n
	JOIN edge o ON o.parent_id = n.child_id
	LEFT JOIN edge p ON p.parent_id = o.child_id
	WHERE n.child_id > :first_organisation AND n.child_id <= :first_account
)
SELECT account AS node, count(prescriber) AS n FROM affiliation GROUP BY 1
UNION ALL
SELECT organisation, count(DISTINCT account) + count(DISTINCT prescriber)
FROM affiliation GROUP BY 1
UNION ALL
SELECT network, count(DISTINCT organisation) + count(DISTINCT account) + count(DISTINCT prescriber)
FROM affiliation GROUP BY 1;

-- The subtrees to measure: of each wanted size, the one that comes nearest.
CREATE TABLE bench.target AS
SELECT w AS wanted, s.node, s.n AS size
FROM unnest(ARRAY[10, 1000, 15000, 100000]) w,
LATERAL (SELECT node, n FROM size WHERE n > 0 ORDER BY abs(ln(n::float8 / w)), node LIMIT 1) s;

DROP TABLE size;

-- The same rows twice: under an hgraph index, and under the two B-trees that
-- serve both directions with index-only scans.
CREATE TABLE bench.graph_edge (parent_id bigint, child_id bigint NOT NULL);
CREATE TABLE bench.btree_edge (LIKE bench.graph_edge INCLUDING ALL);
INSERT INTO bench.graph_edge SELECT * FROM bench.source;
INSERT INTO bench.btree_edge SELECT * FROM bench.source;

DO $$
DECLARE
	t timestamptz := clock_timestamp();
BEGIN
	CREATE INDEX graph ON bench.graph_edge USING hgraph (parent_id, child_id);
	PERFORM bench.record('build', 'subject', bench.us_since(t));
	t := clock_timestamp();
	CREATE INDEX btree_down ON bench.btree_edge (parent_id, child_id);
	CREATE INDEX btree_up ON bench.btree_edge (child_id, parent_id);
	PERFORM bench.record('build', 'peer', bench.us_since(t));
END
$$;
VACUUM (FREEZE, ANALYZE) bench.graph_edge;
VACUUM (FREEZE, ANALYZE) bench.btree_edge;

SELECT bench.record('size', 'subject', pg_relation_size('bench.graph')),
	   bench.record('size', 'peer', pg_relation_size('bench.btree_down') + pg_relation_size('bench.btree_up'))
\g /dev/null

INSERT INTO bench.line VALUES
(900, 'build', 'CREATE INDEX against two B-trees', 'ratio', NULL),
(910, 'size', 'size of the index against two B-trees', 'size', NULL);
