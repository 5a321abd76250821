// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_start.h"

#include "arch/x86/boot_info.h"
#include "arch/x86/elf_layout.h"
#include "arch/x86/linux_boot.h"
#include "arch/x86/little_endian.h"
#include "arch/x86/multiboot_layout.h"
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

static gpa_t gpa_of(unsigned offset) { return GUEST_START_GPA + offset; }

// ---- the memory map ---------------------------------------------------------------------------------------

enum { MAP_SIZE = 8, MAP_TYPE = 16 };

// All three formats have address, size and type in a row.
static void put_memory(uint8_t *at, gpa_t base, uint64_t size, enum boot_memory_type type) {
    store_le(at, base, 8);
    store_le(at + MAP_SIZE, size, 8);
    store_le(at + MAP_TYPE, type, 4);
}

// Entries that are `step` bytes apart; returns how many.
static unsigned put_map(const struct guest_start *what, uint8_t *at, unsigned step) {
    unsigned count = 2;

    put_memory(at, 0, GUEST_LOW_END, BOOT_MEMORY_RAM);
    put_memory(at + step, GUEST_LOW_END, GUEST_HIGH - GUEST_LOW_END, BOOT_MEMORY_RESERVED);
    for (unsigned i = 0; i < what->ram_count; i++) {
        gpa_t base = MAX(what->ram[i].base, GUEST_HIGH), end = what->ram[i].base + what->ram[i].size;
        if (end > base) { put_memory(at + step * count++, base, end - base, BOOT_MEMORY_RAM); }
    }
    return count;
}

// ---- each kind --------------------------------------------------------------------------------------------

static void put_linux(const struct guest_start *what, uint8_t *area) {
    const uint8_t *file = what->kernel;
    uint8_t *zero_page = area + AREA_INFO;

    memcpy(zero_page + LINUX_SETUP_SECTS, file + LINUX_SETUP_SECTS,
           LINUX_HEADER + (size_t)file[LINUX_HEADER_LENGTH] - LINUX_SETUP_SECTS);
    store_le(zero_page + LINUX_TYPE_OF_LOADER, LINUX_LOADER_UNDEFINED, 1);
    store_le(zero_page + LINUX_CMD_LINE_PTR, gpa_of(AREA_COMMAND), 4);
    store_le(zero_page + LINUX_RAMDISK_IMAGE, what->initrd, 4);
    store_le(zero_page + LINUX_RAMDISK_SIZE, what->initrd_size, 4);
    store_le(zero_page + LINUX_ACPI_RSDP_ADDR, gpa_of(AREA_ACPI), 8);
    store_le(zero_page + LINUX_E820_ENTRIES, put_map(what, zero_page + LINUX_E820_TABLE, LINUX_E820_ENTRY), 1);
}

static void put_pvh(const struct guest_start *what, uint8_t *area) {
    uint8_t *info = area + AREA_INFO, *module = info + INFO_MODULES;

    store_le(info + HVM_MAGIC, HVM_START_MAGIC, 4);
    store_le(info + HVM_VERSION, 1, 4);
    store_le(info + HVM_COMMAND, gpa_of(AREA_COMMAND), 8);
    store_le(info + HVM_RSDP, gpa_of(AREA_ACPI), 8);
    store_le(info + HVM_MAP, gpa_of(AREA_INFO + INFO_MAP), 8);
    store_le(info + HVM_MAP_ENTRIES, put_map(what, info + INFO_MAP, HVM_MAP_ENTRY), 4);
    if (what->initrd_size == 0) { return; }
    store_le(info + HVM_MODULES_COUNT, 1, 4);
    store_le(info + HVM_MODULES, gpa_of(AREA_INFO + INFO_MODULES), 8);
    store_le(module + HVM_MODULE_ADDRESS, what->initrd, 8);
    store_le(module + HVM_MODULE_BYTES, what->initrd_size, 8);
}

