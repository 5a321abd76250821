// SPDX-License-Identifier: Apache-2.0
// What the hypervisor takes from one VCPU for another's sake, seen by the one that it is taken from: it reads the clock
// without pause, and a gap is what was taken. VCPU 0 is best effort, VCPU 1 has a reservation on the same core, and the
// machine has a real-time clock (PL031, Arm DDI 0224) of its own, whose interrupt goes to VCPU 0.
#include "fdt.h"
#include "gic.h"
#include "rtprobe.h"

#include <string.h>

#define ROUNDS   500
#define RESERVED 1
#define WAKE_SGI 1
#define PAUSE_US 2000 // between two rounds: a whole new budget
#define WATCH_US 50   // after an interrupt: all that it brings comes within
#define GAP_NS   30   // a turn of the watching loop takes less, anything of the hypervisor more

#define RTCDR    0x00
#define RTCMR    0x04
#define RTCIMSC  0x10
#define RTCICR   0x1c

static uintptr_t rtc;
static struct row *interrupt_row;
static volatile uint64_t came_at, left_at; // VCPU 1: its last interrupt, and when it went to sleep last
static volatile bool activations_over, interrupts_over;

static void on_timer(uint32_t intid, uint64_t stamp) {
    (void)intid;
    timer_off();
    came_at = stamp;
}

static void on_alarm(uint32_t intid, uint64_t stamp) {
    (void)intid, (void)stamp;
    mmio_write32(rtc + RTCICR, 1);
}

static void take_interrupts(void) {
    irq_unmask();
    __asm__ volatile("isb" ::: "memory");
    irq_mask();
}

static void pause_reserved(void) {
    timer_set(clock_now() + us_to_ticks(PAUSE_US));
    left_at = clock_now();
    wait_for_interrupt();
    take_interrupts();
}

// ---- an activation of VCPU 1, watched by VCPU 0 --------------------------------------------------

// What passed in a gap outside of VCPU 1: till its vector, and from its WFI.
static void watch_activations(struct row *row) {
    uint64_t gap = us_to_ticks(GAP_NS) / 1000, last = clock_now();
    while (!activations_over) {
        uint64_t now = clock_now();
        if (now - last > gap) {
            if (came_at > last) row_add(row, came_at - last + (now - left_at));
            now = clock_now();
        }
        last = now;
    }
}

// ---- an interrupt for VCPU 0, watched by VCPU 1 --------------------------------------------------

// The alarm is set to the second that it is: the interrupt comes with the store.
static uint64_t alarm_taken(void) {
    uint64_t gap = us_to_ticks(GAP_NS) / 1000, taken = 0, last = clock_now(), end = last + us_to_ticks(WATCH_US);
    mmio_write32(rtc + RTCMR, mmio_read32(rtc + RTCDR));
    while (last < end) {
        uint64_t now = clock_now();
        if (now - last > gap) taken += now - last;
        last = now;
    }
    return taken;
}

static void reserved_vcpu(void) {
    gic_enable(TIMER_VIRTUAL_INTID);
    for (unsigned i = 0; i < ROUNDS; i++) pause_reserved();
    activations_over = true;
    for (unsigned i = 0; i < ROUNDS; i++) {
        pause_reserved();
        row_add(interrupt_row, alarm_taken());
    }
    interrupts_over = true;
    for (;;) {
        gic_send(0, WAKE_SGI);
        pause_reserved();
    }
}

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

void cost_rows(void) {
    uint32_t intid;
    struct row *activation = row_begin("cost_activation", "ns");
    interrupt_row = row_begin("cost_interrupt", "ns");
    if (!clock_found(&intid)) {
        say("rtprobe: row o needs a PL031\n");
        return;
    }
    irq_handle(TIMER_VIRTUAL_INTID, on_timer);
    irq_handle(intid, on_alarm);
    if (vcpu_start(RESERVED, reserved_vcpu) != 0) {
        say("rtprobe: row o needs a second VCPU\n");
        return;
    }
    watch_activations(activation);
    gic_enable(intid);
    mmio_write32(rtc + RTCIMSC, 1);
    while (!interrupts_over) {
        wait_for_interrupt();
        take_interrupts();
    }
}
