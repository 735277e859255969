
-- Merging an entity into another one
--
-- Every relationship of the one becomes one of the other.  Where both stood
-- under the same parent, or had the same child, on some days, there must be one
-- relationship for those days.  So the days are cut where anything begins or
-- ends, each piece is decided on its own, and equal neighbours are joined again.
--
-- In a piece:
--	 - shares of the same parent and child add up, to 1 at most; in mode split
--	   the shares of the merged child are brought back to a sum of 1;
--	 - of two primary parents that of the surviving entity stays primary;
--	 - if there are more parents than the rules allow, those of the surviving
--	   entity stay;
--	 - other columns are those of the surviving entity, where it has any;
--	 - a relationship between the two is dropped.
--
-- Nobody can write relationships of the merged entity once it is locked for a
-- change.  Its neighbours are looked up before, to lock all of them in order.

CREATE FUNCTION @extschema@.all_children(graph oid, node bigint)
RETURNS bigint[]
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'hgraph_all_children';
COMMENT ON FUNCTION @extschema@.all_children(oid, bigint) IS
'children of a node on any day; internal';

CREATE FUNCTION @extschema@.merge_relationships(
	h @extschema@.hierarchy,
	"from" bigint,
	"into" bigint,
	children bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer := h.hierarchy_id;
	merged bigint := merge_relationships."from";
	kept bigint := merge_relationships."into";
	kept_type text := (SELECT e.entity_type FROM entity e WHERE e.entity_id = merge_relationships."into");
BEGIN
	WITH affected AS MATERIALIZED (
		SELECT row_number() OVER () AS ord, r.*,
			CASE r.parent_id WHEN merged THEN kept ELSE r.parent_id END AS new_parent,
			CASE r.child_id WHEN merged THEN kept ELSE r.child_id END AS new_child,
			merged IN (r.parent_id, r.child_id) AS moved
		FROM relationship r
		WHERE r.hierarchy_id = id AND r.child_id = ANY (children || merged || kept)
			AND (r.child_id IN (merged, kept) OR r.parent_id IN (merged, kept))),
	points AS (
		SELECT DISTINCT a.new_child, p.day
		FROM affected a, LATERAL (VALUES (lower(a.valid)), (upper(a.valid))) AS p (day)
		WHERE p.day IS NOT NULL),
	cells AS (
		SELECT p.new_child, daterange(p.day, lead(p.day) OVER (PARTITION BY p.new_child ORDER BY p.day)) AS cell
		FROM points p
		UNION ALL
		SELECT a.new_child, daterange(NULL, min(p.day))
		FROM (SELECT DISTINCT new_child FROM affected) a LEFT JOIN points p ON p.new_child = a.new_child
		GROUP BY a.new_child),
	pieces AS (
		-- one for each parent and child and cell, of one or two relationships
		SELECT a.new_child, a.new_parent, c.cell, a.new_child = kept AS below,
			array_agg(a.ord ORDER BY a.moved, a.ord) AS sources, bool_and(a.moved) AS moved_only,
			CASE WHEN sum(a.share) > 1 THEN 1 ELSE sum(a.share) END AS share,
			bool_or(a.is_primary) AS is_primary, bool_or(a.is_primary AND NOT a.moved) AS kept_primary
		FROM affected a JOIN cells c ON c.new_child = a.new_child AND c.cell && a.valid
		WHERE a.new_parent <> a.new_child
		GROUP BY a.new_child, a.new_parent, c.cell),
	counted AS (
		SELECT p.*, bool_or(NOT p.moved_only) OVER cell AND count(*) OVER cell > h.max_parents AS too_many,
			bool_or(NOT p.moved_only) OVER cell_type AND count(*) OVER cell_type > t.max_parents AS too_many_of_type
		FROM pieces p
			LEFT JOIN entity e ON p.below AND e.entity_id = p.new_parent
			LEFT JOIN relationship_rule t ON t.hierarchy_id = id AND t.child_type = kept_type AND t.parent_type = e.entity_type
		WINDOW cell AS (PARTITION BY p.new_child, p.cell),
			cell_type AS (PARTITION BY p.new_child, p.cell, e.entity_type)),
	valued AS (
		SELECT c.new_child, c.new_parent, c.cell, c.sources,
			CASE WHEN c.below AND h.share_mode = 'split' AND abs(sum(c.share) OVER cell - 1) > 0.000001 AND sum(c.share) OVER cell > 0
				THEN trim_scale(round(c.share / sum(c.share) OVER cell, 12)) ELSE c.share END AS share,
			CASE WHEN NOT c.below THEN c.is_primary
				WHEN bool_or(c.kept_primary) OVER cell THEN c.kept_primary
				WHEN bool_or(c.is_primary) OVER cell OR NOT h.require_primary THEN c.is_primary
				ELSE row_number() OVER (PARTITION BY c.new_child, c.cell ORDER BY c.moved_only, c.share DESC NULLS LAST, c.new_parent) = 1
			END AS is_primary
		FROM counted c
		WHERE NOT (c.below AND c.moved_only AND (c.too_many IS TRUE OR c.too_many_of_type IS TRUE))
		WINDOW cell AS (PARTITION BY c.new_child, c.cell)),
	joined AS (
		SELECT v.new_child, v.new_parent, v.sources, v.share, v.is_primary, unnest(range_agg(v.cell)) AS valid
		FROM valued v
		GROUP BY v.new_child, v.new_parent, v.sources, v.share, v.is_primary),
	wanted AS MATERIALIZED (
		-- the first of those that begin with a relationship takes its row
		SELECT j.new_child, j.new_parent, j.valid, j.share, j.is_primary, j.sources[1] AS ord,
			row_number() OVER (PARTITION BY j.sources[1] ORDER BY j.valid) AS n,
			coalesce(a.relationship_type, b.relationship_type) AS relationship_type,
			coalesce(a.influence_level, b.influence_level) AS influence_level,
			coalesce(b.attributes, '{}') || a.attributes AS attributes
		FROM joined j
			JOIN affected a ON a.ord = j.sources[1]
			LEFT JOIN affected b ON b.ord = j.sources[2]),
	changed AS (
		UPDATE relationship r SET parent_id = w.new_parent, child_id = w.new_child, valid = w.valid, share = w.share,
			is_primary = w.is_primary, relationship_type = w.relationship_type, influence_level = w.influence_level,
			attributes = w.attributes
		FROM affected a JOIN wanted w ON w.ord = a.ord AND w.n = 1
		WHERE r.hierarchy_id = id AND r.child_id = a.child_id AND r.parent_id = a.parent_id AND r.valid = a.valid
			AND (a.parent_id, a.child_id, a.valid, a.share, a.is_primary, a.relationship_type, a.influence_level, a.attributes)
				IS DISTINCT FROM (w.new_parent, w.new_child, w.valid, w.share, w.is_primary, w.relationship_type,
					w.influence_level, w.attributes)
		RETURNING 1),
	gone AS (
		DELETE FROM relationship r
		USING affected a
		WHERE r.hierarchy_id = id AND r.child_id = a.child_id AND r.parent_id = a.parent_id AND r.valid = a.valid
			AND NOT EXISTS (SELECT FROM wanted w WHERE w.ord = a.ord AND w.n = 1)
		RETURNING 1)
	INSERT INTO relationship (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level,
		attributes, valid)
	SELECT id, w.new_parent, w.new_child, w.relationship_type, w.is_primary, w.share, w.influence_level, w.attributes, w.valid
	FROM (SELECT count(*) FROM gone) g, (SELECT count(*) FROM changed) c, wanted w
	WHERE w.n > 1;

	IF EXISTS (SELECT FROM relationship r
		WHERE r.hierarchy_id = id AND r.child_id = ANY (children || merged) AND merged IN (r.child_id, r.parent_id))
	THEN
		PERFORM refuse_change(h.name, merged);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.merge_relationships(@extschema@.hierarchy, bigint, bigint, bigint[]) IS
'makes the relationships of one entity those of another in a hierarchy; internal';

CREATE FUNCTION @extschema@.merge_entity("from" bigint, "into" bigint, reason text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	merged bigint := merge_entity."from";
	kept bigint := merge_entity."into";
	former text := enter_reason(merge_entity.reason);
	e @extschema@.entity%ROWTYPE;
	h @extschema@.hierarchy%ROWTYPE;
	locked bigint[] := '{}';
	near bigint[];
	far bigint[];
BEGIN
	IF merged IS NULL OR kept IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'entities to be merged must not be NULL';
	ELSIF merged = kept THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be merged into itself', entity_label(merged));
	END IF;

	-- the neighbours of the merged entity, until they are all locked
	LOOP
		near := ARRAY[kept];
		FOR h IN SELECT x.* FROM hierarchy x
		LOOP
			-- NULL: it was just dropped
			near := near || all_children(find_graph(h.hierarchy_id, h.name), merged);
		END LOOP;
		SELECT array_agg(n.entity_id) INTO far
		FROM (
			(SELECT unnest(near) UNION SELECT r.parent_id FROM relationship r WHERE r.child_id = merged)
			EXCEPT
			SELECT unnest(locked || merged)) AS n (entity_id);
		EXIT WHEN far IS NULL;
		PERFORM lock_entities(array(SELECT f FROM unnest(far) f WHERE f < merged), false);
		PERFORM lock_entities(ARRAY[merged], true);
		PERFORM lock_entities(array(SELECT f FROM unnest(far) f WHERE f > merged), false);
		locked := locked || far;
	END LOOP;

	FOR e IN SELECT x.* FROM entity x WHERE x.entity_id IN (merged, kept)
	LOOP
		IF e.status = 'merged' THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('%s was merged into %s before', entity_label(e.entity_id), entity_label(e.merged_into)),
				HINT = CASE e.entity_id WHEN kept THEN 'Merge into that one.' ELSE 'A merge can be undone with undo_transaction.' END;
		END IF;
	END LOOP;
	IF (SELECT count(*) FROM entity x WHERE x.entity_id IN (merged, kept)) < 2 THEN
		RAISE no_data_found USING
			MESSAGE = format('entity %s does not exist',
				(SELECT min(i) FROM unnest(ARRAY[merged, kept]) i WHERE NOT EXISTS (SELECT FROM entity x WHERE x.entity_id = i)));
	END IF;

	FOR h IN SELECT x.* FROM hierarchy x ORDER BY x.hierarchy_id
	LOOP
		near := all_children(find_graph(h.hierarchy_id, h.name), merged);
		CONTINUE WHEN near IS NULL OR near = '{}' AND NOT EXISTS (SELECT FROM relationship r
			WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = merged);
		PERFORM lock_children(h.hierarchy_id, near || merged || kept);
		PERFORM merge_relationships(h, merged, kept, near);
	END LOOP;
	UPDATE identifier i SET entity_id = kept WHERE i.entity_id = merged;
	UPDATE entity x SET status = 'merged', merged_into = kept WHERE x.entity_id = merged;
	IF NOT FOUND THEN
		PERFORM refuse_entity(merged);
	END IF;
	PERFORM leave_reason(former);
END
$$;
COMMENT ON FUNCTION @extschema@.merge_entity(bigint, bigint, text) IS
'merges an entity into another one: relationships and identifiers become those of the other';
