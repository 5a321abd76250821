// SPDX-License-Identifier: Apache-2.0
// A VM with one VCPU on each of several fake cores, and what a core does around its guest. For the tests and the fuzzer
// of the virtual interrupt controller: one program includes it once.
#ifndef TEST_VGIC_WORLD_H
#define TEST_VGIC_WORLD_H

#include "arch/arm64/gic.h"
#include "arch/arm64/gic_regs.h"
#include "arch/arm64/stage2.h"
#include "arch/arm64/vgic.h"
#include "arch/arm64/vgic_internal.h"
#include "arch/host/gic_fake.h"
#include "arch/host/host.h"
#include "kernel/cpu.h"
#include "kernel/vm.h"

enum { WORLD_CORES = 4 };

static struct {
    struct cpu core[WORLD_CORES];
    struct vcpu vcpu[WORLD_CORES];
    struct vm_desc desc;
    struct vm vm;
} world;

static inline void world_on(unsigned i) { host_cpu = &world.core[i]; }

// Somebody kicked the VCPU of core `i` since the last call.
static inline bool world_kicked(unsigned i) {
    struct cpu *core = &world.core[i];
    bool kicked = core->inbox.head != NULL || core->todo_remote != 0;

    core->inbox.head = NULL;
    world.vcpu[i].in_inbox = false;
    core->todo_remote = 0;
    return kicked;
}

static inline void world_power_on(void) {
    vgic_vm_reset(&world.vm);
    for (unsigned i = 0; i < world.vm.vcpu_count; i++) {
        world_on(i);
        vgic_vcpu_reset(&world.vcpu[i]);
        vgic_load(&world.vcpu[i]);
        world.core[i].current = &world.vcpu[i];
        world.core[i].todo = 0;
        vgic_flush(&world.vcpu[i]);
        world_kicked(i);
        host_record.ipis[i] = 0;
    }
    world_on(0);
}

static inline void world_init(unsigned version, unsigned lrs, unsigned vcpus, unsigned spis) {
    host_reset();
    gic_fake_reset(version, lrs);
    __builtin_memset(&world, 0, sizeof(world));
    world.desc.spi_count = spis;
    world.vm.desc = &world.desc;
    world.vm.name = "test";
    world.vm.vcpu_count = (uint8_t)vcpus;
    for (unsigned i = 0; i < vcpus; i++) {
        world.core[i].id = i;
        timer_queue_init(&world.core[i].timers);
        world.vcpu[i].vm = &world.vm;
        world.vcpu[i].cpu = &world.core[i];
        world.vcpu[i].index = (uint8_t)i;
        world.vm.vcpus[i] = &world.vcpu[i];
    }
    world_on(0);
    if (stage2_init(&world.vm) != OK || vgic_vm_init(&world.vm) != OK) { __builtin_trap(); }
    world_power_on();
}

// What core `i` does until its guest goes on: kicks that reached it, its own notes, maintenance interrupts. While another
// interrupt always waits, that is many times a step.
static inline void world_leave(unsigned i) {
    struct vcpu *vcpu = &world.vcpu[i];
    unsigned most = host_irq_pending ? 8 * GIC_MAX_LR : 8;

    world_on(i);
    for (unsigned n = 0; n <= most; n++) {
        if (world_kicked(i) || world.core[i].todo != 0) {
            world.core[i].todo = 0;
            vgic_flush(vcpu);
            if (world.core[i].todo != 0) { // it takes what waits, and the next one comes after a step
                world.core[i].todo = 0;
                vgic_maintenance(vcpu);
            }
        } else if (vcpu->arch.vgic.loaded && gic_fake_maintenance()) {
            vgic_maintenance(vcpu);
        } else {
            return;
        }
    }
    __builtin_trap(); // a storm: the guest never goes on
}

// Every core attends to what it was asked for.
static inline void world_settle(void) {
    unsigned here = host_cpu->id;

    for (unsigned i = 0; i < world.vm.vcpu_count; i++) { world_leave(i); }
    world_on(here);
}

static inline uint64_t world_access(unsigned i, uint64_t gpa, unsigned size, bool write, uint64_t value) {
    const struct mmio_region *region = mmio_find(&world.vm.mmio, gpa, size);
    struct mmio_access access = {gpa - (region != NULL ? region->base : 0), value, (uint8_t)size, write};

    if (region == NULL) { __builtin_trap(); }
    world_on(i);
    if (region->handler(&world.vcpu[i], region->device, &access) != OK) { __builtin_trap(); }
    world_leave(i);
    return access.value;
}

static inline uint32_t world_read(unsigned i, uint64_t gpa) { return (uint32_t)world_access(i, gpa, 4, false, 0); }

static inline void world_write(unsigned i, uint64_t gpa, uint32_t value) { world_access(i, gpa, 4, true, value); }

// The guest on core `i` acknowledges.
static inline uint32_t world_take(unsigned i) {
    uint32_t iar;

    world_on(i);
    iar = gic_fake_take();
    world_leave(i);
    return iar;
}

static inline void world_end(unsigned i, uint32_t iar) {
    world_on(i);
    gic_fake_end(iar);
    world_leave(i);
}

#endif
