/*-------------------------------------------------------------------------
 *
 * dict.c
 *	  The dictionary: keys to node numbers.
 *
 * Two open-addressing tables with linear probing: the base's, immutable, and
 * the overlay's, which grows.  A slot holds a node number; the key is compared
 * where it is stored.  The overlay's slots hold the hash as well: a load looks
 * up every node before it is there, and would compare with others' keys.
 * Where integer keys are dense, the base's table is not hashed but indexed by
 * the key itself: one access to memory answers.  So is the overlay's during a
 * load.
 *
 *-------------------------------------------------------------------------
 */
#include "graph/core.h"

/*
 * mix64 is the finaliser of MurmurHash3 (Austin Appleby): every input bit
 * changes every output bit with probability close to one half.
 */
static inline uint64_t
mix64(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	x ^= x >> 33;
	return x;
}

/*
 * hash_bytes hashes a byte string, eight bytes a round.
 */
static uint64_t
hash_bytes(const unsigned char *p, size_t len)
{
	uint64_t	h = UINT64_C(0x9e3779b97f4a7c15) ^ len;

	while (len >= 8)
	{
		uint64_t	word;

		memcpy(&word, p, 8);
		h = mix64(h ^ word);
		p += 8;
		len -= 8;
	}
	if (len > 0)
	{
		uint64_t	word = 0;

		memcpy(&word, p, len);
		h = mix64(h ^ word);
	}
	return h;
}

/*
 * hg_hash_key is the hash of a key, the same in base and overlay.
 */
uint32_t
hg_hash_key(HgKeyKind kind, const HgKey *key)
{
	switch (kind)
	{
		case HG_KEY_INT:
			return (uint32_t) mix64((uint64_t) key->num);
		case HG_KEY_UUID:
			return (uint32_t) hash_bytes(key->bytes, 16);
		case HG_KEY_BYTES:
			break;
	}
	return (uint32_t) hash_bytes(key->bytes, key->len);
}

/*
 * hg_dict_size is the number of slots for a table of nnodes: a power of two,
 * at most two thirds full.
 */
uint32_t
hg_dict_size(uint32_t nnodes)
{
	uint64_t	want = (uint64_t) nnodes + nnodes / 2 + 16;
	uint32_t	size = 16;

	while (size < want)
		size *= 2;
	return size;
}

/*
 * base_equal compares a key with that of a base node.
 */
static inline bool
base_equal(const HgGraph *g, uint32_t node, const HgKey *key)
{
	const HgBase *b = &g->base;

	switch (g->kind)
	{
		case HG_KEY_INT:
			return b->key_num[node] == key->num;
		case HG_KEY_UUID:
			return memcmp(b->key_uuid + (size_t) node * 16, key->bytes, 16) == 0;
		case HG_KEY_BYTES:
			break;
	}
	return b->key_off[node + 1] - b->key_off[node] == key->len &&
		memcmp(b->blob + b->key_off[node], key->bytes, key->len) == 0;
}

/*
 * new_equal compares a key with that of an overlay node.
 */
static inline bool
new_equal(const HgGraph *g, uint32_t i, const HgKey *key)
{
	switch (g->kind)
	{
		case HG_KEY_INT:
			return g->new_num[i] == key->num;
		case HG_KEY_UUID:
			return memcmp(g->new_uuid + (size_t) i * 16, key->bytes, 16) == 0;
		case HG_KEY_BYTES:
			break;
	}
	return g->new_off[i + 1] - g->new_off[i] == key->len &&
		memcmp(g->new_blob + g->new_off[i], key->bytes, key->len) == 0;
}

/*
 * prefetch_slot brings the slots of a hash into the cache ahead of use.
 */
static inline void
prefetch_slot(const HgGraph *g, uint32_t hash)
{
	if (g->base.hash != NULL && !g->base.direct)
		__builtin_prefetch(&g->base.hash[hash & g->base.hash_mask]);
	if (g->new_hash != NULL)
		__builtin_prefetch(&g->new_hash[hash & g->new_hash_mask]);
}

