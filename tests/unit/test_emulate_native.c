// SPDX-License-Identifier: Apache-2.0
// The emulator against the processor that the test runs on: the same instruction on the same registers and memory, once
// executed and once emulated with half of that memory as a device, must leave the same registers, flags and memory.
#define _DEFAULT_SOURCE // MAP_ANONYMOUS

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "arch/x86/control_regs.h"
#include "arch/x86/emulate.h"

#ifndef __x86_64__
#error "this test executes x86-64 instructions: build and run it on an x86-64 host"
#endif

enum { AX, CX, DX, BX, SP, BP, SI, DI };
enum {
    ROUNDS = 200,
    STATUS = 0x8d5,
    CF = 1,
    AF = 0x10,
    ZF = 0x40,
    PAGES = 4,
    MAX_COUNT = 8,
    NO_POINTER = 16,
    RET = 0xc3
};

struct cpu_state {
    uint64_t gpr[DECODE_REGISTERS]; // RSP is the test's own
    uint64_t rflags;
};

// Loads the state, calls the code, stores the state. The two arguments stay on the stack meanwhile.
void run_native(struct cpu_state *state, const void *code);
__asm__(".text\n"
        ".globl run_native\n"
        ".type run_native, @function\n"
        "run_native:\n"
        "  pushq %rbx\n  pushq %rbp\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  pushq %rdi\n  pushq %rsi\n"
        "  pushq 128(%rdi)\n  popfq\n"
        "  movq 0(%rdi), %rax\n  movq 8(%rdi), %rcx\n  movq 16(%rdi), %rdx\n  movq 24(%rdi), %rbx\n"
        "  movq 40(%rdi), %rbp\n  movq 48(%rdi), %rsi\n"
        "  movq 64(%rdi), %r8\n  movq 72(%rdi), %r9\n  movq 80(%rdi), %r10\n  movq 88(%rdi), %r11\n"
        "  movq 96(%rdi), %r12\n  movq 104(%rdi), %r13\n  movq 112(%rdi), %r14\n  movq 120(%rdi), %r15\n"
        "  movq 56(%rdi), %rdi\n"
        "  call *(%rsp)\n"
        "  xchgq %rdi, 8(%rsp)\n"
        "  movq %rax, 0(%rdi)\n  movq %rcx, 8(%rdi)\n  movq %rdx, 16(%rdi)\n  movq %rbx, 24(%rdi)\n"
        "  movq %rbp, 40(%rdi)\n  movq %rsi, 48(%rdi)\n"
        "  movq %r8, 64(%rdi)\n  movq %r9, 72(%rdi)\n  movq %r10, 80(%rdi)\n  movq %r11, 88(%rdi)\n"
        "  movq %r12, 96(%rdi)\n  movq %r13, 104(%rdi)\n  movq %r14, 112(%rdi)\n  movq %r15, 120(%rdi)\n"
        "  pushfq\n  popq 128(%rdi)\n  cld\n"
        "  movq 8(%rsp), %rax\n  movq %rax, 56(%rdi)\n"
        "  addq $16, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbp\n  popq %rbx\n"
        "  ret\n"
        ".size run_native, . - run_native\n");

