/*-------------------------------------------------------------------------
 *
 * hierarchy.c
 *	  Loading the library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "cache/cache.h"
#include "directory/horizon.h"
#include "directory/label.h"
#include "directory/notify.h"
#include "directory/rules.h"
#include "fmgr.h"
#include "guc.h"
#include "library.h"
#include "planner/planner.h"
#include "types/depend.h"
#include "visibility/acyclic.h"

PG_MODULE_MAGIC;

/* From the control file; readable in the file of the library, too. */
const char	hg_library_text[] = LIBRARY_PREFIX HIERARCHY_VERSION;

void		_PG_init(void);

/*
 * _PG_init lets every module register itself.
 */
void
_PG_init(void)
{
	hg_guc_init();
	hg_options_init();
	hg_depend_init();
	hg_cache_init();
	hg_acyclic_init();
	hg_planner_init();
	hg_label_init();
	hg_deferred_init();
	hg_horizon_init();
	hg_notify_init();
}
