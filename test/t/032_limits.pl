# When resources run out: no space for the index to grow, no memory for an
# image, many connections that each use several graphs, a great many graphs in
# one database.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my $seed = seed();

#
# A server whose writes go through a library that finds the disk full: a file
# that "full" names does not grow beyond so many bytes.
#
my $folder = PostgreSQL::Test::Utils::tempdir();
my $full = "$folder/full";
append_to_file("$folder/full.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Is there room for the file behind fd to become so long? */
static int
room(int fd, off_t end)
{
	char link[64], path[1024], name[256];
	long limit;
	struct stat st;
	FILE *f;
	ssize_t n;
	int found = 0;

	if (fstat(fd, &st) != 0 || end <= st.st_size)
		return 1;
	f = fopen(getenv("HIERARCHY_FULL"), "r");
	if (f == NULL)
		return 1;
	if (fscanf(f, "%255s %ld", name, &limit) == 2 && end > limit)
	{
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
		n = strlen(path) - strlen(name);
		found = n > 0 && strcmp(path + n, name) == 0;
	}
	fclose(f);
	if (found)
		errno = ENOSPC;
	return !found;
}

#define WRAP(name, type, what) \
ssize_t name(int fd, const type *data, what n, off_t at) \
{ \
	static ssize_t (*real) (int, const type *, what, off_t); \
	size_t len = LENGTH; \
	if (real == NULL) \
		real = dlsym(RTLD_NEXT, #name); \
	return room(fd, at + len) ? real(fd, data, n, at) : -1; \
}
#define LENGTH n
WRAP(pwrite, void, size_t)
WRAP(pwrite64, void, size_t)
#undef LENGTH
static size_t
total(const struct iovec *v, int n)
{
	size_t sum = 0;

	while (n-- > 0)
		sum += v[n].iov_len;
	return sum;
}
#define LENGTH total(data, n)
WRAP(pwritev, struct iovec, int)
WRAP(pwritev64, struct iovec, int)
int
posix_fallocate64(int fd, off_t at, off_t len)
{
	static int (*real) (int, off_t, off_t);

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "posix_fallocate64");
	return room(fd, at + len) ? real(fd, at, len) : ENOSPC;
}
int posix_fallocate(int fd, off_t at, off_t len) { return posix_fallocate64(fd, at, len); }
C
my $cc = (grep { -x $_ } map { ("$_/gcc", "$_/cc") } split /:/, $ENV{PATH})[0];
my $preload = defined $cc && system($cc, '-shared', '-fPIC', '-O1', '-w', '-o', "$folder/full.so", "$folder/full.c", '-ldl') == 0;

$ENV{HIERARCHY_FULL} = $full;
$ENV{LD_PRELOAD} = "$folder/full.so" if $preload;
my $node = start_node('limits', "fsync = off\nmax_connections = 120\nmax_locks_per_transaction = 256\nsearch_path = 'public, hierarchy'\n");
delete $ENV{LD_PRELOAD};
my $s = session($node);

# fill(path, blocks): no room beyond so many blocks; nothing: room again.
sub fill
{
	my ($path, $blocks) = @_;

	unlink $full;
	append_to_file($full, "$path " . $blocks * 8192 . "\n") if defined $path;
	return;
}

my $by_index = "SELECT count(*), coalesce(sum(hashtext(ancestor || '>' || descendant)), 0) FROM closure('disk', NULL::text, max_depth => 1) WHERE depth = 1";
my $by_rows = "SELECT count(*), coalesce(sum(hashtext(parent || '>' || child)), 0) FROM disk WHERE parent IS NOT NULL";

# sound(name): index and rows agree, in this session and in a new one.
sub sound
{
	my ($name) = @_;
	my $rows = $s->query($by_rows);
	my $new = session($node);
	my @got = ($s->query($by_index), $new->query($by_index), $s->query("SELECT * FROM verify('disk')"));

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$new->quit;
	is(join(' ', @got), "$rows $rows ", $name);
	return;
}

SKIP:
{
	skip 'no C compiler to make the library that finds the disk full', 1 if !$preload;

	$s->query(<<'SQL');
CREATE TABLE disk (parent int, child int);
CREATE INDEX disk_graph ON disk USING hgraph (parent, child);
INSERT INTO disk SELECT i / 3, i FROM generate_series(1, 500) i;
SQL
	my $n = 500;
	foreach my $round (1 .. long(4, 40))
	{
		my $path = $s->query("SELECT pg_relation_filepath('disk_graph')");
		my $blocks = $s->query("SELECT pg_relation_size('disk_graph') / 8192");
		my $more = $n + 4000;
		my $insert = "INSERT INTO disk SELECT i / 3, i FROM generate_series($n + 1, $more) i";

		# in the middle of an insertion, at once or after some pages
		$s->query($by_index) if $round % 3 == 0;
		fill($path, $blocks + int(rand(10)));
		fails($s, $insert, '53100', "no room for the index, round $round", qr/could not (extend|write)/);
		$s->try("INSERT INTO disk VALUES (NULL, -$round)") if $round % 2;
		sound('and what was there is right');
		if ($round % 4 == 2)
		{
			$s->quit;
			$node->stop('immediate');
			$ENV{LD_PRELOAD} = "$folder/full.so";
			$node->start;
			delete $ENV{LD_PRELOAD};
			$s = session($node);
			sound('after a crash as well');
		}
		fill();
		$s->query($insert);
		$n = $more;
		sound('with room again it goes on');
		$s->query("DELETE FROM disk WHERE child % 5 = 0 AND child > $n - 3000");

		# the free space map of the index does not exist yet, or cannot grow
		fill("${path}_fsm", int(rand(3)));
		my (undef, $err) = $s->try('VACUUM (INDEX_CLEANUP ON) disk');
		ok($err eq '' || $err =~ /ERROR:  53100:/, 'VACUUM without room for the free space map') or diag($err);
		sound('which changes nothing');
		fill();
	}
	# A new index gets a file whose name nobody knows beforehand.
	foreach my $statement ('REINDEX INDEX disk_graph', 'CREATE INDEX disk_other ON disk USING hgraph (parent, child)',
		'VACUUM FULL disk', 'REINDEX INDEX CONCURRENTLY disk_graph')
	{
		my $last = $s->query("SELECT relfilenode FROM pg_class WHERE relname = 'disk_graph'");
		my $failed = 0;

		$s->query('CREATE TABLE IF NOT EXISTS next_file ()');
		foreach my $guess (1 .. 6)
		{
			my $next = $s->query("DROP TABLE next_file; CREATE TABLE next_file (); SELECT pg_relation_filepath('next_file')");
			my ($dir, $file) = $next =~ m{^(.*/)(\d+)$};

			fill($dir . ($file + $guess), 2 + int(rand(8)));
			my (undef, $err) = $s->try($statement);
			$failed = 1 if $err =~ /ERROR:  53100:/;
			fill();
			last if $failed;
			fail("$statement: $err") if $err =~ /ERROR/;
			$s->query('DROP INDEX IF EXISTS disk_other');
		}
		ok($failed, "no room in $statement");
		$s->query('DROP INDEX IF EXISTS disk_graph_ccnew; DROP INDEX IF EXISTS disk_other');
		sound('after which the old index serves');
	}
	is($s->query("REINDEX INDEX disk_graph; SELECT * FROM verify('disk')"), '', 'with room it is built');
}
is(server_died($node), '', 'no process crashed');

#
# Memory that ends somewhere in the middle
#
my $prlimit = (grep { -x $_ } map { "$_/prlimit" } split(/:/, $ENV{PATH}), '/usr/bin')[0];
my $edges = long(30_000, 150_000);

$s->query(<<"SQL");
CREATE TABLE large (parent bigint, child bigint, share float8);
INSERT INTO large SELECT i / 3, i, 0.5 FROM generate_series(1, $edges) i;
INSERT INTO large SELECT i / 5, i, 0.5 FROM generate_series(7, $edges, 9) i;
CREATE INDEX large_graph ON large USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
VACUUM ANALYZE large;
SQL
my @work = (
	"SELECT count(x), sum(depth) FROM descendants('large', 1) x",
	"SELECT count(*), sum(total) FROM each((SELECT rollup('large', child, 1) FROM large))",
	"SELECT count(*), round(sum(total)) FROM each((SELECT rollup('large', child, 1, 'weighted') FROM large))",
	"SELECT max(ordinal), count(path) FROM preorder('large', 5)",
	"SELECT sum(depth), count(*) FROM closure('large')",
	"SELECT count(*) FROM verify('large')",
	"BEGIN; INSERT INTO large SELECT child, 1000000 + child FROM large WHERE child % 40 = 0; SELECT count(*) FROM descendants('large', 1); ROLLBACK",
	"BEGIN; CREATE INDEX large_too ON large USING hgraph (parent, child); ROLLBACK");
my @right = map { $s->query($_) } @work;
my ($refused, $worked) = (0, 0);

# size(pid): the address space of a process, in bytes.
sub size
{
	my ($pages) = slurp_file("/proc/$_[0]/statm") =~ /^(\d+)/;

	return $pages * 4096;
}

SKIP:
{
	skip 'no prlimit', 1 if !defined $prlimit || !-r "/proc/$$/statm";
	foreach my $i (0 .. $#work)
	{
		foreach my $try (1 .. long(2, 8))
		{
			my $poor = session($node);
			my $pid = $poor->query('SELECT pg_backend_pid()');
			my $limit;

			$poor->query("SELECT 'large'::hgraph");
			$poor->query('SELECT count(*) FROM large') if $try % 2;
			$limit = size($pid) + int(rand($edges * ($try % 3 == 0 ? 30 : 200)));
			system($prlimit, "--pid=$pid", "--as=$limit:");
			my ($out, $err) = $poor->try($work[$i]);
			$poor->try('ROLLBACK');
			$err =~ /ERROR/ ? $refused++ : $worked++;
			fail("$work[$i]: $out, $err")
			  if $err =~ /ERROR/ ? $err !~ /ERROR:  53200:/ : $out ne $right[$i];
			system($prlimit, "--pid=$pid", '--as=unlimited:');
			my $again = $poor->query($work[$i]);
			is($again, $right[$i], "$work[$i]: with memory again") if $again ne $right[$i];
			$poor->quit;
		}
	}
	cmp_ok($refused, '>', @work / 4, "memory ran out in $refused statements, sufficed in $worked, and all went well after that");
}
is(server_died($node), '', 'no process crashed');

#
# Connections by the hundred, each with three graphs in its memory
#
my $connections = long(25, 100);
my $small = long(3000, 60_000);
$s->query(join ";\n", map { <<"SQL" } 1 .. 3);
CREATE TABLE g$_ AS SELECT i / 3 AS parent, i AS child FROM generate_series(1, $small) i;
CREATE INDEX g${_}_graph ON g$_ USING hgraph (parent, child);
VACUUM g$_
SQL
my $bytes = $s->query("SELECT sum(image_bytes) FROM generate_series(1, 3) i, graph_stats(('g' || i)::hgraph)");
my $script = "$folder/three.pgbench";
append_to_file($script, "SET hierarchy.image_memory = :memory;\nBEGIN;\n"
	  . join('', map { "SELECT 1 / (count(*) = $small)::int FROM descendants('g$_', 0);\n" } 1 .. 3)
	  . "SELECT pg_advisory_lock_shared(1);\nCOMMIT;\n");

# use(memory): the private memory of a backend, on average, in bytes, while
# all are connected.
sub use_three
{
	my ($memory) = @_;
	my ($out, $err) = ('', '');
	my $gate = session($node);

	$gate->query('SELECT pg_advisory_lock(1)');
	my $bench = IPC::Run::start(
		[
			'pgbench', '-n', '-c', $connections, '-j', 2, '-t', 1, '-D', "memory=$memory",
			'-f', $script, $node->connstr('postgres') ],
		'>', \$out, '2>', \$err);
	my $waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
	my $t0 = Time::HiRes::time();
	while ($s->query($waiting) < $connections && Time::HiRes::time() < $t0 + 120)
	{
		$bench->pump_nb;
		Time::HiRes::sleep(0.05);
	}
	my $sum = 0;
	foreach my $pid (split /\n/, $s->query("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
	{
		$sum += $1 if -r "/proc/$pid/status" && slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	}
	$gate->quit;
	$bench->finish;
	like($out, qr{actually processed: $connections/$connections}, "$connections connections with three graphs, image_memory $memory") or diag($err);
	return 1024 * $sum / $connections;
}
my $with = use_three("'512MB'");
my $without = use_three("'1MB'");
diag(sprintf '%d connections, three graphs of %d edges: %.1f MB of private memory each, %.1f MB when image_memory is 1MB; three images are %.1f MB',
	$connections, $small, $with / 2**20, $without / 2**20, $bytes / 2**20);
cmp_ok($with, '<', 3 * $bytes + 12_000_000, 'what a connection needs is bounded by its images');
cmp_ok($without, '<=', $with - 0.3 * $bytes, 'image_memory bounds what is kept') if $bytes > 6_000_000;

#
# A great many graphs
#
my $graphs = long(150, 2000);
my $create = milliseconds($s, <<"SQL");
DO \$\$BEGIN
	FOR i IN 1 .. $graphs LOOP
		EXECUTE format('CREATE TABLE t%s (parent int, child int)', i);
		EXECUTE format('CREATE INDEX t%s_graph ON t%1\$s USING hgraph (parent, child)', i);
		EXECUTE format('INSERT INTO t%s SELECT g / 2, g FROM generate_series(1, 20) g', i);
		IF i % 100 = 0 THEN COMMIT; END IF;
	END LOOP;
END\$\$
SQL
my $fresh = session($node);
my $first = milliseconds($fresh, "SELECT count(*) FROM descendants('t$graphs', 1)");
my $each = "SELECT count(*) FROM generate_series(1, $graphs) i WHERE (SELECT count(*) FROM descendants(('t' || i)::hgraph, 1)) = 19";
is($fresh->query($each), $graphs, "all of $graphs graphs in one session");
my $all = milliseconds($fresh, $each);
my $held = $fresh->query("SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name LIKE 'hierarchy%'");
fails($s, "SELECT * FROM descendants('t0', 1)", '42P01', 'one that does not exist');
my $drop = milliseconds($s, "DO \$\$BEGIN FOR i IN 1 .. $graphs LOOP EXECUTE 'DROP TABLE t' || i; IF i % 100 = 0 THEN COMMIT; END IF; END LOOP; END\$\$");
is($fresh->query("SELECT count(*) FROM descendants('g1', 0)"), $small, 'and after they were dropped');
cmp_ok($fresh->query("SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts WHERE name LIKE 'hierarchy%'"),
	'<', $held + 3 * $bytes + 1_000_000, 'memory of dropped graphs is given back');

# The same in the directory, where each is a partition.
my $hierarchies = long(8, 100);
my $add = milliseconds($s, "SELECT count(create_hierarchy('h' || i)) FROM generate_series(1, $hierarchies) i");
$s->query("INSERT INTO entity_type VALUES ('x'); SELECT add_entity('x', 'a', 'A'), add_entity('x', 'b', 'B')");
my $assign = milliseconds($fresh, "SELECT assign('h$hierarchies', entity_id('x', 'b'), entity_id('x', 'a'))");
is($fresh->query("SELECT count(*) FROM relationship"), 1, "one relationship in $hierarchies hierarchies");
my $remove = milliseconds($s, "SELECT count(drop_hierarchy('h' || i, force => true)) FROM generate_series(1, $hierarchies) i");
diag(sprintf '%d graphs: %.1f ms to create one, %.1f ms for the first query in a new session, %.2f ms for each of all once known, %.1f kB held for each, %.1f ms to drop one; %d hierarchies: %.1f ms to create one, %.1f ms for the first assign, %.1f ms to drop one',
	$graphs, $create / $graphs, $first, $all / $graphs, $held / $graphs / 1024, $drop / $graphs,
	$hierarchies, $add / $hierarchies, $assign, $remove / $hierarchies);
is($s->query("SELECT count(*) FROM relationship"), 0, 'and all of them are dropped');

is(server_died($node), '', 'no process crashed');
$_->quit foreach $s, $fresh;
$node->stop;
done_testing();