/*
 * hg_dict_prefetch_key does the same for the key of a node, as far as one
 * look leads to it.
 */
void
hg_dict_prefetch_key(const HgGraph *g, uint32_t node)
{
	const HgBase *b = &g->base;
	uint32_t	i = node - b->nnodes;

	switch (g->kind)
	{
		case HG_KEY_INT:
			__builtin_prefetch(node < b->nnodes ? &b->key_num[node] : &g->new_num[i]);
			break;
		case HG_KEY_UUID:
			__builtin_prefetch(node < b->nnodes ? b->key_uuid + (size_t) node * 16 :
							   g->new_uuid + (size_t) i * 16);
			break;
		case HG_KEY_BYTES:
			__builtin_prefetch(node < b->nnodes ? &b->key_off[node] : &g->new_off[i]);
			break;
	}
}

/*
 * prefetch_by_key does the same for the table by key.
 */
static inline void
prefetch_by_key(const HgGraph *g, const HgKey *key)
{
	uint64_t	slot = (uint64_t) key->num - (uint64_t) g->by_key_first;

	if (slot < g->by_key_span)
		__builtin_prefetch(&g->by_key[slot]);
}

/*
 * prefetch_slot_key does the same for the keys that the slots of a hash point
 * to; the slots should be in the cache.
 */
static inline void
prefetch_slot_key(const HgGraph *g, uint32_t hash)
{
	if (g->base.hash != NULL && !g->base.direct)
	{
		uint32_t	node = g->base.hash[hash & g->base.hash_mask];

		if (node != HG_NONE)
			hg_dict_prefetch_key(g, node);
	}
	if (g->new_hash != NULL)
	{
		HgSlot		slot = g->new_hash[hash & g->new_hash_mask];

		if (slot.i != HG_NONE && slot.hash == hash)
			hg_dict_prefetch_key(g, g->base.nnodes + slot.i);
	}
}

/*
 * find returns the node of a key, or HG_NONE.
 */
static uint32_t
find(const HgGraph *g, const HgKey *key, uint32_t hash)
{
	if (g->base.direct)
	{
		uint64_t	slot = (uint64_t) key->num - (uint64_t) g->base.first_key;

		if (slot <= g->base.hash_mask && g->base.hash[slot] != HG_NONE)
			return g->base.hash[slot];
	}
	else if (g->base.hash != NULL)
	{
		uint32_t	slot = hash & g->base.hash_mask;
		uint32_t	node;

		while ((node = g->base.hash[slot]) != HG_NONE)
		{
			if (base_equal(g, node, key))
				return node;
			slot = (slot + 1) & g->base.hash_mask;
		}
	}
	if (g->by_key != NULL)
	{
		uint64_t	slot = (uint64_t) key->num - (uint64_t) g->by_key_first;

		if (slot < g->by_key_span && g->by_key[slot] != HG_NONE)
			return g->base.nnodes + g->by_key[slot];
	}
	else if (g->new_hash != NULL)
	{
		uint32_t	slot = hash & g->new_hash_mask;
		uint32_t	i;

		while ((i = g->new_hash[slot].i) != HG_NONE)
		{
			if (g->new_hash[slot].hash == hash && new_equal(g, i, key))
				return g->base.nnodes + i;
			slot = (slot + 1) & g->new_hash_mask;
		}
	}
	return HG_NONE;
}

/*
 * new_key returns the key of an overlay node.
 */
static HgKey
new_key(const HgGraph *g, uint32_t i)
{
	HgKey		key = {0, NULL, 0};

	switch (g->kind)
	{
		case HG_KEY_INT:
			key.num = g->new_num[i];
			break;
		case HG_KEY_UUID:
			key.bytes = g->new_uuid + (size_t) i * 16;
			key.len = 16;
			break;
		case HG_KEY_BYTES:
			key.bytes = g->new_blob + g->new_off[i];
			key.len = (uint32_t) (g->new_off[i + 1] - g->new_off[i]);
			break;
	}
	return key;
}

