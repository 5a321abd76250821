// SPDX-License-Identifier: Apache-2.0
// The interrupt table, and exceptions: those of a guarded call end it, any other ends the guest.
#include "entry.h"
#include "private.h"

_Static_assert(offsetof(struct trap_context, saved) == TRAP_SAVED &&
                   offsetof(struct trap_context, mxcsr) == TRAP_MXCSR &&
                   offsetof(struct trap_context, armed) == TRAP_ARMED,
               "vectors.S stores here");

#define EXCEPTIONS     32
#define VECTORS        256
#define VECTOR_SIZE    16
#define GATE_INTERRUPT 0x8e // present, interrupt gate of 64 bits
#define RFLAGS_FIXED   0x2

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

static struct gate idt[VECTORS] __attribute__((aligned(16)));

const struct idt_pointer idt_pointer = {sizeof(idt) - 1, idt};

void idt_init(void) {
    for (unsigned i = 0; i < VECTORS; i++) {
        uintptr_t entry = (uintptr_t)vectors + (uintptr_t)i * VECTOR_SIZE;
        idt[i] = (struct gate){.offset_low = (uint16_t)entry,
                               .offset_middle = (uint16_t)(entry >> 16),
                               .selector = SELECTOR_CODE,
                               .ist = i < EXCEPTIONS ? IST_EXCEPTIONS : IST_INTERRUPTS,
                               .type = GATE_INTERRUPT};
    }
}

void trap_dispatch(struct trap_frame *frame) {
    struct trap_context *context = trap_contexts[vcpu_self()];
    bool in_handler = frame->rsp > (uintptr_t)handler_stacks && frame->rsp <= (uintptr_t)stacks;
    if (!context || !context->armed || in_handler) {
        say("guest: %s, vector %u error %#llx rip %#llx cr2 %#llx\n",
            in_handler ? "exception inside a handler" : "unexpected exception", (unsigned)frame->vector,
            (unsigned long long)frame->error, (unsigned long long)frame->rip, (unsigned long long)CONTROL_READ(cr2));
        machine_off();
    }
    context->vector = frame->vector;
    context->error = frame->error;
    context->cr2 = CONTROL_READ(cr2);
    context->rip = frame->rip;
    frame->rip = (uintptr_t)trap_resume;
    frame->rsp = context->resume_sp;
    frame->rdi = (uintptr_t)context;
    frame->rflags = RFLAGS_FIXED;
}
