# statement_timeout strikes every function of the extension at random moments:
# the statement ends with that error or none, nothing is left behind (rows,
# locks, temporary tables and files), and the next statement is right.

use strict;
use warnings;

use HierarchyTest;
use Test::More;
use Time::HiRes;

my $tries = long(1, 8);
my $n = long(1000, 1500);
my $big = long(40_000, 80_000);
my $seed = seed();
my $node = start_node('cancel', <<'CONF');
fsync = off
search_path = 'public, hierarchy'
track_functions = all
temp_file_limit = 1GB
work_mem = 256kB
CONF
my $s = session($node);
my $other = session($node);

#
# A hierarchy with shares, days, names, a history; facts; and a list to load
#
$s->query(<<"SQL");
SELECT create_hierarchy('sales', share_mode => 'full', relationship_types => '{owns}') \\g /dev/null
INSERT INTO entity_type VALUES ('org');
INSERT INTO entity (entity_type, code, name, attributes)
	SELECT 'org', 'c' || i, 'Name ' || i % 700, jsonb_build_object('country', 'C' || i % 7, 'postcode', i % 50)
	FROM generate_series(1, $n) i;
INSERT INTO relationship (hierarchy_id, parent_id, child_id, share, valid, relationship_type, is_primary)
	SELECT hierarchy_id, entity_id('org', 'c' || i / 4), entity_id('org', 'c' || i), 0.6,
		CASE WHEN i % 3 = 0 THEN daterange('2020-01-01', NULL) ELSE daterange(NULL, NULL) END, 'owns', true
	FROM hierarchy, generate_series(4, $n) i WHERE name = 'sales';
INSERT INTO relationship (hierarchy_id, parent_id, child_id, share, relationship_type, is_primary)
	SELECT hierarchy_id, entity_id('org', 'c' || i / 7), entity_id('org', 'c' || i), 0.4, 'owns', false
	FROM hierarchy, generate_series(100, $n, 5) i WHERE name = 'sales';
UPDATE relationship SET influence_level = 0.5 WHERE child_id % 9 = 0;
SELECT clock_timestamp() AS t1 \\gset
UPDATE entity SET name = name || '!' WHERE entity_id % 11 = 0;
CREATE TABLE sale AS SELECT entity_id('org', 'c' || (1 + i % $n)) AS entity, i % 100 AS amount, i % 12 AS month
	FROM generate_series(1, 4 * $n) i;
CREATE TABLE mark AS SELECT :'t1'::timestamptz AS t1, clock_timestamp() AS t2, entity_id('org', 'c1') AS top,
	entity_id('org', 'c$n') AS low, (SELECT max(change_id) FROM change_log) AS change_id;
CREATE TABLE mid AS SELECT entity_id FROM entity ORDER BY entity_id LIMIT 40 OFFSET $n / 2;
CREATE TABLE other AS SELECT 'k' || i / 3 AS parent, 'k' || i AS child, md5((i / 3)::text)::uuid AS up, md5(i::text)::uuid AS id
	FROM generate_series(1, $n) i;
CREATE INDEX by_name ON other USING hgraph (parent, child);
CREATE INDEX by_uuid ON other USING hgraph (up, id);
CREATE TABLE big AS SELECT CASE k WHEN 1 THEN i / 4 ELSE i / 7 END AS parent, i AS child, k / 3.0 AS share, k = 1 AS is_primary
	FROM generate_series(1, $big) i, generate_series(1, 1 + (i % 20 = 19)::int) k;
CREATE INDEX big_graph ON big USING hgraph (parent, child) INCLUDE (share, is_primary)
	WITH (weight = 'share', is_primary = 'is_primary');
CREATE TABLE few AS SELECT child FROM big WHERE parent > $big / 8 LIMIT 2000;
CREATE TABLE rolled AS SELECT share, rollup('big', child, 1.5) AS r FROM big GROUP BY share;
CREATE TABLE moves AS SELECT m.entity_id AS child, p.node AS from_parent, (SELECT top FROM mark) AS to_parent
	FROM mid m, LATERAL parents('sales', m.entity_id) p WHERE p.share = 0.6;
