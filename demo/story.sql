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
SELECT '"' || parent || '"' AS parent, '"' || child || '"' AS child, share, "primary",
    valid_from, valid_to
FROM raw_edges
WHERE line IN (6, 12, 16, 18, 39, 51, 91, 119)
ORDER BY line;
\else
\echo 'The master list is' :title'.'
\endif
\echo 'Ordinary SQL (demo/clean.sql) put it right and loaded three ordinary tables: entity, affiliation'
\echo '(parent_id, child_id, share, valid ...) and fact (node, quantity). What it found:'
\echo
SELECT rpad(finding, 64) AS finding, rows FROM cleaning ORDER BY ordinal;

-- What the list has beside parent and child goes into the index.
SELECT EXISTS (SELECT FROM affiliation WHERE share IS NOT NULL) AS has_shares,
    EXISTS (SELECT FROM affiliation WHERE valid IS NOT NULL) AS has_days,
    EXISTS (SELECT FROM affiliation WHERE is_primary) AS has_primary,
    EXISTS (SELECT FROM affiliation WHERE kind IS NOT NULL) AS has_kinds \gset
SELECT CASE WHEN count(*) > 0 THEN
        format(E'\n    INCLUDE (%s)\n    WITH (%s)', string_agg(col, ', ' ORDER BY n) FILTER (WHERE col IS NOT NULL),
            string_agg(role || ' = ' || quote_literal(coalesce(col, 'on')), ', ' ORDER BY n))
        ELSE '' END AS roles
FROM (VALUES
    (1, 'weight', 'share', :'has_shares'::boolean),
    (2, 'validity', 'valid', :'has_days'),
    (3, 'is_primary', 'is_primary', :'has_primary'),
    (4, 'label', 'kind', :'has_kinds'),
    -- foreign lists may have shares that are no parts of a whole
    (5, 'any_weight', NULL, EXISTS (SELECT FROM affiliation WHERE parent_id IS NOT NULL
        GROUP BY parent_id, child_id HAVING sum(share) NOT BETWEEN 0 AND 1))) r (n, role, col, there)
WHERE there \gset

\echo '---- 1. One index -----------------------------------------------------------------------------'
\echo
\set ECHO queries
CREATE INDEX org_chart ON affiliation USING hgraph (parent_id, child_id):roles;
SELECT nodes, edges, roots, leaves, multi_parent_nodes, max_depth FROM graph_stats('org_chart');
\set ECHO none
\echo 'max_depth is the longest way down, in steps. multi_parent_nodes have several parents: this is'
\echo 'no tree, and none is needed.'
\echo

CREATE TEMP TABLE before AS
SELECT node, total FROM each(rollup_table('org_chart', 'fact', 'node', 'quantity'), NULL::text);

-- The cast. For a foreign list: the largest root; the node with the most
-- ancestors; and something to move that carries facts and has one parent.
\if :tidy
SELECT 'NET-1' AS top, 'PRS-0044' AS busy, 'ACC-026' AS moved, 'ORG-07' AS old_parent,
    'ORG-06' AS new_parent, ', max_depth => 2' AS tree_depth \gset
\else
CREATE TEMP TABLE span AS
SELECT node, sum(below) AS below, sum(above) AS above
FROM (SELECT ancestor AS node, 1 AS below, 0 AS above FROM closure('org_chart', NULL::text) WHERE depth > 0
      UNION ALL
      SELECT descendant, 0, 1 FROM closure('org_chart', NULL::text) WHERE depth > 0) x
GROUP BY node;
SELECT coalesce((SELECT node FROM span WHERE above = 0 ORDER BY below DESC, node LIMIT 1),
        (SELECT min(node) FROM roots('org_chart', NULL::text)), '') AS top,
    coalesce((SELECT node FROM span ORDER BY above DESC, node LIMIT 1),
        (SELECT max(id) FROM entity), '') AS busy \gset
CREATE TEMP TABLE candidate AS
SELECT t.node, e.type, t.total
FROM before t JOIN span USING (node) JOIN entity e ON e.id = t.node
WHERE below > 0 AND above > 0 AND length(e.name) > 3
ORDER BY e.type IN ('account', 'enrollment') DESC, t.total DESC, t.node LIMIT 1000;
CREATE TEMP TABLE single AS
SELECT c.node, min(p.node) AS parent, c.type, c.total
FROM candidate c, parents('org_chart', c.node) p
GROUP BY c.node, c.type, c.total HAVING count(*) = 1
ORDER BY c.type IN ('account', 'enrollment') DESC, c.total DESC, c.node LIMIT 1;
SELECT coalesce((SELECT node FROM single), '') AS moved,
    coalesce((SELECT parent FROM single), '') AS old_parent \gset
