-- From the list as it came (raw_nodes, raw_edges, raw_facts) to rows that the
-- directory takes: listed_entity, listed_relationship, listed_fact.  Variable
-- tidy: 1 for our own list, whose codes may be spelled in any case and with
-- stray blanks; 0 for lists whose keys are to be left alone.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE TABLE listed_entity (
    code text PRIMARY KEY,
    name text NOT NULL,
    entity_type text NOT NULL
);
CREATE TABLE listed_relationship (
    line bigint,
    parent text NOT NULL,
    child text NOT NULL,
    relationship_type text,
    share numeric,
    is_primary boolean NOT NULL,
    valid daterange NOT NULL
);
CREATE TABLE listed_fact (
    code text,
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
    RETURN nullif(btrim(type), '');
CREATE FUNCTION clean_name(name text) RETURNS text IMMUTABLE LANGUAGE sql
    RETURN nullif(btrim(name), '');
\endif

-- '25%', '0,25' and '0.25' are the same share.
CREATE FUNCTION clean_share(share text) RETURNS numeric IMMUTABLE LANGUAGE sql
    RETURN trim_scale(replace(replace(nullif(btrim(share), ''), ',', '.'), '%', '')::numeric
        / CASE WHEN share LIKE '%\%%' THEN 100 ELSE 1 END);

-- Entities: one row a code; of several spellings the best-looking name.
INSERT INTO cleaning (finding, rows)
SELECT 'entity lines read', count(*) FROM raw_nodes;
INSERT INTO cleaning (finding, rows)
SELECT '  without a code: left out', count(*) FROM raw_nodes WHERE clean_key(id) IS NULL;
INSERT INTO cleaning (finding, rows)
SELECT '  code in odd case or with stray blanks: put right', count(*)
FROM raw_nodes WHERE id <> clean_key(id);
INSERT INTO cleaning (finding, rows)
SELECT '  listed before: taken once', count(*) - count(DISTINCT clean_key(id))
FROM raw_nodes WHERE clean_key(id) IS NOT NULL;

INSERT INTO listed_entity (code, name, entity_type)
SELECT DISTINCT ON (clean_key(id))
    clean_key(id), coalesce(clean_name(name), clean_key(id)), coalesce(clean_type(type), 'unknown')
FROM raw_nodes
WHERE clean_key(id) IS NOT NULL
ORDER BY clean_key(id), name IN (upper(name), lower(name)), line;

-- Relationships.  Lists differ in their columns, hence the detour over jsonb.
-- Lines that differ in their weight only are parts of one holding, not copies.
CREATE TEMP TABLE edge AS
SELECT line, parent, child, share, is_primary, kind,
    CASE WHEN first_day < last_day OR first_day IS NULL OR last_day IS NULL
        THEN daterange(first_day, last_day) END AS valid,
    CASE
        WHEN child IS NULL THEN '  without a child: left out'
        WHEN parent IS NULL THEN '  without a parent: a top, no relationship'
        WHEN parent = child THEN '  its own parent: left out'
        WHEN NOT EXISTS (SELECT FROM listed_entity e WHERE e.code = child)
            OR NOT EXISTS (SELECT FROM listed_entity e WHERE e.code = parent)
            THEN '  parent or child that nobody knows: left out'
        WHEN first_day >= last_day THEN '  ends before it begins: left out'
        WHEN row_number() OVER (PARTITION BY parent, child, kind, weight, first_day, last_day ORDER BY line) > 1
            THEN '  the same relationship again: left out'
    END AS problem
FROM (
    SELECT line, clean_key(parent) AS parent, clean_key(child) AS child,
        clean_share(coalesce(r ->> 'share', r ->> 'weight')) AS share, r ->> 'weight' AS weight,
        lower(btrim(r ->> 'primary')) IN ('y', 'yes', '1', 't', 'true') IS TRUE AS is_primary,
        nullif(btrim(r ->> 'type'), '') AS kind,
        nullif(r ->> 'valid_from', '')::date AS first_day, nullif(r ->> 'valid_to', '')::date AS last_day
    FROM raw_edges, to_jsonb(raw_edges) AS r
) e;

INSERT INTO cleaning (finding, rows)
SELECT 'relationship lines read', count(*) FROM edge;
INSERT INTO cleaning (finding, rows)
SELECT problem, count(*) FROM edge WHERE problem IS NOT NULL GROUP BY problem ORDER BY problem;
DELETE FROM edge WHERE problem IS NOT NULL;

-- Percent without the sign.
UPDATE edge SET share = trim_scale(share / 100) WHERE (SELECT max(share) FROM edge) > 1.5;

-- The directory has one relationship of the same two on a day.
INSERT INTO listed_relationship (line, parent, child, relationship_type, share, is_primary, valid)
SELECT min(line), parent, child, (array_agg(kind ORDER BY line))[1], sum(share), bool_or(is_primary), valid
FROM edge GROUP BY parent, child, valid;
INSERT INTO cleaning (finding, rows)
SELECT '  of the same two on the same days: joined', (SELECT count(*) FROM edge) - count(*)
FROM listed_relationship;
WITH dropped AS (
    DELETE FROM listed_relationship l
    USING listed_relationship o
    WHERE o.parent = l.parent AND o.child = l.child AND o.valid && l.valid AND o.line < l.line
    RETURNING 1
)
INSERT INTO cleaning (finding, rows)
SELECT '  of the same two on some of the same days: left out', count(*) FROM dropped;
WITH second AS (
    UPDATE listed_relationship l SET is_primary = false
    FROM listed_relationship o
    WHERE l.is_primary AND o.is_primary AND o.child = l.child AND o.valid && l.valid AND o.line < l.line
    RETURNING 1
)
INSERT INTO cleaning (finding, rows)
SELECT '  second primary parent: secondary now', count(*) FROM second;
WITH blanked AS (
    UPDATE listed_relationship SET share = NULL WHERE share NOT BETWEEN 0 AND 1 RETURNING 1
)
INSERT INTO cleaning (finding, rows)
SELECT '  share beyond 100 %: not stated now', count(*) FROM blanked;

-- What closes a cycle is left out: line by line, if the list as a whole is
-- refused.
CREATE EXTENSION hierarchy;
CREATE TEMP TABLE checked (parent text, child text, valid daterange);
CREATE INDEX ON checked USING hgraph (parent, child) INCLUDE (valid) WITH (validity = 'valid');
DO $$
DECLARE
    r record;
    n bigint := 0;
BEGIN
    INSERT INTO checked SELECT parent, child, valid FROM listed_relationship;
EXCEPTION WHEN check_violation THEN
    FOR r IN SELECT * FROM listed_relationship ORDER BY line LOOP
        BEGIN
            INSERT INTO checked VALUES (r.parent, r.child, r.valid);
        EXCEPTION WHEN check_violation THEN
            DELETE FROM listed_relationship WHERE line = r.line;
            n := n + 1;
        END;
    END LOOP;
    INSERT INTO cleaning (finding, rows) VALUES ('  closes a cycle: left out', n);
END
$$;
DROP TABLE checked;

\if :tidy
-- Who has no share on any of his lines belongs to his parent entirely.
UPDATE listed_relationship l SET share = 1
WHERE NOT EXISTS (SELECT FROM listed_relationship o WHERE o.child = l.child AND o.share IS NOT NULL);

-- The largest share takes what rounding leaves.
WITH wrong AS (
    SELECT child, sum(share) AS total FROM listed_relationship
    WHERE valid = '(,)' GROUP BY child HAVING sum(share) <> 1
), scaled AS (
    SELECT line, round(share / total, 4) AS share,
        1 - sum(round(share / total, 4)) OVER (PARTITION BY child) AS missing,
        row_number() OVER (PARTITION BY child ORDER BY share DESC, line) AS place
    FROM wrong JOIN listed_relationship USING (child)
), put AS (
    UPDATE listed_relationship l
    SET share = trim_scale(s.share + CASE WHEN place = 1 THEN missing ELSE 0 END)
    FROM scaled s WHERE s.line = l.line RETURNING 1
)
INSERT INTO cleaning (finding, rows)
SELECT '  shares of a child not adding up to 100 %: scaled', count(*) FROM put;
\endif

-- Facts: their own file, or a number beside the entity.
INSERT INTO listed_fact (code, quantity)
SELECT clean_key(node), quantity::numeric FROM raw_facts
UNION ALL
SELECT clean_key(id), figure::numeric
FROM raw_nodes, to_jsonb(raw_nodes) AS r,
    coalesce(r ->> 'beds', r ->> 'mw', r ->> 'value') AS figure
WHERE figure ~ '^-?[0-9]*\.?[0-9]+$';

-- A list without figures: every entity counts one.
INSERT INTO listed_fact (code, quantity)
SELECT code, 1 FROM listed_entity WHERE NOT EXISTS (SELECT FROM listed_fact);

INSERT INTO cleaning (finding, rows)
SELECT 'facts read', count(*) FROM listed_fact;
INSERT INTO cleaning (finding, rows)
SELECT '  of entities that nobody knows: kept, shown apart', count(*)
FROM listed_fact f WHERE NOT EXISTS (SELECT FROM listed_entity e WHERE e.code = f.code);
DELETE FROM cleaning WHERE rows = 0 AND finding LIKE '  %';

ALTER DATABASE demo SET search_path = public, hierarchy;
ANALYZE;
