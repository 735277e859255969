# An index that changes for a long time stays small, and so does the image of
# a backend that lives through it, which stays right all the while.
#
# HIERARCHY_CHURN_EDGES is the size of the graph.  The bars on time are for a
# million edges and are only asserted there.

use strict;
use warnings;

use HierarchyTest;
use Test::More;

my $edges = $ENV{HIERARCHY_CHURN_EDGES} || 200_000;
my $groups = int($edges / 50);
my $seed = seed();
my $node = start_node('churn', "shared_buffers = 512MB\nmax_wal_size = 4GB\n");
my $s = session($node);
my $held = session($node);

$s->query(<<"SQL");
SELECT setseed(@{[ $seed / 2**32 ]}) \\g /dev/null
CREATE TABLE edge (id int PRIMARY KEY, parent bigint, child bigint);
INSERT INTO edge SELECT g, CASE WHEN g > 1 THEN g / 20 END, g FROM generate_series(1, $groups) g;
INSERT INTO edge SELECT g, 1 + int4(floor(random() * $groups)), g FROM generate_series($groups + 1, $edges) g;
CREATE INDEX edge_graph ON edge USING hgraph (parent, child);
VACUUM (FREEZE, ANALYZE) edge;
SQL

# All there is to know about the graph, in a number, and the same by the rows:
# leaves hang below groups, so neighbours tell all.
my $by_index = "SELECT count(*), sum(hashint8extended(ancestor, 1) % 1000003 * (hashint8extended(descendant, 2) % 1000003))
	FROM hierarchy.closure('edge', max_depth => 1) WHERE depth = 1";
my $by_rows = "SELECT count(*), sum(hashint8extended(parent, 1) % 1000003 * (hashint8extended(child, 2) % 1000003))
	FROM edge WHERE parent IS NOT NULL";
my $size = "SELECT pg_relation_size('edge_graph')";
my $bytes = "SELECT image_bytes FROM hierarchy.graph_stats('edge')";

my $fresh_size = $s->query($size);
is($held->query($by_index), $s->query($by_rows), 'at the start');

my $largest = 0;
foreach my $round (1 .. 10)
{
	# a tenth of the rows, children of the groups only
	$s->query("UPDATE edge SET parent = 1 + int4(floor(random() * $groups)) WHERE id > $groups AND random() < 0.1");
	$held->query("SELECT count(*) FROM hierarchy.children('edge', 7)") if $round % 3 == 0;
	$s->query('VACUUM edge');
	$held->query("SELECT count(*) FROM hierarchy.children('edge', 7)") if $round % 3 == 1;
	if ($round % 2 == 0)
	{
		my $rows = $s->query($by_rows);
		my $fresh = session($node);

		is($held->query($by_index), $rows, "round $round: the backend that was always there");
		is($fresh->query($by_index), $rows, "round $round: a new one");
		$fresh->quit;
	}
	my $now = $s->query($size);
	$largest = $now if $now > $largest;
}
cmp_ok($largest, '<=', 1.5 * $fresh_size, "the index stays small ($largest of $fresh_size)");

my $fresh = session($node);
$fresh->query("SELECT hierarchy.within('edge', 2, 1)");
my ($old_bytes, $new_bytes) = ($held->query($bytes), $fresh->query($bytes));
cmp_ok($old_bytes, '<=', 1.5 * $new_bytes, "and the image as well ($old_bytes of $new_bytes)");
$fresh->quit;

# Catching up with a hundred changes, vacuumed and not.  What a warm call takes
# is taken off.  Left to itself, VACUUM spares the indexes of a table with so
# few dead rows.
my @took;
my $call = "SELECT hierarchy.within('edge', 5, 1)";
foreach my $round (1 .. 15)
{
	$s->query("UPDATE edge SET parent = 1 + int4(floor(random() * $groups))
		WHERE id IN (SELECT $groups + 1 + int4(floor(random() * ($edges - $groups - 1))) FROM generate_series(1, 100))");
	$s->query('VACUUM (INDEX_CLEANUP ON) edge') if $round % 5 != 0;
	my $first = milliseconds($held, $call);
	my $again = milliseconds($held, $call);
	push @took, $first - $again if $round % 5 != 0;
}
@took = sort { $a <=> $b } @took;
diag(sprintf '%d edges: index %.1f MB fresh, %.1f MB after; image %.1f MB fresh, %.1f MB after; catch-up after vacuum %.2f ms (median of %d), %.2f ms at most',
	$edges, $fresh_size / 2**20, $largest / 2**20, $new_bytes / 2**20, $old_bytes / 2**20,
	$took[ @took / 2 ], scalar @took, $took[-1]);
if ($edges >= 1_000_000)
{
	cmp_ok($took[ @took / 2 ], '<=', 2, 'catching up takes no more than 2 ms');
}
else
{
	cmp_ok($took[ @took / 2 ], '<=', long(200, 20), 'catching up is quick');
}
is($held->query($by_index), $s->query($by_rows), 'right after all of it');

# A statement may be cancelled anywhere, loading and catching up included.
my ($cancelled, $wrong) = (0, 0);
foreach my $round (1 .. 12)
{
	my $new = session($node);

	$s->query("UPDATE edge SET parent = 1 + int4(floor(random() * $groups)) WHERE id > $groups AND random() < 0.02");
	$s->query('VACUUM edge') if $round % 2 == 0;
	foreach my $session ($held, $new)
	{
		foreach my $try (1 .. 3)
		{
			my $timeout = 1 + int(rand(1 + $edges / 8000));
			my ($out, $err) = $session->try("SET statement_timeout = $timeout; SELECT count(*) FROM hierarchy.descendants('edge', 1)");

			$cancelled++ if $err =~ /57014/;
		}
		$session->query('RESET statement_timeout');
		$wrong++ if $session->query($by_index) ne $s->query($by_rows);
	}
	$new->quit;
}
cmp_ok($cancelled, '>', 5, 'statements were cancelled');
is($wrong, 0, 'and did no harm');
is($s->query("SELECT * FROM hierarchy.verify('edge')"), '', 'nothing wrong');
is(server_died($node), '', 'no process crashed');
$_->quit foreach $s, $held;
$node->stop;
done_testing();
