// SPDX-License-Identifier: Apache-2.0
// From bytes to struct decoded: prefixes, opcode, row of the table, operands, in the order in which the bytes stand. What
// is decided is decided on bytes that were read, so that more of them never change a result.
#include "arch/x86/decode.h"

#include "arch/x86/decode_table.h"

enum { REG_SP = 4, REG_BP = 5, REG_SI = 6, REG_DI = 7 };

// Prefixes: SDM vol. 2, 2.1.1; APM vol. 3, 1.2.
enum { PREFIX_ES = 0x26, PREFIX_CS = 0x2e, PREFIX_SS = 0x36, PREFIX_DS = 0x3e, PREFIX_FS = 0x64, PREFIX_GS = 0x65 };
enum { PREFIX_OPERAND = 0x66, PREFIX_ADDRESS = 0x67, PREFIX_LOCK = 0xf0, PREFIX_REPNE = 0xf2, PREFIX_REPE = 0xf3 };
enum { REX = 0x40, REX_MASK = 0xf0, REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };
enum { ESCAPE = 0x0f, ESCAPE_01 = 0x01, ESCAPE_38 = 0x38, MOD_REGISTER = 3, NO_OVERRIDE = 0xff };

// One decoding on its way through the bytes.
struct reader {
    const uint8_t *bytes;
    size_t count, at;
    int error; // the first one; from then on every byte reads as 0
    enum decode_mode mode;
    bool operand_prefix, address_prefix, lock, repeat;
    unsigned rex; // the whole byte, or 0
    uint8_t override;
    uint16_t opcode; // as struct row has it
    bool has_modrm;
    uint8_t modrm;
};

static uint8_t fetch_byte(struct reader *r) {
    if (r->error != DECODE_OK) { return 0; }
    if (r->at >= DECODE_MAX_LENGTH) {
        r->error = DECODE_UNKNOWN;
    } else if (r->at >= r->count) {
        r->error = DECODE_NEEDS_MORE;
    } else {
        return r->bytes[r->at++];
    }
    return 0;
}

static uint64_t fetch(struct reader *r, unsigned size) {
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) { value |= (uint64_t)fetch_byte(r) << 8 * i; }
    return value;
}

static int64_t extend(uint64_t value, unsigned size) {
    unsigned unused = 64 - 8 * size;

    return (int64_t)(value << unused) >> unused;
}

static int64_t fetch_signed(struct reader *r, unsigned size) { return extend(fetch(r, size), size); }

// ---- prefixes and opcode ---------------------------------------------------------------------------------------------
// In 64-bit mode overrides by a segment without a base are ignored: APM vol. 3, 1.2.4. Also after one that counts.
static bool take_prefix(struct reader *r, uint8_t byte) {
    switch (byte) {
    case PREFIX_ES:
    case PREFIX_CS:
    case PREFIX_SS:
    case PREFIX_DS:
        if (r->mode != DECODE_64) { r->override = byte >> 3 & 3; }
        break;
    case PREFIX_FS:
    case PREFIX_GS: r->override = SEGMENT_FS + (byte - PREFIX_FS); break;
    case PREFIX_OPERAND: r->operand_prefix = true; break;
    case PREFIX_ADDRESS: r->address_prefix = true; break;
    case PREFIX_LOCK: r->lock = true; break;
    case PREFIX_REPNE:
    case PREFIX_REPE: r->repeat = true; break;
    default: return false;
    }
    r->rex = 0; // REX counts directly before the opcode only: SDM vol. 2, 2.2.1
    return true;
}

static void read_opcode(struct reader *r) {
    uint8_t byte = fetch_byte(r);

    for (;;) { // ends: each turn takes a byte, and the one that fails reads as 0, which is no prefix
        if (r->mode == DECODE_64 && (byte & REX_MASK) == REX) {
            r->rex = byte;
        } else if (!take_prefix(r, byte)) {
            break;
        }
        byte = fetch_byte(r);
    }
    r->opcode = byte;
    if (byte == ESCAPE) {
        byte = fetch_byte(r);
        bool escaped = byte == ESCAPE_01 || byte == ESCAPE_38;
        r->opcode = escaped ? (uint16_t)(byte << 8 | fetch_byte(r)) : (uint16_t)(ESCAPE << 8 | byte);
    }
}

// ---- the row ---------------------------------------------------------------------------------------------------------
static unsigned modrm_mod(const struct reader *r) { return r->modrm >> 6; }

static unsigned modrm_reg(const struct reader *r) { return r->modrm >> 3 & 7; }

static unsigned modrm_rm(const struct reader *r) { return r->modrm & 7; }

static bool modrm_matches(struct reader *r, const struct row *row) {
    if ((row->uses & USE_MODRM) == 0) { return true; }
    if (!r->has_modrm) {
        r->modrm = fetch_byte(r);
        r->has_modrm = true;
    }
    return modrm_mod(r) != MOD_REGISTER && (row->group == ANY || row->group == modrm_reg(r));
}

