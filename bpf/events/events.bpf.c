// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What happens once and matters: a ring buffer of fixed records.
 *
 * A reader is woken only for the kinds in `wake_kinds` and for processes that end badly; the rest
 * waits for the next tick, so that a fork storm costs a write each and no context switch.
 * `signals` is the set of signals reported: a run-time that preempts its threads by signal (SIGURG)
 * or a shell that reaps (SIGCHLD) would otherwise fill the buffer.
 */
#include "../core/count.h"

#define PF_KTHREAD 0x00200000
#define BIT(n) (1ULL << (n))

/* Set by the loader before the program is verified. */
const volatile u64 wake_kinds = 0;
const volatile u64 signals = 0;

struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 262144);
} events SEC(".maps");

/* What the reader was woken for last, and when. */
struct woken {
	u64 position; /* up to which there was something to read */
	u64 at_ns;
};

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct woken);
} events_woken SEC(".maps");

/* A reader that has not read by then stopped before a record that was not yet sent: it is woken again. */
#define READS_WITHIN_NS 10000000

INLINE struct event *event_new(u32 kind)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count_lost(LOST_RING);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->at_ns = bpf_ktime_get_ns();
	return e;
}

INLINE void event_about(struct event *e, struct task_struct *task)
{
	e->pid = task->tgid;
	e->tid = task->pid;
	e->ppid = task->real_parent->tgid;
	e->start_ns = task->group_leader->start_boottime;
	e->cgroup = task->cgroups->dfl_cgrp->kn->id;
	e->uid = task->real_cred->uid.val;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), task->comm);
}

/*
 * Whether the reader was woken and has not come so far yet. It falls asleep only when there is nothing left to read, so
 * one wake-up is enough; in a storm each further one would cost the sender more than its record.
 */
INLINE u32 is_awake(u64 now_ns)
{
	u32 only = 0;
	struct woken *woken = bpf_map_lookup_elem(&events_woken, &only);
	if (!woken)
		return 0;
	if (bpf_ringbuf_query(&events, RING_CONSUMED) < woken->position && now_ns < woken->at_ns + READS_WITHIN_NS)
		return 1;
	woken->position = bpf_ringbuf_query(&events, RING_PRODUCED);
	woken->at_ns = now_ns;
	return 0;
}

INLINE void event_send(struct event *e, u32 urgent)
{
	bpf_ringbuf_submit(e, urgent && !is_awake(e->at_ns) ? RING_FORCE_WAKEUP : RING_NO_WAKEUP);
}

INLINE u32 wakes(u32 kind)
{
	return (wake_kinds >> kind) & 1;
}

/* Arguments: task, old pid, binprm. path: the file, cut at 39 characters. */
SEC("tp_btf/sched_process_exec")
int process_exec(u64 *ctx)
{
	struct linux_binprm *bprm = (void *)ctx[2];
	struct event *e = event_new(EVENT_EXEC);
	if (!e)
		return 0;
	event_about(e, (void *)ctx[0]);
	bpf_probe_read_kernel_str(e->path, sizeof(e->path), bprm->filename);
	event_send(e, wakes(EVENT_EXEC));
	return 0;
}

/* Threads of an ending process that are looked at: those that have ended, too, but are not yet counted as dead. */
#define ENDING_MAX 256

/* CPU time of a process: of threads that are gone, and of those in its list, the leader among them. Unit: ns. */
INLINE u64 cpu_of(struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	u64 sum = signal->sum_sched_runtime;
	u64 head = (u64)signal + OFFSET(signal, thread_head);
	u64 node = head;
	for (u32 i = 0; i < ENDING_MAX; i++) {
		u64 runtime = 0;
		if (bpf_probe_read_kernel(&node, sizeof(node), (void *)node) || node == head)
			break;
		u64 thread = node - OFFSET(task, thread_node);
		bpf_probe_read_kernel(&runtime, sizeof(runtime), (void *)(thread + OFFSET(task, se.sum_exec_runtime)));
		sum += runtime;
	}
	return sum;
}

