// SPDX-License-Identifier: Apache-2.0
// The architecture of the machine in core_world.h: each core has a one-shot timer and an inter-processor interrupt, and
// each VCPU a virtual timer and 32 interrupts. What breaks a rule of kernel/arch.h ends the program.
#ifndef TEST_CORE_FAKES_H
#define TEST_CORE_FAKES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arm64/stage2.h"
#include "arch/host/host.h"
#include "arch/host/model.h"
#include "kernel/board.h"
#include "kernel/boot.h"
#include "kernel/cpu.h"
#include "kernel/devices.h"
#include "kernel/guest_fdt.h"
#include "kernel/log.h"
#include "kernel/vm.h"

enum { WORLD_CORES = 3, TIMER_IRQ = 27, OTHER_IRQ = 20, APIC_IRQ = 5, JOB_SLICE = 10000, NEVER_ENDS = 1000000 };
#define WORLD_RAM_GPA  0x40000000ull
#define WORLD_RAM_SIZE 0x200000ull
#define US(n)          ((n) * 1000ull)
#define OFF            UINT64_MAX

struct guest {
    uint64_t timer; // compare value of its virtual timer; OFF
    uint32_t pending, synced, active;
    bool keeps; // does not stop its timer when it takes the interrupt
    bool deaf;  // takes no interrupts
    bool loaded, running, traps_wfi;
    unsigned moves;     // times that it left a core for another
    unsigned expired;   // times that an expiry was injected while it did not run
    unsigned taken[32]; // interrupts
    uint64_t taken_at;  // the last one
    uint64_t mark;      // compare value of an emulated timer
};

struct core {
    uint64_t timer; // hardware; OFF
    bool ipi;       // on the way
    unsigned ipis, arms;
    unsigned again;    // times that the same expiry has been taken
    uint64_t slice_at; // the thread's next slice
    struct vcpu *resumed;
};

static struct {
    struct board board;
    struct system_desc system;
    struct core core[MAX_CORES];
    struct guest guest[MAX_VMS][MAX_VCPUS];
    unsigned resets, claims; // of the virtual device
    struct {
        uint64_t inject, attend, save, resume, sync, move; // ticks that these take
    } cost;
    uint64_t late;                // the next timer interrupt comes so much later
    bool emulated;                // guests' timers are, as a local APIC's: always an event
    uint32_t inside;              // cores that are in the middle of a handler: core_meanwhile
    void (*check)(unsigned core); // after each handler
} world;

