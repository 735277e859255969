-- From the list as it came (raw_nodes, raw_edges, raw_facts) to the tables of
-- the demo.  Variable tidy: 1 for our own list, whose codes may be spelled in
-- any case and with stray blanks; 0 for lists whose keys are to be left alone.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE TABLE entity (
    id text PRIMARY KEY,
    name text NOT NULL,
    type text NOT NULL
);
CREATE TABLE kind (
    id int PRIMARY KEY,
    name text NOT NULL
);
CREATE TABLE affiliation (
    parent_id text,
    child_id text NOT NULL,
    share numeric,
    is_primary boolean NOT NULL DEFAULT false,
    kind int,
    valid daterange
);
CREATE TABLE fact (
    node text,
    quantity numeric NOT NULL
);
CREATE TABLE cleaning (
    ordinal int GENERATED ALWAYS AS IDENTITY,
    finding text,
    rows bigint
);

\if :tidy
CREATE FUNCTION clean_key(key text) RETURNS text IMMUTABLE LANGUAGE sql
    RETURN nullif(upper(regexp_replace(key, '\s', '', 'g')), '');
CREATE FUNCTION clean_type(type text) RETURNS text IMMUTABLE LANGUAGE sql
    RETURN CASE lower(btrim(type))
        WHEN 'organization' THEN 'organisation'
        WHEN 'acct' THEN 'account'
        ELSE lower(btrim(type))
    END;
CREATE FUNCTION clean_name(name text) RETURNS text IMMUTABLE LANGUAGE sql
    RETURN CASE
        WHEN name IN (upper(name), lower(name))
            THEN replace(initcap(regexp_replace(btrim(name), '\s+', ' ', 'g')), '''S', '''s')
        ELSE regexp_replace(btrim(name), '\s+', ' ', 'g')
    END;
\else
CREATE FUNCTION clean_key(key text) RETURNS text IMMUTABLE LANGUAGE sql
    RETURN nullif(btrim(key), '');
CREATE FUNCTION clean_type(type text) RETURNS text IMMUTABLE LANGUAGE sql
    RETURN btrim(type);
CREATE FUNCTION clean_name(name text) RETURNS text IMMUTABLE LANGUAGE sql
    RETURN btrim(name);
\endif

-- '25%', '0,25' and '0.25' are the same share.
CREATE FUNCTION clean_share(share text) RETURNS numeric IMMUTABLE LANGUAGE sql
    RETURN replace(replace(nullif(btrim(share), ''), ',', '.'), '%', '')::numeric
        / CASE WHEN share LIKE '%\%%' THEN 100 ELSE 1 END;

-- Entities: one row a code; of several spellings the best-looking name.
INSERT INTO cleaning (finding, rows)
SELECT 'entity lines read', count(*) FROM raw_nodes;
INSERT INTO cleaning (finding, rows)
SELECT '  without a code: left out', count(*) FROM raw_nodes WHERE clean_key(id) IS NULL;
INSERT INTO cleaning (finding, rows)
SELECT '  code in odd case or with stray blanks: put right', count(*)
FROM raw_nodes WHERE id <> clean_key(id);
INSERT INTO cleaning (finding, rows)
SELECT '  listed before: merged', count(*) - count(DISTINCT clean_key(id))
FROM raw_nodes WHERE clean_key(id) IS NOT NULL;

INSERT INTO entity (id, name, type)
SELECT DISTINCT ON (clean_key(id))
    clean_key(id), coalesce(clean_name(name), clean_key(id)), coalesce(clean_type(type), 'unknown')
FROM raw_nodes
WHERE clean_key(id) IS NOT NULL
ORDER BY clean_key(id), name IN (upper(name), lower(name)), line;

-- Affiliations.  Lists differ in their columns, hence the detour over jsonb.
-- Lines that differ in their weight only are parts of one holding, not copies.
CREATE TEMP TABLE edge AS
SELECT line, clean_key(parent) AS parent_id, clean_key(child) AS child_id,
    clean_share(coalesce(r ->> 'share', r ->> 'weight')) AS share,
    lower(btrim(r ->> 'primary')) IN ('y', 'yes', '1', 't', 'true') IS TRUE AS is_primary,
    nullif(r ->> 'type', '') AS kind,
    CASE WHEN r ->> 'valid_from' <> '' OR r ->> 'valid_to' <> '' THEN
        daterange(nullif(r ->> 'valid_from', '')::date, nullif(r ->> 'valid_to', '')::date)
    END AS valid,
    CASE
        WHEN clean_key(child) IS NULL THEN '  without a child: left out'
        WHEN clean_key(parent) = clean_key(child) THEN '  its own parent: left out'
        WHEN NOT EXISTS (SELECT FROM entity e WHERE e.id = clean_key(child))
            THEN '  child that nobody knows: left out'
        WHEN clean_key(parent) IS NOT NULL
            AND NOT EXISTS (SELECT FROM entity e WHERE e.id = clean_key(parent))
            THEN '  parent that nobody knows: child kept, without parent'
        WHEN row_number() OVER (PARTITION BY clean_key(parent), clean_key(child),
                r ->> 'type', r ->> 'weight', r ->> 'valid_from', r ->> 'valid_to' ORDER BY line) > 1
            THEN '  the same affiliation again: left out'
    END AS problem
FROM raw_edges, to_jsonb(raw_edges) AS r;

INSERT INTO cleaning (finding, rows)
SELECT 'affiliation lines read', count(*) FROM edge;
INSERT INTO cleaning (finding, rows)
SELECT problem, count(*) FROM edge WHERE problem IS NOT NULL GROUP BY problem ORDER BY problem;

UPDATE edge SET parent_id = NULL WHERE problem LIKE '  parent%';
DELETE FROM edge WHERE problem NOT LIKE '  parent%';

-- Percent without the sign.
UPDATE edge SET share = share / 100 WHERE (SELECT max(share) FROM edge) > 1.5;

\if :tidy
-- Who has no share on any of his lines belongs to his parent entirely.
UPDATE edge SET share = 1
WHERE parent_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM edge o WHERE o.child_id = edge.child_id AND o.share IS NOT NULL);

