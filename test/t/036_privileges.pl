# Nobody is shown more than he may read, by whichever function he asks: without
# rights, with rights on some columns, under row-level security (as its subject,
# as the owner with FORCE, by a setting, all in one session whose image is warm),
# through views, by messages, estimates and notifications.

use strict;
use warnings;

use File::Basename;
use File::Spec;
use HierarchyCalls;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('privileges', "max_connections = 20\n");
my $marks = marks();
my @types = ('bigint', 'uuid', 'text');

$node->safe_psql('postgres', calls_setup());
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE nobody_here; CREATE ROLE counter; CREATE ROLE tracer; CREATE ROLE viewer; CREATE ROLE keeper; CREATE ROLE pooled;
CREATE ROLE boss;
GRANT ALL ON SCHEMA lab TO keeper;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA hierarchy TO nobody_here;
DO $$
DECLARE
	t text;
	rel text;
BEGIN
	FOREACH t IN ARRAY ARRAY['bigint', 'uuid', 'text'] LOOP
		EXECUTE format('GRANT SELECT ON lab.%s_fact TO PUBLIC', t);
		FOREACH rel IN ARRAY ARRAY[t || '_edge_all', t || '_edge_open'] LOOP
			EXECUTE format('ALTER TABLE lab.%s OWNER TO keeper', rel);
			EXECUTE format('GRANT SELECT (share, valid, is_primary, kind, tenant) ON lab.%s TO counter', rel);
			EXECUTE format('GRANT SELECT (parent, child, valid) ON lab.%s TO tracer', rel);
			EXECUTE format('GRANT SELECT ON lab.%s TO viewer, pooled, boss', rel);
			EXECUTE format('ALTER TABLE lab.%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', rel);
			EXECUTE format('CREATE POLICY of_viewer ON lab.%s TO viewer, keeper USING (tenant = ''open'')', rel);
			EXECUTE format('CREATE POLICY of_boss ON lab.%s TO boss, tracer USING (true)', rel);
			EXECUTE format('CREATE POLICY of_pool ON lab.%s TO pooled '
				'USING (tenant = current_setting(''app.tenant'', true))', rel);
		END LOOP;
	END LOOP;
END
$$;
SQL

is_deeply([ calls_missing($node, 'postgres') ], [], 'every function of the extension is called here, or is a piece of one');

# ... and doc/security.md says of each what it reads, with which rights.
{
	my $doc = slurp_file(dirname(File::Spec->rel2abs(__FILE__)) . '/../../doc/security.md');
	my ($section) = $doc =~ /^## What each function reads\n(.*?)^## /ms;
	my @listed = map { /^\| (.*?) \|/ ? $1 =~ /`([\w*]+)`/g : () } split /\n/, $section;
	my @there = split /\n/, $node->safe_psql('postgres', "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'hierarchy'::regnamespace");
	my ($pieces) = map { qr/^(?:$_)$/ } join '|', map { s/\*/\\w+/r } grep { /\*/ } @listed;
	my %listed = map { $_ => 1 } @listed;
	my %there = map { $_ => 1 } @there;

	is_deeply([ sort grep { !$listed{$_} && $_ !~ $pieces } @there ], [], 'every function is in doc/security.md');
	is_deeply([ grep { !/\*/ && !$there{$_} } @listed ], [], '... and nothing else');
}

my $s = session($node);

# as(role, sql): result of a statement of a role in the warm session, or its error
sub as
{
	my ($role, $sql, @settings) = @_;
	my ($out, $err) = $s->try(join ' ', "SET ROLE $role;", @settings, "$sql;", 'RESET ROLE');

	return $err =~ /ERROR:  (.*)/s ? "error $1" : $out;
}

