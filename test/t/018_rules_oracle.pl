# The rules of relationships against plain SQL that looks at every day by
# itself: what check_hierarchy lists, what inserts are refused, and which of
# many random transactions may commit.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = seed();
my $node = start_node('rules_oracle');
my $s = session($node);

$s->query(<<"SQL");
SELECT setseed(@{[ $seed / 2**32 ]}) \\g /dev/null
SET client_min_messages = warning;
SET search_path = hierarchy, public;
INSERT INTO entity_type VALUES ('a'), ('b');
INSERT INTO entity (entity_id, entity_type, code, name)
	SELECT i, CASE WHEN i % 3 = 0 THEN 'b' ELSE 'a' END, i, 'entity ' || i FROM generate_series(1, 2000) i;
SELECT create_hierarchy('none') \\g /dev/null
SELECT create_hierarchy('full', share_mode => 'full', max_parents => 2) \\g /dev/null
SELECT create_hierarchy('split', share_mode => 'split', require_primary => true) \\g /dev/null
SELECT create_hierarchy('kinds', share_mode => 'split', require_primary => true, max_parents => 4, type_rules =>
	'[{"child": "a", "parent": "a", "max_parents": 1}, {"child": "b", "parent": "a", "max_parents": 2},
	  {"child": "a", "parent": "b"}, {"child": "b", "parent": "b", "max_parents": 1}]') \\g /dev/null

-- what is wrong, on which days; beyond these days nothing begins or ends
CREATE FUNCTION public.broken(h text) RETURNS TABLE (constraint_name text, child_id bigint, day date)
LANGUAGE sql SET search_path = hierarchy AS \$\$
	WITH on_day AS (
		SELECT r.*, d.day, c.entity_type AS child_type, p.entity_type AS parent_type
		FROM relationship r JOIN hierarchy USING (hierarchy_id)
			JOIN entity c ON c.entity_id = r.child_id JOIN entity p ON p.entity_id = r.parent_id
			JOIN generate_series('2019-12-28'::date, '2020-01-24', '1 day') g (t) ON true
			CROSS JOIN LATERAL (SELECT g.t::date AS day) d
		WHERE hierarchy.name = h AND r.valid \@> d.day)
	SELECT 'relationship_valid_excl', child_id, day FROM on_day GROUP BY child_id, parent_id, day HAVING count(*) > 1
	UNION
	SELECT 'relationship_max_parents_check', child_id, day FROM on_day
	GROUP BY child_id, day HAVING count(*) > (SELECT max_parents FROM hierarchy WHERE name = h)
	UNION
	SELECT 'relationship_max_parents_check', child_id, day
	FROM on_day JOIN relationship_rule USING (hierarchy_id, child_type, parent_type)
	GROUP BY child_id, day, parent_type, max_parents HAVING count(*) > max_parents
	UNION
	SELECT 'relationship_primary_check', child_id, day FROM on_day
	GROUP BY child_id, day HAVING count(*) FILTER (WHERE is_primary) > 1
	UNION
	SELECT 'relationship_require_primary_check', child_id, day FROM on_day
	GROUP BY child_id, day HAVING NOT bool_or(is_primary) AND (SELECT require_primary FROM hierarchy WHERE name = h)
	UNION
	SELECT 'relationship_share_sum_check', child_id, day FROM on_day
	GROUP BY child_id, day
	HAVING (abs(sum(share) - 1) > 0.000001 OR count(share) < count(*)) AND (SELECT share_mode = 'split' FROM hierarchy WHERE name = h)
\$\$;

-- the same as check_hierarchy tells it
CREATE FUNCTION public.days(detail text) RETURNS daterange LANGUAGE sql AS \$\$
	SELECT CASE
		WHEN detail ~ '^Valid' THEN substring(detail FROM '^Valid (\\S+) and')::daterange * substring(detail FROM ' and (\\S+)\\.\$')::daterange
		WHEN detail ~ '^From .* to .*:' THEN daterange(substring(detail FROM '^From (\\S+) to')::date, substring(detail FROM ' to (\\S+):')::date, '[]')
		WHEN detail ~ '^From' THEN daterange(substring(detail FROM '^From (\\S+) on:')::date, NULL)
		WHEN detail ~ '^Until' THEN daterange(NULL, substring(detail FROM '^Until (\\S+):')::date, '[]')
		WHEN detail ~ '^On every day' THEN '(,)'
		ELSE daterange(substring(detail FROM '^On (\\S+):')::date, substring(detail FROM '^On (\\S+):')::date, '[]')
	END
