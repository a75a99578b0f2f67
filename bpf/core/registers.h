/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The registers of a program in user mode where a probe of it stands: x86-64 only. They are kernel ABI
 * (arch/x86/include/uapi/asm/ptrace.h), so that nothing is moved when the program is loaded.
 */
#ifndef HOMEOSTAT_REGISTERS_H
#define HOMEOSTAT_REGISTERS_H

#include "../intf.h"

struct registers {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	u64 rax; /* what a function answers */
	u64 rcx, rdx, rsi, rdi; /* its arguments: the fourth, third, second, first */
	u64 orig_rax, rip, cs, flags, rsp, ss;
};

#endif
