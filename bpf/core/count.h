/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Histograms, the map of losses, and the look-up that never fails silently.
 */
#ifndef HOMEOSTAT_COUNT_H
#define HOMEOSTAT_COUNT_H

#include "types.h"

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, LOST_KINDS);
	__type(key, u32);
	__type(value, u64);
} lost SEC(".maps");

INLINE void count_lost(u32 why)
{
	u64 *n = bpf_map_lookup_elem(&lost, &why);
	if (n)
		*n += 1;
}

/* Index of the highest set bit, 0 for 0: five comparisons, no loop, no table. */
INLINE u32 log2_of(u64 v)
{
	u32 bit = 0;
	if (v >> 32) { v >>= 32; bit += 32; }
	if (v >> 16) { v >>= 16; bit += 16; }
	if (v >> 8) { v >>= 8; bit += 8; }
	if (v >> 4) { v >>= 4; bit += 4; }
	if (v >> 2) { v >>= 2; bit += 2; }
	return bit + (v >> 1);
}

INLINE u32 slot_of(u64 value)
{
	u32 bit = log2_of(value);
	u32 slot = bit > HIST_SHIFT ? bit - HIST_SHIFT : 0;
	return slot < HIST_SLOTS ? slot : HIST_SLOTS - 1;
}

/* Counts `value`, for `weight` values like it. */
INLINE void hist_add(struct hist *h, u64 value, u32 weight)
{
	__sync_fetch_and_add(&h->slots[slot_of(value)], weight);
	__sync_fetch_and_add(&h->sum, value * weight);
}

/* The same for a histogram that only this CPU writes. */
INLINE void hist_add_local(struct hist *h, u64 value)
{
	h->slots[slot_of(value)] += 1;
	h->sum += value;
}

/* The entry of `key`, made from `fresh` when there is none; a full map is counted. */
INLINE void *entry_of(void *map, const void *key, const void *fresh)
{
	void *entry = bpf_map_lookup_elem(map, key);
	if (entry)
		return entry;
	bpf_map_update_elem(map, key, fresh, MAP_NOEXIST);
	entry = bpf_map_lookup_elem(map, key);
	if (!entry)
		count_lost(LOST_FULL);
	return entry;
}

#endif
