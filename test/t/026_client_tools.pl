# The client's commands tree, watch, check and export against a real server: what
# they print, which exit codes they end with, and what happens to them when names
# are nasty, the reader goes away, the disk is full, the backend is killed, or the
# server restarts.

use strict;
use warnings;
use utf8;

use Encode;
use File::Spec;
use HierarchyTest;
use IPC::Run;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my ($program) = grep { -x } map { "$_/pg_hierarchy" } split(/:/, $ENV{PATH}), File::Spec->rel2abs('src/client');
plan skip_all => 'the client is not built' if !defined $program;

my $node = start_node('tools', "fsync = on\nlc_messages = 'C'\n");
my $s = session($node);
my $dir = PostgreSQL::Test::Utils::tempdir;

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';
$ENV{LC_ALL} = 'C.UTF-8';
$ENV{PGTZ} = 'UTC';
delete @ENV{qw(COLUMNS NO_COLOR PGUSER PGPASSWORD PGAPPNAME)};

# sql(text): what the server says, as characters.
sub sql
{
	my ($text) = @_;

	return decode('UTF-8', $s->query(encode('UTF-8', $text)));
}

# client(arguments): exit code, output and errors.
sub client
{
	my @command = ($program, map { encode('UTF-8', $_) } @_);
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start(\@command, '<', \undef, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$run->finish;
	my $code = $run->full_result(0);
	return ($code & 127 ? 1000 + ($code & 127) : $code >> 8, decode('UTF-8', $out), decode('UTF-8', $err));
}

# prints(arguments, expected, name): ends well and prints that.
sub prints
{
	my ($arguments, $expected, $name) = @_;
	my ($code, $out, $err) = client(@$arguments);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($out, $expected, $name);
	is("$code:$err", '0:', "$name: exit code") if $code != 0 || $err ne '';
	return;
}

# ends(arguments, code, pattern, name): exit code and what stderr says.
sub ends
{
	my ($arguments, $expected, $pattern, $name) = @_;
	my ($code, $out, $err) = client(@$arguments);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($code, $expected, "$name: exit code") or diag($out, $err);
	like($err, $pattern, "$name: message");
	return;
}

# is_clean(text, name): nothing in it moves the cursor or turns the text.
sub is_clean
{
	my ($text, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	unlike($text, qr/[\x00-\x09\x0b-\x1f\x7f-\x9f\x{2028}-\x{202e}\x{2066}-\x{2069}]/, "$name: no control characters");
	return;
}

# columns(text): how many columns it takes, by Perl's idea of Unicode.
sub columns
{
	my ($text) = @_;
	my $wide = () = $text =~ /[\p{East_Asian_Width=W}\p{East_Asian_Width=F}]/g;
	my $none = () = $text =~ /[\p{Mn}\p{Me}\p{Cf}]/g;

	return length($text) + $wide - $none;
}

# ---- a small hierarchy ----

sql(<<'SQL');
SET search_path = public, hierarchy;
INSERT INTO entity_type VALUES ('network'), ('organisation'), ('account'), ('prescriber'), ('site:old'), ('site');
INSERT INTO entity (entity_type, code, name) VALUES
	('network', 'N-1', 'Nordic Care'), ('organisation', 'O-1', 'Alba'), ('organisation', 'O-2', 'Bora'),
	('account', 'A-1', 'Mercy Hospital'), ('account', 'A-2', 'Grace Clinic'), ('account', 'A-3', 'Hope Clinic'),
	('prescriber', 'P-1', 'Dr Lee'), ('prescriber', 'P-2', 'Dr Kim'),
	('site:old', '1', 'Old site'), ('site', 'old:1', 'Site'), ('site', '4', 'Site four'), ('site', 'S', 'Merged site'), ('site', '04', 'Site with a zero');
SELECT create_hierarchy('sales', share_mode => 'split');
SELECT assign('sales', c, p, valid => '[2024-01-01,)') FROM (VALUES (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (8, 6)) v (c, p);
BEGIN;
SELECT assign('sales', 7, 4, share => 0.7, valid => '[2024-01-01,)'), assign('sales', 7, 5, share => 0.3, valid => '[2024-01-01,)');
COMMIT;
SELECT assign('sales', 10, 5, valid => '[2024-01-01,2025-01-01)');
SELECT set_entity_status(10, 'inactive'), merge_entity(12, 11), add_identifier(7, 'NPI', '1234567893'), add_identifier(8, 'X', 'A:B');
CREATE TABLE sale (entity_id bigint, amount numeric(12,2), "Odd ""Name" int);
INSERT INTO sale VALUES (7, 100, 1), (8, 1234567.5, 2), (5, 20, 3), (999, 3, 4), (5, NULL, NULL);
CREATE SCHEMA facts; CREATE TABLE facts.sale (place text, n int); INSERT INTO facts.sale VALUES ('8', 5);
SQL

prints([ 'tree', 'sales' ], <<'TREE', 'tree');
Nordic Care  network:N-1
├── Alba  organisation:O-1
│   ├── Mercy Hospital  account:A-1
│   │   └── Dr Lee  prescriber:P-1  70%  (also under Grace Clinic)
│   └── Grace Clinic  account:A-2
│       └── Dr Lee  prescriber:P-1  30%  (see above, also under Mercy Hospital)
└── Bora  organisation:O-2
    └── Hope Clinic  account:A-3
        └── Dr Kim  prescriber:P-2

8 entities, 4 levels; 1 line again under other parents
TREE
my $ascii = <<'TREE';
Alba  organisation:O-1  (under Nordic Care)
|-- Mercy Hospital  account:A-1
|   `-- Dr Lee  prescriber:P-1  70%  (also under Grace Clinic)
`-- Grace Clinic  account:A-2
    `-- Dr Lee  prescriber:P-1  30%  (see above, also under Mercy Hospital)

4 entities, 3 levels; 1 line again under other parents
TREE
prints([ 'tree', 'sales', 'O-1', '--ascii' ], $ascii, 'plain characters');
{
	local $ENV{LC_ALL} = 'C';
	prints([ 'tree', 'sales', 'organisation:O-1' ], $ascii, 'plain characters in locale C');
}
prints([ 'tree', '--depth', '1', 'sales', 'id:1' ], <<'TREE', 'depth');
Nordic Care  network:N-1
├── Alba  organisation:O-1  [+2]
└── Bora  organisation:O-2  [+1]

3 entities, 2 levels; 2 with more below
TREE
prints([ 'tree', 'sales', 'A-2', '--as-of', '2024-06-01' ], <<'TREE', 'another day, an inactive entity');
Grace Clinic  account:A-2  (under Alba)
├── Dr Lee  prescriber:P-1  30%  (also under Mercy Hospital)
└── Site  site:old:1  [inactive]

3 entities, 2 levels
TREE
prints([ 'tree', 'sales', '--measure', 'sale.entity_id.amount', '--mode', 'weighted', '--width', '72' ], <<'TREE', 'totals');
Nordic Care  network:N-1                                    1,234,687.50
├── Alba  organisation:O-1                                        120.00
│   ├── Mercy Hospital  account:A-1                                70.00
│   │   └── Dr Lee  prescriber:P-1  70%  (also under Grace Clin…  100.00
│   └── Grace Clinic  account:A-2                                  50.00
│       └── Dr Lee  prescriber:P-1  30%  (see above, also under…  100.00
└── Bora  organisation:O-2                                  1,234,567.50
    └── Hope Clinic  account:A-3                            1,234,567.50
        └── Dr Kim  prescriber:P-2                          1,234,567.50

8 entities, 4 levels; 1 line again under other parents; 1 fact of nobody in the hierarchy, 3.00
TREE
like((client('tree', 'sales', 'A-2', '--measure', 'SALE.entity_id.*'))[1], qr/^Grace Clinic .* 3$/m, 'facts counted');
like((client('tree', 'sales', 'A-2', '--measure', 'sale.entity_id."Odd ""Name"'))[1], qr/^Grace Clinic .* 4$/m, 'a quoted column');
like((client('tree', 'sales', 'A-3', '--measure', 'facts.sale.place.n'))[1], qr/^Hope Clinic .* 5$/m, 'a schema, and a text key');

# what a node can be written as
foreach my $case ([ '7', 'Dr Lee' ], [ 'P-1', 'Dr Lee' ], [ 'prescriber:P-1', 'Dr Lee' ], [ '1234567893', 'Dr Lee' ],
	[ 'NPI:1234567893', 'Dr Lee' ], [ 'id:8', 'Dr Kim' ], [ 'A:B', 'Dr Kim' ], [ 'X:A:B', 'Dr Kim' ])
{
	like((client('tree', 'sales', $case->[0]))[1], qr/^$case->[1]  prescriber/, "$case->[0] is $case->[1]");
}
my ($code, $out, $err) = client('tree', 'sales', '4');
like($out, qr/^Mercy Hospital/, 'a number is that of an entity');
like($err, qr/^pg_hierarchy: note: .*--type 'site' it is entity 11$/, 'which is told where it is a code, too');
ends([ 'tree', 'sales', '04' ], 4, qr/entity 13 is not in/, 'with a zero it is none');
ends([ 'tree', 'sales', 'site:old:1' ], 4, qr/may be several.*--type 'site' 'old:1' is entity 10.*--type 'site:old' '1' is entity 9/s,
	'a code that is not clear');
ends([ 'tree', 'sales', '--type', 'site:old', '1' ], 4, qr/entity 9 is not in this hierarchy on \d{4}-/, 'not in the hierarchy');
ends([ 'tree', 'sales', 'site:S' ], 4, qr/entity 11 is not in/, 'what was merged is its survivor');
ends([ 'tree', 'sales', 'nobody' ], 4, qr/there is no entity "nobody"/, 'an unknown node');
ends([ 'tree', 'sales', "x\e[2J" ], 4, qr/there is no entity "x\\x1b\[2J"/, 'an unknown node is named without its control characters');
ends([ $_, 'nothing' ], 4, qr/hierarchy "nothing" does not exist.*"sales"/s, "$_: an unknown hierarchy") foreach qw(tree export watch);
ends([ 'tree', 'sales', '--as-of', 'yesteryear' ], 2, qr/not a day/, 'not a day');
ends([ 'tree' ], 2, qr/which hierarchy/, 'no hierarchy');
ends([ 'tree', 'sales', 'a', 'b' ], 2, qr/too much.*"b"/, 'too many arguments');
ends([ 'tree', 'sales', '--depth', 'x' ], 2, qr/--depth is a number/, 'no number');
ends([ 'tree', 'sales', '--mode', 'paths' ], 2, qr/belongs to --measure/, 'a mode without a measure');
ends([ 'tree', 'sales', '--measure', 'sale' ], 2, qr/table\.key\.value/, 'no measure');
ends([ 'tree', 'sales', '--measure', 'sale.entity_id."' ], 2, qr/table\.key\.value/, 'a quote that does not end');
ends([ 'tree', 'sales', '--measure', 'sale.nothing.amount' ], 4, qr/has no column "nothing"/, 'no such column');
ends([ 'tree', 'sales', '--measure', 'nothing.a.b' ], 4, qr/table nothing does not exist/, 'no such table');
ends([ 'tree', 'sales', '--measure', 'sale.entity_id.amount', '--mode', 'x' ], 4, qr/mode/, 'no such mode');
ends([ 'export', 'sales', '--format', 'xls' ], 2, qr/no format "xls"/, 'no such format');
ends([ 'export', 'sales', '--all', '--as-of', 'today' ], 2, qr/exclude/, 'contradicting options');
ends([ 'watch', '--once' ], 2, qr/--since/, 'watch --once needs a beginning');
foreach my $command (qw(tree watch check export))
{
	like((client($command, '--help'))[1], qr/Usage:\n  pg_hierarchy $command .*--port=PORT.*Exit codes/s, "$command --help");
	ends([ $command, '--nonsense' ], 2, qr/--nonsense.*$command --help/s, "$command: an unknown option");
}

# ---- an empty hierarchy ----

sql("SELECT hierarchy.create_hierarchy('empty')");
($code, $out, $err) = client('tree', 'empty');
is("$code:$out", '0:', 'tree of an empty hierarchy');
like($err, qr/note: the hierarchy is empty on/, 'which is told');
prints([ 'export', 'empty' ], "entity_id,entity_type,code,name,status,parent_id,parent_type,parent_code,parent_name,"
	  . "relationship_type,share,is_primary,influence_level,valid_from,valid_to\n", 'empty CSV');
is_deeply(JSON::PP->new->decode((client('export', 'empty', '--format', 'json'))[1])->{relationships}, [], 'empty JSON');
prints([ 'export', 'empty', '--format', 'dot' ], "digraph \"empty\" {\n\tnode [shape=box];\n}\n", 'empty DOT');
prints([ 'export', 'empty', '--format', 'mermaid' ], "flowchart TD\n", 'empty Mermaid');

# ---- nasty names ----

my $nasty = "n \"h\" <&> 'x'\n\e[31m\x{202e}";
my @names = (
	'He said "hi" & <b>bye</b>', "O'Brien; DROP TABLE", "two\nlines\ttab\r\n", "\e[31mred\e[0m\a\b", "\x{9b}31mC1\x{85}",
	'שלום "עולם"', 'مرحبا', "🏥 Klinik 👩\x{200d}⚕\x{fe0f}", '日本語の病院の名前', "e\x{301}\x{323}te\x{301}", "\x{202e}evil\x{2066}", 'C:\\new\\n"',
	'ends with \\', '|pipe|', '#35; #quot; #amp;', ']]> <![CDATA[ -->', 'a,b', ' blank ', '', '&amp; &lt; &#65;', '%% comment `code`',
	"\x{2028}line", "\x{1}\x{1f}\x{7f}", 'long ' x 100, '長' x 60, "\\N \\G \\l", '{"json": [1]}', "--> n1 ; end", "\x{fffe}\x{ffff}", '=1+1');

{
	my $hex = sub { return unpack('H*', encode('UTF-8', $_[0])) };
	my $text = sub { return "convert_from('\\x" . $hex->($_[0]) . "'::bytea, 'UTF8')" };
	my $i = 0;

	sql("SELECT hierarchy.create_hierarchy(" . $text->($nasty) . ", share_mode => 'full')");
	sql("INSERT INTO hierarchy.relationship_type (relationship_type) VALUES (" . $text->("owns \"&<\\\n") . ")");
	foreach my $name (@names)
	{
		my $id = 1000 + $i++;
		my $code = $name =~ /\S/ ? "substr(btrim(" . $text->($name) . "), 1, 20) || ' $id'" : "'$id'";

		sql("INSERT INTO hierarchy.entity (entity_id, entity_type, code, name, attributes) VALUES ($id, 'site', $code, "
			  . $text->($name) . ", jsonb_build_object(" . $text->($name) . ", " . $text->($name) . "))");
		next if $i == 1;
		sql("INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level, valid) "
			  . "SELECT h.hierarchy_id, $_->[0], $id, $_->[1] FROM hierarchy.hierarchy h WHERE h.name = " . $text->($nasty))
		  foreach [ 1000 + int(($i - 2) / 2),
			($i % 3 ? 'NULL' : $text->("owns \"&<\\\n")) . ", true, 0." . (($i * 7) % 10) . "12345678901234567891, NULL, '[2024-01-0" . ($i % 9 + 1) . ",)'" ],
		  ($i > 6 && $i % 4 == 0 ? [ 1001, "NULL, false, NULL, $i.5, '(,2099-01-01)'" ] : ()),
		  ($i > 6 && $i % 5 == 0 ? [ 1002, "NULL, false, 1, NULL, '[2020-01-01,2020-02-01)'" ] : ());
	}
}

foreach my $width (20, 40, 80, 200)
{
	($code, $out, $err) = client('tree', $nasty, '--width', $width, $width == 80 ? '--ascii' : ());
	is($code, 0, "nasty names, $width columns");
	is_clean($out, "$width columns");
	my @lines = split /\n/, $out;
	pop @lines;    # the sum may be longer
	my @long = grep { columns($_) > $width } @lines;
	is(join("\n", @long), '', "no line is longer than $width columns");
}
is_clean((client('tree', $nasty))[1], 'no width');
{
	local $ENV{COLUMNS} = 50;
	my @long = grep { columns($_) > 50 } split /\n/, (client('tree', $nasty))[1];
	is(scalar(grep { !/entities/ } @long), 0, 'COLUMNS');
	like((client('tree', $nasty))[1], qr/long long long.*…/, 'an ellipsis');
}
{
	local $ENV{LC_ALL} = 'C';
	is_clean((client('tree', $nasty))[1], 'locale C');
}
is_clean((client('tree', "$nasty.")) [2] =~ s/\n//gr, 'a message about names');
is_clean((client('watch', '--since', '0', '--once'))[1], 'watch');
is_clean((client('watch', '--since', '0', '--once', '--json'))[1], 'watch --json');
is_clean((client('check'))[1], 'check');

# ---- export ----

# The relationships as the database has them; hierarchy, condition.
sub relationships
{
	my ($hierarchy, $condition) = @_;
	my $hex = unpack('H*', encode('UTF-8', $hierarchy));

	return JSON::PP->new->decode(sql(<<"SQL") || '[]');
SELECT json_agg(json_build_array(r.child_id::text, r.parent_id::text, r.relationship_type, r.share::text,
	CASE WHEN r.is_primary THEN 'true' ELSE 'false' END, r.influence_level::text, lower(r.valid)::text, upper(r.valid)::text)
	ORDER BY r.child_id, r.parent_id, r.valid)
FROM hierarchy.relationship r JOIN hierarchy.hierarchy h USING (hierarchy_id)
WHERE h.name = convert_from('\\x$hex', 'UTF8') AND ($condition)
SQL
}

# The entities in it: number to [type, code, name].
my %entities = map { $_->[0] => [ @$_[ 1 .. 3 ] ] }
  @{ JSON::PP->new->decode(sql("SELECT json_agg(json_build_array(entity_id::text, entity_type, code, name)) FROM hierarchy.entity")) };

# from_json(text): its relationships, and does it have the right entities?
sub from_json
{
	my $data = JSON::PP->new->allow_bignum->decode($_[0]);
	my %found = map { $_->{id} => [ @$_{qw(type code name)} ] } @{ $data->{entities} };
	my %attributes = map { $_->{id} => $_->{attributes} } @{ $data->{entities} };

	is_deeply(\%found, { map { $_ => $entities{$_} } keys %found }, 'JSON: entities');
	is($attributes{1005}{ $names[5] }, $names[5], 'JSON: attributes') if $found{1005};
	return [ map { my $r = $_; [ map { defined $r->{$_} ? ref($r->{$_}) eq 'JSON::PP::Boolean' ? ($r->{$_} ? 'true' : 'false') : "$r->{$_}" : undef }
			qw(child parent relationship_type share is_primary influence_level valid_from valid_to) ] } @{ $data->{relationships} } ];
}

# from_csv(text): PostgreSQL reads it.
sub from_csv
{
	open(my $file, '>:encoding(UTF-8)', "$dir/export.csv") or die $!;
	print $file $_[0];
	close $file;
	sql(<<"SQL");
DROP TABLE IF EXISTS csv;
CREATE TABLE csv (entity_id text, entity_type text, code text, name text, status text, parent_id text, parent_type text, parent_code text,
	parent_name text, relationship_type text, share text, is_primary text, influence_level text, valid_from text, valid_to text);
\\copy csv FROM '$dir/export.csv' (FORMAT csv, HEADER)
SQL
	is(sql("SELECT count(*) FROM csv c LEFT JOIN hierarchy.entity e ON e.entity_id = c.entity_id::bigint AND e.entity_type = c.entity_type "
			  . "AND e.code = c.code AND e.name = c.name AND e.status = c.status LEFT JOIN hierarchy.entity p ON p.entity_id = c.parent_id::bigint "
			  . "WHERE e.entity_id IS NULL OR (p.entity_type, p.code, p.name) IS DISTINCT FROM (c.parent_type, c.parent_code, c.parent_name)"),
		'0', 'CSV: entities');
	return JSON::PP->new->decode(sql("SELECT json_agg(json_build_array(entity_id, parent_id, relationship_type, share, is_primary, influence_level, "
			  . "valid_from, valid_to) ORDER BY entity_id::bigint, parent_id::bigint, valid_from NULLS FIRST) FROM csv WHERE parent_id IS NOT NULL") || '[]');
}

# unquote_dot(text): a DOT string as Graphviz shows it, newlines apart.
sub unquote_dot
{
	my ($text) = @_;

	$text =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ge;
	return $text =~ s/&amp;/&/gr;
}

# spelled(text): with control characters as DOT has them spelled out.
sub spelled { return $_[0] =~ s/([\x00-\x09\x0b-\x1f\x7f])/sprintf('\\x%02x', ord $1)/ger; }

# from_dot(text): every line must be one of those that there can be.
sub from_dot
{
	my $string = qr/"((?:[^"\\]|\\.)*)"/s;
	my ($wrong, @rows) = (0);

	foreach my $line (split /\n/, $_[0])
	{
		if ($line =~ /^\t(\d+) \[label=$string(?:, style=dotted)?\];$/)
		{
			my ($id, $label) = ($1, unquote_dot($2));

			$wrong++ if $label ne spelled("$entities{$id}[2]\n$entities{$id}[0]:$entities{$id}[1]");
		}
		elsif ($line =~ /^\t(\d+) -> (\d+) \[(?:label=$string, )?(?:share="([\d.]+)", )?(?:influence_level="([\d.]+)", )?(?:valid_from="([\d-]+)", )?(?:valid_to="([\d-]+)", )?is_primary=(true|false)(?:, style=dashed)?\];$/)
		{
			my ($parent, $child, $label, $share, $influence, $from, $to, $primary) = ($1, $2, $3, $4, $5, $6, $7, $8);

			$label = defined $label ? unquote_dot($label) : '';
			$label =~ s/^\Q$share\E\n?// if defined $share;
			push @rows, [ $child, $parent, $label eq '' ? undef : $label, $share, $primary, $influence, $from, $to ];
		}
		else
		{
			$wrong++ if $line !~ /^digraph "(?:[^"\\]|\\.)*" \{$/ && $line ne "\tnode [shape=box];" && $line ne '}';
		}
	}
	is($wrong, 0, 'DOT: lines and labels');
	return \@rows;
}

# from_mermaid(text): likewise.
sub from_mermaid
{
	my ($wrong, @rows) = (0);
	my $decode = sub { return $_[0] =~ s/<br\/>/\n/gr =~ s/#(\d+);/chr $1/ger; };

	foreach my $line (split /\n/, $_[0])
	{
		if ($line =~ /^\tn(\d+)\["([^"<>&`]*(?:<br\/>[^"<>&`]*)*)"\]$/)
		{
			my ($id, $label) = ($1, $decode->($2));

			$wrong++ if $label ne "$entities{$id}[2]\n$entities{$id}[0]:$entities{$id}[1]";
		}
		elsif ($line =~ /^\tn(\d+) (-->|-\.->)(?:\|"((?:[^"<]|<br\/>)+)"\|)? n(\d+)$/)
		{
			my ($parent, $arrow, $label, $child) = ($1, $2, defined $3 ? $decode->($3) : '', $4);

			push @rows, [ $child, $parent, $label, $arrow eq '-->' ? 'true' : 'false' ];
		}
		else
		{
			$wrong++ if $line ne 'flowchart TD';
		}
	}
	is($wrong, 0, 'Mermaid: lines and labels');
	return \@rows;
}

