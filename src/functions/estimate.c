/*-------------------------------------------------------------------------
 *
 * estimate.c
 *	  How many rows will a call return?
 *
 * Where the node is known we simply look: a walk over a subtree costs less
 * than most plans that a wrong estimate leads to.  It stops after a budget of
 * nodes, and the last answers are kept, because the same call tends to be
 * planned again.  Where the node is not known we look at a sample of nodes.
 *
 * On average over all nodes there are as many ancestors as descendants, for
 * both count the same pairs.  So a sample always walks upward, where walks
 * are short and alike.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "functions/rowsource.h"
#include "utils/memutils.h"

#include <math.h>

#define WALK_BUDGET			200000	/* nodes of one walk */
#define PATHS_BUDGET		200000	/* edges followed to count paths */
#define CENSUS_BUDGET		200000	/* nodes looked at to count over all */
#define SAMPLE_NODES		200
#define SAMPLE_WALK_BUDGET	1000

/* What a walk found. */
typedef struct Walk
{
	HgScratch  *marks;			/* nodes reached; pos is the queue */
	uint32		n;				/* their number, the start included */
	uint32		ends;			/* those from which it leads no further */
	uint32		marked;			/* those marked in another walk */
	bool		complete;		/* within the budget? */
	uint64		edges;			/* edges followed */
} Walk;

/* What a look at all nodes, or many, found. */
typedef struct Census
{
	double		nodes;
	double		edges;
	double		roots;
} Census;

/*
 * Answers given lately.  They may be stale: the entries of a graph are few
 * more or less.  Graph and number of entries tell enough.
 */
typedef struct Remembered
{
	const HgGraph *graph;
	uint32		nentries;
	HgRowsKind	kind;
	bool		node_known;
	bool		include_self;
	bool		primary_only;
	uint32		node;
	uint32		other;
	uint32		max_depth;
	int32		day;
	double		rows;
} Remembered;

#define REMEMBERED 32

static Remembered remembered[REMEMBERED];
static int	remembered_next = 0;

/*
 * walk goes breadth-first from a node until it is through or the budget is
 * used up.  The caller gives walk->marks back.
 */
static void
walk_from(HgView *view, uint32 start, HgDir dir, uint32 max_depth,
		  uint32 budget, const HgScratch *other, Walk *walk)
{
	HgScratch  *marks = hg_scratch_take(view);
	uint32		head = 0;
	uint32		level_end = 1;
	uint32		depth = 0;

	memset(walk, 0, sizeof(Walk));
	walk->marks = marks;
	marks->stamp[start] = marks->epoch;
	marks->pos[0] = start;
	walk->n = 1;

	while (head < walk->n && walk->n <= budget)
	{
		uint32		node;
		HgEdges		it;
		bool		end = true;

		if (head == level_end)
		{
			depth++;
			level_end = walk->n;
		}
		node = marks->pos[head++];
		if (other && other->stamp[node] == other->epoch)
			walk->marked++;
		if ((head & 0x3ff) == 0)
			hg_host.check_interrupts();

		hg_edges_begin(&it, view, node, dir);
		while (hg_edges_next(&it))
		{
			end = false;
			if (depth >= max_depth)
				break;
			walk->edges++;
			if (marks->stamp[it.node] == marks->epoch)
				continue;
			marks->stamp[it.node] = marks->epoch;
			marks->pos[walk->n++] = it.node;
		}
		if (end)
			walk->ends++;
	}
	walk->complete = head == walk->n;
}

/*
 * beyond guesses the whole size of a walk that was cut off: somewhere between
 * what was seen and everything.
 */
static double
beyond(const HgView *view, const Walk *walk)
{
	if (walk->complete)
		return walk->n;
	return sqrt((double) walk->n * view->nnodes);
}

/*
 * count_paths counts the paths upward from a node to an ancestor, or to every
 * top (HG_NONE): level by level, how many paths of this length lead where.
 * Counts what was seen when the budget is used up.
 */
