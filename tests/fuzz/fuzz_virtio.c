// SPDX-License-Identifier: Apache-2.0
// covers: drivers/virtio_console.c drivers/virtio_queue.c drivers/vpl011.c
// A guest that plays with the registers and queues of its two consoles, while input comes and output drains.
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include "drivers/virtual.h"
#include "kernel/guest_mem.h"
#include "kernel/guest_platform.h"
#include "tests/unit/device_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned bytes) {
    uint64_t value = 0;

    while (bytes-- > 0 && in->at < in->end) { value = value << 8 | *in->at++; }
    return value;
}

static void require(bool holds) {
    if (!holds) { abort(); }
}

// The queues lie where a guest would put them, so that a few bytes of input make a queue that works.
enum { MAX_STEPS = 32, MAX_ACCESSES = 70, QUEUES = 2, QUEUE_BYTES = 0x1000, SIZE = 8, AVAIL = 0x400, USED = 0x800 };
static gpa_t queue_gpa(unsigned q) { return WORLD_RAM_GPA + QUEUE_BYTES * q; }

// What both say of themselves goes through libfdt once, for the sake of whole files.
static void describe(void) {
    static uint64_t tree[512];

    require(fdt_create_empty_tree(tree, sizeof(tree)) == 0);
    require(fdt_add_subnode(tree, 0, "aliases") > 0 && fdt_add_subnode(tree, 0, "chosen") > 0);
    require(vpl011_fdt(tree) == 0);
    require(virtio_console_fdt(tree) == 0);
}

static void start(void) {
    static struct {
        bool made;
        __typeof__(world) virtio;
        void *uart;
    } kept;

    if (!kept.made) {
        device_world_init(&virtio_console_device);
        if (vpl011_device.create(&world.vm, &kept.uart) != OK) { abort(); }
        memcpy(&kept.virtio, &world, sizeof(world));
        describe();
        kept.made = true;
    }
    memcpy(&world, &kept.virtio, offsetof(__typeof__(world), ring));
    virtio_console_device.reset(&world.vm, world.state);
    vpl011_device.reset(&world.vm, kept.uart);
    for (unsigned q = 0; q < QUEUES; q++) {
        static const char zeros[QUEUE_BYTES];
        guest_write(&world.vm, queue_gpa(q), zeros, sizeof(zeros));
    }
}

static void set_up(void) {
    static const uint32_t writes[][2] = {
        {0x70, 3}, {0x24, 1}, {0x20, 1}, {0x70, 11}, // features
    };

    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
        device_write(virt_platform.virtio_base + writes[i][0], writes[i][1]);
    }
    for (unsigned q = 0; q < QUEUES; q++) {
        device_write(virt_platform.virtio_base + 0x30, q);
        device_write(virt_platform.virtio_base + 0x38, SIZE);
        device_write(virt_platform.virtio_base + 0x80, (uint32_t)queue_gpa(q));
        device_write(virt_platform.virtio_base + 0x90, (uint32_t)queue_gpa(q) + AVAIL);
        device_write(virt_platform.virtio_base + 0xa0, (uint32_t)queue_gpa(q) + USED);
        device_write(virt_platform.virtio_base + 0x44, 1);
    }
    device_write(virt_platform.virtio_base + 0x70, 15);
}

static void put_desc(struct input *in) {
    struct {
        uint64_t gpa;
        uint32_t size;
        uint16_t flags, next;
    } desc;
    unsigned q = (unsigned)take(in, 1), i = q >> 1 & (SIZE - 1);

    desc.gpa = WORLD_RAM_GPA + take(in, 3);
    desc.size = (uint32_t)take(in, 2);
    desc.flags = (uint16_t)take(in, 1);
    desc.next = (uint16_t)take(in, 1) % (SIZE + 1);
    guest_write(&world.vm, queue_gpa(q & 1) + 16 * i, &desc, sizeof(desc));
}

static void offer(struct input *in) {
    uint8_t which = (uint8_t)take(in, 1);
    gpa_t avail = queue_gpa(which & 1) + AVAIL;
    uint16_t index = 0, head = which >> 1 & (SIZE - 1);

    guest_read(&world.vm, avail + 2, &index, sizeof(index));
    guest_write(&world.vm, avail + 4 + 2 * (index % SIZE), &head, sizeof(head));
    index = (uint16_t)(index + (which >> 4));
    guest_write(&world.vm, avail + 2, &index, sizeof(index));
    device_write(virt_platform.virtio_base + 0x50, which & 1);
}

static void touch_register(struct input *in) {
    gpa_t base = take(in, 1) & 1 ? VPL011_BASE : virt_platform.virtio_base;
    uint64_t how = take(in, 1), offset = take(in, 1) << 1;
    unsigned size = 1u << (how & 3);

    if (how & 0x40) {
        offset += 0xe00 * (base == VPL011_BASE); // the identification registers
    }
    offset &= ~(uint64_t)(size - 1);
    if (mmio_find(&world.vm.mmio, base + offset, size) != NULL) {
        device_access(base + offset, size, how & 0x80, take(in, how & 0x20 ? 8 : 1));
    }
}

static bool drain(enum console_channel channel) {
    bool more;

    world.accesses = 0;
    more = device_drained(channel);
    require(world.accesses <= MAX_ACCESSES);
    return more;
}

static void console_side(struct input *in) {
    static const char typed[300] = "what somebody types";
    enum console_channel channel = take(in, 1) & 1 ? CONSOLE_UART : CONSOLE_VIRTIO;
    size_t size = take(in, 2) % sizeof(typed);

    world.accesses = 0;
    require(device_input(channel, typed, size) <= size && world.accesses <= MAX_ACCESSES);
    device_room(channel, (uint32_t)take(in, 2) % (CONSOLE_RING_SIZE + 1));
    drain(channel);
}

static void poke(struct input *in) {
    uint64_t offset = take(in, 2) % (QUEUES * QUEUE_BYTES), value = take(in, 2);

    guest_write(&world.vm, WORLD_RAM_GPA + offset, &value, 2);
}

static void drain_on(struct input *in) {
    for (uint64_t i = take(in, 1) % 64; i > 0 && drain(CONSOLE_VIRTIO); i--) {}
}

static void uart_write(struct input *in) { device_write(VPL011_BASE, (uint32_t)take(in, 1)); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const steps[])(struct input *) = {put_desc, offer,    touch_register, console_side,
                                                    poke,     drain_on, uart_write,     offer};
    struct input in = {data, data + size};

    start();
    if (take(&in, 1) & 1) { set_up(); }
    for (unsigned i = 0; in.at < in.end && i < MAX_STEPS; i++) {
        steps[take(&in, 1) % ARRAY_SIZE(steps)](&in);
        require(!host_irqs_masked && timer_queue_empty(&host_cpu->timers) && world.most_accesses <= 2);
    }
    // Whatever was left over ends by itself.
    device_room(CONSOLE_VIRTIO, CONSOLE_RING_SIZE);
    for (unsigned i = 0; drain(CONSOLE_VIRTIO); i++) {
        require(i < 100000);
        device_room(CONSOLE_VIRTIO, CONSOLE_RING_SIZE);
    }
    return 0;
}
