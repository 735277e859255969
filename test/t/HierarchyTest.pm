# What the TAP tests share: a server with the extension, sessions that stay
# open, and the folder of the real data.

package HierarchyTest;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(start_node extension_conf session data_folder seed fails long
  milliseconds server_died await_server);

# Settings that every server of these tests runs with.  Statements are not
# logged: some are megabytes long.
sub extension_conf
{
	my ($node) = @_;

	$node->append_conf('postgresql.conf', <<'CONF');
log_statement = none
log_min_messages = warning
max_prepared_transactions = 5
autovacuum = off
shared_buffers = 64MB
jit = off
CONF
	return;
}

# start_node(name, settings): a running server with the extension in it.
sub start_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	extension_conf($node);
	$node->append_conf('postgresql.conf', $conf) if defined $conf;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION hierarchy CASCADE');
	return $node;
}

# session(node): a psql that stays connected.
sub session
{
	my ($node, $dbname) = @_;

	return HierarchyTest::Session->new($node->connstr($dbname // 'postgres'));
}

# data_folder(set): where a real data set is, or undef.
sub data_folder
{
	my ($set) = @_;
	my $here = dirname(File::Spec->rel2abs(__FILE__));

	foreach my $base ($ENV{HIERARCHY_TEST_DATA}, "$here/../../../shared/data")
	{
		next if !defined $base || $base eq '';
		return "$base/$set" if -r "$base/$set/oracle.json";
	}
	return;
}

# long(light, long): the size of a test, by the kind of run: "make test-faults"
# sets HIERARCHY_LONG.
sub long
{
	my ($light, $long) = @_;

	return $ENV{HIERARCHY_LONG} ? $long : $light;
}

# seed(): the seed of this run, printed so that a failure can be repeated.
sub seed
{
	my $seed = $ENV{HIERARCHY_SEED};

	$seed = int(rand(2**31)) if !defined $seed || $seed eq '';
	diag("HIERARCHY_SEED=$seed");
	srand($seed);
	return $seed;
}

# fails(session, sql, sqlstate, name[, pattern]): the statement must fail so,
# and say what pattern asks for.
sub fails
{
	my ($session, $sql, $sqlstate, $name, $pattern) = @_;
	my ($out, $err) = $session->try($sql);
	my ($got) = $err =~ /(?:ERROR|FATAL):  ([0-9A-Z]{5}):/;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	if (($got // 'no error') ne $sqlstate)
	{
		is($got // 'no error', $sqlstate, $name);
		diag(substr($out, 0, 500), substr($err, 0, 500));
	}
	elsif (defined $pattern)
	{
		like($err, $pattern, $name);
	}
	else
	{
		pass($name);
	}
	return $err;
}

# milliseconds(session, sql): how long the statement took in the server.
sub milliseconds
{
	my ($session, $sql) = @_;

	return $session->query(<<"SQL");
SELECT extract(epoch FROM clock_timestamp()) AS hierarchy_t0 \\gset
$sql \\g /dev/null
SELECT round((extract(epoch FROM clock_timestamp()) - :hierarchy_t0) * 1000, 3);
SQL
}

# server_died(node): did a process of the server crash?  Says which.
sub server_died
{
	my ($node) = @_;
	my @lines = grep { /was terminated by signal|PANIC|TRAP|AddressSanitizer/ }
	  split /\n/, slurp_file($node->logfile);

	return join "\n", @lines;
}

# await_server(node, pid): waits until a server that recovers from a crash, by
# the death of that process if one is named, lets sessions in again.
# (poll_query_until dies when a psql that was not let in has not read its input.)
sub await_server
{
	my ($node, $pid) = @_;

	foreach my $try (1 .. 1800)
	{
		my ($in, $out, $err) = ('', '', '');

		# For a moment the server does not know yet.
		if (defined $pid && slurp_file($node->logfile) !~ /\(PID $pid\) was terminated by signal.*ready to accept connections/s)
		{
			select(undef, undef, undef, 0.1);
			next;
		}
		return 1
		  if IPC::Run::run(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT' ],
			'<', \$in, '>', \$out, '2>', \$err);
		select(undef, undef, undef, 0.1);
	}
	die 'the server does not come back';
}

package HierarchyTest::Session;

use strict;
use warnings;

use IPC::Run;
use Test::More;

# new(connstr): connects; errors name the SQLSTATE.
sub new
{
	my ($class, $connstr) = @_;
	my $self = { in => '', out => '', err => '', n => 0 };

	$self->{timeout} = IPC::Run::timeout(
		HierarchyTest::long(1, 10) * $PostgreSQL::Test::Utils::timeout_default);
	$self->{run} = IPC::Run::start(
		[
			'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $connstr, '-f', '-'
		],
		'<', \$self->{in},
		'>', \$self->{out},
		'2>', \$self->{err},
		$self->{timeout});
	return bless $self, $class;
}

# send(sql): starts statements without waiting for them.
sub send
{
	my ($self, $sql) = @_;

	# Strings are bytes here; a pipe must not be left to find out.
	utf8::downgrade($sql);
	$self->{n}++;
	$self->{timeout}->start;
	$self->{in} .= "$sql\n;\n\\echo =done $self->{n}=\n\\warn =done $self->{n}=\n";
	$self->{run}->pump_nb;
	return;
}

# done(): has everything sent been answered?
sub done
{
	my ($self) = @_;
	my $mark = qr/=done $self->{n}=\n/;

	$self->{run}->pump_nb;
	return $self->{out} =~ $mark && $self->{err} =~ $mark;
}

# wait(): the output and the errors of what was sent.
sub wait
{
	my ($self) = @_;
	my $mark = qr/=done $self->{n}=\n/;

	until ($self->{out} =~ $mark && $self->{err} =~ $mark)
	{
		die "session ended: $self->{err}" if !$self->{run}->pumpable;
		$self->{run}->pump;
	}
	$self->{timeout}->reset;

	my ($out, $err) = ($self->{out}, $self->{err});
	$self->{out} = $self->{err} = '';
	s/=done \d+=\n//g foreach $out, $err;
	chomp($out, $err);
	return ($out, $err);
}

# try(sql): output and errors.
sub try
{
	my ($self, $sql) = @_;

	$self->send($sql);
	return $self->wait;
}

# query(sql): output; dies on an error.
sub query
{
	my ($self, $sql) = @_;
	my ($out, $err) = $self->try($sql);

	die "$err\nin: " . substr($sql, 0, 2000) if $err =~ /ERROR|FATAL|PANIC/;
	return $out;
}

# quit(): disconnects.
sub quit
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish; };
	return;
}

1;
