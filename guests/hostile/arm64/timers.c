// SPDX-License-Identifier: Apache-2.0
// Timers that never let go: expiries in the past, reprogramming without end, garbage in all registers.
#include "arm64.h"

#include "interrupts.h"

#define EXPIRIES 10000
#define WRITES   100000
#define PAST     1

static volatile unsigned expiries;

static void stop_both(void) {
    timer_off();
    SYSREG_WRITE(cntp_ctl_el0, 0);
}

// Leaves the timer due, so that the interrupt comes back at once; stops after its share.
static void keep_due(uint32_t intid, uint64_t stamp) {
    (void)stamp;
    if (++expiries >= EXPIRIES)
        stop_both();
    else if (intid == TIMER_PHYSICAL_INTID)
        SYSREG_WRITE(cntp_cval_el0, PAST);
    else
        SYSREG_WRITE(cntv_cval_el0, PAST);
}

static void storm(uint32_t intid) {
    expiries = 0;
    irq_handle(intid, keep_due);
    irq_enable(intid);
    if (intid == TIMER_PHYSICAL_INTID) {
        SYSREG_WRITE(cntp_cval_el0, PAST);
        SYSREG_WRITE(cntp_ctl_el0, 1);
    } else {
        timer_set(PAST);
    }
    irq_unmask();
    while (expiries < EXPIRIES) spin_pause();
    irq_mask();
    irq_handle(intid, NULL);
    step_passed();
    restore_interrupts();
}

static void virtual_past(void) { storm(TIMER_INTERRUPT); }

static void physical_past(void) { storm(TIMER_PHYSICAL_INTID); }

// Each write may make the hypervisor program its own timer anew.
static void reprogram(void) {
    for (unsigned i = 0; i < WRITES; i++) {
        uint64_t soon = clock_now() + random64() % 1000;
        SYSREG_WRITE(cntp_cval_el0, soon);
        SYSREG_WRITE(cntp_ctl_el0, i & 3);
        SYSREG_WRITE(cntv_cval_el0, soon);
        SYSREG_WRITE(cntv_ctl_el0, i & 3);
        step_passed();
    }
    stop_both();
}

static void garbage(void) {
    for (unsigned i = 0; i < WRITES; i++) {
        SYSREG_WRITE(cntp_tval_el0, random64());
        SYSREG_WRITE(cntv_tval_el0, random64());
        SYSREG_WRITE(cntp_cval_el0, random64());
        SYSREG_WRITE(cntv_cval_el0, random64());
        SYSREG_WRITE(cntp_ctl_el0, random64());
        SYSREG_WRITE(cntv_ctl_el0, random64());
        SYSREG_WRITE(cntkctl_el1, random64());
        step_passed();
    }
    SYSREG_WRITE(cntkctl_el1, 0);
    stop_both();
}

const struct attack timer_attacks[] = {
    {"timer-virtual-past", virtual_past, CONTINUES},
    {"timer-physical-past", physical_past, CONTINUES},
    {"timer-reprogram", reprogram, CONTINUES},
    {"timer-garbage", garbage, CONTINUES},
    {0},
};
