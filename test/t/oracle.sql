-- What the functions must return, said again in plain SQL.
--
-- oracle.install(name, ...) describes a graph: table g_<name> with an hgraph
-- index of the name <name>, and table s_<name>, its shadow without any index.
-- It creates
--
--   oracle.cyclic_<name>()       do the rows of the shadow form a cycle?
--   oracle.check_<name>(...)     rows that a function returns and should not
--                                (surplus > 0), or the reverse (surplus < 0)
--
-- The check enumerates every path of the graph from every node with one
-- recursive query and derives all else from that.  Graphs must be small.
-- It does all comparisons as one bag difference, which is EXCEPT ALL in both
-- directions: what a function returns counts +1, what it should -1.
--
-- There are four editions of it, which call the functions in FROM, in the
-- select list, with nodes of type text, and (in FROM again) without verify,
-- which is not for those to whom a policy applies, nor for old snapshots.

CREATE SCHEMA oracle;

-- Keys that queries ask for, in the graph or not.
CREATE TABLE oracle.universe (graph text, key text);

-- preorder(...): the display order of a graph whose nodes are numbered in key
-- order; edges sorted by parent and child.
CREATE FUNCTION oracle.preorder(keys text[], parents int[], children int[],
								starts int[], max_depth int)
RETURNS TABLE (ordinal bigint, node text, parent text, depth int,
			   path text[], is_repeat boolean)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	waiting int[];			-- to be listed, the next one last
	waiting_depth int[];
	here int[] = '{}';	-- path to the row that is being listed
	listed boolean[] = '{}';
	expanded boolean[] = '{}';
	below int[];
	d int;
	v int;
BEGIN
	ordinal := 0;
	waiting := array(SELECT s FROM unnest(starts) s ORDER BY s DESC);
	waiting_depth := array_fill(0, ARRAY[coalesce(cardinality(starts), 0)]);
	WHILE cardinality(waiting) > 0 LOOP
		v := waiting[cardinality(waiting)];
		d := waiting_depth[cardinality(waiting)];
		waiting := trim_array(waiting, 1);
		waiting_depth := trim_array(waiting_depth, 1);
		here := here[1:d] || v;
		ordinal := ordinal + 1;
		node := keys[v];
		parent := CASE WHEN d > 0 THEN keys[here[d]] END;
		depth := d;
		path := array(SELECT keys[h] FROM unnest(here) WITH ORDINALITY u(h, i) ORDER BY i);
		is_repeat := coalesce(listed[v], false);
		RETURN NEXT;
		listed[v] := true;
		IF NOT coalesce(expanded[v], false) AND (max_depth IS NULL OR d < max_depth) THEN
			expanded[v] := true;
			below := array(SELECT c FROM unnest(parents, children) e(p, c)
						   WHERE p = v ORDER BY c DESC);
			waiting := waiting || below;
			waiting_depth := waiting_depth || array_fill(d + 1, ARRAY[cardinality(below)]);
		END IF;
	END LOOP;
END $$;

