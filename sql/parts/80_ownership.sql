
-- Who owns whom
--
-- Shares are multiplied and added as numeric: exact.  A share that is not
-- stated counts for nothing and is reported; it is never taken for 0 or 1.

CREATE FUNCTION @extschema@.responsible_chain(
	hierarchy text,
	entity_id bigint,
	as_of date DEFAULT NULL)
RETURNS TABLE (depth integer, node bigint)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 5
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	v_id integer := (SELECT k.hierarchy_id FROM known_hierarchy(responsible_chain.hierarchy) k);
	v_day date := coalesce(as_of, current_date);
BEGIN
	RETURN QUERY
	WITH RECURSIVE chain AS (
		SELECT 0 AS level, e.entity_id AS entity
		FROM entity e
		WHERE e.entity_id = responsible_chain.entity_id
		UNION ALL
		SELECT c.level + 1, p.parent_id
		FROM chain c
			CROSS JOIN LATERAL (
				SELECT r.parent_id
				FROM relationship r
				WHERE r.hierarchy_id = v_id AND r.child_id = c.entity AND r.valid @> v_day
				ORDER BY r.is_primary DESC, r.share DESC NULLS LAST, r.parent_id
				LIMIT 1) p
	) CYCLE entity SET again USING trail
	SELECT c.level, c.entity FROM chain c WHERE NOT c.again;
END
$function$;
COMMENT ON FUNCTION @extschema@.responsible_chain(text, bigint, date) IS
'internal: an entity and who is responsible for it, upwards: the primary parent, else the one with the greatest share';

CREATE FUNCTION @extschema@.global_ultimate(
	hierarchy text,
	entity_id bigint,
	as_of date DEFAULT NULL)
RETURNS bigint
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 200
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT c.node
	FROM responsible_chain(global_ultimate.hierarchy, global_ultimate.entity_id, global_ultimate.as_of) c
	ORDER BY c.depth DESC
	LIMIT 1
$function$;
COMMENT ON FUNCTION @extschema@.global_ultimate(text, bigint, date) IS
'the topmost responsible parent of an entity; the entity itself if nobody stands above it';

CREATE FUNCTION @extschema@.domestic_ultimate(
	hierarchy text,
	entity_id bigint,
	country_attribute text DEFAULT 'country',
	as_of date DEFAULT NULL)
RETURNS bigint
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 200
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT c.node
	FROM responsible_chain(domestic_ultimate.hierarchy, domestic_ultimate.entity_id, domestic_ultimate.as_of) c
		JOIN entity e ON e.entity_id = c.node
		JOIN entity self ON self.entity_id = domestic_ultimate.entity_id
	WHERE e.attributes ->> domestic_ultimate.country_attribute = self.attributes ->> domestic_ultimate.country_attribute
	ORDER BY c.depth DESC
	LIMIT 1
$function$;
COMMENT ON FUNCTION @extschema@.domestic_ultimate(text, bigint, text, date) IS
'the highest responsible parent of an entity in the entity''s own country; NULL if that is not known';

CREATE FUNCTION @extschema@.family_tree(
	hierarchy text,
	entity_id bigint,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	ordinal bigint,
	entity_id bigint,
	parent_id bigint,
	depth integer,
	entity_type text,
	code text,
	name text,
	status text,
	share numeric,
	is_primary boolean,
	is_self boolean,
	is_repeat boolean)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 100
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	-- $1 hierarchy, $2 entity_id, $3 as_of: a column of the result has the name of the second
	WITH family AS MATERIALIZED (
		SELECT p.ordinal, p.node, p.parent, p.depth, p.is_repeat, k.hierarchy_id
		FROM known_hierarchy($1) k
			JOIN global_ultimate($1, $2, $3) AS u (top) ON u.top IS NOT NULL
			CROSS JOIN LATERAL preorder(k.graph, u.top, as_of => coalesce($3, current_date)) p
		UNION ALL
		-- one that stands alone is a family too
		SELECT 1, s.entity_id, NULL, 0, false, NULL
		FROM entity s
		WHERE s.entity_id = $2
	)
	SELECT f.ordinal, f.node, f.parent, f.depth, e.entity_type, e.code, e.name, e.status,
		r.share, r.is_primary, f.node = $2, f.is_repeat
	FROM family f
		LEFT JOIN entity e ON e.entity_id = f.node
		LEFT JOIN relationship r
			ON r.hierarchy_id = f.hierarchy_id AND r.child_id = f.node AND r.parent_id = f.parent
			AND r.valid @> coalesce($3, current_date)
	WHERE f.hierarchy_id IS NOT NULL OR NOT EXISTS (SELECT FROM family o WHERE o.hierarchy_id IS NOT NULL)
	ORDER BY f.ordinal
