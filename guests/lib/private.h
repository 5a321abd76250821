// SPDX-License-Identifier: Apache-2.0
// Between the files of the guest library, and from its assembly.
#ifndef GUEST_PRIVATE_H
#define GUEST_PRIVATE_H

#include "guest.h"

// A frame as save_frame in vectors.S lays it out.
struct trap_frame {
    uint64_t x[18];
    uint64_t x30;
    uint64_t elr;
    uint64_t spsr;
};

extern struct trap_context *trap_contexts[VCPUS_MAX];

// Called by head.S and vectors.S.
_Noreturn void guest_start(const void *device_tree);
_Noreturn void secondary_start(uint64_t number);
void irq_dispatch(uint64_t stamp);
void trap_dispatch(struct trap_frame *frame);
_Noreturn void trap_in_handler(void);
int trap_guarded(struct trap_context *context, void (*function)(void *), void *argument);

extern char secondary_entry[];

void console_init(void);
void firmware_init(void);
_Noreturn void device_tree_missing(void);

#endif
