// SPDX-License-Identifier: Apache-2.0
// The local APIC's registers and bits, by the manuals' names. Intel SDM vol. 3A, chapter 11 ("SDM" with a section number
// in what includes this); AMD APM vol. 2, chapter 16.
#ifndef X86_APIC_REGS_H
#define X86_APIC_REGS_H

// Register numbers. In xAPIC mode the register lies at 16 times its number in the page at APIC_DEFAULT_BASE, in x2APIC
// mode it is MSR APIC_MSR_FIRST + its number (SDM table 11-1, table 11-6).
enum apic_register {
    APIC_ID = 0x02,
    APIC_VERSION = 0x03,
    APIC_TPR = 0x08, // task priority
    APIC_APR = 0x09, // arbitration priority; reserved since the Pentium 4
    APIC_PPR = 0x0a, // processor priority
    APIC_EOI = 0x0b,
    APIC_RRD = 0x0c, // remote read; reserved since the Pentium 4
    APIC_LDR = 0x0d, // logical destination
    APIC_DFR = 0x0e, // destination format; xAPIC only
    APIC_SVR = 0x0f, // spurious interrupt vector
    APIC_ISR = 0x10, // in service, 8 registers
    APIC_TMR = 0x18, // trigger mode, 8 registers
    APIC_IRR = 0x20, // interrupt request, 8 registers
    APIC_ESR = 0x28, // error status
    APIC_LVT_CMCI = 0x2f,
    APIC_ICR_LOW = 0x30, // interrupt command; all 64 bits in x2APIC mode
    APIC_ICR_HIGH = 0x31,
    APIC_LVT_TIMER = 0x32,
    APIC_LVT_THERMAL = 0x33,
    APIC_LVT_PERFORMANCE = 0x34,
    APIC_LVT_LINT0 = 0x35,
    APIC_LVT_LINT1 = 0x36,
    APIC_LVT_ERROR = 0x37,
    APIC_INITIAL_COUNT = 0x38,
    APIC_CURRENT_COUNT = 0x39,
    APIC_DIVIDE = 0x3e,
    APIC_SELF_IPI = 0x3f, // x2APIC only
    APIC_REGISTERS = 0x40,
};

enum {
    APIC_REGISTER_SHIFT = 4, // the register's number in its offset
    APIC_REGISTER_STRIDE = 1 << APIC_REGISTER_SHIFT,
    APIC_BITMAP_WORDS = 8,    // of ISR, TMR, IRR
    APIC_FIRST_VECTOR = 16,   // those below are illegal (SDM 11.5.2)
    APIC_LEGACY_ID_MAX = 254, // of xAPIC mode: 255 means all
};

// MSRs.
enum {
    MSR_APIC_BASE = 0x01b,    // SDM 11.4.4, 11.12.1
    MSR_TSC_DEADLINE = 0x6e0, // SDM 11.5.4.1
    APIC_MSR_FIRST = 0x800,
    APIC_MSR_LAST = 0x83f,
};

#define APIC_DEFAULT_BASE               0xfee00000ull
#define APIC_BASE_BSP                   (1u << 8)
#define APIC_BASE_EXTD                  (1u << 10) // x2APIC mode
#define APIC_BASE_EN                    (1u << 11)
#define APIC_BASE_MODE                  (APIC_BASE_EN | APIC_BASE_EXTD)

// VERSION: SDM 11.4.8.
#define APIC_VERSION_INTEGRATED         0x14u
#define APIC_MAX_LVT_SHIFT              16

// ID, LDR and the destination of ICR in xAPIC mode: the uppermost byte.
#define APIC_XAPIC_ID_SHIFT             24
#define APIC_XAPIC_BROADCAST            0xffu
#define APIC_X2APIC_BROADCAST           0xffffffffu
// LDR in x2APIC mode: SDM 11.12.10.2.
#define APIC_CLUSTER_SHIFT              16
#define APIC_CLUSTER_MEMBERS            16u
#define APIC_LDR_XAPIC_MASK             0xff000000u
// DFR, the model in the uppermost four bits: SDM 11.6.2.2.
#define APIC_DFR_MODEL                  0xf0000000u
#define APIC_DFR_FLAT                   0xf0000000u
#define APIC_DFR_ONES                   0x0fffffffu
#define APIC_LDR_CLUSTER                0xf0u // of its uppermost byte, in the cluster model
#define APIC_LDR_MEMBERS                0x0fu

// TPR, PPR, and vectors as priorities: SDM 11.8.3.
#define APIC_PRIORITY_CLASS             0xf0u

// SVR: SDM 11.9.
#define APIC_SVR_ENABLE                 (1u << 8)
#define APIC_SVR_FOCUS                  (1u << 9)
#define APIC_VECTOR_MASK                0xffu

// ESR: SDM 11.5.3.
#define APIC_ESR_SEND_ILLEGAL_VECTOR    (1u << 5)
#define APIC_ESR_RECEIVE_ILLEGAL_VECTOR (1u << 6)
#define APIC_ESR_ILLEGAL_REGISTER       (1u << 7)

// LVT: SDM 11.5.1.
#define APIC_LVT_MODE_SHIFT             8
#define APIC_LVT_MODE                   (7u << APIC_LVT_MODE_SHIFT)
#define APIC_LVT_STATUS                 (1u << 12)
#define APIC_LVT_POLARITY               (1u << 13)
#define APIC_LVT_REMOTE_IRR             (1u << 14)
#define APIC_LVT_LEVEL                  (1u << 15)
#define APIC_LVT_MASKED                 (1u << 16)
#define APIC_LVT_TIMER_PERIODIC         (1u << 17)
#define APIC_LVT_TIMER_DEADLINE         (1u << 18)
#define APIC_LVT_TIMER_MODE             (APIC_LVT_TIMER_PERIODIC | APIC_LVT_TIMER_DEADLINE)

// Delivery modes of LVT, ICR, redirection entries and MSIs: SDM 11.5.1, 11.6.1, 11.11.2.
enum apic_mode {
    APIC_MODE_FIXED,
    APIC_MODE_LOWEST,
    APIC_MODE_SMI,
    APIC_MODE_RESERVED,
    APIC_MODE_NMI,
    APIC_MODE_INIT,
    APIC_MODE_STARTUP,
    APIC_MODE_EXTINT,
};

// ICR: SDM 11.6.1, 11.12.9.
#define APIC_ICR_MODE_SHIFT        8
#define APIC_ICR_MODE_MASK         7u
#define APIC_ICR_LOGICAL           (1u << 11)
#define APIC_ICR_STATUS            (1u << 12)
#define APIC_ICR_ASSERT            (1u << 14)
#define APIC_ICR_LEVEL             (1u << 15)
#define APIC_ICR_SHORTHAND_SHIFT   18
#define APIC_ICR_SHORTHAND_MASK    3u
#define APIC_ICR_DEFINED           0x000ccfffu // without the status
#define APIC_ICR_DESTINATION_SHIFT 32

enum apic_shorthand {
    APIC_SHORTHAND_NONE,
    APIC_SHORTHAND_SELF,
    APIC_SHORTHAND_ALL,
    APIC_SHORTHAND_OTHERS,
};

// Divide configuration: bits 3, 1 and 0 (SDM 11.5.4).
#define APIC_DIVIDE_MASK 0xbu

#endif
