// SPDX-License-Identifier: Apache-2.0
// The evaluator against the processor that the test runs on: the same operation on the same random operands must give the
// same results, and the same flags where the manuals define them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/decode.h"

#ifndef __x86_64__
#error "this test executes x86-64 instructions: build and run it on an x86-64 host"
#endif

enum { CF = 1, PF = 4, AF = 16, ZF = 64, SF = 128, OF = 2048, ALL = CF | PF | AF | ZF | SF | OF, ROUNDS = 2000 };

typedef void run_fn(struct decode_alu *v);

// Runs one instruction with the given flags; what it leaves in its operands and flags goes back. The flags go through the
// stack, beyond the red zone. The destination has a second byte register (Q), which swapping two bytes takes.
#define RUN(name, type, instruction)                                                          \
    static void name(struct decode_alu *v) {                                                  \
        type destination = (type)v->destination, source = (type)v->source;                    \
        uint64_t flags = v->rflags;                                                           \
                                                                                              \
        __asm__ volatile("leaq -128(%%rsp), %%rsp\n\tpushq %[flags]\n\tpopfq\n\t" instruction \
                         "\n\tpushfq\n\tpopq %[flags]\n\tleaq 128(%%rsp), %%rsp"              \
                         : [flags] "+r"(flags), [d] "+Q"(destination), [s] "+q"(source)       \
                         :                                                                    \
                         : "cc");                                                             \
        *v = (struct decode_alu){destination, source, flags};                                 \
    }

