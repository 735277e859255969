/*-------------------------------------------------------------------------
 *
 * finish.c
 *	  The final step of a rollup: facts by key become totals by node.
 *
 *	 1. open the graph, as the caller sees it under the active snapshot;
 *	 2. find the node of each key; what has none is unmatched;
 *	 3. cut out what lies above (HgDag);
 *	 4. roll up sums, counts, extremes and flags, each an array by local node;
 *	 5. write the hrollup, rows in the order of keys.
 *
 * The snapshot is that of the statement, which also read the facts, so facts
 * and hierarchy belong together; a transaction sees its own changes to both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "beside.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "rollup/finish.h"
#include "rollup/mode.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "visibility/acyclic.h"

/* Decimal places that shared amounts are kept at beyond the values' own. */
#define SHARE_PLACES	10
/* The same for counts, with more room to spare: averages divide by them. */
#define COUNT_PLACES	20

/* The text that is being turned into a key. */
typedef struct TextKey
{
	const HgLayout *layout;
	const HgKey *text;
} TextKey;

/*
 * show_text_key tells which node of the facts an error is about.
 */
static void
show_text_key(void *arg)
{
	const TextKey *t = arg;

	if (t->text != NULL)
		errcontext("node \"%.*s\", rolling up graph \"%s\"",
				   (int) t->text->len, (const char *) t->text->bytes,
				   get_rel_name(t->layout->index_oid));
}

/*
 * text_to_key is the HgKeyMap for text keys of a graph with other keys.
 */
static bool
text_to_key(void *arg, const HgKey *key, HgKey *out)
{
	TextKey    *t = arg;
	text	   *value = cstring_to_text_with_len((const char *) key->bytes,
												 key->len);

	t->text = key;
	hg_key_from_datum(t->layout, TEXTOID, PointerGetDatum(value), out);
	return true;
}

/*
 * hg_finish_begin opens the graph of a collector.
 */
HgFinish *
hg_finish_begin(HgCollect *c, MemoryContext mcxt)
{
	HgFinish   *f = MemoryContextAllocZero(mcxt, sizeof(HgFinish));
	HgFilterArgs filter = {0};

	f->mcxt = mcxt;
	f->c = c;
	f->args = hg_collect_args(c);
	filter.as_of_null = f->args->as_of_null;
	filter.as_of = f->args->as_of;
	hg_query_open(&f->q, f->args->graph, &filter);
	hg_mode_check(&f->q, f->args->mode);
	hg_key_check_type(f->q.layout, f->args->node_type);
	return f;
}

/*
 * convert_keys sees to it that the facts have keys of the graph's kind.
 */
static void
convert_keys(HgFinish *f)
{
	const HgLayout *layout = f->q.layout;

	if (f->args->node_type == TEXTOID && layout->key_kind != HG_KEY_BYTES)
	{
		TextKey		text = {layout, NULL};
		ErrorContextCallback context = {error_context_stack, show_text_key, &text};

		error_context_stack = &context;
		f->c = hg_collect_rekey(f->c,
								layout->key_kind == HG_KEY_INT ? INT8OID : layout->key_type,
								text_to_key, &text, f->mcxt);
		error_context_stack = context.previous;
		hg_collect_flush(f->c);
	}
}

/*
 * set_head fills in what is known before the rows.
 */
static void
set_head(HgFinish *f)
{
	HgRollupHead *head = &f->head;
	Oid			index = f->q.layout->index_oid;
	bool		exact = f->args->value == HG_VALUE_EXACT;
	bool		weighted = f->args->mode == HG_WEIGHTED;
	int			places = weighted ? SHARE_PLACES : 0;

	head->mode = f->args->mode;
	head->value = f->args->value;
	head->key_type = f->q.layout->key_type;
	head->own_scale = exact ? hg_collect_scale(f->c) : 0;
	head->total_scale = exact ? Min(head->own_scale + places, HG_MAX_SCALE) : 0;
	head->total_scale = Max(head->total_scale, head->own_scale);
	head->count_scale = weighted ? COUNT_PLACES : 0;
	head->graph = quote_qualified_identifier(get_namespace_name(get_rel_namespace(index)),
											 get_rel_name(index));
}

/*
 * nodes_by_key returns the nodes by integer key, from *first on, or members if
 * there is a dag already.
 */
