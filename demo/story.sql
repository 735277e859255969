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
\echo ' hierarchy: customer hierarchies that PostgreSQL itself keeps right'
\echo '=============================================================================================='
\echo

-- What kind of list is it?
SELECT EXISTS (SELECT FROM listed_relationship WHERE share IS NOT NULL) AS has_shares,
    EXISTS (SELECT FROM listed_relationship WHERE relationship_type IS NOT NULL) AS has_types \gset

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
\echo 'Ordinary SQL (demo/clean.sql) put it right. What it found:'
\echo
SELECT rpad(finding, 64) AS finding, rows FROM cleaning ORDER BY ordinal;

\echo '---- 1. The directory ------------------------------------------------------------------------'
\echo
\echo 'Entities are kept once, in one table. Each hierarchy over them has rules of its own: which type'
\echo 'stands under which, whether shares must add up, whether one parent must be the primary one.'
\echo
\if :tidy
\set ECHO queries
SELECT create_hierarchy('sales', 'who works where, who owns what',
    share_mode => 'split', require_primary => true,
    type_rules => '{"prescriber": ["account"], "account": ["organisation"],
                    "organisation": ["network"]}');
\set ECHO none
\else
-- Its rules are read off the list: the types that stand under each other, and
-- whether the shares of every child add up to 1 on every day.
SELECT CASE WHEN NOT :'has_shares'::boolean THEN 'none'
        WHEN EXISTS (
            SELECT FROM listed_relationship l
                JOIN listed_relationship o ON o.child = l.child
                    AND o.valid @> coalesce(lower(l.valid), '-infinity'::date)
            GROUP BY l.line HAVING sum(o.share) <> 1 OR count(o.share) < count(*))
        THEN 'full' ELSE 'split' END AS share_mode,
    coalesce((SELECT jsonb_object_agg(child_type, parent_types)
     FROM (SELECT c.entity_type AS child_type, jsonb_agg(DISTINCT p.entity_type) AS parent_types
           FROM listed_relationship
               JOIN listed_entity c ON c.code = child JOIN listed_entity p ON p.code = parent
           GROUP BY c.entity_type) r)::text, '') AS type_rules,
    (SELECT coalesce(array_agg(DISTINCT relationship_type), '{}') FROM listed_relationship
     WHERE relationship_type IS NOT NULL) AS kinds \gset
INSERT INTO entity_type (entity_type) SELECT DISTINCT entity_type FROM listed_entity;
SELECT format('SELECT create_hierarchy(''sales'', share_mode => %L, type_rules => ...);', :'share_mode') AS call \gset
\echo :call
\if :has_types
SELECT create_hierarchy('sales', share_mode => :'share_mode', type_rules => nullif(:'type_rules', '')::jsonb,
    relationship_types => :'kinds');
\else
SELECT create_hierarchy('sales', share_mode => :'share_mode', type_rules => nullif(:'type_rules', '')::jsonb);
\endif
\endif
\echo 'Loading takes plain SQL. All rules hold for it, and every row is in the log afterwards:'
\echo
\set ECHO queries
BEGIN;
SET LOCAL hierarchy.reason = 'first load';
INSERT INTO entity (entity_type, code, name)
SELECT entity_type, code, name FROM listed_entity;
INSERT INTO relationship (hierarchy_id, parent_id, child_id, relationship_type, share, is_primary, valid)
SELECT hierarchy_id, p.entity_id, c.entity_id, relationship_type, share, is_primary, l.valid
FROM listed_relationship l
    JOIN hierarchy h ON h.name = 'sales'
    JOIN entity p ON p.code = parent JOIN entity c ON c.code = child;
COMMIT;
SELECT table_name, operation, reason, count(*)
FROM change_log WHERE reason IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1;
SELECT nodes, edges, roots, leaves, multi_parent_nodes, max_depth FROM graph_stats('sales');
\set ECHO none
\echo 'max_depth is the longest way down, in steps. multi_parent_nodes have several parents: this is'
\echo 'no tree, and none is needed.'
\echo

-- The figures that came with the list.
CREATE TABLE fact AS
SELECT entity_id, quantity FROM listed_fact LEFT JOIN entity USING (code);
ANALYZE;

