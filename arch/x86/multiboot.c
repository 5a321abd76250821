// SPDX-License-Identifier: Apache-2.0
// Multiboot Specification 0.6.96, 3.3 (boot information format), and Multiboot2 Specification 2.0, 3.6.
#include "arch/x86/boot_info.h"
#include "arch/x86/multiboot_layout.h"
#include "kernel/log.h"
#include "kernel/string.h"

// Multiboot 2: tags.
enum {
    MB2_END = 0,
    MB2_COMMAND = 1,
    MB2_MODULE = 3,
    MB2_MAP = 6,
    MB2_RSDP_OLD = 14,
    MB2_RSDP_NEW = 15,
    MB2_TAG_HEADER = 8,
    MB2_MAP_HEADER = 16,
    MB2_MODULE_HEADER = 16,
    MB2_ENTRY_LEAST = 24,
    MB2_INFO_MOST = 1 << 20,
};

static uint32_t word(const void *base, unsigned offset) {
    uint32_t value;

    memcpy(&value, (const char *)base + offset, sizeof(value));
    return value;
}

static uint64_t long_word(const void *base, unsigned offset) {
    return word(base, offset) | (uint64_t)word(base, offset + 4) << 32;
}

static int nowhere(const char *what, paddr_t pa) {
    log_line("multiboot: %s at 0x%llx is not in memory; use another boot loader", what, (unsigned long long)pa);
    return ERR_RANGE;
}

// An entry of either map: base, length, type.
static int add_memory(struct boot_info *out, const void *entry) {
    struct boot_memory memory = {{long_word(entry, 0), long_word(entry, 8)}, word(entry, 16)};

    if (memory.range.size == 0) { return OK; }
    if (memory.range.base + (memory.range.size - 1) < memory.range.base) {
        log_line("multiboot: the memory map's range 0x%llx + 0x%llx goes around the end of all addresses; update the "
                 "firmware",
                 (unsigned long long)memory.range.base, (unsigned long long)memory.range.size);
        return ERR_INVALID;
    }
    if (out->memory_count == BOOT_MEMORY_MAX) {
        log_line("multiboot: the memory map has more than %u ranges; update the firmware", BOOT_MEMORY_MAX);
        return ERR_INVALID;
    }
    out->memory[out->memory_count++] = memory;
    return OK;
}

static int set_system(struct boot_info *out, uint32_t start, uint32_t end) {
    if (out->system.size != 0) {
        log_line("multiboot: there is more than one module; load the system image alone");
        return ERR_INVALID;
    }
    if (end <= start) {
        log_line("multiboot: the module from 0x%x to 0x%x is empty; load the system image", start, end);
        return ERR_INVALID;
    }
    out->system = (struct range){start, end - start};
    return OK;
}

static void set_command(struct boot_info *out, const char *text, uint64_t size) {
    uint64_t length = 0;

    while (length < size && length < BOOT_COMMAND_MAX - 1 && text[length] != '\0') { length++; }
    memcpy(out->command, text, length);
    out->command[length] = '\0';
}

// ---- Multiboot 1 ------------------------------------------------------------------------------------------

static int mb1_map(const struct physical *physical, paddr_t pa, uint32_t size, struct boot_info *out) {
    const char *map = physical_map(physical, pa, size);

    if (map == NULL) { return nowhere("the memory map", pa); }
    for (uint64_t at = 0; at < size;) {
        uint32_t length = size - at >= sizeof(length) ? word(map, (unsigned)at) : 0;
        if (length < MB1_ENTRY_LEAST || length > size - at - sizeof(length)) {
            log_line("multiboot: the memory map's entry at offset %llu has a size of %u; use another boot loader",
                     (unsigned long long)at, length);
            return ERR_INVALID;
        }
        int status = add_memory(out, map + at + sizeof(length));
        if (status != OK) { return status; }
        at += sizeof(length) + length;
    }
    return OK;
}

// The string's end is not known: it is read in pieces that do not cross into a page that may not be there.
static void mb1_command(const struct physical *physical, paddr_t pa, struct boot_info *out) {
    uint64_t size = MIN((uint64_t)BOOT_COMMAND_MAX, PAGE_SIZE - (pa & PAGE_MASK));
    const char *text = physical_map(physical, pa, size);

    if (text != NULL) { set_command(out, text, size); }
}