\$\$;
CREATE FUNCTION public.told(h text) RETURNS TABLE (constraint_name text, child_id bigint, day date)
LANGUAGE sql SET search_path = hierarchy, public AS \$\$
	SELECT DISTINCT c.constraint_name, c.child_id, g.t::date
	FROM check_hierarchy(h) c, generate_series('2019-12-28'::date, '2020-01-24', '1 day') g (t)
	WHERE days(c.detail) \@> g.t::date
\$\$;

-- random rows: few children, few parents, few days
CREATE FUNCTION public.pick(a anyarray) RETURNS anyelement LANGUAGE sql AS
	\$\$ SELECT a[1 + floor(random() * array_length(a, 1))::int] \$\$;
CREATE FUNCTION public.some_days() RETURNS daterange LANGUAGE plpgsql AS \$\$
DECLARE
	from_day date := pick('{NULL,2020-01-01,2020-01-04,2020-01-05,2020-01-10}'::date[]);
	to_day date := pick('{NULL,NULL,2020-01-04,2020-01-05,2020-01-10,2020-01-20}'::date[]);
BEGIN
	RETURN CASE WHEN from_day >= to_day THEN daterange(to_day, from_day + 1) ELSE daterange(from_day, to_day) END;
END
\$\$;
CREATE TABLE public.row_of AS
	SELECT 100 + g / 5 AS child_id, 1 + floor(random() * 6)::int AS parent_id, pick('{NULL,0,0.25,0.3,0.5,0.5,0.7,1,1,1,0.333333,0.333334}'::numeric[]) AS share,
		random() < 0.5 AS is_primary, some_days() AS valid
	FROM generate_series(0, 3999) g WHERE random() < 0.35;
DELETE FROM public.row_of a WHERE EXISTS
	(SELECT FROM public.row_of b WHERE b.ctid < a.ctid AND (b.child_id, b.parent_id, b.valid) = (a.child_id, a.parent_id, a.valid));
-- and some that keep all rules
INSERT INTO public.row_of SELECT 1000 + i, 1 + i % 6, 1, true, some_days() FROM generate_series(1, 100) i;
SQL

