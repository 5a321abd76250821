// SPDX-License-Identifier: Apache-2.0
// A guest's memory with page tables made by hand, two pages of devices beyond it, and a record of what was asked of them.
#ifndef TESTS_EMULATE_WORLD_H
#define TESTS_EMULATE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/control_regs.h"
#include "arch/x86/emulate.h"

enum { RAM_SIZE = 64 * 4096, CR3 = 0x10000, DEVICE = 0x70000000, DEVICE2 = 0x70001000 };

enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80 };

#define XD           BIT(63)
#define BITS_ADDRESS (BIT(52) - BIT(12))

enum format_name { LEGACY, PAE, LEVELS4, LEVELS5 };

static const struct {
    unsigned levels, bits, size;
} formats[] = {{2, 10, 4}, {3, 9, 8}, {4, 9, 8}, {5, 9, 8}};

static struct {
    uint8_t ram[RAM_SIZE];
    gpa_t next_table;
    unsigned reads, writes, exchanges;
    int exchange_status; // what the next exchanges come to
    unsigned accesses;   // of devices
    struct {
        gpa_t gpa;
        unsigned size;
        bool write;
        uint64_t value;
    } access[4];
    uint64_t device_value; // what they are read as
    int device_status[4];  // by access
} world;

static bool in_ram(gpa_t gpa, size_t size) { return gpa < RAM_SIZE && size <= RAM_SIZE - gpa; }

static int ram_read(void *context, gpa_t gpa, void *out, size_t size) {
    assert_ptr_equal(context, &world);
    world.reads++;
    if (!in_ram(gpa, size)) { return ERR_RANGE; }
    memcpy(out, world.ram + gpa, size);
    return OK;
}

static int ram_write(void *context, gpa_t gpa, const void *in, size_t size) {
    assert_ptr_equal(context, &world);
    world.writes++;
    if (!in_ram(gpa, size)) { return ERR_RANGE; }
    memcpy(world.ram + gpa, in, size);
    return OK;
}

static int ram_exchange(void *context, gpa_t gpa, unsigned size, uint64_t expected, uint64_t desired) {
    uint64_t held = 0;

    assert_ptr_equal(context, &world);
    assert_true((size == 4 || size == 8) && gpa % size == 0 && in_ram(gpa, size));
    world.exchanges++;
    if (world.exchange_status != OK) { return world.exchange_status; }
    memcpy(&held, world.ram + gpa, size);
    if (held != expected) { return ERR_BUSY; }
    memcpy(world.ram + gpa, &desired, size);
    return OK;
}

static UNUSED
int device_access(void *context, gpa_t gpa, unsigned size, bool write, uint64_t *value) {
    unsigned i = world.accesses++;

    assert_ptr_equal(context, &world);
    assert_true(i < ARRAY_SIZE(world.access));
    assert_true((gpa & ~PAGE_MASK) == (gpa_t)DEVICE || (gpa & ~PAGE_MASK) == (gpa_t)DEVICE2);
    assert_true((gpa & PAGE_MASK) + size <= PAGE_SIZE);
    world.access[i].gpa = gpa;
    world.access[i].size = size;
    world.access[i].write = write;
    if (!write) { *value = world.device_value; }
    world.access[i].value = *value;
    return world.device_status[i];
}

static const struct guest_memory_ops memory_ops = {ram_read, ram_write, ram_exchange};

static void world_reset(void) {
    memset(&world, 0, sizeof(world));
    world.next_table = CR3 + PAGE_SIZE;
}

// Paging as a kernel has it that uses everything.
static struct guest_paging world_paging(enum format_name format) {
    struct guest_paging paging = {
        .cr0 = CR0_PG | CR0_WP, .cr3 = CR3, .cr4 = CR4_PSE, .efer = EFER_NXE, .cpl = 0, .maxphyaddr = 40};

    if (format != LEGACY) { paging.cr4 |= CR4_PAE; }
    if (format >= LEVELS4) { paging.efer |= EFER_LMA; }
    if (format == LEVELS5) { paging.cr4 |= CR4_LA57; }
    return paging;
}

static uint64_t entry_read(enum format_name format, gpa_t at) {
    uint64_t entry = 0;

    memcpy(&entry, world.ram + at, formats[format].size);
    return entry;
}

static void entry_write(enum format_name format, gpa_t at, uint64_t entry) {
    memcpy(world.ram + at, &entry, formats[format].size);
}

// The entry for `linear` at `level`; tables above it are made where they are missing, with all rights and A set.
static gpa_t world_entry(enum format_name format, uint64_t linear, unsigned level) {
    const unsigned bits = formats[format].bits;
    gpa_t table = CR3;

    for (unsigned l = formats[format].levels;; l--) {
        gpa_t at = table + (linear >> (12 + (l - 1) * bits) & (BIT(bits) - 1)) * formats[format].size;
        if (l == level) { return at; }
        if (entry_read(format, at) == 0) {
            bool pdpte = format == PAE && l == 3;
            assert_true(in_ram(world.next_table, PAGE_SIZE));
            entry_write(format, at, world.next_table | P | (pdpte ? 0 : RW | US | A));
            world.next_table += PAGE_SIZE;
        }
        table = entry_read(format, at) & BITS_ADDRESS;
    }
}

static void world_map(enum format_name format, uint64_t linear, uint64_t entry) {
    entry_write(format, world_entry(format, linear, 1), entry);
}

#endif
