// SPDX-License-Identifier: Apache-2.0
// Several VCPUs of this VM against the hypervisor: on and off in a race, SGIs from all to all, and the
// same emulated registers from everywhere at once.
#include "hostile.h"

#include "gic.h"

#define CYCLES        300
#define SGI_US        20000
#define OFF_LIMIT_MS  2000
#define AFFINITY_OFF  1
#define GICD_ENABLES  0x100
#define GICD_PRIORITY 0x400

static volatile bool stop;

static bool enough_vcpus(void) {
    if (vcpu_count() >= 2) return true;
    skip("needs a second VCPU");
    return false;
}

// Waits until VCPU `number` is off; false if that takes too long.
static bool wait_off(unsigned number) {
    uint64_t limit = clock_now() + us_to_ticks(OFF_LIMIT_MS * 1000ull);
    while (psci_call(PSCI_AFFINITY, number, 0, 0) != AFFINITY_OFF) {
        if (clock_now() > limit) return false;
        spin_pause();
    }
    return true;
}

static void start_all(void (*function)(void)) {
    stop = false;
    for (unsigned number = 1; number < vcpu_count(); number++)
        if (vcpu_start(number, function) == 0) step_passed();
}

static void stop_all(void) {
    stop = true;
    barrier_full();
    for (unsigned number = 1; number < vcpu_count(); number++) {
        gic_send(number, 0); // out of its WFI
        if (!wait_off(number)) say("hostile: VCPU %u does not stop\n", number);
    }
}

// Returning switches a VCPU off.
static void leave_at_once(void) {}

static void on_off(void) {
    if (!enough_vcpus()) return;
    for (unsigned i = 0; i < CYCLES; i++) {
        start_all(leave_at_once);
        stop_all();
    }
}

static void stay(void) {
    while (!stop) spin_pause();
}

// Twice on, and questions in the middle of it.
static void double_on(void) {
    if (!enough_vcpus()) return;
    for (unsigned i = 0; i < CYCLES; i++) {
        start_all(stay);
        vcpu_start(1, stay);
        psci_call(PSCI_AFFINITY, 1, 0, 0);
        stop_all();
    }
}

static void send_to_all(void) {
    irq_unmask();
    for (unsigned i = 0; !stop; i++) {
        gic_send(i % vcpu_count(), i % 16);
        gic_send_others(i % 16);
    }
    irq_mask();
}

static void let_them_run(void (*function)(void)) {
    if (!enough_vcpus()) return;
    start_all(function);
    uint64_t end = clock_now() + us_to_ticks(SGI_US);
    irq_unmask();
    while (clock_now() < end) spin_pause();
    irq_mask();
    stop_all();
    restore_interrupts();
}

static void sgi_storm(void) { let_them_run(send_to_all); }

static void write_enables(void) {
    for (unsigned i = 0; !stop; i++) {
        mmio_write32(gic.gicd + GICD_ENABLES + 0x80 * (i & 1) + 4 * (1 + i / 2 % 7), ~0u);
        mmio_write32(gic.gicd + GICD_PRIORITY + 32 + 4 * (i % 56), i);
        gic_set_pending(GIC_SPI_FIRST + i % (gic.lines - GIC_SPI_FIRST));
    }
}

static void gic_race(void) { let_them_run(write_enables); }

static void invalidate(void) {
    while (!stop) __asm__ volatile("tlbi vmalle1is\n\tic ialluis\n\tdsb ish\n\tisb" ::: "memory");
}

static void broadcasts(void) { let_them_run(invalidate); }

static void crash(void) { mmio_write32(0, 0); }

// One VCPU dies while the others run: the VM ends as a whole.
static void other_crashes(void) {
    if (!enough_vcpus()) return;
    vcpu_start(1, crash);
    uint64_t end = clock_now() + clock_hz;
    while (clock_now() < end) spin_pause();
}

const struct attack smp_attacks[] = {
    {"smp-on-off", on_off, CONTINUES},
    {"smp-double-on", double_on, CONTINUES},
    {"smp-sgi-storm", sgi_storm, CONTINUES},
    {"smp-gic-race", gic_race, CONTINUES},
    {"smp-broadcasts", broadcasts, CONTINUES},
    {"smp-other-crashes", other_crashes, DIES},
    {0},
};
