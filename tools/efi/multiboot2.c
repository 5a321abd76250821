// SPDX-License-Identifier: Apache-2.0
#include "tools/efi/multiboot2.h"
#include "kernel/string.h"

// Magic number, architecture, length, and what makes the sum of the four zero (3.1.2).
#define HEADER_MAGIC 0xe85250d6u
enum { MAGIC, ARCHITECTURE, LENGTH, CHECKSUM, HEADER_WORDS };

enum {
    HEADER_SEARCH = 32768, // it lies in this many bytes from the beginning
    ARCHITECTURE_I386 = 0,
    UNIT = 8, // what headers and tags are aligned to, and the size of the head of a tag
};

// Tags of the header: a half word each of type and flags, a word of size (3.1.3).
enum { TAG_END = 0, TAG_INFORMATION = 1, TAG_ADDRESS = 2, TAG_ENTRY = 3, TAG_MODULE_ALIGN = 6, TAG_RELOCATABLE = 10 };
enum { OPTIONAL = 1 << 16, TYPE_MASK = OPTIONAL - 1 };

// Words of the address tag and of the entry tag (3.1.5, 3.1.7).
enum { ADDRESS_HEADER, ADDRESS_LOAD, ADDRESS_LOAD_END, ADDRESS_BSS_END, ADDRESS_WORDS };

struct tags {
    uint32_t address[ADDRESS_WORDS], entry;
    bool has_address, has_entry;
};

// Returns its offset; negative: there is none.
static int find_header(const char *file, uint64_t size, uint32_t *header) {
    for (unsigned at = 0; at + HEADER_WORDS * sizeof(*header) <= MIN(size, (uint64_t)HEADER_SEARCH); at += UNIT) {
        memcpy(header, file + at, HEADER_WORDS * sizeof(*header));
        if (header[MAGIC] == HEADER_MAGIC && header[ARCHITECTURE] == ARCHITECTURE_I386 &&
            header[MAGIC] + header[ARCHITECTURE] + header[LENGTH] + header[CHECKSUM] == 0) {
            return (int)at;
        }
    }
    return ERR_NOT_FOUND;
}

// `body` has `size` bytes. False: not a tag that we know.
static bool take_tag(struct tags *tags, unsigned type, const char *body, uint32_t size) {
    if (type == TAG_ADDRESS && size >= sizeof(tags->address)) {
        memcpy(tags->address, body, sizeof(tags->address));
        return tags->has_address = true;
    }
    if (type == TAG_ENTRY && size >= sizeof(tags->entry)) {
        memcpy(&tags->entry, body, sizeof(tags->entry));
        return tags->has_entry = true;
    }
    // Modules lie on pages anyway, the kernel on MB2_ALIGN, and all there is to know is told.
    return type == TAG_MODULE_ALIGN || type == TAG_RELOCATABLE || type == TAG_INFORMATION;
}

static const char *read_tags(const char *header, uint32_t length, struct tags *tags) {
    uint32_t head[2];

    for (uint32_t at = HEADER_WORDS * sizeof(head[0]); at < length && length - at >= UNIT;) {
        memcpy(head, header + at, sizeof(head));
        if (head[1] < UNIT || head[1] > length - at) { break; }
        unsigned type = head[0] & TYPE_MASK;
        if (type == TAG_END) {
            return tags->has_address && tags->has_entry ? NULL : "its Multiboot2 header lacks address or entry";
        }
        if (!take_tag(tags, type, header + at + UNIT, head[1] - UNIT) && (head[0] & OPTIONAL) == 0) {
            return "its Multiboot2 header wants what this loader cannot do; use the loader of the same version";
        }
        at += ALIGN_UP(head[1], (uint32_t)UNIT);
    }
    return "its Multiboot2 header has no end; copy it anew";
}

// A load address of -1 means from the beginning of the file, an end of 0 the end of the file, and no bss (3.1.5).
static const char *set_addresses(uint64_t at, uint64_t size, const struct tags *tags, struct mb2_kernel *out) {
    uint64_t header = tags->address[ADDRESS_HEADER], load = tags->address[ADDRESS_LOAD];

    if (load == UINT32_MAX) { load = header - at; }
    uint64_t offset = at - (header - load);
    uint64_t end = tags->address[ADDRESS_LOAD_END], bss_end = tags->address[ADDRESS_BSS_END];
    if (end == 0) { end = load + (size - offset); }
    if (bss_end == 0) { bss_end = end; }
    if (load > header || offset > at || end <= header || bss_end < end || bss_end > UINT32_MAX || tags->entry < load ||
        tags->entry >= end) {
        return "the addresses in its Multiboot2 header contradict each other; copy it anew";
    }
    if (end - load > size - offset) { return "it is cut off; copy it anew"; }
    *out = (struct mb2_kernel){(uint32_t)offset, (uint32_t)(end - load), (uint32_t)(bss_end - load), (uint32_t)load,
                               (uint32_t)(tags->entry - load)};
    return NULL;
}

const char *mb2_read_header(const void *file, uint64_t size, struct mb2_kernel *out) {
    uint32_t header[HEADER_WORDS];
    struct tags tags = {0};
    int at = find_header(file, size, header);

    if (at < 0) { return "it has no Multiboot2 header; copy a hypervisor for x86-64"; }
    if (header[LENGTH] > size - (unsigned)at) { return "it is cut off; copy it anew"; }
    const char *problem = read_tags((const char *)file + at, header[LENGTH], &tags);
    return problem != NULL ? problem : set_addresses((unsigned)at, size, &tags, out);
}

// ---- the information -------------------------------------------------------------------------------------------------

void mb2_begin(struct mb2_info *info, void *base, uint32_t room) { *info = (struct mb2_info){base, room, UNIT}; }

void *mb2_add(struct mb2_info *info, uint32_t type, uint32_t size) {
    uint32_t head[] = {type, UNIT + size};
    char *tag = info->base + info->used;

    // The end tag has to fit behind it.
    if (info->room - info->used < 2 * UNIT || ALIGN_UP((uint64_t)size, UNIT) > info->room - info->used - 2 * UNIT) {
        return NULL;
    }
    memcpy(tag, head, sizeof(head));
    info->used += ALIGN_UP(head[1], (uint32_t)UNIT);
    return tag + UNIT;
}

void mb2_end(struct mb2_info *info) {
    uint32_t tag[] = {MB2_END, UNIT}, head[] = {info->used + UNIT, 0};

    memcpy(info->base + info->used, tag, sizeof(tag));
    memcpy(info->base, head, sizeof(head));
}
