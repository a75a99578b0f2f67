// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Run-queue latency and time blocked in the kernel, per process, from one hook.
 *
 * The scheduler itself keeps when a task was queued, on the clock of its run queue, so the latency of
 * the task that now gets the CPU is a subtraction: no hook on wake-ups, no clock read, no state.
 * Only a task that leaves uninterruptibly costs more: its departure is remembered until it is back.
 * Interruptible sleep is not counted: it is what remains of a process's time.
 *
 * A task moved between run queues while it waits is counted from the move on.
 * Kernel 6.4 or newer: sched_switch carries the state in which the task left (5.18), and storage of
 * a task is allocated without waking anybody, which matters under the lock of a run queue (6.4).
 * With the usual CONFIG_SCHED_INFO and CONFIG_FAIR_GROUP_SCHED.
 */
#include "../core/count.h"

/*
 * Most waits are short and of no interest one by one: one in sixteen is recorded, for sixteen, so counts
 * and percentiles stay unbiased. Longer waits are recorded all. The low bits of the clock choose.
 */
#define SHORT_WAIT_NS 8192
#define SHORT_SAMPLE 16

#define TASK_UNINTERRUPTIBLE 2
#define TASK_NOLOAD 0x400 /* with uninterruptible: an idle kernel thread, which waits for work */

struct departure {
	u64 left_ns;
	u32 switches; /* of the task until then; the same when it is back, if it did not run meanwhile */
	u32 in_memory_stall;
};

struct {
	__uint(type, MAP_TASK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, s32);
	__type(value, struct departure);
} sched_task SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 2048);
	__type(key, u32);
	__type(value, struct sched_stat);
} sched_by_process SEC(".maps");

/* The value of a new entry: too large for the stack of a program. */
static const struct sched_stat sched_zero;

INLINE u64 run_queue_clock(struct task_struct *task)
{
	return task->se.cfs_rq->rq->clock;
}

/* A bit field has no address: the loader says where its byte is and how to shift it out. */
#define READ_BIT_FIELD(task, field)                                                                  \
	({                                                                                           \
		void *at = (void *)(task) + __builtin_preserve_field_info((task)->field, 0);         \
		u64 word = 0;                                                                        \
		switch (__builtin_preserve_field_info((task)->field, 1)) {                           \
		case 1: word = *(u8 *)at; break;                                                     \
		case 2: word = *(u16 *)at; break;                                                    \
		case 4: word = *(u32 *)at; break;                                                    \
		case 8: word = *(u64 *)at; break;                                                    \
		}                                                                                    \
		word << __builtin_preserve_field_info((task)->field, 4) >>                           \
			__builtin_preserve_field_info((task)->field, 5);                             \
	})

/*
 * How often the task left a CPU. Whoever comes back with another count than at the departure came and left unseen, while
 * this program was detached or skipped: how long it was blocked is unknown.
 */
INLINE u32 switches_of(struct task_struct *task)
{
	return task->nvcsw + task->nivcsw;
}

/* Remembers when a task was blocked, and whether PSI counts the wait as one for memory. */
INLINE void leave_blocked(struct task_struct *task)
{
	struct departure *d = bpf_task_storage_get(&sched_task, task, 0, STORAGE_CREATE);
	if (!d) {
		count_lost(LOST_STORAGE);
		return;
	}
	d->left_ns = run_queue_clock(task);
	d->switches = switches_of(task);
	d->in_memory_stall = 0;
	if (__builtin_preserve_field_info(task->in_memstall, 2))
		d->in_memory_stall = READ_BIT_FIELD(task, in_memstall);
}

INLINE void return_from_block(struct task_struct *task, struct sched_stat *s, u64 queued)
{
	struct departure *d = bpf_task_storage_get(&sched_task, task, 0, 0);
	if (d && d->switches == switches_of(task) && queued > d->left_ns)
		hist_add(d->in_memory_stall ? &s->memory : &s->blocked, queued - d->left_ns, 1);
}

INLINE void arrive(struct task_struct *task)
{
	u64 queued = task->sched_info.last_queued, now = run_queue_clock(task);
	u64 wait = now > queued ? now - queued : 0;
	/* The scheduler's own note that the last sleep counted as load, which is: uninterruptible. */
	u32 blocked = READ_BIT_FIELD(task, sched_contributes_to_load);
	u32 pid = task->tgid, weight = 1;
	if (!queued)
		return;
	if (wait < SHORT_WAIT_NS)
		weight = now % SHORT_SAMPLE ? 0 : SHORT_SAMPLE;
	if (!weight && !blocked)
		return;
	struct sched_stat *s = entry_of(&sched_by_process, &pid, &sched_zero);
	if (!s)
		return;
	if (!s->start_ns)
		s->start_ns = task->group_leader->start_boottime;
	if (weight)
		hist_add(&s->runq, wait, weight);
	if (blocked)
		return_from_block(task, s, queued);
}

/* Arguments: bool preempt, task prev, task next, unsigned prev_state. */
SEC("tp_btf/sched_switch")
int sched_switch(u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	u32 state = ctx[3];
	if (!(u8)ctx[0] && state & TASK_UNINTERRUPTIBLE && !(state & TASK_NOLOAD))
		leave_blocked(prev);
	if (next->pid)
		arrive(next);
	return 0;
}

LICENSE;
