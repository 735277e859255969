-- Catch-up: the first call in a transaction, after another connection changed
-- the graph or nobody did.  bench/run makes the rounds.

SELECT bench.define('catchup', $$
	SELECT count(node) INTO answer FROM hierarchy.descendants('bench.graph', a)
$$) \g /dev/null

CREATE PROCEDURE bench.catchup_nothing(node bigint, rounds int)
LANGUAGE plpgsql AS $$
BEGIN
	FOR r IN -9 .. rounds LOOP
		IF r > 0 THEN
			PERFORM bench.record('catchup none', 'subject', us) FROM bench.catchup(node, 1);
		ELSE
			PERFORM bench.catchup(node, 1);
		END IF;
		COMMIT;
	END LOOP;
END
$$;

-- A round of 100 changes: leaves get another account.
CREATE FUNCTION bench.change() RETURNS void
LANGUAGE sql AS $$
	WITH moved AS MATERIALIZED (
		SELECT DISTINCT l.first_prescriber + 1 + floor((l.nodes - l.first_prescriber) * random())::bigint AS id
		FROM bench.level l, generate_series(1, 110))
	UPDATE bench.graph_edge e
	SET parent_id = l.first_account + 1 + (e.parent_id + 7) % (l.first_prescriber - l.first_account)
	FROM bench.level l
	WHERE e.ctid IN (SELECT min(e.ctid) FROM bench.graph_edge e JOIN moved m ON m.id = e.child_id
					 GROUP BY e.child_id LIMIT 100)
$$;

INSERT INTO bench.line VALUES
(710, 'catchup none', 'first call in a transaction, nothing changed', 'absolute', NULL),
(720, 'catchup vacuum', 'first call after 100 changes and VACUUM by others', 'absolute', 2000),
(730, 'catchup cleanup', 'first call after 100 changes and VACUUM (INDEX_CLEANUP) by others', 'absolute', 2000);
