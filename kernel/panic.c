// SPDX-License-Identifier: Apache-2.0
#include "kernel/panic.h"

#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/cpu.h"

enum { REASON_MAX = 128 };

static bool going_on; // one dump at a time: what a second one could add is not worth a garbled first

static void begin(const char *format, va_list args) {
    char reason[REASON_MAX];
    const struct cpu *cpu = this_cpu();
    const struct vcpu *vcpu = cpu->current;
    bool second;

    arch_irq_save();
    second = __atomic_exchange_n(&going_on, true, __ATOMIC_ACQ_REL);
    if (!second) { console_panic_begin(); }
    format_string_v(reason, sizeof(reason), format, args);
    log_line("PANIC on core %u: %s", cpu->id, reason);
    if (second) { arch_park(); }
    if (vcpu != NULL) {
        log_line("  VM %s, VCPU %u", vcpu->vm->name, vcpu->index);
    } else {
        log_line("  no VM: boot, or the hypervisor's own thread");
    }
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
