/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The few kernel helpers and compiler words that the programs use, declared here so that a rebuild
 * needs a compiler and no header of libbpf. The numbers are kernel ABI (include/uapi/linux/bpf.h).
 */
#ifndef HOMEOSTAT_HELPERS_H
#define HOMEOSTAT_HELPERS_H

#include "../intf.h"

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define KERNEL __attribute__((preserve_access_index))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
/* Where a field lies, as the running kernel has it. Unit: bytes. */
#define OFFSET(object, field) __builtin_preserve_field_info((object)->field, 0)
#define LICENSE char license_of_object[] SEC("license") = "Dual BSD/GPL"

#define MAP_HASH 1
#define MAP_ARRAY 2
#define MAP_PERCPU_ARRAY 6
#define MAP_RINGBUF 27
#define MAP_TASK_STORAGE 29
#define MAP_NO_PREALLOC 1
#define MAP_NOEXIST 1
#define STORAGE_CREATE 1
#define RING_NO_WAKEUP 1
#define RING_FORCE_WAKEUP 2
#define RING_CONSUMED 2
#define RING_PRODUCED 3

struct task_struct;
struct seq_file;
struct socket;
struct file;

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*bpf_get_current_uid_gid)(void) = (void *)15;
static u64 (*bpf_get_current_cgroup_id)(void) = (void *)80;
static long (*bpf_probe_read_user)(void *dst, u32 size, const void *src) = (void *)112;
static long (*bpf_probe_read_kernel)(void *dst, u32 size, const void *src) = (void *)113;
static long (*bpf_probe_read_kernel_str)(void *dst, u32 size, const void *src) = (void *)115;
static long (*bpf_seq_write)(struct seq_file *m, const void *data, u32 len) = (void *)127;
static void *(*bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;
static u64 (*bpf_ringbuf_query)(void *ring, u64 what) = (void *)134;
static void *(*bpf_task_storage_get)(void *map, struct task_struct *task, void *value, u64 flags) =
	(void *)156;
static struct task_struct *(*bpf_get_current_task_btf)(void) = (void *)158;
static struct socket *(*bpf_sock_from_file)(struct file *file) = (void *)162;
static u64 (*bpf_get_attach_cookie)(void *ctx) = (void *)174;

#endif
