-- Names that are not what one expects: quotes, dots, backslashes, format
-- specifiers, comments, reserved words, 63 bytes.  Everything that makes commands
-- out of names is done with real objects of each of them; what they say is never
-- executed.
-- In a database of its own: there are entity types and schemas of these names.
\set database :DBNAME
CREATE DATABASE regress_nasty TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_nasty
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION hierarchy;
CREATE SCHEMA nasty;
SET search_path = public, hierarchy;

-- whoever calls it leaves a trace, even if the transaction fails
CREATE SEQUENCE nasty.canary;
CREATE TABLE nasty.name (n serial, name text);
-- the first ones have everything; those of the directory take longer
INSERT INTO nasty.name (name) VALUES
	('''"; SELECT nextval(''nasty.canary''); --'), ('$$ || nextval(''nasty.canary'') || $$'), (''' || nextval(''nasty.canary'') || '''),
	('a.b;"c".''d''\e%s%I%1$s$1{f,"g"}'), (E'A\tb\nc \x01Größe → 日本--,(*)'), (repeat('é', 31) || 'x'),
	('x"); SELECT nextval(''nasty.canary'');/*'), ('%n%'), ('{"a": ["b"]}'), ('""'), (''''''), ('\'), ('.'), ('$query$'), ('select'), ('-1'),
	(repeat('x', 63));

-- try(command, ...): the SQLSTATE of what failed
CREATE FUNCTION nasty.try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END
$$;

-- is(what, got, expected): says what is not as it should be
CREATE FUNCTION nasty.is(what text, got text, expected text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF got IS DISTINCT FROM expected THEN
		RAISE WARNING '%: got %, expected %', what, got, expected;
	END IF;
END
$$;

CREATE FUNCTION nasty.is(what text, got boolean, expected boolean) RETURNS void LANGUAGE sql
AS 'SELECT nasty.is(what, got::text, expected::text)';

-- A table, its graph and its facts, all of that name
CREATE FUNCTION nasty.of_a_table(name text) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	q text := quote_ident(name);
	graph text := format('%I.%I', name, left(name, 20) || ' g');
	other text := left(name, 20) || ' 2';
	made text;
	shown text;
BEGIN
	EXECUTE format('CREATE SCHEMA %I', name);
	EXECUTE format('CREATE TABLE %1$I.%1$I (%1$I text, %2$I text, share numeric)', name, other);
	EXECUTE format('INSERT INTO %1$I.%1$I VALUES (''root'', %2$L, 1), (%2$L, ''leaf'', 0.5)', name, name);
	EXECUTE format('CREATE INDEX %3$I ON %1$I.%1$I USING hgraph (%1$I, %2$I) INCLUDE (share) WITH (weight = ''share'')',
		name, other, left(name, 20) || ' g');
	EXECUTE format('CREATE TABLE %1$I.%2$I (%1$I text, %2$I numeric, region text)', name, other);
	EXECUTE format('INSERT INTO %1$I.%2$I VALUES (''leaf'', 8, ''n''), (%1$L, 4, %1$L)', name, other);

	PERFORM nasty.is('type hgraph of ' || q, graph::hgraph::text::hgraph::text, graph);
	PERFORM nasty.is('table as a graph ' || q, (format('%1$I.%1$I', name)::hgraph)::text, graph);
	PERFORM nasty.is('descendants of ' || q, (SELECT string_agg(node, '|' ORDER BY depth) FROM descendants(graph::hgraph, 'root')), name || '|leaf');
	PERFORM nasty.is('paths of ' || q, (SELECT path::text FROM paths(graph::hgraph, 'leaf')), ARRAY['root', name, 'leaf']::text);
	PERFORM nasty.is('verify of ' || q, (SELECT count(*)::text FROM verify(graph::hgraph)), '0');
	EXECUTE format('SELECT string_agg(node, ''|'' ORDER BY depth) FROM descendants(%L, %L)', graph, name) INTO shown;
	PERFORM nasty.is('descendants of a literal ' || q, shown, 'leaf');
	EXECUTE format('SELECT count(*) FROM %1$I.%2$I WHERE within(%3$L, %1$I, %4$L)', name, other, graph, name) INTO shown;
	PERFORM nasty.is('within ' || q, shown, '2');
	PERFORM nasty.is('cycle ' || q, nasty.try(format('INSERT INTO %1$I.%1$I VALUES (''leaf'', ''root'')', name)),
		format('23514 cycle in graph "%s" of table "%s"', left(name, 20) || ' g', name));

	-- facts by names of table and columns
	PERFORM nasty.is('rollup_table ' || q,
		(SELECT string_agg(e.total::text, '|' ORDER BY depth) FROM each(rollup_table(graph::hgraph, format('%I.%I', name, other)::regclass, name, other), NULL::text) e),
		'12|12|8');
	PERFORM nasty.is('rollup as text ' || q,
		(rollup_table(graph::hgraph, format('%I.%I', name, other)::regclass, name, other)::text::hrollup -> name)::text, '12');
	PERFORM nasty.is('drilldown ' || q,
		(SELECT node || d.total::text FROM drilldown(graph::hgraph, name, format('%I.%I', name, other)::regclass, name, other, filter => 'region <> ''x''') d), 'leaf8');
	made := create_rollup_view(format('%I.%I', name, left(name, 20) || ' v'), graph::hgraph, format('%I.%I', name, other)::regclass, name,
		ARRAY[other], ARRAY['region'], comment => name);
	PERFORM nasty.is('rollup view ' || q, nasty.try(format('SELECT * FROM %s WHERE region = %L', made, name)), 'done');
	PERFORM nasty.is('comment of a rollup view ' || q, (SELECT position(name in obj_description(made::regclass, 'pg_class')) > 0)::text, 'true');
	PERFORM drop_rollup_view(made);
	PERFORM nasty.is('rollup view dropped ' || q, to_regclass(made)::text, NULL);
	EXECUTE format('DROP SCHEMA %I CASCADE', name);
