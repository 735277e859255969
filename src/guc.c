/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "guc.h"
#include "utils/guc.h"

int			hg_image_memory = 512 * 1024;
bool		hg_enable_closure_scan = true;
char	   *hg_reason = NULL;
char	   *hg_request = NULL;

/*
 * hg_guc_init registers the settings.
 */
void
hg_guc_init(void)
{
	DefineCustomIntVariable("hierarchy.image_memory",
							"Sets the memory that a session keeps for images of hgraph indexes.",
							"Beyond it, the images used longest ago are dropped; one in use never is.",
							&hg_image_memory,
							512 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("hierarchy.enable_closure_scan",
							 "Enables the planner's use of walks from given nodes in place of a scan of the closure.",
							 NULL,
							 &hg_enable_closure_scan, true,
							 PGC_USERSET, GUC_EXPLAIN,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("hierarchy.reason",
							   "Sets why changes of the directory are made, for change_log.",
							   "Empty: no reason is given.",
							   &hg_reason, "",
							   PGC_USERSET, 0,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("hierarchy.request",
							   "Sets what asks for changes of the directory, for change_log.",
							   "The number of a ticket, or whatever else identifies it; empty: nothing.",
							   &hg_request, "",
							   PGC_USERSET, 0,
							   NULL, NULL, NULL);

	MarkGUCPrefixReserved("hierarchy");
}
