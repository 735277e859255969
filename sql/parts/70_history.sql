
-- What the log tells
--
-- What was known at a moment is computed backwards: the rows there are now,
-- without those that changes made after the moment have written, with those
-- that they have overwritten or deleted.  The images of the log are whole rows,
-- so this is adding and subtracting, in whatever order.
--
-- Joins by nested loop are switched off where figures of the log's youngest
-- rows, of which statistics know nothing, decide the plan.

CREATE FUNCTION @extschema@.known_hierarchy(
	hierarchy text,
	dropped boolean DEFAULT false,
	OUT hierarchy_id integer,
	OUT graph @extschema@.hgraph)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
COST 100
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
	-- by the catalogs, so that nobody needs rights on table hierarchy
	SELECT substr(p.relname, length('relationship_') + 1)::integer, i.indexrelid INTO hierarchy_id, graph
	FROM pg_class g
		JOIN pg_index i ON i.indexrelid = g.oid
		JOIN pg_class p ON p.oid = i.indrelid
		JOIN pg_inherits h ON h.inhrelid = p.oid AND h.inhparent = '@extschema@.relationship'::regclass
	WHERE g.relname = known_hierarchy.hierarchy AND g.relnamespace = '@extschema@'::regnamespace
		AND p.relname ~ '^relationship_[0-9]{1,9}$';
	IF hierarchy_id IS NULL AND dropped THEN
		SELECT c.hierarchy_id INTO hierarchy_id
		FROM change_log c
		WHERE c.table_name = 'hierarchy' AND known_hierarchy.hierarchy IN (c.old_row ->> 'name', c.new_row ->> 'name')
		ORDER BY c.change_id DESC
		LIMIT 1;
	END IF;
	IF hierarchy_id IS NULL THEN
		PERFORM find_hierarchy(known_hierarchy.hierarchy);
		RAISE EXCEPTION 'hierarchy "%" has no graph', known_hierarchy.hierarchy
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
END
$function$;
COMMENT ON FUNCTION @extschema@.known_hierarchy(text, boolean) IS
'internal: number and graph of a hierarchy; if asked for, also of one that the log knows to have been dropped';

CREATE FUNCTION @extschema@.known_query(hierarchy text, at timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
SET datestyle = 'ISO, YMD'
AS $function$
#variable_conflict use_column
DECLARE
	v_id integer := (SELECT k.hierarchy_id FROM known_hierarchy(known_query.hierarchy, true) k);
BEGIN
	IF at IS NULL THEN
		RAISE EXCEPTION 'moment must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	RETURN format($query$
		WITH later AS MATERIALIZED (
			SELECT c.old_row, c.new_row
			FROM @extschema@.change_log c
			WHERE c.changed_at > %2$L::timestamptz AND c.hierarchy_id = %1$s AND c.table_name = 'relationship'
		), net AS MATERIALIZED (
			SELECT i.image, pg_catalog.sum(i.n) AS n
			FROM (
				SELECT l.old_row, 1 FROM later l WHERE l.old_row IS NOT NULL
				UNION ALL
				SELECT l.new_row, -1 FROM later l WHERE l.new_row IS NOT NULL
			) AS i (image, n)
			GROUP BY i.image
			HAVING pg_catalog.sum(i.n) <> 0
		)
		SELECT r.*
		FROM @extschema@.relationship r
		WHERE r.hierarchy_id = %1$s
			AND NOT EXISTS (
				SELECT FROM net
				WHERE net.n < 0
					AND r.child_id = (net.image ->> 'child_id')::bigint
					AND r.parent_id = (net.image ->> 'parent_id')::bigint
					AND r.valid = (net.image ->> 'valid')::daterange)
		UNION ALL
		SELECT p.*
		FROM net
			CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::@extschema@.relationship,
				net.image || pg_catalog.jsonb_build_object('label',
					@extschema@.relationship_label(net.image ->> 'relationship_type'))) p
		WHERE net.n > 0
		$query$, v_id, at);
END
$function$;
COMMENT ON FUNCTION @extschema@.known_query(text, timestamptz) IS
'internal: query for the relationships of a hierarchy as known at a moment';

