// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The process table in one read: a record for every thread, written by the kernel's task iterator; and
 * who holds which TCP socket, by its iterator of open files.
 *
 * Kernel 6.2 or newer: since then the resident pages are percpu counters; what the CPUs still hold
 * back (at most 32 pages a CPU on a small machine) is not in them.
 */
#include "../core/types.h"

#define MAX_RT_NICE 120
#define LIMIT_FILES 7
#define FAMILY_V4 2
#define FAMILY_V6 10
#define PROTOCOL_TCP 6

SEC("iter/task")
int task_rows(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	if (!task)
		return 0;
	struct task_row row = {};
	struct signal_struct *signal = task->signal;
	struct mm_struct *mm = task->mm;
	row.pid = task->tgid;
	row.tid = task->pid;
	row.ppid = task->real_parent->tgid;
	row.uid = task->real_cred->uid.val;
	row.state = task->__state;
	row.flags = task->flags;
	row.nice = task->static_prio - MAX_RT_NICE;
	row.policy = task->policy;
	row.start_ns = task->start_boottime;
	row.cpu_ns = task->se.sum_exec_runtime;
	row.dead_cpu_ns = signal->sum_sched_runtime;
	row.run_delay_ns = task->sched_info.run_delay;
	row.minor_faults = task->min_flt;
	row.major_faults = task->maj_flt;
	row.switches = task->nvcsw + task->nivcsw;
	row.read_bytes = task->ioac.read_bytes;
	row.write_bytes = task->ioac.write_bytes;
	row.cgroup = task->cgroups->dfl_cgrp->kn->id;
	row.groups = (u64)task->cgroups;
	row.files_soft = signal->rlim[LIMIT_FILES].rlim_cur;
	row.files_hard = signal->rlim[LIMIT_FILES].rlim_max;
	if (mm) {
		row.file_pages = mm->rss_stat[0].count;
		row.anon_pages = mm->rss_stat[1].count;
		row.swap_pages = mm->rss_stat[2].count;
		row.shmem_pages = mm->rss_stat[3].count;
		row.total_pages = mm->total_vm;
	}
	bpf_probe_read_kernel(row.comm, sizeof(row.comm), task->comm);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

SEC("iter/task_file")
int socket_rows(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	if (!task || !file)
		return 0;
	struct socket *socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	struct sock *sk = socket->sk;
	if (!sk || sk->sk_protocol != PROTOCOL_TCP)
		return 0;
	u16 family = sk->__sk_common.skc_family;
	if (family != FAMILY_V4 && family != FAMILY_V6)
		return 0;
	struct socket_row row = {};
	row.pid = task->tgid;
	row.fd = ctx->fd;
	row.inode = file->f_inode->i_ino;
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

LICENSE;