-- The cast. For a foreign list: the largest root; the node with the most
-- ancestors; and something to move that carries facts and has one parent.
\if :tidy
SELECT entity_id('network', 'NET-1') AS top, entity_id('prescriber', 'PRS-0044') AS busy,
    entity_id('account', 'ACC-026') AS moved, entity_id('organisation', 'ORG-07') AS old_parent,
    entity_id('organisation', 'ORG-06') AS new_parent, 'weighted' AS mode,
    ', max_depth => 2' AS tree_depth \gset
\else
CREATE TEMP TABLE span AS
SELECT node, sum(below) AS below, sum(above) AS above
FROM (SELECT ancestor AS node, 1 AS below, 0 AS above FROM closure('sales') WHERE depth > 0
      UNION ALL
      SELECT descendant, 0, 1 FROM closure('sales') WHERE depth > 0) x
GROUP BY node;
CREATE TEMP TABLE before AS
SELECT node, total FROM each(rollup_table('sales', 'fact', 'entity_id', 'quantity'));
SELECT coalesce((SELECT node FROM span WHERE above = 0 ORDER BY below DESC, node LIMIT 1), 0) AS top,
    coalesce((SELECT node FROM span ORDER BY above DESC, node LIMIT 1), 0) AS busy \gset
CREATE TEMP TABLE candidate AS
SELECT t.node, e.entity_type, t.total
FROM before t JOIN span USING (node) JOIN entity e ON e.entity_id = t.node
WHERE below > 0 AND above > 0 AND length(e.name) > 3
ORDER BY e.entity_type IN ('account', 'enrollment') DESC, t.total DESC, t.node LIMIT 1000;
CREATE TEMP TABLE single AS
SELECT c.node, min(p.node) AS parent, c.entity_type, c.total
FROM candidate c, parents('sales', c.node) p
GROUP BY c.node, c.entity_type, c.total HAVING count(*) = 1
ORDER BY c.entity_type IN ('account', 'enrollment') DESC, c.total DESC, c.node LIMIT 20;
CREATE TEMP TABLE move AS
SELECT s.node AS moved, s.parent AS old_parent, t.node AS new_parent
FROM single s
    JOIN entity o ON o.entity_id = s.parent
    CROSS JOIN LATERAL (
        SELECT b.node
        FROM before b JOIN entity n ON n.entity_id = b.node
        WHERE n.entity_type = o.entity_type AND b.node <> s.parent AND NOT within('sales', b.node, s.node)
        ORDER BY b.total DESC, b.node LIMIT 1) t
ORDER BY s.entity_type IN ('account', 'enrollment') DESC, s.total DESC, s.node LIMIT 1;
SELECT coalesce(min(moved), 0) AS moved, coalesce(min(old_parent), 0) AS old_parent,
    coalesce(min(new_parent), 0) AS new_parent, 'distinct' AS mode
FROM move \gset
\set tree_depth
\endif
SELECT :new_parent > 0 AS can_move, :top > 0 AS has_top \gset
SELECT coalesce(left(max(name) FILTER (WHERE entity_id = :top), 40), '') AS top_name,
    coalesce(left(max(name) FILTER (WHERE entity_id = :busy), 40), '') AS busy_name,
    coalesce(left(max(name) FILTER (WHERE entity_id = :moved), 40), '') AS moved_name,
    coalesce(max(entity_type) FILTER (WHERE entity_id = :moved), '') AS moved_type,
    coalesce(left(max(name) FILTER (WHERE entity_id = :old_parent), 40), '') AS old_name,
    coalesce(left(max(name) FILTER (WHERE entity_id = :new_parent), 40), '') AS new_name,
    coalesce(max(call) FILTER (WHERE entity_id = :top), '') AS top_call,
    coalesce(max(call) FILTER (WHERE entity_id = :busy), '') AS busy_call,
    coalesce(max(call) FILTER (WHERE entity_id = :moved), '') AS moved_call,
    coalesce(max(call) FILTER (WHERE entity_id = :old_parent), '') AS old_call,
    coalesce(max(call) FILTER (WHERE entity_id = :new_parent), '') AS new_call,
    format('entity_id(%L, ''NEW-1'')', max(entity_type) FILTER (WHERE entity_id = :moved)) AS somebody
FROM entity, format('entity_id(%L, %L)', entity_type, code) AS call \gset

-- Columns and arguments that only lists with shares have.
\if :has_shares
\set share_column ', round(share * 100, 2) AS "share, %"'
\set share_60 ', share => 0.6'
\set share_40 ', share => 0.4'
\else
\set share_column
\set share_60
\set share_40
\endif