CREATE FUNCTION @extschema@.relationships_known_at(hierarchy text, at timestamptz)
RETURNS SETOF @extschema@.relationship
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 10000 ROWS 1000
SET search_path = pg_catalog, @extschema@, pg_temp
SET enable_nestloop = off
SET jit = off
AS $function$
#variable_conflict use_column
BEGIN
	RETURN QUERY EXECUTE known_query(relationships_known_at.hierarchy, relationships_known_at.at);
END
$function$;
COMMENT ON FUNCTION @extschema@.relationships_known_at(text, timestamptz) IS
'the relationships of a hierarchy as the database knew them at a moment';

CREATE FUNCTION @extschema@.fill_known(target regclass, query text)
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_fill_known';
COMMENT ON FUNCTION @extschema@.fill_known(regclass, text) IS
'internal: fills a temporary table just made with the rows of a query, to be seen by every snapshot';

CREATE FUNCTION @extschema@.as_known_at(hierarchy text, at timestamptz)
RETURNS @extschema@.hgraph
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
COST 100000
SET search_path = pg_catalog, @extschema@, pg_temp
SET enable_nestloop = off
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_query text := known_query(as_known_at.hierarchy, as_known_at.at);
	v_base text := as_known_at.hierarchy;
	v_graph text;
	v_rows text;
	v_mine boolean;
	v_same boolean;
	v_n integer := 1;
	v_statement constant text := format('made at %s by %s: ', statement_timestamp(), current_user);
	v_what constant text := format('relationships of hierarchy "%s" as known at %s', as_known_at.hierarchy, as_known_at.at);
BEGIN
	-- A name has 63 bytes at most; what is cut off of a long one is told by a hash.
	IF octet_length(v_base) > 46 THEN
		WHILE octet_length(v_base) > 37
		LOOP
			v_base := left(v_base, -1);
		END LOOP;
		v_base := v_base || '_' || left(md5(as_known_at.hierarchy), 8);
	END IF;
	v_base := v_base || '_as_known';
	v_graph := v_base;

	-- Take the place of the former one, unless it is that of another role, or
	-- was made by the same statement; which may want the same one for every row,
	-- and a few for different moments.
	LOOP
		v_rows := v_graph || '_rows';
		SELECT pg_has_role(t.relowner, 'USAGE')
				AND (v_n >= 8 OR NOT starts_with(obj_description(t.oid, 'pg_class'), v_statement)),
			obj_description(t.oid, 'pg_class') = v_statement || v_what
		INTO v_mine, v_same
		FROM pg_class t
			JOIN pg_index i ON i.indrelid = t.oid
			JOIN pg_class g ON g.oid = i.indexrelid
		WHERE t.relname = v_rows AND t.relnamespace = pg_my_temp_schema() AND g.relname = v_graph;
		IF v_same THEN
			RETURN format('pg_temp.%I', v_graph)::regclass::@extschema@.hgraph;
		ELSIF v_mine THEN
			EXECUTE format('DROP TABLE pg_temp.%I', v_rows);
		END IF;
		EXIT WHEN v_mine IS NOT FALSE;
		v_n := v_n + 1;
		v_graph := v_base || '_' || v_n;
	END LOOP;
	EXECUTE format('CREATE TEMPORARY TABLE %I (LIKE @extschema@.relationship)', v_rows);
	EXECUTE format('COMMENT ON TABLE pg_temp.%I IS %L', v_rows, v_statement || v_what);
	PERFORM fill_known(format('pg_temp.%I', v_rows)::regclass, v_query);

	-- What was known held by the rules of its time: nothing is checked again.
	EXECUTE format('CREATE INDEX %I ON pg_temp.%I USING hgraph (parent_id, child_id) '
		'INCLUDE (share, valid, is_primary, label) '
		'WITH (acyclic = off, weight = ''share'', validity = ''valid'', is_primary = ''is_primary'', label = ''label'')',
		v_graph, v_rows);
	EXECUTE format('ANALYZE pg_temp.%I', v_rows);
	RETURN format('pg_temp.%I', v_graph)::regclass::@extschema@.hgraph;
END
$function$;
COMMENT ON FUNCTION @extschema@.as_known_at(text, timestamptz) IS
'a graph of the relationships of a hierarchy as the database knew them at a moment: temporary, until the next call';

-- What two moments have different

CREATE FUNCTION @extschema@.compare_hierarchy(
	hierarchy text,
	t1 timestamptz,
	t2 timestamptz)
