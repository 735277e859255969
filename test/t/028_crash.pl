# Crashes at any moment.
#
# First, clients write by plain statements, by verbs and by loading lists,
# others vacuum and rebuild indexes, and now and then a process of the server is
# killed with signal 9, or the server as a whole, or it is stopped at once.
# Each client keeps its own journal of what the server answered.  After every
# recovery there has to be, to the row and to the change in the log, what was
# answered; what was under way is there as a whole or not at all; indexes hold
# what tables hold; and there is no cycle.
#
# Then the server is stopped in the middle of CREATE INDEX, CREATE INDEX
# CONCURRENTLY, REINDEX, VACUUM, and of bringing a graph in memory up to date.
#
# HIERARCHY_CRASH_ROUNDS is the number of crashes under load.

use strict;
use warnings;

use HierarchyTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $rounds = $ENV{HIERARCHY_CRASH_ROUNDS} || long(3, 30);
my $seed = seed();
my $started = time;
# Few buffers, so that pages of all ages are on disk when it happens.
my $node = start_node('crash', <<'CONF');
restart_after_crash = on
fsync = off
shared_buffers = 4MB
bgwriter_delay = 20ms
autovacuum = on
autovacuum_naptime = 1s
deadlock_timeout = 50ms
max_connections = 30
CONF
my $s = session($node);

$s->query(<<'SQL');
SET search_path = public, hierarchy;

-- What each plain client has for itself: its rows are never changed by others.
CREATE TABLE edge (id bigint PRIMARY KEY, parent int, child int, note int NOT NULL DEFAULT 0) WITH (fillfactor = 80);
CREATE INDEX edge_graph ON edge USING hgraph (parent, child);
CREATE UNLOGGED TABLE lost (parent int, child int);
CREATE INDEX lost_graph ON lost USING hgraph (parent, child);
CREATE TABLE journal (client int, n int, PRIMARY KEY (client, n));

SELECT create_hierarchy('tree', max_parents => 1), create_hierarchy('owners', share_mode => 'full'),
	create_hierarchy('listed', max_parents => 1) \g /dev/null
INSERT INTO entity_type VALUES ('unit');
INSERT INTO entity (entity_type, code, name) SELECT 'unit', 'U' || i, 'Unit ' || i FROM generate_series(1, 60) i;

CREATE FUNCTION pick() RETURNS bigint LANGUAGE sql VOLATILE AS
'SELECT entity_id FROM hierarchy.entity WHERE code LIKE ''U%'' AND status = ''active'' ORDER BY random() LIMIT 1';

-- One change by a verb, or by hand.  Where it is refused, all is rolled back.
CREATE FUNCTION act() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	h text := (ARRAY['tree', 'owners'])[1 + floor(random() * 2)::int];
	k int := floor(random() * 100);
	a bigint := pick();
	b bigint := pick();
	r hierarchy.relationship;
BEGIN
	SELECT * INTO r FROM hierarchy.relationship WHERE hierarchy_id = (SELECT hierarchy_id FROM hierarchy.hierarchy WHERE name = h)
		AND valid @> current_date ORDER BY random() LIMIT 1;
	IF k < 35 OR r.child_id IS NULL THEN
		PERFORM hierarchy.assign(h, a, b, CASE WHEN h = 'owners' THEN 0.5 END, reason => 'crash');
	ELSIF k < 60 THEN
		PERFORM hierarchy.reassign(h, r.child_id, r.parent_id, b, reason => 'crash');
	ELSIF k < 70 THEN
		PERFORM hierarchy.reassign_children(h, r.parent_id, b, reason => 'crash');
	ELSIF k < 78 THEN
		PERFORM hierarchy.unassign(h, r.child_id, r.parent_id, current_date + 1, reason => 'crash');
	ELSIF k < 84 THEN
		PERFORM hierarchy.assign(h, hierarchy.add_entity('unit', 'U' || nextval('hierarchy.entity_entity_id_seq'), 'New', reason => 'crash'), b);
	ELSIF k < 86 THEN
		PERFORM hierarchy.merge_entity(a, b, 'crash');
	ELSIF k < 90 THEN
		PERFORM hierarchy.undo((SELECT max(change_id) FROM hierarchy.change_log WHERE table_name = 'relationship'), 'crash');
	ELSIF k < 95 THEN
		UPDATE hierarchy.relationship SET attributes = jsonb_build_object('k', random())
			WHERE hierarchy_id = r.hierarchy_id AND parent_id = r.parent_id;
	ELSE
		DELETE FROM hierarchy.relationship WHERE hierarchy_id = r.hierarchy_id AND child_id = r.child_id;
	END IF;
	RETURN h || k;
