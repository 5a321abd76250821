// SPDX-License-Identifier: Apache-2.0
// Programs that lose their way: undefined instructions, exceptions of every kind, control registers with each bit, ruined
// stacks, waits without end.
#include "interrupts.h"
#include "x86.h"

#define LOOPS          100000
#define STORM          20000
#define CR0_PG_BIT     31
#define CR4_EVERYWHERE 0x7df // VME to OSXMMEXCPT, without PAE
#define CR4_LA57       (1 << 12)
#define CR_BITS        64

static const struct registers none = {0};

static void undefined_instructions(void) {
    static const struct instruction table[] = {
        CODE(0x0f, 0x0b),                                    // ud2
        CODE(0x0f, 0xb9, 0xc0),                              // ud1
        CODE(0x0f, 0xff, 0xc0),                              // ud0
        CODE(0xf0, 0x90),                                    // lock nop
        CODE(0x06),                                          // push es: not in 64-bit mode
        CODE(0xd6),                                          // salc
        CODE(0x62, 0x00, 0x00, 0x00, 0x00, 0x00),            // an EVEX that is none
        CODE(0xc4, 0xe0, 0x00, 0x00),                        // a VEX of no map
        CODE(0x8f, 0xe0, 0x00, 0x00),                        // an XOP of no map
        CODE(0x0f, 0x0f, 0xc0, 0x00),                        // 3DNow!
        CODE(0x0f, 0x05),                                    // syscall without EFER.SCE
        CODE(0x0f, 0x34),                                    // sysenter to nowhere
        CODE(0x0f, 0xaa),                                    // rsm
        CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, // 15 prefixes and a nop
             0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90),
    };
    step_each(table, COUNT_OF(table), &none);
}

static void ud_storm(void) {
    static const uint8_t ud2[] = {0x0f, 0x0b};
    for (unsigned i = 0; i < STORM; i++) step_code(ud2, sizeof(ud2), &none);
}

static void exceptions(void) {
    static const struct instruction table[] = {
        CODE(0xf7, 0xf1),                               // div ecx: by 0
        CODE(0xcc),                                     // int3
        CODE(0xf1),                                     // icebp
        CODE(0x9c, 0x80, 0x4c, 0x24, 0x01, 0x01, 0x9d), // TF on the stack, popf: a single step
        CODE(0x8e, 0xd0),                               // mov ss, ax: null
        CODE(0xb8, 0xff, 0xff, 0, 0, 0x8e, 0xd8),       // mov ds: beyond the GDT
        CODE(0x6a, 0x00, 0x6a, 0x00, 0x48, 0xcb),       // far return to a null selector
        CODE(0x48, 0xcf),                               // iretq of what the stack holds
        CODE(0x0f, 0x00, 0xd0),                         // lldt: null
        CODE(0xcd, 0x02),                               // int 2
        CODE(0x0f, 0x01, 0xf8),                         // swapgs
        CODE(0x0f, 0x21, 0xe0),                         // mov rax, dr4
        CODE(0x0f, 0x23, 0xf8),                         // mov dr7, rax
        CODE(0x48, 0xff, 0xc8, 0x0f, 0x23, 0xf8),       // mov dr7, ~0: reserved bits
    };
    step_each(table, COUNT_OF(table), &none);
    __asm__ volatile("mov %0, %%dr7" ::"r"(0x400ull));
}

static void software_interrupts(void) {
    for (unsigned vector = 32; vector < 256; vector++) step_code((uint8_t[]){0xcd, (uint8_t)vector}, 2, &none);
    restore_interrupts();
}

// Each bit turned over alone and back at once; what is refused traps. Those of `spared` end paging, which long mode forbids
// and not every machine refuses: they have an attack of their own.
#define TURN_BITS(name, spared)                                                                          \
    static void name##_turn(void *argument) {                                                            \
        uint64_t old = CONTROL_READ(name), changed = old ^ *(uint64_t *)argument;                        \
        __asm__ volatile("mov %0, %%" #name "\n\tmov %1, %%" #name ::"r"(changed), "r"(old) : "memory"); \
    }                                                                                                    \
    static void name##_bits(void) {                                                                      \
        uint64_t old = CONTROL_READ(name);                                                               \
        for (unsigned bit = 0; bit < CR_BITS; bit++) {                                                   \
            uint64_t mask = 1ull << bit;                                                                 \
            if (mask & (spared)) continue;                                                               \
            step(name##_turn, &mask);                                                                    \
            CONTROL_WRITE(name, old);                                                                    \
        }                                                                                                \
    }

TURN_BITS(cr0, CR0_PE | 1ull << CR0_PG_BIT)
TURN_BITS(cr4, ~(uint64_t)CR4_EVERYWHERE)
TURN_BITS(cr8, 0)

