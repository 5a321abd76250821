// SPDX-License-Identifier: Apache-2.0
// One instruction of a guest, done in its place: an access to an emulated page, or only the length of an instruction that
// was intercepted where the machine does not tell (SVM without next-RIP). On decode.h and guest_walk.h; knows neither VCPUs
// nor VMs. Own core of the VCPU, handler context; never blocks; bounded: 15 bytes of code on two pages, at most two operands
// on two pages each, one element of a string operation.
//
// What the caller does by the outcome:
//   EMULATE_DONE     writes back gpr, rip and rflags, ends an interrupt shadow. If RFLAGS.TF is set it injects #DB (DR6.BS).
//                    A repeated string operation that is not done yet leaves rip where it was: interrupts come in between.
//   EMULATE_FAULT    injects `vector` with `error` (which no exception in real mode has); for #PF CR2 = `address`.
//   EMULATE_RETRY    enters the guest as it is, interrupts first: the bytes are no longer what trapped, an entry of its tables
//                    changed on the way, a device was busy (ERR_BUSY of mmio), or something waits (must_yield).
//   EMULATE_UNKNOWN  ends the VM: `reason`, and the bytes for the log.
// Registers are changed by EMULATE_DONE only. Memory and devices may have been: what was read or written first stays so when
// the second access of the same instruction is the one that is refused or busy, and is done again with it.
//
// Refused (EMULATE_UNKNOWN): whatever decode.h does not know (SSE, AVX, atomic operations, descriptor tables ...), an operand
// on the device that crosses the border of its page, and a device's error. Alignment within the page is the device's to judge.
// Otherwise than a processor:
//   - LOCK, and XCHG, are not atomic on a device: another VCPU's access may come between their read and their write.
//   - Segments' limits and rights are not checked. The access that trapped has passed the processor's checks; the second
//     operand of MOVS has not. The same is so for alignment checks (#AC) and breakpoints on data.
//   - A repeated string operation has RFLAGS.RF unchanged between its elements.
// Why a guest's program gains nothing by changing the bytes after the trap: every operand is walked with the rights that the
// changed instruction has, but for one that is the very address that the processor let through, for no more than that.
#ifndef X86_EMULATE_H
#define X86_EMULATE_H

#include "arch/x86/decode.h"
#include "arch/x86/guest_walk.h"

enum { GUEST_SEGMENTS = 6 };

// The state of a VCPU; filled by the caller once per emulation.
struct guest_state_view {
    uint64_t *gpr; // DECODE_REGISTERS of them, in the order of their numbers; RSP and RAX are valid here
    uint64_t rip, rflags;
    uint64_t segment_base[GUEST_SEGMENTS]; // by enum decode_segment; in 64-bit mode only FS and GS are looked at
    enum decode_mode mode;                 // of CS; DECODE_16 in real and virtual-8086 mode
    struct guest_paging paging;            // its rflags are those of the view
};

struct emulate_ops {
    struct guest_memory_ops memory;
    // One access of 1, 2, 4 or 8 bytes within a page, of any alignment, to what is not RAM. A read leaves the value in *value
    // (what is above `size` is ignored). OK; ERR_BUSY: EMULATE_RETRY; else EMULATE_UNKNOWN.
    int (*mmio)(void *context, gpa_t gpa, unsigned size, bool write, uint64_t *value);
    // One access of 1, 2 or 4 bytes to a port, for emulate_port_string. The same results.
    int (*port)(void *context, uint16_t port, unsigned size, bool write, uint64_t *value);
    // Asked when the instruction is decoded, and again when all is known and nothing done: true ends this attempt with
    // EMULATE_RETRY, as ERR_BUSY of memory.read does, which comes before any effect too. Whoever says so sees to it that an
    // instruction is done at last.
    bool (*must_yield)(void *context);
};

enum emulate_outcome { EMULATE_DONE, EMULATE_FAULT, EMULATE_RETRY, EMULATE_UNKNOWN };

struct emulate_result {
    uint8_t vector; // EMULATE_FAULT: enum exception
    uint32_t error;
    uint64_t address;   // of #PF, linear
    const char *reason; // EMULATE_UNKNOWN
    uint8_t count;      // bytes at RIP that were read, 0 .. 15; with any outcome
    uint8_t bytes[DECODE_MAX_LENGTH];
};

// The instruction at RIP, fetched as the guest would (at its CPL, over the border of a page only if it goes on there) and
// decoded. For intercepts that have operands, or several operations: the caller looks at out->operation before it believes it.
// EMULATE_UNKNOWN: not one of enum decode_operation, or the code does not lie in RAM.
enum emulate_outcome emulate_decode(const struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                    struct decoded *out, struct emulate_result *result);

// The instruction at RIP has accessed guest-physical `gpa` of an emulated page, `write` if the machine says that it wrote (for
// an instruction that reads and writes it may say either). Not for faults on a guest's page tables, and not for fetches: code
// in an emulated page ends the VM by the caller.
enum emulate_outcome emulate_mmio(struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                  gpa_t gpa, bool write, struct emulate_result *result);

// The instruction at RIP is INS or OUTS, and its port is the guest's to use. One element.
enum emulate_outcome emulate_port_string(struct guest_state_view *view, const struct emulate_ops *ops, void *context,
                                         struct emulate_result *result);

#endif