SELECT coalesce((
    SELECT t.node
    FROM before t JOIN entity e ON e.id = t.node
    WHERE e.type = (SELECT type FROM entity WHERE id = :'old_parent')
        AND t.node <> :'old_parent' AND NOT within('org_chart', t.node, :'moved')
    ORDER BY t.total DESC, t.node LIMIT 1), '') AS new_parent \gset
\set tree_depth
\endif
SELECT coalesce(left(max(name) FILTER (WHERE id = :'top'), 40), '') AS top_name,
    coalesce(left(max(name) FILTER (WHERE id = :'busy'), 40), '') AS busy_name,
    coalesce(left(max(name) FILTER (WHERE id = :'moved'), 40), '') AS moved_name,
    coalesce(left(max(name) FILTER (WHERE id = :'old_parent'), 40), '') AS old_name,
    coalesce(left(max(name) FILTER (WHERE id = :'new_parent'), 40), '') AS new_name
FROM entity \gset
SELECT :'new_parent' <> '' AS can_move \gset

-- A column that only lists with shares have.
\if :has_shares
\set share_column ', round(share * 100, 2) AS "share, %"'
\else
\set share_column
\endif

\echo '---- 2. The tree ------------------------------------------------------------------------------'
\echo
\echo :top_name 'and what is below, in display order. Who stands'
\echo 'under two parents appears under each of them, and is unfolded the first time only.'
\echo
\set ECHO queries
SELECT left(repeat('    ', p.depth) || e.name, 60) AS entity, e.type,
    CASE WHEN p.is_repeat THEN 'again' END AS repeated
FROM preorder('org_chart', :'top':tree_depth) p JOIN entity e ON e.id = p.node
ORDER BY p.ordinal LIMIT 30;
\set ECHO none

\echo '---- 3. Up and down ---------------------------------------------------------------------------'
\echo
\echo 'Everything above' :busy_name', each once, with its shortest distance.'
\if :has_shares
\echo 'The share is the product of the shares along a path, summed over all paths.'
\endif
\echo
\set ECHO queries
SELECT depth, left(name, 44) AS ancestor, type:share_column
FROM ancestors('org_chart', :'busy') JOIN entity ON id = node
ORDER BY depth, node LIMIT 15;
SELECT left(array_to_string(path, ' > '), 80) AS path:share_column
FROM paths('org_chart', :'busy') LIMIT 8;
\set ECHO none
\echo 'And everything below' :top_name', counted by type:'
\echo
\set ECHO queries
SELECT type, count(*) FROM descendants('org_chart', :'top') JOIN entity ON id = node
GROUP BY type ORDER BY count(*) DESC, type LIMIT 8;
\set ECHO none
\if :has_kinds
SELECT id AS kind_id, name AS kind_name FROM kind
WHERE id = (SELECT min(kind) FROM affiliation WHERE parent_id = :'top') \gset
\echo 'Edges have kinds here. Above' :busy_name 'by way of' :kind_name 'alone:'
\echo
\set ECHO queries
SELECT depth, left(name, 44) AS ancestor, type
FROM ancestors('org_chart', :'busy', labels => ARRAY[:kind_id]) JOIN entity ON id = node
ORDER BY depth, node LIMIT 10;
\set ECHO none
\endif

\echo '---- 4. Totals at every level -----------------------------------------------------------------'
\echo
\echo 'rollup() is an aggregate: facts go in; what comes out is one value with the totals of all nodes.'
\echo 'A total counts each fact at or below the node once, however many paths lead there.'
\echo
\set ECHO queries
SELECT left(name, 40) AS entity, type, own, total, total_count AS facts
FROM each((SELECT rollup('org_chart', node, quantity) FROM fact), NULL::text)
JOIN entity ON id = node
ORDER BY total DESC, node LIMIT 8;
\set ECHO none
\if :has_shares
\echo 'In mode weighted a fact is split between those it belongs to, by the shares along its paths.'
\endif
\echo 'reconcile() tells where everything went. Whoever stands below two roots counts in both: that is'
\echo 'what sharing adds, or blank shares take away. Facts of entities that nobody knows are unmatched,'
\echo 'not dropped.'
\echo
\set ECHO queries
\if :has_shares
SELECT mode, grand_total, unmatched, round(sharing, 1) AS sharing, round(root_total, 1) AS root_total
FROM (SELECT 'distinct' AS mode, rollup('org_chart', node, quantity) AS r FROM fact
      UNION ALL
      SELECT 'weighted', rollup('org_chart', node, quantity, 'weighted') FROM fact) f, reconcile(r);
