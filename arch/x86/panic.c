// SPDX-License-Identifier: Apache-2.0
// What a core says before it stops: control registers and the chain of calls, by frame pointers.
#include "kernel/panic.h"

#include "arch/x86/interrupts.h"
#include "arch/x86/mmu.h"
#include "kernel/arch.h"

enum { MAX_FRAMES = 24 };

struct call {
    const struct call *caller;
    uint64_t return_address;
};

// The chain may be broken: every frame is probed before it is read, and the walk is bounded.
void panic_dump_from(uint64_t frame_pointer) {
    log_line("  cr0 %lx  cr2 %016lx  cr3 %lx  cr4 %lx", read_cr0(), read_cr2(), read_cr3(), read_cr4());
    for (unsigned i = 0; i < MAX_FRAMES; i++) {
        const struct call *call = (const struct call *)frame_pointer;
        if (frame_pointer % 8 != 0 || !mmu_readable(frame_pointer) || !mmu_readable(frame_pointer + 8)) { return; }
        log_line("  from %lx", call->return_address);
        frame_pointer = (uint64_t)call->caller;
    }
}

void arch_panic_dump(void) { panic_dump_from((uint64_t)__builtin_frame_address(0)); }

void arch_park(void) {
    for (;;) { __asm__ volatile("cli; hlt" ::: "memory"); }
}
