# Rollup views survive a dump; rollup_table runs in parallel; explanations,
# drilldowns and views agree with the aggregate on random graphs.

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
SELECT 'n' || (i * 11) % 421, '2023-01-01'::date + i % 900, CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN E'b\\''' END,
    i * 1.25, i % 11, '2023-01-01'::timestamptz + i % 900 * interval '1 day'
FROM generate_series(1, 3000) i;
SELECT create_rollup_view('plain', '"Org ''chart''"', 'fact', 'place', ARRAY['amount']);
SELECT create_rollup_view('"By it''s"', '"Org ''chart''"', 'fact', 'place', ARRAY['amount', 'qty'], ARRAY['it''s'],
    'Month', 'weighted', '"it''s" = E''b\\\\'''''' OR "it''s" IS NULL -- not a', '2025-03-31');
SELECT create_rollup_view('prim', '"Org ''chart''"', 'fact', 'place', ARRAY['qty'], date_column => 'at', mode => 'primary',
    comment => E'it''s\n\\mine');
CREATE VIEW own AS SELECT * FROM each((SELECT rollup('"Org ''chart''"', place, amount) FROM fact), NULL::text);
CREATE MATERIALIZED VIEW kept AS SELECT * FROM own;
CREATE FUNCTION below(n text) RETURNS bigint BEGIN ATOMIC
    SELECT count(*) FROM descendants('"Org ''chart''"', n);
END;
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

# own(db): the same of objects that name the graph by a constant
sub own
{
	my ($db) = @_;

	return $node->safe_psql($db, <<'SQL');
SET search_path = '';
SELECT count(*), md5(string_agg(v::text, '|' ORDER BY v::text)) FROM "Sales ""EU""".own v;
SELECT count(*), md5(string_agg(v::text, '|' ORDER BY v::text)) FROM "Sales ""EU""".kept v;
SELECT sum("Sales ""EU""".below(node)) FROM "Sales ""EU""".own;
SQL
}

my $before = digest('postgres');
my $own = own('postgres');
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
	is(own($db), $own, "views and functions that name a graph after restoring, $format");
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
$session->query('DROP MATERIALIZED VIEW kept; DROP VIEW own; DROP FUNCTION below(text)');
$session->query('DROP INDEX "Org \'chart\'"');
fails($session, 'SELECT * FROM plain', '42P01', 'a view without its graph');
$session->query(<<'SQL');
CREATE INDEX "Org 'chart'" ON edge USING hgraph (parent, child)
    INCLUDE (share, is_primary, valid) WITH (weight = share, is_primary = is_primary, validity = valid);
SQL
is(digest('postgres'), $before, 'and with its graph again');

# Random graphs with parallel rows, blank shares, days, several parents and
# fragments, random facts: contributions add up to the totals, drilldown
# returns the children's rows, the view all rows.
seed();
$session->query(<<'SQL');
SET max_parallel_workers_per_gather = 0;
CREATE TABLE rnd (parent int, child int, share numeric, is_primary boolean, valid daterange);
CREATE INDEX rnd_graph ON rnd USING hgraph (parent, child)
    INCLUDE (share, is_primary, valid) WITH (weight = share, is_primary = is_primary, validity = valid, any_weight = on);
CREATE TABLE rnd_fact (node int, amount numeric(8,2), dim int);
CREATE TABLE rnd_total (mode text, node bigint, depth int, own numeric, total numeric, own_count bigint, total_count numeric);
SELECT create_rollup_view('rnd_view', 'rnd_graph', 'rnd_fact', 'node', ARRAY['amount'], ARRAY['dim'], mode => 'weighted',
    as_of => '2025-01-01');
SQL
foreach my $round (1 .. 8)
{
	my $nodes = 3 + int(rand(25));
	my $edges = int(rand(3 * $nodes));
	my $seed = rand();

	$session->query(<<"SQL");
SELECT setseed($seed);
TRUNCATE rnd, rnd_fact;
INSERT INTO rnd
SELECT nullif(least(a, b), greatest(a, b)), greatest(a, b),
    CASE WHEN random() < 0.9 THEN round((random() / 3)::numeric, 2) END, random() < 0.6,
    CASE WHEN random() < 0.2 THEN daterange('2025-01-01', NULL) WHEN random() < 0.2 THEN daterange(NULL, '2025-01-01') END
FROM (SELECT 1 + floor(random() * $nodes)::int AS a, 1 + floor(random() * $nodes)::int AS b
      FROM generate_series(1, $edges)) x;
INSERT INTO rnd_fact
SELECT 1 + floor(random() * ($nodes + 2))::int, CASE WHEN random() < 0.9 THEN round((random() * 1000 - 100)::numeric, 2) END,
    nullif(floor(random() * 3)::int, 0)
FROM generate_series(1, 2 * $nodes);
TRUNCATE rnd_total;
INSERT INTO rnd_total
SELECT mode, e.*
FROM (SELECT mode, rollup('rnd_graph', node, amount, mode, '2025-01-01') AS r
      FROM rnd_fact, unnest(ARRAY['distinct', 'weighted', 'primary', 'paths']) mode GROUP BY mode) m, each(r) e;
SQL
	is($session->query(<<'SQL'), '', "contributions of round $round ($nodes nodes, $edges rows)");
SELECT t.mode, t.node, t.total, sum(contribution)
FROM rnd_total t JOIN rnd_total d ON d.mode = t.mode,
    explain_rollup('rnd_graph', t.node, d.node, t.mode, d.own, '2025-01-01')
GROUP BY 1, 2, 3 HAVING abs(t.total - coalesce(sum(contribution), 0)) > 1e-6;
SQL
	is($session->query(<<'SQL'), '', "drilldowns of round $round");
SELECT t.mode, t.node, d.node, d, c
FROM rnd_total t
CROSS JOIN drilldown('rnd_graph', t.node, 'rnd_fact', 'node', 'amount', t.mode, as_of => '2025-01-01') d
LEFT JOIN rnd_total c ON c.node = d.node AND c.mode = t.mode
WHERE (d.own, d.total, d.own_count, d.total_count)
    IS DISTINCT FROM (coalesce(c.own, 0), coalesce(c.total, 0), coalesce(c.own_count, 0), coalesce(c.total_count, 0))
UNION ALL
SELECT t.mode, t.node, NULL, NULL, NULL
FROM (SELECT DISTINCT mode, node FROM rnd_total) t
WHERE (SELECT array_agg(node ORDER BY node) FROM drilldown('rnd_graph', t.node, 'rnd_fact', 'node', 'amount', t.mode,
            as_of => '2025-01-01'))
    IS DISTINCT FROM (SELECT array_agg(node ORDER BY node) FROM children('rnd_graph', t.node, as_of => '2025-01-01', primary_only => t.mode = 'primary'));
SQL
	is($session->query(<<'SQL'), '', "what is handed on in round $round");
SELECT t.node, t.total, t.own, d.part
FROM rnd_total t, LATERAL (SELECT sum(share_of_total) AS part
    FROM drilldown('rnd_graph', t.node, 'rnd_fact', 'node', 'amount', 'weighted', as_of => '2025-01-01')) d
WHERE t.mode = 'weighted' AND t.total <> 0 AND abs(t.total - t.own - coalesce(d.part, 0) * t.total) > 1e-6;
SQL
	is($session->query(<<'SQL'), '', "children counted in round $round");
SELECT t.mode, t.node, d.node, d.child_count
FROM rnd_total t, drilldown('rnd_graph', t.node, 'rnd_fact', 'node', 'amount', t.mode, as_of => '2025-01-01') d
WHERE d.child_count <> (SELECT count(*) FROM children('rnd_graph', d.node, as_of => '2025-01-01', primary_only => t.mode = 'primary'));
SQL
	is($session->query(<<'SQL'), '', "view of round $round");
WITH rnd_dim AS (
    SELECT dim, e.*
    FROM (SELECT dim, rollup('rnd_graph', node, amount, 'weighted', '2025-01-01') AS r
          FROM rnd_fact GROUP BY dim) m, each(r) e)
(SELECT node, dim, amount_own, amount_total, amount_count FROM rnd_view
 EXCEPT SELECT node, dim, own, total, total_count FROM rnd_dim)
UNION ALL
(SELECT node, dim, own, total, total_count FROM rnd_dim
 EXCEPT SELECT node, dim, amount_own, amount_total, amount_count FROM rnd_view)
UNION ALL
SELECT v.node, v.dim, v.level, p.depth, NULL
FROM rnd_view v LEFT JOIN preorder('rnd_graph', NULL::bigint, as_of => '2025-01-01') p ON p.node = v.node AND NOT is_repeat
WHERE (v.parent, v.level, v.path) IS DISTINCT FROM (p.parent, p.depth, array_to_string(p.path, ' / '));
SQL
}

done_testing();
