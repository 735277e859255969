# Input that would hurt a careless implementation: very deep chains, very long
# cycles, cancelled statements, damaged index files, too little memory.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my $seed = seed();
my $node = start_node('badinput');
my $s = session($node);

# cancelled(session, sql, timeout, limit, name): the statement must be cancelled
# by a timeout, and end within the limit; milliseconds.  Once is enough: the
# machine may be busy with something else, or quick all of a sudden, so it gets
# some tries.
sub cancelled
{
	my ($session, $sql, $timeout, $limit, $name) = @_;
	my @tries;

	foreach (1 .. 12)
	{
		my $t0 = Time::HiRes::time();
		my (undef, $err) = $session->try("SET statement_timeout = '${timeout}ms'; $sql");
		my $took = (Time::HiRes::time() - $t0) * 1000;

		$session->query('RESET statement_timeout');
		if ($err =~ /ERROR:  57014:/ && $took < $limit)
		{
			pass($name);
			return;
		}
		push @tries, sprintf('%d ms: %.0f ms, %s', $timeout, $took, $err =~ /ERROR:  (.*)/ ? $1 : 'no error');
		$timeout = int($timeout * 0.6) + 1 if $err eq '';
	}
	fail($name);
	diag("limit $limit ms:", map { "\n\t$_" } @tries);
	return;
}

#
# A chain a million edges deep
#
my $deep = 1_000_000;

$s->query(<<"SQL");
SET max_stack_depth = '100kB';
CREATE TABLE chain (parent bigint, child bigint, share float8 DEFAULT 1);
INSERT INTO chain SELECT i, i + 1 FROM generate_series(1, $deep) i;
ANALYZE chain;
SQL
my $end = $deep + 1;
my $create = "CREATE INDEX chain_graph ON chain USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share')";
milliseconds($s, $create);
$s->query('DROP INDEX chain_graph');
my $build = milliseconds($s, $create);

foreach my $part (0.15, 0.4, 0.65)
{
	# The whole command ends soon after, wherever it is.
	my $timeout = int($build * $part) || 1;

	cancelled($s, "DROP INDEX IF EXISTS chain_graph; $create", $timeout,
		$timeout + 0.3 * $build + 100, "CREATE INDEX is cancelled after $part of its time");
}
$s->query("DROP INDEX IF EXISTS chain_graph; $create");

# name, a query of it, its result
my @walks = (
	[ 'descendants', "SELECT count(*), max(depth), sum(share) FROM hierarchy.descendants('chain', 1)", "$deep|$deep|$deep" ],
	[ 'ancestors', "SELECT count(*), max(depth), sum(share) FROM hierarchy.ancestors('chain', $end)", "$deep|$deep|$deep" ],
	[ 'descendants to a depth', "SELECT count(*), sum(share) FROM hierarchy.descendants('chain', 1, max_depth => $deep - 1)",
		($deep - 1) . '|' . ($deep - 1) ],
	[ 'within', "SELECT hierarchy.within('chain', $end, 1)", 't' ],
	[ 'leaves', "SELECT node FROM hierarchy.leaves('chain', 1)", $end ],
	[ 'tops', "SELECT node FROM hierarchy.tops('chain', $end)", 1 ],
	[ 'roots', "SELECT node FROM hierarchy.roots('chain')", 1 ],
	[ 'paths', "SELECT cardinality(path), path[1], share FROM hierarchy.paths('chain', $end)", "$end|1|1" ],
	[ 'paths between two', "SELECT cardinality(path) FROM hierarchy.paths('chain', $end, 2)", $deep ],
	[ 'common_ancestors', "SELECT count(*) FROM hierarchy.common_ancestors('chain', $end, $deep)", $deep - 1 ],
	[ 'preorder', "SELECT count(*), max(depth), max(ordinal) FROM hierarchy.preorder('chain', 1)", "$end|$deep|$end" ],
	[ 'graph_stats', "SELECT nodes, edges, roots, leaves, max_depth FROM hierarchy.graph_stats('chain')", "$end|$deep|1|1|$deep" ],
	[ 'verify', "SELECT count(*) FROM hierarchy.verify('chain')", 0 ],
	[ 'select list', "SELECT count(*) FROM (SELECT hierarchy.descendants('chain', 1)) x", $deep ]);

