/*-------------------------------------------------------------------------
 *
 * label.h
 *	  Cycles of a hierarchy in words.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_LABEL_H
#define HIERARCHY_LABEL_H

/* Lets messages about cycles name entities. */
extern void hg_label_init(void);

#endif							/* HIERARCHY_LABEL_H */
