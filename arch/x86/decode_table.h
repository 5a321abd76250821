// SPDX-License-Identifier: Apache-2.0
// The opcodes that decode.c knows, one a row; for that file only. Opcodes and groups: Intel SDM vol. 2, appendix A.3 and
// A.4; AMD APM vol. 3, appendix A.1 and A.2. A row says when it holds and names its form: how the operands are encoded
// and used. The first row that holds is taken, and what comes most often stands first.
#ifndef ARCH_X86_DECODE_TABLE_H
#define ARCH_X86_DECODE_TABLE_H

#include "arch/x86/decode.h"

// ---- forms -----------------------------------------------------------------------------------------------------------
enum size_rule {
    SIZE_BIT0,   // bit 0 of the opcode clear: byte; set: the operand size
    SIZE_FULL,   // the operand size
    SIZE_PORT,   // as SIZE_BIT0, but never above 4
    SIZE_STORED, // 8 with REX.W, else 4, whatever the default
    SIZE_STACK,  // 8 in 64-bit mode unless 66 makes it 2
    SIZE_NATIVE, // 8 in 64-bit mode, else 4
    SIZE_WORD,   // 2
};

enum immediate_rule {
    IMMEDIATE_NONE,
    IMMEDIATE_SIGNED8,
    IMMEDIATE_UNSIGNED8,
    IMMEDIATE_SIZED, // 1, 2 or 4 bytes by the operand size, with sign
};

enum {
    USE_MODRM = 0x1,
    USE_REGISTERS = 0x2,    // ModRM names two registers whatever its mod says
    USE_OFFSET = 0x4,       // memory by an offset of the address size, without ModRM
    USE_STRING_FROM = 0x8,  // memory at [rSI]
    USE_STRING_TO = 0x10,   // memory at ES:[rDI]
    USE_READ = 0x20,        // memory[0] is read
    USE_WRITE = 0x40,       // it is written
    USE_FIRST = 0x80,       // it is the first operand
    USE_SETS = 0x100,       // the register operand is written
    USE_LOCK = 0x200,       // LOCK is legal
    USE_LOCK_CR8 = 0x400,   // LOCK makes CR0 CR8: APM vol. 3, MOV CRn
    USE_BIT_STRING = 0x800, // the register's upper bits select the word

    USE_LOADED = USE_MODRM | USE_READ,
    USE_STORED = USE_MODRM | USE_WRITE | USE_FIRST,
    USE_COMPARED = USE_MODRM | USE_READ | USE_FIRST,
    USE_UPDATED = USE_COMPARED | USE_WRITE | USE_LOCK,
};

struct form {
    uint8_t size; // enum size_rule
    uint8_t other;
    uint8_t immediate;
    uint8_t source; // size of the memory operand where it is another, else 0
    uint16_t uses;
};

enum form_name {
    PLAIN,
    STACK,
    VECTOR_NUMBER,
    PORT_DX,
    PORT_IMMEDIATE,
    PORT_INS,
    PORT_OUTS,
    STORE, // memory <- register
    STORE_IMMEDIATE,
    STORE_OFFSET,
    STORE_ONLY, // MOVNTI
    STORE_SWAPPED,
    LOAD, // register <- memory, or register <- register op memory
    LOAD_OFFSET,
    LOAD_SWAPPED,
    LOAD_BYTE,
    LOAD_WORD,
    LOAD_DWORD,
    UPDATE, // memory <- memory op register
    UPDATE_ALONE,
    UPDATE_IMMEDIATE,
    UPDATE_IMMEDIATE8,
    EXCHANGE, // as UPDATE, and the register gets what memory held
    COMPARE,  // memory with register
    COMPARE_WITH_MEMORY,
    COMPARE_IMMEDIATE,
    COMPARE_IMMEDIATE8,
    BIT_READ,
    BIT_UPDATE,
    BIT_READ_IMMEDIATE,
    BIT_UPDATE_IMMEDIATE,
    STRING_MOVE,
    STRING_COMPARE,
    STRING_STORE,
    STRING_LOAD,
    STRING_SCAN,
    SPECIAL, // control and debug registers
    ADDRESS, // memory that is named, not accessed by what emulates it
    ADDRESS_REGISTER,
    SELECTOR_STORE,
    SELECTOR_LOAD,
    TABLE_STORE, // of the native size, or a pseudo-descriptor
    TABLE_LOAD,
    FIELD_STORE, // VMREAD
    FIELD_LOAD,
};

