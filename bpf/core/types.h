/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The fields of kernel structures that the programs read, and no others. The loader moves every
 * access to the place the running kernel has it (CO-RE), so order and size mean nothing here.
 */
#ifndef HOMEOSTAT_TYPES_H
#define HOMEOSTAT_TYPES_H

#include "helpers.h"

struct kernfs_node { u64 id; } KERNEL;
struct cgroup { struct kernfs_node *kn; } KERNEL;
struct css_set { struct cgroup *dfl_cgrp; } KERNEL;
struct kuid { u32 val; } KERNEL;
typedef struct kuid kuid_t;
struct cred { kuid_t uid; kuid_t euid; } KERNEL;
struct upid { s32 nr; } KERNEL;
struct pid { struct upid numbers[1]; } KERNEL;
struct fdtable { u32 max_fds; u64 *open_fds; } KERNEL;
struct files_struct { struct fdtable *fdt; } KERNEL;
struct atomic { s32 counter; } KERNEL;
typedef struct atomic atomic_t;
struct percpu_counter { s64 count; } KERNEL;
struct rq { u64 clock; } KERNEL;
struct cfs_rq { struct rq *rq; } KERNEL;
struct sched_entity { u64 sum_exec_runtime; struct cfs_rq *cfs_rq; } KERNEL;
struct sched_info { u64 run_delay; u64 last_queued; } KERNEL;
struct task_io_accounting {
	u64 rchar;
	u64 wchar;
	u64 syscr;
	u64 syscw;
	u64 read_bytes;
	u64 write_bytes;
} KERNEL;
struct mm_struct { u64 total_vm; struct percpu_counter rss_stat[4]; } KERNEL;
struct rlimit { u64 rlim_cur; u64 rlim_max; } KERNEL;
struct list_head { struct list_head *next; } KERNEL;
struct signal_struct {
	atomic_t live;
	struct list_head thread_head;
	s32 group_exit_code;
	u64 sum_sched_runtime;
	u64 utime;
	u64 stime;
	u64 min_flt;
	u64 maj_flt;
	struct task_io_accounting ioac;
	struct pid *pids[4];
	struct rlimit rlim[16];
} KERNEL;

struct task_struct {
	u32 __state;
	u32 flags;
	s32 static_prio;
	u32 policy;
	s32 pid;
	s32 tgid;
	s32 exit_code;
	u32 sched_contributes_to_load : 1;
	u32 in_memstall : 1;
	u64 start_boottime;
	u64 utime;
	u64 stime;
	u64 min_flt;
	u64 maj_flt;
	u64 nvcsw;
	u64 nivcsw;
	struct sched_entity se;
	struct sched_info sched_info;
	struct task_io_accounting ioac;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct signal_struct *signal;
	struct files_struct *files;
	struct list_head thread_node;
	struct mm_struct *mm;
	const struct cred *real_cred;
	struct css_set *cgroups;
	char comm[16];
} KERNEL;

struct linux_binprm { const char *filename; } KERNEL;
struct kernel_siginfo { s32 si_signo; s32 si_errno; s32 si_code; } KERNEL;

struct gendisk { s32 major; s32 first_minor; } KERNEL;
struct request_queue { struct gendisk *disk; } KERNEL;
struct request {
	struct request_queue *q;
	u32 cmd_flags;
	u64 start_time_ns;
	u64 __sector;
} KERNEL;

struct sock_cgroup_data { struct cgroup *cgroup; } KERNEL;
struct sock_common { u16 skc_family; } KERNEL;
struct sock { struct sock_common __sk_common; u16 sk_protocol; struct sock_cgroup_data sk_cgrp_data; } KERNEL;
struct socket { struct sock *sk; } KERNEL;
struct inode { u64 i_ino; } KERNEL;
struct file { struct inode *f_inode; } KERNEL;
struct tcp_sock { u32 srtt_us; } KERNEL;

struct seq_file;
struct bpf_iter_meta { struct seq_file *seq; } KERNEL;
struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; } KERNEL;
struct bpf_iter__task_file { struct bpf_iter_meta *meta; struct task_struct *task; u32 fd; struct file *file; } KERNEL;

struct mce { u64 status; u64 addr; u32 extcpu; u8 bank; } KERNEL;

#endif
