// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Time in each kind of software interrupt, per CPU. One histogram a kind, counted for ever.
 */
#include "../core/count.h"

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} softirq_start SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, SOFTIRQS);
	__type(key, u32);
	__type(value, struct hist);
} softirq_by_kind SEC(".maps");

/* A software interrupt is never interrupted by another one of the same CPU: one start suffices. */
SEC("tp_btf/softirq_entry")
int softirq_entry(u64 *ctx)
{
	u32 zero = 0;
	u64 *start = bpf_map_lookup_elem(&softirq_start, &zero);
	if (start)
		*start = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/softirq_exit")
int softirq_exit(u64 *ctx)
{
	u32 zero = 0, kind = ctx[0];
	u64 *start = bpf_map_lookup_elem(&softirq_start, &zero);
	struct hist *h = bpf_map_lookup_elem(&softirq_by_kind, &kind);
	if (!start || !*start || !h)
		return 0;
	u64 ns = bpf_ktime_get_ns() - *start;
	u32 bit = log2_of(ns), slot = bit > HIST_SHIFT ? bit - HIST_SHIFT : 0;
	*start = 0;
	if (slot < HIST_SLOTS)
		h->slots[slot] += 1; /* this CPU only: no atomic */
	h->sum += ns;
	return 0;
}

LICENSE;
