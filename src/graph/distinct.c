/*-------------------------------------------------------------------------
 *
 * distinct.c
 *	  Totals with every fact once, however many paths lead to it.
 *
 * A node with one parent hands its total on to it.  That sums up fragments,
 * trees whose tops have no parent or several.  A top with several parents
 * then hands the sum of its fragment to each of its ancestors, found by a
 * walk, or, when walks would come to more steps in all, for hundreds of tops
 * at a time as bit masks (masks.c).
 *
 * Neither touches every ancestor.  A node with one parent that gets what it
 * gets from a single node below is left out (see HgSkeleton) and served at
 * the end: without it long chains would cost their length for every top.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/dag.h"

/* Walks from so many tops tell what walks from all of them would cost. */
#define SAMPLE			64

/*
 * Nanoseconds, measured: a walk, a step of it, and an addition there; for 512
 * tops at a time an edge of masks, and to add up what a node's mask selects.
 * The host's additions are guessed.
 */
#define WALK_TOP		40.0
#define WALK_STEP		6.0
#define WALK_ADD		1.5
#define MASK_EDGE		4.0
#define MASK_ADD		50.0
#define MASK_TOPS		512
#define OPAQUE_ADD		100.0

/*
 * sum_fragments_fixed adds totals up within fragments and notes those of tops.
 * *bound is what no total can exceed in the end; false: it does not fit.
 */
static bool
sum_fragments_fixed(const HgDag *dag, hg_int128 *total, hg_int128 *own,
					hg_int128 *bound)
{
	unsigned __int128 all = 0;
	unsigned __int128 tops = 0;
	bool		overflow = false;
	uint32_t	t = dag->work->nmulti;

	for (uint32_t i = dag->n; i-- > 0;)
	{
		uint32_t	start = dag->up_start[i];
		uint32_t	n = dag->up_start[i + 1] - start;
		hg_int128	mine = total[i];
		/* no less than the absolute value, less one */
		unsigned __int128 size = (unsigned __int128) (mine ^ (mine >> 127));

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		all |= size;
		if (n == 1)
			overflow |= __builtin_add_overflow(total[dag->up[start]], mine,
											   &total[dag->up[start]]);
		else if (n > 1)
		{
			overflow |= __builtin_add_overflow(tops, size + 1, &tops);
			own[--t] = mine;
		}
	}
	overflow |= __builtin_add_overflow(tops, all, &tops);
	overflow |= tops >= (unsigned __int128) HG_INT128_MAX;
	*bound = (hg_int128) (tops + 1);
	return !overflow;
}

/*
 * sum_fragments_real does so for compensated doubles.
 */
static void
sum_fragments_real(const HgDag *dag, HgReal *total, HgReal *own)
{
	uint32_t	t = dag->work->nmulti;

	for (uint32_t i = dag->n; i-- > 0;)
	{
		uint32_t	start = dag->up_start[i];
		uint32_t	n = dag->up_start[i + 1] - start;

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (n == 1)
			hg_real_merge(&total[dag->up[start]], &total[i]);
		else if (n > 1)
			own[--t] = total[i];
	}
}

/*
 * sum_fragments_opaque does so for the host's amounts.  Those of tops stay
 * where they are until all is handed out.
 */
static void
sum_fragments_opaque(const HgDag *dag, void **total, void **own,
					 const HgOpaqueOps *ops)
{
	uint32_t	t = dag->work->nmulti;

	for (uint32_t i = dag->n; i-- > 0;)
	{
		uint32_t	start = dag->up_start[i];
		uint32_t	n = dag->up_start[i + 1] - start;

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (n == 1 && total[i] != NULL)
			total[dag->up[start]] = ops->add(ops->arg, total[dag->up[start]],
											 total[i]);
		else if (n > 1)
			own[--t] = total[i];
	}
}

/*
 * make_pair joins the tops' amounts of two small measures (or of one), in the
 * memory of the first.
 */
