-- What rollups must hold, said again in plain SQL.
--
-- oracle.check(...) compares rollups with what recursive queries over the same
-- facts and edges find, and returns a line for every difference.  Its
-- arguments are queries:
--
--   got    grp text, r hrollup
--   fact   grp text, key text, value numeric: the facts of these rollups, key
--          as the graph writes it; all of them are values, or 1 to be counted
--   edge   parent text, child text, share numeric, is_primary boolean: the rows
--          of the graph on that day
--
-- Edges that hand on: all pairs of parent and child; for primary the primary
-- ones, for weighted those with a stated share.  From each node all walks
-- upward are followed: for distinct and primary as a set of pairs, for paths
-- and weighted one by one, with the product of shares.
--
-- Weighted totals are said twice: by the products of shares, which leave out
-- all rounding, and by the rule for rounding, one node after another.

CREATE SCHEMA oracle;

-- hand_on(...): totals by the rule for weighted rollups.  Nodes are numbered in
-- the order of their keys.  edges: those with a stated share, sorted by child
-- and parent; turns: all nodes, children before parents.
CREATE FUNCTION oracle.hand_on(own numeric[], parents int[], children int[],
							   shares numeric[], turns int[], unit int)
RETURNS numeric[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	total numeric[] = own;
	first int[];			-- a child's first edge
	turn int;
	e int;
	stated int;
	share_sum numeric;
	handed numeric;			-- so far
	now numeric;
BEGIN
	FOR e IN REVERSE coalesce(cardinality(children), 0) .. 1 LOOP
		first[children[e]] := e;
	END LOOP;
	FOREACH turn IN ARRAY turns LOOP
		e := first[turn];
		CONTINUE WHEN e IS NULL;
		SELECT count(*), sum(s) INTO stated, share_sum
			FROM unnest(children, shares) u(c, s) WHERE c = turn;
		-- Nothing but the rounding of the shares keeps them from 1?
		IF share_sum <> 1 AND abs(share_sum - 1) <= stated * 0.5e-15 THEN
			shares[e + stated - 1] := shares[e + stated - 1] + 1 - share_sum;
		END IF;
		share_sum := 0;
		handed := 0;
		FOR i IN e .. e + stated - 1 LOOP
			share_sum := share_sum + shares[i];
			now := round(total[turn] * share_sum, unit);
			total[parents[i]] := total[parents[i]] + now - handed;
			handed := now;
		END LOOP;
	END LOOP;
	RETURN total;
END $$;

-- show(x, places): x with as few decimal places as it needs, but at least so
-- many.
CREATE FUNCTION oracle.show(x numeric, places int)
RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN round(x, greatest(min_scale(x), places));

-- finite(x): is it a number like others?
CREATE FUNCTION oracle.finite(x numeric)
RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN x NOT IN ('NaN', 'Infinity', '-Infinity');

-- near(got, wanted, slack): equal, or not further apart.
CREATE FUNCTION oracle.near(got numeric, wanted numeric, slack numeric)
RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN CASE WHEN oracle.finite(got) AND oracle.finite(wanted) THEN abs(got - wanted) <= slack
			ELSE got = wanted END;

-- cyclic(edge): do the edges form a cycle?  above: one that is on the way up
-- from these keys.
CREATE FUNCTION oracle.cyclic(edge text, above text DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
	result boolean;
BEGIN
	EXECUTE format($q$
	WITH RECURSIVE
	e AS MATERIALIZED (SELECT parent, child FROM (%s) q WHERE parent IS NOT NULL),
	w(d, a) AS (SELECT child, parent FROM e
				UNION SELECT d, parent FROM w JOIN e ON child = a)
	SELECT exists(SELECT FROM w c WHERE a = d %s)
	$q$, edge, CASE WHEN above IS NOT NULL THEN
		format('AND exists(SELECT FROM w, (%s) f WHERE w.a = c.a AND f.key = w.d)', above) END)
	INTO result;
	RETURN result;
END $$;

-- wanted(...): the beginning of a query, with the relations
--   want   grp, k, depth, own, total, own_count, total_count, own_min, ...,
--          own_size, total_size (sums of absolute values), ideal (weighted:
--          without rounding), slack (how far rounding may lead from it), scale
--   head   grp, grand, unmatched, unmatched_rows, roots, unstated, size, scale
-- key_order: an expression over k that sorts as keys do.
CREATE FUNCTION oracle.wanted(fact text, edge text, key_order text, mode text, kind text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT format($q$
	WITH RECURSIVE
	r AS MATERIALIZED (%s),
	f AS MATERIALIZED (%s),
	node AS MATERIALIZED (
		SELECT k, row_number() OVER (ORDER BY %s)::int AS i FROM (
			SELECT child AS k FROM r UNION SELECT parent FROM r WHERE parent IS NOT NULL) u),
	-- the edges of the mode
	pair AS MATERIALIZED (
		SELECT parent, child, round(sum(share), 15) AS share FROM r
		WHERE parent IS NOT NULL AND %s GROUP BY 1, 2),
	-- those that hand on
	up AS MATERIALIZED (SELECT * FROM pair WHERE %s),
	walk(a, d, n) AS (
		SELECT k, k, 1::numeric FROM node
		%s SELECT up.parent, walk.d, %s FROM walk JOIN up ON up.child = walk.a),
	reach AS MATERIALIZED (SELECT a, d, sum(n) AS n, min(n) AS least_n, max(n) AS greatest_n, count(*) AS ways FROM walk GROUP BY 1, 2),
	scales AS MATERIALIZED (
		SELECT grp, coalesce(max(scale(value)), 0) AS scale FROM f GROUP BY 1),
	own AS MATERIALIZED (
		SELECT grp, key AS k, sum(value) AS s, count(*) AS c, min(value) AS lo, max(value) AS hi,
			sum(abs(value)) AS size
		FROM f WHERE key IN (SELECT k FROM node) GROUP BY 1, 2),
	total AS MATERIALIZED (
		SELECT grp, a AS k,
			-- infinities by paths of both signs, or of none, are no number
			sum(CASE WHEN oracle.finite(s) THEN s * n ELSE s * least_n + s * greatest_n END) AS s,
			sum(c * n) AS c, min(lo) AS lo, max(hi) AS hi,
			sum(size * abs(n)) AS size, sum(ways) AS ways
		FROM own JOIN reach ON d = k GROUP BY 1, 2),
	start AS MATERIALIZED (SELECT k FROM node WHERE k NOT IN (SELECT child FROM pair)),
	down(k, depth) AS (
		SELECT k, 0 FROM start
		UNION SELECT child, depth + 1 FROM down JOIN pair ON parent = k
		WHERE depth < (SELECT count(*) FROM node)),
	-- A knot is a node, or all nodes of a cycle, by the least of them; an edge
	-- to a knot from outside makes it no root.
	pairs(a, d) AS (SELECT k, k FROM node UNION SELECT parent, d FROM pairs JOIN pair ON child = a),
	knot AS MATERIALIZED (
		SELECT x.d AS k, min(x.a) AS id FROM pairs x JOIN pairs y ON x.a = y.d AND x.d = y.a
		GROUP BY 1),
	top AS MATERIALIZED (
		SELECT k FROM knot t WHERE k = id AND NOT exists(
			SELECT FROM pair JOIN knot p ON p.k = parent JOIN knot c ON c.k = child
			WHERE c.id = t.id AND p.id <> t.id)),
	-- the rule for weighted: what it needs, as arrays
	level(k, n) AS (SELECT k, 0 FROM node WHERE %s
					UNION SELECT parent, n + 1 FROM level JOIN up ON child = k),
	turns AS (SELECT array_agg(i ORDER BY n) AS turns FROM node JOIN (
				SELECT k, max(n) AS n FROM level GROUP BY 1) l USING (k)),
	edges AS (SELECT array_agg(p.i ORDER BY c.i, p.i) AS parents,
				array_agg(c.i ORDER BY c.i, p.i) AS children,
				array_agg(share ORDER BY c.i, p.i) AS shares
			FROM up JOIN node p ON p.k = parent JOIN node c ON c.k = child),
	ruled AS MATERIALIZED (
		SELECT grp, oracle.hand_on(array_agg(coalesce(CASE WHEN oracle.finite(s) THEN s END, 0) ORDER BY i),
				parents, children, shares, turns, %s) AS sums,
			oracle.hand_on(array_agg(coalesce(c, 0) ORDER BY i), parents, children, shares, turns, 20) AS counts
		FROM scales CROSS JOIN node LEFT JOIN own USING (grp, k), turns, edges
		WHERE %s GROUP BY grp, scale, parents, children, shares, turns),
	want AS MATERIALIZED (
		SELECT t.grp, t.k, (SELECT min(depth) FROM down d WHERE d.k = t.k) AS depth,
			coalesce(o.s, 0) AS own,
			CASE WHEN oracle.finite(t.s) AND %s THEN r.sums[node.i] ELSE t.s END AS total,
			coalesce(o.c, 0) AS own_count, coalesce(r.counts[node.i], t.c) AS total_count,
			o.lo AS own_min, t.lo AS total_min, o.hi AS own_max, t.hi AS total_max,
			coalesce(o.size, 0) AS own_size, t.size AS total_size,
			t.s AS ideal, t.ways * ('1e-' || scale + 10)::numeric AS slack, scale
		FROM total t JOIN scales s USING (grp) JOIN node USING (k)
			LEFT JOIN own o ON (o.grp, o.k) = (t.grp, t.k) LEFT JOIN ruled r ON r.grp = t.grp),
	head AS MATERIALIZED (
		SELECT grp, sum(value) AS grand, sum(abs(value)) AS size, max(s.scale) AS scale,
			coalesce(sum(value) FILTER (WHERE (key IN (SELECT k FROM node)) IS NOT TRUE), 0) AS unmatched,
			count(*) FILTER (WHERE (key IN (SELECT k FROM node)) IS NOT TRUE) AS unmatched_rows,
			(SELECT coalesce(sum(total), 0) FROM want w WHERE w.grp = f.grp AND k IN (SELECT k FROM top)) AS roots,
			(SELECT coalesce(sum(total_size), 0) FROM want w WHERE w.grp = f.grp AND k IN (SELECT k FROM top)) AS roots_size,
			(SELECT count(*) FROM r WHERE %s AND parent IS NOT NULL AND share IS NULL AND child IN (
				SELECT a FROM pairs WHERE d IN (SELECT k FROM own WHERE own.grp = f.grp))) AS unstated
		FROM f JOIN scales s USING (grp) GROUP BY grp)
	$q$,
	edge, fact, key_order,
	CASE WHEN mode = 'primary' THEN 'is_primary' ELSE 'true' END,
	CASE WHEN mode = 'weighted' THEN 'share IS NOT NULL' ELSE 'true' END,
	CASE WHEN mode IN ('paths', 'weighted') THEN 'UNION ALL' ELSE 'UNION' END,
	CASE WHEN mode = 'weighted' THEN 'walk.n * up.share' ELSE 'walk.n' END,
	(mode = 'weighted')::text,
	CASE WHEN kind = 'count' THEN '20' ELSE 'scale + 10' END, (mode = 'weighted')::text,
	(mode = 'weighted' AND kind <> 'real')::text, (mode = 'weighted')::text)
$$;

-- check(...): differences.  kind: 'count', 'exact' or 'real'.  merged: the
-- rollups are sums of others, which round before they add; their unstated
-- shares are not compared.
CREATE FUNCTION oracle.check(got text, fact text, edge text, key_type text,
							 key_order text, mode text, kind text, merged boolean)
RETURNS TABLE (what text, grp text, key text, expected text, found text)
LANGUAGE plpgsql STABLE AS $check$
DECLARE
	-- wanted and got, as expressions, are the same sum
	same text := CASE
		WHEN kind = 'real' AND mode = 'weighted' THEN
			'oracle.near(%2$s, %1$s, 1e-14 * %3$s)'
		-- sums of doubles end with one rounding
		WHEN kind = 'real' THEN
			'oracle.near(%2$s, %1$s, 2.3e-16 * abs(%1$s) + 1e-30 * %3$s)'
		WHEN mode = 'weighted' AND merged THEN
			'oracle.near(%2$s, %1$s, slack)'
		WHEN mode = 'weighted' THEN
			'oracle.show(%1$s, scale)::text = (%2$s)::text'
		ELSE
			'round(%1$s, scale)::text = (%2$s)::text' END;
BEGIN
	RETURN QUERY EXECUTE oracle.wanted(fact, edge, key_order, mode, kind) || format($q$,
	got AS MATERIALIZED (%1$s),
	stats AS MATERIALIZED (
		SELECT got.grp, x.node::text AS k, x.*
		FROM got, LATERAL hierarchy.each_stats(got.r, %2$s) x),
	rows AS MATERIALIZED (
		SELECT got.grp, x.node::text AS k, x.*
		FROM got, LATERAL hierarchy.each(got.r, %2$s) WITH ORDINALITY x)
	SELECT 'rows', coalesce(w.grp, g.grp), coalesce(w.k, g.k), w::text, g::text
		FROM want w FULL JOIN stats g ON (w.grp, w.k) = (g.grp, g.k)
		WHERE (w.k IS NOT NULL AND g.k IS NOT NULL
			AND w.depth IS NOT DISTINCT FROM g.depth
			AND w.own_count = g.own_count
			AND %3$s AND %4$s AND %5$s
			AND CASE WHEN %6$s THEN num_nonnulls(g.own_min, g.own_max, g.own_avg, g.total_min, g.total_max, g.total_avg) = 0
			ELSE w.own_min IS NOT DISTINCT FROM g.own_min AND w.own_max IS NOT DISTINCT FROM g.own_max
				AND w.total_min IS NOT DISTINCT FROM g.total_min AND w.total_max IS NOT DISTINCT FROM g.total_max
				AND (g.own_avg IS NULL) = (g.own_count = 0)
				AND (g.total_avg IS NULL) = (g.total_count = 0)
				AND (g.own_count = 0 OR
					oracle.near(g.own_avg * g.own_count, g.own, 1e-14 * abs(g.own) + 1e-15 * g.own_count))
				AND (g.total_count = 0 OR
					oracle.near(g.total_avg * g.total_count, g.total, 1e-14 * abs(g.total) + 1e-15 * abs(g.total_count)))
			END) IS NOT TRUE
	UNION ALL
	SELECT 'rounding', w.grp, w.k, w.ideal::text, w.total::text
		FROM want w WHERE %7$s AND NOT oracle.near(w.total, w.ideal, slack)
			AND (SELECT bool_and(share BETWEEN 0 AND 1) FROM up)
	UNION ALL
	SELECT 'each', coalesce(s.grp, r.grp), coalesce(s.k, r.k), s::text, r::text
		FROM stats s FULL JOIN rows r ON (s.grp, s.k) = (r.grp, r.k)
		WHERE row(s.depth, s.own, s.total, s.own_count, s.total_count)::text
			IS DISTINCT FROM row(r.depth, r.own, r.total, r.own_count, r.total_count)::text
	UNION ALL
	SELECT 'order', r.grp, r.k, n::text, ordinality::text
		FROM (SELECT *, row_number() OVER (PARTITION BY rows.grp ORDER BY %8$s) AS n FROM rows) r
		WHERE n <> ordinality
	UNION ALL
	SELECT 'null', got.grp, NULL, (head.grp IS NULL)::text, (got.r IS NULL)::text
		FROM got FULL JOIN head USING (grp) WHERE (head.grp IS NULL) <> (got.r IS NULL)
	UNION ALL
	SELECT 'head', h.grp, NULL, h::text, c::text || u::text
		FROM head h JOIN got USING (grp), LATERAL hierarchy.reconcile(got.r) c, LATERAL hierarchy.unmatched(got.r) u
		WHERE (c.unmatched_rows = h.unmatched_rows AND u.rows = h.unmatched_rows
			AND u.value::text = c.unmatched::text
			AND %9$s AND %10$s AND %11$s
			AND (NOT (oracle.finite(c.grand_total) AND oracle.finite(c.root_total) AND oracle.finite(c.unmatched))
				OR oracle.near(c.root_total, c.grand_total - c.unmatched + c.sharing,
					CASE WHEN '%12$s' = 'real' THEN 1e-14 * (h.size + h.roots_size) ELSE 0 END))
			AND (%13$s OR c.unstated_shares = h.unstated)) IS NOT TRUE
	$q$,
		got, key_type,
		format(CASE WHEN mode = 'weighted' AND kind <> 'real' THEN 'round(%1$s, scale)::text = (%2$s)::text' ELSE same END,
			   'w.own', 'g.own', 'w.own_size'),
		format(same, 'w.total', 'g.total', 'w.total_size'),
		CASE WHEN merged AND mode = 'weighted' THEN 'oracle.near(g.total_count, w.total_count, 1e-9 * (1 + slack))'
			 ELSE 'oracle.show(w.total_count, 0)::text = g.total_count::text' END,
		(kind = 'count')::text,
		(mode = 'weighted' AND kind <> 'real')::text,
		key_order,
		format(CASE WHEN kind = 'real' THEN same ELSE 'round(%1$s, scale)::text = (%2$s)::text' END,
			   'h.grand', 'c.grand_total', 'h.size'),
		format(CASE WHEN kind = 'real' THEN same ELSE 'round(%1$s, scale)::text = (%2$s)::text' END,
			   'h.unmatched', 'c.unmatched', 'h.size'),
		replace(format(same, 'h.roots', 'c.root_total', 'h.roots_size'), 'slack', '1e-9'),
		kind, merged::text);
END $check$;

-- check_calls(...): the same of drilldown and explain_rollup, for all nodes of
-- a graph.  source, value, condition, day: as in their arguments, as literals.  fact and edge as above, of one group.
CREATE FUNCTION oracle.check_calls(graph text, source text, key_column text, value text, condition text, day text, node_type text,
								   fact text, edge text, key_order text, mode text, kind text)
RETURNS TABLE (what text, node text, key text, expected text, found text)
LANGUAGE plpgsql STABLE AS $check$
DECLARE
	total text := CASE WHEN kind = 'real' THEN 'oracle.near(%1$s, %2$s, 1e-14 * (1 + %3$s))'
		ELSE 'oracle.show(%2$s, 0)::text = trim_scale(%1$s)::text' END;
BEGIN
	RETURN QUERY EXECUTE oracle.wanted(fact, edge, key_order, mode, kind) || format($q$,
	child AS (SELECT DISTINCT parent, child FROM r WHERE parent IS NOT NULL AND ('%6$s' <> 'primary' OR is_primary)),
	part AS (
		SELECT c.*, n.total AS node_total, n.total_size AS node_size,
			(SELECT count(*) FROM child b WHERE b.parent = c.child) AS below,
			coalesce((SELECT CASE WHEN '%6$s' = 'weighted' THEN share ELSE 1 END FROM up
					  WHERE (up.parent, up.child) = (c.parent, c.child)), 0) AS handed
		FROM child c LEFT JOIN want n ON n.k = c.parent),
	found AS (
		SELECT n.k AS parent, d.node::text AS child, d.*
		FROM node n, LATERAL hierarchy.drilldown(%1$s, n.k::%5$s, %2$s, %10$L, %3$s, '%6$s', %4$s, %7$s) d)
	SELECT 'drilldown', coalesce(p.parent, f.parent), coalesce(p.child, f.child), row(p.*, w.*)::text, f::text
		FROM part p LEFT JOIN want w ON w.k = p.child FULL JOIN found f ON (f.parent, f.child) = (p.parent, p.child)
		WHERE (f.parent IS NOT NULL AND p.parent IS NOT NULL
			AND %8$s AND %9$s
			AND f.own_count = coalesce(w.own_count, 0) AND f.total_count = coalesce(w.total_count, 0)
			AND f.child_count = p.below
			AND CASE WHEN oracle.finite(p.node_total) AND oracle.finite(w.total) AND p.node_total <> 0
					AND abs(p.node_total) > 1e-9 * p.node_size
				THEN oracle.near(f.share_of_total, w.total * p.handed / p.node_total,
						1e-9 * (1 + abs(w.total * p.handed / p.node_total)))
				ELSE true END) IS NOT TRUE
	UNION ALL
	SELECT 'explain', x.a, x.d, n::text, (c.*)::text
		FROM (SELECT a, d, coalesce(n, 0) AS n FROM pairs LEFT JOIN reach USING (a, d)
			  ORDER BY md5(a || d) LIMIT 40) x,
			LATERAL (SELECT sum(contribution) AS contribution, count(*) AS paths, count(DISTINCT path) AS different,
					bool_and(path[1] = x.a::%5$s AND path[cardinality(path)] = x.d::%5$s
						AND coalesce(cardinality(shares), cardinality(path) - 1) = cardinality(path) - 1) AS good
				FROM hierarchy.explain_rollup(%1$s, x.a::%5$s, x.d::%5$s, '%6$s', 1, %7$s)) c
		WHERE (oracle.near(coalesce(contribution, 0), x.n, 1e-13 * (1 + abs(x.n))) AND paths = different AND good) IS NOT TRUE
	$q$, graph, source, value, condition, node_type, mode, day,
		format(total, 'f.own', 'coalesce(w.own, 0)', 'coalesce(w.own_size, 0)'),
		format(total, 'f.total', 'coalesce(w.total, 0)', 'coalesce(w.total_size, 0)'), key_column);
END $check$;
