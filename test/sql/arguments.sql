-- Bad arguments, missing permissions, row-level security
CREATE SCHEMA arguments;
SET search_path = arguments, hierarchy;

CREATE TABLE i (parent int, child int);
CREATE TABLE b (parent bigint, child bigint, share float8, kind int, main boolean, valid daterange);
CREATE TABLE u (parent uuid, child uuid);
CREATE TABLE t (parent text, child text);
INSERT INTO i VALUES (1, 2), (2, 3);
INSERT INTO b VALUES (1, 2, 0.5, 1, true, NULL), (2, 3, 0.5, 2, true, NULL), (2, 3000000000, 1, 1, false, NULL);
INSERT INTO u VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002');
INSERT INTO t VALUES ('a', 'b');
CREATE INDEX gi ON i USING hgraph (parent, child);
CREATE INDEX gb ON b USING hgraph (parent, child);
CREATE INDEX gu ON u USING hgraph (parent, child);
CREATE INDEX gt ON t USING hgraph (parent, child);

-- What a query gets: its error, or its number of rows
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE 'SELECT count(q) FROM (' || query || ') q' INTO n;
    RETURN n || ' rows';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN state || ': ' || message
        || CASE WHEN detail <> '' THEN E'\n  DETAIL: ' || detail ELSE '' END
        || CASE WHEN state = '42804' THEN E'\n  HINT: ' || hint ELSE '' END;
END
$$;
GRANT EXECUTE ON FUNCTION try TO public;
\pset format unaligned
\pset tuples_only on

-- Graphs
SELECT try($$ SELECT descendants('nothing', 1) $$);
SELECT try($$ SELECT * FROM descendants('nothing'::text::regclass::oid::hgraph, 1) $$);
SELECT try($$ SELECT * FROM descendants(0::oid::hgraph, 1) $$);
SELECT try($$ SELECT within(4294967295::oid::hgraph, 1, 2) $$);
SELECT try($$ SELECT * FROM descendants('pg_class'::regclass::oid::hgraph, 1) $$);
SELECT try($$ SELECT * FROM graph_stats('pg_class_oid_index'::regclass::oid::hgraph) $$);
SELECT try($$ SELECT * FROM verify('pg_class_oid_index'::regclass::oid::hgraph) $$);
-- An index that is gone by the time of the call
CREATE TABLE gone (parent int, child int);
INSERT INTO gone VALUES (1, 2);
CREATE INDEX ON gone USING hgraph (parent, child);
PREPARE on_gone AS SELECT * FROM children('gone', 1);
EXECUTE on_gone;
DROP TABLE gone;
\set VERBOSITY sqlstate
EXECUTE on_gone;
\set VERBOSITY default
DEALLOCATE on_gone;
-- One that CREATE INDEX CONCURRENTLY left behind
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'gi'::regclass;
SELECT try($$ SELECT * FROM descendants('gi'::regclass::oid::hgraph, 1) $$);
SELECT try($$ SELECT * FROM verify('gi'::regclass::oid::hgraph) $$);
UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'gi'::regclass;

-- Nodes of the wrong type
SELECT try($$ SELECT * FROM descendants('gi', gen_random_uuid()) $$);
SELECT try($$ SELECT * FROM descendants('gb', gen_random_uuid()) $$);
SELECT try($$ SELECT descendants('gu', 1) $$);
SELECT try($$ SELECT * FROM descendants('gt', 1) $$);
SELECT try($$ SELECT * FROM descendants('gt', gen_random_uuid()) $$);
SELECT try($$ SELECT within('gt', 1, 2) $$);
SELECT try($$ SELECT * FROM common_ancestors('gu', 1, 2) $$);
SELECT try($$ SELECT * FROM paths('gt', 1) $$);
SELECT try($$ SELECT * FROM preorder('gt', NULL::bigint) $$);
SELECT try($$ SELECT * FROM preorder('gt', NULL) $$);
SELECT try($$ SELECT * FROM descendants('gt', NULL::uuid) $$);
SELECT try($$ SELECT * FROM roots('gt') $$);
SELECT try($$ SELECT * FROM closure('gu') $$);
SELECT try($$ SELECT * FROM closure('gb', NULL::uuid) $$);
SELECT try($$ SELECT * FROM roots('gb', NULL::smallint) $$);
SELECT try($$ SELECT * FROM roots('gb', NULL::numeric) $$);
SELECT try($$ SELECT * FROM roots('gt', NULL::varchar) $$);
SELECT try($$ SELECT * FROM closure('gb', NULL::int) $$);
SELECT try($$ SELECT * FROM closure('gi', NULL::int) $$);
-- Texts that the key type does not take
SELECT try($$ SELECT * FROM descendants('gi', 'one') $$);
SELECT try($$ SELECT * FROM descendants('gi', '') $$);
SELECT try($$ SELECT * FROM descendants('gi', ' 1 ') $$);
SELECT try($$ SELECT * FROM descendants('gi', '3000000000') $$);
SELECT try($$ SELECT * FROM descendants('gb', '3000000000000000000000') $$);
SELECT try($$ SELECT * FROM descendants('gu', 'one') $$);
SELECT try($$ SELECT * FROM descendants('gu', '{00000000-0000-4000-8000-000000000001}') $$);
SELECT try($$ SELECT within('gi', '3', 'one') $$);

