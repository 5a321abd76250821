// SPDX-License-Identifier: Apache-2.0
// Multiboot Specification 0.6.96, 3.3 (boot information format), and Multiboot2 Specification 2.0, 3.6.
#include "arch/x86/boot_info.h"
#include "arch/x86/little_endian.h"
#include "arch/x86/multiboot_layout.h"
#include "kernel/log.h"

// Multiboot 2: tags.
enum {
    MB2_END = 0,
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

static const char use_another[] = "use another boot loader", update[] = "update the firmware";

static uint32_t word(const uint8_t *base, unsigned offset) { return (uint32_t)load_le(base + offset, 4); }

// One line: what is wrong, what helps, and a value that belongs to it. Returns `status`.
static int refuse(int status, const char *problem, const char *remedy, uint64_t value) {
    log_line("multiboot: %s; %s (0x%llx)", problem, remedy, (unsigned long long)value);
    return status;
}

// An entry of either map: base, length, type.
static int add_memory(struct boot_info *out, const uint8_t *entry) {
    struct boot_memory memory = {{load_le(entry, 8), load_le(entry + 8, 8)}, word(entry, 16)};

    if (memory.range.size == 0) { return OK; }
    if (memory.range.base + (memory.range.size - 1) < memory.range.base) {
        return refuse(ERR_INVALID, "a range of the memory map goes around the end of all addresses", update,
                      memory.range.base);
    }
    if (out->memory_count == BOOT_MEMORY_MAX) {
        return refuse(ERR_INVALID, "the memory map has more ranges than fit", update, BOOT_MEMORY_MAX);
    }
    out->memory[out->memory_count++] = memory;
    return OK;
}

static int set_system(struct boot_info *out, uint32_t start, uint32_t end) {
    if (out->system.size != 0) {
        return refuse(ERR_INVALID, "there is more than one module", "load the system image alone", start);
    }
    if (end <= start) { return refuse(ERR_INVALID, "the module is empty", "load the system image", start); }
    out->system = (struct range){start, end - start};
    return OK;
}

// ---- Multiboot 1 ------------------------------------------------------------------------------------------

static int mb1_map(const struct physical *physical, paddr_t pa, uint32_t size, struct boot_info *out) {
    const uint8_t *map = physical_map(physical, pa, size);

    if (map == NULL) { return refuse(ERR_RANGE, "the memory map is not in memory", use_another, pa); }
    for (uint32_t at = 0; at < size;) {
        uint32_t left = size - at, length = left < MB1_ENTRY_BODY ? 0 : word(map, at);
        if (length < MB1_ENTRY_LEAST || length > left - MB1_ENTRY_BODY) {
            return refuse(ERR_INVALID, "the memory map's entry at this offset has no possible size", use_another, at);
        }
        int status = add_memory(out, map + at + MB1_ENTRY_BODY);
        if (status != OK) { return status; }
        at += MB1_ENTRY_BODY + length;
    }
    return OK;
}

static int mb1_module(const struct physical *physical, paddr_t pa, struct boot_info *out) {
    const uint8_t *module = physical_map(physical, pa, MB1_MODULE_SIZE);

    if (module == NULL) { return refuse(ERR_RANGE, "the list of modules is not in memory", use_another, pa); }
    return set_system(out, word(module, MB1_MODULE_START), word(module, MB1_MODULE_END));
}

static int mb1_parse(const struct physical *physical, paddr_t pa, struct boot_info *out) {
    const uint8_t *info = physical_map(physical, pa, MB1_INFO_SIZE);

    if (info == NULL) { return refuse(ERR_RANGE, "the information is not in memory", use_another, pa); }
    uint32_t flags = word(info, MB1_FLAGS), map = word(info, MB1_MAP), map_size = word(info, MB1_MAP_SIZE);
    uint32_t modules = (flags & MB1_HAS_MODULES) != 0 ? word(info, MB1_MODULES_COUNT) : 0;
    paddr_t module = word(info, MB1_MODULES);
    int status = (flags & MB1_HAS_MAP) != 0 ? mb1_map(physical, map, map_size, out) : OK;
    // The second is refused.
    for (uint32_t i = 0; status == OK && i < MIN(modules, 2u); i++, module += MB1_MODULE_SIZE) {
        status = mb1_module(physical, module, out);
    }
    return status;
}

// ---- Multiboot 2 ------------------------------------------------------------------------------------------

static int mb2_map(const uint8_t *tag, uint32_t size, struct boot_info *out) {
    uint32_t step = size >= MB2_MAP_HEADER ? word(tag, 8) : 0;

    if (step < MB2_ENTRY_LEAST) {
        return refuse(ERR_INVALID, "the memory map's entries have too few bytes", use_another, step);
    }
    for (uint32_t at = MB2_MAP_HEADER; size - at >= step; at += step) {
        int status = add_memory(out, tag + at);
        if (status != OK) { return status; }
    }
    return OK;
}

static int mb2_tag(const uint8_t *tag, uint32_t size, paddr_t pa, struct boot_info *out) {
    switch (word(tag, 0)) {
    case MB2_MAP: return mb2_map(tag, size, out);
    case MB2_MODULE: return size < MB2_MODULE_HEADER ? OK : set_system(out, word(tag, 8), word(tag, 12));
    case MB2_RSDP_OLD: out->rsdp = out->rsdp == 0 ? pa + MB2_TAG_HEADER : out->rsdp; return OK;
    case MB2_RSDP_NEW: out->rsdp = pa + MB2_TAG_HEADER; return OK;
    default: return OK;
    }
}

static int mb2_parse(const struct physical *physical, paddr_t pa, struct boot_info *out) {
    const uint8_t *info = physical_map(physical, pa, MB2_TAG_HEADER);
    uint32_t total = info == NULL ? 0 : word(info, 0);

    if (info != NULL) { info = total <= MB2_INFO_MOST ? physical_map(physical, pa, MAX(total, 1u)) : NULL; }
    if (info == NULL) { return refuse(ERR_RANGE, "the information is not in memory", use_another, pa); }
    for (uint32_t at = MB2_TAG_HEADER; at + MB2_TAG_HEADER <= total;) {
        uint32_t size = word(info, at + 4);
        if (size < MB2_TAG_HEADER || size > total - at) {
            return refuse(ERR_INVALID, "the tag at this offset has no possible size", use_another, at);
        }
        if (word(info, at) == MB2_END) { return OK; }
        int status = mb2_tag(info + at, size, pa + at, out);
        if (status != OK) { return status; }
        at += ALIGN_UP(size, 8u);
    }
    return refuse(ERR_INVALID, "the information has no end tag within its bytes", use_another, total);
}

int multiboot_parse(const struct physical *physical, uint32_t magic, paddr_t info, struct boot_info *out) {
    int status;

    *out = (struct boot_info){0};
    switch (magic) {
    case MULTIBOOT1_MAGIC: status = mb1_parse(physical, info, out); break;
    case MULTIBOOT2_MAGIC: status = mb2_parse(physical, info, out); break;
    default: return refuse(ERR_INVALID, "this is the number of no boot loader", "start by Multiboot or UEFI", magic);
    }
    if (status == OK && out->memory_count == 0) {
        return refuse(ERR_NOT_FOUND, "the boot loader gave no memory map", use_another, info);
    }
    return status;
}