$function$;
COMMENT ON FUNCTION @extschema@.family_tree(text, bigint, date) IS
'everything below the global ultimate of an entity, in display order';

CREATE FUNCTION @extschema@.owners(
	hierarchy text,
	entity_id bigint,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	owner_id bigint,
	owner text,
	share numeric,
	depth integer,
	paths bigint,
	unstated_paths bigint)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 10
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	v_self bigint := owners.entity_id;
	v_day date := coalesce(as_of, current_date);
	v_id integer;
	v_graph @extschema@.hgraph;
	v_level integer := 0;
	v_nodes integer := 0;
	-- ends of the paths of this length: owner, sum of products, paths, paths without a blank
	v_ids bigint[] := ARRAY[v_self];
	v_sums numeric[] := '{1}';
	v_paths numeric[] := '{1}';
	v_stated numeric[] := '{1}';
	-- the same of all lengths
	all_ids bigint[] := '{}';
	all_sums numeric[] := '{}';
	all_paths numeric[] := '{}';
	all_stated numeric[] := '{}';
	all_levels integer[] := '{}';
BEGIN
	SELECT k.hierarchy_id, k.graph INTO v_id, v_graph FROM known_hierarchy(owners.hierarchy) k;
	IF v_self IS NULL THEN
		RETURN;
	END IF;

	-- One step up at a time, paths that meet taken together.
	LOOP
		v_level := v_level + 1;
		SELECT array_agg(s.parent_id), array_agg(s.sum), array_agg(s.paths), array_agg(s.stated)
		INTO v_ids, v_sums, v_paths, v_stated
		FROM (
			SELECT r.parent_id,
				sum(f.sum * r.share) AS sum,
				sum(f.paths) AS paths,
				coalesce(sum(f.stated) FILTER (WHERE r.share IS NOT NULL), 0) AS stated
			FROM unnest(v_ids, v_sums, v_paths, v_stated) AS f (id, sum, paths, stated)
				JOIN relationship r ON r.child_id = f.id
			WHERE r.hierarchy_id = v_id AND r.valid @> v_day
			GROUP BY r.parent_id) s;
		EXIT WHEN v_ids IS NULL;
		all_ids := all_ids || v_ids;
		all_sums := all_sums || v_sums;
		all_paths := all_paths || v_paths;
		all_stated := all_stated || v_stated;
		all_levels := all_levels || array_fill(v_level, ARRAY[cardinality(v_ids)]);

		-- A path longer than there are nodes goes round in a circle.
		IF v_level & (v_level - 1) = 0 THEN
			SELECT count(DISTINCT u.id) INTO v_nodes FROM unnest(all_ids) AS u (id);
			EXIT WHEN v_level > v_nodes;
		END IF;
	END LOOP;

	IF v_ids IS NULL THEN
		RETURN QUERY
		SELECT o.id, coalesce(e.entity_type || ' "' || e.code || '"', 'entity ' || o.id),
			trim_scale(o.sum), o.level,
			least(o.paths, 9223372036854775807)::bigint,
			least(o.paths - o.stated, 9223372036854775807)::bigint
		FROM (
			SELECT u.id, sum(u.sum) AS sum, sum(u.paths) AS paths, sum(u.stated) AS stated, min(u.level) AS level
			FROM unnest(all_ids, all_sums, all_paths, all_stated, all_levels) AS u (id, sum, paths, stated, level)
			GROUP BY u.id) o
			LEFT JOIN entity e ON e.entity_id = o.id
		ORDER BY o.sum DESC NULLS LAST, o.level, o.id;
	ELSE
		-- Owners that own each other: only paths that meet nobody twice.
		RETURN QUERY
		SELECT a.node, coalesce(e.entity_type || ' "' || e.code || '"', 'entity ' || a.node),
			trim_scale(p.share), a.depth, p.paths, p.unstated
		FROM ancestors(v_graph, v_self, as_of => v_day) a
			CROSS JOIN LATERAL (
				SELECT sum(p.share) AS share, count(*) AS paths, count(*) FILTER (WHERE p.share IS NULL) AS unstated
				FROM paths(v_graph, v_self, a.node, as_of => v_day) p) p
			LEFT JOIN entity e ON e.entity_id = a.node
		WHERE a.node <> v_self
		ORDER BY p.share DESC NULLS LAST, a.depth, a.node;
	END IF;
END
$function$;
COMMENT ON FUNCTION @extschema@.owners(text, bigint, date) IS
'everybody who owns a part of an entity, directly or through others, with the share by all paths';

CREATE FUNCTION @extschema@.ownership(
	hierarchy text,
	entity_id bigint,
	owner_id bigint,
	as_of date DEFAULT NULL)
