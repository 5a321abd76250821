// SPDX-License-Identifier: Apache-2.0
// The virtual machine control block, and the names of what it holds. AMD APM volume 2, appendix B (layout), appendix C
// (exit codes), 15.9 (intercepts), 15.20 (event injection), 15.21 (interrupts), 15.25 (nested paging).
#ifndef X86_SVM_VMCB_H
#define X86_SVM_VMCB_H

#include "arch/x86/guest_registers.h"

struct vmcb {
    // control area
    uint16_t cr_reads, cr_writes;
    uint16_t dr_reads, dr_writes;
    uint32_t exceptions;
    uint32_t intercepts[3];
    uint8_t reserved0[0x40 - 0x18];
    uint64_t iopm, msrpm;
    uint64_t tsc_offset;
    uint32_t asid;
    uint8_t tlb_control, reserved1[3];
    uint32_t interrupt_control;
    uint8_t interrupt_vector, reserved2[3];
    uint64_t shadow;
    uint64_t exit_code, exit_info1, exit_info2, exit_event;
    uint64_t nested_control;
    uint8_t reserved3[0xa8 - 0x98];
    uint64_t event;
    uint64_t nested_cr3;
    uint64_t lbr_control;
    uint32_t clean, reserved4;
    uint64_t next_rip;
    uint8_t reserved5[0x3e0 - 0xd0];
    uint64_t cr0_pretended; // here and on the hardware looks at nothing: CD and NW as the guest has them
    uint8_t reserved13[0x400 - 0x3e8];
    // state save area
    struct guest_segment segments[SEGMENTS], gdtr, ldtr, idtr, tr;
    uint8_t reserved6[0xcb - 0xa0];
    uint8_t cpl;
    uint32_t reserved7;
    uint64_t efer;
    uint8_t reserved8[0x148 - 0xd8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved9[0x1d8 - 0x180];
    uint64_t rsp;
    uint8_t reserved10[0x1f8 - 0x1e0];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved11[0x268 - 0x248];
    uint64_t pat;
    uint8_t reserved12[0x1000 - 0x670];
};
_Static_assert(offsetof(struct vmcb, iopm) == 0x40 && offsetof(struct vmcb, exit_code) == 0x70,
               "APM volume 2, table B-1");
_Static_assert(offsetof(struct vmcb, event) == 0xa8 && offsetof(struct vmcb, next_rip) == 0xc8,
               "APM volume 2, table B-1");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb && offsetof(struct vmcb, efer) == 0x4d0, "APM volume 2, table B-2");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548 && offsetof(struct vmcb, rsp) == 0x5d8, "APM volume 2, table B-2");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8 && offsetof(struct vmcb, pat) == 0x668, "APM volume 2, table B-2");
_Static_assert(sizeof(struct vmcb) == PAGE_SIZE, "APM volume 2, 15.5.1");

#define INTERCEPT_CR0         1u // in cr_reads and cr_writes
// Exit codes from SVM_EXIT_INTR on have their intercepts in this order: 32 in each word of `intercepts`.
#define INTERCEPT(code)       (1u << (SVM_EXIT_##code - SVM_EXIT_INTR) % 32)

#define SVM_INTERRUPT_VIRQ    (1u << 8)
#define SVM_PRIORITY_SHIFT    16
#define SVM_PRIORITY_MASK     (0xfu << SVM_PRIORITY_SHIFT)
#define SVM_MASKING           (1u << 24) // V_INTR_MASKING: the guest's IF and TPR are its own
#define SVM_TPR_MASK          0xfu

#define SVM_SHADOW            1ull
#define SVM_NESTED_ENABLE     1ull
#define SVM_FLUSH_ALL         1u // TLB_CONTROL
#define SVM_FLUSH_ASID        3u

// Event injection, and the event that an exit interrupted (15.20, 15.7.2).
#define SVM_EVENT_TYPE_SHIFT  8
#define SVM_EVENT_TYPE_MASK   7u
#define SVM_EVENT_TYPE        (7u << SVM_EVENT_TYPE_SHIFT)
#define SVM_EVENT_ERROR       BIT(11)
#define SVM_EVENT_VALID       BIT(31)
#define SVM_EVENT_ERROR_SHIFT 32

// Exit codes.
enum {
    SVM_EXIT_READ_CR0 = 0,
    SVM_EXIT_WRITE_CR0 = 0x10,
    SVM_EXIT_EXCEPTION = 0x40, // and 31 more
    SVM_EXIT_INTR = 0x60,
    SVM_EXIT_NMI = 0x61,
    SVM_EXIT_SMI = 0x62,
    SVM_EXIT_INIT = 0x63,
    SVM_EXIT_VINTR = 0x64,
    SVM_EXIT_CHANGE_CR0 = 0x65,
    SVM_EXIT_RDPMC = 0x6f,
    SVM_EXIT_CPUID = 0x72,
    SVM_EXIT_IRET = 0x74,
    SVM_EXIT_INVD = 0x76,
    SVM_EXIT_HLT = 0x78,
    SVM_EXIT_INVLPGA = 0x7a,
    SVM_EXIT_IOIO = 0x7b,
    SVM_EXIT_MSR = 0x7c,
    SVM_EXIT_TASK = 0x7d,
    SVM_EXIT_FERR = 0x7e,
    SVM_EXIT_SHUTDOWN = 0x7f,
    SVM_EXIT_VMRUN = 0x80,
    SVM_EXIT_VMMCALL = 0x81,
    SVM_EXIT_VMLOAD = 0x82,
    SVM_EXIT_VMSAVE = 0x83,
    SVM_EXIT_STGI = 0x84,
    SVM_EXIT_CLGI = 0x85,
    SVM_EXIT_SKINIT = 0x86,
    SVM_EXIT_ICEBP = 0x88,
    SVM_EXIT_WBINVD = 0x89,
    SVM_EXIT_MONITOR = 0x8a,
    SVM_EXIT_MWAIT = 0x8b,
    SVM_EXIT_MWAIT_IF = 0x8c,
    SVM_EXIT_XSETBV = 0x8d,
    SVM_EXIT_RDPRU = 0x8e,
    SVM_EXIT_TABLED = 0x90, // codes below have a row
    SVM_EXIT_NESTED = 0x400,
    SVM_EXIT_INVALID = -1, // in 32 bits
};

// EXITINFO1 of IOIO (15.10.2), MSR (15.11), nested page fault (15.25.6).
#define IOIO_IN                  BIT(0)
#define IOIO_STRING              BIT(2)
#define IOIO_SIZE_SHIFT          4
#define IOIO_SIZE_MASK           7u
#define IOIO_PORT_SHIFT          16
#define MSR_WRITE                1u
#define NESTED_WRITE             BIT(1)
#define NESTED_FETCH             BIT(4)
#define NESTED_TABLE             BIT(33)

#define MSR_VM_CR                0xc0010114u
#define VM_CR_SVMDIS             BIT(4)
#define MSR_VM_HSAVE_PA          0xc0010117u
#define CPUID_SVM                0x8000000au
#define CPUID_SVM_EDX_NPT        BIT(0)
#define CPUID_SVM_EDX_NRIPS      BIT(3)
#define CPUID_SVM_EDX_FLUSH_ASID BIT(6)

#endif