END $$;

-- The rows of the directory, and the steps that the log has of them
CREATE VIEW image AS
SELECT 'entity' AS tab, to_jsonb(t) AS r FROM hierarchy.entity t
UNION ALL SELECT 'hierarchy', to_jsonb(t) - 'graph' FROM hierarchy.hierarchy t
UNION ALL SELECT 'relationship', to_jsonb(t) - 'label' FROM hierarchy.relationship t;
CREATE VIEW logged AS
SELECT tab, r FROM (
	SELECT table_name AS tab, old_row - 'label' - 'graph' AS r, -1 AS n FROM hierarchy.change_log WHERE old_row IS NOT NULL
	UNION ALL SELECT table_name, new_row - 'label' - 'graph', 1 FROM hierarchy.change_log WHERE new_row IS NOT NULL) step
WHERE tab IN ('entity', 'hierarchy', 'relationship') GROUP BY 1, 2 HAVING sum(n) > 0;

-- Reachable pairs, by the rows
CREATE VIEW edge_pairs AS
WITH RECURSIVE c(a, d) AS (SELECT parent, child FROM edge WHERE parent IS NOT NULL
	UNION SELECT c.a, e.child FROM c JOIN edge e ON e.parent = c.d) TABLE c;
CREATE VIEW directory_pairs AS
WITH RECURSIVE c(h, a, d) AS (SELECT hierarchy_id, parent_id, child_id FROM hierarchy.relationship WHERE valid @> current_date
	UNION SELECT c.h, c.a, r.child_id FROM c JOIN hierarchy.relationship r ON r.hierarchy_id = c.h AND r.parent_id = c.d AND r.valid @> current_date)
TABLE c;

-- All that is wrong
CREATE FUNCTION wrong() RETURNS TABLE (what text, n bigint) LANGUAGE sql STABLE SET search_path = public, hierarchy AS $$
	SELECT * FROM (
		SELECT 'verify ' || h.name || ': ' || v.problem, count(*) FROM hierarchy h, verify(h.graph) v GROUP BY 1
		UNION ALL SELECT 'verify edge: ' || problem, count(*) FROM verify('edge_graph') GROUP BY 1
		UNION ALL SELECT 'rules of ' || h.name || ': ' || c.message, count(*) FROM hierarchy h, check_hierarchy(h.name) c GROUP BY 1
		UNION ALL SELECT 'cycle', count(*) FROM edge_pairs WHERE a = d
		UNION ALL SELECT 'cycle in the directory', count(*) FROM directory_pairs WHERE a = d
		UNION ALL SELECT 'closure', count(*) FROM edge_pairs FULL JOIN
			(SELECT ancestor AS a, descendant AS d FROM closure('edge_graph', NULL::int) WHERE depth > 0) i USING (a, d)
			WHERE edge_pairs IS NULL OR i IS NULL
		UNION ALL SELECT 'descendants', count(*) FROM edge_pairs FULL JOIN
			(SELECT n AS a, node AS d FROM generate_series(1, 60) n, descendants('edge_graph', n)) i USING (a, d)
			WHERE edge_pairs IS NULL OR i IS NULL
		UNION ALL SELECT 'parents', count(*) FROM (SELECT DISTINCT parent AS a, child AS d FROM edge WHERE parent IS NOT NULL) e
			FULL JOIN (SELECT node AS a, n AS d FROM generate_series(1, 60) n, parents('edge_graph', n)) i USING (a, d)
			WHERE e IS NULL OR i IS NULL
		UNION ALL SELECT 'closure of the directory', count(*) FROM directory_pairs FULL JOIN
			(SELECT hierarchy_id AS h, ancestor AS a, descendant AS d FROM hierarchy, closure(graph, as_of => current_date) WHERE depth > 0) i
			USING (h, a, d) WHERE directory_pairs IS NULL OR i IS NULL
		UNION ALL SELECT 'log and rows', count(*) FROM (
			(SELECT * FROM image EXCEPT ALL SELECT * FROM logged) UNION ALL (SELECT * FROM logged EXCEPT ALL SELECT * FROM image)) x
		UNION ALL SELECT 'known now in ' || name, 1 FROM hierarchy h
			WHERE array(SELECT to_jsonb(r) FROM relationships_known_at(h.name, clock_timestamp()) r ORDER BY 1)
				<> array(SELECT to_jsonb(r) FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id ORDER BY 1)
	) w (what, n) WHERE n > 0 $$;
