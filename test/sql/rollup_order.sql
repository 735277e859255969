-- Rows of a rollup come in the order of their keys: long keys, long common
-- beginnings, keys that are the beginning of others, many at a time
CREATE SCHEMA rollup_order;
SET search_path = rollup_order, hierarchy;

CREATE FUNCTION disorder(r hrollup) RETURNS TABLE (nodes bigint, out_of_order bigint)
LANGUAGE sql AS $$
	SELECT count(*), count(*) FILTER (WHERE node COLLATE "C" <= before)
	FROM (SELECT node, lag(node) OVER (ORDER BY o) AS before
		  FROM each(r, NULL::text) WITH ORDINALITY e(node, depth, own, total, own_count, total_count, o)) x
$$;

CREATE TABLE edge AS
SELECT 'root'::text AS parent, child
FROM (SELECT repeat('A', i % 40) || 'x' || lpad((i % 977)::text, i % 13 + 3, '0') || repeat('z', i % 5) || i AS child
	  FROM generate_series(1, 3000) i
	  UNION SELECT repeat('q', i) FROM generate_series(1, 600) i
	  UNION SELECT 'PRS-' || lpad(i::text, 30, '0') FROM generate_series(1, 3000) i
	  UNION SELECT chr(200 + i % 300) || repeat('é', i % 7) || i FROM generate_series(1, 2000) i) s;
CREATE INDEX g ON edge USING hgraph (parent, child);
SELECT * FROM disorder((SELECT rollup('g', child, 1) FROM edge));
SELECT * FROM disorder((SELECT rollup('g', child, 1) FROM edge WHERE child LIKE 'PRS%'));
SELECT * FROM disorder((SELECT rollup('g', child, 1) FROM edge WHERE child LIKE 'qqqqqq'));

-- uuids that differ at their ends only, and integers far apart
CREATE TABLE edge_uuid AS
SELECT '00000000-0000-0000-0000-ffffffffffff'::uuid AS parent,
	   ('00000000-0000-0000-' || CASE i % 2 WHEN 0 THEN '0000' ELSE 'abcd' END || '-' ||
		lpad(to_hex(i * 7919 % 5003), 12, '0'))::uuid AS child
FROM generate_series(1, 5000) i;
CREATE INDEX gu ON edge_uuid USING hgraph (parent, child);
SELECT * FROM disorder((SELECT rollup('gu', child, 1) FROM edge_uuid));

CREATE TABLE edge_int AS
SELECT 0::bigint AS parent, (i - 1500) * (i * 7919 % 5003) * 1000003::bigint AS child
FROM generate_series(1, 3000) i WHERE i <> 1500;
CREATE INDEX gi ON edge_int USING hgraph (parent, child);
SELECT count(*), count(*) FILTER (WHERE node <= before) AS out_of_order
FROM (SELECT node, lag(node) OVER (ORDER BY o) AS before
	  FROM each((SELECT rollup('gi', child, 1) FROM edge_int))
		   WITH ORDINALITY e(node, depth, own, total, own_count, total_count, o)) x;

SET client_min_messages = warning;
DROP SCHEMA rollup_order CASCADE;
