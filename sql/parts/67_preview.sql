
-- What a move would change
--
-- The move is made in a subtransaction that is rolled back, so whatever rules
-- there are speak for themselves.

CREATE FUNCTION @extschema@.preview_reassign(
	hierarchy text,
	child bigint,
	from_parent bigint,
	to_parent bigint,
	effective date DEFAULT NULL,
	source regclass DEFAULT NULL,
	key name DEFAULT NULL,
	value name DEFAULT NULL,
	mode text DEFAULT 'distinct')
RETURNS TABLE (
	aspect text,
	entity_id bigint,
	entity text,
	before numeric,
	after numeric,
	difference numeric,
	message text)
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(preview_reassign.hierarchy);
	day date := check_day(preview_reassign.effective);
	graph @extschema@.hgraph := find_graph(h.hierarchy_id, h.name);
	rollup_before @extschema@.hrollup;
	rollup_after @extschema@.hrollup;
	constraint_name text;
	detail text;
	messages text[] := '{}';
BEGIN
	IF source IS NOT NULL AND key IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = format('key of %s must not be NULL', source),
			HINT = 'Name the column that holds entities.';
	END IF;
	RETURN QUERY
	SELECT 'moved', d.node, entity_label(d.node), NULL::numeric, NULL::numeric, NULL::numeric, NULL::text
	FROM descendants(graph, child, include_self => true, as_of => day) d
	ORDER BY d.depth, d.node;

	BEGIN
		IF source IS NOT NULL THEN
			rollup_before := rollup_table(graph, source, key, value, mode, as_of => day);
		END IF;
		PERFORM reassign(h.name, child, from_parent, to_parent, day);
		IF source IS NOT NULL THEN
			rollup_after := rollup_table(graph, source, key, value, mode, as_of => day);
		END IF;
		-- rules that are checked at commit, each by itself
		FOR constraint_name IN
			SELECT DISTINCT t.tgname FROM pg_trigger t
			WHERE t.tgrelid = format('@extschema@.relationship_%s', h.hierarchy_id)::regclass AND t.tgdeferrable
			ORDER BY t.tgname
		LOOP
			BEGIN
				EXECUTE format('SET CONSTRAINTS @extschema@.%I IMMEDIATE', constraint_name);
			EXCEPTION
				WHEN integrity_constraint_violation THEN
					GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
					messages := messages || concat_ws('. ', sqlerrm, nullif(detail, ''));
			END;
		END LOOP;
		RAISE SQLSTATE 'HG001' USING MESSAGE = 'preview ends';
	EXCEPTION
		WHEN SQLSTATE 'HG001' THEN
			NULL;
		WHEN integrity_constraint_violation THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			messages := messages || concat_ws('. ', sqlerrm, nullif(detail, ''));
	END;

	RETURN QUERY
	SELECT 'rule', child, entity_label(child), NULL::numeric, NULL::numeric, NULL::numeric, m
	FROM unnest(messages) m;
	IF rollup_after IS NOT NULL THEN
		RETURN QUERY
		SELECT 'total', c.node, entity_label(c.node), coalesce(c.before, 0), coalesce(c.after, 0), c.difference, NULL::text
		FROM compare_rollup(rollup_before, rollup_after) c
		WHERE c.difference <> 0
		ORDER BY c.node;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.preview_reassign(text, bigint, bigint, bigint, date, regclass, name, name, text) IS
'what reassign would do: entities moved, rules broken, totals changed; changes nothing';
