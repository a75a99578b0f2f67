/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How long the current task is inside something that has a begin and an end hook.
 */
#ifndef HOMEOSTAT_INTERVAL_H
#define HOMEOSTAT_INTERVAL_H

#include "count.h"

/* Remembers the beginning in `storage`, a task storage of one u64. */
INLINE void interval_begin(void *storage)
{
	u64 *at = bpf_task_storage_get(storage, bpf_get_current_task_btf(), 0, STORAGE_CREATE);
	if (at)
		*at = bpf_ktime_get_ns();
	else
		count_lost(LOST_STORAGE);
}

/* Nanoseconds since the beginning; 0 when it was not seen. */
INLINE u64 interval_end(void *storage)
{
	u64 *at = bpf_task_storage_get(storage, bpf_get_current_task_btf(), 0, 0);
	if (!at || !*at)
		return 0;
	u64 ns = bpf_ktime_get_ns() - *at;
	*at = 0;
	return ns ? ns : 1;
}

INLINE u64 current_start_ns(void)
{
	return bpf_get_current_task_btf()->group_leader->start_boottime;
}

#endif