/*
 * free_slot returns the overlay's slot for a new key with this hash.
 */
static HgSlot *
free_slot(HgGraph *g, uint32_t hash)
{
	uint32_t	slot = hash & g->new_hash_mask;

	while (g->new_hash[slot].i != HG_NONE)
		slot = (slot + 1) & g->new_hash_mask;
	return &g->new_hash[slot];
}

/*
 * resize_table gives the overlay's table room for nnodes and fills it anew.
 */
static void
resize_table(HgGraph *g, uint32_t nnodes)
{
	uint32_t	size = hg_dict_size(nnodes);

	if (g->new_hash != NULL)
	{
		g->bytes -= (size_t) (g->new_hash_mask + 1) * sizeof(HgSlot);
		hg_host.free(g->new_hash);
		g->new_hash = NULL;		/* should the allocation fail */
	}
	g->new_hash = hg_alloc(g, (size_t) size * sizeof(HgSlot));
	memset(g->new_hash, 0xff, (size_t) size * sizeof(HgSlot));
	g->new_hash_mask = size - 1;
	for (uint32_t i = 0; i < g->nnew; i++)
	{
		HgKey		key = new_key(g, i);
		uint32_t	hash = hg_hash_key(g->kind, &key);

		*free_slot(g, hash) = (HgSlot) {i, hash};
	}
}

/*
 * grow makes room for the keys of this many overlay nodes.
 */
static void
grow(HgGraph *g, uint32_t size)
{
	size_t		width = (g->kind == HG_KEY_UUID) ? 16 : 8;
	size_t		old = (size_t) g->new_size * width;
	size_t		want = (size_t) size * width;
	void	   *mem;

	/* offsets have one element more than there are nodes */
	if (g->kind == HG_KEY_BYTES)
		want += width;
	switch (g->kind)
	{
		case HG_KEY_INT:
			mem = g->new_num;
			break;
		case HG_KEY_UUID:
			mem = g->new_uuid;
			break;
		default:
			mem = g->new_off;
			break;
	}
	if (mem == NULL)
	{
		mem = hg_host.alloc(g->arena, want);
		if (g->kind == HG_KEY_BYTES)
			memset(mem, 0, width);	/* first offset */
	}
	else
		mem = hg_host.realloc(mem, want);
	g->bytes += want - old;
	switch (g->kind)
	{
		case HG_KEY_INT:
			g->new_num = mem;
			break;
		case HG_KEY_UUID:
			g->new_uuid = mem;
			break;
		case HG_KEY_BYTES:
			g->new_off = mem;
			break;
	}
	g->new_size = size;
}

/*
 * widen makes the table by key reach as far as this key; false when that would
 * make it too large.
 */
static bool
widen(HgGraph *g, int64_t key)
{
	uint64_t	below = 0;		/* elements to add in front */
	uint64_t	need;
	uint64_t	size;
	uint32_t   *table;

	if (g->by_key == NULL)
		g->by_key_first = key;
	if (key < g->by_key_first)
	{
		below = (uint64_t) g->by_key_first - (uint64_t) key;
		if (below >= g->by_key_limit)
			return false;
		need = g->by_key_span + below;
	}
	else
	{
		need = (uint64_t) key - (uint64_t) g->by_key_first;
		if (need >= g->by_key_limit)
			return false;
		need++;
	}
	if (need <= g->by_key_span)
		return true;
	if (need > g->by_key_limit)
		return false;

	/* some room more, on the side that grows */
	size = need + need / 2;
	if (size > g->by_key_limit)
		size = g->by_key_limit;
	if (below > 0)
	{
		uint64_t	room = (uint64_t) key - (uint64_t) INT64_MIN;

		if (size - need > room)
			size = need + room;
		below += size - need;
	}
	table = hg_host.alloc(g->arena, size * sizeof(uint32_t));
	memset(table, 0xff, size * sizeof(uint32_t));
	if (g->by_key != NULL)
	{
		memcpy(table + below, g->by_key, g->by_key_span * sizeof(uint32_t));
		hg_host.free(g->by_key);
	}
	g->bytes += (size - g->by_key_span) * sizeof(uint32_t);
	g->by_key = table;
	g->by_key_span = size;
	g->by_key_first = (int64_t) ((uint64_t) g->by_key_first - below);
	return true;
}

