// SPDX-License-Identifier: Apache-2.0
// Bytes mean what the assembler that made them was told; what is not known for sure is refused, and for the right reason.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/decode_examples.h"

static uint8_t code[32];
static struct decoded d;
static const char *doing; // the example at hand, for when it fails

static int say_what_failed(void **state) {
    (void)state;
    if (doing != NULL) { print_error("while decoding: %s\n", doing); }
    doing = NULL;
    return 0;
}

static unsigned digit(char c) { return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10); }

static size_t set_code(const char *hex) {
    size_t count = strlen(hex) / 2;

    assert_true(count <= sizeof(code));
    for (size_t i = 0; i < count; i++) { code[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1])); }
    return count;
}

static int decode(const char *hex, enum decode_mode mode) {
    size_t count = set_code(hex);

    return decode_instruction(code, count, mode, &d);
}

// The whole of an instruction, that nothing beyond it matters, and that no part of it is enough.
static void decode_example(const char *text, const char *hex, enum decode_mode mode) {
    size_t count = set_code(hex);
    struct decoded alone = {0};

    doing = text;
    memset(code + count, 0xff, sizeof(code) - count);
    for (size_t i = 0; i < count; i++) { assert_int_equal(decode_instruction(code, i, mode, &d), DECODE_NEEDS_MORE); }
    assert_int_equal(decode_instruction(code, count, mode, &alone), DECODE_OK);
    assert_int_equal(decode_instruction(code, sizeof(code), mode, &d), DECODE_OK);
    assert_memory_equal(&alone, &d, sizeof(d));
    assert_int_equal(d.length, count);
    assert_int_equal(d.mode, mode);
}

static void check_access(enum access access) {
    static const struct {
        bool read, write, first, sets;
    } expected[] = {
        [STORE] = {false, true, true, false},   [LOAD] = {true, false, false, true},
        [UPDATE] = {true, true, true, false},   [EXCHANGE] = {true, true, true, true},
        [COMPARE] = {true, false, true, false}, [LOOK] = {true, false, false, false},
        [MOVE] = {true, false, false, false},
    };
    const bool two = access == MOVE;

    assert_int_equal(d.memory[0].read, expected[access].read);
    assert_int_equal(d.memory[0].write, expected[access].write);
    assert_int_equal(d.memory_first, expected[access].first);
    assert_int_equal(d.writes_register, expected[access].sets);
    assert_int_equal(d.memory_count, two ? 2 : 1);
    assert_int_equal(d.memory[1].write, access == MOVE);
    assert_false(d.memory[1].read);
}

static void operations_with_memory_have_their_operands(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(operation_examples); i++) {
        const struct operation_example *e = &operation_examples[i];

        decode_example(e->text, e->bytes, e->mode);
        assert_int_equal(d.operation, e->operation);
        assert_int_equal(d.operand_size, e->operand_size);
        assert_int_equal(d.source_size, e->source_size);
        check_access(e->access);
        assert_int_equal(d.other, e->other);
        if (e->other == DECODE_REGISTER) { assert_int_equal(d.reg | (d.reg_high ? HIGH : 0), e->value); }
        if (e->other == DECODE_IMMEDIATE) { assert_int_equal(d.immediate, e->value); }
        assert_false(d.repeat);
    }
    doing = NULL;
}

