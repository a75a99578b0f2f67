// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What one process allocates and does not free, by the stacks of a sample of its allocations: of two of the same size each is
 * as likely to be sampled, and one twice as large twice as likely.
 *
 * Attached to the allocator of one process, for a few seconds, under suspicion. No structure of the kernel is read.
 */
#include "../core/count.h"
#include "../core/registers.h"

/* A sample stands for so many bytes: what is as large is always sampled. At least 1. */
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} alloc_interval SEC(".maps");

/* Traps that the process paid for: two for each allocation, one to free. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} alloc_traps SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct alloc_open);
	__uint(map_flags, MAP_NO_PREALLOC);
} alloc_open SEC(".maps");

/* By address: when it was allocated, of those that were sampled and are not freed. */
struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u64);
	__uint(map_flags, MAP_NO_PREALLOC);
} alloc_live SEC(".maps");

struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 1048576);
} alloc_samples SEC(".maps");

SEC("uprobe")
int alloc_enter(struct registers *ctx)
{
	u64 kind = bpf_get_attach_cookie(ctx), address = ctx->rdi, bytes = ctx->rdi;
	u32 zero = 0, tid = bpf_get_current_pid_tgid();
	u64 *traps = bpf_map_lookup_elem(&alloc_traps, &zero);
	u64 *interval = bpf_map_lookup_elem(&alloc_interval, &zero);
	struct alloc_open open = {};
	if (!traps || !interval)
		return 0;
	*traps += kind == ALLOC_FREE ? 1 : 2;
	if (kind == ALLOC_FREE || kind == ALLOC_REALLOC)
		bpf_map_delete_elem(&alloc_live, &address);
	switch (kind) {
	case ALLOC_FREE: return 0;
	case ALLOC_CALLOC: bytes *= ctx->rsi; break;
	case ALLOC_REALLOC: case ALLOC_ALIGNED: bytes = ctx->rsi; break;
	case ALLOC_MEMALIGN: bytes = ctx->rdx; open.place = ctx->rdi; break;
	}
	open.weight = *interval > bytes ? *interval : bytes;
	if (bytes < *interval && bpf_get_prandom_u32() % *interval >= bytes)
		return 0;
	if (bpf_map_update_elem(&alloc_open, &tid, &open, 0))
		count_lost(LOST_FULL);
	return 0;
}

SEC("uretprobe")
int alloc_return(struct registers *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct alloc_open *open = bpf_map_lookup_elem(&alloc_open, &tid);
	u64 address = ctx->rax, weight, place, now = bpf_ktime_get_ns();
	if (!open)
		return 0;
	weight = open->weight;
	place = open->place;
	bpf_map_delete_elem(&alloc_open, &tid);
	if (place && bpf_probe_read_user(&address, sizeof(address), (void *)place))
		return 0;
	if (!address)
		return 0;
	struct alloc_sample *sample = bpf_ringbuf_reserve(&alloc_samples, sizeof(*sample), 0);
	if (!sample) {
		count_lost(LOST_RING);
		return 0;
	}
	sample->at_ns = now;
	sample->address = address;
	sample->weight = weight;
	sample->ip = ctx->rip;
	sample->sp = ctx->rsp;
	sample->fp = ctx->rbp;
	sample->tid = tid;
	sample->copied = ALLOC_STACK_BYTES;
	/* Near its end a stack has less: what its page has. The reader asks the process for the rest. */
	u64 sp = ctx->rsp;
	if (bpf_probe_read_user(sample->stack, ALLOC_STACK_BYTES, (void *)sp)) {
		u32 less = ALLOC_STACK_BYTES - (sp & (ALLOC_STACK_BYTES - 1));
		sample->copied = bpf_probe_read_user(sample->stack, less, (void *)sp) ? 0 : less;
	}
	bpf_ringbuf_submit(sample, RING_NO_WAKEUP);
	if (bpf_map_update_elem(&alloc_live, &address, &now, 0))
		count_lost(LOST_FULL);
	return 0;
}

LICENSE;
