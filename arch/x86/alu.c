// SPDX-License-Identifier: Apache-2.0
// Results and flags of the operations that the decoder knows: Intel SDM vol. 1, 3.4.3.1 (status flags) and vol. 2, the
// pages of the single instructions ("Operation", "Flags Affected"); AMD APM vol. 3, chapter 3.
#include "arch/x86/decode.h"

#define FLAG_CF BIT(0)
#define FLAG_PF BIT(2)
#define FLAG_AF BIT(4)
#define FLAG_ZF BIT(6)
#define FLAG_SF BIT(7)
#define FLAG_OF BIT(11)
#define FLAGS   (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

enum { NIBBLE_TOP = 3 }; // the bit whose carry is AF

// What an operation is worked out with: the size of its operands, and that of the source where it is another.
struct width {
    unsigned top; // number of the sign bit
    uint64_t mask;
    unsigned source_size; // bytes
};

static uint64_t mask_of(unsigned size) { return UINT64_MAX >> (64 - 8 * size); }

static uint64_t bit_of(uint64_t value, unsigned number) { return value >> number & 1; }

static uint64_t result_flags(uint64_t result, const struct width *w) {
    uint64_t odd = result ^ result >> 4;

    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return ((odd & 1) != 0 ? 0 : FLAG_PF) | (result == 0 ? FLAG_ZF : 0) | (bit_of(result, w->top) != 0 ? FLAG_SF : 0);
}

// carries: out of each bit. overflow: its sign bit counts.
static void set_flags(struct decode_alu *alu, const struct width *w, uint64_t result, uint64_t carries,
                      uint64_t overflow) {
    alu->rflags &= ~FLAGS;
    alu->rflags |= result_flags(result, w) | (bit_of(carries, w->top) != 0 ? FLAG_CF : 0) |
                   (bit_of(carries, NIBBLE_TOP) != 0 ? FLAG_AF : 0) | (bit_of(overflow, w->top) != 0 ? FLAG_OF : 0);
}

static uint64_t sum(struct decode_alu *alu, const struct width *w, uint64_t a, uint64_t b, uint64_t carry) {
    uint64_t result = (a + b + carry) & w->mask;

    set_flags(alu, w, result, (a & b) | ((a | b) & ~result), (a ^ result) & (b ^ result));
    return result;
}

static uint64_t difference(struct decode_alu *alu, const struct width *w, uint64_t a, uint64_t b, uint64_t borrow) {
    uint64_t result = (a - b - borrow) & w->mask;

    set_flags(alu, w, result, (~a & b) | (~(a ^ b) & result), (a ^ b) & (a ^ result));
    return result;
}

static void do_add(struct decode_alu *alu, const struct width *w) {
    alu->destination = sum(alu, w, alu->destination, alu->source, 0);
}

static void do_adc(struct decode_alu *alu, const struct width *w) {
    alu->destination = sum(alu, w, alu->destination, alu->source, alu->rflags & FLAG_CF);
}

static void do_sub(struct decode_alu *alu, const struct width *w) {
    alu->destination = difference(alu, w, alu->destination, alu->source, 0);
}

static void do_sbb(struct decode_alu *alu, const struct width *w) {
    alu->destination = difference(alu, w, alu->destination, alu->source, alu->rflags & FLAG_CF);
}

static void do_cmp(struct decode_alu *alu, const struct width *w) {
    difference(alu, w, alu->destination, alu->source, 0);
}

static void do_and(struct decode_alu *alu, const struct width *w) {
    alu->destination &= alu->source;
    set_flags(alu, w, alu->destination, 0, 0);
}

static void do_or(struct decode_alu *alu, const struct width *w) {
    alu->destination |= alu->source;
    set_flags(alu, w, alu->destination, 0, 0);
}

static void do_xor(struct decode_alu *alu, const struct width *w) {
    alu->destination ^= alu->source;
    set_flags(alu, w, alu->destination, 0, 0);
}

static void do_test(struct decode_alu *alu, const struct width *w) {
    set_flags(alu, w, alu->destination & alu->source, 0, 0);
}

// INC and DEC leave CF alone.
static void keep_carry(struct decode_alu *alu, uint64_t before) {
    alu->rflags = (alu->rflags & ~FLAG_CF) | (before & FLAG_CF);
}

static void do_inc(struct decode_alu *alu, const struct width *w) {
    uint64_t before = alu->rflags;

    alu->destination = sum(alu, w, alu->destination, 1, 0);
    keep_carry(alu, before);
}

static void do_dec(struct decode_alu *alu, const struct width *w) {
    uint64_t before = alu->rflags;

    alu->destination = difference(alu, w, alu->destination, 1, 0);
    keep_carry(alu, before);
}

static void do_not(struct decode_alu *alu, const struct width *w) { alu->destination ^= w->mask; }