static void addresses_are_what_the_manual_computes(void **state) {
    uint64_t registers[DECODE_REGISTERS];

    (void)state;
    for (unsigned i = 0; i < DECODE_REGISTERS; i++) { registers[i] = 0x0123456789abcdef * (i + 1); }
    for (size_t i = 0; i < ARRAY_SIZE(address_examples); i++) {
        const struct address_example *e = &address_examples[i];

        decode_example(e->text, e->bytes, e->mode);
        assert_int_equal(d.operation, OP_MOV);
        assert_int_equal(d.memory_count, 1);
        assert_int_equal(d.address_size, e->address_size);
        assert_int_equal(d.memory[0].segment, e->segment);
        assert_int_equal(d.memory[0].base, e->base);
        assert_int_equal(d.memory[0].index, e->index);
        assert_int_equal(d.memory[0].scale, e->scale);
        // An address that is as wide as the displacement's sign does not tell whether it was extended.
        assert_int_equal((uint64_t)(d.memory[0].displacement - e->displacement) << (64 - 8 * e->address_size), 0);
        assert_int_equal(d.memory[0].rip_relative, e->rip_relative);
        assert_int_equal(decode_address(&d, 0, registers, 0x123450, 0x1000000 * (e->segment + 1ull)), e->linear);
    }
    doing = NULL;
}

static void what_is_intercepted_has_its_length(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(other_examples); i++) {
        const struct other_example *e = &other_examples[i];

        decode_example(e->text, e->bytes, e->mode);
        assert_int_equal(d.operation, e->operation);
        if (e->operand_size != 0) { assert_int_equal(d.operand_size, e->operand_size); }
        assert_int_equal(d.memory_count, e->memory_count);
        assert_int_equal(d.repeat, e->repeat);
    }
    doing = NULL;
}

// The general register and the control register's number; the mode of ModRM does not count (SDM vol. 2, MOV to control registers).
static void control_registers_are_named_by_number(void **state) {
    (void)state;
    static const struct {
        uint8_t mode;
        const char *text, *bytes;
        uint8_t operation, operand_size, reg, control;
    } examples[] = {
        {DECODE_16, "mov %edx,%cr0", "0f22c2", OP_MOV_TO_CR, 4, 2, 0},
        {DECODE_32, "mov %cr4,%edx", "0f20e2", OP_MOV_FROM_CR, 4, 2, 4},
        {DECODE_32, "the same with a mode of 0", "0f2022", OP_MOV_FROM_CR, 4, 2, 4},
        {DECODE_64, "mov %rdx,%cr0", "0f22c2", OP_MOV_TO_CR, 8, 2, 0},
        {DECODE_64, "mov %r15,%cr8", "450f22c7", OP_MOV_TO_CR, 8, 15, 8},
        {DECODE_64, "mov %cr8,%r9", "450f20c1", OP_MOV_FROM_CR, 8, 9, 8},
        {DECODE_16, "lmsw %cx", "0f01f1", OP_LMSW, 2, 1, 6},
        {DECODE_16, "smsw %esi", "660f01e6", OP_SMSW, 4, 6, 4},
        {DECODE_64, "smsw %esi", "0f01e6", OP_SMSW, 4, 6, 4},
        {DECODE_64, "smsw %r8", "490f01e0", OP_SMSW, 8, 8, 4},
    };

    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        doing = examples[i].text;
        assert_int_equal(decode(examples[i].bytes, examples[i].mode), DECODE_OK);
        assert_int_equal(d.operation, examples[i].operation);
        assert_int_equal(d.length, strlen(examples[i].bytes) / 2);
        assert_int_equal(d.operand_size, examples[i].operand_size);
        assert_int_equal(d.reg, examples[i].reg);
        assert_int_equal(d.immediate, examples[i].control);
        assert_int_equal(d.memory_count, 0);
    }
    assert_int_equal(decode("0f06", DECODE_64), DECODE_OK);
    assert_int_equal(d.operation, OP_CLTS);
    assert_int_equal(decode("0f0123", DECODE_32), DECODE_UNKNOWN); // SMSW to memory
}

static void what_no_program_does_to_a_device_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused_examples); i++) {
        doing = refused_examples[i].text;
        assert_int_equal(decode(refused_examples[i].bytes, refused_examples[i].mode), DECODE_UNKNOWN);
    }
    doing = NULL;
}