static const struct row *find_row(struct reader *r) {
    for (const struct row *row = rows; row < rows + ARRAY_SIZE(rows) && r->error == DECODE_OK; row++) {
        const uint16_t mask = 0xff00 | row->mask;

        if ((r->opcode & mask) == row->opcode && ((row->uses & USE_64) == 0 || r->mode == DECODE_64) &&
            modrm_matches(r, row)) {
            return row;
        }
    }
    return NULL;
}

static uint8_t operation_of(const struct reader *r, const struct row *row) {
    if (row->operation != OP_ADD) { return row->operation; }
    return (uint8_t)(OP_ADD + (row->opcode < 0x80 ? r->opcode >> 3 & 7u : modrm_reg(r)));
}

// ---- sizes -----------------------------------------------------------------------------------------------------------
// SDM vol. 1, 3.6.1; APM vol. 3, 1.2.2 and 1.2.3.
static uint8_t address_size(const struct reader *r) {
    static const uint8_t sizes[][2] = {[DECODE_16] = {2, 4}, [DECODE_32] = {4, 2}, [DECODE_64] = {8, 4}};

    return sizes[r->mode][r->address_prefix];
}

static uint8_t operand_size(const struct reader *r, unsigned uses) {
    if ((r->opcode & 1) == 0 && (uses & USE_FULL) == 0) { return 1; }
    if ((r->rex & REX_W) != 0) { return (uses & USE_PORT) != 0 ? 4 : 8; }
    return (r->mode == DECODE_16) != r->operand_prefix ? 2 : 4;
}

// ---- operands --------------------------------------------------------------------------------------------------------
static void set_segment(const struct reader *r, struct decoded_memory *m, bool stack) {
    const uint8_t usual = stack ? SEGMENT_SS : SEGMENT_DS;

    m->segment = r->override != NO_OVERRIDE ? r->override : usual;
}

// 16-bit forms: SDM vol. 2, table 2-1.
static void read_memory_16(struct reader *r, struct decoded_memory *m) {
    static const uint8_t pairs[8][2] = {
        {3, REG_SI},
        {3, REG_DI},
        {REG_BP, REG_SI},
        {REG_BP, REG_DI},
        {REG_SI, DECODE_NO_REGISTER},
        {REG_DI, DECODE_NO_REGISTER},
        {REG_BP, DECODE_NO_REGISTER},
        {3, DECODE_NO_REGISTER},
    };
    const bool direct = modrm_mod(r) == 0 && modrm_rm(r) == 6;

    m->base = direct ? DECODE_NO_REGISTER : pairs[modrm_rm(r)][0];
    m->index = pairs[modrm_rm(r)][1];
    m->displacement = direct ? fetch_signed(r, 2) : modrm_mod(r) != 0 ? fetch_signed(r, modrm_mod(r)) : 0;
    set_segment(r, m, m->base == REG_BP);
}

// SIB: SDM vol. 2, table 2-3; REX: 2.2.1.2. Index 4 is none, but R12 is an index.
static void read_sib(struct reader *r, struct decoded_memory *m) {
    const uint8_t sib = fetch_byte(r);
    const uint8_t index = (uint8_t)((sib >> 3 & 7) | (r->rex & REX_X) << 2);

    m->scale = (uint8_t)(1 << (sib >> 6));
    m->index = index == REG_SP ? DECODE_NO_REGISTER : index;
    m->base = (uint8_t)((sib & 7) | (r->rex & REX_B) << 3);
    if (modrm_mod(r) == 0 && (sib & 7) == REG_BP) { m->base = DECODE_NO_REGISTER; }
}

// 32- and 64-bit forms: SDM vol. 2, table 2-2; RIP-relative: 2.2.1.6. REX.B does not count where the three bits of the
// field alone select a form.
static void read_memory_32(struct reader *r, struct decoded_memory *m) {
    const unsigned mod = modrm_mod(r), rm = modrm_rm(r);

    if (rm == REG_SP) {
        read_sib(r, m);
    } else if (mod == 0 && rm == REG_BP) {
        m->rip_relative = r->mode == DECODE_64;
    } else {
        m->base = (uint8_t)(rm | (r->rex & REX_B) << 3);
    }
    if (mod == 1) {
        m->displacement = fetch_signed(r, 1);
    } else if (mod == 2 || m->base == DECODE_NO_REGISTER) {
        m->displacement = fetch_signed(r, 4);
    }
    set_segment(r, m, m->base == REG_SP || m->base == REG_BP);
}

static struct decoded_memory *add_memory(struct decoded *d, unsigned uses) {
    struct decoded_memory *m = &d->memory[d->memory_count++];

    *m = (struct decoded_memory){
        .read = (uses & USE_READ) != 0,
        .write = (uses & USE_WRITE) != 0,
        .segment = SEGMENT_ES,
        .base = DECODE_NO_REGISTER,
        .index = DECODE_NO_REGISTER,
        .scale = 1,
    };
    return m;
}

