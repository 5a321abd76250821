// SPDX-License-Identifier: Apache-2.0
// The opcodes that decode.c knows, one a row; for that file only. Opcodes and groups: Intel SDM vol. 2, appendix A.3 and
// A.4; AMD APM vol. 3, appendix A.1 and A.2. The first row that holds is taken, and what comes most often stands first.
#ifndef ARCH_X86_DECODE_TABLE_H
#define ARCH_X86_DECODE_TABLE_H

#include "arch/x86/decode.h"

// How the operands of a row are encoded and used. Without one of the two about an immediate the other operand is a register.
enum {
    USE_MODRM = 0x1,       // ModRM names memory[0]
    USE_OFFSET = 0x2,      // memory[0] by an offset of the address size, without ModRM
    USE_FROM = 0x4,        // memory at [rSI] is read
    USE_TO = 0x8,          // memory at ES:[rDI] is written
    USE_READ = 0x10,       // memory[0] is read
    USE_WRITE = 0x20,      // it is written; with USE_READ LOCK is legal
    USE_FIRST = 0x40,      // it is the first operand
    USE_SETS = 0x80,       // the register operand is written
    USE_IMMEDIATE = 0x100, // of 1, 2 or 4 bytes by the operand size
    USE_IMMEDIATE8 = 0x200,
    USE_FULL = 0x400,      // the operand size is no byte although bit 0 of the opcode is clear
    USE_PORT = 0x800,      // the operand size is never above 4
    USE_64 = 0x1000,       // in 64-bit mode only
    USE_ALONE = 0x2000,    // there is no other operand
    USE_SOURCE_SHIFT = 14, // memory[0] is smaller than the operand: 1, 2, 3 for 1, 2, 4 bytes

    LOAD = USE_MODRM | USE_READ | USE_SETS, // register <- memory, or register <- register op memory
    STORE = USE_MODRM | USE_WRITE | USE_FIRST,
    COMPARE = USE_MODRM | USE_READ | USE_FIRST,
    UPDATE = COMPARE | USE_WRITE, // memory <- memory op register
    LOAD_BYTE = LOAD | USE_FULL | 1 << USE_SOURCE_SHIFT,
    LOAD_WORD = LOAD | USE_FULL | 2 << USE_SOURCE_SHIFT,
    LOAD_DWORD = LOAD | USE_FULL | 3 << USE_SOURCE_SHIFT,
};

enum { ANY = 8 }; // value of the reg field of ModRM

static const struct row {
    uint16_t opcode; // map (0x00, 0x0f, 0x38 for 0F 38, 0x01 for 0F 01 where what follows is no memory) and opcode byte
    uint8_t mask;    // of the opcode byte
    uint8_t group;   // what the reg field of ModRM must be
    uint8_t operation; // OP_ADD: that and the following seven by bits 5:3 of the opcode, or of ModRM in a group
    uint16_t uses;
} rows[] = {
    {0x0088, 0xfe, ANY, OP_MOV, STORE},
    {0x008a, 0xfe, ANY, OP_MOV, LOAD},
    {0x00c6, 0xfe, 0, OP_MOV, STORE | USE_IMMEDIATE},
    {0x0000, 0xc6, ANY, OP_ADD, UPDATE},
    {0x0002, 0xc6, ANY, OP_ADD, LOAD},
    {0x0080, 0xfe, ANY, OP_ADD, UPDATE | USE_IMMEDIATE},
    {0x0083, 0xff, ANY, OP_ADD, UPDATE | USE_IMMEDIATE8},
    {0x0084, 0xfe, ANY, OP_TEST, COMPARE},
    {0x00f6, 0xfe, 0, OP_TEST, COMPARE | USE_IMMEDIATE},
    {0x0fba, 0xff, 4, OP_BT, COMPARE | USE_FULL | USE_IMMEDIATE8},
    {0x00fe, 0xfe, 0, OP_INC, UPDATE | USE_ALONE},
    {0x00fe, 0xfe, 1, OP_DEC, UPDATE | USE_ALONE},
    {0x0086, 0xfe, ANY, OP_XCHG, UPDATE | USE_SETS},
    {0x0fb6, 0xff, ANY, OP_MOVZX, LOAD_BYTE},
    {0x0fb7, 0xff, ANY, OP_MOVZX, LOAD_WORD},
    {0x0fbe, 0xff, ANY, OP_MOVSX, LOAD_BYTE},
    {0x0fbf, 0xff, ANY, OP_MOVSX, LOAD_WORD},
    {0x0063, 0xff, ANY, OP_MOVSX, LOAD_DWORD | USE_64},
    {0x0fc3, 0xff, ANY, OP_MOV, STORE | USE_64}, // MOVNTI; elsewhere its size is no default
    {0x38f0, 0xff, ANY, OP_MOVBE, LOAD | USE_FULL},
    {0x38f1, 0xff, ANY, OP_MOVBE, STORE},
    {0x00a0, 0xfe, ANY, OP_MOV, USE_OFFSET | USE_READ | USE_SETS},
    {0x00a2, 0xfe, ANY, OP_MOV, USE_OFFSET | USE_WRITE | USE_FIRST},
    {0x00a4, 0xfe, ANY, OP_MOVS, USE_FROM | USE_TO | USE_ALONE},
    {0x00aa, 0xfe, ANY, OP_STOS, USE_TO | USE_FIRST},
    {0x006c, 0xfe, ANY, OP_INS, USE_TO | USE_FIRST | USE_PORT | USE_ALONE},
    {0x006e, 0xfe, ANY, OP_OUTS, USE_FROM | USE_PORT | USE_ALONE},

    {0x0f30, 0xff, ANY, OP_WRMSR, 0},
    {0x0f32, 0xff, ANY, OP_RDMSR, 0},
    {0x00f4, 0xff, ANY, OP_HLT, 0},
    {0x0fa2, 0xff, ANY, OP_CPUID, 0},
    {0x0f08, 0xff, ANY, OP_INVD, 0},
    {0x0f09, 0xff, ANY, OP_WBINVD, 0},
    {0x01d1, 0xff, ANY, OP_XSETBV, 0},
    {0x01d9, 0xff, ANY, OP_VMMCALL, 0},
    {0x0f22, 0xff, ANY, OP_MOV_TO_CR, 0},
    {0x0f20, 0xff, ANY, OP_MOV_FROM_CR, 0},
    {0x0f06, 0xff, ANY, OP_CLTS, 0},
    {0x01f0, 0xf8, ANY, OP_LMSW, USE_FULL},
    {0x01e0, 0xf8, ANY, OP_SMSW, USE_FULL},
};

#endif
