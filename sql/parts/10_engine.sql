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
