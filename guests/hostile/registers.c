// SPDX-License-Identifier: Apache-2.0
// Registers of a device with every width, read and written at random.
#include "hostile.h"

enum { WIDTHS = 4 };

void make_access(void *argument) {
    const struct access *a = argument;
    switch (a->width << 1 | a->write) {
    case 0: (void)*(volatile uint8_t *)a->address; break;
    case 1: *(volatile uint8_t *)a->address = (uint8_t)a->value; break;
    case 2: (void)*(volatile uint16_t *)a->address; break;
    case 3: *(volatile uint16_t *)a->address = (uint16_t)a->value; break;
    case 4: (void)*(volatile uint32_t *)a->address; break;
    case 5: *(volatile uint32_t *)a->address = (uint32_t)a->value; break;
    case 6: (void)*(volatile uint64_t *)a->address; break;
    default: *(volatile uint64_t *)a->address = a->value; break;
    }
}

void access_at_random(uintptr_t base, uint64_t size, unsigned count, uintptr_t spared) {
    for (unsigned i = 0; i < count; i++) {
        uint64_t r = random64();
        struct access a = {.value = random64(), .width = r % WIDTHS, .write = r >> 8 & 1};
        a.address = base + ((r >> 16) % size & ~((1ull << a.width) - 1));
        if ((a.address & ~0xfull) != spared) step(make_access, &a);
    }
}