static const uint32 *
nodes_by_key(const HgFinish *f, int64 *first, uint32 *span)
{
	if (f->by_key == NULL)
		return hg_graph_by_key(f->q.view.g, first, span);
	*first = f->first_key;
	*span = f->span;
	return f->by_key;
}

/*
 * node_of finds the node of a key, or the member.
 */
static uint32
node_of(HgFinish *f, const HgKey *key)
{
	uint64		at;

	if (f->by_key == NULL)
		return hg_view_lookup(&f->q.view, key);
	at = (uint64) key->num - (uint64) f->first_key;
	return at < f->span ? f->by_key[at] : HG_NONE;
}

/*
 * alloc_matched makes room for the list of facts whose node is known.
 */
static void
alloc_matched(HgFinish *f)
{
	uint32		size = hg_collect_size(f->c);

	f->member = hg_finish_alloc(f, size, sizeof(uint32), false);
	f->slot = hg_finish_alloc(f, size, sizeof(uint32), false);
}

/* A job of match_dense does so many accumulators. */
#define MATCH_SIZE	HG_WORTH_A_THREAD

/* Finding the nodes of accumulators whose place says what their key is. */
typedef struct MatchDense
{
	HgFinish   *f;
	const uint32 *by_key;
	uint32		span;
	uint64		shift;			/* from a key's place there to its place here */
	struct
	{
		int64		count;
		int64		unmatched_count;
		hg_int128	sum;
		hg_int128	unmatched;
	}		   *found;			/* by job */
} MatchDense;

/*
 * match_job does a part of them.
 */
static void
match_job(void *arg, int job, const HgRunner *runner)
{
	const MatchDense *m = arg;
	HgFinish   *f = m->f;
	uint32		size = hg_collect_size(f->c);
	uint32		first = (uint32) job * MATCH_SIZE;
	uint32		end = size - first < MATCH_SIZE ? size : first + MATCH_SIZE;
	int64		count = 0;
	hg_int128	sum = 0;

	for (uint32 i = first; i < end; i++)
	{
		const HgNarrow acc = hg_plain_read(&f->plain, i);
		uint64		at = i + m->shift;

		if (acc.count == 0)
			continue;
		if (at >= m->span || m->by_key[at] == HG_NONE)
		{
			m->found[job].unmatched_count += acc.count;
			m->found[job].unmatched += acc.sum;
			continue;
		}
		count += acc.count;
		sum += acc.sum;
		if (f->own.slot != NULL)
		{
			f->own.slot[m->by_key[at]] = i;
			continue;
		}
		f->member[f->nmatched] = m->by_key[at];
		f->slot[f->nmatched++] = i;
	}
	m->found[job].count = count;
	m->found[job].sum = sum;
}

/*
 * match_dense is "match" where both sides know their keys by position.  With
 * members known ahead, each writes where no other does; a list is written by
 * one after the other.
 */
static bool
match_dense(HgFinish *f)
{
	HgRollupHead *head = &f->head;
	uint32		size = hg_collect_size(f->c);
	int			njobs = (int) (size / MATCH_SIZE + 1);
	HgAmount	unmatched = {0};
	int64		first_fact;
	int64		first_node;
	MatchDense	m = {.f = f};

	if (!hg_is_plain(&f->plain) || !f->q.view.plain ||
		!hg_collect_dense(f->c, &first_fact))
		return false;
	m.by_key = nodes_by_key(f, &first_node, &m.span);
	if (m.by_key == NULL)
		return false;
	m.shift = (uint64) first_fact - (uint64) first_node;
	m.found = palloc0(njobs * sizeof(*m.found));

	f->own.slot = f->no_slot;
	if (f->own.slot == NULL)
		alloc_matched(f);
	hg_run_jobs(match_job, &m, njobs, f->beside && f->own.slot != NULL);
	for (int i = 0; i < njobs; i++)
	{
		head->grand_count += m.found[i].count;
		head->grand.fixed += m.found[i].sum;
		head->unmatched_count += m.found[i].unmatched_count;
		unmatched.fixed += m.found[i].unmatched;
	}
	hg_amount_add(&head->unmatched, &unmatched, head->value, head->own_scale);
	pfree(m.found);
	return true;
}

