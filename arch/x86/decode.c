// SPDX-License-Identifier: Apache-2.0
// From bytes to struct decoded: prefixes, opcode, row of the table, operands, in the order in which the bytes stand. What
// is decided is decided on bytes that were read, so that more of them never change a result.
#include "arch/x86/decode.h"

#include "arch/x86/decode_table.h"

enum { REG_SP = 4, REG_BP = 5, REG_SI = 6, REG_DI = 7 };

// Prefixes that are not REX: SDM vol. 2, 2.1.1; APM vol. 3, 1.2.
enum prefix_kind { PREFIX_SEGMENT, PREFIX_OPERAND, PREFIX_ADDRESS, PREFIX_LOCK, PREFIX_REPEAT };

static const struct {
    uint8_t byte, kind, value;
} prefixes[] = {
    {0x66, PREFIX_OPERAND, 0},          {0xf0, PREFIX_LOCK, 0},
    {0xf3, PREFIX_REPEAT, REPEAT_REPE}, {0xf2, PREFIX_REPEAT, REPEAT_REPNE},
    {0x65, PREFIX_SEGMENT, SEGMENT_GS}, {0x64, PREFIX_SEGMENT, SEGMENT_FS},
    {0x3e, PREFIX_SEGMENT, SEGMENT_DS}, {0x2e, PREFIX_SEGMENT, SEGMENT_CS},
    {0x26, PREFIX_SEGMENT, SEGMENT_ES}, {0x36, PREFIX_SEGMENT, SEGMENT_SS},
    {0x67, PREFIX_ADDRESS, 0},
};

enum { REX = 0x40, REX_MASK = 0xf0, REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };
enum { ESCAPE = 0x0f, ESCAPE_38 = 0x38, MOD_REGISTER = 3, NO_OVERRIDE = 0xff };

// One decoding on its way through the bytes.
struct reader {
    const uint8_t *bytes;
    size_t count, at;
    int error; // the first one; from then on every byte reads as 0
    enum decode_mode mode;
    bool operand_prefix, address_prefix;
    unsigned rex; // the whole byte, or 0
    uint8_t override;
    uint16_t opcode;
    bool has_modrm;
    uint8_t modrm;
};

