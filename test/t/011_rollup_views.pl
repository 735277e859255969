# Rollup views survive a dump; rollup_table runs in parallel.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('rollup_views');

# SQL that makes data, graph and views; nothing about it is usual.
$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA "Sales ""EU""";
SET search_path = "Sales ""EU""", hierarchy;
CREATE TABLE edge (parent text, child text, share numeric, is_primary boolean, valid daterange);
INSERT INTO edge
SELECT 'n' || i / 4, 'n' || i, 1, true, NULL FROM generate_series(1, 400) i;
UPDATE edge SET share = 0.5 WHERE child IN ('n77', 'n123', 'n300');
INSERT INTO edge VALUES ('n5', 'n77', 0.5, false, NULL), ('n9', 'n123', 0.5, false, '[2024-01-01,)'),
    ('n9', 'n300', 0.5, NULL, '(,2024-01-01)');
CREATE INDEX "Org 'chart'" ON edge USING hgraph (parent, child)
    INCLUDE (share, is_primary, valid) WITH (weight = share, is_primary = is_primary, validity = valid);
CREATE TABLE fact (place text, "Month" date, "it's" text, amount numeric(12,2), qty int, at timestamptz);
INSERT INTO fact
SELECT 'n' || (i * 7) % 420, '2023-01-01'::date + i % 900, CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN E'b\\''' END,
    i * 1.25, i % 11, '2023-01-01'::timestamptz + i % 900 * interval '1 day'
FROM generate_series(1, 3000) i;
SELECT create_rollup_view('plain', '"Org ''chart''"', 'fact', 'place', ARRAY['amount']);
SELECT create_rollup_view('"By it''s"', '"Org ''chart''"', 'fact', 'place', ARRAY['amount', 'qty'], ARRAY['it''s'],
    'Month', 'weighted', '"it''s" = E''b\\\\'''''' OR "it''s" IS NULL -- not a', '2025-03-31');
SELECT create_rollup_view('prim', '"Org ''chart''"', 'fact', 'place', ARRAY['qty'], date_column => 'at', mode => 'primary',
    comment => E'it''s\n\\mine');
SQL

# digest(db): what the views hold and say
sub digest
{
	my ($db) = @_;

	return $node->safe_psql($db, <<'SQL');
SET search_path = '';
SET timezone = 'UTC';
SELECT count(*), sum(amount_total), md5(string_agg(v::text, '|' ORDER BY v::text)) FROM "Sales ""EU""".plain v;
SELECT count(*), sum(amount_total), sum(amount_mat), sum(amount_qtd_prior), md5(string_agg(v::text, '|' ORDER BY v::text))
FROM "Sales ""EU"""."By it's" v;
SELECT count(*), sum(qty_total), sum(qty_mat), md5(string_agg(v::text, '|' ORDER BY v::text)) FROM "Sales ""EU""".prim v;
SELECT c.relname, d.objsubid, d.description
FROM pg_catalog.pg_description d JOIN pg_catalog.pg_class c ON c.oid = d.objoid
WHERE c.relnamespace = '"Sales ""EU"""'::pg_catalog.regnamespace AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
ORDER BY 1, 2;
SQL
}

my $before = digest('postgres');
like($before, qr/^401\|/m, 'the view has every node');

my $dump = "$PostgreSQL::Test::Utils::tmp_check/rollup_views";
foreach my $format ('plain', 'custom')
{
	my $db = "restored_$format";
	my $file = "$dump.$format";

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->command_ok([ 'pg_dump', '--format', $format, '--file', $file, 'postgres' ], "dump, $format");
	$node->command_ok(
		  $format eq 'plain'
		? [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $db, '-f', $file ]
		: [ 'pg_restore', '--exit-on-error', '-d', $db, $file ],
		"restore, $format");
	is(digest($db), $before, "views after restoring, $format");
	$node->safe_psql($db, q{SELECT hierarchy.drop_rollup_view('"Sales ""EU"""."By it''s"')});
	is($node->safe_psql($db, q{SELECT to_regclass('"Sales ""EU"""."By it''s"') IS NULL}),
		't', "a restored view can be dropped, $format");
}

# The query inside rollup_table uses workers: a filter that only they pass
# leaves something.
my $session = session($node);

$session->query(<<'SQL');
SET search_path = "Sales ""EU""", hierarchy;
CREATE TABLE many AS SELECT 'n' || i % 400 AS place, 1 AS one FROM generate_series(1, 100000) i;
ANALYZE many;
CREATE TABLE leader AS SELECT pg_backend_pid() AS pid;
CREATE FUNCTION in_worker(pid int) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS
    'BEGIN RETURN pg_backend_pid() <> pid; END';
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
SQL
foreach my $call (
	q{reconcile(rollup_table('edge', 'many', 'place', 'one', filter => 'in_worker(' || pg_backend_pid() || ')'))},
	q{reconcile(rollup_table('edge', 'many', 'place', filter => 'in_worker(' || pg_backend_pid() || ')'))})
{
	is($session->query("SELECT grand_total FROM $call"), 100000, 'all facts are read by workers');
}
is($session->query(q{SELECT sum(total) FROM drilldown('edge', 'n1', 'many', 'place', 'one',
		filter => 'in_worker(' || pg_backend_pid() || ')')}),
	$session->query(q{SELECT sum(total) FROM drilldown('edge', 'n1', 'many', 'place', 'one')}),
	'so does drilldown');

# A view over a graph that is gone says so, and works when there is one again.
$session->query('DROP INDEX "Org \'chart\'"');
fails($session, 'SELECT * FROM plain', '42P01', 'a view without its graph');
$session->query(<<'SQL');
CREATE INDEX "Org 'chart'" ON edge USING hgraph (parent, child)
    INCLUDE (share, is_primary, valid) WITH (weight = share, is_primary = is_primary, validity = valid);
SQL
is(digest('postgres'), $before, 'and with its graph again');

done_testing();
