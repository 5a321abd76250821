// SPDX-License-Identifier: Apache-2.0
// Makes what the checker reads, in memory: a board's tree, descriptions, and the image around them.
#ifndef TESTS_SYSTEM_IMAGE_H
#define TESTS_SYSTEM_IMAGE_H

#include "kernel/sysdesc.h"

enum { TREE_MAX = 16 * 1024, IMAGE_MAX = 96 * 1024, LINUX_FILE = 8192, RAW_FILE = 4096 };

// Four cores, 1 GiB at 0x40000000, a GICv3, the console PL011, a PL031 with SPI 2, a GPIO with SPI 7.
void make_board_tree(void *fdt, size_t size);
// Good board data: 1 us overhead, 1 us for an interrupt, the console's at most each millisecond on core 0.
void make_board_data(void *fdt, size_t size);
// A good system: "rt" (raw, one VCPU, 200 us of 1 ms by 500 us) and "linux" (two VCPUs, best effort).
void make_system(void *fdt, size_t size);

// One file of an image; `paths` holds `paths_size` bytes of names, or NULL.
struct image_file {
    const char *name, *type;
    const void *data;
    size_t size;
    const char *paths;
    size_t paths_size;
};
// A FIT with these files and right hashes; returns its size.
size_t make_fit(void *out, size_t max, const char *source, const struct image_file *files, unsigned count);
// The usual one: description, board data, and the files "guest.bin", "Image", "initrd" and "empty".
size_t make_image(void *out, size_t max, const void *system, const void *data);

#endif
