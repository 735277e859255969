# The real data sets against facts that were worked out without this
# extension: their oracle.json.

use strict;
use warnings;

use HierarchyTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my @sets = grep { defined data_folder($_) } qw(gene_ontology us_hospitals energy_ownership);

plan skip_all => 'no real data here' if !@sets;
diag("$_ is not here, its tests are skipped")
  foreach grep { !defined data_folder($_) } qw(gene_ontology us_hospitals energy_ownership);

my $node = start_node('realdata', "work_mem = 4MB\n");
my $s = session($node);
my ($p, $f);    # properties and facts of the set at hand

# q(sql): the answer as one string.
sub q1 { return $s->query($_[0]); }

# rows(sql): the answer as list of lists.
sub rows
{
	return [ map { [ split /\|/, $_, -1 ] } split /\n/, $s->query($_[0]) ];
}

# close_to(got, expected, name): equal but for rounding.
sub close_to
{
	my ($got, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(abs($got - $expected) <= 1e-6 * (1 + abs($expected)), $name)
	  or diag("got $got, expected $expected");
	return;
}

sub quoted { return join ', ', map { "'" . s/'/''/gr . "'" } @_; }

# load_csv(set, table, columns): COPYs one of its files into a table of text.
sub load_csv
{
	my ($set, $file, @columns) = @_;

	$s->query("CREATE TABLE $file (" . join(', ', map { "$_ text" } @columns) . ')');
	my $folder = data_folder($set);
	my ($out, $err) = $s->try("\\copy $file FROM '$folder/$file.csv' (FORMAT csv, HEADER)");
	die $err if $err ne '';
	return;
}

# start_set(set): reads the facts, makes room.
sub start_set
{
	my ($set) = @_;

	# Bytes stay bytes, as everywhere else here.
	my $json = JSON::PP->new->decode(slurp_file(data_folder($set) . '/oracle.json'));

	($p, $f) = ($json->{properties}, $json->{facts});
	$s->query("CREATE SCHEMA $set; SET search_path = $set");
	return;
}

# general(set, graph): the properties that every set states.
sub general
{
	my ($set, $g) = @_;

	is(q1("SELECT nodes, edges, roots, leaves, multi_parent_nodes, max_depth FROM hierarchy.graph_stats('$g')"),
		join('|', map { $p->{$_} } qw(nodes edge_rows roots_no_parent leaves_no_child
			  multi_parent_nodes max_depth_edges_longest_path)),
		"$set: graph_stats");
	is(q1("SELECT count(*) FROM hierarchy.verify('$g')"), '0', "$set: verify");
	is(q1("SELECT count(*) FILTER (WHERE ancestor <> descendant),
			count(*) FILTER (WHERE ancestor = descendant),
			count(*) FILTER (WHERE is_leaf AND depth = 0),
			count(*) FILTER (WHERE depth = 1)
		FROM hierarchy.closure('$g', NULL::text)"),
		join('|', map { $p->{$_} } qw(transitive_closure_pairs_excl_self nodes
			  leaves_no_child distinct_parent_child_pairs)),
		"$set: closure");
	is(q1("SELECT count(*) FROM hierarchy.roots('$g', NULL::text)"),
		$p->{roots_no_parent}, "$set: roots");
	is(q1("SELECT count(*) FROM hierarchy.roots('$g', NULL::text) r
			WHERE exists(SELECT FROM hierarchy.children('$g', r.node))"),
		$p->{roots_with_children}, "$set: roots with children");
	is(q1("SELECT count(*), count(*) FILTER (WHERE NOT is_repeat) FROM hierarchy.preorder('$g', NULL::text)"),
		($p->{distinct_parent_child_pairs} + $p->{roots_no_parent}) . "|$p->{nodes}",
		"$set: preorder");

	my ($n, $id) = @{ $p->{max_parents} };
	is(q1("SELECT count(*) FROM hierarchy.parents('$g', " . quoted($id) . ")"),
		$n, "$set: parents of $id");
	($n, $id) = @{ $p->{max_children} };
	is(q1("SELECT count(*) FROM hierarchy.children('$g', " . quoted($id) . ")"),
		$n, "$set: children of $id");
	($n, $id) = @{ $p->{max_paths_from_roots_to_one_node} };
	is(q1("SELECT count(*), count(DISTINCT path) FROM hierarchy.paths('$g', " . quoted($id) . ")"),
		"$n|$n", "$set: paths to $id");
	my @path = @{ $p->{a_longest_path_ids} };
	is(q1('SELECT count(*) FROM hierarchy.paths(' . quoted($g, $path[-1], $path[0])
			  . ') WHERE path = ARRAY[' . quoted(@path) . ']'),
		1, "$set: the longest path");
	is(q1("SELECT max(d) FROM (SELECT min(depth) AS d FROM hierarchy.roots('$g', NULL::text) r,
			LATERAL hierarchy.descendants('$g', r.node, include_self => true) x GROUP BY x.node) m"),
		$p->{max_depth_edges_shortest_from_root}, "$set: depth");

	my $top = rows("SELECT ancestor, count(*) - 1 FROM hierarchy.closure('$g', NULL::text)
		GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT " . @{ $p->{most_descendants} });
	is_deeply([ map { $_->[1] + 0 } @$top ], [ map { $_->[2] } @{ $p->{most_descendants} } ],
		"$set: most descendants, by closure");
	is_deeply(
		[ map { q1("SELECT count(*) FROM hierarchy.descendants('$g', " . quoted($_->[0]) . ')') }
			@{ $p->{most_descendants} } ],
		[ map { $_->[2] } @{ $p->{most_descendants} } ],
		"$set: most descendants, one by one");
	return;
}

# root_to_leaf(set, graph): counts all paths while watching memory.  Nothing
# may pile up in the backend or in temporary files.
sub root_to_leaf
{
	my ($set, $g) = @_;
	my $all = "SELECT path FROM (SELECT descendant AS node FROM hierarchy.closure('$g', NULL::text)
		WHERE is_leaf AND depth = 0) l, LATERAL hierarchy.paths('$g', l.node) p";
	my $memory = 'SELECT sum(used_bytes) FROM pg_backend_memory_contexts';
	my $temp = 'SELECT pg_stat_force_next_flush(); SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()';
	my $total = $p->{root_to_leaf_paths};
	my $half = int($total / 2);

	my (undef, $temp0) = split /\n/, q1($temp);
	my $whole = milliseconds($s, "SELECT count(*) FROM ($all) x");
	is(q1("SELECT count(*) FROM ($all) x"), $total, "$set: root-to-leaf paths");
	my (undef, $temp1) = split /\n/, q1($temp);
	is($temp1, $temp0, "$set: paths need no temporary file");

	$s->query("BEGIN; DECLARE c NO SCROLL CURSOR FOR $all; MOVE 100 FROM c");
	my $before = q1($memory);
	$s->query("MOVE $half FROM c");
	my $after = q1($memory);
	$s->query("MOVE ALL FROM c");
	my $end = q1($memory);
	$s->query('COMMIT');
	cmp_ok($after - $before, '<', 300_000, "$set: memory stays flat half way");
	cmp_ok($end - $before, '<', 300_000, "$set: memory stays flat to the end");

	my ($first) = sort { $a <=> $b } map { milliseconds($s, "SELECT * FROM ($all) x LIMIT 10") } 1 .. 3;
	note("$set: all paths $whole ms, the first ten $first ms");
	return ($whole, $first);
}

SKIP:
{
	my $set = 'gene_ontology';

	skip "$set is not here", 1 if !defined data_folder($set);
	start_set($set);
	load_csv($set, 'edges', qw(parent child type));
	load_csv($set, 'nodes', qw(id name type));
	load_csv($set, 'members', qw(node gene_id gene_symbol));
	$s->query(<<'SQL');
CREATE TABLE kind AS SELECT row_number() OVER (ORDER BY type)::int AS label, type
	FROM (SELECT DISTINCT type FROM edges) t;
CREATE TABLE go AS SELECT parent, child, label, type FROM edges JOIN kind USING (type);
CREATE INDEX go_graph ON go USING hgraph (parent, child) INCLUDE (label) WITH (label = 'label');
CREATE INDEX go_is_a ON go USING hgraph (parent, child) WHERE type = 'is_a';
ANALYZE;
SQL
	general($set, 'go_graph');

	my ($whole, $first) = root_to_leaf($set, 'go_graph');
	cmp_ok($first, '<', $whole / 5, "$set: LIMIT stops early");
	my $paths = "SELECT * FROM hierarchy.paths('go_graph', 'GO:0106165')";
	my ($some) = sort { $a <=> $b } map { milliseconds($s, "$paths LIMIT 1") } 1 .. 5;
	my ($every) = sort { $a <=> $b } map { milliseconds($s, $paths) } 1 .. 5;
	cmp_ok($some, '<', $every, "$set: LIMIT stops inside one call");

	is(q1("SELECT edges, roots, multi_parent_nodes, max_depth FROM hierarchy.graph_stats('go_is_a')"),
		join('|', map { $f->{is_a_only}{$_} } qw(edges roots multi_parent_nodes longest_path_edges)),
		"$set: is_a alone, as a partial index");
	is(q1("SELECT count(*) FILTER (WHERE depth = 1), count(*) FILTER (WHERE depth = 0)
			FROM hierarchy.closure('go_graph', NULL::text,
				labels => array(SELECT label FROM kind WHERE type = 'is_a'))"),
		"$f->{is_a_only}{edges}|$p->{nodes}", "$set: is_a alone, by label");
	is(q1("SELECT count(*) FROM hierarchy.roots('go_graph', NULL::text,
				labels => array(SELECT label FROM kind WHERE type = 'is_a'))"),
		$f->{is_a_only}{roots}, "$set: roots of is_a alone");

	foreach my $root (sort keys %{ $f->{named_roots} })
	{
		my $r = $f->{named_roots}{$root};
		my $is_a = "labels => array(SELECT label FROM kind WHERE type = 'is_a')";
		my $both = "labels => array(SELECT label FROM kind WHERE type IN ('is_a', 'part_of'))";
		my $genes = sub {
			"(SELECT count(DISTINCT gene_id) FROM members JOIN hierarchy.descendants('go_graph', '$root',
				include_self => true$_[0]) d USING (node))";
		};

		is(q1("SELECT (SELECT count(*) FROM hierarchy.children('go_graph', '$root')),
				(SELECT count(*) FROM hierarchy.descendants('go_graph', '$root')),
				(SELECT count(*) FROM hierarchy.descendants('go_graph', '$root', $both)),
				(SELECT count(*) FROM hierarchy.descendants('go_graph', '$root', $is_a)),
				(SELECT count(*) FROM hierarchy.leaves('go_graph', '$root')),
				(SELECT count(*) FROM members WHERE hierarchy.within('go_graph', node, '$root')),
				" . join(', ', $genes->(''), $genes->(", $both"), $genes->(", $is_a"))),
			join('|', map { $r->{$_} } qw(children descendants_all_types
				  descendants_is_a_part_of descendants_is_a_only leaf_descendants_all_types
				  annotation_rows_subtree_all_types_each_node_once
				  distinct_genes_subtree_all_types distinct_genes_subtree_is_a_part_of
				  distinct_genes_subtree_is_a)),
			"$set: below $root");
	}
	foreach my $term (sort keys %{ $f->{ancestors} })
	{
		is(q1("SELECT count(*) FROM hierarchy.ancestors('go_graph', '$term')"),
			$f->{ancestors}{$term}, "$set: ancestors of $term");
	}
	is(q1("SELECT count(*) FROM hierarchy.paths('go_graph', 'GO:0106165', 'GO:0008150')"),
		$f->{'paths_from_biological_process_to_GO:0106165'}, "$set: paths between two");
	is(q1("WITH c AS (SELECT node FROM hierarchy.common_ancestors('go_graph', 'GO:0006915', 'GO:0007049'))
			SELECT string_agg(node, ' ' ORDER BY node) FROM c
			WHERE NOT exists(SELECT FROM hierarchy.children('go_graph', c.node) JOIN c USING (node))"),
		join(' ', @{ $f->{'lowest_common_ancestors_GO:0006915_GO:0007049'} }),
		"$set: lowest common ancestors");
	is(q1("SELECT depth FROM hierarchy.descendants('go_graph', 'GO:0008150') WHERE node = 'GO:2000330'"),
		$f->{'shortest_distance_GO:0008150_to_GO:2000330'}, "$set: shortest distance");
	is(q1("SELECT count(*) FROM hierarchy.tops('go_graph', 'GO:0106165')"), 1, "$set: tops");
}

SKIP:
{
	my $set = 'us_hospitals';

	skip "$set is not here", 1 if !defined data_folder($set);
	start_set($set);
	load_csv($set, 'edges', qw(parent child type valid_from valid_to));
	load_csv($set, 'nodes', qw(id name type address city state zip rating beds));
	load_csv($set, 'events', qw(effective_date kind from_org from_enrollment from_ccn
		  to_org to_enrollment to_ccn));
	$s->query(<<'SQL');
CREATE TABLE kind AS SELECT row_number() OVER (ORDER BY type)::int AS label, type
	FROM (SELECT DISTINCT type FROM edges) t;
CREATE TABLE care AS SELECT parent, child, label::int2, type,
	CASE WHEN coalesce(valid_from, valid_to) IS NOT NULL
		 THEN daterange(valid_from::date, valid_to::date) END AS valid
	FROM edges JOIN kind USING (type);
CREATE INDEX care_ever ON care USING hgraph (parent, child) INCLUDE (label) WITH (label = 'label');
CREATE INDEX care_dated ON care USING hgraph (parent, child) INCLUDE (label, valid)
	WITH (label = 'label', validity = 'valid');
ANALYZE;
SQL
	general($set, 'care_ever');
	root_to_leaf($set, 'care_ever');

	my $legal = "labels => array(SELECT label::int FROM kind WHERE type = 'legal_entity')";
	foreach my $day (sort keys %{ $f->{legal_entity_edges_valid_as_of} })
	{
		my $x = $f->{legal_entity_edges_valid_as_of}{$day};
		is(q1("SELECT count(*), count(DISTINCT ancestor) FROM hierarchy.closure('care_dated', NULL::text,
				as_of => '$day', max_depth => 1, $legal) WHERE depth = 1"),
			"$x->{edges}|$x->{orgs_with_enrollments}", "$set: legal entities on $day");
	}
	foreach my $type (sort keys %{ $f->{edges_by_type} })
	{
		is(q1("SELECT count(*) FROM hierarchy.closure('care_ever', NULL::text, max_depth => 1,
				labels => array(SELECT label::int FROM kind WHERE type = '$type')) WHERE depth = 1"),
			$f->{edges_by_type}{$type}, "$set: edges of type $type");
	}
	my $hospitals = sub {
		"SELECT count(*), sum(beds::int), count(*) FILTER (WHERE beds IS NULL), max(beds::int), avg(rating::int)::float8
			FROM hierarchy.descendants('care_ever', '$_[0]') d JOIN nodes ON id = node WHERE type = 'hospital'";
	};
	foreach my $x (sort { $a->{id} cmp $b->{id} } values %{ $f->{geo_rollup} })
	{
		my $got = rows($hospitals->($x->{id}))->[0];
		is(join('|', @$got[ 0 .. 3 ]),
			join('|', map { $x->{$_} } qw(hospitals beds_known hospitals_without_beds max_beds)),
			"$set: hospitals in $x->{id}");
		ok(abs($got->[4] - $x->{avg_rating}) < 1e-5, "$set: ratings in $x->{id}");
	}
	foreach my $id (sort keys %{ $f->{ownership_rollup} })
	{
		my $x = $f->{ownership_rollup}{$id};
		my $got = rows($hospitals->($id))->[0];
		is($got->[0] . '|' . ($got->[1] || 0), "$x->{hospitals}|$x->{beds_known}", "$set: hospitals of $id");
	}
	foreach my $x (
		[ 'geo:US-south', 'own:proprietary', $f->{intersections}{south_and_proprietary} ],
		[ 'geo:TX', 'type:critical-access-hospitals', $f->{intersections}{tx_and_critical_access} ])
	{
		is(q1("SELECT count(*), sum(beds::int) FROM nodes WHERE type = 'hospital'
				AND hierarchy.within('care_ever', id, '$x->[0]') AND hierarchy.within('care_ever', id, '$x->[1]')"),
			"$x->[2]{hospitals}|$x->[2]{beds_known}", "$set: $x->[0] and $x->[1]");
	}
	foreach my $x (@{ $f->{orgs_with_most_enrollments_ever} })
	{
		is(q1("SELECT (SELECT count(*) FROM hierarchy.children('care_ever', '$x->[0]', $legal)),
				(SELECT count(*) FROM hierarchy.descendants('care_ever', '$x->[0]'))"),
			"$x->[2]|$x->[3]", "$set: $x->[1]");
	}
	is(q1("SELECT count(*) FROM nodes WHERE type = 'enrollment'
			AND NOT exists(SELECT FROM hierarchy.parents('care_ever', id, $legal))"),
		$f->{enrollments_without_organization}, "$set: enrollments without organization");
	my $most = $f->{enrollment_with_most_locations};
	is(q1("SELECT count(*) FROM hierarchy.children('care_ever', '$most->[0]') JOIN nodes ON id = node
			WHERE type = 'practice_location'"), $most->[2], "$set: locations of $most->[0]");

	# Reorganisations, one UPDATE each, the image following all the while.
	my $replay = $f->{replay_move_from_enrollment_under_to_org};
	$s->query(<<'SQL');
CREATE TABLE own (org text, enrollment text);
CREATE INDEX own_graph ON own USING hgraph (org, enrollment);
INSERT INTO own SELECT DISTINCT ON (enrollment) org, enrollment FROM (
	SELECT 2 * n AS n, from_org AS org, from_enrollment AS enrollment
	FROM (SELECT row_number() OVER () AS n, * FROM events) e
	UNION ALL SELECT 2 * n + 1, to_org, to_enrollment
	FROM (SELECT row_number() OVER () AS n, * FROM events) e) u
	ORDER BY enrollment, n;
CREATE INDEX ON own (enrollment);
CREATE TABLE first_orgs AS SELECT DISTINCT org FROM own;
DO $$
DECLARE
	e record;
BEGIN
	FOR e IN SELECT * FROM events LOOP
		UPDATE own SET org = e.to_org WHERE enrollment = e.from_enrollment;
		ASSERT (SELECT array_agg(node) FROM hierarchy.parents('own_graph', e.from_enrollment)) = ARRAY[e.to_org];
	END LOOP;
END $$;
SQL
	is(q1("SELECT (SELECT count(*) FROM hierarchy.closure('own_graph', NULL::text) WHERE depth = 1),
			(SELECT count(*) FROM hierarchy.roots('own_graph', NULL::text)),
			(SELECT count(*) FROM first_orgs WHERE NOT exists(SELECT FROM hierarchy.children('own_graph', org)))"),
		join('|', map { $replay->{$_} } qw(enrollments orgs_left_with_enrollments orgs_emptied)),
		"$set: replay of events");
	is_deeply(
		rows("SELECT r.node, n.name, (SELECT count(*) FROM hierarchy.children('own_graph', r.node)) AS c
			FROM hierarchy.roots('own_graph', NULL::text) r JOIN nodes n ON n.id = r.node
			ORDER BY c DESC, r.node LIMIT 5"),
		$replay->{top}, "$set: largest after the replay");
}

SKIP:
{
	my $set = 'energy_ownership';

	skip "$set is not here", 1 if !defined data_folder($set);
	start_set($set);
	load_csv($set, 'edges', qw(parent child type weight));
	load_csv($set, 'nodes', qw(id name type mw status start_year));
	load_csv($set, 'stated_parents', qw(unit parent stated_share owners_in_cell));
	$s->query(<<'SQL');
CREATE TABLE power (parent text, child text, label int, type text, share numeric, valid daterange);
INSERT INTO power (child) SELECT id FROM nodes;
CREATE TABLE kind AS SELECT row_number() OVER (ORDER BY type)::int AS label, type
	FROM (SELECT DISTINCT type FROM edges) t;
INSERT INTO power SELECT parent, child, label, type, weight::numeric / 100
	FROM edges JOIN kind USING (type);
CREATE INDEX power_graph ON power USING hgraph (parent, child) INCLUDE (share, label)
	WITH (weight = 'share', label = 'label');
CREATE INDEX power_owns ON power USING hgraph (parent, child) INCLUDE (share)
	WITH (weight = 'share') WHERE type = 'owns';
CREATE INDEX power_control ON power USING hgraph (parent, child) WHERE type = 'owns' AND share > 0.5;
ANALYZE;
SQL
	general($set, 'power_graph');
	root_to_leaf($set, 'power_graph');

	my $layer = $f->{ownership_layer};
	my $owns = "labels => array(SELECT label FROM kind WHERE type = 'owns')";
	my $places = "labels => array(SELECT label FROM kind WHERE type <> 'owns')";
	is(q1("SELECT edges, multi_parent_nodes, max_depth FROM hierarchy.graph_stats('power_owns')"),
		join('|', map { $layer->{$_} } qw(rows multi_owner_children longest_path_edges)),
		"$set: the ownership layer");
	is(q1("SELECT count(*), count(*) FILTER (WHERE share IS NULL)
			FROM hierarchy.closure('power_graph', NULL::text, max_depth => 1, $owns) WHERE depth = 1"),
		"$layer->{pairs}|$layer->{blank_shares}", "$set: pairs and blank shares");
	is(q1("SELECT count(*) FROM hierarchy.roots('power_owns', NULL::text) r
			JOIN nodes o ON o.id = r.node AND o.name = " . quoted($layer->{longest_path_names}[0]) . ",
			LATERAL hierarchy.leaves('power_owns', r.node) l
			JOIN nodes u ON u.id = l.node AND u.name = " . quoted($layer->{longest_path_names}[-1]) . ",
			LATERAL hierarchy.paths('power_owns', l.node, r.node) p
			WHERE array(SELECT name FROM unnest(p.path) WITH ORDINALITY x (id, i) JOIN nodes USING (id) ORDER BY i)
				= ARRAY[" . quoted(@{ $layer->{longest_path_names} }) . ']'),
		1, "$set: the longest chain of owners");

	my $sums = $f->{share_sums};
	is(q1("SELECT count(*) FILTER (WHERE any_share), count(*) FILTER (WHERE total = 1 AND NOT blank),
			count(*) FILTER (WHERE abs(total - 1) <= 0.005 AND NOT blank),
			string_agg(id, ' ' ORDER BY id) FILTER (WHERE total > 1.005),
			count(*) FILTER (WHERE total < 0.995 AND NOT blank), count(*) FILTER (WHERE blank)
			FROM (SELECT id, sum(share) AS total, bool_or(share IS NULL) AS blank, bool_or(share IS NOT NULL) AS any_share
				FROM nodes, LATERAL hierarchy.parents('power_graph', id, $owns) GROUP BY id) x"),
		join('|', $sums->{children_with_any_share}, $sums->{exactly_100}, $sums->{'within_0.5_of_100'},
			join(' ', sort map { $_->[0] } @{ $sums->{'above_100.5'} }),
			$sums->{'below_99.5'}, $sums->{children_with_a_blank_share}),
		"$set: sums of shares");

	foreach my $x (@{ $f->{attributable_mw_top_ultimate_owners} })
	{
		my $got = rows("SELECT sum(share * mw::numeric), coalesce(sum(share * mw::numeric) FILTER (WHERE status = 'operating'), 0),
				count(*) FILTER (WHERE type = 'unit'), count(*) FILTER (WHERE type = 'entity')
			FROM hierarchy.descendants('power_owns', '$x->{id}') JOIN nodes ON id = node")->[0];
		close_to($got->[0], $x->{mw_all}, "$set: megawatts of $x->{id}");
		close_to($got->[1], $x->{mw_operating}, "$set: megawatts at work of $x->{id}");
		is("$got->[2]|$got->[3]", "$x->{units_reached}|$x->{entities_controlled_path}", "$set: below $x->{id}");
	}
	foreach my $x (sort { $a->{id} cmp $b->{id} } values %{ $f->{named} })
	{
		my $got = rows("SELECT sum(share * mw::numeric), count(*) FILTER (WHERE type = 'unit'),
				(SELECT count(*) FROM hierarchy.parents('power_graph', '$x->{id}', $owns)),
				(SELECT count(*) FROM hierarchy.children('power_graph', '$x->{id}', $owns))
			FROM hierarchy.descendants('power_graph', '$x->{id}', $owns) JOIN nodes ON id = node")->[0];
		close_to($got->[0], $x->{mw_all}, "$set: megawatts of $x->{id}");
		is(join('|', @$got[ 1 .. 3 ]), "$x->{units}|$x->{parents}|$x->{children}", "$set: $x->{id}");
	}
	foreach my $x (@{ $f->{majority_chain_descendants_top} })
	{
		is(q1("SELECT count(*) FROM hierarchy.descendants('power_control', '$x->[0]')"),
			$x->[2], "$set: controlled by $x->[0]");
	}
	my $stated = rows(<<"SQL");
SELECT kind, count(*), count(*) FILTER (WHERE abs(coalesce(share, 0)::float8 * 100 - stated) <= 0.2),
	count(*) FILTER (WHERE share IS NULL)
FROM (SELECT unit, parent, sum(stated_share::float8) AS stated,
		CASE WHEN min(owners_in_cell::int) = 1 THEN 'one_owner' ELSE 'several_owners' END AS kind
	FROM stated_parents WHERE stated_share IS NOT NULL GROUP BY 1, 2) t
LEFT JOIN LATERAL hierarchy.ancestors('power_owns', t.unit) a ON a.node = t.parent
GROUP BY 1
SQL
	foreach my $x (@$stated)
	{
		my $y = $f->{stated_parent_share_vs_computed_lookthrough};
		is(join('|', @$x[ 1 .. 3 ]),
			join('|', map { $y->{"$x->[0] $_"} } 'pairs', 'equal_within_0.2pt', 'no_path_in_graph'),
			"$set: shares stated by the publisher, $x->[0]");
	}
	is(scalar @$stated, 2, "$set: both kinds of stated shares");
	foreach my $x (sort { $a->{id} cmp $b->{id} } values %{ $f->{geo_rollup} })
	{
		my $id = quoted($x->{id});
		my $got = rows("SELECT count(*) FILTER (WHERE type = 'plant'), count(*) FILTER (WHERE type = 'unit'),
				sum(mw::numeric), sum(mw::numeric) FILTER (WHERE status = 'operating')
			FROM hierarchy.descendants('power_graph', $id, $places) JOIN nodes ON id = node")->[0];
		is("$got->[0]|$got->[1]", "$x->{plants}|$x->{units}", "$set: plants and units in $x->{id}");
		close_to($got->[2], $x->{mw}, "$set: megawatts in $x->{id}");
		close_to($got->[3], $x->{mw_operating}, "$set: megawatts at work in $x->{id}");
	}
}

is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
