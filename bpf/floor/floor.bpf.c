// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The least that things can cost, for the bench only: a reflex of one signal, one time stamp and one
 * wake-up; a reflex that the kernel itself carries out; programs on sched_switch and on system calls that do
 * nothing.
 */
#include "../core/types.h"

#define SIGSTOP 19
#define WHOLE_PROCESS 1 /* PIDTYPE_TGID */

const volatile u64 only_signal = 0;

struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 4096);
} floor_events SEC(".maps");

SEC("tp_btf/signal_generate")
int floor_signal(u64 *ctx)
{
	if (ctx[0] != only_signal)
		return 0;
	u64 *at = bpf_ringbuf_reserve(&floor_events, sizeof(*at), 0);
	if (!at)
		return 0;
	*at = bpf_ktime_get_ns();
	bpf_ringbuf_submit(at, RING_FORCE_WAKEUP);
	return 0;
}

/* Whom the kernel may stop without asking: one process, at one signal, until a time, so often. */
struct armed {
	u64 start_ns;
	u64 until_ns;
	u64 event_ns; /* of the signal that is being answered */
	u32 signal;
	s32 left;
};

/* Key: process id. */
struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, struct armed);
} floor_armed SEC(".maps");

/* What was done. */
struct done {
	u64 event_ns;
	u64 effect_ns;
};

/*
 * bpf_send_signal_task(), Linux 6.13: its number in the kernel's types is put in place of the second word
 * before the program is loaded, for the loader knows no functions of the kernel.
 */
INLINE s32 send_signal(struct task_struct *task, u32 signal)
{
	register u64 r1 asm("r1") = (u64)task;
	register u64 r2 asm("r2") = signal;
	register u64 r3 asm("r3") = WHOLE_PROCESS;
	register u64 r4 asm("r4") = 0;
	register u64 r0 asm("r0");
	asm volatile(".long 0x00002085, 0x5eed5eed"
		     : "=r"(r0), "+r"(r1), "+r"(r2), "+r"(r3), "+r"(r4)
		     :
		     : "r5", "memory");
	return r0;
}

/* Arguments: signal, siginfo, target. The effect is its own second call: when SIGSTOP is on its way. */
SEC("tp_btf/signal_generate")
int floor_reflex(u64 *ctx)
{
	u32 signal = ctx[0];
	struct task_struct *task = (void *)ctx[2];
	u32 pid = task->tgid;
	struct armed *armed = bpf_map_lookup_elem(&floor_armed, &pid);
	if (!armed || armed->start_ns != task->group_leader->start_boottime)
		return 0;
	u64 now = bpf_ktime_get_ns();
	if (signal == SIGSTOP && armed->event_ns) {
		struct done *done = bpf_ringbuf_reserve(&floor_events, sizeof(*done), 0);
		if (!done)
			return 0;
		done->event_ns = armed->event_ns;
		done->effect_ns = now;
		armed->event_ns = 0;
		bpf_ringbuf_submit(done, RING_FORCE_WAKEUP);
		return 0;
	}
	if (signal != armed->signal || now > armed->until_ns || armed->left <= 0)
		return 0;
	armed->left--;
	armed->event_ns = now;
	if (send_signal(task, SIGSTOP))
		armed->event_ns = 0;
	return 0;
}

/* What a program costs that does nothing. */
SEC("tp_btf/sched_switch")
int floor_switch(u64 *ctx)
{
	return 0;
}

SEC("raw_tp/sys_enter")
int floor_enter(u64 *ctx)
{
	return 0;
}

SEC("raw_tp/sys_exit")
int floor_exit(u64 *ctx)
{
	return 0;
}

LICENSE;