my $python = eval { IPC::Run::run([ 'python3', '-c', 'import csv, json, xml.etree.ElementTree' ], '<', \undef, '>', \my $o, '2>', \my $e) };

# python(program, text): what a Python program makes of it, from JSON.
sub python
{
	my ($program, $text) = @_;
	my ($result, $errors) = ('', '');
	my $in = encode('UTF-8', $text);

	return JSON::PP->new->utf8->decode($result)
	  if IPC::Run::run([ 'python3', '-c', $program ], '<', \$in, '>', \$result, '2>', \$errors);
	diag($errors);
	return {};
}

my $read_graphml = <<'PYTHON';
import sys, json, xml.etree.ElementTree as E
n = '{http://graphml.graphdrawing.org/xmlns}'
r = E.fromstring(sys.stdin.buffer.read())
keys = {k.get('id') for k in r.iter(n + 'key')}
def data(e):
    d = {x.get('key'): x.text or '' for x in e.findall(n + 'data')}
    assert set(d) <= keys
    return d
nodes = {x.get('id')[1:]: data(x) for x in r.iter(n + 'node')}
rows = []
for x in r.iter(n + 'edge'):
    s, t, d = x.get('source')[1:], x.get('target')[1:], data(x)
    assert s in nodes and t in nodes
    rows.append([t, s] + [d.get(k) for k in ('relationship_type', 'share', 'is_primary', 'influence_level', 'valid_from', 'valid_to')])
