// SPDX-License-Identifier: Apache-2.0
// The instruction decoder, for the two traps that do not say what the guest did: an access to an emulated page, and an
// intercepted instruction on SVM without next-RIP. Everything here is pure: bytes and values come in as arguments, no
// guest, hardware or global state is touched; any context, no locks, bounded (at most 15 bytes, one walk of one table).
// The bytes are a guest's and may be anything: what is not known for sure is refused, never guessed.
//
// Known are the operations with which programs access devices: moves, logic, sums, comparisons, exchange, and the string
// operations that copy and fill. Not known, since no kernel or compiler uses them on a device: XADD and CMPXCHG, NOT, NEG, BTS
// and its like, strings that are compared or loaded, SSE and AVX.
//
// An access to an emulated page, of an instruction that does not repeat:
//   1. decode_instruction(); on DECODE_NEEDS_MORE fetch from the next page too, and again
//   2. decode_address() of each memory operand; walk the guest's tables; compare with the address that faulted
//   3. fill struct decode_alu: destination and source from memory, register or immediate (see memory_first, other)
//   4. decode_alu(); write memory (memory[].write), the register (writes_register), RFLAGS; RIP += length
// The guest may have changed the bytes since the trap: a caller looks at operation and memory[] before it believes them.
//
// Sources: Intel SDM vol. 2, chapter 2 (format, prefixes, addressing forms) and appendix A (opcode maps); AMD APM vol. 3,
// chapter 1 and appendix A (the same), sections of the single instructions for prefixes that are part of the opcode.
#ifndef ARCH_X86_DECODE_H
#define ARCH_X86_DECODE_H

#include "kernel/types.h"

enum { DECODE_MAX_LENGTH = 15, DECODE_REGISTERS = 16 };

// What gives operands and addresses their default size: CS.D and CS.L. Real and virtual-8086 mode are DECODE_16.
enum decode_mode { DECODE_16, DECODE_32, DECODE_64 };

enum decode_status {
    DECODE_OK = 0,
    DECODE_NEEDS_MORE = -1, // the instruction goes on after the given bytes; never with 15 or more of them
    DECODE_UNKNOWN = -2,    // not one of enum decode_operation, a form of one that is not emulated, or not well-formed
};

// Operations in groups; the order within the first eight is that of the opcode maps.
enum decode_operation {
    OP_NONE,
    // With memory, evaluated by decode_alu(). Register forms of these are DECODE_UNKNOWN.
    OP_ADD,
    OP_OR,
    OP_ADC,
    OP_SBB,
    OP_AND,
    OP_SUB,
    OP_XOR,
    OP_CMP,
    OP_TEST,
    OP_INC,
    OP_DEC,
    OP_BT, // with an immediate
    OP_XCHG,
    OP_MOV, // and MOVNTI
    OP_MOVBE,
    OP_MOVZX,
    OP_MOVSX, // and MOVSXD
    OP_MOVS,
    OP_STOS,
    OP_INS,
    OP_OUTS,
    OP_LAST_EVALUATED = OP_OUTS,
    // What SVM intercepts: the length.
    OP_HLT,
    OP_CPUID,
    OP_RDMSR,
    OP_WRMSR,
    OP_INVD,
    OP_WBINVD,
    OP_WBNOINVD = OP_WBINVD, // which is it with a prefix
    OP_XSETBV,
    OP_VMMCALL,
    OP_CLTS,
    // And the operands: reg is the general register, immediate the control register's number.
    OP_SMSW,
    OP_LMSW,
    OP_MOV_FROM_CR,
    OP_MOV_TO_CR,
};

// Segment registers as ModRM numbers them. In 64-bit mode only FS and GS have a base.
enum decode_segment { SEGMENT_ES, SEGMENT_CS, SEGMENT_SS, SEGMENT_DS, SEGMENT_FS, SEGMENT_GS };

