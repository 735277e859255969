# The thread that helps with the final step of a parallel rollup: whoever does
# which part, and in what order, the bytes are those of a serial plan; errors,
# cancellation, the end of the backend and a thread that cannot be had leave
# nothing behind.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = seed();
my $tries = long(12, 400);
my $kills = long(1, 8);
my $n = 90_000;

#
# A library that notes when threads of the server begin (c) and end (e), and
# does as a file says: "late" is after how many microseconds a thread begins,
# "slow" how long the backend takes to go on, "none" lets no thread be made.
#
my $folder = PostgreSQL::Test::Utils::tempdir();
my ($orders, $notes) = ("$folder/orders", "$folder/notes");
append_to_file("$folder/threads.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Call { void *(*run) (void *); void *arg; int late; } Call;

static void note(const char *what)
{
	int fd = open(getenv("HIERARCHY_NOTES"), O_WRONLY | O_APPEND | O_CREAT, 0666);

	if (fd >= 0)
	{
		write(fd, what, 1);
		close(fd);
	}
}

static void *beside(void *arg)
{
	Call *call = arg;
	void *result;

	usleep(call->late);
	result = call->run(call->arg);
	note("e");
	return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run) (void *), void *arg)
{
	static int (*real) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *);
	static Call call;			/* one at a time */
	char order[100] = "";
	int slow = 0, result, fd = open(getenv("HIERARCHY_ORDERS"), O_RDONLY);

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "pthread_create");
	if (fd >= 0)
	{
		read(fd, order, sizeof(order) - 1);
		close(fd);
	}
	if (strncmp(order, "none", 4) == 0)
		return EAGAIN;
	call = (Call) {run, arg, 0};
	sscanf(order, "late %d slow %d", &call.late, &slow);
	note("c");
	result = real(thread, attr, beside, &call);
	usleep(slow);
	return result;
}
C
my $cc = (grep { -x $_ } map { ("$_/gcc", "$_/cc") } split /:/, $ENV{PATH})[0];
# The thread sanitizer has threads of its own, and its own idea of beginning one.
my $preload = defined $cc && -d '/proc/self/task' && !defined $ENV{TSAN_OPTIONS}
  && system($cc, '-shared', '-fPIC', '-O1', '-w', '-o', "$folder/threads.so", "$folder/threads.c", '-ldl', '-lpthread') == 0;

$ENV{HIERARCHY_ORDERS} = $orders;
$ENV{HIERARCHY_NOTES} = $notes;
my $libraries = $ENV{LD_PRELOAD};
$ENV{LD_PRELOAD} = join ':', grep { defined } $libraries, "$folder/threads.so" if $preload;
my $node = start_node('threads', <<'CONF');
fsync = off
search_path = 'public, hierarchy'
max_worker_processes = 16
max_parallel_workers = 8
parallel_setup_cost = 0
parallel_tuple_cost = 0
min_parallel_table_scan_size = 0
enable_partitionwise_aggregate = off
work_mem = 64MB
restart_after_crash = on
CONF
delete $ENV{LD_PRELOAD};
$ENV{LD_PRELOAD} = $libraries if defined $libraries;
my ($s, $other) = (session($node), session($node));

# order(text): what threads do from now on; nothing: what they like.
sub order
{
	my ($text) = @_;

	unlink $orders;
	append_to_file($orders, $text) if defined $text;
	return;
}

