# One call of every function of the extension, for tests that ask the same of
# all of them: who may read what, and whose functions are found.
#
# Everything is qualified and every literal has its type, so that the calls mean
# the same under any search_path.  What must not be seen bears the mark 99000, or
# the word "secret", in its key, code or name.

package HierarchyCalls;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(calls_setup calls_graph calls_directory calls_pure calls_internal calls_missing marks);

# marks(): what no output may have that is for one who must not see it.
sub marks { return qr/99000|secret/i; }

# The keys of three graphs of the same shape, one for each type of key.
my %key = (
	bigint => sub { return "'$_[0]'::pg_catalog.int8" },
	uuid => sub { return sprintf "'%08d-0000-0000-0000-000000000000'::pg_catalog.uuid", $_[0] },
	text => sub { return ($_[0] > 990000 ? "'secret $_[0]'" : "'n$_[0]'") . '::pg_catalog.text' });

# parent, child, share; the hidden part hangs above, below and across the open one
my @open = ([ 1, 2, 0.5 ], [ 1, 3, 0.5 ], [ 2, 4, 0.5 ], [ 3, 4, 0.5 ], [ 4, 5, 1 ]);
my @hidden = ([ 990001, 1, 0.25 ], [ 5, 990002, 0.25 ], [ 990002, 990003, 0.25 ], [ 3, 990002, 0.25 ], [ 4, 990003, 0.5 ]);

# calls_setup(): tables, graphs and a directory in the current database.  The
# graphs are lab.<type>_all, and lab.<type>_open of a table without hidden rows.
sub calls_setup
{
	my $sql = "CREATE EXTENSION pg_trgm SCHEMA public; CREATE SCHEMA lab; GRANT USAGE ON SCHEMA lab TO PUBLIC;\n";

	foreach my $type (sort keys %key)
	{
		foreach my $part ('all', 'open')
		{
			my @rows = map {
				sprintf "(%s, %s, %s, '%s')", $key{$type}->($_->[0]), $key{$type}->($_->[1]), $_->[2],
				  $_->[0] > 990000 || $_->[1] > 990000 ? 'secret' : 'open'
			} @open, $part eq 'all' ? @hidden : ();

			$sql .= <<"SQL";
CREATE TABLE lab.${type}_edge_$part (parent $type, child $type, share numeric, tenant text,
	valid daterange DEFAULT '[2000-01-01,)', is_primary boolean DEFAULT true, kind integer DEFAULT 1);
INSERT INTO lab.${type}_edge_$part (parent, child, share, tenant) VALUES @{[join ', ', @rows]};
CREATE INDEX ${type}_$part ON lab.${type}_edge_$part USING hgraph (parent, child) INCLUDE (share, valid, is_primary, kind)
	WITH (weight = 'share', validity = 'valid', is_primary = 'is_primary', label = 'kind');
SQL
		}
		$sql .= <<"SQL";
CREATE TABLE lab.${type}_fact (node $type, amount numeric, region text, day date);
INSERT INTO lab.${type}_fact VALUES (@{[$key{$type}->(5)]}, 10, 'north', '2024-01-01'), (@{[$key{$type}->(2)]}, 1, 'south', '2024-02-01');
SQL
	}
	$sql .= <<'SQL';
CREATE TABLE lab.move (child bigint, from_parent bigint, to_parent bigint);
INSERT INTO lab.move VALUES (990009, 990002, 990003);
INSERT INTO hierarchy.entity_type VALUES ('area'), ('site');
INSERT INTO hierarchy.relationship_type VALUES ('owns');
INSERT INTO hierarchy.identifier_scheme VALUES ('TAX');
INSERT INTO hierarchy.entity (entity_id, entity_type, code, name, attributes)
	SELECT 990000 + i, CASE WHEN i <= 3 THEN 'area' ELSE 'site' END, 'SECRET-' || i, 'Secret Works ' || i, '{"country": "secretland", "postcode": "SECRET1"}'
	FROM generate_series(1, 9) i;
INSERT INTO hierarchy.identifier (scheme, value, entity_id) VALUES ('TAX', 'secret-tax', 990004);
SELECT hierarchy.create_hierarchy('tree', share_mode => 'full', type_rules => '{"site": ["area", "site"], "area": ["area"]}', relationship_types => '{owns}');
SELECT hierarchy.create_hierarchy('spare');
INSERT INTO hierarchy.relationship (hierarchy_id, parent_id, child_id, share, valid)
	SELECT 1, 990000 + p, 990000 + c, 0.5, '[2024-01-01,)' FROM (VALUES (1, 2), (1, 3), (2, 4), (3, 5), (4, 6)) v (p, c);
SELECT hierarchy.reassign('tree', 990006, 990004, 990005, '2025-01-01', 'secret reason');
SELECT hierarchy.new_load_batch('crm', '{Code,Name,Type,Zip}');
INSERT INTO hierarchy.load_stage_1 ("Code", "Name", "Type", "Zip") VALUES
	('SECRET-7', 'Secret Works 7 Ltd', 'site', 'SECRET1'), ('SECRET-X', 'Secret Works 8', 'site', 'SECRET1'), ('', 'secret nobody', 'site', '');
SELECT hierarchy.load(1, '{"code": "Code", "name": "Name", "entity_type": "Type", "postcode": "Zip"}');
SELECT hierarchy.new_load_batch('erp', '{Code,Name,Type,Parent}');
INSERT INTO hierarchy.load_stage_2 ("Code", "Name", "Type", "Parent") VALUES ('SECRET-8', 'Secret Works 8', 'site', 'SECRET-2'), ('NEW-1', 'New', 'site', 'SECRET-2');
SELECT hierarchy.find_matches('site', threshold => 0.1);
SQL
	return $sql;
}