static void string_operations_go_from_source_to_destination(void **state) {
    static const uint64_t registers[DECODE_REGISTERS] = {[6] = 0x123456789, [7] = 0xabcdef012};

    (void)state;
    assert_int_equal(decode("64a4", DECODE_64), DECODE_OK); // movsb %fs:(%rsi),%es:(%rdi)
    assert_int_equal(d.memory[0].segment, SEGMENT_FS);
    assert_int_equal(d.memory[1].segment, SEGMENT_ES);
    assert_int_equal(decode_address(&d, 0, registers, 0, 0x10), 0x123456799);
    assert_int_equal(decode_address(&d, 1, registers, 0, 0), 0xabcdef012);
    assert_int_equal(decode("2ea5", DECODE_16), DECODE_OK); // movsw %cs:(%si),%es:(%di)
    assert_int_equal(d.memory[0].segment, SEGMENT_CS);
    assert_int_equal(decode_address(&d, 0, registers, 0, 0xf0000), 0xf6789);
    assert_int_equal(decode_address(&d, 1, registers, 0, 0), 0xf012);
    assert_int_equal(decode("6567ab", DECODE_64), DECODE_OK); // stosl: its segment is ES whatever stands before it
    assert_int_equal(d.memory[0].segment, SEGMENT_ES);
    assert_int_equal(decode_address(&d, 0, registers, 0, 0), 0xbcdef012);
    assert_int_equal(decode("656f", DECODE_32), DECODE_OK); // outsl %gs:(%esi)
    assert_int_equal(d.memory[0].segment, SEGMENT_GS);
}

