// SPDX-License-Identifier: Apache-2.0
#include "tools/efi/multiboot2.h"
#include "kernel/log.h"
#include "kernel/string.h"

#define HEADER_MAGIC 0xe85250d6u

enum {
    HEADER_SEARCH = 32768, // it lies in this many bytes from the beginning
    HEADER_ALIGN = 8,
    ARCHITECTURE_I386 = 0,
    TAG_OPTIONAL = 1,
    TAG_HEADER = 8,
    INFO_HEADER = 8,
    DEFAULT_ALIGN = 1 << 21,
};

enum header_tag {
    HEADER_END = 0,
    HEADER_INFORMATION = 1,
    HEADER_ADDRESS = 2,
    HEADER_ENTRY = 3,
    HEADER_MODULE_ALIGN = 6,
    HEADER_RELOCATABLE = 10,
};

struct header {
    uint32_t magic, architecture, length, checksum;
};

struct header_tag_start {
    uint16_t type, flags;
    uint32_t size;
};

// 3.1.5, 3.1.7 and 3.1.13, each behind its struct header_tag_start.
struct address_tag {
    uint32_t header, load, load_end, bss_end;
};

struct relocatable_tag {
    uint32_t least, most, align, preference;
};

struct tags {
    struct address_tag address;
    uint32_t entry;
    struct relocatable_tag place;
    bool has_address, has_entry;
};

static int refuse(const char *name, const char *problem) {
    log_line("%s: %s; copy the hypervisor's takt.img anew", name, problem);
    return ERR_INVALID;
}

// 3.1.2. Negative: there is none.
static int find_header(const char *file, uint64_t size, struct header *out) {
    for (uint64_t at = 0; at + sizeof(*out) <= MIN(size, (uint64_t)HEADER_SEARCH); at += HEADER_ALIGN) {
        memcpy(out, file + at, sizeof(*out));
        if (out->magic == HEADER_MAGIC && out->architecture == ARCHITECTURE_I386 &&
            out->magic + out->architecture + out->length + out->checksum == 0) {
            return (int)at;
        }
    }
    return ERR_NOT_FOUND;
}

// `body`: what follows the start of the tag, `size` bytes. A tag that is too short counts as unknown.
static bool take_tag(struct tags *tags, unsigned type, const char *body, uint32_t size) {
    if (type == HEADER_ADDRESS && size >= sizeof(tags->address)) {
        memcpy(&tags->address, body, sizeof(tags->address));
        tags->has_address = true;
    } else if (type == HEADER_ENTRY && size >= sizeof(tags->entry)) {
        memcpy(&tags->entry, body, sizeof(tags->entry));
        tags->has_entry = true;
    } else if (type == HEADER_RELOCATABLE && size >= sizeof(tags->place)) {
        memcpy(&tags->place, body, sizeof(tags->place));
    } else {
        // Modules lie on pages anyway; what is asked of the information is given as far as there is such a thing.
        return type == HEADER_MODULE_ALIGN || type == HEADER_INFORMATION;
    }
    return true;
}

static int read_tags(const char *name, const char *header, uint32_t length, struct tags *tags) {
    struct header_tag_start start;

    for (uint32_t at = sizeof(struct header); length - at >= TAG_HEADER && at < length;) {
        memcpy(&start, header + at, sizeof(start));
        if (start.size < TAG_HEADER || start.size > length - at) { break; }
        if (start.type == HEADER_END) { return OK; }
        if (!take_tag(tags, start.type, header + at + TAG_HEADER, start.size - TAG_HEADER) &&
            (start.flags & TAG_OPTIONAL) == 0) {
            log_line(
                "%s: its Multiboot2 header wants tag %u, which this loader does not know; use a loader of the same "
                "version",
                name, start.type);
            return ERR_UNSUPPORTED;
        }
        at += ALIGN_UP(start.size, (uint32_t)HEADER_ALIGN);
    }
    return refuse(name, "its Multiboot2 header has no end");
}

