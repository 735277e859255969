--
-- Type hrollup: what is stored, shown and added up of a rollup
--
CREATE SCHEMA hr;
SET search_path = hr, hierarchy;
CREATE TABLE org (parent bigint, child bigint, share numeric, main boolean);
CREATE INDEX org_graph ON org USING hgraph (parent, child) INCLUDE (share, main)
WITH (weight = 'share', is_primary = 'main');
INSERT INTO org VALUES
    (1, 2, 1, true), (1, 3, 1, true), (2, 4, 0.3, true), (3, 4, 0.7, false),
    (4, 5, 1, true), (4, 6, NULL, true);
CREATE TABLE fact (id bigint, amount numeric, measure float8, pieces int);
INSERT INTO fact VALUES
    (5, 1.25, 0.1, 1), (5, 2.50, 0.2, 2), (4, 10.00, 1e15, 3), (2, -3, 5, 4),
    (6, 7.01, 0, 0), (99, 7, 7, 5), (NULL, 8, 8, 6), (1, NULL, NULL, NULL);

CREATE TABLE kept (name text, r hrollup);
INSERT INTO kept SELECT 'exact', rollup('org', id, amount) FROM fact;
INSERT INTO kept SELECT 'integer', rollup('org', id, pieces) FROM fact;
INSERT INTO kept SELECT 'real', rollup('org', id, measure) FROM fact;
INSERT INTO kept SELECT 'count', rollup('org', id) FROM fact;
INSERT INTO kept SELECT 'weighted', rollup('org', id, amount, 'weighted') FROM fact;
INSERT INTO kept SELECT 'primary', rollup('org', id, amount, 'primary') FROM fact;
INSERT INTO kept SELECT 'paths', rollup('org', id, amount, 'paths') FROM fact;
INSERT INTO kept SELECT 'unknown', rollup('org', id, amount) FROM fact WHERE id = 99;
INSERT INTO kept SELECT 'none', rollup('org', id, amount) FROM fact WHERE false;

-- The text form, and reading it again
\a
SELECT r FROM kept WHERE name IN ('exact', 'weighted', 'unknown');
\a
SELECT name, r::text::hrollup::text = r::text AS text_again,
    hrollup_send(r::text::hrollup) = hrollup_send(r) AS same_bytes
FROM kept;
SELECT jsonb_pretty(r::text::jsonb - 'nodes') FROM kept WHERE name = 'real';

-- Rows
SELECT e.* FROM kept, each(r) e WHERE name = 'exact';
SELECT e.* FROM kept, each(r, NULL::int) e WHERE name = 'weighted';
SELECT e.* FROM kept, each(r, NULL::text) e WHERE name = 'real';
SELECT e.* FROM kept, each(r) e WHERE name = 'count';
SELECT e.* FROM kept, each_stats(r) e WHERE name = 'exact';
SELECT e.* FROM kept, each_stats(r, NULL::text) e WHERE name = 'weighted';
SELECT e.* FROM kept, each_stats(r) e WHERE name = 'real';
SELECT e.* FROM kept, each_stats(r) e WHERE name = 'count';
SELECT name, count(node) FROM kept LEFT JOIN each(r) ON true GROUP BY name ORDER BY name;
SELECT each(r) FROM kept WHERE name = 'paths' LIMIT 2;
SELECT (each_stats(r)).total_max FROM kept WHERE name = 'paths';
SELECT * FROM each(NULL) a, each_stats(NULL) b, each(NULL, NULL::text) c;
SELECT pg_typeof(node) FROM kept, each(r, NULL::int) e WHERE name = 'count' LIMIT 1;

-- One node
SELECT name, r -> 4 AS four, r -> '5' AS five, r -> 3::smallint AS three, r -> 7 AS absent
FROM kept;
SELECT (node_stats(r, 4)).* FROM kept WHERE name = 'exact';
SELECT s.* FROM kept, node_stats(r, '5') s WHERE name = 'real';
SELECT (node_stats(r, 77)).* FROM kept WHERE name = 'exact';
SELECT r -> NULL::bigint, NULL::hrollup -> 1 FROM kept WHERE name = 'exact';