static const struct form forms[] = {
    [PLAIN] = {SIZE_FULL, DECODE_NOTHING, 0, 0, 0},
    [STACK] = {SIZE_STACK, DECODE_NOTHING, 0, 0, 0},
    [VECTOR_NUMBER] = {SIZE_FULL, DECODE_IMMEDIATE, IMMEDIATE_UNSIGNED8, 0, 0},
    [PORT_DX] = {SIZE_PORT, DECODE_NOTHING, 0, 0, 0},
    [PORT_IMMEDIATE] = {SIZE_PORT, DECODE_IMMEDIATE, IMMEDIATE_UNSIGNED8, 0, 0},
    [PORT_INS] = {SIZE_PORT, DECODE_NOTHING, 0, 0, USE_STRING_TO | USE_WRITE | USE_FIRST},
    [PORT_OUTS] = {SIZE_PORT, DECODE_NOTHING, 0, 0, USE_STRING_FROM | USE_READ},
    [STORE] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_STORED},
    [STORE_IMMEDIATE] = {SIZE_BIT0, DECODE_IMMEDIATE, IMMEDIATE_SIZED, 0, USE_STORED},
    [STORE_OFFSET] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_OFFSET | USE_WRITE | USE_FIRST},
    [STORE_ONLY] = {SIZE_STORED, DECODE_REGISTER, 0, 0, USE_STORED},
    [STORE_SWAPPED] = {SIZE_FULL, DECODE_REGISTER, 0, 0, USE_STORED},
    [LOAD] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_LOADED | USE_SETS},
    [LOAD_OFFSET] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_OFFSET | USE_READ | USE_SETS},
    [LOAD_SWAPPED] = {SIZE_FULL, DECODE_REGISTER, 0, 0, USE_LOADED | USE_SETS},
    [LOAD_BYTE] = {SIZE_FULL, DECODE_REGISTER, 0, 1, USE_LOADED | USE_SETS},
    [LOAD_WORD] = {SIZE_FULL, DECODE_REGISTER, 0, 2, USE_LOADED | USE_SETS},
    [LOAD_DWORD] = {SIZE_FULL, DECODE_REGISTER, 0, 4, USE_LOADED | USE_SETS},
    [UPDATE] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_UPDATED},
    [UPDATE_ALONE] = {SIZE_BIT0, DECODE_NOTHING, 0, 0, USE_UPDATED},
    [UPDATE_IMMEDIATE] = {SIZE_BIT0, DECODE_IMMEDIATE, IMMEDIATE_SIZED, 0, USE_UPDATED},
    [UPDATE_IMMEDIATE8] = {SIZE_FULL, DECODE_IMMEDIATE, IMMEDIATE_SIGNED8, 0, USE_UPDATED},
    [EXCHANGE] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_UPDATED | USE_SETS},
    [COMPARE] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_COMPARED},
    [COMPARE_WITH_MEMORY] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_LOADED},
    [COMPARE_IMMEDIATE] = {SIZE_BIT0, DECODE_IMMEDIATE, IMMEDIATE_SIZED, 0, USE_COMPARED},
    [COMPARE_IMMEDIATE8] = {SIZE_FULL, DECODE_IMMEDIATE, IMMEDIATE_SIGNED8, 0, USE_COMPARED},
    [BIT_READ] = {SIZE_FULL, DECODE_REGISTER, 0, 0, USE_COMPARED | USE_BIT_STRING},
    [BIT_UPDATE] = {SIZE_FULL, DECODE_REGISTER, 0, 0, USE_UPDATED | USE_BIT_STRING},
    [BIT_READ_IMMEDIATE] = {SIZE_FULL, DECODE_IMMEDIATE, IMMEDIATE_UNSIGNED8, 0, USE_COMPARED},
    [BIT_UPDATE_IMMEDIATE] = {SIZE_FULL, DECODE_IMMEDIATE, IMMEDIATE_UNSIGNED8, 0, USE_UPDATED},
    [STRING_MOVE] = {SIZE_BIT0, DECODE_MEMORY, 0, 0, USE_STRING_FROM | USE_STRING_TO | USE_READ | USE_WRITE},
    [STRING_COMPARE] = {SIZE_BIT0, DECODE_MEMORY, 0, 0, USE_STRING_FROM | USE_STRING_TO | USE_READ | USE_FIRST},
    [STRING_STORE] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_STRING_TO | USE_WRITE | USE_FIRST},
    [STRING_LOAD] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_STRING_FROM | USE_READ | USE_SETS},
    [STRING_SCAN] = {SIZE_BIT0, DECODE_REGISTER, 0, 0, USE_STRING_TO | USE_READ},
    [SPECIAL] = {SIZE_NATIVE, DECODE_REGISTER, 0, 0, USE_MODRM | USE_REGISTERS | USE_LOCK_CR8},
    [ADDRESS] = {SIZE_NATIVE, DECODE_NOTHING, 0, 0, USE_MODRM},
    [ADDRESS_REGISTER] = {SIZE_NATIVE, DECODE_REGISTER, 0, 0, USE_MODRM},
    [SELECTOR_STORE] = {SIZE_FULL, DECODE_NOTHING, 0, 2, USE_STORED},
    [SELECTOR_LOAD] = {SIZE_WORD, DECODE_NOTHING, 0, 2, USE_LOADED},
    [TABLE_STORE] = {SIZE_NATIVE, DECODE_NOTHING, 0, 0, USE_STORED},
    [TABLE_LOAD] = {SIZE_NATIVE, DECODE_NOTHING, 0, 0, USE_LOADED},
    [FIELD_STORE] = {SIZE_NATIVE, DECODE_REGISTER, 0, 0, USE_STORED},
    [FIELD_LOAD] = {SIZE_NATIVE, DECODE_REGISTER, 0, 0, USE_LOADED},
};

