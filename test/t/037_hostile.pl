# Objects that somebody has planted are never found: before CREATE EXTENSION, by
# any function, during a restore.  Who installs the extension as the owner of a
# database becomes no more than that, and everything works for him.

use strict;
use warnings;

use File::Basename;
use File::Spec;
use HierarchyCalls;
use HierarchyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('hostile');
my $root = dirname(File::Spec->rel2abs(__FILE__)) . '/../..';
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE dbo LOGIN; CREATE ROLE mallory LOGIN;
CREATE DATABASE planted OWNER dbo; CREATE DATABASE early OWNER dbo;
SQL

# run(database, role, sql): all that psql has to say
sub run
{
	my ($database, $role, $sql) = @_;
	my ($out, $err);

	$node->psql($database, $sql, on_error_stop => 0, stdout => \$out, stderr => \$err, extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	return "$out\n$err";
}

# Everything that pg_catalog has, once more: functions, operators and aggregates
# of the same arguments, types and relations of the same names, and casts that
# need not be asked for.  Each tells when it is used.
my $plant = <<'SQL';
CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
DO $$
DECLARE
	f record;
	n integer[] := '{0,0,0,0,0}';
	named text;
BEGIN
	FOR f IN
		SELECT p.oid, p.prokind AS kind, p.proname AS name, p.proretset, p.prorettype::regtype AS result,
			(SELECT coalesce(string_agg(CASE WHEN p.provariadic <> 0 AND o = p.pronargs AND p.prokind = 'f' THEN 'VARIADIC ' ELSE '' END || format_type(t, NULL), ', ' ORDER BY o), '')
				FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u (t, o)) AS args
		FROM pg_proc p LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
		WHERE pronamespace = 'pg_catalog'::regnamespace AND (prokind = 'f' OR a.aggkind = 'n') AND p.proname !~ '^(binary_upgrade|pg_replication|pg_logical|pg_stat_|ts|gin|gist|spg|brin|ri_|bt|hash)'
			AND NOT ARRAY['internal'::regtype, 'cstring'] && (p.proargtypes::oid[] || p.prorettype)::regtype[]
			AND p.prorettype::regtype NOT IN ('trigger', 'event_trigger', 'language_handler', 'fdw_handler', 'index_am_handler', 'table_am_handler', 'tsm_handler')
	LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s %s LANGUAGE plpgsql AS %L',
				CASE WHEN f.kind = 'f' THEN f.name ELSE 'a' || f.oid END, CASE WHEN f.kind = 'f' THEN f.args ELSE concat_ws(', ', 'boolean', nullif(f.args, '')) END,
				CASE WHEN f.proretset THEN 'SETOF ' END, CASE WHEN f.kind = 'f' THEN f.result::text ELSE 'boolean' END,
				format('BEGIN RAISE WARNING ''planted function %%'', %L; RETURN%s; END', f.name, CASE WHEN f.proretset OR f.result = 'void'::regtype AND f.kind = 'f' THEN '' ELSE ' NULL' END));
			IF f.kind = 'a' THEN
				EXECUTE format('CREATE AGGREGATE evil.%I(%s) (SFUNC = evil.a%s, STYPE = boolean)', f.name, coalesce(nullif(f.args, ''), '*'), f.oid);
			END IF;
			n[1] := n[1] + 1;
		EXCEPTION WHEN OTHERS THEN NULL;	-- a few have no twins in plpgsql
		END;
	END LOOP;
	FOR f IN SELECT oid, oprname, CASE WHEN oprleft <> 0 THEN oprleft::regtype END AS l, oprright::regtype AS r, oprresult::regtype AS result
		FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace
	LOOP
		EXECUTE format('CREATE FUNCTION evil.o%s(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.oid, concat_ws(', ', f.l, f.r), f.result,
			format('BEGIN RAISE WARNING ''planted operator %%'', %L; RETURN NULL; END', f.oprname));
		EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.o%s %s, RIGHTARG = %s)', f.oprname, f.oid, ', LEFTARG = ' || f.l, f.r);
		n[2] := n[2] + 1;
	END LOOP;
	FOR f IN SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r') AND typname !~ '^_' LOOP
		BEGIN
			EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.text CHECK (value IS NULL)', f.typname);
			n[3] := n[3] + 1;
		EXCEPTION WHEN duplicate_object THEN NULL;
		END;
	END LOOP;
	CREATE TYPE evil.twin AS (a int);
	FOREACH named IN ARRAY ARRAY['text', 'int8', 'int4', 'numeric', 'date', 'daterange', 'regclass', 'oid', 'jsonb', 'name', 'bool', 'uuid', 'timestamptz'] LOOP
		EXECUTE format('CREATE FUNCTION evil.twin_of_%s(pg_catalog.%1$I) RETURNS evil.twin LANGUAGE plpgsql AS %L', named, 'BEGIN RAISE WARNING ''planted cast''; RETURN ROW(1); END');
		EXECUTE format('CREATE FUNCTION evil.twin_as_%s(evil.twin) RETURNS pg_catalog.%1$I LANGUAGE plpgsql AS %L', named, 'BEGIN RAISE WARNING ''planted cast''; RETURN NULL; END');
		EXECUTE format('CREATE CAST (pg_catalog.%1$I AS evil.twin) WITH FUNCTION evil.twin_of_%1$s(pg_catalog.%1$I) AS IMPLICIT', named);
		EXECUTE format('CREATE CAST (evil.twin AS pg_catalog.%1$I) WITH FUNCTION evil.twin_as_%1$s(evil.twin) AS IMPLICIT', named);
	END LOOP;
	FOR f IN SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v') LOOP
		EXECUTE format('CREATE VIEW evil.%I AS SELECT 1 AS planted', f.relname);
	END LOOP;
	FOR f IN SELECT unnest(ARRAY['entity', 'relationship', 'hierarchy', 'change_log', 'identifier', 'load_batch', 'load_line']) AS name LOOP
		EXECUTE format('CREATE TABLE evil.%I (planted int)', f.name);
	END LOOP;
	RAISE WARNING 'made % functions, % operators, % types', n[1], n[2], n[3];
