// SPDX-License-Identifier: Apache-2.0
// A machine of a few cores on one simulated clock. The real dispatcher, VCPUs, VMs, jobs, scheduler and timer queue run
// on it, on the architecture of core_fakes.h, and guests are what the test makes them do. For the tests of
// kernel/dispatch.c, vcpu.c and vm.c: one program includes it once. core_check.h looks at what they left.
//
// Time passes only in core_run, and in handlers as far as world.cost says. A guest that runs takes its interrupts when
// it is resumed; it stops its timer then, unless it is told to keep it.
#ifndef TEST_CORE_WORLD_H
#define TEST_CORE_WORLD_H

#include "tests/unit/core_fakes.h"

// ---- what happens on a core -------------------------------------------------------------------------------

static inline void core_enter(unsigned core) {
    host_cpu = cpus[core];
    host_irqs_masked = host_in_handler = true;
    host_cpu->entered = host_clock;
}

// The guest that is resumed takes what reached its interrupt interface.
static inline void core_take(const struct vcpu *vcpu) {
    struct guest *guest = guest_of(vcpu);
    uint32_t taken = guest->deaf ? 0 : guest->synced & guest->pending & ~guest->active;

    for (unsigned i = 0; i < 32; i++) { guest->taken[i] += (taken >> i) & 1; }
    guest->pending &= ~taken;
    guest->synced &= ~taken;
    if (taken != 0) { guest->taken_at = host_clock; }
    if ((taken & BIT(TIMER_IRQ)) != 0 && !guest->keeps) {
        guest->timer = OFF;
    } else if ((taken & BIT(TIMER_IRQ)) != 0) {
        guest->active |= BIT(TIMER_IRQ);
    }
}

static inline void core_leave(void) {
    struct cpu *cpu = host_cpu;

    if (cpu->todo != 0 || cpu->todo_remote != 0) { dispatch(cpu); }
    WORLD_ASSERT(core_of(cpu)->resumed == cpu->current);
    if (cpu->current != NULL) {
        WORLD_ASSERT(guest_of(cpu->current)->running && cpu->loaded == cpu->current);
        core_take(cpu->current);
    }
    host_irqs_masked = host_in_handler = false;
    if (world.check != NULL && world.inside == 0) { world.check(cpu->id); }
}

// A trap or interrupt without a cause of its own: what is to be done is done.
static inline void core_trap(unsigned core) {
    core_enter(core);
    core_leave();
}

// For host_meanwhile: in the middle of one core's handler the others are told something, and are through with it before that
// handler goes on.
static inline void core_meanwhile(void) {
    struct cpu *cpu = host_cpu;
    bool masked = host_irqs_masked, in_handler = host_in_handler, pending = host_irq_pending;
    uint32_t was_inside = world.inside;

    world.inside |= 1u << cpu->id;
    for (unsigned i = 0; i < cpu_count; i++) {
        if ((world.inside >> i & 1) == 0 && cpus[i]->todo_remote != 0) { core_trap(i); }
    }
    world.inside = was_inside;
    host_cpu = cpu;
    host_irqs_masked = masked;
    host_in_handler = in_handler;
    host_irq_pending = pending;
}

void arch_thread_yield(void) {
    unsigned core = this_cpu()->id;

    core_enter(core);
    host_cpu->todo |= TODO_DISPATCH;
    core_leave();
    host_irqs_masked = true; // the thread had masked them
}

static inline bool core_thread_works(unsigned core) {
    const struct cpu *cpu = cpus[core];

    return cpu->current == NULL && (cpu->thread.awake || cpu->thread.head != NULL);
}

static inline bool core_vtimer_due(unsigned core) {
    const struct vcpu *vcpu = cpus[core]->current;

    return vcpu != NULL && guest_of(vcpu)->timer <= host_clock && !guest_of(vcpu)->deaf &&
           ((guest_of(vcpu)->pending | guest_of(vcpu)->active) & BIT(TIMER_IRQ)) == 0;
}

