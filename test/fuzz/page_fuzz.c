/*-------------------------------------------------------------------------
 *
 * page_fuzz.c
 *	  Fuzzing of how an image is read: entries of any bytes on a page, headers
 *	  and line pointers that may be damaged, are refused with XX002 and the hint
 *	  to REINDEX, or become a graph that answers and folds.
 *
 * An input is a layout, then entries; most of a page is put together as it
 * should be, or nothing behind the first check would ever be reached.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "am/am.h"
#include "catalog/pg_type.h"
#include "fuzz.h"
#include "miscadmin.h"

static RelationData relation;
static FormData_pg_class class;
static HgLayout layout;
static Page page;
static HgItem items[MaxIndexTuplesPerPage];
static int	n;

/* ---- the graph's host ---- */

static void *
host_alloc(void *arena, size_t size)
{
	return palloc(size);
}

static void *
host_realloc(void *memory, size_t size)
{
	return repalloc(memory, size);
}

static const void *
host_owner(void)
{
	return NULL;
}

/* ---- a page of the input ---- */

/* Describes one column. */
static AttrNumber
add_column(Oid type, int len, bool by_value, char align)
{
	Form_pg_attribute att = TupleDescAttr(relation.rd_att, relation.rd_att->natts - 1);

	while (att->attlen != 0)
		att--;
	att->atttypid = type;
	att->attlen = len;
	att->attbyval = by_value;
	att->attalign = align;
	return (AttrNumber) (att - TupleDescAttr(relation.rd_att, 0) + 1);
}

/* Key type and roles; the columns of roles in one order or the other. */
static void
make_layout(void)
{
	static const Oid keys[] = {INT4OID, INT8OID, UUIDOID, TEXTOID};
	uint32		roles = fuzz_byte();
	bool		turned = fuzz_byte() & 1;
	int			natts = 2;

	memset(&layout, 0, sizeof(layout));
	layout.key_type = keys[roles & 3];
	layout.key_kind = layout.key_type == UUIDOID ? HG_KEY_UUID :
		layout.key_type == TEXTOID ? HG_KEY_BYTES : HG_KEY_INT;
	layout.weight_type = (roles & 0x40) ? FLOAT8OID : NUMERICOID;
	layout.label_type = (roles & 0x80) ? INT2OID : INT4OID;
	layout.roles = roles >> 2 & (HG_HAS_WEIGHT | HG_HAS_VALIDITY | HG_HAS_PRIMARY | HG_HAS_LABEL);
	for (uint32 role = 1; role <= HG_HAS_LABEL; role <<= 1)
		natts += (layout.roles & role) != 0;

	memset(&relation, 0, sizeof(relation));
	relation.rd_rel = &class;
	relation.rd_att = palloc0(64 + natts * 2 * sizeof(FormData_pg_attribute));
	relation.rd_att->natts = natts;
	strcpy(NameStr(class.relname), "fuzzed");
	/* from the last column to the first */
	for (int i = 0; i < 4; i++)
	{
		uint32		role = 1 << (turned ? i : 3 - i);

		if ((layout.roles & role) == 0)
			continue;
		switch (role)
		{
			case HG_HAS_WEIGHT:
				layout.weight_attno = layout.weight_type == NUMERICOID ?
					add_column(NUMERICOID, -1, false, TYPALIGN_INT) :
					add_column(FLOAT8OID, 8, true, TYPALIGN_DOUBLE);
				break;
			case HG_HAS_VALIDITY:
				layout.validity_attno = add_column(DATERANGEOID, -1, false, TYPALIGN_INT);
				break;
			case HG_HAS_PRIMARY:
				layout.primary_attno = add_column(BOOLOID, 1, true, TYPALIGN_CHAR);
				break;
			default:
				layout.label_attno = layout.label_type == INT2OID ?
					add_column(INT2OID, 2, true, TYPALIGN_SHORT) :
					add_column(INT4OID, 4, true, TYPALIGN_INT);
				break;
		}
	}
	for (int i = 0; i < 2; i++)
	{
		switch (layout.key_type)
		{
			case INT4OID:
				add_column(INT4OID, 4, true, TYPALIGN_INT);
				break;
			case INT8OID:
				add_column(INT8OID, 8, true, TYPALIGN_DOUBLE);
				break;
			case UUIDOID:
				add_column(UUIDOID, 16, false, TYPALIGN_CHAR);
				break;
			default:
				add_column(TEXTOID, -1, false, TYPALIGN_INT);
				break;
		}
	}
}

/* Puts bytes of the input over so many bytes of the page. */
static void
damage(char *at, size_t size)
{
	while (size-- > 0)
		*at++ = (char) fuzz_byte();
}

/*
 * Adds one entry: what is odd about it, its length, its bytes.  False when the
 * page is full.
 */
static bool
add_entry(void)
{
	PageHeader	header = (PageHeader) page;
	uint8		odd = fuzz_byte();
	Size		length = fuzz_byte();
	Size		size = MAXALIGN(sizeof(IndexTupleData)) + MAXALIGN(length);
	IndexTuple	itup;
	ItemId		lp;

	if (header->pd_upper < header->pd_lower + sizeof(ItemIdData) + size)
		return false;
	header->pd_upper -= size;
	itup = (IndexTuple) ((char *) page + header->pd_upper);
	lp = (ItemId) ((char *) page + header->pd_lower);
	header->pd_lower += sizeof(ItemIdData);
	ItemIdSetNormal(lp, header->pd_upper, size);
	ItemPointerSet(&itup->t_tid, odd >> 4, 1 + (n++ & 0xff));
	itup->t_info = size | ((odd & 1) ? INDEX_NULL_MASK : 0) | ((odd & 2) ? INDEX_VAR_MASK : 0);
	damage((char *) itup + sizeof(IndexTupleData), Min(length, fuzz_left()));
	if ((odd & 0xc) == 4)
		damage((char *) itup, sizeof(IndexTupleData));
	if ((odd & 0xc) == 8)
		damage((char *) lp, sizeof(ItemIdData));
	return true;
}

