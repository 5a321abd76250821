// SPDX-License-Identifier: Apache-2.0
// The checker: a good system gives the structures that it describes, and every kind of mistake is told as
// file:node:property, what is wrong, what would be right.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>
#include <cmocka.h>

#include "helpers/system_image.h"
#include "kernel/guest_fdt.h"
#include "kernel/sysdesc.h"
#include "kernel/sysdesc_reclaim.h"
#include "sched/latency_reclaim.h"
#include "sched/latency_split.h"

enum { HZ = 62500000, TOLD = 16384 };

static uint64_t board_storage[TREE_MAX / 8], data_storage[TREE_MAX / 8], tree_storage[TREE_MAX / 8],
    image_storage[IMAGE_MAX / 8];
static void *const board_fdt = board_storage, *const data = data_storage, *const fdt = tree_storage,
                   *const image = image_storage;
static struct board board;
static struct system_desc sys;

struct listener {
    struct sysdesc_sink sink;
    char told[TOLD];
};
static struct listener listener;

static void hear(struct sysdesc_sink *sink, const char *place, const char *wrong, const char *remedy) {
    struct listener *l = (struct listener *)sink;
    size_t length = strlen(l->told);

    snprintf(l->told + length, sizeof(l->told) - length, "%s: %s; %s\n", place, wrong, remedy);
}

static int fresh(void **state) {
    (void)state;
    make_board_tree(board_fdt, TREE_MAX);
    assert_int_equal(fdt_open_into(board_fdt, board_fdt, TREE_MAX), 0);
    make_board_data(data, TREE_MAX);
    assert_int_equal(fdt_open_into(data, data, TREE_MAX), 0);
    make_system(fdt, TREE_MAX);
    assert_int_equal(fdt_open_into(fdt, fdt, TREE_MAX), 0);
    return 0;
}

static int read_image(const void *at, size_t size, uint64_t hz) {
    int parsed = sysdesc_parse(at, size, &board, hz, &sys, &listener.sink);
    int verified = sysdesc_verify(&sys, &listener.sink);

    return parsed != OK ? parsed : verified;
}

static int load(size_t size) {
    listener = (struct listener){.sink.mistake = hear};
    memset(&sys, 0xee, sizeof(sys));
    assert_int_equal(board_parse(board_fdt, &board), OK);
    return read_image(image, size, HZ);
}

static int check(void) {
    assert_int_equal(fdt_pack(fdt), 0);
    size_t size = make_image(image, IMAGE_MAX, fdt, data);
    assert_int_equal(fdt_open_into(fdt, fdt, TREE_MAX), 0);
    return load(size);
}

static void good(void) {
    int result = check();

    assert_string_equal(listener.told, "");
    assert_int_equal(result, OK);
}

// One line of what was told holds `place: ` and these two texts, in this order.
static void told(const char *place, const char *wrong, const char *remedy) {
    for (const char *line = listener.told; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *end = strchr(line, '\n');
        const char *found = strstr(line, wrong);
        if (strncmp(line, place, strlen(place)) == 0 && line[strlen(place)] == ':' && found != NULL && found < end) {
            found = strstr(found, remedy);
            if (found != NULL && found < end) { return; }
        }
    }
    fail_msg("nobody said: %s: %s; %s\nbut:\n%s", place, wrong, remedy, listener.told);
}

static void mistake(const char *place, const char *wrong, const char *remedy) {
    assert_true(check() < 0);
    told(place, wrong, remedy);
}

// And that alone.
static void only(const char *place, const char *wrong, const char *remedy) {
    mistake(place, wrong, remedy);
    if (listener.sink.count != 1) { fail_msg("more than one mistake:\n%s", listener.told); }
}

// ---- changing the description -----------------------------------------------------------------------------

#define RT    "/vms/rt"
#define RT0   "/vms/rt/vcpus/vcpu@0"
#define LINUX "/vms/linux"
#define LX0   "/vms/linux/vcpus/vcpu@0"
#define LX1   "/vms/linux/vcpus/vcpu@1"
#define AT(x) "test.dts:" x

static int in(void *tree, const char *path) {
    int offset = fdt_path_offset(tree, path);

    assert_true(offset >= 0);
    return offset;
}

