-- What every function returns, on graphs small enough to check by hand
CREATE SCHEMA functions;
SET search_path = functions, hierarchy;

-- 1 and 8 are roots, 7 stands alone; 4 and 6 have two parents; the share of
-- 5 in 4 is not stated
--
--        1
--    .5 / \ 1      8
--      2   3      /
--   .6  \ / \1   / .25
--        4  .4\ /
--        |     6
--        5
CREATE TABLE edge8 (
    parent bigint,
    child bigint,
    share numeric,
    is_primary boolean,
    label smallint,
    valid daterange);
INSERT INTO edge8 VALUES
    (NULL, 1, NULL, false, NULL, NULL),
    (1, 2, 0.5, true, 1, NULL),
    (1, 3, 1, true, 1, '[2020-01-01,)'),
    (2, 4, 0.6, true, 1, '(,2021-01-01)'),
    (3, 4, 0.4, false, 2, NULL),
    (4, 5, NULL, true, 2, NULL),
    (3, 6, 1, true, 1, NULL),
    (8, 6, 0.25, NULL, NULL, NULL),
    (NULL, 7, NULL, NULL, NULL, NULL),
    (NULL, NULL, 1, true, 1, NULL),
    (3, NULL, 1, true, 1, NULL);
CREATE INDEX g8 ON edge8 USING hgraph (parent, child)
    INCLUDE (share, is_primary, label)
    WITH (weight = 'share', is_primary = 'is_primary', label = 'label');

-- The same with other keys
CREATE TABLE edge4 AS
    SELECT parent::int, child::int, share::float8, is_primary, label::int
    FROM edge8;
CREATE INDEX g4 ON edge4 USING hgraph (parent, child)
    INCLUDE (share, is_primary, label)
    WITH (weight = 'share', is_primary = 'is_primary', label = 'label');

