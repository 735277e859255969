# Rollups: seeded random test against recursive queries as oracle
# (rollup_oracle.sql), and what must hold whatever the data.
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
my $serial = 'SET max_parallel_workers_per_gather = 0';
my $parallel = 'SET max_parallel_workers_per_gather = 2';

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

# one row of a query, as it comes
sub answer { return $s->query($_[0]); }

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
			  : pick(qw(NULL 1 1 0.5 0.5 0.25 0.1 0.3 0.6667 0 0.333333333333333333 0.123456789 0.70710678118654752)),
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

#
# What must hold whatever the data
#

# random_dag(table, nodes, parents): every node but the first some gets up to so
# many parents with a lower number.
sub random_dag
{
	my ($table, $n, $parents) = @_;

	answer(<<"SQL");
CREATE TABLE $table (parent int, child int, share numeric, is_primary boolean);
SELECT setseed(@{[ $seed % 1000 / 1000 ]});
INSERT INTO $table SELECT DISTINCT ON (1, 2) greatest(1, child - 1 - floor(power(random(), 2) * least(child - 1, 300))::int), child, NULL::numeric, false
	FROM generate_series(6, $n) child, generate_series(1, $parents) k WHERE k = 1 OR child % 2 = 0;
UPDATE $table e SET is_primary = true FROM (SELECT child, min(parent) AS parent FROM $table GROUP BY 1) p
	WHERE (e.parent, e.child) = (p.parent, p.child);
-- shares that sum to 1: the last parent takes what is left of thirds, sevenths, ...
UPDATE $table e SET share = CASE WHEN rank < n THEN round(1.0 / n, 6) ELSE 1 - (n - 1) * round(1.0 / n, 6) END
	FROM (SELECT parent, child, row_number() OVER (PARTITION BY child ORDER BY parent) AS rank,
			count(*) OVER (PARTITION BY child) AS n FROM $table) r
	WHERE (e.parent, e.child) = (r.parent, r.child);
-- a node without edges is one all the same
INSERT INTO $table SELECT NULL, n, NULL, NULL FROM generate_series(1, $n) n;
CREATE INDEX $table\_graph ON $table USING hgraph (parent, child) INCLUDE (share, is_primary)
	WITH (weight = 'share', is_primary = 'is_primary');
SQL
	return;
}

