# What tests of dumps and upgrades share: a database with everything that could
# get lost, a text that says all of it, and a look whether it is alive.

package HierarchyDump;

use strict;
use warnings;

use Exporter 'import';
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(fill_directory fill_tables directory_text tables_text same_text alive);

# Whatever the database says, values are written so.
my $plain = <<'SQL';
SET search_path = '';
SET datestyle = iso;
SET intervalstyle = postgres;
SET timezone = 'UTC';
SET extra_float_digits = 1;
SET bytea_output = hex;
SET quote_all_identifiers = off;
SET row_security = on;
SQL

# A directory, in the words of its verbs
my $directory = <<'SQL';
SET search_path = public, hierarchy;
INSERT INTO entity_type VALUES ('rep', 'sells'), ('shop', NULL);
INSERT INTO identifier_scheme VALUES ('own', 'our number', '[0-9]+');
INSERT INTO relationship_type VALUES ('spare', 'not in use');
SELECT create_hierarchy('plain');
SELECT create_hierarchy(E'Sales "EU".\'ü\' \\ %', 'with care', 'split', 3, true,
	'[{"child": "shop", "parent": "rep", "max_parents": 2}, {"child": "rep", "parent": "rep"}]', ARRAY['covers', 'helps'], '[2000-01-01,)');
SELECT create_hierarchy('select', share_mode => 'full');
SELECT create_hierarchy('gone');
SELECT drop_hierarchy('gone');
SELECT create_hierarchy('before');
SELECT rename_hierarchy('before', 'after');
GRANT SELECT ON entity, hierarchy, relationship, change_log TO regress_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON relationship TO regress_editor WITH GRANT OPTION;
GRANT UPDATE (name) ON entity TO regress_editor;
GRANT EXECUTE ON FUNCTION create_hierarchy TO regress_editor;
ALTER TABLE relationship ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON relationship USING (true);
SELECT create_hierarchy('granted');
-- those of the extension's own tables are not part of a dump
DROP POLICY everybody ON relationship;
ALTER TABLE relationship DISABLE ROW LEVEL SECURITY;
SET hierarchy.reason = 'filling';
SET hierarchy.request = 'REQ-1';
INSERT INTO entity (entity_id, entity_type, code, name, attributes)
SELECT i, CASE WHEN i <= 20 THEN 'rep' ELSE 'shop' END, 'c' || i, E'N\'"\\ ' || i, jsonb_build_object('n', i) FROM generate_series(1, 200) i;
SELECT setval('entity_entity_id_seq', 200);
SELECT add_entity('shop', 'last', 'Last', identifiers => '{"NPI": "1234567893", "own": ["17", "18"], "DUNS": "123456789"}');
SELECT assign('plain', i, 1 + i / 7) FROM generate_series(2, 200) i WHERE i <> 1 + i / 7;
BEGIN;
SELECT assign(E'Sales "EU".\'ü\' \\ %', i, 1 + i % 20, share => 0.25, relationship_type => 'covers', attributes => '{"a": [1]}') FROM generate_series(21, 120) i;
SELECT assign(E'Sales "EU".\'ü\' \\ %', i, 1 + (i + 3) % 20, share => 0.75, influence_level => 2.5) FROM generate_series(21, 120) i;
COMMIT;
SELECT reassign(E'Sales "EU".\'ü\' \\ %', i, 1 + i % 20, 1 + (i + 5) % 20, '2026-02-01', 'moved') FROM generate_series(30, 60) i;
SELECT assign('select', i, i - 1, 0.5, valid => '[2026-01-01,2026-06-01)') FROM generate_series(2, 50) i;
SELECT assign('granted', 30, 31);
-- a row that comes before the one it was merged into, and a chain
SELECT merge_entity(150, 199), merge_entity(199, 200), merge_entity(198, 197);
SELECT set_entity_status(add_entity('rep', 'off', 'Off'), 'inactive');
SELECT new_load_batch('crm', '{Code,Name,Type,Parent}', 'crm.csv', 1234, 'abc') AS batch \gset
INSERT INTO load_stage_:batch ("Code", "Name", "Type", "Parent") SELECT 'L' || i, E'L\'"\\ ' || i, 'rep', CASE WHEN i > 1 THEN 'L' || i / 2 END FROM generate_series(1, 40) i;
INSERT INTO load_stage_:batch ("Code", "Name", "Type", "Parent") VALUES ('L41', 'x', 'no type', 'nobody');
SELECT load(:batch, '{"entity_type": "Type", "code": "Code", "name": "Name", "parent.code": "Parent", "parent.type": {"value": "rep"}}', 'granted');
SELECT create_bi_views('granted', 'public', '{n integer}', '{own}');
CREATE VIEW below AS SELECT * FROM descendants('plain', 1);
CREATE VIEW careful AS SELECT * FROM descendants('"Sales ""EU"".''ü'' \ %"', 3, as_of => '2026-03-01');
SQL

