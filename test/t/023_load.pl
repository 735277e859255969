# Loading: a list with every fault against an oracle of its own, the same in
# random lists; progress, cancel and crash; two loads at once; ordinary roles.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = seed();
my $node = start_node('load', <<'CONF');
autovacuum = off
restart_after_crash = on
CONF
my $s = session($node);

$s->query(<<'SQL');
SET search_path = hierarchy, public;
SET client_min_messages = warning;
INSERT INTO entity_type VALUES ('network'), ('org'), ('account');
SELECT create_hierarchy('sales', max_parents => 2, share_mode => 'split',
	type_rules => '{"account": ["org"], "org": ["org", "network"]}');
SQL
my $mapping = '{"entity_type": "type", "code": "code", "name": "name", "identifier.NPI": "npi", "parent.type": "ptype", '
  . '"parent.code": "pcode", "share": "share", "valid_from": "from"}';
my @columns = qw(type code name npi ptype pcode share from);

sub quote { my ($v) = @_; return 'NULL' if !defined $v; $v =~ s/'/''/g; return "'$v'"; }

# stage(source, rows): a batch with these rows (hashes); its number.
sub stage
{
	my ($source, @rows) = @_;
	my $batch = $s->query("SELECT new_load_batch('$source', '{" . join(',', @columns) . "}')");
	my $line = 1;

	while (my @some = splice @rows, 0, 500)
	{
		$s->query("INSERT INTO load_stage_$batch (_line, _raw, _fault, " . join(', ', map { qq("$_") } @columns) . ') VALUES '
			  . join(', ', map { my $r = $_; $line++;
				'(' . join(', ', $line, quote($r->{_raw}), quote($r->{_fault}), map { quote($r->{$_}) } @columns) . ')' } @some));
	}
	return $batch;
}

# load(batch, more): the figures as a hash.
sub load_batch
{
	my ($batch, $more) = @_;
	my @names = qw(rows inserted updated unchanged rejected entities_added entities_changed relationships_added
	  relationships_changed relationships_ended entities_deactivated matched);
	my %figures;

	@figures{@names} = split /\|/,
	  $s->query('SELECT ' . join(', ', @names) . " FROM load($batch, '$mapping', 'sales'" . ($more // '') . ')');
	return \%figures;
}

# counts(): entities, relationships, changes.
sub counts
{
	return $s->query('SELECT (SELECT count(*) FROM entity), (SELECT count(*) FROM relationship), (SELECT count(*) FROM change_log)');
}

# npi(nine digits): with its check digit.
sub npi
{
	my @d = split //, "80840$_[0]";
	my $sum = 0;

	for my $i (0 .. $#d)
	{
		my $x = $d[$#d - $i] * ($i % 2 == 0 ? 2 : 1);
		$sum += $x > 9 ? $x - 9 : $x;
	}
	return $_[0] . (10 - $sum % 10) % 10;
}

# random_list(prefix, size): rows, each with the reasons that it must be
# rejected for.  A forest of organisations under networks, accounts under one
# or two of these; one row in eight is bad in a way of its own.
sub random_list
{
	my ($p, $n) = @_;
	my (@rows, @orgs);
	my @bad = qw(wrong_width encoding missing_code missing_name bad_date bad_number share_out_of_range unknown_type duplicate
	  conflicting_duplicate unknown_parent cycle type_rule identifier_taken checksum share_sum max_parents);
	my %used;
	my $k = 0;

	push @rows, { type => 'network', code => "$p-N", name => 'Net' };
	for my $i (1 .. 5)
	{
		push @orgs, "$p-O$i";
		push @rows, { type => 'org', code => $orgs[-1], name => "Org $i, \"of\" $p", ptype => 'network', pcode => "$p-N", npi => npi(100000000 + $i + ord($p) * 1000) };
	}
	for my $i (1 .. $n)
	{
		my $org = $orgs[int rand @orgs];
		my %row = (type => 'account', code => "$p-A$i", name => "Account $i", ptype => 'org', pcode => $org);

		if ($i % 8 != 0)
		{
			if (rand() < 0.2)
			{
				my ($one, $two) = @orgs[ 0, 1 + int rand(@orgs - 1) ];

				push @rows, { %row, pcode => $one, share => '0.4' }, { %row, pcode => $two, share => '0.6' };
			}
			else
			{
				push @rows, \%row;
			}
			next;
		}
		my $fault = $bad[ $k++ % @bad ];
		$used{$fault}++;
		if ($fault eq 'wrong_width' || $fault eq 'encoding') { push @rows, { _raw => "$p,\\xff$i", _fault => $fault, want => $fault }; }
		elsif ($fault eq 'missing_code') { push @rows, { %row, code => ' ', want => $fault }; }
		elsif ($fault eq 'missing_name') { push @rows, { %row, name => '', want => $fault }; }
		elsif ($fault eq 'bad_date') { push @rows, { %row, from => '2024-02-30', want => $fault }; }
		elsif ($fault eq 'bad_number') { push @rows, { %row, share => 'half', want => $fault }; }
		elsif ($fault eq 'share_out_of_range') { push @rows, { %row, share => '1.5', want => $fault }; }
		elsif ($fault eq 'unknown_type') { push @rows, { %row, type => 'acount', want => $fault }; }
		elsif ($fault eq 'duplicate') { push @rows, {%row}, { %row, want => $fault }; }
		elsif ($fault eq 'conflicting_duplicate') { push @rows, { %row, want => $fault }, { %row, name => 'other', want => $fault }; }
		elsif ($fault eq 'unknown_parent') { push @rows, { %row, pcode => "$p-nobody", want => $fault }; }
		elsif ($fault eq 'cycle')
		{
			# two organisations stand there by rows of their own, then a ring of relationships
			push @rows, { type => 'org', code => "$p-C$i", name => 'C' }, { type => 'org', code => "$p-D$i", name => 'D', ptype => 'org', pcode => "$p-C$i" },
			  { type => 'org', code => "$p-C$i", name => 'C', ptype => 'org', pcode => "$p-D$i", want => $fault };
		}
		elsif ($fault eq 'type_rule') { push @rows, { %row, ptype => 'network', pcode => "$p-N", want => $fault }; }
		elsif ($fault eq 'identifier_taken') { push @rows, { %row, npi => npi(100000001 + ord($p) * 1000), want => $fault }; }
		elsif ($fault eq 'checksum') { push @rows, { %row, npi => '1234567890', want => $fault }; }
		elsif ($fault eq 'share_sum') { push @rows, map { { %row, pcode => $orgs[$_], share => '0.4', want => $fault } } 0, 1; }
		elsif ($fault eq 'max_parents')
		{
			push @rows, map { { %row, pcode => $orgs[$_], share => '0.5' } } 0, 1;
			push @rows, { %row, pcode => $orgs[2], share => '0', want => $fault };
		}
	}
	# good rows among bad ones, parents after their children; rows of an entity
	# keep their order, and an identifier is taken by whoever comes first
	my (%group, %at);
	push @{ $group{ $_->{code} // $_ } }, $_ foreach @rows;
	$at{$_} = $_ eq "$p-O1" ? 0 : rand() foreach sort keys %group;
	return map { @{ $group{$_} } } sort { $at{$a} <=> $at{$b} } keys %group;
}

foreach my $run (1 .. long(2, 20))
{
	my @rows = random_list(chr(64 + $run), 300);
	my $batch = stage("random $run", @rows);
	my $before = counts();
	my $dry = load_batch($batch, ', dry_run => true');

	is(counts(), $before, "list $run: a dry run changes nothing");
	my $f = load_batch($batch);
	is(join(' ', map { "$_ $f->{$_}" } sort keys %$f), join(' ', map { "$_ $dry->{$_}" } sort keys %$dry), 'and tells the same');
	is($f->{rows}, scalar @rows, 'all rows are counted');
	is($f->{inserted} + $f->{updated} + $f->{unchanged} + $f->{rejected}, $f->{rows}, 'figures add up');

	# the oracle: each row by itself knows what is wrong with it
	my ($line, @wrong) = (1);
	my %got = map { my ($l, $r, $reasons) = split /\|/; $l => [ $r, $reasons // '' ] }
	  split /\n/, $s->query("SELECT line, result, array_to_string(reasons, ' ') FROM load_rows($batch)");
	foreach my $r (@rows)
	{
		my ($result, $reasons) = @{ $got{ ++$line } };

		push @wrong, "line $line: $result ($reasons), expected " . ($r->{want} // 'inserted')
		  if defined $r->{want} ? $result ne 'rejected' || " $reasons " !~ / \Q$r->{want}\E / : $result ne 'inserted';
	}
	is(join("\n", @wrong), '', 'every bad row is rejected for its reason, every good row loaded');
	my %entities = map { $_->{code} => 1 } grep { !defined $_->{want} } @rows;
	my $relationships = grep { !defined $_->{want} && defined $_->{pcode} } @rows;
	is($s->query("SELECT count(*) FROM entity WHERE code LIKE '" . chr(64 + $run) . "-%'"), scalar keys %entities, 'entities of good rows');
	is($f->{relationships_added}, $relationships, 'relationships of good rows');
	is($s->query("SELECT count(*) FROM load_reject WHERE batch_id = $batch AND raw IS NOT NULL AND cardinality(reasons) = cardinality(messages)"),
		$f->{rejected}, 'rejected rows with text and reasons');
	is($s->query("SELECT count(*) FROM check_hierarchy('sales')"), 0, 'rules hold');
	is($s->query("SELECT count(*) FROM verify('hierarchy.sales')"), 0, 'the graph is right');

	$before = counts();
	my $again = load_batch($batch);
	is("$again->{inserted} $again->{updated} $again->{unchanged} $again->{rejected}",
		"0 0 $f->{inserted} $f->{rejected}", 'loaded again: unchanged');
	is(counts(), $before, 'and nothing is logged');
}

# a ring of new entities: none can stand alone
my $batch = stage('ring', map { { type => 'org', code => "R$_", name => 'r', ptype => 'org', pcode => 'R' . ($_ % 3 + 1) } } 1 .. 3);
is(load_batch($batch)->{rejected}, 3, 'a ring of new entities');
is($s->query("SELECT count(*) FROM load_reject WHERE batch_id = $batch AND 'cycle' = ANY (reasons)"), 3, 'all are part of the cycle');
$batch = stage('ring', (map { { type => 'org', code => "R$_", name => 'r' } } 1 .. 3),
	map { { type => 'org', code => "R$_", name => 'r', ptype => 'org', pcode => 'R' . ($_ % 3 + 1) } } 1 .. 3);
is(load_batch($batch)->{rejected}, 1, 'a ring of entities that stand by themselves loses one row');
is($s->query("SELECT line FROM load_reject WHERE batch_id = $batch"), 7, 'the last one');
# against what is there
$batch = stage('ring 2', { type => 'org', code => 'R3', name => 'r', ptype => 'org', pcode => 'R1' });
is(load_batch($batch)->{rejected}, 1, 'a cycle with relationships that are there');
# by day: no cycle if they never hold together
$s->query("SELECT unassign('sales', entity_id('org', 'R1'), entity_id('org', 'R2'), effective => '2020-01-01')");
$s->query(qq(UPDATE load_stage_$batch SET "from" = '2021-01-01'));
is(load_batch($batch)->{inserted}, 1, 'no cycle when the other has ended');

# all rows bad, one row, none
$batch = stage('bad', map { { type => 'org', code => '', name => 'x' } } 1 .. 50);
is(load_batch($batch)->{rejected}, 50, 'all rows are bad');
fails($s, "SELECT load($batch, '$mapping', 'sales', max_errors => '49')", '22000', 'max_errors as a number', qr/load stopped: 50 of 50 rows rejected/);
fails($s, "SELECT load($batch, '$mapping', 'sales', max_errors => '99.9%')", '22000', 'as a part', qr/missing_code: 50/);
is(load_batch($batch, ", max_errors => '100%'")->{rejected}, 50, 'within the limit');
$batch = stage('none');
is(load_batch($batch)->{rows}, 0, 'an empty file');
fails($s, "SELECT load($batch, '$mapping', 'sales', 'full_snapshot')", '22000', 'not as a snapshot', qr/the full snapshot has no rows/);
is(load_batch($batch, ", mode => 'full_snapshot', dry_run => true")->{rows}, 0, 'but for a dry run');

# progress, cancel: nothing is left
$batch = $s->query("SELECT new_load_batch('big', '{type,code,name,npi,ptype,pcode,share,from}')");
$s->query(<<SQL);
INSERT INTO load_stage_$batch (type, code, name, ptype, pcode)
SELECT 'org', 'big' || n, 'name ' || n, CASE WHEN n > 1 THEN 'org' END, CASE WHEN n > 1 THEN 'big' || (n / 2) END FROM generate_series(1, 30000) n
SQL
my $before = counts();
my $other = session($node);
$other->query("SET search_path = hierarchy, public");
my (%phases, %moves);
$s->send("SELECT rows FROM load($batch, '$mapping', 'sales')");
for (1 .. 20000)
{
	my $row = $other->query("SELECT p.batch_id, p.phase, p.rows_total, c.relid::regclass, c.command, c.tuples_processed >= 0,
			p.rows_done > 0, p.rows_done <= p.rows_total
		FROM load_progress p JOIN pg_stat_progress_copy c USING (pid)");
	next if $row eq '';
	next if $row !~ /^$batch\|([^|]+)\|(?:0|30000)\|load_stage_$batch\|COPY FROM\|t\|(t|f)\|t$/;
	$phases{$1}++;
	$moves{$1}++ if $2 eq 't';
	last if $moves{'writing relationships'};
}
$other->query("SELECT pg_cancel_backend(pid) FROM load_progress");
my ($out, $err) = $s->wait;
like($err, qr/57014/, 'canceled');
ok(scalar(keys %phases) >= 2 && $phases{'writing relationships'}, 'progress was seen: ' . join(', ', sort keys %phases));
ok($moves{'writing relationships'}, 'rows were seen to move: ' . join(', ', sort keys %moves));
is(counts(), $before, 'cancel leaves nothing behind');
is($s->query("SELECT state FROM load_batch WHERE batch_id = $batch"), 'staging', 'the batch is as it was');
is($s->query("SELECT count(*) FROM pg_class WHERE relname LIKE 'load\\_%' AND relpersistence = 't'"), 0, 'no temporary tables');
is($other->query('SELECT count(*) FROM load_progress'), 0, 'no progress');
is(load_batch($batch)->{inserted}, 30000, 'and it can be loaded then');
is($s->query("SELECT count(*) FROM descendants('sales', entity_id('org', 'big1'))"), 29999, 'all of it');

# inside a transaction that rolls back, and twice in one
$before = counts();
$batch = stage('tx', { type => 'org', code => 'tx1', name => 'x' });
$s->query("BEGIN; SELECT load($batch, '$mapping', 'sales'); SELECT load($batch, '$mapping', 'sales'); ROLLBACK");
is(counts(), $before, 'rolled back');
is($s->query("SELECT current_setting('work_mem') || current_setting('jit')"), '4MBoff', 'settings are as they were');

# the same source at once: the second waits, and finds everything done
my $one = stage('twice', map { { type => 'org', code => "tw$_", name => 'x' } } 1 .. 20);
my $two = stage('twice', map { { type => 'org', code => "tw$_", name => 'x' } } 1 .. 20);
$s->query("BEGIN; SELECT load($one, '$mapping', 'sales')");
$other->send("SELECT inserted, unchanged FROM load($two, '$mapping', 'sales')");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") or die;
ok(!$other->done, 'a second load of the source waits');
$s->query('COMMIT');
($out, $err) = $other->wait;
is($out, '0|20', 'then it has nothing to do');

# a source that goes with its last batch while a new one comes, and the other way round
my $last = $s->query("SELECT new_load_batch('passing', '{code}')");
$s->query("BEGIN; SELECT drop_load_batch($last, false)");
$other->send("SELECT new_load_batch('passing', '{code}')");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") or die;
$s->query('COMMIT');
($last, $err) = $other->wait;
like($last, qr/^\d+$/, 'a new batch of a source that has just gone');
$s->query("BEGIN; SELECT new_load_batch('passing', '{code}')");
$other->send("SELECT drop_load_batch($last, false)");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") or die;
$s->query('COMMIT');
($out, $err) = $other->wait;
is($err, '', 'the last batch but for one that has just come');
is($s->query("SELECT count(*) FROM load_source WHERE source = 'passing'"), 1, 'the source is there');

# other sources at once, the same new entities, no hierarchy
$one = stage('left', map { { type => 'org', code => "lr$_", name => 'x' } } 1 .. 20);
$two = stage('right', map { { type => 'org', code => "lr$_", name => 'x' } } 1 .. 20);
my $plain = '{"entity_type": "type", "code": "code", "name": "name"}';
$s->query("BEGIN; SELECT load($one, '$plain')");
$other->send("SELECT inserted, unchanged, updated, rejected FROM load($two, '$plain')");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") or die;
$s->query('COMMIT');
($out, $err) = $other->wait;
is($out, '0|20|0|0', 'what another source has just added is found');
is($s->query("SELECT count(*) FROM entity_source JOIN entity USING (entity_id) WHERE code LIKE 'lr%'"), 40, 'both list them');

# an ordinary role that logged in: tables of batches are made for nobody else
$s->query(<<'SQL');
CREATE ROLE loader LOGIN;
CREATE ROLE stranger LOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA hierarchy TO loader, stranger;
GRANT INSERT, UPDATE, DELETE ON load_source, load_batch, load_reject, entity_source, relationship_source, entity, identifier, relationship TO loader;
SQL
my $role = HierarchyTest::Session->new($node->connstr('postgres') . ' user=loader');
my $stranger = HierarchyTest::Session->new($node->connstr('postgres') . ' user=stranger');
$_->query('SET search_path = hierarchy, public') foreach $role, $stranger;
my $mine = $role->query("SELECT new_load_batch('theirs', '{code}')");
$role->query("INSERT INTO load_stage_$mine (code) VALUES ('mine')");
is($role->query(qq(SELECT inserted FROM load($mine, '{"entity_type": {"value": "org"}, "code": "code"}'))), 1, 'an ordinary role loads');
is($s->query("SELECT relowner::regrole FROM pg_class WHERE relname = 'load_stage_$mine'"),
	$s->query("SELECT extowner::regrole FROM pg_extension WHERE extname = 'hierarchy'"), 'the owner of the extension owns the staging table');
fails($stranger, "SELECT new_load_batch('x', '{code}')", '42501', 'whoever may not add batches');
fails($stranger, "SELECT make_load_tables(1, '{code}', 'loader')", '42501', 'nor for a role that he is not');
fails($role, "SELECT make_load_tables(-1, '{code}', 'loader')", '42501', 'nor for a batch that is not there');
fails($stranger, "SELECT drop_load_batch($mine)", '42501', 'nor drop those of others');
fails($stranger, "SELECT drop_load_tables($mine, 'loader')", '42501', 'not in the name of another either');
fails($stranger, "SELECT * FROM load_rows($mine)", '42501', 'nor read them');
fails($stranger, 'SELECT new_entity_id()', '42501', 'nor take numbers of entities');
fails($stranger, "SELECT load_lock('crm', NULL, false)", '42501', 'nor lock a source');
$_->quit foreach $role, $stranger;

# a crash empties staging tables, and says so by their rows; what was loaded stays
$batch = stage('crash', { type => 'org', code => 'cr1', name => 'x' });
$before = counts();
my $pid = $other->query('SELECT pg_backend_pid()');
kill 9, $pid;
$other->quit;
eval { $s->quit; };
await_server($node, $pid);
$s = session($node);
$s->query('SET search_path = hierarchy, public');
is(counts(), $before, 'after a crash: what was loaded');
is(load_batch($batch)->{rows}, 0, 'the staging table is empty');

# a dump brings batches, rejects and provenance
my $dump = $node->backup_dir . '/load.sql';
my $rejects = $s->query('SELECT count(*) FROM load_reject');
my $sources = $s->query('SELECT count(*) FROM entity_source');
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'restore');
is($node->safe_psql('copy', 'SELECT (SELECT count(*) FROM hierarchy.load_reject), (SELECT count(*) FROM hierarchy.entity_source)'),
	"$rejects|$sources", 'rejects and sources');

is(server_died($node) =~ s/.*signal 9.*\n?//r, '', 'no other crash');
$s->quit;
$node->stop;
done_testing();
