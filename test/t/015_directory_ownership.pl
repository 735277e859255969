# The directory with real data: who owns the world's gas and oil power, with
# percentages, blanks and mistakes.  Shares and control are compared with facts
# that were worked out without this extension (oracle.json), with plain SQL, and
# with arithmetic in whole tenths of a percent below.

use strict;
use warnings;

use HierarchyTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $set = 'energy_ownership';
my $folder = data_folder($set);

plan skip_all => 'no ownership data here' if !defined $folder;

# Bytes stay bytes, as everywhere else here.
my $f = JSON::PP->new->decode(slurp_file("$folder/oracle.json"))->{facts};
my $node = start_node('ownership', "work_mem = 64MB\nfsync = off\n");
my $s = session($node);

sub q1 { return $s->query($_[0]); }

# rows(sql): the answer as list of lists.
sub rows
{
	return [ map { [ split /\|/, $_, -1 ] } split /\n/, $s->query($_[0]) ];
}

# no_rows(sql, name): a query that shows what is wrong.
sub no_rows
{
	my ($sql, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(q1("SELECT * FROM ($sql) x LIMIT 5"), '', $name);
	return;
}

# differ(a, b): rows of one query that the other does not give, both ways.
sub differ
{
	my ($x, $y) = @_;

	return "(($x) EXCEPT ALL ($y)) UNION ALL (($y) EXCEPT ALL ($x))";
}

# close_to(got, expected, name): equal but for the rounding in oracle.json.
sub close_to
{
	my ($got, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($got ne '' && abs($got - $expected) <= 1e-6, $name) or diag("got $got, expected $expected");
	return;
}

# load_csv(table, columns): COPYs one of the files into a table of text.
sub load_csv
{
	my ($file, @columns) = @_;

	$s->query("CREATE TABLE $file (" . join(', ', map { "$_ text" } @columns) . ')');
	my ($out, $err) = $s->try("\\copy $file FROM '$folder/$file.csv' (FORMAT csv, HEADER)");
	die $err if $err ne '';
	return;
}

$s->query('CREATE SCHEMA study; SET search_path = study, hierarchy');
load_csv('nodes', qw(id name type mw status start_year));
load_csv('edges', qw(parent child type weight));
load_csv('stated_parents', qw(unit parent stated_share owners_in_cell));

# Two shares of one pair are added up; a blank stays one.
$s->query(<<'SQL');
CREATE TABLE pair AS SELECT parent, child, sum(weight::numeric) / 100 AS share, count(*) AS lines
	FROM edges WHERE type = 'owns' GROUP BY 1, 2;
CREATE INDEX ON pair (child);
INSERT INTO entity_type (entity_type) VALUES ('owner'), ('power unit');
INSERT INTO entity (entity_type, code, name, attributes)
	SELECT CASE type WHEN 'unit' THEN 'power unit' ELSE 'owner' END, id, name,
		jsonb_strip_nulls(jsonb_build_object('mw', mw::numeric, 'state', status))
	FROM nodes WHERE type IN ('unit', 'entity');
CREATE TABLE known AS SELECT entity_id, code AS id, (attributes ->> 'mw')::numeric AS mw, attributes ->> 'state' AS status,
	entity_type = 'power unit' AS is_unit FROM entity;
ALTER TABLE known ADD PRIMARY KEY (id);
CREATE INDEX ON known (entity_id);
SELECT create_hierarchy('energy', 'who owns which power unit', share_mode => 'full', relationship_types => '{owns}',
	type_rules => '{"power unit": ["owner"], "owner": ["owner"]}') AS h \gset
CREATE VIEW owned AS SELECT (SELECT hierarchy_id FROM hierarchy WHERE name = 'energy') AS h, p.entity_id AS parent_id, c.entity_id AS child_id, pair.*
	FROM pair JOIN known p ON p.id = parent JOIN known c ON c.id = child;
ANALYZE;
SQL
fails($s, q{INSERT INTO relationship (hierarchy_id, parent_id, child_id, share)
	SELECT h, parent_id, child_id, share / 2 FROM owned, generate_series(1, lines) WHERE lines = 2},
	'23505', 'two shares of one pair are not stored as they are', qr/_pkey/);
fails($s, q{INSERT INTO relationship (hierarchy_id, parent_id, child_id, share, valid)
	SELECT h, parent_id, child_id, share / 2, daterange(NULL, ('2024-01-01'::date + i::int)) FROM owned, generate_series(1, lines) i WHERE lines = 2},
	'23P01', 'nor with other days', qr/relationship_valid_excl/);
$s->query(q{INSERT INTO relationship (hierarchy_id, parent_id, child_id, relationship_type, share)
	SELECT h, parent_id, child_id, 'owns', share FROM owned; ANALYZE relationship});
is(q1('SELECT count(*), count(*) FILTER (WHERE share IS NULL), count(DISTINCT child_id) FROM relationship'),
	"$f->{ownership_layer}{pairs}|$f->{ownership_layer}{blank_shares}|" . q1('SELECT count(DISTINCT child) FROM pair'), 'pairs and blanks');
is(q1("SELECT share FROM relationship WHERE child_id = entity_id('owner', 'e:03690') AND parent_id = entity_id('owner', 'e:01401')") + 0,
	0.5, 'two shares of one pair, added up');
is(q1("SELECT count(*) FROM unstated_shares('energy')"), $f->{ownership_layer}{blank_shares}, 'blank shares are reported');
is(q1("SELECT multi_parent_nodes, max_depth FROM graph_stats('energy')"),
	"$f->{ownership_layer}{multi_owner_children}|$f->{ownership_layer}{longest_path_edges}", 'the graph');

# Shares through all chains, of everybody in everything

$s->query(<<'SQL');
CREATE TABLE share_by_sql AS WITH RECURSIVE w(owner, entity, share) AS (
	SELECT parent, child, share FROM pair
	UNION ALL
	SELECT w.owner, child, w.share * pair.share FROM w JOIN pair ON parent = entity)
	SELECT owner, entity, sum(share) AS share, count(*) AS paths, count(*) - count(share) AS unstated_paths FROM w GROUP BY 1, 2;
CREATE INDEX ON share_by_sql (owner);
CREATE TABLE share_by_call AS SELECT o.id AS owner, k.id AS entity, s.share, s.paths, s.unstated_paths
	FROM known k, LATERAL owners('energy', k.entity_id) s JOIN known o ON o.entity_id = s.owner_id
	WHERE k.id IN (SELECT child FROM pair);
ANALYZE share_by_sql, share_by_call;
SQL
no_rows(differ('SELECT owner, entity, share, paths, unstated_paths FROM share_by_sql',
		'SELECT owner, entity, share, paths, unstated_paths FROM share_by_call'),
	'owners: everybody in everything, by recursive SQL');
cmp_ok(q1('SELECT count(*) FROM share_by_sql WHERE share IS NULL'), '>=', $f->{ownership_layer}{blank_shares} / 2,
	'among them shares that nobody states');
foreach my $x (@{ $f->{attributable_mw_top_ultimate_owners} })
{
	my $got = rows("SELECT sum(o.share * mw), coalesce(sum(o.share * mw) FILTER (WHERE status = 'operating'), 0),
			count(*) FILTER (WHERE is_unit), count(*) FILTER (WHERE NOT is_unit)
		FROM descendants('energy', entity_id('owner', '$x->{id}')) d JOIN known ON entity_id = node,
			LATERAL ownership('energy', node, entity_id('owner', '$x->{id}')) o")->[0];

	close_to($got->[0], $x->{mw_all}, "ownership: megawatts of $x->{id}");
	close_to($got->[1], $x->{mw_operating}, "ownership: megawatts at work of $x->{id}");
	is("$got->[2]|$got->[3]", "$x->{units_reached}|$x->{entities_controlled_path}", "ownership: reach of $x->{id}");
}
foreach my $x (sort { $a->{id} cmp $b->{id} } values %{ $f->{named} })
{
	close_to(q1("SELECT sum(o.share * mw) FROM descendants('energy', entity_id('owner', '$x->{id}')) d JOIN known ON entity_id = node,
			LATERAL ownership('energy', node, entity_id('owner', '$x->{id}')) o"), $x->{mw_all}, "ownership: megawatts of $x->{id}");
	close_to(q1("SELECT rollup('energy', entity_id, mw, 'weighted') -> entity_id('owner', '$x->{id}') FROM known WHERE is_unit"),
		$x->{mw_all}, "rollup: megawatts of $x->{id}");
}
no_rows("SELECT * FROM (SELECT owner, entity, s.share FROM share_by_sql s WHERE share IS NULL OR unstated_paths > 0 ORDER BY owner, entity LIMIT 500) x
	CROSS JOIN LATERAL ownership('energy', entity_id(CASE WHEN entity LIKE 'u:%' THEN 'power unit' ELSE 'owner' END, entity),
		entity_id('owner', owner)) o WHERE o.share IS DISTINCT FROM x.share OR unstated_paths = 0", 'ownership: blanks are told from zero');
is(q1("SELECT share, paths, unstated_paths FROM ownership('energy', entity_id('owner', 'e:01128'), entity_id('owner', 'e:01115'))"),
	'0|0|0', 'ownership: none');

my %agree;
foreach my $x (@{ rows("SELECT CASE owners_in_cell WHEN '1' THEN 'one_owner' ELSE 'several_owners' END,
		count(*), count(*) FILTER (WHERE abs(coalesce(c.share, 0)::float8 * 100 - p.stated) <= 0.2), count(*) FILTER (WHERE c.share IS NULL)
	FROM (SELECT unit, parent, sum(stated_share::float8) AS stated, max(owners_in_cell) AS owners_in_cell
			FROM stated_parents WHERE stated_share IS NOT NULL GROUP BY 1, 2) p
	LEFT JOIN share_by_call c ON c.owner = p.parent AND c.entity = p.unit GROUP BY 1") })
{
	@agree{ "$x->[0] pairs", "$x->[0] equal_within_0.2pt", "$x->[0] no_path_in_graph" } = map { 0 + $_ } @$x[ 1 .. 3 ];
}
is_deeply(\%agree, $f->{stated_parent_share_vs_computed_lookthrough}, "ownership against the publisher's own figures");

# Control, by chains of more than half

$s->query(<<'SQL');
CREATE TABLE owner AS SELECT id, entity_id FROM known WHERE id IN (SELECT parent FROM pair);
CREATE TABLE control_by_sql AS WITH RECURSIVE c(owner, entity) AS (
	SELECT parent, child FROM pair WHERE share > 0.5
	UNION
	SELECT c.owner, child FROM c JOIN pair ON parent = entity AND share > 0.5)
	SELECT * FROM c;
CREATE TABLE chain AS SELECT o.id AS owner, k.id AS entity, c.share, c.depth
	FROM owner o, LATERAL controls('energy', o.entity_id, pooled => false) c JOIN known k ON k.entity_id = c.entity_id;
CREATE TABLE pooled AS SELECT o.id AS owner, k.id AS entity, c.share, c.depth
	FROM owner o, LATERAL controls('energy', o.entity_id) c JOIN known k ON k.entity_id = c.entity_id;
CREATE TABLE quarter AS SELECT o.id AS owner, k.id AS entity, c.share, c.depth
	FROM owner o, LATERAL controls('energy', o.entity_id, 0.25) c JOIN known k ON k.entity_id = c.entity_id;
SQL
foreach my $x (@{ $f->{majority_chain_descendants_top} })
{
	is(q1("SELECT count(*) FROM controls('energy', entity_id('owner', '$x->[0]'), pooled => false)"), $x->[2], "controls: by chains of $x->[0]");
}
no_rows(differ('SELECT owner, entity FROM chain', 'SELECT * FROM control_by_sql'), 'controls: everybody, chain by chain');
is(q1("SELECT count(*) FROM pair WHERE share = 0.5 AND (parent, child) IN (SELECT owner, entity FROM chain)
		AND NOT exists(SELECT FROM control_by_sql x WHERE x.owner = parent AND x.entity = child)"), 0, 'controls: exactly half is not enough');
cmp_ok(q1('SELECT count(*) FROM pair WHERE share = 0.5'), '>', 100, 'of which there are many');

# pools(threshold): what each owner controls, with how many tenths of a percent.
sub pools
{
	my ($threshold) = @_;
	my (%held, %all);

	foreach my $x (@{ rows('SELECT parent, child, round(share * 1000) FROM pair WHERE share IS NOT NULL') })
	{
		$held{ $x->[0] }{ $x->[1] } = $x->[2];
	}
	foreach my $owner (keys %held)
	{
		my (%sum, %has);
		my @next = ($owner);

		while (defined(my $who = shift @next))
		{
			foreach my $what (keys %{ $held{$who} // {} })
			{
				$sum{$what} += $held{$who}{$what};
				next if $has{$what} || $sum{$what} <= $threshold;
				$has{$what} = 1;
				push @next, $what;
			}
		}
		$all{"$owner $_"} = $sum{$_} foreach keys %has;
	}
	return \%all;
}

foreach my $x ([ 'pooled', 500 ], [ 'quarter', 250 ])
{
	my ($table, $threshold) = @$x;
	my $expected = pools($threshold);
	my %got = map { ("$_->[0] $_->[1]" => $_->[2]) } @{ rows("SELECT owner, entity, round(share * 1000) FROM $table") };

	is_deeply(\%got, $expected, "controls: pooled over $threshold / 1000, everybody");
}
is(q1('SELECT count(*) FROM quarter'), q1('SELECT count(*) FROM (SELECT DISTINCT owner, entity FROM quarter) x'), 'controls: nobody twice');
cmp_ok(q1('SELECT count(*) FROM pooled'), '>', q1('SELECT count(*) FROM chain'), 'pooling finds more');
no_rows('SELECT owner, entity FROM chain EXCEPT SELECT owner, entity FROM pooled', 'and never less');

# The longest chain
my @chain = @{ $f->{ownership_layer}{longest_path_names} };
is(q1("SELECT e.name FROM entity u, entity e WHERE u.name = '$chain[-1]' AND e.entity_id = global_ultimate('energy', u.entity_id)"),
	$chain[0], 'global ultimate');
is(q1("SELECT count(*) > 0, bool_or(name = '$chain[0]' AND depth = 0), bool_or(name = '$chain[-1]' AND depth = 3 AND is_self)
		FROM family_tree('energy', (SELECT entity_id FROM entity WHERE name = '$chain[-1]'))"), 't|t|t', 'family tree');

# Shares that must add up

$s->query(<<'SQL');
SELECT create_hierarchy('energy_split', share_mode => 'split', type_rules => '{"power unit": ["owner"], "owner": ["owner"]}') AS split \gset
CREATE TABLE sums AS SELECT child_id, child, sum(share) AS total, count(*) > count(share) AS blank FROM owned GROUP BY 1, 2;
CREATE FUNCTION put(children text[]) RETURNS bigint LANGUAGE sql AS $$
	WITH i AS (INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, share)
		SELECT (SELECT hierarchy_id FROM hierarchy.hierarchy WHERE name = 'energy_split'), parent_id, child_id, share
		FROM study.owned WHERE child = ANY (children) RETURNING 1)
	SELECT count(*) FROM i $$;
SQL
foreach my $x (@{ $f->{share_sums}{'above_100.5'} })
{
	my $id = $x->[0];
	my $err = fails($s, "SELECT put('{$id}')", '23514', "$id: 200 % is refused", qr/relationship_share_sum_check/);

	like($err, qr/ERROR:.*shares of power unit "$id" in hierarchy "energy_split" sum to 2(\.0*)?$/m, "$id: which unit, which sum");
	like($err, qr/DETAIL:.*owner "e:02995" 1.*owner "e:02996" 1/, "$id: whose shares");
	like($err, qr/HINT:/, "$id: and what to do");
	note($err);
}
fails($s, q{BEGIN; SELECT assign('energy_split', entity_id('power unit', 'u:06027'), entity_id('owner', 'e:02995'), 1);
	SELECT assign('energy_split', entity_id('power unit', 'u:06027'), entity_id('owner', 'e:02996'), 1); COMMIT},
	'23514', 'by verbs, at commit', qr/sum to 2/);
$s->try('ROLLBACK');
$s->query(<<'SQL');
BEGIN;
SELECT put('{u:06027,u:06028}');
UPDATE relationship SET share = 0.5 WHERE hierarchy_id = :split;
COMMIT;
SQL
is(q1("SELECT count(*) FROM relationship WHERE hierarchy_id = :split"), 4, 'a transaction may pass through 200 %');
fails($s, 'SELECT put(array_agg(child)) FROM sums WHERE NOT blank AND abs(total - 1) <= 0.005 AND total <> 1', '23514',
	'what is nearly 100 % is refused', qr/relationship_share_sum_check/);
fails($s, 'SELECT put(ARRAY[min(child)]) FROM sums WHERE blank', '23514', 'a blank is refused', qr/relationship_share_sum_check/);
is(q1("SELECT put(array_agg(child)) IS NOT NULL, count(*) FROM sums WHERE NOT blank AND total = 1"), "t|$f->{share_sums}{exactly_100}",
	'all whose shares sum to exactly 100 % are accepted');
fails($s, "UPDATE hierarchy SET share_mode = 'split' WHERE name = 'energy'", '23514',
	'a hierarchy with other sums does not become split', qr/relationship_share_sum_check/);

# What is wrong in rows that no trigger has seen
$s->query(<<'SQL');
ALTER TABLE relationship_:split DISABLE TRIGGER USER;
INSERT INTO relationship_:split (hierarchy_id, parent_id, child_id, share)
	SELECT :split, parent_id, child_id, owned.share FROM owned JOIN sums USING (child_id)
	WHERE (blank OR total <> 1) AND sums.child NOT IN ('u:06027', 'u:06028');
ALTER TABLE relationship_:split ENABLE TRIGGER USER;
SQL
no_rows(differ("SELECT child_id FROM check_hierarchy('energy_split') WHERE constraint_name = 'relationship_share_sum_check'",
		q{SELECT child_id FROM sums WHERE (blank OR abs(total - 1) > 0.000001) AND child NOT IN ('u:06027', 'u:06028')}),
	'check_hierarchy finds every child whose shares are wrong');
no_rows("SELECT * FROM check_hierarchy('energy')", 'and nothing where all is well');

is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
