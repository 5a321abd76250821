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

static uint64_t bit_of(uint64_t value, unsigned number) { return value >> number & 1; }

// carries: out of each bit. overflow: its sign bit counts. top: the number of the sign bit.
static uint64_t flags_of(uint64_t result, uint64_t carries, uint64_t overflow, unsigned top) {
    const bool odd = __builtin_parity((unsigned)result & UINT8_MAX) != 0;

    return (odd ? 0 : FLAG_PF) | (result == 0 ? FLAG_ZF : 0) | (bit_of(result, top) != 0 ? FLAG_SF : 0) |
           (bit_of(carries, top) != 0 ? FLAG_CF : 0) | (bit_of(carries, NIBBLE_TOP) != 0 ? FLAG_AF : 0) |
           (bit_of(overflow, top) != 0 ? FLAG_OF : 0);
}

void decode_alu(const struct decoded *d, struct decode_alu *alu) {
    const unsigned top = 8u * d->operand_size - 1, unused = 64 - 8u * d->source_size;
    const bool by_one = d->operation == OP_INC || d->operation == OP_DEC;
    const uint64_t mask = decode_mask(d->operand_size), carry = alu->rflags & FLAG_CF;
    const uint64_t a = alu->destination & mask, b = by_one ? 1 : alu->source & decode_mask(d->source_size);
    uint64_t result = b, carries = 0, overflow = 0;

    switch (d->operation) {
    case OP_ADD:
    case OP_ADC:
    case OP_INC:
        result = (a + b + (d->operation == OP_ADC ? carry : 0)) & mask;
        carries = (a & b) | ((a | b) & ~result);
        overflow = (a ^ result) & (b ^ result);
        break;
    case OP_SUB:
    case OP_SBB:
    case OP_CMP:
    case OP_DEC:
        result = (a - b - (d->operation == OP_SBB ? carry : 0)) & mask;
        carries = (~a & b) | (~(a ^ b) & result);
        overflow = (a ^ b) & (a ^ result);
        break;
    case OP_OR: result = a | b; break;
    case OP_XOR: result = a ^ b; break;
    case OP_AND:
    case OP_TEST: result = a & b; break;
    case OP_BT: alu->rflags = (alu->rflags & ~FLAG_CF) | bit_of(a, b & top); break;
    case OP_MOVBE: result = __builtin_bswap64(b) >> unused; break;
    case OP_MOVSX: result = (uint64_t)((int64_t)(b << unused) >> unused) & mask; break;
    default: break; // moves
    }
    if (d->operation <= OP_DEC) {
        const uint64_t kept = by_one ? ~FLAGS | FLAG_CF : ~FLAGS, flags = flags_of(result, carries, overflow, top);
        alu->rflags = (alu->rflags & kept) | (flags & ~kept);
    }
    const bool looks = d->operation == OP_CMP || d->operation == OP_TEST || d->operation == OP_BT;
    alu->destination = looks ? a : result;
    alu->source = a;
}

uint64_t decode_register_read(const struct decoded *d, const uint64_t registers[DECODE_REGISTERS]) {
    return registers[d->reg] >> (d->reg_high ? 8 : 0) & decode_mask(d->operand_size);
}

void decode_register_write(const struct decoded *d, uint64_t registers[DECODE_REGISTERS], uint64_t value) {
    const unsigned shift = d->reg_high ? 8 : 0;
    const uint64_t mask = decode_mask(d->operand_size), written = d->operand_size == 4 ? UINT64_MAX : mask << shift;

    registers[d->reg] = (registers[d->reg] & ~written) | (value & mask) << shift;
}
