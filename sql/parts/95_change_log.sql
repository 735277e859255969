
-- Partitions of change_log for this month and some to come
--
-- They do not belong to the extension, so that dumps contain them.  Where a
-- dump is being restored it brings them along: nothing to make then (the
-- script has set the other two of the three settings that would tell).

DO $$
DECLARE
	partition regclass;
BEGIN
	IF pg_catalog.current_setting('row_security')::boolean THEN
		PERFORM @extschema@.prepare_change_log();
		FOR partition IN
			SELECT d.objid FROM pg_catalog.pg_depend d
				JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'hierarchy'
				JOIN pg_catalog.pg_inherits i ON i.inhrelid = d.objid
			WHERE d.classid = 'pg_catalog.pg_class'::regclass::oid AND d.deptype = 'e'
				AND d.refclassid = 'pg_catalog.pg_extension'::regclass::oid
				AND i.inhparent = '@extschema@.change_log'::regclass::oid
		LOOP
			EXECUTE pg_catalog.format('ALTER EXTENSION hierarchy DROP TABLE %s', partition);
		END LOOP;
	END IF;
END
$$;
