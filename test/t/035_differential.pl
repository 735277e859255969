# Random schemas, random changes: functions and rollups against recursive queries,
# and a short script of what fails.
#
# Each case is a table of its own making: type of keys, columns in any order and
# dropped ones among them, roles, one or two indexes, which may be partial, see
# the edges the other way round, or allow cycles; partitions, unlogged tables.
# Its steps change the rows, done to a shadow without index as well, undo the
# change, or rebuild and vacuum; after each one the graphs are compared with the
# oracles of 001_oracle.pl and 006_rollup.pl.
#
# When a step goes wrong, the case is run again and again in new databases with
# fewer and fewer steps; what is left is printed as a script for psql.
#
# HIERARCHY_SEED repeats a run, or the case whose seed it is; HIERARCHY_STEPS is
# the number of cases; with HIERARCHY_SECONDS it goes on for so long.

use strict;
use warnings;

use File::Basename;
use HierarchyRandom;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cases_wanted = $ENV{HIERARCHY_STEPS} || long(5, 60);
my $seconds = $ENV{HIERARCHY_SECONDS} || 0;
my $steps_a_case = 30;
my $seed = seed();

# The search itself: of thirty steps two are to blame, together.
is_deeply([ minimise([ 1 .. 30 ], sub { my %s = map { $_ => 1 } @_; $s{7} && $s{19} }, 60) ],
	[ 7, 19 ], 'steps that do not matter are left out');

my $node = start_node('differential');
my $here = dirname(__FILE__);

# Both oracles in one schema, for every case a copy
$node->safe_psql('postgres', 'CREATE DATABASE oracle_template');
$node->safe_psql('oracle_template', 'CREATE EXTENSION hierarchy CASCADE');
$node->safe_psql('oracle_template', slurp_file("$here/oracle.sql"));
$node->safe_psql('oracle_template', slurp_file("$here/rollup_oracle.sql") =~ s/^CREATE SCHEMA oracle;$//mr);
my $forced = $node->safe_psql('postgres', "SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')");

#
# A random schema
#

my @key_types = (
	{ type => 'int4', order => 'k::int8' },
	{ type => 'int8', order => 'k::int8' },
	{ type => 'uuid', order => 'k::uuid' },
	{ type => 'text', column => 'text COLLATE "C"', order => 'k COLLATE "C"' },
	{ type => 'text', column => 'text COLLATE "en-x-icu"', order => 'k COLLATE "C"' },
	# as long as index entries that are compressed
	{ type => 'text', column => 'text', order => 'k COLLATE "C"', tail => 'x' x 600 });

# The key of node i as an SQL literal.  Key order differs from node order.
sub key
{
	my ($c, $i) = @_;
	my $k = $c->{key};

	return "'" . ($i - 5) * ($i % 2 ? 1 : 7) . "'" if $k->{type} =~ /^int/;
	return sprintf("'%08x-1111-4222-8333-%012x'", ($i * 2654435761) % 2**32, $i) if $k->{type} eq 'uuid';
	return sprintf("'%s%d%s'", (qw(node Node nöde), 'no"de', 'a,b ', 'z{}\\', '(', '')[ $i % 8 ], $i, $k->{tail} // '');
}

# graph(case, name, relation): a random index.
sub graph
{
	my ($c, $name, $relation) = @_;
	my $g = {
		name => $name,
		relation => $relation,
		reversed => chance(0.2),
		acyclic => chance(0.8),
		predicate => pick('true', 'true', 'true', 'active', 'id % 3 <> 0', 'label IS NOT NULL'),
		map { $_ => chance(0.5) } qw(weight validity primary label) };

	return $g;
}

# create(graph): its CREATE INDEX.
sub create
{
	my ($g) = @_;
	my %role = (
		weight => [ 'weight', 'share' ], validity => [ 'validity', 'valid' ],
		primary => [ 'is_primary', 'is_primary' ], label => [ 'label', 'label' ]);
	my @roles = map { $role{$_} } grep { $g->{$_} } @{ $g->{order} };
	my @options = map { "$_->[0] = '$_->[1]'" } @roles;

	push @options, 'acyclic = off' if !$g->{acyclic};
	return "CREATE INDEX $g->{name} ON $g->{relation} USING hgraph ("
	  . ($g->{reversed} ? 'child, parent' : 'parent, child') . ')'
	  . (@roles ? ' INCLUDE (' . join(', ', map { $_->[1] } @roles) . ')' : '')
	  . (@options ? ' WITH (' . join(', ', @options) . ')' : '')
	  . ($g->{predicate} ne 'true' ? " WHERE $g->{predicate}" : '') . ';';
}

sub shuffled { return map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ rand(), $_ ] } @_; }

