// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Calls of functions of libraries, as one process makes them: how many, how long, how many bytes, and what was allocated
 * and not freed. Which function it is, and what its arguments say, stands in the cookie of the probe.
 *
 * Attached to one process, for a few seconds, under suspicion. No structure of the kernel is read.
 */
#include "../core/count.h"
#include "../core/registers.h"

/* Whether calls are counted: probes come and go one after the other, and a watch begins and ends for all at once. */
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} api_on SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, API_FUNCTIONS);
	__type(key, u32);
	__type(value, struct api_stat);
} api_calls SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct api_open);
	__uint(map_flags, MAP_NO_PREALLOC);
} api_open SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 65536);
	__type(key, u64);
	__type(value, struct api_live);
	__uint(map_flags, MAP_NO_PREALLOC);
} api_live SEC(".maps");

/* Bytes of an element, by ncclDataType_t; types that came later count as one byte. */
INLINE u64 element_bytes(u64 type)
{
	switch (type) {
	case 2: case 3: case 7: return 4;  /* int32, uint32, float32 */
	case 4: case 5: case 8: return 8;  /* int64, uint64, float64 */
	case 6: case 9: return 2;          /* float16, bfloat16 */
	default: return 1;                 /* int8, uint8, fp8 */
	}
}

INLINE u32 is_on(void)
{
	u32 zero = 0, *on = bpf_map_lookup_elem(&api_on, &zero);
	return on && *on;
}

INLINE u64 key_of(u64 cookie)
{
	return bpf_get_current_pid_tgid() << 32 | (cookie & 0xff);
}

SEC("uprobe")
int api_enter(struct registers *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx), key = key_of(cookie);
	struct api_open open = {};
	if (!is_on())
		return 0;
	switch (cookie >> 8) {
	case API_COPY: open.bytes = ctx->rdx; break;
	case API_REDUCE: open.bytes = ctx->rdx * element_bytes((u32)ctx->rcx); break;
	case API_SEND: open.bytes = ctx->rsi * element_bytes((u32)ctx->rdx); break;
	case API_ALLOCATE: open.bytes = ctx->rsi; open.place = ctx->rdi; break;
	case API_FREE: {
		/* At once: when it has returned another thread may have been given the same address. */
		u64 address = ctx->rdi;
		struct api_live *live = bpf_map_lookup_elem(&api_live, &address);
		if (live) {
			open.bytes = live->bytes;
			bpf_map_delete_elem(&api_live, &address);
		}
		break;
	}
	}
	open.start_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&api_open, &key, &open, 0))
		count_lost(LOST_FULL);
	return 0;
}

/* A call that began before the watch is not counted. All these functions answer 0 for success. */
SEC("uretprobe")
int api_return(struct registers *ctx)
{
	u64 now = bpf_ktime_get_ns();
	u64 cookie = bpf_get_attach_cookie(ctx), key = key_of(cookie);
	u32 index = cookie & 0xff;
	struct api_open *found = bpf_map_lookup_elem(&api_open, &key);
	struct api_stat *stat = bpf_map_lookup_elem(&api_calls, &index);
	if (!found || !stat || !is_on())
		return 0;
	struct api_open open = *found;
	bpf_map_delete_elem(&api_open, &key);
	hist_add(&stat->latency, now - open.start_ns, 1);
	if ((u32)ctx->rax) {
		__sync_fetch_and_add(&stat->errors, 1);
		return 0;
	}
	__sync_fetch_and_add(&stat->bytes, open.bytes);
	u64 address = 0;
	if (cookie >> 8 != API_ALLOCATE || bpf_probe_read_user(&address, sizeof(address), (void *)open.place) ||
	    !address)
		return 0;
	struct api_live live = { .bytes = open.bytes, .function = index };
	if (bpf_map_update_elem(&api_live, &address, &live, 0))
		count_lost(LOST_FULL);
	return 0;
}

LICENSE;
