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

	MarkGUCPrefixReserved("hierarchy");
}
