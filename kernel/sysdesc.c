// SPDX-License-Identifier: Apache-2.0
// The checker from end to end, and how it speaks.
#include "kernel/sysdesc.h"

#include "kernel/log.h"
#include "kernel/sysdesc_schema.h"

// ---- messages ---------------------------------------------------------------------------------------------

// Names come from the image and may hold anything; a terminal gets to see printable characters.
static void make_printable(char *text) {
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') { *text = '?'; }
    }
}

void sysdesc_mistake(struct sysdesc_check *c, const char *property, const char *remedy, const char *wrong, ...) {
    char place[256], text[224];
    va_list args;

    c->sink->count++;
    if (c->sink->count > SYSDESC_MISTAKES) { return; }
    va_start(args, wrong);
    format_string_v(text, sizeof(text), wrong, args);
    va_end(args);
    format_string(place, sizeof(place), "%s:%s%s%s", c->file, c->path_length == 0 ? "/" : c->path,
                  property != NULL ? ":" : "", property != NULL ? property : "");
    make_printable(place);
    make_printable(text);
    c->sink->mistake(c->sink, place, text, remedy);
}

const char *sysdesc_remedy(struct sysdesc_check *c, const char *format, ...) {
    va_list args;

    va_start(args, format);
    format_string_v(c->remedy, sizeof(c->remedy), format, args);
    va_end(args);
    make_printable(c->remedy);
    return c->remedy;
}

void sysdesc_enter(struct sysdesc_check *c, const char *name) {
    size_t room = sizeof(c->path) - c->path_length;
    size_t length = MIN(strlen(name), room < 2 ? 0 : room - 2);

    if (room < 2) { return; }
    c->path[c->path_length++] = '/';
    memcpy(c->path + c->path_length, name, length);
    c->path_length += length;
    c->path[c->path_length] = '\0';
}

void sysdesc_leave(struct sysdesc_check *c, size_t length) {
    c->path_length = length;
    c->path[length] = '\0';
}

void sysdesc_at(struct sysdesc_check *c, const struct vm_desc *vm, int vcpu) {
    char name[16];

    sysdesc_leave(c, 0);
    sysdesc_enter(c, "vms");
    sysdesc_enter(c, vm->name);
    if (vcpu >= 0) {
        format_string(name, sizeof(name), "vcpu@%d", vcpu);
        sysdesc_enter(c, "vcpus");
        sysdesc_enter(c, name);
    }
}

// ---- the way ----------------------------------------------------------------------------------------------

// A part that is itself a tree: hashed before a byte of it is believed.
static const struct blob *trusted_tree(struct sysdesc_check *c, const char *name) {
    const struct sysdesc_part *part = sysdesc_part(c, name);

    if (part == NULL || !sysdesc_part_verify(c, part)) { return NULL; }
    sysdesc_enter(c, "images");
    sysdesc_enter(c, name);
    if (part->data.size > SYSDESC_SIZE_MAX) {
        sysdesc_mistake(c, "data", "describe less, at most 64 KiB compiled", "%lu bytes are too many", part->data.size);
        part = NULL;
    } else if (tree_check(part->data.data, part->data.size) != OK) {
        sysdesc_mistake(c, "data", "compile it with dtc", "is no device tree");
        part = NULL;
    }
    sysdesc_leave(c, 0);
    return part != NULL ? &part->data : NULL;
}

#if TAKT_TRACE
// A system that is traced from the start is admitted with what that takes.
static void add_trace(struct system_desc *sys) {
    uint32_t more = sys->trace ? sys->trace_ns : 0;

    sys->overhead_ns += more;
    sys->irq_cost_ns += more;
    sys->injection_ns += more;
    sys->masked_ns += more;
    sys->masked_vcpu_ns += more;
    sys->migration_ns += sys->migration_ns != 0 ? more : 0;
}
#endif

int sysdesc_parse(const void *image, uint64_t size, const struct board *board, uint64_t hz, struct system_desc *out,
                  struct sysdesc_sink *sink) {
    struct sysdesc_check c = {.board = board, .hz = hz, .image_size = size, .sys = out, .sink = sink, .file = "image"};
    unsigned before = sink->count;

    memset(out, 0, sizeof(*out));
    out->source = "system";
    if (!sysdesc_fit(&c, image, size)) { return ERR_CORRUPT; }
    const struct blob *data = trusted_tree(&c, "board");
    const struct blob *system = trusted_tree(&c, "system");
    if (data != NULL) {
        c.file = "board.dts";
        sysdesc_schema(&c, data, &sysdesc_board_schema, out);
    }
    if (system != NULL) {
        c.file = out->source;
        sysdesc_schema(&c, system, &sysdesc_system_schema, out);
        sysdesc_memory(&c);
    }
    // Without good board data there is nothing to compute with.
    if (system != NULL && data != NULL && out->overhead_ns != 0) {
        out->overhead_ns += MIN(board->overhead_ns, OVERHEAD_NS_MAX);
#if TAKT_TRACE
        add_trace(out);
#endif
        sysdesc_admit(&c);
    }
    return sink->count == before ? OK : ERR_INVALID;
}

int sysdesc_verify(const struct system_desc *desc, struct sysdesc_sink *sink) {
    struct sysdesc_check c = {.sink = sink, .file = "image"};
    bool good = true;

    for (unsigned i = 0; i < desc->part_count; i++) {
        if (desc->parts[i].paths != NULL) { good &= sysdesc_part_verify(&c, &desc->parts[i]); }
    }
    return good ? OK : ERR_CORRUPT;
}