# Graphs: each call gives one who sees the open rows what it gives others on a
# table that has no more.
foreach my $type (@types)
{
	my @all = calls_graph($type, 'all');
	my @open = calls_graph($type, 'open');
	my %wrong;
	# the type of key makes no difference to most of these
	my @more = $type eq 'bigint' || long(0, 1) ? ('counter') : ();

	# the image of all rows, which stays in memory
	die "no hidden rows in the image"
	  if $s->query("SELECT pg_catalog.count(*) FROM hierarchy.closure('lab.${type}_all', NULL::$type)") < 30;
	foreach my $i (0 .. $#all)
	{
		my ($name, $call) = @{ $all[$i] };
		my $everything = as('boss', $call);
		my $expected = as('boss', $open[$i][1]);

		push @{ $wrong{'the right result'} }, "$call: $everything\n$expected" if "$everything$expected" =~ /^error/m;
		foreach my $case ([ 'viewer' ], @more ? ([ 'keeper' ], [ 'pooled', "SET app.tenant = 'open';" ]) : ())
		{
			my ($role, @settings) = @$case;
			my $got = as($role, $call, @settings);

			push @{ $wrong{$role} }, "$call\n$got\ninstead of\n$expected" if $got ne $expected;
		}
		my $none = @more ? as('pooled', $call, "SET app.tenant = 'nobody';") : '';
		push @{ $wrong{'pooled as nobody'} }, "$call\n$none"
		  if $none =~ $marks || ($none ne '' && $none eq $everything && $name ne 'unmatched');
		foreach my $role ('nobody_here', @more)
		{
			my $got = as($role, $call);

			push @{ $wrong{$role} }, "$call\n$got" if $got !~ /^error 42501: permission denied/ || $got =~ $marks;
		}
	}
	is_deeply($wrong{'the right result'}, undef, "$type: calls work for one who sees all rows");
	is_deeply($wrong{viewer}, undef, "$type: policies hold for their subject");
	is_deeply($wrong{keeper}, undef, "$type: policies hold for the owner, where they are forced");
	is_deeply($wrong{pooled}, undef, "$type: policies that look at a setting see the one of the moment");
	is_deeply($wrong{'pooled as nobody'}, undef, "$type: nothing for nobody");
	is_deeply($wrong{nobody_here}, undef, "$type: permission denied without any right");
	is_deeply($wrong{counter}, undef, "$type: permission denied with rights on other columns only");
}

# Rights on the key alone: the edges, but nothing of the columns behind them.
{
	my $sql = "SELECT DISTINCT coalesce(share::text, 'unknown') FROM hierarchy.descendants('lab.bigint_all', 1::int8)";
	my $shares = as('tracer', $sql);

	is($shares, 'unknown', 'no shares without a right to the column');
	isnt(as('boss', $sql), 'unknown', '... which others see');
	like(as('tracer', "SELECT * FROM hierarchy.$_"), qr/^error 42501: permission denied for table bigint_edge_all/, "no filter by a column without a right to it: $_")
	  foreach "descendants('lab.bigint_all', 1::int8, primary_only => true)", "parents('lab.bigint_all', 4::int8, labels => '{1}')",
	  "explain_rollup('lab.bigint_all', 1::int8, 5::int8, 'weighted')",
	  "each((SELECT hierarchy.rollup('lab.bigint_all', node, amount, 'weighted') FROM lab.bigint_fact))";
	like(as('viewer', "SELECT * FROM hierarchy.verify('lab.bigint_all')"), qr/^error 42501/, 'verify is for those who may read all rows');
	like(as($_, "SELECT * FROM hierarchy.verify('lab.bigint_all')"), qr/^error 42501/, "nor for $_") foreach 'nobody_here', 'counter';
	like(as('viewer', "SELECT hierarchy.within('lab.bigint_all', 5::int8, 1::int8)", 'SET row_security = off;'),
		qr/^error 42501: query would be affected by row-level security/, 'row_security = off is an error, not all rows');
	$s->query('RESET row_security');
}

# Rights that change in the middle of a transaction
{
	# one snapshot, two settings, and back
	my $shown = $s->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SET ROLE pooled;
		" . join(' ', map { "SET LOCAL app.tenant = '$_'; SELECT string_agg(node::text, ' ' ORDER BY node) FROM hierarchy.descendants('lab.bigint_all', 3::int8);" } 'open', 'secret', 'open') . '
		ROLLBACK; RESET ROLE');
	is($shown, "4 5\n990002 990003\n4 5", 'a setting that changes within a transaction changes what a policy shows');

	# a policy that asks more than the snapshot knows
	$node->safe_psql('postgres', "CREATE SEQUENCE lab.turn; GRANT ALL ON lab.turn TO viewer; SELECT setval('lab.turn', 1);
		CREATE POLICY turns ON lab.bigint_edge_open AS RESTRICTIVE TO viewer USING (CASE WHEN clock_timestamp() IS NULL THEN true ELSE (SELECT last_value FROM lab.turn) = 1 END)");
	$shown = $s->query("BEGIN ISOLATION LEVEL REPEATABLE READ; SET ROLE viewer;" .
		"SELECT count(*) FROM hierarchy.descendants('lab.bigint_open', 3::int8); SELECT setval('lab.turn', 2);" .
		"SELECT count(*) FROM hierarchy.descendants('lab.bigint_open', 3::int8); ROLLBACK; RESET ROLE");
	is($shown, "2\n2\n0", 'a volatile policy is asked by every statement, also with the same snapshot');
	$node->safe_psql('postgres', 'DROP POLICY turns ON lab.bigint_edge_open');

	$s->query("BEGIN; SET ROLE boss; SELECT count(*) FROM hierarchy.closure('lab.bigint_all', NULL::int8); RESET ROLE");
	$node->safe_psql('postgres', 'REVOKE SELECT ON lab.bigint_edge_all FROM boss');
	fails($s, "SET ROLE boss; SELECT count(*) FROM hierarchy.closure('lab.bigint_all', NULL::int8)", '42501', 'a right taken away holds no longer');
	$s->query('ROLLBACK; RESET ROLE');
	$node->safe_psql('postgres', 'GRANT SELECT ON lab.bigint_edge_all TO boss');

	$s->query("PREPARE q AS SELECT descendant FROM hierarchy.closure('lab.bigint_all', NULL::int8) WHERE ancestor = 3 ORDER BY 1; SET plan_cache_mode = force_generic_plan");
	$s->query("PREPARE w AS SELECT node FROM generate_series(1, 5) node WHERE hierarchy.within('lab.bigint_all', node::int8, 3::int8)");
	like(as('boss', 'EXECUTE q'), $marks, 'a prepared statement of one who sees all');
	is(as('viewer', 'EXECUTE q'), "3\n4\n5", '... shows the open rows to another');
	is(as('pooled', 'EXECUTE q', "SET app.tenant = 'secret';"), "3\n990002\n990003", '... and what a setting says');
	is(as('pooled', 'EXECUTE q', "SET app.tenant = 'open';"), "3\n4\n5", '... each time anew');
	is(as('pooled', 'EXECUTE w', "SET app.tenant = 'secret';"), '3', '... also as a filter');
	is(as('viewer', 'EXECUTE w'), "3\n4\n5", '... of each role');
	like(as('nobody_here', 'EXECUTE q'), qr/^error 42501/, '... and nothing to a third');
	$s->query('DEALLOCATE ALL; RESET plan_cache_mode');
}

# Views.  A function in one runs as who asks, whoever made it.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE lab.seen (value text);
GRANT INSERT ON lab.seen TO PUBLIC;
CREATE FUNCTION lab.leak(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
	'BEGIN RAISE WARNING ''leaked %'', $1; RETURN true; END';
CREATE FUNCTION lab.pass(bigint) RETURNS bigint LANGUAGE plpgsql COST 0.0000001 AS
	'BEGIN RAISE WARNING ''leaked %'', $1; RETURN $1; END';
GRANT CREATE ON SCHEMA lab TO boss;
SET ROLE boss;
CREATE VIEW lab.plain_view AS SELECT * FROM hierarchy.closure('lab.bigint_all', NULL::int8);
CREATE VIEW lab.invoker_view WITH (security_invoker) AS SELECT * FROM hierarchy.closure('lab.bigint_all', NULL::int8);
CREATE VIEW lab.barrier_view WITH (security_barrier) AS
	SELECT * FROM hierarchy.closure('lab.bigint_all', NULL::int8) WHERE descendant < 990000 AND ancestor < 990000;
CREATE VIEW lab.barrier_tree WITH (security_barrier) AS SELECT * FROM hierarchy.tree('lab.bigint_all') WHERE node < 990000;
CREATE VIEW lab.barrier_table WITH (security_barrier) AS
	SELECT node FROM generate_series(990001::int8, 990003) node WHERE hierarchy.within('lab.bigint_all', node, 990001::int8) AND node < 990000;
GRANT SELECT ON lab.plain_view, lab.invoker_view, lab.barrier_view, lab.barrier_tree, lab.barrier_table TO PUBLIC;
SQL
foreach my $view ('plain_view', 'invoker_view')
{
	like(as('nobody_here', "SELECT count(*) FROM lab.$view"), qr/^error 42501/, "$view lends nobody its owner's rights");
	unlike(as('viewer', "SELECT * FROM lab.$view"), $marks, "$view shows a subject of policies his rows");
}
foreach my $query (
	'SELECT count(*) FROM lab.barrier_view WHERE lab.leak(descendant)',
	'SELECT count(*) FROM lab.barrier_view WHERE lab.leak(descendant) AND ancestor = 1',
	'SELECT count(*) FROM lab.barrier_view v JOIN lab.bigint_fact f ON v.ancestor = f.node WHERE lab.leak(descendant)',
	'SELECT count(*) FROM lab.barrier_view WHERE ancestor = 4 AND lab.pass(descendant) = 5',
	'SELECT count(*) FROM lab.barrier_view WHERE ancestor = ANY (ARRAY[3, 4]) AND lab.leak(barrier_view)',
	'SELECT count(*) FROM lab.barrier_tree WHERE lab.leak(node)',
	'SELECT count(*) FROM lab.barrier_tree WHERE lab.leak(node) AND parent = 4',
	'SELECT count(*) FROM lab.barrier_table WHERE lab.leak(node)')
{
	my ($out, $err) = $s->try("SET ROLE boss; $query; RESET ROLE");

	ok($err !~ /ERROR/ && $err !~ /leaked (?:\d\b|\D)*99000/, "nothing gets past a security barrier: $query") or diag($out, $err);
}
like(as('boss', "SELECT count(*) FROM lab.barrier_view WHERE ancestor = 4 AND lab.leak(descendant)"), qr/\d/, 'the barrier lets through what is not hidden');
my ($scan) = $s->query("SET ROLE boss; EXPLAIN SELECT * FROM lab.barrier_view WHERE ancestor = 4; RESET ROLE") =~ /(Hierarchy Scan)/;
is($scan, 'Hierarchy Scan', '... which is a scan of our own');
is($s->query(<<'SQL'), '', 'no function that reads rows is marked leakproof');
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'hierarchy'::regnamespace AND p.proleakproof
	AND NOT EXISTS (SELECT FROM pg_proc b WHERE b.proname = p.prosrc AND b.pronamespace = 'pg_catalog'::regnamespace
		AND b.proleakproof AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'internal'))
SQL

# Messages about cycles name what the writer may read, and his own row.
{
	$node->safe_psql('postgres', 'GRANT INSERT, DELETE ON lab.bigint_edge_all TO viewer, counter, boss, pooled;
		CREATE POLICY adds ON lab.bigint_edge_all FOR INSERT TO viewer, counter WITH CHECK (true);
		CREATE POLICY reads ON lab.bigint_edge_all FOR SELECT TO counter USING (true);
		GRANT UPDATE (parent) ON lab.bigint_edge_all TO viewer, counter;
		CREATE POLICY changes ON lab.bigint_edge_all FOR UPDATE TO viewer, counter USING (true)');
	my $closing = "INSERT INTO lab.bigint_edge_all (parent, child, share, tenant) VALUES (5, 1, 1, 'open')";
	my $hidden = "INSERT INTO lab.bigint_edge_all (parent, child, share, tenant) VALUES (2, 7, 1, 'open'), (7, 990001, 1, 'open')";

	like(as($node->safe_psql('postgres', 'SELECT current_user'), $closing), qr/23514: .*DETAIL:  The row would close the cycle 1 → (2|3) → 4 → 5 → 1/s, 'who reads all rows is told the cycle');
	foreach my $role ('viewer', 'counter')
	{
		my $told = as($role, $closing);

		like($told, qr/^error 23514: cycle in graph "bigint_all".*DETAIL:  The row makes "5" the parent of "1", which is the same node or above it\./s,
			"$role is told his own row");
		unlike($told, qr/→|\b[234]\b.*LOCATION/s, '... and no other');
		like(as($role, $hidden), qr/^error 23514: .*The row makes "7" the parent of "990001"/s, 'hidden rows close cycles, too');

		# the child is another's, though the parent is his
		$told = as($role, 'UPDATE lab.bigint_edge_all SET parent = 990003');
		like($told, qr/^error 23514: cycle in graph "bigint_all"/, "$role changes rows that he does not see");
		unlike($told, qr/DETAIL/, '... and is not told whose parent he changed');
	}

	# a row that he moves to another partition looks like a new one
	$node->safe_psql('postgres', <<'SQL');
CREATE TABLE lab.part (parent bigint, child bigint, k int, tenant text) PARTITION BY LIST (k);
CREATE TABLE lab.part_1 PARTITION OF lab.part FOR VALUES IN (1);
CREATE TABLE lab.part_2 PARTITION OF lab.part FOR VALUES IN (2);
CREATE INDEX part_graph ON lab.part_2 USING hgraph (parent, child);
INSERT INTO lab.part VALUES (990001, 7, 2, 'open'), (7, 990001, 1, 'secret');
ALTER TABLE lab.part ENABLE ROW LEVEL SECURITY;
ALTER TABLE lab.part_2 ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON lab.part FOR SELECT TO viewer USING (tenant = 'open');
CREATE POLICY seen ON lab.part_2 FOR SELECT TO viewer USING (tenant = 'open');
CREATE POLICY changes ON lab.part FOR UPDATE TO viewer USING (true);
GRANT SELECT ON lab.part, lab.part_2 TO viewer;
GRANT UPDATE (k) ON lab.part TO viewer;
SQL
	my $told = as('viewer', 'UPDATE lab.part SET k = 2');
	like($told, qr/^error 23514: cycle in graph "part_graph"/, 'a hidden row that is moved to another partition closes a cycle');
	unlike($told, qr/DETAIL|\b7\b.*LOCATION/s, '... and is not shown by that');
	$node->safe_psql('postgres', 'DROP TABLE lab.part');

	# an index made while others write meets rows of theirs, which policies may
	# hide from the table's owner
	$node->safe_psql('postgres', <<'SQL');
CREATE TABLE lab.busy (parent bigint, child bigint, tenant text);
INSERT INTO lab.busy VALUES (7, 8, 'open');
ALTER TABLE lab.busy OWNER TO keeper;
ALTER TABLE lab.busy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON lab.busy TO keeper USING (tenant = 'open');
CREATE FUNCTION lab.halt(bigint) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
	'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(36); RETURN true; END';
SQL
	my ($gate, $writer, $builder) = map { session($node) } 1 .. 3;
	$gate->query('SELECT pg_advisory_lock(36) \\g /dev/null');
	$builder->query('SET ROLE keeper');
	$builder->send('CREATE INDEX CONCURRENTLY busy_graph ON lab.busy USING hgraph (parent, child) WHERE lab.halt(parent)');
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 36 AND NOT granted");
	$writer->query("BEGIN; INSERT INTO lab.busy VALUES (8, 7, 'secret')");
	$gate->query('SELECT pg_advisory_unlock(36) \\g /dev/null');
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY busy%' AND wait_event_type = 'Lock' AND wait_event <> 'advisory'");
	$writer->query('COMMIT');
	(undef, $told) = $builder->wait;
	like($told, qr/23514: cycle in graph "busy_graph"/, 'a row of another closes a cycle while an index is made');
	unlike($told, qr/DETAIL|\b[78]\b.*LOCATION/s, '... and is not shown to the owner from whom policies hide it');
	$_->quit foreach $gate, $writer, $builder;
	$node->safe_psql('postgres', 'DROP TABLE lab.busy; DROP FUNCTION lab.halt');
}

# Estimates of a plan say nothing about rows that one must not count.
{
	my @queries = (
		"SELECT * FROM hierarchy.descendants('lab.bigint_all', 990001::int8)",
		"SELECT * FROM hierarchy.roots('lab.bigint_all', NULL::int8)",
		"SELECT * FROM hierarchy.closure('lab.bigint_all', NULL::int8)",
		"SELECT * FROM hierarchy.closure('lab.bigint_all', NULL::int8) WHERE ancestor = 990001",
		"SELECT ancestor, count(*) FROM hierarchy.closure('lab.bigint_all', NULL::int8) GROUP BY 1",
		"SELECT * FROM hierarchy.tree('lab.bigint_all') WHERE parent = 4",
		"SELECT * FROM lab.bigint_fact WHERE hierarchy.within('lab.bigint_all', node, 990001::int8)",
		"SELECT * FROM lab.plain_view WHERE descendant = 990003");
	my $explain = sub {
		return join "\n", map { my ($role, @rest) = ($_); map { as($role, "EXPLAIN $_") } @queries } 'nobody_here', 'counter', 'viewer', 'keeper';
	};
	my $before = $explain->();
	unlike($before, qr/error/, 'everybody may explain');
	$node->safe_psql('postgres', "INSERT INTO lab.bigint_edge_all (parent, child, share, tenant) SELECT 990001, 990100 + i, 1, 'secret' FROM generate_series(1, 500) i");
	$s->query("SELECT count(*) FROM hierarchy.descendants('lab.bigint_all', 990001::int8)");
	is($explain->(), $before, 'estimates do not depend on hidden rows');
	my $superuser = $s->query("EXPLAIN $queries[0]");
	like($superuser, qr/rows=50\d/, '... which who reads them all gets from the graph');
	$node->safe_psql('postgres', "DELETE FROM lab.bigint_edge_all WHERE child > 990100");
}

# Statistics: none of the graph is kept where others could read it.
is($s->query("SELECT count(*) FROM pg_statistic s JOIN pg_class c ON c.oid = s.starelid WHERE c.relkind = 'i' AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'hgraph')"),
	'0', 'an index has no statistics of its own');

# The directory: each function runs as its caller, so one without rights gets
# nothing and changes nothing.
{
	my $digest = "SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (SELECT e::text FROM hierarchy.entity e UNION ALL SELECT r::text FROM hierarchy.relationship r
		UNION ALL SELECT i::text FROM hierarchy.identifier i UNION ALL SELECT h::text FROM hierarchy.hierarchy h UNION ALL SELECT c::text FROM hierarchy.change_log c
		UNION ALL SELECT b::text FROM hierarchy.load_batch b UNION ALL SELECT m::text FROM hierarchy.match_candidate m UNION ALL SELECT t::text FROM hierarchy.entity_type t
		UNION ALL SELECT oid::text FROM pg_class WHERE relnamespace = 'hierarchy'::regnamespace) v (x)";
	my $before = $s->query($digest);
	my (@told, @refused);
	# what it cannot tell is NULL; there is no such view; there are no rights to copy
	my $harmless = qr/^(?:children_everywhere|drop_rollup_view|copy_rights)$/;

	foreach my $item (calls_directory())
	{
		my ($name, $call) = @$item;
		# no rights but to call; functions with other rights are asked below
		next if $name =~ /^(?:create_hierarchy|create_hierarchy_from_template|rename_hierarchy|drop_hierarchy)$/;
		my $got = as('nobody_here', $call);
		my $shown = $got;

		# what he wrote himself he may be told
		$shown =~ s/\b$_\b//g foreach $call =~ /(99000\d|SECRET-\d|secret-tax)/g;
		push @told, "$call\n$got" if $shown =~ $marks;
		push @refused, "$call\n" . substr($got, 0, 300) if $got !~ /^error 42501/ && $name !~ /$harmless/;
	}
	is_deeply(\@told, [], 'the directory tells nobody anything');
	is_deeply(\@refused, [], 'the directory refuses every call of one without rights') or diag(@refused);
	is($s->query($digest), $before, '... and nothing has changed');
}

# Who may read the hierarchies but not the entities learns no codes and no names
# by what rules, previews and lists say.
{
	$node->safe_psql('postgres', 'CREATE ROLE half; GRANT SELECT, INSERT, UPDATE, DELETE ON hierarchy.relationship, hierarchy.relationship_1 TO half;
		GRANT SELECT ON hierarchy.hierarchy, hierarchy.relationship_rule, hierarchy.relationship_type TO half');
	my @told;

	foreach my $call ("SELECT hierarchy.assign('tree', 990001, 990002)", "INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id) VALUES (1, 990006, 990001)",
		"INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id) VALUES (1, 990004, 990002)",
		"INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, share) VALUES (1, 990003, 990002, 0.9)",
		"UPDATE hierarchy.relationship SET relationship_type = 'no such'", "UPDATE hierarchy.relationship SET share = 2",
		"SELECT hierarchy.merge_entity(990002, 990003)", "SELECT * FROM hierarchy.preview_reassign('tree', 990004, 990002, 990003)",
		"SELECT hierarchy.reassign_children('tree', 990002, 990006)", "SELECT * FROM hierarchy.check_hierarchy('tree')",
		"SELECT hierarchy.unassign('tree', 990004, 990001)", "SELECT * FROM hierarchy.family_tree('tree', 990004)",
		"SELECT hierarchy.tree_path('hierarchy.tree', 990006, 'x')", "SELECT hierarchy.tree_sort_key('hierarchy.tree', 990006)")
	{
		my $got = as('half', "BEGIN; $call; ROLLBACK");

		$s->try('ROLLBACK');
		push @told, "$call\n$got" if $got =~ /secret/i;
	}
	is_deeply(\@told, [], 'no codes and names without a right to entities');
}

# A loader from whom policies hide entities: rows that would need them are rejected
# without a word about them.
{
	$node->safe_psql('postgres', <<'SQL');
CREATE ROLE loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hierarchy TO loader;
REVOKE ALL ON hierarchy.entity_source FROM loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON hierarchy.entity_source TO loader;
ALTER TABLE hierarchy.entity ENABLE ROW LEVEL SECURITY;
ALTER TABLE hierarchy.identifier ENABLE ROW LEVEL SECURITY;
CREATE POLICY loads ON hierarchy.entity TO loader USING (name !~* 'secret') WITH CHECK (true);
CREATE POLICY loads ON hierarchy.identifier TO loader USING (value !~* 'secret') WITH CHECK (true);
SQL
	my $out = as('loader', <<'SQL');
SELECT hierarchy.new_load_batch('mine', '{Code,Type,Tax,Parent}') AS batch \gset
INSERT INTO hierarchy.load_stage_:batch ("Code", "Type", "Tax", "Parent") VALUES ('SECRET-1', 'area', '', ''), ('N-1', 'site', 'secret-tax', ''),
	('N-2', 'site', '', 'SECRET-1'), ('N-3', 'site', '', '');
SELECT rows, rejected FROM hierarchy.load(:batch, '{"code": "Code", "name": "Code", "entity_type": "Type", "identifier.TAX": "Tax", "parent.code": "Parent",
	"parent.type": {"value": "area"}}', 'tree', match => true);
SELECT r.line, r.messages FROM hierarchy.load_reject r WHERE batch_id = :batch ORDER BY 1;
SELECT count(*) FROM hierarchy.match_review;
SELECT entity_id FROM hierarchy.load_rows(:batch) WHERE result <> 'inserted'
SQL
	like($out, qr/^4\|3$/m, 'a load rejects what needs hidden entities');
	# the codes and the identifier are those of his file
	unlike($out =~ s/SECRET-1|secret-tax//gr, $marks, '... and does not name them') or diag($out);
	$node->safe_psql('postgres', 'ALTER TABLE hierarchy.entity DISABLE ROW LEVEL SECURITY; ALTER TABLE hierarchy.identifier DISABLE ROW LEVEL SECURITY');
}

# Notifications reach everybody who listens: numbers, and names of hierarchies,
# which the catalogs tell as well.
{
	my $listener = session($node);

	$listener->query('SET ROLE nobody_here; LISTEN hierarchy_change');
	$node->safe_psql('postgres', "SET hierarchy.reason = 'secret reason'; SELECT hierarchy.add_entity('site', 'SECRET-77', 'Secret 77')");
	my ($out) = $listener->try('SELECT 1');
	my ($payload) = $out =~ /with payload "(.*)" received/;
	like($payload // $out, qr/"changes": 1/, 'a notification tells that something has changed');
	unlike($payload // '', $marks, '... but not what');
	$listener->quit;
}

# Others' loads: their progress is for those who may see their statements.
like(as('nobody_here', 'SELECT * FROM hierarchy.load_progress'), qr/^error 42501/, 'nobody sees the progress of loads without a right to');

# A rollup that was stored shows its nodes to whom it is shown.  Adding to it
# looks at no graph; that of its reader is not asked.
is(as('viewer', "SELECT count(*) FROM hierarchy.each((SELECT hierarchy.rollup('lab.bigint_all', node, amount) FROM lab.bigint_fact), NULL::int8) WHERE node > 990000"), '0',
	'a rollup holds the nodes that its maker sees');

$s->quit;
is(server_died($node), '', 'no process has died');
$node->stop;
done_testing();
