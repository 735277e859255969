/*-------------------------------------------------------------------------
 *
 * stage.c
 *	  Loading a whole index: entries wait here, in the order of their pages,
 *	  until hg_graph_fold sorts them.
 *
 * A load is where time and memory go: a connection's first query waits for it.
 * So entries take no more room than they need and are in no list, and the
 * dictionary indexes dense integer keys directly (dict.c).  A graph in this
 * state can only be loaded further and folded.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

/*
 * resize changes the size of one array.
 */
static void *
resize(HgGraph *g, void *array, size_t old_size, size_t new_size, size_t width)
{
	g->bytes += (new_size - old_size) * width;
	if (array == NULL)
		return hg_host.alloc(g->arena, new_size * width);
	return hg_host.realloc(array, new_size * width);
}

/*
 * grow makes room for this many entries.
 */
static void
grow(HgGraph *g, uint32_t size)
{
	HgStage    *s = g->stage;

	if (size > HG_MAX_ENTRIES)
		hg_host.too_large();
	s->parent = resize(g, s->parent, s->size, size, sizeof(uint32_t));
	s->child = resize(g, s->child, s->size, size, sizeof(uint32_t));
	s->tid_block = resize(g, s->tid_block, s->size, size, sizeof(uint32_t));
	s->tid_off = resize(g, s->tid_off, s->size, size, sizeof(uint16_t));
	if (g->roles != 0)
		s->flags = resize(g, s->flags, s->size, size, 1);
	if (g->roles & HG_HAS_LABEL)
		s->label = resize(g, s->label, s->size, size, sizeof(int32_t));
	if (g->roles & HG_HAS_VALIDITY)
		s->valid = resize(g, s->valid, s->size, size, 2 * sizeof(int32_t));
	if (g->roles & HG_HAS_WEIGHT)
		s->weight = resize(g, s->weight, s->size, size, sizeof(double));
	s->size = size;
}

/*
 * begin_block notes where the entries of a block begin.
 */
static void
begin_block(HgGraph *g, uint32_t block)
{
	HgStage    *s = g->stage;

	/* one element more stays free for the end */
	if (block + 1 >= s->block_size)
	{
		uint32_t	size = block + block / 2 + 16;

		s->block_start = resize(g, s->block_start, s->block_size, size,
								sizeof(uint32_t));
		s->block_size = size;
	}
	while (s->nblocks <= block)
		s->block_start[s->nblocks++] = s->n;
}

/*
 * put stores an entry.
 */
static inline void
put(HgGraph *g, const HgItem *item, uint32_t parent, uint32_t child)
{
	HgStage    *s = g->stage;
	uint32_t	i = s->n++;

	s->parent[i] = parent;
	s->child[i] = child;
	s->tid_block[i] = item->tid_block;
	s->tid_off[i] = item->tid_off;
	if (g->roles == 0)
		return;
	s->flags[i] = item->flags & (uint8_t) ~HG_ENTRY_GONE;
	if (s->label)
		s->label[i] = item->label;
	if (s->valid)
	{
		s->valid[2 * (size_t) i] = item->valid_from;
		s->valid[2 * (size_t) i + 1] = item->valid_to;
	}
	if (s->weight)
		s->weight[i] = item->weight;
}

/*
 * hg_graph_load adds a page to a graph that is being loaded.
 */
void
hg_graph_load(HgGraph *g, uint32_t block, const HgItem *items, int nitems)
{
	if (g->stage == NULL)
	{
		g->stage = hg_alloc(g, sizeof(HgStage));
		memset(g->stage, 0, sizeof(HgStage));
	}
	begin_block(g, block);
	if (g->stage->n + (uint32_t) nitems > g->stage->size)
		grow(g, g->stage->n + g->stage->n / 2 + (uint32_t) nitems + 64);

	for (int start = 0; start < nitems; start += HG_DICT_BATCH)
	{
		int			n = (nitems - start < HG_DICT_BATCH) ? nitems - start : HG_DICT_BATCH;
		uint32_t	parent[HG_DICT_BATCH];
		uint32_t	child[HG_DICT_BATCH];

		hg_dict_nodes(g, items + start, n, parent, child);
		for (int i = 0; i < n; i++)
			put(g, &items[start + i], parent[i], child[i]);
	}
}

/*
 * hg_graph_reserve makes room ahead of a load; a guess that is too low costs
 * time only, so it need not be exact and stays within bounds.
 */
void
hg_graph_reserve(HgGraph *g, double factor)
{
	double		entries;
	double		nodes = (double) g->nnew * factor * 1.02;

	if (g->stage == NULL)
		return;
	entries = (double) g->stage->n * factor * 1.02;
	if (entries < HG_MAX_ENTRIES / 4.0 && entries > g->stage->size)
		grow(g, (uint32_t) entries);
	if (nodes < HG_MAX_ENTRIES / 4.0 && nodes > g->nnew)
		hg_dict_reserve(g, (uint32_t) nodes);
}
