/*-------------------------------------------------------------------------
 *
 * paths.c
 *	  All paths between a node and its ancestors, one at a time.
 *
 * A depth-first search upward with a stack of its own.  There may be millions
 * of paths over a few thousand nodes, so memory must not depend on their
 * number: first the part of the graph above the node is copied into a small
 * adjacency list, with each node's distance to the target; the search then
 * takes only steps from which the target can still be reached, and in an
 * acyclic graph never has to turn back without a result.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

#define CHECK_EVERY 1024

/* An edge upward, parallel rows merged. */
typedef struct Step
{
	uint32_t	to;				/* index into the reach */
	bool		stated;
	double		weight;
} Step;

/* One node on the current path. */
typedef struct Frame
{
	uint32_t	at;				/* index into the reach */
	uint32_t	next;			/* next step to try */
	bool		stated;
	double		share;			/* product of weights so far */
} Frame;

struct HgPaths
{
	void	   *arena;
	uint32_t	n;				/* nodes above and including the start */
	uint32_t   *node;			/* their numbers; the start is 0 */
	uint32_t   *first;			/* n + 1; first step of each */
	Step	   *step;
	uint32_t   *distance;		/* edges to the target, HG_NONE: no way */
	bool	   *on_path;
	bool		weighted;
	uint32_t	max_depth;
	Frame	   *stack;
	uint32_t	depth;			/* frames on the stack */
	uint32_t	stack_size;
	uint32_t   *path;			/* result */
	uint32_t	path_size;
	uint32_t	work;			/* for interrupt checks */
};

/*
 * copy_above fills in the adjacency lists of everything above the start.
 */
static void
copy_above(HgPaths *p, HgView *view, const HgReach *r)
{
	uint32_t	nsteps = 0,
				size = r->n * 2;

	p->n = r->n;
	p->node = hg_host.alloc(p->arena, (size_t) r->n * sizeof(uint32_t));
	memcpy(p->node, r->node, (size_t) r->n * sizeof(uint32_t));
	p->first = hg_host.alloc(p->arena, ((size_t) r->n + 1) * sizeof(uint32_t));
	p->step = hg_host.alloc(p->arena, size * sizeof(Step));
	for (uint32_t i = 0; i < r->n; i++)
	{
		HgNeighbour *up;
		uint32_t	nup;

		if (i % CHECK_EVERY == CHECK_EVERY - 1)
			hg_host.check_interrupts();
		p->first[i] = nsteps;
		nup = hg_neighbours(view, r->node[i], HG_UP, p->arena, &up);
		for (uint32_t k = 0; k < nup; k++)
		{
			/* beyond the depth limit */
			if (r->marks->stamp[up[k].node] != r->marks->epoch)
				continue;
			if (nsteps == size)
			{
				size *= 2;
				p->step = hg_host.realloc(p->step, size * sizeof(Step));
			}
			p->step[nsteps].to = r->marks->pos[up[k].node];
			p->step[nsteps].stated = up[k].stated;
			p->step[nsteps++].weight = up[k].weight;
		}
		hg_host.free(up);
	}
	p->first[r->n] = nsteps;
}

/*
 * find_distances computes every node's distance to the nearest target, by a
 * breadth-first search from the targets over the reversed steps.
 */
static void
find_distances(HgPaths *p, HgView *view, uint32_t ancestor)
{
	uint32_t	nsteps = p->first[p->n];
	uint32_t   *queue = hg_host.alloc(p->arena, (size_t) p->n * sizeof(uint32_t));
	uint32_t   *start = hg_host.alloc(p->arena, ((size_t) p->n + 2) * sizeof(uint32_t));
	uint32_t   *below = hg_host.alloc(p->arena, ((size_t) nsteps + 1) * sizeof(uint32_t));
	uint32_t	head = 0,
				tail = 0;

	/* reverse the lists by counting sort; start runs one element ahead */
	memset(start, 0, ((size_t) p->n + 2) * sizeof(uint32_t));
	for (uint32_t k = 0; k < nsteps; k++)
		start[p->step[k].to + 2]++;
	for (uint32_t i = 0; i < p->n; i++)
		start[i + 2] += start[i + 1];
	for (uint32_t i = 0; i < p->n; i++)
	{
		for (uint32_t k = p->first[i]; k < p->first[i + 1]; k++)
			below[start[p->step[k].to + 1]++] = i;
	}

	for (uint32_t i = 0; i < p->n; i++)
	{
		bool		target;

		if (ancestor != HG_NONE)
			target = (p->node[i] == ancestor);
		else
			target = !hg_node_has_edge(view, p->node[i], HG_UP);
		p->distance[i] = target ? 0 : HG_NONE;
		if (target)
			queue[tail++] = i;
	}
	while (head < tail)
	{
		uint32_t	i = queue[head++];

		for (uint32_t k = start[i]; k < start[i + 1]; k++)
		{
			if (p->distance[below[k]] == HG_NONE)
			{
				p->distance[below[k]] = p->distance[i] + 1;
				queue[tail++] = below[k];
			}
		}
	}
	hg_host.free(queue);
	hg_host.free(start);
	hg_host.free(below);
}

