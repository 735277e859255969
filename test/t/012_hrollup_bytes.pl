# Damaged values of type hrollup through binary receive: each is refused with a
# proper SQLSTATE, or is a rollup whose text can be read again.

use strict;
use warnings;

use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = seed();
my $node = start_node('bytes');
my $s = session($node);
my $file = $node->data_dir . '/hrollup.bin';

# Rollups of every kind of values and keys; the last ones hold numerics, of
# which a collector of 128-bit integers knows nothing.
$s->query(<<'SQL');
SET search_path = hierarchy, public;
CREATE TABLE public.ints (parent int, child int, share numeric);
CREATE INDEX ints_graph ON public.ints USING hgraph (parent, child) INCLUDE (share) WITH (weight = 'share');
INSERT INTO public.ints VALUES (1, 2, 1), (1, 3, 1), (2, 4, 0.3), (3, 4, 0.7), (4, 5, 1);
CREATE TABLE public.words (parent text, child text);
CREATE INDEX words_graph ON public.words USING hgraph (parent, child);
INSERT INTO public.words VALUES ('top', 'mid'), ('mid', 'größe'), ('mid', '');
CREATE TABLE public.things (parent uuid, child uuid);
CREATE INDEX things_graph ON public.things USING hgraph (parent, child);
INSERT INTO public.things VALUES ('00000000-0000-0000-0000-000000000001', 'ffffffff-0000-0000-0000-000000000002');
CREATE TABLE public.good (n serial, r hrollup);
CREATE TABLE public.received (r hrollup);
INSERT INTO good (r) SELECT rollup('ints', i) FROM generate_series(2, 6) i;
INSERT INTO good (r) SELECT rollup('ints', i, i * 1000.25, 'weighted') FROM generate_series(2, 6) i;
INSERT INTO good (r) SELECT rollup('ints', i, i / 3.0::float8) FROM generate_series(2, 6) i;
INSERT INTO good (r) SELECT rollup('words', w, 1.5) FROM unnest('{größe,mid,"",x}'::text[]) w;
INSERT INTO good (r) SELECT rollup('things', child, 7) FROM things;
INSERT INTO good (r) SELECT rollup('ints', i, 1e40 + i * 1e-5) FROM generate_series(2, 6) i;
INSERT INTO good (r) SELECT rollup('ints', i, CASE i WHEN 2 THEN 'NaN'::numeric WHEN 4 THEN '-Infinity' ELSE i END)
	FROM generate_series(2, 6) i;
INSERT INTO good (r) SELECT rollup('words', w, 1e40 + 1e-5) FROM unnest('{größe,mid,""}'::text[]) w;

