// SPDX-License-Identifier: Apache-2.0
// Registers, segments and offsets that assembly and C share on x86-64. Names as in the Intel SDM and the AMD APM.
#ifndef GUEST_MACHINE_H
#define GUEST_MACHINE_H

#include "layout.h"

// Multiboot 0.6.96.
#define MULTIBOOT_HEADER_MAGIC 0x1BADB002
#define MULTIBOOT_MAGIC        0x2BADB002 // in EAX at the entry
#define MULTIBOOT_MEMORY_INFO  (1 << 1)   // header: wants the memory's size
#define MULTIBOOT_ADDRESSES    (1 << 16)  // header: has addresses

#define CR0_PE                 (1 << 0)
#define CR0_MP                 (1 << 1)
#define CR0_EM                 (1 << 2)
#define CR0_TS                 (1 << 3)
#define CR0_NE                 (1 << 5)
#define CR0_WP                 (1 << 16)
#define CR0_NW                 (1 << 29)
#define CR0_CD                 (1 << 30)
#define CR0_PG                 (1 << 31)
#define CR4_PAE                (1 << 5)
#define CR4_OSFXSR             (1 << 9)
#define CR4_OSXMMEXCPT         (1 << 10)
#define CR4_OSXSAVE            (1 << 18)
#define EFER_LME               (1 << 8)
#define EFER_NXE               (1 << 11)

#define MSR_EFER               0xc0000080

#define PTE_P                  (1 << 0)
#define PTE_RW                 (1 << 1)
#define PTE_PWT                (1 << 3)
#define PTE_PCD                (1 << 4)
#define PTE_PS                 (1 << 7)
#define PTE_NX_HIGH            (1 << 31) // of the upper half
#define LARGE_PAGE_SHIFT       21
#define DEVICES_FROM           0xc0000000 // of the identity map, uncached

// Selectors. The task register tells which VCPU this is: one descriptor of 16 bytes for each.
#define SELECTOR_CODE          0x08
#define SELECTOR_DATA          0x10
#define SELECTOR_CODE32        0x18
#define SELECTOR_TSS           0x20
#define TSS_SHIFT              4

#define TSS_SIZE               112
#define TSS_IST1               36 // interrupts
#define TSS_IST2               44 // exceptions
#define IST_INTERRUPTS         1
#define IST_EXCEPTIONS         2

// Where an application processor starts; the page has to be below 1 MiB.
#define TRAMPOLINE             0x8000
#define TRAMPOLINE_VECTOR      (TRAMPOLINE >> 12)

// struct trap_context: where a guarded call resumes.
#define TRAP_RESUME_SP         0
#define TRAP_SAVED             8 // rbx, rbp, r12..r15
#define TRAP_MXCSR             56
#define TRAP_ARMED             64

#endif
