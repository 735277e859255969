# The directory survives a dump: rows, partitions, keys, triggers, graphs,
# grants and policies, comments, sequences.  Restoring writes no audit rows,
# and rules and audit are alive afterwards.  Whoever installed the extension.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('directory_dump');
my $dumps = "$PostgreSQL::Test::Utils::tmp_check/directory_dump";

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE regress_owner LOGIN;
CREATE ROLE regress_reader;
CREATE ROLE regress_editor;
CREATE DATABASE owned OWNER regress_owner;
SQL
$node->safe_psql('owned', 'CREATE EXTENSION hierarchy', extra_params => [ '-U', 'regress_owner' ]);

# A directory with everything that a dump could lose.
my $fill = <<'SQL';
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
CREATE VIEW below AS SELECT * FROM descendants('plain', 1);
CREATE VIEW careful AS SELECT * FROM descendants('"Sales ""EU"".''ü'' \ %"', 3, as_of => '2026-03-01');
SQL

# digest(db): all of it
sub digest
{
	my ($db) = @_;

	return $node->safe_psql($db, <<'SQL');
SET search_path = '';
SET datestyle = iso;
SET timezone = 'UTC';
SELECT 'rows', c.relname, x.rows
FROM pg_catalog.pg_class c, LATERAL (SELECT (pg_catalog.xpath('/row/n/text()', pg_catalog.query_to_xml(pg_catalog.format(
	'SELECT count(*) || '' '' || coalesce(md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C")), '''') AS n FROM %s t', c.oid::pg_catalog.regclass),
	false, true, '')))[1]::text AS rows) x
WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p') ORDER BY 2;
SELECT 'table', c.relname, c.relkind, c.relowner::pg_catalog.regrole, c.relrowsecurity, pg_catalog.pg_get_expr(c.relpartbound, c.oid),
	(SELECT pg_catalog.string_agg(pg_catalog.format('%s %s %s', CASE a.grantee WHEN 0 THEN 'public' ELSE a.grantee::pg_catalog.regrole::text END,
		a.privilege_type, a.is_grantable), ', ' ORDER BY a.grantee::pg_catalog.regrole::text, a.privilege_type) FROM pg_catalog.aclexplode(c.relacl) a),
	pg_catalog.obj_description(c.oid, 'pg_class')
FROM pg_catalog.pg_class c WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace ORDER BY 2;
SELECT 'column', a.attrelid::pg_catalog.regclass, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity, a.attacl,
	pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.col_description(a.attrelid, a.attnum)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 ORDER BY 2, a.attnum;
SELECT 'index', pg_catalog.pg_get_indexdef(i.indexrelid), i.indisvalid FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace ORDER BY 2;
SELECT 'constraint', n.conrelid::pg_catalog.regclass, n.conname, pg_catalog.pg_get_constraintdef(n.oid), n.conislocal, n.coninhcount FROM pg_catalog.pg_constraint n
WHERE n.connamespace = 'hierarchy'::pg_catalog.regnamespace AND n.contype <> 't' ORDER BY 2, 3;
SELECT 'trigger', t.tgrelid::pg_catalog.regclass, t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'hierarchy'::pg_catalog.regnamespace AND NOT t.tgisinternal ORDER BY 2, t.tgname;
SELECT 'policy', p.* FROM pg_catalog.pg_policies p ORDER BY p.tablename, p.policyname;
SELECT 'function', p.oid::pg_catalog.regprocedure, p.proowner::pg_catalog.regrole, p.proacl FROM pg_catalog.pg_proc p WHERE p.prosecdef AND p.pronamespace = 'hierarchy'::pg_catalog.regnamespace ORDER BY 2;
SELECT 'sequence', s.sequencename, s.last_value FROM pg_catalog.pg_sequences s WHERE s.schemaname = 'hierarchy' ORDER BY 2;
SELECT 'graph', h.name, h.graph, (SELECT pg_catalog.count(*) FROM hierarchy.descendants(h.graph, 3::bigint, as_of => '2026-03-01')),
	h.graph::pg_catalog.oid = pg_catalog.format('hierarchy.%I', h.name)::pg_catalog.regclass::pg_catalog.oid,
	(SELECT pg_catalog.string_agg(v.problem::text, ' ') FROM hierarchy.verify(h.graph) v)
FROM hierarchy.hierarchy h ORDER BY 2;
SELECT 'view', pg_catalog.count(*) FROM public.below UNION ALL SELECT 'careful', pg_catalog.count(*) FROM public.careful;
SELECT 'check', h.name, c.* FROM hierarchy.hierarchy h, hierarchy.check_hierarchy(h.name) c;
SELECT 'event', e.evtname, e.evtenabled, e.evtevent FROM pg_catalog.pg_event_trigger e ORDER BY 2;
SQL
}

# alive(db, user, what): rules and audit work, and numbers go on
sub alive
{
	my ($db, $user, $what) = @_;
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

# restore(from, to, user, format, options): dumps and restores, an archive by
# several jobs at once, which load tables in any order.
sub restore
{
	my ($from, $to, $user, $format, @options) = @_;
	my $file = "$dumps.$to." . $format;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->command_ok([ 'pg_dump', '-U', $user, '--format', $format, '--file', $file, @options, $from ], "dump for $to: @options");
	$node->command_ok(
		  $format eq 'plain'
		? [ 'psql', '-X', '-q', '-U', $user, '-v', 'ON_ERROR_STOP=1', '-d', $to, '-f', $file ]
		: [ 'pg_restore', '-U', $user, '--exit-on-error', '--jobs', 4, '-d', $to, $file ],
		"restore into $to");
	return;
}

foreach my $source ('postgres', 'owned')
{
	my $user = $source eq 'owned' ? 'regress_owner' : $node->safe_psql('postgres', 'SELECT current_user');
	my $before;
	my %kinds = (
		plain => [ [ 'plain' ] ],
		inserts => [ [ 'plain', '--inserts' ] ],
		custom => [ [ 'custom' ] ],
		parts => [ [ 'plain', '--schema-only' ], [ 'plain', '--data-only' ] ],
		sections => [ [ 'custom', '--section', 'pre-data' ], [ 'custom', '--section', 'data' ], [ 'custom', '--section', 'post-data' ] ]);

	$node->safe_psql($source, $fill, extra_params => [ '-U', $user ]);
	$before = digest($source);
	like($before, qr/^graph\|plain\|hierarchy\.plain\|\d+\|t\|$/m, "$source: the graph is found");
	unlike($before, qr/^check/m, "$source: all rules hold");
	foreach my $kind ($source eq 'owned' ? ('plain', 'custom') : sort keys %kinds)
	{
		my $db = "${source}_$kind";

		$node->safe_psql('postgres', "CREATE DATABASE $db OWNER $user");
		restore($source, $db, $user, @$_) foreach @{ $kinds{$kind} };
		is(digest($db), $before, "$db has everything");
		alive($db, $user, $db);
	}
	is(digest($source), $before, "$source has not changed");
}

# A dump of a restored database is the same again.
$node->safe_psql('postgres', 'CREATE DATABASE twice');
my $once = digest('owned_custom');
$node->safe_psql('postgres', 'ALTER DATABASE twice OWNER TO regress_owner');
restore('owned_custom', 'twice', 'regress_owner', 'custom');
is(digest('twice'), $once, 'a second dump');

# Someone else's table of graphs is not guessed at.
my $session = session($node);
$session->query(q{SELECT pg_catalog.set_config('search_path', '', false)});
$session->query('SET check_function_bodies = off; SET row_security = off');
is($session->query(q{SELECT 'hierarchy.nothing'::hierarchy.hgraph}), '-', 'while a dump is restored, a hierarchy may be yet to come');
fails($session, q{SELECT 'public.nothing'::hierarchy.hgraph}, '42P01', 'other graphs must be there');
$session->query('RESET check_function_bodies');
fails($session, q{SELECT 'hierarchy.nothing'::hierarchy.hgraph}, '42P01', 'at other times all must');
$session->quit;

# The column follows the index.
is($node->safe_psql('postgres', <<'SQL'), "f\nt", 'another OID');
SET search_path = public, hierarchy;
SELECT graph::oid AS before FROM hierarchy.hierarchy WHERE name = 'plain' \gset
REINDEX INDEX CONCURRENTLY hierarchy.plain;
ALTER TABLE hierarchy.relationship ALTER COLUMN is_primary SET DEFAULT false;
SELECT graph::oid = :before FROM hierarchy.hierarchy WHERE name = 'plain';
SELECT graph = 'plain' FROM hierarchy.hierarchy WHERE name = 'plain';
SQL
is(server_died($node), '', 'no process crashed');

done_testing();
