/*-------------------------------------------------------------------------
 *
 * collect_share.c
 *	  Handing a partial rollup over to the leader of a parallel query without
 *	  a copy.
 *
 * A worker writes accumulators of dense keys right into the query's dynamic
 * shared memory once they are many, and sends no more than where they are.
 * The leader merges from there.  Nobody reads what somebody else still
 * writes: a worker is done with its rows, and never touches the accumulators
 * again, when it sends the message; and sending it through the tuple queue
 * orders the writes before the leader's reads.
 *
 * The leader's own partial rollup goes on where it is: partial and final
 * aggregate are nodes of one process, and a plain aggregate's memory lives
 * until its node is rescanned or ends, by when the final one is through.
 *
 * Whatever else there is travels as bytes (collect_wire.c).  Shared memory
 * belongs to the query, so nothing is left behind however it ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifndef WIN32
#include <sys/statvfs.h>
#endif

#include "access/parallel.h"
#include "executor/execParallel.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "postmaster/bgworker.h"
#include "rollup/collect_share.h"
#include "rollup/collect_wire.h"
#include "storage/dsm_impl.h"

/* Fewer bytes of accumulators are sent as they are. */
#define SHARE_FROM		((Size) 256 * 1024)

/* Where POSIX shared memory lives on Linux. */
#define SHARED_FILES	"/dev/shm"

/*
 * is_room: is shared memory of the kind that is quick, and as much left of it
 * for every worker that there can be?  They may all ask at once, and to run out
 * of it is an error that cannot be caught here.
 */
static bool
is_room(Size size)
{
#ifdef WIN32
	return true;
#else
	struct statvfs fs;

	if (dynamic_shared_memory_type != DSM_IMPL_POSIX)
		return false;
	return statvfs(SHARED_FILES, &fs) == 0 &&
		size / fs.f_frsize < fs.f_bavail / Max(max_parallel_workers, 1);
#endif
}

/*
 * hg_chunk_alloc allocates zeroed memory for accumulators.
 */
void
hg_chunk_alloc(HgCollect *c, Size size, HgChunk *chunk)
{
	chunk->shared = InvalidDsaPointer;
	if (c->area != NULL && c->direct && size >= SHARE_FROM && is_room(size))
		chunk->shared = dsa_allocate_extended(c->area, size,
											  DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO);
	chunk->start = DsaPointerIsValid(chunk->shared) ?
		dsa_get_address(c->area, chunk->shared) :
		hg_collect_alloc(c, size, true);
}

/*
 * hg_chunk_resize makes it larger.
 */
void
hg_chunk_resize(HgCollect *c, Size old_size, Size size, HgChunk *chunk)
{
	HgChunk		old = *chunk;

	if (!DsaPointerIsValid(old.shared) && (c->area == NULL || !c->direct))
	{
		chunk->start = repalloc_huge(chunk->start, size);
		return;
	}
	hg_chunk_alloc(c, size, chunk);
	memcpy(chunk->start, old.start, old_size);
	hg_chunk_free(c, &old);
}

/*
 * hg_chunk_free frees it.
 */
void
hg_chunk_free(HgCollect *c, HgChunk *chunk)
{
	if (DsaPointerIsValid(chunk->shared))
		dsa_free(c->area, chunk->shared);
	else
		pfree(chunk->start);
	chunk->start = NULL;
	chunk->shared = InvalidDsaPointer;
}

/*
 * hg_share_area returns where a worker's partial rollup can be shared, NULL
 * elsewhere.  Not for one of many groups.
 */
dsa_area *
hg_share_area(const AggState *aggstate)
{
	if (!IsParallelWorker() || aggstate->aggstrategy != AGG_PLAIN ||
		!DO_AGGSPLIT_SERIALIZE(aggstate->aggsplit))
		return NULL;
	return aggstate->ss.ps.state->es_query_dsa;
}

/*
 * hg_share_leads: is this the leader's part of an aggregate over no groups,
 * which goes on as a whole?
 */
bool
hg_share_leads(const AggState *aggstate)
{
	return !IsParallelWorker() && aggstate->aggstrategy == AGG_PLAIN &&
		DO_AGGSPLIT_SERIALIZE(aggstate->aggsplit);
}

