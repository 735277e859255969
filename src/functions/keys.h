/*-------------------------------------------------------------------------
 *
 * keys.h
 *	  Between SQL values and what the graph core works with: node arguments
 *	  to keys, nodes to results, weights to numeric.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HGRAPH_KEYS_H
#define HGRAPH_KEYS_H

#include "cache/query.h"

/* How nodes of one graph become datums of one type. */
typedef struct HgKeyOut
{
	const HgGraph *g;
	HgKeyKind	kind;			/* of the graph's keys */
	Oid			type;			/* of the datums */
	Oid			collation;		/* for hg_key_compare */
	int16		typlen;
	bool		typbyval;
	char		typalign;
	bool		allocates;		/* a datum takes memory from mcxt */
	MemoryContext mcxt;
} HgKeyOut;

/* keys.c: arguments */

/* Raises 42804 unless nodes of this graph can be of this type. */
extern void hg_key_check_type(const HgLayout *layout, Oid type);

/*
 * A node argument of the given type as a key of the graph.  The key's bytes
 * point into the value, or into memory of the current context.  Raises 42804
 * for a type that does not fit the graph, and what the key type's input
 * function has to say about a text.
 */
extern void hg_key_from_datum(const HgLayout *layout, Oid type, Datum value,
							  HgKey *key);

/* The same without errors: false when the value is no key of the graph. */
extern bool hg_key_try(const HgLayout *layout, Oid type, Datum value,
					   HgKey *key);

/* keys.c: results */
extern void hg_key_out_init(HgKeyOut *out, const HgQuery *q, Oid type,
							MemoryContext mcxt);
extern Datum hg_key_datum_slow(const HgKeyOut *out, uint32 node);
extern Datum hg_key_array(const HgKeyOut *out, const uint32 *nodes,
						  uint32 n);
/* HgCompare; arg is the HgKeyOut. */
extern int	hg_key_compare(void *arg, uint32_t a, uint32_t b);

/* A node as a datum; it lives in the graph or in out->mcxt. */
static inline Datum
hg_key_datum(const HgKeyOut *out, uint32 node)
{
#ifdef USE_FLOAT8_BYVAL
	if (out->type == INT8OID)
		return Int64GetDatum(hg_graph_key(out->g, node).num);
#endif
	return hg_key_datum_slow(out, node);
}

/*
 * Shares as numeric.  Conversion costs more than the rest of a row, and few
 * different values come back again and again: a small cache by value.
 */
#define HG_SHARE_SLOTS 64

typedef struct HgShareOut
{
	MemoryContext mcxt;
	double		value[HG_SHARE_SLOTS];
	Datum		datum[HG_SHARE_SLOTS];	/* 0: empty */
} HgShareOut;

extern void hg_share_out_init(HgShareOut *out, MemoryContext mcxt);
/* The datum lives until the next call. */
extern Datum hg_share_datum(HgShareOut *out, double value);

#endif							/* HGRAPH_KEYS_H */
