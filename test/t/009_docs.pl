# What the documentation shows is what comes out: runs every SQL block and
# compares with the block of output that follows it, or with the comments
# behind its statements ("; -- 42").

use strict;
use warnings;

use File::Basename;
use File::Spec;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(File::Spec->rel2abs(__FILE__)) . '/../..';
my $node = start_node('docs');
my $ntables = 0;

# blocks(file): the fenced blocks that are SQL, each with its line number and
# the output that follows, if any does.
sub blocks
{
	my ($file) = @_;
	my (@blocks, $fence, $last, $text, $gap);
	my $number = 0;

	foreach my $line (split /^/, slurp_file($file))
	{
		$number++;
		if ($line =~ /^\s*```(\w*)\s*$/)
		{
			if (!defined $fence)
			{
				($fence, $text) = ($1, '');
				$last = undef if $gap;
				push @blocks, $last = { line => $number } if $fence eq 'sql';
				next;
			}
			if ($fence eq 'sql')
			{
				$last->{sql} = $text;
				$gap = 0;
			}
			elsif ($fence eq '' && defined $last && !exists $last->{output})
			{
				$last->{output} = $text;
			}
			$fence = undef;
		}
		elsif (defined $fence)
		{
			$text .= $line;
		}
		elsif ($line =~ /\S/)
		{
			$gap = 1;
		}
	}
	return @blocks;
}

# tidy(text): without empty lines, blanks at the end of lines, and what psql
# says about where it was.
sub tidy
{
	my ($text) = @_;

	$text =~ s/^psql:\S+:\d+: //mg;
	$text =~ s/[ \t]+$//mg;
	$text =~ s/^\n//mg;
	$text =~ s/\n+\z//;
	return $text;
}

# check_output(session, block, name): the block prints what it says it prints.
sub check_output
{
	my ($s, $block, $name) = @_;

	$s->try('\pset format aligned \pset tuples_only off \pset footer off');
	my ($out, $err) = $s->try($block->{sql});
	is(tidy("$out\n$err"), tidy($block->{output}), $name);
	return;
}

# check_comments(session, block, name): no statement fails, and those with a
# comment that begins with a result have it.
sub check_comments
{
	my ($s, $block, $name) = @_;
	my $statement = '';
	my @problems;

	$s->try('\pset format unaligned \pset tuples_only on \pset fieldsep \', \'');
	foreach my $line (split /\n/, $block->{sql})
	{
		$statement .= "$line\n";
		next if $line !~ /;\s*(?:-- (.*))?$/;
		my $expected = $1;
		next if (() = $statement =~ /\$\$/g) % 2;    # in the body of a function
		my ($out, $err) = $s->try($statement);

		$out =~ s/\n/, /g;
		push @problems, "$statement$err" if $err =~ /ERROR/;
		push @problems, "$statement$out"
		  if defined $expected && ($out eq q{} || index($expected, $out) != 0);
		$statement = '';
	}
	push @problems, "not ended: $statement" if $statement =~ /\S/;
	is(join("\n", @problems), '', $name);
	return;
}

# check(file ...): files that go on where the one before stopped.
sub check
{
	my $database = "docs" . ++$ntables;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION hierarchy') if $_[0] ne 'README.md';
	my $s = session($node, $database);

	$s->query("SET search_path = public, hierarchy") if $_[0] ne 'README.md';
	$s->try('\set VERBOSITY default');
	foreach my $file (@_)
	{
		foreach my $block (blocks("$root/$file"))
		{
			my $name = "$file, line $block->{line}";

			if (exists $block->{output})
			{
				check_output($s, $block, $name);
			}
			else
			{
				check_comments($s, $block, $name);
			}
		}
	}
	$s->quit;
	return;
}

# whom doc/bi.md grants something
$node->safe_psql('postgres', 'CREATE ROLE analyst');

check('README.md');
check('doc/directory.md', 'doc/security.md');
check('doc/reference.md');
check('doc/rollup.md', 'doc/bi.md');
check('doc/loading.md');
check('doc/matching.md');

is(server_died($node), '', 'no process died');
done_testing();
