// SPDX-License-Identifier: Apache-2.0
// The end of a core after a bug of the hypervisor: what panic() and the architecture's own fatal exceptions share.
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include "kernel/log.h"

// Masks interrupts, makes the log go straight to the UART, logs the reason with core and VM. When a panic is going on
// already, of this core or of another, logs the reason only and stops. Any context.
void panic_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