WITH wrong AS (
    SELECT child_id, sum(share) AS total FROM edge
    WHERE valid IS NULL GROUP BY child_id HAVING sum(share) <> 1
), scaled AS (
    UPDATE edge SET share = round(share / total, 4)
    FROM wrong WHERE wrong.child_id = edge.child_id RETURNING 1
)
INSERT INTO cleaning (finding, rows)
SELECT '  shares of a child not adding up to 100 %: scaled', count(*) FROM scaled;
\endif

INSERT INTO kind (id, name)
SELECT row_number() OVER (ORDER BY kind), kind
FROM (SELECT DISTINCT kind FROM edge WHERE kind IS NOT NULL) k;

INSERT INTO affiliation (parent_id, child_id, share, is_primary, kind, valid)
SELECT parent_id, child_id, share, is_primary, kind.id, valid
FROM edge LEFT JOIN kind ON kind.name = edge.kind
ORDER BY line;

-- Entities that no line mentions, or only for some days, are nodes always: a
-- row without a parent says so.
INSERT INTO affiliation (child_id)
SELECT id FROM entity
EXCEPT (SELECT parent_id FROM affiliation WHERE valid IS NULL
    UNION ALL SELECT child_id FROM affiliation WHERE valid IS NULL);

-- Facts: their own file, or a number beside the entity.
INSERT INTO fact (node, quantity)
SELECT clean_key(node), quantity::numeric FROM raw_facts
UNION ALL
SELECT clean_key(id), figure::numeric
FROM raw_nodes, to_jsonb(raw_nodes) AS r,
    coalesce(r ->> 'beds', r ->> 'mw', r ->> 'value') AS figure
WHERE figure ~ '^-?[0-9.]+$';

-- A list without figures: every entity counts one.
INSERT INTO fact (node, quantity)
SELECT id, 1 FROM entity WHERE NOT EXISTS (SELECT FROM fact);

INSERT INTO cleaning (finding, rows)
SELECT 'facts read', count(*) FROM fact;
INSERT INTO cleaning (finding, rows)
SELECT '  of entities that nobody knows: kept, shown apart', count(*)
FROM fact WHERE NOT EXISTS (SELECT FROM entity WHERE id = node);
DELETE FROM cleaning WHERE rows = 0 AND finding LIKE '  %';

CREATE EXTENSION hierarchy;
ALTER DATABASE demo SET search_path = public, hierarchy;
ANALYZE;
