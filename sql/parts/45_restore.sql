
-- Rows of a dump are loaded in any order, also by pg_restore --jobs

CREATE FUNCTION @extschema@.restore_keys() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_restore_keys';
COMMENT ON FUNCTION @extschema@.restore_keys() IS
'trigger: foreign keys do not stop rows of a dump that is being restored; internal';

DO $$
DECLARE
	target text;
BEGIN
	FOREACH target IN ARRAY ARRAY['entity', 'identifier', 'relationship_rule']
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER %I BEFORE INSERT ON @extschema@.%I '
			'FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys()', target || '_restore_begin', target);
		EXECUTE pg_catalog.format('CREATE TRIGGER %I AFTER INSERT ON @extschema@.%I '
			'FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys()', target || '_restore_end', target);
		EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I ENABLE ALWAYS TRIGGER %I, ENABLE ALWAYS TRIGGER %I',
			target, target || '_restore_begin', target || '_restore_end');
	END LOOP;
END
$$;
