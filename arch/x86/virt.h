// SPDX-License-Identifier: Apache-2.0
// What the rest of arch/x86 asks of the machine's virtualisation, AMD's SVM (svm/) or Intel's VMX (vmx/), chosen when the
// machine starts. One record of functions each; an exit comes back in the same terms from both.
#ifndef X86_VIRT_H
#define X86_VIRT_H

#include "arch/x86/emulate.h"
#include "arch/x86/guest_registers.h"
#include "kernel/vm.h"

enum vm_exit_kind {
    VM_EXIT_UNKNOWN,   // no table has it: the VM ends
    VM_EXIT_INTERRUPT, // of the machine: `vector` if it is acknowledged already, else 0 and it waits
    VM_EXIT_NMI,       // of the machine; the hypervisor's handler has taken it
    VM_EXIT_WINDOW,    // the guest can take an interrupt now
    VM_EXIT_TIMER,     // the preemption timer ended the time that run() was given
    VM_EXIT_HYPERCALL,
    VM_EXIT_CPUID,
    VM_EXIT_HLT,
    VM_EXIT_IO,
    VM_EXIT_RDMSR,
    VM_EXIT_WRMSR,
    VM_EXIT_XSETBV,
    VM_EXIT_CR0,       // an access to CR0 that the hypervisor does
    VM_EXIT_NESTED,    // an access that the guest's second stage does not map
    VM_EXIT_NOTHING,   // an instruction that needs nothing: it is skipped
    VM_EXIT_UNDEFINED, // one that this guest has not: #UD
    VM_EXIT_REFUSED,   // one that it must not execute so: #GP(0)
    VM_EXIT_EXCEPTION, // `vector`, `error`: given back to the guest
    VM_EXIT_SHUTDOWN,  // triple fault
    VM_EXIT_INVALID,   // the state that the guest was to be entered with is none
    VM_EXIT_MACHINE_CHECK,
    VM_EXIT_DONE, // by run() itself, which knows best: the guest goes on as it is
    VM_EXIT_KINDS
};

struct vm_exit {
    uint8_t kind;      // enum vm_exit_kind
    uint8_t length;    // of the instruction; 0: the machine does not say, and it should be `operation`
    uint8_t operation; // enum decode_operation
    uint8_t vector;
    uint8_t cpl; // of a hypercall
    uint32_t error;
    union {
        struct {
            uint16_t port;
            uint8_t size;
            bool in, string;
        } io;
        struct {
            gpa_t gpa;
            bool write, fetch;
            bool table; // the access was to the guest's own page tables
        } nested;
    };
    uint64_t place; // without a length: CR3, in whose address space RIP is
};

// What of a guest is in its VMCB, its VMCS or the processor (guest_fields.h).
enum guest_field {
#define FIELD(name, msr, in_vmcb, in_vmcs) FIELD_##name,
#include "arch/x86/guest_fields.h"
    FIELDS
};
extern const uint32_t guest_msrs[FIELDS]; // 0: no MSR

// What is to be delivered at the next entry, before anything else.
enum event_type { EVENT_INTERRUPT = 0, EVENT_NMI = 2, EVENT_EXCEPTION = 3, EVENT_SOFTWARE = 4 };
struct event {
    uint8_t type; // enum event_type
    uint8_t vector;
    bool has_error;
    uint32_t error;
};

struct virt_ops {
    const char *name;
    // Whether this machine has it, with all that is needed. ERR_NOT_FOUND: it has none of it; ERR_UNSUPPORTED: something
    // is missing, or firmware has switched it off; a line in the log says what. Boot core, once, before all others.
    int (*machine_init)(void);
    // Switches it on. Each core, once, interrupts masked; memory comes from the pool, so cores of a boot do it one by one.
    int (*cpu_init)(struct cpu *cpu);
    // The format of the second stage's tables, attributes of its leaves by enum stage2_kind, and what a walk starts with.
    const struct pagetable_format *nested_format;
    const uint64_t *nested_leaves;
    // The VM's tables are there, empty; the VMCS or VMCB of its VCPUs are allocated here. ERR_NO_MEMORY. When tables change
    // that a core may have in its TLB, vm->arch.resident is cleared: load() empties it then.
    int (*vm_init)(struct vm *vm);

    // Own core, handler context, from here on. reset and start are of a VCPU that is not loaded.
    void (*reset)(struct vcpu *vcpu);                                      // power-on state
    void (*start)(struct vcpu *vcpu, const struct guest_registers *state); // registers to begin with
    void (*load)(struct vcpu *vcpu); // becomes the one that this core's hardware has
    void (*save)(struct vcpu *vcpu); // ... or is not any more
    // Parts `split` and `control`: not loaded, it leaves this core, has come to it: no TLB entry of it here counts any more.
#if TAKT_MOVES
    void (*leave_core)(struct vcpu *vcpu);
    void (*enter_core)(struct vcpu *vcpu);
#endif
    // Enters the guest with vcpu->arch's registers until it exits, at `until` (arch_clock) at the latest where the machine
    // can; fills *exit and the registers. Interrupts masked before and after.
    void (*run)(struct vcpu *vcpu, uint64_t until, struct vm_exit *exit);

    // Of the loaded VCPU, between its exits.
    uint64_t (*get)(const struct vcpu *vcpu, enum guest_field field);
    // MSRs, CR2, DR6, the TSC's offset; CR0 where VM_EXIT_CR0 comes.
    void (*set)(struct vcpu *vcpu, enum guest_field field, uint64_t value);
    // The instruction is done on its behalf: it no longer shades interrupts.
    void (*end_shadow)(struct vcpu *vcpu);
    void (*inject)(struct vcpu *vcpu, const struct event *event); // before anything else; an exception or an NMI
    // The guest is to take interrupt `vector` as soon as it can; -1: none, and the one before no more. True: it has it, and
    // the local APIC is told by the caller; false: run() tells it (vlapic_accept) when the guest has taken it, or exits
    // with VM_EXIT_WINDOW when it could.
    bool (*interrupt)(struct vcpu *vcpu, int vector);
    // Whether it can take an NMI now. If not, it exits with VM_EXIT_WINDOW when it can.
    bool (*can_nmi)(struct vcpu *vcpu);
    void (*trap_hlt)(struct vcpu *vcpu, bool trap);
};

enum { TPR_SHIFT = 4 }; // from CR8 to the local APIC's register

extern const struct virt_ops svm_ops, vmx_ops;
extern const struct virt_ops *virt; // constant after boot

// The pages that switching it on needs on `cpu`. Boot core, before that core runs. ERR_NO_MEMORY.
int virt_pages(struct cpu *cpu);

#endif
