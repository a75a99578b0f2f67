// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Latency of fsync per process, on ext4: the file system that has a tracepoint at both ends.
 *
 * Raw tracepoints, because ext4 may be a module, whose types the loader does not read.
 */
#include "../core/interval.h"

struct {
	__uint(type, MAP_TASK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, s32);
	__type(value, u64);
} fs_task SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct fs_stat);
} fs_by_process SEC(".maps");

static const struct fs_stat fs_zero;

SEC("raw_tp/ext4_sync_file_enter")
int ext4_sync_file_enter(u64 *ctx)
{
	interval_begin(&fs_task);
	return 0;
}

/* Arguments: inode, result. */
SEC("raw_tp/ext4_sync_file_exit")
int ext4_sync_file_exit(u64 *ctx)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u64 ns = interval_end(&fs_task);
	struct fs_stat *s = ns ? entry_of(&fs_by_process, &pid, &fs_zero) : 0;
	if (!s)
		return 0;
	s->start_ns = current_start_ns();
	hist_add(&s->fsync, ns, 1);
	if ((s32)ctx[1] < 0)
		__sync_fetch_and_add(&s->errors, 1);
	return 0;
}

LICENSE;