static void
make_pair(HgLane *lane, hg_int128 *first, const hg_int128 *second, uint32_t n)
{
	HgPair	   *pair = (HgPair *) first;

	for (uint32_t t = 0; t < n; t++)
	{
		int64_t		a,
					b = second ? (int64_t) second[t] : 0;

		/* the type of what lies there changes, so by bytes */
		memcpy(&a, &first[t], sizeof(a));
		memcpy(&pair[t], (int64_t[2]) {a, b}, sizeof(HgPair));
	}
	lane->own.pair = pair;
}

/*
 * sum_fragments adds all measures up within fragments and makes lanes of them,
 * small ones two at a time.  Returns their number.
 */
static int
sum_fragments(const HgDag *dag, HgMeasure *measures, int nmeasures,
			  HgLane *lanes, void *arena)
{
	HgLane	   *half = NULL;	/* a pair that has room */
	int			n = 0;

	for (int m = 0; m < nmeasures; m++)
	{
		HgMeasure  *it = &measures[m];
		HgLane	   *lane = &lanes[n];
		hg_int128	bound;

		lane->first = it;
		lane->second = NULL;
		/* 16 bytes do for a cell of any kind */
		lane->own.any = hg_host.alloc(arena, ((size_t) dag->work->nmulti + 1) * 16);
		switch (it->kind)
		{
			case HG_FIXED:
				lane->kind = HG_LANE_FIXED;
				it->overflow = !sum_fragments_fixed(dag, it->fixed,
													lane->own.fixed, &bound);
				if (it->overflow)
				{
					hg_host.free(lane->own.any);
					continue;
				}
				if (bound > INT64_MAX)
					break;
				if (half != NULL)
				{
					half->second = it;
					make_pair(half, half->own.fixed, lane->own.fixed,
							  dag->work->nmulti);
					hg_host.free(lane->own.any);
					half = NULL;
					continue;
				}
				half = lane;
				lane->kind = HG_LANE_PAIR;
				break;
			case HG_REAL:
				lane->kind = HG_LANE_REAL;
				sum_fragments_real(dag, it->real, lane->own.real);
				break;
			case HG_OPAQUE:
				lane->kind = HG_LANE_OPAQUE;
				sum_fragments_opaque(dag, it->opaque, lane->own.opaque, it->ops);
				break;
		}
		n++;
	}
	if (half != NULL)
		make_pair(half, half->own.fixed, NULL, dag->work->nmulti);
	return n;
}

/*
 * list_tops lists the nodes with several parents.
 */
static uint32_t *
list_tops(const HgDag *dag, void *arena)
{
	uint32_t   *top = hg_words(arena, dag->work->nmulti);
	uint32_t	n = 0;

	/* no branch: which nodes have several is hard to predict */
	for (uint32_t i = 0; i < dag->n; i++)
	{
		top[n] = i;
		n += (dag->up_start[i + 1] - dag->up_start[i] > 1);
	}
	return top;
}

/*
 * add_to_skeleton adds a node and its edges; they end at "at" so far.  Returns
 * where they end then.
 */
static inline uint32_t
add_to_skeleton(const HgDag *dag, HgSkeleton *s, uint32_t i,
				const uint32_t *nearest, uint32_t at)
{
	bool		feeds = false;

	for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
	{
		uint32_t	up = nearest[dag->up[e]];

		feeds |= s->through[dag->up[e]];
		if (up == HG_NONE)
			continue;
		s->up[at++] = up;
		if (up >= s->ninner)
			s->ninner = up + 1;
	}
	if (feeds)
		s->feed[s->nfeeds++] = s->n;
	s->node[s->n++] = i;
	s->up_start[s->n] = at;
	return at;
}

/*
 * link_skeleton chooses the skeleton's nodes and writes their edges; joins[i]
 * counts the nodes below i that hand something to it.
 */