-- The whole
SELECT name, (unmatched(r)).* FROM kept;
SELECT name, (reconcile(r)).* FROM kept;

-- Several side by side
SELECT e.* FROM each_of((SELECT array_agg(r ORDER BY name)
    FROM kept WHERE name IN ('exact', 'real', 'none', 'count'))) e;
SELECT node, own, total FROM each_of((SELECT ARRAY[NULL,
    rollup('org', id, amount) FILTER (WHERE id = 2),
    rollup('org', id, pieces, 'weighted') FILTER (WHERE id = 5)] FROM fact), NULL::text);
SELECT a.* FROM each_of(ARRAY[NULL]::hrollup[]) a, each_of(NULL) b, each_of('{}') c;

-- Before and after
SELECT * FROM compare_rollup(
    (SELECT rollup('org', id, amount) FROM fact WHERE id <> 6),
    (SELECT rollup('org', id, pieces) FROM fact WHERE id <> 5));
SELECT * FROM compare_rollup(NULL, (SELECT r FROM kept WHERE name = 'integer'), NULL::text);
SELECT * FROM compare_rollup((SELECT r FROM kept WHERE name = 'count'), NULL, NULL::int);
SELECT * FROM compare_rollup(NULL, NULL);

-- Adding up: as if the facts were together
CREATE VIEW halves AS
SELECT m AS mode, p.part, rollup('org', id, amount, m) AS exact, rollup('org', id, measure, m) AS real,
    rollup('org', id, m) AS number
FROM fact, unnest('{distinct,weighted,primary,paths}'::text[]) m,
    LATERAL (VALUES (id % 2)) p (part)
GROUP BY m, p.part;
SELECT mode, h.exact = w.exact AS exact, h.number = w.number AS number
FROM (SELECT mode, sum(exact)::text AS exact, sum(number)::text AS number FROM halves GROUP BY mode) h
JOIN (SELECT m AS mode, rollup('org', id, amount, m)::text AS exact, rollup('org', id, m)::text AS number
    FROM fact, unnest('{distinct,weighted,primary,paths}'::text[]) m GROUP BY m) w USING (mode)
ORDER BY mode;
SELECT mode, (each(sum(real))).* FROM halves WHERE mode = 'weighted' GROUP BY mode;
-- of different scales: the greater one; what does not fit 128 bits is numeric
SELECT e.* FROM each((SELECT rollup('org', id, pieces) FROM fact)
    + (SELECT rollup('org', id, amount * 0.001) FROM fact)) e;
SELECT e.* FROM each_stats((SELECT rollup('org', 5, 1e-30))
    + (SELECT rollup('org', 2, 1e20)) + (SELECT rollup('org', 5, 3e19))) e;
SELECT node, total FROM each((SELECT rollup('org', 5, 170000000000000000000000000000000000000::numeric))
    + (SELECT rollup('org', 4, 170000000000000000000000000000000000000.5)));
\a
WITH w AS (SELECT (SELECT rollup('org', 5, 1e-30)) + (SELECT rollup('org', 2, 1e30)) AS r)
SELECT r::text::hrollup::text = r::text AS text_again, r -> 1 AS total, w.* FROM w;
\a

-- NaN and infinities
CREATE TABLE odd (id bigint, amount numeric, measure float8);
INSERT INTO odd VALUES
    (5, 'NaN', 'NaN'), (3, 'Infinity', 'Infinity'), (2, '-Infinity', '-Infinity'), (4, 1.5, 1.5), (6, 0, '-0');
SELECT node, own, total, own_min, total_min, own_max, total_max, own_avg, total_avg
FROM each_stats((SELECT rollup('org', id, amount) FROM odd));
SELECT node, own, total, own_min, total_min, own_max, total_max, own_avg, total_avg
FROM each_stats((SELECT rollup('org', id, measure) FROM odd WHERE id <> 5));
SELECT node, total, total_min, total_max
FROM each_stats((SELECT rollup('org', id, amount) FROM odd WHERE id = 2)
    + (SELECT rollup('org', id, amount) FROM odd WHERE id > 2));
