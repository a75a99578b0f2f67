// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The system calls of one process: how many of each, how many failed, how long they took, and in which order.
 *
 * Attached only while somebody is watched: even an empty program here makes a cheap call dearer for every process.
 * No structure of the kernel is read.
 */
#include "../core/count.h"

/* Results in (-512, 0) are errors; those below -511 mean: start again. */
#define ERRNO_END 512

/* Whose calls: a process id; 0 for nobody. */
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} calls_watched SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 512);
	__type(key, u32);
	__type(value, struct call_stat);
} calls_by_number SEC(".maps");

/* The call that a thread is in: key u32 thread id. */
struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct call_open);
} calls_open SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct call_sequence);
} calls_sequence SEC(".maps");

static const struct call_stat call_zero;

INLINE u32 is_watched(u64 id)
{
	u32 zero = 0;
	u32 *watched = bpf_map_lookup_elem(&calls_watched, &zero);
	return watched && *watched == id >> 32;
}

/* Arguments: registers, number. */
SEC("raw_tp/sys_enter")
int calls_enter(u64 *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id, zero = 0;
	if (!is_watched(id))
		return 0;
	struct call_open open = { .start_ns = bpf_ktime_get_ns(), .number = ctx[1] };
	if (bpf_map_update_elem(&calls_open, &tid, &open, 0))
		count_lost(LOST_FULL);
	struct call_sequence *sequence = bpf_map_lookup_elem(&calls_sequence, &zero);
	if (!sequence)
		return 0;
	u64 at = __sync_fetch_and_add(&sequence->seen, 1);
	if (at < CALLS_KEPT)
		sequence->calls[at] = tid << CALL_BITS | (open.number & (1 << CALL_BITS) - 1);
	return 0;
}

/* Arguments: registers, result. A call that began before the watch is not counted. */
SEC("raw_tp/sys_exit")
int calls_exit(u64 *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	s64 result = ctx[1];
	u32 tid = id;
	if (!is_watched(id))
		return 0;
	struct call_open *open = bpf_map_lookup_elem(&calls_open, &tid);
	if (!open)
		return 0;
	u32 number = open->number;
	u64 ns = bpf_ktime_get_ns() - open->start_ns;
	bpf_map_delete_elem(&calls_open, &tid);
	struct call_stat *s = entry_of(&calls_by_number, &number, &call_zero);
	if (!s)
		return 0;
	hist_add(&s->latency, ns, 1);
	if (result < 0 && result > -ERRNO_END)
		__sync_fetch_and_add(&s->errors, 1);
	return 0;
}

LICENSE;