static void do_neg(struct decode_alu *alu, const struct width *w) {
    alu->destination = difference(alu, w, 0, alu->destination, 0);
}

// The selected bit goes to CF; returns its mask.
static uint64_t test_bit(struct decode_alu *alu, const struct width *w) {
    unsigned number = (unsigned)(alu->source & w->top);

    alu->rflags = (alu->rflags & ~FLAG_CF) | (bit_of(alu->destination, number) != 0 ? FLAG_CF : 0);
    return BIT(number);
}

static void do_bt(struct decode_alu *alu, const struct width *w) { test_bit(alu, w); }

static void do_bts(struct decode_alu *alu, const struct width *w) { alu->destination |= test_bit(alu, w); }

static void do_btr(struct decode_alu *alu, const struct width *w) { alu->destination &= ~test_bit(alu, w); }

static void do_btc(struct decode_alu *alu, const struct width *w) { alu->destination ^= test_bit(alu, w); }

static void do_xchg(struct decode_alu *alu, const struct width *w) {
    uint64_t old = alu->destination;

    (void)w;
    alu->destination = alu->source;
    alu->source = old;
}

static void do_xadd(struct decode_alu *alu, const struct width *w) {
    uint64_t old = alu->destination;

    do_add(alu, w);
    alu->source = old;
}

static void do_cmpxchg(struct decode_alu *alu, const struct width *w) {
    uint64_t old = alu->destination;

    difference(alu, w, alu->accumulator, old, 0);
    if ((alu->rflags & FLAG_ZF) != 0) { alu->destination = alu->source; }
    alu->accumulator = old;
}

static void do_mov(struct decode_alu *alu, const struct width *w) {
    (void)w;
    alu->destination = alu->source;
}

static void do_movbe(struct decode_alu *alu, const struct width *w) {
    alu->destination = __builtin_bswap64(alu->source) >> (63 - w->top);
}

static void do_movzx(struct decode_alu *alu, const struct width *w) {
    alu->destination = alu->source & mask_of(w->source_size);
}

static void do_movsx(struct decode_alu *alu, const struct width *w) {
    unsigned unused = 64 - 8 * w->source_size;

    alu->destination = (uint64_t)((int64_t)(alu->source << unused) >> unused) & w->mask;
}

typedef void evaluate_fn(struct decode_alu *alu, const struct width *w);

static evaluate_fn *const evaluations[OP_LAST_EVALUATED + 1] = {
    [OP_ADD] = do_add,     [OP_OR] = do_or,       [OP_ADC] = do_adc,         [OP_SBB] = do_sbb,     [OP_AND] = do_and,
    [OP_SUB] = do_sub,     [OP_XOR] = do_xor,     [OP_CMP] = do_cmp,         [OP_TEST] = do_test,   [OP_INC] = do_inc,
    [OP_DEC] = do_dec,     [OP_NOT] = do_not,     [OP_NEG] = do_neg,         [OP_BT] = do_bt,       [OP_BTS] = do_bts,
    [OP_BTR] = do_btr,     [OP_BTC] = do_btc,     [OP_XCHG] = do_xchg,       [OP_XADD] = do_xadd,   [OP_MOV] = do_mov,
    [OP_MOVNTI] = do_mov,  [OP_MOVBE] = do_movbe, [OP_CMPXCHG] = do_cmpxchg, [OP_MOVZX] = do_movzx, [OP_MOVS] = do_mov,
    [OP_MOVSX] = do_movsx, [OP_STOS] = do_mov,    [OP_LODS] = do_mov,        [OP_CMPS] = do_cmp,    [OP_SCAS] = do_cmp,
};

int decode_alu(const struct decoded *d, struct decode_alu *alu) {
    const struct width w = {8u * d->operand_size - 1, mask_of(d->operand_size), d->source_size};

    if (d->operation > OP_LAST_EVALUATED || evaluations[d->operation] == NULL) { return DECODE_UNKNOWN; }
    alu->destination &= w.mask;
    alu->source &= w.mask;
    alu->accumulator &= w.mask;
    evaluations[d->operation](alu, &w);
    return DECODE_OK;
}

uint64_t decode_register_read(const struct decoded *d, const uint64_t registers[DECODE_REGISTERS]) {
    return registers[d->reg] >> (d->reg_high ? 8 : 0) & mask_of(d->operand_size);
}

void decode_register_write(const struct decoded *d, uint64_t registers[DECODE_REGISTERS], uint64_t value) {
    const unsigned shift = d->reg_high ? 8 : 0;
    const uint64_t written = d->operand_size == 4 ? UINT64_MAX : mask_of(d->operand_size) << shift;

    registers[d->reg] = (registers[d->reg] & ~written) | (value & mask_of(d->operand_size)) << shift;
}