/*
 * push puts a node on the current path.
 */
static void
push(HgPaths *p, uint32_t at, double share, bool stated)
{
	Frame	   *f;

	if (p->depth == p->stack_size)
	{
		p->stack_size *= 2;
		p->stack = hg_host.realloc(p->stack, p->stack_size * sizeof(Frame));
	}
	f = &p->stack[p->depth++];
	f->at = at;
	f->next = p->first[at];
	f->share = share;
	f->stated = stated;
	p->on_path[at] = true;
}

/*
 * hg_paths_begin prepares the search; the view is not used afterwards.
 */
HgPaths *
hg_paths_begin(HgView *view, uint32_t node, uint32_t ancestor,
			   uint32_t max_depth, void *arena)
{
	HgPaths    *p = hg_host.alloc(arena, sizeof(HgPaths));
	HgReach		r;

	memset(p, 0, sizeof(HgPaths));
	p->arena = arena;
	p->max_depth = max_depth;
	p->weighted = (view->g->roles & HG_HAS_WEIGHT) != 0;

	hg_reach(&r, view, node, HG_UP, max_depth, arena);
	hg_reach_mark(&r, view);
	copy_above(p, view, &r);
	hg_reach_free(&r);
	p->distance = hg_host.alloc(arena, (size_t) p->n * sizeof(uint32_t));
	find_distances(p, view, ancestor);
	p->on_path = hg_host.alloc(arena, p->n * sizeof(bool));
	memset(p->on_path, 0, p->n * sizeof(bool));

	p->stack_size = 32;
	p->stack = hg_host.alloc(arena, p->stack_size * sizeof(Frame));
	p->path_size = 32;
	p->path = hg_host.alloc(arena, p->path_size * sizeof(uint32_t));
	if (p->distance[0] <= max_depth)	/* HG_NONE is beyond any limit */
	{
		if (p->distance[0] != HG_NONE)
			push(p, 0, 1, p->weighted);
	}
	return p;
}

/*
 * emit writes the current path, top first.
 */
static void
emit(HgPaths *p)
{
	if (p->depth > p->path_size)
	{
		p->path_size = p->stack_size;
		p->path = hg_host.realloc(p->path, (size_t) p->path_size * sizeof(uint32_t));
	}
	for (uint32_t i = 0; i < p->depth; i++)
		p->path[i] = p->node[p->stack[p->depth - 1 - i].at];
}

/*
 * hg_paths_next finds the next path.
 */
bool
hg_paths_next(HgPaths *p, const uint32_t **path, uint32_t *len,
			  double *share, bool *stated)
{
	while (p->depth > 0)
	{
		Frame	   *f = &p->stack[p->depth - 1];

		if (++p->work % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (p->distance[f->at] == 0)
		{
			/* a target: report it and go back, targets end a path */
			emit(p);
			*path = p->path;
			*len = p->depth;
			*share = f->share;
			*stated = f->stated;
			p->on_path[f->at] = false;
			p->depth--;
			return true;
		}
		if (f->next < p->first[f->at + 1])
		{
			const Step *s = &p->step[f->next++];
			uint32_t	rest = p->distance[s->to];

			/* p->depth edges lead to s->to, rest more to the target */
			if (rest == HG_NONE || p->on_path[s->to] ||
				(p->max_depth != HG_UNLIMITED &&
				 (uint64_t) p->depth + rest > p->max_depth))
				continue;
			push(p, s->to, f->share * s->weight, f->stated && s->stated);
			continue;
		}
		p->on_path[f->at] = false;
		p->depth--;
	}
	return false;
}

/*
 * hg_paths_end frees everything.
 */
void
hg_paths_end(HgPaths *p)
{
	hg_host.free(p->node);
	hg_host.free(p->first);
	hg_host.free(p->step);
	hg_host.free(p->distance);
	hg_host.free(p->on_path);
	hg_host.free(p->stack);
	hg_host.free(p->path);
	hg_host.free(p);
}
