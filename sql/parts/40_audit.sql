
-- Audit: every change goes to change_log, and stays there

CREATE FUNCTION @extschema@.audit_changes() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_audit';
COMMENT ON FUNCTION @extschema@.audit_changes() IS
'internal: trigger function that logs the rows that a statement changed';

CREATE FUNCTION @extschema@.keep_log() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_append_only';
COMMENT ON FUNCTION @extschema@.keep_log() IS
'internal: trigger function that refuses to change what was logged';

-- The names make them fire before triggers of others, so that what those
-- change on top comes later in the log.

CREATE FUNCTION @extschema@.add_audit_triggers(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER _audit_insert AFTER INSERT ON %s
		REFERENCING NEW TABLE AS new_rows
		FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.audit_changes()', target);
	EXECUTE format('CREATE TRIGGER _audit_update AFTER UPDATE ON %s
		REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
		FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.audit_changes()', target);
	EXECUTE format('CREATE TRIGGER _audit_delete AFTER DELETE ON %s
		REFERENCING OLD TABLE AS old_rows
		FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.audit_changes()', target);
	EXECUTE format('ALTER TABLE %s
		ENABLE ALWAYS TRIGGER _audit_insert,
		ENABLE ALWAYS TRIGGER _audit_update,
		ENABLE ALWAYS TRIGGER _audit_delete', target);
	-- a partitioned table has no rows; its partitions have such a trigger each
	IF EXISTS (SELECT FROM pg_class c WHERE c.oid = target AND c.relkind = 'r') THEN
		EXECUTE format('CREATE TRIGGER _audit_truncate BEFORE TRUNCATE ON %s
			FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.audit_changes()', target);
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER _audit_truncate', target);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.add_audit_triggers(regclass) IS
'internal: gives a table of the directory the triggers that log its changes';

SELECT @extschema@.add_audit_triggers(audited)
FROM pg_catalog.unnest('{
	@extschema@.entity_type, @extschema@.entity, @extschema@.identifier_scheme, @extschema@.identifier,
	@extschema@.relationship_type, @extschema@.hierarchy, @extschema@.relationship_rule, @extschema@.relationship
}'::regclass[]) AS audited;

-- Partitions of change_log, one for each month (UTC).  They do not belong to
-- the extension: dumps contain them as they are.

CREATE FUNCTION @extschema@.protect_log(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER keep_log BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
		FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.keep_log()', target);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER keep_log', target);
	-- rows can be reached without a statement on their table: by replication,
	-- and through a table that this one was made a part of
	IF EXISTS (SELECT FROM pg_class c WHERE c.oid = target AND c.relkind = 'r') THEN
		EXECUTE format('CREATE TRIGGER keep_log_rows BEFORE UPDATE OR DELETE ON %s
			FOR EACH ROW EXECUTE FUNCTION @extschema@.keep_log()', target);
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER keep_log_rows', target);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.protect_log(regclass) IS
'internal: gives change_log or a partition of it the triggers that refuse changes';

SELECT @extschema@.protect_log('@extschema@.change_log');

CREATE FUNCTION @extschema@.add_change_log_partition(at timestamptz) RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
DECLARE
	lower timestamptz := date_trunc('month', at);
	upper timestamptz := lower + interval '1 month';
	base text := to_char(lower, '"change_log_"YYYY_MM');
	name text := base;
	n integer := 1;
	partition text;
	bounds text;
	owner regrole;
BEGIN
	-- one at a time; writers and readers of the log go on
	LOCK TABLE @extschema@.change_log IN SHARE UPDATE EXCLUSIVE MODE;
	-- what these functions look at is newer than any snapshot
	IF pg_partition_root(to_regclass(format('@extschema@.%I', base))) = '@extschema@.change_log'::regclass THEN
		RETURN format('@extschema@.%I', base)::regclass;
	END IF;
	-- the name may be that of a partition that was detached
	WHILE to_regclass(format('@extschema@.%I', name)) IS NOT NULL LOOP
		n := n + 1;
		name := base || '_' || n;
	END LOOP;

	partition := format('@extschema@.%I', name);
	bounds := format('FOR VALUES FROM (%L) TO (%L)', lower, upper);
	SELECT relowner INTO owner FROM pg_class WHERE oid = '@extschema@.change_log'::regclass;
	BEGIN
		EXECUTE format('CREATE TABLE %s (LIKE @extschema@.change_log INCLUDING ALL)', partition);
		EXECUTE format('ALTER TABLE %s OWNER TO %s', partition, owner);
		EXECUTE format('ALTER TABLE @extschema@.change_log ATTACH PARTITION %s %s', partition, bounds);
	EXCEPTION WHEN object_in_use OR invalid_object_definition THEN
		-- A query of this session is reading the log at this moment; or somebody
		-- has partitions of his own, which cover a part of the month.
		RETURN NULL;
	END;
	EXECUTE format('COMMENT ON TABLE %s IS %L', partition,
		to_char(lower, '"changes of the directory in "YYYY-MM'));
	EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY (change_id)', partition, name || '_pkey');
	EXECUTE format('CREATE INDEX %I ON %s (entity_id)', name || '_entity_id_idx', partition);
	EXECUTE format('CREATE INDEX %I ON %s (parent_id)', name || '_parent_id_idx', partition);
	EXECUTE format('CREATE INDEX %I ON %s USING brin (changed_at)', name || '_changed_at_idx', partition);
	PERFORM @extschema@.protect_log(partition::regclass);
	RETURN partition::regclass;
END
$$;
COMMENT ON FUNCTION @extschema@.add_change_log_partition(timestamptz) IS
'internal: makes the partition of change_log for the month of a time, if there is none';

CREATE FUNCTION @extschema@.prepare_change_log(months integer DEFAULT 3) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	FOR n IN 0 .. months LOOP
		PERFORM @extschema@.add_change_log_partition(
			(date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + make_interval(months => n)) AT TIME ZONE 'UTC');
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.prepare_change_log(integer) IS
'makes the partitions of change_log for this month and some to come';

-- The feed

CREATE FUNCTION @extschema@.changes_horizon() RETURNS bigint
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'hgraph_changes_horizon';
COMMENT ON FUNCTION @extschema@.changes_horizon() IS
'number of a change up to which no more changes can appear in change_log';

CREATE FUNCTION @extschema@.changes_since(change_id bigint, max_rows integer DEFAULT NULL)
RETURNS SETOF @extschema@.change_log
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	-- before the snapshot of the query below, which is why this is volatile
	horizon bigint := @extschema@.changes_horizon();
BEGIN
	RETURN QUERY
		SELECT l.* FROM @extschema@.change_log l
		WHERE l.change_id > coalesce(changes_since.change_id, 0) AND l.change_id <= horizon
		ORDER BY l.change_id
		LIMIT max_rows;
END
$$;
COMMENT ON FUNCTION @extschema@.changes_since(bigint, integer) IS
'changes after one, in order, as far as no earlier one can appear any more';
