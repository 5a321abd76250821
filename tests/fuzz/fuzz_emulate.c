// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/emulate.c arch/x86/guest_walk.c
// Any code in any mode with any page tables: nothing is reached but through ops, in a bounded number of steps, and a guest
// whose instruction was not done is as it was. Input: struct header, then pieces of memory: where (2 bytes), what (8).
#include <stdlib.h>
#include <string.h>

#include "arch/x86/control_regs.h"
#include "arch/x86/emulate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    RAM_SIZE = 8 * 4096,
    WALKS = 6, // two of code, two of each operand
    LEVELS = 5,
    MAX_READS = WALKS * LEVELS + WALKS,
    PIECE = 10,
};

struct header {
    uint8_t mode; // enum decode_mode; bit 2: the access that trapped is a write; bits 7:3: what is asked
    uint8_t cpl;  // bits 7:2: which access of a device, or which exchange, does not succeed
    uint8_t physical;
    uint8_t segment; // whose base is other than 0
    uint32_t rflags;
    uint32_t cr0, cr4, efer, gpa;
    uint64_t cr3, rip, base, device;
    uint64_t gpr[DECODE_REGISTERS];
};

static struct {
    uint8_t ram[RAM_SIZE];
    uint64_t device; // what it is read as
    unsigned reads, writes, exchanges, accesses, questions, failing;
} world;

static void require(bool holds) {
    if (!holds) { abort(); }
}

static bool in_ram(gpa_t gpa, size_t size) { return gpa < RAM_SIZE && size <= RAM_SIZE - gpa; }

// Within one page, as everything that goes through tables.
static void check_place(void *context, gpa_t gpa, size_t size) {
    require(context == &world && size > 0 && (gpa & PAGE_MASK) + size <= PAGE_SIZE && gpa < BIT(52));
}

// Once, and never after an effect on a device.
static bool must_yield(void *context) {
    require(context == &world && world.accesses == 0);
    return ++world.questions + 36 == world.failing;
}

static int read(void *context, gpa_t gpa, void *out, size_t size) {
    check_place(context, gpa, size);
    world.reads++;
    if (must_yield(context)) { return ERR_BUSY; }
    if (!in_ram(gpa, size)) { return ERR_RANGE; }
    memcpy(out, world.ram + gpa, size);
    return OK;
}

static int write(void *context, gpa_t gpa, const void *in, size_t size) {
    check_place(context, gpa, size);
    require(size <= 8);
    world.writes++;
    if (!in_ram(gpa, size)) { return ERR_RANGE; }
    memcpy(world.ram + gpa, in, size);
    return OK;
}

// Only ever to set the accessed and dirty bits of an entry that is present.
static int exchange(void *context, gpa_t gpa, unsigned size, uint64_t expected, uint64_t desired) {
    uint64_t held = 0;

    check_place(context, gpa, size);
    require((size == 4 || size == 8) && gpa % size == 0 && in_ram(gpa, size));
    require((expected & 1) != 0 && (expected & desired) == expected && ((expected ^ desired) & ~0x60ull) == 0);
    require(expected != desired);
    if (++world.exchanges == world.failing) { return ERR_BUSY; }
    memcpy(&held, world.ram + gpa, size);
    if (held != expected) { return ERR_BUSY; } // one entry serves two levels, and has just been marked
    memcpy(world.ram + gpa, &desired, size);
    return OK;
}

static int mmio(void *context, gpa_t gpa, unsigned size, bool is_write, uint64_t *value) {
    check_place(context, gpa, size);
    require(size == 1 || size == 2 || size == 4 || size == 8);
    require(!is_write || size == 8 || *value >> 8 * size == 0);
    if (++world.accesses + 32 == world.failing) { return ERR_BUSY; }
    if (world.accesses + 34 == world.failing) { return ERR_DENIED; }
    if (!is_write) { *value = world.device; }
    return OK;
}