static void set_cells(void *tree, const char *path, const char *name, const uint32_t *values, unsigned count) {
    uint32_t big[24];

    for (unsigned i = 0; i < count; i++) { big[i] = cpu_to_fdt32(values[i]); }
    assert_int_equal(fdt_setprop(tree, in(tree, path), name, big, (int)(count * 4)), 0);
}
#define CELLS(path, name, ...) \
    set_cells(fdt, path, name, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void text(const char *path, const char *name, const char *value) {
    assert_int_equal(fdt_setprop_string(fdt, in(fdt, path), name, value), 0);
}

static void flag(const char *path, const char *name) {
    assert_int_equal(fdt_setprop(fdt, in(fdt, path), name, "", 0), 0);
}

static void without(const char *path, const char *name) { assert_int_equal(fdt_delprop(fdt, in(fdt, path), name), 0); }

static void add(const char *path, const char *name) { assert_true(fdt_add_subnode(fdt, in(fdt, path), name) >= 0); }

static void reserve(const char *path, uint32_t budget, uint32_t period) {
    CELLS(path, "budget-us", budget);
    CELLS(path, "period-us", period);
}

static void device(const char *vm, const char *name, const char *path) {
    char where[64];

    snprintf(where, sizeof(where), "%s/devices", vm);
    if (fdt_path_offset(fdt, where) < 0) { add(vm, "devices"); }
    add(where, name);
    snprintf(where, sizeof(where), "%s/devices/%s", vm, name);
    text(where, "device", path);
}

// ---- what a good one gives --------------------------------------------------------------------------------

static void a_good_system_is_read(void **state) {
    (void)state;
    good();
    assert_string_equal(sys.source, "test.dts");
    assert_false(sys.deterministic);
    assert_string_equal(sys.console_focus, "linux");
    assert_int_equal(sys.overhead_ns, 1000);
    assert_int_equal(sys.vm_count, 2);

    const struct vm_desc *rt = &sys.vms[0], *lx = &sys.vms[1];
    assert_string_equal(rt->name, "rt");
    assert_int_equal(rt->type, IMAGE_RAW);
    assert_int_equal(rt->load, 0x40080000);
    assert_int_equal(rt->entry, 0x40080000);
    assert_int_equal(rt->dtb_gpa, 0x40400000 - GUEST_FDT_MAX);
    assert_int_equal(rt->kernel.size, RAW_FILE);
    assert_string_equal(rt->bootargs, "");
    assert_int_equal(rt->restart, RESTART_NEVER);
    assert_true(rt->start && rt->vpl011 && rt->virtio_console);
    assert_false(rt->observer);
    assert_int_equal(rt->spi_count, 224);

    assert_int_equal(lx->type, IMAGE_LINUX);
    assert_int_equal(lx->memory_count, 1);
    assert_int_equal(lx->memory[0].size, 0x8000000);
    assert_int_equal(lx->load, 0x40080000);
    assert_int_equal(lx->entry, lx->load);
    assert_int_equal(lx->initrd.size, 8);
    assert_int_equal(lx->initrd_gpa, lx->dtb_gpa - PAGE_SIZE);
    assert_string_equal(lx->bootargs, "console=ttyAMA0");
    assert_int_equal(lx->restart, RESTART_ALWAYS);
    assert_int_equal(lx->restart_limit, 5);
    assert_int_equal(lx->vcpu_count, 2);
    assert_int_equal(lx->vcpus[1].weight, 100);
    assert_int_equal(lx->vcpus[1].core, CORE_AUTO);
}

static void reservations_are_admitted_in_ticks(void **state) {
    const struct vcpu_desc *v = &sys.vms[0].vcpus[0];

    (void)state;
    good();
    assert_true(v->reserved);
    assert_int_equal(v->weight, 0);
    assert_int_equal(v->core, 1);
    assert_int_equal(v->placed, 1);
    // 62.5 ticks a microsecond; one microsecond of overhead, rounded up.
    assert_int_equal(v->task.budget, 12500 + 63);
    assert_int_equal(v->task.deadline, 31250);
    assert_int_equal(v->task.period, 62500);
    assert_int_equal(sysdesc_blackout_us(v), 1000 + 500 - 400);
    assert_int_equal(sys.cores[1].task_count, 1);
    assert_int_equal(sys.cores[0].source_count, 1);
    assert_int_equal(sys.cores[0].sources[0].distance, 62500);
    // Siblings live apart.
    assert_int_not_equal(sys.vms[1].vcpus[0].placed, sys.vms[1].vcpus[1].placed);
}

// What boot measures on a machine comes on top of what the board's data say.
static void what_the_machine_adds_is_admitted(void **state) {
    (void)state;
    set_cells(board_fdt, "/", "takt,overhead-ns", (const uint32_t[]){2000}, 1);
    good();
    assert_int_equal(sys.overhead_ns, 3000);
    assert_int_equal(sys.vms[0].vcpus[0].task.budget, 12500 + 188); // 3 us, rounded up
    set_cells(board_fdt, "/", "takt,overhead-ns", (const uint32_t[]){UINT32_MAX}, 1);
    only(AT(RT0) ":budget-us", "with 1001000 ns of overhead, 200 is more than the deadline", "smaller budget-us");
}

static void every_property_arrives(void **state) {
    (void)state;
    flag("/", "deterministic");
    text(RT, "type", "raw");
    CELLS(RT, "entry-address", 0, 0x40080010);
    text(RT, "device-tree", "a.dtb");
    text(RT, "overlay", "a.dtb");
    text(RT, "restart", "on-failure");
    CELLS(RT, "restart-limit", 9);
    flag(RT, "no-autostart");
    flag(RT, "no-vpl011");
    flag(RT, "no-virtio-console");
    flag(RT, "observer");
    CELLS(RT, "spis", 64);
    CELLS(RT, "timer-distance-us", 50);
    CELLS(LX0, "weight", 300);
    text(LX0, "core", "auto");
    CELLS(LX1, "core", 3);
    CELLS("/vms/rt/vcpus", "#address-cells", 1);
    CELLS("/vms/rt/vcpus", "#size-cells", 0);
    text(RT, "kernel", "../guest.bin"); // another name of the same file
    device(RT, "clock", "/pl031@9010000");
    CELLS("/vms/rt/devices/clock", "irq-distance-us", 500);
    CELLS("/vms/rt/devices/clock", "guest-address", 0, 0x0b000000);
    good();
    const struct vm_desc *rt = &sys.vms[0];
    assert_true(sys.deterministic);
    assert_int_equal(rt->entry, 0x40080010);
    assert_non_null(rt->dtb.data);
    assert_ptr_equal(rt->dtb.data, rt->overlay.data);
    assert_int_equal(rt->restart, RESTART_ON_FAILURE);
    assert_int_equal(rt->restart_limit, 9);
    assert_false(rt->start || rt->vpl011 || rt->virtio_console);
    assert_true(rt->observer);
    assert_int_equal(rt->spi_count, 64);
    assert_int_equal(rt->timer_distance_us, 50);
    assert_int_equal(sys.vms[1].vcpus[0].weight, 300);
    assert_int_equal(sys.vms[1].vcpus[1].placed, 3);
    assert_int_equal(rt->device_count, 1);
    assert_int_equal(rt->devices[0].guest_base[0], 0x0b000000);
    assert_int_equal(rt->devices[0].pages[0].base, 0x9010000);
    assert_int_equal(rt->devices[0].irq[0], 34);
    // Its interrupt stands in the test of core 1.
    assert_int_equal(sys.cores[1].source_count, 1);
    assert_int_equal(sys.cores[1].sources[0].distance, 31250);
}

static void the_outer_image_is_descended_into(void **state) {
    static uint64_t outer[IMAGE_MAX / 4];

    (void)state;
    size_t size = make_image(image, IMAGE_MAX, fdt, data);
    const struct image_file files[] = {
        {"hypervisor", "kernel_noload", "takt", 5, NULL, 0},
        {"system", "ramdisk", image, size, NULL, 0},
    };
    size = make_fit(outer, sizeof(outer), "outer", files, 2);
    listener = (struct listener){.sink.mistake = hear};
    assert_int_equal(board_parse(board_fdt, &board), OK);
    assert_int_equal(read_image(outer, size, HZ), OK);
    assert_string_equal(sys.source, "test.dts");
    // Cut inside, but whole outside.
    const struct image_file cut[] = {{"system", "ramdisk", image, 200, NULL, 0}};
    size = make_fit(outer, sizeof(outer), "outer", cut, 1);
    assert_true(read_image(outer, size, HZ) < 0);
    told("image:/images/system", "truncated", "load it whole");
}

// ---- names, types, nodes ----------------------------------------------------------------------------------

static void unknown_properties(void **state) {
    (void)state;
    CELLS(LX0, "budget-ms", 5);
    only(AT(LX0) ":budget-ms", "unknown property", "did you mean budget-us?");
    without(LX0, "budget-ms");
    CELLS(RT, "zzz", 5);
    only(AT(RT) ":zzz", "unknown property", "docs/system-description.md");
    without(RT, "zzz");
    CELLS(RT, "a-name-that-is-longer-than-any-we-know", 5);
    only(AT(RT) ":a-name-that-is-longer-than-any-we-know", "unknown property", "remove it");
}

static void unknown_nodes(void **state) {
    (void)state;
    add(RT, "device");
    only(AT("/vms/rt/device"), "unknown node", "did you mean devices?");
    fresh(state);
    add("/", "chosen");
    add("/chosen", "inner");
    only(AT("/chosen"), "unknown node", "remove it");
    fresh(state);
    add("/vms/rt/vcpus", "cpu@1");
    only(AT("/vms/rt/vcpus/cpu@1"), "unknown node", "did you mean vcpu@?");
    fresh(state);
    add(RT0, "inner"); // where no node is known at all
    only(AT(RT0 "/inner"), "unknown node", "remove it");
}

static void a_trace_has_memory_when_it_is_asked_for(void **state) {
    good();
    assert_int_equal(sys.trace_records, 0);
    assert_false(sys.trace);
    fresh(state);
    flag("/", "trace");
    good();
    assert_true(sys.trace);
    assert_int_equal(sys.trace_records, TRACE_RECORDS_DEFAULT);
    fresh(state);
    CELLS("/", "trace-records", 100);
    good();
    assert_false(sys.trace);
    assert_int_equal(sys.trace_records, 100);
    fresh(state);
    CELLS("/", "trace-records", TRACE_RECORDS_MAX + 1);
    only(AT("/:trace-records"), "32769 is too large", "64 to 32768");
    fresh(state);
    CELLS("/", "trace-records", 63);
    only(AT("/:trace-records"), "63 is too small", "64 to 32768");
}

static void wrong_types_and_sizes(void **state) {
    static const struct {
        const char *path, *name;
        unsigned size;
        const char *place, *remedy;
    } wrongs[] = {
        {"/", "deterministic", 4, AT("/:deterministic"), "the name alone"},
        {RT0, "budget-us", 8, AT(RT0) ":budget-us", "one 32-bit number"},
        {RT, "load-address", 4, AT(RT) ":load-address", "two cells"},
        {RT, "memory", 12, AT(RT) ":memory", "pairs of 64 bits"},
        {RT, "memory", 0, AT(RT) ":memory", "pairs of 64 bits"},
        {RT0, "core", 8, AT(RT0) ":core", "\"auto\" or the number"},
        {RT, "bootargs", 3, AT(RT) ":bootargs", "double quotes"},
        {RT, "kernel", 0, AT(RT) ":kernel", "double quotes"},
        {RT, "restart", 5, AT(RT) ":restart", "double quotes"},
        {"/", "compatible", 3, AT("/:compatible"), "takt,system-1"},
    };

    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        fresh(state);
        assert_int_equal(
            fdt_setprop(fdt, in(fdt, wrongs[i].path), wrongs[i].name, "\0abcdefgh\0\0", (int)wrongs[i].size), 0);
        mistake(wrongs[i].place, "", wrongs[i].remedy);
    }
}

