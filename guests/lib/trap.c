// SPDX-License-Identifier: Apache-2.0
// Exceptions: those of a guarded call end it, any other ends the guest.
#include "private.h"

#include <string.h>

struct trap_context *trap_contexts[VCPUS_MAX];

_Static_assert(offsetof(struct trap_context, saved) == TRAP_SAVED, "vectors.S stores here");
_Static_assert(offsetof(struct trap_context, armed) == TRAP_ARMED, "vectors.S stores here");

#define SPSR_A (1u << 8)

int guard(struct trap_context *context, void (*function)(void *), void *argument) {
    memset(context, 0, sizeof(*context));
    trap_contexts[vcpu_self()] = context;
    return trap_guarded(context, function, argument);
}

void trap_dispatch(struct trap_frame *frame) {
    struct trap_context *context = trap_contexts[vcpu_self()];
    uint64_t esr = SYSREG_READ(esr_el1), far = SYSREG_READ(far_el1);
    if (!context || !context->armed) {
        say("guest: unexpected exception, esr %#llx far %#llx elr %#llx x30 %#llx\n", (unsigned long long)esr,
            (unsigned long long)far, (unsigned long long)frame->elr, (unsigned long long)frame->x30);
        machine_off();
    }
    context->esr = esr;
    context->far = far;
    context->elr = frame->elr;
    context->serror = ESR_CLASS(esr) == 0x2f;
    frame->elr = context->resume_pc;
}

void trap_in_handler(void) {
    say("guest: exception inside a handler, esr %#llx far %#llx elr %#llx\n", (unsigned long long)SYSREG_READ(esr_el1),
        (unsigned long long)SYSREG_READ(far_el1), (unsigned long long)SYSREG_READ(elr_el1));
    machine_off();
}
