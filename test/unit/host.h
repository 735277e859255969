/*-------------------------------------------------------------------------
 *
 * host.h
 *	  A host for the graph core in tests of rollups: memory that is accounted
 *	  for by arena and aligned for no more than eight bytes, random numbers, and
 *	  graphs made of rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/dag.h"

/* What stands in front of every piece of memory. */
typedef struct Piece
{
	struct Piece *next;
	struct Piece *prev;
	struct Arena *arena;
	size_t		size;
	uint64_t	odd;			/* so that memory is not aligned for 16 */
} Piece;

typedef struct Arena
{
	Piece		head;
	size_t		bytes;
	size_t		peak;
} Arena;

/* One row of the table behind the graph. */
typedef struct Row
{
	uint32_t	parent;			/* HG_NONE: registration */
	uint32_t	child;
	double		weight;
	bool		unstated;
	bool		primary;
	bool		visible;
	bool		removed;
	int32_t		from,
				to;
} Row;

static Arena graph_arena;
static Arena job_arena;
static uint64_t seed;
static int	failures;
static long calls_left = -1;	/* until an interrupt; -1: never */
static jmp_buf interrupted;

/* Makes an arena usable, or empties it. */
static void
arena_reset(Arena *arena)
{
	while (arena->head.next != NULL && arena->head.next != &arena->head)
	{
		Piece	   *p = arena->head.next;

		arena->head.next = p->next;
		free(p);
	}
	arena->head.next = arena->head.prev = &arena->head;
	arena->bytes = arena->peak = 0;
}

/* Puts a piece into its arena's list. */
static void *
piece_link(Piece *p, Arena *arena, size_t size)
{
	p->arena = arena;
	p->size = size;
	p->prev = &arena->head;
	p->next = arena->head.next;
	p->next->prev = p;
	arena->head.next = p;
	arena->bytes += size;
	if (arena->bytes > arena->peak)
		arena->peak = arena->bytes;
	return p + 1;
}

/* Takes it out. */
static Piece *
piece_unlink(void *memory)
{
	Piece	   *p = (Piece *) memory - 1;

	p->prev->next = p->next;
	p->next->prev = p->prev;
	p->arena->bytes -= p->size;
	return p;
}

static void *
host_alloc(void *arena, size_t size)
{
	Piece	   *p = malloc(sizeof(Piece) + size);

	if (p == NULL)
		abort();
	/* whoever relies on zeroed memory shall notice */
	if (size < 1000000)
		memset(p + 1, 0xa5, size);
	return piece_link(p, arena, size);
}

static void *
host_realloc(void *memory, size_t size)
{
	Piece	   *p = piece_unlink(memory);
	Arena	   *arena = p->arena;

	p = realloc(p, sizeof(Piece) + size);
	if (p == NULL)
		abort();
	return piece_link(p, arena, size);
}

static void
host_free(void *memory)
{
	free(piece_unlink(memory));
}

static void
host_check(void)
{
	if (calls_left > 0 && --calls_left == 0)
	{
		calls_left = -1;
		longjmp(interrupted, 1);
	}
}

static const void *
host_owner(void)
{
	return &graph_arena;
}

/* Fills in hg_host. */
static void
host_init(void)
{
	hg_host.alloc = host_alloc;
	hg_host.realloc = host_realloc;
	hg_host.free = host_free;
	hg_host.check_interrupts = host_check;
	hg_host.too_large = abort;
	hg_host.owner = host_owner;
	arena_reset(&graph_arena);
	arena_reset(&job_arena);
}

#ifndef TEST_HAS_BELOW			/* fuzzing, which draws from its input */
/* A pseudo-random number below n (xorshift64*, Marsaglia and Vigna). */
static uint32_t
below(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t) ((seed * UINT64_C(2685821657736338717)) >> 33) % n;
}
#endif

/* Reports one comparison; only failures make noise. */
static void
check(bool good, const char *what, long round)
{
	if (good)
		return;
	failures++;
	if (failures <= 20)
		printf("# round %ld: %s differs\n", round, what);
}

/* Keys are in another order than nodes' numbers, whichever way those go. */
static int64_t
key_of(uint32_t node)
{
	return (int64_t) ((node * UINT64_C(2654435761)) & 0xffffffff);
}

static HgKey
make_key(HgKeyKind kind, uint32_t node, unsigned char *room)
{
	HgKey		key = {key_of(node), room, 0};

	if (kind != HG_KEY_INT)
	{
		key.len = (kind == HG_KEY_UUID) ? 16 : 4 + node % 5;
		memset(room, 0, 16);
		for (int i = 0; i < 4; i++)
			room[i] = (unsigned char) (key.num >> (24 - 8 * i));
	}
	return key;
}

/* Items of rows, one to a row, TIDs by the row's number. */
static void
make_items(HgKeyKind kind, const Row *rows, uint32_t first, uint32_t n,
		   HgItem *items, unsigned char (*room)[2][16])
{
	for (uint32_t i = 0; i < n; i++)
	{
		const Row  *row = &rows[first + i];
		HgItem	   *item = &items[i];

		memset(item, 0, sizeof(*item));
		item->has_parent = row->parent != HG_NONE;
		if (item->has_parent)
			item->parent = make_key(kind, row->parent, room[i][0]);
		item->child = make_key(kind, row->child, room[i][1]);
		item->flags = (row->unstated ? HG_ENTRY_WEIGHT_NULL : 0) |
			(row->primary ? HG_ENTRY_PRIMARY : 0);
		item->weight = row->unstated ? 0 : row->weight;
		item->tid_block = (first + i) / 1000;
		item->tid_off = (uint16_t) ((first + i) % 1000 + 1);
		item->valid_from = row->from;
		item->valid_to = row->to;
	}
}

#define ITEMS 200				/* to an index page */

/*
 * A graph of rows: those before "folded" in the base, others in the overlay.
 * Rows marked as removed were there and went.
 */
static HgGraph *
make_graph(HgKeyKind kind, const Row *rows, uint32_t n, uint32_t folded)
{
	HgGraph    *g = hg_graph_create(&graph_arena, kind, HG_HAS_WEIGHT |
									HG_HAS_VALIDITY | HG_HAS_PRIMARY);
	HgItem	   *items = malloc((n + 1) * sizeof(HgItem));
	unsigned char (*room)[2][16] = malloc(((size_t) n + 1) * sizeof(*room));

	make_items(kind, rows, 0, n, items, room);
	for (uint32_t i = 0; i < folded; i += ITEMS)
		hg_graph_load(g, i / ITEMS, items + i,
					  (int) (folded - i < ITEMS ? folded - i : ITEMS));
	if (folded > 0)
		g = hg_graph_fold(g, &graph_arena);
	for (uint32_t i = folded; i < n; i++)
		hg_graph_append(g, i / ITEMS, items + i, 1);
	for (uint32_t i = 0; i < n; i += ITEMS)
	{
		uint32_t	end = (n - i < ITEMS) ? n : i + ITEMS;
		uint32_t	kept = 0;
		HgItem		left[ITEMS];

		for (uint32_t k = i; k < end; k++)
		{
			if (!rows[k].removed)
				left[kept++] = items[k];
		}
		if (kept < end - i)
			hg_graph_sync_page(g, i / ITEMS, left, (int) kept, (int) kept);
	}
	free(items);
	free(room);
	return g;
}

#endif							/* TEST_HOST_H */
