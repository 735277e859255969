/*-------------------------------------------------------------------------
 *
 * am.h
 *	  Access method hgraph: page layout, options, and what the layers above
 *	  may ask of an index.
 *
 * An hgraph index is a log of edges.  Block 0 is the metapage; every other
 * block is a data page of ordinary index tuples (parent, child, included
 * columns) in arrival order.  Nothing on disk is a search structure: readers
 * keep a decoded image in memory and only follow what changed.  The format
 * exists to make that following cheap and safe:
 *
 * 1. Insertion appends.  The one page open for insertion is the tail; a new
 *    tuple goes behind the last line pointer.  When the tail is full another
 *    page (with free space, or a new one) becomes the tail, and the old tail's
 *    "next" points to it.
 * 2. VACUUM removes tuples within their page; survivors keep their order.
 *    Tuples never move between pages.
 * 3. "counter" grows with each vacuum that removed something.  A page's
 *    "stamp" grows whenever the page loses entries or becomes the tail, to
 *    more than the counter of that time; group_stamp[] in the metapage holds
 *    the greatest stamp of each group of blocks.  So a reader who was in step
 *    at counter c
 *      - while counter = c, misses only what stands behind its position in the
 *        chain of tails;
 *      - afterwards, misses only pages with stamp > c, plus its own known tail.
 *    A page becomes the tail at most once while the counter stands still: a
 *    page with stamp > counter is never reused, so the chain has no loop.
 * 4. VACUUM stamps pages first and raises the counter at its end, to the
 *    greatest stamp it met.  In between a reader whose counter still equals
 *    the metapage's may find its page pruned, and offsets shifted.  The stamp
 *    tells: while it is the same, entries have only been appended.  And a
 *    reader who finds the stamp he knows in prev_stamp knows that entries were
 *    removed once only: of those that are left of his, all stand among the
 *    first "survivors", where no two entries can have the same TID.
 *
 * Locks on buffers: the metapage first, then at most the old tail, then at
 * most the new one, all exclusive.  Everybody else locks one page at a time,
 * and never asks for the metapage while holding a data page.
 *
 * An index can be built again within the same file (TRUNCATE of a table made
 * in the same transaction, ON COMMIT DELETE ROWS).  build_id tells a reader
 * that nothing of what he knows holds any more.
 *
 * A crash can leave pages that were added to the file but never initialised.
 * So a data page may be all zeroes (PageIsNew): it is empty, and VACUUM offers
 * it for reuse.  "data_pages" in the metapage counts the initialised ones;
 * they never become fewer, so whoever reads the whole index and finds fewer
 * has found a page that something else has zeroed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_AM_H
#define HGRAPH_AM_H

#include "access/amapi.h"
#include "access/itup.h"
#include "compat.h"
#include "nodes/execnodes.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/rel.h"

#include "graph/graph.h"

#define HG_METAPAGE_BLKNO	0
#define HG_FIRST_DATA_BLKNO	1
#define HG_MAGIC			0x48475248
#define HG_FORMAT_VERSION	1
#define HG_PAGE_ID			0xFF48	/* last two bytes of every hgraph page */

/* Blocks share a stamp in the metapage by block number modulo this. */
#define HG_STAMP_GROUPS		(BLCKSZ / 16)

typedef struct HgMetaPageData
{
	uint32		magic;			/* HG_MAGIC */
	uint32		version;		/* HG_FORMAT_VERSION */
	BlockNumber tail;			/* page open for insertion */
	uint32		data_pages;		/* initialised data pages */
	uint64		counter;		/* grows when a vacuum removed entries */
	uint64		build_id;		/* random; tells builds in one file apart */
	uint64		group_stamp[HG_STAMP_GROUPS];	/* greatest stamp per group */
} HgMetaPageData;

#define HgMetaPageGet(page)	((HgMetaPageData *) PageGetContents(page))

#define HgStampGroup(blkno)	((blkno) % HG_STAMP_GROUPS)

#define HG_PAGE_META	0x0001
#define HG_PAGE_DATA	0x0002
#define HG_PAGE_TAIL	0x0004

