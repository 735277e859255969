# What random tests share: choices, and the search for what is left of a failing
# test when all that does not matter is taken away.

package HierarchyRandom;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(pick chance weighted minimise);

# pick(list): one of them.
sub pick { return $_[ int(rand(@_)) ]; }

# chance(p): true in so many cases.
sub chance { return rand() < $_[0]; }

# weighted(choices): one of [ weight, ... ].
sub weighted
{
	my $total = 0;

	$total += $_->[0] foreach @_;
	my $r = rand($total);
	foreach my $choice (@_)
	{
		return $choice if ($r -= $choice->[0]) < 0;
	}
	return $_[-1];
}

# minimise(list, fails, seconds): a part of the list, in its order, that still
# fails, and none of whose elements can be left out (delta debugging, as Zeller
# describes it), unless time runs out.
sub minimise
{
	my ($list, $fails, $seconds) = @_;
	my @left = @$list;
	my $parts = 2;
	my $end = time + $seconds;

	while (@left >= 2 && time < $end)
	{
		my $size = int((@left + $parts - 1) / $parts);
		my $smaller;

		for (my $i = 0; $i < @left && !$smaller && time < $end; $i += $size)
		{
			my @rest = @left;

			splice @rest, $i, $size;
			$smaller = \@rest if @rest > 0 && $fails->(@rest);
		}
		if ($smaller)
		{
			@left = @$smaller;
			$parts = $parts > 2 ? $parts - 1 : 2;
		}
		elsif ($size == 1)
		{
			last;
		}
		else
		{
			$parts = 2 * $parts < @left ? 2 * $parts : @left;
		}
	}
	return @left;
}

1;