/* Fills the page. */
static void
make_page(void)
{
	uint8		odd = fuzz_byte();

	hg_page_init(page, HG_PAGE_DATA, 1);
	n = 0;
	while (fuzz_left() > 8 && add_entry())
		;
	if (odd & 1)
		damage(page + offsetof(PageHeaderData, pd_lower) + odd / 2 % 8, 1);
	if ((odd & 0x30) == 0x30)
		damage(page, SizeOfPageHeaderData);
}

/* ---- reading it ---- */

/* As readers of an index do */
static void
decode(void *arg)
{
	hg_page_check(&relation, 1, HG_PAGE_DATA);
	n = hg_page_decode(&relation, &layout, page, 1, FirstOffsetNumber, items);
}

/* Writes down a key. */
static char *
put_key(char *at, const HgKey *key)
{
	if (layout.key_kind == HG_KEY_INT)
		return memcpy(at, &key->num, sizeof(key->num)) + sizeof(key->num);
	memcpy(at, key->bytes, key->len);
	return at + key->len;
}

/* Writes down all items; returns the end. */
static char *
put_items(char *at)
{
	for (int i = 0; i < n; i++)
	{
		const HgItem *item = &items[i];
		int64		parts[] = {item->has_parent, item->flags, item->tid_block, item->tid_off, item->label,
		item->valid_from, item->valid_to, 0};

		memcpy(&parts[7], &item->weight, sizeof(item->weight));
		memcpy(at, parts, sizeof(parts));
		at += sizeof(parts);
		if (item->has_parent)
			at = put_key(at, &item->parent);
		at = put_key(at, &item->child);
	}
	return at;
}

/*
 * What stands behind the first entry, the page's stamps, is none of its
 * business: whatever it is, entries say the same.
 */
static void
check_bounds(int code)
{
	char	   *first = palloc(2 * BLCKSZ + MaxIndexTuplesPerPage * 100);
	char	   *second = palloc(2 * BLCKSZ + MaxIndexTuplesPerPage * 100);
	Size		length = code == 0 ? put_items(first) - first : 0;

	memset(page + BLCKSZ - MAXALIGN(sizeof(HgPageOpaqueData)), 0xa6, 2 * sizeof(uint64));
	fuzz_check(server_try(decode, NULL) == code);
	if (code == 0)
		fuzz_check(put_items(second) - second == (ptrdiff_t) length && memcmp(first, second, length) == 0);
}

/* Asks the graph this and that. */
static void
ask(HgGraph *g)
{
	HgView		view;
	HgStats		stats;
	uint32		nodes = hg_graph_nodes(g);

	hg_view_init(&view, g, NULL, NULL, 0, false, NULL, NULL);
	hg_stats(&view, &stats, NULL);
	fuzz_check(hg_graph_entries(g) - hg_graph_gone(g) == (uint32) n);
	fuzz_check(stats.nodes <= 2 * (uint64) n && stats.edges <= (uint64) n);
	for (uint32 node = 0; node < nodes; node++)
	{
		HgKey		key = hg_graph_key(g, node);
		HgReach		r;

		fuzz_check(hg_graph_lookup(g, &key) == node);
		hg_reach(&r, &view, node, node % 2 ? HG_UP : HG_DOWN, HG_UNLIMITED, NULL);
		fuzz_check(r.n >= 1 && r.n <= nodes);
		hg_reach_free(&r);
	}
}

/* One page, that is read, loaded, folded and caught up with */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			code;

	fuzz_begin(data, size);
	hg_host.alloc = host_alloc;
	hg_host.realloc = host_realloc;
	hg_host.free = pfree;
	hg_host.check_interrupts = ProcessInterrupts;
	hg_host.too_large = abort;
	hg_host.owner = host_owner;
	page = palloc(BLCKSZ);
	BufferBlocks = page;
	make_layout();
	make_page();
	code = server_try(decode, NULL);
	fuzz_check(code == 0 || (code == ERRCODE_INDEX_CORRUPTED && server_hinted()));
	check_bounds(code);
	if (code == 0)
	{
		HgGraph    *g = hg_graph_create(NULL, layout.key_kind, layout.roles);
		int			half = n / 2;

		hg_graph_load(g, 1, items, n);
		g = hg_graph_fold(g, NULL);
		ask(g);
		/* Half of the entries go and come back. */
		hg_graph_sync_page(g, 1, items, half, HG_COMPARE_ALL);
		hg_graph_append(g, 1, items + half, n - half);
		ask(g);
		g = hg_graph_fold(g, NULL);
		ask(g);
		for (uint32 e = 0; e < hg_graph_entries(g); e++)
		{
			int			same = 0;

			for (int i = 0; i < n; i++)
				same += hg_graph_matches(g, e, &items[i]);
			fuzz_check(same > 0);
		}
	}
	server_clean();
	return 0;
}