static void values_out_of_range(void **state) {
    (void)state;
    CELLS(LX0, "weight", 0);
    only(AT(LX0) ":weight", "0 is too small", "1 to 1024");
    CELLS(LX0, "weight", 1025);
    only(AT(LX0) ":weight", "1025 is too large", "1 to 1024");
    CELLS(LX0, "weight", 1024); // and the dispatcher takes what the binding allows
    good();
    without(LX0, "weight");
    text(RT, "restart", "on_failure");
    only(AT(RT) ":restart", "unknown value \"on_failure\"", "did you mean on-failure?");
    text(RT, "restart", "?");
    only(AT(RT) ":restart", "unknown value", "lists the choices");
    without(RT, "restart");
    CELLS(RT, "spis", 40);
    only(AT(RT) ":spis", "40 is not a multiple of 32", "64");
    without(RT, "spis");
    char *args = calloc(1, BOOTARGS_MAX + 2);
    memset(args, 'a', BOOTARGS_MAX + 1);
    text(RT, "bootargs", args);
    only(AT(RT) ":bootargs", "2048 characters", "at most 2047");
    free(args);
}

static void missing_things(void **state) {
    (void)state;
    without("/", "compatible");
    only(AT("/:compatible"), "is missing", "add it");
    fresh(state);
    without(RT, "memory");
    without(LINUX, "kernel");
    mistake(AT(RT) ":memory", "is missing", "add it");
    told(AT(LINUX) ":kernel", "is missing", "add it");
    fresh(state);
    without(RT0, "reg");
    only(AT(RT0) ":reg", "is missing", "add it");
    fresh(state);
    assert_int_equal(fdt_del_node(fdt, in(fdt, "/vms/rt/vcpus")), 0);
    only(AT(RT), "has no node vcpus", "add vcpus");
    add(RT, "vcpus");
    only(AT("/vms/rt/vcpus"), "has no vcpu", "add vcpu@0");
    fresh(state);
    without("/", "console-focus");
    assert_int_equal(fdt_del_node(fdt, in(fdt, "/vms")), 0);
    only(AT("/"), "has no node vms", "add vms");
    add("/", "vms");
    only(AT("/vms"), "is empty", "at least one");
    fresh(state);
    text("/", "console-focus", "nobody");
    only(AT("/:console-focus"), "no VM \"nobody\"", "a node in /vms");
}

// Renames a node, whose new name has the length of the old one, behind libfdt's back.
static void rename_node(const char *path, const char *name) {
    char *old = (char *)(uintptr_t)fdt_get_name(fdt, in(fdt, path), NULL);

    assert_int_equal(strlen(old), strlen(name));
    for (size_t i = 0; name[i] != '\0'; i++) { old[i] = name[i]; }
}

static void duplicates(void **state) {
    (void)state;
    add("/vms", "ru");
    rename_node("/vms/ru", "rt");
    mistake(AT("/vms/rt"), "is given twice", "a name of its own");
    fresh(state);
    add(RT, "vcput");
    rename_node("/vms/rt/vcput", "vcpus");
    mistake(AT("/vms/rt/vcpus"), "is given twice", "keep one");
    fresh(state);
    CELLS(LX1, "reg", 0);
    only(AT(LX1) ":reg", "<0> belongs to another", "0, 1, 2");
    CELLS(LX1, "reg", 2);
    only(AT("/vms/linux/vcpus"), "no vcpu with reg <1>, but one with <2>", "0, 1, 2");
    CELLS(LX1, "reg", 8);
    only(AT(LX1) ":reg", "8 is too large", "0 to 7");
    // A property twice: the name of the other one is changed in the strings block.
    fresh(state);
    CELLS(RT0, "budget-ut", 1);
    char *strings = (char *)fdt + fdt_off_dt_strings(fdt);
    for (uint32_t i = 0; i + 9 < fdt_size_dt_strings(fdt); i++) {
        if (memcmp(strings + i, "budget-ut", 10) == 0) { strings[i + 8] = 's'; }
    }
    mistake(AT(RT0) ":budget-us", "is given twice", "keep one");
}

static void names_of_vms(void **state) {
    (void)state;
    without("/", "console-focus");
    rename_node(LINUX, "l nux");
    only(AT("/vms/l nux"), "is no name", "letters");
    rename_node("/vms/l nux", "l\x1bnux"); // must not reach a terminal
    only(AT("/vms/l?nux"), "is no name", "letters");
    fresh(state);
    add("/vms", "a-name-of-twenty-four-ch");
    mistake(AT("/vms/a-name-of-twenty-four-ch"), "is no name", "1 to 23");
}

static void too_many_vms(void **state) {
    char name[] = "vm-a";

    (void)state;
    for (unsigned i = 0; i < MAX_VMS; i++) {
        name[3] = (char)('a' + i);
        add("/vms", name);
    }
    // Later nodes come first in libfdt's order, so that the two good ones are beyond the limit.
    mistake(AT("/vms/rt"), "more VMs", "at most 16");
    assert_int_equal(sys.vm_count, MAX_VMS);
    // 16 empty VMs with three mistakes each, and the two: more than are told one by one.
    assert_true(listener.sink.count > 48);
}

static void only_the_first_mistakes_are_told(void **state) {
    char name[] = "no-such-00";
    unsigned lines = 0;

    (void)state;
    for (unsigned i = 0; i < SYSDESC_MISTAKES + 6; i++) {
        name[8] = (char)('0' + i / 10);
        name[9] = (char)('0' + i % 10);
        flag(RT, name);
    }
    assert_true(check() < 0);
    assert_int_equal(listener.sink.count, SYSDESC_MISTAKES + 6);
    for (const char *p = listener.told; *p != '\0'; p++) { lines += *p == '\n'; }
    assert_int_equal(lines, SYSDESC_MISTAKES);
}

// ---- memory and images ------------------------------------------------------------------------------------

static void memory_of_a_vm(void **state) {
    (void)state;
    CELLS(RT, "memory", 0, 0x40000000, 0, 0x400000, 0, 0x40200000, 0, 0x400000);
    only(AT(RT) ":memory", "0x400000 bytes at 0x40200000 overlap the block at 0x40000000", "its own addresses");
    CELLS(RT, "memory", 0, 0x40000000, 0, 0x300000);
    only(AT(RT) ":memory", "not whole blocks", "multiples of 2 MiB");
    CELLS(RT, "memory", 0, 0x40001000, 0, 0x400000);
    only(AT(RT) ":memory", "not whole blocks", "multiples of 2 MiB");
    CELLS(RT, "memory", 0, 0x40000000, 0, 0);
    only(AT(RT) ":memory", "not whole blocks", "multiples of 2 MiB");
    CELLS(RT, "memory", 0x7f, 0xffe00000, 0, 0x400000);
    only(AT(RT) ":memory", "beyond what a guest can address", "below 0x8000000000");
    CELLS(RT, "memory", 0xffffffff, 0xffe00000, 0, 0x200000);
    only(AT(RT) ":memory", "beyond what a guest can address", "below 0x8000000000");
    CELLS(RT, "memory", 0, 0x08c00000, 0, 0x800000);
    only(AT(RT) ":memory", "overlap the virtual interrupt controller", "elsewhere");
    CELLS(RT, "memory", 0, 0x40000000, 0, 0x400000, 0, 0x50000000, 0, 0x400000, 0, 0x60000000, 0, 0x400000, 0,
          0x70000000, 0, 0x400000, 1, 0, 0, 0x400000);
    only(AT(RT) ":memory", "has 80 bytes", "write at most 4 (address, size) pairs");
}

