-- Everything that the extension has brought into the database, with definitions,
-- rights and comments, and without numbers that differ from one installation to
-- the next.
SET search_path = '';

-- Who may do what, and what CREATE EXTENSION gave
CREATE FUNCTION pg_temp.acl(acl aclitem[], class regclass, object oid, sub integer) RETURNS text STABLE LANGUAGE sql AS $$
SELECT concat(coalesce((SELECT string_agg(a::text, ', ' ORDER BY a::text COLLATE "C") FROM unnest(acl) a), 'default'), ' / ',
	coalesce((SELECT string_agg(a::text, ', ' ORDER BY a::text COLLATE "C") FROM pg_init_privs i, unnest(i.initprivs) a
		WHERE i.classoid = class AND i.objoid = object AND i.objsubid = sub), 'default'))
$$;

CREATE TEMPORARY VIEW member AS
SELECT d.classid, d.objid, i.type, i.identity
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hierarchy', pg_identify_object(d.classid, d.objid, 0) i
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';

CREATE TEMPORARY VIEW relation AS
SELECT c.* FROM pg_class c WHERE c.relnamespace = 'hierarchy'::regnamespace;

SELECT 'extension', extversion, extrelocatable, extnamespace::regnamespace, obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'hierarchy';
SELECT 'member', type, identity, obj_description(objid, classid::regclass::name) FROM pg_temp.member ORDER BY type, identity COLLATE "C";
SELECT 'kept by a dump', c.config::regclass, c.condition
FROM pg_extension e, unnest(e.extconfig, e.extcondition) c (config, condition) WHERE e.extname = 'hierarchy' ORDER BY c.config::regclass::text COLLATE "C";
SELECT 'schema', n.nspname, n.nspowner::regrole, pg_temp.acl(n.nspacl, 'pg_namespace', n.oid, 0) FROM pg_namespace n WHERE n.nspname = 'hierarchy';
SELECT 'function', pg_get_functiondef(p.oid), p.proowner::regrole, pg_temp.acl(p.proacl, 'pg_proc', p.oid, 0)
FROM pg_proc p WHERE p.pronamespace = 'hierarchy'::regnamespace AND p.prokind <> 'a' ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT 'aggregate', p.oid::regprocedure, p.proparallel, p.provolatile, pg_get_function_arguments(p.oid), p.prorettype::regtype, a.aggkind, a.aggtransfn,
	a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggfinalmodify, a.aggtranstype::regtype, a.aggtransspace, a.agginitval,
	p.proowner::regrole, pg_temp.acl(p.proacl, 'pg_proc', p.oid, 0)
FROM pg_proc p JOIN pg_aggregate a ON a.aggfnoid = p.oid WHERE p.pronamespace = 'hierarchy'::regnamespace ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT 'type', t.oid::regtype, t.typtype, t.typlen, t.typbyval, t.typalign, t.typstorage, t.typinput, t.typoutput, t.typreceive, t.typsend, t.typcategory,
	t.typnotnull, t.typbasetype::regtype, t.typdefault, t.typowner::regrole, pg_temp.acl(t.typacl, 'pg_type', t.oid, 0),
	(SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0),
	(SELECT string_agg(concat_ws(' ', n.conname, pg_get_constraintdef(n.oid)), ', ' ORDER BY n.conname) FROM pg_constraint n WHERE n.contypid = t.oid)
FROM pg_type t WHERE t.typnamespace = 'hierarchy'::regnamespace ORDER BY t.oid::regtype::text COLLATE "C";
SELECT 'cast', c.castsource::regtype, c.casttarget::regtype, c.castfunc::regprocedure, c.castcontext, c.castmethod
FROM pg_cast c JOIN pg_temp.member m ON m.classid = 'pg_cast'::regclass AND m.objid = c.oid ORDER BY c.castsource::regtype::text, c.casttarget::regtype::text;
SELECT 'operator', o.oid::regoperator, o.oprresult::regtype, o.oprcom::regoperator, o.oprnegate::regoperator, o.oprcode, o.oprrest, o.oprjoin, o.oprcanmerge, o.oprcanhash
FROM pg_operator o WHERE o.oprnamespace = 'hierarchy'::regnamespace ORDER BY o.oid::regoperator::text COLLATE "C";
SELECT 'access method', a.amname, a.amhandler, a.amtype FROM pg_am a JOIN pg_temp.member m ON m.classid = 'pg_am'::regclass AND m.objid = a.oid;
SELECT 'operator class', c.opcname, c.opcintype::regtype, c.opcdefault, c.opckeytype::regtype, f.opfname, a.amname,
	(SELECT string_agg(concat_ws(' ', o.amopstrategy, o.amopopr::regoperator), ', ' ORDER BY o.amopstrategy, o.amopopr::regoperator::text) FROM pg_amop o WHERE o.amopfamily = f.oid),
	(SELECT string_agg(concat_ws(' ', o.amprocnum, o.amproc), ', ' ORDER BY o.amprocnum, o.amproc::text) FROM pg_amproc o WHERE o.amprocfamily = f.oid)