\else
SELECT grand_total, unmatched, sharing, root_total
FROM reconcile(rollup_table('org_chart', 'fact', 'node', 'quantity'));
\endif
\set ECHO none
\echo 'Where does a number come from? What 100 facts of' :busy_name 'are to' :top_name':'
\echo
\set ECHO queries
SELECT left(array_to_string(path, ' > '), 60) AS path, round(contribution, 2) AS contribution
FROM explain_rollup('org_chart', :'top', :'busy', amount => 100) LIMIT 8;
\set ECHO none
\echo 'BI tools want tables and columns. This is an ordinary view, with comments:'
\echo
\set ECHO queries
SELECT create_rollup_view('quantity_by_node', 'org_chart', 'fact', 'node', ARRAY['quantity']);
SELECT level, left(path, 50) AS path, quantity_own, quantity_total
FROM quantity_by_node WHERE :'top' IN (node, parent) ORDER BY path LIMIT 8;
\set ECHO none

\if :can_move
\echo '---- 5. A move is one UPDATE ------------------------------------------------------------------'
\echo
\echo :moved_name 'is to go from'
\echo :old_name 'to' :new_name'.'
\echo 'What would that change? Try it in a transaction, compare, and roll back:'
\echo
\set ECHO queries
BEGIN;
CREATE TEMP TABLE today AS SELECT rollup_table('org_chart', 'fact', 'node', 'quantity') AS totals;
UPDATE affiliation SET parent_id = :'new_parent'
WHERE parent_id = :'old_parent' AND child_id = :'moved';
SELECT left(name, 44) AS entity, type, before, after, difference
FROM today, compare_rollup(totals, rollup_table('org_chart', 'fact', 'node', 'quantity'), NULL::text)
JOIN entity ON id = node
WHERE difference <> 0
ORDER BY difference, node LIMIT 12;
ROLLBACK;
\set ECHO none
\echo 'Nothing has happened yet. It does now, and everything below goes along:'
\echo
\set ECHO queries
UPDATE affiliation SET parent_id = :'new_parent'
WHERE parent_id = :'old_parent' AND child_id = :'moved';
SELECT depth, left(name, 44) AS ancestor, type
FROM ancestors('org_chart', :'moved') JOIN entity ON id = node
ORDER BY depth, node LIMIT 8;
\set ECHO none
\endif

SELECT coalesce((SELECT node FROM descendants('org_chart', :'top', max_depth => 3)
                 ORDER BY depth DESC, node LIMIT 1), '') AS deep \gset
SELECT :'deep' <> '' AS can_close \gset
\if :can_close
\echo '---- 6. A cycle is refused --------------------------------------------------------------------'
\echo
\echo 'Could' :top_name 'belong to something below it?'
\echo 'No writer, no isolation level and no bulk load gets such a row in:'
\echo
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
\endif

\if :has_days
\echo '---- 7. Yesterday and today -------------------------------------------------------------------'
\echo
\if :tidy
SELECT 'ACC-005' AS changed, '2025-06-30' AS day \gset
SELECT name AS changed_name FROM entity WHERE id = :'changed' \gset
\echo 'Rows may carry a range of days. Who stood above' :changed_name
\echo 'the day before it changed hands, and who does today?'
\echo
\set ECHO queries
SELECT depth, name AS "on that day", type
FROM ancestors('org_chart', :'changed', as_of => :'day') JOIN entity ON id = node
ORDER BY depth;
SELECT depth, name AS today, type
FROM ancestors('org_chart', :'changed') JOIN entity ON id = node
ORDER BY depth;
\set ECHO none
\else
SELECT min(lower(valid)) AS first_day FROM affiliation \gset
\echo 'Rows may carry a range of days. Every question can be asked for any day:'
\echo
\set ECHO queries
SELECT day::date, count(*) AS pairs
FROM generate_series(:'first_day', current_date, interval '2 years') day,
    closure('org_chart', NULL::text, as_of => day::date)
WHERE depth > 0 GROUP BY day ORDER BY day;
\set ECHO none
\endif
\endif

\echo '---- And how long does that take? -------------------------------------------------------------'
\echo
CREATE TEMP TABLE took (question text, rows bigint, ms numeric);
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM closure('org_chart', NULL::text) \gset
INSERT INTO took SELECT 'the whole closure: every pair of ancestor and descendant', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM entity e, ancestors('org_chart', e.id) \gset
INSERT INTO took SELECT 'the ancestors of every entity, one call each', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM entity e WHERE within('org_chart', e.id, :'top') \gset
INSERT INTO took SELECT 'which entities stand within ' || :'top_name' || '?', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM each(rollup_table('org_chart', 'fact', 'node', 'quantity'), NULL::text) \gset
INSERT INTO took SELECT 'the totals of every node', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT rpad(question, 70) AS question, rows, round(ms, 1) AS ms FROM took;
\echo 'The server and all of this are gone now. README.md goes on with a tour of five minutes.'
\echo