SQL

#
# The clients
#
my %client = (1 => 'plain', 2 => 'plain', 3 => 'verbs', 4 => 'lists', 5 => 'upkeep');
my (%next, %rows, %pending, %logged, %lists, %answered, %refused);
my ($id, $killed, $resolved) = (0, 0, 0);
$rows{$_} = {} foreach keys %client;

# Transactions of random statements about rows of this client, of which the
# test keeps a picture: [ [verb, id, parent, child], ... ] by number.
my %steps;

sub plain
{
	my ($c, $count) = @_;
	my @known = keys %{ $rows{$c} };
	my $out = '';

	foreach (1 .. $count)
	{
		my $n = ++$next{$c};
		my @steps;

		foreach (1 .. 1 + int(rand(3)))
		{
			my $k = rand(100);
			my ($a, $b) = (1 + int(rand(60)), 1 + int(rand(60)));

			($a, $b) = ($b, $a) if $a > $b && rand() < 0.9;
			if ($k < 45 || !@known)
			{
				$id++;
				push @known, $id;
				push @steps, [ 'insert', $id, $a, $b ];
			}
			else
			{
				my $i = int(rand(@known));

				push @steps, $k < 65 ? [ 'move', $known[$i], $a, $b ]
				  : $k < 75 ? [ 'note', $known[$i] ] : [ 'delete', splice(@known, $i, 1) ];
			}
		}
		$steps{$c}{$n} = \@steps;
		$out .= "\\echo transaction $n\nBEGIN;\n";
		foreach my $x (@steps)
		{
			my ($verb, $row, $p, $ch) = @$x;

			$out .= $verb eq 'insert' ? "INSERT INTO edge VALUES ($row, $p, $ch);\n"
			  : $verb eq 'move' ? "UPDATE edge SET parent = $p, child = $ch WHERE id = $row;\n"
			  : $verb eq 'note' ? "UPDATE edge SET note = note + 1 WHERE id = $row;\n" : "DELETE FROM edge WHERE id = $row;\n";
			$out .= "SAVEPOINT x;\nINSERT INTO edge VALUES (-$c, 1, 2);\nROLLBACK TO x;\nRELEASE x;\n" if rand() < 0.05;
		}
		$out .= "INSERT INTO journal VALUES ($c, $n);\nCOMMIT;\n";
	}
	return $out;
}

# apply(client, number): what the transaction makes of the picture.
sub apply
{
	my ($c, $n) = @_;

	foreach my $x (@{ $steps{$c}{$n} })
	{
		my ($verb, $row, @ends) = @$x;
		my $have = $rows{$c}{$row};

		if ($verb eq 'insert') { $rows{$c}{$row} = [ @ends, 0 ]; }
		elsif (!$have) { }
		elsif ($verb eq 'move') { @$have[ 0, 1 ] = @ends; }
		elsif ($verb eq 'note') { $have->[2]++; }
		else { delete $rows{$c}{$row}; }
	}
	return;
}

# Each verb tells what the log got of it before it commits.
sub verbs
{
	my ($c, $count) = @_;

	return join '', map {
		my $n = ++$next{$c};
		"\\echo transaction $n\nBEGIN;\nSELECT coalesce(max(change_id), 0) AS mark FROM hierarchy.change_log \\gset\n"
		  . "SELECT act();\n" . (rand() < 0.3 ? "SELECT act();\n" : '') . "INSERT INTO journal VALUES ($c, $n);\n"
		  . "SELECT 'log', pg_current_xact_id(), count(*), md5(string_agg(l::text, ' ' ORDER BY change_id)) FROM hierarchy.change_log l "
		  . "WHERE change_id > :mark AND txid = pg_current_xact_id();\nCOMMIT;\n"
	} 1 .. $count;
}