RETURNS TABLE (
	change text,
	child_id bigint,
	child text,
	old_parent_id bigint,
	old_parent text,
	new_parent_id bigint,
	new_parent text,
	old_row jsonb,
	new_row jsonb)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 10000 ROWS 100
SET search_path = pg_catalog, @extschema@, pg_temp
SET enable_nestloop = off
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_id integer := (SELECT k.hierarchy_id FROM known_hierarchy(compare_hierarchy.hierarchy, true) k);
BEGIN
	IF t1 IS NULL OR t2 IS NULL THEN
		RAISE EXCEPTION 'moment must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	RETURN QUERY
	WITH between_them AS MATERIALIZED (
		SELECT c.old_row, c.new_row
		FROM change_log c
		WHERE c.changed_at > least(t1, t2) AND c.changed_at <= greatest(t1, t2)
			AND c.hierarchy_id = v_id AND c.table_name = 'relationship'
	), net AS MATERIALIZED (
		-- n > 0: there at t2 only; n < 0: at t1 only
		SELECT row_number() OVER () AS id, i.image,
			sum(i.n) * CASE WHEN t1 <= t2 THEN 1 ELSE -1 END AS n,
			(i.image ->> 'child_id')::bigint AS child_id,
			(i.image ->> 'parent_id')::bigint AS parent_id,
			coalesce(lower((i.image ->> 'valid')::daterange), '-infinity') AS first_day,
			coalesce(upper((i.image ->> 'valid')::daterange), 'infinity') AS end_day
		FROM (
			SELECT b.old_row, -1 FROM between_them b WHERE b.old_row IS NOT NULL
			UNION ALL
			SELECT b.new_row, 1 FROM between_them b WHERE b.new_row IS NOT NULL
		) AS i (image, n)
		GROUP BY i.image
		HAVING sum(i.n) <> 0
	), gone AS MATERIALIZED (
		SELECT * FROM net WHERE n < 0
	), come AS MATERIALIZED (
		SELECT * FROM net WHERE n > 0
	), same_pair AS MATERIALIZED (
		-- A pair has one relationship a day, so one that begins on a day.
		SELECT g.id AS gone_id, c.id AS come_id, g.child_id, g.parent_id,
			g.end_day AS old_end, c.end_day AS new_end,
			g.image - 'valid' = c.image - 'valid' AS only_days
		FROM gone g JOIN come c USING (child_id, parent_id, first_day)
	), same_parent AS MATERIALIZED (
		SELECT g.id AS gone_id, c.id AS come_id
		FROM (SELECT g.*, row_number() OVER (PARTITION BY g.child_id, g.parent_id ORDER BY g.first_day) AS rank
				FROM gone g WHERE NOT EXISTS (SELECT FROM same_pair s WHERE s.gone_id = g.id)) g
			JOIN (SELECT c.*, row_number() OVER (PARTITION BY c.child_id, c.parent_id ORDER BY c.first_day) AS rank
				FROM come c WHERE NOT EXISTS (SELECT FROM same_pair s WHERE s.come_id = c.id)) c
			USING (child_id, parent_id, rank)
	), gone_left AS MATERIALIZED (
		SELECT g.* FROM gone g
		WHERE NOT EXISTS (SELECT FROM same_pair s WHERE s.gone_id = g.id)
			AND NOT EXISTS (SELECT FROM same_parent s WHERE s.gone_id = g.id)
	), come_left AS MATERIALIZED (
		SELECT c.* FROM come c
		WHERE NOT EXISTS (SELECT FROM same_pair s WHERE s.come_id = c.id)
			AND NOT EXISTS (SELECT FROM same_parent s WHERE s.come_id = c.id)
	), moved_whole AS MATERIALIZED (
		-- another parent, the same first day
		SELECT g.id AS gone_id, c.id AS come_id
		FROM (SELECT g.*, row_number() OVER (PARTITION BY g.child_id, g.first_day ORDER BY g.parent_id) AS rank FROM gone_left g) g
			JOIN (SELECT c.*, row_number() OVER (PARTITION BY c.child_id, c.first_day ORDER BY c.parent_id) AS rank FROM come_left c) c
			USING (child_id, first_day, rank)
	), moved_from AS MATERIALIZED (
		-- the old relationship ends on the day on which the new one begins
		SELECT s.gone_id, s.come_id AS swallowed, c.id AS come_id
		FROM (SELECT s.*, row_number() OVER (PARTITION BY s.child_id, s.new_end ORDER BY s.parent_id) AS rank
				FROM same_pair s WHERE s.only_days AND s.new_end < s.old_end) s
			JOIN (SELECT c.*, row_number() OVER (PARTITION BY c.child_id, c.first_day ORDER BY c.parent_id) AS rank
				FROM come_left c WHERE NOT EXISTS (SELECT FROM moved_whole m WHERE m.come_id = c.id)) c
			ON c.child_id = s.child_id AND c.first_day = s.new_end AND c.rank = s.rank
	), moved_back AS MATERIALIZED (
		-- the same the other way round
		SELECT g.id AS gone_id, s.gone_id AS swallowed, s.come_id
		FROM (SELECT s.*, row_number() OVER (PARTITION BY s.child_id, s.old_end ORDER BY s.parent_id) AS rank
				FROM same_pair s WHERE s.only_days AND s.new_end > s.old_end) s
			JOIN (SELECT g.*, row_number() OVER (PARTITION BY g.child_id, g.first_day ORDER BY g.parent_id) AS rank
				FROM gone_left g WHERE NOT EXISTS (SELECT FROM moved_whole m WHERE m.gone_id = g.id)) g
			ON g.child_id = s.child_id AND g.first_day = s.old_end AND g.rank = s.rank
	), line AS (
		SELECT m.gone_id, m.come_id FROM moved_whole m
		UNION ALL
		SELECT m.gone_id, m.come_id FROM moved_from m
		UNION ALL
		SELECT m.gone_id, m.come_id FROM moved_back m
		UNION ALL
		SELECT s.gone_id, s.come_id FROM same_pair s
		WHERE NOT EXISTS (SELECT FROM moved_from m WHERE m.swallowed = s.come_id)
			AND NOT EXISTS (SELECT FROM moved_back m WHERE m.swallowed = s.gone_id)
		UNION ALL
		SELECT s.gone_id, s.come_id FROM same_parent s
		UNION ALL
		SELECT g.id, NULL FROM gone_left g
		WHERE NOT EXISTS (SELECT FROM moved_whole m WHERE m.gone_id = g.id)
			AND NOT EXISTS (SELECT FROM moved_back m WHERE m.gone_id = g.id)
		UNION ALL
		SELECT NULL, c.id FROM come_left c
		WHERE NOT EXISTS (SELECT FROM moved_whole m WHERE m.come_id = c.id)
			AND NOT EXISTS (SELECT FROM moved_from m WHERE m.come_id = c.id)
	), result AS (
		SELECT
			CASE WHEN l.gone_id IS NULL THEN 'added' WHEN l.come_id IS NULL THEN 'removed'
				WHEN g.parent_id <> c.parent_id THEN 'moved' ELSE 'changed' END AS change,
			coalesce(g.child_id, c.child_id) AS child_id, g.parent_id AS old_parent_id, c.parent_id AS new_parent_id,
			g.image AS old_row, c.image AS new_row
		FROM line l
			LEFT JOIN gone g ON g.id = l.gone_id
			LEFT JOIN come c ON c.id = l.come_id
	)
	-- Subqueries, not joins: these may use the index.
	SELECT r.change,
		r.child_id,
		coalesce((SELECT format('%s "%s"', e.entity_type, e.code) FROM entity e WHERE e.entity_id = r.child_id),
			'entity ' || r.child_id),
		r.old_parent_id,
		coalesce((SELECT format('%s "%s"', e.entity_type, e.code) FROM entity e WHERE e.entity_id = r.old_parent_id),
			'entity ' || r.old_parent_id),
		r.new_parent_id,
		coalesce((SELECT format('%s "%s"', e.entity_type, e.code) FROM entity e WHERE e.entity_id = r.new_parent_id),
			'entity ' || r.new_parent_id),
		r.old_row, r.new_row
	FROM result r
	ORDER BY r.child_id, coalesce(r.old_parent_id, r.new_parent_id), r.new_parent_id,
		coalesce(r.old_row, r.new_row) ->> 'valid';
