
-- Verbs: what one says to change the directory
--
-- Each is a few plain statements with the rights of its caller; the triggers
-- of the tables check and record them as any others.  What a verb decides by
-- what it reads stays true until it writes, since it locks first: the entities,
-- then the children in their hierarchy, both as the triggers do (see
-- src/directory/locks.c), and reads in a later statement.  In a transaction
-- with an older snapshot the row read may have changed since; then its UPDATE
-- fails with 40001.
--
-- Days: a relationship that ends on a day does not hold on it any more, and
-- one that begins on a day does.  The end of one and the beginning of the next
-- are written in one statement: neither rules nor policies see what is between.

CREATE FUNCTION @extschema@.entity_label(entity_id bigint)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
	SELECT coalesce((SELECT format('%s "%s"', e.entity_type, e.code) FROM @extschema@.entity e WHERE e.entity_id = $1),
		'entity ' || $1)
$$;
COMMENT ON FUNCTION @extschema@.entity_label(bigint) IS
'type and code of an entity, as in account "A-17"';

CREATE FUNCTION @extschema@.enter_reason(reason text)
RETURNS text
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	former text := current_setting('hierarchy.reason', true);
BEGIN
	IF reason IS NOT NULL THEN
		PERFORM set_config('hierarchy.reason', reason, true);
	END IF;
	RETURN former;
END
$$;
COMMENT ON FUNCTION @extschema@.enter_reason(text) IS
'sets hierarchy.reason, unless to NULL, and returns what it was; internal';

