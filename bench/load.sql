-- Loading a list: the data set as a file of one row for each relationship, with
-- code and name of the entity and code of its parent, in no order.  Against
-- what one would write by hand for a list without a fault in it: the file is
-- staged the same way, then one INSERT for the entities and one for the
-- relationships, with the rules and the log of the directory.  Each round is in
-- a database of its own; of a large list there is one.

CREATE TABLE bench.list AS
SELECT CASE WHEN s.child_id > l.first_prescriber THEN 'prescriber' WHEN s.child_id > l.first_account THEN 'account'
		WHEN s.child_id > l.first_organisation THEN 'organisation' ELSE 'network' END AS type,
	'E-' || s.child_id AS code, 'Name of entity ' || s.child_id AS name,
	CASE WHEN s.parent_id > l.first_prescriber THEN 'prescriber' WHEN s.parent_id > l.first_account THEN 'account'
		WHEN s.parent_id > l.first_organisation THEN 'organisation' WHEN s.parent_id IS NOT NULL THEN 'network' END AS ptype,
	'E-' || s.parent_id AS pcode
FROM bench.source s, bench.level l
ORDER BY md5(s.child_id::text || coalesce(s.parent_id, 0));
\set list :edges .list
SELECT format('COPY bench.list TO %L CSV', :'list') AS copy \gset
:copy;
SELECT count(*) AS list_rows FROM bench.list \gset
DROP TABLE bench.list;

\ir load_round.sql
SELECT :list_rows < 500000 AS is_small \gset
\if :is_small
\ir load_round.sql
\endif

SELECT bench.line_of(720, format('load a list of %s rows, against \copy and the inserts', :'list_rows'), 'list load', 'list insert', 'ratio', 2.5),
	bench.line_of(721, 'its relationships alone, from another source', 'list load relationships', 'list insert relationships', 'ratio', 2.5),
	bench.line_of(722, 'the same list again, which changes nothing, against loading it', 'list load again', 'list load', 'ratio', NULL)
	\g /dev/null