# calls_graph(type, part): [name, call] for each function that reads a graph, with
# the overload of this type of key.
sub calls_graph
{
	my ($type, $part) = @_;
	my $k = $key{$type};
	my $g = "'lab.${type}_$part'::hierarchy.hgraph";
	my $edges = "'lab.${type}_edge_$part'::pg_catalog.regclass";
	my $facts = "'lab.${type}_fact'::pg_catalog.regclass";
	my ($none, $low) = ("NULL::pg_catalog." . ($type eq 'bigint' ? 'int8' : $type), $k->(5));
	my $options = "max_depth => 9, as_of => '2024-01-01', primary_only => true, labels => '{1}'";
	my $rows = "FROM lab.${type}_fact f";
	my @calls = (
		[ 'within', "SELECT hierarchy.within($g, $low, " . $k->(1) . ')' ],
		[ 'within', "SELECT hierarchy.within($g, $low, " . $k->(990001) . ", $options)" ],
		[ 'parents', "SELECT * FROM hierarchy.parents($g, " . $k->(1) . ') ORDER BY 1' ],
		[ 'children', "SELECT * FROM hierarchy.children($g, $low, $options) ORDER BY 1" ],
		[ 'ancestors', "SELECT * FROM hierarchy.ancestors($g, $low) ORDER BY 1" ],
		[ 'ancestors', "SELECT * FROM hierarchy.ancestors($g, " . $k->(990003) . ') ORDER BY 1' ],
		[ 'descendants', "SELECT * FROM hierarchy.descendants($g, " . $k->(1) . ", $options) ORDER BY 1" ],
		[ 'descendants', "SELECT pg_catalog.count(*) FROM hierarchy.descendants($g, " . $k->(1) . ')' ],
		[ 'roots', "SELECT * FROM hierarchy.roots($g, $none) ORDER BY 1" ],
		[ 'leaves', "SELECT * FROM hierarchy.leaves($g, " . $k->(1) . ') ORDER BY 1' ],
		[ 'tops', "SELECT * FROM hierarchy.tops($g, $low) ORDER BY 1" ],
		[ 'paths', "SELECT * FROM hierarchy.paths($g, $low) ORDER BY 1" ],
		[ 'common_ancestors', "SELECT * FROM hierarchy.common_ancestors($g, " . $k->(2) . ', ' . $k->(3) . ') ORDER BY 1' ],
		[ 'preorder', "SELECT * FROM hierarchy.preorder($g, $none) ORDER BY 1" ],
		[ 'closure', "SELECT * FROM hierarchy.closure($g, $none) ORDER BY 1, 2" ],
		[ 'closure', "SELECT * FROM hierarchy.closure($g, $none) WHERE descendant OPERATOR(pg_catalog.=) $low ORDER BY 1" ],
		[ 'graph_stats', "SELECT nodes, edges, roots, leaves, multi_parent_nodes, max_depth, entries FROM hierarchy.graph_stats($g)" ],
		[ 'explain_rollup', "SELECT * FROM hierarchy.explain_rollup($g, " . $k->(1) . ", $low, 'weighted') ORDER BY 1" ],
		[ 'drilldown', "SELECT * FROM hierarchy.drilldown($g, " . $k->(3) . ", $facts, 'node', 'amount') ORDER BY 1" ],
		[ 'drilldown', "SELECT * FROM hierarchy.drilldown($g, $low, $facts, 'node', 'amount', filter => 'region OPERATOR(pg_catalog.<>) ''x''') ORDER BY 1" ],
		[ 'rollup_table', "SELECT * FROM hierarchy.each(hierarchy.rollup_table($g, $facts, 'node', 'amount', 'weighted'), $none) ORDER BY 1" ],
		(map { [ 'rollup', "SELECT * FROM hierarchy.each((SELECT hierarchy.rollup($g, f.node, f.amount$_) $rows), $none) ORDER BY 1" ] }
			  '', ", 'weighted'::pg_catalog.text", ", 'primary'::pg_catalog.text, '2024-01-01'"),
		(map { [ 'rollup', "SELECT * FROM hierarchy.each((SELECT hierarchy.rollup($g, f.node$_) $rows), $none) ORDER BY 1" ] }
			  '', ", 'paths'::pg_catalog.text", ", 'distinct'::pg_catalog.text, '2024-01-01'::pg_catalog.date"),
		[ 'unmatched', "SELECT * FROM hierarchy.unmatched((SELECT hierarchy.rollup($g, f.node, f.amount) $rows))" ]);

	push @calls,
	  [ 'closure', "SELECT * FROM hierarchy.closure($g, '2024-01-01'::pg_catalog.date) ORDER BY 1, 2" ],
	  [ 'tree', "SELECT * FROM hierarchy.tree($g) ORDER BY 1" ],
	  [ 'tree', "SELECT * FROM hierarchy.tree($g) WHERE parent OPERATOR(pg_catalog.=) " . $k->(1) . ' ORDER BY 1' ],
	  [ 'is_root', "SELECT hierarchy.is_root($g, " . $k->(1) . ')' ],
	  [ 'all_children', "SELECT hierarchy.all_children('lab.bigint_$part'::pg_catalog.regclass::pg_catalog.oid, $low)" ]
	  if $type eq 'bigint';
	return @calls;
}

