# Random concurrent histories: at no commit do the edges form a cycle.
#
# Four sessions at once run random transactions over fifty nodes, at random
# isolation levels: edges are inserted, moved, turned round, deleted and put
# back, in savepoints that are rolled back, in transactions that are rolled back
# or prepared, with pauses so that they overlap; VACUUM recycles what they
# leave.  Readers among them compare the index with a recursive query.
#
# Logical decoding then tells every transaction's rows in the order of the
# commits.  They are replayed here, by code that knows nothing of the server:
# after each commit the edges must be without a cycle; for the graph with dates,
# on every day.  What the replay ends with must be what the tables hold.
#
# HIERARCHY_SEED repeats the statements, though not how they meet;
# HIERARCHY_STEPS is the number of transactions that change something.

use strict;
use warnings;

use HierarchyTest;
use Test::More;

my $wanted = $ENV{HIERARCHY_STEPS} || long(500, 10000);
my $sessions = 4;
my $nodes = 50;
my $edges = 60;
my $days = 8;
my $seed = seed();
my $node = start_node('histories', <<'CONF');
wal_level = logical
deadlock_timeout = 30ms
search_path = 'public, hierarchy'
CONF

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

if ($node->psql('postgres', "SELECT pg_create_logical_replication_slot('log', 'test_decoding')") != 0)
{
	$node->stop;
	plan skip_all => 'test_decoding is not installed';
}

# plain: its index has edges only; dated: edges with dates, of which those that
# share a day must not form a cycle.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE plain (id int PRIMARY KEY, parent int, child int);
CREATE INDEX plain_graph ON plain USING hgraph (parent, child);
CREATE TABLE dated (id int PRIMARY KEY, parent int, child int, valid daterange);
CREATE INDEX dated_graph ON dated USING hgraph (parent, child) INCLUDE (valid) WITH (validity = 'valid');
CREATE SEQUENCE ids;

-- What differs between the index and the rows, in one snapshot.
CREATE FUNCTION differs(day date) RETURNS SETOF text LANGUAGE sql STABLE BEGIN ATOMIC
WITH RECURSIVE
e AS MATERIALIZED (
	SELECT 'plain' AS g, parent, child FROM plain
	UNION ALL SELECT 'dated', parent, child FROM dated WHERE valid @> day),
r(g, a, d) AS (
	SELECT g, n, n FROM e, LATERAL (VALUES (parent), (child)) v (n)
	UNION SELECT r.g, a, child FROM r JOIN e ON e.g = r.g AND parent = d),
c AS (
	SELECT 'plain' AS g, ancestor, descendant FROM hierarchy.closure('plain_graph', NULL::int)
	UNION ALL SELECT 'dated', ancestor, descendant FROM hierarchy.closure('dated_graph', NULL::int, as_of => day))
SELECT row('surplus', x.*)::text FROM (TABLE c EXCEPT ALL TABLE r) x
UNION ALL SELECT row('missing', x.*)::text FROM (TABLE r EXCEPT ALL TABLE c) x;
END;
SQL

#
# Random transactions
#

sub day { return sprintf "date '2024-01-01' + %d", $_[0]; }

# A range of days; without a bound it lasts.
sub range
{
	my ($lo, $hi) = sort { $a <=> $b } map { int(rand($days)) } 1, 2;

	return sprintf 'daterange(%s, %s)', chance(0.3) ? 'NULL' : day($lo), chance(0.3) ? 'NULL' : day($hi + 1);
}

# Two nodes that differ, mostly.
sub ends
{
	my ($p, $c) = (1 + int(rand($nodes)), 1 + int(rand($nodes)));

	$c = 1 + $c % $nodes if $p == $c && chance(0.95);
	return ($p, $c);
}

# Any row of a table, whichever it is when the statement runs.
sub any_row
{
	my ($table) = @_;

	return "id = (SELECT id FROM $table ORDER BY hashint4(id # " . int(rand(2**30)) . ') LIMIT 1)';
}

sub insert
{
	my ($table, $n) = @_;

	return "INSERT INTO $table VALUES " . join(', ', map {
			my ($p, $c) = ends();
			"(nextval('ids'), $p, $c" . ($table eq 'dated' ? ', ' . range() : '') . ')'
	} 1 .. $n) . ';';
}

# Down to a size at which about half of the insertions close a cycle
sub trim
{
	my ($table) = @_;

	return "DELETE FROM $table WHERE id IN (SELECT id FROM $table ORDER BY hashint4(id # " . int(rand(2**30))
	  . ") LIMIT greatest(1, (SELECT count(*) FROM $table) - $edges));";
}

