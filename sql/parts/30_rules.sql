
-- Rules of the directory: triggers of the tables, and locks

CREATE FUNCTION @extschema@.lock_entities(entity_ids bigint[], for_change boolean) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_lock_entities';
COMMENT ON FUNCTION @extschema@.lock_entities(bigint[], boolean) IS
'internal: keeps entities from being changed, or mentioned, by others until the transaction ends';

CREATE FUNCTION @extschema@.lock_children(hierarchy_id integer, child_ids bigint[]) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_lock_children';
COMMENT ON FUNCTION @extschema@.lock_children(integer, bigint[]) IS
'internal: keeps relationships of children from being changed by others until the transaction ends';

-- Functions of the triggers

CREATE FUNCTION @extschema@.relationship_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_relationship_rules';
COMMENT ON FUNCTION @extschema@.relationship_rules() IS
'trigger after each statement: the relationships written keep the rules of their hierarchy';

CREATE FUNCTION @extschema@.relationship_late_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_relationship_late';
COMMENT ON FUNCTION @extschema@.relationship_late_rules() IS
'constraint trigger: rules that may be broken until the transaction ends';

CREATE FUNCTION @extschema@.late_rule_wanted(rule integer) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_rules_wanted';
COMMENT ON FUNCTION @extschema@.late_rule_wanted(integer) IS
'internal: condition of constraint triggers, true for the first row of a statement';

CREATE FUNCTION @extschema@.entity_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_entity_rules';
COMMENT ON FUNCTION @extschema@.entity_rules() IS
'trigger after each statement: entities with relationships stay what these need';

CREATE FUNCTION @extschema@.hierarchy_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_hierarchy_rules';
COMMENT ON FUNCTION @extschema@.hierarchy_rules() IS
'trigger after each statement: relationships keep the new settings of their hierarchy';

CREATE FUNCTION @extschema@.relationship_rule_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_rule_rules';
COMMENT ON FUNCTION @extschema@.relationship_rule_rules() IS
'trigger after each statement: relationships keep the new type rules of their hierarchy';

CREATE FUNCTION @extschema@.relationship_type_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_type_rules';
COMMENT ON FUNCTION @extschema@.relationship_type_rules() IS
'trigger after each statement: relationship types in use stay';

CREATE FUNCTION @extschema@.identifier_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_identifier_rules';
COMMENT ON FUNCTION @extschema@.identifier_rules() IS
'trigger after each statement: identifiers match the pattern of their scheme';

CREATE FUNCTION @extschema@.identifier_scheme_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_scheme_rules';
COMMENT ON FUNCTION @extschema@.identifier_scheme_rules() IS
'trigger after each statement: identifiers match the new pattern of their scheme';

-- Triggers fire whatever session_replication_role is: the rules hold for all.

CREATE FUNCTION @extschema@.add_rule_triggers(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind "char";
	name text;
	function text;
	events text[];
	event text;
	late text[];
BEGIN
	SELECT c.relkind, c.relname INTO kind, name FROM pg_class c WHERE c.oid = target;
	-- partitions of relationship, and the root
	IF name LIKE 'relationship\_%' AND substr(name, 14) ~ '^[0-9]+$' OR name = 'relationship' THEN
		function := 'relationship_rules';
		events := ARRAY['insert', 'update', 'delete'];
	ELSE
		function := name || '_rules';
		events := CASE name
			WHEN 'entity' THEN ARRAY['insert', 'update', 'delete', 'truncate']
			WHEN 'hierarchy' THEN ARRAY['update', 'delete', 'truncate']
			WHEN 'relationship_rule' THEN ARRAY['insert', 'update', 'delete']
			WHEN 'relationship_type' THEN ARRAY['update', 'delete', 'truncate']
			WHEN 'identifier' THEN ARRAY['insert', 'update']
			WHEN 'identifier_scheme' THEN ARRAY['insert', 'update']
		END;
	END IF;
	IF events IS NULL THEN
		RAISE EXCEPTION 'table "%" is not one of the directory', name USING ERRCODE = 'wrong_object_type';
	END IF;

	FOREACH event IN ARRAY events LOOP
		EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.%I()',
			'rules_' || event, event, target,
			CASE event
				WHEN 'insert' THEN 'REFERENCING NEW TABLE AS new_rows'
				WHEN 'update' THEN 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
				WHEN 'delete' THEN 'REFERENCING OLD TABLE AS old_rows'
				ELSE ''
			END, function);
		EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', target, 'rules_' || event);
	END LOOP;

	-- what waits for the end of the transaction, each under the name of its rule
	IF function = 'relationship_rules' AND kind = 'r' OR name = 'hierarchy' THEN
		FOREACH late SLICE 1 IN ARRAY ARRAY[['relationship_share_sum_check', 'share_sum', '0'],
			['relationship_require_primary_check', 'require_primary', '1']]
		LOOP
			EXECUTE format('CREATE CONSTRAINT TRIGGER %I AFTER %s ON %s '
				'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (@extschema@.late_rule_wanted(%s)) '
				'EXECUTE FUNCTION @extschema@.relationship_late_rules(%L)',
				late[1], CASE name WHEN 'hierarchy' THEN 'UPDATE' ELSE 'INSERT OR UPDATE OR DELETE' END,
				target, late[3], late[2]);
			EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', target, late[1]);
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.add_rule_triggers(regclass) IS
'internal: gives a table of the directory the triggers that watch its rules';

CREATE FUNCTION @extschema@.check_hierarchy(hierarchy text)
RETURNS TABLE (constraint_name text, child_id bigint, message text, detail text)
LANGUAGE C STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_check_hierarchy';
COMMENT ON FUNCTION @extschema@.check_hierarchy(text) IS
'all relationships of a hierarchy that break a rule, by child; no rows: all is well';

SELECT @extschema@.add_rule_triggers(t) FROM pg_catalog.unnest(ARRAY[
	'@extschema@.entity', '@extschema@.hierarchy', '@extschema@.relationship', '@extschema@.relationship_rule',
	'@extschema@.relationship_type', '@extschema@.identifier', '@extschema@.identifier_scheme']::regclass[]) t;