# Tables of anybody, with graphs of every kind and what is built upon them.
my $tables = <<'SQL';
SET search_path = public, hierarchy;
CREATE SCHEMA "Other "" place";
CREATE TABLE int_edge (parent int, child int, share numeric(9, 4), day daterange, main boolean, kind smallint);
INSERT INTO int_edge SELECT CASE WHEN i > 1 THEN i / 3 + 1 END, i + 1, 0.5 + (i % 5) / 10.0,
	CASE WHEN i % 7 = 0 THEN daterange(date '2020-01-01', date '2021-01-01') ELSE daterange(date '2020-01-01', NULL) END, true, i % 3 FROM generate_series(1, 300) i;
INSERT INTO int_edge SELECT i / 5 + 1, i + 1, 0.25, '[,)', false, 1 FROM generate_series(10, 300) i WHERE i / 5 <> i / 3;
CREATE INDEX int_graph ON int_edge USING hgraph (parent, child) INCLUDE (share, day, main, kind)
	WITH (weight = 'share', validity = 'day', is_primary = 'main', label = 'kind');
COMMENT ON INDEX int_graph IS 'a graph with everything';
CREATE DOMAIN place AS uuid CHECK (VALUE <> '00000000-0000-0000-0000-000000000000');
CREATE TABLE uuid_edge (parent place, child place);
INSERT INTO uuid_edge SELECT md5((i / 2)::text)::uuid, md5(i::text)::uuid FROM generate_series(1, 200) i;
CREATE INDEX uuid_graph ON uuid_edge USING hgraph (parent, child);
CREATE TABLE "Other "" place"."Ta%ble" ("Par ent" text COLLATE "C", "ch'ild" text COLLATE "C", "Share" float8 DEFAULT 1, gone boolean DEFAULT false);
INSERT INTO "Other "" place"."Ta%ble" SELECT E'n\\\'ü ' || i / 4, E'n\\\'ü ' || i, 0.1 * (i % 10), i % 9 = 0 FROM generate_series(1, 200) i;
CREATE INDEX "Gra""ph" ON "Other "" place"."Ta%ble" USING hgraph ("Par ent", "ch'ild") INCLUDE ("Share") WITH (weight = 'Share', any_weight = on) WHERE NOT gone;
CREATE TABLE cyclic_edge (parent bigint, child bigint);
INSERT INTO cyclic_edge SELECT i, i % 50 + 1 FROM generate_series(1, 50) i;
CREATE INDEX cyclic_graph ON cyclic_edge USING hgraph (parent, child) WITH (acyclic = off);
CREATE TABLE part (tenant int, parent bigint, child bigint) PARTITION BY LIST (tenant);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2);
INSERT INTO part SELECT i % 2 + 1, i / 2, i FROM generate_series(1, 200) i;
CREATE INDEX part_graph ON part USING hgraph (parent, child);
CREATE TABLE fact (node int, region text, amount numeric(12, 2));
INSERT INTO fact SELECT i % 301, 'r' || i % 4, i / 3.0 FROM generate_series(1, 1000) i;
CREATE INDEX ON fact (node);
CREATE TABLE kept (day date PRIMARY KEY, total hrollup, counted hrollup CHECK (counted IS NOT NULL));
INSERT INTO kept SELECT date '2026-01-01' + d, rollup('int_graph', node, amount, 'weighted', date '2026-01-01'), rollup_table('int_graph', 'fact', 'node', as_of => date '2026-01-01')
FROM fact, generate_series(1, 3) d WHERE node > d GROUP BY d;
CREATE MATERIALIZED VIEW kept_rows AS SELECT k.day, e.* FROM kept k, each(k.total, NULL::int) e;
CREATE VIEW names AS SELECT node, depth FROM descendants('"Other "" place"."Gra""ph"', E'n\\\'ü 1');
CREATE FUNCTION how_many(root int) RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM descendants('int_graph', root, as_of => date '2026-01-01'); END;
CREATE FUNCTION how_many_text(root int) RETURNS bigint LANGUAGE sql STABLE SET search_path = public, hierarchy AS $$SELECT count(*) FROM descendants('int_graph', root, as_of => date '2026-01-01')$$;
SELECT create_rollup_view('totals', 'int_graph', 'fact', 'node', ARRAY['amount'], ARRAY['region'], as_of => '2026-01-01', comment => 'totals of all');
ALTER TABLE int_edge ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_them ON int_edge USING (within('cyclic_graph', 1, 1));
GRANT SELECT ON int_edge TO regress_reader;
GRANT SELECT (parent, child) ON part_1 TO regress_reader;
SQL

