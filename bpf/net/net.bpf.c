// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * TCP retransmits, resets and the round-trip time a connection ended with, per cgroup of the owner.
 *
 * Nothing runs per packet: a healthy connection costs one look-up, when it closes. The round-trip
 * time of connections that stay open is not here; the socket table reads it by netlink.
 */
#include "../core/count.h"

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct net_stat);
} net_by_cgroup SEC(".maps");

static const struct net_stat net_zero;

INLINE struct net_stat *stat_of(struct sock *sk)
{
	u64 cgroup = sk ? sk->sk_cgrp_data.cgroup->kn->id : 0;
	return entry_of(&net_by_cgroup, &cgroup, &net_zero);
}

SEC("tp_btf/tcp_retransmit_skb")
int tcp_retransmit_skb(u64 *ctx)
{
	struct net_stat *s = stat_of((void *)ctx[0]);
	if (s)
		__sync_fetch_and_add(&s->retransmits, 1);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int tcp_send_reset(u64 *ctx)
{
	struct net_stat *s = stat_of((void *)ctx[0]);
	if (s)
		__sync_fetch_and_add(&s->resets_sent, 1);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int tcp_receive_reset(u64 *ctx)
{
	struct net_stat *s = stat_of((void *)ctx[0]);
	if (s)
		__sync_fetch_and_add(&s->resets_received, 1);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int tcp_destroy_sock(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct net_stat *s = stat_of(sk);
	u32 srtt_us = 0;
	if (!s)
		return 0;
	__sync_fetch_and_add(&s->closed, 1);
	bpf_probe_read_kernel(&srtt_us, sizeof(srtt_us), &((struct tcp_sock *)sk)->srtt_us);
	if (srtt_us) /* eighths of a microsecond; 0 without a sample */
		hist_add(&s->rtt, (u64)srtt_us * 125, 1);
	return 0;
}

LICENSE;
