// SPDX-License-Identifier: Apache-2.0
// The registers with which a guest's processor begins: after a startup IPI, and at the entry of each kind of kernel. A VMCB
// and a VMCS are filled from the same record. What is not in it is 0 at all of these, but DR6, DR7, the PAT, XCR0 and MXCSR,
// which have their values of power-on. Pure; any context.
//
// Sources: Intel SDM volume 3, 10.1.1, table 10-1 (INIT) and 9.4.3 (startup IPI); Linux, Documentation/arch/x86/boot.rst,
// "64-bit Boot Protocol"; Xen, docs/misc/pvh.pandoc; Multiboot 0.6.96, 3.2.
#ifndef X86_GUEST_REGISTERS_H
#define X86_GUEST_REGISTERS_H

#include "arch/x86/decode.h"
#include "kernel/sysdesc.h"

// Numbers of general registers in instructions, and so in gpr[].
enum guest_gpr { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI };

// Attributes of a segment as a VMCB has them (AMD APM volume 2, 15.5, appendix B): bits 40 to 47 and 52 to 55 of its
// descriptor. A VMCS has the upper four 4 bits further up (SDM volume 3, 25.4.1): guest_attributes_vmcs().
enum {
    SEGMENT_DATA = 0x93,     // present, writable, accessed
    SEGMENT_CODE = 0x9b,     // present, readable, accessed
    SEGMENT_LDT = 0x82,      // present
    SEGMENT_BUSY_TSS = 0x8b, // present, 32-bit or 64-bit
    SEGMENT_LONG = 0x200,    // 64-bit code
    SEGMENT_BIG = 0x400,     // 32-bit
    SEGMENT_PAGES = 0x800,   // the limit is of 4 KiB
};
enum { SEGMENTS = SEGMENT_GS + 1 };

struct guest_segment {
    uint16_t selector, attributes;
    uint32_t limit; // the last byte
    uint64_t base;
};

struct guest_registers {
    uint64_t gpr[DECODE_REGISTERS], rip, rflags;
    uint64_t cr0, cr3, cr4, efer;              // they say the mode, too: EFER.LMA long, CR0.PE protected, else real
    struct guest_segment segments[SEGMENTS];   // enum decode_segment
    struct guest_segment ldtr, tr, gdtr, idtr; // of the last two only base and limit
};

static inline uint32_t guest_attributes_vmcs(uint16_t attributes) {
    return (attributes & 0xffu) | (attributes & 0xf00u) << 4;
}

// An application processor that got a startup IPI with this vector: real mode, at vector << 12. Caches are on in CR0:
// firmware that switched them on, and an INIT, which leaves that as it is, came before.
void guest_registers_startup(uint8_t vector, struct guest_registers *out);
// The boot processor at the image's entry. `info`: what that kind of kernel gets in a register; `cr3`: an identity map of
// what it touches, for Linux; `gdt`: has GUEST_GDT_SIZE bytes, written by guest_gdt_write(); raw images get none of them.
void guest_registers_entry(enum image_type type, gpa_t entry, gpa_t info, gpa_t cr3, gpa_t gdt,
                           struct guest_registers *out);

// The segments of protected and long mode as a table: LINUX_BOOT_CS and LINUX_BOOT_DS. `gdt` is zeros, at any alignment.
enum { GUEST_GDT_SIZE = 32 };
void guest_gdt_write(const struct guest_registers *registers, uint8_t *gdt);

#endif