static double
count_paths(HgView *view, uint32 node, uint32 ancestor, uint32 max_depth)
{
	HgScratch  *marks = hg_scratch_take(view);
	uint32		size = 64;
	uint32	   *at = palloc(size * sizeof(uint32));
	uint32	   *next_at = palloc(size * sizeof(uint32));
	double	   *count = palloc(size * sizeof(double));
	double	   *next_count = palloc(size * sizeof(double));
	uint32		n = 1;
	uint32		followed = 0;
	double		total = 0;

	at[0] = node;
	count[0] = 1;
	for (uint32 depth = 0; n > 0; depth++)
	{
		uint32		next_n = 0;
		void	   *swap;

		hg_scratch_clear(marks);
		for (uint32 i = 0; i < n; i++)
		{
			HgEdges		it;
			bool		top = true;

			if (at[i] == ancestor)
			{
				total += count[i];
				continue;
			}
			hg_edges_begin(&it, view, at[i], HG_UP);
			while (hg_edges_next(&it))
			{
				top = false;
				if (depth >= max_depth || ++followed > PATHS_BUDGET)
					break;
				if (marks->stamp[it.node] == marks->epoch)
				{
					next_count[marks->pos[it.node]] += count[i];
					continue;
				}
				if (next_n == size)
				{
					size *= 2;
					at = repalloc_huge(at, size * sizeof(uint32));
					next_at = repalloc_huge(next_at, size * sizeof(uint32));
					count = repalloc_huge(count, size * sizeof(double));
					next_count = repalloc_huge(next_count, size * sizeof(double));
				}
				marks->stamp[it.node] = marks->epoch;
				marks->pos[it.node] = next_n;
				next_at[next_n] = it.node;
				next_count[next_n++] = count[i];
			}
			if (top && ancestor == HG_NONE)
				total += count[i];
		}
		swap = at;
		at = next_at;
		next_at = swap;
		swap = count;
		count = next_count;
		next_count = swap;
		n = next_n;
		hg_host.check_interrupts();
	}
	hg_scratch_give(marks);
	return total;
}

/*
 * take_census counts nodes, edges and roots, exactly in graphs of moderate
 * size and from every so-manieth node in others.
 */
static void
take_census(const HgView *view, Census *census)
{
	uint32		step = view->nnodes / CENSUS_BUDGET + 1;

	memset(census, 0, sizeof(Census));
	for (uint32 node = 0; node < view->nnodes; node += step)
	{
		HgEdges		it;
		uint32		edges = 0;

		if ((node / step & 0x3ff) == 0)
			hg_host.check_interrupts();
		hg_edges_begin(&it, view, node, HG_UP);
		while (hg_edges_next(&it))
			edges++;
		census->edges += edges;
		if (edges > 0)
			census->nodes++;
		else if (hg_node_exists(view, node))
		{
			census->nodes++;
			census->roots++;
		}
		/* Numbers near the top of the range must not wrap around. */
		if (view->nnodes - node <= step)
			break;
	}
	census->nodes *= step;
	census->edges *= step;
	census->roots *= step;
}

/*
 * estimate_known is the number of rows for nodes that are known and exist.
 */