SELECT create_bi_views('sales', 'public', attributes => '{country}') \\g /dev/null
SELECT create_rollup_view('sales_rollup', 'sales', 'sale', 'entity', '{amount}') \\g /dev/null
VACUUM ANALYZE;
SQL
my $batch = $s->query("SELECT new_load_batch('list', '{type,code,name,ptype,pcode}')");
my $mapping = '{"entity_type": "type", "code": "code", "name": "name", "parent.type": "ptype", "parent.code": "pcode"}';
$s->query(<<"SQL");
INSERT INTO load_stage_$batch (type, code, name, ptype, pcode)
	SELECT 'org', 'n' || i, 'Name ' || i % 700, CASE WHEN i > 1 THEN 'org' END, CASE WHEN i > 1 THEN 'n' || (i / 2) END
	FROM generate_series(1, $n) i
SQL
my $top = $s->query('SELECT top FROM mark');
my $low = $s->query('SELECT low FROM mark');
my ($t1, $t2) = split /\|/, $s->query('SELECT t1, t2 FROM mark');

# Calls on much data.  Every function that users call is in one of them.
my @calls = (
	# any graph
	"SELECT count(*) FROM descendants('big', 1)",
	"SELECT count(*) FROM few, ancestors('big', child)",
	"SELECT count(*) FROM few, parents('big', child), children('big', 7), roots('big')",
	"SELECT count(*) FROM few s, tops('big', s.child), LATERAL (SELECT count(*) FROM leaves('big', 1, max_depth => s.child % 7)) x",
	"SELECT count(*) FROM few, common_ancestors('big', child, $big)",
	"SELECT count(*) FROM big WHERE within('big', child, parent) AND is_root('big', child) IS NOT NULL",
	"SELECT count(*) FROM few, paths('big', child)",
	"SELECT count(path) FROM preorder('big', NULL::bigint)",
	"SELECT count(*), sum(share) FROM closure('big')",
	"SELECT count(*) FROM closure('big') WHERE descendant = ANY (ARRAY(SELECT child FROM few))",
	"SELECT count(path) FROM tree('sales')",
	"SELECT count(tree_path('sales', entity_id, name)), count(tree_sort_key('sales', entity_id)) FROM entity",
	"SELECT max_depth FROM graph_stats('big')",
	"SELECT count(*) FROM verify('big')",
	"SELECT count(*) FROM closure('by_name', NULL::text)",
	"SELECT count(*) FROM descendants('by_uuid', md5('0')::uuid)",
	"CREATE INDEX again ON big USING hgraph (parent, child)",
	"REINDEX INDEX big_graph",
	"UPDATE big SET parent = 0 WHERE child % 7 = 1",
	# rollups
	(map { "SELECT count(*) FROM each((SELECT rollup('big', child, 7, '$_') FROM big))" } qw(distinct weighted primary paths)),
	"SELECT octet_length(rollup('big', child)::text) FROM big",
	"SELECT count(*) FROM each((SELECT rollup('by_name', child, 1.5) FROM other), NULL::text)",
	"SELECT count(*) FROM each_stats((SELECT sum(r) FROM rolled)), each((SELECT r + r FROM rolled LIMIT 1)) e WHERE e.depth = 0",
	"SELECT count(*) FROM each_of(ARRAY(SELECT r FROM rolled))",
	"SELECT count(c.difference) FROM rolled a, rolled b, compare_rollup(a.r, b.r) c WHERE a.share < b.share",
	"SELECT count(r -> 1), count(own), sum(u.rows) FROM rolled, node_stats(r, 1), unmatched(r) u, reconcile(r)",
	"SELECT count(r::text::hrollup) FROM rolled",
	"SELECT count(hrollup_send(r)) FROM rolled",
	"SELECT rollup_table('big', 'big', 'child', 'share') IS NULL",
	"SELECT count(*) FROM drilldown('big', 1, 'big', 'child', 'share')",
	"SELECT count(*) FROM few, explain_rollup('big', 1, child, 'paths')",
	"SELECT count(x) FROM sales_rollup x",
	# views for BI tools
	(map { "SELECT count(*) FROM sales_$_" } qw(tree bridge levels entity)),
	"SELECT count(*) FROM create_bi_views('sales', 'hierarchy')",
	"SELECT create_rollup_view('twice', 'sales', 'sale', 'entity', '{amount}'); SELECT drop_rollup_view('twice')",
	# ownership
	"SELECT count(*) FROM mid m, LATERAL (SELECT global_ultimate('sales', m.entity_id), domestic_ultimate('sales', m.entity_id)) x",
	"SELECT count(*) FROM family_tree('sales', $low)",
	"SELECT count(*) FROM mid m, owners('sales', m.entity_id), ownership('sales', m.entity_id, $top)",
	"SELECT count(*) FROM controls('sales', $top, 0.3), responsible_chain('sales', $low), unstated_shares('sales')",
	# history
	"SELECT count(*) FROM descendants(as_known_at('sales', '$t1'), $top)",
	"SELECT count(*) FROM relationships_known_at('sales', '$t1')",
	"SELECT count(*) FROM compare_hierarchy('sales', '$t1', '$t2')",
	"SELECT count(*) FROM changes_since(0)",
	"SELECT count(event) FROM mid m, history(m.entity_id)",
	"SELECT count(entity_label(entity_id)), count(v) FROM entity, entity_values(entity_id) v",
	"SELECT count(*) FROM check_hierarchy('sales')",
	# verbs
	"SELECT count(add_entity('org', 'v' || i, 'n')) FROM generate_series(1, 100) i",
	"SELECT count(entity_id('org', 'c' || i)) FROM generate_series(1, 1000) i",
	"SELECT count(assign('sales', m.entity_id, $top)) FROM mid m",
	"SELECT count(reassign('sales', child, from_parent, to_parent)) FROM moves",
	"SELECT reassign_many('sales', 'moves'::regclass)",
	"SELECT count(*) FROM moves m, preview_reassign('sales', m.child, m.from_parent, m.to_parent)",
	"SELECT reassign_children('sales', entity_id('org', 'c2'), entity_id('org', 'c3'))",
	"SELECT count(unassign('sales', child, from_parent)) FROM moves",
	"SELECT count(set_share('sales', child, from_parent, 0.5)), count(set_primary('sales', child, from_parent)) FROM moves",
	"SELECT count(set_entity_status(entity_id, 'inactive')) FROM (SELECT add_entity('org', 'w' || i, 'n') AS entity_id FROM generate_series(1, 40) i OFFSET 0) x",
	"SELECT undo_transaction(txid) FROM change_log ORDER BY change_id DESC LIMIT 1",
	"SELECT count(undo(change_id)) FROM (SELECT change_id FROM change_log ORDER BY change_id DESC LIMIT 20) x",
	"SELECT merge_entity($low, $low - 1)",
	"SELECT create_hierarchy('third'); SELECT rename_hierarchy('third', 'fourth'); SELECT drop_hierarchy('fourth')",
	"SELECT drop_hierarchy('sales', force => true)",
	"UPDATE relationship SET attributes = '{\"a\": 1}'",
	"DELETE FROM relationship",
	# lists
	"SELECT rows FROM load($batch, '$mapping', 'sales')",
	"SELECT * FROM find_matches('org')");

