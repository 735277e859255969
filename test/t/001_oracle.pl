# Seeded random test against recursive queries as oracle.
#
# Two writers change six graphs, small steps one after another; every step is
# first done to a shadow table without index.  If the rows of the shadow then
# form a cycle, the index must refuse the step with 23514; otherwise it must
# accept it.  After the step every function is compared with the oracle, in
# the transaction, after it, or both.  The writers stay connected, so their
# images live through everything.  Readers under REPEATABLE READ stay open
# across many steps and must stay with their snapshot, some of them as a role
# that sees part of the rows only; from time to time a new connection compares
# everything.
#
# HIERARCHY_SEED repeats a run, HIERARCHY_STEPS makes it longer.

use strict;
use warnings;

use File::Basename;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $steps_wanted = $ENV{HIERARCHY_STEPS} || long(1000, 10000);
my $steps_a_block = 8;
my $tempdir = PostgreSQL::Test::Utils::tempdir();
my $seed = seed();
my $node = start_node('oracle');

$node->safe_psql('postgres', slurp_file(dirname(__FILE__) . '/oracle.sql'));

# The graphs.  key: type; nodes: size of the universe; edges: a size to come
# back to; tree: one parent a child.
my %graph = (
	tree8 => {
		writer => 0, key => 'int8', column => 'int8', tree => 1,
		nodes => 30, edges => 26, acyclic => 1, predicate => 'true'
	},
	dag4 => {
		writer => 0, key => 'int4', column => 'int4', weight => 'numeric(8,4)',
		validity => 1, primary => 1, label => 'int2',
		nodes => 24, edges => 30, acyclic => 1, predicate => 'true'
	},
	daguuid => {
		writer => 0, key => 'uuid', column => 'uuid', weight => 'float8',
		label => 'int4', unlogged => 1,
		nodes => 22, edges => 27, acyclic => 1, predicate => 'true'
	},
	treetext => {
		writer => 1, key => 'text COLLATE "en-x-icu"',
		column => 'text COLLATE "en-x-icu"', validity => 1, tree => 1,
		nodes => 26, edges => 26, acyclic => 1, predicate => 'true'
	},
	partial8 => {
		writer => 1, key => 'int8', column => 'int8', weight => 'numeric',
		validity => 1, nodes => 24, edges => 34, acyclic => 1, predicate => 'active'
	},
	loops => {
		writer => 1, key => 'text COLLATE "C"', column => 'text COLLATE "C"',
		weight => 'float8', primary => 1,
		nodes => 12, edges => 10, acyclic => 0, predicate => 'true'
	});
my @names = sort keys %graph;
my $next_id = 1;

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

# The key of node i as an SQL literal.  Key order differs from node order.
sub key
{
	my ($g, $i) = @_;

	return $i if $g->{key} =~ /^int/;
	return sprintf("'%08x-1111-4222-8333-%012x'", ($i * 2654435761) % 2**32, $i)
	  if $g->{key} eq 'uuid';
	return sprintf("'%s%d'",
		(qw(node Node nöde), 'no"de', 'a,b ', 'z{}\\', '(', '')[ $i % 8 ], $i);
}

# Parent and child of a new edge.  Mostly downward in node order, or there
# would be too many refusals.
sub edge
{
	my ($g) = @_;
	my ($p, $c) = (int(rand($g->{nodes})), int(rand($g->{nodes})));

	($p, $c) = ($c, $p) if $p > $c && chance($g->{tree} ? 0.4 : $g->{acyclic} ? 0.5 : 0.3);
	return (
		chance(0.06) ? 'NULL' : key($g, $p),
		chance(0.02) ? 'NULL' : key($g, $c));
}

sub share { return pick(qw(NULL 1 1 0.5 0.5 0.25 0.75)); }

# Ranges around today.
sub days
{
	my ($lo, $hi) = (int(rand(9)) - 4, int(rand(9)) - 4);

	return 'NULL' if chance(0.35);
	return "'empty'" if chance(0.04);
	($lo, $hi) = ($hi, $lo) if $lo > $hi;
	return sprintf("daterange(%s, %s)",
		chance(0.3) ? 'NULL' : "current_date + $lo",
		chance(0.3) ? 'NULL' : "current_date + " . ($hi + 1));
}