\a
SELECT r::text::hrollup::text = r::text AS text_again, r
FROM (SELECT rollup('org', id, measure) AS r FROM odd) x;
SELECT r::text::hrollup::text = r::text AS text_again, r
FROM (SELECT rollup('org', id, amount) + rollup('org', 1, 1e40) AS r FROM odd) x;
\a
SELECT (reconcile(rollup('org', id, amount))).* FROM odd;
SELECT rollup('org', 5, 1e308::float8) + rollup('org', 5, 1e308::float8);

-- Keys of other types
CREATE TABLE words (parent text, child text);
CREATE INDEX words_graph ON words USING hgraph (parent, child);
INSERT INTO words VALUES ('', 'a "quoted" \ word'), ('a "quoted" \ word', E'tab\tand\nline'),
    ('', 'größer'), ('größer', '日本'), ('größer', 'größe');
CREATE VIEW in_words AS
SELECT rollup('words', w, n) AS r
FROM unnest(ARRAY[E'tab\tand\nline', '日本', 'größe', '', 'nirgends'], ARRAY[1, 2, 3, 4, 5]) AS x (w, n);
\a
SELECT r FROM in_words;
\a
SELECT r::text::hrollup::text = r::text AS text_again FROM in_words;
SELECT r -> '' AS top, r -> 'größer', r -> 'a "quoted" \ word' FROM in_words;
SELECT quote_literal(node), total FROM in_words, each(r, NULL::text);
SELECT e.node, e.total FROM in_words, each(r + r, NULL::text) e;
CREATE TABLE things (parent uuid, child uuid);
CREATE INDEX things_graph ON things USING hgraph (parent, child);
INSERT INTO things VALUES ('00000000-0000-0000-0000-000000000001', 'ffffffff-0000-0000-0000-000000000002');
CREATE VIEW of_things AS SELECT rollup('things', child, 2.5) AS r FROM things;
\a
SELECT r FROM of_things;
\a
SELECT r -> 'FFFFFFFF-0000-0000-0000-000000000002', r -> '00000000-0000-0000-0000-000000000001'::uuid,
    r -> '00000000-0000-0000-0000-000000000009'::uuid, r::text::hrollup::text = r::text
FROM of_things;
SELECT pg_typeof(node), node, total FROM of_things, each(r, NULL::uuid);
SELECT pg_typeof(node), node, total FROM of_things, each(r, ''::text);
CREATE TABLE small (parent int, child int);
CREATE INDEX small_graph ON small USING hgraph (parent, child);
INSERT INTO small VALUES (-2147483648, 2147483647);
\a
SELECT r, r -> 2147483647, r -> -9876543210, r -> '-2147483648'
FROM (SELECT rollup('small', child, 1) AS r FROM small) x;
\a

-- Errors
SELECT r -> '00000000-0000-0000-0000-000000000001'::uuid FROM kept WHERE name = 'exact';
SELECT r -> 1 FROM in_words;
SELECT r -> 'x' FROM of_things;
SELECT r -> 'x' FROM kept WHERE name = 'exact';
SELECT r -> '99999999999' FROM (SELECT rollup('small', child, 1) AS r FROM small) x;
SELECT * FROM in_words, each(r);
SELECT * FROM of_things, each(r, NULL::bigint);
SELECT * FROM kept, each(r, NULL::uuid);
SELECT * FROM kept, each(r, NULL::date);
SELECT e.* FROM kept, each(replace(r::text, '[6, ', '[6000000000, ')::hrollup, NULL::int) e WHERE name = 'exact';
SELECT r + replace(r::text, '"bigint"', '"integer"')::hrollup FROM kept WHERE name = 'count';
SELECT a.r + b.r FROM kept a, kept b WHERE a.name = 'exact' AND b.name = 'weighted';
SELECT a.r + b.r FROM kept a, kept b WHERE a.name = 'exact' AND b.name = 'real';
SELECT a.r + b.r FROM kept a, kept b WHERE a.name = 'count' AND b.name = 'integer';
SELECT k.r + w.r FROM kept k, in_words w WHERE k.name = 'integer';
SELECT * FROM compare_rollup((SELECT r FROM kept WHERE name = 'paths'), (SELECT r FROM kept WHERE name = 'primary'));
SELECT * FROM each_of(ARRAY[(SELECT r FROM kept WHERE name = 'integer'), NULL, (SELECT r FROM of_things)]);
SELECT rollup('org', id, amount, 'best') FROM fact;

