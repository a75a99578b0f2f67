// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The least that things can cost, for the bench only: a reflex of one signal, one time stamp and one
 * wake-up; programs on sched_switch and on system calls that do nothing.
 */
#include "../core/helpers.h"

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
