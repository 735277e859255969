/*-------------------------------------------------------------------------
 *
 * row_json.h
 *	  Rows as jsonb objects, for change_log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HIERARCHY_ROW_JSON_H
#define HIERARCHY_ROW_JSON_H

#include "executor/tuptable.h"
#include "utils/jsonb.h"

/* How to write rows of one table. */
typedef struct HgRowJson HgRowJson;

/*
 * Everything lives in the current memory context.  The settings that output
 * depends on are changed until hg_row_json_end, if a column needs it.
 */
extern HgRowJson *hg_row_json_begin(TupleDesc desc);
extern void hg_row_json_end(HgRowJson *rows);

/* The row as an object, in the current memory context. */
extern Jsonb *hg_row_json(HgRowJson *rows, TupleTableSlot *slot);

#endif							/* HIERARCHY_ROW_JSON_H */
