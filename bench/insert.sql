-- Insertion of all edges, parents first, into an empty table: with the graph
-- and its cycle check; with the two B-trees that serve both directions; with
-- two B-trees of one column each; without any index.  Once in the order of the
-- keys, which B-trees like best, and once with every level shuffled.

CREATE TABLE bench.load_graph (LIKE bench.source);
CREATE INDEX ON bench.load_graph USING hgraph (parent_id, child_id);
CREATE TABLE bench.load_btree (LIKE bench.source);
CREATE INDEX ON bench.load_btree (parent_id, child_id);
CREATE INDEX ON bench.load_btree (child_id, parent_id);
CREATE TABLE bench.load_single (LIKE bench.source);
CREATE INDEX ON bench.load_single (parent_id);
CREATE INDEX ON bench.load_single (child_id);
CREATE TABLE bench.load_none (LIKE bench.source);

CREATE TABLE bench.shuffled AS
SELECT s.*
FROM bench.source s, bench.level l
ORDER BY (child_id > l.first_organisation)::int + (child_id > l.first_account)::int
		 + (child_id > l.first_prescriber)::int, random();
VACUUM (FREEZE, ANALYZE) bench.shuffled;

CREATE PROCEDURE bench.load(source text, kinds text[], rounds int)
LANGUAGE plpgsql AS $$
DECLARE
	kind text;
	t    timestamptz;
BEGIN
	FOR r IN 1 .. rounds LOOP
		FOR i IN 0 .. cardinality(kinds) - 1 LOOP
			kind := kinds[1 + (r + i) % cardinality(kinds)];
			EXECUTE format('TRUNCATE bench.%I', 'load_' || kind);
			COMMIT;
			CHECKPOINT;
			t := clock_timestamp();
			EXECUTE format('INSERT INTO bench.%I SELECT * FROM bench.%I', 'load_' || kind, source);
			PERFORM bench.record(source || ' ' || kind, 'peer', bench.us_since(t));
			COMMIT;
		END LOOP;
	END LOOP;
END
$$;

CALL bench.load('source', ARRAY['graph', 'btree', 'none', 'single'], least(:runs, 3));
CALL bench.load('shuffled', ARRAY['graph', 'btree'], least(:runs, 3));

-- The graph is the subject of every line.
INSERT INTO bench.result
SELECT p.source || ' ' || p.kind, 'subject', s.us
FROM (VALUES ('source', 'btree'), ('source', 'single'), ('source', 'none'),
			 ('shuffled', 'btree')) p(source, kind),
	 bench.result s
WHERE s.test = p.source || ' graph';

INSERT INTO bench.line
SELECT v.ord, v.test, format(v.label, (SELECT count(parent_id) FROM bench.source)), 'ratio', v.bar
FROM (VALUES
	(600, 'source btree', 'insert %s edges in key order with cycle check, against two B-trees', 1.0),
	(610, 'source single', 'the same, against two B-trees of one column', NULL),
	(620, 'source none', 'the same, against no index at all', NULL),
	(630, 'shuffled btree', 'insert %s edges, levels shuffled, with cycle check, against two B-trees', 1.0)) v(ord, test, label, bar);

DROP TABLE bench.load_graph, bench.load_btree, bench.load_single, bench.load_none, bench.shuffled;
