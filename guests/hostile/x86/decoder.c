// SPDX-License-Identifier: Apache-2.0
// Device accesses by instructions that a hypervisor has to decode: all that reads or writes memory, oddly prefixed, too long,
// at odd places. It may refuse them or end the VM, but not guess.
#include "x86.h"

#include <string.h>

#define PAGE   4096
#define ROUNDS 50

// All address [rdi]; the string instructions also [rsi].
static const struct instruction moves[] = {
    CODE(0x8a, 0x07),                   // mov al, [rdi]
    CODE(0x88, 0x07),                   // mov [rdi], al
    CODE(0x66, 0x8b, 0x07),             // mov ax, [rdi]
    CODE(0x8b, 0x07),                   // mov eax, [rdi]
    CODE(0x89, 0x07),                   // mov [rdi], eax
    CODE(0x48, 0x8b, 0x07),             // mov rax, [rdi]
    CODE(0x48, 0x89, 0x07),             // mov [rdi], rax
    CODE(0x8a, 0x27),                   // mov ah, [rdi]
    CODE(0x40, 0x8a, 0x37),             // mov sil, [rdi]
    CODE(0xc6, 0x07, 0x00),             // mov byte [rdi], 0
    CODE(0xc7, 0x07, 0, 0, 0, 0),       // mov dword [rdi], 0
    CODE(0x0f, 0xb6, 0x07),             // movzx eax, byte [rdi]
    CODE(0x48, 0x0f, 0xbf, 0x07),       // movsx rax, word [rdi]
    CODE(0x48, 0x63, 0x07),             // movsxd rax, [rdi]
    CODE(0x0f, 0xc3, 0x07),             // movnti [rdi], eax
    CODE(0x0f, 0x38, 0xf0, 0x07),       // movbe eax, [rdi]
    CODE(0x44, 0x8b, 0x44, 0x1f, 0x00), // mov r8d, [rdi + rbx + 0]
    CODE(0x8b, 0x04, 0x3b),             // mov eax, [rbx + rdi]
    CODE(0x67, 0x8b, 0x07),             // mov eax, [edi]
};

static const struct instruction selectors[] = {CODE(0x8c, 0x1f), CODE(0x66, 0x8c, 0x07),
                                               CODE(0x8e, 0x1f)}; // ds, es; ds

static const struct instruction arithmetic[] = {
    CODE(0x01, 0x07),             // add [rdi], eax
    CODE(0x03, 0x07),             // add eax, [rdi]
    CODE(0x80, 0x0f, 0x01),       // or byte [rdi], 1
    CODE(0x83, 0x27, 0xff),       // and dword [rdi], -1
    CODE(0x81, 0x37, 0, 0, 0, 0), // xor dword [rdi], 0
    CODE(0xf7, 0x17),             // not
    CODE(0xf7, 0x1f),             // neg
    CODE(0xff, 0x07),             // inc
    CODE(0xff, 0x0f),             // dec
    CODE(0x85, 0x07),             // test [rdi], eax
    CODE(0xf7, 0x07, 1, 0, 0, 0), // test dword [rdi], 1
    CODE(0x3b, 0x07),             // cmp eax, [rdi]
    CODE(0x83, 0x3f, 0x00),       // cmp dword [rdi], 0
    CODE(0xd1, 0x27),             // shl dword [rdi], 1
    CODE(0x0f, 0xaf, 0x07),       // imul eax, [rdi]
    CODE(0xf7, 0x37),             // div dword [rdi]
    CODE(0x0f, 0xba, 0x2f, 0x00), // bts dword [rdi], 0
    CODE(0x0f, 0xab, 0x07),       // bts [rdi], eax: may be far from it
    CODE(0x0f, 0xbc, 0x07),       // bsf eax, [rdi]
    CODE(0x0f, 0x44, 0x07),       // cmove eax, [rdi]
    CODE(0x0f, 0x94, 0x07),       // sete [rdi]
};

static const struct instruction atomics[] = {
    CODE(0x87, 0x07),                   // xchg
    CODE(0xf0, 0x01, 0x07),             // lock add
    CODE(0xf0, 0x0f, 0xb1, 0x07),       // lock cmpxchg
    CODE(0xf0, 0x0f, 0xc1, 0x07),       // lock xadd
    CODE(0xf0, 0x0f, 0xc7, 0x0f),       // lock cmpxchg8b
    CODE(0xf0, 0x48, 0x0f, 0xc7, 0x0f), // lock cmpxchg16b
    CODE(0xf0, 0x8b, 0x07),             // lock mov: undefined
};

static const struct instruction string_moves[] = {
    CODE(0xa5),             // movsd
    CODE(0xf3, 0xa4),       // rep movsb
    CODE(0xf3, 0x48, 0xa5), // rep movsq
    CODE(0xab),             // stosd
    CODE(0xf3, 0xaa),       // rep stosb
    CODE(0x48, 0x97, 0xad), // xchg rax, rdi; lodsd
    CODE(0xf2, 0xae),       // repne scasb
    CODE(0xf3, 0xa6),       // repe cmpsb
    CODE(0xfd, 0xab, 0xfc), // downwards
};

static const struct instruction stack[] = {
    CODE(0xff, 0x37, 0x58),                                           // push [rdi], and off again
    CODE(0x48, 0x89, 0xe3, 0x48, 0x89, 0xfc, 0x50, 0x48, 0x89, 0xdc), // push rax with rsp there
    CODE(0x48, 0x89, 0xe3, 0x48, 0x89, 0xfc, 0x59, 0x48, 0x89, 0xdc), // pop rcx from there
};