static uint8_t fetch_byte(struct reader *r) {
    if (r->error != DECODE_OK) { return 0; }
    if (r->at >= DECODE_MAX_LENGTH) {
        r->error = DECODE_TOO_LONG;
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
static void take_segment(struct reader *r, uint8_t segment) {
    if (r->mode != DECODE_64 || segment >= SEGMENT_FS) { r->override = segment; }
}

static bool take_prefix(struct reader *r, uint8_t byte, struct decoded *d) {
    for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (prefixes[i].byte != byte) { continue; }
        switch (prefixes[i].kind) {
        case PREFIX_SEGMENT: take_segment(r, prefixes[i].value); break;
        case PREFIX_OPERAND: r->operand_prefix = true; break;
        case PREFIX_ADDRESS: r->address_prefix = true; break;
        case PREFIX_LOCK: d->lock = true; break;
        default: d->repeat = prefixes[i].value; break;
        }
        r->rex = 0; // REX counts directly before the opcode only: SDM vol. 2, 2.2.1
        return true;
    }
    return false;
}

static void read_opcode(struct reader *r, struct decoded *d) {
    uint8_t byte = fetch_byte(r);

    for (;;) { // ends: each turn takes a byte, and the one that fails reads as 0, which is no prefix
        if (r->mode == DECODE_64 && (byte & REX_MASK) == REX) {
            r->rex = byte;
        } else if (!take_prefix(r, byte, d)) {
            break;
        }
        byte = fetch_byte(r);
    }
    r->opcode = byte;
    if (byte == ESCAPE) {
        byte = fetch_byte(r);
        r->opcode = byte == ESCAPE_38 ? (uint16_t)(ESCAPE_38 << 8 | fetch_byte(r)) : (uint16_t)(ESCAPE << 8 | byte);
    }
}

// ---- the row ---------------------------------------------------------------------------------------------------------
static unsigned modrm_mod(const struct reader *r) { return r->modrm >> 6; }

static unsigned modrm_reg(const struct reader *r) { return r->modrm >> 3 & 7; }

static unsigned modrm_rm(const struct reader *r) { return r->modrm & 7; }

static bool prefixes_match(const struct reader *r, const struct decoded *d, unsigned when) {
    const bool repeat = d->repeat != REPEAT_NONE, is_64 = r->mode == DECODE_64;

    return !((when & WHEN_64 && !is_64) || (when & WHEN_NOT_64 && is_64) ||
             (when & WHEN_BARE && (repeat || r->operand_prefix)) || (when & WHEN_NO_REPEAT && repeat) ||
             (when & WHEN_66 && (repeat || !r->operand_prefix)) || (when & WHEN_F3 && d->repeat != REPEAT_REPE) ||
             (when & WHEN_NOT_REX_B && r->rex & REX_B));
}

static bool modrm_matches(struct reader *r, const struct row *row) {
    if (row->modrm_mask == 0 && (forms[row->form].uses & USE_MODRM) == 0) { return true; }
    if (!r->has_modrm) {
        r->modrm = fetch_byte(r);
        r->has_modrm = true;
    }
    return (r->modrm & row->modrm_mask) == row->modrm &&
           ((row->when & WHEN_MEMORY) == 0 || modrm_mod(r) != MOD_REGISTER);
}

static const struct row *find_row(struct reader *r, const struct decoded *d) {
    for (unsigned i = 0; i < ARRAY_SIZE(rows) && r->error == DECODE_OK; i++) {
        const struct row *row = &rows[i];
        const uint16_t mask = 0xff00 | row->opcode_mask;

        if ((r->opcode & mask) == row->opcode && prefixes_match(r, d, row->when) && modrm_matches(r, row)) {
            return r->error == DECODE_OK ? row : NULL;
        }
    }
    return NULL;
}

static uint8_t operation_of(const struct reader *r, const struct row *row) {
    if ((row->when & THEN_OPCODE) != 0) { return (uint8_t)(row->operation + (r->opcode >> 3 & 7)); }
    return (uint8_t)(row->operation + ((row->when & THEN_MODRM) != 0 ? modrm_reg(r) : 0));
}

// ---- sizes -----------------------------------------------------------------------------------------------------------
// SDM vol. 1, 3.6.1; APM vol. 3, 1.2.2 and 1.2.3.
static uint8_t address_size(const struct reader *r) {
    static const uint8_t sizes[][2] = {[DECODE_16] = {2, 4}, [DECODE_32] = {4, 2}, [DECODE_64] = {8, 4}};

    return sizes[r->mode][r->address_prefix];
}

static uint8_t full_size(const struct reader *r) {
    if ((r->rex & REX_W) != 0) { return 8; }
    return (r->mode == DECODE_16) != r->operand_prefix ? 2 : 4;
}

static uint8_t operand_size(const struct reader *r, enum size_rule rule) {
    const bool is_64 = r->mode == DECODE_64;
    const uint8_t full = full_size(r);

    switch (rule) {
    case SIZE_BIT0: return (r->opcode & 1) != 0 ? full : 1;
    case SIZE_PORT: return (r->opcode & 1) != 0 ? MIN(full, 4) : 1;
    case SIZE_STORED: return (r->rex & REX_W) != 0 ? 8 : 4;
    case SIZE_STACK: return is_64 && full == 4 ? 8 : full;
    case SIZE_NATIVE: return is_64 ? 8 : 4;
    case SIZE_WORD: return 2;
    default: return full;
    }
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

static struct decoded_memory *add_memory(struct decoded *d) {
    struct decoded_memory *m = &d->memory[d->memory_count++];

    *m = (struct decoded_memory){
        .segment = SEGMENT_ES, .base = DECODE_NO_REGISTER, .index = DECODE_NO_REGISTER, .scale = 1};
    return m;
}

// Without REX, byte registers 4 to 7 are the second bytes of 0 to 3: SDM vol. 2, 3.1.1.1, table 3-1.
static void read_registers(const struct reader *r, const struct form *form, struct decoded *d) {
    d->reg = (uint8_t)(modrm_reg(r) | (r->rex & REX_R) << 1);
    if (form->other == DECODE_REGISTER && d->operand_size == 1 && r->rex == 0 && d->reg >= 4) {
        d->reg -= 4;
        d->reg_high = true;
    }
}

static void read_modrm_operands(struct reader *r, const struct form *form, struct decoded *d) {
    read_registers(r, form, d);
    if (modrm_mod(r) == MOD_REGISTER || (form->uses & USE_REGISTERS) != 0) {
        d->rm = (uint8_t)(modrm_rm(r) | (r->rex & REX_B) << 3);
    } else if (d->address_size == 2) {
        read_memory_16(r, add_memory(d));
    } else {
        read_memory_32(r, add_memory(d));
    }
}

static void read_operands(struct reader *r, const struct form *form, struct decoded *d) {
    if ((form->uses & USE_MODRM) != 0) { read_modrm_operands(r, form, d); }
    if ((form->uses & USE_OFFSET) != 0) {
        struct decoded_memory *m = add_memory(d);
        m->displacement = (int64_t)fetch(r, d->address_size);
        set_segment(r, m, false);
    }
    if ((form->uses & USE_STRING_FROM) != 0) {
        struct decoded_memory *m = add_memory(d);
        m->base = REG_SI;
        set_segment(r, m, false);
    }
    if ((form->uses & USE_STRING_TO) != 0) { add_memory(d)->base = REG_DI; }
    switch ((enum immediate_rule)form->immediate) {
    case IMMEDIATE_SIGNED8: d->immediate = fetch_signed(r, 1); break;
    case IMMEDIATE_UNSIGNED8: d->immediate = fetch_byte(r); break;
    case IMMEDIATE_SIZED: d->immediate = fetch_signed(r, MIN(d->operand_size, 4)); break;
    case IMMEDIATE_NONE: break;
    }
}

// What is done with the operands. A string move reads its first and writes its second; a comparison reads both.
static void set_uses(const struct form *form, struct decoded *d) {
    const bool read = (form->uses & USE_READ) != 0, write = (form->uses & USE_WRITE) != 0;
    const bool two = d->memory_count == 2;

    d->other = form->other;
    d->memory_first = (form->uses & USE_FIRST) != 0;
    d->writes_register = (form->uses & USE_SETS) != 0;
    d->bit_string = (form->uses & USE_BIT_STRING) != 0;
    d->source_size = form->source != 0 ? MIN(form->source, d->operand_size) : d->operand_size;
    if (d->memory_count == 0) { return; }
    d->memory[0].read = read;
    d->memory[0].write = write && !two;
    d->memory[1].read = two && !write;
    d->memory[1].write = two && write;
}

// SDM vol. 2, LOCK; APM vol. 3, 1.2.5.
static int check_lock(const struct form *form, struct decoded *d) {
    if (!d->lock || (form->uses & USE_LOCK) != 0) { return DECODE_OK; }
    if ((form->uses & USE_LOCK_CR8) == 0 || d->reg != 0 || d->operation < OP_MOV_FROM_CR ||
        d->operation > OP_MOV_TO_CR) {
        return DECODE_BAD_LOCK;
    }
    d->reg = 8;
    return DECODE_OK;
}

int decode_instruction(const uint8_t *bytes, size_t count, enum decode_mode mode, struct decoded *out) {
    struct reader r = {.bytes = bytes, .count = count, .mode = mode, .override = NO_OVERRIDE};

    *out = (struct decoded){.mode = (uint8_t)mode, .rm = DECODE_NO_REGISTER};
    read_opcode(&r, out);
    const struct row *row = find_row(&r, out);
    if (row == NULL) { return r.error != DECODE_OK ? r.error : DECODE_UNKNOWN; }
    if (row->operation == OP_VECTOR) { return DECODE_VECTOR; }
    const struct form *form = &forms[row->form];
    out->operation = operation_of(&r, row);
    out->operand_size = operand_size(&r, (enum size_rule)form->size);
    out->address_size = address_size(&r);
    read_operands(&r, form, out);
    if (r.error != DECODE_OK) { return r.error; }
    set_uses(form, out);
    out->length = (uint8_t)r.at;
    return check_lock(form, out);
}

// ---- addresses -------------------------------------------------------------------------------------------------------
// How far a bit number reaches from the operand, in whole operands, either way: SDM vol. 2, 3.1.1.9, and BT.
static uint64_t bit_string_offset(const struct decoded *d, const uint64_t registers[DECODE_REGISTERS]) {
    return (uint64_t)(extend(registers[d->reg], d->operand_size) >> 3) & ~(uint64_t)(d->operand_size - 1);
}

uint64_t decode_address(const struct decoded *d, unsigned which, const uint64_t registers[DECODE_REGISTERS],
                        uint64_t rip, uint64_t segment_base) {
    const struct decoded_memory *m = &d->memory[which];
    uint64_t offset = (uint64_t)m->displacement;

    if (m->base != DECODE_NO_REGISTER) { offset += registers[m->base]; }
    if (m->index != DECODE_NO_REGISTER) { offset += registers[m->index] * m->scale; }
    if (m->rip_relative) { offset += rip + d->length; }
    if (d->bit_string) { offset += bit_string_offset(d, registers); }
    offset &= UINT64_MAX >> (64 - 8 * d->address_size);
    return d->mode == DECODE_64 ? offset + segment_base : (uint32_t)(offset + segment_base);
}
