// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_registers.h"

#include "arch/x86/boot_info.h"
#include "arch/x86/linux_boot.h"
#include "arch/x86/little_endian.h"
#include "arch/x86/regs.h"
#include "kernel/string.h"

enum { REAL_LIMIT = 0xffff, REAL_SHIFT = 4, STARTUP_SHIFT = 8, DESCRIPTOR = 8 };
enum { RESET_SELECTOR = 0xf000, RESET_IP = 0xfff0, RESET_FAMILY_6 = 0x600 };
#define RESET_BASE 0xffff0000u
#define FLAT_LIMIT 0xffffffffu

static void set_segments(struct guest_registers *out, struct guest_segment code, struct guest_segment data) {
    for (unsigned i = 0; i < SEGMENTS; i++) { out->segments[i] = i == SEGMENT_CS ? code : data; }
}

static struct guest_segment real_segment(uint16_t selector, uint16_t attributes) {
    return (struct guest_segment){selector, attributes, REAL_LIMIT, (uint64_t)selector << REAL_SHIFT};
}

static void set_real(struct guest_registers *out, uint16_t code, uint16_t data) {
    memset(out, 0, sizeof(*out));
    out->rflags = RFLAGS_RES1;
    out->cr0 = CR0_ET;
    out->gpr[GPR_RDX] = RESET_FAMILY_6;
    set_segments(out, real_segment(code, SEGMENT_CODE), real_segment(data, SEGMENT_DATA));
    out->ldtr = real_segment(0, SEGMENT_LDT);
    out->tr = real_segment(0, SEGMENT_BUSY_TSS);
    out->gdtr = out->idtr = real_segment(0, 0);
}

void guest_registers_reset(struct guest_registers *out) {
    set_real(out, RESET_SELECTOR, 0);
    out->segments[SEGMENT_CS].base = RESET_BASE;
    out->rip = RESET_IP;
    out->cr0 |= CR0_CD | CR0_NW;
}

void guest_registers_startup(uint8_t vector, struct guest_registers *out) {
    set_real(out, (uint16_t)(vector << STARTUP_SHIFT), 0);
}

// As a PC BIOS starts a boot sector at 0x7c00, so with all segments at 0; and above 64 KiB with all segments there.
static void enter_real(gpa_t entry, struct guest_registers *out) {
    uint16_t selector = (uint16_t)(ALIGN_DOWN(entry, REAL_LIMIT + 1u) >> REAL_SHIFT);

    set_real(out, selector, selector);
    out->rip = entry & REAL_LIMIT;
    out->gpr[GPR_RDX] = 0;
}

static void enter_flat(gpa_t entry, uint16_t code_size, gpa_t gdt, struct guest_registers *out) {
    set_real(out, 0, 0);
    out->gpr[GPR_RDX] = 0;
    out->rip = entry;
    out->cr0 |= CR0_PE;
    set_segments(out, (struct guest_segment){LINUX_BOOT_CS, SEGMENT_CODE | SEGMENT_PAGES | code_size, FLAT_LIMIT, 0},
                 (struct guest_segment){LINUX_BOOT_DS, SEGMENT_DATA | SEGMENT_PAGES | SEGMENT_BIG, FLAT_LIMIT, 0});
    out->gdtr = (struct guest_segment){.base = gdt, .limit = GUEST_GDT_SIZE - 1};
    out->idtr = (struct guest_segment){0}; // an exception before the guest has its own ends in a triple fault
}

void guest_registers_entry(const struct guest_image *image, gpa_t info, gpa_t cr3, gpa_t gdt,
                           struct guest_registers *out) {
    switch (image->kind) {
    case GUEST_IMAGE_RAW: enter_real(image->entry, out); break;
    case GUEST_IMAGE_LINUX:
        enter_flat(image->entry, SEGMENT_LONG, gdt, out);
        out->cr0 |= CR0_PG;
        out->cr3 = cr3;
        out->cr4 = CR4_PAE;
        out->efer = EFER_LME | EFER_LMA;
        out->gpr[GPR_RSI] = info;
        break;
    case GUEST_IMAGE_PVH:
        enter_flat(image->entry, SEGMENT_BIG, gdt, out);
        out->gpr[GPR_RBX] = info;
        break;
    case GUEST_IMAGE_MULTIBOOT:
        enter_flat(image->entry, SEGMENT_BIG, gdt, out);
        out->gpr[GPR_RAX] = MULTIBOOT1_MAGIC;
        out->gpr[GPR_RBX] = info;
        break;
    }
}

// Base 0, limit all ones (SDM volume 3, 3.4.5).
static uint64_t flat_descriptor(const struct guest_segment *s) {
    return REAL_LIMIT | (s->attributes & 0xffull) << 40 | 0xfull << 48 | (uint64_t)(s->attributes >> 8) << 52;
}

void guest_gdt_write(const struct guest_registers *registers, uint8_t *gdt) {
    memset(gdt, 0, GUEST_GDT_SIZE);
    store_le(gdt + LINUX_BOOT_CS, flat_descriptor(&registers->segments[SEGMENT_CS]), DESCRIPTOR);
    store_le(gdt + LINUX_BOOT_DS, flat_descriptor(&registers->segments[SEGMENT_DS]), DESCRIPTOR);
}