-- Options
SELECT try($$ SELECT * FROM descendants('gb', 1, max_depth => -1) $$);
SELECT try($$ SELECT * FROM closure('gb', max_depth => -2147483648) $$);
SELECT try($$ SELECT within('gb', 1, 2, max_depth => -1) $$);
SELECT try($$ SELECT * FROM descendants('gb', 1, max_depth => 2147483647) $$);
SELECT try($$ SELECT * FROM descendants('gb', 1, primary_only => true) $$);
SELECT try($$ SELECT * FROM descendants('gb', 1, labels => '{1}') $$);
SELECT try($$ SELECT * FROM descendants('gb', 1, labels => '{}') $$);
SELECT try($$ SELECT * FROM descendants('gb', 1, as_of => '2020-01-01') $$);
SELECT try($$ SELECT within('gb', 3, 1, primary_only => true) $$);
SELECT try($$ SELECT * FROM descendants('gb', 1, primary_only => false, labels => NULL, as_of => NULL) $$);

-- A set where none can be
SELECT try($$ SELECT 1 WHERE descendants('gb', 1) IS NULL $$);

-- Permission: SELECT on the table, or on both key columns
DROP INDEX gb;
CREATE INDEX gb ON b USING hgraph (parent, child) INCLUDE (share, kind, main, valid)
    WITH (weight = 'share', label = 'kind', is_primary = 'main', validity = 'valid');
CREATE ROLE regress_hierarchy_reader;
GRANT USAGE ON SCHEMA arguments, hierarchy TO regress_hierarchy_reader;
SELECT count(*) FROM descendants('gb', 1);
SELECT node FROM descendants('gb', 1, labels => '{{1},{2}}') ORDER BY 1;
SET ROLE regress_hierarchy_reader;
SELECT try($$ SELECT * FROM descendants('gb', 1) $$);
SELECT try($$ SELECT descendants('gb', 1) $$);
SELECT try($$ SELECT within('gb', 3, 1) $$);
SELECT try($$ SELECT * FROM descendants('gb', 99) $$);
SELECT try($$ SELECT * FROM graph_stats('gb') $$);
SELECT try($$ SELECT * FROM verify('gb') $$);
RESET ROLE;
GRANT SELECT (parent) ON b TO regress_hierarchy_reader;
SET ROLE regress_hierarchy_reader;
SELECT try($$ SELECT * FROM descendants('gb', 1) $$);
RESET ROLE;
GRANT SELECT (child) ON b TO regress_hierarchy_reader;
SET ROLE regress_hierarchy_reader;
-- What he may not read plays no part
SELECT * FROM descendants('gb', 1);
SELECT try($$ SELECT * FROM descendants('gb', 1, primary_only => true) $$);
SELECT try($$ SELECT * FROM verify('gb') $$);
RESET ROLE;
GRANT SELECT (share) ON b TO regress_hierarchy_reader;
SET ROLE regress_hierarchy_reader;
SELECT * FROM descendants('gb', 1);
RESET ROLE;
GRANT SELECT ON b TO regress_hierarchy_reader;
REVOKE SELECT (parent, child) ON b FROM regress_hierarchy_reader;
SET ROLE regress_hierarchy_reader;
SELECT * FROM descendants('gb', 1, primary_only => true);
RESET ROLE;
REVOKE SELECT ON b FROM regress_hierarchy_reader;
SET ROLE regress_hierarchy_reader;
SELECT try($$ SELECT * FROM descendants('gb', 1) $$);
RESET ROLE;

