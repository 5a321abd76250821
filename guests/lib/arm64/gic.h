// SPDX-License-Identifier: Apache-2.0
// interrupts.h on GICv2 (Arm IHI 0048) and GICv3 (IHI 0069), whichever the device tree names, and what else these have.
#ifndef GUEST_GIC_H
#define GUEST_GIC_H

#include <stdbool.h>
#include <stdint.h>

#define GIC_SPI_FIRST 32
#define GIC_SPURIOUS  1020 // acknowledged numbers from here up are no interrupts

struct gic {
    unsigned version;    // 2 or 3
    uintptr_t gicd;      // distributor
    uintptr_t gicc;      // version 2: CPU interface
    uintptr_t gicr;      // version 3: the first VCPU's redistributor
    uintptr_t gicr_size; // version 3: of the whole region
    unsigned lines;      // interrupt numbers that the distributor has
};

extern struct gic gic;

// Finds the controller, sets up the distributor and the boot VCPU's interface; every SPI stays
// disabled. False if the device tree names none.
bool gic_init(void);
// The interface of the calling VCPU, with every SGI enabled.
void gic_init_vcpu(void);

void gic_set_pending(uint32_t intid);

#endif
