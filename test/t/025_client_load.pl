# The client's command "load" over a real server: every form of a list, whatever
# can go wrong on the way, and what is left behind then.

use strict;
use warnings;

use Cwd ();
use Encode qw(encode);
use Errno;
use HierarchyTest;
use IO::Compress::Gzip qw(gzip);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

seed();
my $node = start_node('client', "log_statement = all\nlog_connections = on\n");
my $s = session($node);
my $dir = PostgreSQL::Test::Utils::tempdir();
my @map = ('--map', 'id=code', '--map', 'name=name', '--map', 'note=attribute.note', '--set', 'entity_type=account');

# What the client is told about the server, and nobody else
our %env = (PGAPPNAME => 'pg_hierarchy', PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGCONNECT_TIMEOUT => 20);

sub start_client
{
	my ($in, $out, $err, @args) = @_;

	local %ENV = (%ENV, %env);
	return IPC::Run::start([ 'pg_hierarchy', @args ], ref $in eq 'GLOB' ? '<pipe' : '<', $in, '>', $out, '2>', $err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
}

# feed(bytes): writes to the pipe IN, which does not wait for its reader
sub feed
{
	my ($bytes) = @_;

	local $SIG{PIPE} = 'IGNORE';
	while (length $bytes)
	{
		my $n = syswrite(IN, $bytes);

		if ($n)
		{
			substr($bytes, 0, $n, '');
		}
		elsif ($!{EAGAIN})
		{
			sleep 0.001;
		}
		else
		{
			last;
		}
	}
	return;
}

# client(input, args): the exit code, stdout and stderr
sub client
{
	my ($in, @args) = @_;
	my ($out, $err) = ('', '');
	my $run = start_client(\$in, \$out, \$err, @args);

	$run->finish;
	return ($run->full_result(0) >> 8, $out, $err);
}

sub load { return client('', 'load', @_); }

# result(args): "rows inserted updated unchanged rejected" of a load that must succeed
sub result
{
	my ($code, $out, $err) = client(@_);

	return "exit $code: $err" if $code != 0;
	return join ' ', map { my ($n) = $out =~ /^ +$_ +([0-9,]+)$/m; ($n // '?') =~ tr/,//dr } qw(rows inserted updated unchanged rejected);
}

sub file
{
	my ($name, $bytes) = @_;

	open(my $f, '>:raw', "$dir/$name") or die $!;
	print $f $bytes;
	close $f;
	return "$dir/$name";
}

sub bytes
{
	my ($name) = @_;

	open(my $f, '<:raw', "$dir/$name") or die "$name: $!";
	local $/;
	return scalar <$f>;
}

# Nothing of a batch may be left behind, and no session.
sub nothing_left
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pg_hierarchy'");
	is($s->query(q{SELECT count(*) FROM pg_class WHERE relname ~ '^load_(stage|result)_'
		UNION ALL SELECT count(*) FROM hierarchy.load_batch WHERE state <> 'loaded'}), "0\n0", $name);
	return;
}

$s->query(q{INSERT INTO hierarchy.entity_type VALUES ('account'); SELECT hierarchy.create_hierarchy('sales', max_parents => 1)});

# The command line

my ($code, $out, $err) = client('', '--version');
like($out, qr/^pg_hierarchy 1\.\d+$/, 'version');
is($code, 0, 'version: exit code');
foreach my $command (qw(load tree watch check export))
{
	($code, $out, $err) = client('', $command, '--help');
	ok($code == 0 && $out =~ /Usage:\n.*pg_hierarchy $command/s && $out =~ /--dbname=/ && $err eq '', "$command --help");
}
my $good = file('good.csv', "id,name,note\n1,A,x\n");
foreach my $case (
	[ 'no command', [], qr/^$/ ],
	[ 'unknown command', ['lod'], qr/there is no command "lod"/ ],
	[ 'unknown option', [ 'load', '--frobnicate' ], qr/--frobnicate/ ],
	[ 'no file', [ 'load', @map ], qr/no file was named/ ],
	[ 'no mapping', [ 'load', $good ], qr/--map/ ],
	[ 'stdin without a name', [ 'load', '-', @map ], qr/--source/ ],
	[ 'a mode', [ 'load', $good, @map, '--mode', 'replace' ], qr/full_snapshot/ ],
	[ 'max errors', [ 'load', $good, @map, '--max-errors', 'few' ], qr/neither a whole number nor a percentage/ ],
	[ 'rejects in place of the list', [ 'load', $good, @map, '--reject', "$dir/./good.csv" ], qr/would overwrite the list/ ],
	[ 'delimiter', [ 'load', $good, @map, '--delimiter', '::' ], qr/not one character/ ],
	[ 'no header', [ 'load', $good, @map, '--no-header' ], qr/--columns/ ],
	[ 'a snapshot in two files', [ 'load', $good, $good, @map, '--mode', 'full_snapshot' ], qr/one file/ ],
	[ 'broken JSON', [ 'load', $good, '--map', '{"code": ' ], qr/is no JSON/ ],
	[ 'JSON that is no object', [ 'load', $good, '--map', file('map0.json', '["code"]'), '--map', ' {}' ], qr/is no JSON object|neither a file/ ],
	[ 'neither file nor mapping', [ 'load', $good, '--map', 'nothing.json' ], qr/neither a file nor/ ],
	[ 'encoding', [ 'load', $good, @map, '--encoding', 'KLINGON' ], qr/not known here/ ],
	[ 'a password', [ 'load', $good, @map, '--password=s3cr3t' ], qr/password/ ],
	[ 'a password in a URI', [ 'load', $good, @map, '-d', 'postgresql://u:s3cr3t@nowhere/db' ], qr/does not belong on the command line/ ],
	[ 'a password in a string', [ 'load', $good, @map, '-d', 'host=nowhere password=s3cr3t' ], qr/does not belong on the command line/ ],
	[ 'a broken string', [ 'load', $good, @map, '-d', 'host=nowhere password s3cr3t=%' ], qr/connection string/ ],
	[ 'a broken URI', [ 'load', $good, @map, '-d', 'postgresql://u:s3cr3t%zz@nowhere/db' ], qr/connection string/ ])
{
	($code, $out, $err) = client('', @{ $case->[1] });
	ok($code == 2 && $err =~ $case->[2] && "$out$err" !~ /s3cr3t/, "usage: $case->[0]") or diag("$code $out $err");
}
nothing_left('wrong usage leaves nothing');

# Connections

{
	local %env = (%env, PGHOST => "$dir/nowhere");
	($code, $out, $err) = load($good, @map);
	ok($code == 3 && $err =~ /connection to server/, 'no server');
}
$s->query('CREATE DATABASE without');
($code, $out, $err) = load($good, @map, '-d', 'without');
ok($code == 4 && $err =~ /extension "hierarchy" is not installed in database "without".*CREATE EXTENSION/s, 'no extension');
is(result('', 'load', $good, @map, '-d', 'dbname=postgres application_name=mine'), '1 1 0 0 0', 'a connection string');

# The same list in every form: loaded once, there is nothing to do any more.

my @rows = (
	[ '2', 'Grüße & Söhne', "two\nlines" ],
	[ '3', 'He said "no"', 'a, b' ],
	[ '4', 'naïve café', '  blanks  ' ],
	[ '5', 'tab	and \\ backslash \\N', 'x' ],
	[ '6', 'plain', '' ],
	[ '7', '\\.', 'end of data, not' ],
	map { [ 100 + $_, "Customer $_", "n$_" ] } 1 .. 500);

# as_csv(delimiter, line end, always quote): the list as text
sub as_csv
{
	my ($delimiter, $end, $always, @more) = @_;
	my $text = '';

	foreach my $row (@more, @rows)
	{
		$text .= join($delimiter,
			map { my $v = $_; ($always || $v =~ /["\r\n]|\Q$delimiter\E/) ? '"' . $v =~ s/"/""/gr . '"' : $v } @$row) . $end;
	}
	return $text;
}

use utf8;
@rows = map { [ map { my $v = $_; utf8::decode($v); $v } @$_ ] } @rows;
no utf8;
my @header = ([ 'id', 'name', 'note' ]);
my $plain = as_csv(',', "\n", 0, @header);
my $utf8 = encode('UTF-8', $plain);
my $n = @rows;
my $packed;
gzip(\$utf8 => \$packed);
is(result('', 'load', file('list.csv', $utf8), @map), "$n $n 0 0 0", 'UTF-8');
is($s->query(q{SELECT name, attributes ->> 'note' FROM hierarchy.entity WHERE code IN ('2', '3', '4', '5', '7') ORDER BY code}),
	encode('UTF-8', join("\n", map { "$rows[$_][1]|" . $rows[$_][2] =~ s/^ +| +$//gr } 0, 1, 2, 3, 5)), 'arrived as it was');
foreach my $case (
	[ 'again', $utf8 ],
	[ 'CRLF', encode('UTF-8', as_csv(',', "\r\n", 0, @header)) ],
	[ 'CR', encode('UTF-8', as_csv(',', "\r", 0, @header)) ],
	[ 'all quoted', encode('UTF-8', as_csv(',', "\n", 1, @header)) ],
	[ 'no line end at the end', $utf8 =~ s/\n\z//r ],
	[ 'empty lines', "\n\n" . $utf8 . "\n\r\n\n" ],
	[ 'byte order mark', "\xef\xbb\xbf$utf8" ],
	[ 'UTF-16, low byte first', "\xff\xfe" . encode('UTF-16LE', $plain) ],
	[ 'UTF-16, high byte first', "\xfe\xff" . encode('UTF-16BE', $plain) ],
	[ 'windows-1252, found out', encode('cp1252', $plain) ],
	[ 'windows-1252, said so', encode('cp1252', $plain), '--encoding', 'windows-1252' ],
	[ 'as the server calls it', encode('cp1252', $plain), '--encoding', 'WIN1252' ],
	[ 'ISO-8859-15', encode('iso-8859-15', $plain), '--encoding', 'ISO-8859-15' ],
	[ 'semicolons', encode('UTF-8', as_csv(';', "\r\n", 0, @header)) ],
	[ 'bars', encode('UTF-8', as_csv('|', "\n", 0, @header)), '--delimiter', '|' ],
	[ 'tabs', encode('UTF-8', as_csv("\t", "\n", 0, @header)) ],
	[ 'tabs, said so', encode('UTF-8', as_csv("\t", "\n", 0, @header)), '--format', 'tsv' ],
	[ 'no header', encode('UTF-8', as_csv(',', "\n", 0)), '--no-header', '--columns', 'id,name,note' ],
	[ 'other header', encode('UTF-8', as_csv(',', "\n", 0, [ 'a', 'a', '' ])), '--columns', 'id, name, note' ],
	[ 'header with blanks', encode('UTF-8', as_csv(',', "\n", 0, [ ' id', 'name ', ' note ' ])) ],
	[ 'gzip', $packed ],
	[ 'gzip in two parts', join '', map { my ($from, $to) = ($_); gzip(\$from => \$to); $to } substr($utf8, 0, 999), substr($utf8, 999) ])
{
	my ($name, $bytes, @options) = @$case;

	is(result('', 'load', file('list.csv', $bytes), @map, @options), "$n 0 0 $n 0", $name);
	is(result($bytes, 'load', '-', '--source', 'list', @map, @options), "$n 0 0 $n 0", "$name, from stdin")
	  if $name =~ /^(CRLF|byte|UTF-16, low|windows-1252, found|semi|gzip)/;
}
($code, $out, $err) = load(file('list.csv', encode('cp1252', $plain)), @map);
like($err, qr/list\.csv is not UTF-8: reading it as windows-1252/, 'a guess is told');
($code, $out, $err) = load(file('list.csv', encode('cp1252', $plain)), @map, '--encoding', 'windows-1252', '--quiet');
is("$code$out$err", '0', 'quiet');
file('map.json', '{"code": "id", "name": "nowhere"}');
is(result('', 'load', file('list.csv', $utf8), '--map', "$dir/map.json", '--map', 'name=name', '--map', '{"attribute.note": {"column": "note"}}',
		'--set', 'entity_type=account', '--reason', 'for fun', '--effective', '2030-01-01', '--max-errors', '0'),
	"$n 0 0 $n 0", 'mapping in parts, the later wins');
nothing_left('and no staging table');

# Rows that cannot be read: each is rejected with its line and its text, the rest is loaded.

my $faults = "id,name,note\n"
  . "f1,good,x\n"
  . "f2,short\n"
  . "f3,long,x,y\n"
  . "f4,b\xffd \xc3\xa9,x\n"
  . "f5,nu\0l,x\n"
  . "f6,\"two\nlines\",\"and,\n\nfour\"\n"
  . "f7,\xc3\xa9\xc3\xa9\xc3\xa9,x\n"
  . "f8,\"never closed,x\n"
  . "f9,good,\"x\"\n"
  . "f10,\"short \"\"and\nlong\"\n"
  . "f11,q\"uote,\"behind\" it\n"
  . "f12,\"open at the end,x\n";
my @expected = (
	'3,wrong_width,"f2,short"',
	'4,wrong_width,"f3,long,x,y"',
	'5,encoding,"f4,b\\xFFd ' . "\xc3\xa9" . ',x"',
	'6,encoding,"f5,nu\\x00l,x"',
	'12,wrong_width,"f8,""never closed,x"',
	"14,wrong_width,\"f10,\"\"short \"\"\"\"and\nlong\"\"\"",
	'17,wrong_width,"f12,""open at the end,x"');
is(result('', 'load', file('faults.csv', $faults), @map, '--reject', "$dir/rejects.csv"), '12 5 0 0 7', 'faults of all kinds');
my $rejects = bytes('rejects.csv');
is($rejects =~ s/^(\d+,[a-z_]+),[^,"]+,/$1,/gmr, join("\n", 'line,raw' =~ s/line,raw/line,reasons,messages,raw/r, @expected) . "\n", 'rejected, with line and text')
  or diag($rejects);
is($s->query(q{SELECT string_agg(code || '=' || name || '/' || (attributes ->> 'note'), ';' ORDER BY code) FROM hierarchy.entity WHERE code ~ '^f'}),
	"f1=good/x;f11=q\"uote/behind it;f6=two\nlines/and,\n\nfour;f7=\xc3\xa9\xc3\xa9\xc3\xa9/x;f9=good/x", 'the others are loaded as they are');
is(result('', 'load', file('faults.csv', $faults), @map, '--reject', "$dir/rejects.csv"), '12 0 0 5 7', 'and once more');
is($rejects, bytes('rejects.csv'), 'with the same rejects');

# Several files, limits, dry runs

my $state = 'SELECT (SELECT count(*) FROM hierarchy.entity), (SELECT count(*) FROM hierarchy.relationship), '
  . '(SELECT max(change_id) FROM hierarchy.change_log)';
my $before = $s->query($state);
my @tree = ('--map', 'id=code,name', '--map', 'under=parent.code', '--set', 'entity_type=account', '--hierarchy', 'sales');
file('t1.csv', "id,under\nt1,\nt2,t1\nt3,none\n");
file('t2.csv', "id,under\nt4,t2\nt5,t4\n\nt5,t4\n");
($code, $out, $err) = load("$dir/t1.csv", @tree, '--dry-run', '--reject', "$dir/rejects.csv");
ok($code == 0 && $out =~ /dry run, nothing is changed/ && $out =~ /unknown_parent +1\n/, 'dry run');
is($s->query($state), $before, 'dry run changes nothing');
like(bytes('rejects.csv'), qr/^line,.*\n4,unknown_parent,.*,"t3,none"\n$/, 'dry run tells the rejects');
($code, $out, $err) = load("$dir/t1.csv", "$dir/t2.csv", @tree, '--max-errors', '0', '--reject', "$dir/rejects.csv");
ok($code == 1 && $out =~ /load stopped: 1 of 3 rows rejected/ && $err =~ /1 of 2 files were not looked at/, 'too many errors') or diag("$code $out $err");
is($s->query($state), $before, 'too many errors change nothing');
like(bytes('rejects.csv'), qr/^file,line,.*\nt1\.csv,4,unknown_parent,/, 'but are written');
($code, $out, $err) = load("$dir/t1.csv", @tree, '--max-errors', '10%', '--dry-run', '-q');
ok($code == 1 && $err =~ /1 of 3 rows rejected/ && $out eq '', 'a dry run that would stop');
nothing_left('nothing left by those');
($code, $out, $err) = load("$dir/t1.csv", "$dir/t2.csv", @tree, '--max-errors', '50%', '--reject', "$dir/rejects.csv");
ok($code == 0 && $out =~ /t1\.csv: loaded.*t2\.csv: loaded/s, 'two files') or diag("$code $out $err");
like(bytes('rejects.csv'), qr/^file,line,reasons,messages,raw\nt1\.csv,4,unknown_parent,.*\nt2\.csv,5,duplicate,.*\n$/, 'rejects of two files');
is($s->query(q{SELECT string_agg(e.code || '<' || p.code, ' ' ORDER BY e.code) FROM hierarchy.relationship r
	JOIN hierarchy.entity e ON e.entity_id = child_id JOIN hierarchy.entity p ON p.entity_id = parent_id}), 't2<t1 t4<t2 t5<t4', 'the tree');
is($s->query(q{SELECT string_agg(r.reasons[1], ' ' ORDER BY r.batch_id) FROM hierarchy.load_reject r JOIN hierarchy.load_batch b USING (batch_id)
	WHERE file_name ~ '^t[12]'}), 'unknown_parent duplicate', 'rejects are kept in the database');
($code, $out, $err) = load($good, @map, '--keep');
like($err, qr/kept as batch \d+/, 'kept when asked');
is($s->query(q{SELECT count(*) FROM pg_class WHERE relname ~ '^load_stage_' AND relkind = 'r'}), 1, 'the staging table');
$s->query(q{SELECT hierarchy.drop_load_batch(substr(relname, 12)::bigint) FROM pg_class WHERE relname ~ '^load_stage_' AND relkind = 'r'});

# Rejects on stdout, for a program; then the report is on stderr.  A file is called ./-

{
	my $here = Cwd::getcwd();

	chdir $dir or die;
	($code, $out, $err) = load("$dir/t1.csv", @tree, '--dry-run', '--reject', '-');
	ok($code == 0 && $out =~ /^line,reasons,messages,raw\n4,unknown_parent,.*,"t3,none"\n$/, 'rejects on stdout') or diag("$code $out");
	ok($err =~ /^  rows +3$/m && !-e '-', 'the report on stderr') or diag($err);
	($code, $out, $err) = load("$dir/t1.csv", @tree, '--dry-run', '--quiet', '--reject', '-');
	ok($code == 0 && $out =~ /^line,.*\n4,/ && $err eq '', 'no report, but rejects') or diag("$code $out $err");
	($code, $out, $err) = load("$dir/t1.csv", @tree, '--dry-run', '--reject', './-');
	ok($code == 0 && $out =~ /^  rows +3$/m && slurp_file('./-') =~ /^line,.*\n4,/, 'rejects in a file of that name') or diag("$code $out");
	unlink './-';
	chdir $here or die;
}

# What the server does not like, it says before a long file is sent.

foreach my $case (
	[ 'unknown column', ['--map', 'nmae=name'], qr/no column "nmae"/ ],
	[ 'unknown field', ['--map', 'name=nmae'], qr/field "nmae"/ ],
	[ 'unknown type', ['--set', 'entity_type=nothing'], qr/entity type "nothing" does not exist/ ],
	[ 'unknown hierarchy', ['--hierarchy', 'nothing'], qr/hierarchy "nothing"/ ])
{
	my ($name, $options, $pattern) = @$case;

	($code, $out, $err) = load("$dir/list.csv", @map, @$options);
	ok($code == 4 && $err =~ $pattern && $err =~ /nothing is left behind/, "refused: $name") or diag("$code $err");
}
# What is wrong with the command line it says before anything else.
foreach my $case (
	[ 'no date', ['--effective', 'soon'], qr/"soon" is not a day/ ],
	[ 'a day that does not exist', ['--effective', '2024-02-30'], qr/"2024-02-30" is not a day/ ],
	[ 'a parent without a hierarchy', ['--map', 'note=parent.code'], qr/no hierarchy is named \(--hierarchy\)\n.*try "pg_hierarchy load --help"/ ],
	[ 'a parent by its identifier', ['--map', '{"parent.NPI": "note"}'], qr/no hierarchy is named \(--hierarchy\)\n/ ])
{
	my ($name, $options, $pattern) = @$case;

	($code, $out, $err) = load("$dir/list.csv", @map, @$options);
	ok($code == 2 && $err =~ $pattern && $err !~ /batch/, "refused: $name") or diag("$code $err");
}
($code, $out, $err) = load("$dir/list.csv", @map, '--map', '{"parent.code": null, "parent.type": "note"}');
ok($code == 4 && $err =~ /but has no parent/, 'a mapping that names no parent after all') or diag("$code $err");
foreach my $case (
	[ 'column twice, not the one meant', "id,name,name\n1,2,3\n", 4, qr/column 3, "name", is called "name_2"\n.*no column "note"/s ],
	[ 'column without a name', "id,,name\n1,2,3\n", 4, qr/column 2, "", is called "column_2"\n/ ],
	[ 'no header', '', 5, qr/is empty/ ],
	[ 'unreadable header', "id,n\0me\n1,2\n", 5, qr/header of .* cannot be read/ ],
	[ 'cut gzip', substr($packed, 0, 500), 5, qr/compressed data ends too early/ ],
	[ 'broken gzip', substr($packed, 0, 300) . ('x' x 200) . substr($packed, 500), 5, qr/could not unpack|ends too early/ ])
{
	my ($name, $bytes, $expected, $pattern) = @$case;

	($code, $out, $err) = load(file('bad.csv', $bytes), @map);
	ok($code == $expected && $err =~ $pattern, "file: $name") or diag("$code $err");
}
# Headers that no table could have, of columns that are of use or not
($code, $out, $err) = load(
	file('names.csv', "id,name,_,,name," . ("\xc3\xa9" x 40) . ",name_2,note\ncols,n1,u,e,n2,long,n3,x\n"),
	@map, '--map', 'name_3=attribute.second', '--map', 'column_=attribute.under', '--map', 'column_4=attribute.empty',
	'--map', ("\xc3\xa9" x 31) . '=attribute.long', '--map', 'name_2=attribute.third');
is($code, 0, 'strange names of columns') or diag($err);
is($s->query(q{SELECT name || ' ' || (attributes->>'second') || ' ' || (attributes->>'third') || ' ' || (attributes->>'under') || ' ' ||
	(attributes->>'empty') || ' ' || (attributes->>'long') FROM hierarchy.entity WHERE code = 'cols'}), 'n1 n2 n3 u e long', 'are made usable');
($code, $out, $err) = load("$dir/missing.csv", @map);
ok($code == 5 && $err =~ /missing\.csv.*No such file/, 'file: missing');
($code, $out, $err) = load($dir, @map);
ok($code == 5 && $err =~ /directory/, 'file: a folder');
nothing_left('nothing left by those');

# Random lists: what the writer meant is what is staged, however it is quoted, packed
# and cut into pieces on the way.

sub random_value
{
	my @letters = ('a' .. 'f', ',', '"', "\n", "\r\n", ' ', "\t", '\\', "\xc3\xa9", "\xe2\x82\xac", ';', '\\N', '\\.');

	return join '', map { $letters[ int rand @letters ] } 1 .. int rand 8;
}

foreach my $round (1 .. long(4, 60))
{
	my ($text, $lines, @want) = ("a,b,c,d\n", 2);
	my $end = rand() < 0.5 ? "\n" : "\r\n";

	foreach my $i (1 .. 1500)
	{
		my @values = map { random_value() } 1 .. 4;
		my $raw = join ',', map { rand() < 0.2 || /[",\r\n]/ ? '"' . s/"/""/gr . '"' : $_ } @values;

		push @want, join "\x01", $lines, map { unpack 'H*', $_ } @values, $raw;
		$text .= $raw . $end;
		$lines += 1 + ($raw =~ tr/\n//);
	}
	my $bytes = $text;
	gzip(\$text => \$bytes) if $round % 2;

	my ($o, $e) = ('', '');
	my $run = start_client(\*IN, \$o, \$e, 'load', '-', '--source', 'random', '--map', 'a=code', '--set', 'entity_type=account',
		'--keep', '--dry-run', '--format', 'csv', '-q');
	for (my $at = 0; $at < length $bytes;)
	{
		my $piece = 1 + int rand(rand() < 0.5 ? 50 : 20000);

		feed(substr($bytes, $at, $piece));
		$at += $piece;
	}
	close IN;
	$run->finish;
	my ($batch) = $e =~ /kept as batch (\d+)/ or diag($e);
	my $got = $s->query("SELECT string_agg(concat_ws(E'\\x01', _line, encode(convert_to(coalesce(a, ''), 'UTF8'), 'hex'),
		encode(convert_to(coalesce(b, ''), 'UTF8'), 'hex'), encode(convert_to(coalesce(c, ''), 'UTF8'), 'hex'),
		encode(convert_to(coalesce(d, ''), 'UTF8'), 'hex'), encode(convert_to(coalesce(_raw, concat_ws(',',
			" . join(', ', map { "CASE WHEN coalesce($_, '') ~ '[\",\\r\\n]' THEN '\"' || replace($_, '\"', '\"\"') || '\"' ELSE coalesce($_, '') END" } qw(a b c d))
		  . ")), 'UTF8'), 'hex')), E'\\n' ORDER BY _line) FROM hierarchy.load_stage_$batch");
	my $want = join "\n", @want;
	ok($got eq $want, "random list $round") or do
	{
		my @got = split /\n/, $got;
		my ($i) = grep { ($got[$_] // '') ne $want[$_] } 0 .. $#want;
		diag(scalar(@got) . " rows, want " . scalar(@want) . "; first difference: got $got[$i], want $want[$i]") if defined $i;
	};
	$s->query("SELECT hierarchy.drop_load_batch($batch, false)");
}

# A full disk where the rejects go: nothing is loaded.

$before = $s->query($state);
my $rejected = "id,name,note\n" . join('', map { "n$_,new,x\nbad row number $_\n" } 1 .. 3000);
SKIP:
{
	skip 'no /dev/full', 1 if !-c '/dev/full';
	($code, $out, $err) = load(file('new.csv', $rejected), @map, '--reject', '/dev/full');
	ok($code == 5 && $err =~ /could not write.*No space left/s, 'rejects to /dev/full') or diag("$code $err");
}
SKIP:
{
	mkdir "$dir/small";
	my @inside = ('unshare', '--map-root-user', '--mount', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"', 'sh', "$dir/small");
	my ($o, $e) = ('', '');
	skip 'no tmpfs may be mounted here', 1 if !eval { IPC::Run::run([ @inside, 'true' ], '<', \'', '>', \$o, '2>', \$e) };
	local %ENV = (%ENV, %env, PGUSER => $s->query('SELECT session_user'));
	my $run = IPC::Run::start([ @inside, 'pg_hierarchy', 'load', file('new.csv', $rejected), @map, '--reject', "$dir/small/r.csv" ],
		'<', \'', '>', \$o, '2>', \$e);
	$run->finish;
	ok($run->full_result(0) >> 8 == 5 && $e =~ /could not write.*No space left/s, 'rejects to a full disk') or diag($e);
}
($code, $out, $err) = load($good, @map, '--reject', "$dir/no/such/folder.csv");
ok($code == 5 && $err =~ /could not create/, 'rejects to nowhere');
is($s->query($state), $before, 'nothing is loaded then');
SKIP:
{
	skip 'no /dev/full', 1 if !-c '/dev/full';
	local %ENV = (%ENV, %env);
	my $e = '';
	my $run = IPC::Run::start([ 'pg_hierarchy', 'load', $good, @map ], '<', \'', '>', '/dev/full', '2>', \$e);
	$run->finish;
	ok($run->full_result(0) >> 8 == 5 && $e =~ /could not write the output/, 'the report to a full disk');
}
nothing_left('nothing left by full disks');

# Roles that may not

$s->query(q{CREATE ROLE looker LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO looker});
($code, $out, $err) = load($good, @map, '-U', 'looker');
ok($code == 4 && $err =~ /permission denied for table load_/, 'a role that only reads') or diag("$code $err");
{
	local %env = (%env, PGOPTIONS => '-c default_transaction_read_only=on');
	($code, $out, $err) = load($good, @map);
	ok($code == 4 && $err =~ /read-only transaction/, 'a read-only session') or diag("$code $err");
}
is($s->query($state), $before, 'they change nothing');
nothing_left('and leave nothing');

# A role with just the rights that it takes

$s->query(q{CREATE ROLE loader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO loader;
	GRANT INSERT, UPDATE ON hierarchy.load_source, hierarchy.load_batch, hierarchy.entity, hierarchy.entity_source,
		hierarchy.relationship_source TO loader;
	GRANT INSERT, UPDATE, DELETE ON hierarchy.load_reject, hierarchy.identifier, hierarchy.relationship TO loader});
is(result('', 'load', "$dir/t1.csv", @tree, '-U', 'loader'), '3 0 0 2 1', 'a role that may load');
is(result('', 'load', "$dir/t1.csv", @tree, '-U', 'loader', '--dry-run'), '3 0 0 2 1', 'its dry run');
is($s->query(q{SELECT string_agg(state, ' ' ORDER BY batch_id) FROM hierarchy.load_batch WHERE created_by = 'loader'}), 'loaded failed',
	'which it cannot remove, leaves a failed batch');
$s->query(q{SELECT hierarchy.drop_load_batch(batch_id, false) FROM hierarchy.load_batch WHERE state = 'failed'});

# Lost connections.  The list comes through a pipe, so the server can be met in the
# middle of it.

my $long = "id,name,note\n" . join('', map { "k$_,Customer number $_ of a long list," . ('x' x 250) . "\n" } 1 .. 6000);
my $half = index($long, "\nk5500,") + 1;

# begin_copy(args): a client that has sent half of the list and waits for more
sub begin_copy
{
	my ($o, $e, @args) = @_;
	my $run = start_client(\*IN, $o, $e, 'load', '-', '--source', 'long', @map, '--chunk', '2000', @args);

	feed(substr($long, 0, $half));
	$node->poll_query_until('postgres', q{SELECT max(tuples_processed) > 0 FROM pg_stat_progress_copy p JOIN pg_stat_activity a USING (pid)
		WHERE application_name = 'pg_hierarchy' AND relid::regclass::text ~ 'load_stage'}) or die "no COPY: $$e";
	return $run;
}

# end_copy(run): sends the rest, and waits for the exit code
sub end_copy
{
	my ($run) = @_;

	feed(substr($long, $half));
	close IN;
	$run->finish;
	return $run->full_result(0) >> 8;
}

sub kill_sessions
{
	return $s->query(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pg_hierarchy'});
}

my $run = begin_copy(\$out, \$err, '--dry-run');
is(kill_sessions(), 1, 'killed in the middle of COPY');
is(end_copy($run), 0, 'it connects again by itself');
like($err, qr/connection was lost; connecting again \(1 of 3\)/, 'and says so');
like($out, qr/rows +6,000\n +inserted +6,000\n/, 'every row arrived once');
nothing_left('nothing left by a dry run with a new connection');

($out, $err) = ('', '');
$run = begin_copy(\$out, \$err, '--retries', '0');
kill_sessions();
is(end_copy($run), 3, 'without another try it ends');
like($err, qr/rows sent so far are kept as batch \d+: the same command with --resume goes on/, 'with a hint');
is($s->query(q{SELECT count(*) FROM hierarchy.entity WHERE code ~ '^k'}), 0, 'nothing half done');
($code, $out, $err) = client($long, 'load', '-', '--source', 'long', @map, '--dry-run', '-q');
like($err, qr/an earlier run left batch \d+ of this file behind/, 'another run says that there is something to resume');
($code, $out, $err) = client("$long ", 'load', '-', '--source', 'else', @map, '--resume', '--dry-run');
like($err, qr/nothing to resume/, 'another source has nothing to resume');
is(result($long, 'load', '-', '--source', 'long', @map, '--resume'), '6000 6000 0 0 0', 'resumed');
nothing_left('nothing left by a resumed load');

# In the middle of load(): somebody else holds a lock that it needs.
sub begin_load
{
	my ($o, $e, @args) = @_;
	my $locker = session($node);

	$locker->query('BEGIN; LOCK TABLE hierarchy.entity IN SHARE ROW EXCLUSIVE MODE');
	my $r = start_client(\'', $o, $e, 'load', file('locked.csv', "id,name,note\nl1,new,x\nl2\n"), @map, @args);
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'pg_hierarchy'
		AND wait_event_type = 'Lock' AND query ~ 'load\\('}) or die "no load: $$e";
	return ($r, $locker);
}

($out, $err) = ('', '');
my ($waiting, $locker) = begin_load(\$out, \$err, '--retries', '0');
kill_sessions();
$waiting->finish;
is($waiting->full_result(0) >> 8, 3, 'killed in the middle of load()');
$locker->query('COMMIT');
is($s->query(q{SELECT count(*) FROM hierarchy.entity WHERE code = 'l1'}), 0, 'nothing half done');
is(result('', 'load', "$dir/locked.csv", @map, '--resume'), '2 1 0 0 1', 'resumed');
$s->query(q{DELETE FROM hierarchy.entity WHERE code = 'l1'});
($out, $err) = ('', '');
($waiting, $locker) = begin_load(\$out, \$err, '--reject', "$dir/rejects.csv");
kill_sessions();
$locker->query('COMMIT');
$waiting->finish;
is($waiting->full_result(0) >> 8, 0, 'it connects again by itself');
like($out, qr/rows +2\n +inserted +1\n/, 'and loads');
is(scalar(() = bytes('rejects.csv') =~ /\n/g), 2, 'rejects are written once');
nothing_left('nothing left by a load with a new connection');

# Ctrl-C

($out, $err) = ('', '');
$run = begin_copy(\$out, \$err);
$run->signal('INT');
is(end_copy($run), 130, 'interrupted in the middle of COPY');
like($err, qr/interrupted.*nothing is left behind/s, 'and says so');
nothing_left('nothing left by Ctrl-C');
($out, $err) = ('', '');
$run = begin_copy(\$out, \$err, '--resume');
$run->signal('INT');
is(end_copy($run), 130, 'interrupted, to go on later');
like($err, qr/kept as batch \d+: --resume goes on/, 'and says so');
is(result($long, 'load', '-', '--source', 'long', @map, '--resume'), '6000 0 0 6000 0', 'and goes on');
$s->query(q{DELETE FROM hierarchy.entity WHERE code = 'l1'});
foreach my $signal (qw(INT TERM))
{
	($out, $err) = ('', '');
	($waiting, $locker) = begin_load(\$out, \$err);
	$waiting->signal($signal);
	$waiting->finish;
	is($waiting->full_result(0) >> 8, 130, "SIG$signal in the middle of load()");
	nothing_left('is cancelled on the server, nothing is left');
	$locker->query('ROLLBACK');
	is($s->query(q{SELECT count(*) FROM hierarchy.entity WHERE code = 'l1'}), 0, 'and nothing is loaded');
}

# Progress, on a terminal only

SKIP:
{
	skip 'no script(1)', 2 if !eval { IPC::Run::run([ 'script', '--version' ], '>', \my $o, '2>', \my $e) };
	local %ENV = (%ENV, %env, TERM => 'xterm', COLUMNS => 100);
	my $o = '';
	my $command = "(head -c $half " . file('long.csv', $long) . "; sleep 0.5; tail -c +" . ($half + 1) . " $dir/long.csv) | "
	  . "pg_hierarchy load - --source long --dry-run " . join(' ', map { "'$_'" } @map);
	IPC::Run::run([ 'script', '-qec', $command, '/dev/null' ], '<', \'', '>', \$o);
	like($o, qr/\rstdin: staging .*rows/, 'progress on a terminal');
	like($o, qr/\r\x1b\[Kstdin: dry run/, 'that goes when it is done');
}
($code, $out, $err) = load(file('long.csv', $long), @map, '--dry-run');
is($err, '', 'no progress elsewhere');

# Passwords: wrong or right, nobody sees them.

$s->query(q{SET password_encryption = 'scram-sha-256'; CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'Pr1vate-w0rd'});
my $hba = $node->data_dir . '/pg_hba.conf';
append_to_file($hba, "local all keeper scram-sha-256\n" . do { my $old = slurp_file($hba); unlink $hba; $old });
$node->reload;
my $log_at = -s $node->logfile;
foreach my $case ([ 'wrong', 'Wr0ng-w0rd', 3 ], [ 'right', 'Pr1vate-w0rd', 0 ])
{
	my ($name, $password, $expected) = @$case;

	foreach my $way (qw(PGPASSFILE PGPASSWORD))
	{
		local %env = %env;
		$env{$way} = $way eq 'PGPASSWORD' ? $password : file('pass', "*:*:*:keeper:$password\n");
		chmod 0600, "$dir/pass" if $way eq 'PGPASSFILE';
		($code, $out, $err) = load($good, @map, '-U', 'keeper');
		is($code, $expected, "$name password by $way") or diag($err);
		like($err, $expected ? qr/password authentication failed for user "keeper"/ : qr/^$/, "$name password by $way: message");
		unlike("$out$err", qr/w0rd/, "$name password by $way: not shown");
	}
}
($code, $out, $err) = load($good, @map, '-U', 'keeper', '-w');
ok($code == 3 && $err =~ /no password supplied/, 'no password, and not asked for one');
{
	local %env = (%env, PGPASSFILE => file('pass', "*:*:*:keeper:Pr1vate-w0rd\n"));
	chmod 0600, "$dir/pass";
	($out, $err) = ('', '');
	($waiting, $locker) = begin_load(\$out, \$err, '-U', 'keeper');
	my $processes = `ps -eo args` . join '', map { eval { slurp_file($_) } // '' } glob '/proc/[0-9]*/cmdline';
	like($processes, qr/pg_hierarchy/, 'processes seen');
	unlike($processes, qr/w0rd/, 'no password among them');
	$locker->query('ROLLBACK');
	$waiting->finish;
	is($waiting->full_result(0) >> 8, 0, 'loaded as keeper');
}
my $log = substr(slurp_file($node->logfile), $log_at);
like($log, qr/keeper/, 'the log knows who');
unlike($log, qr/w0rd/, 'and no password');
nothing_left('in the end');

# A crash of the server empties the staging table: no half a list.

$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->restart;
$s = session($node);
($out, $err) = ('', '');
$run = begin_copy(\$out, \$err, '--dry-run', '--keep');
my $pid = $s->query(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_hierarchy'});
kill 'KILL', $pid;
$s->quit;
await_server($node, $pid);
is(end_copy($run), 3, 'after a crash it ends');
like($err, qr/server crashed and lost the rows/, 'and says why');
$s = session($node);
($code, $out, $err) = client($long, 'load', '-', '--source', 'long', @map, '--resume', '--dry-run');
like($out, qr/rows +6,000\n/, 'resumed from the beginning');

$s->quit;
$node->stop;
done_testing();
