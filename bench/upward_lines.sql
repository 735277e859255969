INSERT INTO bench.result SELECT format('upward %s %s', mode, part), 'subject', us FROM bench.upward;
INSERT INTO bench.line
SELECT 1300 + row_number() OVER (ORDER BY m.ord, p.ord), format('upward %s %s', mode, part),
	   format(p.label, mode, l.nodes), 'absolute', CASE part WHEN 'whole' THEN 100000 END
FROM bench.level l,
	 (VALUES (1, 'whole', 'upward pass, %s: %s nodes, sum, count, least, greatest, all in all'),
			 (2, 'dag', 'of which %s, cutting out what lies above'),
			 (3, 'sum', 'the same with a sum alone, without that, %s')) p(ord, part, label),
	 (VALUES (1, 'distinct'), (2, 'weighted'), (3, 'primary'), (4, 'paths')) m(ord, mode);
