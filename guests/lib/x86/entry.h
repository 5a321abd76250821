// SPDX-License-Identifier: Apache-2.0
// Between the assembly and the C files of the library on x86-64.
#ifndef GUEST_ENTRY_H
#define GUEST_ENTRY_H

#include "layout.h"

#include <stdint.h>

// A frame as exception_entry in vectors.S lays it out.
struct trap_frame {
    uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

struct multiboot_info;

// Called by head.S and vectors.S.
_Noreturn void guest_start(uint32_t magic, const struct multiboot_info *info);
_Noreturn void secondary_start(unsigned number);
void irq_dispatch(uint32_t vector, uint64_t stamp);
void trap_dispatch(struct trap_frame *frame);

// Of head.S and vectors.S.
extern char trampoline_start[], trampoline_end[], vectors[], trap_resume[], handler_stacks[], stacks[];
extern const struct idt_pointer {
    uint16_t limit;
    const void *base;
} __attribute__((packed)) idt_pointer;
extern uint32_t apic_ids[VCPUS_MAX]; // of the VCPUs by number, before any but the boot VCPU starts

// The interrupt table that all VCPUs share.
void idt_init(void);
// Reads what ACPI says of them.
void vcpus_find(void);

#endif
