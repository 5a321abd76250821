// SPDX-License-Identifier: Apache-2.0
// The virtual machine control structure: its fields' encodings and the names of what is in them. Intel SDM volume 3,
// chapters 25 (VMCS), 27 to 29 (entries, exits, EPT), appendix A (capability MSRs), B (encodings), C (exit reasons). For C
// and for assembly.
#ifndef X86_VMX_VMCS_H
#define X86_VMX_VMCS_H

#define VMCS_HOST_RSP 0x6c14

#ifndef __ASSEMBLER__
#include "kernel/types.h"

enum vmcs_field {
    // 16 bits
    VMCS_VPID = 0x0000,
    VMCS_GUEST_SELECTOR = 0x0800, // of ES; the others as segment registers are numbered, by VMCS_SEGMENT
    VMCS_HOST_ES = 0x0c00,
    VMCS_HOST_CS = 0x0c02,
    VMCS_HOST_SS = 0x0c04,
    VMCS_HOST_DS = 0x0c06,
    VMCS_HOST_FS = 0x0c08,
    VMCS_HOST_GS = 0x0c0a,
    VMCS_HOST_TR = 0x0c0c,
    // 64 bits
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_TSC_OFFSET = 0x2010,
    VMCS_EPT_POINTER = 0x201a,
    VMCS_GUEST_PHYSICAL_ADDRESS = 0x2400,
    VMCS_LINK_POINTER = 0x2800,
    VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_HOST_PAT = 0x2c00,
    VMCS_HOST_EFER = 0x2c02,
    // 32 bits
    VMCS_PIN_CONTROLS = 0x4000,
    VMCS_PRIMARY_CONTROLS = 0x4002,
    VMCS_EXCEPTION_BITMAP = 0x4004,
    VMCS_PAGE_FAULT_MASK = 0x4006,
    VMCS_PAGE_FAULT_MATCH = 0x4008,
    VMCS_CR3_TARGETS = 0x400a,
    VMCS_EXIT_CONTROLS = 0x400c,
    VMCS_EXIT_STORE_MSRS = 0x400e,
    VMCS_EXIT_LOAD_MSRS = 0x4010,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_LOAD_MSRS = 0x4014,
    VMCS_ENTRY_EVENT = 0x4016,
    VMCS_ENTRY_ERROR = 0x4018,
    VMCS_SECONDARY_CONTROLS = 0x401e,
    VMCS_INSTRUCTION_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_EVENT = 0x4404,
    VMCS_EXIT_ERROR = 0x4406,
    VMCS_VECTORING_EVENT = 0x4408,
    VMCS_VECTORING_ERROR = 0x440a,
    VMCS_INSTRUCTION_LENGTH = 0x440c,
    VMCS_GUEST_LIMIT = 0x4800,
    VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VMCS_GUEST_RIGHTS = 0x4814,
    VMCS_INTERRUPTIBILITY = 0x4824,
    VMCS_ACTIVITY = 0x4826,
    VMCS_GUEST_SYSENTER_CS = 0x482a,
    VMCS_PREEMPTION_TIMER = 0x482e,
    VMCS_HOST_SYSENTER_CS = 0x4c00,
    // natural width
    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,
    VMCS_QUALIFICATION = 0x6400,
    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_BASE = 0x6806,
    VMCS_GUEST_GDTR_BASE = 0x6816,
    VMCS_GUEST_IDTR_BASE = 0x6818,
    VMCS_GUEST_DR7 = 0x681a,
    VMCS_GUEST_RSP = 0x681c,
    VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_PENDING_DEBUG = 0x6822,
    VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VMCS_GUEST_SYSENTER_EIP = 0x6826,
    VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02,
    VMCS_HOST_CR4 = 0x6c04,
    VMCS_HOST_FS_BASE = 0x6c06,
    VMCS_HOST_GS_BASE = 0x6c08,
    VMCS_HOST_TR_BASE = 0x6c0a,
    VMCS_HOST_GDTR_BASE = 0x6c0c,
    VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_SYSENTER_ESP = 0x6c10,
    VMCS_HOST_SYSENTER_EIP = 0x6c12,
    VMCS_HOST_RIP = 0x6c16,
};
// Selectors, limits, rights and bases of the guest's segments: six as decode_segment numbers them, then these.
enum { VMCS_LDTR = 6, VMCS_TR = 7 };
#define VMCS_SEGMENT(part, number) (VMCS_GUEST_##part + 2 * (number))