# Lists of forty new entities, each under one of the others or a unit
sub lists
{
	my ($c, $count) = @_;

	my $mapping = '{"entity_type": {"value": "unit"}, "code": "code", "name": "name", "parent.code": "parent"}';

	return join '', map {
		my $n = ++$next{$c};
		"\\echo transaction $n\nBEGIN;\nSELECT hierarchy.new_load_batch('list', '{code,name,parent}') AS batch \\gset\n"
		  . "INSERT INTO hierarchy.load_stage_:batch (_line, _raw, code, name, parent) SELECT i, 'line', 'L$n-' || i, 'Listed ' || i, "
		  . "CASE WHEN i > 1 THEN 'L$n-' || i / 2 END FROM generate_series(1, 40) i;\n"
		  . "SELECT 'list', rejected, error FROM hierarchy.load(:batch, '$mapping', 'listed');\n"
		  . "INSERT INTO journal VALUES ($c, $n);\nCOMMIT;\n"
	} 1 .. $count;
}

sub upkeep
{
	my ($c, $count) = @_;
	my @what = (
		'VACUUM edge', 'VACUUM (FREEZE) edge', 'VACUUM hierarchy.relationship', 'REINDEX INDEX edge_graph',
		'REINDEX INDEX CONCURRENTLY edge_graph', 'REINDEX TABLE hierarchy.relationship', 'CHECKPOINT', 'ANALYZE',
		"DROP INDEX IF EXISTS another;\nCREATE INDEX CONCURRENTLY another ON edge USING hgraph (parent, child) WHERE note < 3",
		'CLUSTER edge USING edge_pkey', 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) edge');

	return join '', map { $next{$c}++; "$what[rand @what];\n" } 1 .. $count;
}

# begin(): all clients start, each with statements of its own.
sub begin
{
	my %run;

	foreach my $c (sort keys %client)
	{
		my $file = $node->basedir . "/client$c";
		my $kind = $client{$c};
		my $script = $kind eq 'plain' ? plain($c, long(2500, 6000)) : $kind eq 'verbs' ? verbs($c, 1500)
		  : $kind eq 'lists' ? lists($c, 100) : upkeep($c, 400);

		unlink "$file.sql";
		append_to_file("$file.sql", $script);
		$run{$c} = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-d', $node->connstr('postgres'), '-v', 'VERBOSITY=verbose', '-f', "$file.sql" ],
			'<', '/dev/null', '>', "$file.out", '2>', "$file.err");
	}
	return %run;
}

# read_answers(client): what the server answered.  The last transaction may be
# one of which the client knows nothing.
sub read_answers
{
	my ($c) = @_;
	my @blocks = split /^transaction (\d+)\n/m, slurp_file($node->basedir . "/client$c.out");

	$pending{$c} = undef;
	shift @blocks;
	while (my ($n, $text) = splice @blocks, 0, 2)
	{
		if ($text =~ /^COMMIT$/m)
		{
			$answered{$c}{$n} = 1;
			apply($c, $n) if $client{$c} eq 'plain';
			$logged{$n} = [ $1, $2, $3 ] if $text =~ /^log\|(\d+)\|(\d+)\|(\w*)$/m;
			$lists{$n} = 1 if $text =~ /^list\|0\|$/m;
		}
		elsif (@blocks == 0 && $text !~ /^ROLLBACK$/m)
		{
			$pending{$c} = $n;
		}
		else
		{
			$refused{$c}++;
		}
	}
	return;
}

# ready(): how often the server said that it is.
sub ready
{
	my @lines = slurp_file($node->logfile) =~ /(database system is ready to accept connections)/g;
	return scalar @lines;
}

