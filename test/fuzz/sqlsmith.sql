-- What sqlsmith finds: a directory, graphs of every kind, rollups, and a role that
-- may do everything with them but is no superuser.

CREATE EXTENSION hierarchy;
CREATE ROLE smith LOGIN;
GRANT CREATE, USAGE ON SCHEMA public TO smith;
ALTER DATABASE postgres SET search_path = public, hierarchy;
SET search_path = public, hierarchy;

SELECT create_hierarchy('sales', share_mode => 'split');
INSERT INTO entity_type VALUES ('organisation'), ('account'), ('prescriber');
INSERT INTO entity (entity_type, code, name)
	SELECT (ARRAY['organisation', 'account', 'prescriber'])[1 + i % 3], 'E-' || i, 'Entity ' || i FROM generate_series(1, 60) i;
SELECT assign('sales', e.entity_id, p.entity_id)
FROM generate_series(4, 60) i JOIN entity e ON e.code = 'E-' || i JOIN entity p ON p.code = 'E-' || i / 3;

CREATE TABLE org (manager int, employee int);
CREATE INDEX org_graph ON org USING hgraph (manager, employee);
INSERT INTO org SELECT nullif(i / 4, 0), i FROM generate_series(1, 200) i;
CREATE TABLE stake (owner text, company text, share numeric, valid daterange, is_primary boolean);
CREATE INDEX stake_graph ON stake USING hgraph (owner, company) INCLUDE (share, valid, is_primary)
	WITH (weight = 'share', validity = 'valid', is_primary = 'is_primary');
INSERT INTO stake SELECT 'c' || i / 2, 'c' || i, 0.5, daterange('2024-01-01', CASE WHEN i % 5 = 0 THEN '2025-01-01'::date END), i % 2 = 0
	FROM generate_series(1, 60) i;
CREATE TABLE net (a uuid, b uuid);
CREATE INDEX net_graph ON net USING hgraph (a, b) WITH (acyclic = off);
INSERT INTO net SELECT md5((i % 20)::text)::uuid, md5((i * 7 % 20)::text)::uuid FROM generate_series(1, 60) i;
CREATE TABLE sale (entity_id bigint, employee int, amount numeric, day date);
INSERT INTO sale SELECT entity_id, entity_id, entity_id * 1.25, '2024-01-01' FROM entity;
CREATE TABLE kept (r hrollup);
INSERT INTO kept SELECT rollup('org', employee, amount) FROM sale;
INSERT INTO kept SELECT rollup('sales', entity_id, amount, 'weighted') FROM sale;
CREATE TABLE graphs AS SELECT g::hgraph AS graph FROM unnest('{org_graph,stake_graph,net_graph}'::text[]) g;
SELECT count(*) FROM create_bi_views('sales', 'public');

GRANT USAGE ON SCHEMA hierarchy TO smith;
GRANT ALL ON ALL TABLES IN SCHEMA public, hierarchy TO smith;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public, hierarchy TO smith;