static inline uint64_t vmcs_read(enum vmcs_field field) {
    uint64_t value;
    __asm__ volatile("vmread %1, %0" : "=rm"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

static inline void vmcs_write(enum vmcs_field field, uint64_t value) {
    __asm__ volatile("vmwrite %0, %1" ::"rm"(value), "r"((uint64_t)field) : "cc", "memory");
}

// Pin-based controls (25.6.1).
#define PIN_INTERRUPTS           (1u << 0)
#define PIN_NMIS                 (1u << 3)
#define PIN_VIRTUAL_NMIS         (1u << 5)
#define PIN_PREEMPTION_TIMER     (1u << 6)
// Primary processor-based controls (25.6.2).
#define PRIMARY_INTERRUPT_WINDOW (1u << 2)
#define PRIMARY_TSC_OFFSET       (1u << 3)
#define PRIMARY_HLT              (1u << 7)
#define PRIMARY_MWAIT            (1u << 10)
#define PRIMARY_RDPMC            (1u << 11)
#define PRIMARY_CR8_LOAD         (1u << 19)
#define PRIMARY_CR8_STORE        (1u << 20)
#define PRIMARY_NMI_WINDOW       (1u << 22)
#define PRIMARY_IO               (1u << 24)
#define PRIMARY_MSR_BITMAP       (1u << 28)
#define PRIMARY_MONITOR          (1u << 29)
#define PRIMARY_SECONDARY        (1u << 31)
// Secondary ones.
#define SECONDARY_EPT            (1u << 1)
#define SECONDARY_RDTSCP         (1u << 3)
#define SECONDARY_VPID           (1u << 5)
#define SECONDARY_WBINVD         (1u << 6)
#define SECONDARY_UNRESTRICTED   (1u << 7)
#define SECONDARY_INVPCID        (1u << 12)
// Exit controls (25.7.1).
#define EXIT_SAVE_DEBUG          (1u << 2)
#define EXIT_HOST_64             (1u << 9)
#define EXIT_ACKNOWLEDGE         (1u << 15)
#define EXIT_LOAD_PAT            (1u << 19)
#define EXIT_SAVE_EFER           (1u << 20)
#define EXIT_LOAD_EFER           (1u << 21)
// Entry controls (25.8.1).
#define ENTRY_LOAD_DEBUG         (1u << 2)
#define ENTRY_LONG_MODE          (1u << 9)
#define ENTRY_LOAD_PAT           (1u << 14)
#define ENTRY_LOAD_EFER          (1u << 15)

// Events: to be injected, exited for, interrupted by an exit (25.8.3, 25.9.2, 25.9.3). Types of enum event_type, and these.
#define VMX_EVENT_TYPE_SHIFT     8
#define VMX_EVENT_TYPE_MASK      7u
#define VMX_EVENT_ERROR          (1u << 11)
#define VMX_EVENT_VALID          (1u << 31)
#define VMX_EVENT_MASK           (VMX_EVENT_VALID | VMX_EVENT_ERROR | 0x7ff)
enum { VMX_EVENT_PRIVILEGED = 5, VMX_EVENT_SOFTWARE_EXCEPTION = 6 };

#define SHADOW_STI                 1u // interruptibility (25.4.2)
#define SHADOW_MOV_SS              2u
#define SHADOW_NMI                 8u
#define ACTIVITY_ACTIVE            0
#define LINK_NONE                  UINT64_MAX
// Rights of a segment (25.4.1).
#define VMX_RIGHTS_DPL_SHIFT       5
#define VMX_RIGHTS_UPPER_SHIFT     4 // bits 15:12 to where a VMCB has them

// Qualifications (28.2.1): accesses of control registers, I/O, EPT violations.
#define QUALIFICATION_CR_MASK      0xfu
#define QUALIFICATION_CR_READ      0x10u
#define QUALIFICATION_CR_GPR_SHIFT 8
#define QUALIFICATION_IO_SIZE      7u // less 1
#define QUALIFICATION_IO_IN        BIT(3)
#define QUALIFICATION_IO_STRING    BIT(4)
#define QUALIFICATION_IO_PORT      16
#define QUALIFICATION_EPT_WRITE    BIT(1)
#define QUALIFICATION_EPT_FETCH    BIT(2)
#define QUALIFICATION_EPT_FINAL    BIT(8)  // what the guest accessed; clear: one of its own tables
#define QUALIFICATION_EPT_UNMASKED BIT(12) // by an IRET, which had unmasked NMIs before

#define DR6_BREAKPOINTS            0xfu
#define DR7_GD                     BIT(13)

enum vmx_exit_reason {
    VMX_EXIT_EXCEPTION = 0, // and NMI
    VMX_EXIT_INTERRUPT = 1,
    VMX_EXIT_TRIPLE_FAULT = 2,
    VMX_EXIT_INTERRUPT_WINDOW = 7,
    VMX_EXIT_NMI_WINDOW = 8,
    VMX_EXIT_TASK_SWITCH = 9,
    VMX_EXIT_CPUID = 10,
    VMX_EXIT_GETSEC = 11,
    VMX_EXIT_HLT = 12,
    VMX_EXIT_INVD = 13,
    VMX_EXIT_RDPMC = 15,
    VMX_EXIT_VMCALL = 18,
    VMX_EXIT_VMCLEAR = 19, // and 7 more of VMX's own instructions
    VMX_EXIT_VMXON = 27,
    VMX_EXIT_CR = 28,
    VMX_EXIT_IO = 30,
    VMX_EXIT_RDMSR = 31,
    VMX_EXIT_WRMSR = 32,
    VMX_EXIT_BAD_STATE = 33,
    VMX_EXIT_BAD_MSR = 34,
    VMX_EXIT_MWAIT = 36,
    VMX_EXIT_MONITOR = 39,
    VMX_EXIT_ENTRY_MACHINE_CHECK = 41,
    VMX_EXIT_EPT_VIOLATION = 48,
    VMX_EXIT_EPT_MISCONFIGURATION = 49,
    VMX_EXIT_INVEPT = 50,
    VMX_EXIT_PREEMPTION_TIMER = 52,
    VMX_EXIT_INVVPID = 53,
    VMX_EXIT_WBINVD = 54,
    VMX_EXIT_XSETBV = 55,
    VMX_EXIT_VMFUNC = 59,
    VMX_EXIT_REASONS,
};
#define VMX_EXIT_REASON_MASK        0xffffu // beside it: whether the entry failed

// Capabilities (appendix A).
#define MSR_FEATURE_CONTROL         0x3au
#define FEATURE_CONTROL_LOCKED      BIT(0)
#define FEATURE_CONTROL_VMX         BIT(2) // outside of SMX
#define MSR_VMX_BASIC               0x480u
#define VMX_BASIC_REVISION          0x7fffffffu
#define VMX_BASIC_TRUE              BIT(55) // the TRUE_ MSRs are there
#define MSR_VMX_MISC                0x485u
#define VMX_MISC_TIMER              0x1fu // the preemption timer counts at the TSC's rate >> this
#define MSR_VMX_PROCBASED_CTLS2     0x48bu
#define MSR_VMX_EPT_VPID_CAP        0x48cu
#define EPT_CAP_WALK4               BIT(6)
#define EPT_CAP_WB                  BIT(14)
#define EPT_CAP_2M                  BIT(16)
#define EPT_CAP_INVEPT              BIT(20)
#define EPT_CAP_INVEPT_SINGLE       BIT(25)
#define EPT_CAP_INVVPID             BIT(32)
#define EPT_CAP_INVVPID_SINGLE      BIT(41)
#define MSR_VMX_TRUE_PINBASED_CTLS  0x48du
#define MSR_VMX_TRUE_PROCBASED_CTLS 0x48eu
#define MSR_VMX_TRUE_EXIT_CTLS      0x48fu
#define MSR_VMX_TRUE_ENTRY_CTLS     0x490u
enum { INVALIDATE_SINGLE = 1 }; // type of INVEPT and INVVPID

// EPT (29.3.2, 25.6.11).
#define EPT_READ          BIT(0)
#define EPT_WRITE         BIT(1)
#define EPT_EXECUTE       BIT(2)
#define EPT_TYPE_SHIFT    3
#define EPT_BLOCK         BIT(7)
#define EPT_POINTER_WB    6u
#define EPT_POINTER_WALK4 (3u << 3)

#endif
#endif
