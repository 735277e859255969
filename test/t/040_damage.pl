# Indexes whose files somebody else wrote into, at random places: what is asked
# of them is answered right, or refused with an error that names the index and
# says REINDEX, or else verify() sees the damage.  Nothing crashes or hangs, and
# REINDEX puts it right.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $page = 8192;
my $damages = long(24, 240);
my $seed = seed();
my $node = start_node('damage', "fsync = off\nfull_page_writes = off\nmax_wal_size = 2GB\n");
my $s = session($node);

# garbage(n): so many random bytes.
sub garbage { return join '', map { chr(int(rand(256))) } 1 .. $_[0]; }

# somewhere(bytes): an offset in the file; every second time one where a page
# keeps its structure: header, line pointers, special space, or the metapage.
sub somewhere
{
	my ($bytes) = @_;
	my $pages = length($bytes) / $page;
	my $block = int(rand($pages));
	my $where = int(rand(10));

	return int(rand(length $bytes)) if $where < 5;
	return 24 + int(rand(40)) if $where == 5;
	return $block * $page + int(rand(24)) if $where == 6;
	return ($block + 1) * $page - 1 - int(rand(32)) if $where == 7;
	return $block * $page + 24 + int(rand(400)) if $where == 8;
	return int(rand($page));
}

# harm(bytes): the bytes of a file after something happened to them, and what.
sub harm
{
	my ($bytes) = @_;
	my $kind = int(rand(10));
	my $at = somewhere($bytes);
	my $with;

	if ($kind < 6)
	{
		$with = garbage(1 + int(rand(4)));
	}
	elsif ($kind == 6)
	{
		$with = "\0" x (1 + int(rand(600)));
	}
	elsif ($kind == 7)
	{
		$with = garbage(1 + int(rand(600)));
	}
	else
	{
		# a page, or half of one, in the place of another
		$at -= $at % $page;
		$with = substr($bytes, $page * int(rand(length($bytes) / $page)), $kind == 8 ? $page : $page / 2);
	}
	$with = substr($with, 0, length($bytes) - $at);
	substr($bytes, $at, length $with) = $with;
	return ($bytes, sprintf '%d bytes at %d of block %d (kind %d)', length $with, $at % $page, $at / $page, $kind);
}

