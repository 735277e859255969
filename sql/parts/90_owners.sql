
-- Owners
--
-- The script of a trusted extension runs as a superuser.  Tables, and functions
-- that run with the rights of their owner, belong to whoever installs it
-- instead: nobody becomes more than that through them.

DO $$
DECLARE
	object record;
	owner regrole;
BEGIN
	SELECT e.extowner INTO owner FROM pg_catalog.pg_extension e WHERE e.extname = 'hierarchy';
	FOR object IN
		SELECT pg_catalog.format('ALTER TABLE %s OWNER TO %s', c.oid::regclass, owner) AS command
		FROM pg_catalog.pg_class c
			JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass::oid AND d.objid = c.oid
				AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass::oid
			JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'hierarchy'
		WHERE c.relkind IN ('r', 'p', 'v')
		UNION ALL
		SELECT pg_catalog.format('ALTER ROUTINE %s OWNER TO %s', p.oid::regprocedure, owner)
		FROM pg_catalog.pg_proc p
			JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::regclass::oid AND d.objid = p.oid
				AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass::oid
			JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'hierarchy'
		WHERE p.prosecdef
	LOOP
		EXECUTE object.command;
	END LOOP;
END
$$;