print(json.dumps({'name': data(r.find(n + 'graph'))['hierarchy'], 'nodes': nodes, 'rows': rows}))
PYTHON
my $read_csv = <<'PYTHON';
import sys, json, csv, io
print(json.dumps(list(csv.reader(io.TextIOWrapper(sys.stdin.buffer, encoding='utf-8', newline='')))))
PYTHON

foreach my $case ([ 'sales', 'r.valid @> current_date' ], [ $nasty, 'r.valid @> current_date' ], [ $nasty, 'true', '--all' ],
	[ $nasty, "r.valid \@> date '2020-01-15'", '--as-of', '2020-01-15' ])
{
	my ($hierarchy, $condition, @options) = @$case;
	my $expected = relationships($hierarchy, $condition);
	my $name = ($hierarchy eq 'sales' ? 'sales' : 'nasty') . " @options";
	my %text = map { $_ => (client('export', $hierarchy, '--format', $_, @options))[1] } qw(csv json dot mermaid graphml);

	cmp_ok(scalar(@$expected), '>', 5, "$name: there are relationships");
	is_deeply(from_json($text{json}), $expected, "$name: JSON");
	is_deeply(from_csv($text{csv}), $expected, "$name: CSV");
	is_deeply(from_dot($text{dot}), [ map { my @r = @$_; $r[2] = spelled($r[2]) if defined $r[2]; \@r } @$expected ], "$name: DOT");
	is_deeply(from_mermaid($text{mermaid}),
		[ map { [ @$_[ 0, 1 ], join(' ', grep { defined } @$_[ 3, 2 ]), $_->[4] ] } @$expected ], "$name: Mermaid");
  SKIP:
	{
		skip 'no python3', 4 if !$python;
		my $graph = python($read_graphml, $text{graphml});
		# what XML 1.0 cannot hold
		my $xml = sub { return defined $_[0] ? $_[0] =~ s/[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]/\x{fffd}/gr : undef };
		is_deeply($graph->{rows}, [ map { [ map { $xml->($_) } @$_ ] } @$expected ], "$name: GraphML");
		is($graph->{name}, $xml->($hierarchy), "$name: GraphML: its name");
		is_deeply({ map { $_ => [ @{ $graph->{nodes}{$_} }{qw(entity_type code name)} ] } keys %{ $graph->{nodes} } },
			{ map { my $e = $_; $e => [ map { $xml->($_) } @{ $entities{$e} } ] } keys %{ $graph->{nodes} } }, "$name: GraphML: entities");
		my $csv = python($read_csv, $text{csv});
		is_deeply([ map { [ map { $_ eq '' ? undef : $_ } @$_[ 0, 5, 9 .. 14 ] ] } grep { $_->[5] ne '' } @$csv[ 1 .. $#$csv ] ],
			$expected, "$name: CSV by Python");
	}
  SKIP:
	{
		my ($canonical, $errors) = ('', '');
		my $in = encode('UTF-8', $text{dot});

		skip 'no dot', 1 if !eval { IPC::Run::run([ 'dot', '-V' ], '>', \$canonical, '2>', \$errors) };
		IPC::Run::run([ 'dot', '-Tcanon' ], '<', \$in, '>', \$canonical, '2>', \$errors);
		my $edges = () = $canonical =~ /^\t\d+ -> \d+/mg;
		is("$edges$errors", scalar(@$expected), "$name: DOT by Graphviz");
	}
}

prints([ 'export', 'sales', '-o', "$dir/sales.csv" ], '', 'to a file');
is(decode('UTF-8', slurp_file("$dir/sales.csv")), (client('export', 'sales'))[1], 'which has it all');
sql("SELECT hierarchy.create_hierarchy('copy', share_mode => 'split')");
($code, $out, $err) = client('load', "$dir/sales.csv", '--hierarchy', 'copy', '-q', map { ('--map', $_) } qw(entity_type=entity_type code=code
	name=name status=status parent_type=parent.type parent_code=parent.code relationship_type=relationship_type share=share
	is_primary=is_primary influence_level=influence_level valid_from=valid_from valid_to=valid_to));
is($code, 0, 'which can be loaded') or diag($out, $err);
prints([ 'export', 'copy' ], decode('UTF-8', slurp_file("$dir/sales.csv")), 'and gives the same relationships');
sql("SELECT hierarchy.drop_hierarchy('copy', force => true)");
ends([ 'export', 'sales', '-o', "$dir/no/where.csv" ], 5, qr/could not open file .*No such file/, 'a folder that is not there');
SKIP:
{
	skip 'no /dev/full', 8 if !-c '/dev/full';
	foreach my $command ('tree sales', 'export sales', 'export sales --format json', 'watch --since 0 --once', 'check')
	{
		my ($o, $e) = ('', '');

		IPC::Run::run([ 'sh', '-c', "'$program' $command >/dev/full" ], '>', \$o, '2>', \$e);
		is($? >> 8, 5, "$command: no space");
		like($e, qr/could not write the output: No space left/, "$command: no space is told");
	}
	ends([ 'export', 'sales', '-o', '/dev/full' ], 5, qr/could not write file .*No space left/, 'no space for the file');
}

# ---- large, deep, and a reader that goes away ----

sql(<<'SQL');
SET search_path = hierarchy, public;
INSERT INTO entity (entity_id, entity_type, code, name) SELECT i, 'site', i, 'Site number ' || i FROM generate_series(100000, 120000) i;
SELECT create_hierarchy('large'), create_hierarchy('deep');
INSERT INTO relationship (hierarchy_id, parent_id, child_id)
SELECT (SELECT hierarchy_id FROM hierarchy WHERE name = 'large'), 100000 + (i - 100001) / 4, i FROM generate_series(100001, 120000) i;
INSERT INTO relationship (hierarchy_id, parent_id, child_id)
SELECT (SELECT hierarchy_id FROM hierarchy WHERE name = 'deep'), i - 1, i FROM generate_series(100001, 103000) i;
RESET search_path;
SQL
($code, $out, $err) = client('tree', 'large');
is(() = $out =~ /^.+$/mg, 20002, 'all lines of a large one');
# Is it drawn as it is?  Read the lines back: who is under whom.
{
	my (@above, %under, $bad);

	foreach my $line (split /\n/, $out)
	{
		next if $line !~ /^((?:│   |    )*)(├── |└── |)Site number (\d+)  /;
		my $depth = $2 eq '' ? 0 : length($1) / 4 + 1;

		$above[$depth] = $3;
		$under{$3} = $depth > 0 ? $above[ $depth - 1 ] : undef;
	}
	foreach my $i (100001 .. 120000)
	{
		$bad++ if $under{$i} != 100000 + int(($i - 100001) / 4);
	}
	is($bad, undef, 'the lines say who is under whom');
	my @lines = split /\n/, $out;
	my $loose = 0;
	foreach my $i (1 .. $#lines - 2)
	{
		# under every branch the line goes on, under a corner it does not
		my $below = $lines[ $i + 1 ] . ' ' x 80;
		foreach my $at (grep { substr($lines[$i] . ' ' x 80, $_, 1) =~ /[├│]/ } 0 .. 60)
		{
			$loose++ if $i + 1 < $#lines - 1 && substr($below, $at, 1) !~ /[├│└]/;
		}
	}
	is($loose, 0, 'no line ends in the air');
}
($code, $out, $err) = client('tree', 'deep', '--width', '80');
is($code, 0, 'a deep one');
is(scalar(grep { columns($_) > 80 } split /\n/, $out), 0, 'which stays within 80 columns');
like($out, qr/^\(3000\) └── Site number 103000/m, 'and numbers its levels');
foreach my $command ('tree large', 'export large', 'export large --format json', 'watch --since 0', 'watch --since 0 --json')
{
	my ($o, $e) = ('', '');

	IPC::Run::run([ 'bash', '-c', "'$program' $command | head -1; echo \${PIPESTATUS[0]}" ], '>', \$o, '2>', \$e,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	like($o, qr/\n0\n$/, "$command | head");
	is($e, '', "$command | head: quiet");
}
SKIP:
{
	my ($o, $e) = ('', '');
	my $limit = 'ulimit -v 80000';    # its address space, which is more than its memory

	skip 'not with this build', 1 if !IPC::Run::run([ 'bash', '-c', "$limit; '$program' --version" ], '>', \$o, '2>', \$e);
	IPC::Run::run([ 'bash', '-c', "$limit; '$program' tree large | tail -1 && '$program' export large --format json | tail -1" ],
		'>', \$o, '2>', \$e);
	is($o, "20001 entities, 8 levels\n]}\n", 'in little memory') or diag($e);
}
# The backend is killed while it writes.
{
	my ($o, $e) = ('', '');
	IPC::Run::run([ 'bash', '-c', "'$program' export large --format json | (for i in {1..100}; do sleep 0.5; n=\$(psql -XAtqc \"SELECT count(pg_terminate_backend(pid)) "
				. "FROM pg_stat_activity WHERE application_name = 'pg_hierarchy'\" -d postgres); [ \$n = 0 ] || break; done; echo \$n >&2; cat >/dev/null); echo \${PIPESTATUS[0]}" ], '>', \$o, '2>', \$e);
	is($o, "3\n", 'killed backend: exit code');
	like($e, qr/^1\n.*pg_hierarchy: error: .*terminating connection/s, 'killed backend: message');
}
# Ctrl-C while it writes to a file: nothing half done is left behind.
{
	my ($e, $o) = ('', '');
	sql('BEGIN; LOCK TABLE hierarchy.entity');
	my $run = IPC::Run::start([ $program, 'export', 'large', '-o', "$dir/never.csv" ], '>', \$o, '2>', \$e);
	my $end = time + 30;
	sleep 0.05 while !glob("$dir/never.csv.*") && time < $end;
	sleep 0.2;
	$run->signal('INT');
	$run->finish;
	is($run->full_result(0) >> 8, 130, 'Ctrl-C');
	like($e, qr/interrupted/, 'Ctrl-C: message');
	is(join(' ', glob("$dir/never.csv*")), '', 'Ctrl-C: no file');
	sql('ROLLBACK');
}

# ---- watch ----

sub last_change { return sql('SELECT max(change_id) FROM hierarchy.change_log'); }

my $since = last_change();
sql(<<'SQL');
SET search_path = hierarchy, public;
BEGIN;
SET LOCAL hierarchy.reason = 'spelling';
SET LOCAL hierarchy.request = 'ticket 8';
UPDATE entity SET name = 'Grace Day Clinic', attributes = '{"beds": 3}' WHERE entity_id = 5;
COMMIT;
SELECT reassign('sales', 8, 6, 5, '2024-07-01');
UPDATE relationship SET parent_id = 3 WHERE child_id = 4;
INSERT INTO identifier VALUES ('Z', 'z', 1);
DELETE FROM identifier WHERE scheme = 'Z';
UPDATE entity SET name = 'Elsewhere' WHERE entity_id = 1010;
UPDATE hierarchy SET description = 'd' WHERE name = 'sales';
DELETE FROM relationship WHERE child_id = 10;
RESET search_path;
SQL
my $lines = <<'LINES';
Grace Day Clinic (account:A-2): attribute beds none -> 3, name Grace Clinic -> Grace Day Clinic  [spelling, ticket 8]
sales: Dr Kim (prescriber:P-2) under Hope Clinic (account:A-3): valid [2024-01-01,) -> [2024-01-01,2024-07-01)
sales: Dr Kim (prescriber:P-2) assigned to Grace Day Clinic (account:A-2), share 1, primary, from 2024-07-01
sales: Mercy Hospital (account:A-1) moved from Alba (organisation:O-1) to Bora (organisation:O-2)
Nordic Care (network:N-1): Z z added
Nordic Care (network:N-1): Z z removed
Elsewhere (CODE): name OLD -> Elsewhere
sales: hierarchy changed: description none -> d
sales: Site (site:old:1) removed from Grace Day Clinic (account:A-2), share 1, primary, from 2024-01-01, until 2025-01-01
LINES
($code, $out, $err) = client('watch', '--since', $since, '--once');
my @shown = split /\n/, $out;
is(scalar(grep { !/^\d+  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \w+  / } @shown), 0, 'watch: number, time, who');
s/^\d+  \S+ \S+  \w+  // foreach @shown;
s/^Elsewhere \(.*\): name .* -> /Elsewhere (CODE): name OLD -> / foreach @shown;
is(join('', map { "$_\n" } @shown), $lines, 'watch: what');
is("$code:$err", '0:', 'watch: exit code');
my @of_sales = split /\n/, (client('watch', 'sales', '--since', $since, '--once'))[1];
is(scalar(@of_sales), 8, 'watch: of one hierarchy');
is(scalar(grep { /Elsewhere/ } @of_sales), 0, 'watch: and of the entities in it');
is(scalar(split /\n/, (client('watch', '--since', $since, '--count', '2'))[1]), 2, 'watch: so many');
prints([ 'watch', '--since', last_change(), '--once' ], '', 'watch: nothing new');
like((client('watch', '--since', last_change() + 1000, '--timeout', '0.3'))[2], qr/the log ends at change/, 'watch: from beyond the end');
{
	my $started = time;
	is((client('watch', '--timeout', '0.5'))[0], 0, 'watch: until the time is up');
	cmp_ok(time - $started, '<', 60, 'and not for ever');
}
{
	my @objects = map { JSON::PP->new->decode($_) } split /\n/, (client('watch', '--since', $since, '--once', '--json'))[1];
	my $rows = JSON::PP->new->decode(sql("SELECT json_agg(json_build_object('change_id', c.change_id, 'table', c.table_name, 'operation', c.operation, "
			  . "'old', c.old_row, 'new', c.new_row, 'reason', c.reason, 'request', c.request, 'login_role', c.login_role, 'txid', c.txid::text::bigint)) "
			  . "FROM hierarchy.changes_since($since) c"));

	is_deeply([ map { my $o = $_; +{ map { $_ => $o->{$_} } qw(change_id table operation old new reason request login_role txid) } } @objects ], $rows,
		'watch: JSON has the rows of the log');
	is_deeply($objects[2]{parent}, { id => 5, type => 'account', code => 'A-2', name => 'Grace Day Clinic' }, 'watch: JSON has the entities');
	is($objects[2]{hierarchy}, 'sales', 'watch: JSON has the hierarchy');
}

# A watch in the background.
sub start_watch
{
	my (@arguments) = @_;
	my $watch = { out => '', err => '' };

	$watch->{run} = IPC::Run::start([ $program, 'watch', @arguments ], '<', \undef, '>', \$watch->{out}, '2>', \$watch->{err});
	return $watch;
}

# wait_for(watch, pattern): until it has printed that.
sub wait_for
{
	my ($watch, $pattern, $seconds) = @_;
	my $end = time + ($seconds // $PostgreSQL::Test::Utils::timeout_default);

	while ("$watch->{out}\n$watch->{err}" !~ $pattern)
	{
		return 0 if time > $end;
		eval { $watch->{run}->pump_nb; };
		sleep 0.02;
	}
	return 1;
}

# await_start(): until a watch, the only client, knows from where it reads on.
sub await_start
{
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'pg_hierarchy' AND state = 'idle' AND query ~ 'changes_'") or die;
	return;
}

sub end_watch
{
	my ($watch, $signal) = @_;

	$watch->{run}->signal($signal);
	$watch->{run}->finish;
	return $watch->{run}->full_result(0);
}

sub backends { return sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_hierarchy'"); }
sub change { sql("UPDATE hierarchy.entity SET name = 'change $_[0]' WHERE entity_id = 2"); return; }

# The changes that a watch has shown.
sub seen { return join ' ', $_[0]{out} =~ /-> change (\d+)$/mg; }

my $watch = start_watch('--since', last_change());
change(1);
ok(wait_for($watch, qr/-> change 1$/m), 'watch: a change');
my $started = time;
change(2);
ok(wait_for($watch, qr/-> change 2$/m), 'watch: another');
cmp_ok(time - $started, '<', long(30, 3), 'within moments');
# What an open transaction holds back comes when it is over, in order.
my $other = session($node);
$other->query("BEGIN; UPDATE hierarchy.entity SET name = 'change 3' WHERE entity_id = 3");
change(4);
ok(!wait_for($watch, qr/-> change 4$/m, 1), 'watch: not beyond the horizon');
$other->query('COMMIT');
ok(wait_for($watch, qr/-> change 4$/m), 'watch: then all of it');
is(seen($watch), '1 2 3 4', 'watch: in order');
# Killed, with changes that nobody rings for.
sql("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'pg_hierarchy'; "
	. "UPDATE hierarchy.entity SET name = 'change 5' WHERE entity_id = 2");
change(6);
ok(wait_for($watch, qr/-> change 6$/m), 'watch: goes on after its backend was killed');
like($watch->{err}, qr/connection lost, trying again: .*connected again/s, 'watch: says so');
change(7);
ok(wait_for($watch, qr/-> change 7$/m), 'watch: and listens again');
# A server that is away for a while.
$other->quit;
$s->quit;
$node->stop('fast');
wait_for($watch, qr/trying again.*trying again/s);
$node->start;
$s = session($node);
change(8);
ok(wait_for($watch, qr/-> change 8$/m), 'watch: goes on after a restart');
$s->quit;
$node->stop('immediate');
$node->start;
$s = session($node);
change(9);
ok(wait_for($watch, qr/-> change 9$/m), 'watch: and after a crash');
is(seen($watch), '1 2 3 4 5 6 7 8 9', 'watch: nothing missed, nothing twice');
my $before = $watch->{err};
is(end_watch($watch, 'INT') >> 8, 130, 'watch: Ctrl-C');
is($watch->{err}, $before, 'watch: ends quietly');
$watch = start_watch('sales', '--json');
await_start();
sql("UPDATE hierarchy.relationship SET influence_level = 1 WHERE child_id = 4");
ok(wait_for($watch, qr/"influence_level": 1/), 'watch: live, as JSON');
is(end_watch($watch, 'TERM') >> 8, 130, 'watch: SIGTERM');
is($watch->{err}, '', 'watch: ends quietly, too');
# prepared transactions ring no bell
$watch = start_watch();
await_start();
sql("BEGIN; UPDATE hierarchy.entity SET name = 'prepared' WHERE entity_id = 2; PREPARE TRANSACTION 'p'");
sql("COMMIT PREPARED 'p'");
ok(wait_for($watch, qr/-> prepared$/m), 'watch: a prepared transaction');
# the server stays away: told to stop all the same
$s->quit;
$node->stop('fast');
wait_for($watch, qr/trying again/);
is(end_watch($watch, 'INT') >> 8, 130, 'watch: Ctrl-C without a connection');
ends([ 'watch' ], 3, qr/pg_hierarchy: error: .*(socket|connect)/, 'watch: no server at the start');
ends([ $_, 'sales' ], 3, qr/pg_hierarchy: error: .*(socket|connect)/, "$_: no server") foreach qw(tree export);
$node->start;
$s = session($node);

# ---- roles ----

sql(<<'SQL');
CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO reader;
ALTER ROLE reader SET default_transaction_read_only = on;
ALTER ROLE reader SET default_transaction_isolation = 'serializable';
CREATE ROLE nobody_much LOGIN;
CREATE ROLE secret LOGIN PASSWORD 'Xyzzy-1234';
SQL
foreach my $arguments ([ 'tree', 'sales' ], [ 'export', 'sales', '--format', 'json' ], [ 'watch', '--since', $since, '--once' ], [ 'watch', '--timeout', '0.2' ])
{
	my @mine = client(@$arguments);
	is_deeply([ client(@$arguments, '-U', 'reader') ], \@mine, "a reader: @$arguments");
}
ends([ @$_, '-U', 'nobody_much' ], 4, qr/error: permission denied for/, "no rights: @$_")
  foreach [ 'tree', 'sales' ], [ 'export', 'sales' ], [ 'watch', '--since', '0' ], [ 'watch', 'sales' ];
ends([ 'tree', 'sales', '-U', 'reader', '--measure', 'sale.entity_id.amount' ], 4, qr/permission denied for table sale/, 'no right to the facts');

my $hba = $node->data_dir . '/pg_hba.conf';
my $rules = slurp_file($hba);
unlink $hba;
append_to_file($hba, "local all secret scram-sha-256\nhost all secret all scram-sha-256\n$rules");
$node->reload;
{
	local $ENV{PGPASSWORD} = 'Wrong-4321';
	foreach my $command ([ 'tree', 'sales' ], [ 'export', 'sales' ], ['watch'], ['check'])
	{
		($code, $out, $err) = client(@$command, '-U', 'secret');
		is($code, 3, "$command->[0]: wrong password");
		like($err, qr/password authentication failed/, "$command->[0]: says so");
		unlike($out . $err, qr/4321|1234/, "$command->[0]: no password in it");
	}
}
ends([ 'tree', 'sales', '-U', 'secret', '-w' ], 3, qr/password/, 'no password');
{
	local $ENV{PGPASSWORD} = 'Xyzzy-1234';
	is((client('check', '-U', 'secret'))[0], 0, 'the right password');
}

# ---- check ----

($code, $out, $err) = client('check');
is("$code:$err", '0:', 'check: all is well') or diag($out);
like($out, qr/ok +hierarchy\.sales +11 nodes|ok +hierarchy\.sales +\d+ nodes, \d+ edges, depth 3; image \d+ \w+, index \d+ kB; agrees with its table/,
	'check: a graph');
like($out, qr/note +autovacuum +off.*\n +-> autovacuum = on/, 'check: a setting');
like($out, qr/ok +fsync +on/, 'check: another');
like($out, qr/ok +server +PostgreSQL \d+.*\n.*ok +client +\d.*\n.*(ok|note) +extension +\d.*(?:\n +->.*)?\n +ok +library +\d/, 'check: versions');
like($out, qr/ok +partitions +\d months? ahead/, 'check: partitions of the log');
like($out, qr/\n0 problems, \d+ notes?\n$/, 'check: the sum');
($code, $out, $err) = client('check', '-U', 'reader');
is("$code:$err", '0:', 'check: a reader') or diag($out);
($code, $out, $err) = client('check', '-U', 'nobody_much');
is("$code:$err", '0:', 'check: nobody much');
like($out, qr/hidden +hierarchies +no SELECT.*hidden +hierarchy\.sales +no SELECT on hierarchy\.relationship_\d+.*\d+ hidden from this role/s, 'check: says what it may not see');
unlike($out, qr/agrees/, 'check: and says nothing of it');
like((client('check', '--no-verify'))[1], qr/hierarchy\.sales .*kB$/m, 'check: without reading tables');
{
	local $ENV{PGOPTIONS} = '-c hierarchy.image_memory=1MB -c work_mem=1MB';
	like((client('check', '--no-verify'))[1], qr/note +hierarchy\.image_memory +1MB, but/, 'check: memory for images');
}
ends([ 'check', 'x' ], 2, qr/too much/, 'check: arguments');

sub problem
{
	my ($pattern, $name) = @_;
	my ($c, $o, $e) = client('check');

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($c, 1, "check: $name: exit code");
	like($o, $pattern, "check: $name");
	return;
}
sql('ALTER TABLE hierarchy.entity DISABLE TRIGGER _audit_update');
problem(qr/PROBLEM +hierarchy\.entity +trigger "_audit_update" is disabled/, 'a trigger');
sql('ALTER TABLE hierarchy.entity ENABLE TRIGGER _audit_update');
problem(qr/PROBLEM +triggers +1 do not fire for rows that replication applies, as on hierarchy\.entity/, 'a trigger for some rows only');
sql('ALTER TABLE hierarchy.entity ENABLE ALWAYS TRIGGER _audit_update');
sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'hierarchy.large'::regclass");
problem(qr/PROBLEM +hierarchy\.large +the index is invalid.*\n +-> REINDEX INDEX hierarchy\.large/, 'an invalid index');
sql("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'hierarchy.large'::regclass");
sql("CREATE TABLE net (a int, b int); CREATE INDEX net_graph ON net USING hgraph (a, b) WITH (acyclic = off); "
	. "INSERT INTO net VALUES (1, 2), (2, 3), (3, 1); ALTER INDEX net_graph SET (acyclic = on)");
problem(qr/PROBLEM +public\.net_graph +.*cycle/, 'a graph that is not what it should be');
sql('DROP TABLE net');
$s->quit;
$node->append_conf('postgresql.conf', 'full_page_writes = off');
$node->restart;
$s = session($node);
problem(qr/PROBLEM +full_page_writes +off/, 'a dangerous setting');
$node->append_conf('postgresql.conf', 'full_page_writes = on');
$node->reload;
$node->safe_psql('postgres', 'CREATE DATABASE bare');
($code, $out, $err) = client('check', '-d', 'bare');
is($code, 1, 'check: no extension: exit code');
like($out, qr/PROBLEM +extension +not in this database/, 'check: no extension');
ends([ 'tree', 'sales', '-d', 'bare' ], 4, qr/extension "hierarchy" is not installed/, 'tree: no extension');

# ---- a terminal ----

SKIP:
{
	my $on_terminal = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';
	my ($o, $e) = ('', '');

	skip 'no python3 with pty', 7
	  if !eval { IPC::Run::run([ 'python3', '-c', $on_terminal, 'true' ], '<', \undef, '>', \$o, '2>', \$e) };
	local $ENV{TERM} = 'xterm';
	my $terminal = sub {
		IPC::Run::run([ 'python3', '-c', $on_terminal, $program, map { encode('UTF-8', $_) } @_ ], '<', \undef, '>', \$o, '2>', \$e);
		return decode('UTF-8', $o) =~ s/\r\n/\n/gr;
	};
	local $ENV{COLUMNS} = 60;
	my $coloured = $terminal->('tree', $nasty);
	like($coloured, qr/\e\[1mHe said "hi"/, 'colours on a terminal');
	is_clean($coloured =~ s/\e\[\d+m//gr, 'a terminal');
	is(scalar(grep { columns($_) > 60 && !/entities/ } split /\n/, $coloured =~ s/\e\[\d+m//gr), 0, 'its width is kept');
	is_clean($terminal->('export', $nasty, '--all', '--format', $_) =~ s/\t//gr, "$_ on a terminal") foreach qw(csv json graphml);
	local $ENV{NO_COLOR} = 1;
	unlike($terminal->('tree', 'sales'), qr/\e/, 'NO_COLOR');
}

$s->quit;
is(server_died($node), '', 'no crash');
done_testing();
