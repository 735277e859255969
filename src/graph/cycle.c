/*-------------------------------------------------------------------------
 *
 * cycle.c
 *	  Would an edge close a cycle?
 *
 * The search goes upward from the new edge's parent and looks for its child.
 * hg_cycle_possible does so over everything that the graph ever heard of:
 * cheap, and nearly always the answer is no.  Only otherwise
 * hg_cycle_search looks closer, asking for the state of each row and keeping
 * the days that all edges of the path have in common with the new edge.
 *
 * With days a node may have to be visited more than once, for different
 * days; what has been explored at a node is a list of intervals, and only
 * days not covered yet are followed.  Their bounds come from a finite set, so
 * the search ends.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

#define CHECK_EVERY 1024

/* Days explored at a node. */
typedef struct Cover
{
	int32_t		from;
	int32_t		to;
	uint32_t	next;			/* further cover of the node, or HG_NONE */
} Cover;

/* A node reached, with the days left and the way back. */
typedef struct State
{
	uint32_t	node;
	int32_t		from;
	int32_t		to;
	uint32_t	back;			/* state that it was reached from, or HG_NONE */
	uint32_t	entry;			/* entry that led here, or HG_NONE */
	uint32_t	pending;		/* first pending entry of the path, or
								 * HG_NONE */
} State;

/* A growing array. */
typedef struct List
{
	char	   *item;
	uint32_t	n;
	uint32_t	size;
} List;

typedef struct Search
{
	HgView		view;			/* everything not gone */
	uint32_t	target;
	HgEdgeProbe probe;
	void	   *probe_arg;
	void	   *arena;
	HgScratch  *marks;			/* marked: pos is the head of its covers */
	List		covers;
	List		queue;			/* states to expand, in order */
	List		deferred;		/* states behind a pending edge */
	List		pieces;			/* work space of uncovered() */
} Search;

/*
 * add makes room for one more item of a list and returns it.
 */
static void *
add(Search *s, List *list, size_t width)
{
	if (list->n == list->size)
	{
		list->size = (list->size == 0) ? 64 : list->size * 2;
		if (list->item == NULL)
			list->item = hg_host.alloc(s->arena, list->size * width);
		else
			list->item = hg_host.realloc(list->item, list->size * width);
	}
	return list->item + width * list->n++;
}

#define COVER(s, i)		((Cover *) (s)->covers.item + (i))
#define STATE(s, i)		((State *) (s)->queue.item + (i))

/*
 * uncovered cuts [from, to) into the pieces not yet explored at the node,
 * leaves them in s->pieces and marks them as explored.
 */
static void
uncovered(Search *s, uint32_t node, int32_t from, int32_t to)
{
	Cover	   *piece;
	uint32_t	head = HG_NONE;

	s->pieces.n = 0;
	piece = add(s, &s->pieces, sizeof(Cover));
	piece->from = from;
	piece->to = to;
	if (s->marks->stamp[node] == s->marks->epoch)
		head = s->marks->pos[node];
	for (uint32_t c = head; c != HG_NONE; c = COVER(s, c)->next)
	{
		int32_t		cfrom = COVER(s, c)->from,
					cto = COVER(s, c)->to;
		uint32_t	n = s->pieces.n;

		for (uint32_t i = 0; i < n; i++)
		{
			Cover	   *p = (Cover *) s->pieces.item + i;
			int32_t		pto = p->to;

			if (p->from >= pto || cto <= p->from || cfrom >= pto)
				continue;
			/* keep the part before, add the part behind; either may be empty */
			if (p->from < cfrom)
				p->to = cfrom;
			else
				p->to = p->from;
			if (cto < pto)
			{
				Cover	   *behind = add(s, &s->pieces, sizeof(Cover));

				behind->from = cto;
				behind->to = pto;
			}
		}
	}
	for (uint32_t i = 0; i < s->pieces.n; i++)
	{
		Cover	   *p = (Cover *) s->pieces.item + i;
		Cover	   *c;

		if (p->from >= p->to)
			continue;
		c = add(s, &s->covers, sizeof(Cover));
		c->from = p->from;
		c->to = p->to;
		c->next = head;
		head = s->covers.n - 1;
	}
	s->marks->stamp[node] = s->marks->epoch;
	s->marks->pos[node] = head;
}

