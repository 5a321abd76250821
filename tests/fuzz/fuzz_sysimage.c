// SPDX-License-Identifier: Apache-2.0
// covers: kernel/sysdesc.c kernel/sysdesc_fit.c kernel/sysdesc_schema.c kernel/sysdesc_nodes.c kernel/sysdesc_guest.c
// covers: kernel/sysdesc_place.c kernel/tree.c kernel/tree_find.c kernel/sha256.c kernel/board.c kernel/ranges.c
//
// Whatever bytes the system image, the description or the board's tree consist of, the checker ends, reads nothing
// outside and, when it says OK, gives structures that hold. The first byte of an input chooses what the rest is:
//   0 an image as it is            1 a compiled description, packed with right hashes
//   2 a board's device tree        3 a description written down as steps, see write_system(): mutations keep it a tree
//   4 bytes to hash                +8 on a board with holes in its memory
#include <libfdt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/guest_fdt.h"
#include "kernel/sha256.h"
#include "kernel/sysdesc.h"
#include "kernel/tree.h"
// A target is one object beside the library, so it takes the helper along.
// NOLINTNEXTLINE(bugprone-suspicious-include)
#include "tests/unit/helpers/system_image.c"

enum { HZ = 62500000, STEPS_MAX = 128, WAYS = 5, HOLES = 8 };

static void must_hold(bool condition) {
    if (!condition) { abort(); }
}

// ---- what an accepted system promises ---------------------------------------------------------------------

static bool in_memory(const struct vm_desc *vm, gpa_t at, uint64_t size) {
    for (unsigned i = 0; i < vm->memory_count; i++) {
        if (at >= vm->memory[i].base && at - vm->memory[i].base <= vm->memory[i].size &&
            size <= vm->memory[i].size - (at - vm->memory[i].base)) {
            return true;
        }
    }
    return false;
}

static void check_vm(const struct vm_desc *vm, unsigned cores) {
    must_hold(vm->vcpu_count >= 1 && vm->vcpu_count <= MAX_VCPUS);
    must_hold(strlen(vm->name) < MAX_NAME && strlen(vm->bootargs) <= BOOTARGS_MAX);
    must_hold(in_memory(vm, vm->load, vm->kernel.size) && in_memory(vm, vm->entry, 1));
    must_hold(in_memory(vm, vm->dtb_gpa, GUEST_FDT_MAX));
    must_hold(vm->load + vm->kernel.size <= vm->dtb_gpa);
    must_hold(vm->initrd.size == 0 ||
              (in_memory(vm, vm->initrd_gpa, vm->initrd.size) && vm->initrd_gpa >= vm->load + vm->kernel.size &&
               vm->initrd_gpa + vm->initrd.size <= vm->dtb_gpa));
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vcpu_desc *v = &vm->vcpus[i];
        must_hold(v->placed < cores && (v->core == CORE_AUTO || v->core == v->placed));
        must_hold(v->second == CORE_AUTO || (v->second < cores && v->second != v->placed && v->reserved));
        must_hold(v->reserved ? v->budget_us > 0 && v->budget_us <= v->deadline_us && v->deadline_us <= v->period_us
                              : v->weight > 0);
    }
}

static void check_accepted(const struct system_desc *sys, const struct board *board) {
    unsigned cores = sysdesc_cores(board, sys);

    must_hold(sys->vm_count >= 1 && sys->memory_guests <= sys->memory_total);
    for (unsigned i = 0; i < sys->vm_count; i++) { check_vm(&sys->vms[i], cores); }
    for (unsigned i = 0; i < cores; i++) {
        const struct sched_core_load *load = &sys->cores[i];
        struct sched_verdict verdict;
        must_hold(sched_admit(load->tasks, load->task_count, load->sources, load->source_count, &verdict) ==
                  SCHED_ADMITTED);
    }
}

// ---- the fixed half ---------------------------------------------------------------------------------------

static struct {
    bool ready;
    uint64_t board_tree[TREE_MAX / 8], data[TREE_MAX / 8], tree[TREE_MAX / 8], image[IMAGE_MAX / 8];
    struct board board;
    struct system_desc *sys;
} fixed;

static void hear(struct sysdesc_sink *sink, const char *place, const char *wrong, const char *remedy) {
    (void)sink;
    must_hold(strlen(place) != 0 && strlen(wrong) != 0 && strlen(remedy) != 0);
}