// What a test counts as broken ends the program, with the core and the moment.
#define WORLD_ASSERT(c)                                                                                               \
    do {                                                                                                              \
        if (!(c)) {                                                                                                   \
            fprintf(stderr, "core %u at %llu, %s:%d: %s\n", this_cpu()->id, (unsigned long long)host_clock, __FILE__, \
                    __LINE__, #c);                                                                                    \
            abort();                                                                                                  \
        }                                                                                                             \
    } while (0)

static inline struct guest *guest_of(const struct vcpu *vcpu) { return &world.guest[vcpu->vm->id][vcpu->index]; }

static inline struct core *core_of(const struct cpu *cpu) { return &world.core[cpu->id]; }

// ---- the architecture -------------------------------------------------------------------------------------

void arch_ipi(struct cpu *target) {
    WORLD_ASSERT(target != this_cpu());
    core_of(target)->ipi = true;
    core_of(target)->ipis++;
}

// The timer's stays until it is set anew.
void arch_interrupt_take(struct cpu *cpu) {
    struct core *core = core_of(cpu);

    cpu->entered = host_clock;
    host_irq_pending = core->timer <= host_clock;
    if (host_irq_pending) {
        WORLD_ASSERT(core->again++ < SCHED_ENTITIES_MAX);
        cpu_timer_expired(cpu);
    } else {
        core->ipi = false;
    }
}

void arch_timer_arm(uint64_t when) {
    struct core *core = core_of(this_cpu());

    if (core->timer <= host_clock && when > host_clock) { host_irq_pending = core->ipi; }
    core->timer = when;
    core->again = 0;
    core->arms++;
}

void arch_vcpu_reset(struct vcpu *vcpu) {
    struct guest *guest = guest_of(vcpu);

    WORLD_ASSERT(!guest->loaded && !guest->running);
    vcpu->arch.regs = (struct regs){0};
    guest->timer = OFF;
    guest->pending = guest->synced = guest->active = 0;
    guest->keeps = guest->deaf = false;
    guest->traps_wfi = true;
}

void arch_resume_set(struct cpu *cpu, struct vcpu *vcpu) {
    core_of(cpu)->resumed = vcpu;
    host_clock += world.cost.resume;
}

void arch_vcpu_save(struct vcpu *vcpu) {
    WORLD_ASSERT(guest_of(vcpu)->loaded && !guest_of(vcpu)->running && vcpu->cpu == this_cpu());
    guest_of(vcpu)->loaded = false;
    host_clock += world.cost.save;
}

void arch_vcpu_load(struct vcpu *vcpu) {
    for (unsigned i = 0; i < vm_count; i++) {
        for (unsigned n = 0; n < vms[i]->vcpu_count; n++) {
            WORLD_ASSERT(vms[i]->vcpus[n]->cpu != vcpu->cpu || !world.guest[i][n].loaded);
        }
    }
    WORLD_ASSERT(vcpu->cpu == this_cpu());
    guest_of(vcpu)->loaded = true;
}

void arch_vcpu_leave_core(struct vcpu *vcpu) {
    WORLD_ASSERT(!guest_of(vcpu)->loaded && !guest_of(vcpu)->running && vcpu->cpu == this_cpu());
    guest_of(vcpu)->moves++;
    host_clock += world.cost.move;
}

void arch_vcpu_enter_core(struct vcpu *vcpu) {
    WORLD_ASSERT(!guest_of(vcpu)->loaded && !guest_of(vcpu)->running && vcpu->cpu == this_cpu());
    host_clock += world.cost.move;
}

void arch_vcpu_pause(struct vcpu *vcpu) {
    WORLD_ASSERT(guest_of(vcpu)->running);
    guest_of(vcpu)->running = false;
}

void arch_vcpu_resume(struct vcpu *vcpu) {
    WORLD_ASSERT(guest_of(vcpu)->loaded && !guest_of(vcpu)->running && vcpu->cpu == this_cpu());
    guest_of(vcpu)->running = true;
}

uint64_t arch_vcpu_timer_deadline(const struct vcpu *vcpu) { return guest_of(vcpu)->timer; }

bool arch_vcpu_timer_expire(struct vcpu *vcpu) {
    struct guest *guest = guest_of(vcpu);

    WORLD_ASSERT(guest->timer <= host_clock); // never early
    host_clock += world.cost.inject;
    if (((guest->pending | guest->active) & BIT(TIMER_IRQ)) != 0) { return false; }
    guest->pending |= BIT(TIMER_IRQ);
    guest->expired++;
    return true;
}

bool arch_vcpu_has_interrupt(struct vcpu *vcpu) {
    host_clock += world.cost.attend;
    return (guest_of(vcpu)->pending & ~guest_of(vcpu)->active) != 0;
}

void arch_vcpu_sync_interrupts(struct vcpu *vcpu) {
    host_clock += world.cost.sync;
    host_irq_pending = core_of(this_cpu())->timer <= host_clock;
    if (host_irq_pending) { // it yields
        this_cpu()->todo |= TODO_INTERRUPTS;
    } else {
        guest_of(vcpu)->synced = guest_of(vcpu)->pending;
    }
}

void arch_vcpu_trap_wfi(struct vcpu *vcpu, bool trap) {
    WORLD_ASSERT(vcpu->cpu == this_cpu());
    guest_of(vcpu)->traps_wfi = trap;
}

void arch_vcpu_inject(struct vcpu *vcpu, unsigned id) {
    guest_of(vcpu)->pending |= BIT(id);
    vcpu_interrupt(vcpu);
}

void arch_vm_reset(struct vm *vm) {
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        WORLD_ASSERT(!vm->vcpus[i]->on && vm->vcpus[i]->state == VCPU_OFF);
        WORLD_ASSERT(!world.guest[vm->id][i].loaded);
    }
    stage2_flush(vm);
}

// The one device: it knows whether it was reset before each start.
static int device_create(struct vm *vm, void **state) {
    (void)vm;
    *state = &world.resets;
    return OK;
}

static void device_reset(struct vm *vm, void *state) {
    (void)vm;
    ++*(unsigned *)state;
}

static const struct virtual_device world_device = {.create = device_create, .reset = device_reset};
const struct virtual_device *const virtual_devices[] = {&world_device, NULL};

int guest_fdt_build(struct vm *vm, void *buffer, gpa_t initrd_gpa, uint64_t initrd_size) {
    static const unsigned char header[] = {0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 16};

    (void)vm;
    (void)initrd_gpa;
    (void)initrd_size;
    memset(buffer, 0x5a, 16);
    memcpy(buffer, header, sizeof(header));
    return OK;
}

#endif
