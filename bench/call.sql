-- Call overhead, warm: many calls with one row as result, less as many calls
-- of a trivial C function.  Every call is a statement with a snapshot of its
-- own, so it also looks whether the index has changed.

CREATE FUNCTION bench.call_prepared_subject(leaf bigint, above bigint, calls int) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. calls LOOP
		PERFORM node FROM hierarchy.parents('bench.graph', leaf);
	END LOOP;
END
$$;

CREATE FUNCTION bench.call_prepared_peer(leaf bigint, above bigint, calls int) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. calls LOOP
		PERFORM n FROM generate_series(1, 1) n;
	END LOOP;
END
$$;

CREATE FUNCTION bench.call_planned_subject(leaf bigint, above bigint, calls int) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. calls LOOP
		EXECUTE 'SELECT node FROM hierarchy.parents(''bench.graph'', ' || leaf || ')';
	END LOOP;
END
$$;

CREATE FUNCTION bench.call_planned_peer(leaf bigint, above bigint, calls int) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. calls LOOP
		EXECUTE 'SELECT n FROM generate_series(1, ' || 1 || ') n';
	END LOOP;
END
$$;

CREATE FUNCTION bench.call_scalar_subject(leaf bigint, above bigint, calls int) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	yes boolean;
BEGIN
	FOR i IN 1 .. calls LOOP
		yes := hierarchy.within('bench.graph', leaf, above);
	END LOOP;
END
$$;

CREATE FUNCTION bench.call_scalar_peer(leaf bigint, above bigint, calls int) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	yes boolean;
BEGIN
	FOR i IN 1 .. calls LOOP
		yes := int8eq(leaf, above);
	END LOOP;
END
$$;

INSERT INTO bench.line VALUES
(400, 'prepared', 'call overhead, parents() prepared, against generate_series(1, 1)', 'overhead', 20),
(410, 'planned', 'call overhead, parents() planned every time, against generate_series(1, 1)', 'overhead', 20),
(420, 'scalar', 'call overhead, within(), against int8eq()', 'overhead', 20);

DO $$
DECLARE
	calls constant int := 1000;
	edge  bench.source;
	kind  text;
	side  text;
	t     timestamptz;
BEGIN
	SELECT s.* INTO edge FROM bench.source s, bench.level l WHERE s.child_id = l.first_prescriber + 1;
	FOR r IN 0 .. 5 * current_setting('bench.runs')::int LOOP
		FOREACH kind IN ARRAY ARRAY['prepared', 'planned', 'scalar'] LOOP
			FOREACH side IN ARRAY ARRAY['subject', 'peer'] LOOP
				t := clock_timestamp();
				EXECUTE format('SELECT bench.%I($1, $2, $3)', 'call_' || kind || '_' || side)
					USING edge.child_id, edge.parent_id, calls;
				IF r > 0 THEN
					PERFORM bench.record(kind, side, bench.us_since(t) / calls);
				END IF;
			END LOOP;
		END LOOP;
	END LOOP;
END
$$;
