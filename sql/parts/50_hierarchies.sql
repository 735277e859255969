
-- Making, renaming and dropping hierarchies
--
-- Each hierarchy is a partition of relationship.  Its key, graph and triggers
-- are made here, one by one, since the root has none to hand down (see
-- 20_directory.sql).  The functions run with the rights of the owner of the
-- directory, since only he may add partitions; nobody else may call them until
-- he is granted to.

CREATE FUNCTION @extschema@.find_hierarchy(name text)
RETURNS @extschema@.hierarchy
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	found_row @extschema@.hierarchy%ROWTYPE;
	names text;
BEGIN
	IF find_hierarchy.name IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'hierarchy must not be NULL';
	END IF;
	SELECT h.* INTO found_row FROM hierarchy h WHERE h.name = find_hierarchy.name;
	IF NOT FOUND THEN
		SELECT string_agg(format('"%s"', n.name), ', ' ORDER BY n.name) INTO names
		FROM (SELECT h.name FROM hierarchy h ORDER BY h.name LIMIT 10) n;
		RAISE undefined_object USING
			MESSAGE = format('hierarchy "%s" does not exist', find_hierarchy.name),
			HINT = coalesce('Hierarchies: ' || names || '.', 'There is none yet: make one with create_hierarchy.');
	END IF;
	RETURN found_row;
END
$$;
COMMENT ON FUNCTION @extschema@.find_hierarchy(text) IS
'row of a hierarchy, by its name; internal';

CREATE FUNCTION @extschema@.find_graph(hierarchy_id integer, name text)
RETURNS @extschema@.hgraph
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_find_graph';
COMMENT ON FUNCTION @extschema@.find_graph(integer, text) IS
'graph of a hierarchy, by its partition; the name tells which, if there are several; internal';

