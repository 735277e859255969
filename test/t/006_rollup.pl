# Rollups: seeded random test against recursive queries as oracle
# (rollup_oracle.sql).
#
# Graphs and facts change all the time; after every change some rollups are
# made in random ways (every mode and type of value and key, groups, filters,
# windows, merged, stored, parallel, as of a day, as a role that sees part of
# the graph, in snapshots that stay open) and compared with the oracle.
#
# HIERARCHY_SEED repeats a run, HIERARCHY_STEPS makes it longer.

use strict;
use warnings;

use File::Basename;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $steps_wanted = $ENV{HIERARCHY_STEPS} || 240;
my $seed = seed();
my $node = start_node('rollup', <<'CONF');
search_path = 'public, hierarchy'
max_worker_processes = 16
max_parallel_workers = 8
parallel_setup_cost = 0
parallel_tuple_cost = 0
min_parallel_table_scan_size = 0
CONF

$node->safe_psql('postgres', slurp_file(dirname(__FILE__) . '/rollup_oracle.sql'));
my $s = session($node);
my $force = $s->query("SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')");
my $parallel = 'SET max_parallel_workers_per_gather = 2';

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

#
# Random graphs and facts against the oracle
#

# The graphs.  key: type; nodes: size of the universe; edges: how many rows;
# any: shares outside 0 to 1.
my %graph = (
	tree4 => { key => 'int4', nodes => 25, edges => 24, tree => 1 },
	dag4 => {
		key => 'int4', weight => 'numeric', primary => 1, nodes => 16, edges => 24
	},
	dag8 => {
		key => 'int8', weight => 'numeric(8,4)', validity => 1, primary => 1,
		nodes => 16, edges => 26
	},
	daguuid => { key => 'uuid', weight => 'float8', primary => 1, nodes => 14, edges => 22 },
	dagtext => {
		key => 'text', column => 'text COLLATE "C"', weight => 'numeric', validity => 1,
		nodes => 15, edges => 22
	},
	icutext => { key => 'text', column => 'text COLLATE "en-x-icu"', primary => 1, nodes => 14, edges => 20 },
	any8 => { key => 'int8', weight => 'numeric', any => 1, nodes => 12, edges => 16 },
	loops4 => {
		key => 'int4', weight => 'float8', primary => 1, cyclic => 1, nodes => 10, edges => 16
	},
	loopstext => { key => 'text', column => 'text', primary => 1, validity => 1, cyclic => 1, nodes => 12, edges => 18 });
my @names = sort keys %graph;

# The key of node i as it is written.  Key order differs from node order.
sub key
{
	my ($g, $i) = @_;

	return ($i - 3) * ($i % 2 ? 1 : 7) if $g->{key} =~ /^int/;
	return sprintf('%08x-1111-4222-8333-%012x', ($i * 2654435761) % 2**32, $i)
	  if $g->{key} eq 'uuid';
	return sprintf('%s%d',
		(qw(node Node nöde), 'no"de', 'a,b ', 'z{}\\', '(', '')[ $i % 8 ], $i);
}