/*
 * leave_by_key goes back from the table by key to the hash table, for good.
 */
static void
leave_by_key(HgGraph *g)
{
	if (g->by_key != NULL)
		hg_host.free(g->by_key);
	g->by_key = NULL;
	g->bytes -= g->by_key_span * sizeof(uint32_t);
	g->by_key_span = 0;
	g->by_key_limit = 0;
	resize_table(g, g->new_size);
}

/*
 * hg_dict_reserve makes room for this many nodes at once.  Integer keys may
 * turn out to be dense: a table by key is tried then, up to the size of the
 * hash table that it replaces.
 */
void
hg_dict_reserve(HgGraph *g, uint32_t nnodes)
{
	bool		dense;

	if (nnodes > g->new_size)
		grow(g, nnodes);

	dense = (g->kind == HG_KEY_INT && g->base.nnodes == 0 && g->by_key == NULL);
	g->by_key_limit = dense ? 2 * (uint64_t) nnodes : 0;
	for (uint32_t i = 0; i < g->nnew && dense; i++)
		dense = widen(g, g->new_num[i]);
	if (!dense)
	{
		leave_by_key(g);
		return;
	}
	for (uint32_t i = 0; i < g->nnew; i++)
		g->by_key[g->new_num[i] - g->by_key_first] = i;
	hg_host.free(g->new_hash);
	g->bytes -= (size_t) (g->new_hash_mask + 1) * sizeof(HgSlot);
	g->new_hash = NULL;
	g->new_hash_mask = 0;
}

/*
 * store_key appends a key to the overlay's nodes.
 */
static void
store_key(HgGraph *g, const HgKey *key)
{
	uint32_t	i = g->nnew;

	switch (g->kind)
	{
		case HG_KEY_INT:
			g->new_num[i] = key->num;
			break;
		case HG_KEY_UUID:
			memcpy(g->new_uuid + (size_t) i * 16, key->bytes, 16);
			break;
		case HG_KEY_BYTES:
			{
				uint64_t	off = g->new_off[i];

				/* allocated even for the empty key, so that it has an address */
				if (g->new_blob == NULL || off + key->len > g->new_blob_size)
				{
					uint64_t	size = g->new_blob_size * 2;

					if (size < off + key->len + 1024)
						size = off + key->len + 1024;
					if (g->new_blob == NULL)
						g->new_blob = hg_host.alloc(g->arena, size);
					else
						g->new_blob = hg_host.realloc(g->new_blob, size);
					g->bytes += size - g->new_blob_size;
					g->new_blob_size = size;
				}
				memcpy(g->new_blob + off, key->bytes, key->len);
				g->new_off[i + 1] = off + key->len;
				break;
			}
	}
}

/*
 * find_or_add returns the node of a key, a new one if need be.
 */
static uint32_t
find_or_add(HgGraph *g, const HgKey *key, uint32_t hash)
{
	uint32_t	node = find(g, key, hash);

	if (node != HG_NONE)
		return node;
	if (g->base.nnodes + g->nnew >= HG_MAX_ENTRIES)
		hg_host.too_large();
	if (g->nnew == g->new_size)
		grow(g, g->new_size < 8 ? 16 : g->new_size * 2);
	if (g->by_key != NULL && !widen(g, key->num))
		leave_by_key(g);
	if (g->by_key == NULL &&
		(g->new_hash == NULL || hg_dict_size(g->nnew + 1) > g->new_hash_mask + 1))
		resize_table(g, g->nnew + 1);

	store_key(g, key);
	if (g->by_key != NULL)
		g->by_key[key->num - g->by_key_first] = g->nnew;
	else
		*free_slot(g, hash) = (HgSlot) {g->nnew, hash};
	return g->base.nnodes + g->nnew++;
}

