// SPDX-License-Identifier: Apache-2.0
// covers: arch/arm64/psci.c arch/arm64/guest_calls.c arch/arm64/guest_time.c kernel/hypercall.c kernel/call_timer.c kernel/control_call.c
// A guest that calls whatever comes to its mind: ids that exist, ids beside them, any arguments. The registers that a
// call must leave alone are compared, and nothing that happens may be more than the end of its VM.
#include <stdlib.h>
#include <string.h>

#include "kernel/control_plan.h"
#include "tests/unit/call_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    bool made;
    __typeof__(world) world;
    struct cpu core;
    struct control control;
    struct system_desc system;
} start;
static struct system_desc system_desc;

// Its VCPU 1 has a reservation, so that there is something to change.
static void describe(void) {
    static struct board board;
    static const struct sched_task task = {200000, 900000, 1000000};

    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        struct vcpu_desc *desc = &world.desc.vcpus[i];
        struct sched_core_load *load = &system_desc.cores[i == 0 ? 0 : 1];
        *desc = (struct vcpu_desc){.weight = 100, .placed = i == 0 ? 0 : 1, .core = CORE_AUTO, .second = CORE_AUTO};
        if (i == 1) {
            *desc = (struct vcpu_desc){.reserved = true,
                                       .budget_us = 200,
                                       .deadline_us = 900,
                                       .period_us = 1000,
                                       .task = task,
                                       .placed = 1,
                                       .core = CORE_AUTO,
                                       .second = CORE_AUTO};
            load->tasks[load->task_count++] = task;
            if (vcpu_init(&world.vcpu[i], &world.vm, i, desc, &world.other) != OK) { abort(); }
        }
        load->weight += desc->weight;
        load->member_count++;
    }
    system_desc.cores[1].sources[system_desc.cores[1].source_count++] =
        (struct sched_source){.cost = 10000, .distance = 1000000};
    world.desc.vcpu_count = WORLD_VCPUS;
    system_desc.vms[0] = world.desc;
    system_desc.vm_count = 1;
    world.vm.desc = &system_desc.vms[0];
    vms[0] = &world.vm;
    vm_count = 1;
    cpu_count = 2;
    if (control_init(&board, &system_desc) != OK) { abort(); }
}

static void restart(void) {
    if (!start.made) {
        world_init();
        describe();
        start.control = *control;
        start.system = system_desc;
        memcpy(&start.world, &world, sizeof(world));
        start.core = *host_cpu;
        start.made = true;
    }
    memcpy(&world, &start.world, sizeof(world));
    *host_cpu = start.core;
    *control = start.control;
    system_desc = start.system;
    host_clock = 1000000;
}

static const uint32_t known[] = {
    PSCI_BASE,
    PSCI_BASE_64,
    TRNG_BASE,
    TRNG_RND_64,
    PV_TIME_BASE,
    SMCCC_VERSION,
    TAKT_HC_BASE,
    SMCCC_ARCH_WORKAROUND_1,
    SMCCC_ARCH_WORKAROUND_2,
    SMCCC_VENDOR_HYP_COUNT,
    SMCCC_ARCH_WORKAROUND_3,
};
static const uint64_t values[] = {
    0,
    1,
    2,
    3,
    16,
    20,
    27,
    64,
    96,
    192,
    WORLD_RAM_GPA,
    WORLD_RAM_GPA + WORLD_RAM_SIZE - 4,
    PSCI_BASE,
    PSCI_BASE_64,
    TRNG_RND_64,
    SMCCC_ARCH_WORKAROUND_1,
    PV_TIME_BASE,
    UINT32_MAX,
    1ull << 32,
    UINT64_MAX,
    // of CONTROL: another reservation for VCPU 1, too large a one; 1000 us, it moves
    1 << 16,
    100 | 900ull << 32,
    990 | 1000ull << 32,
    1000,
    1 << 16 | 1,
    1 << 16 | 20 << 24,
};

struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned bytes) {
    uint64_t value = 0;

    while (bytes-- > 0 && in->at < in->end) { value = value << 8 | *in->at++; }
    return value;
}

static uint64_t argument(struct input *in) {
    uint64_t kind = take(in, 1);

    if (kind < 0x80) { return values[kind % ARRAY_SIZE(values)]; }
    return kind < 0xc0 ? kind & 0xf : take(in, 8);
}

static void require(bool holds) {
    if (!holds) { abort(); }
}

static void call(struct input *in) {
    uint64_t *x = world.vcpu[0].arch.regs.x;
    uint64_t kind = take(in, 1);
    uint64_t id = kind < 0xf0 ? known[kind % ARRAY_SIZE(known)] + take(in, 1) % 0x28 : take(in, 8);
    uint64_t kept[31];

    world.entropy = (unsigned)take(in, 1) % 4;

    world.workaround_feature = (int32_t)(take(in, 1) % 3) - 1;
    for (unsigned i = 4; i < 31; i++) { x[i] = kept[i] = 0x0101010101010101ull * i; }
    uint64_t a = argument(in), b = argument(in), c = argument(in);
    world_call(id, a, b, c);
    for (unsigned i = 4; i < 31; i++) { require(x[i] == kept[i]); }
}

// One event stands for all slots.
static bool any_timer(const struct call_slot *slots) {
    bool any = false;

    for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) { any |= slots[i].interrupt != 0; }
    return any;
}

// As many slices of what was asked as come; the cores' parts in between.
static void change_things(uint64_t slices) {
    struct cpu *own = host_cpu;

    host_irqs_masked = host_in_handler = false;
    for (uint64_t i = 0; i < slices && control->stage != NULL; i++) {
        (void)control->job.run(&control->job);
        for (unsigned k = 0; k < cpu_count; k++) {
            struct job *job = &control->cores[k].job;
            host_cpu = cpus[k];
            host_cpu->todo = host_cpu->todo_remote = 0; // it has decided
            if (control->cores[k].wanted != PHASE_NONE && cpus[k]->current == NULL) { (void)job->run(job); }
        }
        host_cpu = own;
    }
    host_irqs_masked = host_in_handler = true;
}

static void pass_time(struct input *in) {
    host_clock += take(in, 4);
    change_things(take(in, 1));
    struct timer_event *event = timer_queue_pop(&host_cpu->timers, host_clock, UINT64_MAX);
    if (event != NULL) { event->fire(event, host_clock); }
    stolen_time_update(&world.vcpu[0], host_clock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};

    restart();
    system_desc.vms[0].observer = take(&in, 1) & 1;
    system_desc.vms[0].controller = take(&in, 1) & 1;
    while (in.at < in.end && world.vm.state == VM_RUNNING && world.vcpu[0].state == VCPU_READY) {
        if (take(&in, 1) % 4 == 0) {
            pass_time(&in);
        } else {
            call(&in);
        }
        require(timer_queue_empty(&host_cpu->timers) != any_timer(world.vcpu[0].call_slots));
        require(world.vcpu[0].arch.stolen_gpa == 0 || world.vcpu[0].arch.stolen_gpa == STOLEN_TIME_GPA);
    }
    if (world.vcpu[0].state == VCPU_READY) { stolen_time_reset(&world.vcpu[0]); }
    return 0;
}
