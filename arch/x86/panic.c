// SPDX-License-Identifier: Apache-2.0
// What a core says before it stops: control registers and the chain of calls. The code keeps no frame pointers, which
// would be a thirtieth of the image.
#include "kernel/panic.h"

#include "arch/x86/interrupts.h"
#include "arch/x86/mmu.h"
#include "kernel/arch.h"

enum { MAX_CALLS = 24 };
// CALL as SDM volume 2 encodes it: E8 and four bytes, or FF /2 with a ModRM that says how many follow.
enum { CALL = 0xe8, CALL_LENGTH = 5, CALL_INDIRECT = 0xff, MODRM_REG = 0x38, CALL_REG = 2 << 3, INDIRECT_MOST = 7 };

extern const uint8_t image_start[], text_end[]; // linker/x86.ld

static bool is_behind_call(const uint8_t *code) {
    if (code < image_start + INDIRECT_MOST || code >= text_end) { return false; }
    if (code[-CALL_LENGTH] == CALL) { return true; }
    for (int i = -2; i >= -INDIRECT_MOST; i--) {
        if (code[i] == CALL_INDIRECT && (code[i + 1] & MODRM_REG) == CALL_REG) { return true; }
    }
    return false;
}

// Every word on the stack that could be a return address: one that an earlier call left behind may be among them. What is
// read is probed first, and the walk ends with the stack.
void panic_dump_from(uint64_t stack) {
    log_line("  cr0 %lx  cr2 %016lx  cr3 %lx  cr4 %lx", read_cr0(), read_cr2(), read_cr3(), read_cr4());
    for (unsigned calls = 0; calls < MAX_CALLS && stack % 8 == 0 && mmu_readable(stack); stack += 8) {
        const uint8_t *address = *(const uint8_t *const *)stack;
        if (!is_behind_call(address)) { continue; }
        log_line("  from %lx", (uint64_t)address);
        calls++;
    }
}

void arch_panic_dump(void) { panic_dump_from((uint64_t)__builtin_frame_address(0)); }

void arch_park(void) {
    for (;;) { __asm__ volatile("cli; hlt" ::: "memory"); }
}