CREATE FUNCTION @extschema@.copy_rights(source regclass, target regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
DECLARE
	command text;
	policy text;
BEGIN
	FOR command IN
		SELECT format('GRANT %s%s ON %s TO %s%s', a.privilege_type, g.columns, target,
			CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
			CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
		FROM (
			SELECT c.relacl AS acl, '' AS columns, c.relowner AS owner FROM pg_class c WHERE c.oid = source
			UNION ALL
			SELECT t.attacl, format(' (%I)', t.attname), c.relowner
			FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
			WHERE t.attrelid = source AND NOT t.attisdropped) g,
			aclexplode(g.acl) a
		WHERE a.grantee <> g.owner
		UNION ALL
		SELECT format('ALTER TABLE %s %s ROW LEVEL SECURITY', target, r.what)
		FROM pg_class c, LATERAL (VALUES ('ENABLE', c.relrowsecurity), ('FORCE', c.relforcerowsecurity)) AS r (what, is_on)
		WHERE c.oid = source AND r.is_on
	LOOP
		EXECUTE command;
	END LOOP;

	FOR command, policy IN
		SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, target,
				CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
				CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
					ELSE 'ALL' END,
				(SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ') FROM unnest(p.polroles) r))
			|| coalesce(' USING (' || pg_get_expr(p.polqual, source) || ')', '')
			|| coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, source) || ')', ''),
			p.polname
		FROM pg_policy p
		WHERE p.polrelid = source
	LOOP
		-- a condition may name the table itself
		BEGIN
			EXECUTE command;
		EXCEPTION
			WHEN undefined_table OR undefined_column THEN
				RAISE WARNING 'policy % of table % cannot be copied to %', quote_ident(policy), source, target
				USING DETAIL = sqlerrm, HINT = 'Make it by hand; nobody but the owner sees the rows before.';
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.copy_rights(regclass, regclass) IS
'gives a table the grants and policies of another one; internal';

CREATE FUNCTION @extschema@.type_rules(rules jsonb)
RETURNS TABLE (child_type text, parent_type text, max_parents integer)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	item jsonb;
	pair record;
BEGIN
	IF jsonb_typeof(rules) = 'object' THEN
		FOR pair IN SELECT * FROM jsonb_each(rules)
		LOOP
			IF jsonb_typeof(pair.value) NOT IN ('array', 'string') THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('type rule of "%s" is neither an array nor a string', pair.key),
					HINT = 'Write {"child type": ["parent type", ...]}.';
			END IF;
			RETURN QUERY
			SELECT pair.key, p.value, NULL::integer
			FROM jsonb_array_elements_text(CASE jsonb_typeof(pair.value) WHEN 'array' THEN pair.value
				ELSE jsonb_build_array(pair.value) END) p;
		END LOOP;
	ELSIF jsonb_typeof(rules) = 'array' THEN
		FOR item IN SELECT * FROM jsonb_array_elements(rules)
		LOOP
			IF jsonb_typeof(item) <> 'object' OR NOT item ?& ARRAY['child', 'parent']
				OR EXISTS (SELECT FROM jsonb_object_keys(item) k WHERE k NOT IN ('child', 'parent', 'max_parents'))
				OR coalesce(item->>'max_parents', '1') !~ '^[0-9]{1,9}$'
			THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('type rule %s cannot be read', item),
					HINT = 'Write {"child": "type", "parent": "type"} and, if need be, "max_parents": number.';
			END IF;
			RETURN QUERY
			SELECT item->>'child', item->>'parent', (item->>'max_parents')::integer;
		END LOOP;
	ELSE
		RAISE invalid_parameter_value USING
			MESSAGE = 'type rules are neither a JSON object nor a JSON array',
			HINT = 'Write {"child type": ["parent type", ...]} or [{"child": "type", "parent": "type", "max_parents": number}, ...].';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.type_rules(jsonb) IS
'rows of the argument type_rules of create_hierarchy; internal';

CREATE FUNCTION @extschema@.check_hierarchy_name(name text)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF name IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'name of a hierarchy must not be NULL';
	ELSIF name = '' OR name <> btrim(name) THEN
		RAISE invalid_name USING
			MESSAGE = format('"%s" cannot be the name of a hierarchy', name),
			DETAIL = 'A name is not empty, and neither begins nor ends with a space.';
	ELSIF octet_length(name) > 63 THEN
		RAISE name_too_long USING
			MESSAGE = format('name "%s" is too long', name),
			DETAIL = format('It has %s bytes; 63 are allowed.', octet_length(name));
	ELSIF EXISTS (SELECT FROM hierarchy h WHERE h.name = check_hierarchy_name.name) THEN
		RAISE duplicate_object USING MESSAGE = format('hierarchy "%s" exists already', name);
	ELSIF to_regclass(format('@extschema@.%I', name)) IS NOT NULL
		OR name ~ '^(relationship|change_log)_[0-9]'
	THEN
		RAISE duplicate_table USING
			MESSAGE = format('"%s" cannot be the name of a hierarchy', name),
			DETAIL = 'The graph bears the name of its hierarchy, and schema @extschema@ needs this one for something else.',
			HINT = 'Choose another name.';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.check_hierarchy_name(text) IS
'raises an error if a new hierarchy cannot have this name; internal';

CREATE FUNCTION @extschema@.make_partition(hierarchy_id integer, name text DEFAULT NULL)
RETURNS @extschema@.hgraph
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer := make_partition.hierarchy_id;
	title text := coalesce(make_partition.name, (SELECT h.name FROM hierarchy h WHERE h.hierarchy_id = id));
	partition text := format('relationship_%s', id);
	maker text;
BEGIN
	EXECUTE format('CREATE TABLE @extschema@.%I (LIKE @extschema@.relationship INCLUDING ALL, '
		'CONSTRAINT %I CHECK (hierarchy_id = %s), CONSTRAINT %I PRIMARY KEY (child_id, parent_id, valid))',
		partition, partition || '_hierarchy_id_check', id, partition || '_pkey');
	EXECUTE format('COMMENT ON TABLE @extschema@.%I IS %L', partition, format('relationships of hierarchy "%s"', title));
	PERFORM copy_rights('relationship', partition::regclass);
	EXECUTE format('ALTER TABLE @extschema@.relationship ATTACH PARTITION @extschema@.%I FOR VALUES IN (%s)', partition, id);
	EXECUTE format('CREATE INDEX %I ON @extschema@.%I USING hgraph (parent_id, child_id) '
		'INCLUDE (share, valid, is_primary, label) '
		'WITH (weight = ''share'', validity = ''valid'', is_primary = ''is_primary'', label = ''label'')',
		title, partition);
	EXECUTE format('COMMENT ON INDEX @extschema@.%I IS %L', title, 'graph of the hierarchy of this name');
	FOREACH maker IN ARRAY ARRAY['add_rule_triggers', 'add_audit_triggers']
	LOOP
		IF to_regprocedure(format('@extschema@.%I(regclass)', maker)) IS NOT NULL THEN
			EXECUTE format('SELECT @extschema@.%I(%L::regclass)', maker, partition);
		END IF;
	END LOOP;
	RETURN format('@extschema@.%I', title)::@extschema@.hgraph;
END
$$;
COMMENT ON FUNCTION @extschema@.make_partition(integer, text) IS
'makes the partition and the graph of a hierarchy; without a name, that of the row there is; internal';
REVOKE EXECUTE ON FUNCTION @extschema@.make_partition(integer, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.create_hierarchy(
	name text,
	description text DEFAULT NULL,
	share_mode text DEFAULT 'none',
	max_parents integer DEFAULT NULL,
	require_primary boolean DEFAULT false,
	type_rules jsonb DEFAULT NULL,
	relationship_types text[] DEFAULT NULL,
	validity daterange DEFAULT '(,)')
RETURNS integer
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer;
	graph @extschema@.hgraph;
BEGIN
	-- one at a time, so that two do not choose the same name
	LOCK TABLE hierarchy IN SHARE ROW EXCLUSIVE MODE;
	PERFORM check_hierarchy_name(create_hierarchy.name);
	IF share_mode IS NULL OR share_mode NOT IN ('none', 'split', 'full') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('share mode "%s" does not exist', coalesce(share_mode, 'NULL')),
			HINT = 'Share modes: none, split, full.';
	ELSIF max_parents <= 0 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'max_parents must be greater than 0',
			HINT = 'NULL allows any number.';
	ELSIF coalesce(isempty(validity), true) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'validity of a hierarchy must have a day';
	ELSIF array_position(relationship_types, NULL) IS NOT NULL OR array_ndims(relationship_types) > 1 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'relationship_types must be a list of names';
	END IF;

	LOOP
		id := nextval(pg_get_serial_sequence('@extschema@.hierarchy', 'hierarchy_id'));
		EXIT WHEN to_regclass(format('@extschema@.relationship_%s', id)) IS NULL
			AND NOT EXISTS (SELECT FROM hierarchy h WHERE h.hierarchy_id = id);
	END LOOP;
	graph := make_partition(id, create_hierarchy.name);

	INSERT INTO relationship_type (relationship_type)
	SELECT DISTINCT t FROM unnest(create_hierarchy.relationship_types) t
	ON CONFLICT DO NOTHING;
	INSERT INTO entity_type (entity_type)
	SELECT r.child_type FROM type_rules(create_hierarchy.type_rules) r
	UNION
	SELECT r.parent_type FROM type_rules(create_hierarchy.type_rules) r
	ON CONFLICT DO NOTHING;
	INSERT INTO hierarchy (hierarchy_id, name, description, share_mode, max_parents, require_primary, relationship_types,
		validity, graph)
	VALUES (id, create_hierarchy.name, create_hierarchy.description, create_hierarchy.share_mode, create_hierarchy.max_parents,
		coalesce(create_hierarchy.require_primary, false), create_hierarchy.relationship_types, create_hierarchy.validity,
		graph);
	INSERT INTO relationship_rule (hierarchy_id, child_type, parent_type, max_parents)
	SELECT id, r.child_type, r.parent_type, max(r.max_parents)
	FROM type_rules(create_hierarchy.type_rules) r
	GROUP BY r.child_type, r.parent_type;
	RETURN id;
END
$$;
COMMENT ON FUNCTION @extschema@.create_hierarchy(text, text, text, integer, boolean, jsonb, text[], daterange) IS
'makes a hierarchy with its rules, its partition and its graph; returns its number';
REVOKE EXECUTE ON FUNCTION @extschema@.create_hierarchy(text, text, text, integer, boolean, jsonb, text[], daterange) FROM PUBLIC;

CREATE FUNCTION @extschema@.drop_hierarchy(name text, force boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
SET row_security = off
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE;
	partition regclass;
	n bigint;
	late text;
BEGIN
	h := find_hierarchy(drop_hierarchy.name);
	partition := format('@extschema@.relationship_%s', h.hierarchy_id)::regclass;
	-- the order of every other statement: the root first
	LOCK TABLE ONLY relationship IN ACCESS EXCLUSIVE MODE;
	EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', partition);
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') AND pg_relation_size(partition) > 0 THEN
		-- rows newer than its snapshot would go without a word in the log
		RAISE invalid_transaction_state USING
			MESSAGE = format('hierarchy "%s" cannot be dropped in a transaction of isolation level %s', h.name,
				upper(current_setting('transaction_isolation'))),
			DETAIL = 'Its snapshot may be older than relationships of the hierarchy.',
			HINT = 'Use READ COMMITTED.';
	END IF;
	SELECT count(*) INTO n FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id;
	IF n > 0 AND force IS NOT TRUE THEN
		RAISE dependent_objects_still_exist USING
			MESSAGE = format('hierarchy "%s" has %s relationship%s', h.name, n, CASE WHEN n > 1 THEN 's' END),
			HINT = 'To drop them too: drop_hierarchy(name, force => true).';
	END IF;
	DELETE FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id;
	-- what is not deleted would go without a word in the log
	IF EXISTS (SELECT FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id) THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('relationships of hierarchy "%s" could not be deleted', h.name),
			HINT = 'A trigger of yours keeps them.';
	END IF;
	-- a table cannot be dropped while checks of its rows are still to come
	FOR late IN
		SELECT t.tgname FROM pg_trigger t WHERE t.tgrelid = partition AND t.tginitdeferred
	LOOP
		EXECUTE format('SET CONSTRAINTS @extschema@.%I IMMEDIATE', late);
		EXECUTE format('SET CONSTRAINTS @extschema@.%I DEFERRED', late);
	END LOOP;
	EXECUTE format('DROP TABLE %s', partition);
	DELETE FROM relationship_rule r WHERE r.hierarchy_id = h.hierarchy_id;
	DELETE FROM hierarchy d WHERE d.hierarchy_id = h.hierarchy_id;
END
$$;
COMMENT ON FUNCTION @extschema@.drop_hierarchy(text, boolean) IS
'drops a hierarchy; one that has relationships only by force';
REVOKE EXECUTE ON FUNCTION @extschema@.drop_hierarchy(text, boolean) FROM PUBLIC;

CREATE FUNCTION @extschema@.rename_hierarchy(name text, new_name text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE;
	graph regclass;
BEGIN
	LOCK TABLE hierarchy IN SHARE ROW EXCLUSIVE MODE;
	h := find_hierarchy(rename_hierarchy.name);
	PERFORM check_hierarchy_name(new_name);
	graph := find_graph(h.hierarchy_id, h.name)::regclass;
	IF graph IS NULL THEN
		-- dropped since this transaction's snapshot was taken
		RAISE serialization_failure USING
			MESSAGE = format('could not rename hierarchy "%s" due to concurrent update', h.name);
	END IF;
	EXECUTE format('ALTER INDEX %s RENAME TO %I', graph, new_name);
	EXECUTE format('COMMENT ON TABLE @extschema@.relationship_%s IS %L', h.hierarchy_id,
		format('relationships of hierarchy "%s"', new_name));
	UPDATE hierarchy u SET name = new_name WHERE u.hierarchy_id = h.hierarchy_id;
END
$$;
COMMENT ON FUNCTION @extschema@.rename_hierarchy(text, text) IS
'renames a hierarchy and its graph';
REVOKE EXECUTE ON FUNCTION @extschema@.rename_hierarchy(text, text) FROM PUBLIC;

-- Hierarchies ready to use

CREATE FUNCTION @extschema@.hierarchy_templates()
RETURNS TABLE (
	template text,
	description text,
	share_mode text,
	max_parents integer,
	require_primary boolean,
	type_rules jsonb,
	relationship_types text[])
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
		('healthcare',
			'Prescribers work at accounts, which belong to organisations, and these to networks',
			'none', NULL::integer, true,
			jsonb '[{"child": "prescriber", "parent": "account"}, {"child": "prescriber", "parent": "organisation"},
				{"child": "account", "parent": "account"}, {"child": "account", "parent": "organisation"},
				{"child": "organisation", "parent": "organisation"}, {"child": "organisation", "parent": "network"},
				{"child": "network", "parent": "network"}]',
			ARRAY['works at', 'owned by', 'member of']),
		('asset_management',
			'Advisors in teams of organisations; what an advisor sells is split between his teams',
			'split', NULL, true,
			'[{"child": "advisor", "parent": "team"}, {"child": "advisor", "parent": "organisation"},
				{"child": "team", "parent": "team"}, {"child": "team", "parent": "organisation"},
				{"child": "organisation", "parent": "organisation"}]',
			NULL),
		('indirect_sales',
			'Retailers buy from distributors and these from stockists; what they buy is split between their suppliers',
			'split', NULL, false,
			'[{"child": "retailer", "parent": "distributor"}, {"child": "retailer", "parent": "stockist"},
				{"child": "distributor", "parent": "stockist"}]',
			ARRAY['buys from']),
		('corporate_family',
			'Branches and subsidiaries under the companies that own them, with the part that each owns',
			'full', NULL, false,
			'[{"child": "branch", "parent": "subsidiary", "max_parents": 1}, {"child": "branch", "parent": "parent", "max_parents": 1},
				{"child": "subsidiary", "parent": "subsidiary"}, {"child": "subsidiary", "parent": "parent"},
				{"child": "parent", "parent": "parent"}]',
			ARRAY['branch of', 'owned by'])