my @statements = (
	[ 30, sub { insert($_[0], 1) } ],
	[ 5, sub { insert($_[0], 2 + int(rand(4))) } ],
	[ 18, sub { "UPDATE $_[0] SET parent = " . (ends())[0] . ' WHERE ' . any_row($_[0]) . ';' } ],
	[ 6, sub { "UPDATE $_[0] SET child = " . (ends())[0] . ' WHERE ' . any_row($_[0]) . ';' } ],
	# turned round: the old row's edge must not count for the new one
	[ 6, sub { "UPDATE $_[0] SET parent = child, child = parent WHERE " . any_row($_[0]) . ';' } ],
	[ 4, sub { "UPDATE $_[0] SET parent = parent WHERE " . any_row($_[0]) . ';' } ],
	[ 6, sub { "UPDATE dated SET valid = " . range() . ' WHERE ' . any_row('dated') . ';' } ],
	[ 8, sub { "DELETE FROM $_[0] WHERE " . any_row($_[0]) . ';' } ],
	[ 12, sub { trim($_[0]) } ],
	[ 4, sub { "SELECT 'DIFFERS', * FROM differs(" . day(int(rand($days))) . ') x;' } ]);
my $statements_total = 0;
$statements_total += $_->[0] foreach @statements;

sub statement
{
	my $r = rand($statements_total);

	foreach my $s (@statements)
	{
		return $s->[1]->(pick('plain', 'plain', 'dated')) if ($r -= $s->[0]) < 0;
	}
	die;
}

sub pause { return chance($_[0]) ? sprintf("SELECT pg_sleep(%.4f) \\g /dev/null", rand(0.004)) : ''; }

my %did;
my $transactions = 0;