RETURNS TABLE (share numeric, paths bigint, unstated_paths bigint)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 1
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT
		CASE WHEN o.owner_id IS NOT NULL THEN o.share WHEN s.is_self THEN 1 ELSE 0 END,
		CASE WHEN o.owner_id IS NOT NULL THEN o.paths WHEN s.is_self THEN 1 ELSE 0 END,
		coalesce(o.unstated_paths, 0)
	FROM (SELECT ownership.entity_id = ownership.owner_id AS is_self) s
		LEFT JOIN owners(ownership.hierarchy, ownership.entity_id, ownership.as_of) o
			ON o.owner_id = ownership.owner_id
	WHERE s.is_self IS NOT NULL
$function$;
COMMENT ON FUNCTION @extschema@.ownership(text, bigint, bigint, date) IS
'which part of an entity an owner owns: the products of shares along each path, added up; NULL if none is stated';

CREATE FUNCTION @extschema@.controls(
	hierarchy text,
	owner_id bigint,
	threshold numeric DEFAULT 0.5,
	pooled boolean DEFAULT true,
	as_of date DEFAULT NULL)
RETURNS TABLE (entity_id bigint, share numeric, depth integer)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 10
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	v_day date := coalesce(as_of, current_date);
	v_id integer;
	v_graph @extschema@.hgraph;
	v_depth integer := 0;
	-- controlled since the last step
	v_new bigint[] := ARRAY[controls.owner_id];
	-- all controlled, and how many steps away
	v_ids bigint[] := '{}';
	v_depths integer[] := '{}';
	-- what the owner and those controlled hold
	held_ids bigint[] := '{}';
	held_shares numeric[] := '{}';
BEGIN
	SELECT k.hierarchy_id, k.graph INTO v_id, v_graph FROM known_hierarchy(controls.hierarchy) k;
	IF threshold IS NULL OR pooled IS NULL THEN
		RAISE EXCEPTION 'threshold and pooled must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	LOOP
		SELECT array_agg(h.child_id), array_agg(h.share) INTO held_ids, held_shares
		FROM (
			SELECT u.child_id, CASE WHEN pooled THEN sum(u.share) ELSE max(u.share) END AS share
			FROM (
				SELECT * FROM unnest(held_ids, held_shares)
				UNION ALL
				SELECT r.child_id, r.share
				FROM unnest(v_new) AS n (id)
					CROSS JOIN LATERAL children(v_graph, n.id, as_of => v_day) c
					JOIN relationship r ON r.child_id = c.node AND r.parent_id = n.id
				WHERE r.hierarchy_id = v_id AND r.valid @> v_day AND r.share IS NOT NULL
			) AS u (child_id, share)
			GROUP BY u.child_id) h;

		SELECT array_agg(h.child_id) INTO v_new
		FROM unnest(held_ids, held_shares) AS h (child_id, share)
		WHERE h.share > threshold AND h.child_id <> controls.owner_id
			AND NOT EXISTS (SELECT FROM unnest(v_ids) AS i (id) WHERE i.id = h.child_id);
		EXIT WHEN v_new IS NULL;
		v_depth := v_depth + 1;
		v_ids := v_ids || v_new;
		v_depths := v_depths || array_fill(v_depth, ARRAY[cardinality(v_new)]);
	END LOOP;

	RETURN QUERY
	SELECT i.id, trim_scale(h.share), i.depth
	FROM unnest(v_ids, v_depths) AS i (id, depth)
		JOIN unnest(held_ids, held_shares) AS h (id, share) ON h.id = i.id
	ORDER BY i.depth, i.id;
END
$function$;
COMMENT ON FUNCTION @extschema@.controls(text, bigint, numeric, boolean, date) IS
'what an owner controls: more than the threshold held by the owner and, pooled, all that it controls; else by one of them alone';

CREATE FUNCTION @extschema@.unstated_shares(
	hierarchy text,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	child_id bigint,
	child text,
	parent_id bigint,
	parent text,
	valid daterange)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 100
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_day date := coalesce(as_of, current_date);
	v_id integer := (SELECT k.hierarchy_id FROM known_hierarchy(unstated_shares.hierarchy) k);
BEGIN
	RETURN QUERY
	SELECT r.child_id, coalesce(c.entity_type || ' "' || c.code || '"', 'entity ' || r.child_id),
		r.parent_id, coalesce(p.entity_type || ' "' || p.code || '"', 'entity ' || r.parent_id), r.valid
	FROM relationship r
		LEFT JOIN entity c ON c.entity_id = r.child_id
		LEFT JOIN entity p ON p.entity_id = r.parent_id
	WHERE r.hierarchy_id = v_id AND r.valid @> v_day AND r.share IS NULL
	ORDER BY r.child_id, r.parent_id;
END
$function$;
COMMENT ON FUNCTION @extschema@.unstated_shares(text, date) IS
'relationships of a day whose share is not stated';