# Another way to write a key, that the type's input function understands.
sub written
{
	my ($g, $key) = @_;

	return pick($key, " $key", "$key ", $key =~ /^-/ ? $key : "+$key", $key =~ s/^(-?)/${1}00/r)
	  if $g->{key} =~ /^int/;
	return pick($key, uc $key, "{$key}", $key =~ s/-//gr) if $g->{key} eq 'uuid';
	return $key;
}

sub literal
{
	my ($value, $type) = @_;

	return 'NULL' if !defined $value;
	$value =~ s/'/''/g;
	return "'$value'" . (defined $type ? "::$type" : '');
}

sub edge_rows
{
	my ($g, $n) = @_;
	my @rows;

	foreach (1 .. $n)
	{
		my ($p, $c) = (int(rand($g->{nodes})), int(rand($g->{nodes})));

		($p, $c) = ($c, $p) if $p > $c && !($g->{cyclic} && chance(0.7));
		next if $p == $c && !($g->{cyclic} && chance(0.5));
		my ($lo, $hi) = sort { $a <=> $b } int(rand(9)) - 4, int(rand(9)) - 4;
		push @rows, '(' . join(', ',
			literal(chance(0.06) ? undef : key($g, $p), $g->{key}),
			literal(chance(0.02) ? undef : key($g, $c), $g->{key}),
			$g->{any} ? pick(qw(NULL 1 0 0.5 -0.25 2.5 -1 12 3.14159))
			  : pick(qw(NULL 1 1 0.5 0.5 0.25 0.1 0.3 0.6667 0 0.333333333333333333 0.123456789 0.70710678118)),
			chance(0.5) ? 'NULL::daterange' : chance(0.05) ? "'empty'::daterange"
			  : "daterange(current_date + $lo, current_date + $hi + 1)",
			pick(qw(NULL true true false))) . ')';
	}
	return @rows;
}

# change_edges(name): SQL.  Rows that would close a cycle are left out.
sub change_edges
{
	my ($name) = @_;
	my $g = $graph{$name};
	my $sql = sprintf("DELETE FROM g_$name WHERE ctid = ANY(ARRAY(SELECT ctid FROM g_$name ORDER BY md5(ctid::text || '%d') LIMIT %s));\n",
		int(rand(1e6)), pick(0, 1, 3, "greatest(0, (SELECT count(*) FROM g_$name) - $g->{edges} / 3)"));

	$sql .= "DO \$do\$\nDECLARE r record;\nBEGIN\n";
	$sql .= 'FOR r IN VALUES ' . join(', ', edge_rows($g, 1 + int(rand(6))),
		"(NULL::$g->{key}, " . literal(key($g, int(rand($g->{nodes}))), $g->{key}) . ', 1, NULL::daterange, true)')
	  . " LOOP\n" if $g->{edges} > 0;
	$sql .= <<"SQL";
IF (SELECT count(*) FROM g_$name) < $g->{edges} @{[ $g->{tree} ? "AND NOT exists(SELECT FROM g_$name WHERE child = r.column2)" : '' ]} THEN
	BEGIN
		INSERT INTO g_$name VALUES (r.column1, r.column2, r.column3, r.column4, r.column5);
	EXCEPTION WHEN check_violation THEN NULL;
	END;
END IF;
END LOOP;
END \$do\$;
SQL
	return $sql;
}

# What numeric facts look like: a value of the column n
my %numeric = (
	small => sub { int(rand(2001)) - 1000 },
	cents => sub { sprintf '%.2f', rand(2000) - 1000 },
	mixed => sub { pick(int(rand(100)), sprintf('%.*f', int(rand(7)), rand(1000) - 500), '0.00000000000000000001', '1e3', '-0.5') },
	large => sub { (chance(0.3) ? '-' : '') . int(1 + rand(9)) . '9' x 26 . sprintf('%03d.%010d', rand(1000), rand(1e9)) },
	crossing => sub { (chance(0.2) ? '-' : '') . (1 + int(rand(17))) . '0' x 27 . sprintf('.%010d', rand(1e9)) },
	huge => sub { pick('1e40', '-1e40', '12345678901234567890123456789012345678901234567890.123', '0.1') },
	# sums beyond 64 bits of values within, and values at the edge
	narrow => sub { pick('92233720368547757.99', '-92233720368547757.99', '46116860184273879.04', '0.01') },
	edge => sub { pick('92233720368547758.06', '92233720368547758.07', '-92233720368547758.07', '-92233720368547758.08', '1.00') },
	special => sub { pick(qw(NaN Infinity -Infinity), map { sprintf '%.1f', rand(100) } 1 .. 8) });
my %real = (
	small => sub { (int(rand(2001)) - 1000) / 64 },
	cancel => sub { pick('1e16', '-1e16', '1e18', '-1e18', map { (int(rand(2001)) - 1000) / 64 } 1 .. 4) },
	tiny => sub { pick('1e-300', '-1e-305', 0, '-0', '2e-300') },
	special => sub { pick(qw(NaN Infinity -Infinity), map { int(rand(64)) / 8 } 1 .. 8) });

sub change_facts
{
	my ($name) = @_;
	my $g = $graph{$name};
	my $n = pick(0, 1, 5, 20, 60, 60);
	my $flavour = pick(sort keys %numeric);
	my $flavour8 = pick(sort keys %real);
	my @bigint = @{ pick([ '9223372036854775807', '-9223372036854775808', '9223372036854775806' ],
			[ '6000000000000000000', '-6000000000000000000', '9223372036854775805' ], [ 1, -1 ]) };
	my $unknown = pick(0, 0, 0.1);
	my $nulls = pick(0, 0.1);
	my $spread = pick(1, 3, $g->{nodes});
	my @rows;

	foreach my $id (1 .. $n)
	{
		my $key = key($g, int(rand($g->{nodes})) % $spread + ($spread < $g->{nodes} ? 3 : 0));

		$key = $g->{key} =~ /^int/ ? pick(30000, -777) : $g->{key} eq 'uuid' ? 'ffffffff-1111-4222-8333-000000000000' : 'nowhere'
		  if chance($unknown);
		undef $key if chance($nulls / 2);
		push @rows, '(' . join(', ', $id, literal($key, $g->{key}), literal(defined $key ? written($g, $key) : undef),
			pick(1, 1, 2, 3, 'NULL'), pick("'a'", "'b'"), chance(0.7) ? 'true' : 'false',
			map { chance($nulls) ? 'NULL' : "'$_'" }
			  int(rand(65536)) - 32768,
			pick(2147483647, -2147483648, int(rand(100))),
			pick(@bigint, int(rand(100))),
			$numeric{$flavour}->(), sprintf('%.2f', rand(2e6) - 1e6),
			pick(map { int(rand(2000)) / 16 } 1 .. 3), $real{$flavour8}->()) . ')';
	}
	my $sql = "DELETE FROM f_$name;\n";
	$sql .= "INSERT INTO f_$name VALUES\n" . join(",\n", @rows) . ";\n" if @rows;
	return $sql;
}

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE viewer;
GRANT USAGE ON SCHEMA oracle TO viewer;
CREATE DOMAIN oracle.money AS numeric(12,2);
SQL
foreach my $name (@names)
{
	my $g = $graph{$name};
	my $column = $g->{column} // $g->{key};
	my %role = (weight => 'share', validity => 'valid', primary => 'is_primary');
	my @roles = grep { $g->{$_} } sort keys %role;
	my @options = map { ($_ eq 'primary' ? 'is_primary' : $_) . " = '$role{$_}'" } @roles;
	my $index = "CREATE INDEX $name ON g_$name USING hgraph (parent, child)";

	push @options, 'acyclic = off' if $g->{cyclic};
	push @options, 'any_weight = on' if $g->{any};
	$index .= ' INCLUDE (' . join(', ', map { $role{$_} } @roles) . ')' if @roles;
	$index .= ' WITH (' . join(', ', @options) . ')' if @options;
	$node->safe_psql('postgres', <<"SQL");
CREATE TABLE g_$name (parent $column, child $column, share @{[ $g->{weight} // 'numeric' ]},
	valid daterange, is_primary boolean);
$index;
ALTER TABLE g_$name ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON g_$name TO viewer USING (hashtext(child::text) % 5 <> 0);
-- Few rows a page, so that the processes of a parallel plan all get some
CREATE TABLE f_$name (id int, node $g->{key}, written text, month int, product text, ok boolean,
	i2 int2, i4 int4, i8 int8, n numeric, m oracle.money, r4 float4, r8 float8) WITH (fillfactor = 10);
CREATE TABLE kept_$name (what text, grp text, r hierarchy.hrollup);
GRANT SELECT ON g_$name, f_$name TO viewer;
SQL
}

# Ways to make the rollups of one check: got, and which facts they are of.
# A is the aggregate with its arguments, F the table, K the key, V the value.
my $unit = "SELECT id, month, product, ok, K AS key, V AS value FROM F";
my $fact = "SELECT month::text AS grp, key, value FROM ($unit) u";
my @ways = (
	[ 6, 'all', "SELECT 'all' AS grp, A AS r FROM F", "SELECT 'all' AS grp, key, value FROM ($unit) u" ],
	[ 3, 'where', "SELECT 'all' AS grp, A AS r FROM F WHERE ok", "SELECT 'all' AS grp, key, value FROM ($unit) u WHERE ok" ],
	[ 6, 'group', "SELECT coalesce(month::text, '-') AS grp, A AS r FROM F GROUP BY month",
		"SELECT coalesce(month::text, '-') AS grp, key, value FROM ($unit) u" ],
	[ 3, 'two columns', "SELECT coalesce(month::text, '-') || product AS grp, A AS r FROM F GROUP BY month, product",
		"SELECT coalesce(month::text, '-') || product AS grp, key, value FROM ($unit) u" ],
	[ 4, 'filter', "SELECT product AS grp, A FILTER (WHERE ok AND month > 1) AS r FROM F GROUP BY product",
		"SELECT product AS grp, key, value FROM ($unit) u WHERE ok AND month > 1" ],
	[ 3, 'grouping sets', "SELECT concat_ws('/', month::text, product, grouping(month, product)::text) AS grp, A AS r
			FROM F WHERE month IS NOT NULL GROUP BY CUBE (month, product)",
		"SELECT concat_ws('/', month::text, product, CASE WHEN month IS NULL THEN 2 ELSE 0 END + CASE WHEN product IS NULL THEN 1 ELSE 0 END) AS grp, key, value
			FROM (SELECT CASE WHEN a THEN month END AS month, CASE WHEN b THEN product END AS product, key, value
				FROM ($unit) u, (VALUES (true), (false)) x (a), (VALUES (true), (false)) y (b)
				WHERE month IS NOT NULL) v" ],
	[ 2, 'window', "SELECT grp, r FROM (SELECT id::text AS grp, id, A OVER (ORDER BY id) AS r FROM F) w WHERE id % 7 = 1",
		"SELECT x.id::text AS grp, u.key, u.value FROM ($unit) u JOIN F x ON u.id <= x.id AND x.id % 7 = 1" ],
	[ 2, 'partition', "SELECT DISTINCT ON (grp) grp, r FROM (SELECT product AS grp, A OVER (PARTITION BY product) AS r FROM F) w",
		"SELECT product AS grp, key, value FROM ($unit) u" ],
	[ 3, 'plus', "SELECT x.grp, coalesce(x.r + y.r, x.r, y.r) AS r
			FROM (SELECT 'all' AS grp, A AS r FROM F WHERE id % 2 = 0) x,
				(SELECT 'all' AS grp, A AS r FROM F WHERE id % 2 <> 0) y",
		"SELECT 'all' AS grp, key, value FROM ($unit) u" ],
	[ 3, 'sum', "SELECT product AS grp, sum(r) AS r FROM (SELECT month, product, A AS r FROM F GROUP BY month, product) x GROUP BY product",
		"SELECT product AS grp, key, value FROM ($unit) u" ],
	[ 2, 'text', "SELECT product AS grp, A::text::hierarchy.hrollup AS r FROM F GROUP BY product",
		"SELECT product AS grp, key, value FROM ($unit) u" ],
	[ 2, 'sorted', "SELECT product AS grp, A AS r FROM (SELECT * FROM F ORDER BY product, md5(id::text)) x GROUP BY product",
		"SELECT product AS grp, key, value FROM ($unit) u" ],
	[ 2, 'join', "SELECT 'all' AS grp, A AS r FROM F JOIN (VALUES (1), (3)) v (x) ON x = month",
		"SELECT 'all' AS grp, key, value FROM ($unit) u WHERE month IN (1, 3)" ],
	[ 2, 'union', "SELECT 'all' AS grp, A AS r FROM (SELECT * FROM F UNION ALL SELECT * FROM F) F",
		"SELECT 'all' AS grp, key, value FROM ($unit) u, generate_series(1, 2)" ]);
my $ways_total = 0;
$ways_total += $_->[0] foreach @ways;

# SQL type of the values: column, kind
my @values = (
	[ 'i2', 'exact' ], [ 'i4', 'exact' ], [ 'i8', 'exact' ], [ 'n', 'exact' ], [ 'n', 'exact' ], [ 'm', 'exact' ],
	[ 'r4', 'real' ], [ 'r8', 'real' ], [ 'r8', 'real' ], [ undef, 'count' ], [ 'm::numeric', 'exact' ],
	[ 'i4::oracle.money', 'exact' ]);

my %seen;

# check(name, options): SQL that prints what differs.
sub check
{
	my ($name, %o) = @_;
	my $g = $graph{$name};
	my $r = rand($ways_total);
	my ($way) = grep { ($r -= $_->[0]) < 0 } @ways;
	my (undef, $how, $got, $fact) = @$way;
	my ($value, $kind) = @{ pick(@values) };
	my $mode = pick('distinct', 'distinct',
		$g->{weight} ? ('weighted', 'weighted') : (),
		$g->{primary} ? 'primary' : (), 'paths');
	my $day = $g->{validity} && chance(0.6) ? 'current_date + ' . (int(rand(11)) - 5) : undef;
	my $cyclic = $g->{cyclic} && ($mode eq 'weighted' || $mode eq 'paths');
	my @key = (
		$g->{key} eq 'int4' || $g->{key} eq 'int8' ? ([ 'node::int2', 'node::text' ], [ 'node::int4', 'node::text' ], [ 'node::int8', 'node::text' ], [ 'written', 'node::text' ])
		: $g->{key} eq 'uuid' ? ([ 'node', 'node::text' ], [ 'written', 'node::text' ])
		: ([ 'node', 'node' ], [ 'node::varchar', 'node' ], [ 'node::char(40)', 'node' ], [ 'node::name', 'node' ], [ 'node COLLATE "C"', 'node' ]));
	my ($key, $text) = @{ pick(@key) };
	my @args = (pick("'$name'", "'$name'", "'$name'::hierarchy.hgraph", "(SELECT '$name'::hierarchy.hgraph)", "'g_$name'"), $key);
	my $edge = "SELECT parent::text, child::text, share::text::numeric, is_primary FROM g_$name WHERE child IS NOT NULL";
	my $key_type = $g->{key} =~ /^int/ ? pick('NULL::int8', "NULL::$g->{key}", 'NULL::text') : pick("NULL::$g->{key}", 'NULL::text');
	my $key_order = $g->{key} eq 'int4' || $g->{key} eq 'int8' ? 'k::int8' : $g->{key} eq 'uuid' ? 'k::uuid' : 'k COLLATE "C"';
	my $merged = $how eq 'plus' || $how eq 'sum' ? 'true' : 'false';
	my $cast = $kind eq 'count' ? '1::numeric' : "($value)::text::numeric";
	my $sql = '';

	push @args, $value if defined $value;
	push @args, "'$mode'" if $mode ne 'distinct' || defined $day || chance(0.5);
	push @args, $day if defined $day;
	$edge .= ' AND (valid IS NULL OR valid @> (' . ($day // 'current_date') . '))' if $g->{validity};
	my $aggregate = 'hierarchy.rollup(' . join(', ', @args) . ')';

	foreach ($got, $fact)
	{
		s/\bA\b/$aggregate/g;
		s/\bF\b/f_$name/g;
		s/\bK\b/$text/g;
		s/\bV\b/$cast/g;
	}
	$fact = "SELECT * FROM ($fact) x WHERE value IS NOT NULL";
	my ($before, $after) = ('', '');
	if (!$o{plain})
	{
		my $settings = pick(
			'', '',
			"$parallel;\nSET parallel_leader_participation = " . pick('on', 'off') . ';',
			"$parallel;\nSET $force = on;",
			'SET enable_hashagg = off;', 'SET enable_sort = off;');
		if ($settings ne '')
		{
			$before = "$settings\n";
			$after = "RESET ALL;\n";
			$seen{parallel}++ if $settings =~ /gather/;
		}
	}
	if (!$cyclic && chance($before =~ /gather/ ? 1 : 0.1))
	{
		# Kept, where nothing of the oracle is in the way of a parallel plan
		$sql .= "CREATE TEMP TABLE made AS $got;\n";
		$got = 'SELECT * FROM made';
		$after = "DROP TABLE made;\n$after";
	}
	if ($cyclic)
	{
		# An error where a cycle is on the way, and perhaps elsewhere
		$sql .= "SELECT oracle.cyclic(\$q\$ $edge \$q\$) AS cyclic, oracle.cyclic(\$q\$ $edge \$q\$, \$q\$ $fact \$q\$) AS cyclic_above \\gset\n"
		  . "\\if :cyclic\n\\set VERBOSITY sqlstate\n\\set ON_ERROR_ROLLBACK on\nSELECT 'cyclic', r IS NULL FROM ($got) x;\n\\set outcome :SQLSTATE\n"
		  . "\\set VERBOSITY verbose\n\\set ON_ERROR_ROLLBACK off\n\\echo CYCLIC :cyclic_above :outcome\n\\else\n";
	}
	$sql .= "SELECT 'DIFFERS', '$name $how $mode $kind', * FROM oracle.check(\n\$q\$ $got \$q\$,\n\$q\$ $fact \$q\$,\n\$q\$ $edge \$q\$,\n"
	  . "'$key_type', '$key_order', '$mode', '$kind', $merged);\n";
	$sql .= "\\endif\n" if $cyclic;
	foreach my $x ($how, $mode, $value // 'count', $key, $name, $kind . ' ' . $mode)
	{
		$seen{$x}++;
	}

	if ($o{viewer})
	{
		# The oracle reads what the viewer may read.
		$before .= "SET ROLE viewer;\n";
		$after =~ s/(RESET ALL;)|$/'RESET ROLE;' . ($1 ? "\n$1" : "\n")/e;
		$seen{viewer}++;
	}
	return $before . $sql . $after;
}

# check_calls(name): the same of rollup_table, drilldown and explain_rollup.
sub check_calls
{
	my ($name) = @_;
	my $g = $graph{$name};
	my ($value, $kind) = @{ pick([ 'i4', 'exact' ], [ 'n', 'exact' ], [ 'm', 'exact' ], [ 'r8', 'real' ], [ undef, 'count' ]) };
	my $mode = pick('distinct', $g->{weight} ? 'weighted' : (), $g->{primary} ? 'primary' : (), 'paths');
	my $day = $g->{validity} && chance(0.6) ? 'current_date + ' . (int(rand(11)) - 5) : undef;
	my $condition = pick(undef, 'ok', "product = 'a' AND month IS NOT NULL");
	my $key = $g->{key} =~ /^int/ ? pick('int8', 'text') : pick($g->{key}, 'text');
	my $key_order = $g->{key} =~ /^int/ ? 'k::int8' : $g->{key} eq 'uuid' ? 'k::uuid' : 'k COLLATE "C"';
	my $edge = "SELECT parent::text, child::text, share::text::numeric, is_primary FROM g_$name WHERE child IS NOT NULL"
	  . ($g->{validity} ? ' AND (valid IS NULL OR valid @> (' . ($day // 'current_date') . '))' : '');
	my $fact = "SELECT 'all' AS grp, node::text AS key, " . (defined $value ? "$value\::text::numeric" : '1::numeric')
	  . " AS value FROM f_$name WHERE " . ($condition // 'true') . (defined $value ? " AND $value IS NOT NULL" : '');
	my ($v, $c, $d) = (literal($value), literal($condition), $day // 'NULL');

	return '' if $g->{cyclic};
	$seen{calls}++;
	return "SELECT 'DIFFERS', '$name calls $mode $kind', * FROM oracle.check_calls('''$name''', '''f_$name''', '" . pick('node', 'written') . "', "
	  . "\$a\$$v\$a\$, \$a\$$c\$a\$, '$d', '$key', \$q\$ $fact \$q\$, \$q\$ $edge \$q\$, '$key_order', '$mode', '$kind');\n"
	  . "SELECT 'DIFFERS', '$name table $mode $kind', * FROM oracle.check(\$q\$ SELECT 'all' AS grp, "
	  . "rollup_table('$name', 'f_$name', '" . pick('node', 'written') . "', $v, '$mode', $c, $d) AS r \$q\$, "
	  . "\$q\$ $fact \$q\$, \$q\$ $edge \$q\$, 'NULL::text', '$key_order', '$mode', '$kind', false);\n";
}

my @problems;
my $comparisons = 0;

# judge(who, sql, output, errors): collects what is wrong with an answer.
sub judge
{
	my ($who, $sql, $out, $err) = @_;
	my @wrong;

	foreach my $line (split /\n/, $out)
	{
		if ($line =~ /^CYCLIC (\S) (\S+)/)
		{
			my ($above, $outcome) = ($1, $2);

			push @wrong, $line if $outcome ne '55000' && ($above eq 't' || $outcome ne '00000');
			$seen{"cyclic $outcome"}++;
		}
		elsif ($line !~ /^cyclic\|/ && $line ne '')
		{
			push @wrong, $line;
		}
	}
	push @wrong, grep { /ERROR:|FATAL:|PANIC:|WARNING:/ && !/ERROR:\s+55000$/ } split /\n/, $err;
	$comparisons += () = $sql =~ /FROM oracle\.check/g;
	if (@wrong)
	{
		push @problems, @wrong;
		diag("$who:\n" . join("\n", @wrong[ 0 .. ($#wrong > 7 ? 7 : $#wrong) ]));
		diag("what it did:\n" . substr($sql, 0, 6000)) if @problems < 20;
	}
	return;
}

my $t0 = time;
my $reader;
my $reader_age = 0;

while ($comparisons < $steps_wanted && @problems == 0)
{
	my $name = pick(@names);
	my $sql = '';

	$reader //= session($node);
	if ($reader_age++ % 5 == 0)
	{
		$sql = "COMMIT;\n" if $reader_age > 1;
		$sql .= "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT WHERE false;\n";
		judge('reader', $sql, $reader->try($sql));
	}
	# a change of its own, seen before it is committed, or never
	$sql = 'BEGIN ISOLATION LEVEL ' . pick('READ COMMITTED', 'REPEATABLE READ') . ";\n"
	  . change_edges($name) . (chance(0.7) ? change_facts($name) : '') . check($name, plain => chance(0.7));
	$sql .= check_calls($name) if chance(0.5);
	$sql .= (chance(0.25) ? 'ROLLBACK' : 'COMMIT') . ";\n";
	$sql .= join '', map { check($name, viewer => chance(0.15)) } 1 .. 3;
	judge('writer', $sql, $s->try($sql));
	$sql = join '', map { check(pick(@names), plain => 1, viewer => chance(0.2)) } 1 .. 2;
	judge('reader', $sql, $reader->try($sql));
}
is(scalar @problems, 0, 'rollups equal the oracle');
cmp_ok($comparisons, '>=', $steps_wanted, 'as many comparisons as asked for');
foreach my $x ((map { $_->[1] } @ways), (map { $_->[0] // 'count' } @values), qw(distinct weighted primary paths parallel viewer calls))
{
	cmp_ok($seen{$x} // 0, '>', 0, "did $x") if $steps_wanted >= 240;
}
diag(sprintf '%d comparisons, %d s', $comparisons, time - $t0);
note(join ', ', map { "$_ $seen{$_}" } sort keys %seen);
$reader->quit;
is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
