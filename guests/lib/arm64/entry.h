// SPDX-License-Identifier: Apache-2.0
// Between the assembly and the C files of the library on AArch64.
#ifndef GUEST_ENTRY_H
#define GUEST_ENTRY_H

#include <stdint.h>

// A frame as save_frame in vectors.S lays it out.
struct trap_frame {
    uint64_t x[18];
    uint64_t x30;
    uint64_t elr;
    uint64_t spsr;
};

// Called by head.S and vectors.S.
_Noreturn void guest_start(const void *device_tree);
_Noreturn void secondary_start(uint64_t number);
void irq_dispatch(uint64_t stamp);
void trap_dispatch(struct trap_frame *frame);
_Noreturn void trap_in_handler(void);

extern char secondary_entry[];

void firmware_init(void);

#endif