# A count alone is done without the rows.
s/^SELECT count\(\*\) FROM (.*)$/SELECT count(x) FROM (SELECT * FROM $1 OFFSET 0) x/s foreach @calls;
push @calls, "SELECT count(*) FROM closure('big')", "SELECT count(*) FROM few, descendants('big', child / 64)";

# state(): what a statement that failed must not have changed.
sub state
{
	return $other->query(<<'SQL');
SELECT (SELECT count(*) FROM entity), (SELECT sum(hashtext(r::text)) FROM relationship r), (SELECT count(*) FROM change_log),
	(SELECT count(*) FROM other), (SELECT count(*) FROM pg_class), (SELECT count(*) FROM match_candidate),
	(SELECT count(*) FROM load_progress)
SQL
}

my $pid = $s->query('SELECT pg_backend_pid()');
my $probe = "SELECT count(*) FROM descendants('sales', $top)";
my $memory = 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts';
my ($probe_right, $before) = ($s->query($probe), state());

# trouble(): what the session left behind.
sub trouble
{
	my @trouble;
	my $locks = $other->query("SELECT string_agg(locktype || ' ' || mode, ', ') FROM pg_locks WHERE pid = $pid");

	push @trouble, "locks: $locks" if $locks ne '';
	push @trouble, 'temporary files' if $other->query('SELECT count(*) FROM pg_ls_tmpdir()') != 0;
	push @trouble, 'the next answer' if $s->query($probe) ne $probe_right;
	return @trouble;
}