// What a CPU may lack. Emulators do not raise the exception that is due.
static void cr4_reserved(void) {
    for (unsigned bit = 0; bit < CR_BITS; bit++) {
        uint64_t mask = 1ull << bit;
        if (!(mask & (CR4_EVERYWHERE | CR4_PAE | CR4_LA57))) step(cr4_turn, &mask);
    }
}

static void paging_off(void) {
    uint64_t paging = 1ull << CR0_PG_BIT, protection = CR0_PE, pae = CR4_PAE, levels = CR4_LA57;
    step(cr0_turn, &paging);
    step(cr0_turn, &protection);
    step(cr4_turn, &pae);
    step(cr4_turn, &levels);
}

static void efer_turn(void *argument) {
    uint64_t old = msr_read(MSR_EFER);
    msr_write(MSR_EFER, old ^ *(uint64_t *)argument);
    msr_write(MSR_EFER, old);
}

static void efer_bits(void) {
    for (unsigned bit = 0; bit < CR_BITS; bit++) {
        uint64_t mask = 1ull << bit;
        step(efer_turn, &mask);
    }
}

static void xsetbv(void *argument) {
    uint64_t value = *(uint64_t *)argument;
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void xcr_bits(void) {
    uint64_t first = 1;
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)) {
        skip("no XSAVE");
        return;
    }
    CONTROL_WRITE(cr4, CONTROL_READ(cr4) | CR4_OSXSAVE);
    for (unsigned bit = 0; bit < CR_BITS; bit++) {
        uint64_t alone = 1ull << bit, beside = alone | first;
        step(xsetbv, &alone);
        step(xsetbv, &beside);
    }
    step(xsetbv, &first);
}

static void jump(void *address) { ((void (*)(void))(uintptr_t)address)(); }

static void jump_noncanonical(void) { step(jump, (void *)NON_CANONICAL); }

// There is no way back from a ruined stack.
static void use_stack(void *top) {
    __asm__ volatile("mov %0, %%rsp\n\tpush %%rax\n\tud2" ::"r"(top) : "memory");
    __builtin_unreachable();
}

static void stack_noncanonical(void) { step(use_stack, (void *)NON_CANONICAL); }

static void stack_unmapped(void) { step(use_stack, (void *)0xffffff8000000000ull); }

static void halt_loop(void) {
    timer_set(clock_now());
    irq_enable(TIMER_INTERRUPT);
    for (unsigned i = 0; i < LOOPS / 100; i++) {
        timer_set(clock_now());
        take_interrupt();
        step_passed();
    }
    restore_interrupts();
}

static void pause_loop(void) {
    for (unsigned i = 0; i < LOOPS; i++) spin_pause();
    step_passed();
}

static void caches(void *unused) {
    (void)unused;
    __asm__ volatile("wbinvd" ::: "memory");
}

static void wbinvd_loop(void) {
    for (unsigned i = 0; i < LOOPS / 100; i++) step(caches, NULL);
}

// No table to find a handler in, nor one for that.
static void triple_fault(void) {
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = {0, 0};
    __asm__ volatile("lidt %0\n\tud2" ::"m"(nothing));
}

static void spin_masked(void) {
    irq_mask();
    for (;;) spin_pause();
}

static void halt_masked(void) {
    irq_mask();
    for (;;) wait_for_interrupt();
}

static void wait_forever(void) {
    for (;;) take_interrupt();
}

const struct attack control_attacks[] = {
    {"undefined-instructions", undefined_instructions, CONTINUES},
    {"ud-storm", ud_storm, CONTINUES},
    {"exceptions", exceptions, CONTINUES},
    {"software-interrupts", software_interrupts, CONTINUES},
    {"cr0-bits", cr0_bits, CONTINUES},
    {"cr4-bits", cr4_bits, CONTINUES},
    {"cr4-reserved", cr4_reserved, EITHER},
    {"cr8-bits", cr8_bits, CONTINUES},
    {"paging-off", paging_off, EITHER},
    {"efer-bits", efer_bits, CONTINUES},
    {"xcr-bits", xcr_bits, CONTINUES},
    {"jump-noncanonical", jump_noncanonical, CONTINUES},
    {"stack-noncanonical", stack_noncanonical, CONTINUES},
    {"stack-unmapped", stack_unmapped, CONTINUES},
    {"halt-loop", halt_loop, CONTINUES},
    {"pause-loop", pause_loop, CONTINUES},
    {"wbinvd-loop", wbinvd_loop, CONTINUES},
    {"triple-fault", triple_fault, DIES},
    {"spin-masked", spin_masked, SPINS},
    {"halt-masked", halt_masked, SPINS},
    {"wait-forever", wait_forever, SPINS},
    {0},
};