# fill_directory(node, db, user): a directory with everything that a dump could
# lose.
sub fill_directory
{
	my ($node, $db, $user) = @_;

	$node->safe_psql($db, $directory, extra_params => [ '-U', $user ]);
	return;
}

# fill_tables(node, db, user): tables with graphs, and what is built upon them
sub fill_tables
{
	my ($node, $db, $user) = @_;

	$node->safe_psql($db, $tables, extra_params => [ '-U', $user ]);
	return;
}

# directory_text(node, db): all of the directory
sub directory_text
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, $plain . <<'SQL');
SELECT 'rows', c.relname, x.rows
FROM pg_catalog.pg_class c, LATERAL (SELECT (pg_catalog.xpath('/row/n/text()', pg_catalog.query_to_xml(pg_catalog.format(
	'SELECT count(*) || '' '' || coalesce(md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C")), '''') AS n FROM %s t', c.oid::pg_catalog.regclass),
	false, true, '')))[1]::text AS rows) x
WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p') ORDER BY 2;
SELECT 'table', c.relname, c.relkind, c.relowner::pg_catalog.regrole, c.relrowsecurity, pg_catalog.pg_get_expr(c.relpartbound, c.oid),
	(SELECT pg_catalog.string_agg(pg_catalog.format('%s %s %s', CASE a.grantee WHEN 0 THEN 'public' ELSE a.grantee::pg_catalog.regrole::text END,
		a.privilege_type, a.is_grantable), ', ' ORDER BY a.grantee::pg_catalog.regrole::text, a.privilege_type) FROM pg_catalog.aclexplode(coalesce(c.relacl,
		pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) a WHERE a.privilege_type <> 'MAINTAIN'),
	pg_catalog.obj_description(c.oid, 'pg_class')
FROM pg_catalog.pg_class c WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace ORDER BY 2;
SELECT 'column', a.attrelid::pg_catalog.regclass, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity, a.attacl,
	pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.col_description(a.attrelid, a.attnum)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 ORDER BY c.relname COLLATE "C", a.attnum;
SELECT 'index', pg_catalog.pg_get_indexdef(i.indexrelid), i.indisvalid FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace ORDER BY 2;
SELECT 'constraint', n.conrelid::pg_catalog.regclass, n.conname, pg_catalog.pg_get_constraintdef(n.oid), n.conislocal, n.coninhcount FROM pg_catalog.pg_constraint n
WHERE n.connamespace = 'hierarchy'::pg_catalog.regnamespace AND n.contype NOT IN ('t', 'n') ORDER BY n.conrelid::pg_catalog.regclass::text COLLATE "C", 3;
SELECT 'trigger', t.tgrelid::pg_catalog.regclass, t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace AND NOT t.tgisinternal ORDER BY c.relname COLLATE "C", t.tgname;
SELECT 'policy', p.* FROM pg_catalog.pg_policies p ORDER BY p.tablename, p.policyname;
SELECT 'function', p.oid::pg_catalog.regprocedure, p.proowner::pg_catalog.regrole, p.proacl FROM pg_catalog.pg_proc p WHERE p.prosecdef AND p.pronamespace = 'hierarchy'::pg_catalog.regnamespace
ORDER BY p.oid::pg_catalog.regprocedure::text COLLATE "C";
SELECT 'sequence', s.sequencename, s.last_value FROM pg_catalog.pg_sequences s WHERE s.schemaname = 'hierarchy' ORDER BY 2;
SELECT 'graph', h.name, h.graph, (SELECT pg_catalog.count(*) FROM hierarchy.descendants(h.graph, 3::bigint, as_of => '2026-03-01')),
	h.graph::pg_catalog.oid = pg_catalog.format('hierarchy.%I', h.name)::pg_catalog.regclass::pg_catalog.oid,
	(SELECT pg_catalog.string_agg(v.problem::text, ' ') FROM hierarchy.verify(h.graph) v)
FROM hierarchy.hierarchy h ORDER BY 2;
SELECT 'view', pg_catalog.count(*) FROM public.below UNION ALL SELECT 'careful', pg_catalog.count(*) FROM public.careful
UNION ALL SELECT 'levels', pg_catalog.count(*) FROM public.granted_levels UNION ALL SELECT 'bridge', pg_catalog.count(*) FROM public.granted_bridge;
SELECT 'check', h.name, c.* FROM hierarchy.hierarchy h, hierarchy.check_hierarchy(h.name) c;
SELECT 'event', e.evtname, e.evtenabled, e.evtevent FROM pg_catalog.pg_event_trigger e ORDER BY 2;
SQL
}

# tables_text(node, db): all that functions answer about the tables
sub tables_text
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, $plain . <<'SQL');
CREATE TEMPORARY VIEW graph AS
SELECT c.oid::hierarchy.hgraph AS graph, pg_get_indexdef(c.oid) AS definition, c.relname, obj_description(c.oid, 'pg_class') AS comment
FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'hgraph' AND c.relkind = 'i' AND c.relnamespace <> 'hierarchy'::regnamespace;
SELECT 'graph', definition, comment, (SELECT (s.nodes, s.edges, s.roots, s.leaves, s.max_depth)::text FROM hierarchy.graph_stats(graph) s),
	(SELECT string_agg(v.problem, ' ') FROM hierarchy.verify(graph) v) FROM pg_temp.graph ORDER BY 2;
SELECT 'closure', definition, md5(string_agg(c::text, '|' ORDER BY c::text COLLATE "C")), count(*)
FROM pg_temp.graph, LATERAL hierarchy.closure(graph, NULL::text, as_of => CASE relname WHEN 'int_graph' THEN date '2026-01-01' END) c GROUP BY 2 ORDER BY 2;
SELECT f.name, md5(string_agg(f.r, '|' ORDER BY f.r COLLATE "C")), count(*) FROM (
	SELECT 'descendants' AS name, d::text AS r FROM generate_series(1, 300, 17) i, hierarchy.descendants('public.int_graph', i, as_of => date '2026-01-01', primary_only => true) d
	UNION ALL SELECT 'ancestors', d::text FROM generate_series(1, 300, 17) i, hierarchy.ancestors('public.int_graph', i, as_of => date '2020-05-05', labels => '{0,1}') d
	UNION ALL SELECT 'children', d::text FROM generate_series(1, 300, 17) i, hierarchy.children('public.int_graph', i, as_of => date '2026-01-01') d
	UNION ALL SELECT 'parents', d::text FROM generate_series(1, 300, 17) i, hierarchy.parents('public.int_graph', i, as_of => date '2026-01-01') d
	UNION ALL SELECT 'paths', d::text FROM generate_series(1, 300, 17) i, hierarchy.paths('public.int_graph', i, as_of => date '2026-01-01') d
	UNION ALL SELECT 'roots', d::text FROM hierarchy.roots('public.int_graph', NULL::int, as_of => date '2026-01-01') d
	UNION ALL SELECT 'leaves', d::text FROM hierarchy.leaves('public.int_graph', 1, as_of => date '2026-01-01') d
	UNION ALL SELECT 'preorder', d::text FROM hierarchy.preorder('public.int_graph', NULL::int, as_of => date '2026-01-01') d
	UNION ALL SELECT 'drilldown', d::text FROM hierarchy.drilldown('public.int_graph', 2, 'public.fact', 'node', 'amount', as_of => date '2026-01-01') d
	UNION ALL SELECT 'explain', d::text FROM hierarchy.explain_rollup('public.int_graph', 2, 250, as_of => date '2026-01-01') d
	UNION ALL SELECT 'rollup ' || m, d::text FROM unnest('{distinct,weighted,paths,primary}'::text[]) m,
		hierarchy.each(hierarchy.rollup_table('public.int_graph', 'public.fact', 'node', 'amount', m, as_of => date '2026-01-01'), NULL::int) d
	UNION ALL SELECT 'kept rollup', d::text FROM public.kept, hierarchy.each(total, NULL::int) d
	UNION ALL SELECT 'kept bytes', md5(hierarchy.hrollup_send(counted)) FROM public.kept
	UNION ALL SELECT 'materialized', d::text FROM public.kept_rows d
	UNION ALL SELECT 'totals', d::text FROM public.totals d
	UNION ALL SELECT 'names', d::text FROM public.names d) f GROUP BY 1 ORDER BY 1;
SELECT 'functions', public.how_many(1), public.how_many_text(1), obj_description('public.totals'::regclass, 'pg_class');
SELECT 'reader', c.relname, (SELECT string_agg(concat_ws(' ', a.grantee::regrole, a.privilege_type), ', ' ORDER BY a.grantee::regrole::text, a.privilege_type)
	FROM aclexplode(c.relacl) a WHERE a.privilege_type <> 'MAINTAIN'), (SELECT string_agg(a.attacl::text, ' ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid)
FROM pg_class c WHERE c.relname IN ('int_edge', 'part_1') ORDER BY 2;
SELECT 'policy', policyname, qual FROM pg_policies WHERE schemaname = 'public' ORDER BY 2;
SQL
}

# same_text(got, expected, name): fails with the lines that differ
sub same_text
{
	my ($got, $expected, $name) = @_;
	my (%got, %expected);

	$got{$_}++ foreach split /\n/, $got;
	$expected{$_}++ foreach split /\n/, $expected;
	my @more = grep { ($got{$_} // 0) > ($expected{$_} // 0) } sort keys %got;
	my @fewer = grep { ($expected{$_} // 0) > ($got{$_} // 0) } sort keys %expected;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	push @more, 'another order' if $got ne $expected && !@more && !@fewer;
	ok($got eq $expected, $name)
	  or diag(map { substr($_, 0, 500) . "\n" } 'got:', @more[ 0 .. ($#more > 9 ? 9 : $#more) ],
		'expected:', @fewer[ 0 .. ($#fewer > 9 ? 9 : $#fewer) ]);
	return;
}

# alive(node, db, user, what): rules and audit work, and numbers go on
sub alive
{
	my ($node, $db, $user, $what) = @_;
	my $session = HierarchyTest::Session->new($node->connstr($db) . " user=$user");
	my $last;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$session->query('SET search_path = public, hierarchy');
	$last = $session->query('SELECT max(change_id) FROM change_log');
	fails($session, q{SELECT assign('plain', 1, 200)}, '23514', "$what: a cycle is refused");
	fails($session, q{SELECT assign(E'Sales "EU".\'ü\' \\\\ %', 21, 9, share => 0.5)}, '23514', "$what: a rule holds at commit");
	fails($session, q{INSERT INTO relationship (hierarchy_id, parent_id, child_id) SELECT hierarchy_id, 150, 2 FROM hierarchy WHERE name = 'after'},
		'23514', "$what: and for plain statements");
	fails($session, q{UPDATE change_log SET reason = 'another'}, '55000', "$what: nobody rewrites the log");
	$session->query(q{SELECT reassign('plain', 170, NULL, 3, '2026-01-01', 'afterwards')});
	is($session->query(qq{SELECT count(*), min(operation), max(operation), bool_and(reason = 'afterwards') FROM change_log WHERE change_id > $last}),
		'2|INSERT|UPDATE|t', "$what: the audit goes on");
	is($session->query(q{SELECT create_hierarchy('another') > (SELECT count(*) FROM hierarchy)}), 't', "$what: hierarchies can be made");
	is($session->query(q{SELECT add_entity('rep', 'new', 'New') > 201}), 't', "$what: and entities");
	$session->quit;
	return;
}

1;