// ---- opcodes ---------------------------------------------------------------------------------------------------------
enum {
    WHEN_MEMORY = 0x1,     // ModRM names memory
    WHEN_64 = 0x2,         // in 64-bit mode only
    WHEN_NOT_64 = 0x4,     // everywhere else only
    WHEN_BARE = 0x8,       // none of 66, F2 and F3
    WHEN_NO_REPEAT = 0x10, // neither F2 nor F3
    WHEN_66 = 0x20,        // 66, and neither of F2 and F3
    WHEN_F3 = 0x40,        // F3, whatever 66 says
    WHEN_NOT_REX_B = 0x80,
    THEN_OPCODE = 0x100, // bits 5:3 of the opcode are added to the operation
    THEN_MODRM = 0x200,  // the reg field of ModRM is
};

// The operation of rows for what is refused as DECODE_VECTOR.
enum { OP_VECTOR = 0xff };

struct row {
    uint16_t opcode; // map (0x00, 0x0f, 0x38 for 0F 38) and opcode byte
    uint8_t opcode_mask;
    uint8_t modrm, modrm_mask; // what ModRM must be; mask 0: anything
    uint8_t operation;
    uint8_t form; // enum form_name
    uint16_t when;
};

#define GROUP(n)   (n) << 3, 0x38 // the reg field of ModRM
#define EXACTLY(n) (n), 0xff      // all of ModRM
#define ANY        0, 0