# calls_directory(): [name, call] for each function that reads or writes the
# directory, and for what looks after it.
sub calls_directory
{
	my $h = "(SELECT h FROM hierarchy.hierarchy h WHERE h.name OPERATOR(pg_catalog.=) 'tree')";
	my $id = sub { return "'99000$_[0]'::pg_catalog.int8" };

	return map { [ /hierarchy\.(\w+)\(/, $_ ] } (
		"SELECT * FROM hierarchy.verify('hierarchy.tree')",
		"SELECT hierarchy.entity_label(@{[$id->(1)]})",
		"SELECT hierarchy.entity_id('area', 'SECRET-1')",
		"SELECT hierarchy.find_hierarchy('tree')",
		"SELECT hierarchy.add_entity('site', 'S-1', 'One', '{}', '{\"TAX\": \"1\"}')",
		"SELECT hierarchy.add_identifiers(@{[$id->(5)]}, '{\"TAX\": \"2\"}')",
		"SELECT hierarchy.add_identifier(@{[$id->(5)]}, 'TAX', '3')",
		"SELECT hierarchy.drop_identifier('TAX', 'secret-tax')",
		"SELECT hierarchy.set_entity_status(@{[$id->(9)]}, 'inactive')",
		"SELECT hierarchy.set_entity_status(@{[$id->(9)]}, 'active')",
		"SELECT hierarchy.list_parents(1, @{[$id->(4)]}, '2024-06-01')",
		"SELECT hierarchy.following(1, @{[$id->(4)]}, @{[$id->(2)]}, '[2024-06-01,)')",
		"SELECT hierarchy.lock_entities(ARRAY[@{[$id->(1)]}], true)",
		"SELECT hierarchy.lock_children(1, ARRAY[@{[$id->(1)]}])",
		"SELECT hierarchy.assign('tree', @{[$id->(7)]}, @{[$id->(2)]}, share => 0.4, relationship_type => 'owns', valid => '[2024-01-01,)')",
		"SELECT hierarchy.assign('tree', @{[$id->(9)]}, @{[$id->(2)]}, valid => '[2024-01-01,)')",
		"SELECT hierarchy.set_share('tree', @{[$id->(7)]}, @{[$id->(2)]}, 0.3, '2025-01-01')",
		"SELECT hierarchy.set_shares('tree', @{[$id->(7)]}, '{\"990002\": 0.2}', '2025-02-01')",
		"SELECT hierarchy.set_primary('tree', @{[$id->(7)]}, @{[$id->(2)]}, '2025-03-01')",
		"SELECT hierarchy.revise_relationships(1, @{[$id->(7)]}, ARRAY[@{[$id->(2)]}], ARRAY[0.1], ARRAY[true], '2025-04-01')",
		"SELECT hierarchy.reassign('tree', @{[$id->(7)]}, @{[$id->(2)]}, @{[$id->(3)]}, '2025-05-01')",
		"SELECT hierarchy.move_relationships($h, ARRAY[@{[$id->(7)]}], ARRAY[@{[$id->(3)]}], ARRAY[@{[$id->(2)]}], ARRAY['2025-06-01'::pg_catalog.date])",
		"SELECT hierarchy.reassign_many('tree', '[{\"child\": 990009, \"from\": 990002, \"to\": 990003}]'::pg_catalog.jsonb, '2025-05-01')",
		"SELECT hierarchy.reassign_many('tree', '[{\"child\": 990009, \"from\": 990003, \"to\": 990002}]'::pg_catalog.text, '2025-06-01')",
		"SELECT hierarchy.reassign_many('tree', 'lab.move'::pg_catalog.regclass, '2025-07-01')",
		"SELECT * FROM hierarchy.preview_reassign('tree', @{[$id->(7)]}, @{[$id->(2)]}, @{[$id->(3)]}, '2025-08-01', 'lab.bigint_fact', 'node', 'amount')",
		"SELECT hierarchy.reassign_children('tree', @{[$id->(4)]}, @{[$id->(5)]}, '2024-05-01')",
		"SELECT hierarchy.unassign('tree', @{[$id->(9)]}, @{[$id->(3)]}, '2025-09-01')",
		"SELECT hierarchy.merge_relationships($h, @{[$id->(7)]}, @{[$id->(9)]}, '{}')",
		"SELECT hierarchy.merge_entity(@{[$id->(6)]}, @{[$id->(5)]})",
		"SELECT * FROM hierarchy.check_hierarchy('tree')",
		"SELECT * FROM hierarchy.relationships_known_at('tree', pg_catalog.now())",
		"SELECT hierarchy.as_known_at('tree', pg_catalog.now())",
		"SELECT * FROM hierarchy.compare_hierarchy('tree', '2020-01-01', pg_catalog.now())",
		"SELECT hierarchy.children_everywhere(@{[$id->(1)]})",
		"SELECT * FROM hierarchy.entity_changes(@{[$id->(6)]})",
		"SELECT * FROM hierarchy.history(@{[$id->(6)]})",
		"SELECT hierarchy.undo((SELECT pg_catalog.max(c.change_id) FROM hierarchy.change_log c WHERE c.table_name OPERATOR(pg_catalog.=) 'identifier'))",
		"SELECT hierarchy.undo_transaction((SELECT c.txid FROM hierarchy.change_log c WHERE c.table_name OPERATOR(pg_catalog.=) 'entity' ORDER BY c.change_id DESC LIMIT 1))",
		"SELECT hierarchy.undo_changes('undo', NULL, (SELECT c.txid FROM hierarchy.change_log c ORDER BY c.change_id DESC LIMIT 1), NULL)",
		"SELECT hierarchy.put_back('{entity_type}', '{NULL}', ARRAY[NULL::pg_catalog.jsonb], ARRAY['{\"entity_type\": \"put back\"}'::pg_catalog.jsonb])",
		"SELECT * FROM hierarchy.changes_since(0)",
		"SELECT * FROM hierarchy.responsible_chain('tree', @{[$id->(4)]})",
		"SELECT hierarchy.global_ultimate('tree', @{[$id->(4)]})",
		"SELECT hierarchy.domestic_ultimate('tree', @{[$id->(4)]})",
		"SELECT * FROM hierarchy.family_tree('tree', @{[$id->(4)]})",
		"SELECT * FROM hierarchy.owners('tree', @{[$id->(4)]})",
		"SELECT * FROM hierarchy.ownership('tree', @{[$id->(4)]}, @{[$id->(1)]})",
		"SELECT * FROM hierarchy.controls('tree', @{[$id->(1)]}, 0.1)",
		"SELECT * FROM hierarchy.unstated_shares('tree')",
		"SELECT hierarchy.tree_path('hierarchy.tree', @{[$id->(4)]}, 'x')",
		"SELECT hierarchy.tree_sort_key('hierarchy.tree', @{[$id->(4)]})",
		"SELECT * FROM hierarchy.load(2, '{\"code\": \"Code\", \"name\": \"Name\", \"entity_type\": \"Type\", \"parent.code\": \"Parent\", \"parent.type\": {\"value\": \"area\"}}', 'tree', match => true)",
		"SELECT * FROM hierarchy.load_rows(1)",
		"SELECT hierarchy.new_load_batch('third', '{a,b}')",
		"SELECT hierarchy.drop_load_batch(1)",
		"SELECT * FROM hierarchy.entity_values(@{[$id->(7)]})",
		"SELECT hierarchy.show_survivors(@{[$id->(7)]})",
		"SELECT * FROM hierarchy.find_matches('site', threshold => 0.2)",
		"SELECT hierarchy.reject_match((SELECT pg_catalog.max(m.match_id) FROM hierarchy.match_candidate m))",
		"SELECT hierarchy.accept_match((SELECT pg_catalog.min(m.match_id) FROM hierarchy.match_candidate m))",
		"SELECT hierarchy.move_sources(@{[$id->(7)]}, @{[$id->(8)]})",
		"SELECT hierarchy.load_lock('crm', 1, true)",
		"SELECT hierarchy.new_entity_id()",
		"SELECT * FROM hierarchy.create_bi_views('tree', 'lab', '{country}', '{TAX}', 3)",
		"SELECT * FROM hierarchy.drop_bi_views('tree', 'lab')",
		"SELECT hierarchy.create_rollup_view('lab.rolled', 'hierarchy.tree', 'lab.bigint_fact', 'node', '{amount}', '{region}', 'day', 'weighted', 'region OPERATOR(pg_catalog.<>) ''x''', '2024-06-01', 'text')",
		"SELECT hierarchy.drop_rollup_view('lab.rolled')",
		"SELECT hierarchy.add_change_log_partition('2031-01-01')",
		"SELECT hierarchy.prepare_change_log(30)",
		"SELECT hierarchy.copy_rights('hierarchy.relationship', 'hierarchy.relationship_1')",
		"SELECT hierarchy.create_hierarchy('second', 'text', 'split', 2, true, '{\"new type\": [\"area\"]}', '{new}', '[2000-01-01,)')",
		"SELECT hierarchy.rename_hierarchy('second', 'third')",
		"SELECT hierarchy.drop_hierarchy('third', true)",
		"SELECT hierarchy.create_hierarchy_from_template((SELECT pg_catalog.min(t.template) FROM hierarchy.hierarchy_templates() t), 'from template')");
}

# calls_pure(): functions that look at nothing but their arguments, or at what the
# catalogs tell everybody.
sub calls_pure
{
	return map { [ /hierarchy\.(\w+)\(/, $_ ] } (
		(map { "SELECT hierarchy.hgraph('lab.bigint_all'::pg_catalog.regclass$_)" } '', '::pg_catalog.oid'),
		"SELECT hierarchy.relationship_label('owns')",
		"SELECT hierarchy.library_version()",
		(map { "SELECT hierarchy.is_$_('123456789')" } qw(npi lei duns)),
		"SELECT hierarchy.normalise_identifier('DUNS', '12-345-6789')",
		"SELECT hierarchy.type_rules('{\"a\": [\"b\"]}')",
		"SELECT hierarchy.check_hierarchy_name('new name')",
		"SELECT hierarchy.hierarchy_templates()",
		"SELECT hierarchy.enter_reason('why')",
		"SELECT hierarchy.leave_reason('')",
		"SELECT hierarchy.check_day('2024-01-01')",
		"SELECT hierarchy.find_graph(1, 'tree')",
		"SELECT * FROM hierarchy.known_hierarchy('tree')",
		"SELECT hierarchy.known_query('tree', pg_catalog.now())",
		"SELECT hierarchy.directory_key('entity')",
		"SELECT hierarchy.match_image('entity', 'x')",
		"SELECT hierarchy.image_columns('entity', '{entity_id}')",
		"SELECT hierarchy.changes_horizon()",
		"SELECT hierarchy.load_text(' a ')",
		"SELECT hierarchy.load_date('31.12.2024', 'DD.MM.YYYY')",
		"SELECT hierarchy.load_date_format('DD.MM.YYYY')",
		"SELECT hierarchy.load_number('1.5')",
		"SELECT hierarchy.load_share('50%', false)",
		"SELECT hierarchy.load_boolean('yes')",
		"SELECT hierarchy.load_limit('10%', 100)",
		"SELECT hierarchy.load_fields('{\"code\": \"a\"}', '{a}')",
		"SELECT hierarchy.load_raw('{a,b}')",
		"SELECT hierarchy.load_object('{a,b}')",
		"SELECT hierarchy.load_reason('{}', NULL::hierarchy.hierarchy)",
		"SELECT hierarchy.normalise_name('Über-Sécurité GmbH & Co. KG')",
		"SELECT hierarchy.normalise_postcode(' sw1a 1aa ')",
		"SELECT hierarchy.as_numeric('1.5', 10, 2)",
		(map { "SELECT hierarchy.as_$_('2024')" } qw(bigint integer boolean)),
		(map { "SELECT hierarchy.as_$_('2024-01-01')" } qw(date timestamptz)),
		"SELECT hierarchy.bi_columns('{country date}', '{TAX}')",
		(map { my $r = '(SELECT hierarchy.rollup(\'lab.bigint_open\'::hierarchy.hgraph, f.node, f.amount) FROM lab.bigint_fact f)';
			("SELECT hierarchy.each$_->[0]($r$_->[1])", "SELECT hierarchy.compare_rollup($r, $r$_->[1])",
				$_->[0] eq '' ? "SELECT hierarchy.each_stats($r$_->[1])" : "SELECT hierarchy.each_of(ARRAY[$r]$_->[1])") }
			[ '', '' ], [ '', ', NULL::pg_catalog.int8' ]),
		"SELECT hierarchy.each_of(ARRAY[(SELECT hierarchy.rollup('lab.bigint_open'::hierarchy.hgraph, f.node) FROM lab.bigint_fact f)])",
		"SELECT hierarchy.node_stats((SELECT hierarchy.rollup('lab.bigint_open'::hierarchy.hgraph, f.node) FROM lab.bigint_fact f), 2::pg_catalog.int8)",
		"SELECT hierarchy.hrollup_total((SELECT hierarchy.rollup('lab.bigint_open'::hierarchy.hgraph, f.node) FROM lab.bigint_fact f), 2::pg_catalog.int8)",
		"SELECT hierarchy.reconcile((SELECT hierarchy.rollup('lab.bigint_open'::hierarchy.hgraph, f.node, f.amount) FROM lab.bigint_fact f))",
		"SELECT hierarchy.sum(r.r) FROM (SELECT hierarchy.rollup('lab.bigint_open'::hierarchy.hgraph, f.node, f.amount) FROM lab.bigint_fact f GROUP BY f.region) r (r)");
}

# calls_internal(): patterns of the names of functions that are pieces: of types,
# operators, aggregates and the planner, triggers, steps of load().
sub calls_internal
{
	return qr/^(?:hgraph_\w+|hrollup_\w+|rollup_\w+|\w+_support|\w+_rules|audit_changes|keep_log|restore_keys|fill_graphs|fill_known
		|add_rule_triggers|add_audit_triggers|protect_log|late_rule_wanted|make_partition|make_load_tables|drop_load_tables
		|refuse_\w+|describe_image|decide_match|replay_changes|load_\w+)$/x;
}

# calls_missing(node): functions of the extension that none of these lists has.
sub calls_missing
{
	my ($node, $database) = @_;
	my $internal = calls_internal();
	my %known = map { $_->[0] => 1 } calls_directory(), calls_pure(), map { calls_graph($_, 'all') } keys %key;
	my $names = $node->safe_psql($database, <<'SQL');
SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid WHERE e.extname = 'hierarchy' ORDER BY 1
SQL

	return grep { !$known{$_} && $_ !~ $internal } split /\n/, $names;
}

1;
