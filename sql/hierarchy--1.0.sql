\echo Use "CREATE EXTENSION hierarchy" to load this file. \quit

-- Of a trusted extension a superuser runs this script, with the schema on his
-- search_path.  So what it calls is qualified, or a perfect match in pg_catalog;
-- and nobody may have left functions here for it, or for ours, to find.
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = '@extschema@'::regnamespace::oid)
		OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace = '@extschema@'::regnamespace::oid)
	THEN
		RAISE EXCEPTION 'schema "@extschema@" contains functions or operators'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Drop them, or let CREATE EXTENSION make the schema.';
	END IF;
END
$$;

-- Everybody may call the functions; they show what the caller may read.
GRANT USAGE ON SCHEMA @extschema@ TO PUBLIC;

-- Type hgraph

CREATE TYPE @extschema@.hgraph;

CREATE FUNCTION @extschema@.hgraph_in(cstring) RETURNS @extschema@.hgraph
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_in(cstring) IS 'I/O';

CREATE FUNCTION @extschema@.hgraph_out(@extschema@.hgraph) RETURNS cstring
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_out(@extschema@.hgraph) IS 'I/O';

CREATE FUNCTION @extschema@.hgraph_recv(internal) RETURNS @extschema@.hgraph
AS 'oidrecv' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_recv(internal) IS 'I/O';

CREATE FUNCTION @extschema@.hgraph_send(@extschema@.hgraph) RETURNS bytea
AS 'oidsend' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_send(@extschema@.hgraph) IS 'I/O';

CREATE TYPE @extschema@.hgraph (
	INPUT = @extschema@.hgraph_in,
	OUTPUT = @extschema@.hgraph_out,
	RECEIVE = @extschema@.hgraph_recv,
	SEND = @extschema@.hgraph_send,
	LIKE = pg_catalog.oid
);
COMMENT ON TYPE @extschema@.hgraph IS
	'a graph: an hgraph index, by its name or by the name of its table';

-- Casts

CREATE FUNCTION @extschema@.hgraph(oid) RETURNS @extschema@.hgraph
AS 'MODULE_PATHNAME', 'hgraph_from_relation' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph(oid) IS
	'graph of an hgraph index or of a table that has one';

CREATE FUNCTION @extschema@.hgraph(regclass) RETURNS @extschema@.hgraph
AS 'MODULE_PATHNAME', 'hgraph_from_relation' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph(regclass) IS
	'graph of an hgraph index or of a table that has one';

CREATE CAST (@extschema@.hgraph AS oid) WITHOUT FUNCTION AS IMPLICIT;
COMMENT ON CAST (@extschema@.hgraph AS oid) IS 'OID of the index';

CREATE CAST (@extschema@.hgraph AS regclass) WITHOUT FUNCTION AS IMPLICIT;
COMMENT ON CAST (@extschema@.hgraph AS regclass) IS 'the index';

CREATE CAST (oid AS @extschema@.hgraph)
WITH FUNCTION @extschema@.hgraph(oid) AS ASSIGNMENT;
COMMENT ON CAST (oid AS @extschema@.hgraph) IS
	'graph of an hgraph index or of a table that has one';

CREATE CAST (regclass AS @extschema@.hgraph)
WITH FUNCTION @extschema@.hgraph(regclass) AS ASSIGNMENT;
COMMENT ON CAST (regclass AS @extschema@.hgraph) IS
	'graph of an hgraph index or of a table that has one';

-- Comparison of graphs: that of their OIDs

CREATE FUNCTION @extschema@.hgraph_eq(@extschema@.hgraph, @extschema@.hgraph) RETURNS boolean
AS 'oideq' LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_eq(@extschema@.hgraph, @extschema@.hgraph) IS
	'implementation of = operator';

CREATE FUNCTION @extschema@.hgraph_ne(@extschema@.hgraph, @extschema@.hgraph) RETURNS boolean
AS 'oidne' LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_ne(@extschema@.hgraph, @extschema@.hgraph) IS
	'implementation of <> operator';

CREATE FUNCTION @extschema@.hgraph_lt(@extschema@.hgraph, @extschema@.hgraph) RETURNS boolean
AS 'oidlt' LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_lt(@extschema@.hgraph, @extschema@.hgraph) IS
	'implementation of < operator';

CREATE FUNCTION @extschema@.hgraph_le(@extschema@.hgraph, @extschema@.hgraph) RETURNS boolean
AS 'oidle' LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_le(@extschema@.hgraph, @extschema@.hgraph) IS
	'implementation of <= operator';

CREATE FUNCTION @extschema@.hgraph_ge(@extschema@.hgraph, @extschema@.hgraph) RETURNS boolean
AS 'oidge' LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_ge(@extschema@.hgraph, @extschema@.hgraph) IS
	'implementation of >= operator';

CREATE FUNCTION @extschema@.hgraph_gt(@extschema@.hgraph, @extschema@.hgraph) RETURNS boolean
AS 'oidgt' LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_gt(@extschema@.hgraph, @extschema@.hgraph) IS
	'implementation of > operator';

CREATE FUNCTION @extschema@.hgraph_cmp(@extschema@.hgraph, @extschema@.hgraph) RETURNS integer
AS 'btoidcmp' LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_cmp(@extschema@.hgraph, @extschema@.hgraph) IS
	'less-equal-greater';

CREATE FUNCTION @extschema@.hgraph_hash(@extschema@.hgraph) RETURNS integer
AS 'hashoid' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_hash(@extschema@.hgraph) IS 'hash';

CREATE FUNCTION @extschema@.hgraph_hash_extended(@extschema@.hgraph, bigint) RETURNS bigint
AS 'hashoidextended' LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_hash_extended(@extschema@.hgraph, bigint) IS 'hash';

CREATE OPERATOR @extschema@.= (
	LEFTARG = @extschema@.hgraph, RIGHTARG = @extschema@.hgraph,
	FUNCTION = @extschema@.hgraph_eq,
	COMMUTATOR = OPERATOR(@extschema@.=), NEGATOR = OPERATOR(@extschema@.<>),
	RESTRICT = pg_catalog.eqsel, JOIN = pg_catalog.eqjoinsel,
	HASHES, MERGES
);
COMMENT ON OPERATOR @extschema@.= (@extschema@.hgraph, @extschema@.hgraph) IS 'equal';

CREATE OPERATOR @extschema@.<> (
	LEFTARG = @extschema@.hgraph, RIGHTARG = @extschema@.hgraph,
	FUNCTION = @extschema@.hgraph_ne,
	COMMUTATOR = OPERATOR(@extschema@.<>), NEGATOR = OPERATOR(@extschema@.=),
	RESTRICT = pg_catalog.neqsel, JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR @extschema@.<> (@extschema@.hgraph, @extschema@.hgraph) IS 'not equal';

CREATE OPERATOR @extschema@.< (
	LEFTARG = @extschema@.hgraph, RIGHTARG = @extschema@.hgraph,
	FUNCTION = @extschema@.hgraph_lt,
	COMMUTATOR = OPERATOR(@extschema@.>), NEGATOR = OPERATOR(@extschema@.>=),
	RESTRICT = pg_catalog.scalarltsel, JOIN = pg_catalog.scalarltjoinsel
);
COMMENT ON OPERATOR @extschema@.< (@extschema@.hgraph, @extschema@.hgraph) IS 'less than';

CREATE OPERATOR @extschema@.<= (
	LEFTARG = @extschema@.hgraph, RIGHTARG = @extschema@.hgraph,
	FUNCTION = @extschema@.hgraph_le,
	COMMUTATOR = OPERATOR(@extschema@.>=), NEGATOR = OPERATOR(@extschema@.>),
	RESTRICT = pg_catalog.scalarlesel, JOIN = pg_catalog.scalarlejoinsel
);
COMMENT ON OPERATOR @extschema@.<= (@extschema@.hgraph, @extschema@.hgraph) IS 'less than or equal';

CREATE OPERATOR @extschema@.>= (
	LEFTARG = @extschema@.hgraph, RIGHTARG = @extschema@.hgraph,
	FUNCTION = @extschema@.hgraph_ge,
	COMMUTATOR = OPERATOR(@extschema@.<=), NEGATOR = OPERATOR(@extschema@.<),
	RESTRICT = pg_catalog.scalargesel, JOIN = pg_catalog.scalargejoinsel
);
COMMENT ON OPERATOR @extschema@.>= (@extschema@.hgraph, @extschema@.hgraph) IS 'greater than or equal';

CREATE OPERATOR @extschema@.> (
	LEFTARG = @extschema@.hgraph, RIGHTARG = @extschema@.hgraph,
	FUNCTION = @extschema@.hgraph_gt,
	COMMUTATOR = OPERATOR(@extschema@.<), NEGATOR = OPERATOR(@extschema@.<=),
	RESTRICT = pg_catalog.scalargtsel, JOIN = pg_catalog.scalargtjoinsel
);
COMMENT ON OPERATOR @extschema@.> (@extschema@.hgraph, @extschema@.hgraph) IS 'greater than';

CREATE OPERATOR CLASS @extschema@.hgraph_ops
DEFAULT FOR TYPE @extschema@.hgraph USING btree AS
	OPERATOR 1 @extschema@.<,
	OPERATOR 2 @extschema@.<=,
	OPERATOR 3 @extschema@.=,
	OPERATOR 4 @extschema@.>=,
	OPERATOR 5 @extschema@.>,
	FUNCTION 1 @extschema@.hgraph_cmp(@extschema@.hgraph, @extschema@.hgraph);
COMMENT ON OPERATOR CLASS @extschema@.hgraph_ops USING btree IS 'order of graphs by OID';
COMMENT ON OPERATOR FAMILY @extschema@.hgraph_ops USING btree IS 'order of graphs by OID';

CREATE OPERATOR CLASS @extschema@.hgraph_ops
DEFAULT FOR TYPE @extschema@.hgraph USING hash AS
	OPERATOR 1 @extschema@.=,
	FUNCTION 1 @extschema@.hgraph_hash(@extschema@.hgraph),
	FUNCTION 2 @extschema@.hgraph_hash_extended(@extschema@.hgraph, bigint);
COMMENT ON OPERATOR CLASS @extschema@.hgraph_ops USING hash IS 'equality of graphs';
COMMENT ON OPERATOR FAMILY @extschema@.hgraph_ops USING hash IS 'equality of graphs';

-- Access method

CREATE FUNCTION @extschema@.hgraph_handler(internal) RETURNS index_am_handler
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hgraph_handler(internal) IS 'hgraph index access method handler';

CREATE ACCESS METHOD hgraph TYPE INDEX HANDLER @extschema@.hgraph_handler;
COMMENT ON ACCESS METHOD hgraph IS 'graph of (parent, child) rows: kept acyclic, traversed by functions';

-- Operator classes of the access method

CREATE OPERATOR CLASS @extschema@.int4_ops
DEFAULT FOR TYPE pg_catalog.int4 USING hgraph AS
	OPERATOR 1 pg_catalog.=;
COMMENT ON OPERATOR CLASS @extschema@.int4_ops USING hgraph IS 'graphs keyed by integer';
COMMENT ON OPERATOR FAMILY @extschema@.int4_ops USING hgraph IS 'graphs keyed by integer';

CREATE OPERATOR CLASS @extschema@.int8_ops
DEFAULT FOR TYPE pg_catalog.int8 USING hgraph AS
	OPERATOR 1 pg_catalog.=;
COMMENT ON OPERATOR CLASS @extschema@.int8_ops USING hgraph IS 'graphs keyed by bigint';
COMMENT ON OPERATOR FAMILY @extschema@.int8_ops USING hgraph IS 'graphs keyed by bigint';

CREATE OPERATOR CLASS @extschema@.uuid_ops
DEFAULT FOR TYPE pg_catalog.uuid USING hgraph AS
	OPERATOR 1 pg_catalog.=;
COMMENT ON OPERATOR CLASS @extschema@.uuid_ops USING hgraph IS 'graphs keyed by uuid';
COMMENT ON OPERATOR FAMILY @extschema@.uuid_ops USING hgraph IS 'graphs keyed by uuid';

CREATE OPERATOR CLASS @extschema@.text_ops
DEFAULT FOR TYPE pg_catalog.text USING hgraph AS
	OPERATOR 1 pg_catalog.=;
COMMENT ON OPERATOR CLASS @extschema@.text_ops USING hgraph IS 'graphs keyed by text, in any deterministic collation';
COMMENT ON OPERATOR FAMILY @extschema@.text_ops USING hgraph IS 'graphs keyed by text, in any deterministic collation';

-- Functions
--
-- A node comes as bigint, uuid or text; nodes of the result have the same
-- type.  Functions without a node take key_type instead.
--
-- Everything that reads a graph is PARALLEL RESTRICTED: each parallel worker
-- would have to build an image of its own, and workers cannot read temporary
-- tables.  verify runs subtransactions, which no parallel plan allows.

CREATE FUNCTION @extschema@.rows_support(internal)
RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rows_support';

COMMENT ON FUNCTION @extschema@.rows_support(internal) IS
'planner support: estimates the rows of the set-returning functions';

CREATE FUNCTION @extschema@.within_support(internal)
RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_within_support';

COMMENT ON FUNCTION @extschema@.within_support(internal) IS
'planner support: estimates selectivity and cost of within';

-- Is a node another one, or below it?

CREATE FUNCTION @extschema@.within(
	graph @extschema@.hgraph,
	node bigint,
	ancestor bigint,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS boolean
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 10 SUPPORT @extschema@.within_support
AS 'MODULE_PATHNAME', 'hgraph_within';

COMMENT ON FUNCTION @extschema@.within(
	@extschema@.hgraph, bigint, bigint, integer, date, boolean, integer[]) IS
'is node the ancestor itself or below it?';

CREATE FUNCTION @extschema@.within(
	graph @extschema@.hgraph,
	node uuid,
	ancestor uuid,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS boolean
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 10 SUPPORT @extschema@.within_support
AS 'MODULE_PATHNAME', 'hgraph_within';

COMMENT ON FUNCTION @extschema@.within(
	@extschema@.hgraph, uuid, uuid, integer, date, boolean, integer[]) IS
'is node the ancestor itself or below it?';

CREATE FUNCTION @extschema@.within(
	graph @extschema@.hgraph,
	node text,
	ancestor text,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS boolean
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 10 SUPPORT @extschema@.within_support
AS 'MODULE_PATHNAME', 'hgraph_within';

COMMENT ON FUNCTION @extschema@.within(
	@extschema@.hgraph, text, text, integer, date, boolean, integer[]) IS
'is node the ancestor itself or below it?';

-- One step

CREATE FUNCTION @extschema@.parents(
	graph @extschema@.hgraph,
	node bigint,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node bigint, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 2 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_parents';

COMMENT ON FUNCTION @extschema@.parents(
	@extschema@.hgraph, bigint, integer, boolean, date, boolean, integer[]) IS
'parents of a node';

CREATE FUNCTION @extschema@.parents(
	graph @extschema@.hgraph,
	node uuid,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node uuid, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 2 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_parents';

COMMENT ON FUNCTION @extschema@.parents(
	@extschema@.hgraph, uuid, integer, boolean, date, boolean, integer[]) IS
'parents of a node';

CREATE FUNCTION @extschema@.parents(
	graph @extschema@.hgraph,
	node text,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node text, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 2 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_parents';

COMMENT ON FUNCTION @extschema@.parents(
	@extschema@.hgraph, text, integer, boolean, date, boolean, integer[]) IS
'parents of a node';

CREATE FUNCTION @extschema@.children(
	graph @extschema@.hgraph,
	node bigint,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node bigint, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_children';

COMMENT ON FUNCTION @extschema@.children(
	@extschema@.hgraph, bigint, integer, boolean, date, boolean, integer[]) IS
'children of a node';

CREATE FUNCTION @extschema@.children(
	graph @extschema@.hgraph,
	node uuid,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node uuid, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_children';

COMMENT ON FUNCTION @extschema@.children(
	@extschema@.hgraph, uuid, integer, boolean, date, boolean, integer[]) IS
'children of a node';

CREATE FUNCTION @extschema@.children(
	graph @extschema@.hgraph,
	node text,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node text, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_children';

COMMENT ON FUNCTION @extschema@.children(
	@extschema@.hgraph, text, integer, boolean, date, boolean, integer[]) IS
'children of a node';

-- All the way

CREATE FUNCTION @extschema@.ancestors(
	graph @extschema@.hgraph,
	node bigint,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node bigint, depth integer, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_ancestors';

COMMENT ON FUNCTION @extschema@.ancestors(
	@extschema@.hgraph, bigint, integer, boolean, date, boolean, integer[]) IS
'everything above a node, with shortest distance and share';

CREATE FUNCTION @extschema@.ancestors(
	graph @extschema@.hgraph,
	node uuid,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node uuid, depth integer, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_ancestors';

COMMENT ON FUNCTION @extschema@.ancestors(
	@extschema@.hgraph, uuid, integer, boolean, date, boolean, integer[]) IS
'everything above a node, with shortest distance and share';

CREATE FUNCTION @extschema@.ancestors(
	graph @extschema@.hgraph,
	node text,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node text, depth integer, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_ancestors';

COMMENT ON FUNCTION @extschema@.ancestors(
	@extschema@.hgraph, text, integer, boolean, date, boolean, integer[]) IS
'everything above a node, with shortest distance and share';

CREATE FUNCTION @extschema@.descendants(
	graph @extschema@.hgraph,
	node bigint,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node bigint, depth integer, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 100 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_descendants';

COMMENT ON FUNCTION @extschema@.descendants(
	@extschema@.hgraph, bigint, integer, boolean, date, boolean, integer[]) IS
'everything below a node, with shortest distance and share';

CREATE FUNCTION @extschema@.descendants(
	graph @extschema@.hgraph,
	node uuid,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node uuid, depth integer, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 100 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_descendants';

COMMENT ON FUNCTION @extschema@.descendants(
	@extschema@.hgraph, uuid, integer, boolean, date, boolean, integer[]) IS
'everything below a node, with shortest distance and share';

CREATE FUNCTION @extschema@.descendants(
	graph @extschema@.hgraph,
	node text,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node text, depth integer, share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 100 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_descendants';

COMMENT ON FUNCTION @extschema@.descendants(
	@extschema@.hgraph, text, integer, boolean, date, boolean, integer[]) IS
'everything below a node, with shortest distance and share';

-- Where the graph begins and ends

CREATE FUNCTION @extschema@.roots(
	graph @extschema@.hgraph,
	key_type anyelement DEFAULT NULL::bigint,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node anyelement)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 100 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_roots';

COMMENT ON FUNCTION @extschema@.roots(
	@extschema@.hgraph, anyelement, date, boolean, integer[]) IS
'nodes without parents';

CREATE FUNCTION @extschema@.leaves(
	graph @extschema@.hgraph,
	node bigint,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node bigint)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 100 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_leaves';

COMMENT ON FUNCTION @extschema@.leaves(
	@extschema@.hgraph, bigint, integer, boolean, date, boolean, integer[]) IS
'nodes without children below a node';

CREATE FUNCTION @extschema@.leaves(
	graph @extschema@.hgraph,
	node uuid,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node uuid)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 100 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_leaves';

COMMENT ON FUNCTION @extschema@.leaves(
	@extschema@.hgraph, uuid, integer, boolean, date, boolean, integer[]) IS
'nodes without children below a node';

CREATE FUNCTION @extschema@.leaves(
	graph @extschema@.hgraph,
	node text,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node text)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 100 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_leaves';

COMMENT ON FUNCTION @extschema@.leaves(
	@extschema@.hgraph, text, integer, boolean, date, boolean, integer[]) IS
'nodes without children below a node';

CREATE FUNCTION @extschema@.tops(
	graph @extschema@.hgraph,
	node bigint,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node bigint)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 2 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_tops';

COMMENT ON FUNCTION @extschema@.tops(
	@extschema@.hgraph, bigint, integer, boolean, date, boolean, integer[]) IS
'nodes without parents above a node';

CREATE FUNCTION @extschema@.tops(
	graph @extschema@.hgraph,
	node uuid,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node uuid)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 2 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_tops';

COMMENT ON FUNCTION @extschema@.tops(
	@extschema@.hgraph, uuid, integer, boolean, date, boolean, integer[]) IS
'nodes without parents above a node';

CREATE FUNCTION @extschema@.tops(
	graph @extschema@.hgraph,
	node text,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node text)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 2 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_tops';

COMMENT ON FUNCTION @extschema@.tops(
	@extschema@.hgraph, text, integer, boolean, date, boolean, integer[]) IS
'nodes without parents above a node';

-- Paths

CREATE FUNCTION @extschema@.paths(
	graph @extschema@.hgraph,
	node bigint,
	ancestor bigint DEFAULT NULL,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (path bigint[], share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_paths';

COMMENT ON FUNCTION @extschema@.paths(
	@extschema@.hgraph, bigint, bigint, integer, date, boolean, integer[]) IS
'paths down to a node from an ancestor, or from each topmost one';

CREATE FUNCTION @extschema@.paths(
	graph @extschema@.hgraph,
	node uuid,
	ancestor uuid DEFAULT NULL,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (path uuid[], share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_paths';

COMMENT ON FUNCTION @extschema@.paths(
	@extschema@.hgraph, uuid, uuid, integer, date, boolean, integer[]) IS
'paths down to a node from an ancestor, or from each topmost one';

CREATE FUNCTION @extschema@.paths(
	graph @extschema@.hgraph,
	node text,
	ancestor text DEFAULT NULL,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (path text[], share numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_paths';

COMMENT ON FUNCTION @extschema@.paths(
	@extschema@.hgraph, text, text, integer, date, boolean, integer[]) IS
'paths down to a node from an ancestor, or from each topmost one';

CREATE FUNCTION @extschema@.common_ancestors(
	graph @extschema@.hgraph,
	a bigint,
	b bigint,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node bigint, depth_a integer, depth_b integer)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_common_ancestors';

COMMENT ON FUNCTION @extschema@.common_ancestors(
	@extschema@.hgraph, bigint, bigint, integer, boolean, date, boolean,
	integer[]) IS
'what two nodes have above them in common, nearest first';

CREATE FUNCTION @extschema@.common_ancestors(
	graph @extschema@.hgraph,
	a uuid,
	b uuid,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node uuid, depth_a integer, depth_b integer)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_common_ancestors';

COMMENT ON FUNCTION @extschema@.common_ancestors(
	@extschema@.hgraph, uuid, uuid, integer, boolean, date, boolean,
	integer[]) IS
'what two nodes have above them in common, nearest first';

CREATE FUNCTION @extschema@.common_ancestors(
	graph @extschema@.hgraph,
	a text,
	b text,
	max_depth integer DEFAULT NULL,
	include_self boolean DEFAULT false,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (node text, depth_a integer, depth_b integer)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_common_ancestors';

COMMENT ON FUNCTION @extschema@.common_ancestors(
	@extschema@.hgraph, text, text, integer, boolean, date, boolean,
	integer[]) IS
'what two nodes have above them in common, nearest first';

-- Whole graphs

CREATE FUNCTION @extschema@.preorder(
	graph @extschema@.hgraph,
	root bigint,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (
	ordinal bigint,
	node bigint,
	parent bigint,
	depth integer,
	path bigint[],
	is_repeat boolean)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 1000 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_preorder';

COMMENT ON FUNCTION @extschema@.preorder(
	@extschema@.hgraph, bigint, integer, date, boolean, integer[]) IS
'display order below a root, or of the whole graph for a NULL root';

CREATE FUNCTION @extschema@.preorder(
	graph @extschema@.hgraph,
	root uuid,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (
	ordinal bigint,
	node uuid,
	parent uuid,
	depth integer,
	path uuid[],
	is_repeat boolean)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 1000 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_preorder';

COMMENT ON FUNCTION @extschema@.preorder(
	@extschema@.hgraph, uuid, integer, date, boolean, integer[]) IS
'display order below a root, or of the whole graph for a NULL root';

CREATE FUNCTION @extschema@.preorder(
	graph @extschema@.hgraph,
	root text,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (
	ordinal bigint,
	node text,
	parent text,
	depth integer,
	path text[],
	is_repeat boolean)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 1000 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_preorder';

COMMENT ON FUNCTION @extschema@.preorder(
	@extschema@.hgraph, text, integer, date, boolean, integer[]) IS
'display order below a root, or of the whole graph for a NULL root';

-- closure comes twice.  A default for key_type would not do: PostgreSQL derives
-- the columns of a call in FROM from the arguments that are written there.  In
-- the form without key_type no integer may come second, for closure(graph,
-- NULL::integer) to mean the other one.

CREATE FUNCTION @extschema@.closure(
	graph @extschema@.hgraph,
	key_type anyelement,
	max_depth integer DEFAULT NULL,
	as_of date DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (
	ancestor anyelement,
	descendant anyelement,
	depth integer,
	share numeric,
	is_leaf boolean)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 10000 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_closure';

COMMENT ON FUNCTION @extschema@.closure(
	@extschema@.hgraph, anyelement, integer, date, boolean, integer[]) IS
'every node with everything below it, itself included';

CREATE FUNCTION @extschema@.closure(
	graph @extschema@.hgraph,
	as_of date DEFAULT NULL,
	max_depth integer DEFAULT NULL,
	primary_only boolean DEFAULT false,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (
	ancestor bigint,
	descendant bigint,
	depth integer,
	share numeric,
	is_leaf boolean)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 10000 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_closure';

COMMENT ON FUNCTION @extschema@.closure(
	@extschema@.hgraph, date, integer, boolean, integer[]) IS
'every node with everything below it, itself included; nodes are bigint';

-- Looking after a graph

CREATE FUNCTION @extschema@.graph_stats(
	graph @extschema@.hgraph,
	OUT nodes bigint,
	OUT edges bigint,
	OUT roots bigint,
	OUT leaves bigint,
	OUT multi_parent_nodes bigint,
	OUT max_depth integer,
	OUT entries bigint,
	OUT dead_entries bigint,
	OUT overlay_entries bigint,
	OUT image_bytes bigint,
	OUT index_bytes bigint)
RETURNS record
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
COST 10000
AS 'MODULE_PATHNAME', 'hgraph_graph_stats';

COMMENT ON FUNCTION @extschema@.graph_stats(@extschema@.hgraph) IS
'size and shape of a graph';

CREATE FUNCTION @extschema@.verify(graph @extschema@.hgraph)
RETURNS TABLE (problem text, detail text)
LANGUAGE C STABLE STRICT PARALLEL UNSAFE
COST 100000 ROWS 1
AS 'MODULE_PATHNAME', 'hgraph_verify';

COMMENT ON FUNCTION @extschema@.verify(@extschema@.hgraph) IS
'checks that index and table agree and that the graph has no cycle; no rows when all is well';

-- The library

CREATE FUNCTION @extschema@.library_version() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_library_version';
COMMENT ON FUNCTION @extschema@.library_version() IS
'version of the extension that the loaded library belongs to';

-- Rollup: the type hrollup

CREATE TYPE @extschema@.hrollup;

CREATE FUNCTION @extschema@.hrollup_in(cstring) RETURNS @extschema@.hrollup
AS 'MODULE_PATHNAME', 'hgraph_hrollup_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hrollup_in(cstring) IS 'I/O';

CREATE FUNCTION @extschema@.hrollup_out(@extschema@.hrollup) RETURNS cstring
AS 'MODULE_PATHNAME', 'hgraph_hrollup_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hrollup_out(@extschema@.hrollup) IS 'I/O';

-- STABLE, as texts go by the encoding of the client
CREATE FUNCTION @extschema@.hrollup_recv(internal) RETURNS @extschema@.hrollup
AS 'MODULE_PATHNAME', 'hgraph_hrollup_recv' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hrollup_recv(internal) IS 'I/O';

CREATE FUNCTION @extschema@.hrollup_send(@extschema@.hrollup) RETURNS bytea
AS 'MODULE_PATHNAME', 'hgraph_hrollup_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.hrollup_send(@extschema@.hrollup) IS 'I/O';

CREATE TYPE @extschema@.hrollup (
	INPUT = @extschema@.hrollup_in,
	OUTPUT = @extschema@.hrollup_out,
	RECEIVE = @extschema@.hrollup_recv,
	SEND = @extschema@.hrollup_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE @extschema@.hrollup IS
'the result of a rollup: own and total amounts of nodes, by key';

CREATE FUNCTION @extschema@.hrollup_add(@extschema@.hrollup, @extschema@.hrollup)
RETURNS @extschema@.hrollup
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', 'hgraph_hrollup_add';
COMMENT ON FUNCTION @extschema@.hrollup_add(@extschema@.hrollup, @extschema@.hrollup) IS
'implementation of + operator';

CREATE OPERATOR @extschema@.+ (
	LEFTARG = @extschema@.hrollup, RIGHTARG = @extschema@.hrollup,
	FUNCTION = @extschema@.hrollup_add,
	COMMUTATOR = OPERATOR(@extschema@.+)
);
COMMENT ON OPERATOR @extschema@.+ (@extschema@.hrollup, @extschema@.hrollup) IS
'add up rollups of the same graph and mode';

CREATE AGGREGATE @extschema@.sum(@extschema@.hrollup) (
	SFUNC = @extschema@.hrollup_add,
	STYPE = @extschema@.hrollup,
	COMBINEFUNC = @extschema@.hrollup_add,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.sum(@extschema@.hrollup) IS
'sum of rollups of the same graph and mode';

CREATE FUNCTION @extschema@.hrollup_total(@extschema@.hrollup, bigint) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'hgraph_hrollup_total_int8';
COMMENT ON FUNCTION @extschema@.hrollup_total(@extschema@.hrollup, bigint) IS
'implementation of -> operator';

CREATE OPERATOR @extschema@.-> (
	LEFTARG = @extschema@.hrollup, RIGHTARG = bigint,
	FUNCTION = @extschema@.hrollup_total
);
COMMENT ON OPERATOR @extschema@.-> (@extschema@.hrollup, bigint) IS
'total of a node, NULL when it has no facts';

CREATE FUNCTION @extschema@.hrollup_total(@extschema@.hrollup, uuid) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'hgraph_hrollup_total_uuid';
COMMENT ON FUNCTION @extschema@.hrollup_total(@extschema@.hrollup, uuid) IS
'implementation of -> operator';

CREATE OPERATOR @extschema@.-> (
	LEFTARG = @extschema@.hrollup, RIGHTARG = uuid,
	FUNCTION = @extschema@.hrollup_total
);
COMMENT ON OPERATOR @extschema@.-> (@extschema@.hrollup, uuid) IS
'total of a node, NULL when it has no facts';

CREATE FUNCTION @extschema@.hrollup_total(@extschema@.hrollup, text) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'hgraph_hrollup_total_text';
COMMENT ON FUNCTION @extschema@.hrollup_total(@extschema@.hrollup, text) IS
'implementation of -> operator';

CREATE OPERATOR @extschema@.-> (
	LEFTARG = @extschema@.hrollup, RIGHTARG = text,
	FUNCTION = @extschema@.hrollup_total
);
COMMENT ON OPERATOR @extschema@.-> (@extschema@.hrollup, text) IS
'total of a node, NULL when it has no facts';

-- Rows of a rollup.  Each function comes twice, for the reason that closure
-- does.

CREATE FUNCTION @extschema@.each(
	r @extschema@.hrollup,
	key_type anyelement)
RETURNS TABLE (
	node anyelement,
	depth integer,
	own numeric,
	total numeric,
	own_count bigint,
	total_count numeric)
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
COST 1000 ROWS 10000
AS 'MODULE_PATHNAME', 'hgraph_hrollup_each';

COMMENT ON FUNCTION @extschema@.each(@extschema@.hrollup, anyelement) IS
'every node that has facts at or below it, with its own and total amounts';

CREATE FUNCTION @extschema@.each(
	r @extschema@.hrollup)
RETURNS TABLE (
	node bigint,
	depth integer,
	own numeric,
	total numeric,
	own_count bigint,
	total_count numeric)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
COST 1000 ROWS 10000
AS 'MODULE_PATHNAME', 'hgraph_hrollup_each';

COMMENT ON FUNCTION @extschema@.each(@extschema@.hrollup) IS
'every node that has facts at or below it, with its own and total amounts; nodes are bigint';

CREATE FUNCTION @extschema@.each_stats(
	r @extschema@.hrollup,
	key_type anyelement)
RETURNS TABLE (
	node anyelement,
	depth integer,
	own numeric,
	total numeric,
	own_count bigint,
	total_count numeric,
	own_min numeric,
	total_min numeric,
	own_max numeric,
	total_max numeric,
	own_avg numeric,
	total_avg numeric)
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
COST 2000 ROWS 10000
AS 'MODULE_PATHNAME', 'hgraph_hrollup_each_stats';

COMMENT ON FUNCTION @extschema@.each_stats(@extschema@.hrollup, anyelement) IS
'the same as each, with least, greatest and average values';

CREATE FUNCTION @extschema@.each_stats(
	r @extschema@.hrollup)
RETURNS TABLE (
	node bigint,
	depth integer,
	own numeric,
	total numeric,
	own_count bigint,
	total_count numeric,
	own_min numeric,
	total_min numeric,
	own_max numeric,
	total_max numeric,
	own_avg numeric,
	total_avg numeric)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
COST 2000 ROWS 10000
AS 'MODULE_PATHNAME', 'hgraph_hrollup_each_stats';

COMMENT ON FUNCTION @extschema@.each_stats(@extschema@.hrollup) IS
'the same as each, with least, greatest and average values; nodes are bigint';

CREATE FUNCTION @extschema@.each_of(
	rollups @extschema@.hrollup[],
	key_type anyelement)
RETURNS TABLE (
	node anyelement,
	depth integer,
	own numeric[],
	total numeric[],
	own_count bigint[],
	total_count numeric[])
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
COST 2000 ROWS 10000
AS 'MODULE_PATHNAME', 'hgraph_hrollup_each_of';

COMMENT ON FUNCTION @extschema@.each_of(@extschema@.hrollup[], anyelement) IS
'several rollups of one graph side by side: every node of any of them';

CREATE FUNCTION @extschema@.each_of(
	rollups @extschema@.hrollup[])
RETURNS TABLE (
	node bigint,
	depth integer,
	own numeric[],
	total numeric[],
	own_count bigint[],
	total_count numeric[])
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
COST 2000 ROWS 10000
AS 'MODULE_PATHNAME', 'hgraph_hrollup_each_of';

COMMENT ON FUNCTION @extschema@.each_of(@extschema@.hrollup[]) IS
'several rollups of one graph side by side: every node of any of them; nodes are bigint';

CREATE FUNCTION @extschema@.compare_rollup(
	rollup_before @extschema@.hrollup,
	rollup_after @extschema@.hrollup,
	key_type anyelement)
RETURNS TABLE (
	node anyelement,
	before numeric,
	after numeric,
	difference numeric)
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
COST 2000 ROWS 10000
AS 'MODULE_PATHNAME', 'hgraph_hrollup_compare';

COMMENT ON FUNCTION @extschema@.compare_rollup(@extschema@.hrollup, @extschema@.hrollup, anyelement) IS
'totals of two rollups of the same graph and mode, and how they differ';

CREATE FUNCTION @extschema@.compare_rollup(
	rollup_before @extschema@.hrollup,
	rollup_after @extschema@.hrollup)
RETURNS TABLE (
	node bigint,
	before numeric,
	after numeric,
	difference numeric)
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
COST 2000 ROWS 10000
AS 'MODULE_PATHNAME', 'hgraph_hrollup_compare';

COMMENT ON FUNCTION @extschema@.compare_rollup(@extschema@.hrollup, @extschema@.hrollup) IS
'totals of two rollups of the same graph and mode, and how they differ; nodes are bigint';

CREATE FUNCTION @extschema@.node_stats(
	r @extschema@.hrollup,
	node bigint,
	OUT depth integer,
	OUT own numeric,
	OUT total numeric,
	OUT own_count bigint,
	OUT total_count numeric,
	OUT own_min numeric,
	OUT total_min numeric,
	OUT own_max numeric,
	OUT total_max numeric,
	OUT own_avg numeric,
	OUT total_avg numeric)
RETURNS record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'hgraph_hrollup_stats_int8';

COMMENT ON FUNCTION @extschema@.node_stats(@extschema@.hrollup, bigint) IS
'all figures of one node; NULLs when it has no facts';

CREATE FUNCTION @extschema@.node_stats(
	r @extschema@.hrollup,
	node uuid,
	OUT depth integer,
	OUT own numeric,
	OUT total numeric,
	OUT own_count bigint,
	OUT total_count numeric,
	OUT own_min numeric,
	OUT total_min numeric,
	OUT own_max numeric,
	OUT total_max numeric,
	OUT own_avg numeric,
	OUT total_avg numeric)
RETURNS record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'hgraph_hrollup_stats_uuid';

COMMENT ON FUNCTION @extschema@.node_stats(@extschema@.hrollup, uuid) IS
'all figures of one node; NULLs when it has no facts';

CREATE FUNCTION @extschema@.node_stats(
	r @extschema@.hrollup,
	node text,
	OUT depth integer,
	OUT own numeric,
	OUT total numeric,
	OUT own_count bigint,
	OUT total_count numeric,
	OUT own_min numeric,
	OUT total_min numeric,
	OUT own_max numeric,
	OUT total_max numeric,
	OUT own_avg numeric,
	OUT total_avg numeric)
RETURNS record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'hgraph_hrollup_stats_text';

COMMENT ON FUNCTION @extschema@.node_stats(@extschema@.hrollup, text) IS
'all figures of one node; NULLs when it has no facts';

CREATE FUNCTION @extschema@.unmatched(
	r @extschema@.hrollup,
	OUT rows bigint,
	OUT value numeric)
RETURNS record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'hgraph_hrollup_unmatched';

COMMENT ON FUNCTION @extschema@.unmatched(@extschema@.hrollup) IS
'facts without a node in the graph: how many, and their sum';

CREATE FUNCTION @extschema@.reconcile(
	r @extschema@.hrollup,
	OUT grand_total numeric,
	OUT root_total numeric,
	OUT unmatched numeric,
	OUT sharing numeric,
	OUT unmatched_rows bigint,
	OUT unstated_shares bigint)
RETURNS record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'hgraph_hrollup_reconcile';

COMMENT ON FUNCTION @extschema@.reconcile(@extschema@.hrollup) IS
'why the roots add up to what they do: root_total = grand_total - unmatched + sharing';

-- Rollup: aggregates
--
-- Node and value are polymorphic, so that no type of value slips into another
-- one by overload resolution; the functions check what they get.

CREATE FUNCTION @extschema@.rollup_transition(
	internal,
	graph @extschema@.hgraph,
	node anyelement,
	value anycompatible)
RETURNS internal
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rollup_transition';

COMMENT ON FUNCTION @extschema@.rollup_transition(
	internal, @extschema@.hgraph, anyelement, anycompatible) IS
'aggregate transition function';

CREATE FUNCTION @extschema@.rollup_transition(
	internal,
	graph @extschema@.hgraph,
	node anyelement,
	value anycompatible,
	mode text)
RETURNS internal
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rollup_transition';

COMMENT ON FUNCTION @extschema@.rollup_transition(
	internal, @extschema@.hgraph, anyelement, anycompatible, text) IS
'aggregate transition function';

CREATE FUNCTION @extschema@.rollup_transition(
	internal,
	graph @extschema@.hgraph,
	node anyelement,
	value anycompatible,
	mode text,
	as_of date)
RETURNS internal
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rollup_transition';

COMMENT ON FUNCTION @extschema@.rollup_transition(
	internal, @extschema@.hgraph, anyelement, anycompatible, text, date) IS
'aggregate transition function';

CREATE FUNCTION @extschema@.rollup_count_transition(
	internal,
	graph @extschema@.hgraph,
	node anyelement)
RETURNS internal
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rollup_count_transition';

COMMENT ON FUNCTION @extschema@.rollup_count_transition(
	internal, @extschema@.hgraph, anyelement) IS
'aggregate transition function';

CREATE FUNCTION @extschema@.rollup_count_transition(
	internal,
	graph @extschema@.hgraph,
	node anyelement,
	mode text)
RETURNS internal
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rollup_count_transition';

COMMENT ON FUNCTION @extschema@.rollup_count_transition(
	internal, @extschema@.hgraph, anyelement, text) IS
'aggregate transition function';

CREATE FUNCTION @extschema@.rollup_count_transition(
	internal,
	graph @extschema@.hgraph,
	node anyelement,
	mode text,
	as_of date)
RETURNS internal
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rollup_count_transition';

COMMENT ON FUNCTION @extschema@.rollup_count_transition(
	internal, @extschema@.hgraph, anyelement, text, date) IS
'aggregate transition function';

CREATE FUNCTION @extschema@.rollup_combine(internal, internal)
RETURNS internal
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rollup_combine';

COMMENT ON FUNCTION @extschema@.rollup_combine(internal, internal) IS
'aggregate combine function';

CREATE FUNCTION @extschema@.rollup_serialize(internal)
RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rollup_serialize';

COMMENT ON FUNCTION @extschema@.rollup_serialize(internal) IS
'aggregate serialization function';

CREATE FUNCTION @extschema@.rollup_deserialize(bytea, internal)
RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_rollup_deserialize';

COMMENT ON FUNCTION @extschema@.rollup_deserialize(bytea, internal) IS
'aggregate deserialization function';

CREATE FUNCTION @extschema@.rollup_final(internal)
RETURNS @extschema@.hrollup
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
COST 100000
AS 'MODULE_PATHNAME', 'hgraph_rollup_final';

COMMENT ON FUNCTION @extschema@.rollup_final(internal) IS
'aggregate final function';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node anyelement,
	value anycompatible)
(
	SFUNC = @extschema@.rollup_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, anyelement, anycompatible) IS
'own and total of values for every node, over a graph';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node anyelement,
	value anycompatible,
	mode text)
(
	SFUNC = @extschema@.rollup_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, anyelement, anycompatible, text) IS
'own and total of values for every node, over a graph; modes are distinct, weighted, primary, paths';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node anyelement,
	value anycompatible,
	mode text,
	as_of date)
(
	SFUNC = @extschema@.rollup_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, anyelement, anycompatible, text, date) IS
'own and total of values for every node, over a graph, as of a day';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node anyelement)
(
	SFUNC = @extschema@.rollup_count_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, anyelement) IS
'own and total number of rows for every node, over a graph';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node anyelement,
	mode text)
(
	SFUNC = @extschema@.rollup_count_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, anyelement, text) IS
'own and total number of rows for every node, over a graph; modes are distinct, weighted, primary, paths';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node anyelement,
	mode text,
	as_of date)
(
	SFUNC = @extschema@.rollup_count_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, anyelement, text, date) IS
'own and total number of rows for every node, over a graph, as of a day';

-- The same for text, which is what a literal without a type becomes.

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node text,
	value anycompatible)
(
	SFUNC = @extschema@.rollup_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, text, anycompatible) IS
'own and total of values for every node, over a graph';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node text,
	value anycompatible,
	mode text)
(
	SFUNC = @extschema@.rollup_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, text, anycompatible, text) IS
'own and total of values for every node, over a graph; modes are distinct, weighted, primary, paths';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node text,
	value anycompatible,
	mode text,
	as_of date)
(
	SFUNC = @extschema@.rollup_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, text, anycompatible, text, date) IS
'own and total of values for every node, over a graph, as of a day';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node text)
(
	SFUNC = @extschema@.rollup_count_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, text) IS
'own and total number of rows for every node, over a graph';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node text,
	mode text)
(
	SFUNC = @extschema@.rollup_count_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, text, text) IS
'own and total number of rows for every node, over a graph; modes are distinct, weighted, primary, paths';

CREATE AGGREGATE @extschema@.rollup(
	graph @extschema@.hgraph,
	node text,
	mode text,
	as_of date)
(
	SFUNC = @extschema@.rollup_count_transition,
	STYPE = internal,
	SSPACE = 8192,
	FINALFUNC = @extschema@.rollup_final,
	COMBINEFUNC = @extschema@.rollup_combine,
	SERIALFUNC = @extschema@.rollup_serialize,
	DESERIALFUNC = @extschema@.rollup_deserialize,
	PARALLEL = SAFE
);

COMMENT ON AGGREGATE @extschema@.rollup(
	@extschema@.hgraph, text, text, date) IS
'own and total number of rows for every node, over a graph, as of a day';

-- Rollup: everyday calls
--
-- rollup_table and drilldown run a query with the caller's condition, over
-- whatever the caller names; what that calls need not be parallel safe.

CREATE FUNCTION @extschema@.rollup_table(
	graph @extschema@.hgraph,
	source regclass,
	key_column name,
	value_column name DEFAULT NULL,
	mode text DEFAULT 'distinct',
	filter text DEFAULT NULL,
	as_of date DEFAULT NULL)
RETURNS @extschema@.hrollup
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
COST 100000
AS 'MODULE_PATHNAME', 'hgraph_rollup_table';

COMMENT ON FUNCTION @extschema@.rollup_table(
	@extschema@.hgraph, regclass, name, name, text, text, date) IS
'rolls up a column of a table or view, or counts its rows; filter is a condition on them';

CREATE FUNCTION @extschema@.explain_rollup(
	graph @extschema@.hgraph,
	node bigint,
	descendant bigint,
	mode text DEFAULT NULL,
	amount numeric DEFAULT 1,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	path bigint[],
	shares numeric[],
	share numeric,
	contribution numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_explain_rollup';

COMMENT ON FUNCTION @extschema@.explain_rollup(
	@extschema@.hgraph, bigint, bigint, text, numeric, date) IS
'every path by which an amount of a descendant counts in the total of a node, and what it hands on';

CREATE FUNCTION @extschema@.explain_rollup(
	graph @extschema@.hgraph,
	node uuid,
	descendant uuid,
	mode text DEFAULT NULL,
	amount numeric DEFAULT 1,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	path uuid[],
	shares numeric[],
	share numeric,
	contribution numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_explain_rollup';

COMMENT ON FUNCTION @extschema@.explain_rollup(
	@extschema@.hgraph, uuid, uuid, text, numeric, date) IS
'every path by which an amount of a descendant counts in the total of a node, and what it hands on';

CREATE FUNCTION @extschema@.explain_rollup(
	graph @extschema@.hgraph,
	node text,
	descendant text,
	mode text DEFAULT NULL,
	amount numeric DEFAULT 1,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	path text[],
	shares numeric[],
	share numeric,
	contribution numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 10 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_explain_rollup';

COMMENT ON FUNCTION @extschema@.explain_rollup(
	@extschema@.hgraph, text, text, text, numeric, date) IS
'every path by which an amount of a descendant counts in the total of a node, and what it hands on';

CREATE FUNCTION @extschema@.drilldown(
	graph @extschema@.hgraph,
	node bigint,
	source regclass,
	key name,
	value name DEFAULT NULL,
	mode text DEFAULT 'distinct',
	filter text DEFAULT NULL,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	node bigint,
	own numeric,
	total numeric,
	share_of_total numeric,
	child_count bigint,
	own_count bigint,
	total_count numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
COST 10000 ROWS 10
AS 'MODULE_PATHNAME', 'hgraph_drilldown';

COMMENT ON FUNCTION @extschema@.drilldown(
	@extschema@.hgraph, bigint, regclass, name, name, text, text, date) IS
'the children of a node with their totals, computed from the facts of its subtree';

CREATE FUNCTION @extschema@.drilldown(
	graph @extschema@.hgraph,
	node uuid,
	source regclass,
	key name,
	value name DEFAULT NULL,
	mode text DEFAULT 'distinct',
	filter text DEFAULT NULL,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	node uuid,
	own numeric,
	total numeric,
	share_of_total numeric,
	child_count bigint,
	own_count bigint,
	total_count numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
COST 10000 ROWS 10
AS 'MODULE_PATHNAME', 'hgraph_drilldown';

COMMENT ON FUNCTION @extschema@.drilldown(
	@extschema@.hgraph, uuid, regclass, name, name, text, text, date) IS
'the children of a node with their totals, computed from the facts of its subtree';

CREATE FUNCTION @extschema@.drilldown(
	graph @extschema@.hgraph,
	node text,
	source regclass,
	key name,
	value name DEFAULT NULL,
	mode text DEFAULT 'distinct',
	filter text DEFAULT NULL,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	node text,
	own numeric,
	total numeric,
	share_of_total numeric,
	child_count bigint,
	own_count bigint,
	total_count numeric)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
COST 10000 ROWS 10
AS 'MODULE_PATHNAME', 'hgraph_drilldown';

COMMENT ON FUNCTION @extschema@.drilldown(
	@extschema@.hgraph, text, regclass, name, name, text, text, date) IS
'the children of a node with their totals, computed from the facts of its subtree';

-- Rollup: views

CREATE FUNCTION @extschema@.create_rollup_view(
	name text,
	graph @extschema@.hgraph,
	source regclass,
	key name,
	measures text[],
	dimensions text[] DEFAULT '{}',
	date_column name DEFAULT NULL,
	mode text DEFAULT 'distinct',
	filter text DEFAULT NULL,
	as_of date DEFAULT NULL,
	comment text DEFAULT NULL)
RETURNS regclass
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
COST 10000
AS 'MODULE_PATHNAME', 'hgraph_create_rollup_view';

COMMENT ON FUNCTION @extschema@.create_rollup_view(
	text, @extschema@.hgraph, regclass, name, text[], text[], name, text, text,
	date, text) IS
'creates a view with the totals of every node, by dimensions and periods';

CREATE FUNCTION @extschema@.drop_rollup_view(name text)
RETURNS void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
COST 10000
AS 'MODULE_PATHNAME', 'hgraph_drop_rollup_view';

COMMENT ON FUNCTION @extschema@.drop_rollup_view(text) IS
'drops a view made by create_rollup_view';

-- The directory: entities, and hierarchies over them
--
-- The tables belong to the owner of the extension (see "Owners").  What must
-- hold for their rows beyond the checks below is watched by triggers; who
-- changed what is written by others.  The triggers also watch references that
-- a foreign key cannot: of an entity to the one it was merged into (a dump may
-- restore them in any order), and of a relationship to its entities (a foreign
-- key checks row by row).

-- Checksums of outside identifiers

CREATE FUNCTION @extschema@.is_npi(value text) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_is_npi';
COMMENT ON FUNCTION @extschema@.is_npi(text) IS
'is this a National Provider Identifier: ten digits with a valid check digit?';

CREATE FUNCTION @extschema@.is_lei(value text) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_is_lei';
COMMENT ON FUNCTION @extschema@.is_lei(text) IS
'is this a Legal Entity Identifier: 20 characters with valid check digits?';

CREATE FUNCTION @extschema@.is_duns(value text) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_is_duns';
COMMENT ON FUNCTION @extschema@.is_duns(text) IS
'is this a D-U-N-S number: nine digits, not all of them 0?';

CREATE FUNCTION @extschema@.normalise_identifier(scheme text, value text) RETURNS text
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE WHEN scheme OPERATOR(pg_catalog.=) 'DUNS'
	THEN pg_catalog.regexp_replace(value, '^([0-9]{2})[- ]?([0-9]{3})[- ]?([0-9]{4})$', '\1\2\3')
	ELSE value END;
COMMENT ON FUNCTION @extschema@.normalise_identifier(text, text) IS
'an identifier as it is kept: a D-U-N-S number without the hyphens or blanks that it is printed with';

-- Labels of relationship types, as filters of traversals take them

CREATE FUNCTION @extschema@.relationship_label(relationship_type text) RETURNS integer
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE
AS 'hashtext';
COMMENT ON FUNCTION @extschema@.relationship_label(text) IS
'label by which traversals know a type of relationship';

-- Entities

CREATE TABLE @extschema@.entity_type (
	entity_type text NOT NULL,
	description text,
	CONSTRAINT entity_type_pkey PRIMARY KEY (entity_type),
	CONSTRAINT entity_type_entity_type_check CHECK (entity_type <> '' AND entity_type = pg_catalog.btrim(entity_type))
);
COMMENT ON TABLE @extschema@.entity_type IS 'kinds of entities: prescriber, account, branch ...';
COMMENT ON COLUMN @extschema@.entity_type.entity_type IS 'name of the type';
COMMENT ON COLUMN @extschema@.entity_type.description IS 'what it stands for';

CREATE TABLE @extschema@.entity (
	entity_id bigint GENERATED BY DEFAULT AS IDENTITY,
	entity_type text NOT NULL,
	code text NOT NULL,
	name text NOT NULL,
	status text NOT NULL DEFAULT 'active',
	merged_into bigint,
	attributes jsonb NOT NULL DEFAULT '{}',
	CONSTRAINT entity_pkey PRIMARY KEY (entity_id),
	CONSTRAINT entity_entity_type_code_key UNIQUE (entity_type, code),
	CONSTRAINT entity_entity_type_fkey FOREIGN KEY (entity_type)
		REFERENCES @extschema@.entity_type (entity_type) ON UPDATE CASCADE,
	CONSTRAINT entity_code_check CHECK (code <> '' AND code = pg_catalog.btrim(code)),
	CONSTRAINT entity_status_check CHECK (status IN ('active', 'inactive', 'merged')),
	CONSTRAINT entity_merged_into_check CHECK ((status = 'merged') = (merged_into IS NOT NULL) AND merged_into <> entity_id),
	CONSTRAINT entity_attributes_check CHECK (pg_catalog.jsonb_typeof(attributes) = 'object')
);
CREATE INDEX entity_merged_into_idx ON @extschema@.entity (merged_into) WHERE merged_into IS NOT NULL;
COMMENT ON TABLE @extschema@.entity IS 'the directory: every customer, once, whatever hierarchies it is part of';
COMMENT ON COLUMN @extschema@.entity.entity_id IS 'number of the entity, the key of every graph';
COMMENT ON COLUMN @extschema@.entity.entity_type IS 'what kind of entity it is';
COMMENT ON COLUMN @extschema@.entity.code IS 'its code, unique among entities of its type';
COMMENT ON COLUMN @extschema@.entity.name IS 'its name';
COMMENT ON COLUMN @extschema@.entity.status IS 'active, inactive, or merged into another entity';
COMMENT ON COLUMN @extschema@.entity.merged_into IS 'the entity that it was merged into';
COMMENT ON COLUMN @extschema@.entity.attributes IS 'whatever else is known of it, as a JSON object';

CREATE TABLE @extschema@.identifier_scheme (
	scheme text NOT NULL,
	description text,
	pattern text,
	CONSTRAINT identifier_scheme_pkey PRIMARY KEY (scheme),
	CONSTRAINT identifier_scheme_scheme_check CHECK (scheme <> '' AND scheme = pg_catalog.btrim(scheme))
);
COMMENT ON TABLE @extschema@.identifier_scheme IS 'what is known of schemes of outside identifiers; others need no row here';
COMMENT ON COLUMN @extschema@.identifier_scheme.scheme IS 'name of the scheme';
COMMENT ON COLUMN @extschema@.identifier_scheme.description IS 'who issues it, what it identifies';
COMMENT ON COLUMN @extschema@.identifier_scheme.pattern IS 'regular expression that its values match as a whole; NULL: any';

INSERT INTO @extschema@.identifier_scheme (scheme, description, pattern) VALUES
('DUNS', 'D-U-N-S number, Dun & Bradstreet: nine digits, not all of them 0', NULL),
('NPI', 'National Provider Identifier, United States: ten digits, the last a check digit', NULL),
('LEI', 'Legal Entity Identifier, ISO 17442: 20 characters, the last two check digits', NULL);

CREATE TABLE @extschema@.identifier (
	scheme text NOT NULL,
	value text NOT NULL,
	entity_id bigint NOT NULL,
	CONSTRAINT identifier_pkey PRIMARY KEY (scheme, value),
	CONSTRAINT identifier_entity_id_fkey FOREIGN KEY (entity_id)
		REFERENCES @extschema@.entity (entity_id),
	CONSTRAINT identifier_value_check CHECK (value <> '' AND value = pg_catalog.btrim(value)),
	CONSTRAINT identifier_duns_check CHECK (scheme <> 'DUNS' OR @extschema@.is_duns(value)),
	CONSTRAINT identifier_npi_check CHECK (scheme <> 'NPI' OR @extschema@.is_npi(value)),
	CONSTRAINT identifier_lei_check CHECK (scheme <> 'LEI' OR @extschema@.is_lei(value))
);
CREATE INDEX identifier_entity_id_idx ON @extschema@.identifier (entity_id);
COMMENT ON TABLE @extschema@.identifier IS 'outside identifiers of entities, any number for each';
COMMENT ON COLUMN @extschema@.identifier.scheme IS 'who issued the identifier: DUNS, NPI, LEI, or any other scheme';
COMMENT ON COLUMN @extschema@.identifier.value IS 'the identifier, unique in its scheme';
COMMENT ON COLUMN @extschema@.identifier.entity_id IS 'the entity that it identifies';

-- Hierarchies

CREATE TABLE @extschema@.relationship_type (
	relationship_type text NOT NULL,
	description text,
	label integer GENERATED ALWAYS AS (@extschema@.relationship_label(relationship_type)) STORED,
	CONSTRAINT relationship_type_pkey PRIMARY KEY (relationship_type),
	CONSTRAINT relationship_type_label_key UNIQUE (label),
	CONSTRAINT relationship_type_relationship_type_check
		CHECK (relationship_type <> '' AND relationship_type = pg_catalog.btrim(relationship_type))
);
COMMENT ON TABLE @extschema@.relationship_type IS 'kinds of relationships: owns, works at, buys from ...';
COMMENT ON COLUMN @extschema@.relationship_type.relationship_type IS 'name of the type';
COMMENT ON COLUMN @extschema@.relationship_type.description IS 'what it says of a child and its parent';
COMMENT ON COLUMN @extschema@.relationship_type.label IS 'its number in the argument labels of traversals';

CREATE TABLE @extschema@.hierarchy (
	hierarchy_id integer GENERATED BY DEFAULT AS IDENTITY,
	name text NOT NULL,
	description text,
	share_mode text NOT NULL DEFAULT 'none',
	max_parents integer,
	require_primary boolean NOT NULL DEFAULT false,
	relationship_types text[],
	validity daterange NOT NULL DEFAULT '(,)',
	graph @extschema@.hgraph,
	CONSTRAINT hierarchy_pkey PRIMARY KEY (hierarchy_id),
	CONSTRAINT hierarchy_name_key UNIQUE (name),
	CONSTRAINT hierarchy_name_check CHECK (name <> '' AND name = pg_catalog.btrim(name) AND pg_catalog.octet_length(name) <= 63),
	CONSTRAINT hierarchy_share_mode_check CHECK (share_mode IN ('none', 'split', 'full')),
	CONSTRAINT hierarchy_max_parents_check CHECK (max_parents > 0),
	CONSTRAINT hierarchy_validity_check CHECK (NOT pg_catalog.isempty(validity))
);
COMMENT ON TABLE @extschema@.hierarchy IS 'hierarchies over the directory, each with rules and a graph of its own';
COMMENT ON COLUMN @extschema@.hierarchy.hierarchy_id IS 'number of the hierarchy';
COMMENT ON COLUMN @extschema@.hierarchy.name IS 'its name, which is that of its graph too';
COMMENT ON COLUMN @extschema@.hierarchy.description IS 'what it is for';
COMMENT ON COLUMN @extschema@.hierarchy.share_mode IS
'none: no shares; split: those of a child add up to 1 on every day; full: each is between 0 and 1';
COMMENT ON COLUMN @extschema@.hierarchy.max_parents IS 'how many parents a child may have on one day; NULL: any number';
COMMENT ON COLUMN @extschema@.hierarchy.require_primary IS 'must one parent of every child be its primary one, on every day?';
COMMENT ON COLUMN @extschema@.hierarchy.relationship_types IS 'the types that its relationships may have; NULL: any';
COMMENT ON COLUMN @extschema@.hierarchy.validity IS 'the days within which its relationships may be valid';
COMMENT ON COLUMN @extschema@.hierarchy.graph IS 'its graph, for traversals and rollups';

CREATE TABLE @extschema@.relationship_rule (
	hierarchy_id integer NOT NULL,
	child_type text NOT NULL,
	parent_type text NOT NULL,
	max_parents integer,
	CONSTRAINT relationship_rule_pkey PRIMARY KEY (hierarchy_id, child_type, parent_type),
	CONSTRAINT relationship_rule_hierarchy_id_fkey FOREIGN KEY (hierarchy_id)
		REFERENCES @extschema@.hierarchy (hierarchy_id) ON DELETE CASCADE,
	CONSTRAINT relationship_rule_child_type_fkey FOREIGN KEY (child_type)
		REFERENCES @extschema@.entity_type (entity_type) ON UPDATE CASCADE,
	CONSTRAINT relationship_rule_parent_type_fkey FOREIGN KEY (parent_type)
		REFERENCES @extschema@.entity_type (entity_type) ON UPDATE CASCADE,
	CONSTRAINT relationship_rule_max_parents_check CHECK (max_parents > 0)
);
COMMENT ON TABLE @extschema@.relationship_rule IS
'which type of entity may stand under which; a hierarchy without a rule lets any';
COMMENT ON COLUMN @extschema@.relationship_rule.hierarchy_id IS 'the hierarchy in which this holds';
COMMENT ON COLUMN @extschema@.relationship_rule.child_type IS 'entities of this type';
COMMENT ON COLUMN @extschema@.relationship_rule.parent_type IS 'may stand under entities of this type';
COMMENT ON COLUMN @extschema@.relationship_rule.max_parents IS
'how many parents of this type a child of that type may have on one day; NULL: any number';

-- Each hierarchy has a partition of its own, made by create_hierarchy with a
-- primary key (child_id, parent_id, valid) and the graph.  The root has no
-- keys: a partition of a table that belongs to an extension gets them at once
-- when it is attached, and a dump adds those of the partition afterwards.

CREATE TABLE @extschema@.relationship (
	hierarchy_id integer NOT NULL,
	parent_id bigint NOT NULL,
	child_id bigint NOT NULL,
	relationship_type text,
	is_primary boolean NOT NULL DEFAULT false,
	share numeric,
	influence_level numeric,
	attributes jsonb NOT NULL DEFAULT '{}',
	valid daterange NOT NULL DEFAULT '(,)',
	label integer GENERATED ALWAYS AS (@extschema@.relationship_label(relationship_type)) STORED,
	CONSTRAINT relationship_self_check CHECK (parent_id <> child_id),
	CONSTRAINT relationship_share_check CHECK (share >= 0::numeric AND share <= 1::numeric),
	CONSTRAINT relationship_attributes_check CHECK (pg_catalog.jsonb_typeof(attributes) = 'object'),
	CONSTRAINT relationship_valid_check CHECK (NOT pg_catalog.isempty(valid))
) PARTITION BY LIST (hierarchy_id);
COMMENT ON TABLE @extschema@.relationship IS 'who stands under whom, in which hierarchy, with what share, on which days';
COMMENT ON COLUMN @extschema@.relationship.hierarchy_id IS 'the hierarchy';
COMMENT ON COLUMN @extschema@.relationship.parent_id IS 'the entity above';
COMMENT ON COLUMN @extschema@.relationship.child_id IS 'the entity below';
COMMENT ON COLUMN @extschema@.relationship.relationship_type IS 'the kind of relationship, if the hierarchy has several';
COMMENT ON COLUMN @extschema@.relationship.is_primary IS 'is this the primary parent of the child?';
COMMENT ON COLUMN @extschema@.relationship.share IS 'which part of the child counts for this parent, from 0 to 1; NULL: not stated';
COMMENT ON COLUMN @extschema@.relationship.influence_level IS 'how strong the influence of the parent is, in a unit of your choice';
COMMENT ON COLUMN @extschema@.relationship.attributes IS 'whatever else is known of it, as a JSON object';
COMMENT ON COLUMN @extschema@.relationship.valid IS 'the days on which it holds, the first included, the last not';
COMMENT ON COLUMN @extschema@.relationship.label IS 'number of the relationship type, for the graph';

-- Every change, for good.  A partition for each month.

CREATE SEQUENCE @extschema@.change_log_change_id_seq;
COMMENT ON SEQUENCE @extschema@.change_log_change_id_seq IS 'numbers of changes';

CREATE TABLE @extschema@.change_log (
	change_id bigint NOT NULL DEFAULT pg_catalog.nextval('@extschema@.change_log_change_id_seq'::regclass),
	changed_at timestamptz NOT NULL,
	txid xid8 NOT NULL,
	table_name text NOT NULL,
	operation text NOT NULL,
	hierarchy_id integer,
	entity_id bigint,
	parent_id bigint,
	old_row jsonb,
	new_row jsonb,
	reason text,
	request text,
	login_role text NOT NULL,
	effective_role text NOT NULL,
	application text,
	client_address inet,
	CONSTRAINT change_log_operation_check CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'))
) PARTITION BY RANGE (changed_at);
ALTER SEQUENCE @extschema@.change_log_change_id_seq OWNED BY @extschema@.change_log.change_id;
COMMENT ON TABLE @extschema@.change_log IS
'every change of the directory, one row for each row changed; rows are only ever added';
COMMENT ON COLUMN @extschema@.change_log.change_id IS 'number of the change, growing';
COMMENT ON COLUMN @extschema@.change_log.changed_at IS 'when it was made, by the clock';
COMMENT ON COLUMN @extschema@.change_log.txid IS 'the transaction that made it';
COMMENT ON COLUMN @extschema@.change_log.table_name IS 'the table changed, without schema';
COMMENT ON COLUMN @extschema@.change_log.operation IS 'INSERT, UPDATE, DELETE or TRUNCATE';
COMMENT ON COLUMN @extschema@.change_log.hierarchy_id IS 'the hierarchy that the row belongs to';
COMMENT ON COLUMN @extschema@.change_log.entity_id IS 'the entity that the row is about; of a relationship, the child';
COMMENT ON COLUMN @extschema@.change_log.parent_id IS 'the parent, if the row is a relationship';
COMMENT ON COLUMN @extschema@.change_log.old_row IS 'the row before the change';
COMMENT ON COLUMN @extschema@.change_log.new_row IS 'the row after it';
COMMENT ON COLUMN @extschema@.change_log.reason IS 'why: the argument of a verb, or the setting hierarchy.reason';
COMMENT ON COLUMN @extschema@.change_log.request IS 'the setting hierarchy.request: what asked for it';
COMMENT ON COLUMN @extschema@.change_log.login_role IS 'session_user: who logged in';
COMMENT ON COLUMN @extschema@.change_log.effective_role IS 'current_user: with whose rights';
COMMENT ON COLUMN @extschema@.change_log.application IS 'application_name of the session';
COMMENT ON COLUMN @extschema@.change_log.client_address IS 'where the session came from; NULL: a local socket';

-- What dumps contain of these tables

SELECT pg_catalog.pg_extension_config_dump('@extschema@.entity_type', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.entity', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.entity_entity_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.identifier_scheme', 'WHERE scheme NOT IN (''DUNS'', ''NPI'', ''LEI'')');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.identifier', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.relationship_type', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.hierarchy', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.hierarchy_hierarchy_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.relationship_rule', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.relationship', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.change_log', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.change_log_change_id_seq', '');

-- Rules of the directory: triggers of the tables, and locks

CREATE FUNCTION @extschema@.lock_entities(entity_ids bigint[], for_change boolean) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_lock_entities';
COMMENT ON FUNCTION @extschema@.lock_entities(bigint[], boolean) IS
'internal: keeps entities from being changed, or mentioned, by others until the transaction ends';

CREATE FUNCTION @extschema@.lock_children(hierarchy_id integer, child_ids bigint[]) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_lock_children';
COMMENT ON FUNCTION @extschema@.lock_children(integer, bigint[]) IS
'internal: keeps relationships of children from being changed by others until the transaction ends';

-- Functions of the triggers

CREATE FUNCTION @extschema@.relationship_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_relationship_rules';
COMMENT ON FUNCTION @extschema@.relationship_rules() IS
'trigger after each statement: the relationships written keep the rules of their hierarchy';

CREATE FUNCTION @extschema@.relationship_late_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_relationship_late';
COMMENT ON FUNCTION @extschema@.relationship_late_rules() IS
'constraint trigger: rules that may be broken until the transaction ends';

CREATE FUNCTION @extschema@.late_rule_wanted(rule integer) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_rules_wanted';
COMMENT ON FUNCTION @extschema@.late_rule_wanted(integer) IS
'internal: condition of constraint triggers, true for the first row of a statement';

CREATE FUNCTION @extschema@.entity_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_entity_rules';
COMMENT ON FUNCTION @extschema@.entity_rules() IS
'trigger after each statement: entities with relationships stay what these need';

CREATE FUNCTION @extschema@.hierarchy_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_hierarchy_rules';
COMMENT ON FUNCTION @extschema@.hierarchy_rules() IS
'trigger after each statement: relationships keep the new settings of their hierarchy';

CREATE FUNCTION @extschema@.relationship_rule_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_rule_rules';
COMMENT ON FUNCTION @extschema@.relationship_rule_rules() IS
'trigger after each statement: relationships keep the new type rules of their hierarchy';

CREATE FUNCTION @extschema@.relationship_type_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_type_rules';
COMMENT ON FUNCTION @extschema@.relationship_type_rules() IS
'trigger after each statement: relationship types in use stay';

CREATE FUNCTION @extschema@.identifier_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_identifier_rules';
COMMENT ON FUNCTION @extschema@.identifier_rules() IS
'trigger after each statement: identifiers match the pattern of their scheme';

CREATE FUNCTION @extschema@.identifier_scheme_rules() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_scheme_rules';
COMMENT ON FUNCTION @extschema@.identifier_scheme_rules() IS
'trigger after each statement: identifiers match the new pattern of their scheme';

-- Triggers fire whatever session_replication_role is: the rules hold for all.

CREATE FUNCTION @extschema@.add_rule_triggers(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind "char";
	name text;
	function text;
	events text[];
	event text;
	late text[];
BEGIN
	SELECT c.relkind, c.relname INTO kind, name FROM pg_class c WHERE c.oid = target;
	-- partitions of relationship, and the root
	IF name LIKE 'relationship\_%' AND substr(name, 14) ~ '^[0-9]+$' OR name = 'relationship' THEN
		function := 'relationship_rules';
		events := ARRAY['insert', 'update', 'delete'];
	ELSE
		function := name || '_rules';
		events := CASE name
			WHEN 'entity' THEN ARRAY['insert', 'update', 'delete', 'truncate']
			WHEN 'hierarchy' THEN ARRAY['update', 'delete', 'truncate']
			WHEN 'relationship_rule' THEN ARRAY['insert', 'update', 'delete']
			WHEN 'relationship_type' THEN ARRAY['update', 'delete', 'truncate']
			WHEN 'identifier' THEN ARRAY['insert', 'update']
			WHEN 'identifier_scheme' THEN ARRAY['insert', 'update']
		END;
	END IF;
	IF events IS NULL THEN
		RAISE EXCEPTION 'table "%" is not one of the directory', name USING ERRCODE = 'wrong_object_type';
	END IF;

	FOREACH event IN ARRAY events LOOP
		EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.%I()',
			'rules_' || event, event, target,
			CASE event
				WHEN 'insert' THEN 'REFERENCING NEW TABLE AS new_rows'
				WHEN 'update' THEN 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
				WHEN 'delete' THEN 'REFERENCING OLD TABLE AS old_rows'
				ELSE ''
			END, function);
		EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', target, 'rules_' || event);
	END LOOP;

	-- what waits for the end of the transaction, each under the name of its rule
	IF function = 'relationship_rules' AND kind = 'r' OR name = 'hierarchy' THEN
		FOREACH late SLICE 1 IN ARRAY ARRAY[['relationship_share_sum_check', 'share_sum', '0'],
			['relationship_require_primary_check', 'require_primary', '1']]
		LOOP
			EXECUTE format('CREATE CONSTRAINT TRIGGER %I AFTER %s ON %s '
				'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (@extschema@.late_rule_wanted(%s)) '
				'EXECUTE FUNCTION @extschema@.relationship_late_rules(%L)',
				late[1], CASE name WHEN 'hierarchy' THEN 'UPDATE' ELSE 'INSERT OR UPDATE OR DELETE' END,
				target, late[3], late[2]);
			EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', target, late[1]);
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.add_rule_triggers(regclass) IS
'internal: gives a table of the directory the triggers that watch its rules';

CREATE FUNCTION @extschema@.check_hierarchy(hierarchy text)
RETURNS TABLE (constraint_name text, child_id bigint, message text, detail text)
LANGUAGE C STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_check_hierarchy';
COMMENT ON FUNCTION @extschema@.check_hierarchy(text) IS
'all relationships of a hierarchy that break a rule, by child; no rows: all is well';

SELECT @extschema@.add_rule_triggers(t) FROM pg_catalog.unnest(ARRAY[
	'@extschema@.entity', '@extschema@.hierarchy', '@extschema@.relationship', '@extschema@.relationship_rule',
	'@extschema@.relationship_type', '@extschema@.identifier', '@extschema@.identifier_scheme']::regclass[]) t;

-- Audit: every change goes to change_log, and stays there

CREATE FUNCTION @extschema@.audit_changes() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_audit';
COMMENT ON FUNCTION @extschema@.audit_changes() IS
'internal: trigger function that logs the rows that a statement changed';

CREATE FUNCTION @extschema@.keep_log() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_append_only';
COMMENT ON FUNCTION @extschema@.keep_log() IS
'internal: trigger function that refuses to change what was logged';

-- The names make them fire before triggers of others, so that what those
-- change on top comes later in the log.

CREATE FUNCTION @extschema@.add_audit_triggers(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER _audit_insert AFTER INSERT ON %s
		REFERENCING NEW TABLE AS new_rows
		FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.audit_changes()', target);
	EXECUTE format('CREATE TRIGGER _audit_update AFTER UPDATE ON %s
		REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
		FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.audit_changes()', target);
	EXECUTE format('CREATE TRIGGER _audit_delete AFTER DELETE ON %s
		REFERENCING OLD TABLE AS old_rows
		FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.audit_changes()', target);
	EXECUTE format('ALTER TABLE %s
		ENABLE ALWAYS TRIGGER _audit_insert,
		ENABLE ALWAYS TRIGGER _audit_update,
		ENABLE ALWAYS TRIGGER _audit_delete', target);
	-- a partitioned table has no rows; its partitions have such a trigger each
	IF EXISTS (SELECT FROM pg_class c WHERE c.oid = target AND c.relkind = 'r') THEN
		EXECUTE format('CREATE TRIGGER _audit_truncate BEFORE TRUNCATE ON %s
			FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.audit_changes()', target);
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER _audit_truncate', target);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.add_audit_triggers(regclass) IS
'internal: gives a table of the directory the triggers that log its changes';

SELECT @extschema@.add_audit_triggers(audited)
FROM pg_catalog.unnest(ARRAY['@extschema@.entity_type', '@extschema@.entity', '@extschema@.identifier_scheme', '@extschema@.identifier',
	'@extschema@.relationship_type', '@extschema@.hierarchy', '@extschema@.relationship_rule', '@extschema@.relationship']::regclass[]) AS audited;

-- Partitions of change_log, one for each month (UTC).  They do not belong to
-- the extension: dumps contain them as they are.

CREATE FUNCTION @extschema@.protect_log(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER keep_log BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
		FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.keep_log()', target);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER keep_log', target);
	-- rows can be reached without a statement on their table: by replication,
	-- and through a table that this one was made a part of
	IF EXISTS (SELECT FROM pg_class c WHERE c.oid = target AND c.relkind = 'r') THEN
		EXECUTE format('CREATE TRIGGER keep_log_rows BEFORE UPDATE OR DELETE ON %s
			FOR EACH ROW EXECUTE FUNCTION @extschema@.keep_log()', target);
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER keep_log_rows', target);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.protect_log(regclass) IS
'internal: gives change_log or a partition of it the triggers that refuse changes';

SELECT @extschema@.protect_log('@extschema@.change_log');

-- An index on blocks costs nothing beside the rows, and transactions come nearly
-- in the order of their numbers.  PostgreSQL has no such class for theirs.

CREATE OPERATOR CLASS @extschema@.xid8_minmax_ops
FOR TYPE pg_catalog.xid8 USING brin AS
	OPERATOR 1 pg_catalog.<,
	OPERATOR 2 pg_catalog.<=,
	OPERATOR 3 pg_catalog.=,
	OPERATOR 4 pg_catalog.>=,
	OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.brin_minmax_opcinfo(internal),
	FUNCTION 2 pg_catalog.brin_minmax_add_value(internal, internal, internal, internal),
	FUNCTION 3 pg_catalog.brin_minmax_consistent(internal, internal, internal),
	FUNCTION 4 pg_catalog.brin_minmax_union(internal, internal, internal);
COMMENT ON OPERATOR CLASS @extschema@.xid8_minmax_ops USING brin IS 'blocks by the transactions that wrote to them';
COMMENT ON OPERATOR FAMILY @extschema@.xid8_minmax_ops USING brin IS 'blocks by the transactions that wrote to them';

CREATE FUNCTION @extschema@.add_change_log_partition(at timestamptz) RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
DECLARE
	lower timestamptz := date_trunc('month', at);
	upper timestamptz := lower + interval '1 month';
	base text := to_char(lower, '"change_log_"YYYY_MM');
	name text := base;
	n integer := 1;
	partition text;
	bounds text;
	owner regrole;
BEGIN
	-- one at a time; writers and readers of the log go on
	LOCK TABLE @extschema@.change_log IN SHARE UPDATE EXCLUSIVE MODE;
	-- what these functions look at is newer than any snapshot
	IF pg_partition_root(to_regclass(format('@extschema@.%I', base))) = '@extschema@.change_log'::regclass THEN
		RETURN format('@extschema@.%I', base)::regclass;
	END IF;
	-- the name may be that of a partition that was detached
	WHILE to_regclass(format('@extschema@.%I', name)) IS NOT NULL LOOP
		n := n + 1;
		name := base || '_' || n;
	END LOOP;

	partition := format('@extschema@.%I', name);
	bounds := format('FOR VALUES FROM (%L) TO (%L)', lower, upper);
	SELECT relowner INTO owner FROM pg_class WHERE oid = '@extschema@.change_log'::regclass;
	BEGIN
		-- the index on blocks knows those that a vacuum has seen
		EXECUTE format('CREATE TABLE %s (LIKE @extschema@.change_log INCLUDING ALL) '
			'WITH (autovacuum_vacuum_insert_scale_factor = 0.02)', partition);
		EXECUTE format('ALTER TABLE %s OWNER TO %s', partition, owner);
		EXECUTE format('ALTER TABLE @extschema@.change_log ATTACH PARTITION %s %s', partition, bounds);
	EXCEPTION WHEN object_in_use OR invalid_object_definition THEN
		-- A query of this session is reading the log at this moment; or somebody
		-- has partitions of his own, which cover a part of the month.
		RETURN NULL;
	END;
	EXECUTE format('COMMENT ON TABLE %s IS %L', partition,
		to_char(lower, '"changes of the directory in "YYYY-MM'));
	EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY (change_id)', partition, name || '_pkey');
	EXECUTE format('CREATE INDEX %I ON %s (entity_id)', name || '_entity_id_idx', partition);
	-- Relationships inserted under a parent are found through its children, see
	-- entity_changes(): those that are still there, and those that these know.
	EXECUTE format('CREATE INDEX %I ON %s (parent_id) WHERE parent_id IS NOT NULL '
		'AND (operation <> ''INSERT'' OR table_name <> ''relationship'')', name || '_parent_id_idx', partition);
	EXECUTE format('CREATE INDEX %I ON %s ((old_row -> ''parent_id'')) WHERE operation = ''UPDATE'' '
		'AND table_name = ''relationship'' AND old_row -> ''parent_id'' <> new_row -> ''parent_id''',
		name || '_left_idx', partition);
	EXECUTE format('CREATE INDEX %I ON %s USING brin (changed_at, txid @extschema@.xid8_minmax_ops)',
		name || '_changed_at_idx', partition);
	PERFORM @extschema@.protect_log(partition::regclass);
	RETURN partition::regclass;
END
$$;
COMMENT ON FUNCTION @extschema@.add_change_log_partition(timestamptz) IS
'internal: makes the partition of change_log for the month of a time, if there is none';

CREATE FUNCTION @extschema@.prepare_change_log(months integer DEFAULT 3) RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- each month takes some ten locks until the transaction ends
	IF months IS NULL OR months < 0 OR months > 60 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s is not a number of months to come', coalesce(months::text, 'NULL')),
			HINT = 'From 0 (this month only) to 60. Partitions that are missing are made when they are needed.';
	END IF;
	FOR n IN 0 .. months LOOP
		PERFORM @extschema@.add_change_log_partition(
			(date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + make_interval(months => n)) AT TIME ZONE 'UTC');
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.prepare_change_log(integer) IS
'makes the partitions of change_log for this month and some to come';

-- The feed

CREATE FUNCTION @extschema@.changes_horizon() RETURNS bigint
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'hgraph_changes_horizon';
COMMENT ON FUNCTION @extschema@.changes_horizon() IS
'number of a change up to which no more changes can appear in change_log';

CREATE FUNCTION @extschema@.changes_since(change_id bigint, max_rows integer DEFAULT NULL)
RETURNS SETOF @extschema@.change_log
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	-- before the snapshot of the query below, which is why this is volatile
	horizon bigint := @extschema@.changes_horizon();
BEGIN
	RETURN QUERY
		SELECT l.* FROM @extschema@.change_log l
		WHERE l.change_id > coalesce(changes_since.change_id, 0) AND l.change_id <= horizon
		ORDER BY l.change_id
		LIMIT max_rows;
END
$$;
COMMENT ON FUNCTION @extschema@.changes_since(bigint, integer) IS
'changes after one, in order, as far as no earlier one can appear any more';

-- Rows of a dump are loaded in any order, also by pg_restore --jobs

CREATE FUNCTION @extschema@.restore_keys() RETURNS trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_restore_keys';
COMMENT ON FUNCTION @extschema@.restore_keys() IS
'trigger: foreign keys do not stop rows of a dump that is being restored; internal';

CREATE TRIGGER restore_keys BEFORE INSERT ON @extschema@.entity
FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys();
ALTER TABLE @extschema@.entity ENABLE ALWAYS TRIGGER restore_keys;

CREATE TRIGGER restore_keys BEFORE INSERT ON @extschema@.identifier
FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys();
ALTER TABLE @extschema@.identifier ENABLE ALWAYS TRIGGER restore_keys;

CREATE TRIGGER restore_keys BEFORE INSERT ON @extschema@.relationship_rule
FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys();
ALTER TABLE @extschema@.relationship_rule ENABLE ALWAYS TRIGGER restore_keys;

-- Making, renaming and dropping hierarchies
--
-- Each hierarchy is a partition of relationship.  Its key, graph and triggers
-- are made here, one by one, since the root has none to hand down (see
-- table relationship).  The functions run with the rights of the owner of the
-- directory, since only he may add partitions; nobody else may call them until
-- he is granted to.

CREATE FUNCTION @extschema@.find_hierarchy(name text)
RETURNS @extschema@.hierarchy
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	found_row @extschema@.hierarchy%ROWTYPE;
	names text;
BEGIN
	IF find_hierarchy.name IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'hierarchy must not be NULL';
	END IF;
	SELECT h.* INTO found_row FROM hierarchy h WHERE h.name = find_hierarchy.name;
	IF NOT FOUND THEN
		SELECT string_agg(format('"%s"', n.name), ', ' ORDER BY n.name) INTO names
		FROM (SELECT h.name FROM hierarchy h ORDER BY h.name LIMIT 10) n;
		RAISE undefined_object USING
			MESSAGE = format('hierarchy "%s" does not exist', find_hierarchy.name),
			HINT = coalesce('Hierarchies: ' || names || '.', 'There is none yet: make one with create_hierarchy.');
	END IF;
	RETURN found_row;
END
$$;
COMMENT ON FUNCTION @extschema@.find_hierarchy(text) IS
'row of a hierarchy, by its name; internal';

CREATE FUNCTION @extschema@.find_graph(hierarchy_id integer, name text)
RETURNS @extschema@.hgraph
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_find_graph';
COMMENT ON FUNCTION @extschema@.find_graph(integer, text) IS
'graph of a hierarchy, by its partition; the name tells which, if there are several; internal';

CREATE FUNCTION @extschema@.copy_rights(source regclass, target regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
DECLARE
	command text;
	policy text;
BEGIN
	FOR command IN
		SELECT format('GRANT %s%s ON %s TO %s%s', a.privilege_type, g.columns, target,
			CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
			CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
		FROM (
			SELECT c.relacl AS acl, '' AS columns, c.relowner AS owner FROM pg_class c WHERE c.oid = source
			UNION ALL
			SELECT t.attacl, format(' (%I)', t.attname), c.relowner
			FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
			WHERE t.attrelid = source AND NOT t.attisdropped) g,
			aclexplode(g.acl) a
		WHERE a.grantee <> g.owner
		UNION ALL
		SELECT format('ALTER TABLE %s %s ROW LEVEL SECURITY', target, r.what)
		FROM pg_class c, LATERAL (VALUES ('ENABLE', c.relrowsecurity), ('FORCE', c.relforcerowsecurity)) AS r (what, is_on)
		WHERE c.oid = source AND r.is_on
	LOOP
		EXECUTE command;
	END LOOP;

	FOR command, policy IN
		SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, target,
				CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
				CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
					ELSE 'ALL' END,
				(SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ') FROM unnest(p.polroles) r))
			|| coalesce(' USING (' || pg_get_expr(p.polqual, source) || ')', '')
			|| coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, source) || ')', ''),
			p.polname
		FROM pg_policy p
		WHERE p.polrelid = source
	LOOP
		-- a condition may name the table itself
		BEGIN
			EXECUTE command;
		EXCEPTION
			WHEN undefined_table OR undefined_column THEN
				RAISE WARNING 'policy % of table % cannot be copied to %', quote_ident(policy), source, target
				USING DETAIL = sqlerrm, HINT = 'Make it by hand; nobody but the owner sees the rows before.';
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.copy_rights(regclass, regclass) IS
'gives a table the grants and policies of another one; internal';

CREATE FUNCTION @extschema@.type_rules(rules jsonb)
RETURNS TABLE (child_type text, parent_type text, max_parents integer)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	item jsonb;
	pair record;
BEGIN
	IF jsonb_typeof(rules) = 'object' THEN
		FOR pair IN SELECT * FROM jsonb_each(rules)
		LOOP
			IF jsonb_typeof(pair.value) NOT IN ('array', 'string') THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('type rule of "%s" is neither an array nor a string', pair.key),
					HINT = 'Write {"child type": ["parent type", ...]}.';
			END IF;
			RETURN QUERY
			SELECT pair.key, p.value, NULL::integer
			FROM jsonb_array_elements_text(CASE jsonb_typeof(pair.value) WHEN 'array' THEN pair.value
				ELSE jsonb_build_array(pair.value) END) p;
		END LOOP;
	ELSIF jsonb_typeof(rules) = 'array' THEN
		FOR item IN SELECT * FROM jsonb_array_elements(rules)
		LOOP
			IF jsonb_typeof(item) <> 'object' OR NOT item ?& ARRAY['child', 'parent']
				OR EXISTS (SELECT FROM jsonb_object_keys(item) k WHERE k NOT IN ('child', 'parent', 'max_parents'))
				OR coalesce(item->>'max_parents', '1') !~ '^[0-9]{1,9}$'
			THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('type rule %s cannot be read', item),
					HINT = 'Write {"child": "type", "parent": "type"} and, if need be, "max_parents": number.';
			END IF;
			RETURN QUERY
			SELECT item->>'child', item->>'parent', (item->>'max_parents')::integer;
		END LOOP;
	ELSE
		RAISE invalid_parameter_value USING
			MESSAGE = 'type rules are neither a JSON object nor a JSON array',
			HINT = 'Write {"child type": ["parent type", ...]} or [{"child": "type", "parent": "type", "max_parents": number}, ...].';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.type_rules(jsonb) IS
'rows of the argument type_rules of create_hierarchy; internal';

CREATE FUNCTION @extschema@.check_hierarchy_name(name text)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF name IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'name of a hierarchy must not be NULL';
	ELSIF name = '' OR name <> btrim(name) THEN
		RAISE invalid_name USING
			MESSAGE = format('"%s" cannot be the name of a hierarchy', name),
			DETAIL = 'A name is not empty, and neither begins nor ends with a space.';
	ELSIF octet_length(name) > 63 THEN
		RAISE name_too_long USING
			MESSAGE = format('name "%s" is too long', name),
			DETAIL = format('It has %s bytes; 63 are allowed.', octet_length(name));
	ELSIF EXISTS (SELECT FROM hierarchy h WHERE h.name = check_hierarchy_name.name) THEN
		RAISE duplicate_object USING MESSAGE = format('hierarchy "%s" exists already', name);
	ELSIF to_regclass(format('@extschema@.%I', name)) IS NOT NULL
		OR name ~ '^(relationship|change_log)_[0-9]'
	THEN
		RAISE duplicate_table USING
			MESSAGE = format('"%s" cannot be the name of a hierarchy', name),
			DETAIL = 'The graph bears the name of its hierarchy, and schema @extschema@ needs this one for something else.',
			HINT = 'Choose another name.';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.check_hierarchy_name(text) IS
'raises an error if a new hierarchy cannot have this name; internal';

CREATE FUNCTION @extschema@.make_partition(hierarchy_id integer, name text DEFAULT NULL)
RETURNS @extschema@.hgraph
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer := make_partition.hierarchy_id;
	title text := coalesce(make_partition.name, (SELECT h.name FROM hierarchy h WHERE h.hierarchy_id = id));
	partition text := format('relationship_%s', id);
	maker text;
BEGIN
	IF id IS NULL OR title IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = format('a hierarchy without %s has no partition', CASE WHEN id IS NULL THEN 'number' ELSE 'name' END),
			HINT = 'Make hierarchies with create_hierarchy().';
	END IF;
	EXECUTE format('CREATE TABLE @extschema@.%I (LIKE @extschema@.relationship INCLUDING ALL, '
		'CONSTRAINT %I CHECK (hierarchy_id = %s), CONSTRAINT %I PRIMARY KEY (child_id, parent_id, valid))',
		partition, partition || '_hierarchy_id_check', id, partition || '_pkey');
	EXECUTE format('COMMENT ON TABLE @extschema@.%I IS %L', partition, format('relationships of hierarchy "%s"', title));
	PERFORM copy_rights('relationship', partition::regclass);
	EXECUTE format('ALTER TABLE @extschema@.relationship ATTACH PARTITION @extschema@.%I FOR VALUES IN (%s)', partition, id);
	EXECUTE format('CREATE INDEX %I ON @extschema@.%I USING hgraph (parent_id, child_id) '
		'INCLUDE (share, valid, is_primary, label) '
		'WITH (weight = ''share'', validity = ''valid'', is_primary = ''is_primary'', label = ''label'')',
		title, partition);
	EXECUTE format('COMMENT ON INDEX @extschema@.%I IS %L', title, 'graph of the hierarchy of this name');
	FOREACH maker IN ARRAY ARRAY['add_rule_triggers', 'add_audit_triggers']
	LOOP
		IF to_regprocedure(format('@extschema@.%I(regclass)', maker)) IS NOT NULL THEN
			EXECUTE format('SELECT @extschema@.%I(%L::regclass)', maker, partition);
		END IF;
	END LOOP;
	RETURN format('@extschema@.%I', title)::@extschema@.hgraph;
END
$$;
COMMENT ON FUNCTION @extschema@.make_partition(integer, text) IS
'makes the partition and the graph of a hierarchy; without a name, that of the row there is; internal';
REVOKE EXECUTE ON FUNCTION @extschema@.make_partition(integer, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.create_hierarchy(
	name text,
	description text DEFAULT NULL,
	share_mode text DEFAULT 'none',
	max_parents integer DEFAULT NULL,
	require_primary boolean DEFAULT false,
	type_rules jsonb DEFAULT NULL,
	relationship_types text[] DEFAULT NULL,
	validity daterange DEFAULT '(,)')
RETURNS integer
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer;
	graph @extschema@.hgraph;
BEGIN
	-- one at a time, so that two do not choose the same name
	LOCK TABLE hierarchy IN SHARE ROW EXCLUSIVE MODE;
	PERFORM check_hierarchy_name(create_hierarchy.name);
	IF share_mode IS NULL OR share_mode NOT IN ('none', 'split', 'full') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('share mode "%s" does not exist', coalesce(share_mode, 'NULL')),
			HINT = 'Share modes: none, split, full.';
	ELSIF max_parents <= 0 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'max_parents must be greater than 0',
			HINT = 'NULL allows any number.';
	ELSIF coalesce(isempty(validity), true) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'validity of a hierarchy must have a day';
	ELSIF array_position(relationship_types, NULL) IS NOT NULL OR array_ndims(relationship_types) > 1 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'relationship_types must be a list of names';
	END IF;

	LOOP
		id := nextval(pg_get_serial_sequence('@extschema@.hierarchy', 'hierarchy_id'));
		EXIT WHEN to_regclass(format('@extschema@.relationship_%s', id)) IS NULL
			AND NOT EXISTS (SELECT FROM hierarchy h WHERE h.hierarchy_id = id);
	END LOOP;
	graph := make_partition(id, create_hierarchy.name);

	INSERT INTO relationship_type (relationship_type)
	SELECT DISTINCT t FROM unnest(create_hierarchy.relationship_types) t
	ON CONFLICT DO NOTHING;
	INSERT INTO entity_type (entity_type)
	SELECT r.child_type FROM type_rules(create_hierarchy.type_rules) r
	UNION
	SELECT r.parent_type FROM type_rules(create_hierarchy.type_rules) r
	ON CONFLICT DO NOTHING;
	INSERT INTO hierarchy (hierarchy_id, name, description, share_mode, max_parents, require_primary, relationship_types,
		validity, graph)
	VALUES (id, create_hierarchy.name, create_hierarchy.description, create_hierarchy.share_mode, create_hierarchy.max_parents,
		coalesce(create_hierarchy.require_primary, false), create_hierarchy.relationship_types, create_hierarchy.validity,
		graph);
	INSERT INTO relationship_rule (hierarchy_id, child_type, parent_type, max_parents)
	SELECT id, r.child_type, r.parent_type, max(r.max_parents)
	FROM type_rules(create_hierarchy.type_rules) r
	GROUP BY r.child_type, r.parent_type;
	RETURN id;
END
$$;
COMMENT ON FUNCTION @extschema@.create_hierarchy(text, text, text, integer, boolean, jsonb, text[], daterange) IS
'makes a hierarchy with its rules, its partition and its graph; returns its number';
REVOKE EXECUTE ON FUNCTION @extschema@.create_hierarchy(text, text, text, integer, boolean, jsonb, text[], daterange) FROM PUBLIC;

CREATE FUNCTION @extschema@.drop_hierarchy(name text, force boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
SET row_security = off
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE;
	partition regclass;
	n bigint;
	late text;
BEGIN
	h := find_hierarchy(drop_hierarchy.name);
	partition := format('@extschema@.relationship_%s', h.hierarchy_id)::regclass;
	-- the order of every other statement: the root first
	LOCK TABLE ONLY relationship IN ACCESS EXCLUSIVE MODE;
	EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', partition);
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') AND pg_relation_size(partition) > 0 THEN
		-- rows newer than its snapshot would go without a word in the log
		RAISE invalid_transaction_state USING
			MESSAGE = format('hierarchy "%s" cannot be dropped in a transaction of isolation level %s', h.name,
				upper(current_setting('transaction_isolation'))),
			DETAIL = 'Its snapshot may be older than relationships of the hierarchy.',
			HINT = 'Use READ COMMITTED.';
	END IF;
	SELECT count(*) INTO n FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id;
	IF n > 0 AND force IS NOT TRUE THEN
		RAISE dependent_objects_still_exist USING
			MESSAGE = format('hierarchy "%s" has %s relationship%s', h.name, n, CASE WHEN n > 1 THEN 's' END),
			HINT = 'To drop them too: drop_hierarchy(name, force => true).';
	END IF;
	DELETE FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id;
	-- what is not deleted would go without a word in the log
	IF EXISTS (SELECT FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id) THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('relationships of hierarchy "%s" could not be deleted', h.name),
			HINT = 'A trigger of yours keeps them.';
	END IF;
	-- a table cannot be dropped while checks of its rows are still to come
	FOR late IN
		SELECT t.tgname FROM pg_trigger t WHERE t.tgrelid = partition AND t.tginitdeferred
	LOOP
		EXECUTE format('SET CONSTRAINTS @extschema@.%I IMMEDIATE', late);
		EXECUTE format('SET CONSTRAINTS @extschema@.%I DEFERRED', late);
	END LOOP;
	EXECUTE format('DROP TABLE %s', partition);
	DELETE FROM relationship_rule r WHERE r.hierarchy_id = h.hierarchy_id;
	DELETE FROM hierarchy d WHERE d.hierarchy_id = h.hierarchy_id;
END
$$;
COMMENT ON FUNCTION @extschema@.drop_hierarchy(text, boolean) IS
'drops a hierarchy; one that has relationships only by force';
REVOKE EXECUTE ON FUNCTION @extschema@.drop_hierarchy(text, boolean) FROM PUBLIC;

CREATE FUNCTION @extschema@.rename_hierarchy(name text, new_name text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE;
	graph regclass;
BEGIN
	LOCK TABLE hierarchy IN SHARE ROW EXCLUSIVE MODE;
	h := find_hierarchy(rename_hierarchy.name);
	PERFORM check_hierarchy_name(new_name);
	graph := find_graph(h.hierarchy_id, h.name)::regclass;
	IF graph IS NULL THEN
		-- dropped since this transaction's snapshot was taken
		RAISE serialization_failure USING
			MESSAGE = format('could not rename hierarchy "%s" due to concurrent update', h.name);
	END IF;
	EXECUTE format('ALTER INDEX %s RENAME TO %I', graph, new_name);
	EXECUTE format('COMMENT ON TABLE @extschema@.relationship_%s IS %L', h.hierarchy_id,
		format('relationships of hierarchy "%s"', new_name));
	UPDATE hierarchy u SET name = new_name WHERE u.hierarchy_id = h.hierarchy_id;
END
$$;
COMMENT ON FUNCTION @extschema@.rename_hierarchy(text, text) IS
'renames a hierarchy and its graph';
REVOKE EXECUTE ON FUNCTION @extschema@.rename_hierarchy(text, text) FROM PUBLIC;

-- Hierarchies ready to use

CREATE FUNCTION @extschema@.hierarchy_templates()
RETURNS TABLE (
	template text,
	description text,
	share_mode text,
	max_parents integer,
	require_primary boolean,
	type_rules jsonb,
	relationship_types text[])
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
		('healthcare',
			'Prescribers work at accounts, which belong to organisations, and these to networks',
			'none', NULL::integer, true,
			jsonb '[{"child": "prescriber", "parent": "account"}, {"child": "prescriber", "parent": "organisation"},
				{"child": "account", "parent": "account"}, {"child": "account", "parent": "organisation"},
				{"child": "organisation", "parent": "organisation"}, {"child": "organisation", "parent": "network"},
				{"child": "network", "parent": "network"}]',
			ARRAY['works at', 'owned by', 'member of']),
		('asset_management',
			'Advisors in teams of organisations; what an advisor sells is split between his teams',
			'split', NULL, true,
			'[{"child": "advisor", "parent": "team"}, {"child": "advisor", "parent": "organisation"},
				{"child": "team", "parent": "team"}, {"child": "team", "parent": "organisation"},
				{"child": "organisation", "parent": "organisation"}]',
			NULL),
		('indirect_sales',
			'Retailers buy from distributors and these from stockists; what they buy is split between their suppliers',
			'split', NULL, false,
			'[{"child": "retailer", "parent": "distributor"}, {"child": "retailer", "parent": "stockist"},
				{"child": "distributor", "parent": "stockist"}]',
			ARRAY['buys from']),
		('corporate_family',
			'Branches and subsidiaries under the companies that own them, with the part that each owns',
			'full', NULL, false,
			'[{"child": "branch", "parent": "subsidiary", "max_parents": 1}, {"child": "branch", "parent": "parent", "max_parents": 1},
				{"child": "subsidiary", "parent": "subsidiary"}, {"child": "subsidiary", "parent": "parent"},
				{"child": "parent", "parent": "parent"}]',
			ARRAY['branch of', 'owned by'])
$$;
COMMENT ON FUNCTION @extschema@.hierarchy_templates() IS
'hierarchies that create_hierarchy_from_template makes';

CREATE FUNCTION @extschema@.create_hierarchy_from_template(template text, name text DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	t record;
BEGIN
	SELECT x.* INTO t FROM hierarchy_templates() x WHERE x.template = create_hierarchy_from_template.template;
	IF NOT FOUND THEN
		RAISE undefined_object USING
			MESSAGE = CASE WHEN create_hierarchy_from_template.template IS NULL THEN 'template must not be NULL'
				ELSE format('template "%s" does not exist', create_hierarchy_from_template.template) END,
			HINT = format('Templates: %s.', (SELECT string_agg(x.template, ', ' ORDER BY x.template) FROM hierarchy_templates() x));
	END IF;
	RETURN create_hierarchy(coalesce(create_hierarchy_from_template.name, t.template), t.description, t.share_mode, t.max_parents,
		t.require_primary, t.type_rules, t.relationship_types);
END
$$;
COMMENT ON FUNCTION @extschema@.create_hierarchy_from_template(text, text) IS
'makes a hierarchy as a template says, under the name of the template if no other is given';
REVOKE EXECUTE ON FUNCTION @extschema@.create_hierarchy_from_template(text, text) FROM PUBLIC;

-- The column graph, after a restore or a rebuild

CREATE FUNCTION @extschema@.fill_graphs()
RETURNS event_trigger
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_fill_graphs';
COMMENT ON FUNCTION @extschema@.fill_graphs() IS
'event trigger: keeps hierarchy.graph true when an index is made anew';

-- Before version 17, REINDEX fires no event trigger.
DO $$
BEGIN
	EXECUTE pg_catalog.format('CREATE EVENT TRIGGER hierarchy_graphs ON ddl_command_end WHEN TAG IN (%s) '
		'EXECUTE FUNCTION @extschema@.fill_graphs()',
		CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 170000
			THEN $t$'CREATE INDEX', 'ALTER TABLE', 'REINDEX'$t$ ELSE $t$'CREATE INDEX', 'ALTER TABLE'$t$ END);
END
$$;
ALTER EVENT TRIGGER hierarchy_graphs ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER hierarchy_graphs IS 'keeps hierarchy.graph true when an index is made anew';

-- Verbs: what one says to change the directory
--
-- Each is a few plain statements with the rights of its caller; the triggers
-- of the tables check and record them as any others.  What a verb decides by
-- what it reads stays true until it writes, since it locks first: the entities,
-- then the children in their hierarchy, both as the triggers do (see
-- src/directory/locks.c), and reads in a later statement.  In a transaction
-- with an older snapshot the row read may have changed since; then its UPDATE
-- fails with 40001.
--
-- Days: a relationship that ends on a day does not hold on it any more, and
-- one that begins on a day does.  The end of one and the beginning of the next
-- are written in one statement: neither rules nor policies see what is between.

CREATE FUNCTION @extschema@.entity_label(entity_id bigint)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
	SELECT coalesce((SELECT format('%s "%s"', e.entity_type, e.code) FROM @extschema@.entity e WHERE e.entity_id = $1),
		'entity ' || $1)
$$;
COMMENT ON FUNCTION @extschema@.entity_label(bigint) IS
'type and code of an entity, as in account "A-17"';

CREATE FUNCTION @extschema@.enter_reason(reason text)
RETURNS text
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	former text := current_setting('hierarchy.reason', true);
BEGIN
	IF reason IS NOT NULL THEN
		PERFORM set_config('hierarchy.reason', reason, true);
	END IF;
	RETURN former;
END
$$;
COMMENT ON FUNCTION @extschema@.enter_reason(text) IS
'sets hierarchy.reason, unless to NULL, and returns what it was; internal';

CREATE FUNCTION @extschema@.leave_reason(former text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('hierarchy.reason', true) IS DISTINCT FROM former THEN
		PERFORM set_config('hierarchy.reason', former, true);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.leave_reason(text) IS
'puts back what enter_reason found; internal';

-- Entities and identifiers

CREATE FUNCTION @extschema@.entity_id(scheme_or_type text, value text)
RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id bigint;
	survivor bigint;
	passed bigint[] := '{}';
	schemes text;
	types text;
BEGIN
	SELECT i.entity_id INTO id FROM identifier i
	WHERE i.scheme = scheme_or_type AND i.value = normalise_identifier(scheme_or_type, entity_id.value);
	IF NOT FOUND THEN
		SELECT e.entity_id INTO id FROM entity e
		WHERE e.entity_type = scheme_or_type AND e.code = entity_id.value;
	END IF;
	WHILE id IS NOT NULL LOOP
		SELECT e.merged_into INTO survivor FROM entity e WHERE e.entity_id = id;
		IF survivor IS NULL THEN
			RETURN id;
		ELSIF survivor = ANY (passed) THEN
			RAISE check_violation USING
				MESSAGE = format('%s is merged into itself', entity_label(survivor)),
				DETAIL = (SELECT string_agg(entity_label(p), ', ' ORDER BY o) FROM unnest(passed) WITH ORDINALITY u (p, o)),
				SCHEMA = '@extschema@', TABLE = 'entity', CONSTRAINT = 'entity_merged_into_check';
		END IF;
		passed := passed || survivor;
		id := survivor;
	END LOOP;

	IF EXISTS (SELECT FROM identifier_scheme s WHERE s.scheme = scheme_or_type)
		OR EXISTS (SELECT FROM identifier i WHERE i.scheme = scheme_or_type)
	THEN
		RAISE no_data_found USING
			MESSAGE = format('no entity has the %s "%s"', scheme_or_type, entity_id.value),
			HINT = 'Add it with add_identifier, or look the entity up by its type and code.';
	ELSIF EXISTS (SELECT FROM entity_type t WHERE t.entity_type = scheme_or_type) THEN
		RAISE no_data_found USING
			MESSAGE = format('%s "%s" does not exist', scheme_or_type, entity_id.value),
			HINT = 'Add it with add_entity, or look it up by an identifier.';
	END IF;
	SELECT string_agg(s.scheme, ', ' ORDER BY s.scheme) INTO schemes
	FROM (SELECT scheme FROM identifier_scheme ORDER BY scheme LIMIT 20) s;
	SELECT string_agg(t.entity_type, ', ' ORDER BY t.entity_type) INTO types
	FROM (SELECT entity_type FROM entity_type ORDER BY entity_type LIMIT 20) t;
	RAISE no_data_found USING
		MESSAGE = format('"%s" is neither an identifier scheme nor an entity type', scheme_or_type),
		HINT = concat_ws(' ', 'Schemes: ' || schemes || '.', 'Types: ' || types || '.');
END
$$;
COMMENT ON FUNCTION @extschema@.entity_id(text, text) IS
'the entity with an identifier of a scheme, or with a code among its type; of a merged one, what it was merged into';

CREATE FUNCTION @extschema@.add_identifiers(entity_id bigint, identifiers jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	item record;
BEGIN
	IF jsonb_typeof(identifiers) <> 'object' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'identifiers are not a JSON object',
			HINT = 'Write {"scheme": "value", ...}, or {"scheme": ["value", ...], ...}.';
	END IF;
	FOR item IN
		SELECT i.key AS scheme, normalise_identifier(i.key, v.value) AS value
		FROM jsonb_each(identifiers) i,
			jsonb_array_elements_text(CASE jsonb_typeof(i.value) WHEN 'array' THEN i.value
				ELSE jsonb_build_array(i.value) END) v
	LOOP
		IF (item.scheme, false) IN (('DUNS', is_duns(item.value)), ('NPI', is_npi(item.value)), ('LEI', is_lei(item.value))) THEN
			RAISE check_violation USING
				MESSAGE = format('"%s" is not a valid %s', item.value, item.scheme),
				DETAIL = coalesce((SELECT s.description FROM identifier_scheme s WHERE s.scheme = item.scheme), item.scheme),
				SCHEMA = '@extschema@', TABLE = 'identifier', CONSTRAINT = format('identifier_%s_check', lower(item.scheme));
		END IF;
		INSERT INTO identifier (scheme, value, entity_id)
		VALUES (item.scheme, item.value, add_identifiers.entity_id)
		ON CONFLICT DO NOTHING;
		IF NOT FOUND THEN
			RAISE unique_violation USING
				MESSAGE = format('%s "%s" is taken', item.scheme, item.value),
				DETAIL = coalesce((SELECT format('It identifies %s.', entity_label(i.entity_id)) FROM identifier i
					WHERE i.scheme = item.scheme AND i.value = item.value), 'It identifies another entity.'),
				HINT = 'If the two are one and the same: merge_entity.',
				SCHEMA = '@extschema@', TABLE = 'identifier', CONSTRAINT = 'identifier_pkey';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.add_identifiers(bigint, jsonb) IS
'adds identifiers to an entity; internal';

CREATE FUNCTION @extschema@.add_entity(
	entity_type text,
	code text,
	name text,
	attributes jsonb DEFAULT '{}',
	identifiers jsonb DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	former text := enter_reason(add_entity.reason);
	id bigint;
	types text;
BEGIN
	IF entity_type IS NULL OR code IS NULL OR name IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'type, code and name of an entity must not be NULL';
	ELSIF NOT EXISTS (SELECT FROM entity_type t WHERE t.entity_type = add_entity.entity_type) THEN
		SELECT string_agg(t.entity_type, ', ' ORDER BY t.entity_type) INTO types
		FROM (SELECT entity_type FROM entity_type ORDER BY entity_type LIMIT 20) t;
		RAISE foreign_key_violation USING
			MESSAGE = format('entity type "%s" does not exist', add_entity.entity_type),
			HINT = coalesce('Types: ' || types || '.', 'There is none yet: insert it into @extschema@.entity_type.'),
			SCHEMA = '@extschema@', TABLE = 'entity', CONSTRAINT = 'entity_entity_type_fkey';
	END IF;
	INSERT INTO entity (entity_type, code, name, attributes)
	VALUES (add_entity.entity_type, add_entity.code, add_entity.name, coalesce(add_entity.attributes, '{}'))
	ON CONFLICT (entity_type, code) DO NOTHING
	RETURNING entity_id INTO id;
	IF id IS NULL THEN
		RAISE unique_violation USING
			MESSAGE = format('%s "%s" exists already', add_entity.entity_type, add_entity.code),
			DETAIL = coalesce((SELECT format('Its name is "%s".', e.name) FROM entity e
				WHERE e.entity_type = add_entity.entity_type AND e.code = add_entity.code), 'It is hidden from you.'),
			HINT = 'Codes are unique among the entities of a type.',
			SCHEMA = '@extschema@', TABLE = 'entity', CONSTRAINT = 'entity_entity_type_code_key';
	END IF;
	PERFORM add_identifiers(id, add_entity.identifiers);
	PERFORM leave_reason(former);
	RETURN id;
END
$$;
COMMENT ON FUNCTION @extschema@.add_entity(text, text, text, jsonb, jsonb, text) IS
'adds an entity, with its identifiers; returns its number';

CREATE FUNCTION @extschema@.set_entity_status(entity_id bigint, status text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	former text := enter_reason(set_entity_status.reason);
	e @extschema@.entity%ROWTYPE;
BEGIN
	IF status IS NULL OR status NOT IN ('active', 'inactive') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('status "%s" cannot be set', coalesce(status, 'NULL')),
			HINT = CASE status WHEN 'merged' THEN 'Use merge_entity.' ELSE 'Possible are active and inactive.' END;
	END IF;
	PERFORM lock_entities(ARRAY[set_entity_status.entity_id], true);
	SELECT x.* INTO e FROM entity x WHERE x.entity_id = set_entity_status.entity_id;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('entity %s does not exist', coalesce(set_entity_status.entity_id::text, 'NULL'));
	ELSIF e.status = 'merged' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s was merged', entity_label(e.entity_id)),
			DETAIL = format('It was merged into %s.', entity_label(e.merged_into)),
			HINT = 'A merge can be undone with undo_transaction.';
	END IF;
	UPDATE entity x SET status = set_entity_status.status
	WHERE x.entity_id = e.entity_id AND x.status <> set_entity_status.status;
	IF NOT FOUND AND e.status <> set_entity_status.status THEN
		PERFORM refuse_entity(e.entity_id);
	END IF;
	PERFORM leave_reason(former);
END
$$;
COMMENT ON FUNCTION @extschema@.set_entity_status(bigint, text, text) IS
'makes an entity active or inactive';

CREATE FUNCTION @extschema@.refuse_entity(entity_id bigint)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	RAISE insufficient_privilege USING
		MESSAGE = format('%s cannot be changed by %s', entity_label(refuse_entity.entity_id), quote_ident(current_user)),
		DETAIL = 'It can be read, but a policy does not let it be changed.';
END
$$;
COMMENT ON FUNCTION @extschema@.refuse_entity(bigint) IS
'raises the error for an entity that row-level security hides from UPDATE; internal';

CREATE FUNCTION @extschema@.add_identifier(entity_id bigint, scheme text, value text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
DECLARE
	former text := enter_reason(add_identifier.reason);
BEGIN
	IF entity_id IS NULL OR scheme IS NULL OR value IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'entity, scheme and value of an identifier must not be NULL';
	END IF;
	PERFORM add_identifiers(add_identifier.entity_id, jsonb_build_object(add_identifier.scheme, add_identifier.value));
	PERFORM leave_reason(former);
END
$$;
COMMENT ON FUNCTION @extschema@.add_identifier(bigint, text, text, text) IS
'adds an outside identifier to an entity';

CREATE FUNCTION @extschema@.drop_identifier(scheme text, value text, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	former text;
	id bigint;
BEGIN
	IF drop_identifier.scheme IS NULL OR drop_identifier.value IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'scheme and value of an identifier must not be NULL';
	END IF;
	former := enter_reason(drop_identifier.reason);
	DELETE FROM identifier i
	WHERE i.scheme = drop_identifier.scheme AND i.value = normalise_identifier(drop_identifier.scheme, drop_identifier.value)
	RETURNING i.entity_id INTO id;
	IF NOT FOUND THEN
		RAISE no_data_found USING
			MESSAGE = format('no entity has the %s "%s"', drop_identifier.scheme, drop_identifier.value);
	END IF;
	PERFORM leave_reason(former);
	RETURN id;
END
$$;
COMMENT ON FUNCTION @extschema@.drop_identifier(text, text, text) IS
'removes an outside identifier; returns the entity that it identified';

-- Relationships

CREATE FUNCTION @extschema@.check_day(day date)
RETURNS date
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT isfinite(day) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'effective day must be finite';
	END IF;
	RETURN coalesce(day, current_date);
END
$$;
COMMENT ON FUNCTION @extschema@.check_day(date) IS
'the day, or today if it is NULL; internal';

CREATE FUNCTION @extschema@.list_parents(hierarchy_id integer, child bigint, day date)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
	SELECT format('Its parents on %s: %s%s.', to_char($3, 'YYYY-MM-DD'),
		coalesce(string_agg(entity_label(p.parent_id), ', ' ORDER BY p.parent_id), 'none'),
		CASE WHEN max(p.n) > 10 THEN format(' and %s more', max(p.n) - 10) END)
	FROM (
		SELECT r.parent_id, count(*) OVER () AS n
		FROM relationship r
		WHERE r.hierarchy_id = $1 AND r.child_id = $2 AND r.valid @> $3
		ORDER BY r.parent_id
		LIMIT 10) p
$$;
COMMENT ON FUNCTION @extschema@.list_parents(integer, bigint, date) IS
'detail of errors: the parents of a child on a day; internal';

CREATE FUNCTION @extschema@.refuse_missing(h @extschema@.hierarchy, child bigint, parent bigint, day date, hint text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	RAISE no_data_found USING
		MESSAGE = format('%s is not under %s in hierarchy "%s" on %s', entity_label(child), coalesce(entity_label(parent), 'a parent'),
			h.name, to_char(day, 'YYYY-MM-DD')),
		DETAIL = list_parents(h.hierarchy_id, child, day),
		HINT = coalesce(hint, 'Relationships of another day: give that day as effective.');
END
$$;
COMMENT ON FUNCTION @extschema@.refuse_missing(@extschema@.hierarchy, bigint, bigint, date, text) IS
'raises the error for a relationship that is not there; internal';

CREATE FUNCTION @extschema@.assign(
	hierarchy text,
	child bigint,
	parent bigint,
	share numeric DEFAULT NULL,
	is_primary boolean DEFAULT NULL,
	relationship_type text DEFAULT NULL,
	influence_level numeric DEFAULT NULL,
	valid daterange DEFAULT NULL,
	attributes jsonb DEFAULT '{}',
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(assign.hierarchy);
	days daterange := coalesce(assign.valid, h.validity);
	others record;
	result @extschema@.relationship%ROWTYPE;
	former text;
BEGIN
	IF child IS NULL OR parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and parent must not be NULL';
	ELSIF child = parent THEN
		RAISE check_violation USING
			MESSAGE = format('%s cannot be its own parent', entity_label(child)),
			SCHEMA = '@extschema@', TABLE = 'relationship', CONSTRAINT = 'relationship_self_check';
	ELSIF isempty(days) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a relationship must have a day';
	END IF;
	PERFORM lock_entities(ARRAY[child, parent], false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	SELECT count(*) AS n, coalesce(bool_or(r.is_primary), false) AS have_primary,
		(array_agg(r.valid) FILTER (WHERE r.parent_id = parent))[1] AS same
	INTO others
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid && days;
	IF others.same IS NOT NULL THEN
		RAISE exclusion_violation USING
			MESSAGE = format('%s is already under %s in hierarchy "%s"', entity_label(child), entity_label(parent), h.name),
			DETAIL = format('Days given: %s; there already: %s.', days, others.same),
			HINT = 'Give other days, or change the relationship that is there.',
			SCHEMA = '@extschema@', TABLE = 'relationship', CONSTRAINT = 'relationship_valid_excl';
	END IF;

	former := enter_reason(assign.reason);
	INSERT INTO relationship AS r (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level,
		attributes, valid)
	VALUES (h.hierarchy_id, parent, child,
		CASE WHEN assign.relationship_type IS NULL AND cardinality(h.relationship_types) = 1
			THEN h.relationship_types[1] ELSE assign.relationship_type END,
		coalesce(assign.is_primary, NOT others.have_primary AND (h.require_primary OR others.n = 0)),
		CASE WHEN assign.share IS NULL AND h.share_mode = 'split' AND others.n = 0 THEN 1 ELSE assign.share END,
		assign.influence_level, coalesce(assign.attributes, '{}'), days)
	RETURNING r.* INTO result;
	PERFORM leave_reason(former);
	RETURN result;
END
$$;
COMMENT ON FUNCTION @extschema@.assign(text, bigint, bigint, numeric, boolean, text, numeric, daterange, jsonb, text) IS
'puts an entity under another one in a hierarchy';

CREATE FUNCTION @extschema@.following(hierarchy_id integer, child bigint, parent bigint, days daterange)
RETURNS daterange[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
	WITH RECURSIVE piece AS (
		SELECT following.days AS valid
		UNION ALL
		SELECT r.valid
		FROM piece p
			JOIN relationship r ON r.hierarchy_id = following.hierarchy_id AND r.child_id = following.child
				AND r.parent_id = following.parent AND lower(r.valid) = upper(p.valid))
	SELECT array_agg(p.valid ORDER BY p.valid) FROM piece p WHERE p.valid <> following.days;
$$;
COMMENT ON FUNCTION @extschema@.following(integer, bigint, bigint, daterange) IS
'when a child is under a parent without a gap after these days: a stay in pieces, with different shares, say; internal';

CREATE FUNCTION @extschema@.unassign(
	hierarchy text,
	child bigint,
	parent bigint,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(unassign.hierarchy);
	day date := check_day(unassign.effective);
	old @extschema@.relationship%ROWTYPE;
	later daterange[];
	former text;
BEGIN
	IF child IS NULL OR parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and parent must not be NULL';
	END IF;
	PERFORM lock_entities(ARRAY[child, parent], false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	-- the relationship of that day; if there is none, the next one to begin
	SELECT r.* INTO old
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent
		AND NOT r.valid << daterange(day, day, '[]')
	ORDER BY r.valid
	LIMIT 1;
	IF NOT FOUND THEN
		PERFORM refuse_missing(h, child, parent, day);
	END IF;

	former := enter_reason(unassign.reason);
	later := following(h.hierarchy_id, child, parent, old.valid);
	IF later IS NOT NULL THEN
		DELETE FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent AND r.valid = ANY (later);
	END IF;
	IF lower(old.valid) >= day THEN
		DELETE FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent AND r.valid = old.valid;
		old.valid := 'empty';
	ELSE
		UPDATE relationship r SET valid = daterange(lower(old.valid), day)
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent AND r.valid = old.valid
		RETURNING r.* INTO old;
	END IF;
	IF NOT FOUND THEN
		PERFORM refuse_change(h.name, child);
	END IF;
	PERFORM leave_reason(former);
	RETURN old;
END
$$;
COMMENT ON FUNCTION @extschema@.unassign(text, bigint, bigint, date, text) IS
'ends the relationship of an entity to a parent; one that would never have begun is deleted';

CREATE FUNCTION @extschema@.refuse_change(hierarchy text, child bigint)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	RAISE insufficient_privilege USING
		MESSAGE = format('relationship of %s in hierarchy "%s" cannot be changed by %s', entity_label(child), hierarchy,
			quote_ident(current_user)),
		DETAIL = 'It can be read, but a policy does not let it be changed.';
END
$$;
COMMENT ON FUNCTION @extschema@.refuse_change(text, bigint) IS
'raises the error for a row that row-level security hides from UPDATE; internal';

CREATE FUNCTION @extschema@.refuse_double(h @extschema@.hierarchy, child bigint, parent bigint, days daterange, there daterange)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	RAISE invalid_parameter_value USING
		MESSAGE = format('%s is already under %s in hierarchy "%s"', entity_label(child), entity_label(parent), h.name),
		DETAIL = format('It would be so %s, and is already %s.', days, there),
		HINT = 'End one of the two relationships with unassign.';
END
$$;
COMMENT ON FUNCTION @extschema@.refuse_double(@extschema@.hierarchy, bigint, bigint, daterange, daterange) IS
'raises the error for a move to where the child is already; internal';

CREATE FUNCTION @extschema@.reassign(
	hierarchy text,
	child bigint,
	from_parent bigint,
	to_parent bigint,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(reassign.hierarchy);
	day date := check_day(reassign.effective);
	old @extschema@.relationship%ROWTYPE;
	result @extschema@.relationship%ROWTYPE;
	later daterange[];
	days daterange;
	clash daterange;
	n bigint;
	former text;
BEGIN
	IF child IS NULL OR to_parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and new parent must not be NULL';
	ELSIF child = to_parent THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be its own parent', entity_label(child));
	ELSIF from_parent = to_parent THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be moved from %s to the same', entity_label(child), entity_label(from_parent)),
			HINT = 'Name two different parents.';
	END IF;

	-- The former parent is locked with the others, so it is needed now.
	PERFORM lock_entities(ARRAY[child, to_parent] || coalesce(from_parent,
		(SELECT min(r.parent_id) FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day)), false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	SELECT r.* INTO old
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day
		AND r.parent_id = coalesce(reassign.from_parent, r.parent_id)
	LIMIT 1;
	IF NOT FOUND THEN
		PERFORM refuse_missing(h, child, from_parent, day, 'To add a parent instead of replacing one, use assign.');
	END IF;
	IF from_parent IS NULL THEN
		SELECT count(*) INTO n
		FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day;
		IF n > 1 THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('%s has %s parents in hierarchy "%s" on %s', entity_label(child), n, h.name,
					to_char(day, 'YYYY-MM-DD')),
				DETAIL = list_parents(h.hierarchy_id, child, day),
				HINT = 'Say which of them is to be replaced: from_parent.';
		ELSIF old.parent_id = to_parent THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('%s is already under %s in hierarchy "%s"', entity_label(child), entity_label(to_parent), h.name),
				DETAIL = format('Its relationship is valid %s.', old.valid);
		END IF;
	END IF;
	later := following(h.hierarchy_id, child, old.parent_id, old.valid);
	days := daterange(day, upper(coalesce(later[cardinality(later)], old.valid)));
	SELECT (array_agg(r.valid))[1] INTO clash
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = to_parent AND r.valid && days;
	IF clash IS NOT NULL THEN
		PERFORM refuse_double(h, child, to_parent, days, clash);
	END IF;

	former := enter_reason(reassign.reason);
	IF lower(old.valid) = day THEN
		UPDATE relationship r SET parent_id = to_parent
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = old.parent_id AND r.valid = old.valid
		RETURNING r.* INTO result;
	ELSE
		WITH ended AS (
			UPDATE relationship r SET valid = daterange(lower(old.valid), day)
			WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = old.parent_id AND r.valid = old.valid
			RETURNING r.*)
		INSERT INTO relationship AS r (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level,
			attributes, valid)
		SELECT e.hierarchy_id, to_parent, e.child_id, e.relationship_type, e.is_primary, e.share, e.influence_level, e.attributes,
			daterange(day, upper(old.valid))
		FROM ended e
		RETURNING r.* INTO result;
	END IF;
	IF NOT FOUND THEN
		PERFORM refuse_change(h.name, child);
	END IF;
	IF later IS NOT NULL THEN
		UPDATE relationship r SET parent_id = to_parent
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = old.parent_id AND r.valid = ANY (later);
	END IF;
	PERFORM leave_reason(former);
	RETURN result;
END
$$;
COMMENT ON FUNCTION @extschema@.reassign(text, bigint, bigint, bigint, date, text) IS
'moves an entity, with all below it, from one parent to another from a day on';

-- Shares and primary parents, from a day on

CREATE FUNCTION @extschema@.revise_relationships(
	hierarchy_id integer,
	child bigint,
	parents bigint[],
	shares numeric[],
	primaries boolean[],
	day date)
RETURNS SETOF @extschema@.relationship
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	expected bigint;
	n bigint;
BEGIN
	SELECT count(*) INTO expected
	FROM unnest(parents, shares, primaries) AS w (parent_id, share, is_primary)
		JOIN relationship r ON r.hierarchy_id = revise_relationships.hierarchy_id AND r.child_id = child
			AND r.parent_id = w.parent_id AND r.valid @> day
	WHERE (r.share, r.is_primary) IS DISTINCT FROM (w.share, w.is_primary);

	-- those that began before the day are ended, and go on with other figures
	RETURN QUERY
	WITH wanted AS (
		SELECT r.valid, w.*
		FROM unnest(parents, shares, primaries) AS w (parent_id, share, is_primary)
			JOIN relationship r ON r.hierarchy_id = revise_relationships.hierarchy_id AND r.child_id = child
				AND r.parent_id = w.parent_id AND r.valid @> day
		WHERE (r.share, r.is_primary) IS DISTINCT FROM (w.share, w.is_primary)),
	changed AS (
		UPDATE relationship r SET share = w.share, is_primary = w.is_primary
		FROM wanted w
		WHERE r.hierarchy_id = revise_relationships.hierarchy_id AND r.child_id = child AND r.parent_id = w.parent_id
			AND r.valid = w.valid AND lower(w.valid) = day
		RETURNING r.*),
	ended AS (
		UPDATE relationship r SET valid = daterange(lower(w.valid), day)
		FROM wanted w
		WHERE r.hierarchy_id = revise_relationships.hierarchy_id AND r.child_id = child AND r.parent_id = w.parent_id
			AND r.valid = w.valid AND lower(w.valid) IS DISTINCT FROM day
		RETURNING r.hierarchy_id, r.parent_id, r.child_id, r.relationship_type, w.is_primary, w.share, r.influence_level,
			r.attributes, daterange(day, upper(w.valid))),
	begun AS (
		INSERT INTO relationship AS r (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share,
			influence_level, attributes, valid)
		SELECT * FROM ended
		RETURNING r.*)
	SELECT * FROM changed UNION ALL SELECT * FROM begun;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n <> expected THEN
		PERFORM refuse_change((SELECT h.name FROM hierarchy h WHERE h.hierarchy_id = revise_relationships.hierarchy_id), child);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.revise_relationships(integer, bigint, bigint[], numeric[], boolean[], date) IS
'gives relationships of a child other shares and primary marks from a day on; internal';

CREATE FUNCTION @extschema@.set_shares(
	hierarchy text,
	child bigint,
	shares jsonb,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS SETOF @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(set_shares.hierarchy);
	day date := check_day(set_shares.effective);
	former text := enter_reason(set_shares.reason);
	parents bigint[];
	new_shares numeric[];
	primaries boolean[];
	missing bigint;
BEGIN
	IF child IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child must not be NULL';
	ELSIF jsonb_typeof(shares) IS DISTINCT FROM 'object' OR shares = '{}'
		OR EXISTS (SELECT FROM jsonb_each(set_shares.shares) s
			WHERE s.key !~ '^[0-9]{1,18}$' OR jsonb_typeof(s.value) NOT IN ('number', 'null'))
	THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'shares cannot be read',
			HINT = 'Write {"number of a parent": share, ...}; null for a share that is not stated.';
	END IF;
	SELECT array_agg(s.key::bigint), array_agg((s.value #>> '{}')::numeric) INTO parents, new_shares
	FROM jsonb_each(set_shares.shares) s;
	PERFORM lock_entities(child || parents, false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	SELECT min(p.parent_id) FILTER (WHERE r.child_id IS NULL), array_agg(r.is_primary ORDER BY p.ord) INTO missing, primaries
	FROM unnest(parents) WITH ORDINALITY AS p (parent_id, ord)
		LEFT JOIN relationship r ON r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = p.parent_id
			AND r.valid @> day;
	IF missing IS NOT NULL THEN
		PERFORM refuse_missing(h, child, missing, day, 'To add a parent, use assign.');
	END IF;
	PERFORM revise_relationships(h.hierarchy_id, child, parents, new_shares, primaries, day);
	PERFORM leave_reason(former);
	RETURN QUERY
	SELECT r.* FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = ANY (parents) AND r.valid @> day
	ORDER BY r.parent_id;
END
$$;
COMMENT ON FUNCTION @extschema@.set_shares(text, bigint, jsonb, date, text) IS
'sets shares of a child, by parent, from a day on';

CREATE FUNCTION @extschema@.set_share(
	hierarchy text,
	child bigint,
	parent bigint,
	share numeric,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	result @extschema@.relationship%ROWTYPE;
BEGIN
	IF parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'parent must not be NULL';
	END IF;
	SELECT r.* INTO result
	FROM set_shares(set_share.hierarchy, child, jsonb_build_object(parent, set_share.share), set_share.effective,
		set_share.reason) r;
	RETURN result;
END
$$;
COMMENT ON FUNCTION @extschema@.set_share(text, bigint, bigint, numeric, date, text) IS
'sets the share of a child that counts for a parent, from a day on';

CREATE FUNCTION @extschema@.set_primary(
	hierarchy text,
	child bigint,
	parent bigint,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS @extschema@.relationship
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(set_primary.hierarchy);
	day date := check_day(set_primary.effective);
	former text := enter_reason(set_primary.reason);
	result @extschema@.relationship%ROWTYPE;
	parents bigint[];
	shares numeric[];
	primaries boolean[];
BEGIN
	IF child IS NULL OR parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and parent must not be NULL';
	END IF;
	PERFORM lock_entities(ARRAY[child, parent] || (SELECT array_agg(r.parent_id) FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day), false);
	PERFORM lock_children(h.hierarchy_id, ARRAY[child]);

	SELECT array_agg(r.parent_id), array_agg(r.share), array_agg(r.parent_id = parent) INTO parents, shares, primaries
	FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.valid @> day;
	IF parents IS NULL OR NOT parent = ANY (parents) THEN
		PERFORM refuse_missing(h, child, parent, day, 'To add a parent, use assign.');
	END IF;
	PERFORM revise_relationships(h.hierarchy_id, child, parents, shares, primaries, day);
	PERFORM leave_reason(former);
	SELECT r.* INTO result FROM relationship r
	WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = child AND r.parent_id = parent AND r.valid @> day;
	RETURN result;
END
$$;
COMMENT ON FUNCTION @extschema@.set_primary(text, bigint, bigint, date, text) IS
'makes one of the parents of a child the primary one, from a day on';

-- Many moves at once

CREATE FUNCTION @extschema@.move_relationships(
	h @extschema@.hierarchy,
	children bigint[],
	from_parents bigint[],
	to_parents bigint[],
	days date[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer := h.hierarchy_id;
	m record;
	other record;
	n bigint;
	found_parents bigint[];
	found_days daterange[];
	ords bigint[];
BEGIN
	SELECT x.* INTO m
	FROM unnest(children, from_parents, to_parents) AS x (child, from_parent, to_parent)
	WHERE x.child IS NULL OR x.to_parent IS NULL OR x.child = x.to_parent OR x.from_parent = x.to_parent
	LIMIT 1;
	IF NOT FOUND THEN
		NULL;
	ELSIF m.child IS NULL OR m.to_parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'child and new parent of a move must not be NULL';
	ELSIF m.child = m.to_parent THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be its own parent', entity_label(m.child));
	ELSE
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be moved from %s to the same', entity_label(m.child), entity_label(m.from_parent)),
			HINT = 'Name two different parents.';
	END IF;

	PERFORM lock_entities((
		SELECT array_agg(DISTINCT e.entity_id)
		FROM (
			SELECT unnest(children || to_parents || array_remove(from_parents, NULL))
			UNION ALL
			SELECT r.parent_id
			FROM unnest(children, from_parents, days) AS x (child, from_parent, day)
				JOIN relationship r ON r.hierarchy_id = id AND r.child_id = x.child AND r.valid @> x.day
			WHERE x.from_parent IS NULL) AS e (entity_id)), false);
	PERFORM lock_children(id, (SELECT array_agg(DISTINCT c) FROM unnest(children) c));

	SELECT array_agg(f.ord), array_agg(f.parent_id), array_agg(f.valid) INTO ords, found_parents, found_days
	FROM (
		SELECT x.ord, r.parent_id, r.valid
		FROM unnest(children, from_parents, days) WITH ORDINALITY AS x (child, from_parent, day, ord)
			LEFT JOIN relationship r ON r.hierarchy_id = id AND r.child_id = x.child AND r.valid @> x.day
				AND r.parent_id = coalesce(x.from_parent, r.parent_id)
		ORDER BY x.ord) f;

	-- each move is of one relationship ...
	IF array_position(found_parents, NULL) IS NOT NULL THEN
		n := array_position(found_parents, NULL);
		n := ords[n];
		PERFORM refuse_missing(h, children[n], from_parents[n], days[n],
			format('Of %s moves, this is number %s.', cardinality(children), n));
	ELSIF cardinality(ords) > cardinality(children) THEN
		SELECT f.ord, count(*) AS n INTO m FROM unnest(ords) AS f (ord) GROUP BY f.ord HAVING count(*) > 1 ORDER BY f.ord LIMIT 1;
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s has %s parents in hierarchy "%s" on %s', entity_label(children[m.ord]), m.n, h.name,
				to_char(days[m.ord], 'YYYY-MM-DD')),
			DETAIL = list_parents(id, children[m.ord], days[m.ord]),
			HINT = 'Say which of them is to be replaced: "from".';
	END IF;
	-- ... each relationship moves once, and none comes to where there is one
	SELECT x.child, x.parent_id, array_agg(x.to_parent ORDER BY x.ord) AS targets INTO m
	FROM unnest(children, found_parents, found_days, to_parents) WITH ORDINALITY AS x (child, parent_id, valid, to_parent, ord)
	GROUP BY x.child, x.parent_id, x.valid
	HAVING count(*) > 1
	ORDER BY min(x.ord)
	LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s moves from %s more than once', entity_label(m.child), entity_label(m.parent_id)),
			DETAIL = format('It moves to: %s.', (SELECT string_agg(entity_label(t), ', ') FROM unnest(m.targets) t)),
			HINT = 'Make it one move.';
	END IF;
	WITH moves AS (
		SELECT x.*, daterange(x.day, upper(x.valid)) AS rest
		FROM unnest(children, found_parents, found_days, to_parents, days) WITH ORDINALITY
			AS x (child, parent_id, valid, to_parent, day, ord)),
	there AS (
		-- what stays under the new parents, and what comes there by other moves
		SELECT x.ord, r.valid * CASE WHEN o.child IS NULL THEN '(,)' ELSE daterange(NULL, o.day) END AS valid
		FROM moves x
			JOIN relationship r ON r.hierarchy_id = id AND r.child_id = x.child AND r.parent_id = x.to_parent AND r.valid && x.rest
			LEFT JOIN moves o ON o.child = r.child_id AND o.parent_id = r.parent_id AND o.valid = r.valid
		UNION ALL
		SELECT x.ord, o.rest
		FROM moves x JOIN moves o ON o.child = x.child AND o.to_parent = x.to_parent AND o.ord < x.ord)
	SELECT x.child, x.to_parent, x.rest, t.valid INTO m
	FROM moves x JOIN there t ON t.ord = x.ord AND t.valid && x.rest
	ORDER BY x.ord
	LIMIT 1;
	IF FOUND THEN
		PERFORM refuse_double(h, m.child, m.to_parent, m.rest, m.valid);
	END IF;

	-- The sort lets every old relationship end before the first new one begins:
	-- no cycle is seen that the moves resolve.
	WITH moves AS (
		SELECT x.*, lower(x.valid) IS NOT DISTINCT FROM x.day AS in_place
		FROM unnest(children, found_parents, found_days, to_parents, days) AS x (child, parent_id, valid, to_parent, day)),
	ended AS (
		UPDATE relationship r SET valid = daterange(lower(x.valid), x.day)
		FROM moves x
		WHERE r.hierarchy_id = id AND r.child_id = x.child AND r.parent_id = x.parent_id AND r.valid = x.valid AND NOT x.in_place
		RETURNING x.to_parent, r.child_id, r.relationship_type, r.is_primary, r.share, r.influence_level, r.attributes,
			daterange(x.day, upper(x.valid)) AS valid),
	gone AS (
		DELETE FROM relationship r
		USING moves x
		WHERE r.hierarchy_id = id AND r.child_id = x.child AND r.parent_id = x.parent_id AND r.valid = x.valid AND x.in_place
		RETURNING x.to_parent, r.child_id, r.relationship_type, r.is_primary, r.share, r.influence_level, r.attributes, r.valid)
	INSERT INTO relationship (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level,
		attributes, valid)
	SELECT id, b.*
	FROM (SELECT * FROM ended UNION ALL SELECT * FROM gone) b
	ORDER BY b.child_id, b.to_parent;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n <> cardinality(children) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('%s of %s relationships in hierarchy "%s" cannot be changed by %s', cardinality(children) - n,
				cardinality(children), h.name, quote_ident(current_user)),
			DETAIL = 'They can be read, but a policy does not let them be changed.';
	END IF;
	-- what follows without a gap under the former parents, unless moved by itself
	UPDATE relationship r SET parent_id = x.to_parent
	FROM (
		SELECT m.child, m.parent_id, m.to_parent, unnest(following(id, m.child, m.parent_id, m.valid)) AS valid
		FROM unnest(children, found_parents, found_days, to_parents) AS m (child, parent_id, valid, to_parent)
		WHERE NOT upper_inf(m.valid)) x
	WHERE r.hierarchy_id = id AND r.child_id = x.child AND r.parent_id = x.parent_id AND r.valid = x.valid;
	RETURN n;
END
$$;
COMMENT ON FUNCTION @extschema@.move_relationships(@extschema@.hierarchy, bigint[], bigint[], bigint[], date[]) IS
'moves children to other parents, all or none; internal';

CREATE FUNCTION @extschema@.reassign_children(
	hierarchy text,
	from_parent bigint,
	to_parent bigint,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(reassign_children.hierarchy);
	day date := check_day(reassign_children.effective);
	former text := enter_reason(reassign_children.reason);
	children bigint[];
	n bigint := 0;
BEGIN
	IF from_parent IS NULL OR to_parent IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'parents must not be NULL';
	ELSIF from_parent = to_parent THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('children of %s cannot be moved to the same', entity_label(from_parent)),
			HINT = 'Name two different parents.';
	END IF;
	-- again while others add some
	LOOP
		SELECT array_agg(c.node ORDER BY c.node) INTO children
		FROM children(find_graph(h.hierarchy_id, h.name), from_parent, as_of => day) c;
		EXIT WHEN children IS NULL;
		n := n + move_relationships(h, children, array_fill(from_parent, ARRAY[cardinality(children)]),
			array_fill(to_parent, ARRAY[cardinality(children)]), array_fill(day, ARRAY[cardinality(children)]));
	END LOOP;
	PERFORM leave_reason(former);
	RETURN n;
END
$$;
COMMENT ON FUNCTION @extschema@.reassign_children(text, bigint, bigint, date, text) IS
'moves all children of a parent to another one from a day on; returns how many';

CREATE FUNCTION @extschema@.reassign_many(
	hierarchy text,
	moves jsonb,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(reassign_many.hierarchy);
	day date := check_day(reassign_many.effective);
	former text := enter_reason(reassign_many.reason);
	wrong jsonb;
	children bigint[];
	from_parents bigint[];
	to_parents bigint[];
	days date[];
	n bigint;
BEGIN
	IF moves IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'moves must not be NULL';
	ELSIF jsonb_typeof(moves) <> 'array' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'moves are not a JSON array',
			HINT = 'Write [{"child": number, "from": number, "to": number, "effective": "day"}, ...]; from and effective may be left out.';
	END IF;
	SELECT m.value INTO wrong
	FROM jsonb_array_elements(moves) m
	WHERE jsonb_typeof(m.value) <> 'object'
		OR NOT m.value ? 'child' OR NOT m.value ?| ARRAY['to', 'to_parent']
		OR m.value ?& ARRAY['from', 'from_parent'] OR m.value ?& ARRAY['to', 'to_parent']
		OR m.value - ARRAY['child', 'from', 'from_parent', 'to', 'to_parent', 'effective'] <> '{}'
		OR concat_ws(' ', m.value->>'child', m.value->>'from', m.value->>'from_parent', m.value->>'to', m.value->>'to_parent') ~ '[^0-9 -]'
	LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('move %s cannot be read', wrong),
			HINT = 'Write {"child": number, "from": number, "to": number, "effective": "day"}; from and effective may be left out.';
	END IF;
	SELECT array_agg((m->>'child')::bigint), array_agg(coalesce(m->>'from', m->>'from_parent')::bigint),
		array_agg(coalesce(m->>'to', m->>'to_parent')::bigint),
		array_agg(coalesce((m->>'effective')::date, day))
	INTO children, from_parents, to_parents, days
	FROM jsonb_array_elements(moves) m;
	PERFORM check_day(d) FROM unnest(days) d WHERE NOT isfinite(d);
	n := CASE WHEN children IS NULL THEN 0 ELSE move_relationships(h, children, from_parents, to_parents, days) END;
	PERFORM leave_reason(former);
	RETURN n;
END
$$;
COMMENT ON FUNCTION @extschema@.reassign_many(text, jsonb, date, text) IS
'makes many moves, all or none; returns how many';

CREATE FUNCTION @extschema@.reassign_many(
	hierarchy text,
	moves regclass,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(reassign_many.hierarchy);
	day date := check_day(reassign_many.effective);
	former text := enter_reason(reassign_many.reason);
	columns name[];
	children bigint[];
	from_parents bigint[];
	to_parents bigint[];
	days date[];
	n bigint;
BEGIN
	SELECT array_agg(a.attname) INTO columns
	FROM pg_attribute a
	WHERE a.attrelid = moves AND a.attnum > 0 AND NOT a.attisdropped
		AND a.attname IN ('child', 'from_parent', 'to_parent', 'effective');
	IF columns IS NULL OR NOT columns @> ARRAY['child', 'from_parent', 'to_parent']::name[] THEN
		RAISE undefined_column USING
			MESSAGE = format('table "%s" is not a list of moves', moves),
			HINT = 'It needs columns child, from_parent, to_parent and may have effective.';
	END IF;
	EXECUTE format('SELECT array_agg(m.child), array_agg(m.from_parent), array_agg(m.to_parent), '
		'array_agg(coalesce(%s, $1)) FROM %s m',
		CASE WHEN 'effective' = ANY (columns) THEN 'm.effective' ELSE 'NULL' END, moves)
	INTO children, from_parents, to_parents, days
	USING day;
	PERFORM check_day(d) FROM unnest(days) d WHERE NOT isfinite(d);
	n := CASE WHEN children IS NULL THEN 0 ELSE move_relationships(h, children, from_parents, to_parents, days) END;
	PERFORM leave_reason(former);
	RETURN n;
END
$$;
COMMENT ON FUNCTION @extschema@.reassign_many(text, regclass, date, text) IS
'makes the moves that a table lists, all or none; returns how many';

-- A literal without a type: text is what PostgreSQL takes it for, as soon as
-- there is a function that accepts text.
CREATE FUNCTION @extschema@.reassign_many(
	hierarchy text,
	moves text,
	effective date DEFAULT NULL,
	reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS $$
BEGIN
	IF moves IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'moves must not be NULL';
	ELSIF moves OPERATOR(pg_catalog.~) '^\s*[[{]' THEN
		RETURN @extschema@.reassign_many(hierarchy, moves::pg_catalog.jsonb, effective, reason);
	END IF;
	-- the name of a table, by the caller's search_path
	RETURN @extschema@.reassign_many(hierarchy, moves::pg_catalog.regclass, effective, reason);
END
$$;
COMMENT ON FUNCTION @extschema@.reassign_many(text, text, date, text) IS
'makes many moves, all or none, from JSON or from the table of this name; returns how many';

-- Merging an entity into another one
--
-- Every relationship of the one becomes one of the other.  Where both stood
-- under the same parent, or had the same child, on some days, there must be one
-- relationship for those days.  So the days are cut where anything begins or
-- ends, each piece is decided on its own, and equal neighbours are joined again.
--
-- In a piece:
--	 - shares of the same parent and child add up, to 1 at most; in mode split
--	   the shares of the merged child are brought back to a sum of 1;
--	 - of two primary parents that of the surviving entity stays primary;
--	 - if there are more parents than the rules allow, those of the surviving
--	   entity stay;
--	 - other columns are those of the surviving entity, where it has any;
--	 - a relationship between the two is dropped.
--
-- Nobody can write relationships of the merged entity once it is locked for a
-- change.  Its neighbours are looked up before, to lock all of them in order.

CREATE FUNCTION @extschema@.all_children(graph oid, node bigint)
RETURNS bigint[]
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'hgraph_all_children';
COMMENT ON FUNCTION @extschema@.all_children(oid, bigint) IS
'children of a node on any day; internal';

CREATE FUNCTION @extschema@.merge_relationships(
	h @extschema@.hierarchy,
	"from" bigint,
	"into" bigint,
	children bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer := h.hierarchy_id;
	merged bigint := merge_relationships."from";
	kept bigint := merge_relationships."into";
	kept_type text := (SELECT e.entity_type FROM entity e WHERE e.entity_id = merge_relationships."into");
BEGIN
	WITH affected AS MATERIALIZED (
		SELECT row_number() OVER () AS ord, r.*,
			CASE r.parent_id WHEN merged THEN kept ELSE r.parent_id END AS new_parent,
			CASE r.child_id WHEN merged THEN kept ELSE r.child_id END AS new_child,
			merged IN (r.parent_id, r.child_id) AS moved
		FROM relationship r
		WHERE r.hierarchy_id = id AND r.child_id = ANY (children || merged || kept)
			AND (r.child_id IN (merged, kept) OR r.parent_id IN (merged, kept))),
	points AS (
		SELECT DISTINCT a.new_child, p.day
		FROM affected a, LATERAL (VALUES (lower(a.valid)), (upper(a.valid))) AS p (day)
		WHERE p.day IS NOT NULL),
	cells AS (
		SELECT p.new_child, daterange(p.day, lead(p.day) OVER (PARTITION BY p.new_child ORDER BY p.day)) AS cell
		FROM points p
		UNION ALL
		SELECT a.new_child, daterange(NULL, min(p.day))
		FROM (SELECT DISTINCT new_child FROM affected) a LEFT JOIN points p ON p.new_child = a.new_child
		GROUP BY a.new_child),
	pieces AS (
		-- one for each parent and child and cell, of one or two relationships
		SELECT a.new_child, a.new_parent, c.cell, a.new_child = kept AS below,
			array_agg(a.ord ORDER BY a.moved, a.ord) AS sources, bool_and(a.moved) AS moved_only,
			CASE WHEN sum(a.share) > 1 THEN 1 ELSE sum(a.share) END AS share,
			bool_or(a.is_primary) AS is_primary, bool_or(a.is_primary AND NOT a.moved) AS kept_primary
		FROM affected a JOIN cells c ON c.new_child = a.new_child AND c.cell && a.valid
		WHERE a.new_parent <> a.new_child
		GROUP BY a.new_child, a.new_parent, c.cell),
	counted AS (
		SELECT p.*, bool_or(NOT p.moved_only) OVER cell AND count(*) OVER cell > h.max_parents AS too_many,
			bool_or(NOT p.moved_only) OVER cell_type AND count(*) OVER cell_type > t.max_parents AS too_many_of_type
		FROM pieces p
			LEFT JOIN entity e ON p.below AND e.entity_id = p.new_parent
			LEFT JOIN relationship_rule t ON t.hierarchy_id = id AND t.child_type = kept_type AND t.parent_type = e.entity_type
		WINDOW cell AS (PARTITION BY p.new_child, p.cell),
			cell_type AS (PARTITION BY p.new_child, p.cell, e.entity_type)),
	valued AS (
		SELECT c.new_child, c.new_parent, c.cell, c.sources,
			CASE WHEN c.below AND h.share_mode = 'split' AND abs(sum(c.share) OVER cell - 1) > 0.000001 AND sum(c.share) OVER cell > 0
				THEN trim_scale(round(c.share / sum(c.share) OVER cell, 12)) ELSE c.share END AS share,
			CASE WHEN NOT c.below THEN c.is_primary
				WHEN bool_or(c.kept_primary) OVER cell THEN c.kept_primary
				WHEN bool_or(c.is_primary) OVER cell OR NOT h.require_primary THEN c.is_primary
				ELSE row_number() OVER (PARTITION BY c.new_child, c.cell ORDER BY c.moved_only, c.share DESC NULLS LAST, c.new_parent) = 1
			END AS is_primary
		FROM counted c
		WHERE NOT (c.below AND c.moved_only AND (c.too_many IS TRUE OR c.too_many_of_type IS TRUE))
		WINDOW cell AS (PARTITION BY c.new_child, c.cell)),
	joined AS (
		SELECT v.new_child, v.new_parent, v.sources, v.share, v.is_primary, unnest(range_agg(v.cell)) AS valid
		FROM valued v
		GROUP BY v.new_child, v.new_parent, v.sources, v.share, v.is_primary),
	wanted AS MATERIALIZED (
		-- the first of those that begin with a relationship takes its row
		SELECT j.new_child, j.new_parent, j.valid, j.share, j.is_primary, j.sources[1] AS ord,
			row_number() OVER (PARTITION BY j.sources[1] ORDER BY j.valid) AS n,
			coalesce(a.relationship_type, b.relationship_type) AS relationship_type,
			coalesce(a.influence_level, b.influence_level) AS influence_level,
			coalesce(b.attributes, '{}') || a.attributes AS attributes
		FROM joined j
			JOIN affected a ON a.ord = j.sources[1]
			LEFT JOIN affected b ON b.ord = j.sources[2]),
	changed AS (
		UPDATE relationship r SET parent_id = w.new_parent, child_id = w.new_child, valid = w.valid, share = w.share,
			is_primary = w.is_primary, relationship_type = w.relationship_type, influence_level = w.influence_level,
			attributes = w.attributes
		FROM affected a JOIN wanted w ON w.ord = a.ord AND w.n = 1
		WHERE r.hierarchy_id = id AND r.child_id = a.child_id AND r.parent_id = a.parent_id AND r.valid = a.valid
			AND (a.parent_id, a.child_id, a.valid, a.share, a.is_primary, a.relationship_type, a.influence_level, a.attributes)
				IS DISTINCT FROM (w.new_parent, w.new_child, w.valid, w.share, w.is_primary, w.relationship_type,
					w.influence_level, w.attributes)
		RETURNING 1),
	gone AS (
		DELETE FROM relationship r
		USING affected a
		WHERE r.hierarchy_id = id AND r.child_id = a.child_id AND r.parent_id = a.parent_id AND r.valid = a.valid
			AND NOT EXISTS (SELECT FROM wanted w WHERE w.ord = a.ord AND w.n = 1)
		RETURNING 1)
	INSERT INTO relationship (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level,
		attributes, valid)
	SELECT id, w.new_parent, w.new_child, w.relationship_type, w.is_primary, w.share, w.influence_level, w.attributes, w.valid
	FROM (SELECT count(*) FROM gone) g, (SELECT count(*) FROM changed) c, wanted w
	WHERE w.n > 1;

	IF EXISTS (SELECT FROM relationship r
		WHERE r.hierarchy_id = id AND r.child_id = ANY (children || merged) AND merged IN (r.child_id, r.parent_id))
	THEN
		PERFORM refuse_change(h.name, merged);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.merge_relationships(@extschema@.hierarchy, bigint, bigint, bigint[]) IS
'makes the relationships of one entity those of another in a hierarchy; internal';

CREATE FUNCTION @extschema@.merge_entity("from" bigint, "into" bigint, reason text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	merged bigint := merge_entity."from";
	kept bigint := merge_entity."into";
	former text := enter_reason(merge_entity.reason);
	e @extschema@.entity%ROWTYPE;
	h @extschema@.hierarchy%ROWTYPE;
	locked bigint[] := '{}';
	near bigint[];
	far bigint[];
	-- whoever has no right to what lists say leaves it where it is
	has_lists boolean := has_table_privilege('@extschema@.entity_source', 'SELECT') AND has_table_privilege('@extschema@.entity_source', 'UPDATE')
		AND has_table_privilege('@extschema@.load_source', 'SELECT') AND has_table_privilege('@extschema@.relationship_source', 'SELECT')
		AND has_table_privilege('@extschema@.relationship_source', 'INSERT') AND has_table_privilege('@extschema@.relationship_source', 'DELETE');
BEGIN
	IF merged IS NULL OR kept IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'entities to be merged must not be NULL';
	ELSIF merged = kept THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s cannot be merged into itself', entity_label(merged));
	END IF;

	-- the neighbours of the merged entity, until they are all locked
	LOOP
		near := ARRAY[kept];
		FOR h IN SELECT x.* FROM hierarchy x
		LOOP
			-- NULL: it was just dropped
			near := near || all_children(find_graph(h.hierarchy_id, h.name), merged);
		END LOOP;
		SELECT array_agg(n.entity_id) INTO far
		FROM (
			(SELECT unnest(near) UNION SELECT r.parent_id FROM relationship r WHERE r.child_id = merged)
			EXCEPT
			SELECT unnest(locked || merged)) AS n (entity_id);
		EXIT WHEN far IS NULL;
		PERFORM lock_entities(array(SELECT f FROM unnest(far) f WHERE f < merged), false);
		PERFORM lock_entities(ARRAY[merged], true);
		PERFORM lock_entities(array(SELECT f FROM unnest(far) f WHERE f > merged), false);
		locked := locked || far;
	END LOOP;

	FOR e IN SELECT x.* FROM entity x WHERE x.entity_id IN (merged, kept)
	LOOP
		IF e.status = 'merged' THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('%s was merged into %s before', entity_label(e.entity_id), entity_label(e.merged_into)),
				HINT = CASE e.entity_id WHEN kept THEN 'Merge into that one.' ELSE 'A merge can be undone with undo_transaction.' END;
		END IF;
	END LOOP;
	IF (SELECT count(*) FROM entity x WHERE x.entity_id IN (merged, kept)) < 2 THEN
		RAISE no_data_found USING
			MESSAGE = format('entity %s does not exist',
				(SELECT min(i) FROM unnest(ARRAY[merged, kept]) i WHERE NOT EXISTS (SELECT FROM entity x WHERE x.entity_id = i)));
	END IF;

	IF has_lists THEN
		has_lists := EXISTS (SELECT FROM load_source);
	END IF;
	IF has_lists THEN
		PERFORM move_sources(merged, kept);
	END IF;
	FOR h IN SELECT x.* FROM hierarchy x ORDER BY x.hierarchy_id
	LOOP
		near := all_children(find_graph(h.hierarchy_id, h.name), merged);
		CONTINUE WHEN near IS NULL OR near = '{}' AND NOT EXISTS (SELECT FROM relationship r
			WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = merged);
		PERFORM lock_children(h.hierarchy_id, near || merged || kept);
		PERFORM merge_relationships(h, merged, kept, near);
	END LOOP;
	UPDATE identifier i SET entity_id = kept WHERE i.entity_id = merged;
	UPDATE entity x SET status = 'merged', merged_into = kept WHERE x.entity_id = merged;
	IF NOT FOUND THEN
		PERFORM refuse_entity(merged);
	END IF;
	IF has_lists THEN
		PERFORM show_survivors(kept);
	END IF;
	PERFORM leave_reason(former);
END
$$;
COMMENT ON FUNCTION @extschema@.merge_entity(bigint, bigint, text) IS
'merges an entity into another one: relationships and identifiers become those of the other';

-- What a move would change
--
-- The move is made in a subtransaction that is rolled back, so whatever rules
-- there are speak for themselves.

CREATE FUNCTION @extschema@.preview_reassign(
	hierarchy text,
	child bigint,
	from_parent bigint,
	to_parent bigint,
	effective date DEFAULT NULL,
	source regclass DEFAULT NULL,
	key name DEFAULT NULL,
	value name DEFAULT NULL,
	mode text DEFAULT 'distinct')
RETURNS TABLE (
	aspect text,
	entity_id bigint,
	entity text,
	before numeric,
	after numeric,
	difference numeric,
	message text)
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE := find_hierarchy(preview_reassign.hierarchy);
	day date := check_day(preview_reassign.effective);
	graph @extschema@.hgraph := find_graph(h.hierarchy_id, h.name);
	rollup_before @extschema@.hrollup;
	rollup_after @extschema@.hrollup;
	constraint_name text;
	detail text;
	messages text[] := '{}';
BEGIN
	IF source IS NOT NULL AND key IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = format('key of %s must not be NULL', source),
			HINT = 'Name the column that holds entities.';
	END IF;
	RETURN QUERY
	SELECT 'moved', d.node, entity_label(d.node), NULL::numeric, NULL::numeric, NULL::numeric, NULL::text
	FROM descendants(graph, child, include_self => true, as_of => day) d
	ORDER BY d.depth, d.node;

	BEGIN
		IF source IS NOT NULL THEN
			rollup_before := rollup_table(graph, source, key, value, mode, as_of => day);
		END IF;
		PERFORM reassign(h.name, child, from_parent, to_parent, day);
		IF source IS NOT NULL THEN
			rollup_after := rollup_table(graph, source, key, value, mode, as_of => day);
		END IF;
		-- rules that are checked at commit, each by itself
		FOR constraint_name IN
			SELECT DISTINCT t.tgname FROM pg_trigger t
			WHERE t.tgrelid = format('@extschema@.relationship_%s', h.hierarchy_id)::regclass AND t.tgdeferrable
			ORDER BY t.tgname
		LOOP
			BEGIN
				EXECUTE format('SET CONSTRAINTS @extschema@.%I IMMEDIATE', constraint_name);
			EXCEPTION
				WHEN integrity_constraint_violation THEN
					GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
					messages := messages || concat_ws('. ', sqlerrm, nullif(detail, ''));
			END;
		END LOOP;
		RAISE SQLSTATE 'HG001' USING MESSAGE = 'preview ends';
	EXCEPTION
		WHEN SQLSTATE 'HG001' THEN
			NULL;
		WHEN integrity_constraint_violation THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			messages := messages || concat_ws('. ', sqlerrm, nullif(detail, ''));
	END;

	RETURN QUERY
	SELECT 'rule', child, entity_label(child), NULL::numeric, NULL::numeric, NULL::numeric, m
	FROM unnest(messages) m;
	IF rollup_after IS NOT NULL THEN
		RETURN QUERY
		SELECT 'total', c.node, entity_label(c.node), coalesce(c.before, 0), coalesce(c.after, 0), c.difference, NULL::text
		FROM compare_rollup(rollup_before, rollup_after) c
		WHERE c.difference <> 0
		ORDER BY c.node;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.preview_reassign(text, bigint, bigint, bigint, date, regclass, name, name, text) IS
'what reassign would do: entities moved, rules broken, totals changed; changes nothing';

-- What the log tells
--
-- What was known at a moment is computed backwards: the rows there are now,
-- without those that changes made after the moment have written, with those
-- that they have overwritten or deleted.  The images of the log are whole rows,
-- so this is adding and subtracting, in whatever order.
--
-- Joins by nested loop are switched off where figures of the log's youngest
-- rows, of which statistics know nothing, decide the plan.

CREATE FUNCTION @extschema@.known_hierarchy(
	hierarchy text,
	dropped boolean DEFAULT false,
	OUT hierarchy_id integer,
	OUT graph @extschema@.hgraph)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
COST 100
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
	-- by the catalogs, so that nobody needs rights on table hierarchy
	SELECT substr(p.relname, length('relationship_') + 1)::integer, i.indexrelid INTO hierarchy_id, graph
	FROM pg_class g
		JOIN pg_index i ON i.indexrelid = g.oid
		JOIN pg_class p ON p.oid = i.indrelid
		JOIN pg_inherits h ON h.inhrelid = p.oid AND h.inhparent = '@extschema@.relationship'::regclass
	WHERE g.relname = known_hierarchy.hierarchy AND g.relnamespace = '@extschema@'::regnamespace
		AND p.relname ~ '^relationship_[0-9]{1,9}$';
	IF hierarchy_id IS NULL AND dropped THEN
		SELECT c.hierarchy_id INTO hierarchy_id
		FROM change_log c
		WHERE c.table_name = 'hierarchy' AND known_hierarchy.hierarchy IN (c.old_row ->> 'name', c.new_row ->> 'name')
		ORDER BY c.change_id DESC
		LIMIT 1;
	END IF;
	IF hierarchy_id IS NULL THEN
		PERFORM find_hierarchy(known_hierarchy.hierarchy);
		RAISE EXCEPTION 'hierarchy "%" has no graph', known_hierarchy.hierarchy
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
END
$function$;
COMMENT ON FUNCTION @extschema@.known_hierarchy(text, boolean) IS
'internal: number and graph of a hierarchy; if asked for, also of one that the log knows to have been dropped';

CREATE FUNCTION @extschema@.known_query(hierarchy text, at timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
SET datestyle = 'ISO, YMD'
AS $function$
#variable_conflict use_column
DECLARE
	v_id integer := (SELECT k.hierarchy_id FROM known_hierarchy(known_query.hierarchy, true) k);
BEGIN
	IF at IS NULL THEN
		RAISE EXCEPTION 'moment must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	RETURN format($query$
		WITH later AS MATERIALIZED (
			SELECT c.old_row, c.new_row
			FROM @extschema@.change_log c
			WHERE c.changed_at > %2$L::timestamptz AND c.hierarchy_id = %1$s AND c.table_name = 'relationship'
		), net AS MATERIALIZED (
			SELECT i.image, pg_catalog.sum(i.n) AS n
			FROM (
				SELECT l.old_row, 1 FROM later l WHERE l.old_row IS NOT NULL
				UNION ALL
				SELECT l.new_row, -1 FROM later l WHERE l.new_row IS NOT NULL
			) AS i (image, n)
			GROUP BY i.image
			HAVING pg_catalog.sum(i.n) <> 0
		)
		SELECT r.*
		FROM @extschema@.relationship r
		WHERE r.hierarchy_id = %1$s
			AND NOT EXISTS (
				SELECT FROM net
				WHERE net.n < 0
					AND r.child_id = (net.image ->> 'child_id')::bigint
					AND r.parent_id = (net.image ->> 'parent_id')::bigint
					AND r.valid = (net.image ->> 'valid')::daterange)
		UNION ALL
		SELECT p.*
		FROM net
			CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::@extschema@.relationship,
				net.image || pg_catalog.jsonb_build_object('label',
					@extschema@.relationship_label(net.image ->> 'relationship_type'))) p
		WHERE net.n > 0
		$query$, v_id, at);
END
$function$;
COMMENT ON FUNCTION @extschema@.known_query(text, timestamptz) IS
'internal: query for the relationships of a hierarchy as known at a moment';

CREATE FUNCTION @extschema@.relationships_known_at(hierarchy text, at timestamptz)
RETURNS SETOF @extschema@.relationship
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 10000 ROWS 1000
SET search_path = pg_catalog, @extschema@, pg_temp
SET enable_nestloop = off
SET jit = off
AS $function$
#variable_conflict use_column
BEGIN
	RETURN QUERY EXECUTE known_query(relationships_known_at.hierarchy, relationships_known_at.at);
END
$function$;
COMMENT ON FUNCTION @extschema@.relationships_known_at(text, timestamptz) IS
'the relationships of a hierarchy as the database knew them at a moment';

CREATE FUNCTION @extschema@.fill_known(target regclass, query text)
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_fill_known';
COMMENT ON FUNCTION @extschema@.fill_known(regclass, text) IS
'internal: fills a temporary table just made with the rows of a query, to be seen by every snapshot';

CREATE FUNCTION @extschema@.as_known_at(hierarchy text, at timestamptz)
RETURNS @extschema@.hgraph
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
COST 100000
SET search_path = pg_catalog, @extschema@, pg_temp
SET enable_nestloop = off
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_query text := known_query(as_known_at.hierarchy, as_known_at.at);
	v_base text := as_known_at.hierarchy;
	v_graph text;
	v_rows text;
	v_mine boolean;
	v_same boolean;
	v_n integer := 1;
	v_statement constant text := format('made at %s by %s: ', statement_timestamp(), current_user);
	v_what constant text := format('relationships of hierarchy "%s" as known at %s', as_known_at.hierarchy, as_known_at.at);
BEGIN
	-- A name has 63 bytes at most; what is cut off of a long one is told by a hash.
	IF octet_length(v_base) > 46 THEN
		WHILE octet_length(v_base) > 37
		LOOP
			v_base := left(v_base, -1);
		END LOOP;
		v_base := v_base || '_' || left(md5(as_known_at.hierarchy), 8);
	END IF;
	v_base := v_base || '_as_known';
	v_graph := v_base;

	-- Take the place of the former one, unless it is that of another role, or
	-- was made by the same statement; which may want the same one for every row,
	-- and a few for different moments.
	LOOP
		v_rows := v_graph || '_rows';
		SELECT pg_has_role(t.relowner, 'USAGE')
				AND (v_n >= 8 OR NOT starts_with(obj_description(t.oid, 'pg_class'), v_statement)),
			obj_description(t.oid, 'pg_class') = v_statement || v_what
		INTO v_mine, v_same
		FROM pg_class t
			JOIN pg_index i ON i.indrelid = t.oid
			JOIN pg_class g ON g.oid = i.indexrelid
		WHERE t.relname = v_rows AND t.relnamespace = pg_my_temp_schema() AND g.relname = v_graph;
		IF v_same THEN
			RETURN format('pg_temp.%I', v_graph)::regclass::@extschema@.hgraph;
		ELSIF v_mine THEN
			EXECUTE format('DROP TABLE pg_temp.%I', v_rows);
		END IF;
		EXIT WHEN v_mine IS NOT FALSE;
		v_n := v_n + 1;
		v_graph := v_base || '_' || v_n;
	END LOOP;
	EXECUTE format('CREATE TEMPORARY TABLE %I (LIKE @extschema@.relationship)', v_rows);
	EXECUTE format('COMMENT ON TABLE pg_temp.%I IS %L', v_rows, v_statement || v_what);
	PERFORM fill_known(format('pg_temp.%I', v_rows)::regclass, v_query);

	-- What was known held by the rules of its time: nothing is checked again.
	EXECUTE format('CREATE INDEX %I ON pg_temp.%I USING hgraph (parent_id, child_id) '
		'INCLUDE (share, valid, is_primary, label) '
		'WITH (acyclic = off, weight = ''share'', validity = ''valid'', is_primary = ''is_primary'', label = ''label'')',
		v_graph, v_rows);
	EXECUTE format('ANALYZE pg_temp.%I', v_rows);
	RETURN format('pg_temp.%I', v_graph)::regclass::@extschema@.hgraph;
END
$function$;
COMMENT ON FUNCTION @extschema@.as_known_at(text, timestamptz) IS
'a graph of the relationships of a hierarchy as the database knew them at a moment: temporary, until the next call';

-- What two moments have different

CREATE FUNCTION @extschema@.compare_hierarchy(
	hierarchy text,
	t1 timestamptz,
	t2 timestamptz)
RETURNS TABLE (
	change text,
	child_id bigint,
	child text,
	old_parent_id bigint,
	old_parent text,
	new_parent_id bigint,
	new_parent text,
	old_row jsonb,
	new_row jsonb)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 10000 ROWS 100
SET search_path = pg_catalog, @extschema@, pg_temp
SET enable_nestloop = off
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_id integer := (SELECT k.hierarchy_id FROM known_hierarchy(compare_hierarchy.hierarchy, true) k);
BEGIN
	IF t1 IS NULL OR t2 IS NULL THEN
		RAISE EXCEPTION 'moment must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	RETURN QUERY
	WITH between_them AS MATERIALIZED (
		SELECT c.old_row, c.new_row
		FROM change_log c
		WHERE c.changed_at > least(t1, t2) AND c.changed_at <= greatest(t1, t2)
			AND c.hierarchy_id = v_id AND c.table_name = 'relationship'
	), net AS MATERIALIZED (
		-- n > 0: there at t2 only; n < 0: at t1 only
		SELECT row_number() OVER () AS id, i.image,
			sum(i.n) * CASE WHEN t1 <= t2 THEN 1 ELSE -1 END AS n,
			(i.image ->> 'child_id')::bigint AS child_id,
			(i.image ->> 'parent_id')::bigint AS parent_id,
			coalesce(lower((i.image ->> 'valid')::daterange), '-infinity') AS first_day,
			coalesce(upper((i.image ->> 'valid')::daterange), 'infinity') AS end_day
		FROM (
			SELECT b.old_row, -1 FROM between_them b WHERE b.old_row IS NOT NULL
			UNION ALL
			SELECT b.new_row, 1 FROM between_them b WHERE b.new_row IS NOT NULL
		) AS i (image, n)
		GROUP BY i.image
		HAVING sum(i.n) <> 0
	), gone AS MATERIALIZED (
		SELECT * FROM net WHERE n < 0
	), come AS MATERIALIZED (
		SELECT * FROM net WHERE n > 0
	), same_pair AS MATERIALIZED (
		-- A pair has one relationship a day, so one that begins on a day.
		SELECT g.id AS gone_id, c.id AS come_id, g.child_id, g.parent_id,
			g.end_day AS old_end, c.end_day AS new_end,
			g.image - 'valid' = c.image - 'valid' AS only_days
		FROM gone g JOIN come c USING (child_id, parent_id, first_day)
	), same_parent AS MATERIALIZED (
		SELECT g.id AS gone_id, c.id AS come_id
		FROM (SELECT g.*, row_number() OVER (PARTITION BY g.child_id, g.parent_id ORDER BY g.first_day) AS rank
				FROM gone g WHERE NOT EXISTS (SELECT FROM same_pair s WHERE s.gone_id = g.id)) g
			JOIN (SELECT c.*, row_number() OVER (PARTITION BY c.child_id, c.parent_id ORDER BY c.first_day) AS rank
				FROM come c WHERE NOT EXISTS (SELECT FROM same_pair s WHERE s.come_id = c.id)) c
			USING (child_id, parent_id, rank)
	), gone_left AS MATERIALIZED (
		SELECT g.* FROM gone g
		WHERE NOT EXISTS (SELECT FROM same_pair s WHERE s.gone_id = g.id)
			AND NOT EXISTS (SELECT FROM same_parent s WHERE s.gone_id = g.id)
	), come_left AS MATERIALIZED (
		SELECT c.* FROM come c
		WHERE NOT EXISTS (SELECT FROM same_pair s WHERE s.come_id = c.id)
			AND NOT EXISTS (SELECT FROM same_parent s WHERE s.come_id = c.id)
	), moved_whole AS MATERIALIZED (
		-- another parent, the same first day
		SELECT g.id AS gone_id, c.id AS come_id
		FROM (SELECT g.*, row_number() OVER (PARTITION BY g.child_id, g.first_day ORDER BY g.parent_id) AS rank FROM gone_left g) g
			JOIN (SELECT c.*, row_number() OVER (PARTITION BY c.child_id, c.first_day ORDER BY c.parent_id) AS rank FROM come_left c) c
			USING (child_id, first_day, rank)
	), moved_from AS MATERIALIZED (
		-- the old relationship ends on the day on which the new one begins
		SELECT s.gone_id, s.come_id AS swallowed, c.id AS come_id
		FROM (SELECT s.*, row_number() OVER (PARTITION BY s.child_id, s.new_end ORDER BY s.parent_id) AS rank
				FROM same_pair s WHERE s.only_days AND s.new_end < s.old_end) s
			JOIN (SELECT c.*, row_number() OVER (PARTITION BY c.child_id, c.first_day ORDER BY c.parent_id) AS rank
				FROM come_left c WHERE NOT EXISTS (SELECT FROM moved_whole m WHERE m.come_id = c.id)) c
			ON c.child_id = s.child_id AND c.first_day = s.new_end AND c.rank = s.rank
	), moved_back AS MATERIALIZED (
		-- the same the other way round
		SELECT g.id AS gone_id, s.gone_id AS swallowed, s.come_id
		FROM (SELECT s.*, row_number() OVER (PARTITION BY s.child_id, s.old_end ORDER BY s.parent_id) AS rank
				FROM same_pair s WHERE s.only_days AND s.new_end > s.old_end) s
			JOIN (SELECT g.*, row_number() OVER (PARTITION BY g.child_id, g.first_day ORDER BY g.parent_id) AS rank
				FROM gone_left g WHERE NOT EXISTS (SELECT FROM moved_whole m WHERE m.gone_id = g.id)) g
			ON g.child_id = s.child_id AND g.first_day = s.old_end AND g.rank = s.rank
	), line AS (
		SELECT m.gone_id, m.come_id FROM moved_whole m
		UNION ALL
		SELECT m.gone_id, m.come_id FROM moved_from m
		UNION ALL
		SELECT m.gone_id, m.come_id FROM moved_back m
		UNION ALL
		SELECT s.gone_id, s.come_id FROM same_pair s
		WHERE NOT EXISTS (SELECT FROM moved_from m WHERE m.swallowed = s.come_id)
			AND NOT EXISTS (SELECT FROM moved_back m WHERE m.swallowed = s.gone_id)
		UNION ALL
		SELECT s.gone_id, s.come_id FROM same_parent s
		UNION ALL
		SELECT g.id, NULL FROM gone_left g
		WHERE NOT EXISTS (SELECT FROM moved_whole m WHERE m.gone_id = g.id)
			AND NOT EXISTS (SELECT FROM moved_back m WHERE m.gone_id = g.id)
		UNION ALL
		SELECT NULL, c.id FROM come_left c
		WHERE NOT EXISTS (SELECT FROM moved_whole m WHERE m.come_id = c.id)
			AND NOT EXISTS (SELECT FROM moved_from m WHERE m.come_id = c.id)
	), result AS (
		SELECT
			CASE WHEN l.gone_id IS NULL THEN 'added' WHEN l.come_id IS NULL THEN 'removed'
				WHEN g.parent_id <> c.parent_id THEN 'moved' ELSE 'changed' END AS change,
			coalesce(g.child_id, c.child_id) AS child_id, g.parent_id AS old_parent_id, c.parent_id AS new_parent_id,
			g.image AS old_row, c.image AS new_row
		FROM line l
			LEFT JOIN gone g ON g.id = l.gone_id
			LEFT JOIN come c ON c.id = l.come_id
	)
	-- Subqueries, not joins: these may use the index.
	SELECT r.change,
		r.child_id,
		coalesce((SELECT format('%s "%s"', e.entity_type, e.code) FROM entity e WHERE e.entity_id = r.child_id),
			'entity ' || r.child_id),
		r.old_parent_id,
		coalesce((SELECT format('%s "%s"', e.entity_type, e.code) FROM entity e WHERE e.entity_id = r.old_parent_id),
			'entity ' || r.old_parent_id),
		r.new_parent_id,
		coalesce((SELECT format('%s "%s"', e.entity_type, e.code) FROM entity e WHERE e.entity_id = r.new_parent_id),
			'entity ' || r.new_parent_id),
		r.old_row, r.new_row
	FROM result r
	ORDER BY r.child_id, coalesce(r.old_parent_id, r.new_parent_id), r.new_parent_id,
		coalesce(r.old_row, r.new_row) ->> 'valid';
END
$function$;
COMMENT ON FUNCTION @extschema@.compare_hierarchy(text, timestamptz, timestamptz) IS
'what is different in a hierarchy between two moments: relationships added, removed, moved, changed';

-- The story of an entity
--
-- Changes are found by their entity, and by their parent unless they insert a
-- relationship.  A bulk load would pay dearly for an index that finds these by
-- their parent too, and there is another way: a relationship inserted under a
-- parent is there still, or it is the old row of a later change, which took it
-- away or turned it into something else.  So the children of today, and those of
-- old rows under the parent, are all that there have ever been, and insertions
-- are found by these.

CREATE FUNCTION @extschema@.children_everywhere(entity_id bigint)
RETURNS bigint[]
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'hgraph_children_everywhere';
COMMENT ON FUNCTION @extschema@.children_everywhere(bigint) IS
'children of an entity on any day in all hierarchies, NULL if the caller may not see them all; internal';

CREATE FUNCTION @extschema@.entity_changes(entity_id bigint)
RETURNS SETOF @extschema@.change_log
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 100
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_id bigint := entity_changes.entity_id;
	v_children bigint[] := children_everywhere(v_id);
BEGIN
	IF v_children IS NULL THEN
		-- there is nothing for it but to look through the log
		v_children := array_agg(DISTINCT c.entity_id) FROM change_log c
			WHERE c.parent_id = v_id AND c.operation = 'INSERT' AND c.table_name = 'relationship';
	END IF;
	RETURN QUERY
	WITH taken AS MATERIALIZED (
		SELECT c.* FROM change_log c
		WHERE c.parent_id = v_id AND (c.operation <> 'INSERT' OR c.table_name <> 'relationship') AND c.entity_id <> v_id
	), mine AS MATERIALIZED (
		SELECT c.* FROM change_log c WHERE c.entity_id = v_id
		UNION ALL
		SELECT t.* FROM taken t
		UNION ALL
		SELECT c.*
		FROM (
			SELECT unnest(v_children) AS entity_id
			UNION
			SELECT unnest(ARRAY[t.entity_id, (t.old_row ->> 'child_id')::bigint])
			FROM taken t
			WHERE t.table_name = 'relationship'
			UNION
			SELECT (c.old_row ->> 'child_id')::bigint
			FROM change_log c
			WHERE c.old_row -> 'parent_id' = to_jsonb(v_id) AND c.operation = 'UPDATE' AND c.table_name = 'relationship'
				AND c.old_row -> 'parent_id' <> c.new_row -> 'parent_id') d
			JOIN change_log c ON c.entity_id = d.entity_id
		WHERE c.parent_id = v_id AND c.operation = 'INSERT' AND c.table_name = 'relationship' AND c.entity_id <> v_id
	), child AS MATERIALIZED (
		SELECT DISTINCT m.entity_id
		FROM mine m
		WHERE m.table_name = 'relationship' AND m.parent_id = v_id
	), left_it AS (
		-- Its children's changes that went with these, or took them away.
		SELECT c.*
		FROM child d
			JOIN change_log c ON c.entity_id = d.entity_id
		WHERE c.table_name = 'relationship' AND c.parent_id <> v_id
			AND ((c.old_row ->> 'parent_id')::bigint = v_id
				OR EXISTS (
					SELECT FROM mine m
					WHERE m.entity_id = c.entity_id AND m.txid = c.txid AND m.hierarchy_id = c.hierarchy_id
						AND m.table_name = 'relationship'))
	), merged_away AS (
		-- what it was merged into took its relationships
		SELECT c.*
		FROM (SELECT DISTINCT (m.new_row ->> 'merged_into')::bigint AS entity_id FROM mine m
				WHERE m.table_name = 'entity' AND m.entity_id = v_id AND m.new_row ->> 'merged_into' IS NOT NULL) i
			JOIN change_log c ON c.entity_id = i.entity_id
		WHERE c.table_name = 'relationship' AND (c.old_row ->> 'child_id')::bigint = v_id
	), merged_here AS (
		SELECT c.*
		FROM entity e
			JOIN change_log c ON c.entity_id = e.entity_id
		WHERE e.merged_into = v_id AND c.table_name = 'entity'
			AND v_id IN ((c.old_row ->> 'merged_into')::bigint, (c.new_row ->> 'merged_into')::bigint)
			AND c.old_row -> 'merged_into' IS DISTINCT FROM c.new_row -> 'merged_into'
	)
	SELECT * FROM mine
	UNION ALL
	SELECT DISTINCT ON (u.change_id) u.*
	FROM (SELECT * FROM left_it UNION ALL SELECT * FROM merged_away UNION ALL SELECT * FROM merged_here) u
	WHERE NOT EXISTS (SELECT FROM mine m WHERE m.change_id = u.change_id);
END
$function$;
COMMENT ON FUNCTION @extschema@.entity_changes(bigint) IS
'internal: the changes that the history of an entity is made of';

CREATE FUNCTION @extschema@.history(entity_id bigint)
RETURNS TABLE (
	change_id bigint,
	changed_at timestamptz,
	event text,
	reason text,
	request text,
	changed_by text)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 20
SET search_path = pg_catalog, @extschema@, pg_temp
SET datestyle = 'ISO, YMD'
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_id bigint := history.entity_id;
BEGIN
	RETURN QUERY
	WITH source AS MATERIALIZED (
		SELECT c.* FROM entity_changes(v_id) c
	), related AS MATERIALIZED (
		-- changes of relationships, and on which day they begin or end one
		SELECT c.change_id, c.txid, c.hierarchy_id, c.old_row, c.new_row,
			coalesce(c.new_row ->> 'child_id', c.old_row ->> 'child_id')::bigint AS child_id,
			coalesce(c.new_row ->> 'parent_id', c.old_row ->> 'parent_id')::bigint AS parent_id,
			k.ends, k.begins,
			coalesce(CASE
				WHEN c.old_row IS NULL THEN lower(v.new_days)
				WHEN c.new_row IS NULL THEN lower(v.old_days)
				WHEN k.ends THEN upper(v.new_days)
				WHEN k.begins THEN upper(v.old_days) END, '-infinity') AS day
		FROM source c
			CROSS JOIN LATERAL (
				SELECT (c.old_row ->> 'valid')::daterange AS old_days, (c.new_row ->> 'valid')::daterange AS new_days,
					-- nothing but its days has changed, and not the first one
					c.old_row - '{valid,label}'::text[] = c.new_row - '{valid,label}'::text[]
						AND lower((c.old_row ->> 'valid')::daterange) IS NOT DISTINCT FROM lower((c.new_row ->> 'valid')::daterange)
						AS only_end) v
			CROSS JOIN LATERAL (
				SELECT c.new_row IS NULL OR coalesce(v.only_end AND v.new_days < v.old_days, false) AS ends,
					c.old_row IS NULL OR coalesce(v.only_end AND v.new_days > v.old_days, false) AS begins) k
		WHERE c.table_name = 'relationship'
	), same_parent AS MATERIALIZED (
		SELECT e.change_id AS end_id, b.change_id AS begin_id
		FROM (SELECT r.*, row_number() OVER w AS rank FROM related r WHERE r.ends
				WINDOW w AS (PARTITION BY r.txid, r.hierarchy_id, r.child_id, r.day, r.parent_id ORDER BY r.change_id)) e
			JOIN (SELECT r.*, row_number() OVER w AS rank FROM related r WHERE r.begins
				WINDOW w AS (PARTITION BY r.txid, r.hierarchy_id, r.child_id, r.day, r.parent_id ORDER BY r.change_id)) b
			USING (txid, hierarchy_id, child_id, day, parent_id, rank)
		-- not one that was made and given up again
		WHERE NOT (e.new_row IS NULL AND b.old_row IS NULL AND e.old_row = b.new_row)
	), other_parent AS MATERIALIZED (
		SELECT e.change_id AS end_id, b.change_id AS begin_id
		FROM (SELECT r.*, row_number() OVER w AS rank FROM related r
				WHERE r.ends AND NOT EXISTS (SELECT FROM same_parent s WHERE s.end_id = r.change_id)
				WINDOW w AS (PARTITION BY r.txid, r.hierarchy_id, r.child_id, r.day ORDER BY r.change_id)) e
			JOIN (SELECT r.*, row_number() OVER w AS rank FROM related r
				WHERE r.begins AND NOT EXISTS (SELECT FROM same_parent s WHERE s.begin_id = r.change_id)
				WINDOW w AS (PARTITION BY r.txid, r.hierarchy_id, r.child_id, r.day ORDER BY r.change_id)) b
			USING (txid, hierarchy_id, child_id, day, rank)
		WHERE e.parent_id <> b.parent_id
	), pair AS MATERIALIZED (
		SELECT * FROM same_parent
		UNION ALL
		SELECT * FROM other_parent
	), line AS MATERIALIZED (
		-- One line for each pair, and for each change that is in none.
		SELECT greatest(p.end_id, p.begin_id) AS change_id, e.day,
			e.old_row - '{valid,label}'::text[] AS old_row, b.new_row - '{valid,label}'::text[] AS new_row, true AS paired
		FROM pair p
			JOIN related e ON e.change_id = p.end_id
			JOIN related b ON b.change_id = p.begin_id
		UNION ALL
		SELECT s.change_id, r.day, s.old_row - 'label', s.new_row - 'label', false
		FROM source s
			LEFT JOIN related r ON r.change_id = s.change_id
		WHERE NOT EXISTS (SELECT FROM pair p WHERE s.change_id IN (p.end_id, p.begin_id))
	), told AS MATERIALIZED (
		SELECT l.*, s.changed_at, s.table_name, s.operation, s.hierarchy_id, s.reason, s.request, s.login_role, s.effective_role,
			(l.old_row ->> 'child_id')::bigint AS old_child, (l.new_row ->> 'child_id')::bigint AS new_child,
			(l.old_row ->> 'parent_id')::bigint AS old_parent, (l.new_row ->> 'parent_id')::bigint AS new_parent,
			(l.old_row ->> 'entity_id')::bigint AS old_entity, (l.new_row ->> 'entity_id')::bigint AS new_entity,
			(l.old_row ->> 'merged_into')::bigint AS old_merged, (l.new_row ->> 'merged_into')::bigint AS new_merged,
			(l.old_row ->> 'valid')::daterange AS old_days, (l.new_row ->> 'valid')::daterange AS new_days
		FROM line l
			JOIN source s ON s.change_id = l.change_id
	), label AS MATERIALIZED (
		SELECT i.id, coalesce(
			(SELECT format('%s "%s"', e.entity_type, e.code) FROM entity e WHERE e.entity_id = i.id),
			-- deleted: its last name
			(SELECT format('%s "%s"', c.old_row ->> 'entity_type', c.old_row ->> 'code') FROM change_log c
				WHERE c.entity_id = i.id AND c.table_name = 'entity' AND c.new_row IS NULL ORDER BY c.change_id DESC LIMIT 1),
			'entity ' || i.id) AS label
		FROM (
			SELECT DISTINCT u.id
			FROM told t
				CROSS JOIN LATERAL unnest(ARRAY[t.old_child, t.new_child, t.old_parent, t.new_parent, t.old_entity, t.new_entity,
					t.old_merged, t.new_merged]) AS u (id)
			WHERE u.id IS NOT NULL) i
	)
	SELECT t.change_id, t.changed_at,
		CASE t.table_name
		WHEN 'entity' THEN
			CASE
			WHEN v_id IS DISTINCT FROM coalesce(t.new_entity, t.old_entity) THEN
				CASE WHEN t.new_merged = v_id THEN le.label || ' merged into it' ELSE le.label || ' no longer merged into it' END
			WHEN t.old_row IS NULL THEN
				format('created as %s "%s", named "%s"', t.new_row ->> 'entity_type', t.new_row ->> 'code', t.new_row ->> 'name')
				|| CASE WHEN t.new_row ->> 'status' <> 'active' THEN ', ' || (t.new_row ->> 'status') ELSE '' END
			WHEN t.new_row IS NULL THEN
				format('deleted: %s "%s", named "%s"', t.old_row ->> 'entity_type', t.old_row ->> 'code', t.old_row ->> 'name')
			ELSE
				concat_ws(', ',
					'no longer merged into ' || CASE WHEN t.old_merged IS DISTINCT FROM t.new_merged THEN lom.label END,
					'merged into ' || CASE WHEN t.old_merged IS DISTINCT FROM t.new_merged THEN lnm.label END,
					d.text)
			END
		WHEN 'identifier' THEN
			CASE
			WHEN t.old_row IS NULL THEN format('identifier %s "%s" added', t.new_row ->> 'scheme', t.new_row ->> 'value')
			WHEN t.new_row IS NULL THEN format('identifier %s "%s" removed', t.old_row ->> 'scheme', t.old_row ->> 'value')
			ELSE
				format('identifier %s "%s"', t.old_row ->> 'scheme', t.old_row ->> 'value') || concat_ws(',',
					CASE WHEN (t.old_row ->> 'scheme', t.old_row ->> 'value') <> (t.new_row ->> 'scheme', t.new_row ->> 'value')
						THEN format(' changed to %s "%s"', t.new_row ->> 'scheme', t.new_row ->> 'value') END,
					CASE WHEN t.old_entity = t.new_entity THEN NULL
						WHEN t.new_entity = v_id THEN ' taken over from ' || loe.label
						ELSE ' passed to ' || lne.label END)
			END
		WHEN 'relationship' THEN
			coalesce(h.name, 'hierarchy ' || t.hierarchy_id) || ': '
			|| CASE WHEN v_id IN (t.old_child, t.new_child) THEN ''
				ELSE coalesce(lnc.label, loc.label) || CASE WHEN s.told_of_days THEN ': ' ELSE ' ' END END
			|| CASE
				WHEN t.old_row IS NULL THEN concat_ws(', ', 'assigned to ' || lnp.label, nullif(f.text, ''))
				WHEN t.new_row IS NULL THEN 'removed from ' || lop.label || coalesce(' (' || nullif(f.text, '') || ')', '')
				WHEN t.old_child <> t.new_child THEN
					CASE WHEN v_id = t.old_child THEN 'place under ' || lop.label || ' passed to ' || lnc.label
						ELSE 'took the place of ' || loc.label || ' under ' || lop.label END
					|| CASE WHEN t.old_parent <> t.new_parent THEN ', reassigned to ' || lnp.label ELSE '' END
					|| coalesce(', ' || d.text, '')
				WHEN t.old_parent <> t.new_parent THEN
					'reassigned from ' || lop.label || ' to ' || lnp.label || s.as_of || coalesce(', ' || d.text, '')
				WHEN r.ends AND NOT t.paired THEN 'unassigned from ' || lop.label || s.as_of
				ELSE coalesce(d.text, 'renewed') || ' under ' || lnp.label || s.as_of
				END
		ELSE lower(t.operation) || ' in ' || t.table_name
		END,
		t.reason, t.request,
		t.login_role || CASE WHEN t.effective_role <> t.login_role THEN ' as ' || t.effective_role ELSE '' END
	FROM told t
		LEFT JOIN related r ON r.change_id = t.change_id
		LEFT JOIN hierarchy h ON h.hierarchy_id = t.hierarchy_id
		LEFT JOIN label loc ON loc.id = t.old_child
		LEFT JOIN label lnc ON lnc.id = t.new_child
		LEFT JOIN label lop ON lop.id = t.old_parent
		LEFT JOIN label lnp ON lnp.id = t.new_parent
		LEFT JOIN label loe ON loe.id = t.old_entity
		LEFT JOIN label lne ON lne.id = t.new_entity
		LEFT JOIN label le ON le.id = coalesce(t.new_entity, t.old_entity)
		LEFT JOIN label lom ON lom.id = t.old_merged
		LEFT JOIN label lnm ON lnm.id = t.new_merged
		CROSS JOIN LATERAL (
			-- what it says of a new relationship, or of one that is no more
			SELECT concat_ws(', ',
				'share ' || (i.image ->> 'share'),
				CASE WHEN i.image ->> 'is_primary' = 'true' THEN 'primary' END,
				i.image ->> 'relationship_type',
				'influence level ' || (i.image ->> 'influence_level'),
				nullif(concat_ws(' ', 'from ' || lower((i.image ->> 'valid')::daterange),
					'until ' || upper((i.image ->> 'valid')::daterange)), '')) AS text
			FROM (SELECT coalesce(t.new_row, t.old_row)) AS i (image)) f
		CROSS JOIN LATERAL (
			SELECT
				CASE WHEN t.paired OR coalesce(r.ends, false) THEN t.day
					WHEN t.old_parent <> t.new_parent THEN lower(t.new_days) END AS day) sd
		CROSS JOIN LATERAL (
			SELECT
				CASE WHEN isfinite(sd.day) THEN ' as of ' || sd.day ELSE '' END AS as_of,
				t.old_parent = t.new_parent AND t.old_child = t.new_child AND (t.paired OR NOT r.ends) AS told_of_days) s
		CROSS JOIN LATERAL (
			-- every column that has changed
			SELECT string_agg(p.piece, ', ' ORDER BY p.rank, p.key) AS text
			FROM (
				SELECT n.rank, '' AS key,
					CASE WHEN n.key = 'is_primary'
						THEN CASE t.new_row ->> n.key WHEN 'true' THEN 'made primary' ELSE 'no longer primary' END
						ELSE n.title || ' changed from ' || coalesce(n.quote || (t.old_row ->> n.key) || n.quote, 'not stated')
							|| ' to ' || coalesce(n.quote || (t.new_row ->> n.key) || n.quote, 'not stated') END AS piece
				FROM (VALUES (1, 'name', 'name', '"'), (2, 'code', 'code', '"'), (3, 'entity_type', 'type', ''),
						(4, 'status', 'status', ''), (5, 'share', 'share', ''), (6, 'is_primary', '', ''),
						(7, 'relationship_type', 'relationship type', ''), (8, 'influence_level', 'influence level', ''),
						(9, 'valid', 'validity', '')) AS n (rank, key, title, quote)
				WHERE t.old_row -> n.key IS DISTINCT FROM t.new_row -> n.key
					AND NOT (n.key = 'status' AND t.new_merged IS NOT NULL)
				UNION ALL
				SELECT 10, a.key,
					CASE WHEN a.new_value IS NULL THEN format('attribute %s removed (was %s)', a.key, a.old_value)
						WHEN a.old_value IS NULL THEN format('attribute %s set to %s', a.key, a.new_value)
						ELSE format('attribute %s changed from %s to %s', a.key, a.old_value, a.new_value) END
				FROM (
					SELECT coalesce(o.key, n.key) AS key, o.value AS old_value, n.value AS new_value
					FROM jsonb_each(t.old_row -> 'attributes') o
						FULL JOIN jsonb_each(t.new_row -> 'attributes') n ON n.key = o.key) a
				WHERE a.old_value IS DISTINCT FROM a.new_value) p
			WHERE t.old_row IS NOT NULL AND t.new_row IS NOT NULL) d
	WHERE t.table_name <> 'relationship' OR v_id IN (t.old_child, t.new_child, t.old_parent, t.new_parent)
	ORDER BY t.change_id;
END
$function$;
COMMENT ON FUNCTION @extschema@.history(bigint) IS
'the story of an entity: what happened to it, when, why and by whom';

-- Taking changes back
--
-- What changes did to the rows of the directory is summed up: which images are
-- there because of them, and which are not there any more.  Undo puts this
-- right in one statement, deletions first, so that no rule sees a state in
-- between.  Triggers check and record it as they do any other statement.
--
-- A row that is no longer as the changes left it is not touched: something
-- was built on it, or took its place.

CREATE FUNCTION @extschema@.directory_key(table_name text)
RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT CASE table_name
		WHEN 'entity_type' THEN '{entity_type}'
		WHEN 'relationship_type' THEN '{relationship_type}'
		WHEN 'identifier_scheme' THEN '{scheme}'
		WHEN 'hierarchy' THEN '{hierarchy_id}'
		WHEN 'entity' THEN '{entity_id}'
		WHEN 'identifier' THEN '{scheme,value}'
		WHEN 'relationship_rule' THEN '{hierarchy_id,child_type,parent_type}'
		WHEN 'relationship' THEN '{hierarchy_id,child_id,parent_id,valid}'
	END::text[]
$function$;
COMMENT ON FUNCTION @extschema@.directory_key(text) IS
'internal: columns that tell the rows of a table of the directory apart';

CREATE FUNCTION @extschema@.match_image(table_name text, image text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
DECLARE
	v_key text;
	v_condition text := '';
BEGIN
	FOREACH v_key IN ARRAY directory_key(table_name)
	LOOP
		v_condition := v_condition || format('t.%1$I = (%2$s ->> %1$L)::%3$s AND ', v_key, image,
			CASE v_key WHEN 'hierarchy_id' THEN 'integer' WHEN 'entity_id' THEN 'bigint' WHEN 'child_id' THEN 'bigint'
				WHEN 'parent_id' THEN 'bigint' WHEN 'valid' THEN 'daterange' ELSE 'text' END);
	END LOOP;
	RETURN v_condition || format('t = pg_catalog.jsonb_populate_record(t, %s)', image);
END
$function$;
COMMENT ON FUNCTION @extschema@.match_image(text, text) IS
'internal: condition that row t of a table is the one of an image';

CREATE FUNCTION @extschema@.image_columns(table_name text, keys text[])
RETURNS text[]
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
DECLARE
	v_table constant regclass := format('@extschema@.%I', table_name)::regclass;
BEGIN
	RETURN (
		SELECT array_agg(quote_ident(a.attname) ORDER BY a.attnum)
		FROM pg_attribute a
		WHERE a.attrelid = v_table AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
			AND a.attname = ANY (keys));
END
$function$;
COMMENT ON FUNCTION @extschema@.image_columns(text, text[]) IS
'internal: those columns of a table that images have values for';

CREATE FUNCTION @extschema@.describe_image(table_name text, image jsonb)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT CASE table_name
		WHEN 'relationship' THEN
			format('relationship of %s under %s in %s', entity_label((image ->> 'child_id')::bigint),
				entity_label((image ->> 'parent_id')::bigint),
				coalesce((SELECT format('hierarchy "%s"', h.name) FROM hierarchy h
						WHERE h.hierarchy_id = (image ->> 'hierarchy_id')::integer),
					'hierarchy ' || (image ->> 'hierarchy_id')))
		WHEN 'entity' THEN format('%s "%s"', image ->> 'entity_type', image ->> 'code')
		WHEN 'identifier' THEN format('identifier %s "%s"', image ->> 'scheme', image ->> 'value')
		WHEN 'hierarchy' THEN format('hierarchy "%s"', image ->> 'name')
		WHEN 'relationship_rule' THEN format('rule for %s under %s', image ->> 'child_type', image ->> 'parent_type')
		ELSE format('%s "%s"', replace(table_name, '_', ' '), image ->> (directory_key(table_name))[1])
	END
$function$;
COMMENT ON FUNCTION @extschema@.describe_image(text, jsonb) IS
'internal: what a logged row is, for messages';

-- The arrays are parallel: images that are there and must go, and those that
-- must come back; both where a row is to be changed.

CREATE FUNCTION @extschema@.put_back(
	tables text[],
	hierarchies integer[],
	go jsonb[],
	come jsonb[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_part record;
	v_n integer := 0;
	v_steps text := '';
	v_table text;
	v_source text;
	v_target text;
	v_columns text;
	v_done bigint;
BEGIN
	FOR v_part IN
		SELECT u.tab, u.hierarchy, u.step, array_agg(DISTINCT k.key) AS keys
		FROM (
			SELECT i.*, CASE WHEN i.come IS NULL THEN 1 WHEN i.go IS NULL THEN 3 ELSE 2 END AS step
			FROM unnest(tables, hierarchies, put_back.go, put_back.come) AS i (tab, hierarchy, go, come)) u
			LEFT JOIN LATERAL jsonb_object_keys(u.come) AS k (key) ON u.go IS NULL OR u.go -> k.key IS DISTINCT FROM u.come -> k.key
		GROUP BY u.step, u.tab, u.hierarchy
		ORDER BY u.step, u.tab, u.hierarchy
	LOOP
		v_table := format('@extschema@.%I', v_part.tab);
		v_columns := array_to_string(image_columns(v_part.tab, v_part.keys), ', ');
		v_source := 'ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) '
			'AS i (tab, hierarchy, go, come)';
		v_target := format('i.tab = %L AND i.go IS %s AND i.come IS %s', v_part.tab,
				CASE WHEN v_part.step = 3 THEN 'NULL' ELSE 'NOT NULL' END,
				CASE WHEN v_part.step = 1 THEN 'NULL' ELSE 'NOT NULL' END)
			|| coalesce(' AND i.hierarchy = ' || v_part.hierarchy, '')
			|| CASE WHEN v_part.step = 3 THEN ''
				ELSE coalesce(' AND t.hierarchy_id = ' || v_part.hierarchy, '') || ' AND ' || match_image(v_part.tab, 'i.go') END
			-- one step after the other
			|| CASE WHEN v_n > 0 THEN format(' AND (SELECT pg_catalog.count(*) FROM step%s) >= 0', v_n) ELSE '' END;
		v_steps := v_steps || CASE WHEN v_n > 0 THEN ', ' ELSE 'WITH ' END || format('step%s AS (', v_n + 1)
			|| CASE v_part.step
				WHEN 1 THEN format('DELETE FROM %s t USING %s WHERE %s', v_table, v_source, v_target)
				WHEN 2 THEN format('UPDATE %1$s t SET (%2$s) = (SELECT %2$s FROM pg_catalog.jsonb_populate_record(t, i.come)) '
					'FROM %3$s WHERE %4$s', v_table, v_columns, v_source, v_target)
				ELSE format('INSERT INTO %1$s (%2$s) SELECT %3$s FROM %4$s '
					'CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%1$s, i.come) p WHERE %5$s',
					v_table, v_columns, 'p.' || replace(v_columns, ', ', ', p.'), v_source, v_target)
				END
			|| ' RETURNING 1)';
		v_n := v_n + 1;
	END LOOP;
	IF v_n = 0 THEN
		RETURN 0;
	END IF;
	EXECUTE v_steps || ' SELECT '
		|| (SELECT string_agg(format('(SELECT pg_catalog.count(*) FROM step%s)', n), ' + ') FROM generate_series(1, v_n) n)
		INTO v_done
		USING tables, hierarchies, put_back.go, put_back.come;
	RETURN v_done;
END
$function$;
COMMENT ON FUNCTION @extschema@.put_back(text[], integer[], jsonb[], jsonb[]) IS
'internal: deletes, changes and inserts rows in one statement; returns how many';

CREATE FUNCTION @extschema@.refuse_undo(
	what text,
	change_id bigint,
	txid xid8,
	tables text[],
	go jsonb[],
	come jsonb[],
	problem text DEFAULT NULL,
	problem_detail text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, @extschema@, pg_temp
SET datestyle = 'ISO, YMD'
AS $function$
#variable_conflict use_column
DECLARE
	v_first bigint := change_id;
	v_later change_log%ROWTYPE;
	v_problem text := problem;
	v_message text := problem;
BEGIN
	IF v_first IS NULL THEN
		-- OFFSET: by transaction, not in the order of changes until one is found
		SELECT min(c.change_id) INTO v_first
		FROM (SELECT l.change_id FROM change_log l WHERE l.txid = refuse_undo.txid OFFSET 0) c;
	END IF;
	-- Did a change take one of the rows away?
	SELECT (l.c).* INTO v_later
	FROM (
		SELECT DISTINCT ON (i.n) c, c.old_row - 'graph' = i.go AS away
		FROM unnest(tables, refuse_undo.go) WITH ORDINALITY AS i (tab, go, n)
			JOIN change_log c ON c.table_name = i.tab AND i.go IN (c.old_row - 'graph', c.new_row - 'graph')
				AND (i.tab NOT IN ('relationship', 'entity', 'identifier')
					OR c.entity_id = coalesce(i.go ->> 'child_id', i.go ->> 'entity_id')::bigint)
		WHERE c.change_id > v_first AND c.txid IS DISTINCT FROM refuse_undo.txid
		ORDER BY i.n, c.change_id DESC) l
	WHERE l.away
	ORDER BY (l.c).change_id
	LIMIT 1;
	IF FOUND THEN
		v_problem := NULL;
		v_message := CASE WHEN v_later.new_row IS NULL THEN '%s is not there any more' ELSE '%s has changed since' END;
		v_message := format(v_message, describe_image(v_later.table_name, v_later.old_row));
	ELSIF v_problem IS NULL THEN
		v_message := 'a row is no longer as it was then';
	ELSE
		-- Something is in the way: the last change that has to do with the same entities.
		SELECT c.* INTO v_later
		FROM change_log c
		WHERE c.change_id > v_first AND c.txid IS DISTINCT FROM refuse_undo.txid
			AND (c.entity_id = ANY (
					SELECT coalesce(i.image ->> 'child_id', i.image ->> 'entity_id')::bigint
					FROM unnest(refuse_undo.go || refuse_undo.come) AS i (image))
				OR c.parent_id = ANY (
					SELECT (i.image ->> 'entity_id')::bigint
					FROM unnest(refuse_undo.go || refuse_undo.come) AS i (image))
				OR c.hierarchy_id = ANY (
					SELECT (i.go ->> 'hierarchy_id')::integer
					FROM unnest(tables, refuse_undo.go) AS i (tab, go)
					WHERE i.tab = 'hierarchy'))
		ORDER BY c.change_id DESC
		LIMIT 1;
	END IF;
	RAISE EXCEPTION USING
		ERRCODE = 'object_not_in_prerequisite_state',
		MESSAGE = format('%s cannot be undone: %s', what, v_message),
		DETAIL = concat_ws(' ', CASE WHEN v_problem IS NOT NULL THEN nullif(problem_detail, '') END,
			CASE WHEN v_later.change_id IS NOT NULL THEN
				format('%s %s, %s of %s by %s on %s',
					CASE WHEN v_problem IS NULL THEN 'Change' ELSE 'The last change that has to do with it is change' END, v_later.change_id, v_later.operation, v_later.table_name,
					v_later.login_role, to_char(v_later.changed_at, 'YYYY-MM-DD HH24:MI:SS TZ'))
				|| coalesce(', reason: ' || v_later.reason, '') || '.'
			WHEN v_problem IS NULL THEN 'The log has no later change of it.' END),
		HINT = CASE WHEN v_later.change_id IS NULL THEN ''
			WHEN v_problem IS NULL THEN format('Undo change %s first.', v_later.change_id)
			ELSE 'Undo first what was built on it.' END;
END
$function$;
COMMENT ON FUNCTION @extschema@.refuse_undo(text, bigint, xid8, text[], jsonb[], jsonb[], text, text) IS
'internal: raises the error for changes that cannot be undone, with the later change that keeps them from it';

CREATE FUNCTION @extschema@.undo_changes(
	what text,
	change_id bigint,
	txid xid8,
	reason text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	v_changes bigint;
	v_tables text[];
	v_hierarchies integer[];
	v_go jsonb[];
	v_come jsonb[];
	v_drop text[] := '{}';
	v_ids bigint[];
	v_part record;
	v_name text;
	v_former text;
	v_problem text;
	v_detail text;
BEGIN
	WITH change AS MATERIALIZED (
		SELECT c.table_name, c.old_row, c.new_row
		FROM change_log c
		WHERE undo_changes.txid IS NULL AND c.change_id = undo_changes.change_id
		UNION ALL
		SELECT c.table_name, c.old_row, c.new_row
		FROM change_log c
		-- a range, since a plan for any transaction takes it to be as large as most
		WHERE undo_changes.change_id IS NULL AND c.txid BETWEEN undo_changes.txid AND undo_changes.txid
	), net AS MATERIALIZED (
		-- n > 0: there because of the changes; n < 0: not there because of them
		SELECT i.tab, i.image, sum(i.n) AS n,
			CASE WHEN i.tab = 'relationship' THEN (i.image ->> 'hierarchy_id')::integer END AS hierarchy,
			CASE WHEN i.tab = 'relationship'
				-- two that begin on the same day are one that has changed
				THEN jsonb_build_array(i.image -> 'child_id', i.image -> 'parent_id', lower((i.image ->> 'valid')::daterange))
				ELSE (SELECT jsonb_agg(i.image -> k.name) FROM unnest(directory_key(i.tab)) AS k (name)) END AS key
		FROM (
			SELECT c.table_name, c.old_row - 'graph', -1 FROM change c WHERE c.old_row IS NOT NULL
			UNION ALL
			SELECT c.table_name, c.new_row - 'graph', 1 FROM change c WHERE c.new_row IS NOT NULL
		) AS i (tab, image, n)
		GROUP BY i.tab, i.image
		HAVING sum(i.n) <> 0
	), item AS (
		-- one change is undone as what it was
		SELECT c.table_name AS tab, CASE WHEN c.table_name = 'relationship' THEN
				coalesce(c.new_row ->> 'hierarchy_id', c.old_row ->> 'hierarchy_id')::integer END AS hierarchy,
			c.new_row - 'graph' AS go, c.old_row - 'graph' AS come
		FROM change c
		WHERE undo_changes.txid IS NULL
		UNION ALL
		SELECT coalesce(g.tab, c.tab), coalesce(g.hierarchy, c.hierarchy), g.image, c.image
		FROM (SELECT * FROM net WHERE n > 0) g
			FULL JOIN (SELECT * FROM net WHERE n < 0) c
				ON c.tab = g.tab AND c.hierarchy IS NOT DISTINCT FROM g.hierarchy AND c.key = g.key
		WHERE undo_changes.txid IS NOT NULL
	)
	SELECT (SELECT count(*) FROM change), coalesce(array_agg(i.tab), '{}'), array_agg(i.hierarchy),
		array_agg(i.go), array_agg(i.come)
	INTO v_changes, v_tables, v_hierarchies, v_go, v_come
	FROM item i;
	IF v_changes = 0 THEN
		RAISE EXCEPTION '% is not in the log', what
			USING ERRCODE = 'no_data_found';
	END IF;

	-- the locks that the triggers take, in their order, before anything is read
	SELECT array_agg(DISTINCT u.id) INTO v_ids
	FROM unnest(v_tables, v_go, v_come) AS i (tab, go, come)
		CROSS JOIN LATERAL (VALUES ((i.go ->> 'entity_id')::bigint), ((i.come ->> 'entity_id')::bigint)) AS u (id)
	WHERE i.tab = 'entity' AND u.id IS NOT NULL;
	IF v_ids IS NOT NULL THEN
		PERFORM lock_entities(v_ids, true);
	END IF;
	SELECT array_agg(DISTINCT u.id) INTO v_ids
	FROM unnest(v_tables, v_go, v_come) AS i (tab, go, come)
		CROSS JOIN LATERAL (VALUES
			((i.go ->> 'child_id')::bigint), ((i.come ->> 'child_id')::bigint),
			((i.go ->> 'parent_id')::bigint), ((i.come ->> 'parent_id')::bigint)) AS u (id)
	WHERE i.tab = 'relationship' AND u.id IS NOT NULL;
	IF v_ids IS NOT NULL THEN
		PERFORM lock_entities(v_ids, false);
		FOR v_part IN
			SELECT i.hierarchy, array_agg(DISTINCT coalesce(i.go ->> 'child_id', i.come ->> 'child_id')::bigint) AS children
			FROM unnest(v_tables, v_hierarchies, v_go, v_come) AS i (tab, hierarchy, go, come)
			WHERE i.tab = 'relationship'
			GROUP BY i.hierarchy
			ORDER BY i.hierarchy
		LOOP
			PERFORM lock_children(v_part.hierarchy, v_part.children);
		END LOOP;
	END IF;

	v_former := enter_reason(coalesce(reason, 'undo of ' || what));
	BEGIN
		FOR v_part IN
			SELECT i.n, i.go, i.come
			FROM unnest(v_tables, v_go, v_come) WITH ORDINALITY AS i (tab, go, come, n)
			WHERE i.tab = 'hierarchy'
		LOOP
			-- A hierarchy is more than its row.
			IF v_part.go IS NULL THEN
				PERFORM make_partition((v_part.come ->> 'hierarchy_id')::integer, v_part.come ->> 'name');
				v_come[v_part.n] := v_part.come || jsonb_build_object('graph', format('@extschema@.%I', v_part.come ->> 'name'));
			ELSIF NOT EXISTS (SELECT FROM hierarchy t
					WHERE t.hierarchy_id = (v_part.go ->> 'hierarchy_id')::integer AND t = jsonb_populate_record(t, v_part.go))
			THEN
				RAISE SQLSTATE 'HG001';
			ELSIF v_part.come IS NULL THEN
				v_drop := v_drop || (v_part.go ->> 'name');
			ELSIF v_part.go ->> 'name' <> v_part.come ->> 'name' THEN
				PERFORM rename_hierarchy(v_part.go ->> 'name', v_part.come ->> 'name');
			END IF;
		END LOOP;

		SELECT coalesce(array_agg(i.tab), '{}') AS tables, coalesce(array_agg(i.hierarchy), '{}') AS hierarchies,
			coalesce(array_agg(i.go), '{}') AS go, coalesce(array_agg(i.come), '{}') AS come, count(*) AS n
		INTO v_part
		FROM (
			SELECT i.tab, i.hierarchy, i.come,
				CASE WHEN i.tab = 'hierarchy' THEN i.go || jsonb_build_object('name', i.come -> 'name') ELSE i.go END AS go
			FROM unnest(v_tables, v_hierarchies, v_go, v_come) AS i (tab, hierarchy, go, come)
			WHERE NOT (i.tab = 'hierarchy' AND i.come IS NULL)) i
		WHERE i.go IS DISTINCT FROM i.come;
		IF put_back(v_part.tables, v_part.hierarchies, v_part.go, v_part.come) <> v_part.n THEN
			RAISE SQLSTATE 'HG001';
		END IF;
		FOREACH v_name IN ARRAY v_drop
		LOOP
			PERFORM drop_hierarchy(v_name);
		END LOOP;
	EXCEPTION
		WHEN SQLSTATE 'HG001' THEN
			PERFORM refuse_undo(what, change_id, txid, v_tables, v_go, v_come);
		WHEN integrity_constraint_violation OR dependent_objects_still_exist THEN
			GET STACKED DIAGNOSTICS v_problem = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
			PERFORM refuse_undo(what, change_id, txid, v_tables, v_go, v_come, v_problem, v_detail);
	END;
	PERFORM leave_reason(v_former);
	RETURN v_changes;
END
$function$;
COMMENT ON FUNCTION @extschema@.undo_changes(text, bigint, xid8, text) IS
'internal: undoes a change, or all changes of a transaction';

CREATE FUNCTION @extschema@.undo(change_id bigint, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_last bigint := (SELECT max(c.change_id) FROM change_log c);
BEGIN
	IF undo.change_id IS NULL THEN
		RAISE EXCEPTION 'change must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM undo_changes('change ' || undo.change_id, undo.change_id, NULL, undo.reason);
	RETURN (
		SELECT c.change_id
		FROM change_log c
		WHERE c.change_id > v_last AND c.txid = pg_current_xact_id()
		ORDER BY c.change_id DESC
		LIMIT 1);
END
$function$;
COMMENT ON FUNCTION @extschema@.undo(bigint, text) IS
'makes a change the other way round; returns the number of that change';

CREATE FUNCTION @extschema@.undo_transaction(txid xid8, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
	IF undo_transaction.txid IS NULL THEN
		RAISE EXCEPTION 'transaction must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	RETURN undo_changes('transaction ' || undo_transaction.txid, NULL, undo_transaction.txid, undo_transaction.reason);
END
$function$;
COMMENT ON FUNCTION @extschema@.undo_transaction(xid8, text) IS
'undoes all changes of a transaction; returns how many they were';

-- The directory from nothing but its log

CREATE FUNCTION @extschema@.replay_changes(log regclass DEFAULT '@extschema@.change_log')
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	-- in the order of their foreign keys
	v_tables constant text[] := '{entity_type,relationship_type,identifier_scheme,hierarchy,entity,identifier,relationship_rule,relationship}';
	v_own constant boolean := log IN (SELECT p.relid FROM pg_partition_tree('@extschema@.change_log') p);
	v_table text;
	v_columns text[];
	v_column_list text;
	v_net text;
	v_image jsonb;
	v_found boolean;
	v_rows bigint := 0;
	v_n bigint;
	v_bodies constant text := current_setting('check_function_bodies');
	v_security constant text := current_setting('row_security');
BEGIN
	IF log IS NULL THEN
		RAISE EXCEPTION 'log must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	FOREACH v_table IN ARRAY v_tables
	LOOP
		CONTINUE WHEN v_table = 'identifier_scheme';
		EXECUTE format('SELECT EXISTS (SELECT FROM @extschema@.%I)', v_table) INTO v_found;
		IF v_found THEN
			RAISE EXCEPTION 'the directory is not empty'
				USING ERRCODE = 'object_not_in_prerequisite_state',
					DETAIL = format('Table "%s" has rows.', v_table),
					HINT = 'A log is replayed in a database where the extension has just been created.';
		END IF;
	END LOOP;

	IF v_own THEN
		-- These rows are what the log tells of already: they are restored, as
		-- those of a dump are, with neither rules nor audit.
		IF NOT pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = '@extschema@.relationship'::regclass), 'USAGE') THEN
			RAISE EXCEPTION 'must be owner of the directory to replay its own log' USING ERRCODE = 'insufficient_privilege';
		END IF;
		PERFORM set_config('check_function_bodies', 'off', true), set_config('row_security', 'off', true),
			set_config('search_path', '', true);
	END IF;

	FOREACH v_table IN ARRAY v_tables
	LOOP
		v_net := format($query$
			SELECT i.image, pg_catalog.sum(i.n) AS n
			FROM (
				SELECT c.old_row - 'graph', -1 FROM %1$s c WHERE c.table_name = %2$L AND c.old_row IS NOT NULL
				UNION ALL
				SELECT c.new_row - 'graph', 1 FROM %1$s c WHERE c.table_name = %2$L AND c.new_row IS NOT NULL
			) AS i (image, n)
			GROUP BY i.image
			HAVING pg_catalog.sum(i.n) <> 0$query$, log, v_table);
		IF v_table = 'identifier_scheme' THEN
			-- Those that come with the extension are there, though no log says so.
			EXECUTE format('DELETE FROM @extschema@.identifier_scheme t USING (%s) i WHERE i.n < 0 AND %s',
				v_net, @extschema@.match_image(v_table, 'i.image'));
			v_net := v_net || ' AND pg_catalog.sum(i.n) > 0';
		END IF;
		IF v_table = 'hierarchy' THEN
			FOR v_image IN EXECUTE format('SELECT n.image FROM (%s) n WHERE n.n > 0 ORDER BY (n.image ->> ''hierarchy_id'')::integer', v_net)
			LOOP
				PERFORM @extschema@.make_partition((v_image ->> 'hierarchy_id')::integer, v_image ->> 'name');
			END LOOP;
		END IF;

		EXECUTE format('SELECT n.image FROM (%s) n WHERE n.n <> 1 LIMIT 1', v_net) INTO v_image;
		IF v_image IS NOT NULL THEN
			RAISE EXCEPTION 'log "%" is not complete', log
				USING ERRCODE = 'object_not_in_prerequisite_state',
					DETAIL = format('It changes or deletes a row of %s whose beginning it does not have: %s', v_table, v_image);
		END IF;
		EXECUTE format('SELECT pg_catalog.array_agg(DISTINCT k.key) FROM (SELECT n.image FROM (%s) n LIMIT 1) n, '
			'pg_catalog.jsonb_object_keys(n.image) AS k (key)', v_net) INTO v_columns;
		CONTINUE WHEN v_columns IS NULL;
		IF v_table = 'hierarchy' THEN
			v_columns := pg_catalog.array_append(v_columns, 'graph');
		END IF;
		v_column_list := pg_catalog.array_to_string(@extschema@.image_columns(v_table, v_columns), ', ');
		EXECUTE format('INSERT INTO @extschema@.%1$I (%2$s) SELECT %3$s FROM (%4$s) n CROSS JOIN LATERAL '
			'pg_catalog.jsonb_populate_record(NULL::@extschema@.%1$I, n.image%5$s) p',
			v_table, v_column_list, 'p.' || replace(v_column_list, ', ', ', p.'), v_net,
			CASE WHEN v_table = 'hierarchy'
				THEN ' || pg_catalog.jsonb_build_object(''graph'', pg_catalog.format(''@extschema@.%I'', n.image ->> ''name''))'
				ELSE '' END);
		GET DIAGNOSTICS v_n = ROW_COUNT;
		v_rows := v_rows + v_n;
	END LOOP;

	IF v_own THEN
		PERFORM set_config('check_function_bodies', v_bodies, true), set_config('row_security', v_security, true);
	END IF;

	-- Numbers once given are not given again.
	EXECUTE format('SELECT pg_catalog.max((i.image ->> ''entity_id'')::bigint) FROM (SELECT coalesce(c.new_row, c.old_row) '
		'FROM %s c WHERE c.table_name = ''entity'') AS i (image)', log) INTO v_n;
	IF v_n IS NOT NULL THEN
		PERFORM pg_catalog.setval(pg_catalog.pg_get_serial_sequence('@extschema@.entity', 'entity_id'), v_n);
	END IF;
	EXECUTE format('SELECT pg_catalog.max((i.image ->> ''hierarchy_id'')::bigint) FROM (SELECT coalesce(c.new_row, c.old_row) '
		'FROM %s c WHERE c.table_name = ''hierarchy'') AS i (image)', log) INTO v_n;
	IF v_n IS NOT NULL THEN
		PERFORM pg_catalog.setval(pg_catalog.pg_get_serial_sequence('@extschema@.hierarchy', 'hierarchy_id'), v_n);
	END IF;
	RETURN v_rows;
END
$function$;
COMMENT ON FUNCTION @extschema@.replay_changes(regclass) IS
'fills an empty directory with the rows that a log leads to; returns how many';

-- Who owns whom
--
-- Shares are multiplied and added as numeric: exact.  A share that is not
-- stated counts for nothing and is reported; it is never taken for 0 or 1.

CREATE FUNCTION @extschema@.responsible_chain(
	hierarchy text,
	entity_id bigint,
	as_of date DEFAULT NULL)
RETURNS TABLE (depth integer, node bigint)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 100 ROWS 5
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	v_id integer := (SELECT k.hierarchy_id FROM known_hierarchy(responsible_chain.hierarchy) k);
	v_day date := coalesce(as_of, current_date);
BEGIN
	RETURN QUERY
	WITH RECURSIVE chain AS (
		SELECT 0 AS level, e.entity_id AS entity
		FROM entity e
		WHERE e.entity_id = responsible_chain.entity_id
		UNION ALL
		SELECT c.level + 1, p.parent_id
		FROM chain c
			CROSS JOIN LATERAL (
				SELECT r.parent_id
				FROM relationship r
				WHERE r.hierarchy_id = v_id AND r.child_id = c.entity AND r.valid @> v_day
				ORDER BY r.is_primary DESC, r.share DESC NULLS LAST, r.parent_id
				LIMIT 1) p
	) CYCLE entity SET again USING trail
	SELECT c.level, c.entity FROM chain c WHERE NOT c.again;
END
$function$;
COMMENT ON FUNCTION @extschema@.responsible_chain(text, bigint, date) IS
'internal: an entity and who is responsible for it, upwards: the primary parent, else the one with the greatest share';

CREATE FUNCTION @extschema@.global_ultimate(
	hierarchy text,
	entity_id bigint,
	as_of date DEFAULT NULL)
RETURNS bigint
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 200
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT c.node
	FROM responsible_chain(global_ultimate.hierarchy, global_ultimate.entity_id, global_ultimate.as_of) c
	ORDER BY c.depth DESC
	LIMIT 1
$function$;
COMMENT ON FUNCTION @extschema@.global_ultimate(text, bigint, date) IS
'the topmost responsible parent of an entity; the entity itself if nobody stands above it';

CREATE FUNCTION @extschema@.domestic_ultimate(
	hierarchy text,
	entity_id bigint,
	country_attribute text DEFAULT 'country',
	as_of date DEFAULT NULL)
RETURNS bigint
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 200
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT c.node
	FROM responsible_chain(domestic_ultimate.hierarchy, domestic_ultimate.entity_id, domestic_ultimate.as_of) c
		JOIN entity e ON e.entity_id = c.node
		JOIN entity self ON self.entity_id = domestic_ultimate.entity_id
	WHERE e.attributes ->> domestic_ultimate.country_attribute = self.attributes ->> domestic_ultimate.country_attribute
	ORDER BY c.depth DESC
	LIMIT 1
$function$;
COMMENT ON FUNCTION @extschema@.domestic_ultimate(text, bigint, text, date) IS
'the highest responsible parent of an entity in the entity''s own country; NULL if that is not known';

CREATE FUNCTION @extschema@.family_tree(
	hierarchy text,
	entity_id bigint,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	ordinal bigint,
	entity_id bigint,
	parent_id bigint,
	depth integer,
	entity_type text,
	code text,
	name text,
	status text,
	share numeric,
	is_primary boolean,
	is_self boolean,
	is_repeat boolean)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 100
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	-- $1 hierarchy, $2 entity_id, $3 as_of: a column of the result has the name of the second
	WITH family AS MATERIALIZED (
		SELECT p.ordinal, p.node, p.parent, p.depth, p.is_repeat, k.hierarchy_id
		FROM known_hierarchy($1) k
			JOIN global_ultimate($1, $2, $3) AS u (top) ON u.top IS NOT NULL
			CROSS JOIN LATERAL preorder(k.graph, u.top, as_of => coalesce($3, current_date)) p
		UNION ALL
		-- one that stands alone is a family too
		SELECT 1, s.entity_id, NULL, 0, false, NULL
		FROM entity s
		WHERE s.entity_id = $2
	)
	SELECT f.ordinal, f.node, f.parent, f.depth, e.entity_type, e.code, e.name, e.status,
		r.share, r.is_primary, f.node = $2, f.is_repeat
	FROM family f
		LEFT JOIN entity e ON e.entity_id = f.node
		LEFT JOIN relationship r
			ON r.hierarchy_id = f.hierarchy_id AND r.child_id = f.node AND r.parent_id = f.parent
			AND r.valid @> coalesce($3, current_date)
	WHERE f.hierarchy_id IS NOT NULL OR NOT EXISTS (SELECT FROM family o WHERE o.hierarchy_id IS NOT NULL)
	ORDER BY f.ordinal
$function$;
COMMENT ON FUNCTION @extschema@.family_tree(text, bigint, date) IS
'everything below the global ultimate of an entity, in display order';

CREATE FUNCTION @extschema@.owners(
	hierarchy text,
	entity_id bigint,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	owner_id bigint,
	owner text,
	share numeric,
	depth integer,
	paths bigint,
	unstated_paths bigint)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 10
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	v_self bigint := owners.entity_id;
	v_day date := coalesce(as_of, current_date);
	v_id integer;
	v_graph @extschema@.hgraph;
	v_level integer := 0;
	v_nodes integer := 0;
	-- ends of the paths of this length: owner, sum of products, paths, paths without a blank
	v_ids bigint[] := ARRAY[v_self];
	v_sums numeric[] := '{1}';
	v_paths numeric[] := '{1}';
	v_stated numeric[] := '{1}';
	-- the same of all lengths
	all_ids bigint[] := '{}';
	all_sums numeric[] := '{}';
	all_paths numeric[] := '{}';
	all_stated numeric[] := '{}';
	all_levels integer[] := '{}';
BEGIN
	SELECT k.hierarchy_id, k.graph INTO v_id, v_graph FROM known_hierarchy(owners.hierarchy) k;
	IF v_self IS NULL THEN
		RETURN;
	END IF;

	-- One step up at a time, paths that meet taken together.
	LOOP
		v_level := v_level + 1;
		SELECT array_agg(s.parent_id), array_agg(s.sum), array_agg(s.paths), array_agg(s.stated)
		INTO v_ids, v_sums, v_paths, v_stated
		FROM (
			SELECT r.parent_id,
				sum(f.sum * r.share) AS sum,
				sum(f.paths) AS paths,
				coalesce(sum(f.stated) FILTER (WHERE r.share IS NOT NULL), 0) AS stated
			FROM unnest(v_ids, v_sums, v_paths, v_stated) AS f (id, sum, paths, stated)
				JOIN relationship r ON r.child_id = f.id
			WHERE r.hierarchy_id = v_id AND r.valid @> v_day
			GROUP BY r.parent_id) s;
		EXIT WHEN v_ids IS NULL;
		all_ids := all_ids || v_ids;
		all_sums := all_sums || v_sums;
		all_paths := all_paths || v_paths;
		all_stated := all_stated || v_stated;
		all_levels := all_levels || array_fill(v_level, ARRAY[cardinality(v_ids)]);

		-- A path longer than there are nodes goes round in a circle.
		IF v_level & (v_level - 1) = 0 THEN
			SELECT count(DISTINCT u.id) INTO v_nodes FROM unnest(all_ids) AS u (id);
			EXIT WHEN v_level > v_nodes;
		END IF;
	END LOOP;

	IF v_ids IS NULL THEN
		RETURN QUERY
		SELECT o.id, coalesce(e.entity_type || ' "' || e.code || '"', 'entity ' || o.id),
			trim_scale(o.sum), o.level,
			least(o.paths, 9223372036854775807)::bigint,
			least(o.paths - o.stated, 9223372036854775807)::bigint
		FROM (
			SELECT u.id, sum(u.sum) AS sum, sum(u.paths) AS paths, sum(u.stated) AS stated, min(u.level) AS level
			FROM unnest(all_ids, all_sums, all_paths, all_stated, all_levels) AS u (id, sum, paths, stated, level)
			GROUP BY u.id) o
			LEFT JOIN entity e ON e.entity_id = o.id
		ORDER BY o.sum DESC NULLS LAST, o.level, o.id;
	ELSE
		-- Owners that own each other: only paths that meet nobody twice.
		RETURN QUERY
		SELECT a.node, coalesce(e.entity_type || ' "' || e.code || '"', 'entity ' || a.node),
			trim_scale(p.share), a.depth, p.paths, p.unstated
		FROM ancestors(v_graph, v_self, as_of => v_day) a
			CROSS JOIN LATERAL (
				SELECT sum(p.share) AS share, count(*) AS paths, count(*) FILTER (WHERE p.share IS NULL) AS unstated
				FROM paths(v_graph, v_self, a.node, as_of => v_day) p) p
			LEFT JOIN entity e ON e.entity_id = a.node
		WHERE a.node <> v_self
		ORDER BY p.share DESC NULLS LAST, a.depth, a.node;
	END IF;
END
$function$;
COMMENT ON FUNCTION @extschema@.owners(text, bigint, date) IS
'everybody who owns a part of an entity, directly or through others, with the share by all paths';

CREATE FUNCTION @extschema@.ownership(
	hierarchy text,
	entity_id bigint,
	owner_id bigint,
	as_of date DEFAULT NULL)
RETURNS TABLE (share numeric, paths bigint, unstated_paths bigint)
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 1
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
	SELECT
		CASE WHEN o.owner_id IS NOT NULL THEN o.share WHEN s.is_self THEN 1 ELSE 0 END,
		CASE WHEN o.owner_id IS NOT NULL THEN o.paths WHEN s.is_self THEN 1 ELSE 0 END,
		coalesce(o.unstated_paths, 0)
	FROM (SELECT ownership.entity_id = ownership.owner_id AS is_self) s
		LEFT JOIN owners(ownership.hierarchy, ownership.entity_id, ownership.as_of) o
			ON o.owner_id = ownership.owner_id
	WHERE s.is_self IS NOT NULL
$function$;
COMMENT ON FUNCTION @extschema@.ownership(text, bigint, bigint, date) IS
'which part of an entity an owner owns: the products of shares along each path, added up; NULL if none is stated';

CREATE FUNCTION @extschema@.controls(
	hierarchy text,
	owner_id bigint,
	threshold numeric DEFAULT 0.5,
	pooled boolean DEFAULT true,
	as_of date DEFAULT NULL)
RETURNS TABLE (entity_id bigint, share numeric, depth integer)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 10
SET search_path = pg_catalog, @extschema@, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
	v_day date := coalesce(as_of, current_date);
	v_id integer;
	v_graph @extschema@.hgraph;
	v_depth integer := 0;
	-- controlled since the last step
	v_new bigint[] := ARRAY[controls.owner_id];
	-- all controlled, and how many steps away
	v_ids bigint[] := '{}';
	v_depths integer[] := '{}';
	-- what the owner and those controlled hold
	held_ids bigint[] := '{}';
	held_shares numeric[] := '{}';
BEGIN
	SELECT k.hierarchy_id, k.graph INTO v_id, v_graph FROM known_hierarchy(controls.hierarchy) k;
	IF threshold IS NULL OR pooled IS NULL THEN
		RAISE EXCEPTION 'threshold and pooled must not be NULL' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	LOOP
		SELECT array_agg(h.child_id), array_agg(h.share) INTO held_ids, held_shares
		FROM (
			SELECT u.child_id, CASE WHEN pooled THEN sum(u.share) ELSE max(u.share) END AS share
			FROM (
				SELECT * FROM unnest(held_ids, held_shares)
				UNION ALL
				SELECT r.child_id, r.share
				FROM unnest(v_new) AS n (id)
					CROSS JOIN LATERAL children(v_graph, n.id, as_of => v_day) c
					JOIN relationship r ON r.child_id = c.node AND r.parent_id = n.id
				WHERE r.hierarchy_id = v_id AND r.valid @> v_day AND r.share IS NOT NULL
			) AS u (child_id, share)
			GROUP BY u.child_id) h;

		SELECT array_agg(h.child_id) INTO v_new
		FROM unnest(held_ids, held_shares) AS h (child_id, share)
		WHERE h.share > threshold AND h.child_id <> controls.owner_id
			AND NOT EXISTS (SELECT FROM unnest(v_ids) AS i (id) WHERE i.id = h.child_id);
		EXIT WHEN v_new IS NULL;
		v_depth := v_depth + 1;
		v_ids := v_ids || v_new;
		v_depths := v_depths || array_fill(v_depth, ARRAY[cardinality(v_new)]);
	END LOOP;

	RETURN QUERY
	SELECT i.id, trim_scale(h.share), i.depth
	FROM unnest(v_ids, v_depths) AS i (id, depth)
		JOIN unnest(held_ids, held_shares) AS h (id, share) ON h.id = i.id
	ORDER BY i.depth, i.id;
END
$function$;
COMMENT ON FUNCTION @extschema@.controls(text, bigint, numeric, boolean, date) IS
'what an owner controls: more than the threshold held by the owner and, pooled, all that it controls; else by one of them alone';

CREATE FUNCTION @extschema@.unstated_shares(
	hierarchy text,
	as_of date DEFAULT NULL)
RETURNS TABLE (
	child_id bigint,
	child text,
	parent_id bigint,
	parent text,
	valid daterange)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 100
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_day date := coalesce(as_of, current_date);
	v_id integer := (SELECT k.hierarchy_id FROM known_hierarchy(unstated_shares.hierarchy) k);
BEGIN
	RETURN QUERY
	SELECT r.child_id, coalesce(c.entity_type || ' "' || c.code || '"', 'entity ' || r.child_id),
		r.parent_id, coalesce(p.entity_type || ' "' || p.code || '"', 'entity ' || r.parent_id), r.valid
	FROM relationship r
		LEFT JOIN entity c ON c.entity_id = r.child_id
		LEFT JOIN entity p ON p.entity_id = r.parent_id
	WHERE r.hierarchy_id = v_id AND r.valid @> v_day AND r.share IS NULL
	ORDER BY r.child_id, r.parent_id;
END
$function$;
COMMENT ON FUNCTION @extschema@.unstated_shares(text, date) IS
'relationships of a day whose share is not stated';

-- Loading
--
-- A file is staged as text, in a table of its own; load() makes entities and
-- relationships of it.  Everything is done for all rows at once: the rows are
-- read into temporary tables, resolved against the directory and each other,
-- and checked; what is left is a plan of inserts and updates, which is then
-- carried out in a subtransaction.  Rows that the plan did not foresee to fail
-- (a constraint of the user's, say) are searched for there, and the plan is
-- made again without them.
--
-- Temporary tables of a load, in the order in which they are made:
--	load_line		a row of the file, its values trimmed; text where not sure to be readable
--	load_fault		what is wrong with rows
--	load_entity		entities of the file by type and code (or identifiers), and which entity that is
--	load_id			their identifiers
--	load_value		what the file says of each entity, several rows put together
--	load_parent		parents that are named, and which entity that is
--	load_pair		rows with a parent: child and parent as entities
--	load_old		relationships there are, of these children
--	load_want		rows with a parent: what is to become of the relationship
--	load_gone		relationships that end
--	load_change		entities that change

CREATE TABLE @extschema@.load_source (
	source text NOT NULL,
	description text,
	trust integer NOT NULL DEFAULT 50,
	CONSTRAINT load_source_pkey PRIMARY KEY (source),
	CONSTRAINT load_source_source_check CHECK (source <> '' AND source = pg_catalog.btrim(source)),
	CONSTRAINT load_source_trust_check CHECK (trust >= 0 AND trust <= 100)
);
COMMENT ON TABLE @extschema@.load_source IS 'where lists come from';
COMMENT ON COLUMN @extschema@.load_source.source IS 'name of the source';
COMMENT ON COLUMN @extschema@.load_source.description IS 'what it is';
COMMENT ON COLUMN @extschema@.load_source.trust IS
'from 0 to 100: where sources differ about an entity, it shows what the most trusted of them says';

CREATE TABLE @extschema@.load_batch (
	batch_id bigint GENERATED BY DEFAULT AS IDENTITY,
	source text NOT NULL,
	hierarchy text,
	file_name text,
	file_size bigint,
	fingerprint text,
	columns text[] NOT NULL,
	mapping jsonb,
	mode text,
	state text NOT NULL DEFAULT 'staging',
	staged_rows bigint,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	created_by text NOT NULL DEFAULT CURRENT_USER,
	loaded_at timestamptz,
	report jsonb,
	reason text,
	CONSTRAINT load_batch_pkey PRIMARY KEY (batch_id),
	CONSTRAINT load_batch_source_fkey FOREIGN KEY (source)
		REFERENCES @extschema@.load_source (source) ON UPDATE CASCADE,
	CONSTRAINT load_batch_state_check CHECK (state IN ('staging', 'loaded', 'failed'))
);
COMMENT ON TABLE @extschema@.load_batch IS 'files that were staged and loaded';
COMMENT ON COLUMN @extschema@.load_batch.batch_id IS 'number of the batch; its staging table is load_stage_<number>';
COMMENT ON COLUMN @extschema@.load_batch.source IS 'where the file comes from';
COMMENT ON COLUMN @extschema@.load_batch.hierarchy IS 'the hierarchy that its relationships were loaded into';
COMMENT ON COLUMN @extschema@.load_batch.file_name IS 'name of the file';
COMMENT ON COLUMN @extschema@.load_batch.file_size IS 'its size in bytes';
COMMENT ON COLUMN @extschema@.load_batch.fingerprint IS 'by which whoever stages a file knows it again';
COMMENT ON COLUMN @extschema@.load_batch.columns IS 'its columns, in order';
COMMENT ON COLUMN @extschema@.load_batch.mapping IS 'which column is what, as it was loaded';
COMMENT ON COLUMN @extschema@.load_batch.mode IS 'upsert, full_snapshot or insert_only, as it was loaded';
COMMENT ON COLUMN @extschema@.load_batch.state IS 'staging: not loaded yet; loaded; or failed, if whoever staged it gave up';
COMMENT ON COLUMN @extschema@.load_batch.staged_rows IS 'how many rows it had when it was loaded';
COMMENT ON COLUMN @extschema@.load_batch.created_at IS 'when staging began';
COMMENT ON COLUMN @extschema@.load_batch.created_by IS 'who staged it';
COMMENT ON COLUMN @extschema@.load_batch.loaded_at IS 'when it was loaded';
COMMENT ON COLUMN @extschema@.load_batch.report IS 'figures that load() returned';
COMMENT ON COLUMN @extschema@.load_batch.reason IS 'why it was loaded, as in the log';

CREATE TABLE @extschema@.load_reject (
	batch_id bigint NOT NULL,
	line bigint NOT NULL,
	raw text,
	reasons text[] NOT NULL,
	messages text[] NOT NULL,
	CONSTRAINT load_reject_pkey PRIMARY KEY (batch_id, line),
	CONSTRAINT load_reject_batch_id_fkey FOREIGN KEY (batch_id)
		REFERENCES @extschema@.load_batch (batch_id) ON DELETE CASCADE
);
COMMENT ON TABLE @extschema@.load_reject IS 'rows of files that were not loaded';
COMMENT ON COLUMN @extschema@.load_reject.batch_id IS 'the batch';
COMMENT ON COLUMN @extschema@.load_reject.line IS 'line of the file at which the row begins';
COMMENT ON COLUMN @extschema@.load_reject.raw IS 'the row as it is in the file';
COMMENT ON COLUMN @extschema@.load_reject.reasons IS 'codes of what is wrong with it';
COMMENT ON COLUMN @extschema@.load_reject.messages IS 'the same in words, in the same order';

-- What each source says.  No foreign keys: a check for each of a million rows
-- would cost more than the rows.

CREATE TABLE @extschema@.entity_source (
	source text NOT NULL,
	entity_id bigint NOT NULL,
	record text,
	"values" jsonb NOT NULL DEFAULT '{}',
	changed jsonb NOT NULL DEFAULT '{}',
	listed boolean NOT NULL DEFAULT true,
	deactivated boolean NOT NULL DEFAULT false,
	since timestamptz NOT NULL DEFAULT pg_catalog.now(),
	batch_id bigint,
	CONSTRAINT entity_source_pkey PRIMARY KEY (entity_id, source)
);
CREATE INDEX entity_source_record_idx ON @extschema@.entity_source (source, record) WHERE record IS NOT NULL;
COMMENT ON TABLE @extschema@.entity_source IS 'which sources list an entity, and what they say of it';
COMMENT ON COLUMN @extschema@.entity_source.source IS 'the source';
COMMENT ON COLUMN @extschema@.entity_source.entity_id IS 'the entity';
COMMENT ON COLUMN @extschema@.entity_source.record IS 'its code at the source, if that is not its own';
COMMENT ON COLUMN @extschema@.entity_source."values" IS
'fields and what the source says of them: name, status, attributes.<name>';
COMMENT ON COLUMN @extschema@.entity_source.changed IS 'when the source last said something else, by field; others: since';
COMMENT ON COLUMN @extschema@.entity_source.listed IS 'false: the last full snapshot of the source did not list it';
COMMENT ON COLUMN @extschema@.entity_source.deactivated IS 'did that make the entity inactive?';
COMMENT ON COLUMN @extschema@.entity_source.since IS 'when the source first listed it';
COMMENT ON COLUMN @extschema@.entity_source.batch_id IS 'the batch that last changed this row';

CREATE TABLE @extschema@.relationship_source (
	source text NOT NULL,
	hierarchy_id integer NOT NULL,
	child_id bigint NOT NULL,
	parent_id bigint NOT NULL,
	batch_id bigint,
	CONSTRAINT relationship_source_pkey PRIMARY KEY (hierarchy_id, child_id, parent_id, source)
);
COMMENT ON TABLE @extschema@.relationship_source IS 'which sources list a relationship';
COMMENT ON COLUMN @extschema@.relationship_source.source IS 'the source';
COMMENT ON COLUMN @extschema@.relationship_source.hierarchy_id IS 'the hierarchy';
COMMENT ON COLUMN @extschema@.relationship_source.child_id IS 'the entity below';
COMMENT ON COLUMN @extschema@.relationship_source.parent_id IS 'the entity above';
COMMENT ON COLUMN @extschema@.relationship_source.batch_id IS 'the batch that added this row';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.load_source', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.load_batch', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.load_batch_batch_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.load_reject', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.entity_source', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.relationship_source', '');

CREATE TRIGGER restore_keys BEFORE INSERT ON @extschema@.load_batch
FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys();
ALTER TABLE @extschema@.load_batch ENABLE ALWAYS TRIGGER restore_keys;

CREATE TRIGGER restore_keys BEFORE INSERT ON @extschema@.load_reject
FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.restore_keys();
ALTER TABLE @extschema@.load_reject ENABLE ALWAYS TRIGGER restore_keys;

-- Texts as values

CREATE FUNCTION @extschema@.load_text(value text) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_load_text';
COMMENT ON FUNCTION @extschema@.load_text(text) IS
'a text without white space around it, NULL if nothing is left; internal';

CREATE FUNCTION @extschema@.load_date(value text, format text DEFAULT NULL) RETURNS date
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_load_date';
COMMENT ON FUNCTION @extschema@.load_date(text, text) IS
'a date, NULL if the text is none; internal';

CREATE FUNCTION @extschema@.load_date_format(format text) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_load_date_format';
COMMENT ON FUNCTION @extschema@.load_date_format(text) IS
'is this a format by which dates can be read? internal';

CREATE FUNCTION @extschema@.load_number(value text) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_load_number';
COMMENT ON FUNCTION @extschema@.load_number(text) IS
'a number, NULL if the text is none; internal';

CREATE FUNCTION @extschema@.load_share(value text, percent boolean) RETURNS numeric
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_load_share';
COMMENT ON FUNCTION @extschema@.load_share(text, boolean) IS
'a share, NULL if the text is none; internal';

CREATE FUNCTION @extschema@.load_boolean(value text) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_load_boolean';
COMMENT ON FUNCTION @extschema@.load_boolean(text) IS
'yes or no, NULL if the text is neither; internal';

-- Progress, locks, numbers

CREATE FUNCTION @extschema@.load_step(batch_id bigint, stage oid, step integer, total bigint, done bigint) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_load_step';
COMMENT ON FUNCTION @extschema@.load_step(bigint, oid, integer, bigint, bigint) IS
'reports that a step of a load begins; internal';

CREATE FUNCTION @extschema@.load_tick(line bigint) RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_load_tick';
COMMENT ON FUNCTION @extschema@.load_tick(bigint) IS
'counts a row of a step, and returns its argument; internal';

CREATE FUNCTION @extschema@.load_end() RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_load_end';
COMMENT ON FUNCTION @extschema@.load_end() IS
'ends the report of a load; internal';

CREATE FUNCTION @extschema@.load_step_again() RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_load_step_again';
COMMENT ON FUNCTION @extschema@.load_step_again() IS
'reports the step at hand again, after a command with a report of its own; internal';

CREATE FUNCTION @extschema@.load_analyze(tables text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	EXECUTE 'ANALYZE ' || tables;
	PERFORM load_step_again();
END
$$;
COMMENT ON FUNCTION @extschema@.load_analyze(text) IS
'analyzes temporary tables of a load; internal';

CREATE FUNCTION @extschema@.load_lock(source text, hierarchy_id integer, for_change boolean) RETURNS void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_load_lock';
COMMENT ON FUNCTION @extschema@.load_lock(text, integer, boolean) IS
'keeps others from loading the same source, and from writing to a hierarchy; internal';

CREATE FUNCTION @extschema@.new_entity_id() RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_new_entity_id';
COMMENT ON FUNCTION @extschema@.new_entity_id() IS
'the next number for an entity; internal';

-- Checks of what is planned

CREATE FUNCTION @extschema@.load_check_days(query text, max_parents integer, require_primary boolean, is_split boolean, kinds integer)
RETURNS TABLE (child bigint, finding text, day date, which bigint, n integer, share numeric)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_load_check_days';
COMMENT ON FUNCTION @extschema@.load_check_days(text, integer, boolean, boolean, integer) IS
'what is wrong with children whose relationships a query lists; internal';

CREATE FUNCTION @extschema@.load_cycles(query text)
RETURNS TABLE (line bigint, closes boolean)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_load_cycles';
COMMENT ON FUNCTION @extschema@.load_cycles(text) IS
'rows that are part of a cycle among the edges that a query lists, and which of them close one; internal';

CREATE FUNCTION @extschema@.load_groups(query text)
RETURNS TABLE (line bigint, grp bigint)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'hgraph_load_groups';
COMMENT ON FUNCTION @extschema@.load_groups(text) IS
'rows that belong together by the pairs of rows that a query lists, and the smallest of each group; internal';

CREATE VIEW @extschema@.load_progress AS
SELECT p.pid, p.param12 AS batch_id,
	CASE p.param13
		WHEN 1 THEN 'waiting' WHEN 2 THEN 'reading' WHEN 3 THEN 'finding entities' WHEN 4 THEN 'finding parents'
		WHEN 5 THEN 'planning' WHEN 6 THEN 'checking' WHEN 7 THEN 'writing entities' WHEN 8 THEN 'writing relationships'
		WHEN 9 THEN 'ending what is not listed' WHEN 10 THEN 'searching for rows that fail' WHEN 11 THEN 'writing results'
		WHEN 12 THEN 'matching'
	END AS phase,
	p.param3 AS rows_done, p.param14 AS rows_total, a.xact_start AS started
FROM pg_catalog.pg_stat_get_progress_info('COPY') AS p
	(pid, datid, relid, param1, param2, param3, param4, param5, param6, param7, param8, param9, param10, param11, param12,
	param13, param14, param15, param16, param17, param18, param19, param20)
	LEFT JOIN pg_catalog.pg_stat_get_activity(p.pid) a ON true
WHERE p.param11 = 1280262468 AND p.datid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database());
COMMENT ON VIEW @extschema@.load_progress IS 'loads that are running in this database';
COMMENT ON COLUMN @extschema@.load_progress.pid IS 'process of the session';
COMMENT ON COLUMN @extschema@.load_progress.batch_id IS 'the batch that is being loaded';
COMMENT ON COLUMN @extschema@.load_progress.phase IS 'what is being done';
COMMENT ON COLUMN @extschema@.load_progress.rows_done IS 'rows that this phase has done, where it goes row by row';
COMMENT ON COLUMN @extschema@.load_progress.rows_total IS 'rows of the batch';
COMMENT ON COLUMN @extschema@.load_progress.started IS 'when its transaction began';

-- Batches and their tables
--
-- Those who act as the owner look at the role that the session has set for
-- itself: current_user is the owner there, and a pool of connections logs in as
-- one who may become any of its users.

CREATE FUNCTION @extschema@.make_load_tables(batch_id bigint, columns text[], role_name text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
DECLARE
	stage text := format('@extschema@.%I', 'load_stage_' || batch_id);
	result text := format('@extschema@.%I', 'load_result_' || batch_id);
BEGIN
	IF NOT pg_has_role(coalesce(nullif(current_setting('role'), 'none'), session_user), role_name, 'MEMBER') OR NOT has_table_privilege(role_name, '@extschema@.load_batch', 'INSERT')
		OR NOT EXISTS (SELECT FROM load_batch b WHERE b.batch_id = make_load_tables.batch_id AND b.columns = make_load_tables.columns)
	THEN
		RAISE insufficient_privilege USING
			MESSAGE = 'permission denied for table load_batch',
			HINT = 'Make batches with new_load_batch.';
	END IF;
	EXECUTE format('CREATE UNLOGGED TABLE %s (_line bigint GENERATED BY DEFAULT AS IDENTITY, _raw text, _fault text%s)', stage,
		(SELECT string_agg(format(', %I text', c), '' ORDER BY n) FROM unnest(columns) WITH ORDINALITY u (c, n)));
	EXECUTE format('COMMENT ON TABLE %s IS %L', stage, format('rows of load batch %s, as text', batch_id));
	EXECUTE format('CREATE UNLOGGED TABLE %s (_line bigint, result text, entity_id bigint)', result);
	EXECUTE format('COMMENT ON TABLE %s IS %L', result, format('what became of the rows of load batch %s', batch_id));
	EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON %s, %s TO %I', stage, result, role_name);
END
$$;
COMMENT ON FUNCTION @extschema@.make_load_tables(bigint, text[], text) IS
'makes the tables of a batch for a role that may add batches; internal';

CREATE FUNCTION @extschema@.drop_load_tables(batch_id bigint, role_name text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['load_stage_', 'load_result_']
	LOOP
		name := format('@extschema@.%I', name || batch_id);
		CONTINUE WHEN to_regclass(name) IS NULL;
		IF NOT pg_has_role(coalesce(nullif(current_setting('role'), 'none'), session_user), role_name, 'MEMBER') OR NOT has_table_privilege(role_name, name, 'TRUNCATE') THEN
			RAISE insufficient_privilege USING
				MESSAGE = format('permission denied for table %s', substr(name, strpos(name, '.') + 1)),
				HINT = 'Whoever made a batch can drop it, and the owner of the extension.';
		END IF;
		EXECUTE format('DROP TABLE %s', name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.drop_load_tables(bigint, text) IS
'drops the tables of a batch for a role that may empty them; internal';

CREATE FUNCTION @extschema@.new_load_batch(
	source text,
	columns text[],
	file_name text DEFAULT NULL,
	file_size bigint DEFAULT NULL,
	fingerprint text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id bigint;
	c record;
BEGIN
	IF coalesce(btrim(new_load_batch.source), '') = '' THEN
		RAISE null_value_not_allowed USING
			MESSAGE = 'a batch must have a source',
			HINT = 'Name where the file comes from, as in new_load_batch(''crm'', ...).';
	ELSIF coalesce(cardinality(new_load_batch.columns), 0) = 0 OR array_ndims(new_load_batch.columns) > 1 THEN
		RAISE null_value_not_allowed USING
			MESSAGE = 'a batch must have columns',
			HINT = 'List the columns of the file in order.';
	ELSIF cardinality(new_load_batch.columns) > 1590 THEN
		RAISE too_many_columns USING
			MESSAGE = format('a file of %s columns cannot be staged', cardinality(new_load_batch.columns)),
			DETAIL = '1590 columns are allowed.';
	END IF;
	FOR c IN SELECT u.name, u.n FROM unnest(new_load_batch.columns) WITH ORDINALITY u (name, n)
	LOOP
		IF coalesce(btrim(c.name), '') = '' THEN
			RAISE invalid_name USING
				MESSAGE = format('column %s has no name', c.n),
				HINT = 'Give every column of the file a name.';
		ELSIF octet_length(c.name) > 63 THEN
			RAISE name_too_long USING
				MESSAGE = format('name "%s" of column %s is too long', c.name, c.n),
				DETAIL = format('It has %s bytes; 63 are allowed.', octet_length(c.name));
		ELSIF c.name LIKE '\_%' OR c.name IN ('tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid') THEN
			RAISE reserved_name USING
				MESSAGE = format('column %s cannot be called "%s"', c.n, c.name),
				DETAIL = 'Names that begin with an underscore, and those of system columns, are kept for the database.',
				HINT = 'Give the column another name.';
		ELSIF array_position(new_load_batch.columns, c.name) < c.n THEN
			RAISE duplicate_column USING
				MESSAGE = format('column "%s" appears twice', c.name),
				DETAIL = format('It is column %s and column %s.', array_position(new_load_batch.columns, c.name), c.n),
				HINT = 'Give every column of the file a name of its own.';
		END IF;
	END LOOP;
	FOR attempt IN 1 .. 3
	LOOP
		INSERT INTO load_source (source) SELECT btrim(new_load_batch.source)
		WHERE NOT EXISTS (SELECT FROM load_source s WHERE s.source = btrim(new_load_batch.source))
		ON CONFLICT DO NOTHING;
		BEGIN
			INSERT INTO load_batch (source, file_name, file_size, fingerprint, columns)
			VALUES (btrim(new_load_batch.source), new_load_batch.file_name, new_load_batch.file_size, new_load_batch.fingerprint,
				new_load_batch.columns)
			RETURNING batch_id INTO id;
			EXIT;
		EXCEPTION WHEN foreign_key_violation THEN
			-- somebody has just dropped the source with its last batch
			IF attempt = 3 THEN
				RAISE;
			END IF;
		END;
	END LOOP;
	PERFORM make_load_tables(id, new_load_batch.columns, current_user);
	RETURN id;
END
$$;
COMMENT ON FUNCTION @extschema@.new_load_batch(text, text[], text, bigint, text) IS
'makes a batch and its staging table, load_stage_<number>; returns its number';

CREATE FUNCTION @extschema@.drop_load_batch(batch_id bigint, keep_rejects boolean DEFAULT true)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	batch_source text;
BEGIN
	IF NOT EXISTS (SELECT FROM load_batch b WHERE b.batch_id = drop_load_batch.batch_id) THEN
		RAISE no_data_found USING MESSAGE = format('load batch %s does not exist', coalesce(drop_load_batch.batch_id::text, 'NULL'));
	END IF;
	PERFORM drop_load_tables(drop_load_batch.batch_id, current_user);
	IF keep_rejects IS NOT TRUE THEN
		DELETE FROM load_reject r WHERE r.batch_id = drop_load_batch.batch_id;
		DELETE FROM load_batch b WHERE b.batch_id = drop_load_batch.batch_id RETURNING b.source INTO batch_source;
		-- and with the last batch the source, if nobody ever said anything of it, nor it of anything
		IF has_table_privilege('@extschema@.load_source', 'DELETE') AND has_table_privilege('@extschema@.entity_source', 'SELECT')
			AND has_table_privilege('@extschema@.relationship_source', 'SELECT')
			AND NOT row_security_active('@extschema@.entity_source') AND NOT row_security_active('@extschema@.relationship_source')
			AND NOT row_security_active('@extschema@.load_batch')
		THEN
			BEGIN
				DELETE FROM load_source s
				WHERE s.source = batch_source AND s.trust = 50 AND s.description IS NULL
					AND NOT EXISTS (SELECT FROM load_batch b WHERE b.source = s.source)
					AND NOT EXISTS (SELECT FROM entity_source e WHERE e.source = s.source)
					AND NOT EXISTS (SELECT FROM relationship_source r WHERE r.source = s.source);
			EXCEPTION WHEN foreign_key_violation THEN
				-- somebody has just made another batch
				NULL;
			END;
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.drop_load_batch(bigint, boolean) IS
'drops the staging table of a batch; unless rejected rows are kept, everything that is known of the batch';

-- What the mapping says

CREATE FUNCTION @extschema@.load_fields(mapping jsonb, columns text[])
RETURNS TABLE (no integer, field text, kind text, name text, label text, expression text, options jsonb)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	item record;
	wanted text[];
	used text[] := '{}';
	c text;
	m jsonb;
	fields constant text := 'entity_type, code, name, status, postcode, identifier.<scheme>, attribute.<name>, parent.type, '
		'parent.code, parent.name, parent.<scheme>, share, is_primary, relationship_type, influence_level, relationship.<name>, valid_from, '
		'valid_to, attributes, parents, duplicates';
BEGIN
	IF mapping IS NULL OR jsonb_typeof(mapping) <> 'object' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'mapping is not a JSON object',
			HINT = 'Write {"code": "Column", "name": "Other column", ...}. Fields: ' || fields || '.';
	END IF;
	no := 0;
	FOR item IN
		SELECT e.key, e.value FROM jsonb_each(mapping) e WHERE e.value <> 'null' ORDER BY e.key COLLATE "C"
	LOOP
		IF item.key = 'attributes' THEN
			IF item.value <> '"*"' THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('"attributes": %s cannot be read', item.value),
					HINT = 'Write "attributes": "*" for all columns that are not mapped, or "attribute.<name>": "Column" for one.';
			END IF;
			CONTINUE;
		ELSIF item.key = 'duplicates' THEN
			IF item.value NOT IN ('"reject"', '"first"', '"last"') THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('"duplicates": %s cannot be read', item.value),
					HINT = 'Write "duplicates": "reject", "duplicates": "first" or "duplicates": "last".';
			END IF;
			CONTINUE;
		ELSIF item.key = 'parents' THEN
			IF item.value NOT IN ('"add"', '"replace"') THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('"parents": %s cannot be read', item.value),
					HINT = 'Write "parents": "add" or "parents": "replace".';
			END IF;
			CONTINUE;
		END IF;
		kind := CASE
			WHEN item.key IN ('entity_type', 'code', 'name', 'status', 'parent.type', 'parent.code', 'parent.name', 'share', 'is_primary',
				'relationship_type', 'influence_level', 'valid_from', 'valid_to') THEN item.key
			WHEN item.key = 'postcode' THEN 'attribute'
			WHEN item.key ~ '^identifier\..' THEN 'identifier'
			WHEN item.key ~ '^attribute\..' THEN 'attribute'
			WHEN item.key ~ '^parent\.' AND length(item.key) > 7 THEN 'parent.identifier'
			WHEN item.key ~ '^relationship\..' THEN 'relationship'
		END;
		IF kind IS NULL THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('field "%s" does not exist', item.key),
				HINT = 'Fields: ' || fields || '.';
		END IF;
		field := item.key;
		name := CASE
			WHEN item.key = 'postcode' THEN 'postcode'
			WHEN item.key LIKE 'parent.identifier.%' THEN substr(item.key, 19)
			WHEN kind IN ('identifier', 'attribute', 'parent.identifier', 'relationship')
				THEN substr(item.key, strpos(item.key, '.') + 1)
		END;
		m := CASE jsonb_typeof(item.value) WHEN 'object' THEN item.value WHEN 'string' THEN jsonb_build_object('column', item.value) END;
		IF m IS NULL OR (m ? 'column')::integer + (m ? 'columns')::integer + (m ? 'value')::integer <> 1
			OR m ? 'column' AND jsonb_typeof(m->'column') <> 'string'
			OR m ? 'columns' AND (jsonb_typeof(m->'columns') <> 'array' OR m->'columns' = '[]')
			OR m ? 'value' AND jsonb_typeof(m->'value') NOT IN ('string', 'number', 'boolean')
		THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('mapping of "%s" cannot be read: %s', item.key, item.value),
				HINT = 'Write "Column", {"column": "Column"}, {"columns": ["A", "B"], "separator": " "} or {"value": "constant"}.';
		END IF;
		c := (SELECT string_agg(format('"%s"', k), ', ' ORDER BY k) FROM jsonb_object_keys(m) k
			WHERE k NOT IN ('column', 'columns', 'value', 'separator', 'null', 'map', 'default', 'pad', 'upper')
				AND NOT (k = 'format' AND (kind IN ('valid_from', 'valid_to') OR kind = 'attribute' AND m->>'type' = 'date'))
				AND NOT (k = 'type' AND kind IN ('attribute', 'relationship')) AND NOT (k = 'percent' AND kind = 'share')
				AND NOT (k = 'inclusive' AND kind = 'valid_to'));
		IF c IS NOT NULL THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('mapping of "%s" has no option %s', item.key, c),
				HINT = 'Options: separator, null, map, default, pad, upper; format of dates, type of attributes, percent of shares, '
					'inclusive of valid_to.';
		ELSIF m ? 'null' AND jsonb_typeof(m->'null') NOT IN ('array', 'string') OR m ? 'map' AND jsonb_typeof(m->'map') <> 'object'
			OR m ? 'pad' AND coalesce(m->>'pad', '') !~ '^[1-9][0-9]{0,2}$'
			OR m ? 'upper' AND jsonb_typeof(m->'upper') <> 'boolean' OR m ? 'percent' AND jsonb_typeof(m->'percent') <> 'boolean'
			OR m ? 'inclusive' AND jsonb_typeof(m->'inclusive') <> 'boolean'
			OR m ? 'default' AND jsonb_typeof(m->'default') NOT IN ('string', 'number', 'boolean')
			OR m ? 'separator' AND jsonb_typeof(m->'separator') <> 'string'
			OR m ? 'type' AND coalesce(m->>'type', '') NOT IN ('text', 'number', 'boolean', 'date')
		THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('options of "%s" cannot be read: %s', item.key, m),
				HINT = '"null" is a list of texts, "map" an object, "pad" a number, "upper", "percent" and "inclusive" are true or '
					'false, "type" is text, number, boolean or date.';
		ELSIF m ? 'format' AND coalesce(load_date_format(m->>'format'), false) IS FALSE THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('format "%s" of "%s" cannot be read', m->>'format', item.key),
				HINT = 'A format has YYYY or YY, MM, MON or MONTH, and DD, and what stands between them: "MM/DD/YYYY".';
		END IF;

		wanted := CASE WHEN m ? 'column' THEN ARRAY[m->>'column']
			WHEN m ? 'columns' THEN array(SELECT jsonb_array_elements_text(m->'columns')) ELSE '{}' END;
		FOREACH c IN ARRAY wanted LOOP
			IF c <> ALL (columns) OR c IS NULL THEN
				RAISE undefined_column USING
					MESSAGE = format('the file has no column "%s"', coalesce(c, '')),
					DETAIL = format('It is mapped to "%s".', item.key),
					HINT = format('Columns: %s.', (SELECT string_agg(format('"%s"', u.name), ', ' ORDER BY u.n)
						FROM unnest(columns) WITH ORDINALITY u (name, n) WHERE u.n <= 60));
			END IF;
			used := used || c;
		END LOOP;
		expression := CASE
			WHEN m ? 'column' THEN format('@extschema@.load_text(s.%I)', m->>'column')
			WHEN m ? 'columns' THEN format('@extschema@.load_text(concat_ws(%L, %s))', coalesce(m->>'separator', ' '),
				(SELECT string_agg(format('@extschema@.load_text(s.%I)', w.name), ', ' ORDER BY w.n)
				FROM unnest(wanted) WITH ORDINALITY w (name, n)))
			ELSE format('@extschema@.load_text(%L::text)', m->>'value')
		END;
		label := coalesce(array_to_string(wanted, '+'), item.key);
		IF m ? 'null' THEN
			FOR c IN SELECT jsonb_array_elements_text(CASE jsonb_typeof(m->'null') WHEN 'array' THEN m->'null'
				ELSE jsonb_build_array(m->'null') END)
			LOOP
				expression := format('nullif(%s, %L::text)', expression, c);
			END LOOP;
		END IF;
		IF m->'upper' = 'true' THEN
			expression := format('upper(%s)', expression);
		END IF;
		IF m ? 'map' THEN
			expression := format('CASE WHEN %L::jsonb ? %s THEN @extschema@.load_text(%L::jsonb ->> %s) ELSE %s END', m->'map',
				expression, m->'map', expression, expression);
		END IF;
		IF m ? 'pad' THEN
			expression := format('CASE WHEN %s ~ ''^[0-9]{1,%s}$'' THEN lpad(%s, %s, ''0'') ELSE %s END', expression, m->>'pad',
				expression, m->>'pad', expression);
		END IF;
		IF m ? 'default' THEN
			expression := format('coalesce(%s, %L::text)', expression, load_text(m->>'default'));
		END IF;
		options := m;
		no := no + 1;
		RETURN NEXT;
	END LOOP;

	IF mapping->'attributes' = '"*"' THEN
		FOREACH c IN ARRAY columns LOOP
			CONTINUE WHEN c = ANY (used) OR mapping ? ('attribute.' || c);
			no := no + 1;
			field := 'attribute.' || c;
			kind := 'attribute';
			name := c;
			label := c;
			expression := format('@extschema@.load_text(s.%I)', c);
			options := '{}';
			RETURN NEXT;
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.load_fields(jsonb, text[]) IS
'fields of a mapping, with an expression for the value of each; internal';

-- A row as text: as it was, or put together again from its columns

CREATE FUNCTION @extschema@.load_raw(columns text[])
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'coalesce(s._raw, concat_ws('','', ' || string_agg(format(
		'CASE WHEN s.%1$I IS NULL THEN '''' WHEN s.%1$I ~ ''[",\r\n]'' THEN ''"'' || replace(s.%1$I, ''"'', ''""'') || ''"'' ELSE s.%1$I END',
		c), ', ' ORDER BY n) || '))'
	FROM unnest(columns) WITH ORDINALITY u (c, n)
$$;
COMMENT ON FUNCTION @extschema@.load_raw(text[]) IS
'expression for the text of a row of a staging table s; internal';

-- The steps of a load, in order

CREATE FUNCTION @extschema@.load_clear()
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['load_line', 'load_fault', 'load_entity', 'load_twin', 'load_id', 'load_value', 'load_parent',
		'load_parent_id', 'load_pair', 'load_old', 'load_gone', 'load_want', 'load_change', 'load_bad', 'load_unlisted', 'load_lost', 'load_kept', 'load_several', 'load_ring', 'load_touched', 'load_mixed',
		'load_key', 'load_group', 'load_said', 'load_aside', 'load_extra', 'load_spared', 'load_ending']
	LOOP
		IF to_regclass('pg_temp.' || name) IS NOT NULL THEN
			EXECUTE 'DROP TABLE pg_temp.' || name;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.load_clear() IS
'drops the temporary tables of a load; internal';

CREATE FUNCTION @extschema@.load_read(batch_id bigint, columns text[], mapping jsonb, h @extschema@.hierarchy)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	stage text := format('@extschema@.%I', 'load_stage_' || load_read.batch_id);
	f record;
	v text;
	inner_list text := '';
	faults text[] := '{}';
	vals text[] := '{}';
	attrs text[] := '{}';
	rattrs text[] := '{}';
	ids text[] := '{}';
	pids text[] := '{}';
	keys text[] := '{}';
	parents text[] := '{}';
	col jsonb := '{}';
	typed text;
	types text[] := array(SELECT t.entity_type FROM entity_type t);
	rtypes text[] := array(SELECT t.relationship_type FROM relationship_type t);
BEGIN
	FOR f IN SELECT * FROM load_fields(load_read.mapping, load_read.columns)
	LOOP
		v := 'v' || f.no;
		inner_list := inner_list || format(', %s AS %I', f.expression, v);
		IF f.kind IN ('identifier', 'parent.identifier') AND NOT EXISTS (SELECT FROM identifier_scheme s WHERE s.scheme = f.name) THEN
			typed := (SELECT min(s.scheme) FROM identifier_scheme s WHERE lower(s.scheme) = lower(f.name));
			IF typed IS NOT NULL AND NOT EXISTS (SELECT FROM identifier i WHERE i.scheme = f.name) THEN
				RAISE undefined_object USING
					MESSAGE = format('identifier scheme "%s" does not exist', f.name),
					DETAIL = format('The mapping of "%s" names it.', f.field),
					HINT = format('Is "%s" meant? A scheme of its own needs a row of @extschema@.identifier_scheme.', typed);
			END IF;
		END IF;
		CASE f.kind
			WHEN 'entity_type', 'parent.type' THEN
				col := col || jsonb_build_object(f.kind, v);
				IF f.options ? 'value' AND f.options->>'value' <> ALL (types) THEN
					RAISE foreign_key_violation USING
						MESSAGE = format('entity type "%s" does not exist', f.options->>'value'),
						DETAIL = format('The mapping of "%s" names it.', f.field),
						HINT = coalesce('Types: ' || (SELECT string_agg(format('"%s"', t), ', ' ORDER BY t) FROM unnest(types) t) || '.',
							'There is none yet: insert it into @extschema@.entity_type.'),
						SCHEMA = '@extschema@', TABLE = 'entity', CONSTRAINT = 'entity_entity_type_fkey';
				END IF;
				faults := faults || format('CASE WHEN %1$s <> ALL ($1) THEN ''unknown_type|%2$stype "'' || %1$s || ''" does not exist'' %3$sEND', v,
					CASE f.kind WHEN 'parent.type' THEN 'parent ' ELSE 'entity ' END,
					CASE f.kind WHEN 'entity_type' THEN format('WHEN %s IS NULL THEN ''unknown_type|entity type is missing'' ', v) ELSE '' END);
			WHEN 'relationship_type' THEN
				col := col || jsonb_build_object(f.kind, v);
				IF f.options ? 'value' AND f.options->>'value' <> ALL (rtypes) THEN
					RAISE foreign_key_violation USING
						MESSAGE = format('relationship type "%s" does not exist', f.options->>'value'),
						DETAIL = format('The mapping of "%s" names it.', f.field),
						HINT = coalesce('Types: ' || (SELECT string_agg(format('"%s"', t), ', ' ORDER BY t) FROM unnest(rtypes) t) || '.',
							'There is none yet: insert it into @extschema@.relationship_type.'),
						SCHEMA = '@extschema@', TABLE = 'relationship', CONSTRAINT = 'relationship_relationship_type_fkey';
				END IF;
				faults := faults || format('CASE WHEN %1$s <> ALL ($2) THEN ''unknown_relationship_type|relationship type "'' || %1$s || ''" does not exist'' END', v);
			WHEN 'code' THEN
				col := col || jsonb_build_object('code', v);
				keys := keys || v;
			WHEN 'name' THEN
				col := col || jsonb_build_object('name', v);
				vals := vals || format('%L, %s', 'name', v);
			WHEN 'status' THEN
				col := col || jsonb_build_object('status', format('lower(%s)', v));
				vals := vals || format('%L, lower(%s)', 'status', v);
				faults := faults || format('CASE WHEN lower(%1$s) NOT IN (''active'', ''inactive'') THEN ''bad_status|status "'' || %1$s || ''" is neither active nor inactive'' END', v);
			WHEN 'attribute', 'relationship' THEN
				typed := v;
				CASE f.options->>'type'
					WHEN 'number' THEN
						typed := format('load_number(%s)', v);
						faults := faults || format('CASE WHEN %1$s IS NOT NULL AND %2$s IS NULL THEN %3$L || %1$s || ''" is not a number'' END', v, typed,
							format('bad_number|%s: "', f.label));
					WHEN 'boolean' THEN
						typed := format('load_boolean(%s)', v);
						faults := faults || format('CASE WHEN %1$s IS NOT NULL AND %2$s IS NULL THEN %3$L || %1$s || ''" is neither true nor false'' END', v, typed,
							format('bad_boolean|%s: "', f.label));
					WHEN 'date' THEN
						typed := format('load_date(%s, %L)', v, f.options->>'format');
						faults := faults || format('CASE WHEN %1$s IS NOT NULL AND %2$s IS NULL THEN %3$L || %1$s || %4$L END', v, typed,
							format('bad_date|%s: "', f.label), format('" is not a date (%s)', coalesce(f.options->>'format', 'YYYY-MM-DD')));
					ELSE
						NULL;
				END CASE;
				IF f.kind = 'attribute' THEN
					vals := vals || format('%L, %s', 'attributes.' || f.name, typed);
					attrs := attrs || format('%L, %s', f.name, typed);
				ELSE
					rattrs := rattrs || format('%L, %s', f.name, typed);
				END IF;
			WHEN 'identifier' THEN
				IF f.name = 'DUNS' THEN
					v := format('normalise_identifier(%L, %s)', f.name, v);
				END IF;
				keys := keys || v;
				ids := ids || format('%L, %s', f.name, v);
				IF f.name IN ('NPI', 'LEI', 'DUNS') THEN
					faults := faults || format('CASE WHEN %1$s IS NOT NULL AND NOT is_%2$s(%1$s) THEN ''checksum|"'' || %1$s || ''" is not a valid %3$s'' END',
						v, lower(f.name), f.name);
				END IF;
				typed := (SELECT s.pattern FROM identifier_scheme s WHERE s.scheme = f.name);
				IF typed IS NOT NULL THEN
					-- options of a pattern, (?i) say, stand at its beginning
					typed := coalesce(substring(typed FROM '^\(\?[a-z]+\)'), '') || '^(?:' || regexp_replace(typed, '^\(\?[a-z]+\)', '') || ')$';
					faults := faults || format('CASE WHEN %1$s !~ %2$L THEN ''bad_identifier|"'' || %1$s || %3$L END', v, typed,
						format('" does not match the pattern of scheme "%s"', f.name));
				END IF;
			WHEN 'parent.code' THEN
				col := col || jsonb_build_object(f.kind, v);
				parents := parents || v;
			WHEN 'parent.name' THEN
				col := col || jsonb_build_object(f.kind, v);
			WHEN 'parent.identifier' THEN
				IF f.name = 'DUNS' THEN
					v := format('normalise_identifier(%L, %s)', f.name, v);
				END IF;
				parents := parents || v;
				pids := pids || format('%L, %s', f.name, v);
			WHEN 'share' THEN
				typed := format('load_share(%s, %s)', v, coalesce(f.options->>'percent', 'false'));
				col := col || jsonb_build_object('share', typed);
				faults := faults || format('CASE WHEN %1$s IS NULL THEN NULL WHEN %2$s IS NULL THEN %3$L || %1$s || ''" is not a number'' '
					'WHEN %2$s NOT BETWEEN 0 AND 1 THEN %4$L || %1$s || ''" is not a share from 0 to %5$s'' END', v, typed,
					format('bad_number|%s: "', f.label), format('share_out_of_range|%s: "', f.label),
					CASE f.options->>'percent' WHEN 'true' THEN '100' ELSE '1' END);
			WHEN 'influence_level' THEN
				typed := format('load_number(%s)', v);
				col := col || jsonb_build_object(f.kind, typed);
				faults := faults || format('CASE WHEN %1$s IS NOT NULL AND %2$s IS NULL THEN %3$L || %1$s || ''" is not a number'' END', v, typed,
					format('bad_number|%s: "', f.label));
			WHEN 'is_primary' THEN
				typed := format('load_boolean(%s)', v);
				col := col || jsonb_build_object(f.kind, typed);
				faults := faults || format('CASE WHEN %1$s IS NOT NULL AND %2$s IS NULL THEN %3$L || %1$s || ''" is neither true nor false'' END', v, typed,
					format('bad_boolean|%s: "', f.label));
			WHEN 'valid_from', 'valid_to' THEN
				typed := format('load_date(%s, %L)', v, f.options->>'format');
				faults := faults || format('CASE WHEN %1$s IS NOT NULL AND %2$s IS NULL THEN %3$L || %1$s || %4$L END', v, typed,
					format('bad_date|%s: "', f.label), format('" is not a date (%s)', coalesce(f.options->>'format', 'YYYY-MM-DD')));
				col := col || jsonb_build_object(f.kind, CASE f.options->>'inclusive' WHEN 'true' THEN format('(%s + 1)', typed) ELSE typed END);
		END CASE;
	END LOOP;

	IF NOT col ? 'entity_type' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'mapping has no entity_type',
			HINT = 'Map a column, or all rows to one type: "entity_type": {"value": "account"}.';
	ELSIF keys = '{}' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'mapping has neither code nor an identifier',
			HINT = 'Say by what an entity is known: "code": "Column", or "identifier.NPI": "Column".';
	ELSIF parents = '{}' AND col ?| ARRAY['parent.type', 'parent.name', 'share', 'is_primary', 'relationship_type', 'influence_level', 'valid_from',
		'valid_to'] OR parents = '{}' AND rattrs <> '{}'
	THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'mapping says something of relationships, but has no parent',
			HINT = 'Say who the parent is: "parent.code": "Column", or "parent.NPI": "Column".';
	ELSIF parents <> '{}' AND h.hierarchy_id IS NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'mapping has a parent, but no hierarchy is named',
			HINT = 'Name it: load(batch, mapping, hierarchy => ''...'').';
	END IF;
	faults := faults || format('CASE WHEN coalesce(%s) IS NULL THEN ''missing_code|code is missing'' END', array_to_string(keys, ', '));
	IF col ?& ARRAY['valid_from', 'valid_to'] THEN
		faults := faults || format('CASE WHEN %1$s >= %2$s THEN ''validity|relationship begins on '' || to_char(%1$s, ''YYYY-MM-DD'') || '' and ends on '' '
			'|| to_char(%2$s, ''YYYY-MM-DD'') END', col->>'valid_from', col->>'valid_to');
	END IF;

	EXECUTE format('CREATE TEMP TABLE load_line ON COMMIT DROP AS
		SELECT load_tick(_line) AS line, %s AS etype, %s AS code, %s AS name, %s AS status, %s AS vals, %s AS attrs, %s AS ids,
			%s AS ptype, %s AS pcode, %s AS pname, %s AS pids, %s AS has_parent, %s AS share, %s AS is_primary, %s AS rtype, %s AS influence,
			%s AS rattrs, %s AS vfrom, %s AS vto,
			CASE WHEN _fault IS NOT NULL THEN ARRAY[_fault || ''|'' || CASE _fault WHEN ''wrong_width'' THEN ''the row has not as many columns as the header''
				WHEN ''encoding'' THEN ''the row cannot be read in the encoding of the file'' ELSE _fault END]
				WHEN coalesce(%s) IS NOT NULL THEN array_remove(ARRAY[%s], NULL) END AS faults
		FROM (SELECT s._line, s._fault%s FROM %s s OFFSET 0) s',
		col->>'entity_type', coalesce(col->>'code', 'NULL::text'), coalesce(col->>'name', 'NULL::text'), coalesce(col->>'status', 'NULL::text'),
		load_object(vals), load_object(attrs), load_object(ids),
		coalesce(col->>'parent.type', 'NULL::text'), coalesce(col->>'parent.code', 'NULL::text'), coalesce(col->>'parent.name', 'NULL::text'), load_object(pids),
		CASE parents WHEN '{}' THEN 'false' ELSE format('coalesce(%s) IS NOT NULL', array_to_string(parents, ', ')) END,
		coalesce(col->>'share', 'NULL::numeric'), coalesce(col->>'is_primary', 'NULL::boolean'), coalesce(col->>'relationship_type', 'NULL::text'),
		coalesce(col->>'influence_level', 'NULL::numeric'), load_object(rattrs), coalesce(col->>'valid_from', 'NULL::date'),
		coalesce(col->>'valid_to', 'NULL::date'), array_to_string(faults, ', '), array_to_string(faults, ', '), inner_list, stage)
	USING types, rtypes;
	PERFORM load_analyze('load_line');

	CREATE TEMP TABLE load_fault (line bigint NOT NULL, reason text NOT NULL, message text NOT NULL) ON COMMIT DROP;
	INSERT INTO load_fault
	SELECT l.line, split_part(x, '|', 1), substr(x, strpos(x, '|') + 1) FROM load_line l, unnest(l.faults) x WHERE l.faults IS NOT NULL;
	PERFORM load_analyze('load_fault');
END
$$;
COMMENT ON FUNCTION @extschema@.load_read(bigint, text[], jsonb, @extschema@.hierarchy) IS
'reads the staged rows of a batch as the mapping says; internal';

-- Where several lines about an entity may say different things, they are made
-- one before anything else: the line of each parent that counts gets what is
-- said of the entity, field by field; the others are set aside.

CREATE FUNCTION @extschema@.load_settle(batch_source text, is_last boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	-- by what lines know an entity: code, identifiers, and which entity these lead to
	CREATE TEMP TABLE load_key ON COMMIT DROP AS
	SELECT l.line, concat_ws(E'\x01', l.etype, i.scheme, i.value) AS key, i.scheme IS NULL AS is_code,
		coalesce(CASE WHEN i.scheme IS NULL THEN c.entity_id ELSE t.entity_id END, r.entity_id) AS node
	FROM load_line l
		CROSS JOIN LATERAL (
			SELECT NULL AS scheme, l.code AS value WHERE l.code IS NOT NULL
			UNION ALL
			SELECT j.key, j.value FROM jsonb_each_text(l.ids) j) i
		LEFT JOIN entity c ON i.scheme IS NULL AND c.entity_type = l.etype AND c.code = i.value
		LEFT JOIN (identifier o JOIN entity t ON t.entity_id = o.entity_id)
			ON o.scheme = i.scheme AND o.value = i.value AND t.entity_type = l.etype
		LEFT JOIN (entity_source s JOIN entity r ON r.entity_id = s.entity_id)
			ON i.scheme IS NULL AND s.source = batch_source AND s.record = i.value AND r.entity_type = l.etype
	WHERE l.faults IS NULL;
	LOOP
		UPDATE load_key k SET node = e.merged_into FROM entity e WHERE e.entity_id = k.node AND e.merged_into IS NOT NULL;
		EXIT WHEN NOT FOUND;
	END LOOP;
	INSERT INTO load_key SELECT k.line, E'\x01' || k.node, false, k.node FROM load_key k WHERE k.node IS NOT NULL;
	PERFORM load_analyze('load_key');
	CREATE TEMP TABLE load_group ON COMMIT DROP AS
	SELECT g.line, g.grp
	FROM load_groups('SELECT k.line, k.first FROM (SELECT o.line, min(o.line) OVER (PARTITION BY o.key) AS first FROM load_key o) k
		WHERE k.line <> k.first') g;
	PERFORM load_analyze('load_group');
	-- lines that lead to two entities of the directory are not settled here
	DELETE FROM load_group g
	WHERE g.grp IN (SELECT p.grp FROM load_key k JOIN load_group p ON p.line = k.line GROUP BY p.grp HAVING count(DISTINCT k.node) > 1);
	PERFORM load_analyze('load_group');

	CREATE TEMP TABLE load_said ON COMMIT DROP AS
	SELECT x.*, CASE WHEN is_last THEN -max(x.line) OVER same ELSE min(x.line) OVER same END AS ord, min(x.line) OVER same AS first
	FROM (
		SELECT g.grp, l.line, to_jsonb(l) - ARRAY['line', 'faults', 'pname'] AS said,
			jsonb_build_array(l.ptype, l.pcode, l.pids, CASE WHEN l.vto IS NOT NULL THEN l.vfrom END) AS parent, l.code, l.vals, l.ids
		FROM load_group g JOIN load_line l ON l.line = g.line) x
	WINDOW same AS (PARTITION BY x.grp, x.said);
	UPDATE load_line l SET faults = ARRAY[format('duplicate|the same as line %s', d.first)]
	FROM load_said d
	WHERE d.line = l.line AND d.line <> d.first;
	DELETE FROM load_said d WHERE d.line <> d.first;
	PERFORM load_analyze('load_said');

	CREATE TEMP TABLE load_aside ON COMMIT DROP AS
	SELECT d.line, first_value(d.line) OVER (PARTITION BY d.grp, d.parent ORDER BY d.ord) AS instead FROM load_said d;
	DELETE FROM load_aside a WHERE a.line = a.instead;
	PERFORM load_analyze('load_aside');
	DELETE FROM load_line l USING load_aside a WHERE l.line = a.line;
	UPDATE load_line l SET code = c.code, vals = x.vals, name = x.vals->>'name', status = x.vals->>'status', ids = i.ids,
		attrs = (SELECT jsonb_object_agg(substr(v.key, 12), v.value) FROM jsonb_each(x.vals) v WHERE v.key LIKE 'attributes.%')
	FROM load_said d
		JOIN (
			-- the code by which the entity is known already, if it is
			SELECT DISTINCT ON (k.grp) k.grp, k.code
			FROM load_said k LEFT JOIN load_key n ON n.line = k.line AND n.is_code
			ORDER BY k.grp, k.code IS NULL, n.node IS NULL, k.ord) c ON c.grp = d.grp
		LEFT JOIN (SELECT o.grp, jsonb_object_agg(v.key, v.value ORDER BY o.ord DESC) AS vals
			FROM load_said o, jsonb_each(o.vals) v GROUP BY o.grp) x ON x.grp = d.grp
		LEFT JOIN (SELECT o.grp, jsonb_object_agg(v.key, v.value ORDER BY o.ord DESC) AS ids
			FROM load_said o, jsonb_each(o.ids) v GROUP BY o.grp) i ON i.grp = d.grp
	WHERE l.line = d.line;
	CREATE TEMP TABLE load_extra ON COMMIT DROP AS
	SELECT DISTINCT x.line, v.key AS scheme, v.value
	FROM (SELECT d.ids, first_value(d.line) OVER (PARTITION BY d.grp ORDER BY d.ord) AS line FROM load_said d) x
		CROSS JOIN LATERAL jsonb_each_text(x.ids) v;
	INSERT INTO load_fault
	SELECT l.line, 'duplicate', substr(l.faults[1], 11) FROM load_line l JOIN load_group g ON g.line = l.line WHERE l.faults IS NOT NULL;
	PERFORM load_analyze('load_line, load_aside, load_extra');
	DROP TABLE load_key, load_group, load_said;
END
$$;
COMMENT ON FUNCTION @extschema@.load_settle(text, boolean) IS
'makes one of several rows about the same entity: the first or the last that says something counts; internal';

CREATE FUNCTION @extschema@.load_add_parents(batch_source text, is_last boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	-- as rows of their own, with negative numbers
	INSERT INTO load_line (line, etype, code, name, vals, has_parent)
	SELECT -row_number() OVER (ORDER BY p.line), p.ptype, p.pcode, p.pname, jsonb_build_object('name', p.pname), false
	FROM (
		SELECT DISTINCT ON (l.ptype, l.pcode) l.line, l.ptype, l.pcode, l.pname
		FROM load_line l
		WHERE l.ptype IS NOT NULL AND l.pcode IS NOT NULL AND l.pname IS NOT NULL AND l.faults IS NULL
		ORDER BY l.ptype, l.pcode, CASE WHEN is_last THEN -l.line ELSE l.line END) p
	WHERE NOT EXISTS (SELECT FROM load_line o WHERE o.etype = p.ptype AND o.code = p.pcode)
		AND NOT EXISTS (SELECT FROM entity e WHERE e.entity_type = p.ptype AND e.code = p.pcode)
		AND NOT EXISTS (SELECT FROM entity_source s JOIN entity e ON e.entity_id = s.entity_id
			WHERE s.source = batch_source AND s.record = p.pcode AND e.entity_type = p.ptype);
	PERFORM load_analyze('load_line');
END
$$;
COMMENT ON FUNCTION @extschema@.load_add_parents(text, boolean) IS
'adds parents that only the rows of their children name; internal';

CREATE FUNCTION @extschema@.load_object(pairs text[])
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	-- a function has at most a hundred arguments
	SELECT CASE WHEN pairs = '{}' THEN 'NULL::jsonb'
		WHEN cardinality(pairs) = 1 AND pairs[1] ~ '^''[^'']*'', v[0-9]+$'
			THEN format('CASE WHEN %s IS NOT NULL THEN jsonb_build_object(%s) END', substring(pairs[1] FROM 'v[0-9]+$'), pairs[1])
		ELSE format('nullif(jsonb_strip_nulls(%s), ''{}'')', string_agg(o.part, ' || ' ORDER BY o.n)) END
	FROM (SELECT (u.n - 1) / 40 AS n, format('jsonb_build_object(%s)', string_agg(u.pair, ', ' ORDER BY u.n)) AS part
		FROM unnest(pairs) WITH ORDINALITY u (pair, n) GROUP BY (u.n - 1) / 40) o
$$;
COMMENT ON FUNCTION @extschema@.load_object(text[]) IS
'expression for a JSON object of what is not NULL; internal';

CREATE FUNCTION @extschema@.load_resolve(batch_source text, is_full boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	types text[] := array(SELECT t.entity_type FROM entity_type t);
	have_records boolean := EXISTS (SELECT FROM entity_source s WHERE s.source = batch_source AND s.record IS NOT NULL);
	have_merged boolean := EXISTS (SELECT FROM entity e WHERE e.merged_into IS NOT NULL);
	have_ids boolean;
	codeless boolean;
	no_more boolean;
BEGIN
	SELECT coalesce(bool_or(l.ids IS NOT NULL), false), coalesce(bool_or(l.code IS NULL), false) INTO have_ids, codeless FROM load_line l;
	no_more := NOT (have_ids OR have_records OR have_merged);
	-- entities by type and code; numbers of new ones go by the order of the file
	CREATE TEMP TABLE load_entity ON COMMIT DROP AS
	SELECT load_tick(x.ent) AS ent, x.etype, x.code, NULL::jsonb AS ids, x.n,
		CASE WHEN no_more AND x.entity_id IS NULL THEN new_entity_id() ELSE x.entity_id END AS node,
		x.entity_id IS NULL AS is_new, CASE WHEN x.entity_id IS NULL THEN NULL ELSE 'code' END AS how,
		x.entity_id IS NOT NULL AS own_code, false AS is_follower
	FROM (
		SELECT g.ent, g.etype, g.code, g.n, e.entity_id
		FROM (
			SELECT min(l.line) AS ent, l.etype, l.code, count(*) AS n
			FROM load_line l
			WHERE l.code IS NOT NULL AND l.etype = ANY (types)
			GROUP BY l.etype, l.code) g
			LEFT JOIN entity e ON e.entity_type = g.etype AND e.code = g.code
		ORDER BY g.ent) x;
	IF codeless AND have_ids THEN
		INSERT INTO load_entity
		SELECT min(l.line), l.etype, NULL, l.ids, count(*), NULL, true, NULL, false, false
		FROM load_line l
		WHERE l.code IS NULL AND l.ids IS NOT NULL AND l.etype = ANY (types)
		GROUP BY l.etype, l.ids;
	END IF;
	PERFORM load_analyze('load_entity');
	CREATE TEMP TABLE load_twin ON COMMIT DROP AS
	SELECT l.line, k.ent
	FROM load_entity k JOIN load_line l ON l.etype = k.etype AND l.code = k.code
	WHERE k.n > 1 AND l.line <> k.ent;
	IF codeless AND have_ids THEN
		INSERT INTO load_twin
		SELECT l.line, k.ent
		FROM load_entity k JOIN load_line l ON l.etype = k.etype AND l.ids = k.ids AND l.code IS NULL
		WHERE k.n > 1 AND k.code IS NULL AND l.line <> k.ent;
	END IF;
	PERFORM load_analyze('load_twin');
	CREATE TEMP TABLE load_id (ent bigint, scheme text, value text, owner bigint) ON COMMIT DROP;
	IF no_more THEN
		RETURN;
	END IF;

	-- codes that the source uses for entities with another code
	IF have_records THEN
		UPDATE load_entity k SET node = s.entity_id, is_new = false, how = 'record'
		FROM entity_source s JOIN entity e ON e.entity_id = s.entity_id
		WHERE k.node IS NULL AND s.source = batch_source AND s.record = k.code AND e.entity_type = k.etype;
	END IF;
	LOOP
		EXIT WHEN NOT have_merged;
		UPDATE load_entity k SET node = e.merged_into, own_code = false
		FROM entity e
		WHERE e.entity_id = k.node AND e.merged_into IS NOT NULL;
		EXIT WHEN NOT FOUND;
	END LOOP;

	IF have_ids THEN
		INSERT INTO load_id
		SELECT DISTINCT coalesce(t.ent, l.line), i.key, i.value, o.entity_id
		FROM load_line l LEFT JOIN load_twin t ON t.line = l.line
			CROSS JOIN LATERAL jsonb_each_text(l.ids) i
			LEFT JOIN identifier o ON o.scheme = i.key AND o.value = i.value
		WHERE l.ids IS NOT NULL AND NOT EXISTS (SELECT FROM load_fault f WHERE f.line = l.line);
		IF to_regclass('pg_temp.load_extra') IS NOT NULL THEN
			INSERT INTO load_id
			SELECT coalesce(t.ent, x.line), x.scheme, x.value, o.entity_id
			FROM load_extra x LEFT JOIN load_twin t ON t.line = x.line
				LEFT JOIN identifier o ON o.scheme = x.scheme AND o.value = x.value
			WHERE NOT EXISTS (SELECT FROM load_id i WHERE i.ent = coalesce(t.ent, x.line) AND i.scheme = x.scheme AND i.value = x.value)
				AND NOT EXISTS (SELECT FROM load_fault f WHERE f.line = x.line);
		END IF;
		PERFORM load_analyze('load_id');
		-- the owner of an identifier, if it is an entity of the same type
		UPDATE load_entity k SET node = x.owner, is_new = false, how = 'identifier'
		FROM (
			SELECT i.ent, min(i.owner) AS owner
			FROM load_id i JOIN load_entity k ON k.ent = i.ent JOIN entity e ON e.entity_id = i.owner
			WHERE k.node IS NULL AND e.entity_type = k.etype
				-- the source lists it under another code: two customers with one identifier
				AND (k.code IS NULL OR is_full OR NOT EXISTS (SELECT FROM entity_source s
					WHERE s.entity_id = i.owner AND s.source = batch_source AND s.listed AND coalesce(s.record, e.code) <> k.code))
			GROUP BY i.ent
			HAVING count(DISTINCT i.owner) = 1) x
		WHERE k.ent = x.ent;
		-- rows without a code may be of an entity that another row lists
		UPDATE load_entity k SET node = x.node, how = 'identifier', is_new = false
		FROM (
			SELECT i.ent, min(o.node) AS node
			FROM load_id i JOIN load_entity k ON k.ent = i.ent
				JOIN load_id j ON j.scheme = i.scheme AND j.value = i.value
				JOIN load_entity o ON o.ent = j.ent
			WHERE k.code IS NULL AND k.node IS NULL AND o.node IS NOT NULL
			GROUP BY i.ent
			HAVING count(DISTINCT o.node) = 1) x
		WHERE k.ent = x.ent;
	END IF;
	UPDATE load_entity k SET node = n.node
	FROM (SELECT x.ent, new_entity_id() AS node
		FROM (SELECT o.ent FROM load_entity o WHERE o.node IS NULL AND o.code IS NOT NULL ORDER BY o.ent) x) n
	WHERE k.ent = n.ent;
	-- where most nodes are known only now, the planner would still think that none is
	PERFORM load_analyze('load_entity');
	IF have_ids THEN
		UPDATE load_entity k SET node = x.node, how = 'identifier', is_new = false
		FROM (
			SELECT i.ent, min(o.node) AS node
			FROM load_id i JOIN load_entity k ON k.ent = i.ent
				JOIN load_id j ON j.scheme = i.scheme AND j.value = i.value
				JOIN load_entity o ON o.ent = j.ent
			WHERE k.code IS NULL AND k.node IS NULL AND o.node IS NOT NULL AND o.etype = k.etype
			GROUP BY i.ent) x
		WHERE k.ent = x.ent;
		INSERT INTO load_fault
		SELECT l.line, 'missing_code', 'code is missing, and no identifier is known'
		FROM load_entity k JOIN load_line l ON l.etype = k.etype AND l.ids = k.ids AND l.code IS NULL
		WHERE k.node IS NULL;
	END IF;

	-- several codes of one entity (it was merged, say): one of them speaks for it
	UPDATE load_entity k SET is_follower = true
	FROM (
		SELECT o.ent, row_number() OVER (PARTITION BY o.node ORDER BY o.own_code DESC, o.is_new DESC, o.code IS NULL, o.ent) AS n
		FROM load_entity o
		WHERE o.node IN (SELECT d.node FROM load_entity d GROUP BY d.node HAVING count(*) > 1)) x
	WHERE k.ent = x.ent AND x.n > 1;
	-- most rows have changed
	PERFORM load_analyze('load_entity, load_twin');

	IF have_ids THEN
		-- identifiers of somebody else, in the directory or on an earlier row
		INSERT INTO load_fault
		SELECT l.line, 'identifier_taken', format('%s "%s" identifies %s', x.scheme, x.value, x.whom)
		FROM (
			SELECT i.ent, i.scheme, i.value, CASE WHEN i.owner IS NOT NULL THEN entity_label(i.owner)
				ELSE (SELECT format('%s "%s" on line %s', f.etype, coalesce(f.code, ''), f.ent) FROM load_entity f WHERE f.ent = c.first_ent) END AS whom
			FROM load_id i JOIN load_entity k ON k.ent = i.ent
				JOIN (
					SELECT j.scheme, j.value, min(j.ent) AS first_ent,
						coalesce(min(j.owner), (array_agg(o.node ORDER BY o.code IS NULL, o.ent))[1]) AS holder
					FROM load_id j JOIN load_entity o ON o.ent = j.ent
					GROUP BY j.scheme, j.value) c ON c.scheme = i.scheme AND c.value = i.value
			WHERE c.holder <> k.node) x
			JOIN (SELECT coalesce(t.ent, l.line) AS ent, l.* FROM load_line l LEFT JOIN load_twin t ON t.line = l.line) l
				ON l.ent = x.ent AND l.ids->>x.scheme = x.value
		WHERE NOT EXISTS (SELECT FROM load_fault f WHERE f.line = l.line);
		-- several codes that share an identifier which found an entity are not the same customer
		INSERT INTO load_fault
		SELECT l.line, 'identifier_taken', format('its identifiers are those of %s, which line %s lists', entity_label(k.node), x.first_ent)
		FROM (SELECT o.node, min(o.ent) AS first_ent FROM load_entity o WHERE NOT o.is_follower GROUP BY o.node) x
			JOIN load_entity k ON k.node = x.node AND k.is_follower AND k.how = 'identifier' AND k.code IS NOT NULL
			JOIN (SELECT coalesce(t.ent, l.line) AS ent, l.line FROM load_line l LEFT JOIN load_twin t ON t.line = l.line) l ON l.ent = k.ent
		WHERE NOT EXISTS (SELECT FROM load_fault f WHERE f.line = l.line);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.load_resolve(text, boolean) IS
'finds out which entities the rows of a file are about; internal';

CREATE FUNCTION @extschema@.load_resolve_parents(batch_source text, h @extschema@.hierarchy)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	types text[] := array(SELECT t.entity_type FROM entity_type t);
	have_records boolean := EXISTS (SELECT FROM entity_source s WHERE s.source = batch_source AND s.record IS NOT NULL);
	have_rules boolean := EXISTS (SELECT FROM relationship_rule r WHERE r.hierarchy_id = h.hierarchy_id);
	untyped boolean;
	have_pids boolean;
BEGIN
	SELECT coalesce(bool_or(l.pcode IS NOT NULL AND l.ptype IS NULL), false), coalesce(bool_or(l.pids IS NOT NULL AND l.pcode IS NULL), false)
	INTO untyped, have_pids FROM load_line l;

	-- by code, of the type that the row names
	CREATE TEMP TABLE load_parent ON COMMIT DROP AS
	SELECT NULL::text AS ctype, p.ptype, p.pcode, coalesce(k.node, e.entity_id) AS node, CASE WHEN k.is_new THEN k.ent END AS ent, p.ptype AS type,
		1::bigint AS n
	FROM (SELECT l.ptype, l.pcode FROM load_line l WHERE l.pcode IS NOT NULL AND l.ptype IS NOT NULL GROUP BY l.ptype, l.pcode) p
		LEFT JOIN load_entity k ON k.etype = p.ptype AND k.code = p.pcode AND k.node IS NOT NULL
		LEFT JOIN entity e ON k.ent IS NULL AND e.entity_type = p.ptype AND e.code = p.pcode
	WHERE k.ent IS NOT NULL OR e.entity_id IS NOT NULL;
	IF untyped THEN
		-- of a type that the rules allow; the row's own, if several would do
		INSERT INTO load_parent
		SELECT c.ctype, NULL, c.pcode, min(c.node), min(c.ent), min(c.type), count(DISTINCT c.node)
		FROM (
			SELECT x.*, min(x.rank) OVER (PARTITION BY x.ctype, x.pcode) AS best
			FROM (
				SELECT p.ctype, p.pcode, k.node, CASE WHEN k.is_new THEN k.ent END AS ent, k.etype AS type, (k.etype <> p.ctype)::integer AS rank
				FROM (SELECT DISTINCT l.etype AS ctype, l.pcode FROM load_line l WHERE l.pcode IS NOT NULL AND l.ptype IS NULL) p
					JOIN load_entity k ON k.code = p.pcode AND k.node IS NOT NULL
				UNION ALL
				SELECT p.ctype, p.pcode, e.entity_id, NULL, e.entity_type, (e.entity_type <> p.ctype)::integer
				FROM (SELECT DISTINCT l.etype AS ctype, l.pcode FROM load_line l WHERE l.pcode IS NOT NULL AND l.ptype IS NULL) p
					JOIN entity e ON e.code = p.pcode AND e.entity_type = ANY (types)
				-- a row of the file may lead to another one, into which this one was merged
				WHERE NOT EXISTS (SELECT FROM load_entity k WHERE k.etype = e.entity_type AND k.code = e.code AND k.node IS NOT NULL)) x
			WHERE NOT have_rules OR EXISTS (SELECT FROM relationship_rule r
				WHERE r.hierarchy_id = h.hierarchy_id AND r.child_type = x.ctype AND r.parent_type = x.type)) c
		WHERE c.rank = c.best
		GROUP BY c.ctype, c.pcode;
	END IF;
	PERFORM load_analyze('load_parent');
	IF have_records THEN
		INSERT INTO load_parent
		SELECT DISTINCT ON (p.ctype, p.ptype, p.pcode) p.ctype, p.ptype, p.pcode, e.entity_id, NULL::bigint, e.entity_type, 1
		FROM (SELECT DISTINCT CASE WHEN l.ptype IS NULL THEN l.etype END AS ctype, l.ptype, l.pcode
			FROM load_line l WHERE l.pcode IS NOT NULL) p
			JOIN entity_source s ON s.source = batch_source AND s.record = p.pcode
			JOIN entity e ON e.entity_id = s.entity_id
		WHERE (e.entity_type = p.ptype OR p.ptype IS NULL AND (NOT have_rules OR EXISTS (SELECT FROM relationship_rule r
				WHERE r.hierarchy_id = h.hierarchy_id AND r.child_type = p.ctype AND r.parent_type = e.entity_type)))
			AND NOT EXISTS (SELECT FROM load_parent o WHERE o.pcode = p.pcode AND o.ptype IS NOT DISTINCT FROM p.ptype
				AND o.ctype IS NOT DISTINCT FROM p.ctype)
		ORDER BY p.ctype, p.ptype, p.pcode, e.entity_id;
	END IF;
	LOOP
		UPDATE load_parent p SET node = e.merged_into, type = m.entity_type
		FROM entity e JOIN entity m ON m.entity_id = e.merged_into
		WHERE e.entity_id = p.node AND e.merged_into IS NOT NULL AND p.ent IS NULL;
		EXIT WHEN NOT FOUND;
	END LOOP;

	-- by identifier
	CREATE TEMP TABLE load_parent_id (scheme text, value text, node bigint, ent bigint, type text, n bigint) ON COMMIT DROP;
	IF have_pids THEN
		INSERT INTO load_parent_id
		SELECT i.scheme, i.value, coalesce(o.entity_id, k.node), CASE WHEN o.entity_id IS NULL AND k.is_new THEN k.ent END,
			coalesce(e.entity_type, k.etype), 1
		FROM (SELECT DISTINCT x.key AS scheme, x.value FROM load_line l, jsonb_each_text(l.pids) x WHERE l.pids IS NOT NULL) i
			LEFT JOIN identifier o ON o.scheme = i.scheme AND o.value = i.value
			LEFT JOIN entity e ON e.entity_id = o.entity_id
			LEFT JOIN (SELECT j.scheme, j.value, min(j.ent) AS ent FROM load_id j GROUP BY j.scheme, j.value) j
				ON j.scheme = i.scheme AND j.value = i.value
			LEFT JOIN load_entity k ON k.ent = j.ent
		WHERE coalesce(o.entity_id, k.node) IS NOT NULL;
	END IF;
	CREATE INDEX ON load_parent_id (value, scheme);
	PERFORM load_analyze('load_parent, load_parent_id');

	CREATE TEMP TABLE load_pair ON COMMIT DROP AS
	SELECT load_tick(l.line) AS line, k.ent, k.node AS child, k.is_new AS child_new, k.etype AS ctype, p.node AS parent, p.ent AS parent_ent, p.type AS ptype,
		false AS ambiguous, l.share, l.is_primary, l.rtype, l.influence, l.rattrs, l.vfrom, l.vto
	FROM load_line l
		LEFT JOIN load_twin t ON t.line = l.line
		JOIN load_entity k ON k.ent = coalesce(t.ent, l.line)
		LEFT JOIN load_parent p ON p.pcode = l.pcode AND p.ptype = l.ptype
	WHERE l.pcode IS NOT NULL AND l.ptype IS NOT NULL AND k.node IS NOT NULL;
	IF untyped THEN
		INSERT INTO load_pair
		SELECT l.line, k.ent, k.node, k.is_new, k.etype, p.node, p.ent, p.type, coalesce(p.n, 0) > 1, l.share, l.is_primary, l.rtype, l.influence,
			l.rattrs, l.vfrom, l.vto
		FROM load_line l
			LEFT JOIN load_twin t ON t.line = l.line
			JOIN load_entity k ON k.ent = coalesce(t.ent, l.line)
			LEFT JOIN load_parent p ON p.pcode = l.pcode AND p.ptype IS NULL AND p.ctype = l.etype
		WHERE l.pcode IS NOT NULL AND l.ptype IS NULL AND k.node IS NOT NULL;
	END IF;
	IF have_pids THEN
		INSERT INTO load_pair
		SELECT l.line, k.ent, k.node, k.is_new, k.etype, q.node, q.ent, q.type, false, l.share, l.is_primary, l.rtype, l.influence,
			l.rattrs, l.vfrom, l.vto
		FROM load_line l
			LEFT JOIN load_twin t ON t.line = l.line
			JOIN load_entity k ON k.ent = coalesce(t.ent, l.line)
			LEFT JOIN LATERAL (SELECT i.node, i.ent, i.type
				FROM jsonb_each_text(l.pids) x JOIN load_parent_id i ON i.scheme = x.key AND i.value = x.value
				WHERE l.ptype IS NULL OR i.type = l.ptype
				ORDER BY x.key LIMIT 1) q ON true
		WHERE l.pcode IS NULL AND l.pids IS NOT NULL AND k.node IS NOT NULL;
	END IF;
	PERFORM load_analyze('load_pair');
END
$$;
COMMENT ON FUNCTION @extschema@.load_resolve_parents(text, @extschema@.hierarchy) IS
'finds out which parents the rows of a file name; internal';

CREATE FUNCTION @extschema@.load_check_rows(h @extschema@.hierarchy, name_mapped boolean, mode text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	twins boolean := EXISTS (SELECT FROM load_twin);
	have_rules boolean;
	implicit boolean;
BEGIN
	CREATE TEMP TABLE load_mixed (ent bigint) ON COMMIT DROP;
	-- the same entity on several rows
	IF twins THEN
		-- the same entity and parent twice: all alike, or all rejected
		WITH several AS MATERIALIZED (
			SELECT coalesce(t.ent, l.line) AS ent, l.line, to_jsonb(l) - ARRAY['line', 'faults'] AS said,
				jsonb_build_array(l.ptype, l.pcode, l.pids, l.has_parent) AS parent, l.vfrom, l.vto
			FROM load_line l LEFT JOIN load_twin t ON t.line = l.line
			WHERE l.line IN (
					SELECT unnest(x.lines)
					FROM (SELECT array_agg(o.line) AS lines
						FROM load_line o LEFT JOIN load_twin u ON u.line = o.line
						WHERE coalesce(u.ent, o.line) IN (SELECT k.ent FROM load_entity k WHERE k.n > 1)
						GROUP BY coalesce(u.ent, o.line), o.ptype, o.pcode, o.pids
						HAVING count(*) > 1) x)
				AND NOT EXISTS (SELECT FROM load_fault f WHERE f.line = l.line)),
		grouped AS (
			SELECT s.*, min(s.line) OVER same AS first_line, count(*) OVER pair AS n, count(*) OVER same AS alike,
				min(s.line) OVER pair AS first_of_pair,
				-- different stays at the same parent, one after the other
				NOT bool_or(s.overlaps) OVER pair AS apart
			FROM (SELECT v.*, coalesce(v.vfrom < lag(coalesce(v.vto, 'infinity')) OVER (PARTITION BY v.ent, v.parent ORDER BY v.vfrom NULLS FIRST, v.line),
				lag(v.line) OVER (PARTITION BY v.ent, v.parent ORDER BY v.vfrom NULLS FIRST, v.line) IS NOT NULL) AS overlaps
				FROM several v) s
			WINDOW same AS (PARTITION BY s.ent, s.said), pair AS (PARTITION BY s.ent, s.parent))
		INSERT INTO load_fault
		SELECT g.line, CASE WHEN g.n = g.alike THEN 'duplicate' ELSE 'conflicting_duplicate' END,
			CASE WHEN g.n = g.alike THEN format('says nothing that line %s does not say', g.first_line)
				ELSE format('says something else than line %s of the same %s', CASE WHEN g.line = g.first_of_pair
					THEN (SELECT min(o.line) FROM grouped o WHERE o.ent = g.ent AND o.parent = g.parent AND o.said <> g.said) ELSE g.first_of_pair END,
					CASE WHEN g.said->>'has_parent' = 'true' THEN 'entity and parent' ELSE 'entity' END) END
		FROM grouped g
		WHERE g.n > 1 AND (g.n = g.alike AND g.line <> g.first_line OR g.n <> g.alike AND NOT g.apart);
		-- one entity with several parents: what is said of the entity must agree
		INSERT INTO load_mixed
		SELECT DISTINCT t.ent
		FROM load_twin t JOIN load_line l ON l.line = t.line JOIN load_line k ON k.line = t.ent
		WHERE (l.vals, l.ids) IS DISTINCT FROM (k.vals, k.ids);
		PERFORM load_analyze('load_mixed');
		INSERT INTO load_fault
		SELECT l.line, 'conflicting_duplicate', format('lines %s say different things of the same entity', c.lines)
		FROM (
			SELECT x.ent, string_agg(DISTINCT x.line::text, ', ') AS lines
			FROM (
				SELECT s.ent, s.line, min(v.value) OVER same <> v.value OR max(v.value) OVER same <> v.value AS differs
				FROM (
					SELECT coalesce(t.ent, l.line) AS ent, l.line, coalesce(l.vals, '{}') || coalesce(
						(SELECT jsonb_object_agg('identifiers.' || i.key, i.value) FROM jsonb_each(l.ids) i), '{}') AS vals
					FROM load_line l LEFT JOIN load_twin t ON t.line = l.line
					WHERE coalesce(t.ent, l.line) IN (SELECT m.ent FROM load_mixed m)
						AND NOT EXISTS (SELECT FROM load_fault f WHERE f.line = l.line)) s
					CROSS JOIN LATERAL (SELECT e.key, e.value::text AS value FROM jsonb_each(s.vals) e) v
				WINDOW same AS (PARTITION BY s.ent, v.key)) x
			WHERE x.differs
			GROUP BY x.ent) c
			JOIN (SELECT coalesce(t.ent, l.line) AS ent, l.line FROM load_line l LEFT JOIN load_twin t ON t.line = l.line) l ON l.ent = c.ent
		WHERE NOT EXISTS (SELECT FROM load_fault f WHERE f.line = l.line);
	END IF;

	IF name_mapped THEN
		INSERT INTO load_fault
		SELECT l.line, 'missing_name', format('%s "%s" is new and has no name', k.etype, k.code)
		FROM load_entity k JOIN load_line l ON l.line = k.ent
		WHERE k.is_new AND k.n = 1 AND l.name IS NULL AND l.faults IS NULL AND NOT EXISTS (SELECT FROM load_fault f WHERE f.line = l.line);
		IF twins THEN
			INSERT INTO load_fault
			SELECT l.line, 'missing_name', format('%s "%s" is new and has no name', x.etype, x.code)
			FROM (
				SELECT l.line, k.etype, k.code, count(l.name) OVER (PARTITION BY k.ent) AS names
				FROM load_line l LEFT JOIN load_twin t ON t.line = l.line JOIN load_entity k ON k.ent = coalesce(t.ent, l.line)
				WHERE k.n > 1 AND k.is_new AND NOT EXISTS (SELECT FROM load_fault f WHERE f.line = l.line)) x
				JOIN load_line l ON l.line = x.line
			WHERE x.names = 0;
		END IF;
	END IF;

	IF to_regclass('pg_temp.load_pair') IS NULL THEN
		RETURN;
	END IF;
	PERFORM load_analyze('load_fault');
	have_rules := EXISTS (SELECT FROM relationship_rule r WHERE r.hierarchy_id = h.hierarchy_id);
	INSERT INTO load_fault
	SELECT p.line, 'unknown_parent', CASE
		WHEN p.ambiguous THEN format('several entities have the code "%s" of the parent; map parent.type', l.pcode)
		WHEN l.pcode IS NOT NULL THEN format('parent %s"%s" is neither in the file nor in the directory', l.ptype || ' ', l.pcode)
		ELSE format('parent %s is neither in the file nor in the directory', (SELECT string_agg(format('%s "%s"', x.key, x.value), ', ')
			FROM jsonb_each_text(l.pids) x)) END
	FROM load_pair p JOIN load_line l ON l.line = p.line
	WHERE (p.parent IS NULL OR p.ambiguous) AND NOT (l.faults IS NOT NULL AND EXISTS (SELECT FROM load_fault f
			WHERE f.line = p.line AND f.reason = 'unknown_type'))
		-- a good row would have added the parent that it names
		AND NOT (p.parent IS NULL AND l.faults IS NOT NULL AND l.pname IS NOT NULL AND l.ptype IS NOT NULL AND l.pcode IS NOT NULL);
	INSERT INTO load_fault
	SELECT p.line, 'cycle', 'the entity is its own parent'
	FROM load_pair p
	WHERE p.parent = p.child;
	IF have_rules THEN
		INSERT INTO load_fault
		SELECT p.line, 'type_rule', format('%s must not stand under %s in hierarchy "%s"', p.ctype, p.ptype, h.name)
		FROM load_pair p
		WHERE p.parent IS NOT NULL AND NOT p.ambiguous AND NOT EXISTS (SELECT FROM relationship_rule r
			WHERE r.hierarchy_id = h.hierarchy_id AND r.child_type = p.ctype AND r.parent_type = p.ptype);
	END IF;
	IF h.relationship_types IS NOT NULL THEN
		INSERT INTO load_fault
		SELECT p.line, 'unknown_relationship_type', format('hierarchy "%s" has no relationships of type "%s"', h.name, p.rtype)
		FROM load_pair p
		WHERE p.rtype <> ALL (h.relationship_types) AND EXISTS (SELECT FROM relationship_type t WHERE t.relationship_type = p.rtype);
	END IF;
	IF h.share_mode = 'none' THEN
		INSERT INTO load_fault
		SELECT p.line, 'rule', format('hierarchy "%s" has no shares', h.name)
		FROM load_pair p
		WHERE p.share IS NOT NULL;
	END IF;
	IF h.validity <> '(,)' THEN
		INSERT INTO load_fault
		SELECT p.line, 'validity', format('relationship is not within the validity of hierarchy "%s", %s', h.name, h.validity)
		FROM load_pair p
		WHERE p.vfrom < lower(h.validity) OR p.vfrom >= upper(h.validity) OR p.vto > upper(h.validity) OR p.vto <= lower(h.validity);
	END IF;
	-- whoever is inactive; what becomes of those that are in the file shows when their changes are known
	WITH inactive AS MATERIALIZED (SELECT e.entity_id FROM entity e WHERE e.status = 'inactive'),
	below AS MATERIALIZED (
		SELECT p.line, p.parent, p.vto FROM load_pair p
		WHERE p.parent IN (SELECT e.entity_id FROM inactive e))
	INSERT INTO load_fault
	SELECT x.line, 'inactive_parent', format('parent %s is inactive', entity_label(x.parent))
	FROM below x
	WHERE (x.vto IS NULL OR x.vto > current_date) AND NOT EXISTS (SELECT FROM load_entity k WHERE k.node = x.parent);
END
$$;
COMMENT ON FUNCTION @extschema@.load_check_rows(@extschema@.hierarchy, boolean, text) IS
'finds faults of rows that need the directory or other rows to be seen; internal';

-- A file may be one chain, so each round looks only at rows below those of the
-- round before, by indexes, and goes down as long as entities have one row each.
CREATE FUNCTION @extschema@.load_fall(parents bigint[])
RETURNS bigint[]
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
	several bigint[];
	fallen bigint[];
BEGIN
	WITH RECURSIVE below (line, ent, parent_ent) AS (
		SELECT p.line, p.ent, p.parent_ent
		FROM unnest(parents) x (ent) JOIN load_pair p ON p.parent_ent = x.ent
		WHERE NOT EXISTS (SELECT FROM load_fault f WHERE f.line = p.line)
		UNION
		SELECT p.line, p.ent, p.parent_ent
		FROM below b JOIN load_entity k ON k.ent = b.ent JOIN load_pair p ON p.parent_ent = k.ent
		WHERE k.n = 1 AND k.is_new AND NOT EXISTS (SELECT FROM load_fault f WHERE f.line = p.line)),
	added AS (
		INSERT INTO load_fault
		SELECT b.line, 'unknown_parent', format('parent %s "%s" is not in the directory, and its row (line %s) was rejected', k.etype, k.code, k.ent)
		FROM below b JOIN load_entity k ON k.ent = b.parent_ent)
	SELECT array_agg(DISTINCT b.ent) INTO several
	FROM below b JOIN load_entity k ON k.ent = b.ent
	WHERE k.n > 1 AND k.is_new;
	-- those whose last row it was
	SELECT array_agg(k.ent) INTO fallen
	FROM unnest(several) x (ent) JOIN load_entity k ON k.ent = x.ent
	WHERE k.n = (SELECT count(DISTINCT f.line) FROM load_fault f
		WHERE f.line = ANY (array(SELECT t.line FROM load_twin t WHERE t.ent = x.ent) || x.ent));
	RETURN fallen;
END
$$;
COMMENT ON FUNCTION @extschema@.load_fall(bigint[]) IS
'rejects rows below new entities all of whose rows are rejected; returns such entities among those below that have several rows; internal';

CREATE FUNCTION @extschema@.load_cascade()
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	fallen bigint[];
BEGIN
	PERFORM load_analyze('load_fault');
	-- a parent that only rows below it name has no row: what is wrong with it, is with them
	INSERT INTO load_fault
	SELECT DISTINCT p.line, f.reason, format('parent %s "%s" cannot be added: %s', k.etype, k.code, f.message)
	FROM load_fault f
		JOIN load_entity k ON k.ent = f.line AND k.is_new
		JOIN load_pair p ON p.parent_ent = k.ent
	WHERE f.line < 0 AND NOT EXISTS (SELECT FROM load_fault o WHERE o.line = p.line);
	-- new entities all of whose rows are rejected are parents of nobody
	SELECT array_agg(k.ent) INTO fallen
	FROM (
		SELECT coalesce(t.ent, f.line) AS ent, count(DISTINCT f.line) AS n
		FROM load_fault f LEFT JOIN load_twin t ON t.line = f.line
		GROUP BY coalesce(t.ent, f.line)) d
		JOIN load_entity k ON k.ent = d.ent AND k.n = d.n AND k.is_new
	WHERE k.ent > 0 AND k.ent IN (SELECT p.parent_ent FROM load_pair p WHERE NOT EXISTS (SELECT FROM load_fault f WHERE f.line = p.line));
	IF fallen IS NOT NULL THEN
		-- another round may have made them
		IF to_regclass('pg_temp.load_fault_line_idx') IS NULL THEN
			CREATE INDEX load_fault_line_idx ON load_fault (line);
			CREATE INDEX load_entity_ent_idx ON load_entity (ent);
			CREATE INDEX load_twin_ent_idx ON load_twin (ent);
			CREATE INDEX load_pair_parent_ent_idx ON load_pair (parent_ent);
		END IF;
		WHILE fallen IS NOT NULL
		LOOP
			fallen := load_fall(fallen);
		END LOOP;
	END IF;
	INSERT INTO load_fault
	SELECT DISTINCT f.line, 'cycle', 'the row is part of a cycle, which a later row closes'
	FROM load_fault f JOIN load_ring r ON r.line = f.line
	WHERE NOT EXISTS (SELECT FROM load_fault c WHERE c.line = f.line AND c.reason = 'cycle');
	TRUNCATE load_bad;
	INSERT INTO load_bad SELECT DISTINCT f.line FROM load_fault f;
	PERFORM load_analyze('load_bad');
END
$$;
COMMENT ON FUNCTION @extschema@.load_cascade() IS
'rejects rows whose parent was rejected; internal';

CREATE FUNCTION @extschema@.load_plan_relationships(h @extschema@.hierarchy, mode text, day date, is_replacing boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	-- nobody but children that were there before has relationships
	have_known boolean := EXISTS (SELECT FROM load_pair p WHERE NOT p.child_new);
	have_old boolean := false;
	loops text := current_setting('enable_nestloop');
	only_type text := CASE WHEN cardinality(h.relationship_types) = 1 THEN h.relationship_types[1] END;
BEGIN
	-- what there is, of children that have a good row
	CREATE TEMP TABLE load_old (no bigint, child bigint, parent bigint, valid daterange, share numeric, is_primary boolean, rtype text,
		influence numeric, attributes jsonb, named boolean) ON COMMIT DROP;
	IF have_known THEN
		-- statistics may not know yet what a hierarchy has that was nearly empty
		IF (SELECT c.reltuples FROM pg_class c WHERE c.oid = format('@extschema@.relationship_%s', h.hierarchy_id)::regclass) < 10000 THEN
			PERFORM set_config('enable_nestloop', 'off', true);
		END IF;
		INSERT INTO load_old
		SELECT row_number() OVER (), r.child_id, r.parent_id, r.valid, r.share, r.is_primary, r.relationship_type, r.influence_level,
			r.attributes, false
		FROM relationship r
		WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id IN (SELECT p.child FROM load_pair p WHERE NOT p.child_new
			AND NOT EXISTS (SELECT FROM load_bad b WHERE b.line = p.line));
		have_old := FOUND;
		PERFORM set_config('enable_nestloop', loops, true);
		CREATE INDEX ON load_old (child);
		PERFORM load_analyze('load_old');
	END IF;

	-- each row and the relationship there is
	CREATE TEMP TABLE load_want ON COMMIT DROP AS
	SELECT load_tick(p.line) AS line, p.child, p.parent, p.child_new, p.ctype, p.ptype, p.vfrom, p.vto, NULL::bigint AS old_no, 'insert' AS action,
		daterange(coalesce(p.vfrom, lower(h.validity)), coalesce(p.vto, upper(h.validity))) AS valid,
		p.share, p.is_primary, coalesce(p.rtype, only_type) AS rtype, p.influence, coalesce(p.rattrs, '{}') AS attributes, false AS is_move,
		NULL::date AS revises
	FROM load_pair p
	WHERE NOT have_old AND NOT EXISTS (SELECT FROM load_bad b WHERE b.line = p.line);
	CREATE TEMP TABLE load_gone (no bigint, child bigint, parent bigint, valid daterange, day date) ON COMMIT DROP;
	CREATE INDEX ON load_gone (no);
	IF have_old THEN
		INSERT INTO load_want
		SELECT load_tick(p.line), p.child, p.parent, p.child_new, p.ctype, p.ptype, p.vfrom, p.vto, o.no,
			CASE WHEN o.no IS NULL THEN 'insert'
				WHEN mode = 'insert_only' OR p.vfrom IS NULL AND p.vto IS NULL AND (p.share IS NULL OR p.share = o.share)
					AND (p.is_primary IS NULL OR p.is_primary = o.is_primary) AND (coalesce(p.rtype, o.rtype, only_type) IS NOT DISTINCT FROM o.rtype)
					AND (p.influence IS NULL OR p.influence = o.influence) AND (p.rattrs IS NULL OR o.attributes @> p.rattrs) THEN 'none'
				ELSE 'update' END,
			CASE WHEN o.no IS NULL THEN daterange(coalesce(p.vfrom, lower(h.validity)), coalesce(p.vto, upper(h.validity)))
				WHEN mode = 'insert_only' OR p.vfrom IS NULL AND p.vto IS NULL THEN o.valid
				ELSE daterange(
					CASE WHEN p.vfrom IS NULL OR EXISTS (SELECT FROM load_old b WHERE b.child = o.child AND b.parent = o.parent AND b.no <> o.no
						AND upper(b.valid) <= lower(o.valid) AND upper(b.valid) > p.vfrom) THEN lower(o.valid) ELSE p.vfrom END,
					CASE WHEN p.vto IS NULL OR p.vto <= lower(o.valid) THEN upper(o.valid) ELSE p.vto END) END,
			CASE WHEN o.no IS NULL OR mode <> 'insert_only' THEN coalesce(p.share, o.share) ELSE o.share END,
			CASE WHEN o.no IS NULL OR mode <> 'insert_only' THEN coalesce(p.is_primary, o.is_primary) ELSE o.is_primary END,
			CASE WHEN o.no IS NULL OR mode <> 'insert_only' THEN coalesce(p.rtype, o.rtype, only_type) ELSE o.rtype END,
			CASE WHEN o.no IS NULL OR mode <> 'insert_only' THEN coalesce(p.influence, o.influence) ELSE o.influence END,
			CASE WHEN o.no IS NULL OR mode <> 'insert_only' THEN coalesce(o.attributes, '{}') || coalesce(p.rattrs, '{}') ELSE o.attributes END, false,
			NULL
		FROM load_pair p
			LEFT JOIN load_old o ON o.child = p.child AND o.parent = p.parent
				AND CASE WHEN p.vfrom IS NULL THEN o.valid @> day ELSE o.valid && daterange(p.vfrom, p.vto) END
		WHERE NOT EXISTS (SELECT FROM load_bad b WHERE b.line = p.line);
		PERFORM load_analyze('load_want');
		-- several stays at the parent that would do: the one of the day, or else the last
		DELETE FROM load_want w
		USING (
			SELECT v.line, v.old_no, row_number() OVER (PARTITION BY v.line ORDER BY o.valid @> day DESC, lower(o.valid) DESC NULLS LAST) AS n
			FROM load_want v JOIN load_old o ON o.no = v.old_no
			WHERE v.vfrom IS NOT NULL) x
		WHERE x.n > 1 AND w.line = x.line AND w.old_no = x.old_no;
		UPDATE load_want w SET action = 'none'
		FROM load_old o
		WHERE o.no = w.old_no AND w.action = 'update'
			AND (o.valid, o.share, o.is_primary, o.rtype, o.influence, o.attributes)
				IS NOT DISTINCT FROM (w.valid, w.share, w.is_primary, w.rtype, w.influence, w.attributes);
		-- relationships that rows name, also rejected ones
		UPDATE load_old o SET named = true
		FROM load_pair p
		WHERE p.child = o.child AND p.parent = o.parent
			AND NOT EXISTS (SELECT FROM load_want w WHERE w.old_no = o.no);

		IF is_replacing AND mode <> 'insert_only' THEN
			-- parents that the file does not name any more end where it says otherwise
			INSERT INTO load_gone
			SELECT o.no, o.child, o.parent, o.valid, min(w.day)
			FROM load_old o
				JOIN (SELECT x.child, CASE WHEN x.old_no IS NULL OR x.action = 'update' AND x.vfrom > coalesce(lower(b.valid), '-infinity')
						THEN coalesce(x.vfrom, day) ELSE day END AS day, x.vto
					FROM load_want x LEFT JOIN load_old b ON b.no = x.old_no) w ON w.child = o.child
			WHERE NOT o.named AND NOT EXISTS (SELECT FROM load_want v WHERE v.old_no = o.no) AND (o.valid @> w.day OR o.valid @> day AND w.day < day) AND (w.vto IS NULL OR NOT daterange(NULL, w.vto) << o.valid)
			GROUP BY o.no, o.child, o.parent, o.valid;
			-- with what follows of the same stay
			INSERT INTO load_gone
			SELECT o.no, o.child, o.parent, o.valid, g.day
			FROM load_gone g JOIN load_old o ON o.child = g.child AND o.parent = g.parent
				AND o.valid = ANY (following(h.hierarchy_id, g.child, g.parent, g.valid))
			WHERE NOT upper_inf(g.valid) AND NOT EXISTS (SELECT FROM load_gone x WHERE x.no = o.no);
			PERFORM load_analyze('load_gone');
		END IF;
		IF mode = 'full_snapshot' THEN
			-- with what the list has left out: only together do they make sense, shares, say
			INSERT INTO load_gone
			SELECT o.no, o.child, o.parent, o.valid, day
			FROM load_old o JOIN load_unlisted u ON u.child = o.child AND u.parent = o.parent AND u.day IS NOT NULL
			WHERE (upper(o.valid) IS NULL OR upper(o.valid) > day) AND EXISTS (SELECT FROM load_want w WHERE w.child = o.child)
				AND NOT EXISTS (SELECT FROM load_gone x WHERE x.no = o.no);
			PERFORM load_analyze('load_gone');
		END IF;
	END IF;
	IF have_old OR have_known AND EXISTS (SELECT FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id) THEN
		-- a new relationship begins on the day if its child is in the hierarchy already, and ends where the next one begins
		UPDATE load_want w SET valid = daterange(x.first, x.last), is_move = x.moves
		FROM (
			SELECT n.line, n.moves,
				CASE WHEN n.vfrom IS NULL AND (n.vto IS NULL OR n.vto > day) AND (upper(h.validity) IS NULL OR upper(h.validity) > day)
					THEN day ELSE lower(n.valid) END AS first,
				CASE WHEN n.vto IS NULL THEN least(upper(n.valid), (SELECT min(lower(o.valid)) FROM load_old o
					WHERE o.child = n.child AND (o.parent = n.parent OR is_replacing AND NOT o.named)
						AND lower(o.valid) > coalesce(n.vfrom, day) AND NOT EXISTS (SELECT FROM load_gone g WHERE g.no = o.no)))
					ELSE upper(n.valid) END AS last
			FROM (
				SELECT v.*, EXISTS (SELECT FROM load_gone g WHERE g.child = v.child) AS moves
				FROM load_want v
				WHERE v.action = 'insert' AND (v.child IN (SELECT o.child FROM load_old o)
					OR v.child IN (SELECT r.parent_id FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id
						AND r.parent_id IN (SELECT c.child FROM load_want c WHERE c.action = 'insert' AND NOT c.child_new)))) n) x
		WHERE w.line = x.line AND (w.valid, w.is_move) IS DISTINCT FROM (daterange(x.first, x.last), x.moves);
	END IF;
	IF have_old AND is_replacing AND mode = 'insert_only' THEN
		-- who has a parent keeps it
		DELETE FROM load_want w
		WHERE w.action = 'insert' AND EXISTS (SELECT FROM load_old o WHERE o.child = w.child AND o.valid && w.valid);
	END IF;
	PERFORM load_analyze('load_want');

	-- relationships that stay as they are, and children with several
	CREATE TEMP TABLE load_kept ON COMMIT DROP AS
	SELECT o.* FROM load_old o
	WHERE NOT EXISTS (SELECT FROM load_want v WHERE v.old_no = o.no) AND NOT EXISTS (SELECT FROM load_gone g WHERE g.no = o.no);
	CREATE TEMP TABLE load_several ON COMMIT DROP AS
	SELECT v.child, count(*) AS n FROM load_want v
	WHERE v.child IN (SELECT k.node FROM load_entity k WHERE k.n > 1 OR k.is_follower UNION ALL SELECT o.child FROM load_kept o)
	GROUP BY v.child
	HAVING count(*) > 1 OR v.child IN (SELECT o.child FROM load_kept o);
	CREATE INDEX ON load_kept (child);
	PERFORM load_analyze('load_kept, load_several');

	-- what is not stated: the whole share for the only parent, and a primary parent
	IF h.share_mode = 'split' THEN
		UPDATE load_want w SET share = 1, action = CASE action WHEN 'none' THEN 'update' ELSE action END
		WHERE w.share IS NULL AND (w.old_no IS NULL OR mode <> 'insert_only') AND NOT EXISTS (SELECT FROM load_several s
			WHERE s.child = w.child AND (s.n > 1 OR EXISTS (SELECT FROM load_kept o WHERE o.child = w.child AND o.valid && w.valid)));
	END IF;
	WITH ranked AS (
		-- the first parent of a child, where the file names none as primary
		SELECT w.line, w.is_primary AS was, p.is_primary AS said, w.valid,
			bool_or(p.is_primary) OVER child AS any_said, bool_or(w.is_primary) OVER child AS any_was,
			row_number() OVER (PARTITION BY w.child ORDER BY w.line) AS n,
			(SELECT bool_or(o.is_primary) FROM load_kept o
				WHERE o.child = w.child AND o.valid && w.valid AND (upper(o.valid) IS NULL OR upper(o.valid) > day)) AS kept
		FROM load_want w JOIN load_pair p ON p.line = w.line
		WHERE w.child IN (SELECT s.child FROM load_several s)
		WINDOW child AS (PARTITION BY w.child))
	UPDATE load_want w SET action = CASE w.action WHEN 'none' THEN 'update' ELSE w.action END, is_primary = coalesce(r.said,
		CASE WHEN r.any_said THEN false WHEN r.any_was THEN coalesce(r.was, false)
			ELSE r.n = 1 AND coalesce(r.kept, false) IS FALSE END)
	FROM ranked r
	WHERE r.line = w.line AND (w.old_no IS NULL OR mode <> 'insert_only') AND w.is_primary IS DISTINCT FROM coalesce(r.said,
		CASE WHEN r.any_said THEN false WHEN r.any_was THEN coalesce(r.was, false)
			ELSE r.n = 1 AND coalesce(r.kept, false) IS FALSE END);

	-- what was there before the change stays as it was: it ends on the day, and goes on with other figures
	IF have_old THEN
		UPDATE load_want w SET revises = x.day, valid = daterange(x.day, upper(w.valid))
		FROM (
			SELECT v.line, o.no, coalesce(v.vfrom, load_plan_relationships.day) AS day
			FROM load_want v JOIN load_old o ON o.no = v.old_no
			WHERE v.action = 'update' AND (o.share, o.is_primary, o.rtype, o.influence)
				IS DISTINCT FROM (v.share, coalesce(v.is_primary, true), v.rtype, v.influence)
				AND o.valid @> coalesce(v.vfrom, load_plan_relationships.day)
				AND lower(o.valid) IS DISTINCT FROM coalesce(v.vfrom, load_plan_relationships.day)) x
		WHERE w.line = x.line AND w.old_no = x.no AND w.valid @> x.day;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.load_plan_relationships(@extschema@.hierarchy, text, date, boolean) IS
'decides what is to become of the relationships of a file; internal';

CREATE FUNCTION @extschema@.load_plan_entities(batch_source text, mode text)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	mine integer := (SELECT s.trust FROM load_source s WHERE s.source = batch_source);
	twins boolean := EXISTS (SELECT FROM load_twin);
	have_known boolean := EXISTS (SELECT FROM load_entity k WHERE NOT k.is_new);
BEGIN
	-- what good rows say of each entity; first: the row that the entity is counted with;
	-- agrees: the source lists it for the first time, and says nothing that it does not show
	CREATE TEMP TABLE load_value ON COMMIT DROP AS
	SELECT load_tick(k.ent) AS ent, k.node, k.is_new, k.etype, k.code, k.own_code, l.line AS first, l.name, l.status, coalesce(l.vals, '{}') AS vals, l.attrs,
		NOT k.is_new AND s.entity_id IS NULL AND coalesce(e.name = coalesce(l.name, e.name) AND e.status = coalesce(l.status, e.status)
			AND (l.attrs IS NULL OR e.attributes @> l.attrs), false) AS agrees
	FROM load_entity k JOIN load_line l ON l.line = k.ent
		LEFT JOIN entity e ON have_known AND e.entity_id = k.node
		LEFT JOIN entity_source s ON s.source = batch_source AND s.entity_id = k.node
	WHERE k.n = 1 AND k.node IS NOT NULL AND NOT k.is_follower
		AND (k.is_new OR mode <> 'insert_only' AND (l.ids IS NOT NULL OR s.listed IS NOT TRUE OR NOT s."values" @> coalesce(l.vals, '{}')))
		AND NOT EXISTS (SELECT FROM load_bad b WHERE b.line = l.line);
	IF twins THEN
		INSERT INTO load_value
		SELECT x.ent, x.node, x.is_new, x.etype, x.code, x.own_code, x.line, x.name, x.status, coalesce(x.vals, '{}'), x.attrs, false
		FROM (
			SELECT DISTINCT ON (k.ent) k.ent, k.node, k.is_new, k.etype, k.code, k.own_code, l.line, l.name, l.status, l.vals, l.attrs, l.ids
			FROM load_entity k
				JOIN (SELECT o.ent AS line, o.ent FROM load_entity o WHERE o.n > 1 UNION ALL SELECT t.line, t.ent FROM load_twin t) t ON t.ent = k.ent
				JOIN load_line l ON l.line = t.line
			WHERE k.node IS NOT NULL AND NOT k.is_follower AND NOT EXISTS (SELECT FROM load_mixed m WHERE m.ent = k.ent)
				AND NOT EXISTS (SELECT FROM load_bad b WHERE b.line = l.line)
			ORDER BY k.ent, l.line) x
			LEFT JOIN entity_source s ON s.source = batch_source AND s.entity_id = x.node
		WHERE x.is_new OR mode <> 'insert_only' AND (x.ids IS NOT NULL OR s.listed IS NOT TRUE OR NOT s."values" @> coalesce(x.vals, '{}'));
		-- rows that say different fields, or the same where not rejected
		INSERT INTO load_value
		SELECT k.ent, k.node, k.is_new, k.etype, k.code, k.own_code, min(l.line), min(l.name), min(l.status),
			coalesce(nullif(jsonb_object_agg(coalesce(v.key, ''), v.value), '{"": null}') - ''::text, '{}'),
			nullif(coalesce(jsonb_object_agg(substr(v.key, 12), v.value) FILTER (WHERE v.key LIKE 'attributes.%'), '{}'), '{}'), false
		FROM load_line l LEFT JOIN load_twin t ON t.line = l.line
			JOIN load_entity k ON k.ent = coalesce(t.ent, l.line)
			LEFT JOIN LATERAL jsonb_each(l.vals) v ON true
		WHERE k.ent IN (SELECT m.ent FROM load_mixed m) AND k.node IS NOT NULL AND NOT k.is_follower AND (k.is_new OR mode <> 'insert_only')
			AND NOT EXISTS (SELECT FROM load_bad b WHERE b.line = l.line)
		GROUP BY k.ent, k.node, k.is_new, k.etype, k.code, k.own_code;
	END IF;
	-- parents that were added, if a good row names them
	IF EXISTS (SELECT FROM load_value v WHERE v.ent < 0) THEN
		DELETE FROM load_value v
		WHERE v.ent < 0 AND NOT EXISTS (SELECT FROM load_pair p
			WHERE p.parent_ent = v.ent AND NOT EXISTS (SELECT FROM load_bad b WHERE b.line = p.line));
	END IF;
	PERFORM load_analyze('load_value');

	-- of other entities that are there: where the source says something else than before, unless one that is trusted more speaks of it
	CREATE TEMP TABLE load_change ON COMMIT DROP AS
	SELECT v.ent, v.node, v.first, v.code, v.own_code, s.entity_id IS NULL AS is_first, coalesce(s.deactivated, false) AS reactivate,
		coalesce(s."values", '{}') AS before, v.vals, NULL::text AS name, NULL::text AS status, NULL::jsonb AS attributes, false AS changes
	FROM load_value v LEFT JOIN entity_source s ON s.source = batch_source AND s.entity_id = v.node
	WHERE NOT v.is_new AND NOT v.agrees AND (s.entity_id IS NULL OR NOT s.listed OR NOT s."values" @> v.vals);
	PERFORM load_analyze('load_change');
	IF EXISTS (SELECT FROM load_change) THEN
		UPDATE load_change c SET name = x.name, status = x.status, attributes = x.attributes,
			changes = NOT coalesce(e.name = coalesce(x.name, e.name) AND e.status = coalesce(x.status, e.status)
				AND e.attributes @> coalesce(x.attributes, '{}'), false)
		FROM (
			SELECT d.node, max(d.value #>> '{}') FILTER (WHERE d.key = 'name') AS name, max(d.value #>> '{}') FILTER (WHERE d.key = 'status') AS status,
				jsonb_object_agg(substr(d.key, 12), d.value) FILTER (WHERE d.key LIKE 'attributes.%') AS attributes
			FROM (
				SELECT c.node, v.key, v.value
				FROM load_change c CROSS JOIN LATERAL jsonb_each(c.vals) v
				WHERE c.before->v.key IS DISTINCT FROM v.value
					AND NOT EXISTS (SELECT FROM entity_source o JOIN load_source s ON s.source = o.source
						WHERE o.entity_id = c.node AND o.source <> batch_source AND s.trust > mine AND o."values" ? v.key)
				UNION ALL
				SELECT c.node, 'status', '"active"'
				FROM load_change c
				WHERE c.reactivate AND NOT c.vals ? 'status') d
			GROUP BY d.node) x
			LEFT JOIN entity e ON e.entity_id = x.node
		WHERE x.node = c.node;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.load_plan_entities(text, text) IS
'decides what is to become of the entities of a file; internal';

CREATE FUNCTION @extschema@.load_check_plan(h @extschema@.hierarchy)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	has_limits boolean := EXISTS (SELECT FROM relationship_rule r WHERE r.hierarchy_id = h.hierarchy_id AND r.max_parents IS NOT NULL);
	types text[] := array(SELECT t.entity_type FROM entity_type t ORDER BY t.entity_type);
	snapshot boolean := to_regclass('pg_temp.load_unlisted') IS NOT NULL;
	few boolean;
	edges text;
BEGIN
	-- children with all their parents, where there are several or something is stated that may not do
	INSERT INTO load_fault
	SELECT DISTINCT ON (w.line, f.reason) w.line, f.reason, f.message
	FROM (
		SELECT x.*,
			CASE x.finding WHEN 'overlap' THEN 'validity' WHEN 'share_sum' THEN 'share_sum' WHEN 'two_primary' THEN 'primary'
				WHEN 'no_primary' THEN 'primary' ELSE 'max_parents' END AS reason,
			CASE x.finding
				WHEN 'overlap' THEN 'the child stands under this parent already on the same day'
				WHEN 'share_sum' THEN CASE WHEN x.n > 0 THEN 'shares of the child are not all stated'
					ELSE format('shares of the child sum to %s', x.share) END
				WHEN 'two_primary' THEN format('the child has a primary parent already in hierarchy "%s"', h.name)
				WHEN 'no_primary' THEN format('the child has no primary parent in hierarchy "%s"', h.name)
				WHEN 'max_kind' THEN format('the child has enough parents of type %s in hierarchy "%s"', types[x.which + 1], h.name)
				ELSE format('the child has enough parents in hierarchy "%s": more than %s', h.name, h.max_parents) END
				|| coalesce(' (from ' || to_char(x.day, 'YYYY-MM-DD') || ' on)', '') AS message
		FROM load_check_days(format('
			SELECT y.child, y.parent, y.valid, y.share, y.is_primary, %s, %s
			FROM (
				SELECT w.child, w.parent, w.valid, w.share, coalesce(w.is_primary, true) AS is_primary, w.ctype, w.ptype
				FROM load_want w
				WHERE w.child IN (SELECT s.child FROM load_several s) OR %L AND w.is_primary IS FALSE OR %L AND w.share IS DISTINCT FROM 1
					OR EXISTS (SELECT FROM load_gone g WHERE g.child = w.child) OR w.revises IS NOT NULL
				UNION ALL
				SELECT w.child, w.parent, daterange(lower(o.valid), w.revises), o.share, o.is_primary, w.ctype, w.ptype
				FROM load_want w JOIN load_old o ON o.no = w.old_no
				WHERE w.revises IS NOT NULL
				UNION ALL
				SELECT o.child, o.parent, o.valid, o.share, o.is_primary, %s
				FROM load_kept o %s
				UNION ALL
				SELECT o.child, o.parent, daterange(lower(o.valid), g.day), o.share, o.is_primary, %s
				FROM load_gone g JOIN load_old o ON o.no = g.no %s
				WHERE lower(o.valid) IS NULL OR lower(o.valid) < g.day) y %s
			ORDER BY y.child',
			CASE WHEN has_limits THEN format('array_position(%L::text[], y.ptype) - 1', types) ELSE 'NULL::integer' END,
			CASE WHEN has_limits THEN 'r.max_parents' ELSE 'NULL::integer' END,
			h.require_primary, h.share_mode = 'split',
			CASE WHEN has_limits THEN 'c.entity_type, p.entity_type' ELSE 'NULL::text, NULL::text' END,
			CASE WHEN has_limits THEN 'JOIN entity c ON c.entity_id = o.child JOIN entity p ON p.entity_id = o.parent' END,
			CASE WHEN has_limits THEN 'c.entity_type, p.entity_type' ELSE 'NULL::text, NULL::text' END,
			CASE WHEN has_limits THEN 'JOIN entity c ON c.entity_id = o.child JOIN entity p ON p.entity_id = o.parent' END,
			CASE WHEN has_limits THEN format('LEFT JOIN relationship_rule r ON r.hierarchy_id = %s AND r.child_type = y.ctype AND r.parent_type = y.ptype',
				h.hierarchy_id) END),
			coalesce(h.max_parents, 0), h.require_primary, h.share_mode = 'split', CASE WHEN has_limits THEN cardinality(types) ELSE 0 END) x) f
		JOIN LATERAL (
			-- of too many the last ones; where there is no telling, all
			SELECT v.line
			FROM (
				SELECT w.line, w.action, row_number() OVER (ORDER BY w.action = 'none', w.line DESC) AS n
				FROM load_want w
				WHERE w.child = f.child AND (f.finding IN ('share_sum', 'no_primary') OR w.valid @> f.day OR f.day IS NULL AND lower_inf(w.valid))
					AND (f.finding <> 'overlap' OR w.parent = f.which) AND (f.finding <> 'two_primary' OR coalesce(w.is_primary, true))
					AND (f.finding <> 'max_kind' OR w.ptype = types[f.which + 1])) v
			WHERE v.action <> 'none' AND f.finding <> 'share_sum' AND f.finding <> 'no_primary'
				AND v.n <= CASE f.finding WHEN 'two_primary' THEN f.n - 1 WHEN 'overlap' THEN 1 ELSE f.n END
				OR f.finding IN ('share_sum', 'no_primary')) w ON true
	ORDER BY w.line, f.reason, f.day NULLS FIRST;
	IF FOUND THEN
		RETURN;
	END IF;

	-- cycles: those in the file, and those with what is there above the parents
	few := (SELECT count(*) FROM (SELECT FROM load_want w WHERE w.action <> 'none' LIMIT 10000) x) * 10
		< (SELECT c.reltuples FROM pg_class c WHERE c.oid = format('@extschema@.relationship_%s', h.hierarchy_id)::regclass);
	edges := format('SELECT r.child_id, r.parent_id, %s, NULL::bigint, NULL::boolean FROM relationship r
		%s WHERE r.hierarchy_id = %s AND NOT EXISTS (SELECT FROM load_old o WHERE o.child = r.child_id)',
		CASE WHEN snapshot THEN 'CASE WHEN u.day <= lower(r.valid) THEN ''empty'' WHEN u.day < upper(r.valid) OR upper_inf(r.valid) AND u.day IS NOT NULL
			THEN daterange(lower(r.valid), u.day) ELSE r.valid END' ELSE 'r.valid' END,
		CASE WHEN snapshot THEN 'LEFT JOIN load_unlisted u ON u.child = r.child_id AND u.parent = r.parent_id' END, h.hierarchy_id);
	IF few THEN
		edges := format('WITH RECURSIVE up (node) AS (
				SELECT w.parent FROM load_want w WHERE w.action <> ''none''
				UNION
				SELECT r.parent_id FROM up u JOIN relationship r ON r.child_id = u.node AND r.hierarchy_id = %s) %s
			AND r.child_id IN (SELECT u.node FROM up u)', h.hierarchy_id, edges);
	END IF;
	WITH ring AS MATERIALIZED (
		SELECT c.line, c.closes FROM load_cycles(edges || '
			UNION ALL
			SELECT o.child, o.parent, o.valid, NULL, NULL FROM load_kept o
			UNION ALL
			SELECT g.child, g.parent, daterange(lower(g.valid), g.day), NULL, NULL FROM load_gone g WHERE lower(g.valid) IS NULL OR lower(g.valid) < g.day
			UNION ALL
			SELECT w.child, w.parent, daterange(lower(o.valid), w.revises), NULL, NULL FROM load_want w JOIN load_old o ON o.no = w.old_no
			WHERE w.revises IS NOT NULL
			UNION ALL
			SELECT w.child, w.parent, w.valid, CASE WHEN w.action <> ''none'' THEN w.line END,
				NOT w.child_new OR w.child IN (SELECT k.node FROM load_entity k WHERE k.n > 1) FROM load_want w') c),
	part AS (
		INSERT INTO load_ring SELECT r.line FROM ring r WHERE NOT r.closes)
	INSERT INTO load_fault
	SELECT r.line, 'cycle', 'the row would close a cycle: the parent is below the entity'
	FROM ring r
	WHERE r.closes;
END
$$;
COMMENT ON FUNCTION @extschema@.load_check_plan(@extschema@.hierarchy) IS
'finds rows whose relationship would break a rule; internal';

-- Carrying the plan out.  Each step takes those with a key from a to b, so that
-- rows that fail can be searched for by halving.

CREATE FUNCTION @extschema@.load_write_entities(a bigint, b bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO entity (entity_id, entity_type, code, name, status, attributes)
	SELECT load_tick(v.node), v.etype, v.code, coalesce(v.name, v.code), coalesce(v.status, 'active'), coalesce(v.attrs, '{}')
	FROM load_value v
	WHERE v.is_new AND v.ent BETWEEN a AND b
	ORDER BY v.node;
	IF EXISTS (SELECT FROM load_change c WHERE c.changes AND c.ent BETWEEN a AND b) THEN
		UPDATE entity e SET name = coalesce(c.name, e.name), status = coalesce(c.status, e.status),
			attributes = e.attributes || coalesce(c.attributes, '{}')
		FROM load_change c
		WHERE e.entity_id = c.node AND c.changes AND c.ent BETWEEN a AND b AND c.status IS DISTINCT FROM 'inactive';
	END IF;
	IF EXISTS (SELECT FROM load_id) THEN
		INSERT INTO identifier (scheme, value, entity_id)
		SELECT DISTINCT i.scheme, i.value, v.node
		FROM load_id i JOIN load_value v ON v.ent = i.ent
		WHERE i.owner IS NULL AND v.ent BETWEEN a AND b;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.load_write_entities(bigint, bigint) IS
'writes entities of a load; internal';

-- Entities become inactive after their relationships have ended.
CREATE FUNCTION @extschema@.load_write_inactive(a bigint, b bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	UPDATE entity e SET name = coalesce(c.name, e.name), status = c.status, attributes = e.attributes || coalesce(c.attributes, '{}')
	FROM load_change c
	WHERE e.entity_id = c.node AND c.changes AND c.ent BETWEEN a AND b AND c.status = 'inactive';
END
$$;
COMMENT ON FUNCTION @extschema@.load_write_inactive(bigint, bigint) IS
'makes entities of a load inactive; internal';

CREATE FUNCTION @extschema@.load_check_late()
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
BEGIN
	-- what waits for the end of the transaction is known now
	SET CONSTRAINTS @extschema@.relationship_share_sum_check, @extschema@.relationship_require_primary_check IMMEDIATE;
	SET CONSTRAINTS @extschema@.relationship_share_sum_check, @extschema@.relationship_require_primary_check DEFERRED;
END
$$;
COMMENT ON FUNCTION @extschema@.load_check_late() IS
'checks rules that may be broken until the end of the transaction; internal';

CREATE FUNCTION @extschema@.load_write_relationships(h_id integer, a bigint, b bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF EXISTS (SELECT FROM load_old) THEN
		DELETE FROM relationship r
		USING load_gone g
		WHERE r.hierarchy_id = h_id AND r.child_id = g.child AND r.parent_id = g.parent AND r.valid = g.valid
			AND g.child BETWEEN a AND b AND lower(g.valid) >= g.day;
		UPDATE relationship r SET valid = coalesce(x.valid, r.valid),
			share = CASE WHEN x.no IS NULL THEN x.share ELSE r.share END,
			is_primary = CASE WHEN x.no IS NULL THEN x.is_primary ELSE r.is_primary END,
			relationship_type = CASE WHEN x.no IS NULL THEN x.rtype ELSE r.relationship_type END,
			influence_level = CASE WHEN x.no IS NULL THEN x.influence ELSE r.influence_level END,
			attributes = CASE WHEN x.no IS NULL THEN x.attributes ELSE r.attributes END
		FROM (
			SELECT g.no, g.child, g.parent, g.valid AS old_valid, daterange(lower(g.valid), g.day) AS valid, NULL::numeric AS share,
				NULL::boolean AS is_primary, NULL::text AS rtype, NULL::numeric AS influence, NULL::jsonb AS attributes
			FROM load_gone g
			WHERE g.child BETWEEN a AND b AND (lower(g.valid) IS NULL OR lower(g.valid) < g.day)
			UNION ALL
			SELECT o.no, w.child, w.parent, o.valid, daterange(lower(o.valid), w.revises), NULL, NULL, NULL, NULL, NULL
			FROM load_want w JOIN load_old o ON o.no = w.old_no
			WHERE w.revises IS NOT NULL AND w.child BETWEEN a AND b
			UNION ALL
			SELECT NULL, w.child, w.parent, o.valid, w.valid, w.share, coalesce(w.is_primary, true), w.rtype, w.influence, w.attributes
			FROM load_want w JOIN load_old o ON o.no = w.old_no
			WHERE w.action = 'update' AND w.revises IS NULL AND w.child BETWEEN a AND b) x
		WHERE r.hierarchy_id = h_id AND r.child_id = x.child AND r.parent_id = x.parent AND r.valid = x.old_valid;
	END IF;
	INSERT INTO relationship (hierarchy_id, parent_id, child_id, relationship_type, is_primary, share, influence_level, attributes, valid)
	SELECT h_id, w.parent, load_tick(w.child), w.rtype, coalesce(w.is_primary, true), w.share, w.influence, w.attributes, w.valid
	FROM load_want w
	WHERE (w.action = 'insert' OR w.revises IS NOT NULL) AND w.child BETWEEN a AND b
	-- neighbours in the indexes one after the other; so below
	ORDER BY w.child;
	PERFORM load_check_late();
END
$$;
COMMENT ON FUNCTION @extschema@.load_write_relationships(integer, bigint, bigint) IS
'writes relationships of a load; internal';

CREATE FUNCTION @extschema@.load_end_relationships(h_id integer, day date, a bigint, b bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	DELETE FROM relationship r
	USING load_ending u
	WHERE r.hierarchy_id = h_id AND r.child_id = u.child AND r.parent_id = u.parent AND u.child BETWEEN a AND b AND lower(r.valid) >= day;
	UPDATE relationship r SET valid = daterange(lower(r.valid), day)
	FROM load_ending u
	WHERE r.hierarchy_id = h_id AND r.child_id = u.child AND r.parent_id = u.parent AND u.child BETWEEN a AND b AND r.valid @> day;
	PERFORM load_check_late();
END
$$;
COMMENT ON FUNCTION @extschema@.load_end_relationships(integer, date, bigint, bigint) IS
'ends relationships that a source lists no more; internal';

CREATE FUNCTION @extschema@.load_try(step text, h_id integer, day date, a bigint, b bigint)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	state text;
	name text;
	text_of text;
	detail text;
	middle bigint;
BEGIN
	IF a IS NULL THEN
		RETURN '[]';
	END IF;
	BEGIN
		CASE step
			WHEN 'entities' THEN PERFORM load_write_entities(a, b);
			WHEN 'inactive' THEN PERFORM load_write_inactive(a, b);
			WHEN 'relationships' THEN PERFORM load_write_relationships(h_id, a, b);
			WHEN 'end' THEN PERFORM load_end_relationships(h_id, day, a, b);
		END CASE;
		RETURN '[]';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, name = CONSTRAINT_NAME, text_of = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
		-- what may be the fault of a row: its data, a constraint, a policy, a trigger's error, its size
		IF state !~ '^(22|23|44|P0)' AND state NOT IN ('42501', '54000') THEN
			RAISE;
		END IF;
	END;
	IF a = b THEN
		RETURN jsonb_build_array(jsonb_build_object('key', a, 'step', step, 'state', state, 'constraint', name, 'message', text_of, 'detail', detail));
	END IF;
	-- half as many in each half
	CASE step
		WHEN 'entities' THEN
			SELECT x.ent INTO middle FROM (SELECT v.ent, row_number() OVER (ORDER BY v.ent) AS i, count(*) OVER () AS n FROM load_value v
				WHERE v.ent BETWEEN a AND b) x WHERE x.i = (x.n + 1) / 2;
		WHEN 'inactive' THEN
			SELECT x.ent INTO middle FROM (SELECT c.ent, row_number() OVER (ORDER BY c.ent) AS i, count(*) OVER () AS n FROM load_change c
				WHERE c.ent BETWEEN a AND b AND c.changes) x WHERE x.i = (x.n + 1) / 2;
		WHEN 'relationships' THEN
			SELECT x.child INTO middle FROM (SELECT w.child, row_number() OVER (ORDER BY w.child) AS i, count(*) OVER () AS n
				FROM (SELECT v.child FROM load_want v WHERE v.child BETWEEN a AND b AND v.action <> 'none'
					UNION
					SELECT g.child FROM load_gone g WHERE g.child BETWEEN a AND b) w) x WHERE x.i = (x.n + 1) / 2;
		ELSE
			SELECT x.child INTO middle FROM (SELECT w.child, row_number() OVER (ORDER BY w.child) AS i, count(*) OVER () AS n
				FROM (SELECT DISTINCT v.child FROM load_ending v WHERE v.child BETWEEN a AND b) w) x WHERE x.i = (x.n + 1) / 2;
	END CASE;
	IF middle IS NULL THEN
		-- none of ours: something else fails
		RAISE EXCEPTION USING ERRCODE = state, MESSAGE = text_of, DETAIL = detail;
	ELSIF middle = b THEN
		RETURN jsonb_build_array(jsonb_build_object('key', b, 'step', step, 'state', state, 'constraint', name, 'message', text_of, 'detail', detail));
	END IF;
	RETURN load_try(step, h_id, day, a, middle) || load_try(step, h_id, day, middle + 1, b);
END
$$;
COMMENT ON FUNCTION @extschema@.load_try(text, integer, date, bigint, bigint) IS
'carries out a step of a load for keys from a to b; returns those that fail; internal';

CREATE FUNCTION @extschema@.load_reason(problem jsonb, h @extschema@.hierarchy)
RETURNS text
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN problem->>'constraint' IN ('relationship_rule_check') THEN 'type_rule'
		WHEN problem->>'constraint' = 'relationship_max_parents_check' THEN 'max_parents'
		WHEN problem->>'constraint' IN ('relationship_primary_check', 'relationship_require_primary_check') THEN 'primary'
		WHEN problem->>'constraint' = 'relationship_share_sum_check' THEN 'share_sum'
		WHEN problem->>'constraint' IN ('relationship_validity_check', 'relationship_valid_excl', 'relationship_valid_check') THEN 'validity'
		WHEN problem->>'constraint' = 'relationship_active_check' THEN 'inactive_parent'
		WHEN problem->>'constraint' IN ('relationship_relationship_type_fkey', 'relationship_type_check') THEN 'unknown_relationship_type'
		WHEN problem->>'constraint' = h.name AND problem->>'state' = '23514' OR problem->>'constraint' = 'relationship_self_check' THEN 'cycle'
		WHEN problem->>'constraint' = 'identifier_pkey' THEN 'identifier_taken'
		WHEN problem->>'constraint' IN ('identifier_npi_check', 'identifier_lei_check', 'identifier_duns_check') THEN 'checksum'
		WHEN problem->>'constraint' = 'identifier_pattern_check' THEN 'bad_identifier'
		ELSE 'rule'
	END
$$;
COMMENT ON FUNCTION @extschema@.load_reason(jsonb, @extschema@.hierarchy) IS
'code for an error of the server; internal';

-- What a source has listed, and its full snapshot does not list.
CREATE FUNCTION @extschema@.load_find_unlisted(batch_id bigint, batch_source text, h @extschema@.hierarchy, day date)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
-- what the source has listed may be more than statistics know of
SET enable_nestloop = off
AS $$
#variable_conflict use_column
BEGIN
	-- rows that cannot be read may have listed anything: what they mention stays
	CREATE TEMP TABLE load_spared (entity_id bigint) ON COMMIT DROP;
	EXECUTE format('WITH s AS MATERIALIZED (
			SELECT s.* FROM %s s
			WHERE s._line IN (SELECT l.line FROM load_line l WHERE l.code IS NULL AND l.ids IS NULL OR l.etype IS NULL))
		INSERT INTO load_spared
		SELECT DISTINCT q.entity_id
		FROM entity_source q JOIN entity e ON e.entity_id = q.entity_id CROSS JOIN s
		WHERE q.source = $1 AND q.listed AND strpos(%s, coalesce(q.record, e.code)) > 0',
		format('@extschema@.%I', 'load_stage_' || load_find_unlisted.batch_id)::regclass,
		(SELECT load_raw(b.columns) FROM load_batch b WHERE b.batch_id = load_find_unlisted.batch_id))
	USING batch_source;
	CREATE TEMP TABLE load_unlisted (child bigint, parent bigint, day date) ON COMMIT DROP;
	IF to_regclass('pg_temp.load_pair') IS NOT NULL THEN
		INSERT INTO load_unlisted
		SELECT s.child_id, s.parent_id, CASE WHEN NOT EXISTS (SELECT FROM relationship_source o
			WHERE o.hierarchy_id = h.hierarchy_id AND o.child_id = s.child_id AND o.parent_id = s.parent_id AND o.source <> batch_source)
			THEN load_find_unlisted.day END
		FROM relationship_source s
		WHERE s.source = batch_source AND s.hierarchy_id = h.hierarchy_id
			AND NOT EXISTS (SELECT FROM load_spared a WHERE a.entity_id = s.child_id)
			AND NOT EXISTS (SELECT FROM load_pair p WHERE p.child = s.child_id AND p.parent = s.parent_id);
	END IF;
	PERFORM load_analyze('load_spared, load_unlisted');
END
$$;
COMMENT ON FUNCTION @extschema@.load_find_unlisted(bigint, text, @extschema@.hierarchy, date) IS
'finds what a source has listed before and lists no more; internal';

CREATE FUNCTION @extschema@.load_find_lost(batch_source text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
SET enable_nestloop = off
AS $$
#variable_conflict use_column
BEGIN
	CREATE TEMP TABLE load_lost ON COMMIT DROP AS
	SELECT s.entity_id, e.status = 'active' AND NOT EXISTS (SELECT FROM entity_source o
		WHERE o.entity_id = s.entity_id AND o.source <> batch_source AND o.listed) AS ends
	FROM entity_source s JOIN entity e ON e.entity_id = s.entity_id
	WHERE s.source = batch_source AND s.listed AND NOT EXISTS (SELECT FROM load_spared a WHERE a.entity_id = s.entity_id)
		AND NOT EXISTS (SELECT FROM load_entity k WHERE k.node = s.entity_id);
END
$$;
COMMENT ON FUNCTION @extschema@.load_find_lost(text) IS
'finds entities that a source has listed before and lists no more; internal';

CREATE FUNCTION @extschema@.load_apply(
	batch_id bigint,
	batch_source text,
	h @extschema@.hierarchy,
	mode text,
	day date,
	OUT problems jsonb,
	OUT ended bigint,
	OUT deactivated bigint,
	OUT refused jsonb)
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	stage regclass := format('@extschema@.%I', 'load_stage_' || load_apply.batch_id)::regclass;
	total bigint := (SELECT count(*) FROM load_line);
	is_plain boolean;
BEGIN
	ended := 0;
	deactivated := 0;
	refused := '[]';
	PERFORM load_step(load_apply.batch_id, stage, 7, total, 0);
	problems := load_try('entities', NULL, NULL, (SELECT min(v.ent) FROM load_value v), (SELECT max(v.ent) FROM load_value v));
	IF problems <> '[]' THEN
		RETURN;
	END IF;
	IF h.hierarchy_id IS NOT NULL AND to_regclass('pg_temp.load_want') IS NOT NULL THEN
		IF mode = 'full_snapshot' THEN
			-- first: what the list turns upside down would close cycles otherwise
			CREATE TEMP TABLE load_ending ON COMMIT DROP AS
			SELECT u.child, u.parent FROM load_unlisted u
			WHERE NOT EXISTS (SELECT FROM load_want w WHERE w.child = u.child);
			DELETE FROM relationship_source s
			USING load_ending u
			WHERE s.source = batch_source AND s.hierarchy_id = h.hierarchy_id AND s.child_id = u.child AND s.parent_id = u.parent;
			DELETE FROM load_ending u
			WHERE EXISTS (SELECT FROM relationship_source s
					WHERE s.hierarchy_id = h.hierarchy_id AND s.child_id = u.child AND s.parent_id = u.parent)
				OR NOT EXISTS (SELECT FROM relationship r WHERE r.hierarchy_id = h.hierarchy_id AND r.child_id = u.child AND r.parent_id = u.parent
					AND (upper(r.valid) IS NULL OR upper(r.valid) > day));
			PERFORM load_analyze('load_ending');
			refused := load_try('end', h.hierarchy_id, day, (SELECT min(u.child) FROM load_ending u), (SELECT max(u.child) FROM load_ending u));
			SELECT count(*) INTO ended FROM load_ending u
			WHERE u.child NOT IN (SELECT (p->>'key')::bigint FROM jsonb_array_elements(refused) p);
			IF refused <> '[]' THEN
				INSERT INTO relationship_source (source, hierarchy_id, child_id, parent_id, batch_id)
				SELECT batch_source, h.hierarchy_id, u.child, u.parent, load_apply.batch_id
				FROM load_ending u
				WHERE u.child IN (SELECT (p->>'key')::bigint FROM jsonb_array_elements(refused) p);
			END IF;
			DROP TABLE load_ending;
		END IF;
		PERFORM load_step(load_apply.batch_id, stage, 8, total, 0);
		problems := load_try('relationships', h.hierarchy_id, day,
			(SELECT least(min(w.child), (SELECT min(g.child) FROM load_gone g)) FROM load_want w WHERE w.action <> 'none'),
			(SELECT greatest(max(w.child), (SELECT max(g.child) FROM load_gone g)) FROM load_want w WHERE w.action <> 'none'));
		IF problems <> '[]' THEN
			RETURN;
		END IF;
		IF EXISTS (SELECT FROM load_gone) THEN
			DELETE FROM relationship_source s
			USING load_gone g
			WHERE s.hierarchy_id = h.hierarchy_id AND s.child_id = g.child AND s.parent_id = g.parent AND s.source = batch_source;
		END IF;
		IF mode = 'full_snapshot' THEN
			DELETE FROM relationship_source s
			USING load_unlisted u
			WHERE s.hierarchy_id = h.hierarchy_id AND s.child_id = u.child AND s.parent_id = u.parent AND s.source = batch_source
				AND EXISTS (SELECT FROM load_want w WHERE w.child = u.child);
		END IF;
		is_plain := NOT EXISTS (SELECT FROM load_old) AND NOT EXISTS (SELECT FROM load_twin)
			AND NOT EXISTS (SELECT FROM load_entity k WHERE k.is_follower);
		IF is_plain AND NOT EXISTS (SELECT FROM relationship_source s WHERE s.hierarchy_id = h.hierarchy_id AND s.source = batch_source) THEN
			-- each child on one row, and nothing to compare with
			INSERT INTO relationship_source (source, hierarchy_id, child_id, parent_id, batch_id)
			SELECT batch_source, h.hierarchy_id, w.child, w.parent, load_apply.batch_id
			FROM load_want w
			ORDER BY w.child;
		ELSE
			INSERT INTO relationship_source (source, hierarchy_id, child_id, parent_id, batch_id)
			SELECT DISTINCT batch_source, h.hierarchy_id, w.child, w.parent, load_apply.batch_id
			FROM load_want w
			WHERE (mode <> 'insert_only' OR w.action = 'insert') AND NOT EXISTS (SELECT FROM relationship_source s
				WHERE s.hierarchy_id = h.hierarchy_id AND s.child_id = w.child AND s.parent_id = w.parent AND s.source = batch_source)
			ORDER BY w.child;
		END IF;
	END IF;
	IF EXISTS (SELECT FROM load_change c WHERE c.changes AND c.status = 'inactive') THEN
		problems := load_try('inactive', NULL, NULL, (SELECT min(c.ent) FROM load_change c WHERE c.changes),
			(SELECT max(c.ent) FROM load_change c WHERE c.changes));
		IF problems <> '[]' THEN
			RETURN;
		END IF;
	END IF;

	-- who said it
	INSERT INTO entity_source (source, entity_id, record, "values", batch_id)
	SELECT batch_source, x.node, x.record, x.vals, load_apply.batch_id
	FROM (
		SELECT v.node, CASE WHEN NOT v.is_new AND NOT v.own_code THEN v.code END AS record, v.vals
		FROM load_value v
		WHERE v.is_new OR v.agrees
		UNION ALL
		SELECT c.node, CASE WHEN NOT c.own_code THEN c.code END, c.vals
		FROM load_change c
		WHERE c.is_first) x
	ORDER BY x.node;
	UPDATE entity_source s SET "values" = s."values" || c.vals, listed = true, deactivated = false, batch_id = load_apply.batch_id,
		changed = s.changed || coalesce((SELECT jsonb_object_agg(v.key, clock_timestamp()) FROM jsonb_each(c.vals) v
			WHERE s."values"->v.key IS DISTINCT FROM v.value), '{}')
	FROM load_change c
	WHERE NOT c.is_first AND s.source = batch_source AND s.entity_id = c.node;

	IF mode <> 'full_snapshot' THEN
		RETURN;
	END IF;
	PERFORM load_step(load_apply.batch_id, stage, 9, total, 0);
	IF to_regclass('pg_temp.load_lost') IS NOT NULL THEN
		DROP TABLE load_lost;
	END IF;
	PERFORM load_find_lost(batch_source);
	IF to_regclass('pg_temp.load_pair') IS NOT NULL THEN
		DELETE FROM load_lost x WHERE EXISTS (SELECT FROM load_pair p WHERE p.parent = x.entity_id);
	END IF;
	PERFORM load_analyze('load_lost');
	-- not while it has relationships that go on, here or elsewhere
	WITH busy AS (
		DELETE FROM load_lost x
		WHERE x.ends AND x.entity_id IN (
			SELECT r.child_id FROM relationship r WHERE upper(r.valid) IS NULL OR upper(r.valid) > current_date
			UNION
			SELECT r.parent_id FROM relationship r WHERE upper(r.valid) IS NULL OR upper(r.valid) > current_date)
		RETURNING x.entity_id)
	SELECT refused || coalesce(jsonb_agg(jsonb_build_object('key', y.entity_id, 'step', 'inactive', 'message', 'it still has relationships')), '[]')
	INTO refused FROM busy y;
	UPDATE entity e SET status = 'inactive' FROM load_lost x WHERE e.entity_id = x.entity_id AND x.ends;
	GET DIAGNOSTICS deactivated = ROW_COUNT;
	UPDATE entity_source s SET listed = false, deactivated = x.ends, batch_id = load_apply.batch_id
	FROM load_lost x
	WHERE s.source = batch_source AND s.entity_id = x.entity_id;
	DROP TABLE load_lost;
END
$$;
COMMENT ON FUNCTION @extschema@.load_apply(bigint, text, @extschema@.hierarchy, text, date) IS
'carries out the plan of a load; internal';

CREATE FUNCTION @extschema@.load_need(table_name text, privilege text)
RETURNS void
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT has_table_privilege(format('@extschema@.%I', table_name), privilege)
		AND NOT (privilege = 'UPDATE' AND has_any_column_privilege(format('@extschema@.%I', table_name), privilege))
	THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied for table %s', table_name),
			DETAIL = format('The load needs the right to %s.', privilege);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.load_need(text, text) IS
'raises an error if the caller lacks a right that a load needs; internal';

CREATE FUNCTION @extschema@.load_limit(max_errors text, n bigint)
RETURNS bigint
LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF max_errors IS NULL THEN
		RETURN NULL;
	ELSIF btrim(max_errors) ~ '^[0-9]{1,15}$' THEN
		RETURN btrim(max_errors)::bigint;
	ELSIF btrim(max_errors) ~ '^[0-9]{1,3}(\.[0-9]{1,6})?\s*%$' THEN
		RETURN floor(rtrim(btrim(max_errors), ' %')::numeric * n / 100);
	END IF;
	RAISE invalid_parameter_value USING
		MESSAGE = format('max_errors "%s" cannot be read', max_errors),
		HINT = 'Write a number of rows, ''100'', or a part of all rows, ''2%''.';
END
$$;
COMMENT ON FUNCTION @extschema@.load_limit(text, bigint) IS
'how many of n rows may be rejected; internal';

CREATE FUNCTION @extschema@.load(
	batch_id bigint,
	mapping jsonb,
	hierarchy text DEFAULT NULL,
	mode text DEFAULT 'upsert',
	dry_run boolean DEFAULT false,
	max_errors text DEFAULT NULL,
	effective date DEFAULT NULL,
	match boolean DEFAULT false,
	reason text DEFAULT NULL,
	OUT rows bigint,
	OUT inserted bigint,
	OUT updated bigint,
	OUT unchanged bigint,
	OUT rejected bigint,
	OUT entities_added bigint,
	OUT entities_changed bigint,
	OUT relationships_added bigint,
	OUT relationships_changed bigint,
	OUT relationships_ended bigint,
	OUT entities_deactivated bigint,
	OUT matched bigint,
	OUT proposed bigint,
	OUT error text)
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id bigint := load.batch_id;
	day date := check_day(load.effective);
	batch @extschema@.load_batch%ROWTYPE;
	h @extschema@.hierarchy%ROWTYPE;
	stage regclass;
	former text;
	memory text := current_setting('work_mem');
	jit text := current_setting('jit');
	sampled text := current_setting('default_statistics_target');
	applied record;
	is_replacing boolean;
	has_pairs boolean;
	faults bigint;
	again boolean;
	rounds integer := 0;
	clashes integer := 0;
	most bigint;
	r record;
	type text;
BEGIN
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		-- what a load that it waited for has written would not be seen
		RAISE invalid_transaction_state USING
			MESSAGE = format('nothing can be loaded in a transaction of isolation level %s', upper(current_setting('transaction_isolation'))),
			DETAIL = 'Its snapshot may be older than what others have loaded.',
			HINT = 'Use READ COMMITTED.';
	END IF;
	SELECT b.* INTO batch FROM load_batch b WHERE b.batch_id = id;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('load batch %s does not exist', coalesce(id::text, 'NULL')),
			HINT = 'Make one with new_load_batch.';
	ELSIF mode IS NULL OR mode NOT IN ('upsert', 'full_snapshot', 'insert_only') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('mode "%s" does not exist', coalesce(mode, 'NULL')),
			HINT = 'Modes: upsert, full_snapshot, insert_only.';
	ELSIF to_regclass(format('@extschema@.%I', 'load_stage_' || id)) IS NULL THEN
		RAISE undefined_table USING
			MESSAGE = format('load batch %s has no staging table any more', id),
			HINT = 'Stage the file again.';
	END IF;
	stage := format('@extschema@.%I', 'load_stage_' || id)::regclass;
	IF load.hierarchy IS NOT NULL THEN
		h := find_hierarchy(load.hierarchy);
		-- nothing changes before it begins
		day := greatest(day, lower(h.validity));
	END IF;
	PERFORM load_limit(load.max_errors, 1), load_fields(load.mapping, batch.columns);
	is_replacing := coalesce(load.mapping->>'parents' = 'replace', h.max_parents = 1, false);

	PERFORM load_step(id, stage, 1, 0, 0);
	PERFORM load_lock(batch.source, h.hierarchy_id, mode = 'full_snapshot' OR load.mapping ? 'status');
	EXECUTE format('LOCK TABLE %s IN SHARE MODE', stage);
	PERFORM load_need('entity', 'SELECT');

	-- big sorts and hashes, once; compiling would take longer than it saves, and
	-- large samples of the temporary tables, too
	PERFORM set_config('work_mem', m.setting || 'kB', true)
	FROM pg_settings m JOIN pg_settings w ON w.name = 'work_mem'
	WHERE m.name = 'maintenance_work_mem' AND m.setting::bigint > w.setting::bigint;
	PERFORM set_config('jit', 'off', true), set_config('default_statistics_target', '10', true);
	former := enter_reason(load.reason);
	PERFORM load_clear();

	EXECUTE format('SELECT count(*) FROM %s', stage) INTO rows;
	PERFORM load_step(id, stage, 2, rows, 0);
	PERFORM load_read(id, batch.columns, load.mapping, h);
	has_pairs := h.hierarchy_id IS NOT NULL AND EXISTS (SELECT FROM jsonb_object_keys(load.mapping) k
		WHERE k LIKE 'parent.%' AND k NOT IN ('parent.type', 'parent.name'));
	IF load.mapping ? 'parent.name' THEN
		PERFORM load_add_parents(batch.source, coalesce(load.mapping->>'duplicates', '') = 'last');
	END IF;
	IF load.mapping->>'duplicates' IN ('first', 'last') THEN
		PERFORM load_settle(batch.source, load.mapping->>'duplicates' = 'last');
	ELSE
		CREATE TEMP TABLE load_aside (line bigint, instead bigint) ON COMMIT DROP;
	END IF;
	most := load_limit(load.max_errors, rows);
	CREATE TEMP TABLE load_bad (line bigint) ON COMMIT DROP;
	CREATE TEMP TABLE load_ring (line bigint) ON COMMIT DROP;

	<<resolve>>
	LOOP
		PERFORM load_step(id, stage, 3, rows, 0);
		PERFORM load_resolve(batch.source, mode = 'full_snapshot');
		IF has_pairs THEN
			PERFORM load_step(id, stage, 4, rows, 0);
			PERFORM load_resolve_parents(batch.source, h);
		END IF;
		PERFORM load_step(id, stage, 6, rows, 0);
		PERFORM load_check_rows(h, load.mapping ? 'name', mode);
		IF mode = 'full_snapshot' THEN
			PERFORM load_find_unlisted(id, batch.source, h, day);
		END IF;
		again := false;
		LOOP
			rounds := rounds + 1;
			PERFORM load_step(id, stage, 5, rows, 0);
			IF has_pairs THEN
				LOOP
					PERFORM load_cascade();
					SELECT count(*) INTO faults FROM load_fault;
					PERFORM load_plan_relationships(h, mode, day, is_replacing);
					PERFORM load_step(id, stage, 6, rows, 0);
					PERFORM load_check_plan(h);
					EXIT WHEN faults = (SELECT count(*) FROM load_fault);
					DROP TABLE load_old, load_want, load_gone, load_kept, load_several;
				END LOOP;
			ELSE
				TRUNCATE load_bad;
				INSERT INTO load_bad SELECT DISTINCT f.line FROM load_fault f;
				PERFORM load_analyze('load_bad');
			END IF;
			PERFORM load_step(id, stage, 5, rows, 0);
			PERFORM load_plan_entities(batch.source, mode);
			IF has_pairs THEN
				INSERT INTO load_fault
				-- parents that were to become active, and do not
				SELECT w.line, 'inactive_parent', format('parent %s is inactive', entity_label(w.parent))
				FROM load_want w JOIN entity e ON e.entity_id = w.parent
				WHERE w.action = 'insert' AND e.status = 'inactive' AND (w.vto IS NULL OR w.vto > current_date)
					AND w.parent IN (SELECT k.node FROM load_entity k WHERE NOT k.is_new)
					AND NOT EXISTS (SELECT FROM load_change c WHERE c.node = w.parent AND c.changes AND c.status = 'active')
				UNION ALL
				-- entities that are inactive and stay so, or become so by this file
				SELECT w.line, 'inactive_entity', format('%s is inactive', entity_label(w.child))
				FROM load_want w JOIN entity e ON e.entity_id = w.child LEFT JOIN load_change c ON c.node = w.child AND c.changes
				WHERE w.action = 'insert' AND NOT w.child_new AND coalesce(c.status, e.status) = 'inactive'
					AND (upper(w.valid) IS NULL OR upper(w.valid) > current_date)
				UNION ALL
				SELECT w.line, 'inactive_entity', format('%s "%s" is inactive', v.etype, v.code)
				FROM load_want w JOIN load_value v ON v.node = w.child
				WHERE w.child_new AND v.is_new AND v.status = 'inactive' AND (upper(w.valid) IS NULL OR upper(w.valid) > current_date);
				IF FOUND THEN
					DROP TABLE load_value, load_change, load_old, load_want, load_gone, load_kept, load_several;
					CONTINUE;
				END IF;
			END IF;
			INSERT INTO load_fault
			SELECT a.line, f.reason, f.message
			FROM load_aside a JOIN load_fault f ON f.line = a.instead
			WHERE NOT EXISTS (SELECT FROM load_fault o WHERE o.line = a.line);
			INSERT INTO load_bad
			SELECT a.line FROM load_aside a JOIN load_bad b ON b.line = a.instead WHERE NOT EXISTS (SELECT FROM load_bad o WHERE o.line = a.line);
			SELECT count(*) INTO rejected FROM load_bad b WHERE b.line > 0;
			EXIT resolve WHEN (rejected > most OR mode = 'full_snapshot' AND rejected = rows) AND load.dry_run IS NOT TRUE;

			IF EXISTS (SELECT FROM load_value v WHERE v.is_new) THEN
				PERFORM load_need('entity', 'INSERT');
			END IF;
			IF EXISTS (SELECT FROM load_change c WHERE c.changes) THEN
				PERFORM load_need('entity', 'UPDATE');
			END IF;
			IF EXISTS (SELECT FROM load_id i WHERE i.owner IS NULL) THEN
				PERFORM load_need('identifier', 'INSERT');
			END IF;
			IF has_pairs THEN
				PERFORM load_need('relationship', 'SELECT'), load_need('relationship', 'INSERT');
				IF EXISTS (SELECT FROM load_old) THEN
					PERFORM load_need('relationship', 'UPDATE');
				END IF;
			END IF;

			BEGIN
				SELECT * INTO applied FROM load_apply(id, batch.source, h, mode, day);
				proposed := 0;
				IF applied.problems = '[]' AND load.match THEN
					PERFORM load_step(id, stage, 12, rows, 0);
					FOR type IN SELECT DISTINCT v.etype FROM load_value v WHERE v.is_new
					LOOP
						EXECUTE 'SELECT $1 + m.name_postcode + m.similarity FROM @extschema@.find_matches($2, $3, NULL, NULL, $4) m'
						INTO proposed USING proposed, type, batch.source, id;
					END LOOP;
				END IF;
				IF applied.problems <> '[]' OR load.dry_run THEN
					RAISE EXCEPTION SQLSTATE 'HL001';
				END IF;
			EXCEPTION WHEN SQLSTATE 'HL001' THEN
				NULL;
			END;
			EXIT resolve WHEN applied.problems = '[]';

			-- somebody else has just added the same
			IF clashes < 3 AND EXISTS (SELECT FROM jsonb_array_elements(applied.problems) p
				WHERE p->>'state' = '23505' AND p->>'constraint' IN ('entity_entity_type_code_key', 'identifier_pkey'))
			THEN
				clashes := clashes + 1;
				again := true;
			ELSE
				PERFORM load_step(id, stage, 10, rows, 0);
				INSERT INTO load_fault
				SELECT DISTINCT l.line, load_reason(p, h), CASE p->>'constraint'
					WHEN 'entity_entity_type_code_key' THEN 'its code is that of an entity which you may not see'
					WHEN 'identifier_pkey' THEN 'an identifier is that of an entity which you may not see'
					ELSE p->>'message' END
				FROM jsonb_array_elements(applied.problems) p
					JOIN load_entity k ON CASE WHEN p->>'step' IN ('entities', 'inactive') THEN k.ent = (p->>'key')::bigint ELSE k.node = (p->>'key')::bigint END
					JOIN (SELECT coalesce(t.ent, l.line) AS ent, l.line, l.has_parent FROM load_line l LEFT JOIN load_twin t ON t.line = l.line) l
						ON l.ent = k.ent AND (p->>'step' <> 'relationships' OR l.has_parent)
				WHERE NOT EXISTS (SELECT FROM load_bad b WHERE b.line = l.line);
			END IF;
			DROP TABLE load_value, load_change;
			IF has_pairs THEN
				DROP TABLE load_old, load_want, load_gone, load_kept, load_several;
			END IF;
			EXIT WHEN again;
		END LOOP;
		DROP TABLE load_entity, load_twin, load_id, load_mixed;
		IF mode = 'full_snapshot' THEN
			DROP TABLE load_spared, load_unlisted;
		END IF;
		IF has_pairs THEN
			DROP TABLE load_parent, load_parent_id, load_pair;
		END IF;
		TRUNCATE load_fault;
		INSERT INTO load_fault
		SELECT l.line, split_part(x, '|', 1), substr(x, strpos(x, '|') + 1) FROM load_line l, unnest(l.faults) x WHERE l.faults IS NOT NULL;
	END LOOP;

	IF rejected > most THEN
		error := format('load stopped: %s of %s row%s rejected', rejected, rows, CASE WHEN rows <> 1 THEN 's' END);
		IF load.dry_run IS NOT TRUE THEN
			PERFORM load_end();
			RAISE data_exception USING
				MESSAGE = error,
				DETAIL = (SELECT string_agg(format('%s: %s', x.reason, x.n), ', ' ORDER BY x.n DESC, x.reason) || '.'
					FROM (SELECT f.reason, count(DISTINCT f.line) AS n FROM load_fault f WHERE f.line > 0 GROUP BY f.reason ORDER BY 2 DESC, 1 LIMIT 5) x),
				HINT = format('max_errors is %s. To see the rows: load(..., dry_run => true), then SELECT * FROM @extschema@.load_reject WHERE batch_id = %s.',
					load.max_errors, id);
		END IF;
	END IF;

	IF mode = 'full_snapshot' AND rejected = rows AND error IS NULL THEN
		-- a file that is cut off must not end all that the source listed
		error := CASE WHEN rows = 0 THEN 'load stopped: the full snapshot has no rows'
			ELSE format('load stopped: %s of %s row%s of the full snapshot rejected', rejected, rows, CASE WHEN rows <> 1 THEN 's' END) END;
		IF load.dry_run IS NOT TRUE THEN
			PERFORM load_end();
			RAISE data_exception USING
				MESSAGE = error,
				DETAIL = format('All that source "%s" has listed would end.', batch.source),
				HINT = 'If nothing is left of the list, end its relationships with unassign, and its entities with set_entity_status.';
		END IF;
	END IF;

	PERFORM load_step(id, stage, 11, rows, 0);
	PERFORM load_report(id, batch.columns, has_pairs, coalesce(load.dry_run, false));
	EXECUTE format('SELECT count(*) FILTER (WHERE x.result = ''inserted''), count(*) FILTER (WHERE x.result = ''updated''), '
		'count(*) FILTER (WHERE x.result = ''unchanged''), count(*) FILTER (WHERE x.result = ''rejected'') FROM @extschema@.%I x',
		'load_result_' || id)
	INTO inserted, updated, unchanged, rejected;
	SELECT count(*) INTO entities_added FROM load_value v WHERE v.is_new;
	SELECT count(*) INTO entities_changed FROM (
		SELECT c.ent FROM load_change c WHERE c.changes
		UNION
		SELECT v.ent FROM load_id i JOIN load_value v ON v.ent = i.ent WHERE i.owner IS NULL AND NOT v.is_new) c;
	SELECT count(*) INTO matched
	FROM (SELECT o.* FROM load_entity o WHERE o.how = 'identifier') k JOIN (SELECT coalesce(t.ent, l.line) AS ent, l.line FROM load_line l LEFT JOIN load_twin t ON t.line = l.line) l ON l.ent = k.ent
	WHERE k.how = 'identifier' AND NOT EXISTS (SELECT FROM load_bad b WHERE b.line = l.line);
	SELECT matched + count(*) INTO matched
	FROM load_aside a LEFT JOIN load_twin t ON t.line = a.instead JOIN load_entity k ON k.ent = coalesce(t.ent, a.instead)
	WHERE k.how = 'identifier' AND NOT EXISTS (SELECT FROM load_bad b WHERE b.line = a.line);
	IF has_pairs THEN
		SELECT count(*) FILTER (WHERE w.action = 'insert'), count(*) FILTER (WHERE w.action = 'update')
		INTO relationships_added, relationships_changed FROM load_want w;
		SELECT count(*) INTO relationships_ended FROM load_gone;
	ELSE
		relationships_added := 0;
		relationships_changed := 0;
		relationships_ended := 0;
	END IF;
	relationships_ended := relationships_ended + applied.ended;
	entities_deactivated := applied.deactivated;

	IF load.dry_run IS NOT TRUE THEN
		UPDATE load_batch b SET state = 'loaded', hierarchy = load.hierarchy, mapping = load.mapping, mode = load.mode,
			staged_rows = load.rows, loaded_at = clock_timestamp(), reason = load.reason,
			report = jsonb_build_object('rows', rows, 'inserted', inserted, 'updated', updated, 'unchanged', unchanged, 'rejected', rejected,
				'entities_added', entities_added, 'entities_changed', entities_changed, 'relationships_added', relationships_added,
				'relationships_changed', relationships_changed, 'relationships_ended', relationships_ended,
				'entities_deactivated', entities_deactivated, 'matched', matched, 'proposed', proposed)
		WHERE b.batch_id = id;
	END IF;
	IF applied.refused <> '[]' THEN
		RAISE WARNING '% of what source "%" no longer lists cannot end', jsonb_array_length(applied.refused), batch.source
		USING DETAIL = (SELECT string_agg(format('%s: %s', entity_label((p.value->>'key')::bigint), p.value->>'message'), '; ' ORDER BY p.ordinality)
			FROM jsonb_array_elements(applied.refused) WITH ORDINALITY p WHERE p.ordinality <= 10),
			HINT = 'They stay as they are; the next full snapshot tries again.';
	END IF;
	PERFORM load_clear();
	PERFORM leave_reason(former);
	PERFORM set_config('work_mem', memory, true), set_config('jit', jit, true),
		set_config('default_statistics_target', sampled, true);
	PERFORM load_end();
END
$$;
COMMENT ON FUNCTION @extschema@.load(bigint, jsonb, text, text, boolean, text, date, boolean, text) IS
'makes entities and relationships of the staged rows of a batch; returns how many';

CREATE FUNCTION @extschema@.load_report(batch_id bigint, columns text[], has_pairs boolean, dry_run boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id bigint := load_report.batch_id;
BEGIN
	IF NOT has_pairs THEN
		CREATE TEMP TABLE load_want (line bigint, child_new boolean, action text, is_move boolean) ON COMMIT DROP;
	END IF;
	EXECUTE format('TRUNCATE @extschema@.%I', 'load_result_' || id);
	CREATE TEMP TABLE load_touched ON COMMIT DROP AS
	SELECT c.first AS line FROM load_change c WHERE c.changes
	UNION
	SELECT v.first FROM load_id i JOIN load_value v ON v.ent = i.ent WHERE i.owner IS NULL AND NOT v.is_new;
	PERFORM load_analyze('load_touched');
	-- entities on one row each, those on several, and rows of no entity
	EXECUTE format('INSERT INTO @extschema@.%1$I
		SELECT load_tick(x.line),
			CASE WHEN b.line IS NOT NULL THEN ''rejected''
				WHEN x.is_new OR w.action = ''insert'' AND NOT w.is_move AND c.line IS NULL THEN ''inserted''
				WHEN w.line IS NOT NULL OR c.line IS NOT NULL THEN ''updated''
				ELSE ''unchanged'' END,
			CASE WHEN b.line IS NULL AND NOT (%2$L AND x.is_new) THEN x.node END
		FROM (
			SELECT k.ent AS line, k.node, k.is_new FROM load_entity k
			UNION ALL
			SELECT t.line, k.node, k.is_new FROM load_twin t JOIN load_entity k ON k.ent = t.ent) x
			LEFT JOIN load_bad b ON b.line = x.line
			LEFT JOIN load_touched c ON c.line = x.line
			LEFT JOIN load_want w ON w.line = x.line AND NOT w.child_new AND w.action <> ''none''
		WHERE x.line > 0
		UNION ALL
		SELECT a.line, CASE WHEN b.line IS NULL THEN ''unchanged'' ELSE ''rejected'' END,
			CASE WHEN b.line IS NULL AND NOT (%2$L AND k.is_new) THEN k.node END
		FROM load_aside a
			LEFT JOIN load_bad b ON b.line = a.line
			LEFT JOIN load_twin t ON t.line = a.instead
			LEFT JOIN load_entity k ON k.ent = coalesce(t.ent, a.instead)
		UNION ALL
		SELECT b.line, ''rejected'', NULL
		FROM load_bad b
		WHERE b.line > 0 AND NOT EXISTS (SELECT FROM load_aside a WHERE a.line = b.line) AND NOT EXISTS (SELECT FROM load_entity k WHERE k.ent = b.line) AND NOT EXISTS (SELECT FROM load_twin t WHERE t.line = b.line)',
		'load_result_' || id, dry_run);
	DELETE FROM load_reject r WHERE r.batch_id = id;
	IF EXISTS (SELECT FROM load_bad) THEN
		EXECUTE format('INSERT INTO load_reject (batch_id, line, raw, reasons, messages)
			SELECT $1, s._line, %s, f.reasons, f.messages
			FROM (
				SELECT x.line, array_agg(x.reason ORDER BY x.reason) AS reasons, array_agg(x.message ORDER BY x.reason) AS messages
				FROM (SELECT f.line, f.reason, string_agg(DISTINCT f.message, ''; '') AS message FROM load_fault f GROUP BY f.line, f.reason) x
				GROUP BY x.line) f
				JOIN @extschema@.%I s ON s._line = f.line', load_raw(columns), 'load_stage_' || id)
		USING id;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.load_report(bigint, text[], boolean, boolean) IS
'writes what became of each row of a batch; internal';

CREATE FUNCTION @extschema@.load_rows(batch_id bigint)
RETURNS TABLE (line bigint, result text, entity_id bigint, reasons text[], raw text)
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id bigint := load_rows.batch_id;
	columns text[];
BEGIN
	SELECT b.columns INTO columns FROM load_batch b WHERE b.batch_id = id;
	IF NOT FOUND THEN
		RAISE no_data_found USING MESSAGE = format('load batch %s does not exist', coalesce(id::text, 'NULL'));
	ELSIF to_regclass(format('@extschema@.%I', 'load_stage_' || id)) IS NULL THEN
		RAISE undefined_table USING
			MESSAGE = format('load batch %s has no staging table any more', id),
			HINT = 'Rejected rows are in @extschema@.load_reject.';
	END IF;
	RETURN QUERY EXECUTE format('SELECT s._line, x.result, x.entity_id, r.reasons, %s
		FROM @extschema@.%I s
			LEFT JOIN @extschema@.%I x ON x._line = s._line
			LEFT JOIN load_reject r ON r.batch_id = $1 AND r.line = s._line
		ORDER BY s._line', load_raw(columns), 'load_stage_' || id, 'load_result_' || id)
	USING id;
END
$$;
COMMENT ON FUNCTION @extschema@.load_rows(bigint) IS
'the staged rows of a batch and what the last load made of each';

CREATE FUNCTION @extschema@.entity_values(entity_id bigint)
RETURNS TABLE (field text, value text, source text, trust integer, changed_at timestamptz, survives boolean)
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
	SELECT x.key, x.value, x.source, x.trust, x.changed_at,
		row_number() OVER (PARTITION BY x.key ORDER BY x.trust DESC, x.changed_at DESC, x.source) = 1
	FROM (
		SELECT v.key, v.value #>> '{}' AS value, s.source, t.trust, coalesce((s.changed->>v.key)::timestamptz, s.since) AS changed_at
		FROM @extschema@.entity_source s
			JOIN @extschema@.load_source t ON t.source = s.source
			CROSS JOIN LATERAL jsonb_each(s."values") v
		WHERE s.entity_id = $1) x
	ORDER BY x.key COLLATE "C", x.trust DESC, x.changed_at DESC, x.source
$$;
COMMENT ON FUNCTION @extschema@.entity_values(bigint) IS
'what each source says of an entity, and which of it the entity shows';

-- Matching
--
-- The same customer comes in two lists, under two numbers.  Where an outside
-- identifier tells, loading finds it by that.  Else what can be compared is the
-- name and the place.  That is never more than a proposal: somebody looks at
-- the pair, and only accept_match merges.

CREATE FUNCTION @extschema@.normalise_name(name text) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_normalise_name';
COMMENT ON FUNCTION @extschema@.normalise_name(text) IS
'a name as names are compared: capitals, no accents, no punctuation, no legal form, abbreviations written out';

CREATE FUNCTION @extschema@.normalise_postcode(postcode text) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_normalise_postcode';
COMMENT ON FUNCTION @extschema@.normalise_postcode(text) IS
'a postcode as postcodes are compared: capitals and digits only, of a ZIP+4 the first five';

-- No foreign keys: whoever truncates the directory need not know of this table.

CREATE TABLE @extschema@.match_candidate (
	match_id bigint GENERATED BY DEFAULT AS IDENTITY,
	entity_id bigint NOT NULL,
	other_id bigint NOT NULL,
	method text NOT NULL,
	score numeric(5,4) NOT NULL,
	batch_id bigint,
	status text NOT NULL DEFAULT 'proposed',
	proposed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	decided_at timestamptz,
	decided_by text,
	reason text,
	CONSTRAINT match_candidate_pkey PRIMARY KEY (match_id),
	CONSTRAINT match_candidate_self_check CHECK (entity_id <> other_id),
	CONSTRAINT match_candidate_method_check CHECK (method IN ('name_postcode', 'similarity')),
	CONSTRAINT match_candidate_score_check CHECK (score >= 0::numeric AND score <= 1::numeric),
	CONSTRAINT match_candidate_status_check CHECK (status IN ('proposed', 'accepted', 'rejected')),
	CONSTRAINT match_candidate_decided_check CHECK ((status = 'proposed') = (decided_at IS NULL))
);
-- whichever of the two came later
CREATE UNIQUE INDEX match_candidate_pair_idx ON @extschema@.match_candidate
	((LEAST(entity_id, other_id)), (GREATEST(entity_id, other_id)));
CREATE INDEX match_candidate_entity_id_idx ON @extschema@.match_candidate (entity_id);
CREATE INDEX match_candidate_other_id_idx ON @extschema@.match_candidate (other_id);
COMMENT ON TABLE @extschema@.match_candidate IS
'pairs of entities that look like the same customer, and what was decided about them';
COMMENT ON COLUMN @extschema@.match_candidate.match_id IS 'number of the pair';
COMMENT ON COLUMN @extschema@.match_candidate.entity_id IS 'the newcomer, which would be merged into the other';
COMMENT ON COLUMN @extschema@.match_candidate.other_id IS 'the entity that was there before';
COMMENT ON COLUMN @extschema@.match_candidate.method IS
'name_postcode: the same name, after normalising, at the same place; similarity: names alike, at the same place';
COMMENT ON COLUMN @extschema@.match_candidate.score IS
'how much alike the names are, 1 being the same; times 0.9 if the postcodes differ';
COMMENT ON COLUMN @extschema@.match_candidate.batch_id IS 'the load that proposed it, if one did';
COMMENT ON COLUMN @extschema@.match_candidate.status IS 'proposed, accepted or rejected';
COMMENT ON COLUMN @extschema@.match_candidate.proposed_at IS 'when it was found';
COMMENT ON COLUMN @extschema@.match_candidate.decided_at IS 'when it was accepted or rejected';
COMMENT ON COLUMN @extschema@.match_candidate.decided_by IS 'who did that: the login role, and the effective one if that is another';
COMMENT ON COLUMN @extschema@.match_candidate.reason IS 'why';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.match_candidate', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.match_candidate_match_id_seq', '');

-- Of an entity that policies hide, a proposal would tell that it is there and
-- what it is called, near enough.

ALTER TABLE @extschema@.match_candidate ENABLE ROW LEVEL SECURITY;
CREATE POLICY both_entities ON @extschema@.match_candidate USING (
	EXISTS (SELECT FROM @extschema@.entity e WHERE e.entity_id = match_candidate.entity_id)
	AND EXISTS (SELECT FROM @extschema@.entity e WHERE e.entity_id = match_candidate.other_id));
COMMENT ON POLICY both_entities ON @extschema@.match_candidate IS
'a pair is seen, made and decided by those who see both entities';

CREATE VIEW @extschema@.match_review WITH (security_invoker = true) AS
SELECT m.match_id, m.score, m.method, e.entity_type,
	m.entity_id, e.code, e.name, e.attributes ->> 'postcode' AS postcode,
	(SELECT pg_catalog.string_agg(i.scheme || ' ' || i.value, ', ' ORDER BY i.scheme, i.value)
		FROM @extschema@.identifier i WHERE i.entity_id = m.entity_id) AS identifiers,
	(SELECT pg_catalog.string_agg(s.source, ', ' ORDER BY s.source)
		FROM @extschema@.entity_source s WHERE s.entity_id = m.entity_id) AS sources,
	m.other_id, o.code AS other_code, o.name AS other_name, o.attributes ->> 'postcode' AS other_postcode,
	(SELECT pg_catalog.string_agg(i.scheme || ' ' || i.value, ', ' ORDER BY i.scheme, i.value)
		FROM @extschema@.identifier i WHERE i.entity_id = m.other_id) AS other_identifiers,
	(SELECT pg_catalog.string_agg(s.source, ', ' ORDER BY s.source)
		FROM @extschema@.entity_source s WHERE s.entity_id = m.other_id) AS other_sources,
	m.batch_id, m.proposed_at
FROM @extschema@.match_candidate m
	JOIN @extschema@.entity e ON e.entity_id = m.entity_id
	JOIN @extschema@.entity o ON o.entity_id = m.other_id
WHERE m.status = 'proposed' AND e.status = 'active' AND o.status = 'active';
COMMENT ON VIEW @extschema@.match_review IS 'pairs that wait for somebody to accept or to reject them, side by side';
COMMENT ON COLUMN @extschema@.match_review.match_id IS 'number of the pair, for accept_match and reject_match';
COMMENT ON COLUMN @extschema@.match_review.score IS
'how much alike the names are, 1 being the same; times 0.9 if the postcodes differ';
COMMENT ON COLUMN @extschema@.match_review.method IS 'name_postcode or similarity';
COMMENT ON COLUMN @extschema@.match_review.entity_type IS 'what kind of entities they are';
COMMENT ON COLUMN @extschema@.match_review.entity_id IS 'the newcomer, which would be merged into the other';
COMMENT ON COLUMN @extschema@.match_review.code IS 'its code';
COMMENT ON COLUMN @extschema@.match_review.name IS 'its name';
COMMENT ON COLUMN @extschema@.match_review.postcode IS 'its postcode';
COMMENT ON COLUMN @extschema@.match_review.identifiers IS 'its outside identifiers, each with its scheme';
COMMENT ON COLUMN @extschema@.match_review.sources IS 'the lists that it is in';
COMMENT ON COLUMN @extschema@.match_review.other_id IS 'the entity that was there before';
COMMENT ON COLUMN @extschema@.match_review.other_code IS 'its code';
COMMENT ON COLUMN @extschema@.match_review.other_name IS 'its name';
COMMENT ON COLUMN @extschema@.match_review.other_postcode IS 'its postcode';
COMMENT ON COLUMN @extschema@.match_review.other_identifiers IS 'its outside identifiers, each with its scheme';
COMMENT ON COLUMN @extschema@.match_review.other_sources IS 'the lists that it is in';
COMMENT ON COLUMN @extschema@.match_review.batch_id IS 'the load that proposed the pair, if one did';
COMMENT ON COLUMN @extschema@.match_review.proposed_at IS 'when it was found';

-- Pairs are looked for within a postal area: the first three characters of the
-- postcode.  Names that differ are compared for those that have no namesake.  In
-- an area so full that comparing each with each would take minutes, that is done
-- within the same postcode only.

CREATE FUNCTION @extschema@.find_matches(
	entity_type text,
	source text DEFAULT NULL,
	against text DEFAULT NULL,
	threshold real DEFAULT NULL,
	batch_id bigint DEFAULT NULL)
RETURNS TABLE (
	name_postcode bigint,
	similarity bigint)
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
ROWS 1
SET search_path = pg_catalog, @extschema@, pg_temp
SET jit = off
-- how many rows are left is anybody's guess, and all joins are on equality
SET enable_nestloop = off
AS $function$
#variable_conflict use_column
DECLARE
	-- matches for each newcomer, and others of the same name that are looked at
	v_few constant integer := 3;
	v_same_name constant integer := 10;
	v_full constant bigint := 4000000;
	v_source text := find_matches.source;
	v_name text;
	v_list text;
	v_trgm text;
	v_usable boolean;
	v_trigrams text := '0';
	v_alike text := 'SELECT 0::bigint AS id, 0::bigint AS other_id, 0::real AS score WHERE false';
BEGIN
	IF find_matches.entity_type IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'entity type must not be NULL';
	ELSIF NOT EXISTS (SELECT FROM entity_type t WHERE t.entity_type = find_matches.entity_type) THEN
		SELECT string_agg(t.entity_type, ', ' ORDER BY t.entity_type) INTO v_list
		FROM (SELECT entity_type FROM entity_type ORDER BY entity_type LIMIT 20) t;
		RAISE no_data_found USING
			MESSAGE = format('entity type "%s" does not exist', find_matches.entity_type),
			HINT = coalesce('Types: ' || v_list || '.', 'There is none yet.');
	ELSIF threshold <= 0 OR threshold > 1 OR threshold = 'NaN' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('threshold %s is not between 0 and 1', threshold),
			HINT = 'With 1, only names that are the same after normalising are proposed.';
	END IF;
	IF batch_id IS NOT NULL THEN
		SELECT b.source INTO v_name FROM load_batch b WHERE b.batch_id = find_matches.batch_id;
		IF NOT FOUND THEN
			RAISE no_data_found USING MESSAGE = format('load batch %s does not exist', batch_id);
		ELSIF v_source <> v_name THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('load batch %s is not one of source "%s"', batch_id, v_source),
				DETAIL = format('Its source is "%s".', v_name);
		END IF;
		v_source := v_name;
	END IF;
	FOREACH v_name IN ARRAY ARRAY[v_source, against] LOOP
		IF v_name IS NOT NULL AND NOT EXISTS (SELECT FROM load_source s WHERE s.source = v_name) THEN
			SELECT string_agg(format('"%s"', s.source), ', ' ORDER BY s.source) INTO v_list
			FROM (SELECT source FROM load_source ORDER BY source LIMIT 20) s;
			RAISE no_data_found USING
				MESSAGE = format('source "%s" does not exist', v_name),
				HINT = coalesce('Sources: ' || v_list || '.', 'There is none yet: nothing was loaded.');
		END IF;
	END LOOP;

	IF threshold IS DISTINCT FROM 1 THEN
		SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE') INTO v_trgm, v_usable
		FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
		WHERE x.extname = 'pg_trgm';
		IF v_trgm IS NULL AND threshold IS NOT NULL THEN
			RAISE feature_not_supported USING
				MESSAGE = 'matching by similarity needs the extension pg_trgm',
				HINT = 'CREATE EXTENSION pg_trgm';
		ELSIF v_usable IS DISTINCT FROM true AND threshold IS NULL THEN
			RAISE NOTICE 'names are not compared by similarity' USING
				DETAIL = CASE WHEN v_trgm IS NULL THEN 'Extension pg_trgm is not installed.'
					ELSE format('Extension pg_trgm is in schema "%s", which %s has no right to use.', v_trgm, quote_ident(current_user)) END,
				HINT = CASE WHEN v_trgm IS NULL THEN 'CREATE EXTENSION pg_trgm'
					ELSE format('GRANT USAGE ON SCHEMA %I TO %I', v_trgm, current_user) END;
			v_trgm := NULL;
		END IF;
	END IF;

	-- Names that differ: they cannot be more alike than the number of their
	-- trigrams is, which saves comparing most of them.
	IF v_trgm IS NOT NULL THEN
		v_trigrams := format('pg_catalog.cardinality(%I.show_trgm(x.name))', v_trgm);
		v_alike := replace($query$
			SELECT p.id, p.other_id, p.place * TRGM.similarity(p.name, p.other_name) AS score
			FROM (
				SELECT n.id, n.name, o.id AS other_id, o.name AS other_name,
					CASE WHEN n.postcode = o.postcode THEN 1 ELSE 0.9 END::real AS place,
					least(n.trigrams, o.trigrams) AS fewer, greatest(n.trigrams, o.trigrams) AS more
				FROM counted n JOIN counted o ON o.block = n.block AND o.name <> n.name
				WHERE n.newcomer AND o.other AND NOT (n.other AND o.newcomer AND n.id < o.id)
					AND NOT EXISTS (SELECT FROM exact x WHERE x.id = n.id)) p
			WHERE p.place * p.fewer >= $5 * p.more AND p.place * TRGM.similarity(p.name, p.other_name) >= $5
			$query$, 'TRGM', quote_ident(v_trgm));
	END IF;

	-- $1 type, $2 source, $3 against, $4 batch, $5 threshold, $6 few, $7 how many
	-- of the same name, $8 when an area is full
	EXECUTE $query$
		WITH entry AS MATERIALIZED (
			SELECT e.entity_id AS id, n.name, p.postcode, left(p.postcode, 3) AS area,
				$2 IS NULL OR s.entity_id IS NOT NULL AND ($4 IS NULL OR s.batch_id = $4) AS newcomer,
				CASE WHEN $3 IS NOT NULL THEN a.entity_id IS NOT NULL ELSE $2 IS NULL OR s.entity_id IS NULL END AS other
			FROM @extschema@.entity e
				CROSS JOIN LATERAL @extschema@.normalise_name(e.name) AS n (name)
				CROSS JOIN LATERAL @extschema@.normalise_postcode(e.attributes ->> 'postcode') AS p (postcode)
				LEFT JOIN @extschema@.entity_source s ON s.source = $2 AND s.entity_id = e.entity_id
				LEFT JOIN @extschema@.entity_source a ON a.source = $3 AND a.entity_id = e.entity_id
			WHERE e.entity_type = $1 AND e.status = 'active' AND n.name <> '' AND p.postcode <> ''
		), full_area AS MATERIALIZED (
			SELECT e.area FROM entry e GROUP BY e.area
			HAVING count(*) FILTER (WHERE e.newcomer) * count(*) FILTER (WHERE e.other) > $8
		), exact AS MATERIALIZED (
			SELECT n.id, o.id AS other_id, CASE WHEN n.postcode = o.postcode THEN 1 ELSE 0.9 END AS score
			FROM entry n
				JOIN (
					-- of many that are called the same, the first
					SELECT x.*, row_number() OVER (PARTITION BY x.name, x.postcode ORDER BY x.id) AS in_postcode,
						row_number() OVER (PARTITION BY x.name, x.area ORDER BY x.id) AS in_area
					FROM entry x
					WHERE x.other) o
				ON o.area = n.area AND o.name = n.name AND o.id <> n.id
			WHERE n.newcomer AND (o.in_area <= $7 OR o.postcode = n.postcode AND o.in_postcode <= $7)
				-- two that could be either are one pair
				AND NOT (n.other AND o.newcomer AND n.id < o.id)
		), counted AS MATERIALIZED (
			SELECT x.*, CASE WHEN a.area IS NULL THEN x.area ELSE x.postcode END AS block, $query$ || v_trigrams || $query$ AS trigrams
			FROM entry x LEFT JOIN full_area a ON a.area = x.area
		), alike AS (
			$query$ || v_alike || $query$
		), possible AS (
			SELECT f.*, m.match_id, row_number() OVER (PARTITION BY f.id ORDER BY f.method, f.score DESC, f.other_id) AS rank
			FROM (
				SELECT x.id, x.other_id, 'name_postcode' AS method, x.score FROM exact x
				UNION ALL
				SELECT a.id, a.other_id, 'similarity', round(a.score::numeric, 4) FROM alike a) f
				LEFT JOIN @extschema@.match_candidate m ON least(m.entity_id, m.other_id) = least(f.id, f.other_id)
					AND greatest(m.entity_id, m.other_id) = greatest(f.id, f.other_id)
			WHERE (m.match_id IS NULL OR m.status = 'proposed')
				-- a list with both of them says that they are two
				AND ($2 IS NULL OR $2 = $3 OR NOT EXISTS (
					SELECT FROM @extschema@.entity_source s JOIN @extschema@.entity_source t ON t.source = s.source
					WHERE s.entity_id = f.id AND t.entity_id = f.other_id))
		), proposal AS (
			INSERT INTO @extschema@.match_candidate (entity_id, other_id, method, score, batch_id)
			SELECT p.id, p.other_id, p.method, p.score, $4
			FROM possible p
			WHERE p.rank <= $6 AND p.match_id IS NULL
			ORDER BY p.id, p.rank
			ON CONFLICT DO NOTHING
			RETURNING method
		)
		SELECT count(*) FILTER (WHERE p.method = 'name_postcode'), count(*) FILTER (WHERE p.method = 'similarity'),
			(SELECT string_agg(a.area, ', ' ORDER BY a.area) FROM full_area a)
		FROM proposal p$query$
	INTO name_postcode, similarity, v_list
	USING find_matches.entity_type, v_source, against, find_matches.batch_id, coalesce(threshold, 0.6), v_few, v_same_name, v_full;
	IF v_trgm IS NOT NULL AND v_list IS NOT NULL THEN
		RAISE NOTICE 'in some areas, only names of the same postcode are compared by similarity' USING
			DETAIL = format('More than %s pairs each in the postal areas %s.', v_full, v_list);
	END IF;
	RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION @extschema@.find_matches(text, text, text, real, bigint) IS
'proposes pairs of entities that have the same name, or names alike, at the same place; returns how many new ones, by method';

CREATE FUNCTION @extschema@.decide_match(match_id bigint, status text, reason text)
RETURNS @extschema@.match_candidate
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_match match_candidate%ROWTYPE;
	v_merged boolean;
BEGIN
	-- who decides second waits here, and sees what the first decided
	SELECT m.* INTO v_match FROM match_candidate m WHERE m.match_id = decide_match.match_id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE no_data_found USING
			MESSAGE = format('match %s does not exist', coalesce(decide_match.match_id::text, 'NULL')),
			HINT = 'What waits for a decision is in @extschema@.match_review.';
	END IF;
	v_merged := EXISTS (SELECT FROM entity e WHERE e.entity_id = v_match.entity_id AND e.status = 'merged');
	IF v_match.status = 'rejected' OR v_match.status = 'accepted' AND v_merged THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('match %s was %s before', v_match.match_id, v_match.status),
			DETAIL = format('By %s on %s%s.', v_match.decided_by, to_char(v_match.decided_at, 'YYYY-MM-DD HH24:MI:SS TZ'),
				', reason: ' || v_match.reason),
			HINT = CASE v_match.status WHEN 'accepted' THEN 'A merge can be undone with undo_transaction.'
				ELSE 'If the two are one after all: merge_entity.' END;
	END IF;
	UPDATE match_candidate m SET status = decide_match.status, reason = decide_match.reason, decided_at = clock_timestamp(),
		decided_by = CASE WHEN session_user = current_user THEN session_user ELSE session_user || ' as ' || current_user END
	WHERE m.match_id = v_match.match_id
	RETURNING m.* INTO v_match;
	RETURN v_match;
END
$function$;
COMMENT ON FUNCTION @extschema@.decide_match(bigint, text, text) IS
'internal: writes down what was decided about a match, unless it was decided before';

-- What sources say of the merged entity they now say of the survivor, whose
-- record at the source is the code that it had there.

CREATE FUNCTION @extschema@.move_sources("from" bigint, "into" bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_from bigint := move_sources."from";
	v_into bigint := move_sources."into";
BEGIN
	UPDATE entity_source s SET entity_id = v_into, record = coalesce(s.record, e.code)
	FROM entity e
	WHERE s.entity_id = v_from AND e.entity_id = v_from
		AND NOT EXISTS (SELECT FROM entity_source o WHERE o.entity_id = v_into AND o.source = s.source);
	WITH child AS MATERIALIZED (
		SELECT h.hierarchy_id, c.id
		FROM hierarchy h
			CROSS JOIN LATERAL unnest(all_children(find_graph(h.hierarchy_id, h.name), v_from) || v_from) AS c (id)
	), moved AS (
		DELETE FROM relationship_source s USING child c
		WHERE s.hierarchy_id = c.hierarchy_id AND s.child_id = c.id AND v_from IN (s.child_id, s.parent_id)
		RETURNING s.*)
	INSERT INTO relationship_source (source, hierarchy_id, child_id, parent_id, batch_id)
	SELECT m.source, m.hierarchy_id, CASE m.child_id WHEN v_from THEN v_into ELSE m.child_id END,
		CASE m.parent_id WHEN v_from THEN v_into ELSE m.parent_id END, m.batch_id
	FROM moved m
	WHERE v_into NOT IN (m.child_id, m.parent_id)
	ON CONFLICT DO NOTHING;
END
$function$;
COMMENT ON FUNCTION @extschema@.move_sources(bigint, bigint) IS
'internal: what sources say of an entity that is about to be merged, they say of the other from now on';

-- A value that no source has was set by hand, and stays.

CREATE FUNCTION @extschema@.show_survivors(entity_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_fields jsonb;
BEGIN
	SELECT jsonb_object_agg(v.field, v.value) INTO v_fields
	FROM (
		SELECT v.key AS field, v.value,
			row_number() OVER (PARTITION BY v.key
				ORDER BY l.trust DESC, coalesce((s.changed ->> v.key)::timestamptz, s.since) DESC, s.source) AS rank,
			bool_or(v.value = n.value) OVER (PARTITION BY v.key) OR n.value IS NULL AS from_source, n.value AS now
		FROM entity e
			JOIN entity_source s ON s.entity_id = e.entity_id
			JOIN load_source l ON l.source = s.source
			CROSS JOIN LATERAL jsonb_each(s."values") v
			CROSS JOIN LATERAL (SELECT CASE WHEN v.key = 'name' THEN to_jsonb(e.name)
				ELSE e.attributes -> substr(v.key, length('attributes.') + 1) END) AS n (value)
		WHERE e.entity_id = show_survivors.entity_id AND (v.key = 'name' OR starts_with(v.key, 'attributes.'))) v
	WHERE v.rank = 1 AND v.from_source AND v.value IS DISTINCT FROM v.now;
	IF v_fields IS NOT NULL THEN
		UPDATE entity e SET name = coalesce(v_fields ->> 'name', e.name),
			attributes = e.attributes || coalesce((SELECT jsonb_object_agg(substr(f.key, length('attributes.') + 1), f.value)
				FROM jsonb_each(v_fields) f WHERE f.key <> 'name'), '{}')
		WHERE e.entity_id = show_survivors.entity_id;
		IF NOT FOUND THEN
			PERFORM refuse_entity(show_survivors.entity_id);
		END IF;
	END IF;
END
$function$;
COMMENT ON FUNCTION @extschema@.show_survivors(bigint) IS
'internal: lets an entity show, field by field, what the most trusted of its sources says';

CREATE FUNCTION @extschema@.accept_match(match_id bigint, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_match match_candidate%ROWTYPE := decide_match(accept_match.match_id, 'accepted', accept_match.reason);
	v_reason text := coalesce(accept_match.reason, 'match ' || v_match.match_id);
	v_former text;
	v_entity entity%ROWTYPE;
BEGIN
	FOR v_entity IN
		SELECT e.* FROM entity e WHERE e.entity_id IN (v_match.entity_id, v_match.other_id) AND e.status = 'merged'
	LOOP
		IF v_entity.merged_into IN (v_match.entity_id, v_match.other_id) THEN
			-- somebody merged the two without asking for this match
			RETURN v_entity.merged_into;
		END IF;
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('match %s is out of date: %s was merged into %s', v_match.match_id,
				entity_label(v_entity.entity_id), entity_label(v_entity.merged_into)),
			HINT = 'find_matches compares what it was merged into.';
	END LOOP;
	v_former := enter_reason(v_reason);
	PERFORM move_sources(v_match.entity_id, v_match.other_id);
	PERFORM merge_entity(v_match.entity_id, v_match.other_id, v_reason);
	PERFORM show_survivors(v_match.other_id);
	PERFORM leave_reason(v_former);
	RETURN v_match.other_id;
END
$function$;
COMMENT ON FUNCTION @extschema@.accept_match(bigint, text) IS
'merges the newcomer of a proposed pair into the other; returns the one that is left';

CREATE FUNCTION @extschema@.reject_match(match_id bigint, reason text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
	v_match match_candidate%ROWTYPE := decide_match(reject_match.match_id, 'rejected', reject_match.reason);
BEGIN
	-- It was accepted, and the merge undone: its sources come back, too.
	UPDATE entity_source s SET entity_id = e.entity_id, record = NULL
	FROM entity e
	WHERE e.entity_id = v_match.entity_id AND s.entity_id = v_match.other_id AND s.record = e.code
		AND NOT EXISTS (SELECT FROM entity_source o WHERE o.entity_id = e.entity_id AND o.source = s.source);
END
$function$;
COMMENT ON FUNCTION @extschema@.reject_match(bigint, text) IS
'says that the two of a pair are not the same: it is not proposed again';

-- Views for BI
--
-- What tools see that call no function: plain views of one hierarchy, made by
-- create_bi_views, with the rights of whoever reads them.  They name the
-- hierarchy by its number, so that they survive its renaming, and dumps.

CREATE FUNCTION @extschema@.tree(
	graph @extschema@.hgraph,
	as_of date DEFAULT NULL,
	labels integer[] DEFAULT NULL)
RETURNS TABLE (
	node bigint,
	parent bigint,
	level integer,
	path bigint[],
	children bigint,
	parents bigint)
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 1000 ROWS 10000 SUPPORT @extschema@.rows_support
AS 'MODULE_PATHNAME', 'hgraph_tree';
COMMENT ON FUNCTION @extschema@.tree(@extschema@.hgraph, date, integer[]) IS
'every node once, under its primary or else its first parent; internal';

CREATE FUNCTION @extschema@.tree_path(graph @extschema@.hgraph, node bigint, name text)
RETURNS text
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
COST 50
AS 'MODULE_PATHNAME', 'hgraph_tree_path';
COMMENT ON FUNCTION @extschema@.tree_path(@extschema@.hgraph, bigint, text) IS
'names of the entities from the top down to a node, whose name is given; internal';

CREATE FUNCTION @extschema@.tree_sort_key(graph @extschema@.hgraph, node bigint)
RETURNS text
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
COST 30
AS 'MODULE_PATHNAME', 'hgraph_tree_sort_key';
COMMENT ON FUNCTION @extschema@.tree_sort_key(@extschema@.hgraph, bigint) IS
'text by which nodes sort as a printed tree, in any collation; internal';

CREATE FUNCTION @extschema@.is_root(graph @extschema@.hgraph, node bigint)
RETURNS boolean
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
COST 20
AS 'MODULE_PATHNAME', 'hgraph_is_root';
COMMENT ON FUNCTION @extschema@.is_root(@extschema@.hgraph, bigint) IS
'has the node no parent? internal';

-- Attributes as columns: values that cannot be of the type are NULL

CREATE FUNCTION @extschema@.as_numeric(value text, digits integer, scale integer)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value OPERATOR(pg_catalog.~) '^[ \t\n\r\f\v]*[+-]?([0-9]{1,200}(\.[0-9]{0,200})?|\.[0-9]{1,200})([eE][+-]?[0-9]{1,3})?[ \t\n\r\f\v]*$'
	THEN CASE WHEN pg_catalog.abs(pg_catalog.round(value::pg_catalog.numeric, scale))
			OPERATOR(pg_catalog.<) pg_catalog.power(10::pg_catalog.numeric, (digits OPERATOR(pg_catalog.-) scale)::pg_catalog.numeric)
		THEN pg_catalog.round(value::pg_catalog.numeric, scale) END END;
COMMENT ON FUNCTION @extschema@.as_numeric(text, integer, integer) IS
'a text as number of so many digits, NULL if it is none; internal';

CREATE FUNCTION @extschema@.as_bigint(value text)
RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_as_bigint';
COMMENT ON FUNCTION @extschema@.as_bigint(text) IS
'a text as whole number, NULL if it is none; internal';

CREATE FUNCTION @extschema@.as_integer(value text)
RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN @extschema@.as_bigint(value) OPERATOR(pg_catalog.>=) (-2147483648)::pg_catalog.int8
		AND @extschema@.as_bigint(value) OPERATOR(pg_catalog.<=) 2147483647::pg_catalog.int8
	THEN @extschema@.as_bigint(value)::pg_catalog.int4 END;
COMMENT ON FUNCTION @extschema@.as_integer(text) IS
'a text as small whole number, NULL if it is none; internal';

CREATE FUNCTION @extschema@.as_boolean(value text)
RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_as_boolean';
COMMENT ON FUNCTION @extschema@.as_boolean(text) IS
'a text as boolean, NULL if it is none; internal';

CREATE FUNCTION @extschema@.as_date(value text)
RETURNS date
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_as_date';
COMMENT ON FUNCTION @extschema@.as_date(text) IS
'a text as date (ISO 8601), NULL if it is none; internal';

CREATE FUNCTION @extschema@.as_timestamptz(value text)
RETURNS timestamptz
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hgraph_as_timestamptz';
COMMENT ON FUNCTION @extschema@.as_timestamptz(text) IS
'a text as moment (ISO 8601), NULL if it is none; internal';

-- Columns asked for as "name" or "name type"

CREATE FUNCTION @extschema@.bi_columns(attributes text[], identifiers text[])
RETURNS TABLE (title text, expression text, comment text)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	asked text;
	part text[];
	kind text;
	value text;
	seen text[] := '{node,entity_type,code,name,status,merged_into}';
BEGIN
	FOREACH asked IN ARRAY coalesce(bi_columns.attributes, '{}')
	LOOP
		-- a type is one word, but for these
		part := regexp_match(asked, '^\s*(\S.*?)\s+(double\s+precision|time(?:stamp)?(?:\s*\([^()]*\))?\s+with(?:out)?\s+time\s+zone|\w+\s*\([^()]*\)|\S+)\s*$', 'i');
		kind := lower(regexp_replace(part[2], '\s+', ' ', 'g'));
		kind := CASE
			WHEN kind IN ('int', 'int4') THEN 'integer'
			WHEN kind = 'int8' THEN 'bigint'
			WHEN kind = 'bool' THEN 'boolean'
			WHEN kind = 'timestamp with time zone' THEN 'timestamptz'
			ELSE regexp_replace(kind, '^decimal(?!\w)', 'numeric') END;
		title := coalesce(part[1], btrim(asked));
		value := format('(e.attributes OPERATOR(pg_catalog.->>) %L)', title);
		comment := format('attribute %s of the entity', title);
		IF kind !~ '^(text|bigint|integer|boolean|date|timestamptz|numeric|numeric ?\( ?[0-9]+ ?, ?[0-9]+ ?\))$' THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('attribute "%s" cannot be a column', asked),
				DETAIL = format('"%s" is not a type of columns of views for BI.', kind),
				HINT = 'Write "name" or "name type"; types: text, bigint, integer, boolean, date, timestamptz, numeric(p,s). '
					'A name with a blank in it needs a type: "name text".';
		ELSIF kind = 'numeric' THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('attribute "%s" cannot be a column', asked),
				DETAIL = 'Columns of views for BI have a fixed number of digits.',
				HINT = 'Write numeric(digits,digits behind the point).';
		ELSIF kind ~ '^numeric' THEN
			part := regexp_match(kind, '([0-9]+)\s*,\s*([0-9]+)');
			IF length(part[1]) > 4 OR length(part[2]) > 4 OR part[1]::integer NOT BETWEEN 1 AND 1000
				OR part[2]::integer > part[1]::integer
			THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('attribute "%s" cannot be a column', asked),
					DETAIL = format('numeric(%s,%s) is no type.', part[1], part[2]),
					HINT = 'Write numeric(digits,digits behind the point).';
			END IF;
			expression := format('@extschema@.as_numeric(%s, %s, %s)::pg_catalog.numeric(%2$s,%3$s)', value, part[1]::integer, part[2]::integer);
		ELSIF kind <> 'text' THEN
			expression := format('@extschema@.%I(%s)', 'as_' || kind, value);
		ELSE
			expression := value;
		END IF;
		IF kind <> 'text' THEN
			comment := comment || '; NULL as well where it cannot be of this type';
		END IF;
		IF title IS NULL OR title = '' OR octet_length(title) > 63 OR title = ANY (seen) THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('attribute "%s" cannot be a column', coalesce(asked, 'NULL')),
				DETAIL = CASE WHEN title = ANY (seen) THEN format('There is a column "%s" already.', title)
					ELSE 'The name of a column has 1 to 63 bytes.' END,
				HINT = 'Write "name" or "name type"; types: text, bigint, integer, boolean, date, timestamptz, numeric(p,s).';
		END IF;
		seen := seen || title;
		RETURN NEXT;
	END LOOP;
	FOREACH asked IN ARRAY coalesce(bi_columns.identifiers, '{}')
	LOOP
		title := lower(asked);
		expression := format('(SELECT pg_catalog.min(i.value) FROM @extschema@.identifier i '
			'WHERE i.entity_id OPERATOR(pg_catalog.=) e.entity_id AND i.scheme OPERATOR(pg_catalog.=) %L)', asked);
		comment := format('identifier of scheme %s; the first one, if there are several', asked);
		IF title IS NULL OR title = '' OR octet_length(title) > 63 OR title = ANY (seen) THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('identifier "%s" cannot be a column', coalesce(asked, 'NULL')),
				DETAIL = CASE WHEN title = ANY (seen) THEN format('There is a column "%s" already.', title)
					ELSE 'The name of a column has 1 to 63 bytes.' END;
		END IF;
		seen := seen || title;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.bi_columns(text[], text[]) IS
'columns of the view of entities: what was asked for, as SQL; internal';

CREATE FUNCTION @extschema@.create_bi_views(
	hierarchy text,
	schema text DEFAULT 'public',
	attributes text[] DEFAULT '{}',
	identifiers text[] DEFAULT '{}',
	levels integer DEFAULT NULL)
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	h @extschema@.hierarchy%ROWTYPE;
	graph text;
	n integer := levels;
	kind text;
	title text;
	query text;
	columns jsonb;
	item record;
	entity_columns text := '';
	entity_comments jsonb := '{}';
	level_columns text := '';
	filled_columns text := '';
	level_joins text := '';
	level_comments jsonb := '{}';
	filled_comments jsonb := '{}';
	made text[] := '{}';
BEGIN
	h := find_hierarchy(create_bi_views.hierarchy);
	IF schema IS NULL OR to_regnamespace(quote_ident(schema)) IS NULL THEN
		RAISE invalid_schema_name USING
			MESSAGE = format('schema "%s" does not exist', coalesce(schema, 'NULL')),
			HINT = 'Create it first; views go into a schema that tools may look into.';
	ELSIF levels NOT BETWEEN 1 AND 100 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'levels must be from 1 to 100',
			HINT = 'NULL takes as many as the hierarchy has today.';
	END IF;
	FOREACH kind IN ARRAY ARRAY['tree', 'bridge', 'levels', 'levels_filled', 'entity', 'changes', 'summary']
	LOOP
		title := h.name || '_' || kind;
		IF octet_length(title) > 63 THEN
			RAISE name_too_long USING
				MESSAGE = format('name "%s" is too long for a view', title),
				DETAIL = format('It has %s bytes; 63 are allowed.', octet_length(title)),
				HINT = 'Rename the hierarchy: rename_hierarchy(name, new_name).';
		ELSIF to_regclass(format('%I.%I', schema, title)) IS NOT NULL THEN
			RAISE duplicate_table USING
				MESSAGE = format('relation "%s" already exists in schema "%s"', title, schema),
				HINT = 'drop_bi_views(hierarchy, schema) removes views made here before.';
		END IF;
	END LOOP;

	graph := format('@extschema@.find_graph(%s, %L)', h.hierarchy_id, h.name);
	IF n IS NULL THEN
		SELECT coalesce(max(t.level), 0) + 1 INTO n FROM tree(find_graph(h.hierarchy_id, h.name)) t;
		IF n > 100 THEN
			RAISE NOTICE 'hierarchy "%" has % levels; the views of levels show the first 100', h.name, n;
			n := 100;
		END IF;
	END IF;
	FOREACH title IN ARRAY coalesce(identifiers, '{}')
	LOOP
		IF title <> '' AND NOT EXISTS (SELECT FROM identifier_scheme s WHERE s.scheme = title)
			AND NOT EXISTS (SELECT FROM identifier d WHERE d.scheme = title)
		THEN
			RAISE undefined_object USING
				MESSAGE = format('identifier scheme "%s" does not exist', title),
				DETAIL = 'No identifier is of that scheme, and identifier_scheme does not list it.',
				HINT = format('Schemes: %s. One without identifiers so far is made known by a row of @extschema@.identifier_scheme.',
					(SELECT string_agg(s.scheme, ', ' ORDER BY s.scheme)
					FROM (SELECT o.scheme FROM identifier_scheme o ORDER BY o.scheme LIMIT 20) s));
		END IF;
	END LOOP;
	FOR item IN SELECT * FROM bi_columns(create_bi_views.attributes, create_bi_views.identifiers)
	LOOP
		entity_columns := entity_columns || format(E',\n\t%s AS %I', item.expression, item.title);
		entity_comments := entity_comments || jsonb_build_object(item.title, item.comment);
	END LOOP;
	FOR i IN 1 .. n
	LOOP
		level_columns := level_columns || format(E',\n\tt.path[%1$s] AS level%1$s_id, l%1$s.code AS level%1$s_code, l%1$s.name AS level%1$s_name', i);
		filled_columns := filled_columns || format(E',\n\tcoalesce(t.path[%1$s], t.node) AS level%1$s_id, '
			'CASE WHEN t.level >= %2$s THEN l%1$s.code ELSE e.code END AS level%1$s_code, '
			'CASE WHEN t.level >= %2$s THEN l%1$s.name ELSE e.name END AS level%1$s_name', i, i - 1);
		level_joins := level_joins || format(E'\n\tLEFT JOIN @extschema@.entity l%1$s ON l%1$s.entity_id = t.path[%1$s]', i);
		level_comments := level_comments || jsonb_build_object(
			format('level%s_id', i), format('the ancestor on level %s (the node itself on its own), NULL below', i - 1),
			format('level%s_code', i), 'its code', format('level%s_name', i), 'its name');
		filled_comments := filled_comments || jsonb_build_object(
			format('level%s_id', i), format('the ancestor on level %s; from its own level on, the node itself', i - 1),
			format('level%s_code', i), 'its code', format('level%s_name', i), 'its name');
	END LOOP;

	FOR kind, title, columns, query IN
		VALUES
		('tree', 'every node once, under its primary or else its first parent', '{
			"node": "number of the entity",
			"code": "its code",
			"name": "its name",
			"entity_type": "what kind of entity it is",
			"parent": "the entity above: its primary parent, or else the one with the lowest number; NULL at the top",
			"parent_code": "code of the parent",
			"parent_name": "name of the parent",
			"level": "how deep it is; 0 at the top",
			"path": "names from the top down to this one, between them |",
			"sort_key": "rows sorted by it stand as in a printed tree",
			"is_leaf": "is no other entity listed under it?",
			"children": "how many entities are listed under it",
			"parents": "number of its parents, listed under one of them"}'::jsonb,
		format($q$
SELECT t.node, e.code, e.name, e.entity_type, t.parent, p.code AS parent_code, p.name AS parent_name, t.level,
	@extschema@.tree_path((SELECT %1$s), t.node, e.name) AS path,
	@extschema@.tree_sort_key((SELECT %1$s), t.node) AS sort_key,
	t.children = 0 AS is_leaf, t.children, t.parents
FROM @extschema@.tree(%1$s) t
	LEFT JOIN @extschema@.entity e ON e.entity_id = t.node
	LEFT JOIN @extschema@.entity p ON p.entity_id = t.parent$q$, graph)),
		('bridge', 'every node with everything below it, itself included: joins totals and facts', '{
			"ancestor": "number of the entity above",
			"descendant": "number of the entity below, or the same",
			"depth": "how many steps apart; 0 for the same",
			"share": "part of the descendant that counts for the ancestor, over all paths; NULL: not stated, as in a hierarchy without shares; 1 for itself, always",
			"is_top": "has the ancestor no parent?",
			"is_bottom": "has the descendant no child?"}',
		format($q$
SELECT c.ancestor, c.descendant, c.depth, c.share::numeric(20,12) AS share,
	@extschema@.is_root((SELECT %1$s), c.ancestor) AS is_top, c.is_leaf AS is_bottom
FROM @extschema@.closure(%1$s) c$q$, graph)),
		('levels', 'every node once, with its ancestors in columns, level 1 at the top', level_comments || '{
			"node": "number of the entity",
			"code": "its code",
			"name": "its name",
			"level": "how deep it is; 0 at the top",
			"is_cut": "is it deeper than there are columns?"}',
		format($q$
SELECT t.node, e.code, e.name, t.level%2$s,
	t.level >= %4$s AS is_cut
FROM @extschema@.tree(%1$s) t
	LEFT JOIN @extschema@.entity e ON e.entity_id = t.node%3$s$q$, graph, level_columns, level_joins, n)),
		('levels_filled', 'every node once, with its ancestors in columns; below its own level the node repeats', filled_comments || '{
			"node": "number of the entity",
			"code": "its code",
			"name": "its name",
			"level": "how deep it is; 0 at the top",
			"is_cut": "is it deeper than there are columns?"}',
		format($q$
SELECT t.node, e.code, e.name, t.level%2$s,
	t.level >= %4$s AS is_cut
FROM @extschema@.tree(%1$s) t
	LEFT JOIN @extschema@.entity e ON e.entity_id = t.node%3$s$q$, graph, filled_columns, level_joins, n)),
		('entity', 'the directory: entities of all hierarchies', entity_comments || '{
			"node": "number of the entity",
			"entity_type": "what kind of entity it is",
			"code": "its code, unique among entities of its type",
			"name": "its name",
			"status": "active, inactive, or merged into another entity",
			"merged_into": "the entity that it was merged into"}',
		format($q$
SELECT e.entity_id AS node, e.entity_type, e.code, e.name, e.status, e.merged_into%1$s
FROM @extschema@.entity e$q$, entity_columns)),
		('changes', 'changes of the relationships of the hierarchy', '{
			"change_id": "number of the change, growing",
			"changed_at": "when it was made",
			"changed_on": "the day of that, in the time zone of the session",
			"operation": "INSERT, UPDATE or DELETE",
			"child": "number of the entity below",
			"child_code": "its code today",
			"child_name": "its name today",
			"parent": "number of the entity above, before the change if there is none after it",
			"parent_code": "its code today",
			"parent_name": "its name today",
			"relationship_type": "kind of the relationship",
			"share": "its share",
			"valid_from": "first day on which it holds; NULL: from the beginning",
			"valid_to": "first day on which it holds no more; NULL: for ever",
			"is_primary": "is it the primary parent of the child?",
			"former_parent": "number of the entity above before the change",
			"former_share": "share before the change",
			"former_valid_from": "first day before the change",
			"former_valid_to": "end before the change",
			"former_is_primary": "primary before the change?",
			"reason": "why it was made",
			"request": "what asked for it",
			"login_role": "who logged in",
			"application": "name of the application"}',
		format($q$
SELECT c.change_id, c.changed_at, c.changed_at::date AS changed_on, c.operation,
	c.entity_id AS child, k.code AS child_code, k.name AS child_name,
	c.parent_id AS parent, p.code AS parent_code, p.name AS parent_name,
	coalesce(c.new_row, c.old_row) ->> 'relationship_type' AS relationship_type,
	(coalesce(c.new_row, c.old_row) ->> 'share')::numeric(20,12) AS share,
	nullif(lower((coalesce(c.new_row, c.old_row) ->> 'valid')::daterange), '-infinity') AS valid_from,
	nullif(upper((coalesce(c.new_row, c.old_row) ->> 'valid')::daterange), 'infinity') AS valid_to,
	(coalesce(c.new_row, c.old_row) ->> 'is_primary')::boolean AS is_primary,
	(c.old_row ->> 'parent_id')::bigint AS former_parent,
	(c.old_row ->> 'share')::numeric(20,12) AS former_share,
	nullif(lower((c.old_row ->> 'valid')::daterange), '-infinity') AS former_valid_from,
	nullif(upper((c.old_row ->> 'valid')::daterange), 'infinity') AS former_valid_to,
	(c.old_row ->> 'is_primary')::boolean AS former_is_primary,
	c.reason, c.request, c.login_role, c.application
FROM @extschema@.change_log c
	LEFT JOIN @extschema@.entity k ON k.entity_id = c.entity_id
	LEFT JOIN @extschema@.entity p ON p.entity_id = c.parent_id
WHERE c.table_name = 'relationship' AND c.hierarchy_id = %1$s
	-- of entities that policies hide, the past is hidden as well
	AND CASE WHEN row_security_active('@extschema@.entity'::regclass)
		THEN k.entity_id IS NOT NULL AND p.entity_id IS NOT NULL
			AND (c.old_row IS NULL
				OR EXISTS (SELECT FROM @extschema@.entity f WHERE f.entity_id = (c.old_row ->> 'parent_id')::bigint)
				AND EXISTS (SELECT FROM @extschema@.entity f WHERE f.entity_id = (c.old_row ->> 'child_id')::bigint))
		ELSE true END$q$, h.hierarchy_id)),
		('summary', 'the hierarchy level by level, and those that have left it', '{
			"level": "how deep; 0 at the top; NULL: entities that stood in the hierarchy, do so no more, and are inactive",
			"entities": "number of entities on this level; 0 for those that have left",
			"several_parents": "how many of them have several parents",
			"without_parent": "how many have none",
			"inactive": "how many have left and are inactive, in the row without level; on a level 0: an inactive entity stands nowhere",
			"changed_30_days": "how many were changed, or their relationships to parents, in the last 30 days",
			"pending_review": "matches proposed for these entities that nobody has decided on"}',
		format($q$
SELECT t.level, count(*) FILTER (WHERE NOT t.has_left) AS entities, count(*) FILTER (WHERE t.parents > 1) AS several_parents,
	count(*) FILTER (WHERE t.parents = 0) AS without_parent,
	count(*) FILTER (WHERE t.has_left) AS inactive,
	count(c.entity_id) AS changed_30_days,
	coalesce(sum(m.n), 0)::bigint AS pending_review
FROM (
	SELECT s.node, s.level, s.parents, false AS has_left FROM @extschema@.tree(%1$s) s
	UNION ALL
	SELECT e.entity_id, NULL, NULL, true FROM @extschema@.entity e
	WHERE e.status = 'inactive' AND e.entity_id IN (
		SELECT unnest(ARRAY[r.child_id, r.parent_id]) FROM @extschema@.relationship r
		WHERE r.hierarchy_id = %2$s AND upper(r.valid) <= current_date)) t
	LEFT JOIN (
		SELECT DISTINCT l.entity_id FROM @extschema@.change_log l
		WHERE l.changed_at >= now() - interval '30 days' AND (l.hierarchy_id = %2$s OR l.hierarchy_id IS NULL)
			AND l.entity_id IS NOT NULL) c ON c.entity_id = t.node
	LEFT JOIN (
		SELECT i.id, count(*) AS n
		FROM @extschema@.match_candidate p, LATERAL (VALUES (p.entity_id), (p.other_id)) i (id)
		WHERE p.status = 'proposed'
		GROUP BY i.id) m ON m.id = t.node
GROUP BY t.level$q$, graph, h.hierarchy_id))
	LOOP
		EXECUTE format('CREATE VIEW %I.%I WITH (security_invoker = true) AS%s', schema, h.name || '_' || kind, query);
		EXECUTE format('COMMENT ON VIEW %I.%I IS %L', schema, h.name || '_' || kind,
			format('%s (BI view of hierarchy %s)', title, h.hierarchy_id));
		FOR item IN
			SELECT format('COMMENT ON COLUMN %I.%I.%I IS %L', schema, h.name || '_' || kind, c.key, c.value) AS command
			FROM jsonb_each_text(columns) c
		LOOP
			EXECUTE item.command;
		END LOOP;
		made := made || format('%I.%I', schema, h.name || '_' || kind);
	END LOOP;
	RETURN QUERY SELECT unnest(made);
END
$$;
COMMENT ON FUNCTION @extschema@.create_bi_views(text, text, text[], text[], integer) IS
'makes the views of a hierarchy for BI tools; returns their names';

CREATE FUNCTION @extschema@.drop_bi_views(hierarchy text, schema text DEFAULT 'public')
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, @extschema@, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	v_id integer := (SELECT h.hierarchy_id FROM hierarchy h WHERE h.name = drop_bi_views.hierarchy);
	title text;
	titles text[];
BEGIN
	IF schema IS NULL OR to_regnamespace(quote_ident(schema)) IS NULL THEN
		RAISE invalid_schema_name USING MESSAGE = format('schema "%s" does not exist', coalesce(schema, 'NULL'));
	END IF;
	SELECT array_agg(format('%I.%I', schema, c.relname) ORDER BY c.relname) INTO titles
	FROM pg_class c
		JOIN substring(obj_description(c.oid, 'pg_class') FROM ' \(BI view of hierarchy ([0-9]{1,9})\)$') AS made (id) ON true
	WHERE c.relnamespace = to_regnamespace(quote_ident(schema)) AND c.relkind = 'v'
		-- those of a hierarchy that was dropped are known by their names only
		AND CASE WHEN v_id IS NOT NULL THEN made.id::integer = v_id
			ELSE c.relname ~ '_(tree|bridge|levels|levels_filled|entity|changes|summary)$'
				AND left(c.relname, length(drop_bi_views.hierarchy) + 1) = drop_bi_views.hierarchy || '_'
				AND NOT EXISTS (SELECT FROM hierarchy h WHERE h.hierarchy_id = made.id::integer) END;
	IF titles IS NULL AND v_id IS NULL THEN
		PERFORM find_hierarchy(drop_bi_views.hierarchy);
	END IF;
	FOREACH title IN ARRAY coalesce(titles, '{}')
	LOOP
		EXECUTE format('DROP VIEW %s', title);
		RETURN NEXT title;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.drop_bi_views(text, text) IS
'drops the views that create_bi_views made; returns their names';

-- Owners
--
-- The script of a trusted extension runs as a superuser.  Tables, and functions
-- that run with the rights of their owner, belong to whoever installs it
-- instead: nobody becomes more than that through them.

DO $$
DECLARE
	object record;
	owner regrole;
BEGIN
	SELECT e.extowner INTO owner FROM pg_catalog.pg_extension e WHERE e.extname = 'hierarchy';
	FOR object IN
		SELECT pg_catalog.format('ALTER TABLE %s OWNER TO %s', c.oid::regclass, owner) AS command
		FROM pg_catalog.pg_class c
			JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass::oid AND d.objid = c.oid
				AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass::oid
			JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'hierarchy'
		WHERE c.relkind IN ('r', 'p', 'v')
		UNION ALL
		SELECT pg_catalog.format('ALTER ROUTINE %s OWNER TO %s', p.oid::regprocedure, owner)
		FROM pg_catalog.pg_proc p
			JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::regclass::oid AND d.objid = p.oid
				AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass::oid
			JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'hierarchy'
		WHERE p.prosecdef
	LOOP
		EXECUTE object.command;
	END LOOP;
END
$$;

-- Partitions of change_log for this month and some to come
--
-- They do not belong to the extension, so that dumps contain them.  Where a
-- dump is being restored it brings them along: nothing to make then (the
-- script has set the other two of the three settings that would tell).

DO $$
DECLARE
	partition regclass;
BEGIN
	IF pg_catalog.current_setting('row_security')::boolean THEN
		PERFORM @extschema@.prepare_change_log();
		FOR partition IN
			SELECT d.objid FROM pg_catalog.pg_depend d
				JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'hierarchy'
				JOIN pg_catalog.pg_inherits i ON i.inhrelid = d.objid
			WHERE d.classid = 'pg_catalog.pg_class'::regclass::oid AND d.deptype = 'e'
				AND d.refclassid = 'pg_catalog.pg_extension'::regclass::oid
				AND i.inhparent = '@extschema@.change_log'::regclass::oid
		LOOP
			EXECUTE pg_catalog.format('ALTER EXTENSION hierarchy DROP TABLE %s', partition);
		END LOOP;
	END IF;
END
$$;