static double
estimate_known(HgView *view, const HgRowsArgs *args, uint32 node, uint32 other)
{
	bool		up = args->kind == HG_ROWS_ANCESTORS ||
		args->kind == HG_ROWS_TOPS || args->kind == HG_ROWS_COMMON_ANCESTORS;
	uint32		self = args->include_self ? 0 : 1;
	Walk		walk;
	double		rows;

	if (args->kind == HG_ROWS_PARENTS || args->kind == HG_ROWS_CHILDREN)
	{
		HgNeighbour *neighbours;
		HgDir		dir = args->kind == HG_ROWS_PARENTS ? HG_UP : HG_DOWN;

		return hg_neighbours(view, node, dir, CurrentMemoryContext,
							 &neighbours);
	}
	if (args->kind == HG_ROWS_PATHS)
		return count_paths(view, node, other, args->max_depth);

	walk_from(view, node, up ? HG_UP : HG_DOWN, args->max_depth, WALK_BUDGET,
			  NULL, &walk);
	switch (args->kind)
	{
		case HG_ROWS_LEAVES:
		case HG_ROWS_TOPS:
			/* The start is an end only where it is alone. */
			if (walk.n == 1)
				rows = walk.ends - (walk.ends > 0 ? self : 0);
			else
				rows = walk.ends * (beyond(view, &walk) / walk.n);
			break;
		case HG_ROWS_PREORDER:
			/* The root, and a line for each edge. */
			rows = 1 + walk.edges * (beyond(view, &walk) / walk.n);
			break;
		case HG_ROWS_COMMON_ANCESTORS:
			{
				Walk		second;

				walk_from(view, other, HG_UP, args->max_depth, WALK_BUDGET,
						  walk.marks, &second);
				rows = second.marked;
				if (self)
				{
					/* Neither of the two nodes counts. */
					if (second.marks->stamp[node] == second.marks->epoch)
						rows--;
					if (node != other &&
						walk.marks->stamp[other] == walk.marks->epoch)
						rows--;
				}
				hg_scratch_give(second.marks);
				break;
			}
		default:
			rows = beyond(view, &walk) - self;
			break;
	}
	hg_scratch_give(walk.marks);
	return rows;
}

/*
 * estimate_sample is the average number of rows over a sample of nodes.
 */
static double
estimate_sample(HgView *view, const HgRowsArgs *args)
{
	HgRowsKind	kind = args->kind;
	bool		self = args->include_self || kind == HG_ROWS_CLOSURE ||
		kind == HG_ROWS_PREORDER;
	uint32		step = view->nnodes / SAMPLE_NODES + 1;
	double		rows = 0;
	uint32		n = 0;

	for (uint64 at = step / 2; at < view->nnodes; at += step)
	{
		uint32		node = at;
		Walk		walk;

		if (!hg_node_exists(view, node))
			continue;
		n++;
		if (kind == HG_ROWS_PATHS)
		{
			rows += args->other_null ?
				count_paths(view, node, HG_NONE, args->max_depth) : 1;
			continue;
		}
		walk_from(view, node, HG_UP, args->max_depth, SAMPLE_WALK_BUDGET,
				  NULL, &walk);
		switch (kind)
		{
			case HG_ROWS_PARENTS:
			case HG_ROWS_CHILDREN:
				{
					HgEdges		it;

					hg_edges_begin(&it, view, node, HG_UP);
					while (hg_edges_next(&it))
						rows++;
					break;
				}
			case HG_ROWS_TOPS:
				rows += walk.n == 1 && !self ? 0 : walk.ends;
				break;
			case HG_ROWS_LEAVES:
				/* A leaf is a row for each of its ancestors. */
				if (!hg_node_has_edge(view, node, HG_DOWN))
					rows += walk.n - !self;
				break;
			case HG_ROWS_COMMON_ANCESTORS:
				/* Two nodes share the upper part. */
				rows += walk.n / 2.0;
				break;
			default:
				rows += walk.n - !self;
				break;
		}
		hg_scratch_give(walk.marks);
	}
	return n > 0 ? rows / n : 0;
}

/*
 * estimate_view is the number of rows of a call whose graph is open.
 */
static double
estimate_view(HgView *view, const HgRowsArgs *args, bool node_known,
			  uint32 node, uint32 other)
{
	Census		census;

	switch (args->kind)
	{
		case HG_ROWS_ROOTS:
			take_census(view, &census);
			return census.roots;
		case HG_ROWS_TREE:
			take_census(view, &census);
			return census.nodes;
		case HG_ROWS_CLOSURE:
			take_census(view, &census);
			return census.nodes * estimate_sample(view, args);
		case HG_ROWS_PREORDER:
			if (node_known && args->node_null)
			{
				take_census(view, &census);
				return census.roots + (args->max_depth > 0 ? census.edges : 0);
			}
			break;
		default:
			break;
	}
	if (node_known)
		return estimate_known(view, args, node, other);
	return estimate_sample(view, args);
}