/*
 * hg_share_has_workers: does the leader do its part beside workers?
 */
bool
hg_share_has_workers(const AggState *aggstate)
{
	return hg_share_leads(aggstate) &&
		aggstate->ss.ps.state->es_query_dsa != NULL;
}

/*
 * hg_share_write writes a message instead of the bytes of a collector.  False:
 * it must be the bytes.
 */
bool
hg_share_write(HgCollect *c, const AggState *aggstate, HgBuffer *buf)
{
	HgWireShared message;

	hg_collect_flush(c);
	memset(&message, 0, sizeof(message));
	message.args = c->args;
	if (hg_share_leads(aggstate))
	{
		message.magic = HG_WIRE_LOCAL;
		message.collector = c;
	}
	else if (DsaPointerIsValid(c->acc_chunk.shared) && c->high == NULL &&
			 c->flags == NULL && c->kind != HG_ACC_WIDE)
	{
		Assert(c->direct && IsParallelWorker());
		message.magic = HG_WIRE_SHARED;
		message.kind = c->kind;
		message.scale = c->scale;
		message.n = c->n;
		message.nused = c->nused;
		message.base = c->base;
		message.chunk = c->acc_chunk.shared;
		message.offset = c->acc - c->acc_chunk.start;
		message.segment = DatumGetUInt32(MyBgworkerEntry->bgw_main_arg);
	}
	else
		return false;
	hg_buffer_put(buf, &message, sizeof(message));
	return true;
}

/* What find_area looks for, and finds. */
typedef struct AreaSearch
{
	dsm_handle	segment;
	dsa_area   *area;
} AreaSearch;

/*
 * find_area finds the shared memory of a query among the nodes that have
 * workers.
 */
static bool
find_area(PlanState *node, void *arg)
{
	AreaSearch *search = arg;
	ParallelExecutorInfo *pei = NULL;

	if (node == NULL)
		return false;
	if (IsA(node, GatherState))
		pei = ((GatherState *) node)->pei;
	else if (IsA(node, GatherMergeState))
		pei = ((GatherMergeState *) node)->pei;
	if (pei != NULL && pei->pcxt->seg != NULL &&
		dsm_segment_handle(pei->pcxt->seg) == search->segment)
	{
		search->area = pei->area;
		return true;
	}
	return planstate_tree_walker(node, find_area, search);
}

/*
 * hg_share_read returns the collector behind a message: another node's, or a
 * short-lived one whose accumulators a worker has left in shared memory.
 * NULL: this is no message.
 */
HgCollect *
hg_share_read(const char *data, Size len, AggState *aggstate, bool *local)
{
	HgWireShared message;
	AreaSearch	search = {0};
	HgCollect  *c;

	*local = false;
	if (len != sizeof(message))
		return NULL;
	memcpy(&message, data, len);
	if (message.magic == HG_WIRE_LOCAL)
	{
		*local = true;
		return message.collector;
	}
	if (message.magic != HG_WIRE_SHARED)
		return NULL;

	/* A worker may have made all of it, for instance from partitions. */
	search.segment = message.segment;
	if (IsParallelWorker())
		search.area = aggstate->ss.ps.state->es_query_dsa;
	else
		(void) find_area(&aggstate->ss.ps, &search);
	if (search.area == NULL)
		elog(ERROR, "shared memory of a partial rollup is not that of this query");
	c = hg_collect_create(&message.args, CurrentMemoryContext);
	hg_chunk_free(c, &c->acc_chunk);
	c->kind = message.kind;
	c->held = hg_collect_values(message.kind);
	c->stride = hg_acc_stride(message.kind);
	c->scale = message.scale;
	c->direct = true;
	c->n = c->size = message.n;
	c->nused = message.nused;
	c->base = message.base;
	c->area = search.area;
	c->acc_chunk.shared = message.chunk;
	c->acc_chunk.start = dsa_get_address(search.area, message.chunk);
	c->acc = c->acc_chunk.start + message.offset;
	return c;
}

/*
 * hg_share_done frees a short-lived collector.
 */
void
hg_share_done(HgCollect *c)
{
	hg_chunk_free(c, &c->acc_chunk);
}
