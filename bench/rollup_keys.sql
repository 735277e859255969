-- Other keys: the same edges and a fifth of the facts under uuid and text keys.
-- Variables: nodes, seed.

CREATE FUNCTION bench.text_key(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'PRS-' || lpad(n::text, 9, '0');
CREATE FUNCTION bench.uuid_key(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5(n::text)::uuid;

CREATE PROCEDURE bench.make_keys(kind text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE bench.%1$s_edge AS SELECT bench.%1$s_key(parent_id) AS parent_id, bench.%1$s_key(child_id) AS child_id FROM bench.split_edge', kind);
	EXECUTE format('CREATE INDEX %1$s_graph ON bench.%1$s_edge USING hgraph (parent_id, child_id)', kind);
	EXECUTE format('CREATE UNLOGGED TABLE bench.%1$s_fact AS SELECT bench.%1$s_key(key) AS key, v FROM bench.fact WHERE product < 3', kind);
	EXECUTE format('INSERT INTO bench.query VALUES (%L, %L), (%L, %L)',
		kind || ' keys', format('SELECT hierarchy.rollup(''bench.%1$s_graph'', key, v) FROM bench.%1$s_fact OFFSET 1', kind),
		kind || ' group by', format('SELECT key, sum(v) FROM bench.%s_fact GROUP BY key OFFSET 1000000000', kind));
END
$$;
CALL bench.make_keys('text');
CALL bench.make_keys('uuid');
VACUUM (FREEZE, ANALYZE) bench.text_edge;
VACUUM (FREEZE, ANALYZE) bench.uuid_edge;
VACUUM (FREEZE, ANALYZE) bench.text_fact;
VACUUM (FREEZE, ANALYZE) bench.uuid_fact;

-- The same totals under other names.
DO $$
DECLARE
	a hierarchy.hrollup := (SELECT hierarchy.rollup('bench.split', key, v) FROM bench.fact WHERE product < 3);
	t hierarchy.hrollup := (SELECT hierarchy.rollup('bench.text_graph', key, v) FROM bench.text_fact);
	u hierarchy.hrollup := (SELECT hierarchy.rollup('bench.uuid_graph', key, v) FROM bench.uuid_fact);
	wrong bigint;
BEGIN
	SELECT count(*) INTO wrong
	FROM hierarchy.each(a) x
	FULL JOIN hierarchy.each(t, NULL::text) y ON y.node = bench.text_key(x.node)
	FULL JOIN hierarchy.each(u, NULL::uuid) z ON z.node = bench.uuid_key(x.node)
	WHERE x.total IS DISTINCT FROM y.total OR x.total IS DISTINCT FROM z.total;
	IF wrong > 0 THEN
		RAISE EXCEPTION 'text and uuid keys: % nodes differ', wrong;
	END IF;
END
$$;

CALL bench.rounds(ARRAY['text keys', 'text group by', 'uuid keys', 'uuid group by'], least(:runs, 3));
SELECT bench.line_of(v.ord, format(v.label, facts), v.subject, v.peer, 'ratio', NULL)
FROM (SELECT count(*) FROM bench.text_fact) f(facts),
	 (VALUES (1400, 'rollup of %s facts with text keys, against GROUP BY', 'text keys', 'text group by'),
			 (1410, 'rollup of %s facts with uuid keys, against GROUP BY', 'uuid keys', 'uuid group by'))
	 v(ord, label, subject, peer)
\g /dev/null
