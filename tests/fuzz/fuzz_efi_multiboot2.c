// SPDX-License-Identifier: Apache-2.0
// covers: tools/efi/multiboot2.c
// Any file as the hypervisor of the UEFI loader: what is taken lies within it. The same bytes are the lengths of tags of
// an information, which ends within its room.
#include <stdlib.h>
#include <string.h>

#include "tools/efi/multiboot2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) { abort(); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static _Alignas(8) char room[512];
    struct mb2_kernel kernel;
    struct mb2_info info;

    if (mb2_read_header(data, size, &kernel) == NULL) {
        require(kernel.offset <= size && kernel.file_size <= size - kernel.offset);
        require(kernel.entry < kernel.file_size && kernel.file_size <= kernel.memory_size);
        require((uint64_t)kernel.load + kernel.memory_size <= UINT32_MAX);
    }
    mb2_begin(&info, room, sizeof(room));
    for (size_t i = 0; i < size; i++) {
        void *place = mb2_add(&info, data[i], data[i]);
        if (place != NULL) { memset(place, 1, data[i]); }
    }
    mb2_end(&info);
    require(info.used % 8 == 0 && info.used <= sizeof(room) - 8);
    return 0;
}