#define SIZES(op, instruction)          \
    RUN(op##_8, uint8_t, instruction)   \
    RUN(op##_16, uint16_t, instruction) \
    RUN(op##_32, uint32_t, instruction) \
    RUN(op##_64, uint64_t, instruction)
#define WIDE_SIZES(op, instruction)     \
    RUN(op##_16, uint16_t, instruction) \
    RUN(op##_32, uint32_t, instruction) \
    RUN(op##_64, uint64_t, instruction)

SIZES(add, "add %[s], %[d]")
SIZES(or, "or %[s], %[d]")
SIZES(adc, "adc %[s], %[d]")
SIZES(sbb, "sbb %[s], %[d]")
SIZES(and, "and %[s], %[d]")
SIZES(sub, "sub %[s], %[d]")
SIZES(xor, "xor %[s], %[d]")
SIZES(cmp, "cmp %[s], %[d]")
SIZES(test, "test %[s], %[d]")
SIZES(inc, "inc %[d]")
SIZES(dec, "dec %[d]")
WIDE_SIZES(bt, "bt %[s], %[d]")
SIZES(xchg, "xchg %[s], %[d]")
SIZES(mov, "mov %[s], %[d]")
RUN(be_16, uint16_t, "mov %[s], %[d]\n\txchg %b[d], %h[d]")
RUN(be_32, uint32_t, "mov %[s], %[d]\n\tbswap %[d]")
RUN(be_64, uint64_t, "mov %[s], %[d]\n\tbswap %[d]")
RUN(zx_8_16, uint16_t, "movzbw %b[s], %[d]")
RUN(zx_8_32, uint32_t, "movzbl %b[s], %[d]")
RUN(zx_8_64, uint64_t, "movzbq %b[s], %[d]")
RUN(zx_16_32, uint32_t, "movzwl %w[s], %[d]")
RUN(zx_16_64, uint64_t, "movzwq %w[s], %[d]")
RUN(sx_8_16, uint16_t, "movsbw %b[s], %[d]")
RUN(sx_8_32, uint32_t, "movsbl %b[s], %[d]")
RUN(sx_8_64, uint64_t, "movsbq %b[s], %[d]")
RUN(sx_16_32, uint32_t, "movswl %w[s], %[d]")
RUN(sx_16_64, uint64_t, "movswq %w[s], %[d]")
RUN(sx_32_64, uint64_t, "movslq %k[s], %[d]")

// Rows of one operation: its code, and which flags the manuals define after it.
#define ROWS(op, name, flags)                                                                  \
    {op, 1, 1, flags, name##_8}, {op, 2, 2, flags, name##_16}, {op, 4, 4, flags, name##_32}, { \
        op, 8, 8, flags, name##_64                                                             \
    }
#define WIDE_ROWS(op, name, flags) \
    {op, 2, 2, flags, name##_16}, {op, 4, 4, flags, name##_32}, { op, 8, 8, flags, name##_64 }

static const struct {
    uint8_t operation, size, source_size;
    unsigned defined;
    run_fn *run;
} rows[] = {
    ROWS(OP_ADD, add, ALL),         ROWS(OP_OR, or, ALL & ~AF),      ROWS(OP_ADC, adc, ALL),
    ROWS(OP_SBB, sbb, ALL),         ROWS(OP_AND, and, ALL & ~AF),    ROWS(OP_SUB, sub, ALL),
    ROWS(OP_XOR, xor, ALL & ~AF),   ROWS(OP_CMP, cmp, ALL),          ROWS(OP_TEST, test, ALL & ~AF),

    ROWS(OP_INC, inc, ALL),         ROWS(OP_DEC, dec, ALL),          WIDE_ROWS(OP_MOVBE, be, ALL),
    WIDE_ROWS(OP_BT, bt, CF | ZF),  ROWS(OP_XCHG, xchg, ALL),        ROWS(OP_MOV, mov, ALL),
    ROWS(OP_MOVS, mov, ALL),        ROWS(OP_STOS, mov, ALL),         ROWS(OP_INS, mov, ALL),
    ROWS(OP_OUTS, mov, ALL),

    {OP_MOVZX, 2, 1, ALL, zx_8_16}, {OP_MOVZX, 2, 2, ALL, mov_16},   {OP_MOVZX, 4, 1, ALL, zx_8_32},
    {OP_MOVZX, 8, 1, ALL, zx_8_64}, {OP_MOVZX, 4, 2, ALL, zx_16_32}, {OP_MOVZX, 8, 2, ALL, zx_16_64},
    {OP_MOVSX, 2, 1, ALL, sx_8_16}, {OP_MOVSX, 2, 2, ALL, mov_16},   {OP_MOVSX, 4, 1, ALL, sx_8_32},
    {OP_MOVSX, 8, 1, ALL, sx_8_64}, {OP_MOVSX, 4, 2, ALL, sx_16_32}, {OP_MOVSX, 8, 2, ALL, sx_16_64},
    {OP_MOVSX, 4, 4, ALL, mov_32},  {OP_MOVSX, 8, 4, ALL, sx_32_64},
};

static uint64_t seed = 0x2545f4914f6cdd1d;

static uint64_t random64(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

// Often a value at an edge of its size, where carries and signs turn.
static uint64_t operand(unsigned size) {
    static const uint64_t near[] = {0, 1, 0xf, 0x10, 0x7f, 0x80};
    const uint64_t choice = random64() % 24;
    const uint64_t sign = 1ull << (8 * size - 1);

    if (choice < ARRAY_SIZE(near)) { return near[choice]; }
    if (choice < 12) { return sign + (choice - 9); }
    return choice < 16 ? choice - 14 : random64();
}

static void results_and_flags_are_those_of_the_processor(void **state) {
    unsigned cases = 0, covered[OP_LAST_EVALUATED + 1] = {0};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows) * ROUNDS; i++) {
        const struct decoded d = {.operation = rows[i / ROUNDS].operation,
                                  .operand_size = rows[i / ROUNDS].size,
                                  .source_size = rows[i / ROUNDS].source_size};
        const unsigned size = d.operand_size, defined = rows[i / ROUNDS].defined;
        const struct decode_alu before = {operand(size), operand(size), 0x202 | (random64() & ALL)};
        struct decode_alu ours = before, its = before;

        rows[i / ROUNDS].run(&its);
        if (d.operation != OP_XCHG) { its.source = before.destination & decode_mask(size); }
        decode_alu(&d, &ours);
        if (ours.destination != its.destination || ours.source != its.source ||
            ((ours.rflags ^ its.rflags) & ~(uint64_t)(ALL & ~defined)) != 0) {
            fail_msg("operation %u of %u bytes, case %u: %llx,%llx,%llx is not %llx,%llx,%llx", d.operation, size, i,
                     (unsigned long long)ours.destination, (unsigned long long)ours.source,
                     (unsigned long long)ours.rflags, (unsigned long long)its.destination,
                     (unsigned long long)its.source, (unsigned long long)its.rflags);
        }
        covered[d.operation]++;
        cases++;
    }
    assert_true(cases >= 100000);
    for (unsigned i = OP_NONE + 1; i <= OP_LAST_EVALUATED; i++) { assert_true(covered[i] > 0); }
}

static void undefined_flags_are_as_the_header_says(void **state) {
    const struct decoded bits = {.operation = OP_BT, .operand_size = 4, .source_size = 4},
                         logic = {.operation = OP_AND, .operand_size = 4, .source_size = 4};
    struct decode_alu alu = {0, 33, ALL};

    (void)state;
    decode_alu(&bits, &alu);
    assert_int_equal(alu.destination, 0);
    assert_int_equal(alu.rflags, ALL & ~CF);
    alu = (struct decode_alu){3, 3, ALL};
    decode_alu(&logic, &alu);
    assert_int_equal(alu.rflags, PF);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_and_flags_are_those_of_the_processor),
        cmocka_unit_test(undefined_flags_are_as_the_header_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
