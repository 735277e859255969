-- What all clients read: a small hierarchy with several parents, shares and
-- ragged depth, a second one whose name must be quoted, figures, and the views
-- in schema bi.  Plain tables in schema sample hold the same once more; the
-- expected totals are computed from those.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE SCHEMA sample;
CREATE TABLE sample.node (id bigint PRIMARY KEY, type text, code text, name text);
CREATE TABLE sample.edge (parent bigint, child bigint, share numeric, is_primary boolean);
CREATE TABLE sample.figure (
    figure_id bigint PRIMARY KEY, node bigint, day date, product text, amount numeric(12, 2), units integer
);

-- Names that tools trip over: the separator of paths, quotes, brackets,
-- letters beyond ASCII.
INSERT INTO sample.node VALUES
    (101, 'network', 'N-1', 'Nordic Care'),
    (102, 'network', 'N-2', 'South | East'),
    (103, 'organisation', 'O-1', 'Alba Hospitals'),
    (104, 'organisation', 'O-2', 'Bora "Sør" Åsgård'),
    (105, 'organisation', 'O-3', 'Cura & Sons'),
    (106, 'account', 'A-1', 'Mercy''s Hospital'),
    (107, 'account', 'A-2', 'Grace Clinic'),
    (108, 'account', 'A-3', 'Hope Clinic'),
    (109, 'account', 'A-4', 'Iris Clinic'),
    (110, 'account', 'A-5', 'Straight to the Top'),
    (111, 'account', 'A-6', 'Empty [Ward]'),
    (112, 'prescriber', 'P-1', 'Dr Lee'),
    (113, 'prescriber', 'P-2', 'Dr Kim'),
    (114, 'prescriber', 'P-3', 'Dr Berg');
INSERT INTO sample.edge VALUES
    (101, 103, 1, true),
    (101, 104, 0.6, true), (102, 104, 0.4, false),
    (102, 105, 1, true),
    (103, 106, 1, true),
    (103, 107, 0.5, true), (104, 107, 0.25, false), (105, 107, 0.25, false),
    (104, 108, 1, true),
    (105, 109, 1, true),
    (101, 110, 1, true),
    (105, 111, 1, true),
    (106, 112, 0.7, true), (107, 112, 0.3, false),
    (108, 113, 1, true),
    (108, 114, 0.5, true), (109, 114, 0.5, false);
INSERT INTO sample.figure
SELECT row_number() OVER (ORDER BY id, k), id, date '2024-01-15' + (37 * k + id % 7)::int,
    (ARRAY['tea', 'rice', 'salt'])[1 + (id + k) % 3], (id % 10) * 17.35 + k * 3.07 - (id + k) % 4, 1 + (id * k) % 9
FROM sample.node, generate_series(1, 4) k
-- Figures at the bottom, and some of inner nodes' own.
WHERE id IN (107, 104, 106, 109, 110, 112, 113, 114) AND k <= 1 + id % 4;

CREATE EXTENSION hierarchy;
SET search_path = hierarchy, public;

SELECT create_hierarchy('care', 'the clients'' hierarchy', share_mode => 'split',
    type_rules => '{"prescriber": ["account"], "account": ["organisation", "network"], "organisation": ["network"]}');
INSERT INTO entity (entity_id, entity_type, code, name, attributes)
SELECT id, type, code, name,
    CASE type WHEN 'account' THEN jsonb_build_object('beds', 10 * (id - 100), 'opened', '2001-02-03') ELSE '{}' END
FROM sample.node;
SELECT setval(pg_get_serial_sequence('hierarchy.entity', 'entity_id'), 200);
INSERT INTO identifier (scheme, value, entity_id) VALUES ('CCN', '010001', 106), ('CCN', '010002', 107);
INSERT INTO relationship (hierarchy_id, parent_id, child_id, share, is_primary)
SELECT hierarchy_id, parent, child, e.share, e.is_primary FROM sample.edge e, hierarchy WHERE name = 'care';

SELECT create_hierarchy('Bill To', 'a name with a space and capitals', max_parents => 1);
INSERT INTO relationship (hierarchy_id, parent_id, child_id, is_primary)
SELECT hierarchy_id, parent, child, true FROM sample.edge e, hierarchy WHERE name = 'Bill To' AND e.is_primary;

CREATE SCHEMA bi;
CREATE TABLE bi.figure (
    figure_id bigint PRIMARY KEY,
    entity_id bigint NOT NULL REFERENCES entity,
    day date NOT NULL,
    product text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    units integer NOT NULL
);
INSERT INTO bi.figure SELECT * FROM sample.figure;
SELECT create_bi_views('care', 'bi', attributes => '{beds integer,opened date}', identifiers => '{CCN}');
SELECT create_bi_views('Bill To', 'bi');

-- Totals as a view: what a person would write over the bridge, for tools that
-- show tables and do not join.
CREATE VIEW bi.care_totals WITH (security_invoker = true) AS
SELECT t.node, t.code, t.name, t.level, sum(f.amount)::numeric(20, 2) AS amount,
    sum(f.amount * b.share)::numeric(20, 6) AS amount_weighted, sum(f.units) AS units
FROM bi.care_tree t
    JOIN bi.care_bridge b ON b.ancestor = t.node
    JOIN bi.figure f ON f.entity_id = b.descendant
GROUP BY t.node, t.code, t.name, t.level;

-- The other way to totals.
SELECT create_rollup_view('bi.care_rollup', 'hierarchy.care', 'bi.figure', 'entity_id', measures => '{amount,units}');
SELECT create_rollup_view('bi.care_rollup_weighted', 'hierarchy.care', 'bi.figure', 'entity_id',
    measures => '{amount,units}', mode => 'weighted');

-- A reader as doc/bi.md makes one.  The test script adds the password.
CREATE ROLE analyst LOGIN;
GRANT USAGE ON SCHEMA bi TO analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA bi TO analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO analyst;

-- Somebody who changes relationships while others listen.
CREATE ROLE editor LOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO editor;
GRANT INSERT, UPDATE, DELETE ON hierarchy.relationship TO editor;
