/*-------------------------------------------------------------------------
 *
 * scc.c
 *	  Dags of graphs with cycles: the nodes of a strongly connected component
 *	  reach each other, so all of them have the same total and one local node
 *	  stands for them.
 *
 * Components are found as Tarjan (1972) does, following edges upward, without
 * recursion.  A component is complete only after all those above it, so they
 * come out in the order that a dag wants.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/gather.h"

typedef struct Condense
{
	HgCut	   *cut;
	uint32_t	n;				/* members */
	uint32_t   *start;			/* by member: where its edges begin */
	uint32_t   *up;				/* members */
	uint32_t   *component;		/* by member */
	uint32_t	ncomponents;
} Condense;

/*
 * number_edges copies the members' edges, by member number.
 */
static void
number_edges(Condense *s)
{
	HgCut	   *c = s->cut;
	uint32_t   *pos = c->scratch->pos;
	uint32_t	at = 0;

	for (uint32_t i = 0; i < s->n; i++)
		pos[c->member[i]] = i;
	s->start = hg_words(c->arena, s->n);
	s->up = hg_words(c->arena, c->nedges);
	for (uint32_t i = 0; i < s->n; i++)
	{
		uint32_t	k = hg_gather(c, c->member[i], false);

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		s->start[i] = at;
		for (uint32_t j = 0; j < k; j++)
			s->up[at++] = pos[c->near[j].node];
	}
	s->start[s->n] = at;
}

/*
 * find_components numbers the components, those above first.
 */
static void
find_components(Condense *s)
{
	void	   *arena = s->cut->arena;
	uint32_t   *index = hg_words(arena, s->n);	/* order of visits; 0: none */
	uint32_t   *low = hg_words(arena, s->n);	/* least index reached */
	uint32_t   *next = hg_words(arena, s->n);	/* edge to follow next */
	uint32_t   *path = hg_words(arena, s->n);	/* from the start to here */
	uint32_t   *open = hg_words(arena, s->n);	/* in no component yet */
	uint32_t	nopen = 0;
	uint32_t	visits = 0;

	s->component = hg_words(arena, s->n);
	s->ncomponents = 0;
	memset(index, 0, (size_t) s->n * sizeof(uint32_t));
	for (uint32_t start = 0; start < s->n; start++)
	{
		uint32_t	npath = 0;

		if (index[start] != 0)
			continue;
		path[npath++] = start;
		while (npath > 0)
		{
			uint32_t	at = path[npath - 1];

			if (index[at] == 0)
			{
				if (visits % HG_CHECK_EVERY == 0)
					hg_host.check_interrupts();
				index[at] = low[at] = ++visits;
				next[at] = s->start[at];
				s->component[at] = HG_NONE;
				open[nopen++] = at;
			}
			else
			{
				/* back from the edge before */
				uint32_t	from = s->up[next[at]++];

				if (s->component[from] == HG_NONE && low[from] < low[at])
					low[at] = low[from];
			}
			while (next[at] < s->start[at + 1] &&
				   index[s->up[next[at]]] != 0)
			{
				uint32_t	to = s->up[next[at]++];

				if (s->component[to] == HG_NONE && index[to] < low[at])
					low[at] = index[to];
			}
			if (next[at] < s->start[at + 1])
			{
				path[npath++] = s->up[next[at]];
				continue;
			}
			npath--;
			if (low[at] == index[at])
			{
				uint32_t	node;

				do
				{
					node = open[--nopen];
					s->component[node] = s->ncomponents;
				} while (node != at);
				s->ncomponents++;
			}
		}
	}
	hg_host.free(index);
	hg_host.free(low);
	hg_host.free(next);
	hg_host.free(path);
	hg_host.free(open);
}

/*
 * link_components writes the edges between components.
 */
