-- The lines of rollup.sql, once the memory has been measured.
SELECT bench.line_of(v.ord, replace(v.label, '%', facts), v.subject, v.peer, 'ratio', v.bar)
FROM (SELECT regexp_replace(count(*)::text, '000000$', 'M') FROM bench.fact) f(facts),
	 (VALUES
	(1000, 'rollup of % facts, distinct, against SELECT key, sum(v) GROUP BY key', 'distinct', 'group by', 0.4),
	(1005, 'the same, against SELECT sum(v)', 'distinct', 'sum', 2.5),
	(1010, 'the same with every row of each(), against GROUP BY', 'rows', 'group by', NULL),
	(1020, 'rollup of % facts, weighted, against GROUP BY', 'weighted', 'group by', 0.5),
	(1030, 'rollup of % facts, primary, against GROUP BY', 'primary', 'group by', NULL),
	(1040, 'rollup of % facts, paths, against GROUP BY', 'paths', 'group by', NULL),
	(1045, 'rollup that counts % facts, against GROUP BY', 'count', 'group by', NULL),
	(1050, 'rollup of % numeric(12,2), distinct, against GROUP BY of these', 'numeric', 'group by n', 0.6),
	(1060, 'rollup of % numeric(12,2), weighted, against GROUP BY of these', 'numeric weighted', 'group by n', NULL),
	(1070, 'rollup of % double precision, distinct, against GROUP BY of these', 'double', 'group by d', NULL))
	 v(ord, label, subject, peer, bar)
\g /dev/null
