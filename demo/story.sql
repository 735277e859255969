-- The story that "make demo" tells, read by psql from stdin.  Variables:
-- tidy (1: our own list, where the cast is known), title.
SET client_min_messages = warning;
SET jit = off;
\pset footer off
\pset null ''
\pset border 1
\set ON_ERROR_STOP on

\echo
\echo '=============================================================================================='
\echo ' hierarchy: an index that knows who stands above and below whom'
\echo '=============================================================================================='
\echo

\if :tidy
\echo 'A master list as master lists are: prescribers, the accounts they work at, the organisations'
\echo 'that own the accounts, the networks that organisations belong to. Some of it, as it came:'
\echo
SELECT '"' || r.parent || '"' AS parent, '"' || r.child || '"' AS child, r.share, r."primary",
    r.valid_from, r.valid_to
FROM raw_edges r
WHERE line IN (9, 10, 12, 16, 18, 39, 50, 51)
ORDER BY line;
\else
\echo 'The master list is' :title
\echo
\endif
\echo 'Ordinary SQL (demo/clean.sql) put it right and loaded three ordinary tables: entity, affiliation'
\echo '(parent_id, child_id, share, valid ...) and fact (node, quantity). What it found:'
\echo
SELECT rpad(finding, 64, ' ') AS finding, rows FROM cleaning ORDER BY ordinal;

\echo '---- 1. One index -----------------------------------------------------------------------------'
\echo
\set ECHO queries
CREATE INDEX org_chart ON affiliation USING hgraph (parent_id, child_id)
    INCLUDE (share, valid, is_primary, kind)
    WITH (weight = 'share', validity = 'valid', is_primary = 'is_primary', label = 'kind');
SELECT nodes, edges, roots, leaves, multi_parent_nodes, max_depth FROM graph_stats('org_chart');
\set ECHO none
\echo 'max_depth is the longest way down in steps. A node may have several parents:' 
\echo 'multi_parent_nodes have, so this is no tree and no tree is needed.'
\echo

-- The cast. For a foreign list: the largest root; the node with the most
-- ancestors; and something to move that carries facts and has one parent.
CREATE TEMP TABLE span AS
SELECT ancestor AS node, count(*) - 1 AS below FROM closure('org_chart', NULL::text) GROUP BY ancestor;
CREATE TEMP TABLE height AS
SELECT descendant AS node, count(*) - 1 AS above FROM closure('org_chart', NULL::text) GROUP BY descendant;
CREATE VIEW level_total AS
SELECT c.ancestor AS node,
    sum(f.quantity) AS total,
    sum(f.quantity * c.share) AS by_share
FROM closure('org_chart', NULL::text) c
JOIN fact f ON f.node = c.descendant
GROUP BY c.ancestor;

\if :tidy
SELECT 'NET-3' AS top, 'PRS-0044' AS busy, 'ACC-026' AS moved, 'ORG-07' AS old_parent, 'ORG-06' AS new_parent \gset
\else
SELECT r.node AS top FROM roots('org_chart', NULL::text) r JOIN span s USING (node)
ORDER BY s.below DESC, r.node LIMIT 1 \gset
SELECT node AS busy FROM height ORDER BY above DESC, node LIMIT 1 \gset
CREATE TEMP TABLE candidate AS
SELECT t.node, t.total, e.type, min(p.node) AS parent, count(*) AS parents
FROM level_total t
JOIN span s USING (node)
JOIN entity e ON e.id = t.node
CROSS JOIN LATERAL parents('org_chart', t.node) p
WHERE s.below > 0
GROUP BY t.node, t.total, e.type;
SELECT c.node AS moved, c.parent AS old_parent, n.id AS new_parent
FROM candidate c
JOIN entity o ON o.id = c.parent
JOIN entity n ON n.type = o.type AND n.id <> o.id AND NOT within('org_chart', n.id, c.node)
JOIN level_total t ON t.node = n.id
WHERE c.parents = 1
ORDER BY c.type IN ('account', 'enrollment') DESC, c.total DESC, c.node, t.total DESC, n.id
LIMIT 1 \gset
\endif
SELECT name AS top_name FROM entity WHERE id = :'top' \gset
SELECT name AS busy_name FROM entity WHERE id = :'busy' \gset
SELECT name AS moved_name FROM entity WHERE id = :'moved' \gset
SELECT name AS old_name FROM entity WHERE id = :'old_parent' \gset
SELECT name AS new_name FROM entity WHERE id = :'new_parent' \gset