FROM pg_opclass c JOIN pg_opfamily f ON f.oid = c.opcfamily JOIN pg_am a ON a.oid = c.opcmethod JOIN pg_temp.member m ON m.classid = 'pg_opclass'::regclass AND m.objid = c.oid
ORDER BY 2, 3::text;
SELECT 'relation', c.oid::regclass, c.relkind, c.relpersistence, c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.reloptions,
	pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid), pg_temp.acl(c.relacl, 'pg_class', c.oid, 0),
	CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END
FROM pg_temp.relation c ORDER BY c.relname COLLATE "C";
SELECT 'column', c.oid::regclass, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum) AS n, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
	a.attgenerated, a.attidentity, a.attstorage, a.attcompression, a.attstattarget, (SELECT string_agg(o, ', ') FROM unnest(a.attoptions) o WHERE o !~ '^pg_'), a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid),
	pg_temp.acl(a.attacl, 'pg_class', c.oid, a.attnum), col_description(c.oid, a.attnum)
FROM pg_temp.relation c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind NOT IN ('i', 'I') ORDER BY c.relname COLLATE "C", n;
SELECT 'sequence', s.seqrelid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle
FROM pg_sequence s JOIN pg_temp.relation c ON c.oid = s.seqrelid ORDER BY c.relname COLLATE "C";
SELECT 'constraint', n.conrelid::regclass, n.conname, n.contype, pg_get_constraintdef(n.oid), n.convalidated, n.conislocal, n.coninhcount, obj_description(n.oid, 'pg_constraint')
FROM pg_constraint n JOIN pg_temp.relation c ON c.oid = n.conrelid ORDER BY c.relname COLLATE "C", n.conname COLLATE "C";
SELECT 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident, obj_description(i.indexrelid, 'pg_class')
FROM pg_index i JOIN pg_temp.relation c ON c.oid = i.indrelid ORDER BY pg_get_indexdef(i.indexrelid) COLLATE "C";
SELECT 'trigger', pg_get_triggerdef(t.oid), t.tgenabled, t.tgdeferrable, t.tginitdeferred, t.tgparentid <> 0, obj_description(t.oid, 'pg_trigger')
FROM pg_trigger t JOIN pg_temp.relation c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal ORDER BY c.relname COLLATE "C", t.tgname COLLATE "C";
SELECT 'rule', pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_temp.relation c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN' ORDER BY 2;
SELECT 'policy', p.* FROM pg_policies p WHERE p.schemaname = 'hierarchy' ORDER BY p.tablename, p.policyname;
SELECT 'event trigger', e.evtname, e.evtevent, e.evtenabled, e.evttags, e.evtfoid::regprocedure, e.evtowner::regrole FROM pg_event_trigger e ORDER BY 2;
SELECT 'statistics', pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s WHERE s.stxnamespace = 'hierarchy'::regnamespace ORDER BY 2;
SELECT 'default rights', d.defaclrole::regrole, d.defaclobjtype, d.defaclacl FROM pg_default_acl d ORDER BY 2, 3;
-- what the script wrote into its own tables
SELECT 'rows', c.oid::regclass, query_to_xml(format('SELECT t.* FROM %s t ORDER BY t::text COLLATE "C"', c.oid::regclass), false, true, '')
FROM pg_temp.relation c WHERE c.relkind = 'r' AND c.relname !~ '^change_log' ORDER BY c.relname COLLATE "C";