END
$function$;
COMMENT ON FUNCTION @extschema@.compare_hierarchy(text, timestamptz, timestamptz) IS
'what is different in a hierarchy between two moments: relationships added, removed, moved, changed';

-- The story of an entity

CREATE FUNCTION @extschema@.entity_changes(entity_id bigint)
RETURNS SETOF @extschema@.change_log
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 100
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_id bigint := entity_changes.entity_id;
BEGIN
	RETURN QUERY
	WITH mine AS MATERIALIZED (
		SELECT c.* FROM change_log c WHERE c.entity_id = v_id
		UNION ALL
		SELECT c.* FROM change_log c WHERE c.parent_id = v_id AND c.entity_id <> v_id
	), child AS MATERIALIZED (
		SELECT DISTINCT m.entity_id
		FROM mine m
		WHERE m.table_name = 'relationship' AND m.parent_id = v_id
	), left_it AS (
		-- Its children's changes that went with these, or took them away.
		SELECT c.*
		FROM child d
			JOIN change_log c ON c.entity_id = d.entity_id
		WHERE c.table_name = 'relationship' AND c.parent_id <> v_id
			AND ((c.old_row ->> 'parent_id')::bigint = v_id
				OR EXISTS (
					SELECT FROM mine m
					WHERE m.entity_id = c.entity_id AND m.txid = c.txid AND m.hierarchy_id = c.hierarchy_id
						AND m.table_name = 'relationship'))
	), merged_away AS (
		-- what it was merged into took its relationships
		SELECT c.*
		FROM (SELECT DISTINCT (m.new_row ->> 'merged_into')::bigint AS entity_id FROM mine m
				WHERE m.table_name = 'entity' AND m.entity_id = v_id AND m.new_row ->> 'merged_into' IS NOT NULL) i
			JOIN change_log c ON c.entity_id = i.entity_id
		WHERE c.table_name = 'relationship' AND (c.old_row ->> 'child_id')::bigint = v_id
	), merged_here AS (
		SELECT c.*
		FROM entity e
			JOIN change_log c ON c.entity_id = e.entity_id
		WHERE e.merged_into = v_id AND c.table_name = 'entity'
			AND v_id IN ((c.old_row ->> 'merged_into')::bigint, (c.new_row ->> 'merged_into')::bigint)
			AND c.old_row -> 'merged_into' IS DISTINCT FROM c.new_row -> 'merged_into'
	)
	SELECT * FROM mine
	UNION ALL
	SELECT DISTINCT ON (u.change_id) u.*
	FROM (SELECT * FROM left_it UNION ALL SELECT * FROM merged_away UNION ALL SELECT * FROM merged_here) u
	WHERE NOT EXISTS (SELECT FROM mine m WHERE m.change_id = u.change_id);