-- Row-level security: the graph is what the caller may see
CREATE TABLE secret (parent int, child int, tenant text);
INSERT INTO secret VALUES (1, 2, 'x'), (2, 3, 'x'), (2, 4, 'y'), (4, 5, 'x'), (1, 6, 'y');
CREATE INDEX gs ON secret USING hgraph (parent, child);
GRANT SELECT, INSERT ON secret TO regress_hierarchy_reader;
CREATE POLICY by_tenant ON secret USING (tenant = current_setting('arguments.tenant', true));
SELECT node FROM descendants('gs', 1) ORDER BY 1;
SET ROLE regress_hierarchy_reader;
SELECT node FROM descendants('gs', 1) ORDER BY 1;
RESET ROLE;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
SELECT node FROM descendants('gs', 1) ORDER BY 1;
SET ROLE regress_hierarchy_reader;
SELECT node FROM descendants('gs', 1) ORDER BY 1;
SET arguments.tenant = 'x';
SELECT node FROM descendants('gs', 1) ORDER BY 1;
SELECT descendants('gs', 1) ORDER BY 1;
SELECT within('gs', 3, 1), within('gs', 4, 1), within('gs', 5, 1), within('gs', 5, 4);
SET arguments.tenant = 'y';
SELECT node FROM descendants('gs', 1) ORDER BY 1;
SELECT node FROM roots('gs') ORDER BY 1;
SELECT within('gs', 3, 1), within('gs', 4, 1), within('gs', 4, 2);
-- Within one statement, too
SELECT t, set_config('arguments.tenant', t, false), within('gs', 3, 1), within('gs', 6, 1)
    FROM (VALUES ('x'), ('y'), ('x')) v (t);
SELECT try($$ SELECT * FROM verify('gs') $$);
SELECT nodes, edges FROM graph_stats('gs');
SET row_security = off;
SELECT try($$ SELECT * FROM descendants('gs', 1) $$);
RESET row_security;
-- A hidden row still blocks a cycle, and its keys stay hidden
SET arguments.tenant = 'x';
INSERT INTO secret VALUES (6, 1, 'x');
RESET ROLE;
-- The owner is exempt, unless forced
SELECT node FROM descendants('gs', 1) ORDER BY 1;
ALTER TABLE secret OWNER TO regress_hierarchy_reader;
SET ROLE regress_hierarchy_reader;
SELECT node FROM descendants('gs', 1) ORDER BY 1;
ALTER TABLE secret FORCE ROW LEVEL SECURITY;
SELECT node FROM descendants('gs', 1) ORDER BY 1;
SET arguments.tenant = 'y';
SELECT node FROM descendants('gs', 1) ORDER BY 1;
ALTER TABLE secret NO FORCE ROW LEVEL SECURITY;
SELECT node FROM descendants('gs', 1) ORDER BY 1;
RESET ROLE;
-- Policies and rights on columns together: what he may not read is left out
CREATE TABLE narrow (parent int, child int, share float8, first boolean, note text);
INSERT INTO narrow VALUES (NULL, 1, NULL, NULL), (1, 2, 0.5, true), (2, 3, 0.5, true), (1, 4, 0.5, false);
CREATE INDEX gn ON narrow USING hgraph (parent, child) INCLUDE (share, first, note)
    WITH (weight = share, is_primary = first);
ALTER TABLE narrow ENABLE ROW LEVEL SECURITY;
CREATE POLICY most ON narrow USING (child <> 3);
GRANT SELECT (parent, child) ON narrow TO regress_hierarchy_reader;
SET ROLE regress_hierarchy_reader;
SELECT * FROM descendants('gn', 1);
SELECT try($$ SELECT * FROM children('gn', 1, primary_only => true) $$);
RESET ROLE;
GRANT SELECT (share, first) ON narrow TO regress_hierarchy_reader;
SET ROLE regress_hierarchy_reader;
SELECT * FROM descendants('gn', 1);
SELECT * FROM children('gn', 1, primary_only => true);
RESET ROLE;

-- A prepared statement under changing roles
CREATE ROLE regress_hierarchy_other;
GRANT USAGE ON SCHEMA arguments, hierarchy TO regress_hierarchy_other;
GRANT SELECT ON secret TO regress_hierarchy_other;
PREPARE below AS SELECT node FROM descendants('gs', 1) ORDER BY 1;
EXECUTE below;
SET ROLE regress_hierarchy_other;
EXECUTE below;
RESET ROLE;
REVOKE SELECT ON secret FROM regress_hierarchy_other;
SET ROLE regress_hierarchy_other;
EXECUTE below;
RESET ROLE;
EXECUTE below;

-- verify tells what it finds
ALTER TABLE b RENAME share TO portion;
SELECT * FROM verify('gb');
ALTER INDEX gb SET (weight = 'portion');
SELECT * FROM verify('gb');
SELECT share FROM children('gb', 1);

-- Pieces of other functions, called by hand
SELECT try(call) FROM unnest(ARRAY[
    'SELECT * FROM load_groups('''')', 'SELECT * FROM load_cycles(''CREATE TABLE none ()'')',
    'SELECT * FROM load_check_days(''SELECT'', 1, false, false, 2147483647)', 'SELECT make_partition(NULL)',
    'SELECT make_partition(0)', 'SELECT drop_identifier(NULL, NULL)', 'SELECT create_hierarchy_from_template(NULL)']) AS call;

SET client_min_messages = warning;
DROP SCHEMA arguments CASCADE;
DROP OWNED BY regress_hierarchy_reader, regress_hierarchy_other;
DROP ROLE regress_hierarchy_reader;
DROP ROLE regress_hierarchy_other;
