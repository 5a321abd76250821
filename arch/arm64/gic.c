// SPDX-License-Identifier: Apache-2.0
// Which interrupt controller the machine has.
#include "arch/arm64/gic.h"

#include "arch/arm64/gic_mmio.h"
#include "kernel/arch.h"
#include "kernel/board.h"
#include "kernel/log.h"
#include "kernel/space.h"

const struct gic_ops *gic;
struct gic_machine gic_machine;

static const char *const v3_names[] = {"arm,gic-v3", NULL};
static const char *const v2_names[] = {"arm,cortex-a15-gic", "arm,cortex-a7-gic", "arm,gic-400", NULL};

static const struct {
    const struct gic_ops *ops;
    const char *const *names;
} kinds[] = {{&gicv3_ops, v3_names}, {&gicv2_ops, v2_names}};

void gic_reset_word(void *frame, unsigned word, uint32_t group) {
    gic_write(frame, GICD_ICENABLER + 4 * word, ~0u);
    gic_write(frame, GICD_ICPENDR + 4 * word, ~0u);
    gic_write(frame, GICD_ICACTIVER + 4 * word, ~0u);
    gic_write(frame, GICD_IGROUPR + 4 * word, group);
    gic_write(frame, GICD_ICFGR + 8 * word, 0); // of SGIs it is read-only
    gic_write(frame, GICD_ICFGR + 8 * word + 4, 0);
    for (unsigned i = 0; i < 32; i += 4) {
        uint32_t priorities = 0;
        for (unsigned irq = word * 32 + i; irq < word * 32 + i + 4; irq++) {
            unsigned priority = irq == gic_machine.hyp_timer ? GIC_PRIORITY_FIRST
                                : irq == GIC_SGI_KICK        ? GIC_PRIORITY_LAST
                                                             : GIC_PRIORITY_NORMAL;
            priorities = priorities >> 8 | priority << 24;
        }
        gic_write(frame, GICD_IPRIORITYR + 32 * word + i, priorities);
    }
    if (word == 0) {
        gic_write(frame, GICD_ISENABLER,
                  1u << gic_machine.maintenance | 1u << gic_machine.hyp_timer | 1u << gic_machine.vtimer |
                      1u << GIC_SGI_KICK | 1u << GIC_SGI_STOP);
    }
}

bool gic_wait_clear(const void *frame, unsigned offset, uint32_t bits) {
    for (unsigned i = 0; i < 1000000; i++) {
        if ((gic_read(frame, offset) & bits) == 0) { return true; }
    }
    return false;
}

void gic_wait_distributor(void) { gic_wait_clear(gic_machine.gicd, GICD_CTLR, GICD_CTLR_RWP); }

int gic_map_frame(const void *fdt, int node, unsigned index, void **frame) {
    struct range range;
    int status = board_reg(fdt, node, index, &range);

    if (status != OK) { return status; }
    *frame = space_map(SPACE_DEVICES, range.base, range.size);
    return *frame != NULL ? OK : ERR_NO_MEMORY;
}

int gic_map_distributor(const void *fdt, int node) {
    int status = gic_map_frame(fdt, node, 0, &gic_machine.gicd);

    if (status != OK) { return status; }
    gic_machine.spi_limit =
        MIN(32 * ((gic_read(gic_machine.gicd, GICD_TYPER) & GICD_TYPER_LINES) + 1), (unsigned)GIC_MAX_IRQ);
    return OK;
}

void gic_reset_distributor(uint32_t group) {
    gic_write(gic_machine.gicd, GICD_CTLR, 0);
    gic_wait_distributor();
    for (unsigned irq = GIC_SPI_FIRST; irq < gic_machine.spi_limit; irq += 32) {
        gic_reset_word(gic_machine.gicd, irq / 32, group);
    }
    gic_wait_distributor();
}

// One bit of a set/clear register of the distributor.
static void write_bit(unsigned base, unsigned irq) { gic_write(gic_machine.gicd, base + irq / 32 * 4, 1u << irq % 32); }

void gic_enable(unsigned irq, bool on) {
    write_bit(on ? GICD_ISENABLER : GICD_ICENABLER, irq);
    if (!on) { gic_wait_distributor(); }
}

void gic_configure(unsigned irq, bool edge) {
    unsigned offset = GICD_ICFGR + irq / 16 * 4;
    uint32_t bit = 2u << irq % 16 * 2;
    uint32_t value = gic_read(gic_machine.gicd, offset);

    gic_write(gic_machine.gicd, offset, edge ? value | bit : value & ~bit);
}

void gic_set_active(unsigned irq, bool active) {
    void *frame = irq < GIC_SPI_FIRST ? this_cpu()->arch.gic_own : gic_machine.gicd;
    unsigned offset = (active ? GICD_ISACTIVER : GICD_ICACTIVER) + irq / 32 * 4;

    gic_write(frame, offset, 1u << irq % 32);
    if (active) { // reading the device back orders behind the write
        (void)gic_read(frame, offset);
        dsb_sy();
    }
}

void gic_set_pending(unsigned irq, bool pending) { write_bit(pending ? GICD_ISPENDR : GICD_ICPENDR, irq); }

int gic_init(const void *board_fdt) {
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        int node = board_find_compatible(board_fdt, kinds[i].names, -1);
        if (node >= 0) {
            int status = gic_find_ppis(board_fdt, node);
            gic = kinds[i].ops;
            return status == OK ? gic->init(board_fdt, node) : status;
        }
    }
    log_line("board: no interrupt controller that is known; wanted: %s, %s or %s", v3_names[0], v2_names[0],
             v2_names[2]);
    return ERR_NOT_FOUND;
}
