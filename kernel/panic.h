// SPDX-License-Identifier: Apache-2.0
// The end of the machine after a bug of the hypervisor: what panic() and the architecture's own fatal exceptions share.
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include "kernel/log.h"

// Masks interrupts, stops the other cores, makes the log go straight to the UART, logs the reason with core and VM, and
// which core did not stop in time. When a panic is going on already, of this core or of another, logs the reason only and
// stops. Any context.
void panic_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));

// What arch_stop_others makes of the other cores: this one runs nothing any more. Handler context.
void panic_stop(void) __attribute__((noreturn));

#endif