# same_rows(a, b, name): two queries return the same rows.
sub same_rows
{
	my ($x, $y, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(answer("SELECT count(*) FROM ((($x) EXCEPT ALL ($y)) UNION ALL (($y) EXCEPT ALL ($x))) d"), 0, $name);
	return;
}

$s->query('RESET ALL');
random_dag('dag', 1000, 3);
answer(<<'SQL');
CREATE TABLE fact (key int, i bigint, n numeric, r float8, month int);
INSERT INTO fact SELECT 6 + random() * 994, random() * 1000 - 300, (random() * 1000)::numeric(12,2), round((random() * 1000)::numeric, 2), i % 12
	FROM generate_series(1, 20000) i;
CREATE TABLE closed AS WITH RECURSIVE c(a, d) AS (
	SELECT n, n FROM generate_series(1, 1000) n UNION SELECT parent, d FROM c JOIN dag ON child = a AND parent > 0) SELECT * FROM c;
CREATE TABLE closed_primary AS WITH RECURSIVE c(a, d) AS (
	SELECT n, n FROM generate_series(1, 1000) n UNION SELECT parent, d FROM c JOIN dag ON child = a AND is_primary) SELECT * FROM c;
ANALYZE;
SQL
foreach my $x ([ 'distinct', 'closed' ], [ 'primary', 'closed_primary' ])
{
	my ($mode, $closure) = @$x;

	foreach my $value ('i', 'n')
	{
		same_rows(
			"SELECT a, sum($value)::numeric, count(*) FROM $closure JOIN fact ON key = d GROUP BY 1",
			"SELECT node, total, total_count FROM (SELECT rollup('dag', key, $value, '$mode') AS r FROM fact) x, each(r, NULL::int)",
			"$mode over a dense graph, $value");
	}
	same_rows(
		"SELECT a, min(i)::numeric, max(i)::numeric, round(avg(n), 6) FROM $closure JOIN fact ON key = d GROUP BY 1",
		"SELECT i.node, i.total_min, i.total_max, round(n.total_avg, 6)
			FROM (SELECT rollup('dag', key, i, '$mode') AS ri, rollup('dag', key, n, '$mode') AS rn FROM fact) x,
				each_stats(ri, NULL::int) i, each_stats(rn, NULL::int) n WHERE i.node = n.node",
		"$mode over a dense graph, extremes");
}

# Few facts in a large graph
foreach my $mode ('distinct', 'primary')
{
	my $closure = $mode eq 'distinct' ? 'closed' : 'closed_primary';

	foreach my $some (map { int(rand(300)) } 1 .. 4)
	{
		same_rows(
			"SELECT a, sum(n), count(*) FROM $closure JOIN fact ON key = d WHERE key % 300 = $some GROUP BY 1",
			"SELECT node, total, total_count FROM (SELECT rollup('dag', key, n, '$mode') AS r FROM fact WHERE key % 300 = $some) x, each(r, NULL::int)",
			"$mode, few facts");
	}
}

# Knots: edges back up, of which some are in the index since it was built
answer(<<'SQL');
CREATE TABLE net AS SELECT parent, child, is_primary FROM dag WHERE child <= 250 AND parent > 0;
INSERT INTO net SELECT child, greatest(1, parent - (child * 7) % 40), child % 2 = 0 FROM net WHERE (parent * 13 + child) % 17 = 0;
CREATE INDEX net_graph ON net USING hgraph (parent, child) INCLUDE (is_primary) WITH (is_primary = 'is_primary', acyclic = off);
INSERT INTO net SELECT child, parent, true FROM net WHERE (parent + child) % 41 = 0;
SQL
foreach my $mode ('distinct', 'primary')
{
	my $which = $mode eq 'distinct' ? '' : 'AND is_primary';

	foreach my $some ('true', 'key % 50 = 7')
	{
		same_rows(
			"WITH RECURSIVE c(a, d) AS (SELECT n, n FROM generate_series(1, 250) n UNION SELECT parent, d FROM c JOIN net ON child = a $which)
				SELECT a, sum(n), count(*) FROM c JOIN fact ON key = d WHERE $some GROUP BY 1",
			"SELECT node, total, total_count FROM (SELECT rollup('net', key, n, '$mode') AS r FROM fact WHERE $some) x, each(r, NULL::int)",
			"$mode over knots, $some");
	}
}

# Parallel plans: what they look like, and that they agree
my $rollups = "SELECT rollup('dag', key, i) AS a, rollup('dag', key, n, 'weighted') AS b, rollup('dag', key, r, 'primary') AS c,
	rollup('dag', key) AS d, rollup('dag', key::text, n) AS e, rollup('dag', key, 6000000000000000000 + i) AS f,
	rollup('dag', key, n * 1e25) AS g, rollup('dag', key, n * 1e40) AS h FROM fact";
answer($parallel);
like(answer("EXPLAIN $rollups"), qr/Finalize Aggregate.*Gather.*Partial Aggregate.*Parallel Seq Scan/s, 'a parallel plan');
like(answer("EXPLAIN SELECT month, rollup('dag', key, i) FROM fact GROUP BY month"),
	qr/Finalize.*Aggregate.*Gather.*Partial.*Aggregate/s, 'a parallel plan with groups');
like(answer("EXPLAIN (ANALYZE, COSTS off, TIMING off) $rollups"), qr/Workers Launched: [1-9]/, 'workers take part');
answer("CREATE TABLE by_workers AS $rollups");
answer($serial);
unlike(answer("EXPLAIN $rollups"), qr/Gather/, 'a serial plan');
answer("CREATE TABLE by_one AS $rollups");
foreach my $x (qw(a b d e f g h))
{
	same_rows("SELECT e.* FROM by_workers, each_stats($x) e", "SELECT e.* FROM by_one, each_stats($x) e",
		"parallel equals serial, $x");
	is(answer("SELECT reconcile(x.$x) = reconcile(y.$x) FROM by_workers x, by_one y"), 't', "and so does what it is reconciled with, $x");
}
is(answer('SELECT sum(own) = (SELECT sum(6000000000000000000 + i) FROM fact) FROM by_workers, each(f)'), 't', 'sums beyond 64 bits merged');
is(answer("SELECT count(*) FROM by_workers x, by_one y, compare_rollup(x.c, y.c) WHERE abs(difference) > 1e-15 * before"), 0,
	'parallel equals serial, but for the last digit of a double');
$s->query('RESET ALL');

# Two halves make the whole
foreach my $mode (qw(distinct primary))
{
	foreach my $value ('', ', i', ', n')
	{
		my $of = sub { "(SELECT rollup('dag', key$value, '$mode') FROM fact WHERE $_[0])" };

		same_rows('SELECT e.* FROM each_stats(' . $of->('month < 7') . ' + ' . $of->('month >= 7') . ') e',
			'SELECT e.* FROM each_stats(' . $of->('true') . ') e', "two halves make the whole, $mode$value");
	}
}
same_rows("SELECT e.* FROM (SELECT sum(r) AS r FROM (SELECT rollup('dag', key, n) AS r FROM fact GROUP BY month) m) x, each_stats(r) e",
	"SELECT e.* FROM (SELECT rollup('dag', key, n) AS r FROM fact) x, each_stats(r) e", 'twelve months make the year');

# Shares that sum to 1: the roots have it all, exactly
foreach my $value ('i', 'n', 'n / 7', 'n * 1e25', '-i')
{
	is(answer("SELECT sharing = 0 AND root_total = grand_total AND unmatched = 0
			AND root_total = (SELECT sum(total) FROM each(r) WHERE node <= 5)
			AND root_total = (SELECT sum($value) FROM fact)
		FROM (SELECT rollup('dag', key, $value, 'weighted') AS r FROM fact) x, reconcile(r)"), 't',
		"shares that sum to 1, $value");
}
is(answer("SELECT total_count = 20000 FROM (SELECT sum(total_count) AS total_count
		FROM (SELECT rollup('dag', key, 'weighted') AS r FROM fact) x, each(r) WHERE node <= 5) y"), 't', 'and the counts');
answer(<<'SQL');
-- 1/n in double precision sums to 1 only by rounding
CREATE TABLE third AS SELECT parent, child, 1 / count(*) OVER (PARTITION BY child)::float8 AS share FROM dag WHERE parent > 0;
CREATE INDEX third_graph ON third USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
CREATE TABLE third18 AS SELECT parent, child, round(1 / count(*) OVER (PARTITION BY child)::numeric, 18) AS share FROM dag WHERE parent > 0;
CREATE INDEX third18_graph ON third18 USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
SQL
foreach my $x ('third', 'third18')
{
	is(answer("SELECT sharing, root_total = (SELECT sum(n) FROM fact)
		FROM (SELECT rollup('$x', key, n, 'weighted') AS r FROM fact) x, reconcile(r)") =~ s/0\.0+\|/0|/r, '0|t', "$x");
}
# Where half a unit would be: three equal parts of a cent
is(answer("CREATE TABLE three (parent int, child int, share numeric);
		INSERT INTO three SELECT p, 9, 0.333333333333333333 FROM generate_series(1, 3) p;
		CREATE INDEX three_graph ON three USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
		SELECT string_agg(total::text, ' ' ORDER BY node) FROM (SELECT rollup('three', 9, 0.01, 'weighted') AS r) x, each(r)"),
	'0.003333333333 0.003333333334 0.003333333333 0.01', 'three parts of a cent');

# A redundant path changes no distinct total; a removed edge only what is above
answer('CREATE TABLE before AS SELECT rollup(\'dag\', key, n) AS r, rollup(\'dag\', key, i, \'weighted\') AS w FROM fact');
my $compare = "SELECT count(*) FILTER (WHERE difference <> 0), count(*) FILTER (WHERE difference IS NULL), count(*) > 900
	FROM before, compare_rollup(before.r, (SELECT rollup('dag', key, n) FROM fact))";
is(answer($compare), '0|0|t', 'nothing has changed');
answer('BEGIN; INSERT INTO dag SELECT a, d, 0, false FROM closed WHERE a <> d AND (a + 7 * d) % 11 = 0
	AND NOT exists(SELECT FROM dag WHERE (parent, child) = (a, d))');
cmp_ok(answer('SELECT count(parent) FROM dag'), '>', 3000, 'many redundant edges');
is(answer($compare), '0|0|t', 'they change no distinct total');
is(answer("SELECT count(*) FILTER (WHERE after <> before) FROM before, compare_rollup(before.w, (SELECT rollup('dag', key, i, 'weighted') FROM fact))"), 0,
	'with a share of 0, no weighted one either');
is(answer('ROLLBACK; ' . $compare), '0|0|t', 'rolled back');
foreach my $i (1 .. 12)
{
	my $child = 6 + int(rand(994));

	is(answer("BEGIN; CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT * FROM dag WHERE child = $child AND parent > 0 ORDER BY md5(parent::text) LIMIT 1;
			DELETE FROM dag USING gone WHERE (dag.parent, dag.child) = (gone.parent, gone.child);
			SELECT count(*) FROM before, compare_rollup(before.r, (SELECT rollup('dag', key, n) FROM fact), NULL::int) c
				WHERE difference <> 0 AND node NOT IN (SELECT a FROM closed, gone WHERE d = gone.parent);
			ROLLBACK"), 0, "an edge to $child removed");
}

# What-if, and its end
my $roll = "SELECT string_agg(node || ':' || total, ' ' ORDER BY node) FROM (SELECT rollup('dag', key, n) AS r FROM fact) x, each(r)";
my $now = answer($roll);
answer('BEGIN; UPDATE dag SET parent = 5 WHERE child IN (40, 41, 42) AND is_primary');
my $future = answer($roll);
isnt($future, $now, 'what-if: the future');
answer('ROLLBACK');
is(answer($roll), $now, 'what-if: the present');
my $old = session($node);
$old->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT WHERE false");
my $committed = session($node);
$committed->query("BEGIN; SELECT WHERE false");
answer('BEGIN; UPDATE dag SET parent = 5 WHERE child IN (40, 41, 42) AND is_primary');
is($committed->query($roll), $now, 'not committed yet');
answer('COMMIT');
is(answer($roll), $future, 'what-if came true');
is($committed->query($roll), $future, 'READ COMMITTED sees it');
is($old->query($roll), $now, 'REPEATABLE READ does not');
$old->query('COMMIT');
is($old->query($roll), $future, 'but later does');
$_->quit foreach $old, $committed;

# Stored rollups stay what they are
is(answer("SELECT string_agg(node || ':' || total, ' ' ORDER BY node) FROM before, each(r)"), $now, 'a stored rollup');
my $tempfile = PostgreSQL::Test::Utils::tempdir() . '/before.data';
$s->query("CREATE TABLE copied (LIKE before);\n\\copy before TO '$tempfile' (FORMAT binary)\n\\copy copied FROM '$tempfile' (FORMAT binary)");
answer("CREATE TABLE reread AS SELECT r::text::hrollup, w::text::hrollup FROM before");
foreach my $x ('copied', 'reread')
{
	same_rows("SELECT e.* FROM before, each_stats(r) e", "SELECT e.* FROM $x, each_stats(r) e", "$x");
	same_rows("SELECT e.*, c.* FROM before, each_stats(w) e, reconcile(w) c", "SELECT e.*, c.* FROM $x, each_stats(w) e, reconcile(w) c", "$x, weighted");
}
answer('DROP TABLE dag');
is(answer("SELECT string_agg(node || ':' || total, ' ' ORDER BY node) FROM before, each(r)"), $now, 'its graph is gone');
is(answer("SELECT count(*) FROM before, each(r) WHERE r -> node IS DISTINCT FROM total"), 0, 'nodes one by one');
is(answer("SELECT (r -> 1000000) IS NULL FROM before"), 't', 'not there');
is(answer("SELECT e.total = 2 * (r -> 6::bigint) FROM before, each(r + r) e WHERE node = 6"), 't', 'and added up');

answer('CREATE TABLE step (parent int, child int); INSERT INTO step VALUES (1, 2), (2, 3); CREATE INDEX step_graph ON step USING hgraph (parent, child);
	CREATE TABLE deep AS SELECT rollup(\'step\', 3, 5) AS r; UPDATE step SET parent = 1 WHERE child = 3');
is(answer("SELECT string_agg(concat_ws(':', e.node, depth, total), ' ' ORDER BY e.node) FROM deep, each(r + (SELECT rollup('step', 3, 2))) e"), '1:0:7 2:1:5 3:1:7',
	'of before and after a move: the lesser depth');
is(answer("SELECT string_agg(concat_ws(':', e.node, depth, total), ' ' ORDER BY e.node) FROM deep, each((SELECT rollup('step', 3, 2)) + r) e"), '1:0:7 2:1:5 3:1:7',
	'the other way round');

#
# Sizes at the ends
#
answer(<<'SQL');
CREATE TABLE edge (parent bigint, child bigint, share numeric DEFAULT 1);
CREATE INDEX edge_graph ON edge USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
SQL
my @modes = qw(distinct weighted paths);
foreach my $mode (@modes)
{
	is(answer("SELECT rollup('edge', 1, 5, '$mode') IS NULL FROM generate_series(1, 0)"), 't', "no facts, no graph, $mode");
	is(answer("SELECT u.*, (SELECT count(*) FROM each(r)) FROM (SELECT rollup('edge', 1, 5, '$mode') AS r) x, unmatched(r) u"), '1|5|0',
		"no graph, $mode");
}
answer('INSERT INTO edge (child) VALUES (7)');
foreach my $mode (@modes)
{
	is(answer("SELECT e.* FROM (SELECT rollup('edge', 7, 5, '$mode') AS r) x, each_stats(r) e"), '7|0|5|5|1|1|5|5|5|5|5.0000000000000000|5.0000000000000000',
		"one node, $mode");
	is(answer("SELECT e.* FROM (SELECT rollup('edge', 7, '$mode') AS r) x, each(r) e"), '7|0|1|1|1|1', "one node counted, $mode");
	is(answer("SELECT count(*) FROM each(NULL::hrollup)") . answer("SELECT rollup('edge', 7, 5, '$mode') IS NULL FROM generate_series(1, 0)"), '0t',
		"one node, no facts, $mode");
}
answer('DELETE FROM edge; INSERT INTO edge SELECT 0, i FROM generate_series(1, 100000) i; ANALYZE edge');
foreach my $mode (@modes)
{
	is(answer("SELECT e.* FROM (SELECT rollup('edge', i, i, '$mode') AS r FROM generate_series(1, 100000) i) x, each_stats(r) e WHERE depth = 0") =~ s/(\.\d*?)0*$/$1/r,
		'0|0|0|5000050000|0|100000||1||100000||50000.5', "100,000 children, $mode");
	is(answer("SELECT count(*), count(*) FILTER (WHERE total = node AND own = node AND depth = 1)
			FROM (SELECT rollup('edge', i, i, '$mode') AS r FROM generate_series(1, 100000) i) x, each(r) e"), '100001|100000', "each of them, $mode");
}
answer('TRUNCATE edge; INSERT INTO edge SELECT i, i + 1 FROM generate_series(0, 99999) i');
foreach my $mode (@modes)
{
	is(answer("SET max_stack_depth = '100kB'; SELECT count(*), max(depth), max(total), sum(total) FROM (SELECT rollup('edge', i, 1, '$mode') AS r FROM generate_series(1, 100000) i) x, each(r) e"),
		'100001|100000|100000|5000150000', "a chain of 100,000, $mode");
}
answer('RESET max_stack_depth');
answer('TRUNCATE edge; INSERT INTO edge SELECT 1, 1 + i FROM generate_series(1, 5) i, generate_series(1, 4)');
is(answer("SELECT (rollup('edge', 2, 1, 'distinct')) -> 1, (rollup('edge', 2, 1, 'paths')) -> 1"), '1|1', 'duplicate rows are one edge');

# 2^n paths, each of which counts: n such that 64 bits, 128 bits and 15 digits do not do
foreach my $n (30, 62, 63, 64, 100, 126, 127, 128, 300)
{
	answer("TRUNCATE edge; INSERT INTO edge SELECT 3 * i + a, 3 * i + b FROM generate_series(0, $n - 1) i,
		(VALUES (0, 1), (0, 2), (1, 3), (2, 3)) v (a, b)");
	is(answer("SELECT total = 2::numeric ^ $n AND total_count = 2::numeric ^ $n AND c.root_total = total AND total_max = 1
			FROM (SELECT rollup('edge', 3 * $n, 1, 'paths') AS r) x, each_stats(r), reconcile(r) c WHERE node = 0"), 't', "2^$n paths");
	is(answer("SELECT r -> 0, unstated_shares FROM (SELECT rollup('edge', 3 * $n, -0.25) AS r) x, reconcile(r)"), '-0.25|0', 'distinct counts none twice');
}
# (shares: 1 each, so that weighted doubles as well; the sum is not 1)
is(answer("SELECT (r -> 0) = 2::numeric ^ 300 * 0.25 FROM (SELECT rollup('edge', 900, 0.25, 'weighted') AS r) x"), 't', 'weighted, far beyond 128 bits');

# 10^28 with ten places: leaves fit 128 bits, their sum does not
answer('TRUNCATE edge; INSERT INTO edge SELECT i / 3, i FROM generate_series(1, 60) i');
my $big = "SELECT i AS key, ((i % 7 - 2) || '000000000000000000000000000.' || lpad(i::text, 10, '0'))::numeric + i AS value FROM generate_series(1, 60) i";
foreach my $value ('value', 'value * 0.0001', 'value * 1000', 'value + CASE WHEN key = 60 THEN 0.000000000001 ELSE 0 END', 'CASE WHEN key % 2 = 0 THEN value ELSE round(value) END')
{
	foreach my $mode (@modes)
	{
		same_rows("WITH RECURSIVE c(a, d) AS (SELECT n::bigint, n::bigint FROM generate_series(0, 60) n UNION SELECT parent, d FROM c JOIN edge ON child = a AND parent <> child)
				SELECT a, sum($value) FROM c JOIN ($big) f ON key = d GROUP BY 1",
			"SELECT node, total FROM (SELECT rollup('edge', key, $value, '$mode') AS r FROM ($big) f) x, each(r)", "sums across 128 bits: $value, $mode");
	}
}

# Sums of finite numbers that are not, as in sum()
answer('TRUNCATE edge; INSERT INTO edge VALUES (1, 2), (1, 3)');
fails($s, "SELECT rollup('edge', k, 1e308::float8) FROM generate_series(2, 3) k", '22003', 'overflow above', qr/value out of range: overflow/);
fails($s, "SELECT rollup('edge', 2, 1e308::float8) FROM generate_series(1, 3) k", '22003', 'overflow at a node', qr/value out of range: overflow/);
is(answer("SELECT (rollup('edge', k, v)) -> 1 FROM (VALUES (2, 1e308), (3, -1e308::float8)) v (k, v)"), '0', 'no overflow in the end');
is(answer("SELECT string_agg(total::text, ' ' ORDER BY node) FROM (SELECT rollup('edge', k, v) AS r FROM (VALUES (2, 'Infinity'), (3, '-Infinity'::float8), (1, 1)) v (k, v)) x, each(r)"),
	'NaN Infinity -Infinity', 'infinities of both signs');

#
# Who may see what
#
answer(<<'SQL');
CREATE TABLE part (parent int, child int, share numeric, is_primary boolean);
CREATE INDEX part_graph ON part USING hgraph (parent, child) INCLUDE (share, is_primary) WITH (weight = 'share', is_primary = 'is_primary');
INSERT INTO part VALUES (1, 2, 0.5, true), (1, 3, 1, true), (4, 2, 0.5, false);
GRANT USAGE ON SCHEMA hierarchy TO viewer;
SET ROLE viewer;
SQL
my $seen = "SELECT string_agg(node || ':' || total, ' ' ORDER BY node) FROM (SELECT rollup('part', k, 8";
my $from = ") AS r FROM generate_series(2, 3) k) x, each(r)";
fails($s, "$seen$from", '42501', 'a role without any privilege', qr/permission denied/);
fails($s, "SELECT rollup_table('part', 'part', 'child')", '42501', 'the same by rollup_table');
answer('RESET ROLE; GRANT SELECT (parent, child) ON part TO viewer; SET ROLE viewer');
is(answer("$seen$from"), '1:16 2:8 3:8 4:8', 'the key columns are enough for distinct');
fails($s, "$seen, 'weighted'$from", '42501', 'but not for weighted');
fails($s, "$seen, 'primary'$from", '42501', 'nor for primary');
answer('RESET ROLE; GRANT SELECT (share) ON part TO viewer; SET ROLE viewer');
is(answer("$seen, 'weighted'$from"), '1:12 2:8 3:8 4:4', 'with the column of shares');
answer('RESET ROLE; GRANT SELECT ON part TO viewer; ALTER TABLE part ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON part TO viewer USING (parent <> 4)');
is(answer("$seen, 'weighted'$from"), '1:12 2:8 3:8 4:4', 'the owner sees all');
is(answer("SET ROLE viewer; $seen, 'weighted'$from"), '1:12 2:8 3:8', 'a policy hides an edge');
is(answer("$seen$from"), '1:16 2:8 3:8', 'in distinct as well');
answer('RESET ROLE; DROP POLICY p ON part; SET ROLE viewer');
is(answer("SELECT e.*, u.* FROM (SELECT rollup('part', 2, 8) AS r) x LEFT JOIN each(r) e ON true, unmatched(r) u"), '||||||1|8', 'a policy hides all');
answer('RESET ROLE');

is(server_died($node), '', 'no process crashed');
$s->quit;
$node->stop;
done_testing();
