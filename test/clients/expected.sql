-- The totals that every client must see: kind, node, amount, tab-separated.  Plain
-- SQL over plain tables; nothing of the extension takes part.
WITH RECURSIVE
way (ancestor, descendant, share, is_primary) AS (
    -- each path from above to below
    SELECT id, id, 1::numeric, true FROM sample.node
    UNION ALL
    SELECT way.ancestor, edge.child, way.share * edge.share, way.is_primary AND edge.is_primary
    FROM way JOIN sample.edge ON edge.parent = way.descendant
),
pair AS (
    SELECT ancestor, descendant, sum(share) AS share, bool_or(is_primary) AS is_primary
    FROM way GROUP BY ancestor, descendant
),
figure AS (
    SELECT node, sum(amount) AS amount FROM sample.figure GROUP BY node
)
SELECT kind, ancestor AS node, coalesce(sum(
    CASE kind
        WHEN 'own' THEN CASE WHEN ancestor = descendant THEN amount END
        WHEN 'distinct' THEN amount
        WHEN 'weighted' THEN amount * share
        WHEN 'primary' THEN CASE WHEN is_primary THEN amount END
    END), 0)
FROM (VALUES ('own'), ('distinct'), ('weighted'), ('primary')) k (kind)
    CROSS JOIN pair LEFT JOIN figure ON node = descendant
GROUP BY kind, ancestor
UNION ALL
SELECT 'distinct ' || product, ancestor, sum(amount)
FROM pair JOIN sample.figure ON node = descendant GROUP BY product, ancestor
UNION ALL
SELECT 'all', 0, sum(amount) FROM sample.figure
ORDER BY 1, 2;
