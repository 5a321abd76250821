// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/decode.c arch/x86/alu.c
// Any bytes, in any mode, decode to something that its user need not doubt, or to an error; and fewer bytes to nothing else.
// Input: a byte of mode, then up to 15 bytes of code, then values for registers, operands and flags.
#include <stdlib.h>
#include <string.h>

#include "arch/x86/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) { abort(); }
}

static bool is_register(uint8_t number) { return number < DECODE_REGISTERS || number == DECODE_NO_REGISTER; }

static bool is_size(uint8_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

static void check_memory(const struct decoded *d, const struct decoded_memory *m) {
    require(is_register(m->base) && is_register(m->index) && is_size(m->scale));
    require(m->segment <= SEGMENT_GS);
    require(!m->rip_relative || (m->base == DECODE_NO_REGISTER && m->index == DECODE_NO_REGISTER));
    require(!m->rip_relative || d->mode == DECODE_64);
}

static void check(const struct decoded *d, size_t count, enum decode_mode mode) {
    require(d->operation != OP_NONE && d->operation <= OP_MOV_TO_CR && d->mode == mode);
    require(d->length > 0 && d->length <= DECODE_MAX_LENGTH && d->length <= count);
    require(is_size(d->operand_size) && is_size(d->source_size) && d->source_size <= d->operand_size);
    require(d->address_size == 2 || d->address_size == 4 || d->address_size == 8);
    require((d->address_size != 8 && d->operand_size != 8) || mode == DECODE_64);
    require(d->reg < DECODE_REGISTERS && (!d->reg_high || (d->reg < 4 && d->operand_size == 1)));
    require(d->memory_count <= ARRAY_SIZE(d->memory));
    for (unsigned i = 0; i < d->memory_count; i++) { check_memory(d, &d->memory[i]); }
    if (d->operation <= OP_LAST_EVALUATED) {
        require(d->memory_count > 0 && (d->memory[0].read || d->memory[0].write));
        require(!d->writes_register || d->other == DECODE_REGISTER);
    }
}

static bool same_memory(const struct decoded_memory *a, const struct decoded_memory *b) {
    return a->read == b->read && a->write == b->write && a->rip_relative == b->rip_relative &&
           a->segment == b->segment && a->base == b->base && a->index == b->index && a->scale == b->scale &&
           a->displacement == b->displacement;
}

static bool same(const struct decoded *a, const struct decoded *b) {
    return a->operation == b->operation && a->mode == b->mode && a->length == b->length &&
           a->operand_size == b->operand_size && a->source_size == b->source_size &&
           a->address_size == b->address_size && a->repeat == b->repeat && a->other == b->other &&
           a->memory_first == b->memory_first && a->writes_register == b->writes_register && a->reg == b->reg &&
           a->reg_high == b->reg_high && a->memory_count == b->memory_count && a->immediate == b->immediate &&
           same_memory(&a->memory[0], &b->memory[0]) && same_memory(&a->memory[1], &b->memory[1]);
}

// A guest's page may end anywhere in the instruction.
static void check_parts(const struct decoded *whole, int status, const uint8_t *code, size_t count,
                        enum decode_mode mode) {
    for (size_t i = 0; i < count; i++) {
        uint8_t *part = malloc(i + 1); // of its own size, so that a read beyond it is seen
        struct decoded d;
        int partial;

        require(part != NULL);
        memcpy(part, code, i);
        part[i] = (uint8_t)~code[i];
        partial = decode_instruction(part, i, mode, &d);
        free(part);
        require(partial == DECODE_NEEDS_MORE || partial == status);
        require(status != DECODE_OK || (partial == DECODE_OK) == (i >= whole->length));
        require(partial != DECODE_OK || same(&d, whole));
    }
}

static void use(const struct decoded *d, const uint8_t *data, size_t size) {
    uint64_t values[DECODE_REGISTERS] = {0}, registers[DECODE_REGISTERS];
    struct decode_alu alu;
    const uint64_t mask = UINT64_MAX >> (64 - 8 * d->operand_size);
    const uint64_t defined = 0x8d5; // the six flags

    memcpy(values, data, MIN(size, sizeof(values)));
    memcpy(registers, values, sizeof(registers));
    for (unsigned i = 0; i < d->memory_count; i++) {
        uint64_t linear = decode_address(d, i, registers, values[0], values[1]);
        require(d->mode == DECODE_64 || linear <= UINT32_MAX);
    }
    if (d->operation > OP_LAST_EVALUATED) { return; }
    alu = (struct decode_alu){values[0], values[1], values[3]};
    decode_alu(d, &alu);
    require(((alu.rflags ^ values[3]) & ~defined) == 0);
    require(((alu.destination | alu.source) & ~mask) == 0);
    require(decode_register_read(d, registers) <= mask);
    decode_register_write(d, registers, alu.destination);
    require(decode_register_read(d, registers) == (alu.destination & mask));
    registers[d->reg] = values[d->reg];
    require(memcmp(registers, values, sizeof(values)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct decoded d;

    if (size == 0) { return 0; }
    const enum decode_mode mode = (enum decode_mode)(data[0] % 3);
    const uint8_t *code = data + 1;
    const size_t count = size - 1;
    const int status = decode_instruction(code, count, mode, &d);

    require(status <= DECODE_OK && status >= DECODE_UNKNOWN);
    require(status != DECODE_NEEDS_MORE || count < DECODE_MAX_LENGTH);
    if (status == DECODE_OK) { check(&d, count, mode); }
    check_parts(&d, status, code, MIN(count, DECODE_MAX_LENGTH), mode);
    if (status == DECODE_OK) { use(&d, code + d.length, count - d.length); }
    return 0;
}