\if :has_top
\echo '---- 2. Up and down --------------------------------------------------------------------------'
\echo
\echo :top_name 'and what is below, in display order. Who stands'
\echo 'under two parents appears under each of them, and is unfolded the first time only.'
\echo
\set ECHO queries
SELECT left(repeat('    ', p.depth) || e.name, 60) AS entity, e.entity_type,
    CASE WHEN p.is_repeat THEN 'again' END AS repeated
FROM preorder('sales', :top_call:tree_depth) p
    JOIN entity e ON e.entity_id = p.node
ORDER BY p.ordinal LIMIT 22;
\set ECHO none
\echo 'Everything above' :busy_name', each once, with its shortest distance.'
\if :has_shares
\echo 'The share is the product of the shares along a path, summed over all paths.'
\endif
\echo
\set ECHO queries
SELECT depth, left(name, 44) AS ancestor, entity_type:share_column
FROM ancestors('sales', :busy_call) JOIN entity ON entity_id = node
ORDER BY depth, node LIMIT 12;
\set ECHO none
\endif

\if :can_move
-- Shares that break a rule can be shown where they must add up.
SELECT share_mode = 'split' AS must_add_up FROM hierarchy WHERE name = 'sales' \gset
\echo '---- 3. Somebody new -------------------------------------------------------------------------'
\echo
\echo 'A new' :moved_type 'belongs to' :old_name 'and to' :new_name'.'
\if :must_add_up
\echo 'Shares must add up when the transaction ends, not sooner:'
\endif
\echo
\set ECHO queries
BEGIN;
SELECT add_entity(:'moved_type', 'NEW-1', 'Somebody New', reason => 'new customer');
SELECT child_id, parent_id, share, valid
FROM assign('sales', :somebody,
    :old_call:share_60, reason => 'new customer');
SELECT child_id, parent_id, share, valid
FROM assign('sales', :somebody,
    :new_call:share_40, reason => 'new customer');
COMMIT;
\set ECHO none
\echo
\if :must_add_up
\set ON_ERROR_STOP off
\set ECHO queries
SELECT set_share('sales', :somebody, :new_call, 0.5);
\set ECHO none
\set ON_ERROR_STOP on
\echo
\endif
\endif

\echo '---- 4. Totals at every level ----------------------------------------------------------------'
\echo
\echo 'rollup adds facts up the hierarchy, in one pass. A total counts each fact at or below the node'
\echo 'once, however many paths lead there; in mode weighted it is split by the shares on its way up.'
\echo
\set ECHO queries
SELECT left(name, 40) AS entity, entity_type, own, round(total, 1) AS total
FROM each(rollup_table('sales', 'fact', 'entity_id', 'quantity', :'mode'))
    JOIN entity ON entity_id = node
ORDER BY total DESC, node LIMIT 8;
SELECT grand_total, unmatched, sharing, root_total
FROM reconcile(rollup_table('sales', 'fact', 'entity_id', 'quantity', :'mode'));
\set ECHO none
\echo 'reconcile() tells where everything went. Facts of entities that nobody knows, or that have no'
\echo 'place in the hierarchy, are unmatched, not dropped; sharing is what several roots count twice.'
\echo

\if :can_move
CREATE TEMP TABLE involved AS
SELECT :old_parent::bigint AS entity_id UNION SELECT :new_parent
UNION SELECT node FROM ancestors('sales', :old_parent) UNION SELECT node FROM ancestors('sales', :new_parent);

\echo '---- 5. A reassignment, before it happens ----------------------------------------------------'
\echo
\echo :moved_name 'is to go from'
\echo :old_name 'to' :new_name', from today on.'
\echo 'What would that change? Nothing is written:'
\echo
\set ECHO queries
SELECT aspect, left(name, 40) AS entity, round(before, 1) AS before, round(after, 1) AS after,
    round(difference, 1) AS difference, message
FROM preview_reassign('sales', :moved_call,
    :old_call, :new_call,
    source => 'fact', key => 'entity_id', value => 'quantity', mode => :'mode')
    LEFT JOIN entity USING (entity_id)
ORDER BY aspect DESC, difference, entity LIMIT 12;
\set ECHO none