sub attributes
{
	return (share(), days(), pick(qw(NULL true true false)),
		pick(qw(NULL 1 2 3)), chance(0.8) ? 'true' : 'false');
}

# Rows of the table T whose choice depends on nothing but their content.
sub some_rows
{
	my ($n) = @_;

	return sprintf("id IN (SELECT id FROM T ORDER BY md5(id::text || '%d') LIMIT %s)",
		int(rand(2**30)), $n);
}

my $columns = 'id, parent, child, share, valid, is_primary, label, active';

# Inserts n rows.  In a tree a child that has a row already is left alone.
sub insert_rows
{
	my ($g, $n) = @_;
	my @rows;

	foreach (1 .. $n)
	{
		my @v = ($next_id++, edge($g), attributes());
		$v[1] .= "::$g->{column}";
		$v[2] .= "::$g->{column}";
		$v[3] .= '::float8';
		$v[4] .= '::daterange';
		$v[5] .= '::boolean';
		$v[6] .= '::int4';
		push @rows, '(' . join(', ', @v) . ')';
	}
	my $sql = "INSERT INTO T ($columns) SELECT * FROM (VALUES "
	  . join(', ', @rows) . ") v ($columns)";
	if ($g->{tree})
	{
		my $once = $n == 1 ? 'v' : "(SELECT DISTINCT ON (child) * FROM (VALUES "
		  . join(', ', @rows) . ") w ($columns) ORDER BY child, id) v";
		$sql = $n == 1 ? $sql : "INSERT INTO T ($columns) SELECT * FROM $once";
		$sql .= " WHERE NOT exists(SELECT FROM T WHERE T.child = v.child)";
	}
	return "$sql;";
}

sub copy_rows
{
	my ($g, $n) = @_;
	my $text = '';
	my %child;

	return insert_rows($g, $n) if $g->{tree};
	foreach (1 .. $n)
	{
		my @v = ($next_id++, edge($g), attributes());

		# literals to COPY's text format
		foreach (@v)
		{
			if ($_ eq 'NULL') { $_ = '\N'; next; }
			$_ = 'empty' if $_ eq "'empty'";
			$_ = '[2000-01-01,2000-01-03)' if /^daterange/;
			if (/^'(.*)'$/) { $_ = $1; s/\\/\\\\/g; }
		}
		$text .= join("\t", @v) . "\n";
	}
	return "COPY T ($columns) FROM STDIN;\n$text\\.\n";
}

sub move_one
{
	my ($g) = @_;

	return sprintf('UPDATE T SET parent = %s WHERE %s;', (edge($g))[0], some_rows(1));
}