static int port(void *context, uint16_t number, unsigned size, bool is_write, uint64_t *value) {
    require(context == &world && (size == 1 || size == 2 || size == 4));
    require(!is_write || *value >> 8 * size == 0);
    (void)number;
    if (++world.accesses + 32 == world.failing) { return ERR_BUSY; }
    if (!is_write) { *value = world.device; }
    return OK;
}

static const struct emulate_ops ops = {{read, write, exchange}, mmio, port, must_yield};

static void check_result(const struct guest_state_view *before, const struct guest_state_view *view,
                         enum emulate_outcome outcome, const struct emulate_result *result) {
    require(world.reads <= MAX_READS && world.writes <= 2 && world.exchanges <= WALKS * LEVELS && world.accesses <= 2);
    require(result->count <= DECODE_MAX_LENGTH);
    require(view->mode == DECODE_64 || outcome != EMULATE_DONE || view->rip <= UINT32_MAX || view->rip == before->rip);
    switch (outcome) {
    case EMULATE_DONE: require(view->rip - before->rip <= DECODE_MAX_LENGTH || view->rip <= UINT32_MAX); return;
    case EMULATE_FAULT:
        require(result->vector == EXCEPTION_GP || result->vector == EXCEPTION_SS || result->vector == EXCEPTION_PF);
        require(result->vector == EXCEPTION_PF ? result->error < 0x20 : result->error == 0);
        break;
    case EMULATE_UNKNOWN: require(result->reason != NULL); break;
    default: break;
    }
    require(view->rip == before->rip && view->rflags == before->rflags);
}

static void run(const struct header *h, struct guest_state_view *view) {
    const struct guest_state_view before = *view;
    struct emulate_result result = {0};
    struct decoded d;
    enum emulate_outcome outcome;

    switch (h->mode >> 3) {
    case 0: outcome = emulate_decode(view, &ops, &world, &d, &result); break;
    case 2:
        outcome = emulate_port_string(view, &ops, &world, &result);
        check_result(&before, view, outcome, &result);
        require(outcome == EMULATE_DONE || memcmp(view->gpr, h->gpr, sizeof(h->gpr)) == 0);
        return;
    default:
        outcome = emulate_mmio(view, &ops, &world, h->gpa, (h->mode & 4) != 0, &result);
        check_result(&before, view, outcome, &result);
        require(outcome == EMULATE_DONE || memcmp(view->gpr, h->gpr, sizeof(h->gpr)) == 0);
        return;
    }
    check_result(&before, view, outcome, &result);
    require(memcmp(view->gpr, h->gpr, sizeof(h->gpr)) == 0 && world.accesses + world.writes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct header h;
    struct guest_state_view view;
    uint64_t gpr[DECODE_REGISTERS];

    if (size < sizeof(h)) { return 0; }
    memcpy(&h, data, sizeof(h));
    memset(&world, 0, sizeof(world));
    world.device = h.device;
    world.failing = h.cpl >> 2;
    for (size_t at = sizeof(h); size - at >= PIECE; at += PIECE) {
        unsigned where = (data[at] | (unsigned)data[at + 1] << 8) % (RAM_SIZE - 7);
        memcpy(world.ram + where, data + at + 2, 8);
    }
    memcpy(gpr, h.gpr, sizeof(gpr));
    view = (struct guest_state_view){.gpr = gpr, .rip = h.rip, .rflags = h.rflags, .mode = (h.mode & 3) % 3};
    view.segment_base[h.segment % GUEST_SEGMENTS] = h.base;
    view.paging = (struct guest_paging){h.cr0, h.cr3, h.cr4, h.efer, h.rflags, h.cpl & 3, 32 + h.physical % 21};
    // Without tables an address of 64-bit mode would be a physical one.
    if (view.mode == DECODE_64) {
        view.paging.cr0 |= CR0_PG;
        view.paging.cr4 |= CR4_PAE;
        view.paging.efer |= EFER_LMA;
    }
    run(&h, &view);
    return 0;
}