/* Special space of every page. */
typedef struct HgPageOpaqueData
{
	uint64		stamp;			/* see above; 0 on the metapage */
	uint64		prev_stamp;		/* the stamp before this one */
	BlockNumber next;			/* tail that followed this one, or invalid */
	uint16		survivors;		/* entries there were when stamp was set */
	uint16		unused16;		/* zero */
	uint32		unused32;		/* zero */
	uint16		flags;			/* HG_PAGE_* */
	uint16		page_id;		/* HG_PAGE_ID, for tools that look at files */
} HgPageOpaqueData;

#define HgPageOpaque(page)	((HgPageOpaqueData *) PageGetSpecialPointer(page))

/* A page is worth reusing for insertion from this much free space on. */
#define HG_REUSE_FREE_SPACE	(BLCKSZ / 5)

/* The largest entry: what fits an empty page. */
#define HG_MAX_ENTRY_SIZE \
	MAXALIGN_DOWN(BLCKSZ - SizeOfPageHeaderData - sizeof(ItemIdData) - \
				  MAXALIGN(sizeof(HgPageOpaqueData)))

/*
 * Reloptions.  A role is the name of an INCLUDE column, 0 when not given
 * (offsets into the varlena, as for every string reloption).
 */
typedef struct HgOptions
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	bool		acyclic;
	bool		any_weight;
	int			weight;
	int			validity;
	int			is_primary;
	int			label;
} HgOptions;

/*
 * What the columns of an index mean: resolved once per image from the
 * relation and its options.  Attribute numbers are those of the index; 0
 * means that the graph lacks the role.
 */
typedef struct HgLayout
{
	Oid			index_oid;
	Oid			heap_oid;
	Oid			key_type;		/* INT4OID, INT8OID, UUIDOID or TEXTOID */
	Oid			collation;		/* of the key, for ordering text */
	HgKeyKind	key_kind;
	bool		acyclic;
	bool		any_weight;		/* shares outside 0 .. 1 are wanted */
	AttrNumber	weight_attno;
	Oid			weight_type;	/* NUMERICOID or FLOAT8OID */
	AttrNumber	validity_attno;
	AttrNumber	primary_attno;
	AttrNumber	label_attno;
	Oid			label_type;		/* INT2OID or INT4OID */
	uint32		roles;			/* HG_HAS_* of graph.h */
} HgLayout;

/* A consistent copy of the metapage. */
typedef struct HgMetaState
{
	BlockNumber tail;
	uint32		data_pages;
	uint64		counter;
	uint64		build_id;
	uint64		group_stamp[HG_STAMP_GROUPS];
} HgMetaState;

/* handler.c */
extern bool hgraph_is_hgraph_index(Relation rel);	/* relam is ours? */
extern Oid	hgraph_am_oid(void);	/* OID of access method "hgraph", or
									 * InvalidOid */

/* options.c */
extern void hg_options_init(void);
extern bytea *hgraph_options(Datum reloptions, bool validate);
/*
 * Resolves and checks columns, types and roles; ereports what is wrong.  A
 * role names a column of the index; failing that, the table's column behind
 * one.  Remembered in rd_amcache, so cheap from the second call on.
 */
extern void hg_layout_resolve(Relation index, HgLayout *layout);

/*
 * page.c: every function checks what it reads and reports corruption as XX002
 * with a hint to reindex.
 */
extern void hg_page_init(Page page, uint16 flags, uint64 stamp);
/* Gives a page a new stamp, after entries were removed or before any is added. */
extern void hg_page_stamp(Page page, uint64 stamp);
extern void hg_meta_init(Page page);
/* ReadBuffer whose own complaints about a damaged page get the hint, too. */
extern Buffer hg_read_buffer(Relation index, BlockNumber blkno,
							 BufferAccessStrategy strategy);
/*
 * Is this locked page one of ours, with all of expected_flags?  A zeroed page
 * never is, although it is legal as a data page that nothing points to: test
 * PageIsNew first where pages are visited one after the other.  Do not where
 * the page is the tail, or follows in the chain, or was seen before.
 */