CREATE FUNCTION @extschema@.leave_reason(former text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('hierarchy.reason', true) IS DISTINCT FROM former THEN
		PERFORM set_config('hierarchy.reason', former, true);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.leave_reason(text) IS
'puts back what enter_reason found; internal';

-- Entities and identifiers

CREATE FUNCTION @extschema@.entity_id(scheme_or_type text, value text)
RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id bigint;
	survivor bigint;
	passed bigint[] := '{}';
	schemes text;
	types text;
BEGIN
	SELECT i.entity_id INTO id FROM identifier i
	WHERE i.scheme = scheme_or_type AND i.value = entity_id.value;
	IF NOT FOUND THEN
		SELECT e.entity_id INTO id FROM entity e
		WHERE e.entity_type = scheme_or_type AND e.code = entity_id.value;
	END IF;
	WHILE id IS NOT NULL LOOP
		SELECT e.merged_into INTO survivor FROM entity e WHERE e.entity_id = id;
		IF survivor IS NULL THEN
			RETURN id;
		ELSIF survivor = ANY (passed) THEN
			RAISE check_violation USING
				MESSAGE = format('%s is merged into itself', entity_label(survivor)),
				DETAIL = (SELECT string_agg(entity_label(p), ', ' ORDER BY o) FROM unnest(passed) WITH ORDINALITY u (p, o)),
				SCHEMA = '@extschema@', TABLE = 'entity', CONSTRAINT = 'entity_merged_into_check';
		END IF;
		passed := passed || survivor;
		id := survivor;
	END LOOP;

	IF EXISTS (SELECT FROM identifier_scheme s WHERE s.scheme = scheme_or_type)
		OR EXISTS (SELECT FROM identifier i WHERE i.scheme = scheme_or_type)
	THEN
		RAISE no_data_found USING
			MESSAGE = format('no entity has the %s "%s"', scheme_or_type, entity_id.value),
			HINT = 'Add it with add_identifier, or look the entity up by its type and code.';
	ELSIF EXISTS (SELECT FROM entity_type t WHERE t.entity_type = scheme_or_type) THEN
		RAISE no_data_found USING
			MESSAGE = format('%s "%s" does not exist', scheme_or_type, entity_id.value),
			HINT = 'Add it with add_entity, or look it up by an identifier.';
	END IF;
	SELECT string_agg(s.scheme, ', ' ORDER BY s.scheme) INTO schemes
	FROM (SELECT scheme FROM identifier_scheme ORDER BY scheme LIMIT 20) s;
	SELECT string_agg(t.entity_type, ', ' ORDER BY t.entity_type) INTO types
	FROM (SELECT entity_type FROM entity_type ORDER BY entity_type LIMIT 20) t;
	RAISE no_data_found USING
		MESSAGE = format('"%s" is neither an identifier scheme nor an entity type', scheme_or_type),
		HINT = concat_ws(' ', 'Schemes: ' || schemes || '.', 'Types: ' || types || '.');
END
$$;
COMMENT ON FUNCTION @extschema@.entity_id(text, text) IS
'the entity with an identifier of a scheme, or with a code among its type; of a merged one, what it was merged into';

CREATE FUNCTION @extschema@.add_identifiers(entity_id bigint, identifiers jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	item record;
BEGIN
	IF jsonb_typeof(identifiers) <> 'object' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'identifiers are not a JSON object',
			HINT = 'Write {"scheme": "value", ...}, or {"scheme": ["value", ...], ...}.';
	END IF;
	FOR item IN
		SELECT i.key AS scheme, v.value
		FROM jsonb_each(identifiers) i,
			jsonb_array_elements_text(CASE jsonb_typeof(i.value) WHEN 'array' THEN i.value
				ELSE jsonb_build_array(i.value) END) v
	LOOP
		IF (item.scheme, false) IN (('DUNS', is_duns(item.value)), ('NPI', is_npi(item.value)), ('LEI', is_lei(item.value))) THEN
			RAISE check_violation USING
				MESSAGE = format('"%s" is not a valid %s', item.value, item.scheme),
				DETAIL = coalesce((SELECT s.description FROM identifier_scheme s WHERE s.scheme = item.scheme), item.scheme),
				SCHEMA = '@extschema@', TABLE = 'identifier', CONSTRAINT = format('identifier_%s_check', lower(item.scheme));
		END IF;
		INSERT INTO identifier (scheme, value, entity_id)
		VALUES (item.scheme, item.value, add_identifiers.entity_id)
		ON CONFLICT DO NOTHING;
		IF NOT FOUND THEN
			RAISE unique_violation USING
				MESSAGE = format('%s "%s" is taken', item.scheme, item.value),
				DETAIL = coalesce((SELECT format('It identifies %s.', entity_label(i.entity_id)) FROM identifier i
					WHERE i.scheme = item.scheme AND i.value = item.value), 'It identifies another entity.'),
				HINT = 'If the two are one and the same: merge_entity.',
				SCHEMA = '@extschema@', TABLE = 'identifier', CONSTRAINT = 'identifier_pkey';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.add_identifiers(bigint, jsonb) IS
'adds identifiers to an entity; internal';

CREATE FUNCTION @extschema@.add_entity(
	entity_type text,
	code text,
	name text,
	attributes jsonb DEFAULT '{}',
	identifiers jsonb DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	former text := enter_reason(add_entity.reason);
	id bigint;
	types text;
BEGIN
	IF entity_type IS NULL OR code IS NULL OR name IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'type, code and name of an entity must not be NULL';
	ELSIF NOT EXISTS (SELECT FROM entity_type t WHERE t.entity_type = add_entity.entity_type) THEN
		SELECT string_agg(t.entity_type, ', ' ORDER BY t.entity_type) INTO types
		FROM (SELECT entity_type FROM entity_type ORDER BY entity_type LIMIT 20) t;
		RAISE foreign_key_violation USING
			MESSAGE = format('entity type "%s" does not exist', add_entity.entity_type),
			HINT = coalesce('Types: ' || types || '.', 'There is none yet: insert it into @extschema@.entity_type.'),
			SCHEMA = '@extschema@', TABLE = 'entity', CONSTRAINT = 'entity_entity_type_fkey';
	END IF;
	INSERT INTO entity (entity_type, code, name, attributes)
	VALUES (add_entity.entity_type, add_entity.code, add_entity.name, coalesce(add_entity.attributes, '{}'))
	ON CONFLICT (entity_type, code) DO NOTHING
	RETURNING entity_id INTO id;
	IF id IS NULL THEN
		RAISE unique_violation USING
			MESSAGE = format('%s "%s" exists already', add_entity.entity_type, add_entity.code),
			DETAIL = coalesce((SELECT format('Its name is "%s".', e.name) FROM entity e
				WHERE e.entity_type = add_entity.entity_type AND e.code = add_entity.code), 'It is hidden from you.'),
			HINT = 'Codes are unique among the entities of a type.',
			SCHEMA = '@extschema@', TABLE = 'entity', CONSTRAINT = 'entity_entity_type_code_key';
	END IF;
	PERFORM add_identifiers(id, add_entity.identifiers);
	PERFORM leave_reason(former);
	RETURN id;
END
$$;
COMMENT ON FUNCTION @extschema@.add_entity(text, text, text, jsonb, jsonb, text) IS
'adds an entity, with its identifiers; returns its number';

CREATE FUNCTION @extschema@.set_entity_status(entity_id bigint, status text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	former text := enter_reason(set_entity_status.reason);
	e @extschema@.entity%ROWTYPE;
BEGIN
	IF status IS NULL OR status NOT IN ('active', 'inactive') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('status "%s" cannot be set', coalesce(status, 'NULL')),
			HINT = CASE status WHEN 'merged' THEN 'Use merge_entity.' ELSE 'Possible are active and inactive.' END;
	END IF;
	PERFORM lock_entities(ARRAY[set_entity_status.entity_id], true);
	SELECT x.* INTO e FROM entity x WHERE x.entity_id = set_entity_status.entity_id;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('entity %s does not exist', coalesce(set_entity_status.entity_id::text, 'NULL'));
	ELSIF e.status = 'merged' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s was merged', entity_label(e.entity_id)),
			DETAIL = format('It was merged into %s.', entity_label(e.merged_into)),
			HINT = 'A merge can be undone with undo_transaction.';
	END IF;
	UPDATE entity x SET status = set_entity_status.status
	WHERE x.entity_id = e.entity_id AND x.status <> set_entity_status.status;
	IF NOT FOUND AND e.status <> set_entity_status.status THEN
		PERFORM refuse_entity(e.entity_id);
	END IF;
	PERFORM leave_reason(former);
END
$$;
COMMENT ON FUNCTION @extschema@.set_entity_status(bigint, text, text) IS
'makes an entity active or inactive';

CREATE FUNCTION @extschema@.refuse_entity(entity_id bigint)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	RAISE insufficient_privilege USING
		MESSAGE = format('%s cannot be changed by %s', entity_label(refuse_entity.entity_id), quote_ident(current_user)),
		DETAIL = 'It can be read, but a policy does not let it be changed.';
END
$$;
COMMENT ON FUNCTION @extschema@.refuse_entity(bigint) IS
'raises the error for an entity that row-level security hides from UPDATE; internal';

CREATE FUNCTION @extschema@.add_identifier(entity_id bigint, scheme text, value text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
DECLARE
	former text := enter_reason(add_identifier.reason);
BEGIN
	IF entity_id IS NULL OR scheme IS NULL OR value IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'entity, scheme and value of an identifier must not be NULL';
	END IF;
	PERFORM add_identifiers(add_identifier.entity_id, jsonb_build_object(add_identifier.scheme, add_identifier.value));
	PERFORM leave_reason(former);
END
$$;
COMMENT ON FUNCTION @extschema@.add_identifier(bigint, text, text, text) IS
'adds an outside identifier to an entity';

CREATE FUNCTION @extschema@.drop_identifier(scheme text, value text, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	former text := enter_reason(drop_identifier.reason);
	id bigint;
BEGIN
	DELETE FROM identifier i
	WHERE i.scheme = drop_identifier.scheme AND i.value = drop_identifier.value
	RETURNING i.entity_id INTO id;
	IF NOT FOUND THEN
		RAISE no_data_found USING
			MESSAGE = format('no entity has the %s "%s"', drop_identifier.scheme, drop_identifier.value);
	END IF;
	PERFORM leave_reason(former);
	RETURN id;
END
$$;
COMMENT ON FUNCTION @extschema@.drop_identifier(text, text, text) IS
'removes an outside identifier; returns the entity that it identified';

-- Relationships

CREATE FUNCTION @extschema@.check_day(day date)
RETURNS date
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT isfinite(day) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'effective day must be finite';
	END IF;
	RETURN coalesce(day, current_date);
END
$$;
COMMENT ON FUNCTION @extschema@.check_day(date) IS
'the day, or today if it is NULL; internal';

CREATE FUNCTION @extschema@.list_parents(hierarchy_id integer, child bigint, day date)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
	SELECT format('Its parents on %s: %s%s.', to_char($3, 'YYYY-MM-DD'),
		coalesce(string_agg(entity_label(p.parent_id), ', ' ORDER BY p.parent_id), 'none'),
		CASE WHEN max(p.n) > 10 THEN format(' and %s more', max(p.n) - 10) END)
	FROM (
		SELECT r.parent_id, count(*) OVER () AS n
		FROM relationship r
		WHERE r.hierarchy_id = $1 AND r.child_id = $2 AND r.valid @> $3
		ORDER BY r.parent_id
		LIMIT 10) p
$$;
COMMENT ON FUNCTION @extschema@.list_parents(integer, bigint, date) IS
'detail of errors: the parents of a child on a day; internal';

CREATE FUNCTION @extschema@.refuse_missing(h @extschema@.hierarchy, child bigint, parent bigint, day date, hint text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	RAISE no_data_found USING
		MESSAGE = format('%s is not under %s in hierarchy "%s" on %s', entity_label(child), coalesce(entity_label(parent), 'a parent'),
			h.name, to_char(day, 'YYYY-MM-DD')),
		DETAIL = list_parents(h.hierarchy_id, child, day),
		HINT = coalesce(hint, 'Relationships of another day: give that day as effective.');
END
$$;
COMMENT ON FUNCTION @extschema@.refuse_missing(@extschema@.hierarchy, bigint, bigint, date, text) IS
'raises the error for a relationship that is not there; internal';

CREATE FUNCTION @extschema@.assign(
	hierarchy text,
	child bigint,
	parent bigint,
	share numeric DEFAULT NULL,
	is_primary boolean DEFAULT NULL,
	relationship_type text DEFAULT NULL,
	influence_level numeric DEFAULT NULL,
	valid daterange DEFAULT NULL,
	attributes jsonb DEFAULT '{}',
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(assign.hierarchy);
	days daterange := coalesce(assign.valid, h.validity);
	others record;
	result @extschema@.relationship%ROWTYPE;
	former text;
BEGIN
	IF child IS NULL OR parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and parent must not be NULL';
	ELSIF child = parent THEN
		RAISE check_violation USING
			MESSAGE = format('%s cannot be its own parent', entity_label(child)),
			SCHEMA = '@extschema@', TABLE = 'relationship', CONSTRAINT = 'relationship_self_check';
	ELSIF isempty(days) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a relationship must have a day';
	END IF;
	PERFORM lock_entities(ARRAY[child, parent], false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	SELECT count(*) AS n, coalesce(bool_or(r.is_primary), false) AS have_primary,
		(array_agg(r.valid) FILTER (WHERE r.parent_id = parent))[1] AS same
	INTO others
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid && days;
	IF others.same IS NOT NULL THEN
		RAISE exclusion_violation USING
			MESSAGE = format('%s is already under %s in hierarchy "%s"', entity_label(child), entity_label(parent), h.name),
			DETAIL = format('Days given: %s; there already: %s.', days, others.same),
			HINT = 'Give other days, or change the relationship that is there.',
			SCHEMA = '@extschema@', TABLE = 'relationship', CONSTRAINT = 'relationship_valid_excl';
	END IF;

	former := enter_reason(assign.reason);
	INSERT INTO relationship AS r (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level,
		attributes, valid)
	VALUES (h.hierarchy_id, parent, child,
		CASE WHEN assign.relationship_type IS NULL AND cardinality(h.relationship_types) = 1
			THEN h.relationship_types[1] ELSE assign.relationship_type END,
		coalesce(assign.is_primary, NOT others.have_primary AND (h.require_primary OR others.n = 0)),
		CASE WHEN assign.share IS NULL AND h.share_mode = 'split' AND others.n = 0 THEN 1 ELSE assign.share END,
		assign.influence_level, coalesce(assign.attributes, '{}'), days)
	RETURNING r.* INTO result;
	PERFORM leave_reason(former);
	RETURN result;
END
$$;
COMMENT ON FUNCTION @extschema@.assign(text, bigint, bigint, numeric, boolean, text, numeric, daterange, jsonb, text) IS
'puts an entity under another one in a hierarchy';

CREATE FUNCTION @extschema@.following(hierarchy_id integer, child bigint, parent bigint, days daterange)
RETURNS daterange[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
	WITH RECURSIVE piece AS (
		SELECT following.days AS valid
		UNION ALL
		SELECT r.valid
		FROM piece p
			JOIN relationship r ON r.hierarchy_id = following.hierarchy_id AND r.child_id = following.child
				AND r.parent_id = following.parent AND lower(r.valid) = upper(p.valid))
	SELECT array_agg(p.valid ORDER BY p.valid) FROM piece p WHERE p.valid <> following.days;
$$;
COMMENT ON FUNCTION @extschema@.following(integer, bigint, bigint, daterange) IS
'when a child is under a parent without a gap after these days: a stay in pieces, with different shares, say; internal';

CREATE FUNCTION @extschema@.unassign(
	hierarchy text,
	child bigint,
	parent bigint,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(unassign.hierarchy);
	day date := check_day(unassign.effective);
	old @extschema@.relationship%ROWTYPE;
	later daterange[];
	former text;
BEGIN
	IF child IS NULL OR parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and parent must not be NULL';
	END IF;
	PERFORM lock_entities(ARRAY[child, parent], false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	-- the relationship of that day; if there is none, the next one to begin
	SELECT r.* INTO old
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent
		AND NOT r.valid << daterange(day, day, '[]')
	ORDER BY r.valid
	LIMIT 1;
	IF NOT FOUND THEN
		PERFORM refuse_missing(h, child, parent, day);
	END IF;

	former := enter_reason(unassign.reason);
	later := following(h.hierarchy_id, child, parent, old.valid);
	IF later IS NOT NULL THEN
		DELETE FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent AND r.valid = ANY (later);
	END IF;
	IF lower(old.valid) >= day THEN
		DELETE FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent AND r.valid = old.valid;
		old.valid := 'empty';
	ELSE
		UPDATE relationship r SET valid = daterange(lower(old.valid), day)
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent AND r.valid = old.valid
		RETURNING r.* INTO old;
	END IF;
	IF NOT FOUND THEN
		PERFORM refuse_change(h.name, child);
	END IF;
	PERFORM leave_reason(former);
	RETURN old;
END
$$;
COMMENT ON FUNCTION @extschema@.unassign(text, bigint, bigint, date, text) IS
'ends the relationship of an entity to a parent; one that would never have begun is deleted';

CREATE FUNCTION @extschema@.refuse_change(hierarchy text, child bigint)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	RAISE insufficient_privilege USING
		MESSAGE = format('relationship of %s in hierarchy "%s" cannot be changed by %s', entity_label(child), hierarchy,
			quote_ident(current_user)),
		DETAIL = 'It can be read, but a policy does not let it be changed.';
END
$$;
COMMENT ON FUNCTION @extschema@.refuse_change(text, bigint) IS
'raises the error for a row that row-level security hides from UPDATE; internal';

CREATE FUNCTION @extschema@.refuse_double(h @extschema@.hierarchy, child bigint, parent bigint, days daterange, there daterange)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	RAISE invalid_parameter_value USING
		MESSAGE = format('%s is already under %s in hierarchy "%s"', entity_label(child), entity_label(parent), h.name),
		DETAIL = format('It would be so %s, and is already %s.', days, there),
		HINT = 'End one of the two relationships with unassign.';
END
$$;
COMMENT ON FUNCTION @extschema@.refuse_double(@extschema@.hierarchy, bigint, bigint, daterange, daterange) IS
'raises the error for a move to where the child is already; internal';

CREATE FUNCTION @extschema@.reassign(
	hierarchy text,
	child bigint,
	from_parent bigint,
	to_parent bigint,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(reassign.hierarchy);
	day date := check_day(reassign.effective);
	old @extschema@.relationship%ROWTYPE;
	result @extschema@.relationship%ROWTYPE;
	later daterange[];
	days daterange;
	clash daterange;
	n bigint;
	former text;
BEGIN
	IF child IS NULL OR to_parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and new parent must not be NULL';
	ELSIF child = to_parent THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be its own parent', entity_label(child));
	ELSIF from_parent = to_parent THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be moved from %s to the same', entity_label(child), entity_label(from_parent)),
			HINT = 'Name two different parents.';
	END IF;

	-- The former parent is locked with the others, so it is needed now.
	PERFORM lock_entities(ARRAY[child, to_parent] || coalesce(from_parent,
		(SELECT min(r.parent_id) FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day)), false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	SELECT r.* INTO old
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day
		AND r.parent_id = coalesce(reassign.from_parent, r.parent_id)
	LIMIT 1;
	IF NOT FOUND THEN
		PERFORM refuse_missing(h, child, from_parent, day, 'To add a parent instead of replacing one, use assign.');
	END IF;
	IF from_parent IS NULL THEN
		SELECT count(*) INTO n
		FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day;
		IF n > 1 THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('%s has %s parents in hierarchy "%s" on %s', entity_label(child), n, h.name,
					to_char(day, 'YYYY-MM-DD')),
				DETAIL = list_parents(h.hierarchy_id, child, day),
				HINT = 'Say which of them is to be replaced: from_parent.';
		ELSIF old.parent_id = to_parent THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('%s is already under %s in hierarchy "%s"', entity_label(child), entity_label(to_parent), h.name),
				DETAIL = format('Its relationship is valid %s.', old.valid);
		END IF;
	END IF;
	later := following(h.hierarchy_id, child, old.parent_id, old.valid);
	days := daterange(day, upper(coalesce(later[cardinality(later)], old.valid)));
	SELECT (array_agg(r.valid))[1] INTO clash
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = to_parent AND r.valid && days;
	IF clash IS NOT NULL THEN
		PERFORM refuse_double(h, child, to_parent, days, clash);
	END IF;

	former := enter_reason(reassign.reason);
	IF lower(old.valid) = day THEN
		UPDATE relationship r SET parent_id = to_parent
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = old.parent_id AND r.valid = old.valid
		RETURNING r.* INTO result;
	ELSE
		WITH ended AS (
			UPDATE relationship r SET valid = daterange(lower(old.valid), day)
			WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = old.parent_id AND r.valid = old.valid
			RETURNING r.*)
		INSERT INTO relationship AS r (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level,
			attributes, valid)
		SELECT e.hierarchy_id, to_parent, e.child_id, e.relationship_type, e.is_primary, e.share, e.influence_level, e.attributes,
			daterange(day, upper(old.valid))
		FROM ended e
		RETURNING r.* INTO result;
	END IF;
	IF NOT FOUND THEN
		PERFORM refuse_change(h.name, child);
	END IF;
	IF later IS NOT NULL THEN
		UPDATE relationship r SET parent_id = to_parent
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = old.parent_id AND r.valid = ANY (later);
	END IF;
	PERFORM leave_reason(former);
	RETURN result;
END
$$;
COMMENT ON FUNCTION @extschema@.reassign(text, bigint, bigint, bigint, date, text) IS
'moves an entity, with all below it, from one parent to another from a day on';

-- Shares and primary parents, from a day on

CREATE FUNCTION @extschema@.revise_relationships(
	hierarchy_id integer,
	child bigint,
	parents bigint[],
	shares numeric[],
	primaries boolean[],
	day date)
RETURNS SETOF @extschema@.relationship
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	expected bigint;
	n bigint;
BEGIN
	SELECT count(*) INTO expected
	FROM unnest(parents, shares, primaries) AS w (parent_id, share, is_primary)
		JOIN relationship r ON r.hierarchy_id = revise_relationships.hierarchy_id AND r.child_id = child
			AND r.parent_id = w.parent_id AND r.valid @> day
	WHERE (r.share, r.is_primary) IS DISTINCT FROM (w.share, w.is_primary);

	-- those that began before the day are ended, and go on with other figures
	RETURN QUERY
	WITH wanted AS (
		SELECT r.valid, w.*
		FROM unnest(parents, shares, primaries) AS w (parent_id, share, is_primary)
			JOIN relationship r ON r.hierarchy_id = revise_relationships.hierarchy_id AND r.child_id = child
				AND r.parent_id = w.parent_id AND r.valid @> day
		WHERE (r.share, r.is_primary) IS DISTINCT FROM (w.share, w.is_primary)),
	changed AS (
		UPDATE relationship r SET share = w.share, is_primary = w.is_primary
		FROM wanted w
		WHERE r.hierarchy_id = revise_relationships.hierarchy_id AND r.child_id = child AND r.parent_id = w.parent_id
			AND r.valid = w.valid AND lower(w.valid) = day
		RETURNING r.*),
	ended AS (
		UPDATE relationship r SET valid = daterange(lower(w.valid), day)
		FROM wanted w
		WHERE r.hierarchy_id = revise_relationships.hierarchy_id AND r.child_id = child AND r.parent_id = w.parent_id
			AND r.valid = w.valid AND lower(w.valid) IS DISTINCT FROM day
		RETURNING r.hierarchy_id, r.parent_id, r.child_id, r.relationship_type, w.is_primary, w.share, r.influence_level,
			r.attributes, daterange(day, upper(w.valid))),
	begun AS (
		INSERT INTO relationship AS r (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share,
			influence_level, attributes, valid)
		SELECT * FROM ended
		RETURNING r.*)
	SELECT * FROM changed UNION ALL SELECT * FROM begun;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n <> expected THEN
		PERFORM refuse_change((SELECT h.name FROM hierarchy h WHERE h.hierarchy_id = revise_relationships.hierarchy_id), child);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.revise_relationships(integer, bigint, bigint[], numeric[], boolean[], date) IS
'gives relationships of a child other shares and primary marks from a day on; internal';

CREATE FUNCTION @extschema@.set_shares(
	hierarchy text,
	child bigint,
	shares jsonb,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS SETOF @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(set_shares.hierarchy);
	day date := check_day(set_shares.effective);
	former text := enter_reason(set_shares.reason);
	parents bigint[];
	new_shares numeric[];
	primaries boolean[];
	missing bigint;
BEGIN
	IF child IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child must not be NULL';
	ELSIF jsonb_typeof(shares) IS DISTINCT FROM 'object' OR shares = '{}'
		OR EXISTS (SELECT FROM jsonb_each(set_shares.shares) s
			WHERE s.key !~ '^[0-9]{1,18}$' OR jsonb_typeof(s.value) NOT IN ('number', 'null'))
	THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'shares cannot be read',
			HINT = 'Write {"number of a parent": share, ...}; null for a share that is not stated.';
	END IF;
	SELECT array_agg(s.key::bigint), array_agg((s.value #>> '{}')::numeric) INTO parents, new_shares
	FROM jsonb_each(set_shares.shares) s;
	PERFORM lock_entities(child || parents, false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	SELECT min(p.parent_id) FILTER (WHERE r.child_id IS NULL), array_agg(r.is_primary ORDER BY p.ord) INTO missing, primaries
	FROM unnest(parents) WITH ORDINALITY AS p (parent_id, ord)
		LEFT JOIN relationship r ON r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = p.parent_id
			AND r.valid @> day;
	IF missing IS NOT NULL THEN
		PERFORM refuse_missing(h, child, missing, day, 'To add a parent, use assign.');
	END IF;
	PERFORM revise_relationships(h.hierarchy_id, child, parents, new_shares, primaries, day);
	PERFORM leave_reason(former);
	RETURN QUERY
	SELECT r.* FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = ANY (parents) AND r.valid @> day
	ORDER BY r.parent_id;
END
$$;
COMMENT ON FUNCTION @extschema@.set_shares(text, bigint, jsonb, date, text) IS
'sets shares of a child, by parent, from a day on';

CREATE FUNCTION @extschema@.set_share(
	hierarchy text,
	child bigint,
	parent bigint,
	share numeric,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	result @extschema@.relationship%ROWTYPE;
BEGIN
	IF parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'parent must not be NULL';
	END IF;
	SELECT r.* INTO result
	FROM set_shares(set_share.hierarchy, child, jsonb_build_object(parent, set_share.share), set_share.effective,
		set_share.reason) r;
	RETURN result;
END
$$;
COMMENT ON FUNCTION @extschema@.set_share(text, bigint, bigint, numeric, date, text) IS
'sets the share of a child that counts for a parent, from a day on';

CREATE FUNCTION @extschema@.set_primary(
	hierarchy text,
	child bigint,
	parent bigint,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(set_primary.hierarchy);
	day date := check_day(set_primary.effective);
	former text := enter_reason(set_primary.reason);
	result @extschema@.relationship%ROWTYPE;
	parents bigint[];
	shares numeric[];
	primaries boolean[];
BEGIN
	IF child IS NULL OR parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and parent must not be NULL';
	END IF;
	PERFORM lock_entities(ARRAY[child, parent] || (SELECT array_agg(r.parent_id) FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day), false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	SELECT array_agg(r.parent_id), array_agg(r.share), array_agg(r.parent_id = parent) INTO parents, shares, primaries
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day;
	IF parents IS NULL OR NOT parent = ANY (parents) THEN
		PERFORM refuse_missing(h, child, parent, day, 'To add a parent, use assign.');
	END IF;
	PERFORM revise_relationships(h.hierarchy_id, child, parents, shares, primaries, day);
	PERFORM leave_reason(former);
	SELECT r.* INTO result FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent AND r.valid @> day;
	RETURN result;
END
$$;
COMMENT ON FUNCTION @extschema@.set_primary(text, bigint, bigint, date, text) IS
'makes one of the parents of a child the primary one, from a day on';

-- Many moves at once

CREATE FUNCTION @extschema@.move_relationships(
	h @extschema@.hierarchy,
	children bigint[],
	from_parents bigint[],
	to_parents bigint[],
	days date[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer := h.hierarchy_id;
	m record;
	other record;
	n bigint;
	found_parents bigint[];
	found_days daterange[];
	ords bigint[];
BEGIN
	SELECT x.* INTO m
	FROM unnest(children, from_parents, to_parents) AS x (child, from_parent, to_parent)
	WHERE x.child IS NULL OR x.to_parent IS NULL OR x.child = x.to_parent OR x.from_parent = x.to_parent
	LIMIT 1;
	IF NOT FOUND THEN
		NULL;
	ELSIF m.child IS NULL OR m.to_parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and new parent of a move must not be NULL';
	ELSIF m.child = m.to_parent THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be its own parent', entity_label(m.child));
	ELSE
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be moved from %s to the same', entity_label(m.child), entity_label(m.from_parent)),
			HINT = 'Name two different parents.';
	END IF;

	PERFORM lock_entities((
		SELECT array_agg(DISTINCT e.entity_id)
		FROM (
			SELECT unnest(children || to_parents || array_remove(from_parents, NULL))
			UNION ALL
			SELECT r.parent_id
			FROM unnest(children, from_parents, days) AS x (child, from_parent, day)
				JOIN relationship r ON r.hierarchy_id = id AND r.child_id = x.child AND r.valid @> x.day
			WHERE x.from_parent IS NULL) AS e (entity_id)), false);
	PERFORM lock_children(id, (SELECT array_agg(DISTINCT c) FROM unnest(children) c));

	SELECT array_agg(f.ord), array_agg(f.parent_id), array_agg(f.valid) INTO ords, found_parents, found_days
	FROM (
		SELECT x.ord, r.parent_id, r.valid
		FROM unnest(children, from_parents, days) WITH ORDINALITY AS x (child, from_parent, day, ord)
			LEFT JOIN relationship r ON r.hierarchy_id = id AND r.child_id = x.child AND r.valid @> x.day
				AND r.parent_id = coalesce(x.from_parent, r.parent_id)
		ORDER BY x.ord) f;

	-- each move is of one relationship ...
	IF array_position(found_parents, NULL) IS NOT NULL THEN
		n := array_position(found_parents, NULL);
		n := ords[n];
		PERFORM refuse_missing(h, children[n], from_parents[n], days[n],
			format('Of %s moves, this is number %s.', cardinality(children), n));
	ELSIF cardinality(ords) > cardinality(children) THEN
		SELECT f.ord, count(*) AS n INTO m FROM unnest(ords) AS f (ord) GROUP BY f.ord HAVING count(*) > 1 ORDER BY f.ord LIMIT 1;
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s has %s parents in hierarchy "%s" on %s', entity_label(children[m.ord]), m.n, h.name,
				to_char(days[m.ord], 'YYYY-MM-DD')),
			DETAIL = list_parents(id, children[m.ord], days[m.ord]),
			HINT = 'Say which of them is to be replaced: "from".';
	END IF;
	-- ... each relationship moves once, and none comes to where there is one
	SELECT x.child, x.parent_id, array_agg(x.to_parent ORDER BY x.ord) AS targets INTO m
	FROM unnest(children, found_parents, found_days, to_parents) WITH ORDINALITY AS x (child, parent_id, valid, to_parent, ord)
	GROUP BY x.child, x.parent_id, x.valid
	HAVING count(*) > 1
	ORDER BY min(x.ord)
	LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s moves from %s more than once', entity_label(m.child), entity_label(m.parent_id)),
			DETAIL = format('It moves to: %s.', (SELECT string_agg(entity_label(t), ', ') FROM unnest(m.targets) t)),
			HINT = 'Make it one move.';
	END IF;
	WITH moves AS (
		SELECT x.*, daterange(x.day, upper(x.valid)) AS rest
		FROM unnest(children, found_parents, found_days, to_parents, days) WITH ORDINALITY
			AS x (child, parent_id, valid, to_parent, day, ord)),
	there AS (
		-- what stays under the new parents, and what comes there by other moves
		SELECT x.ord, r.valid * CASE WHEN o.child IS NULL THEN '(,)' ELSE daterange(NULL, o.day) END AS valid
		FROM moves x
			JOIN relationship r ON r.hierarchy_id = id AND r.child_id = x.child AND r.parent_id = x.to_parent AND r.valid && x.rest
			LEFT JOIN moves o ON o.child = r.child_id AND o.parent_id = r.parent_id AND o.valid = r.valid
		UNION ALL
		SELECT x.ord, o.rest
		FROM moves x JOIN moves o ON o.child = x.child AND o.to_parent = x.to_parent AND o.ord < x.ord)
	SELECT x.child, x.to_parent, x.rest, t.valid INTO m
	FROM moves x JOIN there t ON t.ord = x.ord AND t.valid && x.rest
	ORDER BY x.ord
	LIMIT 1;
	IF FOUND THEN
		PERFORM refuse_double(h, m.child, m.to_parent, m.rest, m.valid);
	END IF;

	-- The sort lets every old relationship end before the first new one begins:
	-- no cycle is seen that the moves resolve.
	WITH moves AS (
		SELECT x.*, lower(x.valid) IS NOT DISTINCT FROM x.day AS in_place
		FROM unnest(children, found_parents, found_days, to_parents, days) AS x (child, parent_id, valid, to_parent, day)),
	ended AS (
		UPDATE relationship r SET valid = daterange(lower(x.valid), x.day)
		FROM moves x
		WHERE r.hierarchy_id = id AND r.child_id = x.child AND r.parent_id = x.parent_id AND r.valid = x.valid AND NOT x.in_place
		RETURNING x.to_parent, r.child_id, r.relationship_type, r.is_primary, r.share, r.influence_level, r.attributes,
			daterange(x.day, upper(x.valid)) AS valid),
	gone AS (
		DELETE FROM relationship r
		USING moves x
		WHERE r.hierarchy_id = id AND r.child_id = x.child AND r.parent_id = x.parent_id AND r.valid = x.valid AND x.in_place
		RETURNING x.to_parent, r.child_id, r.relationship_type, r.is_primary, r.share, r.influence_level, r.attributes, r.valid)
	INSERT INTO relationship (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level,
		attributes, valid)
	SELECT id, b.*
	FROM (SELECT * FROM ended UNION ALL SELECT * FROM gone) b
	ORDER BY b.child_id, b.to_parent;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n <> cardinality(children) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('%s of %s relationships in hierarchy "%s" cannot be changed by %s', cardinality(children) - n,
				cardinality(children), h.name, quote_ident(current_user)),
			DETAIL = 'They can be read, but a policy does not let them be changed.';
	END IF;
	-- what follows without a gap under the former parents, unless moved by itself
	UPDATE relationship r SET parent_id = x.to_parent
	FROM (
		SELECT m.child, m.parent_id, m.to_parent, unnest(following(id, m.child, m.parent_id, m.valid)) AS valid
		FROM unnest(children, found_parents, found_days, to_parents) AS m (child, parent_id, valid, to_parent)
		WHERE NOT upper_inf(m.valid)) x
	WHERE r.hierarchy_id = id AND r.child_id = x.child AND r.parent_id = x.parent_id AND r.valid = x.valid;
	RETURN n;
END
$$;
COMMENT ON FUNCTION @extschema@.move_relationships(@extschema@.hierarchy, bigint[], bigint[], bigint[], date[]) IS
'moves children to other parents, all or none; internal';

CREATE FUNCTION @extschema@.reassign_children(
	hierarchy text,
	from_parent bigint,
	to_parent bigint,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(reassign_children.hierarchy);
	day date := check_day(reassign_children.effective);
	former text := enter_reason(reassign_children.reason);
	children bigint[];
	n bigint := 0;
BEGIN
	IF from_parent IS NULL OR to_parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'parents must not be NULL';
	ELSIF from_parent = to_parent THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('children of %s cannot be moved to the same', entity_label(from_parent)),
			HINT = 'Name two different parents.';
	END IF;
	-- again while others add some
	LOOP
		SELECT array_agg(c.node ORDER BY c.node) INTO children
		FROM children(find_graph(h.hierarchy_id, h.name), from_parent, as_of => day) c;
		EXIT WHEN children IS NULL;
		n := n + move_relationships(h, children, array_fill(from_parent, ARRAY[cardinality(children)]),
			array_fill(to_parent, ARRAY[cardinality(children)]), array_fill(day, ARRAY[cardinality(children)]));
	END LOOP;
	PERFORM leave_reason(former);
	RETURN n;
END
$$;
COMMENT ON FUNCTION @extschema@.reassign_children(text, bigint, bigint, date, text) IS
'moves all children of a parent to another one from a day on; returns how many';

CREATE FUNCTION @extschema@.reassign_many(
	hierarchy text,
	moves jsonb,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(reassign_many.hierarchy);
	day date := check_day(reassign_many.effective);
	former text := enter_reason(reassign_many.reason);
	wrong jsonb;
	children bigint[];
	from_parents bigint[];
	to_parents bigint[];
	days date[];
	n bigint;
BEGIN
	IF moves IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'moves must not be NULL';
	ELSIF jsonb_typeof(moves) <> 'array' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'moves are not a JSON array',
			HINT = 'Write [{"child": number, "from": number, "to": number, "effective": "day"}, ...]; from and effective may be left out.';
	END IF;
	SELECT m.value INTO wrong
	FROM jsonb_array_elements(moves) m
	WHERE jsonb_typeof(m.value) <> 'object'
		OR NOT m.value ? 'child' OR NOT m.value ?| ARRAY['to', 'to_parent']
		OR m.value ?& ARRAY['from', 'from_parent'] OR m.value ?& ARRAY['to', 'to_parent']
		OR m.value - ARRAY['child', 'from', 'from_parent', 'to', 'to_parent', 'effective'] <> '{}'
		OR concat_ws(' ', m.value->>'child', m.value->>'from', m.value->>'from_parent', m.value->>'to', m.value->>'to_parent') ~ '[^0-9 -]'
	LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('move %s cannot be read', wrong),
			HINT = 'Write {"child": number, "from": number, "to": number, "effective": "day"}; from and effective may be left out.';
	END IF;
	SELECT array_agg((m->>'child')::bigint), array_agg(coalesce(m->>'from', m->>'from_parent')::bigint),
		array_agg(coalesce(m->>'to', m->>'to_parent')::bigint),
		array_agg(coalesce((m->>'effective')::date, day))
	INTO children, from_parents, to_parents, days
	FROM jsonb_array_elements(moves) m;
	PERFORM check_day(d) FROM unnest(days) d WHERE NOT isfinite(d);
	n := CASE WHEN children IS NULL THEN 0 ELSE move_relationships(h, children, from_parents, to_parents, days) END;
	PERFORM leave_reason(former);
	RETURN n;
END
$$;
COMMENT ON FUNCTION @extschema@.reassign_many(text, jsonb, date, text) IS
'makes many moves, all or none; returns how many';

CREATE FUNCTION @extschema@.reassign_many(
	hierarchy text,
	moves regclass,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(reassign_many.hierarchy);
	day date := check_day(reassign_many.effective);
	former text := enter_reason(reassign_many.reason);
	columns name[];
	children bigint[];
	from_parents bigint[];
	to_parents bigint[];
	days date[];
	n bigint;
BEGIN
	SELECT array_agg(a.attname) INTO columns
	FROM pg_attribute a
	WHERE a.attrelid = moves AND a.attnum > 0 AND NOT a.attisdropped
		AND a.attname IN ('child', 'from_parent', 'to_parent', 'effective');
	IF columns IS NULL OR NOT columns @> ARRAY['child', 'from_parent', 'to_parent']::name[] THEN
		RAISE undefined_column USING
			MESSAGE = format('table "%s" is not a list of moves', moves),
			HINT = 'It needs columns child, from_parent, to_parent and may have effective.';
	END IF;
	EXECUTE format('SELECT array_agg(m.child), array_agg(m.from_parent), array_agg(m.to_parent), '
		'array_agg(coalesce(%s, $1)) FROM %s m',
		CASE WHEN 'effective' = ANY (columns) THEN 'm.effective' ELSE 'NULL' END, moves)
	INTO children, from_parents, to_parents, days
	USING day;
	PERFORM check_day(d) FROM unnest(days) d WHERE NOT isfinite(d);
	n := CASE WHEN children IS NULL THEN 0 ELSE move_relationships(h, children, from_parents, to_parents, days) END;
	PERFORM leave_reason(former);
	RETURN n;
END
$$;
COMMENT ON FUNCTION @extschema@.reassign_many(text, regclass, date, text) IS
'makes the moves that a table lists, all or none; returns how many';

-- A literal without a type: text is what PostgreSQL takes it for, as soon as
-- there is a function that accepts text.
CREATE FUNCTION @extschema@.reassign_many(
	hierarchy text,
	moves text,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS $$
BEGIN
	IF moves IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'moves must not be NULL';
	ELSIF moves OPERATOR(pg_catalog.~) '^\s*[[{]' THEN
		RETURN @extschema@.reassign_many(hierarchy, moves::pg_catalog.jsonb, effective, reason);
	END IF;
	-- the name of a table, by the caller's search_path
	RETURN @extschema@.reassign_many(hierarchy, moves::pg_catalog.regclass, effective, reason);
END
$$;
COMMENT ON FUNCTION @extschema@.reassign_many(text, text, date, text) IS
'makes many moves, all or none, from JSON or from the table of this name; returns how many';
