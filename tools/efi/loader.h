// SPDX-License-Identifier: Apache-2.0
// The UEFI loader: reads the hypervisor and the system image from the volume that it was started from, leaves boot
// services, and enters the hypervisor as its own boot protocol says (UEFI Specification 2.10; docs/boot.md).
//
// Everything here runs on the boot core. Until arch_enter() the firmware's boot services are there, except where it is
// said. A function that fails has told so on the console, in one line.
#ifndef TOOLS_EFI_LOADER_H
#define TOOLS_EFI_LOADER_H

#include <efi.h>

#include "kernel/ranges.h"

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

// Numbers of ACPI 6.5, table 15.1, which Multiboot2 uses too (3.6.8).
enum memory_kind { MEMORY_RAM = 1, MEMORY_RESERVED = 2, MEMORY_ACPI = 3, MEMORY_NVS = 4 };

enum { MEMORY_PIECES = 128 }; // as many as arch/x86 reads

struct memory_map {
    unsigned count;
    struct memory_piece {
        struct range range;
        uint32_t kind; // enum memory_kind
        uint32_t zero; // so that it is an entry of Multiboot2's map (3.6.8)
    } at[MEMORY_PIECES];
};

extern EFI_SYSTEM_TABLE *efi;

// Says what is wrong with `what`, how to mend it, and `status` by its name (UEFI 2.10, appendix D), which it returns.
EFI_STATUS fail(EFI_STATUS status, const char *what, const char *problem);
// The table that firmware left under this name, or NULL.
void *configuration_table(const EFI_GUID *name);

// Takes pages for `size` bytes of `type` at a multiple of `align` (a power of two, at least a page), up to arch_memory_limit.
// They are the loader's: for the hypervisor they are RAM like any other. `what` they are for is named when there are none.
EFI_STATUS memory_take(const char *what, UINTN size, UINTN align, EFI_MEMORY_TYPE type, paddr_t *base);
// Adds a piece, or lets the last one grow when it goes on there. ERR_RANGE: the map is full.
int memory_map_add(struct memory_map *map, const struct range *range, uint32_t kind);
// Leaves boot services. On success there is neither a firmware nor a console any more.
EFI_STATUS leave_boot_services(EFI_HANDLE image);

// ---- what an architecture supplies: x86_64.c, aarch64.c ---------------------------------------------------------------

// The last address at which the hypervisor can use what it is given.
extern const EFI_PHYSICAL_ADDRESS arch_memory_limit;

// Checks that the machine and the hypervisor suit each other, puts the hypervisor where it will run, and prepares what
// it is told. `boot` stays.
EFI_STATUS arch_prepare(const struct boot *boot);
// Tells the hypervisor about memory. Called right before boot services end, perhaps several times: allocates nothing.
EFI_STATUS arch_describe_memory(const struct memory_map *map);
// After boot services.
void arch_enter(void) __attribute__((noreturn));

#endif
