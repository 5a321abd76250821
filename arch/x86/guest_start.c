// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_start.h"

#include "arch/x86/boot_info.h"
#include "arch/x86/elf_layout.h"
#include "arch/x86/guest_acpi.h"
#include "arch/x86/guest_image.h"
#include "arch/x86/linux_boot.h"
#include "arch/x86/little_endian.h"
#include "arch/x86/multiboot_layout.h"
#include "arch/x86/pc_ports.h"
#include "arch/x86/regs.h"
#include "kernel/log.h"
#include "kernel/string.h"

// Offsets in the area.
enum {
    TABLE = 4096, // bytes of a page table
    TABLE_ENTRIES = 512,
    TABLE_ENTRY = 8,
    MAPPED_GIBS = 4,
    AREA_ACPI = 0,
    AREA_INFO = AREA_ACPI + GUEST_ACPI_SIZE,
    AREA_COMMAND = AREA_INFO + LINUX_ZERO_PAGE,
    AREA_GDT = AREA_COMMAND + 4096,
    AREA_TABLES = GUEST_START_SIZE - (2 + MAPPED_GIBS) * TABLE,
    // Where PVH and Multiboot have in the information's page what it points at.
    INFO_MODULES = 512,
    INFO_MAP = 1024,
};
_Static_assert(GUEST_COMMAND_MAX < AREA_GDT - AREA_COMMAND && AREA_GDT < AREA_TABLES, "everything has its place");

#define BLOCK_SHIFT 21u // pages of 2 MiB

static uint32_t gpa_of(unsigned offset) { return (uint32_t)GUEST_START_GPA + offset; }

// MOV AL, value; MOV DX, port; OUT DX, AL; HLT; JMP to the HLT (SDM volume 2).
const uint8_t guest_reset_code[GUEST_RESET_SIZE] = {
    0xb0, PC_RESET_VALUE, 0xba, PC_RESET_CONTROL & 0xff, PC_RESET_CONTROL >> 8, 0xee, 0xf4, 0xeb, 0xfd,
};

// ---- the memory map ---------------------------------------------------------------------------------------

enum { MAP_SIZE = 8, MAP_TYPE = 16 };

// All three formats have address, size and type in a row.
static void put_memory(uint8_t *at, gpa_t base, gpa_t end, enum boot_memory_type type) {
    store_le64(at, base);
    store_le64(at + MAP_SIZE, end - base);
    store_le32(at + MAP_TYPE, type);
}

// Entries that are `step` bytes apart; returns how many.
static unsigned put_map(const struct vm_desc *vm, uint8_t *at, unsigned step) {
    unsigned count = 2;

    put_memory(at, 0, GUEST_LOW_END, BOOT_MEMORY_RAM);
    put_memory(at + step, GUEST_LOW_END, GUEST_HIGH, BOOT_MEMORY_RESERVED);
    for (unsigned i = 0; i < vm->memory_count; i++) {
        gpa_t base = MAX(vm->memory[i].base, GUEST_HIGH), end = vm->memory[i].base + vm->memory[i].size;
        if (end > base) { put_memory(at + step * count++, base, end, BOOT_MEMORY_RAM); }
    }
    return count;
}

// ---- each kind: addresses and sizes are below 4 GiB, what is not written is 0 --------------------------------

static void put_linux(const struct vm_desc *vm, uint8_t *zero_page) {
    const uint8_t *file = vm->kernel.data;

    store_le32(zero_page + LINUX_E820_ENTRIES, put_map(vm, zero_page + LINUX_E820_TABLE, LINUX_E820_ENTRY));
    memcpy(zero_page + LINUX_SETUP_SECTS, file + LINUX_SETUP_SECTS,
           LINUX_HEADER + (size_t)file[LINUX_HEADER_LENGTH] - LINUX_SETUP_SECTS);
    zero_page[LINUX_TYPE_OF_LOADER] = LINUX_LOADER_UNDEFINED;
    store_le32(zero_page + LINUX_CMD_LINE_PTR, gpa_of(AREA_COMMAND));
    store_le32(zero_page + LINUX_RAMDISK_IMAGE, (uint32_t)vm->initrd_gpa);
    store_le32(zero_page + LINUX_RAMDISK_SIZE, (uint32_t)vm->initrd.size);
    store_le32(zero_page + LINUX_ACPI_RSDP_ADDR, gpa_of(AREA_ACPI));
}