CREATE FUNCTION u(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN ('00000000-0000-4000-8000-00000000000' || n)::uuid;
CREATE TABLE edgeu AS
    SELECT u(parent) AS parent, u(child) AS child, share, is_primary, label
    FROM edge8;
CREATE INDEX gu ON edgeu USING hgraph (parent, child)
    INCLUDE (share, is_primary, label)
    WITH (weight = 'share', is_primary = 'is_primary', label = 'label');

CREATE TABLE edget AS
    SELECT 'n' || parent AS parent, 'n' || child AS child, share, is_primary, label
    FROM edge8;
CREATE INDEX gt ON edget USING hgraph (parent COLLATE "C", child COLLATE "C")
    INCLUDE (share, is_primary, label)
    WITH (weight = 'share', is_primary = 'is_primary', label = 'label');

-- Each function on bigint keys
SELECT n, a FROM generate_series(0, 8) n, generate_series(1, 8) a
    WHERE within('g8', n, a) ORDER BY 1, 2;
SELECT n, p.* FROM generate_series(0, 8) n, parents('g8', n) p ORDER BY 1, 2;
SELECT n, c.* FROM generate_series(0, 8) n, children('g8', n) c ORDER BY 1, 2;
SELECT n, a.* FROM generate_series(0, 8) n, ancestors('g8', n) a ORDER BY 1, 3, 2;
SELECT n, d.* FROM generate_series(0, 8) n, descendants('g8', n) d ORDER BY 1, 3, 2;
SELECT * FROM roots('g8') ORDER BY 1;
SELECT n, l.* FROM generate_series(0, 8) n, leaves('g8', n) l ORDER BY 1, 2;
SELECT n, t.* FROM generate_series(0, 8) n, tops('g8', n) t ORDER BY 1, 2;
SELECT n, p.* FROM generate_series(0, 8) n, paths('g8', n) p ORDER BY 1, 2;
SELECT p.* FROM paths('g8', 4, 1) p ORDER BY 1;
SELECT p.* FROM paths('g8', 4, 3) p ORDER BY 1;
SELECT p.* FROM paths('g8', 4, 4) p ORDER BY 1;
SELECT p.* FROM paths('g8', 4, 8) p ORDER BY 1;
SELECT * FROM common_ancestors('g8', 5, 6);
SELECT * FROM common_ancestors('g8', 2, 7);
SELECT * FROM preorder('g8', 1);
SELECT * FROM preorder('g8', NULL::bigint);
SELECT * FROM closure('g8') ORDER BY 1, 3, 2;
SELECT nodes, edges, roots, leaves, multi_parent_nodes, max_depth, entries,
       dead_entries, image_bytes > 0 AS image, index_bytes > 0 AS index
    FROM graph_stats('g8');
SELECT * FROM verify('g8');

-- The other key types, through the index or the table's name
SELECT * FROM descendants('g4', 1) ORDER BY 2, 1;
SELECT * FROM descendants('edge4', 1) ORDER BY 2, 1;
SELECT * FROM descendants('gu', u(1)) ORDER BY 2, 1;
SELECT * FROM descendants('gt', 'n1') ORDER BY 2, 1;

-- They all agree with bigint
CREATE FUNCTION all_results(graph hgraph, key text)
RETURNS TABLE (function text, result text) LANGUAGE plpgsql AS $$
DECLARE
    call text;
BEGIN
    FOREACH call IN ARRAY ARRAY[
        'within(%1$L, %2$s, %3$s)',
        'within(%1$L, %2$s, %3$s, max_depth => 1)',
        'parents(%1$L, %2$s)',
        'children(%1$L, %2$s)',
        'ancestors(%1$L, %2$s)',
        'ancestors(%1$L, %2$s, include_self => true)',
        'descendants(%1$L, %2$s, max_depth => 2)',
        'descendants(%1$L, %2$s, primary_only => true)',
        'descendants(%1$L, %2$s, labels => ''{1}'')',
        'roots(%1$L, NULL::%5$s)',
        'leaves(%1$L, %2$s, include_self => true)',
        'tops(%1$L, %2$s, include_self => true)',
        'paths(%1$L, %2$s)',
        'paths(%1$L, %2$s, %3$s)',
        'common_ancestors(%1$L, %2$s, %3$s)',
        'common_ancestors(%1$L, %2$s, %3$s, include_self => true)',
        'preorder(%1$L, %2$s)',
        'preorder(%1$L, %4$s)',
        'closure(%1$L, NULL::%5$s)']
    LOOP
        function := call;
        FOR a IN 1..8 LOOP
            CONTINUE WHEN a > 1 AND call !~ '%2';
            FOR b IN 1..8 LOOP
                CONTINUE WHEN b > 1 AND call !~ '%3';
                EXECUTE format('SELECT string_agg(r::text, '' '' ORDER BY r::text)
                                FROM ' || call || ' r',
                               graph,
                               CASE key WHEN 'uuid' THEN format('u(%s)', a)
                                        WHEN 'text' THEN format('''n%s''', a)
                                        WHEN 'number' THEN format('''%s''', a)
                                        ELSE a::text END,
                               CASE key WHEN 'uuid' THEN format('u(%s)', b)
                                        WHEN 'text' THEN format('''n%s''', b)
                                        WHEN 'number' THEN format('''%s''', b)
                                        ELSE b::text END,
                               CASE WHEN key = 'number' THEN 'NULL::text'
                                    ELSE 'NULL::' || key END,
                               CASE WHEN key = 'number' THEN 'text' ELSE key END)
                INTO result;
                result := a || ' ' || b || ': ' ||
                    regexp_replace(regexp_replace(coalesce(result, 'none'),
                        '00000000-0000-4000-8000-00000000000', '', 'g'), '\mn(?=\d)', '', 'g');
                RETURN NEXT;
            END LOOP;
        END LOOP;
    END LOOP;
END
$$;
CREATE TABLE reference AS SELECT * FROM all_results('g8', 'bigint');
SELECT count(*), count(*) FILTER (WHERE result ~ 'none') FROM reference;
SELECT * FROM all_results('g4', 'bigint') EXCEPT TABLE reference;
SELECT * FROM all_results('gu', 'uuid') EXCEPT TABLE reference;
SELECT * FROM all_results('gt', 'text') EXCEPT TABLE reference;
-- Numbers as text, as drivers send them
SELECT * FROM all_results('g8', 'number') EXCEPT TABLE reference;
SELECT * FROM all_results('g4', 'number') EXCEPT TABLE reference;

-- Result types follow the argument
SELECT pg_typeof(node) FROM children('g4', 8);
SELECT pg_typeof(node) FROM children('g8', '8');
SELECT pg_typeof(node) FROM children('gu', u(8)::text);
SELECT pg_typeof(node) FROM children('gu', u(8));
SELECT pg_typeof(path) FROM paths('g8', 8);
SELECT pg_typeof(path) FROM paths('gt', 'n8');
SELECT DISTINCT pg_typeof(r) FROM roots('g8', NULL::int) r;
SELECT DISTINCT pg_typeof(r) FROM roots('gu', key_type => NULL::uuid) r;
SELECT DISTINCT pg_typeof(r) FROM roots('gu', NULL::text) r;
SELECT DISTINCT pg_typeof(ancestor) FROM closure('g4', NULL::text);

-- max_depth, include_self
SELECT * FROM descendants('g8', 1, max_depth => 0);
SELECT * FROM descendants('g8', 1, max_depth => 0, include_self => true);
SELECT * FROM descendants('g8', 1, 1) ORDER BY 1;
SELECT * FROM descendants('g8', 1, 1, true) ORDER BY 1;
SELECT * FROM ancestors('g8', 5, max_depth => 2, include_self => true) ORDER BY 2, 1;
SELECT * FROM leaves('g8', 1, max_depth => 2) ORDER BY 1;
SELECT * FROM leaves('g8', 5), leaves('g8', 5, include_self => true) s;
SELECT * FROM leaves('g8', 5, include_self => true);
SELECT * FROM tops('g8', 6, max_depth => 1) ORDER BY 1;
SELECT * FROM tops('g8', 7);
SELECT * FROM tops('g8', 7, include_self => true);
SELECT within('g8', 5, 1, max_depth => 2), within('g8', 5, 1, max_depth => 3),
       within('g8', 5, 5, max_depth => 0), within('g8', 5, 4, max_depth => 0);
SELECT * FROM paths('g8', 6, max_depth => 1);
SELECT * FROM paths('g8', 6, 1, max_depth => 1);
SELECT * FROM common_ancestors('g8', 4, 3);
SELECT * FROM common_ancestors('g8', 4, 3, include_self => true);
SELECT * FROM common_ancestors('g8', 4, 6, max_depth => 1);
SELECT * FROM common_ancestors('g8', 4, 4, include_self => true);
SELECT ordinal, node, depth FROM preorder('g8', 1, max_depth => 1);
SELECT ancestor, descendant, is_leaf FROM closure('g8', max_depth => 1)
    WHERE ancestor = 3 ORDER BY 2;

-- primary_only, labels
SELECT * FROM descendants('g8', 1, primary_only => true) ORDER BY 1;
SELECT * FROM parents('g8', 4, primary_only => true);
SELECT * FROM roots('g8', primary_only => true) ORDER BY 1;
SELECT * FROM descendants('g8', 1, labels => '{1}') ORDER BY 1;
SELECT * FROM descendants('g8', 3, labels => '{1,2}') ORDER BY 1;
SELECT * FROM descendants('g8', 3, labels => '{2,NULL,2}') ORDER BY 1;
SELECT * FROM descendants('g8', 3, labels => '{}') ORDER BY 1;
SELECT * FROM roots('g8', labels => '{1}') ORDER BY 1;
SELECT within('g8', 4, 2, labels => '{2}'), within('g8', 4, 3, labels => '{2}');

-- as_of: a day is in a range when the range says so
CREATE INDEX gv ON edge8 USING hgraph (parent, child)
    INCLUDE (share, valid) WITH (weight = 'share', validity = 'valid');
SELECT * FROM descendants('gv', 1, as_of => '2019-12-31') ORDER BY 1;
SELECT * FROM descendants('gv', 1, as_of => '2020-01-01') ORDER BY 1;
SELECT * FROM descendants('gv', 1, as_of => '2020-12-31') ORDER BY 1;
SELECT * FROM descendants('gv', 1, as_of => '2021-01-01') ORDER BY 1;
SELECT * FROM descendants('gv', 1) ORDER BY 1;
SELECT * FROM roots('gv', as_of => '2019-12-31') ORDER BY 1;
SELECT within('gv', 4, 2, as_of => '2020-12-31'), within('gv', 4, 2);
SELECT * FROM verify('gv');
SELECT edges FROM graph_stats('gv');

-- A row that is never valid, one without end on either side, one for today
CREATE TABLE days (parent int, child int, valid daterange);
INSERT INTO days VALUES (1, 2, 'empty'), (1, 3, '(,)'), (1, 4, '[-infinity,infinity)'),
    (1, 5, daterange(current_date, current_date + 1)),
    (1, 6, daterange(current_date - 1, current_date));
CREATE INDEX ON days USING hgraph (parent, child) INCLUDE (valid) WITH (validity = 'valid');
SELECT node FROM children('days', 1) ORDER BY 1;
SELECT node FROM children('days', 1, as_of => NULL) ORDER BY 1;
SELECT node FROM children('days', 1, as_of => '1900-01-01') ORDER BY 1;
SELECT node FROM children('days', 1, as_of => '-infinity') ORDER BY 1;

-- Parallel rows are one edge whose weights add up
CREATE TABLE parallel_rows (parent int, child int, share float8);
INSERT INTO parallel_rows VALUES (1, 2, 0.1), (1, 2, 0.2), (1, 3, 0.5), (1, 3, NULL), (2, 4, 0.5);
CREATE INDEX pr ON parallel_rows USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
SELECT * FROM children('pr', 1) ORDER BY 1;
SELECT * FROM parents('pr', 2);
SELECT * FROM descendants('pr', 1) ORDER BY 1;
SELECT * FROM paths('pr', 4);
SELECT * FROM closure('pr') ORDER BY 1, 2;
SELECT * FROM preorder('pr', 1);
SELECT nodes, edges, multi_parent_nodes FROM graph_stats('pr');

-- Without weights there is no share
CREATE TABLE plain (parent text COLLATE "C", child text COLLATE "C");
INSERT INTO plain VALUES ('r', 'b'), ('r', 'B'), ('r', 'a'), ('r', ''), ('a', 'a b');
CREATE INDEX ON plain USING hgraph (parent, child);
SELECT * FROM descendants('plain', 'r', include_self => true) ORDER BY 2, 1;
-- Siblings in the order of the key column's collation
SELECT ordinal, node, path FROM preorder('plain', 'r');
SELECT * FROM common_ancestors('plain', 'a', 'b');
SELECT paths('plain', '');

-- Cycles, where allowed, end
CREATE TABLE network (a int, b int, w float8);
INSERT INTO network VALUES (1, 2, 0.5), (2, 3, 0.5), (3, 2, 0.5), (3, 4, 0.5), (5, 5, 1), (1, 6, 0.5);
CREATE INDEX net ON network USING hgraph (a, b) INCLUDE (w) WITH (weight = 'w', acyclic = off);
SELECT * FROM descendants('net', 1) ORDER BY 1;
SELECT * FROM ancestors('net', 2, include_self => true) ORDER BY 1;
SELECT * FROM paths('net', 4);
SELECT * FROM paths('net', 3, 2);
SELECT * FROM paths('net', 3, 3);
SELECT * FROM roots('net');
SELECT * FROM preorder('net', 2);
SELECT * FROM preorder('net', NULL::bigint);
SELECT max_depth IS NULL AS cyclic FROM graph_stats('net');
SELECT * FROM verify('net');

-- NULL and unknown nodes
SELECT within('g8', NULL, 1), within('g8', 1, NULL), within(NULL, 1, 1),
       within('g8', 99, 1), within('g8', 1, 99), within('g8', 99, 99);
SELECT * FROM parents('g8', NULL::bigint);
SELECT * FROM descendants(NULL, 1);
SELECT * FROM descendants('g8', NULL::text);
SELECT * FROM descendants('g8', 99);
SELECT * FROM ancestors('g8', -1, include_self => true);
SELECT * FROM descendants('g4', 3000000000);
SELECT * FROM roots(NULL);
SELECT * FROM paths('g8', 4, NULL) ORDER BY 1;
SELECT * FROM paths('g8', 4, 99);
SELECT * FROM paths('g8', 99, 4);
SELECT * FROM common_ancestors('g8', 4, NULL);
SELECT * FROM preorder('g8', 99);
SELECT * FROM preorder(NULL, 1);
SELECT * FROM closure(NULL);
SELECT * FROM verify(NULL);
SELECT graph_stats(NULL) IS NULL;
SELECT * FROM descendants('g8', 8, max_depth => NULL, include_self => NULL,
                          as_of => NULL, primary_only => NULL, labels => NULL);
SELECT * FROM descendants('gu', '00000000-0000-4000-8000-0000000000ff'::uuid);
SELECT * FROM descendants('gt', 'nobody');

-- In the select list
SELECT descendants('g8', 3) ORDER BY 1;
SELECT (descendants('g8', 3)).* ORDER BY 2, 1;
SELECT roots('gt', NULL::text) ORDER BY 1;
SELECT n, children('g8', n) FROM generate_series(1, 3) n ORDER BY 1, 2;
SELECT n, tops('gu', u(n)) AS top FROM generate_series(4, 7) n ORDER BY 1, 2;
SELECT descendants('g8', 1, include_self => true) LIMIT 1;
SELECT (preorder('g8', 1)).path LIMIT 2;
SELECT children('g8', 2), preorder('g8', 4);
SELECT paths('gu', u(4), u(3));
SELECT leaves('g8', node) FROM roots('g8') ORDER BY 1;

-- In FROM, beside others
SELECT * FROM ancestors('g8', 3, include_self => true) WITH ORDINALITY;
SELECT * FROM ROWS FROM (children('g8', 2), preorder('gt', 'n3'), paths('g4', 4, 3));
SELECT count(*) FROM closure(graph => 'g8', key_type => NULL::text, max_depth => 1);
SELECT count(*) FROM closure('g8', NULL::bigint, 1, NULL, false, '{1}');

-- Several at a time, on one graph
SELECT a.node, b.node FROM descendants('g8', 2) a, descendants('g8', 3) b ORDER BY 1, 2;
SELECT d.node, array_agg(p.path ORDER BY p.path)
    FROM descendants('g8', 1) d, paths('g8', d.node, 3) p GROUP BY 1 ORDER BY 1;
SELECT c.node, s.descendant FROM children('g8', 1) c
    JOIN closure('g8') s ON s.ancestor = c.node ORDER BY 1, 2;

-- An open cursor keeps seeing what it saw
BEGIN;
DECLARE below CURSOR FOR SELECT descendants('g8', 4, include_self => true);
FETCH below;
INSERT INTO edge8 VALUES (4, 9);
FETCH below;
FETCH below;
CLOSE below;
SELECT node FROM descendants('g8', 4) ORDER BY 1;
ROLLBACK;
SELECT node FROM descendants('g8', 4) ORDER BY 1;

-- Prepared, with other arguments each time
PREPARE below(hgraph, bigint) AS SELECT node FROM descendants($1, $2) ORDER BY 1;
SET plan_cache_mode = force_generic_plan;
EXECUTE below('g8', 3);
EXECUTE below('g8', 2);
EXECUTE below('g4', 4);
EXECUTE below('g8', NULL);
RESET plan_cache_mode;
DEALLOCATE below;
-- A parameter that nobody gave a type is a text
PREPARE below AS SELECT * FROM descendants('g8', $1) ORDER BY 1;
EXECUTE below(3);
DEALLOCATE below;

-- within as a filter over many rows, ancestor or node fixed, and in turns
CREATE TABLE tree AS
    SELECT nullif(i / 2, 0) AS parent, i AS child FROM generate_series(1, 5000) i;
CREATE INDEX ON tree USING hgraph (parent, child);
SELECT count(*), (SELECT count(*) + 1 FROM descendants('tree', 5))
    FROM tree WHERE within('tree', child, 5);
SELECT count(*) FROM tree WHERE within('tree', child, 5, max_depth => 3);
SELECT array_agg(child ORDER BY child) FROM tree WHERE within('tree', 4321, child);
SELECT array_agg(child ORDER BY child) FROM tree
    WHERE within('tree', 4321, child, max_depth => 4);
SELECT count(*) FROM tree, (VALUES (5), (6), (5), (99999)) a (node)
    WHERE within('tree', child, a.node);
SELECT count(*) FROM (SELECT child FROM tree ORDER BY child) t
    WHERE within('tree', child, CASE WHEN child < 2500 THEN 5 ELSE 6 END);
-- Writes in between are seen
CREATE FUNCTION count_within(n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint := 0;
BEGIN
    FOR i IN 1..n LOOP
        IF i = n / 2 THEN
            UPDATE tree SET parent = 2 WHERE child = 3;
        END IF;
        IF within('tree', 7, 2) THEN
            found := found + 1;
        END IF;
    END LOOP;
    RETURN found;
END
$$;
SELECT count_within(200);

-- Every function has a comment, and says what planner and executor must know
SELECT p.oid::regprocedure FROM pg_proc p
    WHERE pronamespace = 'hierarchy'::regnamespace
      AND obj_description(oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT proname, count(*), min(provolatile) AS volatility, min(proparallel) AS parallel,
       bool_and(prosupport <> 0) AS support, min(prorows) AS rows
    FROM pg_proc
    WHERE pronamespace = 'hierarchy'::regnamespace
      AND (SELECT typname FROM pg_type t WHERE t.oid = proargtypes[0]) = 'hgraph'
      AND prosrc ~ '^hgraph_' AND proname !~ '^hgraph_'
    GROUP BY 1 ORDER BY 1;

-- A statement does not see what a function within it writes, not even on heap
-- pages that were marked all-visible when it began
CREATE TABLE steady (parent int, child int);
CREATE INDEX steady_graph ON steady USING hgraph (parent, child);
INSERT INTO steady VALUES (1, 2);
VACUUM steady;
CREATE FUNCTION add_child(i int) RETURNS void VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO steady VALUES (1, 100 + i);
    PERFORM count(*) FROM children('steady', 1);
END
$$;
SELECT i, add_child(i), (SELECT count(*) FROM children('steady', 1 + 0 * i)), within('steady', 100 + i, 1)
  FROM generate_series(1, 3) i;
SELECT count(*) FROM children('steady', 1);

-- Indexes that are no more leave nothing behind in this backend
SET client_min_messages = warning;
DO $$
BEGIN
    FOR i IN 1 .. 300 LOOP
        EXECUTE 'CREATE TEMP TABLE brief (parent int, child int);
                 CREATE INDEX brief_graph ON brief USING hgraph (parent, child);
                 INSERT INTO brief VALUES (1, 2)';
        EXECUTE 'SELECT * FROM descendants(''brief_graph'', 1)';
        DROP TABLE brief;
    END LOOP;
END
$$;
SELECT used_bytes < 40000 AS small FROM pg_backend_memory_contexts WHERE name = 'hierarchy images';

DROP SCHEMA functions CASCADE;