static void memory_of_the_board(void **state) {
    (void)state;
    CELLS(LINUX, "memory", 0, 0x40000000, 0, 0x40000000);
    // 1024 MiB less 16 for the hypervisor, 2 for the image, 4 for rt.
    only(AT(LINUX) ":memory", "no room for 1024 MiB: of the 1006 MiB", "at most 1002 MiB");
    CELLS(LINUX, "memory", 0, 0x40000000, 0, 1002 << 20);
    good();
    assert_int_equal(sys.memory_total, 1006ull << 20);
    assert_int_equal(sys.memory_guests, 1006ull << 20);
    // Enough in all, but not in one piece. And when the boot loader says where the image is, that is what is missing.
    assert_int_equal(fdt_add_mem_rsv(board_fdt, 0x60000000, 1), 0);
    set_cells(board_fdt, "/chosen", "linux,initrd-start", (const uint32_t[]){0x70000000}, 1);
    set_cells(board_fdt, "/chosen", "linux,initrd-end", (const uint32_t[]){0x70200000}, 1);
    CELLS(LINUX, "memory", 0, 0x40000000, 0, 600 << 20);
    only(AT(LINUX) ":memory", "of the 1004 MiB", "at most 492 MiB");
    CELLS(LINUX, "memory", 0, 0x40000000, 0, 492 << 20, 1, 0, 0, 254 << 20, 2, 0, 0, 254 << 20);
    good();
    // A board that is smaller than the hypervisor.
    set_cells(board_fdt, "/memory@40000000", "reg", (const uint32_t[]){0, 0x40000000, 0, 0x800000}, 4);
    mistake(AT(RT) ":memory", "of the 0 MiB", "at most 0 MiB");
}

static void files(void **state) {
    (void)state;
    text(LINUX, "initrd", "nowhere");
    only(AT(LINUX) ":initrd", "holds no file \"nowhere\"", "pack the image again");
    text(LINUX, "initrd", "empty");
    only(AT(LINUX) ":initrd", "\"empty\" is empty", "something in it");
    text(LINUX, "initrd", "initrd");
    text(LINUX, "overlay", "initrd");
    only(AT(LINUX) ":overlay", "is no device tree", "dtc");
    text(LINUX, "overlay", "a.dtb");
    good();
}

static void linux_images(void **state) {
    (void)state;
    text(RT, "type", "linux");
    mistake(AT(RT) ":kernel", "is no arm64 Linux image", "uncompressed");
    without(RT, "type");
    without(RT, "load-address");
    only(AT(RT) ":load-address", "kernel is no Linux image", "uncompressed arm64 Image");
    text(RT, "type", "raw");
    only(AT(RT) ":load-address", "is missing", "where the first byte goes");
    fresh(state);
    CELLS(LINUX, "load-address", 0, 0x40000000);
    only(AT(LINUX) ":load-address", "says itself", "type = \"raw\"");
    text(LINUX, "type", "raw");
    good();
    without(LINUX, "type");
    without(LINUX, "load-address");
    CELLS(LINUX, "entry-address", 0, 0x40000000);
    only(AT(LINUX) ":entry-address", "says itself", "type = \"raw\"");
}

static void what_does_not_fit(void **state) {
    (void)state;
    // image_size is 1 MiB from 0x80000 on; 2 MiB hold it, the tree and the initrd.
    CELLS(LINUX, "memory", 0, 0x40000000, 0, 0x200000);
    good();
    CELLS(RT, "load-address", 0, 0x403ff000);
    only(AT(RT) ":kernel", "too large: it needs 0x11000 bytes, there are 0x1000", "more memory");
    CELLS(RT, "load-address", 0, 0x403ff800);
    only(AT(RT) ":kernel", "too large: it needs 0x1000 bytes, there are 0x800", "more memory");
    CELLS(RT, "load-address", 0, 0x403ee000);
    text(RT, "initrd", "Image");
    only(AT(RT) ":initrd", "too large: it needs 0x2000 bytes, there are 0x1000", "more memory");
    CELLS(RT, "load-address", 0, 0x403ed000);
    good();
    CELLS(RT, "load-address", 0, 0x3ff00000);
    only(AT(RT) ":load-address", "0x3ff00000, is not memory", "the VM's memory");
    CELLS(RT, "load-address", 0, 0x40000000);
    CELLS(RT, "entry-address", 0, 0x40001000);
    only(AT(RT) ":entry-address", "0x40001000 is not in the image", "inside");
    CELLS(RT, "entry-address", 0, 0x3fffffff);
    only(AT(RT) ":entry-address", "is not in the image", "inside");
}

// A kernel that wants to be beyond the first block; one that does not say what it needs.
static void odd_linux_headers(void **state) {
    (void)state;
    size_t size = make_image(image, IMAGE_MAX, fdt, data);
    assert_int_equal(load(size), OK);
    uint8_t *header = (uint8_t *)(uintptr_t)sys.vms[1].kernel.data;
    header[8 + 3] = 0x10; // text_offset 0x10080000; its hash is wrong now, too
    assert_true(load(size) < 0);
    told(AT(LINUX) ":kernel", "its place, 0x50080000, is not memory", "the VM's memory");
    told("image:/images/file-1:data", "Image does not match its SHA-256", "pack or load");
    assert_int_equal(listener.sink.count, 2);
    header[16 + 2] = 0;
    assert_true(load(size) < 0);
    told(AT(LINUX) ":kernel", "how much memory it needs", "3.17");
}

// ---- reservations -----------------------------------------------------------------------------------------

static void reservations_that_make_no_sense(void **state) {
    (void)state;
    CELLS(RT0, "budget-us", 0);
    only(AT(RT0) ":budget-us", "0 is too small", "10 to 10000000");
    CELLS(RT0, "budget-us", 9);
    only(AT(RT0) ":budget-us", "9 is too small", "10 to 10000000");
    CELLS(RT0, "budget-us", 501);
    only(AT(RT0) ":budget-us", "501 is more than deadline-us, 500", "at most 500");
    without(RT0, "deadline-us");
    CELLS(RT0, "budget-us", 1001);
    only(AT(RT0) ":budget-us", "1001 is more than period-us, 1000", "at most 1000");
    CELLS(RT0, "budget-us", 200);
    CELLS(RT0, "deadline-us", 1001);
    only(AT(RT0) ":deadline-us", "1001 is more than period-us, 1000", "at most 1000");
    without(RT0, "budget-us");
    only(AT(RT0) ":budget-us", "is missing", "or neither");
    CELLS(RT0, "budget-us", 200);
    without(RT0, "period-us");
    only(AT(RT0) ":period-us", "is missing", "or neither");
    fresh(state);
    CELLS(RT0, "weight", 5);
    only(AT(RT0) ":weight", "no meaning", "best effort");
    without(RT0, "weight");
    CELLS(RT0, "core", 4);
    only(AT(RT0) ":core", "no core 4: the board has 4", "0 to 3");
}

static void load_that_a_core_cannot_keep(void **state) {
    (void)state;
    reserve(LX0, 400, 1000);
    CELLS(LX0, "core", 1);
    good();
    // With overheads: 201 us by 500, 801 us by 1000.
    reserve(LX0, 800, 1000);
    only(AT(LX0) ":budget-us", "core 1 cannot keep it: within 1000.000 us its reservations can want 1002.0",
         "budget-us at most 79");
    // Advice can be taken.
    reserve(LX0, 797, 1000);
    good();
    reserve(LX0, 5000, 5000);
    CELLS(LX0, "deadline-us", 300);
    mistake(AT(LX0) ":budget-us", "5000 is more than deadline-us", "at most 300");
    reserve(LX0, 400, 1000);
    CELLS(LX0, "deadline-us", 400);
    only(AT(LX0) ":budget-us", "with 1000 ns of overhead, 400 is more than the deadline, 400", "a longer deadline-us");
}