static void load(const void *image, size_t size) {
    struct sysdesc_sink sink = {.mistake = hear};
    int parsed = sysdesc_parse(image, size, &fixed.board, HZ, fixed.sys, &sink);
    int verified = sysdesc_verify(fixed.sys, &sink);

    must_hold((parsed == OK && verified == OK) == (sink.count == 0));
    if (sink.count == 0) { check_accepted(fixed.sys, &fixed.board); }
}

// ---- a quick writer of trees: libfdt's looks every name up -------------------------------------------------

struct writer {
    uint8_t *base, *at;
};

static void put(struct writer *w, uint32_t value) {
    value = cpu_to_fdt32(value);
    memcpy(w->at, &value, sizeof(value));
    w->at += sizeof(value);
}

static void put_bytes(struct writer *w, const void *bytes, size_t size) {
    memcpy(w->at, bytes, size);
    memset(w->at + size, 0, 4);
    w->at += ALIGN_UP(size, (size_t)4);
}

static void open_node(struct writer *w, const char *name) {
    put(w, FDT_BEGIN_NODE);
    put_bytes(w, name, strlen(name) + 1);
}

// `name`: its offset among the strings that end_writer() is given.
static void put_property(struct writer *w, uint32_t name, const void *value, size_t size) {
    put(w, FDT_PROP);
    put(w, (uint32_t)size);
    put(w, name);
    put_bytes(w, value, size);
}

static struct writer begin_writer(void *out) {
    struct writer w = {out, (uint8_t *)out + sizeof(struct fdt_header) + 16};

    open_node(&w, "");
    return w;
}

static size_t end_writer(struct writer *w, const char *strings, size_t strings_size) {
    const uint32_t start = sizeof(struct fdt_header) + 16;

    put(w, FDT_END_NODE);
    put(w, FDT_END);
    uint32_t end = (uint32_t)(w->at - w->base);
    put_bytes(w, strings, strings_size);
    const uint32_t header[] = {
        FDT_MAGIC, (uint32_t)(w->at - w->base), start,       end, sizeof(struct fdt_header), 17, 16,
        0,         (uint32_t)strings_size,      end - start,
    };
    size_t total = (size_t)(w->at - w->base);
    w->at = w->base;
    for (size_t i = 0; i < sizeof(header) / sizeof(header[0]); i++) { put(w, header[i]); }
    memset(w->at, 0, 16);
    return total;
}

// ---- the image around a description ------------------------------------------------------------------------

static const char fit_strings[] = "takt,source\0type\0takt,paths\0data\0value\0algo";
enum { SOURCE = 0, TYPE = 12, PATHS = 17, DATA = 28, VALUE = 33, ALGO = 39 };

static void put_file(struct writer *w, const char *name, const void *bytes, size_t size, const char *paths,
                     size_t paths_size) {
    uint8_t digest[SHA256_SIZE];

    open_node(w, name);
    put_property(w, TYPE, "x", 2);
    if (paths != NULL) { put_property(w, PATHS, paths, paths_size); }
    while ((w->at - w->base + 12) % 8 != 0) { put(w, FDT_NOP); }
    put_property(w, DATA, bytes, size);
    sha256(bytes, size, digest);
    open_node(w, "hash-1");
    put_property(w, ALGO, "sha256", 7);
    put_property(w, VALUE, digest, sizeof(digest));
    put(w, FDT_END_NODE);
    put(w, FDT_END_NODE);
}

// The files that stay the same come first and are written once.
static struct writer image_writer(void) {
    static size_t written;
    uint8_t linux_file[LINUX_FILE];

    if (written == 0) {
        struct writer w = begin_writer(fixed.image);
        make_linux_file(linux_file);
        put_property(&w, SOURCE, "f.dts", 6);
        open_node(&w, "images");
        put_file(&w, "board", fixed.data, fdt_totalsize(fixed.data), NULL, 0);
        put_file(&w, "file-0", "rawrawraw", 9, "guest.bin", 10);
        put_file(&w, "file-1", linux_file, 256, "Image\0initrd", 13);
        put_file(&w, "file-2", fixed.data, fdt_totalsize(fixed.data), "a.dtb", 6);
        put_file(&w, "file-3", "", 0, "empty", 6);
        memset(linux_file + 16, 0, 8);
        put_file(&w, "file-4", linux_file, 64, "nameless", 9);
        written = (size_t)(w.at - w.base);
    }
    return (struct writer){(uint8_t *)fixed.image, (uint8_t *)fixed.image + written};
}

