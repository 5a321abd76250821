// SPDX-License-Identifier: Apache-2.0
// A VM that makes calls (SMCCC): VCPU 0 is on, on the fake core, the others are off on another core that never attends
// to its inbox. For the tests and the fuzzer of the calls: one program includes it once.
#ifndef TEST_CALL_WORLD_H
#define TEST_CALL_WORLD_H

#include "arch/arm64/psci.h"
#include "arch/arm64/smccc.h"
#include "arch/arm64/stage2.h"
#include "arch/host/host.h"
#include "arch/host/model.h"
#include "kernel/cpu.h"
#include "kernel/vm.h"
#include "takt/control.h"

enum { WORLD_VCPUS = 3 };
#define WORLD_RAM_GPA  0x40000000ull
#define WORLD_RAM_SIZE 0x200000ull

static struct {
    struct vm_desc desc;
    struct vm vm;
    struct vcpu vcpu[WORLD_VCPUS];
    struct cpu other;
    // what the calls did
    unsigned workarounds;
    uint64_t workaround_argument;
    // what the firmware has
    int32_t workaround_feature;
    unsigned entropy; // words
} world;

int32_t smccc_arch_feature(uint32_t function) {
    (void)function;
    return world.workaround_feature;
}

void smccc_arch_workaround(uint32_t function, uint64_t argument) {
    (void)function;
    world.workarounds++;
    world.workaround_argument = argument;
}

int arch_trng(uint64_t *value) {
    if (world.entropy == 0) { return ERR_UNSUPPORTED; }
    world.entropy--;
    *value = 0x1111111111111111ull * (world.entropy + 1);
    return OK;
}

static inline void world_init(void) {
    static const struct vcpu_desc best_effort = {.weight = 100};

    host_reset();
    __builtin_memset(&world, 0, sizeof(world));
    clock_rate_init(&clock_rate, HOST_CLOCK_HZ);
    cpus[0] = host_cpu;
    cpus[1] = &world.other;
    world.other.id = 1;
    host_clock = 1000000;
    world.desc.timer_distance_us = 50;
    world.vm.name = "test";
    world.vm.desc = &world.desc;
    world.vm.home = host_cpu;
    world.vm.state = VM_RUNNING;
    world.vm.memory_count = 1;
    world.vm.memory[0] = (struct vm_memory){WORLD_RAM_GPA, MODEL_RAM_BASE + (64u << 20), WORLD_RAM_SIZE};
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        struct cpu *cpu = i == 0 ? host_cpu : &world.other;
        sched_core_init(&cpu->sched, 1000);
        timer_queue_init(&cpu->timers);
        if (vcpu_init(&world.vcpu[i], &world.vm, i, &best_effort, cpu) != OK) { __builtin_trap(); }
        world.vm.vcpus[i] = &world.vcpu[i];
        world.vm.vcpu_count++;
    }
    if (stage2_init(&world.vm) != OK || stolen_time_init(&world.vm) != OK ||
        vcpu_start(&world.vcpu[0], WORLD_RAM_GPA, 0) != OK) {
        __builtin_trap();
    }
    world.vm.arch.cntvoff = 1000;
    host_cpu->current = &world.vcpu[0];
    host_in_handler = true;
}

static inline uint64_t world_call(uint64_t id, uint64_t a, uint64_t b, uint64_t c) {
    uint64_t *x = world.vcpu[0].arch.regs.x;

    x[0] = id;
    x[1] = a;
    x[2] = b;
    x[3] = c;
    smccc_call(&world.vcpu[0]);
    return x[0];
}

// A result beyond x0.
static inline uint64_t world_result(unsigned n) { return world.vcpu[0].arch.regs.x[n]; }

#endif