// The operand beside memory[0].
enum decode_operand { DECODE_NOTHING, DECODE_REGISTER, DECODE_IMMEDIATE, DECODE_MEMORY, DECODE_PORT };

enum { DECODE_NO_REGISTER = 0xff };

// segment:[base + index * scale + displacement], with base and index general registers or DECODE_NO_REGISTER.
struct decoded_memory {
    bool read, write;
    bool rip_relative; // the address of the next instruction is added
    uint8_t segment;   // enum decode_segment: the override where there is one and it counts
    uint8_t base, index;
    uint8_t scale; // 1, 2, 4 or 8
    int64_t displacement;
};

struct decoded {
    uint8_t operation;    // enum decode_operation
    uint8_t mode;         // enum decode_mode, as given
    uint8_t length;       // bytes, 1 to 15
    uint8_t operand_size; // bytes: 1, 2, 4 or 8
    uint8_t source_size;  // of what memory holds; smaller than operand_size for MOVZX and MOVSX only
    uint8_t address_size; // 2, 4 or 8; also of rSI, rDI and rCX of a string operation
    uint8_t other;        // enum decode_operand
    uint8_t reg;          // register operand: 0 to 15; rAX of STOS
    uint8_t memory_count; // 0, 1, or 2: MOVS (memory[1] is the destination)
    bool repeat;          // before a string operation; elsewhere it has no effect here
    bool memory_first; // memory[0] is the first operand (destination) and `other` the second; else the other way round
    bool writes_register; // reg gets the result: the destination, or when memory is first what was the destination
    bool reg_high;        // reg is AH, CH, DH or BH: bits 15:8 of reg, which is 0 to 3
    struct decoded_memory memory[2];
    int64_t immediate; // with its sign extended to 64 bits
};

// The bits of a value of 1, 2, 4 or 8 bytes.
static inline uint64_t decode_mask(unsigned size) { return UINT64_MAX >> (64 - 8 * size); }

// Decodes the instruction at bytes, of which count are there (what lies beyond 15 is not looked at). Returns DECODE_OK
// or another enum decode_status; then *out means nothing. Given fewer bytes, the result is the same or DECODE_NEEDS_MORE.
int decode_instruction(const uint8_t *bytes, size_t count, enum decode_mode mode, struct decoded *out);

// The linear address (before paging) of memory[which]; which < memory_count. registers: 16 general registers in the order
// of their numbers (rAX, rCX, rDX, rBX, rSP, rBP, rSI, rDI, R8 ...); rip: the address of the instruction as an offset in
// CS; segment_base: that of memory[which].segment, 0 in 64-bit mode unless FS or GS. The offset is truncated to the
// address size, the sum to 32 bits outside 64-bit mode. Limits and canonical form are not checked.
uint64_t decode_address(const struct decoded *d, unsigned which, const uint64_t registers[DECODE_REGISTERS],
                        uint64_t rip, uint64_t segment_base);

// The register operand, zero-extended from its size. And writing one: 8 and 16 bits leave the rest as it was, 32 bits
// clear the upper half.
uint64_t decode_register_read(const struct decoded *d, const uint64_t registers[DECODE_REGISTERS]);
void decode_register_write(const struct decoded *d, uint64_t registers[DECODE_REGISTERS], uint64_t value);

// Operands of one evaluation. What lies above their size is ignored on the way in and 0 on the way out.
struct decode_alu {
    uint64_t destination; // first operand; out: the result, or unchanged for CMP, TEST and BT
    uint64_t source;      // second operand (bit number of BT); out: what the destination was
    uint64_t rflags;      // CF, PF, AF, ZF, SF and OF change as the operation says, all else stays
};

// Evaluates one operation up to OP_LAST_EVALUATED (one element of a string operation), and no other. Flags that the manuals
// leave undefined: AF is cleared by AND, OR, XOR and TEST, and BT changes CF only.
void decode_alu(const struct decoded *d, struct decode_alu *alu);

#endif