static void load_description(const void *tree, size_t size) {
    struct writer w = image_writer();

    put_file(&w, "system", tree, size, NULL, 0);
    put(&w, FDT_END_NODE);
    load(fixed.image, end_writer(&w, fit_strings, sizeof(fit_strings)));
}

// ---- a description in steps -------------------------------------------------------------------------------

// What a step may set. Values of a kind are the step's operand: an index into `texts`, or a number in `unit`s.
enum kind { AS_FLAG, AS_TEXT, AS_CELL, AS_ADDRESS, AS_BLOCK };
static const struct {
    const char *name;
    uint8_t kind, unit; // unit: bits that the operand is shifted by
} settings[] = {
    {"compatible", AS_TEXT, 0},
    {"deterministic", AS_FLAG, 0},
    {"console-focus", AS_TEXT, 0},
    {"memory", AS_BLOCK, 21},
    {"kernel", AS_TEXT, 0},
    {"type", AS_TEXT, 0},
    {"load-address", AS_ADDRESS, 16},
    {"entry-address", AS_ADDRESS, 16},
    {"initrd", AS_TEXT, 0},
    {"bootargs", AS_TEXT, 0},
    {"device-tree", AS_TEXT, 0},
    {"overlay", AS_TEXT, 0},
    {"restart", AS_TEXT, 0},
    {"restart-limit", AS_CELL, 0},
    {"no-autostart", AS_FLAG, 0},
    {"no-vpl011", AS_FLAG, 0},
    {"spis", AS_CELL, 3},
    {"observer", AS_FLAG, 0},
    {"reg", AS_CELL, 0},
    {"budget-us", AS_CELL, 4},
    {"period-us", AS_CELL, 4},
    {"deadline-us", AS_CELL, 4},
    {"weight", AS_CELL, 4},
    {"core", AS_CELL, 0},
    {"core", AS_TEXT, 0},
    {"device", AS_TEXT, 0},
    {"guest-address", AS_ADDRESS, 12},
    {"irq-distance-us", AS_CELL, 0},
    {"unprotected-dma", AS_FLAG, 0},
    {"timer-distance-us", AS_CELL, 0},
    {"no-such", AS_CELL, 0},
    {"budget-ms", AS_TEXT, 0},
    {"smt", AS_FLAG, 0},
    {"placement", AS_TEXT, 0},
};
static const char *const texts[] = {
    "takt,system-1",  "guest.bin",      "Image",   "initrd",  "a.dtb", "linux",       "raw",
    "never",          "on-failure",     "always",  "auto",    "a",     "b",           "/pl031@9010000",
    "/pl061@9030000", "/pl011@9000000", "/chosen", "nothing", "count", "utilisation",
};
static const char *const nodes[] = {
    "vms", "vcpus", "devices", "vcpu@0", "vcpu@1", "vcpu@2", "a", "b", "c", "vcpu", "\x1b[2J",
};

// The names one behind the other, and where each begins.
static struct {
    char strings[512];
    uint32_t at[sizeof(settings) / sizeof(settings[0])], size;
} names;

static void collect_names(void) {
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        size_t length = strlen(settings[i].name) + 1;
        names.at[i] = names.size;
        must_hold(names.size + length <= sizeof(names.strings));
        memcpy(names.strings + names.size, settings[i].name, length);
        names.size += (uint32_t)length;
    }
}

static void put_cells(struct writer *w, uint32_t name, const uint32_t *values, unsigned count) {
    put(w, FDT_PROP);
    put(w, count * 4);
    put(w, name);
    for (unsigned i = 0; i < count; i++) { put(w, values[i]); }
}

static void write_setting(struct writer *w, unsigned which, uint8_t operand) {
    const char *text = texts[operand % (sizeof(texts) / sizeof(texts[0]))];
    uint64_t wide = (uint64_t)operand << settings[which].unit;
    uint32_t number = (uint32_t)wide, name = names.at[which];

    switch (settings[which].kind) {
    case AS_FLAG: put_property(w, name, "", 0); break;
    case AS_TEXT: put_property(w, name, text, strlen(text) + 1); break;
    case AS_CELL: put_cells(w, name, &number, 1); break;
    case AS_ADDRESS: put_cells(w, name, (const uint32_t[]){0, 0x40000000 + number}, 2); break;
    default:
        put_cells(
            w, name,
            (const uint32_t[]){0, (operand & 1) ? 0x40000000 : number, 0, number, 0, 0x80000000u + number, 0, 0x400000},
            8);
        break;
    }
}