# new_case(): a schema, as SQL, and what steps need to know of it.
sub new_case
{
	my $k = pick(@key_types);
	my $column = $k->{column} // $k->{type};
	my $c = { key => $k, column => $column, nodes => 6 + int(rand(12)), next_id => 1 };
	my $share = pick('numeric', 'numeric(8,4)', 'float8');
	my $label = pick('int2', 'int4');
	my $filler = pick('text', 'bytea', 'numeric');
	my @columns = shuffled("id int NOT NULL", "parent $column", "child $column", "share $share", 'valid daterange',
		'is_primary boolean', "label $label", 'active boolean DEFAULT true', 'part int DEFAULT 1',
		"gone1 $filler", "gone2 int", "payload bigint DEFAULT 0");
	my $table = '(' . join(', ', @columns) . ')';
	my $kind = pick('plain', 'plain', 'plain', 'unlogged', 'partitioned');
	my @graphs;
	my $sql = '';

	$c->{edges} = int($c->{nodes} * 1.3);
	$c->{kind} = $kind;
	$sql .= "CREATE TABLE s_edge $table;\n";
	if ($kind eq 'partitioned')
	{
		$sql .= "CREATE TABLE edge $table PARTITION BY LIST (part);\n"
		  . "CREATE TABLE edge_1 PARTITION OF edge FOR VALUES IN (1);\nCREATE TABLE edge_2 $table;\n";
		@graphs = map { graph($c, "g$_", "edge_$_") } 1, 2;
		$_->{part} = $_->{relation} =~ s/edge_//r foreach @graphs;
	}
	else
	{
		$sql .= 'CREATE ' . ($kind eq 'unlogged' ? 'UNLOGGED ' : '') . "TABLE edge $table WITH (fillfactor = 60);\n";
		@graphs = graph($c, 'g1', 'edge');
		push @graphs, graph($c, 'g2', 'edge') if chance(0.4);
	}
	# Dropped columns, and such as old rows do not have
	foreach my $t ('s_edge', 'edge')
	{
		$sql .= "ALTER TABLE $t DROP COLUMN gone1;\nALTER TABLE $t ADD COLUMN late int DEFAULT 7, DROP COLUMN gone2;\n";
	}
	if ($kind eq 'partitioned')
	{
		$sql .= "ALTER TABLE edge_2 DROP COLUMN gone1, DROP COLUMN gone2, ADD COLUMN late int DEFAULT 7;\n"
		  . "ALTER TABLE edge ATTACH PARTITION edge_2 FOR VALUES IN (2);\n";
	}
	foreach my $g (@graphs)
	{
		my $ends = $g->{reversed} ? 'child AS parent, parent AS child' : 'parent, child';
		my $where = $g->{part} ? " WHERE part = $g->{part}" : '';

		$g->{order} = [ shuffled(qw(weight validity primary label)) ];
		foreach my $x ([ 'g', $g->{relation} ], [ 's', 's_edge' ])
		{
			$sql .= "CREATE VIEW $x->[0]_$g->{name} AS SELECT id, $ends, share, valid, is_primary, label, active FROM $x->[1]"
			  . ($x->[0] eq 's' ? $where : '') . ";\n";
		}
		$sql .= create($g) . "\n" . sprintf("SELECT oracle.install('%s', '%s', %s, %s, %s, %s, %s, '%s') \\g /dev/null\n",
			$g->{name}, $k->{type} . ($column =~ /( COLLATE .*)/ ? $1 : ''),
			(map { $_ ? 'true' : 'false' } @$g{qw(weight validity primary label acyclic)}), $g->{predicate} =~ s/'/''/gr);
		foreach my $i (0 .. $c->{nodes} + 1)
		{
			$sql .= "INSERT INTO oracle.universe VALUES ('$g->{name}', " . key($c, $i) . ");\n";
		}
	}
	$sql .= "CREATE TABLE fact (id int, node $column, grp text, i8 int8, n numeric, r8 float8) WITH (fillfactor = 10);\n";
	$c->{graphs} = \@graphs;
	$c->{schema} = $sql;
	return $c;
}

#
# Random steps
#

sub days
{
	my ($lo, $hi) = sort { $a <=> $b } map { int(rand(9)) - 4 } 1, 2;

	return 'NULL' if chance(0.35);
	return "'empty'" if chance(0.04);
	return sprintf('daterange(%s, %s)', chance(0.3) ? 'NULL' : "current_date + $lo",
		chance(0.3) ? 'NULL' : 'current_date + ' . ($hi + 1));
}

sub share { return pick(qw(NULL 1 1 0.5 0.5 0.25 0.75)); }

# Parent and child of an edge, mostly downward in node order, or there would be
# too many refusals.
sub ends
{
	my ($c) = @_;
	my ($p, $d) = map { int(rand($c->{nodes})) } 1, 2;

	($p, $d) = ($d, $p) if $p > $d && chance(0.6);
	return (chance(0.06) ? 'NULL' : key($c, $p), chance(0.03) ? 'NULL' : key($c, $d));
}

sub part { return $_[0]{kind} eq 'partitioned' ? pick(1, 2) : 1; }

sub insert
{
	my ($c, $n) = @_;

	return 'INSERT INTO T (id, parent, child, share, valid, is_primary, label, active, part) VALUES '
	  . join(', ', map { '(' . join(', ', $c->{next_id}++, ends($c), share(), days(), pick(qw(NULL true true false)),
				pick(qw(NULL 1 2 3)), pick(qw(true true true false)), part($c)) . ')' } 1 .. $n) . ';';
}

# Rows whose choice depends on nothing but their content
sub some_rows
{
	my ($n) = @_;

	return sprintf("id IN (SELECT id FROM T ORDER BY md5(id::text || '%d') LIMIT %s)", int(rand(2**30)), $n);
}

# Rows that change together get the same end: then a cycle at any moment of the
# statement is there at its end, too.
my @changes = (
	[ 26, sub { insert($_[0], 1) } ],
	[ 12, sub { insert($_[0], 2 + int(rand(5))) } ],
	[ 20, sub { 'UPDATE T SET parent = ' . (ends($_[0]))[0] . ' WHERE ' . some_rows(1) . ';' } ],
	[ 4, sub { 'UPDATE T SET parent = ' . (ends($_[0]))[0] . ' WHERE ' . some_rows(3) . ';' } ],
	[ 6, sub { 'UPDATE T SET child = ' . (ends($_[0]))[1] . ' WHERE ' . some_rows(1) . ';' } ],
	[ 8, sub { sprintf('UPDATE T SET share = %s, valid = %s, is_primary = %s, label = %s, active = %s WHERE %s;',
				share(), days(), pick(qw(NULL true false)), pick(qw(NULL 1 2 3)), pick(qw(true false)), some_rows(1)) } ],
	[ 3, sub { 'UPDATE T SET payload = payload + 1 WHERE ' . some_rows(4) . ';' } ],
	[ 4, sub { 'UPDATE T SET part = ' . part($_[0]) . ' WHERE ' . some_rows(3) . ';' } ],
	[ 10, sub { 'DELETE FROM T WHERE ' . some_rows(1) . ';' } ]);

# on(table, sql): T is the table or its shadow.
sub on { return $_[1] =~ s/\bT\b/$_[0]/gr; }

# Compares a graph in every respect.
sub check
{
	my ($c, $plain) = @_;
	my $g = pick(@{ $c->{graphs} });
	my $edition = pick(qw(from from list text));
	my @o = ('NULL', 'false', 'NULL', 'false', 'NULL');

	if (!$plain)
	{
		@o = (
			chance(0.5) && ($edition ne 'list' || $g->{acyclic}) ? int(rand(5)) : 'NULL',
			pick('true', 'false'),
			$g->{validity} && chance(0.6) ? 'current_date + ' . (int(rand(11)) - 5) : 'NULL',
			$g->{primary} && chance(0.5) ? 'true' : 'false',
			$g->{label} && chance(0.5) ? pick("'{1,2}'", "'{3,NULL}'", "'{}'", "'{1,2,3}'") : 'NULL');
	}
	return sprintf("SELECT 'DIFFERS', '%s %s', '%s', left(row(x.*)::text, 400) FROM oracle.check_%s_%s(%s, %d) x;\n",
		$g->{name}, $edition, join(' ', map { s/'//gr } @o), $g->{name}, $edition, join(', ', @o), int(rand(1000)));
}

# Compares a rollup.
sub check_rollup
{
	my ($c) = @_;
	my $g = pick(@{ $c->{graphs} });
	my ($value, $kind) = @{ pick([ 'i8', 'exact' ], [ 'n', 'exact' ], [ 'r8', 'real' ], [ undef, 'count' ]) };
	my $mode = pick('distinct', 'distinct', $g->{primary} ? 'primary' : (),
		$g->{acyclic} ? 'paths' : (), $g->{acyclic} && $g->{weight} ? ('weighted', 'weighted') : ());
	my $day = $g->{validity} && chance(0.6) ? 'current_date + ' . (int(rand(11)) - 5) : undef;
	my ($grp, $by) = @{ pick([ "'all'", '' ], [ 'grp', ' GROUP BY grp' ]) };
	my $where = pick('true', 'id % 2 = 0', 'i8 > 0');
	my $call = "hierarchy.rollup('$g->{name}', node" . (defined $value ? ", $value" : '') . ", '$mode'"
	  . (defined $day ? ", $day" : '') . ')';
	my $edge = "SELECT parent::text, child::text, share::text::numeric, is_primary FROM g_$g->{name} "
	  . "WHERE child IS NOT NULL AND $g->{predicate}"
	  . ($g->{validity} ? ' AND (valid IS NULL OR valid @> (' . ($day // 'current_date') . '))' : '');
	my $cast = defined $value ? "($value)::text::numeric" : '1::numeric';
	my $parallel = chance(0.2);

	return ($parallel ? "SET $forced = on;\nSET max_parallel_workers_per_gather = 2;\n" : '')
	  . "SELECT 'DIFFERS', '$g->{name} rollup $mode $kind', left(row(x.*)::text, 600) FROM oracle.check(\n"
	  . "\$q\$ SELECT $grp AS grp, $call AS r FROM fact WHERE $where$by \$q\$,\n"
	  . "\$q\$ SELECT * FROM (SELECT $grp AS grp, node::text AS key, $cast AS value FROM fact WHERE $where) f WHERE value IS NOT NULL \$q\$,\n"
	  . "\$q\$ $edge \$q\$,\n'NULL::text', '$c->{key}{order}', '$mode', '$kind', false) x;\n"
	  . ($parallel ? "RESET ALL;\n" : '');
}

sub facts
{
	my ($c) = @_;
	my @rows = map {
		'(' . join(', ', $c->{next_id}++, chance(0.1) ? 'NULL' : key($c, int(rand($c->{nodes} + 1))),
			pick("'a'", "'b'"), chance(0.1) ? 'NULL' : int(rand(2001)) - 1000,
			pick('NULL', map { sprintf '%.2f', rand(1000) - 500 } 1 .. 6), pick(1e16, -1e16, map { int(rand(4096)) / 64 } 1 .. 4)) . ')'
	} 1 .. 1 + int(rand(12));

	return 'DELETE FROM fact WHERE id IN (SELECT id FROM fact ORDER BY id LIMIT ' . int(rand(12)) . ");\n"
	  . 'INSERT INTO fact VALUES ' . join(', ', @rows) . ";\n";
}

# Both tables change; what is expected is known from the shadow.
sub both
{
	my ($c, $sql) = @_;
	my $cyclic = join ' OR ', map { "oracle.cyclic_$_->{name}()" } grep { $_->{acyclic} } @{ $c->{graphs} };

	return on('s_edge', $sql) . "\n" . ($cyclic ne '' ? "SELECT $cyclic AS cyclic \\gset\n" : "\\set cyclic f\n")
	  . on('edge', $sql) . "\n\\set outcome :SQLSTATE\n";
}

# step(case): a change, which ends with a line that tells how it went, and then
# comparisons; each can be left out without the others.
sub step
{
	my ($c) = @_;
	my $change = weighted(@changes)->[1]->($c);
	my $twice = sub { on('s_edge', $_[0]) . "\n" . on('edge', $_[0]) . "\n" };
	my $g = pick(@{ $c->{graphs} });
	my $any = "\\set cyclic f\n\\set outcome 00000\n";
	my $trim = 'DELETE FROM T WHERE ' . some_rows("greatest(0, (SELECT count(*) FROM T) - $c->{edges})") . ';';
	my $way = weighted(
		[ 40, sub { "BEGIN;\n" . both($c, $change) . (chance(0.3) ? "\\if :ERROR\n\\else\n" . check($c, 1) . "\\endif\n" : '') . "COMMIT;\n" } ],
		[ 20, sub { $twice->($trim) . "BEGIN;\n" . both($c, $change) . "COMMIT;\n" } ],
		[ 8, sub { "BEGIN;\n" . both($c, $change) . "\\if :ERROR\n\\else\n" . check($c, 0) . "\\endif\nROLLBACK;\n" } ],
		[ 8, sub { "BEGIN;\nSAVEPOINT a;\n" . both($c, $change) . "ROLLBACK TO a;\n" . check($c, 1) . "COMMIT;\n" } ],
		[ 14, sub { $any . facts($c) . check_rollup($c) } ],
		[ 4, sub { "$any\\c\n" } ],
		[ 4, sub { "${any}VACUUM (INDEX_CLEANUP on) edge;\n" } ],
		[ 2, sub { "${any}VACUUM FULL edge;\n" } ],
		[ 2, sub { "${any}REINDEX INDEX $g->{name};\n" } ],
		[ 2, sub { "${any}BEGIN;\nDROP INDEX $g->{name};\n" . create($g) . "\n" . pick('COMMIT', 'ROLLBACK') . ";\n" } ],
		[ 2, sub { $any . "BEGIN;\n" . $twice->('TRUNCATE T;') . check($c, 1) . pick('COMMIT', 'ROLLBACK') . ";\n" } ],
		[ 2, sub { "${any}ALTER TABLE edge ALTER payload TYPE " . pick(qw(bigint int numeric)) . ";\n" } ])->[1];

	return ($way->() . "\\echo STEP :cyclic :outcome\n", check($c, chance(0.4)), chance(0.3) ? check_rollup($c) : ());
}

#
# Running cases
#

my ($databases, $steps_run, $comparisons, $refused) = (0, 0, 0, 0);

# wrong(output, errors): lines that must not be.
sub wrong
{
	my ($out, $err) = @_;
	my @wrong;

	foreach my $line (split /\n/, $out)
	{
		if ($line =~ /^STEP (\S+) (\S+)$/)
		{
			my $expected = $1 eq 't' ? '23514' : '00000';

			push @wrong, "outcome $2 where $expected was expected" if $2 ne $expected;
			$refused++ if $2 eq '23514';
		}
		elsif ($line ne '')
		{
			push @wrong, $line;
		}
	}
	# A refusal is judged above; what follows in its transaction fails with 25P02.
	push @wrong, grep { /ERROR:|FATAL:|PANIC:|WARNING:|connection/ && !/ERROR:  (23514|25P02):/ } split /\n/, $err;
	return @wrong;
}

# run(case, steps): what goes wrong first, in a database of its own.
sub run
{
	my ($c, @steps) = @_;
	my $name = 'd' . ++$databases;
	my @wrong;

	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE oracle_template");
	my $s = session($node, $name);
	my $ok = eval {
		@wrong = wrong($s->try($c->{schema}));
		while (@steps && !@wrong)
		{
			my $sql = join '', splice @steps, 0, 10;

			$comparisons += () = $sql =~ /'DIFFERS'/g;
			@wrong = wrong($s->try($sql));
		}
		1;
	};
	push @wrong, "the session ended: $@" if !$ok;
	$s->quit;
	# after a crash
	await_server($node) if !$ok;
	$node->safe_psql('postgres', "DROP DATABASE $name WITH (FORCE)");
	return @wrong;
}

my $t0 = time;
my $cases = 0;
my @failed;

$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
while (($cases < $cases_wanted || time - $t0 < $seconds) && !@failed)
{
	my $case_seed = ($seed + 7919 * $cases++) % 2**31;

	srand($case_seed);
	my $c = new_case();
	my @steps = map { step($c) } 1 .. $steps_a_case;

	@failed = run($c, @steps);
	$steps_run += $steps_a_case;
	next if !@failed;

	my @left = minimise(\@steps, sub { return scalar run($c, @_) }, 120);

	diag("HIERARCHY_SEED=$case_seed\n" . join("\n", @failed[ 0 .. ($#failed > 5 ? 5 : $#failed) ]));
	diag(scalar(@left) . ' of ' . scalar(@steps) . ' changes and comparisons are to blame; in psql, in a new database, after CREATE EXTENSION'
		  . " hierarchy,\ntest/t/oracle.sql and test/t/rollup_oracle.sql:\n\n" . join('', $c->{schema}, @left));
}
is(join("\n", @failed[ 0 .. ($#failed > 5 ? 5 : $#failed) ]), '', 'functions, rollups and refusals equal the oracles');
cmp_ok($cases, '>=', $cases_wanted, 'as many cases as asked for') if !@failed;
# In few cases it may happen that there is none.
cmp_ok($refused, '>', 0, 'cycles were refused') if $cases_wanted >= 20;
is(server_died($node), '', 'no process crashed');
diag(sprintf '%d cases, %d steps, %d comparisons, %d refused, %d s', $cases, $steps_run, $comparisons, $refused, time - $t0);
$node->stop;
done_testing();
