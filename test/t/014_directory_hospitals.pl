# The directory with real data: hospitals, who runs them, and years of changes
# of ownership, replayed, looked back at and undone.  What must come out is
# worked out by plain SQL over the files, without this extension.

use strict;
use warnings;

use HierarchyTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $set = 'us_hospitals';
my $folder = data_folder($set);

plan skip_all => 'no hospital data here' if !defined $folder;

my $f = JSON::PP->new->decode(slurp_file("$folder/oracle.json"))->{facts};
my $node = start_node('hospitals', "work_mem = 64MB\nfsync = off\n");
my $s = session($node);

sub q1 { return $s->query($_[0]); }

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

# load_csv(table, columns): COPYs one of the files into a table of text, whose
# rows know their order.
sub load_csv
{
	my ($file, @columns) = @_;
	my $names = join ', ', @columns;

	$s->query("CREATE TABLE $file (n int GENERATED ALWAYS AS IDENTITY, "
		  . join(', ', map { "$_ text" } @columns) . ')');
	my ($out, $err) = $s->try("\\copy $file ($names) FROM '$folder/$file.csv' (FORMAT csv, HEADER)");
	die $err if $err ne '';
	return;
}

$s->query('CREATE SCHEMA study; SET search_path = study, hierarchy');
load_csv('nodes', qw(id name type address city state zip rating beds));
load_csv('edges', qw(parent child type valid_from valid_to));
load_csv('events', qw(effective_date kind from_org from_enrollment from_ccn
	  to_org to_enrollment to_ccn));
load_csv('truth_matches', qw(list_b_row npi list_b_name ccn list_a_name exact_name normalised_name same_zip5));

# Entities and relationships, each kind by one plain INSERT.

$s->query(<<'SQL');
CREATE TABLE moves AS
	SELECT n, effective_date::date AS effective, 'ccn:' || from_ccn AS hospital, from_org, to_org
	FROM events WHERE kind = 'change_of_ownership' AND from_ccn = to_ccn;
INSERT INTO hierarchy.entity_type (entity_type) SELECT DISTINCT type FROM nodes;
INSERT INTO hierarchy.entity (entity_type, code, name, attributes)
	SELECT type, id, coalesce(name, ''), jsonb_strip_nulls(jsonb_build_object('address', address, 'city', city,
		'state', state, 'zip', zip, 'rating', rating::int, 'beds', beds::int))
	FROM nodes
	UNION ALL
	SELECT DISTINCT ON (m.hospital) 'hospital', m.hospital, coalesce(n.name, ''), '{}'
	FROM moves m JOIN events USING (n) LEFT JOIN nodes n ON n.id = from_enrollment
	WHERE m.hospital NOT IN (SELECT id FROM nodes);
INSERT INTO hierarchy.identifier_scheme (scheme, description, pattern)
	VALUES ('CCN', 'CMS certification number', '[0-9]{2}[0-9A-Z]{4}[A-Z]?');
SQL
my $numbers = q{INSERT INTO hierarchy.identifier (scheme, value, entity_id)
	SELECT 'CCN', substr(code, 5), entity_id FROM hierarchy.entity WHERE entity_type = 'hospital'};
fails($s, $numbers, '23514', 'one hospital has a number that is none', qr/identifier "10002900".*identifier_pattern_check/s);
$s->query("$numbers AND code <> 'ccn:10002900'");
$s->query(<<'SQL');
INSERT INTO hierarchy.identifier (scheme, value, entity_id)
	SELECT 'NPI', npi, entity_id FROM (SELECT DISTINCT npi, ccn FROM truth_matches) t
	JOIN hierarchy.entity ON entity_type = 'hospital' AND code = 'ccn:' || ccn;
ANALYZE hierarchy.entity;

SELECT hierarchy.create_hierarchy('hospital_care', 'who runs what', relationship_types => '{legal_entity,enrolls,operates}',
	type_rules => '{"enrollment": ["organization"], "hospital": ["enrollment"], "practice_location": ["enrollment"]}');