END
$$;

-- A hierarchy, its types, entities, identifiers and lists, all of that name
CREATE PROCEDURE nasty.of_the_directory(name text) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	q text := quote_ident(name);
	short text := CASE WHEN octet_length(name) < 50 THEN name ELSE left(name, 20) END;
	title text := short || ' h';
	root bigint;
	leaf bigint;
	batch bigint;
	moment timestamptz;
	result record;
BEGIN
	INSERT INTO identifier_scheme (scheme) VALUES (short || ' i');
	PERFORM create_hierarchy(title, name, type_rules => jsonb_build_object(name, jsonb_build_array(name)), relationship_types => ARRAY[name]);
	root := add_entity(name, name || 'root', name, jsonb_build_object(name, name), jsonb_build_object(short || ' i', name), name);
	leaf := add_entity(name, name, name);
	PERFORM nasty.is('entity_id ' || q, entity_id(name, name || 'root')::text, root::text);
	PERFORM nasty.is('entity_id by identifier ' || q, entity_id(short || ' i', name)::text, root::text);
	PERFORM nasty.is('entity_label ' || q, entity_label(leaf), format('%s "%s"', name, name));
	PERFORM assign(title, leaf, root, relationship_type => name, valid => '[2024-01-01,)', attributes => jsonb_build_object(name, name), reason => name);
	PERFORM nasty.is('label ' || q, (SELECT count(*)::text FROM descendants(format('hierarchy.%I', title)::hgraph, root,
		labels => ARRAY[relationship_label(name)])), '1');
	PERFORM nasty.is('cycle ' || q, nasty.try(format('SELECT hierarchy.assign(%L, %s, %s)', title, root, leaf)),
		format('23514 cycle in graph "%s" of table "relationship_%s"', title, (find_hierarchy(title)).hierarchy_id));
	PERFORM nasty.is('family_tree ' || q, (SELECT string_agg(f.code, '|' ORDER BY depth) FROM family_tree(title, leaf) f), name || 'root|' || name);
	PERFORM nasty.is('domestic_ultimate ' || q, domestic_ultimate(title, leaf, name)::text, NULL);
	PERFORM nasty.is('preview ' || q, nasty.try(format('SELECT hierarchy.preview_reassign(%L, %s, %s, %s)', title, leaf, root, leaf)),
		format('22023 %s "%s" cannot be its own parent', name, name));
	PERFORM nasty.is('reassign_many ' || q, nasty.try(format('SELECT hierarchy.reassign_many(%L, %L)', title,
		jsonb_build_array(jsonb_build_object('child', name, 'from', name, 'to', name)))) ~ '^(22|42|P0|done)', true);

	-- the past
	PERFORM nasty.is('history ' || q, (SELECT position(name in string_agg(h.event || h.reason, '')) > 0 FROM history(leaf) h)::text, 'true');
	moment := clock_timestamp();
	COMMIT;
	UPDATE entity e SET attributes = jsonb_build_object(name, 'changed') WHERE e.entity_id = leaf;
	COMMIT;
	PERFORM nasty.is('undo ' || q, undo((SELECT max(c.change_id) FROM change_log c), name) > 0, true);
	PERFORM nasty.is('attributes after undo ' || q, (SELECT e.attributes::text FROM entity e WHERE e.entity_id = leaf), '{}');
	PERFORM nasty.is('known ' || q, (SELECT count(*)::text FROM relationships_known_at(title, moment)), '1');
	PERFORM nasty.is('graph as known ' || q, (SELECT count(*)::text FROM descendants(as_known_at(title, moment), root)), '1');
	PERFORM nasty.is('comparison ' || q, (SELECT count(*)::text FROM compare_hierarchy(title, '-infinity', moment)), '1');

	-- lists: names of source, file and columns, values
	batch := new_load_batch(name, ARRAY[short || ' c', 'n'], name, 1, name);
	EXECUTE format('INSERT INTO hierarchy.%I (%I, n) VALUES (%L, %L), (%L, %L)', 'load_stage_' || batch, short || ' c', name, name || '2', name || 'new', name);
	result := load(batch, jsonb_build_object('code', short || ' c', 'name', 'n', 'entity_type', jsonb_build_object('value', name),
		'attribute.' || name, short || ' c', 'identifier.' || short || ' i', short || ' c', 'parent.code', jsonb_build_object('value', name || 'root'),
		'parent.type', jsonb_build_object('value', name), 'relationship_type', jsonb_build_object('value', name)),
		title, reason => name);
	-- the identifier of the first is that of the root already
	PERFORM nasty.is('rows of a load ' || q, (SELECT string_agg(r.result || coalesce(r.reasons[1], ''), '|' ORDER BY line) FROM load_rows(batch) r),
		'rejectedidentifier_taken|inserted');
	PERFORM nasty.is('values of a source ' || q, (SELECT string_agg(v.value, '|' ORDER BY v.field) FROM entity_values(entity_id(name, name || 'new')) v WHERE v.source = name
		AND v.field = 'name'), name);
	PERFORM nasty.is('attribute of a load ' || q, (SELECT e.attributes ->> name FROM entity e WHERE e.entity_type = name AND e.code = name || 'new'),
		name || 'new');
	PERFORM nasty.is('reason of a load ' || q, (SELECT c.reason FROM change_log c ORDER BY c.change_id DESC LIMIT 1), name);
	PERFORM drop_load_batch(batch);
	PERFORM nasty.is('find_matches ' || q, nasty.try(format('SELECT hierarchy.find_matches(%1$L, %1$L, %1$L, 1)', name)), 'done');

	-- views in a schema of that name
	EXECUTE format('CREATE SCHEMA %I', short);
	PERFORM create_bi_views(title, short, ARRAY[short || 'a text'], ARRAY[short || ' i']);
	EXECUTE format('SELECT count(*) FROM %I.%I t JOIN %I.%I e USING (node) JOIN %I.%I l USING (node)', short, title || '_tree', short, title || '_entity', short, title || '_levels')
		INTO result;
	PERFORM nasty.is('BI views ' || q, (result.count >= 2)::text, 'true');
	PERFORM nasty.is('BI views dropped ' || q, (SELECT count(*)::text FROM drop_bi_views(title, short)), '7');
	EXECUTE format('DROP SCHEMA %I', short);

	PERFORM rename_hierarchy(title, short || ' H');
	PERFORM nasty.is('check ' || q, (SELECT count(*)::text FROM check_hierarchy(short || ' H')), '0');
	PERFORM merge_entity(leaf, root, name);
	COMMIT;
	PERFORM drop_hierarchy(short || ' H', true);
	COMMIT;
	PERFORM nasty.is('undo of the drop ' || q, undo_transaction((SELECT c.txid FROM change_log c ORDER BY c.change_id DESC LIMIT 1), name) > 0, true);
	PERFORM nasty.is('hierarchy after undo ' || q, (find_hierarchy(short || ' H')).graph::text, quote_ident(short || ' H'));
	PERFORM drop_hierarchy(short || ' H', true);
	-- what cannot be a name is refused as one
	PERFORM nasty.is('found ' || q, left(nasty.try(format('SELECT hierarchy.find_hierarchy(%L)', name)), 5), '42704');
	PERFORM nasty.is('template ' || q, nasty.try(format('SELECT hierarchy.create_hierarchy_from_template(%L)', name)) ~ '^(22|42)[^6]', true);
END
$$;

SELECT nasty.of_a_table(name) FROM nasty.name ORDER BY n \g /dev/null
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY (SELECT array_agg(n.name ORDER BY n.n) FROM nasty.name n WHERE n.n <= 6)
	LOOP
		CALL nasty.of_the_directory(name);
		COMMIT;
	END LOOP;
END
$$;
SELECT count(*) AS names, (SELECT is_called FROM nasty.canary) AS executed FROM nasty.name;
SELECT count(*) FROM hierarchy;

\c :database
DROP DATABASE regress_nasty;