-- Text that is no rollup
CREATE FUNCTION try(doc text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    RETURN doc::hierarchy.hrollup::text;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, detail);
END $$;
SELECT try('');
SELECT try('x');
SELECT try('[]');
SELECT try('1');
SELECT try('{}');
SELECT try('{"hrollup": 1, "nodes": []}');
SELECT try('{"hrollup": {}}');
SELECT try('{"hrollup": []}');
SELECT try('{"other": 1}');
SELECT try('{"hrollup": 1, "hrollup": 1}');
CREATE FUNCTION change(name text, find text, put text) RETURNS text LANGUAGE sql
AS $$ SELECT hr.try(replace(r::text, find, put)) FROM hr.kept WHERE name = $1 $$;
SELECT change('count', '"hrollup": 1', '"hrollup": 2');
SELECT change('count', '"mode": "distinct"', '"mode": "best"');
SELECT change('count', '"mode": "distinct"', '"mode": 1');
SELECT change('count', '"mode": "distinct", ', '');
SELECT change('count', '"values": "count"', '"values": "exact"');
SELECT change('exact', '"values": "exact"', '"values": "count"');
SELECT change('exact', '"values": "exact"', '"values": "any"');
SELECT change('exact', '"bigint"', '"numeric"');
SELECT change('exact', '"bigint"', '"uuid"');
SELECT change('exact', '"scale": 2', '"scale": 1');
SELECT change('exact', '"scale": 2', '"scale": 3');
SELECT change('exact', '"scale": 2', '"scale": 99999');
SELECT change('exact', '"facts": 7', '"facts": 1');
SELECT change('exact', '"facts": 7', '"facts": 9223372036854775808');
SELECT change('exact', '"own_min", ', '');
SELECT change('exact', '"total_max"', '"total_max", "more"');
SELECT change('exact', '"columns": [', '"columns": [1, ');
SELECT change('exact', '[5, ', '["five", ');
SELECT change('exact', '[5, ', '[5.0, ');
SELECT change('exact', '[5, ', '[4, ');
SELECT change('exact', '[5, ', '[99999999999999999999, ');
SELECT change('exact', '[5, ', '[[5], ');
SELECT change('exact', '[5, 3, ', '[5, -3, ');
SELECT change('exact', '[5, 3, 2', '[5, 3, -2');
SELECT change('exact', '[5, 3, 2', '[5, 3, 0');
SELECT change('exact', '[5, 3, 2', '[5, 3, true');
SELECT change('exact', '3.75, 3.75', '3.75e0, 3.75');
SELECT change('exact', '3.75, 3.75', '3.750, 3.75');
SELECT change('exact', '3.75, 3.75', '"3.75", 3.75');
SELECT change('exact', '3.75, 3.75', 'null, 3.75');
SELECT change('exact', '3.75, 3.75', '3.75');
SELECT change('exact', '3.75, 3.75', '3.75, 3.75, 3.75');
SELECT change('exact', '[5, ', '{}, [5, ');
SELECT change('exact', '[5, ', '5, [5, ');
SELECT change('exact', ']]', ']], "facts": 7');
SELECT change('exact', ']]', ']], "extra": 7');
SELECT change('real', '1e+15', '1e+400');
SELECT change('real', '"sum_rest": ', '"sum_rest": "NaN", "x": ');
-- in any order, and with blanks, it is one all the same
SELECT change('count', '[1, ', E' \n[1 ,\t') = r::text FROM kept WHERE name = 'count';
SELECT change('count', '"nodes": [[1, 0, 0, 5], [2, 1, 1, 5]', '"nodes": [[2, 1, 1, 5], [1, 0, 0, 5]') = r::text
FROM kept WHERE name = 'count';