SELECT hierarchy.create_hierarchy('hospital_places', 'where', max_parents => 1,
	type_rules => '{"region": ["country"], "state": ["region"], "county": ["state"], "hospital": ["county"]}');
SELECT hierarchy.create_hierarchy('hospital_classes', 'what kind', relationship_types => '{classified_as,ownership}', type_rules =>
	'[{"child": "hospital", "parent": "hospital_type", "max_parents": 1},
	  {"child": "hospital", "parent": "ownership_class", "max_parents": 1},
	  {"child": "ownership_class", "parent": "ownership_class"}]');
INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, relationship_type, valid)
	SELECT h.hierarchy_id, p.entity_id, c.entity_id, CASE e.type WHEN 'located_in' THEN NULL ELSE e.type END,
		daterange(e.valid_from::date, e.valid_to::date)
	FROM edges e
	JOIN hierarchy.hierarchy h ON h.name = CASE e.type WHEN 'located_in' THEN 'hospital_places'
		WHEN 'classified_as' THEN 'hospital_classes' WHEN 'ownership' THEN 'hospital_classes' ELSE 'hospital_care' END
	JOIN hierarchy.entity p ON p.code = e.parent JOIN hierarchy.entity c ON c.code = e.child;
ANALYZE hierarchy.relationship;
SQL
no_rows(differ("SELECT table_name, count(*) FROM hierarchy.change_log WHERE operation = 'INSERT'
			AND table_name IN ('entity', 'entity_type', 'identifier', 'relationship', 'relationship_rule') GROUP BY 1",
		join ' UNION ALL ', map { "SELECT '$_', count(*) FROM hierarchy.$_" } qw(entity entity_type identifier relationship relationship_rule)),
	'every row loaded is in the log');
is(q1('SELECT count(*) FROM hierarchy.relationship'), q1('SELECT count(*) FROM edges'), 'every edge is a relationship');
is(q1("SELECT count(*) FILTER (WHERE scheme = 'NPI'), count(*) FILTER (WHERE scheme = 'CCN') FROM hierarchy.identifier"),
	q1("SELECT count(DISTINCT npi), (SELECT count(*) - 1 FROM hierarchy.entity WHERE entity_type = 'hospital') FROM truth_matches"),
	'identifiers, check digits and all');
is(q1("SELECT hierarchy.entity_label(hierarchy.entity_id('NPI', '1467408781')), hierarchy.entity_label(hierarchy.entity_id('CCN', '440058'))"),
	'hospital "ccn:440058"|hospital "ccn:440058"', 'an entity by its numbers');
fails($s, q{INSERT INTO hierarchy.identifier SELECT 'NPI', '1467408782', entity_id FROM hierarchy.entity LIMIT 1},
	'23514', 'a wrong check digit', qr/identifier_npi_check/);