// The console interrupts core 0; "rt" has core 1. By count, its siblings go to the last core and the one before.
static void placement_by_count_does_not_look_at_the_load(void **state) {
    (void)state;
    reserve(LX0, 400, 1000);
    reserve(LX1, 400, 1000);
    text("/", "placement", "utilisation");
    good();
    assert_true(sys.vms[1].vcpus[0].placed == 2 && sys.vms[1].vcpus[1].placed == 3);
    text("/", "placement", "count");
    good();
    assert_true(sys.vms[1].vcpus[0].placed == 3 && sys.vms[1].vcpus[1].placed == 2);
    assert_true(sys.vms[1].vcpus[0].second == CORE_AUTO && sys.vms[1].vcpus[1].second == CORE_AUTO);
    // One on each core, and of these the last is asked, which one alone has filled; and no other.
    CELLS(RT0, "core", 3);
    reserve(RT0, 900, 1000);
    without(RT0, "deadline-us");
    CELLS(LX0, "core", 0);
    CELLS(LX1, "core", 1);
    add("/vms/linux/vcpus", "vcpu@2");
    CELLS("/vms/linux/vcpus/vcpu@2", "reg", 2);
    CELLS("/vms/linux/vcpus/vcpu@2", "core", 2);
    add("/vms/linux/vcpus", "vcpu@3");
    CELLS("/vms/linux/vcpus/vcpu@3", "reg", 3);
    reserve("/vms/linux/vcpus/vcpu@3", 400, 1000);
    only(AT("/vms/linux/vcpus/vcpu@3") ":budget-us", "core 3 cannot keep it: within 1000.000 us",
         "budget-us at most 9");
    text("/", "placement", "utilisation");
    good();
    text("/", "placement", "counts");
    mistake(AT("/") ":placement", "unknown value \"counts\"", "did you mean count?");
}

// Each core is used to 60 % when the last VCPU wants as much.
static void who_fits_on_no_core_is_split_over_two(void **state) {
    const struct vcpu_desc *v = &sys.vms[1].vcpus[3];

    (void)state;
    CELLS(RT0, "core", 3);
    reserve(RT0, 600, 1000);
    without(RT0, "deadline-us");
    for (unsigned core = 0; core < 4; core++) {
        char path[64], *name;

        snprintf(path, sizeof(path), "/vms/linux/vcpus/vcpu@%u", core);
        name = strrchr(path, '/') + 1;
        if (core >= 2) { add("/vms/linux/vcpus", name); }
        CELLS(path, "reg", core);
        reserve(path, 600, 1000);
        if (core < 3) { CELLS(path, "core", core); }
    }
    only(AT("/vms/linux/vcpus/vcpu@3") ":budget-us", "no core can keep it", "budget-us at most 39");
    assert_int_equal(fdt_setprop_u32(data, 0, "migration-ns", 2000), 0);
    good();
    assert_int_equal(sys.migration_ns, 2000);
    assert_true(v->placed < 4 && v->second < 4 && v->placed != v->second);
    // Two migrations and one more overhead; the first is done when its budget is, and the console interrupts another core.
    assert_int_equal(v->pieces[0].budget + v->pieces[1].budget, v->task.budget + 2 * 125 + 63);
    assert_int_equal(v->pieces[0].budget, v->pieces[0].deadline);
    assert_int_equal(v->pieces[0].deadline + v->pieces[1].deadline, 62500);
    assert_int_equal(v->pieces[1].period, 62500);
    // Its pieces came last to their cores. 3000 ns masked on each (others of its VM are there), 2000 ns for a move, 1500 ns for the
    // way in.
    struct sched_split split = {{&sys.cores[v->placed], &sys.cores[v->second]}, {1, 1}, 125};
    assert_int_equal(v->latency, sched_split_latency(&split, 188) + 94);
    assert_int_equal(sys.cores[v->placed].task_count, 2);
    assert_int_equal(sys.cores[v->second].task_count, 2);
    assert_int_equal(sys.vms[1].vcpus[0].second, CORE_AUTO);
    // Its devices interrupt one core: vcpu 0 of a VM that has some stays whole. With threads, a core belongs to one VM.
    flag("/", "smt");
    only(AT("/vms/linux/vcpus/vcpu@3") ":budget-us", "no core can keep it", "budget-us at most 39");
    without("/", "smt");
    device(RT, "clock", "/pl031@9010000");
    CELLS("/vms/rt/devices/clock", "irq-distance-us", 1000);
    CELLS("/vms/linux/vcpus/vcpu@3", "core", 3);
    text(RT0, "core", "auto");
    mistake(AT(RT0) ":budget-us", "no core can keep it", "budget-us at most 39");
}

static void load_that_no_core_can_keep(void **state) {
    (void)state;
    reserve(LX0, 990, 1000);
    reserve(LX1, 990, 1000);
    CELLS(RT0, "budget-us", 20);
    CELLS(RT0, "deadline-us", 1000);
    text(RT0, "core", "auto");
    good();
    add("/vms/linux/vcpus", "vcpu@2");
    CELLS("/vms/linux/vcpus/vcpu@2", "reg", 2);
    reserve("/vms/linux/vcpus/vcpu@2", 990, 1000);
    add("/vms/linux/vcpus", "vcpu@3");
    CELLS("/vms/linux/vcpus/vcpu@3", "reg", 3);
    reserve("/vms/linux/vcpus/vcpu@3", 990, 1000);
    only(AT(RT0) ":budget-us", "no core can keep it; closest is core", "period-us at least");
}

// ---- what is promised -------------------------------------------------------------------------------------

// Another VM's two best-effort VCPUs on the core leave together when it ends: 2500 and 500 ns masked; on another core they do not
// concern it.
static void who_leaves_together_is_waited_for(void **state) {
    (void)state;
    CELLS(LX0, "core", 1);
    add("/vms/linux/vcpus", "vcpu@2");
    CELLS("/vms/linux/vcpus/vcpu@2", "reg", 2);
    CELLS("/vms/linux/vcpus/vcpu@2", "core", 0);
    good();
    assert_int_equal(sys.vms[0].vcpus[0].latency, 157 + 94);
    CELLS("/vms/linux/vcpus/vcpu@2", "core", 1);
    good();
    assert_int_equal(sys.vms[0].vcpus[0].latency, 188 + 94);
}

static void a_latency_is_promised_to_each_reservation(void **state) {
    (void)state;
    good();
    // Alone on its core: 2500 ns masked, 1500 ns for the way in, each rounded up to ticks of 16 ns.
    assert_int_equal(sys.vms[0].vcpus[0].latency, 157 + 94);
    assert_int_equal(sys.vms[1].vcpus[0].latency, 0);
    set_cells(board_fdt, "/", "takt,overhead-ns", (const uint32_t[]){1600}, 1);
    good();
    assert_int_equal(sys.vms[0].vcpus[0].latency, 157 + 94 + 100);
    fresh(state);
    // The other's deadline coincides with that of a wake-up 500 us after both began and rt used all but a tick of its 201 us.
    reserve(LX0, 400, 1000);
    CELLS(LX0, "core", 1);
    good();
    assert_int_equal(sys.vms[0].vcpus[0].latency, 12562 + 25063 - 31250 + 157 + 94);
    // On core 0 the console interrupts as well.
    CELLS(RT0, "core", 0);
    CELLS(LX0, "core", 0);
    good();
    assert_int_equal(sys.vms[0].vcpus[0].latency, 12562 + 25063 - 31250 + 63 + 157 + 94);
    flag("/", "smt");
    without(LX0, "core");
    good();
    assert_int_equal(sys.vms[0].vcpus[0].latency, 0);
    fresh(state);
    // With a tick left in each ms, a masked ms is caught up with after more steps than are made.
    assert_int_equal(fdt_setprop_u32(data, 0, "overhead-ns", 992), 0);
    assert_int_equal(fdt_setprop_u32(data, 0, "masked-ns", 1000000), 0);
    reserve(LX0, 798, 1000);
    CELLS(LX0, "core", 1);
    good();
    assert_int_equal(sys.vms[0].vcpus[0].latency, 0);
}