static void
link_components(Condense *s)
{
	HgCut	   *c = s->cut;
	HgDag	   *dag = c->dag;
	uint32_t   *first = hg_words(c->arena, s->ncomponents);
	uint32_t   *other = hg_words(c->arena, s->n);	/* of the same component */
	uint32_t   *seen = hg_words(c->arena, s->ncomponents);
	uint32_t	at = 0;

	memset(first, 0xff, (size_t) s->ncomponents * sizeof(uint32_t));
	memset(seen, 0xff, (size_t) s->ncomponents * sizeof(uint32_t));
	for (uint32_t i = s->n; i-- > 0;)
	{
		other[i] = first[s->component[i]];
		first[s->component[i]] = i;
	}
	for (uint32_t k = 0; k < s->ncomponents; k++)
	{
		dag->up_start[k] = at;
		seen[k] = k;
		for (uint32_t i = first[k]; i != HG_NONE; i = other[i])
		{
			if (i % HG_CHECK_EVERY == 0)
				hg_host.check_interrupts();
			for (uint32_t e = s->start[i]; e < s->start[i + 1]; e++)
			{
				uint32_t	to = s->component[s->up[e]];

				if (seen[to] == k)
					continue;
				seen[to] = k;
				dag->up[at++] = to;
				if (to >= c->ninner)
					c->ninner = to + 1;
			}
		}
		dag->is_root[k] = (at == dag->up_start[k]);
		dag->work->nmulti += (at - dag->up_start[k] > 1);
	}
	dag->up_start[s->ncomponents] = at;
	hg_host.free(first);
	hg_host.free(other);
	hg_host.free(seen);
}

/*
 * find_depths walks down from the nodes without parents.
 */
static void
find_depths(Condense *s)
{
	void	   *arena = s->cut->arena;
	uint32_t   *depth = s->cut->dag->depth;
	uint32_t   *down_start = hg_words(arena, (uint64_t) s->n + 1);
	uint32_t   *down = hg_words(arena, s->start[s->n]);
	uint32_t   *queue = hg_words(arena, s->n);
	uint32_t	head = 0,
				tail = 0;

	/* counts stand two elements ahead, so that filling in leaves starts */
	memset(down_start, 0, ((size_t) s->n + 2) * sizeof(uint32_t));
	for (uint32_t e = 0; e < s->start[s->n]; e++)
		down_start[s->up[e] + 2]++;
	for (uint32_t i = 0; i < s->n; i++)
		down_start[i + 2] += down_start[i + 1];
	for (uint32_t i = 0; i < s->n; i++)
	{
		for (uint32_t e = s->start[i]; e < s->start[i + 1]; e++)
			down[down_start[s->up[e] + 1]++] = i;
	}

	for (uint32_t i = 0; i < s->n; i++)
	{
		depth[i] = HG_NO_DEPTH;
		if (s->start[i] == s->start[i + 1])
		{
			depth[i] = 0;
			queue[tail++] = i;
		}
	}
	while (head < tail)
	{
		uint32_t	i = queue[head++];

		if (head % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		for (uint32_t e = down_start[i]; e < down_start[i + 1]; e++)
		{
			if (depth[down[e]] == HG_NO_DEPTH)
			{
				depth[down[e]] = depth[i] + 1;
				queue[tail++] = down[e];
			}
		}
	}
	hg_host.free(down_start);
	hg_host.free(down);
	hg_host.free(queue);
}

/*
 * hg_dag_condense fills the dag in from members among which there are cycles.
 */
void
hg_dag_condense(HgCut *cut)
{
	HgDag	   *dag = cut->dag;
	Condense	s;

	memset(&s, 0, sizeof(s));
	s.cut = cut;
	s.n = cut->n;
	number_edges(&s);
	find_components(&s);
	dag->n = s.ncomponents;
	dag->nmembers = s.n;
	dag->member_local = s.component;
	dag->up_start = hg_words(cut->arena, s.ncomponents);
	dag->up = hg_words(cut->arena, s.start[s.n]);
	dag->depth = hg_words(cut->arena, s.n);
	dag->is_root = hg_host.alloc(cut->arena, (size_t) s.ncomponents + 1);
	link_components(&s);
	find_depths(&s);
	hg_host.free(s.start);
	hg_host.free(s.up);
}
