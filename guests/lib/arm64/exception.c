// SPDX-License-Identifier: Apache-2.0
// Exceptions: those of a guarded call end it, any other ends the guest.
#include "entry.h"
#include "machine.h"
#include "private.h"

_Static_assert(offsetof(struct trap_context, saved) == TRAP_SAVED, "vectors.S stores here");
_Static_assert(offsetof(struct trap_context, armed) == TRAP_ARMED, "vectors.S stores here");

#define CLASS_SERROR 0x2f

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
    context->serror = ESR_CLASS(esr) == CLASS_SERROR;
    frame->elr = context->resume_pc;
}

void trap_in_handler(void) {
    say("guest: exception inside a handler, esr %#llx far %#llx elr %#llx\n", (unsigned long long)SYSREG_READ(esr_el1),
        (unsigned long long)SYSREG_READ(far_el1), (unsigned long long)SYSREG_READ(elr_el1));
    machine_off();
}
