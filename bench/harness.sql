-- Harness: statements to be timed become functions of schema bench that time
-- themselves, so that neither the client nor the connection counts.

CREATE EXTENSION hierarchy;
CREATE SCHEMA bench;

-- One row a measurement.
CREATE TABLE bench.result (
	test text NOT NULL,
	side text NOT NULL,			-- subject or peer
	us   float8 NOT NULL		-- microseconds (bytes in lines of kind size)
);

-- One row a line of the report.  Kinds:
--   faster    peer / subject, bar is the least factor
--   ratio     subject / peer, bar is the greatest ratio
--   overhead  subject - peer, bar is the greatest difference in microseconds
--   absolute  subject, bar is the greatest value in microseconds
--   size      as ratio, of bytes
CREATE TABLE bench.line (
	ord   int PRIMARY KEY,
	test  text NOT NULL UNIQUE,
	label text NOT NULL,
	kind  text NOT NULL,
	bar   float8
);

CREATE FUNCTION bench.record(test text, side text, us float8) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO bench.result VALUES (test, side, us)
$$;

CREATE FUNCTION bench.us_since(t timestamptz) RETURNS float8
LANGUAGE sql VOLATILE AS $$
	SELECT extract(epoch FROM clock_timestamp() - t)::float8 * 1e6
$$;

-- Turns a statement that selects one bigint "INTO answer" into a function that
-- runs it some times and returns the time of one, and its answer.  The
-- statement may use the argument a; its plan is cached as any prepared
-- statement's.
CREATE FUNCTION bench.define(name text, statement text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($f$
		CREATE FUNCTION bench.%I(a bigint, times int, OUT us float8, OUT answer bigint)
		LANGUAGE plpgsql AS $body$
		DECLARE
			t timestamptz := clock_timestamp();
		BEGIN
			FOR i IN 1 .. times LOOP
				%s;
			END LOOP;
			us := bench.us_since(t) / times;
		END
		$body$ $f$, name, statement);
END
$$;

-- Runs test_subject and test_peer in turns, the first to go alternating, and
-- records the times under the name of line.  Stops if their answers differ.
CREATE FUNCTION bench.compare(test text, line text, a bigint, times int, rounds int, warm int)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	sides text[] := ARRAY['subject', 'peer'];
	side  text;
	took  float8;
	value bigint;
	got   bigint[] := ARRAY[NULL, NULL];
BEGIN
	FOR r IN 1 - warm .. rounds LOOP
		FOR i IN 1 .. 2 LOOP
			side := sides[1 + ((r + i) & 1)];
			EXECUTE format('SELECT us, answer FROM bench.%I($1, $2)', test || '_' || side)
				INTO took, value USING a, times;
			got[i] := value;
			IF r > 0 THEN
				INSERT INTO bench.result VALUES (line, side, took);
			END IF;
		END LOOP;
		IF got[1] IS DISTINCT FROM got[2] THEN
			RAISE EXCEPTION '%: answers differ: % and %', test, got[1], got[2];
		END IF;
	END LOOP;
END
$$;
