-- The upward pass alone: bench/run hands the edges to upward.c and its times
-- back to here.
CREATE TABLE bench.upward (mode text, part text, us float8);

SELECT format('COPY (SELECT parent_id, child_id, share, is_primary FROM bench.split_edge) TO %L', :'edges')
\gexec