// Pairs of bytes: below 64 a property and its operand, below 128 a node that opens, else one that closes.
static size_t write_system(void *out, const uint8_t *steps, size_t count) {
    struct writer w = begin_writer(out);
    unsigned depth = 1;
    bool closed = false; // properties come before children

    for (size_t i = 0; i + 1 < count; i += 2) {
        if (steps[i] < 64 && !closed) {
            write_setting(&w, steps[i] % (sizeof(settings) / sizeof(settings[0])), steps[i + 1]);
        } else if (steps[i] >= 64 && steps[i] < 128 && depth < 8) {
            open_node(&w, nodes[steps[i + 1] % (sizeof(nodes) / sizeof(nodes[0]))]);
            closed = false;
            depth++;
        } else if (steps[i] >= 128 && depth > 1) {
            put(&w, FDT_END_NODE);
            closed = true;
            depth--;
        }
    }
    for (; depth > 1; depth--) { put(&w, FDT_END_NODE); }
    return end_writer(&w, names.strings, names.size);
}

// ---- the ways ---------------------------------------------------------------------------------------------

static void *exact_copy(const uint8_t *bytes, size_t size) {
    void *copy = malloc(size); // so that a byte beyond its end is seen

    must_hold(copy != NULL);
    memcpy(copy, bytes, size);
    return copy;
}

static void run_image(const uint8_t *bytes, size_t size) {
    void *copy = exact_copy(bytes, size);

    load(copy, size);
    free(copy);
}

static void run_description(const uint8_t *bytes, size_t size) {
    if (size <= SYSDESC_SIZE_MAX) { load_description(bytes, size); }
}

static void run_board(const uint8_t *bytes, size_t size) {
    static const char *const compatible[] = {"arm,pl011", "arm,gic-v3", NULL};
    void *copy = exact_copy(bytes, size);
    struct board board;
    struct range range;

    if (tree_check(copy, size) == OK) {
        (void)board_parse(copy, &board);
        int node = board_find_compatible(copy, compatible, -1);
        for (unsigned i = 0; node >= 0 && i < 3; i++) { (void)board_reg(copy, node, i, &range); }
        node = fdt_path_offset(copy, "/soc/bus/uart");
        int found = tree_find_path(copy, "/soc/bus/uart", 13);
        must_hold(node == found || (node < 0 && found < 0));
        if (node >= 0) {
            (void)board_reg(copy, node, 0, &range);
            must_hold(tree_find_parent(copy, node) == fdt_parent_offset(copy, node));
        }
        (void)tree_find_phandle(copy, 1);
        must_hold(tree_find_path(copy, "x", 1) < 0 && tree_find_parent(copy, -1) < 0);
    }
    free(copy);
}

static void run_steps(const uint8_t *bytes, size_t size) {
    load_description(fixed.tree, write_system(fixed.tree, bytes, MIN(size, (size_t)STEPS_MAX)));
}

// Any cutting gives the same digest.
static void run_hash(const uint8_t *bytes, size_t size) {
    uint8_t whole[SHA256_SIZE], cut[SHA256_SIZE];
    struct sha256 h;

    sha256(bytes, size, whole);
    sha256_init(&h);
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = MIN(size - at, (size_t)bytes[at] % 80 + 1);
        sha256_update(&h, bytes + at, piece);
    }
    sha256_final(&h, cut);
    must_hold(memcmp(whole, cut, sizeof(whole)) == 0);
}

static void (*const ways[WAYS])(const uint8_t *bytes, size_t size) = {
    run_image, run_description, run_board, run_steps, run_hash,
};

static void prepare(void) {
    if (!fixed.ready) {
        make_board_tree(fixed.board_tree, TREE_MAX);
        must_hold(board_parse(fixed.board_tree, &fixed.board) == OK);
        make_board_data(fixed.data, TREE_MAX);
        fixed.sys = malloc(sizeof(*fixed.sys));
        must_hold(fixed.sys != NULL);
        collect_names();
        fixed.ready = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    prepare();
    if (size > 1) {
        fixed.board.reserved_count = (bytes[0] & HOLES) != 0;
        fixed.board.reserved[0] = (struct range){0x50000000, 0x1000};
        fixed.board.initrd = (struct range){0x7c000000, (bytes[0] & HOLES) != 0 ? 0x123456 : 0};
        ways[bytes[0] % HOLES % WAYS](bytes + 1, size - 1);
    }
    return 0;
}
