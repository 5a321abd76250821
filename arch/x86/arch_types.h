// SPDX-License-Identifier: Apache-2.0
// The x86-64 half of kernel/arch.h that must be inline or sized: context structures and leaf operations.
#ifndef ARCH_TYPES_H
#define ARCH_TYPES_H

#include "arch/x86/guest_state.h"
#include "arch/x86/hardware.h"
#include "arch/x86/host_apic.h"
#include "kernel/types.h"

// 64-bit task state segment (SDM volume 3, 8.7).
struct task_state {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map;
} __attribute__((packed));

enum { GDT_ENTRIES = 5, NMI_STACK = 1024 };

struct vm;

// Where struct vcpu has it: behind what everybody asks for, which so lies where one byte of an instruction reaches.
#define ARCH_VCPU_FIRST
#define ARCH_VCPU_LATER struct arch_vcpu arch;

struct arch_cpu {
    // -- start.S and entry.S know these by offset --
    struct cpu *self;
    uint64_t thread_sp; // where the thread's frame lies while it does not run
    bool in_handler;
    uint64_t taken; // the vector of the interrupt that a handler let in; 0: none came
    // ----------------------------------------------
    struct vcpu *resume;   // what the way out enters; NULL: the thread
    const struct vm *last; // whose VCPU was loaded last, where that matters (defences.h)
    uint64_t timer_when;   // what the one-shot timer is armed to, UINT64_MAX: off
    uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(16)));
    struct task_state tss __attribute__((aligned(16)));
    char nmi_stack[NMI_STACK] __attribute__((aligned(16)));
    void *virt_page;  // SVM: host save area; VMX: VMXON region. A page
    void *virt_state; // SVM: VMCB with the host's segments for VMLOAD. A page
    paddr_t virt_state_pa;
    uint32_t apic_id;
};

static inline struct cpu *arch_this_cpu(void) {
    struct cpu *cpu; // constant on a core: not volatile, so that the compiler may keep it
    __asm__("mov %%gs:%c1, %0" : "=r"(cpu) : "i"(CPU_SELF));
    return cpu;
}

static inline uint64_t arch_clock(void) { return read_tsc(); }

static inline unsigned long arch_irq_save(void) {
    unsigned long flags;
    __asm__ volatile("pushfq; pop %0; cli" : "=r"(flags)::"memory");
    return flags;
}

static inline void arch_irq_restore(unsigned long flags) {
    if ((flags & RFLAGS_IF) != 0) { __asm__ volatile("sti" ::: "memory"); }
}

static inline bool arch_interrupt_pending(void) { return host_apic_pending(); }

static inline void arch_relax(void) { __asm__ volatile("pause" ::: "memory"); }

static inline void arch_barrier_full(void) { __asm__ volatile("mfence" ::: "memory"); }

// Called with interrupts masked; they open for the wait only, so that none is taken before it.
static inline void arch_idle(void) { __asm__ volatile("sti; hlt; cli" ::: "memory"); }

static inline bool arch_in_handler(void) {
    bool in;
    __asm__ volatile("movb %%gs:%c1, %0" : "=q"(in) : "i"(CPU_IN_HANDLER));
    return in;
}

#endif