static void put_pvh(const struct vm_desc *vm, uint8_t *info) {
    uint8_t *module = info + INFO_MODULES;

    store_le32(info + HVM_MAGIC, HVM_START_MAGIC);
    store_le32(info + HVM_VERSION, 1);
    store_le32(info + HVM_COMMAND, gpa_of(AREA_COMMAND));
    store_le32(info + HVM_RSDP, gpa_of(AREA_ACPI));
    store_le32(info + HVM_MAP, gpa_of(AREA_INFO + INFO_MAP));
    store_le32(info + HVM_MAP_ENTRIES, put_map(vm, info + INFO_MAP, HVM_MAP_ENTRY));
    if (vm->initrd.size == 0) { return; }
    store_le32(info + HVM_MODULES_COUNT, 1);
    store_le32(info + HVM_MODULES, gpa_of(AREA_INFO + INFO_MODULES));
    store_le32(module + HVM_MODULE_ADDRESS, (uint32_t)vm->initrd_gpa);
    store_le32(module + HVM_MODULE_BYTES, (uint32_t)vm->initrd.size);
}

// Multiboot has no field for the RSDP: such a kernel searches for it.
static void put_multiboot(const struct vm_desc *vm, uint8_t *info) {
    enum { STEP = MB1_ENTRY_BODY + MB1_ENTRY_LEAST };
    uint8_t *module = info + INFO_MODULES, *map = info + INFO_MAP;
    unsigned entries = put_map(vm, map + MB1_ENTRY_BODY, STEP);

    for (unsigned i = 0; i < entries; i++) { store_le32(map + i * STEP, MB1_ENTRY_LEAST); }
    store_le32(info + MB1_FLAGS, MB1_HAS_MEMORY | MB1_HAS_COMMAND | MB1_HAS_MODULES | MB1_HAS_MAP);
    store_le32(info + MB1_MEMORY_LOWER, GUEST_LOW_END / 1024);
    store_le32(info + MB1_MEMORY_UPPER, (uint32_t)MIN((vm->memory[0].size - GUEST_HIGH) / 1024, (uint64_t)UINT32_MAX));
    store_le32(info + MB1_COMMAND, gpa_of(AREA_COMMAND));
    store_le32(info + MB1_MODULES, gpa_of(AREA_INFO + INFO_MODULES));
    store_le32(info + MB1_MAP_SIZE, entries * STEP);
    store_le32(info + MB1_MAP, gpa_of(AREA_INFO + INFO_MAP));
    if (vm->initrd.size == 0) { return; }
    store_le32(info + MB1_MODULES_COUNT, 1);
    store_le32(module + MB1_MODULE_START, (uint32_t)vm->initrd_gpa);
    store_le32(module + MB1_MODULE_END, (uint32_t)(vm->initrd_gpa + vm->initrd.size));
    store_le32(module + MB1_MODULE_TEXT, gpa_of(AREA_INFO + INFO_MODULES + MB1_MODULE_SIZE)); // an empty string
}

// One PML4, one page directory pointer table, a page directory for each GiB.
static void put_page_tables(uint8_t *tables) {
    enum { POINTERS = AREA_TABLES + TABLE, DIRECTORIES = POINTERS + TABLE };

    store_le32(tables, gpa_of(POINTERS) | PTE_PRESENT | PTE_WRITE);
    for (unsigned i = 0; i < MAPPED_GIBS; i++) {
        store_le32(tables + TABLE + i * TABLE_ENTRY, gpa_of(DIRECTORIES + i * TABLE) | PTE_PRESENT | PTE_WRITE);
    }
    for (unsigned i = 0; i < MAPPED_GIBS * TABLE_ENTRIES; i++) {
        store_le32(tables + 2 * TABLE + i * TABLE_ENTRY, i << BLOCK_SHIFT | PTE_PRESENT | PTE_WRITE | PTE_BLOCK);
    }
}

size_t guest_start_build(const struct vm_desc *vm, uint8_t *area, struct guest_registers *registers) {
    static void (*const put[])(const struct vm_desc *, uint8_t *info) = {
        [IMAGE_LINUX] = put_linux,
        [IMAGE_PVH] = put_pvh,
        [IMAGE_MULTIBOOT] = put_multiboot,
    };
    const struct guest_acpi acpi = {.vcpus = vm->vcpu_count, .com1 = vm->vpl011, .virtio_count = vm->virtio_console};
    size_t length = strlen(vm->bootargs);

    ASSERT(length <= GUEST_COMMAND_MAX);
    memset(area, 0, GUEST_START_SIZE);
    (void)guest_acpi_build(&acpi, gpa_of(AREA_ACPI), area + AREA_ACPI);
    memcpy(area + AREA_COMMAND, vm->bootargs, length);
    guest_registers_entry(vm->type, vm->entry, gpa_of(AREA_INFO), gpa_of(AREA_TABLES), gpa_of(AREA_GDT), registers);
    if (vm->type == IMAGE_RAW) { return AREA_INFO; }
    guest_gdt_write(registers, area + AREA_GDT);
    put[vm->type](vm, area + AREA_INFO);
    if (vm->type != IMAGE_LINUX) { return AREA_TABLES; }
    put_page_tables(area + AREA_TABLES);
    return GUEST_START_SIZE;
}