$$;
COMMENT ON FUNCTION @extschema@.hierarchy_templates() IS
'hierarchies that create_hierarchy_from_template makes';

CREATE FUNCTION @extschema@.create_hierarchy_from_template(template text, name text DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	t record;
BEGIN
	SELECT x.* INTO t FROM hierarchy_templates() x WHERE x.template = create_hierarchy_from_template.template;
	IF NOT FOUND THEN
		RAISE undefined_object USING
			MESSAGE = format('template "%s" does not exist', create_hierarchy_from_template.template),
			HINT = format('Templates: %s.', (SELECT string_agg(x.template, ', ' ORDER BY x.template) FROM hierarchy_templates() x));
	END IF;
	RETURN create_hierarchy(coalesce(create_hierarchy_from_template.name, t.template), t.description, t.share_mode, t.max_parents,
		t.require_primary, t.type_rules, t.relationship_types);
END
$$;
COMMENT ON FUNCTION @extschema@.create_hierarchy_from_template(text, text) IS
'makes a hierarchy as a template says, under the name of the template if no other is given';
REVOKE EXECUTE ON FUNCTION @extschema@.create_hierarchy_from_template(text, text) FROM PUBLIC;

-- The column graph, after a restore or a rebuild

CREATE FUNCTION @extschema@.fill_graphs()
RETURNS event_trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_fill_graphs';
COMMENT ON FUNCTION @extschema@.fill_graphs() IS
'event trigger: keeps hierarchy.graph true when an index is made anew';

-- Before version 17, REINDEX fires no event trigger.
DO $$
BEGIN
	EXECUTE pg_catalog.format('CREATE EVENT TRIGGER hierarchy_graphs ON ddl_command_end WHEN TAG IN (%s) '
		'EXECUTE FUNCTION @extschema@.fill_graphs()',
		CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 170000
			THEN $t$'CREATE INDEX', 'ALTER TABLE', 'REINDEX'$t$ ELSE $t$'CREATE INDEX', 'ALTER TABLE'$t$ END);
END
$$;
ALTER EVENT TRIGGER hierarchy_graphs ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER hierarchy_graphs IS 'keeps hierarchy.graph true when an index is made anew';
