/*-------------------------------------------------------------------------
 *
 * watch_sql.c
 *	  The query of pg_hierarchy watch: what a change is, in words or as JSON.
 *
 * With a hierarchy, changes of entities and identifiers count if the entity is in
 * that hierarchy today. Rows that nobody wants come back all the same, since their
 * numbers say how far we are. Names of entities are those they have now, or had
 * when they were deleted.
 *
 *-------------------------------------------------------------------------
 */
#include "watch_sql.h"

#define LABEL(e, id) \
	"coalesce(" e ".name || ' (' || " e ".entity_type || ':' || " e ".code || ')', 'entity ' || " id ")"

#define ROW_LABEL(image) \
	"concat(" image " ->> 'name', ' (', " image " ->> 'entity_type', ':', " image " ->> 'code', ')')"

/* Fields that differ between two JSON objects, with a prefix to their names. */
#define DIFFERENCES(old_object, new_object, prefix) \
	"SELECT " prefix " || key AS field, o.value AS old_value, n.value AS new_value\n" \
	"FROM jsonb_each(" old_object ") o FULL JOIN jsonb_each(" new_object ") n USING (key)\n" \
	"WHERE o.value IS DISTINCT FROM n.value\n"

const char	watch_sql[] =
"SELECT c.change_id, w.wanted, to_char(c.changed_at, 'YYYY-MM-DD HH24:MI:SS'),\n"
"	CASE WHEN c.login_role = c.effective_role THEN c.login_role ELSE c.login_role || ' as ' || c.effective_role END,\n"
"	CASE WHEN $4::boolean THEN j.change::text ELSE concat(t.hierarchy || ': ', t.text) END,\n"
"	concat_ws(', ', c.reason, c.request)\n"
"FROM @extschema@.changes_since($1::bigint, $3::int) c\n"
"	CROSS JOIN LATERAL (\n"
"		SELECT $2::int IS NULL OR c.hierarchy_id = $2::int\n"
"			OR (c.hierarchy_id IS NULL AND EXISTS (\n"
"				SELECT FROM @extschema@.hierarchy h,\n"
"					@extschema@.parents(h.graph, c.entity_id, include_self => true)\n"
"				WHERE h.hierarchy_id = $2::int))) w (wanted)\n"
"	LEFT JOIN LATERAL (\n"
"		SELECT e.* FROM @extschema@.entity e WHERE e.entity_id = c.entity_id OFFSET 0) e ON w.wanted\n"
"	LEFT JOIN LATERAL (\n"
"		SELECT e.* FROM @extschema@.entity e WHERE e.entity_id = c.parent_id OFFSET 0) p ON w.wanted\n"
"	LEFT JOIN @extschema@.hierarchy h ON h.hierarchy_id = c.hierarchy_id AND w.wanted\n"
"	LEFT JOIN LATERAL (\n"
"		SELECT e.* FROM @extschema@.entity e\n"
"		WHERE c.table_name = 'relationship' AND c.operation = 'UPDATE'\n"
"			AND c.old_row -> 'parent_id' IS DISTINCT FROM c.new_row -> 'parent_id'\n"
"			AND e.entity_id = (c.old_row ->> 'parent_id')::bigint OFFSET 0) f ON w.wanted\n"
"	LEFT JOIN LATERAL (\n"
"		SELECT string_agg(format('%s %s -> %s', d.field, coalesce(d.old_value #>> '{}', 'none'),\n"
"				coalesce(d.new_value #>> '{}', 'none')), ', ' ORDER BY d.field) AS differences\n"
"		FROM (\n"
DIFFERENCES("c.old_row - '{label,attributes}'::text[]", "c.new_row - '{label,attributes}'::text[]", "''")
"			UNION ALL\n"
DIFFERENCES("coalesce(c.old_row -> 'attributes', '{}')", "coalesce(c.new_row -> 'attributes', '{}')", "'attribute '")
"		) d\n"
"		WHERE c.table_name <> 'relationship' OR d.field <> 'parent_id') d\n"
"		ON w.wanted AND c.operation = 'UPDATE' AND NOT $4::boolean\n"
"	LEFT JOIN LATERAL (\n"
"		SELECT concat(', share ' || (i.image ->> 'share'),\n"
"			CASE WHEN (i.image ->> 'is_primary')::boolean THEN ', primary' END,\n"
"			', ' || (i.image ->> 'relationship_type'),\n"
"			', from ' || lower((i.image ->> 'valid')::daterange),\n"
"			', until ' || upper((i.image ->> 'valid')::daterange)) AS circumstances\n"
"		FROM (SELECT coalesce(c.new_row, c.old_row) AS image) i) i\n"
"		ON w.wanted AND c.table_name = 'relationship' AND c.operation IN ('INSERT', 'DELETE') AND NOT $4::boolean\n"
"	LEFT JOIN LATERAL (\n"
"		SELECT coalesce(h.name, CASE WHEN c.table_name = 'hierarchy' THEN i2.image ->> 'name' END,\n"
"				'hierarchy ' || c.hierarchy_id) AS hierarchy,\n"
"			CASE\n"
"				WHEN c.operation = 'TRUNCATE' THEN 'table ' || c.table_name || ' emptied'\n"
"				WHEN c.table_name = 'entity' THEN CASE c.operation\n"
"					WHEN 'INSERT' THEN 'added ' || " ROW_LABEL("c.new_row") "\n"
"					WHEN 'DELETE' THEN 'deleted ' || " ROW_LABEL("c.old_row") "\n"
"					ELSE concat(" ROW_LABEL("c.new_row") ", ': ', d.differences) END\n"
"				WHEN c.table_name = 'identifier' THEN concat(" LABEL("e", "c.entity_id") ", ': ',\n"
"					CASE c.operation WHEN 'UPDATE' THEN d.differences\n"
"						ELSE concat(i2.image ->> 'scheme', ' ', i2.image ->> 'value',\n"
"							CASE c.operation WHEN 'INSERT' THEN ' added' ELSE ' removed' END) END)\n"
"				WHEN c.table_name = 'relationship' THEN concat(" LABEL("e", "c.entity_id") ", CASE c.operation\n"
"					WHEN 'INSERT' THEN ' assigned to ' || " LABEL("p", "c.parent_id") " || i.circumstances\n"
"					WHEN 'DELETE' THEN ' removed from ' || " LABEL("p", "c.parent_id") " || i.circumstances\n"
"					ELSE concat(CASE\n"
"						WHEN c.old_row -> 'parent_id' IS DISTINCT FROM c.new_row -> 'parent_id'\n"
"						THEN ' moved from ' || " LABEL("f", "(c.old_row ->> 'parent_id')") " || ' to '\n"
"						ELSE ' under ' END, " LABEL("p", "c.parent_id") ", ': ' || d.differences) END)\n"
"				ELSE concat(c.table_name, CASE c.operation\n"
"					WHEN 'INSERT' THEN ' added' WHEN 'DELETE' THEN ' removed' ELSE ' changed' END, ': ',\n"
"					CASE c.operation WHEN 'UPDATE' THEN d.differences ELSE (\n"
"						SELECT string_agg(k.key || ' ' || (k.value #>> '{}'), ', ')\n"
"						FROM jsonb_each(i2.image - 'label') k WHERE jsonb_typeof(k.value) <> 'null') END)\n"
"			END AS text\n"
"		FROM (SELECT coalesce(c.new_row, c.old_row) AS image) i2) t ON w.wanted AND NOT $4::boolean\n"
"	LEFT JOIN LATERAL (\n"
"		SELECT jsonb_build_object('change_id', c.change_id, 'changed_at', c.changed_at, 'txid', c.txid::text::bigint,\n"
"			'table', c.table_name, 'operation', c.operation,\n"
"			'hierarchy', coalesce(h.name, CASE WHEN c.table_name = 'hierarchy'\n"
"				THEN coalesce(c.new_row, c.old_row) ->> 'name' END), 'hierarchy_id', c.hierarchy_id,\n"
"			'entity', CASE WHEN c.entity_id IS NOT NULL THEN jsonb_build_object('id', c.entity_id,\n"
"				'type', e.entity_type, 'code', e.code, 'name', e.name) END,\n"
"			'parent', CASE WHEN c.parent_id IS NOT NULL THEN jsonb_build_object('id', c.parent_id,\n"
"				'type', p.entity_type, 'code', p.code, 'name', p.name) END,\n"
"			'old', c.old_row, 'new', c.new_row, 'reason', c.reason, 'request', c.request,\n"
"			'login_role', c.login_role, 'effective_role', c.effective_role,\n"
"			'application', c.application, 'client_address', c.client_address) AS change) j\n"
"		ON w.wanted AND $4::boolean\n"
"ORDER BY c.change_id";