/* The last thread of a process: code and signal as wait() shows them; value: CPU time of all its threads in ns. */
SEC("tp_btf/sched_process_exit")
int process_exit(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct signal_struct *signal = task->signal;
	if (signal->live.counter || task->flags & PF_KTHREAD)
		return 0;
	struct event *e = event_new(EVENT_EXIT);
	if (!e)
		return 0;
	u32 status = signal->group_exit_code ? signal->group_exit_code : task->exit_code;
	event_about(e, task);
	e->signal = status & 0x7f;
	e->code = status >> 8 & 0xff;
	e->value = cpu_of(task);
	event_send(e, status || wakes(EVENT_EXIT));
	return 0;
}

/* Kernel 6.9 or newer: the victim itself is the argument. value: its resident pages. */
SEC("tp_btf/mark_victim")
int oom_victim(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct event *e = event_new(EVENT_OOM_VICTIM);
	if (!e)
		return 0;
	event_about(e, task);
	struct mm_struct *mm = task->mm;
	e->value = mm->rss_stat[0].count + mm->rss_stat[1].count + mm->rss_stat[3].count;
	event_send(e, wakes(EVENT_OOM_VICTIM));
	return 0;
}

/*
 * Arguments: signal, siginfo, target, group, result. code: si_code where the sender is known;
 * sender: the process that was running, which for a fault is the target itself; value: result
 * (0 delivered, 1 ignored, 2 already pending, 3 lost).
 */
SEC("tp_btf/signal_generate")
int signal_generate(u64 *ctx)
{
	u32 signal = ctx[0];
	if (signal > 63 || !(signals >> signal & 1))
		return 0;
	struct event *e = event_new(EVENT_SIGNAL);
	if (!e)
		return 0;
	struct kernel_siginfo *info = (void *)ctx[1];
	event_about(e, (void *)ctx[2]);
	e->signal = signal;
	if ((u64)info > 2) /* 0, 1, 2 mean: user, kernel, forced */
		bpf_probe_read_kernel(&e->code, sizeof(e->code), &info->si_code);
	e->sender = bpf_get_current_pid_tgid() >> 32;
	e->value = (u32)ctx[4];
	event_send(e, wakes(EVENT_SIGNAL));
	return 0;
}

/* Arguments: request, error, bytes. code: blk_status_t; value: device; value2: sector. */
SEC("tp_btf/block_rq_error")
int block_error(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	struct event *e = event_new(EVENT_BLOCK_ERROR);
	if (!e)
		return 0;
	e->code = ctx[1] & 0xff;
	e->value = (u32)rq->q->disk->major << 20 | (u32)rq->q->disk->first_minor;
	e->value2 = rq->__sector;
	event_send(e, wakes(EVENT_BLOCK_ERROR));
	return 0;
}

/* The detector found a task that has not run for kernel.hung_task_timeout_secs. */
SEC("tp_btf/sched_process_hang")
int hung_task(u64 *ctx)
{
	struct event *e = event_new(EVENT_HUNG_TASK);
	if (!e)
		return 0;
	event_about(e, (void *)ctx[0]);
	event_send(e, wakes(EVENT_HUNG_TASK));
	return 0;
}

/* code: bank; value: MCi_STATUS; value2: address. */
SEC("tp_btf/mce_record")
int machine_check(u64 *ctx)
{
	struct mce *m = (void *)ctx[0];
	struct event *e = event_new(EVENT_MACHINE_CHECK);
	if (!e)
		return 0;
	e->code = m->bank;
	e->sender = m->extcpu;
	e->value = m->status;
	e->value2 = m->addr;
	event_send(e, wakes(EVENT_MACHINE_CHECK));
	return 0;
}

/* Arguments: page frame, kind of page, result. */
SEC("tp_btf/memory_failure_event")
int memory_failure(u64 *ctx)
{
	struct event *e = event_new(EVENT_MEMORY_FAILURE);
	if (!e)
		return 0;
	e->value = ctx[0];
	e->code = (s32)ctx[2];
	event_send(e, wakes(EVENT_MEMORY_FAILURE));
	return 0;
}

LICENSE;