-- call(...): a query for every row of a set-returning function, once for each
-- row of a relation.  label: what identifies the call.
CREATE FUNCTION oracle.call(edition text, func text, columns text, args text,
							label text, relation text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT CASE
	WHEN edition = 'list' THEN
		format('SELECT %L, row(%s, q.f)::text, 1 FROM (SELECT x.*, hierarchy.%s(%s) AS f FROM %s x) q',
			   func, replace(label, 'x.', 'q.'), func, args, relation)
	WHEN columns LIKE '%,%' THEN
		format('SELECT %L, row(%s, row(%s))::text, 1 FROM %s x, LATERAL hierarchy.%s(%s) f',
			   func, label, columns, relation, func, args)
	ELSE
		format('SELECT %L, row(%s, %s)::text, 1 FROM %s x, LATERAL hierarchy.%s(%s) f',
			   func, label, columns, relation, func, args)
END $$;

CREATE FUNCTION oracle.install(name text, key_type text, weight boolean,
							   validity boolean, is_primary boolean,
							   label boolean, acyclic boolean, predicate text)
RETURNS void LANGUAGE plpgsql AS $install$
DECLARE
	edition text;
	g text := quote_literal(name);
	filters text := 'as_of => a_day, primary_only => a_primary, labels => a_labels';
	deep text := 'max_depth => a_depth, ' || filters;
	self text := 'include_self => a_self, ' || deep;
	node_type text;
	k text;				-- a node argument
	ka text;			-- the same, columns a and b
	kb text;
	key_arg text;
	query text;
BEGIN
	EXECUTE format($f$
CREATE FUNCTION oracle.cyclic_%1$s() RETURNS boolean LANGUAGE plpgsql AS $body$
BEGIN
	RETURN exists(
		WITH RECURSIVE
		e AS MATERIALIZED (
			SELECT parent, child, coalesce(%2$s, daterange(NULL, NULL)) AS days
			FROM s_%1$s WHERE parent IS NOT NULL AND child IS NOT NULL AND %3$s),
		w AS (
			SELECT parent AS start, child AS cur, ARRAY[parent, child] AS path, days
			FROM e WHERE NOT isempty(days)
			UNION ALL
			SELECT w.start, e.child, w.path || e.child, w.days * e.days
			FROM w JOIN e ON e.parent = w.cur
			WHERE w.cur <> w.start AND NOT isempty(w.days * e.days) AND
				(e.child = w.start OR e.child <> ALL (w.path)))
		SELECT FROM w WHERE cur = start);
END $body$ $f$,
		name,
		CASE WHEN validity THEN 'valid' ELSE 'NULL::daterange' END,
		predicate);

	FOREACH edition IN ARRAY ARRAY['from', 'list', 'text', 'policy'] LOOP
		node_type := CASE WHEN edition = 'text' OR key_type LIKE 'text%' THEN 'text'
						  WHEN key_type IN ('int4', 'int8') THEN 'int8'
						  ELSE key_type END;
		k := 'x.k::' || node_type;
		ka := 'x.a::' || node_type;
		kb := 'x.b::' || node_type;
		-- the key type itself is as good as the type of the functions' nodes
		key_arg := CASE WHEN edition = 'list' AND key_type = 'int4' THEN 'NULL::int4'
						WHEN edition = 'from' AND node_type = 'int8' THEN NULL
						ELSE 'NULL::' || node_type END;

		query := format($q$
	WITH RECURSIVE
	-- rows that pass
	e AS MATERIALIZED (
		SELECT parent, child, %s AS w FROM g_%s
		WHERE child IS NOT NULL AND %s AND %s AND %s AND %s),
	-- nodes
	n AS MATERIALIZED (
		SELECT k, row_number() OVER (ORDER BY k) AS i FROM (
			SELECT child AS k FROM e UNION
			SELECT parent FROM e WHERE parent IS NOT NULL) u),
	-- keys to ask for, and pairs of them
	x AS MATERIALIZED (
		SELECT key::%s AS k, row_number() OVER () AS i
		FROM oracle.universe WHERE graph = %L),
	pair AS MATERIALIZED (
		SELECT a.k AS a, b.k AS b FROM x a, x b
		WHERE (a.i * 31 + b.i * 17 + salt) %% 5 = 0 OR a.i = b.i),
	few AS MATERIALIZED (SELECT a, b FROM x, pair WHERE x.k = a AND (i + salt) %% 3 = 0),
	-- edges
	d AS MATERIALIZED (
		SELECT parent AS p, child AS c, sum(w) AS w FROM e
		WHERE parent IS NOT NULL GROUP BY 1, 2),
	-- all paths
	p AS MATERIALIZED (
		SELECT k AS a, k AS b, 0 AS len, ARRAY[k] AS path, %s AS w FROM n
		UNION ALL
		SELECT p.a, d.c, p.len + 1, p.path || d.c, p.w * d.w FROM p JOIN d ON d.p = p.b
		WHERE (a_depth IS NULL OR p.len < a_depth) AND d.c <> ALL (p.path)),
	-- a reaches b
	r0 AS MATERIALIZED (
		SELECT a, b, min(len) AS depth, sum(w)::float8::numeric AS share FROM p GROUP BY 1, 2),
	tainted AS MATERIALIZED (%s),
	r AS MATERIALIZED (
		SELECT a, b, depth,
			   CASE WHEN NOT exists(SELECT FROM tainted t WHERE t.a = r0.a AND t.b = r0.b) THEN share END AS share
		FROM r0),
	leaf AS MATERIALIZED (SELECT k FROM n WHERE NOT exists(SELECT FROM d WHERE d.p = k)),
	root AS MATERIALIZED (SELECT k FROM n WHERE NOT exists(SELECT FROM d WHERE d.c = k)),
	named AS MATERIALIZED (
		SELECT k FROM x WHERE i = 1 + salt %% (SELECT count(*) FROM x) UNION ALL SELECT NULL),
	bag AS (
$q$,
			CASE WHEN weight THEN 'share::numeric' ELSE 'NULL::numeric' END,
			name,
			predicate,
			CASE WHEN validity THEN '(valid IS NULL OR valid @> coalesce(a_day, current_date))' ELSE 'true' END,
			CASE WHEN is_primary THEN '(NOT a_primary OR parent IS NULL OR is_primary)' ELSE 'true' END,
			CASE WHEN label THEN '(a_labels IS NULL OR label = ANY (a_labels))' ELSE 'true' END,
			key_type, name,
			CASE WHEN weight THEN '1::numeric' ELSE 'NULL::numeric' END,
			-- With a depth limit it is a matter of taste which cycles count.
			CASE WHEN acyclic THEN 'SELECT NULL::' || key_type || ' AS a, NULL::' || key_type || ' AS b WHERE false'
				 ELSE $t$
		SELECT x.a, y.b FROM r0 x JOIN r0 y ON x.b = y.a
		WHERE a_depth IS NULL AND exists(
			SELECT FROM d JOIN r0 z ON z.a = d.c AND z.b = d.p WHERE d.p = x.b)$t$ END);

		query := query || concat_ws(E'\n		UNION ALL\n		',
			-- what the functions say
			format('SELECT ''within'' AS func, row(x.a, x.b, hierarchy.within(%s, %s, %s, %s))::text AS line, 1 AS n FROM pair x',
				   g, ka, kb, deep),
			oracle.call(edition, 'parents', 'f.node, f.share', format('%s, %s, %s', g, k, self), 'x.k', 'x'),
			oracle.call(edition, 'children', 'f.node, f.share', format('%s, %s, %s', g, k, self), 'x.k', 'x'),
			oracle.call(edition, 'ancestors', 'f.node, f.depth, f.share', format('%s, %s, %s', g, k, self), 'x.k', 'x'),
			oracle.call(edition, 'descendants', 'f.node, f.depth, f.share', format('%s, %s, %s', g, k, self), 'x.k', 'x'),
			oracle.call(edition, 'leaves', 'f.node', format('%s, %s, %s', g, k, self), 'x.k', 'x'),
			oracle.call(edition, 'tops', 'f.node', format('%s, %s, %s', g, k, self), 'x.k', 'x'),
			oracle.call(edition, 'roots', 'f.node', concat_ws(', ', g, key_arg, filters), '0', '(SELECT 0)'),
			oracle.call(edition, 'paths', 'f.path, f.share', format('%s, %s, %s', g, k, deep), 'x.k', 'x'),
			replace(oracle.call(edition, 'paths', 'f.path, f.share', format('%s, %s, %s, %s', g, kb, ka, deep), 'x.a, x.b', 'few'),
					'SELECT ''paths''', 'SELECT ''paths to'''),
			oracle.call(edition, 'preorder', 'f.ordinal, f.node, f.parent, f.depth, f.path, f.is_repeat',
						format('%s, %s, %s', g, k, deep), 'x.k', 'named'),
			oracle.call(edition, 'closure', 'f.ancestor, f.descendant, f.depth, f.share, f.is_leaf',
						concat_ws(', ', g, key_arg, deep), '0', '(SELECT 0)'),
			format('SELECT ''common_ancestors'', row(x.a, x.b, (SELECT array_agg(row(f.node, f.depth_a, f.depth_b)::text) '
				   'FROM hierarchy.common_ancestors(%s, %s, %s, %s) f))::text, 1 FROM few x', g, ka, kb, self),
			format('SELECT ''graph_stats'', row(nodes, edges, roots, leaves, multi_parent_nodes, '
				   'CASE WHEN nodes > 0 THEN max_depth END, entries - dead_entries)::text, 1 '
				   'FROM hierarchy.graph_stats(%s) WHERE plain', g),
			CASE WHEN edition <> 'policy' THEN
				format('SELECT ''verify'', row(problem, detail)::text, 1 FROM hierarchy.verify(%s)', g) END,
			-- what they should say
			'SELECT ''within'', row(x.a, x.b, exists(SELECT FROM r WHERE r.a = x.b AND r.b = x.a))::text, -1 FROM pair x',
			'SELECT ''parents'', row(x.k, row(d.p, d.w::float8::numeric))::text, -1 FROM x JOIN d ON d.c = x.k '
				'WHERE a_depth IS NULL OR a_depth > 0',
			'SELECT ''children'', row(x.k, row(d.c, d.w::float8::numeric))::text, -1 FROM x JOIN d ON d.p = x.k '
				'WHERE a_depth IS NULL OR a_depth > 0',
			format('SELECT func, row(k, row(k, %s))::text, -1 FROM n, (VALUES (''parents''), (''children'')) v (func) '
				   'WHERE a_self', CASE WHEN weight THEN '1::float8::numeric' ELSE 'NULL::numeric' END),
			'SELECT ''ancestors'', row(b, row(a, depth, share))::text, -1 FROM r WHERE a <> b OR a_self',
			'SELECT ''descendants'', row(a, row(b, depth, share))::text, -1 FROM r WHERE a <> b OR a_self',
			'SELECT ''leaves'', row(a, b)::text, -1 FROM r JOIN leaf ON leaf.k = b WHERE a <> b OR a_self',
			'SELECT ''tops'', row(b, a)::text, -1 FROM r JOIN root ON root.k = a WHERE a <> b OR a_self',
			'SELECT ''roots'', row(0, k)::text, -1 FROM root',
			'SELECT ''paths'', row(b, row(path, w::float8::numeric))::text, -1 FROM p JOIN root ON root.k = a',
			'SELECT ''paths to'', row(a, b, row(path, w::float8::numeric))::text, -1 FROM few JOIN p USING (a, b)',
			'SELECT ''preorder'', row(named.k, row(o.*))::text, -1 FROM named, LATERAL oracle.preorder('
				'array(SELECT k::text FROM n ORDER BY i), '
				'array(SELECT i FROM n JOIN d ON d.p = k ORDER BY d.p, d.c)::int[], '
				'array(SELECT i FROM n JOIN d ON d.c = k ORDER BY d.p, d.c)::int[], '
				'array(SELECT i FROM n WHERE n.k = named.k OR named.k IS NULL AND n.k IN (SELECT k FROM root))::int[], '
				'a_depth) o',
			'SELECT ''closure'', row(0, row(a, b, depth, share, exists(SELECT FROM leaf WHERE k = b)))::text, -1 FROM r',
			'SELECT ''common_ancestors'', row(few.a, few.b, (SELECT array_agg(row(x.a, x.depth, y.depth)::text '
				'ORDER BY x.depth + y.depth, greatest(x.depth, y.depth), x.a) '
				'FROM r x JOIN r y ON x.a = y.a WHERE x.b = few.a AND y.b = few.b '
				'AND (a_self OR x.depth > 0 AND y.depth > 0)))::text, -1 FROM few',
			format('SELECT ''graph_stats'', row((SELECT count(*) FROM n), '
				   '(SELECT count(*) FROM e WHERE parent IS NOT NULL), '
				   '(SELECT count(*) FROM root), (SELECT count(*) FROM leaf), '
				   '(SELECT count(*) FROM (SELECT FROM d GROUP BY c HAVING count(*) > 1) m), '
				   '(SELECT max(len) FROM p WHERE NOT exists(SELECT FROM d JOIN r0 ON a = d.c AND r0.b = d.p)), '
				   '(SELECT count(*) FROM g_%s WHERE child IS NOT NULL AND %s))::text, -1 WHERE plain',
				   name, predicate));

		IF NOT acyclic THEN
			-- see above
			query := replace(replace(query, 'f.depth, f.share', 'f.depth, CASE WHEN a_depth IS NULL THEN f.share END'),
							 'depth, share', 'depth, CASE WHEN a_depth IS NULL THEN share END');
		END IF;

		EXECUTE format($f$
CREATE FUNCTION oracle.check_%s_%s(a_depth int, a_self boolean, a_day date,
								   a_primary boolean, a_labels int[], salt int)
RETURNS TABLE (func text, line text, surplus bigint) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $body$
#variable_conflict use_column
DECLARE
	plain boolean := a_depth IS NULL AND a_day IS NULL AND NOT a_primary AND a_labels IS NULL;
BEGIN
	RETURN QUERY %s)
	SELECT bag.func, bag.line, sum(bag.n) FROM bag
	GROUP BY 1, 2 HAVING sum(bag.n) <> 0 ORDER BY 1, 2;
END $body$ $f$, name, edition, query);
	END LOOP;
END $install$;