/*
 * prefetch_items hashes the keys of some items, and brings into the
 * cache what finding them will touch.
 */
static void
prefetch_items(const HgGraph *g, const HgItem *items, int n,
			   uint32_t *hash_parent, uint32_t *hash_child)
{
	for (int i = 0; i < n; i++)
	{
		hash_child[i] = hg_hash_key(g->kind, &items[i].child);
		prefetch_slot(g, hash_child[i]);
		hash_parent[i] = 0;
		if (items[i].has_parent)
		{
			hash_parent[i] = hg_hash_key(g->kind, &items[i].parent);
			prefetch_slot(g, hash_parent[i]);
		}
	}
	if (g->by_key != NULL)
	{
		for (int i = 0; i < n; i++)
			prefetch_by_key(g, &items[i].child);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		prefetch_slot_key(g, hash_child[i]);
		if (items[i].has_parent)
			prefetch_slot_key(g, hash_parent[i]);
	}
}

/*
 * hg_dict_nodes finds or makes the nodes of a batch of items, HG_DICT_BATCH at
 * most; a missing parent is HG_NONE.
 */
void
hg_dict_nodes(HgGraph *g, const HgItem *items, int n, uint32_t *parent,
			  uint32_t *child)
{
	uint32_t	hash_parent[HG_DICT_BATCH];
	uint32_t	hash_child[HG_DICT_BATCH];

	prefetch_items(g, items, n, hash_parent, hash_child);
	for (int i = 0; i < n; i++)
	{
		parent[i] = HG_NONE;
		if (items[i].has_parent)
			parent[i] = find_or_add(g, &items[i].parent, hash_parent[i]);
		child[i] = find_or_add(g, &items[i].child, hash_child[i]);
	}
}

/*
 * hg_graph_lookup is the public face of find.
 */
uint32_t
hg_graph_lookup(const HgGraph *g, const HgKey *key)
{
	return find(g, key, hg_hash_key(g->kind, key));
}

/*
 * hg_graph_key returns the key of a node; its bytes live as long as the graph
 * is not changed.
 */
HgKey
hg_graph_key(const HgGraph *g, uint32_t node)
{
	const HgBase *b = &g->base;
	HgKey		key = {0, NULL, 0};

	if (node >= b->nnodes)
		return new_key(g, node - b->nnodes);
	switch (g->kind)
	{
		case HG_KEY_INT:
			key.num = b->key_num[node];
			break;
		case HG_KEY_UUID:
			key.bytes = b->key_uuid + (size_t) node * 16;
			key.len = 16;
			break;
		case HG_KEY_BYTES:
			key.bytes = b->blob + b->key_off[node];
			key.len = (uint32_t) (b->key_off[node + 1] - b->key_off[node]);
			break;
	}
	return key;
}

/*
 * hg_graph_nums returns the integer keys of n nodes.
 */
void
hg_graph_nums(const HgGraph *g, const uint32_t *node, uint32_t n, int64_t *num)
{
	const HgBase *b = &g->base;

	for (uint32_t i = 0; i < n; i++)
		num[i] = (node[i] < b->nnodes) ? b->key_num[node[i]] :
			g->new_num[node[i] - b->nnodes];
}

/*
 * hg_graph_by_key returns the nodes by integer key, in ascending order, where
 * such a table is at hand.
 */
const uint32_t *
hg_graph_by_key(const HgGraph *g, int64_t *first, uint32_t *n)
{
	if (!g->base.direct || g->nnew > 0)
		return NULL;
	*first = g->base.first_key;
	*n = g->base.hash_mask + 1;
	return g->base.hash;
}
