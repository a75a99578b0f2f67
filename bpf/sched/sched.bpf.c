// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Run-queue latency and off-CPU time per process.
 *
 * Two moments are kept per task: when it left its CPU and when it became runnable. Both histograms
 * are fed when it gets a CPU again, with one look-up, so a wake-up costs a time stamp and no more.
 * Kernel 5.18 or newer: sched_switch carries the state in which the task left.
 */
#include "../core/count.h"

#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2
#define TASK_NOLOAD 0x400 /* with uninterruptible: an idle kernel thread, which waits for work */

struct task_times {
	u64 left_ns;
	u64 runnable_ns;
	u32 why;
	u32 unused;
};

struct {
	__uint(type, MAP_TASK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, s32);
	__type(value, struct task_times);
} sched_task SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 2048);
	__type(key, u32);
	__type(value, struct sched_stat);
} sched_by_process SEC(".maps");

/* The value of a new entry: too large for the stack of a program. */
static const struct sched_stat sched_zero;

INLINE u32 in_memory_stall(struct task_struct *task)
{
	/* A bit field has no address: ask the loader where its byte is and how to shift it out. */
	u32 offset = __builtin_preserve_field_info(task->in_memstall, 0);
	u32 left = __builtin_preserve_field_info(task->in_memstall, 4);
	u32 right = __builtin_preserve_field_info(task->in_memstall, 5);
	u32 size = __builtin_preserve_field_info(task->in_memstall, 1);
	void *at = (void *)task + offset;
	u64 word = size == 1 ? *(u8 *)at : size == 2 ? *(u16 *)at : size == 4 ? *(u32 *)at : *(u64 *)at;
	return word << left >> right;
}

INLINE u32 why_off(struct task_struct *task, u32 preempted, u32 state)
{
	if (preempted || !state)
		return OFF_RUNNABLE;
	if (__builtin_preserve_field_info(task->in_memstall, 2) && in_memory_stall(task))
		return OFF_MEMORY;
	if (state & TASK_UNINTERRUPTIBLE && !(state & TASK_NOLOAD))
		return OFF_BLOCKED;
	return OFF_SLEEP;
}

INLINE void leave(struct task_struct *task, u32 why, u64 now)
{
	struct task_times *t = bpf_task_storage_get(&sched_task, task, 0, STORAGE_CREATE);
	if (!t) {
		count_lost(LOST_STORAGE);
		return;
	}
	t->left_ns = now;
	t->runnable_ns = why == OFF_RUNNABLE ? now : 0;
	t->why = why;
}

INLINE void arrive(struct task_struct *task, u64 now)
{
	struct task_times *t = bpf_task_storage_get(&sched_task, task, 0, 0);
	if (!t || !t->runnable_ns)
		return;
	u64 runnable = t->runnable_ns, left = t->left_ns;
	u32 why = t->why, pid = task->tgid;
	t->runnable_ns = 0;
	t->left_ns = 0;
	struct sched_stat *s = entry_of(&sched_by_process, &pid, &sched_zero);
	if (!s)
		return;
	if (!s->start_ns)
		s->start_ns = task->group_leader->start_boottime;
	hist_add(&s->runq, now - runnable);
	if (!left || why == OFF_RUNNABLE)
		return;
	struct hist *off = why == OFF_SLEEP ? &s->sleep : why == OFF_BLOCKED ? &s->blocked : &s->memory;
	hist_add(off, runnable - left);
}

INLINE void become_runnable(struct task_struct *task)
{
	struct task_times *t = bpf_task_storage_get(&sched_task, task, 0, STORAGE_CREATE);
	if (!t)
		count_lost(LOST_STORAGE);
	else if (!t->runnable_ns)
		t->runnable_ns = bpf_ktime_get_ns();
}

/* Arguments: bool preempt, task prev, task next, unsigned prev_state. */
SEC("tp_btf/sched_switch")
int sched_switch(u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	u64 now = bpf_ktime_get_ns();
	if (prev->pid)
		leave(prev, why_off(prev, ctx[0], ctx[3]), now);
	if (next->pid)
		arrive(next, now);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int sched_wakeup(u64 *ctx)
{
	become_runnable((void *)ctx[0]);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int sched_wakeup_new(u64 *ctx)
{
	become_runnable((void *)ctx[0]);
	return 0;
}

LICENSE;