// What tracing adds is added to each of the board's costs, where the description asks for a trace.
static void a_traced_system_is_admitted_with_what_tracing_takes(void **state) {
    (void)state;
    assert_int_equal(fdt_setprop_u32(data, 0, "trace-ns", 1600), 0);
    good();
    assert_int_equal(sys.overhead_ns, 1000);
    flag("/", "trace");
    good();
    assert_int_equal(sys.overhead_ns, 1000 + 1600);
    assert_int_equal(sys.irq_cost_ns, 1000 + 1600);
    assert_int_equal(sys.migration_ns, 0); // nobody is split, as before
    assert_int_equal(sys.vms[0].vcpus[0].latency, 157 + 94 + 2 * 100);
    assert_int_equal(sys.cores[1].tasks[0].budget, 12500 + 163);
    assert_int_equal(fdt_setprop_u32(data, 0, "migration-ns", 2000), 0);
    good();
    assert_int_equal(sys.migration_ns, 2000 + 1600);
    reserve(RT0, 996, 1000);
    CELLS(RT0, "deadline-us", 998);
    only(AT(RT0) ":budget-us", "with 2600 ns of overhead, 996 is more than the deadline, 998", "a longer deadline-us");
    without("/", "trace");
    good();
}

// Only beside reservations that have their whole periods, and where interrupts leave the time for it.
static void who_reclaims_makes_nobody_late(void **state) {
    (void)state;
    CELLS(RT0, "core", 0);
    CELLS(LX0, "core", 0);
    reserve(LX0, 400, 1000);
    flag(LX0, "reclaim");
    only(AT(LX0) ":reclaim", "core 0, or a piece of one, has a deadline before its period ends",
         "remove that deadline-us");
    without(RT0, "deadline-us");
    good();
    assert_true(sys.vms[1].vcpus[0].reclaim && !sys.vms[0].vcpus[0].reclaim);
    assert_true(sysdesc_reclaims(&sys, 0) && !sysdesc_reclaims(&sys, 1));
    assert_int_equal(sys.vms[0].vcpus[0].latency,
                     sched_reclaim_latency(sys.cores[0].tasks, 2, sys.cores[0].sources, 1, 157,
                                           sys.cores[0].tasks[0].budget == sys.vms[0].vcpus[0].task.budget ? 0 : 1) +
                         94);
    reserve(LX0, 796, 1000); // with 2 us of overhead 998; the console interrupts for 1 us in 1 ms, and for one at once
    only(AT(LX0) ":reclaim", "with its interrupts core 0 has too little time left", "ask less of that core");
    without(LX0, "reclaim");
    good();
    without(LX0, "budget-us");
    without(LX0, "period-us");
    flag(LX0, "reclaim");
    only(AT(LX0) ":reclaim", "has no meaning for best effort", "give budget-us");
    reserve(LX0, 400, 1000);
    flag("/vms/linux", "on-demand");
    only(AT(LX0) ":reclaim", "a core where somebody reclaims does not change", "remove it, or on-demand");
}

#define TASKS RT0 "/tasks"

static void task(const char *name, uint32_t wcet, uint32_t deadline, uint32_t period) {
    char path[80];

    if (fdt_path_offset(fdt, TASKS) < 0) { add(RT0, "tasks"); }
    snprintf(path, sizeof(path), TASKS "/%s", name);
    if (fdt_path_offset(fdt, path) < 0) { add(TASKS, name); }
    CELLS(path, "wcet-us", wcet);
    CELLS(path, "period-us", period);
    if (deadline != 0) { CELLS(path, "deadline-us", deadline); }
}

// 200 us by 500 in every 1000: after 1300 us, 200 in every 1000.
static void tasks_have_to_fit_into_their_reservation(void **state) {
    (void)state;
    task("task@0", 150, 1450, 2000);
    task("task@1", 100, 0, 3000);
    CELLS(TASKS, "#address-cells", 1);
    CELLS(TASKS, "#size-cells", 0);
    CELLS(TASKS "/task@0", "reg", 0);
    good();
    CELLS(TASKS "/task@0", "wcet-us", 151);
    only(AT(TASKS "/task@0"), "within 1450 us the tasks can want 151 us, the reservation has 150 us for sure",
         "budget-us of the vcpu at least 201");
    CELLS(RT0, "budget-us", 201);
    good();
    CELLS(TASKS "/task@1", "wcet-us", 301);
    only(AT(TASKS "/task@1"), "within 6000 us the tasks can want 1055 us, the reservation has 1005 us for sure",
         "budget-us of the vcpu at least 226");
    CELLS(TASKS "/task@1", "period-us", 100);
    CELLS(TASKS "/task@1", "wcet-us", 20);
    only(AT(TASKS "/task@1"), "within 100 us the tasks can want 20 us, the reservation has 0 us for sure",
         "no budget-us is enough");
    // As much as is supplied, for ever behind by the blackout.
    task("task@0", 2010, 9999999, 10000);
    assert_int_equal(fdt_del_node(fdt, in(fdt, TASKS "/task@1")), 0);
    mistake(AT(TASKS), "not decided within 1024 steps", "budget-us of the vcpu at least 202");
}

static void tasks_that_make_no_sense(void **state) {
    char name[] = "task@00";

    (void)state;
    add(RT0, "tasks");
    only(AT(TASKS), "has no task", "add task@0");
    task("task@0", 20, 10, 3000);
    only(AT(TASKS "/task@0:wcet-us"), "20 is more than deadline-us, 10", "at most 10");
    without(TASKS "/task@0", "deadline-us");
    CELLS(TASKS "/task@0", "wcet-us", 3001);
    only(AT(TASKS "/task@0:wcet-us"), "3001 is more than period-us, 3000", "at most 3000");
    CELLS(TASKS "/task@0", "wcet-us", 0);
    only(AT(TASKS "/task@0:wcet-us"), "0 is too small", "1 to 10000000");
    without(TASKS "/task@0", "wcet-us");
    only(AT(TASKS "/task@0:wcet-us"), "is missing", "add it");
    CELLS(TASKS "/task@0", "wcet-us", 1);
    CELLS(TASKS "/task@0", "wcet-ms", 1);
    only(AT(TASKS "/task@0:wcet-ms"), "unknown property", "did you mean wcet-us?");
    without(TASKS "/task@0", "wcet-ms");
    add(TASKS "/task@0", "x");
    only(AT(TASKS "/task@0/x"), "unknown node", "remove it");
    fresh(state);
    task("task@0", 1, 0, 3000);
    without(RT0, "budget-us");
    without(RT0, "period-us");
    without(RT0, "deadline-us");
    only(AT(TASKS), "nothing is promised", "remove its tasks");
    fresh(state);
    task("task@0", 1, 0, 3000);
    CELLS(RT0, "budget-us", 501); // of the reservation alone
    only(AT(RT0) ":budget-us", "501 is more than deadline-us", "at most 500");
    fresh(state);
    for (unsigned i = 0; i < SCHED_TASKS_MAX; i++) {
        snprintf(name, sizeof(name), "task@%x", i);
        task(name, 1, 0, 10000);
    }
    good();
    task("task@ff", 1, 0, 10000);
    only(AT(TASKS "/task@0"), "more than 32 tasks", "as one"); // the first that was added comes last
}

// 31 servers leave the 32nd place of a core; there is no 33rd.
static void more_vcpus_than_a_core_takes(void **state) {
    char vm[] = "/vms/vm-a", vcpus[] = "/vms/vm-a/vcpus", vcpu[] = "/vms/vm-a/vcpus/vcpu@0";

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        vm[8] = vcpus[8] = vcpu[8] = (char)('a' + i);
        add("/vms", vm + 5);
        text(vm, "kernel", "Image");
        CELLS(vm, "memory", 0, 0x40000000, 0, 0x200000);
        add(vm, "vcpus");
        for (uint32_t j = 0; j < MAX_VCPUS; j++) {
            vcpu[21] = (char)('0' + j);
            add(vcpus, vcpu + 16);
            CELLS(vcpu, "reg", j);
            CELLS(vcpu, "core", 2);
        }
    }
    mistake(AT("/vms/vm-a/vcpus/vcpu@0") ":core", "no core has room", "another core");
}