END
$function$;
COMMENT ON FUNCTION @extschema@.entity_changes(bigint) IS
'internal: the changes that the history of an entity is made of';

CREATE FUNCTION @extschema@.history(entity_id bigint)
RETURNS TABLE (
	change_id bigint,
	changed_at timestamptz,
	event text,
	reason text,
	request text,
	changed_by text)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 20
SET search_path = pg_catalog, @extschema@, pg_temp
SET datestyle = 'ISO, YMD'
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_id bigint := history.entity_id;
BEGIN
	RETURN QUERY
	WITH source AS MATERIALIZED (
		SELECT c.* FROM entity_changes(v_id) c
	), related AS MATERIALIZED (
		-- changes of relationships, and on which day they begin or end one
		SELECT c.change_id, c.txid, c.hierarchy_id, c.old_row, c.new_row,
			coalesce(c.new_row ->> 'child_id', c.old_row ->> 'child_id')::bigint AS child_id,
			coalesce(c.new_row ->> 'parent_id', c.old_row ->> 'parent_id')::bigint AS parent_id,
			k.ends, k.begins,
			coalesce(CASE
				WHEN c.old_row IS NULL THEN lower(v.new_days)
				WHEN c.new_row IS NULL THEN lower(v.old_days)
				WHEN k.ends THEN upper(v.new_days)
				WHEN k.begins THEN upper(v.old_days) END, '-infinity') AS day
		FROM source c
			CROSS JOIN LATERAL (
				SELECT (c.old_row ->> 'valid')::daterange AS old_days, (c.new_row ->> 'valid')::daterange AS new_days,
					-- nothing but its days has changed, and not the first one
					c.old_row - '{valid,label}'::text[] = c.new_row - '{valid,label}'::text[]
						AND lower((c.old_row ->> 'valid')::daterange) IS NOT DISTINCT FROM lower((c.new_row ->> 'valid')::daterange)
						AS only_end) v
			CROSS JOIN LATERAL (
				SELECT c.new_row IS NULL OR coalesce(v.only_end AND v.new_days < v.old_days, false) AS ends,
					c.old_row IS NULL OR coalesce(v.only_end AND v.new_days > v.old_days, false) AS begins) k
		WHERE c.table_name = 'relationship'
	), same_parent AS MATERIALIZED (
		SELECT e.change_id AS end_id, b.change_id AS begin_id
		FROM (SELECT r.*, row_number() OVER w AS rank FROM related r WHERE r.ends
				WINDOW w AS (PARTITION BY r.txid, r.hierarchy_id, r.child_id, r.day, r.parent_id ORDER BY r.change_id)) e
			JOIN (SELECT r.*, row_number() OVER w AS rank FROM related r WHERE r.begins
				WINDOW w AS (PARTITION BY r.txid, r.hierarchy_id, r.child_id, r.day, r.parent_id ORDER BY r.change_id)) b
			USING (txid, hierarchy_id, child_id, day, parent_id, rank)
		-- not one that was made and given up again
		WHERE NOT (e.new_row IS NULL AND b.old_row IS NULL AND e.old_row = b.new_row)
	), other_parent AS MATERIALIZED (
		SELECT e.change_id AS end_id, b.change_id AS begin_id
		FROM (SELECT r.*, row_number() OVER w AS rank FROM related r
				WHERE r.ends AND NOT EXISTS (SELECT FROM same_parent s WHERE s.end_id = r.change_id)
				WINDOW w AS (PARTITION BY r.txid, r.hierarchy_id, r.child_id, r.day ORDER BY r.change_id)) e
			JOIN (SELECT r.*, row_number() OVER w AS rank FROM related r
				WHERE r.begins AND NOT EXISTS (SELECT FROM same_parent s WHERE s.begin_id = r.change_id)
				WINDOW w AS (PARTITION BY r.txid, r.hierarchy_id, r.child_id, r.day ORDER BY r.change_id)) b
			USING (txid, hierarchy_id, child_id, day, rank)
		WHERE e.parent_id <> b.parent_id
	), pair AS MATERIALIZED (
		SELECT * FROM same_parent
		UNION ALL
		SELECT * FROM other_parent
	), line AS MATERIALIZED (
		-- One line for each pair, and for each change that is in none.
		SELECT greatest(p.end_id, p.begin_id) AS change_id, e.day,
			e.old_row - '{valid,label}'::text[] AS old_row, b.new_row - '{valid,label}'::text[] AS new_row, true AS paired
		FROM pair p
			JOIN related e ON e.change_id = p.end_id
			JOIN related b ON b.change_id = p.begin_id
		UNION ALL
		SELECT s.change_id, r.day, s.old_row - 'label', s.new_row - 'label', false
		FROM source s
			LEFT JOIN related r ON r.change_id = s.change_id
		WHERE NOT EXISTS (SELECT FROM pair p WHERE s.change_id IN (p.end_id, p.begin_id))
	), told AS MATERIALIZED (
		SELECT l.*, s.changed_at, s.table_name, s.operation, s.hierarchy_id, s.reason, s.request, s.login_role, s.effective_role,
			(l.old_row ->> 'child_id')::bigint AS old_child, (l.new_row ->> 'child_id')::bigint AS new_child,
			(l.old_row ->> 'parent_id')::bigint AS old_parent, (l.new_row ->> 'parent_id')::bigint AS new_parent,
			(l.old_row ->> 'entity_id')::bigint AS old_entity, (l.new_row ->> 'entity_id')::bigint AS new_entity,
			(l.old_row ->> 'merged_into')::bigint AS old_merged, (l.new_row ->> 'merged_into')::bigint AS new_merged,
			(l.old_row ->> 'valid')::daterange AS old_days, (l.new_row ->> 'valid')::daterange AS new_days
		FROM line l
			JOIN source s ON s.change_id = l.change_id
	), label AS MATERIALIZED (
		SELECT i.id, coalesce(
			(SELECT format('%s "%s"', e.entity_type, e.code) FROM entity e WHERE e.entity_id = i.id),
			-- deleted: its last name
			(SELECT format('%s "%s"', c.old_row ->> 'entity_type', c.old_row ->> 'code') FROM change_log c
				WHERE c.entity_id = i.id AND c.table_name = 'entity' AND c.new_row IS NULL ORDER BY c.change_id DESC LIMIT 1),
			'entity ' || i.id) AS label
		FROM (
			SELECT DISTINCT u.id
			FROM told t
				CROSS JOIN LATERAL unnest(ARRAY[t.old_child, t.new_child, t.old_parent, t.new_parent, t.old_entity, t.new_entity,
					t.old_merged, t.new_merged]) AS u (id)
			WHERE u.id IS NOT NULL) i
	)
	SELECT t.change_id, t.changed_at,
		CASE t.table_name
		WHEN 'entity' THEN
			CASE
			WHEN v_id IS DISTINCT FROM coalesce(t.new_entity, t.old_entity) THEN
				CASE WHEN t.new_merged = v_id THEN le.label || ' merged into it' ELSE le.label || ' no longer merged into it' END
			WHEN t.old_row IS NULL THEN
				format('created as %s "%s", named "%s"', t.new_row ->> 'entity_type', t.new_row ->> 'code', t.new_row ->> 'name')
				|| CASE WHEN t.new_row ->> 'status' <> 'active' THEN ', ' || (t.new_row ->> 'status') ELSE '' END
			WHEN t.new_row IS NULL THEN
				format('deleted: %s "%s", named "%s"', t.old_row ->> 'entity_type', t.old_row ->> 'code', t.old_row ->> 'name')
			ELSE
				concat_ws(', ',
					'no longer merged into ' || CASE WHEN t.old_merged IS DISTINCT FROM t.new_merged THEN lom.label END,
					'merged into ' || CASE WHEN t.old_merged IS DISTINCT FROM t.new_merged THEN lnm.label END,
					d.text)
			END
		WHEN 'identifier' THEN
			CASE
			WHEN t.old_row IS NULL THEN format('identifier %s "%s" added', t.new_row ->> 'scheme', t.new_row ->> 'value')
			WHEN t.new_row IS NULL THEN format('identifier %s "%s" removed', t.old_row ->> 'scheme', t.old_row ->> 'value')
			ELSE
				format('identifier %s "%s"', t.old_row ->> 'scheme', t.old_row ->> 'value') || concat_ws(',',
					CASE WHEN (t.old_row ->> 'scheme', t.old_row ->> 'value') <> (t.new_row ->> 'scheme', t.new_row ->> 'value')
						THEN format(' changed to %s "%s"', t.new_row ->> 'scheme', t.new_row ->> 'value') END,
					CASE WHEN t.old_entity = t.new_entity THEN NULL
						WHEN t.new_entity = v_id THEN ' taken over from ' || loe.label
						ELSE ' passed to ' || lne.label END)
			END
		WHEN 'relationship' THEN
			coalesce(h.name, 'hierarchy ' || t.hierarchy_id) || ': '
			|| CASE WHEN v_id IN (t.old_child, t.new_child) THEN ''
				ELSE coalesce(lnc.label, loc.label) || CASE WHEN s.told_of_days THEN ': ' ELSE ' ' END END
			|| CASE
				WHEN t.old_row IS NULL THEN concat_ws(', ', 'assigned to ' || lnp.label, nullif(f.text, ''))
				WHEN t.new_row IS NULL THEN 'removed from ' || lop.label || coalesce(' (' || nullif(f.text, '') || ')', '')
				WHEN t.old_child <> t.new_child THEN
					CASE WHEN v_id = t.old_child THEN 'place under ' || lop.label || ' passed to ' || lnc.label
						ELSE 'took the place of ' || loc.label || ' under ' || lop.label END
					|| CASE WHEN t.old_parent <> t.new_parent THEN ', reassigned to ' || lnp.label ELSE '' END
					|| coalesce(', ' || d.text, '')
				WHEN t.old_parent <> t.new_parent THEN
					'reassigned from ' || lop.label || ' to ' || lnp.label || s.as_of || coalesce(', ' || d.text, '')
				WHEN r.ends AND NOT t.paired THEN 'unassigned from ' || lop.label || s.as_of
				ELSE coalesce(d.text, 'renewed') || ' under ' || lnp.label || s.as_of
				END
		ELSE lower(t.operation) || ' in ' || t.table_name
		END,
		t.reason, t.request,
		t.login_role || CASE WHEN t.effective_role <> t.login_role THEN ' as ' || t.effective_role ELSE '' END
	FROM told t
		LEFT JOIN related r ON r.change_id = t.change_id
		LEFT JOIN hierarchy h ON h.hierarchy_id = t.hierarchy_id
		LEFT JOIN label loc ON loc.id = t.old_child
		LEFT JOIN label lnc ON lnc.id = t.new_child
		LEFT JOIN label lop ON lop.id = t.old_parent
		LEFT JOIN label lnp ON lnp.id = t.new_parent
		LEFT JOIN label loe ON loe.id = t.old_entity
		LEFT JOIN label lne ON lne.id = t.new_entity
		LEFT JOIN label le ON le.id = coalesce(t.new_entity, t.old_entity)
		LEFT JOIN label lom ON lom.id = t.old_merged
		LEFT JOIN label lnm ON lnm.id = t.new_merged
		CROSS JOIN LATERAL (
			-- what it says of a new relationship, or of one that is no more
			SELECT concat_ws(', ',
				'share ' || (i.image ->> 'share'),
				CASE WHEN i.image ->> 'is_primary' = 'true' THEN 'primary' END,
				i.image ->> 'relationship_type',
				'influence level ' || (i.image ->> 'influence_level'),
				nullif(concat_ws(' ', 'from ' || lower((i.image ->> 'valid')::daterange),
					'until ' || upper((i.image ->> 'valid')::daterange)), '')) AS text
			FROM (SELECT coalesce(t.new_row, t.old_row)) AS i (image)) f
		CROSS JOIN LATERAL (
			SELECT
				CASE WHEN t.paired OR coalesce(r.ends, false) THEN t.day
					WHEN t.old_parent <> t.new_parent THEN lower(t.new_days) END AS day) sd
		CROSS JOIN LATERAL (
			SELECT
				CASE WHEN isfinite(sd.day) THEN ' as of ' || sd.day ELSE '' END AS as_of,
				t.old_parent = t.new_parent AND t.old_child = t.new_child AND (t.paired OR NOT r.ends) AS told_of_days) s
		CROSS JOIN LATERAL (
			-- every column that has changed
			SELECT string_agg(p.piece, ', ' ORDER BY p.rank, p.key) AS text
			FROM (
				SELECT n.rank, '' AS key,
					CASE WHEN n.key = 'is_primary'
						THEN CASE t.new_row ->> n.key WHEN 'true' THEN 'made primary' ELSE 'no longer primary' END
						ELSE n.title || ' changed from ' || coalesce(n.quote || (t.old_row ->> n.key) || n.quote, 'not stated')
							|| ' to ' || coalesce(n.quote || (t.new_row ->> n.key) || n.quote, 'not stated') END AS piece
				FROM (VALUES (1, 'name', 'name', '"'), (2, 'code', 'code', '"'), (3, 'entity_type', 'type', ''),
						(4, 'status', 'status', ''), (5, 'share', 'share', ''), (6, 'is_primary', '', ''),
						(7, 'relationship_type', 'relationship type', ''), (8, 'influence_level', 'influence level', ''),
						(9, 'valid', 'validity', '')) AS n (rank, key, title, quote)
				WHERE t.old_row -> n.key IS DISTINCT FROM t.new_row -> n.key
					AND NOT (n.key = 'status' AND t.new_merged IS NOT NULL)
				UNION ALL
				SELECT 10, a.key,
					CASE WHEN a.new_value IS NULL THEN format('attribute %s removed (was %s)', a.key, a.old_value)
						WHEN a.old_value IS NULL THEN format('attribute %s set to %s', a.key, a.new_value)
						ELSE format('attribute %s changed from %s to %s', a.key, a.old_value, a.new_value) END
				FROM (
					SELECT coalesce(o.key, n.key) AS key, o.value AS old_value, n.value AS new_value
					FROM jsonb_each(t.old_row -> 'attributes') o
						FULL JOIN jsonb_each(t.new_row -> 'attributes') n ON n.key = o.key) a
				WHERE a.old_value IS DISTINCT FROM a.new_value) p
			WHERE t.old_row IS NOT NULL AND t.new_row IS NOT NULL) d
	WHERE t.table_name <> 'relationship' OR v_id IN (t.old_child, t.new_child, t.old_parent, t.new_parent)
	ORDER BY t.change_id;
END
$function$;
COMMENT ON FUNCTION @extschema@.history(bigint) IS
'the story of an entity: what happened to it, when, why and by whom';