/*
 * match_any is "match" for all the rest.
 */
static void
match_any(HgFinish *f)
{
	HgRollupHead *head = &f->head;
	uint32		size = hg_collect_size(f->c);

	alloc_matched(f);
	for (uint32 i = 0; i < size; i++)
	{
		int64		count = hg_collect_count(f->c, i);
		HgKey		key;
		uint32		node;
		HgAmount	sum;

		if ((i & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (count == 0)
			continue;
		key = hg_collect_key(f->c, i);
		node = node_of(f, &key);
		hg_collect_sum(f->c, i, &sum);
		if (node == HG_NONE)
		{
			head->unmatched_count += count;
			hg_amount_add(&head->unmatched, &sum, head->value, head->own_scale);
			continue;
		}
		head->grand_count += count;
		hg_amount_add(&head->grand, &sum, head->value, head->own_scale);
		f->member[f->nmatched] = node;
		f->slot[f->nmatched++] = i;
	}
}

/*
 * match finds the nodes of all keys and adds up what there is and what has
 * none.
 */
static void
match(HgFinish *f)
{
	HgRollupHead *head = &f->head;

	head->unmatched_count = hg_collect_keyless(f->c, &head->unmatched);
	if (!match_dense(f))
		match_any(f);
	head->grand_count += head->unmatched_count;
	hg_amount_add(&head->grand, &head->unmatched, head->value, head->own_scale);
}

/*
 * report_share raises the error for a share that makes no sense as a part, or
 * that nothing can be calculated with.
 */
static void
report_share(HgFinish *f)
{
	const HgLayout *layout = f->q.layout;
	HgKey		parent = hg_graph_key(f->q.view.g, f->dag->bad_parent);
	HgKey		child = hg_graph_key(f->q.view.g, f->dag->bad_child);
	char	   *share = float8out_internal(f->dag->bad_weight);
	char	   *graph = get_rel_name(layout->index_oid);

	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 layout->any_weight ?
			 errmsg("share %s in graph \"%s\" is outside %g to %g",
					share, graph, -HG_MAX_WEIGHT, HG_MAX_WEIGHT) :
			 errmsg("share %s in graph \"%s\" is outside 0 to 1", share, graph),
			 errdetail("It is the share of %s in %s.",
					   hg_key_text(layout, &parent), hg_key_text(layout, &child)),
			 f->dag->unusable ? errhint("Correct it.") :
			 errhint("Shares are parts of 1. If others are meant, ALTER INDEX %s SET (any_weight = on).",
					 quote_identifier(graph))));
}

/*
 * cut_out makes the dag.
 */
static void
cut_out(HgFinish *f)
{
	uint32		cycle_node = HG_NONE;
	HgDag	   *dag;

	dag = hg_dag_build(&f->q.view, f->member, f->nmatched, f->args->mode,
					   f->mcxt, &cycle_node);
	if (dag == NULL)
		hg_mode_refuse_cycle(&f->q, f->args->mode, cycle_node);
	f->dag = dag;
	if (dag->out_of_range && (dag->unusable || !f->q.layout->any_weight))
		report_share(f);
	f->head.unstated = dag->nunstated;
	hg_dag_members(dag, f->member, f->nmatched);
}

/*
 * hg_rollup_finish rolls up what a collector holds.
 */
struct varlena *
hg_rollup_finish(HgCollect *c, HgFinish *ahead)
{
	MemoryContext old = CurrentMemoryContext;
	HgFinish   *f = ahead;
	struct varlena *result;
	MemoryContext mcxt;

	mcxt = ahead ? ahead->mcxt :
		AllocSetContextCreate(CurrentMemoryContext, "hierarchy rollup",
							  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(mcxt);
	hg_collect_flush(c);
	if (f == NULL)
		f = hg_finish_begin(c, mcxt);
	f->c = c;
	f->args = hg_collect_args(c);
	f->beside = hg_collect_from_workers(c);
	convert_keys(f);
	f->special = hg_collect_special(f->c);
	f->plain = hg_collect_plain(f->c);
	set_head(f);
	match(f);
	if (f->dag == NULL)
		cut_out(f);
	hg_finish_roll_up(f);
	result = hg_finish_result(f, old);
	hg_dag_free(f->dag);
	hg_query_close(&f->q);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
	return result;
}