-- Stored, toasted, the graph gone
INSERT INTO org SELECT 5, i, 1, true FROM generate_series(1000, 11999) i;
CREATE TABLE large (r hrollup);
ALTER TABLE large ALTER r SET STORAGE external;
INSERT INTO large SELECT rollup('org', i, (i * 7919 % 1000003) * 12345678901234567890.01)
FROM generate_series(1000, 11999) i;
INSERT INTO large SELECT r + r + r FROM large;
SELECT pg_column_size(r) > 1000000 AS large, x.*, r -> 1 AS top
FROM large, LATERAL (SELECT count(*), sum(own), max(total) FROM each(r)) x;
SELECT r::text::hrollup::text = r::text AS text_again, hrollup_send(r::text::hrollup) = hrollup_send(r) AS same_bytes
FROM large;
DROP VIEW halves;
DROP TABLE org;
SELECT sum(r) -> 1 FROM large;
SELECT name, r -> 1 FROM kept WHERE name = 'exact';

-- Through binary COPY
SELECT current_setting('data_directory') || '/hierarchy_hrollup.bin' AS file \gset
CREATE TABLE again (LIKE kept);
COPY kept TO :'file' (FORMAT binary);
COPY again FROM :'file' (FORMAT binary);
SELECT count(*), count(*) FILTER (WHERE a.r::text = k.r::text AND hrollup_send(a.r) = hrollup_send(k.r))
FROM kept k JOIN again a USING (name);
COPY large TO :'file' (FORMAT binary);
CREATE TABLE large2 (LIKE large);
COPY large2 FROM :'file' (FORMAT binary);
SELECT count(*) FROM large2 JOIN large ON hrollup_send(large2.r) = hrollup_send(large.r);
-- in another encoding, in which keys are in another order
CREATE TABLE words2 (r hrollup);
SET client_encoding = 'LATIN1';
COPY (SELECT rollup('words', w, n) FROM (VALUES (convert_from('\x6772c3b6c39f65', 'UTF8'), 1)) AS x (w, n)) TO :'file' (FORMAT binary);
RESET client_encoding;
COPY words2 FROM :'file' (FORMAT binary);
SET client_encoding = 'LATIN1';
COPY words2 FROM :'file' (FORMAT binary);
RESET client_encoding;
SELECT quote_literal(node), total FROM words2, each(r, NULL::text);

-- Garbage through binary COPY
CREATE TABLE image (b bytea);
CREATE TABLE received (r hrollup);
CREATE FUNCTION receive(image bytea, file text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    DELETE FROM hr.image;
    DELETE FROM hr.received;
    INSERT INTO hr.image VALUES (image);
    EXECUTE format('COPY hr.image TO %L (FORMAT binary)', file);
    EXECUTE format('COPY hr.received FROM %L (FORMAT binary)', file);
    RETURN (SELECT CASE WHEN r::text::hierarchy.hrollup::text = r::text THEN 'good' ELSE 'different' END FROM hr.received);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, detail);
END $$;
SELECT receive('', :'file');
SELECT receive('\x00', :'file');
SELECT receive('\x02', :'file');
SELECT receive('\x01', :'file');
SELECT receive('\x01000102', :'file');
SELECT receive('\x01ff0101', :'file');
SELECT receive('\x0100ff01', :'file');
SELECT receive('\x010001ff', :'file');
SELECT receive(decode(repeat('ff', 1000), 'hex'), :'file');
SELECT name, receive(hrollup_send(r), :'file') FROM kept WHERE r IS NOT NULL;
SELECT receive(hrollup_send(r) || '\x00'::bytea, :'file') FROM kept WHERE name = 'exact';
SELECT receive(substr(hrollup_send(r), 1, length(hrollup_send(r)) - 1), :'file') FROM kept WHERE name = 'exact';
-- keys that do not ascend, a count of -1
SELECT receive(overlay(image PLACING '\x06' FROM position('\x000102030405'::bytea IN image)), :'file')
FROM (SELECT hrollup_send(r) AS image FROM kept WHERE name = 'count') x;
SELECT receive(overlay(image PLACING '\xff'::bytea FROM 34), :'file')
FROM (SELECT hrollup_send(r) AS image FROM kept WHERE name = 'count') x;
COPY (SELECT) TO :'file';

DROP SCHEMA hr CASCADE;
