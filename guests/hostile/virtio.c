// SPDX-License-Identifier: Apache-2.0
// A virtio-mmio console (OASIS virtio 1.2, sections 2.7 and 4.2.2) driven by a liar: queues outside
// memory, sizes and indices out of range, chains without an end.
#include "hostile.h"

#define MAGIC          0x000
#define VERSION        0x004
#define DEVICE_ID      0x008
#define DRIVER_FEAT    0x020
#define DRIVER_SELECT  0x024
#define QUEUE_SELECT   0x030
#define QUEUE_SIZE     0x038
#define QUEUE_READY    0x044
#define QUEUE_NOTIFY   0x050
#define STATUS         0x070
#define QUEUE_DESC     0x080
#define QUEUE_DRIVER   0x090
#define QUEUE_DEVICE   0x0a0
#define REGISTERS_SIZE 0x200

#define MAGIC_VALUE    0x74726976
#define VERSION_MODERN 2
#define CONSOLE_ID     3
#define STATUS_OK      0xf // ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK
#define FEATURE_1_WORD 1   // VERSION_1 is bit 0 of the second word
#define TRANSMIT       1
#define RECEIVE        0
#define SIZE           8
#define WRITES         20000

#define DESC_NEXT      1
#define DESC_WRITE     2
#define DESC_INDIRECT  4

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

static struct {
    struct descriptor table[SIZE];
    struct {
        uint16_t flags, index, ring[SIZE];
    } available __attribute__((aligned(64)));
    struct {
        uint16_t flags, index;
        struct {
            uint32_t id, length;
        } ring[SIZE];
    } used __attribute__((aligned(64)));
} queue __attribute__((aligned(4096)));

static uintptr_t device;

// The first console, in the layout that is current; says so if there is none.
static bool find(void) {
    for (unsigned i = 0; (device = virtio_mmio(i)) != 0; i++)
        if (mmio_read32(device + MAGIC) == MAGIC_VALUE && mmio_read32(device + VERSION) == VERSION_MODERN &&
            mmio_read32(device + DEVICE_ID) == CONSOLE_ID)
            return true;
    skip("no virtio-mmio console of version 2");
    return false;
}

static void write_register(uint32_t offset, uint64_t value) { mmio_write32(device + offset, (uint32_t)value); }

static void write_address(uint32_t offset, uint64_t address) {
    write_register(offset, address);
    write_register(offset + 4, address >> 32);
}

static void set_up(uint32_t number, uint64_t table, uint64_t available, uint64_t used, uint32_t size) {
    write_register(STATUS, 0);
    write_register(STATUS, STATUS_OK & ~0xcu);
    write_register(DRIVER_SELECT, FEATURE_1_WORD);
    write_register(DRIVER_FEAT, 1);
    write_register(STATUS, STATUS_OK & ~0x4u);
    write_register(QUEUE_SELECT, number);
    write_register(QUEUE_SIZE, size);
    write_address(QUEUE_DESC, table);
    write_address(QUEUE_DRIVER, available);
    write_address(QUEUE_DEVICE, used);
    write_register(QUEUE_READY, 1);
    write_register(STATUS, STATUS_OK);
}

static void set_up_own(uint32_t number) {
    set_up(number, (uintptr_t)queue.table, (uintptr_t)&queue.available, (uintptr_t)&queue.used, SIZE);
}

// Offers whatever the table holds, from descriptor `head` on.
static void offer(uint32_t number, uint16_t head) {
    queue.available.ring[queue.available.index % SIZE] = head;
    barrier_full();
    queue.available.index++;
    barrier_full();
    write_register(QUEUE_NOTIFY, number);
    step_passed();
}

static void reset(void) {
    write_register(STATUS, 0);
    queue.available.index = 0;
    queue.used.index = 0;
}

static void random_write(void *unused) {
    (void)unused;
    write_register((uint32_t)(random64() % REGISTERS_SIZE) & ~3u, random64() >> random64() % 64);
}

static void registers(void) {
    if (!find()) return;
    for (unsigned i = 0; i < WRITES; i++) step(random_write, NULL);
    reset();
}

static void queues_outside(void) {
    if (!find()) return;
    const uint64_t places[] = {memory_end(), memory_end() - 16,  0,     a_device(),
                               device,       0xfffffffffffff000, ~0ull, (uintptr_t)&queue + 1};
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        for (uint32_t number = RECEIVE; number <= TRANSMIT; number++) {
            set_up(number, places[i], places[i], places[i], SIZE);
            write_register(QUEUE_NOTIFY, number);
            set_up(number, (uintptr_t)queue.table, (uintptr_t)&queue.available, places[i], SIZE);
            offer(number, 0);
            reset();
        }
    }
}

static void sizes(void) {
    static const uint32_t bad[] = {0, 3, 0x8000, 0xffff, 0x10000, 0xffffffff};
    if (!find()) return;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_up(TRANSMIT, (uintptr_t)queue.table, (uintptr_t)&queue.available, (uintptr_t)&queue.used, bad[i]);
        offer(TRANSMIT, 0);
        reset();
    }
    for (uint32_t number = 2; number < 70; number++) {
        set_up_own(number);
        offer(number, 0);
        write_register(QUEUE_NOTIFY, number << 16 | 0xffff);
        reset();
    }
}

// Buffers: outside memory, across its end, endless, and across the end of the address space.
static void buffers(void) {
    if (!find()) return;
    const struct descriptor bad[] = {
        {memory_end(), 64, 0, 0},
        {memory_end() - 32, 64, 0, 0},
        {0, 64, DESC_WRITE, 0},
        {a_device(), 64, DESC_WRITE, 0},
        {(uintptr_t)&queue, 0xffffffff, 0, 0},
        {(uintptr_t)&queue, 0xffffffff, DESC_WRITE, 0},
        {~0ull - 16, 64, 0, 0},
        {(uintptr_t)&queue, 0, 0, 0},
        {(uintptr_t)&queue, 64, 0xffff, 0xffff},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (uint32_t number = RECEIVE; number <= TRANSMIT; number++) {
            set_up_own(number);
            queue.table[0] = bad[i];
            offer(number, 0);
            reset();
        }
    }
}

static void chains(void) {
    if (!find()) return;
    for (uint32_t number = RECEIVE; number <= TRANSMIT; number++) {
        uint16_t flags = DESC_NEXT | (number == RECEIVE ? DESC_WRITE : 0);
        set_up_own(number);
        for (uint16_t i = 0; i < SIZE; i++) // a ring of descriptors
            queue.table[i] = (struct descriptor){(uintptr_t)&queue, 1, flags, (uint16_t)((i + 1) % SIZE)};
        offer(number, 0);
        queue.table[0].next = 0; // one that follows itself
        offer(number, 0);
        queue.table[0].next = SIZE + 1; // one that leaves the table
        offer(number, 0);
        offer(number, 0xffff); // a head that is not in it
        // An indirect table that is its own first entry.
        queue.table[0] = (struct descriptor){(uintptr_t)queue.table, sizeof(queue.table), DESC_INDIRECT | DESC_NEXT, 0};
        offer(number, 0);
        queue.available.index += 0x4000; // far more than the queue holds
        offer(number, 0);
        reset();
    }
}

const struct attack virtio_attacks[] = {
    {"virtio-registers", registers, CONTINUES}, {"virtio-queues-outside", queues_outside, CONTINUES},
    {"virtio-sizes", sizes, CONTINUES},         {"virtio-buffers", buffers, CONTINUES},
    {"virtio-chains", chains, CONTINUES},       {0},
};