static void
link_skeleton(const HgDag *dag, HgSkeleton *s, const uint32_t *joins,
			  uint32_t *nearest)
{
	uint32_t	ninner = dag->work->ninner;
	uint32_t	at = 0;
	uint32_t	t = 0;

	s->up_start[0] = 0;
	for (uint32_t i = 0; i < ninner; i++)
	{
		bool		is_top = t < s->ntops && s->top[t] == i;

		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		if (!is_top && joins[i] == 0)
			continue;
		if (!is_top && joins[i] == 1)
		{
			uint32_t	start = dag->up_start[i];

			s->through[i] = true;
			nearest[i] = (dag->up_start[i + 1] > start) ?
				nearest[dag->up[start]] : HG_NONE;
			continue;
		}
		nearest[i] = s->n;
		if (is_top)
			s->top[t++] = s->n;
		at = add_to_skeleton(dag, s, i, nearest, at);
	}
	for (; t < s->ntops; t++)
	{
		uint32_t	i = s->top[t];

		if (t % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		s->top[t] = s->n;
		at = add_to_skeleton(dag, s, i, nearest, at);
	}
}

/*
 * make_skeleton finds out what of the dag matters to tops.
 */
static void
make_skeleton(const HgDag *dag, HgSkeleton *s, void *arena)
{
	uint32_t	ninner = dag->work->ninner;
	uint32_t	ntops = dag->work->nmulti;
	uint32_t   *joins = hg_words(arena, ninner);
	uint32_t   *nearest = hg_words(arena, ninner);
	uint64_t	nedges = 0;
	uint32_t	n = 0;
	uint32_t	t = ntops;

	memset(s, 0, sizeof(*s));
	s->ntops = ntops;
	s->top = list_tops(dag, arena);
	memset(joins, 0, (size_t) ninner * sizeof(uint32_t));
	for (uint32_t i = dag->n; i-- > 0;)
	{
		if (i % HG_CHECK_EVERY == 0)
			hg_host.check_interrupts();
		/* below the inner nodes only tops matter */
		if (i >= ninner)
		{
			if (t == 0 || s->top[t - 1] < ninner)
			{
				i = ninner;
				continue;
			}
			i = s->top[t - 1];
		}
		if (t > 0 && s->top[t - 1] == i)
			t--;
		else if (joins[i] == 0)
			continue;
		for (uint32_t e = dag->up_start[i]; e < dag->up_start[i + 1]; e++)
			joins[dag->up[e]]++;
		n++;
		nedges += dag->up_start[i + 1] - dag->up_start[i];
	}
	s->node = hg_words(arena, n);
	s->up_start = hg_words(arena, n);
	s->up = hg_words(arena, nedges);
	s->feed = hg_words(arena, n);
	s->through = hg_host.alloc(arena, (size_t) ninner + 1);
	memset(s->through, 0, (size_t) ninner + 1);
	link_skeleton(dag, s, joins, nearest);
	hg_host.free(joins);
	hg_host.free(nearest);
}

/*
 * free_skeleton frees it.
 */
static void
free_skeleton(HgSkeleton *s)
{
	hg_host.free(s->node);
	hg_host.free(s->up_start);
	hg_host.free(s->up);
	hg_host.free(s->top);
	hg_host.free(s->feed);
	hg_host.free(s->through);
}

/*
 * list_ancestors lists the ancestors of a skeleton node, each once.
 */
static inline uint32_t
list_ancestors(const HgSkeleton *s, uint32_t k, uint32_t *stamp,
			   uint32_t epoch, uint32_t *list)
{
	uint32_t	n = 0;

	for (uint32_t head = 0;; head++)
	{
		for (uint32_t e = s->up_start[k]; e < s->up_start[k + 1]; e++)
		{
			uint32_t	up = s->up[e];

			/* no branch: whether it is new is hard to predict */
			list[n] = up;
			n += (stamp[up] != epoch);
			stamp[up] = epoch;
		}
		if (head == n)
			return n;
		k = list[head];
	}
}

/*
 * hand_out adds what a top hands on to the nodes listed.
 */
static inline void
hand_out(const HgLane *lane, uint32_t top, const uint32_t *list, uint32_t n)
{
	switch (lane->kind)
	{
		case HG_LANE_PAIR:
			{
				HgPair		own = lane->own.pair[top];

				for (uint32_t j = 0; j < n; j++)
					lane->got.pair[list[j]] += own;
				break;
			}
		case HG_LANE_FIXED:
			{
				hg_int128	own = lane->own.fixed[top];

				for (uint32_t j = 0; j < n; j++)
					lane->got.fixed[list[j]] += own;
				break;
			}
		case HG_LANE_REAL:
			for (uint32_t j = 0; j < n; j++)
				hg_real_merge(&lane->got.real[list[j]], &lane->own.real[top]);
			break;
		case HG_LANE_OPAQUE:
			{
				const HgOpaqueOps *ops = lane->first->ops;
				void	   *own = lane->own.opaque[top];

				for (uint32_t j = 0; j < n && own != NULL; j++)
				{
					if (j % HG_CHECK_EVERY == 0)
						hg_host.check_interrupts();
					lane->got.opaque[list[j]] =
						ops->add(ops->arg, lane->got.opaque[list[j]], own);
				}
				break;
			}
	}
}

/*
 * walk hands out by walks from all tops.
 */
static void
walk(const HgSkeleton *s, const HgLane *lanes, int nlanes, uint32_t *stamp,
	 uint32_t epoch, uint32_t *list)
{
	uint64_t	steps = 0;

	for (uint32_t t = 0; t < s->ntops; t++)
	{
		uint32_t	n = list_ancestors(s, s->top[t], stamp, ++epoch, list);

		for (int l = 0; l < nlanes; l++)
			hand_out(&lanes[l], t, list, n);
		steps += n + 16;
		if (steps > (uint64_t) HG_CHECK_EVERY * 16)
		{
			hg_host.check_interrupts();
			steps = 0;
		}
	}
}

/*
 * masks_pay estimates whether masks are cheaper than walks.  *epoch counts the
 * walks made to find out.
 */
static bool
masks_pay(const HgSkeleton *s, const HgLane *lanes, int nlanes,
		  uint32_t *stamp, uint32_t *epoch, uint32_t *list)
{
	double		steps = 0;
	double		edges = 0;
	double		rows = 0;
	double		batches = (double) s->ntops / MASK_TOPS + 1;
	double		walks,
				masks;

	if (s->ntops <= SAMPLE)
		return false;
	for (uint32_t k = 0; k < SAMPLE; k++)
	{
		uint32_t	top = s->top[(uint64_t) k * s->ntops / SAMPLE];

		hg_host.check_interrupts();
		steps += list_ancestors(s, top, stamp, ++*epoch, list);
		/* masks of a batch end at its last top */
		edges += s->up_start[top];
		rows += (top < s->ninner) ? top : s->ninner;
	}
	steps *= (double) s->ntops / SAMPLE;
	edges *= batches / SAMPLE;
	rows *= batches / SAMPLE;
	walks = s->ntops * WALK_TOP + steps * WALK_STEP;
	masks = edges * MASK_EDGE;
	for (int l = 0; l < nlanes; l++)
	{
		if (lanes[l].kind == HG_LANE_OPAQUE)
		{
			walks += steps * OPAQUE_ADD;
			masks += (rows + batches * 256) * MASK_TOPS / 8 * OPAQUE_ADD;
		}
		else
		{
			walks += steps * WALK_ADD;
			masks += rows * MASK_ADD;
		}
	}
	return masks < walks;
}

/*
 * FEED is the loop over nodes in between: "step" gives "up" what the skeleton
 * node k, which is node i of the dag, hands on.
 */
#define FEED(step) \
	for (uint32_t f = 0; f < s->nfeeds; f++) \
	{ \
		uint32_t	k = s->feed[f]; \
		uint32_t	i = s->node[k]; \
		uint32_t	end = dag->up_start[i + 1]; \
		bool		is_top = end - dag->up_start[i] > 1; \
		hg_host.check_interrupts(); \
		for (uint32_t e = dag->up_start[i]; e < end; e++) \
		{ \
			uint32_t	up = dag->up[e]; \
			while (s->through[up]) \
			{ \
				step \
				if (dag->up_start[up] == dag->up_start[up + 1]) \
					break; \
				up = dag->up[dag->up_start[up]]; \
			} \
		} \
	}

/*
 * add_got_fixed adds to a measure's totals what came from tops.
 */
static inline void
add_got_fixed(const HgDag *dag, const HgSkeleton *s, const HgLane *lane,
			  int which, hg_int128 *total)
{
	bool		pair = (lane->kind == HG_LANE_PAIR);

#define GOT(k)	(pair ? lane->got.pair[k][which] : lane->got.fixed[k])
	FEED(
		 if (k < s->ninner)
		 total[up] += GOT(k);
		 if (is_top)
		 total[up] += total[i];
		)
	for (uint32_t k = 0; k < s->ninner; k++)
		total[s->node[k]] += GOT(k);
#undef GOT
}

/*
 * add_got_real does so for compensated doubles.
 */
static void
add_got_real(const HgDag *dag, const HgSkeleton *s, const HgReal *got,
			 HgReal *total)
{
	FEED(
		 if (k < s->ninner)
		 hg_real_merge(&total[up], &got[k]);
		 if (is_top)
		 hg_real_merge(&total[up], &total[i]);
		)
	for (uint32_t k = 0; k < s->ninner; k++)
		hg_real_merge(&total[s->node[k]], &got[k]);
}

/*
 * add_got_opaque does so for the host's amounts, and frees what was got.
 */
static void
add_got_opaque(const HgDag *dag, const HgSkeleton *s, void **got,
			   void **total, const HgOpaqueOps *ops)
{
	FEED(
		 if (k < s->ninner && got[k] != NULL)
		 total[up] = ops->add(ops->arg, total[up], got[k]);
		 if (is_top && total[i] != NULL)
		 total[up] = ops->add(ops->arg, total[up], total[i]);
		)
	for (uint32_t k = 0; k < s->ninner; k++)
	{
		if (got[k] == NULL)
			continue;
		total[s->node[k]] = ops->add(ops->arg, total[s->node[k]], got[k]);
		ops->free(ops->arg, got[k]);
	}
}

/*
 * add_got adds a lane's amounts to its measures, and frees the lane's cells.
 */
static void
add_got(const HgDag *dag, const HgSkeleton *s, HgLane *lane)
{
	switch (lane->kind)
	{
		case HG_LANE_PAIR:
			add_got_fixed(dag, s, lane, 0, lane->first->fixed);
			if (lane->second != NULL)
				add_got_fixed(dag, s, lane, 1, lane->second->fixed);
			break;
		case HG_LANE_FIXED:
			add_got_fixed(dag, s, lane, 0, lane->first->fixed);
			break;
		case HG_LANE_REAL:
			add_got_real(dag, s, lane->got.real, lane->first->real);
			break;
		case HG_LANE_OPAQUE:
			add_got_opaque(dag, s, lane->got.opaque, lane->first->opaque,
						   lane->first->ops);
			break;
	}
	hg_host.free(lane->own.any);
	hg_host.free(lane->got.any);
}

/*
 * hg_rollup_distinct rolls measures up so that every fact counts once.
 */
void
hg_rollup_distinct(const HgDag *dag, HgMeasure *measures, int nmeasures,
				   void *arena)
{
	HgLane	   *lanes = hg_host.alloc(arena, ((size_t) nmeasures + 1) * sizeof(HgLane));
	int			nlanes = sum_fragments(dag, measures, nmeasures, lanes, arena);
	HgSkeleton	s;
	uint32_t   *stamp;
	uint32_t   *list;
	uint32_t	epoch = 0;
	bool		masks;

	make_skeleton(dag, &s, arena);
	stamp = hg_words(arena, s.ninner);
	list = hg_words(arena, s.ninner);
	memset(stamp, 0, (size_t) s.ninner * sizeof(uint32_t));
	for (int l = 0; l < nlanes; l++)
	{
		/* zero, whatever the kind */
		lanes[l].got.any = hg_host.alloc(arena, ((size_t) s.ninner + 1) * 16);
		memset(lanes[l].got.any, 0, (size_t) s.ninner * 16);
	}
	switch (dag->work->way)
	{
		case HG_DISTINCT_WALK:
			masks = false;
			break;
		case HG_DISTINCT_MASKS:
			masks = true;
			break;
		default:
			masks = masks_pay(&s, lanes, nlanes, stamp, &epoch, list);
			break;
	}
	if (masks)
		hg_masks_apply(&s, lanes, nlanes, arena);
	else
		walk(&s, lanes, nlanes, stamp, epoch, list);
	for (int l = 0; l < nlanes; l++)
		add_got(dag, &s, &lanes[l]);
	hg_host.free(stamp);
	hg_host.free(list);
	hg_host.free(lanes);
	free_skeleton(&s);
}