// The last page is the device; strings go from the first ones to it or back.
static uint8_t *memory, *code;
static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t random64(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint8_t *device(void) { return memory + (PAGES - 1) * PAGE_SIZE; }

// ---- the emulator's world: guest-physical addresses are the test's own ------------------------------------------------
static bool in_ram(gpa_t gpa, size_t size) {
    const gpa_t ram = (uintptr_t)memory, end = (uintptr_t)device();

    return (gpa >= ram && gpa + size <= end) || (gpa >= (uintptr_t)code && gpa + size <= (uintptr_t)code + PAGE_SIZE);
}

static int read_ram(void *context, gpa_t gpa, void *out, size_t size) {
    (void)context;
    if (!in_ram(gpa, size)) { return ERR_RANGE; }
    memcpy(out, (const void *)gpa, size);
    return OK;
}

static int write_ram(void *context, gpa_t gpa, const void *in, size_t size) {
    (void)context;
    if (!in_ram(gpa, size)) { return ERR_RANGE; }
    memcpy((void *)gpa, in, size);
    return OK;
}

static int access_device(void *context, gpa_t gpa, unsigned size, bool write, uint64_t *value) {
    (void)context;
    assert_true(gpa >= (uintptr_t)device() && gpa + size <= (uintptr_t)device() + PAGE_SIZE);
    if (write) {
        memcpy((void *)gpa, value, size);
    } else {
        *value = random64(); // above its size it is ignored
        memcpy(value, (const void *)gpa, size);
    }
    return OK;
}

static bool must_yield(UNUSED void *context) { return false; }

static const struct emulate_ops ops = {{read_ram, write_ram, NULL}, access_device, NULL, must_yield};

// ---- one comparison --------------------------------------------------------------------------------------------------
static void fail_with(const char *what) {
    char hex[2 * DECODE_MAX_LENGTH + 1];

    for (unsigned i = 0; i < DECODE_MAX_LENGTH; i++) { snprintf(hex + (size_t)2 * i, 3, "%02x", code[i]); }
    fail_msg("other %s after %s", what, hex);
}

static void fill(struct cpu_state *s) {
    for (unsigned i = 0; i < DECODE_REGISTERS; i++) { s->gpr[i] = random64(); }
    for (size_t i = 0; i < PAGES * PAGE_SIZE; i += 8) {
        uint64_t value = random64() % 4 == 0 ? s->gpr[random64() % 2] : random64();
        memcpy(memory + i, &value, sizeof(value));
    }
    s->rflags = 0x202 | (random64() & STATUS);
}

// What the processor would say of the access: it is at the address in this register, at each element.
struct trap {
    bool write;
    unsigned pointer; // NO_POINTER: at gpa
    gpa_t gpa;
};

static void emulate(struct cpu_state *s, unsigned length, const struct trap *trap) {
    struct guest_state_view view = {.gpr = s->gpr, .rip = (uintptr_t)code, .rflags = s->rflags, .mode = DECODE_64};
    struct emulate_result result;

    for (unsigned i = 0; view.rip == (uintptr_t)code; i++) {
        const gpa_t gpa = trap->pointer == NO_POINTER ? trap->gpa : s->gpr[trap->pointer];

        assert_true(i <= MAX_COUNT);
        if (emulate_mmio(&view, &ops, NULL, gpa, trap->write, &result) != EMULATE_DONE) { fail_with("outcome"); }
    }
    assert_int_equal(view.rip, (uintptr_t)code + length);
    s->rflags = view.rflags;
}

static void compare(const struct cpu_state *start, unsigned length, const struct trap *trap, uint64_t undefined) {
    static uint8_t before[PAGES * PAGE_SIZE], after[PAGES * PAGE_SIZE];
    struct cpu_state native = *start, emulated = *start;

    code[length] = RET;
    memcpy(before, memory, sizeof(before));
    run_native(&native, code);
    memcpy(after, memory, sizeof(after));
    memcpy(memory, before, sizeof(before));
    emulate(&emulated, length, trap);
    if (memcmp(&native.gpr, &emulated.gpr, sizeof(native.gpr)) != 0) { fail_with("registers"); }
    if (((native.rflags ^ emulated.rflags) & ~undefined) != 0) { fail_with("flags"); }
    if (memcmp(memory, after, sizeof(after)) != 0) { fail_with("memory"); }
}

// ---- instructions with ModRM -----------------------------------------------------------------------------------------
static const struct example {
    uint8_t map; // byte before the opcode: 0 or 0F
    uint8_t opcode, group, immediate;
    uint8_t byte; // sizes: 2 all but bytes, 0 from bit 0 of the opcode
    bool write, lock;
} examples[] = {
    {0, 0x00, 8, 0, 0, true, true},      {0, 0x01, 8, 0, 0, true, true},      {0, 0x02, 8, 0, 0, false, false},
    {0, 0x0b, 8, 0, 0, false, false},    {0, 0x10, 8, 0, 0, true, true},      {0, 0x11, 8, 0, 0, true, true},
    {0, 0x13, 8, 0, 0, false, false},    {0, 0x18, 8, 0, 0, true, true},      {0, 0x1b, 8, 0, 0, false, false},
    {0, 0x21, 8, 0, 0, true, true},      {0, 0x29, 8, 0, 0, true, true},      {0, 0x2a, 8, 0, 0, false, false},
    {0, 0x31, 8, 0, 0, true, true},      {0, 0x33, 8, 0, 0, false, false},    {0, 0x38, 8, 0, 0, false, false},
    {0, 0x39, 8, 0, 0, false, false},    {0, 0x3a, 8, 0, 0, false, false},    {0, 0x3b, 8, 0, 0, false, false},
    {0, 0x63, 8, 0, 2, false, false},    {0, 0x80, 0, 1, 0, true, true},      {0, 0x81, 2, 4, 0, true, true},
    {0, 0x81, 7, 4, 0, false, false},    {0, 0x83, 5, 1, 0, true, true},      {0, 0x83, 7, 1, 0, false, false},
    {0, 0x84, 8, 0, 0, false, false},    {0, 0x85, 8, 0, 0, false, false},    {0, 0x86, 8, 0, 0, true, true},
    {0, 0x87, 8, 0, 0, true, true},      {0, 0x88, 8, 0, 0, true, false},     {0, 0x89, 8, 0, 0, true, false},
    {0, 0x8a, 8, 0, 0, false, false},    {0, 0x8b, 8, 0, 0, false, false},    {0, 0xc6, 0, 1, 0, true, false},
    {0, 0xc7, 0, 4, 0, true, false},     {0, 0xf6, 0, 1, 0, false, false},    {0, 0xf7, 0, 4, 0, false, false},
    {0x0f, 0xb6, 8, 0, 2, false, false}, {0x0f, 0xb7, 8, 0, 2, false, false}, {0x0f, 0xbe, 8, 0, 2, false, false},
    {0x0f, 0xbf, 8, 0, 2, false, false}, {0x0f, 0xba, 4, 1, 2, false, false},
};

// OR, AND, XOR and TEST leave AF undefined, BT all but CF and ZF.
static uint64_t undefined_flags(const struct example *e) {
    if (e->map == 0x0f && e->opcode == 0xba) { return STATUS & ~(CF | ZF); }
    return e->map == 0 ? AF * (unsigned)(e->opcode == 0x21 || e->opcode == 0x31 || e->opcode == 0x33 ||
                                         (e->opcode & 0xfe) == 0x84 || ((e->opcode & 0xfe) == 0xf6 && e->group == 0))
                       : 0;
}

// [prefixes] opcode ModRM [SIB] disp8 [immediate], at `at` through RBX, or RBX and RSI.
static unsigned assemble(const struct example *e, struct cpu_state *s, uint64_t at) {
    const bool byte = e->byte == 0 && (e->opcode & 1) == 0, sib = random64() % 4 == 0;
    const bool word = !byte && e->opcode != 0x63 && random64() % 4 == 0;
    const bool has_reg = e->group == 8;
    unsigned n = 0, rex = (unsigned)random64() & (has_reg ? 12 : 8), reg = has_reg ? random64() % 8 : e->group;

    if (has_reg && reg == SP && (rex & 4) == 0) { // RSP is not the test's to change, but AH is
        if (byte) {
            rex = 0;
        } else {
            reg = BP;
        }
    }
    if (e->lock && random64() % 2 == 0) { code[n++] = 0xf0; }
    if (word) { code[n++] = 0x66; }
    if (rex != 0) { code[n++] = (uint8_t)(0x40 | rex); }
    if (e->map != 0) { code[n++] = 0x0f; }
    code[n++] = e->opcode;
    code[n++] = (uint8_t)(0x40 | reg << 3 | (sib ? 4u : (unsigned)BX));
    if (sib) { code[n++] = (uint8_t)(1 << 6 | SI << 3 | BX); }
    code[n++] = 0xf0; // -16
    for (unsigned i = 0; i < (e->immediate == 4 && word && (rex & 8) == 0 ? 2u : e->immediate); i++) {
        code[n++] = (uint8_t)random64();
    }
    s->gpr[BX] = at + 16 - (sib ? 2 * s->gpr[SI] : 0);
    return n;
}

static void operands_in_a_device_are_those_of_the_processor(void **state) {
    struct cpu_state s;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(examples) * ROUNDS; i++) {
        const struct example *e = &examples[i / ROUNDS];
        const uint64_t at = (uintptr_t)device() + (random64() % 0xff8 & (random64() % 2 == 0 ? ~7ull : ~0ull));
        const struct trap trap = {e->write, NO_POINTER, at};

        fill(&s);
        compare(&s, assemble(e, &s, at), &trap, undefined_flags(e));
    }
}