# One transaction, as psql reads it
sub transaction
{
	my $level = pick('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'REPEATABLE READ', 'SERIALIZABLE');
	my $sql = "BEGIN ISOLATION LEVEL $level;\n";
	my $name = 't' . ++$transactions;

	$did{$level}++;
	# Snapshots that are older than what others do next
	$sql .= "SELECT WHERE false;\n" . pause(1) . "\n" if chance(0.4);
	foreach my $i (1 .. 1 + int(rand(4)))
	{
		my $in_savepoint = chance(0.25);

		$sql .= "SAVEPOINT s$i;\n" if $in_savepoint;
		$sql .= statement() . "\n";
		# A refused statement is not the end
		if ($in_savepoint)
		{
			my $end = pick("ROLLBACK TO s$i;", "\\if :ERROR\nROLLBACK TO s$i;\n\\else\nRELEASE s$i;\n\\endif");

			$sql .= ($end =~ /if/ ? '' : pause(0.5) . "\n") . "$end\n";
			$did{'savepoint'}++;
		}
		$sql .= pause(0.4) . "\n";
	}
	if (chance(0.1))
	{
		$did{'prepared'}++;
		return $sql . "PREPARE TRANSACTION '$name';\n" . pause(1) . "\n"
		  . (chance(0.8) ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$name';\n";
	}
	return $sql . (chance(0.1) ? 'ROLLBACK' : 'COMMIT') . ";\n";
}

my (%errors, @problems);

# judge(output, errors): collects what must not be.
sub judge
{
	my ($out, $err) = @_;

	# 23514 refused; 40001, 40P01: others were first; 25P02, 3B001 and 42704 are
	# what follows within a transaction that failed
	push @problems, grep { $_ ne '' } split /\n/, $out;
	foreach my $line (grep { /ERROR:|FATAL:|PANIC:/ } split /\n/, $err)
	{
		my ($code) = $line =~ /(?:ERROR|FATAL|PANIC):  (\w{5}):/;

		$errors{ $code // '' }++;
		push @problems, $line if ($code // '') !~ /^(23514|40001|40P01|25P02|3B001|42704)$/;
	}
	return;
}

#
# The replay
#

my %edge = (plain => {}, dated => {});
my $replayed = 0;
my $changed = 0;
my %now;

# closes_cycle(graph, id): does a path lead from the row's child to its parent,
# on a day of the row?
sub closes_cycle
{
	my ($graph, $id) = @_;
	my $rows = $edge{$graph};
	my ($parent, $child, @on) = @{ $rows->{$id} };
	my %below;

	push @{ $below{ $_->[0] } }, $_ foreach values %$rows;
	foreach my $day ($graph eq 'dated' ? grep { $on[$_] } 0 .. $days + 1 : 0)
	{
		my %seen = ($child => 1);
		my @waiting = ($child);

		while (defined(my $n = pop @waiting))
		{
			return 1 if $n == $parent;
			foreach my $row (@{ $below{$n} // [] })
			{
				next if $graph eq 'dated' && !$row->[ 2 + $day ];
				push @waiting, $row->[1] if !$seen{ $row->[1] }++;
			}
		}
	}
	return 0;
}

# The days 0 .. $days + 1 of which a range holds which: the first and the last
# stand for all before and after.
sub on_days
{
	my ($valid) = @_;
	my ($lo, $hi) = $valid =~ /^\[?\(?(?:2024-01-(\d+))?,(?:2024-01-(\d+))?\)$/ or die "range $valid";

	return map { (!defined $lo || $_ >= $lo) && (!defined $hi || $_ < $hi) ? 1 : 0 } 0 .. $days + 1;
}

# replay(lines): what test_decoding says.
sub replay
{
	my @added;

	foreach my $line (@_)
	{
		if ($line =~ /^BEGIN/)
		{
			@added = ();
		}
		elsif ($line =~ /^table public\.(plain|dated): (INSERT|UPDATE): id\[integer\]:(\d+) parent\[integer\]:(\d+) child\[integer\]:(\d+)(?: valid\[daterange\]:'(.*)')?$/)
		{
			my ($graph, $id) = ($1, $3);

			push @problems, "replay: row $id is there already" if $2 eq 'INSERT' && $edge{$graph}{$id};
			push @problems, "replay: row $id is not there" if $2 eq 'UPDATE' && !$edge{$graph}{$id};
			$edge{$graph}{$id} = [ $4, $5, $graph eq 'dated' ? on_days($6) : () ];
			push @added, [ $graph, $id ];
		}
		elsif ($line =~ /^table public\.(plain|dated): DELETE: id\[integer\]:(\d+)$/)
		{
			push @problems, "replay: row $2 is not there" if !delete $edge{$1}{$2};
		}
		elsif ($line =~ /^COMMIT (\d+)/)
		{
			$replayed++;
			# There was no cycle before: a new one goes over a new edge.
			foreach my $row (@added)
			{
				my ($graph, $id) = @$row;

				push @problems, "cycle in $graph after transaction $1: row $id, @{$edge{$graph}{$id}}[0, 1]"
				  if $edge{$graph}{$id} && closes_cycle($graph, $id);
			}
		}
		elsif ($line ne '')
		{
			push @problems, "not understood: $line";
		}
	}
	return;
}

#
# Run
#

my @sessions = map { session($node) } 1 .. $sessions;
my $vacuum = session($node);
my $log = session($node);
my $t0 = time;
my $round = 0;

while ($replayed < $wanted && @problems == 0)
{
	my $n = $wanted < 1000 ? 20 : 50;

	$round++;
	$_->send(join '', map { transaction() } 1 .. $n) foreach @sessions;
	# Now and then a session begins with an empty image.
	$vacuum->send(pick('', 'VACUUM (TRUNCATE off, INDEX_CLEANUP on) plain;',
		'VACUUM (TRUNCATE off, INDEX_CLEANUP on) dated;'));
	judge($_->wait) foreach @sessions, $vacuum;
	if ($round % 5 == 0)
	{
		my $i = int(rand(@sessions));

		$sessions[$i]->quit;
		$sessions[$i] = session($node);
	}
	replay(split /\n/, $log->query(
		"SELECT data FROM pg_logical_slot_get_changes('log', NULL, NULL, 'include-xids', 'on', 'skip-empty-xacts', 'on')"));
	judge($log->try("SELECT 'DIFFERS', * FROM differs(" . day(int(rand($days))) . ') x'));
}

is(join("\n", @problems[ 0 .. ($#problems > 9 ? 9 : $#problems) ]), '', 'no cycle at any commit, nothing else amiss');
cmp_ok($replayed, '>=', $wanted, 'as many transactions as asked for');
foreach my $graph ('plain', 'dated')
{
	my $rows = $log->query("SELECT id, parent, child FROM $graph ORDER BY id");

	is(join("\n", map { join '|', $_, @{ $edge{$graph}{$_} }[ 0, 1 ] } sort { $a <=> $b } keys %{ $edge{$graph} }),
		$rows, "$graph: the replay ends with what the table holds");
	is($log->query("SELECT * FROM verify('$graph\_graph')"), '', "$graph: index and table agree");
}
foreach my $code ('23514', '40001', $wanted >= 5000 ? '40P01' : ())
{
	cmp_ok($errors{$code} // 0, '>', 0, "some failed with $code") if $wanted >= 500;
}
is(server_died($node), '', 'no process crashed');
diag(sprintf '%d transactions committed of %d, %d refused, %d rows, %d s', $replayed, $transactions,
	$errors{23514} // 0, scalar(map { keys %$_ } values %edge), time - $t0);
note(join ', ', map { "$_: $errors{$_}" } sort keys %errors);
note(join ', ', map { "$_: $did{$_}" } sort keys %did);
$_->quit foreach @sessions, $vacuum, $log;
$node->stop;
done_testing();
