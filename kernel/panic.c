// SPDX-License-Identifier: Apache-2.0
#include "kernel/panic.h"

#include "kernel/arch.h"
#include "kernel/console.h"

enum { REASON_MAX = 128, STOP_SPINS = 10000000 }; // some ten milliseconds

static bool going_on; // one dump at a time: what a second one could add is not worth a garbled first

void panic_stop(void) {
    __atomic_store_n(&this_cpu()->online, false, __ATOMIC_RELEASE);
    arch_park();
}

// Nothing runs on beside a hypervisor that is wrong, and nobody else writes to the console. Bounded, without the clock's
// help: one of them may wait for a lock of ours with its interrupts masked.
static void stop_others(const struct cpu *self) {
    if (cpu_count > 1) { arch_stop_others(); }
    for (unsigned i = 0, spins = 0; i < cpu_count; i++) {
        while (cpus[i] != self && __atomic_load_n(&cpus[i]->online, __ATOMIC_ACQUIRE) && spins < STOP_SPINS) {
            spins++;
            arch_relax();
        }
    }
}

static void log_not_stopped(const struct cpu *self) {
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i] != self && __atomic_load_n(&cpus[i]->online, __ATOMIC_ACQUIRE)) {
            log_line("  core %u did not stop", i);
        }
    }
}

static void begin(const char *format, va_list args) {
    char reason[REASON_MAX];
    const struct cpu *cpu = this_cpu();
    const struct vcpu *vcpu = cpu->current;

    arch_irq_save();
    bool second = __atomic_exchange_n(&going_on, true, __ATOMIC_ACQ_REL);
    if (!second) {
        stop_others(cpu);
        console_panic_begin();
    }
    format_string_v(reason, sizeof(reason), format, args);
    log_line("PANIC on core %u: %s", cpu->id, reason);
    if (second) { panic_stop(); }
    if (vcpu != NULL) {
        log_line("  VM %s, VCPU %u", vcpu->vm->name, vcpu->index);
    } else {
        log_line("  no VM: boot, or the hypervisor's own thread");
    }
    log_not_stopped(cpu);
}

void panic_begin(const char *format, ...) {
    va_list args;

    va_start(args, format);
    begin(format, args);
    va_end(args);
}

void panic(const char *format, ...) {
    va_list args;

    va_start(args, format);
    begin(format, args);
    va_end(args);
    arch_panic_dump();
    arch_park();
}
