// SPDX-License-Identifier: Apache-2.0
#include "alarm.h"

#include "fdt.h"
#include "gic.h"

#include <string.h>

#define RTCIMSC 0x10

uintptr_t rtc;

static bool clock_found(uint32_t *intid) {
    uint64_t size;
    int node = fdt_next_with(FDT_NONE, "compatible", "arm,pl031"), length = 0;
    const uint32_t *cells = fdt_property(node, "interrupts", &length);
    uint32_t spi;
    if (node == FDT_NONE || length < 8 || !fdt_reg(node, 0, &rtc, &size)) return false;
    memcpy(&spi, &cells[1], sizeof(spi));
    *intid = GIC_SPI_FIRST + __builtin_bswap32(spi);
    return true;
}

bool alarm_init(irq_handler *handler) {
    uint32_t intid;
    if (!clock_found(&intid)) {
        say("rtprobe: rows i and o need a PL031\n");
        return false;
    }
    irq_handle(intid, handler);
    irq_enable(intid);
    mmio_write32(rtc + RTCIMSC, 1);
    return true;
}
