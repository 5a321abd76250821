// SPDX-License-Identifier: Apache-2.0
// Several VCPUs of this VM against the hypervisor: on and off in a race, IPIs from all to all, and the
// same emulated registers from everywhere at once.
#include "hostile.h"

#include "interrupts.h"

#define CYCLES       300 // unless `cycles` says otherwise
#define RUN_US       20000
#define OFF_LIMIT_MS 2000
#define BEYOND       0x10000 // behind the last byte of memory
#define TURNS        100

volatile bool smp_stop;

static bool enough_vcpus(void) {
    if (vcpu_count() >= 2) return true;
    skip("needs a second VCPU");
    return false;
}

// A turn of a loop that waits for another VCPU. An emulator leaves its translated code at each pause; as often as a loop can,
// and a slice of the core takes it seconds.
static void turn(void) {
    for (unsigned i = 0; i < TURNS; i++) __asm__ volatile("");
    spin_pause();
}

// Waits until VCPU `number` is off; false if that takes too long.
static bool wait_off(unsigned number) {
    uint64_t limit = clock_now() + us_to_ticks(OFF_LIMIT_MS * 1000ull);
    while (!vcpu_is_off(number)) {
        if (clock_now() > limit) return false;
        turn();
    }
    return true;
}

static void start_all(void (*function)(void)) {
    smp_stop = false;
    for (unsigned number = 1; number < vcpu_count(); number++)
        if (vcpu_start(number, function) == 0) step_passed();
}

static void stop_all(void) {
    smp_stop = true;
    barrier_full();
    for (unsigned number = 1; number < vcpu_count(); number++) {
        ipi_send(number, 0); // out of its wait
        if (!wait_off(number)) say("hostile: VCPU %u does not stop\n", number);
    }
}

// Returning switches a VCPU off.
static void leave_at_once(void) {}

static void on_off(void) {
    if (!enough_vcpus()) return;
    for (uint64_t i = arg_number("cycles", CYCLES); i > 0; i--) {
        start_all(leave_at_once);
        stop_all();
    }
}

static void stay(void) {
    while (!smp_stop) turn();
}

// Twice on, and questions in the middle of it.
static void double_on(void) {
    if (!enough_vcpus()) return;
    for (uint64_t i = arg_number("cycles", CYCLES); i > 0; i--) {
        start_all(stay);
        vcpu_start(1, stay);
        vcpu_is_off(1);
        stop_all();
    }
}

static void send_to_all(void) {
    irq_unmask();
    for (unsigned i = 0; !smp_stop; i++) {
        ipi_send(i % vcpu_count(), i % 16);
        ipi_send_others(i % 16);
    }
    irq_mask();
}

void smp_run(void (*function)(void)) {
    if (!enough_vcpus()) return;
    start_all(function);
    uint64_t end = clock_now() + us_to_ticks(RUN_US);
    irq_unmask();
    while (clock_now() < end) turn();
    irq_mask();
    stop_all();
    restore_interrupts();
}

static void ipi_storm(void) { smp_run(send_to_all); }

static uintptr_t nowhere;

static void crash(void) { ((void (*)(void))nowhere)(); }

// The last VCPU dies while the others run: the VM ends as a whole.
static void other_crashes(void) {
    if (!enough_vcpus()) return;
    nowhere = (uintptr_t)window(memory_end() + BEYOND, true, true);
    smp_stop = false;
    for (unsigned number = 1; number < vcpu_count(); number++)
        vcpu_start(number, number + 1 < vcpu_count() ? stay : crash);
    uint64_t end = clock_now() + clock_hz;
    while (clock_now() < end) turn();
}

const struct attack smp_attacks[] = {
    {"smp-on-off", on_off, CONTINUES},
    {"smp-double-on", double_on, CONTINUES},
    {"smp-ipi-storm", ipi_storm, CONTINUES},
    {"smp-other-crashes", other_crashes, DIES},
    {0},
};