static void prefixes_count_in_any_order_and_rex_only_before_the_opcode(void **state) {
    static const struct {
        const char *bytes;
        uint8_t mode, operand_size, address_size, segment, reg;
    } examples[] = {
        {"8903", DECODE_64, 4, 8, SEGMENT_DS, 0},       {"6766648903", DECODE_64, 2, 4, SEGMENT_FS, 0},
        {"6664678903", DECODE_64, 2, 4, SEGMENT_FS, 0}, {"666666678903", DECODE_64, 2, 4, SEGMENT_DS, 0},
        {"666748890b", DECODE_64, 8, 4, SEGMENT_DS, 1}, {"48668903", DECODE_64, 2, 8, SEGMENT_DS, 0},
        {"4c648903", DECODE_64, 4, 8, SEGMENT_FS, 0},   {"48448903", DECODE_64, 4, 8, SEGMENT_DS, 8},
        {"64652e8903", DECODE_64, 4, 8, SEGMENT_GS, 0}, {"652e3e26368903", DECODE_64, 4, 8, SEGMENT_GS, 0},
        {"652e8903", DECODE_32, 4, 4, SEGMENT_CS, 0},   {"f2f38903", DECODE_64, 4, 8, SEGMENT_DS, 0},
        {"66668907", DECODE_16, 4, 2, SEGMENT_DS, 0},   {"66676667668903", DECODE_16, 4, 4, SEGMENT_DS, 0},
        {"67668907", DECODE_32, 2, 2, SEGMENT_DS, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        assert_int_equal(decode(examples[i].bytes, examples[i].mode), DECODE_OK);
        assert_int_equal(d.operation, OP_MOV);
        assert_int_equal(d.operand_size, examples[i].operand_size);
        assert_int_equal(d.address_size, examples[i].address_size);
        assert_int_equal(d.memory[0].segment, examples[i].segment);
        assert_int_equal(d.reg, examples[i].reg);
    }
}

static void an_instruction_has_at_most_15_bytes(void **state) {
    (void)state;
    // 13 prefixes and hlt, with one byte more each time; then a displacement that would end behind the 15th byte.
    assert_int_equal(decode("66666666666666666666666666f4", DECODE_64), DECODE_OK);
    assert_int_equal(decode("6666666666666666666666666666f4", DECODE_64), DECODE_OK);
    assert_int_equal(d.length, 15);
    assert_int_equal(decode("666666666666666666666666666666f4", DECODE_64), DECODE_UNKNOWN);
    assert_int_equal(decode("666666666666666666666666666666", DECODE_64), DECODE_UNKNOWN);
    assert_int_equal(decode("6666666666666666666666666666", DECODE_64), DECODE_NEEDS_MORE);
    assert_int_equal(decode("67666666c784880000000000000000", DECODE_64), DECODE_OK);
    assert_int_equal(decode("6767676767c7848800000000000000", DECODE_64), DECODE_UNKNOWN);
    assert_int_equal(decode("6767676767c78488000000000000", DECODE_64), DECODE_NEEDS_MORE);
    assert_int_equal(decode("", DECODE_64), DECODE_NEEDS_MORE);
}

static void what_is_not_known_is_refused(void **state) {
    static const struct {
        uint8_t mode;
        const char *text, *bytes;
    } examples[] = {
        {DECODE_64, "vmovd %xmm0,(%rbx)", "c5f97e03"},
        {DECODE_64, "three-byte VEX", "c4e27918"},
        {DECODE_64, "EVEX", "62f17c48"},
        {DECODE_32, "VEX", "c5f97e03"},
        {DECODE_32, "lds (%ebx),%eax", "c503"},
        {DECODE_32, "EVEX", "62f17c48"},
        {DECODE_32, "bound %eax,(%ebx)", "6203"},
        {DECODE_64, "XOP map 8", "8fe8"},
        {DECODE_64, "XOP map 16", "8ff0"},
        {DECODE_64, "pop (%rbx)", "8f03"},
        {DECODE_64, "movaps (%rbx),%xmm0", "0f2803"},
        {DECODE_64, "mov %eax,%ebx", "89c3"},
        {DECODE_64, "add %eax,%ebx", "01c3"},
        {DECODE_64, "push (%rbx)", "ff33"},
        {DECODE_64, "call *(%rbx)", "ff13"},
        {DECODE_64, "mul (%rbx)", "f723"},
        {DECODE_64, "test alias", "f60b01"},
        {DECODE_64, "crc32 (%rbx),%eax", "f20f38f103"},
        {DECODE_64, "popcnt (%rbx),%eax", "f30fb803"},
        {DECODE_64, "movsxd of 16 bits, which vendors read differently", "666303"},
        {DECODE_32, "arpl %ax,(%ebx)", "6303"},
        {DECODE_32, "inc %eax", "40"},
        {DECODE_64, "into", "ce"},
        {DECODE_64, "nop", "90"},
        {DECODE_64, "xchg %r8,%rax", "f34190"},
        {DECODE_64, "0f3a", "0f3a0f"},
        {DECODE_64, "extrq", "660f78c00102"},
        {DECODE_64, "66 extrq", "660f79c1"},
        {DECODE_64, "invpcid without 66", "0f388203"},
        {DECODE_64, "invept without 66", "0f388003"},
        {DECODE_64, "invvpid without 66", "0f388103"},
        {DECODE_64, "66 f2 invpcid", "66f20f388203"},
        {DECODE_64, "f2 0fc7 /6", "f20fc733"},
        {DECODE_64, "66 vmptrst", "660fc73b"},
        {DECODE_64, "crc32b", "f20f38f003"},
        {DECODE_64, "swapgs", "0f01f8"},
        {DECODE_64, "rdrand %eax", "0fc7f0"},
        {DECODE_64, "ud2", "0f0b"},
        {DECODE_64, "lock mov %eax,(%rbx)", "f08903"},
        {DECODE_64, "lock add (%rbx),%eax", "f00303"},
        {DECODE_64, "lock cmp %eax,(%rbx)", "f03903"},
        {DECODE_64, "lock cmpl $1,(%rbx)", "f0833b01"},
        {DECODE_64, "lock bt %eax,(%rbx)", "f00fa303"},
        {DECODE_64, "lock movsb", "f0a4"},
        {DECODE_64, "lock hlt", "f0f4"},
        {DECODE_64, "lock mov %cr3,%rax", "f00f20d8"},
        {DECODE_64, "lock mov %dr0,%rax", "f00f21c0"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        doing = examples[i].text;
        assert_int_equal(decode(examples[i].bytes, examples[i].mode), DECODE_UNKNOWN);
    }
    doing = NULL;
}

// Nothing that accesses memory has a form without it; ModRM with mod 3 after every opcode of every map.
static void register_forms_are_not_emulated(void **state) {
    static const char *const maps[] = {"", "0f", "0f38"}, *const prefixes[] = {"", "66", "f3"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(maps) * ARRAY_SIZE(prefixes) * 256 * 8; i++) {
        char hex[32];

        snprintf(hex, sizeof(hex), "%s%s%02x%02x0000000000000000", prefixes[(i >> 11) % 3], maps[(i >> 11) / 3],
                 i & 0xff, 0xc0 | (i >> 8 & 7) << 3);
        if (decode(hex, DECODE_64) != DECODE_OK) { continue; }
        assert_true(d.operation > OP_LAST_EVALUATED || d.memory_count > 0);
    }
}

static void no_port_has_64_bits(void **state) {
    (void)state;
    assert_int_equal(decode("486d", DECODE_64), DECODE_OK); // insl
    assert_int_equal(d.operand_size, 4);
    assert_true(d.memory[0].write && !d.memory[0].read && d.memory_first && d.memory[0].base == 7);
    assert_int_equal(decode("65486f", DECODE_64), DECODE_OK); // outsl %gs:
    assert_int_equal(d.operand_size, 4);
    assert_true(!d.memory[0].write && d.memory[0].read && d.memory[0].base == 6);
    assert_int_equal(d.memory[0].segment, SEGMENT_GS);
}

static void a_register_is_read_and_written_in_its_width(void **state) {
    uint64_t registers[DECODE_REGISTERS] = {[0] = 0x1122334455667788, [12] = 0x99aabbccddeeff00};
    static const struct {
        const char *bytes;
        uint64_t read, written;
    } examples[] = {
        {"8803", 0x88, 0x11223344556677ef},     // mov %al,(%rbx)
        {"8823", 0x77, 0x112233445566ef88},     // mov %ah,(%rbx)
        {"668903", 0x7788, 0x112233445566cdef}, // mov %ax,(%rbx)
        {"8903", 0x55667788, 0x89abcdef},       // mov %eax,(%rbx)
        {"488903", 0x1122334455667788, 0x0123456789abcdef},
        {"448823", 0x00, 0x99aabbccddeeffef}, // mov %r12b,(%rbx)
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        uint64_t changed[DECODE_REGISTERS];

        memcpy(changed, registers, sizeof(changed));
        assert_int_equal(decode(examples[i].bytes, DECODE_64), DECODE_OK);
        assert_int_equal(decode_register_read(&d, registers), examples[i].read);
        decode_register_write(&d, changed, 0x0123456789abcdef);
        assert_int_equal(changed[d.reg], examples[i].written);
        changed[d.reg] = registers[d.reg];
        assert_memory_equal(changed, registers, sizeof(changed));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(operations_with_memory_have_their_operands, say_what_failed),
        cmocka_unit_test_teardown(addresses_are_what_the_manual_computes, say_what_failed),
        cmocka_unit_test_teardown(what_is_intercepted_has_its_length, say_what_failed),
        cmocka_unit_test_teardown(what_no_program_does_to_a_device_is_refused, say_what_failed),
        cmocka_unit_test(control_registers_are_named_by_number),
        cmocka_unit_test(string_operations_go_from_source_to_destination),
        cmocka_unit_test(prefixes_count_in_any_order_and_rex_only_before_the_opcode),
        cmocka_unit_test(an_instruction_has_at_most_15_bytes),
        cmocka_unit_test_teardown(what_is_not_known_is_refused, say_what_failed),
        cmocka_unit_test(register_forms_are_not_emulated),
        cmocka_unit_test(no_port_has_64_bits),
        cmocka_unit_test(a_register_is_read_and_written_in_its_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
