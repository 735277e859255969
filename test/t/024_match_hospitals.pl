# Four real hospital lists, loaded with the commands that doc/loading.md shows,
# and the same hospitals found in two of them: by identifier, by name and place,
# by similarity.  What must come out is counted by plain SQL over the files.

use strict;
use warnings;

use File::Basename;
use File::Spec;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $set = 'us_hospitals';
my $folder = data_folder($set);

plan skip_all => 'no hospital data here' if !defined $folder;

my $root = dirname(File::Spec->rel2abs(__FILE__)) . '/../..';
my $node = start_node('match', "fsync = off\nwork_mem = 64MB\n");
my $s = session($node);

sub q1 { return $s->query($_[0]); }

# The files, as text: list_a, list_b ...

my %file = (
	a => [ 'list_a_cms_hospital_general_info.csv', 'UTF8' ],
	b => [ 'list_b_provider_registry.csv', 'UTF8' ],
	c => [ 'list_c_practice_locations.csv', 'WIN1252' ],
	d => [ 'list_d_changes_of_ownership.csv', 'WIN1252' ],
	truth => [ '../truth_matches.csv', 'UTF8' ]);

$s->query('SET search_path = public, hierarchy');
foreach my $list (sort keys %file)
{
	my ($name, $encoding) = @{ $file{$list} };
	my $path = "$folder/raw/$name";
	open my $f, '<', $path or die "$path: $!";
	my $header = <$f>;
	close $f;
	$header =~ s/[\r\n]+\z//;
	my $columns = join ', ', map { s/^"|"$//gr =~ s/.*/"$&" text/r } split /,/, $header;
	$s->query("CREATE TABLE raw_$list ($columns, line bigint GENERATED ALWAYS AS IDENTITY)");
	(my $names = $columns) =~ s/ text(?=,|$)//g;
	my ($out, $err) = $s->try(
		"\\copy raw_$list ($names) FROM '$path' (FORMAT csv, HEADER, ENCODING '$encoding', NULL '')");
	die $err if $err ne '';
}
is(q1("SELECT (SELECT count(*) FROM raw_a), (SELECT count(*) FROM raw_b), (SELECT count(*) FROM raw_c), (SELECT count(*) FROM raw_d), (SELECT count(*) FROM raw_truth)"),
	'5398|10678|27981|6407|5565', 'the files are those that the figures here are about');

# The commands of the documentation

my ($section) = slurp_file("$root/doc/loading.md") =~ /^## Four hospital lists\n(.*?)(?=^## |\z)/ms;
my ($sql) = $section =~ /^```sql\n(.*?)^```/ms;
my %command = map { /load list_(\w)_/ ? ($1 => $_) : () } $section =~ /^```sh\n(.*?)^```/msg;
is(join(' ', sort keys %command), 'a b c d', 'the documentation has a command for each list');

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';

# load_list(list): runs its command; seconds, and what it printed.
sub load_list
{
	my ($list) = @_;
	my $start = time;
	my ($out, $err);

	IPC::Run::run([ 'sh', '-c', "cd '$folder/raw' && $command{$list}" ], '>', \$out, '2>', \$err);
	is($?, 0, "list $list loads") || diag($out, $err);
	return (time - $start, $out);
}

# report(field ...): figures of the last batch.
sub report
{
	return q1('SELECT ' . join(', ', map { "report ->> '$_'" } @_)
		  . ' FROM load_batch ORDER BY batch_id DESC LIMIT 1');
}

# reasons(): why rows of the last batch were rejected, and how many.
sub reasons
{
	return q1(<<'SQL');
SELECT string_agg(reason || ' ' || n, ', ' ORDER BY reason)
FROM (SELECT unnest(reasons) AS reason, count(*) AS n FROM load_reject WHERE batch_id = (SELECT max(batch_id) FROM load_batch) GROUP BY 1) r
SQL
}

$s->query('CREATE EXTENSION pg_trgm');
$s->query($sql);
my $seconds = 0;
my ($took, $out);

# A: hospitals, each under its state

($took, $out) = load_list('a');
$seconds += $took;
is(report(qw(rows inserted rejected matched entities_added relationships_added)),
	q1('SELECT count(*), count(*), 0, 0, count(DISTINCT "Facility ID") + count(DISTINCT "State"), count(*) FROM raw_a'),
	'A: every row is a hospital, and every state an entity');
is(q1(<<'SQL'), '0', 'A: each in its state, with name and postcode');
SELECT count(*)
FROM raw_a
	LEFT JOIN (relationship r JOIN entity e ON e.entity_id = r.child_id JOIN entity p ON p.entity_id = r.parent_id)
		ON e.entity_type = 'hospital' AND e.code = "Facility ID"
WHERE (p.code, e.name, e.attributes ->> 'postcode', e.attributes ->> 'type')
	IS DISTINCT FROM ("State", regexp_replace("Facility Name", '^\s+|\s+$', '', 'g'), "ZIP Code", "Hospital Type")
SQL

# B: the same hospitals, by their certification number.  An NPI stands on
# several lines, always with the same number.

$s->query(<<'SQL');
CREATE VIEW list_b AS
	SELECT line, npi, nullif(provider_num, '') AS ccn, btrim(name) AS name, zip, bed_count::numeric AS beds,
		count(*) OVER same > 1 AND line > min(line) OVER same AS is_repeat,
		coalesce(nullif(provider_num, ''), 'npi ' || npi) AS hospital,
		provider_num IN (SELECT "Facility ID" FROM raw_a) AS is_known
	FROM raw_b
	WINDOW same AS (PARTITION BY npi, provider_num, btrim(name), zip, bed_count)
SQL
is(q1('SELECT count(*) FROM (SELECT npi FROM raw_b GROUP BY npi HAVING count(DISTINCT provider_num) > 1) x'), '0', 'B: an NPI has one certification number');

($took, $out) = load_list('b');
$seconds += $took;
is(report(qw(rows rejected matched entities_added)),
	q1(<<'SQL'), 'B: rows, repeated rows, rows about hospitals of A, new hospitals');
SELECT count(*), count(*) FILTER (WHERE is_repeat), count(*) FILTER (WHERE is_known AND NOT is_repeat),
	count(DISTINCT hospital) FILTER (WHERE is_known IS NOT TRUE)
FROM list_b
SQL
is(reasons(), q1("SELECT 'duplicate ' || count(*) FROM list_b WHERE is_repeat"), 'B: nothing else is rejected');
is(q1(<<'SQL'), '5565', 'all true matches are found by identifier');
SELECT count(*)
FROM raw_truth t JOIN identifier i ON i.scheme = 'NPI' AND i.value = t.npi JOIN entity e ON e.entity_id = i.entity_id
WHERE e.entity_type = 'hospital' AND e.code = t.ccn
SQL
is(q1(<<'SQL'), '0', 'no other line is about a hospital of A');
SELECT count(*)
FROM list_b b JOIN identifier i ON i.scheme = 'NPI' AND i.value = b.npi JOIN entity e ON e.entity_id = i.entity_id
WHERE b.is_known IS NOT TRUE AND e.code IN (SELECT "Facility ID" FROM raw_a)
SQL
is(q1("SELECT count(*) FROM entity WHERE status = 'merged'"), '0', 'nothing is merged');
my $proposed = q1('SELECT count(*) FROM match_candidate');
is(report('proposed'), $proposed, "B: $proposed matches proposed on the way");
cmp_ok($proposed, '>', 200, 'and there are some');
is(q1(<<'SQL'), '0', 'all between a new hospital and one of A that B does not have');
SELECT count(*)
FROM match_review
WHERE code NOT IN (SELECT npi FROM raw_b) OR sources <> 'registry' OR other_sources <> 'cms'
	OR other_code NOT IN (SELECT "Facility ID" FROM raw_a)
SQL
is(q1(<<'SQL'), '0', 'what both lists say stays as A says it');
SELECT count(*)
FROM raw_a LEFT JOIN entity e ON e.entity_type = 'hospital' AND e.code = "Facility ID"
WHERE (e.name, e.attributes ->> 'postcode')
	IS DISTINCT FROM (regexp_replace("Facility Name", '^\s+|\s+$', '', 'g'), "ZIP Code")
SQL
is(q1(<<'SQL'), '0', 'and what only B knows is there: of each number of beds the first');
SELECT count(*)
FROM (
	SELECT ccn, (array_agg(beds ORDER BY line) FILTER (WHERE beds IS NOT NULL))[1] AS beds
	FROM list_b WHERE is_known GROUP BY ccn) b
	JOIN entity e ON e.entity_type = 'hospital' AND e.code = b.ccn
WHERE (e.attributes ->> 'beds')::numeric IS DISTINCT FROM b.beds
SQL

# C: locations, and enrollments by their number

($took, $out) = load_list('c');
$seconds += $took;
like($out, qr/windows-1252/, 'C: the encoding is told');
is(report(qw(rows inserted rejected entities_added relationships_added)),
	q1('SELECT count(*), count(*), 0, count(*) + count(DISTINCT "ENROLLMENT ID"), count(*) FROM raw_c'),
	'C: every row is a location, and every enrollment an entity');
is(q1(<<'SQL'), '0', 'C: names beyond ASCII are as in the file');
SELECT abs((SELECT count(*) FROM raw_c WHERE "LOCATION OTHER TYPE TEXT" ~ '[^\x01-\x7f\xa0]')
	- (SELECT count(*) FROM entity WHERE entity_type = 'location' AND name ~ '[^\x01-\x7f\xa0]'))
SQL

# D: the last that is said of each enrollment

$s->query(<<'SQL');
CREATE VIEW list_d AS
	SELECT *, count(*) OVER same > 1 AND line > min(line) OVER same AS is_repeat,
		row_number() OVER (PARTITION BY enrollment ORDER BY line DESC) AS from_last
	FROM (
		SELECT line, btrim("ENROLLMENT ID - BUYER") AS enrollment, btrim("ORGANIZATION NAME - BUYER") AS name,
			btrim("DOING BUSINESS AS NAME - BUYER") AS dba, btrim("CCN - BUYER") AS ccn,
			btrim("ASSOCIATE ID - BUYER") AS organisation, "EFFECTIVE DATE"::date AS effective
		FROM raw_d) d
	WINDOW same AS (PARTITION BY enrollment, name, dba, ccn, organisation, effective)
SQL
my $expected = q1(<<'SQL');
SELECT count(*), count(*) FILTER (WHERE is_repeat),
	count(DISTINCT organisation) + count(DISTINCT enrollment) FILTER (WHERE enrollment NOT IN (SELECT "ENROLLMENT ID" FROM raw_c)),
	count(DISTINCT (enrollment, organisation))
FROM list_d
SQL
($took, $out) = load_list('d');
$seconds += $took;
is(report(qw(rows rejected entities_added relationships_added)), $expected, 'D: rows, repeated rows, entities, relationships');
is(reasons(), q1("SELECT 'duplicate ' || count(*) FROM list_d WHERE is_repeat"), 'D: nothing else is rejected');
is(q1(<<'SQL'), q1('SELECT count(DISTINCT enrollment) FROM list_d'), 'D: every enrollment as its last line says');
SELECT count(*)
FROM list_d d
	JOIN entity e ON e.entity_type = 'enrollment' AND e.code = d.enrollment
	JOIN relationship r ON r.child_id = e.entity_id
	JOIN entity p ON p.entity_id = r.parent_id AND p.entity_type = 'organisation'
WHERE from_last = 1 AND e.name = d.name AND e.attributes ->> 'dba' IS NOT DISTINCT FROM d.dba AND e.attributes ->> 'ccn' = d.ccn
	AND p.code = d.organisation AND lower(r.valid) = d.effective
SQL
is(q1('SELECT problem, detail FROM verify(\'medicare\') UNION ALL SELECT problem, detail FROM verify(\'geography\')'), '', 'the graphs are sound');
is(q1("SELECT count(*) FROM check_hierarchy('medicare')"), '0', 'and keep their rules');

# Each of them again, or the first and another one

my $last = q1('SELECT max(change_id) FROM change_log');
my @others = qw(b c d);
foreach my $list ('a', @{ long([ $others[ rand @others ] ], \@others) })
{
	load_list($list);
	is(report(qw(inserted updated entities_added entities_changed relationships_added relationships_changed relationships_ended proposed)),
		'0|0|0|0|0|0|0|0', "list $list again changes nothing");
}
is(q1('SELECT max(change_id) FROM change_log'), $last, 'nothing is logged');

cmp_ok($seconds, '<', long(600, 30), sprintf('four lists in %.1f s', $seconds));

# The identifier hidden: the lines of B as hospitals that nothing but their name
# and postcode tells of.  What is right is in the file of true matches.

$s->query(<<'SQL');
INSERT INTO entity_type VALUES ('hidden');
INSERT INTO load_source VALUES ('hidden a'), ('hidden b');
INSERT INTO entity (entity_type, code, name, attributes)
	SELECT 'hidden', 'a ' || line, "Facility Name", jsonb_build_object('postcode', "ZIP Code") FROM raw_a
	UNION ALL
	SELECT 'hidden', 'b ' || line, name, jsonb_build_object('postcode', zip) FROM raw_b;
INSERT INTO entity_source (source, entity_id)
	SELECT 'hidden ' || left(code, 1), entity_id FROM entity WHERE entity_type = 'hidden';
SQL
my $ms = milliseconds($s, "SELECT * FROM find_matches('hidden', 'hidden b', 'hidden a')");
cmp_ok($ms, '<', long(200_000, 10_000), "compared in $ms ms");
$s->query(<<'SQL');
CREATE VIEW judged AS
	SELECT m.*, a."Facility ID" AS ccn, nullif(b.provider_num, '') AS b_ccn, b.provider_num = a."Facility ID" AS is_right,
		b.provider_num IN (SELECT "Facility ID" FROM raw_a) AS is_other
	FROM match_candidate m
		JOIN entity e ON e.entity_id = m.entity_id AND e.entity_type = 'hidden' JOIN entity o ON o.entity_id = m.other_id
		JOIN raw_b b ON 'b ' || b.line = e.code
		JOIN raw_a a ON 'a ' || a.line = o.code
SQL
my $truth = q1('SELECT count(*) FROM raw_truth');
my ($exact, $alike, $wrong, $units, $unknown) = split /\|/, q1(<<'SQL');
SELECT count(DISTINCT entity_id) FILTER (WHERE is_right AND method = 'name_postcode'),
	count(DISTINCT entity_id) FILTER (WHERE is_right AND method = 'similarity'),
	count(*) FILTER (WHERE NOT is_right AND is_other AND method = 'name_postcode'),
	count(*) FILTER (WHERE NOT is_right AND NOT is_other AND method = 'name_postcode'),
	count(*) FILTER (WHERE b_ccn IS NULL AND method = 'name_postcode')
FROM judged
SQL
diag(sprintf('of %d true matches: by name and place %d (%.1f %%), by similarity %d (%.1f %%)',
		$truth, $exact, 100 * $exact / $truth, $alike, 100 * $alike / $truth));
diag("by name and place besides: $wrong of another hospital, $units of units with a number of their own, $unknown without a number");
cmp_ok($exact / $truth, '>=', 0.60, '60 % of the true matches have the same name at the same place');
cmp_ok(($exact + $alike) / $truth, '>=', 0.66, 'and more have names alike');
cmp_ok($wrong / ($exact + $wrong), '<', 0.01, 'hardly ever is that another hospital');

# counted without the extension's names: what is spelled the same is among them
is(q1(<<'SQL'), '0', 'no pair of the same spelling and postcode is missed');
SELECT count(*)
FROM raw_b b JOIN raw_a a ON upper(a."Facility Name") = upper(b.name) AND a."ZIP Code" = left(b.zip, 5)
WHERE NOT EXISTS (SELECT FROM judged j WHERE j.entity_id = (SELECT entity_id FROM entity WHERE entity_type = 'hidden' AND code = 'b ' || b.line)
	AND j.score = 1)
SQL
is(q1("SELECT * FROM find_matches('hidden', 'hidden b', 'hidden a')"), '0|0', 'found once');
is(q1("SELECT count(*) FROM entity WHERE status = 'merged'"), '0', 'and nothing is merged by itself');

# Decisions, by the hundred

my $decisions = long(100, 300);
$s->query(<<"SQL");
CREATE TABLE decided AS
	SELECT DISTINCT ON (entity_id) * FROM judged WHERE is_right AND score = 1 ORDER BY entity_id, match_id LIMIT $decisions;
SELECT accept_match(match_id, 'the same number') FROM decided;
SQL
is(q1(<<'SQL'), "$decisions|$decisions|t", "$decisions are accepted");
SELECT count(*), count(*) FILTER (WHERE e.status = 'merged' AND e.merged_into = d.other_id),
	(SELECT count(*) FROM entity_source s WHERE s.source = 'hidden b' AND s.record LIKE 'b %') = count(DISTINCT d.other_id)
FROM decided d JOIN entity e ON e.entity_id = d.entity_id
SQL
$s->query(<<'SQL');
SELECT reject_match(match_id) FROM judged WHERE NOT is_right AND status = 'proposed' AND b_ccn IS NOT NULL;
SQL
is(q1("SELECT * FROM find_matches('hidden', 'hidden b', 'hidden a', 1)"), '0|0', 'what was rejected is not proposed again');
is(q1(<<'SQL'), '0', 'and what waits is not decided');
SELECT count(*) FROM match_review r JOIN judged j ON j.match_id = r.match_id WHERE NOT j.is_right AND j.b_ccn IS NOT NULL
SQL

is(server_died($node), '', 'no process died');
done_testing();
