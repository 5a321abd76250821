// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_registers.h"

#include "arch/x86/boot_info.h"
#include "arch/x86/linux_boot.h"
#include "arch/x86/little_endian.h"
#include "arch/x86/regs.h"
#include "kernel/string.h"

enum { REAL_LIMIT = 0xffff, REAL_SHIFT = 4, STARTUP_SHIFT = 8, FAMILY_6 = 0x600 };
#define FLAT_LIMIT 0xffffffffu

// What is the same in all modes: `code` and `data`, and what a segment register without a segment has.
static void set(struct guest_registers *out, const struct guest_segment *code, const struct guest_segment *data) {
    memset(out, 0, sizeof(*out));
    out->rflags = RFLAGS_RES1;
    out->cr0 = CR0_ET;
    for (unsigned i = 0; i < SEGMENTS; i++) { out->segments[i] = i == SEGMENT_CS ? *code : *data; }
    out->ldtr.attributes = SEGMENT_LDT;
    out->tr.attributes = SEGMENT_BUSY_TSS;
    out->ldtr.limit = out->tr.limit = REAL_LIMIT;
}

static void set_real(struct guest_registers *out, uint16_t code, uint16_t data) {
    set(out, &(struct guest_segment){code, SEGMENT_CODE, REAL_LIMIT, (uint64_t)code << REAL_SHIFT},
        &(struct guest_segment){data, SEGMENT_DATA, REAL_LIMIT, (uint64_t)data << REAL_SHIFT});
    out->gdtr.limit = out->idtr.limit = REAL_LIMIT;
}

void guest_registers_startup(uint8_t vector, struct guest_registers *out) {
    set_real(out, (uint16_t)(vector << STARTUP_SHIFT), 0);
    out->gpr[GPR_RDX] = FAMILY_6;
}

void guest_registers_entry(enum image_type type, gpa_t entry, gpa_t info, gpa_t cr3, gpa_t gdt,
                           struct guest_registers *out) {
    bool is_long = type == IMAGE_LINUX;

    if (type == IMAGE_RAW) {
        // As a PC BIOS starts a boot sector at 0x7c00, so with all segments at 0; and above 64 KiB with all segments there.
        uint16_t selector = (uint16_t)(ALIGN_DOWN(entry, REAL_LIMIT + 1u) >> REAL_SHIFT);
        set_real(out, selector, selector);
        out->rip = entry & REAL_LIMIT;
        return;
    }
    // An exception before the guest has an IDT of its own ends in a triple fault.
    set(out,
        &(struct guest_segment){LINUX_BOOT_CS, SEGMENT_CODE | SEGMENT_PAGES | (is_long ? SEGMENT_LONG : SEGMENT_BIG),
                                FLAT_LIMIT, 0},
        &(struct guest_segment){LINUX_BOOT_DS, SEGMENT_DATA | SEGMENT_PAGES | SEGMENT_BIG, FLAT_LIMIT, 0});
    out->rip = entry;
    out->cr0 |= CR0_PE;
    out->gdtr.base = gdt;
    out->gdtr.limit = GUEST_GDT_SIZE - 1;
    out->gpr[is_long ? GPR_RSI : GPR_RBX] = info;
    if (type == IMAGE_MULTIBOOT) { out->gpr[GPR_RAX] = MULTIBOOT1_MAGIC; }
    if (is_long) {
        out->cr0 |= CR0_PG;
        out->cr3 = cr3;
        out->cr4 = CR4_PAE;
        out->efer = EFER_LME | EFER_LMA;
    }
}

// Base 0, limit all ones (SDM volume 3, 3.4.5).
static uint64_t flat_descriptor(const struct guest_segment *s) {
    return REAL_LIMIT | (s->attributes & 0xffull) << 40 | 0xfull << 48 | (uint64_t)(s->attributes >> 8) << 52;
}

void guest_gdt_write(const struct guest_registers *registers, uint8_t *gdt) {
    store_le64(gdt + LINUX_BOOT_CS, flat_descriptor(&registers->segments[SEGMENT_CS]));
    store_le64(gdt + LINUX_BOOT_DS, flat_descriptor(&registers->segments[SEGMENT_DS]));
}