foreach my $w (@walks)
{
	my ($name, $sql, $expected) = @$w;

	is($s->query($sql), $expected, "$name over a million levels");
}
foreach my $w (@walks)
{
	my ($name, $sql) = @$w;
	my ($all) = sort { $a <=> $b } map { milliseconds($s, $sql) } 1, 2;
	my $timeout = int($all / 5);

	next if $timeout < 2;
	cancelled($s, $sql, $timeout, 0.7 * $all + 30, "$name is cancelled at once");
	is($s->query("SELECT count(*) FROM hierarchy.descendants('chain', 1, max_depth => 3)"),
		3, "and all is well after that");
}

# What would take for ever
foreach my $sql (
	"SELECT count(*) FROM hierarchy.closure('chain')",
	"SELECT count(path) FROM hierarchy.preorder('chain', NULL::bigint)",
	"SELECT count(*) FROM (SELECT hierarchy.closure('chain')) x",
	"SELECT count(*) FROM chain WHERE hierarchy.within('chain', child, parent)
		AND NOT hierarchy.within('chain', child, 1::bigint)")
{
	cancelled($s, $sql, 200, 1000, $sql =~ s/\s+/ /gr);
}
is($s->query("SELECT count(*) FROM (SELECT * FROM hierarchy.closure('chain') LIMIT 5) x"), 5, 'LIMIT');

# pg_cancel_backend
my $pid = $s->query('SELECT pg_backend_pid()');
my $other = session($node);
$s->send("SELECT count(*) FROM hierarchy.closure('chain')");
$other->query("DO \$\$BEGIN WHILE NOT exists(SELECT FROM pg_stat_activity WHERE pid = $pid AND state = 'active'
	AND query LIKE '%closure%') LOOP PERFORM pg_stat_clear_snapshot(); END LOOP; END\$\$");
$other->query("SELECT pg_cancel_backend($pid)");
like(($s->wait)[1], qr/57014/, 'pg_cancel_backend');

# First use in a connection loads the image, which takes its time.
my $fresh = session($node);
cancelled($fresh, "SELECT hierarchy.within('chain', 1, 2)", 15, 150, 'loading is cancelled');
is($fresh->query("SELECT hierarchy.within('chain', 2, 1)"), 't', 'and done again');
$fresh->quit;

# The cycle check walks as far.
my $err = fails($s, "INSERT INTO chain VALUES ($end, 1)", '23514', 'a cycle of a million edges',
	qr/1000001 edges/);
cmp_ok(length $err, '<', 700, 'with a short message');
$err = fails($s, "UPDATE chain SET parent = $end WHERE child = 2", '23514', 'the same by UPDATE',
	qr/1000000 edges/);
cmp_ok(length $err, '<', 700, 'with a short message');
my $check = milliseconds($other, "DO \$\$BEGIN INSERT INTO chain VALUES ($end, 1); EXCEPTION WHEN check_violation THEN NULL; END\$\$");
cancelled($other, "INSERT INTO chain VALUES ($end, 1)", int($check / 4) || 1, 0.8 * $check + 30,
	'the cycle check is cancelled');

#
# A cycle of a hundred thousand nodes
#
$s->query(<<'SQL');
CREATE TABLE ring (parent int, child int);
CREATE INDEX ring_graph ON ring USING hgraph (parent, child);
INSERT INTO ring SELECT i, i + 1 FROM generate_series(1, 99999) i;
SQL
$err = fails($s, 'INSERT INTO ring VALUES (100000, 1)', '23514', 'a cycle of 100,000 nodes',
	qr/\b100000 edges/);
cmp_ok(length $err, '<', 700, 'with a short message');
fails($s, 'INSERT INTO ring VALUES (50000, 50000)', '23514', 'a self loop', qr/50000 → 50000/);
fails($s, 'INSERT INTO ring VALUES (50001, 50000)', '23514', 'a cycle of two',
	qr/50000 → 50001 → 50000|50001 → 50000 → 50001/);
fails($s, 'DROP INDEX ring_graph; INSERT INTO ring VALUES (100000, 1);
	CREATE INDEX ring_graph ON ring USING hgraph (parent, child)', '23514', 'the same by CREATE INDEX');
is($s->query("CREATE INDEX ring_graph ON ring USING hgraph (parent, child) WITH (acyclic = off);
	SELECT count(*) FROM hierarchy.descendants('ring', 1)"), 99999, 'a network may be a ring');
is($s->query("SELECT max_depth IS NULL FROM hierarchy.graph_stats('ring')"), 't', 'that has no depth');
is($s->query("SELECT count(*) FROM hierarchy.tops('ring', 1)"), 0, 'and no top');
is($s->query("SELECT cardinality(path) FROM hierarchy.paths('ring', 1, 2)"), 100000, 'but paths');
$s->query('DROP TABLE ring');

#
# A diamond chain: 2^40 paths
#
$s->query(<<'SQL');
CREATE TABLE diamond (parent bigint, child bigint);
CREATE INDEX diamond_graph ON diamond USING hgraph (parent, child);
INSERT INTO diamond SELECT 3 * i + a, 3 * i + b FROM generate_series(0, 39) i,
	(VALUES (0, 1), (0, 2), (1, 3), (2, 3)) v (a, b);
SQL
is($s->query("SELECT count(*) FROM (SELECT * FROM hierarchy.paths('diamond', 120) LIMIT 1000) x"), 1000,
	'the first of 2^40 paths');
cancelled($s, "SELECT count(*) FROM hierarchy.paths('diamond', 120)", 200, 1000, 'all of 2^40 paths');
is($s->query("SELECT count(*), max(depth) FROM hierarchy.descendants('diamond', 0)"), '120|80',
	'descendants do not count paths');
fails($s, 'INSERT INTO diamond VALUES (120, 0)', '23514', 'nor does the cycle check');
is($s->query("SELECT count(*) FROM hierarchy.preorder('diamond', NULL::bigint)"), 161, 'nor preorder');

#
# Less memory than the graph needs, and more graphs than memory
#
my $held = "SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts";
my $poor = session($node);
$poor->query("SET hierarchy.image_memory = '1MB'");
is($poor->query("SELECT count(*) FROM hierarchy.descendants('chain', 1)"), $deep, 'a graph larger than image_memory');
is($poor->query("SELECT count(*) FROM hierarchy.descendants('chain', $end - 10) d,
		LATERAL hierarchy.children('diamond', d.node - $deep) c"),
	$s->query("SELECT count(*) FROM hierarchy.descendants('chain', $end - 10) d,
		LATERAL hierarchy.children('diamond', d.node - $deep) c"), 'two graphs in one query');
is($poor->query("BEGIN; DECLARE c CURSOR FOR SELECT node FROM hierarchy.descendants('chain', 1); MOVE 10 FROM c;
	SELECT count(*) FROM hierarchy.descendants('diamond', 0); FETCH 1 FROM c; COMMIT"), "120\n12", 'an open cursor keeps its graph');
$poor->query("SELECT count(*) FROM hierarchy.descendants('diamond', 0)");
cmp_ok($poor->query($held), '<', 12_000_000, 'the large graph is not kept');
my $before = $poor->query($held);
$poor->query(<<'SQL');
DO $$
BEGIN
	FOR i IN 1 .. 150 LOOP
		EXECUTE format('CREATE TABLE many_%s (parent bigint, child bigint)', i);
		EXECUTE format('INSERT INTO many_%1$s SELECT g, g * 7 + %1$s FROM generate_series(1, 400) g', i);
		EXECUTE format('CREATE INDEX ON many_%s USING hgraph (parent, child)', i);
	END LOOP;
END $$;
SQL
my $each = "SELECT count(*) FROM generate_series(1, 150) i, LATERAL (SELECT * FROM hierarchy.graph_stats(('many_' || i)::regclass::text::hierarchy.hgraph)) g WHERE edges = 400";
is($poor->query($each), 150, '150 graphs');
my $after = $poor->query($held);
is($poor->query($each), 150, '150 graphs again');
cmp_ok($poor->query($held) - $after, '<', 600_000, 'memory does not grow with use');
$poor->query("SET hierarchy.image_memory = '64MB'");
is($poor->query($each), 150, '150 graphs with more memory');
$poor->query('DROP TABLE many_1');
is($poor->query(q{SELECT count(*) FROM hierarchy.graph_stats('many_2') WHERE edges = 400}), 1, 'and others gone');
fails($poor, q{SELECT * FROM hierarchy.graph_stats('many_1')}, '42P01', 'a dropped one');
$poor->quit;

#
# Damaged files.  Every index is damaged in its own way, with the server down.
#
my $page = 8192;
my @damage;    # name, what is done to the bytes of the file, error required?

sub put { substr($_[0], $_[1], length $_[2]) = $_[2]; return; }
sub garbage { return join '', map { chr(int(rand(256))) } 1 .. $_[0]; }

push @damage,
  [ 'magic number', sub { put($_[0], 24, garbage(4)) }, 1 ],
  [ 'format version', sub { put($_[0], 28, pack('L', 99)) }, 1 ],
  [ 'tail beyond the end', sub { put($_[0], 32, pack('L', 100000)) }, 1 ],
  [ 'tail is the metapage', sub { put($_[0], 32, pack('L', 0)) }, 1 ],
  [ 'counter', sub { put($_[0], 40, garbage(8)) }, 0 ],
  [ 'stamps', sub { put($_[0], 48, garbage(4096)) }, 0 ],
  [ 'zeroed metapage', sub { put($_[0], 0, "\0" x $page) }, 1 ],
  [ 'zeroed page', sub { put($_[0], $page, "\0" x $page) }, 1 ],
  [ 'last page zeroed', sub { put($_[0], length($_[0]) - $page, "\0" x $page) }, 1 ],
  [ 'empty file', sub { $_[0] = '' }, 1 ],
  [ 'metapage only', sub { $_[0] = substr($_[0], 0, $page) }, 1 ],
  [ 'last page missing', sub { $_[0] = substr($_[0], 0, length($_[0]) - $page) }, 1 ],
  [ 'page of garbage', sub { put($_[0], $page, garbage($page)) }, 1 ],
  [ 'metapage of garbage', sub { put($_[0], 0, garbage($page)) }, 1 ],
  [ 'metapage twice', sub { put($_[0], $page, substr($_[0], 0, $page)) }, 1 ],
  [ 'data page as metapage', sub { put($_[0], 0, substr($_[0], $page, $page)) }, 1 ],
  [ 'a page twice', sub { put($_[0], 2 * $page, substr($_[0], $page, $page)) }, 0 ],
  [ 'page points to itself', sub { put($_[0], 2 * $page - 8, pack('L', 1)) }, 0 ],
  [ 'chain in a circle', sub { put($_[0], $page * 4 - 8, pack('L', 1)) }, 0 ],
  [ 'next beyond the end', sub { put($_[0], 2 * $page - 8, pack('L', 99999)) }, 0 ],
  [ 'special space', sub { put($_[0], 2 * $page - 16, garbage(16)) }, 0 ],
  [ 'line pointers', sub { put($_[0], $page + 24, garbage(400)) }, 1 ],
  [ 'two line pointers', sub { put($_[0], $page + 40, garbage(8)) }, 0 ];
foreach my $i (1 .. 25)
{
	push @damage, [ "tuples, $i", sub {
		my $b = 1 + int(rand(length($_[0]) / $page - 1));
		my $upper = unpack('S', substr($_[0], $b * $page + 14, 2));
		foreach (1 .. 1 + int(rand(40)))
		{
			put($_[0], $b * $page + $upper + int(rand($page - 40 - $upper)),
				garbage(1 + int(rand(12))));
		}
	}, 0 ];
}

# Every second one of integers alone, which are read in a simpler way.
foreach my $i (0 .. $#damage)
{
	my $type = $i % 2 ? 'bigint' : 'text';
	my $roles = $i % 2 ? '' :
	  "INCLUDE (share, valid, label) WITH (weight = 'share', validity = 'valid', label = 'label')";

	$s->query(<<"SQL");
CREATE TABLE bad_$i (parent $type, child $type, share numeric, valid daterange, label int);
CREATE INDEX bad_${i}_graph ON bad_$i USING hgraph (parent, child) $roles;
INSERT INTO bad_$i SELECT i / 3, i, i / 7.0, daterange('2020-01-01', NULL), i % 4
	FROM generate_series(1, CASE '$type' WHEN 'text' THEN 600 ELSE 1500 END) i;
SQL
}
my $sum = "SELECT count(*), sum(depth), count(DISTINCT descendant) FROM hierarchy.closure('bad_N', NULL::text)";
my @right = map { $s->query($sum =~ s/_N\b/_$_/r) } 0 .. $#damage;
my @path = map { $s->query("SELECT pg_relation_filepath('bad_${_}_graph')") } 0 .. $#damage;
$s->quit;
$other->quit;
$node->stop;
foreach my $i (0 .. $#damage)
{
	my $file = $node->data_dir . "/$path[$i]";
	my $bytes = slurp_file($file);

	$damage[$i][1]->($bytes);
	open my $fh, '>:raw', $file or die "$file: $!";
	print $fh $bytes;
	close $fh or die;
}
$node->start;

my @after = (
	$sum,
	"SELECT count(*) FROM hierarchy.descendants('bad_N', '0')",
	"SELECT hierarchy.within('bad_N', '600', '0')",
	"SELECT * FROM hierarchy.graph_stats('bad_N')",
	"SELECT * FROM hierarchy.verify('bad_N')",
	"EXPLAIN SELECT * FROM hierarchy.descendants('bad_N', '0')",
	"INSERT INTO bad_N VALUES ('5', '70000')",
	"INSERT INTO bad_N VALUES ('600', '0')",
	"DELETE FROM bad_N WHERE child = '599'",
	"VACUUM bad_N",
	$sum);
$s = session($node);
foreach my $i (0 .. $#damage)
{
	my ($name, undef, $required) = @{ $damage[$i] };
	my ($errors, @wrong) = (0);

	foreach my $sql (@after)
	{
		my $this = $sql =~ s/_N\b/_$i/gr;
		my ($out, $err) = eval { $s->try("SET statement_timeout = '5s'; $this") };

		if ($@)
		{
			push @wrong, "$this: $@";
			$s = session($node);
			last;
		}
		next if $err !~ /ERROR:/;
		if ($err =~ /ERROR:  XX002:/ && $err =~ /HINT:.*REINDEX/)
		{
			$errors++;
		}
		elsif ($err =~ /ERROR:  XX001:/)
		{
			$errors++;    # found by the server itself when it read the page
		}
		elsif (!($this =~ /'600', '0'/ && $err =~ /ERROR:  23514/))
		{
			push @wrong, "$this: $err";
		}
	}
	is(join("\n", @wrong), '', "damage: $name");
	cmp_ok($errors, '>', 0, "damage is noticed: $name") if $required;
	my ($out, $err) = eval { $s->try("SET statement_timeout = '20s';
		DELETE FROM bad_$i WHERE child IN ('70000', '0', '599');
		REINDEX INDEX bad_${i}_graph;
		INSERT INTO bad_$i VALUES ('199', '599', 599 / 7.0, daterange('2020-01-01', NULL), 3);"
		. ($sum =~ s/_N\b/_$i/r)) };
	($out, $err) = ('', $@) if $@;
	is($out, $right[$i], "REINDEX repairs: $name") or diag($err);
}
is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
