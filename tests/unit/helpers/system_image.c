// SPDX-License-Identifier: Apache-2.0
#include "system_image.h"

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sha256.h"

// Every step of libfdt's sequential writer has to succeed.
static void must(int result) {
    if (result < 0) { abort(); }
}

static void cells(void *fdt, const char *name, const uint32_t *values, unsigned count) {
    uint32_t big[16];

    for (unsigned i = 0; i < count; i++) { big[i] = cpu_to_fdt32(values[i]); }
    must(fdt_property(fdt, name, big, (int)(count * sizeof(big[0]))));
}
#define CELLS(fdt, name, ...) \
    cells(fdt, name, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void begin_tree(void *fdt, size_t size) {
    must(fdt_create(fdt, (int)size));
    must(fdt_finish_reservemap(fdt));
    must(fdt_begin_node(fdt, ""));
}

static void end_tree(void *fdt) {
    must(fdt_end_node(fdt));
    must(fdt_finish(fdt));
}

// ---- the board --------------------------------------------------------------------------------------------

static void make_cpus(void *fdt) {
    must(fdt_begin_node(fdt, "cpus"));
    CELLS(fdt, "#address-cells", 1);
    CELLS(fdt, "#size-cells", 0);
    for (uint32_t i = 0; i < 4; i++) {
        char name[] = "cpu@0";
        name[4] = (char)('0' + i);
        must(fdt_begin_node(fdt, name));
        must(fdt_property_string(fdt, "device_type", "cpu"));
        CELLS(fdt, "reg", i);
        must(fdt_end_node(fdt));
    }
    must(fdt_end_node(fdt));
}

static void make_device(void *fdt, const char *name, const char *compatible, uint32_t base, uint32_t spi) {
    must(fdt_begin_node(fdt, name));
    must(fdt_property_string(fdt, "compatible", compatible));
    CELLS(fdt, "reg", 0, base, 0, 0x1000);
    CELLS(fdt, "interrupts", 0, spi, 4);
    must(fdt_end_node(fdt));
}

void make_board_tree(void *fdt, size_t size) {
    begin_tree(fdt, size);
    must(fdt_property_string(fdt, "model", "test board"));
    CELLS(fdt, "#address-cells", 2);
    CELLS(fdt, "#size-cells", 2);
    CELLS(fdt, "interrupt-parent", 1);
    make_cpus(fdt);
    must(fdt_begin_node(fdt, "memory@40000000"));
    must(fdt_property_string(fdt, "device_type", "memory"));
    CELLS(fdt, "reg", 0, 0x40000000, 0, 0x40000000);
    must(fdt_end_node(fdt));
    must(fdt_begin_node(fdt, "intc@8000000"));
    must(fdt_property_string(fdt, "compatible", "arm,gic-v3"));
    CELLS(fdt, "phandle", 1);
    CELLS(fdt, "#interrupt-cells", 3);
    CELLS(fdt, "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000);
    must(fdt_end_node(fdt));
    make_device(fdt, "pl011@9000000", "arm,pl011", 0x9000000, 1);
    make_device(fdt, "pl031@9010000", "arm,pl031", 0x9010000, 2);
    make_device(fdt, "pl061@9030000", "arm,pl061", 0x9030000, 7);
    must(fdt_begin_node(fdt, "chosen"));
    must(fdt_property_string(fdt, "stdout-path", "/pl011@9000000"));
    must(fdt_end_node(fdt));
    end_tree(fdt);
}

void make_board_data(void *fdt, size_t size) {
    begin_tree(fdt, size);
    must(fdt_property_string(fdt, "compatible", "takt,board-1"));
    CELLS(fdt, "overhead-ns", 1000);
    CELLS(fdt, "irq-cost-ns", 1000);
    CELLS(fdt, "injection-ns", 1500);
    CELLS(fdt, "masked-ns", 2500);
    CELLS(fdt, "masked-vcpu-ns", 500);
    CELLS(fdt, "console-irq-distance-us", 1000);
    end_tree(fdt);
}

// ---- a system ---------------------------------------------------------------------------------------------

static void make_rt(void *fdt) {
    must(fdt_begin_node(fdt, "rt"));
    CELLS(fdt, "memory", 0, 0x40000000, 0, 0x400000);
    must(fdt_property_string(fdt, "kernel", "guest.bin"));
    CELLS(fdt, "load-address", 0, 0x40080000);
    must(fdt_begin_node(fdt, "vcpus"));
    must(fdt_begin_node(fdt, "vcpu@0"));
    CELLS(fdt, "reg", 0);
    CELLS(fdt, "core", 1);
    CELLS(fdt, "budget-us", 200);
    CELLS(fdt, "period-us", 1000);
    CELLS(fdt, "deadline-us", 500);
    must(fdt_end_node(fdt));
    must(fdt_end_node(fdt));
    must(fdt_end_node(fdt));
}

static void make_linux(void *fdt) {
    must(fdt_begin_node(fdt, "linux"));
    CELLS(fdt, "memory", 0, 0x40000000, 0, 0x8000000);
    must(fdt_property_string(fdt, "kernel", "Image"));
    must(fdt_property_string(fdt, "initrd", "initrd"));
    must(fdt_property_string(fdt, "bootargs", "console=ttyAMA0"));
    must(fdt_property_string(fdt, "restart", "always"));
    must(fdt_begin_node(fdt, "vcpus"));
    for (uint32_t i = 0; i < 2; i++) {
        char name[] = "vcpu@0";
        name[5] = (char)('0' + i);
        must(fdt_begin_node(fdt, name));
        CELLS(fdt, "reg", i);
        must(fdt_end_node(fdt));
    }
    must(fdt_end_node(fdt));
    must(fdt_end_node(fdt));
}

void make_system(void *fdt, size_t size) {
    begin_tree(fdt, size);
    must(fdt_property_string(fdt, "compatible", "takt,system-1"));
    must(fdt_property_string(fdt, "console-focus", "linux"));
    must(fdt_begin_node(fdt, "vms"));
    make_rt(fdt);
    make_linux(fdt);
    must(fdt_end_node(fdt));
    end_tree(fdt);
}

// ---- the image --------------------------------------------------------------------------------------------

// libfdt's writer cannot align data: a property before it, of 0 or 4 bytes, shifts it to a multiple of 8.
static void data_property(void *fdt, const struct image_file *file) {
    uintptr_t at = (uintptr_t)fdt + fdt_off_dt_struct(fdt) + fdt_size_dt_struct(fdt);

    if (at % 8 != 0) {
        CELLS(fdt, "padding", 0);
    } else {
        must(fdt_property(fdt, "padding", "", 0));
    }
    must(fdt_property(fdt, "data", file->data, (int)file->size));
}

size_t make_fit(void *out, size_t max, const char *source, const struct image_file *files, unsigned count) {
    uint8_t digest[SHA256_SIZE];

    begin_tree(out, max);
    must(fdt_property_string(out, "takt,source", source));
    must(fdt_begin_node(out, "images"));
    for (unsigned i = 0; i < count; i++) {
        must(fdt_begin_node(out, files[i].name));
        must(fdt_property_string(out, "type", files[i].type));
        if (files[i].paths != NULL) { must(fdt_property(out, "takt,paths", files[i].paths, (int)files[i].paths_size)); }
        data_property(out, &files[i]);
        sha256(files[i].data, files[i].size, digest);
        must(fdt_begin_node(out, "hash-1"));
        must(fdt_property(out, "value", digest, sizeof(digest)));
        must(fdt_property_string(out, "algo", "sha256"));
        must(fdt_end_node(out));
        must(fdt_end_node(out));
    }
    must(fdt_end_node(out));
    end_tree(out);
    return fdt_totalsize(out);
}

// An arm64 Image header: text_offset 0x80000, image_size 1 MiB.
static void make_linux_file(uint8_t *file) {
    static const uint8_t magic[4] = {'A', 'R', 'M', 0x64};

    memset(file, 0x5a, LINUX_FILE);
    memset(file, 0, 64);
    file[8 + 2] = 0x08;
    file[16 + 2] = 0x10;
    memcpy(file + 56, magic, sizeof(magic));
}

size_t make_image(void *out, size_t max, const void *system, const void *data) {
    uint8_t linux_file[LINUX_FILE], raw_file[RAW_FILE];
    const struct image_file files[] = {
        {"system", "flat_dt", system, fdt_totalsize(system), NULL, 0},
        {"board", "flat_dt", data, fdt_totalsize(data), NULL, 0},
        {"file-0", "firmware", raw_file, sizeof(raw_file), "guest.bin\0../guest.bin", 23},
        {"file-1", "firmware", linux_file, sizeof(linux_file), "Image", 6},
        {"file-2", "firmware", "initrd!", 8, "initrd", 7},
        {"file-3", "firmware", "", 0, "empty", 6},
        {"file-4", "firmware", system, fdt_totalsize(system), "a.dtb", 6},
    };

    memset(raw_file, 0xa5, sizeof(raw_file));
    make_linux_file(linux_file);
    return make_fit(out, max, "test.dts", files, sizeof(files) / sizeof(files[0]));
}