static void counters_without_a_rate(void **state) {
    size_t size = make_image(image, IMAGE_MAX, fdt, data);

    (void)state;
    listener = (struct listener){.sink.mistake = hear};
    assert_int_equal(board_parse(board_fdt, &board), OK);
    assert_true(read_image(image, size, 0) < 0);
    told(AT("/"), "counter runs at 0 Hz", "1 Hz to 10 GHz");
}

// ---- devices ----------------------------------------------------------------------------------------------

static void devices_that_no_pc_gives(void **state) {
    (void)state;
    device(RT, "x", "/pl031@9010000");
    fdt_setprop_string(board_fdt, 0, "compatible", "takt,pc");
    mistake(AT("/vms/rt/devices/x:device"), "no device can be assigned on x86-64 yet", "remove the node");
}

static void devices_that_nobody_may_have(void **state) {
    (void)state;
    device(RT, "uart", "/pl011@9000000");
    only(AT("/vms/rt/devices/uart:device"), "console UART", "another UART");
    fresh(state);
    device(RT, "ghost", "/pl031@0");
    only(AT("/vms/rt/devices/ghost:device"), "/pl031@0: the board's device tree has no such node", "full path");
    fresh(state);
    device(RT, "x", "/pl031@9010000");
    without("/vms/rt/devices/x", "device");
    only(AT("/vms/rt/devices/x:device"), "is missing", "add it");
    fresh(state);
    device(LINUX, "x", "/pl031@9010000");
    device(RT, "x", "/pl031@9010000");
    CELLS("/vms/rt/devices/x", "irq-distance-us", 1000);
    mistake(AT("/vms/linux/devices/x:device"), "which rt has", "assign it once");
}

static void devices_at_odd_places(void **state) {
    (void)state;
    device(LINUX, "x", "/pl031@9010000");
    CELLS("/vms/linux/devices/x", "guest-address", 0, 0x09000000);
    only(AT("/vms/linux/devices/x:guest-address"), "overlap the virtual console UART", "where else");
    CELLS("/vms/linux/devices/x", "guest-address", 0, 0x40000000);
    only(AT("/vms/linux/devices/x:guest-address"), "overlap the VM's memory", "where else");
    CELLS("/vms/linux/devices/x", "guest-address", 0, 0x0b000800);
    only(AT("/vms/linux/devices/x:guest-address"), "no place", "multiple of 4 KiB");
    CELLS("/vms/linux/devices/x", "guest-address", 0x80, 0);
    only(AT("/vms/linux/devices/x:guest-address"), "no place", "below 0x8000000000");
    CELLS("/vms/linux/devices/x", "guest-address", 0, 0x0b000000, 0, 0x0c000000);
    only(AT("/vms/linux/devices/x:guest-address"), "2 addresses for 1 MMIO ranges", "1, or none");
    CELLS("/vms/linux/devices/x", "guest-address", 0);
    only(AT("/vms/linux/devices/x:guest-address"), "has 4 bytes", "one 64-bit address");
    CELLS("/vms/linux/devices/x", "guest-address", 0, 0x0b000000);
    device(LINUX, "y", "/pl061@9030000");
    CELLS("/vms/linux/devices/y", "guest-address", 0, 0x0b000000);
    mistake(AT("/vms/linux/devices/x:guest-address"), "overlap /pl061@9030000 at 0x", "its own addresses");
}

static void device_interrupts(void **state) {
    (void)state;
    set_cells(board_fdt, "/pl031@9010000", "interrupts", (const uint32_t[]){0, 100, 4}, 3);
    device(RT, "clock", "/pl031@9010000");
    CELLS("/vms/rt/devices/clock", "irq-distance-us", 10);
    CELLS(RT, "spis", 64);
    only(AT("/vms/rt/devices/clock:device"), "SPI 100, is beyond the VM's 64", "raise spis");
    CELLS(RT, "spis", 128);
    good();
    without("/vms/rt/devices/clock", "irq-distance-us");
    only(AT("/vms/rt/devices:irq-distance-us"), "interrupts core 1, which has reservations", "how far apart");
    // On a core of its own it need not say.
    text("/vms/rt", "bootargs", "");
    without(RT0, "budget-us");
    without(RT0, "period-us");
    without(RT0, "deadline-us");
    good();
    // Too many of them leave no time: 1 us each 2 us is half of the core.
    fresh(state);
    device(RT, "clock", "/pl031@9010000");
    CELLS("/vms/rt/devices/clock", "irq-distance-us", 2);
    reserve(LX0, 400, 1000);
    CELLS(LX0, "core", 1);
    mistake(AT(LX0) ":budget-us", "core 1 cannot keep it", "budget-us at most");
}

// A VCPU without a fixed core is placed first, then the interrupts are counted where it is.
static void interrupts_follow_their_vcpu(void **state) {
    (void)state;
    text(RT0, "core", "auto");
    device(RT, "clock", "/pl031@9010000");
    CELLS("/vms/rt/devices/clock", "irq-distance-us", 100);
    good();
    unsigned core = sys.vms[0].vcpus[0].placed;
    assert_int_equal(sys.vms[0].vcpus[0].core, CORE_AUTO);
    assert_int_not_equal(core, 0); // where the console interrupts
    assert_int_equal(sys.cores[core].source_count, 1);
    assert_int_equal(sys.cores[core].sources[0].distance, 6250);
    CELLS("/vms/rt/devices/clock", "irq-distance-us", 1);
    mistake(AT(RT0) ":budget-us", "core", "less of its core");
}

// ---- threads ----------------------------------------------------------------------------------------------

// Core 1, where "rt" lives, has a second thread, core 4; so has core 2, core 5.
static void give_threads(void) {
    set_cells(board_fdt, "/cpus/cpu@1", "reg", (const uint32_t[]){1, 11}, 2);
    set_cells(board_fdt, "/cpus/cpu@2", "reg", (const uint32_t[]){2, 12}, 2);
}

static void threads_are_used_when_the_description_says_so(void **state) {
    (void)state;
    give_threads();
    good();
    assert_false(sys.smt);
    assert_int_equal(sysdesc_cores(&board, &sys), 4);
    CELLS(LX0, "core", 5);
    CELLS(LX1, "core", 2);
    only(AT(LX0) ":core", "there is no core 5: the board has 4", "0 to 3");
    flag("/", "smt");
    good();
    assert_true(sys.smt);
    assert_int_equal(sysdesc_cores(&board, &sys), 6);
    assert_int_equal(sys.vms[1].vcpus[0].placed, 5);
    CELLS(LX0, "core", 6);
    only(AT(LX0) ":core", "there is no core 6: the board has 6", "0 to 5");
}

static void a_core_s_threads_belong_to_one_vm(void **state) {
    (void)state;
    give_threads();
    flag("/", "smt");
    CELLS(LX0, "core", 4);
    CELLS(LX1, "core", 0);
    only(AT(LX0) ":core", "core 4 is a thread of one that rt has", "another core, or remove smt");
    CELLS(LX0, "core", 0);
    CELLS(LX1, "core", 1);
    only(AT(LX1) ":core", "core 1 is a thread of one that rt has", "another core, or remove smt");
    CELLS(LX1, "core", 5);
    good();
    // What has no core is told as that alone.
    reserve(LX1, 2000, 1000);
    only(AT(LX1) ":budget-us", "2000 is more than", "at most 1000");
}

static void without_smt_vms_share_cores(void **state) {
    (void)state;
    give_threads();
    CELLS(LX0, "core", 1);
    CELLS(LX1, "core", 1);
    good();
}

// ---- the image --------------------------------------------------------------------------------------------

static void truncated_images(void **state) {
    size_t size = make_image(image, IMAGE_MAX, fdt, data);

    (void)state;
    for (size_t cut = 0; cut < size; cut = cut < 512 ? cut + 1 : cut + 61) {
        assert_int_equal(load(cut), ERR_CORRUPT);
        assert_int_equal(listener.sink.count, 1);
        told("image:/", "is no system image, or truncated", "load it whole");
    }
    assert_int_equal(load(size), OK);
}

