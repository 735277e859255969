/*-------------------------------------------------------------------------
 *
 * preorder.c
 *	  Display order: parents before children, siblings in key order.
 *
 * A node with several parents is listed under each of them but expanded only
 * once, so there are as many rows as edges and roots.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

#define CHECK_EVERY 1024

/* Siblings still to be listed below one node of the current path. */
typedef struct Frame
{
	uint32_t   *node;			/* sorted */
	uint32_t	n;
	uint32_t	next;
} Frame;

struct HgPreorder
{
	void	   *arena;
	HgView	   *view;
	uint32_t	max_depth;
	HgCompare	compare;
	void	   *compare_arg;
	HgScratch  *seen;			/* marked: listed; pos 1: expanded as well */
	Frame	   *stack;			/* stack[d]: siblings at depth d */
	uint32_t   *path;			/* path[d]: node listed last at depth d */
	uint32_t	depth;			/* frames in use */
	uint32_t	size;			/* allocated */
	uint32_t	work;			/* for interrupt checks */
};

/*
 * sort_nodes sorts by key: a bottom-up merge sort, since the order comes from
 * a callback with an argument, which qsort cannot pass on.
 */
static void
sort_nodes(HgPreorder *p, uint32_t *node, uint32_t n)
{
	uint32_t   *from = node;
	uint32_t   *to;
	uint32_t   *work;

	if (n < 2)
		return;
	work = to = hg_host.alloc(p->arena, (size_t) n * sizeof(uint32_t));
	for (uint64_t width = 1; width < n; width *= 2)
	{
		uint32_t   *swap;

		hg_host.check_interrupts();
		for (uint64_t low = 0; low < n; low += 2 * width)
		{
			uint64_t	mid = low + width < n ? low + width : n;
			uint64_t	high = mid + width < n ? mid + width : n;
			uint64_t	a = low,
						b = mid;

			for (uint64_t k = low; k < high; k++)
			{
				if (a < mid && (b == high ||
								p->compare(p->compare_arg, from[a], from[b]) <= 0))
					to[k] = from[a++];
				else
					to[k] = from[b++];
			}
		}
		swap = from, from = to, to = swap;
	}
	if (from != node)
		memcpy(node, from, (size_t) n * sizeof(uint32_t));
	hg_host.free(work);
}

/*
 * push_list puts a list of siblings on the stack, which takes it over.
 */
static void
push_list(HgPreorder *p, uint32_t *node, uint32_t n)
{
	Frame	   *f;

	if (p->depth == p->size)
	{
		p->size *= 2;
		p->stack = hg_host.realloc(p->stack, p->size * sizeof(Frame));
		p->path = hg_host.realloc(p->path, (size_t) p->size * sizeof(uint32_t));
	}
	sort_nodes(p, node, n);
	f = &p->stack[p->depth++];
	f->node = node;
	f->n = n;
	f->next = 0;
}

/*
 * push_children puts the children of a node on the stack, if it has any.
 */
static void
push_children(HgPreorder *p, uint32_t parent)
{
	HgNeighbour *list;
	uint32_t	n = hg_neighbours(p->view, parent, HG_DOWN, p->arena, &list);
	uint32_t   *node;

	if (n > 0)
	{
		node = hg_host.alloc(p->arena, (size_t) n * sizeof(uint32_t));
		for (uint32_t i = 0; i < n; i++)
			node[i] = list[i].node;
		push_list(p, node, n);
	}
	hg_host.free(list);
}

/*
 * all_roots returns the nodes without parents.
 */
static uint32_t *
all_roots(HgPreorder *p, uint32_t *nroots)
{
	uint32_t	n = 0,
				size = 16;
	uint32_t   *node = hg_host.alloc(p->arena, size * sizeof(uint32_t));

	for (uint32_t i = 0; i < p->view->nnodes; i++)
	{
		if (i % CHECK_EVERY == CHECK_EVERY - 1)
			hg_host.check_interrupts();
		if (hg_node_has_edge(p->view, i, HG_UP) || !hg_node_exists(p->view, i))
			continue;
		if (n == size)
		{
			size *= 2;
			node = hg_host.realloc(node, (size_t) size * sizeof(uint32_t));
		}
		node[n++] = i;
	}
	*nroots = n;
	return node;
}

/*
 * hg_preorder_begin starts the listing; the view must stay.
 */
HgPreorder *
hg_preorder_begin(HgView *view, uint32_t root, uint32_t max_depth,
				  HgCompare compare, void *compare_arg, void *arena)
{
	HgPreorder *p = hg_host.alloc(arena, sizeof(HgPreorder));
	uint32_t   *node;
	uint32_t	n = 1;

	memset(p, 0, sizeof(HgPreorder));
	p->arena = arena;
	p->view = view;
	p->max_depth = max_depth;
	p->compare = compare;
	p->compare_arg = compare_arg;
	p->size = 16;
	p->stack = hg_host.alloc(arena, p->size * sizeof(Frame));
	p->path = hg_host.alloc(arena, p->size * sizeof(uint32_t));
	p->seen = hg_scratch_take(view);
	if (root == HG_NONE)
		node = all_roots(p, &n);
	else
	{
		node = hg_host.alloc(arena, sizeof(uint32_t));
		node[0] = root;
	}
	push_list(p, node, n);
	return p;
}

/*
 * hg_preorder_next lists the next row.
 */
bool
hg_preorder_next(HgPreorder *p, HgPreorderRow *row)
{
	while (p->depth > 0)
	{
		Frame	   *f = &p->stack[p->depth - 1];
		uint32_t	node;

		if (++p->work % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (f->next == f->n)
		{
			hg_host.free(f->node);
			p->depth--;
			continue;
		}
		node = f->node[f->next++];
		row->node = node;
		row->depth = p->depth - 1;
		row->parent = row->depth > 0 ? p->path[row->depth - 1] : HG_NONE;
		row->is_repeat = (p->seen->stamp[node] == p->seen->epoch);
		p->path[row->depth] = node;
		if (!row->is_repeat)
		{
			p->seen->stamp[node] = p->seen->epoch;
			p->seen->pos[node] = 0;
		}
		/* the depth limit may have cut an earlier appearance short */
		if (p->seen->pos[node] == 0 && row->depth < p->max_depth)
		{
			p->seen->pos[node] = 1;
			push_children(p, node);
		}
		row->path = p->path;	/* push_children may have moved it */
		return true;
	}
	return false;
}

/*
 * hg_preorder_end frees everything.
 */
void
hg_preorder_end(HgPreorder *p)
{
	while (p->depth > 0)
		hg_host.free(p->stack[--p->depth].node);
	hg_scratch_give(p->seen);
	hg_host.free(p->stack);
	hg_host.free(p->path);
	hg_host.free(p);
}
