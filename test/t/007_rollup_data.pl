# Rollups of the real data sets, against facts that were worked out without
# this extension (their oracle.json) and against plain SQL.

use strict;
use warnings;

use HierarchyTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my @sets = grep { defined data_folder($_) } qw(gene_ontology us_hospitals energy_ownership);

plan skip_all => 'no real data here' if !@sets;

my $seed = seed();
my $node = start_node('rollupdata', "work_mem = 64MB\nmax_parallel_workers_per_gather = 0\n");
my $s = session($node);
my $f;    # facts of the set at hand

sub q1 { return $s->query($_[0]); }

# rows(sql): the answer as list of lists.
sub rows
{
	return [ map { [ split /\|/, $_, -1 ] } split /\n/, $s->query($_[0]) ];
}

# close_to(got, expected, name): equal but for the rounding in oracle.json.
sub close_to
{
	my ($got, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($got ne '' && abs($got - $expected) <= 1e-6, $name) or diag("got $got, expected $expected");
	return;
}

# no_rows(sql, name): a query that shows what is wrong.
sub no_rows
{
	my ($sql, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(q1("SELECT * FROM ($sql) x LIMIT 5"), '', $name);
	return;
}

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

sub start_set
{
	my ($set) = @_;

	# Bytes stay bytes, as everywhere else here.
	$f = JSON::PP->new->decode(slurp_file(data_folder($set) . '/oracle.json'))->{facts};
	$s->query("CREATE SCHEMA $set; SET search_path = $set, hierarchy");
	return;
}

SKIP:
{
	my $set = 'gene_ontology';

	skip "$set is not here", 1 if !defined data_folder($set);
	start_set($set);
	load_csv($set, 'edges', qw(parent child type));
	load_csv($set, 'members', qw(node gene_id gene_symbol));

	# Genes stand below their terms, so that each is one node, and counts once
	# wherever it is found.
	$s->query(<<'SQL');
CREATE TABLE go AS SELECT parent, child, type FROM edges
	UNION ALL SELECT node, 'gene:' || gene_id, 'gene' FROM members;
CREATE TABLE gene AS SELECT DISTINCT 'gene:' || gene_id AS id FROM members;
CREATE INDEX go_all ON go USING hgraph (parent, child);
CREATE INDEX go_is_a_part_of ON go USING hgraph (parent, child) WHERE type IN ('is_a', 'part_of', 'gene');
CREATE INDEX go_is_a ON go USING hgraph (parent, child) WHERE type IN ('is_a', 'gene');
CREATE INDEX go_terms ON go USING hgraph (parent, child) WHERE type <> 'gene';
CREATE TABLE genes AS SELECT rollup('go_all', id) AS all_types, rollup('go_is_a_part_of', id) AS is_a_part_of,
	rollup('go_is_a', id) AS is_a FROM gene;
CREATE TABLE annotations AS SELECT rollup('go_terms', node) AS r FROM members;
SQL
	# Some of the genes, other ones each time, or all
	my $one_in = long(8, 1);
	$s->query(<<"SQL");
CREATE TABLE sample AS SELECT * FROM members WHERE (hashtext(gene_id) & 1023) % $one_in = @{[ int(rand($one_in)) ]};
CREATE TABLE some_genes AS SELECT rollup('go_all', id) AS all_types, rollup('go_is_a_part_of', id) AS is_a_part_of
	FROM (SELECT DISTINCT 'gene:' || gene_id AS id FROM sample) x;
CREATE TABLE some_annotations AS SELECT rollup('go_terms', node, 1, 'paths') AS paths FROM sample;
ANALYZE;
SQL
	foreach my $root (sort keys %{ $f->{named_roots} })
	{
		my $x = $f->{named_roots}{$root};

		is(q1("SELECT all_types -> '$root', is_a_part_of -> '$root', is_a -> '$root', r -> '$root' FROM genes, annotations"),
			join('|', map { $x->{$_} } qw(distinct_genes_subtree_all_types distinct_genes_subtree_is_a_part_of
				  distinct_genes_subtree_is_a annotation_rows_subtree_all_types_each_node_once)),
			"$set: genes and annotations of $root");
	}
	is(q1("SELECT grand_total, unmatched_rows, unmatched FROM genes, reconcile(all_types)"), "$f->{distinct_genes}|0|0", "$set: all genes");
	is(q1("SELECT count(*) FROM genes, each(all_types, NULL::text) WHERE own = 1"), $f->{distinct_genes}, "$set: gene by gene");
	is(q1("SELECT grand_total, unmatched_rows FROM annotations, reconcile(r)"), "$f->{members_rows}|0", "$set: all annotations");

	# Every term, by sets of those genes as strings of bits, level by level
	my $levels = $f->{is_a_only}{longest_path_edges} + 4;
	foreach my $x (
		[ all_types => "'is_a', 'part_of', 'regulates', 'negatively_regulates', 'positively_regulates'" ],
		[ is_a_part_of => "'is_a', 'part_of'" ])
	{
		my ($column, $types) = @$x;

		$s->query(<<"SQL");
CREATE TABLE plain_$column (term text, level int, genes bit varying, paths numeric);
INSERT INTO plain_$column
WITH RECURSIVE
edge AS (SELECT parent, child FROM edges WHERE type IN ($types)),
level(term, n) AS (SELECT child, 0 FROM edge UNION SELECT parent, 0 FROM edge
	UNION SELECT parent, n + 1 FROM level JOIN edge ON child = term),
number AS (SELECT gene_id, row_number() OVER ()::int AS i FROM (SELECT DISTINCT gene_id FROM sample) g),
none AS MATERIALIZED (SELECT repeat('0', count(*)::int)::bit varying AS genes FROM number),
own AS (SELECT node AS term, bit_or(set_bit(genes, i - 1, 1)) AS genes, count(*) AS c
	FROM sample JOIN number USING (gene_id), none GROUP BY 1)
SELECT l.term, l.n, coalesce(own.genes, none.genes), coalesce(c, 0)
	FROM none, (SELECT term, max(n) AS n FROM level GROUP BY 1) l LEFT JOIN own USING (term);
CREATE UNIQUE INDEX ON plain_$column (term);
ANALYZE plain_$column;
DO \$\$
BEGIN
	FOR i IN 1 .. (SELECT max(level) FROM plain_$column) LOOP
		UPDATE plain_$column t SET genes = t.genes | u.genes, paths = t.paths + u.paths
		FROM (SELECT parent, bit_or(c.genes) AS genes, sum(c.paths) AS paths
				FROM plain_$column p JOIN edges e ON e.parent = p.term AND e.type IN ($types)
					JOIN plain_$column c ON c.term = e.child
				WHERE p.level = i GROUP BY parent) u
		WHERE t.term = u.parent;
	END LOOP;
END \$\$;
SQL
		no_rows("SELECT term, bit_count(p.genes), total FROM plain_$column p FULL JOIN
				(SELECT e.* FROM some_genes, each($column, NULL::text) e WHERE node NOT LIKE 'gene:%') r ON node = term
			WHERE coalesce(bit_count(p.genes), 0) <> coalesce(total, 0) OR (bit_count(p.genes) = 0) <> (node IS NULL)",
			"$set: genes of every term, $column");
	}
	no_rows("SELECT term, p.paths, total FROM plain_all_types p FULL JOIN
			(SELECT e.* FROM some_annotations, each(paths, NULL::text) e) r ON node = term
		WHERE coalesce(p.paths, 0) <> coalesce(total, 0)", "$set: annotations along every path, every term");
	cmp_ok(q1("SELECT count(*) FROM genes, each(all_types, NULL::text) WHERE node NOT LIKE 'gene:%'"), '>=',
		$f->{terms_where_shipped_go_all_genes_equal_union}{terms}, "$set: as many terms as were annotated");
	$s->query("DROP SCHEMA $set CASCADE");
}

SKIP:
{
	my $set = 'us_hospitals';

	skip "$set is not here", 1 if !defined data_folder($set);
	start_set($set);
	load_csv($set, 'edges', qw(parent child type valid_from valid_to));
	load_csv($set, 'nodes', qw(id name type address city state zip rating beds));
	$s->query(<<'SQL');
CREATE TABLE care AS SELECT parent, child, type,
	CASE WHEN coalesce(valid_from, valid_to) IS NOT NULL
		 THEN daterange(valid_from::date, valid_to::date) END AS valid FROM edges;
CREATE INDEX care_ever ON care USING hgraph (parent, child);
CREATE INDEX care_legal ON care USING hgraph (parent, child) INCLUDE (valid) WITH (validity = 'valid')
	WHERE type = 'legal_entity';
CREATE TABLE hospital AS SELECT id, beds::int, rating::int, state FROM nodes WHERE type = 'hospital';
CREATE TABLE up AS SELECT rollup('care_ever', id) AS n, rollup('care_ever', id, beds) AS beds,
	rollup('care_ever', id, rating) AS rating FROM hospital;
ANALYZE;
SQL
	my $stats = sub {
		"SELECT n.total, coalesce(b.total, 0), n.total - coalesce(b.total_count, 0), b.total_max, r.total_avg
			FROM up, node_stats(n, '$_[0]') n, node_stats(beds, '$_[0]') b, node_stats(rating, '$_[0]') r";
	};
	foreach my $x (sort { $a->{id} cmp $b->{id} } values %{ $f->{geo_rollup} })
	{
		my $got = rows($stats->($x->{id}))->[0];

		is(join('|', @$got[ 0 .. 3 ]), join('|', map { $x->{$_} } qw(hospitals beds_known hospitals_without_beds max_beds)),
			"$set: hospitals in $x->{id}, those without beds among them");
		close_to($got->[4], $x->{avg_rating}, "$set: ratings in $x->{id}");
	}
	foreach my $id (sort keys %{ $f->{ownership_rollup} })
	{
		my $x = $f->{ownership_rollup}{$id};
		my $got = rows($stats->($id))->[0];

		is("$got->[0]|$got->[1]", "$x->{hospitals}|$x->{beds_known}", "$set: hospitals of $id");
	}
	foreach my $x (
		[ 'geo:US-south', 'own:proprietary', $f->{intersections}{south_and_proprietary} ],
		[ 'geo:TX', 'type:critical-access-hospitals', $f->{intersections}{tx_and_critical_access} ])
	{
		my ($one, $other, $want) = @$x;

		foreach my $way ([ $one, $other ], [ $other, $one ])
		{
			is(q1("SELECT rollup('care_ever', id) -> '$way->[0]', rollup('care_ever', id, beds) -> '$way->[0]'
					FROM hospital WHERE within('care_ever', id, '$way->[1]')"),
				"$want->{hospitals}|$want->{beds_known}", "$set: $way->[0] within $way->[1]");
			is(q1("SELECT r -> '$way->[0]' FROM (SELECT a.node AS class, rollup('care_ever', id, beds) AS r
					FROM hospital, LATERAL ancestors('care_ever', id) a GROUP BY a.node) x WHERE class = '$way->[1]'"),
				$want->{beds_known}, "$set: $way->[0] by $way->[1]");
		}
		is(q1("SELECT rollup_table('care_ever', 'hospital', 'id', 'beds', filter => 'within(''care_ever'', id, ''$other'')') -> '$one'"),
			$want->{beds_known}, "$set: $one within $other, by rollup_table");
	}

	# All nodes at once, and by state
	$s->query(<<'SQL');
CREATE TABLE closed AS WITH RECURSIVE c(a, d) AS (
	SELECT id, id FROM hospital UNION SELECT parent, d FROM c JOIN care ON child = a) SELECT * FROM c;
SQL
	no_rows("SELECT * FROM (SELECT a, sum(beds)::numeric AS s, count(beds)::numeric AS c FROM closed JOIN hospital ON id = d WHERE beds IS NOT NULL GROUP BY 1) p
			FULL JOIN (SELECT e.* FROM up, each(beds, NULL::text) e) r ON node = a
		WHERE (s, c) IS DISTINCT FROM (total, total_count)", "$set: beds of every node");
	no_rows("SELECT * FROM (SELECT state, a, count(*)::numeric AS c FROM closed JOIN hospital ON id = d GROUP BY 1, 2) p
			FULL JOIN (SELECT state, e.* FROM (SELECT state, rollup('care_ever', id) AS r FROM hospital GROUP BY state) x, each(r, NULL::text) e) r
				ON (node, r.state) = (a, p.state)
		WHERE c IS DISTINCT FROM total", "$set: hospitals of every node, a rollup a state");

	foreach my $day (sort keys %{ $f->{legal_entity_edges_valid_as_of} })
	{
		my $x = $f->{legal_entity_edges_valid_as_of}{$day};

		is(q1("SELECT sum(total), count(*) FROM (SELECT rollup('care_legal', id, 'distinct', '$day'::date) AS r
				FROM nodes WHERE type = 'enrollment') x, each(r, NULL::text) WHERE own = 0"),
			"$x->{edges}|$x->{orgs_with_enrollments}", "$set: enrollments of legal entities on $day");
		is(q1("SELECT grand_total - unmatched - (SELECT count(DISTINCT child) FROM care WHERE type = 'legal_entity'
					AND (valid IS NULL OR valid @> '$day'::date)),
				root_total - grand_total + unmatched - sharing
			FROM (SELECT rollup('care_legal', id, 'distinct', '$day'::date) AS r FROM nodes WHERE type = 'enrollment') x, reconcile(r)"),
			'0|0', "$set: and those without one");
	}
}

SKIP:
{
	my $set = 'energy_ownership';

	skip "$set is not here", 1 if !defined data_folder($set);
	start_set($set);
	load_csv($set, 'edges', qw(parent child type weight));
	load_csv($set, 'nodes', qw(id name type mw status start_year));
	$s->query(<<'SQL');
CREATE TABLE power AS SELECT parent, child, type, weight::numeric / 100 AS share FROM edges;
CREATE INDEX power_owns ON power USING hgraph (parent, child) INCLUDE (share)
	WITH (weight = 'share') WHERE type = 'owns';
CREATE INDEX power_places ON power USING hgraph (parent, child) WHERE type <> 'owns';
CREATE TABLE unit AS SELECT id, mw::numeric, status FROM nodes WHERE type = 'unit';
CREATE TABLE up AS SELECT rollup('power_owns', id, mw, 'weighted') AS mw,
	rollup('power_owns', id, mw, 'weighted') FILTER (WHERE status = 'operating') AS operating,
	rollup('power_owns', id) AS n,
	rollup('power_places', id, mw) AS place_mw, rollup('power_places', id, mw) FILTER (WHERE status = 'operating') AS place_operating,
	rollup('power_places', id) AS place_n FROM unit;
ANALYZE;
SQL
	foreach my $x (@{ $f->{attributable_mw_top_ultimate_owners} })
	{
		my $got = rows("SELECT mw -> '$x->{id}', coalesce(operating -> '$x->{id}', 0), n -> '$x->{id}' FROM up")->[0];

		close_to($got->[0], $x->{mw_all}, "$set: megawatts of $x->{id}");
		close_to($got->[1], $x->{mw_operating}, "$set: megawatts at work of $x->{id}");
		is($got->[2], $x->{units_reached}, "$set: units of $x->{id}");
	}
	is(q1("SELECT up.mw -> id FROM up, nodes WHERE name = 'Chubu Electric Power Co Inc'"), '33703.979', "$set: Chubu Electric, to the digit");
	foreach my $x (sort { $a->{id} cmp $b->{id} } values %{ $f->{named} })
	{
		my $got = rows("SELECT mw -> '$x->{id}', n -> '$x->{id}' FROM up")->[0];

		close_to($got->[0], $x->{mw_all}, "$set: megawatts of $x->{id}");
		is($got->[1], $x->{units}, "$set: units of $x->{id}");
	}
	foreach my $x (sort { $a->{id} cmp $b->{id} } values %{ $f->{geo_rollup} })
	{
		my $id = $x->{id} =~ s/'/''/gr;
		my $got = rows("SELECT place_mw -> '$id', place_operating -> '$id', place_n -> '$id' FROM up")->[0];

		close_to($got->[0], $x->{mw}, "$set: megawatts in $x->{id}");
		close_to($got->[1], $x->{mw_operating}, "$set: megawatts at work in $x->{id}");
		is($got->[2], $x->{units}, "$set: units in $x->{id}");
	}

	# Every owner, and every path
	$s->query(<<'SQL');
CREATE TABLE pair AS SELECT parent, child, sum(share) AS share FROM power WHERE type = 'owns' GROUP BY 1, 2;
CREATE TABLE reach AS WITH RECURSIVE w(a, d, share) AS (
	SELECT id, id, 1::numeric FROM unit UNION ALL
	SELECT parent, d, w.share * pair.share FROM w JOIN pair ON child = a AND pair.share IS NOT NULL)
	SELECT a, d, sum(share) AS share, count(*) AS paths FROM w GROUP BY 1, 2;
SQL
	no_rows("SELECT * FROM (SELECT a, sum(share * mw) AS s FROM reach JOIN unit ON id = d WHERE mw IS NOT NULL AND d IN (SELECT child FROM pair) GROUP BY 1) p
			FULL JOIN (SELECT e.* FROM up, each(mw, NULL::text) e WHERE total <> 0 OR own_count > 0) r ON node = a
		WHERE (abs(s - total) < 1e-7) IS NOT TRUE AND coalesce(s, 0) <> 0", "$set: megawatts of every owner");
	is(q1("SELECT unstated_shares = (SELECT count(*) FROM power WHERE type = 'owns' AND share IS NULL AND child IN (
				WITH RECURSIVE c(a) AS (SELECT id FROM unit WHERE mw IS NOT NULL
					UNION SELECT parent FROM c JOIN power ON child = a AND type = 'owns') SELECT a FROM c)),
			unstated_shares > 700, root_total = grand_total - unmatched + sharing,
			grand_total = (SELECT sum(unit.mw) FROM unit),
			unmatched_rows = (SELECT count(unit.mw) FROM unit WHERE id NOT IN (SELECT child FROM pair)),
			unmatched = (SELECT coalesce(sum(unit.mw), 0) FROM unit WHERE id NOT IN (SELECT child FROM pair))
		FROM up, reconcile(up.mw)"),
		't|t|t|t|t|t', "$set: blank shares are reported, all megawatts accounted for");
	note(q1('SELECT to_jsonb(r) FROM up, reconcile(mw) r'));
	my $owner = 'e:00375';
	is(q1("SELECT count(x.share), round(sum(contribution), 6) FROM reach JOIN unit ON id = d,
			LATERAL explain_rollup('power_owns', a, d, 'weighted', mw) x WHERE a = '$owner' AND mw IS NOT NULL"),
		q1("SELECT sum(paths), 33703.979000 FROM reach JOIN unit ON id = d WHERE a = '$owner' AND mw IS NOT NULL"),
		"$set: where the megawatts of $owner come from");
	is(q1("SELECT round(sum(share_of_total), 6), count(*) FROM drilldown('power_owns', '$owner', 'unit', 'id', 'mw', 'weighted')"),
		'1.000000|' . q1("SELECT count(*) FROM pair WHERE parent = '$owner'"), "$set: its parts");
}

is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