CREATE FUNCTION public.receive(image bytea, file text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	again hrollup;
	texts text[];
BEGIN
	-- What a transaction deletes stays in its way; TRUNCATE takes longer.
	IF random() < 0.01 THEN
		TRUNCATE received;
	ELSE
		DELETE FROM received;
	END IF;
	EXECUTE format('COPY (SELECT %L::bytea) TO %L (FORMAT binary)', image, file);
	BEGIN
		EXECUTE format('COPY received FROM %L (FORMAT binary)', file);
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END;
	-- It was taken: then everything must work.
	SELECT r::text::hrollup, ARRAY[r::text, r::text::hrollup::text] INTO again, texts FROM received;
	IF texts[1] <> texts[2] THEN
		RETURN 'another text: ' || image::text;
	END IF;
	PERFORM count(*) FROM received, each_stats(r, NULL::text);
	PERFORM (reconcile(r)).*, (unmatched(r)).* FROM received;
	BEGIN
		PERFORM r + again FROM received;
		PERFORM count(*) FROM received, compare_rollup(r, again, NULL::text);
	EXCEPTION WHEN numeric_value_out_of_range THEN
		RETURN 'too large to add';
	END;
	RETURN 'good';
END $$;

-- One mutation: bits flipped, bytes set, cut, moved or taken from another image.
CREATE FUNCTION public.mutate(image bytea, other bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	len int := length(image);
	pos int := floor(random() * len);
	part int := 1 + floor(random() * 20);
BEGIN
	CASE floor(random() * 7)
		WHEN 0 THEN RETURN set_bit(image, pos * 8 + (random() * 7)::int, (random() < 0.5)::int);
		WHEN 1 THEN RETURN set_byte(image, pos, floor(random() * 256)::int);
		WHEN 2 THEN RETURN set_byte(image, pos, (ARRAY[0, 1, 2, 16, 127, 128, 255])[1 + floor(random() * 7)::int]);
		WHEN 3 THEN RETURN substr(image, 1, pos);
		WHEN 4 THEN RETURN substr(image, 1, pos) || substr(image, pos + part);
		WHEN 5 THEN RETURN overlay(image PLACING substr(other, 1 + floor(random() * length(other))::int, part) FROM pos + 1);
		ELSE RETURN overlay(image PLACING decode(repeat((ARRAY['00', 'ff', '7f', '80'])[1 + floor(random() * 4)::int], part), 'hex')
			FROM pos + 1 FOR part);
	END CASE;
END $$;
SQL

is($s->query("SELECT string_agg(DISTINCT receive(hrollup_send(r), '$file'), ' ') FROM good"),
	'good', 'whole ones are taken');

# One bit changed, of every image: some of the bits, other ones each time, or all
my $one_in = long(23, 1);
my %bits = map { $_ => 1 } split /\n/, $s->query(<<"SQL");
SELECT DISTINCT receive(set_bit(b, bit, 1 - get_bit(b, bit)), '$file')
FROM (SELECT n, hrollup_send(r) AS b FROM good) x, generate_series(0, length(b) * 8 - 1) bit
WHERE (n + bit + $seed) % $one_in = 0
SQL
my $unexpected = join ' ', grep { !/^(good|too large to add|22P03|22003|22021)$/ } sort keys %bits;
is($unexpected, '', 'one bit changed') or diag($unexpected);
ok($bits{'22P03'} && $bits{good}, 'some are refused, some are rollups');

# Up to six random changes
my $outcomes = $s->query(<<"SQL");
SELECT setseed(($seed % 1000) / 1000.0) \\g /dev/null
WITH RECURSIVE m AS (
	SELECT i, 0 AS step, (SELECT hrollup_send(r) FROM good WHERE n = 1 + i % (SELECT max(n) FROM good)) AS b
	FROM generate_series(1, @{[ long(300, 10000) ]}) i
	UNION ALL
	SELECT i, step + 1, mutate(b, (SELECT hrollup_send(r) FROM good WHERE n = 1 + (i / 7) % (SELECT max(n) FROM good)))
	FROM m WHERE step < 6 AND length(b) > 0)
SELECT outcome, count(*) FROM (SELECT receive(b, '$file') AS outcome FROM m WHERE step > 0) x GROUP BY outcome ORDER BY outcome
SQL
$unexpected = join "\n", grep { !/^(good|too large to add|22P03|22003|22021)\|/ } split /\n/, $outcomes;
is($unexpected, '', 'random changes') or diag($unexpected);
note($outcomes);

# A value of a few bytes must not claim memory for billions of rows.
my $few = $s->query("SELECT encode(hrollup_send(r), 'hex') FROM good WHERE n = 1");
foreach my $rows (qw(ffffffff ffffff7f 00000080))
{
	my $claim = $few;

	substr($claim, 20, 8) = $rows;
	is($s->query("SELECT receive('\\x$claim', '$file')"), '22P03', "$rows rows in a few bytes");
}

is(server_died($node), '', 'the server is alive');
is($s->query("SELECT string_agg(DISTINCT receive(hrollup_send(r), '$file'), ' ') FROM good"),
	'good', 'and all is well');
$s->quit;
$node->stop('fast');
done_testing();
