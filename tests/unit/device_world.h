// SPDX-License-Identifier: Apache-2.0
// A VM with one emulated device, its console rings, and memory. For the tests and the fuzzer of the devices: one program
// includes it once.
#ifndef TEST_DEVICE_WORLD_H
#define TEST_DEVICE_WORLD_H

#include "arch/host/host.h"
#include "arch/host/model.h"
#include "kernel/console_state.h"
#include "kernel/cpu.h"
#include "kernel/devices.h"
#include "kernel/space.h"
#include "kernel/vm.h"

#define WORLD_RAM_GPA  0x40000000ull
#define WORLD_RAM_SIZE 0x200000ull

static struct {
    struct vm_desc desc;
    struct vm vm;
    struct vcpu vcpu;
    void *state; // the device's
    bool level;  // of its interrupt
    unsigned level_changes;
    unsigned line;
    unsigned traps;    // that the last access took
    unsigned accesses; // to the guest's memory, of the current trap
    unsigned most_accesses;
    bool window_open;
    struct console_source source[SOURCE_VMS + CONSOLE_CHANNELS];
    char ring[SOURCE_VMS + CONSOLE_CHANNELS][CONSOLE_RING_SIZE];
} world;

void arch_vm_set_line(struct vm *vm, unsigned id, bool level) {
    (void)vm;
    world.line = id;
    world.level = level;
    world.level_changes++;
}

void *window_map(unsigned slot, paddr_t pa) {
    if (slot >= SPACE_WINDOWS || world.window_open || pa % WINDOW_SIZE != 0) { __builtin_trap(); }
    world.window_open = true;
    world.accesses++;
    return model_ram(pa);
}

void window_unmap(unsigned slot) {
    (void)slot;
    world.window_open = false;
}

static inline void device_world_init(const struct virtual_device *kind) {
    static const struct vcpu_desc best_effort = {.weight = 100};

    host_reset();
    __builtin_memset(&world, 0, sizeof(world));
    clock_rate_init(&clock_rate, HOST_CLOCK_HZ);
    sched_core_init(&host_cpu->sched, 1000);
    job_thread_init(host_cpu);
    console = (struct console){.sources = world.source};
    for (unsigned i = 0; i < ARRAY_SIZE(world.source); i++) { world.source[i].ring.data = world.ring[i]; }
    world.desc.vpl011 = world.desc.virtio_console = true;
    world.vm.name = "test";
    world.vm.desc = &world.desc;
    world.vm.memory_count = 1;
    world.vm.memory[0] = (struct vm_memory){WORLD_RAM_GPA, MODEL_RAM_BASE + (64u << 20), WORLD_RAM_SIZE};
    world.vm.vcpu_count = 1;
    world.vm.vcpus[0] = &world.vcpu;
    if (vcpu_init(&world.vcpu, &world.vm, 0, &best_effort, host_cpu) != OK ||
        kind->create(&world.vm, &world.state) != OK || world.state == NULL) {
        __builtin_trap();
    }
    kind->reset(&world.vm, world.state);
}

// ---- what the guest does ------------------------------------------------------------------------------------

// One trap. ERR_BUSY: the guest comes back with the same access.
static inline int device_trap(gpa_t gpa, struct mmio_access *access) {
    const struct mmio_region *region = mmio_find(&world.vm.mmio, gpa, access->size);
    int status;

    if (region == NULL) { __builtin_trap(); }
    access->offset = gpa - region->base;
    world.accesses = 0;
    host_in_handler = true;
    status = region->handler(&world.vcpu, region->device, access);
    host_in_handler = false;
    world.most_accesses = MAX(world.most_accesses, world.accesses);
    if (status != OK && status != ERR_BUSY) { __builtin_trap(); }
    return status;
}

static inline uint64_t device_access(gpa_t gpa, unsigned size, bool write, uint64_t value) {
    struct mmio_access access = {.value = write ? value : 0, .size = (uint8_t)size, .write = write};

    world.traps = 1;
    while (device_trap(gpa, &access) == ERR_BUSY) {
        if (++world.traps > 1000000) { __builtin_trap(); }
    }
    return access.value;
}

static inline uint32_t device_read(gpa_t gpa) { return (uint32_t)device_access(gpa, 4, false, 0); }

static inline void device_write(gpa_t gpa, uint32_t value) { device_access(gpa, 4, true, value); }

// ---- what the console does ----------------------------------------------------------------------------------

static inline struct console_source *device_source(enum console_channel channel) {
    return &world.source[console_source_of(0, channel)];
}

// Leaves room for so many bytes in the ring; what was in it is gone.
static inline void device_room(enum console_channel channel, uint32_t room) {
    struct console_ring *ring = &device_source(channel)->ring;

    ring->tail = ring->head - (CONSOLE_RING_SIZE - room);
}

// Takes the next bytes out of an otherwise empty ring; returns how many there were.
static inline size_t device_output(enum console_channel channel, char *out, size_t size) {
    struct console_ring *ring = &device_source(channel)->ring;
    size_t count = 0;

    while (count < size && console_ring_used(ring) != 0) { out[count++] = console_ring_take(ring); }
    return count;
}

static inline size_t device_input(enum console_channel channel, const char *data, size_t size) {
    const struct console_device *device = &device_source(channel)->device;

    return device->input(device->device, data, size);
}

static inline bool device_drained(enum console_channel channel) {
    const struct console_device *device = &device_source(channel)->device;

    return device->drained(device->device);
}

#endif