# crash(how): until the server is there again.
sub crash
{
	my ($how) = @_;
	my $before = ready();

	if ($how eq 'process')
	{
		my @all = split /\n/, $s->query("SELECT pid, backend_type FROM pg_stat_activity WHERE pid <> pg_backend_pid()
			AND backend_type NOT LIKE 'autovacuum worker%' AND backend_type NOT LIKE 'logical%' AND backend_type <> 'archiver'
			ORDER BY backend_type <> 'client backend', pid");
		my @victims = (grep { /client/ } @all) ? ((grep { /client/ } @all) x 3, @all) : @all;
		my ($pid, $type) = split /\|/, $victims[ rand @victims ];

		kill 9, $pid;
		note("killed: $type");
	}
	elsif ($how eq 'server')
	{
		$node->kill9;
	}
	else
	{
		$node->stop('immediate');
	}
	return $before;
}

# wait_for_server(how, before): until the server is there again.
sub wait_for_server
{
	my ($how, $before) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	# Of itself if one process was killed.  Else those whom the server left
	# behind have to notice first.  And now and then recovery needs a second
	# attempt: PostgreSQL 15 may find the empty file of an unlogged table whose
	# creation was just rolled back ("could not create file ...: File exists").
	while (time < $deadline && ($how ne 'process' || ready() == $before))
	{
		usleep(20_000);
		next if $how eq 'process' && -e $node->data_dir . '/postmaster.pid';
		$node->{_pid} = undef;
		last if $node->start(fail_ok => 1);
	}
	eval { $s->quit };
	$s = session($node);
	return;
}

# sound(name): everything that must hold after a crash.
sub sound
{
	my ($name) = @_;
	my (@lost, @there);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# What CREATE INDEX and REINDEX CONCURRENTLY left behind
	my @rest = split /\n/, $s->query("SELECT indexrelid::regclass FROM pg_index WHERE (indrelid = 'edge'::regclass
		AND indexrelid::regclass::text NOT IN ('edge_graph', 'edge_pkey')) OR NOT indisvalid AND indrelid > 16384");
	is($s->query('SELECT * FROM wrong()'), '', "$name: indexes, rows and log agree");
	$s->query("DROP INDEX $_") foreach @rest;

	foreach my $c (grep { $client{$_} ne 'upkeep' } sort keys %client)
	{
		my %have = map { $_ => 1 } split /\n/, $s->query("SELECT n FROM journal WHERE client = $c");

		push @lost, map { "$client{$c} $_" } grep { !$have{$_} } keys %{ $answered{$c} };
		if (defined $pending{$c} && $have{ $pending{$c} })
		{
			$resolved++;
			$answered{$c}{ $pending{$c} } = 1;
			apply($c, $pending{$c}) if $client{$c} eq 'plain';
		}
		push @there, map { "$client{$c} $_" } grep { !$answered{$c}{$_} } keys %have;
		next if $client{$c} ne 'plain';

		my %is = map { my @x = split /\|/; $x[0] => "@x[1 .. 3]" }
		  split /\n/, $s->query("SELECT e.* FROM edge e JOIN unnest('{" . join(',', keys %{ $rows{$c} }) . "}'::bigint[]) k ON e.id = k");
		push @lost, map { "row $_" } grep { ($is{$_} // '') ne join ' ', @{ $rows{$c}{$_} } } keys %{ $rows{$c} };
	}
	my $expected = keys(%{ $rows{1} }) + keys(%{ $rows{2} });
	push @there, 'rows' if $s->query('SELECT count(*) FROM edge') != $expected;

	is("@lost[0 .. ($#lost > 5 ? 5 : $#lost)]", '', "$name: all that was answered is there");
	is("@there[0 .. ($#there > 5 ? 5 : $#there)]", '', "$name: and nothing else");

	my %log = map { my @x = split /\|/; $x[0] => $_ }
	  split /\n/, $s->query("SELECT txid, count(*), md5(string_agg(l::text, ' ' ORDER BY change_id)) FROM hierarchy.change_log l GROUP BY 1");
	my @changed = grep { my ($txid, $n, $sum) = @{ $logged{$_} }; $n > 0 && ($log{$txid} // '') ne "$txid|$n|$sum" } keys %logged;
	is("@changed", '', "$name: the log has what it had for every transaction answered");
	is($s->query("SELECT n, count(*) FROM (SELECT substring(code FROM 'L(\\d+)-')::int AS n FROM hierarchy.entity WHERE code LIKE 'L%') e
			GROUP BY 1 HAVING count(*) <> 40 OR n NOT IN (SELECT n FROM journal WHERE client = 4)"), '', "$name: lists are there as a whole");
	is(join(' ', grep { !$answered{4}{$_} } keys %lists), '', "$name: and every one");
	fails($s, 'BEGIN; INSERT INTO edge VALUES (-1, 1000, 1001), (-2, 1001, 1002), (-3, 1002, 1000)', '23514', "$name: cycles are refused");
	$s->query('ROLLBACK');
	is($s->query("SELECT count(*) FROM hierarchy.roots('lost'); INSERT INTO lost VALUES (1, 2); SELECT node FROM hierarchy.children('lost', 1)"),
		"0\n2", "$name: an unlogged graph is empty, and works");
	fails($s, 'INSERT INTO lost VALUES (2, 1)', '23514', "$name: and refuses cycles");
	return;
}

foreach my $round (1 .. $rounds)
{
	my $how = $round % 3 == 1 ? 'process' : $round % 3 == 2 ? 'server' : 'stop';
	my %run = begin();
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	# at any moment once all of them have begun
	foreach my $c (keys %run)
	{
		usleep(10_000) while !-s $node->basedir . "/client$c.out" && time < $deadline;
	}
	usleep(1000 * rand(long(400, 1500)));
	$killed++;
	my $before = crash($how);
	eval { $_->finish } foreach values %run;
	wait_for_server($how, $before);
	read_answers($_) foreach grep { $client{$_} ne 'upkeep' } keys %client;
	sound("crash $round ($how)");
}
cmp_ok(scalar(keys %{ $answered{$_} // {} }), '>', $rounds > 9 ? $rounds : 0, "$client{$_}: client $_ had work done")
  foreach 1, 2, $rounds > 9 ? (3) : ();
cmp_ok(scalar(keys %{ $answered{4} // {} }), '>', 0, 'lists were loaded') if $rounds > 9;
diag(sprintf '%d crashes in %d s: answered %s; refused %s; %d under way turned out to be committed', $killed, time - $started,
	join(', ', map { "$client{$_} " . keys %{ $answered{$_} } } 1 .. 4), join(', ', map { "$client{$_} " . ($refused{$_} // 0) } 1 .. 4), $resolved);

#
# In the middle of a statement
#
$s->query(<<'SQL');
SET search_path = public, hierarchy;
-- Who comes by this row waits for whoever holds the lock.
CREATE FUNCTION gate(id int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF id = 10000 THEN
		PERFORM pg_advisory_xact_lock_shared(1);
	END IF;
	RETURN true;
END $$;
CREATE TABLE big (id int, parent int, child int, note int DEFAULT 0) WITH (fillfactor = 70, autovacuum_enabled = off);
INSERT INTO big SELECT i, i / 3, i FROM generate_series(1, 20000) i;
SQL

# big_sound(name, index): the index holds what the table holds.
sub big_sound
{
	my ($name, $index) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$index //= 'big_graph';
	is($s->query("SELECT * FROM hierarchy.verify('$index')"), '', "$name: verify");
	is($s->query(<<"SQL"), '0|t', "$name: index and rows agree");
WITH RECURSIVE c(a, d) AS (SELECT n, n FROM unnest(ARRAY[0, 1, 7, 60, 3333, 900001]) n
	UNION SELECT c.a, b.child FROM c JOIN big b ON b.parent = c.d),
i(a, d) AS (SELECT n, node FROM unnest(ARRAY[0, 1, 7, 60, 3333, 900001]) n, hierarchy.descendants('$index', n))
SELECT (SELECT count(*) FROM (SELECT * FROM c WHERE a <> d) c FULL JOIN i USING (a, d) WHERE c IS NULL OR i IS NULL),
	(SELECT count(*) FROM i) > 20000
SQL
	fails($s, 'INSERT INTO big VALUES (0, 9999, 1)', '23514', "$name: cycles are refused");
	return;
}

# until_true(sql, name): asks until it holds.
sub until_true
{
	my ($sql, $name) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $answer;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	do
	{
		# Who comes new sees pages as they are now; who knows the graph does
		# not look again before the vacuum is done.
		my $new = $sql =~ /graph_stats/ ? session($node) : undef;

		usleep(3000) if defined $answer;
		$answer = ($new // $s)->query($sql);
		$new->quit if $new;
	} while ($answer ne 't' && time < $deadline);
	is($answer, 't', $name);
	return;
}

# stop_now(): stops the server at once, and starts it again.
sub stop_now
{
	my (@sessions) = @_;
	my $pid = $node->{_pid};

	kill 'QUIT', $pid;
	usleep(5000) while -e $node->data_dir . '/postmaster.pid';
	$node->{_pid} = undef;
	eval { $_->quit } foreach @sessions;
	$killed++;
	wait_for_server('stop');
	return;
}

# interrupt(name, sql, place, more): stops the server when the statement is at
# that place, a query about what the server shows of it.  before: what another
# session does first; then, place: what it does there, and where it is stopped.
sub interrupt
{
	my ($name, $sql, $place, %with) = @_;
	my ($one, $two) = (session($node), session($node));

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$two->query($with{before}) if $with{before};
	$one->send($sql);
	until_true($place, "$name: under way");
	if ($with{then})
	{
		$two->query($with{then});
		until_true($with{place}, "$name: further");
	}
	# What it has done so far gets to the disk, for the worse.
	$s->query('CHECKPOINT') if rand() < 0.7;
	stop_now($one, $two);
	return;
}

my $gate = 'SELECT pg_advisory_lock(1)';
my $at_gate = q{SELECT exists(SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)};
my $scanning = qq{$at_gate AND (SELECT blocks_done > 0 AND blocks_done < blocks_total FROM pg_stat_progress_create_index)};
my $index = 'big USING hgraph (parent, child) WHERE gate(id)';

foreach my $turn (1 .. long(1, 3))
{
	# CREATE INDEX
	$s->query('DROP INDEX IF EXISTS big_graph; DELETE FROM big WHERE child > 900000');
	interrupt('CREATE INDEX', "CREATE INDEX big_graph ON $index", $scanning, before => $gate);
	is($s->query("SELECT to_regclass('big_graph')"), '', 'CREATE INDEX: nothing is left of it');
	$s->query("INSERT INTO big VALUES (0, 19999, 900001); CREATE INDEX big_graph ON $index");
	big_sound('CREATE INDEX after all');

	# REINDEX
	interrupt('REINDEX', 'REINDEX INDEX big_graph', $scanning, before => $gate);
	big_sound('REINDEX: the old one is there');
	$s->query('REINDEX INDEX big_graph');
	big_sound('REINDEX after all');
	if ($ENV{HIERARCHY_LONG})
	{
		interrupt('REINDEX CONCURRENTLY', 'REINDEX INDEX CONCURRENTLY big_graph', $scanning, before => $gate);
		big_sound('REINDEX CONCURRENTLY: the old one is there');
		$s->query('DROP INDEX big_graph_ccnew; REINDEX INDEX CONCURRENTLY big_graph');
		big_sound('REINDEX CONCURRENTLY after all');
	}

	# A statement that fills the index
	my $entries = $s->query('SELECT count(*) FROM big');
	interrupt('INSERT', 'INSERT INTO big SELECT 1000000 + i, 20000 + i / 3, 20000 + i FROM generate_series(1, 20000) i WHERE gate(i)',
		$at_gate, before => $gate);
	cmp_ok($s->query("SELECT entries FROM hierarchy.graph_stats('big_graph')"), '>', $entries + 5000, 'INSERT: entries of no row');
	big_sound('INSERT');
	is($s->query("VACUUM big; SELECT entries FROM hierarchy.graph_stats('big_graph')"), $entries, 'INSERT: vacuumed');

	# CREATE INDEX CONCURRENTLY: in its first scan; before it looks for rows
	# that came meanwhile, with an insertion under way that it waits for; and at
	# its end, when it waits for a snapshot.
	my $create = "CREATE INDEX CONCURRENTLY big_graph ON $index";
	my $phase = 'SELECT exists(SELECT FROM pg_stat_progress_create_index WHERE phase = ';
	my @places = (
		[ 'scan', $scanning, before => $gate ],
		[ 'rows to come', $scanning, before => $gate,
			then => 'BEGIN; INSERT INTO big VALUES (0, 19999, 900001); SELECT pg_advisory_unlock(1)',
			place => "$phase 'waiting for writers before validation')" ],
		[ 'old snapshot', $scanning, before => $gate,
			then => 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1; SELECT pg_advisory_unlock(1)',
			place => "$phase 'waiting for old snapshots')" ]);
	foreach my $place ($ENV{HIERARCHY_LONG} ? @places : $places[1])
	{
		my ($where, $query, %with) = @$place;
		my $name = "CREATE INDEX CONCURRENTLY, $where";

		$s->query('DROP INDEX big_graph; DELETE FROM big WHERE child > 900000');
		interrupt($name, $create, $query, %with);
		is($s->query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_graph'::regclass"), 'f', "$name: an index that is not valid");
		fails($s, "SELECT count(*) FROM hierarchy.descendants('big', 1)", '55000', "$name: of no use");
		$s->query('INSERT INTO big VALUES (0, 19999, 900001); REINDEX INDEX CONCURRENTLY big_graph');
		big_sound("$name, rebuilt");
	}

	# VACUUM: when it has taken some of the entries out and some not.  Pages of
	# the table were dirty before, so that only pages of the index cost time.
	$s->query("DELETE FROM big WHERE id % 100 = 50 + $turn AND id > 10000; CHECKPOINT");
	$s->query('UPDATE big SET note = note + 1 WHERE id % 10 = 1');
	my $left = $s->query('SELECT count(*) FROM big');
	interrupt('VACUUM', 'SET vacuum_cost_delay = 20; SET vacuum_cost_limit = 1; SET vacuum_cost_page_hit = 0; SET vacuum_cost_page_miss = 0;
		VACUUM (INDEX_CLEANUP on, PARALLEL 0) big',
		q{SELECT exists(SELECT FROM pg_stat_progress_vacuum WHERE phase = 'vacuuming indexes') AND entries < } . ($left + 100)
		  . " AND entries > $left FROM hierarchy.graph_stats('big_graph')");
	is($s->query('SELECT count(*) FROM big'), $left, 'VACUUM: all rows are there');
	big_sound('VACUUM');
	# Lines of the table are used again, by other rows.
	$s->query('VACUUM big; INSERT INTO big SELECT 30000 + i, 30000 + i / 2, 30000 + i FROM generate_series(1, 3000) i');
	big_sound('VACUUM after all');
	$s->query('DELETE FROM big WHERE id > 20000; VACUUM big');
}

# Bringing a graph in memory up to date: read what came, and fold it in.  All of
# it is in one process, which is stopped at a random moment of it.
my $many = long(40_000, 400_000);
$s->query("CREATE TABLE grown (parent int, child int) WITH (autovacuum_enabled = off);
	INSERT INTO grown SELECT i / 3, i FROM generate_series(1, 20000) i; CREATE INDEX grown_graph ON grown USING hgraph (parent, child)");
my ($took, $active) = (0, 0);
foreach my $turn (0 .. long(1, 15))
{
	my $reader = session($node);
	my $pid = $reader->query("SELECT pg_backend_pid()");

	$reader->query("SELECT hierarchy.is_root('grown_graph', 1)");
	$s->query("TRUNCATE grown; INSERT INTO grown SELECT i / 3, i FROM generate_series(1, 20000) i");
	$reader->query("SELECT hierarchy.is_root('grown_graph', 1)");
	$s->query("INSERT INTO grown SELECT i / 3, i FROM generate_series(20001, 20000 + $many) i");
	if ($turn == 0)
	{
		$took = milliseconds($reader, "SELECT hierarchy.is_root('grown_graph', 1)");
		$reader->quit;
		next;
	}
	$reader->send("SELECT hierarchy.is_root('grown_graph', 1)");
	usleep(1000 * $took * (0.1 + 0.9 * rand()));
	$active++ if !$reader->done;
	stop_now($reader);
	is($s->query("SELECT * FROM hierarchy.verify('grown')"), '', "catching up $turn: verify");
	is($s->query("SELECT count(*), (SELECT count(*) FROM hierarchy.descendants('grown', 1)) = count(*) - 1 FROM grown WHERE child > 0"),
		(20000 + $many) . '|f', "catching up $turn: all is there");
}
diag(sprintf '%d times stopped while a graph was brought up to date (%d ms)', $active, $took);

# Servers that were killed leave words in the log; none may be of a crash of its own.
my @words = grep { /TRAP|PANIC|AddressSanitizer|signal (?:4|6|7|8|11)\b|index .* is corrupted/ } split /\n/, slurp_file($node->logfile);
is("@words[0 .. ($#words > 3 ? 3 : $#words)]", '', 'no process crashed by itself, no page was found damaged');
diag(sprintf '%d crashes survived in %d s', $killed, time - $started);

$s->quit;
$node->stop;
done_testing();