# How long each takes, undisturbed.
my (%took, @broken);
foreach my $sql (@calls)
{
	foreach (1 .. long(1, 2))
	{
		my $t0 = Time::HiRes::time();

		my (undef, $err) = $s->try("BEGIN; $sql");
		$took{$sql} = (Time::HiRes::time() - $t0) * 1000;
		push @broken, "$sql: $err" if $err =~ /ERROR/;
		$s->query('ROLLBACK');
	}
}
is(join("\n", @broken), '', 'undisturbed, all of it works');
is(state(), $before, 'and is rolled back');
note(map { sprintf "%.0f ms: %s\n", $took{$_}, $_ } sort { $took{$b} <=> $took{$a} } @calls);

# Functions that none of it calls, by name or from within, are these.
my @spared = (
	qr/^(hgraph|hrollup)_(in|out|recv|send|eq|ne|lt|le|gt|ge|cmp|hash|hash_extended)$/,
	qr/^(rollup|sum)(_|$)|_support$|_handler$|_validator$|^hgraph$/,    # aggregates, planner, casts
	qr/^(load|as|is|refuse|check|late|normalise|find)_/,    # on one value, row or name; errors
	qr/^(add|drop|make|copy|protect|prepare|new|fill|enter|leave|directory|describe)_/,    # cheap, definitions
	qr/^(accept|reject|decide)_match$|^match_image$|^show_survivors$|^list_parents$|^revise_|^set_shares$/,
	qr/^(replay_changes|create_hierarchy_from_template|hierarchy_templates|type_rules|drop_bi_views|image_columns|relationship_label|library_version)$/,
	qr/^(hrollup_add|hrollup_total|all_children|changes_horizon|children_everywhere|entity_changes|following|undo_changes|put_back)$/,
	qr/^(known_hierarchy|known_query|lock_children|lock_entities|merge_relationships|move_relationships|move_sources|bi_columns|late_rule_wanted)$/);
$s->query('SELECT pg_stat_force_next_flush()');
my $all = join ' ', @calls;
my @uncalled = grep { my $f = $_; $all !~ /\b$f\(/ && !grep { $f =~ $_ } @spared } split /\n/, $other->query(<<'SQL');
SELECT DISTINCT p.proname FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
	LEFT JOIN pg_stat_user_functions f ON f.funcid = p.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'hierarchy')
	AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND p.prokind = 'f'
	AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
GROUP BY p.proname HAVING coalesce(sum(f.calls), 0) = 0 ORDER BY 1
SQL
is("@uncalled", '', 'every function was called, or is known not to take long');

my ($cancelled, $finished) = (0, 0);
my $held;
foreach my $round (1 .. $tries)
{
	foreach my $sql (@calls)
	{
		my $timeout = 1 + int(rand(1.1 * $took{$sql}));
		my (undef, $err) = $s->try("BEGIN; SET LOCAL statement_timeout = $timeout; $sql");

		# ROLLBACK is a statement, too.
		$s->try('ROLLBACK; ROLLBACK');
		my @trouble = trouble();

		push @trouble, $err if $err =~ /ERROR/ && $err !~ /ERROR:  57014:/;
		$err =~ /ERROR/ ? $cancelled++ : $finished++;
		fail("round $round: after $timeout ms of $sql: @trouble") if @trouble;
	}
	$held = $s->query($memory) if $round == 1;
}
cmp_ok($cancelled, '>', @calls / 4, "of " . @calls . " statements $cancelled were cancelled, $finished not, in $tries rounds");
is(state(), $before, 'nothing has changed');
is($s->query("SELECT count(*) FROM verify('sales')"), 0, 'and nothing is wrong');
cmp_ok($s->query($memory), '<', 2 * $held + 20_000_000, 'memory does not grow');

# lock_timeout: whoever waits for another writer gives up, and all is well.
$other->query("BEGIN; LOCK TABLE hierarchy.relationship IN EXCLUSIVE MODE");
fails($s, "SET lock_timeout = '20ms'; SELECT reassign_many('sales', 'moves'::regclass)", '55P03', 'lock_timeout, a table lock');
$other->query("ROLLBACK; BEGIN; INSERT INTO other (parent, child) VALUES ('k9', 'new')");
fails($s, "INSERT INTO other (parent, child) VALUES ('new', 'k0')", '55P03', 'lock_timeout, an edge that is not committed');
is(join(', ', trouble()), '', 'no lock is left');
$other->query('ROLLBACK');
is($s->query("INSERT INTO other (parent, child) VALUES ('new', 'k0') RETURNING child"), 'k0', 'and the same goes on after that');

is(server_died($node), '', 'no process crashed');
$_->quit foreach $s, $other;
$node->stop;
done_testing();