# threads(): how many have begun, and how many have not ended.
sub threads
{
	my $said = -e $notes ? slurp_file($notes) : '';
	my ($begun, $ended) = ($said =~ tr/c//, $said =~ tr/e//);

	return ($begun, $begun - $ended);
}

#
# Every node but the first ten has one parent or, one in twenty, two.  Facts are
# in parts that one process reads each, so that it is known what meets where:
# keys that begin and end elsewhere, nodes that do not exist, no key at all.
#
$s->query(<<"SQL");
SELECT setseed(@{[ $seed % 1000 / 1000 ]}) \\g /dev/null
CREATE TABLE edge AS SELECT greatest(1, child / k / 3) AS parent, child, CASE WHEN child % 20 > 0 THEN 1 WHEN k = 1 THEN 0.625 ELSE 0.375 END AS share, k = 1 AS is_primary
	FROM generate_series(11, $n) child, generate_series(1, 2) k WHERE k = 1 OR child % 20 = 0;
CREATE INDEX org ON edge USING hgraph (parent, child) INCLUDE (share, is_primary) WITH (weight = 'share', is_primary = 'is_primary');
CREATE TABLE fact (part int, key int, i bigint, n numeric) PARTITION BY LIST (part);
CREATE TABLE fact_1 PARTITION OF fact FOR VALUES IN (1) WITH (parallel_workers = 0);
CREATE TABLE fact_2 PARTITION OF fact FOR VALUES IN (2) WITH (parallel_workers = 0);
CREATE TABLE fact_3 PARTITION OF fact FOR VALUES IN (3) WITH (parallel_workers = 0);
INSERT INTO fact SELECT part, CASE WHEN key % 997 <> part THEN key END, (random() * 1000 - 300)::bigint, (random() * 1000)::numeric(12,2)
	FROM (VALUES (1, -40, $n - 500), (2, 10000, $n + 80), (3, 2000, 80000)) v(part, low, high), generate_series(low, high) key
	WHERE key % 31 <> part;
VACUUM ANALYZE;
SQL
my $serial = 'SET max_parallel_workers_per_gather = 0';
my $parallel = 'SET max_parallel_workers_per_gather = 2';
my @orders = (undef, 'late 3000 slow 0', 'late 0 slow 3000');
my (@without, @left);

# same(name, aggregate, where[, orders]): as a serial plan says.
sub same
{
	my ($name, $aggregate, $where, @how) = @_;
	my $query = "SELECT md5(hrollup_send(x)) FROM (SELECT $aggregate AS x FROM fact WHERE $where) y";
	my ($before) = threads();
	my $want = $s->query("$serial; $query");
	my ($after) = threads();

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	push @without, "$name: a thread in a serial plan" if $after != $before;
	foreach my $order (@how ? @how : @orders[ 0, 1 + int(rand(2)) ])
	{
		# A leader may have done all before a worker begins; then there is no
		# thread, unless it leaves everything to them.
		my $alone = defined $order ? 'on' : 'off';

		order($order);
		($before) = threads();
		is($s->query("$parallel; SET parallel_leader_participation = $alone; $query"), $want, "$name, " . ($order // 'as it comes'));
		($after, my $running) = threads();
		push @without, "$name: no thread" if $after == $before && !defined $order;
		push @left, $name if $running;
	}
	order();
	return;
}

like($s->query("$parallel; EXPLAIN SELECT rollup('org', key, i) FROM fact"), qr/Finalize.*Gather.*Partial.*Parallel Append/s, 'parts are read by one process each');
foreach my $mode (qw(distinct weighted primary paths))
{
	same("$mode, bigint", "rollup('org', key, i, '$mode')", 'true');
	same("$mode, numeric", "rollup('org', key, n, '$mode')", 'true');
	same("$mode, count", "rollup('org', key, '$mode')", 'true');
}
same('sums leave 64 bits where parts meet', "rollup('org', key, CASE WHEN key % 7000 < 3 OR key > 89990 THEN 4611686018427387904 + i ELSE i END)", 'true', @orders);
same('sums leave 40 bits where parts meet', "rollup('org', CASE WHEN key % 40000 BETWEEN 30000 AND 30199 THEN key - key % 40000 + 30000 ELSE key END, CASE WHEN key % 40000 BETWEEN 30000 AND 30199 THEN 2147480000 ELSE i END)", 'true', @orders);
same('everywhere', "rollup('org', key, 6000000000000000000 + i)", 'true');
same('within a part as well', "rollup('org', CASE WHEN key < 10000 THEN key / 2 ELSE key END, 5000000000000000000 + i)", 'true');
same('values beyond 64 bits', "rollup('org', key, n * 1e25)", 'true');
same('digits beyond 64 bits, with shares', "rollup('org', key, n * 1e25, 'weighted')", 'true');
same('and sums', "rollup('org', key, 6000000000000000000 + i, 'weighted')", 'true');
same('totals beyond 128 bits', "rollup('org', key, n * 1e29, 'paths')", 'true');
same('special values', "rollup('org', key, CASE WHEN key = 77777 THEN 'NaN' WHEN key = 99 THEN 'Infinity' ELSE n END, 'weighted')", 'true');
same('parts that begin lower', "rollup('org', key, i)", 'part <> 1');
same('parts within another', "rollup('org', key, i)", 'part = 1 OR key BETWEEN 5000 AND 85000', @orders);
same('parts that do not meet', "rollup('org', key, i)", '(part = 1 AND key < 40000) OR (part = 2 AND key > 40000)');
same('one fact in a part', "rollup('org', key, i)", 'part = 1 OR key = 40000');
same('no thread to be had', "rollup('org', key, i, 'weighted')", 'true', 'none');

my $tasks = "SELECT count(*) FROM pg_ls_dir('/proc/self/task')";
SKIP:
{
	skip 'no library that sees threads', 3 if !$preload;
	is(join("\n", @without), '', 'a thread helps in parallel plans, and in no other');
	is(join("\n", @left), '', 'none outlives its query');
	is($s->query($tasks), 1, 'the backend is one thread again');
}

#
# The query ends at some moment while there is a thread
#
# shared(pid): the shared memory that a process has.
sub shared
{
	my ($pid) = @_;

	open my $in, '<', "/proc/$pid/maps" or return;
	my @found = map { m{(/dev/shm/PostgreSQL\.\d+)} ? $1 : () } <$in>;
	close $in;
	return @found;
}

my $query = "SELECT md5(hrollup_send(rollup('org', key, i, 'weighted'))) FROM fact";
my $want = $s->query("$serial; $query");
my ($ms) = sort { $a <=> $b } map { milliseconds($s, "$parallel; $query") } 1 .. 3;
my $pid = $s->query('SELECT pg_backend_pid()');
my %ended;
my @trouble;
my %segment;
my %always = map { $_ => 1 } shared($pid);

# run(): starts the query with a thread that is slower or quicker than the
# backend, and waits until there is one or, now and then, for some time.
sub run
{
	my ($set) = @_;
	my ($before) = threads();
	my $give_up = time() + 20;

	order('late ' . int(rand(2) < 1 ? 0 : rand(20000)) . ' slow ' . int(rand(2) < 1 ? 0 : rand(20000)));
	$s->send("$parallel; $set; $query");
	return if $set ne '';
	if ($preload && rand() < 0.8)
	{
		sleep(0.0005) until $s->done || (threads())[0] > $before || time() > $give_up;
		sleep(rand(0.02));
	}
	else
	{
		sleep(rand($ms / 1000));
	}
	$segment{$_} = 1 foreach grep { !$always{$_} } shared($pid);
	return;
}

# again(name): all is well afterwards.
sub again
{
	my ($name) = @_;
	my (undef, $running) = threads();

	order();
	push @trouble, "$name: a thread is left" if $running;
	push @trouble, "$name: threads of the backend" if $preload && $s->query($tasks) != 1;
	push @trouble, "$name: another answer" if $s->query("RESET ALL; $parallel; $query") ne $want;
	return;
}

foreach my $try (1 .. $tries)
{
	my $way = (qw(cancel timeout terminate))[ $try % 3 ];
	my $ms_more = 2 + int(rand($ms * 1.3));

	run($way eq 'timeout' ? "SET statement_timeout = $ms_more" : '');
	if ($way eq 'terminate')
	{
		# A FATAL error that is dealt with where the backend looks for interrupts
		$other->query("SELECT pg_terminate_backend($pid, 30000)");
		my ($out, $err) = eval { $s->wait };

		push @trouble, "$way: not ended" if $other->query("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") != 0;
		push @trouble, "$way: a thread is left" if (threads())[1];
		$ended{$way}++ if ($out // '') !~ /$want/;
		$s->quit;
		$s = session($node);
		$pid = $s->query('SELECT pg_backend_pid()');
	}
	else
	{
		$other->query("SELECT pg_cancel_backend($pid)") if $way eq 'cancel';
		my ($out, $err) = $s->wait;

		push @trouble, "$way: $err" if $err =~ /ERROR|FATAL/ && $err !~ /57014/;
		push @trouble, "$way: another answer" if $err !~ /ERROR/ && $out ne $want;
		$ended{$way}++ if $err =~ /57014/;
		# A cancellation may come late.
		$s->try('SELECT');
		$s->try('RESET ALL');
	}
	again("$way $try");
}
is(join("\n", @trouble), '', "$tries statements and sessions were ended, and nothing is left of them");
cmp_ok($ended{$_} // 0, '>', 0, "by $_: " . ($ended{$_} // 0)) foreach qw(cancel timeout terminate);
# Statistics of the server have some as well.
cmp_ok(scalar(grep { -e } keys %segment), '<=', 3, 'no shared memory is left, of ' . keys(%segment) . ' pieces that were seen');
is($other->query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'"), 0, 'no worker is left');
is(server_died($node), '', 'no process crashed');

# The backend is told to end while the thread, which is late, is certain to be
# there: it waits for it.
SKIP:
{
	skip 'no library that sees threads', 4 if !$preload;
	foreach my $way (qw(cancel terminate))
	{
		my ($begun) = threads();

		order('late 500000 slow 100000');
		$s->send("$parallel; $query");
		sleep(0.001) until $s->done || (threads())[0] > $begun;
		cmp_ok((threads())[1], '>', 0, "$way: there is a thread");
		$other->query($way eq 'cancel' ? "SELECT pg_cancel_backend($pid)" : "SELECT pg_terminate_backend($pid, 30000)");
		eval { $s->wait };
		is((threads())[1], 0, "$way: it is waited for");
		order();
		next if $way eq 'cancel';
		$s->quit;
		$s = session($node);
		$pid = $s->query('SELECT pg_backend_pid()');
	}
}

# kill -9, of which the server recovers
foreach my $kill (1 .. $kills)
{
	run('');
	kill 'KILL', $pid;
	eval { $s->wait };
	$s->quit;
	$other->quit;
	await_server($node, $pid);
	sleep(0.1) while -e "/proc/$pid/task";
	unlink $notes;
	($s, $other) = (session($node), session($node));
	$pid = $s->query('SELECT pg_backend_pid()');
	@trouble = ();
	again("kill $kill");
	is(join("\n", @trouble), '', "all is well after kill -9, $kill");
}
is(join(' ', grep { -e } keys %segment), '', 'no shared memory is left of killed processes');

$_->quit foreach $s, $other;
$node->stop;
done_testing();