\echo '---- 2. The tree ------------------------------------------------------------------------------'
\echo
\echo 'In display order below' :top_name '(the first 30 lines). Who stands under two parents appears'
\echo 'under each of them, and is unfolded the first time only.'
\echo
\set ECHO queries
SELECT repeat('    ', p.depth) || left(e.name, 50) AS entity, e.type,
    CASE WHEN p.is_repeat THEN 'again' END AS repeated
FROM preorder('org_chart', :'top') p JOIN entity e ON e.id = p.node
ORDER BY p.ordinal LIMIT 30;
\set ECHO none

\echo '---- 3. Up and down ---------------------------------------------------------------------------'
\echo
\echo 'Everything above' :busy_name '- each once, with its shortest distance, and the share'
\echo 'that reaches it: the product of the shares along a path, summed over all paths.'
\echo
\set ECHO queries
SELECT a.depth, left(e.name, 44) AS ancestor, e.type, round(a.share * 100, 2) AS "share, %"
FROM ancestors('org_chart', :'busy') a JOIN entity e ON e.id = a.node
ORDER BY a.depth, a.node LIMIT 20;
SELECT array_to_string(path, ' > ') AS path, round(share * 100, 2) AS "share, %"
FROM paths('org_chart', :'busy') LIMIT 10;
\set ECHO none
\echo 'And everything below' :top_name', counted by type:'
\echo
\set ECHO queries
SELECT e.type, count(*) FROM descendants('org_chart', :'top') d JOIN entity e ON e.id = d.node
GROUP BY e.type ORDER BY count(*) DESC, e.type LIMIT 10;
\set ECHO none

\echo '---- 4. Totals at every level -----------------------------------------------------------------'
\echo
\echo 'closure() is the bridge between facts and levels: a row for every pair of ancestor and'
\echo 'descendant. "total" counts each fact once per node, "by_share" in the proportion of the shares.'
\echo
\set ECHO queries
SELECT e.type, count(*) AS nodes, sum(t.total) AS "sum of totals", round(sum(t.by_share)) AS "sum by share"
FROM (SELECT c.ancestor, sum(f.quantity) AS total, sum(f.quantity * c.share) AS by_share
      FROM closure('org_chart', NULL::text) c JOIN fact f ON f.node = c.descendant
      GROUP BY c.ancestor) t
JOIN entity e ON e.id = t.ancestor
GROUP BY e.type ORDER BY sum(t.total) DESC, e.type LIMIT 12;
\set ECHO none
SELECT sum(quantity) FILTER (WHERE e.id IS NOT NULL) AS "all facts",
    coalesce(sum(quantity) FILTER (WHERE e.id IS NULL), 0) AS "of entities nobody knows"
FROM fact f LEFT JOIN entity e ON e.id = f.node;
\if :tidy
\echo 'Whoever works for two networks counts in both totals, so these add up to more than there is.'
\echo 'By share nothing counts twice. The topmost nodes, added up, are all the facts:'
\echo
SELECT left(e.name, 44) AS top, e.type, t.total, round(t.by_share, 1) AS by_share
FROM roots('org_chart', NULL::text) r JOIN entity e ON e.id = r.node JOIN level_total t ON t.node = r.node
UNION ALL
SELECT 'added up', '', sum(t.total), round(sum(t.by_share), 1)
FROM roots('org_chart', NULL::text) r JOIN level_total t ON t.node = r.node
ORDER BY 2 DESC, 1;
\else
\echo 'The largest totals:'
\echo
SELECT left(e.name, 44) AS entity, e.type, t.total, round(t.by_share, 1) AS by_share
FROM level_total t JOIN entity e ON e.id = t.node
ORDER BY t.total DESC, t.node LIMIT 12;
\endif