// One thing that is due on the core now; false: nothing is.
static inline bool core_step(unsigned core) {
    struct core *c = &world.core[core];

    host_cpu = cpus[core];
    if (c->ipi) {
        c->ipi = false;
        core_trap(core);
    } else if (core_vtimer_due(core)) { // the hardware's own, straight to the guest that runs
        core_enter(core);
        guest_of(host_cpu->current)->pending |= BIT(TIMER_IRQ);
        guest_of(host_cpu->current)->synced |= BIT(TIMER_IRQ);
        core_leave();
    } else if (c->timer <= host_clock) {
        host_clock += world.late;
        world.late = 0;
        core_enter(core);
        cpu_timer_expired(host_cpu);
        core_leave();
    } else if (core_thread_works(core) && c->slice_at <= host_clock) {
        core_trap(core);
        if (core_thread_works(core)) { job_step(cpus[core]); }
        if (host_cpu->todo != 0) { core_trap(core); } // a slice took no time here, and before the next one it yields
        c->slice_at = host_clock + JOB_SLICE;
    } else {
        return false;
    }
    return true;
}

static inline uint64_t core_next(unsigned core) {
    const struct vcpu *vcpu = cpus[core]->current;
    uint64_t next = world.core[core].timer;

    if (vcpu != NULL && !core_vtimer_due(core) && guest_of(vcpu)->timer > host_clock) {
        next = MIN(next, guest_of(vcpu)->timer);
    }
    return core_thread_works(core) ? MIN(next, world.core[core].slice_at) : next;
}

// Everything that is due now, on every core.
static inline void core_settle(void) {
    unsigned quiet = 0, steps = 0;

    for (unsigned i = 0; quiet < cpu_count; i = (i + 1) % cpu_count) {
        quiet = core_step(i) ? 0 : quiet + 1;
        WORLD_ASSERT(++steps < NEVER_ENDS);
    }
}

static inline void core_run(uint64_t until) {
    for (core_settle(); host_clock < until; core_settle()) {
        uint64_t next = until;
        for (unsigned i = 0; i < cpu_count; i++) { next = MIN(next, core_next(i)); }
        host_clock = MAX(host_clock, next);
    }
}

// ---- what guests do ---------------------------------------------------------------------------------------

static inline void guest_wait(struct vcpu *vcpu) {
    WORLD_ASSERT(vcpu->cpu->current == vcpu);
    if (guest_of(vcpu)->traps_wfi) {
        core_enter(vcpu->cpu->id);
        vcpu_block(vcpu);
        core_leave();
    }
}

// What an architecture does when its emulated timer expires.
static inline void guest_emulated_fired(struct timer_event *event, uint64_t now) {
    struct vcpu *vcpu = container_of(event, struct vcpu, device_timer);

    WORLD_ASSERT(guest_of(vcpu)->mark <= now); // never early
    host_clock += world.cost.inject;
    guest_of(vcpu)->pending |= BIT(APIC_IRQ);
    vcpu_timer_pending(vcpu, guest_of(vcpu)->mark);
}

static inline void guest_set_timer(struct vcpu *vcpu, uint64_t when) {
    if (!world.emulated) {
        guest_of(vcpu)->timer = when;
        return;
    }
    guest_of(vcpu)->mark = when;
    vcpu->device_timer.fire = guest_emulated_fired;
    vcpu->device_timer.slack = vcpu_running_slack(vcpu);
    timer_queue_add(&vcpu->cpu->timers, &vcpu->device_timer, when);
}

static inline void guest_sleep(struct vcpu *vcpu, uint64_t until) {
    guest_set_timer(vcpu, until);
    guest_wait(vcpu);
}

static inline void guest_off(struct vcpu *vcpu) {
    WORLD_ASSERT(vcpu->cpu->current == vcpu);
    core_enter(vcpu->cpu->id);
    vcpu_off(vcpu);
    core_leave();
}

// `vcpu`, which runs, starts another one of its VM.
static inline int guest_cpu_on(struct vcpu *vcpu, struct vcpu *other) {
    WORLD_ASSERT(vcpu->cpu->current == vcpu);
    core_enter(vcpu->cpu->id);
    int status = vcpu_start(other, WORLD_RAM_GPA + 0x100, 7);
    core_leave();
    return status;
}

static inline void guest_end(struct vcpu *vcpu, enum vm_end end) {
    WORLD_ASSERT(vcpu->cpu->current == vcpu);
    core_enter(vcpu->cpu->id);
    vm_end(vcpu->vm, end, "as the test says");
    core_leave();
}

