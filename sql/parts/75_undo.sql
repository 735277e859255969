
-- Taking changes back
--
-- What changes did to the rows of the directory is summed up: which images are
-- there because of them, and which are not there any more.  Undo puts this
-- right in one statement, deletions first, so that no rule sees a state in
-- between.  Triggers check and record it as they do any other statement.
--
-- A row that is no longer as the changes left it is not touched: something
-- was built on it, or took its place.

CREATE FUNCTION @extschema@.directory_key(table_name text)
RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT CASE table_name
		WHEN 'entity_type' THEN '{entity_type}'
		WHEN 'relationship_type' THEN '{relationship_type}'
		WHEN 'identifier_scheme' THEN '{scheme}'
		WHEN 'hierarchy' THEN '{hierarchy_id}'
		WHEN 'entity' THEN '{entity_id}'
		WHEN 'identifier' THEN '{scheme,value}'
		WHEN 'relationship_rule' THEN '{hierarchy_id,child_type,parent_type}'
		WHEN 'relationship' THEN '{hierarchy_id,child_id,parent_id,valid}'
	END::text[]
$function$;
COMMENT ON FUNCTION @extschema@.directory_key(text) IS
'internal: columns that tell the rows of a table of the directory apart';

CREATE FUNCTION @extschema@.match_image(table_name text, image text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
DECLARE
	v_key text;
	v_condition text := '';
BEGIN
	FOREACH v_key IN ARRAY directory_key(table_name)
	LOOP
		v_condition := v_condition || format('t.%1$I = (%2$s ->> %1$L)::%3$s AND ', v_key, image,
			CASE v_key WHEN 'hierarchy_id' THEN 'integer' WHEN 'entity_id' THEN 'bigint' WHEN 'child_id' THEN 'bigint'
				WHEN 'parent_id' THEN 'bigint' WHEN 'valid' THEN 'daterange' ELSE 'text' END);
	END LOOP;
	RETURN v_condition || format('t = pg_catalog.jsonb_populate_record(t, %s)', image);
END
$function$;
COMMENT ON FUNCTION @extschema@.match_image(text, text) IS
'internal: condition that row t of a table is the one of an image';

CREATE FUNCTION @extschema@.image_columns(table_name text, keys text[])
RETURNS text[]
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
DECLARE
	v_table constant regclass := format('@extschema@.%I', table_name)::regclass;
BEGIN
	RETURN (
		SELECT array_agg(quote_ident(a.attname) ORDER BY a.attnum)
		FROM pg_attribute a
		WHERE a.attrelid = v_table AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
			AND a.attname = ANY (keys));
END
$function$;
COMMENT ON FUNCTION @extschema@.image_columns(text, text[]) IS
'internal: those columns of a table that images have values for';

CREATE FUNCTION @extschema@.describe_image(table_name text, image jsonb)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT CASE table_name
		WHEN 'relationship' THEN
			format('relationship of %s under %s in %s', entity_label((image ->> 'child_id')::bigint),
				entity_label((image ->> 'parent_id')::bigint),
				coalesce((SELECT format('hierarchy "%s"', h.name) FROM hierarchy h
						WHERE h.hierarchy_id = (image ->> 'hierarchy_id')::integer),
					'hierarchy ' || (image ->> 'hierarchy_id')))
		WHEN 'entity' THEN format('%s "%s"', image ->> 'entity_type', image ->> 'code')
		WHEN 'identifier' THEN format('identifier %s "%s"', image ->> 'scheme', image ->> 'value')
		WHEN 'hierarchy' THEN format('hierarchy "%s"', image ->> 'name')
		WHEN 'relationship_rule' THEN format('rule for %s under %s', image ->> 'child_type', image ->> 'parent_type')
		ELSE format('%s "%s"', replace(table_name, '_', ' '), image ->> (directory_key(table_name))[1])
	END
$function$;
COMMENT ON FUNCTION @extschema@.describe_image(text, jsonb) IS
'internal: what a logged row is, for messages';

-- The arrays are parallel: images that are there and must go, and those that
-- must come back; both where a row is to be changed.

CREATE FUNCTION @extschema@.put_back(
	tables text[],
	hierarchies integer[],
	go jsonb[],
	come jsonb[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_part record;
	v_n integer := 0;
	v_steps text := '';
	v_table text;
	v_source text;
	v_target text;
	v_columns text;
	v_done bigint;
BEGIN
	FOR v_part IN
		SELECT u.tab, u.hierarchy, u.step, array_agg(DISTINCT k.key) AS keys
		FROM (
			SELECT i.*, CASE WHEN i.come IS NULL THEN 1 WHEN i.go IS NULL THEN 3 ELSE 2 END AS step
			FROM unnest(tables, hierarchies, put_back.go, put_back.come) AS i (tab, hierarchy, go, come)) u
			LEFT JOIN LATERAL jsonb_object_keys(u.come) AS k (key) ON u.go IS NULL OR u.go -> k.key IS DISTINCT FROM u.come -> k.key
		GROUP BY u.step, u.tab, u.hierarchy
		ORDER BY u.step, u.tab, u.hierarchy
	LOOP
		v_table := format('@extschema@.%I', v_part.tab);
		v_columns := array_to_string(image_columns(v_part.tab, v_part.keys), ', ');
		v_source := 'ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) '
			'AS i (tab, hierarchy, go, come)';
		v_target := format('i.tab = %L AND i.go IS %s AND i.come IS %s', v_part.tab,
				CASE WHEN v_part.step = 3 THEN 'NULL' ELSE 'NOT NULL' END,
				CASE WHEN v_part.step = 1 THEN 'NULL' ELSE 'NOT NULL' END)
			|| coalesce(' AND i.hierarchy = ' || v_part.hierarchy, '')
			|| CASE WHEN v_part.step = 3 THEN ''
				ELSE coalesce(' AND t.hierarchy_id = ' || v_part.hierarchy, '') || ' AND ' || match_image(v_part.tab, 'i.go') END
			-- one step after the other
			|| CASE WHEN v_n > 0 THEN format(' AND (SELECT pg_catalog.count(*) FROM step%s) >= 0', v_n) ELSE '' END;
		v_steps := v_steps || CASE WHEN v_n > 0 THEN ', ' ELSE 'WITH ' END || format('step%s AS (', v_n + 1)
			|| CASE v_part.step
				WHEN 1 THEN format('DELETE FROM %s t USING %s WHERE %s', v_table, v_source, v_target)
				WHEN 2 THEN format('UPDATE %1$s t SET (%2$s) = (SELECT %2$s FROM pg_catalog.jsonb_populate_record(t, i.come)) '
					'FROM %3$s WHERE %4$s', v_table, v_columns, v_source, v_target)
				ELSE format('INSERT INTO %1$s (%2$s) SELECT %3$s FROM %4$s '
					'CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%1$s, i.come) p WHERE %5$s',
					v_table, v_columns, 'p.' || replace(v_columns, ', ', ', p.'), v_source, v_target)
				END
			|| ' RETURNING 1)';
		v_n := v_n + 1;
	END LOOP;
	IF v_n = 0 THEN
		RETURN 0;
	END IF;
	EXECUTE v_steps || ' SELECT '
		|| (SELECT string_agg(format('(SELECT pg_catalog.count(*) FROM step%s)', n), ' + ') FROM generate_series(1, v_n) n)
		INTO v_done
		USING tables, hierarchies, put_back.go, put_back.come;
	RETURN v_done;
END
$function$;
COMMENT ON FUNCTION @extschema@.put_back(text[], integer[], jsonb[], jsonb[]) IS
'internal: deletes, changes and inserts rows in one statement; returns how many';

CREATE FUNCTION @extschema@.refuse_undo(
	what text,
	change_id bigint,
	txid xid8,
	tables text[],
	go jsonb[],
	come jsonb[],
	problem text DEFAULT NULL,
	problem_detail text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, @extschema@, pg_temp
SET datestyle = 'ISO, YMD'
AS $function$
#variable_conflict use_column
DECLARE
	v_first bigint := change_id;
	v_later change_log%ROWTYPE;
	v_problem text := problem;
	v_message text := problem;
BEGIN
	IF v_first IS NULL THEN
		SELECT min(c.change_id) INTO v_first FROM change_log c WHERE c.txid = refuse_undo.txid;
	END IF;
	-- Did a change take one of the rows away?
	SELECT (l.c).* INTO v_later
	FROM (
		SELECT DISTINCT ON (i.n) c, c.old_row - 'graph' = i.go AS away
		FROM unnest(tables, refuse_undo.go) WITH ORDINALITY AS i (tab, go, n)
			JOIN change_log c ON c.table_name = i.tab AND i.go IN (c.old_row - 'graph', c.new_row - 'graph')
				AND (i.tab NOT IN ('relationship', 'entity', 'identifier')
					OR c.entity_id = coalesce(i.go ->> 'child_id', i.go ->> 'entity_id')::bigint)
		WHERE c.change_id > v_first AND c.txid IS DISTINCT FROM refuse_undo.txid
		ORDER BY i.n, c.change_id DESC) l
	WHERE l.away
	ORDER BY (l.c).change_id
	LIMIT 1;
	IF FOUND THEN
		v_problem := NULL;
		v_message := CASE WHEN v_later.new_row IS NULL THEN '%s is not there any more' ELSE '%s has changed since' END;
		v_message := format(v_message, describe_image(v_later.table_name, v_later.old_row));
	ELSIF v_problem IS NULL THEN
		v_message := 'a row is no longer as it was then';
	ELSE
		-- Something is in the way: the last change that has to do with the same entities.
		SELECT c.* INTO v_later
		FROM change_log c
		WHERE c.change_id > v_first AND c.txid IS DISTINCT FROM refuse_undo.txid
			AND (c.entity_id = ANY (
					SELECT coalesce(i.image ->> 'child_id', i.image ->> 'entity_id')::bigint
					FROM unnest(refuse_undo.go || refuse_undo.come) AS i (image))
				OR c.parent_id = ANY (
					SELECT (i.image ->> 'entity_id')::bigint
					FROM unnest(refuse_undo.go || refuse_undo.come) AS i (image))
				OR c.hierarchy_id = ANY (
					SELECT (i.go ->> 'hierarchy_id')::integer
					FROM unnest(tables, refuse_undo.go) AS i (tab, go)
					WHERE i.tab = 'hierarchy'))
		ORDER BY c.change_id DESC
		LIMIT 1;
	END IF;
	RAISE EXCEPTION USING
		ERRCODE = 'object_not_in_prerequisite_state',
		MESSAGE = format('%s cannot be undone: %s', what, v_message),
		DETAIL = concat_ws(' ', CASE WHEN v_problem IS NOT NULL THEN nullif(problem_detail, '') END,
			CASE WHEN v_later.change_id IS NOT NULL THEN
				format('%s %s, %s of %s by %s on %s',
					CASE WHEN v_problem IS NULL THEN 'Change' ELSE 'The last change that has to do with it is change' END, v_later.change_id, v_later.operation, v_later.table_name,
					v_later.login_role, to_char(v_later.changed_at, 'YYYY-MM-DD HH24:MI:SS TZ'))
				|| coalesce(', reason: ' || v_later.reason, '') || '.'
			WHEN v_problem IS NULL THEN 'The log has no later change of it.' END),
		HINT = CASE WHEN v_later.change_id IS NULL THEN ''
			WHEN v_problem IS NULL THEN format('Undo change %s first.', v_later.change_id)
			ELSE 'Undo first what was built on it.' END;
END
$function$;
COMMENT ON FUNCTION @extschema@.refuse_undo(text, bigint, xid8, text[], jsonb[], jsonb[], text, text) IS
'internal: raises the error for changes that cannot be undone, with the later change that keeps them from it';

CREATE FUNCTION @extschema@.undo_changes(
	what text,
	change_id bigint,
	txid xid8,
	reason text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_changes bigint;
	v_tables text[];
	v_hierarchies integer[];
	v_go jsonb[];
	v_come jsonb[];
	v_drop text[] := '{}';
	v_ids bigint[];
	v_part record;
	v_name text;
	v_former text;
	v_problem text;
	v_detail text;
BEGIN
	WITH change AS MATERIALIZED (
		SELECT c.table_name, c.old_row, c.new_row
		FROM change_log c
		WHERE undo_changes.txid IS NULL AND c.change_id = undo_changes.change_id
		UNION ALL
		SELECT c.table_name, c.old_row, c.new_row
		FROM change_log c
		WHERE undo_changes.change_id IS NULL AND c.txid = undo_changes.txid
	), net AS MATERIALIZED (
		-- n > 0: there because of the changes; n < 0: not there because of them
		SELECT i.tab, i.image, sum(i.n) AS n,
			CASE WHEN i.tab = 'relationship' THEN (i.image ->> 'hierarchy_id')::integer END AS hierarchy,
			CASE WHEN i.tab = 'relationship'
				-- two that begin on the same day are one that has changed
				THEN jsonb_build_array(i.image -> 'child_id', i.image -> 'parent_id', lower((i.image ->> 'valid')::daterange))
				ELSE (SELECT jsonb_agg(i.image -> k.name) FROM unnest(directory_key(i.tab)) AS k (name)) END AS key
		FROM (
			SELECT c.table_name, c.old_row - 'graph', -1 FROM change c WHERE c.old_row IS NOT NULL
			UNION ALL
			SELECT c.table_name, c.new_row - 'graph', 1 FROM change c WHERE c.new_row IS NOT NULL
		) AS i (tab, image, n)
		GROUP BY i.tab, i.image
		HAVING sum(i.n) <> 0
	), item AS (
		-- one change is undone as what it was
		SELECT c.table_name AS tab, CASE WHEN c.table_name = 'relationship' THEN
				coalesce(c.new_row ->> 'hierarchy_id', c.old_row ->> 'hierarchy_id')::integer END AS hierarchy,
			c.new_row - 'graph' AS go, c.old_row - 'graph' AS come
		FROM change c
		WHERE undo_changes.txid IS NULL
		UNION ALL
		SELECT coalesce(g.tab, c.tab), coalesce(g.hierarchy, c.hierarchy), g.image, c.image
		FROM (SELECT * FROM net WHERE n > 0) g
			FULL JOIN (SELECT * FROM net WHERE n < 0) c
				ON c.tab = g.tab AND c.hierarchy IS NOT DISTINCT FROM g.hierarchy AND c.key = g.key
		WHERE undo_changes.txid IS NOT NULL
	)
	SELECT (SELECT count(*) FROM change), coalesce(array_agg(i.tab), '{}'), array_agg(i.hierarchy),
		array_agg(i.go), array_agg(i.come)
	INTO v_changes, v_tables, v_hierarchies, v_go, v_come
	FROM item i;
	IF v_changes = 0 THEN
		RAISE EXCEPTION '% is not in the log', what
			USING ERRCODE = 'no_data_found';
	END IF;

	-- the locks that the triggers take, in their order, before anything is read
	SELECT array_agg(DISTINCT u.id) INTO v_ids
	FROM unnest(v_tables, v_go, v_come) AS i (tab, go, come)
		CROSS JOIN LATERAL (VALUES ((i.go ->> 'entity_id')::bigint), ((i.come ->> 'entity_id')::bigint)) AS u (id)
	WHERE i.tab = 'entity' AND u.id IS NOT NULL;
	IF v_ids IS NOT NULL THEN
		PERFORM lock_entities(v_ids, true);
	END IF;
	SELECT array_agg(DISTINCT u.id) INTO v_ids
	FROM unnest(v_tables, v_go, v_come) AS i (tab, go, come)
		CROSS JOIN LATERAL (VALUES
			((i.go ->> 'child_id')::bigint), ((i.come ->> 'child_id')::bigint),
			((i.go ->> 'parent_id')::bigint), ((i.come ->> 'parent_id')::bigint)) AS u (id)
	WHERE i.tab = 'relationship' AND u.id IS NOT NULL;
	IF v_ids IS NOT NULL THEN
		PERFORM lock_entities(v_ids, false);
		FOR v_part IN
			SELECT i.hierarchy, array_agg(DISTINCT coalesce(i.go ->> 'child_id', i.come ->> 'child_id')::bigint) AS children
			FROM unnest(v_tables, v_hierarchies, v_go, v_come) AS i (tab, hierarchy, go, come)
			WHERE i.tab = 'relationship'
			GROUP BY i.hierarchy
			ORDER BY i.hierarchy
		LOOP
			PERFORM lock_children(v_part.hierarchy, v_part.children);
		END LOOP;
	END IF;

	v_former := enter_reason(coalesce(reason, 'undo of ' || what));
	BEGIN
		FOR v_part IN
			SELECT i.n, i.go, i.come
			FROM unnest(v_tables, v_go, v_come) WITH ORDINALITY AS i (tab, go, come, n)
			WHERE i.tab = 'hierarchy'
		LOOP
			-- A hierarchy is more than its row.
			IF v_part.go IS NULL THEN
				PERFORM make_partition((v_part.come ->> 'hierarchy_id')::integer, v_part.come ->> 'name');
				v_come[v_part.n] := v_part.come || jsonb_build_object('graph', format('@extschema@.%I', v_part.come ->> 'name'));
			ELSIF NOT EXISTS (SELECT FROM hierarchy t
					WHERE t.hierarchy_id = (v_part.go ->> 'hierarchy_id')::integer AND t = jsonb_populate_record(t, v_part.go))
			THEN
				RAISE SQLSTATE 'HG001';
			ELSIF v_part.come IS NULL THEN
				v_drop := v_drop || (v_part.go ->> 'name');
			ELSIF v_part.go ->> 'name' <> v_part.come ->> 'name' THEN
				PERFORM rename_hierarchy(v_part.go ->> 'name', v_part.come ->> 'name');
			END IF;
		END LOOP;

		SELECT coalesce(array_agg(i.tab), '{}') AS tables, coalesce(array_agg(i.hierarchy), '{}') AS hierarchies,
			coalesce(array_agg(i.go), '{}') AS go, coalesce(array_agg(i.come), '{}') AS come, count(*) AS n
		INTO v_part
		FROM (
			SELECT i.tab, i.hierarchy, i.come,
				CASE WHEN i.tab = 'hierarchy' THEN i.go || jsonb_build_object('name', i.come -> 'name') ELSE i.go END AS go
			FROM unnest(v_tables, v_hierarchies, v_go, v_come) AS i (tab, hierarchy, go, come)
			WHERE NOT (i.tab = 'hierarchy' AND i.come IS NULL)) i
		WHERE i.go IS DISTINCT FROM i.come;
		IF put_back(v_part.tables, v_part.hierarchies, v_part.go, v_part.come) <> v_part.n THEN
			RAISE SQLSTATE 'HG001';
		END IF;
		FOREACH v_name IN ARRAY v_drop
		LOOP
			PERFORM drop_hierarchy(v_name);
		END LOOP;
	EXCEPTION
		WHEN SQLSTATE 'HG001' THEN
			PERFORM refuse_undo(what, change_id, txid, v_tables, v_go, v_come);
		WHEN integrity_constraint_violation OR dependent_objects_still_exist THEN
			GET STACKED DIAGNOSTICS v_problem = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
			PERFORM refuse_undo(what, change_id, txid, v_tables, v_go, v_come, v_problem, v_detail);
	END;
	PERFORM leave_reason(v_former);
	RETURN v_changes;
END
$function$;
COMMENT ON FUNCTION @extschema@.undo_changes(text, bigint, xid8, text) IS
'internal: undoes a change, or all changes of a transaction';

CREATE FUNCTION @extschema@.undo(change_id bigint, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_last bigint := (SELECT max(c.change_id) FROM change_log c);
BEGIN
	IF undo.change_id IS NULL THEN
		RAISE EXCEPTION 'change must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM undo_changes('change ' || undo.change_id, undo.change_id, NULL, undo.reason);
	RETURN (
		SELECT c.change_id
		FROM change_log c
		WHERE c.change_id > v_last AND c.txid = pg_current_xact_id()
		ORDER BY c.change_id DESC
		LIMIT 1);
END
$function$;
COMMENT ON FUNCTION @extschema@.undo(bigint, text) IS
'makes a change the other way round; returns the number of that change';

CREATE FUNCTION @extschema@.undo_transaction(txid xid8, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
	IF undo_transaction.txid IS NULL THEN
		RAISE EXCEPTION 'transaction must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	RETURN undo_changes('transaction ' || undo_transaction.txid, NULL, undo_transaction.txid, undo_transaction.reason);
END
$function$;
COMMENT ON FUNCTION @extschema@.undo_transaction(xid8, text) IS
'undoes all changes of a transaction; returns how many they were';

-- The directory from nothing but its log

CREATE FUNCTION @extschema@.replay_changes(log regclass DEFAULT '@extschema@.change_log')
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	-- in the order of their foreign keys
	v_tables constant text[] := '{entity_type,relationship_type,identifier_scheme,hierarchy,entity,identifier,relationship_rule,relationship}';
	v_own constant boolean := log IN (SELECT p.relid FROM pg_partition_tree('@extschema@.change_log') p);
	v_table text;
	v_columns text[];
	v_column_list text;
	v_net text;
	v_image jsonb;
	v_found boolean;
	v_rows bigint := 0;
	v_n bigint;
	v_bodies constant text := current_setting('check_function_bodies');
	v_security constant text := current_setting('row_security');
BEGIN
	IF log IS NULL THEN
		RAISE EXCEPTION 'log must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	FOREACH v_table IN ARRAY v_tables
	LOOP
		CONTINUE WHEN v_table = 'identifier_scheme';
		EXECUTE format('SELECT EXISTS (SELECT FROM @extschema@.%I)', v_table) INTO v_found;
		IF v_found THEN
			RAISE EXCEPTION 'the directory is not empty'
				USING ERRCODE = 'object_not_in_prerequisite_state',
					DETAIL = format('Table "%s" has rows.', v_table),
					HINT = 'A log is replayed in a database where the extension has just been created.';
		END IF;
	END LOOP;

	IF v_own THEN
		-- These rows are what the log tells of already: they are restored, as
		-- those of a dump are, with neither rules nor audit.
		IF NOT pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = '@extschema@.relationship'::regclass), 'USAGE') THEN
			RAISE EXCEPTION 'must be owner of the directory to replay its own log' USING ERRCODE = 'insufficient_privilege';
		END IF;
		PERFORM set_config('check_function_bodies', 'off', true), set_config('row_security', 'off', true),
			set_config('search_path', '', true);
	END IF;

	FOREACH v_table IN ARRAY v_tables
	LOOP
		v_net := format($query$
			SELECT i.image, pg_catalog.sum(i.n) AS n
			FROM (
				SELECT c.old_row - 'graph', -1 FROM %1$s c WHERE c.table_name = %2$L AND c.old_row IS NOT NULL
				UNION ALL
				SELECT c.new_row - 'graph', 1 FROM %1$s c WHERE c.table_name = %2$L AND c.new_row IS NOT NULL
			) AS i (image, n)
			GROUP BY i.image
			HAVING pg_catalog.sum(i.n) <> 0$query$, log, v_table);
		IF v_table = 'identifier_scheme' THEN
			-- Those that come with the extension are there, though no log says so.
			EXECUTE format('DELETE FROM @extschema@.identifier_scheme t USING (%s) i WHERE i.n < 0 AND %s',
				v_net, @extschema@.match_image(v_table, 'i.image'));
			v_net := v_net || ' AND pg_catalog.sum(i.n) > 0';
		END IF;
		IF v_table = 'hierarchy' THEN
			FOR v_image IN EXECUTE format('SELECT n.image FROM (%s) n WHERE n.n > 0 ORDER BY (n.image ->> ''hierarchy_id'')::integer', v_net)
			LOOP
				PERFORM @extschema@.make_partition((v_image ->> 'hierarchy_id')::integer, v_image ->> 'name');
			END LOOP;
		END IF;

		EXECUTE format('SELECT n.image FROM (%s) n WHERE n.n <> 1 LIMIT 1', v_net) INTO v_image;
		IF v_image IS NOT NULL THEN
			RAISE EXCEPTION 'log "%" is not complete', log
				USING ERRCODE = 'object_not_in_prerequisite_state',
					DETAIL = format('It changes or deletes a row of %s whose beginning it does not have: %s', v_table, v_image);
		END IF;
		EXECUTE format('SELECT pg_catalog.array_agg(DISTINCT k.key) FROM (SELECT n.image FROM (%s) n LIMIT 1) n, '
			'pg_catalog.jsonb_object_keys(n.image) AS k (key)', v_net) INTO v_columns;
		CONTINUE WHEN v_columns IS NULL;
		IF v_table = 'hierarchy' THEN
			v_columns := pg_catalog.array_append(v_columns, 'graph');
		END IF;
		v_column_list := pg_catalog.array_to_string(@extschema@.image_columns(v_table, v_columns), ', ');
		EXECUTE format('INSERT INTO @extschema@.%1$I (%2$s) SELECT %3$s FROM (%4$s) n CROSS JOIN LATERAL '
			'pg_catalog.jsonb_populate_record(NULL::@extschema@.%1$I, n.image%5$s) p',
			v_table, v_column_list, 'p.' || replace(v_column_list, ', ', ', p.'), v_net,
			CASE WHEN v_table = 'hierarchy'
				THEN ' || pg_catalog.jsonb_build_object(''graph'', pg_catalog.format(''@extschema@.%I'', n.image ->> ''name''))'
				ELSE '' END);
		GET DIAGNOSTICS v_n = ROW_COUNT;
		v_rows := v_rows + v_n;
	END LOOP;

	IF v_own THEN
		PERFORM set_config('check_function_bodies', v_bodies, true), set_config('row_security', v_security, true);
	END IF;

	-- Numbers once given are not given again.
	EXECUTE format('SELECT pg_catalog.max((i.image ->> ''entity_id'')::bigint) FROM (SELECT coalesce(c.new_row, c.old_row) '
		'FROM %s c WHERE c.table_name = ''entity'') AS i (image)', log) INTO v_n;
	IF v_n IS NOT NULL THEN
		PERFORM pg_catalog.setval(pg_catalog.pg_get_serial_sequence('@extschema@.entity', 'entity_id'), v_n);
	END IF;
	EXECUTE format('SELECT pg_catalog.max((i.image ->> ''hierarchy_id'')::bigint) FROM (SELECT coalesce(c.new_row, c.old_row) '
		'FROM %s c WHERE c.table_name = ''hierarchy'') AS i (image)', log) INTO v_n;
	IF v_n IS NOT NULL THEN
		PERFORM pg_catalog.setval(pg_catalog.pg_get_serial_sequence('@extschema@.hierarchy', 'hierarchy_id'), v_n);
	END IF;
	RETURN v_rows;
END
$function$;
COMMENT ON FUNCTION @extschema@.replay_changes(regclass) IS
'fills an empty directory with the rows that a log leads to; returns how many';