static int mb1_parse(const struct physical *physical, paddr_t pa, struct boot_info *out) {
    char info[MB1_INFO_SIZE];
    const void *there = physical_map(physical, pa, sizeof(info));
    int status;

    if (there == NULL) { return nowhere("the information", pa); }
    memcpy(info, there, sizeof(info));
    uint32_t flags = word(info, MB1_FLAGS), modules = word(info, MB1_MODULES_COUNT);
    if ((flags & MB1_HAS_MAP) == 0) { return OK; }
    status = mb1_map(physical, word(info, MB1_MAP), word(info, MB1_MAP_SIZE), out);
    if (status == OK && (flags & MB1_HAS_MODULES) != 0) {
        for (uint32_t i = 0; status == OK && i < MIN(modules, 2u); i++) {
            paddr_t at = word(info, MB1_MODULES) + (paddr_t)MB1_MODULE_SIZE * i;
            const void *module = physical_map(physical, at, MB1_MODULE_SIZE);
            status = module == NULL ? nowhere("the list of modules", at)
                                    : set_system(out, word(module, MB1_MODULE_START), word(module, MB1_MODULE_END));
        }
    }
    if ((flags & MB1_HAS_COMMAND) != 0) { mb1_command(physical, word(info, MB1_COMMAND), out); }
    return status;
}

// ---- Multiboot 2 ------------------------------------------------------------------------------------------

static int mb2_map(const char *tag, uint32_t size, struct boot_info *out) {
    uint32_t step = size >= MB2_MAP_HEADER ? word(tag, 8) : 0;

    if (step < MB2_ENTRY_LEAST) {
        log_line("multiboot: the memory map's entries have %u bytes; use another boot loader", step);
        return ERR_INVALID;
    }
    for (uint32_t at = MB2_MAP_HEADER; size - at >= step; at += step) {
        int status = add_memory(out, tag + at);
        if (status != OK) { return status; }
    }
    return OK;
}

static int mb2_tag(const char *tag, uint32_t size, paddr_t pa, struct boot_info *out) {
    switch (word(tag, 0)) {
    case MB2_MAP: return mb2_map(tag, size, out);
    case MB2_MODULE: return size < MB2_MODULE_HEADER ? OK : set_system(out, word(tag, 8), word(tag, 12));
    case MB2_COMMAND: set_command(out, tag + MB2_TAG_HEADER, size - MB2_TAG_HEADER); return OK;
    case MB2_RSDP_OLD: out->rsdp = out->rsdp == 0 ? pa + MB2_TAG_HEADER : out->rsdp; return OK;
    case MB2_RSDP_NEW: out->rsdp = pa + MB2_TAG_HEADER; return OK;
    default: return OK;
    }
}

static int mb2_parse(const struct physical *physical, paddr_t pa, struct boot_info *out) {
    const char *info = physical_map(physical, pa, MB2_TAG_HEADER);
    uint32_t total = info == NULL ? 0 : word(info, 0);

    if (info != NULL) { info = total <= MB2_INFO_MOST ? physical_map(physical, pa, MAX(total, 1u)) : NULL; }
    if (info == NULL) { return nowhere("the information", pa); }
    for (uint32_t at = MB2_TAG_HEADER; total >= MB2_TAG_HEADER && at <= total - MB2_TAG_HEADER;) {
        uint32_t size = word(info, at + 4);
        if (size < MB2_TAG_HEADER || size > total - at) {
            log_line("multiboot: the tag at offset %u has a size of %u; use another boot loader", at, size);
            return ERR_INVALID;
        }
        if (word(info, at) == MB2_END) { return OK; }
        int status = mb2_tag(info + at, size, pa + at, out);
        if (status != OK) { return status; }
        at += ALIGN_UP(size, 8u);
    }
    log_line("multiboot: the information has no end tag within its %u bytes; use another boot loader", total);
    return ERR_INVALID;
}

int multiboot_parse(const struct physical *physical, uint32_t magic, paddr_t info, struct boot_info *out) {
    int status;

    *out = (struct boot_info){0};
    if (magic != MULTIBOOT1_MAGIC && magic != MULTIBOOT2_MAGIC) {
        log_line("multiboot: 0x%x is the number of no boot loader; start it by Multiboot or UEFI", magic);
        return ERR_INVALID;
    }
    status = magic == MULTIBOOT1_MAGIC ? mb1_parse(physical, info, out) : mb2_parse(physical, info, out);
    if (status == OK && out->memory_count == 0) {
        log_line("multiboot: the boot loader gave no memory map; use another one");
        return ERR_NOT_FOUND;
    }
    return status;
}