// ---- strings ---------------------------------------------------------------------------------------------------------
static void string_operations_are_those_of_the_processor(void **state) {
    static const uint8_t opcodes[] = {0xa4, 0xaa};
    struct cpu_state s;

    (void)state;
    for (unsigned i = 0; i < 4 * ROUNDS; i++) {
        const uint8_t opcode = opcodes[i % 2];
        const bool two = opcode < 0xaa, to_device = !two || random64() % 2 == 0;
        const uint64_t near = PAGE_SIZE + random64() % 32 - 16; // elements and pages have borders of their own
        const struct trap trap = {to_device, to_device ? DI : SI, 0};
        unsigned n = 0, repeat = (unsigned)random64() % 3, size = (unsigned)random64() % 3;

        fill(&s);
        if (repeat != 0) { code[n++] = (uint8_t)(0xf1 + repeat); }
        if (size == 1) { code[n++] = 0x66; }
        if (size == 2) { code[n++] = 0x48; }
        code[n++] = (uint8_t)(opcode + random64() % 2);
        s.gpr[CX] = random64() % (MAX_COUNT + 1);
        s.gpr[to_device ? DI : SI] = (uintptr_t)device() + 0x400 + random64() % 0x800;
        s.gpr[to_device ? SI : DI] = (uintptr_t)memory + near;
        if (random64() % 2 == 0) { s.rflags |= RFLAGS_DF; }
        compare(&s, n, &trap, 0);
    }
}

static int setup(void **state) {
    (void)state;
    memory = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED || code == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state) {
    (void)state;
    munmap(memory, PAGES * PAGE_SIZE);
    munmap(code, PAGE_SIZE);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_in_a_device_are_those_of_the_processor),
        cmocka_unit_test(string_operations_are_those_of_the_processor),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
