-- Harness: statements to be timed become functions of schema bench that time
-- themselves, so that neither the client nor the connection counts.

CREATE EXTENSION hierarchy;
CREATE SCHEMA bench;

-- One row a measurement.
CREATE TABLE bench.result (
	test text NOT NULL,
	side text NOT NULL,			-- subject, peer; subject memory, peer memory
	us   float8 NOT NULL		-- microseconds (bytes where memory or size)
);

-- One row a line of the report.  Kinds:
--   faster    peer / subject, bar is the least factor
--   ratio     subject / peer, bar is the greatest ratio
--   overhead  subject - peer, bar is the greatest difference in microseconds
--   absolute  subject, bar is the greatest value in microseconds
--   size      as ratio, of bytes
--   bytes     subject, in bytes, bar is the greatest value
CREATE TABLE bench.line (
	ord   int PRIMARY KEY,
	test  text NOT NULL UNIQUE,
	label text NOT NULL,
	kind  text NOT NULL,
	bar   float8
);

-- What is printed below the table.
CREATE TABLE bench.note (line text NOT NULL);

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

-- Long statements are measured one at a time, in an order that rotates.
CREATE TABLE bench.query (
	name      text PRIMARY KEY,
	statement text NOT NULL,
	workers   int NOT NULL DEFAULT 0
);

-- Runs it; its rows go nowhere (the statement should end in OFFSET).
CREATE FUNCTION bench.run(name text) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	query bench.query;
	t     timestamptz;
BEGIN
	SELECT q.* INTO STRICT query FROM bench.query q WHERE q.name = run.name;
	PERFORM set_config('max_parallel_workers_per_gather', query.workers::text, true);
	t := clock_timestamp();
	EXECUTE query.statement;
	RETURN bench.us_since(t);
END
$$;

CREATE PROCEDURE bench.rounds(names text[], rounds int)
LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	FOR r IN 1 .. rounds LOOP
		FOR i IN 0 .. cardinality(names) - 1 LOOP
			name := names[1 + (r + i) % cardinality(names)];
			PERFORM bench.record(name, 'raw', bench.run(name));
			COMMIT;
		END LOOP;
	END LOOP;
END
$$;

-- A line of the report that sets one query against another (or none).
CREATE FUNCTION bench.line_of(ord int, label text, subject text, peer text, kind text, bar float8)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO bench.line VALUES (ord, label, label, kind, bar);
	INSERT INTO bench.result SELECT label, 'subject', us FROM bench.result WHERE test = subject AND side = 'raw';
	INSERT INTO bench.result SELECT label, 'peer', us FROM bench.result WHERE test = peer AND side = 'raw';
	INSERT INTO bench.result
	SELECT label, CASE test WHEN subject THEN 'subject memory' ELSE 'peer memory' END, us
	FROM bench.result WHERE test IN (subject, peer) AND side = 'memory';
END
$$;

-- Bytes that this process holds, or held at its peak, beside shared memory;
-- NULL where the system does not say.
CREATE FUNCTION bench.process_bytes(OUT now float8, OUT peak float8)
LANGUAGE plpgsql AS $$
DECLARE
	status text := pg_read_file('/proc/self/status');
	shared float8 := substring(status FROM 'RssShmem:\s*(\d+)')::float8;
BEGIN
	now := 1024 * (substring(status FROM 'VmRSS:\s*(\d+)')::float8 - shared);
	peak := 1024 * (substring(status FROM 'VmHWM:\s*(\d+)')::float8 - shared);
EXCEPTION WHEN OTHERS THEN
	NULL;
END
$$;

-- Peak memory of a query over what the idle process held.  To be called in a
-- fresh connection: the peak is that of the whole life of a process.
-- Shared buffers are memory of everybody, so they are touched beforehand.
CREATE FUNCTION bench.measure_memory(name text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	idle float8;
BEGIN
	EXECUTE (SELECT 'SELECT count(*) FROM ' || substring(q.statement FROM 'bench\.\w*fact\w*')
			 FROM bench.query q WHERE q.name = measure_memory.name);
	idle := (bench.process_bytes()).now;
	PERFORM bench.run(name);
	PERFORM bench.record(name, 'memory', (bench.process_bytes()).peak - idle);
END
$$;
