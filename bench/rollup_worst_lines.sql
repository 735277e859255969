SELECT bench.line_of(v.ord, format(v.label, s.nodes, f.facts), v.subject, v.peer, v.kind, v.bar)
FROM hierarchy.graph_stats('bench.worst') s, (SELECT count(*) FROM bench.worst_fact) f(facts),
	 (VALUES
	(1200, 'worst case, distinct: %s nodes, half of them with 3 parents, depth 30, %s facts', 'worst distinct', NULL, 'absolute', 3e6),
	(1210, 'the same against GROUP BY', 'worst distinct', 'worst group by', 'ratio', NULL),
	(1220, 'the same graph, weighted, against GROUP BY', 'worst weighted', 'worst group by', 'ratio', NULL),
	(1230, 'the same graph, paths, against GROUP BY', 'worst paths', 'worst group by', 'ratio', NULL))
	 v(ord, label, subject, peer, kind, bar)
\g /dev/null

INSERT INTO bench.line VALUES (1205, 'worst memory', 'memory for that', 'bytes', 200 * 1024 * 1024);
INSERT INTO bench.result SELECT 'worst memory', 'subject', us FROM bench.result WHERE test = 'worst distinct' AND side = 'memory';
