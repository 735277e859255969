/*-------------------------------------------------------------------------
 *
 * load_check.c
 *	  What a load makes of each child, held against the rules that look at all
 *	  of a child's parents.
 *
 * The rules themselves are those of days.c, which the triggers ask, too; here
 * they are asked before anything is written, about rows that the loader sees.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "directory/load.h"
#include "directory/range.h"
#include "fmgr.h"
#include "funcapi.h"
#include "library.h"
#include "miscadmin.h"
#include "rollup/collect_state.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

HG_FUNCTION_INFO_V1(hgraph_load_check_days);

#define COLUMNS_IN	7
#define COLUMNS_OUT 6

/* Checking children one after the other. */
typedef struct ChildCheck
{
	HgDayRules	rules;
	int64		child;
	HgStay	   *stays;
	int			n;
	int			size;
	int		   *max_kind;		/* by kind */
	int			nkinds;
	ReturnSetInfo *result;
} ChildCheck;

/*
 * tell returns a finding as a row: child, what, from which day, which parent or
 * kind, how many too many or unstated, and the sum of shares.
 */
static bool
tell(void *arg, const HgFinding *finding)
{
	static const char *const what[] = {
		"overlap", "max_parents", "max_kind", "two_primary", "no_primary", "share_sum"
	};
	ChildCheck *c = arg;
	Datum		values[COLUMNS_OUT];
	bool		nulls[COLUMNS_OUT] = {false};

	values[0] = Int64GetDatum(c->child);
	values[1] = CStringGetTextDatum(what[finding->breach]);
	values[2] = DateADTGetDatum(finding->from);
	nulls[2] = finding->from == HG_DAY_FIRST;
	values[3] = Int64GetDatum(finding->breach == HG_BREACH_OVERLAP ? c->stays[finding->b].parent : finding->kind);
	nulls[3] = finding->breach != HG_BREACH_OVERLAP && finding->breach != HG_BREACH_MAX_KIND;
	values[4] = Int32GetDatum(finding->breach == HG_BREACH_MAX_KIND ? finding->count - c->max_kind[finding->kind] :
							  finding->breach == HG_BREACH_MAX_PARENTS ? finding->count - c->rules.max_parents :
							  finding->breach == HG_BREACH_SHARES ? finding->unstated : finding->count);
	nulls[5] = finding->breach != HG_BREACH_SHARES;
	values[5] = (Datum) 0;
	if (!nulls[5])
		values[5] = DirectFunctionCall1(numeric_trim_scale,
										NumericGetDatum(int64_div_fast_to_numeric(finding->share, HG_SHARE_PLACES)));
	tuplestore_putvalues(c->result->setResult, c->result->setDesc, values, nulls);
	return true;
}

/*
 * check_child looks at the child whose rows are all there.
 */
static void
check_child(ChildCheck *c)
{
	if (c->n == 0)
		return;
	c->rules.nkinds = c->nkinds;
	c->rules.max_kind = c->max_kind;
	hg_days_sweep(c->stays, c->n, &c->rules, tell, c);
	c->n = 0;
}

/*
 * add_row takes a row of the query; those of a child follow each other.
 */
static void
add_row(void *arg, TupleTableSlot *slot)
{
	ChildCheck *c = arg;
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;
	int64		child = DatumGetInt64(values[0]);
	HgStay	   *stay;

	if (nulls[0] || nulls[1] || nulls[2])
		return;
	if (c->n > 0 && child != c->child)
		check_child(c);
	c->child = child;
	if (c->n == c->size)
	{
		c->size *= 2;
		c->stays = repalloc_huge(c->stays, sizeof(HgStay) * c->size);
	}
	stay = &c->stays[c->n];
	stay->parent = DatumGetInt64(values[1]);
	hg_range_days(values[2], &stay->from, &stay->to);
	if (stay->from >= stay->to)
		return;
	stay->share = HG_SHARE_UNSTATED;
	if (!nulls[3])
	{
		struct varlena *num = PG_DETOAST_DATUM_PACKED(values[3]);

		if (!hg_decimal_parse64(num, HG_SHARE_PLACES, &stay->share))
			stay->share = DatumGetInt64(DirectFunctionCall1(numeric_int8,
															DirectFunctionCall2(numeric_mul, NumericGetDatum((Numeric) PG_DETOAST_DATUM(values[3])),
																				NumericGetDatum(int64_to_numeric(HG_SHARE_ONE)))));
	}
	stay->primary = !nulls[4] && DatumGetBool(values[4]);
	stay->kind = 0;
	if (!nulls[5])
	{
		stay->kind = (int16) DatumGetInt32(values[5]);
		if (stay->kind < 0 || stay->kind >= c->nkinds)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("kind %d of a parent is out of range", stay->kind)));
		c->max_kind[stay->kind] = nulls[6] ? 0 : DatumGetInt32(values[6]);
	}
	c->n++;
}

/*
 * hgraph_load_check_days checks children with all their relationships, which a
 * query lists: child, parent, valid, share, is_primary, kind of the parent and
 * how many of that kind the child may have.
 */
Datum
hgraph_load_check_days(PG_FUNCTION_ARGS)
{
	static const Oid types[COLUMNS_IN] = {
		INT8OID, INT8OID, DATERANGEOID, NUMERICOID, BOOLOID, INT4OID, INT4OID
	};
	ChildCheck	c = {0};

	InitMaterializedSRF(fcinfo, 0);
	c.result = (ReturnSetInfo *) fcinfo->resultinfo;
	c.rules.max_parents = PG_GETARG_INT32(1);
	c.nkinds = Max(PG_GETARG_INT32(4), 1);
	if (c.nkinds > PG_INT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("too many kinds of parents: %d", c.nkinds)));
	c.rules.wanted = HG_BREACH_BIT(HG_BREACH_OVERLAP) | HG_BREACH_BIT(HG_BREACH_TWO_PRIMARY);
	if (c.rules.max_parents > 0)
		c.rules.wanted |= HG_BREACH_BIT(HG_BREACH_MAX_PARENTS);
	if (PG_GETARG_BOOL(2))
		c.rules.wanted |= HG_BREACH_BIT(HG_BREACH_NO_PRIMARY);
	if (PG_GETARG_BOOL(3))
		c.rules.wanted |= HG_BREACH_BIT(HG_BREACH_SHARES);
	if (PG_GETARG_INT32(4) > 0)
		c.rules.wanted |= HG_BREACH_BIT(HG_BREACH_MAX_KIND);
	c.max_kind = palloc0(sizeof(int) * c.nkinds);
	c.size = 16;
	c.stays = palloc(sizeof(HgStay) * c.size);
	hg_load_scan(text_to_cstring(PG_GETARG_TEXT_PP(0)), COLUMNS_IN, types, add_row, &c);
	check_child(&c);
	return (Datum) 0;
}
