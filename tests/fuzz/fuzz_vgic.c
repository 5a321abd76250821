// SPDX-License-Identifier: Apache-2.0
// covers: arch/arm64/vgic.c arch/arm64/vgic_lr.c arch/arm64/vgic_sync.c arch/arm64/vgic_regs.c arch/arm64/vgic_v2.c
// covers: arch/arm64/vgic_v3.c
//
// Guests' register accesses, device lines, timers, context switches and hardware steps of three VCPUs, in any order. After
// each step the model must be consistent with itself and with the list registers; in the end everything that was pending
// is delivered. Input: one byte of machine, then steps of eight bytes (struct step).
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/vgic_world.h"

enum { VCPUS = 3, SPIS = 64, WORDS = 1 + SPIS / 32, STEPS_MAX = 64, NEST_MAX = 64 };

struct step {
    uint8_t what, core;
    uint8_t where[2];
    uint8_t value[4];
};

static struct {
    struct mmio_map maps[2]; // GICv2, GICv3
    struct {
        uint32_t stack[NEST_MAX]; // what the guest took and has not ended
        unsigned depth;
        uint32_t owed; // private edges that must still be taken
    } guest[VCPUS];
    uint32_t owed[WORDS]; // shared ones
    bool rerouted;
} fuzz;

static void must_hold(bool condition) {
    if (!condition) { abort(); }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    world_init(3, 4, VCPUS, SPIS);
    fuzz.maps[1] = world.vm.mmio;
    memset(&world.vm.mmio, 0, sizeof(world.vm.mmio));
    gic_fake_reset(2, 4);
    must_hold(vgic_v2_vm_init(&world.vm) == OK);
    fuzz.maps[0] = world.vm.mmio;
    return 0;
}

// ---- what must always hold --------------------------------------------------------------------------------

static void check_vcpu(unsigned i, uint32_t seen[WORDS]) {
    struct vcpu *vcpu = &world.vcpu[i];
    const struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t own = 0;

    must_hold((c->used >> gic_machine.lr_count) == 0 && (c->eoi & ~c->used) == 0);
    for (unsigned n = 0; n < gic_machine.lr_count; n++) {
        unsigned id = LR_ID(c->lr[n]);
        if ((c->used & 1u << n) == 0) { continue; }
        must_hold(id < 32 * WORDS);
        uint32_t *bits = id < 32 ? &own : &seen[id / 32], bit = 1u << id % 32;
        must_hold((*bits & bit) == 0); // in one list register only
        *bits |= bit;
        must_hold((c->held[id / 32] & bit) != 0);
        must_hold(id >= 32 || c->slot[id] == n);
    }
    must_hold(c->bank.resident == own);
    for (unsigned word = 0; word < WORDS; word++) {
        struct vgic_bank *bank = vgic_bank(vcpu, word);
        if ((vgic_ready(&world.vm.arch.vgic, bank) & c->mine[word]) != 0) { // nobody forgets it
            must_hold((c->words & 1u << word) != 0);
            must_hold(c->attention || (c->hcr & GIC_HCR_NPIE) != 0);
        }
        must_hold((bank->resync & ~bank->resident) == 0);
        must_hold((bank->resync & c->held[word] & bank->resident) == 0 || c->attention);
    }
    if (c->attention && c->loaded) {
        must_hold(world.core[i].inbox.head != NULL || (world.core[i].todo | world.core[i].todo_remote) != 0);
    }
    world_on(i);
    if (gic_fake_is_active(GIC_PPI_VTIMER)) { // somebody ends it
        must_hold(c->loaded && (c->bank.linked & 1u << GIC_PPI_VTIMER) != 0);
    }
}