\echo '---- 6. And then it does ---------------------------------------------------------------------'
\echo
\echo 'The old relationship ends today, a new one begins; everything below goes along.'
\echo
SELECT clock_timestamp() AS before_move \gset
\set ECHO queries
SELECT parent_id, child_id, share, valid
FROM reassign('sales', :moved_call,
    :old_call, :new_call,
    reason => 'new contract');
SELECT left(name, 40) AS entity, entity_type, coalesce(round(total, 1), 0) AS total
FROM involved JOIN entity USING (entity_id)
    LEFT JOIN each(rollup_table('sales', 'fact', 'entity_id', 'quantity', :'mode')) ON node = entity_id
ORDER BY entity_id LIMIT 10;
\set ECHO none
\echo 'Yesterday''s hierarchy is still there: any question can be asked for any day.'
\echo
\set ECHO queries
SELECT day, name AS parent
FROM (VALUES ('yesterday', current_date - 1), ('today', current_date)) d (day, as_of),
    parents('sales', :moved_call, as_of => as_of)
    JOIN entity ON entity_id = node;
\set ECHO none
\endif

SELECT coalesce((SELECT node FROM descendants('sales', :top, max_depth => 1)
                 ORDER BY depth DESC, node LIMIT 1), 0) AS deep \gset
SELECT :deep > 0 AS can_close \gset
\if :can_close
\echo '---- 7. What is refused ----------------------------------------------------------------------'
\echo
\echo 'Could' :top_name 'belong to something below it? No writer,'
\echo 'no isolation level and no bulk load gets such a row in:'
\echo
\set ON_ERROR_STOP off
\set ECHO queries
INSERT INTO relationship (hierarchy_id, parent_id, child_id)
SELECT hierarchy_id, :deep, :top FROM hierarchy WHERE name = 'sales';
\set ECHO none
\echo
\echo 'Nor can the log be made to forget, not even by a superuser:'
\echo
\set ECHO queries
DELETE FROM change_log WHERE reason = 'new contract';
\set ECHO none
\set ON_ERROR_STOP on
\echo
\endif

\if :can_move
\echo '---- 8. History and undo ---------------------------------------------------------------------'
\echo
\echo 'Who changed what, when and why:'
\echo
\set ECHO queries
SELECT left(event, 88) AS event, reason
FROM (SELECT * FROM history(:moved_call) ORDER BY change_id DESC LIMIT 3) h
ORDER BY change_id;
SELECT change, old_parent, new_parent FROM compare_hierarchy('sales', :'before_move', now());
\set ECHO none
\echo 'It was a mistake. The transaction is undone, unless somebody built upon it meanwhile:'
\echo
SELECT txid AS txid FROM change_log WHERE reason = 'new contract' ORDER BY change_id DESC LIMIT 1 \gset
\set ECHO queries
SELECT undo_transaction(:'txid', reason => 'contract not signed') > 0 AS undone;
SELECT left(event, 88) AS event, reason
FROM (SELECT * FROM history(:moved_call) ORDER BY change_id DESC LIMIT 3) h
ORDER BY change_id;
SELECT left(name, 40) AS entity, entity_type, coalesce(round(total, 1), 0) AS total
FROM involved JOIN entity USING (entity_id)
    LEFT JOIN each(rollup_table('sales', 'fact', 'entity_id', 'quantity', :'mode')) ON node = entity_id
ORDER BY entity_id LIMIT 10;
\set ECHO none
\endif

\echo '---- And how long does that take? ------------------------------------------------------------'
\echo
CREATE TEMP TABLE took (question text, rows bigint, ms numeric);
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM closure('sales') \gset
INSERT INTO took SELECT 'the whole closure: every pair of ancestor and descendant', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM entity e, ancestors('sales', e.entity_id) \gset
INSERT INTO took SELECT 'the ancestors of every entity, one call each', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM entity e WHERE within('sales', e.entity_id, :top) \gset
INSERT INTO took SELECT 'which entities stand within ' || :'top_name' || '?', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM each(rollup_table('sales', 'fact', 'entity_id', 'quantity')) \gset
INSERT INTO took SELECT 'the totals of every node', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) AS n FROM check_hierarchy('sales') \gset
INSERT INTO took SELECT 'all rules, checked again for every row: violations', :n,
    extract(epoch FROM clock_timestamp() - :'t0') * 1000;
SELECT rpad(question, 70) AS question, rows, round(ms, 1) AS ms FROM took;
\echo 'The server and all of this are gone now. README.md goes on with a tour of five minutes.'
\echo