static const struct row rows[] = {
    {0x0088, 0xfe, ANY, OP_MOV, STORE, WHEN_MEMORY},
    {0x008a, 0xfe, ANY, OP_MOV, LOAD, WHEN_MEMORY},
    {0x00c6, 0xfe, GROUP(0), OP_MOV, STORE_IMMEDIATE, WHEN_MEMORY},
    {0x0038, 0xfe, ANY, OP_CMP, COMPARE, WHEN_MEMORY},
    {0x003a, 0xfe, ANY, OP_CMP, COMPARE_WITH_MEMORY, WHEN_MEMORY},
    {0x0000, 0xc6, ANY, OP_ADD, UPDATE, WHEN_MEMORY | THEN_OPCODE},
    {0x0002, 0xc6, ANY, OP_ADD, LOAD, WHEN_MEMORY | THEN_OPCODE},
    {0x0080, 0xfe, GROUP(7), OP_CMP, COMPARE_IMMEDIATE, WHEN_MEMORY},
    {0x0083, 0xff, GROUP(7), OP_CMP, COMPARE_IMMEDIATE8, WHEN_MEMORY},
    {0x0080, 0xfe, ANY, OP_ADD, UPDATE_IMMEDIATE, WHEN_MEMORY | THEN_MODRM},
    {0x0083, 0xff, ANY, OP_ADD, UPDATE_IMMEDIATE8, WHEN_MEMORY | THEN_MODRM},
    {0x0084, 0xfe, ANY, OP_TEST, COMPARE, WHEN_MEMORY},
    {0x00f6, 0xfe, GROUP(0), OP_TEST, COMPARE_IMMEDIATE, WHEN_MEMORY},
    {0x00f6, 0xfe, GROUP(2), OP_NOT, UPDATE_ALONE, WHEN_MEMORY},
    {0x00f6, 0xfe, GROUP(3), OP_NEG, UPDATE_ALONE, WHEN_MEMORY},
    {0x00fe, 0xfe, GROUP(0), OP_INC, UPDATE_ALONE, WHEN_MEMORY},
    {0x00fe, 0xfe, GROUP(1), OP_DEC, UPDATE_ALONE, WHEN_MEMORY},
    {0x0086, 0xfe, ANY, OP_XCHG, EXCHANGE, WHEN_MEMORY},
    {0x0fb6, 0xff, ANY, OP_MOVZX, LOAD_BYTE, WHEN_MEMORY},
    {0x0fb7, 0xff, ANY, OP_MOVZX, LOAD_WORD, WHEN_MEMORY},
    {0x0fbe, 0xff, ANY, OP_MOVSX, LOAD_BYTE, WHEN_MEMORY},
    {0x0fbf, 0xff, ANY, OP_MOVSX, LOAD_WORD, WHEN_MEMORY},
    {0x0063, 0xff, ANY, OP_MOVSX, LOAD_DWORD, WHEN_MEMORY | WHEN_64 | WHEN_BARE},
    {0x00a0, 0xfe, ANY, OP_MOV, LOAD_OFFSET, 0},
    {0x00a2, 0xfe, ANY, OP_MOV, STORE_OFFSET, 0},
    {0x00a4, 0xfe, ANY, OP_MOVS, STRING_MOVE, 0},
    {0x00a6, 0xfe, ANY, OP_CMPS, STRING_COMPARE, 0},
    {0x00aa, 0xfe, ANY, OP_STOS, STRING_STORE, 0},
    {0x00ac, 0xfe, ANY, OP_LODS, STRING_LOAD, 0},
    {0x00ae, 0xfe, ANY, OP_SCAS, STRING_SCAN, 0},
    {0x0fa3, 0xff, ANY, OP_BT, BIT_READ, WHEN_MEMORY},
    {0x0fab, 0xff, ANY, OP_BTS, BIT_UPDATE, WHEN_MEMORY},
    {0x0fb3, 0xff, ANY, OP_BTR, BIT_UPDATE, WHEN_MEMORY},
    {0x0fbb, 0xff, ANY, OP_BTC, BIT_UPDATE, WHEN_MEMORY},
    {0x0fba, 0xff, GROUP(4), OP_BT, BIT_READ_IMMEDIATE, WHEN_MEMORY},
    {0x0fba, 0xff, GROUP(5), OP_BTS, BIT_UPDATE_IMMEDIATE, WHEN_MEMORY},
    {0x0fba, 0xff, GROUP(6), OP_BTR, BIT_UPDATE_IMMEDIATE, WHEN_MEMORY},
    {0x0fba, 0xff, GROUP(7), OP_BTC, BIT_UPDATE_IMMEDIATE, WHEN_MEMORY},
    {0x0fb0, 0xfe, ANY, OP_CMPXCHG, UPDATE, WHEN_MEMORY},
    {0x0fc0, 0xfe, ANY, OP_XADD, EXCHANGE, WHEN_MEMORY},
    {0x0fc3, 0xff, ANY, OP_MOVNTI, STORE_ONLY, WHEN_MEMORY | WHEN_BARE},
    {0x38f0, 0xff, ANY, OP_MOVBE, LOAD_SWAPPED, WHEN_MEMORY | WHEN_NO_REPEAT},
    {0x38f1, 0xff, ANY, OP_MOVBE, STORE_SWAPPED, WHEN_MEMORY | WHEN_NO_REPEAT},

    {0x00e4, 0xfe, ANY, OP_IN, PORT_IMMEDIATE, 0},
    {0x00e6, 0xfe, ANY, OP_OUT, PORT_IMMEDIATE, 0},
    {0x00ec, 0xfe, ANY, OP_IN, PORT_DX, 0},
    {0x00ee, 0xfe, ANY, OP_OUT, PORT_DX, 0},
    {0x006c, 0xfe, ANY, OP_INS, PORT_INS, 0},
    {0x006e, 0xfe, ANY, OP_OUTS, PORT_OUTS, 0},

    {0x0f30, 0xff, ANY, OP_WRMSR, PLAIN, 0},
    {0x0f32, 0xff, ANY, OP_RDMSR, PLAIN, 0},
    {0x00f4, 0xff, ANY, OP_HLT, PLAIN, 0},
    {0x0090, 0xff, ANY, OP_PAUSE, PLAIN, WHEN_F3 | WHEN_NOT_REX_B},
    {0x0fa2, 0xff, ANY, OP_CPUID, PLAIN, 0},
    {0x0f22, 0xff, ANY, OP_MOV_TO_CR, SPECIAL, 0},
    {0x0f20, 0xff, ANY, OP_MOV_FROM_CR, SPECIAL, 0},
    {0x0f23, 0xff, ANY, OP_MOV_TO_DR, SPECIAL, 0},
    {0x0f21, 0xff, ANY, OP_MOV_FROM_DR, SPECIAL, 0},
    {0x0f06, 0xff, ANY, OP_CLTS, PLAIN, 0},
    {0x0f08, 0xff, ANY, OP_INVD, PLAIN, 0},
    {0x0f09, 0xff, ANY, OP_WBNOINVD, PLAIN, WHEN_F3},
    {0x0f09, 0xff, ANY, OP_WBINVD, PLAIN, WHEN_BARE},
    {0x0f31, 0xff, ANY, OP_RDTSC, PLAIN, 0},
    {0x0f33, 0xff, ANY, OP_RDPMC, PLAIN, 0},
    {0x0faa, 0xff, ANY, OP_RSM, PLAIN, 0},
    {0x009c, 0xff, ANY, OP_PUSHF, STACK, 0},
    {0x009d, 0xff, ANY, OP_POPF, STACK, 0},
    {0x00cc, 0xff, ANY, OP_INT3, PLAIN, 0},
    {0x00cd, 0xff, ANY, OP_INT, VECTOR_NUMBER, 0},
    {0x00ce, 0xff, ANY, OP_INTO, PLAIN, WHEN_NOT_64},
    {0x00cf, 0xff, ANY, OP_IRET, PLAIN, 0},
    {0x00f1, 0xff, ANY, OP_INT1, PLAIN, 0},

    {0x0f00, 0xff, GROUP(0), OP_SLDT, SELECTOR_STORE, 0},
    {0x0f00, 0xff, GROUP(1), OP_STR, SELECTOR_STORE, 0},
    {0x0f00, 0xff, GROUP(2), OP_LLDT, SELECTOR_LOAD, 0},
    {0x0f00, 0xff, GROUP(3), OP_LTR, SELECTOR_LOAD, 0},
    {0x0f01, 0xff, GROUP(0), OP_SGDT, TABLE_STORE, WHEN_MEMORY},
    {0x0f01, 0xff, GROUP(1), OP_SIDT, TABLE_STORE, WHEN_MEMORY},
    {0x0f01, 0xff, GROUP(2), OP_LGDT, TABLE_LOAD, WHEN_MEMORY},
    {0x0f01, 0xff, GROUP(3), OP_LIDT, TABLE_LOAD, WHEN_MEMORY},
    {0x0f01, 0xff, GROUP(4), OP_SMSW, SELECTOR_STORE, 0},
    {0x0f01, 0xff, GROUP(6), OP_LMSW, SELECTOR_LOAD, 0},
    {0x0f01, 0xff, GROUP(7), OP_INVLPG, ADDRESS, WHEN_MEMORY},
    {0x0f01, 0xff, EXACTLY(0xc1), OP_VMCALL, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xc2), OP_VMLAUNCH, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xc3), OP_VMRESUME, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xc4), OP_VMXOFF, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xc8), OP_MONITOR, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xc9), OP_MWAIT, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xd1), OP_XSETBV, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xd8), OP_VMRUN, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xd9), OP_VMMCALL, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xda), OP_VMLOAD, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xdb), OP_VMSAVE, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xdc), OP_STGI, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xdd), OP_CLGI, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xde), OP_SKINIT, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xdf), OP_INVLPGA, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xf9), OP_RDTSCP, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xfa), OP_MONITORX, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xfb), OP_MWAITX, PLAIN, WHEN_BARE},
    {0x0f01, 0xff, EXACTLY(0xfd), OP_RDPRU, PLAIN, WHEN_BARE},
    {0x0fc7, 0xff, GROUP(6), OP_VMPTRLD, ADDRESS, WHEN_MEMORY | WHEN_BARE},
    {0x0fc7, 0xff, GROUP(6), OP_VMCLEAR, ADDRESS, WHEN_MEMORY | WHEN_66},
    {0x0fc7, 0xff, GROUP(6), OP_VMXON, ADDRESS, WHEN_MEMORY | WHEN_F3},
    {0x0fc7, 0xff, GROUP(7), OP_VMPTRST, ADDRESS, WHEN_MEMORY | WHEN_BARE},
    {0x0f78, 0xff, ANY, OP_VMREAD, FIELD_STORE, WHEN_BARE},
    {0x0f79, 0xff, ANY, OP_VMWRITE, FIELD_LOAD, WHEN_BARE},
    {0x3880, 0xff, ANY, OP_INVEPT, ADDRESS_REGISTER, WHEN_MEMORY | WHEN_66},
    {0x3881, 0xff, ANY, OP_INVVPID, ADDRESS_REGISTER, WHEN_MEMORY | WHEN_66},
    {0x3882, 0xff, ANY, OP_INVPCID, ADDRESS_REGISTER, WHEN_MEMORY | WHEN_66},

    // SDM vol. 2, 2.3.5 and 2.7; APM vol. 3, 1.2.8. Outside 64-bit mode these bytes are LES, LDS and BOUND where ModRM
    // names memory; and 8F is POP with a map below 8 everywhere. Those are of no interest here.
    {0x00c4, 0xfe, ANY, OP_VECTOR, PLAIN, WHEN_64},
    {0x0062, 0xff, ANY, OP_VECTOR, PLAIN, WHEN_64},
    {0x00c4, 0xfe, 0xc0, 0xc0, OP_VECTOR, PLAIN, WHEN_NOT_64},
    {0x0062, 0xff, 0xc0, 0xc0, OP_VECTOR, PLAIN, WHEN_NOT_64},
    {0x008f, 0xff, 0x08, 0x08, OP_VECTOR, PLAIN, 0},
    {0x008f, 0xff, 0x10, 0x10, OP_VECTOR, PLAIN, 0},
};

#undef GROUP
#undef EXACTLY
#undef ANY

#endif