foreach my $day (sort keys %{ $f->{legal_entity_edges_valid_as_of} })
{
	my $x = $f->{legal_entity_edges_valid_as_of}{$day};

	is(q1("SELECT count(*), count(DISTINCT parent_id) FROM hierarchy.relationship
			WHERE relationship_type = 'legal_entity' AND valid @> date '$day'"),
		"$x->{edges}|$x->{orgs_with_enrollments}", "legal entities on $day, by rows");
	is(q1("SELECT count(*), count(DISTINCT ancestor) FROM hierarchy.closure('hospital_care', NULL::bigint, as_of => '$day',
				max_depth => 1, labels => ARRAY[hierarchy.relationship_label('legal_entity')]) WHERE depth = 1"),
		"$x->{edges}|$x->{orgs_with_enrollments}", "legal entities on $day, by the graph");
}
$s->query(<<'SQL');
CREATE TABLE hospital AS SELECT entity_id, code AS hospital FROM hierarchy.entity WHERE entity_type = 'hospital';
CREATE TABLE beds AS SELECT entity_id AS hospital, (attributes ->> 'beds')::int AS beds
	FROM hierarchy.entity WHERE entity_type = 'hospital';
SQL
foreach my $x (sort { $a->{id} cmp $b->{id} } values %{ $f->{geo_rollup} })
{
	is(q1("SELECT n -> e, b -> e FROM (SELECT hierarchy.rollup('hospital_places', hospital) AS n,
				hierarchy.rollup('hospital_places', hospital, beds) AS b FROM beds
				WHERE hospital IN (SELECT child_id FROM hierarchy.relationship)) r,
			hierarchy.entity_id(split_part('country region state county', ' ', "
			. ($x->{id} eq 'geo:US' ? 1 : $x->{id} =~ /^geo:US-/ ? 2 : $x->{id} =~ /:.*:/ ? 4 : 3) . "), '$x->{id}') e"),
		"$x->{hospitals}|$x->{beds_known}", "hospitals and beds in $x->{id}");
}
fails($s, q{INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id)
	SELECT hierarchy_id, hierarchy.entity_id('country', 'geo:US'), hierarchy.entity_id('CCN', '440058')
	FROM hierarchy.hierarchy WHERE name = 'hospital_places'}, '23514', 'a hospital is under no country',
	qr/hospital "ccn:440058".*relationship_rule_check/s);
fails($s, q{INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id)
	SELECT hierarchy_id, hierarchy.entity_id('county', 'geo:TX:harris'), hierarchy.entity_id('CCN', '440058')
	FROM hierarchy.hierarchy WHERE name = 'hospital_places'}, '23514', 'nor in two counties',
	qr/hospital "ccn:440058".*relationship_max_parents_check/s);

# The changes of ownership that keep the number of the hospital

is(q1('SELECT count(*), count(DISTINCT hospital), count(*) FILTER (WHERE from_org = to_org) FROM moves'),
	'656|651|7', 'changes of ownership');
