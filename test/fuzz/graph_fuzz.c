/*-------------------------------------------------------------------------
 *
 * graph_fuzz.c
 *	  Fuzzing of the graph core: pages are filled, pruned, refilled, loaded and
 *	  folded as the input says, and every answer is compared with the model of
 *	  test/unit/graph_test.c.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#define TEST_HAS_BELOW
#define below fuzz_below
#define main unit_main
#include "../unit/graph_test.c"
#undef main

/* Memory that is given back when an input has been dealt with */
typedef struct Piece
{
	struct Piece *next;
	struct Piece **prev;
} Piece;

static Piece *pieces;

/* Puts a piece into the list. */
static void *
piece_link(Piece *p)
{
	p->next = pieces;
	p->prev = &pieces;
	if (p->next)
		p->next->prev = &p->next;
	pieces = p;
	return p + 1;
}

/* Takes it out. */
static Piece *
piece_unlink(void *memory)
{
	Piece	   *p = (Piece *) memory - 1;

	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	return p;
}

/* As in hg_host */
static void *
piece_alloc(void *arena, size_t size)
{
	Piece	   *p = malloc(sizeof(Piece) + size);

	(void) arena;
	if (p == NULL)
		abort();
	memset(p + 1, 0xa5, size);
	return piece_link(p);
}

/* As in hg_host */
static void *
piece_realloc(void *memory, size_t size)
{
	Piece	   *p = realloc(piece_unlink(memory), sizeof(Piece) + size);

	if (p == NULL)
		abort();
	return piece_link(p);
}

/* As in hg_host */
static void
piece_free(void *memory)
{
	free(piece_unlink(memory));
}

/* One history of the pages */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	HgKeyKind	kind;
	bool		cyclic;
	HgGraph    *g;
	int			round = 0;

	(void) unit_main;
	fuzz_begin(data, size);
	hg_host.alloc = piece_alloc;
	hg_host.realloc = piece_realloc;
	hg_host.free = piece_free;
	hg_host.check_interrupts = host_check;
	hg_host.too_large = abort;
	hg_host.owner = host_owner;

	kind = HG_KEY_INT + fuzz_below(3);
	cyclic = fuzz_below(2);
	key_step = fuzz_below(2) ? 1000003 : 1;
	for (int i = 0; i < NODES; i++)
	{
		/* different in the first byte, which is all of the shortest */
		memset(uuids[i], i, sizeof(uuids[i]));
		uuids[i][0] = (unsigned char) (i * 37);
	}
	failures = 0;
	memset(page_items, 0, sizeof(page_items));
	g = hg_graph_create(NULL, kind, HG_HAS_WEIGHT | HG_HAS_VALIDITY | HG_HAS_PRIMARY);
	while (fuzz_left() > 0)
	{
		HgFilter	f;

		memset(&f, 0, sizeof(f));
		f.by_day = fuzz_below(2);
		f.day = (int32_t) fuzz_below(DAYS);
		f.primary_only = fuzz_below(4) == 0;
		change_pages(g, kind, cyclic);
		switch (fuzz_below(8))
		{
			case 1:
				g = hg_graph_fold(g, NULL);
				break;
			case 2:
				g = load_pages(kind);
				break;
			default:
				break;
		}
		check_counts(g, round);
		if (++round % 4 == 0 || fuzz_left() == 0)
		{
			check_walks(g, &f, cyclic, round);
			if (!cyclic)
				check_paths(g, &f, round);
		}
		check_cycles(g, settled, round);
		check_cycles(g, mixed, round);
	}
	while (pieces)
		piece_free(pieces + 1);
	fuzz_check(failures == 0);
	return 0;
}
