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
#define PIDTYPE_SID 3
#define FILE_WORDS 16
#define FAMILY_V4 2
#define FAMILY_V6 10
#define PROTOCOL_TCP 6

INLINE u32 bits(u64 word)
{
	word -= word >> 1 & 0x5555555555555555;
	word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return word * 0x0101010101010101 >> 56;
}

/* How many descriptors a process has open; of a table with room for more than 1,024 it is not told. */
INLINE u32 descriptors(struct task_struct *task)
{
	u64 words[FILE_WORDS] = {};
	struct files_struct *files = task->files;
	if (!files)
		return 0;
	struct fdtable *table = files->fdt;
	u32 bytes = table->max_fds / 8;
	if (bytes > sizeof(words) || bpf_probe_read_kernel(words, bytes, table->open_fds))
		return DESCRIPTORS_UNKNOWN;
	u32 count = 0;
	for (int i = 0; i < FILE_WORDS; i++)
		if (words[i])
			count += bits(words[i]);
	return count;
}

/* What the threads that have ended used, and what all share. */
INLINE void add_process(struct task_row *row, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	struct mm_struct *mm = task->mm;
	struct pid *session = signal->pids[PIDTYPE_SID];
	row->descriptors = descriptors(task);
	bpf_probe_read_kernel(&row->session, sizeof(row->session), &session->numbers[0].nr);
	row->dead_cpu_ns = signal->sum_sched_runtime;
	row->user_ns += signal->utime;
	row->system_ns += signal->stime;
	row->minor_faults += signal->min_flt;
	row->major_faults += signal->maj_flt;
	row->io_chars += signal->ioac.rchar + signal->ioac.wchar;
	row->io_calls += signal->ioac.syscr + signal->ioac.syscw;
	row->read_bytes += signal->ioac.read_bytes;
	row->write_bytes += signal->ioac.write_bytes;
	row->files_soft = signal->rlim[LIMIT_FILES].rlim_cur;
	row->files_hard = signal->rlim[LIMIT_FILES].rlim_max;
	if (mm) {
		row->file_pages = mm->rss_stat[0].count;
		row->anon_pages = mm->rss_stat[1].count;
		row->swap_pages = mm->rss_stat[2].count;
		row->shmem_pages = mm->rss_stat[3].count;
		row->total_pages = mm->total_vm;
	}
}

SEC("iter/task")
int task_rows(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	if (!task)
		return 0;
	struct task_row row = {};
	row.pid = task->tgid;
	row.tid = task->pid;
	row.ppid = task->real_parent->tgid;
	row.euid = task->real_cred->euid.val;
	row.state = task->__state;
	row.flags = task->flags;
	row.nice = task->static_prio - MAX_RT_NICE;
	row.policy = task->policy;
	row.start_ns = task->start_boottime;
	row.cpu_ns = task->se.sum_exec_runtime;
	row.user_ns = task->utime;
	row.system_ns = task->stime;
	row.run_delay_ns = task->sched_info.run_delay;
	row.minor_faults = task->min_flt;
	row.major_faults = task->maj_flt;
	row.switches = task->nvcsw + task->nivcsw;
	row.voluntary_switches = task->nvcsw;
	row.io_chars = task->ioac.rchar + task->ioac.wchar;
	row.io_calls = task->ioac.syscr + task->ioac.syscw;
	row.read_bytes = task->ioac.read_bytes;
	row.write_bytes = task->ioac.write_bytes;
	row.groups = (u64)task->cgroups;
	bpf_probe_read_kernel(row.comm, sizeof(row.comm), task->comm);
	if (row.pid == row.tid)
		add_process(&row, task);
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