/*
 * enqueue adds the unexplored days of a state to the queue.
 */
static void
enqueue(Search *s, const State *state)
{
	uncovered(s, state->node, state->from, state->to);
	for (uint32_t i = 0; i < s->pieces.n; i++)
	{
		Cover	   *p = (Cover *) s->pieces.item + i;
		State	   *new;

		if (p->from >= p->to)
			continue;
		new = add(s, &s->queue, sizeof(State));
		*new = *state;
		new->from = p->from;
		new->to = p->to;
	}
}

/*
 * found reports the path that ends with the given last state.
 */
static void
found(Search *s, const State *last, HgCycle *out)
{
	uint32_t	len = 0,
				at;

	out->pending = last->pending;
	if (last->pending != HG_NONE)
	{
		out->result = HG_CYCLE_PENDING;
		return;
	}
	out->result = HG_CYCLE_SETTLED;
	for (const State *t = last; t->entry != HG_NONE; t = STATE(s, t->back))
		len++;
	out->entries = hg_host.alloc(s->arena, (len + 1) * sizeof(uint32_t));
	out->len = len;
	at = 0;
	for (const State *t = last; t->entry != HG_NONE; t = STATE(s, t->back))
		out->entries[at++] = t->entry;
}

/*
 * expand follows the edges upward from one state; true when the target was
 * reached and *out is filled in.
 */
static bool
expand(Search *s, uint32_t index, HgCycle *out)
{
	State		at = *STATE(s, index);
	HgEdges		it;

	hg_edges_begin(&it, &s->view, at.node, HG_UP);
	while (hg_edges_next(&it))
	{
		State		next = at;
		HgEntry		e;

		hg_graph_entry(s->view.g, it.entry, &e);
		next.node = it.node;
		next.back = index;
		next.entry = it.entry;
		if (e.valid_from > next.from)
			next.from = e.valid_from;
		if (e.valid_to < next.to)
			next.to = e.valid_to;
		if (next.from >= next.to)
			continue;
		switch (s->probe(s->probe_arg, it.entry))
		{
			case HG_EDGE_ABSENT:
				continue;
			case HG_EDGE_SETTLED:
				break;
			case HG_EDGE_PENDING:
				if (next.pending == HG_NONE)
				{
					next.pending = it.entry;
					*(State *) add(s, &s->deferred, sizeof(State)) = next;
					continue;
				}
				break;
		}
		if (next.node == s->target)
		{
			found(s, &next, out);
			return true;
		}
		enqueue(s, &next);
	}
	return false;
}

/*
 * hg_cycle_possible: is there any path upward from parent to child, dead
 * entries included?
 */
bool
hg_cycle_possible(HgGraph *g, uint32_t parent, uint32_t child)
{
	HgView		view;

	hg_view_init(&view, g, NULL, NULL, 0, true, NULL, NULL);
	if (parent == child)
		return true;
	if (!hg_node_has_edge(&view, child, HG_DOWN))
		return false;
	return hg_reaches_up(&view, parent, child, HG_UNLIMITED, NULL);
}

/*
 * hg_cycle_search looks for a path upward from parent to child.
 */
