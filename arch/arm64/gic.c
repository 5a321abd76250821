// SPDX-License-Identifier: Apache-2.0
// Which interrupt controller the machine has.
#include "arch/arm64/gic.h"

#include "arch/arm64/gic_mmio.h"
#include "kernel/board.h"
#include "kernel/log.h"

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
            bool urgent = irq == GIC_SGI_KICK || irq == gic_machine.hyp_timer;
            priorities = priorities >> 8 | (uint32_t)(urgent ? GIC_PRIORITY_URGENT : GIC_PRIORITY_NORMAL) << 24;
        }
        gic_write(frame, GICD_IPRIORITYR + 32 * word + i, priorities);
    }
}

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