// Multiboot has no field for the RSDP: such a kernel searches for it.
static void put_multiboot(const struct guest_start *what, uint8_t *area) {
    enum { STEP = MB1_ENTRY_BODY + MB1_ENTRY_LEAST };
    uint8_t *info = area + AREA_INFO, *module = info + INFO_MODULES, *map = info + INFO_MAP;
    unsigned flags = MB1_HAS_MEMORY | MB1_HAS_COMMAND | MB1_HAS_MODULES | MB1_HAS_MAP;
    unsigned entries = put_map(what, map + MB1_ENTRY_BODY, STEP);

    for (unsigned i = 0; i < entries; i++) { store_le(map + i * STEP, MB1_ENTRY_LEAST, 4); }
    store_le(info + MB1_FLAGS, flags, 4);
    store_le(info + MB1_MEMORY_LOWER, GUEST_LOW_END / 1024, 4);
    store_le(info + MB1_MEMORY_UPPER, MIN((what->ram[0].size - GUEST_HIGH) / 1024, (uint64_t)UINT32_MAX), 4);
    store_le(info + MB1_COMMAND, gpa_of(AREA_COMMAND), 4);
    store_le(info + MB1_MODULES_COUNT, what->initrd_size == 0 ? 0 : 1, 4);
    store_le(info + MB1_MODULES, gpa_of(AREA_INFO + INFO_MODULES), 4);
    store_le(info + MB1_MAP_SIZE, entries * STEP, 4);
    store_le(info + MB1_MAP, gpa_of(AREA_INFO + INFO_MAP), 4);
    if (what->initrd_size == 0) { return; }
    store_le(module + MB1_MODULE_START, what->initrd, 4);
    store_le(module + MB1_MODULE_END, what->initrd + what->initrd_size, 4);
    store_le(module + MB1_MODULE_TEXT, gpa_of(AREA_INFO + INFO_MODULES + MB1_MODULE_SIZE), 4); // an empty string
}

// One PML4, one page directory pointer table, a page directory for each GiB.
static void put_page_tables(uint8_t *area) {
    unsigned pointers = AREA_TABLES + TABLE, directories = pointers + TABLE;

    store_le(area + AREA_TABLES, gpa_of(pointers) | PTE_PRESENT | PTE_WRITE, TABLE_ENTRY);
    for (unsigned i = 0; i < MAPPED_GIBS; i++) {
        store_le(area + pointers + i * TABLE_ENTRY, gpa_of(directories + i * TABLE) | PTE_PRESENT | PTE_WRITE,
                 TABLE_ENTRY);
    }
    for (unsigned i = 0; i < MAPPED_GIBS * TABLE_ENTRIES; i++) {
        store_le(area + directories + i * TABLE_ENTRY, (uint64_t)i << BLOCK_SHIFT | PTE_PRESENT | PTE_WRITE | PTE_BLOCK,
                 TABLE_ENTRY);
    }
}

// MOV AL, value; MOV DX, port; OUT DX, AL; HLT; JMP to the HLT (SDM volume 2).
void guest_start_reset_code(const struct guest_acpi *acpi, uint8_t code[GUEST_RESET_SIZE]) {
    const uint8_t bytes[GUEST_RESET_SIZE] = {
        0xb0, acpi->reset_value, 0xba, (uint8_t)acpi->reset, (uint8_t)(acpi->reset >> 8), 0xee, 0xf4, 0xeb, 0xfd,
    };

    memcpy(code, bytes, sizeof(bytes));
}

size_t guest_start_build(const struct guest_start *what, uint8_t *area, struct guest_registers *registers) {
    ASSERT(what->ram_count >= 1 && what->ram_count <= MAX_VM_MEMORY);
    memset(area, 0, GUEST_START_SIZE);
    size_t tables = guest_acpi_build(&what->acpi, gpa_of(AREA_ACPI), area + AREA_ACPI, GUEST_ACPI_SIZE);
    size_t length = strlen(what->command);
    ASSERT(tables != 0 && length <= GUEST_COMMAND_MAX);
    memcpy(area + AREA_COMMAND, what->command, length);
    guest_registers_entry(what->image, gpa_of(AREA_INFO), gpa_of(AREA_TABLES), gpa_of(AREA_GDT), registers);
    if (what->image->kind != GUEST_IMAGE_RAW) { guest_gdt_write(registers, area + AREA_GDT); }
    switch (what->image->kind) {
    case GUEST_IMAGE_RAW: return AREA_INFO;
    case GUEST_IMAGE_LINUX: put_linux(what, area); break;
    case GUEST_IMAGE_PVH: put_pvh(what, area); break;
    case GUEST_IMAGE_MULTIBOOT: put_multiboot(what, area); break;
    }
    if (what->image->kind != GUEST_IMAGE_LINUX) { return AREA_TABLES; }
    put_page_tables(area);
    return GUEST_START_SIZE;
}
