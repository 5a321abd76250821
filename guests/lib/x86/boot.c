// SPDX-License-Identifier: Apache-2.0
// From the assembly entry to guest_main: Multiboot information, console, ACPI, interrupt controller, clocks; hypercalls.
#include "acpi.h"
#include "apic.h"
#include "clock.h"
#include "entry.h"
#include "private.h"

#include <string.h>
#include <takt/hypercall.h>

#define MULTIBOOT_HAS_MEMORY  (1u << 0)
#define MULTIBOOT_HAS_CMDLINE (1u << 2)
#define MIB                   0x100000
#define KIB                   1024
#define CMDLINE_MAX           1024

// The beginning of it (Multiboot 0.6.96, 3.3).
struct multiboot_info {
    uint32_t flags;
    uint32_t mem_lower, mem_upper; // KiB from 0 and from 1 MiB
    uint32_t boot_device;
    uint32_t cmdline;
};

static uint64_t memory_size;
static bool amd;

static void take(const struct multiboot_info *info) {
    static char cmdline[CMDLINE_MAX];
    if (info->flags & MULTIBOOT_HAS_MEMORY) memory_size = MIB + (uint64_t)info->mem_upper * KIB;
    if (info->flags & MULTIBOOT_HAS_CMDLINE) strlcpy(cmdline, (const char *)(uintptr_t)info->cmdline, sizeof(cmdline));
    arguments_init(cmdline);
}

void guest_start(uint32_t magic, const struct multiboot_info *info) {
    idt_init();
    console_init();
    if (magic == MULTIBOOT_MAGIC)
        take(info);
    else
        say("guest: EAX held no Multiboot magic at the entry\n");
    amd = cpu_is_amd();
    acpi_init();
    vcpus_find();
    apic_init();
    clock_init();
    guest_main();
    machine_off();
}

uint64_t memory_end(void) { return memory_size; }

// ACPI names these devices in byte code, which this library does not read: the boot argument `virtio` says where one is.
uintptr_t virtio_mmio(unsigned index) { return index == 0 ? arg_number("virtio", 0) : 0; }

struct call_result hypercall(uint64_t function, uint64_t a, uint64_t b, uint64_t c) {
    struct call_result r = {{function, a, b, c}};
    if (amd)
        __asm__ volatile("vmmcall" : "+a"(r.x[0]), "+c"(r.x[1]), "+d"(r.x[2]), "+b"(r.x[3])::"memory");
    else
        __asm__ volatile("vmcall" : "+a"(r.x[0]), "+c"(r.x[1]), "+d"(r.x[2]), "+b"(r.x[3])::"memory");
    return r;
}

bool takt_present(void) {
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR)) return false;
    struct cpuid takt = cpuid(TAKT_CPUID, 0);
    return takt.ebx == TAKT_CPUID_SIGNATURE && takt.ecx == takt.ebx && takt.edx == takt.ebx;
}
