// SPDX-License-Identifier: Apache-2.0
// Attacks of one access to an address that is not this VM's, and those that every machine has. For one file of each architecture.
#ifndef HOSTILE_OUTSIDE_H
#define HOSTILE_OUTSIDE_H

#include "hostile.h"

#define BEYOND       0x10000ull       // behind the last byte of memory
#define LAST_PAGE_40 0xfffffff000ull  // the last page of a 40-bit address space
#define BEYOND_40    0x10000000000ull // the first address behind it

static void load(void *address) { mmio_read32((uintptr_t)address); }

static void store(void *address) { mmio_write32((uintptr_t)address, 0); }

static void jump(void *address) { ((void (*)(void))(uintptr_t)address)(); }

#define READ(name, address) \
    static void name(void) { step(load, window(address, false, false)); }
#define WRITE(name, address) \
    static void name(void) { step(store, window(address, false, false)); }
#define EXECUTE(name, address) \
    static void name(void) { step(jump, window(address, true, true)); }

READ(read_at, arg_number("address", memory_end()))
WRITE(write_at, arg_number("address", memory_end()))
EXECUTE(execute_at, arg_number("address", memory_end()))
READ(read_outside, memory_end() + BEYOND)
WRITE(write_outside, memory_end() + BEYOND)
EXECUTE(execute_outside, memory_end() + BEYOND)
READ(read_last_page, LAST_PAGE_40)
EXECUTE(execute_last_page, LAST_PAGE_40)
READ(read_beyond, BEYOND_40)

#endif
