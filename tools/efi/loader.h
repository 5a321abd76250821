// SPDX-License-Identifier: Apache-2.0
// The UEFI loader: reads the hypervisor and the system image from the volume that it was started from, leaves boot
// services, and enters the hypervisor as its own boot protocol says (UEFI Specification 2.10; docs/boot.md).
//
// Everything here runs on the boot core. Until arch_enter() the firmware's boot services are there, except where it is
// said. What fails has told so in one line with its reason and a remedy.
#ifndef TOOLS_EFI_LOADER_H
#define TOOLS_EFI_LOADER_H

#include <efi.h>

#include "kernel/ranges.h"
#include "tools/efi/memory_map.h"

#define HYPERVISOR_PATH "\\takt\\takt.img"
#define SYSTEM_PATH     "\\takt\\system.itb"
#define COMMAND_PATH    "\\takt\\cmdline.txt"

enum { COMMAND_MAX = 256 }; // with its terminator; arch/x86 reads no more

struct boot {
    EFI_HANDLE image;        // ourselves
    struct range hypervisor; // the file, as it was read
    struct range system;     // the file, where the hypervisor will find it
    char command[COMMAND_MAX];
};

extern EFI_SYSTEM_TABLE *efi;

// What the specification calls a status (appendix D), for messages.
const char *status_name(EFI_STATUS status);
// The table that firmware left under this name, or NULL.
void *configuration_table(const EFI_GUID *name);

// Takes pages for `size` bytes of `type` at a multiple of `align` (a power of two, at least a page) below `limit`, the last
// address that may be used. They are the loader's: for the hypervisor they are RAM like any other. Says nothing.
EFI_STATUS memory_take(UINTN size, UINTN align, EFI_PHYSICAL_ADDRESS limit, EFI_MEMORY_TYPE type, paddr_t *base);
// Leaves boot services. On success there is neither a firmware nor a console any more.
EFI_STATUS leave_boot_services(const struct boot *boot);

// ---- what an architecture supplies: x86_64.c, aarch64.c ---------------------------------------------------------------

// The last address at which the hypervisor can use what it is given.
extern const EFI_PHYSICAL_ADDRESS arch_memory_limit;

// Checks that the machine and the hypervisor suit each other, puts the hypervisor where it will run, and prepares what
// it is told.
EFI_STATUS arch_prepare(const struct boot *boot);
// Tells the hypervisor about memory. Called right before boot services end, perhaps several times: allocates nothing.
EFI_STATUS arch_describe_memory(const struct memory_map *map);
// After boot services.
void arch_enter(void) __attribute__((noreturn));

#endif
