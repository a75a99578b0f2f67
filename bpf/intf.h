/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The contract between the kernel side and libs/bpfload/src/intf.rs, field for field.
 *
 * Every struct here is a multiple of 8 bytes and has no hidden padding. A change here is a change
 * of both sides and of the objects: the sizes at the end stand in both files and both compilers check them.
 * Times are nanoseconds of CLOCK_MONOTONIC, start times nanoseconds of CLOCK_BOOTTIME as in /proc.
 */
#ifndef HOMEOSTAT_INTF_H
#define HOMEOSTAT_INTF_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

/* Slot 0 counts values below 1,024; slot k counts [2^(9+k), 2^(10+k)); the last one is open. */
#define HIST_SLOTS 28
#define HIST_SHIFT 9

struct hist {
	u64 sum;
	u32 slots[HIST_SLOTS];
};

/* Map sched_by_process: key u32 process id. */
struct sched_stat {
	u64 start_ns;
	struct hist runq;    /* runnable until running */
	struct hist blocked; /* uninterruptible: disk, lock in the kernel */
	struct hist memory;  /* the same inside a memory stall as PSI counts it: refault, swap-in, reclaim */
};

/* Map block_by_device. */
struct block_key {
	u32 dev; /* major << 20 | minor */
	u32 op;  /* REQ_OP: 0 read, 1 write, 2 flush, 3 discard */
};

struct block_stat {
	struct hist latency;
	struct hist bytes;
	u64 errors;
};

/* Map fs_by_process: key u32 process id. */
struct fs_stat {
	u64 start_ns;
	struct hist fsync;
	u64 errors;
};

/* Map net_by_cgroup: key u64 cgroup id of the socket's owner, 0 for packets without a socket. */
struct net_stat {
	u64 retransmits;
	u64 resets_sent;
	u64 resets_received;
	u64 closed;
	struct hist rtt;
};

/* Map reclaim_by_process: key u32 process id. */
struct reclaim_stat {
	u64 start_ns;
	struct hist direct;
	struct hist memcg;
	struct hist compaction;
};

#define SOFTIRQS 10
/* One in so many software interrupts of a kind is timed, on each CPU. */
#define SOFTIRQ_SAMPLE 8

/* Map calls_by_number: key u32 number of the system call. */
struct call_stat {
	struct hist latency;
	u64 errors;
};

/* Map calls_open: key u32 thread id. */
struct call_open {
	u64 start_ns;
	u32 number;
	u32 reserved;
};

/* The first calls of a watch in their order; the others are only counted, in `seen`. */
#define CALLS_KEPT 8192
/* A call: thread id << CALL_BITS | number. */
#define CALL_BITS 10

/* Map calls_sequence. */
struct call_sequence {
	u64 seen;
	u32 calls[CALLS_KEPT];
};

/* Functions of libraries that are watched at a time. */
#define API_FUNCTIONS 64
/* What the arguments of one say; with its index the cookie of its probes: kind << 8 | index. */
#define API_PLAIN 0    /* nothing */
#define API_COPY 1     /* the third is bytes */
#define API_REDUCE 2   /* the third is elements, the fourth their type */
#define API_SEND 3     /* the second is elements, the third their type */
#define API_ALLOCATE 4 /* the first is where to put an address, the second bytes */
#define API_FREE 5     /* the first is an address */

/* Map api_calls: index of the function. */
struct api_stat {
	struct hist latency;
	u64 errors;
	u64 bytes;
};

/* Map api_open: thread id << 32 | index of the function. */
struct api_open {
	u64 start_ns;
	u64 bytes;
	u64 place;
};

/* Map api_live: address of what was allocated and is not freed. */
struct api_live {
	u64 bytes;
	u64 function;
};

/* Where a function of an allocator has what it is asked for: the cookie of its probes. */
#define ALLOC_MALLOC 0   /* the first is bytes */
#define ALLOC_CALLOC 1   /* the first is elements, the second bytes of one */
#define ALLOC_REALLOC 2  /* the first is an address, the second bytes */
#define ALLOC_ALIGNED 3  /* the second is bytes */
#define ALLOC_MEMALIGN 4 /* the first is where to put an address, the third bytes */
#define ALLOC_FREE 5     /* the first is an address */

