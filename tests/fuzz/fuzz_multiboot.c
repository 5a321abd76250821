// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/multiboot.c
// Whatever lies where a boot loader says that its information lies: the first byte chooses the kind, the rest is memory.
#include <stdlib.h>
#include <string.h>

#include "arch/x86/boot_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INFO = 0x1000, SIZE = 0x3000 };

static unsigned char memory[SIZE];

static const void *map(void *context, paddr_t pa, size_t size) {
    (void)context;
    return pa < INFO || pa > SIZE || size > SIZE - pa ? NULL : memory + pa;
}

static void require(bool holds) {
    if (!holds) { abort(); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct physical physical = {.map = map};
    static const uint32_t magics[] = {MULTIBOOT1_MAGIC, MULTIBOOT2_MAGIC, 0};
    struct boot_info info;

    if (size == 0) { return 0; }
    memset(memory + INFO, 0, SIZE - INFO);
    memcpy(memory + INFO, data + 1, MIN(size - 1, (size_t)(SIZE - INFO)));
    int status = multiboot_parse(&physical, magics[data[0] % 3], INFO, &info);
    require(info.memory_count <= BOOT_MEMORY_MAX && (status != OK || info.memory_count > 0));
    for (unsigned i = 0; i < info.memory_count; i++) {
        const struct range *range = &info.memory[i].range;
        require(range->size > 0 && range->base + (range->size - 1) >= range->base);
    }
    require(info.system.base + info.system.size >= info.system.base);
    require(info.rsdp == 0 || (info.rsdp > INFO && info.rsdp <= SIZE));
    return 0;
}