# Ways to change a table.  Rows that move together get the same parent: then
# a cycle at any moment of the statement is still there at its end.
my @changes = (
	[ 20, 'insert' => sub { insert_rows($_[0], 1) } ],
	[ 12, 'insert rows' => sub { insert_rows($_[0], 2 + int(rand(5))) } ],
	[ 22, 'move' => \&move_one ],
	[ 5, 'move rows' => sub {
		sprintf('UPDATE T SET parent = %s WHERE %s;', (edge($_[0]))[0], some_rows(3))
	} ],
	[ 4, 'rename' => sub {
		my $child = (edge($_[0]))[1];

		return move_one($_[0]) if $_[0]{tree};
		return sprintf('UPDATE T SET child = %s WHERE %s;', $child, some_rows(1));
	} ],
	[ 8, 'attributes' => sub {
		my @v = attributes();

		sprintf('UPDATE T SET share = %s, valid = %s, is_primary = %s, label = %s, active = %s WHERE %s;',
			@v, some_rows(1))
	} ],
	[ 3, 'payload' => sub { 'UPDATE T SET payload = payload + 1 WHERE ' . some_rows(4) . ';' } ],
	[ 10, 'delete' => sub { 'DELETE FROM T WHERE ' . some_rows(1) . ';' } ],
	[ 6, 'delete rows' => sub {
		'DELETE FROM T WHERE ' . some_rows("greatest(2, (SELECT count(*) FROM T) - $_[0]{edges})") . ';'
	} ],
	[ 6, 'copy' => sub { copy_rows($_[0], 1 + int(rand(4))) } ],
	[ 4, 'upsert' => sub {
		my $sql = insert_rows($_[0], 1);

		return move_one($_[0]) if $_[0]{tree};
		$sql =~ s/\(\d+, /sprintf('((SELECT id FROM T WHERE %s), ', some_rows(1))/e;
		$sql =~ s/;$/ WHERE id IS NOT NULL ON CONFLICT (id) DO UPDATE SET parent = excluded.parent;/;
		return $sql;
	} ]);
my $changes_total = 0;
$changes_total += $_->[0] foreach @changes;

# change(g): kind and SQL of one change, T standing for the table.
sub change
{
	my ($g) = @_;
	my $r = rand($changes_total);

	foreach my $c (@changes)
	{
		return ($c->[1], $c->[2]->($g)) if ($r -= $c->[0]) < 0;
	}
	die;
}

# on(prefix, graph, sql): the change done to g_name or s_name.
sub on
{
	my ($prefix, $name, $sql) = @_;

	$sql =~ s/\bT\b/$prefix\_$name/g;
	return $sql;
}

# A comparison of everything, with the default options or random ones.
sub check
{
	my ($name, $plain, $only) = @_;
	my $g = $graph{$name};
	my $edition = $only // pick(qw(from from from list list text));
	my @o = ('NULL', 'false', 'NULL', 'false', 'NULL');

	if (!$plain)
	{
		@o = (
			chance(0.5) && !($edition eq 'list' && !$g->{acyclic}) ? int(rand(5)) : 'NULL',
			pick('true', 'false'),
			$g->{validity} && chance(0.6) ? 'current_date + ' . (int(rand(11)) - 5) : 'NULL',
			$g->{primary} && chance(0.5) ? 'true' : 'false',
			$g->{label} && chance(0.5) ? pick("'{1,2}'", "'{3,NULL}'", "'{}'", "'{1,2,3}'") : 'NULL');
	}
	return sprintf("SELECT 'DIFFERS', '%s', '%s', '%s', * FROM oracle.check_%s_%s(%s, %d);\n",
		$name, $edition, join(' ', map { s/'//gr } @o), $name, $edition,
		join(', ', @o), int(rand(1000)));
}

# The same as a role to which a policy applies.
sub check_as_viewer
{
	my ($name) = @_;

	return "SET ROLE viewer;\nSET oracle.modulus = " . (2 + int(rand(4))) . ";\n"
	  . check($name, chance(0.5), 'policy') . "RESET ROLE;\n";
}

my $step = 0;
my $heavy = 0;
my %done;

# one_step(name): a step and the comparison after it.
sub one_step
{
	my ($name) = @_;
	my $g = $graph{$name};
	my $r = rand();
	my ($kind, $sql, $text);
	my $both = sub {
		my ($change) = @_;
		return on('s', $name, $change) . "\nSELECT oracle.cyclic_$name() AS cyclic \\gset\n"
		  . on('g', $name, $change) . "\n"

		  # psql does not set its variables after a COPY that failed, but it
		  # does after the next statement in the aborted transaction.
		  . ($change =~ /^COPY/ ? "SELECT WHERE false;\n" : '')
		  . "\\set outcome :SQLSTATE\n";
	};

	$step++;
	if ($r < 0.74)
	{
		($kind, $sql) = change($g);
		$text = "BEGIN;\n" . $both->($sql);
		$text .= "\\if :ERROR\n\\else\n" . check($name, chance(0.5)) . "\\endif\n" if chance(0.3);
		$text .= "COMMIT;\n";
	}
	elsif ($r < 0.80)
	{
		$kind = 'rollback';
		$text = "BEGIN;\n" . $both->((change($g))[1]);
		$text .= "\\if :ERROR\n\\else\n" . check($name, chance(0.5)) . "\\endif\nROLLBACK;\n";
	}
	elsif ($r < 0.88)
	{
		$kind = 'savepoint rolled back';
		$text = "BEGIN;\nSAVEPOINT a;\n" . $both->((change($g))[1]);
		$text .= check($name, 1) . 'SAVEPOINT b;' . on('g', $name, move_one($g)) . "ROLLBACK TO b;\n"
		  if chance(0.3);
		$text .= "ROLLBACK TO a;\n" . check($name, chance(0.5)) . "COMMIT;\n";
	}
	elsif ($r < 0.92)
	{
		$kind = 'savepoint released';
		$text = "BEGIN;\nSAVEPOINT a;\n" . $both->((change($g))[1]);
		$text .= "\\if :ERROR\nROLLBACK TO a;\n\\endif\n";
		$text .= "SAVEPOINT b;\n" . on('g', $name, insert_rows($g, 1)) . "\nROLLBACK TO b;\n";
		$text .= "RELEASE a;\n" . check($name, chance(0.5)) . "COMMIT;\n";
	}
	elsif ($r < 0.93)
	{
		# Enough entries that come and go to have the image folded.
		my $gone = key($g, $g->{nodes} + 1);
		$kind = 'churn';
		$text = "INSERT INTO g_$name (id, child) SELECT -i, $gone FROM generate_series(1, 600) i;\n"
		  . (chance(0.3) ? check($name, 0) : '')
		  . "DELETE FROM g_$name WHERE id < 0;\n\\set cyclic f\n\\set outcome :SQLSTATE\n";
	}
	elsif ($r < 0.96)
	{
		# Rows not fetched yet belong to the time when the cursor was opened.
		$kind = 'cursor';
		$text = "BEGIN;\nCREATE TEMP TABLE expected ON COMMIT DROP AS\n"
		  . "SELECT row(f.*)::text AS r FROM hierarchy.closure('$name', NULL::text) f;\n"
		  . "DECLARE c CURSOR FOR SELECT row(f.*)::text FROM hierarchy.closure('$name', NULL::text) f;\n"
		  . "MOVE 1 FROM c;\n"
		  . on('g', $name, 'DELETE FROM T WHERE ' . some_rows(2) . ';')
		  . on('g', $name, 'UPDATE T SET payload = payload + 1;')
		  . on('g', $name, "INSERT INTO T (id, parent, child) VALUES ($next_id, NULL, " . key($g, 1) . ");\n")
		  . "CREATE TEMP TABLE got ON COMMIT DROP AS SELECT * FROM oracle.drain('c') r;\n"
		  . "SELECT 'DIFFERS', '$name', 'cursor', * FROM (TABLE got EXCEPT ALL TABLE expected) d;\n"
		  . "SELECT 'DIFFERS', '$name', 'cursor', n FROM (SELECT count(*) AS n FROM got) d\n"
		  . "WHERE n <> (SELECT greatest(0, count(*) - 1) FROM expected);\n"
		  . "ROLLBACK;\n\\set cyclic f\n\\set outcome 00000\n";
		$next_id++;
	}
	else
	{
		$kind = 'vacuum';
		# Truncation would wait for the readers, and with few dead rows VACUUM
		# leaves the indexes alone.
		my $cleanup = pick('ON', 'ON', 'AUTO');
		$text = "VACUUM (TRUNCATE off, INDEX_CLEANUP $cleanup) g_$name;\n\\set cyclic f\n\\set outcome :SQLSTATE\n";
	}
	$done{$kind}++;
	return $text . check($name, 1) . check($name, 0) . "\\echo STEP $step :cyclic :outcome $name $kind\n";
}

# Back to the size that the graph should have; the number of paths, all of
# which the oracle writes down, grows much faster than the graph.
sub trim_step
{
	my ($name) = @_;
	my $g = $graph{$name};
	my $delete = 'DELETE FROM T WHERE '
	  . some_rows("greatest(0, (SELECT count(*) FROM T) - $g->{edges})") . ";\n";

	$step++;
	$done{trim}++;
	return on('s', $name, $delete) . on('g', $name, $delete)
	  . "\\set cyclic f\n\\set outcome :SQLSTATE\n" . check($name, 1)
	  . "\\echo STEP $step :cyclic :outcome $name trim\n";
}

# Steps that need the table for themselves.
sub heavy_step
{
	my ($name) = @_;
	my $g = $graph{$name};
	my $change = (change($g))[1];
	my $twice = sub { on('s', $name, $_[0]) . "\n" . on('g', $name, $_[0]) };
	my $rows = insert_rows($g, 6);
	my $kept = "$tempdir/$name.data";
	my @ways = (
		[ 'truncate', "BEGIN;\n" . $twice->("TRUNCATE T;") . check($name, 1) . "COMMIT;\n" ],
		[ 'truncate', "BEGIN;\n" . on('g', $name, 'TRUNCATE T;') . on('g', $name, $rows)
			  . "\nROLLBACK;\n" ],
		[ 'truncate', "BEGIN;\nSAVEPOINT a;\n" . on('g', $name, 'TRUNCATE T;') . on('g', $name, $rows) . "\n"
			  . check($name, 1) . "ROLLBACK TO a;\n" . check($name, 1) . "COMMIT;\n" ],
		[ 'truncate and copy freeze', "BEGIN;\nCREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM g_$name;\n"
			  . "\\copy kept TO '$kept'\nTRUNCATE g_$name;\n\\copy g_$name FROM '$kept' (FREEZE)\nCOMMIT;\n" ],
		[ 'reindex', "REINDEX INDEX $name;\n" ],
		[ 'reindex', "REINDEX INDEX CONCURRENTLY $name;\n" ],
		[ 'reindex', "BEGIN;\nREINDEX INDEX $name;\n" . check($name, 1) . on('g', $name, move_one($g))
			  . "\nROLLBACK;\n" ],
		[ 'vacuum', "VACUUM (INDEX_CLEANUP ON) g_$name;\n" ],
		[ 'vacuum full', "VACUUM FULL g_$name;\n" ],
		[ 'cluster', "CLUSTER g_$name USING g_$name\_pkey;\n" ],
		[ 'rewrite', "ALTER TABLE g_$name ALTER payload TYPE "
			  . pick('bigint', 'int', 'numeric') . ";\n" ],
		[ 'rebuild', "BEGIN;\nDROP INDEX $name;\n$g->{create};\nCOMMIT;\n" ],
		[ 'rebuild', "BEGIN;\nSAVEPOINT a;\nDROP INDEX $name;\n$g->{create};\n" . on('g', $name, $rows) . "\n"
			  . check($name, 1) . "ROLLBACK TO a;\n" . check($name, 1) . "COMMIT;\n" ],
		[ 'rebuild', "DROP INDEX $name;\nUPDATE g_$name SET payload = payload + 1;\n$g->{create};\n" ],
		[ 'rebuild', "DROP INDEX $name;\nBEGIN;\nSAVEPOINT a;\n" . on('s', $name, $change)
			  . "\nSELECT oracle.cyclic_$name() AND $g->{acyclic} = 1 AS cyclic \\gset\n"
			  . "\\if :cyclic\nROLLBACK TO a;\n\\else\n" . on('g', $name, $change)
			  . "\n\\endif\nCOMMIT;\n" . pick('', "VACUUM g_$name;\n") . "$g->{create};\n" ],
		[ 'build refused', "DROP INDEX $name;\nBEGIN;\n" . $twice->($change)
			  . "\nSELECT oracle.cyclic_$name() AS cyclic \\gset\n"
			  . "$g->{create};\n\\set outcome :SQLSTATE\nROLLBACK;\n$g->{create};\n" ]);
	my ($kind, $text) = @{ $ways[ $heavy++ % @ways ] };

	$step++;
	$done{$kind}++;
	$text = "\\set cyclic f\n$text";
	$text .= "\\set cyclic f\n\\set outcome :SQLSTATE\n" if $kind ne 'build refused';
	return $text . check($name, 1) . check($name, 0) . "\\echo STEP $step :cyclic :outcome $name $kind\n";
}

# Set up the graphs.
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE viewer;
GRANT USAGE ON SCHEMA oracle TO viewer;
GRANT SELECT ON oracle.universe TO viewer;
CREATE FUNCTION oracle.drain(c refcursor) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	LOOP
		FETCH c INTO line;
		EXIT WHEN NOT FOUND;
		RETURN NEXT line;
	END LOOP;
END $$;
SQL
foreach my $name (@names)
{
	my $g = $graph{$name};
	my %role = (
		weight => [ 'weight', 'share' ], validity => [ 'validity', 'valid' ],
		primary => [ 'is_primary', 'is_primary' ], label => [ 'label', 'label' ]);
	my @roles = map { $role{$_} } grep { $g->{$_} } sort keys %role;
	my @options = map { "$_->[0] = '$_->[1]'" } @roles;
	my $weight = $g->{weight} // 'float8';
	my $label = $g->{label} // 'int4';
	my $unlogged = $g->{unlogged} ? 'UNLOGGED' : '';
	my $bool = sub { $_[0] ? 'true' : 'false' };

	push @options, 'acyclic = off' if !$g->{acyclic};
	$g->{create} = "CREATE INDEX $name ON g_$name USING hgraph (parent, child)";
	$g->{create} .= ' INCLUDE (' . join(', ', map { $_->[1] } @roles) . ')' if @roles;
	$g->{create} .= ' WITH (' . join(', ', @options) . ')' if @options;
	$g->{create} .= " WHERE $g->{predicate}" if $g->{predicate} ne 'true';
	$node->safe_psql('postgres', <<"SQL");
CREATE $unlogged TABLE g_$name (id int PRIMARY KEY, parent $g->{column}, child $g->{column},
	share $weight, valid daterange, is_primary boolean, label $label,
	active boolean DEFAULT true, payload bigint DEFAULT 0) WITH (fillfactor = 60);
CREATE TABLE s_$name (LIKE g_$name INCLUDING DEFAULTS, PRIMARY KEY (id));
$g->{create};
ALTER TABLE g_$name ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON g_$name TO viewer USING (id % current_setting('oracle.modulus')::int <> 0);
GRANT SELECT ON g_$name TO viewer;
SELECT oracle.install('$name', '$g->{key}', @{[ $bool->($g->{weight}) ]},
	@{[ $bool->($g->{validity}) ]}, @{[ $bool->($g->{primary}) ]},
	@{[ $bool->($g->{label}) ]}, @{[ $bool->($g->{acyclic}) ]}, '$g->{predicate}');
SQL
	foreach my $i (0 .. $g->{nodes} + 1)
	{
		$node->safe_psql('postgres', "INSERT INTO oracle.universe VALUES ('$name', "
			  . (key($g, $i) =~ s/^(\d+)$/'$1'/r) . ')');
	}
}

my @writers = (session($node), session($node));
my ($reader, $late, $late_age);
my $older = session($node);
my $reader_age = 0;
my (%refused, $accepted, @problems);
my $comparisons = 0;

# judge(who, sql, output, errors): collects what is wrong with an answer.
sub judge
{
	my ($who, $sql, $out, $err) = @_;
	my $expected_errors = 0;
	my @wrong;

	foreach my $line (split /\n/, $out)
	{
		if ($line =~ /^STEP (\d+) (\S+) (\S+) (\S+) (.*)/)
		{
			my ($n, $cyclic, $outcome, $name, $kind) = ($1, $2, $3, $4, $5);
			my $expect = $cyclic eq 't' && $graph{$name}{acyclic} ? '23514' : '00000';

			$outcome = '23514' if $outcome eq '25P02';
			push @wrong, "$line: expected $expect" if $outcome ne $expect;
			$refused{$name}++ if $outcome eq '23514';
			$accepted++ if $outcome eq '00000';
		}
		elsif ($line ne '')
		{
			push @wrong, $line;
		}
	}
	# Refusals are judged above; an aborted transaction is what they lead to, and
	# savepoints that it does not have.
	foreach my $line (grep { /ERROR:|FATAL:|PANIC:|WARNING:/ } split /\n/, $err)
	{
		push @wrong, $line if $line !~ /ERROR:  (23514|25P02|3B001):/;
	}
	$comparisons += () = $sql =~ /FROM oracle\.check_/g;
	if (@wrong)
	{
		push @problems, @wrong;
		diag("$who:\n" . join("\n", @wrong[ 0 .. ($#wrong > 12 ? 12 : $#wrong) ]));
		diag("what it did:\n" . substr($sql, 0, 12000)) if @problems < 40;
	}
	return;
}

my $block = 0;
my $t0 = time;
my %sent;

while ($step < $steps_wanted && @problems == 0)
{
	my @turns;

	$block++;
	if ($block % 9 == 0)
	{
		# Heavy steps would wait for the readers.
		foreach my $r (grep { defined } $reader, $late)
		{
			my $sql = "COMMIT;\n" . check(pick(@names), 1);
			judge('reader, afterwards', $sql, $r->try($sql));
		}
		if ($late) { $late->quit; undef $late; }
		$reader_age = 0;
		# A snapshot older than the indexes to come, which holds no lock.
		$older->query("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT WHERE false") if $block % 2 == 0;
		foreach my $w (0, 1)
		{
			my @mine = grep { $graph{$_}{writer} == $w } @names;
			my $sql = join '', map { heavy_step(pick(@mine)) } 1 .. 3;

			# would wait for the snapshot
			$sql =~ s/INDEX CONCURRENTLY/INDEX/g if $block % 2 == 0;
			push @turns, [ $writers[$w], "writer $w", $sql ];
		}
	}
	else
	{
		foreach my $w (0, 1)
		{
			my @mine = grep { $graph{$_}{writer} == $w } @names;
			my $name = $mine[ $block % @mine ];
			push @turns, [ $writers[$w], "writer $w", join '', trim_step($name), map { one_step($name) } 2 .. $steps_a_block ];
		}
		$reader //= session($node);
		my $sql = '';
		if ($reader_age == 0)
		{
			# Knows the graphs from earlier transactions, more or less.
			$sql = "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT WHERE false;\n";
			$sql .= check($_, 1) foreach grep { chance(0.5) } @names;
		}
		elsif ($reader_age % 2 == 0 || $block % 9 == 8)
		{
			$sql = join '', map { check($_, chance(0.5)) } @names[ $block % 3, 3 + $block % 3 ];
			$sql .= check_as_viewer($_) foreach @names[ rand(@names), rand(@names) ];
		}
		if ($reader_age++ == 5)
		{
			$sql .= "COMMIT;\n" . check(pick(@names), 1);
			$reader_age = 0;
		}
		push @turns, [ $reader, 'reader', $sql ] if $sql ne '';

		# Opens a graph for the first time long after its snapshot.
		if (!$late)
		{
			$late = session($node);
			$late->query("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT WHERE false");
			$late_age = 0;
		}
		elsif (++$late_age == 4)
		{
			push @turns, [ $late, 'late reader', join '', map { check($_, 1) } @names ];
		}
	}
	$_->[0]->send($_->[2]) foreach @turns;
	judge($_->[1], $_->[2], $_->[0]->wait) foreach @turns;

	if ($block % 18 == 0)
	{
		# verify refuses to judge an index by a snapshot that is older
		my $sql = join '', map { check($_, 1, 'policy') } @names;

		$sql .= check_as_viewer(pick(@names)) . "COMMIT;\n" . check(pick(@names), 1);
		judge('older reader', $sql, $older->try($sql));
	}
	if ($block % 12 == 0)
	{
		my $fresh = session($node);
		my $sql = join '', map { check($_, 1) } @names;

		judge('new connection', $sql, $fresh->try($sql));
		$fresh->quit;
	}
}

# The shadow is the same table without the index.
foreach my $name (@names)
{
	my $differ = $writers[0]->query("SELECT count(*) FROM (SELECT $columns FROM g_$name "
		  . "EXCEPT ALL SELECT $columns FROM s_$name) d");
	push @problems, "g_$name and s_$name differ" if $differ ne '0';
}

is(scalar @problems, 0, 'functions and refusals equal the oracle');
cmp_ok($step, '>=', $steps_wanted, 'as many steps as asked for');

# In few steps it may happen that there is none of something.
my $many = $steps_wanted >= 5000;
my $all_refused = 0;
$all_refused += $_ foreach values %refused;
cmp_ok($all_refused, '>', 0, 'cycles were refused');
foreach my $name (@names)
{
	if (!$graph{$name}{acyclic})
	{
		is($refused{$name} // 0, 0, "cycles were accepted in $name");
	}
	elsif ($many)
	{
		cmp_ok($refused{$name} // 0, '>', 0, "cycles were refused in $name");
	}
}
foreach my $kind ('rollback', 'savepoint rolled back', 'savepoint released', 'cursor',
	'vacuum', 'truncate', 'reindex', 'vacuum full', 'rebuild', 'build refused', $many ? 'churn' : ())
{
	cmp_ok($done{$kind} // 0, '>', 0, "did $kind");
}
is(server_died($node), '', 'no process crashed');
diag(sprintf '%d steps, %d comparisons, %d refused, %d s', $step, $comparisons, $all_refused, time - $t0);

$_->quit foreach grep { defined } @writers, $reader, $late, $older;
$node->stop;
done_testing();