void
hg_cycle_search(HgGraph *g, uint32_t parent, uint32_t child,
				int32_t from, int32_t to, HgEdgeProbe probe, void *probe_arg,
				void *arena, HgCycle *out)
{
	Search		s;
	State		start = {parent, from, to, HG_NONE, HG_NONE, HG_NONE};
	bool		done = false;

	out->result = HG_CYCLE_NONE;
	out->pending = HG_NONE;
	out->len = 0;
	out->entries = NULL;
	if (from >= to)
		return;
	if (parent == child)
	{
		out->result = HG_CYCLE_SETTLED;
		return;
	}

	memset(&s, 0, sizeof(s));
	hg_view_init(&s.view, g, NULL, NULL, 0, true, NULL, NULL);
	s.target = child;
	s.probe = probe;
	s.probe_arg = probe_arg;
	s.arena = arena;
	s.marks = hg_scratch_take(&s.view);

	/* first over settled edges alone, then over what was put off */
	enqueue(&s, &start);
	for (uint32_t i = 0, d = 0; !done;)
	{
		if (i < s.queue.n)
		{
			if (i % CHECK_EVERY == CHECK_EVERY - 1)
				hg_host.check_interrupts();
			done = expand(&s, i++, out);
		}
		else if (d < s.deferred.n)
		{
			State		state = ((State *) s.deferred.item)[d++];

			if (state.node == s.target)
			{
				found(&s, &state, out);
				done = true;
			}
			else
				enqueue(&s, &state);
		}
		else
			break;
	}
	hg_scratch_give(s.marks);
	if (s.covers.item)
		hg_host.free(s.covers.item);
	if (s.queue.item)
		hg_host.free(s.queue.item);
	if (s.deferred.item)
		hg_host.free(s.deferred.item);
	if (s.pieces.item)
		hg_host.free(s.pieces.item);
}

/*
 * peel removes from the graph what no cycle can go through, in one
 * direction: nodes without edges against dir, again and again.  alive[] holds
 * a bit per node.
 */
static void
peel(const HgView *view, HgDir dir, uint8_t *alive, void *arena)
{
	size_t		size = (size_t) view->nnodes * sizeof(uint32_t) + 1;
	uint32_t   *degree = hg_host.alloc(arena, size);
	uint32_t   *queue = hg_host.alloc(arena, size);
	uint32_t	head = 0,
				tail = 0;
	HgEdges		it;

	memset(degree, 0, size);
	for (uint32_t i = 0; i < view->nnodes; i++)
	{
		if (i % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (!hg_bit(alive, i))
			continue;
		hg_edges_begin(&it, view, i, dir);
		while (hg_edges_next(&it))
			degree[it.node]++;
	}
	for (uint32_t i = 0; i < view->nnodes; i++)
	{
		if (hg_bit(alive, i) && degree[i] == 0)
			queue[tail++] = i;
	}
	while (head < tail)
	{
		uint32_t	node = queue[head++];

		if (head % CHECK_EVERY == 0)
			hg_host.check_interrupts();
		alive[node >> 3] &= (uint8_t) ~(1 << (node & 7));
		hg_edges_begin(&it, view, node, dir);
		while (hg_edges_next(&it))
		{
			if (hg_bit(alive, it.node) && --degree[it.node] == 0)
				queue[tail++] = it.node;
		}
	}
	hg_host.free(degree);
	hg_host.free(queue);
}

/*
 * hg_cycle_core returns the entries between nodes that survive peeling from
 * both sides.
 */
uint32_t
hg_cycle_core(HgGraph *g, void *arena, uint32_t **entries)
{
	HgView		view;
	uint8_t    *alive;
	uint32_t	n = 0,
				size = 0;

	hg_view_init(&view, g, NULL, NULL, 0, true, NULL, NULL);
	*entries = NULL;
	alive = hg_host.alloc(arena, (size_t) view.nnodes / 8 + 1);
	memset(alive, 0xff, (size_t) view.nnodes / 8 + 1);
	peel(&view, HG_DOWN, alive, arena);
	peel(&view, HG_UP, alive, arena);
	for (uint32_t e = 0; e < view.nentries; e++)
	{
		HgEntry		entry;

		if (hg_graph_entry_gone(g, e))
			continue;
		hg_graph_entry(g, e, &entry);
		if (entry.parent == HG_NONE || !hg_bit(alive, entry.parent) ||
			!hg_bit(alive, entry.child))
			continue;
		if (n == size)
		{
			size = (size == 0) ? 64 : size * 2;
			if (*entries == NULL)
				*entries = hg_host.alloc(arena, (size_t) size * sizeof(uint32_t));
			else
				*entries = hg_host.realloc(*entries, (size_t) size * sizeof(uint32_t));
		}
		(*entries)[n++] = e;
	}
	hg_host.free(alive);
	return n;
}
