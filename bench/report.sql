-- The report: medians, ratios, bars, as a markdown table.
-- Variables: nodes, seed, cores.

CREATE FUNCTION pg_temp.time_text(us float8) RETURNS text
LANGUAGE sql AS $$
	SELECT CASE WHEN us IS NULL THEN '–'
				WHEN abs(us) < 1000 THEN format('%s µs', round(us::numeric, CASE WHEN abs(us) < 10 THEN 2 ELSE 1 END))
				WHEN abs(us) < 1e6 THEN format('%s ms', round(us::numeric / 1000, CASE WHEN abs(us) < 1e5 THEN 2 ELSE 0 END))
				ELSE format('%s s', round(us::numeric / 1000000, 2)) END
$$;

CREATE TEMPORARY VIEW verdict AS
WITH median AS (
	SELECT l.*,
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY us) FILTER (WHERE side = 'subject') AS subject,
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY us) FILTER (WHERE side = 'peer') AS peer,
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY us) FILTER (WHERE side = 'subject memory') AS subject_memory,
		   percentile_cont(0.5) WITHIN GROUP (ORDER BY us) FILTER (WHERE side = 'peer memory') AS peer_memory,
		   count(*) FILTER (WHERE side = 'subject') AS n
	FROM bench.line l JOIN bench.result r USING (test)
	GROUP BY l.ord
), figure AS (
	SELECT *,
		   CASE kind WHEN 'faster' THEN peer / subject
					 WHEN 'overhead' THEN subject - peer
					 WHEN 'absolute' THEN subject
					 WHEN 'bytes' THEN subject
					 ELSE subject / peer END AS value
	FROM median
)
SELECT ord, label, n,
	   CASE WHEN kind IN ('size', 'bytes') THEN pg_size_pretty(subject::bigint)
			ELSE pg_temp.time_text(subject) END AS subject,
	   CASE WHEN kind IN ('size', 'bytes') THEN coalesce(pg_size_pretty(peer::bigint), '–')
			ELSE pg_temp.time_text(peer) END AS peer,
	   CASE kind WHEN 'faster' THEN format('%s × faster', round(value::numeric, CASE WHEN value < 1 THEN 2 WHEN value < 10 THEN 1 ELSE 0 END))
				 WHEN 'overhead' THEN format('%s %s', CASE WHEN value < 0 THEN '−' ELSE '+' END,
									pg_temp.time_text(abs(value)))
				 WHEN 'absolute' THEN '–'
				 WHEN 'bytes' THEN '–'
				 ELSE format('%s ×', round(value::numeric, 2)) END AS ratio,
	   pg_size_pretty(subject_memory::bigint) AS memory, pg_size_pretty(peer_memory::bigint) AS memory_of_peer,
	   CASE WHEN bar IS NULL THEN '–'
			WHEN kind = 'bytes' THEN format('≤ %s', pg_size_pretty(bar::bigint))
			WHEN kind = 'faster' THEN format('≥ %s × faster', bar)
			WHEN kind IN ('overhead', 'absolute')
			THEN format('≤ %s', CASE WHEN bar < 1000 THEN format('%s µs', bar)
									 WHEN bar < 1e6 THEN format('%s ms', bar / 1000)
									 ELSE format('%s s', bar / 1e6) END)
			ELSE format('≤ %s ×', bar) END AS bar_text,
	   CASE WHEN bar IS NULL THEN NULL
			WHEN kind = 'faster' THEN value >= bar
			ELSE value <= bar END AS met
FROM figure;

SELECT format('PostgreSQL %s, %s cores; %s; fully cached.', current_setting('server_version'), :cores,
			  (SELECT string_agg(name || ' ' || current_setting(name), ', ')
			   FROM unnest(ARRAY['shared_buffers', 'work_mem', 'jit', 'max_parallel_workers_per_gather',
								 'fsync', 'autovacuum']) name));
SELECT format(E'%s nodes on four levels, %s edges, seed %s.  Medians; both sides took turns.\n',
			  :nodes, count(parent_id), :seed)
FROM bench.source;

SELECT '| what | hierarchy | peer | ratio | bar | met | memory | of peer | runs |'
UNION ALL
SELECT '|---|--:|--:|--:|--:|---|--:|--:|--:|'
UNION ALL
(SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s | %s |', label, subject, peer, ratio, bar_text,
			   CASE WHEN met THEN 'yes' WHEN NOT met THEN '**falls short**' ELSE '' END,
			   memory, memory_of_peer, n)
 FROM verdict ORDER BY ord);

SELECT format(E'\n%s of %s bars met.', count(*) FILTER (WHERE met), count(met)) FROM verdict;

SELECT E'\n' || line FROM bench.note;