extern void hg_page_check(Relation index, Buffer buffer, uint16 expected_flags);
/* The entry at an offset (1 .. PageGetMaxOffsetNumber) of a checked page; it
 * lies within the page, and its size within its line pointer. */
extern IndexTuple hg_page_entry(Relation index, Page page, BlockNumber blkno,
								OffsetNumber offset);
/* Puts an entry behind the last one of a page that has room. */
extern void hg_page_add(Page page, IndexTuple itup);
/* The metapage, pinned and locked exclusively. */
extern Buffer hg_meta_lock_exclusive(Relation index);
extern void hg_meta_read(Relation index, HgMetaState *state);
/* For whoever read all blocks after meta and met so many data pages: reports
 * it when some have been zeroed. */
extern void hg_check_data_pages(Relation index, const HgMetaState *meta,
								uint32 data_pages);
/* All but the stamps; the cheap everyday look. */
extern void hg_meta_peek(Relation index, HgMetaState *state);
hg_noreturn extern void hg_report_corruption(Relation index,
											 BlockNumber blkno,
											 const char *detail);

/*
 * tuple.c: decodes the entries of a checked page from an offset on into
 * items[], which has room for MaxIndexTuplesPerPage; pointers in an item point
 * into the page, or into memory palloc'd in the current context (compressed
 * text).  Returns their number.  The page must
 * stay (locked, or a copy) as long as keys of type uuid or text are in use.
 */
extern int	hg_page_decode(Relation index, const HgLayout *layout, Page page,
						   BlockNumber blkno, OffsetNumber from,
						   HgItem *items);
/* Only the TIDs, of the first nitems entries. */
extern void hg_page_tids(Relation index, Page page, BlockNumber blkno,
						 int nitems, HgItem *items);
/* An entry as it goes onto a page, palloc'd; reports one that is too large. */
extern IndexTuple hg_form_entry(Relation index, Datum *values, bool *isnull,
								ItemPointer tid);
/* values/isnull of index columns (from FormIndexDatum) -> item, same rules;
 * returns false when the child is NULL (such rows are not indexed) */
extern bool hg_item_from_values(const HgLayout *layout, const Datum *values,
								const bool *isnull, ItemPointer tid,
								HgItem *item);

/* append.c: hg_page_add on a locked buffer of an index in use, logged */
extern void hg_append_entry(Relation index, Buffer buffer, IndexTuple itup);

/* insert.c, build.c, vacuum.c: callbacks */
extern bool hgraph_insert(Relation index, Datum *values, bool *isnull,
						  ItemPointer ht_ctid, Relation heapRel,
						  IndexUniqueCheck checkUnique,
						  bool indexUnchanged,
						  struct IndexInfo *indexInfo);
extern IndexBuildResult *hgraph_build(Relation heap, Relation index,
									  struct IndexInfo *indexInfo);
extern void hgraph_buildempty(Relation index);
extern IndexBulkDeleteResult *hgraph_bulkdelete(IndexVacuumInfo *info,
												IndexBulkDeleteResult *stats,
												IndexBulkDeleteCallback callback,
												void *callback_state);
extern IndexBulkDeleteResult *hgraph_vacuumcleanup(IndexVacuumInfo *info,
												   IndexBulkDeleteResult *stats);

/* validate.c */
extern bool hgraph_validate(Oid opclassoid);

/*
 * The acyclicity check lives in a layer above this one (it needs the image
 * and heap visibility), so it plugs itself in here from _PG_init.  Both are
 * called with no buffer locked and may wait, error out, and open relations.
 *
 * insert_check: after the entry is on its page; the item is what was added.
 * build_check: after every page of a new index is on disk.
 */
typedef void (*HgInsertCheck) (Relation index, Relation heap,
							   const HgLayout *layout, const HgItem *item,
							   struct IndexInfo *indexInfo);
typedef void (*HgBuildCheck) (Relation index, Relation heap,
							  const HgLayout *layout,
							  struct IndexInfo *indexInfo);
extern PGDLLIMPORT HgInsertCheck hgraph_insert_check;
extern PGDLLIMPORT HgBuildCheck hgraph_build_check;

#endif							/* HGRAPH_AM_H */
