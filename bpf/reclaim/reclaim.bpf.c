// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How long processes had to look for memory themselves: direct reclaim, reclaim at the limit of
 * their cgroup, compaction. The waits of page faults (refault, swap-in) are in sched, as `memory`.
 */
#include "../core/interval.h"

struct {
	__uint(type, MAP_TASK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, s32);
	__type(value, u64);
} reclaim_task SEC(".maps");

struct {
	__uint(type, MAP_TASK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, s32);
	__type(value, u64);
} compact_task SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct reclaim_stat);
} reclaim_by_process SEC(".maps");

static const struct reclaim_stat reclaim_zero;

INLINE struct reclaim_stat *stat_of_current(void)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct reclaim_stat *s = entry_of(&reclaim_by_process, &pid, &reclaim_zero);
	if (s)
		s->start_ns = current_start_ns();
	return s;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int direct_begin(u64 *ctx)
{
	interval_begin(&reclaim_task);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int direct_end(u64 *ctx)
{
	u64 ns = interval_end(&reclaim_task);
	struct reclaim_stat *s = ns ? stat_of_current() : 0;
	if (s)
		hist_add(&s->direct, ns, 1);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int memcg_begin(u64 *ctx)
{
	interval_begin(&reclaim_task);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int memcg_end(u64 *ctx)
{
	u64 ns = interval_end(&reclaim_task);
	struct reclaim_stat *s = ns ? stat_of_current() : 0;
	if (s)
		hist_add(&s->memcg, ns, 1);
	return 0;
}

SEC("tp_btf/mm_compaction_begin")
int compaction_begin(u64 *ctx)
{
	interval_begin(&compact_task);
	return 0;
}

SEC("tp_btf/mm_compaction_end")
int compaction_end(u64 *ctx)
{
	u64 ns = interval_end(&compact_task);
	struct reclaim_stat *s = ns ? stat_of_current() : 0;
	if (s)
		hist_add(&s->compaction, ns, 1);
	return 0;
}

LICENSE;