is(q1('SELECT count(*) FROM (SELECT FROM moves GROUP BY hospital, effective HAVING count(*) = 2) x'), 3, 'pairs that fall on one day');
is(q1('SELECT count(*) FROM (SELECT from_org, lag(to_org) OVER (PARTITION BY hospital ORDER BY n) AS was FROM moves) x
		WHERE was <> from_org'), 3, 'chains that do not connect');

$s->query(<<'SQL');
CREATE INDEX ON moves (hospital, effective);
CREATE TABLE first_owner AS SELECT DISTINCT ON (hospital) hospital, from_org AS owner FROM moves ORDER BY hospital, effective, n;

-- By the files alone: the owner of every hospital on every day on which one
-- may have changed, and the days around it.
CREATE TABLE day AS SELECT effective + d AS day FROM moves, generate_series(-1, 1) d
	UNION SELECT unnest('{1900-01-01,2020-01-01,2500-01-01}'::date[]);
CREATE TABLE owner_by_file AS SELECT day, hospital,
	coalesce((SELECT to_org FROM moves m WHERE m.hospital = f.hospital AND m.effective <= day
		ORDER BY m.effective DESC, n DESC LIMIT 1), owner) AS owner
	FROM first_owner f, day;

SELECT hierarchy.create_hierarchy('hospital_owner', 'organisations and their hospitals', max_parents => 1,
	require_primary => true, type_rules => '{"hospital": ["organization"]}');
SELECT hierarchy_id AS h FROM hierarchy.hierarchy WHERE name = 'hospital_owner' \gset
CREATE VIEW owns AS SELECT * FROM hierarchy.relationship WHERE hierarchy_id = :h;
CREATE FUNCTION state() RETURNS text LANGUAGE sql AS
	$$ SELECT md5(string_agg(r::text, E'\n' ORDER BY child_id, parent_id, valid)) FROM study.owns r $$;
INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, is_primary)
	SELECT :h, hierarchy.entity_id('organization', owner), hierarchy.entity_id('hospital', hospital), true FROM first_owner;
CREATE TABLE before AS SELECT * FROM owns;
CREATE TABLE mark AS SELECT max(change_id) AS change_id, clock_timestamp() AS at FROM hierarchy.change_log;

CREATE TABLE step (n int PRIMARY KEY, txid xid8, state_before text, refused text, message text, detail text, hint text);
CREATE FUNCTION step(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	m study.moves;
	s study.step;
BEGIN
	SELECT * INTO STRICT m FROM study.moves WHERE moves.n = step.n;
	s := ROW(n, pg_current_xact_id(), study.state());
	BEGIN
		PERFORM hierarchy.reassign('hospital_owner', hierarchy.entity_id('hospital', m.hospital),
			hierarchy.entity_id('organization', m.from_org), hierarchy.entity_id('organization', m.to_org),
			m.effective, 'change of ownership ' || m.n);
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS s.refused = RETURNED_SQLSTATE, s.message = MESSAGE_TEXT,
			s.detail = PG_EXCEPTION_DETAIL, s.hint = PG_EXCEPTION_HINT;
	END;
	INSERT INTO study.step SELECT s.*;
END $$;

-- Totals of organisations by the graph
CREATE FUNCTION totals(graph hierarchy.hgraph, day date) RETURNS TABLE (owner text, beds numeric, hospitals bigint)
LANGUAGE sql AS $$
	SELECT code, b.total, n.total::bigint
	FROM (SELECT hierarchy.rollup(graph, hospital, beds, 'distinct', day) AS beds,
			hierarchy.rollup(graph, hospital, 1, 'distinct', day) AS hospitals
			FROM study.beds WHERE hospital IN (SELECT child_id FROM study.before)) r
		CROSS JOIN LATERAL hierarchy.each(r.hospitals, NULL::bigint) n
		LEFT JOIN LATERAL hierarchy.each(r.beds, NULL::bigint) b ON b.node = n.node AND b.total_count > 0
		JOIN hierarchy.entity ON entity_id = n.node
	WHERE entity_type = 'organization' AND n.total > 0 $$;
CREATE TABLE totals_before AS SELECT day, t.* FROM day, totals('hospital_owner', day) t WHERE day IN ('1900-01-01', '2020-01-01', '2500-01-01');
SQL
no_rows(differ('SELECT owner, sum(beds), count(*) FROM first_owner o JOIN hospital h USING (hospital) JOIN beds ON beds.hospital = h.entity_id GROUP BY 1',
		"SELECT owner, beds, hospitals FROM totals_before WHERE day = '2020-01-01'"),
	'totals before');

# What a move would change, before it is made: one with beds
$s->query(<<'SQL');
SELECT n AS some FROM moves JOIN beds ON beds.hospital = hierarchy.entity_id('hospital', moves.hospital)
	WHERE beds > 300 AND from_org <> to_org ORDER BY n LIMIT 1 \gset
CREATE TABLE preview AS SELECT p.* FROM moves m, hierarchy.preview_reassign('hospital_owner',
	hierarchy.entity_id('hospital', m.hospital), hierarchy.entity_id('organization', m.from_org),
	hierarchy.entity_id('organization', m.to_org), m.effective, 'study.beds', 'hospital', 'beds') p WHERE n = :some;
SQL
is(q1("SELECT entity_id = hierarchy.entity_id('organization', from_org), difference = -beds FROM preview, moves, beds
		WHERE aspect = 'total' AND n = :some AND beds.hospital = hierarchy.entity_id('hospital', moves.hospital)
		AND difference < 0"), 't|t', 'preview: the total of one owner falls');
is(q1("SELECT entity_id = hierarchy.entity_id('organization', to_org), difference = beds FROM preview, moves, beds
		WHERE aspect = 'total' AND n = :some AND beds.hospital = hierarchy.entity_id('hospital', moves.hospital)
		AND difference > 0"), 't|t', 'preview: that of the other grows');
is(q1("SELECT count(*) FILTER (WHERE aspect = 'total'), count(*) FILTER (WHERE aspect = 'rule') FROM preview"), '2|0', 'preview: nothing else');
is(q1('SELECT state() = (SELECT md5(string_agg(r::text, E\'\n\' ORDER BY child_id, parent_id, valid)) FROM before r),
		(SELECT max(l.change_id) = mark.change_id FROM hierarchy.change_log l) FROM mark'), 't|t', 'preview changed nothing');

# In date order, each in a transaction of its own
$s->query("SELECT format('SELECT step(%s)', n) FROM moves ORDER BY effective, n \\gexec");
is(q1('SELECT count(*) FILTER (WHERE refused IS NULL), count(*) FILTER (WHERE refused IS NOT NULL) FROM step'), '646|10', 'reassigned, refused');
no_rows(differ('SELECT n FROM step WHERE refused IS NOT NULL',
		'SELECT n FROM (SELECT n, from_org, to_org, lag(to_org, 1, from_org) OVER (PARTITION BY hospital ORDER BY effective, n) AS was FROM moves) x
			WHERE from_org = to_org OR was <> from_org'),
	'those refused that had to be');
foreach my $line (split /\n/, q1(q{SELECT format('%s %s: %s: %s (%s; %s)', effective, hospital, refused, message, detail, hint)
	FROM step JOIN moves USING (n) WHERE refused IS NOT NULL ORDER BY n}))
{
	note("refused: $line");
}
no_rows("SELECT * FROM step JOIN moves USING (n) WHERE refused IS NOT NULL
		AND (refused NOT IN ('P0002', '22023') OR strpos(message, hospital) = 0 OR detail || hint = '')",
	'a refusal says what and why');
is(q1("SELECT count(*) FROM step JOIN moves USING (n) WHERE from_org = to_org AND refused = '22023'"), 7, 'to itself is refused as such');

no_rows(differ('SELECT day, hospital, owner FROM owner_by_file',
		'SELECT day, c.code, p.code FROM day JOIN owns ON valid @> day JOIN hierarchy.entity c ON c.entity_id = child_id
			JOIN hierarchy.entity p ON p.entity_id = parent_id'),
	'the owner of every hospital on every day, by rows');
no_rows(differ('SELECT day, hospital, owner FROM owner_by_file',
		"SELECT day, c.code, p.code FROM day, hierarchy.closure('hospital_owner', NULL::bigint, as_of => day) x
			JOIN hierarchy.entity c ON c.entity_id = descendant JOIN hierarchy.entity p ON p.entity_id = ancestor WHERE depth = 1"),
	'the owner of every hospital on every day, by the graph');
no_rows(differ("SELECT day, owner, sum(beds), count(*) FROM owner_by_file o JOIN hospital h USING (hospital) JOIN beds ON beds.hospital = h.entity_id
			WHERE day IN ('1900-01-01', '2020-01-01', '2500-01-01') GROUP BY 1, 2",
		"SELECT day, t.* FROM day, totals('hospital_owner', day) t WHERE day IN ('1900-01-01', '2020-01-01', '2500-01-01')"),
	'totals after, on three days');
is(q1('SELECT count(*), count(*) FILTER (WHERE is_primary) FROM owns'),
	q1('SELECT x, x FROM (SELECT 651 + count(*) FILTER (WHERE refused IS NULL) AS x FROM step) y'), 'one relationship more for each move');
is(q1("SELECT difference FROM preview WHERE aspect = 'total' AND difference > 0"),
	q1("SELECT sum(beds) FROM moves, beds WHERE n = :some AND beds.hospital = hierarchy.entity_id('hospital', moves.hospital)"),
	'as the preview had said');

# What was known before

no_rows(differ('SELECT to_jsonb(b) FROM before b',
		"SELECT to_jsonb(r) FROM mark, hierarchy.relationships_known_at('hospital_owner', mark.at) r"), 'relationships known at that time');
$s->query("SELECT hierarchy.as_known_at('hospital_owner', at) AS known FROM mark \\gset");
no_rows(differ('SELECT child_id, parent_id, day FROM before, day',
		"SELECT descendant, ancestor, day FROM day, hierarchy.closure(:'known', NULL::bigint, as_of => day) WHERE depth = 1"),
	'as known before the replay: the graph');
no_rows(differ('SELECT * FROM totals_before',
		"SELECT day, t.* FROM day, totals(:'known', day) t WHERE day IN ('1900-01-01', '2020-01-01', '2500-01-01')"),
	'as known before the replay: the totals');
no_rows(differ("SELECT DISTINCT hierarchy.entity_id('hospital', hospital) FROM moves JOIN step USING (n) WHERE refused IS NULL",
		"SELECT DISTINCT child_id FROM mark, hierarchy.compare_hierarchy('hospital_owner', mark.at, clock_timestamp())"),
	'compared: all hospitals that changed hands');
note(q1("SELECT change, count(*) FROM mark, hierarchy.compare_hierarchy('hospital_owner', mark.at, clock_timestamp()) GROUP BY 1"));

# The story of a hospital that changed hands twice

my $story = q1("SELECT event, reason FROM hierarchy.history(hierarchy.entity_id('CCN', '110150'))");
note($story);
like($story, qr/pac:3577589522.*2017-10-01.*change of ownership 128\n/, 'history: the first change of hands');
like($story, qr/pac:1355745209.*2021-07-03|2021-07-03.*pac:1355745209/s, 'history: the second');
unlike($story, qr/\{"|null/i, 'history reads like a story');
is(q1("SELECT count(*) FROM (SELECT change_id, lag(change_id) OVER () AS last FROM hierarchy.history(hierarchy.entity_id('CCN', '110150'))) x
		WHERE last >= change_id"), 0, 'in the order of events');
is(q1("SELECT changed_by = session_user FROM hierarchy.history(hierarchy.entity_id('CCN', '110150')) LIMIT 1"), 't', 'and who did it');

# Undone, the last first: most of it change by change, the rest by transaction

my $early = q1("SELECT l.change_id FROM hierarchy.change_log l, step, moves WHERE l.txid = step.txid AND step.n = moves.n AND l.table_name = 'relationship'
	AND moves.hospital = 'ccn:110150' ORDER BY 1 LIMIT 1");
fails($s, "SELECT hierarchy.undo($early)", '55000', 'what others built on is not undone', qr/DETAIL:/);
$s->query(<<'SQL');
CREATE TABLE change AS SELECT l.change_id, l.txid, s.n,
	l.change_id = min(l.change_id) OVER (PARTITION BY l.txid) AS last, row_number() OVER (ORDER BY s.n DESC, l.change_id DESC) AS i
	FROM hierarchy.change_log l JOIN step s USING (txid), mark WHERE l.change_id > mark.change_id AND table_name = 'relationship';
CREATE TABLE undone (n int, is_as_before boolean);
SELECT format('SELECT hierarchy.%s, %L)', CASE WHEN n > 100 THEN format('undo(%s', change_id) ELSE format('undo_transaction(%L', txid) END,
		'replayed to learn'),
	CASE WHEN last THEN format('INSERT INTO undone SELECT n, state() = state_before FROM step WHERE n = %s', n) END
	FROM change WHERE n > 100 OR last ORDER BY i \gexec
SQL
is(q1('SELECT count(*), count(DISTINCT n), count(*) / count(DISTINCT n) FROM change'), '1292|646|2', 'two changes for every move');
is(q1('SELECT count(DISTINCT n), count(*) FILTER (WHERE is_as_before) FROM undone'), '646|646',
	'undo restores the state before every single move');
no_rows(differ('SELECT to_jsonb(r) FROM owns r', 'SELECT to_jsonb(r) FROM before r'), 'in the end row by row what it was');
is(q1("SELECT count(*), count(*) FILTER (WHERE reason = 'replayed to learn') FROM hierarchy.change_log l, mark
		WHERE l.change_id > mark.change_id AND table_name = 'relationship'"), '2584|1292', 'the log keeps both ways');
no_rows("SELECT * FROM mark, hierarchy.compare_hierarchy('hospital_owner', mark.at, clock_timestamp())", 'nothing differs any more');
no_rows(differ('SELECT * FROM totals_before',
		"SELECT day, t.* FROM day, totals('hospital_owner', day) t WHERE day IN ('1900-01-01', '2020-01-01', '2500-01-01')"),
	'totals as before');
no_rows("SELECT * FROM hierarchy.check_hierarchy('hospital_owner')", 'no rule is broken');
no_rows("SELECT * FROM hierarchy.hierarchy, hierarchy.verify(graph)", 'and the graphs are right');

is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