static void check(void) {
    uint32_t seen[WORDS] = {0}, held[WORDS] = {0};

    for (unsigned i = 0; i < VCPUS; i++) {
        check_vcpu(i, seen);
        for (unsigned word = 1; word < WORDS; word++) { // one VCPU has it
            uint32_t its = world.vcpu[i].arch.vgic.held[word];
            must_hold((held[word] & its) == 0);
            held[word] |= its;
        }
    }
    for (unsigned word = 1; word < WORDS; word++) {
        must_hold(world.vm.arch.vgic.spi[word - 1].resident == seen[word]);
        must_hold((held[word] & ~seen[word] & ~world.vm.arch.vgic.spi[word - 1].active) == 0);
    }
}

// ---- steps ------------------------------------------------------------------------------------------------

static uint32_t *owed(unsigned i, unsigned id) { return id < 32 ? &fuzz.guest[i].owed : &fuzz.owed[id / 32]; }

static void take(unsigned i) {
    if (fuzz.guest[i].depth == NEST_MAX) { return; }
    uint32_t iar = world_take(i);
    if (iar != GIC_SPURIOUS) {
        fuzz.guest[i].stack[fuzz.guest[i].depth++] = iar;
        *owed(i, iar & 0x3ff) &= ~(1u << (iar & 0x1f));
    }
}

static void end_innermost(unsigned i) {
    if (fuzz.guest[i].depth != 0) { world_end(i, fuzz.guest[i].stack[--fuzz.guest[i].depth]); }
}

// Writes that may take pending interrupts away again.
static bool loses_pending(uint64_t offset) {
    uint64_t row = offset & 0xfff & ~0x7full;

    return row == GICD_ICPENDR || row == (GICD_CPENDSGIR & ~0x7fu) || row == GICD_ICFGR;
}

static void forget_owed(void) {
    memset(fuzz.owed, 0, sizeof(fuzz.owed));
    for (unsigned i = 0; i < VCPUS; i++) { fuzz.guest[i].owed = 0; }
}

static void access_register(unsigned i, const struct step *s, bool write) {
    static const uint32_t rows[] = {GICD_CTLR,       GICD_IGROUPR,   GICD_ISENABLER, GICD_ICENABLER,
                                    GICD_ISPENDR,    GICD_ICPENDR,   GICD_ISACTIVER, GICD_ICACTIVER,
                                    GICD_IPRIORITYR, GICD_ITARGETSR, GICD_ICFGR,     GICD_SGIR,
                                    GICD_CPENDSGIR,  GICD_IROUTER,   GICD_PIDR2,     0};
    unsigned size = 1u << (s->what >> 6), chosen = s->where[0] & 15;
    uint64_t offset = rows[chosen] + s->where[1], base = VGIC_GICD_BASE;
    uint32_t value;

    memcpy(&value, s->value, sizeof(value));
    if (chosen == 15) { // anywhere
        offset = (uint64_t)s->where[1] << 8 | s->value[0];
    } else if (chosen == 13) { // IROUTER of an SPI
        offset = GICD_IROUTER + 8 * (32 + (uint64_t)s->where[1] % SPIS);
        value &= 7;
    }
    if (gic->version == 3 && (s->where[0] & 0x40) != 0) {
        base = VGIC_GICR_BASE + (s->where[0] >> 4 & 3) % VCPUS * VGIC_GICR_STRIDE;
        offset = (offset & 0xffff) + ((s->where[0] & 0x80) != 0 ? 0 : GICR_SGI_FRAME);
    }
    offset &= base == VGIC_GICD_BASE ? 0xffff & ~(uint64_t)(size - 1) : ~(uint64_t)(size - 1);
    if (write && loses_pending(offset)) { forget_owed(); }
    fuzz.rerouted |= write && (offset >= GICD_IROUTER || (offset & ~0x3ffull) == GICD_ITARGETSR);
    world_access(i, base + offset, size, write, write ? value | (uint64_t)s->value[0] << 32 : 0);
}

static void switch_vcpu(unsigned i) {
    struct vcpu *vcpu = &world.vcpu[i];

    world_on(i);
    if (vcpu->arch.vgic.loaded) {
        world.core[i].current = NULL;
        vgic_save(vcpu);
    } else {
        vgic_load(vcpu);
        world.core[i].current = vcpu;
        vgic_flush(vcpu);
    }
}

