/*-------------------------------------------------------------------------
 *
 * load_scan.c
 *	  The rows of a query, one after the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "compat.h"
#include "directory/load.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/memutils.h"

typedef struct LoadReceiver
{
	DestReceiver pub;
	HgLoadRowFn row;
	void	   *arg;
	int			ncolumns;
	const Oid  *types;
	MemoryContext mcxt;
} LoadReceiver;

/*
 * scan_startup checks the columns.
 */
static void
scan_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	LoadReceiver *r = (LoadReceiver *) self;
	bool		same = desc->natts == r->ncolumns;

	for (int i = 0; same && i < desc->natts; i++)
		same = TupleDescAttr(desc, i)->atttypid == r->types[i];
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("query of a load has other columns than it should")));
}

/*
 * scan_row hands a row on.
 */
static bool
scan_row(TupleTableSlot *slot, DestReceiver *self)
{
	LoadReceiver *r = (LoadReceiver *) self;
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	slot_getallattrs(slot);
	old = MemoryContextSwitchTo(r->mcxt);
	r->row(r->arg, slot);
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * scan_nothing has nothing to end.
 */
static void
scan_nothing(DestReceiver *self)
{
}

/*
 * hg_load_scan runs a query with the rights of the caller.
 */
void
hg_load_scan(const char *query, int ncolumns, const Oid *types, HgLoadRowFn row,
			 void *arg)
{
	LoadReceiver self = {0};
	SPIExecuteOptions options = {0};
	SPIPlanPtr	plan;

	self.pub.receiveSlot = scan_row;
	self.pub.rStartup = scan_startup;
	self.pub.rShutdown = scan_nothing;
	self.pub.rDestroy = scan_nothing;
	self.pub.mydest = DestTransientRel;
	self.row = row;
	self.arg = arg;
	self.ncolumns = ncolumns;
	self.types = types;
	self.mcxt = CurrentMemoryContext;

	SPI_connect();
	plan = SPI_prepare(query, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	options.read_only = false;
	options.dest = &self.pub;
	if (SPI_execute_plan_extended(plan, &options) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query of a load is not a SELECT")));
	SPI_finish();
}