static const struct instruction wide[] = {
    CODE(0xf3, 0x0f, 0x6f, 0x07), // movdqu
    CODE(0xf3, 0x0f, 0x7f, 0x07),
    CODE(0x0f, 0x28, 0x07),       // movaps
    CODE(0x66, 0x0f, 0xd6, 0x07), // movq
    CODE(0x0f, 0x6f, 0x07),       // movq mm0
    CODE(0xd9, 0x07),             // fld
    CODE(0xdd, 0x1f),             // fstp
    CODE(0x0f, 0xae, 0x07),       // fxsave
    CODE(0x0f, 0xae, 0x27),       // xsave
    CODE(0xc5, 0xfe, 0x6f, 0x07), // vmovdqu
    CODE(0x0f, 0xae, 0x3f),       // clflush
    CODE(0x0f, 0x18, 0x0f),       // prefetch
};

static const struct instruction prefixed[] = {
    CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x8b, 0x07), // 15 bytes
    CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x8b,
         0x07),                               // 16: too long
    CODE(0x48, 0x66, 0x8b, 0x07),             // a REX before a prefix means nothing
    CODE(0x48, 0x4f, 0x8b, 0x07),             // the last REX counts
    CODE(0xf2, 0xf3, 0x8b, 0x07),             // repeated, which means nothing
    CODE(0x64, 0x8b, 0x07),                   // fs:
    CODE(0x65, 0x8b, 0x07),                   // gs:
    CODE(0x2e, 0x36, 0x3e, 0x26, 0x8b, 0x07), // segments that mean nothing
    CODE(0x67, 0x66, 0x48, 0x8b, 0x07),
    CODE(0x8b, 0x84, 0x27, 0, 0, 0, 0),       // no index
    CODE(0x42, 0x8b, 0x84, 0x27, 0, 0, 0, 0), // r12 for one
};

static void at(uint64_t address, const struct instruction *table, unsigned count) {
    static uint64_t other[512];
    step_each(table, count, &(struct registers){.rcx = 4, .rdx = 0, .rsi = (uintptr_t)other, .rdi = address});
}

#define GROUP(name)                           \
    static void name##_group(void) {          \
        at(a_device(), name, COUNT_OF(name)); \
        restore_interrupts();                 \
    }

GROUP(moves)
GROUP(selectors)
GROUP(arithmetic)
GROUP(atomics)
GROUP(string_moves)
GROUP(stack)
GROUP(wide)
GROUP(prefixed)

static void unaligned(void) {
    for (unsigned offset = 1; offset < 16; offset++) at(a_device() + offset, moves, COUNT_OF(moves));
    restore_interrupts();
}

// From the device's page into the next one.
static void across(void) { at((a_device() | (PAGE - 1)) - 1, moves, COUNT_OF(moves)); }

static void execute(void) { step_code((uint8_t[]){0xff, 0xe7}, 2, &(struct registers){.rdi = a_device()}); } // jmp rdi

// The instruction's own bytes lie across the end of a page, and across the end of memory.
static uint8_t pages[2 * PAGE] __attribute__((aligned(PAGE)));

static void jump(void *code) { __asm__ volatile("call *%0" ::"r"(code), "D"(a_device()) : "rax", "memory", "cc"); }

static void code_across_pages(void) {
    static const uint8_t code[] = {0x66, 0x2e, 0x8b, 0x87, 0, 0, 0, 0, 0xc3};
    for (unsigned split = 1; split < sizeof(code); split++) {
        memcpy(pages + PAGE - split, code, sizeof(code));
        step(jump, pages + PAGE - split);
    }
    restore_interrupts();
}

static void code_at_end(void) {
    static const uint8_t code[] = {0x66, 0x2e, 0x8b};
    uint8_t *end = window(memory_end() - sizeof(code), true, true);
    memcpy(end, code, sizeof(code));
    step(jump, end);
}

// Another VCPU changes the instruction while the hypervisor decodes it.
static void change_code(void) {
    for (unsigned i = 0; !smp_stop; i++) *(volatile uint8_t *)pages = i & 1 ? 0x8b : 0x89;
}

static void read_changing(void) {
    if (vcpu_count() < 2) {
        skip("needs a second VCPU");
        return;
    }
    pages[0] = 0x8b;
    pages[1] = 0x07;
    pages[2] = 0xc3;
    smp_stop = false;
    if (vcpu_start(1, change_code) != 0) return;
    for (unsigned i = 0; i < ROUNDS * ROUNDS; i++) step(jump, pages);
    smp_stop = true;
    while (!vcpu_is_off(1)) spin_pause();
    restore_interrupts();
}

const struct attack decoder_attacks[] = {
    {"mmio-moves", moves_group, CONTINUES},
    {"mmio-selectors", selectors_group, EITHER},
    {"mmio-arithmetic", arithmetic_group, EITHER},
    {"mmio-atomics", atomics_group, EITHER},
    {"mmio-strings", string_moves_group, EITHER},
    {"mmio-stack", stack_group, EITHER},
    {"mmio-wide", wide_group, EITHER},
    {"mmio-prefixed", prefixed_group, EITHER},
    {"mmio-unaligned", unaligned, EITHER},
    {"mmio-across", across, EITHER},
    {"mmio-execute", execute, EITHER},
    {"mmio-code-across-pages", code_across_pages, CONTINUES},
    {"mmio-code-at-end", code_at_end, DIES},
    {"mmio-code-changing", read_changing, CONTINUES},
    {0},
};