static void send(unsigned i, const struct step *s) {
    uint64_t value;

    memcpy(&value, &s->what, sizeof(value));
    world_on(i);
    if (gic->version == 2) {
        world_access(i, VGIC_GICD_BASE + GICD_SGIR, 4, true, value >> 32);
    } else if ((value & 1ull << 63) != 0) {
        vgic_send_sgi(&world.vcpu[i], value >> 32, false);
    } else {
        vgic_send_sgi(&world.vcpu[i], (value >> 32 & 0xf00000f) | (value >> 24 & 1) << 40, true);
    }
}

static void restart(unsigned i, bool all) {
    for (unsigned n = 0; n < VCPUS; n++) {
        if (world.vcpu[n].arch.vgic.loaded && (all || n == i)) { switch_vcpu(n); }
    }
    world_on(i);
    if (all) {
        forget_owed();
        vgic_vm_reset(&world.vm);
    }
    for (unsigned n = 0; n < VCPUS; n++) {
        if (all || n == i) {
            world_on(n);
            fuzz.guest[n].depth = 0;
            fuzz.guest[n].owed = 0;
            vgic_vcpu_reset(&world.vcpu[n]);
        }
    }
}

static void fire(unsigned i, unsigned irq, unsigned id) {
    world_on(i);
    if (gic_fake_fire(irq)) { vgic_inject_hw(&world.vcpu[i], id, irq); }
}

static void one_step(const struct step *s) {
    unsigned i = (s->core & 0x7f) % VCPUS, id = s->where[0] % (32 * WORDS);
    struct vcpu *vcpu = &world.vcpu[i];
    bool loaded = vcpu->arch.vgic.loaded;

    world_on(i);
    switch (s->what & 0x1f) {
    case 0: vgic_set_line(vcpu, id, true); break;
    case 1:
        *owed(i, id) &= ~(1u << id % 32);
        vgic_set_line(vcpu, id, false);
        break;
    case 2:
        *owed(i, id) |= id >= 16 ? 1u << id % 32 : 0;
        vgic_pulse(vcpu, id);
        break;
    case 3:
        if (loaded) { fire(i, GIC_PPI_VTIMER, GIC_PPI_VTIMER); }
        break;
    case 4: fire(i, 100 + s->where[1] % 4, 40 + s->where[1] % 4); break;
    case 5: vgic_expire_hw(vcpu, GIC_PPI_VTIMER, GIC_PPI_VTIMER); break;
    case 6:
        fuzz.guest[i].owed &= ~(1u << GIC_PPI_VTIMER);
        vgic_hw_line(vcpu, GIC_PPI_VTIMER, (s->where[0] & 1) != 0);
        break;
    case 7: switch_vcpu(i); break;
    case 8: (void)vgic_has_pending(vcpu); break;
    case 9: send(i, s); break;
    case 10: restart(i, (s->where[0] & 7) == 0); break;
    case 11: world_settle(); break;
    case 12: vgic_pulse(vcpu, s->where[0] + 256u * s->where[1]); break;
    case 13:
        if (loaded) { // an end that matches nothing
            world_end(i, id);
        }
        break;
    case 14:
    case 15:
    case 16:
        if (loaded) { take(i); }
        break;
    case 17:
    case 18:
        if (loaded) { end_innermost(i); }
        break;
    default:
        if (loaded) { access_register(i, s, (s->what & 1) != 0 || (s->what & 0x1f) > 24); }
        break;
    }
    if ((s->core & 0x80) != 0) { world_leave(i); }
}

// ---- the end: all that was pending arrives ----------------------------------------------------------------

static void open_registers(unsigned i) {
    bool v3 = gic->version == 3;
    uint64_t frame = v3 ? VGIC_GICR_BASE + i * VGIC_GICR_STRIDE + GICR_SGI_FRAME : VGIC_GICD_BASE;

    for (unsigned word = 0; word < (i == 0 ? WORDS : 1u); word++) {
        uint64_t base = (word == 0 ? frame : VGIC_GICD_BASE) + 4 * word;
        world_write(i, base + GICD_ICACTIVER, ~0u);
        world_settle();
        world_write(i, base + GICD_ISENABLER, ~0u);
    }
}