/* Map alloc_open: thread id. */
struct alloc_open {
	u64 weight;
	u64 place;
};

/* Top of the stack that a sample carries. */
#define ALLOC_STACK_BYTES 4096

/* One record of the ring buffer: an allocation that was sampled. */
struct alloc_sample {
	u64 at_ns;
	u64 address;
	u64 weight; /* bytes that it stands for */
	u64 ip;
	u64 sp;
	u64 fp;
	u32 tid;
	u32 copied; /* bytes of the stack */
	u8 stack[ALLOC_STACK_BYTES];
};

/* Map lost, in every object: what could not be counted, and why. */
#define LOST_FULL 0    /* map full: the value is gone */
#define LOST_STORAGE 1 /* no memory for the state of a task */
#define LOST_RING 2    /* ring buffer full: the event is gone */
#define LOST_UNTIMED 3 /* a request without a start time (iostats switched off) */
#define LOST_KINDS 4

#define EVENT_EXEC 1
#define EVENT_EXIT 2
#define EVENT_OOM_VICTIM 3
#define EVENT_SIGNAL 4
#define EVENT_BLOCK_ERROR 5
#define EVENT_HUNG_TASK 6
#define EVENT_MACHINE_CHECK 7
#define EVENT_MEMORY_FAILURE 8

/* One record of the ring buffer. What `code`, `signal`, `value` hold is said at each program. */
struct event {
	u32 kind;
	u32 pid;
	u32 tid;
	u32 ppid;
	u64 at_ns;
	u64 start_ns;
	u64 cgroup;
	u32 uid;
	s32 code;
	s32 signal;
	u32 sender;
	u64 value;
	u64 value2;
	char comm[16];
	char path[40];
};

/* More descriptors than are counted. */
#define DESCRIPTORS_UNKNOWN 0xffffffff

/*
 * One thread, written by the task iterator. In the row of a process's first thread, faults, times in user
 * and kernel mode and I/O are with those of the threads that have ended.
 */
struct task_row {
	u32 pid;
	u32 tid;
	u32 ppid;
	u32 euid;
	u32 state;
	u32 flags;
	s32 nice;
	u32 policy;
	s32 session;
	u32 descriptors;   /* of a process, in the row of its first thread */
	u64 start_ns;
	u64 cpu_ns;        /* this thread */
	u64 dead_cpu_ns;   /* threads of the process that have ended */
	u64 user_ns;       /* as the timer saw it: how cpu_ns divides, no more */
	u64 system_ns;
	u64 run_delay_ns;  /* time spent runnable, not running */
	u64 minor_faults;
	u64 major_faults;
	u64 switches;      /* voluntary and not */
	u64 voluntary_switches;
	u64 io_chars;      /* bytes of calls, read and written */
	u64 io_calls;
	u64 read_bytes;
	u64 write_bytes;
	u64 file_pages;
	u64 anon_pages;
	u64 shmem_pages;
	u64 swap_pages;
	u64 total_pages;
	u64 groups;        /* the set of cgroups it is in, as the kernel names it: another one after a move */
	u64 files_soft;    /* limits of open files */
	u64 files_hard;
	char comm[16];
};

/* One descriptor that is a TCP socket, written by the iterator of open files. */
struct socket_row {
	u32 pid;
	u32 fd;
	u64 inode;
};

#define SIZE(name, bytes) _Static_assert(sizeof(struct name) == bytes, #name)
SIZE(hist, 120);
SIZE(sched_stat, 368);
SIZE(block_key, 8);
SIZE(block_stat, 248);
SIZE(fs_stat, 136);
SIZE(net_stat, 152);
SIZE(reclaim_stat, 368);
SIZE(call_stat, 128);
SIZE(call_open, 16);
SIZE(call_sequence, 32776);
SIZE(api_stat, 136);
SIZE(api_open, 24);
SIZE(api_live, 16);
SIZE(alloc_open, 16);
SIZE(alloc_sample, 4152);
SIZE(event, 128);
SIZE(task_row, 232);
SIZE(socket_row, 16);

#endif
