SELECT bench.line_of(v.ord, v.label, v.subject, v.peer, v.kind, v.bar)
FROM (VALUES
	(1100, 'distinct rollup with two workers, against none', 'distinct, 2 workers', 'distinct, 0 workers', 'faster', 1.5),
	(1110, 'weighted rollup with two workers, against none', 'weighted, 2 workers', 'weighted, 0 workers', 'faster', 1.5),
	(1120, 'distinct rollup with two workers, against sum(v) with two', 'distinct, 2 workers', 'sum, 2 workers', 'ratio', NULL))
	 v(ord, label, subject, peer, kind, bar)
\g /dev/null
