// SPDX-License-Identifier: Apache-2.0
// What a PC guest finds in its memory beside its kernel and initrd: one area at GUEST_START_GPA, in what every PC reserves
// for firmware. Below 640 KiB nothing is taken. The area, by guest address:
//
//   0xe0000  ACPI tables, the RSDP first (guest_acpi.h)
//   0xe2000  what its kind of kernel is handed, one page, with memory map and modules in or behind it: Linux the zero page,
//            PVH struct hvm_start_info, Multiboot the information. Raw: zeros
//   0xe3000  the command line
//   0xe4000  the segments that it starts with (guest_registers.h)
//   0xe5000  Linux: page tables that map the first 4 GiB to themselves, in pages of 2 MiB
//
// Its memory map says: RAM up to 0xa0000, reserved up to 1 MiB, then what the VM has of RAM from there on. The whole first
// MiB must be the VM's memory nevertheless. Near its end, at GUEST_RESET_GPA, real mode finds what a PC has of firmware
// there: code that resets the machine. Linux resets so where the ACPI is hardware-reduced and there is no UEFI.
// Sources: Linux, Documentation/arch/x86/boot.rst and zero-page.rst; Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/
// start_info.h; Multiboot 0.6.96, 3.3; AMD APM volume 2, 5.3.
#ifndef X86_GUEST_START_H
#define X86_GUEST_START_H

#include "arch/x86/guest_registers.h"
#include "kernel/sysdesc.h"

#define GUEST_START_GPA 0xe0000ull
#define GUEST_RESET_GPA 0xffff0ull // F000:FFF0
enum { GUEST_START_SIZE = 0xb000, GUEST_RESET_SIZE = 9 };

extern const uint8_t guest_reset_code[GUEST_RESET_SIZE];

// Writes into `area`, GUEST_START_SIZE bytes at any alignment, to be copied to GUEST_START_GPA, and the state
// in which the boot processor begins. guest_image_place() has accepted the VM. Returns how many bytes are to be copied, up
// to a page border. Pure; any context; writes GUEST_START_SIZE bytes, once or twice.
size_t guest_start_build(const struct vm_desc *vm, uint8_t *area, struct guest_registers *registers);

#endif