// Something on `core` (a device, another VM) gives `vcpu` an interrupt.
static inline void core_interrupt(unsigned core, struct vcpu *vcpu) {
    core_enter(core);
    arch_vcpu_inject(vcpu, OTHER_IRQ);
    core_leave();
}

// ---- the system -------------------------------------------------------------------------------------------

static inline void world_reset(unsigned cores) {
    host_reset();
    memset(&world, 0, sizeof(world));
    memset(&boot_cpu, 0, sizeof(boot_cpu));
    boot_cpu.stack_top = &boot_cpu;
    memset(vms, 0, sizeof(vms));
    vm_count = 0;
    clock_rate_init(&clock_rate, HOST_CLOCK_HZ);
    world.board.cpu_count = cores;
    for (unsigned i = 0; i < MAX_CORES; i++) {
        world.board.cpus[i].hwid = i;
        world.core[i].timer = OFF;
    }
    host_cpu = &boot_cpu;
    host_clock = US(1000);
    if (cpus_create(&world.board) != OK) { abort(); }
    for (unsigned i = 0; i < cores; i++) {
        cpus[i]->online = true;
        cpus[i]->load_time = 0; // the clock stands still in a handler: it would wait for ever
    }
}

static inline struct vm_desc *world_vm(const char *name) {
    struct vm_desc *desc = &world.system.vms[world.system.vm_count++];

    desc->name = name;
    desc->memory_count = 1;
    desc->memory[0] = (struct vm_memory_desc){WORLD_RAM_GPA, WORLD_RAM_SIZE};
    desc->load = desc->entry = WORLD_RAM_GPA;
    desc->segments[0].gpa = WORLD_RAM_GPA; // nothing to copy, unless a test says how much
    desc->segment_count = 1;
    desc->dtb_gpa = WORLD_RAM_GPA + WORLD_RAM_SIZE / 2;
    return desc;
}

static inline void world_best_effort(struct vm_desc *vm, unsigned core) {
    vm->vcpus[vm->vcpu_count++] = (struct vcpu_desc){.weight = 100, .placed = (uint8_t)core, .second = CORE_AUTO};
}

static inline void world_reserved(struct vm_desc *vm, unsigned core, unsigned budget_us, unsigned deadline_us,
                                  unsigned period_us) {
    vm->vcpus[vm->vcpu_count++] = (struct vcpu_desc){.reserved = true,
                                                     .budget_us = budget_us,
                                                     .deadline_us = deadline_us,
                                                     .period_us = period_us,
                                                     .task = {US(budget_us), US(deadline_us), US(period_us)},
                                                     .placed = (uint8_t)core,
                                                     .second = CORE_AUTO};
}

// In two pieces; of each its budget and deadline.
static inline void world_split(struct vm_desc *vm, unsigned core, unsigned second, const unsigned us[4],
                               unsigned period_us) {
    world_reserved(vm, core, us[0] + us[2], us[1] + us[3], period_us);
    struct vcpu_desc *desc = &vm->vcpus[vm->vcpu_count - 1];
    desc->second = (uint8_t)second;
    desc->pieces[0] = (struct sched_task){US(us[0]), US(us[1]), US(period_us)};
    desc->pieces[1] = (struct sched_task){US(us[2]), US(us[3]), US(period_us)};
}

static inline void world_create(void) {
    host_in_handler = true;
    if (vm_create_all(&world.system) != OK) { abort(); }
    host_in_handler = false;
    for (unsigned i = 0; i < MAX_VMS; i++) {
        for (unsigned n = 0; n < MAX_VCPUS; n++) { world.guest[i][n].timer = OFF; }
    }
}

// Puts a VCPU on its core without the load job; its VM counts as running.
static inline struct vcpu *world_on(unsigned vm, unsigned index) {
    struct vcpu *vcpu = vms[vm]->vcpus[index];

    vms[vm]->state = VM_RUNNING;
    core_enter(vcpu->cpu->id);
    if (vcpu_start(vcpu, WORLD_RAM_GPA, 0) != OK) { abort(); }
    core_leave();
    return vcpu;
}

#endif