// 3.1.5: a load address of -1 means from the beginning of the file, an end of 0 its end, no bss if that is 0.
static int set_addresses(const char *name, uint64_t at, uint64_t size, const struct tags *tags,
                         struct mb2_kernel *out) {
    const struct address_tag *address = &tags->address;
    uint64_t load = address->load == UINT32_MAX ? address->header - at : address->load;
    uint64_t offset = at - (address->header - load);
    uint64_t end = address->load_end == 0 ? load + (size - offset) : address->load_end;
    uint64_t bss_end = address->bss_end == 0 ? end : address->bss_end;

    if (load > address->header || offset > at || end < address->header || bss_end < end || bss_end > UINT32_MAX) {
        return refuse(name, "the addresses of its Multiboot2 header contradict each other");
    }
    if (end - load > size - offset) {
        log_line("%s: it ends after %llu bytes, and its header speaks of %llu; copy it anew", name,
                 (unsigned long long)size, (unsigned long long)(offset + (end - load)));
        return ERR_INVALID;
    }
    if (tags->entry < load || tags->entry >= end) { return refuse(name, "its entry lies outside of it"); }
    out->offset = (uint32_t)offset;
    out->file_size = (uint32_t)(end - load);
    out->memory_size = (uint32_t)(bss_end - load);
    out->load = (uint32_t)load;
    out->entry = (uint32_t)(tags->entry - load);
    return OK;
}

int mb2_read_header(const char *name, const void *file, uint64_t size, struct mb2_kernel *out) {
    struct tags tags = {.place = {0, UINT32_MAX, DEFAULT_ALIGN, 0}};
    struct header header;
    int at = find_header(file, size, &header), status;

    if (at < 0) { return refuse(name, "it has no Multiboot2 header, so it is no hypervisor for x86-64"); }
    if (header.length < sizeof(header) || header.length > size - (uint64_t)at) {
        return refuse(name, "its Multiboot2 header goes beyond its end");
    }
    status = read_tags(name, (const char *)file + at, header.length, &tags);
    if (status != OK) { return status; }
    if (!tags.has_address || !tags.has_entry) { return refuse(name, "its Multiboot2 header lacks address or entry"); }
    if (tags.place.align == 0 || (tags.place.align & (tags.place.align - 1)) != 0) {
        return refuse(name, "the alignment in its Multiboot2 header is no power of two");
    }
    out->align = MAX(tags.place.align, (uint32_t)PAGE_SIZE);
    out->least = tags.place.least;
    out->most = tags.place.most;
    return set_addresses(name, (uint64_t)at, size, &tags, out);
}

// ---- the information ------------------------------------------------------------------------------------------------

void mb2_begin(struct mb2_info *info, void *base, uint32_t room) {
    *info = (struct mb2_info){base, room, INFO_HEADER};
    memset(base, 0, room);
}

void *mb2_add(struct mb2_info *info, uint32_t type, uint32_t size) {
    uint32_t tag[] = {type, TAG_HEADER + size}, place = info->used;

    // The end tag has to fit behind it.
    if (size > info->room || info->room - info->used < ALIGN_UP(tag[1], (uint32_t)HEADER_ALIGN) + TAG_HEADER) {
        return NULL;
    }
    memcpy(info->base + place, tag, sizeof(tag));
    memset(info->base + place + TAG_HEADER, 0, ALIGN_UP(size, (uint32_t)HEADER_ALIGN));
    info->used += ALIGN_UP(tag[1], (uint32_t)HEADER_ALIGN);
    return info->base + place + TAG_HEADER;
}

void mb2_end(struct mb2_info *info) {
    uint32_t tag[] = {MB2_END, TAG_HEADER}, head[] = {info->used + TAG_HEADER, 0};

    memcpy(info->base + info->used, tag, sizeof(tag));
    memcpy(info->base, head, sizeof(head));
}
