// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Latency and size of block requests per disk and operation, from queueing to completion.
 *
 * The block layer keeps the start time in the request (with iostats on, the default), so completion
 * alone suffices and nothing is stored per request.
 */
#include "../core/count.h"

#define OP_MASK 0xff

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 256);
	__type(key, struct block_key);
	__type(value, struct block_stat);
} block_by_device SEC(".maps");

static const struct block_stat block_zero;

INLINE struct block_key key_of(struct request *rq)
{
	struct gendisk *disk = rq->q->disk;
	struct block_key key = {
		.dev = (u32)disk->major << 20 | (u32)disk->first_minor,
		.op = rq->cmd_flags & OP_MASK,
	};
	return key;
}

/* Arguments: request, error, bytes completed. */
SEC("tp_btf/block_rq_complete")
int block_rq_complete(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	u64 started = rq->start_time_ns;
	struct block_key key = key_of(rq);
	struct block_stat *s = entry_of(&block_by_device, &key, &block_zero);
	if (!s)
		return 0;
	if (ctx[1] & 0xff)
		__sync_fetch_and_add(&s->errors, 1);
	if (started)
		hist_add(&s->latency, bpf_ktime_get_ns() - started, 1);
	else
		count_lost(LOST_UNTIMED);
	hist_add(&s->bytes, (u32)ctx[2], 1);
	return 0;
}

LICENSE;