foreach my $h (qw(none full split kinds))
{
	my $share = $h eq 'none' ? 'NULL' : 'share';
	my $part = 'relationship_' . $s->query("SELECT hierarchy_id FROM hierarchy WHERE name = '$h'");
	my $id = $part =~ s/\D//gr;

	# what is refused, child by child
	$s->query(<<"SQL");
CREATE TABLE public.outcome (child_id bigint, constraint_name text);
DO \$\$
DECLARE
	child bigint;
	c text;
BEGIN
	FOR child IN SELECT DISTINCT child_id FROM public.row_of LOOP
		c := '';
		BEGIN
			INSERT INTO relationship (hierarchy_id, parent_id, child_id, share, is_primary, valid)
				SELECT $id, parent_id, child_id, $share, is_primary, valid FROM public.row_of WHERE child_id = child;
			SET CONSTRAINTS ALL IMMEDIATE;
		EXCEPTION WHEN integrity_constraint_violation THEN
			GET STACKED DIAGNOSTICS c = CONSTRAINT_NAME;
		END;
		SET CONSTRAINTS ALL DEFERRED;
		INSERT INTO public.outcome VALUES (child, c);
	END LOOP;
END
\$\$;
SQL
	is($s->query("SELECT count(*) FROM public.broken('$h')"), 0, "$h: nothing wrong got in");
	is($s->query("SELECT count(*) FROM check_hierarchy('$h')"), 0, "$h: nor does the list have any");

	# what is listed when all of it is there, and what was refused for it
	$s->query(<<"SQL");
DELETE FROM relationship WHERE hierarchy_id = $id;
ALTER TABLE $part DISABLE TRIGGER USER;
INSERT INTO relationship_$id (hierarchy_id, parent_id, child_id, share, is_primary, valid)
	SELECT $id, parent_id, child_id, $share, is_primary, valid FROM public.row_of;
CREATE TABLE public.b AS SELECT * FROM public.broken('$h');
CREATE TABLE public.t AS SELECT * FROM public.told('$h');
SQL
	is($s->query("SELECT (SELECT count(*) FROM (TABLE public.b EXCEPT ALL TABLE public.t) x), (SELECT count(*) FROM (TABLE public.t EXCEPT ALL TABLE public.b) x)"),
		'0|0', "$h: the list says the same, day by day");
	cmp_ok($s->query("SELECT count(DISTINCT child_id) FROM public.b"), '>', 100, "$h: many children break rules");
	is($s->query("SELECT count(*) FROM public.outcome o WHERE o.constraint_name = '' AND child_id IN (SELECT child_id FROM public.b)"),
		0, "$h: none of them was let in");
	is($s->query("SELECT count(*) FROM public.outcome o WHERE o.constraint_name <> ''
			AND (o.child_id, o.constraint_name) NOT IN (SELECT child_id, constraint_name FROM public.b)"),
		0, "$h: each was refused for one of the reasons listed");
	cmp_ok($s->query("SELECT count(*) FROM public.outcome WHERE constraint_name = ''"), '>=', 100, "$h: many got in");

	# children with what is wrong, a new statement at a time
	$s->query(<<"SQL");
DELETE FROM relationship WHERE hierarchy_id = $id;
DROP TABLE public.b, public.t, public.outcome;
SQL
	$s->query("ALTER TABLE $part ENABLE ALWAYS TRIGGER $_")
	  foreach split /\n/, $s->query("SELECT tgname FROM pg_trigger WHERE tgrelid = '$part'::regclass AND NOT tgisinternal");
}

# Statements of more rows than are checked at once, and than memory keeps: what
# is wrong with one row in the last batch is found, and so is what is wrong with
# a child whose rows are in several.
$s->query(<<'SQL');
SET maintenance_work_mem = '1MB';
SET work_mem = '64kB';
INSERT INTO entity (entity_id, entity_type, code, name, status)
	SELECT 10000 + i, 'a', 'many ' || i, 'many', CASE i WHEN 29999 THEN 'inactive' ELSE 'active' END FROM generate_series(0, 30000) i;
SELECT hierarchy_id AS h FROM hierarchy WHERE name = 'full' \gset
CREATE TABLE public.many AS SELECT i AS n, 1 + i / 10000 AS parent_id, 10000 + i % 10000 AS child_id, i / 10000 = 2 AS is_primary FROM generate_series(0, 29998) i;
SQL
my $insert = 'INSERT INTO relationship (hierarchy_id, parent_id, child_id, is_primary) SELECT :h, parent_id, child_id, is_primary FROM';
fails($s, "$insert (SELECT * FROM public.many WHERE n < 20000 UNION ALL SELECT 0, 20001, 39999, true) x", '23514', 'an inactive entity in the last row', qr/"many 29999" is inactive/);
fails($s, "$insert public.many", '23514', 'too many parents, in several batches', qr/has 3 parents in hierarchy "full", more than 2/);
fails($s, "$insert (SELECT n, parent_id, child_id, n IN (77, 10077) AS is_primary FROM public.many WHERE n < 20000) x", '23514', 'two primary ones, far apart', qr/"many 77" has 2 primary parents/);
$s->query("$insert public.many WHERE n >= 10000");
is($s->query('SELECT count(*) FROM relationship WHERE hierarchy_id = :h'), 19999, 'what is right gets in');
fails($s, 'UPDATE relationship SET child_id = child_id + 20001 WHERE hierarchy_id = :h AND parent_id = 2 AND child_id > 19990', '23514', 'moved to one that is not active', qr/"many 29999" is inactive/);
fails($s, "UPDATE entity SET status = 'inactive' WHERE entity_id >= 10000", '23514', 'entities that are in use');
fails($s, 'DELETE FROM entity WHERE entity_id >= 10000', '23503', 'nor can they be deleted');
$s->query('DELETE FROM relationship WHERE hierarchy_id = :h');
$s->query('DELETE FROM entity WHERE entity_id >= 10000');
$s->query('RESET maintenance_work_mem; RESET work_mem;');

# Random transactions, with savepoints and constraints set to and fro: they
# commit if and only if nothing is wrong in the end.
my $script = "SET search_path = hierarchy, public;\nSET client_min_messages = error;\n\\set ON_ERROR_ROLLBACK on\n\\set QUIET on\n";
my $splits = $s->query("SELECT hierarchy_id FROM hierarchy WHERE name = 'split'");
my $kinds = $s->query("SELECT hierarchy_id FROM hierarchy WHERE name = 'kinds'");

sub one_of { return $_[ int(rand(@_)) ]; }

sub statement
{
	my $id = one_of($splits, $splits, $kinds);
	my $child = 100 + int(rand(4));
	my $table = one_of('relationship', "relationship_$id");
	my $share = one_of('0.5', '0.5', '1', '0.3', '0.7');
	my $where = "hierarchy_id = $id AND child_id = $child";
	my $kind = int(rand(9));

	my $parent = 1 + int(rand(4));
	my $primary = one_of('true', 'false');
	my $valid = one_of("'(,)'", "'(,)'", 'some_days()');
	my $some = one_of('', ' AND parent_id = 1', ' AND parent_id > 2');
	my $other = $splits + $kinds - $id;
	my $child2 = 100 + int(rand(4));

	return "INSERT INTO $table (hierarchy_id, parent_id, child_id, share, is_primary, valid)
		VALUES ($id, $parent, $child, $share, $primary, $valid)" if $kind < 3;
	return "UPDATE $table SET share = $share WHERE $where$some" if $kind == 3;
	return "UPDATE $table SET share = s.x FROM (SELECT 1.0 / count(*) AS x FROM relationship WHERE $where) s WHERE $where" if $kind == 4;
	return "UPDATE $table SET is_primary = parent_id = (SELECT min(parent_id) FROM relationship WHERE $where) WHERE $where" if $kind == 5;
	return "DELETE FROM $table WHERE $where$some" if $kind == 6;
	return "UPDATE relationship SET hierarchy_id = $other WHERE $where" if $kind == 7;
	return "UPDATE $table SET child_id = $child2 WHERE $where";
}

my $transactions = long(200, 4000);
foreach my $i (1 .. $transactions)
{
	$script .= "BEGIN;\n";
	foreach my $j (1 .. 1 + int(rand(9)))
	{
		my $x = int(rand(12));

		$script .= $x == 0 ? "SAVEPOINT a;\n"
		  : $x == 1 ? "ROLLBACK TO a;\n"
		  : $x == 2 ? "RELEASE a;\n"
		  : $x == 3 ? "SET CONSTRAINTS ALL IMMEDIATE;\n"
		  : $x == 4 ? "SET CONSTRAINTS ALL DEFERRED;\n"
		  : statement() . ";\n";
	}
	$script .= "SELECT count(*) AS wrong FROM (TABLE wrongs) x \\gset\n";
	$script .= $i % 7 == 0 ? "PREPARE TRANSACTION 'p';\n\\echo :wrong :ERROR\nCOMMIT PREPARED 'p';\n" : "COMMIT;\n\\echo :wrong :ERROR\n";
}
$s->query("CREATE VIEW public.wrongs AS SELECT * FROM public.broken('split') UNION ALL SELECT * FROM public.broken('kinds')");
my ($out, $err);
IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ], '<', \$script, '>', \$out, '2>', \$err);
my @lines = grep { /^\d+ (true|false)$/ } split /\n/, $out;

note(scalar(grep { /false/ } @lines), ' of them committed');
is(scalar @lines, $transactions, 'all transactions came to an end');
is(scalar(grep { /^0 true/ } @lines), 0, 'nobody is refused who is right');
is(scalar(grep { /^[1-9]\d* false/ } @lines), 0, 'nobody commits who is wrong');
cmp_ok(scalar(grep { /^0 false/ } @lines), '>', 50, 'many commit');
cmp_ok(scalar(grep { /true/ } @lines), '>', 20, 'many do not');
is($s->query('SELECT count(*) FROM public.wrongs'), 0, 'nothing is wrong in the end');
is(scalar(grep { !/^(psql:.*)?(ERROR|DETAIL|HINT|WARNING|LOCATION|CONTEXT)|^\s|^Key|^$/ } split /\n/, $err), 0, 'nothing else was said');
unlike($err, qr/internal|XX000|was not looked up|unexpected/, 'no error is one of ours');

$s->quit;
$node->stop;
done_testing();