END
$$;
SQL

my ($functions, $operators) = run('planted', 'dbo', $plant) =~ /made (\d+) functions, (\d+) operators/;
cmp_ok($functions // 0, '>', 1000, 'functions are planted');
cmp_ok($operators // 0, '>', 500, 'operators are planted');
foreach my $database ('app', 'target')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE planted OWNER dbo");
	run($database, 'dbo', "ALTER DATABASE $database SET search_path = evil, pg_catalog, public; GRANT CREATE ON DATABASE $database TO mallory");
}
like(run('app', 'mallory', 'SELECT lower(\'A\'), 1 = 1, count(*), \'a\'::pg_catalog.text::evil.twin'), qr/planted function lower.*planted operator =.*planted cast/s, '... and found by who does not qualify names');

# The same session has temporary relations and types of names that we use.
my $temporary = join ' ', (map { "CREATE TEMP TABLE $_ (planted int);" } qw(entity hierarchy relationship change_log pg_class pg_proc pg_extension)),
  (map { "CREATE DOMAIN pg_temp.$_ AS pg_catalog.text CHECK (value IS NULL);" } qw(hgraph regclass regrole int8 daterange hrollup));
my $installed = run('app', 'dbo', "$temporary CREATE EXTENSION hierarchy;");
unlike($installed, qr/planted|ERROR/, 'the owner of a database installs the extension, and nothing planted is found') or diag($installed);
{
	my $setup = run('app', 'dbo', 'SET search_path = pg_catalog; ' . calls_setup());

	unlike($setup, qr/ERROR|planted/, '... makes tables, graphs, a directory') or diag($setup);
}

# Every function, under a search_path that has the planted ones first
{
	my @calls = ((map { $_->[1] } map({ calls_graph($_, 'all') } 'bigint', long(0, 1) ? 'uuid' : ()), calls_graph('text', 'all'), calls_directory(), calls_pure()));
	my $said = run('app', 'dbo', join "\n", $temporary, map { my $call = $_; "DO 'BEGIN RAISE WARNING ''call''; END'; $call;" } @calls);
	my @planted = $said =~ /(WARNING: .*planted.*)/g;
	my @errors = $said =~ /(.*ERROR: .*\n.*)/g;
	my $n = () = $said =~ /WARNING:  01000: call/g;

	is($n, scalar(@calls), 'every function is called');
	is_deeply(\@planted, [], 'no function finds anything planted');
	is_deeply(\@errors, [], 'every function works for the owner of the database') or diag(@errors);
}

# Policies and predicates are parts of queries that we make.
{
	my $said = run('app', 'dbo', <<'SQL');
SET search_path = pg_catalog;
CREATE TABLE lab.part (p bigint, c bigint, kind text);
INSERT INTO lab.part VALUES (1, 2, 'a'), (2, 3, 'b'), (3, 4, 'A');
CREATE INDEX part_graph ON lab.part USING hgraph (p, c) WHERE lower(kind) = 'a' AND c > 0;
CREATE POLICY even ON lab.part USING (lower(kind) = 'a' AND c % 2 = 0);
ALTER TABLE lab.part ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SET search_path = evil, pg_catalog;
SELECT * FROM hierarchy.closure('lab.part_graph', NULL::pg_catalog.int8) ORDER BY 1, 2;
ALTER TABLE lab.part DISABLE ROW LEVEL SECURITY;
SELECT * FROM hierarchy.verify('lab.part_graph');
REINDEX INDEX lab.part_graph;
SQL
	unlike($said, qr/planted|ERROR/, 'nor do queries for the subject of a policy') or diag($said);
	like($said, qr/^1\|2\|1\|.*^3\|4\|1\|/ms, '... which give his rows');
}

# Not more than the owner of a database
is(run('app', $superuser, <<'SQL'), "\n", 'what runs with the rights of its owner belongs to who installed it, the code to the superuser');
SET search_path = pg_catalog;
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'hierarchy'::regnamespace AND (p.proowner::regrole::text = 'dbo') <> p.prosecdef;
SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'hierarchy'::regnamespace AND c.relowner::regrole::text <> 'dbo';
SELECT evtname FROM pg_event_trigger WHERE evtowner::regrole::text = 'dbo';
SQL
like(run('app', 'dbo', $_), qr/ERROR:  42501/, "refused: $_")
  foreach "CREATE OR REPLACE FUNCTION hierarchy.fill_graphs() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
  "ALTER FUNCTION hierarchy.fill_graphs() OWNER TO dbo", 'ALTER EVENT TRIGGER hierarchy_graphs DISABLE', "ALTER EXTENSION hierarchy DROP FUNCTION hierarchy.fill_graphs()",
  "CREATE OR REPLACE FUNCTION hierarchy.hgraph_in(cstring) RETURNS hierarchy.hgraph LANGUAGE internal AS 'oidin'",
  "UPDATE pg_catalog.pg_proc SET proowner = 0 WHERE proname = 'x'";

# Code of his on his tables never runs as a superuser who only looks after the
# database: that the event trigger, verify() and indexes get to.
{
	my $said = run('app', 'dbo', <<'SQL');
SET search_path = pg_catalog;
CREATE FUNCTION lab.tell(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE WARNING ''told as %'', current_user; RETURN true; END';
CREATE FUNCTION lab.tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE WARNING ''told as %'', current_user; RETURN NEW; END';
CREATE INDEX ON hierarchy.hierarchy (graph, lab.tell(name)) WHERE lab.tell(name);
ALTER TABLE hierarchy.hierarchy ADD CHECK (lab.tell(name));
CREATE TRIGGER tell BEFORE UPDATE ON hierarchy.hierarchy FOR EACH ROW EXECUTE FUNCTION lab.tell();
ALTER TABLE hierarchy.hierarchy ENABLE ALWAYS TRIGGER tell;
CREATE POLICY tell ON hierarchy.hierarchy USING (lab.tell(name));
ALTER TABLE hierarchy.hierarchy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE lab.odd (p bigint, c bigint);
INSERT INTO lab.odd VALUES (1, 2), (2, 3);
CREATE INDEX odd_graph ON lab.odd USING hgraph (p, c) WHERE lab.tell(c);
SQL
	my $care = "SET search_path = pg_catalog; SELECT * FROM hierarchy.verify('lab.odd'); DROP INDEX hierarchy.tree;
		DO 'BEGIN RAISE WARNING ''trigger''; END';
		CREATE INDEX tree ON hierarchy.relationship_1 USING hgraph (parent_id, child_id) INCLUDE (share, valid, is_primary, label)
			WITH (weight = 'share', validity = 'valid', is_primary = 'is_primary', label = 'label');
		DO 'BEGIN RAISE WARNING ''others''; END';
		ALTER TABLE hierarchy.relationship ALTER COLUMN attributes TYPE jsonb USING coalesce(attributes, '{}'); REINDEX TABLE hierarchy.relationship_1;
		REINDEX INDEX CONCURRENTLY hierarchy.tree; REINDEX TABLE lab.odd; VACUUM (FULL, ANALYZE) lab.odd; ANALYZE hierarchy.hierarchy;";

	unlike($said, qr/ERROR/, 'code is on the tables') or diag($said);
	$said = run('app', $superuser, $care);
	unlike($said, qr/ERROR/, 'a superuser looks after the database');
	my %as = map { $_ => 1 } $said =~ /told as (\w+)/g;
	is_deeply([ keys %as ], ['dbo'], '... and runs nothing of the owner but as the owner') or diag($said);
	like($said, qr/01000: trigger.*told as dbo.*01000: others/s, '... also in the event trigger, which writes a row');
	run('app', 'dbo', 'DROP FUNCTION lab.tell(anyelement) CASCADE; DROP FUNCTION lab.tell() CASCADE; ALTER TABLE hierarchy.hierarchy DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
		REINDEX INDEX hierarchy.tree');
}

# Anybody with a schema of his own: tables that look like those of the directory
{
	my $said = run('app', 'mallory', <<'SQL');
SET search_path = pg_catalog;
CREATE SCHEMA mallory;
CREATE TABLE mallory.entity (entity_id bigint PRIMARY KEY, entity_type text, code text, name text, status text, merged_into bigint);
CREATE TABLE mallory.relationship (hierarchy_id int, parent_id bigint, child_id bigint) PARTITION BY LIST (hierarchy_id);
CREATE TABLE mallory.relationship_1 PARTITION OF mallory.relationship FOR VALUES IN (1);
CREATE INDEX of_mallory ON mallory.relationship_1 USING hgraph (parent_id, child_id);
INSERT INTO mallory.entity VALUES (1), (2);
INSERT INTO mallory.relationship VALUES (1, 1, 2);
INSERT INTO mallory.relationship VALUES (1, 2, 1);
SQL
	like($said, qr/ERROR:  23514: cycle in graph "of_mallory".*1 → 2 → 1/s, 'tables of the same names elsewhere are none of the directory');

	# our triggers on a table of his
	my $log = $node->safe_psql('app', "SELECT pg_catalog.count(*) FROM hierarchy.change_log");
	my $s = session($node, 'app');
	$s->query('SET SESSION AUTHORIZATION mallory; SET search_path = pg_catalog');
	foreach my $function (split /\n/, $s->query("SELECT proname FROM pg_proc WHERE pronamespace = 'hierarchy'::regnamespace AND prorettype = 'trigger'::regtype ORDER BY 1"))
	{
		my @useful;

		foreach my $trigger ("AFTER INSERT ON mallory.t REFERENCING NEW TABLE AS n FOR EACH STATEMENT", 'AFTER INSERT ON mallory.t FOR EACH ROW',
			'BEFORE INSERT ON mallory.t FOR EACH STATEMENT', 'BEFORE INSERT ON mallory.t FOR EACH ROW', 'BEFORE TRUNCATE ON mallory.t')
		{
			my ($out, $err) = $s->try("CREATE TABLE mallory.t (hierarchy_id int, entity_id bigint, parent_id bigint, child_id bigint, entity_type text,
					code text, name text, scheme text, value text, status text, merged_into bigint, pattern text, relationship_type text);
				CREATE TRIGGER t $trigger EXECUTE FUNCTION hierarchy.$function(); INSERT INTO mallory.t VALUES (1, 990001, 990001, 990001); TRUNCATE mallory.t; DROP TABLE mallory.t");

			# restore_keys does nothing, but for the owner of the table
			push @useful, "$trigger: $err" if ($err !~ /ERROR/ && $function ne 'restore_keys') || $err =~ /secret/i;
		}
		is_deeply(\@useful, [], "trigger function $function is no use to others");
	}
	$s->quit;
	is($node->safe_psql('app', "SELECT pg_catalog.count(*) FROM hierarchy.change_log"), $log, '... and nothing of it is in the log');
	is(server_died($node), '', 'no process has died');
}

# Functions with the rights of their owner: the list of doc/security.md is whole,
# each has a fixed search_path, and is for those whom the owner lets.
{
	my $doc = slurp_file("$root/doc/security.md");
	my ($section) = $doc =~ /^## Functions with other rights than their caller's\n(.*?)^## /ms;
	my @listed = sort $section =~ /^\| `(\w+)`/mg;
	my @there = split /\n/, run('app', $superuser, "SET search_path = pg_catalog; SELECT DISTINCT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'hierarchy'::regnamespace ORDER BY 1");

	is_deeply(\@listed, [ grep { $_ ne '' } @there ], 'doc/security.md lists every SECURITY DEFINER function');
	is(run('app', $superuser, <<'SQL'), "\n", '... each with a search_path that others cannot get into');
SET search_path = pg_catalog;
SELECT p.oid::regprocedure FROM pg_proc p WHERE prosecdef AND pronamespace = 'hierarchy'::regnamespace
	AND NOT coalesce('search_path=pg_catalog, hierarchy, pg_temp' = ANY (proconfig), false);
SQL
	is(run('app', $superuser, <<'SQL'), "drop_load_tables\nmake_load_tables\n", '... and most may not be called by everybody');
SET search_path = pg_catalog;
SELECT p.proname FROM pg_proc p WHERE prosecdef AND pronamespace = 'hierarchy'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE') ORDER BY 1;
SQL
	like(run('app', 'mallory', "SELECT hierarchy.$_"), qr/ERROR:  42501/, "refused: $_")
	  foreach "create_hierarchy('x')", "create_hierarchy_from_template('x')", "make_partition(77, 'x')", "rename_hierarchy('tree', 'x')", "drop_hierarchy('tree', true)",
	  "make_load_tables(2, '{Code,Name,Type,Parent}', 'dbo')", "make_load_tables(2, '{Code,Name,Type,Parent}', 'mallory')", "drop_load_tables(2, 'mallory')", "drop_load_tables(2, 'dbo')";

	# a pool of connections logs in as one who may become any of its users
	run('app', $superuser, <<'SQL');
CREATE ROLE pool LOGIN; CREATE ROLE one; CREATE ROLE two; GRANT one, two TO pool;
GRANT SELECT, INSERT, UPDATE, DELETE ON hierarchy.load_batch, hierarchy.load_source, hierarchy.load_reject TO one, two;
SQL
	my ($batch) = run('app', 'pool', "SET ROLE two; SELECT hierarchy.new_load_batch('of two', '{a}')") =~ /^(\d+)/;
	like(run('app', 'pool', "SET ROLE one; SELECT hierarchy.drop_load_tables($batch, '$_')"), qr/ERROR:  42501/, "one cannot drop the batch of another as $_") foreach 'two', 'one', 'pool';
	like(run('app', 'pool', "SET ROLE one; SELECT * FROM hierarchy.load_stage_$batch"), qr/ERROR:  42501/, 'nor read it');
	unlike(run('app', 'pool', "SET ROLE two; SELECT hierarchy.drop_load_batch($batch)"), qr/ERROR/, '... who can');
}

# Texts that would be commands if they were not quoted, in place of every text in
# a call of every function
{
	my @nasty = (q{'"; SELECT nextval('lab.canary'); --}, q{$$ || nextval('lab.canary') || $$}, q{a.b;"c".'d'\e%s%I%1$s$1{f,"g"}},
		q{' || nextval('lab.canary') || '}, 'select', "A\tb\nc /* --", '%n%', q{x"); SELECT nextval('lab.canary');/*}, '\\', 'x' x 63, "\xc3\xa9" x 31 . 'x', '""');
	my $s = session($node, 'app');
	my ($tried, @executed, @syntax) = (0);

	$s->query('SET search_path = pg_catalog; CREATE SEQUENCE lab.canary');
	# put_back() takes rows of the log, whose columns are those of the table
	foreach my $call (map { $_->[1] } grep { $_->[0] ne 'put_back' } calls_directory(), calls_pure(), calls_graph('text', 'all'))
	{
		my @parts = split /('(?:[^']|'')*')/, $call;

		foreach my $i (grep { $_ % 2 == 1 } 0 .. $#parts)
		{
			# what takes a condition takes a condition
			next if $parts[$i] =~ /OPERATOR\(/;
			foreach my $turn (1 .. long(1, scalar @nasty))
			{
				my $text = $nasty[ $tried++ % @nasty ];
				my $within = $text =~ s/(["\\])/\\$1/gr;
				my $was = $parts[$i];
				my $new = $text;

				# in an array or a document, in place of each text in it
				$within =~ s/\t/\\t/g, $within =~ s/\n/\\n/g, $new = $was =~ s/^'|'$//gr, $new =~ s/"[^"]*"/"$within"/g if $was =~ /^'[\[{].*"/s;
				$new = "{\"$within\"}" if $was =~ /^'\{\w[^"]*\}'$/;
				$parts[$i] = q{'} . $new =~ s/'/''/gr . q{'};
				my ($out, $err) = $s->try('BEGIN; ' . join('', @parts) . '; ROLLBACK');
				push @syntax, join('', @parts) . "\n$err" if $err =~ /ERROR:  (?:42601|XX000|42P02)/;
				push @executed, join('', @parts) if $s->query('SELECT is_called FROM lab.canary') ne 'f';
				$s->query('DROP SEQUENCE lab.canary; CREATE SEQUENCE lab.canary') if @executed;
				$parts[$i] = $was;
			}
		}
	}
	cmp_ok($tried, '>', 200, 'texts of calls are replaced');
	is_deeply(\@executed, [], 'no text is executed');
	is_deeply(\@syntax, [], 'no text becomes part of a command') or diag(@syntax);
	$s->quit;
}

# A dump, restored where everything is planted
{
	run('app', 'dbo', 'DROP SCHEMA evil CASCADE; ALTER DATABASE app RESET search_path');
	my $before = run('app', $superuser, 'SELECT md5(string_agg(r::text, \',\' ORDER BY r::text)) FROM (SELECT e::text FROM hierarchy.entity e UNION ALL SELECT t::text FROM hierarchy.relationship t UNION ALL SELECT c::text FROM hierarchy.change_log c) r');

	my ($dump, $err) = run_command([ 'pg_dump', '-d', $node->connstr('app') ]);
	is($err, '', 'dumped');
	my $said = run('target', $superuser, $dump);
	unlike($said, qr/planted|ERROR/, 'a restore finds nothing planted') or diag(grep { /planted|ERROR/ } split /^/, $said);
	is(run('target', $superuser, 'SET search_path = pg_catalog; SELECT md5(string_agg(r::text, \',\' ORDER BY r::text)) FROM (SELECT e::text FROM hierarchy.entity e UNION ALL SELECT t::text FROM hierarchy.relationship t UNION ALL SELECT c::text FROM hierarchy.change_log c) r'),
		$before, '... and brings everything back');
	is(run('target', $superuser, "SELECT * FROM hierarchy.verify('hierarchy.tree')"), "\n", '... with its graph');
}

# What the schema has already is not adopted: the script says no.
my @planted = ('TABLE hierarchy.entity (entity_id bigint)', 'VIEW hierarchy.load_progress AS SELECT 1', 'SEQUENCE hierarchy.entity_entity_id_seq', 'DOMAIN hierarchy.hgraph AS oid',
	'TYPE hierarchy.hrollup AS (a int)', "FUNCTION hierarchy.descendants() RETURNS int LANGUAGE sql AS 'SELECT 1'", 'AGGREGATE hierarchy.rollup(int) (SFUNC = int4pl, STYPE = int)',
	'OPERATOR hierarchy.-> (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int)');
foreach my $planted (long(0, 1) ? @planted : @planted[ 0, 3, 5 ])
{
	my $said = run('early', 'dbo', "CREATE SCHEMA hierarchy; CREATE $planted; CREATE EXTENSION hierarchy; DROP EXTENSION IF EXISTS hierarchy; DROP SCHEMA hierarchy CASCADE");

	like($said, qr/ERROR:  (?:42P07|42710|42723|55000)/, "not adopted: $planted") or diag($said);
}
{
	my $scripts = join '', map { slurp_file($_) } glob("$root/sql/hierarchy--*.sql");
	my ($adopts) = $scripts =~ /(CREATE\s+OR\s+REPLACE[^\n]*|\b(?:CREATE|ADD)\s[\w\s]*\bIF\s+NOT\s+EXISTS[^\n]*)/i;

	isnt($scripts, '', 'scripts are there');
	is($adopts, undef, 'no script has CREATE OR REPLACE, or CREATE ... IF NOT EXISTS');
}

is(server_died($node), '', 'no process has died');
$node->stop;
done_testing();