// Without REX, byte registers 4 to 7 are the second bytes of 0 to 3: SDM vol. 2, 3.1.1.1, table 3-1.
static void read_register(const struct reader *r, struct decoded *d) {
    d->reg = (uint8_t)(modrm_reg(r) | (r->rex & REX_R) << 1);
    if (d->operand_size == 1 && r->rex == 0 && d->reg >= 4) {
        d->reg -= 4;
        d->reg_high = true;
    }
}

static void read_memory(struct reader *r, unsigned uses, struct decoded *d) {
    if ((uses & USE_MODRM) != 0) { (d->address_size == 2 ? read_memory_16 : read_memory_32)(r, add_memory(d, uses)); }
    if ((uses & USE_OFFSET) != 0) {
        struct decoded_memory *m = add_memory(d, uses);
        m->displacement = (int64_t)fetch(r, d->address_size);
        set_segment(r, m, false);
    }
    if ((uses & USE_FROM) != 0) {
        struct decoded_memory *m = add_memory(d, USE_READ);
        m->base = REG_SI;
        set_segment(r, m, false);
    }
    if ((uses & USE_TO) != 0) { add_memory(d, USE_WRITE)->base = REG_DI; }
}

static void read_other(struct reader *r, unsigned uses, struct decoded *d) {
    if ((uses & (USE_IMMEDIATE | USE_IMMEDIATE8)) != 0) {
        d->other = DECODE_IMMEDIATE;
        d->immediate = fetch_signed(r, (uses & USE_IMMEDIATE8) != 0 ? 1 : MIN(d->operand_size, 4));
    } else if (d->memory_count != 0 && (uses & USE_ALONE) == 0) {
        d->other = DECODE_REGISTER;
        if (r->has_modrm) { read_register(r, d); }
    }
}

// Both are in ModRM, whose mode does not count; of SMSW and LMSW that is the last byte of the opcode.
static void read_control(struct reader *r, struct decoded *d) {
    r->modrm = r->opcode >> 8 == ESCAPE ? fetch_byte(r) : (uint8_t)r->opcode;
    d->reg = (uint8_t)(modrm_rm(r) | (r->rex & REX_B) << 3);
    d->immediate = modrm_reg(r) | (r->rex & REX_R) << 1;
    if (d->operation >= OP_MOV_FROM_CR) { d->operand_size = r->mode == DECODE_64 ? 8 : 4; }
}

int decode_instruction(const uint8_t *bytes, size_t count, enum decode_mode mode, struct decoded *out) {
    const unsigned update = USE_READ | USE_WRITE;
    struct reader r = {.bytes = bytes, .count = count, .mode = mode, .override = NO_OVERRIDE};

    *out = (struct decoded){.mode = (uint8_t)mode};
    read_opcode(&r);
    const struct row *row = find_row(&r);
    if (row == NULL) { return r.error != DECODE_OK ? r.error : DECODE_UNKNOWN; }
    unsigned uses = row->uses;
    out->operation = operation_of(&r, row);
    if (out->operation == OP_CMP) { uses &= ~(unsigned)(USE_WRITE | USE_SETS); }
    out->operand_size = operand_size(&r, uses);
    const unsigned source = uses >> USE_SOURCE_SHIFT;
    out->source_size = source != 0 ? (uint8_t)(1u << (source - 1)) : out->operand_size;
    out->address_size = address_size(&r);
    out->repeat = r.repeat && (uses & (USE_FROM | USE_TO)) != 0;
    out->memory_first = (uses & USE_FIRST) != 0;
    out->writes_register = (uses & USE_SETS) != 0;
    read_memory(&r, uses, out);
    read_other(&r, uses, out);
    if (out->operation >= OP_SMSW) { read_control(&r, out); }
    out->length = (uint8_t)r.at;
    if (r.error != DECODE_OK) { return r.error; }
    // Processors differ about MOVSXD to 16 bits; F2 makes CRC32 of MOVBE. LOCK: SDM vol. 2, LOCK; APM vol. 3, 1.2.5.
    const bool refused = out->source_size > out->operand_size || (out->operation == OP_MOVBE && r.repeat) ||
                         (r.lock && (uses & update) != update);
    return refused ? DECODE_UNKNOWN : DECODE_OK;
}

// ---- addresses -------------------------------------------------------------------------------------------------------
uint64_t decode_address(const struct decoded *d, unsigned which, const uint64_t registers[DECODE_REGISTERS],
                        uint64_t rip, uint64_t segment_base) {
    const struct decoded_memory *m = &d->memory[which];
    uint64_t offset = (uint64_t)m->displacement;

    if (m->base != DECODE_NO_REGISTER) { offset += registers[m->base]; }
    if (m->index != DECODE_NO_REGISTER) { offset += registers[m->index] * m->scale; }
    if (m->rip_relative) { offset += rip + d->length; }
    offset &= decode_mask(d->address_size);
    return d->mode == DECODE_64 ? offset + segment_base : (uint32_t)(offset + segment_base);
}
