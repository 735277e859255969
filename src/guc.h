/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  Settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_GUC_H
#define HIERARCHY_GUC_H

/* hierarchy.image_memory: kilobytes of images that a backend keeps. */
extern int	hg_image_memory;

/* hierarchy.enable_closure_scan: go from given nodes where that is possible. */
extern bool hg_enable_closure_scan;

/* hierarchy.reason and hierarchy.request: what change_log says of changes. */
extern char *hg_reason;
extern char *hg_request;

extern void hg_guc_init(void);

#endif							/* HIERARCHY_GUC_H */