// Every SPI goes to VCPU 0; all groups are on.
static void open_distributor(void) {
    for (unsigned id = 32; id < 32 * WORDS && fuzz.rerouted; id++) {
        if (world.vm.arch.vgic.route[id - 32] != 1 && gic->version == 2) {
            world_access(0, VGIC_GICD_BASE + GICD_ITARGETSR + id, 1, true, 1);
        } else if (world.vm.arch.vgic.route[id - 32] != 0 && gic->version == 3) {
            world_access(0, VGIC_GICD_BASE + GICD_IROUTER + 8 * id, 8, true, 0);
        }
    }
    world_write(0, VGIC_GICD_BASE + GICD_CTLR, 3);
}

static void lower_lines(unsigned i) {
    for (unsigned word = 0; word < WORDS; word++) {
        uint32_t high = vgic_bank(&world.vcpu[i], word)->line;
        for (; high != 0; high &= high - 1) {
            unsigned id = word * 32 + (unsigned)__builtin_ctz(high);
            world_on(i);
            *owed(i, id) &= ~(1u << id % 32);
            vgic_set_line(&world.vcpu[i], id, false);
        }
    }
}

static void drain(void) {
    for (unsigned i = 0; i < VCPUS; i++) {
        lower_lines(i);
        if (!world.vcpu[i].arch.vgic.loaded) { switch_vcpu(i); }
        while (fuzz.guest[i].depth != 0) { end_innermost(i); }
    }
    open_distributor();
    for (unsigned i = 0; i < VCPUS; i++) {
        open_registers(i);
        switch_vcpu(i);
        world.vcpu[i].arch.vgic.apr[1][0] = 0; // ends that matched nothing may have left priorities active
        switch_vcpu(i);
    }
    world_settle();
    for (unsigned i = 0; i < VCPUS; i++) {
        world_settle();
        for (unsigned n = 0; n < 16 * 32 * WORDS; n++) {
            take(i);
            if (fuzz.guest[i].depth == 0) { break; }
            end_innermost(i);
        }
        check();
    }
    for (unsigned i = 0; i < VCPUS; i++) {
        must_hold(fuzz.guest[i].owed == 0 && fuzz.guest[i].depth == 0);
        must_hold(world.vcpu[i].arch.vgic.bank.latch == 0 && world.vcpu[i].arch.vgic.bank.active == 0);
        world_on(i);
        must_hold(!gic_fake_is_active(GIC_PPI_VTIMER));
    }
    for (unsigned word = 1; word < WORDS; word++) {
        struct vgic_bank *bank = &world.vm.arch.vgic.spi[word - 1];
        must_hold(fuzz.owed[word] == 0 && bank->latch == 0 && bank->active == 0);
    }
    for (unsigned irq = 100; irq < 104; irq++) { must_hold(!gic_fake_is_active(irq)); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const unsigned lrs[] = {1, 2, 4, 16};

    if (size < 1) { return 0; }
    memset(&fuzz.guest, 0, sizeof(fuzz.guest));
    forget_owed();
    fuzz.rerouted = false;
    for (unsigned i = 0; i < VCPUS; i++) { world.vcpu[i].arch.vgic.loaded = false; }
    gic_fake_reset((data[0] & 1) != 0 ? 3 : 2, lrs[data[0] >> 1 & 3]);
    host_irq_pending = (data[0] >> 3 & 1) != 0; // whatever the core does, something else waits for it
    world.vm.mmio = fuzz.maps[data[0] & 1];
    world_power_on();
    for (unsigned n = 0; n < STEPS_MAX && 1 + (n + 1) * sizeof(struct step) <= size; n++) {
        struct step step;
        memcpy(&step, data + 1 + n * sizeof(step), sizeof(step));
        one_step(&step);
        check();
    }
    drain();
    return 0;
}
