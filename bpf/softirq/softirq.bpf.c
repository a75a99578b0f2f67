// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How long software interrupts last, by kind: one in SOFTIRQ_SAMPLE is timed.
 *
 * A busy network raises 50,000 a second and a CPU; timing each would cost more than a percent of it.
 */
#include "../core/count.h"

struct softirq_state {
	u64 seen;
	u64 start_ns; /* 0: this one is not timed */
};

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, SOFTIRQS);
	__type(key, u32);
	__type(value, struct softirq_state);
} softirq_state SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, SOFTIRQS);
	__type(key, u32);
	__type(value, struct hist);
} softirq_by_kind SEC(".maps");

SEC("tp_btf/softirq_entry")
int softirq_entry(u64 *ctx)
{
	u32 kind = ctx[0];
	struct softirq_state *state = bpf_map_lookup_elem(&softirq_state, &kind);
	if (state && state->seen++ % SOFTIRQ_SAMPLE == 0)
		state->start_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/softirq_exit")
int softirq_exit(u64 *ctx)
{
	u32 kind = ctx[0];
	struct softirq_state *state = bpf_map_lookup_elem(&softirq_state, &kind);
	if (!state || !state->start_ns)
		return 0;
	u64 ns = bpf_ktime_get_ns() - state->start_ns;
	struct hist *h = bpf_map_lookup_elem(&softirq_by_kind, &kind);
	state->start_ns = 0;
	if (h)
		hist_add_local(h, ns);
	return 0;
}

LICENSE;