\echo '---- 5. A move is one UPDATE ------------------------------------------------------------------'
\echo
\echo :moved_name 'goes from' :old_name
\echo 'to' :new_name'; everything below goes along.'
\echo
CREATE TEMP TABLE before AS SELECT * FROM level_total;
\set ECHO queries
UPDATE affiliation SET parent_id = :'new_parent' WHERE parent_id = :'old_parent' AND child_id = :'moved';
\set ECHO none
SELECT left(e.name, 44) AS entity, e.type, b.total AS before, coalesce(a.total, 0) AS after,
    coalesce(a.total, 0) - b.total AS change
FROM before b LEFT JOIN level_total a USING (node) JOIN entity e ON e.id = b.node
WHERE b.total IS DISTINCT FROM a.total
ORDER BY change, b.node;

\echo '---- 6. A cycle is refused --------------------------------------------------------------------'
\echo
\echo 'Could' :top_name 'belong to something below itself? No writer, no isolation level'
\echo 'and no bulk load gets such a row in:'
\echo
SELECT node AS deep FROM descendants('org_chart', :'top') ORDER BY depth DESC, node LIMIT 1 \gset
\set ON_ERROR_STOP off
\set ECHO queries
INSERT INTO affiliation (parent_id, child_id) VALUES (:'deep', :'top');
\set ECHO none
\set ON_ERROR_STOP on
\echo
\echo 'Nothing changed; verify() compares index, table and acyclicity and finds nothing wrong:'
\echo
\set ECHO queries
SELECT count(*) AS problems FROM verify('org_chart');
\set ECHO none

SELECT EXISTS (SELECT FROM affiliation WHERE valid IS NOT NULL) AS dated \gset
\if :dated
\echo '---- 7. Yesterday and today -------------------------------------------------------------------'
\echo
SELECT child_id AS changed, (min(lower(valid)) - 1)::text AS day
FROM affiliation WHERE valid IS NOT NULL
GROUP BY child_id HAVING count(*) > 1 AND count(lower(valid)) > 0
ORDER BY child_id LIMIT 1 \gset
SELECT name AS changed_name FROM entity WHERE id = :'changed' \gset
\echo 'Rows may carry a range of days. Who stood above' :changed_name 'the day before it changed'
\echo 'hands, and who does today?'
\echo
\set ECHO queries
SELECT 'on ' || :'day' AS "when", e.name AS ancestor, e.type, a.depth
FROM ancestors('org_chart', :'changed', as_of => :'day') a JOIN entity e ON e.id = a.node
UNION ALL
SELECT 'today', e.name, e.type, a.depth
FROM ancestors('org_chart', :'changed') a JOIN entity e ON e.id = a.node
ORDER BY "when", depth;
\set ECHO none
\endif

\echo '---- And how long does that take? -------------------------------------------------------------'
\echo
CREATE TEMP TABLE took (question text, rows bigint, ms numeric);
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM closure('org_chart', NULL::text) \gset
INSERT INTO took SELECT 'the whole closure: every pair of ancestor and descendant', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n, count(DISTINCT e.id) AS calls FROM entity e, ancestors('org_chart', e.id) \gset
INSERT INTO took SELECT 'the ancestors of every entity, one call each', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM entity e WHERE within('org_chart', e.id, :'top') \gset
INSERT INTO took SELECT 'which entities stand within ' || :'top_name' || '?', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT rpad(question, 64) AS question, rows, round(ms, 1) AS ms FROM took;
\echo 'The server and all of this are gone now. README.md goes on with a tour of five minutes.'
\echo
