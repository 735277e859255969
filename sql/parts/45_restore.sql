
-- Rows of a dump are loaded in any order, also by pg_restore --jobs

CREATE FUNCTION @extschema@.restore_keys() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_restore_keys';
COMMENT ON FUNCTION @extschema@.restore_keys() IS
'trigger: foreign keys do not stop rows of a dump that is being restored; internal';

CREATE TRIGGER restore_keys BEFORE INSERT ON @extschema@.entity
FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys();
ALTER TABLE @extschema@.entity ENABLE ALWAYS TRIGGER restore_keys;

CREATE TRIGGER restore_keys BEFORE INSERT ON @extschema@.identifier
FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys();
ALTER TABLE @extschema@.identifier ENABLE ALWAYS TRIGGER restore_keys;

CREATE TRIGGER restore_keys BEFORE INSERT ON @extschema@.relationship_rule
FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys();
ALTER TABLE @extschema@.relationship_rule ENABLE ALWAYS TRIGGER restore_keys;