/*
 * remember_key fills in what an answer depends on.
 */
static void
remember_key(const HgView *view, const HgRowsArgs *args, bool node_known,
			 uint32 node, uint32 other, Remembered *key)
{
	memset(key, 0, sizeof(Remembered));
	key->graph = view->g;
	key->nentries = view->nentries;
	key->kind = args->kind;
	key->node_known = node_known;
	key->include_self = args->include_self;
	key->primary_only = args->filter.primary_only;
	key->node = node;
	key->other = other;
	key->max_depth = args->max_depth;
	key->day = view->filter.by_day ? view->filter.day : 0;
}

/*
 * recall finds an earlier answer.
 */
static bool
recall(const Remembered *key, double *rows)
{
	for (int i = 0; i < REMEMBERED; i++)
	{
		if (memcmp(&remembered[i], key, offsetof(Remembered, rows)) == 0)
		{
			*rows = remembered[i].rows;
			return true;
		}
	}
	return false;
}

/*
 * find_known looks up a node argument; false when it is no key of the graph.
 */
static bool
find_known(const HgQuery *q, Oid type, Datum value, uint32 *node)
{
	HgKey		key;

	if (!hg_key_try(q->layout, type, value, &key))
		return false;
	*node = hg_view_lookup(&q->view, &key);
	return true;
}

/*
 * estimate_query is the number of rows of a call; < 0 when it has bad
 * arguments.
 */
static double
estimate_query(HgQuery *q, const HgRowsArgs *args, bool node_known)
{
	bool		cacheable = args->filter.labels == NULL;
	uint32		node = HG_NONE;
	uint32		other = HG_NONE;
	Remembered	key;

	if (node_known && !args->node_null)
	{
		if (!find_known(q, args->key_type, args->node, &node))
			return -1;
		if (node == HG_NONE)
			return 0;
	}
	if (!args->other_null)
	{
		if (!find_known(q, args->key_type, args->other, &other))
			return -1;
		if (other == HG_NONE)
			return 0;
	}

	remember_key(&q->view, args, node_known, node, other, &key);
	if (cacheable && recall(&key, &key.rows))
		return key.rows;
	key.rows = Max(estimate_view(&q->view, args, node_known, node, other), 0);
	if (cacheable)
	{
		remembered[remembered_next] = key;
		remembered_next = (remembered_next + 1) % REMEMBERED;
	}
	return key.rows;
}

/*
 * filter_fits tells whether the graph has the roles that a filter needs.
 */
static bool
filter_fits(const HgLayout *layout, const HgFilterArgs *filter)
{
	return (filter->as_of_null || (layout->roles & HG_HAS_VALIDITY)) &&
		(!filter->primary_only || (layout->roles & HG_HAS_PRIMARY)) &&
		(filter->labels == NULL || (layout->roles & HG_HAS_LABEL));
}

/*
 * hg_rows_estimate estimates the number of rows of a call.
 */
double
hg_rows_estimate(const HgRowsArgs *args, bool node_known)
{
	MemoryContext mcxt;
	MemoryContext old;
	HgQuery		q;
	double		rows = -1;

	if (args->is_null)
		return 0;
	if (!hg_query_permitted(args->graph))
		return -1;

	mcxt = AllocSetContextCreate(CurrentMemoryContext, "hierarchy estimate",
								 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	hg_query_open(&q, args->graph, NULL);
	if (filter_fits(q.layout, &args->filter))
	{
		if (!args->filter.as_of_null || args->filter.primary_only ||
			args->filter.labels != NULL)
		{
			hg_query_close(&q);
			hg_query_open(&q, args->graph, &args->filter);
		}
		rows = estimate_query(&q, args, node_known);
	}
	hg_query_close(&q);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
	return rows;
}