static void damaged_images(void **state) {
    size_t size = make_image(image, IMAGE_MAX, fdt, data);

    (void)state;
    assert_int_equal(load(size), OK);
    uint8_t *initrd = (uint8_t *)(uintptr_t)sys.vms[1].initrd.data;
    initrd[3] ^= 1;
    assert_true(load(size) < 0);
    told("image:/images/file-2:data", "initrd does not match its SHA-256", "pack or load it again");
    assert_int_equal(listener.sink.count, 1);
    // sysdesc_parse alone does not look at guest files.
    assert_int_equal(sysdesc_parse(image, size, &board, HZ, &sys, &listener.sink), OK);
    assert_int_equal(sysdesc_verify(&sys, &listener.sink), ERR_CORRUPT);
    initrd[3] ^= 1;
    // The description itself: nothing in it is believed.
    for (unsigned i = 0; i < sys.part_count; i++) {
        if (strcmp(sys.parts[i].name, "system") == 0) { ((uint8_t *)(uintptr_t)sys.parts[i].data.data)[100] ^= 1; }
    }
    assert_true(load(size) < 0);
    told("image:/images/system:data", "it does not match its SHA-256", "pack or load it again");
    assert_int_equal(listener.sink.count, 1);
    assert_int_equal(sys.vm_count, 0);
}

static void images_without_what_they_need(void **state) {
    const struct image_file nothing[] = {{"other", "firmware", "x", 2, "x", 2}};
    const struct image_file no_tree[] = {
        {"system", "flat_dt", "text", 5, NULL, 0},
        {"board", "flat_dt", image, IMAGE_MAX - 64, NULL, 0},
    };
    static uint64_t other[IMAGE_MAX / 4];

    (void)state;
    size_t size = make_fit(image, IMAGE_MAX, "test.dts", nothing, 1);
    assert_true(load(size) < 0);
    told("image:/", "has no image \"system\"", "scripts/mkimage.py");
    told("image:/", "has no image \"board\"", "scripts/mkimage.py");
    size = make_fit(other, sizeof(other), "test.dts", no_tree, 2);
    listener = (struct listener){.sink.mistake = hear};
    assert_true(read_image(other, size, HZ) < 0);
    told("image:/images/system:data", "is no device tree", "dtc");
    told("image:/images/board:data", "are too many", "at most 64 KiB");
}

static void images_without_hashes(void **state) {
    (void)state;
    size_t size = make_image(image, IMAGE_MAX, fdt, data);
    char *strings = (char *)image + fdt_off_dt_strings(image);

    for (uint32_t i = 0; i + 5 < fdt_size_dt_strings(image); i++) {
        if (memcmp(strings + i, "algo", 5) == 0) { strings[i] = 'x'; }
    }
    assert_true(load(size) < 0);
    told("image:/images/system:hash", "has no SHA-256", "pack the image again");
    told("image:/images/file-0:hash", "has no SHA-256", "pack the image again");
}

static void images_with_too_many_files(void **state) {
    static struct image_file files_of[SYSDESC_PARTS + 2];
    static char names[SYSDESC_PARTS + 2][8];

    (void)state;
    for (unsigned i = 0; i < SYSDESC_PARTS + 2; i++) {
        snprintf(names[i], sizeof(names[i]), "f%u", i);
        files_of[i] = (struct image_file){names[i], "firmware", "x", 1, NULL, 0};
    }
    size_t size = make_fit(image, IMAGE_MAX, "test.dts", files_of, SYSDESC_PARTS + 2);
    assert_true(load(size) < 0);
    told("image:/", "holds too many images", "at most 66");
    assert_int_equal(listener.sink.count, 3); // nor has it the two trees
}

static void board_data(void **state) {
    (void)state;
    assert_int_equal(fdt_setprop_u32(data, 0, "overhead-ns", 0), 0);
    mistake("board.dts:/:overhead-ns", "0 is too small", "1 to 1000000");
    assert_int_equal(fdt_setprop_u32(data, 0, "migration-ns", 1000001), 0);
    mistake("board.dts:/:migration-ns", "1000001 is too large", "1 to 1000000");
    assert_int_equal(fdt_setprop_u32(data, 0, "migration-ns", 1000000), 0);
    assert_int_equal(fdt_delprop(data, 0, "overhead-ns"), 0);
    assert_int_equal(fdt_delprop(data, 0, "console-irq-distance-us"), 0);
    mistake("board.dts:/:overhead-ns", "is missing", "add it");
    told("board.dts:/:console-irq-distance-us", "is missing", "add it");
    assert_int_equal(fdt_setprop_u32(data, 0, "irq-costs-ns", 3), 0);
    mistake("board.dts:/:irq-costs-ns", "unknown property", "did you mean irq-cost-ns?");
}

// All at once, in one go.
static void everything_is_told_at_once(void **state) {
    (void)state;
    CELLS(RT, "spis", 40);
    CELLS(RT0, "core", 9);
    text(LINUX, "initrd", "nowhere");
    flag(LINUX, "no-vp1011");
    reserve(LX0, 900, 1000);
    reserve(LX1, 900, 1000);
    CELLS(LX0, "core", 2);
    CELLS(LX1, "core", 2);
    CELLS(LINUX, "memory", 0, 0x40000000, 0, 0x7fe00000);
    assert_true(check() < 0);
    told(AT(RT) ":spis", "40", "64");
    told(AT(RT0) ":core", "no core 9", "0 to 3");
    told(AT(LINUX) ":initrd", "nowhere", "pack");
    told(AT(LINUX) ":no-vp1011", "unknown", "no-vpl011");
    told(AT(LINUX) ":memory", "no room for 2046 MiB", "at most");
    told(AT(LX1) ":budget-us", "core 2 cannot keep it", "period-us at least");
    assert_int_equal(listener.sink.count, 6);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_good_system_is_read),
        TEST(reservations_are_admitted_in_ticks),
        TEST(what_the_machine_adds_is_admitted),
        TEST(every_property_arrives),
        TEST(the_outer_image_is_descended_into),
        TEST(unknown_properties),
        TEST(unknown_nodes),
        TEST(a_trace_has_memory_when_it_is_asked_for),
        TEST(wrong_types_and_sizes),
        TEST(values_out_of_range),
        TEST(missing_things),
        TEST(duplicates),
        TEST(names_of_vms),
        TEST(too_many_vms),
        TEST(only_the_first_mistakes_are_told),
        TEST(memory_of_a_vm),
        TEST(memory_of_the_board),
        TEST(files),
        TEST(linux_images),
        TEST(what_does_not_fit),
        TEST(odd_linux_headers),
        TEST(reservations_that_make_no_sense),
        TEST(load_that_a_core_cannot_keep),
        TEST(placement_by_count_does_not_look_at_the_load),
        TEST(who_fits_on_no_core_is_split_over_two),
        TEST(load_that_no_core_can_keep),
        TEST(a_latency_is_promised_to_each_reservation),
        TEST(who_leaves_together_is_waited_for),
        TEST(a_traced_system_is_admitted_with_what_tracing_takes),
        TEST(who_reclaims_makes_nobody_late),
        TEST(tasks_have_to_fit_into_their_reservation),
        TEST(tasks_that_make_no_sense),
        TEST(more_vcpus_than_a_core_takes),
        TEST(counters_without_a_rate),
        TEST(devices_that_no_pc_gives),
        TEST(devices_that_nobody_may_have),
        TEST(devices_at_odd_places),
        TEST(device_interrupts),
        TEST(interrupts_follow_their_vcpu),
        TEST(threads_are_used_when_the_description_says_so),
        TEST(a_core_s_threads_belong_to_one_vm),
        TEST(without_smt_vms_share_cores),
        TEST(truncated_images),
        TEST(damaged_images),
        TEST(images_without_what_they_need),
        TEST(images_without_hashes),
        TEST(images_with_too_many_files),
        TEST(board_data),
        TEST(everything_is_told_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