#
# Tables of all kinds, with entries that are dead, pages that were used again,
# and rows that no vacuum has seen.
#
$s->query(<<'SQL');
CREATE FUNCTION prepare(i int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	kind text := (ARRAY['int', 'bigint', 'text', 'uuid'])[1 + i % 4];
	key text := CASE kind WHEN 'uuid' THEN 'lpad(to_hex(%s), 32, ''0'')::uuid' ELSE '%s::text::' || kind END;
	roles text := CASE WHEN i % 8 < 4 THEN '' ELSE
		'INCLUDE (share, valid, label) WITH (weight = ''share'', validity = ''valid'', label = ''label'')' END;
BEGIN
	EXECUTE format('CREATE TABLE bad_%s (parent %s, child %2$s, share numeric, valid daterange, label int)', i, kind);
	EXECUTE format('CREATE INDEX bad_%s_graph ON bad_%1$s USING hgraph (parent, child) %s', i, roles);
	EXECUTE format('INSERT INTO bad_%s SELECT %s, %s, i / 7.0, daterange(''2020-01-01'', NULL), i %% 4
		FROM generate_series(1, 700) i', i, format(key, '(i / 3)'), format(key, 'i'));
	EXECUTE format('DELETE FROM bad_%s WHERE ctid IN (SELECT ctid FROM bad_%1$s ORDER BY child LIMIT 80 OFFSET 300)', i);
END $$;
CREATE FUNCTION change(i int, step int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	kind text := (ARRAY['int', 'bigint', 'text', 'uuid'])[1 + i % 4];
	key text := CASE kind WHEN 'uuid' THEN 'lpad(to_hex(%s), 32, ''0'')::uuid' ELSE '%s::text::' || kind END;
BEGIN
	EXECUTE format('INSERT INTO bad_%s SELECT %s, %s, 0.5, NULL, 9 FROM generate_series(1000 * %s, 1000 * %4$s + 80) i', i,
		format(key, '(i - 950 * ' || step || ')'), format(key, 'i'), step);
	EXECUTE format('DELETE FROM bad_%s WHERE ctid IN (SELECT ctid FROM bad_%1$s ORDER BY child DESC LIMIT 30 OFFSET 90)', i);
	EXECUTE format('UPDATE bad_%s SET share = share / 2 WHERE label = %s', i, step);
END $$;
SQL
my $last = $damages - 1;
$s->query("SELECT prepare(i) FROM generate_series(0, $last) i");
$s->query('VACUUM ' . join ', ', map { "bad_$_" } 0 .. $last);
$s->query("SELECT change(i, 1) FROM generate_series(0, $last) i");

# A row that is gone and whose entry is not, and the place of another that is
# gone altogether, on a page marked all-visible
$s->query(<<'SQL');
CREATE TABLE ghost (parent int, child int);
CREATE INDEX ghost_graph ON ghost USING hgraph (parent, child);
INSERT INTO ghost SELECT i / 10, i FROM generate_series(1, 1000) i;
DELETE FROM ghost WHERE child = 5;
VACUUM (INDEX_CLEANUP ON, FREEZE) ghost;
SQL
my ($dead) = $s->query('DELETE FROM ghost WHERE child = 900 RETURNING ctid') =~ /\((\d+),/;
cmp_ok($dead, '>', 0, 'a dead row on another page');
my $ghost = $s->query("SELECT pg_relation_filepath('ghost_graph')");

my @path = map { $s->query("SELECT pg_relation_filepath('bad_${_}_graph')") } 0 .. $last;
my $had_checksums = $s->query('SHOW data_checksums') eq 'on';
$s->quit;
$node->stop;

# rewrite(path, code): replaces the bytes of a file.
sub rewrite
{
	my ($path, $code) = @_;
	my $file = $node->data_dir . "/$path";
	my $bytes = $code->(slurp_file($file));

	open my $fh, '>:raw', $file or die "$file: $!";
	print $fh $bytes;
	close $fh or die;
	return;
}

# Every third run has checksums, which find all of it before we do.  (Clusters
# have them by themselves since 18.)
my $checksums = $seed % 3 == 0;
command_ok([ 'pg_checksums', $checksums ? '--enable' : '--disable', '--no-sync', '-D', $node->data_dir ],
	'checksums as wanted')
  if $checksums != $had_checksums;

my @what;
foreach my $i (0 .. $last)
{
	rewrite($path[$i], sub { my ($bytes, $what) = harm($_[0]); push @what, $what; return $bytes; });
}
# An entry is the row's place, its own size, the keys.
rewrite($ghost, sub { return $_[0] =~ s/.{6}(\Q@{[ pack 'Sll', 16, 90, 900 ]}\E)/pack('S3', 0, 0, 5) . $1/ser; });
$node->start;

#
# Questions, and the same by plain SQL
#
my @questions = (
	[
		"SELECT count(*), sum(hashtext(ancestor || '>' || descendant)::bigint), round(sum(share)::numeric, 6)
			FROM hierarchy.closure('bad_N', NULL::text, max_depth => 1) WHERE depth = 1",
		"SELECT count(*), sum(hashtext(parent || '>' || child)::bigint), round(sum(w)::numeric, 6)
			FROM (SELECT parent::text, child::text, CASE WHEN N % 8 >= 4 THEN share END::float8 AS w FROM bad_N
				WHERE parent IS NOT NULL) x" ],
	[
		"SELECT count(*), sum(hashtext(node)::bigint), sum(depth) FROM hierarchy.descendants('bad_N', FIRST::text)",
		"WITH RECURSIVE d AS (SELECT child, 1 AS depth FROM bad_N WHERE parent = FIRST
			UNION SELECT b.child, depth + 1 FROM d JOIN bad_N b ON b.parent = d.child WHERE depth < 1000)
			SELECT count(*), sum(hashtext(child::text)::bigint), sum(depth) FROM (SELECT child, min(depth) AS depth FROM d GROUP BY 1) x" ],
	[
		"SELECT string_agg(x.r, ' ' ORDER BY x.r COLLATE \"C\") FROM (SELECT hierarchy.roots('bad_N', NULL::text) AS r) x",
		"SELECT string_agg(DISTINCT parent::text, ' ' ORDER BY parent::text) FROM bad_N b
			WHERE NOT EXISTS (SELECT FROM bad_N u WHERE u.child = b.parent)" ],
	[
		"SELECT total FROM hierarchy.each((SELECT hierarchy.rollup('bad_N', child::text, 1, 'paths') FROM bad_N), NULL::text)
			WHERE node = FIRST::text",
		"WITH RECURSIVE d AS (SELECT child FROM bad_N WHERE parent = FIRST UNION ALL SELECT b.child FROM d JOIN bad_N b ON b.parent = d.child)
			SELECT (SELECT count(*) FROM d) + (SELECT count(*) FROM bad_N WHERE child = FIRST)" ]);

# fill(sql, i): the statement for table number i.
sub fill
{
	my ($sql, $i) = @_;
	my $first = $i % 4 == 3 ? "lpad('1', 32, '0')::uuid" : $i % 4 == 2 ? "'1'::text" : "1::" . ($i % 4 ? 'bigint' : 'int');

	return $sql =~ s/\bFIRST\b/$first/gr =~ s/_N\b/_$i/gr =~ s/\bN\b/$i/gr;
}

my $refused = 0;
my $seen = 0;

# refusal(err, i): is this how a damaged index is reported?
sub refusal
{
	my ($err, $i) = @_;

	return 0 if $err !~ /ERROR:  XX002:/ || $err !~ /bad_${i}_graph/ || $err !~ /REINDEX/;
	$refused++;
	return 1;
}

# ask(i, stage): answers are right, refused, or known to be wrong.  Returns
# what is not as it should be.
sub ask
{
	my ($i, $stage) = @_;
	my (@wrong, @differ);

	foreach my $q (@questions)
	{
		my ($out, $err) = $s->try(fill($q->[0], $i));

		if ($err =~ /ERROR:/)
		{
			push @wrong, "$stage: $err" if !refusal($err, $i);
			next;
		}
		my $right = $s->query(fill($q->[1], $i));
		push @differ, "$stage: $out instead of $right: " . fill($q->[0], $i) if $out ne $right;
	}
	my ($out, $err) = $s->try("SELECT * FROM hierarchy.verify('bad_${i}_graph')");

	push @wrong, "$stage: verify: $err" if $err =~ /ERROR:/;
	push @wrong, map { "verify() is silent, but $_" } @differ if $out eq '';
	$seen++ if $out ne '';
	return @wrong;
}

# What happens to a table in use
my @writes = (
	'SELECT change(N, 2)',
	'VACUUM (INDEX_CLEANUP ON) bad_N',
	'SELECT change(N, 3)',
	'VACUUM (INDEX_CLEANUP ON) bad_N',
	'SELECT change(N, 4)');

$s = session($node);
$s->query("SET statement_timeout = '20s'; SET max_parallel_workers_per_gather = 0");
foreach my $i (0 .. $last)
{
	my @wrong;

	eval {
		push @wrong, ask($i, 'at first');
		foreach my $sql (@writes)
		{
			my (undef, $err) = $s->try(fill($sql, $i));

			push @wrong, "$sql: $err" if $err =~ /ERROR:/ && !refusal($err, $i);
		}
		push @wrong, ask($i, 'after writes');
		# A cycle that is let in is a wrong answer.
		my (undef, $err) = $s->try(fill('BEGIN; INSERT INTO bad_N SELECT child, parent FROM bad_N WHERE parent = FIRST LIMIT 1', $i));
		push @wrong, 'a cycle, and verify() is silent'
		  if $err eq '' && $s->query("SELECT count(*) FROM hierarchy.verify('bad_${i}_graph')") == 0;
		push @wrong, "insert: $err" if $err =~ /ERROR:/ && $err !~ /ERROR:  23514:/ && !refusal($err, $i);
		$s->query("ROLLBACK;\n\\c -\nSET statement_timeout = '20s'; SET max_parallel_workers_per_gather = 0");
		push @wrong, ask($i, 'in a new session');
		$s->query("REINDEX INDEX bad_${i}_graph");
		push @wrong, ask($i, 'after REINDEX');
		my $verify = $s->query("SELECT * FROM hierarchy.verify('bad_${i}_graph')");
		push @wrong, "REINDEX left $verify" if $verify ne '';
	};
	if ($@)
	{
		push @wrong, $@;
		$s = session($node);
	}
	is(join("\n", @wrong), '', "damage $i: $what[$i]");
}
if (!$checksums)
{
	is($s->query("SELECT count(*) FROM hierarchy.children('ghost', 90) WHERE node = 900"), 1, 'a row that is not there');
}
like($s->query("SELECT problem FROM hierarchy.verify('ghost')"), $checksums ? qr/damaged/ : qr/points to no row/, 'is seen by verify()');
is($s->query("REINDEX INDEX ghost_graph; SELECT count(*) FROM hierarchy.children('ghost', 90) WHERE node = 900"), 0,
	'and gone after REINDEX');
cmp_ok($refused, '>', 0, "statements were refused ($refused)");
cmp_ok($seen, '>', 0, "verify() saw damage ($seen times)");
is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
